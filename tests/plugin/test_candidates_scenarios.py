"""Scenarios: readable programs with expectations that can contradict nobody silently."""

import pytest

from mmowner_reference import ASKS, DIALECTS, OPS, Kernel, Question, parse_program
from pytest_mmowner import NotApplicable, SuiteError
from pytest_mmowner._candidates.base import Info
from pytest_mmowner._scenario import needs_of, parse_scenario, splits_a_process

EVERYTHING = Info("x", "x")


def info(*lacking, without=()):
    words = frozenset(OPS) | frozenset(ASKS) | {"attach:thread"}
    return Info("x", "x", capabilities=words - set(lacking), without=frozenset(without))


def planned(text, dialect="6.11", candidate=EVERYTHING):
    return parse_scenario(text).plan(dialect, candidate)


# -- reading ---------------------------------------------------------------------------


def test_operations_names_and_comments_are_read():
    scenario = parse_scenario("""
        # a process and its sharer

        clone(init, P, mm=M)     # the process
        clone(P, Q, VM|PARENT)
        owner(M) == P            # not changed
    """)
    assert tuple(scenario.ops) == parse_program("clone(1, 2, mm=2)\nclone(2, 3, VM|PARENT)")
    (check,) = scenario.checks[2]
    assert (check.question, check.key, check.value) == (Question("owner", 2), None, 2)
    assert check.dialects == set(DIALECTS)
    assert check.line == "owner(M) == P"


@pytest.mark.parametrize(
    ("line", "question", "key", "value"),
    [
        ("owner(M) == P", Question("owner", 2), None, 2),
        ("owner(2) == 2", Question("owner", 2), None, 2),
        ("owner(M)==None", Question("owner", 2), None, None),
        ("owner(inits_mm) == init", Question("owner", 1), None, 1),
        ("users(M) == 3", Question("users", 2), None, 3),
        ("state(P) == zombie", Question("state", 2), None, "zombie"),
        ("bill(A) == 7", Question("bill"), "2", 7),
        ("bill(root) == 7", Question("bill"), "1", 7),
        ("bill(none) == 7", Question("bill"), "none", 7),
        ("lru(M) == A", Question("lru"), "2", 2),
        ("init_mm_owner == init_task", Question("init_mm_owner"), None, 0),
        ("init_mm_owner == None", Question("init_mm_owner"), None, None),
        ("callbacks == nothing", Question("callbacks"), None, []),
        (
            "callbacks == s(P -> init seen P), t(P->init  seen init)", Question("callbacks"), None,
            [{"subsystem": "s", "old": 2, "new": 1, "seen": 2},
             {"subsystem": "t", "old": 2, "new": 1, "seen": 1}],
        ),
        (
            "callbacks == s(A -> root seen P)", Question("callbacks"), None,
            [{"subsystem": "s", "old": 2, "new": 1, "seen": 2}],
        ),
        (
            "callbacks == s(A -> nobody seen P)", Question("callbacks"), None,
            [{"subsystem": "s", "old": 2, "new": None, "seen": 2}],
        ),
        (
            "callbacks == s(A -> root for init seen P), t(A -> nobody for nobody seen P)",
            Question("callbacks"), None,
            [{"subsystem": "s", "old": 2, "new": 1, "seen": 2, "task": 1},
             {"subsystem": "t", "old": 2, "new": None, "seen": 2, "task": None}],
        ),
    ],
)  # fmt: skip
def test_every_kind_of_expectation_is_read(line, question, key, value):
    scenario = parse_scenario(f"cgroup(A)\nclone(init, P, mm=M)\n{line}")
    (check,) = scenario.checks[2]
    assert (check.question, check.key, check.value) == (question, key, value)


@pytest.mark.parametrize(
    ("prefix", "dialects"),
    [
        ("6.11:", {"6.11"}),
        ("rfc-v4:", {"rfc-v4"}),
        ("6.1, 6.11:  ", {"6.1", "6.11"}),
        ("none,rfc-v4:", {"none", "rfc-v4"}),
        ("2.6.27..2.6.29:", {"2.6.27", "2.6.28", "2.6.29"}),
        ("..2.6.26, 6.1.., none:", {"rfc-v4", "2.6.26", "6.1", "6.11", "none"}),
        ("..:", set(DIALECTS) - {"none"}),
        ("", set(DIALECTS)),
    ],
)
def test_an_expectation_can_belong_to_some_dialects(prefix, dialects):
    (check,) = parse_scenario(f"{prefix} owner(1) == 1").checks[0]
    assert check.dialects == dialects


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("clone(init, P", "an operation looks like clone(1, 2, mm=2)"),
        ("fork(init)", "unknown operation 'fork'"),
        ("clone(init, P)", "without VM or THREAD the child needs mm="),
        ("clone(init, P, VM, mm=M)", "shares the mm of task 1"),
        ("clone(init, P, SM)", "unknown clone flag"),
        ("exit(0)", "task is a positive integer"),
        ("exit()", "missing field"),
        ("owner(M) = P", "an operation looks like"),
        ("owner(M) == P", "no mm M was mentioned before"),
        ("owner(1) == Q", "no task Q was mentioned before"),
        ("owner == 1", "say of what, as in owner(M)"),
        ("users(N) == 1", "no mm N was mentioned before"),
        pytest.param(
            "users(1) == many",
            "many",
        ),
        ("state(T) == live", "no task T was mentioned before"),
        ("bill(G) == 1", "no cgroup G was mentioned before"),
        ("lru(1) == G", "no cgroup G was mentioned before"),
        (
            "callbacks == s(init -> init)",
            "callbacks look like memrlimit(P -> Q seen P), or nothing",
        ),
        ("callbacks == s(init -> X seen init)", "no task X was mentioned before"),
        ("6.12: owner(1) == 1", "unknown dialect '6.12'"),
        ("6.1..6.12: owner(1) == 1", "unknown dialect '6.12'"),
        ("..none: owner(1) == 1", "none is in no range"),
        ("6.11..6.1: owner(1) == 1", "6.11..6.1: the older dialect comes first"),
        ("6.1,oops: owner(1) == 1", "unknown dialect 'oops'"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(line, why):
    with pytest.raises(SuiteError) as caught:
        parse_scenario(f"# the others are fine\nkthread(K)\n{line}   # here")
    assert f"scenario line {line!r}: " in str(caught.value)
    assert why in str(caught.value)


@pytest.mark.parametrize(
    "line",
    [
        "callbacks == s(init -> init seen init), t(init -> init)",  # the second call is dropped
        "init_mm_owner == nobody",  # anything but init_task is None
    ],
)
def test_a_line_that_can_only_be_read_in_part_is_named(line):
    with pytest.raises(SuiteError):
        parse_scenario(line)


def test_a_misspelt_state_contradicts_the_specification():
    with pytest.raises(SuiteError, match=r"specification of 6\.11 says 'live'"):
        planned("clone(init, P, mm=M)\nstate(P) == alive")


# -- planning --------------------------------------------------------------------------


def test_owners_of_all_mms_are_asked_after_each_operation():
    steps, lacking = planned(
        "clone(init, P, mm=M)\nclone(P, Q, mm=N)\nusers(M) == 1\nusers(M) == 1"
    )
    assert lacking == []
    assert [step.questions for step in steps] == [
        (Question("owner", 1), Question("owner", 2)),
        (Question("owner", 1), Question("owner", 2), Question("owner", 3), Question("users", 2)),
    ]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("owner(M) == P", "says 3"),
        ("users(M) == 2", "says 1"),
        ("state(P) == gone", "says 'zombie'"),
        ("6.11, rfc-v4: owner(M) == None", "says 3"),
        ("bill(root) == 4", "says 0"),
        ("lru(M) == A", "says 1"),
        ("init_mm_owner == init_task", "says None"),
        ("callbacks == s(P -> Q seen P)", "says []"),
    ],
)
def test_an_expectation_against_the_specification_is_an_error_of_the_suite(line, says):
    text = f"cgroup(A)\nclone(init, P, mm=M)\nclone(P, Q, VM)\nexit(P)\n{line}"
    with pytest.raises(SuiteError) as caught:
        planned(text)
    assert says in str(caught.value)
    assert "it is not the candidate" in str(caught.value)
    assert repr(line) in str(caught.value)


def test_an_expectation_of_another_dialect_is_neither_asked_nor_compared():
    text = "clone(init, P, mm=M)\nrfc-v4: users(M) == 77"
    steps, _ = planned(text, "6.11")
    assert all(question.ask == "owner" for question in steps[0].questions)
    with pytest.raises(SuiteError, match="specification of rfc-v4 says 1"):
        planned(text, "rfc-v4")


def test_an_expectation_before_the_first_operation_is_looked_at():
    with pytest.raises(SuiteError):
        planned("owner(1) == None\nclone(init, P, mm=M)")


def test_an_illegal_scenario_is_an_error_of_the_suite():
    with pytest.raises(SuiteError, match=r"no legal program in 6\.11: exit\(2\): there never was"):
        planned("exit(P)")


@pytest.mark.parametrize(
    ("text", "dialect", "why"),
    [
        ("subreaper(init)", "rfc-v4", "no subreapers before 3.4"),
        ("subsystem(s)", "6.11", "no mm_owner_changed"),
        ("cgroup(A)", "none", "without CONFIG_MEMCG"),
        ("charge(init)", "none", "without CONFIG_MEMCG"),
    ],
)
def test_what_a_dialect_has_not_is_not_applicable(text, dialect, why):
    with pytest.raises(NotApplicable, match=why):
        planned(text, dialect)
    if dialect != "rfc-v4":
        planned(text, "rfc-v4")


# -- what it takes ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "needs"),
    [
        ("clone(1, 2, mm=2)", ["clone"]),
        ("clone(1, 2, VM)", ["clone"]),
        ("clone(1, 2, THREAD)", ["clone", "clone:THREAD"]),
        ("clone(1, 2, VM|VFORK)\nclone(2, 3, PARENT, mm=2)",
         ["clone", "clone:VFORK", "clone:PARENT"]),
        ("clone(1, 2, mm=2)\nexit(2)\nreap(2)", ["clone", "exit", "reap"]),
        ("clone_fails(1, 2, VM)", ["clone_fails"]),
        ("clone_fails(1, 2, THREAD)", ["clone_fails", "clone:THREAD"]),
        ("clone_fails(1, 2, mm=2, at=dup_mm)", ["clone_fails", "clone_fails:dup_mm"]),
        ("clone_fails(1, 2, mm=2, at=late, ref=1)", ["clone_fails", "clone_fails:ref"]),
        ("clone_fails(1, 2, mm=2, at=dup_mm, ref=1)",
         ["clone_fails", "clone_fails:dup_mm", "clone_fails:ref"]),
        ("kthread(2)\nuse_mm(2, mm=1)", ["kthread", "use_mm"]),
        ("", []),
    ],
)  # fmt: skip
def test_a_program_needs_its_operations_flags_and_points_of_failure(text, needs):
    assert needs_of(parse_program(text)) == needs


@pytest.mark.parametrize(
    ("text", "candidate", "lacking"),
    [
        ("clone(1, P, mm=M)\nexit(P)", info("exit"), ["exit"]),
        ("clone(1, P, mm=M)\nusers(M) == 1", info("users"), ["users"]),
        ("clone(1, P, mm=M)\nrfc-v4: users(M) == 1", info("users"), []),
        ("clone(1, P, mm=M)", info("owner"), ["owner"]),
        ("clone(1, T, THREAD)", info(without=["clone:THREAD"]), ["clone:THREAD"]),
        ("clone(1, T, VM)", info(without=["clone:THREAD"]), []),
        ("clone_fails(1, P, mm=M, at=late, ref=r)", info(without=["clone_fails:ref"]),
         ["clone_fails:ref"]),
        ("clone_fails(1, P, mm=M, at=dup_mm)", info(without=["clone_fails:dup_mm"]),
         ["clone_fails:dup_mm"]),
        ("clone_fails(1, P, mm=M, at=late)",
         info(without=["clone_fails:dup_mm", "clone_fails:ref"]), []),
        ("clone(1, P, mm=M)\nexit(P)\nreap(P)", info("reap", "exit"), ["exit", "reap"]),
    ],
)  # fmt: skip
def test_what_a_candidate_lacks_is_named_once(text, candidate, lacking):
    assert planned(text, candidate=candidate)[1] == lacking


SPLIT = "cgroup(A)\nclone(init, P, mm=M)\nclone(P, T, THREAD)\nattach({}, A)"


@pytest.mark.parametrize(
    ("text", "lacking"),
    [
        (SPLIT.format("P"), ["attach:thread"]),
        (SPLIT.format("T"), ["attach:thread"]),
        (SPLIT.format("T") + "\nattach(P, A)", ["attach:thread"]),
        ("cgroup(A)\nclone(init, P, mm=M)\nattach(P, A)\nclone(P, T, THREAD)", []),
        ("cgroup(A)\nclone(init, P, mm=M)\nclone(P, T, THREAD)\nexit(T)\nattach(P, A)", []),
    ],
)
def test_threads_of_one_process_in_two_cgroups_need_attach_thread(text, lacking):
    assert planned(text, candidate=info("attach:thread"))[1] == lacking
    assert planned(text)[1] == []


def test_a_process_is_split_only_by_its_live_threads():
    world = Kernel("6.11")
    seen = []
    for op in parse_program(
        "cgroup(2)\nclone(1, 2, mm=2)\nclone(2, 3, THREAD)\nattach(3, cgroup=2)\nexit(2)"
    ):
        world.do(op)
        seen.append(splits_a_process(world))
    assert seen == [False, False, False, True, False]
