"""All worlds that one operation can lead to, where the kernel defines no order.

In ``exec`` the other threads are killed and leave side by side.  An exit has three parts
that others can come between: being marked as exiting, leaving the mm with its handoff,
and giving the children away.  Every order of these parts is a possible world; worlds that
come out equal are one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ._copy import copy_kernel, state_key
from ._legal import check
from ._life import EXIT_PARTS
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
            return _exec_outcomes(kernel, op, others)
    kernel.do(op)
    return [kernel]


def distinct(worlds: list[Kernel]) -> list[Kernel]:
    """Return *worlds* without those that are equal to an earlier one."""
    if len(worlds) == 1:
        return worlds
    return list({state_key(world): world for world in reversed(worlds)}.values())[::-1]


def _exec_outcomes(kernel: Kernel, op: Exec, others: list[int]) -> list[Kernel]:
    # Without children the parts of an exit other than the handoff are seen by nobody, so
    # they can stay together.
    whole = not any(kernel.tasks[name].children for name in others)
    parts = 1 if whole else EXIT_PARTS
    start = copy_kernel(kernel)
    start.begin(op)
    frontier: dict[Any, tuple[Kernel, dict[int, int]]] = {(): (start, dict.fromkeys(others, 0))}
    for _ in range(parts * len(others)):
        after: dict[Any, tuple[Kernel, dict[int, int]]] = {}
        for world, done in frontier.values():
            for name in others:
                if done[name] == parts:
                    continue
                reached, progress = copy_kernel(world), {**done, name: done[name] + 1}
                thread = reached.tasks[name]
                if whole:
                    reached.exit(thread)
                else:
                    reached.exit_part(thread, done[name])
                key = (state_key(reached), tuple(progress.values()))
                after.setdefault(key, (reached, progress))
            if len(after) > LIMIT:
                raise TooManyOutcomes(f"{op}: more than {LIMIT} orders of {len(others)} exits")
        frontier = after
    worlds = [world for world, _ in frontier.values()]
    for world in worlds:
        world.exec(op)
    return distinct(worlds)
