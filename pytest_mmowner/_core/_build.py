"""Compile the C core at its first use, and keep it in the cache (:mod:`.._cache`).

What is kept is named by everything that decides about it: the source, the compiler and its
version, the flags, the machine.  So nothing is ever out of date, and what another compiler or
version made lies beside it.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import re
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from .._cache import cache_directory, new_file
from .._compiler import compiler_command

SOURCE: Final = Path(__file__).with_name("core.c")
#: Whatever core.c includes of ours.
HEADERS: Final = (Path(__file__).with_name("world.h"),)
# -O3 was measured to be a fifth slower here.
FLAGS: Final = ("-std=c99", "-O2", "-shared", "-fPIC")
#: The interface that this package speaks with core.c.
ABI: Final = 1
#: Seconds that a compiler may take: it needs half of one.
PATIENCE: Final = 120


class CannotBuildError(Exception):
    """There is no C core here; the text says why, in a few words."""


class Compiler(NamedTuple):
    """A C compiler: its command, what it says of itself, and that in two words."""

    command: tuple[str, ...]
    version: str
    name: str


def load() -> tuple[ctypes.CDLL, Compiler]:
    """Return the C core, compiled now or before, and what compiled it.

    Raises :class:`CannotBuildError`.
    """
    compiler = find_compiler()
    directory = cache_directory()
    if directory is None:
        # For this process only: what is loaded stays loaded when its file is gone.
        try:
            with tempfile.TemporaryDirectory(prefix="mmowner-") as name:
                return _build(compiler, Path(name) / "core.so"), compiler
        except OSError as error:
            raise CannotBuildError(f"no directory to compile in: {error}") from error
    path = directory / f"core-{_digest(compiler)}.so"
    if path.exists():
        # A damaged one is made anew.
        with contextlib.suppress(CannotBuildError):
            return _open(path), compiler
    try:
        return _build(compiler, path), compiler
    except OSError as error:
        raise CannotBuildError(f"{directory}: {error}") from error


# -- the compiler ---------------------------------------------------------------------------


def find_compiler() -> Compiler:
    """Return ``$CC`` if that is set, which may have arguments, else the first that is there.

    Raises :class:`CannotBuildError`.
    """
    asked = os.environ.get("CC")
    try:
        command = compiler_command(asked)
    except ValueError as error:
        raise CannotBuildError(f"CC={asked}: {error}") from None
    if not command:
        raise CannotBuildError(f"no C compiler found{f' (CC={asked})' if asked else ''}")
    version = _run([*command, "--version"])
    return Compiler(command, version, _in_two_words(command[0], version))


def _in_two_words(path: str, version: str) -> str:
    """``gcc 12.2``, whatever the distribution calls it."""
    line = version.partition("\n")[0]
    name = Path(path).name
    if "clang" in line:
        name = "clang"
    elif "Free Software Foundation" in version:
        name = "gcc"
    found = re.search(r"\d+\.\d+", re.sub(r"\(.*?\)", "", line))
    return f"{name} {found[0]}" if found else name


def _run(command: Sequence[str]) -> str:
    """Run a compiler; return what it said.  Raises :class:`CannotBuildError` when it failed."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
            timeout=PATIENCE, check=False, env={**os.environ, "LC_ALL": "C"},
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotBuildError(f"{command[0]}: {error}") from error
    if done.returncode:
        said = done.stderr.strip() or f"exit code {done.returncode}"
        lines = said.splitlines()
        telling = next((line for line in lines if "error" in line), lines[-1])
        raise CannotBuildError(f"{command[0]} failed: {telling}")
    return done.stdout


# -- what it makes --------------------------------------------------------------------------


def compile_to(path: Path, compiler: Compiler, flags: Sequence[str] = FLAGS) -> None:
    """Compile the core to *path*, which appears in one step.

    Raises :class:`CannotBuildError`, and ``OSError`` when nothing can be written there.
    """
    with new_file(path) as building:
        _run([*compiler.command, *flags, "-o", str(building), str(SOURCE)])


def _build(compiler: Compiler, path: Path) -> ctypes.CDLL:
    compile_to(path, compiler)
    return _open(path)


def _open(path: Path) -> ctypes.CDLL:
    """Load a core.  Raises :class:`CannotBuildError` when it is none."""
    try:
        library = ctypes.CDLL(str(path))
        found = library.mmo_abi()
    except (OSError, AttributeError) as error:
        raise CannotBuildError(f"{path.name} cannot be loaded: {error}") from error
    if found != ABI:
        raise CannotBuildError(f"{path.name} is of another version")
    return library


def _digest(compiler: Compiler) -> str:
    digest = hashlib.sha256()
    parts = (*compiler.command, compiler.version, *FLAGS, os.uname().machine, str(ABI))
    digest.update("\0".join(parts).encode())
    for path in (SOURCE, *HEADERS):
        digest.update(b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]
