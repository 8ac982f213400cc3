"""``mmowner replay`` takes a counterexample for any candidate."""

import json

import pytest

from pytest_mmowner import ConformanceFailure, assert_conforms
from pytest_mmowner import _counterexample as files

LEADER = "clone(1, 2, mm=2)\nclone(2, 3, THREAD)\nexit(2)"


@pytest.fixture
def data():
    """What ``mutant:leader-keeps-ownership`` does wrong in 6.1."""
    with pytest.raises(ConformanceFailure) as caught:
        assert_conforms("mutant:leader-keeps-ownership", LEADER, dialect="6.1")
    made = files.from_evidence(
        caught.value.evidence, requirement="LEADER-03",
        candidate="mutant:leader-keeps-ownership", seed=0,
    )  # fmt: skip
    return json.loads(files.encode(made))


@pytest.mark.parametrize(
    ("candidate", "code", "last"),
    [
        ("mutant:leader-keeps-ownership", 1, "mutant:leader-keeps-ownership breaks it too, at operation 3"),
        ("mutant:fork-gives-parent", 1, "mutant:fork-gives-parent does not"),
        ("reference", 0, "reference does not"),
    ],
)  # fmt: skip
def test_any_candidate_can_be_put_to_it(call, program, data, candidate, code, last):
    ended, out, _ = call("replay", program(data), "--candidate", candidate)
    assert f"on {candidate}, dialect 6.1\n" in out
    assert out.splitlines()[-1] == (
        f"mutant:leader-keeps-ownership broke LEADER-03 at operation 3; {last}"
    )
    assert ended == code


def test_another_dialect_can_be_asked_for(call, program, data):
    words = ("replay", program(data), "--candidate", "reference:rfc-v4")
    assert "dialect rfc-v4" in call(*words, "--dialect", "rfc-v4")[1]
    assert call(*words)[0] == 1  # by its own dialect, 6.1, the RFC's answer is wrong


def test_who_breaks_on_the_way_is_not_called_right(call, program, data, tmp_path):
    path = tmp_path / "broken.py"
    path.write_text(
        "class T:\n    def clone(self, task, child, flags, mm):\n        raise OSError('gone')\n"
        "    def owner(self, mm): return 1\n    def exit(self, task): ...\n"
    )
    code, out, _ = call("replay", program(data), "--candidate", f"python:{path}:T")
    assert code == 1
    assert out.splitlines()[-1].endswith(":T did not get that far")


@pytest.mark.parametrize(("candidate", "broken"), [("reference", False), ("mutant:leader-keeps-ownership", True)])  # fmt: skip
def test_scripts_are_told_whether_it_is_broken_again(call, program, data, candidate, broken):
    _, out, _ = call("replay", program(data), "--candidate", candidate, "--json")
    assert json.loads(out)["counterexample"] == {
        "candidate": "mutant:leader-keeps-ownership", "requirement": "LEADER-03",
        "rule": "LEADER-03", "broken": broken,
    }  # fmt: skip
    _, out, _ = call("replay", program(LEADER), "--candidate", candidate, "--json")
    assert json.loads(out)["counterexample"] is None


def test_a_malformed_one_is_a_wrong_call_that_names_the_file(call, program, data):
    path = program({**data, "step": 9})
    code, _, err = call("replay", path, "--candidate", "reference")
    assert code == 4
    assert f"{path}: no counterexample: step 9 of a program of 3 operations" in err
