"""The reference kernel: the world in which the owner rules run.

A world is made of tasks, thread groups, mms and cgroups, starts with init alone, and is
changed by operations (:mod:`._ops`), each of which runs to its end.  The owner rules are
a guest: ours (:mod:`._rules`), a mutant's or a candidate's, called where the kernel calls
them.  Pure: no I/O, no time, no chance.

This module keeps the objects and answers questions; :mod:`._life` has what a task does
from clone to reap, :mod:`._legal` what is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

from ._dialects import DEFAULT, DIALECTS, Dialect
from ._legal import IllegalOperation, check
from ._life import Life
from ._lists import KList
from ._locks import LockError, Rcu, RwLock, drain
from ._ops import Exec, Op
from ._rules import NoRules, Rules
from ._structs import GONE, Cgroup, Mm, OwnedMm, Task

__all__ = ["IllegalOperation", "Kernel", "KernelBug", "OwnerRules", "Reason"]


class KernelBug(RuntimeError):
    """A ``BUG_ON`` of the rules was hit: a real kernel would panic here."""


class OwnerRules(Protocol):
    """What a kernel needs from owner rules.

    Each method is a plain function, or a generator of steps (see :mod:`._locks`) that can
    be stopped between any two of them.  ``mm_clear_owner`` may be absent.
    """

    def mm_init_owner(self, mm: Any, task: Any) -> Any:
        """*mm* was made for *task*."""

    def mm_update_next_owner(self, mm: Any) -> Any:
        """``host.current`` has left *mm* and still holds its reference to it."""


RulesFactory: TypeAlias = Callable[[Any], OwnerRules]


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an answer is what it is: the requirement that decided, and in words.

    ``order`` is the requirement that chose among several possible owners: an answer that is
    another task which uses the mm breaks only that one.
    """

    rule: str
    text: str
    order: str | None = None


class Call(NamedTuple):
    """A handoff that a subsystem is to be told of, with all that some dialect tells."""

    subsystem: str
    old: int
    new: int | None
    seen: int
    old_cgroup: int
    new_cgroup: int | None

    def with_new(self, task: Task) -> Call:
        """Return the same call for another new owner."""
        return self._replace(new=task.id, new_cgroup=task.cgroup.id)


def _tasks(call: Call) -> dict[str, Any] | None:
    """RFC v4: the tasks, also when both are in the same cgroup."""
    return {"subsystem": call.subsystem, "old": call.old, "new": call.new, "seen": call.seen}


def _cgroups(call: Call) -> dict[str, Any] | None:
    """cf475ad28ac3 (2.6.26): the cgroups, and no call when they are the same."""
    if call.old_cgroup == call.new_cgroup:
        return None
    return {
        "subsystem": call.subsystem, "old": call.old_cgroup, "new": call.new_cgroup,
        "seen": call.seen,
    }  # fmt: skip


def _cgroups_and_task(call: Call) -> dict[str, Any] | None:
    """9363b9f23c9c (2.6.28): the new task too."""
    shown = _cgroups(call)
    return None if shown is None else {**shown, "task": call.new}


#: What a subsystem is told, by the dialect's ``callbacks``.
CALLBACK_ARGUMENTS: Final[Mapping[str, Callable[[Call], dict[str, Any] | None]]] = {
    "tasks": _tasks, "cgroups": _cgroups, "cgroups and task": _cgroups_and_task,
}  # fmt: skip

#: Names that exist from the start.
INIT: Final = 1
ROOT: Final = 1


class Kernel(Life):
    """One world under one dialect.

    ``dialect`` is a name out of ``DIALECTS`` or a :class:`Dialect`; ``rules`` makes the
    owner rules for this kernel (default: the dialect's own).  Raises :class:`KeyError`
    for an unknown dialect name.
    """

    def __init__(self, dialect: str | Dialect = DEFAULT, rules: RulesFactory | None = None) -> None:
        self.dialect = DIALECTS[dialect] if isinstance(dialect, str) else dialect
        if rules is None:
            rules = Rules if self.dialect.owner else NoRules
        self.rules_factory = rules
        self.tasklist_lock: RwLock = RwLock("tasklist_lock")
        self.rcu: Rcu = Rcu()
        self.processes: KList[Task] = KList()
        self.tasks: dict[int, Task] = {}
        #: Released task_structs that somebody may still point to.
        self.released: dict[int, Task] = {}
        self.mms: dict[int, Mm] = {}
        self.refs: dict[int, Mm] = {}
        self.cgroups: dict[int, Cgroup] = {ROOT: Cgroup(ROOT, None)}
        #: Pages that nobody was charged for, and pages charged through a released owner.
        self.unpaid = 0
        self.lost_pages = 0
        self.subsystems: list[str] = []
        self.callback_log: list[Call] = []
        self.used_names: dict[str, set[int]] = {
            "task": {INIT}, "mm": {INIT}, "ref": set(), "cgroup": {ROOT},
        }  # fmt: skip
        self.op: Op | None = None
        self.reasons: dict[int, Reason] = {}
        self._passed_over = False
        self.left_mm = 0
        #: How many callbacks had been called before this operation.
        self.calls_before = 0

        #: ``init_task`` (pid 0): parent of init and of kernel threads; it has no name.
        self.init_task = Task(0, self.cgroups[ROOT])
        self.init_task.kthread = True
        #: ``kthreadd``, init's only sibling and the parent of all kernel threads; nameless too.
        self.kthreadd = Task(-1, self.cgroups[ROOT])
        self.kthreadd.kthread = True
        self.kthreadd.real_parent = self.kthreadd.parent = self.init_task
        self.init_task.children.append(self.kthreadd.sibling_node)
        #: The worker that starts user-mode helpers, which are its children.
        self.kworker = Task(-2, self.cgroups[ROOT])
        self.kworker.kthread = True
        self.kworker.real_parent = self.kworker.parent = self.kthreadd
        self.current = self.init_task
        #: ``init_mm``, the kernel's own; it has an owner up to 3.15.
        self.init_mm = self.make_mm(0)
        self.rules = rules(self)
        if self.dialect.owner and self.dialect.init_mm_owner:
            self.call(self.rules.mm_init_owner(self.init_mm, self.init_task))
        self._boot()

    def _boot(self) -> None:
        init = Task(INIT, self.cgroups[ROOT])
        mm = self.make_mm(INIT)
        self.mms[INIT] = mm
        self.call(self.rules.mm_init_owner(mm, init))
        init.mm = mm
        self.lru_gen_migrate_mm(mm)
        self.link(init, self.init_task)

    def make_mm(self, name: int) -> Mm:
        """Return a fresh mm with one user, with an owner field if this kernel has one."""
        return OwnedMm(name) if self.dialect.owner else Mm(name)

    # -- operations ---------------------------------------------------------------

    def do(self, op: Op) -> None:
        """Perform one operation to its end.

        Raises :class:`IllegalOperation`, with the world unchanged, when the kernel would
        refuse it; :class:`KernelBug` or ``LockError`` when the rules break the kernel.
        """
        check(self, op)
        self.begin(op)
        self.perform(op)
        self.check_locks()

    def check_locks(self) -> None:
        """Between two operations nothing is held.  Raises ``LockError``.

        Looked at is what rules touch: the lists, the mms, and the tasks that own them.
        """
        owners = [getattr(mm, "owner", None) for mm in self.mms.values()]
        locks = [
            self.tasklist_lock, self.rcu, *(mm.mmap_lock for mm in self.mms.values()),
            *(owner.alloc_lock for owner in owners if owner is not None),
        ]  # fmt: skip
        for lock in locks:
            if lock.held:
                raise LockError(f"{lock.label} is still held after {self.op}")

    def begin(self, op: Op) -> None:
        """Forget what was said about the operation before."""
        self.op = op
        self.reasons.clear()
        self.left_mm = 0
        self.calls_before = len(self.callback_log)

    def run(self, program: Iterable[Op]) -> Kernel:
        """Perform all operations of *program* and return this kernel."""
        for op in program:
            self.do(op)
        return self

    def call(self, result: Any) -> None:
        """Finish a call of the rules: steps, if it returned any, are run here."""
        if isinstance(result, Generator):
            drain(result)

    # -- what can be asked ---------------------------------------------------------

    def owner(self, mm: int) -> int | None:
        """Return the name of the owner of *mm*, a released task's too, or None."""
        owner = getattr(self.mms[mm], "owner", None)
        return None if owner is None else owner.id

    def users(self, mm: int) -> int:
        """Return ``mm_users`` of *mm*."""
        return self.mms[mm].users

    def state(self, task: int) -> str:
        """Return ``"live"``, ``"zombie"`` or ``"gone"`` (released, or never there)."""
        found = self.tasks.get(task)
        return GONE if found is None else found.state

    def bill(self) -> dict[str, int]:
        """Return the pages charged so far, by cgroup name.

        ``"none"`` counts pages that nobody paid for, ``"freed"`` pages that were charged
        through an owner whose memory was freed: what a real kernel does there is undefined.
        """
        bill = {str(group.id): group.pages for group in self.cgroups.values() if group.pages}
        if self.unpaid:
            bill["none"] = self.unpaid
        if self.lost_pages:
            bill["freed"] = self.lost_pages
        return bill

    def callbacks(self) -> list[dict[str, Any]]:
        """Return all calls of ``mm_owner_changed`` so far, with the dialect's arguments.

        ``seen`` is the owner that a hook reading ``mm->owner`` would have seen.
        """
        show = CALLBACK_ARGUMENTS[self.dialect.callbacks or "tasks"]
        return [shown for call in self.callback_log if (shown := show(call)) is not None]

    def lru(self) -> dict[str, int]:
        """Return, for every mm that is on one, the cgroup whose MGLRU list it is on."""
        return {str(mm.id): mm.lru_cgroup for mm in self.mms.values() if mm.lru_cgroup is not None}

    def init_mm_owner(self) -> int | None:
        """Return 0, standing for init_task (pid 0), if it owns init_mm; else None.

        Source: RFC v4 include/linux/init_task.h; 3.16 took the owner away.
        """
        owner = getattr(self.init_mm, "owner", None)
        return None if owner is None else owner.id

    def mm_match_cgroup(self, mm: int, cgroup: int) -> bool:
        """Whether the owner of *mm* sits in *cgroup* (reclaim asks this; no owner: no).

        Source: RFC v4, include/linux/memcontrol.h; the NULL test came with 31a78f23bac0.
        """
        owner = getattr(self.mms[mm], "owner", None)
        return owner is not None and owner.cgroup.id == cgroup

    # -- what rules call -----------------------------------------------------------

    def owner_callbacks(self, mm: OwnedMm, old: Task, new: Task | None) -> None:
        """``cgroup_mm_owner_callbacks``: tell every subsystem, in the order of registration.

        All subsystems are taken to be mounted together with the memory controller.
        """
        for name in self.subsystems:
            seen = 0 if mm.owner is None else mm.owner.id
            after = (None, None) if new is None else (new.id, new.cgroup.id)
            self.callback_log.append(Call(name, old.id, after[0], seen, old.cgroup.id, after[1]))

    def lru_gen_migrate_mm(self, mm: Mm) -> None:
        """Put *mm* on the MGLRU list of its owner's cgroup (bd74fdaea146, 6.1)."""
        owner = getattr(mm, "owner", None)
        if self.dialect.lru_gen and owner is not None:
            mm.lru_cgroup = owner.cgroup.id

    def bug(self, condition: str) -> None:
        """``BUG_ON``: raises :class:`KernelBug`."""
        raise KernelBug(f"BUG_ON({condition}) while {self.current!r} performs {self.op}")

    # -- why -----------------------------------------------------------------------

    def because(self, mm: Mm, rule: str, text: str) -> None:
        """Remember which requirement decided about *mm* in this operation."""
        self.reasons[mm.id] = Reason(rule, text)

    def nobody_passed_over(self) -> None:
        """A search begins."""
        self._passed_over = False

    def passed_over(self, mm: Mm, entry: Task) -> None:
        """A list entry did not use *mm*; remember if a thread behind it did (SEARCH-06)."""
        if not self._passed_over and entry.leader:
            self._passed_over = any(task.mm is mm for task in entry.threads)

    def because_elected(self, mm: Mm, task: Task, stage: str) -> None:
        """Remember why *task* was elected: what made a search due, and what decided it."""
        p = self.current
        if self._passed_over or (stage != "everything" and not task.leader):
            order = "SEARCH-06"
        else:
            order = "SEARCH-04" if stage == "everything" else "SEARCH-01"
        if isinstance(self.op, Exec):
            rule = "EXEC-02" if self.op.task == p.id else "EXEC-04"
        elif p.leader and p.group.has_other_threads(p):
            rule = "LEADER-03"
        else:
            rule = "INV-07"
        where = {
            "children": f"the first user of mm {mm.id} among the children of {p.id}",
            "siblings": f"the first user of mm {mm.id} among the siblings of {p.id}",
            "everything": f"the first user of mm {mm.id} among all processes",
        }[stage]
        text = f"task {p.id} left mm {mm.id}; task {task.id} is {where}"
        self.reasons[mm.id] = Reason(rule, text, order)
