"""The console script and files: records of runs, and the baseline that judges them."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from pytest_mmowner._cli import _records, _run
from pytest_mmowner._cli._parser import CallWrong
from pytest_mmowner._record_check import RecordError

ROOT = Path(__file__).parents[2]
HANDOFF = "clone(1, 2, mm=2)\nclone(2, 3, VM)\nexit(2)\n"
ADAPTER = f"cmd:{sys.executable} {ROOT / 'examples/python/adapter.py'}"


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
