"""Which lines and branches of the cut code were reached: blocks and edges against the machine code.

The program tells which blocks followed each other; what there is to reach is read from its
machine code (``objdump``), which has a call of our hook in every block.  A branch counts with
both of its ways; one whose block has no hook of its own is not counted.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ._cut import Cut, Piece

#: What is called in every block.
HOOK: Final = "__sanitizer_cov_trace_pc"
_FUNCTION: Final = re.compile(r"^[0-9a-f]+ <(?P<name>[\w.]+)>:$")
_INSTRUCTION: Final = re.compile(r"^\s*(?P<at>[0-9a-f]+):\s+(?P<word>[\w.]+)\s*(?P<rest>.*)$")
_PLACE: Final = re.compile(r"^(?P<path>\S.*):(?P<line>\d+)(?: \(discriminator \d+\))?$")
#: aarch64 says other names of a condition behind it.
_TARGET: Final = re.compile(r"(?P<at>[0-9a-f]+) <[\w.]+(?:\+0x[0-9a-f]+)?>\s*(?://.*)?$")
#: Jumps that go on behind themselves too, on x86-64 and aarch64; and those that do not.
_EITHER: Final = re.compile(r"j(?!mp)[a-z]+|b\.[a-z]{2}|cbn?z|tbn?z")
_ALWAYS: Final = re.compile(r"jmp|b|br|ret|retq|ud2|hlt|brk")
#: Our function that calls exit_mm(), which a compiler puts into it.
GLUE: Final = "mmo_exit_mm"
PATIENCE: Final = 60


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction: where it is, what it does, which line it comes from, where it jumps to."""

    at: int
    word: str
    place: tuple[str, int]
    target: int | None
    hook: bool


@dataclass
class Function:
    """The instructions of one function, and its blocks by their first addresses."""

    name: str
    code: list[Instruction] = field(default_factory=list)

    def blocks(self) -> list[list[Instruction]]:
        """Return the basic blocks, in the order of addresses."""
        leaders = {one.target for one in self.code if one.target is not None}
        found: list[list[Instruction]] = []
        ended = True
        for one in self.code:
            if ended or one.at in leaders:
                found.append([])
            found[-1].append(one)
            ended = bool(_EITHER.fullmatch(one.word) or _ALWAYS.fullmatch(one.word))
        return found


@dataclass(frozen=True)
class Reach:
    """What was reached of some code."""

    lines: int
    lines_reached: int
    branches: int
    branches_reached: int
    #: Lines that were not reached, as ``path:line: text``.
    missed: tuple[str, ...] = ()

    def note(self, what: str) -> str:
        """Return in a line what was reached."""
        text = (
            f"{what}: {self.lines_reached} of {self.lines} lines and {self.branches_reached} of "
            f"{self.branches} branches were reached"
        )
        return f"{text}; not {'; '.join(self.missed)}" if self.missed else text


def printed_by(command: Sequence[str]) -> list[str]:
    """Return the lines that a tool of binutils prints; none when it fails or does not come back."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
            check=False, timeout=PATIENCE,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [] if done.returncode else done.stdout.splitlines()


def functions_of(program: Path, names: Iterable[str]) -> list[Function] | None:
    """Return the machine code of the functions *names*; None without ``objdump``."""
    tool = shutil.which("objdump") or shutil.which("llvm-objdump")
    if tool is None:
        return None
    lines = printed_by([tool, "-d", "-l", "--no-show-raw-insn", str(program)])
    if not lines:
        return None
    wanted = {*names, GLUE}
    # A compiler may split a function, or make a copy of one for certain arguments.
    return [one for one in _parse(lines) if one.name.partition(".")[0] in wanted]


def _parse(lines: Iterable[str]) -> Iterator[Function]:
    current: Function | None = None
    place = ("", 0)
    for line in lines:
        if match := _FUNCTION.match(line):
            if current is not None:
                yield current
            current, place = Function(match["name"]), ("", 0)
        elif current is None:
            continue
        elif match := _INSTRUCTION.match(line):
            jumps = _EITHER.fullmatch(match["word"]) or _ALWAYS.fullmatch(match["word"])
            target = _TARGET.search(match["rest"]) if jumps else None
            current.code.append(
                Instruction(
                    int(match["at"], 16),
                    match["word"],
                    place,
                    int(target["at"], 16) if target else None,
                    f"<{HOOK}" in match["rest"],
                )
            )
        elif match := _PLACE.match(line):
            place = (match["path"], int(match["line"]))
    if current is not None:
        yield current


def reach(
    functions: Sequence[Function], edges: Iterable[Sequence[int]], pieces: Cut, *, owner: bool
) -> Reach:
    """Return what *edges* reached of the owner code, or else of the code around it."""
    taken = {(before, after) for before, after in edges}
    visited = {after for _, after in taken}
    lines: dict[tuple[str, int], bool] = {}
    branches = reached = 0
    for function in functions:
        blocks = function.blocks()
        hooks = [_hook(block, function) for block in blocks]
        starts = [block[0].at for block in blocks]
        for number, block in enumerate(blocks):
            for one in block:
                place = _within(one.place, pieces, owner=owner)
                if place is not None:
                    lines[place] = lines.get(place, False) or hooks[number] in visited
            last = block[-1]
            if last.target is None or not _EITHER.fullmatch(last.word):
                continue
            if _within(last.place, pieces, owner=owner) is None:
                continue
            to = bisect_right(starts, last.target) - 1
            ways = [hooks[to] if starts[to] == last.target else None,
                    hooks[number + 1] if number + 1 < len(blocks) else None]  # fmt: skip
            if hooks[number] is None or None in ways:
                continue
            branches += 2
            reached += sum((hooks[number], way) in taken for way in ways)
    missed = tuple(_quoted(place, pieces) for place in sorted(lines) if not lines[place])
    return Reach(len(lines), sum(lines.values()), branches, reached, missed)


def _hook(block: Sequence[Instruction], function: Function) -> int | None:
    """The address to which the block's hook returns."""
    at = next((i for i, one in enumerate(block) if one.hook), None)
    if at is None:
        return None
    if at + 1 < len(block):
        return block[at + 1].at
    return next((one.at for one in function.code if one.at > block[at].at), None)


def _within(place: tuple[str, int], pieces: Cut, *, owner: bool) -> tuple[str, int] | None:
    """The place as the tree calls it, if it is in a function that is asked about."""
    path, line = place
    for piece in pieces.pieces:
        inside = piece.line <= line <= piece.end and path.endswith(piece.path)
        if inside and _is_part(piece, owner=owner):
            return piece.path, line
    return None


def _is_part(piece: Piece, *, owner: bool) -> bool:
    return (
        piece.kind == "function" and piece.owner == owner and not piece.path.startswith("include/")
    )


def _quoted(place: tuple[str, int], pieces: Cut) -> str:
    piece = pieces.where(*place)
    text = "" if piece is None else piece.text.split("\n")[place[1] - piece.line]
    return f"{place[0]}:{place[1]}: {' '.join(text.split())}"


def names_of(pieces: Cut) -> Mapping[str, bool]:
    """Return the functions that were cut from source files, and whether they are owner code."""
    return {
        one.name: one.owner for one in pieces.pieces
        if one.kind == "function" and not one.path.startswith("include/")
    }  # fmt: skip
