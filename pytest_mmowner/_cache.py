"""What is kept between runs: where, under which names, and how it gets there.

Compiled cores and agents are executed, graphs are believed.  So they lie where nobody else can
put anything, are named by everything that decides about them, and appear in one step.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from hashlib import blake2b
from importlib.resources import files
from pathlib import Path
from tempfile import mkstemp
from typing import Final

#: The environment variable that names another directory, or with an empty value none.
CACHE: Final = "MMOWNER_CACHE"
#: The modules of the reference whose text decides which worlds there are, and what leads to them.
WORLDS: Final = (
    "_packed.py", "_compact.py", "_graph.py", "_space.py", "_outcomes.py", "_dialects.py",
)  # fmt: skip


def cache_directory() -> Path | None:
    """Return the directory where things are kept, made if need be; None for nowhere.

    It is what ``MMOWNER_CACHE`` names, or else ``pytest-mmowner`` in ``$XDG_CACHE_HOME`` or
    ``~/.cache``.  None when the variable is empty, and when :func:`own_directory` gives None.
    """
    named = os.environ.get(CACHE)
    if named is not None:
        return own_directory(Path(named)) if named else None
    home = os.environ.get("XDG_CACHE_HOME")
    try:
        below = Path(home) if home else Path.home() / ".cache"
    except RuntimeError:  # a user without a home
        return None
    return own_directory(below / "pytest-mmowner")


def own_directory(path: Path) -> Path | None:
    """Make *path* for us alone and return it, absolute and without symbolic links.

    None when it cannot be made or written to, is somebody else's, or others may write to it.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        # A link could be turned to another place after we have looked.
        path = path.resolve(strict=True)
        there = path.stat()
    except OSError:
        return None
    ours = there.st_uid == os.geteuid() and not there.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return path if ours and os.access(path, os.W_OK | os.X_OK) else None


@contextmanager
def new_file(target: Path) -> Iterator[Path]:
    """Give an empty file beside *target* that becomes it in one step when the block ends.

    Others may do the same at once, and nobody sees a half.  When the block raises, the file is
    gone and *target* is what it was.  Raises ``OSError`` when nothing can be written there.
    """
    handle, name = mkstemp(prefix=f".{target.name}-", dir=target.parent)
    os.close(handle)
    path = Path(name)
    try:
        yield path
        path.replace(target)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


@cache
def texts(*names: str, also: tuple[Path, ...] = ()) -> str:
    """Return a digest of the texts that decide about something, to name it by.

    They are the :data:`WORLDS`, other modules of the reference by *names*, and files.
    """
    reference = files("mmowner_reference")
    digest = blake2b(digest_size=16)
    for path in (*map(reference.joinpath, (*WORLDS, *names)), *also):
        text = path.read_bytes()
        digest.update(b"%d\n%b" % (len(text), text))
    return digest.hexdigest()
