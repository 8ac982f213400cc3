"""What the tests of the suite are given: the tools of the candidate under judgement."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pytest_mmowner._session import Session, tools


def _tool(name: str) -> Callable[..., Any]:
    def fixture(request: pytest.FixtureRequest, mmowner_session: Session) -> Callable[..., None]:
        rules = [mark.args[0] for mark in request.node.iter_markers("requirement")]
        return tools(mmowner_session, rules)[name]

    fixture.__doc__ = f"``{name}`` for the requirements of the test."
    return pytest.fixture(name=name)(fixture)


play = _tool("play")
random_programs = _tool("random_programs")
hazard = _tool("hazard")
refuses = _tool("refuses")
transitions = _tool("transitions")
walks = _tool("walks")
schedules = _tool("schedules")
