"""The leader of a thread group: what its exit means while its threads live."""

from mmowner_conformance import Play, requirement


@requirement("LEADER-01")
def test_the_rfc_lets_a_leader_keep_what_it_does_not_use(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        clone(P, P2, THREAD)
        exit(P)
        rfc-v4: owner(M) == P
        state(P) == zombie
    """)


@requirement("LEADER-01")
def test_the_rfc_asks_a_leader_without_threads_to_hand_over(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        clone(P, P2, THREAD)
        clone(P, Q, VM)
        exit(P2)
        exit(P)
        ..: owner(M) == Q
    """)


@requirement("LEADER-02")
def test_the_rfc_charges_the_root_once_the_leader_is_dead(play: Play) -> None:
    play("""
        cgroup(A)
        clone(init, P, mm=M)
        attach(P, A)
        clone(P, P2, THREAD)
        charge(P2, pages=5)
        bill(A) == 5
        exit(P)
        charge(P2, pages=7)
        bill(A) == 5
        bill(root) == 7
    """)


@requirement("LEADER-03")
def test_a_leader_hands_over_to_a_thread_of_its_group(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        clone(P, P2, THREAD)
        exit(P)
        owner(M) == P2
        state(P) == zombie
    """)


@requirement("LEADER-04")
def test_a_thread_that_became_owner_hands_over_in_its_turn(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        clone(P, P2, THREAD)
        clone(P, P3, THREAD)
        exit(P)
        owner(M) == P2
        exit(P2)
        owner(M) == P3
        state(P2) == gone
    """)


@requirement("LEADER-04")
def test_a_child_of_the_thread_that_became_owner_takes_over(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        clone(P, P2, THREAD)
        clone(P2, Q, VM)
        exit(P)
        owner(M) == P2
        exit(P2)
        owner(M) == Q
    """)


@requirement("LEADER-05")
def test_a_sharer_outside_owns_the_mm_when_the_group_is_gone(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        clone(P, Q, VM)
        clone(P, P2, THREAD)
        exit(P2)
        exit(P)
        reap(P)
        owner(M) == Q
    """)


@requirement("LEADER-06")
def test_the_leader_that_a_threads_exec_releases_owns_nothing(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        clone(P, P2, THREAD)
        clone(P, Q, VM)
        exec(P2, mm=N)
        2.6.26..: owner(M) == Q
        rfc-v4: owner(M) == P       # which was released
        owner(N) == P2
        state(P) == gone
    """)
