"""The pages about the requirements: one for each chapter, and the list of all.

``docs/generate.py`` writes them with everything else that is generated.
"""

from __future__ import annotations

import inspect
import textwrap
from collections import defaultdict
from collections.abc import Iterator

import generate_schedules

from mmowner_reference import in_ranges
from pytest_mmowner._check import suite_tests
from pytest_mmowner._requirements import MARKS, Requirement, requirements

#: What the chapters are about.
TITLES = {
    "INV": "What an owner is", "TASK": "Tasks", "INPUT": "What must be refused",
    "INIT": "The first owner", "CONF": "Configuration", "FORK": "fork and clone",
    "VFORK": "vfork", "EXIT": "exit", "LEADER": "Thread-group leaders",
    "SEARCH": "The order of the search", "EXEC": "exec", "REPARENT": "Reparenting",
    "PTRACE": "ptrace", "KTHREAD": "Kernel threads", "USERS": "Users that are no tasks",
    "CALLBACK": "Who is told", "CHARGE": "Who pays", "ATTACH": "Moving between cgroups",
    "LOCK": "Locks", "RACE": "Operations that overlap", "SOUND": "Pointers, loops and BUG_ON",
}  # fmt: skip


def chapters() -> dict[str, list[Requirement]]:
    """The requirements by chapter, in the order of the file."""
    out: dict[str, list[Requirement]] = defaultdict(list)
    for rule in requirements().values():
        out[rule.chapter].append(rule)
    assert set(out) == set(TITLES), "a chapter has no title, or a title no chapter"
    return dict(out)


def index() -> str:
    """The list of all requirements, with links to the chapters."""
    lines = [
        "# The requirements\n",
        (
            "Generated from `requirements.toml`. `A..B` is a range of the table of dialects, `A..` "
            "and `..B` are open. The mark says how sure a rule is:\n"
        ),
        *(f"- **{mark}**: {text}" for mark, text in MARKS.items()),
        "",
    ]
    every = requirements().values()
    judged = sum(rule.judged for rule in every)
    observed = [rule.id for rule in every if rule.observation]
    untested = [rule.id for rule in every if rule.untested]
    lines += [
        (
            f"{len(every)} rules: candidates are judged by {judged}; {len(observed)} are derived "
            f"and unconfirmed and judge nobody ({', '.join(observed)}); {len(untested)} cannot be "
            "shown by any test of this suite, each with the reason in its chapter "
            f"({', '.join(untested)}).\n"
        )
    ]
    for chapter, rules in chapters().items():
        lines += [
            f"## [{TITLES[chapter]}](requirements/{chapter}.md)\n",
            "| id | level | text | holds in | mark |",
            "|---|---|---|---|---|",
        ]
        lines += [
            f"| [{rule.id}](requirements/{chapter}.md#{rule.id.lower()}) | {rule.level} | "
            f"{_cell(rule.text)} | {_holds(rule)} | {_mark(rule)} |"
            for rule in rules
        ]
        lines.append("")
    return "\n".join(lines)


def pages() -> dict[str, str]:
    """The pages by their path."""
    tests = _tests()
    out = {"docs/requirements.md": index()}
    for chapter, rules in chapters().items():
        parts = [
            f"# {chapter}: {TITLES[chapter]}\n",
            (
                "Generated from `requirements.toml` and the tests of the suite. "
                "[All requirements](../requirements.md)\n"
            ),
            *(part for rule in rules for part in _rule(rule, tests[rule.id])),
        ]
        out[f"docs/requirements/{chapter}.md"] = "\n".join(parts)
    return out


def _rule(rule: Requirement, tests: list[str]) -> Iterator[str]:
    yield f"## {rule.id}\n"
    yield f"{rule.text}\n"
    yield f"- level: {rule.level}"
    yield f"- holds in: {_holds(rule)}"
    for why in dict.fromkeys(rule.hazards.values()):
        broken = in_ranges(name for name, said in rule.hazards.items() if said == why)
        yield f"- broken by the dialect itself in: `{broken}` ({why})"
    yield f"- source: {rule.source}"
    yield f"- mark: {rule.mark}, {MARKS[rule.mark]}"
    if rule.observation:
        yield "- observed, not asserted: nobody is judged by it"
    if rule.untested:
        yield f"- untested: {rule.untested}"
    if kinds := list(generate_schedules.kinds_of(rule.id)):
        yield (
            "- tested in every schedule of the [scenes](../schedules.md#scenes): broken by "
            f"{', '.join(f'`{kind}`' for kind in kinds)}"
        )
    if rule.random:
        yield "- random programs are judged by it too"
    yield ""
    for source in tests:
        yield f"```python\n{source}```\n"


def _tests() -> dict[str, list[str]]:
    """The sources of the scenarios, by requirement; tests over tables are left out."""
    out: dict[str, list[str]] = defaultdict(list)
    for rules, test, arguments in suite_tests("mmowner_conformance"):
        if arguments:
            continue
        lines = textwrap.dedent(inspect.getsource(test)).splitlines(keepends=True)
        source = "".join(line for line in lines if not line.startswith("@requirement"))
        for rule in rules:
            out[rule].append(source)
    return out


def _holds(rule: Requirement) -> str:
    text = in_ranges(rule.dialects)
    return "every dialect with owners" if text == ".." else f"`{text}`"


def _mark(rule: Requirement) -> str:
    if rule.untested:
        return f"{rule.mark}, untested"
    return f"{rule.mark}, observed" if rule.observation else rule.mark


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
