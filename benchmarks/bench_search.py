"""The searches against their peers: SPIN, ``hypothesis.stateful``, replay, and a whole suite.

``python benchmarks/bench_search.py [spin] [stateful] [replay] [suite]`` prints a table for
each; without a name, all of them.  Times are CPU seconds, with those of child processes where
there are any.  The machines are noisy, so trust the ratios of one run, and not runs against
runs.  Nothing is asserted.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from itertools import chain, repeat, zip_longest
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import Final

from spin import SpinError, run_spin
from stateful import SHAPES, STEPS, Hunt, hunt

from mmowner_reference import (
    DIALECTS,
    Bounds,
    Case,
    Graph,
    Kernel,
    beyond,
    graph_of,
    plan_cases,
    shortest_first,
)  # fmt: skip
from pytest_mmowner._cache import CACHE
from pytest_mmowner._candidates.base import Candidate
from pytest_mmowner._comparing import Comparer, Known
from pytest_mmowner._core import core, in_words
from pytest_mmowner._core import graph_of as graph_by_core
from pytest_mmowner._graphs import planned
from pytest_mmowner._large import programs, walks_for
from pytest_mmowner._scopes import SCOPE_PARTS, parse_scope, scopes_for
from pytest_mmowner._spec import open_candidate
from pytest_mmowner._tour import can_tour, plan_tour, rest_of
from pytest_mmowner._transitions import Transitions
from pytest_mmowner.errors import CallError
from pytest_mmowner.zoo import MUTANTS

DIALECT: Final = "6.11"
ROUNDS: Final = 3


def cpu_of(command: Sequence[str], changes: Mapping[str, str | None]) -> tuple[float, str]:
    """Run a program; return its CPU seconds, those of its children too, and what it printed.

    *changes* are made to the environment; None takes a variable away.
    """
    environment = dict(os.environ)
    for name, value in changes.items():
        environment.pop(name, None)
        if value is not None:
            environment[name] = value
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        command, env=environment, cwd=tempfile.gettempdir(), text=True, capture_output=True,
        check=False,
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


# -- spin -----------------------------------------------------------------------------------

#: A process that closes a scope and prints its counts, from start-up to end.
EXPLORE: Final = """
import sys
from mmowner_reference import Bounds
from pytest_mmowner._core import explore, in_words
space = explore(Bounds(int(sys.argv[1]), 3, orders=False), sys.argv[2])
assert space.closed
print(space.states, space.transitions, in_words(), sep="|")
"""


def spin(asked: argparse.Namespace) -> None:
    for tasks in (6, 7) if asked.long else (6,):
        _spin(tasks, python=asked.python and tasks < 7)


def _spin(tasks: int, *, python: bool) -> None:
    rounds = ROUNDS if tasks < 7 else 1
    print(f"\nclosing ({tasks},3,0,0) of {DIALECT}, execs in list order; median of {rounds}")
    print(f"{'':<46}{'worlds':>12}{'transitions':>13}{'CPU s':>9}{'ratio':>8}")
    explore = [sys.executable, "-c", EXPLORE, str(tasks), DIALECT]
    rows: dict[str, list[tuple[float, int, int]]] = {}

    def one(name: str, home: str, choice: str) -> None:
        seconds, said = cpu_of(explore, {"MMOWNER_CACHE": home, "MMOWNER_CORE": choice})
        states, transitions, core = said.strip().split("|")
        label = f"{name} [{core.removeprefix('search core: ').partition(' (MM')[0]}]"
        rows.setdefault(label, []).append((seconds, int(states), int(transitions)))

    for number in range(rounds):
        try:
            found = run_spin(tasks)
        except SpinError as error:
            print(f"no SPIN: {error}")
            return
        phases = ("generate", "compile", "run")
        whole = sum(found.seconds[phase] for phase in phases)
        rows.setdefault("SPIN: generate, compile, run", []).append(
            (whole, found.states, found.transitions)
        )
        rows.setdefault("  of it the run of the search alone", []).append(
            (found.seconds["run"], found.states, found.transitions)
        )
        with tempfile.TemporaryDirectory() as home:
            one("explore, core compiled anew", home, "")
            one("explore, core from the cache", home, "")
            if number == 0 and python:  # once: it takes as long as everything else
                one("explore, pure Python", home, "python")
    base = 0.0
    counts = set()
    for name, runs in rows.items():
        seconds = statistics.median(run[0] for run in runs)
        base = base or seconds
        counts |= {run[1:] for run in runs}
        _, states, transitions = runs[0]
        print(f"{name:<46}{states:>12,}{transitions:>13,}{seconds:>9.2f}{base / seconds:>8.2f}")
    print(f"counts: {'the same' if len(counts) == 1 else f'THEY DIFFER: {counts}'}")
    # What a user types explores every order in which the threads of an exec can leave.
    command = [
        sys.executable, "-m", "pytest_mmowner", "explore", f"--tasks={tasks}", "--mms=3",
        f"--dialect={DIALECT}", "--json",
    ]  # fmt: skip
    installed = [cpu_of(command, {}) for _ in range(rounds)]
    seconds, told = statistics.median(run[0] for run in installed), json.loads(installed[0][1])
    print(f"{'mmowner explore, all orders, as installed':<46}{told['states']:>12,}"
          f"{told['transitions']:>13,}{seconds:>9.2f}{base / seconds:>8.2f}")  # fmt: skip


# -- stateful -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ours:
    """What our searches did to the mutants of a dialect, in CPU seconds."""

    dialect: str
    scopes: tuple[Bounds, ...]
    #: To make the graphs and the cases as a run with an empty cache does, and to read them.
    planned: float
    read: float
    #: To make the same in Python; None where nobody asked.
    python: float | None
    #: By mutant, until the first wrong program was judged: in the cases of the scopes, and in
    #: walks alone; None where that did not come.
    cases: dict[str, float | None]
    walks: dict[str, float | None]

    @property
    def kill(self) -> float:
        """What the cases used until their kills."""
        return sum(used for used in self.cases.values() if used is not None)


@dataclass(frozen=True, slots=True)
class Hunts:
    """What the machine of one shape did, by mutant."""

    shape: str
    made: dict[str, Hunt]

    def seconds(self, names: Iterable[str]) -> float:
        """What it used for these."""
        return sum(self.made[name].seconds for name in names)

    def missed(self, names: Iterable[str]) -> list[str]:
        """Those of the mutants that it did not kill in time."""
        return [name for name in names if not self.made[name].killed]


def our_kills(
    dialect: str, names: Sequence[str], patience: float, number: int, python: bool
) -> Ours:  # fmt: skip
    """Take the mutants of a dialect through the searches as the suite does, in its order.

    It stops at the first wrong program, as the machines do; a test of the suite goes on to the
    end of its part.  The cache has no graphs of the dialect yet.
    """
    first, _ = open_candidate(f"mutant:{names[0]}")
    scopes = scopes_for(first.info, dialect, None)
    core()  # loaded once for a process, compiled before
    made, read = (cpu(lambda: _plan(scopes, dialect)) for _ in range(2))
    cases = {name: _killed(name, _cases_in_order, patience, number) for name in names}
    walks = {name: _killed(name, _walks_in_order, patience, number) for name in names}
    slow = None
    if python:
        slow = cpu(lambda: [list(plan_cases(graph_of(one, dialect))) for one in scopes])
    return Ours(dialect, scopes, made, read, slow, cases, walks)


def cpu(work: Callable[[], object]) -> float:
    """Return the CPU seconds that *work* takes, with those of the processes it starts."""
    before = os.times()
    work()
    return sum(os.times()[:4]) - sum(before[:4])


def _plan(scopes: Sequence[Bounds], dialect: str) -> None:
    planned.cache_clear()
    for bounds in scopes:
        planned(bounds, dialect)


def _killed(
    name: str, search: Callable[[Candidate, str, int], Iterator[Known]], patience: float,
    number: int,
) -> float | None:  # fmt: skip
    start = time.process_time()
    candidate, dialect = open_candidate(f"mutant:{name}")
    comparer = Comparer(candidate, dialect)
    for known in search(candidate, dialect, number):
        comparer.try_program(known)
        used = time.process_time() - start
        if comparer.part.broken or comparer.part.error is not None:
            return used
        if used > patience:
            break
    return None


def _cases_in_order(candidate: Candidate, dialect: str, number: int) -> Iterator[Known]:
    """Yield the cases part by part; within a part one of each scope in turn."""
    scopes = [
        Transitions(candidate, dialect, bounds, number)
        for bounds in scopes_for(candidate.info, dialect, None)
    ]
    for part in range(SCOPE_PARTS):
        cases = [scope.cases[part::SCOPE_PARTS] for scope in scopes]
        for row in zip_longest(*cases):
            for scope, case in zip(scopes, row, strict=True):
                if case is not None:
                    yield scope.known(case)


def _walks_in_order(candidate: Candidate, dialect: str, number: int) -> Iterator[Known]:
    walks = walks_for(candidate.info)
    numbers = chain.from_iterable(range(part, walks, SCOPE_PARTS) for part in range(SCOPE_PARTS))
    return programs(candidate.info, dialect, f"{number}/{dialect}", numbers)


def machine_kill(shape: str, name: str, budget: float, number: int) -> Hunt:
    """Let a machine have one mutant."""
    mutant = MUTANTS[name]
    return hunt(shape, mutant.base, lambda: mutant.kernel(mutant.dialect(), mutant), budget, number)


def stateful(asked: argparse.Namespace) -> None:
    by_dialect = _mutants(asked)
    names = [name for those in by_dialect.values() for name in those]
    shapes = list(dict.fromkeys(asked.shape)) if asked.shape else list(SHAPES)
    print(
        f"\n{len(names)} sequential mutants, seed {asked.seed}; hypothesis "
        f"{version('hypothesis')}: {STEPS} steps, no shrinking, {asked.budget:g} s CPU for each"
    )
    if not names:
        return
    with tempfile.TemporaryDirectory() as directory:
        before, os.environ[CACHE] = os.environ.get(CACHE), directory  # the workers inherit it
        compiled = cpu(core)
        with ProcessPoolExecutor(asked.jobs, get_context("spawn")) as pool:
            ours = list(
                pool.map(
                    our_kills, by_dialect, by_dialect.values(), repeat(asked.patience),
                    repeat(asked.seed), repeat(asked.python),
                )
            )  # fmt: skip
            _print_ours(ours, compiled)
            killed = [name for one in ours for name, used in one.cases.items() if used is not None]
            prey = names if asked.left else killed
            hunts = []
            for shape in shapes:
                if hunt(shape, DIALECT, lambda: Kernel(DIALECT), 1.0, asked.seed).killed:
                    print(f"{shape} IS WRONG: it fails on the reference")
                made = pool.map(
                    machine_kill, repeat(shape), prey, repeat(asked.budget), repeat(asked.seed)
                )
                hunts.append(Hunts(shape, dict(zip(prey, made, strict=True))))
        del os.environ[CACHE]
        if before is not None:
            os.environ[CACHE] = before
    if not killed:
        print("the cases kill none of them")
        return
    _print_kills(ours, compiled, hunts, asked.budget)


def _mutants(asked: argparse.Namespace) -> dict[str, list[str]]:
    """Return the mutants that are wanted, by the dialect they are made from."""
    wanted = asked.dialects.split(",") if asked.dialects else DIALECTS
    names = [
        name for name, mutant in MUTANTS.items()
        if mutant.kind == "sequential" and mutant.base in wanted
    ]  # fmt: skip
    if asked.mutants is not None:
        chosen = set(Random(asked.seed).sample(names, min(asked.mutants, len(names))))
        names = [name for name in names if name in chosen]
    by_dialect: dict[str, list[str]] = {}
    for name in names:
        by_dialect.setdefault(MUTANTS[name].base, []).append(name)
    return by_dialect


def _print_ours(ours: Sequence[Ours], compiled: float) -> None:
    print(f"{in_words()}, compiled in {compiled:.2f} s CPU; no graph in the cache")
    print(f"{'dialect':<10}{'mutants':>9}{'in scope':>9}{'CPU s: plan':>13}{'read':>8}"
          f"{'kill':>8}{'slowest':>9}  scopes")  # fmt: skip
    for one in ours:
        found = [used for used in one.cases.values() if used is not None]
        print(f"{one.dialect:<10}{len(one.cases):>9}{len(found):>9}{one.planned:>13.2f}"
              f"{one.read:>8.2f}{one.kill:>8.2f}{max(found, default=0.0):>9.2f}  "
              f"{' '.join(map(str, one.scopes))}", flush=True)  # fmt: skip


def _print_kills(
    ours: Sequence[Ours], compiled: float, hunts: Sequence[Hunts], budget: float
) -> None:
    cases = {name: used for one in ours for name, used in one.cases.items()}
    walks = {name: used for one in ours for name, used in one.walks.items()}
    shown = [name for name, used in cases.items() if used is not None]
    left = [name for name in cases if name not in shown]
    kill = sum(one.kill for one in ours)
    whole = kill + compiled + sum(one.planned for one in ours)
    rows = {
        "OURS: compiled once, planned per dialect": whole,
        "  plans read from the cache": kill + sum(one.read for one in ours),
        "  nothing for plans": kill,
        "  planned for every mutant": kill + compiled + sum(
            one.planned * sum(used is not None for used in one.cases.values()) for one in ours
        ),
    }  # fmt: skip
    if all(one.python is not None for one in ours):
        rows["  planned per dialect in pure Python"] = kill + sum(one.python or 0 for one in ours)
    print(f"\nthe {len(shown)} mutants that the cases kill; {budget:g} s at most for a machine")
    print(f"{'':<44}{'killed':>8}{'CPU s':>10}"
          + "".join(f"{f'{those.shape} / it':>10}" for those in hunts))  # fmt: skip
    for name, seconds in rows.items():
        ratios = "".join(f"{those.seconds(shown) / seconds:>10.2f}" for those in hunts)
        print(f"{name:<44}{len(shown):>8}{seconds:>10.2f}{ratios}")
    for those in hunts:
        title = f"{those.shape} ({SHAPES[those.shape].__name__})"
        killed = len(shown) - len(those.missed(shown))
        print(f"{title:<44}{killed:>8}{those.seconds(shown):>10.2f}")
    found = [used for name in shown if (used := walks[name]) is not None]
    print(f"{'our walks alone (no plans)':<44}{len(found):>8}{sum(found):>10.2f}")
    for those in hunts:
        missed = those.missed(shown)
        both = [name for name in shown if name not in missed]
        if missed:
            used, own = those.seconds(both), sum(cases[name] or 0 for name in both)
            print(f"{those.shape}: its ratio is a lower bound; where it kills too ({len(both)}): "
                  f"it {used:.2f} s, ours without plans {own:.2f} s")  # fmt: skip
        _print_names(f"{those.shape} did not find", missed)
    _print_names("our walks did not find", [name for name in shown if walks[name] is None])
    _print_names("left out: our cases did not find", left)
    if left:
        _print_names("  of these found by our walks", [n for n in left if walks[n] is not None])
        for those in hunts:
            tried = [name for name in left if name in those.made]
            missed = those.missed(tried)
            if tried:
                found_too = [name for name in tried if name not in missed]
                _print_names(f"  of these found by {those.shape}", found_too)


def _print_names(what: str, names: Sequence[str]) -> None:
    print(f"{what} ({len(names)}): {', '.join(names) or '-'}")


# -- replay ---------------------------------------------------------------------------------

#: What is tried by default in some dialect and takes less than minutes; and larger ones, of which
#: only the programs are counted.
SCOPES: Final = (Bounds(4, 3), Bounds(4, 3, 1, 1), Bounds(5, 3))
COUNTED: Final = (Bounds(5, 3, 1),)


def replay(asked: argparse.Namespace) -> None:
    if not can_tour():
        print("\n(no OR-tools: there are no tours to measure)")
    print(f"\nevery transition of a scope on reference:{DIALECT}, answers compared")
    print(f"{'':<39}{'transitions':>12}{'programs':>10}{'operations':>12}{'per trans.':>11}"
          f"{'plan s':>8}{'run s':>8}{'ratio':>8}")  # fmt: skip
    for bounds in asked.scope or SCOPES:
        _replay(bounds)
    for bounds in () if asked.scope else COUNTED:
        _count(bounds)


def _ways() -> dict[str, Callable[[Graph], Iterable[Case]]]:
    """Return the ways to plan; a tour, with cases for what none can take, needs OR-tools."""

    def tour(graph: Graph) -> list[Case]:
        pieces = plan_tour(graph)
        return [*pieces, *rest_of(graph, pieces, list(plan_cases(graph)))]

    ways: dict[str, Callable[[Graph], Iterable[Case]]] = {"chained cases": plan_cases}
    return {**ways, "tour, and cases for the rest": tour} if can_tour() else ways


def _replay(bounds: Bounds) -> None:
    candidate, _ = open_candidate(f"reference:{DIALECT}")
    scope = Transitions(candidate, DIALECT, bounds)
    scope.__dict__["graph"] = graph = graph_by_core(bounds, DIALECT)  # planned here, not read
    base = 0.0
    total = graph.transitions - beyond(graph)
    for name, plan in {"from the start, each": shortest_first, **_ways()}.items():
        start = time.process_time()
        cases = list(plan(graph))
        made = time.process_time() - start
        comparer = Comparer(candidate, DIALECT)
        start = time.process_time()
        for case in cases:
            comparer.try_program(scope.known(case))
        ran = time.process_time() - start
        base = base or ran
        tried, wrong = comparer.part.tried, comparer.part.wrong
        note = "" if tried == total and not wrong else f"  tried {tried} of {total}, {wrong} wrong"
        print(f"{_cost(bounds, name, cases, tried)}{made:>8.2f}{ran:>8.2f}{base / ran:>8.2f}{note}",
              flush=True)  # fmt: skip


def _count(bounds: Bounds) -> None:
    """Only plan, because that many operations take long."""
    graph = graph_by_core(bounds, DIALECT)
    total = graph.transitions - beyond(graph)
    for name, plan in _ways().items():
        start = time.process_time()
        cases = list(plan(graph))
        made = time.process_time() - start
        fresh = sum(case.fresh.bit_count() for case in cases)
        note = "" if fresh == total else f"  {fresh} of {total} planned"
        print(f"{_cost(bounds, name, cases, fresh)}{made:>8.2f}{'-':>8}{'-':>8}{note}", flush=True)


def _cost(bounds: Bounds, name: str, cases: Sequence[Case], transitions: int) -> str:
    """Return the first columns of a row: how many operations the cases have, kernel threads too."""
    operations = sum(bounds.kthreads + len(case.edges) for case in cases)
    return (f"{f'{bounds} {name}':<39}{transitions:>12,}{len(cases):>10,}{operations:>12,}"
            f"{operations / transitions:>11.2f}")  # fmt: skip


# -- suite ----------------------------------------------------------------------------------


def suite(_: argparse.Namespace) -> None:
    print("\nthe whole suite on the reference, with start-up of Python and pytest")
    print(f"{'':<44}{'CPU s':>9}{'ratio':>8}")
    base = 0.0
    for name, changes, options in _suites():
        command = [
            sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--pyargs",
            "mmowner_conformance", "--mmowner-candidate=reference", *options,
        ]  # fmt: skip
        seconds, said = cpu_of(command, changes)
        base = base or seconds
        print(f"{name:<44}{seconds:>9.2f}{base / seconds:>8.2f}   {said.splitlines()[-1]}")


def _suites() -> Iterator[tuple[str, Mapping[str, str | None], Sequence[str]]]:
    home = tempfile.mkdtemp()
    try:
        empty = {"XDG_CACHE_HOME": home, "MMOWNER_CACHE": None}
        yield "scopes and walks, caches empty", empty, ()
        yield "scopes and walks, caches filled", empty, ()
        yield "--mmowner-scope=none", empty, ["--mmowner-scope=none"]
    finally:
        shutil.rmtree(home)


# -- which ----------------------------------------------------------------------------------

PARTS: Final[dict[str, Callable[[argparse.Namespace], None]]] = {
    "spin": spin, "stateful": stateful, "replay": replay, "suite": suite,
}  # fmt: skip


def _scope(text: str) -> Bounds:
    try:
        return parse_scope(text)
    except CallError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--long", action="store_true", help="spin: (7,3,0,0) too")
    parser.add_argument(
        "--python", action="store_true", help="spin, stateful: what pure Python takes too"
    )
    parser.add_argument(
        "--scope", action="append", type=_scope, help="replay: only this one, as 4,3,0,0; "
        "repeat it for more",
    )  # fmt: skip
    whole = parser.add_argument_group("stateful")
    whole.add_argument("--budget", type=float, default=20.0, help="CPU s for a mutant (20)")
    whole.add_argument(
        "--patience", type=float, default=10.0, help="the same for our search (10): what it does "
        "not kill by then is left out of the comparison and listed",
    )  # fmt: skip
    whole.add_argument(
        "--left", action="store_true",
        help="let the machines have what our cases do not kill, too: it is only listed",
    )  # fmt: skip
    whole.add_argument("--mutants", type=int, help="a random sample of so many (all)")
    whole.add_argument("--dialects", help="only mutants of these, as 6.11,3.0 (all)")
    whole.add_argument(
        "--shape", action="append", choices=SHAPES, help="only this machine; repeat it for more"
    )
    whole.add_argument("--seed", type=int, default=1, help="of the sample and the machines (1)")
    whole.add_argument("--jobs", type=int, default=1, help="processes at once (1)")
    asked = parser.parse_args()
    for part in asked.parts:
        if part not in PARTS:
            parser.error(f"there is no part {part!r}; there are {', '.join(PARTS)}")
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} cores, {Path(sys.executable)}")
    for part in asked.parts or PARTS:
        PARTS[part](asked)


if __name__ == "__main__":
    main()
