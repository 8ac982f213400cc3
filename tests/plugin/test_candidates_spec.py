"""SPEC strings: each form opens, each mistake says what was meant."""

import sys
from pathlib import Path

import pytest

from mmowner_reference import DEFAULT, DIALECTS
from pytest_mmowner import CallError, CandidateError, Options, open_candidate
from pytest_mmowner._candidates.command import Command
from pytest_mmowner._candidates.hosted import Hosted
from pytest_mmowner._candidates.tracker import Tracker
from pytest_mmowner._spec import KINDS, MAKERS, judged_by
from pytest_mmowner.errors import did_you_mean
from pytest_mmowner.zoo import MUTANTS

EXAMPLES = Path(__file__).parents[2] / "examples"
ADAPTER = f"{sys.executable} -I -S {EXAMPLES}/python/adapter.py"

MODULE = """
class Tracker:
    def clone(self, task, child, flags, mm): ...
    def owner(self, mm): return mm

class Outer:
    Inner = Tracker

class Rules:
    def __init__(self, host): ...
    def mm_init_owner(self, mm, task): mm.owner = task
    def mm_update_next_owner(self, mm): ...

class Future(Tracker):
    dialect = "seven"

class FutureRules(Rules):
    dialect = "seven"

number = 3
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A directory with modules, which is the current one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    modules = set(sys.modules)
    (tmp_path / "mykernel.py").write_text(MODULE)
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("")
    (tmp_path / "package" / "inner.py").write_text(MODULE)
    yield tmp_path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


FORMS = [
    ("reference", Hosted, DEFAULT),
    *((f"reference:{name}", Hosted, name) for name in DIALECTS),
    ("python:mykernel:Tracker", Tracker, DEFAULT),
    ("python:mykernel:Outer.Inner", Tracker, DEFAULT),
    ("python:package.inner:Tracker", Tracker, DEFAULT),
    ("python:mykernel.py:Tracker", Tracker, DEFAULT),
    ("python:./package/inner.py:Tracker", Tracker, DEFAULT),
    (f"python:{EXAMPLES}/tracker.py:Tracker", Tracker, DEFAULT),
    ("rules:mykernel:Rules", Hosted, DEFAULT),
    ("rules:mykernel.py:Rules", Hosted, DEFAULT),
    (f"rules:{EXAMPLES}/rules.py:Rules", Hosted, DEFAULT),
    (f"cmd:{ADAPTER}", Command, "6.11"),
    ("mutant:no-handoff", Hosted, "6.11"),
    ("mutant:callback-forgotten", Hosted, "rfc-v4"),
]


@pytest.mark.parametrize(("spec", "kind", "dialect"), FORMS)
def test_every_form_opens_and_keeps_its_spec(spec, kind, dialect, here):
    candidate, spoken = open_candidate(spec)
    try:
        assert type(candidate) is kind
        assert candidate.info.spec == spec
        assert spoken == dialect
        candidate.reset()
    finally:
        candidate.close()


@pytest.mark.parametrize("name", MUTANTS)
def test_every_mutant_opens_with_the_dialect_that_it_claims(name):
    candidate, dialect = open_candidate(f"mutant:{name}")
    assert dialect == MUTANTS[name].base
    assert candidate.info.name == name


@pytest.mark.parametrize(
    ("spec", "dialect"),
    [("reference", "6.1"), ("reference:6.11", "6.1"), ("mutant:no-handoff", "6.1"),
     ("python:mykernel:Tracker", "rfc-v4"), ("rules:mykernel:Rules", "rfc-v4"),
     ("python:mykernel:Future", "6.1"), (f"cmd:{ADAPTER}", "6.1")],
)  # fmt: skip
def test_the_users_dialect_comes_first(spec, dialect, here):
    candidate, spoken = open_candidate(spec, Options(dialect=dialect))
    candidate.close()
    assert spoken == dialect


def test_the_patience_of_a_command_is_the_timeout():
    candidate, _ = open_candidate(f"cmd:{ADAPTER}", Options(timeout=3.5))
    candidate.close()
    assert candidate._patience == 3.5


KNOWN = ", ".join(DIALECTS)
WRONG = [
    ("pyhton:m:x", "unknown candidate 'pyhton:m:x'. Did you mean 'python'?"),
    ("refrence", "unknown candidate 'refrence'. Did you mean 'reference'?"),
    ("Rules:m:x", "Did you mean 'rules'?"),
    ("", "unknown candidate ''. A candidate is reference or reference:DIALECT; "),
    ("qqqq", "unknown candidate 'qqqq'. A candidate is "),
    ("qqqq:x", "cmd:./adapter --flags; mutant:NAME; kernel:TREE, kernel:FILE.patch, "),
    ("reference:6.x", f"unknown dialect '6.x'; known are {KNOWN}, and releases of kernels that had owners"),
    ("reference:rfc4", f"unknown dialect 'rfc4'; known are {KNOWN}, and releases of kernels that had owners, as 5.15.0-91-generic. Did you mean 'rfc-v4'?"),
    ("mutant:no-handof", "unknown mutant 'no-handof'. Did you mean 'no-handoff'?"),
    ("mutant:no-handof", f"Known are {', '.join(MUTANTS)}"),
    ("mutant:", "unknown mutant ''."),
    ("mutant", "unknown mutant ''."),
    ("python:", "python:: write python:module:name or file.py:name"),
    ("python:mykernel", "python:mykernel: write python:module:name or file.py:name"),
    ("python:mykernel:", "write python:module:name"),
    ("python::Tracker", "write python:module:name"),
    ("rules:mykernel", "rules:mykernel: write rules:module:name or file.py:name"),
    ("python:mykernel:Traker", "mykernel has no 'Traker'. Did you mean 'Tracker'?"),
    ("python:mykernel.py:Traker", "mykernel.py has no 'Traker'. Did you mean 'Tracker'?"),
    ("python:mykernel:Outer.Iner", "mykernel has no 'Outer.Iner'."),
    ("python:mykernel:number", "3 cannot be called; name a class or a function"),
    ("rules:mykernel:number", "3 cannot be called; name a class or a function"),
    ("rules:mykernel:Tracker", "owner rules need a method mm_init_owner(...)"),
    ("python:mykernel:Rules2", "Did you mean 'Rules'?"),
    ("python:nowhere_at_all:Tracker", "module 'nowhere_at_all' cannot be imported: No module named"),
    ("python:package.nowhere:Tracker", "module 'package.nowhere' cannot be imported: No module named"),
    ("python:nowhere.py:Tracker", "there is no file 'nowhere.py'"),
    ("python:package:Tracker", "package has no 'Tracker'"),
    ("rules:./package/no.py:Rules", "there is no file 'package/no.py'"),
    ("python:mykernel:Future", f"speaks the dialect 'seven', which is not there yet; known are {KNOWN}. Choose one with --mmowner-dialect"),
    ("rules:mykernel:FutureRules", "unknown dialect 'seven'; known are rfc-v4"),
    ("cmd:", "cmd:: name a program, as in cmd:./adapter --flag"),
    ("cmd:./nowhere", "the program './nowhere' is not there"),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "text"), WRONG)
def test_a_wrong_spec_says_what_is_wrong(spec, text, here):
    with pytest.raises(CallError) as caught:
        open_candidate(spec)
    assert text in str(caught.value)


def test_an_unknown_dialect_of_the_user_is_refused_before_anything_is_opened():
    with pytest.raises(CallError, match=r"unknown dialect '6\.1l'.*Did you mean '6\.1'"):
        open_candidate("cmd:/nowhere", Options(dialect="6.1l"))


def test_a_candidate_with_an_unknown_dialect_is_closed(tmp_path, monkeypatch):
    closed = []
    close = Command.close
    monkeypatch.setattr(Command, "close", lambda self: (closed.append(self), close(self)))
    fake = tmp_path / "fake.py"
    fake.write_text((EXAMPLES / "python" / "adapter.py").read_text().replace('"6.11"', '"seven"'))
    with pytest.raises(CallError, match=r"speaks the dialect 'seven'"):
        open_candidate(f"cmd:{sys.executable} -I -S {fake}")
    assert len(closed) == 1


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("import nowhere_at_all", "ModuleNotFoundError"),
        ("from sys import nothing", "ImportError"),
        ("def (", "SyntaxError"),
        ("1 / 0", "ZeroDivisionError"),
    ],
)
def test_a_file_that_does_not_import_says_why(here, text, error):
    (here / "broken.py").write_text(text)
    with pytest.raises(CallError) as caught:
        open_candidate("python:broken.py:Tracker")
    assert "'broken.py' cannot be imported: " in str(caught.value)
    assert error in str(caught.value)


BROKEN_MODULE = ()


@pytest.mark.parametrize(
    "text",
    [
        "import nowhere_at_all",
        "from sys import nothing",
        pytest.param("def (", marks=BROKEN_MODULE),
        pytest.param("1 / 0", marks=BROKEN_MODULE),
    ],
)
def test_a_module_that_does_not_import_says_so(here, text):
    (here / "broken.py").write_text(text)
    with pytest.raises(CallError, match="module 'broken' cannot be imported: "):
        open_candidate("python:broken:Tracker")


def test_a_relative_module_name_is_the_calls_fault():
    with pytest.raises(CallError):
        open_candidate("python:.mykernel:Tracker")


def test_a_file_that_does_not_import_is_forgotten(here):
    (here / "broken.py").write_text("1 / 0")
    with pytest.raises(CallError):
        open_candidate("python:broken.py:Tracker")
    assert "_mmowner_candidate_broken" not in sys.modules


def test_a_module_is_found_from_the_current_directory(here, monkeypatch):
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry not in ("", str(here))])
    candidate, _ = open_candidate("python:mykernel:Tracker")
    assert candidate.info.name == "Tracker"
    assert sys.path.count(str(here)) == 1
    open_candidate("python:package.inner:Tracker")
    assert sys.path.count(str(here)) == 1


def test_a_factory_that_fails_is_no_call_error(here):
    (here / "broken.py").write_text("def Tracker(): raise OSError('no device')")
    with pytest.raises(CandidateError, match="no device"):
        open_candidate("python:broken.py:Tracker")


@pytest.mark.parametrize(
    ("word", "known", "text"),
    [
        ("exot", ["exit", "exec"], " Did you mean 'exit'?"),
        ("zzz", ["exit"], ""),
        ("exit", [], ""),
        ("", ["exit"], ""),
    ],
)
def test_did_you_mean_is_a_close_word_or_nothing(word, known, text):
    assert did_you_mean(word, iter(known)) == text


def test_every_kind_has_a_form_here_but_those_that_take_more_than_python():
    elsewhere = {"kernel", "lib", "linux", "trace"}
    assert {spec.partition(":")[0] for spec, *_ in FORMS} == set(KINDS) - elsewhere
    assert set(KINDS) == set(MAKERS)


@pytest.mark.parametrize(
    ("release", "dialect"),
    [
        ("5.15.0-91-generic", "5.2"), ("2.6.32", "2.6.31"), ("6.12.48+deb13-amd64", "6.11"),
        ("6.2", "6.1"), ("4.2.0-42-generic", "3.16"),
    ],
)  # fmt: skip
def test_a_release_of_a_kernel_names_its_dialect_wherever_one_can_be_named(release, dialect):
    assert open_candidate("reference", Options(dialect=release))[1] == dialect
    candidate, spoken = open_candidate(f"reference:{release}")
    assert spoken == dialect
    assert candidate.dialect.name == dialect


def test_a_candidate_may_claim_the_release_that_it_is(pytester):
    pytester.makepyfile(
        mykernel="class Rules:\n    dialect = '6.8.0-45-generic'\n    mm_init_owner = mm_update_next_owner = lambda *_: None"
    )
    assert open_candidate("rules:mykernel.py:Rules")[1] == "6.1"


def test_a_release_between_two_dialects_is_told_what_its_dialect_lacks():
    assert judged_by("6.11") == ""
    assert judged_by("5.15.0") == "5.15.0 is judged by the dialect 5.2 (5.2 to 6.0)"
    said = judged_by("3.10.0-1160.el7.x86_64")
    assert said.startswith("3.10.0-1160.el7.x86_64 is judged by the dialect 3.0 (3.0 to 3.15), ")
    assert "which does not have yet: subreapers (3.4)" in said
    assert "3.1.3 and 3.10.28" in judged_by("3.10.28")
    assert "3.1.3 and 3.10.28" not in said  # 3.10.0 may have it or not
    assert "orphans go to the first live thread (3.19)" in judged_by("4.2")
    assert judged_by("3.18.140") == "3.18.140 is judged by the dialect 3.16 (3.16 to 4.3)"


def test_a_run_by_a_release_says_so_in_its_first_lines(pytester):
    result = pytester.runpytest_subprocess("--mmowner-dialect=4.2.0-42-generic")
    result.stdout.fnmatch_lines(["mmowner: 4.2.0-42-generic is judged by the dialect 3.16 *(3.19)"])
