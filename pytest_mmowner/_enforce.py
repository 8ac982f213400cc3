"""The baseline in a run: known failures are expected, flaky ones run again, the rest is red."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Final

import pytest

from ._baseline import CHANGED, FLAKY, KNOWN, Status, load, status_of, unlisted_observations
from ._verdicts import FAIL, outcomes_in
from .errors import ConformanceFailure

if TYPE_CHECKING:
    from .plugin import State

#: How often a flaky requirement is tried in all.
TRIES: Final = 3


class BaselineCheck:
    """Holds a run against the file of known failures (``--mmowner-baseline``)."""

    def __init__(self, config: pytest.Config, state: State) -> None:
        """Read the file.  Raises ``CallError``, before anything is collected."""
        path = config.getoption("mmowner_baseline") or config.getini("mmowner_baseline")
        self.baseline = state.baseline = load(path)
        self.state = state
        self.worker = hasattr(config, "workerinput")

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """A listed failure that looks as listed is an expected one."""
        report = yield
        if report.when == "call" and report.failed:
            reasons = [self._excuse(outcome) for outcome in outcomes_in(item.user_properties)]
            # A search can have met more than failures: an error, or the end of its time.
            more = call.excinfo is not None and getattr(call.excinfo.value, "also", None)
            if reasons and all(reasons) and not more:
                report.outcome = "skipped"
                # pytest's own mark of an expected failure; the type does not know it.
                report.wasxfail = "; ".join(reason for reason in reasons if reason)
        return report

    def _excuse(self, outcome: Any) -> str | None:
        if outcome.verdict != FAIL or not outcome.listed:
            return None
        entry = self.baseline.entries[int(outcome.listed)]
        seen = [f"{outcome.test}: {outcome.observed}"] if outcome.observed else []
        if entry.table != "known" or unlisted_observations(entry, seen):
            return None
        return f"known failure: {entry.because}"

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Run a flaky test again before its failure is believed."""
        try:
            return (yield)
        except ConformanceFailure:
            if not self._is_flaky(item):
                raise
            from .plugin import TRIED  # noqa: PLC0415  the plugin imports us

            for tried in range(2, TRIES + 1):
                item.stash[TRIED] = tried
                session = self._session(item)
                session.__dict__.pop("campaign", None)  # its result is kept otherwise
                try:
                    item.runtest()
                except ConformanceFailure:
                    if tried == TRIES:
                        raise
                else:
                    return None
        return None  # pragma: no cover  the loop returns or raises

    def _session(self, item: pytest.Item) -> Any:
        from .plugin import spec_of  # noqa: PLC0415  the plugin imports us

        return self.state.session(spec_of(item))

    def _is_flaky(self, item: pytest.Item) -> bool:
        from .plugin import rules_of  # noqa: PLC0415  the plugin imports us

        session = self._session(item)
        numbers = [
            self.baseline.find(rule, session.dialect, session.candidate.info)
            for rule in rules_of(item)
        ]
        return bool(numbers) and all(
            number is not None and self.baseline.entries[number].table == "flaky"
            for number in numbers
        )

    def statuses(self) -> list[Status]:
        """Return what the run says about each entry whose requirement it judged."""
        return [
            status_of(entry, verdicts)
            for verdicts in self.state.verdicts.values()
            for rule in verdicts.outcomes
            if (entry := self.baseline.entry_of(verdicts, rule)) is not None
        ]

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Stale and changed entries are red, whatever the tests said."""
        red = any(not status.green for status in self.statuses())
        if red and not self.worker and exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say of each entry what became of it, and how many are left to burn down."""
        found = self.statuses()
        terminalreporter.write_sep("-", f"mmowner: baseline {self.baseline.path}")
        for status in found:
            terminalreporter.write_line(status.text, **({} if status.green else {"red": True}))
        count = len(self.baseline.entries)
        kinds = {kind: sum(s.kind == kind for s in found) for kind in (KNOWN, CHANGED, FLAKY)}
        unjudged = count - len({status.text for status in found})
        terminalreporter.write_line(
            f"to burn down: {count} entries, of which {kinds[KNOWN]} failed as listed, "
            f"{kinds[FLAKY]} are flaky, {max(0, unjudged)} were not judged in this run"
        )
