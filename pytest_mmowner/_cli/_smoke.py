"""``mmowner smoke``: who a candidate is, what it lacks, and three tiny programs.  For adapters."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Mapping
from typing import Any, Final

from mmowner_reference import ASKS, DIALECTS, OPS, parse_program

from .._candidates.base import EXTRAS, Candidate, Info
from .._candidates.command import Command
from .._candidates.hosted import Hosted
from .._check import check
from .._explain import observed_and_allowed
from .._judge import judge_program
from .._requirements import requirements
from .._scenario import needs_of
from .._verdicts import NOT_APPLICABLE
from ..errors import CandidateError
from ._output import Output
from ._parser import SPEC, Parser
from ._programs import common, opened, who

#: What is tried: a sentence, and a program.
PROGRAMS: Final = (
    ("a fork owns its mm", "clone(1, 2, mm=2)"),
    ("an exiting owner hands over", "clone(1, 2, mm=2)\nclone(2, 3, VM)\nexit(2)"),
    ("an owner that execs hands over", "clone(1, 2, mm=2)\nclone(2, 3, VM)\nexec(2, mm=3)"),
)


def add_commands(parser: Parser) -> None:
    """Add the commands of this module."""
    smoke_test = parser.command(
        "smoke", smoke, "start a candidate, say who it is, and try three tiny programs",
        description=(
            "For writers of adapters: start a candidate, say who it is and what it cannot show, "
            "and try three tiny programs. It takes a few seconds."
        ),
    )  # fmt: skip
    smoke_test.argument("candidate", metavar="SPEC", complete=SPEC, help="the candidate")
    common(smoke_test)


def not_applicable(info: Info, dialect: str) -> dict[str, list[str]]:
    """Return what the suite would not judge, by reason.

    The reference answers in the candidate's place, and shows no more than it does.
    """
    stand_in = Hosted(info.spec, DIALECTS[dialect])
    stand_in.info = info
    verdicts = check(stand_in, dialect=dialect)
    reasons: dict[str, list[str]] = {}
    for rule in verdicts.with_verdict(NOT_APPLICABLE):
        known = requirements()[rule]
        if dialect in known.dialects or dialect in known.hazards:
            reasons.setdefault(verdicts.text(rule), []).append(rule)
    return dict(sorted(reasons.items(), key=lambda entry: -len(entry[1])))


def unknown_to(info: Info) -> list[str]:
    """Return the operations, questions and extras that a candidate cannot show."""
    return [word for word in [*OPS, *ASKS, *EXTRAS] if word not in info.capabilities] + [
        part for part in sorted(info.without) if part not in (*OPS, *ASKS, *EXTRAS)
    ]


def smoke(args: argparse.Namespace, out: Output) -> int:
    """Introduce a candidate and try three programs; 1 when it was wrong or showed nothing."""
    with opened(args.candidate, args) as (candidate, dialect):
        info = candidate.info
        broken = candidate.start_error if isinstance(candidate, Command) else None
        if broken is not None:
            return _did_not_start(args, broken, out)
        missing = unknown_to(info)
        nothing = not_applicable(info, dialect)
        if not out.as_json:
            _introduce(info, dialect, missing, nothing, out)
        results = []
        for title, text in PROGRAMS:
            results.append({"title": title, "program": text, **_try(candidate, dialect, text)})
            if not out.as_json:
                _print_try(results[-1], out)
    ended = [result["verdict"] for result in results]
    ok = "pass" in ended and not {"fail", "error"} & set(ended)
    if out.as_json:
        out.json({
            "candidate": args.candidate, "name": info.name, "version": info.version,
            "language": info.language, "claims": info.dialect, "dialect": dialect,
            "capabilities": sorted(info.capabilities), "without": sorted(info.without),
            "notes": list(info.notes), "missing": missing, "not_applicable": nothing,
            "programs": results, "error": None, "ok": ok,
        })  # fmt: skip
    else:
        out.line()
        out.line(_next_step(args, ended, ok=ok), "green" if ok else "red")
    return int(not ok)


def _did_not_start(args: argparse.Namespace, broken: CandidateError, out: Output) -> int:
    """Say why: what is not there has no name, and nothing that it cannot show."""
    if out.as_json:
        out.json({"candidate": args.candidate, "programs": [], "error": str(broken), "ok": False})
    else:
        out.line(args.candidate, "bold")
        out.line(f"it did not start: {broken}", "red")
        out.line(
            "its program or adapter must answer the first message on its standard input "
            "(docs/protocol.md): mend that first, then try again"
        )
    return 1


def _next_step(args: argparse.Namespace, ended: list[str], *, ok: bool) -> str:
    """Say what the three programs come to, and what to do now."""
    dialect = f" --dialect {args.dialect}" if args.dialect else ""
    spec = shlex.quote(args.candidate)
    if ok:
        return f"nothing wrong so far; now the suite: mmowner run {spec}{dialect}"
    if "fail" in ended:
        return (
            "the candidate gave a wrong answer. To see all answers, write the program in brackets "
            f"into a file, one operation a line: mmowner replay FILE --candidate {spec}{dialect}"
        )
    if "error" in ended:
        return "the candidate or its adapter broke: mend that first, then try again"
    return (
        "nothing could be tried, and that is no success: an adapter needs at least clone and "
        "exit, or exec, and the question owner"
    )


def _introduce(
    info: Info, dialect: str, missing: list[str], nothing: dict[str, list[str]], out: Output
) -> None:
    out.line(info.spec, "bold")
    out.line(f"name:          {info.name}")
    out.line(f"version:       {info.version or 'not said'}")
    out.line(f"language:      {info.language or 'not said'}")
    out.line(f"dialect:       {info.dialect or 'not said'}; judged by {dialect}")
    out.line(f"capabilities:  {', '.join(sorted(info.capabilities)) or 'none'}")
    out.line(f"missing:       {', '.join(missing) or 'nothing'}")
    for note in info.notes:
        out.line(f"note:          {note}")
    count = sum(len(rules) for rules in nothing.values())
    # Some reasons are not among what is missing: that no random program came to it.
    out.line(f"not judged:    {count} of {len(requirements())} requirements{':' if count else ''}")
    for reason, rules in nothing.items():
        out.line(f"  {reason}: {', '.join(rules)}")
    out.line()


def _try(candidate: Candidate, dialect: str, text: str) -> dict[str, Any]:
    program = parse_program(text)
    lacking = candidate.info.lacks([*needs_of(program), "owner"])
    if lacking:
        return {"verdict": "not applicable", "text": f"it does not show {', '.join(lacking)}"}
    run = judge_program(candidate, program, dialect, candidate.info.asks)
    if run.deviations:
        lines = observed_and_allowed(run.deviations[0])
        return {"verdict": "fail", "text": "\n".join(lines)}
    if run.error is not None:
        return {"verdict": "error", "text": str(run.error)}
    last = {str(q): who(a) for q, a in run.answers[-1].items() if q.ask == "owner"}
    return {"verdict": "pass", "text": ", ".join(f"{q} is {a}" for q, a in last.items())}


def _print_try(result: Mapping[str, Any], out: Output) -> None:
    styles = {"pass": "green", "not applicable": "yellow"}
    first, *more = str(result["text"]).splitlines() or [""]
    program = "; ".join(result["program"].splitlines())
    out.line(
        f"{result['verdict']:<14} {result['title']} ({program}): {first}",
        styles.get(result["verdict"], "red"),
    )
    for line in more:
        out.line(f"  {line}")
