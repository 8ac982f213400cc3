"""The search: which of several sharers becomes the owner."""

from mmowner_conformance import Play, requirement


@requirement("SEARCH-01")
def test_a_child_comes_before_an_older_sibling(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        clone(P, R, VM|PARENT)
        clone(P, Q, VM)
        exit(P)
        owner(M) == Q
    """)


@requirement("SEARCH-01")
def test_a_sibling_comes_before_an_older_stranger(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        clone(P, X, VM)
        clone(X, G, VM)
        exec(X, mm=N)
        clone(P, R, VM|PARENT)
        exit(P)
        owner(M) == R
    """)


@requirement("SEARCH-01")
def test_a_child_comes_before_an_older_stranger(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        clone(P, X, VM)
        clone(X, G, VM)
        exec(X, mm=N)
        clone(P, Q, VM)
        exit(P)
        owner(M) == Q
    """)


@requirement("SEARCH-02")
def test_a_child_of_another_thread_is_no_child(play: Play) -> None:
    play("""
        clone(init, X, mm=M)
        clone(X, P, VM)
        clone(P, P2, THREAD)
        clone(P, P3, THREAD)
        clone(P3, Q, VM)
        exit(P)
        exit(X)
        owner(M) == P2
        exit(P2)
        owner(M) == P3              # a search among the children of the group finds Q
    """)


@requirement("SEARCH-02")
def test_the_children_of_a_living_thread_are_not_asked_first(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        clone(P, R, VM|PARENT)
        exec(R, mm=N)
        clone(R, S, VM)
        clone(P, P2, THREAD)
        clone(P2, Q, VM)
        exit(P)
        2.6.26..: owner(M) == P2
    """)


@requirement("SEARCH-03")
def test_the_oldest_child_comes_first(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        clone(P, Q1, VM)
        clone(P, Q2, VM)
        exit(P)
        owner(M) == Q1
        exit(Q1)
        owner(M) == Q2
    """)


@requirement("SEARCH-03")
def test_a_child_that_does_not_share_is_passed_over(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        clone(P, C, mm=N)
        clone(P, Z, VM)
        exit(Z)
        clone(P, Q, VM)
        exit(P)
        owner(M) == Q
    """)


@requirement("SEARCH-03")
def test_adopted_children_come_after_own_ones(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        clone(P, P2, THREAD)
        clone(P2, Q1, VM)
        clone(P, Q2, VM)
        exit(P2)
        exit(P)
        owner(M) == Q2
    """)


@requirement("SEARCH-04")
def test_among_strangers_the_oldest_process_comes_first(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        clone(P, Q, VM)
        clone(Q, G1, VM)
        clone(Q, G2, VM)
        exec(Q, mm=N)
        exit(P)
        owner(M) == G1
    """)


@requirement("SEARCH-04")
def test_a_stranger_among_inits_adopted_children_is_found(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        clone(P, Q, VM)
        clone(Q, G1, VM)
        clone(Q, G2, VM)
        exit(Q)
        exit(P)
        owner(M) == G1
    """)


@requirement("SEARCH-05")
def test_a_dead_thread_does_not_hide_the_next_one(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        clone(P, Q, VM)
        clone(Q, G, VM)
        clone(G, G2, THREAD)
        clone(G, G3, THREAD)
        exec(Q, mm=N)
        exit(G)
        exit(G2)
        exit(P)
        owner(M) == G3
    """)


@requirement("SEARCH-05")
def test_a_dead_leader_does_not_hide_its_own_threads(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        clone(P, P2, THREAD)
        clone(P, P3, THREAD)
        exit(P)
        2.6.26..: owner(M) == P2
        exit(P2)
        2.6.26..: owner(M) == P3
    """)


@requirement("SEARCH-06")
def test_own_thread_against_a_younger_sibling(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        clone(P, P2, THREAD)
        clone(P, Q, VM|PARENT)
        exit(P)
        rfc-v4: owner(M) == P
        2.6.33..6.1: owner(M) == Q
        2.6.26..2.6.31, 6.11..: owner(M) == P2
    """)


@requirement("SEARCH-06")
def test_own_thread_against_an_older_sibling(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        clone(P, Q, VM|PARENT)
        clone(P, P2, THREAD)
        exit(P)
        rfc-v4: owner(M) == P
        2.6.26..6.1: owner(M) == Q
        6.11..: owner(M) == P2
    """)


@requirement("SEARCH-06")
def test_a_thread_behind_a_zombie_leader_among_the_children(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        clone(P, A, VM)
        clone(A, AT, THREAD)
        clone(P, B, VM)
        exit(A)
        exit(P)
        2.6.33..6.1: owner(M) == B
        ..2.6.31, 6.11..: owner(M) == AT
    """)


@requirement("SEARCH-07")
def test_a_thread_behind_a_zombie_leader_among_everybody(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        clone(P, Q, VM)
        clone(Q, G, VM)
        clone(G, G2, THREAD)
        exec(Q, mm=N)
        exit(G)
        exit(P)
        owner(M) == G2
        state(G) == zombie
    """)


@requirement("SEARCH-08")
def test_a_kernel_thread_among_everybody_is_passed_over(play: Play) -> None:
    play("""
        kthread(K)
        clone(init, P, mm=M)
        use_mm(K, mm=M)
        clone(P, Q, VM)
        clone(Q, G, VM)
        exec(Q, mm=N)
        exit(P)
        owner(M) == G               # younger than K
    """)


@requirement("SEARCH-08")
def test_a_kernel_thread_is_nobodys_child(play: Play) -> None:
    play("""
        kthread(K)
        clone(init, P, mm=M)
        use_mm(K, mm=M)
        hold(mm=M, ref=r)
        exit(P)
        owner(M) == None
        owner(1) == init
    """)
