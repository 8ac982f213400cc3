"""A counterexample in words: program, observed, what alone is allowed and why, and the trees."""

from __future__ import annotations

from collections.abc import Sequence

from mmowner_reference import Deviation, Kernel, Op

from ._draw import side_by_side, tree
from ._requirements import requirements

#: What is said of a program: minimal, not, or nobody tried.
KINDS = {
    True: "minimal program",
    False: "program, not fully minimized: the budget ran out",
    None: "program",
}
#: Columns that an explanation keeps to.
WIDTH = 96


def explain(
    rule: str,
    candidate: str,
    dialect: str,
    program: Sequence[Op],
    deviation: Deviation,
    *,
    minimal: bool | None = True,
    note: str = "",
) -> str:
    """Return the whole text about one deviation of *candidate* from the requirement *rule*."""
    known = requirements().get(rule)
    title = f"{rule} [{known.level}] {known.text}" if known else rule
    kind = KINDS[minimal]
    lines = [title, f"candidate {candidate}, dialect {dialect}"]
    if note:
        lines.append(note)
    count = len(program)
    lines.append(f"{kind}, {count} operation{'s' if count != 1 else ''}:")
    lines += [f"  {number:3d}  {op}" for number, op in enumerate(program, 1)]
    lines += observed_and_allowed(deviation)
    lines += _trees(dialect, program, deviation)
    return "\n".join(lines)


def observation(deviation: Deviation) -> str:
    """Return in a line what was observed: the same for the same failure in every run."""
    asked = deviation.question
    return f"after {deviation.op}: {asked} is {_value(asked.ask, deviation.observed)}"


def observed_and_allowed(deviation: Deviation) -> list[str]:
    """Return the lines that say what was observed, what alone is allowed, and why."""
    subject = deviation.question
    if subject.ask == "performed":
        return [
            f"at {deviation.op} (operation {deviation.step}):",
            f"  observed: it was not performed: {deviation.observed}",
            "  allowed are only: performed",
            f"  because {deviation.rule}: {deviation.allowed[0].reason.text}",
        ]
    lines = [
        f"after {deviation.op} (operation {deviation.step}):",
        f"  observed: {subject} is {_value(subject.ask, deviation.observed)}",
    ]
    values = [_value(subject.ask, allowed.value) for allowed in deviation.allowed]
    lines.append(f"  allowed are only: {', '.join(dict.fromkeys(values))}")
    for allowed in deviation.allowed:
        reason = allowed.reason
        known = requirements().get(reason.rule)
        source = f"; {known.source}" if known else ""
        which = f"{_value(subject.ask, allowed.value)} " if len(deviation.allowed) > 1 else ""
        lines.append(f"  {which}because {reason.rule}: {reason.text}{source}")
    return lines


def _value(ask: str, value: object) -> str:
    if ask != "owner":
        return str(value)
    if value is None:
        return "nobody"
    return f"task {value}" if isinstance(value, int) else str(value)


def _trees(dialect: str, program: Sequence[Op], deviation: Deviation) -> list[str]:
    world = Kernel(dialect)
    for op in program[: deviation.step - 1]:
        world.do(op)
    before = ["before:", *tree(world)]
    world.do(program[deviation.step - 1])
    after = ["after, as it should be:", *tree(world)]
    return ["", *(f"  {line}".rstrip() for line in side_by_side(before, after, WIDTH - 2))]
