"""The line protocol of ``cmd:`` candidates: its messages as types, and their JSON Schema.

The types are made from the operation alphabet, so that a new operation is in the
protocol and in its documents without another line.  ``docs/protocol.md`` tells the story.
"""

from __future__ import annotations

from inspect import cleandoc
from typing import Annotated, Any, Literal

import msgspec

from mmowner_reference import ASKS, FAIL_POINTS, FLAGS, KINDS, OPS, Op, Question, field_names

#: Version of the protocol; it changes when an old candidate would misunderstand.
PROTOCOL = 1

Name = Annotated[int, msgspec.Meta(ge=1, description="a name that the suite chose")]


class Start(msgspec.Struct, tag_field="op", tag="start"):
    """The first request."""

    seq: int
    protocol: int
    suite: str
    dialect: str


class Reset(msgspec.Struct, tag_field="op", tag="reset"):
    """Go to the initial world."""

    seq: int


class Stop(msgspec.Struct, tag_field="op", tag="stop"):
    """Answer and exit."""

    seq: int


class Ask(msgspec.Struct, omit_defaults=True):
    """A question."""

    seq: int
    ask: Literal[ASKS]  # type: ignore[valid-type]  # the words come from the oracle
    mm: Name | None = None
    task: Name | None = None


class StartAnswer(msgspec.Struct):
    """Who the candidate is and what it can show.  Other fields are kept as details."""

    seq: int
    protocol: int
    name: str
    capabilities: list[str]
    version: str = ""
    language: str = ""
    dialect: str | None = None
    without: list[str] = []
    homepage: str = ""
    issues: str = ""
    notes: str | list[str] = ""


class Answer(msgspec.Struct):
    """The answer to everything else; exactly one of the fields after ``seq`` is there."""

    seq: int
    ok: bool | None = None
    answer: Any = msgspec.UNSET
    answers: list[list[Any]] | None = None
    refused: str | None = None
    untestable: str | None = None
    error: str | None = None


def _field_type(word: str, field: str) -> tuple[str, Any, Any] | tuple[str, Any]:
    kind = KINDS[field]
    if kind == "flags":
        flag: Any = Literal[FLAGS]
        return (field, list[flag])
    if field == "at":
        return (field, Literal[FAIL_POINTS])
    if kind == "word":
        return (field, str)
    if field in ("mm", "ref") and word in ("clone", "clone_fails"):
        return (field, Name | msgspec.UnsetType, msgspec.UNSET)
    return (field, Name)


def _operation_type(word: str, cls: type[Op]) -> Any:
    fields = sorted(
        (_field_type(word, field) for field in field_names(cls)), key=len
    )  # required ones first
    title = "".join(part.capitalize() for part in word.split("_"))
    return msgspec.defstruct(
        title, [*fields, ("seq", int | msgspec.UnsetType, msgspec.UNSET)],
        tag_field="op", tag=word, namespace={"__doc__": cleandoc(cls.__doc__ or "")},
    )  # fmt: skip


#: One message type for each operation, by its word.
OPERATIONS: dict[str, Any] = {word: _operation_type(word, cls) for word, cls in OPS.items()}


class Program(msgspec.Struct, tag_field="op", tag="program"):
    """A whole program: ``asks[i]`` are the questions after ``ops[i]``."""

    seq: int
    ops: list[dict[str, Any]]
    asks: list[list[dict[str, Any]]]


_encode = msgspec.json.Encoder().encode
_answer = msgspec.json.Decoder(Answer).decode
_started = msgspec.json.Decoder(StartAnswer).decode
_anything = msgspec.json.Decoder().decode

#: What decoding a stranger's line can raise.
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
UNSET = msgspec.UNSET


def encode(message: Any) -> bytes:
    """Return a request as one line."""
    return _encode(message) + b"\n"


def operation(op: Op, seq: int) -> dict[str, Any]:
    """Return the request for an operation."""
    return {"seq": seq, **op.to_dict()}


def question(asked: Question, seq: int | None = None) -> dict[str, Any]:
    """Return the request for a question; without *seq*, as inside a program."""
    message: dict[str, Any] = {} if seq is None else {"seq": seq}
    message["ask"] = asked.ask
    if asked.name is not None:
        message["task" if asked.ask == "state" else "mm"] = asked.name
    return message


def decode_answer(line: bytes) -> Answer:
    """Read an answer.  Raises ``msgspec.DecodeError`` (its text says what is wrong)."""
    return _answer(line)


def decode_start(line: bytes) -> tuple[StartAnswer, dict[str, Any]]:
    """Read the answer to ``start``, and everything in it that is no field of ours."""
    answer = _started(line)
    known = set(StartAnswer.__struct_fields__)
    return answer, {key: value for key, value in _anything(line).items() if key not in known}


def schema() -> dict[str, Any]:
    """Return the JSON Schema of all messages: ``request`` and ``answer`` under ``$defs``."""
    requests = [Start, Reset, Stop, Program, *OPERATIONS.values(), Ask]
    answers = [StartAnswer, Answer]
    made, components = msgspec.json.schema_components(
        [*requests, *answers], ref_template="#/$defs/{name}"
    )
    split = len(requests)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "pytest-mmowner line protocol",
        "description": f"Version {PROTOCOL}. A line is a request or an answer.",
        "anyOf": [{"$ref": "#/$defs/request"}, {"$ref": "#/$defs/answer"}],
        "$defs": {
            "request": {"anyOf": list(made[:split])},
            "answer": {"anyOf": list(made[split:])},
            **components,
        },
    }
