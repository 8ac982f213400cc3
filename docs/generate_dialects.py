"""The page about the dialects: side by side, whom each asks, and what every commit changed.

``docs/generate.py`` writes it with everything else that is generated.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from mmowner_reference import DEFAULT, DIALECTS, HISTORY, ROWS, Change, Dialect, changes_of
from pytest_mmowner._search_order import algorithms, order_drawing, said, stage_lines

_PLAIN = {True: "yes", False: "no", None: "none"}

_INTRODUCTION = """\
Generated from the chain of changes in `reference/mmowner_reference/_dialects.py`. Where any two
of them part is in [differences.md](differences.md), what each breaks by itself in
[hazards.md](hazards.md)."""

_SIDES = """\
Only what differs somewhere. Bold: changed since the dialect on the left. `none` is the newest
kernel without CONFIG_MEMCG."""

_ORDER = """\
A task leaves an mm that is used by nobody of its family, and owns it. The numbers say when each
is asked whether it uses the mm; the first that does would be the next owner. Nothing here is
drawn by hand: the rules of the reference are run on this family, and what they look at is
written down. Dialects that ask alike stand together."""


def page() -> str:
    """Return the whole page."""
    parts = [
        "# The dialects", _INTRODUCTION,
        _table(["dialect", "kernels"], [
            [f"`{name}`", DIALECTS[name].era + (" (default)" if name == DEFAULT else "")]
            for name in DIALECTS
        ]),
        "## Side by side", _SIDES,
        _side_by_side(),
        "\n".join(f"- `{name}`: {text}" for name, text in meanings().items()),
        "## Who is asked when", _ORDER, *_orders(),
        "## What changed, commit by commit", f"{len(HISTORY)} changes.",
        _table(["dialect", "version", "commit", "change", "fields"],
               [_change(change) for name in ROWS for change in changes_of(name)]),
    ]  # fmt: skip
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines
    )


def _value(value: Any) -> str:
    return _PLAIN.get(value, str(value)) if not isinstance(value, str) else value


def _differing() -> list[str]:
    names = [name for name in Dialect.__dataclass_fields__ if name not in ("name", "era")]
    return [name for name in names if len({getattr(d, name) for d in DIALECTS.values()}) > 1]


def _side_by_side() -> str:
    rows = []
    for field in _differing():
        values = [_value(getattr(dialect, field)) for dialect in DIALECTS.values()]
        cells = [values[0]]
        cells += [new if new == old else f"**{new}**" for old, new in pairwise(values)]
        rows.append([f"`{field}`", *cells])
    return _table(["field", *DIALECTS], rows)


def meanings() -> dict[str, str]:
    """Return what each field that differs is about: the comments on top of them."""
    out: dict[str, str] = {}
    comment: list[str] = []
    for line in map(str.strip, inspect.getsource(Dialect).splitlines()):
        if line.startswith("#:"):
            comment.append(line.removeprefix("#:").strip())
            continue
        name = line.partition(":")[0]
        if comment and name in Dialect.__dataclass_fields__:
            out[name] = " ".join(comment).replace("``", "`").replace("  ", " ")
        comment = []
    return {name: out[name] for name in _differing()}


def _orders() -> list[str]:
    out = []
    for names, one in algorithms():
        if not DIALECTS[one].owner:
            continue
        shown = ", ".join(names)
        out += [
            f"### {shown}",
            "\n".join(["```text", *order_drawing(one), "```"]),
            "\n".join(f"- {line}" for line in (*stage_lines(one), *said(one))),
        ]
    return out


def _change(change: Change) -> list[str]:
    fields = ", ".join(f"`{key}` = {value!r}" for key, value in change.sets.items())
    return [change.row, change.version, change.commit, change.text, fields]
