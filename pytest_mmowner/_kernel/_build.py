"""Compile cut kernel code with our world into a program that can be driven.

The runtime is compiled once and kept in the cache; each candidate is one more file and a link.
Everything that decides about a result is in the name under which it is kept, so an edit of the
user's tree is a new program, and an unchanged tree is not compiled again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

from .._cache import cache_directory, new_file
from .._core._build import CannotBuildError, Compiler, find_compiler
from ..errors import CallError, MissingPrerequisite, SuiteError
from ._cut import AROUND, Cut, Piece, cut
from ._scan import Definition, calls, definitions, mask
from ._sources import Source
from ._stubs import (
    Diagnostic,
    Missing,
    Stubs,
    diagnostics,
    in_words,
    quoted,
    undefined,
    what_is_missing,
)

HERE: Final = Path(__file__).with_name("c")
JSON: Final = Path(__file__).parents[1] / "_linux"
#: Compiled without instrumentation: the runtime itself.
RUNTIME: Final = ("runtime",)
#: Compiled like a candidate: its accesses are seen, its operations can be interrupted.
WORLD: Final = ("slots", "calls", "birth", "death", "exec", "users", "world")
#: What stands in the place of cut code when the candidate is a library; its host is watched.
LIBRARY: Final = ("load", "lib_books", "tracker")
LIBRARY_HOST: Final = ("lib",)
COMMON: Final = (
    "-std=gnu11",
    "-gdwarf-4",
    "-fno-pie",
    "-fno-omit-frame-pointer",
    "-fno-strict-aliasing",
)
#: The size of what one line of the protocol may have: whole programs.
SIZES: Final = ("-DJSON_NODES=262144", "-DJSON_OUT=4194304")
#: How every access is made to call us, and every block.
WATCHED: Final[Mapping[str, tuple[str, ...]]] = {
    "gcc": ("-fsanitize=thread", "--param", "tsan-distinguish-volatile=1",
            "-fsanitize-coverage=trace-pc"),
    "clang": ("-fsanitize=thread", "-mllvm", "-tsan-distinguish-volatile=1",
              "-fsanitize-coverage=bb,no-prune,trace-pc", "-ferror-limit=0",
              "-Wno-unused-command-line-argument"),
}  # fmt: skip
CONFIG: Final = (
    "-DCONFIG_MEMCG=1", "-DCONFIG_MM_OWNER=1", "-DCONFIG_CGROUPS=1", "-DCONFIG_SMP=1",
    "-DCONFIG_MMU=1", "-DCONFIG_LRU_GEN=1",
)  # fmt: skip
#: What C's own headers define, and a tree defines again in its way.
OF_THE_LANGUAGE: Final = frozenset({
    "NULL", "bool", "true", "false", "offsetof", "size_t", "ssize_t", "uintptr_t",
    "va_list", "va_start", "va_end", "int8_t", "int16_t", "int32_t", "int64_t",
    "uint8_t", "uint16_t", "uint32_t", "uint64_t",
})  # fmt: skip
#: What newer compilers call errors is none in cut code.  Warnings are read by nobody; with ``-w``
#: an unknown function would be none of either, and libc's of the same name would be called.
QUIET: Final = (
    "-Werror=implicit-function-declaration", "-Wno-int-conversion",
    "-Wno-incompatible-pointer-types",
)  # fmt: skip
#: How often a candidate is compiled before what is missing counts as endless.
ROUNDS: Final = 12
#: Where structs of the tree are, which code around the owner functions mentions.
STRUCTS: Final = (
    "include/linux/mm_types.h", "include/linux/sched.h", "include/linux/sched/signal.h",
)  # fmt: skip
PATIENCE: Final = 120


@dataclass(frozen=True)
class Program:
    """A program to drive: what was compiled into it, and with what."""

    path: Path
    compiler: str
    #: What stands in for things that code around the owner functions mentions.
    stubs: tuple[str, ...] = ()
    #: Functions of the tree that are not run, and why.
    left_out: Mapping[str, str] = field(default_factory=dict)


@cache
def shim_names() -> frozenset[str]:
    """Return the names that our shim defines: they are not looked for in a tree."""
    texts = [(HERE / name).read_text() for name in ("objects.h", "runtime.h", "kshim.h")]
    return frozenset(one.name for text in texts for one in definitions(text)) | OF_THE_LANGUAGE


@cache
def fallback_names() -> Mapping[str, Definition]:
    """Return what our own lists and walks define, for a patch without a tree."""
    text = (HERE / "kfallback.h").read_text()
    return {one.name: one for one in definitions(text)}


def compiler() -> Compiler:
    """Return the compiler.  Raises ``MissingPrerequisite`` when this machine has none."""
    try:
        return find_compiler()
    except CannotBuildError as error:
        raise MissingPrerequisite(
            str(error), "kernel: and lib: candidates are compiled: install gcc (11 or later) or "
            "clang, or name one with CC="
        ) from None  # fmt: skip


def flags_of(made: Compiler) -> tuple[str, ...]:
    """Return how instrumented code is compiled by *made*."""
    return WATCHED["clang" if made.name.startswith("clang") else "gcc"]


# -- running a compiler ----------------------------------------------------------------------


def run(command: Sequence[str], cwd: Path | None = None) -> tuple[int, str]:
    """Run a compiler; return its exit code and what it said."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
            timeout=PATIENCE, check=False, cwd=cwd, env={**os.environ, "LC_ALL": "C"},
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MissingPrerequisite(f"{command[0]}: {error}", "is the compiler all there?") from None
    return done.returncode, done.stdout + done.stderr


def _digest(*parts: str) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode("utf-8", "surrogateescape") + b"\0")
    return digest.hexdigest()[:20]


@cache
def _sources_digest() -> str:
    files = [
        *sorted(HERE.glob("*.[ch]")), HERE.with_name("mmowner.h"), JSON / "json.c", JSON / "json.h",
        # How it is compiled, and what stands in for what is missing.
        Path(__file__), Path(__file__).with_name("_stubs.py"),
    ]  # fmt: skip
    return _digest(*(text for path in files for text in (path.name, path.read_text())))


@contextlib.contextmanager
def _place() -> Iterator[Path]:
    """The cache, or for this process alone a directory that stays as long as it does."""
    directory = cache_directory()
    if directory is not None:
        yield directory
        return
    yield _own_place()


@cache
def _own_place() -> Path:
    import atexit  # noqa: PLC0415  only where nothing is kept

    holder = tempfile.TemporaryDirectory(prefix="mmowner-")
    atexit.register(holder.cleanup)
    return Path(holder.name)


# -- the runtime -----------------------------------------------------------------------------


def runtime(made: Compiler, directory: Path) -> Path:
    """Return the runtime as one object file, compiled now or before."""
    base = (*made.command, *COMMON, *SIZES, "-Wall", "-Wextra")
    path = (
        directory / f"world-{_digest(made.version, *base, _sources_digest(), os.uname().machine)}.o"
    )
    if path.exists():
        return path
    with tempfile.TemporaryDirectory(prefix="mmowner-") as name:
        jobs = {one: (*base, "-O2", "-c", str(HERE / f"{one}.c")) for one in RUNTIME}
        jobs["json"] = (*base, "-O2", "-c", str(JSON / "json.c"))
        jobs |= {
            one: (*base, "-O1", *flags_of(made), "-c", str(HERE / f"{one}.c")) for one in WORLD
        }
        objects = _objects(made, jobs, Path(name))
        with new_file(path) as building:
            code, said = run([*made.command, "-nostdlib", "-r", "-no-pie", "-o", str(building),
                              *objects])  # fmt: skip
            if code:
                raise MissingPrerequisite(f"{made.name} cannot link: {said}", "is binutils there?")
    return path


def _objects(made: Compiler, jobs: Mapping[str, Sequence[str]], work: Path) -> list[str]:
    """Run all compilers at once; return the object files."""
    paths = [str(work / f"{one}.o") for one in jobs]
    with contextlib.ExitStack() as stack:
        try:
            started = [
                stack.enter_context(subprocess.Popen(
                    [*command, "-o", path], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT, text=True, errors="replace",
                    env={**os.environ, "LC_ALL": "C"},
                ))
                for path, command in zip(paths, jobs.values(), strict=True)
            ]  # fmt: skip
            for process in started:
                stack.callback(process.kill)
            said = [process.communicate(timeout=PATIENCE)[0] for process in started]
        except (OSError, subprocess.TimeoutExpired) as error:
            raise MissingPrerequisite(
                f"{made.name}: {error}", "is the compiler all there?"
            ) from None
    for process, text in zip(started, said, strict=True):
        if process.returncode:
            raise MissingPrerequisite(
                f"{made.name} cannot compile our runtime: {text.strip().splitlines()[:3]}",
                "gcc 11 or later, or clang 12 or later, is needed",
            )
    return paths


# -- a library -------------------------------------------------------------------------------


def build_library() -> Program:
    """Return the program that loads a shared library (its argument ``lib=``), built now or before.

    Raises ``MissingPrerequisite`` without a compiler.
    """
    made = compiler()
    base = (*made.command, *COMMON, *SIZES, "-Wall", "-Wextra")
    with _place() as directory:
        world = runtime(made, directory)
        path = directory / f"library-{_digest(world.name, *base)}"
        if path.exists():
            return Program(path, made.name)
        with tempfile.TemporaryDirectory(prefix="mmowner-") as name:
            jobs = {one: (*base, "-O2", "-c", str(HERE / f"{one}.c")) for one in LIBRARY}
            # No steps of its own: it has no loops, and a step outside of a host call is nobody's.
            watched = [flag for flag in flags_of(made) if "coverage" not in flag]
            jobs |= {one: (*base, "-O1", *watched, "-c", str(HERE / f"{one}.c"))
                     for one in LIBRARY_HOST}  # fmt: skip
            objects = _objects(made, jobs, Path(name))
            with new_file(path) as building:
                code, said = run([*made.command, "-no-pie", "-o", str(building), *objects,
                                  str(world), "-ldl"])  # fmt: skip
                if code:
                    raise MissingPrerequisite(
                        f"{made.name} cannot link: {said}", "is libc all there?"
                    )
                building.chmod(0o700)
    return Program(path, made.name)


# -- a candidate -----------------------------------------------------------------------------


class _Candidate:
    """One tree's code on its way to a program."""

    def __init__(self, source: Source, made: Compiler, pieces: Cut) -> None:
        self._source = source
        self._compiler = made
        self._cut = pieces
        self._stubs = Stubs()
        self.left_out: dict[str, str] = {}
        #: What is left out, and who needs it.
        self._dropped: set[str] = set()

    # what is compiled

    def text(self) -> str:
        pieces = [one for one in self._cut.pieces if one.owner or one.name not in self._dropped]
        return "".join((
            self._stubs.before(), '#include "kshim.h"\n', self._stubs.after(),
            Cut(tuple(pieces)).render(), self._glue(),
        ))  # fmt: skip

    def has(self, name: str) -> bool:
        return self._cut.has(name) and name not in self.left_out

    def _glue(self) -> str:
        lines = ['#line 1 "glue"', '#include "world.h"']
        if self.has("exit_mm"):
            piece = next(one for one in self._cut.pieces if one.name == "exit_mm")
            takes = "void)" not in piece.text.partition("{")[0].replace(" ", "")
            call = "exit_mm(task)" if takes else "(void)task; exit_mm()"
            lines.append(f"static void mmo_exit_mm(struct task_struct *task) {{ {call}; }}")
        members = {
            "init_owner": "mm_init_owner", "update_next_owner": "mm_update_next_owner",
            "clear_owner": "mm_clear_owner", "exec_mmap": "exec_mmap",
        }  # fmt: skip
        inits = [f".{field} = {name}," for field, name in members.items() if self.has(name)]
        if self.has("exit_mm"):
            inits.append(".exit_mm = mmo_exit_mm,")
        lines.append(f"const struct mmo_candidate mmo_candidate = {{ {' '.join(inits)} }};")
        return "\n".join(lines) + "\n"

    # what is missing

    def compile(self, target: Path) -> None:
        """Compile until nothing is missing any more.  Raises ``CallError``."""
        source = target.with_suffix(".c")
        for _ in range(ROUNDS):
            source.write_text(self.text(), encoding="utf-8", errors="surrogateescape")
            code, said = run([
                *self._compiler.command, *COMMON, "-O1", *QUIET, *CONFIG,
                *flags_of(self._compiler), f"-I{HERE}", "-c", str(source), "-o", str(target),
            ], cwd=target.parent)  # fmt: skip  # its name goes before those of the tree's files
            if not code:
                self._nothing_stubbed_in_owner_code()
                return
            self._learn(said)
        raise CallError(
            f"{self._source.name}: after {ROUNDS} attempts something is still missing in the code "
            "around the owner functions; please report it with the kernel's version"
        )

    def _learn(self, said: str) -> None:
        """Stub what can be stubbed; leave out what cannot; raise for owner code."""
        errors = diagnostics(said)
        if not errors:
            raise SuiteError(f"{self._compiler.name} failed and did not say where: {said[-2000:]}")
        new = False
        fresh: set[str] = set()
        declared: set[str] = set()
        for error in errors:
            pieces = [one for place in error.places if (one := self._cut.where(*place))]
            lines = [self._line(one, place) for place in error.places
                     if (one := self._cut.where(*place))]  # fmt: skip
            if not pieces and error.places[0][0] == "stubs":
                new |= self._stubs.refuse_found()
            if any(one.owner for one in pieces) or not pieces:
                continue
            missing = what_is_missing(error.text, lines[0])
            if missing is not None and missing.kind == "type":
                # What is declared with it is known as soon as the type is.
                declared.update(re.findall(r"\w+", lines[0].rpartition(missing.name)[2]))
            if missing is not None and missing.kind == "constant" and missing.name in declared:
                continue
            if missing is not None:
                new |= self._add(missing)
            elif self._stubs.retype(lines[-1], fresh):
                new = True
            else:
                new |= self._leave_out(pieces[-1], error.text, lines[-1])
        if not new:
            self._give_up(errors)

    def _nothing_stubbed_in_owner_code(self) -> None:
        """What stands in for code around must not stand in for the same name in owner code."""
        for missing in self._stubs.made:
            used = re.compile(
                rf"(?:->|\.)\s*{missing.name}\b" if missing.kind == "member" else
                rf"(?<![\w.>]){missing.name}\b"
            )  # fmt: skip
            for piece in self._cut.pieces:
                lines = mask(piece.text).split("\n") if piece.owner else []
                at = next((i for i, text in enumerate(lines) if used.search(text)), None)
                if at is not None:
                    raise CallError(
                        f"{self._source.name}: owner code uses {missing}, which is defined "
                        "nowhere; nothing in it is stubbed.\n  "
                        f"{self._line(piece, (piece.path, piece.line + at))}"
                    )

    def _add(self, missing: Missing) -> bool:
        """Take the tree's own definition if it has one that is no function, else a stub."""
        if missing.name in self._stubs.found:
            return False
        is_new = missing not in self._stubs.made
        if missing.kind == "struct" and is_new and (text := self._struct(missing.name)):
            self._stubs.found[missing.name] = text
            return True
        return self._stubs.add(missing)

    def _struct(self, name: str) -> str:
        for path in STRUCTS:
            for one in self._source.definitions(path):
                if one.name == name and one.kind == "struct":
                    return one.text
        return ""

    def _leave_out(self, piece: Piece, why: str, line: str) -> bool:
        """What cannot be compiled around is not run, nor is who calls it: ours is."""
        out = {piece.name}
        around = [one for one in self._cut.pieces if not one.owner]
        while callers := {
            one.name for one in around if one.name not in out and out.intersection(calls(one.text))
        }:
            out |= callers
        for name in AROUND:
            if name in out and self.has(name):
                self.left_out[name] = f"{line}: {why}"
        new = not out <= self._dropped
        self._dropped |= out
        return new

    def _line(self, piece: Piece, place: tuple[str, int]) -> str:
        lines = piece.text.split("\n")
        return quoted(place[0], place[1], lines[place[1] - piece.line])

    def _give_up(self, errors: Sequence[Diagnostic]) -> None:
        told: list[str] = []
        for error in errors:
            where = next(((one, place) for place in reversed(error.places)
                          if (one := self._cut.where(*place))), None)  # fmt: skip
            shown = self._line(*where) if where else f"{error.places[0][0]}:{error.places[0][1]}"
            told.append(f"{shown}\n    {error.text}")
        raise CallError(
            f"{self._source.name}: owner code does not compile; nothing in it is left out or "
            f"stubbed.\n  {in_words(told)}\n"
            + (
                "A patch alone has no more than its own lines: give its tree too, "
                "kernel:FILE.patch@TREE."
                if not self._source.whole
                else "A helper is looked for in the same file, in include/linux and below kernel, "
                "mm and fs. If the kernel itself compiles, a word is missing in our shim: please "
                "report the line."
            )
        )

    # what is linked

    def link(self, target: Path, objects: Sequence[Path]) -> None:
        """Link; functions that only code around calls do nothing."""
        made = target.with_suffix(".stubs.c")
        names: list[str] = []
        while True:
            made.write_text("".join(f"long {name}() {{ return 0; }}\n" for name in names))
            code, said = run([*self._compiler.command, *COMMON, "-no-pie", "-o", str(target),
                              *map(str, objects), str(made), "-ldl"])  # fmt: skip
            if not code:
                return
            lacking = [name for name in undefined(said) if name not in names]
            if not lacking:
                raise SuiteError(f"{self._compiler.name} cannot link: {said[-2000:]}")
            for name in lacking:
                owners = (one for one in self._cut.pieces if one.owner and one.name != name)
                user = next((one for one in owners if name in calls(one.text)), None)
                if user is not None:
                    at = next(i for i, text in enumerate(user.text.split("\n")) if name in text)
                    raise CallError(
                        f"{self._source.name}: {self._line(user, (user.path, user.line + at))}\n"
                        f"  owner code uses {name}, which is declared and defined nowhere"
                    )
                self._stubs.add(Missing("function", name))
            names += lacking

    def told(self) -> tuple[str, ...]:
        return tuple(self._stubs.told())


def cut_of(source: Source) -> Cut:
    """Return the owner code of *source* with what it needs beyond our shim.

    Raises ``CallError`` when a patch alone has not all of it.
    """
    pieces = cut(source, shim_names(), fallback_names())
    lacking = [name for name in ("mm_update_next_owner", "mm_init_owner") if not pieces.has(name)]
    if lacking:
        raise CallError(
            f"{source.name}: {' and '.join(lacking)} is not there as a whole. "
            + (
                "mm_init_owner() is looked for in kernel/fork.c; without it no mm gets an owner."
                if source.whole
                else "A patch alone must have all owner functions in its hunks: give its tree too, "
                "kernel:FILE.patch@TREE."
            )
        )
    return pieces


def build(source: Source) -> tuple[Program, Cut]:
    """Return the program that runs the owner code of *source*, built now or before, and the code.

    Raises ``CallError`` when the code does not compile, ``MissingPrerequisite`` without a
    compiler.
    """
    made = compiler()
    pieces = cut_of(source)
    candidate = _Candidate(source, made, pieces)
    with _place() as directory:
        world = runtime(made, directory)
        # Structs of the tree may stand in for what is missing, so they decide too.
        structs = [source.read(one) or "" for one in STRUCTS]
        name = _digest(candidate.text(), world.name, *structs, *COMMON, *QUIET, *CONFIG,
                       *flags_of(made))  # fmt: skip
        path = directory / f"kernel-{name}"
        notes = path.with_suffix(".json")
        if path.exists() and notes.exists():
            told = json.loads(notes.read_text())
            kept = Program(path, made.name, tuple(told["stubs"]), told["left_out"])
            return kept, pieces
        with tempfile.TemporaryDirectory(prefix="mmowner-") as work:
            target = Path(work) / "candidate.o"
            candidate.compile(target)
            with new_file(path) as building:
                candidate.link(Path(work) / "program", [target, world])
                building.write_bytes((Path(work) / "program").read_bytes())
                building.chmod(0o700)
        with new_file(notes) as writing:
            writing.write_text(
                json.dumps({"stubs": candidate.told(), "left_out": candidate.left_out})
            )
    return Program(path, made.name, candidate.told(), candidate.left_out), pieces
