"""Small kernels in our own words that are right, and what makes them wrong, for whole runs of C."""

from pathlib import Path

from pytest_mmowner._candidates.kernel import Kernel, open_kernel

MAKEFILE = "VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 0\nEXTRAVERSION =\n"
OLD_MAKEFILE = "VERSION = 2\nPATCHLEVEL = 6\nSUBLEVEL = 28\nEXTRAVERSION = .10\n"
#: Right for 6.11: threads are asked where they are met.
EXIT = """\
/* invented: no line of this is a kernel's */
#include <linux/sched.h>

#ifdef CONFIG_MEMCG
static bool hand_to(struct task_struct *heir, struct mm_struct *mm)
{
\tbool uses;

\ttask_lock(heir);
\tuses = heir->mm == mm;
\tif (uses) {
\t\tread_unlock(&tasklist_lock);
\t\tWRITE_ONCE(mm->owner, heir);
\t\tlru_gen_migrate_mm(mm);
\t}
\ttask_unlock(heir);
\treturn uses;
}

static bool one_of_group(struct task_struct *leader, struct mm_struct *mm)
{
\tstruct task_struct *t;

\tfor_each_thread(leader, t) {
\t\tstruct mm_struct *its = READ_ONCE(t->mm);

\t\tif (its == mm && hand_to(t, mm))
\t\t\treturn true;
\t\tif (its && its != mm)
\t\t\tbreak;
\t}
\treturn false;
}

static bool one_of_children(struct task_struct *parent, struct mm_struct *mm)
{
\tstruct task_struct *child;

\tlist_for_each_entry(child, &parent->children, sibling)
\t\tif (one_of_group(child, mm))
\t\t\treturn true;
\treturn false;
}

static bool one_of_all(struct mm_struct *mm)
{
\tstruct task_struct *leader;

\tfor_each_process(leader) {
\t\tif (alone(mm))
\t\t\treturn false;
\t\tif (!(leader->flags & PF_KTHREAD) && one_of_group(leader, mm))
\t\t\treturn true;
\t}
\treturn false;
}

void mm_update_next_owner(struct mm_struct *mm)
{
\tstruct task_struct *me = current;

\tif (mm->owner != me)
\t\treturn;
\tif (!alone(mm)) {
\t\tread_lock(&tasklist_lock);
\t\tif (one_of_children(me, mm) || one_of_children(me->real_parent, mm) || one_of_all(mm))
\t\t\treturn;
\t\tread_unlock(&tasklist_lock);
\t}
\tWRITE_ONCE(mm->owner, NULL);
}
#endif

static struct task_struct *find_alive_thread(struct task_struct *p)
{
\treturn p->signal->is_child_subreaper ? p : NULL;
}
"""
#: The callers, for edits that put them in: by themselves, ours run.
EXIT_MM = """
static void exit_mm(void)
{
\tstruct mm_struct *mm = current->mm;

\texit_mm_release(current, mm);
\tif (!mm)
\t\treturn;
\tmmap_read_lock(mm);
\tmmgrab_lazy_tlb(mm);
\ttask_lock(current);
\tcurrent->mm = NULL;
\ttask_unlock(current);
\tmmap_read_unlock(mm);
\tmm_update_next_owner(mm);
\tmmput(mm);
}
"""
EXEC = """
static int exec_mmap(struct mm_struct *mm)
{
\tstruct task_struct *me = current;
\tstruct mm_struct *before = me->mm, *lazy = me->active_mm;

\tif (before)
\t\tmmap_read_lock(before);
\ttask_lock(me);
\tme->active_mm = me->mm = mm;
\tlru_gen_add_mm(mm);
\ttask_unlock(me);
\tif (!before) {
\t\tmmdrop(lazy);
\t\treturn 0;
\t}
\tmmap_read_unlock(before);
\tmm_update_next_owner(before);
\tmmput(before);
\treturn 0;
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
\t\tWRITE_ONCE(mm->owner, NULL);
}
"""
#: Behind the owner functions, for what the world around is told by.
FORK_AROUND = """
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
\t}
\tlru_gen_add_mm(p->mm);
\tmm_clear_owner(p->mm, p);
}
"""
SCHED = """\
#ifndef _SCHED_H
#define _SCHED_H
#define alone(mm) (atomic_read(&(mm)->mm_users) <= 1)
#endif
"""
FILES = {
    "Makefile": MAKEFILE,
    "kernel/exit.c": EXIT,
    "kernel/fork.c": FORK + FORK_AROUND,
    "fs/exec.c": "/* nothing */\n",
    "include/linux/sched.h": SCHED,
}

#: Right for 2.6.28: found first, taken then, and hooks are told.
OLD_EXIT = """\
/* invented: no line of this is a kernel's */
static bool must_look(struct mm_struct *mm, struct task_struct *me)
{
\treturn mm->owner == me && atomic_read(&mm->mm_users) > 1;
}

static struct task_struct *heir_of(struct task_struct *me, struct mm_struct *mm)
{
\tstruct task_struct *t, *leader;

\tlist_for_each_entry(t, &me->children, sibling)
\t\tif (t->mm == mm)
\t\t\treturn t;
\tlist_for_each_entry(t, &me->parent->children, sibling)
\t\tif (t->mm == mm)
\t\t\treturn t;
\tfor_each_process(leader) {
\t\tt = leader;
\t\tdo {
\t\t\tif (t->mm == mm)
\t\t\t\treturn t;
\t\t} while_each_thread(leader, t);
\t}
\treturn NULL;
}

void mm_update_next_owner(struct mm_struct *mm)
{
\tstruct task_struct *me = current, *heir;
\tbool done = false;

\twhile (!done && must_look(mm, me)) {
\t\tread_lock(&tasklist_lock);
\t\their = heir_of(me, mm);
\t\tif (heir)
\t\t\tget_task_struct(heir);
\t\tread_unlock(&tasklist_lock);
\t\tdown_write(&mm->mmap_sem);
\t\tif (heir) {
\t\t\ttask_lock(heir);
\t\t\tdone = heir->mm == mm;
\t\t\tif (done) {
\t\t\t\tcgroup_mm_owner_callbacks(me, heir);
\t\t\t\tmm->owner = heir;
\t\t\t}
\t\t\ttask_unlock(heir);
\t\t} else {
\t\t\tcgroup_mm_owner_callbacks(me, NULL);
\t\t\tmm->owner = NULL;
\t\t\tdone = true;
\t\t}
\t\tup_write(&mm->mmap_sem);
\t\tif (heir)
\t\t\tput_task_struct(heir);
\t}
}
"""
OLD_CGROUP = """\
static void tell(struct cgroup_subsys *ss, struct task_struct *from, struct task_struct *to)
{
\tstruct cgroup *was = task_cgroup(from, ss->subsys_id), *is = NULL;

\tif (to)
\t\tis = task_cgroup(to, ss->subsys_id);
\tif (was != is)
\t\tss->mm_owner_changed(ss, was, is, to);
}

void cgroup_mm_owner_callbacks(struct task_struct *from, struct task_struct *to)
{
\tint i;

\tfor (i = 0; need_mm_owner_callback && i < CGROUP_SUBSYS_COUNT; i++)
\t\tif (subsys[i]->mm_owner_changed)
\t\t\ttell(subsys[i], from, to);
}
"""
OLD_FORK = """\
static void mm_init_owner(struct mm_struct *mm, struct task_struct *p)
{
\tmm->owner = p;
}
"""
OLD_FILES = {
    "Makefile": OLD_MAKEFILE,
    "kernel/exit.c": OLD_EXIT,
    "kernel/fork.c": OLD_FORK,
    "kernel/cgroup.c": OLD_CGROUP,
    "fs/exec.c": "/* nothing */\n",
    "include/linux/sched.h": "/* nothing */\n",
}


def tree(
    root: Path, files: dict[str, str] = FILES, *edits: tuple[str, str, str], **more: str
) -> Path:
    """Write a kernel below *root*; an edit is a path, what is there once, and what is put there.

    *more* is put behind a file, by its first letters: ``exit``, ``exec``, ``fork``.
    """
    texts = dict(files)
    for path, before, after in edits:
        assert texts[path].count(before) == 1, (path, before, texts[path].count(before))
        texts[path] = texts[path].replace(before, after)
    for name, text in more.items():
        path = next(path for path in texts if Path(path).stem == name)
        texts[path] += text
    for path, text in texts.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root


def opened(root: Path, dialect: str | None = None) -> Kernel:
    """The candidate that is made from the tree at *root*."""
    return open_kernel(f"kernel:{root}", str(root), dialect, 30)


def kernel(
    root: Path,
    files: dict[str, str] = FILES,
    *edits: tuple[str, str, str],
    dialect: str | None = None,
) -> Kernel:
    """A candidate of a tree with edits in it."""
    return opened(tree(root, files, *edits), dialect)
