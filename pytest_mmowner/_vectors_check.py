"""Holds a directory of vectors to its manifest, and its answers to this version's rules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final

import msgspec

from mmowner_reference import (
    DIALECTS,
    Bounds,
    IllegalOperation,
    Kernel,
    OpError,
    Oracle,
    Question,
    expected,
    op_from_dict,
)  # fmt: skip

from ._protocol import UNREADABLE
from ._vectors import FORMAT, MANIFEST, VECTORS, Line, Manifest, Vector, Wanted, lines
from .errors import CallError, MMOwnerError

#: How much of a file is read at once.
CHUNK: Final = 1 << 20

_vector = msgspec.json.Decoder(Vector).decode


class VectorsError(MMOwnerError):
    """Vectors that are not what their manifest says, or whose answers are not right."""


@dataclass(frozen=True)
class Checked:
    """What was found: nothing wrong."""

    manifest: Manifest
    #: Cases that this version would write otherwise; their answers are right too.
    otherwise: int


def check_vectors(directory: Path) -> Checked:
    """Check the vectors in *directory*: bytes, counts, and every answer.

    Raises ``CallError`` if there are none, and :class:`VectorsError` with what is wrong.
    """
    manifest = _manifest(directory / MANIFEST)
    path = directory / VECTORS
    try:
        _check_bytes(path, manifest)
        with path.open("rb") as file:
            cases, operations, otherwise = _check_lines(path, file, manifest)
    except OSError as exc:
        raise VectorsError(f"{path}: it cannot be read: {exc}; make the vectors again") from None
    for what, found, said in (
        ("cases", cases, manifest.cases), ("operations", operations, manifest.operations),
    ):  # fmt: skip
        if found != said:
            raise VectorsError(
                f"{path}: it has {found} {what}, and {MANIFEST} says {said}; somebody altered one "
                "of them. Make the vectors again"
            )
    return Checked(manifest, otherwise)


def _manifest(path: Path) -> Manifest:
    try:
        text = path.read_bytes()
    except OSError as exc:
        raise CallError(
            f"{path}: it cannot be read: {exc.strerror}; `mmowner vectors -o {path.parent}` makes "
            "vectors"
        ) from None
    try:
        found = msgspec.json.decode(text, type=dict).get("vectors")
        if isinstance(found, int) and found != FORMAT:
            raise VectorsError(
                f"{path}: vectors of format {found}, this version of pytest-mmowner reads {FORMAT};"
                " take the version that wrote them, or make them again"
            )
        manifest = msgspec.json.decode(text, type=Manifest)
    except UNREADABLE as exc:
        raise VectorsError(f"{path}: no manifest of vectors: {exc}; make them again") from None
    if manifest.dialect not in DIALECTS:
        raise VectorsError(
            f"{path}: unknown dialect {manifest.dialect!r}; known are {', '.join(DIALECTS)}. "
            "Take the version that wrote the vectors"
        )
    return manifest


def _check_bytes(path: Path, manifest: Manifest) -> None:
    digest = sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    size, said = path.stat().st_size, manifest.file
    if size != said.bytes:
        raise VectorsError(
            f"{path}: cut off or altered: it has {size} bytes, and {MANIFEST} says {said.bytes}. "
            "Copy or make it again"
        )
    if digest.hexdigest() != said.sha256:
        raise VectorsError(
            f"{path}: altered: its SHA-256 is not that of {MANIFEST}. Copy or make it again"
        )


def _check_lines(path: Path, file: Any, manifest: Manifest) -> tuple[int, int, int]:
    """Return how many cases and operations there are, and how many cases are not as we write them.

    A line that is as we would write it is right; only another one is run.
    """
    cases = operations = otherwise = 0
    for text, ours in zip_longest(file, _ours(manifest)):
        if text is None:
            break
        cases += 1
        if ours is not None and text == ours.text:
            operations += len(ours.ops)
            continue
        otherwise += 1
        try:
            vector = _vector(text)
            operations += len(vector.ops)
            wrong = _wrong(vector, manifest.dialect)
        except (*UNREADABLE, OpError) as exc:
            wrong = f"no case: {exc}"
        except IllegalOperation as exc:
            wrong = f"no legal program in {manifest.dialect}: {exc}"
        if wrong:
            raise VectorsError(
                f"{path}:{cases}: {wrong}. Made by pytest-mmowner {manifest.suite}; make the "
                "vectors again"
            )
    return cases, operations, otherwise


def _ours(manifest: Manifest) -> Iterator[Line]:
    """Yield the lines that the call in the manifest writes today."""
    scope = manifest.scope
    bounds = Bounds(
        scope.tasks, scope.mms, scope.refs, scope.kthreads, frozenset(manifest.without)
    )  # fmt: skip
    return lines(Wanted(manifest.dialect, bounds, tuple(manifest.asks), manifest.order))


def _wrong(vector: Vector, dialect: str) -> str:
    """Run a case; return what is wrong with its answers, or nothing."""
    if len(vector.answers) != len(vector.ops):
        return f"{len(vector.ops)} operations and {len(vector.answers)} lists of answers"
    oracle = Oracle(dialect)
    for number, (fields, said) in enumerate(zip(vector.ops, vector.answers, strict=True), 1):
        op = op_from_dict(msgspec.to_builtins(fields))
        oracle.do(op)
        found = _wrong_sets(oracle.worlds, said) if said else ""
        if found:
            return f"case {vector.id}, after {op} (operation {number}): {found}"
    return ""


def _wrong_sets(worlds: Sequence[Kernel], said: Sequence[Sequence[Any]]) -> str:
    """Return what is wrong: a set that no world answers, or a world that no set has."""
    for answers in said:
        for answer in answers:
            if not any(_fits(world, *answer) for world in worlds):
                return _shown(worlds, answer)
        if not any(all(_fits(world, *answer) for answer in answers) for world in worlds):
            return "each answer of a set is right by this version's rules, but not together"
    missing = sum(
        not any(all(_fits(world, *answer) for answer in answers) for answers in said)
        for world in worlds
    )
    return f"{missing} outcomes of this version's rules are in no set" if missing else ""


def _fits(world: Kernel, ask: str, name: int, value: Any) -> bool:
    # There is no question about an mm that is no more; every task has a state.
    return (ask == "state" or name in world.mms) and _right(world, ask, name) == value


def _right(world: Kernel, ask: str, name: int) -> Any:
    return expected(world, Question(ask, name))


def _shown(worlds: Sequence[Kernel], answer: Any) -> str:
    ask, name, value = answer
    right = [_right(world, ask, name) for world in worlds if ask == "state" or name in world.mms]
    allowed = " or ".join(_json(one) for one in dict.fromkeys(right)) or "there is no such mm"
    return f"{Question(ask, name)} is {_json(value)}, and {allowed} by this version's rules"


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
