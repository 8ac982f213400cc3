"""Finds real kernel trees for tests: those of this machine, or the archives that Debian packs.

``MMOWNER_TREES`` names a directory with trees in it, ``6.1/`` and so on.  Without one, what the
owner code needs is unpacked from ``/usr/src/linux-source-X.tar.xz``, once: it is kept beside what
else is kept between runs, below a name that changes with the archive.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tarfile
import tempfile
from functools import cache
from pathlib import Path

import pytest

from pytest_mmowner._cache import cache_directory
from pytest_mmowner._kernel._cut import HEADERS

TREES = "MMOWNER_TREES"
ARCHIVES = Path("/usr/src")
#: What is read of a tree: where the owner code and its callers are, what they need, what tells
#: facts of the world around.  Trees that have not all of it are as good.
NEEDED = (
    "Makefile", "fs/exec.c", "include/linux/init_task.h", "init/init_task.c", "init/main.c",
    "kernel/cgroup.c", "kernel/cgroup/cgroup.c", "kernel/exit.c", "kernel/fork.c",
    "kernel/ptrace.c", "mm/init-mm.c", *HEADERS,
)  # fmt: skip
#: A Debian archive is packed in the order of the alphabet: behind this there is nothing for us.
_LAST = "mm/"


def tree(release: str) -> Path:
    """Return a tree of *release*, as "6.1"; skip the test where there is none."""
    named = os.environ.get(TREES)
    if named and (Path(named) / release / "kernel/exit.c").is_file():
        return Path(named) / release
    archive = ARCHIVES / f"linux-source-{release}.tar.xz"
    if archive.is_file():
        return unpacked(archive)
    pytest.skip(
        f"no tree of Linux {release}: {TREES} has none, and linux-source-{release} is not installed"
    )


def every_tree() -> list[Path]:
    """Return all trees of this machine; skip the test where there is none."""
    named = os.environ.get(TREES)
    if named:
        found = sorted(path for path in Path(named).iterdir() if (path / "kernel/exit.c").is_file())
    else:
        found = [unpacked(archive) for archive in sorted(ARCHIVES.glob("linux-source-*.tar.xz"))]
    if not found:
        pytest.skip(f"{TREES} names no directory of kernel trees, and no linux-source is installed")
    return found


@cache
def unpacked(archive: Path) -> Path:
    """Return a directory with what is needed of *archive*; the first who asks unpacks it.

    One pass over the archive takes seconds.  Who comes meanwhile waits.
    """
    kept = cache_directory()
    holder = Path(tempfile.gettempdir()) / f"mmowner-trees-{os.getuid()}" if kept is None else kept
    holder.mkdir(mode=0o700, exist_ok=True)
    was = archive.stat()
    place = holder / f"{archive.name.removesuffix('.tar.xz')}-{was.st_size:x}-{was.st_mtime_ns:x}"
    with (holder / "trees.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.is_dir():
            _unpack(archive, place)
    return place


def _unpack(archive: Path, place: Path) -> None:
    """Unpack next to *place* and rename: what has its name is whole."""
    with tempfile.TemporaryDirectory(prefix="unpacking-", dir=place.parent) as name:
        work = Path(name) / "tree"
        work.mkdir()
        seen = False
        with tarfile.open(archive, "r|xz") as members:
            for member in members:
                path = member.name.partition("/")[2]
                if path in NEEDED and (data := members.extractfile(member)) is not None:
                    (work / path).parent.mkdir(parents=True, exist_ok=True)
                    (work / path).write_bytes(data.read())
                if seen and not path.startswith(_LAST):
                    break
                seen = path.startswith(_LAST)
        work.rename(place)


def copy_of(release: str, into: Path) -> Path:
    """Return a tree of our own, *into*, with what is needed of that of *release*."""
    original = tree(release)
    for path in NEEDED:
        if (original / path).is_file():
            (into / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(original / path, into / path)
    return into
