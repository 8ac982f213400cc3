"""Records made by hand, for tests."""

import hashlib
import json

from pytest_mmowner import _record_lines as lines
from pytest_mmowner._candidates.command import _suite_version
from pytest_mmowner._record import Writer
from pytest_mmowner._requirements import requirements
from pytest_mmowner._tried import Tried
from pytest_mmowner._verdicts import Outcome


def who(spec, selected, **more):
    values = {
        "spec": spec, "dialect": "6.11", "name": spec.partition(":")[2], "version": "1.0",
        "language": "C", "claims": "6.11", "capabilities": ["clone", "owner"], "without": [],
        "notes": ["made by hand"], "details": {"host": "vm-17"}, "started": ["./adapter", "-v"],
        "bounds": [], "selected": selected,
    }  # fmt: skip
    return lines.Tested(**{**values, **more})


def header(*candidates, **more):
    values = {
        "format": lines.FORMAT, "suite": _suite_version(), "requirements": len(requirements()),
        "candidates": list(candidates), "platform": "Linux", "python": "CPython 3", "seed": 0,
        "levels": [], "arguments": ["-q"],
    }  # fmt: skip
    return lines.Header(**{**values, **more})


def outcome(spec, rule, verdict, test="test_it", text="", observed="", program="", dialect="6.11"):
    made = Outcome(rule, verdict, spec, dialect, f"{test}[{spec}]", text, observed, program, 0.25)
    return lines.outcome_line(made, f"test_file.py::{test}[{spec}]")


def searched(spec, part=0, tried=10, of_part=10, **more):
    values = {"candidate": spec, "dialect": "6.11", "what": "transitions", "total": 20, "parts": 2}
    return Tried(part=part, tried=tried, of_part=of_part, **{**values, **more})


def write(path, head, said):
    """Write a record as a run does; return its path."""
    writer = Writer(path, str(path))
    writer.begin(head)
    for line in said:
        if isinstance(line, Tried):
            writer.note(lines.search_line(line))
        else:
            writer.take(line)
    writer.finish()
    writer.close()
    assert not writer.problem
    return path


def sealed(texts):
    """Return lines as a file with a footer that counts and hashes them rightly otherwise."""
    *body, last = texts
    raw = b"".join(text + b"\n" for text in body)
    footer = json.loads(last)
    footer |= {"lines": len(body), "sha256": hashlib.sha256(raw).hexdigest()}
    return raw + json.dumps(footer, separators=(",", ":")).encode() + b"\n"
