"""``mmowner list`` and ``mmowner explain``: what there is, and what it means."""

from __future__ import annotations

import argparse
import textwrap
from typing import Any

from mmowner_reference import DIALECTS, format_program

from .._hazards import describe_hazard, find_hazard
from .._requirements import LEVELS, MARKS, Requirement, requirements
from .._search_order import order_drawing, said, search_order, stage_lines
from .._spec import dialect_of
from ..errors import CallError, did_you_mean
from ..zoo import MUTANTS
from . import _subjects as subjects
from ._output import Output
from ._parser import DIALECT, SUBJECT, Parser, add_json

WIDTH = 96


def add_commands(parser: Parser) -> None:
    """Add the commands of this module."""
    listing = parser.command(
        "list", list_things, "list requirements, dialects, mutants, candidates"
    )
    listing.argument(
        "what", nargs="?", default="requirements", metavar="WHAT", choices=list(LISTS),
        help="what to list (default: requirements)",
    )  # fmt: skip
    listing.argument(
        "--level", metavar="LEVEL", choices=list(LEVELS), help="only requirements of this level"
    )
    listing.argument(
        "--dialect", metavar="NAME", complete=DIALECT,
        help="only what concerns this dialect: requirements that hold or are hazards, mutants",
    )  # fmt: skip
    add_json(listing)
    explain = parser.command(
        "explain", explain_thing, "explain a requirement, a dialect or a mutant"
    )
    explain.argument(
        "name", metavar="ID", complete=SUBJECT, help="as SEARCH-01, 6.11 or siblings-first"
    )
    add_json(explain)


# -- list -------------------------------------------------------------------------------------


def list_things(args: argparse.Namespace, out: Output) -> int:
    """List what was asked for."""
    if args.dialect is not None:
        args.dialect = dialect_of(args.dialect)
    if args.level and args.what != "requirements":
        raise CallError(f"list: {args.what} have no level; --level is for requirements")
    if args.dialect and args.what in ("dialects", "candidates"):
        raise CallError(f"list: --dialect says nothing about {args.what}")
    return LISTS[args.what](args, out)


def _requirements(args: argparse.Namespace, out: Output) -> int:
    rules = [
        rule for rule in requirements().values()
        if args.level in (None, rule.level)
        and (args.dialect is None or args.dialect in rule.dialects or args.dialect in rule.hazards)
    ]  # fmt: skip
    if out.as_json:
        out.json([subjects.requirement_data(rule) for rule in rules])
    else:
        out.table(
            ["id", "level", "dialects", "text"],
            [[rule.id, rule.level, _where(rule), rule.text] for rule in rules],
        )
    return 0


def _where(rule: Requirement) -> str:
    return ",".join([*subjects.dialects_of(rule), *(f"{name}(hazard)" for name in rule.hazards)])


def _dialects(args: argparse.Namespace, out: Output) -> int:
    rows = [subjects.dialect_data(name) for name in DIALECTS]
    if out.as_json:
        out.json(rows)
    else:
        out.table(["name", "requirements", "hazards", "kernels"], [
            [row["name"], str(row["requirements"]), str(row["hazards"]),
             f"{row['era']}{' (default)' if row['default'] else ''}"]
            for row in rows
        ])  # fmt: skip
    return 0


def _mutants(args: argparse.Namespace, out: Output) -> int:
    rows = [subjects.mutant_data(name) for name in MUTANTS]
    rows = [row for row in rows if args.dialect in (None, row["dialect"])]
    if out.as_json:
        out.json(rows)
    else:
        out.table(
            ["name", "dialect", "what is wrong"],
            [[row["name"], row["dialect"], row["text"]] for row in rows],
        )
    return 0


def _candidates(args: argparse.Namespace, out: Output) -> int:
    kinds, broken = subjects.candidate_data()
    if out.as_json:
        out.json({"candidates": kinds, "broken": broken})
    else:
        out.table(
            ["kind", "from", "written as"],
            [[row["kind"], row["by"], row["spelling"]] for row in kinds],
        )
        for text in broken:
            out.line(f"broken: {text}", "red")
    return 0


LISTS = {
    "requirements": _requirements, "dialects": _dialects, "mutants": _mutants,
    "candidates": _candidates,
}  # fmt: skip


# -- explain ----------------------------------------------------------------------------------


def explain_thing(args: argparse.Namespace, out: Output) -> int:
    """Explain a requirement, a dialect or a mutant."""
    name = args.name.removeprefix("mutant:")
    if name in requirements():
        data, text = _explain_requirement(requirements()[name])
    elif name in DIALECTS:
        data, text = _explain_dialect(name)
    elif name in MUTANTS:
        data, text = _explain_mutant(name)
    else:
        known = list(subjects.everything())
        right = [each for each in known if each.lower() == name.lower()]
        hint = did_you_mean(right[0] if right else name, known)
        raise CallError(
            f"nothing is called {args.name!r}.{hint} A requirement, a dialect or a mutant can be "
            "explained; mmowner list shows them"
        )
    if out.as_json:
        out.json(data)
    else:
        out.line(text[0], "bold")
        for line in text[1:]:
            out.line(line)
    return 0


def _explain_requirement(rule: Requirement) -> tuple[dict[str, Any], list[str]]:
    tests, hazards = subjects.tests_of(rule.id)
    shown = [
        (name, program, describe_hazard(rule, hazard, name, program))
        for hazard in hazards for name in rule.hazards if name in hazard.present
        for program in [find_hazard(name, hazard)]
    ]  # fmt: skip
    data = {
        "kind": "requirement", **subjects.requirement_data(rule), "tests": tests,
        "hazard_programs": [
            {"dialect": name, "program": [op.to_dict() for op in program],
             "text": format_program(program)}
            for name, program, _ in shown
        ],
    }  # fmt: skip
    text = [f"{rule.id} [{rule.level}]", *_wrapped(rule.text), ""]
    text += _wrapped(f"source: {rule.source}")
    text.append(f"how sure: {rule.mark}, {MARKS[rule.mark]}")
    text.append(f"dialects: {', '.join(subjects.dialects_of(rule)) or 'none'}")
    for name, why in rule.hazards.items():
        text += _wrapped(f"hazard: {name} itself breaks it ({why}); no fault of a candidate")
    for _, _, described in shown:
        text += ["", *(f"  {line}" for line in described.splitlines())]
    if rule.untested:
        text += ["", *_wrapped(f"no test of this suite can show it: {rule.untested}")]
    if rule.observation:
        text += ["", "nobody is judged by it: what a candidate does is told, and no more"]
    if tests:
        text += ["", "tests (run one with: mmowner run SPEC -- -k NAME):"]
        text += [f"  {test}" for test in tests]
    if rule.random:
        text.append("  and random programs: it is held against every answer that it decides")
    return data, text


def _explain_dialect(name: str) -> tuple[dict[str, Any], list[str]]:
    changes = subjects.changes_up_to(name)
    data = {"kind": "dialect", **subjects.dialect_data(name), "changes": changes}
    text = [
        f"{name}: {data['era']}{' (default)' if data['default'] else ''}",
        f"requirements that hold: {data['requirements']}; hazards: {data['hazards']}",
        f"mutants: {', '.join(m for m, cls in MUTANTS.items() if cls.base == name) or 'none'}",
        "",
    ]
    if not changes:
        text.append("no change: nothing is older, or nothing of the rules is left")
    else:
        text.append("what changed since the dialect before:")
    for change in changes:
        sets = ", ".join(f"{key} = {value!r}" for key, value in change["sets"].items())
        text += _wrapped(f"- {change['version']}: {change['text']}", "  ")
        text += _wrapped(f"commit {change['commit']}; {sets}", "    ")
    text += ["", "who is asked when (docs/dialects.md):"]
    if DIALECTS[name].owner:
        text += [f"  {line}" for line in order_drawing(name)]
    text += [f"  {line}" for line in (*stage_lines(name), *said(name))]
    text += ["", "what it breaks by itself: mmowner hazards " + name]
    data["asked"] = [{"stage": asked.stage, "task": asked.task} for asked in search_order(name)]
    return data, text


def _explain_mutant(name: str) -> tuple[dict[str, Any], list[str]]:
    data = {"kind": "mutant", **subjects.mutant_data(name)}
    text = [
        f"mutant:{name}, claims to be {data['dialect']}",
        *_wrapped(data["text"]),
        "",
        f"see what the suite says: mmowner run mutant:{name}",
    ]
    return data, text


def _wrapped(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(
        text, WIDTH, initial_indent=indent, subsequent_indent=indent + "  " * bool(indent),
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
