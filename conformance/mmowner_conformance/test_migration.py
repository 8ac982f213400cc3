"""Moving tasks between cgroups: what follows the owner, and what does not."""

from mmowner_conformance import Play, requirement


@requirement("ATTACH-01")
def test_later_charges_follow_the_owner_to_its_new_cgroup(play: Play) -> None:
    play("""
        cgroup(A)
        cgroup(B)
        clone(init, P, mm=M)
        attach(P, A)
        clone(P, Q, VM)
        charge(Q, pages=2)
        bill(A) == 2
        attach(P, B)
        charge(Q, pages=3)
        bill(A) == 2
        bill(B) == 3
    """)


@requirement("ATTACH-01")
def test_moving_a_sharer_redirects_nothing(play: Play) -> None:
    play("""
        cgroup(A)
        cgroup(B)
        clone(init, P, mm=M)
        attach(P, A)
        clone(P, Q, VM)
        attach(Q, B)
        charge(Q, pages=4)
        charge(P, pages=1)
        bill(A) == 5
        bill(B) == 0
    """)


@requirement("ATTACH-03")
def test_the_mglru_entry_follows_only_a_leader_that_owns(play: Play) -> None:
    play("""
        cgroup(A)
        cgroup(B)
        cgroup(C)
        clone(init, P, mm=M)
        attach(P, A)
        clone(P, Q, VM)
        attach(Q, B)
        lru(M) == A
        attach(P, C)
        lru(M) == C
    """)


@requirement("ATTACH-03")
def test_the_mglru_entry_does_not_follow_an_owner_that_is_no_leader(play: Play) -> None:
    play("""
        cgroup(A)
        cgroup(B)
        clone(init, P, mm=M)
        attach(P, A)
        clone(P, P2, THREAD)
        exit(P)
        owner(M) == P2
        attach(P2, B)
        lru(M) == A
    """)


@requirement("ATTACH-06")
def test_after_a_handoff_the_new_owners_own_cgroup_pays(play: Play) -> None:
    play("""
        cgroup(A)
        cgroup(B)
        clone(init, P, mm=M)
        attach(P, A)
        clone(P, Q, VM)
        attach(P, B)
        exit(P)
        charge(Q, pages=6)
        bill(A) == 6
        bill(B) == 0
    """)
