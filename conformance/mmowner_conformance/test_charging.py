"""Charging: who pays for a page."""

from mmowner_conformance import Play, requirement


@requirement("CHARGE-01")
def test_the_owner_pays_whoever_touches_the_page(play: Play) -> None:
    play("""
        cgroup(A)
        cgroup(B)
        clone(init, P, mm=M)
        attach(P, A)
        clone(P, Q, VM)
        attach(Q, B)
        charge(Q, pages=5)
        bill(A) == 5
        bill(B) == 0
    """)


@requirement("CHARGE-01")
def test_a_forked_child_pays_for_itself(play: Play) -> None:
    play("""
        cgroup(A)
        cgroup(B)
        clone(init, P, mm=M)
        attach(P, A)
        clone(P, C, mm=N)
        attach(C, B)
        charge(C, pages=5)
        bill(B) == 5
        bill(A) == 0
    """)


@requirement("LEADER-08")
def test_a_dead_owner_pays_as_a_member_of_the_root(play: Play) -> None:
    play("""
        cgroup(A)
        clone(init, P, mm=M)
        attach(P, A)
        kthread(K)
        use_mm(K, mm=M)
        charge(K, pages=3)
        bill(A) == 3
        exit(P)
        owner(M) == P               # the last user, which nobody took the mm from
        charge(K, pages=5)
        bill(root) == 5
        bill(A) == 3
    """)


@requirement("CHARGE-02")
def test_who_pays_without_an_owner(play: Play) -> None:
    play("""
        cgroup(A)
        clone(init, P, mm=M)
        attach(P, A)
        hold(mm=M, ref=r)
        kthread(K)
        exit(P)
        owner(M) == None
        use_mm(K, mm=M)
        charge(K, pages=7)
        2.6.27..3.0: bill(none) == 7
        3.16..: bill(root) == 7
        bill(A) == 0
    """)
