"""Write ``kill-matrix.md``: which requirement kills which mutant of the zoo, and which nothing.

``python docs/generate_matrix.py`` judges every sequential mutant by the whole suite (minutes)
and writes; with ``--check`` it writes nothing and exits with 1 when the file is not up to date.
Both fail when a mutant survives without a proof that it is no mutant, or a requirement kills
nothing without a reason.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path

from mmowner_reference import Comparison, Kernel, Scope, compare_kernels
from pytest_mmowner import check
from pytest_mmowner._requirements import requirements
from pytest_mmowner._schedules import BLAME
from pytest_mmowner.zoo import MUTANTS

FILE = Path(__file__).resolve().parent / "kill-matrix.md"
PROCESSES = 2

#: The requirements that each mutant was killed by.
Kills = Mapping[str, list[str]]


@dataclass(frozen=True)
class Proof:
    """Why a mutant that survives is no mutant, and the search that found no difference."""

    why: str
    scope: Scope
    length: int


#: What it takes that somebody pays.
_PAYING = frozenset(
    "clone exit exec reap hold kthread use_mm cgroup attach charge".split()  # noqa: SIM905  words are read better than a list of strings
)

#: Mutants that answer as their dialect does.
PROOFS = {
    "BUG-28-zombie-in-root": Proof(
        "since 3.0 no zombie owns an mm, so nobody looks through one for a cgroup",
        Scope(
            tasks=3, mms=2, refs=1, kthreads=1, cgroups=1, threads=2,
            ops=_PAYING,
            flags=((), ("VM",), ("THREAD",)),
        ),
        5,
    ),
}  # fmt: skip

#: Requirements that kill no mutant, and why that is no fault of their tests.
KILL_NOTHING: dict[str, str] = {}


def killers(name: str) -> list[str]:
    """Return the requirements that a mutant breaks, sorted.

    Whole verdicts but no minimal programs: nobody reads those here.
    """
    result = check(f"mutant:{name}", minimize=False)
    return sorted({*result.with_verdict("fail"), *result.with_verdict("error")})


def by_dialect(kind: str) -> list[str]:
    """Return the mutants of a kind; those of one dialect, which share programs, together."""
    return sorted(
        (name for name, mutant in MUTANTS.items() if mutant.kind == kind),
        key=lambda name: MUTANTS[name].base,
    )


def judge(kind: str = "sequential") -> Kills:
    """Judge all mutants of a kind by the whole suite, in two processes."""
    names = by_dialect(kind)
    # Not forked: the caller may be a test runner with threads of its own.
    # Worlds are rings of lists that live briefly: looking for garbage seldom saves a fifth.
    with ProcessPoolExecutor(PROCESSES, get_context("spawn"), gc.set_threshold, (50_000,)) as pool:
        found = dict(zip(names, pool.map(killers, names, chunksize=8), strict=True))
    return {name: found[name] for name in MUTANTS if name in found}


@cache
def prove(name: str) -> Comparison:
    """Search for a program that tells a mutant from its dialect."""
    mutant, proof = MUTANTS[name], PROOFS[name]
    return compare_kernels(
        Kernel(mutant.base), mutant.kernel(mutant.dialect(), mutant), proof.scope,
        max_length=proof.length,
    )  # fmt: skip


def must_kill() -> list[str]:
    """Return the requirements that programs judge candidates by, which should kill something.

    What only schedules show no mutant of the zoo breaks, because mutants are no C: edits of a
    kernel's tree are what those kill (``tests/kernel/kernel_edits.py``).
    """
    return [
        rule.id for rule in requirements().values() if rule.judged and rule.id not in BLAME.values()
    ]


def problems(kills: Kills) -> list[str]:
    """Return what must not be: the gate."""
    found = []
    for name, rules in kills.items():
        if not rules and name not in PROOFS:
            found.append(f"{name} survives: a test is missing, or a proof that it is no mutant")
        if rules and name in PROOFS:
            found.append(f"{name} is killed, so its proof in PROOFS is wrong")
    for name in PROOFS:
        if name not in kills:
            found.append(f"{name} has a proof and is no sequential mutant")
        elif (difference := prove(name).difference) is not None:
            found.append(f"{name} is told from {MUTANTS[name].base} by {difference.program}")
    killing = {rule for rules in kills.values() for rule in rules}
    for rule in must_kill():
        if rule not in killing and rule not in KILL_NOTHING:
            found.append(f"{rule} kills nothing: a mutant is missing, or a reason in KILL_NOTHING")
        if rule in killing and rule in KILL_NOTHING:
            found.append(f"{rule} kills something, so its reason in KILL_NOTHING is obsolete")
    found += [f"KILL_NOTHING: {rule} is no requirement" for rule in KILL_NOTHING
              if rule not in must_kill()]  # fmt: skip
    return found


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table."""
    return "".join("| " + " | ".join(row) + " |\n" for row in (head, ["---"] * len(head), *rows))


def _scope(scope: Scope) -> str:
    flags = ", ".join("|".join(flags) or "fork" for flags in scope.flags)
    return (
        f"{scope.tasks} tasks, {scope.threads} threads a group, {scope.mms} mms, {scope.refs} "
        f"references, {scope.kthreads} kernel threads, {scope.cgroups} cgroups; "
        f"{', '.join(sorted(scope.ops))}; clones: {flags}"
    )


def _proof(name: str) -> list[str]:
    found, proof = prove(name), PROOFS[name]
    return [
        f"`{name}`", proof.why,
        (
            f"all programs of up to {found.length} operations within {_scope(proof.scope)}: "
            f"{found.worlds} pairs of worlds, no difference"
        ),
    ]  # fmt: skip


def text(kills: Kills) -> str:
    """Return the document."""
    by_rule: dict[str, list[str]] = {rule: [] for rule in must_kill()}
    for name, rules in kills.items():
        for rule in rules:
            by_rule.setdefault(rule, []).append(name)
    killed = [name for name in kills if kills[name]]
    return (
        "# The kill matrix\n\n"
        "Generated by `docs/generate_matrix.py`: every sequential mutant of the [zoo](zoo.md), "
        "judged by the whole suite with its default budget and seed 0. A requirement kills a "
        "mutant when its verdict is fail or error.\n\n"
        f"{len(killed)} of {len(kills)} mutants are killed; "
        f"{sum(bool(names) for names in by_rule.values())} of {len(by_rule)} requirements kill. "
        f"The {len(set(BLAME.values()))} that only [schedules](schedules.md) show are not among "
        "these.\n"
        "\n## Mutants\n\n"
        + table(["mutant", "dialect", "by", "requirements"], [
            [f"`{name}`", MUTANTS[name].base, str(len(rules)), ", ".join(rules) or "survives"]
            for name, rules in kills.items()
        ])
        + "\n## Survivors\n\nThey answer as their dialect does, by exhaustive search:\n\n"
        + table(["mutant", "why", "searched"], [_proof(name) for name in PROOFS])
        + "\n## Requirements\n\n"
        + table(["requirement", "kills", "mutants"], [
            [rule, str(len(names)), ", ".join(f"`{name}`" for name in names)
             or f"none: {KILL_NOTHING.get(rule, 'nobody knows why')}"]
            for rule, names in by_rule.items()
        ])
    )  # fmt: skip


def main(arguments: list[str]) -> int:
    """Write or check; return the exit status."""
    kills = judge()
    wrong = problems(kills)
    fresh = text(kills)
    if "--check" in arguments:
        if not FILE.exists() or FILE.read_text("utf-8") != fresh:
            wrong.append("kill-matrix.md is stale: run python docs/generate_matrix.py")
    else:
        FILE.write_text(fresh, "utf-8")
    for line in wrong:
        sys.stdout.write(line + "\n")
    return int(bool(wrong))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
