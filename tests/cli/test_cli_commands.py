"""The console script: calls, exit codes, what is listed, explained, replayed and tried."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mmowner_reference import DIALECTS, parse_program
from pytest_mmowner import MMOwnerError
from pytest_mmowner._cli import _output, _records, _run, build_parser, main
from pytest_mmowner._cli._parser import markdown, walk
from pytest_mmowner._requirements import requirements
from pytest_mmowner.zoo import MUTANTS

ROOT = Path(__file__).parents[2]
HANDOFF = "clone(1, 2, mm=2)\nclone(2, 3, VM)\nexit(2)\n"
ADAPTER = f"cmd:{sys.executable} {ROOT / 'examples/python/adapter.py'}"


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


@pytest.mark.slow
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
