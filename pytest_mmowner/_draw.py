"""A world as a drawn tree of tasks, for terminals and plain text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mmowner_reference import Kernel, Task


def tree(world: Kernel) -> list[str]:
    """Return the lines of the process tree: who is whose child, uses which mm, owns which.

    ``*`` marks the owner of an mm.  Threads stand under their leader with ``+``.
    """
    lines: list[str] = []
    drawn: set[Task] = set()
    roots = [task for task in world.init_task.children if task.id > 0 and task.leader]
    roots += [*world.kthreadd.children, *world.kworker.children]
    # Up to 2.6.26 a tracer of its own ancestor closes a circle that hangs on no root.
    for root in (*roots, *world.processes):
        if root not in drawn:
            lines += _branch(world, root, "", "", drawn)
    for name, mm in world.mms.items():
        owner = world.owner(name)
        if owner is None and world.dialect.owner:
            lines.append(f"mm {name}: no owner, {_users(mm.users, len(mm.refs))}")
        elif owner is not None and owner not in world.tasks:
            lines.append(f"mm {name}: owner {owner} was released, {_users(mm.users, len(mm.refs))}")
    return lines


def _users(users: int, held: int) -> str:
    text = f"{users} user{'s' if users != 1 else ''}"
    return f"{text} ({held} held)" if held else text


def _branch(world: Kernel, task: Task, first: str, rest: str, drawn: set[Task]) -> Iterator[str]:
    drawn.add(task)
    yield first + _label(world, task)
    threads = [thread for thread in task.threads if thread is not task]
    below: list[tuple[Task, bool]] = [(thread, True) for thread in threads]
    members = [task, *threads]
    below += [
        (child, False) for member in members for child in member.children
        if child.leader and child not in members and child not in drawn
    ]  # fmt: skip
    for index, (entry, is_thread) in enumerate(below):
        last = index == len(below) - 1
        joint = "+ " if is_thread else ("`- " if last else "|- ")
        indent = "   " if last else "|  "
        if is_thread:
            yield rest + joint + _label(world, entry)
        else:
            yield from _branch(world, entry, rest + joint, rest + indent, drawn)


def _label(world: Kernel, task: Task) -> str:
    words = [str(task.id)]
    if task.id == 1:
        words.append("init")
    if task.kthread:
        words.append("kthread")
    if task.state != "live":
        words.append(task.state)
    if task.mm is not None:
        owns = "*" if world.mms.get(task.mm.id) and world.owner(task.mm.id) == task.id else ""
        words.append(f"mm {task.mm.id}{owns}")
    stale = [
        name for name in world.mms
        if world.owner(name) == task.id and (task.mm is None or task.mm.id != name)
    ]  # fmt: skip
    words += [f"owns mm {name} without using it" for name in stale]
    if task.cgroup.id != 1:
        words.append(f"cgroup {task.cgroup.id}")
    if task.traced:
        words.append(f"traced by {task.parent.id}")
    return "  ".join(words)


def side_by_side(left: Sequence[str], right: Sequence[str], width: int) -> list[str]:
    """Return two blocks of lines next to each other, or under each other if too wide."""
    column = max((len(line) for line in left), default=0) + 4
    if column + max((len(line) for line in right), default=0) > width:
        return [*left, "", *right]
    height = max(len(left), len(right))
    padded_left = [*left, *[""] * (height - len(left))]
    padded_right = [*right, *[""] * (height - len(right))]
    return [
        f"{a:<{column}}{b}".rstrip() for a, b in zip(padded_left, padded_right, strict=True)
    ]  # fmt: skip
