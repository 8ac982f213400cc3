"""Who is asked when: the order in which a dialect looks for the next owner, drawn.

A family of every kind of relative is made, and a task of it leaves an mm that nobody else
uses.  So everybody whom the rules look at is looked at, and what the rules do is written
down: nothing here knows the order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, cast

from mmowner_reference import DIALECTS, Kernel, OwnedMm, Rules, Task, parse_program

from ._draw import tree

#: The leaving task is 4, a child of 2.  6 left before its thread 7 did.
FAMILY: Final = """
clone(1, 2, mm=2)
clone(2, 3, THREAD)
clone(2, 4, mm=3)
clone(4, 5, mm=4)
clone(5, 8, THREAD)
clone(4, 6, mm=5)
clone(6, 7, THREAD)
exit(6)
clone(5, 9, mm=6)
clone(2, 10, mm=7)
clone(10, 11, THREAD)
clone(3, 12, mm=8)
clone(1, 13, mm=9)
clone(13, 14, mm=10)
kthread(15)
use_mm(15, mm=1)
"""
LEAVING: Final = 4
#: Done before it leaves in the second drawing.
TRACED: Final = "trace(4, tracer=13)"
#: What the members are to the leaving task.
KIN: Final = {
    1: "init", 2: "its parent", 3: "a thread of the parent", 4: "LEAVES", 5: "a child",
    8: "a thread of the child", 6: "a child that has left", 7: "its thread, which lives on",
    9: "a grandchild", 10: "a sibling", 11: "a thread of the sibling",
    12: "a child of the parent's thread", 13: "a stranger", 14: "the stranger's child",
    15: "a kernel thread that borrows",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Asked:
    """One look at one task."""

    stage: str
    task: int


def search_order(dialect: str, *, traced: bool = False) -> tuple[Asked, ...]:
    """Return who is looked at, in order, when nobody of the family uses the mm."""
    world = _family(dialect, traced=traced)
    if not world.dialect.owner:
        return ()
    leaving = world.current = world.tasks[LEAVING]
    mm = cast("OwnedMm", world.make_mm(1000))
    # Its own use and two that belong to no task: nobody will be found, and none is last.
    mm.owner, mm.users, leaving.mm = leaving, 3, None
    rules = world.rules
    assert isinstance(rules, Rules), "the reference's own"
    stage = ""
    stages = rules.stages

    def announced(p: Task) -> Iterator[tuple[str, Iterable[Task]]]:
        nonlocal stage
        for name, entries in stages(p):
            stage = name
            yield name, entries

    # The rules are asked at every stage which list comes next.
    rules.stages = announced  # type: ignore[method-assign]  # to overhear it
    world.nobody_passed_over()
    asked = []
    for step in rules.mm_update_next_owner(mm):
        looked_at: Any = getattr(step, "__self__", None)
        if isinstance(looked_at, Task) and step == looked_at.visit:
            asked.append(Asked(stage, looked_at.id))
        step()
    return tuple(asked)


def _family(dialect: str, *, traced: bool) -> Kernel:
    world = Kernel(dialect).run(parse_program(FAMILY))
    return world.run(parse_program(TRACED)) if traced else world


def numbers(order: Iterable[Asked]) -> dict[int, list[int]]:
    """Return at which places of the order each task is asked."""
    out: dict[int, list[int]] = {}
    for number, asked in enumerate(order, 1):
        out.setdefault(asked.task, []).append(number)
    return out


def order_drawing(dialect: str) -> list[str]:
    """Return the family with the numbers of the order in which its members are asked."""
    order = search_order(dialect)
    places = numbers(order)
    world = _family(dialect, traced=False)
    lines = [_bare(line) for line in tree(world)]
    width = max(len(line) for line in lines) + 2
    out = []
    for line in lines:
        name = int(line.lstrip(" |`+-").split()[0])
        kin = KIN[name]
        asked = ", ".join(str(number) for number in places.get(name, ()))
        out.append(f"{line:<{width}}{kin:<33}{asked}".rstrip())
    return out


def _bare(line: str) -> str:
    """Return the branch and the name of a line of a tree."""
    depth = len(line) - len(line.lstrip(" |`+-"))
    return line[:depth] + line[depth:].split(maxsplit=1)[0]


def stage_lines(dialect: str) -> list[str]:
    """Return which numbers belong to which stage, and who the siblings of a traced task are."""
    order = search_order(dialect)
    if not order:
        return ["nobody is asked: there is no owner"]
    out = []
    for stage in dict.fromkeys(asked.stage for asked in order):
        places = [number for number, asked in enumerate(order, 1) if asked.stage == stage]
        out.append(f"{stage}: {places[0]} to {places[-1]}")
    traced = [asked.task for asked in search_order(dialect, traced=True)
              if asked.stage == "siblings"]  # fmt: skip
    named = ", ".join(map(str, traced)) or "nobody"
    out.append(f"if 13 traces the leaving task, the siblings asked are {named}")
    return out


#: What a walk does that the drawing cannot show, by field and value.
_SAID: Final = (
    ("delayed_leader", True, "a leader whose group has other threads asks nobody: it keeps the mm"),
    ("walk", "pick, then lock", "a candidate that has left meanwhile: everything from the start"),
    ("walk", "lock in place", "a candidate that has left meanwhile: on with the next thread"),
    ("stop_when_alone", True, "the last stage ends as soon as no other user is left"),
    ("nobody", "keep", "nobody found: the owner stays"),
    ("nobody", "clear", "nobody found: there is no owner any more"),
)


def said(dialect: str) -> list[str]:
    """Return what else there is to say about the search of a dialect."""
    fields = DIALECTS[dialect]
    if not fields.owner:
        return []
    return [text for name, value, text in _SAID if getattr(fields, name) == value]


def algorithms() -> list[tuple[list[str], str]]:
    """Return the dialects that ask alike, each group with the dialect that stands for it."""
    groups: dict[Any, list[str]] = {}
    for name in DIALECTS:
        key = search_order(name), search_order(name, traced=True), tuple(said(name))
        groups.setdefault(key, []).append(name)
    return [(names, names[0]) for names in groups.values()]
