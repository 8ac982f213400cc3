"""Edits of real owner code are caught, each by what must catch it; the code itself never is.

The trees are the user's: see ``trees.py``.  The tables are ``kernel_edits.py`` for 6.1 and
``kernel_edits_612.py`` for 6.12.
"""

import platform
import re
import shutil
from functools import cache
from pathlib import Path

import kernel_edits
import kernel_edits_612
import pytest
import trees
from kernel_editing import (
    EXIT,
    Change,
    DoesNotApplyError,
    Edit,
    candidate_of,
    edited,
    judge,
    opened,
)

from pytest_mmowner import CallError, check
from pytest_mmowner._cache import CACHE, cache_directory
from pytest_mmowner._candidates.kernel import open_kernel
from pytest_mmowner._kernel import _build
from pytest_mmowner._scenes import scene_from_text
from pytest_mmowner._schedules import explore

BOTH = {"6.1": kernel_edits, "6.12": kernel_edits_612}
DIALECTS = {"6.1": "6.1", "6.12": "6.11"}
#: Where everything that is wrong in some schedule of our edits shows, or nearly.
TELLING = ("exit-exit", "exit-exit-reap", "exit-hold", "exec-exit", "exec-get", "fork-fails-touch")
#: Edits within a function, for tests of editing itself.
INVENTED = Edit("invented", "never", (Change("mm_update_next_owner", "frob_task(c)", ""),))


def table(name):
    """All edits of the tables *name*, as parameters."""
    return [
        pytest.param(release, edit, id=f"{release}-{edit.name}")
        for release, module in BOTH.items()
        for edit in getattr(module, name, ())
    ]


@cache
def base(release):
    return opened(trees.tree(release))


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """Where programs of edits are built: the user's cache is not for them, but has the runtime."""
    place = tmp_path_factory.mktemp("programs")
    kept = cache_directory()
    if kept is not None:
        shutil.copy2(_build.runtime(_build.compiler(), kept), place)
    yield place
    shutil.rmtree(place)


@pytest.fixture
def candidate(programs, monkeypatch):
    """``candidate(release, edit)``: the tree with the edit in it, running."""
    opened_here = []

    def make(release, edit=None):
        source = base(release)  # may unpack an archive, which is kept
        monkeypatch.setenv(CACHE, str(programs))
        made = candidate_of(source if edit is None else edited(source, edit))
        opened_here.append(made)
        assert made.info.dialect == DIALECTS[release]
        assert made.program.left_out == {}
        return made

    yield make
    for one in opened_here:
        one.close()


def caught_by(candidate, release, edit):
    made = candidate(release, edit)
    return judge(made, DIALECTS[release], edit.by, edit.scenes)


@pytest.mark.slow
@pytest.mark.parametrize(("release", "edit"), table("EDITS"))
def test_an_edit_is_caught(candidate, release, edit):
    if edit.machines and platform.machine() not in edit.machines:
        pytest.skip(f"here the machine's C decides: {platform.machine()}")
    caught = caught_by(candidate, release, edit)
    assert caught.has(edit.by), f"{edit.why}: found is only {caught.said}"


@pytest.mark.slow
@pytest.mark.parametrize("release", BOTH)
def test_the_tree_itself_is_never_caught(candidate, release):
    made = candidate(release)
    caught = judge(made, DIALECTS[release])
    assert caught.said == {}
    assert caught.incomplete == []


@pytest.mark.slow
@pytest.mark.parametrize(("release", "edit"), table("HARMLESS"))
def test_an_edit_without_harm_is_never_caught(candidate, release, edit):
    caught = judge(candidate(release, edit), DIALECTS[release], None, TELLING)
    assert caught.said == {}


@pytest.mark.parametrize(("release", "edit"), table("REFUSED"))
def test_owner_code_that_needs_what_is_not_there_is_no_candidate(candidate, release, edit):
    with pytest.raises(CallError) as error:
        candidate(release, edit)
    line = next(one for one in str(error.value).splitlines() if edit.quoted in one)
    assert re.search(r"kernel/(?:exit|fork)\.c:\d+: ", line)


def test_there_are_edits_enough_and_each_has_a_name_and_a_reason():
    assert len(kernel_edits.EDITS) >= 30
    assert len(kernel_edits_612.EDITS) >= 20
    for module in BOTH.values():
        names = [edit.name for edit in (*module.EDITS, *module.HARMLESS)]
        assert len(names) == len(set(names))
        assert all(edit.why and edit.by for edit in module.EDITS)


# -- from outside -------------------------------------------------------------------------


@pytest.mark.slow
def test_an_edit_on_disk_is_caught_by_the_whole_suite(programs, monkeypatch, tmp_path):
    monkeypatch.setenv(CACHE, str(programs))
    own = trees.copy_of("6.1", tmp_path)
    spec = f"kernel:{own}"
    before = open_kernel(spec, str(own), None, 30)
    before.close()
    text = (own / EXIT).read_text()
    dropped, count = re.subn(r"if \(c->mm != mm\)", "if (0)", text)
    assert count == 1
    (own / EXIT).write_text(dropped)
    result = check(spec, minimize=False)
    assert not result.ok
    assert result.with_verdict("fail") == ["INV-05", "EXIT-06"]
    assert "kernel/exit.c:" in str(result)


@pytest.mark.slow
@pytest.mark.nightly
def test_a_loop_that_no_hook_sees_ends_by_the_clock(candidate):
    edit = Edit("silent-loop", "it does nothing, for ever", (
        Change("mm_update_next_owner", "read_lock(&tasklist_lock);", "for (;;) ; @"),
    ))  # fmt: skip
    scene = scene_from_text("clone(1, 2, mm=2); clone(2, 3, VM) / exit(2) | charge(3)")
    _, found = explore(candidate("6.1", edit), scene, limit=0)
    assert [one.kind for one in found] == ["endless-loop"]
    assert found[0].place.startswith("mm_update_next_owner() (kernel/exit.c:")


# -- editing itself -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (INVENTED.changes[0], "has 'frob_task(c)' 0 times, wanted is the only one"),
        (Change("mm_update_next_owner", "return;", ""), "wanted is the only one"),
        (Change("mm_update_next_owner", "c->mm != mm", "", 1), "1 times, wanted is number 1"),
        (Change("__try_to_set_owner", "true", ""), "defines __try_to_set_owner() 0 times"),
    ],
)
def test_an_edit_that_does_not_apply_says_so(change, said):
    with pytest.raises(DoesNotApplyError, match=re.escape(said)):
        edited(base("6.1"), Edit("invented", "never", (change,)))


def test_white_space_and_comments_are_neither_here_nor_there():
    text = "void f(void)\n{\n\t/* a->b == c */\n\tif (a ->b\n\t    == c)\n\t\treturn;\n}\n"
    assert Change("f", "a->b==c", "<@>").made_in(text) == text.replace(
        "a ->b\n\t    == c", "<a ->b\n\t    == c>"
    )


def test_no_line_of_a_kernel_is_in_the_tables():
    """Expressions and calls are: no three statements that follow each other in a tree."""
    text = "\n".join(
        (Path(__file__).parent / f"{one.__name__}.py").read_text() for one in BOTH.values()
    )
    quoted = {re.sub(r"\s+", "", one) for one in re.findall(r'"((?:[^"\\\n]|\\.)*)"', text)}
    owner = next(
        one.text for one in base("6.1").definitions(EXIT) if one.name == "mm_update_next_owner"
    )
    lines = [re.sub(r"\s+", "", line) for line in owner.splitlines()]
    for three in zip(lines, lines[1:], lines[2:], strict=False):
        if all(len(line) > 5 for line in three):
            assert not any("".join(three) in one for one in quoted)
