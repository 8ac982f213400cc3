"""The owner rules: who owns a new mm, and who comes next when the owner leaves.

This is what other people implement.  The kernel around it calls three functions:

* ``mm_init_owner(mm, task)`` when an mm is made,
* ``mm_update_next_owner(mm)`` when ``host.current`` has left *mm* (exit, exec) and
  still holds its reference to it,
* ``mm_clear_owner(mm, task)`` when a fork fails after the mm was there.

**Theory.**  ``mm.owner`` is a task that uses the mm, or nobody.  Only the owner itself
may change it, at the moment it leaves: so its test "am I the owner?" needs no lock.
The next owner is looked for in three stages, the first that uses the mm wins:
children of the leaving *thread*, children of its parent, everybody.  A candidate may
leave at the same time: it counts only if it still uses the mm once its ``alloc_lock``
is held, because it must take that lock to leave.

Versions differ in the fields of :class:`~._dialects.Dialect`; there is no version in
this file.  How steps are yielded is told in ``_locks.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from typing import TYPE_CHECKING, Final, TypeAlias

from ._locks import Step, Steps
from ._structs import Mm, OwnedMm, Task

if TYPE_CHECKING:
    from ._kernel import Kernel

CHILDREN: Final = "children"
SIBLINGS: Final = "siblings"
EVERYTHING: Final = "everything"

#: What a search ends with: the task and the stage that found it.
Found: TypeAlias = tuple[Task, str] | None
Search: TypeAlias = Generator[Step, None, Found]


class Rules:
    """The owner rules of ``host.dialect``."""

    def __init__(self, host: Kernel) -> None:
        self.host = host

    def mm_init_owner(self, mm: OwnedMm, task: Task) -> None:
        """The first owner is *task*: the child of a fork, the task that execs.

        Runs before anybody can see the mm, and calls no callbacks.
        Source: RFC v4, kernel/fork.c mm_init(); unchanged since.
        """
        mm.owner = task

    def mm_clear_owner(self, mm: OwnedMm, task: Task) -> None:
        """A fork failed late: the child must not stay owner; anybody else must.

        Source: c3f3ce049f7d (5.2).  Before, nothing was cleared.
        """
        if self.host.dialect.failed_fork_clears and mm.owner is task:
            mm.owner = None

    def mm_update_next_owner(self, mm: OwnedMm) -> Steps:
        """``host.current`` leaves *mm*: if it owns it, find the next owner.

        Source: RFC v4, kernel/exit.c; 6.11 for the walk without retry.
        """
        yield from WALKS[self.host.dialect.walk](self, mm)

    def needs_owner(self, mm: OwnedMm, p: Task) -> bool:
        """Whether a search is due.  May clear the owner of an mm whose last user leaves.

        Source: RFC v4 mm_need_new_owner(); 733eda7ac316 (3.0) for the clearing.
        """
        dialect = self.host.dialect
        if mm.owner is not p:
            return False
        if mm.users <= 1:
            if dialect.last_user == "clear":
                mm.owner = None
            if p.mm is not mm:  # the RFC's exec asks about the mm that p just got
                self.host.because(mm, "EXIT-02", f"task {p.id} leaves as the last user")
            return False
        if dialect.delayed_leader and p.leader and p.group.has_other_threads(p):
            self.host.because(mm, "LEADER-01", f"leader {p.id} has threads left and keeps the mm")
            return False
        return True

    def nobody_found(self, mm: OwnedMm, p: Task) -> None:
        """Users are left, but no task among them.

        Source: RFC v4 leaves the owner; 31a78f23bac0 (2.6.27) clears it, after it has told
        the subsystems that there is no new one.
        """
        dialect = self.host.dialect
        if dialect.nobody == "clear":
            if dialect.callbacks is not None:
                self.host.owner_callbacks(mm, p, None)
            mm.owner = None
        self.host.because(mm, "EXIT-07", f"task {p.id} leaves and no task uses the mm")

    def assign(self, mm: OwnedMm, task: Task, stage: str) -> None:
        """Make *task*, whose ``alloc_lock`` is held, the owner; tell who must be told.

        Callbacks see the old owner still in place (RFC v4, cgroup_mm_owner_callbacks);
        the MGLRU list follows after the assignment (bd74fdaea146, 6.1).
        """
        host = self.host
        old = mm.owner
        if host.dialect.callbacks is not None and old is not None:
            host.owner_callbacks(mm, old, task)
        mm.owner = task
        if host.dialect.lru_gen:
            host.lru_gen_migrate_mm(mm)
        host.because_elected(mm, task, stage)

    def stages(self, p: Task) -> Iterable[tuple[str, Iterable[Task]]]:
        """The lists to walk, in order.

        Source: RFC v4 (children, ``p->parent->children``, do_each_thread); dea33cfd9902
        (2.6.31) for ``real_parent``.
        """
        host = self.host
        yield CHILDREN, p.children
        yield SIBLINGS, getattr(p, host.dialect.siblings_of).children
        yield EVERYTHING, host.processes


def take_after_search(rules: Rules, mm: OwnedMm) -> Steps:
    """Pick first, then lock and look again; from the start when the candidate has left.

    Source: RFC v4 under RCU only; cf475ad28ac3 (2.6.26) keeps tasklist_lock until the
    candidate is locked; 9363b9f23c9c (2.6.28) drops it before, to take mmap_sem, and keeps
    the candidate by a reference.  Up to 6.10.
    """
    host = rules.host
    p = host.current
    walk_lock, walk_unlock, unlock_early = WALK_LOCKS[host.dialect.list_lock](host)
    mmap_sem = host.dialect.handoff_mmap_sem
    unlock_early = unlock_early or mmap_sem == "always"
    while rules.needs_owner(mm, p):
        yield walk_lock
        found = yield from _search(rules, mm, p)
        if found is None or unlock_early:
            yield walk_unlock
        held = mmap_sem == "always" or (mmap_sem == "nobody" and found is None)
        if held:
            yield mm.mmap_lock.write_lock
        lost = False
        if found is None:
            rules.nobody_found(mm, p)
        else:
            lost = yield from _take(rules, mm, found, None if unlock_early else walk_unlock)
        if held:
            yield mm.mmap_lock.write_unlock
        if not lost:
            return


def _take(
    rules: Rules, mm: OwnedMm, found: tuple[Task, str], unlock: Step | None
) -> Generator[Step, None, bool]:
    """Lock the candidate and make it the owner; return whether it had left before."""
    task, stage = found
    if task is rules.host.current:
        rules.host.bug("c == p")
    yield task.alloc_lock.lock
    if unlock is not None:
        yield unlock
    lost = task.mm is not mm
    if not lost:
        rules.assign(mm, task, stage)
    yield task.alloc_lock.unlock
    return lost


def _search(rules: Rules, mm: OwnedMm, p: Task) -> Search:
    dialect = rules.host.dialect
    for stage, entries in rules.stages(p):
        if stage == EVERYTHING:
            return (yield from EVERYTHING_WALKS[dialect.everything](rules, mm, entries))
        for entry in entries:
            yield entry.visit
            if entry.mm is mm:
                return entry, stage
            rules.host.passed_over(mm, entry)
    raise AssertionError("the last stage is everything")


def everything_by_threads(rules: Rules, mm: OwnedMm, leaders: Iterable[Task]) -> Search:
    """All threads of all processes.  Source: RFC v4, do_each_thread; up to 3.15."""
    for leader in leaders:
        for task in leader.threads:
            yield task.visit
            if task.mm is mm:
                return task, EVERYTHING
    return None


def everything_by_groups(rules: Rules, mm: OwnedMm, leaders: Iterable[Task]) -> Search:
    """As before, but a group is left at its first other mm, and kernel threads are skipped.

    Source: 39af1765f1f6 and the patches after it (3.16); cf3f9a593dab (6.10) ends the
    walk when no other user is left.
    """
    dialect = rules.host.dialect
    for leader in leaders:
        if dialect.stop_when_alone and mm.users <= 1:
            return None
        if dialect.skip_kthreads and leader.kthread:
            continue
        for task in leader.threads:
            yield task.visit
            if task.mm is mm:
                return task, EVERYTHING
            if task.mm is not None:
                break
    return None


def take_while_walking(rules: Rules, mm: OwnedMm) -> Steps:
    """Lock each candidate where it is met; one that has left is passed over.

    Source: "memcg: mm_update_next_owner: kill the retry logic" and "move
    for_each_thread() into try_to_set_owner()" (6.11).
    """
    host = rules.host
    p = host.current
    if not rules.needs_owner(mm, p):
        return
    yield host.tasklist_lock.read_lock
    for stage, leaders in rules.stages(p):
        for leader in leaders:
            if stage == EVERYTHING:
                if host.dialect.stop_when_alone and mm.users <= 1:
                    break
                if host.dialect.skip_kthreads and leader.kthread:
                    continue
            if (yield from _try_group(rules, mm, leader, stage)):
                return
    yield host.tasklist_lock.read_unlock
    rules.nobody_found(mm, p)


def _try_group(rules: Rules, mm: OwnedMm, leader: Task, stage: str) -> Generator[Step, None, bool]:
    """``try_to_set_owner``: the threads of one group; drops tasklist_lock on success."""
    for task in leader.threads:
        yield task.visit
        seen: Mm | None = task.mm
        if seen is mm:
            yield task.alloc_lock.lock
            if task.mm is mm:
                yield rules.host.tasklist_lock.read_unlock
                rules.assign(mm, task, stage)
                yield task.alloc_lock.unlock
                return True
            yield task.alloc_lock.unlock
        elif seen is not None:
            return False
    return False


WALKS: Final[dict[str, Callable[[Rules, OwnedMm], Steps]]] = {
    "pick, then lock": take_after_search,
    "lock in place": take_while_walking,
}
EVERYTHING_WALKS: Final[dict[str, Callable[[Rules, OwnedMm, Iterable[Task]], Search]]] = {
    "threads": everything_by_threads,
    "groups": everything_by_groups,
}
#: Lock, unlock, and whether it is dropped before the candidate is locked (BUG-06).
WALK_LOCKS: Final[dict[str, Callable[[Kernel], tuple[Step, Step, bool]]]] = {
    "rcu": lambda host: (host.rcu.read_lock, host.rcu.read_unlock, True),
    "tasklist": lambda host: (host.tasklist_lock.read_lock, host.tasklist_lock.read_unlock, False),
}


class NoRules:
    """CONFIG_MEMCG off: no field, every call does nothing.  Source: RFC v4 stubs (sched.h)."""

    def __init__(self, host: Kernel) -> None:
        """There is nothing to remember about *host*."""

    def mm_init_owner(self, mm: Mm, task: Task) -> None:
        """Nothing."""

    def mm_clear_owner(self, mm: Mm, task: Task) -> None:
        """Nothing."""

    def mm_update_next_owner(self, mm: Mm) -> None:
        """Nothing."""
