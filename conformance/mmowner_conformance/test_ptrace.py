"""ptrace: a tracer is a parent only to wait()."""

from mmowner_conformance import Play, requirement

_FAMILY = """
        clone(init, D, mm=L)
        clone(init, P, mm=M)
        clone(P, Q, VM)
        clone(Q, G, VM)
        exec(Q, mm=N)
        clone(P, R, VM|PARENT)
"""


@requirement("PTRACE-01")
def test_the_siblings_of_a_traced_owner_are_its_real_parents_children(play: Play) -> None:
    play(
        _FAMILY.replace("clone(init, P, mm=M)", "clone(init, S, mm=K)\nclone(S, P, mm=M)")
        + """
        trace(P, D)
        exit(P)
        2.6.31..: owner(M) == R
        ..2.6.29: owner(M) == G
    """
    )


@requirement("PTRACE-02")
def test_a_traced_sibling_is_still_a_sibling(play: Play) -> None:
    play(
        _FAMILY.replace("clone(init, P, mm=M)", "clone(init, S, mm=K)\nclone(S, P, mm=M)")
        + """
        trace(R, D)
        exit(P)
        2.6.27..: owner(M) == R
        ..2.6.26: owner(M) == G
    """
    )


@requirement("PTRACE-03")
def test_attaching_and_detaching_is_not_using(play: Play) -> None:
    play("""
        clone(init, D, mm=L)
        clone(init, P, mm=M)
        trace(P, D)
        owner(M) == P
        owner(L) == D
        untrace(P)
        owner(M) == P
    """)


@requirement("PTRACE-03")
def test_a_tracer_does_not_count_as_a_user(play: Play) -> None:
    play("""
        clone(init, D, mm=L)
        clone(init, P, mm=M)
        trace(P, D)
        users(M) == 1
    """)
