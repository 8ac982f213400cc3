"""``mmowner run``: the suite through pytest, in the current directory."""

from __future__ import annotations

import argparse

import pytest

from ._output import Output
from ._parser import SPEC, Parser, add_plugin_options, build_parser, plugin_arguments

SUITE = "mmowner_conformance"
#: pytest complains, and fails where warnings are errors, that what runs it is imported already.
_QUIET = ("-W", "ignore:Module already imported:pytest.PytestAssertRewriteWarning")
#: What `--quick` leaves out: searches that a change of an owner function seldom needs.
_QUICK = "not random_programs and not shortest_program_of_a_hazard"


def add_commands(parser: Parser) -> None:
    """Add the commands of this module."""
    run = parser.command(
        "run", run_suite, "run the conformance suite on a candidate",
        description=(
            "Run the conformance suite on a candidate: pytest in the current directory, with its "
            "exit code. Everything behind -- is for pytest: mmowner run SPEC -- -x -n 4"
        ),
        takes_rest=True,
    )  # fmt: skip
    run.argument(
        "candidate", nargs="?", metavar="SPEC", complete=SPEC,
        help="the candidate, as for --mmowner-candidate (default: the ini file's, else reference)",
    )  # fmt: skip
    run.argument(
        "--quick", action="store_true",
        help="scenarios and schedules only, for the time between two edits: no random programs, "
        "no scopes, no hazards",
    )  # fmt: skip
    add_plugin_options(run)


def pytest_arguments(args: argparse.Namespace, rest: list[str]) -> list[str]:
    """Return what pytest is called with, besides the suite."""
    words: list[str] = []
    if args.candidate is not None:
        words.append(f"--mmowner-candidate={args.candidate}")
    if args.quick:
        words += ["--mmowner-scope=none"]
        rest = _quick(rest)
    return [*words, *plugin_arguments(args), *rest]


def _quick(rest: list[str]) -> list[str]:
    """Add what is left out to the user's own `-k`: of several, pytest takes the last."""
    left: list[str] = []
    wanted = _QUICK
    words = iter(rest)
    for word in words:
        given = next(words, "") if word == "-k" else word[2:] if word.startswith("-k") else ""
        if given:
            wanted = f"({_QUICK}) and ({given})"
        else:
            left.append(word)
    # The plugin of hypothesis is imported for its summary alone, which costs a third of a run.
    if not any(word.startswith("--hypothesis") for word in left):
        left += ["-p", "no:hypothesispytest"]
    return [*left, "-k", wanted]


def run_suite(args: argparse.Namespace, out: Output) -> int:
    """Run pytest; its exit code is ours."""
    return int(pytest.main(["--pyargs", SUITE, *pytest_arguments(args, args.rest), *_QUIET]))


def arguments_from(words: list[str]) -> list[str]:
    """Return pytest's arguments, besides the suite, for what would follow ``mmowner run``.

    Raises ``CallWrong``.
    """
    cut = words.index("--") if "--" in words else len(words)
    args = build_parser().parse_args(["run", *words[:cut]])
    return pytest_arguments(args, words[cut + 1 :])
