"""Runs of pytest leave records that hold together: alone, under xdist, cut short, and in vain."""

import json
import sys
from collections import Counter
from pathlib import Path

import jsonschema
import pytest
from record_making import sealed

from pytest_mmowner import open_candidate
from pytest_mmowner._candidates import linux
from pytest_mmowner._candidates.process import LineProcess
from pytest_mmowner._record import _tested
from pytest_mmowner._record_lines import Header, OutcomeLine, RequirementLine, clean, decode, schema
from pytest_mmowner._record_read import RecordError, read_record, show, verify
from pytest_mmowner._session import Session

FEW = ("-k", "forked_child or sibling_comes or a_child_comes")


def kinds(path):
    return [json.loads(line)["line"] for line in path.read_bytes().splitlines()]


@pytest.mark.parametrize("how", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_a_run_with_two_candidates_leaves_a_record_that_verifies(pytester, suite, how):
    result = suite(
        *FEW, *how, "--mmowner-report=run.jsonl", "--mmowner-seed=3", "--mmowner-level=order,safety",
        "--mmowner-candidate=reference:6.1", "--mmowner-candidate=mutant:no-siblings",
    )  # fmt: skip
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    path = pytester.path / "run.jsonl"
    number = len(path.read_bytes().splitlines())
    result.stdout.fnmatch_lines([f"mmowner: record in run.jsonl, {number} lines"])
    verify(path)
    record = read_record(path)

    head = record.header
    assert (head.seed, head.levels) == (3, ["order", "safety"])
    assert "--mmowner-seed=3" in head.arguments
    assert head.python.endswith(".".join(map(str, sys.version_info[:3])))
    ours, mutant = head.candidates
    assert (ours.spec, ours.dialect, ours.claims) == ("reference:6.1", "6.1", "6.1")
    assert (mutant.spec, mutant.dialect, mutant.language) == (
        "mutant:no-siblings",
        "6.11",
        "Python",
    )
    assert {"clone", "owner", "refuse"} <= set(ours.capabilities)
    assert next((b.programs, b.length, b.tasks) for b in ours.bounds) == (200, 24, 6)

    assert {line.candidate for line in record.outcomes} == {ours.spec, mutant.spec}
    assert sum(ours.selected.values()) + sum(mutant.selected.values()) == len(record.outcomes)
    line = record.requirements[mutant.spec, "SEARCH-01"]
    assert line.verdict == "fail"
    assert "clone(" in line.program
    assert any("owner(mm" in text for text in line.observed)
    assert record.requirements[ours.spec, "SEARCH-01"].verdict == "pass"
    assert record.footer.unfinished == 0
    # Verdicts come as soon as they are known, not all at the end.
    order = kinds(path)
    last_outcome = len(order) - order[::-1].index("outcome")
    assert order.index("requirement") < last_outcome


def test_records_of_the_same_run_alone_and_under_xdist_say_the_same(pytester, suite):
    for name, how in [("alone", ()), ("xdist", ("-n", "2"))]:
        suite(
            *FEW, *how, f"--mmowner-report={name}.jsonl", "--mmowner-candidate=mutant:no-siblings"
        )
    alone, xdist = (read_record(pytester.path / f"{name}.jsonl") for name in ("alone", "xdist"))
    assert alone.footer.verdicts == xdist.footer.verdicts
    assert alone.header.candidates == xdist.header.candidates
    assert {key: (line.verdict, line.observed) for key, line in alone.requirements.items()} == {
        key: (line.verdict, line.observed) for key, line in xdist.requirements.items()
    }


def test_a_command_is_recorded_with_its_command_line_and_what_it_said(pytester, suite, root):
    adapter = f"cmd:{sys.executable} {root / 'examples/python/adapter.py'}"
    suite("-k", "forked_child", "--mmowner-report=run.jsonl", f"--mmowner-candidate={adapter}")
    verify(pytester.path / "run.jsonl")
    (one,) = read_record(pytester.path / "run.jsonl").header.candidates
    assert one.spec == adapter
    assert one.started == [sys.executable, str(root / "examples/python/adapter.py")]
    assert one.language == "Python"
    assert f"started: {sys.executable}" in show(pytester.path / "run.jsonl")


@pytest.mark.parametrize("how", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_the_record_says_which_outcomes_the_file_of_known_failures_is_about(pytester, suite, how):
    (pytester.path / "known.toml").write_text(
        '[[known]]\nrequirement = "FORK-01"\nreason = "mended long ago"\n'
        '[[known]]\nrequirement = "SEARCH-01"\nreason = "later"\n'
    )
    suite(*how, "--mmowner-report=run.jsonl", "--mmowner-baseline=known.toml",
          "--mmowner-candidate=mutant:no-siblings")  # fmt: skip
    path = pytester.path / "run.jsonl"
    record = verify(path)
    listed = {rule for _, rule in record.listed}
    assert listed == {"FORK-01", "SEARCH-01"}  # the first entry too, whose number is 0
    assert {one.requirement for one in record.outcomes} > listed
    assert all(one.listed == (one.requirement in listed) for one in record.outcomes)
    assert record.requirements["mutant:no-siblings", "FORK-01"].verdict == "pass"
    assert "fail (listed as known): " in show(path)


def test_a_record_from_before_it_said_what_was_listed_is_read(small):
    raw = small.read_bytes()
    assert raw.count(b',"listed":false') == 5
    small.write_bytes(sealed(raw.replace(b',"listed":false', b"").splitlines()))
    assert not verify(small).listed


@pytest.mark.parametrize("mode", ["uml", "host"])
def test_a_kernel_is_recorded_with_how_it_was_started(root, tmp_path, monkeypatch, mode):
    """A process stands in for the kernel with our agent in it."""
    adapter = [sys.executable, str(root / "examples/python/adapter.py")]
    monkeypatch.setattr(linux.launch, "build_agent", lambda: tmp_path / "agent")
    monkeypatch.setattr(linux.launch, "build_initramfs", lambda agent: tmp_path / "initramfs.gz")
    monkeypatch.setattr(linux.launch, "host_command", lambda agent: [str(agent)])
    monkeypatch.setattr(linux, "LineProcess", lambda argv: LineProcess(adapter))
    kernel = tmp_path / "linux.uml"
    kernel.touch(0o755)
    spec = f"linux:uml={kernel}" if mode == "uml" else "linux:host"
    candidate, dialect = open_candidate(spec)
    tested = _tested(Session(candidate, dialect), Counter())
    candidate.close()
    if mode == "host":
        assert tested.started == ["this machine"]
        return
    assert tested.started[0] == str(kernel)
    assert {f"initrd={tmp_path}/initramfs.gz", "uml_dir=DIRECTORY"} <= set(tested.started)
    assert not any("agent" in word.replace(str(tmp_path), "") for word in tested.started)


def test_every_line_follows_the_schema(pytester, suite, root):
    suite(*FEW, "--mmowner-report=run.jsonl", "--mmowner-candidate=mutant:no-siblings")
    published = json.loads((root / "docs/record.schema.json").read_text("utf-8"))
    assert published == schema()
    check = jsonschema.Draft202012Validator(published)
    seen = set()
    for text in (pytester.path / "run.jsonl").read_bytes().splitlines():
        line = json.loads(text)
        check.validate(line)
        seen.add(line["line"])
        with pytest.raises(jsonschema.ValidationError):
            check.validate(line | {"extra": 1})
        with pytest.raises(jsonschema.ValidationError):
            check.validate(line | {"line": "note"})
    assert seen == {"header", "outcome", "requirement", "footer"}


def test_the_ini_twin_names_the_file_and_tests_without_requirement_are_not_in_it(pytester, suite):
    pytester.makeini("[pytest]\nmmowner_report = from_ini.jsonl\n")
    pytester.makepyfile("def test_of_somebody_else(): pass")
    suite("-k", "forked_child or somebody", str(pytester.path)).assert_outcomes(passed=2)
    verify(pytester.path / "from_ini.jsonl")
    record = read_record(pytester.path / "from_ini.jsonl")
    assert len(record.outcomes) == 1
    assert record.outcomes[0].nodeid.endswith("test_a_forked_child_owns_its_new_mm[reference]")


# -- files that cannot be written ---------------------------------------------------------


@pytest.mark.parametrize("how", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_a_file_that_cannot_be_written_ends_the_run_before_collection(pytester, suite, how):
    result = suite(*FEW, *how, "--mmowner-report=no/such/run.jsonl")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        [
            "ERROR: --mmowner-report=no/such/run.jsonl: the record cannot be written there: "
            "No such file or directory. Name a file in a directory that is there and yours."
        ]
    )
    result.stdout.no_fnmatch_line("*collected*")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_disk_that_is_full_is_told_and_the_run_is_no_success(pytester, suite):
    result = suite("-k", "forked_child", "--mmowner-report=/dev/full")
    assert result.ret == pytest.ExitCode.INTERNAL_ERROR
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        ["mmowner: the record /dev/full is not whole: No space left on device.*"]
    )
    result.stdout.no_fnmatch_line("*INTERNALERROR*")
    result = suite("-k", "sibling_comes", "--mmowner-report=/dev/full",
                   "--mmowner-candidate=mutant:no-siblings")  # fmt: skip
    assert result.ret == pytest.ExitCode.TESTS_FAILED


# -- runs that are cut short --------------------------------------------------------------


def test_a_run_in_which_nothing_was_selected_leaves_an_empty_record_and_not_an_old_one(
    pytester, suite
):
    path = pytester.path / "run.jsonl"
    suite("-k", "forked_child", "--mmowner-report=run.jsonl")
    assert len(kinds(path)) == 4
    result = suite("-k", "there_is_no_such_test", "--mmowner-report=run.jsonl")
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    assert kinds(path) == ["header", "footer"]
    verify(path)


def test_collecting_only_touches_no_record(pytester, suite):
    (pytester.path / "run.jsonl").write_text("mine")
    assert suite("--collect-only", "-q", "--mmowner-report=run.jsonl").ret == 0
    assert (pytester.path / "run.jsonl").read_text() == "mine"


def test_a_wrong_call_leaves_no_record_of_an_earlier_run(pytester, suite):
    suite("-k", "forked_child", "--mmowner-report=run.jsonl")
    result = suite("--mmowner-report=run.jsonl", "--mmowner-candidate=mutant:none")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stdout.fnmatch_lines(["mmowner: the record run.jsonl is not whole: the run broke off.*"])
    with pytest.raises(RecordError, match="the file is empty"):
        verify(pytester.path / "run.jsonl")


def test_a_run_that_breaks_off_is_not_sealed(pytester, suite):
    pytester.makepyfile("import nothing_of_this_name")
    result = suite(str(pytester.path), "--mmowner-report=run.jsonl")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    with pytest.raises(RecordError, match="the file is empty"):
        verify(pytester.path / "run.jsonl")


def test_an_interrupted_run_says_what_never_ended(pytester, suite):
    suite(*FEW, "-x", "--mmowner-report=run.jsonl", "--mmowner-candidate=mutant:fork-gives-parent")
    path = pytester.path / "run.jsonl"
    verify(path)
    footer = read_record(path).footer
    assert footer.unfinished > 0
    assert "mutant:fork-gives-parent: tests that never ended: " in show(path)


@pytest.mark.parametrize("how", [(), ("-n", "1")], ids=["alone", "xdist"])
def test_a_run_that_is_killed_leaves_what_was_known_and_is_refused(
    pytester, suite, how, monkeypatch
):
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)  # ours, if we run under xdist
    pytester.makepyfile(
        killer="""
        import os, pytest

        ended = []

        @pytest.hookimpl(trylast=True)
        def pytest_runtest_logreport(report):
            ended.append(report)
            if len(ended) == 7 and "PYTEST_XDIST_WORKER" not in os.environ:
                os._exit(9)
        """
    )
    result = suite(*FEW, *how, "--mmowner-report=run.jsonl", "-p", "killer", apart=True)
    assert result.ret == 9
    path = pytester.path / "run.jsonl"
    assert "outcome" in kinds(path)
    with pytest.raises(RecordError, match="truncated: the footer is missing after this line"):
        verify(path)


def test_a_worker_that_dies_leaves_its_test_among_what_never_ended(pytester, suite):
    pytester.makepyfile(
        """
        import os, pytest

        @pytest.mark.requirement("FORK-01")
        def test_good(): pass

        @pytest.mark.requirement("FORK-01")
        def test_deadly(): os._exit(1)
        """
    )
    suite(str(pytester.path), "-k", "test_good or test_deadly", "-n", "1",
          "--mmowner-report=run.jsonl")  # fmt: skip
    verify(pytester.path / "run.jsonl")
    record = read_record(pytester.path / "run.jsonl")
    assert record.footer.unfinished == 1
    assert record.requirements["reference", "FORK-01"].tests == 1


# -- lines ----------------------------------------------------------------------------------


def test_what_is_no_text_is_written_as_escapes(small):
    assert clean("a\udcffb \N{SNOWMAN}") == "a\\udcffb \N{SNOWMAN}"
    head, first, *_ = small.read_bytes().splitlines()
    assert isinstance(decode(head), Header)
    assert isinstance(decode(first), OutcomeLine)
    assert RequirementLine.__doc__
