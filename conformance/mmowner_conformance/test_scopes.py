"""Searches: every transition of a scope, and random walks in worlds larger than any scope.

A deviation counts against the requirement that decided about the answer, with a shortest
program.  The searches are cut into parts, so that several processes share them.
"""

import pytest

from mmowner_conformance import Transitions, Walks, search
from pytest_mmowner._scopes import SCOPE_PARTS

in_parts = pytest.mark.parametrize("part", range(SCOPE_PARTS))


@search
@in_parts
def test_every_transition(transitions: Transitions, part: int) -> None:
    transitions(part)


@search
@in_parts
def test_random_walks(walks: Walks, part: int) -> None:
    walks(part)
