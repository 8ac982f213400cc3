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


@requirement("CHARGE-02")
def test_without_an_owner_the_root_pays(play: Play) -> None:
    play("""
        cgroup(A)
        clone(init, P, mm=M)
        attach(P, A)
        hold(mm=M, ref=r)
        kthread(K)
        use_mm(K, mm=M)
        exit(P)
        charge(K, pages=7)
        bill(root) == 7
        bill(A) == 0
    """)
