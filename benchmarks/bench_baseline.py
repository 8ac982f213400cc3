"""What a baseline saves: a failure that is listed is not minimized.

``python benchmarks/bench_baseline.py`` prints, for some mutants, the CPU seconds of the suite
(its process and the processes of that) without and with the baseline that lists its failures.
Both are run in turn, so that a machine that slows down slows both; a line is the median of
several turns, and the ratio is what to trust.  ``bench_baseline.py 1 no-handoff`` makes one
turn for one mutant.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

#: Few failures that shrink fast, and ever more and longer ones.
MUTANTS = ("leaders-only", "newest-sharer-owns", "no-handoff", "siblings-of-tracer")
ROUNDS = 3
MMOWNER = (sys.executable, "-m", "pytest_mmowner")


def cpu(where: str, expected: int, *words: str) -> float:
    """Return the CPU seconds of a command; another exit code than *expected* ends all."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [*MMOWNER, *words], cwd=where, capture_output=True, text=True, check=False
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != expected:
        sys.exit(f"mmowner {' '.join(words)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(mutant: str, rounds: int) -> None:
    spec = f"mutant:{mutant}"
    quiet = ("--", "-q", "-p", "no:cacheprovider")
    with tempfile.TemporaryDirectory() as where:
        cpu(where, 0, "baseline", "update", "known.toml", "--reason=a mutant", "--", spec)
        entries = (Path(where) / "known.toml").read_text("utf-8").count("[[known]]")
        without, listed = [], []
        for _ in range(rounds):
            without.append(cpu(where, 1, "run", spec, *quiet))
            listed.append(cpu(where, 0, "run", spec, "--baseline=known.toml", *quiet))
    slow, fast = statistics.median(without), statistics.median(listed)
    print(f"{mutant:<24}{entries:>7}{slow:>10.2f}{fast:>10.2f}{slow / fast:>9.2f}", flush=True)


def main(rounds: int = ROUNDS, *mutants: str) -> None:
    print(f"{'CPU seconds of the suite':<24}{'listed':>7}{'without':>10}{'with':>10}{'ratio':>9}")
    for mutant in mutants or MUTANTS:
        measure(mutant, rounds)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]), *sys.argv[2:])
