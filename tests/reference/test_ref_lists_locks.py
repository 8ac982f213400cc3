"""List order decides who becomes owner, and lock errors are verdicts: both must be exact."""

import pytest

from mmowner_reference import KList, Lock, LockError, Node, Rcu, RwLock, drain


def listed(*items):
    klist = KList()
    nodes = {item: Node(item) for item in items}
    for node in nodes.values():
        klist.append(node)
    return klist, nodes


def test_entries_are_appended_at_the_tail():
    klist, _ = listed("a", "b", "c")
    assert list(klist) == ["a", "b", "c"]


def test_a_list_can_be_walked_backwards():
    klist, _ = listed("a", "b", "c")
    assert list(reversed(klist)) == ["c", "b", "a"]


def test_a_list_without_entries_is_false():
    klist, nodes = listed("a")
    assert klist
    nodes["a"].unlink()
    assert not klist


def test_a_list_prints_its_items():
    klist, _ = listed("a", "b")
    assert repr(klist) == "KList(['a', 'b'])"


def test_unlinking_takes_out_one_entry():
    klist, nodes = listed("a", "b", "c")
    nodes["b"].unlink()
    assert list(klist) == ["a", "c"]
    assert not nodes["b"].linked


def test_unlinking_twice_is_harmless():
    klist, nodes = listed("a", "b")
    nodes["a"].unlink()
    nodes["a"].unlink()
    assert list(klist) == ["b"]


def test_an_entry_that_replaces_another_stands_in_its_place():
    klist, nodes = listed("a", "b", "c")
    new = Node("n")
    new.replace(nodes["b"])
    assert list(klist) == ["a", "n", "c"]
    assert list(reversed(klist)) == ["c", "n", "a"]


def test_a_replaced_entry_is_on_no_list():
    _, nodes = listed("a", "b")
    Node("n").replace(nodes["a"])
    assert not nodes["a"].linked


def test_an_entry_that_replaces_another_leaves_its_own_place():
    klist, nodes = listed("a", "b", "c")
    nodes["c"].replace(nodes["a"])
    assert list(klist) == ["c", "b"]


def test_replacing_an_entry_that_is_on_no_list_takes_the_new_one_off_too():
    klist, nodes = listed("a")
    nodes["a"].replace(Node("off"))
    assert list(klist) == []


def test_a_walk_reads_next_only_when_it_takes_the_step():
    klist, nodes = listed("a", "b", "c")
    walk = iter(klist)
    assert next(walk) == "a"
    nodes["b"].unlink()
    assert next(walk) == "c"


def rw(*names):
    lock = RwLock("tasklist_lock")
    for name in names:
        getattr(lock, name)()
    return lock


def spin(*names):
    lock = Lock("alloc_lock of task 2")
    for name in names:
        getattr(lock, name)()
    return lock


def rcu(*names):
    section = Rcu()
    for name in names:
        getattr(section, name)()
    return section


#: A lock, and the calls of which the last is wrong.
BROKEN = [
    (spin, ("lock", "lock"), "self-deadlock: alloc_lock of task 2"),
    (spin, ("unlock",), "alloc_lock of task 2 is dropped but was not held"),
    (spin, ("lock", "unlock", "unlock"), "is dropped but was not held"),
    (rw, ("write_lock", "read_lock"), "read-locked while write-held"),
    (rw, ("write_lock", "write_lock"), "write-locked while held"),
    (rw, ("read_lock", "write_lock"), "write-locked while held"),
    (rw, ("read_unlock",), "read-unlocked but was not held"),
    (rw, ("write_lock", "read_unlock"), "read-unlocked but was not held"),
    (rw, ("write_unlock",), "write-unlocked but was not held"),
    (rw, ("read_lock", "write_unlock"), "write-unlocked but was not held"),
    (rcu, ("read_unlock",), "rcu_read_unlock without rcu_read_lock"),
    (rcu, ("read_lock", "read_unlock", "read_unlock"), "without rcu_read_lock"),
]


@pytest.mark.parametrize(("lock", "calls", "says"), BROKEN)
def test_breaking_the_contract_of_a_lock_is_an_error(lock, calls, says):
    lock(*calls[:-1])  # all but the last are right
    with pytest.raises(LockError, match=says):
        lock(*calls)


#: A lock, calls, and whether it is held after them.
KEPT = [
    (spin, ("lock",), True),
    (spin, ("lock", "unlock"), False),
    (rw, ("read_lock", "read_lock", "read_unlock"), True),
    (rw, ("read_lock", "read_lock", "read_unlock", "read_unlock"), False),
    (rw, ("write_lock",), True),
    (rw, ("write_lock", "write_unlock"), False),
    (rcu, ("read_lock", "read_lock", "read_unlock"), True),
    (rcu, ("read_lock", "read_unlock"), False),
]


@pytest.mark.parametrize(("lock", "calls", "held"), KEPT)
def test_a_lock_knows_whether_it_is_held(lock, calls, held):
    assert lock(*calls).held is held


def test_draining_calls_each_step_before_the_next_is_made():
    seen = []

    def rule():
        yield lambda: seen.append("first step")
        seen.append("between")
        yield lambda: seen.append("second step")

    drain(rule())
    assert seen == ["first step", "between", "second step"]


def test_a_rule_that_never_ends_is_an_error():
    def endless():
        while True:
            yield list

    with pytest.raises(LockError, match="did not end within 10 steps"):
        drain(endless(), limit=10)


def test_a_rule_may_take_exactly_as_many_steps_as_the_limit():
    drain(iter([list] * 10), limit=10)
