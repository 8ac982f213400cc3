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


@requirement("REPARENT-01")
def test_which_thread_of_the_group_adopts(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        clone(P, P2, THREAD)
        clone(P, P3, THREAD)
        clone(P2, Q, VM)
        exit(P2)
        exit(P)
        rfc-v4: owner(M) == P
        2.6.26..3.16: owner(M) == P3    # the next one adopted Q
        4.4..: owner(M) == Q            # the first one did, and asks its children first
    """)


@requirement("REPARENT-03")
def test_orphans_of_a_subreapers_descendants_become_siblings(play: Play) -> None:
    play("""
        clone(init, D, mm=L)
        subreaper(D)
        clone(D, P, mm=M)
        clone(P, Q, VM)
        clone(Q, G, VM)
        exec(Q, mm=N)
        clone(P, X, VM)
        clone(X, R, VM)
        exit(X)
        exit(P)
        owner(M) == R                   # a child of D by now; G is older and a stranger
    """)


@requirement("REPARENT-03")
def test_the_siblings_are_children_of_one_thread(play: Play) -> None:
    play("""
        clone(init, S, mm=L)
        subreaper(S)
        clone(S, S2, THREAD)
        clone(S2, P, mm=M)
        clone(P, Q, VM)
        clone(Q, G, VM)
        exec(Q, mm=N)
        clone(P, X, VM)
        clone(X, R, VM)
        exit(X)                         # S adopts R, and P is a child of S2
        exit(P)
        owner(M) == G
    """)
