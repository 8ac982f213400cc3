"""How the C core comes to be: found, compiled, kept, and done without."""

import os
import subprocess
import sys
import tempfile

import pytest

from mmowner_reference import Bounds, explore
from pytest_mmowner import _core
from pytest_mmowner._core import _build
from pytest_mmowner.errors import CallError, MissingPrerequisite

SCOPE = Bounds(3, 2)


@pytest.fixture
def real(c_core):
    """A compiler that works."""
    return _build.find_compiler()


def kept(tmp_path):
    return sorted(path.name for path in (tmp_path / "cache").iterdir())


def script(tmp_path, monkeypatch, text):
    """Make a shell script the compiler."""
    path = tmp_path / "mycc"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    monkeypatch.setenv("CC", str(path))
    return path


def in_python(reason):
    """Searches run in Python, and the reason is told."""
    assert _core.core() is None
    assert reason in _core.why_not()
    assert _core.in_words() == f"search core: Python ({_core.why_not()})"
    assert _core.explore(SCOPE) == explore(SCOPE)
    return True


@pytest.mark.usefixtures("fresh")
class TestWithoutACompiler:
    def test_nothing_on_the_path(self, monkeypatch):
        monkeypatch.setenv("PATH", "")
        assert in_python("no C compiler found")
        assert _core.in_words() == "search core: Python (no C compiler found)"

    @pytest.mark.parametrize("path", ["", "/nowhere"])
    def test_one_that_is_not_there(self, monkeypatch, path):
        monkeypatch.setenv("PATH", path)
        monkeypatch.setenv("CC", "/nowhere/cc -m64")
        assert in_python("no C compiler found (CC=/nowhere/cc -m64)")

    @pytest.mark.parametrize("text", ['"', " "])
    def test_one_that_is_no_command(self, monkeypatch, text):
        monkeypatch.setenv("CC", text)
        assert in_python(f"CC={text}")

    def test_one_that_only_fails(self, monkeypatch):
        monkeypatch.setenv("CC", "false")
        assert in_python("failed: exit code 1")

    def test_one_that_cannot_be_run(self, monkeypatch, tmp_path):
        path = script(tmp_path, monkeypatch, "")
        path.write_bytes(b"\x7fELF nonsense")
        assert in_python("mycc")

    def test_one_that_cannot_compile_this(self, monkeypatch, tmp_path):
        script(tmp_path, monkeypatch, """\
            case $1 in --version) echo mycc 1.2;; *)
            echo "In file included from there:" >&2
            echo "fatal error: stdint.h: No such file" >&2; echo "stopped." >&2; exit 1;; esac""")  # fmt: skip
        assert in_python("mycc failed: fatal error: stdint.h: No such file")
        assert kept(tmp_path) == []

    def test_one_that_makes_something_else(self, monkeypatch, tmp_path):
        script(tmp_path, monkeypatch, """\
            case $1 in --version) echo mycc 1.2;; *)
            while [ "$1" != -o ]; do shift; done; echo nonsense > "$2";; esac""")  # fmt: skip
        assert in_python("cannot be loaded")

    def test_one_that_does_not_end(self, monkeypatch, tmp_path):
        script(tmp_path, monkeypatch, "exec sleep 100")
        monkeypatch.setattr(_build, "PATIENCE", 0.2)
        assert in_python("timed out")

    def test_c_is_demanded(self, monkeypatch):
        monkeypatch.setenv("CC", "/nowhere/cc")
        monkeypatch.setenv(_core.VARIABLE, "c")
        for search in (_core.explore, _core.graph_of):
            with pytest.raises(MissingPrerequisite, match=r"no C core \(no C compiler found"):
                search(SCOPE)
        assert "no C compiler found" in _core.why_not()


def test_compilers_have_nothing_to_say(real, tmp_path):
    strict = (
        *_build.FLAGS,
        "-Wall",
        "-Wextra",
        "-Wconversion",
        "-Wshadow",
        "-Wpedantic",
        "-Werror",
    )
    _build.compile_to(tmp_path / "core.so", real, strict)
    assert (tmp_path / "core.so").stat().st_size > 1000


@pytest.mark.usefixtures("fresh")
class TestTheVariable:
    def test_python_never_looks_for_a_compiler(self, monkeypatch):
        monkeypatch.setenv(_core.VARIABLE, "python")
        monkeypatch.setattr(_core, "load", None)
        assert in_python("MMOWNER_CORE=python")

    def test_c(self, monkeypatch, real):
        monkeypatch.setenv(_core.VARIABLE, "c")
        assert _core.core().compiler == real.name
        assert _core.why_not() == ""

    @pytest.mark.parametrize("value", ["C", "yes", "gcc"])
    def test_anything_else_is_an_error(self, monkeypatch, value):
        monkeypatch.setenv(_core.VARIABLE, value)
        with pytest.raises(CallError, match=f"MMOWNER_CORE={value}: it is python or c"):
            _core.explore(SCOPE)


@pytest.mark.usefixtures("fresh")
class TestTheCache:
    def test_it_is_compiled_once(self, monkeypatch, tmp_path, real):
        log = tmp_path / "log"
        script(tmp_path, monkeypatch, f'echo "$*" >> {log}; exec {real.command[0]} "$@"')
        assert _core.in_words() == f"search core: C ({real.name})"
        (name,) = kept(tmp_path)
        assert name.startswith("core-")
        assert name.endswith(".so")
        _build.load()
        calls = log.read_text().splitlines()
        assert calls[0] == calls[2] == "--version"
        assert "-shared" in calls[1]
        assert len(calls) == 3
        assert (tmp_path / "cache").stat().st_mode & 0o777 == 0o700

    def test_flags_and_compilers_have_files_of_their_own(self, monkeypatch, tmp_path, real):
        names = set()
        for flags in ("", " -DNOTHING"):
            monkeypatch.setenv("CC", real.command[0] + flags)
            _build.load()
            names.update(kept(tmp_path))
        assert len(names) == 2
        other = real._replace(version=real.version + "!")
        assert _build._digest(other) != _build._digest(real)
        changed = tmp_path / "world.h"
        changed.write_bytes(_build.HEADERS[0].read_bytes() + b"\n")
        before = _build._digest(real)
        monkeypatch.setattr(_build, "HEADERS", (changed,))
        assert _build._digest(real) != before

    @pytest.mark.parametrize("damage", [b"", b"nonsense"])
    def test_a_damaged_file_is_made_anew(self, tmp_path, real, damage):
        directory = tmp_path / "cache"
        directory.mkdir(parents=True)
        path = directory / f"core-{_build._digest(real)}.so"
        path.write_bytes(damage)
        assert _core.core().compiler == real.name
        assert path.stat().st_size > 1000
        assert kept(tmp_path) == [path.name]

    def test_another_version_is_not_used(self, tmp_path, real):
        path = tmp_path / "other.so"
        source = tmp_path / "other.c"
        source.write_text("int mmo_abi(void) { return 99; }")
        command = [*real.command, "-shared", "-fPIC", "-o", str(path), str(source)]
        subprocess.run(command, check=True)
        with pytest.raises(_build.CannotBuildError, match="of another version"):
            _build._open(path)

    def test_no_cache(self, monkeypatch, tmp_path, real):
        monkeypatch.setenv("MMOWNER_CACHE", "")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        here = tmp_path / "tmp"
        here.mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(here))
        assert _core.core().compiler == real.name
        assert _core.explore(SCOPE) == explore(SCOPE)
        assert [*tmp_path.iterdir()] == [here]
        assert [*here.iterdir()] == []

    def test_a_cache_that_others_can_write_to(self, tmp_path, real):
        directory = tmp_path / "cache"
        directory.mkdir()
        directory.chmod(0o777)
        assert _core.core().compiler == real.name
        assert kept(tmp_path) == []

    def test_no_cache_and_nowhere_to_compile(self, monkeypatch, tmp_path, real):
        # As root every directory can be written to: so one that cannot be made.
        monkeypatch.setenv("MMOWNER_CACHE", "/dev/null/cache")
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
        assert in_python("no directory to compile in")

    def test_a_cache_that_breaks_meanwhile(self, monkeypatch, tmp_path, real):
        monkeypatch.setattr(_build, "cache_directory", lambda: tmp_path / "vanished")
        assert in_python(f"{tmp_path / 'vanished'}: ")

    def test_two_processes_build_at_once(self, tmp_path, real):
        program = (
            "from pytest_mmowner import _core; from mmowner_reference import Bounds; "
            "print(_core.in_words(), _core.explore(Bounds(3, 2)).states)"
        )
        env = {**os.environ, "MMOWNER_CACHE": str(tmp_path / "cache")}
        children = [
            subprocess.Popen([sys.executable, "-c", program], env=env, stdout=subprocess.PIPE, text=True)
            for _ in range(2)
        ]  # fmt: skip
        said = {child.communicate()[0].strip() for child in children}
        assert said == {f"search core: C ({real.name}) {explore(SCOPE).states}"}
        assert len(kept(tmp_path)) == 1


@pytest.mark.parametrize(
    ("path", "version", "words"),
    [
        ("/usr/bin/cc", "cc (Debian 12.2.0-14+deb12u1) 12.2.0\nCopyright (C) 2022 Free Software Foundation, Inc.", "gcc 12.2"),
        ("/usr/bin/cc", "Debian clang version 14.0.6\nTarget: x86_64-pc-linux-gnu", "clang 14.0"),
        ("/usr/bin/gcc", "gcc (GCC) 4.8.5 20150623 (Red Hat 4.8.5-44)\nFree Software Foundation", "gcc 4.8"),
        ("/opt/tcc", "tcc version 0.9 (x86_64 Linux)", "tcc 0.9"),
        ("/opt/odd", "no number at all", "odd"),
    ],
)  # fmt: skip
def test_compilers_in_two_words(path, version, words):
    assert _build._in_two_words(path, version) == words
