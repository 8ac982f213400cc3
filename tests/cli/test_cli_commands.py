"""The console script: calls, exit codes, what is listed, explained, replayed and tried."""

import json
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from mmowner_reference import DIALECTS, parse_program
from pytest_mmowner import MMOwnerError
from pytest_mmowner._cli import _output, _records, _run, _smoke, build_parser, main
from pytest_mmowner._cli._parser import CallWrong, markdown, walk
from pytest_mmowner._record_check import RecordError
from pytest_mmowner._requirements import requirements
from pytest_mmowner.zoo import MUTANTS

ROOT = Path(__file__).parents[2]
HANDOFF = "clone(1, 2, mm=2)\nclone(2, 3, VM)\nexit(2)\n"
ADAPTER = f"cmd:{sys.executable} {ROOT / 'examples/python/adapter.py'}"


@pytest.fixture
def call(capsys):
    """Run a command line; return exit code, standard output, standard error."""

    def run(*words):
        code = main(list(words))
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def program(tmp_path):
    """Write a program; return the name of its file."""

    def write(text):
        path = tmp_path / "program"
        path.write_text(text if isinstance(text, str) else json.dumps(text))
        return str(path)

    return write


# -- calls ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["lst"], "unknown command 'lst'. Did you mean 'list'?"),
        (["report", "shw"], "Did you mean 'show'?"),
        (["list", "mutant"], "Did you mean 'mutants'?"),
        (["list", "--level", "ordr"], "Did you mean 'order'?"),
        (["list", "--dialect", "6.x"], "unknown dialect '6.x'"),
        (["list", "mutants", "--level", "order"], "--level is for requirements"),
        (["list", "dialects", "--dialect", "6.1"], "--dialect says nothing about dialects"),
        (["list", "--", "x"], "nothing may follow --, but 'x' does"),
        (["run", "--levle=order"], "Did you mean '--level'?"),
        (["run", "-x"], "for pytest goes behind --"),
        (["list", "mutants", "again"], "unrecognized arguments: again"),
        (["explain"], "required: ID"),
        (["explain", "SERCH-01"], "Did you mean 'SEARCH-01'?"),
        (["explain", "search-01"], "Did you mean 'SEARCH-01'?"),
        (["explain", "mutant:no-sibling"], "Did you mean 'no-siblings'?"),
        (["report"], "needs a command: verify, show, compare"),
        (["report", "compare", "one"], "name two records or more"),
        (["smoke", "mutnat:x"], "unknown candidate 'mutnat:x'"),
        (["smoke", "reference", "--timeout", "0"], "--timeout"),
        (["smoke", "reference", "--timeout", "soon"], "--timeout"),
        (["smoke", "cmd:/no/such/adapter"], "/no/such/adapter"),
        (["completion", "basch"], "Did you mean 'bash'?"),
    ],
)
def test_a_wrong_call_is_4_and_says_what_is_wrong_on_standard_error(call, words, said):
    code, out, err = call(*words)
    assert (code, out) == (4, "")
    assert said in err
    assert err.startswith("mmowner: ")


def test_without_a_command_the_commands_are_shown(call):
    code, out, _ = call()
    assert code == 4
    assert all(name in out for name in build_parser().commands)


def test_every_command_has_a_help_text(call, capsys):
    places = list(walk(build_parser()))
    assert len(places) >= 12
    for place in places:
        with pytest.raises(SystemExit) as ended:
            main([*place.prog.split()[1:], "--help"])
        assert ended.value.code == 0
        assert f"usage: {place.prog}" in " ".join(capsys.readouterr().out.split())


def test_the_documentation_has_every_command_and_every_option():
    text = markdown()
    for place in walk(build_parser()):
        assert f"## `{place.prog}`\n" in text
        for action in place._actions:
            assert all(
                name in text for name in action.option_strings if name not in ("-h", "--help")
            )


def test_the_version_is_the_packages(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("mmowner ")


def test_what_is_our_fault_or_a_files_is_1(call, monkeypatch):
    def broken(name):
        raise MMOwnerError("line 3 was altered")

    monkeypatch.setattr(_records, "import_module", broken)
    assert call("report", "verify", "x.jsonl") == (1, "", "mmowner: line 3 was altered\n")


def test_as_a_module_and_as_a_script_it_is_the_same(tmp_path):
    script = Path(sys.executable).with_name("mmowner")
    done = [
        subprocess.run(
            [*start, "list", "dialects"], cwd=tmp_path, capture_output=True, text=True, check=True
        ).stdout
        for start in ([sys.executable, "-m", "pytest_mmowner"], [str(script)])
    ]
    assert done[0] == done[1]
    assert "6.11 and later (default)" in done[0]


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path):
    done = subprocess.run(
        f"'{sys.executable}' -m pytest_mmowner list --json | head -n 1",
        shell=True, cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "[\n"
    assert done.stderr == ""


# -- run --------------------------------------------------------------------------------


def test_run_hands_its_options_and_the_rest_to_pytest(call, monkeypatch):
    seen = []
    monkeypatch.setattr(_run.pytest, "main", lambda words: seen.append(words) or 5)
    code, _, _ = call(
        "run", "cmd:./a --b", "--level", "order", "--dialect=6.1", "--cov", "--", "-x", "--level"
    )
    assert code == 5
    assert seen[0][:8] == [
        "--pyargs", "mmowner_conformance", "--mmowner-candidate=cmd:./a --b",
        "--mmowner-dialect=6.1", "--mmowner-level=order", "--mmowner-cov", "-x", "--level",
    ]  # fmt: skip
    call("run")
    assert seen[1][:2] == ["--pyargs", "mmowner_conformance"]
    assert not any(word.startswith("--mmowner") for word in seen[1])


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (
            [
                "mutant:siblings-first",
                "--level=order",
                "--",
                "-q",
                "-k",
                "older_sibling",
                "-Werror",
            ],
            1,
            "SEARCH-01",
        ),
        (["reference", "--", "-q", "-k", "older_sibling", "-Werror"], 0, "passed"),
        (["reference", "--dialect=6.x"], 4, "unknown dialect"),
        (["reference", "--", "-q", "-k", "no_such_test"], 5, "deselected"),
    ],
)
def test_runs_end_with_pytests_exit_codes(words, code, said, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "pytest_mmowner", "run", *words],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    assert said in done.stdout + done.stderr


# -- list and explain -------------------------------------------------------------------


@pytest.mark.parametrize("what", ["requirements", "dialects", "mutants", "candidates"])
def test_what_is_listed_is_listed_as_json_too(call, what):
    code, out, _ = call("list", what, "--json")
    data = json.loads(out)
    rows = data["candidates"] if what == "candidates" else data
    assert code == 0
    name = {"requirements": "id", "candidates": "kind"}.get(what, "name")
    assert call("list", what)[1].count("\n") == len(rows) + 1
    assert all(row[name] in call("list", what)[1] for row in rows[:3])


def test_requirements_are_listed_by_level_and_dialect(call):
    data = json.loads(call("list", "--level", "order", "--dialect", "6.1", "--json")[1])
    assert {row["level"] for row in data} == {"order"}
    assert all("6.1" in row["dialects"] for row in data)
    everything = json.loads(call("list", "--json")[1])
    assert [row["id"] for row in everything] == list(requirements())
    assert "rfc-v4(hazard)" in call("list", "--dialect", "rfc-v4")[1]


def test_mutants_are_listed_by_dialect(call):
    data = json.loads(call("list", "mutants", "--dialect", "rfc-v4", "--json")[1])
    assert [row["name"] for row in data] == [n for n, c in MUTANTS.items() if c.base == "rfc-v4"]


def test_a_package_that_offers_nothing_usable_is_listed_as_broken(call, monkeypatch):
    from pytest_mmowner._cli import _subjects
    from pytest_mmowner._plugins import Offered

    monkeypatch.setattr(
        _subjects, "offered", lambda: Offered({"ours": "python:a:b"}, ["x = y (package z): no"])
    )
    out = call("list", "candidates")[1]
    assert "ours" in out
    assert "broken: x = y (package z): no" in out


def test_a_requirement_is_explained_with_its_hazard_drawn_and_its_tests(call):
    code, out, _ = call("explain", "EXIT-08")
    assert code == 0
    assert "hazard: rfc-v4 itself breaks it (BUG-08)" in out
    assert "shortest program, 3 operations:" in out
    assert "| `- 2  zombie  owns mm 2 without using it" in out
    assert "test_ownership_wanders_through_the_threads_as_they_leave" in out
    data = json.loads(call("explain", "EXIT-08", "--json")[1])
    assert len(parse_program(data["hazard_programs"][0]["text"])) == 3
    assert data["source"] == requirements()["EXIT-08"].source


def test_every_requirement_names_its_tests(call):
    for name, rule in requirements().items():
        data = json.loads(call("explain", name, "--json")[1])
        assert bool(data["tests"]) != bool(rule.untested), name
        text = " ".join(call("explain", name)[1].split())
        assert f"how sure: {rule.mark}, " in text
        assert ("no test of this suite can show it: " in text) == bool(rule.untested)
        assert ("nobody is judged by it" in text) == rule.observation


def test_a_dialect_is_explained_by_its_commits(call):
    assert "commit 39af1765f1f6" in call("explain", "3.16")[1]
    assert [c["row"] for c in json.loads(call("explain", "6.11", "--json")[1])["changes"]] == [
        "6.11"
    ]
    for name in DIALECTS:
        assert call("explain", name)[0] == 0
    assert "no change" in call("explain", "rfc-v4")[1]


@pytest.mark.parametrize("name", ["no-siblings", "mutant:no-siblings"])
def test_a_mutant_is_explained_by_what_is_wrong(call, name):
    assert "The siblings are not searched." in call("explain", name)[1]
    assert json.loads(call("explain", name, "--json")[1])["candidate"] == "mutant:no-siblings"


# -- replay -----------------------------------------------------------------------------


def test_a_replay_shows_owners_as_allowed_and_as_observed(call, program):
    code, out, _ = call("replay", program(HANDOFF), "--candidate", "mutant:no-handoff")
    assert code == 1
    assert "3  exit(2)            mm 1: task 1; mm 2: task 2, allowed task 3" in out
    assert "INV-07 is broken:" in out
    assert "because INV-07" in out
    assert "before:           after, as it should be:" in out
    assert "wrong: 1 answer that" in out
    code, out, _ = call("replay", program(HANDOFF), "--candidate", "reference", "--dialect=6.1")
    assert code == 0
    assert out.endswith("right: every answer is allowed\n")


@pytest.mark.parametrize(
    "wrapped", [lambda ops: ops, lambda ops: {"program": ops}, lambda _: {"program": HANDOFF}]
)
def test_a_replay_reads_json_and_writes_it(call, program, wrapped):
    ops = [op.to_dict() for op in parse_program(HANDOFF)]
    code, out, _ = call(
        "replay", program(wrapped(ops)), "--candidate", "mutant:no-handoff", "--json"
    )
    data = json.loads(out)
    assert code == 1
    assert [step["op"] for step in data["steps"]] == ops
    assert data["steps"][2]["owners"]["2"] == {"observed": 2, "allowed": [3], "fits": False}
    assert data["deviations"][0]["rule"] == "INV-07"
    assert (data["ok"], data["error"]) == (False, None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("exit(1", "line 1"),
        ("# nothing", "there is no operation in it. Write one operation a line, as in clone("),
        ("clone(1, 2, mm=2)\nexti(2)", "'exti'; known are clone, exit, exec, reap, hold, "),
        ("clone(1, 2, mm=2)\nexti(2)", "Did you mean 'exit'?"),
        ("clone(1, 2, VM|VFROK)", "known are VM, THREAD, PARENT, VFORK. Did you mean 'VFORK'?"),
        ("clone(1, 2, mn=2)", "its fields are task, child, flags, mm. Did you mean 'mm'?"),
        ('[{"op": "colne"}]', "operation 1: unknown operation 'colne'; known are clone"),
        ('[{"op": "colne"}]', "Did you mean 'clone'?"),
        ("[]", "there is no operation in it"),
        ("{}", 'needs the operations in "program"'),
        ('{"program": 3}', "a list of operations, not int"),
        ("[3]", "operation 1 is an object"),
        ('[{"op": "fly"}]', "operation 1: unknown operation 'fly'"),
        ("[", "no program"),
        ("exit(7)", "no legal program in 6.11"),
    ],
)
def test_what_is_no_program_is_a_wrong_call(call, program, text, said):
    code, out, err = call("replay", program(text), "--candidate", "reference")
    assert (code, out) == (4, "")
    assert said in err


def test_a_program_that_is_not_there_is_a_wrong_call(call, tmp_path):
    code, _, err = call("replay", str(tmp_path / "none"), "--candidate", "reference")
    assert code == 4
    assert "cannot be read" in err


def test_a_program_beyond_the_candidate_is_a_wrong_call(call, program):
    code, _, err = call("replay", program("kthread(2)"), "--candidate", ADAPTER)
    assert code == 4
    assert "does not show kthread" in err


def test_a_replay_shows_where_a_candidate_broke(call, program, tmp_path):
    path = tmp_path / "broken.py"
    path.write_text(
        "class T:\n"
        "    def clone(self, task, child, flags, mm): pass\n"
        "    def exit(self, task): raise RuntimeError('not yet')\n"
        "    def owner(self, mm): return mm\n"
    )
    words = ("replay", program(HANDOFF), "--candidate", f"python:{path}:T")
    code, out, _ = call(*words)
    assert code == 1
    assert "exit(2)            no answer" in out
    assert "not yet" in out
    assert "it did not get to the end" in out
    data = json.loads(call(*words, "--json")[1])
    assert not data["ok"]
    assert "not yet" in data["error"]
    assert [step["answered"] for step in data["steps"]] == [True, True, False]


# -- smoke ------------------------------------------------------------------------------


def test_smoke_introduces_a_candidate_and_tries_it(call):
    code, out, _ = call("smoke", ADAPTER)
    assert code == 0, out
    assert "name:          example-python" in out
    assert "dialect:       6.11; judged by 6.11" in out
    assert "missing:       kthread" in out
    assert "the candidate does not show kthread" in out
    assert out.count("\npass ") == 3
    assert re.search(rf"\nnot judged:    \d+ of {len(requirements())} requirements:\n", out)
    assert f"\nnothing wrong so far; now the suite: mmowner run '{ADAPTER}'\n" in out
    data = json.loads(call("smoke", ADAPTER, "--json")[1])
    assert data["ok"]
    assert data["version"] == "1.0"
    lacking = data["not_applicable"].values()
    assert any("KTHREAD-01" in rules for rules in lacking)
    assert f"not judged:    {sum(map(len, lacking))} of" in out


def test_smoke_says_what_is_wrong(call):
    code, out, _ = call("smoke", "mutant:no-handoff")
    assert code == 1
    assert "allowed are only: task 3" in out
    assert out.endswith("mmowner replay FILE --candidate mutant:no-handoff\n")
    assert not json.loads(call("smoke", "mutant:no-handoff", "--json")[1])["ok"]


def test_smoke_does_not_take_nothing_for_success(call, monkeypatch):
    monkeypatch.setattr(_smoke, "PROGRAMS", (("a kernel thread", "kthread(2)"),))
    code, out, _ = call("smoke", ADAPTER)
    assert code == 1
    assert "not applicable a kernel thread (kthread(2)): it does not show kthread" in out
    assert "nothing could be tried, and that is no success" in out
    assert not json.loads(call("smoke", ADAPTER, "--json")[1])["ok"]


def test_smoke_does_not_take_an_error_for_success(call, tmp_path):
    path = tmp_path / "small.py"
    path.write_text(
        "class T:\n    def clone(self, *given): 1 / 0\n    def owner(self, mm): return 1\n"
    )
    code, out, _ = call("smoke", f"python:{path}:T")
    assert code == 1
    assert "\nerror " in out
    assert "ZeroDivisionError" in out
    assert out.endswith("\nthe candidate or its adapter broke: mend that first, then try again\n")


def test_smoke_says_the_next_command_with_the_dialect_that_was_asked_for(call):
    code, out, _ = call("smoke", "reference", "--dialect", "6.1")
    assert code == 0
    assert out.endswith("now the suite: mmowner run reference --dialect 6.1\n")
    assert f"not judged:    0 of {len(requirements())} requirements\n" in out


def test_smoke_says_of_an_adapter_that_does_not_start_only_that(call):
    code, out, _ = call("smoke", "cmd:/bin/false")
    assert code == 1
    assert "it did not start: the candidate broke: it exited with status 1" in out
    assert "not judged" not in out
    data = json.loads(call("smoke", "cmd:/bin/false", "--json")[1])
    assert (data["ok"], data["programs"]) == (False, [])
    assert "exited with status 1" in data["error"]


@pytest.mark.parametrize("words", [("smoke",), ("replay", "--candidate")])
def test_a_trace_runs_no_program(call, program, tmp_path, words):
    path = tmp_path / "seen.jsonl"
    path.write_text(
        '{"op": "clone", "task": 1, "child": 2, "mm": 2}\n{"ask": "owner", "mm": 2, "answer": 2}\n'
    )
    given = [program(HANDOFF)] if words[0] == "replay" else []
    code, out, err = call(words[0], *given, *words[1:], f"trace:{path}")
    assert (code, out) == (4, "")
    assert err == (
        f"mmowner: trace:{path}: a trace cannot be driven, so it runs no program. The suite "
        f"judges what was recorded: mmowner run trace:{path}\n"
    )


def test_smoke_counts_what_is_missing_as_a_run_does(call):
    """Held against a run of the whole suite on the same candidate."""
    from pytest_mmowner import check

    spec = f"python:{ROOT / 'examples/tracker.py'}:Tracker"
    said = json.loads(call("smoke", spec, "--json")[1])["not_applicable"]
    ran = check(spec)
    lacking = [
        r for r in ran.with_verdict("not applicable") if "is no rule of the dialect" not in ran.text(r)
    ]  # fmt: skip
    assert sorted(rule for rules in said.values() for rule in rules) == sorted(lacking)


# -- report and baseline ----------------------------------------------------------------


class Reader:
    """Stands in for the modules that read records."""

    RecordError = RecordError

    def verify(self, path):
        if "bad" in path:
            raise RecordError(path, 2, "truncated")
        return SimpleNamespace(footer=SimpleNamespace(lines=7, sha256="12ab"))

    def show_data(self, path):
        return {"file": path}

    def compare_data(self, paths):
        return {"candidates": paths}

    def show(self, path):
        return f"record {path}\n"

    def compare(self, paths):
        return " | ".join(paths)


def test_records_are_verified_shown_and_compared(call, monkeypatch):
    monkeypatch.setattr(_records, "import_module", lambda name: Reader())
    assert call("report", "verify", "a")[:2] == (0, "a: complete and unaltered\n")
    assert call("report", "verify", "bad") == (1, "", "mmowner: bad:2: truncated\n")
    assert call("report", "show", "a")[:2] == (0, "record a\n")
    assert call("report", "compare", "a", "b", "c")[:2] == (0, "a | b | c\n")


def test_records_are_verified_shown_and_compared_for_scripts(call, monkeypatch):
    monkeypatch.setattr(_records, "import_module", lambda name: Reader())
    for words, expected in [
        (("verify", "a"), {"file": "a", "ok": True, "lines": 7, "sha256": "12ab"}),
        (("show", "a"), {"file": "a"}),
        (("compare", "a", "b"), {"candidates": ["a", "b"]}),
    ]:
        code, out, err = call("report", *words, "--json")
        assert (code, json.loads(out), err) == (0, expected, "")
    code, out, err = call("report", "verify", "bad", "--json")
    assert (code, err) == (1, "mmowner: bad:2: truncated\n")
    assert json.loads(out) == {"file": "bad", "ok": False, "line": 2, "why": "truncated"}
    assert call("report", "compare", "a", "--json")[:2] == (4, "")


def test_baseline_update_gets_file_pytests_arguments_and_reason(call, monkeypatch):
    seen = []

    class Baseline:
        def update_from_run(self, *given):
            seen.append(given)
            return "added SEARCH-01"

    monkeypatch.setattr(_records, "import_module", lambda name: Baseline())
    words = ("--reason", "known", "--", "mutant:no-siblings", "--level=order", "--", "-x")
    code, out, _ = call("baseline", "update", "known.toml", *words)
    assert (code, out) == (0, "known.toml: added SEARCH-01\n")
    arguments = ["--mmowner-candidate=mutant:no-siblings", "--mmowner-level=order", "-x"]
    assert seen == [("known.toml", arguments, "known")]


@pytest.mark.slow
def test_records_and_baselines_with_the_real_modules(tmp_path):
    """Each in a process of its own: run and record, verify, show, compare, update the baseline."""

    def script(*words):
        return subprocess.run(
            [sys.executable, "-m", "pytest_mmowner", *words],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip

    few = ["mutant:siblings-first", "--level=order"]
    assert script("run", *few, "--report=a.jsonl", "--", "-q").returncode == 1
    for words in (["verify", "a.jsonl"], ["show", "a.jsonl"], ["compare", "a.jsonl", "a.jsonl"]):
        done = script("report", *words)
        assert done.returncode == 0, done.stderr
        assert done.stdout
    raw = (tmp_path / "a.jsonl").read_bytes()
    (tmp_path / "cut.jsonl").write_bytes(raw[: len(raw) // 2])
    done = script("report", "verify", "cut.jsonl")
    assert done.returncode == 1
    assert "cut.jsonl" in done.stderr
    done = script("baseline", "update", "known.toml", "--reason=known", "--", *few)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SEARCH-01" in (tmp_path / "known.toml").read_text()
    assert script("run", *few, "--baseline=known.toml", "--", "-q").returncode == 0


def test_baseline_update_refuses_options_that_run_does_not_know(call):
    code, _, err = call("baseline", "update", "known.toml", "--", "--levl=order")
    assert code == 4
    assert "Did you mean '--level'?" in err
    with pytest.raises(CallWrong):
        _run.arguments_from(["--nothing"])


# -- colour -----------------------------------------------------------------------------


class Terminal:
    """A stream that says it is a terminal."""

    def __init__(self):
        self.text = ""

    def isatty(self):
        return True

    def write(self, text):
        self.text += text

    def flush(self):
        pass


def test_colour_is_for_terminals_without_no_color_and_with_rich(monkeypatch):
    pytest.importorskip("rich", reason="rich is not installed: pip install pytest-mmowner[cli]")
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("NO_COLOR", "FORCE_COLOR", "CI"):
        monkeypatch.delenv(name, raising=False)
    terminal = Terminal()
    _output.Output(terminal).line("[bold]wrong[/]", "red")
    assert "\x1b[31m" in terminal.text
    assert "[bold]wrong[/]" in terminal.text
    for name, value in (("NO_COLOR", "1"), ("TERM", "dumb")):
        with monkeypatch.context() as changed:
            changed.setenv(name, value)
            plain = Terminal()
            _output.Output(plain).line("wrong", "red")
            assert plain.text == "wrong\n"
    monkeypatch.setitem(sys.modules, "rich.console", None)
    plain = Terminal()
    _output.Output(plain).line("wrong", "red")
    assert plain.text == "wrong\n"
    plain = Terminal()
    _output.Output(plain, as_json=True).json({"a": "ä"})
    assert json.loads(plain.text) == {"a": "ä"}


def test_rich_is_not_imported_where_it_is_not_used(tmp_path):
    code = (
        "import sys; from pytest_mmowner._cli import main; main(['list', 'dialects']); "
        "sys.exit('rich' in sys.modules or 'hypothesis' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
