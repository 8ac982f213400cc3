"""The suite on real kernels: User-mode Linux and, as root, the kernel of this machine."""

import os
import re
import shutil
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


def remains():
    cgroups = list(Path("/sys/fs/cgroup").glob("**/mmowner-*"))
    found = []
    for stat in Path("/proc").glob("[0-9]*/comm"):
        try:
            name = stat.read_text().strip()
        except OSError:
            continue
        if re.match(r"agent-[0-9a-f]|linux\.uml", name):
            found.append(name)
    return cgroups, found


def test_a_real_kernel_passes_as_the_dialect_of_its_version(linux):
    result = check(linux)
    assert result.ok, str(result)
    assert not any(result.with_verdict(v) for v in ("fail", "error", "untestable", "unknown"))
    levels = result.by_level()
    assert levels["safety"]["pass"] >= 28
    assert levels["order"]["pass"] >= 12
    assert levels["accounting"]["pass"] >= 4
    assert remains() == ([], [])


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
