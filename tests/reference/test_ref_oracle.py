"""A wrong verdict is worse than none: what the oracle allows, blames, forgives and takes over."""

import pytest

from mmowner_reference import (
    ASKS,
    DIALECTS,
    OPS,
    Allowed,
    IllegalOperation,
    Kernel,
    Oracle,
    PlannedStep,
    ProcessOf,
    Question,
    Reason,
    TooManyOutcomes,
    parse_op,
    parse_program,
    plan,
    questions,
)
from mmowner_reference import Names as NewNames

M = Question("owner", 2)
#: 2 owns mm 2; 3 and 4 are its children and share it.
TWO_CHILDREN = "clone(1,2,mm=2); clone(2,3,VM); clone(2,4,VM)"
#: The order in which 3 and 4 die decides whether 5 or 6 comes first.
TWO_FAMILIES = "clone(1,2,mm=2); clone(2,3,THREAD); clone(2,4,THREAD); clone(3,5,VM); clone(4,6,VM)"


def do(oracle, text):
    for op in parse_program(text.replace(";", "\n")):
        oracle.do(op)
    return oracle


def after(text, dialect="6.11"):
    return do(Oracle(dialect), text)


def rules(deviations):
    return [deviation.rule for deviation in deviations]


# -- right and wrong elections ------------------------------------------------------------


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_right_answer_is_no_deviation(dialect):
    right = None if dialect == "none" else 3
    assert after(f"{TWO_CHILDREN}; exit(2)", dialect).judge({M: right}) == []


#: After the exit of 2, what was observed, and the requirement that it breaks.
WRONG = [
    (4, "SEARCH-01"),  # another user: only the order is broken
    (ProcessOf(4), "SEARCH-01"),
    (2, "INV-07"),  # a zombie
    (1, "INV-07"),  # alive, but uses another mm
    (7, "INV-07"),  # nobody has ever had this name
    (5, "INV-07"),  # a kernel thread that borrows the mm
    (None, "INV-07"),
    (ProcessOf(1), "INV-07"),
    (ProcessOf(7), "INV-07"),
]


@pytest.mark.parametrize(("observed", "rule"), WRONG)
@pytest.mark.parametrize("dialect", ["6.1", "6.11"])
def test_a_wrong_owner_breaks_order_only_if_it_is_a_possible_owner(dialect, observed, rule):
    oracle = after(f"kthread(5); {TWO_CHILDREN}; use_mm(5,mm=2); exit(2)", dialect)
    assert rules(oracle.judge({M: observed})) == [rule]


def test_an_owner_that_was_released_breaks_safety():
    oracle = after(f"{TWO_CHILDREN}; clone(2,9,THREAD); exit(9); exit(2)")
    assert rules(oracle.judge({M: 9})) == ["INV-07"]


@pytest.mark.parametrize("observed", [3, 4])
def test_where_no_search_was_due_another_user_is_no_matter_of_order(observed):
    oracle = after(f"{TWO_CHILDREN}; charge(2)")
    assert rules(oracle.judge({M: observed})) == ["INV-03"]


def test_a_deviation_says_step_operation_question_and_what_was_allowed():
    oracle = after(f"{TWO_CHILDREN}; exit(2)")
    (found,) = oracle.judge({M: 1})
    assert (found.step, str(found.op), found.question, found.observed) == (4, "exit(2)", M, 1)
    assert found.allowed == (
        Allowed(3, Reason(
            "INV-07", "task 2 left mm 2; task 3 is the first user of mm 2 among the children of 2",
            "SEARCH-01",
        )),
    )  # fmt: skip


def test_several_wrong_answers_are_several_deviations():
    oracle = after("clone(1,2,mm=2); clone(2,3,mm=3)")
    found = oracle.judge({M: 1, Question("owner", 3): 2, Question("users", 3): 2})
    assert sorted(rules(found)) == ["FORK-01", "FORK-03", "USERS-01"]


# -- going on after a deviation -----------------------------------------------------------


def test_a_wrong_election_is_reported_once():
    oracle = after(f"{TWO_CHILDREN}; exit(2)")
    assert rules(oracle.judge({M: 4})) == ["SEARCH-01"]
    assert do(oracle, "charge(4)").judge({M: 4}) == []


def test_what_follows_from_a_wrong_election_is_not_blamed_on_it():
    oracle = after(f"{TWO_CHILDREN}; exit(2)")
    oracle.judge({M: 4})
    assert do(oracle, "exit(3)").judge({M: 4}) == []  # 4 owns: nothing is due
    assert do(oracle, "exit(4)").judge({}) == []


def test_a_wrong_owner_hands_over_like_a_right_one():
    oracle = after(f"{TWO_CHILDREN}; exit(2)")
    oracle.judge({M: 4})
    assert do(oracle, "exit(4)").judge({M: 3}) == []


def test_a_second_wrong_election_is_a_second_deviation():
    oracle = after(f"{TWO_CHILDREN}; clone(2,5,VM); exit(2)")
    oracle.judge({M: 5})
    assert rules(do(oracle, "exit(5)").judge({M: 4})) == ["SEARCH-01"]


def test_a_missing_owner_is_taken_over():
    oracle = after(f"{TWO_CHILDREN}; exit(2)")
    oracle.judge({M: None})
    assert do(oracle, "charge(3)").judge({M: None, Question("bill"): {"1": 1}}) == []


def test_an_owner_that_should_not_be_there_is_taken_over():
    oracle = after("clone(1,2,mm=2); hold(mm=2,ref=1); exit(2)")
    assert rules(oracle.judge({M: 2})) == ["EXIT-07"]
    assert do(oracle, "reap(2)").judge({M: 2}) == []


def test_an_owner_with_an_unknown_name_is_taken_over_as_none():
    oracle = after(f"{TWO_CHILDREN}; exit(2)")
    oracle.judge({M: 99})
    assert oracle.worlds[0].owner(2) is None


def test_a_wrong_answer_that_is_no_owner_is_reported_once():
    oracle = after("clone(1,2,mm=2); charge(2)")
    bill = Question("bill")
    assert rules(oracle.judge({bill: {"1": 9}})) == ["CHARGE-01"]
    assert do(oracle, "charge(2)").judge({bill: {"1": 9}}) == []


def test_an_owner_in_a_kernel_without_owners_is_reported_once():
    oracle = after("clone(1,2,mm=2)", "none")
    assert rules(oracle.judge({M: 2})) == ["CONF-01"]


GROUPS = (
    "cgroup(2); cgroup(3); subsystem(a); clone(1,2,mm=2); clone(2,3,VM); clone(2,4,VM);"
    "attach(3,cgroup=2); attach(4,cgroup=3); exit(2)"
)


def call(old, new, seen):
    return {"subsystem": "a", "old": old, "new": new, "seen": seen}


def test_callbacks_are_judged_by_the_election_that_was_observed():
    oracle = after(GROUPS, "rfc-v4")
    found = oracle.judge({M: 4, Question("callbacks"): [call(2, 4, 2)]})
    assert rules(found) == ["SEARCH-01"]


def test_callbacks_of_another_election_than_the_observed_are_wrong():
    oracle = after(GROUPS, "rfc-v4")
    found = oracle.judge({M: 4, Question("callbacks"): [call(2, 3, 2)]})
    assert rules(found) == ["SEARCH-01", "CALLBACK-01"]


def test_callbacks_before_the_wrong_election_stay_as_they_were():
    text = GROUPS.replace("exit(2)", "clone(2,5,VM); exit(2)")
    oracle = after(text, "rfc-v4")
    assert oracle.judge({M: 3}) == []
    found = do(oracle, "exit(3)").judge(
        {M: 5, Question("callbacks"): [call(2, 3, 2), call(3, 5, 3)]}
    )
    assert rules(found) == ["SEARCH-01"]


LISTS = GROUPS.replace("subsystem(a);", "")


@pytest.mark.parametrize("dialect", ["6.1", "6.11"])
@pytest.mark.parametrize(("entry", "expected"), [
    (3, ["SEARCH-01"]), (2, ["SEARCH-01", "CALLBACK-08"]), (1, ["SEARCH-01", "CALLBACK-08"]),
])  # fmt: skip
def test_the_list_entry_is_judged_by_the_election_that_was_observed(dialect, entry, expected):
    oracle = after(LISTS, dialect)
    assert rules(oracle.judge({M: 4, Question("lru"): {"1": 1, "2": entry}})) == expected


@pytest.mark.parametrize("dialect", ["rfc-v4", "6.1", "6.11"])
def test_the_bill_is_judged_by_the_owner_that_was_observed(dialect):
    oracle = after(LISTS, dialect)
    oracle.judge({M: 4})
    assert do(oracle, "charge(3)").judge({Question("bill"): {"3": 1}}) == []


# -- several worlds -----------------------------------------------------------------------


@pytest.mark.parametrize("dialect", ["6.1", "6.11"])
@pytest.mark.parametrize("owner", [5, 6])
def test_every_order_of_dying_threads_is_allowed(dialect, owner):
    assert after(f"{TWO_FAMILIES}; exec(2,mm=3)", dialect).judge({M: owner}) == []


@pytest.mark.parametrize(("first", "second"), [(5, 6), (6, 5)])
def test_an_answer_leaves_only_the_worlds_that_fit_it(first, second):
    oracle = after(f"{TWO_FAMILIES}; exec(2,mm=3)")
    oracle.judge({M: first})
    assert {world.owner(2) for world in oracle.worlds} == {first}
    assert do(oracle, f"exit({first})").judge({M: second}) == []


def test_answers_must_fit_one_world_together():
    # 5 is first among the children exactly in the worlds in which it is elected
    oracle = after(f"{TWO_FAMILIES}; exec(2,mm=3)")
    oracle.judge({M: 5})
    (world,) = {tuple(t.id for t in w.tasks[2].children) for w in oracle.worlds}
    assert world == (5, 6)


def test_a_deviation_shows_what_all_worlds_allowed():
    (found,) = after(f"{TWO_FAMILIES}; exec(2,mm=3)").judge({M: 1})
    assert sorted(allowed.value for allowed in found.allowed) == [5, 6]


def test_after_a_deviation_one_world_is_followed():
    oracle = after(f"{TWO_FAMILIES}; exec(2,mm=3)")
    oracle.judge({M: 1})
    assert len(oracle.worlds) == 1


def test_the_world_that_fits_most_answers_is_followed():
    oracle = after(f"{TWO_FAMILIES}; exec(2,mm=3)")
    users = Question("owner", 3)
    (found,) = oracle.judge({M: 6, users: 1})
    assert (found.question, oracle.worlds[0].owner(2)) == (users, 6)


def test_worlds_multiply_and_are_judged_together():
    oracle = after(
        f"{TWO_FAMILIES}; clone(2,7,mm=4); clone(7,8,THREAD); clone(7,9,THREAD); clone(8,10,VM);"
        "clone(9,11,VM); exec(2,mm=3); exec(7,mm=5)"
    )
    pairs = {(world.owner(2), world.owner(4)) for world in oracle.worlds}
    assert pairs == {(5, 10), (5, 11), (6, 10), (6, 11)}


def test_an_oracle_that_cannot_follow_all_worlds_says_so(monkeypatch):
    monkeypatch.setattr("mmowner_reference._outcomes.LIMIT", 2)
    with pytest.raises(TooManyOutcomes):
        after(f"{TWO_FAMILIES}; exec(2,mm=3)")


def test_an_illegal_operation_is_refused_before_anybody_is_judged():
    oracle = after(TWO_CHILDREN)
    with pytest.raises(IllegalOperation):
        do(oracle, "exit(1)")
    assert (oracle.step, oracle.judge({M: 2})) == (3, [])


# -- answers that say less ----------------------------------------------------------------


@pytest.mark.parametrize("task", [3, 4, 5])
def test_a_process_answer_fits_any_thread_of_the_group_of_the_owner(task):
    oracle = after("clone(1,2,mm=2); clone(2,3,VM); clone(3,4,THREAD); clone(3,5,THREAD); exit(2)")
    assert oracle.judge({M: ProcessOf(task)}) == []


@pytest.mark.parametrize("task", [1, 2, 99])
def test_a_process_answer_fits_no_other_group(task):
    oracle = after("clone(1,2,mm=2); clone(2,3,VM); clone(3,4,THREAD); exit(2)")
    assert rules(oracle.judge({M: ProcessOf(task)})) == ["INV-07"]


def test_a_process_answer_does_not_fit_no_owner():
    oracle = after("clone(1,2,mm=2); hold(mm=2,ref=1); exit(2)")
    assert rules(oracle.judge({M: ProcessOf(2)})) == ["EXIT-07"]


def test_a_process_answer_knows_a_released_owner():
    oracle = after(
        "clone(1,2,mm=2); clone(2,3,VM); clone(2,4,THREAD); exit(2); exit(4); reap(2)", "rfc-v4"
    )
    assert oracle.judge({M: ProcessOf(2)}) == []


@pytest.mark.parametrize("bill", [{"1": 1}, {"1": 1, "2": 0, "none": 0}])
def test_groups_that_paid_nothing_may_be_left_out_of_the_bill(bill):
    assert after("cgroup(2); charge(1)").judge({Question("bill"): bill}) == []


@pytest.mark.parametrize("bill", [{}, {"1": 99}, {"freed": 1}])
def test_any_bill_is_right_after_a_charge_through_freed_memory(bill):
    oracle = after(
        "clone(1,2,mm=2); clone(2,3,VM); exec(2,mm=3); exit(2); reap(2); charge(3)", "rfc-v4"
    )
    assert oracle.judge({Question("bill"): bill}) == []


def test_nothing_asked_is_nothing_judged():
    oracle = after(TWO_CHILDREN)
    assert (oracle.judge({}), oracle.decided) == ([], {})


# -- why ----------------------------------------------------------------------------------


def test_the_oracle_counts_what_decided():
    oracle = after(f"{TWO_CHILDREN}; exit(2)")
    oracle.judge({M: 3, Question("owner", 1): 1, Question("users", 2): 2})
    assert oracle.decided == {"INV-07": 1, "SEARCH-01": 1, "REPARENT-02": 1, "USERS-01": 1}


def test_a_wrong_answer_is_counted_too():
    oracle = after(f"{TWO_CHILDREN}; exit(2)")
    oracle.judge({M: 1})
    do(oracle, "charge(3)").judge({M: None})
    assert oracle.decided == {"INV-07": 1, "SEARCH-01": 1, "INV-03": 1}


def test_before_any_operation_nothing_has_happened():
    oracle = Oracle("6.11")
    assert oracle.reason(oracle.worlds[0], Question("owner", 1)).rule == "INV-03"


#: Dialect, program, question about its last operation, requirement, order.
REASONS = [
    ("6.11", "clone(1,2,mm=2)", M, "FORK-01"),
    ("6.11", "clone(1,2,mm=2)", Question("owner", 1), "FORK-03"),
    ("6.11", "clone(1,3,THREAD); clone(3,2,mm=2)", M, "FORK-02"),
    ("6.11", "clone(1,2,mm=2); clone(2,3,VM)", M, "FORK-03"),
    ("6.11", "clone(1,2,mm=2); clone(2,3,VM|VFORK)", M, "VFORK-01"),
    ("6.11", "clone(1,2,mm=2); clone(2,3,VM); exit(3)", M, "EXIT-01"),
    ("6.11", "clone(1,2,mm=2); clone(2,3,mm=3); exit(3)", M, "REPARENT-02"),
    ("6.11", "clone(1,3,mm=3); exec(3,mm=2)", M, "EXEC-01"),
    ("6.11", "clone(1,2,mm=2); clone(2,3,VM); exec(3,mm=3)", M, "EXEC-03"),
    ("6.11", "clone(1,2,mm=2); clone(2,3,VM); exec(2,mm=3)", M, "EXEC-02"),
    ("rfc-v4", "clone(1,2,mm=2); clone(2,3,VM); exec(2,mm=3)", M, "EXEC-02"),
    ("rfc-v4", "clone(1,2,mm=2); clone(2,3,VM); exec(2,mm=3)", Question("owner", 1), "EXEC-03"),
    ("6.11", "clone(1,2,mm=2); exec_fails(2)", M, "EXEC-09"),
    ("6.11", "clone_fails(1,2,mm=2,at=dup_mm,ref=1)", M, "FORK-06"),
    ("6.11", "clone_fails(1,2,mm=2,ref=1)", M, "FORK-07"),
    ("6.11", "clone_fails(1,2,VM)", Question("owner", 1), "FORK-07"),
    ("6.11", "clone(1,2,mm=2); exit(2); reap(2)", Question("owner", 1), "INV-03"),
    ("6.11", "hold(mm=1,ref=1)", Question("owner", 1), "USERS-01"),
    ("6.11", "hold(mm=1,ref=1); put(mm=1,ref=1)", Question("owner", 1), "USERS-01"),
    ("6.11", "kthread(2)", Question("owner", 1), "FORK-10"),
    ("6.11", "kthread(2); use_mm(2,mm=1)", Question("owner", 1), "KTHREAD-02"),
    ("6.11", "kthread(2); use_mm(2,mm=1); unuse_mm(2,mm=1)", Question("owner", 1), "KTHREAD-02"),
    ("6.11", "clone(1,2,mm=2); trace(2,tracer=1)", M, "PTRACE-03"),
    ("6.11", "clone(1,2,mm=2); trace(2,tracer=1); untrace(2)", M, "PTRACE-03"),
    ("6.11", "subreaper(1)", Question("owner", 1), "REPARENT-01"),
    ("6.11", "cgroup(2)", Question("owner", 1), "ATTACH-01"),
    ("6.11", "attach(1,cgroup=1)", Question("owner", 1), "ATTACH-01"),
    ("6.11", "charge(1)", Question("owner", 1), "INV-03"),
    ("rfc-v4", "subsystem(a)", Question("owner", 1), "CALLBACK-03"),
    ("none", "clone(1,2,mm=2)", M, "CONF-01"),
    ("none", "kthread(2)", Question("init_mm_owner"), "CONF-01"),
    ("6.11", "kthread(2)", Question("init_mm_owner"), "INIT-01"),
    ("6.11", "clone(1,2,mm=2)", Question("users", 2), "USERS-01"),
    ("6.11", "clone(1,2,mm=2)", Question("state", 2), "TASK-01"),
    ("rfc-v4", "clone(1,2,mm=2)", Question("callbacks"), "CALLBACK-01"),
    ("6.11", "charge(1)", Question("bill"), "CHARGE-01"),
    ("6.11", "clone(1,2,mm=2); exit(2)", Question("bill"), "EXIT-09"),
    ("6.11", "kthread(3); clone(1,2,mm=2); hold(mm=2,ref=1); use_mm(3,mm=2); exit(2); charge(3)",
     Question("bill"), "CHARGE-02"),
    ("6.11", "clone(1,2,mm=2)", Question("lru"), "CALLBACK-08"),
    ("6.11", "attach(1,cgroup=1)", Question("lru"), "ATTACH-03"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("dialect", "program", "question", "rule"),
    REASONS,
    ids=[f"{case[1].split(';')[-1].strip()}-{case[3]}" for case in REASONS],
)
def test_the_oracle_names_the_requirement(dialect, program, question, rule):
    oracle = after(program, dialect)
    assert oracle.reason(oracle.worlds[0], question).rule == rule


def test_every_operation_has_a_reason_why_it_changes_no_owner():
    words = {case[1].split(";")[-1].strip().split("(")[0] for case in REASONS}
    assert words == set(OPS)


def test_everything_that_can_be_asked_has_a_reason():
    assert {case[2].ask for case in REASONS} == set(ASKS)


# -- what to ask --------------------------------------------------------------------------


@pytest.mark.parametrize(("question", "text"), [
    (Question("owner", 2), "owner(mm 2)"), (Question("users", 2), "users(mm 2)"),
    (Question("state", 2), "state(task 2)"), (Question("bill"), "bill"),
])  # fmt: skip
def test_a_question_prints_what_it_is_about(question, text):
    assert str(question) == text


def test_a_process_answer_prints_what_it_is():
    assert str(ProcessOf(3)) == "a thread of 3"


def test_before_any_operation_only_mms_are_asked_about():
    assert questions(Kernel(), ASKS) == [Question("owner", 1), Question("users", 1)]


#: An operation, and which questions about the whole world it makes worth asking.
WORTH = [
    ("clone(1,2,mm=2)", {"callbacks", "lru"}),
    ("exec(1,mm=2)", {"callbacks", "bill", "lru"}),
    ("charge(1)", {"bill"}),
    ("attach(1,cgroup=1)", {"lru"}),
    ("kthread(2)", {"init_mm_owner"}),
    ("hold(mm=1,ref=1)", set()),
]


@pytest.mark.parametrize(("op", "asks"), WORTH)
def test_a_question_about_the_whole_world_is_asked_when_its_answer_can_be_new(op, asks):
    kernel = Kernel()
    kernel.do(parse_op(op, NewNames()))
    asked = {q.ask for q in questions(kernel, ASKS) if q.name is None}
    assert asked == asks


@pytest.mark.parametrize(("op", "tasks"), [
    ("clone(1,2,mm=2)", [1, 2]), ("kthread(2)", [2]), ("charge(1)", [1]), ("hold(mm=1,ref=1)", []),
])  # fmt: skip
def test_the_state_of_the_tasks_of_the_operation_is_asked(op, tasks):
    kernel = Kernel()
    kernel.do(parse_op(op, NewNames()))
    assert [q.name for q in questions(kernel, ["state"])] == tasks


def test_a_plan_has_the_questions_after_each_operation():
    program = parse_program("clone(1,2,mm=2)\nexit(2)")
    assert plan(program, "6.11", iter(["owner"])) == [
        PlannedStep(program[0], (Question("owner", 1), M)),
        PlannedStep(program[1], (Question("owner", 1),)),
    ]


def test_an_illegal_program_cannot_be_planned():
    with pytest.raises(IllegalOperation):
        plan(parse_program("exit(1)"), "6.11", ASKS)
