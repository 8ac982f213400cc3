"""Finds the definitions in kernel C without preprocessing it: only its text is known.

The text is never changed, so a definition can be compiled as it stands.  Comments, strings
and characters are blanked first (offsets stay the same), then one pass over braces,
parentheses, semicolons and directives cuts the rest into chunks at file level.  Of an
``#if`` with branches, each starts from the state before it and the first one that is not
dead says how it goes on: that is all that is known of a preprocessor here.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from ._scan_names import definition_names, is_function, leading_invocation


@dataclass(frozen=True, slots=True)
class Definition:
    """One definition: ``text`` is lines ``start_line`` to ``end_line`` as they stand.

    ``kind`` is function, macro, variable, enum, struct (or union), typedef or prototype;
    ``guards`` are the conditions around it, outermost first, each fit for an ``#if``.
    Several may share a text: the constants of an enum, the variables of a declaration.
    """

    name: str
    kind: str
    start_line: int
    end_line: int
    text: str
    guards: tuple[str, ...] = ()


_QUOTED: Final = re.compile(
    r"""(?P<comment>/\*.*?(?:\*/|\Z)|//(?:\\\r?\n|[^\n])*)|"(?:\\.|[^"\\\n])*"|'(?:\\[^\n]|[^'\\\n])+'""",
    re.DOTALL,
)
#: What is blanked of a comment: its line ends stay, and so do continued lines of a macro.
_BLANKED: Final = re.compile(r"\\(?!\r?\n)|[^\n\r\\]")
_TOKEN: Final = re.compile(r"^[ \t]*(?P<hash>#)|[{}()\[\];]", re.MULTILINE)
_REST: Final = re.compile(r"(?:\\\r?\n|\\.|[^\n\\])*")
_DIRECTIVE: Final = re.compile(r"[ \t]*#[ \t]*(\w+)[ \t]*((?:\\\r?\n|\\.|[^\n\\])*)")
_MACRO: Final = re.compile(r"(\w+)(\([^)]*\))?")
_WORD: Final = re.compile(r"(?<![\w.])[A-Za-z_]\w*")
#: Always true where kernel C is compiled, whatever the configuration.
_ALWAYS: Final = frozenset(
    ("defined(__KERNEL__)", "!defined(__ASSEMBLY__)", "!defined(__ASSEMBLER__)")
)
#: A directive: all its line, or of a macro no more than the word.
_NO_CODE: Final = re.compile(
    r"^[ \t]*#[ \t]*(?:define\b|(?!define\b)(?:\\\r?\n|\\.|[^\n\\])*)", re.MULTILINE
)
_KEYWORDS: Final = frozenset(
    "auto break case char const continue default do double else enum extern float for goto if "  # noqa: SIM905  words are read better than a list of strings
    "inline int long register return short signed sizeof static struct switch typedef union "
    "unsigned void volatile while typeof __typeof__ typeof_unqual asm defined bool".split()
)


#: How an ``#elif`` is to be read.
_LIKE: Final = {"elif": "if", "elifdef": "ifdef", "elifndef": "ifndef"}
#: The start of a chunk that has not begun.
_NOTHING: Final = -1


class _State(NamedTuple):
    """Where the pass is: brace depth, parentheses at file level, the chunk so far."""

    depth: int = 0
    paren: int = 0
    chunk: int = 0
    body: int = -1


@dataclass(slots=True)
class _Condition:
    """One ``#if`` that is open: its branch's condition, and the states around it."""

    offset: int
    first: str
    entry: _State
    seen: list[str] = field(default_factory=list)
    now: str = ""
    outer_dead: bool = False
    dead: bool = False
    leave: _State | None = None
    pending: tuple[int, int] | None = None


def definitions(text: str, *, fragment: bool = False) -> list[Definition]:
    """Return what *text* defines and declares at file level, in its order.

    A *fragment* may start or end within a function (hunks do): only what is whole is
    returned.  In a file, braces that do not balance are brought back into step by the
    closing brace in the first column that ends a function in kernel style.
    """
    scan = _Scan(text)
    found = scan.run(resync=False)
    if not fragment and not scan.balanced:
        found = _Scan(text).run(resync=True)
    return found


def strip_comments(text: str) -> str:
    """Return *text* with comments blanked; lines and columns stay."""
    return _QUOTED.sub(lambda m: _blank(m[0]) if m["comment"] is not None else m[0], text)


def mask(text: str) -> str:
    """Return *text* with comments and the insides of strings and characters blanked."""
    return _QUOTED.sub(_masked, text)


def calls(text: str) -> tuple[str, ...]:
    """Return the identifiers of *text* that are no members, each once, in order.

    Keywords are left out, and comments, strings, and directives except what a macro is.
    """
    code = _NO_CODE.sub(lambda match: _blank(match[0]), mask(text))
    words = dict.fromkeys(match[0] for match in _WORD.finditer(code) if not _member(code, match))
    return tuple(word for word in words if word not in _KEYWORDS)


def _member(code: str, match: re.Match[str]) -> bool:
    before = code[max(match.start() - 200, 0) : match.start()].rstrip()
    return before.endswith("->") or (before.endswith(".") and not before.endswith(".."))


def _masked(match: re.Match[str]) -> str:
    text = match[0]
    return _blank(text) if match["comment"] is not None else text[0] + _blank(text[1:-1]) + text[-1]


def _blank(text: str) -> str:
    return _BLANKED.sub(" ", text)


class _Scan:
    """One pass over one text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.code = mask(text)
        self.balanced = True
        self._lines = [match.start() for match in re.finditer("\n", text)]
        #: Comments over several lines: one that starts in a directive belongs to it.
        self._long = [
            match.span() for match in _QUOTED.finditer(text)
            if match["comment"] is not None and "\n" in match[0]
        ]  # fmt: skip
        self._long_starts = [start for start, _ in self._long]
        self._state = _State()
        self._open: list[_Condition] = []
        self._found: list[Definition] = []

    def run(self, *, resync: bool) -> list[Definition]:
        position = 0
        while (token := _TOKEN.search(self.code, position)) is not None:
            if token["hash"] is not None:
                position = self._directive(token.start())
                continue
            position = token.end()
            if not (self._open and self._open[-1].dead):
                self._mark(token[0], token.start(), resync=resync)
        if self._state.depth == 0:
            self._flush(len(self.code))
        self.balanced = self._state.depth == 0 and self._state.paren == 0
        # Macros within a function are met before the function ends.
        return sorted(self._found, key=lambda one: one.start_line)

    def _mark(self, mark: str, at: int, *, resync: bool) -> None:
        depth, paren, chunk, body = self._state
        first_column = at == 0 or self.code[at - 1] == "\n"
        if mark == "{":
            body = at if depth == 0 and paren == 0 and body < 0 else body
            self._state = _State(depth + 1, paren, chunk, body)
        elif mark == "}":
            if resync and first_column and depth > 1:
                depth, paren = 1, 0
            if depth == 0:  # the end of something that began before this text
                self._state = _State(chunk=at + 1)
            elif depth == 1 and paren == 0 and self._is_function(chunk, body):
                self._end(chunk, at + 1, body)
            else:
                self._state = _State(depth - 1, paren, chunk, body)
        elif depth == 0 and mark in "([":
            self._state = _State(depth, paren + 1, chunk, body)
        elif depth == 0 and mark in ")]":
            self._state = _State(depth, max(paren - 1, 0), chunk, body)
        elif depth == paren == 0 and mark == ";" and not _old_style(self.code[chunk : at + 1]):
            self._end(chunk, at + 1, body)

    def _is_function(self, chunk: int, body: int) -> bool:
        return body >= 0 and is_function(self.code[chunk:body])

    def _end(self, chunk: int, end: int, body: int) -> None:
        """A chunk is complete; what started outside an #if and ends inside waits for its #endif."""
        start = self._first_code(chunk, end)
        inside = next((one for one in self._open if one.offset >= start), None)
        if inside is None:
            self._emit(start, end, body)
        elif inside.pending is None:
            inside.pending = (start, body)
        self._state = _State(chunk=end)

    def _emit(self, start: int, end: int, body: int) -> None:
        code = self.code
        while (skipped := leading_invocation(code[start:end])) is not None:
            self._define(start, start + skipped, -1)
            start = self._first_code(start + skipped, end)
        self._define(start, end, body)

    def _define(self, start: int, end: int, body: int) -> None:
        outside = [one for one in self._open if one.offset < start]
        head = self.code[start:body] if body >= start else self.code[start:end]
        rest = self.code[body:end] if body >= start else ""
        for name, kind in definition_names(head, rest):
            self._add(name, kind, start, end, outside)

    def _add(
        self, name: str, kind: str, start: int, end: int, outside: Sequence[_Condition]
    ) -> None:
        guards = tuple(dict.fromkeys(guard for one in outside for guard in _guards(one)))
        first, last = self._line(start), self._line(max(end - 1, start))
        self._found.append(Definition(name, kind, first, last, self.text[start:end], guards))

    def _flush(self, end: int) -> None:
        """End an invocation that has no semicolon before a directive or the end of the text."""
        chunk = self.code[self._state.chunk : end]
        if (
            self._state.body < 0
            and self._state.paren == 0
            and leading_invocation(chunk, alone=True)
        ):
            start = self._first_code(self._state.chunk, end)
            self._end(start, start + len(self.code[start:end].rstrip()), -1)

    def _first_code(self, start: int, end: int) -> int:
        stripped = self.code[start:end].lstrip()
        return end - len(stripped) if stripped else end

    def _line(self, offset: int) -> int:
        return bisect_left(self._lines, offset) + 1

    # -- directives ----------------------------------------------------------------------

    def _directive(self, start: int) -> int:
        end = self._directive_end(start)
        match = _DIRECTIVE.match(self.code, start)
        if match is None:
            return end
        word, rest = match[1], re.sub(r"\\\r?\n", " ", match[2]).strip()
        dead = bool(self._open) and self._open[-1].dead
        at_top = self._state.depth == 0 and not dead
        if at_top:
            self._flush(start)
        if word in ("if", "ifdef", "ifndef"):
            self._skip_to(start, end)
            self._if(word, rest, start, end, dead=dead)
        elif word in ("elif", "else", "elifdef", "elifndef") and self._open:
            self._else(word, rest, start, end)
        elif word == "endif" and self._open:
            self._endif(start, end)
        else:
            if word == "define" and not dead and (name := _MACRO.match(rest)):
                self._add(name[1], "macro", start, end, self._open)
            self._skip_to(start, end)
        return end

    def _directive_end(self, start: int) -> int:
        end = start
        while True:
            rest = _REST.match(self.code, end)
            end = rest.end() if rest else end
            index = bisect_right(self._long_starts, end) - 1
            if index < 0 or not self._long[index][0] < end < self._long[index][1]:
                break
            end = self._long[index][1]
        return end - 1 if self.code[end - 1 : end] == "\r" else end

    def _skip_to(self, start: int, end: int) -> None:
        """A directive between two chunks belongs to neither."""
        if self._between(start).chunk == _NOTHING:
            self._state = self._state._replace(chunk=end)

    def _if(self, word: str, rest: str, start: int, end: int, *, dead: bool) -> None:
        condition = _condition(word, rest)
        # The guard of a header holds for all of it, and is no condition of anything in it.
        if not self._open and word == "ifndef" and _guards_header(self.code, end, rest):
            condition = "1"
        one = _Condition(start, condition, self._state, outer_dead=dead)
        one.now, one.seen = condition, [condition]
        one.dead = dead or condition == "0"
        self._open.append(one)

    def _else(self, word: str, rest: str, start: int, end: int) -> None:
        one = self._open[-1]
        if not one.dead and one.leave is None:
            one.leave = self._between(start)
        this = _condition(_LIKE.get(word, ""), rest)
        before = [_not(seen) for seen in one.seen]
        one.now = " && ".join(part for part in [*before, this] if part != "1") or "1"
        one.dead = one.outer_dead or "1" in one.seen or this == "0"
        one.seen.append(this)
        empty = one.entry.depth == 0 and one.entry.chunk >= one.offset
        self._state = one.entry._replace(chunk=end) if empty else one.entry

    def _endif(self, start: int, end: int) -> None:
        one = self._open.pop()
        if one.outer_dead:
            return
        state = one.leave or (one.entry if one.dead else self._between(start))
        if one.pending is not None:
            chunk, body = one.pending
            self._emit(chunk, end, body)
            state = _State(chunk=_NOTHING)
        if state.chunk == _NOTHING or (state is one.entry and state.chunk >= one.offset):
            state = state._replace(chunk=end)
        elif state.chunk > one.offset:
            # What starts inside and ends outside is whole only with the #if itself.
            state = state._replace(chunk=one.offset)
        self._state = state

    def _between(self, start: int) -> _State:
        """The state at a directive, with ``_NOTHING`` for a chunk that has not begun."""
        state = self._state
        empty = state.depth == 0 and state.paren == 0 and not self.code[state.chunk : start].strip()
        return state._replace(chunk=_NOTHING) if empty else state


def _condition(word: str, rest: str) -> str:
    name = next(iter(rest.split()), "")
    text = {"ifdef": f"defined({name})", "ifndef": f"!defined({name})", "": "1"}.get(word, rest)
    return "1" if text in _ALWAYS else " ".join(text.split())


def _not(condition: str) -> str:
    simple = re.fullmatch(r"!?defined\(\w+\)", condition)
    if simple:
        return condition[1:] if condition.startswith("!") else f"!{condition}"
    return {"0": "1", "1": "0"}.get(condition, f"!({condition})")


def _guards(one: _Condition) -> Iterator[str]:
    if one.now not in {"", "1"}:
        yield one.now


def _guards_header(code: str, end: int, rest: str) -> bool:
    following = _DIRECTIVE.match(code, end + len(code[end:]) - len(code[end:].lstrip()))
    return bool(
        following and following[1] == "define" and following[2].split()[:1] == rest.split()[:1]
    )


def _old_style(chunk: str) -> bool:
    """Whether *chunk* is the head of a K&R function so far: ``int f(a) int a;``."""
    match = re.search(r"\w+\s*\(\s*(\w+(?:\s*,\s*\w+)*)\s*\)\s*([A-Za-z_][^(){}=]*);\s*$", chunk)
    if match is None:
        return False
    declared = re.findall(r"(\w+)\s*(?:\[\w*\]\s*)*(?:[,;]|$)", match[2])
    return (
        bool(declared)
        and set(declared) <= set(re.findall(r"\w+", match[1]))
        and len(match[2].split()) > 1
    )
