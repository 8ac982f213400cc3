"""However agent and kernel end, no process, file or cgroup of theirs stays behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from linux_client import (
    Client,
    needs_host,
    needs_uml,
    uml_line,
)

from pytest_mmowner._linux import launch


def _processes() -> dict[int, tuple[int, str]]:
    """All living processes of this machine: parent, name and command line."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = path.read_text(errors="replace").partition("(")[2].rpartition(")")
            command = path.with_name("cmdline").read_text(errors="replace")
        except OSError:
            continue
        state, parent = rest.split()[:2]
        if state not in "ZX":
            found[int(path.parent.name)] = (int(parent), f"{name} {command}")
    return found


def _family(ancestor: int) -> dict[int, str]:
    """The names of a process and all its descendants."""
    processes = _processes()
    family = {ancestor: processes[ancestor][1]}
    for pid, (parent, name) in sorted(processes.items()) * 3:  # pids do not always grow
        if parent in family:
            family[pid] = name
    return family


def _soon(condition: Callable[[], bool], seconds: float = 2) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def _named(ancestor: int, name: str) -> int:
    return next(pid for pid, found in _family(ancestor).items() if found.startswith(name))


Busy = tuple[Client, Path, set[int]]


@pytest.fixture
def busy_host() -> Iterator[Busy]:
    """A client, the agent's cgroup and its processes, with tasks of every kind."""
    with Client(launch.host_command(launch.build_agent())) as client:
        base, ours = _make_busy(client)
        yield client, base, ours


def _make_busy(client: Client) -> tuple[Path, set[int]]:
    group = launch.own_memory_cgroup()
    assert group
    client.do("cgroup", cgroup=2, parent=1)
    client.do("clone", task=1, child=2, flags=[], mm=2)
    client.do("clone", task=2, child=3, flags=["THREAD"])
    client.do("clone", task=2, child=4, flags=["VM", "VFORK"])
    client.do("clone", task=3, child=5, flags=["VM"])
    client.do("exec", task=5, mm=3)
    client.do("clone", task=5, child=6, flags=["THREAD"])
    client.do("exit", task=5)
    client.do("attach", task=4, cgroup=2)
    client.do("hold", mm=2, ref=1)
    base = group / f"mmowner-{client.process.pid}"
    assert base.is_dir()
    ours = set(_family(client.process.pid))
    assert len(ours) >= 6
    return base, ours


def _all_gone(base: Path, ours: set[int]) -> bool:
    return _soon(lambda: not base.exists() and not ours & set(_processes()))


@needs_host
@pytest.mark.parametrize("how", ["stop", "end of input", "SIGTERM", "SIGKILL", "killed group"])
def test_the_host_is_left_clean_however_the_agent_ends(busy_host: Busy, how: str) -> None:
    client, base, ours = busy_host
    if how == "stop":
        client.stop()
        assert not base.exists()
    elif how == "end of input":
        assert client.process.stdin
        client.process.stdin.close()
        assert client.process.wait(5) == 0
        assert not base.exists()
    elif how == "SIGTERM":
        client.process.terminate()
    elif how == "SIGKILL":
        client.process.kill()
    else:
        os.killpg(client.process.pid, signal.SIGKILL)
    client.process.wait(5)
    assert _all_gone(base, ours)


@needs_host
def test_the_host_is_left_clean_when_the_janitor_is_killed(busy_host: Busy) -> None:
    client, base, ours = busy_host
    os.kill(_named(client.process.pid, "mmowner-janitor"), signal.SIGKILL)
    assert client.process.wait(5) == 0
    assert _all_gone(base, ours)


@needs_host
def test_no_task_survives_agent_and_janitor(busy_host: Busy) -> None:
    client, base, ours = busy_host
    janitor = _named(client.process.pid, "mmowner-janitor")
    os.kill(janitor, signal.SIGSTOP)  # so that it cannot notice
    client.process.kill()
    client.process.wait(5)
    os.kill(janitor, signal.SIGKILL)
    assert _soon(lambda: not ours & set(_processes()), 6)
    for directory, _, _ in os.walk(base, topdown=False):
        assert _soon(lambda path=directory: _removed(path))


def _removed(path: str) -> bool:
    try:
        Path(path).rmdir()
    except OSError:
        return False
    return True


@needs_uml
@pytest.mark.parametrize("how", ["SIGTERM", "SIGKILL", "killed keeper", "killed suite"])
def test_no_process_or_file_of_uml_stays_behind(how: str, tmp_path: Path) -> None:
    with launch.uml_directory() as directory:

        def ours() -> list[int]:
            option = f"uml_dir={directory}"
            return [pid for pid, (_, name) in _processes().items() if option in name]

        if how == "killed suite":
            script = (
                "import subprocess, sys, time\n"
                f"subprocess.Popen({uml_line(directory)!r}, stdin=subprocess.PIPE)\n"
                "time.sleep(60)\n"
            )
            with subprocess.Popen([sys.executable, "-c", script], stdout=-3, stderr=-3) as suite:
                assert _soon(lambda: len(ours()) > 3, 10)
                suite.kill()
        else:
            with Client(uml_line(directory)) as client:
                client.do("clone", task=1, child=2, flags=[], mm=2)
                assert ours()
                if how == "killed keeper":
                    os.kill(_named(client.process.pid, "mmowner-keeper"), signal.SIGKILL)
                else:
                    os.killpg(client.process.pid, getattr(signal, how))
                client.process.wait(5)
        assert _soon(lambda: not ours(), 5)
        assert _soon(lambda: not directory.exists())


@needs_uml
def test_a_kernel_that_panics_ends_and_says_so_on_stderr() -> None:
    requests, keep_open = os.pipe()
    with launch.uml_directory() as directory:
        command = uml_line(directory, arguments=["rdinit=/no-such-init", "root=/dev/nothing"])
        run = subprocess.run(command, stdin=requests, capture_output=True, check=False, timeout=20)
    os.close(requests)
    os.close(keep_open)
    assert run.returncode != 0
    assert b"Kernel panic" in run.stderr
    assert run.stdout == b""


@needs_uml
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_uml_works_without_root(tmp_path: Path) -> None:
    with launch.uml_directory() as directory:
        os.chown(directory, 65534, 65534)
        command = uml_line(directory)
        for path in (command[0], command[5].partition("=")[2]):
            copy = tmp_path / Path(path).name
            copy.write_bytes(Path(path).read_bytes())
            copy.chmod(0o755)
            command = [word.replace(path, str(copy)) for word in command]
        for parent in (tmp_path, *tmp_path.parents):
            if parent == Path(tempfile.gettempdir()):
                break
            parent.chmod(0o755)
        with Client(command, user=65534, group=65534, extra_groups=[]) as client:
            assert client.owner(1) == 1
            client.stop()
