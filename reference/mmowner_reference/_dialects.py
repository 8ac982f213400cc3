"""The dialects: what each kernel era changed in the rules, as one chain of changes.

A dialect is a row: its name and the changes that came with it.  A row is exact for the
release it is named after; what changed between two rows is in the later one, with the
release that really brought it.  Its fields are the
fields of the row before with these changes made, so no dialect is a copy of another,
and what a commit did is said once.  A new dialect is one more name in ``ROWS`` and, where
the kernel really changed, one more :class:`Change`; the rules in ``_rules.py`` and the
kernel around them read the fields and have no version in them.

Sources are commits of the Linux tree; "version" is the first release that has them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Dialect:
    """The rules of one kernel era, field by field."""

    name: str
    #: First and last release, or what it was.
    era: str = "RFC v4 on 2.6.25-rc5-mm1 (April 2008)"
    #: CONFIG_MM_OWNER / CONFIG_MEMCG: whether there is an owner at all.
    owner: bool = True
    #: Whether init_mm's owner is init_task.
    init_mm_owner: bool = True
    #: ``delay_group_leader``: a leader whose group is not empty keeps the mm when it exits.
    delayed_leader: bool = True
    #: What happens to the owner when it leaves as the last user: "keep" or "clear".
    last_user: str = "keep"
    #: The same when users are left but nobody is found.
    nobody: str = "keep"
    #: What exec hands over, and whether the old mm's mmap_sem is still held then.
    exec_call: str = "new, mmap_sem held"
    #: What protects the walk: "rcu" or "tasklist".
    list_lock: str = "rcu"
    #: "pick, then lock": entries of the lists are tested, and a candidate that has left
    #: restarts the search.  "lock in place": whole groups are tested, and the walk goes on.
    walk: str = "pick, then lock"
    #: Who is linked on ``children`` lists: "threads" (every task) or "leaders".
    children_list: str = "threads"
    #: The parent whose children are the siblings: "parent" or "real_parent".
    siblings_of: str = "parent"
    #: Whether the third stage tests all "threads", or leaves "groups" early.
    everything: str = "threads"
    #: Whether the third stage skips kernel threads.
    skip_kthreads: bool = False
    #: Whether the third stage ends when no other user is left.
    stop_when_alone: bool = False
    #: Arguments of ``mm_owner_changed``: old and new "tasks", old and new "cgroups" (called
    #: only when they differ), the same "cgroups and task" (the new one), or None when there
    #: are no callbacks.
    callbacks: str | None = "tasks"
    #: When the handoff takes mmap_sem for writing: "never", when "nobody" is found, "always".
    handoff_mmap_sem: str = "never"
    #: Whether the mm's place on the MGLRU lists follows the owner.
    lru_gen: bool = False
    #: Whether a failed fork clears the owner it had set.
    failed_fork_clears: bool = False
    #: Cgroup of an exited task: "root" or its "own".
    zombie_cgroup: str = "root"
    #: Who is charged when there is no owner: "root", or None for nobody.
    unowned_pays: str | None = None
    #: Whether attaching a tracer moves the task to the tracer's children list.
    ptrace_moves: bool = True
    #: Which thread of the group adopts orphans: the "next" after the dead one, or the "first".
    adopter: str = "next"
    #: Whether there are subreapers.
    subreapers: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """One commit: in which row it appears, and which fields it sets."""

    row: str
    commit: str
    version: str
    text: str
    sets: Mapping[str, Any]


def _change(row: str, commit: str, version: str, text: str, **sets: Any) -> Change:
    return Change(row, commit, version, text, MappingProxyType(sets))


RFC: Final = "RFC v4, 1 Apr 2008"

#: The rows in the order of time.  Those in ``EXPOSED`` can be chosen.
ROWS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "rfc-v4": "RFC v4 on 2.6.25-rc5-mm1 (April 2008)",
        "2.6.26": "2.6.26",
        "2.6.27": "2.6.27",
        "2.6.28": "2.6.28",
        "2.6.29": "2.6.29 and 2.6.30",
        "2.6.31": "2.6.31 and 2.6.32",
        "2.6.33": "2.6.33 to 2.6.39",
        "3.0": "3.0 to 3.15",
        "3.16": "3.16 to 4.3",
        "4.4": "4.4 to 5.1",
        "5.2": "5.2 to 6.0",
        "6.1": "6.1 to 6.10",
        "6.11": "6.11 and later",
    }
)

HISTORY: Final[tuple[Change, ...]] = (
    _change("2.6.26", "cf475ad28ac3", "2.6.26", "the walk holds tasklist_lock; a leader's exit hands over like any other's",
            list_lock="tasklist", delayed_leader=False),
    _change("2.6.26", "cf475ad28ac3", "2.6.26", "callbacks get cgroups, and are called only when these differ",
            callbacks="cgroups"),
    _change("2.6.26", "4cd1a8fc3d3c", "2.6.26", "exec hands over the old mm", exec_call="old, mmap_sem held"),
    _change("2.6.27", "f470021adb91", "2.6.27", "traced tasks stay on their real parent's list", ptrace_moves=False),
    _change("2.6.27", "31a78f23bac0", "2.6.27", "nobody found: no owner, and callbacks get no new cgroup; exec hands over after mmap_sem is dropped",
            nobody="clear", exec_call="old", handoff_mmap_sem="nobody"),
    _change("2.6.28", "9363b9f23c9c", "2.6.28", "callbacks get the new task too; the handoff holds mmap_sem",
            callbacks="cgroups and task", handoff_mmap_sem="always"),
    _change("2.6.29", "e5991371ee0d", "2.6.29", "no callbacks any more, and no mmap_sem", callbacks=None, handoff_mmap_sem="never"),
    _change("2.6.31", "dea33cfd9902", "2.6.31", "siblings are the real parent's children", siblings_of="real_parent"),
    _change("2.6.33", "9cd80bbb07fc", "2.6.33", "only leaders are on children lists", children_list="leaders"),
    _change("3.0", "733eda7ac316 (hash from memory)", "3.0", "the last user leaves no owner behind", last_user="clear"),
    _change("3.16", "ebec18a6d3aa (hash from memory)", "3.4", "subreapers", subreapers=True),
    _change("3.16", "not identified", "between 3.1.3 and 3.10.28", "no owner: the root is charged", unowned_pays="root"),
    _change("3.16", "39af1765f1f6 (hash from memory)", "3.16", "the third stage skips kernel threads and leaves a group at its first other mm",
            skip_kthreads=True, everything="groups"),
    _change("3.16", "not identified", "3.16", "init_mm has no owner", init_mm_owner=False),
    _change("4.4", "not identified", "3.19", "orphans go to the first live thread", adopter="first"),
    _change("4.4", "2e91fa7f6d45", "4.4", "zombies keep their cgroup", zombie_cgroup="own"),
    _change("5.2", "c3f3ce049f7d", "5.2", "a failed fork clears the owner it had set", failed_fork_clears=True),
    _change("6.1", "bd74fdaea146", "6.1", "MGLRU lists follow the owner", lru_gen=True),
    _change("6.1", "cf3f9a593dab", "6.10 (and stable)", "the third stage ends when no other user is left",
            stop_when_alone=True),
    _change("6.11", 'memcg: kill the "retry" logic in mm_update_next_owner(), and the patch after it', "6.11",
            "groups are scanned thread by thread in every stage; a lost race goes on with the next thread",
            walk="lock in place"),
)  # fmt: skip

#: The dialects that the suite knows: all rows.
EXPOSED: Final = tuple(ROWS)

#: The dialect of today's Linux.
DEFAULT: Final = "6.11"


def changes_of(row: str) -> tuple[Change, ...]:
    """Return the changes that came with *row*, in order."""
    return tuple(change for change in HISTORY if change.row == row)


def _chain() -> dict[str, Dialect]:
    rows: dict[str, Dialect] = {}
    current = Dialect(name="rfc-v4")
    for name, era in ROWS.items():
        sets: dict[str, Any] = {"name": name, "era": era}
        for change in changes_of(name):
            sets.update(change.sets)
        current = replace(current, **sets)
        rows[name] = current
    return rows


_ALL: Final = _chain()
#: CONFIG_MEMCG (before 3.16: CONFIG_MM_OWNER) off: no field, no cost, every call a no-op.
_NONE: Final = replace(
    _ALL[DEFAULT], name="none", era="any kernel without CONFIG_MEMCG",
    owner=False, callbacks=None, lru_gen=False,
)  # fmt: skip

#: The dialects by name, oldest first, ``none`` last.
DIALECTS: Final[Mapping[str, Dialect]] = MappingProxyType(
    {name: _ALL[name] for name in EXPOSED} | {"none": _NONE}
)


def dialects_in(text: str) -> frozenset[str]:
    """Return the dialects that *text* names: ``"2.6.27..3.0, 6.11"``, ``"..2.6.26"``, ``"4.4.."``.

    A range has both its ends, and never ``none``.  Raises :class:`KeyError` with a name that
    is no dialect, ``ValueError`` for a range from new to old or with ``none``.
    """
    rows = list(EXPOSED)
    found: set[str] = set()
    for part in (part.strip() for part in text.split(",")):
        first, dots, last = part.partition("..")
        ends = [first.strip() or rows[0], last.strip() or rows[-1]] if dots else [part]
        for name in ends:
            if name not in DIALECTS:
                raise KeyError(name)
        if not dots:
            found.add(part)
            continue
        if "none" in ends:
            raise ValueError(f"{part}: none is in no range, name it by itself")
        start, end = (rows.index(name) for name in ends)
        if start > end:
            raise ValueError(f"{part}: the older dialect comes first")
        found.update(rows[start : end + 1])
    return frozenset(found)


def in_ranges(names: Iterable[str]) -> str:
    """Return *names* as :func:`dialects_in` reads them, in as few ranges as there are."""
    rows, wanted = list(EXPOSED), set(names)
    parts: list[str] = []
    start = 0
    while start < len(rows):
        end = start
        while end < len(rows) and rows[end] in wanted:
            end += 1
        if end > start + 1 or (end > start and end == len(rows)):
            first = "" if start == 0 else rows[start]
            last = "" if end == len(rows) else rows[end - 1]
            parts.append(f"{first}..{last}")
        elif end > start:
            parts.append(rows[start])
        start = end + 1
    return ", ".join([*parts, *(["none"] if "none" in wanted else [])])


def dialect_of_release(release: str) -> str | None:
    """Return the name of the row that a kernel release string belongs to.

    ``"6.1.176"`` and ``"6.8.0-45-generic"`` are ``"6.1"``.  The answer is None when the
    string is no release or its row is not in :data:`DIALECTS` yet.
    """
    numbers = _numbers(release)
    if numbers is None:
        return None
    best: str | None = None
    for row in list(ROWS)[1:]:
        start = _numbers(row)
        if start is not None and start <= numbers:
            best = row
    return best if best in DIALECTS else None


def changes_missed(release: str) -> tuple[Change, ...]:
    """Return the changes that *release* had already and its row has not.

    A row is exact for the release it is named after; what came between two rows is in the
    later one.  ``"3.10.28"`` is judged by ``3.0`` and had subreapers.
    """
    numbers, row = _numbers(release), dialect_of_release(release)
    if numbers is None or row is None:
        return ()
    later = list(ROWS)[list(ROWS).index(row) + 1 :][:1]
    return tuple(
        change for name in later for change in changes_of(name)
        if (came := _came_with(change)) is not None and came <= numbers
    )  # fmt: skip


def _came_with(change: Change) -> tuple[int, ...] | None:
    """The release that certainly had a change: of a span, its end."""
    words = [word for word in change.version.split() if word[0].isdigit()]
    return _numbers(words[-1]) if words else None


def _numbers(release: str) -> tuple[int, ...] | None:
    parts: list[int] = []
    for part in release.split("-", maxsplit=1)[0].split("+", maxsplit=1)[0].split("."):
        if not (part.isascii() and part.isdigit()):
            break
        parts.append(int(part))
    return tuple(parts) if len(parts) >= 2 else None
