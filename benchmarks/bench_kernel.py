"""How long it takes from an edit of a kernel's owner code to its verdict, and where the time goes.

``python benchmarks/bench_kernel.py TREE [--rounds N] [edit] [schedules] [programs] [reduction]``
prints tables; without names, all.  TREE is a kernel with ``mm_update_next_owner``: it is copied,
and only the copy is edited.  Times are CPU seconds of everything, children included (compiler,
linker, the program that runs the kernel's C), the median of some rounds.  The machines are noisy:
compare lines of one run with each other, and not runs with runs.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

from mmowner_conformance.scenes import SCENES
from mmowner_reference import Kernel, Scope, plan, random_program
from pytest_mmowner._kernel._cut import HEADERS
from pytest_mmowner._schedules import explore, fits
from pytest_mmowner._spec import Options, open_candidate

#: What of a tree is read.
FILES = (
    "Makefile", "fs/exec.c", "include/linux/init_task.h", "init/init_task.c", "init/main.c",
    "kernel/cgroup.c", "kernel/cgroup/cgroup.c", "kernel/exit.c", "kernel/fork.c",
    "kernel/ptrace.c", "mm/init-mm.c", *HEADERS,
)  # fmt: skip
BODY = re.compile(r"(\nvoid mm_update_next_owner\(struct mm_struct \*mm\)\n\{\n)")
TICK = os.sysconf("SC_CLK_TCK")
LENGTH = 24


def copy_of(tree: Path, into: Path) -> Path:
    for name in FILES:
        if (tree / name).is_file():
            (into / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(tree / name, into / name)
    return into


def edit(tree: Path, number: int) -> None:
    """Change the owner function so that it must be compiled again and does the same."""
    path = tree / "kernel/exit.c"
    text = path.read_text("utf-8", "surrogateescape")
    text = re.sub(r"\t\(void\)\d+; /\* edited \*/\n", "", text)
    changed, count = BODY.subn(rf"\g<1>\t(void){number}; /* edited */\n", text)
    assert count == 1, f"{path} has no mm_update_next_owner() that is written as usual"
    path.write_text(changed, "utf-8", "surrogateescape")


def children_cpu(call: Callable[[], Any]) -> float:
    """CPU seconds of the processes that *call* starts and waits for."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    call()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def suite(tree: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "pytest_mmowner", "run", f"kernel:{tree}", *words, "--",
         "-p", "no:cacheprovider"],
        capture_output=True, text=True, check=False, cwd=tree,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def line(name: str, seconds: float, base: float, more: str = "") -> None:
    print(f"{name:<52}{seconds:>9.2f}{seconds / base:>8.2f}  {more}".rstrip(), flush=True)


def bench_edit(tree: Path, rounds: int) -> None:
    print(f"{'':<52}{'CPU s':>9}{'ratio':>8}")
    said = suite(tree, "--quick")  # the world is compiled, caches are warm
    tried = re.search(r"note: ([\d,]+ schedules)", said)
    times = []
    for number in range(rounds):
        edit(tree, number)
        times.append(children_cpu(lambda: suite(tree, "--quick")))
    base = median(times)
    line("an edit: compiled, scenarios and schedules", base, base, tried[1] if tried else "")
    again = median(children_cpu(lambda: suite(tree, "--quick")) for _ in range(rounds))
    line("the same tree again: nothing to compile", again, base)
    start = children_cpu(lambda: suite(tree, "--quick", "--level=order"))
    line("of that, without schedules (level order)", start, base)
    line("an edit, the whole suite", children_cpu(lambda: suite(tree)), base)
    kept = os.environ.get("MMOWNER_CACHE")
    with tempfile.TemporaryDirectory() as empty:
        os.environ["MMOWNER_CACHE"] = empty
        line("with an empty cache: the world is compiled too",
             children_cpu(lambda: suite(tree, "--quick")), base)  # fmt: skip
    if kept is None:
        del os.environ["MMOWNER_CACHE"]
    else:
        os.environ["MMOWNER_CACHE"] = kept


def cpu_of(pid: int) -> float:
    """CPU seconds that another process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


@contextlib.contextmanager
def opened(tree: Path) -> Iterator[tuple[Any, str]]:
    candidate, dialect = open_candidate(f"kernel:{tree}", Options(timeout=600))
    try:
        yield candidate, dialect
    finally:
        candidate.close()


def explored(
    candidate: Any, dialect: str, chosen: Callable[[Any], bool], **options: int
) -> tuple[int, int, float, int]:
    """Explore scenes; return schedules, those left, CPU seconds and scenes that were cut off."""
    before = cpu_of(candidate._process.pid)
    schedules = left = short = 0
    for scene in SCENES:
        if not chosen(scene) or not fits(candidate, scene, dialect):
            continue
        answer, found = explore(candidate, scene, **options)
        assert not [one for one in found if dialect.startswith("6.")], scene.name
        schedules += answer["schedules"]
        left += answer["pruned"]
        short += not answer["complete"]
    return schedules, left, cpu_of(candidate._process.pid) - before, short


def bench_schedules(tree: Path, rounds: int) -> None:
    print(f"\n{'all scenes':<30}{'schedules':>12}{'left':>12}{'CPU s':>9}{'a second':>12}")
    with opened(tree) as (candidate, dialect):
        for name, options in (
            ("to their bounds", {}), ("bound 1", {"bound": 1}), ("bound 2", {"bound": 2}),
            ("5,000 random ones each", {"random": 1, "limit": 5000, "seed": 1}),
        ):  # fmt: skip
            runs = [explored(candidate, dialect, bool, **options) for _ in range(rounds)]
            schedules, left, _, _ = runs[0]
            seconds = median(run[2] for run in runs)
            rate = (schedules + left) / max(seconds, 1 / TICK)
            print(f"{name:<30}{schedules:>12,}{left:>12,}{seconds:>9.2f}{rate:>12,.0f}", flush=True)


def bench_reduction(tree: Path, rounds: int) -> None:
    """Scenes of two operations: the same findings, fewer schedules."""
    names = ("at every access", "at conflicts", "and with happens-before")
    for bound in (2, 3):
        head = f"two operations, bound {bound}"
        print(f"\n{head:<44}{'schedules':>12}{'ratio':>8}{'CPU s':>9}{'ratio':>8}")
        with opened(tree) as (candidate, dialect):
            base: tuple[int, float] | None = None
            for reduction in (2, 1, 0):
                schedules, left, seconds, short = explored(
                    candidate, dialect, lambda scene: len(scene.beside) == 2, bound=bound,
                    reduction=reduction,
                )  # fmt: skip
                total = schedules + left
                base = base or (total, max(seconds, 1 / TICK))
                cut = f"  ({short} scenes not to their end)" if short else ""
                print(
                    f"{names[reduction]:<44}{total:>12,}{total / base[0]:>8.1f}{seconds:>9.2f}"
                    f"{seconds / base[1]:>8.1f}{cut}",
                    flush=True,
                )


def bench_programs(tree: Path, rounds: int) -> None:
    """Random programs of 24 operations, owner, users and states asked after each."""
    print(f"\n{f'{LENGTH} operations, all asked after each':<52}{'programs/s':>12}{'op./s':>12}")
    with opened(tree) as (candidate, dialect):
        words = candidate.info.capabilities
        ops = frozenset("clone exit exec reap hold put kthread use_mm unuse_mm".split()) & words  # noqa: SIM905  words are read better than a list of strings
        scope = Scope(tasks=6, mms=3, refs=1, ops=ops)
        programs = [random_program(Random(seed), LENGTH, dialect, scope) for seed in range(2000)]
        steps = [plan(program, dialect, ("owner", "users", "state")) for program in programs]
        pid = candidate._process.pid
        rates = []
        for _ in range(rounds):
            ours, theirs = time.process_time(), cpu_of(pid)
            for one in steps:
                for _ in candidate.run(one):
                    pass
            theirs = cpu_of(pid) - theirs
            ours = time.process_time() - ours
            rates.append((len(steps) / (ours + theirs), len(steps) / max(theirs, 1 / TICK)))
        start = time.process_time()
        for program in programs:
            Kernel(dialect).run(program)
        reference = len(programs) / (time.process_time() - start)
    for name, rate in (
        ("reference kernel in Python, nothing asked", reference),
        ("kernel: through the line protocol, both sides", median(rate[0] for rate in rates)),
        ("of that, the C alone", median(rate[1] for rate in rates)),
    ):
        print(f"{name:<52}{rate:>12,.0f}{rate * LENGTH:>12,.0f}")


PARTS = {
    "edit": bench_edit, "schedules": bench_schedules, "programs": bench_programs,
    "reduction": bench_reduction,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("tree", type=Path)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_intermixed_args()
    for name in args.parts:
        if name not in PARTS:
            parser.error(f"no such part: {name}")
    with tempfile.TemporaryDirectory() as name:
        tree = copy_of(args.tree, Path(name))
        for part in args.parts or PARTS:
            PARTS[part](tree, args.rounds)


if __name__ == "__main__":
    main()
