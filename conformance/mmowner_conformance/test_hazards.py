"""How rfc-v4 breaks its own promises: the shortest programs, found by search.

Under rfc-v4 they are reported as hazards of the dialect.  Under every other dialect the
same programs must come out right: they are what those dialects were made for.
"""

import pytest

from mmowner_conformance import FindHazard, requirement
from pytest_mmowner import Hazard

_PLAIN: tuple[str, ...] = ()
_VM = ("VM",)
_THREAD = ("THREAD",)

HAZARDS = {
    "INV-01": Hazard(
        "dangling", frozenset({"clone", "exit", "exec", "reap", "hold"}), (_PLAIN, _VM, _THREAD),
        "an mm with users is owned by a task that was released",
    ),
    "INV-02": Hazard(
        "stale", frozenset({"clone", "exit", "exec", "reap", "hold"}), (_PLAIN, _VM, _THREAD),
        "an mm is owned by a task that does not use it",
    ),
    "EXIT-02": Hazard(
        "stale", frozenset({"clone", "exit", "kthread", "use_mm"}), (_PLAIN,),
        "the last user leaves, and the mm that somebody still points to keeps it as owner",
    ),
    "EXIT-07": Hazard(
        "stale", frozenset({"clone", "exit", "hold"}), (_PLAIN, _VM),
        "the last task leaves, a reference is left, and the dead task stays owner",
    ),
    "EXIT-08": Hazard(
        "stale", frozenset({"clone", "exit"}), (_PLAIN, _THREAD),
        "the leader leaves before its thread and stays owner as a zombie",
    ),
    "LEADER-05": Hazard(
        "dangling", frozenset({"clone", "exit", "reap"}), (_PLAIN, _VM, _THREAD),
        "the leader leaves, then its thread; a sharer outside is left with a released owner",
    ),
    "LEADER-06": Hazard(
        "dangling", frozenset({"clone", "exec"}), (_PLAIN, _VM, _THREAD),
        "a thread execs; the old leader, which is released, stays owner of the old mm",
    ),
    "EXEC-02": Hazard(
        "dangling", frozenset({"clone", "exec", "exit", "reap"}), (_PLAIN, _VM),
        "the owner execs and is reaped; its old mm still belongs to it",
    ),
    "EXEC-07": Hazard(
        "dangling", frozenset({"clone", "exec", "exit", "reap", "hold"}), (_PLAIN,),
        "the owner leaves an mm to a reference and is reaped; the mm still belongs to it",
    ),
    "USERS-03": Hazard(
        "dangling", frozenset({"clone", "exit", "reap", "hold"}), (_PLAIN, _VM),
        "a reference outlives the last task, which is reaped and stays owner",
    ),
    "KTHREAD-01": Hazard(
        "kthread", frozenset({"clone", "exit", "hold", "kthread", "use_mm"}), (_PLAIN,),
        "a kernel thread that borrows the mm is elected",
    ),
    "FORK-07": Hazard(
        "dangling", frozenset({"clone_fails"}), (_PLAIN,),
        "a fork fails, and what a monitor still holds belongs to the child that never lived",
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    "shape",
    [pytest.param(shape, id=rule, marks=requirement(rule)) for rule, shape in HAZARDS.items()],
)
def test_the_shortest_program_that_breaks_rfc_v4(hazard: FindHazard, shape: Hazard) -> None:
    hazard(shape, "rfc-v4")
