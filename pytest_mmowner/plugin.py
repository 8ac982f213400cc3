"""The pytest plugin: options, the candidates of a run, and verdicts from tests.

It is loaded into every pytest run of every user who has it installed, so it imports
nothing heavy: hypothesis, msgspec and the candidates come when they are used.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping
from dataclasses import asdict, dataclass, field, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import pytest

from ._census import Census
from .errors import CallError, MissingPrerequisite, MMOwnerError, NotApplicable

if TYPE_CHECKING:
    from ._baseline import Baseline
    from ._gates import FrozenSet
    from ._searching import Plan
    from ._session import Session
    from ._told import Told
    from ._verdicts import Verdicts

#: Options: name, ini type, default, metavar, help.  Each is --mmowner-NAME and mmowner_NAME.
OPTIONS: Final = (
    ("candidate", "linelist", None, "SPEC", (
        "what is tested, repeatable: reference[:DIALECT], python:pkg.mod:factory, "
        "rules:pkg.mod:Rules, cmd:COMMAND, mutant:NAME, kernel:TREE, kernel:FILE.patch[@TREE], "
        "kernel:REPO@REV, lib:LIBRARY.so, linux:uml[=PATH], linux:host, trace:FILE, "
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
    ("emit-tests", "string", None, "DIR", (
        "write a pytest test and a counterexample in JSON for every requirement that fails "
        "(docs/counterexamples.md)"
    )),
    ("ci", "string", None, "SYSTEM",
     "write a step summary and annotations: github (default inside GitHub Actions), or off"),
    ("badges", "string", None, "DIR", "write a badge for each level: JSON for shields.io"),
    ("cov", "bool", False, "", (
        "show which lines and branches of a python: or rules: candidate the suite reaches, and by "
        "which requirements (-v, -vv: more)"
    )),
    ("cov-fail-under", "string", None, "N",
     "fail the run if less than N percent of the candidate is covered; implies --mmowner-cov"),
    ("scope", "linelist", None, "N,M,R,K", (
        "try every transition with up to N tasks (init included), M mms and R references to each, "
        "and with K kernel threads, repeatable, or none (default: what the candidate's speed and "
        "its dialect afford; in this process, in today's dialect, 5,3,0,0 and 4,3,1,1)"
    )),
    ("shard", "string", None, "I/N", "try the I-th of N shares of the scopes, as on N machines"),
    ("budget", "string", None, "TIME", (
        "how long the searches for one candidate may take, as 60s or 5m; what was not tried then "
        "is unknown, which is no pass (default: as long as it takes)"
    )),
    ("seed", "string", "0", "N", "seed of random programs and of the order of cases (default: 0)"),
    ("timeout", "string", "10", "SECONDS",
     "how long a candidate in another process may take for one answer (default: 10)"),
)  # fmt: skip


#: Options that bring a part of the plugin with them: a class that is made with config and
#: state, and registered as a plugin of its own in every process of the run.
FEATURES: Final[dict[str, str]] = {
    "report": "pytest_mmowner._record:Recorder",
    "emit-tests": "pytest_mmowner._emit:Emitter",
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
    #: What is searched beside the random programs.
    plan: Plan | None = None
    #: Whether nothing is: said without loading what searches.
    no_search: bool = False
    sessions: dict[str, Session] = field(default_factory=dict)
    #: The known failures, when a file of them was named.
    baseline: Baseline | None = None
    #: Whether known failures are minimized too: somebody keeps the programs.
    minimizes_all: bool = False
    #: The frozen set to judge by, when one was named.
    frozen_set: FrozenSet | None = None
    verdicts: dict[str, Verdicts] = field(default_factory=dict)
    #: How many programs speak against each dialect, by candidate; only where something failed.
    misfits: dict[str, dict[str, int]] = field(default_factory=dict)
    #: What the candidates say of themselves, wherever they are.
    told: dict[str, Told] = field(default_factory=dict)
    #: How many tests the suite has, by candidate and requirement; nothing if that is unknown.
    of_tests: dict[tuple[str, str], int] = field(default_factory=dict)

    def session(self, spec: str) -> Session:
        """Return the judgement of *spec*, opened at first use.  Raises ``CallError``."""
        from ._session import Session  # noqa: PLC0415  only runs that judge pay for it
        from ._spec import Options, open_candidate  # noqa: PLC0415  every pytest run loads this module

        if spec not in self.sessions:
            candidate, dialect = open_candidate(spec, Options(self.dialect, self.timeout))
            known: frozenset[str] = frozenset()
            if self.baseline is not None and not self.minimizes_all:
                known = self.baseline.known(dialect, candidate.info)
            self.sessions[spec] = Session(candidate, dialect, self.seed, known, self.searching())
        return self.sessions[spec]

    def searching(self) -> Plan:
        """Return what is to be searched: whatever counts in this run."""
        from ._requirements import requirements  # noqa: PLC0415  only runs that judge pay for it
        from ._searching import Plan  # noqa: PLC0415  the same

        plan = self.plan or Plan(() if self.no_search else None)
        if not self.levels and self.frozen_set is None:
            return plan
        known = requirements()
        ids = known.keys() if self.frozen_set is None else self.frozen_set.requirements
        wanted = (rule for rule in ids if not self.levels or known[rule].level in self.levels)
        return replace(plan, only=frozenset(wanted))

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
    config.addinivalue_line(
        "markers", f"{SEARCH}: the test looks for anything that breaks any requirement"
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
        state.plan, state.no_search = _plan(config)
        _needs_a_set(_option(config, "applicable"), _option(config, "set"))
        if os.environ.get("MMOWNER_CORE"):
            from ._core import core  # noqa: PLC0415  only who asks for one pays for it

            core()
        if state.explicit or state.dialect is not None:
            from ._spec import check_kind, dialect_of, judged_by  # noqa: PLC0415  every pytest run loads this module

            if state.dialect is not None:
                state.release = judged_by(state.dialect)
                state.dialect = dialect_of(state.dialect)
            for spec in state.specs:
                check_kind(spec)
    except (CallError, MissingPrerequisite) as exc:
        raise pytest.UsageError(str(exc)) from None
    config.stash[STATE] = state
    config.pluginmanager.register(Census(state), "mmowner-census")
    if not _is_worker(config):
        from ._gatherer import Gatherer  # noqa: PLC0415  it imports this module

        config.pluginmanager.register(Gatherer(config, state), "mmowner-gatherer")
    for option, home in FEATURES.items():
        on_github = option == "ci" and os.environ.get("GITHUB_ACTIONS") == "true"
        if _option(config, option) or on_github:
            module, _, name = home.partition(":")
            feature = getattr(import_module(module), name)
            try:
                config.pluginmanager.register(feature(config, state), f"mmowner-{option}")
            except CallError as exc:
                raise pytest.UsageError(str(exc)) from None


def _plan(config: pytest.Config) -> tuple[Plan | None, bool]:
    """Return what the options say about searches, and whether they say: none."""
    texts = {name: _option(config, name) for name in ("scope", "shard", "budget")}
    if not any(texts.values()):
        return None, False
    if list(texts.values()) == [["none"], "", ""]:
        return None, True
    from ._scopes import Shard, parse_budget, parse_scopes, parse_shard  # noqa: PLC0415  every pytest run loads this module
    from ._searching import Plan  # noqa: PLC0415  the same

    shard = parse_shard(texts["shard"]) if texts["shard"] else Shard()
    return Plan(parse_scopes(texts["scope"]), shard, parse_budget(texts["budget"])), False


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
        if not state.no_search and state.searching().scopes != ():
            from ._core import in_words  # noqa: PLC0415  only runs that search pay for it

            lines.append(f"mmowner: {in_words()}")
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


#: The mark of a test that is about no single requirement.
SEARCH: Final = "mmowner_search"


def is_judging(item: pytest.Item) -> bool:
    """Whether a test decides about a requirement, or looks for what breaks any."""
    return any(item.get_closest_marker(name) is not None for name in ("requirement", SEARCH))


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
    judged = [item for item in items if is_judging(item)]
    if not judged:
        return
    from ._requirements import requirement  # noqa: PLC0415  every pytest run loads this module

    try:
        levels = {item: {requirement(rule).level for rule in rules_of(item)} for item in judged}
        if state.levels:
            # A search leaves the other levels out by itself.
            dropped = [
                item for item in judged
                if item.get_closest_marker("requirement") and not levels[item] & state.levels
            ]  # fmt: skip
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
    if not state.sessions:
        return
    from ._told import take, told_by  # noqa: PLC0415  every pytest run loads this module

    told = {spec: told_by(judged) for spec, judged in state.sessions.items()}
    if _is_worker(session.config):
        output: dict[str, Any] = session.config.workeroutput  # type: ignore[attr-defined]  # xdist's own
        output |= {"mmowner_misfits": found, "mmowner_told": told}
    else:
        state.misfits.update(found)
        take(state.told, told)


def _distributed(config: pytest.Config) -> bool:
    return bool(getattr(config.option, "tx", None)) or bool(
        getattr(config.option, "numprocesses", None)
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """A verdict that is no failure ends a test of the suite without one."""
    if not is_judging(item):
        return (yield)
    if (session := item.config.stash[STATE].sessions.get(spec_of(item))) is not None:
        session.searches.reports.clear()  # those of the test before
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
    lost = report.skipped and item.get_closest_marker(SEARCH) is not None
    if not is_judging(item) or (call.when != "call" and not report.failed and not lost):
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
    broken: Mapping[str, BaseException] = getattr(exc, "broken", {})
    for rule in rules_of(item) or broken:
        said = broken.get(rule, exc)
        outcome = Outcome(
            requirement=rule, verdict=verdict, candidate=spec,
            dialect=session.dialect if session else "?", test=test_name(item, spec),
            text="" if verdict == PASS else str(said),
            # What a search saw first depends on the seed: nothing to hold a baseline to.
            observed="" if broken else getattr(said, "observed", ""),
            program=getattr(said, "program", ""), seconds=round(call.duration, 6),
            listed=state.listed(rule, spec), of_tests=state.of_tests.get((spec, rule), 0),
            tries=item.stash.get(TRIED, 1),
        )  # fmt: skip
        item.user_properties += [
            (f"mmowner_{name}", str(value)) for name, value in asdict(outcome).items()
        ]  # fmt: skip
    if session is not None and item.get_closest_marker(SEARCH):
        from ._tried import PROPERTY, SKIPPED, as_property  # noqa: PLC0415  every pytest run loads this module

        # By the name that the user gave it, as in the outcomes.
        item.user_properties += [
            (PROPERTY, as_property(one) | {"candidate": spec}) for one in session.searches.reports
        ]
        if lost and verdict != NOT_APPLICABLE:
            item.user_properties.append((SKIPPED, f"{spec}: {item.name}"))
    # The report of the teardown gets them too: that is the one that JUnit files are made of.
    report.user_properties = list(item.user_properties)
    return report


def pytest_unconfigure(config: pytest.Config) -> None:
    """Close the candidates."""
    state = config.stash.get(STATE, None)
    if state is not None:
        state.close()
