"""Records what a candidate was given and for which requirements, so that it can be run again.

Coverage is measured on a second run (``_cov_replay`` says why).  The recorder stands between
session and candidate; the programs that only make a failure smaller are left out.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

from mmowner_reference import Op, PlannedStep, Program, Question

from ._campaign import Campaign
from ._candidates.base import Candidate
from ._judge import Run
from ._searching import Searches
from ._session import Session
from .errors import CandidateError


@dataclass
class Call:
    """One thing that a candidate was told, and enough to see whether it answers so again."""

    #: ``run``, ``reset``, ``perform`` or ``ask``.
    what: str
    #: The steps, the operation or the question.
    given: Any = None
    #: How many answers were looked at, and a checksum of them.
    answers: int = 0
    digest: int = 0
    failed: bool = False

    def saw(self, answer: object) -> None:
        """Take one more answer into the checksum."""
        text = repr(answer)
        if " at 0x" in text:  # an object's address is another one in every process
            text = re.sub(r" at 0x[0-9a-fA-F]+", "", text)
        self.digest = zlib.crc32(text.encode("utf-8", "replace"), self.digest)
        self.answers += 1


@dataclass
class Record:
    """The calls that were made for some requirements."""

    rules: frozenset[str]
    #: Whether it is a random program: then *rules* are all that decided something in it.
    random: bool
    calls: list[Call] = field(default_factory=list)


@dataclass
class Log:
    """All records of one candidate in this process."""

    records: list[Record] = field(default_factory=list)
    #: Requirements that were judged by random programs here.
    held: set[str] = field(default_factory=set)
    _current: Record | None = None

    @contextmanager
    def record(self, rules: frozenset[str], *, random: bool = False) -> Iterator[Record]:
        """Record the calls in the block as one record."""
        before, self._current = self._current, Record(rules, random)
        self.records.append(self._current)
        try:
            yield self._current
        finally:
            self._current = before

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Record nothing in the block."""
        before, self._current = self._current, None
        try:
            yield
        finally:
            self._current = before

    @contextmanager
    def call(self, what: str, given: Any = None) -> Iterator[Call]:
        """Record one call, if anything is recorded."""
        call = Call(what, given)
        if self._current is not None:
            self._current.calls.append(call)
        try:
            yield call
        except Exception:
            call.failed = True
            raise

    def kept(self) -> list[Record]:
        """Return what is to be run again: random programs count for requirements judged by them."""
        return [
            Record(rules, record.random, record.calls)
            for record in self.records
            if record.calls
            and (rules := record.rules & self.held if record.random else record.rules)
        ]


class Recorder(Candidate):
    """A candidate whose calls are written down."""

    def __init__(self, inner: Candidate, log: Log) -> None:
        self.inner = inner
        self.info = inner.info
        self.log = log

    def reset(self) -> None:
        """Go to the initial world."""
        with self.log.call("reset"):
            self.inner.reset()

    def perform(self, op: Op) -> None:
        """Perform one operation."""
        with self.log.call("perform", op):
            self.inner.perform(op)

    def ask(self, question: Question) -> Any:
        """Return the raw answer to a question."""
        with self.log.call("ask", question) as call:
            answer = self.inner.ask(question)
            call.saw(answer)
        return answer

    def run(self, steps: Sequence[PlannedStep]) -> Iterator[Mapping[Question, Any]]:
        """Run a program; the recorded digest covers the answers that somebody looked at."""
        with self.log.call("run", steps) as call:
            for answers in self.inner.run(steps):
                call.saw(list(answers.values()))
                yield answers

    def after_malformed(self, exc: CandidateError) -> CandidateError:
        """Leave it to the candidate."""
        return self.inner.after_malformed(exc)

    def close(self) -> None:
        """Close the candidate."""
        self.inner.close()


@dataclass
class RecordedCampaign(Campaign):
    """Random programs, each recorded with the requirements that it decided about."""

    log: Log = field(default_factory=Log)
    _recording: bool = False

    def run(self) -> None:
        """Run all programs, once, and record them."""
        self._recording = True
        try:
            super().run()
        finally:
            self._recording = False

    def _judge(self, program: Sequence[Op]) -> Run:
        if not self._recording:
            with self.log.pause():
                return super()._judge(program)
        with self.log.record(frozenset(), random=True) as record:
            run = super()._judge(program)
            record.rules = frozenset(run.decided)
        return run


@dataclass
class RecordedSession(Session):
    """A session whose candidate is recorded."""

    log: Log = field(default_factory=Log)

    @cached_property
    def campaign(self) -> Campaign:
        """The random programs of this session."""
        return RecordedCampaign(**_values(super().campaign), log=self.log)

    @cached_property
    def searches(self) -> Searches:
        """The searches of this session, on the candidate itself."""
        recorder = self.candidate
        inner = recorder.inner if isinstance(recorder, Recorder) else recorder
        plain = Session(inner, self.dialect, self.seed, self.known, self.plan, self.runs)
        return plain.searches

    def judge(self, program: Program) -> Run:
        """Judge a program that makes a failure smaller: nothing of it is recorded."""
        with self.log.pause():
            return super().judge(program)

    def random_programs(self, rule_id: str) -> None:
        """Judge by random programs; they count for this requirement from now on."""
        self.log.held.add(rule_id)
        super().random_programs(rule_id)


def recorded(session: Session, log: Log) -> Session:
    """Return *session* with its candidate recorded in *log*.

    Searches are not recorded, since what they do a million times would be played again; they
    run where scopes were named.
    """
    plan = session.plan
    if plan.scopes is None:
        because = "with --mmowner-cov only scopes that are named are searched (--mmowner-scope)"
        plan = replace(plan, scopes=(), because=because)
    values = _values(session) | {"candidate": Recorder(session.candidate, log), "plan": plan}
    return RecordedSession(**values, log=log)


def _values(made: Any) -> dict[str, Any]:
    return {part.name: getattr(made, part.name) for part in fields(made)}


class Sessions(dict[str, Session]):
    """The open sessions of a run, of which each is passed through *wrap* when it is put in."""

    def __init__(self, wrap: Callable[[str, Session], Session]) -> None:
        super().__init__()
        self._wrap = wrap

    def __setitem__(self, spec: str, session: Session) -> None:
        """Put the wrapped session in."""
        super().__setitem__(spec, self._wrap(spec, session))
