"""The peer: SPIN counts the worlds of a scope in a model written from the rules (``owner.pml``).

``python benchmarks/spin.py 6`` prints the counts of (6,3,0,0) in dialect 6.11, what each
phase costs in CPU seconds of the programs it starts, and the memory; a second number says how
many mms.  Needs ``spin`` and ``cc``.
"""

from __future__ import annotations

import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

MODEL = Path(__file__).resolve().parent / "owner.pml"
NEEDS = ("spin", "cc")
#: A partial order reduction gains nothing for one process, and states are never approximated:
#: hash compaction (-DHC) lost worlds without a word.
FLAGS = ("-O2", "-w", "-DSAFETY", "-DNOREDUCE", "-DNOBOUNDCHECK", "-DNOFAIR")
#: How deep the search may go and the size of its hash table (2^n), for up to 6 tasks and for 7.
SMALL, LARGE = (1_000_000, 20), (10_000_000, 24)
MEGABYTES = 8192
SCOPE = "N is 2 to 7 tasks and M is 1 to 6 mms"


class SpinError(RuntimeError):
    """There is no count: a program is missing or failed, or the search was cut short."""


@dataclass(frozen=True, slots=True)
class SpinResult:
    """What a search that was completed has counted."""

    tasks: int
    mms: int
    #: Worlds: SPIN stores the first one and nothing but worlds, so there is nothing to correct.
    states: int
    #: (World, operation) pairs.  SPIN's number is one more: it counts its arrival in the first.
    transitions: int
    #: CPU seconds, user and system, to "generate", "compile" and "run".
    seconds: dict[str, float]
    #: Wall time of the same.
    wall: dict[str, float]
    #: Megabytes in all that the search says it used.
    memory: float


def missing() -> str | None:
    """Say which program is not there, if one is not."""
    absent = [name for name in NEEDS if shutil.which(name) is None]
    return f"{' and '.join(absent)} not found on PATH" if absent else None


def run_spin(
    tasks: int, mms: int = 3, depth: int | None = None, megabytes: int = MEGABYTES
) -> SpinResult:
    """Count the worlds of up to *tasks* tasks and *mms* mms to closure.

    Raises :class:`SpinError` when anything stops the search before: *depth*, *megabytes*, an
    assertion of the model.
    """
    absent = missing()
    if absent is not None:
        raise SpinError(absent)
    if not (2 <= tasks <= 7 and 1 <= mms <= 6):
        raise SpinError(f"{SCOPE}, not {tasks} and {mms}")
    deepest, slots = SMALL if tasks < 7 else LARGE
    seconds: dict[str, float] = {}
    wall: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        where = Path(name)
        shutil.copy(MODEL, where)

        def phase(word: str, *command: str) -> str:
            before, start = _cpu(), time.perf_counter()
            done = subprocess.run(
                command, cwd=where, text=True, check=False,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )  # fmt: skip
            seconds[word], wall[word] = _cpu() - before, time.perf_counter() - start
            if done.returncode:
                raise SpinError(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}")
            return done.stdout

        # By itself spin asks for gcc by name.
        phase("generate", "spin", "-Pcc -E -x c", f"-DN={tasks}", f"-DM={mms}", "-a", MODEL.name)
        # It prints 8 digits, and transitions of 7 tasks have 9.
        source = where / "pan.c"
        source.write_text(source.read_text().replace("%9.8g", "%.0f"))
        phase("compile", "cc", *FLAGS, f"-DMEMLIM={megabytes}", "-o", "pan", "pan.c")
        said = phase("run", "./pan", f"-m{deepest if depth is None else depth}", f"-w{slots}")
    states, arrivals, memory = _numbers(said)
    return SpinResult(tasks, mms, int(states), int(arrivals) - 1, seconds, wall, float(memory))


#: What pan says when it has not seen everything; it exits with 0 all the same.
CUT_SHORT = ("max search depth too small", "Search not completed", "out of memory", "-DMEMLIM")
LINES = {
    "errors": r"^State-vector .*, errors: (\d+)$",
    "states": r"^ *(\d+) states, stored$",
    "transitions": r"^ *(\d+) transitions \(= stored\+matched\)$",
    "memory": r"^ *([\d.]+)\ttotal actual memory usage$",
}


def _numbers(said: str) -> tuple[str, str, str]:
    """Return states, transitions and memory out of pan's report, if it is one of a whole search."""
    for words in CUT_SHORT:
        if words in said:
            raise SpinError(f"the search was cut short ({words}):\n{said}")
    found = {name: re.search(line, said, re.MULTILINE) for name, line in LINES.items()}
    numbers = {name: match[1] for name, match in found.items() if match is not None}
    if len(numbers) < len(LINES) or numbers["errors"] != "0":
        raise SpinError(f"no clean report:\n{said}")
    return numbers["states"], numbers["transitions"], numbers["memory"]


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main(arguments: list[str]) -> int:
    if not 1 <= len(arguments) <= 2 or not all(one.isdecimal() for one in arguments):
        print(f"usage: python benchmarks/spin.py N [M]; {SCOPE}", file=sys.stderr)
        return 2
    try:
        result = run_spin(*map(int, arguments))
    except SpinError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"({result.tasks},{result.mms},0,0) in 6.11, execs in list order, by SPIN")
    print(f"{'worlds':<16}{result.states:>14,}")
    print(f"{'transitions':<16}{result.transitions:>14,}")
    for word, used in result.seconds.items():
        print(f"{word:<16}{used:>14.2f} s CPU{result.wall[word]:>10.2f} s wall")
    print(f"{'memory':<16}{result.memory:>14.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
