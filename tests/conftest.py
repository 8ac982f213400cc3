"""What all tests share: pytester, where the repository is, and how often a dialect is tried."""

from pathlib import Path

import pytest

from mmowner_reference import DIALECTS

pytest_plugins = ["pytester"]

#: Dialects that differ in kind: together they have every value of every field but one (2.6.27's mmap_sem).
TELLING = ("rfc-v4", "2.6.26", "2.6.28", "3.16", "6.11", "none")


def pytest_configure(config):
    config.addinivalue_line(
        "markers", "costly: in every dialect; those that tell little more are slow tests"
    )


def pytest_generate_tests(metafunc):
    """Run a test that is marked ``costly`` in every dialect: by night in those beside TELLING."""
    if any(metafunc.definition.iter_markers("costly")):
        slow = [name for name in DIALECTS if name not in TELLING]
        metafunc.parametrize(
            "dialect", [*TELLING, *(pytest.param(name, marks=BY_NIGHT) for name in slow)]
        )


#: What takes minutes and tells little more: ``tox -e nightly``, and not every CI run.
BY_NIGHT = [pytest.mark.slow, pytest.mark.nightly]

#: Scopes take longer than all the rest of a run: tests of scopes name theirs.
NO_SCOPE = "--mmowner-scope=none"


@pytest.fixture(scope="session", autouse=True)
def _no_scope_in_children():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTEST_ADDOPTS", NO_SCOPE)
        yield


@pytest.fixture
def pytester(pytester, monkeypatch):
    """``pytester``, which discards what it finds in ``PYTEST_ADDOPTS``."""
    monkeypatch.setenv("PYTEST_ADDOPTS", NO_SCOPE)
    return pytester


@pytest.fixture(scope="session")
def root() -> Path:
    """The root of the repository."""
    return Path(__file__).resolve().parent.parent
