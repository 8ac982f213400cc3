"""The coarse identity of worlds: right for rules, and why it is not for candidates."""

import pytest

from mmowner_reference import DIALECTS, Bounds, explore, graph_of, has_weak_form, weak_key
from mmowner_reference import _compact as compact


@pytest.mark.parametrize(
    ("dialect", "bounds", "strong", "weak"),
    [("6.11", Bounds(4, 3), 499, 284), ("3.16", Bounds(3, 2, 1, 1), 462, 416)],
    ids=str,
)
def test_there_are_fewer_worlds(dialect, bounds, strong, weak):
    assert explore(bounds, dialect).states == strong
    space = explore(bounds, dialect, key=weak_key)
    assert space.closed
    assert space.states == weak


@pytest.mark.parametrize("bounds", [Bounds(4, 3), Bounds(3, 3, 1, 1)], ids=str)
def test_worlds_that_count_as_one_lead_to_worlds_that_count_as_one(bounds):
    graph = graph_of(bounds)
    classes = {}
    for world, out in zip(graph.worlds, graph.out, strict=True):
        leads_to = {weak_key(graph.worlds[end]) for edge in out for end in edge.ends}
        first = classes.setdefault(weak_key(world), leads_to)
        assert leads_to == first
    assert len(classes) < len(graph.worlds)


def test_only_dialects_whose_owners_are_users_have_it():
    assert [name for name in DIALECTS if has_weak_form(name)] == [
        "3.16", "4.4", "5.2", "6.1", "6.11", "none",
    ]  # fmt: skip


def gives_up_at_a_zombie(world, mm, task, book):
    """A wrong search: a list is left at the first zombie on it."""
    for up in (task, world.parent[task]):
        for entry in world.siblings:
            if world.parent[entry] != up or entry == task:
                continue
            threads = [one for one in world.order if world.group[one] == entry]
            if all(world.mm[one] == compact.NONE for one in threads):
                break
            for thread in threads:
                if world.mm[thread] == mm:
                    return thread
    return next((one for one in world.order if world.mm[one] == mm), compact.NONE)


def wrong_transitions(worlds, bounds, monkeypatch):
    """By world, how many transitions out of it a wrong search takes elsewhere."""
    limits, book = compact.Limits(bounds.tasks, bounds.mms, 0), compact.Rulebook.of("6.11")

    def everywhere():
        return [[ends for _, ends in compact.steps(world, limits, book)] for world in worlds]

    right = everywhere()
    with monkeypatch.context() as patch:
        patch.setattr(compact, "_search", gives_up_at_a_zombie)
        wrong = everywhere()
    return [
        sum(one != other for one, other in zip(mine, theirs, strict=True))
        for mine, theirs in zip(right, wrong, strict=True)
    ]


@pytest.mark.slow
def test_a_candidate_that_minds_the_wrong_neighbours_can_escape_it(monkeypatch):
    """Of 31 classes that show the error some world does not: if that stands for it, nothing does."""
    bounds = Bounds(5, 2)
    graph = graph_of(bounds)
    shown = {}
    for world, wrong in zip(
        graph.worlds, wrong_transitions(graph.worlds, bounds, monkeypatch), strict=True
    ):
        shown.setdefault(weak_key(world), []).append(wrong)
    failing = [counts for counts in shown.values() if max(counts)]
    escaping = [counts for counts in failing if not min(counts)]
    assert (len(failing), len(escaping)) == (73, 31)
