"""Who is told of a handoff: mm_owner_changed in the RFC, MGLRU lists today."""

from mmowner_conformance import Play, requirement


@requirement("CALLBACK-01")
def test_a_subsystem_is_told_once_and_still_sees_the_old_owner(play: Play) -> None:
    play("""
        subsystem(memrlimit)
        cgroup(A)
        cgroup(B)
        clone(init, P, mm=M)
        attach(P, A)
        clone(P, Q, VM)
        attach(Q, B)
        exit(P)
        owner(M) == Q
        rfc-v4: callbacks == memrlimit(P -> Q seen P)
        2.6.26, 2.6.27: callbacks == memrlimit(A -> B seen P)
        2.6.28: callbacks == memrlimit(A -> B for Q seen P)
    """)


@requirement("CALLBACK-01")
def test_an_exec_is_told_like_an_exit(play: Play) -> None:
    play("""
        subsystem(memrlimit)
        cgroup(A)
        clone(init, P, mm=M)
        clone(P, Q, VM)
        attach(Q, A)
        exec(P, mm=N)
        rfc-v4: callbacks == nothing            # it hands over the new mm (BUG-12)
        2.6.26..2.6.27: callbacks == memrlimit(root -> A seen P)
        2.6.28: callbacks == memrlimit(root -> A for Q seen P)
    """)


@requirement("CALLBACK-02")
def test_what_is_told_within_one_cgroup(play: Play) -> None:
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
        rfc-v4: callbacks == memrlimit(P -> Q1 seen P)
        2.6.26..2.6.28: callbacks == nothing
        exit(Q1)
        rfc-v4: callbacks == memrlimit(P -> Q1 seen P), memrlimit(Q1 -> Q2 seen Q1)
        2.6.26..2.6.27: callbacks == memrlimit(A -> B seen Q1)
        2.6.28: callbacks == memrlimit(A -> B for Q2 seen Q1)
    """)


@requirement("CALLBACK-03")
def test_a_first_owner_is_told_to_nobody(play: Play) -> None:
    play("""
        subsystem(memrlimit)
        cgroup(A)
        clone(init, P, mm=M)
        callbacks == nothing
        attach(P, A)
        exec(P, mm=N)
        callbacks == nothing
    """)


@requirement("CALLBACK-04")
def test_subsystems_are_told_in_the_order_of_their_registration(play: Play) -> None:
    play("""
        subsystem(memrlimit)
        subsystem(accounting)
        cgroup(A)
        cgroup(B)
        clone(init, P, mm=M)
        attach(P, A)
        clone(P, Q, VM)
        attach(Q, B)
        exit(P)
        rfc-v4: callbacks == memrlimit(P -> Q seen P), accounting(P -> Q seen P)
        2.6.26..2.6.27: callbacks == memrlimit(A -> B seen P), accounting(A -> B seen P)
        2.6.28: callbacks == memrlimit(A -> B for Q seen P), accounting(A -> B for Q seen P)
    """)


@requirement("CALLBACK-06")
def test_subsystems_are_told_that_nobody_was_found(play: Play) -> None:
    play("""
        subsystem(memrlimit)
        cgroup(A)
        clone(init, P, mm=M)
        attach(P, A)
        hold(mm=M, ref=r)
        exit(P)
        owner(M) == None
        2.6.27: callbacks == memrlimit(A -> nobody seen P)
        2.6.28: callbacks == memrlimit(A -> nobody for nobody seen P)
    """)


@requirement("CALLBACK-06")
def test_an_exec_that_finds_nobody_is_told_too(play: Play) -> None:
    play("""
        subsystem(memrlimit)
        clone(init, P, mm=M)
        hold(mm=M, ref=r)
        exec(P, mm=N)
        2.6.27: callbacks == memrlimit(root -> nobody seen P)
        2.6.28: callbacks == memrlimit(root -> nobody for nobody seen P)
    """)


@requirement("CALLBACK-07")
def test_nobody_is_told_when_the_last_user_leaves(play: Play) -> None:
    play("""
        subsystem(memrlimit)
        cgroup(A)
        clone(init, P, mm=M)
        attach(P, A)
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
