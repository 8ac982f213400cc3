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

import generate_dialects
import generate_requirements
import generate_schedules

from mmowner_reference import Bounds, parse_program
from pytest_mmowner import _counterexample, _protocol, _record_lines, _vectors
from pytest_mmowner._cli._parser import markdown as cli_reference
from pytest_mmowner._spec import KINDS
from pytest_mmowner.plugin import OPTIONS
from pytest_mmowner.zoo import BUGS, MUTANTS, Mutant

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
        "kernel": "the owner functions of a kernel tree or of a patch, compiled and run in a "
        "process ([how](docs/kernel.md))",
        "lib": "a shared library, in any compiled language "
        "([how](docs/lib.md), [in C](examples/lib/c), [in Rust](examples/lib/rust))",
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


def zoo_table() -> str:
    """All mutants: bugs of Linux by number, slips by subject; and the bugs without a mutant."""

    def row(name: str, mutant: type[Mutant]) -> list[str]:
        return [f"`{name}`", mutant.base, " ".join((mutant.__doc__ or "").split())]

    bugs = {name: mutant for name, mutant in MUTANTS.items() if mutant.bug is not None}
    slips = {name: mutant for name, mutant in MUTANTS.items() if mutant.bug is None}
    racing = sum(mutant.kind == "interleaving" for mutant in MUTANTS.values())
    history = [
        [bug.name, bug.title, bug.had, bug.commit, bug.version, ", ".join(
            f"`{name}` ({mutant.kind})" for name, mutant in bugs.items()
            if mutant.bug == bug.number
        )]
        for bug in BUGS.values() if not bug.why_not
    ]  # fmt: skip
    return (
        f"# The zoo\n\nGenerated. {len(MUTANTS)} wrong implementations, each a candidate "
        f"`mutant:NAME`. {len(MUTANTS) - racing} are sequential: no second CPU is "
        "needed; the suite kills them, or they are proven to answer as their dialect does "
        "([by what, and which](kill-matrix.md)). "
        f"{racing} need two CPUs at once; they are not yet killed.\n\n"
        "## Bugs of Linux\n\nOwnership went wrong in these ways, in kernels or in patches that "
        "were stopped in review.\n\n"
        + table(["bug", "what was wrong", "dialects and trees that had it", "fixed by", "in",
                 "mutants"], history)
        + "\nWhat is wrong in each, and the dialect that it claims to speak (the first with the "
        "fix, or the one whose reviewers stopped it):\n\n"
        + table(["name", "dialect", "what is wrong"], [
            row(name, mutant) for name, mutant in bugs.items()
        ])
        + "\n## Bugs that are not in the zoo\n\n"
        + table(["bug", "what was wrong", "dialects and trees that had it", "fixed by", "in",
                 "why there is no mutant"], [
            [bug.name, bug.title, bug.had, bug.commit, bug.version, bug.why_not]
            for bug in BUGS.values() if bug.why_not
        ])
        + "\n## Slips\n\nMistakes that an implementer makes: operators on the rules and on the "
        "places where the kernel calls them.\n\n"
        + table(["name", "dialect", "what is wrong"], [
            row(name, mutant) for name, mutant in slips.items() if mutant.kind == "sequential"
        ])
        + "\n## Not yet killed\n\nWhat only an interleaving of two CPUs shows: no program does.\n\n"
        + table(["name", "dialect", "what is wrong"], [
            row(name, mutant) for name, mutant in MUTANTS.items() if mutant.kind == "interleaving"
        ])
    )  # fmt: skip


def schema() -> str:
    """The JSON Schema of the line protocol."""
    return json.dumps(_protocol.schema(), indent=2) + "\n"


def record_schema() -> str:
    """The JSON Schema of the lines of a record."""
    return json.dumps(_record_lines.schema(), indent=2) + "\n"


def counterexample_schema() -> str:
    """The JSON Schema of a counterexample."""
    return json.dumps(_counterexample.schema(), indent=2) + "\n"


def vectors_schema() -> str:
    """The JSON Schema of test vectors and their manifest."""
    return json.dumps(_vectors.schema(), indent=2) + "\n"


FILES: dict[str, Callable[[], str]] = {
    "docs/dialects.md": generate_dialects.page,
    "docs/zoo.md": zoo_table,
    "docs/protocol.schema.json": schema,
    "docs/cli.md": cli_reference,
    "docs/record.schema.json": record_schema,
    "docs/counterexample.schema.json": counterexample_schema,
    "docs/vectors.schema.json": vectors_schema,
}


def tracker_example() -> str:
    """The example tracker."""
    return f"```python\n{(ROOT / 'examples/tracker.py').read_text('utf-8')}```\n"


def vector_example() -> str:
    """A line of test vectors: an owner exits while its child uses the mm."""
    program = parse_program("clone(1, 2, mm=2)\nclone(2, 3, VM)\nexit(2)")
    wanted = _vectors.Wanted("6.11", Bounds(3, 2), order="shortest")
    line = next(line for line in _vectors.lines(wanted) if tuple(line.ops) == program)
    return f"```json\n{line.text.decode()}```\n"


BLOCKS: dict[str, Callable[[], str]] = {
    "candidates": candidates,
    "options": options,
    "tracker": tracker_example,
    "vector": vector_example,
    **generate_schedules.BLOCKS,
}


def generated(root: Path) -> dict[Path, str]:
    """Return the right content of every file that has generated parts."""
    out = {root / name: make() for name, make in FILES.items()}
    out |= {root / name: text for name, text in generate_requirements.pages().items()}
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
            path.parent.mkdir(exist_ok=True)
            path.write_text(generated(ROOT)[path], "utf-8")
        print(f"{'stale' if check else 'written'}: {path.relative_to(ROOT)}")  # noqa: T201  a console script prints
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
