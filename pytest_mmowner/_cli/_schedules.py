"""``mmowner schedules`` and ``mmowner header``: candidates in C, where they can be interrupted."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._scenes import Scene, scene_from_text
from ..errors import CallError, did_you_mean
from ._output import Output
from ._parser import DIALECT, SPEC, Parser, add_json

if TYPE_CHECKING:
    from .._schedules import Found, Interruptible

#: How random schedules are asked for without a seed of the user's.
SEED = 1


def add_commands(parser: Parser) -> None:
    """Add the commands of this module."""
    command = parser.command(
        "schedules", explore_schedules, "explore the schedules of a kernel: or lib: candidate",
        description=(
            "Run overlapping operations in every order up to a bound on preemptions, in the "
            "suite's scenes or in one of your own, and show what goes wrong; or run one schedule "
            "again and show it as lanes. Exit code 1 when something was found."
        ),
    )  # fmt: skip
    command.argument("candidate", metavar="SPEC", complete=SPEC, help="kernel:... or lib:...")
    command.argument(
        "--dialect", metavar="NAME", default=None, complete=DIALECT,
        help="how the world around it behaves (default: as the candidate says)",
    )  # fmt: skip
    command.argument(
        "--scene", metavar="NAME", action="append", default=[],
        help="only this scene, repeatable; or one of your own: PROGRAM / OPERATION | OPERATION",
    )  # fmt: skip
    command.argument(
        "--bound", metavar="N", type=int, default=None,
        help="how often operations may be interrupted where they could go on (default: each "
        "scene's own, 2 or 3)",
    )  # fmt: skip
    command.argument(
        "--random", metavar="N", type=int, default=None,
        help="N random schedules for each scene instead, without a bound",
    )  # fmt: skip
    command.argument(
        "--seed", metavar="N", type=int, default=SEED, help=f"for --random (default: {SEED})"
    )
    command.argument(
        "--full", action="store_true",
        help="without reduction: interrupt at every access, and go everywhere again",
    )  # fmt: skip
    command.argument(
        "--follow", metavar="SCHEDULE", default=None,
        help="run this one schedule of the scene again, as A17.B.A, and show its lanes",
    )  # fmt: skip
    add_json(command)
    parser.command(
        "header",
        show_header,
        "print where mmowner.h lies, for candidates in compiled languages",
        description="Print the path of mmowner.h, the interface of lib: candidates.",
    )


def show_header(args: argparse.Namespace, out: Output) -> int:
    """Print the path of the public header."""
    from .. import _kernel  # noqa: PLC0415  costs only who asks

    out.line(str(Path(_kernel.__file__).with_name("mmowner.h")))
    return 0


def _scenes(names: Sequence[str]) -> list[Scene]:
    from mmowner_conformance.scenes import SCENES  # noqa: PLC0415  costs only who explores

    if not names:
        return list(SCENES)
    by_name = {scene.name: scene for scene in SCENES}
    scenes = []
    for name in names:
        if "/" in name:
            scenes.append(scene_from_text(name))
        elif name in by_name:
            scenes.append(by_name[name])
        else:
            raise CallError(
                f"unknown scene {name!r}.{did_you_mean(name, by_name)} Known are "
                f"{', '.join(by_name)}; or write PROGRAM / OPERATION | OPERATION"
            )
    return scenes


def explore_schedules(args: argparse.Namespace, out: Output) -> int:
    """Explore, or follow one schedule; 1 when something was found."""
    from .._schedules import SCHEDULES, Interruptible, fits  # noqa: PLC0415  costs only who explores
    from .._spec import Options, open_candidate  # noqa: PLC0415  the same

    scenes = _scenes(args.scene)
    if args.follow is not None and len(scenes) != 1:
        raise CallError("schedules: --follow is about one scene: name it with --scene")
    for name, least in (("bound", 0), ("random", 1)):
        value = getattr(args, name)
        if value is not None and value < least:
            raise CallError(f"schedules: --{name} is at least {least}")
    candidate, dialect = open_candidate(args.candidate, Options(args.dialect))
    try:
        if SCHEDULES not in candidate.info.capabilities or not isinstance(candidate, Interruptible):
            raise CallError(
                f"{args.candidate} cannot be interrupted: schedules are for kernel: and lib: "
                "candidates with owner functions"
            )
        playable = [scene for scene in scenes if fits(candidate, scene, dialect)]
        left = [scene.name for scene in scenes if scene not in playable]
        if args.scene and left:
            raise CallError(
                f"schedules: under the dialect {dialect} cannot be played: {', '.join(left)}"
            )
        if not playable:
            raise CallError(f"schedules: no such scene can be played under the dialect {dialect}")
        if args.follow is not None:
            return _follow(candidate, playable[0], args.follow, out)
        return _explore(candidate, playable, args, out)
    finally:
        candidate.close()


def _follow(candidate: Interruptible, scene: Scene, schedule: str, out: Output) -> int:
    from .._lanes import lanes  # noqa: PLC0415  costs only who explores
    from .._schedules import findings_of, follow  # noqa: PLC0415  the same

    answer = follow(candidate, scene, schedule)
    found = list(findings_of(candidate, scene, answer))
    if out.as_json:
        out.json({"scene": scene.name, "schedule": schedule, **answer})
    else:
        end = found[0].line() if found else f"owners: {', '.join(answer['outcomes']) or 'none'}"
        for line in (*scene.lines(), *lanes(scene, answer["events"], candidate.places, end)):
            out.line(line)
    return 1 if found else 0


def _explore(
    candidate: Interruptible, scenes: Sequence[Scene], args: argparse.Namespace, out: Output
) -> int:
    from .._schedules import explore, lanes_of  # noqa: PLC0415  costs only who explores

    options = {"reduction": 0} if args.full else {}
    if args.random is not None:
        options |= {"random": 1, "seed": args.seed, "limit": args.random}
    rows: list[list[str]] = []
    documents: list[dict[str, Any]] = []
    simplest: dict[str, Found] = {}
    for scene in scenes:
        answer, found = explore(candidate, scene, bound=args.bound, **options)
        for one in found:
            if one.kind not in simplest or one.preemptions < simplest[one.kind].preemptions:
                simplest[one.kind] = one
        kinds = ", ".join(sorted({one.kind for one in found})) or "-"
        whole = "all" if answer["complete"] else "some"
        rows.append([scene.name, f"{answer['schedules']:,}", f"{answer['pruned']:,}", whole, kinds])
        documents.append({"scene": scene.name, **answer})
    if out.as_json:
        out.json({"candidate": args.candidate, "scenes": documents})
        return 1 if simplest else 0
    out.table(["scene", "schedules", "left", "tried", "found"], rows)
    for one in simplest.values():
        out.line()
        out.line(one.line(), "bold")
        schedule = f"; schedule {one.schedule}" if one.schedule else ""
        out.line(f"scene {one.scene.name}: {one.scene.text}{schedule}")
        if one.schedule:
            for line in (*one.scene.lines(), *(f"  | {line}" for line in lanes_of(candidate, one))):
                out.line(line)
    return 1 if simplest else 0
