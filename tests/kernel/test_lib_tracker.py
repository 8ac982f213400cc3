"""``lib:`` of the tracker level: operations and questions as calls of a library."""

from __future__ import annotations

import pytest
from lib_making import TRACKER, Client, compiled, written


def test_what_a_tracker_exports_is_what_it_is_asked(tmp_path, root):
    source = root / "examples" / "lib" / "c" / "tracker.c"
    with Client(compiled(source, tmp_path / "tracker.so")) as client:
        said = client.do("start")
        assert said["level"] == "tracker"
        assert (said["name"], said["language"], said["dialect"]) == ("example-tracker", "C", "6.11")
        assert set(said["capabilities"]) == {
            "program", "clone", "exit", "exec", "reap", "hold", "put", "owner", "users", "state",
        }  # fmt: skip
        assert client.do("explore", setup=[], overlap=[])["error"].startswith(
            "a tracker has no schedules"
        )
        assert "no mmo_trace()" in client.do("trace", task=1, tracer=2)["error"]
        assert "no mmo_bill()" in client.ask(ask="bill")["error"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [("MMO_REFUSED", {"refused": "because"}), ("MMO_UNTESTABLE", {"untestable": "because"}),
     ("MMO_ERROR", {"error": "because"}),
     ("17", {"error": "mmo_exit() of the library answers 17, which means nothing"})],
)  # fmt: skip
def test_what_an_operation_of_a_tracker_answers(tmp_path, answer, said):
    functions = {
        **TRACKER, "mmo_why": 'const char *mmo_why(void) { return "because"; }',
        "mmo_exit": f"int mmo_exit(mmo_task task) {{ (void)task; return {answer}; }}",
    }  # fmt: skip
    with Client(written(tmp_path, functions)) as client:
        client.do("reset")
        assert client.do("exit", task=1) == said
        program = client.do("program", ops=[{"op": "exit", "task": 1}], asks=[[]])
        assert program == {"answers": [], **said}


def test_a_tracker_that_crashes_is_survived(tmp_path):
    functions = {
        **TRACKER, "mmo_exit": "int mmo_exit(mmo_task task) { return *(volatile int *)(uintptr_t)(task * 8); }",
        "mmo_users": "int mmo_users(mmo_mm mm, uint32_t *users) { *users = mm; abort(); }",
    }  # fmt: skip
    with Client(written(tmp_path, functions)) as client:
        client.do("reset")
        answer = client.do("exit", task=1)
        assert answer["error"].startswith("crash: signal 11")
        assert "mmo_exit" in answer["error"]
        assert "send reset" in client.do("exit", task=1)["error"]
        assert client.do("reset") == {"ok": True}
        assert client.ask(ask="owner", mm=5) == {"answer": 5}
        assert "calls abort()" in client.ask(ask="users", mm=5)["error"]


def test_questions_of_a_tracker_that_have_more_than_one_number(tmp_path):
    functions = {
        **TRACKER,
        "mmo_exec": "int mmo_exec(mmo_task task, mmo_mm mm) { (void)task; (void)mm; return MMO_OK; }",
        "mmo_cgroup": "int mmo_cgroup(uint32_t c, uint32_t p) { (void)c; (void)p; return MMO_OK; }",
        "mmo_bill": "int mmo_bill(uint32_t c, uint64_t *pages) { *pages = c ? (c - 1) * 7 : 2; return MMO_OK; }",
        "mmo_lru": "int mmo_lru(mmo_mm mm, uint32_t *c) { *c = mm == 1 ? 0 : 4; return MMO_OK; }",
        "mmo_owner": "int mmo_owner(mmo_mm mm, mmo_task *task) { *task = 3; return mm == 2 ? MMO_PROCESS : MMO_OK; }",
        "mmo_state": "int mmo_state(mmo_task task, uint32_t *state) { *state = task; return MMO_OK; }",
        "mmo_init_mm_owner": "int mmo_init_mm_owner(int32_t *owner) { *owner = 0; return MMO_OK; }",
        "mmo_callbacks": "int mmo_callbacks(uint32_t i, struct mmo_callback *c) { if (i == 2) return MMO_REFUSED;"
                         ' c->subsystem = "s"; c->old_owner = 2; c->new_owner = i ? -1 : 3; c->seen = 2;'
                         " c->has_task = i; c->task = -1; return MMO_OK; }",
        "mmo_capabilities": 'const char *mmo_capabilities(void) { return "refuse  attach:thread"; }',
        "mmo_without": 'const char *mmo_without(void) { return "clone:PARENT"; }',
    }  # fmt: skip
    with Client(written(tmp_path, functions)) as client:
        said = client.do("start")
        assert {"refuse", "attach:thread", "bill", "lru", "callbacks"} <= set(said["capabilities"])
        assert said["without"] == ["clone:PARENT"]
        for op in (
            {"op": "reset"},
            {"op": "cgroup", "cgroup": 3, "parent": 1},
            {"op": "exec", "task": 1, "mm": 2},
        ):
            assert client.ask(**op) == {"ok": True}
        assert client.ask(ask="bill") == {"answer": {"none": 2, "3": 14}}
        assert client.ask(ask="lru") == {"answer": {"2": 4}}
        assert client.ask(ask="owner", mm=2) == {"answer": {"process": 3}}
        assert client.ask(ask="state", task=2) == {"answer": "gone"}
        assert "means nothing" in client.ask(ask="state", task=3)["error"]
        assert client.ask(ask="init_mm_owner") == {"answer": 0}
        assert client.ask(ask="callbacks") == {"answer": [
            {"subsystem": "s", "old": 2, "new": 3, "seen": 2},
            {"subsystem": "s", "old": 2, "new": None, "seen": 2, "task": None},
        ]}  # fmt: skip
