"""Mutants as programs behind a pipe: the suite kills them there as it does in its own process."""

import shlex
import sys
from pathlib import Path

import pytest

from pytest_mmowner import check

ADAPTER = Path(__file__).parent / "mutant_adapter.py"
#: One of each sort: a stage, a bug of an old dialect, a call site, accounting, callbacks.
CHOSEN = [
    "no-siblings",
    "BUG-13-swapoff",
    "exec-forgets",
    "charges-toucher",
    "BUG-19b-callback-swaps-cgroups",
]


def judged(name):
    command = shlex.join([sys.executable, str(ADAPTER), name])
    return check(f"cmd:{command}", minimize=False)


@pytest.mark.slow
@pytest.mark.parametrize("name", CHOSEN)
def test_a_mutant_is_killed_through_the_pipe_by_what_kills_it_here(name):
    here, there = check(f"mutant:{name}", minimize=False), judged(name)
    assert there.with_verdict("fail")
    assert there.dialect == here.dialect
    assert there.with_verdict("fail") == here.with_verdict("fail")
    assert not there.with_verdict("error")
