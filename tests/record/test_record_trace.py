"""Traces: what was observed on a machine that cannot be driven is judged by any dialect."""

import json
import re
from dataclasses import replace

import pytest

from mmowner_reference import Kernel, Question, parse_program, plan
from pytest_mmowner import CallError, NotApplicable, Unknown, check
from pytest_mmowner._candidates import trace as trace_module
from pytest_mmowner._candidates.trace import CANNOT, Trace, judge_trace, open_trace
from pytest_mmowner._judge import judge_steps
from pytest_mmowner._record_read import read_record, verify
from pytest_mmowner._requirements import requirements

#: A thread of a sibling's process uses the mm: 6.1 asks leaders' lists only, 6.11 whole groups.
DIFFERS = """
clone(1, 2, mm=2)
clone(2, 3, VM)
clone(2, 4, VM|PARENT)
exit(2)
"""


def observed(programs, dialect, asks=("owner",)):
    """Return the trace that a kernel of *dialect* would leave."""
    out = []
    for text in programs:
        world = Kernel(dialect)
        out.append({"op": "reset"})
        for op, questions in plan(parse_program(text), dialect, asks):
            world.do(op)
            out.append(op.to_dict())
            for ask, name in questions:
                right = getattr(world, ask)
                subject = {} if name is None else {"task" if ask == "state" else "mm": name}
                answer = right() if name is None else right(name)
                out.append({"ask": ask, **subject, "answer": answer})
    return out


@pytest.fixture
def trace(tmp_path):
    def save(entries):
        path = tmp_path / "seen.jsonl"
        path.write_text("".join(json.dumps(entry) + "\n" for entry in entries), "utf-8")
        return path

    return save


def wrong_owner(entries, mm, right, wrong):
    changed = [dict(entry) for entry in entries]
    hit = [e for e in changed if e.get("ask") == "owner" and e["mm"] == mm and e["answer"] == right]
    hit[-1]["answer"] = wrong
    return changed


@pytest.mark.parametrize("dialect", ["6.1", "6.11", "rfc-v4"])
def test_a_right_trace_passes_what_it_shows(trace, dialect):
    asks = ("owner", "users", "state")
    path = trace(observed([DIFFERS, "clone(1, 2, mm=2)\nexec(2, mm=3)"], dialect, asks))
    verdicts = judge_trace(path, dialect)
    assert verdicts.ok
    assert verdicts.candidate == f"trace:{path}"
    assert {"SEARCH-01", "FORK-01", "USERS-01", "TASK-01", "EXEC-01"} <= set(
        verdicts.with_verdict("pass")
    )
    assert set(verdicts.outcomes) == set(requirements())
    assert "VFORK-01" in verdicts.with_verdict("not applicable")
    assert verdicts.text("VFORK-01") == f"no answer in {path} is a matter of VFORK-01"


def test_a_wrong_owner_is_told_with_its_place_and_the_program(trace):
    entries = wrong_owner(observed(["clone(1, 2, mm=2)", DIFFERS], "6.11"), 2, 3, 4)
    path = trace(entries)
    verdicts = judge_trace(path, "6.11")
    assert verdicts.with_verdict("fail") == ["SEARCH-01"]
    line = next(n for n, e in enumerate(entries, 1) if e.get("answer") == 4)
    text = verdicts.text("SEARCH-01")
    assert f"{path}:{line}, program 2 of the trace\n" in text
    assert "observed: owner(mm 2) is task 4" in text
    assert "allowed are only: task 3" in text
    (said,) = verdicts.outcomes["SEARCH-01"]
    assert said.observed == "after exit(2): owner(mm 2) is task 4"
    assert said.program.splitlines()[-1] == "exit(2)"
    assert "FORK-01" in verdicts.with_verdict("pass")


def test_the_shortest_of_several_failures_is_told(trace):
    longer = (
        "clone(1, 5, mm=5)\nclone(1, 2, mm=2)\nclone(2, 3, VM)\nclone(2, 4, VM|PARENT)\nexit(2)"
    )
    entries = [
        *wrong_owner(observed([longer], "6.11"), 2, 3, 4),
        *wrong_owner(observed([DIFFERS], "6.11"), 2, 3, 4),
        *wrong_owner(observed([longer], "6.11"), 2, 3, 4),
    ]
    assert "program 2 of the trace" in judge_trace(trace(entries), "6.11").text("SEARCH-01")


def test_a_trace_of_one_dialect_fails_the_other_where_they_differ(trace):
    # Behind the leader of a sibling's group stands the user: a thread, after its leader's exit.
    text = """
    clone(1, 2, mm=2)
    clone(2, 3, VM|PARENT)
    clone(2, 4, VM)
    clone(4, 5, THREAD)
    exit(4)
    exit(2)
    """
    owners = {name: Kernel(name).run(parse_program(text)).owner(2) for name in ("6.1", "6.11")}
    assert owners["6.1"] != owners["6.11"]
    for name, other in [("6.1", "6.11"), ("6.11", "6.1")]:
        path = trace([{"op": "start", "dialect": name}, *observed([text], name)])
        assert judge_trace(path).ok
        assert judge_trace(path).dialect == name
        verdicts = judge_trace(path, other)
        assert verdicts.with_verdict("fail"), (name, other)


def test_a_hazard_of_the_dialect_is_no_fault_of_the_machine(trace):
    path = trace(observed(["clone_fails(1, 2, mm=2, at=late, ref=1)"], "rfc-v4"))
    verdicts = judge_trace(path, "rfc-v4")
    assert verdicts.with_verdict("hazard") == ["FORK-07"]
    assert verdicts.text("CONF-01") == "CONF-01 is no rule of the dialect rfc-v4"


def test_an_owner_known_by_its_process_only_is_an_answer(trace):
    entries = observed(["clone(1, 2, mm=2)\nclone(2, 3, THREAD)"], "6.11")
    entries[-1]["answer"] = {"process": 3}
    assert entries[-1]["mm"] == 2
    assert judge_trace(trace(entries)).ok
    entries[-1]["answer"] = {"process": 1}
    assert not judge_trace(trace(entries)).ok


def test_who_was_recorded_is_in_the_introduction(trace):
    start = {"op": "start", "name": "vm-17", "version": "6.1.90", "language": "C",
             "dialect": "6.1", "notes": ["kprobes", ""]}  # fmt: skip
    path = trace([start, *observed([DIFFERS], "6.1")])
    made = open_trace(f"trace:{path}", str(path), None)
    info = made.info
    assert (info.name, info.version, info.language, info.dialect) == ("vm-17", "6.1.90", "C", "6.1")
    assert info.notes == ("kprobes",)
    assert info.capabilities == {"clone", "exit", "owner"}
    for call in (
        made.reset, lambda: made.perform(parse_program("exit(2)")[0]),
        lambda: made.ask(Question("owner", 1)), lambda: info.lacks(["clone"]),
    ):  # fmt: skip
        with pytest.raises(NotApplicable, match=CANNOT):
            call()
    path = trace([start | {"notes": ""}, *observed([DIFFERS], "6.1")])
    assert Trace("trace:x", str(path)).info.notes == ()


def test_a_program_that_cannot_be_judged_makes_unknown_what_did_not_fail(trace, monkeypatch):
    path = trace(wrong_owner(observed([DIFFERS], "6.11"), 2, 3, 4))
    budget = Unknown("too many outcomes")
    monkeypatch.setattr(
        trace_module, "judge_steps", lambda *args: replace(judge_steps(*args), error=budget)
    )
    verdicts = judge_trace(path, "6.11")
    assert verdicts.of("SEARCH-01") == "fail"
    assert verdicts.of("FORK-01") == verdicts.of("VFORK-01") == "unknown"
    assert not verdicts.ok


# -- in a run -------------------------------------------------------------------------------


def test_check_judges_a_trace(trace):
    path = trace(observed([DIFFERS], "6.11"))
    result = check(f"trace:{path}")
    assert result.ok
    assert set(result.with_verdict("pass")) == set(judge_trace(path).with_verdict("pass"))


@pytest.mark.parametrize("how", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_in_a_run_scenarios_do_not_apply_and_random_programs_are_those_of_the_trace(
    pytester, suite, trace, how
):
    path = trace(wrong_owner(observed([DIFFERS], "6.11"), 2, 3, 4))
    result = suite(
        f"--mmowner-candidate=trace:{path}", "--mmowner-report=run.jsonl", *how,
        of=("random_programs", "search", "fork", "hazards"),
    )  # fmt: skip
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    verify(pytester.path / "run.jsonl")
    record = read_record(pytester.path / "run.jsonl")
    (one,) = record.header.candidates
    assert one.bounds == []
    assert one.capabilities == ["clone", "exit", "owner"]
    alone = judge_trace(path, "6.11")
    for (_, rule), line in record.requirements.items():
        assert line.verdict == alone.of(rule), rule
        assert line.program == "".join(said.program for said in alone.outcomes[rule])
    scenarios = [line for line in record.outcomes if "random_programs" not in line.nodeid]
    assert {line.verdict for line in scenarios} == {"not applicable"}
    texts = {line.text for line in scenarios if "no rule of the dialect" not in line.text}
    assert CANNOT in texts
    assert {text for text in texts if text != CANNOT} <= {
        line.text for line in scenarios if line.text.startswith("6.11: ")
    }


def test_a_right_trace_is_a_green_run(suite, trace):
    path = trace(observed([DIFFERS], "6.11"))
    result = suite(f"--mmowner-candidate=trace:{path}", of=("random_programs", "search"))
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines([f"not applicable ({CANNOT}): *", "*requirements: * pass, *"])


def test_a_trace_that_is_none_is_a_wrong_call_in_a_run(suite, tmp_path):
    path = tmp_path / "bad.jsonl"
    path.write_text('{"op": "clone", "task": 1, "child": 2, "mm": 2}\n{"ask": "who"}\n')
    for how in ((), ("-n", "1")):
        result = suite(f"--mmowner-candidate=trace:{path}", *how)
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines([f"ERROR: trace {path}:2: *unknown question; known are owner*"])


# -- lines that are wrong -----------------------------------------------------------------


CLONE = '{"op": "clone", "task": 1, "child": 2, "mm": 2}'
OWNER = '{"ask": "owner", "mm": 2, "answer": 2}'
MALFORMED = {
    "no JSON": (f"{CLONE}\nnothing", 2, "malformed"),
    "cut off": (f"{CLONE}\n{OWNER[:-3]}", 2, "truncated"),
    "a blank line": (f"{CLONE}\n\n{OWNER}", 2, "truncated"),
    "no object": (f"{CLONE}\n7", 2, 'a line is an object with either "op" or "ask"'),
    "both": (f'{CLONE}\n{{"op": "exit", "ask": "owner"}}', 2, 'either "op" or "ask"'),
    "an unknown operation": ('{"op": "fly", "task": 2}', 1, "unknown operation 'fly'"),
    "a misspelt operation": ('{"op": "exti", "task": 2}', 1, r"subsystem\. Did you mean 'exit'\?$"),
    "a misspelt flag": (
        '{"op": "clone", "task": 1, "child": 2, "flags": ["TREAD"]}', 1, r"VFORK\. Did you mean 'THREAD'"),
    "an operation that is no word": ('{"op": [1]}', 1, "a word in 'op'"),
    "an unknown field": ('{"op": "exit", "task": 1, "at": 3}', 1, "unknown field 'at'"),
    "a field missing": ('{"op": "exit"}', 1, "missing field"),
    "a reset with fields": (f'{CLONE}\n{{"op": "reset", "seq": 1}}', 2, "missing or unknown: seq"),
    "an unknown question": (f'{CLONE}\n{{"ask": "owners"}}', 2, "Did you mean 'owner'?"),
    "a question that is no word": (f'{CLONE}\n{{"ask": []}}', 2, "unknown question; known are"),
    "no answer": (f'{CLONE}\n{{"ask": "owner", "mm": 2}}', 2, "missing or unknown: answer"),
    "a name that is none": (
        f'{CLONE}\n{{"ask": "owner", "mm": true, "answer": 2}}', 2, "mm is the integer"),
    "a question first": (OWNER, 1, "before the first operation of its program"),
    "a question after a reset": (
        f'{CLONE}\n{OWNER}\n{{"op": "reset"}}\n{OWNER}', 4, "before the first operation"),
    "two answers": (f"{CLONE}\n{OWNER}\n{OWNER}", 3, r"owner\(mm 2\) was answered in line 2"),
    "start in the middle": (f'{CLONE}\n{{"op": "start"}}', 2, '"start" is the first line'),
    "a strange start": ('{"op": "start", "seq": 1}', 1, "unknown field `seq`"),
    "an illegal operation": (
        f"{CLONE}\n{OWNER}\n{CLONE}", 3, "the dialect 6.11 has no such program: clone"),
    "an mm that is not there": (
        f'{CLONE}\n{{"ask": "owner", "mm": 3, "answer": 2}}', 2, "there is no mm 3 yet"),
    "a task that is not there": (
        f'{CLONE}\n{{"ask": "state", "task": 3, "answer": "gone"}}', 2, "there is no task 3 yet"),
    "an answer that is none": (
        f'{CLONE}\n{{"ask": "owner", "mm": 2, "answer": "2"}}', 2, "integer name of a task"),
    "an owner that is not there": (
        f'{CLONE}\n{{"ask": "owner", "mm": 2, "answer": 7}}', 2, "no task was ever named 7"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "line", "reason"), MALFORMED.values(), ids=MALFORMED)
def test_a_wrong_line_is_a_wrong_call_with_its_number(tmp_path, text, line, reason):
    path = tmp_path / "bad.jsonl"
    path.write_text(text)
    with pytest.raises(CallError, match=f"(?s)trace {re.escape(str(path))}:{line}: .*{reason}"):
        judge_trace(path, "6.11")


def test_a_trace_without_answers_a_name_or_a_file_is_a_wrong_call(tmp_path, trace):
    with pytest.raises(CallError, match="nothing was observed in it"):
        judge_trace(trace([json.loads(CLONE)]))
    with pytest.raises(CallError, match=r"cannot be read: No such file"):
        judge_trace(tmp_path / "nowhere.jsonl")
    with pytest.raises(CallError, match=r"trace:: name a file, as in trace:FILE.jsonl"):
        open_trace("trace:", "", None)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "the file is empty"), ("\n \n", "the file is empty"),
        ('{"op": "reset"}\n', "there is no operation in it"),
        ('{"op": "start", "name": "vm-17"}\n{"op": "reset"}\n', "there is no operation in it"),
    ],
)  # fmt: skip
def test_a_trace_without_operations_is_a_wrong_call_that_says_what_belongs_there(
    tmp_path, text, what
):
    path = tmp_path / "empty.jsonl"
    path.write_text(text)
    with pytest.raises(CallError) as caught:
        judge_trace(path)
    said = str(caught.value)
    assert said.startswith(f"trace {path}: {what}, so there is nothing to judge. Either the")
    # What it shows is right, or following it would lead nowhere.
    path.write_text("\n".join(re.findall(r"\{.*?\}", said)))
    assert judge_trace(path).ok


def test_a_dialect_that_is_not_there_is_a_wrong_call(trace):
    path = trace([{"op": "start", "dialect": "7.x"}, *observed([DIFFERS], "6.11")])
    with pytest.raises(CallError, match=r"unknown dialect '7.x'"):
        judge_trace(path)
    with pytest.raises(CallError, match=r"speaks the dialect '7.x', which is not there yet"):
        check(f"trace:{path}")
    assert judge_trace(path, "6.11").ok


def test_the_example_of_the_documentation_is_a_right_trace(root, tmp_path):
    text = (root / "docs/record.md").read_text("utf-8")
    (example,) = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    path = tmp_path / "example.jsonl"
    path.write_text(example)
    assert judge_trace(path).ok
    assert judge_trace(path).dialect == "6.1"
