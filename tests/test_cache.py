"""Where things are kept, who may put them there, and that they appear in one step."""

import os

import pytest

from pytest_mmowner import _cache
from pytest_mmowner._cache import cache_directory, new_file, own_directory, texts


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A user who has set nothing."""
    for name in ("MMOWNER_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


class TestWhere:
    def test_below_home(self, home):
        assert cache_directory() == home / ".cache/pytest-mmowner"
        assert (home / ".cache/pytest-mmowner").is_dir()

    def test_below_xdg_cache_home(self, home, monkeypatch):
        monkeypatch.setenv("XDG_CACHE_HOME", str(home / "xdg"))
        assert cache_directory() == home / "xdg/pytest-mmowner"
        monkeypatch.setenv("XDG_CACHE_HOME", "")
        assert cache_directory() == home / ".cache/pytest-mmowner"

    def test_the_variable_comes_first(self, home, monkeypatch):
        monkeypatch.setenv("XDG_CACHE_HOME", str(home / "xdg"))
        monkeypatch.setenv("MMOWNER_CACHE", str(home / "a/b"))
        assert cache_directory() == home / "a/b"
        assert [path.name for path in home.iterdir()] == ["a"]

    def test_an_empty_one_is_nowhere(self, home, monkeypatch):
        monkeypatch.setenv("MMOWNER_CACHE", "")
        assert cache_directory() is None
        assert [*home.iterdir()] == []

    def test_a_relative_one_stays_where_it_was(self, home, monkeypatch):
        monkeypatch.setenv("MMOWNER_CACHE", "kept")
        monkeypatch.chdir(home)
        assert cache_directory() == home / "kept"

    def test_a_user_without_a_home(self, home, monkeypatch):
        def no_home():
            raise RuntimeError("Could not determine home directory.")

        monkeypatch.setattr(_cache.Path, "home", no_home)
        assert cache_directory() is None


class TestWhose:
    def test_it_is_made_for_us_alone(self, tmp_path):
        before = os.umask(0)
        try:
            assert own_directory(tmp_path / "new") == tmp_path / "new"
        finally:
            os.umask(before)
        assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700

    @pytest.mark.parametrize(
        ("mode", "ok"), [(0o700, True), (0o755, True), (0o775, False), (0o777, False), (0o702, False)]
    )  # fmt: skip
    def test_others_may_read_and_not_write(self, tmp_path, mode, ok):
        tmp_path.chmod(mode)
        assert own_directory(tmp_path) == (tmp_path if ok else None)

    def test_somebody_elses(self, tmp_path, monkeypatch):
        monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 1)
        assert own_directory(tmp_path) is None

    @pytest.mark.parametrize("place", ["file", "file/below", "dangling"])
    def test_one_that_cannot_be_made(self, tmp_path, place):
        (tmp_path / "file").touch()
        (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
        assert own_directory(tmp_path / place) is None

    def test_one_that_cannot_be_written_to(self, tmp_path, monkeypatch):
        # As root every directory can be.
        monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK)
        assert own_directory(tmp_path) is None

    def test_a_link_is_followed_once(self, tmp_path):
        (tmp_path / "real").mkdir()
        (tmp_path / "link").symlink_to(tmp_path / "real")
        assert own_directory(tmp_path / "link") == tmp_path / "real"


class TestNewFiles:
    def test_they_appear_in_one_step(self, tmp_path):
        target = tmp_path / "it"
        target.write_text("old")
        with new_file(target) as beside:
            beside.write_text("new")
            assert beside.parent == tmp_path
            assert target.read_text() == "old"
        assert target.read_text() == "new"
        assert [*tmp_path.iterdir()] == [target]

    @pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
    def test_what_fails_leaves_nothing(self, tmp_path, error):
        def half():
            with new_file(tmp_path / "it") as beside:
                beside.write_text("half")
                raise error

        with pytest.raises(error):
            half()
        assert [*tmp_path.iterdir()] == []

    def test_a_target_that_cannot_be_replaced(self, tmp_path):
        (tmp_path / "it").mkdir()
        with pytest.raises(OSError, match="directory"), new_file(tmp_path / "it"):
            pass
        assert [path.name for path in tmp_path.iterdir()] == ["it"]

    def test_no_directory(self, tmp_path):
        with pytest.raises(OSError, match="No such file"), new_file(tmp_path / "no/it"):
            pass


def test_every_text_decides_about_the_name(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_text("1")
    other.write_text("2")
    digests = {
        texts(), texts("_cases.py"), texts(also=(one,)), texts(also=(other,)),
        texts(also=(one, other)), texts(also=(other, one)), texts("_cases.py", also=(one,)),
    }  # fmt: skip
    assert len(digests) == 7
