"""Locks and RCU of the reference kernel, and the steps that rules are made of.

**How rules run.**  A rule is a generator.  Before each step that another CPU could
see or stop (taking a lock, dropping it, looking at the next list entry) it yields
that step: a callable of the object concerned.  Whoever runs the rule calls the step
when its time has come::

    yield tasklist_lock.read_lock       # the step: called by the runner
    for task in parent.children:
        yield task.visit                # a list step, nothing happens in it

In a sequential run :func:`drain` calls every step at once.  A scheduler can hold a
step back, run another task's rule up to its next step, and come back: every
interleaving of rules is an order of these calls, and no rule has to be rewritten.
What a rule does between two yields is atomic.

The locks know whether they are held, so that a sequential run already finds a
self-deadlock and an unlock without a lock; the kernel finds those left behind.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Final, TypeAlias

#: One step of a rule.
Step: TypeAlias = Callable[[], object]
#: What a rule returns: its steps.
Steps: TypeAlias = Generator[Step, None, None]

#: A sequential rule that takes more steps than this never ends.
MAX_STEPS: Final = 5_000_000


class LockError(RuntimeError):
    """A rule broke a lock's contract (self-deadlock, imbalance, wrong holder)."""


class Lock:
    """A spin lock (``task_struct.alloc_lock``): not recursive, dropped by its holder."""

    __slots__ = ("held", "label")

    def __init__(self, label: str) -> None:
        self.label = label
        self.held = False

    def lock(self) -> None:
        """Take the lock.  Raises :class:`LockError` when it is held: nobody will drop it."""
        if self.held:
            raise LockError(f"self-deadlock: {self.label} is taken while it is held")
        self.held = True

    def unlock(self) -> None:
        """Drop the lock.  Raises :class:`LockError` when it is not held."""
        if not self.held:
            raise LockError(f"{self.label} is dropped but was not held")
        self.held = False


class RwLock:
    """A reader-writer lock (``tasklist_lock``, ``mmap_sem``)."""

    __slots__ = ("label", "readers", "writer")

    def __init__(self, label: str) -> None:
        self.label = label
        self.readers = 0
        self.writer = False

    @property
    def held(self) -> bool:
        """Whether anybody holds it, in either mode."""
        return self.writer or self.readers > 0

    def read_lock(self) -> None:
        """Take it for reading.  Raises :class:`LockError` when it is held for writing."""
        if self.writer:
            raise LockError(f"self-deadlock: {self.label} is read-locked while write-held")
        self.readers += 1

    def read_unlock(self) -> None:
        """Drop one read hold.  Raises :class:`LockError` when there is none."""
        if not self.readers:
            raise LockError(f"{self.label} is read-unlocked but was not held")
        self.readers -= 1

    def write_lock(self) -> None:
        """Take it for writing.  Raises :class:`LockError` when it is held at all."""
        if self.held:
            raise LockError(f"self-deadlock: {self.label} is write-locked while held")
        self.writer = True

    def write_unlock(self) -> None:
        """Drop the write hold.  Raises :class:`LockError` when there is none."""
        if not self.writer:
            raise LockError(f"{self.label} is write-unlocked but was not held")
        self.writer = False


class Rcu:
    """Read-side RCU sections; they nest and never block."""

    __slots__ = ("depth", "label")

    def __init__(self) -> None:
        self.label = "rcu_read_lock"
        self.depth = 0

    @property
    def held(self) -> bool:
        """Whether a read-side section is open."""
        return self.depth > 0

    def read_lock(self) -> None:
        """Enter a read-side section."""
        self.depth += 1

    def read_unlock(self) -> None:
        """Leave it.  Raises :class:`LockError` when none is open."""
        if not self.depth:
            raise LockError("rcu_read_unlock without rcu_read_lock")
        self.depth -= 1


def drain(steps: Steps, limit: int = MAX_STEPS) -> None:
    """Run a rule to its end, each step at once.

    Raises :class:`LockError` when it takes more than *limit* steps (an endless walk).
    """
    for count, step in enumerate(steps, 1):
        step()
        if count > limit:
            raise LockError(f"the rule did not end within {limit} steps: an endless walk or retry")
