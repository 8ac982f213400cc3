"""The ``mmowner`` console script.  Each group of commands has a module; this only starts them.

What is wrong goes to standard error in one line.  Exit codes are pytest's: 0, 1 (the
candidate, or a file that was judged, is wrong), 4 (the call is wrong).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from ..errors import CallError, MMOwnerError
from ._output import Output
from ._parser import CallWrong, build_parser

__all__ = ["build_parser", "main"]

OK, WRONG, CALL = 0, 1, 4


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    # What follows `--` is somebody else's (pytest's, or a command's), whatever it looks like.
    cut = words.index("--") if "--" in words else len(words)
    parser = build_parser()
    try:
        args = parser.parse_args(words[:cut])
        rest = words[cut + 1 :]
        if rest and not args.takes_rest:
            text = f"{args.command}: nothing may follow --, but {rest[0]!r} does"
            return _complain(text, CALL)
        args.rest = rest
        return int(args.run(args, Output(sys.stdout, as_json=getattr(args, "json", False))))
    except (CallWrong, CallError) as exc:
        return _complain(str(exc), CALL)
    except MMOwnerError as exc:
        return _complain(str(exc), WRONG)
    except BrokenPipeError:
        # `mmowner list | head`: the reader has seen enough, and Python need not say so again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK


def _complain(text: str, code: int) -> int:
    print(f"mmowner: {text}", file=sys.stderr)  # noqa: T201  a console script prints
    return code
