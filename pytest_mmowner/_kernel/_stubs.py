"""What a compiler misses in cut code, and what stands in for it where nothing depends on it.

Code around the owner functions (``exit_mm``, ``exec_mmap``) mentions a lot that has nothing to
do with owners: an unknown function becomes a macro that does nothing, an unknown constant 0, an
unknown member a number.  In owner code the same is a fault of the tree, or of this suite, and
ends the build with the line that has it: an edit must never be silently left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

#: Structs that the world knows, and the macro that takes further members of each.
EXTENSIBLE: Final[Mapping[str, str]] = {
    "task_struct": "MMO_TASK_EXTRA", "mm_struct": "MMO_MM_EXTRA",
    "signal_struct": "MMO_SIGNAL_EXTRA",
}  # fmt: skip


class Diagnostic(NamedTuple):
    """One error of a compiler, with every place that it names (macros are expanded somewhere)."""

    text: str
    places: tuple[tuple[str, int], ...]


class Missing(NamedTuple):
    """Something that is not there: ``kind`` is function, constant, member, type or struct."""

    kind: str
    name: str
    of: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}" + (f" of struct {self.of}" if self.of else "")


#: What gcc (with plain quotes) and clang say, and what is missing then.
_SAID: Final = tuple(
    (kind, re.compile(pattern))
    for kind, pattern in (
        ("function", r"implicit declaration of function '(?P<name>\w+)'"),
        ("function", r"call to undeclared (?:library )?function '(?P<name>\w+)'"),
        ("constant", r"'(?P<name>\w+)' undeclared"),
        ("constant", r"use of undeclared identifier '(?P<name>\w+)'"),
        ("member", r"'(?:const |volatile )*(?:struct|union) (?P<of>\w+)'(?: \{aka .*\})? has no member named '(?P<name>\w+)'"),  # noqa: E501  one message, one line
        ("member", r"no member named '(?P<name>\w+)' in '(?:const |volatile )*(?:struct|union) (?P<of>\w+)'"),  # noqa: E501  one message, one line
        ("member", r"'\w+' \{aka '(?:const |volatile )*(?:struct|union) (?P<of>\w+)'\} has no member named '(?P<name>\w+)'"),  # noqa: E501  one message, one line
        ("member", r"no member named '(?P<name>\w+)' in '\w+' \(aka '(?:const |volatile )*(?:struct|union) (?P<of>\w+)'\)"),  # noqa: E501  one message, one line
        ("type", r"unknown type name '(?P<name>\w+)'"),
        ("struct", r"invalid use of undefined type '(?:const )?(?:struct|union) (?P<name>\w+)'"),
        ("struct", r"dereferencing pointer to incomplete type '(?:const )?struct (?P<name>\w+)'"),
        ("struct", r"(?:incomplete definition of|variable has incomplete) type '(?:const )?struct (?P<name>\w+)'"),  # noqa: E501  one message, one line
        ("struct", r"invalid application of 'sizeof' to (?:an )?incomplete type '(?:const )?struct (?P<name>\w+)'"),  # noqa: E501  one message, one line
    )
)  # fmt: skip
#: How code uses a member tells what it is, where that is no number.
_USES: Final[Mapping[str, str]] = {
    "atomic_long_": "atomic_long_t", "atomic_": "atomic_t", "refcount_": "refcount_t",
    "mutex_": "struct mutex", "down_": "struct rw_semaphore", "up_": "struct rw_semaphore",
    "spin_": "spinlock_t", "list_": "struct list_head", "complete": "struct completion",
}  # fmt: skip
_STORAGE: Final = re.compile(r"storage size of '(?P<variable>\w+)' isn't known")
#: In a function clang takes a type that it does not know for a variable.
_AS_TYPE: Final = r"(?:^|: )\s*(?:const\s+)?{name}\s+\**\s*\w+\s*[;=,[]"
_LINE: Final = re.compile(
    r"(?P<path>[^\s:][^:\n]*):(?P<line>\d+)(?::\d+)?: "
    r"(?P<what>fatal error|error|warning|note): (?P<text>.*)"
)
_UNDEFINED: Final = re.compile(
    r"undefined reference to [`'](?P<name>\w+)'|undefined symbol: (?P<again>\w+)"
)


def diagnostics(said: str) -> list[Diagnostic]:
    """Return the errors in what a compiler wrote, each with its own place first."""
    found: list[tuple[str, list[tuple[str, int]]]] = []
    inside = False
    for match in map(_LINE.match, said.splitlines()):
        if match is None:
            continue
        place = (match["path"], int(match["line"]))
        if "error" in match["what"]:
            found.append((match["text"], [place]))
            inside = True
        elif match["what"] == "warning":
            inside = False
        elif inside and "expan" in match["text"]:  # in expansion of macro / expanded from macro
            found[-1][1].append(place)
    return [Diagnostic(text, tuple(places)) for text, places in found]


def what_is_missing(text: str, line: str = "") -> Missing | None:
    """Return what the error *text* complains about, or None when it is about something else.

    *line* is the source line, from which the type of a variable can be told.
    """
    for kind, pattern in _SAID:
        if match := pattern.search(text):
            name = match["name"]
            if kind == "constant" and re.search(_AS_TYPE.format(name=name), line):
                return Missing("type", name)
            return Missing(kind, name, match.groupdict().get("of") or "")
    if (match := _STORAGE.search(text)) and (
        tag := re.search(rf"struct\s+(\w+)\s[^;]*\b{match['variable']}\b", line)
    ):
        return Missing("struct", tag[1])
    return None


def undefined(said: str) -> list[str]:
    """Return the names that a linker did not find."""
    names = [match["name"] or match["again"] for match in _UNDEFINED.finditer(said)]
    return list(dict.fromkeys(names))


@dataclass
class Stubs:
    """What stands in so far.  ``before`` is compiled before all structs, ``after`` behind them."""

    made: list[Missing] = field(default_factory=list)
    #: Definitions of the tree that were found meanwhile, as C.
    found: dict[str, str] = field(default_factory=dict)
    #: Members that are no number but something with members of its own.
    types: dict[str, str] = field(default_factory=dict)

    def retype(self, line: str, fresh: set[str]) -> bool:
        """A member that was taken for a number is used as a counter or a lock in *line*.

        *fresh* are those that were learned from the same run of the compiler.
        """
        kind = next((made for word, made in _USES.items() if word in line), None)
        used = [one.name for one in self.made if one.kind == "member"
                and re.search(rf"(?:->|\.){one.name}\b", line)]  # fmt: skip
        new = [name for name in used if name not in self.types and kind is not None]
        self.types.update({name: kind for name in new if kind is not None})
        fresh.update(new)
        return bool(fresh.intersection(used))

    def add(self, missing: Missing) -> bool:
        """Take *missing* in.  False when it was in already: it is no use then."""
        if missing in self.made:
            return False
        self.made.append(missing)
        return True

    def refuse_found(self) -> bool:
        """What was found cannot be compiled alone: stubs then.  False when there is none."""
        refused = [Missing("struct", name) for name in self.found]
        self.made += refused
        self.found.clear()
        return bool(refused)

    def before(self) -> str:
        """Members for the structs that the world knows."""
        return "".join(
            f"#define {macro} {members}\n"
            for tag, macro in EXTENSIBLE.items()
            if (members := " ".join(self._members(tag)))
        )

    def after(self) -> str:
        """Types, structs, constants and functions."""
        lines = ['#line 1 "stubs"', *self.found.values()]
        structs = dict.fromkeys(
            one.name if one.kind == "struct" else one.of
            for one in self.made
            if (one.kind == "struct" or one.of) and (one.of or one.name) not in EXTENSIBLE
        )
        lines += [f"typedef long {one.name};" for one in self.made if one.kind == "type"]
        for tag in structs:
            members = " ".join(self._members(tag))
            lines.append(f"struct {tag} {{ long mmo_stub; {members} }};")
        lines += [f"#define {one.name} 0" for one in self.made if one.kind == "constant"]
        lines += [f"#define {one.name}(...) 0" for one in self.made if one.kind == "function"]
        return "\n".join(lines) + "\n"

    def _members(self, tag: str) -> Iterator[str]:
        return (f"{self.types.get(one.name, 'long')} {one.name};" for one in self.made
                if one.kind == "member" and one.of == tag)  # fmt: skip

    def told(self) -> list[str]:
        """Return the stubs in words, sorted."""
        return sorted(map(str, self.made))


def quoted(path: str, line: int, text: str) -> str:
    """Return a source line as messages quote it."""
    return f"{path}:{line}: {' '.join(text.split())}"


def in_words(errors: Iterable[str]) -> str:
    """Return at most five errors, a line each."""
    listed = list(errors)
    more = [f"and {len(listed) - 5} more"] if len(listed) > 5 else []
    return "\n  ".join([*listed[:5], *more])
