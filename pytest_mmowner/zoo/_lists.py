"""Slips in who stands on which list of children, by which others find their candidates."""

from __future__ import annotations

from typing import ClassVar

from mmowner_reference import Kernel, Task

from ._mutant import Mutant


class TracedTasksMove(Mutant):
    """A traced task stands on its tracer's list, as up to 2.6.26."""

    base = "2.6.27"
    changes: ClassVar = {"ptrace_moves": True}


class TracedTasksStay(Mutant):
    """A traced task stays on its real parent's list, as only since 2.6.27."""

    base = "2.6.26"
    changes: ClassVar = {"ptrace_moves": False}


class ThreadsOnChildrenLists(Mutant):
    """All threads stand on children lists, as up to 2.6.32."""

    base = "2.6.33"
    changes: ClassVar = {"children_list": "threads"}


class LeadersOnChildrenLists(Mutant):
    """Only leaders stand on children lists, as only since 2.6.33."""

    base = "2.6.31"
    changes: ClassVar = {"children_list": "leaders"}


class SiblingsOfRealParent(Mutant):
    """The siblings are the real parent's children, as only since 2.6.31."""

    base = "2.6.29"
    changes: ClassVar = {"siblings_of": "real_parent"}


class OrphansGoToNextThread(Mutant):
    """Orphans go to the thread after the dead one, as up to 3.18."""

    base = "4.4"
    changes: ClassVar = {"adopter": "next"}


class OrphansGoToFirstThread(Mutant):
    """Orphans go to the first thread of the group, as only since 3.19."""

    base = "3.16"
    changes: ClassVar = {"adopter": "first"}


class _OrphansGoToInit(Kernel):
    def find_new_reaper(self, father: Task) -> Task:
        return self.tasks[1]


class OrphansGoToInit(Mutant):
    """Orphans go to init, though threads of their parent live."""

    kernel = _OrphansGoToInit


class _PassesSubreapers(Kernel):
    def find_new_reaper(self, father: Task) -> Task:
        alive = (task for task in father.threads if not task.exiting)
        return next(alive, self.tasks[1])


class OrphansPassSubreapers(Mutant):
    """Orphans pass the subreapers above them and go to init (REPARENT-03)."""

    kernel = _PassesSubreapers


class _AdoptedFirst(Kernel):
    def forget_original_parent(self, father: Task) -> None:
        reaper = self.find_new_reaper(father)
        own = list(reaper.children)
        super().forget_original_parent(father)
        if reaper is father:
            return
        for child in own:  # to the end, behind those that were adopted
            child.sibling_node.unlink()
            reaper.children.append(child.sibling_node)


class AdoptedChildrenFirst(Mutant):
    """Adopted children come before own ones (SEARCH-03)."""

    kernel = _AdoptedFirst
