"""The zoo as a table: names, bugs by number, dialects, and what each mutant changes."""

import re

import pytest

from mmowner_reference import DIALECTS, Dialect, Rules
from pytest_mmowner.zoo import BUGS, KINDS, MUTANTS, Mutant

ROWS = list(DIALECTS)


def test_the_zoo_is_large_enough_and_every_animal_has_a_sign():
    assert len(MUTANTS) >= 90
    signs = [mutant.__doc__ for mutant in MUTANTS.values()]
    assert all(signs)
    assert {mutant.base for mutant in MUTANTS.values()} <= set(DIALECTS)
    assert {mutant.kind for mutant in MUTANTS.values()} == set(KINDS)


def test_every_dialect_with_owners_is_somebodys():
    bases = {mutant.base for mutant in MUTANTS.values()}
    assert bases == set(DIALECTS)


def test_every_bug_is_in_the_zoo_or_in_the_table_of_what_is_not():
    assert list(BUGS) == list(range(1, 37))
    shown = {mutant.bug for mutant in MUTANTS.values() if mutant.bug is not None}
    left_out = {number for number, bug in BUGS.items() if bug.why_not}
    assert shown | left_out == set(BUGS)
    assert not shown & left_out


def test_a_bug_is_named_by_its_number_and_nothing_else_is():
    for name, mutant in MUTANTS.items():
        numbered = re.fullmatch(r"BUG-(\d\d)[a-z]?-[a-z-]+", name)
        assert (int(numbered[1]) if numbered else None) == mutant.bug
        assert mutant.name == name


def test_bugs_come_first_and_in_order():
    numbers = [mutant.bug for mutant in MUTANTS.values()]
    bugs = [number for number in numbers if number is not None]
    assert numbers[: len(bugs)] == sorted(bugs)


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_changes_something(name):
    mutant = MUTANTS[name]
    base = DIALECTS[mutant.base]
    assert all(getattr(base, field) != value for field, value in mutant.changes.items())
    own = {key for cls in mutant.__mro__ if cls not in (*Mutant.__mro__, Rules)
           for key in vars(cls) if callable(vars(cls)[key])}  # fmt: skip
    assert mutant.changes or own or mutant.kernel is not Mutant.kernel


def test_a_bug_that_is_a_field_takes_back_what_the_fix_set():
    for mutant in MUTANTS.values():
        if mutant.bug is None or not mutant.changes:
            continue
        before = [DIALECTS[row] for row in ROWS[: ROWS.index(mutant.base)]]
        for field, value in mutant.changes.items():
            assert value in {getattr(dialect, field) for dialect in before}, (mutant.name, field)


def test_the_dialect_of_a_mutant_is_its_base_with_its_changes():
    dialect = MUTANTS["BUG-13-swapoff"].dialect()
    assert isinstance(dialect, Dialect)
    assert (dialect.name, dialect.nobody) == ("2.6.27", "keep")
    assert DIALECTS["2.6.27"].nobody == "clear"


def test_two_mutants_cannot_have_one_name():
    with pytest.raises(TypeError, match="two mutants are called no-children"):
        type("NoChildren", (Mutant,), {})
