"""``mmowner explore`` counts the worlds of a scope."""

import json

import pytest

from mmowner_reference import Bounds, explore

SMALL = ("--tasks", "3", "--mms", "2", "--holds", "1")


def test_a_scope_is_counted_level_by_level(call):
    code, out, err = call("explore", *SMALL, "--dialect", "6.12")
    space = explore(Bounds(3, 2, 1))
    assert (code, err) == (0, "")
    assert out.splitlines()[0].startswith("scope (3,2,1,0) (tasks, mms, references")
    assert out.splitlines()[-1] == (
        f"{space.states} worlds, {space.transitions} transitions, depth {space.depth}"
    )
    assert len(out.splitlines()) == space.depth + 4


def test_a_script_gets_numbers(call):
    code, out, _ = call("explore", *SMALL, "--kthreads", "1", "--json")
    data = json.loads(out)
    assert code == 0
    assert data["closed"] is True
    assert (data["kthreads"], data["dialect"]) == (1, "6.11")
    assert data["states"] == sum(data["levels"])


def test_a_scope_that_is_cut_off_is_no_success(call):
    code, out, _ = call("explore", "--max-states", "10")
    assert code == 1
    assert "not closed: ended after more than 10 worlds" in out


def test_whoever_waits_at_a_terminal_sees_how_far_it_is(call, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    _, _, err = call("explore", "--tasks", "2", "--mms", "2")
    core, *levels = err.splitlines()
    assert core.startswith("search core: ")
    assert levels[0].startswith("depth 1: ")
    assert err.count("worlds") == len(levels)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--tasks", "0"), "--tasks is at least 1"),
        (("--holds", "-1"), "--holds is at least 0"),
        (("--tasks", "many"), "--tasks"),
        (("--dialect", "6.x"), "unknown dialect '6.x'"),
    ],
)
def test_a_wrong_call_is_4(call, words, said):
    code, out, err = call("explore", *words)
    assert (code, out) == (4, "")
    assert said in err
