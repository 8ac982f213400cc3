"""A child process that answers lines with lines: start it, talk with time limits, end it for good.

The child gets a session of its own, so that ending it ends whatever it started.  Its
standard error goes to a file, whose end is shown when something breaks.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from ..errors import CandidateError

#: A line longer than this is no answer.
MAX_LINE = 16 * 1024 * 1024
#: How much of standard error is shown.
TAIL = 4000


class Hang(CandidateError):
    """No answer in time."""


class LineProcess:
    """One run of a command that speaks lines on standard input and output."""

    def __init__(
        self, argv: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: str | None = None
    ) -> None:
        """Start *argv*.  Raises ``OSError`` when that is impossible."""
        self._stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  closed in end()
        self._buffer = bytearray()
        #: How much of the buffer is known to have no end of line.
        self._searched = 0
        try:
            self._process = subprocess.Popen(
                argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._stderr,
                start_new_session=True, env=env, cwd=cwd, bufsize=0,
            )  # fmt: skip
        except OSError:
            self._stderr.close()
            raise
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        os.set_blocking(self._stdin.fileno(), False)

    @property
    def pid(self) -> int:
        """The process id of the child, and of its session."""
        return self._process.pid

    def stderr_tail(self) -> str:
        """Return the end of what the child wrote to standard error."""
        if self._stderr.closed:
            return ""
        size = self._stderr.seek(0, os.SEEK_END)
        self._stderr.seek(max(0, size - TAIL))
        return self._stderr.read().decode("utf-8", "replace")

    def exchange(self, line: bytes, patience: float, in_flight: str) -> bytes:
        """Send *line* and return the next line.

        Raises :class:`CandidateError` when the child ends, or does not answer within
        *patience* seconds.
        """
        deadline = time.monotonic() + patience
        self._send(line, deadline, in_flight)
        return self._receive(deadline, patience, in_flight)

    def _send(self, line: bytes, deadline: float, in_flight: str) -> None:
        view = memoryview(line)
        with selectors.DefaultSelector() as selector:
            selector.register(self._stdin, selectors.EVENT_WRITE)
            while view:
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    raise self._hang("it did not read its input in time", in_flight)
                try:
                    view = view[os.write(self._stdin.fileno(), view) :]
                except BlockingIOError:
                    continue
                except BrokenPipeError:
                    raise self._error(self._ended(), in_flight) from None

    def _receive(self, deadline: float, patience: float, in_flight: str) -> bytes:
        with selectors.DefaultSelector() as selector:
            selector.register(self._stdout, selectors.EVENT_READ)
            while (end := self._buffer.find(b"\n", self._searched)) < 0:
                self._searched = len(self._buffer)
                if self._searched > MAX_LINE:
                    raise self._error("it wrote a line without end", in_flight)
                left = deadline - time.monotonic()
                # The clock counts also for a child that never stops writing.
                if left <= 0 or not selector.select(left):
                    raise self._hang(f"it did not answer within {patience:g} s", in_flight)
                chunk = os.read(self._stdout.fileno(), 1 << 16)
                if not chunk:
                    raise self._error(self._ended(), in_flight)
                self._buffer += chunk
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        self._searched = 0
        return line

    def _ended(self) -> str:
        # The pipe can close a moment before the process is dead.
        try:
            code = self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            return "it closed its output"
        if code < 0:
            names = {number.value: number.name for number in signal.Signals}
            return f"it was killed by {names.get(-code, f'signal {-code}')}"
        return f"it exited with status {code}"

    def _hang(self, text: str, in_flight: str) -> Hang:
        return Hang(text, in_flight=in_flight, stderr=self.stderr_tail())

    def _error(self, text: str, in_flight: str) -> CandidateError:
        return CandidateError(text, in_flight=in_flight, stderr=self.stderr_tail())

    def end(self, grace: float = 0.0) -> None:
        """End the child and everything in its session; wait for it.

        With *grace* it gets that many seconds after its input was closed.
        """
        with contextlib.suppress(OSError):
            self._stdin.close()
        if grace:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(grace)
        # The leader is waited for last: until then its pid, the session's name, is not reused.
        for pid in (*_session_members(self._process.pid), self._process.pid):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
        self._stdout.close()
        self._stderr.close()


def _session_members(session: int) -> list[int]:
    """Return the processes of a session; some may have left the leader's process group."""
    members = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, IndexError, ValueError):
            # The name in brackets may contain anything; state, ppid, pgrp, session follow it.
            fields = entry.read_text(errors="replace").rpartition(")")[2].split()
            if int(fields[3]) == session:
                members.append(int(entry.parent.name))
    return members
