"""What the tests of ``lib:`` share: compiling a library, and talking to the program that loads it."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from mmowner_reference import DIALECTS
from pytest_mmowner._candidates.kernel import world_of
from pytest_mmowner._kernel import _build
from pytest_mmowner.errors import MissingPrerequisite

HEADER = Path(_build.__file__).parent
#: The smallest library of the rules level; tests put their own functions in.
RULES = {
    "mmo_open": "uint32_t mmo_open(const struct mmo_host *h) { host = h; return MMO_ABI; }",
    "mmo_mm_init": "void mmo_mm_init(mmo_mm mm, mmo_task task) { host->set_owner(mm, task); }",
    "mmo_update_next_owner": "void mmo_update_next_owner(mmo_mm mm) { host->set_owner(mm, 0); }",
}
TRACKER = {
    "mmo_tracker_open": "uint32_t mmo_tracker_open(uint32_t abi) { return abi; }",
    "mmo_reset": "int mmo_reset(void) { return MMO_OK; }",
    "mmo_exit": "int mmo_exit(mmo_task task) { (void)task; return MMO_OK; }",
    "mmo_owner": "int mmo_owner(mmo_mm mm, mmo_task *task) { *task = mm; return MMO_OK; }",
}


def host_program() -> str:
    """The program that loads a library; a skip, with the reason, where there is no compiler."""
    try:
        return str(_build.build_library().path)
    except MissingPrerequisite as exc:
        pytest.skip(str(exc))


def compiler() -> list[str]:
    try:
        return list(_build.compiler().command)
    except MissingPrerequisite as exc:
        pytest.skip(str(exc))


def run(*command: str | Path, cwd: Path | None = None) -> None:
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def compiled(source: Path, target: Path, *flags: str) -> Path:
    run(*compiler(), "-std=c99", "-g", "-Wall", "-Wextra", "-fPIC", "-shared", f"-I{HEADER}",
        *flags, source, "-o", target)  # fmt: skip
    return target


def written(directory: Path, functions: dict[str, str], *flags: str, before: str = "") -> Path:
    """A library of these functions, of which the empty ones are left out."""
    source = directory / "candidate.c"
    source.write_text(
        '#include <stdint.h>\n#include <stdio.h>\n#include <stdlib.h>\n#include "mmowner.h"\n'
        f"static const struct mmo_host *host __attribute__((unused));\n{before}\n"
        + "\n".join(functions.values())
    )
    return compiled(source, directory / "candidate.so", *flags)


def rustc() -> str:
    found = shutil.which("rustc")
    if found is None:
        pytest.skip("there is no rustc here, and the example is in Rust")
    return found


def settings(dialect: str) -> list[str]:
    return [f"{name}={value}" for name, value in world_of(DIALECTS[dialect], None).items()]


class Client:
    """One process with a library in it."""

    def __init__(self, library: Path | str | None, dialect: str = "6.11") -> None:
        named = [] if library is None else [f"lib={library}"]
        self.process = subprocess.Popen(
            [host_program(), *named, *settings(dialect)], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def ask(self, **request: Any) -> dict[str, Any]:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps({"seq": 1, **request}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        assert answer.pop("seq") == 1
        return answer

    def do(self, word: str, **fields: Any) -> dict[str, Any]:
        return self.ask(op=word, **fields)

    def end(self) -> tuple[int, str]:
        """Close its input; return its exit code and what it said."""
        _, said = self.process.communicate(timeout=20)
        return self.process.returncode, said

    def __enter__(self):
        return self

    def __exit__(self, *_exc: object) -> None:
        self.process.kill()
        self.process.communicate()


def explored(
    library: Path, setup: Sequence[dict[str, Any]], *beside: dict[str, Any]
) -> dict[str, Any]:
    with Client(library) as client:
        return client.do("explore", setup=list(setup), overlap=list(beside), bound=2)
