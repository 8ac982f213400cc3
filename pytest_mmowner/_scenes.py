"""Scenes: operations that overlap, from a world that a program has made.

The operations of a scene run at once, each as far as the others let it: what is explored is
every order of their steps.  Two of them are no operations of the alphabet, because alone they
change nothing: ``get_task_mm(task)``, a reader of ``/proc``, and ``touch(mm)``, swapoff.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mmowner_reference import Op, OpError, Program, parse_program

from .errors import CallError, SuiteError

#: Operations that only stand beside others, and the name of their one argument.
ONLY_BESIDE: Final[Mapping[str, str]] = {"get_task_mm": "task", "touch": "mm"}
_ONLY: Final = re.compile(r"\s*(?P<word>\w+)\(\s*(?:\w+\s*=\s*)?(?P<name>\d+)\s*\)\s*")
#: The letters by which schedules name the operations that overlap.
LETTERS: Final = "ABCD"


@dataclass(frozen=True)
class Scene:
    """Operations that overlap."""

    name: str
    #: What can go wrong there.
    text: str
    #: The program before, one operation a line or separated by ``;``.
    before: str
    #: The operations that overlap, at most four.
    beside: tuple[str, ...]
    #: The program behind: what is broken may show only then.
    after: str = ""
    #: How often an operation may be interrupted where it could go on.
    bound: int = 3

    def program(self) -> Program:
        """Return the program before.  Raises ``SuiteError`` when it is none."""
        return _program(self.before)

    def request(self) -> dict[str, Any]:
        """Return the scene as the C world reads it."""
        return {
            "setup": [op.to_dict() for op in self.program()],
            "overlap": [_beside(text) for text in self.beside],
            "after": [op.to_dict() for op in _program(self.after)],
        }

    def words(self) -> list[str]:
        """Return every operation's word, for the capabilities that the scene takes."""
        ops: Sequence[Op] = (*self.program(), *_program(self.after))
        words = [text.partition("(")[0] for text in self.beside]
        return [*(op.word for op in ops), *(one for one in words if one not in ONLY_BESIDE)]

    def lines(self) -> list[str]:
        """Return the scene as messages show it."""
        lines = [f"  {number:3d}  {op}" for number, op in enumerate(self.program(), 1)]
        lines += [f"    {LETTERS[i]}  {text}" for i, text in enumerate(self.beside)]
        return lines + [f"  then {op}" for op in _program(self.after)]


def _program(text: str) -> Program:
    try:
        return parse_program(text.replace(";", "\n"))
    except OpError as exc:
        raise SuiteError(f"a scene has {text!r}: {exc}") from exc


def _beside(text: str) -> dict[str, Any]:
    match = _ONLY.fullmatch(text)
    if match and match["word"] in ONLY_BESIDE:
        return {"op": match["word"], ONLY_BESIDE[match["word"]]: int(match["name"])}
    ops = _program(text)
    if len(ops) != 1:
        raise SuiteError(f"{text!r} is not one operation: put | between those that overlap")
    return ops[0].to_dict()


def scene_from_text(text: str) -> Scene:
    """Return the scene that *text* describes: ``clone(1, 2, mm=2) / exit(2) | touch(2)``.

    Before the ``/`` the program, behind it the operations that overlap.  Raises ``CallError``.
    """
    before, slash, beside = text.rpartition("/")
    ops = tuple(one.strip() for one in beside.split("|") if one.strip())
    if not slash or not 1 < len(ops) <= len(LETTERS):
        raise CallError(
            f"{text!r} is no scene: write PROGRAM / OPERATION | OPERATION, with two to "
            f"{len(LETTERS)} operations, as in 'clone(1, 2, mm=2) / exit(2) | touch(2)'"
        )
    scene = Scene("given", "a scene that was given", before, ops)
    try:
        scene.request()
    except SuiteError as exc:
        raise CallError(str(exc)) from None
    return scene
