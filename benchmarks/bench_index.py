"""What an operation costs in a large world: the reference, which walks, against the index.

``python benchmarks/bench_index.py`` prints three tables; ``bench_index.py 10000`` stops at
worlds of that size.  Both worlds are given the same operations in the same run, so trust the
ratios and the shape of a column, and not runs against runs.  The reference goes to ``NAIVE``
tasks only: it would take hours beyond.  What it does for the sake of tests (is the operation
legal, are all locks free) is left out, since the index does not do it.

The mixes are CPU time per operation in a world that keeps its size, without the passes of the
garbage collector.  The last column counts what no cache and no neighbour on the machine can
change: the lines of the index that an operation runs.  Time grows more than lines do, because
a task in a large world is in no cache.

The adversarial exit is wall time, the median of single exits: an owner goes, the only other
user is a grandchild, and so many unrelated siblings are walked for nothing.
"""

from __future__ import annotations

import gc
import statistics
import sys
import time
import tracemalloc
from collections.abc import Iterable, Iterator
from itertools import islice
from random import Random
from types import FrameType
from typing import Any, Final

from mmowner_reference import (
    PARENT,
    THREAD,
    VM,
    Clone,
    Exec,
    Exit,
    IndexWorld,
    Kernel,
    Op,
    Reap,
)  # fmt: skip

DIALECT: Final = "6.11"
SIZES: Final = (100, 1_000, 10_000, 100_000, 1_000_000)
#: The largest world that the reference is put into.
NAIVE: Final = 10_000
#: Operations that are timed, and CPU seconds after which the reference is stopped.
OPERATIONS: Final = 40_000
PATIENCE: Final = 4.0
#: Operations whose lines are counted.
TRACED: Final = 10_000
EXITS: Final = 2_000
#: No group is larger: an exec ends it, and would be more than one operation's work.
THREADS: Final = 8
#: How often each kind of clone is made.
MIXES: Final = {
    "processes and threads": {(): 50, (THREAD,): 40, (PARENT,): 5, (VM,): 5},
    "CLONE_VM-heavy": {(): 5, (THREAD,): 15, (VM,): 65, (VM, PARENT): 15},
}


class Driver:
    """Legal operations of a world that grows to *size* tasks and then stays so large."""

    def __init__(self, mix: dict[tuple[str, ...], int], size: int, seed: int = 1) -> None:
        self.random = Random(seed)
        self.flags, self.weights = list(mix), list(mix.values())
        self.size = size
        self.name = 1
        #: Live tasks but init, and by task: its place there, and its leader; live threads.
        self.live: list[int] = []
        self.place: dict[int, int] = {}
        self.leader: dict[int, int] = {1: 1}
        self.threads: dict[int, set[int]] = {}

    def fill(self) -> Iterator[Op]:
        """What makes the world."""
        while len(self.live) < self.size:
            yield self._clone()

    def steady(self) -> Iterator[Op]:
        """What happens in it from then on."""
        while True:
            if self.random.random() < 0.05:
                yield from self._exec()
            yield self._clone()
            while len(self.live) > self.size:
                yield from self._exit(self.random.choice(self.live))

    def _clone(self) -> Op:
        maker = self.random.choice(self.live) if self.live else 1
        flags = self.random.choices(self.flags, self.weights)[0] if maker != 1 else ()
        if THREAD in flags and len(self.threads[self.leader[maker]]) >= THREADS:
            flags = (VM,)
        self.name = child = self.name + 1
        self.place[child] = len(self.live)
        self.live.append(child)
        leader = self.leader[child] = self.leader[maker] if THREAD in flags else child
        self.threads.setdefault(leader, set()).add(child)
        return Clone(maker, child, flags, None if VM in flags or THREAD in flags else child)

    def _forget(self, task: int) -> None:
        last = self.live.pop()
        if last != task:
            self.place[last] = self.place[task]
            self.live[self.place[task]] = last
        del self.place[task]

    def _exit(self, task: int) -> Iterator[Op]:
        self._forget(task)
        leader = self.leader.pop(task)
        group = self.threads[leader]
        group.discard(task)
        yield Exit(task)
        if not group:
            del self.threads[leader]
            yield Reap(leader)

    def _exec(self) -> Iterator[Op]:
        task = self.random.choice(self.live)
        group = self.threads.pop(self.leader[task])
        for thread in group - {task}:
            self._forget(thread)
            del self.leader[thread]
        self.threads[task] = {task}
        self.leader[task] = task
        self.name = mm = self.name + 1
        yield Exec(task, mm)


def naive(kernel: Kernel, ops: Iterable[Op]) -> int:
    """Perform *ops* until patience ends; return how many."""
    end, done = time.process_time() + PATIENCE, 0
    for op in ops:
        kernel.begin(op)
        kernel.perform(op)
        done += 1
        if time.process_time() > end:
            break
    return done


def per_operation(
    world: Kernel | IndexWorld, mix: dict[tuple[str, ...], int], size: int
) -> tuple[float, float]:
    """Return the CPU microseconds of an operation, and the lines of the index it runs."""
    driver = Driver(mix, size)
    run(world, driver.fill())
    steady = driver.steady()
    ops = list(islice(steady, OPERATIONS))
    gc.collect()
    gc.disable()
    start = time.process_time()
    if isinstance(world, Kernel):
        done = naive(world, ops)
    else:
        world.run(ops)
        done = len(ops)
    used = time.process_time() - start
    gc.enable()
    lines = lines_of(world, list(islice(steady, TRACED))) if isinstance(world, IndexWorld) else 0
    return used / done * 1e6, lines / TRACED


def lines_of(world: IndexWorld, ops: Iterable[Op]) -> int:
    """Return how many lines of the index *ops* run."""
    count = 0

    def trace(frame: FrameType, event: str, arg: object) -> Any:
        nonlocal count
        if not frame.f_code.co_filename.endswith("_index.py"):
            return None
        count += event == "line"
        return trace

    sys.settrace(trace)
    world.run(ops)
    sys.settrace(None)
    return count


def run(world: Kernel | IndexWorld, ops: Iterable[Op]) -> None:
    if isinstance(world, IndexWorld):
        world.run(ops)
        return
    for op in ops:
        world.begin(op)
        world.perform(op)


def mixes(sizes: Iterable[int]) -> None:
    for name, mix in MIXES.items():
        head(f"{name}, us an operation", "lines")
        for size in sizes:
            slow = per_operation(Kernel(DIALECT), mix, size)[0] if size <= NAIVE else None
            line(size, slow, *per_operation(IndexWorld(DIALECT), mix, size))


def adversary(world: Kernel | IndexWorld, siblings: int, exits: int) -> list[float]:
    """Return the seconds of each exit, shortest first."""
    run(world, [Clone(1, 2, (), 2)])
    run(world, (Clone(2, name, (), name) for name in range(3, 3 + siblings)))
    name, times = 3 + siblings, []
    for _ in range(exits):
        owner, child, grandchild = name, name + 1, name + 2
        name += 3
        run(world, [
            Clone(2, owner, (), owner), Clone(owner, child, (VM,)),
            Clone(child, grandchild, (VM,)), Exec(child, child),
        ])  # fmt: skip
        start = time.perf_counter()
        if isinstance(world, IndexWorld):
            world.exit(owner)
        else:
            world.perform(Exit(owner))
        times.append(time.perf_counter() - start)
        assert world.owner(owner) == grandchild
        # Nothing is left that the next one would have to walk over.
        run(world, [Reap(owner), Exit(grandchild), Exit(child), Reap(child), Reap(grandchild)])
    return sorted(times)


def adversarial(sizes: Iterable[int]) -> None:
    head("adversarial exit, us", "99 %")
    for size in sizes:
        slow = None
        if size <= NAIVE:
            slow = statistics.median(adversary(Kernel(DIALECT), size, 20)) * 1e6
        times = adversary(IndexWorld(DIALECT), size, EXITS)
        line(size, slow, statistics.median(times) * 1e6, times[len(times) * 99 // 100] * 1e6)


def memory(sizes: Iterable[int]) -> None:
    head("memory, bytes a task (processes and threads)")
    for size in sizes:
        line(size, allocated(Kernel(DIALECT), size) if size <= NAIVE else None,
             allocated(IndexWorld(DIALECT), size))  # fmt: skip


def allocated(world: Kernel | IndexWorld, size: int) -> float:
    ops = list(Driver(MIXES["processes and threads"], size).fill())
    tracemalloc.start()
    run(world, ops)
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return used / size


def head(title: str, more: str = "") -> None:
    print(f"\n{title:<46}{'reference':>12}{'index':>10}{'ratio':>9}{more:>9}")


def line(size: int, slow: float | None, fast: float, more: float | None = None) -> None:
    shown = f"{'-':>12}" if slow is None else f"{slow:>12,.1f}"
    ratio = f"{'-':>9}" if slow is None else f"{slow / fast:>9,.1f}"
    last = "" if more is None else f"{more:>9,.1f}"
    print(f"{size:>12,} tasks{'':<28}{shown}{fast:>10,.2f}{ratio}{last}", flush=True)


def main(largest: int = SIZES[-1]) -> None:
    sizes = [size for size in SIZES if size <= largest]
    mixes(sizes)
    adversarial(sizes)
    memory([size for size in sizes if size <= 100_000])


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
