"""The suite kills every sequential mutant; the table of what kills what is up to date."""

import importlib.util
import re
import sys
from pathlib import Path

import pytest

from mmowner_reference import Kernel
from pytest_mmowner import _requirements
from pytest_mmowner.zoo import MUTANTS

SCRIPT = Path(__file__).parents[2] / "docs" / "generate_matrix.py"


@pytest.fixture(scope="module")
def matrix():
    """The generator, as a module that its own worker processes can import."""
    name = "generate_matrix"
    spec = importlib.util.spec_from_file_location(name, SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, str(SCRIPT.parent))
    spec.loader.exec_module(module)
    yield module
    sys.path.remove(str(SCRIPT.parent))
    del sys.modules[name]


SEQUENTIAL = [name for name, cls in MUTANTS.items() if cls.kind == "sequential"]


@pytest.mark.slow
@pytest.mark.parametrize("name", SEQUENTIAL[::6])
def test_what_kills_a_mutant_is_in_the_matrix(matrix, name):
    """Every sixth; all of them, and the page, are made again by night."""
    rows = re.findall(
        r"^\| `(.*?)` \|.*?\|.*?\| (.*?) \|$", matrix.FILE.read_text("utf-8"), re.MULTILINE
    )
    said = {mutant: rules.split(", ") for mutant, rules in rows}
    assert sorted(said[name]) == matrix.killers(name) or name in matrix.PROOFS


@pytest.mark.slow
@pytest.mark.nightly
def test_every_sequential_mutant_is_killed_and_the_matrix_is_up_to_date(matrix):
    kills = matrix.judge()
    assert list(kills) == SEQUENTIAL
    assert matrix.problems(kills) == []
    assert matrix.FILE.read_text("utf-8") == matrix.text(kills), (
        "docs/kill-matrix.md is stale: run python docs/generate_matrix.py"
    )


@pytest.mark.slow
@pytest.mark.nightly
def test_what_needs_two_cpus_is_not_killed_by_programs(matrix):
    kills = matrix.judge("interleaving")
    assert kills
    assert {name: rules for name, rules in kills.items() if rules} == {}


@pytest.mark.slow
def test_a_search_without_a_difference_says_how_far_it_went(matrix):
    for name, proof in matrix.PROOFS.items():
        found = matrix.prove(name)
        assert found.difference is None
        assert found.length == proof.length
        assert found.worlds > 500


# -- the gate itself ---------------------------------------------------------------------


@pytest.fixture
def gate(matrix, monkeypatch):
    """The gate over two requirements, of which B-02 kills nothing for a reason."""
    rules = _requirements.requirements()
    named = dict(zip(("A-01", "B-02"), rules.values(), strict=False))
    monkeypatch.setattr(matrix, "must_kill", lambda: list(named))
    monkeypatch.setattr(matrix, "requirements", lambda: named)
    monkeypatch.setattr(matrix, "KILL_NOTHING", {"B-02": "it has none"})
    monkeypatch.setattr(matrix, "PROOFS", {})
    return matrix


def test_the_gate_is_open_when_everything_is_killed_or_explained(gate):
    assert gate.problems({"no-children": ["A-01"]}) == []


def test_a_survivor_closes_the_gate(gate):
    assert gate.problems({"no-children": ["A-01"], "no-siblings": []}) == [
        "no-siblings survives: a test is missing, or a proof that it is no mutant"
    ]


def test_a_requirement_that_kills_nothing_needs_a_reason(gate, monkeypatch):
    monkeypatch.setattr(gate, "KILL_NOTHING", {})
    assert gate.problems({"no-children": ["A-01"]}) == [
        "B-02 kills nothing: a mutant is missing, or a reason in KILL_NOTHING"
    ]


def test_a_reason_that_is_obsolete_closes_the_gate(gate):
    assert gate.problems({"no-children": ["A-01", "B-02"]}) == [
        "B-02 kills something, so its reason in KILL_NOTHING is obsolete"
    ]


def test_a_reason_for_no_requirement_closes_the_gate(gate, monkeypatch):
    monkeypatch.setattr(gate, "KILL_NOTHING", {"B-02": "it has none", "C-03": "gone"})
    assert gate.problems({"no-children": ["A-01"]}) == ["KILL_NOTHING: C-03 is no requirement"]


def test_a_proof_of_what_is_killed_is_wrong(gate, monkeypatch):
    monkeypatch.setattr(gate, "PROOFS", {"no-children": None})
    monkeypatch.setattr(gate, "prove", lambda name: type("None_", (), {"difference": None}))
    assert gate.problems({"no-children": ["A-01"]}) == [
        "no-children is killed, so its proof in PROOFS is wrong"
    ]


def test_a_proof_is_searched_anew_and_can_fail(gate, monkeypatch):
    proof = gate.Proof("a lie", gate.Scope(tasks=2, mms=1, refs=0, kthreads=0, cgroups=0,
                                           ops=frozenset({"clone", "exit"})), 4)  # fmt: skip
    monkeypatch.setattr(gate, "PROOFS", {"no-handoff": proof})
    found = gate.problems({"no-handoff": [], "no-children": ["A-01"]})
    assert len(found) == 1
    assert found[0].startswith("no-handoff is told from 6.11 by (Clone(")


def test_the_document_has_a_row_for_every_mutant_and_requirement(gate):
    text = gate.text({"no-children": ["A-01"], "no-siblings": []})
    assert "| `no-children` | 6.11 | 1 | A-01 |\n" in text
    assert "| `no-siblings` | 6.11 | 0 | survives |\n" in text
    assert "| A-01 | 1 | `no-children` |\n" in text
    assert "| B-02 | 0 | none: it has none |\n" in text
    assert "1 of 2 mutants are killed; 1 of 2 requirements kill." in text


def test_a_stale_document_is_told(gate, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(gate, "FILE", tmp_path / "kill-matrix.md")
    monkeypatch.setattr(gate, "judge", lambda: {"no-children": ["A-01"]})
    assert gate.main(["--check"]) == 1
    assert "kill-matrix.md is stale" in capsys.readouterr().out
    assert gate.main([]) == 0
    assert gate.main(["--check"]) == 0
    gate.FILE.write_text("old", "utf-8")
    assert gate.main(["--check"]) == 1


def test_the_same_mutant_is_judged_the_same_way_twice(matrix):
    assert matrix.killers("no-third-stage") == matrix.killers("no-third-stage") != []
    assert Kernel("6.11").dialect.walk == "lock in place"
