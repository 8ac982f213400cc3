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
        "EXEC-07", "dangling", "..2.6.26", _ops("clone exec exit reap hold"), (_PLAIN,),
        "the owner leaves an mm to a reference and is reaped; the mm still belongs to it",
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
        "FORK-07", "dangling", "..4.4", _ops("clone_fails"), (_PLAIN,),
        "a fork fails, and what a monitor still holds belongs to the child that never lived",
    ),
)  # fmt: skip
