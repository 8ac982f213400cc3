"""Real trees, as their users run them: the whole suite, and the hazards of the RFC from its mail.

Nothing here is fitted to a tree: whatever lies in ``MMOWNER_TREES`` is judged by night.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from trees import every_tree, tree

from mmowner_conformance.scenes import SCENES
from mmowner_reference import dialect_of_release
from pytest_mmowner._candidates.kernel import open_kernel
from pytest_mmowner._schedules import explore, fits

ROOT = Path(__file__).parents[2]
#: The mail that started it, flattened by its archive: no file of ours, so it lies beside us.
MAIL = ROOT.parent / "shared/spec/rfc-v4.txt"
#: What the RFC is known for, and where schedules show it: kind, scene, preemptions it takes.
OVERLAPPING = (
    ("bug-on", "exec-get", 2),
    ("use-after-free", "exit-exit-reap", 1),
    ("list-walk", "exit-exit", 0),
    ("endless-loop", "siblings-all-reaped", 1),
)


def mail() -> Path:
    """Return the mail of RFC v4, or skip the test."""
    path = Path(os.environ.get("MMOWNER_RFC", MAIL))
    if not path.is_file():
        pytest.skip("the mail of RFC v4 is not there: name it with MMOWNER_RFC")
    return path


def judged(spec: str, at: Path, *options: str) -> tuple[int, dict[str, str]]:
    """Run the suite on *spec*; return its exit code and the verdict of each requirement."""
    record = at / "record.jsonl"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--pyargs", "mmowner_conformance", "-q",
         "-p", "no:cacheprovider", f"--mmowner-candidate={spec}", f"--mmowner-report={record}",
         *options],
        cwd=at, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert record.is_file(), done.stdout + done.stderr
    lines = [json.loads(line) for line in record.read_text().splitlines()]
    verdicts = {line["requirement"]: line["verdict"] for line in lines if "verdict" in line}
    assert verdicts, done.stdout
    return done.returncode, verdicts


@pytest.mark.slow
@pytest.mark.parametrize(("release", "dialect"), [("6.1", "6.1"), ("6.12", "6.11")])
def test_a_tree_of_debian_passes_as_its_dialect(tmp_path: Path, release: str, dialect: str) -> None:
    path = tree(release)
    code, verdicts = judged(f"kernel:{path}", tmp_path)
    assert code == 0, verdicts
    assert set(verdicts.values()) <= {"pass", "not applicable", "observed"}
    assert sum(verdict == "pass" for verdict in verdicts.values()) >= 75
    candidate = open_kernel(f"kernel:{path}", str(path), None, 30.0)
    try:
        assert candidate.info.dialect == dialect
    finally:
        candidate.close()


@pytest.mark.slow
def test_the_mail_of_the_rfc_alone_has_its_hazards(tmp_path: Path) -> None:
    code, verdicts = judged(f"kernel:{mail()}", tmp_path, "--mmowner-scope=none")
    assert code == 0, verdicts
    hazards = {rule for rule, verdict in verdicts.items() if verdict == "hazard"}
    assert hazards >= {"INV-01", "INV-02", "LEADER-05", "EXEC-02", "LOCK-02", "LOCK-06",
                       "RACE-05", "SOUND-01"}  # fmt: skip
    assert set(verdicts.values()) <= {"pass", "not applicable", "observed", "hazard"}


@pytest.mark.parametrize(("kind", "name", "preemptions"), OVERLAPPING)
def test_what_the_rfc_does_when_operations_overlap(kind: str, name: str, preemptions: int) -> None:
    path = mail()
    candidate = open_kernel(f"kernel:{path}", str(path), None, 30.0)
    try:
        scene = next(one for one in SCENES if one.name == name)
        _, found = explore(candidate, scene)
        assert (kind, preemptions) in [(one.kind, one.preemptions) for one in found]
        assert any("kernel/exit.c" in one.place for one in found if one.kind == kind)
    finally:
        candidate.close()


@pytest.mark.slow
@pytest.mark.nightly
def test_any_tree_is_judged_by_its_dialect_and_passes(tmp_path: Path) -> None:
    for path in every_tree():
        at = tmp_path / path.name
        at.mkdir()
        code, verdicts = judged(f"kernel:{path}", at, "--mmowner-scope=none")
        assert code == 0, (path, verdicts)
        assert set(verdicts.values()) <= {"pass", "not applicable", "observed", "hazard"}
        assert sum(verdict in ("pass", "hazard") for verdict in verdicts.values()) >= 60
        candidate = open_kernel(f"kernel:{path}", str(path), None, 30.0)
        try:
            assert candidate.facts.version is not None
            dialect = candidate.info.dialect
            assert dialect == dialect_of_release(candidate.facts.version)
            assert not candidate.program.left_out
            assert sum(fits(candidate, scene, dialect or "") for scene in SCENES) >= 40
        finally:
            candidate.close()
