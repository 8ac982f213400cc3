"""Reads from a kernel's text what the code around the owner rules does, for the world they run in.

A field is None when the text does not say; the dialect's value holds then.  What is asked is
what the *world* does: a candidate whose owner code forgets a call must not thereby get a
world in which the call is not due.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from ._cut import Cut
from ._scan import mask
from ._sources import Source

_FORK: Final = "kernel/fork.c"
_EXIT: Final = "kernel/exit.c"
_EXEC: Final = "fs/exec.c"
_CGROUP: Final = ("kernel/cgroup/cgroup.c", "kernel/cgroup.c")
_CALL: Final = re.compile(r"\bmm_update_next_owner\s*\(\s*([^()]*?)\s*\)")
_CLEARS: Final = r"\bmm_clear_owner\s*\("
_CLEARS_DUP: Final = r"\bmm_init_owner\([^()]*\bNULL\)"
_UNLOCK: Final = re.compile(r"\b(?:up_read|mmap_read_unlock)\s*\(\s*&?\s*(\w+)")
_LINK: Final = re.compile(
    r"\b(?:add_parent|SET_LINKS)\s*\(|\blist_add_tail\s*\(\s*&p->sibling\s*,\s*&p->(?:real_)?parent->children"
)


@dataclass(frozen=True, slots=True)
class Facts:
    """What the text says of the code around the owner rules; None where it says nothing."""

    #: From the Makefile: "6.1.176", "6.12.0-rc3".
    version: str | None = None
    #: Whether exit_mm() is given the task, or acts on current.
    exit_mm_takes_task: bool | None = None
    #: Which mm exec hands over ("new" or "old"), and whether it still holds the old one's lock.
    exec_argument: str | None = None
    exec_mmap_held: bool | None = None
    #: Whether fork links every task on its real parent's children list, or only leaders.
    threads_on_children: bool | None = None
    #: Whether attaching a tracer moves the task to the tracer's children list.
    ptrace_moves: bool | None = None
    #: Whether a failed fork clears the owner: copy_process() for p's mm, dup_mm() for its own.
    fork_clears: bool | None = None
    dup_clears: bool | None = None
    #: Whether either does it only after its mmput().
    fork_clears_late: bool | None = None
    dup_clears_late: bool | None = None
    #: Whether a failed fork frees the task only after a grace period.
    fork_frees_by_rcu: bool | None = None
    #: Cgroup of an exited task: "root" or its "own".
    zombie_cgroup: str | None = None
    #: Which thread of a group adopts orphans: the "first", or the "next" after the dead one.
    adopter: str | None = None
    #: Whether there are subreapers.
    subreapers: bool | None = None
    #: Whether init_mm's owner is init_task.
    init_mm_owner: bool | None = None
    #: Whether there are MGLRU lists of mms, which follow the owner.
    lru_gen: bool | None = None
    #: Arguments of mm_owner_changed: "tasks", "cgroups", "cgroups and task", or "none" of it.
    callbacks: str | None = None
    #: Whether the owner rules ask delay_group_leader().
    delayed_leader: bool | None = None


def facts(source: Source, cut: Cut) -> Facts:
    """Return what *source* says; *cut* is the owner's code in it."""
    reader = _Reader(source, cut)
    return Facts(**{name: read(reader) for name, read in _FIELDS.items()})  # type: ignore[arg-type]  # each reader knows the type of its field


class _Reader:
    """A source without comments and strings, by file and by function."""

    def __init__(self, source: Source, cut: Cut) -> None:
        self.source = source
        self.cut = cut

    def code(self, path: str) -> str | None:
        """Return the code of a file.  That of a patch alone has gaps, so it proves no absence."""
        text = self.source.read(path)
        return None if text is None else mask(text)

    def function(self, path: str, *names: str) -> str | None:
        """Return the code of the first of *names* that *path* defines, all versions of it."""
        for name in names:
            found = [
                one.text for one in self.source.definitions(path)
                if one.name == name and one.kind == "function"
            ]  # fmt: skip
            if found:
                return mask("\n".join(found))
        return None

    def says(self, path: str, pattern: str) -> bool | None:
        """Whether the code of *path* has *pattern*; None when only a part of it is known."""
        code = self.code(path)
        found = code is not None and re.search(pattern, code) is not None
        return True if found else False if self.source.whole and code is not None else None

    def function_says(self, path: str, name: str, pattern: str) -> bool | None:
        """The same of one function; None when it is not there as a whole."""
        code = self.function(path, name)
        return None if code is None else re.search(pattern, code) is not None

    @cached_property
    def owner_code(self) -> str:
        """The code of the owner rules and of what they call."""
        return mask(
            "\n".join(one.text for one in self.cut.pieces if one.owner and one.kind != "prototype")
        )

    def contexts(self, path: str) -> Iterator[str]:
        """What the hunks of a patch say of the function they are in."""
        for step in self.source.patch.of(path) if self.source.patch else ():
            yield from (hunk.context for hunk in step.hunks)


def _version(reader: _Reader) -> str | None:
    text = reader.source.read("Makefile")
    if text is None:
        return None
    found = dict(
        re.findall(
            r"^(VERSION|PATCHLEVEL|SUBLEVEL|EXTRAVERSION)[ \t]*=[ \t]*(\S*)", text, re.MULTILINE
        )
    )
    numbers = [found.get(name, "") for name in ("VERSION", "PATCHLEVEL", "SUBLEVEL")]
    if not all(numbers[:2]):
        return None
    extra: str = found.get("EXTRAVERSION", "")
    return ".".join(number for number in numbers if number) + extra


def _exit_mm_takes_task(reader: _Reader) -> bool | None:
    heads = [reader.function(_EXIT, "exit_mm") or "", *reader.contexts(_EXIT)]
    found = (re.search(r"\bexit_mm\s*\(\s*(\w+)", head) for head in heads)
    return next((match[1] != "void" for match in found if match), None)


def _exec_call(reader: _Reader) -> tuple[str | None, bool | None]:
    """The argument of the call in exec_mmap(), and whether the old mm's lock is dropped later."""
    code = reader.function(_EXEC, "exec_mmap")
    partial = code is None
    if code is None and not reader.source.whole:
        code = reader.code(_EXEC)
    call = _CALL.search(code or "")
    if code is None or call is None:
        return None, None
    argument = call[1]
    given = re.search(r"\bexec_mmap\s*\(\s*struct\s+mm_struct\s*\*\s*(\w+)", code)
    new = given[1] if given else "mm"
    old = {"old_mm", "oldmm", "old", *re.findall(r"\b(\w+)\s*=\s*(?:current|tsk)->mm\b", code)} - {
        new
    }
    which = "new" if argument == new else "old" if argument in old else None
    unlocks = [match.start() for match in _UNLOCK.finditer(code) if match[1] in old]
    if not unlocks and partial:
        return which, None  # the lines around the call do not reach that far
    return which, any(start > call.start() for start in unlocks)


def _threads_on_children(reader: _Reader) -> bool | None:
    code = reader.function(_FORK, "copy_process")
    link = _LINK.search(code or "")
    if code is None or link is None:
        return None
    return not any("thread_group_leader" in head for head in _around(code, link.start()))


def _around(code: str, at: int) -> list[str]:
    """The heads of the blocks that are open at an offset, outermost first."""
    heads: list[str] = []
    last = 0
    for match in re.finditer(r"[{};]", code[:at]):
        if match[0] == "{":
            heads.append(code[last : match.start()])
        elif match[0] == "}" and heads:
            heads.pop()
        last = match.end()
    return [*heads, code[last:at]]


def _ptrace_moves(reader: _Reader) -> bool | None:
    return reader.function_says("kernel/ptrace.c", "__ptrace_link", r"\badd_parent\b|->children\b")


def _fork_frees_by_rcu(reader: _Reader) -> bool | None:
    found = reader.function_says(_FORK, "delayed_free_task", r"\bcall_rcu\b")
    return found if found is not None else reader.says(_FORK, r"\bdelayed_free_task\b")


def _late(reader: _Reader, name: str, clears: str) -> bool | None:
    """Whether a failing path drops its reference before it clears the owner."""
    code = reader.function(_FORK, name)
    if code is None:
        return None
    call = re.search(clears, code)
    if call is None:
        return False
    path = re.split(r"\b\w+\s*:(?!:)", code[: call.start()])[-1]  # since the label before it
    return re.search(r"\bmmput\s*\(", path) is not None


def _zombie_cgroup(reader: _Reader) -> str | None:
    for path in _CGROUP:
        code = reader.function(path, "cgroup_exit", "cgroup_task_exit")
        if code is not None:
            return "root" if re.search(r"->cgroups\s*[,=]\s*&init_css_set\b", code) else "own"
    return None


def _adopter(reader: _Reader) -> str | None:
    if reader.function(_EXIT, "find_alive_thread") is not None:
        return "first"
    for name in ("find_new_reaper", "forget_original_parent"):
        if reader.function_says(_EXIT, name, r"\bwhile_each_thread\b|\bnext_thread\b"):
            return "next"
    return None


def _init_mm_owner(reader: _Reader) -> bool | None:
    answers = [
        reader.says("init/main.c", r"\bmm_init_owner\s*\(\s*&init_mm\b"),
        *(reader.says(path, r"\.owner\s*=\s*&init_task\b")
          for path in ("include/linux/init_task.h", "mm/init-mm.c", "init/init_task.c")),
    ]  # fmt: skip
    return True if True in answers else False if answers[0] is False else None


def _lru_gen(reader: _Reader) -> bool | None:
    if re.search(r"\blru_gen_migrate_mm\b", reader.owner_code):
        return True
    return reader.says(_FORK, r"\blru_gen_add_mm\b")


def _callbacks(reader: _Reader) -> str | None:
    for path in reversed(_CGROUP):
        code = reader.function(path, "cgroup_mm_owner_callbacks")
        if code is None:
            continue
        call = re.search(r"->mm_owner_changed\s*\(([^()]*)\)", code)
        arguments = [part.strip() for part in call[1].split(",")] if call else []
        if len(arguments) > 3:
            return "cgroups and task"
        return "tasks" if arguments[1:] == ["old", "new"] else "cgroups" if arguments else None
    known = reader.source.whole and any(reader.source.read(path) is not None for path in _CGROUP)
    return "none" if known else None


def _delayed_leader(reader: _Reader) -> bool | None:
    if not reader.cut.has("mm_update_next_owner"):
        return None
    return re.search(r"\bdelay_group_leader\b", reader.owner_code) is not None


_FIELDS: Final[dict[str, Callable[[_Reader], object]]] = {
    "version": _version,
    "exit_mm_takes_task": _exit_mm_takes_task,
    "exec_argument": lambda reader: _exec_call(reader)[0],
    "exec_mmap_held": lambda reader: _exec_call(reader)[1],
    "threads_on_children": _threads_on_children,
    "ptrace_moves": _ptrace_moves,
    "fork_clears": lambda r: r.function_says(_FORK, "copy_process", _CLEARS),
    "dup_clears": lambda r: r.function_says(_FORK, "dup_mm", _CLEARS_DUP),
    "fork_clears_late": lambda r: _late(r, "copy_process", _CLEARS),
    "dup_clears_late": lambda r: _late(r, "dup_mm", _CLEARS_DUP),
    "fork_frees_by_rcu": _fork_frees_by_rcu,
    "zombie_cgroup": _zombie_cgroup,
    "adopter": _adopter,
    "subreapers": lambda r: r.says(_EXIT, r"\bis_child_subreaper\b"),
    "init_mm_owner": _init_mm_owner,
    "lru_gen": _lru_gen,
    "callbacks": _callbacks,
    "delayed_leader": _delayed_leader,
}  # fmt: skip
