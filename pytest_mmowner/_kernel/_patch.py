"""Reads unified diffs, also those that an archive has flattened, and applies them.

An archive may have eaten the white space that a line begins with: the blank of a context
line, and the tabs of the code.  So the counts in the header of a hunk say where it ends,
and a patch is applied with all white space ignored; a line that it only mentions keeps
what the tree has.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from email import message_from_string
from itertools import combinations
from typing import Final, NamedTuple

from ..errors import CallError

#: The directories at the top of a kernel tree: a path in a patch starts with one of these.
_TOP: Final = frozenset(
    "arch block certs crypto Documentation drivers fs include init io_uring ipc kernel lib "  # noqa: SIM905  words are read better than a list of strings
    "LICENSES mm net rust samples scripts security sound tools virt".split()
)
_HUNK: Final = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@ ?(.*)")
_STAMP: Final = re.compile(
    r"\t.*|\s+\d{4}-\d\d-\d\d[ T]\d\d:\d\d.*|\s+(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? .*|\s+$"
)
_FROM: Final = re.compile(r"^From \S+ .*\d{4}$", re.MULTILINE)
#: Context lines at each end of a hunk that need not match.
FUZZ: Final = 2
#: How far from its place a hunk is looked for when not all its context matches.
_NEAR: Final = 400
_BLANK: Final = re.compile(r"\s+")


class Line(NamedTuple):
    """One line of a hunk: its sign is "+", "-" or " "."""

    sign: str
    text: str


@dataclass(frozen=True, slots=True)
class Hunk:
    """One hunk: the numbers of its header, the function named there ("" if none), its lines."""

    old_start: int
    old_count: int
    new_start: int
    new_count: int
    context: str
    lines: tuple[Line, ...]
    #: Its number within its file, from 1, and the line of the patch its header is on.
    number: int = 1
    at: int = 0

    @property
    def old(self) -> tuple[str, ...]:
        """The lines it expects."""
        return tuple(text for sign, text in self.lines if sign != "+")

    @property
    def new(self) -> tuple[str, ...]:
        """The lines it leaves."""
        return tuple(text for sign, text in self.lines if sign != "-")

    def __str__(self) -> str:
        old, new = f"-{self.old_start},{self.old_count}", f"+{self.new_start},{self.new_count}"
        return f"hunk {self.number} (@@ {old} {new} @@ at line {self.at} of the patch)"


@dataclass(frozen=True, slots=True)
class PatchedFile:
    """What one patch does to one file.  ``path`` is as in the tree: ``kernel/exit.c``."""

    path: str
    hunks: tuple[Hunk, ...]
    created: bool = False
    deleted: bool = False
    #: The path before, when the patch moves the file.
    was: str | None = None


@dataclass(frozen=True, slots=True)
class Patch:
    """The files of a patch, in its order; a series may have a file several times."""

    files: tuple[PatchedFile, ...]

    @property
    def paths(self) -> tuple[str, ...]:
        """Every path that it leaves changed, once."""
        return tuple(dict.fromkeys(one.path for one in self.files))

    def of(self, path: str) -> tuple[PatchedFile, ...]:
        """Return what is done to *path*, one step for each patch of a series."""
        return tuple(one for one in self.files if one.path == path)


class Rejected(NamedTuple):
    """A hunk that has no place in the tree, and whether what it leaves is there already."""

    hunk: Hunk
    already: bool


def parse(text: str, name: str = "the patch") -> Patch:
    """Return the patch in *text*; *name* is how errors call it.

    Raises :class:`CallError` when there is none, or when one of its hunks is damaged.
    """
    lines = _decoded(text.replace("\r\n", "\n")).split("\n")
    files = list(_files(lines, name))
    if not files:
        raise CallError(
            f"{name} is no patch: it has no line '--- a/kernel/exit.c' that is followed by "
            f"'+++ b/kernel/exit.c' and '@@ -1,2 +3,4 @@'. Give it what 'git diff', "
            f"'git format-patch' or 'diff -puN' wrote"
        )
    return Patch(tuple(files))


def after_image(*steps: PatchedFile) -> list[tuple[int, str, bool]]:
    """Return what is known of the file after *steps*: (line number, text, added?), in order.

    Steps are those of a series to one file: the first gives the oldest lines.
    """
    known: dict[int, tuple[str, bool]] = {}
    for step in steps:
        if step.deleted:
            known = {}
            continue
        for hunk in step.hunks:
            # Hunks before this one have moved what follows: new_start counts that in.
            start = hunk.new_start + (hunk.new_count == 0)
            shift = hunk.new_count - hunk.old_count
            stays = {line: one for line, one in known.items() if line < start}
            moved = {
                line + shift: one for line, one in known.items() if line >= start + hunk.old_count
            }
            placed: dict[int, tuple[str, bool]] = {}
            for sign, text in hunk.lines:
                if sign != "-":
                    line = start + len(placed)
                    before = known.get(line)
                    was_added = sign == " " and before is not None and before == (text, True)
                    placed[line] = (text, sign == "+" or was_added)
            known = stays | placed | moved
    return [(line, *known[line]) for line in sorted(known)]


def apply(text: str, hunks: Sequence[Hunk]) -> tuple[str, list[Rejected]]:
    """Return *text* with *hunks* applied, and the hunks that have no place in it.

    All white space is ignored; a hunk may have drifted, and up to ``FUZZ`` lines of context
    at its ends need not match.
    """
    lines = text.split("\n")
    keys = [_BLANK.sub("", line) for line in lines]
    rejected: list[Rejected] = []
    drift, floor = 0, 0
    for hunk in hunks:
        place = _place(keys, hunk, hunk.old_start - 1 + (hunk.old_count == 0) + drift, floor)
        if place is None:
            new = [_BLANK.sub("", line) for line in hunk.new]
            there = any(sign == "+" for sign, _ in hunk.lines)
            already = there and any(
                keys[at : at + len(new)] == new
                for at in _outwards(hunk.new_start - 1, 0, len(keys))
            )
            rejected.append(Rejected(hunk, already))
            continue
        at, first, last = place
        body = hunk.lines[first : len(hunk.lines) - last]
        new_lines: list[str] = []
        here = at
        for sign, line in body:
            if sign == " ":
                new_lines.append(lines[here])  # the tree's own white space stays
            if sign == "+":
                new_lines.append(line)
            else:
                here += 1
        lines[at:here] = new_lines
        keys[at:here] = [_BLANK.sub("", line) for line in new_lines]
        # Where the whole hunk would have begun, against where its header says.
        drift = at - first - (hunk.old_start - 1 + (hunk.old_count == 0))
        drift += len(new_lines) - (here - at)
        floor = at + len(new_lines)
    return "\n".join(lines), rejected


def _place(keys: list[str], hunk: Hunk, expected: int, floor: int) -> tuple[int, int, int] | None:
    """Where *hunk* fits: the index of the line, and how much context is left out at each end."""
    lead = next((n for n, one in enumerate(hunk.lines) if one.sign != " "), len(hunk.lines))
    trail = next((n for n, one in enumerate(reversed(hunk.lines)) if one.sign != " "), 0)
    old = [_BLANK.sub("", line) for line in hunk.old]
    if not old:
        return (min(max(expected, floor), len(keys)), 0, 0)
    # The last line of context at an end always counts: else a hunk would fit anywhere.
    ends = [[min(fuzz, max(end - 1, 0)) for end in (lead, trail)] for fuzz in range(FUZZ + 1)]
    for first, last in dict.fromkeys((first, last) for first, last in ends):
        fuzz = max(first, last)
        wanted = old[first : len(old) - last]
        if not any(wanted):
            break
        for at in _outwards(expected + first, floor, len(keys) - len(wanted) + 1):
            if fuzz and abs(at - expected - first) > _NEAR:
                break
            if keys[at] == wanted[0] and keys[at : at + len(wanted)] == wanted:
                return at, first, last
    return None


def _outwards(middle: int, low: int, high: int) -> Iterator[int]:
    """The numbers from *low* up to *high*, those next to *middle* first."""
    middle = max(min(middle, high - 1), low)
    for distance in range(max(middle - low, high - 1 - middle) + 1):
        for at in (middle + distance, middle - distance) if distance else (middle,):
            if low <= at < high:
                yield at


# -- parsing -----------------------------------------------------------------------------


def _decoded(text: str) -> str:
    """Undo the transfer encodings of a mailbox; *text* itself when there are none."""
    if not re.search(
        r"^Content-Transfer-Encoding: *(?:quoted-printable|base64)",
        text,
        re.MULTILINE | re.IGNORECASE,
    ):
        return text
    starts = [match.start() for match in _FROM.finditer(text)] or [0]
    parts = []
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        message = message_from_string(text[start:end])
        bodies = [one.get_payload(decode=True) for one in message.walk() if not one.is_multipart()]
        parts += [
            body.decode("utf-8", "replace") for body in bodies if isinstance(body, bytes)
        ] or [text[start:end]]
    return "\n".join(parts).replace("\r\n", "\n")


def _files(lines: list[str], name: str) -> Iterator[PatchedFile]:
    index = 0
    extended: dict[str, str] = {}
    while index < len(lines):
        line = lines[index]
        if line.startswith(("diff --git ", "Index: ", "diff -")):
            yield from _moved(extended)
            extended = {}
        if match := re.match(r"(rename from|rename to|deleted file mode|new file mode) (.*)", line):
            extended[match[1]] = match[2]
        if not _begins(lines, index):
            index += 1
            continue
        old, new = (_raw_path(lines[index + n][4:]) for n in (0, 1))
        path = _path(old if new == "/dev/null" else new)
        if extended.get("rename to", path) != path:  # that one had no hunks, and no `diff` follows
            yield from _moved(extended)
            extended = {}
        created = old == "/dev/null" or "new file mode" in extended
        deleted = new == "/dev/null" or "deleted file mode" in extended
        index += 2
        hunks: list[Hunk] = []
        while index < len(lines) and (header := _HUNK.match(lines[index])):
            hunk, index = _hunk(lines, index, header, f"{name}: {path}", len(hunks) + 1)
            hunks.append(hunk)
            while index < len(lines) and lines[index].startswith("\\"):
                index += 1
        # `diff -N` writes no /dev/null: an empty side is a file that was not there, or is gone.
        created = created or (len(hunks) == 1 and hunks[0].old_start == hunks[0].old_count == 0)
        deleted = deleted or (len(hunks) == 1 and hunks[0].new_start == hunks[0].new_count == 0)
        was = extended.get("rename from")
        yield PatchedFile(path, tuple(hunks), created, deleted, was)
        extended = {}
    yield from _moved(extended)


def _moved(extended: dict[str, str]) -> Iterator[PatchedFile]:
    """A file that was moved as it is has no hunks."""
    if "rename from" in extended and "rename to" in extended:
        yield PatchedFile(extended["rename to"], (), was=extended["rename from"])


def _begins(lines: list[str], index: int) -> bool:
    """Whether the header of a file is at *index*: three lines, or its text would be no hunk."""
    return (
        lines[index].startswith("--- ")
        and index + 2 < len(lines)
        and lines[index + 1].startswith("+++ ")
        and _HUNK.match(lines[index + 2]) is not None
    )


def _raw_path(text: str) -> str:
    return _STAMP.sub("", text).strip().strip('"')


def _path(raw: str) -> str:
    """Return *raw* as the tree calls it: without ``a/``, ``linux-2.6.orig/`` and quilt's ``~``."""
    parts = raw.partition("~")[0].lstrip("/").split("/")
    top = next((n for n, part in enumerate(parts) if part in _TOP), min(1, len(parts) - 1))
    return "/".join(parts[top:])


def _hunk(
    lines: list[str], index: int, header: re.Match[str], where: str, number: int
) -> tuple[Hunk, int]:
    old, new = (int(header[n]) if header[n] is not None else 1 for n in (2, 4))
    start = index + 1
    body, end = _body(lines, start, old, new)
    if body is None:
        counts = f"{old} old and {new} new lines"
        raise CallError(
            f"{where}, hunk {number} ({header[0].partition(' @@')[0]} @@, line {index + 1} of the "
            f"patch): its header announces {counts}, and the lines below do not add up to that. "
            f"The patch was cut off, or changed by hand or by a mailer: get it anew"
        )
    return Hunk(
        int(header[1]), old, int(header[3]), new, header[5].strip(), body, number, index + 1
    ), end


def _body(lines: list[str], start: int, old: int, new: int) -> tuple[tuple[Line, ...] | None, int]:
    """The lines of a hunk, and the index after it; None when the counts cannot be met."""
    reach = lines[start : start + old + new + 4]
    # Flattened code may itself begin with a sign: `++x;` as context, and `- y` of an expression.
    doubtful = [n for n, line in enumerate(reach) if re.match(r"\+\+|--|[-+] ?\w", line)]
    flat = any(line[:1] not in {" ", "+", "-", "\\", ""} for line in reach[: max(old, new)])
    tries: Iterable[tuple[int, ...]] = [()]
    if flat:
        tries = (chosen for size in range(3) for chosen in combinations(doubtful[:40], size))
    for chosen in tries:
        body, used = _counted(reach, old, new, frozenset(chosen))
        if body is not None:
            return body, start + used
    return None, start


def _counted(
    lines: list[str], old: int, new: int, context: frozenset[int]
) -> tuple[tuple[Line, ...] | None, int]:
    body: list[Line] = []
    index = 0
    while (old or new) and index < len(lines):
        line = lines[index]
        if line.startswith("\\"):
            index += 1
            continue
        sign = line[:1] if line[:1] in {"+", "-"} and index not in context else " "
        text = line[1:] if sign != " " or line.startswith(" ") else line
        old -= sign != "+"
        new -= sign != "-"
        if old < 0 or new < 0 or (sign == " " and _HUNK.match(line)):
            return None, 0
        body.append(Line(sign, text))
        index += 1
    return (tuple(body), index) if not (old or new) else (None, 0)
