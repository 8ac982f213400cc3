"""Scopes as the options name them, and those that are tried when nobody names one.

A scope is four numbers: user tasks in the table (init and zombies too), mms with users,
references to each mm, kernel threads.  What a candidate lacks makes its scopes smaller.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from mmowner_reference import FLAGS, OPS, Bounds, dialects_in

from ._candidates.base import PARTS, Info
from .errors import CallError

#: The word for no scope at all.
NO_SCOPE: Final = "none"

#: What is tried by default with a candidate in this process, by dialect: as much as takes less than
#: half a minute.  Where owners stay that use nothing any more, there are many more worlds.
IN_PROCESS: Final[tuple[tuple[str, tuple[Bounds, ...]], ...]] = (
    ("3.16.., none", (Bounds(5, 3), Bounds(4, 3, 1, 1))),
    ("2.6.26..3.0", (Bounds(5, 3), Bounds(4, 3, 1), Bounds(3, 3, 1, 1))),
    ("rfc-v4", (Bounds(5, 3), Bounds(3, 3, 1, 1))),
)
#: And with slower ones, by the least speed.
SLOWER: Final[tuple[tuple[float, tuple[Bounds, ...]], ...]] = (
    (0.2, (Bounds(4, 3), Bounds(3, 2, 1, 1))),
    (0.0, (Bounds(3, 3),)),
)

#: What can be left out of a scope that then still is one.
ALPHABET: Final = frozenset(
    {"exec", "reap", "hold", "put", "use_mm", "unuse_mm", *(f"clone:{flag}" for flag in FLAGS)}
) - {"clone:VFORK"}  # fmt: skip
#: In how many parts the scopes are tried: each is a test of its own, for workers to share.
SCOPE_PARTS: Final = 16


@dataclass(frozen=True, slots=True)
class Shard:
    """One of several machines that share the work: the *number*-th of *of*, from 1."""

    number: int = 1
    of: int = 1

    def takes(self, case: int) -> bool:
        """Whether the case with that number is this machine's."""
        return case % self.of == self.number - 1

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


#: The share of one machine that is alone.
WHOLE: Final = Shard()


def parse_scope(text: str) -> Bounds:
    """Return a scope written as four numbers.  Raises ``CallError``."""
    numbers = text.split(",")
    if len(numbers) != 4 or not all(number.strip().isdecimal() for number in numbers):
        raise CallError(
            f"--mmowner-scope={text}: write four numbers, tasks, mms, references and kernel "
            f"threads, as 4,3,0,0, or {NO_SCOPE}"
        )
    tasks, mms, refs, kthreads = map(int, numbers)
    if not (tasks and mms):
        raise CallError(f"--mmowner-scope={text}: init and its mm are always there")
    return Bounds(tasks, mms, refs, kthreads)


def parse_scopes(texts: Sequence[str]) -> tuple[Bounds, ...] | None:
    """Return the scopes that a user named; None if nobody named any.  Raises ``CallError``.

    ``none`` takes back what was named before it, in ``PYTEST_ADDOPTS`` for one.
    """
    words = [text.strip() for text in texts]
    if not words:
        return None
    while NO_SCOPE in words:
        words = words[words.index(NO_SCOPE) + 1 :]
    return tuple(dict.fromkeys(parse_scope(word) for word in words))


def parse_shard(text: str) -> Shard:
    """Return a shard written as ``2/5``.  Raises ``CallError``."""
    found = re.fullmatch(r"(\d+)/(\d+)", text.strip())
    if found is None or not 1 <= int(found[1]) <= int(found[2]):
        raise CallError(
            f"--mmowner-shard={text}: write which one of how many, from 1, as 2/5"
        )  # fmt: skip
    return Shard(int(found[1]), int(found[2]))


def parse_budget(text: str) -> float | None:
    """Return seconds: ``60``, ``60s`` or ``5m``; None for no text.  Raises ``CallError``."""
    if not text:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", text.strip())
    if found is None or not float(found[1]) > 0:
        raise CallError(f"--mmowner-budget={text}: write a time, as 60s or 5m")
    return float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[found[2]]


def default_scopes(speed: float, dialect: str) -> tuple[Bounds, ...]:
    """Return the scopes that are tried when nobody names any."""
    if speed >= 1.0:
        return next(scopes for names, scopes in IN_PROCESS if dialect in dialects_in(names))
    return next(scopes for least, scopes in SLOWER if speed >= least)


def scopes_for(info: Info, dialect: str, named: Iterable[Bounds] | None) -> tuple[Bounds, ...]:
    """Return the scopes to try with a candidate: those named, or what it can afford.

    Operations that it lacks are left out of them; a scope within another one is dropped.
    """
    if named is None:
        named = default_scopes(info.speed, dialect)
    lacks = frozenset(info.lacks((*OPS, *PARTS)))
    if lacks_owners(info):
        return ()
    fitted = [_fitted(bounds, lacks) for bounds in named]
    return tuple(
        bounds for at, bounds in enumerate(fitted)
        if not any(_within(bounds, other) and (other != bounds or before < at)
                   for before, other in enumerate(fitted) if before != at)
    )  # fmt: skip


def lacks_owners(info: Info) -> list[str]:
    """Return what a candidate lacks without which there is nothing to search."""
    return info.lacks(("owner", "clone", "exit"))


def _fitted(bounds: Bounds, lacks: frozenset[str]) -> Bounds:
    if lacks & {"hold", "put"}:
        bounds = replace(bounds, refs=0)
    if lacks & {"kthread", "use_mm", "unuse_mm"}:
        bounds = replace(bounds, kthreads=0)
    # Of the words that no scope has anyway nothing is left out: equal scopes are one.
    return replace(bounds, without=lacks & ALPHABET)


def _within(one: Bounds, other: Bounds) -> bool:
    """Kernel threads are there from the start: with fewer of them no world is the same."""
    return (
        one.tasks <= other.tasks and one.mms <= other.mms and one.refs <= other.refs
        and one.kthreads == other.kthreads
    )  # fmt: skip


def scope_in_words(bounds: Bounds) -> str:
    """Return a scope as ``at most 5 tasks, 3 mms, 1 reference and with 1 kernel thread``."""
    parts = [_count(bounds.tasks, "task"), _count(bounds.mms, "mm")]
    if bounds.refs:
        parts.append(_count(bounds.refs, "reference"))
    with_ = f" and with {_count(bounds.kthreads, 'kernel thread')}" if bounds.kthreads else ""
    return f"at most {', '.join(parts)}{with_}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number != 1 else ''}"
