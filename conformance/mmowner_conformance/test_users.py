"""References that belong to no task."""

from mmowner_conformance import Play, requirement


@requirement("USERS-01")
def test_a_reference_adds_a_user_and_changes_no_owner(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        users(M) == 1
        hold(mm=M, ref=r)
        users(M) == 2
        ..: owner(M) == P
        put(mm=M, ref=r)
        users(M) == 1
        ..: owner(M) == P
    """)


@requirement("USERS-01")
def test_sharers_are_counted_as_they_come_and_go(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        clone(P, Q, VM)
        clone(P, P2, THREAD)
        users(M) == 3
        exit(Q)
        users(M) == 2
        exec(P, mm=N)
        users(N) == 1
    """)


@requirement("USERS-01")
def test_a_reference_changes_no_owner_where_users_cannot_be_seen(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        hold(mm=M, ref=r)
        ..: owner(M) == P
        put(mm=M, ref=r)
        ..: owner(M) == P
    """)


@requirement("USERS-03")
def test_a_reference_that_is_left_alone_has_no_owner(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        hold(mm=M, ref=r)
        exit(P)
        reap(P)
        2.6.27..: owner(M) == None
        ..2.6.26: owner(M) == P       # which was released
    """)
