"""Trees for tests are found where they are, or unpacked once from what Debian packs."""

import io
import tarfile

import pytest
import trees
from kernel_making import FILES, small_kernel

from pytest_mmowner._cache import CACHE


@pytest.fixture
def nowhere(monkeypatch, tmp_path):
    """A machine without trees, archives or a cache with something in it."""
    monkeypatch.delenv(trees.TREES, raising=False)
    monkeypatch.setenv(CACHE, str(tmp_path / "cache"))
    monkeypatch.setattr(trees, "ARCHIVES", tmp_path / "src")
    (tmp_path / "src").mkdir()
    trees.unpacked.cache_clear()
    yield tmp_path
    trees.unpacked.cache_clear()


def pack(path, members):
    with tarfile.open(path, "w:xz") as archive:
        for name, text in members:
            one = tarfile.TarInfo(f"linux-source-6.12/{name}")
            one.size = len(text.encode())
            archive.addfile(one, io.BytesIO(text.encode()))


def test_a_named_directory_comes_first(nowhere, monkeypatch):
    monkeypatch.setenv(trees.TREES, str(nowhere))
    small_kernel(nowhere / "6.12")
    assert trees.tree("6.12") == nowhere / "6.12"


def test_an_archive_is_unpacked_once_and_only_what_is_needed(nowhere):
    late = "never read"
    members = [*sorted(FILES.items()), ("net/core.c", "behind"), ("kernel/exit.c", late)]
    archive = nowhere / "src" / "linux-source-6.12.tar.xz"
    pack(archive, members)
    place = trees.tree("6.12")
    assert (place / "kernel/exit.c").read_text() == FILES["kernel/exit.c"]
    assert not (place / "kernel/helpers.c").exists()
    assert place.parent == nowhere / "cache"
    archive.write_bytes(b"")
    trees.unpacked.cache_clear()
    pack(archive, [("kernel/exit.c", "newer")])
    newer = trees.tree("6.12")
    assert newer != place
    assert (newer / "kernel/exit.c").read_text() == "newer"


def test_what_is_unpacked_is_found_again(nowhere, monkeypatch):
    pack(nowhere / "src" / "linux-source-6.12.tar.xz", sorted(FILES.items()))
    place = trees.tree("6.12")
    trees.unpacked.cache_clear()
    monkeypatch.setattr(trees, "_unpack", None)
    assert trees.tree("6.12") == place


def test_a_machine_without_trees_skips_and_says_why(nowhere):
    with pytest.raises(
        pytest.skip.Exception, match=r"no tree of Linux 6.12: MMOWNER_TREES has none"
    ):
        trees.tree("6.12")


def test_a_copy_is_ours(nowhere, monkeypatch):
    monkeypatch.setenv(trees.TREES, str(nowhere))
    small_kernel(nowhere / "6.12")
    own = trees.copy_of("6.12", nowhere / "own")
    (own / "kernel/exit.c").write_text("changed")
    assert (nowhere / "6.12/kernel/exit.c").read_text() == FILES["kernel/exit.c"]
    assert (own / "fs/exec.c").read_text() == FILES["fs/exec.c"]
