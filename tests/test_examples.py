"""The examples pass what they are made for, and stay short enough to be read."""

import shutil
import subprocess
import sys

import pytest

from pytest_mmowner import Options, check, open_candidate
from pytest_mmowner._session import Session


@pytest.fixture(scope="session")
def c_adapter(root, tmp_path_factory):
    if not (shutil.which("cc") and shutil.which("make")):
        pytest.skip("no C compiler or no make")
    where = tmp_path_factory.mktemp("c")
    shutil.copytree(root / "examples/c", where / "c")
    subprocess.run(
        ["make", "-s", "clean", "all"], cwd=where / "c", check=False, capture_output=True
    )
    subprocess.run(["make", "-s"], cwd=where / "c", check=True)
    return where / "c" / "adapter"


@pytest.mark.parametrize("name", ["tracker.py", "rules.py"])
def test_the_smallest_examples_have_under_40_lines(root, name):
    assert len((root / "examples" / name).read_text().splitlines()) < 40


def judged(spec):
    result = check(spec)
    assert result.ok, str(result)
    return result


@pytest.mark.slow
def test_the_tracker_passes(root):
    result = judged(f"python:{root}/examples/tracker.py:Tracker")
    assert len(result.with_verdict("pass")) >= 20


@pytest.mark.slow
def test_the_rules_pass_everything_that_the_reference_passes(root):
    result = judged(f"rules:{root}/examples/rules.py:Rules")
    assert result.with_verdict("pass") == judged("reference").with_verdict("pass")


@pytest.mark.slow
def test_the_python_adapter_passes(root):
    result = judged(f"cmd:{sys.executable} {root}/examples/python/adapter.py")
    assert "SEARCH-06" in result.with_verdict("pass")
    assert "EXEC-04" in result.with_verdict("pass")


@pytest.mark.slow
def test_the_c_adapter_passes_what_its_own_rules_can_show(c_adapter):
    result = judged(f"cmd:{c_adapter}")
    assert len(result.with_verdict("pass")) >= 55
    assert "INPUT-01" in result.with_verdict("pass")


@pytest.mark.slow
def test_the_c_adapter_fails_under_the_dialect_that_it_does_not_speak(c_adapter):
    result = check(f"cmd:{c_adapter}", dialect="6.1")
    assert result.with_verdict("fail") == ["SEARCH-06"]


def test_the_c_adapter_agrees_on_many_random_programs(c_adapter):
    candidate, dialect = open_candidate(f"cmd:{c_adapter}", Options())
    try:
        session = Session(candidate, dialect, seed=11)
        session.campaign.run()
        assert session.campaign.failures == {}
        assert session.campaign.error is None
        assert session.campaign.programs > 40
    finally:
        candidate.close()
