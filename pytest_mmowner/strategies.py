"""Hypothesis strategies: legal programs, for properties of your own.

A whole program is drawn as a list of integers and decoded to operations that are legal
where they stand, so nothing is thrown away.  Hypothesis shrinks the integers, which does not
always find the simplest program: ``assert_conforms`` minimizes the program itself.

In CI (the variable ``CI`` is set) Hypothesis chooses its own profile ``ci``, which is
derandomized: the same examples in every run.  ``--hypothesis-profile=default`` draws others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st

from mmowner_reference import DEFAULT, OPS, Op, Program, Scope, program_from_choices

from ._spec import dialect_of
from .errors import CallError, did_you_mean

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

__all__ = ["programs", "scopes"]


def programs(
    dialect: str = DEFAULT,
    *,
    scope: Scope | None = None,
    min_size: int = 0,
    max_size: int = 30,
    ops: frozenset[str] | None = None,
) -> SearchStrategy[Program]:
    """Return a strategy for programs that are legal in *dialect*.

    ``scope`` bounds the world (default: 6 tasks, 4 mms, 1 reference, 1 kernel thread);
    ``ops`` are the words that may occur (default: all of the scope's); sizes are numbers of
    operations, and a program ends early only when nothing is possible any more.  Raises
    ``CallError`` for an unknown dialect.
    """
    dialect = dialect_of(dialect)
    bounds = Scope() if scope is None else scope
    if ops is not None:
        for word in ops:
            if word not in OPS:
                raise CallError(f"unknown operation {word!r}.{did_you_mean(word, OPS)}")
        bounds = Scope(
            bounds.tasks, bounds.mms, bounds.refs, bounds.kthreads, bounds.cgroups,
            bounds.threads, ops, bounds.flags,
        )  # fmt: skip

    def decode(choices: list[int]) -> tuple[Op, ...]:
        return program_from_choices(choices, dialect, bounds)

    choices = st.lists(st.integers(0, 1023), min_size=min_size, max_size=max_size)
    return choices.map(decode)


def scopes(max_tasks: int = 8) -> SearchStrategy[Scope]:
    """Return a strategy for scopes with at least one and at most *max_tasks* user tasks."""
    return st.builds(
        Scope,
        tasks=st.integers(1, max_tasks),
        mms=st.integers(1, max_tasks),
        refs=st.integers(0, 3),
        kthreads=st.integers(0, 2),
        cgroups=st.integers(0, 3),
        threads=st.integers(1, 4),
    )
