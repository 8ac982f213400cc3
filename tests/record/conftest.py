"""Runs of the suite that leave a record, and a small record made by hand."""

import pytest
from record_making import header, outcome, who, write


@pytest.fixture
def suite(pytester):
    """Run some modules of the suite, with *apart* in a process of its own."""

    def run(*args, of=("fork", "search"), apart=False):
        modules = [f"mmowner_conformance.test_{name}" for name in of]
        start = pytester.runpytest_subprocess if apart else pytester.runpytest_inprocess
        return start("--pyargs", *modules, "-p", "no:cacheprovider", *args)

    return run


@pytest.fixture
def small(tmp_path):
    """A small record with a failure, two tests for one requirement, and one that never ended."""
    spec = "cmd:./mine"
    return write(
        tmp_path / "small.jsonl",
        header(who(spec, {"FORK-01": 2, "EXIT-01": 1, "SEARCH-01": 1, "VFORK-01": 2})),
        [
            outcome(spec, "FORK-01", "pass", "test_one"),
            outcome(spec, "SEARCH-01", "fail", text="SEARCH-01 is broken:\nit is", observed="after exit(2): owner(mm 2) is task 3", program="exit(2)\n"),
            outcome(spec, "FORK-01", "not applicable", "test_two", text="it lacks it"),
            outcome(spec, "EXIT-01", "error", text='it broke: \N{SNOWMAN} \\ "x"'),
            outcome(spec, "VFORK-01", "pass", "test_one"),
        ],
    )  # fmt: skip
