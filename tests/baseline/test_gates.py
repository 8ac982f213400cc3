"""Gates: levels that must pass whole, frozen sets of which nothing may vanish."""

import importlib.util
import json
import tomllib

import pytest

from mmowner_reference import DIALECTS
from pytest_mmowner._gates import current_sets, frozen_sets, newest_set
from pytest_mmowner._requirements import requirements

SUITE = ("--pyargs", "mmowner_conformance", "-p", "no:cacheprovider", "-q")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_newest_set_of_a_dialect_is_what_it_consists_of_now(dialect):
    """A new requirement goes into the next set, which docs/generate_sets.py writes."""
    assert newest_set(dialect).requirements == current_sets()[dialect]


@pytest.fixture
def generator(root):
    """The script that writes the sets, as a module."""
    spec = importlib.util.spec_from_file_location("generate_sets", root / "docs/generate_sets.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_check_of_the_generated_sets(generator, monkeypatch, capsys, tmp_path):
    assert generator.main(["--check"]) == 0
    grown = {**current_sets(), "none": (*current_sets()["none"], "FORK-01"), "9.9": ("FORK-01",)}
    monkeypatch.setattr(generator, "current_sets", lambda: grown)
    assert generator.main(["--check"]) == 1
    next_version = newest_set("none").version + 1
    assert f"sets.toml has no none@{next_version}:" in capsys.readouterr().out
    copy = tmp_path / "sets.toml"
    copy.write_text(generator.SETS.read_text())
    monkeypatch.setattr(generator, "SETS", copy)
    monkeypatch.setattr(generator, "frozen_sets", lambda: tomllib.loads(copy.read_text()))
    assert generator.main([]) == 0
    written = tomllib.loads(copy.read_text())
    assert written[f"none@{next_version}"] == list(grown["none"])
    assert written["9.9@1"] == ["FORK-01"]
    assert all(written[name] == list(old.requirements) for name, old in frozen_sets().items())


def test_sets_name_requirements_that_exist_and_each_once():
    for frozen in frozen_sets().values():
        assert frozen.dialect in DIALECTS
        assert len(set(frozen.requirements)) == len(frozen.requirements)
        assert set(frozen.requirements) <= set(requirements())


def test_a_released_set_never_changes():
    digests = {name: frozen.digest for name, frozen in frozen_sets().items()}
    assert digests == {
        "rfc-v4@1": "672ade85dd6a9b9b", "6.1@1": "c16a35c8dca1b1e9", "6.11@1": "f60f0ed7736007d3", "none@1": "a5db1a86bb72c0ce",
        "rfc-v4@2": "e17bba238981b47c", "2.6.26@1": "8e3306949d761617", "2.6.27@1": "7e193808ef64d283", "2.6.28@1": "e729a7c9cacdeeb7",
        "2.6.29@1": "a29d5c632f3fde42", "2.6.31@1": "47210f8ed47345a3", "2.6.33@1": "8f9bae1665656de7", "3.0@1": "ac4a036be8784e07",
        "3.16@1": "a9806feb0aa7fd27", "4.4@1": "94f65d986690e120", "5.2@1": "6ed8ca185b48f814", "6.1@2": "e470a14131e34d32",
        "6.11@2": "d676c5c07bfafa40",
        "rfc-v4@3": "57520a97087823b7", "2.6.26@2": "4a84627d0883c1e9", "2.6.27@2": "c75d335ceef48981", "2.6.28@2": "808686d7b0c664ef",
        "2.6.29@2": "0323a93ee20d3a37", "2.6.31@2": "1b60c427604f0553", "2.6.33@2": "e6a9a1afea5105d6", "3.0@2": "ca0195c9f2306374",
        "3.16@2": "b12f891edbd18bba", "4.4@2": "41923b54996e4b71", "5.2@2": "7d9595b8f2ca526f", "6.1@3": "74d738a9f204080d",
        "6.11@3": "436f42054f85335e",
    }  # fmt: skip


def test_a_whole_set_is_judged_and_counted(pytester):
    result = pytester.runpytest_subprocess(
        *SUITE, "--mmowner-set=none@1", "--mmowner-report=run.jsonl"
    )
    assert result.ret == 0
    header = json.loads((pytester.path / "run.jsonl").read_text().splitlines()[0])
    assert (header["set"], header["set_digest"]) == ("none@1", frozen_sets()["none@1"].digest)
    result.stdout.fnmatch_lines(
        ["*mmowner: set none@1 (*", "reference: 7 of 7 requirements judged, 7 of them applicable"]
    )


@pytest.mark.parametrize(
    "parallel",
    [[], pytest.param(["-n", "1"], marks=pytest.mark.slow)],
    ids=["alone", "xdist"],
)
def test_a_requirement_that_vanishes_from_a_set_is_red(pytester, parallel):
    result = pytester.runpytest_subprocess(
        *SUITE, "--mmowner-set=none@1", "-k", "not users", *parallel
    )
    assert result.ret == 1
    result.stdout.fnmatch_lines(["reference: 6 of 7 requirements judged*", "not judged: USERS-01"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--mmowner-set=6.11@9"], "*unknown set '6.11@9'; known are *Did you mean '6.11@?'*"),
        (["--mmowner-set=6.11@1", "--mmowner-dialect=6.1"], "*is of the dialect 6.11, and --mmowner-dialect is 6.1*"),
        (["--mmowner-require=safty"], "*unknown level 'safty'.*Did you mean 'safety'?"),
    ],
)  # fmt: skip
def test_wrong_gates_exit_with_4(pytester, arguments, message):
    result = pytester.runpytest_subprocess(*SUITE, *arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([message])


def test_a_required_level_that_passes_is_green(pytester):
    result = pytester.runpytest_subprocess(*SUITE, "--mmowner-require=safety,order,accounting")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["every requirement of these levels passed"])


@pytest.mark.parametrize(
    "parallel",
    [[], pytest.param(["-n", "1"], marks=pytest.mark.slow)],
    ids=["alone", "xdist"],
)
def test_what_is_not_applicable_does_not_count_as_passed(pytester, root, parallel):
    result = pytester.runpytest_subprocess(
        *SUITE, f"--mmowner-candidate=python:{root}/examples/tracker.py:Tracker",
        "--mmowner-require=safety", *parallel,
    )  # fmt: skip
    assert result.ret == 1
    result.stdout.fnmatch_lines(["did not pass, not applicable: *EXEC-01*"])


@pytest.mark.slow
def test_what_was_not_judged_does_not_count_as_passed(pytester):
    result = pytester.runpytest_subprocess(*SUITE, "--mmowner-require=order", "-k", "search")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["did not pass, not judged in this run: *PTRACE-01*"])


@pytest.mark.slow
def test_a_hazard_of_the_dialect_is_not_required(pytester):
    result = pytester.runpytest_subprocess(
        *SUITE, "--mmowner-candidate=reference:rfc-v4", "--mmowner-require=safety,order"
    )
    assert result.ret == 0


@pytest.mark.slow
def test_a_level_of_which_a_requirement_ran_in_part_is_red(pytester):
    result = pytester.runpytest_subprocess(
        *SUITE, "--mmowner-require=accounting", "--mmowner-level=accounting",
        "-k", "not test_the_callback_comes_before_the_owner_changes",
    )  # fmt: skip
    assert result.ret == 0, "a name that is no test leaves nothing out"
    part = pytester.runpytest_subprocess(
        *SUITE, "--mmowner-require=safety", "-k", "not test_random_programs"
    )
    assert part.ret == 1
    part.stdout.fnmatch_lines(["did not pass, judged in part: *"])


def test_a_file_of_the_suite_is_a_part_of_it(pytester, root):
    path = root / "conformance/mmowner_conformance/test_fork.py"
    result = pytester.runpytest_subprocess(
        path, "-p", "no:cacheprovider", "-q", "--mmowner-require=safety", "--mmowner-dialect=6.11"
    )
    assert result.ret == 1
    result.stdout.fnmatch_lines(["did not pass, judged in part: FORK-*"])


TRACKER = "--mmowner-candidate=python:kernel.py:Tracker"


@pytest.fixture
def tracker(pytester, root):
    """A candidate that lacks much: the example tracker."""
    source = (root / "examples/tracker.py").read_text()
    (pytester.path / "kernel.py").write_text(source)


def apply_in(result):
    line = next(line for line in result.stdout.lines if "of them applicable" in line)
    return int(line.split()[-4])


@pytest.mark.slow
@pytest.mark.usefixtures("tracker")
def test_the_applicable_requirements_are_checked_against_a_number(pytester):
    first = pytester.runpytest_subprocess(*SUITE, "--mmowner-set=6.11@1", TRACKER)
    assert first.ret == 0
    count = apply_in(first)
    assert 10 < count < 62
    first.stdout.fnmatch_lines(
        [f"not applicable: *With --mmowner-applicable={count} the run fails*"]
    )
    expected = {count: 0, count + 1: 1, count - 1: 1}
    for number, status in expected.items():
        again = pytester.runpytest_subprocess(
            *SUITE, "--mmowner-set=6.11@1", TRACKER, f"--mmowner-applicable={number}"
        )
        assert again.ret == status, number
        if number > count:
            again.stdout.fnmatch_lines([f"1 of {number} applicable requirements have vanished; *"])
        if number < count:
            again.stdout.fnmatch_lines(
                [f"more is applicable than *write --mmowner-applicable={count}*"]
            )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--mmowner-set=none@1", "--mmowner-applicable=8"], "*the set none@1 has only 7 requirements"),
        (["--mmowner-set=none@1", "--mmowner-applicable=x"], "*write how many requirements apply*"),
        (["--mmowner-applicable=7"], "*--mmowner-applicable=7 is about a set: name one with --mmowner-set"),
    ],
)  # fmt: skip
def test_a_wrong_number_exits_with_4(pytester, arguments, message):
    result = pytester.runpytest_subprocess(*SUITE, *arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([message])


def test_what_is_not_applicable_for_no_declared_lack_is_red():
    from pytest_mmowner._gates import SetGate
    from pytest_mmowner._verdicts import Verdicts

    gate = object.__new__(SetGate)
    gate.set, gate.expected = frozen_sets()["none@1"], None
    verdicts = Verdicts("reference", "none")
    for rule in gate.set.requirements:
        verdicts.add(rule, "pass")
    assert gate.problems(verdicts) == []
    verdicts.outcomes.pop("USERS-01")
    verdicts.add("USERS-01", "not applicable", "40 random programs never got to USERS-01")
    assert gate.problems(verdicts) == [
        "not applicable, and for no lack that the candidate declared: USERS-01. If that is as it "
        "should be, write --mmowner-applicable=6"
    ]


@pytest.mark.parametrize(
    "parallel",
    [[], pytest.param(["-n", "1"], marks=pytest.mark.slow)],
    ids=["alone", "xdist"],
)
def test_a_level_in_which_nothing_can_be_judged_is_no_pass(pytester, parallel):
    result = pytester.runpytest_subprocess(
        *SUITE,
        "--mmowner-require=order",
        "--mmowner-dialect=none",
        "-k",
        "test_configuration",
        *parallel,
    )
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        ["nothing was judged of the levels order: *That is no pass; leave the level out"]
    )


def test_what_no_test_can_show_is_not_required_and_what_is_not_shown_is_no_pass(pytester):
    result = pytester.runpytest_subprocess(
        *SUITE, "--mmowner-require=concurrency", "-k", "test_callbacks"
    )
    assert result.ret == 1
    result.stdout.fnmatch_lines([
        "not required, because this suite cannot test them: SEARCH-09, *",
        "did not pass, not judged in this run: INV-04, *",
    ])  # fmt: skip
