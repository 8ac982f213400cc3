"""How fast the reference, the oracle and the suite are; ratios are what to trust.

``python benchmarks/bench_reference.py`` prints a table.  All times are CPU seconds of this
process (of its children for the suite), the median of several rounds of one run: the
machines are noisy, so compare lines with each other and not runs with runs.
"""

from __future__ import annotations

import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

from mmowner_reference import DIALECTS, Kernel, Program, Scope, plan, random_program
from pytest_mmowner import Options, open_candidate
from pytest_mmowner._judge import judge_steps

ROOT = Path(__file__).resolve().parent.parent
ROUNDS = 5
SMALL = Scope(ops=frozenset({"clone", "exit", "exec", "reap", "hold", "put"}))
LARGE = Scope(tasks=60, mms=12, refs=4, ops=SMALL.ops)


def programs(count: int, length: int, scope: Scope) -> list[Program]:
    return [random_program(Random(seed), length, "6.11", scope) for seed in range(count)]


def cpu(work: Callable[[], object], rounds: int = ROUNDS) -> float:
    times = []
    for _ in range(rounds):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return statistics.median(times)


def line(name: str, operations: int, count: int, seconds: float, base: float | None) -> float:
    rate = operations / seconds
    ratio = "" if base is None else f"{rate / base:8.2f}"
    print(f"{name:<44}{count / seconds:>12,.0f}{rate:>14,.0f}{ratio:>9}")
    return rate


def reference() -> None:
    print(f"{'':<44}{'programs/s':>12}{'operations/s':>14}{'ratio':>9}")
    small, large = programs(400, 24, SMALL), programs(20, 400, LARGE)
    total = sum(map(len, small))
    base = line("reference, 6 tasks", total, len(small), cpu(lambda: run_all(small)), None)
    total_large = sum(map(len, large))
    line("reference, 60 tasks", total_large, len(large), cpu(lambda: run_all(large)), base)
    steps = [plan(program, "6.11", ("owner",)) for program in small]
    candidate, _ = open_candidate("reference:6.11")
    seconds = cpu(lambda: [judge_steps(candidate, planned, "6.11") for planned in steps])
    line("lockstep with the oracle, owners asked", total, len(small), seconds, base)
    steps = [plan(program, "6.11", ("owner", "users", "state")) for program in small]
    seconds = cpu(lambda: [judge_steps(candidate, planned, "6.11") for planned in steps])
    line("lockstep, owners, users and states asked", total, len(small), seconds, base)
    seconds = cpu(lambda: programs(400, 24, SMALL))
    line("random programs made", total, len(small), seconds, base)


def run_all(some: list[Program]) -> None:
    for program in some:
        Kernel("6.11").run(program)


def adapters() -> None:
    print("\ncmd: candidates, wall time (a process answers), lockstep with the oracle")
    some = programs(60, 24, SMALL)
    steps = [plan(program, "6.11", ("owner",)) for program in some]
    total = sum(map(len, some))
    specs = {"Python, op by op": f"cmd:{sys.executable} {ROOT}/examples/python/adapter.py"}
    with tempfile.TemporaryDirectory() as where:
        if shutil.which("cc") and shutil.which("make"):
            shutil.copytree(ROOT / "examples/c", Path(where) / "c")
            subprocess.run(["make", "-s", "-B", "-C", f"{where}/c"], check=True)
            specs |= {"C, whole programs": f"cmd:{where}/c/adapter"}
        base = None
        for name, spec in specs.items():
            candidate, _ = open_candidate(spec, Options(dialect="6.11"))
            start = time.perf_counter()
            for planned in steps:
                run = judge_steps(candidate, planned, "6.11")
                assert run.error is None, run.error
                assert not run.deviations
            seconds = time.perf_counter() - start
            candidate.close()
            base = base or line(name, total, len(some), seconds, None)
            if name != "Python, op by op":
                line(name, total, len(some), seconds, base)


def suite() -> None:
    print("\nthe whole suite on the reference, CPU seconds with start-up of Python and pytest")
    for dialect in DIALECTS:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--pyargs",
             "mmowner_conformance", f"--mmowner-candidate=reference:{dialect}"],
            check=True, capture_output=True, cwd=tempfile.gettempdir(),
        )  # fmt: skip
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        print(f"{dialect:<44}{used:>12.2f}")


if __name__ == "__main__":
    reference()
    adapters()
    suite()
