"""``mmowner baseline update``: write the known failures of a run, keeping comments and order.

The suite runs with the file as its baseline, so that every outcome says which entry it was
held against.  All runs of an update (one for each candidate) are looked at together: an entry
goes only when nothing that it was held against needs it any more.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import pytest

from ._baseline import Entry, load, status_of
from ._baseline_text import HEADER, CannotEdit, edit, places
from ._requirements import requirements
from ._verdicts import FAIL, HAZARD, NOT_APPLICABLE, OBSERVED, PASS, Verdicts
from .errors import CallError

#: The reason of an entry that nobody has given one yet.
UNEXPLAINED: Final = "not explained yet: say why it fails, and where that is tracked"
#: Verdicts that need no entry.
_GOOD: Final = frozenset({PASS, HAZARD, OBSERVED, NOT_APPLICABLE})


@dataclass
class Changes:
    """What an update did, by requirement."""

    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    #: What is left to a person, in sentences.
    left: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        done = {"added": self.added, "changed": self.changed, "removed": self.removed}
        parts = [f"{name} {', '.join(rules)}" for name, rules in done.items() if rules]
        first = "; ".join(parts) or "nothing to change"
        return "\n".join([first, *(f"left: {sentence}" for sentence in self.left)])


def update_from_run(path: str, arguments: Sequence[str], reason: str | None = None) -> Changes:
    """Run the suite with *arguments* and bring the baseline at *path* up to date.

    Raises ``CallError`` when the file is malformed or the run did not come to its end.
    """
    file = Path(path)
    before = None
    if file.exists():
        load(path)
        before = file.read_bytes()
    elif not file.parent.is_dir():
        raise CallError(f"{path}: there is no directory {str(file.parent)!r} to write it to")
    words = _with_baseline(path, arguments, exists=before is not None)
    seen = _Collector()
    # We are imported already, so pytest cannot rewrite our assertions; it has no need to.
    quiet = ["-q", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
    status = pytest.main(["--pyargs", "mmowner_conformance", *quiet, *words], plugins=[seen])
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise CallError(f"the run ended with exit code {int(status)}; the baseline is unchanged")
    if before != (file.read_bytes() if file.exists() else None):
        raise CallError(f"{path}: somebody changed it while the suite ran; update it again")
    return update(path, seen.verdicts, reason)


def _with_baseline(path: str, arguments: Sequence[str], *, exists: bool) -> list[str]:
    """Return pytest's arguments with *path* as the baseline, whatever an ini file says.

    Raises ``CallError`` when they name another one: entries of two files cannot be told apart.
    """
    option = "--mmowner-baseline"
    cut = arguments.index("--") if "--" in arguments else len(arguments)
    words: list[str] = []
    given: list[str] = []
    ours = iter(arguments[:cut])
    for word in ours:
        if word == option:
            given.append(next(ours, ""))
        elif word.startswith(f"{option}="):
            given.append(word.partition("=")[2])
        else:
            words.append(word)
    for other in given:
        if os.path.realpath(other) != os.path.realpath(path):
            raise CallError(
                f"baseline update {path} holds the run against {path} itself, and the call names "
                f"the baseline {other!r} too; leave that out"
            )
    # An empty one turns off what the ini file names: a file that is not there cannot be read.
    return [*words, f"{option}={path if exists else ''}", *arguments[cut:]]


class _Collector:
    """Takes the verdicts out of a run."""

    def __init__(self) -> None:
        self.verdicts: list[Verdicts] = []

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Keep what the run knows at its end."""
        from .plugin import STATE  # noqa: PLC0415  the plugin is loaded by then

        self.verdicts = list(session.config.stash[STATE].verdicts.values())


def update(path: str, runs: Iterable[Verdicts], reason: str | None = None) -> Changes:
    """Bring the baseline at *path* up to date with *runs*.

    New failures are added; entries are removed that every run they were held against judged
    in full and does not need; listed observations are replaced by those of the runs.  All else
    stays as it is, and what only a person can decide is said in ``left``.

    Raises ``CallError`` when the file cannot be read, written, or edited without a loss.
    """
    file = Path(path)
    exists = file.exists()
    entries = load(path).entries if exists else ()
    plan = _Plan(entries, list(runs))
    old = file.read_bytes().decode("utf-8") if exists else HEADER
    because = reason if reason and reason.strip() else UNEXPLAINED
    added = [
        {"requirement": rule, "dialect": dialect, "reason": because, "observed": sorted(lines)}
        for (rule, dialect), lines in plan.added.items()
    ]  # fmt: skip
    try:
        new = edit(old, removed=plan.removed, observed=plan.observed, added=added)
        lines = places(new)
    except CannotEdit as exc:
        raise CallError(
            f"{path}: the update would lose something ({exc}), so the file is unchanged. "
            f"By hand: {plan.by_hand() or 'nothing'}"
        ) from None
    if not exists or new != old:
        entries = _write(path, new.encode("utf-8"))
    now = {_key(entry): line for entry, line in zip(entries, lines, strict=True)}
    plan.left.sort(key=lambda said: now[said[0]])
    return Changes(
        [rule for rule, _ in plan.added],
        [plan.entries[number].requirement for number in plan.observed],
        [plan.entries[number].requirement for number in plan.removed],
        [said.replace(_HERE, f"{path}:{now[key]}") for key, said in plan.left],
    )


def _write(path: str, content: bytes) -> tuple[Entry, ...]:
    """Replace the file, or what it links to, at once; return its entries.

    What is written is read as a baseline first.
    """
    target = Path(path).resolve()
    new = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with new.open("xb") as stream:
            stream.write(content)
        entries = load(str(new)).entries
        if target.exists():
            new.chmod(target.stat().st_mode & 0o7777)
        new.replace(target)
    except OSError as exc:
        raise CallError(f"{path}: the baseline cannot be written: {exc}") from None
    except CallError as exc:
        said = str(exc).replace(str(new), path)
        raise CallError(f"the update would be no baseline, so it is unchanged: {said}") from None
    finally:
        with contextlib.suppress(OSError):
            new.unlink(missing_ok=True)
    return entries


# -- what to do -----------------------------------------------------------------------------

_Key = tuple[Any, ...]
#: Stands for the place of an entry, which is known only when all is written.
_HERE: Final = "\0"


def _key(entry: Entry) -> _Key:
    """Return what tells an entry from all others of its file."""
    return (entry.requirement, entry.dialect, entry.candidate, entry.has, entry.lacks)


def _conditional(entry: Entry) -> bool:
    return entry.candidate != "*" or bool(entry.has or entry.lacks)


class _Plan:
    """What the runs of an update mean for the entries of a file."""

    def __init__(self, entries: Sequence[Entry], runs: Sequence[Verdicts]) -> None:
        self.entries = entries
        self.runs = runs
        self.removed: list[int] = []
        self.observed: dict[int, list[str]] = {}
        #: What was seen, by requirement and dialect.
        self.added: dict[tuple[str, str], set[str]] = {}
        #: What is left to people, by entry.
        self.left: list[tuple[_Key, str]] = []
        for number, entry in enumerate(entries):
            held = [run for run in runs if self._entry_of(run, entry.requirement) == number]
            judged = [run for run in held if entry.requirement in run.outcomes]
            if judged and entry.table == "known" and not _conditional(entry):
                self._decide(number, entry, held, judged)
            else:
                self._leave(entry, judged)
        for run in runs:
            for rule in run.outcomes:
                if run.of(rule) == FAIL and self._entry_of(run, rule) is None:
                    self._list(run, rule)
        order = list(requirements())  # the same in every run, also with xdist
        self.added = dict(sorted(self.added.items(), key=lambda item: order.index(item[0][0])))
        for rule, dialect in self.added:
            unlisted = [
                run for run in runs
                if run.dialect == dialect and rule in run.outcomes
                and self._entry_of(run, rule) is None
            ]  # fmt: skip
            self._say_others(Entry("known", rule, "", _HERE, dialect), unlisted)

    def _entry_of(self, run: Verdicts, rule: str) -> int | None:
        """Return the number of the entry that a run of *rule* is held against."""
        listed = {outcome.listed for outcome in run.outcomes.get(rule, ())} - {""}
        for number in map(int, listed):
            if number < len(self.entries) and self.entries[number].requirement == rule:
                return number
        # Nobody said: an entry without conditions is about every candidate.
        plain = (
            number for number, entry in enumerate(self.entries)
            if entry.requirement == rule and entry.dialect in (None, run.dialect)
            and not _conditional(entry)
        )  # fmt: skip
        return next(plain, None)

    def _decide(
        self, number: int, entry: Entry, held: Sequence[Verdicts], judged: Sequence[Verdicts]
    ) -> None:
        """Decide about an entry without conditions."""
        rule = entry.requirement
        failing = [run for run in judged if run.of(rule) == FAIL]
        if failing:
            self._observe(number, entry, held, failing)
        self._say_others(entry, judged)
        if not all(run.of(rule) in _GOOD for run in judged):
            return
        if not _whole(held, rule):
            self._say(entry, f"{_at(entry)} was judged in part, so that it may still fail")
        elif entry.dialect is None:
            ends = {f"{_ENDS[run.of(rule)]} in {run.dialect}" for run in judged}
            said = ", ".join(sorted(ends))
            self._say(
                entry, f"{_at(entry)} holds in every dialect; {said}; remove or narrow it by hand"
            )
        else:
            self.removed.append(number)

    def _observe(
        self, number: int, entry: Entry, held: Sequence[Verdicts], failing: Sequence[Verdicts]
    ) -> None:
        """Bring the observations up to date, if the entry lists any."""
        rule = entry.requirement
        if not entry.observed:
            return
        seen = sorted({line for run in failing for line in run.observed(rule)})
        new = [line for line in seen if line not in entry.observed]
        gone = [line for line in entry.observed if line not in seen]
        # Another dialect may see what this one does not, and so may a test that was not run
        # or did not come to its end.
        if gone and (entry.dialect is None or not all(_settled(run, rule) for run in held)):
            if not _whole(held, rule):
                self._say(entry, f"{_at(entry)} was judged in part, so it keeps what it lists")
            seen, gone = [*entry.observed, *new], []
        if new or gone:
            self.observed[number] = seen

    def _list(self, run: Verdicts, rule: str) -> None:
        """Add a failure that no entry is about."""
        for entry in self.entries:
            if (
                entry.table == "flaky" and entry.requirement == rule
                and entry.dialect in (None, run.dialect)
            ):  # fmt: skip
                # Known failures come before flaky ones, also for whom the flaky one is meant.
                self._say(
                    entry,
                    f"{rule} fails for {run.candidate}, and an entry for every candidate would "
                    f"hide the flaky one ({_HERE}); list it by hand, with when = ...",
                )
                return
        self.added.setdefault((rule, run.dialect), set()).update(run.observed(rule))

    def _leave(self, entry: Entry, judged: Sequence[Verdicts]) -> None:
        """Say what is red about an entry that is left to people."""
        for run in judged:
            status = status_of(replace(entry, where=_HERE), run)
            if not status.green:
                self._say(
                    entry,
                    f"{status.text} (for {run.candidate}; entries with conditions and flaky ones "
                    "are mended by hand)",
                )

    def _say_others(self, entry: Entry, judged: Sequence[Verdicts]) -> None:
        """Say for which candidates an entry is red although it must stay."""
        rule = entry.requirement
        failing = [run.candidate for run in judged if run.of(rule) == FAIL]
        passing = [run.candidate for run in judged if run.of(rule) in _GOOD and run.whole(rule)]
        if failing and passing:
            self._say(
                entry,
                f"{_at(entry)} fails for {', '.join(failing)} and is stale for "
                f"{', '.join(passing)}; narrow it by hand, with when = ...",
            )
        for run in judged:
            if run.of(rule) not in {FAIL, *_GOOD}:
                self._say(entry, status_of(replace(entry, where=_HERE), run).text)

    def _say(self, entry: Entry, text: str) -> None:
        self.left.append((_key(entry), text))

    def by_hand(self) -> str:
        """Say what a person would have to do."""
        parts = [f"add {rule} in {dialect}" for rule, dialect in self.added]
        parts += [f"remove {self.entries[number].where}" for number in self.removed]
        parts += [
            f"list at {self.entries[number].where}: {'; '.join(lines)}"
            for number, lines in self.observed.items()
        ]
        return ". ".join(parts)


_ENDS: Final = {
    PASS: "passes", HAZARD: "is a hazard", OBSERVED: "is only observed",
    NOT_APPLICABLE: "is not applicable",
}  # fmt: skip


def _at(entry: Entry) -> str:
    return f"{entry.requirement} ({_HERE})"


def _whole(held: Iterable[Verdicts], rule: str) -> bool:
    """Whether every run judged *rule* in full."""
    return all(run.whole(rule) for run in held)


def _settled(run: Verdicts, rule: str) -> bool:
    """Whether every test of *rule* was run, and either fails or needs no entry."""
    said = run.outcomes.get(rule, [])
    return run.whole(rule) and all(outcome.verdict in {FAIL, *_GOOD} for outcome in said)
