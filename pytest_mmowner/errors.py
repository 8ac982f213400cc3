"""What can go wrong, by whose fault it is.

The life of a requirement: its program is planned (:class:`SuiteError` if it is no legal
program), the candidate is started and driven (:class:`CandidateError` when it breaks,
:class:`Untestable` when this machine lacks something), its answers are judged
(:class:`ConformanceFailure` when they are wrong).  :class:`NotApplicable` and
:class:`Unknown` are verdicts without an answer.  :class:`CallError` is the fault of the
call: a misspelt candidate, dialect or requirement.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._repeat import Evidence

__all__ = [
    "CallError", "CandidateError", "ConformanceFailure", "MMOwnerError", "MissingPrerequisite",
    "NotApplicable", "Panic", "Refused", "SuiteError", "Unknown", "Untestable", "did_you_mean",
]  # fmt: skip


class MMOwnerError(Exception):
    """Anything this package raises on purpose."""


class CallError(MMOwnerError, ValueError):
    """The call is wrong: an unknown name, a malformed option.  Correct the call."""


class SuiteError(MMOwnerError):
    """Our suite contradicts itself or our reference.  Please report it."""


class CandidateError(MMOwnerError):
    """The candidate or its adapter broke: it exited, hung, or did not answer properly.

    ``in_flight`` is the operation or question it was given, ``stderr`` the end of what it
    wrote there (empty for candidates in this process).
    """

    def __init__(self, text: str, *, in_flight: str = "", stderr: str = "") -> None:
        super().__init__(text)
        self.text = text
        self.in_flight = in_flight
        self.stderr = stderr

    def __str__(self) -> str:
        lines = [f"the candidate broke: {self.text}"]
        if self.in_flight:
            lines.append(f"in flight: {self.in_flight}")
        if self.stderr:
            lines.append("its standard error ended with:")
            lines += [f"  | {line}" for line in self.stderr.rstrip().splitlines()[-20:]]
        return "\n".join(lines)


class Panic(CandidateError):
    """Owner rules hit a BUG_ON or broke a lock: a kernel with them would not go on.

    The rules gave an answer, a wrong one: this is a failure, not an error of an adapter.
    """


class Refused(MMOwnerError):
    """The candidate refused an operation.  Adapters raise it; for a legal one it is a failure."""


class Untestable(MMOwnerError):
    """The candidate declared something that cannot be tested on this machine."""


class MissingPrerequisite(Untestable):
    """Something must be installed or allowed first: ``what`` is missing, ``hint`` says how."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(f"{what}: {hint}")
        self.what = what
        self.hint = hint


class NotApplicable(MMOwnerError):
    """The requirement does not concern this candidate (capability) or this dialect."""


class Unknown(MMOwnerError):
    """The budget ran out before there was an answer.  Never a pass."""


class ConformanceFailure(MMOwnerError, AssertionError):
    """The candidate is wrong; the text is the whole explanation.

    ``observed`` says in a line what was seen, before anything was minimized, so that it is
    the same in every run; ``program`` is the minimal program, one operation a line;
    ``evidence`` is what it takes to run it again, None where that is no legal program.
    """

    def __init__(
        self, text: str, *, observed: str = "", program: str = "", evidence: Evidence | None = None
    ) -> None:
        super().__init__(text)
        self.observed = observed
        self.program = program
        self.evidence = evidence


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `` Did you mean 'x'?`` for a close match of *word*, else the empty string."""
    close = get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f" Did you mean {close[0]!r}?" if close else ""
