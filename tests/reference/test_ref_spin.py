"""The reference and a Promela model of the same rules count the same worlds."""

import importlib.util
import sys

import pytest

from mmowner_reference import Bounds
from pytest_mmowner._core import explore

#: Worlds and transitions by tasks; mms are always 3.  A model that agrees up to 5 can still be
#: wrong at 6, where two reparentings meet in one exec.
COUNTS = {3: (33, 157), 4: (499, 3232), 5: (11292, 86467), 6: (345836, 2939114)}


def counted(tasks):
    """Worlds and transitions of the reference when the threads of an exec die in list order.

    By the compiled core where there is one, which is held to the reference elsewhere.
    """
    space = explore(Bounds(tasks, 3, orders=False), "6.11")
    assert space.closed
    return space.states, space.transitions


@pytest.fixture(scope="module")
def spin(root):
    spec = importlib.util.spec_from_file_location("mmowner_spin", root / "benchmarks/spin.py")
    module = sys.modules["mmowner_spin"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules["mmowner_spin"]


@pytest.fixture
def here(spin):
    """SPIN, where it is installed."""
    absent = spin.missing()
    if absent is not None:
        pytest.skip(absent)
    return spin


@pytest.mark.parametrize("tasks", COUNTS)
def test_spin_counts_what_the_reference_counts(here, tasks):
    result = here.run_spin(tasks, 3)
    assert (result.states, result.transitions) == counted(tasks) == COUNTS[tasks]
    assert list(result.seconds) == ["generate", "compile", "run"]


def test_a_search_that_ran_into_its_depth_is_no_count(here):
    with pytest.raises(here.SpinError, match="max search depth too small"):
        here.run_spin(4, depth=20)


def test_a_search_that_ran_out_of_memory_is_no_count(here):
    with pytest.raises(here.SpinError, match="cut short"):
        here.run_spin(4, megabytes=8)


@pytest.mark.parametrize("numbers", [(1, 3), (8, 3), (4, 0), (4, 7)])
def test_a_scope_that_the_model_cannot_hold_is_refused(here, numbers):
    with pytest.raises(here.SpinError, match="2 to 7 tasks"):
        here.run_spin(*numbers)


@pytest.mark.parametrize(
    ("there", "absent"), [((), "spin and cc"), (("spin",), "cc"), (("cc",), "spin")]
)
def test_a_missing_program_is_named(spin, monkeypatch, there, absent):
    monkeypatch.setattr(spin.shutil, "which", lambda name: name if name in there else None)
    with pytest.raises(spin.SpinError, match=f"^{absent} not found"):
        spin.run_spin(4)


WHOLE = """
State-vector 20 byte, depth reached 5, errors: 0
        5 states, stored
       10 states, matched
       15 transitions (= stored+matched)
   77.972\ttotal actual memory usage
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("errors: 0", "errors: 1"),
        ("5 states, stored", "5e+09 states, stored"),
        ("15 transitions", "1.5e+01 transitions"),
        ("total actual", "actual"),
        ("\nState", "\nWarning: Search not completed\nState"),
    ],
)
def test_only_a_clean_report_is_read(spin, old, new):
    assert spin._numbers(WHOLE) == ("5", "15", "77.972")
    assert old in WHOLE
    with pytest.raises(spin.SpinError):
        spin._numbers(WHOLE.replace(old, new))
