"""``python:`` candidates: an object that is told operations and answers questions."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from mmowner_reference import ASKS, OPS, Op, Question, field_names

from ..errors import CallError
from .base import EXTRAS, Info
from .guard import Local


class Tracker(Local):
    """Drives the objects that a factory makes, one for each program.

    The tracker protocol: one method for each operation, called with the operation's fields
    by position (``clone(task, child, flags, mm)``), and one for each question
    (``owner(mm)``).  The methods it has are its capabilities.  Optional attributes:
    ``without`` (parts it lacks, as ``{"clone:PARENT"}``), ``extras`` (as ``{"refuse"}``),
    ``dialect`` (a name, or an argument of the factory).
    """

    def __init__(self, spec: str, factory: Callable[..., Any], dialect: str | None) -> None:
        self._factory = factory
        self._wants_dialect = dialect is not None and _takes(factory, "dialect")
        self._dialect = dialect
        self._tracker: Any = None
        self.reset()
        made = self._tracker
        known = [word for word in (*OPS, *ASKS) if callable(getattr(made, word, None))]
        if "owner" not in known or "clone" not in known:
            raise CallError(
                f"{spec}: a tracker has at least the methods clone(task, child, flags, mm) and "
                f"owner(mm); this {type(made).__name__} has {', '.join(known) or 'none of them'}"
            )
        extras = set(getattr(made, "extras", ())) & set(EXTRAS)
        if "attach" in known:
            extras.add("attach:thread")
        claimed = getattr(made, "dialect", None)
        self.info = Info(
            spec=spec,
            name=getattr(factory, "__name__", spec),
            language="Python",
            dialect=claimed if isinstance(claimed, str) else None,
            capabilities=frozenset(known) | extras,
            without=frozenset(getattr(made, "without", ())),
        )

    def _reset(self) -> None:
        if self._wants_dialect:
            self._tracker = self._factory(dialect=self._dialect)
        else:
            self._tracker = self._factory()

    def _perform(self, op: Op) -> None:
        values = [getattr(op, name) for name in field_names(type(op))]
        getattr(self._tracker, op.word)(*values)

    def _ask(self, question: Question) -> Any:
        method = getattr(self._tracker, question.ask)
        return method() if question.name is None else method(question.name)


def _takes(factory: Callable[..., Any], name: str) -> bool:
    try:
        return name in inspect.signature(factory).parameters
    except (TypeError, ValueError):
        return False


def require_callable(spec: str, found: Any) -> Callable[..., Any]:
    """Return *found* if it can be called.  Raises ``CallError`` otherwise."""
    if not callable(found):
        raise CallError(f"{spec}: {found!r} cannot be called; name a class or a function")
    factory: Callable[..., Any] = found
    return factory
