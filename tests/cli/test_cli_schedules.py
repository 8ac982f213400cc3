"""``mmowner schedules``: scenes explored and schedules followed, from a shell."""

import json
import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "kernel"))

from owner_making import FILES, tree
from owner_wrong import WRONG

from mmowner_conformance.scenes import SCENES
from pytest_mmowner._cli._run import _QUICK, arguments_from

OWN = "clone(1, 2, mm=2); clone(2, 3, VM); clone(2, 4, VM) / exit(2) | exit(3)"


@pytest.fixture(scope="module")
def right(tmp_path_factory):
    return f"kernel:{tree(tmp_path_factory.mktemp('kernel'))}"


@pytest.fixture(scope="module")
def wrong(tmp_path_factory):
    """One who does not look again once it has the lock."""
    return f"kernel:{tree(tmp_path_factory.mktemp('kernel'), FILES, *WRONG['no-recheck'].edits)}"


def test_nothing_is_found_in_a_right_tree(call, right):
    code, out, err = call("schedules", right, "--scene", "exit-exit", "--scene", "exec-exec")
    assert (code, err) == (0, "")
    head, *rows = [line.split() for line in out.splitlines()]
    assert head == ["scene", "schedules", "left", "tried", "found"]
    assert [(row[0], row[-2], row[-1]) for row in rows] == [
        ("exit-exit", "all", "-"), ("exec-exec", "all", "-"),
    ]  # fmt: skip
    assert all(re.fullmatch(r"[\d,]+", row[1]) for row in rows)


def test_all_scenes_that_can_be_played(call, right):
    code, out, _ = call("schedules", right, "--bound", "0", "--json")
    assert code == 0
    names = [one["scene"] for one in json.loads(out)["scenes"]]
    assert names == [one.name for one in SCENES if not one.name.startswith("subsystem")]


def test_what_is_found_is_shown_with_its_lanes(call, wrong):
    code, out, err = call("schedules", wrong, "--scene", "exit-exit")
    assert (code, err) == (1, "")
    assert "owner-not-user, stale-owner" in out.splitlines()[1]
    said = "owner-not-user: A mm 2 gets the owner task 3, which does not use it at hand_to() (kernel/exit.c:13) (1 preemption)"
    assert said in out
    schedule = re.search(
        r"scene exit-exit: the one who is elected leaves; schedule (A\d+\.B\.A)\n", out
    )
    assert schedule
    assert "  | A: exit(2)   B: exit(3)\n" in out
    assert f"  | => {said}\n" in out
    # The same schedule by itself.
    code, followed, _ = call("schedules", wrong, "--scene", "exit-exit", "--follow", schedule[1])
    assert code == 1
    assert followed.splitlines()[-1] == f"=> {said}"


def test_with_fewer_preemptions_nothing_is_found(call, wrong):
    assert call("schedules", wrong, "--scene", "exit-exit", "--bound", "0")[0] == 0
    assert call("schedules", wrong, "--scene", "exit-exit", "--bound", "1")[0] == 1


def test_a_scene_of_ones_own(call, wrong):
    code, out, _ = call("schedules", wrong, "--scene", OWN)
    assert code == 1
    assert "scene given: a scene that was given; schedule A" in out


def test_for_a_script(call, wrong):
    code, out, _ = call("schedules", wrong, "--scene", OWN, "--json")
    document = json.loads(out)
    assert code == 1
    (scene,) = document["scenes"]
    assert (document["candidate"], scene["scene"], scene["complete"]) == (wrong, "given", True)
    assert {one["kind"] for one in scene["findings"]} == {"owner-not-user", "stale-owner"}
    schedule = scene["findings"][0]["schedule"]
    code, out, _ = call("schedules", wrong, "--scene", OWN, "--follow", schedule, "--json")
    document = json.loads(out)
    assert code == 1
    assert document["schedule"] == schedule
    assert document["events"]
    assert "owner-not-user" in [one["kind"] for one in document["findings"]]


def test_a_schedule_that_shows_nothing(call, right):
    code, out, _ = call("schedules", right, "--scene", "exit-exit", "--follow", "A.B")
    assert code == 0
    assert out.splitlines()[-1] == "=> owners: 1=1 2=4"
    code, out, _ = call(
        "schedules", right, "--scene", "clone(1, 2, mm=2) / exit(1) | exit(2)", "--follow", "A.B"
    )
    assert out.splitlines()[-1].startswith("=> owners: ")


def test_without_reduction_there_is_more(call, right):
    counts = []
    for words in ((), ("--full",)):
        _, out, _ = call(
            "schedules", right, "--scene", "exit-fork", "--bound", "1", "--json", *words
        )
        counts.append(json.loads(out)["scenes"][0]["schedules"])
    assert counts[1] > 3 * counts[0]


def test_random_schedules(call, wrong):
    words = ("schedules", wrong, "--scene", "exit-exit", "--random", "500", "--json")
    code, out, _ = call(*words)
    (scene,) = json.loads(out)["scenes"]
    assert code == 1
    assert (scene["schedules"], scene["complete"]) == (500, False)
    assert call(*words, "--seed", "1")[1] == out
    assert call(*words, "--seed", "2")[1] != out
    assert " some " in call("schedules", wrong, "--scene", "exit-exit", "--random", "10")[1]


def test_what_breaks_before_the_overlap_has_no_schedule(call, tmp_path):
    spec = f"kernel:{tree(tmp_path, FILES, *WRONG['bug'].edits)}"
    code, out, err = call(
        "schedules", spec, "--scene", f"{OWN.partition('/')[0]}; exit(2) / exit(3) | exit(4)"
    )
    assert (code, err) == (1, "")
    assert (
        "before the overlap) at mm_update_next_owner() (kernel/exit.c:62) (0 preemptions)\n" in out
    )
    assert out.splitlines()[-1] == "scene given: a scene that was given"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("--scene", "exit-exti"),
            "unknown scene 'exit-exti'. Did you mean 'exit-exit'? Known are exit-exit, ",
        ),
        (("--scene", "exit(2)"), "or write PROGRAM / OPERATION | OPERATION"),
        (("--scene", "/ exit(2)"), "is no scene"),
        (
            ("--scene", "exit(9) / exit(2) | exit(3)"),
            "under the dialect 6.11 cannot be played: given",
        ),
        (("--follow", "A.B"), "--follow is about one scene: name it with --scene"),
        (
            ("--scene", "exit-exit", "--scene", "exec-exec", "--follow", "A.B"),
            "--follow is about one scene",
        ),
        (("--scene", "exit-exit", "--follow", "Z3"), "'Z3' is no schedule of the scene exit-exit"),
        (("--bound", "-1"), "--bound is at least 0"),
        (("--random", "0"), "--random is at least 1"),
        (("--dialect", "none"), "no such scene can be played under the dialect none"),
        (("--dialect", "6.x"), "unknown dialect '6.x'"),
    ],
)
def test_a_wrong_call_is_4(call, right, words, said):
    code, out, err = call("schedules", right, *words)
    assert (code, out) == (4, "")
    assert said in err


def test_only_what_can_be_interrupted(call):
    code, _, err = call("schedules", "reference")
    assert code == 4
    assert "reference cannot be interrupted: schedules are for kernel: and lib: candidates" in err


def test_where_the_header_is(call):
    code, out, err = call("header")
    assert (code, err) == (0, "")
    assert "struct mmo_host" in Path(out.strip()).read_text()


@pytest.mark.parametrize(
    ("given", "left", "wanted"),
    [
        ([], [], _QUICK),
        (["-x", "-k", "EXIT-06"], ["-x"], f"({_QUICK}) and (EXIT-06)"),
        (["-kEXIT-06 or INV-04"], [], f"({_QUICK}) and (EXIT-06 or INV-04)"),
    ],
)
def test_quick_adds_to_the_words_of_the_user(given, left, wanted):
    words = arguments_from(["reference", "--quick", "--", *given])
    assert words[-2:] == ["-k", wanted]
    assert words.count("-k") == 1
    assert [word for word in given if word in words[:-2]] == left
    assert "no:hypothesispytest" in words


def test_who_wants_hypothesis_keeps_it_in_a_quick_run():
    words = arguments_from(["reference", "--quick", "--", "--hypothesis-seed=1"])
    assert "--hypothesis-seed=1" in words
    assert "no:hypothesispytest" not in words
