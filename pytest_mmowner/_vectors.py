"""Test vectors: every transition of a scope with what is right to answer, as files.

For implementers without Python: a directory with programs and their answers, one case a line,
a manifest that says what they are, and the JSON Schema of both.  The same call writes the same
bytes.  ``docs/vectors.md`` tells the story; :mod:`._vectors_check` holds a directory to this.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b, sha256
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple, Union

import msgspec

from mmowner_reference import (
    DIALECTS,
    Answers,
    Bounds,
    Case,
    Graph,
    Op,
    Question,
    Walk,
    beyond,
    shortest_first,
)  # fmt: skip

from ._cache import texts
from ._graphs import planned
from ._protocol import OPERATIONS, UNREADABLE
from .errors import CallError

#: Version of the format; it changes when an old reader would misunderstand.
FORMAT: Final = 1
#: What can be asked; the answers to it are read off a world of a scope.
ASKS: Final = ("owner", "users", "state")
#: Cases go on along what is untried; or each is a shortest program to one transition.
ORDERS: Final = ("cases", "shortest")
#: The operations of a scope's alphabet.
WORDS: Final = (
    "clone", "exit", "exec", "reap", "hold", "put", "kthread", "use_mm", "unuse_mm",
)  # fmt: skip
#: The files of a directory; one that stands there half written has another name.
VECTORS, MANIFEST, SCHEMA, HALF = (
    "vectors.jsonl", "manifest.json", "vectors.schema.json", "vectors.jsonl.part",
)  # fmt: skip

Name = Annotated[int, msgspec.Meta(ge=1, description="the name of a task, an mm or a reference")]
Count = Annotated[int, msgspec.Meta(ge=0)]
#: Any operation, as the line protocol has it.
Operation: Any = Union[tuple(OPERATIONS[word] for word in WORDS)]  # noqa: UP007  the types are made at run time
#: The question, the mm or task that it is about, and what is right to answer.
Answer: Any = tuple[
    Literal[ASKS],  # type: ignore[valid-type]  # the words are above
    Name,
    int | Literal["live", "zombie", "gone"] | None,
]


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Vector(_Strict, frozen=True):
    """A line of vectors.jsonl: a program from the initial world on, and what is right after it."""

    id: Name
    ops: list[Operation]
    #: For each operation the sets of answers that are right after it, of which one must be
    #: given: none where nothing is asked, several where the kernel defines no order.
    answers: list[list[list[Answer]]]


class Scope(_Strict, frozen=True):
    """What may be there at once."""

    tasks: Name
    mms: Name
    refs: Count
    kthreads: Count


class Largest(_Strict, frozen=True):
    """What a reader with fixed arrays needs: bytes of a line with its end, operations, names."""

    line: Count = 0
    operations: Count = 0
    task: Count = 0
    mm: Count = 0
    ref: Count = 0


class File(_Strict, frozen=True):
    """The file with the cases."""

    name: str
    bytes: Count
    sha256: str


class Manifest(_Strict, frozen=True):
    """manifest.json: what the vectors are, and of which bytes they consist."""

    #: The version of this format.
    vectors: int
    #: The version of pytest-mmowner.
    suite: str
    dialect: str
    era: str
    scope: Scope
    #: Operations and clone flags (``clone:FLAG``) that no program has.
    without: list[str]
    asks: list[Literal[ASKS]]  # type: ignore[valid-type]  # the words are above
    order: Literal[ORDERS]  # type: ignore[valid-type]  # the words are above
    cases: Count
    operations: Count
    #: Asked about, each in one case; those with several right sets of answers; and those that
    #: are not tried, because there is no way to them that can be counted on.
    transitions: Count
    several: Count
    out_of_reach: Count
    largest: Largest
    #: Hash over the dialect and the modules that know its rules.
    rules: str
    file: File
    #: The call that makes the same again.
    command: str


@dataclass(frozen=True)
class Wanted:
    """What vectors to make."""

    dialect: str
    bounds: Bounds
    asks: tuple[str, ...] = ASKS
    order: str = "cases"

    @property
    def graph(self) -> Graph:
        """The worlds of the scope."""
        return planned(self.bounds, self.dialect)[0]

    @property
    def cases(self) -> Iterable[Case]:
        """The cases, in the order of their ids."""
        if self.order == "shortest":
            return shortest_first(self.graph)
        return planned(self.bounds, self.dialect)[1]

    @property
    def command(self) -> str:
        """The call, but for the directory."""
        numbers = str(self.bounds).strip("()")
        words = ["mmowner", "vectors", "--dialect", self.dialect, "--scope", numbers]
        if self.asks != ASKS:
            words += ["--asks", ",".join(self.asks)]
        if self.bounds.without:
            words += ["--without", ",".join(sorted(self.bounds.without))]
        if self.order != "cases":
            words += ["--order", self.order]
        return shlex.join(words)


class Line(NamedTuple):
    """A case as it stands in the file, and what it adds to the counts."""

    text: bytes
    ops: list[Op]
    transitions: int
    several: int


_encode = msgspec.json.Encoder().encode


def lines(wanted: Wanted) -> Iterator[Line]:
    """Yield the lines of vectors.jsonl, one at a time: there may be many."""
    graph = wanted.graph
    for number, case in enumerate(wanted.cases, 1):
        steps, right = Walk(graph).along(case, wanted.asks)
        ops = [step.op for step in steps]
        all_sets = [_sets(answers) for answers in right]
        text = b'{"id":%d,"ops":[%b],"answers":[%b]}\n' % (
            number, b",".join(map(_op, ops)),
            b",".join(b"[%b]" % b",".join(sets) for sets in all_sets),
        )  # fmt: skip
        yield Line(text, ops, case.fresh.bit_count(), sum(len(sets) > 1 for sets in all_sets))


# Cases share their operations and answers: each is written once.
@lru_cache(maxsize=1 << 16)
def _op(op: Op) -> bytes:
    return _encode(op.to_dict())


@lru_cache(maxsize=1 << 16)
def _answer(asked: Question, value: Any) -> bytes:
    return _encode((asked.ask, asked.name, value))


def _sets(right: Answers) -> list[bytes]:
    """Return the sets of answers after an operation; worlds that answer the same are one set."""
    sets = dict.fromkeys(
        b"[%b]" % b",".join(_answer(asked, value) for asked, value in answers.items())
        for answers in right if answers
    )  # fmt: skip
    return list(sets)


def make(directory: Path, wanted: Wanted) -> Manifest:
    """Write the vectors into *directory* and return their manifest.

    Raises ``CallError`` if something else is in it, or it cannot be written.  The manifest comes
    last: without it, or with another's, what an interrupted call left is refused.
    """
    _check_place(directory)
    half = directory / HALF
    try:
        directory.mkdir(parents=True, exist_ok=True)
        try:
            manifest = _write_cases(half, wanted)
            half.replace(directory / VECTORS)
        finally:
            half.unlink(missing_ok=True)
        _write(directory / SCHEMA, schema())
        _write(directory / MANIFEST, msgspec.to_builtins(manifest))
    except OSError as exc:
        raise CallError(f"{directory}: the vectors cannot be written: {exc}") from None
    return manifest


def _check_place(directory: Path) -> None:
    """Raise ``CallError`` unless *directory* is absent, empty, or holds vectors."""
    if not directory.exists():
        return
    if not directory.is_dir():
        raise CallError(f"{directory} is no directory; name one that is empty or not yet there")
    there = {path.name for path in directory.iterdir()} - {HALF}
    ours = False
    with suppress(OSError, *UNREADABLE):
        ours = "vectors" in msgspec.json.decode((directory / MANIFEST).read_bytes(), type=dict)
    if there and not ours:
        raise CallError(
            f"{directory} is not empty and holds no vectors (it has {min(there)}), so nothing was "
            "written; name a directory that is empty or not yet there"
        )


def _write_cases(path: Path, wanted: Wanted) -> Manifest:
    """Write the cases one by one; return the manifest that is true of them."""
    cases = operations = transitions = several = size = 0
    digest = sha256()
    largest = [0, 0]
    names = {"child": 1, "mm": 1, "ref": 0}
    with path.open("wb") as file:
        for line in lines(wanted):
            file.write(line.text)
            digest.update(line.text)
            cases += 1
            operations += len(line.ops)
            transitions += line.transitions
            several += line.several
            size += len(line.text)
            largest = [max(largest[0], len(line.text)), max(largest[1], len(line.ops))]
            for op in line.ops:
                for kind, most in names.items():
                    names[kind] = max(most, getattr(op, kind, None) or 0)
    bounds = wanted.bounds
    return Manifest(
        vectors=FORMAT, suite=version("pytest-mmowner"), dialect=wanted.dialect,
        era=DIALECTS[wanted.dialect].era,
        scope=Scope(bounds.tasks, bounds.mms, bounds.refs, bounds.kthreads),
        without=sorted(bounds.without), asks=list(wanted.asks), order=wanted.order,
        cases=cases, operations=operations, transitions=transitions, several=several,
        out_of_reach=beyond(wanted.graph), largest=Largest(*largest, *names.values()),
        rules=rules_of(wanted.dialect), file=File(VECTORS, size, digest.hexdigest()),
        command=wanted.command,
    )  # fmt: skip


def rules_of(dialect: str) -> str:
    """Return the hash over the rules of a dialect: equal where the answers were made alike."""
    what = f"{texts('_cases.py', '_walk.py')} {DIALECTS[dialect]!r}".encode()
    return blake2b(what, digest_size=16).hexdigest()


def _write(path: Path, document: Any) -> None:
    path.write_text(json.dumps(document, indent=2) + "\n", "utf-8")


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a line of vectors.jsonl, and of manifest.json."""
    made, components = msgspec.json.schema_components(
        [Vector, Manifest], ref_template="#/$defs/{name}"
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "pytest-mmowner vectors",
        "description": f"Format {FORMAT}. A line of {VECTORS}, or {MANIFEST}.",
        "anyOf": list(made),
        "$defs": components,
    }
