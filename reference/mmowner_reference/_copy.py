"""Copies of a world, and its identity: for searches and for outcomes that fork.

``copy.deepcopy`` follows the linked lists node by node into the recursion limit, and
costs a hundred times an operation; this knows the objects.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ._lists import KList
from ._locks import Rcu, RwLock
from ._rules import NoRules, Rules
from ._structs import Mm, Task, ThreadGroup

if TYPE_CHECKING:
    from ._kernel import Call, Kernel


def copy_kernel(kernel: Kernel) -> Kernel:
    """Return an independent copy of the world of *kernel*, with rules of its own.

    Locks are not copied: between two operations none is held.
    """
    new = _empty(kernel)
    groups = new.cgroups = {}
    for old_cgroup in kernel.cgroups.values():
        made = type(old_cgroup)(old_cgroup.id, None)
        made.pages = old_cgroup.pages
        groups[made.id] = made
    for old_cgroup in kernel.cgroups.values():
        if old_cgroup.parent is not None:
            groups[old_cgroup.id].parent = groups[old_cgroup.parent.id]

    new.init_task = Task(0, groups[1])
    new.init_task.kthread = True
    new.kthreadd = Task(-1, groups[1])
    new.kthreadd.kthread = True
    new.kthreadd.real_parent = new.kthreadd.parent = new.init_task
    new.kworker = Task(-2, groups[1])
    new.kworker.kthread = True
    new.kworker.real_parent = new.kworker.parent = new.kthreadd
    nameless = {
        kernel.init_task: new.init_task,
        kernel.kthreadd: new.kthreadd,
        kernel.kworker: new.kworker,
    }
    tasks: dict[Task, Task] = dict(nameless)
    signals: dict[ThreadGroup, ThreadGroup] = {}
    everybody = [*kernel.tasks.values(), *kernel.released.values()]
    for task in everybody:
        # The group comes with _copy_task; any will do, to make none for nothing.
        tasks[task] = Task(task.id, groups[task.cgroup.id], group=new.init_task.group)
    mms = _copy_mms(kernel, new, tasks)
    for task in everybody:
        _copy_task(task, tasks, signals, mms)
    new.init_task.tracees.clear()

    new.tasks = {name: tasks[task] for name, task in kernel.tasks.items()}
    new.released = {name: tasks[task] for name, task in kernel.released.items()}
    new.processes = KList()
    for leader in kernel.processes:
        new.processes.append(tasks[leader].process_node)
    for parent in (*nameless, *kernel.tasks.values()):
        copy = tasks[parent]
        for child in parent.children:
            copy.children.append(tasks[child].sibling_node)
    new.subsystems = list(kernel.subsystems)
    new.callback_log = list(kernel.callback_log)
    new.used_names = {kind: set(names) for kind, names in kernel.used_names.items()}
    new.unpaid, new.lost_pages = kernel.unpaid, kernel.lost_pages
    new.op, new.left_mm, new.calls_before = kernel.op, kernel.left_mm, kernel.calls_before
    new.reasons = dict(kernel.reasons)
    new.current = tasks.get(kernel.current, new.init_task)
    return new


def _empty(kernel: Kernel) -> Kernel:
    """Return a kernel of the same kind to be filled.

    Searches copy worlds all the time, and what a boot makes is thrown away: it is left out
    where nobody but the reference is asked.
    """
    from ._kernel import Kernel as Plain  # noqa: PLC0415  it imports what imports us

    if type(kernel) is not Plain or kernel.rules_factory not in (Rules, NoRules):
        return type(kernel)(kernel.dialect, kernel.rules_factory)
    new = Plain.__new__(Plain)
    new.__dict__.update(kernel.__dict__)
    new.tasklist_lock, new.rcu = RwLock("tasklist_lock"), Rcu()
    new.rules = kernel.rules_factory(new)
    return new


def _copy_mms(kernel: Kernel, new: Kernel, tasks: dict[Task, Task]) -> dict[Mm, Mm]:
    mms: dict[Mm, Mm] = {}
    for old in (*kernel.mms.values(), kernel.init_mm):
        made: Any = new.make_mm(old.id)
        made.users, made.refs, made.loans = old.users, set(old.refs), old.loans
        made.lru_cgroup = old.lru_cgroup
        owner = getattr(old, "owner", None)
        if owner is not None:
            made.owner = tasks[owner]
        mms[old] = made
    new.mms = {name: mms[mm] for name, mm in kernel.mms.items()}
    new.refs = {name: mms[mm] for name, mm in kernel.refs.items()}
    new.init_mm = mms[kernel.init_mm]
    return mms


def _copy_task(
    task: Task, tasks: dict[Task, Task], signals: dict[ThreadGroup, ThreadGroup], mms: dict[Mm, Mm]
) -> None:
    copy = tasks[task]
    if task.group not in signals:
        made = ThreadGroup(tasks[task.group.leader])
        made.subreaper = task.group.subreaper
        signals[task.group] = made
        for thread in task.group.threads:
            made.threads.append(tasks[thread].thread_node)
    copy.group = signals[task.group]
    copy.mm = None if task.mm is None else mms[task.mm]
    copy.parent = tasks[task.parent]
    copy.real_parent = tasks[task.real_parent]
    copy.kthread, copy.exiting, copy.state = task.kthread, task.exiting, task.state
    copy.tracees = {name: tasks[tracee] for name, tracee in task.tracees.items()}
    copy.traced_away = {name: tasks[child] for name, child in task.traced_away.items()}
    copy.vfork_child = None if task.vfork_child is None else tasks[task.vfork_child]
    copy.vfork_parent = None if task.vfork_parent is None else tasks[task.vfork_parent]


class Canonical:
    """Names by place: worlds that differ only in names get equal keys with one of these each.

    Tasks are numbered as they stand on the process list, mms and cgroups as tasks use them,
    then mms that only references keep by what is known of them, everything else when it is
    first asked for.  What is left of a name's own order can make two equal worlds look
    different (cgroups, tracers), never two different ones equal.
    """

    def __init__(self, kernel: Kernel) -> None:
        self._names: dict[tuple[str, int], int] = {}
        for leader in kernel.processes:
            for task in leader.threads:
                self("task", task.id)
                self("mm", 0 if task.mm is None else task.mm.id)
                self("cgroup", task.cgroup.id)
        for mm in sorted(kernel.mms.values(), key=lambda mm: self._rank(kernel, mm)):
            self("mm", mm.id)

    def _rank(self, kernel: Kernel, mm: Mm) -> tuple[Any, ...]:
        """By what an mm that no task uses is told from others: its owner, then its references.

        An owner that was released is known by the other mms that it owns.
        """
        known = self._names.get(("mm", mm.id))
        if known is not None:
            return (-1, known)
        owner = kernel.owner(mm.id)
        if owner is None or ("task", owner) in self._names:
            number = 0 if owner is None else self._names["task", owner]
            return (0, number, len(mm.refs), mm.users)
        owned = [one for one in kernel.mms.values() if kernel.owner(one.id) == owner]
        named = min((self._names.get(("mm", one.id), 10**9) for one in owned), default=0)
        refs = sorted(len(one.refs) for one in owned)
        return (1, named, refs, owner, len(mm.refs), mm.users)

    def __call__(self, kind: str, name: int) -> int:
        """Return the number of *name*; what has no name (0 and less) keeps its own."""
        return name if name <= 0 else self._names.setdefault((kind, name), len(self._names) + 1)


def _as_named(kind: str, name: int) -> int:
    return name


def state_key(kernel: Kernel, number: Callable[[str, int], int] = _as_named) -> tuple[Any, ...]:
    """Return a hashable identity of the world: equal keys behave the same from here on.

    Names are part of it, unless *number* gives others (:class:`Canonical`).
    """

    def task_no(task: Task | None) -> int:
        return 0 if task is None else number("task", task.id)

    def mm_no(mm: Mm | None) -> int:
        return 0 if mm is None else number("mm", mm.id)

    tasks = tuple(
        (
            task_no(task), task.state, task.exiting, task.kthread, task_no(task.group.leader),
            mm_no(task.mm), task_no(task.real_parent), task_no(task.parent),
            number("cgroup", task.cgroup.id), task.group.subreaper, task_no(task.vfork_child),
            tuple(task_no(child) for child in task.children),
            tuple(task_no(child) for child in task.traced_away.values()),
            tuple(task_no(tracee) for tracee in task.tracees.values()),
        )
        for task in sorted(kernel.tasks.values(), key=task_no)
    )  # fmt: skip
    mms = tuple(
        (mm_no(mm), mm.users, mm.loans,
         None if mm.lru_cgroup is None else number("cgroup", mm.lru_cgroup), _refs(mm, number),
         _owner(kernel, mm, number), _owner_gone(kernel, mm))
        for mm in sorted(kernel.mms.values(), key=mm_no)
    )  # fmt: skip
    order = tuple((task_no(p), *map(task_no, p.threads)) for p in kernel.processes)
    nameless = tuple(
        tuple(task_no(child) for child in parent.children)
        for parent in (kernel.init_task, kernel.kthreadd, kernel.kworker)
    )
    cgroups = tuple(
        (number("cgroup", g.id), 0 if g.parent is None else number("cgroup", g.parent.id), g.pages)
        for g in kernel.cgroups.values()
    )
    calls = tuple(_call(call, number) for call in kernel.callback_log)
    return (
        tasks, mms, order, nameless, tuple(sorted(cgroups)), kernel.unpaid, kernel.lost_pages,
        calls, tuple(kernel.subsystems),
    )  # fmt: skip


def _refs(mm: Mm, number: Callable[[str, int], int]) -> tuple[int, ...]:
    """References of one mm differ in nothing but their names."""
    return tuple(sorted(mm.refs)) if number is _as_named else (len(mm.refs),)


def _owner(kernel: Kernel, mm: Mm, number: Callable[[str, int], int]) -> int | None:
    name = kernel.owner(mm.id)
    return None if name is None else number("task", name)


def _call(call: Call, number: Callable[[str, int], int]) -> tuple[Any, ...]:
    return (
        call.subsystem, number("task", call.old), number("task", call.new or 0),
        number("task", call.seen), number("cgroup", call.old_cgroup),
        number("cgroup", call.new_cgroup or 0),
    )  # fmt: skip


def _owner_gone(kernel: Kernel, mm: Mm) -> bool:
    name = kernel.owner(mm.id)
    return name is not None and name not in kernel.tasks
