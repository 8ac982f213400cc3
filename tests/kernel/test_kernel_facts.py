"""What a kernel's text says of the code around the owner rules."""

from dataclasses import asdict, fields

import pytest
from kernel_making import EXEC, EXIT, FORK, KNOWN, PLUMBING, small_kernel
from trees import every_tree

from mmowner_reference import DIALECTS, dialect_of_release
from pytest_mmowner._kernel._cut import cut
from pytest_mmowner._kernel._facts import Facts, facts
from pytest_mmowner._kernel._sources import open_source


def facts_of(root, **changed):
    small_kernel(root, **changed)
    source = open_source(f"kernel:{root}", str(root))
    return facts(source, cut(source, KNOWN, {}))


def test_a_new_kernel_says_everything(tmp_path):
    assert facts_of(tmp_path) == Facts(
        version="6.12.0-rc3", exit_mm_takes_task=False, exec_argument="old", exec_mmap_held=False,
        threads_on_children=False, ptrace_moves=False, fork_clears=True, dup_clears=True,
        fork_clears_late=False, dup_clears_late=False, fork_frees_by_rcu=True, zombie_cgroup="own", adopter="first", subreapers=True,
        init_mm_owner=False, lru_gen=True, callbacks="none", delayed_leader=False,
    )  # fmt: skip


LINKED = "list_add_tail(&p->sibling, &p->real_parent->children);"
OLD = "void cgroup_mm_owner_callbacks(struct task_struct *old, struct task_struct *new)\n{\n\tss->mm_owner_changed(%s);\n}\n"


@pytest.mark.parametrize(
    ("path", "text", "field", "value"),
    [
        ("Makefile", "VERSION = 2\nPATCHLEVEL = 6\nSUBLEVEL = 33\nEXTRAVERSION = .3\n", "version", "2.6.33.3"),
        ("Makefile", None, "version", None),
        ("Makefile", "all:\n", "version", None),
        ("kernel/exit.c", EXIT.replace("exit_mm(void)", "exit_mm(struct task_struct *tsk)"), "exit_mm_takes_task", True),
        ("fs/exec.c", EXEC.replace("owner(before)", "owner(mm)"), "exec_argument", "new"),
        ("fs/exec.c", EXEC.replace("owner(before)", "owner(other)"), "exec_argument", None),
        ("fs/exec.c", EXEC.replace("\tmm_update_next_owner(before);\n", ""), "exec_mmap_held", None),
        ("fs/exec.c", EXEC.replace("\treturn 0", "\tup_read(&before->mmap_sem);\n\treturn 0"), "exec_mmap_held", True),
        ("kernel/fork.c", FORK.replace("if (thread_group_leader(p)) {", "if (likely(p->pid)) {"), "threads_on_children", True),
        ("kernel/fork.c", FORK.replace(LINKED, "add_parent(p);"), "threads_on_children", False),
        ("kernel/fork.c", FORK.replace(LINKED, ""), "threads_on_children", None),
        ("kernel/fork.c", FORK.replace("\tmm_clear_owner(p->mm, p);\n", ""), "fork_clears", False),
        ("kernel/fork.c", FORK.replace("(mm, NULL)", "(mm, p)"), "dup_clears", False),
        ("kernel/fork.c", FORK.replace("\tmm_clear_owner(p->mm, p);\n", "\tmmput(p->mm);\n\tmm_clear_owner(p->mm, p);\n"), "fork_clears_late", True),
        ("kernel/fork.c", "", "fork_clears_late", None),
        ("kernel/fork.c", FORK.replace("call_rcu(&tsk->rcu, later)", "free(tsk)"), "fork_frees_by_rcu", False),
        ("kernel/fork.c", FORK.replace("delayed_", ""), "fork_frees_by_rcu", False),
        ("kernel/ptrace.c", "void __ptrace_link(struct t *a)\n{\n\tadd_parent(a);\n}\n", "ptrace_moves", True),
        ("kernel/ptrace.c", "", "ptrace_moves", None),
        ("kernel/cgroup/cgroup.c", "void cgroup_exit(struct t *tsk)\n{\n\ttsk->cgroups = &init_css_set;\n}\n", "zombie_cgroup", "root"),
        ("kernel/cgroup/cgroup.c", "", "zombie_cgroup", None),
        ("kernel/exit.c", EXIT.replace("find_alive_thread", "find_new_reaper").replace("return p->", "while_each_thread(p, t) return p->"), "adopter", "next"),
        ("kernel/exit.c", EXIT.replace("find_alive_thread", "other"), "adopter", None),
        ("kernel/exit.c", EXIT.replace("p->is_child_subreaper", "0 /* is_child_subreaper */"), "subreapers", False),
        ("init/main.c", "void f(void)\n{\n\tmm_init_owner(&init_mm, &init_task);\n}\n", "init_mm_owner", True),
        ("init/main.c", None, "init_mm_owner", None),
        ("mm/init-mm.c", "struct mm_struct init_mm = {\n\t.owner = &init_task,\n};\n", "init_mm_owner", True),
        ("kernel/exit.c", EXIT.replace("lru_gen_migrate_mm(mm);", ""), "lru_gen", True),
        ("kernel/cgroup.c", OLD % "ss, old, new", "callbacks", "tasks"),
        ("kernel/cgroup.c", OLD % "ss, oldcgrp, newcgrp", "callbacks", "cgroups"),
        ("kernel/cgroup.c", OLD % "ss, oldcgrp, newcgrp, new", "callbacks", "cgroups and task"),
        ("kernel/exit.c", EXIT.replace("if (mm->owner != me", "if (delay_group_leader(me) || mm->owner != me"), "delayed_leader", True),
    ],
)  # fmt: skip
def test_each_field_is_read_from_its_place(tmp_path, path, text, field, value):
    assert getattr(facts_of(tmp_path, **{path: text}), field) == value


def test_a_tree_without_mglru_says_so(tmp_path):
    changed = {
        "kernel/exit.c": EXIT.replace("lru_gen_migrate_mm(mm);", ""),
        "kernel/fork.c": FORK.replace("lru_gen_add_mm(p->mm);", ""),
    }
    assert facts_of(tmp_path, **changed).lru_gen is False


def test_a_patch_alone_says_what_it_shows(tmp_path):
    lines = EXIT[EXIT.index("void mm_update") : EXIT.index("#endif")].replace(
        "me = current", "me = delay_group_leader()"
    )
    count = lines.count("\n")
    (tmp_path / "my.patch").write_text(
        f"--- a/kernel/exit.c\n+++ b/kernel/exit.c\n@@ -3,0 +4,{count} @@\n"
        + "".join(f"+{line}\n" for line in lines.splitlines())
        + "@@ -90,2 +120,3 @@ static void exit_mm(struct task_struct * tsk)\n a\n+mm_update_next_owner(mm);\n b\n"
        "--- a/fs/exec.c\n+++ b/fs/exec.c\n@@ -8,3 +8,4 @@ static int exec_mmap(struct mm_struct *m\n x\n+mm_update_next_owner(mm);\n y\n up_read(&old_mm->mmap_sem);\n"
    )
    source = open_source("kernel:my.patch", str(tmp_path / "my.patch"))
    said = {
        name: value
        for name, value in asdict(facts(source, cut(source, KNOWN, {}))).items()
        if value is not None
    }
    assert said == {
        "exit_mm_takes_task": True,
        "exec_argument": "new",
        "exec_mmap_held": True,
        "lru_gen": True,
        "delayed_leader": True,
    }


def test_the_exec_of_a_patch_that_ends_before_the_unlock_is_not_judged(tmp_path):
    (tmp_path / "my.patch").write_text(
        "--- a/kernel/exit.c\n+++ b/kernel/exit.c\n@@ -3,0 +4,3 @@\n+void mm_update_next_owner(void)\n+{\n+}\n"
        "--- a/fs/exec.c\n+++ b/fs/exec.c\n@@ -8,2 +8,3 @@\n x\n+mm_update_next_owner(old_mm);\n y\n"
    )
    source = open_source("kernel:my.patch", str(tmp_path / "my.patch"))
    said = facts(source, cut(source, KNOWN, {}))
    assert (said.exec_argument, said.exec_mmap_held) == ("old", None)


def test_every_field_may_be_unknown():
    assert all(getattr(Facts(), field.name) is None for field in fields(Facts))


#: Releases that had a change before the row that has it: backports, and changes between rows.
EARLY = {
    "subreapers": ("3.4", "3.10"), "adopter": ("3.19",), "fork_clears": ("4.15", "4.19", "5.1"),
}  # fmt: skip


def test_every_tree_says_what_its_dialect_says():
    for tree in every_tree():
        source = open_source(f"kernel:{tree}", str(tree))
        said = facts(source, cut(source, KNOWN | PLUMBING, {}))
        row = DIALECTS[dialect_of_release(said.version)]
        expected = {
            "exec_argument": row.exec_call.split(",")[0], "exec_mmap_held": "held" in row.exec_call,
            "threads_on_children": row.children_list == "threads", "ptrace_moves": row.ptrace_moves,
            "fork_clears": row.failed_fork_clears, "zombie_cgroup": row.zombie_cgroup, "adopter": row.adopter,
            "subreapers": row.subreapers, "init_mm_owner": row.init_mm_owner, "lru_gen": row.lru_gen,
            "callbacks": row.callbacks or "none", "delayed_leader": row.delayed_leader,
        }  # fmt: skip
        release = ".".join(said.version.split(".")[:2])
        wrong = {name for name, value in expected.items() if getattr(said, name) != value}
        assert {name for name in wrong if release not in EARLY.get(name, ())} == set(), (tree, said)
        assert None not in asdict(said).values(), tree
