"""The lines of a record: their types, how verdicts follow from outcomes, and the JSON Schema.

Writer and reader share what is here, so that a record that the one writes is one that the
other accepts.  ``docs/record.md`` tells the story.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec

from ._tried import Tried
from ._verdicts import VERDICTS, Outcome, Verdicts

#: Version of the format; it changes when an old reader would misunderstand.
FORMAT = 2

Verdict = Literal[VERDICTS]  # type: ignore[valid-type]  # the words come from the algebra


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Bounds(_Strict, frozen=True):
    """A part of the random programs: how many, how long, and how large their world may grow."""

    programs: int
    length: int
    tasks: int
    mms: int
    refs: int
    kthreads: int
    cgroups: int
    threads: int
    ops: list[str]


class Tested(_Strict, frozen=True):
    """A candidate: who it says it is, and what was to be asked of it."""

    spec: str
    dialect: str
    name: str
    version: str
    language: str
    #: The dialect that it claims to speak; it may be judged by another.
    claims: str | None
    capabilities: list[str]
    without: list[str]
    notes: list[str]
    details: dict[str, Any]
    #: The command line of its process; of linux:uml the kernel with its parameters, of
    #: linux:host the words "this machine"; empty for one inside the run.
    started: list[str]
    bounds: list[Bounds]
    #: How many tests of each requirement were selected.
    selected: dict[str, int]


class Introduction(_Strict, frozen=True):
    """What the process that runs the tests tells the one that writes."""

    candidates: list[Tested]


class Header(_Strict, frozen=True, tag_field="line", tag="header"):
    """The first line."""

    format: int
    suite: str
    #: How many requirements this version of the suite has.
    requirements: int
    candidates: list[Tested]
    platform: str
    python: str
    seed: int
    #: The levels asked for; empty for all.
    levels: list[str]
    #: The arguments of pytest.
    arguments: list[str]
    #: The frozen set that the run was judged by, and the hash over its ids; empty for none.
    set: str = ""
    set_digest: str = ""


class OutcomeLine(_Strict, frozen=True, tag_field="line", tag="outcome"):
    """What one test said about one requirement, written when the test has ended."""

    nodeid: str
    requirement: str
    verdict: Verdict
    candidate: str
    dialect: str
    test: str
    text: str
    observed: str
    program: str
    seconds: float
    #: Whether the file of known failures had an entry about it, whatever the verdict is.  Not
    #: which one: their numbers change with the file.
    listed: bool = False

    def outcome(self) -> Outcome:
        """Return it as the rest of the package knows it."""
        return Outcome(
            requirement=self.requirement, verdict=self.verdict, candidate=self.candidate,
            dialect=self.dialect, test=self.test, text=self.text, observed=self.observed,
            program=self.program, seconds=self.seconds,
        )  # fmt: skip


class RequirementLine(_Strict, frozen=True, tag_field="line", tag="requirement"):
    """The verdict about one requirement; it follows from the outcomes before it."""

    requirement: str
    candidate: str
    verdict: Verdict
    text: str
    #: What was seen in each test that failed.
    observed: list[str]
    #: The minimal program of the first failure.
    program: str
    #: Seconds of its tests together.
    seconds: float
    #: How many of its tests have ended.
    tests: int


class Footer(_Strict, frozen=True, tag_field="line", tag="footer"):
    """The last line: everything in it follows from the lines before."""

    #: How many requirements of each candidate have each verdict.
    verdicts: dict[str, dict[Verdict, int]]
    #: How many selected tests never ended.
    unfinished: int
    #: How many lines there are before this one.
    lines: int
    #: Over the bytes of all lines before this one.
    sha256: str


Line = Header | OutcomeLine | Tried | RequirementLine | Footer
KINDS = (Header, OutcomeLine, Tried, RequirementLine, Footer)

_encode = msgspec.json.Encoder(enc_hook=str).encode
_decode: msgspec.json.Decoder[Any] = msgspec.json.Decoder(
    Header | OutcomeLine | Tried | RequirementLine | Footer
)
_introduction = msgspec.json.Decoder(Introduction).decode

#: What decoding a line can raise.
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def encode(line: Line) -> bytes:
    """Return *line* as it stands in the file."""
    return _encode(line) + b"\n"


def decode(raw: bytes) -> Line:
    """Read a line.  Raises one of :data:`UNREADABLE`, whose text says what is wrong."""
    line: Line = _decode.decode(raw)
    return line


def pack(introduction: Introduction) -> str:
    """Return an introduction as text, to travel in a test's report."""
    return clean(_encode(introduction).decode("utf-8"))


def unpack(text: str) -> Introduction:
    """Read an introduction."""
    return _introduction(text)


def clean(text: str) -> str:
    """Return *text* without what UTF-8 cannot say (bytes of file names that are no text)."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def outcome_line(outcome: Outcome, nodeid: str) -> OutcomeLine:
    """Return the line about an outcome."""
    return OutcomeLine(
        nodeid=clean(nodeid), requirement=outcome.requirement, verdict=outcome.verdict,
        candidate=clean(outcome.candidate), dialect=outcome.dialect, test=clean(outcome.test),
        text=clean(outcome.text), observed=clean(outcome.observed),
        program=clean(outcome.program), seconds=outcome.seconds, listed=bool(outcome.listed),
    )  # fmt: skip


def search_line(tried: Tried) -> Tried:
    """Return the line about a part of a search: itself, in what UTF-8 can say."""
    return msgspec.structs.replace(
        tried, candidate=clean(tried.candidate), ended=clean(tried.ended)
    )  # fmt: skip


def conclude(verdicts: Verdicts, rule: str) -> RequirementLine:
    """Return the line about *rule* that follows from its outcomes."""
    verdict = verdicts.of(rule)
    said = verdicts.outcomes[rule]
    programs = (one.program for one in said if one.verdict == verdict and one.program)
    return RequirementLine(
        requirement=rule, candidate=verdicts.candidate, verdict=verdict,
        text=verdicts.text(rule), observed=verdicts.observed(rule),
        program=next(programs, ""), seconds=round(sum(one.seconds for one in said), 6),
        tests=len(said),
    )  # fmt: skip


def closing(
    all_verdicts: Mapping[str, Verdicts], selected: Mapping[str, Mapping[str, int]],
    lines: int, sha256: str,
) -> Footer:  # fmt: skip
    """Return the footer that follows from the lines before it."""
    return Footer(
        verdicts={
            spec: {
                word: counts[word] for word in VERDICTS
                if (counts := verdicts.counts(verdicts.outcomes))[word]
            }
            for spec, verdicts in all_verdicts.items()
        },
        unfinished=sum(count for _, _, count in unfinished(all_verdicts, selected)),
        lines=lines,
        sha256=sha256,
    )  # fmt: skip


def unfinished(
    all_verdicts: Mapping[str, Verdicts], selected: Mapping[str, Mapping[str, int]]
) -> Iterable[tuple[str, str, int]]:
    """Yield candidate, requirement and number of its selected tests that never ended."""
    for spec, rules in selected.items():
        verdicts = all_verdicts.get(spec)
        for rule, count in rules.items():
            ended = len(verdicts.outcomes.get(rule, ())) if verdicts else 0
            if ended < count:
                yield spec, rule, count - ended


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a line of a record."""
    made, components = msgspec.json.schema_components(KINDS, ref_template="#/$defs/{name}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "pytest-mmowner record",
        "description": f"Format {FORMAT}. A line: header, outcome, search, requirement or footer.",
        "anyOf": list(made),
        "$defs": components,
    }
