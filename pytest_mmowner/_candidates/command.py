"""``cmd:`` candidates: a program in any language that speaks the line protocol."""

from __future__ import annotations

import contextlib
import shlex
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmowner_reference import ASKS, OPS, Op, PlannedStep, Question

from .. import _protocol as protocol
from ..errors import CallError, CandidateError, Panic, Refused, Untestable, did_you_mean
from .base import EXTRAS, PARTS, Candidate, Info
from .process import Hang, LineProcess

#: Seconds to wait for an answer, and after the candidate has once exceeded them.
PATIENCE = 10.0
AFTER_A_HANG = 2.0
#: Seconds that a candidate may need to start.
START_PATIENCE = 30.0
#: Starts that fail in a row before no more are tried.
MAX_STARTS = 3


class Command(Candidate):
    """Drives one child process; starts it anew after it broke."""

    #: Told to the child at its start; ``linux`` overrides what the child is.
    speed = 0.2
    reset_cost = 1.0

    def __init__(
        self, spec: str, argv: Sequence[str], dialect: str, *, patience: float = PATIENCE
    ) -> None:
        self._argv = list(argv)
        self._dialect = dialect
        self._patience = patience
        # A shorter time than usual is meant for the start too.
        self._start_patience = max(START_PATIENCE, patience) if patience >= PATIENCE else patience
        self._seq = 0
        self._process: LineProcess | None = None
        self._failed_starts = 0
        self._last_start_error: CandidateError | None = None
        # What is known before the handshake: enough to report that it never came.
        self.info = Info(spec=spec, name=spec, speed=self.speed, reset_cost=self.reset_cost)
        try:
            self._start()
        except CandidateError as exc:
            self._start_failed(exc)

    # -- starting and ending -------------------------------------------------------

    @property
    def started(self) -> tuple[str, ...]:
        """The command line of its process."""
        return tuple(str(word) for word in self._argv)

    def _spawn(self) -> LineProcess:
        try:
            return LineProcess(self._argv)
        except OSError as exc:
            raise CandidateError(f"it cannot be started: {exc}", in_flight="start") from exc

    def _start(self) -> None:
        self._process = self._spawn()
        self._seq += 1
        request = protocol.Start(self._seq, protocol.PROTOCOL, _suite_version(), self._dialect)
        line = self._process.exchange(protocol.encode(request), self._start_patience, "start")
        refusal: protocol.Answer = self._decode(protocol.decode_answer, line, "start")
        if refusal.untestable is not None:
            self._end()
            raise Untestable(refusal.untestable)
        if refusal.error is not None:
            raise self._broke(f"it said: {refusal.error}", "start")
        answer, details = self._decode(protocol.decode_start, line, "start")
        if answer.seq != self._seq or answer.protocol != protocol.PROTOCOL:
            raise self._broke(
                f"it answered seq {answer.seq}, protocol {answer.protocol}; this is seq "
                f"{self._seq}, protocol {protocol.PROTOCOL}", "start",
            )  # fmt: skip
        self.info = self._introduction(answer, details)
        self._failed_starts = 0

    def _introduction(self, answer: protocol.StartAnswer, details: dict[str, Any]) -> Info:
        known = {*OPS, *ASKS, *EXTRAS}
        said = set(answer.capabilities)
        notes = [answer.notes] if isinstance(answer.notes, str) else list(answer.notes)
        for words, meant in ((said, known), (set(answer.without), set(PARTS))):
            notes += [
                f"it declares {word!r}, a word that the protocol does not have."
                f"{did_you_mean(word, meant)}"
                for word in sorted(words - meant)
            ]
        if not {"clone", "owner"} <= said:
            raise self._broke("its capabilities lack clone or owner, without which there is "
                              "nothing to judge", "start")  # fmt: skip
        return Info(
            spec=self.info.spec, name=answer.name, version=answer.version,
            language=answer.language, dialect=answer.dialect,
            capabilities=frozenset(said & known), without=frozenset(answer.without),
            notes=tuple(note for note in notes if note), details=details, speed=self.speed,
            reset_cost=self.reset_cost,
        )  # fmt: skip

    def _start_failed(self, exc: CandidateError) -> None:
        self._failed_starts += 1
        self._last_start_error = exc
        self._end()

    @property
    def start_error(self) -> CandidateError | None:
        """Why the last start failed, or None when the candidate is there."""
        return self._last_start_error if self._process is None else None

    def _ensure_started(self) -> LineProcess:
        if self._process is None:
            if self._failed_starts >= MAX_STARTS and self._last_start_error is not None:
                raise self._last_start_error.with_traceback(None)
            try:
                self._start()
            except CandidateError as exc:
                self._start_failed(exc)
                raise
        assert self._process is not None
        return self._process

    def _end(self, grace: float = 0.0) -> None:
        if self._process is not None:
            self._process.end(grace)
            self._process = None

    def close(self) -> None:
        """Say ``stop``, wait a moment, then end the process and its session."""
        if self._process is not None:
            with contextlib.suppress(CandidateError, Refused, Untestable):  # it is ended anyway
                self._exchange({"op": "stop"}, "stop")
            self._end(grace=2.0)

    # -- talking -------------------------------------------------------------------

    def _broke(self, text: str, in_flight: str) -> CandidateError:
        stderr = "" if self._process is None else self._process.stderr_tail()
        return CandidateError(text, in_flight=in_flight, stderr=stderr)

    def _decode(self, decode: Any, line: bytes, in_flight: str) -> Any:
        try:
            return decode(line)
        except protocol.UNREADABLE as exc:
            shown = line[:200].decode("utf-8", "replace")
            text = f"it answered {shown!r}, which is no answer: {exc}"
            raise self._broke(text, in_flight) from None

    def _exchange(self, message: dict[str, Any], in_flight: str) -> protocol.Answer:
        process = self._ensure_started()
        self._seq += 1
        message = {"seq": self._seq, **message}
        try:
            line = process.exchange(protocol.encode(message), self._patience, in_flight)
            answer: protocol.Answer = self._decode(protocol.decode_answer, line, in_flight)
            if answer.seq != self._seq:
                raise self._broke(
                    f"it answered seq {answer.seq} to seq {self._seq}: an answer too many or "
                    "too few", in_flight,
                )  # fmt: skip
            if answer.error is not None and answer.answers is None:
                raise self._error_said(answer.error, in_flight)
        except CandidateError as exc:
            if isinstance(exc, Hang):
                self._patience = min(self._patience, AFTER_A_HANG)
            if not isinstance(exc, Panic):
                self._end()
            raise
        return answer

    def _error_said(self, text: str, in_flight: str) -> CandidateError:
        """What an ``error`` in an answer means: the adapter broke."""
        return self._broke(f"it said: {text}", in_flight)

    def _settled(self, answer: protocol.Answer) -> protocol.Answer:
        if answer.refused is not None:
            raise Refused(answer.refused)
        if answer.untestable is not None:
            raise Untestable(answer.untestable)
        return answer

    def _done(self, answer: protocol.Answer, in_flight: str) -> None:
        if self._settled(answer).ok is not True:
            text = 'it answered neither "ok": true nor a refusal'
            raise self.after_malformed(self._broke(text, in_flight))

    def after_malformed(self, exc: CandidateError) -> CandidateError:
        """Add what it wrote to standard error, and end it: the next use starts it anew."""
        stderr = "" if self._process is None else self._process.stderr_tail()
        self._end()
        return CandidateError(exc.text, in_flight=exc.in_flight, stderr=exc.stderr or stderr)

    # -- the interface -------------------------------------------------------------

    def reset(self) -> None:
        """Send ``reset``."""
        self._done(self._exchange({"op": "reset"}, "reset"), "reset")

    def perform(self, op: Op) -> None:
        """Send one operation."""
        self._done(self._exchange(op.to_dict(), str(op)), str(op))

    def ask(self, question: Question) -> Any:
        """Send one question."""
        said = self._exchange(protocol.question(question), str(question))
        if said.refused is not None:
            text = f"it refused a question ({said.refused}); only operations can be refused"
            raise self.after_malformed(self._broke(text, str(question)))
        answer = self._settled(said).answer
        if answer is protocol.UNSET:
            raise self.after_malformed(self._broke('there is no "answer" in it', str(question)))
        return answer

    def run(self, steps: Sequence[PlannedStep]) -> Iterator[Mapping[Question, Any]]:
        """Run a program: in one line where the candidate can, else op by op."""
        if "program" not in self.info.capabilities:
            yield from super().run(steps)
            return
        message = {
            "op": "program",
            "ops": [step.op.to_dict() for step in steps],
            "asks": [[protocol.question(q) for q in step.questions] for step in steps],
        }
        answer = self._exchange(message, f"a program of {len(steps)} operations")
        lists = answer.answers or []
        for step, values in zip(steps, lists, strict=False):
            if len(values) != len(step.questions):
                text = f"it gave {len(values)} answers to {len(step.questions)} questions"
                raise self.after_malformed(self._broke(text, str(step.op)))
            yield dict(zip(step.questions, values, strict=True))
        if answer.error is not None:
            broke = self._error_said(answer.error, str(steps[min(len(lists), len(steps) - 1)].op))
            raise broke if isinstance(broke, Panic) else self.after_malformed(broke)
        self._settled(answer)
        if len(lists) != len(steps):
            text = f"it answered {len(lists)} of {len(steps)} operations and did not say why"
            op = steps[min(len(lists), len(steps) - 1)].op
            raise self.after_malformed(self._broke(text, str(op)))


def command_line(spec: str, text: str) -> list[str]:
    """Split the text of a ``cmd:`` spec.  Raises ``CallError`` when it names no program."""
    try:
        argv = shlex.split(text)
    except ValueError as exc:
        raise CallError(f"{spec}: {exc}") from None
    if not argv:
        raise CallError(f"{spec}: name a program, as in cmd:./adapter --flag")
    if shutil.which(argv[0]) is None:
        there = Path(argv[0]).exists()
        why = "is not executable (chmod +x?)" if there else "is not there"
        raise CallError(f"{spec}: the program {argv[0]!r} {why}")
    return argv


def _suite_version() -> str:
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415  slow to import

    try:
        return version("pytest-mmowner")
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "0"
