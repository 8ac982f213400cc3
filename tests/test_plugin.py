"""The plugin in real pytest runs: options, exit codes, verdicts, and the company it keeps."""

import re
import sys

import pytest

SUITE = ("--pyargs", "mmowner_conformance", "-p", "no:cacheprovider")
FORK = "test_a_forked_child_owns_its_new_mm"


@pytest.fixture
def suite(pytester):
    """Run the suite in a process of its own and return the result."""

    def run(*args, keep_cache=False):
        base = SUITE[:2] if keep_cache else SUITE
        return pytester.runpytest_subprocess(*base, *args, timeout=300)

    return run


# -- exit codes and verdicts ------------------------------------------------------------


def test_the_reference_is_green_without_any_option(suite):
    result = suite()
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(
        [
            "*mmowner: reference, dialect 6.11*",
            "level *pass*fail*error*hazard*unknown*untestable*not applicable*",
            "safety *",
            "order *",
            "accounting *",
            "chapter *",
            "FORK *",
            "* requirements: * pass, * not applicable",
        ]
    )


@pytest.mark.slow
def test_rfc_v4_is_green_and_its_hazards_are_shown_with_shortest_programs(suite):
    result = suite("--mmowner-candidate=reference:rfc-v4")
    assert result.ret == pytest.ExitCode.OK
    text = result.stdout.str()
    shown = re.findall(r"(\S+-\d+) \[\w+\]: .*\n +shortest program, (\d+) operations", text)
    shortest = {rule: [int(number) for of, number in shown if of == rule] for rule, _ in shown}
    assert {rule: shortest[rule][0] for rule in HAZARDS} == HAZARDS
    assert sorted(shortest["INV-01"]) == [1, 4, 4, 5]
    # A failed fork; the RFC's exec; a kernel thread that gave the mm back.
    assert sorted(shortest["INV-02"]) == [1, 2, 6]


#: Lengths of the shortest programs that show what rfc-v4 breaks.
HAZARDS = {
    "LEADER-05": 6,  # leader leaves, then its thread, then it is reaped
    "LEADER-06": 4,  # a thread execs
    "EXEC-02": 5,  # the owner execs, exits and is reaped
    "EXIT-07": 3,  # a holder outlives the last task
    "USERS-03": 4,  # and the task is reaped
    "KTHREAD-01": 5,
    "FORK-07": 1,
}


@pytest.mark.slow
def test_none_is_judged_by_what_holds_without_owners(suite):
    result = suite("--mmowner-candidate=reference:none")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["CONF *1 *", "*requirements: 7 pass, *"])


def test_a_wrong_candidate_fails_with_a_minimal_program_and_the_reason(suite):
    result = suite("--mmowner-candidate=mutant:no-siblings", "-k", "test_a_sibling_comes_before")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            "SEARCH-01 ?order?*",
            "candidate mutant:no-siblings, dialect 6.11",
            "minimal program, * operations:",
            "* 1  clone(1, 2, mm=2)",
            "after exit(*",
            "*observed: owner(mm *) is task *",
            "*allowed are only: task *",
            "*because SEARCH-01: *",
            "*before: *after, as it should be:",
            "fail: SEARCH-01",
        ]
    )


def test_several_candidates_are_judged_in_one_run(suite):
    result = suite(
        "--mmowner-candidate=reference", "--mmowner-candidate=mutant:fork-gives-parent", "-k", FORK
    )
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        ["*mmowner: reference, dialect 6.11*", "*mmowner: mutant:fork-gives-parent, dialect 6.11*"]
    )


def test_nothing_applicable_is_no_success(suite):
    result = suite("-k", "test_without_memcg_there_is_no_owner")
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    result.stdout.fnmatch_lines(["Nothing was applicable: that is no success."])


def test_a_test_that_somebody_else_skips_is_unknown_and_not_green(pytester, suite):
    pytester.makeconftest("def pytest_runtest_setup(item):\n    import pytest; pytest.skip('no')")
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.requirement("FORK-01")
        def test_fork(mmowner_session):
            pytest.skip("not today")
        """
    )
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "--noconftest")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["unknown: FORK-01"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--mmowner-candidate=refrence"], "*unknown candidate 'refrence'. Did you mean 'reference'?*"),
        (["--mmowner-candidate=mutant:sibling-first"], "*Did you mean 'siblings-first'?*"),
        (["--mmowner-candidate=cmd:./nowhere"], "*'./nowhere' is not there*"),
        (["--mmowner-candidate=python:nowhere:T"], "*module 'nowhere' cannot be imported*"),
        (["--mmowner-candidate=linux:moon"], "*linux:uml, linux:uml=PATH or linux:host*"),
        (["--mmowner-candidate=linux:uml=/nowhere/linux"], "*/nowhere/linux*apt install user-mode-linux*"),
        (["--mmowner-dialect=6.x"], "*unknown dialect '6.x'; known are rfc-v4, 2.6.26, *, 6.11, none, and releases*"),
        (["--mmowner-level=safty"], "*unknown level 'safty'*Did you mean 'safety'?*"),
        (["--mmowner-seed=one"], "*--mmowner-seed=one: not a number*"),
        (["--mmowner-timeout=0"], "*--mmowner-timeout=0: must be more than 0*"),
    ],
    ids=lambda value: value[0][10:] if isinstance(value, list) else "",
)  # fmt: skip
@pytest.mark.parametrize("parallel", [False, True], ids=["alone", "xdist"])
def test_a_wrong_call_exits_with_4_and_says_what_was_meant(suite, arguments, message, parallel):
    more = ["-n", "1"] if parallel else []
    result = suite(*arguments, *more, "-k", FORK)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([message])


def test_an_unknown_requirement_in_a_users_test_exits_with_4(pytester):
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.requirement("FORK-99")
        def test_fork(mmowner_session):
            pass
        """
    )
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*unknown requirement 'FORK-99'. Did you mean 'FORK-*'?*"])


def test_a_candidate_that_breaks_is_an_error_and_the_run_goes_on(pytester, suite):
    pytester.makepyfile(
        shaky="""
        class Shaky:
            def clone(self, task, child, flags, mm):
                if "THREAD" in flags:
                    raise OSError("disk full")

            def owner(self, mm):
                return mm
        """
    )
    result = suite(
        "--mmowner-candidate=python:shaky.py:Shaky", "-k",
        "test_a_thread_does_not_own or test_a_process_that_shares or " + FORK,
    )  # fmt: skip
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            "*the candidate broke: it raised OSError: disk full",
            "in flight: clone(2, 3, THREAD)",
            "*disk full*",
            "error: FORK-03",
            "2 requirements: 1 pass, 1 error",
        ]
    )


def test_a_bug_of_the_suite_is_no_fault_of_the_candidate(pytester):
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.requirement("FORK-01")
        def test_fork(mmowner_session):
            mmowner_session.play("FORK-01", "clone(init, P, mm=M)\\nowner(M) == init")
        """
    )
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*one of them is wrong, and it is not the candidate*"])
    result.stdout.fnmatch_lines(["error: FORK-01"])


# -- pytest's own ways -------------------------------------------------------------------


@pytest.mark.slow
def test_under_xdist_the_verdicts_are_the_same(suite):
    arguments = ("--mmowner-candidate=mutant:exec-forgets", "-k", "exec or fork", "-q")
    alone, parallel = suite(*arguments), suite(*arguments, "-n", "2")
    assert alone.ret == parallel.ret == pytest.ExitCode.TESTS_FAILED

    def totals(result):
        return [line for line in result.stdout.lines if "requirements:" in line]

    assert totals(alone) == totals(parallel)
    assert len(totals(alone)) == 1


def test_levels_choose_requirements(suite):
    result = suite("--mmowner-level=accounting", "--collect-only", "-q")
    assert result.ret == pytest.ExitCode.OK
    names = result.stdout.str()
    assert "test_charging.py" in names
    assert "test_search.py" not in names


def test_options_have_ini_twins(pytester, suite):
    pytester.makeini(
        "[pytest]\nmmowner_candidate =\n    mutant:no-children\n    reference\nmmowner_level = order\n"
        "mmowner_dialect = 6.11\nmmowner_seed = 7\nmmowner_timeout = 3\n"
    )
    result = suite("-k", "test_a_child_comes_before_an_older_sibling or " + FORK)
    result.assert_outcomes(passed=1, failed=1, deselected=result.parseoutcomes()["deselected"])
    result.stdout.fnmatch_lines(["mmowner: mutant:no-children, reference; dialect 6.11; seed 7"])


def test_exitfirst_stops_at_the_first_failure(suite):
    result = suite("--mmowner-candidate=mutant:no-handoff", "-x", "-q")
    assert result.parseoutcomes()["failed"] == 1


@pytest.mark.slow
@pytest.mark.nightly
def test_last_failed_runs_only_what_failed(suite, pytester):
    arguments = ("--mmowner-candidate=mutant:fork-gives-forkers-leader", "-k", "fork")
    first = suite(*arguments, keep_cache=True)
    again = suite(*arguments, "--lf", keep_cache=True)
    assert first.parseoutcomes()["failed"] == again.parseoutcomes()["failed"]
    assert "passed" not in again.parseoutcomes()


def test_quiet_runs_say_it_in_a_line(suite):
    result = suite("-q", "-k", FORK)
    result.stdout.fnmatch_lines(["mmowner: reference, dialect 6.11: 1 requirements: 1 pass"])
    assert "chapter" not in result.stdout.str()


def test_no_summary_means_no_summary(suite):
    result = suite("--no-summary", "-k", FORK)
    assert "requirements:" not in result.stdout.str()


def test_strict_markers_and_warnings_as_errors_are_fine(suite):
    result = suite("--strict-markers", "--strict-config", "-W", "error", "-k", "fork")
    assert result.ret == pytest.ExitCode.OK


def test_collecting_starts_no_candidate(suite):
    result = suite("--collect-only", "-q", "--mmowner-candidate=cmd:false")
    assert result.ret == pytest.ExitCode.OK


def test_verdicts_are_in_the_junit_file_with_and_without_xdist(suite, pytester):
    for more in ([], ["-n", "1"]):
        suite("--junit-xml=out.xml", "-k", FORK, *more)
        text = (pytester.path / "out.xml").read_text()
        assert '<property name="mmowner_requirement" value="FORK-01"' in text
        assert '<property name="mmowner_verdict" value="pass"' in text


def test_the_plugin_can_be_turned_off(pytester, monkeypatch):
    monkeypatch.delenv("PYTEST_ADDOPTS")  # options of ours
    pytester.makepyfile("def test_nothing(): pass")
    result = pytester.runpytest_subprocess("-p", "no:mmowner", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=1)


def test_a_run_without_the_suite_is_left_alone(pytester):
    pytester.makepyfile("def test_nothing(): pass")
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    assert (
        "mmowner" not in result.stdout.str().replace("plugins: mmowner", "").split("collected")[1]
    )


def test_the_plugin_is_cheap_to_load(pytester):
    pytester.makepyfile(
        """
        import sys

        def test_what_is_loaded():
            heavy = {"hypothesis", "msgspec", "rich", "mmowner_reference", "pytest_mmowner._spec"}
            assert "pytest_mmowner.plugin" in sys.modules
            assert not heavy & sys.modules.keys()
        """
    )
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:hypothesispytest")
    result.assert_outcomes(passed=1)


def test_the_public_names_are_there_and_come_lazily(pytester):
    script = pytester.makepyfile(
        names="""
        import sys
        import pytest_mmowner

        assert "hypothesis" not in sys.modules
        for name in pytest_mmowner.__all__:
            assert getattr(pytest_mmowner, name) is not None, name
        assert dir(pytest_mmowner) == sorted(pytest_mmowner.__all__)
        try:
            pytest_mmowner.nonsense
        except AttributeError as exc:
            assert "nonsense" in str(exc)
        else:
            raise AssertionError("no AttributeError")
        """
    )
    assert pytester.run(sys.executable, script).ret == 0
