"""The suite on real kernels: User-mode Linux and, as root, the kernel of this machine."""

import contextlib
import os
import shutil
import uuid
from pathlib import Path

import pytest

from mmowner_reference import dialect_of_release
from pytest_mmowner import MissingPrerequisite, check
from pytest_mmowner._linux import launch

#: Where the two dialects differ (live-kernel facts: scenarios c2 and p).
DIFFERS = ["SEARCH-06"]


def unavailable(mode):
    """Why the mode cannot be tried here, or None."""
    try:
        launch.build_agent()
        if mode == "uml":
            launch.find_uml(None)
        else:
            launch.host_command(Path())
            if dialect_of_release(os.uname().release) is None:
                return f"this kernel, {os.uname().release}, speaks a dialect that is not there yet"
    except MissingPrerequisite as exc:
        return str(exc)
    return None


@pytest.fixture(params=["uml", "host"])
def linux(request):
    reason = unavailable(request.param)
    if reason:
        pytest.skip(reason)
    return f"linux:{request.param}"


@pytest.fixture
def remains(monkeypatch):
    """Return what is left of everything that this test started: processes and cgroups."""
    mark = f"mmowner-test-{uuid.uuid4()}"
    monkeypatch.setenv("MMOWNER_TEST_MARK", mark)
    before = set(Path("/sys/fs/cgroup").glob("**/mmowner-*"))

    def left():
        found = []
        for environ in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):
                if (
                    mark.encode() in environ.read_bytes()
                    and int(environ.parent.name) != os.getpid()
                ):
                    found.append((environ.parent / "comm").read_text().strip())
        cgroups = set(Path("/sys/fs/cgroup").glob("**/mmowner-*")) - before
        return [
            path for path in cgroups if not Path(f"/proc/{path.name.partition('-')[2]}").exists()
        ], found

    return left


@pytest.mark.slow
def test_a_real_kernel_passes_as_the_dialect_of_its_version(linux, remains):
    result = check(linux)
    assert result.ok, str(result)
    assert not any(result.with_verdict(v) for v in ("fail", "error", "untestable", "unknown"))
    levels = result.by_level()
    assert levels["safety"]["pass"] >= 28
    assert levels["order"]["pass"] >= 12
    assert levels["accounting"]["pass"] >= 4
    assert remains() == ([], [])


@pytest.mark.slow
def test_judged_by_the_other_dialect_it_fails_exactly_where_they_differ(linux):
    own = check(linux, level="safety").dialect
    other = "6.1" if own == "6.11" else "6.11"
    result = check(linux, dialect=other)
    assert result.with_verdict("fail") == DIFFERS
    assert result.with_verdict("error") == []


def test_without_user_mode_linux_the_first_line_says_how_to_get_it(pytester, monkeypatch):
    if unavailable("uml") and shutil.which("cc") is None:
        pytest.skip("no C compiler")
    monkeypatch.setenv("PATH", str(pytester.mkdir("bin")))
    result = pytester.runpytest_subprocess(
        "--pyargs", "mmowner_conformance", "--mmowner-candidate=linux:uml", "-p", "no:cacheprovider"
    )
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    first = next(line for line in result.stderr.lines if line)
    assert "linux.uml" in first or "compiler" in first
    assert "apt install" in first


def test_what_is_no_kernel_is_a_wrong_call(pytester):
    try:
        launch.build_agent()
    except MissingPrerequisite as exc:
        pytest.skip(str(exc))
    result = pytester.runpytest_subprocess(
        "--pyargs",
        "mmowner_conformance",
        "--mmowner-candidate=linux:uml=/bin/true",
        "-p",
        "no:cacheprovider",
    )
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*/bin/true with our agent in it did not start.*"])
