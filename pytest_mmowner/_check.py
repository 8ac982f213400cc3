"""``check()``: the whole suite on one candidate, from Python, without pytest's runner."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from mmowner_reference import DEFAULT

from ._candidates.base import Candidate
from ._fit import hint
from ._requirements import LEVELS, requirements
from ._scopes import SCOPE_PARTS, parse_scopes
from ._searching import Found, Plan
from ._session import Session, Shown, tools
from ._spec import Options, choose_dialect, open_candidate
from ._summary import in_words
from ._tried import notes_of
from ._verdicts import NOT_APPLICABLE, PASS, Outcome, Verdicts, verdict_of
from .errors import (
    CallError,
    CandidateError,
    MMOwnerError,
    NotApplicable,
    SuiteError,
    did_you_mean,
)  # fmt: skip


class Result(Verdicts):
    """The verdicts of a run of :func:`check`; ``str()`` of it is a report."""

    #: Which dialect the answers fit, in a sentence; nothing if none fits better.
    hint: str = ""
    #: Why a search did not come to its end: an error of the candidate.
    unfinished: str = ""

    @property
    def ok(self) -> bool:
        """Whether nothing is bad, something was decided, and the searches came to their end."""
        return super().ok and not self.unfinished

    @property
    def notes(self) -> list[str]:
        """What was searched, and how far, in words."""
        return notes_of(self.searched)

    def __str__(self) -> str:
        lines = [
            f"{self.candidate}, dialect {self.dialect}: {in_words(self.counts(self.tests))}"
        ]  # fmt: skip
        lines += [
            f"\n{self.of(rule)}: {self.text(rule)}"
            for rule in requirements()
            if rule in self.tests and self.of(rule) not in (PASS, NOT_APPLICABLE)
        ]
        lines += [f"\nnote: {note}" for note in self.notes]
        if self.unfinished:
            lines.append(f"\na search did not come to its end: {self.unfinished}")
        if self.hint:
            lines.append(f"\n{self.candidate}: {self.hint}")
        return "\n".join(lines)


def check(
    candidate: str | Candidate | Callable[..., Any],
    *,
    dialect: str | None = None,
    level: str | None = None,
    seed: int = 0,
    suite: str = "mmowner_conformance",
    minimize: bool = True,
    scopes: Sequence[str] = (),
) -> Result:
    """Judge *candidate* by the whole suite and return the verdicts.

    *candidate* is a SPEC string, an open candidate, or a factory of trackers (a class or
    function without arguments).  *level* restricts the requirements to one level.  Without
    *minimize* the verdicts are the same and come sooner: failing programs stay as long as they
    were found, and no other dialect is looked for that would fit.  *scopes* are scopes of which
    every transition is tried, as ``"5,3,0,0"``.  Nothing is raised for a wrong candidate: look at
    ``result.ok``.  Raises ``CallError`` for a wrong call and ``SuiteError`` when the suite
    contradicts itself.
    """
    if level is not None and level not in LEVELS:
        raise CallError(f"unknown level {level!r}.{did_you_mean(level, LEVELS)}")
    named = parse_scopes(scopes) or ()
    try:
        opened, spoken = _open(candidate, Options(dialect=dialect))
    except CandidateError as exc:
        return _never_there(candidate, dialect, suite, exc)
    known = frozenset[str]() if minimize else frozenset(requirements())
    only = None
    if level is not None:
        only = frozenset(rule.id for rule in requirements().values() if rule.level == level)
    session = Session(opened, spoken, seed, known, Plan(named, only=only))
    result = Result(opened.info.spec, spoken)
    try:
        for rules, test, arguments in suite_tests(suite):
            wanted = [rule for rule in rules if level in (None, requirements()[rule].level)]
            if wanted:
                ended = _call(test, {**tools(session, rules), **arguments})
                for rule in wanted:
                    result.take(_outcome(result, rule, test.__name__, ended))
        if named:
            _search(session, result)
        if minimize:
            result.hint = hint(session.misfits(), spoken)
    finally:
        if opened is not candidate:
            opened.close()
    return result


def _search(session: Session, result: Result) -> None:
    """Take the candidate through its scopes."""
    for part in range(SCOPE_PARTS):
        ended = _call(session.searches.transitions, {"part": part})
        result.searched += session.searches.reports
        if isinstance(ended, NotApplicable):
            result.unfinished = str(ended)
            return
        if isinstance(ended, Found):
            for rule, said in ended.broken.items():
                result.take(_outcome(result, rule, "test_every_transition", said))
            ended = ended.also
        if ended is not None:
            result.unfinished = str(ended)
            return


def _outcome(result: Result, rule: str, test: str, ended: BaseException | None) -> Outcome:
    return Outcome(
        rule, verdict_of(ended), result.candidate, result.dialect, test,
        "" if ended is None else str(ended), getattr(ended, "observed", ""),
        getattr(ended, "program", ""),
    )  # fmt: skip


def _never_there(candidate: Any, dialect: str | None, suite: str, exc: CandidateError) -> Result:
    result = Result(str(candidate), dialect or DEFAULT)
    for rules, _, _ in suite_tests(suite):
        for rule in rules:
            result.add(rule, verdict_of(exc), str(exc))
    return result


def _open(candidate: Any, options: Options) -> tuple[Candidate, str]:
    if isinstance(candidate, str):
        return open_candidate(candidate, options)
    if isinstance(candidate, Candidate):
        return candidate, choose_dialect(candidate, options)
    from ._candidates.tracker import Tracker, require_callable  # noqa: PLC0415  each kind costs only who uses it

    name = getattr(candidate, "__name__", repr(candidate))
    made = Tracker(name, require_callable(name, candidate), options.dialect or DEFAULT)
    return made, choose_dialect(made, options)


def _call(test: Callable[..., None], available: dict[str, Any]) -> BaseException | None:
    wanted = inspect.signature(test).parameters
    try:
        test(**{name: available[name] for name in wanted})
    except SuiteError:
        raise
    except (MMOwnerError, Shown) as exc:
        return exc
    return None


def suite_tests(
    suite: str,
) -> Iterator[tuple[list[str], Callable[..., None], dict[str, Any]]]:
    """Yield the tests of a suite: requirement ids, function, and parametrized arguments."""
    package = importlib.import_module(suite)
    for module_info in pkgutil.iter_modules(package.__path__):
        if not module_info.name.startswith("test_"):
            continue
        module = importlib.import_module(f"{suite}.{module_info.name}")
        for name, test in vars(module).items():
            if name.startswith("test_") and callable(test):
                yield from _cases(test)


def _cases(test: Any) -> Iterator[tuple[list[str], Callable[..., None], dict[str, Any]]]:
    marks = getattr(test, "pytestmark", [])
    if any(mark.name == "mmowner_search" for mark in marks):
        return  # about no requirement; `check` asks for searches by itself
    rules = [mark.args[0] for mark in marks if mark.name == "requirement"]
    tables = [mark for mark in marks if mark.name == "parametrize"]
    if not tables:
        yield rules, test, {}
        return
    names = [name.strip() for name in tables[0].args[0].split(",")]
    for row in tables[0].args[1]:
        own = [mark.args[0] for mark in row.marks if mark.name == "requirement"]
        yield own + rules, test, dict(zip(names, row.values, strict=True))
