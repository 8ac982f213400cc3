"""Write ``scopes.md``: which mutants of the zoo a scope kills, and with which shortest programs.

``python docs/generate_scopes.py`` takes every sequential mutant through the scopes that are tried
by default, and writes (some minutes, two processes).  With ``--check`` every 50th row is made
again, and the file must say the same; nothing is written.
"""

from __future__ import annotations

import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path

from mmowner_reference import DEFAULT
from pytest_mmowner._comparing import Seen
from pytest_mmowner._scopes import default_scopes, scope_in_words
from pytest_mmowner._spec import open_candidate
from pytest_mmowner._transitions import Transitions
from pytest_mmowner.zoo import MUTANTS

FILE = Path(__file__).resolve().parent / "scopes.md"
PROCESSES = 2


@dataclass(frozen=True)
class Row:
    """A mutant, and a shortest program that shows it; no rule and no operations if none does."""

    mutant: str
    dialect: str
    rule: str = ""
    operations: int = 0


def row_of(name: str) -> Row:
    """Take a mutant through the cases until it is wrong, then look for the shortest program."""
    candidate, dialect = open_candidate(f"mutant:{name}")
    best: Seen | None = None
    for bounds in default_scopes(1.0, dialect):
        scope = Transitions(candidate, dialect, bounds)
        found = scope.first_wrong()
        if found is not None and (best is None or len(found[0]) < len(best[0])):
            best = found
    if best is None:
        return Row(name, dialect)
    return Row(name, dialect, best[1].rule, len(best[0]))


def names() -> list[str]:
    """Return the sequential mutants; those of one dialect, which share graphs, together."""
    sequential = (name for name, mutant in MUTANTS.items() if mutant.kind == "sequential")
    return sorted(sequential, key=lambda name: (MUTANTS[name].base, name))


def document(rows: list[Row]) -> str:
    """Return the page."""
    killed = [row for row in rows if row.rule]
    scopes = " or ".join(scope_in_words(bounds) for bounds in default_scopes(1.0, DEFAULT))
    lines = [
        "# What the scopes kill", "",
        "<!-- Written by docs/generate_scopes.py: change that, not this. -->", "",
        f"Every transition with {scopes} was",
        "tried (other scopes up to 3.0, see [searches](searches.md)), for every mutant of the zoo",
        "that is wrong without a race.",
        f"{len(killed)} of {len(rows)} are killed by that alone; the others are wrong about",
        "something that is no operation of a scope (cgroups, charges, callbacks, tracers,",
        "subreapers, vfork, failing forks) or not within these (`nobody-found-drops-holder` needs",
        "two references), and die by scenarios, random programs or walks",
        "([kill matrix](kill-matrix.md)). The programs are shortest ones: all that are shorter",
        "were tried.", "",
        "| mutant | dialect | operations | requirement |", "|---|---|---|---|",
        *(f"| `{row.mutant}` | {row.dialect} | {row.operations} | {row.rule} |" for row in killed),
        "",
        f"Not killed by a scope: {', '.join(f'`{row.mutant}`' for row in rows if not row.rule)}.",
        "",
    ]  # fmt: skip
    return "\n".join(lines)


def read_rows(text: str) -> dict[str, tuple[str, int]]:
    """Return what a page says, by mutant: requirement and operations."""
    rows: dict[str, tuple[str, int]] = {}
    for line in text.splitlines():
        if line.startswith("| `"):
            name, _, operations, rule = (cell.strip() for cell in line.strip("|").split("|"))
            rows[name.strip("`")] = (rule, int(operations))
        elif line.startswith("Not killed by a scope: "):
            rows |= {name.strip("` ."): ("", 0) for name in line.partition(": ")[2].split(", ")}
    return rows


@cache
def _pool() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(PROCESSES, get_context("spawn"))


def main(arguments: list[str]) -> int:
    """Write the page, or check a part of it; return the exit code."""
    if "--check" in arguments:
        said = read_rows(FILE.read_text("utf-8"))
        if sorted(said) != sorted(names()):
            sys.stderr.write(f"{FILE.name} has other mutants than the zoo: run {__file__}\n")
            return 1
        rows = (row_of(name) for name in names()[::50])
        wrong = [row.mutant for row in rows if (row.rule, row.operations) != said[row.mutant]]
        if wrong:
            sys.stderr.write(f"{FILE.name} is out of date for {', '.join(wrong)}\n")
        return int(bool(wrong))
    with _pool() as pool:
        rows = list(pool.map(row_of, names(), chunksize=6))
    FILE.write_text(document(sorted(rows, key=lambda row: row.mutant)), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
