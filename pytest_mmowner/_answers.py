"""Raw answers of a candidate, checked: right type, known names.

A wrong type or an unknown name is the adapter's fault, not a wrong owner: it is an error,
never a failure, and never silently a pass.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from mmowner_reference import Kernel, ProcessOf, Question

from .errors import CandidateError

STATES: Final = ("live", "zombie", "gone")


def checked(question: Question, raw: Any, world: Kernel) -> Any:
    """Return the value of *raw* as an answer to *question*.

    *world* knows which names were ever given.  Raises ``CandidateError``.
    """
    try:
        return CHECKS[question.ask](raw, world)
    except _Malformed as exc:
        shown = repr(raw)
        shown = shown if len(shown) <= 200 else shown[:200] + "..."
        raise CandidateError(
            f"its answer to {question} is {shown}: {exc}", in_flight=str(question)
        ) from None


class _Malformed(Exception):
    pass


def _integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _task(value: Any, world: Kernel) -> int:
    if not _integer(value):
        raise _Malformed("an owner is the integer name of a task, or null")
    if value not in world.used_names["task"]:
        raise _Malformed(f"no task was ever named {value}")
    return int(value)


def _owner(raw: Any, world: Kernel) -> Any:
    if raw is None:
        return None
    if isinstance(raw, Mapping):
        if set(raw) != {"process"}:
            raise _Malformed('an object must be {"process": task}')
        return ProcessOf(_task(raw["process"], world))
    return _task(raw, world)


def _users(raw: Any, world: Kernel) -> int:
    if not _integer(raw):
        raise _Malformed("mm_users is an integer")
    return int(raw)


def _state(raw: Any, world: Kernel) -> str:
    if raw not in STATES:
        raise _Malformed(f"a state is one of {', '.join(STATES)}")
    return str(raw)


def _callbacks(raw: Any, world: Kernel) -> list[dict[str, Any]]:
    if not isinstance(raw, list):
        raise _Malformed("the callbacks are a list")
    arguments = world.dialect.callbacks or "tasks"
    keys = {"subsystem", "old", "new", "seen"} | ({"task"} if "and task" in arguments else set())
    for entry in raw:
        if not isinstance(entry, Mapping) or set(entry) != keys:
            raise _Malformed(
                f"each callback has the fields {', '.join(sorted(keys))} in {world.dialect.name}"
            )
        if not all(_integer(entry[key]) for key in ("old", "seen")):
            raise _Malformed("old and seen are integers")
        for key in ("old", "new", "task"):
            _party(entry.get(key), world, "task" if key == "task" else arguments)
        if not isinstance(entry["subsystem"], str):
            raise _Malformed("a subsystem has a name")
    return [dict(entry) for entry in raw]


def _party(raw: Any, world: Kernel, what: str) -> None:
    """Check an argument of a callback: a task or a cgroup; nobody new is null."""
    if raw is None:
        return
    if not _integer(raw):
        raise _Malformed("old, new and task are integers, or null where there is nobody new")
    if what.startswith("task"):
        _task(raw, world)
    elif raw not in world.used_names["cgroup"]:
        raise _Malformed(f"no cgroup was ever named {raw}")


def _table(raw: Any, known: Callable[[str], bool], what: str, shape: str) -> dict[str, int]:
    if not isinstance(raw, Mapping):
        raise _Malformed(f"the answer is an object of {shape}")
    for key, value in raw.items():
        if not _integer(value):
            raise _Malformed(f"the value of {key!r} is no integer")
        if not known(str(key)):
            raise _Malformed(f"no {what} was ever named {key}")
    return {str(key): int(value) for key, value in raw.items()}


def _bill(raw: Any, world: Kernel) -> dict[str, int]:
    names = {str(name) for name in world.used_names["cgroup"]} | {"none", "freed"}
    return _table(raw, names.__contains__, "cgroup", "names to integers")


def _lru(raw: Any, world: Kernel) -> dict[str, int]:
    names = {str(name) for name in world.used_names["mm"]}
    table = _table(raw, names.__contains__, "mm", "mms to cgroups")
    for group in table.values():
        if group not in world.used_names["cgroup"]:
            raise _Malformed(f"no cgroup was ever named {group}")
    return table


def _init_mm_owner(raw: Any, world: Kernel) -> int | None:
    if raw is not None and (raw != 0 or not _integer(raw)):
        raise _Malformed("init_mm is owned by init_task, written 0, or by nobody, null")
    return None if raw is None else 0


CHECKS: Final[Mapping[str, Callable[[Any, Kernel], Any]]] = {
    "owner": _owner, "users": _users, "state": _state, "callbacks": _callbacks, "bill": _bill,
    "lru": _lru, "init_mm_owner": _init_mm_owner,
}  # fmt: skip
