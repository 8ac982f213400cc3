"""The parts of --mmowner-cov in this process: what is recorded, run again, and measured."""

import functools
import json
import os
import pickle
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import pytest

from mmowner_reference import Question, parse_program
from pytest_mmowner import CallError, Candidate, Options, open_candidate
from pytest_mmowner._candidates.tracker import Tracker
from pytest_mmowner._cov import CandidateCoverage
from pytest_mmowner._cov_record import Call, Log, Recorder, recorded
from pytest_mmowner._cov_replay import Job, _has_ctracer, drive
from pytest_mmowner._cov_target import target_of
from pytest_mmowner._session import Session
from pytest_mmowner.errors import ConformanceFailure

HERE = Path(__file__).resolve().parent
SPEC = f"rules:{HERE / 'candidate.py'}:Rules"
PROGRAM = parse_program("clone(1, 2, mm=2)\nclone(2, 3, VM)\nexit(2)")


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """The child sets this variable; here it must not stay."""
    monkeypatch.setenv("COVERAGE_CORE", os.environ.get("COVERAGE_CORE", "ctrace"))


def opened(log, spec=SPEC):
    candidate, dialect = open_candidate(spec, Options())
    return recorded(Session(candidate, dialect), log)


def job_for(log, home, spec=SPEC, files=(str(HERE / "candidate.py"),)):
    (home / "records.pickle").write_bytes(pickle.dumps(log.kept()))
    return Job(spec, None, 10.0, files, ())


def test_single_calls_are_recorded_and_come_out_the_same_again(tmp_path):
    log = Log()
    session = opened(log)
    with log.record(frozenset({"FORK-01"})):
        session.candidate.reset()
        for op in PROGRAM:
            session.candidate.perform(op)
        assert session.candidate.ask(Question("owner", 2)) == 3
        with pytest.raises(Exception, match=r"exit"):
            session.candidate.perform(PROGRAM[2])
    session.candidate.close()
    calls = log.kept()[0].calls
    assert [call.what for call in calls] == ["reset", *["perform"] * 3, "ask", "perform"]
    assert calls[-1].failed
    contexts = []
    records, differed = drive(job_for(log, tmp_path), tmp_path, contexts.append)
    assert (len(records), differed, contexts) == (1, 0, ["0", ""])


def test_an_answer_that_is_another_one_is_counted(tmp_path):
    log = Log()
    session = opened(log)
    with log.record(frozenset({"FORK-01"})):
        session.candidate.reset()
        session.candidate.ask(Question("owner", 1))
    log.records[0].calls[1].digest += 1
    assert drive(job_for(log, tmp_path), tmp_path, lambda context: None)[1] == 1


def test_addresses_are_no_difference():
    one, two = Call("ask"), Call("ask")
    one.saw(object())
    two.saw(object())
    assert one.digest == two.digest


def test_nothing_is_recorded_outside_tests_nor_while_a_failure_is_made_smaller():
    log = Log()
    session = opened(log, "mutant:no-siblings")
    session.candidate.reset()
    with log.record(frozenset({"SEARCH-01"})):
        session.judge(PROGRAM)
        with pytest.raises(ConformanceFailure):
            session.random_programs("SEARCH-01")
    kept = log.kept()
    assert all(record.random and record.rules == {"SEARCH-01"} for record in kept)
    assert sum(len(record.calls) for record in kept) <= session.campaign.programs


def test_random_programs_count_for_what_was_judged_by_them():
    log = Log()
    with log.record(frozenset({"FORK-01", "EXIT-01"}), random=True), log.call("reset"):
        pass
    assert log.kept() == []
    log.held.add("EXIT-01")
    assert [record.rules for record in log.kept()] == [{"EXIT-01"}]


def test_a_run_that_failed_is_run_again_with_little_patience(tmp_path):
    log = Log()
    session = opened(log)
    with log.record(frozenset({"FORK-01"})):
        session.judge(PROGRAM)
        list(session.candidate.run([]))
    assert drive(job_for(log, tmp_path), tmp_path, lambda context: None)[1] == 0


def test_the_measurement_says_who_reached_what(tmp_path):
    log = Log()
    session = opened(log)
    with log.record(frozenset({"FORK-01"})):
        session.candidate.reset()
        session.candidate.perform(PROGRAM[0])
    with log.record(frozenset({"EXIT-03"}), random=True):
        for op in PROGRAM[1:]:
            session.candidate.perform(op)
    log.held.add("EXIT-03")
    found = measured(job_for(log, tmp_path), tmp_path)
    file = found["files"][str(HERE / "candidate.py")]
    assert found["runs"] == 2
    assert [18, 19] in file["branches"]
    assert [18, 19] not in file["taken"]
    assert file["direct"]["9"] == ["FORK-01"]
    assert (file["direct"]["20"], file["random"]["20"]) == ([], ["EXIT-03"])


def measured(job, home):
    """Measure in a child: a second measurement in this process would end the one we run under."""
    (home / "job.json").write_text(json.dumps(asdict(job)))
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("COVERAGE_", "COV_CORE_"))}
    script = "import sys; from pytest_mmowner._cov_replay import main; main(sys.argv[1])"
    subprocess.run([sys.executable, "-c", script, str(home)], check=True, env=clean)
    return json.loads((home / "result.json").read_text())


def test_without_the_c_tracer_the_one_in_python_is_taken(monkeypatch):
    monkeypatch.setitem(sys.modules, "coverage.tracer", None)
    assert not _has_ctracer()


def test_what_a_dead_worker_measured_is_missed():
    state = SimpleNamespace(specs=["python:x:y"], sessions={})
    coverage = CandidateCoverage(SimpleNamespace(), state)
    coverage.pytest_testnodedown(SimpleNamespace(), None)
    assert not coverage.measured
    coverage.pytest_testnodedown(SimpleNamespace(), "Not properly terminated")
    assert "a worker of xdist died" in coverage.measured["python:x:y"].problems[0]


def test_a_recorder_passes_everything_on():
    inner = SimpleNamespace(info="info", after_malformed=lambda exc: ("dealt with", exc), closed=[])
    inner.close = lambda: inner.closed.append(True)
    recorder = Recorder(inner, Log())
    assert recorder.info == "info"
    assert recorder.after_malformed("x") == ("dealt with", "x")
    recorder.close()
    assert inner.closed


# -- what is measured ---------------------------------------------------------------------


class Small:
    def clone(self, task, child, flags, mm): ...

    def owner(self, mm): ...


def make():
    return Small()


@functools.wraps(make)
def wrapped():
    return make()


@pytest.mark.parametrize("factory", [Small, make, wrapped, functools.partial(make)])
def test_the_file_of_a_factory_is_found_behind_its_wrappings(factory):
    target = target_of(Tracker("python:x:y", factory, None))
    assert target.files == (str(Path(__file__).resolve()),)


def test_a_candidate_without_source_cannot_be_measured():
    bare = type("Bare", (Small,), {"__module__": "builtins"})
    with pytest.raises(CallError, match="builtins is no module written in Python"):
        target_of(Tracker("python:x:y", bare, None))


def test_a_candidate_of_another_kind_cannot_be_measured():
    class Other(Candidate):
        info = SimpleNamespace(spec="other")
        reset = perform = ask = None

    with pytest.raises(CallError, match="does not measure other: it runs in a process of its own"):
        target_of(Other())


def test_the_reference_is_its_package():
    candidate, _ = open_candidate("reference:6.1", Options())
    assert target_of(candidate).folders[0].endswith("mmowner_reference")
