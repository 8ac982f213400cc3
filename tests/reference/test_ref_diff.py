"""Where dialects part: what a search reports is minimal, real, and explained by a commit."""

from itertools import pairwise

import pytest

from mmowner_reference import (
    ALPHABETS,
    ASKS,
    DIALECTS,
    OPS,
    ROWS,
    Kernel,
    Oracle,
    Rules,
    Scope,
    changes_between,
    compare_dialects,
    compare_kernels,
    compare_within,
    difference_in,
    format_program,
    is_legal,
    lacking,
    legal_ops,
    parse_program,
    responsible,
    scopes_between,
    sufficient,
)
from mmowner_reference import _diff as diff

OWNER = ("owner",)
NEIGHBOURS = list(pairwise(ROWS))


def program(text):
    return parse_program(text.replace(";", "\n"))


def rows(first, second, length, tasks=4):
    scopes = scopes_between(DIALECTS[first], DIALECTS[second], length)
    return [(alphabet.scope(tasks), most) for alphabet, most in scopes]


def search(first, second, length, asks=OWNER):
    return compare_within(Kernel(first), Kernel(second), rows(first, second, length), asks)


# -- what is found --------------------------------------------------------------------------

#: A pair, the number of operations, and commits without which there is no difference.
FOUND = [
    ("rfc-v4", "2.6.26", 2, "4cd1a8fc3d3c"),
    ("2.6.26", "2.6.27", 2, "31a78f23bac0"),
    ("2.6.26", "3.0", 2, "31a78f23bac0"),
    ("2.6.29", "3.0", 3, "733eda7ac316"),
    ("2.6.33", "3.0", 3, "733eda7ac316"),
    ("2.6.27", "3.16", 3, "733eda7ac316"),
    ("2.6.28", "4.4", 3, "733eda7ac316"),
    ("2.6.31", "2.6.33", 4, "9cd80bbb07fc"),
    ("3.0", "3.16", 4, "39af1765f1f6"),
    ("6.1", "6.11", 4, "memcg: kill the"),
    ("5.2", "6.11", 4, "memcg: kill the"),
    ("4.4", "5.2", 1, "c3f3ce049f7d"),
]


def answers(dialect, ops):
    """All that a dialect allows to be said about owners after *ops*."""
    oracle = Oracle(dialect)
    for op in ops:
        oracle.do(op)
    return {tuple(sorted((mm, world.owner(mm)) for mm in world.mms)) for world in oracle.worlds}


def every_program(first, second, scope, length):
    """Every program of that length that both dialects perform: nothing is merged or left out."""
    if length == 0:
        yield ()
        return
    for start in every_program(first, second, scope, length - 1):
        mine, theirs = Kernel(first).run(start), Kernel(second).run(start)
        for op in legal_ops(mine, scope):
            if is_legal(theirs, op):
                yield (*start, op)


@pytest.mark.slow
@pytest.mark.parametrize(("first", "second", "length", "commit"), FOUND)
def test_no_shorter_program_tells_them_apart_and_a_commit_explains_it(
    first, second, length, commit
):
    """Independent of the search: all legal programs, one by one, with the oracles' answers."""
    found = search(first, second, 4)
    assert len(found.difference.program) == length
    for scope, most in rows(first, second, 4):
        for shorter in range(1, min(most, length - 1) + 1):
            for ops in every_program(first, second, scope, shorter):
                assert answers(first, ops) & answers(second, ops), format_program(ops)
    ops = found.difference.program
    assert not answers(first, ops) & answers(second, ops)
    explained = responsible(found) or sufficient(found)
    assert any(change.commit.startswith(commit) for change in explained)


@pytest.mark.slow
@pytest.mark.nightly
def test_no_shorter_program_than_five_operations_shows_whose_children_siblings_are():
    found = search("2.6.29", "2.6.31", 5)
    assert len(found.difference.program) == 5
    assert [change.commit for change in responsible(found)] == ["dea33cfd9902"]
    (scope,) = (row.scope(4) for row in ALPHABETS if row.name == "tracers")
    for ops in every_program("2.6.29", "2.6.31", scope, 4):
        assert answers("2.6.29", ops) & answers("2.6.31", ops), format_program(ops)


#: Pairs that short programs about owners do not tell apart.
ALIKE = [("2.6.27", "2.6.28"), ("2.6.28", "2.6.29"), ("5.2", "6.1"), ("3.16", "4.4")]


@pytest.mark.parametrize(("first", "second"), ALIKE)
def test_of_what_is_not_found_the_extent_is_told(first, second):
    found = search(first, second, 3)
    assert found.difference is None
    assert [row.length for row in found.searched] == [most for _, most in rows(first, second, 3)]
    assert found.worlds == sum(row.worlds for row in found.searched) > 100
    assert responsible(found) == sufficient(found) == ()


@pytest.mark.parametrize(
    ("first", "second", "ask", "length"),
    [
        ("2.6.27", "2.6.28", "callbacks", 3),
        ("5.2", "6.1", "lru", 1),
        ("3.0", "3.16", "init_mm_owner", 1),
    ],
)
def test_other_answers_tell_some_apart(first, second, ask, length):
    found = search(first, second, 3, tuple(word for word in ASKS if word != "owner"))
    assert (found.difference.question.ask, len(found.difference.program)) == (ask, length)


# -- shortcuts ------------------------------------------------------------------------------


@pytest.mark.parametrize(("first", "second"), [*NEIGHBOURS, ("6.11", "none")])
def test_leaving_out_what_cannot_tell_changes_no_result(first, second, monkeypatch):
    """The last step of a search skips operations after which nothing can be new."""
    some = [(row, min(most, 3)) for row, most in rows(first, second, 3, tasks=3)][:4]
    quick = compare_within(Kernel(first), Kernel(second), some, OWNER)
    everything = diff._Telling(None, only_leaving_owners=False)
    monkeypatch.setattr(diff, "_telling", lambda *given: everything)
    slow = compare_within(Kernel(first), Kernel(second), some, OWNER)
    assert quick == slow


def test_of_strangers_rules_nothing_is_taken_for_granted():
    class HoldsSteal(Kernel):
        def _op_hold(self, op):
            super()._op_hold(op)
            self.mms[op.mm].owner = None

    scope = Scope(tasks=2, mms=2, ops=frozenset({"clone", "hold"}))
    found = compare_kernels(Kernel("6.11"), HoldsSteal("6.11"), scope, OWNER)
    assert format_program(found.difference.program) == "hold(mm=1, ref=1)"


def test_rules_of_ones_own_are_compared():
    class NoHandoff(Rules):
        def mm_update_next_owner(self, mm):
            return None

    scope = Scope(tasks=2, mms=2, ops=frozenset({"clone", "exit"}))
    found = compare_kernels(Kernel("6.11"), Kernel("6.11", NoHandoff), scope, OWNER)
    assert [op.word for op in found.difference.program] == ["clone", "clone", "exit"]
    assert found.difference.answers == (3, 2)


# -- the scope ------------------------------------------------------------------------------


def test_every_operation_is_in_some_alphabet():
    assert frozenset().union(*(row.ops for row in ALPHABETS)) == frozenset(OPS)
    assert all(row.words == tuple(w for w in OPS if w in row.ops) for row in ALPHABETS)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_a_dialect_lacks_it_refuses(dialect):
    kernel = Kernel(dialect)
    possible = {op.word for op in legal_ops(kernel, Scope())}
    always = {"cgroup", "charge", "subreaper", "subsystem"}
    assert always - possible == lacking(DIALECTS[dialect]) & always


@pytest.mark.parametrize(("first", "second"), [*NEIGHBOURS, ("rfc-v4", "none")])
def test_alphabets_without_anything_of_their_own_are_left_out(first, second):
    kept = scopes_between(DIALECTS[first], DIALECTS[second], 5)
    refused = lacking(DIALECTS[first]) | lacking(DIALECTS[second])
    assert all(not row.ops & refused for row, _ in kept)
    for row in ALPHABETS:
        ops, most = row.ops - refused, row.reach(5)
        assert any(
            ops <= other.ops and set(row.flags) <= set(other.flags) and most <= length
            for other, length in kept
        ), row.name
    for row, most in kept:
        assert not any(
            row.ops <= other.ops and set(row.flags) <= set(other.flags) and most <= length
            for other, length in kept if other is not row
        ), row.name  # fmt: skip


def test_a_search_ends_beyond_so_many_worlds():
    found = compare_dialects("5.2", "6.1", Scope(), OWNER, max_worlds=50)
    assert found.difference is None
    assert (found.length, found.worlds > 50) == (1, True)


def test_the_old_call_still_answers():
    scope = Scope(tasks=3, mms=2, ops=frozenset({"clone", "exec"}))
    found = compare_dialects("rfc-v4", "2.6.26", scope, OWNER, 3)
    assert format_program(found.difference.program) == "clone(1, 2, VM)\nexec(1, mm=2)"
    assert found.difference.answers == (1, 2)
    assert (found.first, found.second, found.scope) == ("rfc-v4", "2.6.26", scope)


# -- one program, and history -----------------------------------------------------------------


def test_a_difference_on_the_way_through_a_program():
    ops = program("clone(1,2,mm=2); hold(mm=2,ref=1); exit(2); reap(2)")
    found = difference_in("2.6.26", "2.6.27", ops, OWNER)
    assert found.program == ops[:3]
    assert found.answers == (2, None)
    assert difference_in("2.6.27", "2.6.28", ops) is None


def test_what_one_of_them_refuses_ends_the_way():
    ops = program("subsystem(a); hold(mm=1,ref=1); exec(1,mm=2)")
    assert difference_in("2.6.28", "2.6.29", ops) is None
    assert difference_in("2.6.27", "2.6.28", ops).question.ask == "callbacks"


def test_all_orders_of_an_exec_are_one_answer():
    """Whoever of the dying threads is last decides; both dialects allow both."""
    ops = program(
        "clone(1,2,mm=2); clone(2,3,THREAD); clone(2,4,THREAD); clone(2,5,VM); exec(2,mm=3)"
    )
    assert difference_in("5.2", "6.1", ops, OWNER) is None


def test_where_two_changes_do_the_same_each_is_enough():
    """Exec hands over the old mm since 2.6.26, and what 2.6.27 made of that does so too."""
    found = search("rfc-v4", "2.6.27", 3)
    assert responsible(found) == ()
    assert [change.commit for change in sufficient(found)] == ["4cd1a8fc3d3c", "31a78f23bac0"]


def test_what_all_changes_make_of_a_dialect_is_the_next_one():
    for first, second in NEIGHBOURS:
        older, changes = diff._span(second, first)
        made = diff._changed(older, changes)
        assert diff.replace(made, name=second, era=ROWS[second]) == DIALECTS[second]


def test_history_lies_between_dialects_and_none_lies_nowhere():
    assert [change.row for change in changes_between("5.2", "4.4")] == ["5.2"]
    assert changes_between("6.11", "none") == ()
