"""Who is told of a handoff: mm_owner_changed in the RFC, MGLRU lists today."""

from mmowner_conformance import Play, requirement


@requirement("CALLBACK-01")
def test_a_subsystem_is_told_once_and_still_sees_the_old_owner(play: Play) -> None:
    play("""
        subsystem(memrlimit)
        clone(init, P, mm=M)
        clone(P, Q, VM)
        exit(P)
        owner(M) == Q
        callbacks == memrlimit(P -> Q seen P)
    """)


@requirement("CALLBACK-02")
def test_old_and_new_task_are_told_also_within_one_cgroup(play: Play) -> None:
    play("""
        subsystem(memrlimit)
        cgroup(A)
        cgroup(B)
        clone(init, P, mm=M)
        attach(P, A)
        clone(P, Q1, VM)
        clone(P, Q2, VM)
        attach(Q2, B)
        exit(P)
        callbacks == memrlimit(P -> Q1 seen P)
        exit(Q1)
        callbacks == memrlimit(P -> Q1 seen P), memrlimit(Q1 -> Q2 seen Q1)
    """)


@requirement("CALLBACK-03")
def test_a_first_owner_is_told_to_nobody(play: Play) -> None:
    play("""
        subsystem(memrlimit)
        clone(init, P, mm=M)
        callbacks == nothing
        exec(P, mm=N)
        callbacks == nothing
    """)


@requirement("CALLBACK-04")
def test_subsystems_are_told_in_the_order_of_their_registration(play: Play) -> None:
    play("""
        subsystem(memrlimit)
        subsystem(accounting)
        clone(init, P, mm=M)
        clone(P, Q, VM)
        exit(P)
        callbacks == memrlimit(P -> Q seen P), accounting(P -> Q seen P)
    """)


@requirement("CALLBACK-07")
def test_nobody_is_told_when_the_last_user_leaves(play: Play) -> None:
    play("""
        subsystem(memrlimit)
        clone(init, P, mm=M)
        exit(P)
        callbacks == nothing
    """)


@requirement("CALLBACK-08")
def test_the_mglru_entry_follows_the_new_owner(play: Play) -> None:
    play("""
        cgroup(A)
        cgroup(B)
        clone(init, P, mm=M)
        attach(P, A)
        lru(M) == A
        clone(P, Q, VM)
        attach(Q, B)
        lru(M) == A
        exit(P)
        lru(M) == B
    """)


@requirement("CALLBACK-08")
def test_the_mglru_entry_stays_when_nobody_is_found(play: Play) -> None:
    play("""
        cgroup(A)
        clone(init, P, mm=M)
        attach(P, A)
        hold(mm=M, ref=r)
        exit(P)
        lru(M) == A
    """)
