"""Checks records, and refuses those that are not what a run wrote.

A record is a statement about a candidate that others rely on: whatever does not follow
from what is in it is refused, with the line.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from . import _record_lines as lines
from ._requirements import requirements
from ._tried import Tried
from ._verdicts import Verdicts
from .errors import CallError, MMOwnerError, did_you_mean


class RecordError(MMOwnerError):
    """A record that cannot be relied on: ``path``, ``line`` and ``reason`` say why."""

    def __init__(self, path: str | Path, line: int, reason: str) -> None:
        super().__init__(f"{path}:{line}: {reason}")
        self.path = str(path)
        self.line = line
        self.reason = reason


@dataclass
class Record:
    """A record that holds together."""

    path: str
    header: lines.Header
    footer: lines.Footer
    #: What the tests said, in the order in which they ended.
    outcomes: list[lines.OutcomeLine] = field(default_factory=list)
    #: The verdicts, by candidate and requirement.
    requirements: dict[tuple[str, str], lines.RequirementLine] = field(default_factory=dict)
    #: The same as the rest of the package knows it, by candidate.
    verdicts: dict[str, Verdicts] = field(default_factory=dict)
    #: The line in which each requirement is first named.
    places: dict[str, int] = field(default_factory=dict)
    #: How far the searches got.
    searches: list[Tried] = field(default_factory=list)

    @property
    def selected(self) -> dict[str, dict[str, int]]:
        """How many tests were selected, by candidate and requirement."""
        return {one.spec: one.selected for one in self.header.candidates}

    @property
    def listed(self) -> frozenset[tuple[str, str]]:
        """Candidates and requirements about which the file of known failures had an entry."""
        return frozenset((one.candidate, one.requirement) for one in self.outcomes if one.listed)

    def tested(self, spec: str) -> lines.Tested | None:
        """Return what the header says about a candidate."""
        return next((one for one in self.header.candidates if one.spec == spec), None)


def read_record(path: str | Path) -> Record:
    """Read a record of any version of the suite.

    Raises :class:`RecordError` unless it is whole and unaltered, and ``CallError`` when
    there is no such file.
    """
    try:
        raw = Path(path).read_bytes()
    except OSError as exc:
        raise CallError(f"{path}: the record cannot be read: {exc.strerror or exc}") from None
    return parse_record(raw, path)


def parse_record(raw: bytes, path: str | Path) -> Record:
    """Read a record from the bytes of a file.  Raises :class:`RecordError`."""
    return _Reader(path).read(raw)


def verify(path: str | Path) -> Record:
    """Check that a record is whole, unaltered, and of this version of the suite; return it.

    Raises :class:`RecordError` with line and reason, and ``CallError`` when there is no such
    file.
    """
    from ._candidates.command import _suite_version  # noqa: PLC0415  it imports msgspec's protocol types

    record = read_record(path)
    mine = _suite_version()
    if record.header.suite != mine:
        raise RecordError(
            path, 1, f"the record is of pytest-mmowner {record.header.suite}, this is {mine}: "
            "their requirements may differ. Verify it with the version that wrote it.",
        )  # fmt: skip
    known = requirements()
    if record.header.requirements != len(known):
        raise RecordError(
            path, 1, f"the header says that {mine} has {record.header.requirements} requirements; "
            f"it has {len(known)}. The suite that ran was not the one that was released.",
        )  # fmt: skip
    for rule, number in record.places.items():
        if rule not in known:
            raise RecordError(
                path, number, f"unknown requirement {rule!r}.{did_you_mean(rule, known)} "
                "The record was not written by this suite.",
            )  # fmt: skip
    return record


class _Reader:
    """Goes through the lines and holds each against those before it."""

    def __init__(self, path: str | Path) -> None:
        self._path = path
        self._number = 1
        self._verdicts: dict[str, Verdicts] = {}
        self._outcomes: list[lines.OutcomeLine] = []
        self._searches: list[Tried] = []
        self._requirements: dict[tuple[str, str], lines.RequirementLine] = {}
        self._open: dict[tuple[str, str], None] = {}
        self._places: dict[str, int] = {}

    def _wrong(self, reason: str) -> RecordError:
        return RecordError(self._path, self._number, reason)

    def read(self, raw: bytes) -> Record:
        *whole, rest = raw.split(b"\n")
        self._number = max(1, len(whole) + bool(rest))
        if rest or not whole:
            what = "the last line is cut off" if rest else "the file is empty"
            raise self._wrong(
                f"truncated: {what}. The run was ended before it was over, or the file was not "
                "copied whole: copy it again, or run again."
            )
        header = self._header(whole[0])
        hash_ = hashlib.sha256(whole[0] + b"\n")
        for number, text in enumerate(whole[1:-1], 2):
            self._number = number
            self._take(self._decode(text))
            hash_.update(text + b"\n")
        self._number = len(whole)
        footer = self._footer(whole[-1], header, hash_.hexdigest())
        return Record(
            str(self._path), header, footer, self._outcomes, self._requirements, self._verdicts,
            self._places, self._searches,
        )  # fmt: skip

    def _decode(self, text: bytes) -> lines.Line:
        try:
            return lines.decode(text)
        except lines.UNREADABLE as exc:
            raise self._wrong(
                f"this is no line of a record: {exc}. The file was altered."
            ) from None

    def _header(self, text: bytes) -> lines.Header:
        self._number = 1
        try:
            format_: Any = msgspec.json.decode(text)["format"]
        except (*lines.UNREADABLE, KeyError, TypeError):
            format_ = lines.FORMAT  # then decoding says what is wrong
        if format_ != lines.FORMAT:
            raise self._wrong(
                f"the record has format {format_}, this version reads format {lines.FORMAT}: "
                "read it with the version that wrote it."
            )
        header = self._decode(text)
        if not isinstance(header, lines.Header):
            raise self._wrong("the first line of a record is its header; this one is another")
        for one in header.candidates:
            self._places.update(dict.fromkeys(one.selected, 1))
        return header

    def _take(self, line: lines.Line) -> None:
        if isinstance(line, lines.OutcomeLine):
            self._outcomes.append(line)
            self._places.setdefault(line.requirement, self._number)
            verdicts = self._verdicts.setdefault(
                line.candidate, Verdicts(line.candidate, line.dialect)
            )
            verdicts.take(line.outcome())
            self._open[line.candidate, line.requirement] = None
        elif isinstance(line, Tried):
            self._search(line)
        elif isinstance(line, lines.RequirementLine):
            self._follows(line)
            self._open.pop((line.candidate, line.requirement), None)
            self._requirements[line.candidate, line.requirement] = line
        else:
            kind = type(line).__name__.lower()
            raise self._wrong(f"a second {kind}: the file was altered, or two were joined")

    def _search(self, line: Tried) -> None:
        """A part of a search is told once, and never tries more than it has."""
        told = {(one.candidate, one.what, one.part) for one in self._searches}
        if (line.candidate, line.what, line.part) in told:
            raise self._wrong(f"part {line.part} of {line.what} a second time: it was altered")
        total = line.total or line.of_part
        if not 0 <= line.tried <= line.of_part <= total or not 0 <= line.part < line.parts:
            raise self._wrong(
                f"{line.tried} of {line.of_part} of {total} {line.what} in part {line.part} of "
                f"{line.parts} cannot be: the file was altered"
            )
        self._searches.append(line)

    def _follows(self, line: lines.RequirementLine) -> None:
        verdicts = self._verdicts.get(line.candidate)
        if verdicts is None or line.requirement not in verdicts.outcomes:
            raise self._wrong(
                f"a verdict about {line.requirement} without an outcome of any test before it"
            )
        right = lines.conclude(verdicts, line.requirement)
        for name in line.__struct_fields__:
            says, follows = getattr(line, name), getattr(right, name)
            if says != follows:
                raise self._wrong(
                    f"{line.requirement}: {name} is {says!r}, but from the outcomes before it "
                    f"follows {follows!r}. The file was altered."
                )

    def _footer(self, text: bytes, header: lines.Header, sha256: str) -> lines.Footer:
        if self._number == 1:
            raise self._missing()
        footer = self._decode(text)
        if not isinstance(footer, lines.Footer):
            raise self._missing()
        for spec, rule in self._open:
            raise self._wrong(f"the verdict of {spec} about {rule} is missing before the footer")
        selected = {one.spec: one.selected for one in header.candidates}
        right = lines.closing(self._verdicts, selected, self._number - 1, sha256)
        for name in ("lines", "verdicts", "unfinished", "sha256"):
            says, follows = getattr(footer, name), getattr(right, name)
            if says != follows:
                what = (
                    "a line before it was altered" if name == "sha256" else "the file was altered"
                )
                raise self._wrong(
                    f"the footer's {name} is {says!r}, but from the lines before it follows "
                    f"{follows!r}: {what}"
                )
        if lines.encode(right) != text + b"\n":
            raise self._wrong("the footer says the right things in other words: it was altered")
        return footer

    def _missing(self) -> RecordError:
        return self._wrong(
            "truncated: the footer is missing after this line. The run was ended before it was "
            "over, or the file was not copied whole: copy it again, or run again."
        )
