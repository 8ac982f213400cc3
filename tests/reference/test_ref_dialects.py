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
    dialects_in,
)

#: The feature matrix of the history of mm->owner (its section 1.3), field by field: the value,
#: and the dialects that have it.  ``none`` is 6.11 but for three fields.
VALUES = [
    ("owner", {"..": True, "none": False}),
    ("init_mm_owner", {"..3.0": True, "3.16.., none": False}),
    ("delayed_leader", {"rfc-v4": True, "2.6.26.., none": False}),
    ("last_user", {"..2.6.33": "keep", "3.0.., none": "clear"}),
    ("nobody", {"..2.6.26": "keep", "2.6.27.., none": "clear"}),
    ("exec_call", {"rfc-v4": "new, mmap_sem held", "2.6.26": "old, mmap_sem held", "2.6.27.., none": "old"}),
    ("list_lock", {"rfc-v4": "rcu", "2.6.26.., none": "tasklist"}),
    ("walk", {"..6.1": "pick, then lock", "6.11, none": "lock in place"}),
    ("children_list", {"..2.6.31": "threads", "2.6.33.., none": "leaders"}),
    ("siblings_of", {"..2.6.29": "parent", "2.6.31.., none": "real_parent"}),
    ("everything", {"..3.0": "threads", "3.16.., none": "groups"}),
    ("skip_kthreads", {"..3.0": False, "3.16.., none": True}),
    ("stop_when_alone", {"..5.2": False, "6.1.., none": True}),
    ("callbacks", {"rfc-v4": "tasks", "2.6.26, 2.6.27": "cgroups", "2.6.28": "cgroups and task", "2.6.29.., none": None}),
    ("handoff_mmap_sem", {"..2.6.26": "never", "2.6.27": "nobody", "2.6.28": "always", "2.6.29.., none": "never"}),
    ("lru_gen", {"..5.2": False, "6.1, 6.11": True, "none": False}),
    ("failed_fork_clears", {"..4.4": False, "5.2.., none": True}),
    ("zombie_cgroup", {"..3.16": "root", "4.4.., none": "own"}),
    ("unowned_pays", {"..3.0": None, "3.16.., none": "root"}),
    ("ptrace_moves", {"..2.6.26": True, "2.6.27.., none": False}),
    ("adopter", {"..3.16": "next", "4.4.., none": "first"}),
    ("subreapers", {"..3.0": False, "3.16.., none": True}),
]  # fmt: skip

#: In which row each field got the value that it has today (history, sections 1.1 and 1.3).
SINCE = {
    "list_lock": "2.6.26", "delayed_leader": "2.6.26", "ptrace_moves": "2.6.27",
    "nobody": "2.6.27", "exec_call": "2.6.27", "callbacks": "2.6.29",
    "handoff_mmap_sem": "2.6.29", "siblings_of": "2.6.31",
    "children_list": "2.6.33", "last_user": "3.0", "subreapers": "3.16", "unowned_pays": "3.16",
    "skip_kthreads": "3.16", "everything": "3.16", "init_mm_owner": "3.16", "adopter": "4.4",
    "zombie_cgroup": "4.4", "failed_fork_clears": "5.2", "lru_gen": "6.1",
    "stop_when_alone": "6.1", "walk": "6.11",
}  # fmt: skip

CHANGE_IDS = [f"{change.row}-{number}" for number, change in enumerate(HISTORY)]


@pytest.mark.parametrize(("field", "values"), VALUES, ids=[value[0] for value in VALUES])
def test_the_chain_of_changes_gives_the_documented_value(field, values):
    expected = {name: value for where, value in values.items() for name in dialects_in(where)}
    assert {name: getattr(dialect, field) for name, dialect in DIALECTS.items()} == expected


def test_the_table_of_values_has_every_field():
    assert [value[0] for value in VALUES] == [
        field.name for field in fields(Dialect) if field.name not in ("name", "era")
    ]


def test_the_dialects_are_named_as_their_rows_oldest_first():
    assert list(DIALECTS) == [
        "rfc-v4", "2.6.26", "2.6.27", "2.6.28", "2.6.29", "2.6.31", "2.6.33", "3.0", "3.16",
        "4.4", "5.2", "6.1", "6.11", "none",
    ]  # fmt: skip
    assert [dialect.name for dialect in DIALECTS.values()] == list(DIALECTS)


@pytest.mark.parametrize("name", ROWS)
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
    commits = {row: [change.commit for change in changes_of(row)] for row in ROWS}
    assert commits["rfc-v4"] == []
    assert commits["2.6.26"] == ["cf475ad28ac3", "cf475ad28ac3", "4cd1a8fc3d3c"]
    assert commits["2.6.28"] == ["9363b9f23c9c"]
    assert sum(map(len, commits.values())) == len(HISTORY)
    assert all(commits[row] for row in list(ROWS)[1:])
    assert changes_of("none") == ()


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
    ("6.12.48+deb13-amd64", "6.11"),
    ("6.0.19", "5.2"),
    ("5.15.0-91-generic", "5.2"),
    ("5.2", "5.2"),
    ("5.1.21", "4.4"),
    ("4.19.48", "4.4"),
    ("4.19.0-6-amd64", "4.4"),
    ("4.4-rc1", "4.4"),
    ("4.3.6", "3.16"),
    ("3.16.0-4-amd64", "3.16"),
    ("3.15.10", "3.0"),
    ("3.10.0-1160.el7", "3.0"),
    ("3.0.101", "3.0"),
    ("2.6.39.4", "2.6.33"),
    ("2.6.33", "2.6.33"),
    ("2.6.32", "2.6.31"),
    ("2.6.32-754.el6.x86_64", "2.6.31"),
    ("2.6.32.61", "2.6.31"),
    ("2.6.31-rc9", "2.6.31"),
    ("2.6.30", "2.6.29"),
    ("2.6.29.6", "2.6.29"),
    ("2.6.28", "2.6.28"),
    ("2.6.27.62", "2.6.27"),
    ("2.6.26", "2.6.26"),
    # before the first row
    ("2.6.25", None),
    ("2.6.25.20-0.7-default", None),
    ("2.6", None),
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


RANGES = [
    ("6.11", "6.11"),
    ("none", "none"),
    (" 6.1 , none ", "6.1 none"),
    ("6.1, 6.1", "6.1"),
    ("2.6.27..2.6.31", "2.6.27 2.6.28 2.6.29 2.6.31"),
    ("2.6.27 .. 2.6.28", "2.6.27 2.6.28"),
    ("3.0..3.0", "3.0"),
    ("..2.6.26", "rfc-v4 2.6.26"),
    ("rfc-v4..2.6.26", "rfc-v4 2.6.26"),
    ("5.2..", "5.2 6.1 6.11"),
    ("6.11..", "6.11"),
    ("2.6.27..2.6.28, 6.11, none", "2.6.27 2.6.28 6.11 none"),
    ("..2.6.26, 6.1..", "rfc-v4 2.6.26 6.1 6.11"),
    ("..", " ".join(ROWS)),
    (".., none", " ".join(DIALECTS)),
]


@pytest.mark.parametrize(("text", "names"), RANGES)
def test_a_range_has_both_its_ends_and_never_none(text, names):
    assert dialects_in(text) == set(names.split())


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("2.4", "2.4"),
        ("6.1, 6.2", "6.2"),
        ("6.1..6.2", "6.2"),
        ("2.4..6.1", "2.4"),
        ("", ""),
        ("6.1,", ""),
        ("6.1-6.11", "6.1-6.11"),
        ("6.1...", "."),
    ],
)
def test_a_name_in_a_range_that_is_no_dialect_is_a_key_error(text, name):
    with pytest.raises(KeyError) as caught:
        dialects_in(text)
    assert caught.value.args == (name,)


@pytest.mark.parametrize("text", ["6.11..6.1", "2.6.27.., 3.0..2.6.33"])
def test_a_range_from_new_to_old_is_an_error(text):
    with pytest.raises(ValueError, match="the older dialect comes first"):
        dialects_in(text)


@pytest.mark.parametrize("text", ["6.1..none", "none..", "..none"])
def test_none_is_in_no_range(text):
    with pytest.raises(ValueError, match="none is in no range, name it by itself"):
        dialects_in(text)
