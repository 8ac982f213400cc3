"""Opens what ``kernel:`` names: a tree, a revision in git, a patch, or a patch on one of these.

Everything is read where it is; nothing is written to it, and git is kept from the network.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from ..errors import CallError, did_you_mean
from ._kept import kept_definitions
from ._patch import Hunk, Patch, PatchedFile, after_image, apply, parse
from ._scan import Definition, definitions

#: The directories in which helpers are looked for, the likely ones first.
_SEARCHED: Final = ("kernel", "mm", "include/linux", "fs")
#: How many files :meth:`Source.find` names at most.
_FOUND: Final = 40
_NEEDED: Final = "kernel/exit.c"
_OWNER_FILES: Final = re.compile(r"kernel/(?:exit|fork|cgroup\w*|cgroup/\w+)\.c|fs/exec\.c")
_OWNER_WORD: Final = re.compile(
    r"\b\w*(?:mm_(?:\w+_)?owner|set_owner|owner_callbacks|new_owner)\w*\b|\bmm->owner\b"
)
#: Functions all of whose lines are owner code, for hunks that do not say so themselves.
_OWNER_FUNCTION: Final = re.compile(r"(?:mm_\w*owner\w*|_*try_to_set_owner|cgroup_mm_owner\w*)")
_GIT: Final = (
    "git", "--no-pager", "-c", "safe.directory=*", "-c", "safe.bareRepository=all",
    "-c", "protocol.allow=never", "-c", "core.fsmonitor=false",
)  # fmt: skip


class Fragment(NamedTuple):
    """Lines of a file that follow each other: the number of the first, and their text."""

    line: int
    text: str


class Reject(NamedTuple):
    """A hunk that did not apply, in words for a note."""

    path: str
    hunk: Hunk
    reason: str

    def __str__(self) -> str:
        return f"{self.path}, {self.hunk}: {self.reason}"


class _Files(Protocol):
    """Where files come from."""

    def read(self, path: str) -> str | None: ...
    def find(self, word: str) -> Iterator[str]: ...


class Source:
    """A kernel's text: ``name`` is what messages call it.

    ``whole`` is False for a patch alone, which has only the lines around its changes.
    ``rejected`` are the hunks that did not apply and do not matter to the owner;
    ``patch`` is the patch, if there is one.
    """

    def __init__(self, name: str, files: _Files, *, whole: bool = True, patch: Patch | None = None,
                 rejected: Sequence[Reject] = ()) -> None:  # fmt: skip
        self.name = name
        self.whole = whole
        self.patch = patch
        self.rejected = tuple(rejected)
        self._files = files
        self._read: dict[str, str | None] = {}
        self._found: dict[str, list[str]] = {}
        self._definitions: dict[str, list[Definition]] = {}

    def read(self, path: str) -> str | None:
        """Return the text of *path*, None when there is no such file.

        Of a patch alone it is the lines that are known, the others blank: numbers are right.
        """
        if path not in self._read:
            safe = not path.startswith("/") and ".." not in path.split("/")
            self._read[path] = self._files.read(path) if safe else None
        return self._read[path]

    def find(self, word: str) -> list[str]:
        """Return the files below kernel, mm, include/linux and fs that have *word*: 40 at most."""
        if word not in self._found:
            found = self._files.find(word)
            self._found[word] = [path for path, _ in zip(found, range(_FOUND), strict=False)]
        return self._found[word]

    def definitions(self, path: str) -> list[Definition]:
        """Return what *path* defines; of a patch alone, what stands in it as a whole."""
        if path not in self._definitions:
            if isinstance(self._files, _PatchAlone):
                found = [one for part in self._files.fragments(path) for one in _of_fragment(part)]
            else:
                found = kept_definitions(self.read(path) or "")
            self._definitions[path] = found
        return self._definitions[path]

    def __repr__(self) -> str:
        return f"<Source {self.name}>"


def open_source(spec: str, rest: str) -> Source:
    """Return the source that *rest* names, which is *spec* without its ``kernel:``.

    ``PATH`` of a tree, ``file.patch``, ``file.patch@PATH``, ``REPO@REV`` or
    ``file.patch@REPO@REV``.  Raises :class:`CallError` when there is nothing to judge.
    """
    first, at, behind = _split(spec, rest)
    path = Path(first).expanduser()
    if path.is_dir():
        files: _Files = _Revision(spec, path, behind) if at else _tree(spec, path)
        source = Source(spec, files)
    else:
        patch = parse(_text(path.read_bytes()), str(path))
        if not at:
            source = Source(spec, _PatchAlone(patch), whole=False, patch=patch)
        else:
            source = _patched(spec, patch, str(path), open_base(spec, behind))
    _check_owner(source)
    return source


def open_base(spec: str, rest: str) -> _Files:
    """Return the files a patch is put on: a tree or a revision."""
    first, at, behind = _split(spec, rest)
    path = Path(first).expanduser()
    if not path.is_dir():
        raise CallError(
            f"{spec}: a patch is put on a kernel tree or on a revision (file.patch@PATH, "
            f"file.patch@REPO@REV), and {first} is a file"
        )
    return _Revision(spec, path, behind) if at else _tree(spec, path)


def _split(spec: str, rest: str) -> tuple[str, str, str]:
    """Split at the last ``@`` that has something existing before it (revisions may have ``@``)."""
    if not rest:
        raise CallError(
            f"{spec}: nothing behind 'kernel:'. Name a kernel tree, a patch, file.patch@PATH or "
            f"REPO@REV"
        )
    ends = [len(rest), *(n for n in range(len(rest) - 1, 0, -1) if rest[n] == "@")]
    for end in ends:
        if Path(rest[:end]).expanduser().exists():
            return rest[:end], rest[end : end + 1], rest[end + 1 :]
    name = rest.partition("@")[0]
    path = Path(name).expanduser()
    beside = [one.name for one in path.parent.iterdir()] if path.parent.is_dir() else []
    guess = did_you_mean(path.name, beside)
    missing = "" if path.parent.is_dir() else f" (there is no directory {path.parent} either)"
    raise CallError(f"{spec}: there is no {name}{missing}.{guess}")


def _text(data: bytes) -> str:
    """Kernel sources are UTF-8 today and were Latin-1 in places."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _check_owner(source: Source) -> None:
    """An owner must be in it: mm_update_next_owner came with 2.6.26."""
    word = "mm_update_next_owner"
    if not source.whole:
        if not any(
            one.name == word for path in source.find(word) for one in source.definitions(path)
        ):
            raise CallError(
                f"{source.name}: the patch has no whole {word}(), so alone it cannot be judged. "
                f"Put it on its tree: {source.name}@PATH or {source.name}@REPO@REV"
            )
    elif word not in (source.read(_NEEDED) or "") and not any(
        one.name == word and one.kind == "function" and path.endswith(".c")
        for path in source.find(word) for one in source.definitions(path)
    ):  # fmt: skip
        raise CallError(
            f"{source.name}: {_NEEDED} has no {word}(), so there are no owner rules to judge. "
            f"Linux has them since 2.6.26; take a later tree, or a patch that adds them"
        )


# -- trees -------------------------------------------------------------------------------


class _Tree:
    """A directory with a kernel in it."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._list: list[Path] | None = None

    def read(self, path: str) -> str | None:
        try:
            return _text((self._root / path).read_bytes())
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None

    def find(self, word: str) -> Iterator[str]:
        wanted = word.encode()
        exact = re.compile(rb"(?<!\w)" + re.escape(wanted) + rb"(?!\w)")
        if self._list is None:
            self._list = [
                one for top in _SEARCHED for one in sorted((self._root / top).rglob("*.[ch]"))
            ]
        for file in self._list:
            try:
                data = file.read_bytes()
            except OSError:  # a dangling link
                continue
            if wanted in data and exact.search(data):
                yield file.relative_to(self._root).as_posix()


def _tree(spec: str, path: Path) -> _Tree:
    if not (path / _NEEDED).is_file():
        raise CallError(f"{spec}: {path} has no {_NEEDED}. {_what_else(path)}")
    return _Tree(path)


def _what_else(path: Path) -> str:
    needs = "A tree needs kernel/, fs/, mm/, include/ and init/ of a Linux source"
    if (path / "HEAD").is_file() or (path / ".git").exists():
        return f"It is a git repository: name a revision too, as in kernel:{path}@v6.12"
    near = [one for one in (path.parent, *_children(path)) if (one / _NEEDED).is_file()]
    return f"Did you mean kernel:{near[0]}?" if near else needs


def _children(path: Path) -> list[Path]:
    return sorted(one for one in path.iterdir() if one.is_dir())[:200]


# -- revisions ---------------------------------------------------------------------------


class _Revision:
    """A revision in a git repository, which may be bare."""

    def __init__(self, spec: str, repo: Path, revision: str) -> None:
        self._repo = repo
        found = self._git(
            "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{tree}}"
        )
        if found is None:
            self._refuse(spec, revision)
        else:
            self._tree = found.decode().strip()
        if self.read(_NEEDED) is None:
            raise CallError(
                f"{spec}: {revision} in {repo} has no {_NEEDED}: it is no Linux source, or the "
                f"repository has only a part of it"
            )

    def read(self, path: str) -> str | None:
        data = self._git("cat-file", "blob", f"{self._tree}:{path}")
        return None if data is None else _text(data)

    def find(self, word: str) -> Iterator[str]:
        data = self._git(
            "grep", "-l", "-w", "-F", "-z", "-e", word, self._tree, "--",
            *(f":(glob){top}/**/*.[ch]" for top in _SEARCHED),
        )  # fmt: skip
        # -z ends names with NUL and, of a revision, still writes `TREE:` before each.
        names = [
            name.partition(":")[2]
            for name in (data or b"").decode("utf-8", "replace").split("\0")
            if name
        ]
        order = {top: number for number, top in enumerate(_SEARCHED)}
        yield from sorted(
            names, key=lambda one: next(n for top, n in order.items() if one.startswith(top))
        )

    def _git(self, *arguments: str) -> bytes | None:
        """Return what git writes, None when it fails.  Raises CallError when there is no git."""
        quiet = {"GIT_TERMINAL_PROMPT": "0", "GIT_NO_LAZY_FETCH": "1", "GIT_OPTIONAL_LOCKS": "0"}
        # Variables of a hook or a caller in git would lead to another repository.
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
        try:
            done = subprocess.run(
                [*_GIT, "-C", str(self._repo), *arguments],
                env=inherited | quiet, stdin=subprocess.DEVNULL, capture_output=True, check=False,
            )  # fmt: skip
        except FileNotFoundError as error:
            raise CallError(
                f"{self._repo}: reading a revision needs git, which is not installed (or not on "
                f"PATH). Install it, or give a directory with the tree checked out"
            ) from error
        return done.stdout if done.returncode == 0 else None

    def _refuse(self, spec: str, revision: str) -> None:
        if self._git("rev-parse", "--git-dir") is None:
            raise CallError(
                f"{spec}: {self._repo} is no git repository, so it has no revision {revision!r}. "
                f"For the tree itself leave '@{revision}' out"
            )
        names = self._git("for-each-ref", "--count=4000", "--format=%(refname:short)") or b""
        guess = did_you_mean(revision, names.decode("utf-8", "replace").split())
        raise CallError(
            f"{spec}: {self._repo} has no revision {revision!r}.{guess} "
            f"(A shallow or partial clone has only some: git -C {self._repo} log --oneline)"
        )


# -- patches -----------------------------------------------------------------------------


class _PatchAlone:
    """What a patch shows of the files it changes, and no more."""

    def __init__(self, patch: Patch) -> None:
        self._images = {path: after_image(*patch.of(path)) for path in patch.paths}

    def fragments(self, path: str) -> list[Fragment]:
        image = self._images.get(path, [])
        runs = groupby(enumerate(image), key=lambda one: one[1][0] - one[0])
        parts = [[line for _, line in run] for _, run in runs]
        return [Fragment(part[0][0], "\n".join(text for _, text, _ in part)) for part in parts]

    def read(self, path: str) -> str | None:
        if not self._images.get(path):
            return None
        lines = [""] * self._images[path][-1][0]
        for number, text, _ in self._images[path]:
            lines[number - 1] = text
        return "\n".join(lines) + "\n"

    def find(self, word: str) -> Iterator[str]:
        exact = re.compile(rf"\b{re.escape(word)}\b")
        for path in self._images:
            if path.endswith((".c", ".h")) and exact.search(self.read(path) or ""):
                yield path


def _of_fragment(part: Fragment) -> Iterator[Definition]:
    """The whole definitions of a fragment, which may start within a function."""
    for one in definitions(part.text, fragment=True):
        if one.kind in {"variable", "prototype"} and not re.match(
            r"(?:static|extern)\b|[A-Z_]+\(", one.text
        ):
            continue  # more likely a statement or a local variable
        shift = part.line - 1
        yield replace(one, start_line=one.start_line + shift, end_line=one.end_line + shift)


class _Patched:
    """Files with a patch put on them."""

    def __init__(self, base: _Files, changed: dict[str, str | None]) -> None:
        self._base = base
        self._changed = changed

    def read(self, path: str) -> str | None:
        return self._changed[path] if path in self._changed else self._base.read(path)

    def find(self, word: str) -> Iterator[str]:
        exact = re.compile(rf"\b{re.escape(word)}\b")
        for path, text in self._changed.items():
            if (
                path.startswith(_SEARCHED)
                and path.endswith((".c", ".h"))
                and exact.search(text or "")
            ):
                yield path
        yield from (path for path in self._base.find(word) if path not in self._changed)


def _patched(spec: str, patch: Patch, name: str, base: _Files) -> Source:
    changed: dict[str, str | None] = {}
    rejected: list[Reject] = []
    for step in patch.files:
        before = step.was or step.path
        text = changed[before] if before in changed else base.read(before)
        if step.was:
            changed[step.was] = None
        changed[step.path] = _step(step, text, rejected, spec, name)
    return Source(spec, _Patched(base, changed), patch=patch, rejected=rejected)


def _step(
    step: PatchedFile, text: str | None, rejected: list[Reject], spec: str, name: str
) -> str | None:
    """Return a file after one patch; hunks that do not apply are noted, the owner's refused."""
    if step.deleted:
        return None
    if step.created and text is None:
        return "\n".join(line for hunk in step.hunks for line in hunk.new) + "\n"
    refused: list[Reject] = []
    if text is None:
        refused = [Reject(step.path, hunk, "the tree has no such file") for hunk in step.hunks]
    else:
        before = text
        text, left = apply(text, step.hunks)
        refused = [
            Reject(step.path, hunk, "the tree has it already" if already else "no such lines there")
            for hunk, already in left
        ]
        owner = _owner_lines(before) if refused and _OWNER_FILES.fullmatch(step.path) else []
        for one in refused:
            if _concerns_owner(one, owner):
                raise CallError(
                    f"{spec}: {name} does not apply to the owner's code: {one}. "
                    f"Put it on the tree it was made for, or rebase it"
                )
    rejected += refused
    return text


def _owner_lines(text: str) -> list[range]:
    return [
        range(one.start_line, one.end_line + 1) for one in definitions(text)
        if one.kind == "function" and _OWNER_FUNCTION.fullmatch(one.name)
    ]  # fmt: skip


def _concerns_owner(one: Reject, owner: list[range]) -> bool:
    """Whether a hunk of an owner's file changes owner rules: by its words, or by its place."""
    if not _OWNER_FILES.fullmatch(one.path):
        return False
    changed = "\n".join(text for sign, text in one.hunk.lines if sign != " ")
    if _OWNER_WORD.search(changed) or _OWNER_WORD.search(one.hunk.context):
        return True
    start = one.hunk.old_start
    return any(start <= line[-1] and start + one.hunk.old_count > line[0] for line in owner)
