"""``mmowner vectors``: every transition of a scope with its right answers, for any language."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import msgspec

from mmowner_reference import DEFAULT, OPS, Bounds

from .._candidates.base import PARTS
from .._scopes import _fitted, parse_scope
from .._spec import dialect_of
from .._vectors import ASKS, ORDERS, WORDS, Manifest, Wanted, make
from ..errors import CallError, did_you_mean
from ._output import Output
from ._parser import DIALECT, DIRECTORY, Parser, add_json

#: A scope that a candidate in C goes through in a second.
SCOPE: Final = "4,3,1,1"


def add_commands(parser: Parser) -> None:
    """Add the command of this module."""
    command = parser.command(
        "vectors", vectors, "write programs with their right answers, for implementers without us",
        description=(
            "Write every transition of a scope with what is right to answer, as JSON Lines with a "
            "manifest and a schema (docs/vectors.md): whoever can read them needs neither Python "
            "nor this package. The same call writes the same bytes."
        ),
    )  # fmt: skip
    command.argument(
        "-o", metavar="DIR", dest="output", complete=DIRECTORY,
        help="the directory for them: new, empty, or one with vectors, which are replaced",
    )  # fmt: skip
    command.argument(
        "--check", metavar="DIR", complete=DIRECTORY,
        help="write nothing: are the vectors in DIR unaltered, and is every answer still right",
    )  # fmt: skip
    command.argument(
        "--dialect", metavar="NAME", default=DEFAULT, complete=DIALECT,
        help=f"a dialect or a release (default: {DEFAULT})",
    )  # fmt: skip
    command.argument(
        "--scope", metavar="N,M,R,K", default=SCOPE,
        help="at most N tasks (init included), M mms, R references to each and K kernel threads "
        f"(default: {SCOPE})",
    )  # fmt: skip
    command.argument(
        "--asks", metavar="ASKS", default="owner,users,state",
        help="what is asked, with commas (default: owner,users,state)",
    )  # fmt: skip
    command.argument(
        "--without", metavar="OPS", default="",
        help="leave out these operations and clone flags, with commas, as exec,clone:THREAD: for "
        "an implementation that lacks them",
    )  # fmt: skip
    command.argument(
        "--order", metavar="ORDER", default="cases", choices=ORDERS,
        help="cases go on along what is untried, or each is a shortest program to one transition "
        "(default: cases)",
    )  # fmt: skip
    add_json(command)


def vectors(args: argparse.Namespace, out: Output) -> int:
    """Write vectors, or check those that are there; what is wrong with them is raised."""
    if (args.output is None) == (args.check is None):
        raise CallError(
            "vectors: name one directory: -o DIR for vectors that are made, or --check DIR for "
            "vectors that are there"
        )
    return _make(args, out) if args.check is None else _check(args, out)


def _make(args: argparse.Namespace, out: Output) -> int:
    asks = tuple(_words("--asks", args.asks, ASKS))
    if not asks:
        raise CallError(f"vectors: --asks: ask something: {', '.join(ASKS)}")
    wanted = Wanted(
        dialect_of(args.dialect), bounds_of(args.scope, args.without), asks, args.order
    )  # fmt: skip
    manifest = make(Path(args.output), wanted)
    if out.as_json:
        out.json({"directory": args.output, "manifest": _plain(manifest)})
    else:
        _print(args, manifest, out)
    return 0


def _print(args: argparse.Namespace, manifest: Manifest, out: Output) -> None:
    scope = manifest.scope
    out.line(
        f"{args.output}: dialect {manifest.dialect}, scope ({scope.tasks},{scope.mms},{scope.refs},"
        f"{scope.kthreads}): {manifest.cases} cases, {manifest.operations} operations, "
        f"{manifest.transitions} transitions"
    )
    if manifest.without:
        out.line(f"without {', '.join(manifest.without)}, and what needs them")
    if manifest.out_of_reach:
        out.line(
            f"{manifest.out_of_reach} more transitions lie only behind an exec with several "
            "outcomes, and are not in it"
        )
    out.line(f"{manifest.file.name}: {manifest.file.bytes} bytes, SHA-256 {manifest.file.sha256}")


def _check(args: argparse.Namespace, out: Output) -> int:
    checking: Any = import_module("pytest_mmowner._vectors_check")
    try:
        checked = checking.check_vectors(Path(args.check))
    except checking.VectorsError as exc:
        if out.as_json:
            out.json({"directory": args.check, "ok": False, "why": str(exc)})
        raise
    manifest = checked.manifest
    if out.as_json:
        out.json({
            "directory": args.check, "ok": True, "otherwise": checked.otherwise,
            "manifest": _plain(manifest),
        })  # fmt: skip
        return 0
    out.line(
        f"{args.check}: unaltered, and every answer of {manifest.cases} cases is right in dialect "
        f"{manifest.dialect}", "green",
    )  # fmt: skip
    if checked.otherwise:
        out.line(
            f"{checked.otherwise} cases are others than this version writes (made by "
            f"pytest-mmowner {manifest.suite}); they were run, and are right too"
        )
    return 0


def _plain(manifest: Manifest) -> Any:
    return msgspec.to_builtins(manifest)


def bounds_of(scope: str, without: str) -> Bounds:
    """Return the scope that the options name, less what cannot be without what is left out.

    Raises ``CallError``.
    """
    try:
        bounds = parse_scope(scope)
    except CallError:  # it names another option
        raise CallError(
            f"vectors: --scope {scope}: write four numbers, tasks, mms, references and kernel "
            f"threads, as {SCOPE}; init and its mm are always there"
        ) from None
    lacks = set(_words("--without", without, (*OPS, "clone:VM", *PARTS)))
    if lacks & {"clone", "exit"}:
        raise CallError("vectors: --without: no owner ever changes without clone and exit")
    return _fitted(bounds, _of_scopes(lacks))


def _of_scopes(words: Iterable[str]) -> frozenset[str]:
    """Return those of *words* that a scope would have; the others are in no program anyway."""
    return frozenset(words) & {*WORDS, "clone:VM", "clone:THREAD", "clone:PARENT"}


def _words(option: str, text: str, known: Iterable[str]) -> list[str]:
    """Return the words of an option in the order of *known*.  Raises ``CallError``."""
    known = list(known)
    words = {word.strip() for word in text.split(",")} - {""}
    for word in sorted(words - set(known)):
        raise CallError(
            f"vectors: {option}: unknown {word!r}.{did_you_mean(word, known)} "
            f"Known are {', '.join(known)}"
        )
    return [word for word in known if word in words]
