"""What the reference once got wrong."""

from random import Random

import pytest

from mmowner_reference import (
    DIALECTS,
    OPS,
    Kernel,
    OpError,
    Scope,
    copy_kernel,
    dialect_of_release,
    op_from_dict,
    parse_program,
    random_program,
    shortest_program,
    state_key,
)


def run(text, dialect="6.11"):
    return Kernel(dialect).run(parse_program(text.replace(";", "\n")))


@pytest.mark.parametrize("dialect", ["6.1", "6.11"])
def test_the_mm_of_a_failed_fork_is_on_no_mglru_list(dialect):
    assert run("clone_fails(1,2,mm=2,ref=1)", dialect).lru() == {"1": 1}


@pytest.mark.parametrize("dialect", ["6.1", "6.11"])
def test_an_mm_without_users_is_on_no_mglru_list(dialect):
    kernel = run("kthread(2); clone(1,3,mm=2); use_mm(2,mm=2); exit(3)", dialect)
    assert kernel.lru() == {"1": 1}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_traced_helper_stays_a_zombie(dialect):
    kernel = run("kthread(2); exec(2,mm=2); trace(2,tracer=1); exit(2)", dialect)
    assert kernel.state(2) == "zombie"


def test_the_rfcs_orphans_and_tracees_keep_their_order():
    kernel = run(
        "clone(1,2,mm=2); clone(2,3,VM|PARENT); clone(3,4,VM); clone(2,5,VM|PARENT);"
        "trace(5,tracer=3); exit(3); exit(2)",
        "rfc-v4",
    )
    assert [task.id for task in kernel.tasks[1].children] == [2, 3, 4, 5]
    assert kernel.owner(2) == 4


def test_the_search_finds_programs_that_need_a_cgroup():
    scope = Scope(ops=frozenset({"cgroup", "attach", "charge"}))
    assert shortest_program("6.11", lambda world: "2" in world.bill(), scope, 4) is not None


def test_the_key_of_a_world_has_the_order_of_the_workers_children():
    kernel = run("kthread(2); exec(2,mm=2); kthread(3); exec(3,mm=3)", "rfc-v4")
    other = copy_kernel(kernel).run(parse_program("trace(2,tracer=1)\nuntrace(2)"))
    assert list(map(repr, other.kworker.children)) == ["<task 3>", "<task 2>"]
    assert state_key(other) != state_key(kernel)


@pytest.mark.parametrize("release", ["6.²", "²"])
def test_a_release_of_other_digits_is_no_release(release):
    assert dialect_of_release(release) is None


@pytest.mark.parametrize("flags", [[3, "x"], [["VM"]]])
def test_flags_that_are_no_words_are_refused_by_name(flags):
    with pytest.raises(OpError):
        op_from_dict({"op": "clone", "task": 1, "child": 2, "flags": flags})


@pytest.mark.parametrize("name", ["memory-controller", "two words", "class", "", "None", 3])
def test_a_subsystem_whose_name_could_not_be_read_again_is_refused(name):
    with pytest.raises(OpError, match="name is a word"):
        op_from_dict({"op": "subsystem", "name": name})


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_operation_is_at_least_one_in_a_thousand_of_random_programs(dialect):
    program = [op.word for seed in range(200) for op in random_program(Random(seed), 20, dialect)]
    rules = DIALECTS[dialect]
    absent = {"subsystem"}
    absent |= set() if rules.subreapers else {"subreaper"}
    absent |= set() if rules.owner else {"cgroup", "attach", "charge"}
    counts = {word: program.count(word) for word in set(OPS) - absent}
    assert min(counts.values()) * 1000 >= len(program), counts
