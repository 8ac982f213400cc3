"""``trace:`` candidates: a recorded run of a machine that cannot be driven, judged afterwards.

JSON Lines: operations as in the line protocol, after each of them questions with the answers
that were observed.  ``docs/record.md`` describes the format.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from mmowner_reference import (
    ASKS,
    DEFAULT,
    DIALECTS,
    OPS,
    Deviation,
    IllegalOperation,
    Kernel,
    Op,
    OpError,
    PlannedStep,
    Program,
    Question,
    Scope,
    op_from_dict,
)  # fmt: skip

from .._answers import checked
from .._campaign import Campaign
from .._judge import Run, judge_steps
from .._protocol import UNREADABLE
from .._requirements import requirements
from .._session import Session, Shown
from .._verdicts import Outcome, Verdicts, verdict_of
from ..assertions import failure
from ..errors import (
    CallError,
    CandidateError,
    ConformanceFailure,
    MMOwnerError,
    NotApplicable,
    did_you_mean,
)  # fmt: skip
from .base import Candidate, Info

CANNOT: Final = "a trace cannot be driven"

#: What to do about a trace without operations: nobody knows if the recorder or the call is wrong.
NOTHING: Final = (
    ", so there is nothing to judge. Either the recorder wrote nothing or this is another file. "
    'A trace has a line for each operation, as {"op": "clone", "task": 1, "child": 2, "mm": 2}, '
    'and after it the answers that were seen, as {"ask": "owner", "mm": 2, "answer": 2} '
    "(docs/record.md)"
)

#: What the name after a question is; the others have none.
_SUBJECTS: Final[Mapping[str, str]] = {"owner": "mm", "users": "mm", "state": "task"}


class Introduction(msgspec.Struct, forbid_unknown_fields=True, tag_field="op", tag="start"):
    """The first line, if there is one: what was recorded."""

    name: str = ""
    version: str = ""
    language: str = ""
    dialect: str | None = None
    notes: str | list[str] = ""


@dataclass
class Part:
    """An operation, where it stands, and what was observed after it."""

    line: int
    op: Op
    answers: dict[Question, Any] = field(default_factory=dict)
    lines: dict[Question, int] = field(default_factory=dict)


class _Info(Info):
    def lacks(self, needs: Sequence[str]) -> list[str]:
        """Nothing can be shown on demand, whatever was recorded."""
        raise NotApplicable(CANNOT)


class Trace(Candidate):
    """The programs of a file, with what was observed."""

    def __init__(self, spec: str, path: str) -> None:
        self.path = path
        self.programs, said = _read(path)
        words = {part.op.word for program in self.programs for part in program}
        asked = {question.ask for program in self.programs for part in program
                 for question in part.answers}  # fmt: skip
        notes = [said.notes] if isinstance(said.notes, str) else said.notes
        self.info = _Info(
            spec=spec, name=said.name or Path(path).name, version=said.version,
            language=said.language, dialect=said.dialect, capabilities=frozenset(words | asked),
            notes=tuple(note for note in notes if note),
        )  # fmt: skip

    def reset(self) -> None:
        """Raise ``NotApplicable``."""
        raise NotApplicable(CANNOT)

    def perform(self, op: Op) -> None:
        """Raise ``NotApplicable``."""
        raise NotApplicable(CANNOT)

    def ask(self, question: Question) -> Any:
        """Raise ``NotApplicable``."""
        raise NotApplicable(CANNOT)

    def campaign(self, dialect: str) -> Campaign:
        """Return what stands in for the random programs: those of the trace."""
        return Recorded(self, dialect)

    def check(self, dialect: str) -> None:
        """Raise ``CallError`` when a program is not legal in *dialect*, or an answer none."""
        for program in self.programs:
            world = Kernel(dialect)
            for part in program:
                try:
                    world.do(part.op)
                except IllegalOperation as exc:
                    raise _wrong(
                        self.path, part.line, f"the dialect {dialect} has no such program: {exc}. "
                        "The recorder missed an operation, or the machine is of another dialect."
                    ) from None  # fmt: skip
                for question, raw in part.answers.items():
                    self._check(part, question, raw, world)

    def _check(self, part: Part, question: Question, raw: Any, world: Kernel) -> None:
        kind = _SUBJECTS.get(question.ask)
        known: Mapping[str, Any] = {"mm": world.mms, "task": world.used_names["task"]}
        if kind is not None and question.name not in known[kind]:
            raise _wrong(
                self.path, part.lines[question],
                f"{question}: there is no {kind} {question.name} yet. The recorder missed an "
                "operation, or the name is wrong.",
            )  # fmt: skip
        try:
            checked(question, raw, world)
        except CandidateError as exc:
            raise _wrong(self.path, part.lines[question], exc.text) from None


class Recorded(Campaign):
    """The programs of a trace in the place of random ones."""

    def __init__(self, trace: Trace, dialect: str) -> None:
        super().__init__(trace, dialect)
        self._trace = trace
        self._places: dict[str, str] = {}

    def _programs(self) -> list[tuple[int, Scope]]:
        return []

    def run(self) -> None:
        """Judge all programs, once."""
        if self._ran:
            return
        self._ran = True
        self._trace.check(self.dialect)
        for number, parts in enumerate(self._trace.programs, 1):
            steps = [PlannedStep(part.op, tuple(part.answers)) for part in parts]
            run = judge_steps(_Replay(self._trace, parts), steps, self.dialect)
            self.programs += 1
            self.operations += len(parts)
            self.decided.update(run.decided)
            for found in run.deviations:
                self._note(number, parts, run, found)
            if run.error is not None:
                self.error = run.error

    def _note(self, number: int, parts: list[Part], run: Run, found: Deviation) -> None:
        best = self.failures.get(found.rule)
        if best is None or found.step < len(best[0]):
            line = parts[found.step - 1].lines[found.question]
            self.failures[found.rule] = (run.program[: found.step], found, run)
            self._places[found.rule] = f"{self._trace.path}:{line}, program {number} of the trace"

    def holds(self, rule: str, *, minimize: bool = True) -> None:
        """Raise if *rule* was broken in the trace, or if the trace does not say."""
        self.run()
        if rule in self.failures:
            raise self._failure(rule, minimize=False)
        if self.error is not None:
            raise self.error
        if not self.decided[rule]:
            raise NotApplicable(f"no answer in {self._trace.path} is a matter of {rule}")

    def _failure(self, rule: str, *, minimize: bool) -> ConformanceFailure:
        program, found, _ = self.failures[rule]
        return failure(
            program, found, rule, self.candidate.info.spec, self.dialect, _cannot,
            note=self._places[rule], minimize=False,
        )  # fmt: skip


class _Replay(Trace):
    """One program of a trace, as a run that can be followed step by step."""

    def __init__(self, trace: Trace, parts: list[Part]) -> None:
        self.info = trace.info
        self._parts = parts

    def run(self, steps: Sequence[PlannedStep]) -> Iterator[Mapping[Question, Any]]:
        """Yield what was observed after each operation."""
        for part in self._parts:
            yield part.answers


def _cannot(program: Program) -> Run:
    raise NotApplicable(CANNOT)  # pragma: no cover  it is never minimized


def open_trace(spec: str, path: str, dialect: str | None) -> Trace:
    """Read the trace *path*, and check it for *dialect*, or the one that it claims.

    Raises ``CallError`` with file and line for a line that is malformed and for a program
    that is none.
    """
    if not path:
        raise CallError(f"{spec}: name a file, as in trace:FILE.jsonl")
    trace = Trace(spec, path)
    spoken = dialect or trace.info.dialect or DEFAULT
    if spoken in DIALECTS:  # else whoever chooses the dialect says so
        trace.check(spoken)
    return trace


def judge_trace(path: str | Path, dialect: str | None = None) -> Verdicts:
    """Judge a recorded run by *dialect* (default: what it claims, else the newest).

    Each requirement that decided about an answer passes or fails; the others are not
    applicable.  Raises ``CallError`` as :func:`open_trace`.
    """
    trace = open_trace(f"trace:{path}", str(path), dialect)
    spoken = dialect or trace.info.dialect or DEFAULT
    if spoken not in DIALECTS:
        raise CallError(
            f"unknown dialect {spoken!r}; known are {', '.join(DIALECTS)}."
            f"{did_you_mean(spoken, DIALECTS)}"
        )
    session = Session(trace, spoken)
    verdicts = Verdicts(trace.info.spec, spoken)
    for rule in requirements():
        ended: BaseException | None = None
        try:
            session.random_programs(rule)
        except (MMOwnerError, Shown) as exc:
            ended = exc
        verdicts.take(
            Outcome(
                rule,
                verdict_of(ended),
                trace.info.spec,
                spoken,
                test="trace",
                text="" if ended is None else str(ended),
                observed=getattr(ended, "observed", ""),
                program=getattr(ended, "program", ""),
            )
        )
    return verdicts


# -- reading -----------------------------------------------------------------------------


def _wrong(path: str, line: int, text: str) -> CallError:
    return CallError(f"trace {path}:{line}: {text}")


def _read(path: str) -> tuple[list[list[Part]], Introduction]:
    try:
        raw = Path(path).read_bytes()
    except OSError as exc:
        raise CallError(f"trace {path}: cannot be read: {exc.strerror or exc}") from None
    if not raw.strip():
        raise CallError(f"trace {path}: the file is empty{NOTHING}")
    programs: list[list[Part]] = [[]]
    said = Introduction()
    for number, text in enumerate(raw.removesuffix(b"\n").split(b"\n"), 1):
        try:
            said = _take(programs, number, msgspec.json.decode(text)) or said
        except (*UNREADABLE, OpError, _Malformed) as exc:
            shown = text[:200].decode("utf-8", "replace")
            hint = did_you_mean(exc.word, exc.known) if isinstance(exc, OpError) else ""
            raise _wrong(path, number, f"{shown!r}: {exc}{'.' if hint else ''}{hint}") from None
    programs = [program for program in programs if program]
    if not programs:
        raise CallError(f"trace {path}: there is no operation in it{NOTHING}")
    if not any(part.answers for program in programs for part in program):
        raise CallError(
            f"trace {path}: nothing was observed in it, so there is nothing to judge. After an "
            'operation write lines as {"ask": "owner", "mm": 2, "answer": 3}.'
        )
    return programs, said


class _Malformed(Exception):
    pass


def _take(programs: list[list[Part]], number: int, data: Any) -> Introduction | None:
    if not isinstance(data, dict) or len({"op", "ask"} & set(data)) != 1:
        raise _Malformed('a line is an object with either "op" or "ask"')
    if data.get("op") == "start":
        return _started(number, data)
    if data.get("op") == "reset":
        _only(data, {"op"})
        programs.append([])
    elif "op" in data:
        programs[-1].append(Part(number, op_from_dict(data)))
    else:
        _observe(programs[-1], number, data)
    return None


def _started(number: int, data: dict[str, Any]) -> Introduction:
    if number != 1:
        raise _Malformed('"start" is the first line, or there is none')
    return msgspec.convert(data, Introduction)


def _observe(program: list[Part], number: int, data: dict[str, Any]) -> None:
    ask = data["ask"]
    if ask not in ASKS:
        raise _Malformed(f"unknown question; known are {', '.join(ASKS)}.{_close(ask)}")
    subject = _SUBJECTS.get(ask)
    _only(data, {"ask", "answer"} | ({subject} if subject else set()))
    name = data[subject] if subject else None
    if subject and (not isinstance(name, int) or isinstance(name, bool)):
        raise _Malformed(f"{subject} is the integer that names it")
    if not program:
        raise _Malformed("an answer before the first operation of its program")
    question = Question(ask, name)
    part = program[-1]
    if question in part.answers:
        raise _Malformed(
            f"{question} was answered in line {part.lines[question]} already, with no operation "
            "in between"
        )
    part.answers[question] = data["answer"]
    part.lines[question] = number


def _close(word: Any) -> str:
    return did_you_mean(word, [*ASKS, *OPS]) if isinstance(word, str) else ""


def _only(data: dict[str, Any], fields: set[str]) -> None:
    if set(data) != fields:
        wrong = sorted(set(data) ^ fields)
        raise _Malformed(
            f"its fields are {', '.join(sorted(fields))}; missing or unknown: {', '.join(wrong)}"
        )
