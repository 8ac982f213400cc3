"""The table of dialects is the history: a wrong field judges every candidate wrongly."""

from dataclasses import fields, replace

import pytest

from mmowner_reference import (
    DEFAULT,
    DIALECTS,
    HISTORY,
    ROWS,
    Dialect,
    Kernel,
    changes_of,
    dialect_of_release,
)

#: history.md 1.3, for the dialects that can be chosen: field, rfc-v4, 6.1, 6.11, none.
VALUES = [
    ("owner", True, True, True, False),
    ("init_mm_owner", True, False, False, False),
    ("delayed_leader", True, False, False, False),
    ("last_user", "keep", "clear", "clear", "clear"),
    ("nobody", "keep", "clear", "clear", "clear"),
    ("exec_call", "new, mmap_sem held", "old", "old", "old"),
    ("list_lock", "rcu", "tasklist", "tasklist", "tasklist"),
    ("walk", "pick, then lock", "pick, then lock", "lock in place", "lock in place"),
    ("children_list", "threads", "leaders", "leaders", "leaders"),
    ("siblings_of", "parent", "real_parent", "real_parent", "real_parent"),
    ("everything", "threads", "groups", "groups", "groups"),
    ("skip_kthreads", False, True, True, True),
    ("stop_when_alone", False, True, True, True),
    ("callbacks", "tasks", None, None, None),
    ("lru_gen", False, True, True, False),
    ("failed_fork_clears", False, True, True, True),
    ("zombie_cgroup", "root", "own", "own", "own"),
    ("unowned_pays", None, "root", "root", "root"),
    ("ptrace_moves", True, False, False, False),
    ("adopter", "next", "first", "first", "first"),
    ("subreapers", False, True, True, True),
]

#: In which row each field got the value that it has today (history.md 1.1 and 1.3).
SINCE = {
    "list_lock": "2.6.26", "delayed_leader": "2.6.26", "ptrace_moves": "2.6.27",
    "nobody": "2.6.27", "exec_call": "2.6.27", "callbacks": "2.6.29", "siblings_of": "2.6.31",
    "children_list": "2.6.33", "last_user": "3.0", "subreapers": "3.16", "unowned_pays": "3.16",
    "skip_kthreads": "3.16", "everything": "3.16", "init_mm_owner": "3.16", "adopter": "5.2",
    "zombie_cgroup": "5.2", "failed_fork_clears": "5.2", "lru_gen": "6.1",
    "stop_when_alone": "6.1", "walk": "6.11",
}  # fmt: skip

CHANGE_IDS = [f"{change.row}-{number}" for number, change in enumerate(HISTORY)]


@pytest.mark.parametrize("value", VALUES, ids=[value[0] for value in VALUES])
def test_the_chain_of_changes_gives_the_documented_value(value):
    field, *expected = value
    dialects = [DIALECTS[name] for name in ("rfc-v4", "6.1", "6.11", "none")]
    assert [getattr(dialect, field) for dialect in dialects] == expected


def test_the_table_of_values_has_every_field():
    assert [value[0] for value in VALUES] == [
        field.name for field in fields(Dialect) if field.name not in ("name", "era")
    ]


def test_the_dialects_are_named_as_their_rows_oldest_first():
    assert list(DIALECTS) == ["rfc-v4", "6.1", "6.11", "none"]
    assert [dialect.name for dialect in DIALECTS.values()] == list(DIALECTS)


@pytest.mark.parametrize("name", ["rfc-v4", "6.1", "6.11"])
def test_the_era_of_a_dialect_is_that_of_its_row(name):
    assert DIALECTS[name].era == ROWS[name]


def test_the_default_is_todays_linux():
    assert DEFAULT == "6.11"
    assert Kernel().dialect is DIALECTS["6.11"]


def test_a_kernel_without_owners_is_todays_without_three_things():
    today = DIALECTS["6.11"]
    none = replace(
        today, name="none", era=DIALECTS["none"].era, owner=False, callbacks=None, lru_gen=False
    )
    assert none == DIALECTS["none"]


@pytest.mark.parametrize("change", HISTORY, ids=CHANGE_IDS)
def test_a_change_names_a_row_that_exists(change):
    assert change.row in ROWS


@pytest.mark.parametrize("change", HISTORY, ids=CHANGE_IDS)
def test_a_change_sets_only_fields_that_exist(change):
    assert set(change.sets) <= {field.name for field in fields(Dialect)} - {"name", "era"}


@pytest.mark.parametrize("change", HISTORY, ids=CHANGE_IDS)
def test_a_change_sets_something(change):
    assert change.sets


def test_every_change_makes_a_difference():
    current = Dialect(name="rfc-v4")
    for change in HISTORY:
        after = replace(current, **change.sets)
        assert after != current, change.text
        current = after


def test_changes_are_in_the_order_of_the_rows():
    order = list(ROWS)
    rows = [order.index(change.row) for change in HISTORY]
    assert rows == sorted(rows)


def test_the_last_change_of_each_field_is_in_the_documented_row():
    assert {field: change.row for change in HISTORY for field in change.sets} == SINCE


def test_the_changes_of_a_row_are_those_that_name_it():
    assert [change.commit for change in changes_of("2.6.26")] == ["cf475ad28ac3", "4cd1a8fc3d3c"]
    assert changes_of("2.6.28") == ()


def test_folding_the_history_gives_the_exposed_rows():
    current = Dialect(name="rfc-v4")
    for row, era in ROWS.items():
        for change in changes_of(row):
            current = replace(current, **change.sets)
        current = replace(current, name=row, era=era)
        assert DIALECTS.get(row, current) == current


def test_what_a_change_sets_cannot_be_changed():
    with pytest.raises(TypeError):
        HISTORY[0].sets["walk"] = "other"


def test_an_unknown_dialect_is_a_key_error():
    with pytest.raises(KeyError):
        Kernel("2.4")


RELEASES = [
    ("6.1", "6.1"),
    ("6.1.0", "6.1"),
    ("6.1.176", "6.1"),
    ("6.2.0-39-generic", "6.1"),
    ("6.8.0-45-generic", "6.1"),
    ("6.10.3", "6.1"),
    ("6.10.14+rpt-rpi-v8", "6.1"),
    ("6.11", "6.11"),
    ("6.11.0-rc1", "6.11"),
    ("6.11-rc7", "6.11"),
    ("6.12.117-1-default", "6.11"),
    ("6.18.44-rt12", "6.11"),
    ("6.19.0", "6.11"),
    ("7.0", "6.11"),
    ("7.0-rc1", "6.11"),
    ("10.2.1", "6.11"),
    ("6.6.87.2-microsoft-standard-WSL2", "6.1"),
    # rows that cannot be chosen yet
    ("6.0.19", None),
    ("5.15.0-91-generic", None),
    ("5.2", None),
    ("4.19.48", None),
    ("3.16.0-4-amd64", None),
    ("3.0.101", None),
    ("2.6.32", None),
    ("2.6.26", None),
    # before the first row
    ("2.6.25", None),
    ("2.4.37", None),
    # no releases
    ("garbage", None),
    ("rfc-v4", None),
    ("none", None),
    ("6", None),
    ("", None),
    ("-", None),
    ("v6.11", None),
    (".6.11", None),
    ("Linux 6.11", None),
]


@pytest.mark.parametrize(("release", "row"), RELEASES)
def test_a_release_belongs_to_the_last_row_that_began_before_it(release, row):
    assert dialect_of_release(release) == row
