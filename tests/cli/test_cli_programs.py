"""The console script runs programs: what is replayed, and what smoke tries first."""

import json
import re
import sys
from pathlib import Path

import pytest

from mmowner_reference import parse_program
from pytest_mmowner._cli import _smoke
from pytest_mmowner._requirements import requirements

ROOT = Path(__file__).parents[2]
HANDOFF = "clone(1, 2, mm=2)\nclone(2, 3, VM)\nexit(2)\n"
ADAPTER = f"cmd:{sys.executable} {ROOT / 'examples/python/adapter.py'}"


# -- replay -----------------------------------------------------------------------------


def test_a_replay_shows_owners_as_allowed_and_as_observed(call, program):
    code, out, _ = call("replay", program(HANDOFF), "--candidate", "mutant:no-handoff")
    assert code == 1
    assert "3  exit(2)            mm 1: task 1; mm 2: task 2, allowed task 3" in out
    assert "INV-07 is broken:" in out
    assert "because INV-07" in out
    assert "before:           after, as it should be:" in out
    assert "wrong: 1 answer that" in out
    code, out, _ = call("replay", program(HANDOFF), "--candidate", "reference", "--dialect=6.1")
    assert code == 0
    assert out.endswith("right: every answer is allowed\n")


@pytest.mark.parametrize(
    "wrapped", [lambda ops: ops, lambda ops: {"program": ops}, lambda _: {"program": HANDOFF}]
)
def test_a_replay_reads_json_and_writes_it(call, program, wrapped):
    ops = [op.to_dict() for op in parse_program(HANDOFF)]
    code, out, _ = call(
        "replay", program(wrapped(ops)), "--candidate", "mutant:no-handoff", "--json"
    )
    data = json.loads(out)
    assert code == 1
    assert [step["op"] for step in data["steps"]] == ops
    assert data["steps"][2]["owners"]["2"] == {"observed": 2, "allowed": [3], "fits": False}
    assert data["deviations"][0]["rule"] == "INV-07"
    assert (data["ok"], data["error"]) == (False, None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("exit(1", "line 1"),
        ("# nothing", "there is no operation in it. Write one operation a line, as in clone("),
        ("clone(1, 2, mm=2)\nexti(2)", "'exti'; known are clone, exit, exec, reap, hold, "),
        ("clone(1, 2, mm=2)\nexti(2)", "Did you mean 'exit'?"),
        ("clone(1, 2, VM|VFROK)", "known are VM, THREAD, PARENT, VFORK. Did you mean 'VFORK'?"),
        ("clone(1, 2, mn=2)", "its fields are task, child, flags, mm. Did you mean 'mm'?"),
        ('[{"op": "colne"}]', "operation 1: unknown operation 'colne'; known are clone"),
        ('[{"op": "colne"}]', "Did you mean 'clone'?"),
        ("[]", "there is no operation in it"),
        ("{}", 'needs the operations in "program"'),
        ('{"program": 3}', "a list of operations, not int"),
        ("[3]", "operation 1 is an object"),
        ('[{"op": "fly"}]', "operation 1: unknown operation 'fly'"),
        ("[", "no program"),
        ("exit(7)", "no legal program in 6.11"),
    ],
)
def test_what_is_no_program_is_a_wrong_call(call, program, text, said):
    code, out, err = call("replay", program(text), "--candidate", "reference")
    assert (code, out) == (4, "")
    assert said in err


def test_a_program_that_is_not_there_is_a_wrong_call(call, tmp_path):
    code, _, err = call("replay", str(tmp_path / "none"), "--candidate", "reference")
    assert code == 4
    assert "cannot be read" in err


def test_a_program_beyond_the_candidate_is_a_wrong_call(call, program):
    code, _, err = call("replay", program("kthread(2)"), "--candidate", ADAPTER)
    assert code == 4
    assert "does not show kthread" in err


def test_a_replay_shows_where_a_candidate_broke(call, program, tmp_path):
    path = tmp_path / "broken.py"
    path.write_text(
        "class T:\n"
        "    def clone(self, task, child, flags, mm): pass\n"
        "    def exit(self, task): raise RuntimeError('not yet')\n"
        "    def owner(self, mm): return mm\n"
    )
    words = ("replay", program(HANDOFF), "--candidate", f"python:{path}:T")
    code, out, _ = call(*words)
    assert code == 1
    assert "exit(2)            no answer" in out
    assert "not yet" in out
    assert "it did not get to the end" in out
    data = json.loads(call(*words, "--json")[1])
    assert not data["ok"]
    assert "not yet" in data["error"]
    assert [step["answered"] for step in data["steps"]] == [True, True, False]


# -- smoke ------------------------------------------------------------------------------


def test_smoke_introduces_a_candidate_and_tries_it(call):
    code, out, _ = call("smoke", ADAPTER)
    assert code == 0, out
    assert "name:          example-python" in out
    assert "dialect:       6.11; judged by 6.11" in out
    assert "missing:       kthread" in out
    assert "the candidate does not show kthread" in out
    assert out.count("\npass ") == 3
    assert re.search(rf"\nnot judged:    \d+ of {len(requirements())} requirements:\n", out)
    assert f"\nnothing wrong so far; now the suite: mmowner run '{ADAPTER}'\n" in out
    data = json.loads(call("smoke", ADAPTER, "--json")[1])
    assert data["ok"]
    assert data["version"] == "1.0"
    lacking = data["not_applicable"].values()
    assert any("KTHREAD-01" in rules for rules in lacking)
    assert f"not judged:    {sum(map(len, lacking))} of" in out


def test_smoke_says_what_is_wrong(call):
    code, out, _ = call("smoke", "mutant:no-handoff")
    assert code == 1
    assert "allowed are only: task 3" in out
    assert out.endswith("mmowner replay FILE --candidate mutant:no-handoff\n")
    assert not json.loads(call("smoke", "mutant:no-handoff", "--json")[1])["ok"]


def test_smoke_does_not_take_nothing_for_success(call, monkeypatch):
    monkeypatch.setattr(_smoke, "PROGRAMS", (("a kernel thread", "kthread(2)"),))
    code, out, _ = call("smoke", ADAPTER)
    assert code == 1
    assert "not applicable a kernel thread (kthread(2)): it does not show kthread" in out
    assert "nothing could be tried, and that is no success" in out
    assert not json.loads(call("smoke", ADAPTER, "--json")[1])["ok"]


def test_smoke_does_not_take_an_error_for_success(call, tmp_path):
    path = tmp_path / "small.py"
    path.write_text(
        "class T:\n    def clone(self, *given): 1 / 0\n    def owner(self, mm): return 1\n"
    )
    code, out, _ = call("smoke", f"python:{path}:T")
    assert code == 1
    assert "\nerror " in out
    assert "ZeroDivisionError" in out
    assert out.endswith("\nthe candidate or its adapter broke: mend that first, then try again\n")


def test_smoke_says_the_next_command_with_the_dialect_that_was_asked_for(call):
    code, out, _ = call("smoke", "reference", "--dialect", "6.1")
    assert code == 0
    assert out.endswith("now the suite: mmowner run reference --dialect 6.1\n")
    assert f"not judged:    14 of {len(requirements())} requirements:\n" in out
    assert "  the candidate does not show schedules: INV-04, INV-05, " in out


def test_smoke_says_of_an_adapter_that_does_not_start_only_that(call):
    code, out, _ = call("smoke", "cmd:/bin/false")
    assert code == 1
    assert "it did not start: the candidate broke: it exited with status 1" in out
    assert "not judged" not in out
    data = json.loads(call("smoke", "cmd:/bin/false", "--json")[1])
    assert (data["ok"], data["programs"]) == (False, [])
    assert "exited with status 1" in data["error"]


@pytest.mark.parametrize("words", [("smoke",), ("replay", "--candidate")])
def test_a_trace_runs_no_program(call, program, tmp_path, words):
    path = tmp_path / "seen.jsonl"
    path.write_text(
        '{"op": "clone", "task": 1, "child": 2, "mm": 2}\n{"ask": "owner", "mm": 2, "answer": 2}\n'
    )
    given = [program(HANDOFF)] if words[0] == "replay" else []
    code, out, err = call(words[0], *given, *words[1:], f"trace:{path}")
    assert (code, out) == (4, "")
    assert err == (
        f"mmowner: trace:{path}: a trace cannot be driven, so it runs no program. The suite "
        f"judges what was recorded: mmowner run trace:{path}\n"
    )


def test_smoke_counts_what_is_missing_as_a_run_does(call):
    """Held against a run of the whole suite on the same candidate."""
    from pytest_mmowner import check

    spec = f"python:{ROOT / 'examples/tracker.py'}:Tracker"
    said = json.loads(call("smoke", spec, "--json")[1])["not_applicable"]
    ran = check(spec)
    lacking = [
        r for r in ran.with_verdict("not applicable") if "is no rule of the dialect" not in ran.text(r)
    ]  # fmt: skip
    assert sorted(rule for rules in said.values() for rule in rules) == sorted(lacking)
