"""Reparenting: orphans change hands, owners do not."""

from mmowner_conformance import Play, requirement


@requirement("REPARENT-01")
def test_orphans_go_to_a_thread_of_the_group_and_are_asked_there(play: Play) -> None:
    play("""
        clone(init, S, mm=L)
        clone(S, P, mm=M)
        clone(P, X, VM)
        clone(X, G, VM)
        exec(X, mm=N)
        clone(P, P2, THREAD)
        clone(P2, Q, VM)
        exit(P2)
        owner(M) == P
        exit(P)
        owner(M) == Q               # a child now; with init it would come after the older G
    """)


@requirement("REPARENT-01")
def test_becoming_a_subreaper_changes_no_owner(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        subreaper(P)
        owner(M) == P
    """)


@requirement("REPARENT-02")
def test_a_child_keeps_its_own_mm_when_its_parent_exits(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        clone(P, C, mm=N)
        exit(P)
        reap(P)
        owner(N) == C
    """)


@requirement("REPARENT-03")
def test_an_orphan_finds_its_siblings_among_inits_children(play: Play) -> None:
    play("""
        clone(init, S, mm=L)
        clone(S, P, mm=M)
        clone(P, X, VM)
        clone(X, G, VM)
        exec(X, mm=N)
        exit(S)
        clone(P, R, VM|PARENT)      # a child of init, like P now
        exit(P)
        owner(M) == R
    """)


@requirement("REPARENT-03")
def test_a_subreaper_adopts_before_init(play: Play) -> None:
    play("""
        clone(init, D, mm=L)
        subreaper(D)
        clone(D, S, mm=K)
        clone(S, P, mm=M)
        clone(P, X, VM)
        clone(X, G, VM)
        exec(X, mm=N)
        exit(S)
        clone(P, R, VM|PARENT)      # a child of D, like P now
        exit(P)
        owner(M) == R
    """)
