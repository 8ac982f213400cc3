"""The documents say what the code does: generated parts are fresh, sessions are executed."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from pytest_mmowner._schedules import BLAME

BLOCK = re.compile(r"```(console|python|json)\n(.*?)```", re.DOTALL)


def blocks(path, kind):
    return [text for what, text in BLOCK.findall(path.read_text("utf-8")) if what == kind]


def sessions(text):
    """Yield the commands of a console block with the output shown for each."""
    command, shown = None, []
    for line in text.splitlines():
        if line.startswith("$ "):
            if command:
                yield command, shown
            command, shown = line[2:], []
        else:
            shown.append(line)
    yield command, shown


def documented_sessions():
    root = Path(__file__).resolve().parent.parent
    for page in ("README.md", "docs/kernel.md", "docs/schedules.md", "docs/lib.md"):
        for number, text in enumerate(blocks(root / page, "console")):
            yield pytest.param(list(sessions(text)), id=f"{Path(page).stem}-{number + 1}")


def test_generated_parts_are_up_to_date(root):
    done = subprocess.run(
        [sys.executable, root / "docs/generate.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def matches(shown, printed):
    """Whether the lines *shown* are what was *printed*.

    ``...`` stands for any lines, and within a line for anything.
    """
    pattern = "".join(
        r"(?:.*\n)*?" if line.strip() == "..."
        else re.escape(line.rstrip()).replace(r"\.\.\.", ".*") + r" *\n"
        for line in shown
    )  # fmt: skip
    pattern = re.sub(r"(_|=|-|\\-){5,}", "[_=-]{5,}", pattern)
    return re.fullmatch(pattern, printed) is not None


@pytest.mark.slow
@pytest.mark.parametrize("session", list(documented_sessions()))
def test_sessions_print_what_the_documents_show(session, root, tmp_path):
    text = " ".join(command for command, _ in session)
    if re.search(r"\b(?:kernel|lib):", text) and not (
        shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    ):
        pytest.skip("no C compiler")
    if "linux:uml" in text and not shutil.which("linux.uml"):
        pytest.skip("user-mode-linux is not installed")
    if "make " in text and not (shutil.which("cc") and shutil.which("make")):
        pytest.skip("no C compiler or no make")
    shutil.copytree(root / "examples", tmp_path / "examples")
    env = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "COLUMNS": "80",
    }
    env.pop("PYTEST_ADDOPTS", None)
    for command, shown in session:
        done = subprocess.run(
            command, shell=True, cwd=tmp_path, env=env, capture_output=True, text=True, check=False
        )
        printed = done.stdout + done.stderr
        assert matches(shown, printed), f"$ {command}\n{printed}"


def test_the_readmes_python_runs(root, tmp_path):
    shutil.copytree(root / "examples", tmp_path / "examples")
    pieces = [text for text in blocks(root / "README.md", "python") if "class Tracker" not in text]
    assert len(pieces) == 2
    for number, text in enumerate(pieces):
        (tmp_path / f"test_piece_{number}.py").write_text(text)
        how = [sys.executable, "-m", "pytest", "-q"] if "def test_" in text else [sys.executable]
        done = subprocess.run(
            [*how, f"test_piece_{number}.py"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_second_command_of_the_readme_is_what_ci_runs(root):
    commands = re.findall(r"```sh\n(.*?)```", (root / "README.md").read_text("utf-8"), re.DOTALL)
    assert len(commands) == 2
    assert commands[1].strip() in (root / ".ci/run").read_text("utf-8")


def test_links_in_the_documents_lead_somewhere(root):
    for path in [root / "README.md", *root.glob("docs/*.md"), root / "CONTRIBUTING.md"]:
        for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text("utf-8")):
            assert (path.parent / target).exists(), f"{path.name}: {target}"


def test_every_kind_of_finding_of_the_c_world_breaks_a_requirement(root):
    """And each has its words in docs/kernel.md, which is generated from both."""
    text = "".join(path.read_text() for path in (root / "pytest_mmowner/_kernel/c").glob("*.c"))
    named = re.findall(r'\[F_\w+\] = "([a-z-]+)"', text)
    assert len(named) > 20
    # What a reader that follows the owner touches is told from what the candidate touches.
    assert set(named) | {"charge-use-after-free"} == set(BLAME)


def test_the_protocols_examples_follow_its_schema(root):
    schema = json.loads((root / "docs/protocol.schema.json").read_text("utf-8"))
    examples = []
    for text in blocks(root / "docs/protocol.md", "json"):
        decoder, at = json.JSONDecoder(), 0
        while at < len(text.rstrip()):
            value, at = decoder.raw_decode(text, at)
            examples.append(value)
            at += len(text[at:]) - len(text[at:].lstrip())
    assert len(examples) >= 10
    for example in examples:
        jsonschema.validate(example, schema)


def test_the_schema_refuses_what_is_no_message(root):
    schema = json.loads((root / "docs/protocol.schema.json").read_text("utf-8"))
    clone = {"op": "clone", "task": 1, "child": 2, "flags": []}
    wrong = {
        "request": [{"seq": 1, "op": "fly"}, [], clone | {"task": 0}, clone | {"flags": ["MM"]}],
        "answer": [{"seq": "1", "ok": True}, {"ok": True}, {"seq": 1, "ok": "yes"}],
    }
    for kind, messages in wrong.items():
        for message in messages:
            with pytest.raises(jsonschema.ValidationError):
                jsonschema.validate(message, {**schema, "anyOf": [{"$ref": f"#/$defs/{kind}"}]})
