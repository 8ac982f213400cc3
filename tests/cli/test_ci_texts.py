"""GitHub's step summary and annotations, and badges: with and without xdist."""

import json
import re

import pytest

from pytest_mmowner._baseline import Baseline, Entry
from pytest_mmowner._ci import (
    ANNOTATIONS,
    _cut,
    badge,
    command,
    error_lines,
    markdown,
    write_badges,
)
from pytest_mmowner._requirements import requirements
from pytest_mmowner._verdicts import Outcome, Verdicts

SUITE = ("--pyargs", "mmowner_conformance", "-q", "--tb=no", "-p", "no:cacheprovider")
BOTH = pytest.mark.parametrize(
    "workers",
    [(), pytest.param(("-n", "2"), marks=pytest.mark.slow)],
    ids=["alone", "xdist"],
)


def verdicts(*outcomes, candidate="cmd:./a", dialect="6.11"):
    made = Verdicts(candidate, dialect)
    for rule, verdict, *more in outcomes:
        made.take(Outcome(rule, verdict, candidate, dialect, "test_x", *more))
    return made


def level(name):
    return [
        r.id for r in requirements().values()
        if r.judged and r.level == name and "6.11" in r.dialects
    ]  # fmt: skip


@pytest.fixture
def github(pytester, monkeypatch):
    """Run the suite as if in GitHub Actions; return the result and the step summary."""

    def run(*words, **changed):
        path = pytester.path / "summary.md"
        path.write_text("before\n")
        env = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(path), **changed}
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        done = pytester.runpytest_subprocess(*SUITE, *words)
        return done, path.read_text("utf-8")

    return run


# -- in a run ---------------------------------------------------------------------------


@pytest.mark.slow
@BOTH
def test_a_red_run_has_a_summary_and_annotations(github, workers):
    done, text = github(
        "--mmowner-candidate=mutant:siblings-first", "--mmowner-level=order", *workers
    )
    assert done.ret == 1
    assert text.startswith("before\n## ❌ mm owner: <code>mutant:siblings-first</code>")
    assert text.count("## ❌") == 1
    assert re.search(r"^\| level \| pass \| fail \|", text, re.MULTILINE)
    assert re.search(r"^\| order \| \d+ \| \d+ \|", text, re.MULTILINE)
    assert "<details><summary><b>SEARCH-01</b> fail: Children are asked first" in text
    assert "<pre>clone(1, 2, mm=2)\nclone(2, 3, " in text
    assert "### Not applicable" in text
    lines = [line for line in done.outlines if line.startswith("::error")]
    found = [line for line in lines if line.startswith("::error title=SEARCH-01::fail: Children")]
    assert len(found) == 1
    assert "source: RFC v4 kernel/exit.c mm_update_next_owner" in found[0]
    assert "owner(mm" in found[0]


@pytest.mark.slow
@BOTH
def test_a_green_run_has_a_summary_and_no_annotation(github, workers):
    done, text = github("--mmowner-level=order", *workers)
    assert done.ret == 0
    assert "## ✅ mm owner: <code>reference</code>" in text
    assert "::error" not in done.stdout.str()


@pytest.mark.slow
def test_hazards_are_no_fault_and_have_their_program(github):
    done, text = github("--mmowner-dialect=rfc-v4", "-k", "shortest_program_of_a_hazard")
    assert done.ret == 0
    assert "### Hazards of the dialect <code>rfc-v4</code> (no fault of the candidate)" in text
    assert "shortest program" in text
    assert "::error" not in done.stdout.str()


def test_off_is_off(github):
    done, text = github(
        "--mmowner-candidate=mutant:no-siblings", "--mmowner-ci=off", "-k", "stranger"
    )
    assert text == "before\n"
    assert "::error" not in done.stdout.str()


def test_a_run_without_the_suite_writes_nothing(github, pytester):
    pytester.makepyfile("def test_mine(): assert 0")
    done = pytester.runpytest_subprocess("-q")
    done.assert_outcomes(failed=1)
    _, text = github("--co")
    assert text == "before\n"


def test_outside_of_github_it_is_asked_for(pytester, monkeypatch):
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)
    words = (*SUITE, "--mmowner-candidate=mutant:no-siblings", "-k", "sibling_comes_before")
    assert "::error" not in pytester.runpytest_subprocess(*words).stdout.str()
    done = pytester.runpytest_subprocess(*words, "--mmowner-ci=github")
    done.stdout.fnmatch_lines(
        ["*no step summary: GITHUB_STEP_SUMMARY is not set", "::error title=SEARCH-01::*"]
    )


def test_a_summary_that_cannot_be_written_is_said_and_changes_no_verdict(github, pytester):
    done, _ = github("-k", "older_sibling", GITHUB_STEP_SUMMARY=str(pytester.path))
    assert done.ret == 0
    done.stdout.fnmatch_lines(["*GITHUB_STEP_SUMMARY cannot be written*"])


@pytest.mark.parametrize("how", ["option", "ini"])
def test_an_unknown_system_ends_the_run_before_it_begins(pytester, how):
    if how == "ini":
        pytester.makeini("[pytest]\nmmowner_ci = githup\n")
    done = pytester.runpytest_subprocess(
        *SUITE, *(["--mmowner-ci=githup"] if how == "option" else [])
    )
    assert done.ret == 4
    done.stderr.fnmatch_lines(["*--mmowner-ci=githup: unknown*Did you mean 'github'?"])


@pytest.mark.slow
def test_many_failures_are_ten_annotations(github):
    done, text = github("--mmowner-candidate=mutant:no-handoff")
    lines = [line for line in done.outlines if line.startswith("::error")]
    red = text.count("<details>")
    assert len(lines) == ANNOTATIONS
    assert lines[-1] == f"::error title=mmowner::{red - 9} more: the step summary has them all"


def test_a_known_failure_has_no_annotation(github, pytester):
    (pytester.path / "known.toml").write_text(
        '[[known]]\nrequirement = "SEARCH-01"\nreason = "known since June"\n'
    )
    done, text = github(
        "--mmowner-candidate=mutant:no-siblings", "--mmowner-baseline=known.toml",
        "-k", "sibling_comes_before",
    )  # fmt: skip
    assert done.ret == 0
    assert "::error" not in done.stdout.str()
    assert "### Known failures" in text
    assert "known since June" in text
    done, text = github("--mmowner-baseline=known.toml", "--mmowner-level=order")
    assert done.ret == 1
    assert "stale" in text
    assert [
        line for line in done.outlines if re.match("::error title=SEARCH-01::pass.*stale", line)
    ]


# -- texts ------------------------------------------------------------------------------


def test_no_text_can_end_a_command_or_begin_another():
    line = command("error", "a:b,c\n::set", "50%\r\n::error::evil")
    assert line == "::error title=a%3Ab%2Cc%0A%3A%3Aset::50%25%0D%0A::error::evil"


def test_errors_and_unknown_are_annotated_with_what_was_said():
    lines = error_lines(verdicts(
        ("SEARCH-01", "error", "it exited"), ("SEARCH-02", "unknown", "too many"), ("TASK-02", "pass"),
    ))  # fmt: skip
    assert len(lines) == 2
    assert "error: Children" in lines[0]
    assert "%0Ait exited%0A" in lines[0]
    assert "too many" in lines[1]


def test_other_peoples_text_is_neither_html_nor_markdown():
    text = markdown(verdicts(
        ("SEARCH-01", "fail", "</pre><script>`x`\n\n# no", "seen", "<b>"),
        ("TASK-02", "not applicable", "it has <no> *exec* | @you"),
        candidate="cmd:./`rm` <x> | y",
    ))  # fmt: skip
    assert "<script>" not in text
    assert "<code>cmd:./&#96;rm&#96; &lt;x&gt; &#124; y</code>" in text
    assert "<pre>&lt;b&gt;</pre>" in text
    assert "&lt;no&gt; &#42;exec&#42; &#124; &#64;you: TASK-02" in text


def test_nothing_applicable_is_no_success():
    text = markdown(
        verdicts(("CONF-01", "not applicable", "CONF-01 is no rule of the dialect 6.11"))
    )
    assert text.startswith("## ❌")
    assert "that is no success" in text
    assert "- no rule of the dialect 6.11: CONF-01" in text


def test_a_listed_failure_is_under_known_failures():
    baseline = Baseline("b.toml", (Entry("known", "SEARCH-01", "later", "b.toml:1"),))
    made = Verdicts("cmd:./a", "6.11")
    made.take(Outcome("SEARCH-01", "fail", "cmd:./a", "6.11", "test_x", "text", "seen", listed="0"))
    assert error_lines(made, baseline) == []
    text = markdown(made, baseline)
    assert "### Known failures" in text
    assert "What makes it red" not in text
    assert len(error_lines(made)) == 1


def test_a_summary_that_is_too_long_is_cut_and_says_so():
    text = markdown(verdicts(("SEARCH-01", "fail", "ä" * 5000, "seen")))
    cut = _cut(text, 2000)
    assert len(cut.encode()) <= 2000
    assert "Cut here" in cut
    assert cut.count("<details>") == cut.count("</details>")
    assert cut.count("<pre>") == cut.count("</pre>")
    assert _cut(text, 10**6) == text
    assert _cut(text, 10) == ""


# -- badges -----------------------------------------------------------------------------


@pytest.mark.slow
@BOTH
def test_a_run_writes_a_badge_for_each_level(pytester, workers):
    done = pytester.runpytest_subprocess(
        *SUITE, "--mmowner-badges=out/b", "--mmowner-level=order", *workers
    )
    assert done.ret == 0
    files = sorted((pytester.path / "out/b").iterdir())
    assert [path.name for path in files] == [
        "mmowner-accounting.json", "mmowner-concurrency.json", "mmowner-order.json", "mmowner-safety.json",
    ]  # fmt: skip
    made = {path.stem: json.loads(path.read_text()) for path in files}
    count = len(level("order"))
    assert made["mmowner-order"] == {
        "schemaVersion": 1, "label": "mm owner: order", "message": f"{count}/{count} pass",
        "color": "brightgreen",
    }  # fmt: skip
    assert "not run" in made["mmowner-safety"]["message"]
    assert made["mmowner-safety"]["color"] != "brightgreen"


def test_a_run_without_the_suite_leaves_badges_alone(pytester):
    pytester.makepyfile("def test_mine(): pass")
    assert pytester.runpytest_subprocess("-q", "--mmowner-badges=b").ret == 0
    assert list((pytester.path / "b").iterdir()) == []


def test_a_directory_that_cannot_be_made_ends_the_run_before_it_begins(pytester):
    (pytester.path / "file").touch()
    done = pytester.runpytest_subprocess(*SUITE, "--mmowner-badges=file/b")
    assert done.ret == 4
    done.stderr.fnmatch_lines(["*--mmowner-badges: the directory cannot be made*"])


@pytest.mark.parametrize(
    ("verdict", "color"),
    [
        ("pass", "brightgreen"), ("hazard", "yellow"), ("not applicable", "yellow"),
        ("unknown", "orange"), ("untestable", "orange"), ("error", "red"), ("fail", "red"),
    ],
)  # fmt: skip
def test_only_passes_are_green(verdict, color):
    rules = level("order")
    made = verdicts(*((rule, "pass") for rule in rules[1:]), (rules[0], verdict))
    got = badge("order", made)
    assert got["color"] == color
    if verdict != "pass":
        assert got["message"] == f"{len(rules) - 1}/{len(rules)} pass, 1 {verdict}"


def test_what_was_not_run_is_not_green_and_nothing_is_grey():
    rules = level("order")
    assert badge("order", verdicts(*((rule, "pass") for rule in rules[1:])))["color"] == "yellow"
    assert badge("order", verdicts())["color"] == "lightgrey"
    nothing = verdicts(*((rule, "not applicable") for rule in rules))
    assert badge("order", nothing)["color"] == "lightgrey"


def test_what_is_no_rule_of_the_dialect_is_not_counted():
    foreign = [
        r.id for r in requirements().values()
        if r.judged and r.level == "order" and "6.11" not in r.dialects
    ]  # fmt: skip
    assert foreign
    made = verdicts(
        *((rule, "pass") for rule in level("order")),
        *((rule, "not applicable") for rule in foreign),
    )
    assert badge("order", made)["color"] == "brightgreen"


def test_several_candidates_have_badges_of_their_own(tmp_path):
    many = [verdicts(candidate="cmd:./a --b"), verdicts(candidate="mutant:x")]
    names = {path.name for path in write_badges(tmp_path, many)}
    assert "mmowner-cmd-.-a-b-order.json" in names
    assert "mmowner-mutant-x-order.json" in names
    assert len(names) == 8
    assert len(write_badges(str(tmp_path), many[0])) == 4
