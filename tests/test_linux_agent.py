"""The agent and its launcher on real kernels: this machine's, and User Mode Linux.

Each scenario is a program of the protocol with what a kernel of each dialect answers
in it. What cannot run here (no root, no UML, no compiler) is skipped with the reason.
"""

from __future__ import annotations

import gzip
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import pytest

from pytest_mmowner._linux import launch

Json = dict[str, Any]


def _missing(check: Callable[[], object]) -> str:
    try:
        check()
    except launch.MissingPrerequisite as error:
        return str(error)
    return ""


NO_CC = _missing(launch.build_agent)
NO_UML = NO_CC or _missing(launch.find_uml)
NO_HOST = NO_CC or _missing(lambda: launch.host_command(Path("agent")))

needs_cc = pytest.mark.skipif(bool(NO_CC), reason=NO_CC)
needs_uml = pytest.mark.skipif(bool(NO_UML), reason=NO_UML)
needs_host = pytest.mark.skipif(bool(NO_HOST), reason=NO_HOST)


class Client:
    """A small suite's side of the protocol: one request, one answer, with a timeout."""

    def __init__(self, command: list[str], **options: Any) -> None:
        self.process: subprocess.Popen[bytes] = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            **options,
        )
        self.command = command
        self._seq = 0
        self._buffer = b""
        self.info = self.ask(op="start", protocol=1)

    def ask(self, **request: Any) -> Json:
        self._seq += 1
        answer = self.line(json.dumps({"seq": self._seq, **request}).encode())
        assert answer.pop("seq") == self._seq
        return answer

    def line(self, line: bytes, timeout: float = 15) -> Json:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._buffer:
                assert selector.select(timeout), f"no answer in {timeout} s to {line!r}"
                data = os.read(self.process.stdout.fileno(), 65536)
                assert data, f"the agent ended at {line!r}: {self.errors()}"
                self._buffer += data
        first, _, self._buffer = self._buffer.partition(b"\n")
        answer = json.loads(first)
        assert isinstance(answer, dict)
        return answer

    def do(self, op: str, **fields: Any) -> None:
        answer = self.ask(op=op, **fields)
        assert answer == {"ok": True}, (op, fields, answer)

    def owner(self, mm: int) -> Any:
        answer = self.ask(ask="owner", mm=mm)
        assert "answer" in answer, answer
        return answer["answer"]

    def state(self, task: int) -> Any:
        return self.ask(ask="state", task=task)["answer"]

    def errors(self) -> str:
        assert self.process.stderr
        os.killpg(self.process.pid, signal.SIGKILL)
        return self.process.stderr.read().decode(errors="replace")

    def stop(self) -> None:
        self.do("stop")
        assert self.process.wait(10) == 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert stream
            stream.close()


def _uml(directory: Path, **options: Any) -> list[str]:
    agent = launch.build_agent()
    return launch.uml_command(
        launch.find_uml(), launch.build_initramfs(agent), agent, directory, **options
    )


def _connect(kind: str) -> Iterator[Client]:
    if kind == "host":
        with Client(launch.host_command(launch.build_agent())) as client:
            yield client
            client.stop()
        return
    with (
        launch.uml_directory() as directory,
        Client(_uml(directory, cgroup=int(kind[-1]))) as client,
    ):
        yield client
        client.stop()


def _kernel(kind: str) -> Any:
    return pytest.param(kind, marks=needs_host if kind == "host" else needs_uml)


@pytest.fixture(scope="module", params=[_kernel("host"), _kernel("uml-v1"), _kernel("uml-v2")])
def kernel(request: pytest.FixtureRequest) -> Iterator[Client]:
    yield from _connect(request.param)


@pytest.fixture
def world(kernel: Client) -> Client:
    kernel.do("reset")
    return kernel


# ---- scenarios ----
#
# Task 2 ("S") forks from init and owns mm 2. The operations that follow are the story;
# after each, "mm: owner" is what must be seen, or two owners where the dialects differ.


def clone(task: int, child: int, *flags: str, mm: int | None = None) -> Json:
    fields = {"op": "clone", "task": task, "child": child, "flags": list(flags)}
    return fields if mm is None else {**fields, "mm": mm}


def exit_(task: int) -> Json:
    return {"op": "exit", "task": task}


def exec_(task: int, mm: int) -> Json:
    return {"op": "exec", "task": task, "mm": mm}


S, A, B, C, D, E = 2, 3, 4, 5, 6, 7
HOLD = {"op": "hold", "mm": 2, "ref": 1}
FAILING = [
    {"op": "clone_fails", "task": S, "child": 90, "flags": flags, "at": "late", **extra}
    for flags, extra in (
        ([], {"mm": 90}),
        (["VM"], {}),
        (["VM", "PARENT"], {}),
        (["THREAD"], {}),
    )
]
# S, and a sharer B (C's former child would be nearer) that is older than what follows.
OLDER_STRANGER = [clone(S, A, "VM"), clone(A, B, "VM"), exec_(A, 3)]

SCENARIOS: dict[str, list[tuple[Json, dict[int, Any]]]] = {
    "a: the oldest child inherits, then the next": [
        (clone(S, A, "VM"), {2: S}),
        (clone(S, B, "VM"), {2: S}),
        (exit_(S), {2: A}),
        (exit_(A), {2: B}),
    ],
    "b: a child comes before an older sibling": [
        (clone(S, A, "VM", "PARENT"), {2: S}),
        (clone(S, B, "VM"), {2: S}),
        (exit_(S), {2: B}),
        (exit_(B), {2: A}),
    ],
    "b2: a sibling inherits": [
        (clone(S, A, "VM", "PARENT"), {2: S}),
        (exit_(S), {2: A}),
    ],
    "b3: a stranger inherits when no relative shares": [
        *((op, {2: S}) for op in OLDER_STRANGER),
        (exit_(S), {2: B, 3: A}),
    ],
    "b4: a sibling comes before an older stranger": [
        *((op, {2: S}) for op in OLDER_STRANGER),
        (clone(S, C, "VM", "PARENT"), {2: S}),
        (exit_(S), {2: C}),
    ],
    "b5: a child comes before an older stranger": [
        *((op, {2: S}) for op in OLDER_STRANGER),
        (clone(S, C, "VM"), {2: S}),
        (exit_(S), {2: C}),
    ],
    "c: a leader's thread inherits": [
        (clone(S, A, "THREAD"), {2: S}),
        (exit_(S), {2: A}),
    ],
    "c2: a leader's thread and an older sibling": [
        (clone(S, A, "VM", "PARENT"), {2: S}),
        (clone(S, B, "THREAD"), {2: S}),
        (exit_(S), {2: {"6.1": A, "6.11": B}}),
    ],
    "c3: from thread to thread": [
        (clone(S, A, "THREAD"), {2: S}),
        (clone(S, B, "THREAD"), {2: S}),
        (exit_(S), {2: A}),
        (exit_(A), {2: B}),
    ],
    "p: a zombie leader's live thread and a younger child": [
        (clone(S, A, "VM"), {2: S}),
        (clone(A, B, "THREAD"), {2: S}),
        (clone(S, C, "VM"), {2: S}),
        (exit_(A), {2: S}),
        (exit_(S), {2: {"6.1": C, "6.11": B}}),
    ],
    "d: a vfork child's exec leaves the owner alone": [
        (clone(S, A, "VM", "VFORK"), {2: S}),
        (exec_(A, 3), {2: S, 3: A}),
        (clone(S, B, "VM"), {2: S}),
    ],
    "d1: a vfork child's exit leaves the owner alone": [
        (clone(S, A, "VM", "VFORK"), {2: S}),
        (exit_(A), {2: S}),
        (clone(S, B, "VM"), {2: S}),
    ],
    "d2: an owner that execs leaves its old mm to a child": [
        (clone(S, A, "VM"), {2: S}),
        (exec_(S, 3), {2: A, 3: S}),
    ],
    "d3: a thread that execs kills the leader and owns the new mm": [
        (clone(S, A, "VM"), {2: S}),
        (clone(S, B, "THREAD"), {2: S}),
        (exec_(B, 3), {2: A, 3: B}),
        (clone(B, C, "VM"), {3: B}),
        (exit_(B), {2: A, 3: C}),
    ],
    "d4: a vfork parent that is killed leaves its mm to the child": [
        (clone(S, A, "VM", "VFORK"), {2: S}),
        (exit_(S), {2: A}),
        (exec_(A, 3), {3: A}),
    ],
    "e: a zombie child is passed over": [
        (clone(S, A, "VM"), {2: S}),
        (clone(S, B, "VM"), {2: S}),
        (exit_(A), {2: S}),
        (exit_(S), {2: B}),
    ],
    "x: a reaped child is passed over": [
        (clone(S, A, "VM"), {2: S}),
        (clone(S, B, "VM"), {2: S}),
        (exit_(A), {2: S}),
        ({"op": "reap", "task": A}, {2: S}),
        (exit_(S), {2: B}),
    ],
    "h: a clone or exec that fails leaves the owner alone": [
        *((op, {2: S}) for op in FAILING),
        ({"op": "exec_fails", "task": S}, {2: S}),
    ],
    "j: nobody owns an mm that is only held": [
        (HOLD, {2: S}),
        (exit_(S), {2: None}),
    ],
    "k: a sharer inherits from under a holder, then nobody": [
        (clone(S, A, "VM"), {2: S}),
        (HOLD, {2: S}),
        (exit_(S), {2: A}),
        (exit_(A), {2: None}),
    ],
    "t: a tracer is no parent": [
        *((op, {2: S}) for op in OLDER_STRANGER),
        (clone(S, C, "VM", "PARENT"), {2: S}),
        (clone(1, D, mm=4), {2: S, 4: D}),
        ({"op": "trace", "task": S, "tracer": D}, {2: S}),
        (exit_(S), {2: C}),
        ({"op": "reap", "task": S}, {2: C}),
    ],
    "f: a fork has an mm of its own": [
        (clone(S, A, mm=3), {2: S, 3: A}),
        (clone(A, B, "PARENT", mm=4), {2: S, 3: A, 4: B}),
        (exit_(A), {2: S, 4: B}),
    ],
}


def _expected(client: Client, owner: Any) -> set[str]:
    if isinstance(owner, dict):
        owner = owner[client.info["dialect"]]
    if owner is None or client.info["resolution"] == "thread":
        return {json.dumps(owner)}
    # Of a process, any task that the suite knows may stand for it.
    return {json.dumps({"process": task}) for task in (owner, *PROCESS_OF.get(owner, ()))}


PROCESS_OF: dict[int, tuple[int, ...]] = {S: (A, B), A: (S, B), B: (S, A)}


@pytest.mark.parametrize("story", SCENARIOS.values(), ids=SCENARIOS)
def test_the_kernel_hands_the_mm_over_as_its_dialect_says(
    world: Client, story: list[tuple[Json, dict[int, Any]]]
) -> None:
    world.do("clone", task=1, child=S, flags=[], mm=2)
    for op, owners in story:
        world.do(**op)
        for mm, owner in owners.items():
            seen = json.dumps(world.owner(mm))
            assert seen in _expected(world, owner), (op, mm)
    assert world.owner(1) in (1, {"process": 1})


# ---- the rest of the alphabet ----


def test_it_says_who_it_is_and_what_it_can_do(kernel: Client) -> None:
    assert kernel.info["name"] == "linux"
    assert kernel.info["protocol"] == 1
    assert kernel.info["dialect"] in ("6.1", "6.11")
    assert "error" not in kernel.info
    assert {"clone", "exit", "exec", "reap", "owner", "state"} <= {*kernel.info["capabilities"]}
    v1 = kernel.info["cgroup"] == 1
    assert ("attach:thread" in kernel.info["capabilities"]) == v1
    assert kernel.info["resolution"] == ("thread" if v1 else "process")


def test_the_states_of_tasks_are_the_kernels(world: Client) -> None:
    world.do("clone", task=1, child=2, flags=[], mm=2)
    world.do("clone", task=2, child=3, flags=["THREAD"])
    world.do("clone", task=2, child=4, flags=["THREAD"])
    world.do("exit", task=2)
    assert [world.state(task) for task in (2, 3, 4)] == ["zombie", "live", "live"]
    assert "refused" in world.ask(op="reap", task=2)
    world.do("exit", task=4)
    assert [world.state(task) for task in (2, 3, 4)] == ["zombie", "live", "gone"]
    world.do("exec", task=3, mm=3)
    assert [world.state(task) for task in (2, 3, 4)] == ["gone", "live", "gone"]
    world.do("exit", task=3)
    assert world.state(3) == "zombie"
    world.do("reap", task=3)
    assert world.state(3) == "gone"


def test_orphans_go_to_the_nearest_subreaper_and_it_reaps_them(world: Client) -> None:
    world.do("clone", task=1, child=2, flags=[], mm=2)
    world.do("subreaper", task=2)
    world.do("clone", task=2, child=3, flags=[], mm=3)
    world.do("clone", task=3, child=4, flags=[], mm=4)
    world.do("exit", task=3)
    world.do("exit", task=4)
    world.do("reap", task=4)
    world.do("reap", task=3)
    world.do("exit", task=2)
    world.do("reap", task=2)
    assert [world.state(task) for task in (1, 2, 3, 4)] == ["live", "gone", "gone", "gone"]


def test_a_task_can_be_traced_and_let_go(world: Client) -> None:
    world.do("clone", task=1, child=2, flags=[], mm=2)
    world.do("clone", task=1, child=3, flags=[], mm=3)
    world.do("trace", task=2, tracer=3)
    world.do("clone", task=2, child=4, flags=["VM"])
    world.do("exit", task=4)
    world.do("reap", task=4)  # its SIGCHLD must not stop the traced parent
    world.do("untrace", task=2)
    world.do("trace", task=2, tracer=3)
    world.do("exit", task=2)
    world.do("reap", task=2)
    assert world.state(2) == "gone"


def test_the_threads_of_a_traced_process_may_exit_and_exec(world: Client) -> None:
    world.do("clone", task=1, child=2, flags=[], mm=2)
    world.do("clone", task=1, child=3, flags=[], mm=3)
    for thread in (4, 5, 6):
        world.do("clone", task=2, child=thread, flags=["THREAD"])
        world.do("trace", task=thread, tracer=3)
    world.do("exit", task=4)
    assert world.state(4) == "gone"
    world.do("exec", task=5, mm=4)
    assert [world.state(task) for task in (2, 5, 6)] == ["gone", "live", "gone"]
    assert world.owner(4) in (5, {"process": 5})


def test_pages_are_billed_to_the_group_of_the_owner(world: Client) -> None:
    world.do("cgroup", cgroup=2, parent=1)
    world.do("cgroup", cgroup=3, parent=2)
    world.do("clone", task=1, child=2, flags=[], mm=2)
    world.do("attach", task=2, cgroup=3)
    world.do("clone", task=2, child=3, flags=["VM"])
    world.do("charge", task=2, pages=10)
    world.do("attach", task=3, cgroup=2)
    world.do("charge", task=3, pages=5)  # task 2 still owns the mm, so its group pays
    assert world.ask(ask="bill") == {"answer": {"3": 15}}
    world.do("exit", task=2)
    world.do("charge", task=3, pages=700)
    assert world.owner(2) in (3, {"process": 3})
    world.do("charge", task=1, pages=1)
    assert world.ask(ask="bill") == {"answer": {"1": 1, "2": 700, "3": 15}}


def test_threads_of_one_process_can_be_in_different_groups(world: Client) -> None:
    world.do("cgroup", cgroup=2, parent=1)
    world.do("clone", task=1, child=2, flags=[], mm=2)
    world.do("clone", task=2, child=3, flags=["THREAD"])
    answer = world.ask(op="attach", task=3, cgroup=2)
    if "attach:thread" not in world.info["capabilities"]:
        assert "untestable" in answer
        return
    world.do("charge", task=3, pages=4)
    world.do("exit", task=2)
    world.do("charge", task=3, pages=5)
    assert world.ask(ask="bill") == {"answer": {"1": 4, "2": 5}}


def test_a_reference_can_be_dropped_and_the_mm_is_then_unused(world: Client) -> None:
    world.do("clone", task=1, child=2, flags=[], mm=2)
    world.do("hold", mm=2, ref=1)
    world.do("hold", mm=2, ref=2)
    world.do("put", mm=2, ref=1)
    world.do("exit", task=2)
    assert world.owner(2) is None
    world.do("put", mm=2, ref=2)
    assert "refused" in world.ask(ask="owner", mm=2)
    assert "refused" in world.ask(op="hold", mm=2, ref=3)


@pytest.mark.parametrize(
    "request_",
    [
        {"op": "clone", "task": 9, "child": 3, "flags": [], "mm": 3},
        {"op": "clone", "task": 1, "child": 2, "flags": [], "mm": 3},
        {"op": "clone", "task": 1, "child": 3, "flags": [], "mm": 2},
        {"op": "clone", "task": 1, "child": 3, "flags": []},
        {"op": "clone", "task": 1, "child": 3, "flags": ["VM", "PARENT"]},
        {"op": "exit", "task": 1},
        {"op": "exit", "task": 0},
        {"op": "exit", "task": "2"},
        {"op": "exec", "task": 2, "mm": 1},
        {"op": "reap", "task": 2},
        {"op": "put", "mm": 2, "ref": 1},
        {"op": "untrace", "task": 2},
        {"op": "trace", "task": 2, "tracer": 2},
        {"op": "trace", "task": 1, "tracer": 2},
        {"op": "attach", "task": 2, "cgroup": 5},
        {"op": "cgroup", "cgroup": 2, "parent": 7},
        {"op": "cgroup", "cgroup": 1, "parent": 1},
        {"ask": "owner", "mm": 3},
        {"ask": "owner", "mm": 99999999999999999999},
        {"ask": "state"},
    ],
    ids=str,
)
def test_what_is_illegal_is_refused_and_changes_nothing(world: Client, request_: Json) -> None:
    world.do("clone", task=1, child=2, flags=[], mm=2)
    assert "refused" in world.ask(**request_)
    assert world.owner(2) in (2, {"process": 2})
    assert world.owner(1) in (1, {"process": 1})
    assert world.state(2) == "live"


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"seq": 1}',
        b'{"seq": 1, "op": 5}',
        b'{"seq": 1, "op": "kthread", "child": 4}',
        b'{"seq": 1, "ask": "users", "mm": 1}',
        b'{"seq": 1, "op": "clone", "task": 1, "child": 2, "flags": "VM"}',
        b'{"seq": 1, "op": "clone", "task": 1, "child": 2, "flags": [7]}',
        b'{"seq": "x", "op": "reset"}',
        b'{"seq": 1, "op": "exit\\u00e9\\n\\"", "task": 1} ',
        b'{"seq": 1, "op": "reset"} {}',
        b"[" * 5000,
        b"\xff\xfe\x01",
        b"x" * 70000,
    ],
    ids=lambda line: repr(line[:30]),
)
def test_garbage_is_answered_with_an_error(world: Client, line: bytes) -> None:
    if len(line) > 3900 and "--guard" in world.command:
        pytest.skip("UML 6.1: a serial line stops for good at about 3,970 unread bytes")
    assert "error" in world.line(line)
    assert world.owner(1) in (1, {"process": 1})


@pytest.mark.parametrize("extra", [{"at": "dup_mm"}, {"at": "late", "ref": 1}], ids=str)
def test_a_failure_that_user_space_cannot_cause_is_untestable(world: Client, extra: Json) -> None:
    answer = world.ask(op="clone_fails", task=1, child=2, flags=[], mm=2, **extra)
    assert "untestable" in answer
    assert "clone_fails:dup_mm" in world.info["without"]


def test_a_task_that_waits_for_its_vfork_child_does_nothing_else(world: Client) -> None:
    world.do("clone", task=1, child=2, flags=[], mm=2)
    world.do("clone", task=2, child=3, flags=["THREAD"])
    world.do("clone", task=2, child=4, flags=["VM", "VFORK"])
    assert "refused" in world.ask(op="charge", task=2, pages=1)
    assert "untestable" in world.ask(op="exit", task=2)  # it would take task 3 along
    world.do("clone", task=3, child=5, flags=["VM"])
    assert world.owner(2) in (2, {"process": 2}, {"process": 3})
    world.do("exit", task=4)
    world.do("charge", task=2, pages=1)
    world.do("reap", task=4)


def test_a_reset_takes_milliseconds(world: Client) -> None:
    begin = time.monotonic()
    for _ in range(20):
        world.do("reset")
    assert (time.monotonic() - begin) / 20 < 0.2


# ---- the launcher ----


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


def test_a_missing_compiler_is_named_with_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(launch.MissingPrerequisite, match="no-such-compiler") as caught:
        launch.build_agent("no-such-compiler", tmp_path)
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
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert launch.build_agent().parent == tmp_path / "pytest-mmowner"
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(launch.MissingPrerequisite, match="XDG_CACHE_HOME"):
        launch.build_agent()


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


# ---- nothing stays behind ----


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
        assert _soon(lambda path=directory: _removed(path))  # type: ignore[misc]


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
                f"subprocess.Popen({_uml(directory)!r}, stdin=subprocess.PIPE)\n"
                "time.sleep(60)\n"
            )
            with subprocess.Popen([sys.executable, "-c", script], stdout=-3, stderr=-3) as suite:
                assert _soon(lambda: len(ours()) > 3, 10)
                suite.kill()
        else:
            with Client(_uml(directory)) as client:
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
        command = _uml(directory, arguments=["rdinit=/no-such-init", "root=/dev/nothing"])
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
        command = _uml(directory)
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
