"""Write docs/differences.md and docs/hazards.md: where dialects part, what each breaks itself.

``python docs/generate_differences.py`` writes them from ``docs/differences.json`` and
``docs/hazards.json``, which have what the searches found; ``--search`` searches again and
writes all four (ten minutes of one core).  ``--check`` writes nothing and takes less than a
minute: every program is performed again, in both dialects, each of which must object to the
other's answer; pairs with programs of up to three operations are searched again; and the
documents must be what they would be written as.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any, Final

from mmowner_reference import (
    ALPHABETS,
    CORE,
    DIALECTS,
    PROCESSES,
    Kernel,
    parse_program,
)
from pytest_mmowner._differences import (
    OWNER,
    Parting,
    commits,
    find_parting,
    record_of,
    recorded_parting,
)
from pytest_mmowner._differences_text import (
    TOPICS,
    answer_lines,
    bounds,
    counted,
    drawing,
    program_lines,
    reach,
    unshown,
    why,
)
from pytest_mmowner._hazard_table import (
    LENGTH as HAZARD_LENGTH,
)
from pytest_mmowner._hazard_table import (
    ended_by,
    scope_text,
    search_hazard,
    shapes,
)
from pytest_mmowner._hazards import Hazard
from pytest_mmowner.errors import SuiteError

DOCS: Final = Path(__file__).resolve().parent
#: How far the searches of the document go: owners so far, other answers one operation less.
LENGTH: Final = 5
#: The search that comes first, and is enough for most pairs.
SHORT: Final = 4
#: Programs of up to so many operations are searched again by --check.
QUICK: Final = 3

#: What to do about a record that is not true any more.
AGAIN: Final = "run python docs/generate_differences.py --search"

Record = dict[str, Any]
Pair = tuple[str, str]


def pairs() -> list[Pair]:
    """Return all pairs of dialects, the older first."""
    return list(combinations(DIALECTS, 2))


# -- searching ---------------------------------------------------------------------------------


def search_differences() -> list[Record]:
    """Search for all pairs; those that take seconds come first."""
    found: dict[Pair, Parting] = {}
    for length in (SHORT, LENGTH):
        for pair in pairs():
            if pair in found:
                continue
            start = time.monotonic()
            parting = find_parting(*pair, length)
            program = parting.difference.program if parting.difference else ()
            # About anything but owners only after a long search about owners.
            short = (
                program and parting.exhaustive and parting.about == OWNER and len(program) < SHORT
            )
            if short or length == LENGTH:
                found[pair] = parting
                spent = time.monotonic() - start
                say(f"{' '.join(pair)}: {counted(len(program), 'operation')} ({spent:.0f} s)")
    return [record_of(found[pair]) for pair in pairs()]


def search_hazards() -> list[Record]:
    """Search for every hazard in every dialect."""
    out = []
    for dialect in DIALECTS:
        for hazard in shapes():
            row = search_hazard(dialect, hazard)
            out.append({
                "dialect": dialect, "hazard": name_of(hazard),
                "program": None if row.program is None else [str(op) for op in row.program],
                "length": row.length, "worlds": row.worlds,
            })  # fmt: skip
    return out


def name_of(hazard: Hazard) -> str:
    """Return a name that is a hazard's own."""
    return f"{hazard.rule} {hazard.kind} {hazard.dialects}"


def say(text: str) -> None:
    """Tell whoever waits."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


# -- differences.md ----------------------------------------------------------------------------


def differences(records: Iterable[Record]) -> str:
    """Return the document about pairs of dialects."""
    partings = {(r["first"], r["second"]): recorded_parting(r) for r in records}
    if list(partings) != pairs():
        raise SuiteError(f"differences.json has other pairs than there are: {AGAIN} differences")
    names = list(DIALECTS)
    triangle = [
        [f"**{newer}**", *(_cell(partings[older, newer]) for older in names[:at])]
        for at, newer in enumerate(names)
        if at
    ]
    parts = [
        "# Where the dialects part", _INTRODUCTION, "## All pairs at a glance",
        _GLANCE,
        table(["", *names[:-1]], [row + [""] * (len(names) - len(row)) for row in triangle]),
        "## From one dialect to the next",
    ]  # fmt: skip
    for pair in pairwise(names):
        parts += [f"### {pair[0]} and {pair[1]}", _section(partings[pair])]
    parts += [
        "## Every pair", table(["pair", "operations", "program", "what differs", "commits"], [
            _row(parting) for parting in partings.values()
        ]),
        "## What was searched", f"In all searches: {bounds(4)}. Equal but for names is equal.",
        table(["alphabet", "beside the core", "flags beside", "searched"], alphabets()),
        _EXTENTS,
        table(["pair", "searched"], [_extents(parting) for parting in partings.values()]),
    ]  # fmt: skip
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


_INTRODUCTION: Final = """\
Generated by `python docs/generate_differences.py` from `docs/differences.json`, which is what
`--search` found. For every two dialects: the shortest program after which they answer
differently, first about owners, and only where no program tells owners apart about anything
else (users, states, callbacks, bills, MGLRU lists, the owner of init_mm). No shorter program
over the alphabets at the end of this document tells the two apart: all were looked at. Each of
the two dialects, as an oracle, objects to the other's answer. `mmowner diff A B` searches for
any two, also for releases as `uname -r` prints them."""

_GLANCE: Final = """\
The number of operations of the shortest program that two dialects answer differently; `*`: not
about owners; `none`: none was found. Each leads to its program."""

_EXTENTS: Final = """\
What one of two dialects refuses is left out, and with it the alphabets that have nothing else
of their own. How far, about owners unless it says otherwise: all programs of so many operations
were looked at, in brackets how many worlds that were. A search ends at the length at which it
finds something."""


def anchor(first: str, second: str) -> str:
    """Return the place of a pair."""
    return f"pair-{first}-{second}".replace(".", "")


def _cell(parting: Parting) -> str:
    found = parting.difference
    text = "none"
    if found is not None:
        text = f"{len(found.program)}{'' if parting.about == OWNER else '*'}"
    return f"[{text}](#{anchor(parting.first, parting.second)})"


def _section(parting: Parting) -> str:
    found = parting.difference
    if found is None:
        head = f"Cannot be told apart by programs of up to {reach(parting)}."
        return f"{head}\n\n{fenced(unshown(parting))}"
    lines = [*program_lines(parting), *answer_lines(parting), "", *drawing(parting)]
    short = "" if parting.minimal else "at most "
    head = f"{short}{counted(len(found.program), 'operation')}, about {TOPICS[parting.about]}:"
    return f"{head}\n\n{fenced(lines)}\n\n{fenced(why(parting))}"


def _row(parting: Parting) -> list[str]:
    place = f'<a id="{anchor(parting.first, parting.second)}"></a>'
    pair = f"{place}{parting.first}, {parting.second}"
    found = parting.difference
    if found is None:
        return [pair, "none", "", "; ".join(line.strip() for line in unshown(parting)[1:]), ""]
    program = "; ".join(str(op) for op in found.program)
    answers = [" ".join(str(answer).split()) for answer in found.answers]
    if parting.about == OWNER:
        answers = ["nobody" if answer == "None" else f"task {answer}" for answer in answers]
    changes, needed = commits(parting)
    joint = ", " if needed else " or "
    size = len(found.program)
    return [
        pair, f"{size}{'' if parting.about == OWNER else '*'}", f"`{program}`",
        f"{found.question}: {answers[0]}, {answers[1]}",
        joint.join(change.commit.split(" (")[0] for change in changes),
    ]  # fmt: skip


def alphabets() -> list[list[str]]:
    """Return the alphabets, each with what it has beside the core."""
    return [
        [
            row.name,
            ", ".join(word for word in row.words if word not in CORE.split()),
            ", ".join("|".join(flag) for flag in row.flags if flag not in PROCESSES),
            f"to {row.reach(LENGTH)} operations",
        ]
        for row in ALPHABETS
    ]


def _extents(parting: Parting) -> list[str]:
    cells = []
    for extent in parting.searched:
        about = "" if extent.about == OWNER else "other answers, "
        cells.append(f"{about}{extent.alphabet} {extent.length} ({extent.worlds})")
    return [f"{parting.first}, {parting.second}", "; ".join(cells)]


# -- hazards.md --------------------------------------------------------------------------------


def hazards(records: Iterable[Record]) -> str:
    """Return the document about hazards, every program performed again.

    Raises ``SuiteError`` where a hazard is not what was recorded.
    """
    rows = {(r["dialect"], r["hazard"]): r for r in records}
    wanted = [(dialect, name_of(hazard)) for dialect in DIALECTS for hazard in shapes()]
    if list(rows) != wanted:
        raise SuiteError(
            f"hazards.json has other hazards or dialects than hazards.py: {AGAIN} hazards"
        )
    parts = [
        "# Hazards: what dialects break by themselves", _HAZARDS, "## Dialect by dialect",
        table(["hazard", *DIALECTS], [
            [f"[{number}](#hazard-{number}) {hazard.rule}",
             *(_state(hazard, name, rows[name, name_of(hazard)]) for name in DIALECTS)]
            for number, hazard in enumerate(shapes(), 1)
        ]),
        "## Hazard by hazard",
    ]  # fmt: skip
    for number, hazard in enumerate(shapes(), 1):
        record = rows[hazard.last, name_of(hazard)]
        program = parse_program("\n".join(record["program"]))
        after = [name for name in DIALECTS if name not in hazard.present and name != "none"]
        worlds = min((rows[name, name_of(hazard)]["worlds"] for name in after), default=0)
        gone = ", ".join(f"{change.commit}: {change.text}" for change in ended_by(hazard))
        parts += [
            (
                f'<a id="hazard-{number}"></a>**{number}. {hazard.rule}**: {hazard.text}. Up to '
                f"{hazard.last}; ended by {gone}."
            ),
            fenced([
                *(f"  {n:3d}  {op}" for n, op in enumerate(program, 1)),
                *_tree(hazard.last, program),
            ]),
            (
                f"Looked for with {scope_text(hazard)}: where it is gone, no program of up to "
                f"{HAZARD_LENGTH} operations shows it ({worlds} worlds or more)."
            ),
        ]  # fmt: skip
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


_HAZARDS: Final = f"""\
Generated by `python docs/generate_differences.py` from `docs/hazards.json`, which is what
`--search` found. A number is the length of the shortest program by which a dialect breaks the
rule by itself; `gone` means that no program of up to {HAZARD_LENGTH} operations does, over the
operations of the hazard, with up to 3 tasks beside init, 2 mms, 1 reference, 1 kernel thread and
2 threads a group. `mmowner hazards DIALECT` searches again."""


def _state(hazard: Hazard, dialect: str, record: Record) -> str:
    """Return the cell of a hazard in a dialect, looked at again."""
    if record["program"] is None:
        last = search_program_of(hazard)
        if dialect in hazard.present or hazard.shows(Kernel(dialect).run(last)):
            raise SuiteError(
                f"{dialect} has {name_of(hazard)}, against hazards.json: {AGAIN} hazards"
            )
        return "gone"
    program = parse_program("\n".join(record["program"]))
    if dialect not in hazard.present or not hazard.shows(Kernel(dialect).run(program)):
        raise SuiteError(
            f"{dialect} has no {name_of(hazard)}, against hazards.json: {AGAIN} hazards"
        )
    return f"**{len(program)}**"


_programs: dict[Hazard, tuple[Any, ...]] = {}


def search_program_of(hazard: Hazard) -> tuple[Any, ...]:
    """Return the shortest program of the last dialect that had *hazard*."""
    if hazard not in _programs:
        _programs[hazard] = search_hazard(hazard.last, hazard).program or ()
    return _programs[hazard]


def _tree(dialect: str, program: Sequence[Any]) -> list[str]:
    from pytest_mmowner._draw import tree  # noqa: PLC0415  only here

    return [f"  {line}" for line in tree(Kernel(dialect).run(program))]


# -- files -------------------------------------------------------------------------------------


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines
    )


def fenced(lines: Iterable[str]) -> str:
    """Return lines as a block of plain text."""
    return "\n".join(["```text", *lines, "```"])


#: What is recorded, how it is searched for, and what is written of it.
DOCUMENTS: Final[
    dict[str, tuple[Callable[[], list[Record]], Callable[[Iterable[Record]], str]]]
] = {
    "differences": (search_differences, differences),
    "hazards": (search_hazards, hazards),
}


def saved(records: Iterable[Record]) -> str:
    """Return records as JSON, one a line."""
    return "[\n" + ",\n".join(json.dumps(record) for record in records) + "\n]\n"


def searched_again(records: Iterable[Record]) -> list[str]:
    """Return what a new search for the quick pairs finds otherwise than it is recorded."""
    wrong = []
    for record in records:
        program = record["program"]
        if program is None or len(program) > QUICK:
            continue
        again = record_of(find_parting(record["first"], record["second"], SHORT))
        if again["program"] != program:
            pair = f"{record['first']} and {record['second']}"
            wrong.append(
                f"{pair}: {program} is recorded, a search finds {again['program']}: {AGAIN}"
            )
    return wrong


def main() -> int:
    """Write, search and write, or check; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--search", choices=[*DOCUMENTS, "all"], nargs="?", const="all")
    args = parser.parse_args()
    wrong: list[str] = []
    for name, (search, write) in DOCUMENTS.items():
        if args.search not in (None, name, "all"):
            continue
        if args.search:
            (DOCS / f"{name}.json").write_text(saved(search()), "utf-8")
        records = json.loads((DOCS / f"{name}.json").read_text("utf-8"))
        document = DOCS / f"{name}.md"
        text = write(records)
        if not args.check:
            document.write_text(text, "utf-8")
        elif not document.exists() or document.read_text("utf-8") != text:
            wrong.append(f"docs/{name}.md is stale: run python docs/generate_differences.py")
        if args.check and name == "differences":
            wrong += searched_again(records)
    for line in wrong:
        say(line)
    return int(bool(wrong))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except SuiteError as exc:
        sys.exit(f"{exc}")
