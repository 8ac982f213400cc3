"""The C world against the reference: the owner of every mm after every operation.

The suite judges a tree by rules; this holds the world around the tree's functions to the
reference kernel, operation by operation, in as many random programs as one has time for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from random import Random

import pytest
from trees import tree

from mmowner_reference import Kernel, Op, PlannedStep, Question, Scope, random_program
from pytest_mmowner._candidates.kernel import Kernel as Candidate
from pytest_mmowner._candidates.kernel import open_kernel

#: The trees that CI has, and how they are called in the specs.
RELEASES = ("6.1", "6.12")
#: Short programs in small worlds, where most things happen; and some in large ones.
SMALL, LARGE = Scope(), Scope(tasks=30, mms=8, refs=3, kthreads=2, cgroups=4, threads=3)
#: Every so manyth program is a long one.
EVERY = 200


def programs(seed: str, count: int, dialect: str, usable: frozenset[str]) -> Iterator[Sequence[Op]]:
    """Yield random programs of the operations in *usable*."""
    scopes = [
        Scope(**{name: getattr(scope, name) for name in Scope.__slots__ if name != "ops"},
              ops=scope.ops & usable)
        for scope in (SMALL, LARGE)
    ]  # fmt: skip
    for number in range(count):
        large = number % EVERY == EVERY - 1
        random = Random(f"{seed}/{number}")
        yield random_program(random, 200 if large else 12, dialect, scopes[large])


def right_answers(program: Sequence[Op], dialect: str) -> list[dict[Question, int | None]]:
    """Return the owners after each operation, as the reference has them."""
    world = Kernel(dialect)
    owners = []
    for op in program:
        world.do(op)
        owners.append(
            {
                Question("owner", name): world.owner(name)
                for name, mm in world.mms.items()
                if mm.users
            }
        )
    return owners


def compare(candidate: Candidate, dialect: str, count: int, seed: str) -> int:
    """Return how many owners were compared; every one must be as in the reference."""
    compared = 0
    for program in programs(seed, count, dialect, candidate.info.capabilities):
        right = right_answers(program, dialect)
        steps = [PlannedStep(op, tuple(owners)) for op, owners in zip(program, right, strict=True)]
        given = list(candidate.run(steps))
        assert given == right, "\n".join(map(str, program))
        compared += sum(map(len, right))
    return compared


@contextmanager
def opened(release: str) -> Iterator[tuple[Candidate, str]]:
    """Give the owner code of a tree, and the dialect that it speaks."""
    path = tree(release)
    candidate = open_kernel(f"kernel:{path}", str(path), None, 30.0)
    try:
        assert candidate.info.dialect is not None
        yield candidate, candidate.info.dialect
    finally:
        candidate.close()


@pytest.mark.slow
@pytest.mark.parametrize("release", RELEASES)
def test_some_random_programs(release: str) -> None:
    with opened(release) as (candidate, dialect):
        assert compare(candidate, dialect, 3_000, "some") > 50_000


@pytest.mark.slow
@pytest.mark.nightly
@pytest.mark.parametrize("part", range(4))
@pytest.mark.parametrize("release", RELEASES)
def test_a_hundred_thousand_random_programs(release: str, part: int) -> None:
    with opened(release) as (candidate, dialect):
        assert compare(candidate, dialect, 25_000, f"night {part}") > 500_000
