"""``kernel:``: whole runs on trees that are right, and what is said of those that are wrong."""

import json
import os
import platform
import re
import shutil
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from owner_making import EXEC, EXIT_MM, FILES, OLD_FILES, kernel, opened, tree
from owner_wrong import EXIT, WRONG

from mmowner_reference import DIALECTS, Question
from pytest_mmowner import CallError, CandidateError, Untestable, check, parse_program
from pytest_mmowner._candidates.kernel import (
    SCHEDULES,
    _short,
    dialect_of_tree,
    open_kernel,
    reach_notes,
    world_of,
)
from pytest_mmowner._kernel._facts import Facts
from pytest_mmowner._session import Session
from pytest_mmowner._told import Told, told_by
from pytest_mmowner.errors import Panic

RUN = ("--pyargs", "mmowner_conformance", "-p", "no:cacheprovider")


def perform(candidate, text):
    """Do a program from the start."""
    candidate.reset()
    more(candidate, text)


def more(candidate, text):
    for op in parse_program(text):
        candidate.perform(op)


# -- whole runs --------------------------------------------------------------------------------


def verdicts_in(record):
    lines = [json.loads(line) for line in record.read_text().splitlines()]
    return lines[0], [one for one in lines if "verdict" in one]


@pytest.mark.slow
def test_a_right_tree_passes_the_suite(pytester):
    root = tree(pytester.path / "linux", FILES, exit=EXIT_MM, exec=EXEC)
    result = pytester.runpytest_subprocess(
        *RUN, f"--mmowner-candidate=kernel:{root}", "--mmowner-report=record.jsonl"
    )
    result.assert_outcomes(**{**result.parseoutcomes(), "failed": 0, "errors": 0})
    assert result.ret == 0
    head, said = verdicts_in(pytester.path / "record.jsonl")
    (candidate,) = head["candidates"]
    assert (candidate["spec"], candidate["dialect"], candidate["claims"]) == (
        f"kernel:{root}", "6.11", "6.11"
    )  # fmt: skip
    assert (candidate["version"], candidate["language"]) == ("6.12.0", "C")
    assert candidate["started"][0] == f"kernel:{root}"
    assert {"owner=1", "lru_gen=1", "callbacks=0"} <= set(candidate["started"])
    assert candidate["details"] == {"stubs": [], "left_out": {}}
    assert {one["verdict"] for one in said} == {"pass", "observed", "not applicable"}
    result.stdout.fnmatch_lines([
        "*schedules of * scenes with at most 3 preemptions*",
        "*owner code: * lines and * branches were reached*",
        "*code around it: * lines and * branches were reached*",
    ])  # fmt: skip


@pytest.mark.slow
def test_an_old_tree_passes_with_its_hazards(tmp_path):
    result = check(f"kernel:{tree(tmp_path, OLD_FILES)}")
    assert result.ok
    assert result.dialect == "2.6.28"
    verdicts = {rule: result.of(rule) for rule in result.tests}
    assert {rule for rule, verdict in verdicts.items() if verdict == "hazard"} >= {
        "INV-05", "RACE-05", "KTHREAD-01"
    }  # fmt: skip
    assert {verdicts["CALLBACK-05"], verdicts["LOCK-02"], verdicts["EXIT-06"]} == {"pass"}


def test_workers_of_xdist_each_have_their_own(pytester):
    root = tree(pytester.path / "linux", OLD_FILES)
    result = pytester.runpytest_subprocess(
        *RUN, "-n2", "-k", "in_every_schedule or stages", f"--mmowner-candidate=kernel:{root}",
        "--mmowner-report=record.jsonl",
    )  # fmt: skip
    assert result.ret == 0
    head, said = verdicts_in(pytester.path / "record.jsonl")
    assert head["candidates"][0]["dialect"] == "2.6.28"
    assert {one["verdict"] for one in said} == {"pass", "hazard", "not applicable"}
    # What both have reached is put together.
    result.stdout.fnmatch_lines(["*owner code: * lines and * branches were reached*"])


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """The verdicts on a tree of which every exit and exec ends at a BUG_ON."""
    root = tree(tmp_path_factory.mktemp("kernel"), FILES, *WRONG["bug"].edits)
    return check(f"kernel:{root}", minimize=False)


def test_what_stops_a_kernel_is_a_failure_and_not_an_error(judged):
    counts = judged.counts(judged.tests)
    assert counts["error"] == counts["untestable"] == 0
    assert counts["fail"] > 30
    assert judged.of("TASK-01") == "fail"
    # Who never leaves an mm hits nothing.
    assert {
        judged.of(rule) for rule in ("FORK-01", "ATTACH-01", "SUBREAPER-01") if rule in judged.tests
    } == {"pass"}


def test_a_failure_has_operation_task_and_line(judged):
    said = judged.text("EXIT-02")
    assert (
        "observed: it was not performed: bug-on: BUG_ON(mm->owner == me) (operation exit, task 2) "
        "at mm_update_next_owner() (kernel/exit.c:62)"
    ) in said


def test_what_breaks_before_operations_overlap_is_told_of_the_scene(judged):
    assert judged.of("SOUND-01") == "fail"
    assert "before the overlap) at mm_update_next_owner() (kernel/exit.c:62)" in judged.text(
        "SOUND-01"
    )
    # Of the rest nothing is known: no schedule came to its end.
    assert judged.of("INV-05") == judged.of("LOCK-07") == "unknown"
    assert "not all of siblings-all-reaped" in judged.text("INV-05")


def test_a_lock_that_is_kept_fails_one_requirement(tmp_path):
    root = tree(tmp_path, FILES, *WRONG["keeps-lock"].edits)
    result = check(f"kernel:{root}", minimize=False, level="concurrency")
    assert {rule for rule in result.tests if result.of(rule) == "fail"} == {"LOCK-07"}
    assert "tasklist_lock is still held after mm_update_next_owner()" in result.text("LOCK-07")


def test_another_dialect_than_the_trees(tmp_path):
    root = tree(tmp_path)
    result = check(f"kernel:{root}", dialect="2.6.29", minimize=False, level="safety")
    assert result.dialect == "2.6.29"
    # 6.11 clears where 2.6.29 kept, so it does not show what was a hazard then.
    assert result.of("EXIT-02") == "fail"
    with closing(opened(root, "2.6.29")) as candidate:
        assert candidate.info.dialect == "6.11"
        assert "lru" not in candidate.info.capabilities
        assert {"threads_on_children=1", "lru_gen=0", "zombie_root=1"} <= set(candidate.started)


# -- one operation -----------------------------------------------------------------------------

#: What ends one operation, and what is said then.
ENDS = {
    "null": "null-dereference: it reads address 0xc: a field of a NULL pointer",
    "wild": "wild-pointer: it reads address 0xdead00000000012e, which is no pointer",
    "unmapped": "crash: signal 11 (Segmentation fault) at address 0x700000000c",
    "recursion": "stack-overflow: its stack is used up: a recursion without end?",
    "loop": "endless-loop: 1000001 steps and no end",
    "bug": "bug-on: BUG_ON(mm->owner == me)",
    "twice": "self-deadlock: it waits for task 3's alloc_lock, which it holds",
    "unlocks": "bad-unlock: it releases task 2's alloc_lock, which it does not hold",
    "underflow": "reference-underflow: it drops a reference to task 3 that it does not have",
}
LINE = re.compile(
    r"\(operation exit, task 2\) at (?:mm_update_next_owner|hand_to|deeper)\(\) \(kernel/exit\.c:\d+\)(?:$|; before that )"
)


@pytest.mark.parametrize("name", ENDS)
def test_an_operation_that_never_ends_in_a_kernel(tmp_path, name):
    with closing(kernel(tmp_path, FILES, *WRONG[name].edits)) as candidate:
        assert_ends(candidate, ENDS[name])


def assert_ends(candidate, said):
    process = candidate._process
    perform(candidate, "clone(1, 2, mm=2)\nclone(2, 3, VM)")
    with pytest.raises(Panic) as panic:
        more(candidate, "exit(2)")
    assert panic.value.text.startswith(said)
    assert LINE.search(panic.value.text), panic.value.text
    assert panic.value.in_flight == "exit(2)"
    with pytest.raises(Panic, match="an operation before this one broke the world: send reset"):
        more(candidate, "exit(3)")
    # The same process does the next program.
    perform(candidate, "clone(1, 2, mm=2)\nclone(2, 3, VM)")
    assert candidate.ask(Question("owner", 2)) == 2
    assert candidate.ask(Question("users", 2)) == 2
    assert candidate._process is process


def test_a_division_by_zero(tmp_path):
    if platform.machine() not in ("x86_64", "i686"):
        pytest.skip(f"a division by zero is no fault on {platform.machine()}")
    start = "\tstruct task_struct *me = current;\n\n"
    nothing = "atomic_read(&mm->mm_users) - atomic_read(&mm->mm_users)"
    edit = (EXIT, start, f"{start}\tif (100 / ({nothing}))\n\t\treturn;\n")
    with closing(kernel(tmp_path, FILES, edit)) as candidate:
        assert_ends(candidate, "crash: signal 8 (Floating point exception)")


def test_a_jump_to_nowhere_has_no_line(tmp_path):
    said = r"crash: signal 11 .* \(operation exit, task 2\) at 0(?:\n|; before)"
    with (
        closing(kernel(tmp_path, FILES, *WRONG["jump"].edits)) as candidate,
        pytest.raises(Panic, match=said),
    ):
        perform(candidate, "clone(1, 2, mm=2)\nexit(2)")


def test_a_deadlock_with_itself_in_sleeping_locks(tmp_path):
    lock = "\tif (mm->owner != me)\n"
    edit = (EXIT, lock, f"\tdown_write(&mm->mmap_sem);\n\tdown_read(&mm->mmap_sem);\n{lock}")
    with closing(kernel(tmp_path, FILES, edit)) as candidate:
        assert_ends(candidate, "self-deadlock: it waits for mm 2's mmap_sem, which it holds")


def test_a_world_has_so_much_room(tmp_path):
    with (
        closing(kernel(tmp_path)) as candidate,
        pytest.raises(Untestable, match="more tasks at a time than the C world has room for"),
    ):
        perform(candidate, "\n".join(f"clone(1, {n}, VM)" for n in range(2, 300)))


# -- what it says of itself --------------------------------------------------------------------


def test_what_it_says_of_itself(tmp_path):
    with closing(kernel(tmp_path)) as candidate:
        info = candidate.info
        assert (info.spec, info.name) == (f"kernel:{tmp_path}", str(tmp_path))
        assert SCHEDULES in info.capabilities and "program" in info.capabilities
        (note,) = info.notes
        assert re.fullmatch(r"compiled with (gcc|clang) \d+\.\d+", note)
        assert (candidate.facts.version, candidate.facts.adopter) == ("6.12.0", "first")


def test_notes_tell_what_was_stubbed_and_left_out_and_what_the_row_lacks(tmp_path):
    exec_mmap = EXEC.replace(
        "\tmmput(before);\n", "\tunheard_of(before, OF_IT);\n\tmmput(before);\n"
    )
    exit_mm = EXIT_MM.replace("\tif (!mm)\n", "\tif (!&current)\n")
    files = {**FILES, "Makefile": "VERSION = 3\nPATCHLEVEL = 10\nSUBLEVEL = 28\nEXTRAVERSION =\n"}
    with closing(opened(tree(tmp_path, files, exit=exit_mm, exec=exec_mmap))) as candidate:
        info = candidate.info
        assert info.dialect == "3.0"
        compiled, stubs, left_out, *missed = info.notes
        assert stubs == "stubs around the owner functions: constant OF_IT, function unheard_of"
        assert left_out.startswith(
            "exit_mm() of the tree is not run, ours is: kernel/exit.c:84: if (!&current): "
        )
        assert "3.10.28 is judged by 3.0, which does not have yet: subreapers (3.4)" in missed
        assert info.details["stubs"] == ["constant OF_IT", "function unheard_of"]
        assert list(info.details["left_out"]) == ["exit_mm"]


def test_a_patch_that_does_not_apply_everywhere_says_where(tmp_path):
    root = tree(tmp_path / "linux")
    patch = tmp_path / "a.patch"
    patch.write_text(
        "--- a/kernel/exit.c\n+++ b/kernel/exit.c\n@@ -59,5 +59,5 @@ void mm_update_next_owner(\n"
        " \tstruct task_struct *me = current;\n \n-\tif (mm->owner != me)\n+\tif (me != mm->owner)\n"
        " \t\treturn;\n \tif (!alone(mm)) {\n"
        "--- a/mm/other.c\n+++ b/mm/other.c\n@@ -1,3 +1,3 @@\n int a;\n-int b;\n+int c;\n int d;\n"
    )
    with closing(open_kernel("kernel:p", f"{patch}@{root}", None, 30)) as candidate:
        (note,) = [one for one in candidate.info.notes if "not applied" in one]
        assert note.startswith("not applied, and no owner code: mm/other.c")
        perform(candidate, "clone(1, 2, mm=2)\nclone(2, 3, VM)\nexit(2)")
        assert candidate.ask(Question("owner", 2)) == 3


@pytest.mark.parametrize(
    ("told", "dialect"),
    [
        ({"version": "6.12.0"}, "6.11"),
        ({"version": "6.10.3"}, "6.1"),
        ({"version": "2.6.28.10"}, "2.6.28"),
        ({"version": "2.6.26", "delayed_leader": True}, "rfc-v4"),
        ({"delayed_leader": True, "callbacks": "tasks"}, "rfc-v4"),
        ({"version": "2.6.25", "delayed_leader": False, "callbacks": "cgroups"}, "2.6.26"),
        ({"delayed_leader": False, "callbacks": "cgroups and task"}, "2.6.28"),
        ({"delayed_leader": False, "callbacks": "none"}, "2.6.29"),
        ({"delayed_leader": False}, None),
        ({}, None),
    ],
)
def test_which_dialect_a_tree_speaks(told, dialect):
    assert dialect_of_tree(Facts(**told)) == dialect


def test_what_nobody_says_is_judged_by_the_newest(tmp_path):
    with closing(kernel(tmp_path, {**FILES, "Makefile": "all:\n"})) as candidate:
        assert candidate.info.dialect is None
        assert candidate.info.version == ""
        assert candidate.started[1:] == tuple(
            f"{name}={value}" for name, value in world_of(DIALECTS["6.11"], candidate.facts).items()
        )


def test_the_world_is_the_dialects_and_at_call_sites_the_trees():
    told = Facts(exec_argument="new", exec_mmap_held=True, fork_clears=False, dup_clears=False,
                 fork_frees_by_rcu=False, init_mm_owner=True, subreapers=False)  # fmt: skip
    world, plain = world_of(DIALECTS["6.11"], told), world_of(DIALECTS["6.11"], None)
    assert {name: world[name] for name in world if world[name] != plain[name]} == {
        "exec_new": 1, "exec_held": 1, "fork_clears": 0, "dup_clears": 0, "fork_frees_by_rcu": 0,
        "init_mm_owner": 1,
    }  # fmt: skip
    assert world_of(DIALECTS["6.11"], Facts()) == plain
    old = world_of(DIALECTS["rfc-v4"], Facts(exec_argument="old"))
    assert (old["exec_new"], old["exec_held"], old["callbacks"]) == (0, 1, 1)
    assert all(isinstance(value, int) for value in old.values())


@pytest.mark.parametrize("rest", ["", "/no/such/tree", "."])
def test_what_is_no_tree(rest, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CallError, match="kernel:"):
        open_kernel(f"kernel:{rest}", rest, None, 30)


# -- places ------------------------------------------------------------------------------------


def without(monkeypatch, *tools):
    """Take *tools* away."""
    there = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: None if name in tools else there(name))


def test_without_addr2line_addresses_stay_addresses(tmp_path, monkeypatch):
    without(monkeypatch, "addr2line", "llvm-addr2line")
    with closing(kernel(tmp_path, FILES, *WRONG["bug"].edits)) as candidate:
        with pytest.raises(Panic, match=r"task 2\) at 0x[0-9a-f]+(?:\n|; before)"):
            perform(candidate, "clone(1, 2, mm=2)\nexit(2)")
        assert candidate.places(["0x401000"]) == {}


def test_places_of_nothing(tmp_path, monkeypatch):
    with closing(kernel(tmp_path)) as candidate:
        assert candidate.places([]) == candidate.places(["0", "0x0"]) == {}
        assert candidate.places(["0x10"]) == {}
        candidate.program = replace(candidate.program, path=tmp_path / "not-there")
        assert candidate.places(["0x401000"]) == {}


@pytest.mark.parametrize(
    ("place", "shown"),
    [
        ("kernel/exit.c:12", "kernel/exit.c:12"),
        ("kernel/exit.c:12 (discriminator 3)", "kernel/exit.c:12"),
        ("/home/me/work/kernel/exit.c:12", "kernel/exit.c:12"),
        ("/home/me/work/include/linux/sched.h:7", "include/linux/sched.h:7"),
        ("/usr/lib/pytest_mmowner/_kernel/c/world.c:9", "world/world.c:9"),
        ("/home/me/work/fallback:4", "world/kfallback.h:4"),
        ("/elsewhere/file.c:1", "/elsewhere/file.c:1"),
    ],
)
def test_how_a_place_is_shown(place, shown):
    assert _short(place) == shown


# -- the process -------------------------------------------------------------------------------


def test_a_program_that_cannot_be_started(tmp_path):
    with closing(kernel(tmp_path)) as candidate:
        candidate._end()
        candidate._argv = [str(tmp_path / "not-there")]
        with pytest.raises(CandidateError, match="it cannot be started: "):
            candidate.reset()


def test_a_program_that_is_killed_is_started_again(tmp_path):
    with closing(kernel(tmp_path)) as candidate:
        perform(candidate, "clone(1, 2, mm=2)")
        os.kill(candidate._process._process.pid, 9)
        with pytest.raises(CandidateError, match="it was killed by SIGKILL"):
            more(candidate, "exit(2)")
        assert candidate.reached() == ()
        perform(candidate, "clone(1, 2, mm=2)")
        assert candidate.ask(Question("owner", 2)) == 2


def test_what_was_reached_is_told_in_a_note(tmp_path, monkeypatch):
    spec = f"kernel:{tree(tmp_path)}"
    with closing(opened(tmp_path)) as candidate:
        perform(candidate, "clone(1, 2, mm=2)\nexit(2)")
        told = Told()
        told.take(told_by(Session(candidate, "6.11")))
    *_, note = told.lines(spec)
    assert re.match(
        r"owner code: \d+ of \d+ lines and \d+ of \d+ branches were reached; not ", note
    )
    assert "kernel/exit.c:13: WRITE_ONCE(mm->owner, heir);" in note
    without(monkeypatch, "objdump", "llvm-objdump")
    assert reach_notes(spec, told.reached, told.programs) == [
        "which lines were reached is not known: there is no objdump (install binutils)"
    ]
    assert reach_notes(spec, told.reached, ["another"]) == [
        "which lines were reached is not known: the tree was edited while it ran"
    ]
    (tmp_path / EXIT).unlink()
    assert told.lines(spec)[-1].startswith("which of its code was reached is not known: ")


def test_a_symbolic_link_is_the_same_tree(tmp_path):
    link = tmp_path / "link"
    link.symlink_to(tree(tmp_path / "linux"))
    with closing(opened(link)) as one, closing(opened(Path(tmp_path / "linux"))) as other:
        assert one.program.path == other.program.path
