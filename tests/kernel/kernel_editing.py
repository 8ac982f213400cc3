"""Edits of a user's kernel, made on the fly and judged: the machinery under the tables of edits.

An edit says what it looks for as a few words of C, and in which function; white space and
comments do not count.  So no line of a kernel has to be here, and an edit that finds nothing, or
more than it should, says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from mmowner_conformance.scenes import SCENES
from pytest_mmowner import MissingPrerequisite
from pytest_mmowner._candidates.kernel import Kernel, dialect_of_tree
from pytest_mmowner._check import _call, suite_tests
from pytest_mmowner._kernel._build import build
from pytest_mmowner._kernel._facts import facts
from pytest_mmowner._kernel._scan import Definition, mask
from pytest_mmowner._kernel._sources import Source, _Patched, open_source
from pytest_mmowner._requirements import requirements
from pytest_mmowner._schedules import BLAME, explore, fits
from pytest_mmowner._session import Session, Shown, tools
from pytest_mmowner.errors import CandidateError, NotApplicable, Unknown

EXIT: Final = "kernel/exit.c"
FORK: Final = "kernel/fork.c"
EXEC: Final = "fs/exec.c"
#: Where each function is that edits change.
FILES: Final = {
    "mm_update_next_owner": EXIT, "__try_to_set_owner": EXIT, "try_to_set_owner": EXIT,
    "exit_mm": EXIT, "exec_mmap": EXEC, "mm_init_owner": FORK, "mm_clear_owner": FORK,
    "copy_process": FORK, "dup_mm": FORK, "delayed_free_task": FORK,
}  # fmt: skip
#: Stands in what an edit makes for what it found.
FOUND: Final = "@"
ALL: Final = "all"
_TOKEN: Final = re.compile(r"\.\.\.|\w+|\S")
_KIND: Final = re.compile(r"(?P<kind>[a-z]+(?:-[a-z]+)+|crash|deadlock|warning): ")


class DoesNotApplyError(Exception):
    """An edit does not find what it changes: the tree has changed, or the edit is wrong."""


@dataclass(frozen=True)
class Change:
    """In *function*, the words *find* become *into*: the only place that has them, or the nth."""

    function: str
    find: str
    into: str
    nth: int | str | None = None

    def made_in(self, text: str) -> str:
        """Return the text of the function with the change in it."""
        places = list(_pattern(self.find).finditer(mask(text)))
        if not places or (self.nth is None and len(places) > 1) or (
            isinstance(self.nth, int) and self.nth >= len(places)
        ):  # fmt: skip
            raise DoesNotApplyError(
                f"{self.function}() has {self.find!r} {len(places)} times, wanted is "
                f"{'the only one' if self.nth is None else f'number {self.nth}'}"
            )
        if isinstance(self.nth, int):
            places = [places[self.nth]]
        for place in reversed(places):
            new = self.into.replace(FOUND, text[place.start() : place.end()])
            text = text[: place.start()] + new + text[place.end() :]
        return text


@dataclass(frozen=True)
class Moved:
    """A *function* goes to another file, and is static no more."""

    function: str
    to: str


@dataclass(frozen=True)
class Added:
    """Lines of ours at the end of a file."""

    to: str
    text: str


@dataclass(frozen=True)
class Edit:
    """What is changed in a tree, why that is wrong, and what must find it.

    *by* are requirements and kinds of findings, all of which must come out; *scenes* those whose
    schedules show it, none when a scenario or a random program does.
    """

    name: str
    why: str
    changes: tuple[Change | Moved | Added, ...]
    by: tuple[str, ...] = ()
    scenes: tuple[str, ...] = ()
    #: Where the compiler's or the machine's C decides: only judged there.
    machines: tuple[str, ...] = ()
    #: What a refusal quotes.
    quoted: str = ""


def _pattern(find: str) -> re.Pattern[str]:
    tokens = _TOKEN.findall(find)
    parts = [r"(?<!\w)" if tokens[0][0].isalnum() or tokens[0][0] == "_" else ""]
    for number, token in enumerate(tokens):
        if number:
            words = re.match(r"\w", token) and re.match(r"\w", tokens[number - 1])
            parts.append(r"\s+" if words else r"\s*")
        parts.append(r".*?" if token == "..." else re.escape(token))  # noqa: S105  a token of C
    parts.append(r"(?!\w)" if re.match(r"\w", tokens[-1]) else "")
    return re.compile("".join(parts), re.DOTALL)


# -- a tree with an edit ------------------------------------------------------------------


class Edited(Source):
    """A tree with an edit in it; what the edit leaves alone is scanned once for all edits."""

    def __init__(self, base: Source, name: str, changed: Mapping[str, str]) -> None:
        super().__init__(name, _Patched(base, dict(changed)))  # type: ignore[arg-type]  # a part of a tree that is edited
        self._base = base
        self._changed = changed

    def definitions(self, path: str) -> list[Definition]:
        """As always, and of files without changes those of the tree."""
        return super().definitions(path) if path in self._changed else self._base.definitions(path)


def opened(path: Path) -> Source:
    """Return the tree that edits are made to."""
    return open_source(f"kernel:{path}", str(path))


def edited(base: Source, edit: Edit) -> Edited:
    """Return *base* with *edit* made in it.  Raises ``DoesNotApplyError``."""
    functions: dict[str, str] = {}
    before: dict[str, str] = {}
    for change in edit.changes:
        if isinstance(change, Added):
            continue
        if change.function not in functions:
            before[change.function] = functions[change.function] = _function(base, change.function)
        if isinstance(change, Change):
            functions[change.function] = change.made_in(functions[change.function])
    changed: dict[str, str] = {}
    for name, text in functions.items():
        path = FILES[name]
        whole = changed.get(path) or base.read(path) or ""
        if whole.count(before[name]) != 1:
            raise DoesNotApplyError(f"{path} has {name}() {whole.count(before[name])} times")
        changed[path] = whole.replace(before[name], text)
    for change in edit.changes:
        if isinstance(change, Added):
            changed[change.to] = (
                changed.get(change.to) or base.read(change.to) or ""
            ) + change.text
        elif isinstance(change, Moved):
            path, text = FILES[change.function], functions[change.function]
            changed[path] = changed[path].replace(text, "")
            there = changed.get(change.to) or base.read(change.to) or ""
            changed[change.to] = f"{there}\n{text.removeprefix('static ')}\n"
    return Edited(base, f"{base.name}+{edit.name}", changed)


def _function(base: Source, name: str) -> str:
    found = [one.text for one in base.definitions(FILES[name])
             if one.name == name and one.kind == "function"]  # fmt: skip
    if len(found) != 1:
        raise DoesNotApplyError(f"{FILES[name]} defines {name}() {len(found)} times")
    return found[0]


def candidate_of(source: Source, dialect: str | None = None) -> Kernel:
    """Compile and start the owner code of *source*, as ``open_kernel`` does with a SPEC."""
    program, pieces = build(source)
    told = facts(source, pieces)
    claimed = dialect_of_tree(told)
    assert claimed is not None
    return Kernel(source.name, source, program, told, dialect or claimed, claimed, patience=30)


# -- judging ------------------------------------------------------------------------------


@dataclass
class Caught:
    """What speaks against a candidate: requirements and kinds of findings, with a text each."""

    said: dict[str, str] = field(default_factory=dict)
    #: Scenes by the kinds that they showed.
    scenes: dict[str, list[str]] = field(default_factory=dict)
    #: Scenes that have more schedules than were tried.
    incomplete: list[str] = field(default_factory=list)

    def note(self, what: str, text: str) -> None:
        """Keep the first text for *what*, and for the kind that the text is about."""
        self.said.setdefault(what, text)
        for match in _KIND.finditer(text):
            if match["kind"] in BLAME:
                self.said.setdefault(match["kind"], text)

    def has(self, wanted: Iterable[str]) -> bool:
        """Whether all of *wanted* came out, and something at all."""
        return bool(self.said) and set(wanted) <= set(self.said)


def judge(
    candidate: Kernel, dialect: str, wanted: Sequence[str] | None = None,
    scenes: Sequence[str] | None = None,
) -> Caught:  # fmt: skip
    """Judge by the suite until *wanted* has come out, to the end without it.

    Scenarios and hazards come first, then the *scenes* (all by default), random programs last.
    """
    caught = Caught()
    session = Session(candidate, dialect, known=frozenset(requirements()))
    tests = [
        one
        for one in suite_tests("mmowner_conformance")
        if one[1].__name__ != "test_in_every_schedule"
    ]
    random = [one for one in tests if one[1].__name__ == "test_in_random_programs"]
    for rules, test, arguments in (one for one in tests if one not in random):
        _take(caught, rules, _call(test, {**tools(session, rules), **arguments}))
    if wanted is not None and caught.has(wanted):
        return caught
    for scene in SCENES:
        if (scenes is not None and scene.name not in scenes) or not fits(candidate, scene, dialect):
            continue
        try:
            # What is wrong without a preemption is not looked for with more of them.
            answer, found = explore(candidate, scene, stop_early=int(wanted is not None))
        except CandidateError as exc:
            caught.note("SOUND-01", str(exc))
            continue
        if not answer["complete"]:
            caught.incomplete.append(scene.name)
        for one in found:
            caught.note(one.rule, one.line())
            caught.scenes.setdefault(one.kind, []).append(scene.name)
    if wanted is not None and caught.has(wanted):
        return caught
    for rules, test, arguments in random:
        _take(caught, rules, _call(test, {**tools(session, rules), **arguments}))
    return caught


def _take(caught: Caught, rules: Sequence[str], ended: BaseException | None) -> None:
    if ended is None or isinstance(ended, NotApplicable | Unknown | Shown):
        return
    if isinstance(ended, MissingPrerequisite):
        raise ended
    for rule in rules:
        caught.note(rule, f"{type(ended).__name__}: {ended}")
