"""The tables of docs/kernel.md, docs/schedules.md and docs/lib.md.

``docs/generate.py`` writes them with everything else that is generated.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from mmowner_conformance.scenes import SCENES
from mmowner_reference import Op
from pytest_mmowner._kernel._cut import AROUND, OWNER
from pytest_mmowner._requirements import requirements
from pytest_mmowner._scenes import LETTERS, Scene
from pytest_mmowner._schedules import BLAME

ROOT = Path(__file__).resolve().parent.parent

#: What each kind of finding is, in words.
SEEN = {
    "owner-store": "the owner is changed by a task that does not own the mm, still uses it, or "
    "does not hold the new owner's alloc_lock",
    "owner-not-user": "the owner becomes a task that does not use the mm at that moment",
    "stale-owner": "at the end the owner of an mm is a task that does not use it",
    "dangling-owner": "at the end the owner of an mm is a task that was freed",
    "missed-sharer": "at the end an mm has no owner, and a task uses it",
    "list-walk": "a list of tasks is read without the lock that protects it",
    "unprotected-task": "another task is touched without tasklist_lock, RCU, its alloc_lock or a "
    "reference",
    "use-after-free": "memory of a task or an mm is touched after it was freed; the field is named",
    "charge-use-after-free": "the same, by a reader that follows the owner inside RCU",
    "sleep-in-atomic": "something that may sleep, under a spinning lock or inside RCU",
    "self-deadlock": "a lock is waited for that its waiter holds",
    "deadlock": "all operations wait for each other",
    "plain-store": "the owner is stored without WRITE_ONCE",
    "lock-imbalance": "a function returns with a lock, RCU or preemption count that it took",
    "mm-count": "at the end the mm_count of an mm is not what its users make it",
    "bad-unlock": "a lock is released that is not held",
    "reference-leak": "at the end a task that was released is not freed: a reference was kept",
    "reference-underflow": "a reference is put that nobody holds",
    "host-call": "a library calls the host in a way that the header forbids",
    "lock-order": "tasklist_lock is taken under an alloc_lock, or two alloc_locks at a time",
    "callback-lock": "a hook is called without the new owner's alloc_lock",
    "migrate-lock": "lru_gen_migrate_mm() without the new owner's alloc_lock",
    "null-dereference": "a field of NULL is touched; it is named",
    "wild-pointer": "memory that is no object is touched",
    "crash": "a signal of the processor",
    "stack-overflow": "the stack is used up",
    "endless-loop": "a function takes more steps than any run has",
    "bug-on": "BUG_ON() or BUG(), with its condition",
    "warning": "WARN_ON() or its kin",
}


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table."""
    return "".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n"
        for line in (head, ["---"] * len(head), *rows)
    )


def rule_link(rule: str, up: str = "") -> str:
    """Return a link to a requirement's place in the documentation."""
    chapter = requirements()[rule].chapter
    return f"[{rule}]({up}requirements/{chapter}.md#{rule.lower()})"


def findings() -> str:
    """The kinds of findings, and the requirement that each breaks."""
    assert set(SEEN) == set(BLAME), "a kind of finding has no words, or words no kind"
    return table(["kind", "what was seen", "breaks"], [
        [f"`{kind}`", SEEN[kind], rule_link(rule)] for kind, rule in BLAME.items()
    ])  # fmt: skip


def rules_of_schedules() -> str:
    """The requirements that schedules decide about."""
    rules = requirements()
    return table(["requirement", "text", "findings"], [
        [rule_link(rule), rules[rule].text, ", ".join(f"`{kind}`" for kind in kinds_of(rule))]
        for rule in rules if rule in BLAME.values()
    ])  # fmt: skip


def kinds_of(rule: str) -> Iterator[str]:
    """Yield the kinds of findings that break a requirement."""
    yield from (kind for kind, broken in BLAME.items() if broken == rule)


def _ops(program: tuple[Op, ...]) -> str:
    return "; ".join(f"`{op}`" for op in program)


def _scene(scene: Scene) -> list[str]:
    after = scene.lines()[len(scene.program()) + len(scene.beside) :]
    beside = [f"{LETTERS[i]} `{text}`" for i, text in enumerate(scene.beside)]
    behind = [f"then `{line.partition('then ')[2]}`" for line in after]
    return [
        f"`{scene.name}`", _ops(scene.program()), "<br>".join([*beside, *behind]), scene.text,
        str(scene.bound),
    ]  # fmt: skip


def scenes() -> str:
    """The scenes of the suite."""
    return f"{len(SCENES)} scenes:\n\n" + table(
        ["name", "before", "operations that overlap", "what can go wrong", "preemptions"],
        [_scene(scene) for scene in SCENES],
    )


def cut_functions() -> str:
    """What is cut out of a tree first."""
    rows = [
        [f"`{name}`", ", ".join(f"`{path}`" for path in paths), part]
        for part, functions in (("owner code", OWNER), ("around it", AROUND))
        for name, paths in functions.items()
    ]
    return table(["function", "looked for in", "is"], rows)


def _without_head(text: str) -> str:
    """Return C or Rust without the comment that begins the file."""
    return re.sub(r"\A(?:/\*.*?\*/\s*|(?://!.*\n)+\s*)", "", text, flags=re.DOTALL)


def library_in_c() -> str:
    """The example library in C, from the first line of code on."""
    text = (ROOT / "examples/lib/c/rules.c").read_text("utf-8")
    return f"```c\n{_without_head(text)}```\n"


def patch_example() -> str:
    """The example patch."""
    text = (ROOT / "examples/kernel/next-owner.patch").read_text("utf-8")
    return f"```diff\n{text}```\n"


BLOCKS = {
    "findings": findings,
    "schedule-rules": rules_of_schedules,
    "scenes": scenes,
    "cut-functions": cut_functions,
    "library-in-c": library_in_c,
    "patch": patch_example,
}
