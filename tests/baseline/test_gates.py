"""Gates: levels that must pass whole, frozen sets of which nothing may vanish."""

import json

import pytest

from mmowner_reference import DIALECTS
from pytest_mmowner._gates import current_sets, frozen_sets
from pytest_mmowner._requirements import requirements

SUITE = ("--pyargs", "mmowner_conformance", "-p", "no:cacheprovider", "-q")


def newest(dialect):
    versions = [name for name in frozen_sets() if name.startswith(f"{dialect}@")]
    return max(versions, key=lambda name: int(name.partition("@")[2]))


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_newest_set_of_a_dialect_is_what_it_consists_of_now(dialect):
    """A new requirement goes into the next set: add 6.11@2, never edit a set that was released."""
    assert frozen_sets()[newest(dialect)].requirements == current_sets()[dialect]


def test_sets_name_requirements_that_exist_and_each_once():
    for frozen in frozen_sets().values():
        assert frozen.dialect in DIALECTS
        assert len(set(frozen.requirements)) == len(frozen.requirements)
        assert set(frozen.requirements) <= set(requirements())


def test_a_released_set_never_changes():
    digests = {name: frozen.digest for name, frozen in frozen_sets().items()}
    assert digests == {
        "rfc-v4@1": "a010af25a67cde0d", "6.1@1": "2ccf839cb78799e6", "6.11@1": "2ccf839cb78799e6", "none@1": "acf5efd0abe05dd5",
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


@pytest.mark.parametrize("parallel", [[], ["-n", "1"]], ids=["alone", "xdist"])
def test_a_requirement_that_vanishes_from_a_set_is_red(pytester, parallel):
    result = pytester.runpytest_subprocess(
        *SUITE, "--mmowner-set=none@1", "-k", "not users", *parallel
    )
    assert result.ret == 1
    result.stdout.fnmatch_lines(["reference: 6 of 7 requirements judged*", "not judged: USERS-01"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--mmowner-set=6.11@9"], "*unknown set '6.11@9'; known are *Did you mean '6.11@1'?"),
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


@pytest.mark.parametrize("parallel", [[], ["-n", "1"]], ids=["alone", "xdist"])
def test_what_is_not_applicable_does_not_count_as_passed(pytester, root, parallel):
    result = pytester.runpytest_subprocess(
        *SUITE, f"--mmowner-candidate=python:{root}/examples/tracker.py:Tracker",
        "--mmowner-require=safety", *parallel,
    )  # fmt: skip
    assert result.ret == 1
    result.stdout.fnmatch_lines(["did not pass, not applicable: *EXEC-01*"])


def test_what_was_not_judged_does_not_count_as_passed(pytester):
    result = pytester.runpytest_subprocess(*SUITE, "--mmowner-require=order", "-k", "search")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["did not pass, not judged in this run: *PTRACE-01*"])


def test_a_hazard_of_the_dialect_is_not_required(pytester):
    result = pytester.runpytest_subprocess(
        *SUITE, "--mmowner-candidate=reference:rfc-v4", "--mmowner-require=safety,order"
    )
    assert result.ret == 0
