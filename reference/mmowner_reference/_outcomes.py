"""All worlds that one operation can lead to, where the kernel defines no order.

In ``exec`` the other threads are killed and leave side by side.  An exit has three parts
that others can come between: being marked as exiting, leaving the mm with its handoff,
and giving the children away.  Every order of these parts is a possible world; worlds that
come out equal are one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from ._copy import copy_kernel, state_key
from ._legal import check
from ._ops import Exec, Op

if TYPE_CHECKING:
    from ._kernel import Kernel

#: How many intermediate worlds are followed before the answer is "too many".
LIMIT: Final = 20_000


class TooManyOutcomes(RuntimeError):
    """The set of allowed outcomes of an exec is too large to be computed.

    Nobody's fault: give the group fewer threads with children of their own.
    """


def outcomes(kernel: Kernel, op: Op) -> list[Kernel]:
    """Return the worlds that *op* can lead to; *kernel* itself may be among them.

    Raises ``IllegalOperation``, and :class:`TooManyOutcomes` beyond :data:`LIMIT`.
    """
    if isinstance(op, Exec):
        check(kernel, op)
        task = kernel.tasks[op.task]
        others = [thread.id for thread in task.group.live() if thread is not task]
        if len(others) > 1:
            return list(_exec_outcomes(kernel, op, others))
    kernel.do(op)
    return [kernel]


def _exec_outcomes(kernel: Kernel, op: Exec, others: list[int]) -> Iterator[Kernel]:
    # The order in which threads without children become invisible to each other's
    # children does not matter, so their three parts can stay together.
    whole = not any(kernel.tasks[name].children for name in others)
    parts = 1 if whole else 3
    frontier: dict[Any, tuple[int, ...]] = {(): ()}
    for _ in range(parts * len(others)):
        after: dict[Any, tuple[int, ...]] = {}
        for order in frontier.values():
            for name in others:
                if order.count(name) < parts:
                    longer = (*order, name)
                    after.setdefault(_key_after(kernel, longer, 3 // parts), longer)
            if len(after) > LIMIT:
                raise TooManyOutcomes(f"{op}: more than {LIMIT} orders of {len(others)} exits")
        frontier = after
    seen: set[Any] = set()
    for order in frontier.values():
        world = copy_kernel(kernel)
        _exec_in_order(world, op, [name for name in order for _ in range(3 // parts)])
        key = state_key(world)
        if key not in seen:
            seen.add(key)
            yield world


def _key_after(kernel: Kernel, order: tuple[int, ...], repeat: int) -> Any:
    """The identity of the world after some parts of the exits, and who still has how many."""
    world = copy_kernel(kernel)
    steps = {name: world.exit_steps(world.tasks[name]) for name in order}
    for name in order:
        for _ in range(repeat):
            next(steps[name])()
    counts = tuple(sorted((name, order.count(name)) for name in set(order)))
    return state_key(world), counts


def _exec_in_order(world: Kernel, op: Exec, order: list[int]) -> None:
    world.op = op
    world.reasons.clear()
    world.left_mm = 0
    world.calls_before = len(world.callback_log)
    world.exec(op, [world.tasks[name] for name in order])
