"""What an owner is: the invariants that hold after every operation."""

from mmowner_conformance import Play, requirement


@requirement("INV-01")
def test_the_owner_is_never_a_task_that_was_released(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        clone(P, Q, VM)
        exit(P)
        reap(P)
        none: owner(M) == None
        ..: owner(M) == Q
    """)


@requirement("INV-02")
def test_the_owner_uses_the_mm_it_owns(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        clone(P, Q, VM)
        exec(P, mm=N)
        2.6.26..: owner(M) == Q
        rfc-v4: owner(M) == P       # which does not use M any more
    """)


@requirement("INV-03")
def test_waiting_for_a_zombie_changes_no_owner(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        clone(P, Q, VM)
        exit(Q)
        reap(Q)
        owner(M) == P
    """)


@requirement("INV-03")
def test_what_other_tasks_do_to_their_mms_changes_no_owner_here(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        clone(init, X, mm=N)
        clone(X, Y, VM)
        exit(X)
        owner(M) == P
        owner(N) == Y
    """)


@requirement("INV-06")
def test_an_mm_that_lost_its_owner_stays_without_one(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        hold(mm=M, ref=r)
        exit(P)
        owner(M) == None
        clone(init, Q, mm=N)
        hold(mm=M, ref=s)
        put(mm=M, ref=r)
        owner(M) == None
    """)


@requirement("INV-06")
def test_a_borrower_that_touches_pages_does_not_become_the_owner(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        hold(mm=M, ref=r)
        exit(P)
        kthread(K)
        use_mm(K, mm=M)
        charge(K, pages=4)
        owner(M) == None
    """)


@requirement("INV-07")
def test_a_sharer_that_is_no_relative_is_found(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        clone(P, Q, VM)
        clone(Q, G, VM)
        exec(Q, mm=N)
        exit(P)
        owner(M) == G
    """)


@requirement("INV-08")
def test_a_handoff_leaves_the_number_of_users_to_exit(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        clone(P, Q, VM)
        hold(mm=M, ref=r)
        users(M) == 3
        exit(P)
        users(M) == 2
        exit(Q)
        users(M) == 1
    """)


@requirement("INV-08")
def test_a_search_that_finds_nobody_drops_no_user(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        hold(mm=M, ref=r)
        hold(mm=M, ref=s)
        exit(P)
        users(M) == 2
    """)
