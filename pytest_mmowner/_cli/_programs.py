"""``mmowner replay``: one program on one candidate, every answer judged."""

from __future__ import annotations

import argparse
import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmowner_reference import (
    IllegalOperation,
    Op,
    OpError,
    Oracle,
    ProcessOf,
    Program,
    op_from_dict,
    parse_program,
    plan,
)  # fmt: skip

from .._candidates.base import Candidate
from .._candidates.trace import CANNOT, Trace
from .._explain import _trees, observed_and_allowed
from .._judge import Run, judge_program
from .._scenario import needs_of
from .._spec import Options, open_candidate
from ..errors import CallError, MMOwnerError, did_you_mean
from ._output import Output
from ._parser import DIALECT, FILE, SPEC, Parser, add_json

if TYPE_CHECKING:
    from .._counterexample import Counterexample


def add_commands(parser: Parser) -> None:
    """Add the commands of this module."""
    again = parser.command(
        "replay", replay, "run one program on a candidate and judge every answer",
        description=(
            "Run one program on a candidate and judge every answer. The program is text, one "
            'operation a line, or JSON: a list of operations, or an object with one in "program". '
            "A counterexample (docs/counterexamples.md) is judged by its own dialect, and it is "
            "said whether the candidate fails in the same way."
        ),
    )  # fmt: skip
    again.argument("file", metavar="FILE", complete=FILE, help="the program")
    again.argument(
        "--candidate", metavar="SPEC", required=True, complete=SPEC, help="the candidate"
    )
    common(again)


def common(parser: Parser) -> None:
    """Add the options of commands that open a candidate."""
    parser.argument(
        "--dialect", metavar="NAME", complete=DIALECT,
        help="the kernel era to judge by (default: what the candidate claims, else 6.11)",
    )  # fmt: skip
    parser.argument(
        "--timeout", metavar="SECONDS", type=_seconds, default=10.0,
        help="how long a candidate in another process may take for one answer (default: 10)",
    )  # fmt: skip
    add_json(parser)


def _seconds(text: str) -> float:
    value = float(text)
    if not value > 0:
        raise ValueError
    return value


@contextmanager
def opened(spec: str, args: argparse.Namespace) -> Iterator[tuple[Candidate, str]]:
    """Open a candidate that can run programs; what there is none of is a wrong call, exit 4."""
    try:
        candidate, dialect = open_candidate(spec, Options(args.dialect, args.timeout))
    except MMOwnerError as exc:
        raise CallError(str(exc)) from exc
    try:
        if isinstance(candidate, Trace):
            raise CallError(
                f"{spec}: {CANNOT}, so it runs no program. The suite judges what was recorded: "
                f"mmowner run {shlex.quote(spec)}"
            )
        yield candidate, dialect
    finally:
        candidate.close()


# -- replay -----------------------------------------------------------------------------------


def replay(args: argparse.Namespace, out: Output) -> int:
    """Run a program on a candidate; 1 when it was wrong or broke."""
    program, known = _read(args.file)
    if known is not None and args.dialect is None:
        args.dialect = known.dialect
    with opened(args.candidate, args) as (candidate, dialect):
        try:
            plan(program, dialect, ())
        except IllegalOperation as exc:
            raise CallError(f"{args.file}: no legal program in {dialect}: {exc}") from None
        lacking = candidate.info.lacks([*needs_of(program), "owner"])
        if lacking:
            raise CallError(
                f"{args.file}: {args.candidate} does not show {', '.join(lacking)}, so it cannot "
                "run this program; take another program or another candidate"
            )
        run = judge_program(candidate, program, dialect, candidate.info.asks)
    if out.as_json:
        out.json(_as_json(args, dialect, run, known))
    else:
        _print(args, dialect, run, out)
        if known is not None:
            out.line(_compared(args.candidate, run, known))
    return int(bool(run.deviations or run.error))


def _compared(spec: str, run: Run, known: Counterexample) -> str:
    """Return in a line whether *spec* fails as the candidate of the counterexample did."""
    found = run.against(known.rule)
    if found is not None:
        now = f"breaks it too, at operation {found.step}"
    elif len(run.answers) < known.step:
        now = "did not get that far"
    else:
        now = "does not"
    return f"{known.candidate} broke {known.rule} at operation {known.step}; {spec} {now}"


def _read(path: str) -> tuple[Program, Counterexample | None]:
    """Read a program from text or JSON, and the counterexample if it is one.

    Raises ``CallError`` with what is wrong in it.
    """
    try:
        text = Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise CallError(f"{path}: the program cannot be read: {exc}") from None
    known: Counterexample | None = None
    try:
        data = json.loads(text) if text.lstrip()[:1] in ("[", "{") else text
        if isinstance(data, dict) and "counterexample" in data:
            known = _counterexample(path, text)
        program = _from_json(data)
    except OpError as exc:
        hint = did_you_mean(exc.word, exc.known)
        raise CallError(f"{path}: no program: {exc}{'.' if hint else ''}{hint}") from None
    except (RecursionError, json.JSONDecodeError) as exc:
        raise CallError(f"{path}: no program: {exc}") from None
    if not program:
        raise CallError(
            f"{path}: no program: there is no operation in it. Write one operation a line, as in "
            "clone(1, 2, mm=2)"
        )
    return program, known


def _counterexample(path: str, text: str) -> Counterexample:
    from .._counterexample import decode  # noqa: PLC0415  only what is asked for is imported

    try:
        return decode(text)
    except CallError as exc:
        raise CallError(f"{path}: {exc}") from None


def _from_json(data: Any) -> Program:
    if isinstance(data, dict):
        if "program" not in data:
            raise OpError('an object needs the operations in "program"')
        data = data["program"]
    if isinstance(data, str):  # no JSON, or as the plugin keeps it in reports
        return parse_program(data)
    if not isinstance(data, list):
        raise OpError(f"a program is a list of operations, not {type(data).__name__}")
    ops: list[Op] = []
    for number, entry in enumerate(data, 1):
        if not isinstance(entry, Mapping):
            raise OpError(f"operation {number} is an object with a word in 'op', not {entry!r}")
        try:
            ops.append(op_from_dict(entry))
        except OpError as exc:
            raise OpError(f"operation {number}: {exc}", exc.word, exc.known) from None
    return tuple(ops)


def _owners(run: Run, dialect: str) -> Iterator[dict[int, tuple[Any, list[Any], bool]]]:
    """Yield after each operation, by mm: the owner observed, those allowed, and if that fits."""
    oracle = Oracle(dialect)
    wrong = {(found.step, found.question) for found in run.deviations}
    for step, (op, answers) in enumerate(zip(run.program, run.answers, strict=False), 1):
        oracle.do(op)
        owners: dict[int, tuple[Any, list[Any], bool]] = {}
        for question, observed in answers.items():
            mm = question.name
            if question.ask == "owner" and mm is not None:
                allowed = list(dict.fromkeys(world.owner(mm) for world in oracle.worlds))
                owners[mm] = (observed, allowed, (step, question) not in wrong)
        oracle.judge(answers)
        yield owners


def _print(args: argparse.Namespace, dialect: str, run: Run, out: Output) -> None:
    out.line(f"{args.file} on {args.candidate}, dialect {dialect}", "bold")
    width = max(len(str(op)) for op in run.program)
    seen = list(_owners(run, dialect))
    for number, op in enumerate(run.program, 1):
        owners = seen[number - 1] if number <= len(seen) else None
        if owners is None:
            out.line(f"  {number:3d}  {op!s:<{width}}  no answer", "red")
            continue
        good = all(fits for _, _, fits in owners.values())
        cells = [_cell(mm, *owner) for mm, owner in owners.items()]
        out.line(f"  {number:3d}  {op!s:<{width}}  {'; '.join(cells)}", "" if good else "red")
    for found in run.deviations:
        out.line()
        out.line(f"{found.rule} is broken:", "red")
        for line in [*observed_and_allowed(found), *_trees(dialect, run.program, found)]:
            out.line(line)
    if run.error is not None:
        out.line()
        out.line(str(run.error), "red")
    out.line()
    if run.deviations or run.error:
        count = len(run.deviations)
        out.line(
            f"wrong: {count} answer{'s' if count != 1 else ''} that the dialect does not allow"
            + ("; and it did not get to the end" if run.error else ""), "red"
        )  # fmt: skip
    else:
        out.line("right: every answer is allowed", "green")


def _cell(mm: int, observed: Any, allowed: Sequence[Any], fits: bool) -> str:
    alone = f", allowed {' or '.join(who(owner) for owner in allowed)}"
    return f"mm {mm}: {who(observed)}{alone if not fits or len(allowed) > 1 else ''}"


def who(owner: Any) -> str:
    """Return an owner in words."""
    return "nobody" if owner is None else f"task {owner}" if isinstance(owner, int) else str(owner)


def _as_json(
    args: argparse.Namespace, dialect: str, run: Run, known: Counterexample | None
) -> dict[str, Any]:
    seen = list(_owners(run, dialect))
    steps = []
    for number, op in enumerate(run.program, 1):
        owners = seen[number - 1] if number <= len(seen) else None
        steps.append({
            "op": op.to_dict(), "text": str(op), "answered": owners is not None,
            "owners": {
                str(mm): {"observed": _plain(observed), "allowed": allowed, "fits": fits}
                for mm, (observed, allowed, fits) in (owners or {}).items()
            },
        })  # fmt: skip
    return {
        "file": args.file, "candidate": args.candidate, "dialect": dialect, "steps": steps,
        "deviations": [
            {"step": found.step, "op": str(found.op), "question": str(found.question),
             "observed": _plain(found.observed), "rule": found.rule,
             "allowed": [
                 {"value": _plain(allowed.value), "rule": allowed.reason.rule,
                  "because": allowed.reason.text}
                 for allowed in found.allowed
             ]}
            for found in run.deviations
        ],
        "error": None if run.error is None else str(run.error),
        "ok": not run.deviations and run.error is None,
        "counterexample": None if known is None else {
            "candidate": known.candidate, "requirement": known.requirement, "rule": known.rule,
            "broken": run.against(known.rule) is not None,
        },
    }  # fmt: skip


def _plain(value: Any) -> Any:
    return {"process": value.task} if isinstance(value, ProcessOf) else value
