"""``mmowner diff`` and ``mmowner hazards``: where dialects part, and what each breaks itself."""

from __future__ import annotations

import argparse

from .._differences import LENGTH, ORDERS, TASKS, dialect_named, find_parting
from .._differences_text import explain_parting, parting_data
from ..errors import CallError
from ._output import Output
from ._parser import DIALECT, Parser, add_json


def add_commands(parser: Parser) -> None:
    """Add the commands of this module."""
    diff = parser.command(
        "diff", diff_dialects, "the shortest program that two dialects answer differently",
        description=(
            "Show the shortest program on which two dialects disagree: drawn, with what each "
            "answers, the rule, and the commit that explains it. First about owners; if no "
            "program of the scope tells owners apart, about everything else that can be asked. "
            "A release, as uname -r prints it, stands for its dialect."
        ),
    )  # fmt: skip
    for place, name in (("first", "A"), ("second", "B")):
        diff.argument(
            place,
            metavar=name,
            complete=DIALECT,
            help="a dialect or a release, as 5.15.0-91-generic",
        )
    diff.argument(
        "--length", metavar="N", type=_count, default=LENGTH,
        help=f"search programs of up to N operations (default: {LENGTH}; each one more takes about "
        "eight times as long)",
    )  # fmt: skip
    diff.argument(
        "--tasks", metavar="N", type=_count, default=TASKS,
        help=f"in worlds of up to N tasks beside init (default: {TASKS})",
    )  # fmt: skip
    diff.argument(
        "--about", metavar="WHAT", choices=[word for word in ORDERS if word],
        help="look for differences only about owners, or about all answers at once",
    )  # fmt: skip
    add_json(diff)
    hazards = parser.command(
        "hazards", show_hazards, "which safety rules a dialect breaks by itself",
        description=(
            "Show which rules a dialect breaks by itself, each with a shortest program; and of "
            "those that other dialects break, how far was searched without finding one."
        ),
    )  # fmt: skip
    hazards.argument("dialect", metavar="DIALECT", complete=DIALECT, help="a dialect or a release")
    add_json(hazards)


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError
    return value


def _named(name: str, out: Output) -> str:
    """Return the dialect that was meant; say so where it was not called by its name."""
    dialect, note = dialect_named(name)
    if note and not out.as_json:
        out.line(note)
    return dialect


def diff_dialects(args: argparse.Namespace, out: Output) -> int:
    """Search for a difference and print it."""
    first, second = (dialect_named(name)[0] for name in (args.first, args.second))
    if first == second:
        raise CallError(
            f"diff: {args.first} and {args.second} are the same dialect, {first}: there is no "
            "difference in the rules. Name two dialects; mmowner list dialects shows which kernels "
            "each stands for"
        )
    for name in (args.first, args.second):
        _named(name, out)
    parting = find_parting(first, second, args.length, args.tasks, args.about)
    if out.as_json:
        out.json({"asked": [args.first, args.second], **parting_data(parting)})
        return 0
    headline, *lines = explain_parting(parting)
    out.line(headline, "bold")
    for line in lines:
        out.line(line)
    return 0


def show_hazards(args: argparse.Namespace, out: Output) -> int:
    """Search for the hazards of a dialect and print them."""
    from .._hazard_table import hazard_rows, hazard_text  # noqa: PLC0415  it loads the suite

    dialect = _named(args.dialect, out)
    rows = hazard_rows(dialect)
    if out.as_json:
        out.json({"asked": args.dialect, "dialect": dialect, "hazards": [r.data() for r in rows]})
        return 0
    for style, line in hazard_text(dialect, rows):
        out.line(line, style)
    return 0
