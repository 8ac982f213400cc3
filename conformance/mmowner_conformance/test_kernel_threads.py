"""Kernel threads: they borrow an mm and never own it."""

from mmowner_conformance import Play, requirement


@requirement("KTHREAD-01")
def test_a_borrower_is_not_elected(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        kthread(K)
        hold(mm=M, ref=r)
        use_mm(K, mm=M)
        exit(P)
        3.16..: owner(M) == None
        ..3.0: owner(M) == K
    """)


@requirement("KTHREAD-01")
def test_a_younger_user_task_is_elected_instead_of_a_borrower(play: Play) -> None:
    play("""
        kthread(K)
        clone(init, P, mm=M)
        use_mm(K, mm=M)
        clone(P, Q, VM)
        clone(Q, G, VM)
        exec(Q, mm=N)
        exit(P)
        3.16..: owner(M) == G
        ..3.0: owner(M) == K
    """)


@requirement("KTHREAD-02")
def test_borrowing_and_giving_back_changes_no_owner(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        hold(mm=M, ref=r)
        kthread(K)
        use_mm(K, mm=M)
        owner(M) == P
        unuse_mm(K, mm=M)
        owner(M) == P
        put(mm=M, ref=r)
        owner(M) == P
    """)


@requirement("KTHREAD-02")
def test_a_borrower_is_no_user(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        kthread(K)
        use_mm(K, mm=M)
        users(M) == 1
    """)


@requirement("KTHREAD-03")
def test_what_a_borrower_touches_is_charged_to_the_owner(play: Play) -> None:
    play("""
        cgroup(A)
        clone(init, P, mm=M)
        attach(P, A)
        kthread(K)
        use_mm(K, mm=M)
        charge(K, pages=9)
        bill(A) == 9
    """)
