"""The C core under the sanitizers of its compiler, and without memory: it never goes wild."""

import subprocess

import pytest

import mmowner_reference as reference
from mmowner_reference import Bounds
from mmowner_reference._compact import Rulebook
from mmowner_reference._graph import limits_of
from pytest_mmowner import _core
from pytest_mmowner._core import _build

pytestmark = pytest.mark.slow

SANITIZERS = ("-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")

#: Runs searches whose numbers it reads; the first number of a line is which allocation fails.
DRIVER = r"""
#include <stdio.h>
#include <stdlib.h>
#define MOST 20000 /* worlds to expand */
static long left;
static int spent(void) { return left && !--left; }
static void *may_malloc(size_t size) { return spent() ? NULL : malloc(size); }
static void *may_calloc(size_t count, size_t size) { return spent() ? NULL : calloc(count, size); }
static void *may_realloc(void *old, size_t size) { return spent() ? NULL : realloc(old, size); }
static void *ours(size_t size) { return malloc(size); }
#define malloc may_malloc
#define calloc may_calloc
#define realloc may_realloc
#include "core.c"

static int search_all(const int32_t *numbers, uint64_t *counts) {
    Search *s = mmo_open(numbers);
    uint64_t end = 0;
    uint8_t *out, *lengths;
    int error = NO_MEMORY;
    if (!s)
        return NO_MEMORY;
    for (counts[0] = 1; end < counts[0] && end < MOST; ) {
        end = counts[0] < MOST ? counts[0] : MOST;
        error = mmo_run(s, end, UINT64_MAX, counts);
        if (error)
            break;
    }
    if (!error) {
        out = ours(counts[0] * 128);
        lengths = ours(counts[0]);
        mmo_worlds(s, out, lengths);
        free(out);
        free(lengths);
    }
    mmo_close(s);
    return error;
}

int main(void) {
    int32_t numbers[16];
    uint64_t counts[7] = {0};
    long fails;
    int at, error;
    while (scanf("%ld", &fails) == 1) {
        for (at = 0; at < 16; at++)
            if (scanf("%d", &numbers[at]) != 1)
                return 2;
        left = fails;
        error = search_all(numbers, counts);
        printf("%d %llu %llu %d\n", error, (unsigned long long)counts[0],
               (unsigned long long)counts[1], fails && !left);
    }
    return 0;
}
"""


@pytest.fixture(scope="module")
def driver(c_core, tmp_path_factory):
    """A program that runs searches, with every check that the compiler has."""
    where = tmp_path_factory.mktemp("driver")
    (where / "driver.c").write_text(DRIVER)
    compiler = _build.find_compiler()
    command = [*compiler.command, *SANITIZERS, f"-I{_build.SOURCE.parent}", "-o", where / "driver"]
    done = subprocess.run(
        [*command, where / "driver.c"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"{compiler.name} has no sanitizers here: {done.stderr[-300:]}")
    return where / "driver"


def run(driver, searches):
    """Return the answers: error, worlds, transitions, whether an allocation was refused."""
    text = "\n".join(" ".join(map(str, numbers)) for numbers in searches)
    done = subprocess.run(
        [driver], input=text, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return [tuple(map(int, line.split())) for line in done.stdout.splitlines()]


def numbers_of(bounds, dialect, *, graph=1, fails=0):
    limits, book = limits_of(bounds), Rulebook.of(dialect)
    rules = [int(getattr(book, name)) for name in Rulebook.__slots__]
    return (
        fails, *rules, limits.tasks, limits.mms, limits.refs, bounds.kthreads,
        sum(1 << kind for kind in limits.without), int(limits.orders), graph,
    )  # fmt: skip


@pytest.mark.parametrize("graph", [0, 1])
@pytest.mark.costly
def test_sanitizers_find_nothing(driver, dialect, graph):
    scopes = [
        Bounds(3, 2, 1, 1), Bounds(4, 3), Bounds(5, 1), Bounds(5, 2), Bounds(3, 2, 2, 2),
        Bounds(2, 1, 200, 1), Bounds(2, 2, 1, 4), Bounds(2, 1, 0, 13), Bounds(1, 1, 1, 14),
    ]  # fmt: skip
    assert all(map(_core.fits, scopes))
    answers = run(driver, [numbers_of(scope, dialect, graph=graph) for scope in scopes])
    for scope, answer in zip(scopes[:3], answers, strict=False):
        right = reference.explore(scope, dialect)
        assert answer == (0, right.states, right.transitions, 0)
    assert len(answers) == len(scopes)
    assert all(error == 0 and worlds > 1 for error, worlds, _, _ in answers)


@pytest.mark.parametrize("graph", [0, 1])
def test_every_allocation_may_fail(driver, graph):
    scope = Bounds(5, 1)
    right = reference.explore(scope, "6.11")
    searches = [numbers_of(scope, "6.11", graph=graph, fails=fails) for fails in range(1, 200)]
    answers = run(driver, searches)
    refused = [answer for answer in answers if answer[3]]
    assert 10 < len(refused) < len(answers)  # so each of them was refused once
    assert all(error == _core.NO_MEMORY for error, *_ in refused)
    assert set(answers[len(refused) :]) == {(0, right.states, right.transitions, 0)}
