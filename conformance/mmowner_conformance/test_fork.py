"""fork and clone: the first owner of an mm, and what sharing does to it."""

from mmowner_conformance import Play, requirement


@requirement("FORK-01")
def test_a_forked_child_owns_its_new_mm(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        owner(M) == P
        clone(P, C, mm=N)
        owner(M) == P
        owner(N) == C
    """)


@requirement("FORK-01")
def test_a_child_forked_as_a_sibling_owns_its_new_mm(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        clone(P, C, PARENT, mm=N)
        owner(N) == C
    """)


@requirement("FORK-02")
def test_a_child_forked_by_a_thread_owns_its_new_mm(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        clone(P, P2, THREAD)
        clone(P2, C, mm=N)
        owner(M) == P
        owner(N) == C
    """)


@requirement("FORK-03")
def test_a_process_that_shares_the_mm_does_not_own_it(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        clone(P, Q, VM)
        owner(M) == P
        clone(Q, R, VM|PARENT)
        owner(M) == P
    """)


@requirement("FORK-03")
def test_a_thread_does_not_own_the_mm_it_is_born_into(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        clone(P, P2, THREAD)
        owner(M) == P
    """)


@requirement("FORK-05")
def test_a_sharer_made_with_parent_is_asked_after_the_children(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        clone(P, R, VM|PARENT)
        clone(P, Q, VM)
        exit(P)
        owner(M) == Q
    """)


@requirement("FORK-06")
def test_a_fork_that_fails_while_copying_leaves_no_owner(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        clone_fails(P, C, mm=N, at=dup_mm, ref=monitor)
        5.2..: owner(N) == None
        ..4.4: owner(N) == C       # which never lived
        owner(M) == P
    """)


@requirement("FORK-07")
def test_a_fork_that_fails_late_leaves_no_owner(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        clone_fails(P, C, mm=N, at=late, ref=monitor)
        5.2..: owner(N) == None
        ..4.4: owner(N) == C
    """)


@requirement("FORK-07")
def test_a_shared_mm_keeps_its_owner_when_the_clone_fails(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        clone_fails(P, C, VM, at=late)
        owner(M) == P
        clone(P, Q, VM)
        clone_fails(Q, D, VM, at=late)
        owner(M) == P
    """)


@requirement("FORK-10")
def test_a_kernel_thread_owns_nothing(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        kthread(K)
        owner(M) == P
        owner(inits_mm) == init
    """)


@requirement("FORK-09")
def test_a_sharer_that_starts_in_another_cgroup(play: Play) -> None:
    play("""
        cgroup(A)
        cgroup(B)
        clone(init, P, mm=M)
        attach(P, A)
        clone(P, Q, VM)
        attach(Q, B)                # with CLONE_INTO_CGROUP this is one step
        charge(Q, pages=5)
        bill(A) == 5
        bill(B) == 0
    """)
