"""One schedule as lanes: a column for each operation, time downwards, file and line on the right.

A run has hundreds of events; shown are those by which operations meet: locks, RCU, what is
freed, the fields that say who uses and owns an mm, and whatever the candidate itself touches of
other tasks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from ._scenes import LETTERS, Scene

#: What the C world calls an event, in words.
WORDS: Final[Mapping[str, str]] = {
    "r": "reads", "w": "writes", "s": "shares", "u": "lets go of", "L": "locks", "U": "unlocks",
    "f": "frees",
}  # fmt: skip
#: Fields whose reads are shown too.
TELLING: Final = ("'s mm", "'s owner", "'s mm_users")
#: Events of one operation within which a repetition is not told.
LOOP: Final = 8
#: An address stands for its object when that is freed.
_OBJECT: Final = re.compile(r"'s \w+$")
#: Lines at the most; the middle is left out.
MOST: Final = 60


class _Row(NamedTuple):
    who: int
    text: str
    place: str


def _rows(events: Sequence[Sequence[Any]], places: Mapping[str, str]) -> Iterator[_Row]:
    recent: list[_Row] = []
    for who, how, _, where, address in events:
        place = places.get(address, address)
        if how in "rw" and not where.endswith(TELLING) and "(world/" in place:
            continue
        what = _OBJECT.sub("", where) if how == "f" else where
        row = _Row(who, f"{WORDS[how]} {what}", place)
        if recent and recent[-1].who != who:
            recent.clear()
        if row not in recent:  # a loop is told once
            yield row
        recent = [*recent[-LOOP:], row]


def lanes(
    scene: Scene, events: Sequence[Sequence[Any]],
    find_places: Callable[[Iterable[str]], Mapping[str, str]], end: str,
) -> list[str]:  # fmt: skip
    """Return the lines that show *events*, and what they led to.

    *find_places* turns addresses into functions with file and line.
    """
    rows = list(_rows(events, find_places([str(one[4]) for one in events])))
    if len(rows) > MOST:
        left = len(rows) - MOST
        rows = [*rows[: MOST // 3], _Row(-1, f"... {left} events ...", ""), *rows[-MOST * 2 // 3 :]]
    width = max([len(row.text) for row in rows if row.who >= 0] or [0]) + 2
    count = len(scene.beside)
    lines = ["   ".join(f"{LETTERS[i]}: {text}" for i, text in enumerate(scene.beside))]
    before = None
    for row in rows:
        if row.who < 0:
            lines.append(row.text)
            continue
        mark = ">" if before is not None and row.who != before else " "
        before = row.who
        lane = "".join("| " if i != row.who else f"{LETTERS[i]} " for i in range(count))
        lines.append(f"{mark} {lane} {row.text:<{width}}{row.place}".rstrip())
    return [*lines, f"=> {end}"]
