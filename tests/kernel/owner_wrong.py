"""Wrong owner functions, one for each kind of finding: edits of the small kernels that are right."""

from dataclasses import dataclass

from owner_making import FILES, OLD_FILES

from mmowner_conformance.scenes import SCENES
from pytest_mmowner import Scene
from pytest_mmowner._scenes import scene_from_text

EXIT = "kernel/exit.c"
FORK = "kernel/fork.c"
_TEST = "\tuses = heir->mm == mm;\n"
_GIVEN = "\t\tlru_gen_migrate_mm(mm);\n\t}\n\ttask_unlock(heir);\n\treturn uses;\n"
_ME = "\tstruct task_struct *me = current;\n\n"
_LOCK = "\t\tread_lock(&tasklist_lock);\n\t\tif (one_of_children(me"
_LAST = "\t\tread_unlock(&tasklist_lock);\n\t}\n\tWRITE_ONCE(mm->owner, NULL);\n"
_HAND = "static bool hand_to("
_OLD_TAKE = "\t\t\ttask_lock(heir);\n"


@dataclass(frozen=True)
class Wrong:
    """Edits, and what is found then in one scene (which is the simplest that shows it)."""

    kinds: tuple[str, ...]
    scene: str
    edits: tuple[tuple[str, str, str], ...]
    files: str = "new"
    #: Whether it takes no second task: a single operation shows it.
    alone: bool = False

    @property
    def shown_in(self) -> Scene:
        """The scene."""
        return next((one for one in SCENES if one.name == self.scene), None) or scene_from_text(
            self.scene
        )

    @property
    def tree(self) -> dict[str, str]:
        """The files that are edited."""
        return TREES[self.files]

    @property
    def dialect(self) -> str:
        """The dialect that the files are right for."""
        return DIALECT_OF[self.files]


TREES = {"new": FILES, "old": OLD_FILES}
DIALECT_OF = {"new": "6.11", "old": "2.6.28"}


def _exit(before: str, after: str) -> tuple[tuple[str, str, str], ...]:
    return ((EXIT, before, after),)


def _at_start(code: str) -> tuple[tuple[str, str, str], ...]:
    return _exit(_ME, f"{_ME}\t{code}\n")


WRONG = {
    "null": Wrong(("null-dereference",), "exit-exit", _at_start(
        "if (me->signal->curr_target->flags)\n\t\treturn;"), alone=True),
    "wild": Wrong(("wild-pointer",), "exit-exit", _at_start(
        "if (((struct task_struct *)0xdead000000000122UL)->flags)\n\t\treturn;"), alone=True),
    "unmapped": Wrong(("crash",), "exit-exit", _at_start(
        "if (((struct task_struct *)0x7000000000UL)->flags)\n\t\treturn;"), alone=True),
    "trap": Wrong(("crash",), "exit-exit", _at_start("__builtin_trap();"), alone=True),
    "jump": Wrong(("crash",), "exit-exit", _at_start(
        "void (*volatile nowhere)(void) = NULL;\n\n\tnowhere();"), alone=True),
    "recursion": Wrong(("stack-overflow",), "exit-exit", (
        (EXIT, _HAND, "static long deeper(struct mm_struct *mm, int depth)\n{\n"
         "\tvolatile char room[1024];\n\n\troom[depth % 1024] = 1;\n"
         "\treturn deeper(mm, depth + 1) + room[0];\n}\n\n" + _HAND),
        *_at_start("if (deeper(mm, 0))\n\t\treturn;")), alone=True),
    "loop": Wrong(("endless-loop",), "exit-exit", _at_start("while (me)\n\t\tcpu_relax();"), alone=True),
    "bug": Wrong(("bug-on",), "exit-exit", _at_start("BUG_ON(mm->owner == me);"), alone=True),
    "warn": Wrong(("warning",), "exit-exit", _at_start("WARN_ON(mm->owner == me);"), alone=True),
    "twice": Wrong(("self-deadlock",), "exit-exit", _exit(
        _TEST, "\ttask_lock(heir);\n" + _TEST), alone=True),
    "crossed": Wrong(("deadlock", "sleep-in-atomic"), "exit-exit", _exit(
        _TEST, "\tdown_write(&mm->mmap_sem);\n\tup_write(&mm->mmap_sem);\n" + _TEST)),
    "unlocks": Wrong(("bad-unlock",), "exit-exit", _at_start("task_unlock(me);"), alone=True),
    "keeps-lock": Wrong(("lock-imbalance",), "exit-put", _exit(
        _LAST, _LAST.replace("\t\tread_unlock(&tasklist_lock);\n", "")), alone=True),
    "sleeps": Wrong(("sleep-in-atomic",), "exit-exit", _exit(
        _LOCK, _LOCK.replace(";\n", ";\n\t\tmight_sleep();\n", 1)), alone=True),
    "nests": Wrong(("lock-order",), "exit-exit", _exit(
        _TEST, "\tread_lock(&tasklist_lock);\n\tread_unlock(&tasklist_lock);\n" + _TEST), alone=True),
    "rcu-walk": Wrong(("list-walk",), "exit-exit", (
        (EXIT, _LOCK, _LOCK.replace("read_lock(&tasklist_lock)", "rcu_read_lock()")),
        (EXIT, "\t\tread_unlock(&tasklist_lock);\n\t\tWRITE_ONCE(mm->owner, heir);\n",
         "\t\trcu_read_unlock();\n\t\tWRITE_ONCE(mm->owner, heir);\n"),
        (EXIT, _LAST, _LAST.replace("read_unlock(&tasklist_lock)", "rcu_read_unlock()"))), alone=True),
    "late-look": Wrong(("unprotected-task", "use-after-free"), "exit-exit-reap", _exit(
        _GIVEN, _GIVEN.replace("\treturn uses;", "\treturn uses && heir->pid;")), alone=True),
    "late-store": Wrong(("owner-store", "plain-store"), "exit-exit", _exit(
        "\ttask_unlock(heir);\n\treturn uses;\n",
        "\ttask_unlock(heir);\n\tif (uses)\n\t\tmm->owner = heir;\n\treturn uses;\n"), alone=True),
    "stranger": Wrong(("owner-store",), "exit-exit", _exit(
        "\tif (mm->owner != me)\n\t\treturn;\n", ""), alone=True),
    "no-recheck": Wrong(("owner-not-user",), "exit-exit", _exit(_TEST, "\tuses = true;\n")),
    "leak": Wrong(("reference-leak",), "exit-exit", _exit(_TEST, "\tget_task_struct(heir);\n" + _TEST), alone=True),
    "grabs": Wrong(("mm-count",), "exit-exit", _exit(_TEST, "\tmmgrab(mm);\n" + _TEST), alone=True),
    "underflow": Wrong(("reference-underflow",), "exit-exit", _exit(
        _TEST, "\tput_task_struct(heir);\n" + _TEST), alone=True),
    "keeps-owner": Wrong(("stale-owner",), "kthread-uses", _exit(
        "\tWRITE_ONCE(mm->owner, NULL);\n}\n#endif", "}\n#endif")),
    "keeps-dead-owner": Wrong(("dangling-owner",), "clone(1, 2, mm=2); hold(2, 1) / exit(2) | reap(2)", _exit(
        "\tWRITE_ONCE(mm->owner, NULL);\n}\n#endif", "}\n#endif")),
    "family-only": Wrong(("missed-sharer",), "strangers", _exit(" || one_of_all(mm))", ")"), alone=True),
    "early-hook": Wrong(("callback-lock",), "subsystem", _exit(
        _OLD_TAKE, "\t\t\tcgroup_mm_owner_callbacks(me, heir);\n" + _OLD_TAKE), files="old", alone=True),
    "plain": Wrong(("plain-store",), "exit-exit", _exit(
        "WRITE_ONCE(mm->owner, heir);", "mm->owner = heir;"), alone=True),
    "late-migration": Wrong(("migrate-lock",), "exit-exit", _exit(
        _GIVEN, "\t}\n\ttask_unlock(heir);\n\tif (uses)\n\t\tlru_gen_migrate_mm(mm);\n\treturn uses;\n"), alone=True),
    "keeps-failed-child": Wrong(("charge-use-after-free",), "fork-fails-touch", (
        (FORK, "\tif (mm->owner == p)\n\t\tWRITE_ONCE(mm->owner, NULL);\n", ""),)),
    "no-reference": Wrong(("use-after-free",), "exit-exit-reap", (
        (EXIT, "\t\tif (heir)\n\t\t\tget_task_struct(heir);\n", ""),
        (EXIT, "\t\tif (heir)\n\t\t\tput_task_struct(heir);\n", "")), files="old"),
}  # fmt: skip
