"""Candidates that installed packages offer by name: good ones work, broken ones are named."""

import sys

import pytest

from pytest_mmowner import CallError, Options, open_candidate
from pytest_mmowner._plugins import offered

TRACKER = """
from pytest_mmowner import hookimpl

class Tracker:
    def __init__(self, dialect="none"):
        self.spoken = dialect
    def clone(self, task, child, flags, mm): ...
    def owner(self, mm): return mm

@hookimpl
def mmowner_candidates():
    return {"mykernel": Tracker, "mykernel-here": "python:good_plugin:Tracker", "oddity": 3,
            "old": "reference:", "twice": "reference:rfc-v4"}
"""
SOURCES = {
    "good_plugin": TRACKER,
    "other_plugin": """
from pytest_mmowner import hookimpl

class Plugin:
    @hookimpl
    def mmowner_candidates(self):
        return {"second": "reference:6.1", "twice": "reference:6.1"}

plugin = Plugin()
""",
    "broken_import": "raise ImportError('libkernel.so is missing')",
    "broken_list": """
from pytest_mmowner import hookimpl

@hookimpl
def mmowner_candidates():
    return ["a", "b"]
""",
    "broken_name": """
from pytest_mmowner import hookimpl

@hookimpl
def mmowner_candidate():
    return {"lost": "reference"}
""",
    "broken_hook": """
from pytest_mmowner import hookimpl

@hookimpl
def mmowner_candidates():
    raise RuntimeError("no licence")
""",
    "broken_argument": """
from pytest_mmowner import hookimpl

@hookimpl
def mmowner_candidates(config):
    return {"lost": "reference"}
""",
    "empty_plugin": "",
}


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A directory of installed packages; install(package, entry=value, ...) adds one."""
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    modules = set(sys.modules)
    for name, text in SOURCES.items():
        (tmp_path / f"{name}.py").write_text(text)

    def install(package, **entries):
        info = tmp_path / f"{package}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        lines = [f"{name} = {value}" for name, value in entries.items()]
        (info / "entry_points.txt").write_text("\n".join(["[mmowner.candidates]", *lines, ""]))

    yield install
    for name in set(sys.modules) - modules:
        del sys.modules[name]


BROKEN = {
    "broken_import": "ImportError: libkernel.so is missing",
    "broken_list": "TypeError: mmowner_candidates returned ['a', 'b'], not a mapping of names",
    "broken_name": "PluginValidationError: unknown hook 'mmowner_candidate'",
    "broken_hook": "RuntimeError: no licence",
    "broken_argument": "PluginValidationError: Plugin 'broken_argument' for hook 'mmowner_candidates'",
    "nowhere_at_all": "ModuleNotFoundError: No module named 'nowhere_at_all'",
}


def test_without_plugins_nothing_is_offered():
    assert offered().candidates == {}
    assert offered().broken == []


def test_a_plugin_offers_factories_and_specs(site):
    site("good", good="good_plugin")
    site("other", other="other_plugin:plugin")
    site("empty", empty="empty_plugin")
    names = offered()
    assert names.broken == []
    assert list(names.candidates) == [
        "mykernel",
        "mykernel-here",
        "oddity",
        "old",
        "twice",
        "second",
    ]
    assert "mykernel" in names
    assert "lost" not in names

    candidate, dialect = open_candidate("mykernel")
    assert (candidate.info.name, candidate.info.spec, dialect) == ("Tracker", "mykernel", "6.11")
    candidate.reset()
    assert candidate._tracker.spoken == "6.11"
    candidate, dialect = open_candidate("mykernel", Options(dialect="rfc-v4"))
    candidate.reset()
    assert (candidate._tracker.spoken, dialect) == ("rfc-v4", "rfc-v4")
    candidate, _ = open_candidate("mykernel-here")
    assert candidate.info.name == "Tracker"
    assert open_candidate("second")[1] == "6.1"
    assert open_candidate("old:rfc-v4")[1] == "rfc-v4"


def test_what_is_offered_must_be_a_factory_or_a_spec(site):
    site("good", good="good_plugin")
    with pytest.raises(CallError, match="oddity: 3 cannot be called"):
        open_candidate("oddity")


def test_the_first_of_two_plugins_with_one_name_is_taken(site):
    site("other", other="other_plugin:plugin")
    site("zgood", good="good_plugin")
    first = {open_candidate("twice")[1] for _ in range(3)}
    assert len(first) == 1


def test_a_name_that_is_not_offered_is_compared_with_those_that_are(site):
    site("good", good="good_plugin")
    with pytest.raises(CallError) as caught:
        open_candidate("mykernal:x")
    assert "Did you mean 'mykernel'?" in str(caught.value)
    assert "; installed: mykernel, mykernel-here, oddity, old, twice" in str(caught.value)
    assert "broken" not in str(caught.value)


@pytest.mark.parametrize("module", BROKEN)
def test_a_broken_plugin_is_named_and_breaks_nothing_else(site, module):
    site("aa-first", **{f"e_{module}": module})
    site("good", good="good_plugin")
    assert open_candidate("mykernel")[0].info.name == "Tracker"
    assert open_candidate("reference")[1] == "6.11"
    with pytest.raises(CallError) as caught:
        open_candidate("lost")
    (line,) = [line for line in str(caught.value).splitlines() if "broken: " in line]
    assert line.startswith(f"  broken: e_{module} = {module} (package aa-first): ")
    assert BROKEN[module].replace("'broken_argument'", "'e_broken_argument'") in str(caught.value)


def test_all_broken_plugins_are_named(site):
    site("bad", **{module: module for module in BROKEN})
    assert len(offered().broken) == len(BROKEN)
    for module in BROKEN:
        assert any(f"{module} = {module} (package bad)" in text for text in offered().broken)


def test_one_of_two_entry_points_of_a_package_can_be_broken(site):
    site("half", good="good_plugin", bad="broken_import")
    names = offered()
    assert "mykernel" in names
    assert [text.partition(":")[0] for text in names.broken] == [
        "bad = broken_import (package half)"
    ]


def test_a_broken_plugin_does_not_shadow_the_kinds(site):
    site("bad", reference="broken_import")
    assert open_candidate("reference")[0].info.name == "reference"


def test_a_plugin_that_exits_is_broken(site, tmp_path):
    (tmp_path / "exits.py").write_text("raise SystemExit(3)")
    site("bad", bad="exits")
    try:
        found = offered().broken
    except SystemExit:
        found = []
    assert len(found) == 1


def test_an_offered_spec_that_stands_for_itself_is_the_calls_fault(site, tmp_path):
    text = SOURCES["other_plugin"].replace("reference:6.1", "second")
    (tmp_path / "loop.py").write_text(text)
    site("bad", bad="loop:plugin")
    with pytest.raises(CallError):
        open_candidate("second")


@pytest.mark.slow
def test_searches_are_told_under_the_name_that_was_offered(site, pytester):
    """What the name stands for is no second candidate in the verdicts."""
    site("other", other="other_plugin:plugin")
    result = pytester.runpytest_inprocess(
        "--pyargs", "mmowner_conformance", "-p", "no:cacheprovider", "-k", "every_transition or vfork",
        "--mmowner-candidate=second", "--mmowner-scope=2,2,0,0",
    )  # fmt: skip
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*mmowner: second, dialect 6.1*", "note: all 14 transitions *"])
    assert "mmowner: reference:6.1, dialect" not in result.stdout.str()
