"""Gates: levels that must pass whole, and frozen sets of which nothing may vanish."""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pytest

from mmowner_reference import DIALECTS

from ._candidates.base import LACKING
from ._requirements import LEVELS, requirements
from ._verdicts import BAD, NOT_APPLICABLE, PASS, Verdicts
from .errors import CallError, did_you_mean

if TYPE_CHECKING:
    from .plugin import State


@dataclass(frozen=True, slots=True)
class FrozenSet:
    """The requirements that a dialect consists of at a suite version; it never changes."""

    name: str
    dialect: str
    requirements: tuple[str, ...]

    @property
    def digest(self) -> str:
        """A hash over the dialect and the ids, for records."""
        words = (self.dialect, *self.requirements)
        return hashlib.sha256("\n".join(words).encode()).hexdigest()[:16]

    @property
    def version(self) -> int:
        """The number behind the ``@``."""
        return int(self.name.partition("@")[2])


def frozen_sets() -> dict[str, FrozenSet]:
    """Return all frozen sets of the suite by name, as ``6.11@1``."""
    text = files("mmowner_conformance").joinpath("sets.toml").read_text("utf-8")
    return {
        name: FrozenSet(name, name.partition("@")[0], tuple(ids))
        for name, ids in tomllib.loads(text).items()
    }


def newest_set(dialect: str) -> FrozenSet | None:
    """Return the newest frozen set of *dialect*, or None if it has none yet."""
    versions = [frozen for frozen in frozen_sets().values() if frozen.dialect == dialect]
    return max(versions, key=lambda frozen: frozen.version, default=None)


def set_of(dialect: str) -> tuple[str, ...]:
    """Return the requirements that *dialect* consists of now: those that hold or are hazards."""
    return tuple(
        rule.id for rule in requirements().values()
        if rule.judged and (dialect in rule.dialects or dialect in rule.hazards)
    )  # fmt: skip


class LevelGate:
    """``--mmowner-require``: every requirement of these levels that the dialect has must pass."""

    def __init__(self, config: pytest.Config, state: State) -> None:
        """Read the option.  Raises ``CallError`` for a level that does not exist."""
        text = config.getoption("mmowner_require") or config.getini("mmowner_require")
        self.levels = [word.strip() for word in text.split(",")]
        for level in self.levels:
            if level not in LEVELS:
                raise CallError(f"unknown level {level!r}.{did_you_mean(level, LEVELS)}")
        self.state = state
        self.worker = hasattr(config, "workerinput")

    def missing(self, verdicts: Verdicts) -> dict[str, str]:
        """Return the requirements that did not pass, with what they ended in."""
        out: dict[str, str] = {}
        for rule in requirements().values():
            if rule.judged and rule.level in self.levels and verdicts.dialect in rule.dialects:
                judged = rule.id in verdicts.outcomes
                verdict = verdicts.of(rule.id) if judged else "not judged in this run"
                if verdict == PASS and not verdicts.whole(rule.id):
                    verdict = "judged in part"
                if verdict != PASS:
                    out[rule.id] = verdict
        return out

    def nothing(self, verdicts: Verdicts) -> list[str]:
        """Return the levels in which this suite judges nothing: they cannot be required."""
        judged = {rule.level for rule in requirements().values()
                  if rule.judged and verdicts.dialect in rule.dialects}  # fmt: skip
        return [level for level in self.levels if level not in judged]

    def unjudged(self, verdicts: Verdicts) -> list[str]:
        """Return the requirements of these levels that nobody is judged by."""
        return [
            rule.id for rule in requirements().values()
            if not rule.judged and rule.level in self.levels and verdicts.dialect in rule.dialects
        ]  # fmt: skip

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """A level that did not pass whole is red."""
        red = any(
            self.missing(verdicts) or self.nothing(verdicts)
            for verdicts in self.state.verdicts.values()
        )
        if red and not self.worker and exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """List by name what did not pass."""
        levels = ", ".join(self.levels)
        for verdicts in self.state.verdicts.values():
            missing = self.missing(verdicts)
            terminalreporter.write_sep("-", f"mmowner: required of {verdicts.candidate}: {levels}")
            if nothing := self.nothing(verdicts):
                terminalreporter.write_line(
                    f"nothing was judged of the levels {', '.join(nothing)}: this suite has no "
                    f"requirement of the dialect {verdicts.dialect} there that it can test. "
                    "That is no pass; leave the level out",
                    red=True,
                )
            elif not missing:
                terminalreporter.write_line("every requirement of these levels passed", green=True)
            if unjudged := self.unjudged(verdicts):
                terminalreporter.write_line(
                    f"not required, because this suite cannot test them: {', '.join(unjudged)}"
                )
            for verdict in dict.fromkeys(missing.values()):
                rules = ", ".join(rule for rule, said in missing.items() if said == verdict)
                terminalreporter.write_line(f"did not pass, {verdict}: {rules}", red=True)


class SetGate:
    """``--mmowner-set``: judge by a frozen set, and miss nothing of it."""

    def __init__(self, config: pytest.Config, state: State) -> None:
        """Read the option.  Raises ``CallError`` for a set that is not there."""
        name = config.getoption("mmowner_set") or config.getini("mmowner_set")
        known = frozen_sets()
        if name not in known:
            raise CallError(
                f"unknown set {name!r}; known are {', '.join(known)}.{did_you_mean(name, known)}"
            )
        self.set = known[name]
        if state.dialect not in (None, self.set.dialect):
            raise CallError(
                f"the set {name} is of the dialect {self.set.dialect}, and --mmowner-dialect is "
                f"{state.dialect}; leave one of them out"
            )
        state.dialect = self.set.dialect
        state.frozen_set = self.set
        #: How many of its requirements shall be applicable, if the user says.
        self.expected = _expected(config)
        if self.expected is not None and self.expected > len(self.set.requirements):
            raise CallError(
                f"--mmowner-applicable={self.expected}: the set {name} has only "
                f"{len(self.set.requirements)} requirements"
            )
        self.state = state
        self.worker = hasattr(config, "workerinput")

    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """Leave out the tests of requirements that are not in the set."""
        ids = set(self.set.requirements)
        dropped = [
            item for item in items
            if (rules := [mark.args[0] for mark in item.iter_markers("requirement")])
            and not ids.intersection(rules)
        ]  # fmt: skip
        items[:] = [item for item in items if item not in set(dropped)]
        config.hook.pytest_deselected(items=dropped)

    def vanished(self, verdicts: Verdicts) -> list[str]:
        """Return the requirements of the set that the run did not judge, or not in full."""
        return [
            rule for rule in self.set.requirements
            if rule not in verdicts.outcomes
            or (verdicts.of(rule) not in BAD and not verdicts.whole(rule))
        ]  # fmt: skip

    def unapplied(self, verdicts: Verdicts) -> list[str]:
        """Return the requirements of the set that were not applicable."""
        return [
            rule for rule in self.set.requirements
            if rule in verdicts.outcomes and verdicts.of(rule) == NOT_APPLICABLE
        ]  # fmt: skip

    def problems(self, verdicts: Verdicts) -> list[str]:
        """Return what is wrong with a run as a judgement by the set, in sentences."""
        out = []
        if missing := self.vanished(verdicts):
            out.append(f"not judged: {', '.join(missing)}")
        unapplied = self.unapplied(verdicts)
        apply = len(self.set.requirements) - len(unapplied) - len(missing)
        if self.expected is None:
            unexplained = [rule for rule in unapplied if LACKING not in verdicts.text(rule)]
            if unexplained:
                out.append(
                    f"not applicable, and for no lack that the candidate declared: "
                    f"{', '.join(unexplained)}. If that is as it should be, write "
                    f"--mmowner-applicable={apply}"
                )
        elif apply < self.expected:
            out.append(
                f"{self.expected - apply} of {self.expected} applicable requirements have "
                f"vanished; not applicable are: {', '.join(unapplied) or 'none'}"
            )
        elif apply > self.expected:
            out.append(
                f"more is applicable than --mmowner-applicable={self.expected} says: write "
                f"--mmowner-applicable={apply}, so that none of it can vanish again"
            )
        return out

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """A set of which something is missing is red."""
        red = any(self.problems(verdicts) for verdicts in self.state.verdicts.values())
        if red and not self.worker and exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say how much of the set was judged, and name what was not."""
        for verdicts in self.state.verdicts.values():
            missing = self.vanished(verdicts)
            unapplied = self.unapplied(verdicts)
            total = len(self.set.requirements)
            apply = total - len(missing) - len(unapplied)
            terminalreporter.write_sep("-", f"mmowner: set {self.set.name} ({self.set.digest})")
            terminalreporter.write_line(
                f"{verdicts.candidate}: {total - len(missing)} of {total} requirements judged, "
                f"{apply} of them applicable"
            )
            for problem in self.problems(verdicts):
                terminalreporter.write_line(problem, red=True)
            if unapplied and self.expected is None:
                terminalreporter.write_line(
                    f"not applicable: {', '.join(unapplied)}. With --mmowner-applicable={apply} "
                    f"the run fails when another one vanishes"
                )


def _expected(config: pytest.Config) -> int | None:
    text = config.getoption("mmowner_applicable") or config.getini("mmowner_applicable")
    if not text:
        return None
    if not text.isdecimal():
        raise CallError(f"--mmowner-applicable={text}: write how many requirements apply, as 49")
    return int(text)


def current_sets() -> dict[str, tuple[str, ...]]:
    """Return what each dialect consists of now, by dialect."""
    return {dialect: set_of(dialect) for dialect in DIALECTS}
