"""One file for one counterexample: who wrote it and who replays it share what is here.

``docs/counterexamples.md`` tells the story, ``docs/counterexample.schema.json`` has the fields.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Union

import msgspec

from mmowner_reference import (
    DIALECTS,
    Deviation,
    IllegalOperation,
    Kernel,
    OpError,
    ProcessOf,
    Program,
    Question,
    op_from_dict,
)  # fmt: skip
from mmowner_reference import Allowed as AllowedAnswer
from mmowner_reference import Reason as WhyAllowed

from ._protocol import OPERATIONS, UNREADABLE, question
from ._repeat import Evidence
from ._requirements import requirements
from .errors import CallError

#: Version of the format; it changes when an old reader would misunderstand.
FORMAT = 1

#: Any operation, as the line protocol has it.
Operation: Any = Union[tuple(OPERATIONS.values())]  # noqa: UP007  the types are made at run time


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Asked(_Strict, frozen=True, omit_defaults=True):
    """The question; ``performed`` stands for: was the operation performed."""

    ask: str
    mm: int | None = None
    task: int | None = None


class Allowed(_Strict, frozen=True):
    """One allowed answer: which rule allows it, why here, and where the rule comes from."""

    value: Any
    rule: str
    because: str
    source: str = ""


class Counterexample(_Strict, frozen=True):
    """A program that a candidate answered wrongly."""

    #: The version of this format.
    counterexample: int
    #: The requirement that failed.
    requirement: str
    #: The one that decided about the wrong answer: another one if that was broken on the way.
    rule: str
    dialect: str
    #: The SPEC of the candidate that failed, as it was given.
    candidate: str
    program: list[Operation]
    #: Nothing can be removed from the program; false if that is not sure, null if nobody tried.
    minimal: bool | None
    #: False if the candidate is not deterministic: it may be right the next time.
    repeatable: bool
    #: The number of the operation after which the answer was wrong, from 1.
    step: int
    question: Asked
    observed: Any
    allowed: list[Allowed]
    #: Of the run that found it.
    seed: int
    #: How it was found, and what was noticed.
    note: str = ""

    def ops(self) -> Program:
        """Return the program.  Raises ``CallError`` if there is an operation that is none."""
        try:
            return tuple(op_from_dict(msgspec.to_builtins(op)) for op in self.program)
        except OpError as exc:
            raise CallError(f"no counterexample: {exc}") from None

    def deviation(self) -> Deviation:
        """Return what was wrong, as a judgement has it."""
        name = self.question.task if self.question.ask == "state" else self.question.mm
        asked = Question(self.question.ask, name)
        return Deviation(
            self.step, self.ops()[self.step - 1], asked, _value(asked, self.observed),
            tuple(
                AllowedAnswer(_value(asked, one.value), WhyAllowed(one.rule, one.because))
                for one in self.allowed
            ),
        )  # fmt: skip

    @property
    def name(self) -> str:
        """The name of its files, without ending: the same for the same failure in every run."""
        telling = (self.candidate, self.dialect, self.requirement, self.rule, self.program)
        digest = hashlib.sha256(msgspec.json.encode(telling)).hexdigest()[:8]
        return f"test_{self.function}_{digest}"

    @property
    def function(self) -> str:
        """The requirement as a part of a Python name."""
        return self.requirement.lower().replace("-", "_")


def from_evidence(
    evidence: Evidence, *, requirement: str, candidate: str, seed: int
) -> Counterexample:
    """Return the counterexample of a failure of *requirement* by *candidate*, a SPEC."""
    found = evidence.deviation
    known = requirements()
    return Counterexample(
        counterexample=FORMAT, requirement=requirement, rule=found.rule,
        dialect=evidence.dialect, candidate=_clean(candidate),
        program=[msgspec.convert(op.to_dict(), Operation) for op in evidence.program],
        minimal=evidence.minimal, repeatable=evidence.repeatable, step=found.step,
        question=msgspec.convert(question(found.question), Asked),
        observed=_plain(found.observed),
        allowed=[
            Allowed(
                _plain(one.value), one.reason.rule, one.reason.text,
                known[one.reason.rule].source if one.reason.rule in known else "",
            )
            for one in found.allowed
        ],
        seed=seed, note=_clean(evidence.note),
    )  # fmt: skip


def _clean(text: str) -> str:
    """Return *text* as UTF-8 can hold it: names of files need not be."""
    return text.encode("utf-8", "backslashreplace").decode()


def _plain(value: Any) -> Any:
    if isinstance(value, ProcessOf):
        return {"process": value.task}
    return _clean(value) if isinstance(value, str) else value


def _value(asked: Question, value: Any) -> Any:
    if asked.ask == "owner" and isinstance(value, dict) and set(value) == {"process"}:
        return ProcessOf(value["process"])
    return value


def encode(made: Counterexample) -> str:
    """Return the text of a file: one field, one operation and one allowed answer a line."""
    lines = []
    for name, value in msgspec.to_builtins(made).items():
        text = json.dumps(value)
        if name in ("program", "allowed"):
            items = ",\n".join(f"    {json.dumps(item)}" for item in value)
            text = f"[\n{items}\n  ]"
        lines.append(f"  {json.dumps(name)}: {text}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def decode(text: str) -> Counterexample:
    """Read a file.  Raises ``CallError`` that says what is wrong with it."""
    try:
        version = msgspec.json.decode(text, type=_Version).counterexample
        if version != FORMAT:
            raise CallError(
                f"no counterexample: it is of format {version}, this version of pytest-mmowner "
                f"reads {FORMAT}; take the version that wrote it, or only its program"
            )
        made = msgspec.json.decode(text, type=Counterexample)
    except UNREADABLE as exc:
        raise CallError(f"no counterexample: {exc}") from None
    _check(made)
    return made


class _Version(msgspec.Struct):
    counterexample: int


def _check(made: Counterexample) -> None:
    program = made.ops()
    if made.dialect not in DIALECTS:
        raise CallError(
            f"no counterexample: unknown dialect {made.dialect!r}; known are {', '.join(DIALECTS)}"
        )
    if not 1 <= made.step <= len(program):
        raise CallError(
            f"no counterexample: step {made.step} of a program of {len(program)} operations"
        )
    try:
        Kernel(made.dialect).run(program)
    except IllegalOperation as exc:
        raise CallError(f"no counterexample: no legal program in {made.dialect}: {exc}") from None


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a file."""
    (made,), components = msgspec.json.schema_components(
        [Counterexample], ref_template="#/$defs/{name}"
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "pytest-mmowner counterexample",
        "description": f"Format {FORMAT}. A program that a candidate answered wrongly.",
        **made,
        "$defs": components,
    }
