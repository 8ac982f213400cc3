"""A small kernel in our own words, with the names that a kernel has for mm->owner."""

import subprocess

EXIT = """\
/* invented: no line of this is a kernel's */
#include <linux/sched.h>

static int handoffs;
#define WORTHWHILE(users) ((users) > 1)

#ifdef CONFIG_MEMCG
static inline bool
wants(struct task_struct *t, struct mm_struct *mm)
{
\treturn t->mm == mm && far_helper(t);
}

void mm_update_next_owner(struct mm_struct *mm)
{
\tstruct task_struct *t, *me = current;

\tif (mm->owner != me || !WORTHWHILE(atomic_read(&mm->mm_users)))
\t\treturn;
again:
\tfor_each_process(t) {
\t\tif (!wants(t, mm))
\t\t\tcontinue;
\t\tmm->owner = t;
\t\tlru_gen_migrate_mm(mm);
\t\thandoffs++;
\t\tnoted(t, again);
\t\treturn;
\t}
\tgoto again;
}
#endif

static void unrelated(void)
{
}

static void leave_mm(struct mm_struct *mm)
{
\tmm_update_next_owner(mm);
}

static void exit_mm(void)
{
\tunrelated();
\tleave_mm(current->mm);
}

static struct task_struct *find_alive_thread(struct task_struct *p)
{
\treturn p->is_child_subreaper ? NULL : p;
}
"""
FORK = """\
static void mm_init_owner(struct mm_struct *mm, struct task_struct *p)
{
\tmm->owner = p;
}

static void mm_clear_owner(struct mm_struct *mm, struct task_struct *p)
{
\tif (mm->owner == p)
\t\tmm->owner = NULL;
}

static struct mm_struct *dup_mm(void)
{
\tmm_init_owner(mm, NULL);
}

static void delayed_free_task(struct task_struct *tsk)
{
\tcall_rcu(&tsk->rcu, later);
}

struct task_struct *copy_process(void)
{
\tif (thread_group_leader(p)) {
\t\tlist_add_tail(&p->sibling, &p->real_parent->children);
\t} else {
\t\tnothing();
\t}
\tlru_gen_add_mm(p->mm);
\tmm_clear_owner(p->mm, p);
}
"""
EXEC = """\
static int exec_mmap(struct mm_struct *mm)
{
\tstruct mm_struct *before;

\tbefore = current->mm;
\tmmap_read_lock(before);
\tmmap_read_unlock(before);
\tmm_update_next_owner(before);
\treturn 0;
}
"""
SCHED = """\
#ifndef _SCHED_H
#define _SCHED_H
#define next_process(p) container_of((p)->next, struct task_struct, next)
#define for_each_process(p) \\
\tfor ((p) = next_process(&init_task); (p) != &init_task; (p) = next_process(p))
int far_helper(struct task_struct *t);
#ifdef CONFIG_NOTES
void noted(struct task_struct *t, int a);
#else
static inline void noted(struct task_struct *t, int a) { }
#endif
#endif
"""
HELPERS = """\
static int near_helper(struct task_struct *t)
{
\treturn t->pid;
}

int far_helper(struct task_struct *t)
{
\treturn near_helper(t);
}

void noted(struct task_struct *t, int a)
{
}
"""
FILES = {
    "Makefile": "VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 0\nEXTRAVERSION = -rc3\nNAME = None\n",
    "kernel/exit.c": EXIT,
    "kernel/fork.c": FORK,
    "kernel/helpers.c": HELPERS,
    "kernel/ptrace.c": "void __ptrace_link(struct task_struct *child)\n{\n\tchild->parent = current;\n}\n",
    "kernel/cgroup/cgroup.c": "void cgroup_exit(struct task_struct *tsk)\n{\n}\n",
    "fs/exec.c": EXEC,
    "include/linux/sched.h": SCHED,
    "init/main.c": "void start_kernel(void)\n{\n}\n",
    "mm/empty.c": "",
}
KNOWN = frozenset(
    ("current", "atomic_read", "container_of", "init_task", "bool", "lru_gen_migrate_mm", "NULL")
)
#: More of what a shim has, for real trees.
PLUMBING = frozenset(
    (
        "task_lock", "task_unlock", "read_lock", "read_unlock", "BUG_ON", "WRITE_ONCE", "READ_ONCE", "likely",
        "get_task_struct", "put_task_struct", "down_write", "up_write", "down_read", "up_read", "rcu_dereference",
        "task_cgroup", "subsys", "list_for_each_entry_rcu", "list_entry_rcu", "prefetch", "CGROUP_SUBSYS_COUNT",
        "PF_KTHREAD", "__always_inline", "tasklist_lock", "lockdep_is_held",
    )
)  # fmt: skip
PATCH = """\
--- a/kernel/exit.c
+++ b/kernel/exit.c
@@ -9,5 +9,5 @@ static int handoffs;
 wants(struct task_struct *t, struct mm_struct *mm)
 {
-\treturn t->mm == mm && far_helper(t);
+\treturn t->mm == mm;
 }

"""


def small_kernel(root, **changed):
    """Write the kernel below *root*; *changed* has other texts, None for no such file."""
    for path, text in (FILES | changed).items():
        if text is not None:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
    return root


def git(*arguments, at):
    options = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *options, *arguments], cwd=at, check=True, capture_output=True)
