"""Records as data: what ``--json`` prints is what the text says, and what scripts may rely on."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from record_making import header, outcome, sealed, who, write

from pytest_mmowner import CallError
from pytest_mmowner._cli import main
from pytest_mmowner._record_check import RecordError
from pytest_mmowner._record_data import compare_data, show_data
from pytest_mmowner._record_read import compare, read_record
from pytest_mmowner._verdicts import VERDICTS

SPEC = "cmd:./mine"


def made(path, spec, said, **more):
    outcomes = [
        outcome(spec, rule, verdict, text=text, observed=text if verdict == "fail" else "")
        for rule, (verdict, text) in said.items()
    ]
    return write(path, header(who(spec, dict.fromkeys(said, 1)), **more), outcomes)


@pytest.fixture
def two(tmp_path):
    """Two versions of a candidate, of which the second is better, worse and different."""
    return [
        made(
            tmp_path / name, f"cmd:./{name}",
            {"SEARCH-01": (first, "a"), "FORK-01": (second, "b"), "EXIT-01": ("fail", third),
             "INV-01": ("pass", ""), **more},
        )
        for name, first, second, third, more in [
            ("old.jsonl", "fail", "pass", "c", {}),
            ("new.jsonl", "pass", "not applicable", "d", {"OLD-01": ("pass", "")}),
        ]
    ]  # fmt: skip


def test_a_record_is_shown_as_data(small):
    data = show_data(small)
    json.dumps(data)
    head, foot = read_record(small).header, read_record(small).footer
    assert data["file"] == str(small)
    for name in ("format", "suite", "requirements", "platform", "seed", "levels", "set"):
        assert data[name] == getattr(head, name)
    assert (data["lines"], data["sha256"], data["unfinished"]) == (foot.lines, foot.sha256, 1)
    (one,) = data["candidates"]
    assert (one["spec"], one["dialect"], one["claims"]) == (SPEC, "6.11", "6.11")
    assert (one["name"], one["started"]) == ("./mine", ["./adapter", "-v"])
    assert {rule: said["verdict"] for rule, said in one["requirements"].items()} == {
        "SEARCH-01": "fail", "FORK-01": "pass", "EXIT-01": "error", "VFORK-01": "pass"
    }  # fmt: skip
    assert one["requirements"]["SEARCH-01"] == {
        "verdict": "fail", "level": "order", "listed": False, "tests": 1, "seconds": 0.25,
        "text": "SEARCH-01 is broken:\nit is", "program": "exit(2)\n",
        "observed": [f"test_it[{SPEC}]: after exit(2): owner(mm 2) is task 3"],
    }  # fmt: skip
    assert one["counts"] == {**dict.fromkeys(VERDICTS, 0), "pass": 2, "fail": 1, "error": 1}
    assert one["unfinished"] == {"VFORK-01": 1}


def test_a_known_failure_is_shown_as_listed(small):
    texts = small.read_bytes().splitlines()
    texts[2] = texts[2].replace(b'"listed":false', b'"listed":true')
    small.write_bytes(sealed(texts))
    (one,) = show_data(small)["candidates"]
    assert [rule for rule, said in one["requirements"].items() if said["listed"]] == ["SEARCH-01"]


def test_candidates_that_were_not_announced_or_not_judged_are_shown(tmp_path):
    path = write(
        tmp_path / "odd.jsonl", header(who("cmd:./a", {"FORK-01": 1})),
        [outcome("cmd:./b", "OLD-01", "pass")],
    )  # fmt: skip
    first, second = show_data(path)["candidates"]
    assert (first["spec"], first["requirements"], first["unfinished"]) == (
        "cmd:./a", {}, {"FORK-01": 1}
    )  # fmt: skip
    assert set(first["counts"].values()) == {0}
    assert (second["spec"], second["dialect"]) == ("cmd:./b", "6.11")
    assert second["requirements"]["OLD-01"]["level"] is None


def test_runs_are_compared_as_data(two):
    data = compare_data(two)
    json.dumps(data)
    assert [(run["label"], run["file"], run["spec"]) for run in data["candidates"]] == [
        ("A", str(two[0]), "cmd:./old.jsonl"), ("B", str(two[1]), "cmd:./new.jsonl")
    ]  # fmt: skip
    assert data["candidates"][0]["counts"]["fail"] == 2
    assert data["requirements"] == {
        "INV-01": {"verdicts": {"A": "pass", "B": "pass"}, "differs": False},
        "FORK-01": {"verdicts": {"A": "pass", "B": "not applicable"}, "differs": True},
        "EXIT-01": {"verdicts": {"A": "fail", "B": "fail"}, "differs": True},
        "SEARCH-01": {"verdicts": {"A": "fail", "B": "pass"}, "differs": True},
        "OLD-01": {"verdicts": {"A": None, "B": "pass"}, "differs": True},
    }
    (pair,) = data["pairs"]
    assert (pair["from"], pair["to"]) == ("A", "B")
    assert pair["better"] == ["SEARCH-01", "OLD-01"]
    assert pair["worse"] == ["FORK-01"]
    assert pair["changed"] == {
        "EXIT-01": "fail both times: test_it[CANDIDATE]: c; now test_it[CANDIDATE]: d"
    }
    assert "A to B: 2 better, 1 worse, 1 changed" in compare(two)


def test_data_is_refused_as_the_text_is(two):
    with pytest.raises(CallError, match="nothing to compare: 1 run in 1 record"):
        compare_data(two[:1])
    two[0].write_bytes(two[0].read_bytes()[:-5])
    for call in (lambda: show_data(two[0]), lambda: compare_data(two)):
        with pytest.raises(RecordError, match="truncated"):
            call()


def test_a_refused_record_is_told_on_both_streams(small, capsys):
    assert main(["report", "verify", str(small), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "file": str(small), "ok": True, "lines": 10,
        "sha256": read_record(small).footer.sha256,
    }  # fmt: skip
    small.write_bytes(small.read_bytes()[:-5])
    assert main(["report", "verify", str(small), "--json"]) == 1
    out, err = capsys.readouterr()
    said = json.loads(out)
    assert (said["file"], said["ok"], said["line"]) == (str(small), False, 11)
    assert said["why"].startswith("truncated: the last line is cut off.")
    assert err == f"mmowner: {small}:11: {said['why']}\n"
    assert main(["report", "verify", str(small) + "x", "--json"]) == 4
    assert capsys.readouterr().out == ""


@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")
def test_the_command_of_the_documentation_tells_worse_from_not_worse(two, root):
    text = (root / "docs/record.md").read_text("utf-8")
    (command,) = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    for same, code in [(False, 1), (True, 0)]:
        if same:
            shutil.copy(two[0], two[1])
        done = subprocess.run(
            command, shell=True, cwd=two[0].parent, env=env, capture_output=True, check=False
        )
        assert done.returncode == code, done.stderr
