"""The hazards that are looked for: which rule, in which dialects, and with which operations.

A range says in which dialects a hazard is there; the commit that ended it is in the
table of dialects.  Tests hold each range against a search in every dialect.
"""

from __future__ import annotations

from pytest_mmowner import Hazard

_PLAIN: tuple[str, ...] = ()
_VM = ("VM",)
_THREAD = ("THREAD",)


def _ops(words: str) -> frozenset[str]:
    return frozenset(words.split())


HAZARDS = (
    Hazard(
        "INV-01", "dangling", "..2.6.26", _ops("clone exit exec reap hold"),
        (_PLAIN, _VM, _THREAD), "an mm with users is owned by a task that was released",
    ),
    Hazard(
        "INV-01", "dangling loan", "..2.6.33", _ops("clone exit reap kthread use_mm"), (_PLAIN,),
        "an mm that a kernel thread borrows is owned by its last user, which was released",
    ),
    Hazard(
        "INV-01", "dangling", "..3.0", _ops("exec exit hold kthread use_mm unuse_mm"), (_PLAIN,),
        "an mm with users is owned by a kernel thread that is no more",
    ),
    Hazard(
        "INV-01", "dangling", "..4.4", _ops("clone_fails"), (_PLAIN,),
        "an mm that a monitor still holds is owned by a child that never lived",
    ),
    Hazard(
        "INV-02", "stale", "..2.6.26", _ops("clone exit exec reap hold"),
        (_PLAIN, _VM, _THREAD), "an mm is owned by a task that does not use it",
    ),
    Hazard(
        "INV-02", "stale kthread", "..3.0", _ops("clone exit hold kthread use_mm unuse_mm"), (_PLAIN,),
        "a kernel thread owned the mm that it had borrowed, and still does after giving it back",
    ),
    Hazard(
        "INV-02", "stale", "..4.4", _ops("clone_fails"), (_PLAIN,),
        "an mm that a monitor still holds is owned by a child that never lived",
    ),
    Hazard(
        "EXIT-02", "stale", "..2.6.33", _ops("clone exit kthread use_mm"), (_PLAIN,),
        "the last user leaves, and the mm that somebody still points to keeps it as owner",
    ),
    Hazard(
        "EXIT-07", "stale", "..2.6.26", _ops("clone exit hold"), (_PLAIN, _VM),
        "the last task leaves, a reference is left, and the dead task stays owner",
    ),
    Hazard(
        "EXIT-08", "stale", "rfc-v4", _ops("clone exit"), (_PLAIN, _THREAD),
        "the leader leaves before its thread and stays owner as a zombie",
    ),
    Hazard(
        "LEADER-05", "dangling", "rfc-v4", _ops("clone exit reap"), (_PLAIN, _VM, _THREAD),
        "the leader leaves, then its thread; a sharer outside is left with a released owner",
    ),
    Hazard(
        "LEADER-06", "dangling", "rfc-v4", _ops("clone exec"), (_PLAIN, _VM, _THREAD),
        "a thread execs; the old leader, which is released, stays owner of the old mm",
    ),
    Hazard(
        "EXEC-02", "dangling", "rfc-v4", _ops("clone exec exit reap"), (_PLAIN, _VM),
        "the owner execs and is reaped; its old mm still belongs to it",
    ),
    Hazard(
        "INV-07", "kthread", "..3.0", _ops("clone exit hold kthread use_mm"), (_PLAIN,),
        "no user task uses the mm, and the search finds a kernel thread",
    ),
    Hazard(
        "EXEC-04", "dangling", "rfc-v4", _ops("clone exec"), (_PLAIN, _VM, _THREAD),
        "a thread execs, the leader dies first and does not hand over",
    ),
    Hazard(
        "EXEC-07", "stale", "..2.6.26", _ops("clone exec hold"), (_PLAIN,),
        "the owner execs and leaves its old mm to a reference; the mm still belongs to it",
    ),
    Hazard(
        "USERS-03", "dangling", "..2.6.26", _ops("clone exit reap hold"), (_PLAIN, _VM),
        "a reference outlives the last task, which is reaped and stays owner",
    ),
    Hazard(
        "KTHREAD-01", "kthread", "..3.0", _ops("clone exit hold kthread use_mm"), (_PLAIN,),
        "a kernel thread that borrows the mm is elected",
    ),
    Hazard(
        "FORK-06", "dangling, dup_mm failed", "..4.4", _ops("clone_fails"), (_PLAIN,),
        "a fork fails in dup_mm, and a monitor holds an mm of a child that never lived",
    ),
    Hazard(
        "FORK-07", "dangling, failed late", "..4.4", _ops("clone_fails"), (_PLAIN,),
        "a fork fails late, and a monitor holds an mm of a child that never lived",
    ),
)  # fmt: skip
