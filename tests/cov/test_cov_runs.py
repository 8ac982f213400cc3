"""--mmowner-cov in real runs: it names what is dead, and leaves other people's data alone."""

import os
import re
import sys
from pathlib import Path

import pytest
from coverage import CoverageData

CANDIDATE = Path(__file__).with_name("candidate.py").read_text()
SPEC = "--mmowner-candidate=rules:candidate.py:Rules"
DEAD = (
    "*candidate.py:18 in Rules.mm_update_next_owner: the branch from line 18 to line 19: "
    "if mm.users < 0:; nearest: *-* (line 18)"
)


@pytest.fixture
def unmeasured(monkeypatch):
    """No coverage run around this test is passed on: the test is about its own one."""
    for name in list(os.environ):
        if name.startswith("COVERAGE_"):
            monkeypatch.delenv(name)


@pytest.fixture
def suite(pytester):
    """Run the suite on candidate.py in a process of its own and return the result."""
    pytester.makepyfile(candidate=CANDIDATE)

    def run(*args, spec=SPEC, before=("-m", "pytest")):
        return pytester.run(
            sys.executable, *before, "--pyargs", "mmowner_conformance", "-p", "no:cacheprovider",
            *([spec] if spec else []), *args, timeout=300,
        )  # fmt: skip

    return run


def section(result):
    """Return the lines about coverage."""
    lines = result.stdout.str().splitlines()
    start = next(n for n, line in enumerate(lines) if "mmowner coverage: " in line)
    end = next(n for n in range(start, len(lines)) if lines[n].startswith("===="))
    return lines[start:end]


def reach(result):
    """Return the requirements that reach each line, out of the listing of -vv."""
    out = {}
    for line in section(result):
        match = re.fullmatch(r"candidate\.py:(\d+)(?:-(\d+))?: ([A-Z, 0-9-]+)", line)
        if match:
            for number in range(int(match[1]), int(match[2] or match[1]) + 1):
                out[number] = set(match[3].split(", "))
    return out


# -- what it shows ------------------------------------------------------------------------


def test_the_dead_branch_of_a_candidate_of_40_lines_is_named(suite):
    result = suite("--mmowner-cov")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(
        [
            "*mmowner coverage: rules:candidate.py:Rules*",
            "file *lines *branches",
            "candidate.py *32/33 *96% *17/18 *94%",
            "total *96.08%",
            "no requirement reaches:",
            DEAD,
            '*candidate.py:19 in *: self.host.bug("negative users"); nearest: *-* (line 18)',
        ]
    )
    assert sum("candidate.py:" in line for line in section(result)) == 3  # the title and the two


@pytest.mark.slow
def test_under_xdist_the_same_is_told(suite):
    only = ("-k", "test_fork.py or test_search.py")
    alone, parallel = (suite("--mmowner-cov", "-vv", *only, *more) for more in ((), ("-n", "2")))
    assert alone.ret == parallel.ret == pytest.ExitCode.OK
    assert section(alone) == section(parallel)
    alone.stdout.fnmatch_lines([DEAD])


@pytest.mark.parametrize(
    ("line", "right", "wrong"),
    [
        (13, "mm.owner = None\n\n    def mm_update", "pass\n\n    def mm_update"),
        (17, "            return\n        if mm.users < 0",
         "            mm.owner = None\n        if mm.users < 0"),
        (37, "yield from self.host.current.real_parent.children", "pass"),
        (40, "yield leader", "break"),
    ],
    ids=["clear", "not-the-owner", "siblings", "everybody"],
)  # fmt: skip
def test_with_a_mutant_in_a_branch_a_requirement_that_reaches_it_fails(
    suite, pytester, line, right, wrong
):
    assert CANDIDATE.count(right) == 1
    pytester.makepyfile(candidate=CANDIDATE.replace(right, wrong))
    chapters = "test_fork.py or test_search.py or test_exec.py or test_thread_exit.py"
    result = suite("--mmowner-cov", "-vv", "-k", chapters)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    failed = re.search(r"^fail: (.+)$", result.stdout.str(), re.MULTILINE)[1].split(", ")
    assert reach(result)[line] & set(failed)


def test_verbose_runs_count_what_only_one_requirement_reaches(suite):
    result = suite("--mmowner-cov", "-v", "-k", "test_clone_fails or test_fork")
    result.stdout.fnmatch_lines(["requirement   lines that only it reaches", "*FORK-*"])


def test_without_the_suite_nothing_is_said(pytester):
    pytester.makepyfile("def test_nothing(): pass")
    pytester.makeini("[pytest]\nmmowner_cov = true\n")
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=1)
    assert "mmowner coverage" not in result.stdout.str()


def test_a_tracker_and_a_package_are_measured_where_they_are_written(suite, pytester, root):
    tracker = (root / "examples/tracker.py").read_text()
    pytester.mkpydir("kernel")
    pytester.makepyfile(
        **{
            "kernel/__init__": "from functools import partial\nfrom kernel.inner import Tracker\n"
            "factory = partial(Tracker)\n",
            "kernel/inner": tracker,
            "kernel/unused": "def nothing():\n    return 1\n",
        }
    )
    specs = [
        f"--mmowner-candidate=python:{name}:{made}"
        for name, made in (("kernel", "factory"), ("kernel.inner", "Tracker"))
    ]
    result = suite(*specs, "--mmowner-cov", "-k", "test_fork.py or test_search.py", spec=None)
    result.stdout.fnmatch_lines(
        [
            "*mmowner coverage: python:kernel:factory*",
            "kernel/__init__.py *3/3*",
            "kernel/inner.py *",
            "kernel/unused.py *0/2*",
            "*kernel/unused.py:1 in the module: def nothing():; no requirement enters the module",
            "*mmowner coverage: python:kernel.inner:Tracker*",
            "kernel/inner.py *",
        ]
    )
    second = result.stdout.str().partition("coverage: python:kernel.inner")[2]
    assert "unused.py" not in second


def test_the_reference_is_measured_by_default(suite):
    result = suite("--mmowner-cov", "-k", "test_fork.py", spec=None)
    result.stdout.fnmatch_lines(
        ["*mmowner coverage: reference*", "*_rules.py *", "* more files are no part of what *"]
    )


def test_a_failure_is_measured_without_the_programs_that_make_it_smaller(suite, pytester):
    pytester.makepyfile(
        candidate=CANDIDATE.replace(
            "        mm.owner = task\n\n    def mm_clear", "        pass\n\n    def mm_clear"
        )
    )
    result = suite("--mmowner-cov", "-vv", "-k", "test_a_forked_child_owns_its_new_mm")
    result.assert_outcomes(failed=1, deselected=result.parseoutcomes()["deselected"])
    assert set.union(*reach(result).values()) == {"FORK-01"}


# -- beside the user's own coverage -------------------------------------------------------


def data_of(folder):
    """Return the arcs and the contexts of each file of a coverage run, without our own modules."""
    data = CoverageData(str(folder / ".coverage"))
    data.read()
    return {
        name: (sorted(data.arcs(name)), data.contexts_by_lineno(name))
        for name in data.measured_files()
        if "/_cov" not in name and not name.endswith("pytest_mmowner/plugin.py")
    }


@pytest.mark.slow
@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize("core", ["ctrace", "pytrace"])
def test_a_coverage_run_around_the_tests_loses_and_gains_nothing(suite, pytester, core):
    pytester.makefile(
        ".ini",
        rc="[run]\nbranch = true\ndynamic_context = test_function\nrelative_files = true\n"
        f"core = {core}\nsource =\n    .\n    pytest_mmowner\n    mmowner_reference\n",
    )
    before = ("-m", "coverage", "run", "--rcfile=rc.ini", "-m", "pytest")
    only = ("-k", "test_search.py and not 6.1")
    plain = suite(*only, before=before)
    without = data_of(pytester.path)
    both = suite("--mmowner-cov", *only, before=before)
    assert plain.ret == both.ret == pytest.ExitCode.OK
    assert data_of(pytester.path) == without
    assert "candidate.py" in without
    alone = suite("--mmowner-cov", *only)
    assert section(both) == section(alone)
    for result in (plain, both):
        assert "Trace function changed" not in result.stdout.str() + result.stderr.str()


@pytest.mark.usefixtures("unmeasured")
def test_measuring_subprocesses_does_not_measure_ours(suite, pytester):
    pytester.makefile(".ini", rc="[run]\npatch = subprocess\nparallel = true\nsource = .\n")
    before = ("-m", "coverage", "run", "--rcfile=rc.ini", "-m", "pytest")
    result = suite("--mmowner-cov", "-k", "test_fork.py", before=before)
    assert "mmowner coverage: rules:candidate.py:Rules" in result.stdout.str()
    assert len(list(pytester.path.glob(".coverage.*"))) == 1


# -- the gate -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "more", [(), ("-n", "1"), ("--no-summary",)], ids=["alone", "xdist", "no-summary"]
)
def test_less_than_demanded_fails_the_run_and_says_so(suite, more):
    result = suite("--mmowner-cov-fail-under=90.5", "-k", "test_fork.py", *more)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            "mmowner coverage of rules:candidate.py:Rules: *%, which is less than --mmowner-cov-fail-under=90.5"
        ]
    )


def test_as_much_as_demanded_is_enough(suite, pytester):
    pytester.makeini("[pytest]\nmmowner_cov_fail_under = 10\nmmowner_cov = true\n")
    result = suite("-k", "test_fork.py")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["*mmowner coverage: rules:candidate.py:Rules*"])
    assert "less than" not in result.stdout.str()


def test_collecting_measures_nothing(suite):
    result = suite("--mmowner-cov-fail-under=100", "--collect-only", "-q")
    assert result.ret == pytest.ExitCode.OK
    assert "mmowner coverage" not in result.stdout.str()


# -- errors -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--mmowner-candidate=cmd:./adapter"], "*does not measure cmd:./adapter: it runs in a process of its own*"),
        (["--mmowner-candidate=linux:uml"], "*does not measure linux:uml: its code is a kernel*"),
        (["--mmowner-candidate=mutant:no-siblings"], "*does not measure mutant:no-siblings: its code is ours*"),
        (["--mmowner-cov-fail-under=101"], "*--mmowner-cov-fail-under=101: say a percentage*"),
        (["--mmowner-cov-fail-under=much"], "*--mmowner-cov-fail-under=much: say a percentage*"),
    ],
    ids=lambda value: value[0][10:] if isinstance(value, list) else "",
)  # fmt: skip
def test_what_cannot_be_measured_is_a_wrong_call(suite, arguments, message):
    result = suite("--mmowner-cov", *arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([message])


def test_without_coverage_py_the_call_says_what_to_install(suite, pytester):
    pytester.makepyfile(
        hide="""
        import sys

        class Hide:
            def find_spec(self, name, path=None, target=None):
                if name == "coverage":
                    raise ImportError(name)

        sys.meta_path.insert(0, Hide())
        import importlib.util
        real = importlib.util.find_spec
        importlib.util.find_spec = lambda name, *rest: None if name == "coverage" else real(name, *rest)
        """
    )
    result = suite("--mmowner-cov", before=("-m", "pytest", "-p", "hide"))
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*install coverage: pip install pytest-mmowner?cov?*"])


@pytest.mark.parametrize("more", [(), ("-n", "1")], ids=["alone", "xdist"])
def test_a_candidate_that_ends_the_second_run_is_an_error_with_the_reason(suite, pytester, more):
    pytester.makepyfile(
        candidate="import os, sys\nif 'pytest' not in sys.modules:\n"
        "    print('only once', file=sys.stderr, flush=True)\n    os._exit(3)\n" + CANDIDATE
    )
    result = suite("--mmowner-cov", "-k", "test_fork.py", *more)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            "*rules:candidate.py:Rules cannot be measured: * which ended with exit status 3.*",
            "*only once*",
        ]
    )


def test_a_candidate_that_answers_otherwise_the_second_time_is_found_out(suite, pytester):
    pytester.makepyfile(
        candidate=CANDIDATE.replace(
            "if mm.users > 1", "import sys\n        if mm.users > 1 and 'pytest' in sys.modules"
        )
    )
    result = suite("--mmowner-cov", "-k", "test_search.py")
    result.stdout.fnmatch_lines(
        ["rules:candidate.py:Rules answered differently when it was run again*"]
    )


@pytest.mark.usefixtures("unmeasured")
def test_the_plugin_does_not_import_coverage(pytester):
    script = "import sys, pytest_mmowner.plugin, pytest_mmowner._cov; assert 'coverage' not in sys.modules"
    assert pytester.run(sys.executable, "-c", script).ret == 0
