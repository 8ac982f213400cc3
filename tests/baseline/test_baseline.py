"""Known failures in a run: what is green, what is red, and what is said."""

import sys

import pytest

SOURCE = """
import pytest
from pytest_mmowner import CandidateError, ConformanceFailure, NotApplicable, Unknown

@pytest.mark.requirement("FORK-03")
def test_elsewhere(mmowner_session):
    pass

@pytest.mark.requirement("FORK-01")
def test_here(mmowner_session):
    {body}
"""

#: What the test of FORK-01 does.
BODIES = {
    "pass": "pass",
    "fail": 'raise ConformanceFailure("wrong", observed="after exit(2): owner(mm 2) is task 3")',
    "fails differently": 'raise ConformanceFailure("wrong", observed="after exit(2): nobody")',
    "error": 'raise CandidateError("it exited with status 3")',
    "not applicable": 'raise NotApplicable("the candidate does not show exec")',
    "unknown": 'raise Unknown("the budget ran out")',
}
ENTRY = """
[[known]]
requirement = "FORK-01"
dialect = "6.11"
reason = "fork is on the list"
issue = "https://example.org/7"
observed = ["test_here: after exit(2): owner(mm 2) is task 3"]
"""
MATRIX = {
    ("listed", "pass"): (1, "stale: FORK-01 (known.toml:2) passes now: remove this entry"),
    ("listed", "fail"): (0, "known failure: FORK-01 (known.toml:2): fork is on the list (https://example.org/7)"),
    ("listed", "fails differently"): (1, "fails differently: FORK-01 (known.toml:2) was listed with other observations; now also: test_here: after exit(2): nobody. Fix it, or list what is seen now"),
    ("listed", "error"): (1, "no failure: FORK-01 (known.toml:2) ended with error; a baseline excuses failures and nothing else"),
    ("listed", "not applicable"): (1, "stale: FORK-01 (known.toml:2) is not applicable any more: remove this entry"),
    ("listed", "unknown"): (1, "no failure: FORK-01 (known.toml:2) ended with unknown; a baseline excuses failures and nothing else"),
    ("unlisted", "pass"): (0, "2 requirements: 2 pass"),
    ("unlisted", "fail"): (1, "fail: FORK-01"),
    ("unlisted", "fails differently"): (1, "fail: FORK-01"),
    ("unlisted", "error"): (1, "error: FORK-01"),
    ("unlisted", "not applicable"): (0, "2 requirements: 1 pass, 1 not applicable"),
    ("unlisted", "unknown"): (1, "unknown: FORK-01"),
}  # fmt: skip


@pytest.fixture
def project(pytester):
    """A project with one test of FORK-01 and a file of known failures; returns how to run it."""

    def run(body, baseline, *args):
        pytester.makepyfile(test_project=SOURCE.format(body=body))
        (pytester.path / "known.toml").write_text(baseline)
        return pytester.runpytest_subprocess(
            "-p", "no:cacheprovider", "--mmowner-baseline=known.toml", *args
        )

    return run


@pytest.mark.parametrize(
    "parallel", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["alone", "xdist"]
)
@pytest.mark.parametrize(("listed", "what"), MATRIX, ids=lambda value: value.replace(" ", "-"))
def test_every_case_has_its_exit_code_and_its_text(project, listed, what, parallel):
    status, text = MATRIX[listed, what]
    result = project(
        BODIES[what], ENTRY if listed == "listed" else "", *(["-n", "1"] if parallel else [])
    )
    assert result.ret == status
    assert text in result.stdout.lines


def test_a_known_failure_without_observations_may_look_like_anything(project):
    entry = '[[known]]\nrequirement = "FORK-01"\nreason = "whatever"\n'
    assert project(BODIES["fails differently"], entry).ret == 0


def test_a_known_failure_is_an_expected_failure_for_pytest_too(project):
    result = project(BODIES["fail"], ENTRY, "-x")
    result.assert_outcomes(passed=1, xfailed=1)


@pytest.mark.parametrize(
    ("when", "status"),
    [
        ('candidate = "ref*"', 0), ('candidate = "cmd:*"', 1), ('has = ["exec"]', 0),
        ('has = ["program"]', 1), ('lacks = ["program"]', 0), ('lacks = ["exec"]', 1),
    ],
)  # fmt: skip
def test_an_entry_with_conditions_holds_only_under_them(project, when, status):
    entry = f'[[known]]\nrequirement = "FORK-01"\nreason = "r"\nwhen = {{ {when} }}\n'
    assert project(BODIES["fail"], entry).ret == status


def test_an_entry_for_another_dialect_is_not_about_this_one(project):
    entry = '[[known]]\nrequirement = "FORK-01"\ndialect = "6.1"\nreason = "r"\n'
    assert project(BODIES["fail"], entry).ret == 1
    assert project(BODIES["fail"], entry, "--mmowner-dialect=6.1").ret == 0


def test_an_entry_that_was_not_judged_is_counted_and_not_held_against_the_run(project):
    result = project(BODIES["pass"], ENTRY, "-k", "elsewhere")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["to burn down: 1 entries, *1 were not judged in this run"])


FLAKY = '[[flaky]]\nrequirement = "FORK-01"\nreason = "it races"\n'


def test_a_flaky_requirement_is_run_again_before_it_is_believed(project, pytester):
    body = (
        "from pathlib import Path; f = Path('tries'); n = int(f.read_text()) if f.exists() else 0; "
        "f.write_text(str(n + 1))\n    if n < 2: raise ConformanceFailure('w', observed='o')"
    )
    result = project(body, FLAKY)
    assert result.ret == 0
    assert (pytester.path / "tries").read_text() == "3"
    result.stdout.fnmatch_lines(
        [
            "flaky: FORK-01 (known.toml:1) passed only when it was run 3 times: it races",
            "*1 are flaky*",
        ]
    )


def test_a_flaky_requirement_that_passed_at_once_says_so(project):
    result = project("pass", FLAKY)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["flaky: FORK-01 (known.toml:1) passed: it races"])


TWO_TESTS = """
@pytest.mark.requirement("FORK-01")
def test_there(mmowner_session):
    pass
"""
IN_PART = {
    "-k": ["-k", "there"],
    "--deselect": ["--deselect", "test_project.py::test_here"],
    "a single test": ["test_project.py::test_there"],
}


@pytest.mark.parametrize(
    "parallel", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["alone", "xdist"]
)
@pytest.mark.parametrize("how", IN_PART)
def test_a_requirement_that_ran_in_part_does_not_make_an_entry_stale(
    project, pytester, how, parallel
):
    body = f"{BODIES['fail']}\n{TWO_TESTS}"
    result = project(body, ENTRY, *IN_PART[how], *(["-n", "1"] if parallel else []))
    assert result.ret == 0
    result.stdout.fnmatch_lines(["judged in part: FORK-01 (known.toml:2): not all of its tests*"])


def test_a_run_that_stopped_early_does_not_make_an_entry_stale(project):
    stop = "def test_stop(mmowner_session):\n    assert False"
    after = project(f"pass\n{TWO_TESTS}\n{stop}", ENTRY, "-x")
    after.stdout.fnmatch_lines(["stale: FORK-01 *"])
    between = project(f"pass\n{stop}\n{TWO_TESTS}", ENTRY, "-x")
    between.stdout.fnmatch_lines(["judged in part: FORK-01 *"])
    between.stdout.no_fnmatch_line("stale:*")


def test_observations_that_are_gone_are_named(project):
    entry = ENTRY.replace("observed = [", 'observed = ["test_gone: seen before", ')
    result = project(BODIES["fail"], entry)
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        ["known failure: FORK-01 *; not seen any more: test_gone: seen before"]
    )


def test_a_flaky_requirement_that_always_fails_is_red(project):
    result = project(BODIES["fail"], FLAKY)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["flaky: FORK-01 (known.toml:1) failed every time*"])


WRONG_FILES = {
    "a misspelt id": ('[[known]]\nrequirement = "FORK-1"\nreason = "r"\n', "known.toml:2: unknown requirement 'FORK-1'. Did you mean 'FORK-*'?"),
    "an unknown dialect": ('\n[[known]]\nrequirement = "FORK-01"\ndialect = "6.2"\nreason = "r"\n', "known.toml:4: unknown dialect '6.2'; known are * Linux 6.2 is judged by '6.1'."),
    "a list of dialects": ('[[known]]\nrequirement = "FORK-01"\ndialect = ["6.11"]\nreason = "r"\n', "known.toml:3: unknown dialect ?'6.11'?*"),
    "no reason": ('[[known]]\nrequirement = "FORK-01"\n', 'known.toml:1: an entry needs reason = "..."'),
    "an empty reason": ('[[known]]\nrequirement = "FORK-01"\nreason = " "\n', "known.toml:3: FORK-01 is listed without a reason*"),
    "no requirement": ('[[known]]\nreason = "r"\n', 'known.toml:1: an entry needs requirement = "..."'),
    "a number for a text": ('[[known]]\nrequirement = 1\nreason = "r"\n', "known.toml:2: requirement is a text, not 1"),
    "malformed TOML": ("# fine\n[[known]\n", "known.toml:2: the baseline is no TOML*"),
    "an open string": ('[[known]]\nreason = "', "known.toml:2: the baseline is no TOML*"),
    "an unknown table": ("\n[[knwon]]\n", "known.toml:2: unknown table 'knwon'*Did you mean 'known'?"),
    "one bracket": ('[known]\nrequirement = "FORK-01"\n', "known.toml:1: write ??known??, with two brackets"),
    "an unknown field": ('[[known]]\nrequirement = "FORK-01"\nreasn = "r"\n', "known.toml:3: unknown field 'reasn'. Did you mean 'reason'?"),
    "a bad condition": ('[[known]]\nrequirement = "FORK-01"\nreason = "r"\nwhen = { os = "x" }\n', "known.toml:4: when has no field 'os'; it has candidate, has, lacks."),
    "a misspelt condition": ('[[known]]\nrequirement = "FORK-01"\nreason = "r"\n[known.when]\ncandidat = "x"\n', "known.toml:1: when has no field 'candidat'*Did you mean 'candidate'?"),
    "a misspelt capability": ('[[known]]\nrequirement = "FORK-01"\nreason = "r"\nwhen = { has = ["exce"] }\n', "known.toml:4: there is no capability 'exce'. Did you mean 'exec'?"),
    "a condition that is no table": ('[[known]]\nrequirement = "FORK-01"\nreason = "r"\nwhen = "6.11"\n', "known.toml:4: write when = *"),
    "observed is no list": ('[[known]]\nrequirement = "FORK-01"\nreason = "r"\nobserved = "x"\n', "known.toml:4: observed is a list of texts*"),
    "a repeated entry": ('[[known]]\nrequirement = "FORK-01"\nreason = "r"\n' * 2, "known.toml:4: FORK-01 is listed already, at known.toml:1"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "message"), WRONG_FILES.values(), ids=WRONG_FILES)
def test_a_wrong_file_exits_with_4_before_anything_is_collected(project, text, message):
    result = project("raise RuntimeError", text)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "collected" not in result.stdout.str()
    result.stderr.fnmatch_lines([f"ERROR: {message}"])


def test_a_file_that_cannot_be_read_exits_with_4(pytester):
    result = pytester.runpytest_subprocess("--mmowner-baseline=nowhere.toml")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: nowhere.toml: the baseline cannot be read: *"])


@pytest.mark.slow
def test_a_newcomers_pipeline(pytester, root):
    """Run, red; update, green; mend, stale; remove, green; break something else, red."""
    kernel = pytester.path / "kernel.py"
    source = (root / "examples/tracker.py").read_text()
    good = "near = self.children[task] + self.children[self._parent(task)]"
    bad = "near = self.children[self._parent(task)] + self.children[task]"
    assert source.count(good) == 1

    def suite(*args):
        return pytester.run(
            sys.executable, "-m", "pytest", "--pyargs", "mmowner_conformance", "-p", "no:cacheprovider",
            "-q", "--mmowner-candidate=python:kernel.py:Tracker", *args,
        )  # fmt: skip

    kernel.write_text(source.replace(good, bad))
    assert suite().ret == 1

    def update(*options):
        done = pytester.run(
            sys.executable, "-m", "pytest_mmowner", "baseline", "update", "known.toml",
            "--reason", "siblings are asked first", "--", "python:kernel.py:Tracker", *options,
        )  # fmt: skip
        assert done.ret == 0, str(done.stderr)
        return done.stdout.lines

    update()
    known = pytester.path / "known.toml"
    known.write_text("# ours, keep this\n" + known.read_text())
    listed = suite("--mmowner-baseline=known.toml")
    assert listed.ret == 0
    assert "known failure: SEARCH-01" in listed.stdout.str()

    # What was removed by hand is found again; the rest is not touched, and then nothing is.
    text = known.read_text()
    head, _, rest = text.partition("[[known]]")
    first, _, rest = rest.partition("[[known]]")
    rule = first.split('"')[1]
    known.write_text(f"{head}[[known]]{rest}")
    assert f"known.toml: added {rule}" in update("--level=order")
    assert known.read_text() == f"{head}[[known]]{rest}\n[[known]]{first.rstrip()}\n"
    assert "known.toml: nothing to change" in update("--level=order")
    assert suite("--mmowner-baseline=known.toml").ret == 0

    kernel.write_text(source)
    stale = suite("--mmowner-baseline=known.toml")
    assert stale.ret == 1
    assert "passes now: remove this entry" in stale.stdout.str()
    update()
    # Nothing is left but the comments, byte for byte.
    assert known.read_text() == head.rstrip("\n") + "\n"
    assert suite("--mmowner-baseline=known.toml").ret == 0

    kernel.write_text(
        source.replace(
            "self.owners.setdefault(self.mm_of[child], child)",
            "self.owners[self.mm_of[child]] = child",
        )
    )
    broken = suite("--mmowner-baseline=known.toml")
    assert broken.ret == 1
    assert "FORK-03" in broken.stdout.str()


def test_known_failures_are_not_minimized(pytester):
    (pytester.path / "known.toml").write_text('[[known]]\nrequirement = "FORK-03"\nreason = "r"\n')
    result = pytester.runpytest_subprocess(
        "--pyargs", "mmowner_conformance", "-p", "no:cacheprovider", "-k", "test_a_thread_does_not_own",
        "--mmowner-candidate=mutant:newest-sharer-owns", "--mmowner-baseline=known.toml", "--runxfail",
    )  # fmt: skip
    assert "minimal program" not in result.stdout.str()
