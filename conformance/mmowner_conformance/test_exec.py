"""exec: the new mm, the old mm, and the threads that die on the way."""

from mmowner_conformance import Play, requirement


@requirement("EXEC-01")
def test_the_task_that_execs_owns_its_new_mm(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        exec(P, mm=N)
        owner(N) == P
    """)


@requirement("EXEC-01")
def test_a_thread_that_execs_owns_the_new_mm_under_the_leaders_pid(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        clone(P, P2, THREAD)
        exec(P2, mm=N)
        owner(N) == P2
        state(P) == gone
        state(P2) == live
    """)


@requirement("EXEC-02")
def test_an_owner_that_execs_hands_the_old_mm_to_a_child(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        clone(P, Q, VM)
        exec(P, mm=N)
        2.6.26..: owner(M) == Q
        rfc-v4: owner(M) == P
        owner(N) == P
    """)


@requirement("EXEC-02")
def test_an_owner_that_execs_hands_the_old_mm_to_a_sibling(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        clone(P, R, VM|PARENT)
        exec(P, mm=N)
        2.6.26..: owner(M) == R
        owner(N) == P
    """)


@requirement("EXEC-03")
def test_a_sharer_that_execs_leaves_the_owner_alone(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        clone(P, Q, VM)
        clone(P, R, VM)
        exec(Q, mm=N)
        owner(M) == P
        owner(N) == Q
    """)


@requirement("EXEC-04")
def test_a_threads_exec_hands_over_what_the_dying_leader_owned(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        clone(P, Q, VM)
        clone(P, P2, THREAD)
        exec(P2, mm=N)
        2.6.26..: owner(M) == Q
        owner(N) == P2
    """)


@requirement("EXEC-04")
def test_the_threads_may_die_in_any_order(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        clone(P, P2, THREAD)
        clone(P, P3, THREAD)
        clone(P2, Q2, VM)
        clone(P3, Q3, VM)
        exec(P3, mm=N)
        owner(N) == P3
    """)


@requirement("EXEC-05")
def test_a_helper_without_an_mm_execs_for_the_first_time(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        kthread(H)
        exec(H, mm=N)
        owner(N) == H
        owner(M) == P
    """)


@requirement("EXEC-07")
def test_an_owner_that_execs_leaves_nothing_to_references(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        hold(mm=M, ref=r)
        exec(P, mm=N)
        2.6.27..: owner(M) == None
        ..2.6.26: owner(M) == P
        owner(N) == P
    """)


@requirement("EXEC-08")
def test_the_new_image_is_charged_to_the_cgroup_of_the_task(play: Play) -> None:
    play("""
        cgroup(A)
        cgroup(B)
        clone(init, P, mm=M)
        attach(P, A)
        clone(P, Q, VM)
        attach(Q, B)
        exec(Q, mm=N)
        charge(Q, pages=6)
        bill(B) == 6
        bill(A) == 0
    """)


@requirement("EXEC-09")
def test_a_failed_exec_changes_nothing(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        clone(P, Q, VM)
        exec_fails(P)
        owner(M) == P
        exec_fails(Q)
        owner(M) == P
    """)


@requirement("EXEC-06")
def test_an_exec_with_a_sharer_comes_to_its_end(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        clone(P, Q, VM)
        exec(P, mm=N)
        owner(M) == Q
        exec(Q, mm=O)
        owner(O) == Q
    """)


@requirement("EXEC-06")
def test_an_exec_with_a_holder_comes_to_its_end(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        hold(mm=M, ref=r)
        exec(P, mm=N)
        owner(M) == None
        owner(N) == P
        put(mm=M, ref=r)
    """)
