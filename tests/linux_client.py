"""The suite's side of the agent's protocol, and what tests of it need of this machine."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import pytest

from pytest_mmowner._linux import launch

Json = dict[str, Any]


def missing(check: Callable[[], object]) -> str:
    try:
        check()
    except launch.MissingPrerequisite as error:
        return str(error)
    return ""


NO_CC = missing(launch.build_agent)
NO_UML = NO_CC or missing(launch.find_uml)
NO_HOST = NO_CC or missing(lambda: launch.host_command(Path("agent")))

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


def uml_line(directory: Path, **options: Any) -> list[str]:
    agent = launch.build_agent()
    return launch.uml_command(
        launch.find_uml(), launch.build_initramfs(agent), agent, directory, **options
    )


def connect(kind: str) -> Iterator[Client]:
    if kind == "host":
        with Client(launch.host_command(launch.build_agent())) as client:
            yield client
            client.stop()
        return
    with (
        launch.uml_directory() as directory,
        Client(uml_line(directory, cgroup=int(kind[-1]))) as client,
    ):
        yield client
        client.stop()


def kernel_param(kind: str) -> Any:
    return pytest.param(kind, marks=needs_host if kind == "host" else needs_uml)
