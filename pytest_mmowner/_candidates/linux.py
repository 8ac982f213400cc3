"""``linux:`` candidates: a running kernel, asked through the agent in ``_linux``.

The agent is a small C program that performs the operations with real system calls and
tells the owner of an mm by which memory cgroup pays for a page.  It speaks the line
protocol, so a kernel is a command like any other: on this machine (``linux:host``) or in
User-mode Linux, an ordinary process (``linux:uml``).
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from mmowner_reference import DIALECTS

from .._linux import launch
from ..errors import CallError, CandidateError
from .command import Command
from .process import LineProcess

#: Share of the random programs that a kernel is asked, by mode: probes take their time.
SPEEDS = {"uml": 0.1, "host": 0.4}


class Linux(Command):
    """The agent on some kernel; each start of UML gets a directory of its own."""

    #: Processes are killed and cgroups emptied: under UML 18 ms, where an operation takes 4 to 5.
    reset_cost = 4.0

    def __init__(
        self, spec: str, mode: str, kernel: Path | None, dialect: str, patience: float
    ) -> None:
        self._kernel = kernel
        self._agent = launch.build_agent()
        self._cleanup = ExitStack()
        self._kernel_line: tuple[str, ...] = ("this machine",)
        self.speed = SPEEDS[mode]
        super().__init__(spec, [], dialect, patience=patience)

    @property
    def started(self) -> tuple[str, ...]:
        """The kernel with its command line, or that it is this machine's."""
        return self._kernel_line

    def _spawn(self) -> LineProcess:
        self._cleanup.close()
        if self._kernel is None:
            argv = launch.host_command(self._agent)
        else:
            initramfs = launch.build_initramfs(self._agent)
            directory = self._cleanup.enter_context(launch.uml_directory())
            argv = launch.uml_command(self._kernel, initramfs, self._agent, directory)
            # Without our guard before it, and with a word for what differs in every start.
            kernel = argv[argv.index(str(self._kernel)) :]
            self._kernel_line = tuple(word.replace(str(directory), "DIRECTORY") for word in kernel)
        try:
            return LineProcess(argv)
        except OSError as exc:
            raise CandidateError(f"it cannot be started: {exc}", in_flight="start") from exc

    def _end(self, grace: float = 0.0) -> None:
        # The agent removes its processes and cgroups when its input ends: let it.
        super()._end(grace or 3.0)
        self._cleanup.close()


def open_linux(spec: str, rest: str, dialect: str | None, patience: float) -> Linux:
    """Start the agent on the kernel that *rest* names (``uml``, ``uml=PATH``, ``host``).

    Raises ``CallError`` for another word and for a kernel whose dialect is not there yet,
    ``MissingPrerequisite`` when this machine lacks what it takes.
    """
    mode, _, path = rest.partition("=")
    if mode not in SPEEDS or (mode == "host" and path):
        raise CallError(f"{spec}: a running kernel is linux:uml, linux:uml=PATH or linux:host")
    kernel = launch.find_uml(path or None) if mode == "uml" else None
    if kernel is None:
        launch.host_command(Path())  # says what is missing before anything is compiled
    made = Linux(spec, mode, kernel, dialect or "", patience)
    if (broken := made.start_error) is not None:
        made.close()
        what = "the agent" if kernel is None else f"{kernel} with our agent in it"
        raise CallError(f"{spec}: {what} did not start. {broken}")
    info = made.info
    if info.version and info.dialect is None and dialect is None:
        made.close()
        raise CallError(
            f"{spec}: Linux {info.version} speaks a dialect that is not there yet; known are "
            f"{', '.join(DIALECTS)}. Choose one with --mmowner-dialect to judge it anyway."
        )
    return made
