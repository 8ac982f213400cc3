"""The wheel is whole: built, installed in a fresh environment, run from an empty directory."""

import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

#: The C that kernel: and lib: candidates are compiled with.
C = Path(__file__).parents[1] / "pytest_mmowner/_kernel/c"


def run(*command, cwd, env=None):
    clean = {
        key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "COV"))
    }
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env={**clean, **(env or {})},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(root, tmp_path_factory):
    source = tmp_path_factory.mktemp("source") / "tree"
    ignore = shutil.ignore_patterns(".git", ".venv", ".tox", "dist", ".*_cache", "__pycache__")
    shutil.copytree(root, source, ignore=ignore)
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--wheel", "--outdir", out, source, cwd=out)
    (built,) = out.glob("*.whl")
    return built


def test_the_wheel_claims_three_names_and_no_more(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info" not in name}
    assert tops == {"pytest_mmowner", "mmowner_conformance", "mmowner_reference"}
    for needed in (
        "mmowner_conformance/requirements.toml", "pytest_mmowner/py.typed", "pytest_mmowner/_linux/agent.c",
        "pytest_mmowner/_core/core.c", "pytest_mmowner/_core/world.h", "pytest_mmowner/_kernel/mmowner.h",
        *(f"pytest_mmowner/_kernel/c/{path.name}" for path in C.iterdir()),
        "mmowner_reference/py.typed", "mmowner_conformance/py.typed",
    ):  # fmt: skip
        assert needed in names


@pytest.mark.slow
def test_the_installed_wheel_runs_the_suite_from_an_empty_directory(wheel, tmp_path):
    home = tmp_path / "env"
    venv.create(home, with_pip=True)
    run(home / "bin/pip", "install", "-q", wheel, cwd=tmp_path)
    empty = tmp_path / "empty"
    empty.mkdir()
    out = run(home / "bin/pytest", "--pyargs", "mmowner_conformance", "-q", cwd=empty)
    assert "0 failed" not in out
    assert "mmowner: reference, dialect 6.11:" in out
    assert " fail" not in out
    run(
        home / "bin/python", "-c",
        "import pytest_mmowner; assert pytest_mmowner.check('reference', level='order').ok", cwd=empty,
    )  # fmt: skip


@pytest.mark.slow
def test_running_the_suite_in_the_repository_is_the_same_suite(root):
    out = run(
        sys.executable,
        "-m",
        "pytest",
        "conformance",
        "-q",
        "-p",
        "no:cacheprovider",
        "-k",
        "fork",
        cwd=root,
    )
    assert "mmowner: reference, dialect 6.11:" in out
