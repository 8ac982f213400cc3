"""Verdicts: which one wins, how they are counted, and what the summary says."""

from collections import Counter
from itertools import permutations

import pytest

from pytest_mmowner import (
    CallError,
    CandidateError,
    ConformanceFailure,
    MissingPrerequisite,
    NotApplicable,
    Refused,
    SuiteError,
    Unknown,
    Untestable,
)
from pytest_mmowner._requirements import requirements
from pytest_mmowner._session import HazardShown
from pytest_mmowner._summary import COLUMNS, in_words, write_summary
from pytest_mmowner._verdicts import BAD, VERDICTS, Verdicts, verdict_of
from pytest_mmowner.errors import Panic


@pytest.mark.parametrize(
    ("exc", "verdict"),
    [
        (None, "pass"),
        (ConformanceFailure("x"), "fail"),
        (CandidateError("x"), "error"),
        (Panic("x"), "error"),
        (SuiteError("x"), "error"),
        (CallError("x"), "error"),
        (Refused("x"), "error"),
        (KeyError("x"), "error"),
        (AssertionError("x"), "error"),
        (KeyboardInterrupt(), "error"),
        (HazardShown("x"), "hazard"),
        (Unknown("x"), "unknown"),
        (Untestable("x"), "untestable"),
        (MissingPrerequisite("qemu", "apt install it"), "untestable"),
        (NotApplicable("x"), "not applicable"),
    ],
)
def test_every_exception_has_a_verdict(exc, verdict):
    assert verdict_of(exc) == verdict
    assert verdict in VERDICTS


WINS = [
    ("fail", "error"), ("fail", "pass"), ("fail", "not applicable"), ("fail", "hazard"),
    ("fail", "unknown"), ("fail", "untestable"), ("error", "untestable"), ("error", "unknown"),
    ("error", "hazard"), ("error", "pass"), ("untestable", "unknown"), ("untestable", "pass"),
    ("unknown", "hazard"), ("unknown", "pass"), ("unknown", "not applicable"), ("hazard", "pass"),
    ("hazard", "not applicable"), ("pass", "not applicable"),
]  # fmt: skip


@pytest.mark.parametrize(("winner", "loser"), WINS)
def test_the_worse_verdict_wins_and_a_pass_beats_not_applicable(winner, loser):
    for order in permutations([winner, loser, loser]):
        verdicts = Verdicts("c", "6.11")
        for verdict in order:
            verdicts.add("INV-01", verdict)
        assert verdicts.of("INV-01") == winner


def test_of_all_verdicts_together_the_first_wins():
    for size in range(1, len(VERDICTS) + 1):
        verdicts = Verdicts("c", "6.11")
        for verdict in reversed(VERDICTS[-size:]):
            verdicts.add("INV-01", verdict)
        assert verdicts.of("INV-01") == VERDICTS[-size]
    assert set(COLUMNS) == set(VERDICTS)


@pytest.mark.parametrize(
    ("seen", "answered", "ok"),
    [
        ([], False, False),
        (["not applicable"], False, False),
        (["pass"], True, True),
        (["pass", "not applicable"], True, True),
        (["hazard"], True, True),
        (["hazard", "not applicable"], True, True),
        *((["pass", verdict], True, False) for verdict in sorted(BAD)),
        *(([verdict], True, False) for verdict in sorted(BAD)),
    ],
)
def test_a_run_is_ok_when_something_was_decided_and_nothing_is_bad(seen, answered, ok):
    verdicts = Verdicts("c", "6.11")
    for rule, verdict in zip(requirements(), seen, strict=False):
        verdicts.add(rule, verdict)
    assert (verdicts.answered, verdicts.ok) == (answered, ok)


def example():
    verdicts = Verdicts("python:m:T", "6.11")
    verdicts.add("SEARCH-01", "fail", "the sibling came first\nprogram")
    verdicts.add("SEARCH-01", "pass")
    verdicts.add("SEARCH-02", "pass")
    verdicts.add("INV-07", "pass")
    verdicts.add("INV-01", "pass")
    verdicts.add("CHARGE-01", "not applicable", "the candidate does not show charge")
    verdicts.add("CHARGE-02", "not applicable", "the candidate does not show charge")
    verdicts.add("LEADER-01", "not applicable", "LEADER-01 is no rule of the dialect 6.11")
    return verdicts


def test_counts_are_by_requirement_not_by_test():
    verdicts = example()
    assert verdicts.counts(verdicts.tests) == {"fail": 1, "pass": 3, "not applicable": 3}
    assert verdicts.counts(["SEARCH-01", "FORK-01"]) == {"fail": 1}
    assert verdicts.by_level() == {
        "safety": {"pass": 2},
        "order": {"fail": 1, "pass": 1, "not applicable": 1},
        "accounting": {"not applicable": 2},
    }
    assert list(verdicts.by_level()) == ["safety", "order", "accounting"]
    assert verdicts.by_chapter() == {
        "INV": {"pass": 2}, "LEADER": {"not applicable": 1},
        "SEARCH": {"fail": 1, "pass": 1}, "CHARGE": {"not applicable": 2},
    }  # fmt: skip
    assert sum(sum(c.values()) for c in verdicts.by_chapter().values()) == 7


def test_requirements_with_a_verdict_come_in_the_order_of_the_file():
    assert example().with_verdict("pass") == ["INV-01", "INV-07", "SEARCH-02"]
    assert example().with_verdict("unknown") == []


def test_the_text_of_a_requirement_is_the_one_of_its_verdict():
    verdicts = example()
    assert verdicts.text("SEARCH-01") == "the sibling came first\nprogram"
    assert verdicts.text("SEARCH-02") == ""
    verdicts.add("SEARCH-01", "fail", "a longer text about something that came afterwards")
    assert verdicts.text("SEARCH-01") == "the sibling came first\nprogram"


class Terminal:
    """What the summary needs of pytest's terminal reporter."""

    def __init__(self):
        self.text = ""
        self.marks = []

    def write_sep(self, sep, title):
        self.text += f"{sep * 3} {title} {sep * 3}\n"

    def section(self, title, sep):
        self.write_sep(sep, title)

    def write(self, text, **markup):
        self.text += text
        self.marks += [(text.strip(), mark) for mark in markup]

    def write_line(self, text, **markup):
        self.write(text + "\n", **markup)


def summary(*verdicts, verbosity=0):
    terminal = Terminal()
    write_summary(terminal, list(verdicts), verbosity)
    return terminal


def test_the_summary_has_tables_names_reasons_and_a_total():
    assert summary(example()).text == (
        "--- mmowner: python:m:T, dialect 6.11 ---\n"
        "level         pass  fail  error  hazard  unknown  untestable  not applicable\n"
        "safety           2     .      .       .        .           .               .\n"
        "order            1     1      .       .        .           .               1\n"
        "accounting       .     .      .       .        .           .               2\n"
        "\n"
        "chapter       pass  fail  error  hazard  unknown  untestable  not applicable\n"
        "INV              2     .      .       .        .           .               .\n"
        "LEADER           .     .      .       .        .           .               1\n"
        "SEARCH           1     1      .       .        .           .               .\n"
        "CHARGE           .     .      .       .        .           .               2\n"
        "\n"
        "fail: SEARCH-01\n"
        "not applicable (no rule of the dialect 6.11): LEADER-01\n"
        "not applicable (the candidate does not show charge): CHARGE-01, CHARGE-02\n"
        "7 requirements: 3 pass, 1 fail, 3 not applicable\n"
    )


def test_bad_verdicts_are_red():
    marks = summary(example()).marks
    assert ("fail: SEARCH-01", "red") in marks
    assert ("1", "red") in marks
    assert ("2", "green") in marks


def test_hazards_are_shown_with_their_programs_and_are_no_fault():
    verdicts = Verdicts("reference", "rfc-v4")
    verdicts.add("INV-01", "hazard", "INV-01 [safety]: a thread is gone\n  1  clone(1, 2, mm=2)")
    verdicts.add("INV-02", "hazard", "INV-02 is broken by rfc-v4: BUG-08")
    text = summary(verdicts).text
    assert "hazards of the dialect rfc-v4 (no fault of the candidate): INV-01, INV-02\n" in text
    assert "\n  INV-01 [safety]: a thread is gone\n    1  clone(1, 2, mm=2)\n" in text
    assert "BUG-08" not in text
    assert text.endswith("2 requirements: 2 hazard\n")


def test_nothing_applicable_is_said_loudly():
    verdicts = Verdicts("c", "6.11")
    verdicts.add("CHARGE-01", "not applicable", "why")
    terminal = summary(verdicts)
    assert "Nothing was applicable: that is no success.\n" in terminal.text
    assert ("Nothing was applicable: that is no success.", "red") in terminal.marks
    assert "Nothing was applicable" in summary(Verdicts("c", "6.11")).text
    assert "Nothing was applicable" not in summary(example()).text


def test_a_quiet_run_says_it_in_one_line_for_each_candidate():
    other = Verdicts("reference", "rfc-v4")
    other.add("INV-01", "hazard", "text\nmore")
    assert summary(example(), other, verbosity=-1).text == (
        "mmowner: python:m:T, dialect 6.11: 7 requirements: 3 pass, 1 fail, 3 not applicable\n"
        "mmowner: reference, dialect rfc-v4: 1 requirements: 1 hazard\n"
    )


def test_a_quiet_run_says_that_nothing_was_applicable():
    verdicts = Verdicts("c", "6.11")
    verdicts.add("CHARGE-01", "not applicable", "why")
    assert "no success" in summary(verdicts, verbosity=-1).text


def test_every_candidate_has_its_section():
    text = summary(example(), Verdicts("reference", "6.1")).text
    assert text.count("--- mmowner: ") == 2


@pytest.mark.parametrize(
    ("counts", "text"),
    [
        (Counter(), "0 requirements: none"),
        (Counter(fail=2), "2 requirements: 2 fail"),
        (Counter({"not applicable": 1, "pass": 3, "error": 0}), "4 requirements: 3 pass, 1 not applicable"),
    ],
)  # fmt: skip
def test_counts_in_words(counts, text):
    assert in_words(counts) == text
