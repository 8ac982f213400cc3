"""Writes a test and a counterexample for every requirement that failed (``--mmowner-emit-tests``).

The tests run where the candidates are, under xdist in workers; what a failure rests on travels
in the report of its test, and the files are written where the reports arrive, at the end.
"""

from __future__ import annotations

import os
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from ._explain import observed_and_allowed
from ._requirements import requirements
from ._verdicts import FAIL, outcomes_in
from .errors import CallError, ConformanceFailure

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from ._counterexample import Counterexample
    from .plugin import State

#: The attribute of a test's report that carries its counterexamples; xdist keeps it.
CARRIED: Final = "mmowner_counterexamples"
#: Candidates that are the same in every directory.
PLACELESS: Final = ("reference", "mutant", "linux:uml", "linux:host")
#: Columns of the text in an emitted test.
COLUMNS: Final = 92


class Emitter:
    """The part of the plugin behind ``--mmowner-emit-tests=DIR``."""

    def __init__(self, config: pytest.Config, state: State) -> None:
        """Make the directory.  Raises ``CallError``, before anything is collected."""
        self._shown = str(
            config.getoption("mmowner_emit_tests") or config.getini("mmowner_emit_tests")
        )
        self._home = config.invocation_params.dir
        self._directory = self._home / self._shown
        self._state = state
        self._summary = not getattr(config.option, "no_summary", False)
        state.minimizes_all = True
        #: The best counterexample by candidate and requirement; None: it failed without one.
        self._found: dict[tuple[str, str], Counterexample | None] = {}
        self._lines: list[str] = []
        self._problem = ""
        self._reports = not hasattr(config, "workerinput") and not config.option.collectonly
        if self._reports:
            try:
                self._directory.mkdir(parents=True, exist_ok=True)
            except OSError as exc:
                raise CallError(
                    f"--mmowner-emit-tests={self._shown}: the directory cannot be made: "
                    f"{exc.strerror or exc}. Name one in a directory that is there and yours."
                ) from None

    # -- where the tests run ---------------------------------------------------------

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Let the report bring what a failure rests on."""
        report = yield
        failed = call.excinfo.value if call.excinfo else None
        if isinstance(failed, ConformanceFailure):
            from ._counterexample import encode, from_evidence  # noqa: PLC0415  only failures need it
            from .plugin import rules_of, spec_of  # noqa: PLC0415  the plugin imports us

            # A search finds several things at once, each with a failure of its own.
            broken: Mapping[str, ConformanceFailure] = getattr(failed, "broken", {})
            rests = {
                rule: broken.get(rule, failed).evidence for rule in rules_of(item) or broken
            }  # fmt: skip
            made = [
                from_evidence(
                    rest, requirement=rule, candidate=spec_of(item), seed=self._state.seed
                )
                for rule, rest in rests.items() if rest is not None
            ]  # fmt: skip
            setattr(report, CARRIED, [encode(one) for one in made])
        return report

    # -- where the results arrive ----------------------------------------------------

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the best counterexample of each requirement."""
        if not self._reports or report.when == "teardown":
            return
        for outcome in outcomes_in(report.user_properties):
            if outcome.verdict == FAIL:
                self._found.setdefault((outcome.candidate, outcome.requirement), None)
        for text in getattr(report, CARRIED, ()):
            from ._counterexample import decode  # noqa: PLC0415  only failures need it

            made = decode(text)
            key = made.candidate, made.requirement
            best = self._found.get(key)
            if best is None or _worth(made) < _worth(best):
                self._found[key] = made

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the files.  Tests that were asked for and are not there are no success."""
        if not self._reports:
            return
        try:
            self._write([made for made in self._found.values() if made is not None])
        except OSError as exc:
            self._problem = (
                f"mmowner: the tests in {self._shown} are not complete: {exc}. What this run "
                "says of the candidates stands; mend that and run again."
            )
            if session.exitstatus == pytest.ExitCode.OK:
                session.exitstatus = pytest.ExitCode.INTERNAL_ERROR

    def _write(self, found: list[Counterexample]) -> None:
        from ._counterexample import encode  # noqa: PLC0415  only failures need it

        for made in found:
            _put(self._directory / f"{made.name}.json", encode(made))
            if can_be_a_test(made):
                text = source_of(made, _place(made.candidate, self._home, self._directory))
                _put(self._directory / f"{made.name}.py", text)
        self._lines = self._said(found)

    def _said(self, found: list[Counterexample]) -> list[str]:
        tests = sum(map(can_be_a_test, found))
        count = f"{len(found)} counterexample{'s' if len(found) != 1 else ''}"
        lines = [f"mmowner: {count} in {self._shown}, {tests} of them as tests"]
        lines += [
            f"mmowner: no test of {made.requirement} for {made.candidate}: {_why_not(made)}"
            for made in found if not can_be_a_test(made)
        ]  # fmt: skip
        lines += [
            f"mmowner: no counterexample of {rule} for {spec}: it is not about a legal program"
            for (spec, rule), made in self._found.items() if made is None
        ]  # fmt: skip
        return lines

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say what was written, and why something was not."""
        if self._problem:
            terminalreporter.write_line(self._problem, red=True)
        elif self._summary:
            for line in self._lines:
                terminalreporter.write_line(line)


def _worth(made: Counterexample) -> tuple[bool, bool, bool, int, str]:
    """Return what to sort by, the best first; the same whatever arrives first."""
    text = "\n".join(map(str, made.ops()))
    indirect = made.rule != made.requirement
    return (indirect, not made.repeatable, not made.minimal, len(made.program), text + made.note)


def can_be_a_test(made: Counterexample) -> bool:
    """Whether a test with this counterexample would fail when it is run."""
    return made.repeatable and not made.candidate.startswith("trace:")


def _why_not(made: Counterexample) -> str:
    if made.repeatable:
        return "a recorded run cannot be run again"
    return "the candidate is not deterministic, so it might pass"


def _put(path: Path, text: str) -> None:
    """Write *text* unless it is there: who watches the directory sees only what is new."""
    raw = text.encode("utf-8")
    if not path.is_file() or path.read_bytes() != raw:
        path.write_bytes(raw)


def _place(spec: str, home: Path, directory: Path) -> str:
    """Return as Python the directory in which *spec* means what it meant; nothing if any will do.

    It is relative to the test if the test lies in it, so that both can be moved.
    """
    if spec.partition(":")[0] in PLACELESS or spec in PLACELESS:
        return ""
    home, directory = home.resolve(), directory.resolve()
    if not directory.is_relative_to(home):
        return f"Path({literal(str(home))})"
    up = Path(os.path.relpath(home, directory)).as_posix()
    here = "Path(__file__).resolve().parent"
    return here if up == "." else f"{here} / {literal(up)}"


def literal(text: str) -> str:
    """Return *text* as a Python string, in the quotes that formatters like."""
    shown = repr(text)
    return f'"{shown[1:-1]}"' if shown[0] == "'" and '"' not in shown else shown


def source_of(made: Counterexample, place: str) -> str:
    """Return a pytest module that fails as long as the candidate fails.

    *place* is the directory for the SPEC, an expression; empty if any will do.
    """
    imports = ["from pathlib import Path", ""] if place else []
    names = "pytestconfig, monkeypatch" if place else "pytestconfig"
    body = [
        '    given = pytestconfig.getoption("mmowner_candidate", None)',
        *(["    if not given:", "        monkeypatch.chdir(PLACE)"] if place else []),
        "    for spec in given or [SPEC]:",
        "        assert_conforms(",
        "            spec, PROGRAM, dialect=DIALECT, requirement=REQUIREMENT, minimize=False",
        "        )",
    ]
    return "\n".join([
        f'"""{_docstring(made)}', '"""', "", *imports, "from pytest_mmowner import assert_conforms",
        "", f"SPEC = {literal(made.candidate)}",
        *([f"PLACE = {place}  # where SPEC is meant"] if place else []),
        f"DIALECT = {literal(made.dialect)}", f"REQUIREMENT = {literal(made.rule)}",
        'PROGRAM = """', *map(str, made.ops()), '"""', "", "",
        f"def test_{made.function}({names}):", *body, "",
    ])  # fmt: skip


def _docstring(made: Counterexample) -> str:
    known = requirements().get(made.requirement)
    title = f"{made.requirement} [{known.level}] {known.text}" if known else made.requirement
    found = made.deviation()
    story = [f"{made.candidate} fails, judged by dialect {made.dialect}:"]
    if made.note:
        story.append(f"({made.note})")
    how = (
        "Written by --mmowner-emit-tests. --mmowner-candidate=SPEC puts another candidate to the "
        f"test; without pytest: mmowner replay {made.name}.json --candidate SPEC"
    )
    parts = ([title], story, observed_and_allowed(found), [how])
    text = "\n\n".join("\n".join(_wrapped(part)) for part in parts)
    return text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')


def _wrapped(lines: list[str]) -> list[str]:
    out: list[str] = []
    for line in lines:
        indent = line[: len(line) - len(line.lstrip())]
        out += textwrap.wrap(
            line, COLUMNS, subsequent_indent=indent and f"{indent}  ", break_long_words=False,
            break_on_hyphens=False,
        )  # fmt: skip
    return out
