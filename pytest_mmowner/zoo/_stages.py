"""Slips in the search: which lists are walked, and in which order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import ClassVar, TypeAlias

from mmowner_reference import Kernel, OwnedMm, Task

from ._mutant import Mutant
from ._walks import EVERYTHING, Asked, InPlace, PickThenLock

Stages: TypeAlias = Iterable[tuple[str, Iterable[Task]]]


def _without(stages: Stages, *names: str) -> Iterator[tuple[str, Iterable[Task]]]:
    return ((name, entries) for name, entries in stages if name not in names)


def _changed(
    stages: Stages, name: str, change: Callable[[Iterable[Task]], Iterable[Task]]
) -> Iterator[tuple[str, Iterable[Task]]]:
    return ((own, change(entries) if own == name else entries) for own, entries in stages)


# -- a stage is left out -----------------------------------------------------------------


class NoChildren(Mutant):
    """The children are not searched."""

    def stages(self, p: Task) -> Stages:
        return _without(super().stages(p), "children")


class NoSiblings(Mutant):
    """The siblings are not searched."""

    def stages(self, p: Task) -> Stages:
        return _without(super().stages(p), "siblings")


class NoThirdStage(Mutant):
    """Only children and siblings are searched."""

    def stages(self, p: Task) -> Stages:
        return _without(super().stages(p), EVERYTHING)


class NoChildrenBefore(Mutant):
    """The same as no-children, in the walk before 3.16."""

    base = "3.0"

    def stages(self, p: Task) -> Stages:
        return _without(super().stages(p), "children")


# -- the order of the stages -------------------------------------------------------------


class SiblingsFirst(Mutant):
    """The siblings are searched before the children."""

    def stages(self, p: Task) -> Stages:
        children, siblings, everything = super().stages(p)
        return [siblings, children, everything]


class SiblingsFirstBefore(Mutant):
    """The same as siblings-first, in the walk before 6.11."""

    base = "6.1"

    def stages(self, p: Task) -> Stages:
        children, siblings, everything = super().stages(p)
        return [siblings, children, everything]


class ChildrenLast(InPlace, Mutant):
    """The siblings are searched, then everybody, then the children."""

    def stages(self, p: Task) -> Stages:
        children, siblings, everything = super().stages(p)
        return [siblings, everything, children]


class EverythingFirst(InPlace, Mutant):
    """Everybody is searched before the relatives are."""

    def stages(self, p: Task) -> Stages:
        children, siblings, everything = super().stages(p)
        return [everything, children, siblings]


# -- the order within a stage ------------------------------------------------------------


def _from_its_end(entries: Iterable[Task]) -> list[Task]:
    return list(entries)[::-1]


class NewestFirst(Mutant):
    """All lists are walked from their end (proposed in 2008)."""

    def stages(self, p: Task) -> Stages:
        return ((stage, _from_its_end(entries)) for stage, entries in super().stages(p))


class YoungestChildFirst(Mutant):
    """The list of children is walked from its end."""

    def stages(self, p: Task) -> Stages:
        return _changed(super().stages(p), "children", _from_its_end)


class YoungestSiblingFirst(Mutant):
    """The list of siblings is walked from its end."""

    def stages(self, p: Task) -> Stages:
        return _changed(super().stages(p), "siblings", _from_its_end)


class YoungestProcessFirst(Mutant):
    """The process list is walked from its end."""

    def stages(self, p: Task) -> Stages:
        return _changed(super().stages(p), EVERYTHING, _from_its_end)


class YoungestProcessFirstBefore(Mutant):
    """The same as youngest-process-first, in the walk before 3.16."""

    base = "3.0"

    def stages(self, p: Task) -> Stages:
        return _changed(super().stages(p), EVERYTHING, _from_its_end)


class _Last(InPlace):
    """A list is walked to its end, and the last hit counts."""

    stage = ""

    def walk(self, mm: OwnedMm, p: Task) -> Asked:
        for stage, leaders in self.stages(p):
            hits: list[Task] = []
            for leader in leaders:
                if self.skips(leader, stage):
                    continue
                for task in leader.threads:
                    yield task.visit
                    if task.mm is mm:
                        hits.append(task)
            if hits:
                return (yield from self.take(mm, hits[-1 if stage == self.stage else 0], stage))
        return False


class LastChild(_Last, Mutant):
    """The list of children is walked to its end, and the last thread that uses the mm wins."""

    stage = "children"


class LastSibling(_Last, Mutant):
    """The list of siblings is walked to its end, and the last thread that uses the mm wins."""

    stage = "siblings"


class LastProcess(_Last, Mutant):
    """The process list is walked to its end, and the last thread that uses the mm wins."""

    stage = EVERYTHING


def _first_only(entries: Iterable[Task]) -> list[Task]:
    return list(entries)[:1]


class FirstChildOnly(Mutant):
    """The walk over the children ends after the first of them."""

    def stages(self, p: Task) -> Stages:
        return _changed(super().stages(p), "children", _first_only)


class FirstSiblingOnly(Mutant):
    """The walk over the siblings ends after the first of them."""

    def stages(self, p: Task) -> Stages:
        return _changed(super().stages(p), "siblings", _first_only)


class FirstProcessOnly(Mutant):
    """The walk over the processes ends after the first of them, which is init."""

    def stages(self, p: Task) -> Stages:
        return _changed(super().stages(p), EVERYTHING, _first_only)


# -- the wrong list ----------------------------------------------------------------------


class ChildrenOfWholeGroup(Mutant):
    """The children of all threads of the group are searched, not those of the thread."""

    def stages(self, p: Task) -> Stages:
        mine = [child for thread in p.threads for child in thread.children]
        return _changed(super().stages(p), "children", lambda _: mine)


class ChildrenOfLeader(Mutant):
    """The children of the group's leader are searched, not those of the thread."""

    def stages(self, p: Task) -> Stages:
        return _changed(super().stages(p), "children", lambda _: p.group.leader.children)


class ChildrenOfChildren(Mutant):
    """The children are searched with their own children behind each of them."""

    def stages(self, p: Task) -> Stages:
        def deeper(children: Iterable[Task]) -> Iterator[Task]:
            for child in children:
                yield child
                yield from child.children

        return _changed(super().stages(p), "children", deeper)


class SiblingsOfTracer(Mutant):
    """The siblings are those of the tracer, as up to 2.6.30."""

    changes: ClassVar = {"siblings_of": "parent"}


class SiblingsOfWholeGroup(Mutant):
    """The children of all threads of the parent's group are searched as siblings."""

    def stages(self, p: Task) -> Stages:
        mine = [child for thread in p.real_parent.threads for child in thread.children]
        return _changed(super().stages(p), "siblings", lambda _: mine)


class SiblingsAreInitsChildren(Mutant):
    """The children of init are searched as siblings, whoever the parent is."""

    def stages(self, p: Task) -> Stages:
        return _changed(super().stages(p), "siblings", lambda _: self.host.tasks[1].children)


class SiblingsWithoutOwnGroup(Mutant):
    """The own group is left out among the siblings, so own threads are found late."""

    def stages(self, p: Task) -> Stages:
        def others(siblings: Iterable[Task]) -> list[Task]:
            return [entry for entry in siblings if entry.group is not p.group]

        return _changed(super().stages(p), "siblings", others)


class EverythingWithoutOwnGroup(Mutant):
    """The own group is left out in the third stage of the walk before 6.11."""

    base = "6.1"

    def stages(self, p: Task) -> Stages:
        def others(leaders: Iterable[Task]) -> list[Task]:
            return [entry for entry in leaders if entry.group is not p.group]

        return _changed(super().stages(p), EVERYTHING, others)


class _RemembersVforkChild(Kernel):
    vforked: Task | None = None

    def wake_vfork_parent(self, task: Task) -> None:
        self.vforked = task.vfork_child
        super().wake_vfork_parent(task)


class VforkChildNotFound(Mutant):
    """A child that the leaving task waited for in vfork is no candidate (VFORK-02)."""

    kernel = _RemembersVforkChild

    def stages(self, p: Task) -> Stages:
        unseen = getattr(self.host, "vforked", None)
        for stage, entries in super().stages(p):
            yield stage, [entry for entry in entries if entry is not unseen]


class GroupsOfThreadsTooEarly(PickThenLock, Mutant):
    """Whole groups are tested among relatives, as only since 6.11 (SEARCH-06)."""

    base = "6.1"

    def stages(self, p: Task) -> Stages:
        for stage, entries in super().stages(p):
            if stage == EVERYTHING:
                yield stage, entries
            else:
                yield stage, [thread for entry in entries for thread in entry.threads]
