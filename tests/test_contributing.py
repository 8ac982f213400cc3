"""The worked example of CONTRIBUTING.md: a new dialect is two lines in one table."""

import os
import re
import shutil
import subprocess
import sys

import pytest

NEW = "3.19"


@pytest.fixture(scope="module")
def example(root):
    """The section of the worked example: its blocks by kind."""
    text = (root / "CONTRIBUTING.md").read_text()
    section = text.split("### A dialect, step by step")[1].split("\n## ")[0]
    blocks = {"console": [], "text": []}
    for kind, block in re.findall(r"```(\w+)\n(.*?)```", section, re.DOTALL):
        blocks[kind].append(block)
    return blocks


@pytest.fixture(scope="module")
def tree(root, example, tmp_path_factory):
    """A copy of the packages with the two lines of the example in it."""
    tree = tmp_path_factory.mktemp("tree")
    for package in (
        "reference/mmowner_reference", "conformance/mmowner_conformance", "pytest_mmowner",
    ):  # fmt: skip
        shutil.copytree(root / package, tree / package.split("/")[-1])
    table = tree / "mmowner_reference/_dialects.py"
    source = table.read_text()
    row, change, _ = example["text"]
    before, after = source.split('        "4.4": ')
    source = f'{before}        {row}        "4.4": {after}'
    old = change.replace(f'_change("{NEW}"', '_change("4.4"').strip()
    assert source.count(old) == 1
    table.write_text(source.replace(old, change.strip()))
    return tree


def run(tree, *command):
    # Without what coverage left for child processes: the copy is not the code that counts.
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("COVERAGE_")}
    env = {**inherited, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    env.pop("PYTEST_ADDOPTS", None)
    return subprocess.run(
        [sys.executable, *command], cwd=tree, env=env, capture_output=True, text=True, check=False
    )


def test_only_the_table_was_touched(tree, root):
    found = run(tree, "-c", "import mmowner_reference as r; print(r.__file__, *r.DIALECTS)")
    assert str(tree) in found.stdout
    assert NEW in found.stdout.split()


def test_releases_resolve_to_the_new_dialect(tree):
    code = (
        "from mmowner_reference import dialect_of_release as of;"
        "print(of('3.19.8'), of('4.2.0-42-generic'), of('3.18.140'), of('4.4.1'))"
    )
    assert run(tree, "-c", code).stdout.split() == [NEW, NEW, "3.16", "4.4"]


@pytest.mark.slow
@pytest.mark.nightly
def test_the_suite_judges_by_the_new_dialect(tree, example):
    assert example["console"][0].splitlines()[0] == f"$ mmowner run reference:{NEW}"
    done = run(tree, "-m", "pytest_mmowner", "run", f"reference:{NEW}", "--", "-q")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"reference:{NEW}, dialect {NEW}: " in done.stdout
    assert " fail" not in done.stdout.splitlines()[-2]


def test_the_program_that_is_shown_is_the_difference(tree, example):
    code = f"""
from mmowner_reference import *
program = parse_program({example["text"][2]!r})
print(*(Kernel(name).run(program).owner(2) for name in ("3.16", {NEW!r})))
"""
    done = run(tree, "-c", code)
    assert done.stdout.split() == ["4", "5"], done.stderr


@pytest.mark.slow
@pytest.mark.nightly
def test_diff_finds_it_and_names_the_commit(tree, example):
    done = run(tree, "-m", "pytest_mmowner", "diff", "3.16", NEW)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "orphans go to the first live thread" in done.stdout
    assert "part after 6 operations" in done.stdout
