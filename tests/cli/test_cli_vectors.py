"""``mmowner vectors``: what it writes is right, and stays as it was written."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from mmowner_reference import Bounds, Kernel, explore, op_from_dict, outcomes
from mmowner_reference._space import key_of, operations
from pytest_mmowner._vectors import Wanted

SMALL = ("--scope", "3,2,1,0")
#: Init execs while two of its threads have a child with its mm: the order of their exits tells.
SEVERAL = ("--scope", "5,2,0,0", "--without", "reap,clone:PARENT")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Write vectors, those of a command line once; return their directory."""
    from pytest_mmowner._cli import main

    known = {}

    def make(*words):
        if words not in known:
            known[words] = tmp_path_factory.mktemp("vectors")
            assert main(["vectors", *words, "-o", str(known[words])]) == 0
        return known[words]

    return make


def cases(directory):
    return [json.loads(line) for line in (directory / "vectors.jsonl").read_text().splitlines()]


def manifest(directory):
    return json.loads((directory / "manifest.json").read_text("utf-8"))


def answers(world, op, asks):
    """What is right to answer in *world*: everything of it that can be asked after *op*."""
    tasks = dict.fromkeys(op[field] for field in ("task", "child") if field in op)
    return {
        *(("owner", mm, world.owner(mm)) for mm in world.mms if "owner" in asks),
        *(("users", mm, world.users(mm)) for mm in world.mms if "users" in asks),
        *(("state", task, world.state(task)) for task in tasks if "state" in asks),
    }


# -- the answers are right ------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ("--dialect", "rfc-v4", "--scope", "3,2,0,1"),
        ("--dialect", "2.6.28", "--scope", "3,2,1,1"),
        ("--dialect", "6.11", "--scope", "3,2,1,1"),
        ("--dialect", "none", "--scope", "3,2,1,0"),
        ("--scope", "3,3,1,1", "--without", "clone:THREAD,use_mm", "--asks", "state,owner"),
        ("--scope", "3,2,1,0", "--order", "shortest"),
        ("--scope", "5,1,0,0"),  # execs whose outcomes differ, and are answered alike
    ],
    ids=" ".join,
)
def test_the_reference_answers_what_the_file_says(made, words):
    """Of the making nothing is used: the lines are read, and run in the kernel of objects."""
    directory = made(*words)
    said = manifest(directory)
    counts = {"cases": 0, "operations": 0, "transitions": 0}
    for number, case in enumerate(cases(directory), 1):
        assert case["id"] == number
        world = Kernel(said["dialect"])
        for op, sets in zip(case["ops"], case["answers"], strict=True):
            world.do(op_from_dict(op))
            if sets:
                assert [set(map(tuple, one)) for one in sets] == [answers(world, op, said["asks"])]
            counts["operations"] += 1
            counts["transitions"] += bool(sets)
        counts["cases"] += 1
    assert counts == {count: said[count] for count in counts}


def test_where_an_exec_has_several_outcomes_each_is_a_set(made):
    """Two orders of the exits of threads with children: another child is the next owner."""
    directory = made(*SEVERAL)
    found = 0
    for case in cases(directory):
        if not any(len(sets) > 1 for sets in case["answers"]):
            continue
        found += 1
        *before, last = case["ops"]
        worlds = outcomes(Kernel().run(map(op_from_dict, before)), op_from_dict(last))
        right = {frozenset(answers(world, last, ("owner", "users", "state"))) for world in worlds}
        sets = [frozenset(map(tuple, one)) for one in case["answers"][-1]]
        assert len(sets) > 1
        assert set(sets) == right
        assert len(sets) == len(right)
    assert found == manifest(directory)["several"] > 0


@pytest.mark.parametrize(
    ("bounds", "order"), [(Bounds(3, 2, 1, 1), "cases"), (Bounds(3, 2, 1, 0), "shortest")]
)
def test_each_transition_of_the_scope_is_asked_about_once(made, bounds, order):
    directory = made("--scope", str(bounds).strip("()"), "--order", order)
    asked = []
    for case in cases(directory):
        world = Kernel()
        for data, sets in zip(case["ops"], case["answers"], strict=True):
            op = op_from_dict(data)
            if sets:  # names aside: the world, and the place of the operation in its alphabet
                asked.append((key_of(world), list(operations(world, bounds)).index(op)))
            world.do(op)
    assert len(asked) == len(set(asked)) == explore(bounds).transitions
    assert len(asked) == manifest(directory)["transitions"]


def test_every_line_and_the_manifest_follow_the_schema(made, root):
    directory = made(*SMALL)
    schema = json.loads((directory / "vectors.schema.json").read_text("utf-8"))
    assert schema == json.loads((root / "docs/vectors.schema.json").read_text("utf-8"))
    of = {
        name: jsonschema.Draft202012Validator({**schema, "anyOf": [{"$ref": f"#/$defs/{name}"}]})
        for name in ("Vector", "Manifest")
    }
    lines = cases(directory)
    for line in lines:
        of["Vector"].validate(line)
    of["Manifest"].validate(manifest(directory))
    for wrong in (
        {**lines[0], "id": 0},
        {**lines[0], "ops": [{"op": "fly", "task": 1}]},
        {**lines[0], "answers": [[[["owner", 1, "nobody"]]]]},
        {**lines[0], "answers": [[["owner", 1, 1]]]},
        {**lines[0], "more": 1},
    ):
        assert not of["Vector"].is_valid(wrong), wrong


# -- the files --------------------------------------------------------------------------


def test_the_same_call_writes_the_same_bytes_in_another_process(made, tmp_path):
    words = ("--scope", "3,2,1,1", "--without", "use_mm,clone:PARENT,clone:VFORK", "--dialect=5.4")
    first = made(*words)
    subprocess.run(
        [sys.executable, "-m", "pytest_mmowner", "vectors", *words, "-o", str(tmp_path / "again")],
        env={**os.environ, "PYTHONHASHSEED": "7", "MMOWNER_CACHE": ""},
        check=True,
        capture_output=True,
    )
    names = sorted(path.name for path in first.iterdir())
    assert names == ["manifest.json", "vectors.jsonl", "vectors.schema.json"]
    for name in names:
        assert (first / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), name


def test_the_manifest_is_true_of_the_file(made):
    directory = made(*SMALL)
    said, raw = manifest(directory), (directory / "vectors.jsonl").read_bytes()
    assert said["file"] == {
        "name": "vectors.jsonl", "bytes": len(raw), "sha256": hashlib.sha256(raw).hexdigest(),
    }  # fmt: skip
    ops = [op for case in cases(directory) for op in case["ops"]]
    assert said["largest"] == {
        "line": max(map(len, raw.splitlines(keepends=True))),
        "operations": max(len(case["ops"]) for case in cases(directory)),
        "task": max(op.get("child", 0) for op in ops),
        "mm": max(op.get("mm", 0) for op in ops),
        "ref": max(op.get("ref", 0) for op in ops),
    }
    assert said["command"] == "mmowner vectors --dialect 6.11 --scope 3,2,1,0"


def test_the_call_in_the_manifest_names_what_is_not_the_default():
    bounds = Bounds(3, 2, 0, 0, frozenset({"exec", "clone:VM"}))
    assert Wanted("none", bounds, ("users",), "shortest").command == (
        "mmowner vectors --dialect none --scope 3,2,0,0 --asks users --without clone:VM,exec "
        "--order shortest"
    )


def test_what_needs_an_operation_that_is_left_out_is_left_out_too(call, tmp_path):
    words = ("--scope", "2,2,1,1", "--without", "put, unuse_mm,trace", "-o", str(tmp_path))
    code, out, err = call("vectors", *words)
    assert (code, err) == (0, "")
    assert "scope (2,2,0,0)" in out
    assert "without put, unuse_mm, and what needs them" in out
    assert manifest(tmp_path)["without"] == ["put", "unuse_mm"]
    assert {op["op"] for case in cases(tmp_path) for op in case["ops"]} == {
        "clone", "exec", "exit", "reap",
    }  # fmt: skip


def test_a_script_gets_the_manifest(call, tmp_path):
    code, out, _ = call("vectors", "--scope", "2,2,0,0", "-o", str(tmp_path), "--json")
    assert code == 0
    assert json.loads(out) == {"directory": str(tmp_path), "manifest": manifest(tmp_path)}
    code, out, _ = call("vectors", "--check", str(tmp_path), "--json")
    assert code == 0
    assert json.loads(out) == {
        "directory": str(tmp_path), "ok": True, "otherwise": 0, "manifest": manifest(tmp_path),
    }  # fmt: skip
    (tmp_path / "vectors.jsonl").write_text("")
    code, out, err = call("vectors", "--check", str(tmp_path), "--json")
    assert code == 1
    data = json.loads(out)
    assert data["ok"] is False
    assert data["why"] in err


def test_vectors_are_replaced_and_nothing_else_is(call, tmp_path):
    (tmp_path / "vectors.jsonl.part").write_text("what an interrupted call left")
    assert call("vectors", "--scope", "2,2,0,0", "-o", str(tmp_path))[0] == 0
    (tmp_path / "mine").write_text("kept")
    before = manifest(tmp_path)
    assert call("vectors", "--scope", "2,1,0,0", "-o", str(tmp_path))[0] == 0
    assert manifest(tmp_path) != before
    assert (tmp_path / "mine").read_text() == "kept"
    assert not (tmp_path / "vectors.jsonl.part").exists()


@pytest.mark.parametrize("text", ["{}", "[1]", "no JSON", None])
def test_a_directory_with_something_else_is_not_written_to(call, tmp_path, text):
    if text is None:
        (tmp_path / "notes").write_text("mine")
    else:
        (tmp_path / "manifest.json").write_text(text)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    code, out, err = call("vectors", "--scope", "2,2,0,0", "-o", str(tmp_path))
    assert (code, out) == (4, "")
    assert "is not empty and holds no vectors" in err
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


# -- wrong calls ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "name one directory"),
        (("-o", "OUT", "--check", "OUT"), "name one directory"),
        (("-o", "OUT", "--scope", "3,2"), "--scope 3,2: write four numbers"),
        (("-o", "OUT", "--scope", "3,2,-1,0"), "write four numbers"),
        (("-o", "OUT", "--scope", "0,1,0,0"), "init and its mm are always there"),
        (("-o", "OUT", "--dialect", "6.x"), "unknown dialect '6.x'"),
        (("-o", "OUT", "--asks", "owner,user"), "unknown 'user'. Did you mean 'users'?"),
        (("-o", "OUT", "--asks", ","), "ask something: owner, users, state"),
        (("-o", "OUT", "--without", "exce"), "unknown 'exce'. Did you mean 'exec'?"),
        (("-o", "OUT", "--without", "exit"), "no owner ever changes without clone and exit"),
        (("-o", "OUT", "--order", "longest"), "unknown choice 'longest'"),
        (("-o", "FILE", *SMALL), "is no directory"),
        (("-o", "FILE/below", *SMALL), "cannot be written"),
        (("--check", "OUT"), "`mmowner vectors -o"),
    ],
)
def test_a_wrong_call_is_4(call, tmp_path, words, said):
    (tmp_path / "file").write_text("")
    places = {"OUT": "out", "FILE": "file", "FILE/below": "file/below"}
    words = [str(tmp_path / places[word]) if word in places else word for word in words]
    code, out, err = call("vectors", *words)
    assert (code, out) == (4, "")
    assert said in err
    assert not (tmp_path / "out").exists()


# -- the check --------------------------------------------------------------------------


@pytest.fixture
def copied(made, tmp_path):
    """A copy of vectors that a test may alter."""
    for path in made(*SMALL).iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def altered(directory, change, **fields):
    """Change the bytes of the cases, and let the manifest agree as far as a hash goes."""
    path = directory / "vectors.jsonl"
    raw = change(path.read_bytes())
    path.write_bytes(raw)
    file = {"name": path.name, "bytes": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}
    known = {**manifest(directory), "file": file, **fields}
    (directory / "manifest.json").write_text(json.dumps(known))


def first_answer(change):
    """Return a change of the first line that asks about the owner of mm 1."""
    return lambda raw: raw.replace(b'[["owner",1,1],', change, 1)


def test_a_changed_byte_and_a_cut_are_seen(call, copied):
    path = copied / "vectors.jsonl"
    raw = path.read_bytes()
    path.write_bytes(raw.replace(b"live", b"Live", 1))
    code, out, err = call("vectors", "--check", str(copied))
    assert (code, out) == (1, "")
    assert "altered: its SHA-256 is not that of manifest.json" in err
    path.write_bytes(raw[:-100])
    assert "cut off or altered: it has" in call("vectors", "--check", str(copied))[2]
    path.unlink()
    code, _, err = call("vectors", "--check", str(copied))
    assert code == 1
    assert "it cannot be read" in err


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (first_answer(b'[["owner",1,7],'), "owner(mm 1) is 7, and 1 by this version's rules"),
        (first_answer(b'[["owner",9,1],'), "owner(mm 9) is 1, and there is no such mm"),
        (first_answer(b'[["owner",1,null]],[["owner",1,1],'), "is null, and 1 by"),
        (first_answer(b'[["owner",1],'), "no case: "),
        (lambda raw: raw.replace(b'"task":1', b'"task":8', 1), "no legal program in 6.11"),
        (lambda raw: raw.replace(b'"answers":[', b'"answers":[[],', 1), "lists of answers"),
        (lambda raw: raw[: raw.rindex(b"{", 0, -1)] , "no case: "),
        (lambda raw: raw[: raw.rindex(b'{"id"')], "somebody altered one of them"),
    ],
)  # fmt: skip
def test_an_answer_that_is_not_right_is_seen_whatever_the_hash(call, copied, change, said):
    altered(copied, change)
    code, out, err = call("vectors", "--check", str(copied))
    assert (code, out) == (1, "")
    assert said in err


def test_sets_are_right_together_and_complete(call, made, tmp_path):
    source = made(*SEVERAL)
    case = next(case for case in cases(source) if len(case["answers"][-1]) > 1)
    one, other = case["answers"][-1]
    mixed = [one[0], other[1], ["users", 1, 9]]
    tmp_path.joinpath("manifest.json").write_bytes((source / "manifest.json").read_bytes())
    path = tmp_path / "vectors.jsonl"
    for sets, said in (
        ([one], "1 outcomes of this version's rules are in no set"),
        ([one, mixed], "users(mm 1) is 9, and 2 by this version's rules"),
        ([one, [one[1], other[1]]], "but not together"),
        ([other, one], ""),
    ):
        case["answers"][-1] = sets
        path.write_text(json.dumps(case) + "\n")
        altered(
            tmp_path, lambda raw: raw, cases=1, operations=len(case["ops"]), scope=dict(zip(
                ("tasks", "mms", "refs", "kthreads"), (1, 1, 0, 0), strict=True)),
        )  # fmt: skip
        code, out, err = call("vectors", "--check", str(tmp_path))
        assert code == int(bool(said)), err
        assert said in err
    assert "1 cases are others than this version writes" in out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"vectors": 2}', "vectors of format 2, this version of pytest-mmowner reads 1"),
        ('{"vectors": 1}', "no manifest of vectors"),
        ("[]", "no manifest of vectors"),
        ("DIALECT", "unknown dialect '7.99'"),
    ],
)
def test_a_manifest_of_another_kind_is_refused(call, copied, text, said):
    if text == "DIALECT":
        text = json.dumps({**manifest(copied), "dialect": "7.99"})
    (copied / "manifest.json").write_text(text)
    code, _, err = call("vectors", "--check", str(copied))
    assert code == 1
    assert said in err


# -- in C, without Python in the loop -----------------------------------------------------


@pytest.fixture(scope="module")
def build(root, tmp_path_factory):
    """Copy the C example, change its sources, and return the program that checks vectors."""
    if not (shutil.which("cc") and shutil.which("make")):
        pytest.skip("no C compiler or no make")

    def built(name="world.c", old="", new=""):
        where = tmp_path_factory.mktemp("c") / "c"
        # Not what somebody has built in the tree.
        shutil.copytree(root / "examples/c", where, ignore=lambda _, names: [
            name for name in names if not name.endswith((".c", ".h", "Makefile"))
        ])  # fmt: skip
        text = (where / name).read_text()
        assert old in text
        (where / name).write_text(text.replace(old, new, 1))
        env = {**os.environ, "CFLAGS": "-O0"}
        subprocess.run(["make", "-s", "check_vectors"], cwd=where, env=env, check=True)
        return where / "check_vectors"

    return built


@pytest.fixture(scope="module")
def checker(build):
    return build()


def checked(program, path):
    """Run the program, and nothing else: it finds no Python."""
    done = subprocess.run(
        [program, path], env={}, capture_output=True, text=True, check=False, timeout=60
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    "words", [("--scope", "3,2,1,1"), ("--scope", "3,2,1,0", "--order", "shortest"), SEVERAL]
)
def test_the_c_example_gives_all_answers(made, checker, words):
    path = made(*words) / "vectors.jsonl"
    said = manifest(path.parent)
    assert checked(checker, path) == (0, (
        f"{path}: {said['cases']} cases, {said['operations']} operations, asked after "
        f"{said['transitions']}: all right\n"
    ), "")  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("mm->users > 1 && (", "mm->users > 9 && (", r"owner\(\d+\) is null, expected \d+"),
        ("mm->owner != leaving", "mm", r"owner\(\d+\) is \d+, expected null"),
        ("\told->users--;\n", "", r"users\(\d+\) is \d+, expected \d+"),
        ("task->state = ZOMBIE;", "release(task);", r'state\(\d+\) is "gone", expected "zombie"'),
    ],
)
def test_a_wrong_tracker_in_c_is_found(made, build, old, new, expected):
    path = made("--scope", "3,2,1,1") / "vectors.jsonl"
    code, out, err = checked(build("world.c", old, new), path)
    assert (code, err) == (1, "")
    assert re.fullmatch(
        rf"{path}:\d+: case \d+, operation \d+, {{\"op\":.*}}:\n  {expected}\n"
        rf"{path}: \d+ cases, \d+ operations, asked after \d+: \d+ cases are WRONG\n",
        out,
    ), out


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (first_answer(b'[["owner",1,7],'), "  owner(1) is 1, expected 7\n"),
        (first_answer(b'[["owner",1,null],'), "  owner(1) is 1, expected null\n"),
        (first_answer(b'[["owner",9,1],'), "  owner(9) is that there is no such mm, expected 1\n"),
        (first_answer(b'[["owner",1,8]],[["owner",1,7],'),
         "  owner(1) is 1, expected 8, or another set of answers; none fits\n"),
        (lambda raw: raw.replace(b'"task":1', b'"task":8', 1), "  refused (unknown-name: "),
    ],
)  # fmt: skip
def test_altered_answers_are_mismatches_in_c(checker, copied, change, said):
    altered(copied, change)
    code, out, err = checked(checker, copied / "vectors.jsonl")
    assert (code, err) == (1, "")
    assert said in out
    assert out.endswith(": 1 cases are WRONG\n")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda raw: b"", "no vectors: there is no case in it"),
        (lambda raw: raw[:-100], "no vectors: a line is an object with id, ops and answers"),
        (lambda raw: b"{}", ":1: no vectors: a line is an object with id, ops and answers"),
        (lambda raw: b"\0\n" + raw, ":1: no vectors: a line is text"),
        (first_answer(b'[["owner",1],'), ":1: no vectors: an answer is a list"),
        (first_answer(b'[["lru",1,1],'), ":1: no vectors: questions are owner, users and state"),
        (lambda raw: raw.replace(b'"exec"', b'"fly"', 1), "no vectors: unknown operation"),
        (lambda raw: raw.replace(b'"answers":[', b'"answers":[[],', 1), "lists of the same length"),
    ],
)
def test_what_is_no_vectors_is_another_exit_status(checker, copied, change, said):
    altered(copied, change)
    code, out, err = checked(checker, copied / "vectors.jsonl")
    assert code == 2, out
    assert said in err


def test_the_c_example_is_plain_c99(root):
    if not shutil.which("cc"):
        pytest.skip("no C compiler")
    sources = [path for path in root.glob("examples/c/*.c") if path.name != "adapter.c"]
    flags = ["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", "-fsyntax-only"]
    subprocess.run(["cc", *flags, *sources], check=True)


def test_the_session_of_the_documentation_prints_what_it_shows(root, tmp_path):
    if not (shutil.which("cc") and shutil.which("make")):
        pytest.skip("no C compiler or no make")
    shutil.copytree(root / "examples", tmp_path / "examples")
    text = (root / "docs/vectors.md").read_text("utf-8")
    session = re.search(r"```console\n(.*?)```", text, re.DOTALL)[1]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "CFLAGS": "-O0"}
    for part in session.split("$ ")[1:]:
        command, shown = part.split("\n", 1)
        printed = subprocess.run(
            command, shell=True, cwd=tmp_path, env=env, capture_output=True, text=True, check=True
        ).stdout
        assert re.fullmatch(re.escape(shown).replace(r"\.\.\.", ".*"), printed), printed
