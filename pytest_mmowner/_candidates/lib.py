"""``lib:`` candidates: a shared library, loaded into a process of its own.

What it exports and what it may call is told in ``_kernel/mmowner.h``.  A library with the owner
functions alone is hosted by our C world, and explored; one with a world of its own is told
operations.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from mmowner_reference import DEFAULT, DIALECTS, dialect_of_release

from .. import _protocol as protocol
from .._kernel._build import build_library
from .._kernel._reach import printed_by
from ..errors import CallError
from .base import Info
from .hosted import capabilities_in
from .kernel import SCHEDULES, World, world_of


class Library(World):
    """A shared library of either level."""

    def __init__(self, spec: str, library: Path, dialect: str, patience: float) -> None:
        self._library = library
        self._row = DIALECTS[dialect]
        path = re.escape(str(library.resolve()))
        self._place = re.compile(rf"(?P<place>{path}\+(?P<offset>0x[0-9a-f]+))(?:, \w+)?")
        super().__init__(
            spec, build_library(), {"lib": str(library), **world_of(self._row, None)}, dialect,
            patience,
        )  # fmt: skip

    def _introduction(self, answer: protocol.StartAnswer, details: dict[str, Any]) -> Info:
        info = super()._introduction(answer, details)
        if details.get("level") != "rules":
            return info
        shown = capabilities_in(self._row) & info.capabilities | {"program", SCHEDULES}
        return replace(info, capabilities=shown)

    def with_places(self, text: str) -> str:
        """Return *text* with file and line, of the library's as of our own addresses."""
        told = self.places(match["place"] for match in self._place.finditer(text))

        def shown(match: re.Match[str]) -> str:
            return told.get(match["place"], f"{self._library.name} {match['offset'][2:]}")

        text = self._place.sub(shown, text)
        return super().with_places(text)

    def places(self, addresses: Iterable[str]) -> dict[str, str]:
        """Return ``function (file:line)``; the library's addresses are ``FILE+0xOFFSET``."""
        given = list(dict.fromkeys(addresses))
        ours = {one: match["offset"] for one in given if (match := self._place.fullmatch(one))}
        told = super().places(one for one in given if one not in ours)
        tool = shutil.which("addr2line") or shutil.which("llvm-addr2line")
        if not ours or tool is None:
            return told
        before = [hex(max(int(offset, 16) - 1, 0)) for offset in ours.values()]
        lines = printed_by([tool, "-f", "-C", "-e", str(self._library), *before])
        if len(lines) != 2 * len(ours):
            return told
        for one, function, place in zip(ours, lines[::2], lines[1::2], strict=True):
            if not place.startswith("?"):
                told[one] = f"{function} ({Path(place.partition(' ')[0]).name})"
            elif not function.startswith("?"):
                told[one] = f"{function} ({self._library.name})"
        return told


def open_lib(spec: str, rest: str, dialect: str | None, patience: float) -> Library:
    """Load the library that *rest* names.  Raises ``CallError`` when there is no such file."""
    library = Path(rest).expanduser()
    if not library.is_file():
        raise CallError(f"{spec}: there is no file {rest!r}. Is the library built?")
    made = Library(spec, library, dialect or DEFAULT, patience)
    claim = made.info.dialect
    own = claim if claim in DIALECTS else dialect_of_release(claim or "")
    if dialect is not None or own is None or own == DEFAULT:
        return made
    # What it says of itself is known only when it is loaded: its world is made again, for that.
    made.close()
    return Library(spec, library, own, patience)
