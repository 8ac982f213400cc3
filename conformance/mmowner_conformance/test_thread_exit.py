"""exit of one thread: when the owner changes, and when it must not."""

from mmowner_conformance import Play, requirement


@requirement("EXIT-01")
def test_a_sharer_that_exits_leaves_the_owner_alone(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        clone(P, Q1, VM)
        clone(P, Q2, VM)
        exit(Q1)
        owner(M) == P
    """)


@requirement("EXIT-01")
def test_a_thread_that_exits_leaves_the_owner_alone(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        clone(P, P2, THREAD)
        clone(P2, Q, VM)
        exit(P2)
        owner(M) == P
    """)


@requirement("EXIT-01")
def test_the_last_sharer_beside_the_owner_leaves_it_alone(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        clone(P, Q, VM)
        exit(Q)
        owner(M) == P
    """)


@requirement("EXIT-02")
def test_the_last_user_leaves_no_owner_to_those_who_still_look(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        kthread(K)
        use_mm(K, mm=M)             # counts as no user, keeps the mm_struct
        exit(P)
        3.0..: owner(M) == None
        ..2.6.33: owner(M) == P
    """)


@requirement("EXIT-03")
def test_a_task_never_elects_itself(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        clone(P, Q, VM)
        exec(P, mm=N)
        exec(Q, mm=O)
        clone(P, R, VM|PARENT)
        exit(P)
        owner(N) == R
    """)


@requirement("EXIT-03")
def test_a_task_with_only_holders_behind_it_does_not_elect_itself(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        hold(mm=M, ref=r)
        exit(P)
        2.6.27..: owner(M) == None
        ..2.6.26: owner(M) == P       # never asked anew: nobody was found
    """)


@requirement("EXIT-04")
def test_the_children_are_still_children_when_they_are_asked(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        clone(P, R, VM|PARENT)
        clone(P, X, VM)
        clone(X, G, VM)
        exec(X, mm=N)
        clone(P, Q, VM)
        exit(P)
        owner(M) == Q
    """)


@requirement("EXIT-07")
def test_a_reference_alone_is_no_owner(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        hold(mm=M, ref=r)
        exit(P)
        2.6.27..: owner(M) == None
        ..2.6.26: owner(M) == P
    """)


@requirement("EXIT-07")
def test_a_sharer_takes_over_before_the_holders_are_left_alone(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        clone(P, Q, VM)
        hold(mm=M, ref=r)
        exit(P)
        owner(M) == Q
        exit(Q)
        2.6.27..: owner(M) == None
        ..2.6.26: owner(M) == Q
    """)


@requirement("EXIT-08")
def test_ownership_wanders_through_the_threads_as_they_leave(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        clone(P, P2, THREAD)
        clone(P, P3, THREAD)
        exit(P)
        2.6.26..: owner(M) == P2
        exit(P2)
        2.6.26..: owner(M) == P3
    """)


@requirement("EXIT-09")
def test_what_was_charged_before_a_handoff_stays_where_it_is(play: Play) -> None:
    play("""
        cgroup(A)
        cgroup(B)
        clone(init, P, mm=M)
        attach(P, A)
        clone(P, Q, VM)
        attach(Q, B)
        charge(P, pages=8)
        bill(A) == 8
        exit(P)
        bill(A) == 8
        charge(Q, pages=3)
        bill(A) == 8
        bill(B) == 3
    """)


@requirement("EXIT-05")
def test_the_leaving_task_is_passed_over_among_its_siblings(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        hold(mm=M, ref=r)
        clone(P, R, VM|PARENT)
        exit(P)
        owner(M) == R
        exit(R)                     # R stands among the siblings that are searched, and is dead
        2.6.27..: owner(M) == None
        ..2.6.26: owner(M) == R     # left as it was: nobody was found
    """)


@requirement("EXIT-05")
def test_an_exec_does_not_find_its_own_task(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        clone(P, R, VM|PARENT)
        clone(P, Q, VM)
        exec(P, mm=N)
        2.6.26..: owner(M) == Q
        owner(N) == P
    """)
