"""The C core of this machine, or a skip that says why there is none."""

import pytest

from pytest_mmowner import _core


@pytest.fixture(scope="session")
def c_core(tmp_path_factory):
    """The C core of this process; it is not kept in the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MMOWNER_CACHE", str(tmp_path_factory.mktemp("cache")))
        found = _core.core()
    if found is None:
        pytest.skip(f"no C core: {_core.why_not()}")
    return found


@pytest.fixture
def fresh(monkeypatch, tmp_path):
    """Nothing is known of a core, and the cache is an empty directory."""
    monkeypatch.setenv("MMOWNER_CACHE", str(tmp_path / "cache"))
    for name in ("CC", _core.VARIABLE):
        monkeypatch.delenv(name, raising=False)
    # A list of its own, so that what the other tests use stays what it is.
    uncached = _core._found.__wrapped__
    known = []

    def found():
        if not known:
            known.append(uncached())
        return known[0]

    monkeypatch.setattr(_core, "_found", found)
