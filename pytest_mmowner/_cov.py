"""``--mmowner-cov``: which lines of the candidate the suite reaches, by which requirements.

The hooks only: ``_cov_record`` writes down what each candidate was given, ``_cov_replay`` runs
it again under coverage.py in a process of its own, ``_cov_report`` adds up and tells.  Under
xdist each worker measures what it ran, and the controller adds up.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from importlib.util import find_spec
from typing import Any, Final

import pytest

from ._cov_record import Log, Sessions, recorded
from ._cov_replay import Job, ReplayFailed, replay
from ._cov_report import Measured, in_percent, write_coverage
from ._cov_target import Target, check_kind, target_of
from ._session import Session
from .errors import CallError
from .plugin import State, _option, rules_of, spec_of

#: Under this name a worker sends what it measured.
KEY: Final = "mmowner_cov"
#: After these nothing is run a second time: the user wants an end, or the run is broken.
_CUT_SHORT: Final = (
    pytest.ExitCode.INTERRUPTED,
    pytest.ExitCode.INTERNAL_ERROR,
    pytest.ExitCode.USAGE_ERROR,
)


class CandidateCoverage:
    """Measures the candidates of a run and reports in the terminal summary."""

    def __init__(self, config: pytest.Config, state: State) -> None:
        """Raises ``CallError`` when coverage.py is not there, or a candidate is not measured."""
        self.config = config
        self.state = state
        self.logs: dict[str, Log] = {}
        self.targets: dict[str, Target] = {}
        #: What was measured, by SPEC.  Under xdist only the controller has it.
        self.measured: dict[str, Measured] = {}
        self.worker = hasattr(config, "workerinput")
        if find_spec("coverage") is None:
            raise CallError(
                "--mmowner-cov needs coverage.py, which is not installed here. "
                "install coverage: pip install pytest-mmowner[cov]"
            )
        for spec in state.specs:
            check_kind(spec)
        state.sessions = Sessions(self._wrap)

    def _wrap(self, spec: str, session: Session) -> Session:
        self.targets[spec] = target_of(session.candidate)
        return recorded(session, self.logs.setdefault(spec, Log()))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Record what a test tells its candidate."""
        rules, log = rules_of(item), self.logs.get(spec_of(item))
        if not rules or log is None:
            return (yield)
        with log.record(frozenset(rules)):
            return (yield)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Run again what this process ran; a worker sends the result to the controller."""
        parts = [self._replay(spec) for spec in self.logs if exitstatus not in _CUT_SHORT]
        found = [part for part in parts if part]
        if self.worker:
            self.config.workeroutput[KEY] = json.dumps(found)  # type: ignore[attr-defined]  # xdist's
            return
        self._take(found)
        if any(measured.problems for measured in self.measured.values()) and not exitstatus:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _replay(self, spec: str) -> dict[str, Any]:
        records = self.logs[spec].kept()
        if not records:
            return {}
        target = self.targets[spec]
        job = Job(spec, self.state.dialect, self.state.timeout, target.files, target.folders)
        try:
            return replay(job, records)
        except ReplayFailed as exc:
            return {"spec": spec, "files": {}, "runs": 0, "differed": 0, "problem": str(exc)}

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        """Take what a worker of xdist measured."""
        sent = getattr(node, "workeroutput", {}).get(KEY)
        if sent is not None:
            self._take(json.loads(sent))
        elif error is not None:
            lost = f"a worker of xdist died ({error}), and what it measured with it: run it again"
            for spec in self.state.specs:
                self._of(spec).problems.append(lost)

    def _of(self, spec: str) -> Measured:
        return self.measured.setdefault(spec, Measured(spec))

    def _take(self, parts: list[dict[str, Any]]) -> None:
        for part in parts:
            measured = self._of(part["spec"])
            measured.add(part)
            if "problem" in part:
                measured.problems.append(part["problem"])

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Write a section for each candidate, in the order in which they were named."""
        for spec in self.state.specs:
            if spec in self.measured:
                verbosity, root = self.config.option.verbose, str(self.config.invocation_params.dir)
                write_coverage(terminalreporter, self.measured[spec], verbosity, root)


class CoverageGate:
    """``--mmowner-cov-fail-under=N``: fails a run in which a candidate is covered less."""

    def __init__(self, config: pytest.Config, state: State) -> None:
        """Bring ``--mmowner-cov`` along.  Raises ``CallError`` unless N is a percentage."""
        self.config = config
        self.state = state
        text = _option(config, "cov-fail-under")
        try:
            self.least = float(text)
        except ValueError:
            self.least = -1.0
        if not 0 <= self.least <= 100:
            raise CallError(
                f"--mmowner-cov-fail-under={text}: say a percentage, a number from 0 to 100"
            )
        found = config.pluginmanager.get_plugin("mmowner-cov")
        if found is None:
            found = CandidateCoverage(config, state)
            config.pluginmanager.register(found, "mmowner-cov")
        self.coverage: CandidateCoverage = found
        self.lines: list[str] = []

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Compare; what was not measured is not enough."""
        if self.coverage.worker or self.config.option.collectonly or exitstatus in _CUT_SHORT:
            return
        for spec in self.state.specs:
            measured = self.coverage.measured.get(spec, Measured(spec))
            if measured.percent is None or measured.percent < self.least:
                self.lines.append(
                    f"mmowner coverage of {spec}: {in_percent(measured.percent)}, which is less "
                    f"than --mmowner-cov-fail-under={self.least:g}"
                )
        if self.lines and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        if getattr(self.config.option, "no_summary", False):
            self._write(self.config.pluginmanager.get_plugin("terminalreporter"))

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say what is less, after the sections."""
        self._write(terminalreporter)

    def _write(self, terminal: Any) -> None:
        for line in self.lines:
            terminal.write_line(line, red=True)
