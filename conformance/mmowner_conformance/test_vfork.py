"""vfork: sharing with a parent that waits."""

from mmowner_conformance import Play, requirement


@requirement("VFORK-01")
def test_the_waiting_parent_stays_owner_until_the_child_execs(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        clone(P, Q, VM|VFORK)
        owner(M) == P
        exec(Q, mm=N)
        owner(M) == P
        owner(N) == Q
    """)


@requirement("VFORK-01")
def test_the_waiting_parent_stays_owner_when_the_child_exits(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        clone(P, Q, VM|VFORK)
        exit(Q)
        owner(M) == P
    """)


@requirement("VFORK-02")
def test_the_child_takes_over_when_the_waiting_parent_is_killed(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        clone(P, Q, VM|VFORK)
        exit(P)
        owner(M) == Q
    """)
