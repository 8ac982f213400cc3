"""The kernel around the rules keeps the lists, counts and bills that decide who is elected."""

import pytest

from mmowner_reference import Kernel, Names, Reason, parse_program

LEADERS = ["6.1", "6.11", "none"]
ALL = ["rfc-v4", *LEADERS]
OWNED = ["rfc-v4", "6.1", "6.11"]


def run(text, dialect="6.11"):
    return Kernel(dialect).run(parse_program(text.replace(";", "\n"), Names()))


def ids(tasks):
    return [task.id for task in tasks]


def processes(kernel):
    return ids(kernel.processes)


def children(kernel, task):
    return ids(kernel.tasks[task].children)


# -- the initial world -----------------------------------------------------------------


@pytest.mark.parametrize("dialect", OWNED)
def test_the_world_begins_with_init_that_owns_its_mm(dialect):
    kernel = Kernel(dialect)
    assert (processes(kernel), kernel.owner(1), kernel.users(1)) == ([1], 1, 1)


@pytest.mark.parametrize("dialect", ALL)
def test_inits_only_sibling_is_kthreadd(dialect):
    kernel = Kernel(dialect)
    assert list(kernel.init_task.children) == [kernel.kthreadd, kernel.tasks[1]]


@pytest.mark.parametrize(
    ("dialect", "owner"), [("rfc-v4", 0), ("6.1", None), ("6.11", None), ("none", None)]
)
def test_init_task_owns_init_mm_up_to_3_15(dialect, owner):
    assert Kernel(dialect).init_mm_owner() == owner


def test_a_kernel_without_owners_has_no_owner_field():
    kernel = Kernel("none")
    assert kernel.owner(1) is None
    assert not hasattr(kernel.mms[1], "owner")


# -- clone -----------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", OWNED)
@pytest.mark.parametrize("maker", [2, 3])
def test_a_forked_child_owns_its_mm_whoever_forks(dialect, maker):
    kernel = run(f"clone(1,2,mm=2); clone(2,3,THREAD); clone({maker},4,mm=3)", dialect)
    assert kernel.owner(3) == 4


@pytest.mark.parametrize("dialect", OWNED)
@pytest.mark.parametrize("flags", ["VM", "THREAD", "VM|PARENT", "VM|VFORK"])
def test_a_clone_that_shares_the_mm_adds_a_user_and_no_owner(dialect, flags):
    kernel = run(f"clone(1,2,mm=2); clone(2,3,{flags})", dialect)
    assert (kernel.owner(2), kernel.users(2)) == (2, 2)


@pytest.mark.parametrize("dialect", ALL)
@pytest.mark.parametrize(("flags", "parent"), [
    ("VM", 2), ("VM|VFORK", 2), ("VM|PARENT", 1), ("THREAD", 1),
])  # fmt: skip
def test_parent_and_thread_make_a_sibling(dialect, flags, parent):
    kernel = run(f"clone(1,2,mm=2); clone(2,3,{flags})", dialect)
    assert kernel.tasks[3].real_parent.id == kernel.tasks[3].parent.id == parent


@pytest.mark.parametrize("dialect", ALL)
def test_only_leaders_are_on_the_process_list(dialect):
    kernel = run("clone(1,2,mm=2); clone(2,3,THREAD); clone(1,4,VM)", dialect)
    assert processes(kernel) == [1, 2, 4]


@pytest.mark.parametrize("dialect", ALL)
def test_a_group_lists_its_threads_in_order_of_creation(dialect):
    kernel = run("clone(1,2,mm=2); clone(2,3,THREAD); clone(3,4,THREAD)", dialect)
    assert ids(kernel.tasks[3].threads) == [2, 3, 4]


@pytest.mark.parametrize(
    ("dialect", "listed"), [("rfc-v4", [2, 3]), *((name, [2]) for name in LEADERS)]
)
def test_threads_are_on_children_lists_up_to_2_6_32(dialect, listed):
    assert children(run("clone(1,2,mm=2); clone(2,3,THREAD)", dialect), 1) == listed


@pytest.mark.parametrize("dialect", OWNED)
def test_a_child_is_born_in_the_cgroup_of_its_maker(dialect):
    kernel = run("cgroup(2); attach(1,cgroup=2); clone(1,2,mm=2)", dialect)
    assert kernel.tasks[2].cgroup.id == 2


# -- failed clones -----------------------------------------------------------------------


@pytest.mark.parametrize("dialect", ALL)
@pytest.mark.parametrize("clone", ["mm=2", "mm=2, at=dup_mm", "VM", "THREAD"])
def test_the_child_of_a_failed_clone_is_on_no_list(dialect, clone):
    kernel = run(f"clone_fails(1, 2, {clone})", dialect)
    assert (processes(kernel), children(kernel, 1), kernel.state(2)) == ([1], [], "gone")


@pytest.mark.parametrize("dialect", OWNED)
def test_a_failed_clone_that_shares_the_mm_leaves_users_and_owner(dialect):
    kernel = run("clone_fails(1, 2, VM)", dialect)
    assert (kernel.owner(1), kernel.users(1)) == (1, 1)


@pytest.mark.parametrize("dialect", ALL)
def test_the_mm_of_a_failed_clone_goes_with_its_last_user(dialect):
    assert list(run("clone_fails(1, 2, mm=2)", dialect).mms) == [1]


@pytest.mark.parametrize("at", ["late", "dup_mm"])
@pytest.mark.parametrize(("dialect", "owner"), [("rfc-v4", 2), ("6.1", None), ("6.11", None)])
def test_a_failed_fork_clears_the_owner_of_an_mm_that_others_hold_from_5_2(dialect, owner, at):
    kernel = run(f"clone_fails(1, 2, mm=2, at={at}, ref=1)", dialect)
    assert (kernel.owner(2), kernel.users(2)) == (owner, 1)


def test_rules_need_not_know_about_failed_forks():
    class Minimal:
        def __init__(self, host):
            self.host = host

        def mm_init_owner(self, mm, task):
            mm.owner = task

        def mm_update_next_owner(self, mm):
            """Hand nothing over."""

    kernel = Kernel("6.11", Minimal).run(parse_program("clone_fails(1, 2, mm=2, ref=1)"))
    assert kernel.owner(2) == 2


# -- exit and reap ------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", ALL)
@pytest.mark.parametrize(("program", "state"), [
    ("clone(1,2,mm=2)", "live"),
    ("clone(1,2,mm=2); exit(2)", "zombie"),
    ("clone(1,2,mm=2); clone(2,3,THREAD); exit(2)", "zombie"),
    ("clone(1,2,mm=2); exit(2); reap(2)", "gone"),
    ("clone(1,9,mm=2); clone(9,2,THREAD); exit(2)", "gone"),
    ("kthread(2); exit(2)", "gone"),
    ("kthread(2); exec(2,mm=2); exit(2)", "gone"),
    ("kthread(9); exec(9,mm=2); clone(9,2,THREAD); exit(9); exit(2)", "gone"),
])  # fmt: skip
def test_a_task_ends_as_zombie_if_somebody_waits_for_it(dialect, program, state):
    assert run(program, dialect).state(2) == state


def test_a_name_that_was_never_used_is_the_name_of_nobody():
    assert Kernel().state(7) == "gone"


@pytest.mark.parametrize("dialect", ALL)
def test_a_zombie_leader_stays_on_the_lists_until_it_is_reaped(dialect):
    kernel = run("clone(1,2,mm=2); exit(2)", dialect)
    assert (processes(kernel), children(kernel, 1)) == ([1, 2], [2])
    kernel.run(parse_program("reap(2)"))
    assert (processes(kernel), children(kernel, 1)) == ([1], [])


@pytest.mark.parametrize("dialect", ALL)
def test_an_mm_goes_with_its_last_user(dialect):
    kernel = run("clone(1,2,mm=2); clone(2,3,VM); exit(2)", dialect)
    assert kernel.users(2) == 1
    kernel.run(parse_program("exit(3)"))
    assert list(kernel.mms) == [1]


@pytest.mark.parametrize("dialect", ALL)
def test_a_holder_keeps_the_mm(dialect):
    kernel = run("clone(1,2,mm=2); hold(mm=2,ref=1); exit(2)", dialect)
    assert (kernel.users(2), kernel.mms[2].refs) == (1, {1})
    kernel.run(parse_program("put(mm=2,ref=1)"))
    assert list(kernel.mms) == [1]


@pytest.mark.parametrize("dialect", ALL)
def test_a_loan_keeps_the_struct_without_being_a_user(dialect):
    kernel = run("kthread(3); clone(1,2,mm=2); use_mm(3,mm=2); exit(2)", dialect)
    assert kernel.users(2) == 0
    kernel.run(parse_program("unuse_mm(3,mm=2)"))
    assert list(kernel.mms) == [1]


@pytest.mark.parametrize(("dialect", "group"), [("rfc-v4", 1), ("6.1", 2), ("6.11", 2)])
def test_a_zombie_sits_in_the_root_cgroup_up_to_4_3(dialect, group):
    kernel = run("cgroup(2); clone(1,2,mm=2); attach(2,cgroup=2); exit(2)", dialect)
    assert kernel.tasks[2].cgroup.id == group


@pytest.mark.parametrize("dialect", OWNED)
def test_the_new_owner_is_elected_before_the_children_are_given_away(dialect):
    # 3 is older than 4; it would come first if 4 were init's child already
    kernel = run(
        "clone(1,2,mm=2); clone(2,9,VM|PARENT); clone(9,3,VM); exec(9,mm=3); clone(2,4,VM); exit(2)", dialect
    )  # fmt: skip
    assert kernel.owner(2) == 4


@pytest.mark.parametrize("dialect", ALL)
@pytest.mark.parametrize("end", ["exit(3)", "exec(3,mm=3)"])
def test_a_vfork_parent_runs_on_when_the_child_leaves_the_mm(dialect, end):
    kernel = run(f"clone(1,2,mm=2); clone(2,3,VM|VFORK); {end}", dialect)
    assert kernel.tasks[2].vfork_child is None
    kernel.run(parse_program("clone(2,4,VM)"))


@pytest.mark.parametrize("dialect", OWNED)
def test_a_killed_vfork_parent_hands_its_mm_to_the_child(dialect):
    kernel = run("clone(1,2,mm=2); clone(2,3,VM|VFORK); exit(2)", dialect)
    assert (kernel.owner(2), kernel.tasks[3].vfork_parent) == (3, None)


# -- orphans -----------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", ALL)
def test_orphans_go_to_init_in_their_order_behind_its_own(dialect):
    kernel = run("clone(1,2,mm=2); clone(2,3,VM); clone(2,4,VM); clone(1,5,VM); exit(2)", dialect)
    assert children(kernel, 1) == [2, 5, 3, 4]
    assert kernel.tasks[3].real_parent.id == kernel.tasks[3].parent.id == 1


#: A group of 2, 3, 4 in which one thread with a child exits: who adopts it.
ADOPTIONS = [
    ("rfc-v4", 2, 3), ("rfc-v4", 3, 4), ("rfc-v4", 4, 2),
    ("6.1", 2, 3), ("6.1", 3, 2), ("6.1", 4, 2),
    ("6.11", 2, 3), ("6.11", 3, 2), ("6.11", 4, 2),
]  # fmt: skip


@pytest.mark.parametrize(("dialect", "dead", "adopter"), ADOPTIONS)
def test_a_thread_of_the_group_adopts_orphans(dialect, dead, adopter):
    kernel = run(
        f"clone(1,2,mm=2); clone(2,3,THREAD); clone(2,4,THREAD); clone({dead},5,VM); exit({dead})",
        dialect,
    )
    assert kernel.tasks[5].real_parent.id == adopter
    assert children(kernel, adopter) == [5]


@pytest.mark.parametrize("dialect", LEADERS)
def test_the_threads_of_an_adopted_leader_change_parents_with_it(dialect):
    kernel = run("clone(1,2,mm=2); clone(2,3,VM); clone(3,4,THREAD); exit(2)", dialect)
    assert kernel.tasks[4].real_parent.id == kernel.tasks[4].parent.id == 1


#: After ``clone(1,2); clone(2,3); clone(3,4)`` with this in between, the exit of 3 gives 4 to:
REAPERS = [
    ("", 1),
    ("subreaper(2)", 2),
    ("subreaper(2); exit(2)", 1),
    ("subreaper(2); clone(2,5,THREAD); exit(2)", 5),
    ("subreaper(1)", 1),
    ("subreaper(3)", 1),
]


@pytest.mark.parametrize("dialect", LEADERS)
@pytest.mark.parametrize(("between", "reaper"), REAPERS)
def test_orphans_go_to_the_nearest_subreaper_with_a_live_thread(dialect, between, reaper):
    kernel = run(f"clone(1,2,mm=2); clone(2,3,mm=3); clone(3,4,mm=4); {between}; exit(3)", dialect)
    assert kernel.tasks[4].real_parent.id == reaper


@pytest.mark.parametrize("dialect", LEADERS)
def test_a_subreaper_that_is_exiting_adopts_nobody(dialect):
    kernel = run("clone(1,2,mm=2); clone(2,3,mm=3); clone(3,4,mm=4); subreaper(2)", dialect)
    kernel.exit_part(kernel.tasks[2], 0)  # marked, and not yet past exit_mm
    kernel.exit(kernel.tasks[3])
    assert kernel.tasks[4].real_parent.id == 1


def test_children_of_a_kernel_helper_go_to_init():
    kernel = run("kthread(2); exec(2,mm=2); clone(2,3,VM); exit(2)")
    assert kernel.tasks[3].real_parent.id == 1


# -- exec -------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", OWNED)
def test_the_task_that_execs_owns_its_new_mm(dialect):
    kernel = run("clone(1,2,mm=2); clone(2,3,THREAD); exec(3,mm=3)", dialect)
    assert (kernel.owner(3), kernel.users(3)) == (3, 1)


@pytest.mark.parametrize("dialect", ALL)
def test_an_exec_ends_all_other_threads(dialect):
    kernel = run("clone(1,2,mm=2); clone(2,3,THREAD); clone(2,4,THREAD); exec(3,mm=3)", dialect)
    assert [kernel.state(task) for task in (2, 3, 4)] == ["gone", "live", "gone"]
    assert ids(kernel.tasks[3].threads) == [3]


@pytest.mark.parametrize("dialect", ALL)
def test_a_non_leaders_exec_takes_the_leaders_place_in_the_process_list(dialect):
    kernel = run("clone(1,2,mm=2); clone(1,3,mm=3); clone(2,4,THREAD); exec(4,mm=4)", dialect)
    assert processes(kernel) == [1, 4, 3]
    assert kernel.tasks[4].leader


@pytest.mark.parametrize("dialect", LEADERS)
def test_a_non_leaders_exec_takes_the_leaders_place_among_the_children(dialect):
    kernel = run("clone(1,2,mm=2); clone(1,3,mm=3); clone(2,4,THREAD); exec(4,mm=4)", dialect)
    assert children(kernel, 1) == [4, 3]


def test_a_non_leaders_exec_keeps_its_own_place_among_the_children_up_to_2_6_32():
    kernel = run("clone(1,2,mm=2); clone(1,3,mm=3); clone(2,4,THREAD); exec(4,mm=4)", "rfc-v4")
    assert children(kernel, 1) == [3, 4]


@pytest.mark.parametrize("dialect", ALL)
def test_the_children_of_threads_that_an_exec_killed_are_the_exec_ers(dialect):
    kernel = run("clone(1,2,mm=2); clone(2,3,THREAD); clone(2,4,mm=3); exec(3,mm=4)", dialect)
    assert children(kernel, 3) == [4]


@pytest.mark.parametrize("dialect", OWNED)
def test_a_sharer_that_execs_changes_no_owner(dialect):
    kernel = run("clone(1,2,mm=2); clone(2,3,VM); clone(2,4,VM); exec(3,mm=3)", dialect)
    assert (kernel.owner(2), kernel.owner(3), kernel.users(2)) == (2, 3, 2)


@pytest.mark.parametrize("dialect", OWNED)
def test_a_failed_exec_changes_nothing(dialect):
    kernel = run("clone(1,2,mm=2); clone(2,3,VM); exec_fails(2)", dialect)
    assert (kernel.owner(2), kernel.users(2), list(kernel.mms)) == (2, 2, [1, 2])


@pytest.mark.parametrize("dialect", OWNED)
def test_a_kernel_thread_that_execs_is_a_user_task(dialect):
    kernel = run("kthread(2); exec(2,mm=2)", dialect)
    assert (kernel.tasks[2].kthread, kernel.owner(2), kernel.users(2)) == (False, 2, 1)


# -- tracing ----------------------------------------------------------------------------

TRACED = "clone(1,2,mm=2); clone(1,3,mm=3); clone(1,4,mm=4); trace(3,tracer=2)"


@pytest.mark.parametrize("dialect", ALL)
def test_a_traced_task_has_two_parents(dialect):
    task = run(TRACED, dialect).tasks[3]
    assert (task.parent.id, task.real_parent.id, task.traced) == (2, 1, True)


@pytest.mark.parametrize(
    ("dialect", "of_init", "of_tracer"),
    [("rfc-v4", [2, 4], [3]), *((name, [2, 3, 4], []) for name in LEADERS)],
)
def test_a_traced_task_moves_to_its_tracers_children_up_to_2_6_26(dialect, of_init, of_tracer):
    kernel = run(TRACED, dialect)
    assert (children(kernel, 1), children(kernel, 2)) == (of_init, of_tracer)


@pytest.mark.parametrize(
    ("dialect", "of_init"), [("rfc-v4", [2, 4, 3]), *((name, [2, 3, 4]) for name in LEADERS)]
)
@pytest.mark.parametrize("end", ["untrace(3)", "exit(2)"])
def test_a_task_that_is_traced_no_more_is_its_real_parents(dialect, of_init, end):
    kernel = run(f"{TRACED}; {end}", dialect)
    assert children(kernel, 1) == of_init
    assert (kernel.tasks[3].parent.id, kernel.tasks[3].traced) == (1, False)


@pytest.mark.parametrize("dialect", ALL)
def test_a_parent_that_traces_its_child_moves_nothing(dialect):
    kernel = run("clone(1,2,mm=2); clone(1,3,mm=3); trace(2,tracer=1)", dialect)
    assert (children(kernel, 1), kernel.tasks[2].traced) == ([2, 3], True)
    kernel.run(parse_program("untrace(2)"))
    assert (children(kernel, 1), kernel.tasks[2].traced) == ([2, 3], False)


@pytest.mark.parametrize("dialect", ALL)
def test_a_traced_orphan_stays_with_its_tracer(dialect):
    kernel = run("clone(1,2,mm=2); clone(1,3,mm=3); clone(3,4,mm=4); trace(4,tracer=2); exit(3)",
                 dialect)  # fmt: skip
    task = kernel.tasks[4]
    assert (task.parent.id, task.real_parent.id) == (2, 1)
    kernel.run(parse_program("untrace(4)"))
    assert children(kernel, 1)[-1] == 4
    assert children(kernel, 2) == []


@pytest.mark.parametrize("dialect", ALL)
def test_a_tracer_that_adopts_its_tracee_goes_on_tracing_it(dialect):
    kernel = run("clone(1,2,mm=2); clone(2,3,mm=3); trace(3,tracer=1); exit(2)", dialect)
    task = kernel.tasks[3]
    assert (task.parent.id, task.real_parent.id, task.traced) == (1, 1, True)
    assert children(kernel, 1) == [2, 3]


@pytest.mark.parametrize("dialect", ALL)
def test_a_reaped_tracee_leaves_its_tracer(dialect):
    kernel = run("clone(1,2,mm=2); trace(2,tracer=1); exit(2); reap(2)", dialect)
    assert (kernel.tasks[1].tracees, children(kernel, 1)) == ({}, [])


@pytest.mark.parametrize("dialect", ALL)
def test_a_zombie_traced_by_a_thread_of_its_parent_can_be_reaped(dialect):
    kernel = run("clone(1,2,THREAD); clone(1,3,mm=2); trace(3,tracer=2); exit(3); reap(3)", dialect)
    assert (kernel.state(3), children(kernel, 1)) == ("gone", [])
    assert kernel.tasks[1].traced_away == {}


# -- who pays ---------------------------------------------------------------------------

GROUPS = (
    "cgroup(2); cgroup(3); clone(1,2,mm=2); attach(2,cgroup=2); clone(2,3,VM); attach(3,cgroup=3)"
)

#: A program after GROUPS, and the bill under rfc-v4 and under 6.1 and 6.11.
BILLS = [
    ("charge(2)", {"2": 1}, {"2": 1}),
    ("charge(3,pages=5)", {"2": 5}, {"2": 5}),
    ("charge(3); exit(2); charge(3)", {"2": 1, "3": 1}, {"2": 1, "3": 1}),
    ("attach(2,cgroup=3); charge(3)", {"3": 1}, {"3": 1}),
    ("attach(3,cgroup=1); charge(3)", {"2": 1}, {"2": 1}),
    ("exec(2,mm=3); charge(3)", {"2": 1}, {"3": 1}),
    ("exec(2,mm=3); exit(2); charge(3)", {"1": 1}, {"3": 1}),
    ("exec(2,mm=3); exit(2); reap(2); charge(3)", {"freed": 1}, {"3": 1}),
    ("kthread(4); use_mm(4,mm=2); charge(4)", {"2": 1}, {"2": 1}),
    ("kthread(4); hold(mm=2,ref=1); use_mm(4,mm=2); exit(3); exit(2); charge(4)",
     {"1": 1}, {"1": 1}),
]  # fmt: skip


@pytest.mark.parametrize("case", BILLS, ids=[case[0] for case in BILLS])
@pytest.mark.parametrize("dialect", OWNED)
def test_the_cgroup_of_the_owner_pays_whoever_touches_the_page(dialect, case):
    program, rfc, today = case
    assert run(f"{GROUPS}; {program}", dialect).bill() == (rfc if dialect == "rfc-v4" else today)


def test_an_exited_owner_bills_the_root_up_to_4_3():
    kernel = run("cgroup(2); clone(1,2,mm=2); attach(2,cgroup=2); clone(2,3,THREAD); exit(2); charge(3)", "rfc-v4")  # fmt: skip
    assert kernel.bill() == {"1": 1}


@pytest.mark.parametrize(("dialect", "bill"), [("rfc-v4", {"none": 2}), ("6.11", {"1": 2})])
def test_pages_of_an_mm_without_owner_are_the_roots_from_3_10(dialect, bill):
    kernel = Kernel(dialect)
    kernel.charge_unowned(2)
    assert kernel.bill() == bill


@pytest.mark.parametrize(("mm", "cgroup", "answer"), [(2, 2, True), (2, 3, False), (1, 1, True)])
def test_an_mm_matches_the_cgroup_of_its_owner(mm, cgroup, answer):
    assert run(GROUPS).mm_match_cgroup(mm, cgroup) is answer


def test_an_mm_without_owner_matches_no_cgroup():
    kernel = run("clone(1,2,mm=2); hold(mm=2,ref=1); exit(2)")
    assert not kernel.mm_match_cgroup(2, 1)


# -- who is told ------------------------------------------------------------------------


def test_every_subsystem_is_told_in_order_before_the_assignment():
    kernel = run("subsystem(a); subsystem(b); clone(1,2,mm=2); clone(2,3,VM); exit(2)", "rfc-v4")
    assert kernel.callbacks() == [
        {"subsystem": "a", "old": 2, "new": 3, "seen": 2},
        {"subsystem": "b", "old": 2, "new": 3, "seen": 2},
    ]


@pytest.mark.parametrize("end", [
    "clone(2,3,mm=3)", "exec(2,mm=3)", "exit(2)", "clone(2,3,VM); exit(3)",
    "hold(mm=2,ref=1); exit(2)", "clone(2,3,THREAD); exit(2)",
])  # fmt: skip
def test_nobody_is_told_when_no_owner_is_elected(end):
    assert run(f"subsystem(a); clone(1,2,mm=2); {end}", "rfc-v4").callbacks() == []


#: A program after GROUPS, and on whose MGLRU list mm 2 (or 3) is then.
LISTS = [
    ("charge(1)", "2", 2),
    ("attach(3,cgroup=1)", "2", 2),
    ("attach(2,cgroup=3)", "2", 3),
    ("exit(2)", "2", 3),
    ("exec(2,mm=3)", "2", 3),
    ("exec(2,mm=3)", "3", 2),
    ("clone(2,4,mm=3)", "3", 2),
    ("hold(mm=2,ref=1); exit(3); exit(2)", "2", 2),
    ("clone(2,4,THREAD); exit(3); exit(2); attach(4,cgroup=3)", "2", 2),
]


@pytest.mark.parametrize("dialect", ["6.1", "6.11"])
@pytest.mark.parametrize(("program", "mm", "cgroup"), LISTS)
def test_the_list_entry_of_an_mm_follows_its_owner_or_a_leader_that_owns_it(
    dialect, program, mm, cgroup
):
    assert run(f"{GROUPS}; {program}", dialect).lru()[mm] == cgroup


@pytest.mark.parametrize("dialect", ["rfc-v4", "none"])
def test_there_are_no_mglru_lists_before_6_1(dialect):
    assert run("clone(1,2,mm=2)", dialect).lru() == {}


# -- why --------------------------------------------------------------------------------

#: A program, its dialect, the mm that its last operation decided about, requirements.
REASONS = [
    ("6.11", "clone(1,2,mm=2); clone(2,3,VM); exit(2)", 2, "INV-07", "SEARCH-01"),
    ("6.11", "clone(1,2,mm=2); clone(2,3,VM|PARENT); exit(2)", 2, "INV-07", "SEARCH-01"),
    ("6.11", "clone(1,2,mm=2); clone(2,3,VM); clone(3,4,VM); exec(3,mm=3); exit(2)", 2,
     "INV-07", "SEARCH-04"),
    ("6.1", "clone(1,2,mm=2); clone(2,3,THREAD); exit(2)", 2, "LEADER-03", "SEARCH-06"),
    ("6.11", "clone(1,2,mm=2); clone(2,3,THREAD); exit(2)", 2, "LEADER-03", "SEARCH-06"),
    ("6.11", "clone(1,2,mm=2); clone(2,3,VM); clone(3,4,THREAD); exit(3); exit(2)", 2,
     "INV-07", "SEARCH-06"),
    ("6.1", "clone(1,2,mm=2); clone(2,3,VM); clone(3,4,THREAD); clone(2,5,VM); exit(3); exit(2)", 2,
     "INV-07", "SEARCH-06"),
    ("6.11", "clone(1,2,mm=2); clone(2,3,VM); exec(2,mm=3)", 2, "EXEC-02", "SEARCH-01"),
    ("6.11", "clone(1,2,mm=2); clone(2,3,VM); clone(2,4,THREAD); exec(4,mm=3)", 2,
     "EXEC-04", "SEARCH-01"),
    ("6.11", "clone(1,2,mm=2); exit(2)", 2, "EXIT-02", None),
    ("6.11", "clone(1,2,mm=2); hold(mm=2,ref=1); exit(2)", 2, "EXIT-07", None),
    ("rfc-v4", "clone(1,2,mm=2); hold(mm=2,ref=1); exit(2)", 2, "EXIT-07", None),
    ("rfc-v4", "clone(1,2,mm=2); clone(2,3,THREAD); exit(2)", 2, "LEADER-01", None),
]  # fmt: skip


@pytest.mark.parametrize(("dialect", "program", "mm", "rule", "order"), REASONS)
def test_the_kernel_knows_which_requirement_decided(dialect, program, mm, rule, order):
    reason = run(program, dialect).reasons[mm]
    assert (reason.rule, reason.order) == (rule, order)


def test_the_reason_names_the_tasks():
    kernel = run("clone(1,2,mm=2); clone(2,3,VM); exit(2)")
    assert kernel.reasons[2] == Reason(
        "INV-07", "task 2 left mm 2; task 3 is the first user of mm 2 among the children of 2",
        "SEARCH-01",
    )  # fmt: skip


def test_an_operation_forgets_the_reasons_of_the_one_before():
    assert run("clone(1,2,mm=2); clone(2,3,VM); exit(2); charge(1)").reasons == {}


def test_the_rfcs_exec_says_nothing_about_the_mm_that_is_left():
    kernel = run("clone(1,2,mm=2); clone(2,3,VM); exec(2,mm=3)", "rfc-v4")
    assert (kernel.reasons, kernel.left_mm) == ({}, 2)


def test_objects_print_as_what_they_are():
    kernel = run("clone(1,2,mm=2)")
    assert (repr(kernel.tasks[2]), repr(kernel.mms[2])) == ("<task 2>", "<mm 2>")
