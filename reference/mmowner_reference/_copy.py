"""Copies of a world, and its identity: for searches and for outcomes that fork.

``copy.deepcopy`` follows the linked lists node by node into the recursion limit, and
costs a hundred times an operation; this knows the objects.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._lists import KList
from ._structs import Mm, Task, ThreadGroup

if TYPE_CHECKING:
    from ._kernel import Kernel


def copy_kernel(kernel: Kernel) -> Kernel:
    """Return an independent copy of the world of *kernel*, with rules of its own.

    Locks are not copied: between two operations none is held.
    """
    new = type(kernel)(kernel.dialect, kernel.rules_factory)
    groups = new.cgroups
    groups.clear()
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
        tasks[task] = Task(task.id, groups[task.cgroup.id])
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


def state_key(kernel: Kernel) -> tuple[Any, ...]:
    """Return a hashable identity of the world: equal keys behave the same from here on.

    Names are part of it: worlds that differ only in names have different keys.
    """
    tasks = tuple(
        (
            task.id, task.state, task.exiting, task.kthread, task.group.leader.id,
            0 if task.mm is None else task.mm.id, task.real_parent.id, task.parent.id,
            task.cgroup.id, task.group.subreaper,
            0 if task.vfork_child is None else task.vfork_child.id,
            tuple(child.id for child in task.children),
            tuple(task.traced_away), tuple(task.tracees),
        )
        for task in kernel.tasks.values()
    )  # fmt: skip
    mms = tuple(
        (mm.id, mm.users, mm.loans, mm.lru_cgroup, tuple(sorted(mm.refs)),
         kernel.owner(mm.id), _owner_gone(kernel, mm))
        for mm in kernel.mms.values()
    )  # fmt: skip
    order = tuple((p.id, *(t.id for t in p.threads)) for p in kernel.processes)
    nameless = tuple(
        tuple(child.id for child in parent.children)
        for parent in (kernel.init_task, kernel.kthreadd, kernel.kworker)
    )
    cgroups = tuple((g.id, 0 if g.parent is None else g.parent.id) for g in kernel.cgroups.values())
    return (
        tuple(sorted(tasks)), tuple(sorted(mms, key=lambda mm: mm[0])), order, nameless, cgroups,
        tuple(kernel.bill().items()), tuple(kernel.callback_log), tuple(kernel.subsystems),
    )  # fmt: skip


def _owner_gone(kernel: Kernel, mm: Mm) -> bool:
    name = kernel.owner(mm.id)
    return name is not None and name not in kernel.tasks
