"""Requirements and tests belong together: none without the other."""

from collections import defaultdict

import pytest

from mmowner_conformance.hazards import HAZARDS
from mmowner_conformance.test_schedules import RULES
from mmowner_reference import DIALECTS, Scope, plan, random_program
from pytest_mmowner._check import suite_tests
from pytest_mmowner._judge import judge_program
from pytest_mmowner._requirements import requirement, requirements
from pytest_mmowner._schedules import BLAME
from pytest_mmowner._spec import open_candidate
from pytest_mmowner.errors import CallError


def covered():
    found = defaultdict(list)
    for rules, test, _ in suite_tests("mmowner_conformance"):
        for rule in rules:
            found[rule].append(test.__name__)
    return found


def test_every_requirement_has_a_scenario():
    scenarios = {
        rule for rule, tests in covered().items()
        if any(name != "test_in_random_programs" for name in tests)
    }  # fmt: skip
    assert scenarios == {rule.id for rule in requirements().values() if not rule.untested}


def test_what_cannot_be_tested_has_no_test_and_says_why():
    untested = {rule.id: rule.untested for rule in requirements().values() if rule.untested}
    assert len(untested) > 20
    assert not untested.keys() & covered().keys()
    for rule, why in untested.items():
        assert len(why.split()) > 4, rule


#: The rules of the history, chapter by chapter: how many each has.  None may be absent.
CHAPTERS = {
    "INV": 8, "INIT": 2, "CONF": 1, "FORK": 11, "VFORK": 2, "EXIT": 10, "LEADER": 9, "SEARCH": 10,
    "EXEC": 9, "REPARENT": 3, "PTRACE": 3, "KTHREAD": 4, "USERS": 4, "CALLBACK": 9, "CHARGE": 9,
    "ATTACH": 6,
}  # fmt: skip


def test_every_rule_of_the_history_has_its_entry():
    expected = {
        f"{chapter}-{number:02d}" for chapter, count in CHAPTERS.items()
        for number in range(1, count + 1)
    }  # fmt: skip
    assert expected <= set(requirements())


def test_what_is_derived_and_unconfirmed_judges_nobody():
    for rule in requirements().values():
        if rule.mark in ("D", "DM"):
            assert not rule.judged, rule.id
        if rule.observation:
            assert rule.mark in ("D", "DM"), rule.id


def test_every_test_has_a_requirement():
    without = [
        test.__name__ for rules, test, _ in suite_tests("mmowner_conformance") if not rules
    ]  # fmt: skip
    assert without == []


def test_every_requirement_that_random_programs_judge_is_marked_so():
    judged = {
        rule for rule, tests in covered().items() if "test_in_random_programs" in tests
    }  # fmt: skip
    assert judged == {rule.id for rule in requirements().values() if rule.random}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_whatever_decides_about_an_answer_is_a_requirement_of_the_dialect(dialect):
    import random

    candidate, _ = open_candidate(f"reference:{dialect}")
    decided = set()
    for seed in range(150):
        program = random_program(random.Random(seed), 40, dialect, Scope(tasks=10, refs=2))
        decided |= set(judge_program(candidate, program, dialect, candidate.info.asks).decided)
    for rule in decided:
        known = requirement(rule)
        assert known.random, f"{rule} decides in random programs and is not marked random"
        assert dialect in known.dialects or dialect in known.hazards, rule


def test_an_unknown_id_is_answered_with_the_closest():
    with pytest.raises(CallError, match=r"unknown requirement 'FORK-1'\. Did you mean 'FORK-\d\d'"):
        requirement("FORK-1")


def test_texts_and_sources_are_there():
    for rule in requirements().values():
        assert rule.text.endswith("."), rule.id
        assert len(rule.source) > 5, rule.id
        assert rule.chapter and rule.id.startswith(rule.chapter + "-")


def test_a_program_is_planned_without_asking_any_candidate():
    steps = plan(random_program(__import__("random").Random(1), 10, "6.11"), "6.11", ["owner"])
    assert all(question.ask == "owner" for step in steps for question in step.questions)


def test_what_a_finding_breaks_is_what_schedules_are_held_against():
    assert set(RULES) == set(BLAME.values())
    assert len(set(RULES)) == len(RULES)


def test_every_hazard_of_the_requirements_has_a_shape_or_a_scenario():
    """The table of hazards has all that programs can show, and nothing else.

    The others are shown by schedules: a kernel's C is needed for these.
    """
    shown = defaultdict(set)
    for shape in HAZARDS:
        shown[shape.rule] |= shape.present
    for rule in requirements().values():
        if rule.judged and rule.id not in RULES:
            assert shown[rule.id] == set(rule.hazards), rule.id
