"""Which lines and branches were reached: of a function whose answer is known, and of machine code."""

import shutil
from contextlib import closing

import pytest
from owner_making import EXIT_MM, FILES, tree
from owner_making import opened as open_tree

from pytest_mmowner import parse_program
from pytest_mmowner._kernel._build import build
from pytest_mmowner._kernel._cut import Cut, Piece
from pytest_mmowner._kernel._reach import Reach, functions_of, names_of, reach
from pytest_mmowner._kernel._sources import open_source

EXIT = "kernel/exit.c"
#: Each line of it can be reached alone.
KNOWN = """\
static int handoffs;

void mm_update_next_owner(struct mm_struct *mm)
{
\tif (mm->owner != current)
\t\treturn;
\tif (atomic_read(&mm->mm_users) <= 1) {
\t\tWRITE_ONCE(mm->owner, NULL);
\t\treturn;
\t}
\thandoffs++;
}
"""
NOBODY = "clone(1, 2, mm=2)\nclone(2, 3, VM)\nexit(3)"
LAST = "clone(1, 2, mm=2)\nexit(2)"
OTHERS = "clone(1, 2, mm=2)\nclone(2, 3, VM)\nexit(2)"


@pytest.fixture(params=["gcc", "clang"])
def compiler(request, monkeypatch):
    if shutil.which(request.param) is None:
        pytest.skip(f"there is no {request.param} here")
    monkeypatch.setenv("CC", request.param)
    return request.param


def reached(root, *programs):
    """What the programs reach of the owner code at *root*, and of the code around."""
    program, pieces = build(open_source(f"kernel:{root}", str(root)))
    functions = functions_of(program.path, names_of(pieces))
    if functions is None:
        pytest.skip("there is no objdump here, which reads machine code")
    with closing(open_tree(root)) as candidate:
        for text in programs:
            candidate.reset()
            for op in parse_program(text):
                candidate.perform(op)
        edges = candidate.reached()
    return [reach(functions, edges, pieces, owner=owner) for owner in (True, False)]


def lines_of(told):
    return {int(line.split(":")[1]) for line in told.missed if line.startswith(EXIT)}


@pytest.mark.parametrize(
    ("programs", "missed", "branches"),
    [
        ((), {5, 7, 8, 11}, 0),
        ((NOBODY,), {7, 8, 11}, 1),
        ((LAST,), {11}, 2),
        ((OTHERS,), {8}, 2),
        ((NOBODY, LAST), {11}, 3),
        ((NOBODY, LAST, OTHERS), set(), 4),
    ],
)
def test_of_a_known_function(compiler, tmp_path, programs, missed, branches):
    told, around = reached(tree(tmp_path, {**FILES, EXIT: KNOWN}), *programs)
    # Lines of braces and returns are where a compiler likes to put them.
    assert lines_of(told) & {5, 7, 8, 11} == missed
    assert (told.branches, told.branches_reached) == (6, branches)
    assert around == Reach(0, 0, 0, 0)


def test_code_around_is_told_by_itself(compiler, tmp_path):
    told, around = reached(tree(tmp_path, {**FILES, EXIT: KNOWN + EXIT_MM}), LAST)
    assert lines_of(told) & {5, 7, 8, 11} == {11}
    assert (around.lines - around.lines_reached, len(around.missed)) in ((0, 0), (1, 1))
    assert around.lines > 5
    # Every task that exits here had an mm.
    assert all("return;" in line for line in around.missed)


def test_owner_code_of_headers_is_not_asked_about(compiler, tmp_path):
    sched = FILES["include/linux/sched.h"].replace(
        "#endif", "static inline int few(struct mm_struct *mm)\n{\n\treturn alone(mm);\n}\n#endif"
    )
    known = KNOWN.replace("atomic_read(&mm->mm_users) <= 1", "few(mm)")
    told, _ = reached(tree(tmp_path, {**FILES, EXIT: known, "include/linux/sched.h": sched}))
    assert told.missed
    assert not any("sched.h" in line for line in told.missed)


def test_how_it_is_told():
    told = Reach(4, 3, 2, 1, ("kernel/exit.c:1: a;", "kernel/exit.c:2: b;"))
    assert told.note("owner code") == (
        "owner code: 3 of 4 lines and 1 of 2 branches were reached; "
        "not kernel/exit.c:1: a;; kernel/exit.c:2: b;"
    )
    assert Reach(1, 1, 0, 0).note("it") == "it: 1 of 1 lines and 0 of 0 branches were reached"


# -- machine code that is given ----------------------------------------------------------------

#: A function of five blocks: a test, one way, the other with a test of its own, an end, a trap.
X86 = """\
world:     file format elf64-x86-64

0000000000000050 <other>:
other():
/somewhere/kernel/exit.c:99
      50:\tret

0000000000000100 <mm_update_next_owner>:
mm_update_next_owner():
/somewhere/kernel/exit.c:11
     100:\tcall   900 <__sanitizer_cov_trace_pc>
     105:\tcmp    %rax,%rbx
     108:\tjne    118 <mm_update_next_owner+0x18>
/somewhere/kernel/exit.c:12
     10a:\tcall   900 <__sanitizer_cov_trace_pc>
     10f:\tnop
     110:\tjmp    130 <mm_update_next_owner+0x30>
/somewhere/kernel/exit.c:13 (discriminator 2)
     118:\tcall   900 <__sanitizer_cov_trace_pc>
     11d:\ttest   %rax,%rax
     120:\tje     140 <mm_update_next_owner+0x40>
/somewhere/kernel/exit.c:14
     130:\tcall   900 <__sanitizer_cov_trace_pc>
     135:\tret
     140:\tcall   900 <__sanitizer_cov_trace_pc>
/somewhere/kernel/exit.c:15
     145:\tud2
"""
ARM = """\
world:     file format elf64-littleaarch64

0000000000000050 <other>:
other():
/somewhere/kernel/exit.c:99
      50:\tret

0000000000000100 <mm_update_next_owner>:
mm_update_next_owner():
/somewhere/kernel/exit.c:11
     100:\tbl     900 <__sanitizer_cov_trace_pc>
     105:\tldr    x0, [x1, #16]
     108:\tb.ne   118 <mm_update_next_owner+0x18>  // b.any
/somewhere/kernel/exit.c:12
     10a:\tbl     900 <__sanitizer_cov_trace_pc>
     10f:\tnop
     110:\tb      130 <mm_update_next_owner+0x30>
/somewhere/kernel/exit.c:13 (discriminator 2)
     118:\tbl     900 <__sanitizer_cov_trace_pc>
     11d:\tldr    x2, [x0]
     120:\tcbz    x2, 140 <mm_update_next_owner+0x40>
/somewhere/kernel/exit.c:14
     130:\tbl     900 <__sanitizer_cov_trace_pc>
     135:\tret
     140:\tbl     900 <__sanitizer_cov_trace_pc>
/somewhere/kernel/exit.c:15
     145:\tbrk    #0x3e8
"""
#: The blocks, by what follows their hooks.
START, ONE, TWO, END, TRAP = 0x105, 0x10F, 0x11D, 0x135, 0x145


def cut_of(owner=True, path=EXIT):
    text = (
        "void mm_update_next_owner(void)\n{\n"
        + "".join(f"\tline {n};\n" for n in range(12, 16))
        + "}"
    )
    return Cut((Piece("mm_update_next_owner", "function", path, 10, text, owner),))


@pytest.fixture
def given(tmp_path, monkeypatch):
    """Functions in what an objdump says, which is told to it."""

    def functions(text, *names):
        (tmp_path / "said").write_text(text)
        tool = tmp_path / "objdump"
        tool.write_text(f"#!/bin/sh\ncat {tmp_path / 'said'}\n")
        tool.chmod(0o700)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        return functions_of(tmp_path / "program", names or ("mm_update_next_owner",))

    return functions


@pytest.mark.parametrize("text", [X86, ARM], ids=["x86-64", "aarch64"])
@pytest.mark.parametrize(
    ("edges", "lines", "branches"),
    [
        ([], 0, 0),
        ([(0, START)], 1, 0),
        ([(0, START), (START, ONE), (ONE, END)], 3, 1),
        ([(0, START), (START, TWO), (TWO, END)], 3, 2),
        ([(0, START), (START, TWO), (TWO, TRAP)], 4, 2),
        ([(0, START), (START, ONE), (ONE, END), (START, TWO), (TWO, END), (TWO, TRAP)], 5, 4),
        # An end that was reached from somewhere else is no branch.
        ([(0, START), (START, TWO), (ONE, END)], 3, 1),
    ],
)
def test_blocks_and_edges(given, text, edges, lines, branches):
    found = given(text)
    assert [len(one.blocks()) for one in found] == [5]
    told = reach(found, edges, cut_of(), owner=True)
    assert (told.lines, told.lines_reached) == (5, lines)
    assert (told.branches, told.branches_reached) == (4, branches)
    assert len(told.missed) == 5 - lines


def test_lines_are_quoted_from_the_tree(given):
    told = reach(given(X86), [(0, START), (START, ONE), (ONE, END)], cut_of(), owner=True)
    assert told.missed == ("kernel/exit.c:13: line 13;", "kernel/exit.c:15: line 15;")


def test_what_is_no_owner_code_is_asked_about_by_itself(given):
    found, edges = given(X86), [(0, START)]
    assert reach(found, edges, cut_of(owner=False), owner=True) == Reach(0, 0, 0, 0)
    assert reach(found, edges, cut_of(owner=False), owner=False).lines == 5
    assert reach(found, edges, cut_of(path="include/linux/exit.h"), owner=True).lines == 0


@pytest.mark.parametrize("suffix", [".part.0", ".isra.0", ".constprop.0.cold"])
def test_parts_that_a_compiler_makes_of_a_function_belong_to_it(given, suffix):
    text = X86.replace("mm_update_next_owner", f"mm_update_next_owner{suffix}")
    (one,) = given(text)
    assert one.name == f"mm_update_next_owner{suffix}"
    assert reach([one], [(0, START), (START, TWO)], cut_of(), owner=True).branches_reached == 1


@pytest.mark.parametrize("word", ["jne", "je", "jbe", "js"])
def test_jumps_of_x86(given, word):
    (one,) = given(X86.replace("jne ", f"{word} "))
    assert len(one.blocks()) == 5


@pytest.mark.parametrize(
    "word", ["cbnz   x0,", "tbz    w0, #3,", "tbnz   w0, #3,", "b.eq  ", "b.ls  "]
)
def test_jumps_of_aarch64(given, word):
    (one,) = given(ARM.replace("b.ne  ", word))
    assert len(one.blocks()) == 5
    assert reach([one], [(START, TWO)], cut_of(), owner=True).branches == 4


def test_a_branch_whose_ways_have_no_hook_is_not_counted(given):
    without = X86.replace("     10a:\tcall   900 <__sanitizer_cov_trace_pc>\n", "     10a:\tnop\n")
    told = reach(given(without), [(0, START), (START, TWO)], cut_of(), owner=True)
    assert told.branches == 2
    # Nor is one that leaves the function, or goes into a block, or ends it.
    for target in ("900 <another>", "11d <mm_update_next_owner+0x1d>"):
        text = X86.replace("118 <mm_update_next_owner+0x18>", target)
        assert reach(given(text), [], cut_of(), owner=True).branches <= 4
    last = X86.replace("     145:\tud2\n", "     145:\tjne    100 <mm_update_next_owner>\n")
    assert reach(given(last), [], cut_of(), owner=True).branches == 4


def test_a_hook_at_the_end_of_its_block_returns_to_the_next(given):
    # 105 is where somebody jumps to, so the block of 100 is the call alone.
    text = X86.replace(
        "jne    118 <mm_update_next_owner+0x18>", "jne    105 <mm_update_next_owner+0x5>"
    )
    (one,) = given(text)
    blocks = one.blocks()
    assert [block[0].at for block in blocks[:2]] == [0x100, 0x105]
    assert reach([one], [(0, START)], cut_of(), owner=True).lines_reached == 1
    # One that is the last of all returns to nowhere.
    cut_short = X86.partition("/somewhere/kernel/exit.c:15")[0]
    told = reach(given(cut_short), [(START, TWO), (TWO, END)], cut_of(), owner=True)
    assert told.branches == 2


def test_without_objdump_nothing_is_known(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert functions_of(tmp_path / "program", ["f"]) is None


def test_which_functions_are_asked_about():
    pieces = Cut((
        Piece("a", "function", EXIT, 1, "int a;", True), Piece("b", "function", EXIT, 2, "int b;", False),
        Piece("M", "macro", EXIT, 3, "#define M", True),
        Piece("h", "function", "include/linux/sched.h", 1, "int h;", True),
    ))  # fmt: skip
    assert names_of(pieces) == {"a": True, "b": False}
