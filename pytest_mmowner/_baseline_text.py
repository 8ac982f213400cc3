"""Edits of a baseline as text: what is not edited stays as it is, byte for byte.

A library that keeps comments has to guess whose they are, and hangs the comment above a
``[[known]]`` on the table before it.  Here the file is lines, every line belongs to an entry
or to nobody, and an entry goes with its lines:

- the comment directly above its header, and what is inside it, belong to an entry;
- a comment directly below its last line does too, unless the next header follows directly;
- what is set off by a blank line belongs to nobody, and stays.

Where a statement ends is asked of ``tomllib``, and the result is read again and compared with
what it should be: a file that means something else than it should is never handed out.
"""

from __future__ import annotations

import copy
import json
import re
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

HEADER: Final = """\
# Known failures of this implementation; see the documentation of pytest-mmowner.
# Every entry needs a reason. `mmowner baseline update` keeps comments and order.
"""
TABLE: Final = "known"
_STRING: Final = r"""
    \"{3}(?:[^"\\]|\\.|"{1,2}(?!"))*\"{3,5}
  | '{3}(?:[^']|'{1,2}(?!'))*'{3,5}
  | "(?:[^"\\\n]|\\.)*"
  | '[^'\n]*'
"""
#: The pieces of a value that is an array, whatever is in it.
_PIECES: Final = re.compile(
    rf"(?P<string>{_STRING})|(?P<comment>\#[^\r\n]*)|(?P<newline>\r?\n)|(?P<other>.)",
    re.VERBOSE | re.DOTALL,
)
_OBSERVED: Final = re.compile(r"""[ \t]*(?:observed|"observed"|'observed')[ \t]*=[ \t]*\[""")


class CannotEdit(ValueError):
    """The edit did not come out as it should; nothing was lost."""


def with_observed(old: Iterable[str], new: Collection[str]) -> list[str]:
    """Return *new* with what was in *old* first, as it was ordered there."""
    kept = [line for line in old if line in new]
    return kept + [line for line in new if line not in kept]


def edit(
    text: str,
    *,
    removed: Collection[int] = (),
    observed: Mapping[int, Collection[str]] | None = None,
    added: Sequence[Mapping[str, Any]] = (),
) -> str:
    """Return *text* without the entries *removed*, with other *observed* lines, and with *added*.

    Entries are numbers of ``[[known]]`` tables, from 0.  Raises ``CannotEdit``.
    """
    observed = {number: lines for number, lines in (observed or {}).items()
                if number not in removed}  # fmt: skip
    if not removed and not observed and not added:
        return text
    data = _parsed(text)
    rows = copy.deepcopy(data.get(TABLE, []))
    for number, lines in observed.items():
        rows[number]["observed"] = with_observed(rows[number]["observed"], lines)
    rows = [row for number, row in enumerate(rows) if number not in removed]
    wanted = {**data, TABLE: rows + [dict(row) for row in added]}
    done = _Lines(_without_inline(text))
    for number, lines in observed.items():
        done.observe(number, lines)
    result = _append(done.without(removed), [_rendered(row, done.end) for row in added], done.end)
    said = _parsed(result)
    if {TABLE: [], **said} != {TABLE: [], **wanted}:
        raise CannotEdit("the file would say something else than it should")
    return result


def places(text: str) -> list[int]:
    """Return the line of each ``[[known]]``, then of each ``[[flaky]]``, as they are numbered."""
    found: dict[str, list[int]] = {TABLE: [], "flaky": []}
    for part in _statements(_split(text)):
        for table in found:
            rows = part.data.get(table)
            if isinstance(rows, list):
                found[table] += [part.first + 1] * len(rows)
    return [line for lines in found.values() for line in lines]


def _parsed(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise CannotEdit(f"this is no TOML: {exc}") from None


def _split(text: str) -> list[str]:
    # No str.splitlines: it also splits at characters that may be inside a string.
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def _is_blank(line: str) -> bool:
    return not line.strip()


# -- statements -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Statement:
    """A header or a field, or several lines of a field: from a line to before another."""

    first: int
    last: int
    header: bool
    data: dict[str, Any]


def _statements(lines: Sequence[str]) -> Iterator[_Statement]:
    """Yield the statements.  A statement that is not at its end yet is no TOML by itself."""
    first = 0
    while first < len(lines):
        start = lines[first].lstrip()
        if not start or start.startswith("#"):
            first += 1
            continue
        for last in range(first + 1, len(lines) + 1):
            try:
                data = tomllib.loads("".join(lines[first:last]))
            except tomllib.TOMLDecodeError:
                continue
            yield _Statement(first, last, start.startswith("["), data)
            first = last
            break
        else:
            raise CannotEdit(f"line {first + 1} is no TOML")


class _Lines:
    """The lines of a file, and which entry each belongs to."""

    def __init__(self, text: str) -> None:
        self.lines = _split(text)
        #: What a line ends with here.
        self.end = _end_of(text)
        self.owners: list[tuple[str, int] | None] = [None] * len(self.lines)
        self.observations: dict[int, _Statement] = {}
        self._own()

    def _own(self) -> None:
        counts: dict[str, int] = {}
        current: tuple[str, int] | None = None
        done = 0
        for part in _statements(self.lines):
            before = current
            if part.header:
                table, value = next(iter(part.data.items()))
                if isinstance(value, list):  # [[known]]; else [known.when], of the last one
                    counts[table] = counts.get(table, 0) + 1
                current = (table, counts.get(table, 0) - 1)
            elif current is not None and current[0] == TABLE and "observed" in part.data:
                self.observations[current[1]] = part
            self._own_between(done, part.first, before, current)
            self.owners[part.first : part.last] = [current] * (part.last - part.first)
            done = part.last
        self._own_between(done, len(self.lines), current, None)

    def _own_between(
        self, first: int, last: int, before: tuple[str, int] | None, after: tuple[str, int] | None
    ) -> None:
        """Say whose the comments and blank lines between two statements are."""
        if before == after:
            self.owners[first:last] = [before] * (last - first)
            return
        above = last
        while after is not None and above > first and not _is_blank(self.lines[above - 1]):
            above -= 1
        if above == 0 and "".join(self.lines[:last]).replace("\r", "").startswith(HEADER):
            above = HEADER.count("\n")  # older versions wrote it without a blank line below
        self.owners[above:last] = [after] * (last - above)
        while first < above and not _is_blank(self.lines[first]):
            self.owners[first] = before
            first += 1

    def observe(self, number: int, values: Collection[str]) -> None:
        """Write other observations."""
        part = self.observations[number]
        old = "".join(self.lines[part.first : part.last])
        self.lines[part.first] = _with_values(old, part.data["observed"], values, self.end)
        for index in range(part.first + 1, part.last):
            self.lines[index] = ""

    def without(self, removed: Collection[int]) -> str:
        """Return the text without the lines of entries; where they were, one gap is left."""
        gone = {(TABLE, number) for number in removed}
        out: list[str] = []
        index = 0
        while index < len(self.lines):
            if self.owners[index] not in gone:
                out.append(self.lines[index])
                index += 1
                continue
            while index < len(self.lines) and self.owners[index] in gone:
                index += 1
            start = index
            while index < len(self.lines) and self._is_gap(index):
                index += 1
            above = len(out)
            while above and _is_blank(out[above - 1]) and out[above - 1]:
                above -= 1
            after = self.lines[start:index]
            if index == len(self.lines):
                del out[above:]
            elif above and len(after) > len(out) - above:
                out[above:] = after
        return "".join(out)

    def _is_gap(self, index: int) -> bool:
        return self.owners[index] is None and _is_blank(self.lines[index])


# -- values ---------------------------------------------------------------------------------


def _end_of(text: str) -> str:
    return "\r\n" if text.partition("\n")[0].endswith("\r") else "\n"


def _quoted(text: str) -> str:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise CannotEdit(f"{text!r} is no text that TOML can hold") from None
    # What JSON escapes, TOML reads; it only asks for one character more.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")


def _value(value: Any, end: str) -> str:
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, Mapping):
        pairs = (f"{key} = {_value(part, '')}" for key, part in value.items())
        return f"{{ {', '.join(pairs)} }}" if value else "{}"
    parts = [_quoted(part) for part in value]
    if not end or len(parts) < 2:
        return f"[{', '.join(parts)}]"
    return "".join([f"[{end}", *(f"    {part},{end}" for part in parts), "]"])


def _rendered(row: Mapping[str, Any], end: str) -> str:
    fields = (f"{key} = {_value(value, end)}{end}" for key, value in row.items())
    return "".join([f"[[{TABLE}]]{end}", *fields])


def _append(text: str, entries: Iterable[str], end: str) -> str:
    """Put entries at the end, each behind a blank line: what is above is not their comment."""
    for entry in entries:
        if text and not text.endswith("\n"):
            text += end
        lines = _split(text)
        text += entry if not lines or _is_blank(lines[-1]) else end + entry
    return text


def _with_values(old: str, had: Sequence[str], values: Collection[str], end: str) -> str:
    """Return the statement ``observed = [...]`` with other values and the comments it had."""
    head = _OBSERVED.match(old)
    if head is None:
        raise CannotEdit("`observed` is written in a way that this does not know")
    pieces = [(str(piece.lastgroup), piece[0]) for piece in _PIECES.finditer(old, head.end())]
    close = pieces.index(("other", "]"))
    tail = "".join(text for _, text in pieces[close + 1 :])
    wanted = with_observed(had, values)
    if not any(kind == "comment" for kind, _ in pieces[:close]):
        return f"{head[0]}{_value(wanted, end)[1:]}{tail}"
    return head[0] + _line_by_line(pieces[:close], wanted, end) + tail


def _line_by_line(pieces: Iterable[tuple[str, str]], wanted: Sequence[str], end: str) -> str:
    """Return what stands behind the bracket: comments stay, but for those behind a value."""
    rows: list[list[tuple[str, str]]] = [[]]
    for kind, text in pieces:
        if kind == "newline":
            rows.append([])
        else:
            rows[-1].append((kind, text))
    out: list[str] = []
    kept: list[str] = []
    indent = "    "
    for number, row in enumerate(rows):
        strings = [text for kind, text in row if kind == "string"]
        values = [tomllib.loads(f"x = {text}")["x"] for text in strings]
        comment = "".join(text for kind, text in row if kind == "comment")
        whole = "".join(text for _, text in row)
        space = whole[: len(whole) - len(whole.lstrip(" \t"))]
        stay = [text for text, value in zip(strings, values, strict=True) if value in wanted]
        kept += [value for value in values if value in wanted]
        if number and (stay or comment):
            indent = space
        if not strings and number < len(rows) - 1:
            out.append("".join(text for _, text in row if text != ",") + end)
        elif stay:
            out.append(f"{space}{', '.join(stay)},{'  ' * bool(comment)}{comment}{end}")
        elif number == 0:
            out.append(end)
    out += [f"{indent}{_quoted(value)},{end}" for value in wanted if value not in kept]
    return "".join([*out, "" if strings else space, "]"])


def _without_inline(text: str) -> str:
    """Write ``known = [{...}]`` as tables at the end; its comments stay where they were."""
    lines = _split(text)
    end = _end_of(text)
    for part in _statements(lines):
        if part.header or TABLE not in part.data:
            continue
        old = "".join(lines[part.first : part.last])
        pieces = _PIECES.finditer(old, old.index("=") + 1)
        comments = [piece[0] + end for piece in pieces if piece.lastgroup == "comment"]
        lines[part.first : part.last] = comments + [end] * bool(comments)
        return _append("".join(lines), [_rendered(row, end) for row in part.data[TABLE]], end)
    return text
