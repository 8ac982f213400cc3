"""The pytest plugin: options, the candidates of a run, and verdicts from tests.

It is loaded into every pytest run of every user who has it installed, so it imports
nothing heavy: hypothesis, msgspec and the candidates come when they are used.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from dataclasses import asdict, dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import pytest

from ._census import Census
from .errors import CallError, MMOwnerError, NotApplicable

if TYPE_CHECKING:
    from mmowner_reference import Bounds

    from ._baseline import Baseline
    from ._gates import FrozenSet
    from ._session import Session
    from ._verdicts import Verdicts

#: Options: name, ini type, default, metavar, help.  Each is --mmowner-NAME and mmowner_NAME.
OPTIONS: Final = (
    ("candidate", "linelist", None, "SPEC", (
        "what is tested, repeatable: reference[:DIALECT], python:pkg.mod:factory, "
        "rules:pkg.mod:Rules, cmd:COMMAND, mutant:NAME, linux:uml[=PATH], linux:host, trace:FILE, "
        "or a name that an installed package offers (default: reference)"
    )),
    ("dialect", "string", None, "NAME",
     ("the kernel era to judge by, or a release of it as 5.15.0 (default: what the candidate "
     "claims, else 6.11)")),
    ("level", "string", None, "LEVELS",
     "only requirements of these levels, with commas: safety, order, accounting, concurrency"),
    ("baseline", "string", None, "FILE",
     "known failures (TOML): listed ones are expected, stale and changed ones fail the run"),
    ("set", "string", None, "DIALECT@N",
     "judge by a frozen set of requirements, as 6.11@1, of which nothing may be missing"),
    ("applicable", "string", None, "N",
     "fail unless this many requirements of the set are applicable to the candidate"),
    ("require", "string", None, "LEVELS",
     "every requirement of these levels must pass; whatever else it ended in fails the run"),
    ("report", "string", None, "FILE.jsonl",
     "write a record of the run, line by line, that others can check (docs/record.md)"),
    ("ci", "string", None, "SYSTEM",
     "write a step summary and annotations: github (default inside GitHub Actions), or off"),
    ("badges", "string", None, "DIR", "write a badge for each level: JSON for shields.io"),
    ("cov", "bool", False, "", (
        "show which lines and branches of a python: or rules: candidate the suite reaches, and by "
        "which requirements (-v, -vv: more)"
    )),
    ("cov-fail-under", "string", None, "N",
     "fail the run if less than N percent of the candidate is covered; implies --mmowner-cov"),
    ("scope", "string", None, "N,M,R,K", (
        "try every transition with up to N tasks (init included), M mms, R references to each and "
        "K kernel threads, beside the random programs; 4,3,0,0 takes seconds, 5,3,0,0 a minute"
    )),
    ("seed", "string", "0", "N", "seed of the random programs (default: 0)"),
    ("timeout", "string", "10", "SECONDS",
     "how long a candidate in another process may take for one answer (default: 10)"),
)  # fmt: skip


#: Options that bring a part of the plugin with them: a class that is made with config and
#: state, and registered as a plugin of its own in every process of the run.
FEATURES: Final[dict[str, str]] = {
    "report": "pytest_mmowner._record:Recorder",
    "baseline": "pytest_mmowner._enforce:BaselineCheck",
    "set": "pytest_mmowner._gates:SetGate",
    "require": "pytest_mmowner._gates:LevelGate",
    "cov": "pytest_mmowner._cov:CandidateCoverage",
    "cov-fail-under": "pytest_mmowner._cov:CoverageGate",
    "ci": "pytest_mmowner._ci:GithubReporter",
    "badges": "pytest_mmowner._ci:Badges",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options and their ini twins."""
    group = parser.getgroup("mmowner", "mm owner conformance")
    for name, ini_type, default, metavar, text in OPTIONS:
        repeatable = ini_type == "linelist"
        if ini_type == "bool":
            group.addoption(f"--mmowner-{name}", action="store_true", default=None, help=text)
        else:
            group.addoption(
                f"--mmowner-{name}", action="append" if repeatable else "store", default=None,
                metavar=metavar, help=text,
            )  # fmt: skip
        ini_default: Any = [] if repeatable else (default or "")
        twin = f"mmowner_{name.replace('-', '_')}"
        parser.addini(twin, f"ini twin of --mmowner-{name}", ini_type, ini_default)  # type: ignore[arg-type]  # OPTIONS is a table of texts


@dataclass
class State:
    """What a run knows: the options, the open candidates, the verdicts."""

    specs: list[str]
    explicit: bool
    dialect: str | None
    levels: frozenset[str]
    seed: int
    timeout: float
    #: By what a release is judged, in words, when the user named one.
    release: str = ""
    #: The scope of which every transition is tried, when the user named one.
    scope: Bounds | None = None
    sessions: dict[str, Session] = field(default_factory=dict)
    #: The known failures, when a file of them was named.
    baseline: Baseline | None = None
    #: The frozen set to judge by, when one was named.
    frozen_set: FrozenSet | None = None
    verdicts: dict[str, Verdicts] = field(default_factory=dict)
    #: How many programs speak against each dialect, by candidate; only where something failed.
    misfits: dict[str, dict[str, int]] = field(default_factory=dict)
    #: How many tests the suite has, by candidate and requirement; nothing if that is unknown.
    of_tests: dict[tuple[str, str], int] = field(default_factory=dict)

    def session(self, spec: str) -> Session:
        """Return the judgement of *spec*, opened at first use.  Raises ``CallError``."""
        from ._session import Session  # noqa: PLC0415  only runs that judge pay for it
        from ._spec import Options, open_candidate  # noqa: PLC0415  every pytest run loads this module

        if spec not in self.sessions:
            candidate, dialect = open_candidate(spec, Options(self.dialect, self.timeout))
            known: frozenset[str] = frozenset()
            if self.baseline is not None:
                known = self.baseline.known(dialect, candidate.info)
            self.sessions[spec] = Session(candidate, dialect, self.seed, known, self.scope)
        return self.sessions[spec]

    def listed(self, rule: str, spec: str) -> str:
        """Return the number of the baseline entry about *rule* of that candidate, or nothing."""
        session = self.sessions.get(spec)
        if self.baseline is None or session is None:
            return ""
        number = self.baseline.find(rule, session.dialect, session.candidate.info)
        return "" if number is None else str(number)

    def close(self) -> None:
        """Close all candidates."""
        for session in self.sessions.values():
            session.candidate.close()
        self.sessions.clear()


STATE: Final = pytest.StashKey[State]()


def _option(config: pytest.Config, name: str) -> Any:
    key = f"mmowner_{name.replace('-', '_')}"
    value = config.getoption(key)
    return config.getini(key) if value is None else value


def pytest_configure(config: pytest.Config) -> None:
    """Read the options; a wrong one ends the run before anything is collected."""
    config.addinivalue_line(
        "markers", "requirement(id): the test decides about this requirement of mm->owner"
    )
    specs = list(_option(config, "candidate"))
    try:
        state = State(
            specs=list(dict.fromkeys(specs)) or ["reference"],
            explicit=bool(specs),
            dialect=_option(config, "dialect") or None,
            levels=_levels(_option(config, "level")),
            seed=_number("seed", _option(config, "seed"), int),
            timeout=_number("timeout", _option(config, "timeout"), float),
        )
        state.scope = _scope(_option(config, "scope"))
        _needs_a_set(_option(config, "applicable"), _option(config, "set"))
        if state.explicit or state.dialect is not None:
            from ._spec import check_kind, dialect_of, judged_by  # noqa: PLC0415  every pytest run loads this module

            if state.dialect is not None:
                state.release = judged_by(state.dialect)
                state.dialect = dialect_of(state.dialect)
            for spec in state.specs:
                check_kind(spec)
    except CallError as exc:
        raise pytest.UsageError(str(exc)) from None
    config.stash[STATE] = state
    config.pluginmanager.register(Census(state), "mmowner-census")
    if not _is_worker(config):
        config.pluginmanager.register(Gatherer(config), "mmowner-gatherer")
    for option, home in FEATURES.items():
        on_github = option == "ci" and os.environ.get("GITHUB_ACTIONS") == "true"
        if _option(config, option) or on_github:
            module, _, name = home.partition(":")
            feature = getattr(import_module(module), name)
            try:
                config.pluginmanager.register(feature(config, state), f"mmowner-{option}")
            except CallError as exc:
                raise pytest.UsageError(str(exc)) from None


def _scope(text: str) -> Bounds | None:
    if not text:
        return None
    from mmowner_reference import Bounds  # noqa: PLC0415  only who names one pays for it

    numbers = text.split(",")
    if len(numbers) != 4 or not all(number.strip().isdecimal() for number in numbers):
        raise CallError(
            f"--mmowner-scope={text}: write four numbers, tasks, mms, references and kernel "
            "threads, as 4,3,0,0"
        )
    tasks, mms, refs, kthreads = map(int, numbers)
    if not (tasks and mms):
        raise CallError(f"--mmowner-scope={text}: init and its mm are always there")
    return Bounds(tasks, mms, refs, kthreads)


def _needs_a_set(number: str, name: str) -> None:
    if number and not name:
        raise CallError(
            f"--mmowner-applicable={number} is about a set: name one with --mmowner-set"
        )


def _levels(text: str) -> frozenset[str]:
    if not text:
        return frozenset()
    from ._requirements import LEVELS  # noqa: PLC0415  every pytest run loads this module
    from .errors import did_you_mean  # noqa: PLC0415  every pytest run loads this module

    levels = [word.strip() for word in text.split(",")]
    for level in levels:
        if level not in LEVELS:
            raise CallError(
                f"unknown level {level!r}; known are {', '.join(LEVELS)}."
                f"{did_you_mean(level, LEVELS)}"
            )
    return frozenset(levels)


def _number(name: str, text: str, kind: type[Any]) -> Any:
    try:
        value = kind(text)
    except ValueError:
        raise CallError(f"--mmowner-{name}={text}: not a number") from None
    if name == "timeout" and not value > 0:
        raise CallError(f"--mmowner-{name}={text}: must be more than 0")
    return value


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say what is tested, when the user named it."""
    state = config.stash[STATE]
    lines = [f"mmowner: {state.release}"] if state.release else []
    if state.explicit:
        dialect = state.dialect or "as each candidate says"
        lines.append(f"mmowner: {', '.join(state.specs)}; dialect {dialect}; seed {state.seed}")
    return lines


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run every test of the suite once for each candidate."""
    if "mmowner_session" in metafunc.fixturenames:
        specs = metafunc.config.stash[STATE].specs
        metafunc.parametrize("mmowner_session", specs, ids=specs, indirect=True, scope="session")


@pytest.fixture(scope="session")
def mmowner_session(request: pytest.FixtureRequest) -> Session:
    """The candidate under judgement (one for each ``--mmowner-candidate``)."""
    spec = getattr(request, "param", None) or request.config.stash[STATE].specs[0]
    return request.config.stash[STATE].session(spec)


def rules_of(item: pytest.Item) -> list[str]:
    """Return the ids of the requirements that a test decides about."""
    return [mark.args[0] for mark in item.iter_markers("requirement")]


def spec_of(item: pytest.Item) -> str:
    """Return the SPEC of the candidate that a test is about."""
    specs = item.config.stash[STATE].specs
    if hasattr(item, "callspec"):
        return str(item.callspec.params.get("mmowner_session", specs[0]))
    return specs[0]


def test_name(item: pytest.Item, spec: str) -> str:
    """Return the name of a test without its candidate: the same for every candidate."""
    return item.name.replace(f"[{spec}-", "[").replace(f"[{spec}]", "")


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Check the ids, keep the levels asked for, and open the candidates if they are needed."""
    state = config.stash[STATE]
    judged = [item for item in items if item.get_closest_marker("requirement")]
    if not judged:
        return
    from ._requirements import requirement  # noqa: PLC0415  every pytest run loads this module

    try:
        levels = {item: {requirement(rule).level for rule in rules_of(item)} for item in judged}
        if state.levels:
            dropped = [item for item in judged if not levels[item] & state.levels]
            items[:] = [item for item in items if item not in set(dropped)]
            config.hook.pytest_deselected(items=dropped)
        if not config.option.collectonly:
            for spec in state.specs:
                state.session(spec)
    except MMOwnerError as exc:
        state.close()
        raise pytest.UsageError(str(exc)) from None


def pytest_sessionstart(session: pytest.Session) -> None:
    """Under xdist only workers collect, so the candidates are tried here: exit 4, not a crash."""
    config = session.config
    if _is_worker(config) or not getattr(config.option, "dist", "no") or not _distributed(config):
        return
    state = config.stash[STATE]
    try:
        if state.explicit:
            for spec in state.specs:
                state.session(spec)
    except MMOwnerError as exc:
        raise pytest.UsageError(str(exc)) from None
    finally:
        state.close()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where the candidates are: if one failed, see which dialect its answers fit."""
    state = session.config.stash[STATE]
    found = {spec: misfits for spec, judged in state.sessions.items()
             if (misfits := judged.misfits())}  # fmt: skip
    if _is_worker(session.config):
        output: dict[str, Any] = session.config.workeroutput  # type: ignore[attr-defined]  # xdist's own
        output["mmowner_misfits"] = found
    else:
        state.misfits.update(found)


def _distributed(config: pytest.Config) -> bool:
    return bool(getattr(config.option, "tx", None)) or bool(
        getattr(config.option, "numprocesses", None)
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """A verdict that is no failure ends a test of the suite without one."""
    if not item.get_closest_marker("requirement"):
        return (yield)
    from ._session import Shown  # noqa: PLC0415  every pytest run loads this module

    try:
        return (yield)
    except NotApplicable as exc:
        item.stash[VERDICT] = exc
        pytest.skip(f"not applicable: {exc}")
    except Shown as exc:
        item.stash[VERDICT] = exc
        return None


#: The exception that decided, when pytest does not see it.
VERDICT: Final = pytest.StashKey[BaseException]()
#: How often the test was run, when the baseline says that it is flaky.
TRIED: Final = pytest.StashKey[int]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Put requirement, verdict and candidate into the report, where xdist and JUnit keep them."""
    report = yield
    rules = rules_of(item)
    if not rules or (call.when != "call" and not report.failed):
        return report
    from ._verdicts import NOT_APPLICABLE, PASS, Outcome, verdict_of  # noqa: PLC0415  every pytest run loads this module

    exc = item.stash.get(VERDICT, None) or (call.excinfo.value if call.excinfo else None)
    verdict = verdict_of(exc)
    if report.skipped and verdict != NOT_APPLICABLE:
        verdict = "unknown"  # skipped by somebody else: never a pass
    if isinstance(exc, MMOwnerError) and report.failed:
        report.longrepr = str(exc)
    state = item.config.stash[STATE]
    spec = spec_of(item)
    session = state.sessions.get(spec)
    for rule in rules:
        outcome = Outcome(
            requirement=rule, verdict=verdict, candidate=spec,
            dialect=session.dialect if session else "?", test=test_name(item, spec),
            text="" if verdict == PASS else str(exc),
            observed=getattr(exc, "observed", ""), program=getattr(exc, "program", ""),
            seconds=round(call.duration, 6),
            listed=state.listed(rule, spec), of_tests=state.of_tests.get((spec, rule), 0),
            tries=item.stash.get(TRIED, 1),
        )  # fmt: skip
        item.user_properties += [
            (f"mmowner_{name}", str(value)) for name, value in asdict(outcome).items()
        ]  # fmt: skip
    # The report of the teardown gets them too: that is the one that JUnit files are made of.
    report.user_properties = list(item.user_properties)
    return report


class Gatherer:
    """Gathers the verdicts in the process that reports: under xdist, the controller."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.state = config.stash[STATE]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the verdicts out of a test's report."""
        if report.when == "teardown" or not any(
            name == "mmowner_requirement" for name, _ in report.user_properties
        ):
            return
        from ._verdicts import Verdicts, outcomes_in  # noqa: PLC0415  every pytest run loads this module

        for outcome in outcomes_in(report.user_properties):
            spec = outcome.candidate
            verdicts = self.state.verdicts.setdefault(spec, Verdicts(spec, outcome.dialect))
            verdicts.take(outcome)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take over what a worker of xdist has counted."""
        from ._fit import add_up  # noqa: PLC0415  every pytest run loads this module

        for spec, part in getattr(node, "workeroutput", {}).get("mmowner_misfits", {}).items():
            self.state.misfits[spec] = add_up([self.state.misfits.get(spec, {}), part])

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Nothing applicable is not success; unknown and skipped are never green."""
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
        if self.state.verdicts and not getattr(self.config.option, "no_summary", False):
            from ._summary import write_summary  # noqa: PLC0415  every pytest run loads this module

            notes = {
                spec: [*session.candidate.info.notes, *filter(None, [session.scope_note()])]
                for spec, session in self.state.sessions.items()
            }  # under xdist the candidates live in the workers, and their notes with them
            write_summary(
                terminalreporter, list(self.state.verdicts.values()),
                self.config.option.verbose, notes, self.state.misfits,
            )  # fmt: skip


def pytest_unconfigure(config: pytest.Config) -> None:
    """Close the candidates."""
    state = config.stash.get(STATE, None)
    if state is not None:
        state.close()
