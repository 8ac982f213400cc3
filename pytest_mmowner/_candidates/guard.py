"""Candidates that live in this process: their exceptions and endless loops become errors."""

from __future__ import annotations

import signal
import threading
import traceback
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

from mmowner_reference import Op, PlannedStep, Question

from ..errors import CandidateError, MMOwnerError
from .base import Candidate

#: Seconds that one program may take in a candidate in this process.
PATIENCE = 10.0


#: The same once it has exceeded that.
AFTER_A_HANG = 2.0


class _TooLong(BaseException):
    """Raised inside the candidate by the alarm; a BaseException so that it is not swallowed."""


def _alarm(signum: int, frame: FrameType | None) -> None:
    raise _TooLong


class Local(Candidate):
    """A candidate in this process; subclasses do the work in ``_reset``, ``_perform``, ``_ask``."""

    #: What it was last given; said only when something goes wrong.
    in_flight: object = ""
    patience = PATIENCE

    @abstractmethod
    def _reset(self) -> None: ...

    @abstractmethod
    def _perform(self, op: Op) -> None: ...

    @abstractmethod
    def _ask(self, question: Question) -> Any: ...

    def reset(self) -> None:
        """Go to the initial world."""
        self.in_flight = "making the initial world"
        with self.guarded():
            self._reset()

    def perform(self, op: Op) -> None:
        """Perform one operation."""
        self.in_flight = op
        with self.guarded():
            self._perform(op)

    def ask(self, question: Question) -> Any:
        """Ask one question."""
        self.in_flight = question
        with self.guarded():
            return self._ask(question)

    def run(self, steps: Sequence[PlannedStep]) -> Iterator[Mapping[Question, Any]]:
        """Run a whole program under one guard: an alarm a call would cost more than the calls."""
        done: list[Mapping[Question, Any]] = []
        error: MMOwnerError | None = None
        try:
            with self.guarded():
                self.in_flight = "making the initial world"
                self._reset()
                for step in steps:
                    self.in_flight = step.op
                    self._perform(step.op)
                    answers = {}
                    for question in step.questions:
                        self.in_flight = question
                        answers[question] = self._ask(question)
                    done.append(answers)
        except MMOwnerError as exc:
            error = exc
        yield from done
        if error is not None:
            raise error

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Turn an exception of the candidate, or no return in time, into a ``CandidateError``.

        The time limit needs the main thread: the alarm is a signal.
        """
        try:
            with deadline(self.patience):
                yield
        except MMOwnerError:
            raise
        except _TooLong:
            text = f"it did not return within {self.patience:g} s"
            self.patience = min(self.patience, AFTER_A_HANG)
            raise CandidateError(text, in_flight=str(self.in_flight)) from None
        except RecursionError as exc:
            text = "it raised RecursionError: it calls itself without end"
            raise CandidateError(text, in_flight=str(self.in_flight)) from exc
        except (Exception, SystemExit) as exc:
            trace = "".join(traceback.format_exception(exc, limit=-3))
            text = f"it raised {type(exc).__name__}: {exc}"
            raise CandidateError(text, in_flight=str(self.in_flight), stderr=trace) from exc


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Interrupt the block after *seconds*, where signals can do that."""
    busy = signal.getitimer(signal.ITIMER_REAL)[0] > 0  # somebody else's alarm is set
    if busy or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGALRM, _alarm)
    # Again and again: a bare except in the candidate swallows the first one.
    signal.setitimer(signal.ITIMER_REAL, seconds, 0.05)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
