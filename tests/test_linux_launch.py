"""What the launcher of real kernels finds, builds and asks for."""

from __future__ import annotations

import gzip
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from linux_client import (
    needs_cc,
)

from pytest_mmowner._linux import launch


@needs_cc
def test_workers_that_race_for_the_agent_get_the_same_file(tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        paths = [*pool.map(lambda _: launch.build_agent(cache=tmp_path), range(2))]
    assert paths[0] == paths[1]
    assert [path.name for path in tmp_path.iterdir()] == [paths[0].name]
    assert os.access(paths[0], os.X_OK)


@needs_cc
def test_an_agent_that_is_in_the_cache_is_not_compiled_again(tmp_path: Path) -> None:
    agent = launch.build_agent(cache=tmp_path)
    before = agent.stat().st_mtime_ns
    assert launch.build_agent(cache=tmp_path).stat().st_mtime_ns == before


@pytest.mark.parametrize("cc", ["no-such-compiler", '"', " "])
def test_a_missing_compiler_is_named_with_what_to_install(tmp_path: Path, cc: str) -> None:
    with pytest.raises(launch.MissingPrerequisite, match=rf"no C compiler \({cc}\)") as caught:
        launch.build_agent(cc, tmp_path)
    assert "apt install gcc" in caught.value.hint


@pytest.mark.parametrize(
    ("says", "what", "hint"),
    [
        ("/usr/bin/ld: cannot find -lc: No such file", "no static C library", "glibc-static"),
        ("fatal error: stdio.h: No such file or directory", "no headers", "linux-libc-dev"),
        ("Segmentation fault", "cannot compile the agent", "Segmentation fault"),
    ],
)
def test_what_a_compiler_lacks_is_named_with_what_to_install(
    tmp_path: Path, says: str, what: str, hint: str
) -> None:
    fake = tmp_path / "cc"
    fake.write_text(f"#!/bin/sh\necho '{says}' >&2\nexit 1\n")
    fake.chmod(0o755)
    with pytest.raises(launch.MissingPrerequisite) as caught:
        launch.build_agent(str(fake), tmp_path / "cache")
    assert what in caught.value.what
    assert hint in caught.value.hint
    assert not [*(tmp_path / "cache").iterdir()]


@needs_cc
def test_the_cache_is_below_xdg_cache_home_and_a_bad_one_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MMOWNER_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert launch.build_agent().parent == tmp_path / "pytest-mmowner"
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(launch.MissingPrerequisite, match="XDG_CACHE_HOME"):
        launch.build_agent()
    monkeypatch.setenv("MMOWNER_CACHE", str(tmp_path / "kept"))
    assert launch.build_agent().parent == tmp_path / "kept"
    monkeypatch.setenv("MMOWNER_CACHE", "")
    with pytest.raises(launch.MissingPrerequisite, match="set MMOWNER_CACHE"):
        launch.build_agent()


@needs_cc
def test_what_others_may_write_to_is_no_cache(tmp_path: Path) -> None:
    tmp_path.chmod(0o770)
    with pytest.raises(launch.MissingPrerequisite, match="only you may write to"):
        launch.build_agent(cache=tmp_path)


def test_a_missing_uml_is_named_with_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(launch.MissingPrerequisite, match="apt install user-mode-linux"):
        launch.find_uml(str(tmp_path / "linux"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(launch.MissingPrerequisite, match="apt install user-mode-linux"):
        launch.find_uml()
    (tmp_path / "linux").touch(mode=0o644)
    with pytest.raises(launch.MissingPrerequisite, match="not executable"):
        launch.find_uml(str(tmp_path / "linux"))


V1_MOUNT = "30 20 0:1 /docker/x /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory"
V1_CPU = "31 20 0:2 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu"
V2_MOUNT = "32 20 0:3 / {v2} rw - cgroup2 cgroup2 rw"


@pytest.mark.parametrize(
    ("mounts", "groups", "found"),
    [
        ([V1_CPU, V1_MOUNT], ["5:cpu:/a", "4:memory:/docker/x"], "/sys/fs/cgroup/memory"),
        ([V1_CPU, V2_MOUNT], ["5:cpu:/a", "0::/b"], "{v2}/b"),
        ([V2_MOUNT], ["0::/elsewhere"], "{v2}"),
        ([V1_CPU], ["5:cpu:/a"], None),
        ([V1_MOUNT, V2_MOUNT.replace("{v2}", "/nowhere")], ["0::/b"], None),
    ],
)
def test_the_own_memory_cgroup_is_found_v1_before_v2(
    tmp_path: Path, mounts: list[str], groups: list[str], found: str | None
) -> None:
    (tmp_path / "v2" / "b").mkdir(parents=True)
    (tmp_path / "v2" / "cgroup.controllers").write_text("cpu memory\n")
    where = str(tmp_path / "v2")
    (tmp_path / "mountinfo").write_text("\n".join(mounts).replace("{v2}", where) + "\n")
    (tmp_path / "cgroup").write_text("\n".join(groups) + "\n")
    expected = Path(found.replace("{v2}", where)) if found else None
    assert launch.own_memory_cgroup(tmp_path) == expected
    assert launch.own_memory_cgroup(tmp_path / "nothing") is None


def test_the_host_needs_a_memory_cgroup_it_may_write_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(launch, "own_memory_cgroup", lambda: tmp_path)
    assert launch.host_command(Path("agent")) == ["agent"]
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(launch.MissingPrerequisite, match="--privileged"):
        launch.host_command(Path("agent"))
    monkeypatch.setattr(launch, "own_memory_cgroup", lambda: None)
    with pytest.raises(launch.MissingPrerequisite, match="no memory cgroup hierarchy"):
        launch.host_command(Path("agent"))
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(launch.MissingPrerequisite, match="darwin"):
        launch.host_command(Path("agent"))


def test_the_host_needs_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(launch.MissingPrerequisite, match="root"):
        launch.host_command(Path("agent"))


@needs_cc
def test_the_initramfs_is_a_newc_archive_with_the_agent_as_init(tmp_path: Path) -> None:
    agent = launch.build_agent()
    data = gzip.decompress(launch.build_initramfs(agent, tmp_path).read_bytes())
    members = {}
    at = 0
    while at < len(data):
        assert data[at : at + 6] == b"070701"
        fields = [int(data[at + i : at + i + 8], 16) for i in range(6, 110, 8)]
        name = data[at + 110 : at + 110 + fields[11] - 1].decode()
        start = (at + 110 + fields[11] + 3) & ~3
        members[name] = (fields[1], data[start : start + fields[6]])
        at = (start + fields[6] + 3) & ~3
    assert members["init"] == (0o100755, agent.read_bytes())
    assert members["dev/console"][0] == 0o020600
    assert list(members)[-1] == "TRAILER!!!"
