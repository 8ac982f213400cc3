"""What an exploration on a cluster keeps: worlds, in files of a directory that all workers see.

A file is a function of other files, its worlds are sorted, and it is written beside and
renamed.  So a task whose worker dies is run again by another worker, a task that runs twice
writes the same bytes twice, and what is complete after a level is enough to go on.
"""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Final, NamedTuple, TypeVar
from zlib import crc32

import msgspec

from mmowner_reference import Bounds, Dialect
from mmowner_reference._compact import Limits, Rulebook, first_world, steps
from mmowner_reference._graph import limits_of

from ._cache import new_file, texts
from .errors import CallError

#: Worlds of one piece at most: what is done again when a worker dies.
_PIECE: Final = 50_000
_T = TypeVar("_T")
_RUN: Final = "run.json"


class Piece(msgspec.Struct, frozen=True, array_like=True):
    """Worlds of one shard: a part of a file, whose name is relative to the directory."""

    shard: int
    file: str
    at: int
    size: int
    worlds: int
    digest: str


class Level(msgspec.Struct, frozen=True):
    """The worlds that a number of operations leads to, and the transitions before them."""

    transitions: int
    pieces: tuple[Piece, ...]

    @property
    def worlds(self) -> int:
        """How many worlds were met first on this level."""
        return sum(piece.worlds for piece in self.pieces)


class Run(msgspec.Struct, frozen=True):
    """What a directory holds: an exploration in words, its rules, its number of shards."""

    what: str
    rules: str
    shards: int


class Job(NamedTuple):
    """What each task of an exploration is given."""

    directory: str
    rules: str
    shards: int
    limits: Limits
    book: Rulebook


def _texts() -> str:
    """The digest of the modules that decide: every worker must have the same."""
    return texts(also=(Path(__file__),))


def _digest(data: bytes) -> str:
    return blake2b(data, digest_size=16).hexdigest()


# -- what workers do -----------------------------------------------------------------------


def expand(job: Job, pieces: Sequence[Piece], name: str) -> tuple[int, list[Piece]]:
    """Write what the worlds of *pieces* lead to, by shard; return transitions and candidates.

    Raises :class:`CallError` when this worker has other rules or does not see the files.
    """
    if _texts() != job.rules:
        raise CallError(
            f"explore: {platform.node()} has other rules: "
            "install the same version of pytest-mmowner on every worker"
        )
    found: list[set[bytes]] = [set() for _ in range(job.shards)]
    transitions = 0
    for piece in pieces:
        for world in read(job.directory, piece):
            for _, ends in steps(world, job.limits, job.book):
                transitions += len(ends)
                for end, _ in ends:
                    found[_shard(end, job.shards)].add(end)
    return transitions, write(job.directory, name, enumerate(found))


def sift(job: Job, work: Sequence[tuple[list[Piece], list[Piece]]], name: str) -> list[Piece]:
    """Write the new worlds of some shards; *work* has candidates and earlier worlds of each.

    Earlier worlds are only gone through: what is in memory at once is the candidates of a
    shard, whatever the size of the whole.
    """
    new: list[tuple[int, set[bytes]]] = []
    for candidates, earlier in work:
        worlds: set[bytes] = set()
        for piece in candidates:
            worlds.update(read(job.directory, piece))
        for piece in earlier:
            worlds.difference_update(read(job.directory, piece))
        new.append((candidates[0].shard, worlds))
    return write(job.directory, name, new)


def verify(job: Job, pieces: Sequence[Piece]) -> None:
    """Read *pieces*.  Raises :class:`CallError` for the first that is missing or damaged."""
    for piece in pieces:
        read(job.directory, piece)


def _shard(world: bytes, shards: int) -> int:
    # Not hash(): that of bytes is another one in each process.
    return crc32(world) % shards


def read(directory: str, piece: Piece) -> list[bytes]:
    """Return the worlds of *piece*.  Raises :class:`CallError` if they are not what was written."""
    path = Path(directory, piece.file)
    try:
        with path.open("rb") as file:
            file.seek(piece.at)
            data = file.read(piece.size)
    except OSError as error:
        raise CallError(
            f"explore: {platform.node()} cannot read {path} ({error.strerror}). Every worker must "
            "see the directory of --checkpoint, and only one exploration at a time may use it"
        ) from None
    if _digest(data) != piece.digest:
        raise _damaged(path)
    return msgspec.msgpack.decode(data, type=list[bytes])


def write(directory: str, name: str, shards: Iterable[tuple[int, Iterable[bytes]]]) -> list[Piece]:
    """Write the worlds of *shards* into the file *name*; return the pieces that it consists of."""
    data, pieces, at = [], [], 0
    for shard, unordered in shards:
        worlds = sorted(unordered)
        for start in range(0, len(worlds), _PIECE):
            part = worlds[start : start + _PIECE]
            packed = msgspec.msgpack.encode(part)
            pieces.append(Piece(shard, name, at, len(packed), len(part), _digest(packed)))
            data.append(packed)
            at += len(packed)
    if data:
        _replace(Path(directory, name), b"".join(data))
    return pieces


def _replace(path: Path, data: bytes) -> None:
    """Write a file in one step; what survives a crash of the machine is all of it or nothing."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with new_file(path) as beside, beside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise CallError(
            f"explore: {platform.node()} cannot write {path} ({error.strerror}). --checkpoint "
            "must be a directory with room that every worker may write; then the same call goes on"
        ) from None


# -- what is complete ----------------------------------------------------------------------


class Checkpoint:
    """The levels that are complete in a directory."""

    def __init__(self, directory: Path, bounds: Bounds, dialect: Dialect, shards: int) -> None:
        """Begin in an empty or new *directory*, or go on with what it holds.

        Raises :class:`CallError` if it holds something else, or if its records are damaged.
        """
        limits, book = limits_of(bounds), Rulebook.of(dialect)
        what = f"scope {bounds}, dialect {dialect.name}"
        if bounds.without or not bounds.orders:
            what += f", without {sorted(bounds.without)}, orders {bounds.orders}"
        rules = _digest(f"{_texts()} {limits!r} {book!r}".encode())
        # Workers see it by the same name, wherever they were started.
        self.directory = directory.absolute()
        self.levels: list[Level] = []
        run = self._run(Run(what, rules, shards))
        self.shards = run.shards
        self.job = Job(str(self.directory), _texts(), run.shards, limits, book)
        if not self.levels:
            start = first_world(bounds.kthreads, book)
            first = [(_shard(start, run.shards), [start])]
            self.add(0, write(self.job.directory, self.name(0, "first"), first))

    def _run(self, ours: Run) -> Run:
        path = self.directory / _RUN
        if not path.exists():
            if self.directory.is_dir() and any(self.directory.iterdir()):
                raise CallError(
                    f"explore: {self.directory} holds something that is no exploration: "
                    "give --checkpoint an empty directory, or a new one"
                )
            _record(path, ours)
            return ours
        run = _recorded(path, Run)
        if run.what != ours.what:
            raise CallError(
                f"explore: {self.directory} holds another exploration ({run.what}): "
                "give --checkpoint another directory"
            )
        if run.rules != ours.rules:
            raise CallError(
                f"explore: {self.directory} was begun by another version of pytest-mmowner or "
                "with other rules: go on with that version, or give --checkpoint another directory"
            )
        while (path := self._path(len(self.levels))).exists():
            self.levels.append(_recorded(path, Level))
        return run

    def add(self, transitions: int, pieces: Sequence[Piece]) -> Level:
        """Keep a level that is complete: from here on it is never done again."""
        level = Level(transitions, tuple(pieces))
        _record(self._path(len(self.levels)), level)
        self.levels.append(level)
        for left in self.directory.glob("work-*"):
            shutil.rmtree(left, ignore_errors=True)
        return level

    def name(self, number: int, what: str) -> str:
        """Return the name of a file that belongs to level *number*."""
        return f"level-{number:03}/{what}"

    def work_name(self, number: int, what: str) -> str:
        """Return the name of a file that is needed until level *number* is complete."""
        return f"work-{number:03}/{what}"

    def _path(self, number: int) -> Path:
        return self.directory / f"level-{number:03}.json"


def _record(path: Path, value: msgspec.Struct) -> None:
    body = msgspec.json.encode(value)
    _replace(path, _digest(body).encode() + b"\n" + body + b"\n")


def _recorded(path: Path, kind: type[_T]) -> _T:
    try:
        digest, _, body = path.read_bytes().partition(b"\n")
        body = body.removesuffix(b"\n")
        if _digest(body).encode() == digest:
            return msgspec.json.decode(body, type=kind)
    except OSError as error:
        raise CallError(
            f"explore: cannot read {path} ({error.strerror}): give --checkpoint a directory that "
            "may be read"
        ) from None
    raise _damaged(path)


def _damaged(path: Path) -> CallError:
    return CallError(
        f"explore: {path} is damaged: it does not hold what was written there. "
        "Explore again, into another directory"
    )
