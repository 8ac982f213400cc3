"""``lib:``: what a shared library exports and calls, and what is said of one that is wrong."""

from __future__ import annotations

import ctypes
import shutil
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import pytest
from lib_making import (
    HEADER,
    RULES,
    TRACKER,
    Client,
    compiled,
    explored,
    run,
    rustc,
    written,
)

from mmowner_reference import OPS, Kernel, is_legal, random_program
from pytest_mmowner import parse_program
from pytest_mmowner._candidates.lib import open_lib
from pytest_mmowner.errors import CallError

HERE = Path(__file__).parent
#: Where the example stores the owner.
RULES_C = "rules.c"
LINE_OF_STORE = 1 + next(
    number
    for number, line in enumerate(
        (HERE.parents[1] / "examples/lib/c/rules.c").read_text().splitlines()
    )
    if "host->set_owner(mm, task);" in line and "\t\t" in line
)
ASKED_OF_MMS, ASKED_OF_TASKS, ASKED = ("owner", "users"), ("state",), ("bill", "lru", "callbacks")


def ops(text: str) -> list[dict[str, Any]]:
    return [op.to_dict() for op in parse_program(text.replace(";", "\n"))]


# ---- the header ----


@pytest.mark.parametrize(
    ("compiler", "standard"),
    [(one, standard) for one in ("gcc", "clang") for standard in ("c99", "c11", "c2x")]
    + [(one, standard) for one in ("g++", "clang++") for standard in ("c++11", "c++17")],
)
def test_the_header_compiles_alone(tmp_path, compiler, standard):
    if shutil.which(compiler) is None:
        pytest.skip(f"there is no {compiler} here")
    source = tmp_path / ("a.cc" if "++" in compiler else "a.c")
    source.write_text(
        '#include "mmowner.h"\nint has(const struct mmo_host *h);\n'
        "int has(const struct mmo_host *h) { return MMO_HOST_HAS(h, bug); }\n"
    )
    run(compiler, f"-std={standard}", "-pedantic", "-Wall", "-Wextra", "-Werror", f"-I{HEADER}",
        "-c", source, "-o", tmp_path / "a.o")  # fmt: skip


# ---- the examples ----


@pytest.fixture(scope="session")
def examples(tmp_path_factory, root) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("examples")
    source = root / "examples" / "lib" / "c"
    return {
        "rules": compiled(source / "rules.c", place / "rules.so", "-Werror", "-O2"),
        "stale": compiled(source / "rules.c", place / "stale.so", "-Werror", "-DSTALE"),
        "tracker": compiled(source / "tracker.c", place / "tracker.so", "-Werror", "-O2"),
        "tracker_stale": compiled(source / "tracker.c", place / "tracker_stale.so", "-DSTALE"),
    }


@pytest.fixture(scope="session")
def rust(tmp_path_factory, root) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("rust")
    source = root / "examples" / "lib" / "rust" / "rules.rs"
    command = (rustc(), "-O", "-g", "--edition", "2021", "--crate-type", "cdylib", "-C", "panic=abort",
               "-D", "warnings", "--check-cfg", "cfg(stale)")  # fmt: skip
    for name, flags in {"rules": (), "stale": ("--cfg", "stale")}.items():
        run(*command, *flags, "-o", place / f"{name}.so", source)
    return {name: place / f"{name}.so" for name in ("rules", "stale")}


def questions(kernel: Kernel, known: frozenset[str]) -> list[tuple[dict[str, Any], Any]]:
    """All that can be asked in this world, with the answers."""
    names = [
        ("mm", ask, mm) for ask in ASKED_OF_MMS for mm in kernel.mms if kernel.mms[mm].users > 0
    ]
    names += [("task", ask, task) for ask in ASKED_OF_TASKS for task in kernel.used_names["task"]]
    asked = [({"ask": ask, key: name}, getattr(kernel, ask)(name)) for key, ask, name in names]
    asked += [({"ask": ask}, getattr(kernel, ask)()) for ask in ASKED]
    return [one for one in asked if one[0]["ask"] in known]


def differences(library: Path, dialect: str, words: frozenset[str], programs: int) -> list[str]:
    """Run random programs of these words; return where library and reference kernel differ."""
    random, found = Random(programs), []
    with Client(library, dialect) as client:
        known = words & set(client.do("start")["capabilities"])
        for _ in range(programs):
            kernel, done, asks, expected = Kernel(dialect), [], [], []
            for op in random_program(random, 30, dialect):
                if op.word not in known or not is_legal(kernel, op):
                    continue  # what it builds on may have been left out
                kernel.do(op)
                done.append(op)
                asked = questions(kernel, known)
                asks.append([question for question, _ in asked])
                expected.append([answer for _, answer in asked])
            answer = client.do("program", ops=[op.to_dict() for op in done], asks=asks)
            if answer != {"answers": expected}:
                found.append(f"{done}: {answer}")
    return found


HOSTED = frozenset({*OPS, *ASKED_OF_MMS, *ASKED_OF_TASKS, *ASKED})
TRACKED = frozenset({"clone", "exit", "exec", "reap", "hold", "put", "owner", "users", "state"})


def test_the_rules_in_c_do_what_the_reference_does(examples):
    assert differences(examples["rules"], "6.11", HOSTED, 300) == []


def test_the_rules_in_rust_do_what_the_reference_does(rust):
    assert differences(rust["rules"], "6.11", HOSTED, 100) == []


def test_the_tracker_does_what_the_reference_does(examples):
    assert differences(examples["tracker"], "6.11", TRACKED, 300) == []


def test_the_wrong_tracker_is_found(examples):
    assert differences(examples["tracker_stale"], "6.11", TRACKED, 50)


@pytest.mark.parametrize(
    ("old", "dialect"), list(enumerate(("rfc-v4", "2.6.26", "2.6.27", "2.6.28")))
)
def test_old_rules_have_all_that_they_need(tmp_path, old, dialect):
    library = compiled(HERE / "lib" / "old.c", tmp_path / "old.so", f"-DOLD={old}")
    assert differences(library, dialect, HOSTED, 100) == []


CHILDREN = "clone(1, 2, mm=2); clone(2, 3, VM); clone(2, 4, VM)"
SCENES = (("exit(2)", "exit(3)"), ("exit(2)", "exec(3, mm=3)"), ("exit(2)", "exit(3)", "reap(3)"))


@pytest.mark.parametrize("beside", SCENES)
@pytest.mark.parametrize("language", ["c", "rust"])
def test_schedules_find_nothing_in_what_is_right(request, language, beside):
    library = request.getfixturevalue({"c": "examples"}.get(language, language))["rules"]
    answer = explored(library, ops(CHILDREN), *ops(";".join(beside)))["answer"]
    assert answer["complete"]
    assert answer["schedules"] > 100
    assert answer["findings"] == []
    assert len(answer["outcomes"]) == 1


@pytest.mark.parametrize("beside", SCENES)
@pytest.mark.parametrize("language", ["c", "rust"])
def test_schedules_find_what_no_single_operation_shows(request, language, beside):
    library = request.getfixturevalue({"c": "examples"}.get(language, language))["stale"]
    assert differences(library, "6.11", HOSTED, 30) == []
    findings = explored(library, ops(CHILDREN), *ops(";".join(beside)))["answer"]["findings"]
    assert "owner-not-user" in {one["kind"] for one in findings}


def test_a_finding_names_the_host_call_and_the_library(examples):
    findings = explored(examples["stale"], ops(CHILDREN), *ops("exit(2); exit(3); reap(3)"))
    store, freed = (
        next(one for one in findings["answer"]["findings"] if one["kind"] == kind)
        for kind in ("owner-not-user", "use-after-free")
    )
    assert store["text"].endswith("(in the host's set_owner())")
    assert "(in the host's task_unlock())" in freed["text"]
    for one in (store, freed):
        library, _, offset = one["pc"].partition("+")
        assert library == str(examples["stale"].resolve())
        assert int(offset, 16) > 0


def test_a_schedule_is_followed_with_the_lines_of_the_library(examples):
    scene = {"setup": ops(CHILDREN), "overlap": ops("exit(2); exit(3)")}
    with Client(examples["stale"]) as client:
        found = client.do("explore", **scene, bound=2)["answer"]["findings"]
        followed = client.do("follow", **scene, schedule=found[0]["schedule"])["answer"]
    assert found[0]["kind"] in {one["kind"] for one in followed["findings"]}
    assert any("stale.so+0x" in event[4] for event in followed["events"])


# ---- what is said of a library that is wrong ----


def start_error(library: Path | str | None) -> str:
    with Client(library) as client:
        answer = client.do("start")
        assert client.do("reset") == answer, "everything is answered so"
        assert client.do("stop") == {"ok": True}
        return answer["error"]


def test_a_file_that_is_not_there(tmp_path):
    said = start_error(tmp_path / "nothing.so")
    assert "nothing.so is not there" in said
    assert "Is it built" in said


def test_no_library_at_all():
    assert "lib=PATH" in start_error(None)


def test_a_file_that_is_no_library(tmp_path):
    path = tmp_path / "text.so"
    path.write_text("This is no library, but a text that is long enough to have a header.\n" * 9)
    said = start_error(path)
    assert "invalid ELF header" in said
    assert "-shared" in said


def test_a_symbol_that_is_nowhere(tmp_path):
    said = start_error(
        written(tmp_path, {**RULES, "mmo_mm_init": "void lacking(void); void mmo_mm_init(mmo_mm mm,"
                           " mmo_task task) { (void)mm; (void)task; lacking(); }"})
    )  # fmt: skip
    assert "undefined symbol: lacking" in said
    assert "The library is at fault" in said


@pytest.mark.parametrize(
    ("functions", "parts"),
    [
        ({}, ["neither mmo_open()", 'extern "C"']),
        ({**RULES, "mmo_mm_init": ""}, ["no mmo_mm_init()"]),
        ({**RULES, "mmo_update_next_owner": ""}, ["no mmo_update_next_owner()"]),
        ({**TRACKER, "mmo_reset": ""}, ["no mmo_reset()"]),
        ({**TRACKER, "mmo_exit": ""}, ["no operation"]),
        ({**TRACKER, "mmo_owner": ""}, ["no mmo_owner()"]),
    ],
)  # fmt: skip
def test_an_export_that_is_missing(tmp_path, functions, parts):
    said = start_error(written(tmp_path, functions))
    assert [part for part in parts if part not in said] == []


@pytest.mark.parametrize(
    ("answer", "parts"),
    [("0", ["does not want this host"]), ("2", ["speaks ABI 2", "install a newer one"]),
     ("12345", ["let the function answer MMO_ABI"])],
)  # fmt: skip
def test_an_abi_that_does_not_match(tmp_path, answer, parts):
    rules = {
        **RULES,
        "mmo_open": f"uint32_t mmo_open(const struct mmo_host *h) {{ host = h; return {answer}; }}",
    }
    tracker = {
        **TRACKER,
        "mmo_tracker_open": f"uint32_t mmo_tracker_open(uint32_t a) {{ (void)a; return {answer}; }}",
    }
    for functions in (rules, tracker):
        said = start_error(written(tmp_path, functions))
        assert [part for part in parts if part not in said] == []


def test_a_host_that_is_too_old_is_seen_by_the_example(examples):
    class Host(ctypes.Structure):
        _fields_ = (
            ("abi", ctypes.c_uint32),
            ("size", ctypes.c_uint32),
            ("calls", ctypes.c_void_p * 40),
        )

    library = ctypes.CDLL(str(examples["rules"]))
    assert library.mmo_open(ctypes.byref(Host(1, 64))) == 0
    assert library.mmo_open(ctypes.byref(Host(1, 1000))) == 1


@pytest.mark.parametrize(
    ("does", "parts"),
    [("host->current();", ["breaks in mmo_open()", "must not be"]), ("abort();", ["calls abort()"]),
     ("*(volatile int *)0 = 1;", ["breaks in mmo_open()", "signal 11"])],
)  # fmt: skip
def test_a_library_that_breaks_when_it_is_opened(tmp_path, does, parts):
    opening = f"uint32_t mmo_open(const struct mmo_host *h) {{ host = h; {does} return MMO_ABI; }}"
    said = start_error(written(tmp_path, {**RULES, "mmo_open": opening}))
    assert [part for part in parts if part not in said] == []


def handoff(tmp_path: Path, body: str, before: str = "") -> Client:
    """A client of a library that does this when task 2 leaves its mm, which task 3 uses too."""
    update = f"void mmo_update_next_owner(mmo_mm mm) {{ (void)mm; {body} }}"
    client = Client(written(tmp_path, {**RULES, "mmo_update_next_owner": update}, before=before))
    client.do("start")
    client.do("reset")
    for op in ops("clone(1, 2, mm=2); clone(2, 3, VM)"):
        assert client.ask(**op) == {"ok": True}
    return client


SELF = "mmo_task self = host->current();"


@pytest.mark.parametrize(
    ("body", "kind", "parts"),
    [
        ("host->task_mm(0);", "null-dereference", ["gives 0", "a task", "task_mm()"]),
        ("host->mm_users(0);", "null-dereference", ["gives 0", "an mm"]),
        ("host->task_mm(mm);", "host-call", ["handle of a task", "that is an mm"]),
        (f"{SELF} host->get_owner(self);", "host-call", ["handle of an mm", "that is a task"]),
        ("host->task_lock(77);", "host-call", ["0x4d", "nothing that the host gave out"]),
        (f"{SELF} host->task_lock(self); host->task_lock(self);", "self-deadlock", ["task 2's alloc_lock"]),
        ("host->tasklist_read_unlock();", "bad-unlock", ["tasklist_lock", "does not hold"]),
        ("host->rcu_read_unlock();", "bad-unlock", ["rcu_read_unlock"]),
        (f"{SELF} host->task_put(self);", "reference-underflow", ["that it does not have"]),
        ('host->bug("c == p");', "bug-on", ["c == p"]),
        ("host->bug(0);", "bug-on", ["bug()"]),
        ("*(volatile int *)8 = 1;", "crash", ["signal 11"]),
        ("abort();", "crash", ["calls abort()"]),
        ("__builtin_trap();", "crash", ["signal"]),
        ("mmo_update_next_owner(mm); host->mm_users(mm);", "stack-overflow", ["recursion"]),
        ("for (;;) host->mm_users(mm);", "endless-loop", ["no end"]),
    ],
)  # fmt: skip
def test_what_a_library_does_wrong_is_found_and_survived(tmp_path, body, kind, parts):
    with handoff(tmp_path, body) as client:
        answer = client.do("exit", task=2)
        assert answer["error"].startswith(kind), answer
        assert [part for part in parts if part not in answer["error"]] == []
        assert "candidate.so+0x" in answer["error"] or "abort" in body
        assert client.do("reset") == {"ok": True}
        assert client.ask(ask="owner", mm=1) == {"answer": 1}


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("host->tasklist_read_lock();", "lock-imbalance"),
        ("host->rcu_read_lock();", "lock-imbalance"),
        (f"{SELF} host->task_get(self);", "reference-leak"),
        (f"{SELF} host->task_lock(self); host->tasklist_read_lock(); host->tasklist_read_unlock();"
         " host->task_unlock(self);", "lock-order"),
        ("host->tasklist_read_lock(); host->mmap_write_lock(mm); host->mmap_write_unlock(mm);"
         " host->tasklist_read_unlock();", "sleep-in-atomic"),
        (f"{SELF} host->next_child(self, 0);", "list-walk"),
        ("host->next_process(host->next_process(0));", "list-walk"),
        (f"{SELF} host->rcu_read_lock(); mmo_task next = host->next_process(self); host->rcu_read_unlock();"
         " host->task_mm(next);", "unprotected-task"),
        (f"{SELF} host->set_owner(mm, self);", "owner-store"),
    ],
)  # fmt: skip
def test_a_rule_of_the_kernel_that_is_broken_is_found(tmp_path, body, kind):
    with handoff(tmp_path, body) as client:
        assert client.do("exit", task=2) == {"ok": True}
        found = [one for one in client.do("findings")["answer"] if one["kind"] == kind]
        assert found
        assert all("candidate.so+0x" in one["pc"] or one["pc"] == "0" for one in found)


def test_a_loop_that_calls_nothing_ends(tmp_path):
    with handoff(tmp_path, "for (volatile int i = 0; ; i = 1 - i);") as client:
        assert client.do("exit", task=2)["error"].startswith("endless-loop")


def test_what_a_library_prints_stands_between_no_answers(tmp_path):
    with handoff(tmp_path, 'puts("hello"); fflush(stdout); host->set_owner(mm, 0);') as client:
        assert client.do("exit", task=2) == {"ok": True}
        assert client.end() == (0, "hello\n")


@pytest.mark.parametrize(
    ("body", "before", "flags", "says"),
    [
        ("exit(5);", "", (), "calls exit() inside a function of its own"),
        ("pthread_t t; pthread_create(&t, 0, other, 0); pthread_join(t, 0);",
         "#include <pthread.h>\nstatic void *other(void *a) { host->current(); return a; }",
         ("-pthread",), "from a thread of its own"),
    ],
)  # fmt: skip
def test_what_ends_the_process_says_so(tmp_path, body, before, flags, says):
    update = f"void mmo_update_next_owner(mmo_mm mm) {{ (void)mm; {body} }}"
    library = written(tmp_path, {**RULES, "mmo_update_next_owner": update}, *flags, before=before)
    with Client(library) as client:
        client.do("reset")
        client.do("clone", task=1, child=2, flags=[], mm=2)
        client.process.stdin.write('{"seq": 9, "op": "exit", "task": 2}\n')
        code, said = client.end()
    assert code
    assert says in said


def test_a_new_world_is_told_to_who_wants_to_know(tmp_path):
    functions = {
        **RULES, "count": "static int worlds;",
        "mmo_reset": 'int mmo_reset(void) { fprintf(stderr, "world %d\\n", ++worlds); return MMO_OK; }',
    }  # fmt: skip
    with Client(written(tmp_path, functions)) as client:
        assert [client.do("reset"), client.do("reset")] == [{"ok": True}] * 2
        assert client.end()[1] == "world 1\nworld 2\n"


def test_without_mm_clear_no_failing_fork_is_asked_for(tmp_path, examples):
    lacking = written(tmp_path, RULES)
    for library, dialect, shown in (
        (lacking, "6.11", False),
        (lacking, "2.6.28", True),
        (examples["rules"], "6.11", True),
    ):
        with Client(library, dialect) as client:
            assert ("clone_fails" in client.do("start")["capabilities"]) is shown


# ---- as a candidate ----


def test_a_candidate_of_the_suite_says_file_and_line(examples):
    scene = {"setup": ops(CHILDREN), "overlap": ops("exit(2); exit(3)"), "bound": 2}
    with closing(open_lib("lib:it", str(examples["stale"]), "6.11", 10.0)) as library:
        assert (library.info.name, library.info.language) == ("example-rules", "C")
        assert "schedules" in library.info.capabilities
        answer = library.schedules({"op": "explore", **scene})
        place = next(one["pc"] for one in answer["findings"] if one["kind"] == "owner-not-user")
        shown = f"try_to_set_owner ({RULES_C}:{LINE_OF_STORE})"
        assert library.places([place]) == {place: shown}
        assert library.with_places(f"at {place}, f") == f"at {shown}"


def test_a_candidate_that_is_no_file():
    with pytest.raises(CallError, match=r"there is no file './nothing.so'. Is the library built"):
        open_lib("lib:./nothing.so", "./nothing.so", None, 10.0)
