"""Where commands write: plain text, tables, or one JSON document.

Colour only on a terminal, without ``NO_COLOR``, and with rich installed; what is written
is the same text otherwise.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any, TextIO


class Output:
    """The standard output of one command."""

    def __init__(self, stream: TextIO, *, as_json: bool = False) -> None:
        self.stream = stream
        self.as_json = as_json
        self._console = None if as_json else _console(stream)

    def line(self, text: str = "", style: str = "") -> None:
        """Write a line, or several."""
        if self._console is None:
            self.stream.write(f"{text}\n")
        else:
            # Texts are other people's: no markup is read in them.
            self._console.print(
                text, style=style or None, markup=False, highlight=False, soft_wrap=True
            )

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Write columns; only the last one may be long."""
        widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head) - 1)]
        for number, row in enumerate([head, *rows]):
            cells = [f"{cell:<{width}}" for cell, width in zip(row, widths, strict=False)]
            self.line("  ".join([*cells, row[-1]]).rstrip(), "" if number else "bold")

    def json(self, value: Any) -> None:
        """Write the one document."""
        self.stream.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def _console(stream: TextIO) -> Any:
    """Return rich's console, or None where plain text is right."""
    if not stream.isatty() or "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb":
        return None
    try:
        from rich.console import Console  # noqa: PLC0415  an extra, and slow to import
    except ImportError:
        return None
    return Console(file=stream)
