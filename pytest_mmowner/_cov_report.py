"""What coverage found, added up over processes, and how it is told.

A line belongs to the requirements whose own tests reach it.  Random programs decide about
many requirements at once; they count only for lines that no other test reaches.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from ._requirements import requirements

#: How many requirements are named for one place.
NAMED: Final = 3
Branch = tuple[int, int]


@dataclass(frozen=True)
class Scope:
    """A function: its name and the lines of its body."""

    name: str
    first: int
    last: int


@dataclass
class FileCoverage:
    """One source file."""

    path: str
    statements: set[int] = field(default_factory=set)
    executed: set[int] = field(default_factory=set)
    branches: set[Branch] = field(default_factory=set)
    taken: set[Branch] = field(default_factory=set)
    #: The requirements that reach each line: by their own tests, and by random programs.
    direct: dict[int, set[str]] = field(default_factory=dict)
    random: dict[int, set[str]] = field(default_factory=dict)

    def add(self, found: Mapping[str, Any]) -> None:
        """Add what one process measured."""
        self.statements |= set(found["statements"])
        self.executed |= set(found["executed"])
        self.branches |= {(a, b) for a, b in found["branches"]}
        self.taken |= {(a, b) for a, b in found["taken"]}
        for mine, theirs in ((self.direct, found["direct"]), (self.random, found["random"])):
            for line, rules in theirs.items():
                mine.setdefault(int(line), set()).update(rules)

    def reach(self, line: int) -> set[str]:
        """Return the requirements that reach *line*."""
        return self.direct.get(line) or self.random.get(line) or set()

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """Lines reached and all lines, branches taken and all branches."""
        return len(self.executed), len(self.statements), len(self.taken), len(self.branches)

    @property
    def reached(self) -> bool:
        """Whether any requirement got here: more than the import of the file."""
        return any(self.reach(line) for line in self.executed)

    @cached_property
    def text(self) -> list[str]:
        """The lines of the source."""
        return Path(self.path).read_text("utf-8", "replace").splitlines()

    @cached_property
    def scopes(self) -> list[Scope]:
        """The functions, inner ones before those around them."""
        found = list(_scopes(ast.parse("\n".join(self.text)), ""))
        return sorted(found, key=lambda scope: scope.last - scope.first)

    def scope(self, line: int) -> Scope:
        """Return the innermost function around *line*, or the module."""
        around = (scope for scope in self.scopes if scope.first <= line <= scope.last)
        return next(around, Scope("the module", 1, len(self.text)))

    def missing(self) -> Iterator[list[int]]:
        """Yield the lines that are not reached: neighbours in one function together."""
        order = sorted(self.statements)

        def key(line: int) -> tuple[bool, Scope]:
            return line in self.executed, self.scope(line)

        for (reached, _), lines in groupby(order, key):
            if not reached:
                yield list(lines)

    def untaken(self) -> list[Branch]:
        """Return the branches that are not taken although their line is reached."""
        return sorted((a, b) for a, b in self.branches - self.taken if a in self.executed)

    def nearest(self, line: int) -> tuple[int, set[str]] | None:
        """Return the closest line in the same function that a requirement reaches, and which."""
        home = self.scope(line)
        near = [other for other in self.executed if self.scope(other) == home and self.reach(other)]
        if not near:
            return None
        best = min(near, key=lambda other: (abs(other - line), other))
        return best, self.reach(best)


def _scopes(node: ast.AST, prefix: str) -> Iterator[Scope]:
    for child in ast.iter_child_nodes(node):
        name = prefix
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = f"{prefix}{child.name}"
            if not isinstance(child, ast.ClassDef):
                yield Scope(name, child.body[0].lineno, child.end_lineno or child.lineno)
            name += "."
        yield from _scopes(child, name)


@dataclass
class Measured:
    """One candidate."""

    spec: str
    files: dict[str, FileCoverage] = field(default_factory=dict)
    #: How many records were run again, and how many of them did not go as before.
    runs: int = 0
    differed: int = 0
    #: Why there is nothing, or not all.
    problems: list[str] = field(default_factory=list)

    def add(self, found: Mapping[str, Any]) -> None:
        """Add what one process measured."""
        self.runs += found["runs"]
        self.differed += found["differed"]
        for path, part in found["files"].items():
            self.files.setdefault(path, FileCoverage(path)).add(part)

    @property
    def shown(self) -> list[FileCoverage]:
        """The files that count: of the reference only what a candidate uses of it."""
        files = [self.files[path] for path in sorted(self.files)]
        return [file for file in files if file.reached] if self.is_reference else files

    @property
    def is_reference(self) -> bool:
        """Whether this is the coverage of the specification."""
        return self.spec.partition(":")[0] == "reference"

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """Lines reached and all lines, branches taken and all branches."""
        parts = [file.counts for file in self.shown]
        return tuple(sum(column) for column in zip(*parts, strict=True)) or (0, 0, 0, 0)

    @property
    def percent(self) -> float | None:
        """Lines and branches together, as coverage.py counts; None when there are none."""
        hit, lines, taken, branches = self.counts
        return 100.0 * (hit + taken) / (lines + branches) if lines + branches else None

    def alone(self) -> dict[str, int]:
        """Return for each requirement that reaches anything how many lines only it reaches."""
        counts: dict[str, int] = {}
        for file in self.shown:
            for line in sorted(file.executed):
                rules = file.reach(line)
                for rule in rules:
                    counts[rule] = counts.get(rule, 0) + (len(rules) == 1)
        return {rule: counts[rule] for rule in requirements() if rule in counts}


def write_coverage(terminal: Any, measured: Measured, verbosity: int, root: str) -> None:
    """Write the section of one candidate; one line when the run is quiet."""
    title = f"mmowner coverage: {measured.spec}"
    if verbosity < 0 and not measured.problems:
        hit, lines, taken, branches = measured.counts
        terminal.write_line(
            f"{title}: {in_percent(measured.percent)} ({hit}/{lines} lines, "
            f"{taken}/{branches} branches)"
        )
    else:
        terminal.write_sep("-", title)
        _table(terminal, measured, root)
        _unreached(terminal, measured, root)
        if verbosity > 0:
            _alone(terminal, measured)
        if verbosity > 1:
            for line in reach_lines(measured, root):
                terminal.write_line(line)
    for problem in measured.problems:
        terminal.write_line(problem, red=True)
    if measured.differed:
        terminal.write_line(
            f"{measured.spec} answered differently when it was run again for coverage "
            f"({measured.differed} of {measured.runs} runs): what is shown is the second run. "
            "A candidate must not depend on time, chance or what it was asked in other programs.",
            yellow=True,
        )


def in_percent(value: float | None) -> str:
    """Return a percentage with two digits that never rounds up to 100."""
    if value is None:
        return "nothing to measure"
    return f"{min(value, 99.99) if value < 100 else value:.2f}%"


def _share(part: int, whole: int) -> str:
    return f"{f'{part}/{whole}':>11} {100 * part // whole if whole else 100:>4}%"


def _table(terminal: Any, measured: Measured, root: str) -> None:
    names = {file.path: _name(file.path, root) for file in measured.shown}
    if not names:
        return
    width = max(5, *map(len, names.values()))
    terminal.write_line(f"{'file':<{width}}{'lines':>17}{'branches':>17}")
    for file in measured.shown:
        hit, lines, taken, branches = file.counts
        shares = f"{_share(hit, lines)}{_share(taken, branches)}"
        terminal.write_line(f"{names[file.path]:<{width}}{shares}")
    terminal.write_line(f"{'total':<{width}}{in_percent(measured.percent):>17}", bold=True)
    left_out = len(measured.files) - len(names)
    if left_out:
        terminal.write_line(f"{left_out} more files are no part of what a candidate runs")


def _unreached(terminal: Any, measured: Measured, root: str) -> None:
    places = list(unreached(measured, root))
    if places:
        terminal.write_line("no requirement reaches:", bold=True)
    for place in places:
        terminal.write_line(f"  {place}")


def unreached(measured: Measured, root: str) -> Iterator[str]:
    """Yield a line for each stretch of lines and each branch that no requirement reached."""
    for file in measured.shown:
        name = _name(file.path, root)
        places: list[tuple[int, int, str]] = []
        for lines in file.missing():
            span = f"{lines[0]}" if len(lines) == 1 else f"{lines[0]}-{lines[-1]}"
            what = (
                f"{name}:{span} in {file.scope(lines[0]).name}: {file.text[lines[0] - 1].strip()}"
            )
            places.append((lines[0], 0, f"{what}; {_nearest(file, lines)}"))
        for start, end in file.untaken():
            target = f"line {end}" if end > 0 else "the end"
            what = (
                f"{name}:{start} in {file.scope(start).name}: the branch from line {start} to "
                f"{target}: {file.text[start - 1].strip()}"
            )
            places.append((start, 1, f"{what}; {_nearest(file, [start])}"))
        yield from (text for _, _, text in sorted(places))


def _nearest(file: FileCoverage, lines: list[int]) -> str:
    both = [near for line in {lines[0], lines[-1]} if (near := file.nearest(line))]
    if not both:
        return f"no requirement enters {file.scope(lines[0]).name}"
    line, rules = min(both, key=lambda near: (_distance(near[0], lines), near[0]))
    return f"nearest: {in_order(rules)} (line {line})"


def _distance(line: int, lines: list[int]) -> int:
    return min(abs(line - lines[0]), abs(line - lines[-1]))


def in_order(rules: Iterable[str], limit: int | None = NAMED) -> str:
    """Return the ids in the order of the requirements file, the first few of many."""
    known = list(requirements())
    rules = sorted(rules, key=lambda rule: known.index(rule) if rule in known else len(known))
    more = len(rules) - limit if limit is not None else 0
    return ", ".join(rules[:limit]) + (f" and {more} more" if more > 0 else "")


def _alone(terminal: Any, measured: Measured) -> None:
    counts = measured.alone()
    terminal.write_line(f"{'requirement':<14}lines that only it reaches", bold=True)
    for rule, count in counts.items():
        if count:
            terminal.write_line(f"{rule:<14}{count:>4}")
    others = [rule for rule, count in counts.items() if not count]
    if others:
        terminal.write_line(f"none: {in_order(others, None)}")


def reach_lines(measured: Measured, root: str) -> Iterator[str]:
    """Yield for each stretch of lines with the same requirements who they are."""
    for file in measured.shown:
        for first, last, rules, random in stretches(file):
            span = f"{first}" if first == last else f"{first}-{last}"
            how = "random programs for " if random else ""
            yield f"{_name(file.path, root)}:{span}: {how}{in_order(rules, None)}"


def stretches(file: FileCoverage) -> Iterator[tuple[int, int, set[str], bool]]:
    """Yield first and last line, requirements, and whether only random programs get there."""

    def key(line: int) -> tuple[set[str], bool, bool, Scope]:
        random = not file.direct.get(line) and bool(file.random.get(line))
        return file.reach(line), random, line in file.executed, file.scope(line)

    for (rules, random, _, _), lines in groupby(sorted(file.statements), key):
        group = list(lines)
        if rules:
            yield group[0], group[-1], rules, random


def _name(path: str, root: str) -> str:
    short = os.path.relpath(path, root)
    return path if short.startswith("..") else short
