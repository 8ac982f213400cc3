"""Tasks themselves: zombies, release, and operations that the kernel refuses."""

import pytest

from mmowner_conformance import Play, Refuses, requirement
from pytest_mmowner import parse_program


@requirement("TASK-01")
def test_a_process_is_a_zombie_until_it_is_reaped(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        state(P) == live
        exit(P)
        state(P) == zombie
        reap(P)
        state(P) == gone
    """)


@requirement("TASK-01")
def test_a_thread_is_gone_as_soon_as_it_exits(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        clone(P, P2, THREAD)
        exit(P2)
        state(P2) == gone
        state(P) == live
    """)


@requirement("TASK-01")
def test_a_leader_stays_a_zombie_while_its_threads_live(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        clone(P, P2, THREAD)
        exit(P)
        state(P) == zombie
        exit(P2)
        state(P2) == gone
        state(P) == zombie
    """)


@requirement("TASK-02")
def test_every_ordinary_operation_is_performed(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        clone(P, C, mm=N)
        exit(C)
        reap(C)
        exec(P, mm=O)
        exit(P)
        reap(P)
    """)


_FAMILY = """
    clone(1, 2, mm=2)
    clone(2, 3, THREAD)
    clone(1, 4, mm=4)
    exit(4)
"""
_ILLEGAL = {
    "a zombie clones": "clone(4, 9, mm=9)",
    "a zombie execs": "exec(4, mm=9)",
    "a zombie exits": "exit(4)",
    "init exits": "exit(1)",
    "init makes a sibling": "clone(1, 9, VM|PARENT)",
    "a live task is reaped": "reap(2)",
    "a name is used twice": "clone(1, 3, mm=9)",
    "an mm is named twice": "exec(2, mm=4)",
    "a dead mm is held": "hold(mm=4, ref=1)",
    "a reference is dropped that is not held": "put(mm=2, ref=1)",
    "nobody exits": "exit(8)",
}


@requirement("INPUT-01")
@pytest.mark.parametrize(
    "illegal", [pytest.param(text, id=name.replace(" ", "-")) for name, text in _ILLEGAL.items()]
)
def test_what_the_kernel_refuses_is_refused_and_changes_nothing(
    refuses: Refuses, illegal: str
) -> None:
    refuses(_FAMILY, parse_program(illegal)[0])
