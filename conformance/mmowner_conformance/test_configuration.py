"""The kernel's own mm, and kernels that are built without owners."""

from mmowner_conformance import Play, requirement


@requirement("INIT-01")
def test_init_mm_belongs_to_init_task_or_to_nobody(play: Play) -> None:
    play("""
        kthread(K)
        ..3.0: init_mm_owner == init_task
        3.16..: init_mm_owner == None
    """)


@requirement("CONF-01")
def test_without_memcg_there_is_no_owner_whatever_happens(play: Play) -> None:
    play("""
        clone(init, P, mm=M)
        owner(M) == None
        clone(P, Q, VM)
        exit(P)
        owner(M) == None
        exec(Q, mm=N)
        owner(N) == None
    """)
