"""``mmowner diff`` and ``mmowner hazards``, and the documents that are made of them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mmowner_conformance.hazards import HAZARDS
from mmowner_reference import DIALECTS, Oracle, Question, op_from_dict, parse_program
from pytest_mmowner import SuiteError, _differences, _hazard_table, _search_order
from pytest_mmowner._differences import find_parting, record_of, recorded_parting
from pytest_mmowner._differences_text import explain_parting

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["diff", "6.1"], "required: B"),
        (["diff", "6.1", "6.12-rc1x", "--length", "0"], "--length"),
        (["diff", "6.1", "6.11", "--tasks", "few"], "--tasks"),
        (["diff", "6.1", "6.11", "--about", "owners"], "Did you mean 'owner'?"),
        (["diff", "6.1", "nonesuch"], "unknown dialect 'nonesuch'"),
        (["diff", "rfc_v4", "6.1"], "Did you mean 'rfc-v4'?"),
        (["diff", "2.6.20", "6.1"], "unknown dialect '2.6.20'"),
        (["diff", "5.15.0-91-generic", "5.2"], "are the same dialect, 5.2"),
        (["hazards", "6"], "unknown dialect '6'"),
        (["hazards"], "required: DIALECT"),
    ],
)
def test_a_wrong_call_is_4_and_says_what_is_wrong(call, words, said):
    code, out, err = call(*words)
    assert (code, out) == (4, "")
    assert said in err


# -- diff -------------------------------------------------------------------------------


def test_a_difference_is_drawn_with_both_answers_the_rule_and_the_commit(call):
    code, out, _ = call("diff", "6.1", "6.11")
    assert code == 0
    assert out.startswith("6.1 and 6.11 part after 4 operations: owner(mm 2)\n")
    assert "    4  exit(2)\n" in out
    assert "  6.1: owner(mm 2) is task 4\n    because SEARCH-06: " in out
    assert "  6.11: owner(mm 2) is task 3\n    because SEARCH-06: " in out
    assert "  before:           after, 6.1:       after, 6.11:\n" in out
    assert "  |  + 3  mm 2      |  + 3  mm 2      |  + 3  mm 2*\n" in out
    assert "rule SEARCH-06 [order]: " in out
    assert 'commit memcg: kill the "retry" logic' in out
    assert "it set walk = 'lock in place'" in out
    assert "it is minimal: no shorter program" in out
    assert "core and hold, put: up to 3 operations (" in out


def test_a_release_stands_for_its_dialect(call):
    code, out, _ = call("diff", "5.15.0-91-generic", "4.19")
    assert code == 0
    assert out.startswith(
        "5.15.0-91-generic is judged by the dialect 5.2 (5.2 to 6.0)\n"
        "4.19 is judged by the dialect 4.4 (4.4 to 5.1)\n5.2 and 4.4 part after 1 operation: "
    )
    assert "although FORK-06: 4.4 breaks it by itself (" in out
    data = json.loads(call("diff", "5.15.0-91-generic", "4.19", "--json")[1])
    assert (data["asked"], data["first"]) == (["5.15.0-91-generic", "4.19"], "5.2")


def test_a_difference_as_json_can_be_held_against_the_oracles(call):
    data = json.loads(call("diff", "2.6.31", "2.6.33", "--json")[1])
    ops = [op_from_dict(op) for op in data["program"]]
    assert list(parse_program(data["text"])) == ops
    for name in ("2.6.31", "2.6.33"):
        oracle = Oracle(name)
        for op in ops:
            oracle.do(op)
        (other,) = {"2.6.31", "2.6.33"} - {name}
        assert not oracle.judge({Question("owner", 2): data["answers"][name][0]})
        oracle = Oracle(name)
        for op in ops:
            oracle.do(op)
        assert oracle.judge({Question("owner", 2): data["answers"][other][0]})
    assert data["question"] == "owner(mm 2)"
    assert [change["commit"] for change in data["commits"]] == ["9cd80bbb07fc"]
    assert (data["apart"], data["minimal"], data["commits"][0]["needed"]) == (True, True, True)
    assert all(row["length"] <= 4 for row in data["searched"])


def test_where_owners_are_alike_the_other_answers_are_asked_for(call):
    code, out, _ = call("diff", "5.2", "6.1", "--length", "2")
    assert code == 0
    assert "part after 1 operation: lru\n" in out
    assert "commit bd74fdaea146 (6.1): MGLRU lists follow the owner" in out
    assert "because CALLBACK-08 is no rule of 5.2" in out
    assert "about owners:" in out
    assert "about the other answers:" in out
    data = json.loads(call("diff", "5.2", "6.1", "--length", "2", "--about=owner", "--json")[1])
    assert (data["apart"], data["program"]) == (False, None)
    assert {row["about"] for row in data["searched"]} == {"owner"}
    assert "part after 1 operation: lru\n" in call("diff", "5.2", "6.1", "--about", "all")[1]


def test_what_cannot_be_told_apart_says_how_far_was_searched_and_what_differs(call):
    code, out, _ = call("diff", "2.6.28", "2.6.29", "--length", "3", "--tasks", "2")
    assert code == 0
    assert out.startswith(
        "2.6.28 and 2.6.29 cannot be told apart by programs of up to 3 operations about owners, "
        "and 2 about the other answers\n"
    )
    assert "  callbacks: 2.6.28 has 'cgroups and task', 2.6.29 has None\n" in out
    assert "  handoff_mmap_sem: 2.6.28 has 'always', 2.6.29 has 'never'\n" in out
    assert "only 2.6.28 has the operation subsystem" in out
    assert "worlds of up to 2 tasks beside init" in out.replace("\n", " ").replace("  ", " ")


def test_where_no_commit_is_needed_those_are_named_that_are_enough(call):
    out = call("diff", "rfc-v4", "2.6.27")[1]
    assert "no single commit is needed for it; each of these alone is enough:\ncommit 4cd1" in out
    assert "although EXEC-02: rfc-v4 breaks it by itself" in out


def test_without_an_owner_there_is_no_commit_to_name(call):
    out = call("diff", "6.11", "none")[1]
    assert "6.11: owner(mm 1) is task 1" in out
    assert "none: owner(mm 1) is nobody" in out
    assert "no commit: it is the configuration, CONFIG_MEMCG" in out


def test_beyond_the_reach_of_a_search_known_programs_are_tried():
    found = find_parting("3.16", "4.4", 3)
    assert not found.exhaustive
    assert not found.minimal
    assert len(found.difference.program) == 6
    text = " ".join(" ".join(explain_parting(found)).split())
    assert "part after at most 6 operations" in text
    assert "Nothing can be left out of it" in text


def test_a_program_is_minimal_if_all_shorter_ones_were_looked_at():
    found = find_parting("3.16", "4.4", 3)
    longer = [
        _differences.Extent(row.about, row.alphabet, 5, row.worlds) for row in found.searched
    ]  # fmt: skip
    again = _differences.Parting(
        "3.16", "4.4", 4, found.difference, tuple(longer), exhaustive=False
    )
    assert again.minimal
    assert "is minimal" in " ".join(explain_parting(again))


def test_a_record_is_read_again_and_an_untrue_one_is_refused():
    found = find_parting("6.1", "6.11", 4)
    record = json.loads(json.dumps(record_of(found)))
    assert recorded_parting(record) == found
    with pytest.raises(SuiteError, match="are not told apart by owner"):
        recorded_parting({**record, "second": "5.2"})
    with pytest.raises(SuiteError, match="are not told apart"):
        recorded_parting({**record, "program": [*record["program"], "exit(3)"]})


def test_an_answer_that_the_other_allows_is_no_difference(monkeypatch):
    found = find_parting("6.1", "6.11", 4)
    monkeypatch.setattr(Oracle, "judge", lambda self, answers: [])
    with pytest.raises(SuiteError, match="so that is no difference"):
        _differences.objections(found)


# -- hazards ----------------------------------------------------------------------------

#: The rule, and the last dialect that breaks it: from the next one on it is gone.
LAST = {
    "LEADER-05": "rfc-v4", "EXEC-02": "rfc-v4", "EXEC-07": "2.6.26", "USERS-03": "2.6.26",
    "EXIT-02": "2.6.33", "KTHREAD-01": "3.0", "FORK-07": "4.4",
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.costly
def test_a_hazard_is_there_up_to_the_dialect_that_ended_it_and_gone_from_then_on(dialect):
    order = list(DIALECTS)
    for hazard in HAZARDS:
        row = _hazard_table.search_hazard(dialect, hazard)
        last = LAST.get(hazard.rule, hazard.last)
        there = dialect != "none" and order.index(dialect) <= order.index(last)
        assert (row.program is not None) == there, (hazard.rule, dialect)


def test_hazards_are_shown_with_their_programs_and_the_extent_of_the_search(call, monkeypatch):
    monkeypatch.setattr(_hazard_table, "shapes", lambda: [
        hazard for hazard in HAZARDS
        if hazard.rule in ("EXIT-07", "EXIT-08", "LEADER-05", "LEADER-06")
    ])  # fmt: skip
    code, out, _ = call("hazards", "rfc-v4")
    assert code == 0
    assert "breaks rules by itself in 4 ways" in out
    assert "LEADER-06 [safety] a thread execs; the old leader" in out
    assert "  shortest program, 3 operations:\n    1  clone(1, 2, mm=2)\n" in out
    code, out, _ = call("hazards", "6.12")
    assert code == 0
    assert "6.12 is judged by the dialect 6.11" in out
    assert "breaks none of the rules that older dialects break" in out
    assert "by up to 6 operations of clone, exec; clone flags none, VM, THREAD" in out


def test_hazards_as_json(call, monkeypatch):
    monkeypatch.setattr(_hazard_table, "shapes", lambda: [
        hazard for hazard in HAZARDS if hazard.rule in ("FORK-07", "KTHREAD-01")
    ])  # fmt: skip
    data = json.loads(call("hazards", "4.19", "--json")[1])
    assert (data["asked"], data["dialect"]) == ("4.19", "4.4")
    there, gone = data["hazards"]
    assert (there["rule"], there["present"], len(there["program"])) == ("FORK-07", True, 1)
    assert (gone["rule"], gone["present"], gone["program"]) == ("KTHREAD-01", False, None)
    assert gone["searched"]["length"] == 6


def test_a_range_that_a_search_contradicts_is_our_error():
    from dataclasses import replace

    wrong = replace(HAZARDS[-1], dialects="..3.0")
    with pytest.raises(SuiteError, match=r"gone in 4\.4, and a search to 2"):
        _hazard_table.search_hazard("4.4", wrong, 2)


@pytest.mark.parametrize("hazard", HAZARDS, ids=lambda hazard: f"{hazard.rule}-{hazard.last}")
def test_a_commit_ended_each_hazard(hazard):
    assert len(_hazard_table.ended_by(hazard)) == 1


# -- documents ----------------------------------------------------------------------------


@pytest.mark.slow
def test_the_documents_of_differences_and_hazards_are_up_to_date():
    done = subprocess.run(
        [sys.executable, ROOT / "docs/generate_differences.py", "--check"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_pair_and_every_hazard_is_in_the_documents():
    text = (ROOT / "docs/differences.md").read_text("utf-8")
    names = list(DIALECTS)
    for at, first in enumerate(names):
        for second in names[at + 1 :]:
            place = f"pair-{first}-{second}".replace(".", "")
            assert text.count(f"(#{place})") == text.count(f'id="{place}"') == 1
    text = (ROOT / "docs/hazards.md").read_text("utf-8")
    assert all(f"(#hazard-{number})" in text for number in range(1, len(HAZARDS) + 1))


# -- who is asked when --------------------------------------------------------------------


def test_the_order_of_a_search_is_that_of_the_rules():
    order = _search_order.search_order("6.11")
    stages = list(dict.fromkeys(asked.stage for asked in order))
    assert stages == ["children", "siblings", "everything"]
    assert [asked.task for asked in order if asked.stage == "children"] == [5, 6, 7]
    rfc = [asked.task for asked in _search_order.search_order("rfc-v4")]
    assert rfc[:7] == [5, 8, 6, 7, 4, 10, 11]
    assert 15 in rfc
    assert 15 not in [asked.task for asked in order]
    assert _search_order.search_order("none") == ()


def test_a_dialect_is_explained_by_whom_it_asks(call):
    out = call("explain", "6.11")[1]
    assert "   + 7   its thread, which lives on       3, 11" in out
    assert "if 13 traces the leaving task, the siblings asked are 4, 10" in out
    assert "nobody is asked: there is no owner" in call("explain", "none")[1]
    data = json.loads(call("explain", "3.0", "--json")[1])
    assert data["asked"][0] == {"stage": "children", "task": 5}


def test_dialects_that_ask_alike_stand_together():
    groups = [names for names, _ in _search_order.algorithms()]
    assert ["2.6.27", "2.6.28", "2.6.29"] in groups
    assert ["3.16", "4.4", "5.2"] in groups
    assert sorted(name for names in groups for name in names) == sorted(DIALECTS)
