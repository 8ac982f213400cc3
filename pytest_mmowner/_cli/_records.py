"""``mmowner report`` and ``mmowner baseline``: files that runs leave, and files that judge them."""

from __future__ import annotations

import argparse
from importlib import import_module
from typing import Any

from ..errors import CallError
from ._output import Output
from ._parser import FILE, Parser, add_json
from ._run import arguments_from


def add_commands(parser: Parser) -> None:
    """Add the commands of this module."""
    report = parser.command("report", None, "check, print and compare records of runs")
    verify = report.command(
        "verify", verify_record, "refuse a record that is truncated, altered or mismatched"
    )
    verify.argument("file", metavar="FILE", complete=FILE, help="a record (JSON Lines)")
    add_json(verify)
    show = report.command("show", show_record, "print a record")
    show.argument("file", metavar="FILE", complete=FILE, help="a record (JSON Lines)")
    add_json(show)
    compare = report.command(
        "compare", compare_records, "put candidates or versions side by side"
    )  # fmt: skip
    compare.argument("files", metavar="FILE", nargs="+", complete=FILE, help="two or more records")
    add_json(compare)
    baseline = parser.command("baseline", None, "the file of known failures")
    update = baseline.command(
        "update", update_baseline, "write the known failures of a run, keeping comments and order",
        description=(
            "Run the suite and write what fails into FILE, keeping comments and order. Behind -- "
            "stands what would stand behind mmowner run: baseline update FILE -- SPEC --level order"
        ),
        takes_rest=True,
    )  # fmt: skip
    update.argument("file", metavar="FILE", complete=FILE, help="the baseline (TOML)")
    update.argument("--reason", metavar="TEXT", help="why the new entries may fail")


def verify_record(args: argparse.Namespace, out: Output) -> int:
    """Verify a record; what is wrong with it is raised, and a script is told on stdout too."""
    reader = _module("_record_read")
    try:
        record = reader.verify(args.file)
    except reader.RecordError as exc:
        if out.as_json:
            out.json({"file": args.file, "ok": False, "line": exc.line, "why": exc.reason})
        raise
    if out.as_json:
        footer = record.footer
        out.json({"file": args.file, "ok": True, "lines": footer.lines, "sha256": footer.sha256})
    else:
        out.line(f"{args.file}: complete and unaltered", "green")
    return 0


def show_record(args: argparse.Namespace, out: Output) -> int:
    """Print a record."""
    if out.as_json:
        out.json(_module("_record_data").show_data(args.file))
    else:
        out.line(_module("_record_read").show(args.file).rstrip("\n"))
    return 0


def compare_records(args: argparse.Namespace, out: Output) -> int:
    """Print a comparison."""
    if len(args.files) < 2:
        raise CallError("report compare: name two records or more")
    if out.as_json:
        out.json(_module("_record_data").compare_data(args.files))
    else:
        out.line(_module("_record_read").compare(args.files).rstrip("\n"))
    return 0


def _module(name: str) -> Any:
    """Import a module at its first use: only who asks for it pays for it."""
    return import_module(f"pytest_mmowner.{name}")


def update_baseline(args: argparse.Namespace, out: Output) -> int:
    """Run the suite and write the baseline."""
    words = arguments_from(args.rest)
    changes = _module("_baseline_update").update_from_run(args.file, words, args.reason)
    out.line(f"{args.file}: {changes}")
    return 0
