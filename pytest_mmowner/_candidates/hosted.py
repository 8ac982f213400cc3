"""Candidates whose owner rules run in the reference kernel: reference, rules:, mutant:."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from mmowner_reference import (
    ASKS,
    DIALECTS,
    OPS,
    Dialect,
    IllegalOperation,
    Kernel,
    KernelBug,
    LockError,
    Op,
    Question,
)  # fmt: skip

from ..errors import CallError, Panic, Refused
from .base import Info
from .guard import Local

#: A hosted kernel refuses by itself, so it can be fed illegal operations.
CAPABILITIES = frozenset(OPS) | frozenset(ASKS) | {"refuse", "attach:thread"}


class Hosted(Local):
    """A reference kernel under some rules."""

    typed = True

    def __init__(
        self,
        spec: str,
        dialect: Dialect,
        *,
        rules: Callable[[Any], Any] | None = None,
        kernel: type[Kernel] = Kernel,
        name: str = "reference",
        claims: str | None = None,
    ) -> None:
        self.dialect = dialect
        self._rules = rules
        self._kernel = kernel
        self.info = Info(
            spec=spec, name=name, language="Python", dialect=claims or dialect.name,
            capabilities=capabilities_in(DIALECTS[claims] if claims else dialect),
        )  # fmt: skip
        self.world = kernel.__new__(kernel)

    def _reset(self) -> None:
        self.world = self._kernel(self.dialect, self._rules)

    def _perform(self, op: Op) -> None:
        try:
            self.world.do(op)
        except IllegalOperation as exc:
            raise Refused(str(exc)) from exc
        except (KernelBug, LockError) as exc:
            raise Panic(str(exc), in_flight=str(op)) from exc

    def _ask(self, question: Question) -> Any:
        method = getattr(self.world, question.ask)
        return method() if question.name is None else method(question.name)


def capabilities_in(dialect: Dialect) -> frozenset[str]:
    """Return what a hosted kernel can show under *dialect*: nothing that the dialect has not."""
    missing: set[str] = set()
    if not dialect.owner:
        missing |= {"cgroup", "attach", "charge", "bill", "attach:thread"}
    if dialect.callbacks is None:
        missing |= {"subsystem", "callbacks"}
    if not dialect.lru_gen:
        missing.add("lru")
    if not dialect.subreapers:
        missing.add("subreaper")
    return CAPABILITIES - missing


def rules_candidate(spec: str, factory: Callable[[Any], Any], dialect: Dialect) -> Hosted:
    """Host the owner rules that *factory* makes for a kernel."""
    for method in ("mm_init_owner", "mm_update_next_owner"):
        if not callable(getattr(factory, method, None)) and isinstance(factory, type):
            raise CallError(f"{spec}: owner rules need a method {method}(...)")
    name = getattr(factory, "__name__", spec)
    made = Hosted(spec, dialect, rules=factory, name=name)
    made.info = replace(made.info, dialect=getattr(factory, "dialect", None))
    return made
