"""Counterexamples as files: tests that stand alone, and JSON that any candidate can be put to."""

import ast
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import jsonschema
import pytest

from mmowner_reference import parse_program
from pytest_mmowner import CallError, ConformanceFailure, assert_conforms
from pytest_mmowner import _counterexample as files
from pytest_mmowner._emit import CARRIED, Emitter, _place, literal, source_of
from pytest_mmowner._explain import observed_and_allowed
from pytest_mmowner._verdicts import Outcome
from pytest_mmowner.plugin import STATE, State

ROOT = Path(__file__).parents[2]
HANDOFF = "clone(1, 2, mm=2)\nclone(2, 3, VM)\nexit(2)"
KERNEL = f"""
import runpy

class Wrong(runpy.run_path({str(ROOT / "examples/tracker.py")!r})["Tracker"]):
    def exit(self, task):
        mm = self.mm_of[task]
        owner = self.owners[mm]
        super().exit(task)
        self.owners[mm] = owner
"""
TESTS = (
    "test_a_sibling_comes_before_an_older_stranger or test_a_child_comes_before_an_older_sibling"
)


def evidence(spec="mutant:no-handoff", text=HANDOFF, **how):
    with pytest.raises(ConformanceFailure) as caught:
        assert_conforms(spec, text, **how)
    return caught.value.evidence


def counterexample(requirement="INV-07", candidate="mutant:no-handoff", **changes):
    made = evidence(text=HANDOFF + "\nreap(2)")
    return files.from_evidence(
        replace(made, **changes), requirement=requirement, candidate=candidate, seed=7
    )


# -- the file --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def schema():
    return json.loads((ROOT / "docs/counterexample.schema.json").read_text("utf-8"))


def test_a_counterexample_says_all_that_the_report_says(schema):
    data = json.loads(files.encode(counterexample(note="found by chance")))
    jsonschema.validate(data, schema)
    assert (because := data["allowed"][0].pop("because")).startswith("task 2 left mm 2; ")
    assert "third stage" in data["allowed"][0].pop("source")
    assert "task 3" in because
    assert data == {
        "counterexample": 1, "requirement": "INV-07", "rule": "INV-07", "dialect": "6.11",
        "candidate": "mutant:no-handoff", "minimal": True, "repeatable": True, "step": 3,
        "program": [op.to_dict() for op in parse_program(HANDOFF)],
        "question": {"ask": "owner", "mm": 2}, "observed": 2,
        "allowed": [{"value": 3, "rule": "INV-07"}], "seed": 7, "note": "found by chance",
    }  # fmt: skip


def test_what_is_written_is_read_back_with_its_deviation():
    made = counterexample()
    again = files.decode(files.encode(made))
    assert again == made
    assert again.ops() == parse_program(HANDOFF)
    assert observed_and_allowed(again.deviation()) == observed_and_allowed(evidence().deviation)


def test_a_refusal_and_an_owner_known_by_process_are_read_back_too():
    refused = evidence("mutant:nobody-found-panics", "hold(mm=1, ref=1)\nexec(1, mm=2)")
    made = files.from_evidence(refused, requirement="TASK-02", candidate="x", seed=0)
    assert made.question == files.Asked("performed")
    assert files.decode(files.encode(made)).deviation() == refused.deviation

    class Processes:
        def clone(self, task, child, flags, mm): ...

        def owner(self, mm):
            return {"process": 1}

    from pytest_mmowner._candidates.tracker import Tracker

    found = evidence(Tracker("processes", Processes, None), "clone(1, 2, mm=2)")
    made = files.from_evidence(found, requirement="FORK-01", candidate="x", seed=0)
    assert made.observed == {"process": 1}
    assert files.decode(files.encode(made)).deviation() == found.deviation


def test_the_example_in_the_documentation_is_one(schema):
    text = (ROOT / "docs/counterexamples.md").read_text("utf-8")
    (example,) = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    jsonschema.validate(json.loads(example), schema)
    made = files.decode(example)
    assert_conforms("reference", made.ops(), dialect=made.dialect, requirement=made.rule)
    with pytest.raises(ConformanceFailure):
        assert_conforms(made.candidate, made.ops(), dialect=made.dialect, requirement=made.rule)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"counterexample": 2}, "of format 2, this version of pytest-mmowner reads 1"),
        ({"step": 4}, "step 4 of a program of 3 operations"),
        ({"dialect": "6.x"}, "unknown dialect '6.x'"),
        ({"program": [{"op": "exit", "task": 7}], "step": 1}, "no legal program in 6.11"),
        ({"program": [{"op": "fly"}]}, "Invalid value 'fly'"),
        ({"program": [{"op": "exit", "task": 2, "seq": 1}]}, "unknown field 'seq'"),
        ({"observe": 3}, "unknown field `observe`"),
        ({"rule": None}, "Expected `str`, got `null` - at `$.rule`"),
    ],
)
def test_what_is_no_counterexample_is_refused_with_the_reason(changes, said):
    data = json.loads(files.encode(counterexample())) | changes
    with pytest.raises(CallError, match=re.escape(said)):
        files.decode(json.dumps(data))


def test_the_name_is_the_same_for_the_same_failure_and_no_other():
    name = counterexample().name
    assert re.fullmatch(r"test_inv_07_[0-9a-f]{8}", name)
    assert counterexample(note="found otherwise", minimal=None).name == name
    others = [
        counterexample("SEARCH-01"), counterexample(candidate="reference"),
        counterexample(dialect="6.1"), counterexample(program=parse_program(HANDOFF + "\nreap(2)")),
    ]  # fmt: skip
    assert len({name, *(other.name for other in others)}) == 5


def test_names_of_files_that_are_no_text_do_not_break_it():
    made = counterexample(candidate="python:\udcff.py:T", note='a "quote" and \\')
    assert files.decode(files.encode(made)).candidate == "python:\\udcff.py:T"


# -- the test --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("home", "directory", "place"),
    [
        ("", "", "Path(__file__).resolve().parent"),
        ("", "a/b", 'Path(__file__).resolve().parent / "../.."'),
        ("a", "b", 'Path("{tmp}/a")'),
        ("a", "", 'Path("{tmp}/a")'),
    ],
)
def test_the_place_of_a_spec_is_relative_where_both_can_be_moved(tmp_path, home, directory, place):
    found = _place("cmd:./adapter", tmp_path / home, tmp_path / directory)
    assert found == place.format(tmp=tmp_path.resolve())
    for spec in ("reference:6.1", "mutant:x", "linux:uml", "linux:host", "reference"):
        assert _place(spec, tmp_path / home, tmp_path / directory) == ""
    assert _place("linux:uml=./linux", tmp_path / home, tmp_path / directory) == found


@pytest.mark.parametrize("text", ["plain", "it's", 'a "word"', "both ' and \"", "\\", "\udcff\n"])
def test_a_literal_is_read_as_the_text_it_was(text):
    assert ast.literal_eval(literal(text)) == text


def test_a_test_is_python_whatever_the_candidate_is_called():
    spec = 'cmd:./a "b c" \\ """ \'x\''
    made = counterexample(candidate=spec, note='said """ and \\')
    source = source_of(made, "Path('/x')")
    names = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            names[node.targets[0].id] = node.value.value
    assert names == {
        "SPEC": spec, "DIALECT": "6.11", "REQUIREMENT": "INV-07", "PROGRAM": f"\n{HANDOFF}\n",
    }  # fmt: skip
    story = ast.get_docstring(ast.parse(source))
    assert story.startswith("INV-07 [safety] The search finds somebody exactly if a user task")
    assert "observed: owner(mm 2) is task 2" in story
    assert '(said """ and \\)' in story


def test_emitted_tests_are_as_ruff_wants_them(tmp_path):
    ruff = Path(sys.executable).with_name("ruff")
    if not ruff.exists():
        pytest.skip("ruff is not installed here")
    sources = {
        "test_plain.py": source_of(counterexample(), ""),
        "test_placed.py": source_of(counterexample(candidate="cmd:./x"), 'Path("/x")'),
    }
    for name, source in sources.items():
        (tmp_path / name).write_text(source)
    for words in (("check", "--isolated"), ("format", "--isolated", "--check", "--diff")):
        done = subprocess.run(
            [ruff, *words, "--no-cache", tmp_path], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


# -- who writes them -------------------------------------------------------------------------


def emitter(directory, **options):
    option = SimpleNamespace(collectonly=False, no_summary=False, **options)
    config = SimpleNamespace(
        getoption=lambda name: str(directory), option=option,
        invocation_params=SimpleNamespace(dir=directory.parent),
    )  # fmt: skip
    state = State([], False, None, frozenset(), 0, 10.0)
    return Emitter(config, state), state


def report(*made, failed=()):
    properties = [
        (f"mmowner_{name}", str(value))
        for spec, rule in failed
        for name, value in vars_of(Outcome(rule, "fail", spec, "6.11")).items()
    ]
    found = SimpleNamespace(when="call", user_properties=properties)
    setattr(found, CARRIED, [files.encode(one) for one in made])
    return found


def vars_of(outcome):
    return {name: getattr(outcome, name) for name in outcome.__dataclass_fields__}


def written(tmp_path, *reports):
    """Let an emitter end a run; return its files, its words and the exit status."""
    made, _ = emitter(tmp_path / "found")
    for one in reports:
        made.pytest_runtest_logreport(one)
    session = SimpleNamespace(exitstatus=pytest.ExitCode.OK)
    made.pytest_sessionfinish(session)
    lines = []
    made.pytest_terminal_summary(
        SimpleNamespace(write_line=lambda text, **_: lines.append(text))
    )  # fmt: skip
    return {path.name: path for path in (tmp_path / "found").iterdir()}, lines, session.exitstatus


def test_the_direct_and_then_the_shortest_failure_is_taken_in_any_order(tmp_path):
    short = counterexample("SEARCH-01")  # on the way, INV-07 was broken
    direct = counterexample(program=parse_program(HANDOFF + "\nreap(2)"))
    shortest = counterexample()
    longer = files.from_evidence(
        replace(evidence(), program=parse_program("kthread(2)\n" + HANDOFF.replace("2", "9"))),
        requirement="SEARCH-01", candidate="mutant:no-handoff", seed=7,
    )  # fmt: skip
    wanted = {f"{one.name}.{end}" for one in (short, shortest) for end in ("json", "py")}
    for number, order in enumerate(
        ([short, direct, longer, shortest], [shortest, longer, direct, short])
    ):
        (home := tmp_path / str(number)).mkdir()
        found, lines, _ = written(home, *(report(one) for one in order))
        assert set(found) == wanted
        assert lines == [
            "mmowner: 2 counterexamples in {}, 2 of them as tests".format(home / "found")
        ]


def test_files_that_are_there_are_left_alone_if_nothing_is_new(tmp_path):
    found, _, _ = written(tmp_path, report(counterexample()))
    mine = tmp_path / "found" / "test_mine.py"
    mine.write_text("assert True\n")
    test, data = sorted(found.values(), key=lambda path: path.suffix, reverse=True)
    data.write_text("{}")
    for path in (test, data, mine):
        os.utime(path, (1, 1))
    again, _, _ = written(tmp_path, report(counterexample()))
    assert set(again) == {*found, "test_mine.py"}
    assert test.stat().st_mtime == mine.stat().st_mtime == 1
    assert mine.read_text() == "assert True\n"
    assert files.decode(data.read_text()) == counterexample()


def test_what_can_be_no_test_is_told_with_the_reason(tmp_path):
    wavers = counterexample(repeatable=False)
    trace = counterexample(candidate="trace:run.jsonl")
    found, lines, status = written(
        tmp_path, report(wavers), report(trace), report(failed=[("cmd:./a", "INPUT-01")])
    )
    assert set(found) == {f"{wavers.name}.json", f"{trace.name}.json"}
    assert lines[0].endswith("found, 0 of them as tests")
    assert sorted(lines[1:]) == [
        "mmowner: no counterexample of INPUT-01 for cmd:./a: it is not about a legal program",
        "mmowner: no test of INV-07 for mutant:no-handoff: the candidate is not deterministic, so it might pass",
        "mmowner: no test of INV-07 for trace:run.jsonl: a recorded run cannot be run again",
    ]
    assert status == pytest.ExitCode.OK


def test_a_test_that_cannot_be_written_is_no_success(tmp_path):
    made, _ = emitter(tmp_path / "found")
    one = counterexample()
    (tmp_path / "found" / f"{one.name}.py").mkdir()
    made.pytest_runtest_logreport(report(one))
    session = SimpleNamespace(exitstatus=pytest.ExitCode.OK)
    made.pytest_sessionfinish(session)
    assert session.exitstatus == pytest.ExitCode.INTERNAL_ERROR


def test_a_directory_that_cannot_be_made_is_the_calls_fault(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CallError, match="the directory cannot be made: Not a directory"):
        emitter(tmp_path / "file" / "found")


def test_known_failures_are_minimized_too(tmp_path):
    _, state = emitter(tmp_path / "found")
    state.baseline = SimpleNamespace(known=lambda *_: frozenset({"INV-07"}))
    assert state.session("reference").known == frozenset()
    state.minimizes_all = False
    state.close()
    assert state.session("reference").known == frozenset({"INV-07"})


@pytest.mark.parametrize(
    ("marks", "broken", "requirements"),
    [
        (["SEARCH-01", "INV-07"], {}, ["SEARCH-01", "INV-07"]),  # a scenario about both
        ([], {"INV-07": True, "FORK-01": False}, ["INV-07"]),  # a search; one was told before
        ([], {}, []),  # somebody's own test
    ],
)
def test_a_report_carries_a_counterexample_for_each_requirement(
    tmp_path, marks, broken, requirements
):
    made, state = emitter(tmp_path / "found")
    state.specs = ["mutant:no-handoff"]
    failed = ConformanceFailure("wrong", evidence=evidence())
    if broken:
        failed = ConformanceFailure("several")
        failed.broken = {
            rule: ConformanceFailure("one", evidence=evidence() if known else None)
            for rule, known in broken.items()
        }  # fmt: skip
    item = SimpleNamespace(
        iter_markers=lambda name: [SimpleNamespace(args=[mark]) for mark in marks],
        config=SimpleNamespace(stash={STATE: state}),
    )  # fmt: skip
    call = SimpleNamespace(excinfo=SimpleNamespace(value=failed))
    hook = made.pytest_runtest_makereport(item, call)
    next(hook)
    with pytest.raises(StopIteration) as ended:
        hook.send(SimpleNamespace())
    carried = [files.decode(text) for text in getattr(ended.value.value, CARRIED)]
    assert [one.requirement for one in carried] == requirements
    assert {one.candidate for one in carried} <= {"mutant:no-handoff"}


@pytest.mark.slow
def test_emitted_tests_fail_until_the_candidate_is_right(pytester, monkeypatch):
    """The whole way: under xdist, two candidates, and from another directory."""
    pytester.makepyfile(kernel=KERNEL)
    done = pytester.runpytest_subprocess(
        "--pyargs", "mmowner_conformance", "-p", "no:cacheprovider", "-n", "2", "-k", TESTS,
        "--mmowner-candidate=python:kernel.py:Wrong", "--mmowner-candidate=mutant:no-siblings",
        "--mmowner-emit-tests=a/found",
    )  # fmt: skip
    done.stdout.fnmatch_lines(["mmowner: 2 counterexamples in a/found, 2 of them as tests"])
    tests = sorted((pytester.path / "a/found").glob("test_search_01_*.py"))
    assert len(tests) == 2
    made = [files.decode(path.with_suffix(".json").read_text()) for path in tests]
    assert {(one.candidate, one.rule, one.minimal) for one in made} == {
        ("python:kernel.py:Wrong", "INV-07", True), ("mutant:no-siblings", "SEARCH-01", True),
    }  # fmt: skip

    (elsewhere := pytester.path / "elsewhere").mkdir()
    monkeypatch.chdir(elsewhere)
    moved = elsewhere / "moved"  # the candidate and its tests together
    moved.mkdir()
    for name in ("kernel.py", "a"):
        (pytester.path / name).rename(moved / name)
    words = ("-p", "no:cacheprovider", "-p", "no:randomly", str(moved / "a"))
    done = pytester.runpytest_subprocess(*words)
    done.assert_outcomes(failed=2)
    done.stdout.fnmatch_lines(["*ConformanceFailure: INV-07 *", "*ConformanceFailure: SEARCH-01 *"])
    pytester.runpytest_subprocess(*words, "--mmowner-candidate=reference").assert_outcomes(passed=2)
