"""The C of the runtime and the world: no warnings, and the same answers on every machine."""

import json
import shutil
import subprocess
from contextlib import closing

import pytest
from owner_making import FILES, kernel, tree
from owner_wrong import WRONG

from mmowner_conformance.scenes import SCENES
from mmowner_reference import DIALECTS
from pytest_mmowner._candidates.kernel import world_of
from pytest_mmowner._kernel._build import (
    COMMON,
    HERE,
    JSON,
    LIBRARY,
    LIBRARY_HOST,
    RUNTIME,
    SIZES,
    WATCHED,
    WORLD,
    build,
)
from pytest_mmowner._kernel._sources import open_source
from pytest_mmowner._schedules import explore

ARM, EMULATOR = "aarch64-linux-gnu-gcc", "qemu-aarch64"
PLAIN = [*(HERE / f"{name}.c" for name in (*RUNTIME, *LIBRARY)), JSON / "json.c"]
SEEN = [HERE / f"{name}.c" for name in (*WORLD, *LIBRARY_HOST)]
BY_NAME = {scene.name: scene for scene in SCENES}


def compiled(compiler, source, target, *flags):
    """What *compiler* says when it compiles *source*."""
    if shutil.which(compiler) is None:
        pytest.skip(f"there is no {compiler} here")
    watched = WATCHED["clang" if "clang" in compiler else "gcc"] if source in SEEN else ()
    done = subprocess.run(
        [compiler, *COMMON, *SIZES, "-Wall", "-Wextra", "-O1", *watched, *flags, "-c", str(source),
         "-o", str(target)], capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert target.exists() == (done.returncode == 0)
    return done.stdout + done.stderr


@pytest.mark.parametrize("compiler", ["gcc", "clang", ARM])
@pytest.mark.parametrize("source", [*PLAIN, *SEEN], ids=lambda path: path.name)
def test_it_compiles_without_a_warning(compiler, source, tmp_path):
    assert compiled(compiler, source, tmp_path / "a.o", "-Werror") == ""


def test_the_portable_coroutines_compile_everywhere(tmp_path):
    for compiler in ("gcc", "clang", ARM):
        if shutil.which(compiler):
            assert (
                compiled(
                    compiler,
                    HERE / "runtime.c",
                    tmp_path / f"{compiler}.o",
                    "-DMMO_UCONTEXT",
                    "-Werror",
                )
                == ""
            )


def test_every_file_is_compiled_by_somebody():
    units = {path.name for path in (*PLAIN, *SEEN)}
    included = set((HERE / "runtime.c").read_text().replace('"', " ").split())
    assert {path.name for path in HERE.glob("*.c")} <= units | included


# -- the same answers --------------------------------------------------------------------------

#: Wrong kernels and a scene, which together use locks, RCU, references, faults and deadlocks.
TELLING = ("no-recheck", "crossed", "no-reference", "recursion", "null", "keeps-dead-owner")


def without_addresses(answer):
    """An answer without what differs between machines: where its code lies."""
    findings = [{name: one[name] for name in ("kind", "fatal", "who", "preemptions", "task", "op")}
                for one in answer["findings"]]  # fmt: skip
    return set(answer["outcomes"]), sorted(map(json.dumps, findings)), answer["complete"]


@pytest.fixture(params=TELLING)
def plain(request, tmp_path):
    """A wrong kernel, its scene, and what the coroutines of this machine find."""
    wrong = WRONG[request.param]
    with closing(kernel(tmp_path, wrong.tree, *wrong.edits)) as candidate:
        answer, _ = explore(candidate, wrong.shown_in, bound=2)
    return wrong, tmp_path, answer


@pytest.mark.slow
def test_portable_coroutines_give_the_same_answers(plain, monkeypatch):
    wrong, root, answer = plain
    monkeypatch.setenv(
        "CC", "gcc -DMMO_UCONTEXT" if shutil.which("gcc") else "clang -DMMO_UCONTEXT"
    )
    with closing(kernel(root, wrong.tree, *wrong.edits)) as candidate:
        again, _ = explore(candidate, wrong.shown_in, bound=2)
    # The very same compiler made it, so even the order is the same.
    assert without_addresses(again) == without_addresses(answer)
    assert (again["schedules"], again["pruned"]) == (answer["schedules"], answer["pruned"])


def asked(command, *requests):
    """The answers of a program to *requests*."""
    lines = "".join(
        json.dumps({"seq": number, **one}) + "\n" for number, one in enumerate(requests)
    )
    done = subprocess.run(
        command, input=lines, capture_output=True, text=True, check=True, timeout=300
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.slow
def test_another_machine_gives_the_same_answers(plain, monkeypatch):
    wrong, root, answer = plain
    for tool in (ARM, EMULATOR):
        if shutil.which(tool) is None:
            pytest.skip(f"there is no {tool} here: another machine's code is not made and run")
    monkeypatch.setenv("CC", f"{ARM} -static")
    program, _ = build(open_source("kernel:it", str(root)))
    settings = [
        f"{name}={value}" for name, value in world_of(DIALECTS[wrong.dialect], None).items()
    ]
    (said,) = asked(
        [EMULATOR, str(program.path), *settings],
        {"op": "explore", **wrong.shown_in.request(), "bound": 2, "limit": 100000},
    )
    assert without_addresses(said["answer"]) == without_addresses(answer)


@pytest.mark.parametrize("name", ["exit-exit", "thread-execs"])
def test_each_compiler_makes_the_same_of_a_right_kernel(tmp_path, monkeypatch, name):
    answers = {}
    for compiler in ("gcc", "clang"):
        if shutil.which(compiler) is None:
            pytest.skip(f"there is no {compiler} here, and this takes two")
        monkeypatch.setenv("CC", compiler)
        with closing(kernel(tmp_path, FILES)) as candidate:
            answers[compiler] = without_addresses(explore(candidate, BY_NAME[name], bound=2)[0])
    assert answers["gcc"] == answers["clang"]


def test_a_wrong_argument_is_told(tmp_path):
    program, _ = build(open_source("kernel:it", str(tree(tmp_path))))
    for word in ("colour=3", "nothing"):
        done = subprocess.run(
            [program.path, word], capture_output=True, text=True, check=False, input=""
        )
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == f"unknown argument {word.partition('=')[0]}\n"


def test_what_is_no_request_is_answered(tmp_path):
    program, _ = build(open_source("kernel:it", str(tree(tmp_path))))
    answers = asked(
        [program.path, "owner=1"], {"op": "start"}, {"op": "reset"}, {"op": "fly"}, {"op": "exit", "task": 7},
        {"ask": "colour"}, {"ask": "owner", "mm": 9}, {"op": "explore", "overlap": []},
        {"op": "explore", "overlap": [{"op": "fly"}]}, {"op": "findings"}, {"op": "reached"}, {"op": "stop"},
    )  # fmt: skip
    assert [one["seq"] for one in answers] == list(range(11))
    assert answers[0]["protocol"] == 1
    assert answers[1]["ok"] is answers[10]["ok"] is True
    assert all("error" in answers[number] for number in (2, 4, 5, 6, 7))
    assert answers[3]["untestable"] == "an operation names a task that is not there"
    assert answers[8]["answer"] == []
    assert all(len(edge) == 2 for edge in answers[9]["answer"])
