"""That what is left out of the schedules changes no answer, and that what is found can be shown again."""

import re
from contextlib import closing
from dataclasses import replace
from itertools import permutations

import pytest
from owner_making import FILES, OLD_FILES, kernel
from owner_wrong import WRONG

from mmowner_conformance.scenes import SCENES
from mmowner_conformance.test_schedules import RULES
from mmowner_reference import DIALECTS, OPS, IllegalOperation, Kernel, Question
from pytest_mmowner import CallError, ConformanceFailure, Scene, Unknown, parse_program
from pytest_mmowner import _schedules as schedules
from pytest_mmowner._candidates.base import Info
from pytest_mmowner._kernel._build import HERE
from pytest_mmowner._requirements import requirement
from pytest_mmowner._scenes import ONLY_BESIDE, scene_from_text
from pytest_mmowner._schedules import (
    BLAME,
    SCHEDULES,
    Found,
    Schedules,
    explore,
    findings_of,
    fits,
    follow,
)
from pytest_mmowner._session import HazardShown, Session
from pytest_mmowner._spec import Options, open_candidate
from pytest_mmowner.errors import CandidateError, NotApplicable, SuiteError

RIGHT = {"new": (FILES, "6.11"), "old": (OLD_FILES, "2.6.28")}
#: Wrong kernels whose runs go on: of one that dies at its first step there is only one schedule.
TELLING = ("no-recheck", "crossed", "late-look", "no-reference", "family-only", "keeps-owner",
           "rcu-walk", "keeps-failed-child")  # fmt: skip
BY_NAME = {scene.name: scene for scene in SCENES}
EXIT_EXIT = BY_NAME["exit-exit"]


@pytest.fixture(scope="module")
def kernels(tmp_path_factory):
    """The candidate of a name, which is compiled at its first use."""
    opened = {}

    def open_one(name):
        if name not in opened:
            root = tmp_path_factory.mktemp("kernel")
            files, dialect, edits = (*RIGHT[name], ()) if name in RIGHT else (
                WRONG[name].tree, WRONG[name].dialect, WRONG[name].edits)  # fmt: skip
            opened[name] = (kernel(root, files, *edits), dialect)
        return opened[name]

    yield open_one
    for candidate, _ in opened.values():
        candidate.close()


def same(one):
    """What a finding is, whoever finds it.

    Those without a place are their text; where in its loop somebody is stopped is chance.
    """
    if one.kind == "endless-loop":
        return one.kind, one.place.partition("(")[0]
    return one.kind, one.place or one.text


def answer_of(candidate, scene, bound, **options):
    answer, found = explore(candidate, scene, bound=bound, **options)
    assert answer["complete"] or not answer["schedules"], scene.name  # its program breaks
    return set(answer["outcomes"]), {same(one) for one in found}


def bound_of(scene):
    return 2 if len(scene.beside) == 2 else 1


# -- scenes ------------------------------------------------------------------------------------


def test_scenes_have_names_of_their_own_and_a_bound():
    assert len(BY_NAME) == len(SCENES)
    assert {(len(one.beside), one.bound) for one in SCENES} == {(2, 3), (3, 2), (3, 3)}
    assert all(one.text for one in SCENES)


def plays(scene, dialect):
    """Whether some order of the scene's operations is legal, and what comes after is, too."""
    beside = [text for text in scene.beside if text.partition("(")[0] not in ONLY_BESIDE]
    for order in permutations(beside):
        world = Kernel(dialect)
        try:
            world.run(scene.program())
            world.run(replace(scene, before="; ".join(order)).program())
            world.run(replace(scene, before=scene.after).program())
        except IllegalOperation:
            continue
        return True
    return False


@pytest.mark.parametrize("dialect", [name for name in DIALECTS if name != "none"])
def test_scenes_play_in_the_reference_where_they_fit(dialect):
    able = Able()
    fitting = [scene for scene in SCENES if fits(able, scene, dialect)]
    assert [scene.name for scene in fitting if not plays(scene, dialect)] == []
    # What does not fit speaks of hooks, which there were before 2.6.29.
    assert {scene.name for scene in SCENES if scene not in fitting} <= {
        "subsystem", "subsystem-nobody", "subsystem-holder"
    }  # fmt: skip
    assert (len(fitting) == len(SCENES)) == (DIALECTS[dialect].callbacks is not None)


class Able:
    """Stands for a candidate that can do everything."""

    info = Info(spec="able", name="able", capabilities=frozenset(OPS))


def test_where_there_are_no_owners_no_scene_fits():
    assert not any(fits(Able(), scene, "none") for scene in SCENES)


def test_a_scene_of_ones_own():
    scene = scene_from_text(
        "clone(1, 2, mm=2); clone(2, 3, VM) / exit(2) | touch( mm = 2 ) | exit(3)"
    )
    assert scene.lines() == [
        "    1  clone(1, 2, mm=2)", "    2  clone(2, 3, VM)", "    A  exit(2)", "    B  touch( mm = 2 )",
        "    C  exit(3)",
    ]  # fmt: skip
    assert [op["op"] for op in scene.request()["overlap"]] == ["exit", "touch", "exit"]
    assert scene.request()["overlap"][1] == {"op": "touch", "mm": 2}
    assert scene.words() == ["clone", "clone", "exit", "exit"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("exit(2)", "is no scene: write PROGRAM / OPERATION"),
        ("clone(1, 2, mm=2) / exit(2); exit(1) | touch(2)", "put | between those that overlap"),
        ("clone(1, 2, mm=2) / exit(2)", "with two to 4 operations"),
        ("clone(1, 2, mm=2) / exit(2) | exit(2) | exit(2) | exit(2) | exit(2)", "is no scene"),
        ("clone(1, 2, mm=2) / exit(2) | fly(2)", "a scene has 'fly(2)'"),
        ("touch(1) / exit(2) | exit(3)", "a scene has 'touch(1) '"),
    ],
)
def test_what_is_no_scene(text, said):
    with pytest.raises(CallError, match=re.escape(said)):
        scene_from_text(text)


def test_a_scene_of_the_suite_that_is_wrong_is_the_suites_fault():
    with pytest.raises(SuiteError, match="a scene has 'nonsense'"):
        Scene("wrong", "a scene", "nonsense", ("exit(2)", "exit(3)")).request()


# -- what is left out changes nothing ----------------------------------------------------------


@pytest.mark.parametrize("name", [*RIGHT, *TELLING])
def test_reduction_is_sound(kernels, name):
    candidate, dialect = kernels(name)
    for scene in SCENES:
        if not fits(candidate, scene, dialect):
            continue
        everything = answer_of(candidate, scene, bound_of(scene), reduction=0)
        for reduction in (1, 2):
            reduced = answer_of(candidate, scene, bound_of(scene), reduction=reduction)
            assert reduced == everything, (scene.name, reduction)


@pytest.mark.slow
@pytest.mark.nightly
@pytest.mark.parametrize("name", [*RIGHT, "no-recheck", "crossed", "no-reference", "late-look"])
def test_reduction_is_sound_with_one_preemption_more(kernels, name):
    candidate, dialect = kernels(name)
    for scene in SCENES:
        if not fits(candidate, scene, dialect):
            continue
        bound = bound_of(scene) + 1
        assert answer_of(candidate, scene, bound) == answer_of(
            candidate, scene, bound, reduction=0, limit=10_000_000
        ), scene.name


def test_reduction_leaves_something_out(kernels):
    candidate, _ = kernels("new")
    counts = [
        explore(candidate, EXIT_EXIT, bound=2, reduction=n)[0]["schedules"] for n in (0, 1, 2)
    ]
    assert counts[0] > 2 * counts[1]
    assert counts[1] > counts[2]
    assert explore(candidate, EXIT_EXIT, bound=2)[0]["pruned"] > 0


@pytest.mark.parametrize("name", RIGHT)
def test_nothing_is_found_in_a_right_kernel_but_hazards(kernels, name):
    candidate, dialect = kernels(name)
    found = [one for scene in SCENES if fits(candidate, scene, dialect)
             for one in explore(candidate, scene, bound=bound_of(scene))[1]]  # fmt: skip
    assert [one.line() for one in found if dialect not in requirement(one.rule).hazards] == []
    assert bool(found) == (name == "old")


@pytest.mark.parametrize("name", TELLING)
def test_less_preemptions_find_less(kernels, name):
    """Who says "2 preemptions" says that one is not enough."""
    candidate, _ = kernels(name)
    _, found = explore(candidate, WRONG[name].shown_in)
    assert found
    for bound in range(max(one.preemptions for one in found)):
        now = {same(one) for one in explore(candidate, WRONG[name].shown_in, bound=bound)[1]}
        assert now == {same(one) for one in found if one.preemptions <= bound}


# -- what is found -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", WRONG)
def test_every_kind_is_found_and_can_be_shown_again(kernels, name):
    wrong, (candidate, _) = WRONG[name], kernels(name)
    scene = wrong.shown_in
    answer, found = explore(candidate, scene)
    kinds = {one.kind for one in found}
    assert set(wrong.kinds) <= kinds
    again, once_more = explore(candidate, scene)
    assert (again, once_more) == (answer, found)
    for one in found:
        told = follow(candidate, scene, one.schedule)
        followed = list(findings_of(candidate, scene, told))
        assert (same(one), one.text, one.who, one.fatal) in [
            (same(other), other.text, other.who, other.fatal) for other in followed
        ]
        assert told["events"]


@pytest.mark.parametrize("name", [name for name, wrong in WRONG.items() if wrong.alone])
def test_what_one_operation_shows_takes_no_preemption(kernels, name):
    _, found = explore(kernels(name)[0], WRONG[name].shown_in, bound=0)
    assert set(WRONG[name].kinds) & {one.kind for one in found}


def kinds_in_c():
    (text,) = [
        text
        for path in HERE.glob("*.c")
        if "mmo_kind_names[F_KINDS] =" in (text := path.read_text())
    ]
    table = text.partition("mmo_kind_names[F_KINDS] = {")[2].partition("};")[0]
    return set(re.findall(r'"([a-z-]+)"', table))


def test_each_kind_of_finding_breaks_a_requirement_of_the_suite():
    # One is told apart from another here: by who follows the owner.
    assert kinds_in_c() | {"charge-use-after-free"} == set(BLAME)
    assert set(BLAME.values()) == set(RULES)
    assert all(requirement(rule).level == "concurrency" for rule in RULES)


def test_each_kind_that_c_can_do_is_provoked():
    # A host is called by libraries only: tests of lib: provoke that.
    assert {kind for wrong in WRONG.values() for kind in wrong.kinds} == set(BLAME) - {"host-call"}


def test_random_schedules_find_what_takes_a_preemption(kernels):
    for name in ("no-recheck", "no-reference", "late-look"):
        candidate, _ = kernels(name)
        answer, found = explore(candidate, WRONG[name].shown_in, random=1, seed=3, limit=2000)
        assert set(WRONG[name].kinds) & {one.kind for one in found}, name
        assert (answer["schedules"], answer["complete"]) == (2000, False)
        assert explore(candidate, WRONG[name].shown_in, random=1, seed=3, limit=2000) == (
            answer,
            found,
        )
        for one in found:
            told = findings_of(candidate, one.scene, follow(candidate, one.scene, one.schedule))
            assert same(one) in map(same, told)


def test_another_seed_is_another_search(kernels):
    candidate, _ = kernels("no-recheck")
    answers = [explore(candidate, EXIT_EXIT, random=1, seed=seed, limit=300)[1] for seed in (1, 2)]
    assert answers[0] != answers[1]


def test_another_process_finds_the_same(kernels, tmp_path):
    candidate, _ = kernels("no-recheck")
    with closing(kernel(tmp_path, FILES, *WRONG["no-recheck"].edits)) as other:
        answers = [explore(one, EXIT_EXIT) for one in (other, candidate)]
    for answer, _ in answers:
        for finding in answer["findings"]:
            del finding["event"]  # says something of followed schedules only
    assert answers[0] == answers[1]


def test_a_schedule_that_is_none(kernels):
    candidate, _ = kernels("new")
    for text in ("", "Z", "C", "7", "A..B", "A 7"):
        with pytest.raises(
            CallError, match="is no schedule of the scene exit-exit: write letters from A to B"
        ):
            follow(candidate, EXIT_EXIT, text)
    assert follow(candidate, EXIT_EXIT, "B.A")["findings"] == []


BREAKS_BEFORE = "clone(1, 2, mm=2); clone(2, 3, VM); exit(2) / exit(3) | touch(2)"


def test_a_program_that_breaks_before_the_overlap_is_a_finding(kernels):
    candidate, dialect = kernels("null")
    scene = scene_from_text(BREAKS_BEFORE)
    answer, (one,) = explore(candidate, scene)
    assert (answer["schedules"], answer["complete"], answer["outcomes"]) == (0, False, [])
    assert (one.kind, one.who, one.preemptions, one.schedule) == ("null-dereference", -1, 0, "")
    assert one.line() == (
        "null-dereference: it reads address 0xc: a field of a NULL pointer (operation exit, task 2, "
        "before the overlap) at mm_update_next_owner() (kernel/exit.c:62) (0 preemptions)"
    )
    explored = Schedules(candidate, dialect)
    with pytest.raises(ConformanceFailure, match="before the overlap"):
        explored.hold("SOUND-01", [scene])
    with pytest.raises(Unknown, match="not all of given"):
        explored.hold("INV-05", [scene])
    with pytest.raises(CandidateError, match="the program before the overlap breaks"):
        follow(candidate, scene, "A.B")


def test_a_scene_that_is_too_long_is_an_error(kernels):
    candidate, _ = kernels("new")
    many = "; ".join(f"clone(1, {n}, VM)" for n in range(2, 90))
    with pytest.raises(CandidateError, match="too many operations for one scene"):
        explore(candidate, scene_from_text(f"{many} / exit(2) | exit(3)"))


def test_after_a_search_the_candidate_does_what_it_did(kernels):
    candidate, _ = kernels("new")
    explore(candidate, EXIT_EXIT, bound=1)
    candidate.reset()
    for op in (*EXIT_EXIT.program(), *parse_program("exit(2)")):
        candidate.perform(op)
    assert candidate.ask(Question("owner", 2)) == 3


# -- verdicts ----------------------------------------------------------------------------------


def test_a_requirement_fails_with_the_simplest_schedule(kernels):
    candidate, dialect = kernels("no-recheck")
    with pytest.raises(ConformanceFailure) as failed:
        Schedules(candidate, dialect).hold("EXIT-06", SCENES[:9])
    text = str(failed.value)
    for line in (
        f"candidate {candidate.info.spec}, dialect 6.11",
        "scene exit-exit: the one who is elected leaves",
        "owner-not-user: A mm 2 gets the owner task 3, which does not use it at hand_to() (kernel/exit.c:13) (1 preemption)",
        f"  mmowner schedules '{candidate.info.spec}' --dialect=6.11 --scene=exit-exit --follow=A",
        "  | A: exit(2)   B: exit(3)",
        "  | => owner-not-user: A mm 2 gets",
        "also in the scenes exit-exec, exec-exit, ",
    ):
        assert line in text
    assert text.endswith(" and 2 more")
    assert failed.value.observed == "owner-not-user in hand_to(), scene exit-exit"


def test_one_failure_tells_of_the_other_kinds(kernels):
    candidate, dialect = kernels("late-look")
    with pytest.raises(ConformanceFailure) as failed:
        Schedules(candidate, dialect).hold("LOCK-06", [BY_NAME["exit-exit-reap"]])
    text = str(failed.value)
    # What would have stopped a kernel comes first, though the other takes no preemption.
    assert text.index("use-after-free: A it reads task 3's pid") < text.index(
        "also unprotected-task: A task 3's pid is touched without"
    )
    assert "also in the scenes" not in text


def test_a_finding_at_the_end_is_nobodys(kernels):
    candidate, dialect = kernels("family-only")
    with pytest.raises(ConformanceFailure) as failed:
        Schedules(candidate, dialect).hold("RACE-03", [BY_NAME["strangers"]])
    assert "missed-sharer: mm 2 has no owner, and task 5 uses it (0 preemptions)" in str(
        failed.value
    )
    assert failed.value.observed == "missed-sharer, scene strangers"


def test_scenes_are_explored_once_for_all_requirements(kernels):
    candidate, dialect = kernels("new")
    given = candidate.info
    session = Session(candidate, dialect)
    for rule in RULES:
        if dialect in requirement(rule).dialects:
            session.hold_in_schedules(rule, [EXIT_EXIT])
    (note,) = candidate.info.notes[len(given.notes) :]
    assert re.fullmatch(
        r"[\d,]+ schedules of 1 scenes with at most 3 preemptions, and \d+ were left where others had been; "
        r"\d+ random ones beyond, seed 0",
        note,
    )
    candidate.info = given


def test_other_scenes_are_explored_for_themselves(kernels):
    candidate, dialect = kernels("no-recheck")
    judge = Schedules(candidate, dialect)
    alone = Scene("alone", "nobody else is there", "clone(1, 2, mm=2)", ("exit(2)", "touch(2)"))
    judge.hold("EXIT-06", [alone])
    with pytest.raises(ConformanceFailure, match="scene exit-exit"):
        judge.hold("EXIT-06", [EXIT_EXIT])
    judge.hold("EXIT-06", [alone])


@pytest.mark.parametrize(
    "beside", [("exit(9)", "exit(2)"), ("get_task_mm(9)", "exit(2)"), ("hold(9, 1)", "exit(2)")]
)
def test_an_overlap_that_names_nobody_is_no_search(kernels, beside):
    scene = Scene("nobody", "a name that is not there", "clone(1, 2, mm=2)", beside)
    candidate, _ = kernels("new")
    with pytest.raises(CandidateError, match="names what is not there"):
        explore(candidate, scene)


def test_when_not_all_was_tried_nothing_is_known(kernels, monkeypatch):
    candidate, dialect = kernels("new")
    given = candidate.info
    monkeypatch.setattr(schedules, "LIMIT", 5)
    with pytest.raises(Unknown, match=r"not all of exit-exit, exit-exec; "):
        Schedules(candidate, dialect).hold("INV-05", [EXIT_EXIT, BY_NAME["exit-exec"]])
    # A finding is a finding.
    wrong, _ = kernels("plain")
    with pytest.raises(ConformanceFailure, match="LOCK-05"):
        Schedules(wrong, dialect).hold("LOCK-05", [EXIT_EXIT])
    candidate.info = given


def test_a_candidate_that_cannot_be_interrupted_is_asked_nothing():
    candidate, dialect = open_candidate("reference", Options())
    assert SCHEDULES not in candidate.info.capabilities
    with pytest.raises(NotApplicable, match="schedules"):
        Schedules(candidate, dialect).hold("INV-05", SCENES)


def test_without_owners_no_scene_can_be_played(tmp_path):
    with closing(kernel(tmp_path, FILES, dialect="none")) as candidate:
        assert SCHEDULES in candidate.info.capabilities
        with pytest.raises(NotApplicable, match="no scene can be played under the dialect none"):
            Schedules(candidate, "none").hold("INV-05", SCENES)


def test_a_hazard_of_the_dialect_is_shown_as_one(kernels):
    candidate, dialect = kernels("old")
    session = Session(candidate, dialect)
    with pytest.raises(HazardShown) as shown:
        session.hold_in_schedules("INV-05", [BY_NAME["kthread-uses"]])
    assert "stale-owner: the owner of mm 2 is task 3, a kernel thread" in str(shown.value)
    assert str(shown.value).endswith("the dialect does that by itself: BUG-25, BUG-26")
    assert not session.failed
    with pytest.raises(NotApplicable, match=r"LOCK-05 is no rule of the dialect 2\.6\.28"):
        session.hold_in_schedules("LOCK-05", SCENES)


def test_a_hazard_that_no_scene_shows_is_told_too(kernels):
    candidate, dialect = kernels("old")
    with pytest.raises(HazardShown, match=r"RACE-05 is broken by 2\.6\.28: BUG-25, BUG-30"):
        Session(candidate, dialect).hold_in_schedules("RACE-05", [EXIT_EXIT])


def test_a_failure_marks_the_session(kernels):
    candidate, dialect = kernels("bug")
    session = Session(candidate, dialect)
    with pytest.raises(ConformanceFailure, match="SOUND-01"):
        session.hold_in_schedules("SOUND-01", [EXIT_EXIT])
    assert session.failed


def test_how_a_finding_is_told():
    found = Found(EXIT_EXIT, "bug-on", "BUG()", "f() (kernel/exit.c:9)", True, 1, 2, "A1.B")
    assert found.line() == "bug-on: B BUG() at f() (kernel/exit.c:9) (2 preemptions)"
    assert replace(found, who=-1, place="", preemptions=1).line() == "bug-on: BUG() (1 preemption)"
    assert found.rule == "SOUND-01"
