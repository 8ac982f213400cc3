"""Cuts the owner's code out of a kernel, with all that it needs, and writes it as one C file.

The roots are the functions that keep ``mm->owner`` and the two that call them.  From there
the closure is by name: what the shim defines is *known*, the rest is looked for in the same
file, in headers, for owner code in any file that mentions it, and last in a fallback.
No character of a piece is changed; ``#line`` says where it comes from.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from ._scan import Definition, calls, mask
from ._sources import Source

#: Owner code: where each is expected, for a tree that has it.  All of it is judged.
OWNER: Final[Mapping[str, tuple[str, ...]]] = {
    "mm_update_next_owner": ("kernel/exit.c",),
    "mm_init_owner": ("kernel/fork.c",),
    "mm_clear_owner": ("kernel/fork.c",),
    "cgroup_mm_owner_callbacks": ("kernel/cgroup.c",),
}
#: The callers: cut for their order of events; what else they do is stubbed.
AROUND: Final[Mapping[str, tuple[str, ...]]] = {
    "exit_mm": ("kernel/exit.c",),
    "exec_mmap": ("fs/exec.c",),
}
#: Where a name is looked for after its own file; those that a tree has not are passed over.
HEADERS: Final = tuple(
    f"include/linux/{name}.h"
    for name in (  # noqa: SIM905  words are read better than a list of strings
        "sched sched/signal sched/task sched/mm sched/types sched/thread sched/init list rculist "
        "rcupdate cgroup cgroup-defs cgroup_subsys memcontrol mm_types mm_types_task mm mmap_lock "
        "mm_inline cleanup pid threads spinlock spinlock_api_smp rwlock rwlock_api_smp mutex rwsem "
        "lockdep atomic refcount compiler compiler_types compiler_attributes compiler-gcc kernel "
        "container_of stddef types poison bug build_bug minmax once_lite err list_nulls init_task "
        "hardirq preempt percpu wait completion kthread oom mmu_context swap uaccess binfmts "
        "membarrier exec"
    ).split()
)
#: In this order they are written; functions come last, callees first.
_KINDS: Final = ("macro", "enum", "typedef", "struct", "variable", "function")
_FALLBACK: Final = "fallback"
#: How many files of :meth:`Source.find` are scanned for one name.
_SCANNED: Final = 12

_DECLARATION: Final = re.compile(
    r"\s*(?:(?:const|static|volatile|register|extern|unsigned|signed|auto)\s+)*"
    r"(?:(?:struct|union|enum)\s+\w+|typeof\s*\(.*?\)|__typeof__\s*\(.*?\)|\w+)"
    r"(?:\s+(?:const|volatile|int|long|char|short|__rcu|__user|__maybe_unused))*(?P<rest>[\s*].*)",
    re.DOTALL,
)  # fmt: skip
_NO_TYPE: Final = frozenset(
    "return goto case else default break continue sizeof do if while for switch".split()  # noqa: SIM905  words are read better than a list of strings
)
_TAG: Final = re.compile(r"\b(?:struct|union|enum)\s+(\w+)")
_LABEL: Final = re.compile(r"(?:^|[;{}])\s*(\w+)\s*:(?!:)|\bgoto\s+(\w+)", re.MULTILINE)
#: What a preprocessor or a compiler has by itself.
_GIVEN: Final = re.compile(
    r"CONFIG_|__builtin_|__(?:FILE|LINE|COUNTER|func|FUNCTION|VA_ARGS|VA_OPT)__$|__attribute(?:__)?$"
    r"|__(?:asm|volatile|extension|typeof|inline)(?:__)?$|_Static_assert$|_Generic$|IS_ENABLED$"
)
#: `guard(rcu)()` and its kind use names that a DEFINE_GUARD made.
_GUARD: Final = re.compile(
    r"\b(?:scoped_guard|guard|scoped_class|CLASS|scoped_cond_guard)\s*\(\s*(\w+)"
)
_FREE: Final = re.compile(r"\b__free\s*\(\s*(\w+)")


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of the kernel's text: ``text`` begins at ``line`` of ``path``.

    ``owner`` says that it is owner code, or needed by it: nothing in it may be stubbed.
    """

    name: str
    kind: str
    path: str
    line: int
    text: str
    owner: bool
    guards: tuple[str, ...] = ()

    @property
    def end(self) -> int:
        """The number of its last line."""
        return self.line + self.text.count("\n")


@dataclass(frozen=True, slots=True)
class Cut:
    """The pieces in an order that compiles, and the names that owner code uses in vain."""

    pieces: tuple[Piece, ...]
    #: Names that look like functions or macros and are defined nowhere, each with its first user
    #: (whose guards may keep it from being compiled: the compiler has the last word).
    missing: Mapping[str, Piece] = field(default_factory=dict)

    def has(self, name: str) -> bool:
        """Whether *name* was cut (and not only declared)."""
        return any(one.name == name and one.kind != "prototype" for one in self.pieces)

    def where(self, path: str, line: int) -> Piece | None:
        """Return the piece that has this line, None when it is in none."""
        inside = (one for one in self.pieces if one.path == path and one.line <= line <= one.end)
        return next((one for one in inside if one.kind != "prototype"), None)

    def render(self) -> str:
        """Return the pieces as a C file, each behind its ``#line`` and within its guards."""
        parts: list[str] = []
        for piece in self.pieces:
            parts += [f"#if {guard}\n" for guard in piece.guards]
            parts.append(f'#line {piece.line} "{piece.path}"\n{piece.text}\n')
            parts += ["#endif\n" for _ in piece.guards]
        return "".join(parts)


def cut(source: Source, known: Container[str], fallback: Mapping[str, Definition]) -> Cut:
    """Return the owner's code of *source* with what it needs beyond the names in *known*.

    What is defined nowhere is taken from *fallback*; what is not there either is in
    :attr:`Cut.missing` when owner code uses it, and is left to the compiler otherwise.
    """
    return _Closure(source, known, fallback).run()


@dataclass(slots=True)
class _Wanted:
    """A definition that is cut, and the names it uses."""

    piece: Piece
    uses: tuple[str, ...]


class _Closure:
    def __init__(
        self, source: Source, known: Container[str], fallback: Mapping[str, Definition]
    ) -> None:
        self._source = source
        self._known = known
        self._fallback = fallback
        self._wanted: dict[tuple[str, int, str], _Wanted] = {}
        self._missing: dict[str, Piece] = {}
        self._done: set[tuple[str, str, bool]] = set()

    def run(self) -> Cut:
        for roots, owner in ((OWNER, True), (AROUND, False)):
            for name, paths in roots.items():
                self._root(name, paths, owner=owner)
        return Cut(tuple(self._ordered()), self._missing)

    def _root(self, name: str, paths: Iterable[str], *, owner: bool) -> None:
        if name in self._known:
            return
        if any(self._functions(path, name, owner=owner) for path in paths):
            return
        # It may have moved, but then the file where it was still speaks of it.
        if any(name in (self._source.read(path) or "") for path in paths):
            others = (one for one in self._source.find(name) if one.endswith(".c"))
            any(self._functions(path, name, owner=owner) for path in others)

    def _functions(self, path: str, name: str, *, owner: bool) -> bool:
        found = [one for one in self._named(path, name) if one.kind == "function"]
        for one in found:
            self._take(path, one, owner=owner)
        return bool(found)

    def _named(self, path: str, name: str) -> list[Definition]:
        """What *path* has of *name*, not counting prototypes."""
        text = self._source.read(path)
        # A DEFINE_GUARD(x) defines class_x: its text has only the x.
        if text is None or name.removeprefix("class_").removeprefix("__free_") not in text:
            return []
        return [
            one for one in self._source.definitions(path)
            if one.name == name and one.kind != "prototype"
        ]  # fmt: skip

    def _take(self, path: str, one: Definition, *, owner: bool) -> None:
        # Constants of an enum share its text, as variables of a declaration do.
        key = (path, one.start_line, one.text)
        before = self._wanted.get(key)
        if before is not None and (before.piece.owner or not owner):
            return
        piece = Piece(one.name, one.kind, path, one.start_line, one.text, owner, one.guards)
        uses = _uses(one)
        self._wanted[key] = _Wanted(piece, tuple(uses))
        for name, weight in uses.items():
            self._need(name, weight, piece)

    def _need(self, name: str, weight: str, user: Piece) -> None:
        """Look for *name* once for each file that uses it."""
        key = (name, user.path, user.owner)
        if name in self._known or key in self._done:
            return
        self._done.add(key)
        if not user.owner:
            for one in self._named(user.path, name):
                if one.kind == "macro" or (one.kind == "function" and _about_owners(one)):
                    self._take(user.path, one, owner=False)
            return
        places = self._places(name, weight, user)
        for path, one in places:
            self._take(path, one, owner=True)
        if not places and name in self._fallback:
            self._take(_FALLBACK, self._fallback[name], owner=True)
        elif not places and weight == "call":
            self._missing.setdefault(name, user)

    def _places(self, name: str, weight: str, user: Piece) -> list[tuple[str, Definition]]:
        """Where *name* is defined, as code in *user*'s file sees it."""
        if weight == "tag":
            if user.path.endswith(".h"):
                return []  # a header's structs are the shim's
            return [
                (user.path, one)
                for one in self._named(user.path, name)
                if one.kind in {"struct", "enum"}
            ]
        # What only a header's inline functions use is the kernel's plumbing: looked for in every
        # file, one name that the shim lacks would bring in lockdep.
        far = user.path.endswith(".c")
        declared: list[Definition] = []
        for path in (user.path, *HEADERS):
            found = self._named(path, name)
            here = self._prototypes(path, name)
            declared += here
            if found:
                # `#ifdef X` prototype `#else` stub `#endif`: the real one is in another file.
                behind = [
                    one
                    for one in here
                    if one.guards and all(one.guards != other.guards for other in found)
                ]
                return [(path, one) for one in found] + (
                    self._elsewhere(name, path, behind) if far else []
                )
        # A plain word that no header declares is a local variable or a member of a macro.
        if far and (weight == "call" or declared):
            return self._elsewhere(name, user.path, declared or None)
        return []

    def _prototypes(self, path: str, name: str) -> list[Definition]:
        text = self._source.read(path)
        if text is None or name not in text:
            return []
        return [
            one
            for one in self._source.definitions(path)
            if one.name == name and one.kind == "prototype"
        ]

    def _elsewhere(
        self, name: str, seen: str, declared: list[Definition] | None
    ) -> list[tuple[str, Definition]]:
        """Look in all files; *declared* are the prototypes it must be behind, None for any."""
        if declared is not None and not declared:
            return []
        for path in self._source.find(name)[:_SCANNED]:
            if path == seen or path in HEADERS:
                continue
            found = [
                one for one in self._named(path, name)
                if path.endswith(".h") or not _private(one)
            ]  # fmt: skip
            if found:
                guards = declared[0].guards if declared else ()
                return [(path, _guarded(one, guards)) for one in found]
        return []

    # -- order ---------------------------------------------------------------------------

    def _ordered(self) -> Iterator[Piece]:
        rank = {kind: number for number, kind in enumerate(_KINDS)}
        wanted = sorted(self._wanted.values(), key=lambda one: rank[one.piece.kind])
        functions = [one for one in wanted if one.piece.kind == "function"]
        callable_names = {one.piece.name for one in functions}
        others = [one for one in wanted if one.piece.kind != "function"]
        # A macro named like a function would rename the function: it comes after it.
        late = [
            one for one in others if one.piece.kind == "macro" and one.piece.name in callable_names
        ]
        yield from (one.piece for one in _callees_first([one for one in others if one not in late]))
        for one in functions:
            head = _head(one.piece)
            if head is not None:
                piece = one.piece
                yield Piece(
                    piece.name, "prototype", piece.path, piece.line, head, piece.owner, piece.guards
                )
        for one in _callees_first(functions):
            yield one.piece
            yield from (other.piece for other in late if other.piece.name == one.piece.name)


def _callees_first(wanted: list[_Wanted]) -> list[_Wanted]:
    by_name: dict[str, list[_Wanted]] = {}
    for one in wanted:
        by_name.setdefault(one.piece.name, []).append(one)
    done: dict[int, _Wanted] = {}
    started: set[int] = set()

    def visit(one: _Wanted) -> None:
        if id(one) in started:
            return
        started.add(id(one))
        for name in one.uses:
            for other in by_name.get(name, []):
                if other.piece.kind == one.piece.kind:
                    visit(other)
        done[id(one)] = one

    # By kind, then in the order of the closure.
    for one in wanted:
        visit(one)
    order = {kind: number for number, kind in enumerate(_KINDS)}
    return sorted(done.values(), key=lambda one: order[one.piece.kind])


def _head(piece: Piece) -> str | None:
    """Return the prototype of a function, None when its head is not plain text."""
    brace = mask(piece.text).find("{")
    head = piece.text[:brace].rstrip()
    if brace < 0 or "#" in mask(head) or "DEFINE" in head:
        return None
    return head + ";"


def _private(one: Definition) -> bool:
    return bool(re.match(r"(?:\w+\s+)*?static\b", mask(one.text)[:80]))


def _guarded(one: Definition, guards: tuple[str, ...]) -> Definition:
    together = tuple(dict.fromkeys((*guards, *one.guards)))
    return Definition(one.name, one.kind, one.start_line, one.end_line, one.text, together)


def _about_owners(one: Definition) -> bool:
    return any(name in OWNER for name in calls(one.text))


# -- what a definition uses --------------------------------------------------------------


def _uses(one: Definition) -> dict[str, str]:
    """Return the names that *one* needs from elsewhere.

    Each with what it looks like: "call" for a function or a macro, "tag" for a struct of its
    own file, "word" for others.
    """
    code = mask(one.text)
    local = _locals(one, code)
    tags = set(_TAG.findall(code))
    found: dict[str, str] = {}
    for name in calls(one.text):
        if name in local or name == one.name or _GIVEN.match(name):
            continue
        if name in tags:
            found[name] = "tag"
        elif re.search(rf"\b{name}\s*\(", code) or re.fullmatch(r"[A-Z_][A-Z0-9_]+", name):
            found[name] = "call"
        else:
            found[name] = "word"
    for pattern, prefix in ((_GUARD, "class_"), (_FREE, "__free_")):
        for match in pattern.finditer(code):
            found.pop(match[1], None)
            found[prefix + match[1]] = "word"
    return found


def _locals(one: Definition, code: str) -> set[str]:
    """The names that a definition declares within itself, labels among them."""
    names = {name for match in _LABEL.finditer(code) for name in match.groups() if name}
    names.discard("default")
    if one.kind == "macro":
        head = re.match(r"\s*#\s*define\s+\w+(?:\(([^)]*)\))?", code)
        if head is not None:
            names |= set(re.findall(r"\w+", head[1] or ""))
            names |= {"define", "VA_ARGS", "__VA_ARGS__", "__VA_OPT__"}
            code = code[head.end() :].replace("\\\n", " \n")
    body = code.find("{") if one.kind == "function" else 0
    if one.kind == "function":
        for part in _parameters(code[:body]):
            names.add(part)
    if one.kind in {"function", "macro"}:
        for statement in re.split(r"[;{}]|\bfor\s*\(", code[max(body, 0) :]):
            plain = re.sub(r"^[ \t]*#.*$", "", statement, flags=re.MULTILINE)
            names |= _declared(re.sub(r"^\s*(?:case\b[^:]*|default|\w+)\s*:", "", plain))
    return names


def _parameters(head: str) -> Iterator[str]:
    inner = head[head.find("(") + 1 :]
    for part in re.split(r",|\)", inner):
        words = re.findall(r"\w+", re.sub(r"\[.*?\]", "", part))
        if len(words) > 1:
            yield words[-1]


def _declared(statement: str) -> set[str]:
    match = _DECLARATION.fullmatch(statement)
    if match is None:
        return set()
    first = re.match(r"\s*(\w+)", statement)
    if first is None or first[1] in _NO_TYPE:
        return set()
    names: set[str] = set()
    depth, parts = 0, [""]
    for char in match["rest"]:
        depth += (char in "([{") - (char in ")]}")
        if char == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += char
    for number, part in enumerate(parts):
        name = re.match(
            r"[\s*]*(?:const\s+|__\w+\s+)*(\w+)\s*(?:\[.*?\]\s*)*(?:$|=(?!=)|__)", part, re.DOTALL
        )
        pointer = re.match(r"\s*\(\s*\*\s*(\w+)\s*\)\s*\(", part)
        if name or pointer:
            names.add((name or pointer)[1])  # type: ignore[index]  # one of the two has matched
        elif number == 0:
            return set()  # `x * y(...)` and the like: an expression
    return names
