"""``kernel:`` candidates: the owner functions of a kernel tree, compiled and run in a process.

What is judged is the tree's own C (:mod:`.._kernel`); the tasks around it are our C world, set
to the dialect that judges.  A wrong pointer, a lock that is never released or a ``BUG_ON`` ends
a run of that process, not this one, and is told with the tree's file and line.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from mmowner_reference import DEFAULT, DIALECTS, Dialect, changes_missed, dialect_of_release

from .. import _protocol as protocol
from .._kernel._build import Program, build, cut_of
from .._kernel._facts import Facts, facts
from .._kernel._reach import functions_of, names_of, printed_by, reach
from .._kernel._sources import Source, open_source
from ..errors import CandidateError, Panic
from .base import Info
from .command import Command
from .hosted import capabilities_in
from .process import LineProcess

#: How a dialect's callbacks are numbered in the world.
_CALLBACKS: Final = {None: 0, "tasks": 1, "cgroups": 2, "cgroups and task": 3}
#: Where something was done; "at address" is what the code used.
_ADDRESS: Final = re.compile(r"(?<= at )0x[0-9a-f]+")
#: Seconds that a scene may take: those of the suite take a tenth of one.
EXPLORING: Final = 120.0
#: The question that only such a candidate is asked.
SCHEDULES: Final = "schedules"


def world_of(dialect: Dialect, told: Facts | None) -> dict[str, int]:
    """Return how the C world is set: by the dialect that judges, at call sites by the tree.

    What the tree does not say is as in the dialect.
    """
    tree: dict[str, Any] = {} if told is None else {
        **_clears(dialect, told),
        "fork_frees_by_rcu": told.fork_frees_by_rcu, "init_mm_owner": told.init_mm_owner,
        "exec_new": None if told.exec_argument is None else told.exec_argument == "new",
        "exec_held": told.exec_mmap_held,
    }  # fmt: skip
    world: dict[str, Any] = {
        "owner": dialect.owner,
        "threads_on_children": dialect.children_list == "threads",
        "ptrace_moves": dialect.ptrace_moves,
        "adopter_first": dialect.adopter == "first",
        "subreapers": dialect.subreapers,
        "zombie_root": dialect.zombie_cgroup == "root",
        "fork_clears": dialect.failed_fork_clears,
        "dup_clears": dialect.failed_fork_clears,
        "fork_frees_by_rcu": dialect.failed_fork_clears,
        "owner_write_once": dialect.failed_fork_clears,
        "lru_gen": dialect.lru_gen,
        "init_mm_owner": dialect.init_mm_owner,
        "root_pays": dialect.unowned_pays == "root",
        "exec_new": dialect.exec_call.startswith("new"),
        "exec_held": "held" in dialect.exec_call,
        "callbacks": _CALLBACKS[dialect.callbacks],
    }
    world.update({name: value for name, value in tree.items() if value is not None})
    return {name: int(value) for name, value in world.items()}


def _clears(dialect: Dialect, told: Facts) -> dict[str, int | bool | None]:
    """What a failed fork does about the owner: what the tree does, if the dialect has it at all.

    Stable trees got c3f3ce049f7d back to 4.14; their dialect is without it, and so is its world.
    """
    if not dialect.failed_fork_clears:
        return {"fork_clears": False, "dup_clears": False}
    return {
        "fork_clears": 2 if told.fork_clears_late else told.fork_clears,
        "dup_clears": 2 if told.dup_clears_late else told.dup_clears,
    }


class World(Command):
    """A program that has our C world in it, whatever the candidate within is."""

    #: A whole program is one line, but our side of it is Python: as for any other process, half
    #: again as fast.
    speed = 0.3

    def __init__(
        self, spec: str, program: Program, settings: Mapping[str, int | str], dialect: str,
        patience: float,
    ) -> None:  # fmt: skip
        self.program = program
        arguments = [f"{name}={value}" for name, value in settings.items()]
        super().__init__(spec, [str(program.path), *arguments], dialect, patience=patience)

    @property
    def started(self) -> tuple[str, ...]:
        """What it was made from; the program itself lies in a cache."""
        return (self.info.spec, *self._argv[1:])

    def _spawn(self) -> LineProcess:
        try:
            return LineProcess(self._argv)
        except OSError as exc:
            raise CandidateError(f"it cannot be started: {exc}", in_flight="start") from exc

    def _error_said(self, text: str, in_flight: str) -> CandidateError:
        """What it says of itself is a finding: the candidate's own C did that."""
        return Panic(self.with_places(text), in_flight=in_flight)

    def with_places(self, text: str) -> str:
        """Return *text* with file and line where it has addresses."""
        found = _ADDRESS.findall(text)
        places = self.places(found)
        return _ADDRESS.sub(lambda match: places.get(match[0], match[0]), text)

    def places(self, addresses: Iterable[str]) -> dict[str, str]:
        """Return ``function (file:line)`` for each address that the program's tables know."""
        wanted = [one for one in dict.fromkeys(addresses) if one not in ("0x0", "0")]
        tool = shutil.which("addr2line") or shutil.which("llvm-addr2line")
        if not wanted or tool is None:
            return {}
        # A return address stands behind the call.
        before = [hex(max(int(one, 16) - 1, 0)) for one in wanted]
        lines = printed_by([tool, "-f", "-e", str(self.program.path), *before])
        if len(lines) != 2 * len(wanted):
            return {}
        told = {}
        for one, function, place in zip(wanted, lines[::2], lines[1::2], strict=True):
            if not place.startswith("?"):
                told[one] = f"{function}() ({_short(place)})"
        return told

    # -- schedules -----------------------------------------------------------------

    def schedules(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Explore or follow schedules; return what the program found.

        *request* is a message of :mod:`.._kernel`'s ``ops.c``.  Raises ``CandidateError`` when
        the program breaks.
        """
        patience, self._patience = self._patience, max(self._patience, EXPLORING)
        try:
            said = self._exchange(dict(request), str(request.get("op")))
        finally:
            self._patience = min(patience, self._patience)
        answer: Mapping[str, Any] = said.answer
        return answer

    def findings(self) -> Sequence[Mapping[str, Any]]:
        """Return what the program found in its last request."""
        found: Sequence[Mapping[str, Any]] = self._exchange({"op": "findings"}, "findings").answer
        return found


def _short(place: str) -> str:
    """``kernel/exit.c:512``: without the discriminator, and without where we lie."""
    path, _, line = re.sub(r" \(discriminator \d+\)$", "", place).rpartition(":")
    where = Path(path)
    if where.is_absolute() and "_kernel" in where.parts:
        path = "world/" + where.name
    elif where.name == "fallback":
        path = "world/kfallback.h"
    elif where.is_absolute():
        path = _of_tree(where)
    return f"{path}:{line}"


def _of_tree(path: Path) -> str:
    """The compiler puts its directory before the names that ``#line`` gives."""
    ours = [at for at, part in enumerate(path.parts) if part.startswith("mmowner-")]
    parts = path.parts[ours[-1] + 1 :] if ours else path.parts
    for top in ("kernel", "fs", "mm", "include", "init"):
        if top in parts:
            return "/".join(parts[parts.index(top) :])
    return str(path)


class Kernel(World):
    """The C of a tree or of a patch."""

    def __init__(
        self, spec: str, source: Source, program: Program, told: Facts, dialect: str,
        claimed: str | None, patience: float,
    ) -> None:  # fmt: skip
        self.source = source
        self.facts = told
        self._claimed = claimed
        self._row = DIALECTS[dialect]
        super().__init__(spec, program, world_of(DIALECTS[dialect], told), dialect, patience)

    def _introduction(self, answer: protocol.StartAnswer, details: dict[str, Any]) -> Info:
        info = super()._introduction(answer, details)
        return replace(
            info, name=self.source.name.partition(":")[2] or self.source.name,
            version=self.facts.version or "", dialect=self._claimed,
            capabilities=capabilities_in(self._row) & info.capabilities | {"program", SCHEDULES},
            notes=tuple(self._notes()),
            details={"stubs": list(self.program.stubs), "left_out": dict(self.program.left_out)},
        )  # fmt: skip

    def reached(self) -> Sequence[Sequence[int]]:
        """Return the edges between blocks of its machine code that were taken so far."""
        if self._process is None:  # it went, and what it knew with it
            return ()
        edges: Sequence[Sequence[int]] = self._exchange({"op": "reached"}, "reached").answer
        return edges

    def _notes(self) -> Iterable[str]:
        yield f"compiled with {self.program.compiler}"
        if self.program.stubs:
            yield f"stubs around the owner functions: {', '.join(self.program.stubs)}"
        for name, why in self.program.left_out.items():
            yield f"{name}() of the tree is not run, ours is: {why}"
        if (self.facts.fork_clears or self.facts.dup_clears) and not self._row.failed_fork_clears:
            yield (
                f"the tree clears the owner of a failed fork (c3f3ce049f7d, 5.2 and stable trees); "
                f"{self._row.name} does not have that, so it is left out here"
            )
        if self.facts.version is not None and self._claimed is not None:
            for change in changes_missed(self.facts.version):
                yield (
                    f"{self.facts.version} is judged by {self._claimed}, which does not have yet: "
                    f"{change.text} ({change.version})"
                )
        for one in self.source.rejected:
            yield f"not applied, and no owner code: {one}"


def dialect_of_tree(told: Facts) -> str | None:
    """Return the dialect that a tree speaks, by its version, else by what its text shows."""
    if told.delayed_leader:
        return "rfc-v4"
    if told.version is not None and (found := dialect_of_release(told.version)) is not None:
        return found
    return next((name for name, row in DIALECTS.items() if _is_like(told, row)), None)


def _is_like(told: Facts, row: Dialect) -> bool:
    return (
        told.callbacks is not None
        and (row.callbacks or "none") == told.callbacks
        and told.delayed_leader == row.delayed_leader
    )


def claimed_dialect(spec: str, rest: str) -> str | None:
    """Return the dialect that the text of *rest* shows, without a compiler.

    Raises ``CallError`` for what is no tree.
    """
    source = open_source(spec, rest)
    return dialect_of_tree(facts(source, cut_of(source)))


def open_kernel(spec: str, rest: str, dialect: str | None, patience: float) -> Kernel:
    """Cut, compile and start the owner code that *rest* names.

    Raises ``CallError`` for what is no tree, or whose owner code does not compile;
    ``MissingPrerequisite`` without a compiler.
    """
    source = open_source(spec, rest)
    program, pieces = build(source)
    told = facts(source, pieces)
    claimed = dialect_of_tree(told)
    return Kernel(spec, source, program, told, dialect or claimed or DEFAULT, claimed, patience)


def reach_notes(spec: str, edges: Iterable[Sequence[int]], programs: Container[str]) -> list[str]:
    """Return what was reached of the code that *spec* names, in words.

    *programs* are those that ran: the edges of another one say nothing about this.
    Raises ``CallError`` when it is not there any more.
    """
    program, pieces = build(open_source(spec, spec.partition(":")[2]))
    if program.path.name not in programs:
        return ["which lines were reached is not known: the tree was edited while it ran"]
    functions = functions_of(program.path, names_of(pieces))
    if functions is None:
        return ["which lines were reached is not known: there is no objdump (install binutils)"]
    taken = list(edges)
    owner = reach(functions, taken, pieces, owner=True)
    around = reach(functions, taken, pieces, owner=False)
    notes = [owner.note("owner code")]
    return [*notes, around.note("code around it")] if around.lines else notes
