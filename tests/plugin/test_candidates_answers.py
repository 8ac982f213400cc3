"""Raw answers: what is taken, and what is the adapter's mistake."""

from collections import OrderedDict
from types import MappingProxyType

import pytest

from mmowner_reference import ASKS, Kernel, ProcessOf, Question, parse_program
from pytest_mmowner import CandidateError
from pytest_mmowner._answers import CHECKS, checked

#: Tasks 1 to 3 (2 was released), mms 1 to 3, cgroups 1 and 4 were named.
PROGRAM = "clone(1, 2, mm=2)\nclone(1, 3, mm=3)\nexit(2)\nreap(2)\ncgroup(4)"
CALL = {"subsystem": "s", "old": 1, "new": 3, "seen": 1}
OWNER = Question("owner", 1)
STATE = Question("state", 1)

GOOD = [
    (OWNER, None, None),
    (OWNER, 1, 1),
    (OWNER, 2, 2),  # released, but a known name: a wrong owner is for the oracle to say
    (OWNER, {"process": 3}, ProcessOf(3)),
    (OWNER, MappingProxyType({"process": 1}), ProcessOf(1)),
    (Question("users", 1), 0, 0),
    (Question("users", 1), 12, 12),
    (Question("users", 1), -1, -1),  # an integer; the oracle judges it
    (STATE, "live", "live"),
    (STATE, "zombie", "zombie"),
    (STATE, "gone", "gone"),
    (Question("callbacks"), [], []),
    (Question("callbacks"), [CALL, CALL], [CALL, CALL]),
    (Question("callbacks"), [OrderedDict(CALL)], [CALL]),
    (Question("callbacks"), [CALL | {"new": None}], [CALL | {"new": None}]),
    (Question("bill"), {}, {}),
    (Question("bill"), {"1": 4, "4": 0}, {"1": 4, "4": 0}),
    (Question("bill"), {1: 4}, {"1": 4}),
    (Question("bill"), {"none": 7}, {"none": 7}),
    (Question("bill"), {"freed": 7}, {"freed": 7}),
    (Question("lru"), {}, {}),
    (Question("lru"), {"1": 1, "3": 4}, {"1": 1, "3": 4}),
    (Question("lru"), {3: 4}, {"3": 4}),
    (Question("init_mm_owner"), None, None),
    (Question("init_mm_owner"), 0, 0),
]

TASK = "an owner is the integer name of a task, or null"
PARTY = "old, new and task are integers, or null where there is nobody new"
BAD = [
    *((OWNER, raw, TASK) for raw in ("1", "", 1.0, True, False, [1], (1,), b"1", object())),
    (OWNER, 0, "no task was ever named 0"),
    (OWNER, -1, "no task was ever named -1"),
    (OWNER, 99, "no task was ever named 99"),
    (OWNER, 10**40, f"no task was ever named {10**40}"),
    (OWNER, {}, 'an object must be {"process": task}'),
    (OWNER, {"task": 1}, 'an object must be {"process": task}'),
    (OWNER, {"process": 1, "why": "so"}, 'an object must be {"process": task}'),
    (OWNER, {"process": 99}, "no task was ever named 99"),
    (OWNER, {"process": None}, TASK),
    (OWNER, {"process": True}, TASK),
    (OWNER, {"process": {"process": 1}}, TASK),
    *((Question("users", 1), raw, "mm_users is an integer")
      for raw in (None, "2", 2.0, True, [2], {"users": 2})),
    *((STATE, raw, "a state is one of live, zombie, gone")
      for raw in (None, "dead", "LIVE", "live ", 0, ["live"], {"live": 1})),
    *((Question("callbacks"), raw, "the callbacks are a list")
      for raw in (None, {}, "", (), 0)),
    *((Question("callbacks"), raw, "each callback has the fields new, old, seen, subsystem in rfc-v4")
      for raw in ([None], [[]], [{}], [CALL | {"more": 1}], [CALL, {"old": 1}])),
    *((Question("callbacks"), [CALL | {key: value}], "old and seen are integers")
      for key in ("old", "seen") for value in (None, "1", True)),
    *((Question("callbacks"), [CALL | {"new": value}], PARTY) for value in ("1", True, 1.0, [1])),
    *((Question("bill"), raw, "the answer is an object of names to integers")
      for raw in (None, [], 3, "none", [["1", 3]])),
    (Question("bill"), {"1": None}, "the value of '1' is no integer"),
    (Question("bill"), {"1": 2.0}, "the value of '1' is no integer"),
    (Question("bill"), {"1": True}, "the value of '1' is no integer"),
    (Question("bill"), {"1": 1, "9": 1}, "no cgroup was ever named 9"),
    (Question("bill"), {"-1": 1}, "no cgroup was ever named -1"),
    (Question("bill"), {"root": 1}, "no cgroup was ever named root"),
    (Question("bill"), {"": 1}, "no cgroup was ever named "),
    *((Question("lru"), raw, "the answer is an object of mms to cgroups")
      for raw in (None, [], 3)),
    *((Question("lru"), raw, "the value of '1' is no integer")
      for raw in ({"1": None}, {"1": "1"}, {"1": True}, {"1": 1.0})),
    *((Question("init_mm_owner"), raw, "init_mm is owned by init_task, written 0, or by nobody, null")
      for raw in (1, -1, "0", False, True, [], {"process": 0})),
]  # fmt: skip


@pytest.fixture(scope="module")
def world():
    return Kernel("rfc-v4").run(parse_program(PROGRAM))


def test_every_question_has_a_check_and_both_kinds_of_cases():
    assert set(CHECKS) == set(ASKS)
    assert {question.ask for question, *_ in GOOD} == set(ASKS)
    assert {question.ask for question, *_ in BAD} == set(ASKS)


@pytest.mark.parametrize(("question", "raw", "value"), GOOD)
def test_a_good_answer_is_taken(question, raw, value, world):
    found = checked(question, raw, world)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(("question", "raw", "why"), BAD)
def test_a_bad_answer_is_the_adapters_mistake(question, raw, why, world):
    with pytest.raises(CandidateError) as caught:
        checked(question, raw, world)
    assert caught.value.text.endswith(f": {why}")
    assert caught.value.in_flight == str(question)
    assert str(caught.value).startswith(f"the candidate broke: its answer to {question} is ")


@pytest.mark.parametrize(
    ("question", "raw"),
    [
        pytest.param(Question("bill"), {"²": 1}, id="a superscript is a digit, but no integer"),
        pytest.param(Question("bill"), {"01": 1}, id="no cgroup is called 01"),
        pytest.param(Question("init_mm_owner"), 0.0, id="0.0 is no integer"),
        pytest.param(Question("lru"), {"99": 1}, id="no mm was ever named 99"),
        pytest.param(Question("lru"), {"1": 99}, id="no cgroup was ever named 99"),
        pytest.param(Question("callbacks"), [CALL | {"old": 99}], id="no task was ever named 99"),
        pytest.param(Question("callbacks"), [CALL | {"subsystem": 3}], id="3 is no name"),
    ],
)
def test_a_bad_answer_that_is_not_noticed(question, raw, world):
    with pytest.raises(CandidateError):
        checked(question, raw, world)


#: Callbacks of the dialects after the RFC: 4 is no task but a cgroup, 3 is no cgroup but a task.
GROUPS = {"subsystem": "s", "old": 1, "new": 4, "seen": 3}
ARGUMENTS = [
    ("2.6.26", GROUPS, None),
    ("2.6.26", GROUPS | {"new": None}, None),
    ("2.6.26", GROUPS | {"new": 3}, "no cgroup was ever named 3"),
    ("2.6.26", GROUPS | {"old": 3}, "no cgroup was ever named 3"),
    ("2.6.26", GROUPS | {"task": 3}, "each callback has the fields new, old, seen, subsystem in 2.6.26"),
    ("2.6.27", GROUPS, None),
    ("2.6.28", GROUPS | {"task": 3}, None),
    ("2.6.28", GROUPS | {"new": None, "task": None}, None),
    ("2.6.28", GROUPS | {"task": 4}, "no task was ever named 4"),
    ("2.6.28", GROUPS | {"task": "3"}, PARTY),
    ("2.6.28", GROUPS, "each callback has the fields new, old, seen, subsystem, task in 2.6.28"),
    ("rfc-v4", GROUPS, "no task was ever named 4"),
]  # fmt: skip


@pytest.mark.parametrize(("dialect", "call", "why"), ARGUMENTS)
def test_a_callback_has_the_arguments_of_the_dialect(dialect, call, why):
    world = Kernel(dialect).run(parse_program(PROGRAM))
    if why is None:
        assert checked(Question("callbacks"), [call], world) == [call]
        return
    with pytest.raises(CandidateError) as caught:
        checked(Question("callbacks"), [call], world)
    assert caught.value.text.endswith(f": {why}")


def test_a_long_answer_is_cut(world):
    with pytest.raises(CandidateError) as caught:
        checked(OWNER, "x" * 1000, world)
    assert "x" * 199 + "...: " in caught.value.text
    assert len(caught.value.text) < 350


def test_the_checked_answer_is_a_copy(world):
    raw = [dict(CALL)]
    found = checked(Question("callbacks"), raw, world)
    raw[0]["old"] = 3
    assert found == [CALL]
