"""A parting of two dialects as text for terminals and as JSON."""

from __future__ import annotations

import textwrap
from dataclasses import replace
from typing import Any

from mmowner_reference import (
    CORE,
    PROCESSES,
    Change,
    Deviation,
    Kernel,
    Oracle,
    Question,
    Reason,
)  # fmt: skip

from ._differences import (
    OTHER,
    OWNER,
    Parting,
    answer_of,
    commits,
    extent_rows,
    fields_apart,
    final_worlds,
    objections,
    operations_apart,
)  # fmt: skip
from ._draw import side_by_side, tree
from ._explain import WIDTH, _value
from ._requirements import requirements

TOPICS = {OWNER: "owners", OTHER: "the other answers", "all": "all answers"}


def headline(parting: Parting) -> str:
    """Return the result in a line."""
    pair = f"{parting.first} and {parting.second}"
    found = parting.difference
    if found is not None:
        count = counted(len(found.program), "operation")
        kind = "" if parting.minimal else "at most "
        return f"{pair} part after {kind}{count}: {found.question}"
    return f"{pair} cannot be told apart by programs of up to {reach(parting)}"


def reach(parting: Parting) -> str:
    """Return how many operations the longest programs had that were all looked at, by topic."""
    most: dict[str, int] = {}
    for row in parting.searched:
        most[row.about] = max(row.length, most.get(row.about, 0))
    first, *others = most.items()
    text = counted(first[1], "operation")
    rest = [f"{number} about {TOPICS[topic]}" for topic, number in others if number != first[1]]
    return f"{text} about {TOPICS[first[0]]}, and {', '.join(rest)}" if rest else text


def explain_parting(parting: Parting) -> list[str]:
    """Return the whole text, headline first."""
    lines = [headline(parting)]
    if parting.difference is not None:
        lines += [*program_lines(parting), *answer_lines(parting), "", *drawing(parting)]
        lines += ["", *why(parting)]
    else:
        lines += ["", *unshown(parting)]
    return [*lines, "", *extent(parting)]


def program_lines(parting: Parting) -> list[str]:
    """Return the program, numbered."""
    assert parting.difference is not None, "asked only where there is one"
    return [f"  {number:3d}  {op}" for number, op in enumerate(parting.difference.program, 1)]


def answer_lines(parting: Parting) -> list[str]:
    """Return what each of the two answers, and because of what."""
    found = parting.difference
    assert found is not None, "asked only where there is one"
    lines = [f"after {found.program[-1]}:"]
    for name, said in zip((parting.first, parting.second), objections(parting), strict=True):
        asked = said.question
        values = [
            _value(asked.ask, answer_of(world, asked)) for world in _distinct(name, parting, asked)
        ]
        lines += _wrapped(f"{name}: {asked} is {' or '.join(values)}", "  ")
        for world in _distinct(name, parting, said.question):
            lines += _wrapped(_because(name, world, said), "    ")
    return lines


def _reason(name: str, world: Kernel, said: Deviation) -> Reason:
    """Return why a dialect answers as it does, by the rule that the other's answer breaks."""
    reason = Oracle(name).reason(world, said.question)
    return replace(reason, rule=said.rule) if said.rule == reason.order else reason


def _because(name: str, world: Kernel, said: Deviation) -> str:
    """Return the same in words; a hazard is said to be one."""
    reason = _reason(name, world, said)
    known = requirements().get(reason.rule)
    if known is not None and name in known.hazards:
        return f"although {reason.rule}: {name} breaks it by itself ({known.hazards[name]})"
    if known is not None and name not in known.dialects:
        return f"because {reason.rule} is no rule of {name}"
    return f"because {reason.rule}: {reason.text}"


def _distinct(name: str, parting: Parting, question: Question) -> list[Kernel]:
    """Return a world for each answer that a dialect may give, in order."""
    assert parting.difference is not None, "asked only where there is one"
    out: dict[str, Kernel] = {}
    for world in final_worlds(name, parting.difference.program):
        out.setdefault(_value(question.ask, answer_of(world, question)), world)
    return list(out.values())


def drawing(parting: Parting) -> list[str]:
    """Return the tree before the last operation, and after it in each of the two."""
    assert parting.difference is not None, "asked only where there is one"
    *before, last = parting.difference.program
    worlds = [Kernel(name).run(before) for name in (parting.first, parting.second)]
    trees = [tree(world) for world in worlds]
    names = parting.first, parting.second
    if trees[0] == trees[1]:
        left = ["before:", *trees[0]]
    else:
        left = []
        for name, lines in zip(names, trees, strict=True):
            left += [f"before, {name}:", *lines]
    for world in worlds:
        world.do(last)
    after = [
        [f"after, {name}:", *tree(world)] for name, world in zip(names, worlds, strict=True)
    ]  # fmt: skip
    right = side_by_side(after[0], after[1], WIDTH)
    return [f"  {line}".rstrip() for line in side_by_side(left, right, WIDTH - 2)]


def why(parting: Parting) -> list[str]:
    """Return the rules that the answers follow, and the commits between the two."""
    lines: list[str] = []
    rules = dict.fromkeys(said.rule for said in objections(parting))
    for rule in rules:
        known = requirements().get(rule)
        text = f"rule {rule}" + (f" [{known.level}]: {known.text}" if known else "")
        lines += _wrapped(text)
    changes, needed = commits(parting)
    if not changes:
        lines += _wrapped(_no_commit(parting))
    if changes and not needed:
        lines.append("no single commit is needed for it; each of these alone is enough:")
    for change in changes:
        lines += _wrapped(f"commit {change.commit} ({change.version}): {change.text}")
        lines += _wrapped(f"it set {_sets(change)}", "  ")
    return lines


def _no_commit(parting: Parting) -> str:
    if "none" in (parting.first, parting.second):
        return "no commit: it is the configuration, CONFIG_MEMCG, without which there is no owner"
    return "no commit does it alone: it takes several of those that lie between the two"


def _sets(change: Change) -> str:
    return ", ".join(f"{name} = {value!r}" for name, value in change.sets.items())


def unshown(parting: Parting) -> list[str]:
    """Return what differs between the two although no program of the scope shows it."""
    lines: list[str] = []
    apart = fields_apart(parting.first, parting.second)
    if apart:
        lines.append("what differs, and no program of this scope shows it:")
    for name, (mine, theirs) in apart.items():
        lines.append(
            f"  {name}: {parting.first} has {mine!r}, {parting.second} has {theirs!r}"
        )  # fmt: skip
    for name, words in operations_apart(parting.first, parting.second).items():
        if words:
            lines.append(
                f"  only {name} has the operation{'s' if len(words) > 1 else ''} "
                f"{', '.join(words)}; the other refuses, so no program has it"
            )
    return lines


def extent(parting: Parting) -> list[str]:
    """Return what was searched, and what that says of the program."""
    lines: list[str] = []
    if parting.difference is not None:
        lines += _wrapped(_how_short(parting))
    lines.append("searched, with names left out of account, all programs over")
    topic = ""
    for row, more in extent_rows(parting):
        if row.about != topic:
            topic = row.about
            lines.append(f"  about {TOPICS[topic]}:")
        lines += _wrapped(
            f"{more}: up to {counted(row.length, 'operation')} ({counted(row.worlds, 'world')})",
            "    ",
        )
    return [*lines, *_wrapped(bounds(parting.tasks))]


def bounds(tasks: int) -> str:
    """Return how large the worlds of a search are, and what its core is."""
    flags = ", ".join("|".join(flag) or "none" for flag in PROCESSES)
    return (
        f"core is {CORE.replace(' ', ', ')}, with the clone flags {flags}; worlds of up to "
        f"{tasks} tasks beside init, 3 mms, 1 reference, 1 kernel thread, 1 cgroup and 3 threads "
        "a group, zombies counted"
    )


def counted(number: int, noun: str) -> str:
    """Return a number with its noun."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _how_short(parting: Parting) -> str:
    if parting.exhaustive:
        return (
            "it is minimal: no shorter program over the alphabets below, each to its length, "
            "tells the two apart"
        )
    found = "it was found by trying programs that once told others apart and random ones"
    if parting.minimal:
        return (
            f"{found}; it is minimal: no shorter program over the alphabets below tells the two "
            "apart, but for those that are searched less far"
        )
    return (
        f"{found}. Nothing can be left out of it; whether there is a shorter one is known only "
        "as far as was searched (--length N searches further)"
    )


def _wrapped(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(
        text, WIDTH, initial_indent=indent, subsequent_indent=indent + "  ",
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip


def parting_data(parting: Parting) -> dict[str, Any]:
    """Return the same as JSON has it."""
    found = parting.difference
    data: dict[str, Any] = {
        "first": parting.first, "second": parting.second, "apart": found is not None,
        "program": None, "question": None, "answers": {}, "rules": {}, "commits": [],
        "minimal": parting.minimal,
        "fields": {
            name: {parting.first: mine, parting.second: theirs}
            for name, (mine, theirs) in fields_apart(parting.first, parting.second).items()
        },
        "operations": operations_apart(parting.first, parting.second),
        "tasks": parting.tasks,
        "searched": [
            {"about": row.about, "alphabet": row.alphabet, "over": words, "length": row.length,
             "worlds": row.worlds}
            for row, words in extent_rows(parting)
        ],
    }  # fmt: skip
    if found is None:
        return data
    names = parting.first, parting.second
    data["program"] = [op.to_dict() for op in found.program]
    data["text"] = "\n".join(map(str, found.program))
    data["question"] = str(found.question)
    changes, needed = commits(parting)
    data["commits"] = [
        {"commit": change.commit, "version": change.version, "text": change.text,
         "sets": dict(change.sets), "needed": needed}
        for change in changes
    ]  # fmt: skip
    for name, said in zip(names, objections(parting), strict=True):
        worlds = _distinct(name, parting, said.question)
        reasons = [_reason(name, world, said) for world in worlds]
        data["answers"][name] = [answer_of(world, said.question) for world in worlds]
        data["rules"][name] = [{"rule": r.rule, "because": r.text} for r in reasons]
    return data
