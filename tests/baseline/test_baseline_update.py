"""``mmowner baseline update``: what it does with runs, and what it leaves to people."""

import stat
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mmowner import CallError
from pytest_mmowner import _baseline_update as update_module
from pytest_mmowner._baseline import Baseline, load, status_of
from pytest_mmowner._baseline_text import HEADER, CannotEdit
from pytest_mmowner._baseline_update import UNEXPLAINED, update, update_from_run
from pytest_mmowner._candidates.base import Info
from pytest_mmowner._verdicts import Outcome, Verdicts

# -- runs ---------------------------------------------------------------------------------------


def run(rule="FORK-03", verdict="fail", *seen, spec="c", dialect="6.11", of_tests=None, listed=""):
    """A run that judged one requirement; every text of *seen* is a failing test's."""
    verdicts = Verdicts(spec, dialect)
    seen = seen or ("",)
    for number, line in enumerate(seen):
        verdicts.take(
            Outcome(
                rule, verdict, spec, dialect, test=f"t{number}", text="text", observed=line,
                listed=listed, of_tests=len(seen) if of_tests is None else of_tests,
            )
        )  # fmt: skip
    return verdicts


def both(*runs):
    """One run that judged what these did."""
    for other in runs[1:]:
        runs[0].outcomes.update(other.outcomes)
    return runs[0]


def passing(rule="FORK-03", **how):
    return run(rule, "pass", **how)


def entry(rule="FORK-03", table="known", **fields):
    lines = [f"[[{table}]]", f'requirement = "{rule}"', 'reason = "r"']
    for name, value in fields.items():
        lines.append(f"{name} = {value if name in ('observed', 'when') else repr(value)}")
    return "\n".join([*lines, ""])


@pytest.fixture
def known(tmp_path):
    """Brings a file up to date: from its text and runs to what changed; the file is ``path``."""

    def bring(text, *runs, reason="because"):
        bring.path.write_bytes(text.encode())
        before = bring.path.read_bytes()
        changes = update(str(bring.path), list(runs), reason)
        bring.same = bring.path.read_bytes() == before
        bring.entries = load(str(bring.path)).entries
        assert not list(tmp_path.glob(".*")), "a temporary file stayed"
        return changes

    bring.path = tmp_path / "known.toml"
    return bring


D = {"dialect": "6.11"}
MAY_FAIL = "so that it may still fail"
KEEPS = "so it keeps what it lists"


def test_a_failure_is_added_and_goes_when_it_passes(known):
    assert str(known("# ours\n", run("FORK-03", "fail", "x"))) == "added FORK-03"
    (only,) = known.entries
    assert (only.dialect, only.reason, only.observed) == ("6.11", "because", ("t0: x",))
    assert str(known(known.path.read_text(), passing())) == "removed FORK-03"
    assert known.path.read_text() == "# ours\n"
    assert str(known("# ours\n", passing())) == "nothing to change"


@pytest.mark.parametrize("reason", [None, "", " "])
def test_an_entry_without_a_reason_asks_for_one(known, reason):
    known("", run(), reason=reason)
    assert known.entries[0].reason == UNEXPLAINED


@pytest.mark.parametrize("verdict", ["pass", "hazard", "not applicable"])
def test_an_entry_goes_with_everything_that_needs_none(known, verdict):
    assert known(entry(**D), run("FORK-03", verdict)).removed == ["FORK-03"]


@pytest.mark.parametrize("verdict", ["error", "unknown", "untestable"])
def test_an_entry_stays_when_nothing_is_known(known, verdict):
    changes = known("\n" + entry(**D), run("FORK-03", verdict))
    assert known.same
    assert changes.left == [
        f"no failure: FORK-03 ({known.path}:2) ended with {verdict}; a baseline excuses failures "
        "and nothing else"
    ]


@pytest.mark.parametrize("listed", ["", "0"])
def test_what_a_flaky_entry_covers_is_not_added(known, listed):
    changes = known(entry(table="flaky"), run(listed=listed))
    assert known.same
    assert str(changes).splitlines() == [
        "nothing to change",
        f"left: flaky: FORK-03 ({known.path}:1) failed every time it was tried, so it is a "
        "failure (for c; entries with conditions and flaky ones are mended by hand)",
    ]
    assert not known(entry(table="flaky"), passing(listed=listed)).left
    assert known.same


CONDITION = '{ candidate = "c" }'


def test_what_an_entry_with_conditions_covers_is_not_added(known):
    text = entry(when=CONDITION, observed='["t0: x"]')
    assert str(known(text, run("FORK-03", "fail", "x", listed="0"))) == "nothing to change"
    (said,) = known(text, run("FORK-03", "fail", "y", listed="0")).left
    assert said.startswith(f"fails differently: FORK-03 ({known.path}:1) was listed with other")
    (said,) = known(text, passing(listed="0")).left
    assert said.startswith(f"stale: FORK-03 ({known.path}:1) passes now")
    assert known.same
    assert not known(text, passing(listed="0", of_tests=2)).left
    assert known(text, run(spec="d")).added == ["FORK-03"]


def test_an_entry_for_all_would_hide_a_flaky_one_for_some(known):
    changes = known(entry(table="flaky", when=CONDITION), run(spec="d"))
    assert known.same
    assert changes.left == [
        f"FORK-03 fails for d, and an entry for every candidate would hide the flaky one "
        f"({known.path}:1); list it by hand, with when = ..."
    ]


def test_observations_of_one_run_are_replaced_and_keep_their_order(known):
    text = entry(observed='["t1: b", "t0: a", "t0: old"]', **D)
    assert known(text, run("FORK-03", "fail", "a", "b", "c")).changed == ["FORK-03"]
    assert known.entries[0].observed == ("t1: b", "t0: a", "t2: c")
    changes = known(text, both(run("FORK-03", "fail", "a", "b"), passing("FORK-01")))
    assert str(changes) == "changed FORK-03"
    assert known.entries[0].observed == ("t1: b", "t0: a")


@pytest.mark.parametrize("how", [{}, {"observed": "[]"}])
def test_an_entry_that_lists_nothing_still_lists_nothing(known, how):
    assert str(known(entry(**how, **D), run("FORK-03", "fail", "x"))) == "nothing to change"
    assert known.same


def test_a_test_that_broke_may_still_see_what_is_listed(known):
    mixed = run("FORK-03", "fail", "a", of_tests=2)
    mixed.take(Outcome("FORK-03", "error", "c", "6.11", test="t1", of_tests=2))
    assert str(known(entry(observed='["t1: b"]', **D), mixed)) == "changed FORK-03"
    assert known.entries[0].observed == ("t1: b", "t0: a")


def test_candidates_do_not_undo_each_other(known):
    text = entry(observed='["t0: old"]', **D)
    one, two = run("FORK-03", "fail", "a"), run("FORK-03", "fail", "b", spec="d")
    assert str(known(text, one, two)) == "changed FORK-03"
    assert known.entries[0].observed == ("t0: a", "t0: b")
    assert str(known("", one, two)) == "added FORK-03"
    assert known.entries[0].observed == ("t0: a", "t0: b")
    assert str(known(text, passing(), passing(spec="d"))) == "removed FORK-03"


@pytest.mark.parametrize("text", ["", entry(**D)], ids=["added", "kept"])
def test_an_entry_that_some_need_stays_and_that_it_is_stale_for_others_is_said(known, text):
    for runs in ([passing(), run(spec="d")], [run(spec="d"), passing()]):
        changes = known(text, *runs)
        assert len(known.entries) == 1
        assert changes.removed == []
        assert changes.left == [
            f"FORK-03 ({known.path}:1) fails for d and is stale for c; narrow it by hand, with when = ..."
        ]


def test_an_entry_is_not_removed_while_a_candidate_did_not_judge_it(known):
    changes = known(entry(**D), passing(), run("FORK-01", "pass", spec="d"))
    assert known.same
    assert changes.left == [f"FORK-03 ({known.path}:1) was judged in part, {MAY_FAIL}"]


def test_each_dialect_gets_an_entry_of_its_own(known):
    one, two = run(), run(dialect="6.1", spec="d")
    assert known("", one, two).added == ["FORK-03", "FORK-03"]
    assert [row.dialect for row in known.entries] == ["6.11", "6.1"]
    assert known(known.path.read_text(), passing(), two).removed == ["FORK-03"]
    assert [row.dialect for row in known.entries] == ["6.1"]


def test_an_entry_for_every_dialect_is_left_and_only_learns(known):
    changes = known(entry(), passing(), run("FORK-03", "not applicable", spec="d", dialect="6.1"))
    assert known.same
    assert changes.left == [
        f"FORK-03 ({known.path}:1) holds in every dialect; is not applicable in 6.1, "
        "passes in 6.11; remove or narrow it by hand"
    ]
    assert known(entry(observed='["t0: old"]'), run("FORK-03", "fail", "x")).left == []
    assert known.entries[0].observed == ("t0: old", "t0: x")


def test_a_part_of_a_requirement_removes_nothing(known):
    changes = known(entry(**D), passing(of_tests=2))
    assert known.same
    assert changes.left == [f"FORK-03 ({known.path}:1) was judged in part, {MAY_FAIL}"]
    changes = known(entry(observed='["t9: old"]', **D), run("FORK-03", "fail", "x", of_tests=2))
    assert changes.changed == ["FORK-03"]
    assert changes.left == [f"FORK-03 ({known.path}:1) was judged in part, {KEEPS}"]
    assert known.entries[0].observed == ("t9: old", "t0: x")
    assert not known(entry(observed='["t0: x"]', **D), run("FORK-03", "fail", "x", of_tests=2)).left


def test_what_is_said_names_the_line_that_it_has_now(known):
    changes = known(f"{entry('FORK-01', **D)}\n{entry()}", both(passing("FORK-01"), passing()))
    assert changes.left[0].startswith(f"FORK-03 ({known.path}:1) holds")


def test_a_number_of_another_file_is_not_believed(known):
    for listed in ("7", "1"):
        changes = known(f"{entry(**D)}{entry('FORK-01')}", passing(listed=listed))
        assert changes.removed == ["FORK-03"]


@pytest.mark.parametrize(
    "start", [None, "", "# ours\nknown = []\n"], ids=["no file", "empty", "an empty list"]
)
def test_an_update_after_the_last_entry_went_is_still_a_baseline(tmp_path, start):
    path = tmp_path / "known.toml"
    if start is not None:
        path.write_text(start)
    for runs, rules in [(run(), ["FORK-03"]), (passing(), []), (run(), ["FORK-03"])]:
        update(str(path), [runs], "because")
        assert [entry.requirement for entry in load(str(path)).entries] == rules
    update(str(path), [run("FORK-01")], "because")
    assert {entry.requirement for entry in load(str(path)).entries} == {"FORK-01", "FORK-03"}
    assert path.read_text().startswith(
        {None: HEADER, "": "[[", "# ours\nknown = []\n": "# ours\n"}[start]
    )


# -- writing ------------------------------------------------------------------------------------


def test_the_file_keeps_its_mode_and_a_link_stays_a_link(known, tmp_path):
    home = tmp_path / "elsewhere"
    home.mkdir()
    (home / "real.toml").write_text("")
    (home / "real.toml").chmod(0o640)
    known.path.symlink_to(home / "real.toml")
    known("", run())
    assert known.path.is_symlink()
    assert stat.S_IMODE((home / "real.toml").stat().st_mode) == 0o640
    assert "FORK-03" in (home / "real.toml").read_text()
    assert [path.name for path in home.iterdir()] == ["real.toml"]


def test_a_file_that_needs_no_change_is_not_written(known):
    known.path.write_text(entry(**D))
    known.path.chmod(0o444)
    before = known.path.stat()
    update(str(known.path), [run()])
    assert known.path.stat() == before


def test_what_cannot_be_written_says_so_and_leaves_the_file(known, monkeypatch):
    def refuse(self, target):
        raise OSError("the disk is full")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(CallError, match="the baseline cannot be written: the disk is full"):
        known("# ours\n", run())
    assert [path.name for path in known.path.parent.iterdir()] == ["known.toml"]
    assert known.path.read_text() == "# ours\n"


def test_what_cannot_be_edited_says_what_to_do_by_hand(known, monkeypatch):
    def refuse(*_, **__):
        raise CannotEdit("why")

    monkeypatch.setattr(update_module, "edit", refuse)
    text = entry("FORK-01", **D) + entry("FORK-02", observed='["x"]', **D)
    with pytest.raises(CallError) as caught:
        known(text, both(passing("FORK-01"), run("FORK-02", "fail", "y"), run()))
    assert str(caught.value) == (
        f"{known.path}: the update would lose something (why), so the file is unchanged. By hand: "
        f"add FORK-03 in 6.11. remove {known.path}:1. list at {known.path}:5: t0: y"
    )


def test_what_would_be_no_baseline_is_not_written(known):
    with pytest.raises(
        CallError, match=r"would be no baseline, so it is unchanged: .*unknown dialect '\?'"
    ) as caught:
        known("# ours\n", run(dialect="?"))
    assert f"{known.path}:5" in str(caught.value)
    assert known.path.read_text() == "# ours\n"


# -- the run ------------------------------------------------------------------------------------


@pytest.fixture
def pretended(tmp_path, monkeypatch):
    """A run that ends at once: brings the file up to date; ``arguments`` were given to pytest."""

    def bring(*arguments, runs=(), status=pytest.ExitCode.OK, meanwhile=lambda: None):
        def main(words, plugins):
            bring.arguments = [word for word in words if "baseline" in word or word in arguments]
            plugins[0].verdicts = list(runs)
            meanwhile()
            return status

        monkeypatch.setattr(pytest, "main", main)
        return update_from_run("known.toml", list(arguments))

    monkeypatch.chdir(tmp_path)
    bring.path = tmp_path / "known.toml"
    return bring


def test_the_run_is_held_against_the_file_when_there_is_one(pretended):
    pretended("--mmowner-level=order", runs=[run()])
    assert pretended.arguments == ["--mmowner-level=order", "--mmowner-baseline="]
    pretended("-x", "--", "directory")
    assert pretended.arguments == ["-x", "--mmowner-baseline=known.toml", "--", "directory"]
    for same in (["--mmowner-baseline=./known.toml"], ["--mmowner-baseline", "known.toml"]):
        pretended(*same, "-x")
        assert pretended.arguments == ["-x", "--mmowner-baseline=known.toml"]


def test_a_run_against_another_file_is_a_wrong_call(pretended):
    for other in (["--mmowner-baseline=a.toml"], ["--mmowner-baseline", "a.toml"]):
        with pytest.raises(CallError, match="the call names the baseline 'a"):
            pretended(*other)


def test_a_file_that_was_changed_during_the_run_stays(pretended):
    for text in ("# mine\n", "# mine again\n"):
        with pytest.raises(CallError, match="somebody changed it while the suite ran"):
            pretended(runs=[run()], meanwhile=lambda text=text: pretended.path.write_text(text))
        assert pretended.path.read_text() == text


def test_a_run_that_did_not_end_changes_nothing(pretended):
    with pytest.raises(CallError, match="ended with exit code 2; the baseline is unchanged"):
        pretended(runs=[run()], status=pytest.ExitCode.INTERRUPTED)
    assert not pretended.path.exists()


def test_an_update_into_a_directory_that_is_not_there_is_a_wrong_call(tmp_path):
    with pytest.raises(CallError, match="there is no directory"):
        update_from_run(str(tmp_path / "nowhere" / "known.toml"), [])


@pytest.mark.parametrize(
    "parallel", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["alone", "xdist"]
)
@pytest.mark.parametrize("listed", ["flaky", "conditional", "plain", "unlisted"])
def test_a_real_run_says_which_entry_it_was_held_against(pytester, listed, parallel):
    text = {
        "flaky": entry(table="flaky"), "conditional": entry(when='{ candidate = "mutant:*" }'),
        "plain": entry(observed='["test_gone: before"]', **D), "unlisted": "# ours\n",
    }[listed]  # fmt: skip
    known = pytester.path / "known.toml"
    known.write_text(text)
    (pytester.path / "other.toml").write_text(entry())
    pytester.makeini("[pytest]\nmmowner_baseline = other.toml")
    done = pytester.run(
        sys.executable, "-m", "pytest_mmowner", "baseline", "update", "known.toml", "--",
        "mutant:newest-sharer-owns", "--", "-p", "no:cacheprovider", "-k", "test_a_thread_does_not_own",
        *(["-n", "1"] if parallel else []),
    )  # fmt: skip
    assert done.ret == 0, str(done.stderr)
    says = {
        "flaky": "left: flaky: FORK-03 (known.toml:1) failed every time*", "conditional": "known.toml: nothing to change",
        "plain": "left: FORK-03 (known.toml:1) was judged in part, so it keeps what it lists",
        "unlisted": "known.toml: added FORK-03",
    }  # fmt: skip
    done.stdout.fnmatch_lines([says[listed]])
    assert (known.read_text() == text) == (listed in {"flaky", "conditional"})
    assert ("test_a_thread_does_not_own" in known.read_text()) == (listed in {"plain", "unlisted"})


# -- any verdicts -------------------------------------------------------------------------------

RULES = ("FORK-01", "FORK-03", "EXEC-04")
CANDIDATES = ("c1", "c2")


@st.composite
def baselines(draw):
    """The text of a baseline that loads."""
    parts, seen = [], set()
    for _ in range(draw(st.integers(0, 6))):
        rule, dialect = draw(st.sampled_from(RULES)), draw(st.sampled_from([None, "6.11", "6.1"]))
        candidate = draw(st.sampled_from(["*", "*", *CANDIDATES]))
        if (rule, dialect, candidate) in seen:
            continue
        seen.add((rule, dialect, candidate))
        fields = {"dialect": dialect} if dialect else {}
        observed = draw(st.sets(st.sampled_from(["t0: a", "t1: b", "t1: c"])))
        if observed:
            fields["observed"] = str(sorted(observed))
        if candidate != "*":
            fields["when"] = f'{{ candidate = "{candidate}" }}'
        parts.append(entry(rule, draw(st.sampled_from(["known", "known", "flaky"])), **fields))
    return draw(st.sampled_from(["\n", ""])).join(parts)


TESTS = st.lists(
    st.sampled_from([("pass", ""), ("fail", "a"), ("fail", "b"), ("fail", "c"), ("error", ""), ("not applicable", "")]),
    max_size=2,
)  # fmt: skip


def listed_in(baseline, runs):
    """The same runs, held against a baseline."""
    held = []
    for verdicts in runs:
        again = Verdicts(verdicts.candidate, verdicts.dialect)
        for rule, outcomes in verdicts.outcomes.items():
            number = baseline.find(rule, verdicts.dialect, Info(verdicts.candidate, "n"))
            for outcome in outcomes:
                values = {name: getattr(outcome, name) for name in outcome.__slots__}
                again.take(Outcome(**{**values, "listed": "" if number is None else str(number)}))
        held.append(again)
    return held


@settings(max_examples=250, deadline=None)
@given(baselines(), st.data())
def test_an_update_settles_everything_or_says_what_it_leaves(text, data):
    runs = []
    for spec in CANDIDATES[: data.draw(st.integers(1, 2))]:
        dialect = data.draw(st.sampled_from(["6.11", "6.11", "6.1"]))
        verdicts = Verdicts(spec, dialect)
        for rule in RULES:
            for number, (verdict, seen) in enumerate(data.draw(TESTS)):
                verdicts.take(
                    Outcome(rule, verdict, spec, dialect, test=f"t{number}", observed=seen,
                            of_tests=data.draw(st.sampled_from([1, 1, 2])))
                )  # fmt: skip
        runs.append(verdicts)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "known.toml")
        path.write_text(text)
        before = load(str(path))
        held = listed_in(before, runs)
        changes = update(str(path), held)
        after = load(str(path))
        again = listed_in(after, runs)
        written = path.read_bytes()
        second = update(str(path), again)
        assert path.read_bytes() == written
    assert not (second.added or second.changed or second.removed)
    # What an entry that went had hidden comes to light in the second.
    assert second.left == changes.left or changes.removed
    said = "\n".join([*changes.left, *second.left])
    for verdicts in again:
        for rule in verdicts.outcomes:
            found = Baseline.entry_of(after, verdicts, rule)
            if found is None:
                assert (
                    verdicts.of(rule) != "fail" or f"{rule} fails for {verdicts.candidate}" in said
                )
            elif not status_of(found, verdicts).green:
                assert f"{rule} ({found.where})" in said
    for gone in {*_plain(before)} - {*_plain(after)}:
        _, rule, dialect = gone
        for verdicts in held:
            assert verdicts.dialect != dialect or (
                verdicts.whole(rule) and verdicts.of(rule) != "fail"
            )
    assert _others(before) == _others(after)


def _plain(baseline):
    return [
        (e.table, e.requirement, e.dialect) for e in baseline.entries
        if e.dialect and e.candidate == "*" and e.table == "known"
    ]  # fmt: skip


def _others(baseline):
    return [
        (e.table, e.requirement, e.dialect, e.candidate) for e in baseline.entries
        if e.table == "flaky" or e.candidate != "*" or not e.dialect
    ]  # fmt: skip
