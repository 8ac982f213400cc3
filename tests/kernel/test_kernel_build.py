"""What may stand in for what cut code lacks and what never may, and what is compiled again."""

import os
import shutil
from contextlib import closing
from pathlib import Path

import pytest
from owner_making import EXEC, EXIT_MM, FILES, kernel, opened, tree

from mmowner_reference import Question
from pytest_mmowner import CallError, MissingPrerequisite, SuiteError, check, parse_program
from pytest_mmowner._kernel import _build
from pytest_mmowner._kernel._build import build, build_library, run
from pytest_mmowner._kernel._sources import open_source
from pytest_mmowner._verdicts import UNTESTABLE, verdict_of

EXIT, FORK, EXEC_C, SCHED = "kernel/exit.c", "kernel/fork.c", "fs/exec.c", "include/linux/sched.h"
ME = "\tstruct task_struct *me = current;\n\n"
COMPILERS = ("gcc", "clang")


@pytest.fixture(params=COMPILERS)
def compiler(request, monkeypatch):
    """A compiler by its name, which the build takes too."""
    if shutil.which(request.param) is None:
        pytest.skip(f"there is no {request.param} here")
    monkeypatch.setenv("CC", request.param)
    return request.param


def made(root):
    return build(open_source(f"kernel:{root}", str(root)))[0]


def with_owner(code):
    """An edit that puts *code* at the start of mm_update_next_owner(), which is line 62."""
    return (EXIT, ME, f"{ME}\t{code}\n")


def with_exec(code):
    """An exec_mmap() with *code* in it."""
    return EXEC.replace("\tmmput(before);\n", f"\t{code}\n\tmmput(before);\n")


# -- what stands in ----------------------------------------------------------------------------

#: Of all that is missing in it, nothing is about owners.
MUCH_AROUND = """
static int exec_mmap(struct mm_struct *mm)
{
\tfrob_t frob;
\tstruct frob_info *info = NULL;
\tstruct task_struct *me = current;
\tstruct mm_struct *before = me->mm;

\tfrob = info ? info->size : 0;
\tunheard_of(before, OF_IT);
\tme->frobs += before->grobs;
\tatomic_inc(&before->counted);
\tspin_lock(&me->frob_lock);
\tspin_unlock(&me->frob_lock);
\tif (me->signal->frobbed)
\t\tme->frobs = frob_one(frob);
\ttask_lock(me);
\tme->active_mm = me->mm = mm;
\ttask_unlock(me);
\tmm_update_next_owner(before);
\tmmput(before);
\treturn 0;
}
"""


def test_code_around_is_stubbed_and_runs(compiler, tmp_path):
    with closing(opened(tree(tmp_path, exec=MUCH_AROUND))) as candidate:
        assert candidate.program.compiler.startswith(compiler)
        assert candidate.program.left_out == {}
        assert set(candidate.program.stubs) == {
            "constant OF_IT", "function unheard_of", "function frob_one", "type frob_t",
            "member frobs of struct task_struct", "member grobs of struct mm_struct",
            "member counted of struct mm_struct", "member frob_lock of struct task_struct",
            "member frobbed of struct signal_struct", "struct frob_info", "member size of struct frob_info",
        }  # fmt: skip
        candidate.reset()
        for op in parse_program("clone(1, 2, mm=2)\nclone(2, 3, VM)\nexec(2, mm=3)"):
            candidate.perform(op)
        assert candidate.ask(Question("owner", 2)) == 3


def test_the_trees_own_struct_comes_before_a_stub(compiler, tmp_path):
    exec_mmap = with_exec("me->frobs = ((struct frob *)before)->second;")
    sched = FILES[SCHED].replace("#endif", "struct frob {\n\tlong first, second;\n};\n#endif")
    program = made(
        tree(
            tmp_path,
            {**FILES, SCHED: FILES[SCHED], "include/linux/mm_types.h": sched},
            exec=exec_mmap,
        )
    )
    assert program.stubs == ("member frobs of struct task_struct",)


@pytest.mark.parametrize(
    ("path", "text", "name", "reason"),
    [
        (EXIT, EXIT_MM.replace("\tif (!mm)\n", "\tif (!&current)\n"), "exit_mm", "kernel/exit.c:84: if (!&current): "),
        (EXEC_C, EXEC.replace("\tif (!before) {", "\tif (!before->mm_users) {"), "exec_mmap",
         "fs/exec.c:14: if (!before->mm_users) {: "),
    ],
)  # fmt: skip
def test_a_caller_that_cannot_be_compiled_is_not_run(compiler, tmp_path, path, text, name, reason):
    program = made(tree(tmp_path, **{Path(path).stem: text}))
    assert list(program.left_out) == [name]
    assert program.left_out[name].startswith(reason)


def test_what_a_caller_calls_is_left_out_with_it(compiler, tmp_path):
    helper = "\nstatic void leave(struct mm_struct *mm)\n{\n\tif (!&current)\n\t\treturn;\n\tmm_update_next_owner(mm);\n}\n"
    program = made(
        tree(
            tmp_path,
            exit=helper + EXIT_MM.replace("\tmm_update_next_owner(mm);\n", "\tleave(mm);\n"),
        )
    )
    assert list(program.left_out) == ["exit_mm"]
    assert program.left_out["exit_mm"].startswith("kernel/exit.c:81: if (!&current): ")


def test_two_helpers_that_cannot_be_compiled_leave_out_one_caller(compiler, tmp_path):
    helpers = "".join(
        f"\nstatic void {name}(struct mm_struct *mm)\n{{\n\tif (!&current)\n\t\treturn;\n\tmm_update_next_owner(mm);\n}}\n"
        for name in ("leave", "part")
    )
    calls = "\tleave(before);\n\tpart(before);\n"
    exec_mmap = helpers + EXEC.replace("\tmm_update_next_owner(before);\n", calls)
    program = made(tree(tmp_path, exit=EXIT_MM, exec=exec_mmap))
    assert list(program.left_out) == ["exec_mmap"]


def test_a_macro_around_that_cannot_be_compiled_leaves_out_who_uses_it(compiler, tmp_path):
    exec_mmap = "\n#define ODD (!&current)\n" + EXEC.replace("\tif (!before) {", "\tif (ODD) {")
    program = made(tree(tmp_path, exit=EXIT_MM, exec=exec_mmap))
    assert list(program.left_out) == ["exec_mmap"]


def test_a_struct_of_the_tree_that_is_no_use_alone_is_stubbed(compiler, tmp_path):
    sched = FILES[SCHED].replace(
        "#endif", "struct frob {\n\tgrob_t first;\n\tlong second;\n};\n#endif"
    )
    exec_mmap = with_exec("me->flags += ((struct frob *)before)->second;")
    program = made(tree(tmp_path, {**FILES, SCHED: sched}, exec=exec_mmap))
    assert program.stubs == ("member second of struct frob", "struct frob")
    assert program.left_out == {}


# -- what nothing stands in for ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "missing"),
    [
        ("frob(me);", "frob"),
        ("if (FROB)\n\t\treturn;", "FROB"),
        ("if (me->frob)\n\t\treturn;", "frob"),
        ("if (mm->owner->signal->frob)\n\t\treturn;", "frob"),
        ("struct frob x;", "'x'|struct frob"),
        ("frob_t x;", "frob_t"),
    ],
)
def test_in_owner_code_nothing_is_stubbed(compiler, tmp_path, code, missing):
    with pytest.raises(CallError) as refused:
        made(tree(tmp_path, FILES, with_owner(code)))
    said = str(refused.value)
    assert said.startswith(
        f"kernel:{tmp_path}: owner code does not compile; nothing in it is left out or stubbed."
    )
    line = " ".join(code.partition("\n")[0].split())
    assert f"  kernel/exit.c:62: {line}\n    " in said
    assert any(one in said for one in missing.split("|"))
    assert "A helper is looked for in the same file" in said


@pytest.mark.parametrize(
    ("owner", "around", "missing"),
    [
        ("frob(me);", "frob(me);", "function frob"),
        ("if (FROB)\n\t\treturn;", "me->flags |= FROB;", "constant FROB"),
        ("if (me->frob)\n\t\treturn;", "me->frob = 0;", "member frob of struct task_struct"),
    ],
)
def test_a_stub_for_code_around_is_none_for_owner_code(compiler, tmp_path, owner, around, missing):
    with pytest.raises(CallError) as refused:
        made(tree(tmp_path, FILES, with_owner(owner), exec=with_exec(around)))
    said = str(refused.value)
    assert missing.split()[1] in said
    assert f"kernel/exit.c:62: {owner.splitlines()[0]}" in said


def test_a_word_in_a_comment_or_of_another_struct_is_no_use_of_a_stub(tmp_path):
    code = "/* frob() comes later */\n\tif (me->flags == 77)\n\t\treturn;"
    program = made(tree(tmp_path, FILES, with_owner(code), exec=with_exec("frob(me);")))
    assert program.stubs == ("function frob",)


def test_syntax_errors_in_owner_code_are_quoted(compiler, tmp_path):
    with pytest.raises(CallError, match=r"kernel/exit\.c:6[23]: .*\n    .*expected"):
        made(tree(tmp_path, FILES, with_owner("me = ;")))


def test_an_error_that_is_in_no_piece_is_told_where_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr(_build, "CONFIG", (*_build.CONFIG, "-DLATE=("))
    with pytest.raises(
        CallError, match=r"owner code does not compile.*\n  .+:\d+\n    .*error|expected"
    ):
        made(tree(tmp_path, FILES, (FORK, "\tmm->owner = p;\n", "\tmm->owner = LATE p;\n")))


def new_file(path, text):
    """A patch that makes *path*."""
    body = "".join(f"+{line}\n" for line in text.splitlines())
    return f"--- /dev/null\n+++ b/{path}\n@@ -0,0 +1,{body.count(chr(10))} @@\n{body}"


def test_of_a_patch_alone_the_tree_is_asked_for(tmp_path):
    patch = tmp_path / "a.patch"
    wrong = FILES[EXIT].replace(ME, f"{ME}\tfrob(me);\n")
    patch.write_text(new_file(EXIT, wrong) + new_file(FORK, FILES[FORK]))
    with pytest.raises(CallError, match="A patch alone has no more than its own lines"):
        build(open_source("kernel:a.patch", str(patch)))


def test_a_patch_alone_must_have_all_owner_functions(tmp_path):
    patch = tmp_path / "a.patch"
    patch.write_text(new_file(EXIT, FILES[EXIT]))
    with pytest.raises(CallError, match=r"mm_init_owner is not there as a whole.*give its tree"):
        build(open_source("kernel:a.patch", str(patch)))


def declared(name):
    """A header that has only the prototype of *name*."""
    return FILES[SCHED].replace("#endif", f"int {name}(struct task_struct *t);\n#endif")


def test_what_owner_code_uses_and_nobody_defines(compiler, tmp_path):
    prototype = (
        EXIT,
        "#ifdef CONFIG_MEMCG\n",
        "int frob(struct task_struct *t);\n\n#ifdef CONFIG_MEMCG\n",
    )
    with pytest.raises(CallError) as refused:
        made(tree(tmp_path, FILES, prototype, with_owner("frob(me);")))
    assert "kernel/exit.c:64: frob(me);" in str(refused.value)


def test_what_code_around_declares_and_nobody_defines_does_nothing(compiler, tmp_path):
    exec_mmap = with_exec(
        "{\n\t\textern int frob(struct task_struct *t);\n\n\t\tif (frob(me))\n\t\t\treturn 1;\n\t}"
    )
    program = made(tree(tmp_path, exec=exec_mmap))
    assert program.stubs == ("function frob",)


def test_what_owner_code_declares_itself_and_nobody_defines(compiler, tmp_path):
    code = "{\n\t\textern int frob(struct task_struct *t);\n\n\t\tif (frob(me))\n\t\t\treturn;\n\t}"
    with pytest.raises(
        CallError, match="owner code uses frob, which is declared and defined nowhere"
    ):
        made(tree(tmp_path, FILES, with_owner(code)))


# -- what is kept ------------------------------------------------------------------------------


@pytest.fixture
def counted(monkeypatch):
    """The commands that were run."""
    commands = []
    really = run

    def counting(command, cwd=None):
        commands.append(list(command))
        return really(command, cwd)

    monkeypatch.setattr(_build, "run", counting)
    return commands


def test_an_unchanged_tree_is_compiled_once(tmp_path, counted, monkeypatch):
    root = tree(tmp_path / "linux", FILES, exec=with_exec("unheard_of(before);"))
    first = made(root)
    del counted[:]
    assert made(root) == first
    assert counted == []
    # An edit is another program; taken back it is the one of before.
    exit_c = root / EXIT
    exit_c.write_text(
        FILES[EXIT].replace(ME, f"{ME}\tBUG_ON(mm == (void *)0x{os.urandom(4).hex()});\n")
    )
    other = made(root)
    assert other.path != first.path
    assert counted
    del counted[:]
    exit_c.write_text(FILES[EXIT])
    assert made(root) == first
    assert counted == []
    # What is no owner code, and not near it, does not count.
    (root / "kernel/fork.c").write_text(FILES[FORK] + "\nint unrelated;\n")
    assert made(root) == first


def test_a_program_without_its_notes_is_made_again(tmp_path, counted):
    root = tree(tmp_path, FILES, exec=with_exec("gone_for(before);"))
    first = made(root)
    first.path.with_suffix(".json").unlink()
    del counted[:]
    assert made(root) == first
    assert counted


def test_another_compiler_makes_another_program(tmp_path, monkeypatch):
    root = tree(tmp_path)
    programs = {}
    for name in COMPILERS:
        if shutil.which(name) is None:
            pytest.skip(f"there is no {name} here, and this takes two")
        monkeypatch.setenv("CC", name)
        programs[name] = made(root)
        assert programs[name].compiler.startswith(name)
    assert programs["gcc"].path != programs["clang"].path


def test_a_compiler_may_have_arguments(tmp_path, monkeypatch):
    root = tree(tmp_path)
    plain = made(root)
    monkeypatch.setenv("CC", "gcc -DMORE=1" if shutil.which("gcc") else "clang -DMORE=1")
    with closing(opened(root)) as candidate:
        assert candidate.program.path != plain.path
        assert "gcc" in candidate.program.compiler or "clang" in candidate.program.compiler


def test_without_a_cache_a_program_lives_as_long_as_we_do(tmp_path, monkeypatch):
    monkeypatch.setenv("MMOWNER_CACHE", "")
    with closing(kernel(tmp_path)) as candidate:
        path = candidate.program.path
        assert path.parent == _build._own_place()
        assert not any(path.parent == Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / name
                       for name in ("pytest-mmowner",))  # fmt: skip
        candidate.reset()
    # It is the same place for all of this process, and a library's world lies there too.
    assert made(tmp_path).path == path
    assert build_library().path.parent == path.parent


# -- compilers that are not there, or not all there --------------------------------------------


def script(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o700)
    return str(path)


def gcc_but(directory, condition, instead):
    """A compiler that does something else where the shell's *condition* holds of its arguments."""
    real = shutil.which("gcc") or shutil.which("clang")
    return script(
        directory / "mycc",
        f'all=" $* "\ncase "$all" in\n*"{condition}"*) {instead};;\nesac\nexec {real} "$@"',
    )


def test_without_a_compiler_nothing_can_be_tested_and_the_reason_is_told(tmp_path, monkeypatch):
    root = tree(tmp_path)
    monkeypatch.setenv("CC", "no-such-compiler")
    with pytest.raises(MissingPrerequisite) as missing:
        opened(root)
    assert verdict_of(missing.value) == UNTESTABLE
    assert str(missing.value) == (
        "no C compiler found (CC=no-such-compiler): kernel: and lib: candidates are compiled: install gcc (11 or "
        "later) or clang, or name one with CC="
    )


def test_a_run_without_a_compiler(pytester, monkeypatch):
    root = tree(pytester.path / "linux")
    monkeypatch.setenv("CC", "no-such-compiler")
    result = pytester.runpytest_subprocess(
        "--pyargs",
        "mmowner_conformance.test_exec",
        "-p",
        "no:cacheprovider",
        f"--mmowner-candidate=kernel:{root}",
    )
    assert result.ret not in (0, 5)
    result.stdout.fnmatch_lines(["*no C compiler found (CC=no-such-compiler)*", "*untestable*"])


@pytest.mark.parametrize(
    ("condition", "instead", "said"),
    [
        ("runtime.c", "echo world.h:1: error: too new; exit 1", r"cannot compile our runtime: \['world.h:1: error: too new'\].*gcc 11 or later"),
        ("-nostdlib -r", "echo no ld; exit 1", r"cannot link: no ld\s+: is binutils there"),
    ],
)  # fmt: skip
def test_a_compiler_that_cannot_make_our_world(tmp_path, monkeypatch, condition, instead, said):
    monkeypatch.setenv("MMOWNER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CC", gcc_but(tmp_path, condition, instead))
    with pytest.raises(MissingPrerequisite, match=said):
        made(tree(tmp_path / "linux"))
    assert [path for path in (tmp_path / "cache").iterdir() if path.suffix == ".o"] == []


@pytest.mark.parametrize(
    ("condition", "instead", "said"),
    [
        ("candidate.c", "echo it broke; exit 1", "failed and did not say where: it broke"),
        ("-no-pie -o", 'case "$all" in *nostdlib*) ;; *) echo no libdl; exit 1;; esac', "cannot link: no libdl"),
    ],
)  # fmt: skip
def test_a_compiler_that_fails_without_a_reason(tmp_path, monkeypatch, condition, instead, said):
    monkeypatch.setenv("CC", gcc_but(tmp_path, condition, instead))
    with pytest.raises(SuiteError, match=said):
        made(tree(tmp_path / "linux", FILES, with_owner("BUG_ON(!mm);")))


def test_a_library_host_that_cannot_be_linked(tmp_path, monkeypatch):
    monkeypatch.setenv("MMOWNER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CC", gcc_but(tmp_path, "-ldl", "echo no libdl; exit 1"))
    with pytest.raises(MissingPrerequisite, match=r"cannot link: no libdl\s+: is libc all there"):
        build_library()


def test_a_compiler_that_does_not_come_back(tmp_path, monkeypatch):
    monkeypatch.setenv("CC", gcc_but(tmp_path, "candidate.c", "exec sleep 60"))
    monkeypatch.setattr(_build, "PATIENCE", 20)
    root = tree(tmp_path / "linux", FILES, with_owner("BUG_ON(!me);"))
    opening = _build.runtime(_build.compiler(), _build.cache_directory())
    assert opening.exists()
    monkeypatch.setattr(_build, "PATIENCE", 0.2)
    with pytest.raises(
        MissingPrerequisite,
        match=r"mycc: .*timed out after 0\.2 seconds: is the compiler all there",
    ):
        made(root)


def test_a_compiler_that_hangs_in_our_world_leaves_no_process(tmp_path, monkeypatch):
    monkeypatch.setenv("MMOWNER_CACHE", str(tmp_path / "cache"))
    hanging = f"echo $$ > {tmp_path / 'pid'}; exec sleep 60"
    monkeypatch.setenv("CC", gcc_but(tmp_path, "runtime.c", hanging))
    monkeypatch.setattr(_build, "PATIENCE", 1)
    with pytest.raises(MissingPrerequisite, match=r"timed out after .* is the compiler all there"):
        made(tree(tmp_path / "linux"))
    pid = int((tmp_path / "pid").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_what_never_compiles_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(_build, "ROUNDS", 1)
    with pytest.raises(CallError, match="after 1 attempts something is still missing"):
        made(tree(tmp_path, FILES, exec=with_exec("never_heard_of(before);")))


def test_check_says_that_owner_code_does_not_compile(tmp_path):
    with pytest.raises(CallError, match="owner code does not compile"):
        check(f"kernel:{tree(tmp_path, FILES, with_owner('frob(me);'))}")
