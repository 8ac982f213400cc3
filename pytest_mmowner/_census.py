"""How many tests each requirement has, counted before anything is left out of a run.

``-k``, ``-m``, ``--deselect``, ``--lf`` and ``-x`` all run a part of what was collected.  A
requirement of which only a part was run has not passed: one test of three says nothing about
the other two.  So the tests are counted first, and every outcome carries the number.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .plugin import State


class Census:
    """Counts the tests of each requirement, in every process that collects."""

    def __init__(self, state: State) -> None:
        self.state = state

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> Generator[None, None, None]:
        """Count before the other hooks leave tests out."""
        self._count(config, items)
        return (yield)

    def _count(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        from .plugin import is_judging, rules_of, spec_of, test_name  # noqa: PLC0415  the plugin imports us

        judged = [item for item in items if is_judging(item)]
        if not judged or not _everything_was_collected(config, judged):
            return
        tests: dict[tuple[str, str], set[str]] = {}
        for item in judged:
            spec = spec_of(item)
            for rule in rules_of(item):
                tests.setdefault((spec, rule), set()).add(test_name(item, spec))
        self.state.of_tests = {key: len(names) for key, names in tests.items()}


def _everything_was_collected(config: pytest.Config, judged: Sequence[pytest.Item]) -> bool:
    """Whether the run collected all there is: no single tests, no part of our suite's files.

    ``--lf`` leaves tests out while it collects, and a path to one file of the suite says
    nothing about the others, so there the number of tests is not known.
    """
    if any("::" in argument for argument in config.args) or config.getoption("lf", False):
        return False
    files = {item.path.resolve() for item in judged}
    suite = _files_of_the_suite(files)
    return not suite or suite <= files


def _files_of_the_suite(files: Iterable[Path]) -> set[Path]:
    """Return the test files of the suite's package, if one of *files* is in it."""
    for file in files:
        if file.parent.name == "mmowner_conformance":
            return set(file.parent.glob("test_*.py"))
    return set()
