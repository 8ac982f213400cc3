"""Write the generated parts of the documentation: tables from the code, so that they cannot drift.

``python docs/generate.py`` writes, ``python docs/generate.py --check`` exits with 1 and the
names of files that are not up to date.  Whole files are generated, and the blocks between
``<!-- generated: NAME -->`` and ``<!-- end -->`` in hand-written ones.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

from mmowner_reference import DIALECTS, HISTORY, ROWS, Change, changes_of
from pytest_mmowner import _protocol, _record_lines
from pytest_mmowner._cli._parser import markdown as cli_reference
from pytest_mmowner._requirements import requirements
from pytest_mmowner._spec import KINDS
from pytest_mmowner.plugin import OPTIONS
from pytest_mmowner.zoo import MUTANTS

ROOT = Path(__file__).resolve().parent.parent
_BLOCK = re.compile(r"(<!-- generated: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines
    )


def candidates() -> str:
    """The candidate kinds."""
    what = {
        "reference": "ours; the default",
        "python": "a *tracker*: an object that is told operations and answers questions "
        "([example](examples/tracker.py))",
        "rules": "only the owner functions, hosted in the reference kernel "
        "([example](examples/rules.py))",
        "cmd": "a program in any language, JSON Lines on stdin and stdout "
        "([protocol](docs/protocol.md), [in C](examples/c), "
        "[in Python](examples/python/adapter.py))",
        "mutant": "one of our zoo of wrong implementations ([list](docs/zoo.md))",
        "linux": "a running kernel: User-mode Linux (any user; Debian's `user-mode-linux` or your "
        "own build) or this machine's (root)",
        "trace": "a recorded run of a machine that cannot be driven "
        "([format](docs/record.md#traces))",
    }
    return table(["`--mmowner-candidate=`", "what it is"], [
        [" or ".join(f"`{part}`" for part in re.split(r", | or ", spelling)), what[kind]]
        for kind, spelling in KINDS.items()
    ])  # fmt: skip


def options() -> str:
    """The options and their ini twins."""
    return table(["option", "in an ini file", "meaning"], [
        [
            f"`--mmowner-{name}{'=' if metavar else ''}{metavar}`",
            f"`mmowner_{name.replace('-', '_')}`",
            text,
        ]
        for name, _, _, metavar, text in OPTIONS
    ])  # fmt: skip


def requirement_table() -> str:
    """All requirements."""
    rows = []
    for rule in requirements().values():
        hazards = "".join(f"; {name}: hazard ({why})" for name, why in rule.hazards.items())
        order = [name for name in DIALECTS if name in rule.dialects]
        rows.append([rule.id, rule.level, rule.text, ", ".join(order) + hazards, rule.source])
    return "# The requirements\n\nGenerated from `requirements.toml`.\n\n" + table(
        ["id", "level", "text", "dialects", "source"], rows
    )


def dialect_table() -> str:
    """What each commit changed, and where the dialects stand."""

    def row(change: Change) -> list[str]:
        fields = ", ".join(f"`{key}` = {value!r}" for key, value in change.sets.items())
        return [change.row, change.version, change.commit, change.text, fields]

    names = [name for name in ROWS if name in DIALECTS]
    fields = [f for f in DIALECTS["6.11"].__dataclass_fields__ if f not in ("name", "era")]
    side = [
        [f"`{field}`", *(repr(getattr(DIALECTS[name], field)) for name in names)]
        for field in fields
        if len({getattr(DIALECTS[name], field) for name in names}) > 1
    ]
    return (
        "# The dialects\n\nGenerated from the chain of changes in "
        "`reference/mmowner_reference/_dialects.py`.\n\n## Side by side\n\n"
        "Only what differs. `none` is a kernel without CONFIG_MEMCG.\n\n"
        + table(["field", *names], side)
        + "\n## What changed, commit by commit\n\n"
        f"{len(HISTORY)} changes. Rows of the chain that are no dialect yet: "
        + ", ".join(name for name in ROWS if name not in DIALECTS) + ".\n\n"
        + table(["row", "version", "commit", "change", "fields"],
                [row(change) for name in ROWS for change in changes_of(name)])
    )  # fmt: skip


def zoo_table() -> str:
    """All mutants."""
    rows = [
        [f"`{name}`", cls.base, " ".join((cls.__doc__ or "").split())]
        for name, cls in MUTANTS.items()
    ]
    return (
        f"# The zoo\n\nGenerated. {len(rows)} wrong implementations, each a candidate "
        "`mutant:NAME`; the suite kills every one of them.\n\n"
        + table(["name", "dialect", "what is wrong"], rows)
    )


def schema() -> str:
    """The JSON Schema of the line protocol."""
    return json.dumps(_protocol.schema(), indent=2) + "\n"


def record_schema() -> str:
    """The JSON Schema of the lines of a record."""
    return json.dumps(_record_lines.schema(), indent=2) + "\n"


FILES: dict[str, Callable[[], str]] = {
    "docs/requirements.md": requirement_table,
    "docs/dialects.md": dialect_table,
    "docs/zoo.md": zoo_table,
    "docs/protocol.schema.json": schema,
    "docs/cli.md": cli_reference,
    "docs/record.schema.json": record_schema,
}


def tracker_example() -> str:
    """The example tracker."""
    return f"```python\n{(ROOT / 'examples/tracker.py').read_text('utf-8')}```\n"


BLOCKS: dict[str, Callable[[], str]] = {
    "candidates": candidates,
    "options": options,
    "tracker": tracker_example,
}


def generated(root: Path) -> dict[Path, str]:
    """Return the right content of every file that has generated parts."""
    out = {root / name: make() for name, make in FILES.items()}
    for path in (root / "README.md", *sorted((root / "docs").glob("*.md"))):
        text = path.read_text("utf-8") if path.exists() else ""
        if path not in out and _BLOCK.search(text):
            out[path] = _BLOCK.sub(lambda m: m[1] + BLOCKS[m[2]]() + m[3], text)
    return out


def main() -> int:
    """Write or check; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    stale = [
        path for path, text in generated(ROOT).items()
        if not path.exists() or path.read_text("utf-8") != text
    ]  # fmt: skip
    for path in stale:
        if not check:
            path.write_text(generated(ROOT)[path], "utf-8")
        print(f"{'stale' if check else 'written'}: {path.relative_to(ROOT)}")  # noqa: T201
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
