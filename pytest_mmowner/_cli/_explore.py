"""``mmowner explore``: how many worlds a scope has, closed by breadth-first search."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from mmowner_reference import DEFAULT, Bounds, Space

from .._spec import dialect_of
from ..errors import CallError
from ._output import Output
from ._parser import DIALECT, DIRECTORY, Parser, add_json

#: The numbers of a scope: option, what it bounds, default, the least that makes sense.
NUMBERS = (
    ("tasks", "user tasks in the table, init and zombies included", 4, 1),
    ("mms", "mms with users, init's included", 3, 1),
    ("holds", "extra references to each mm", 0, 0),
    ("kthreads", "kernel threads, there from the start", 0, 0),
)


def add_commands(parser: Parser) -> None:
    """Add the command of this module."""
    command = parser.command(
        "explore", explore_scope, "count every world of a scope, by breadth-first search",
        description=(
            "Visit every world that programs within the scope can reach, worlds that differ only "
            "in names once, and count them. Each task more makes it about 30 times as many."
        ),
    )  # fmt: skip
    for name, what, default, _ in NUMBERS:
        command.argument(
            f"--{name}", metavar="N", type=int, default=default, help=f"{what} (default: {default})"
        )
    command.argument(
        "--dialect", metavar="NAME", default=DEFAULT, complete=DIALECT,
        help=f"a dialect or a release (default: {DEFAULT})",
    )  # fmt: skip
    command.argument(
        "--max-states", metavar="N", type=int, default=None,
        help="end when more than N worlds were seen: then the scope is not closed (exit code 1)",
    )  # fmt: skip
    command.argument(
        "--cluster", metavar="WHERE", default=None,
        help="explore on a Dask cluster: the address of its scheduler, or local:N for N "
        "processes of this machine (needs pytest-mmowner[cluster])",
    )  # fmt: skip
    command.argument(
        "--checkpoint", metavar="DIR", default=None, complete=DIRECTORY,
        help="with --cluster: keep worlds in DIR, which all workers must see, and go on with "
        "what is there",
    )  # fmt: skip
    add_json(command)


def explore_scope(args: argparse.Namespace, out: Output) -> int:
    """Explore and print the counts; 0 if the scope was closed."""
    for name, what, _, least in NUMBERS:
        if getattr(args, name) < least:
            raise CallError(f"explore: --{name} is at least {least}: {what}")
    bounds = Bounds(args.tasks, args.mms, args.holds, args.kthreads)
    if args.checkpoint and not args.cluster:
        raise CallError("explore: --checkpoint is for --cluster: local:1 is a cluster too")
    if args.cluster and args.max_states is not None:
        raise CallError("explore: --max-states is not for --cluster: interrupt it instead")
    # What workers compute is no time of this process.
    clock = time.monotonic if args.cluster else time.process_time
    began = clock()

    def tell(space: Space) -> None:
        """Progress is for somebody who waits at a terminal, so it does not go into the output."""
        if sys.stderr.isatty():
            seconds = clock() - began
            sys.stderr.write(
                f"depth {space.depth}: {space.transitions} transitions, {space.states} worlds, "
                f"{seconds:.0f} s\n"
            )

    dialect = dialect_of(args.dialect)
    if args.cluster:
        from .._cluster import explore_on_cluster  # noqa: PLC0415  costs only who uses it

        space = explore_on_cluster(
            bounds, dialect, cluster=args.cluster, progress=tell,
            checkpoint=Path(args.checkpoint) if args.checkpoint else None,
        )  # fmt: skip
    else:
        from .._core import explore, in_words  # noqa: PLC0415  the same

        if sys.stderr.isatty():
            sys.stderr.write(f"{in_words()}\n")
        space = explore(bounds, dialect, tell, args.max_states)
    if out.as_json:
        out.json(_data(space))
        return int(not space.closed)
    out.line(f"scope {bounds} (tasks, mms, references, kernel threads), dialect {space.dialect}")
    out.table(
        ["operations", "new worlds"],
        [[str(depth), str(count)] for depth, count in enumerate(space.levels)],
    )
    out.line(f"{space.states} worlds, {space.transitions} transitions, depth {space.depth}")
    if not space.closed:
        out.line(f"not closed: ended after more than {args.max_states} worlds")
    return int(not space.closed)


def _data(space: Space) -> dict[str, Any]:
    bounds = space.bounds
    return {
        "dialect": space.dialect, "tasks": bounds.tasks, "mms": bounds.mms, "holds": bounds.refs,
        "kthreads": bounds.kthreads, "states": space.states, "transitions": space.transitions,
        "depth": space.depth, "levels": space.levels, "closed": space.closed,
    }  # fmt: skip
