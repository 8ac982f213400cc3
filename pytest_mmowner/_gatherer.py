"""Gathers the verdicts of a run where its reports arrive, and ends it accordingly.

Loaded into every pytest run, as the plugin is: what is imported here is cheap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .plugin import State


class Gatherer:
    """Gathers the verdicts in the process that reports: under xdist, the controller."""

    def __init__(self, config: pytest.Config, state: State) -> None:
        self.config = config
        self.state = state
        #: Parts of searches that somebody else skipped: they are unknown.
        self.skipped: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the verdicts out of a test's report."""
        if report.when == "teardown" or not any(
            name.startswith("mmowner") for name, _ in report.user_properties
        ):
            return
        from ._tried import SKIPPED, reports_in  # noqa: PLC0415  every pytest run loads this module
        from ._verdicts import Verdicts, outcomes_in  # noqa: PLC0415  every pytest run loads this module

        self.skipped += [str(value) for name, value in report.user_properties if name == SKIPPED]
        for tried in reports_in(report.user_properties):
            verdicts = Verdicts(tried.candidate, tried.dialect)
            verdicts = self.state.verdicts.setdefault(tried.candidate, verdicts)
            verdicts.searched.append(tried)
        for outcome in outcomes_in(report.user_properties):
            spec = outcome.candidate
            verdicts = self.state.verdicts.setdefault(spec, Verdicts(spec, outcome.dialect))
            verdicts.take(outcome)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take over what a worker of xdist has counted."""
        from ._fit import add_up  # noqa: PLC0415  every pytest run loads this module
        from ._told import take  # noqa: PLC0415  the same

        output = getattr(node, "workeroutput", {})
        if told := output.get("mmowner_told"):
            take(self.state.told, told)
        for spec, part in output.get("mmowner_misfits", {}).items():
            self.state.misfits[spec] = add_up([self.state.misfits.get(spec, {}), part])

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Nothing applicable is not success; unknown and skipped are never green."""
        if self.skipped and exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        if not self.state.verdicts:
            return
        from ._baseline import excused  # noqa: PLC0415  every pytest run loads this module

        for verdicts in self.state.verdicts.values():
            if exitstatus != pytest.ExitCode.OK:
                return
            if not verdicts.answered:
                session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED
            elif not all(
                excused(self.state.baseline, verdicts, rule) for rule in verdicts.outcomes
            ):
                session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Write the verdicts, unless the user wants no summary."""
        for test in self.skipped:
            terminalreporter.write_line(
                f"unknown: a part of a search was skipped: {test}", red=True
            )
        if self.state.verdicts and not getattr(self.config.option, "no_summary", False):
            from ._summary import write_summary  # noqa: PLC0415  every pytest run loads this module
            from ._tried import notes_of  # noqa: PLC0415  every pytest run loads this module

            notes = {
                spec: [
                    *(state.told[spec].lines(spec) if spec in state.told else ()),
                    *notes_of(state.verdicts[spec].searched),
                ]
                for state in [self.state] for spec in state.verdicts
            }  # fmt: skip
            write_summary(
                terminalreporter, list(self.state.verdicts.values()),
                self.config.option.verbose, notes, self.state.misfits,
            )  # fmt: skip
