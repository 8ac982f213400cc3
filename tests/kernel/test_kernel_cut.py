"""What is cut out with the owner's code, and in which order it is written."""

import shutil
import subprocess

import pytest
from kernel_making import EXIT, FILES, KNOWN, PLUMBING, small_kernel
from trees import every_tree

from pytest_mmowner._kernel._cut import cut
from pytest_mmowner._kernel._scan import Definition
from pytest_mmowner._kernel._sources import open_source


def cut_of(root, known=KNOWN, fallback=None, **changed):
    small_kernel(root, **changed)
    return cut(open_source(f"kernel:{root}", str(root)), known, fallback or {})


def names(cut, *, owner=True):
    return {one.name for one in cut.pieces if one.owner is owner and one.kind != "prototype"}


def test_owner_code_is_cut_with_all_that_it_needs(tmp_path):
    made = cut_of(tmp_path)
    assert names(made) == {
        "mm_update_next_owner", "mm_init_owner", "mm_clear_owner", "wants", "handoffs", "WORTHWHILE",
        "for_each_process", "next_process", "far_helper", "near_helper", "noted",
    }  # fmt: skip
    assert made.missing == {}


def test_of_the_callers_only_what_concerns_owners_is_cut(tmp_path):
    assert names(cut_of(tmp_path), owner=False) == {"exit_mm", "exec_mmap", "leave_mm"}


def test_known_names_are_not_cut(tmp_path):
    assert "far_helper" not in names(cut_of(tmp_path, KNOWN | {"far_helper"}))


def test_a_stub_comes_with_the_real_one_behind_the_condition_of_its_prototype(tmp_path):
    noted = [
        (one.path, one.guards)
        for one in cut_of(tmp_path).pieces
        if one.name == "noted" and one.kind == "function"
    ]
    assert noted == [
        ("include/linux/sched.h", ("!defined(CONFIG_NOTES)",)),
        ("kernel/helpers.c", ("defined(CONFIG_NOTES)",)),
    ]


def test_all_versions_of_a_name_are_cut(tmp_path):
    twice = "#ifdef CONFIG_A\nstatic bool own(void)\n{\n}\n#else\n#define own() 0\n#endif\n"
    text = twice + EXIT.replace("t->mm == mm &&", "own() &&")
    made = cut_of(tmp_path, **{"kernel/exit.c": text})
    # The macro comes behind the function, or it would rename it.
    assert [(one.kind, one.guards) for one in made.pieces if one.name == "own"] == [
        ("prototype", ("defined(CONFIG_A)",)),
        ("function", ("defined(CONFIG_A)",)),
        ("macro", ("!defined(CONFIG_A)",)),
    ]


def test_structs_enums_locks_and_guards_of_the_same_file_are_cut(tmp_path):
    more = (
        "struct candidate { struct task_struct *t; };\nenum stage { FIRST, SECOND };\n"
        "static DEFINE_SPINLOCK(stage_lock);\nDEFINE_GUARD(stage, int, a(), b())\n"
    )
    body = "\tstruct candidate best;\n\tint stage = SECOND;\n\tguard(stage)(&stage_lock);\n"
    text = more + EXIT.replace(
        "\tstruct task_struct *t, *me", body + "\tstruct task_struct *t, *me"
    )
    found = names(cut_of(tmp_path, KNOWN | {"guard"}, **{"kernel/exit.c": text}))
    assert found >= {"candidate", "SECOND", "stage_lock", "class_stage"}


def test_local_names_are_not_looked_for(tmp_path):
    header = (
        FILES["include/linux/sched.h"]
        + "\nstatic inline int me(void) { return 0; }\n#define t 1\n#define again 2\n"
    )
    found = names(cut_of(tmp_path, **{"include/linux/sched.h": header}))
    assert not found & {"me", "t", "again"}


def test_what_is_nowhere_comes_from_the_fallback_or_is_missing(tmp_path):
    made = cut_of(
        tmp_path, **{"kernel/helpers.c": None, "include/linux/sched.h": "int far_helper(int a);\n"}
    )
    assert {name: user.name for name, user in made.missing.items()} == {
        "for_each_process": "mm_update_next_owner", "far_helper": "wants", "noted": "mm_update_next_owner",
    }  # fmt: skip
    fallback = {"noted": Definition("noted", "macro", 1, 1, "#define noted(t, a) 0")}
    made = cut_of(
        tmp_path, fallback=fallback, **{"kernel/helpers.c": None, "include/linux/sched.h": ""}
    )
    (noted,) = (one for one in made.pieces if one.name == "noted")
    assert (noted.path, noted.owner) == ("fallback", True)


def test_static_functions_of_other_files_are_not_taken(tmp_path):
    made = cut_of(
        tmp_path,
        **{
            "kernel/helpers.c": FILES["kernel/helpers.c"].replace(
                "int far_helper", "static int far_helper"
            )
        },
    )
    assert "far_helper" in made.missing


def test_every_piece_stands_behind_its_line_and_within_its_guards(tmp_path):
    text = cut_of(tmp_path).render()
    assert '#if defined(CONFIG_MEMCG)\n#line 8 "kernel/exit.c"\nstatic inline bool\nwants(' in text
    for piece in cut_of(tmp_path).pieces:
        if piece.kind != "prototype":
            lines = FILES[piece.path].split("\n")
            assert "\n".join(lines[piece.line - 1 : piece.end]) == piece.text


def test_a_line_leads_back_to_its_piece(tmp_path):
    made = cut_of(tmp_path)
    assert made.where("kernel/exit.c", 11).name == "wants"
    assert made.where("kernel/exit.c", 8).kind == "function"
    assert made.where("kernel/exit.c", 1) is None
    assert made.has("wants") and not made.has("unrelated")


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
@pytest.mark.parametrize(
    "configured", [[], ["-DCONFIG_NOTES", "-DCONFIG_MEMCG"], ["-DCONFIG_MEMCG"]]
)
def test_the_order_compiles(tmp_path, configured):
    shim = """
    #include <stdbool.h>
    #include <stddef.h>
    struct task_struct { struct mm_struct *mm; struct task_struct *next; int pid; } init_task, *current;
    struct mm_struct { struct task_struct *owner; int mm_users; };
    #define atomic_read(a) (*(a))
    #define container_of(a, b, c) ((b *)(a))
    #define lru_gen_migrate_mm(mm) ((void)0)
    #define mmap_read_lock(mm) ((void)0)
    #define mmap_read_unlock(mm) ((void)0)
    #define unrelated() ((void)0)
    #ifndef CONFIG_MEMCG
    #define mm_update_next_owner(mm) ((void)0)
    #endif
    """
    text = cut_of(tmp_path).render().replace("noted(t, again)", "noted(t, 1)")
    (tmp_path / "cut.c").write_text(shim + text)
    done = subprocess.run(
        [
            "cc",
            "-fsyntax-only",
            "-Werror=implicit-function-declaration",
            *configured,
            str(tmp_path / "cut.c"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_of_every_tree_owner_code_and_its_callers_are_cut():
    for tree in every_tree():
        made = cut(open_source(f"kernel:{tree}", str(tree)), KNOWN | PLUMBING, {})
        assert {"mm_update_next_owner", "mm_init_owner", "list_for_each_entry"} <= names(made), tree
        assert names(made, owner=False) == {"exit_mm", "exec_mmap"}, tree
        assert made.missing == {}, tree
        for piece in made.pieces:
            if piece.kind != "prototype":
                text = (tree / piece.path).read_text("latin-1")
                assert piece.text in text, (tree, piece.name)
