"""Records as text: one as the run's own summary, several side by side."""

import re

import pytest
from record_making import header, outcome, who, write

from pytest_mmowner import CallError
from pytest_mmowner._record_read import RecordError, change, compare, show
from pytest_mmowner._requirements import requirements


def test_show_prints_the_summary_as_the_run_did(pytester, suite, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    result = suite(
        "--mmowner-report=run.jsonl",
        "--mmowner-candidate=reference:rfc-v4", "--mmowner-candidate=mutant:no-siblings",
    )  # fmt: skip
    printed = result.stdout.str()
    start = printed.index("mmowner: reference:rfc-v4, dialect rfc-v4 ---")
    end = printed.index("=== short test summary") - 80
    summary = [line.rstrip() for line in printed[start:end].splitlines()[1:]]
    shown = [line.rstrip() for line in show(pytester.path / "run.jsonl").splitlines()]
    assert "\n".join(line for line in summary if line.strip("=")) in "\n".join(
        line for line in shown if line
    )
    text = "\n".join(shown)
    assert "candidate mutant:no-siblings: no-siblings, Python, claims dialect 6.11" in text
    assert "fail: SEARCH-01 [order] Children are asked first" in text
    assert f"seed 0; levels all; {len(requirements())} requirements" in text


def test_show_prints_who_was_tested_and_what_never_ended(small):
    text = show(small)
    assert text.startswith(f"record {small}: pytest-mmowner ")
    assert "\npytest -q\n" in text
    assert (
        "candidate cmd:./mine: ./mine, 1.0, C, claims dialect 6.11, started: ./adapter -v, "
        "made by hand" in text
    )
    assert "\nfail: SEARCH-01 is broken:\nit is\n" in text
    assert re.search(r"\n-+ mmowner: cmd:./mine, dialect 6.11 -+\n", text)
    assert text.endswith("cmd:./mine: tests that never ended: VFORK-01 (1)\n")


def test_show_and_compare_refuse_what_does_not_hold_together(small):
    small.write_bytes(small.read_bytes()[:-5])
    for call in (show, lambda path: compare([path, path])):
        with pytest.raises(RecordError, match="truncated"):
            call(small)


def made(tmp_path, name, spec, said, **more):
    outcomes = [
        outcome(spec, rule, verdict, text=text, observed=text if verdict == "fail" else "")
        for rule, (verdict, text) in said.items()
    ]
    return write(tmp_path / name, header(who(spec, dict.fromkeys(said, 1)), **more), outcomes)


def test_compare_puts_runs_side_by_side(tmp_path):
    old = made(
        tmp_path, "old.jsonl", "cmd:./v1",
        {
            "SEARCH-01": ("fail", "after exit(2): owner(mm 2) is task 3"),
            "FORK-01": ("pass", ""),
            "FORK-02": ("pass", ""),
            "EXIT-01": ("fail", "after exit(2): owner(mm 2) is nobody"),
            "EXIT-02": ("error", "cmd:./v1 exited with 1\nstderr"),
            "EXEC-01": ("not applicable", "the candidate does not show exec"),
            "EXEC-02": ("fail", "x"),
            "INV-01": ("fail", "the same"),
        },
        suite="0.0.9",
    )  # fmt: skip
    new = made(
        tmp_path, "new.jsonl", "cmd:./v2",
        {
            "SEARCH-01": ("pass", ""),
            "FORK-01": ("fail", "after clone(1, 2, mm=2): owner(mm 2) is task 1"),
            "FORK-02": ("not applicable", "the candidate does not show clone"),
            "EXIT-01": ("fail", "after exit(2): owner(mm 2) is task 3"),
            "EXIT-02": ("error", "cmd:./v2 exited with 1\nstderr"),
            "EXEC-01": ("fail", "after exec(2): owner(mm 2) is task 2"),
            "EXEC-02": ("not applicable", "the candidate does not show exec"),
            "INV-01": ("fail", "the same"),
            "OLD-01": ("pass", ""),
        },
    )  # fmt: skip
    text = compare([old, new])
    legend, table, pairs, totals = text.split("\n\n")
    assert legend.splitlines() == [
        f"A  {old}: cmd:./v1, dialect 6.11 (./v1, 1.0; suite 0.0.9)",
        f"B  {new}: cmd:./v2, dialect 6.11 (./v2, 1.0; suite 0.1.0)",
    ]
    assert table.splitlines() == [
        "requirement  A               B",
        "FORK-01      pass            fail",
        "FORK-02      pass            not applicable",
        "EXIT-01      fail            fail",
        "SEARCH-01    fail            pass",
        "EXEC-01      not applicable  fail",
        "EXEC-02      fail            not applicable",
        "OLD-01       -               pass",
    ]
    assert pairs.splitlines() == [
        "A to B: 2 better, 3 worse, 2 changed",
        "  better: SEARCH-01, OLD-01",
        "  worse: FORK-01, FORK-02, EXEC-01",
        "  changed: EXIT-01: fail both times: test_it[CANDIDATE]: after exit(2): owner(mm 2) is "
        "nobody; now test_it[CANDIDATE]: after exit(2): owner(mm 2) is task 3",
        "  changed: EXEC-02: fail, now not applicable",
    ]
    assert totals.splitlines() == [
        "A: 8 requirements: 2 pass, 4 fail, 1 error, 1 not applicable",
        "B: 9 requirements: 2 pass, 4 fail, 1 error, 2 not applicable",
    ]


def test_compare_shows_only_the_first_line_of_a_long_text(tmp_path):
    paths = [
        made(tmp_path, f"{n}.jsonl", "cmd:./x", {"EXIT-02": ("error", text)})
        for n, text in enumerate(["broke\nat once", ""])
    ]
    assert "changed: EXIT-02: error both times: broke ...; now nothing was said" in compare(paths)


def test_compare_of_many_runs_has_a_line_for_each_pair(tmp_path):
    paths = [made(tmp_path, f"{n}.jsonl", "cmd:./x", {"FORK-01": ("pass", "")}) for n in range(3)]
    text = compare(paths)
    assert "No requirement differs." in text
    for pair in ("A to B", "A to C", "B to C"):
        assert f"{pair}: 0 better, 0 worse, 0 changed" in text
    assert "#27  " in compare(paths * 9)


def test_candidates_of_one_record_are_compared_and_one_run_is_not(tmp_path):
    head = header(who("cmd:./a", {"FORK-01": 1}))  # of ./b nothing is known
    both = write(
        tmp_path / "both.jsonl", head,
        [outcome("cmd:./a", "FORK-01", "pass"), outcome("cmd:./b", "FORK-01", "fail")],
    )  # fmt: skip
    text = compare([both])
    assert "A to B: 0 better, 1 worse, 0 changed\n  worse: FORK-01" in text
    assert "cmd:./b, dialect 6.11 (suite" in text
    one = made(tmp_path, "one.jsonl", "cmd:./a", {"FORK-01": ("pass", "")})
    with pytest.raises(CallError, match=r"nothing to compare: 1 run in 1 record"):
        compare([one])


@pytest.mark.parametrize(
    ("was", "now", "kind"),
    [
        ("pass", "pass", ""), ("fail", "fail", ""),
        ("fail", "pass", "better"), ("not applicable", "pass", "better"), ("-", "pass", "better"),
        ("pass", "fail", "worse"), ("pass", "not applicable", "worse"), ("pass", "-", "worse"),
        ("hazard", "unknown", "worse"), ("-", "error", "worse"),
        ("fail", "not applicable", "changed"), ("error", "fail", "changed"), ("fail", "-", "changed"),
        ("hazard", "not applicable", "changed"),
    ],
)  # fmt: skip
def test_only_a_pass_is_better_and_only_its_loss_or_a_new_fault_is_worse(was, now, kind):
    assert change(was, now) == kind
