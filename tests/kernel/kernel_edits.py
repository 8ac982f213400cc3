"""What can go wrong in 6.1's owner code: edits of a user's tree, each wrong in one way, or harmless.

A few words of C find the place; ``@`` in the new text is what was found.  ``by`` says which
requirements and which kinds of findings must come out, ``scenes`` whose schedules show them.
"""

from __future__ import annotations

from typing import Final

from kernel_editing import ALL, EXIT, FORK, Added, Change, Edit, Moved

_LOCK: Final = "read_lock(&tasklist_lock);"
_UNLOCK: Final = "read_unlock(&tasklist_lock);"
_GET: Final = "get_task_struct(c);"
_PUT: Final = "put_task_struct(c);"
_HANDOFF: Final = "mm_update_next_owner(mm);"


def _update(find: str, into: str, nth: int | str | None = None) -> Change:
    return Change("mm_update_next_owner", find, into, nth)


def _exit(find: str, into: str, nth: int | str | None = None) -> Change:
    return Change("exit_mm", find, into, nth)


def _exec(find: str, into: str, nth: int | str | None = None) -> Change:
    return Change("exec_mmap", find, into, nth)


#: Of the owner function itself.
UPDATE: Final = (
    # -- the check after the search, and who is kept meanwhile
    Edit("recheck-dropped", "the one who is elected may have left", (_update("c->mm != mm", "0"),), by=("owner-not-user", "EXIT-06"), scenes=("exit-exit",)),
    Edit("recheck-inverted", "who uses the mm is refused", (_update("c->mm != mm", "c->mm == mm"),), by=("endless-loop", "EXIT-03")),
    Edit("recheck-before-the-lock", "it may leave between the check and the lock",
         (_update("task_lock(c);", "g = (void *)c->mm; @"), _update("c->mm != mm", "(void *)g != (void *)mm")), by=("owner-not-user", "EXIT-06"), scenes=("exit-exit",)),
    Edit("recheck-gives-up", "another sharer is not asked", (_update("goto retry;", "return;"),), by=("stale-owner", "INV-05"), scenes=("exit-exit",)),
    Edit("reference-dropped", "who is elected may be freed while its lock is held",
         (_update(_GET, ""), _update(_PUT, "", ALL)), by=("use-after-free", "LOCK-06"), scenes=("exit-exit-reap",)),
    Edit("reference-late", "who is elected may be freed before", (_update(_GET, ""), _update(_UNLOCK, "@ get_task_struct(c);", 1)), by=("use-after-free", "LOCK-06"), scenes=("exit-exit-reap",)),
    Edit("reference-kept", "the new owner is never freed", (_update(_PUT, "", 1),), by=("reference-leak", "LOCK-07"), scenes=("exit-hold",)),
    Edit("reference-kept-by-the-retry", "the one who left is never freed", (_update(_PUT, "", 0),), by=("reference-leak", "LOCK-07"), scenes=("exit-exit",)),
    Edit("put-twice", "a reference of somebody else's is dropped", (_update(_PUT, "@ @", 1),), by=("reference-underflow", "EXIT-03")),
    Edit("put-before-unlock", "the lock may be in freed memory",
         (_update("task_unlock(c);", "put_task_struct(c); @", 0), _update(_PUT, "", 1)), by=("use-after-free", "LOCK-06"), scenes=("exit-exit-reap",)),
    # -- locks
    Edit("early-unlock", "nothing keeps the one who is elected",
         (_update("BUG_ON(c == p);", f"{_UNLOCK} @"), _update(_UNLOCK, "", 2)), by=("unprotected-task", "LOCK-06"), scenes=("exit-hold",)),
    Edit("no-tasklist-lock", "the lists change under the walk",
         (_update(_LOCK, ""), _update(_UNLOCK, "", ALL)), by=("list-walk", "LOCK-02"), scenes=("exit-hold",)),
    Edit("rcu-for-tasklist-lock", "RCU does not protect the lists of children",
         (_update(_LOCK, "rcu_read_lock();"), _update(_UNLOCK, "rcu_read_unlock();", ALL)), by=("list-walk", "LOCK-02"), scenes=("exit-hold",)),
    Edit("no-task-lock", "the new owner may leave while it is made one",
         (_update("task_lock(c);", ""), _update("task_unlock(c);", "", ALL)), by=("owner-store", "INV-04"), scenes=("exit-hold",)),
    Edit("trylock", "who does not get the lock goes on as if it had it",
         (_update("task_lock(c);", "(void)spin_trylock(&c->alloc_lock);"),), by=("bad-unlock", "LOCK-07"), scenes=("exit-exit",)),
    Edit("store-after-unlock", "an owner is stored without its lock",
         (_update("WRITE_ONCE(mm->owner, c);", ""), _update("task_unlock(c);", "@ WRITE_ONCE(mm->owner, c);", 1)), by=("owner-store", "INV-04"), scenes=("exit-hold",)),
    Edit("migrate-without-lock", "MGLRU is told when the owner may have changed again",
         (_update("lru_gen_migrate_mm(mm);", ""), _update("task_unlock(c);", "@ lru_gen_migrate_mm(mm);", 1)), by=("migrate-lock", "LOCK-08"), scenes=("exit-hold",)),
    Edit("migrate-before-store", "MGLRU looks at the old owner",
         (_update("WRITE_ONCE(mm->owner, c);", ""), _update("lru_gen_migrate_mm(mm);", "@ WRITE_ONCE(mm->owner, c);")), by=("CALLBACK-08",)),
    Edit("migrate-dropped", "the pages stay on the list of the old owner's cgroup", (_update("lru_gen_migrate_mm(mm);", ""),), by=("CALLBACK-08",)),
    Edit("plain-store", "the compiler may tear it", (_update("WRITE_ONCE(mm->owner, c)", "mm->owner = c"),), by=("plain-store", "LOCK-05"), scenes=("exit-hold",)),
    Edit("plain-store-of-nobody", "the same of NULL", (_update("WRITE_ONCE(mm->owner, NULL)", "mm->owner = NULL", 0),), by=("plain-store", "LOCK-05"), scenes=("exit-touch",)),
    Edit("unlock-twice", "a lock is released that is not held", (_update(_UNLOCK, "@ @", 0),), by=("bad-unlock", "EXIT-07")),
    Edit("unlock-forgotten", "the path on which nobody is found keeps the lock", (_update(_UNLOCK, "", 0),), by=("lock-imbalance", "LOCK-07"), scenes=("exit-get-reap",)),
    Edit("unlock-forgotten-by-the-retry", "the retry takes a lock that it holds", (_update("task_unlock(c);", "", 0),), by=("lock-order", "RACE-11"), scenes=("exit-exit",)),
    Edit("lock-twice", "it waits for itself", (_update("task_lock(c);", "@ @"),), by=("self-deadlock", "EXIT-03")),
    Edit("unlock-of-another-kind", "a reader releases as a writer", (_update(_UNLOCK, "write_unlock(&tasklist_lock);", 0),), by=("bad-unlock", "EXIT-07")),
    Edit("own-lock-first", "tasklist_lock comes before alloc_lock",
         (_update(_LOCK, "task_lock(p); @"), _update(_UNLOCK, "@ task_unlock(p);", ALL)), by=("lock-order", "RACE-11"), scenes=("exit-hold",)),
    Edit("two-alloc-locks", "alloc_locks do not nest", (_update("task_lock(c);", "@ task_lock(c->group_leader == c ? p : c->group_leader);"),
                                                        _update("task_unlock(c);", "task_unlock(c->group_leader == c ? p : c->group_leader); @", ALL)), by=("lock-order", "RACE-11"), scenes=("exit-hold",)),
    Edit("rcu-left-open", "readers of RCU that never end stop the kernel", (_update(_LOCK, "@ rcu_read_lock();"),), by=("lock-imbalance", "LOCK-07"), scenes=("exit-hold",)),
    Edit("rcu-closed-twice", "it ends what it has not begun", (_update(_UNLOCK, "@ rcu_read_unlock();", 0),), by=("bad-unlock", "EXIT-07")),
    Edit("preempt-left-off", "nobody else runs any more", (_update(_LOCK, "preempt_disable(); @"),), by=("lock-imbalance", "LOCK-07"), scenes=("exit-hold",)),
    Edit("irqs-left-off", "no interrupt comes any more", (_update(_GET, "@ local_irq_disable();"),), by=("lock-imbalance", "LOCK-07"), scenes=("exit-hold",)),
    Edit("mmput-under-spinlock", "mmput() can sleep", (_update("task_unlock(c);", "mmget(mm); mmput(mm); @", 1),), by=("sleep-in-atomic", "LOCK-03"), scenes=("exit-hold",)),
    Edit("down-write-under-spinlock", "mmap_lock can sleep",
         (_update(_GET, "down_write(&mm->mmap_lock); up_write(&mm->mmap_lock); @"),), by=("sleep-in-atomic", "LOCK-03"), scenes=("exit-hold",)),
    Edit("grace-period-under-spinlock", "synchronize_rcu() sleeps", (_update(_GET, "synchronize_rcu(); @"),), by=("sleep-in-atomic", "LOCK-03"), scenes=("exit-hold",)),
    Edit("mmap-lock-in-the-handoff", "exec_mmap() holds it already: it waits for itself",
         (_update(_LOCK, "mmap_write_lock(mm); mmap_write_unlock(mm); @"),
          _exec("mmap_read_unlock(old_mm);", ""), _exec("mm_update_next_owner(old_mm);", "@ mmap_read_unlock(old_mm);")), by=("self-deadlock", "EXEC-02")),
    # -- whom it asks
    Edit("not-the-owner", "somebody else's mm is given away", (_update("mm->owner != p", "0"),), by=("EXEC-03",)),
    Edit("owner-check-inverted", "the owner is sent away", (_update("mm->owner != p", "mm->owner == p"),), by=("EXIT-02", "INV-02")),
    Edit("owner-check-of-the-group", "the leader's mm is given away by its threads only",
         (_update("mm->owner != p", "mm->owner != p->group_leader"),), by=("EXIT-08",)),
    Edit("users-off-by-one", "with one sharer left there is nobody", (_update("<= 1", "<= 2", 0),), by=("INV-03",)),
    Edit("users-off-by-one-in-the-walk", "the walk ends before the last sharer", (_update("<= 1", "<= 2", 1),), by=("INV-07",)),
    Edit("last-user-stays", "a dead task stays owner", (_update("WRITE_ONCE(mm->owner, NULL);", "", 0),), by=("EXIT-02",)),
    Edit("nobody-found-stays", "with references left a dead task stays owner", (_update("WRITE_ONCE(mm->owner, NULL);", "", 1),), by=("EXIT-07", "USERS-03")),
    Edit("children-skipped", "siblings come before children", (_update("list_for_each_entry(c, &p->children, sibling)", "if (0)"),), by=("SEARCH-01",)),
    Edit("siblings-skipped", "everybody comes before siblings",
         (_update("list_for_each_entry(c, &p->real_parent->children, sibling)", "if (0)"),), by=("SEARCH-01",)),
    Edit("everybody-skipped", "sharers that are no relatives are not found", (_update("for_each_process(g)", "while (0)"),), by=("INV-07",)),
    Edit("siblings-first", "children come after siblings",
         (_update("p->children", "p->real_parent->real_parent->children"),), by=("SEARCH-01",)),
    Edit("siblings-of-the-tracer", "whoever attaches has other children", (_update("p->real_parent", "p->parent"),), by=("PTRACE-01",)),
    Edit("kthreads-elected", "a kernel thread only borrows an mm", (_update("g->flags & PF_KTHREAD", "0"),), by=("KTHREAD-01",)),
    Edit("only-kthreads-elected", "the test is the wrong way round", (_update("g->flags & PF_KTHREAD", "!(@)"),), by=("KTHREAD-01", "EXIT-08")),
    Edit("zombie-leader-hides-threads", "a dead leader's threads are not asked", (_update("if (c->mm)", "if (!c->mm)"),), by=("LEADER-03",)),
    Edit("leaders-only", "a dead leader's threads are not asked", (_update("for_each_thread(g, c)", "for (c = g; c; c = NULL)"),), by=("LEADER-03",)),
    Edit("leader-elected", "the leader of the one who was found may be dead",
         (_update("WRITE_ONCE(mm->owner, c)", "WRITE_ONCE(mm->owner, c->group_leader)"),), by=("LEADER-03",)),
    Edit("exiting-passed-over", "who has PF_EXITING may still use the mm", (_update("c->mm == mm", "@ && !(c->flags & PF_EXITING)", ALL),), by=("missed-sharer", "RACE-03"), scenes=("leader-of-the-next",)),
    Edit("bug-on-turned", "it dies of what is right", (_update("c == p", "c != p"),), by=("bug-on", "EXIT-03")),
    Edit("exiting-owner-stays", "who exits does not hand over", (_update(_LOCK, "if (p->flags & PF_EXITING) return; @"),), by=("EXIT-07",)),
    # -- leaks
    Edit("users-leak", "the mm never goes", (_update("WRITE_ONCE(mm->owner, c);", "@ mmget(mm);"),), by=("USERS-01",)),
    Edit("users-underflow", "the mm goes while it is used", (_update("WRITE_ONCE(mm->owner, c);", "@ atomic_dec(&mm->mm_users);"),), by=("use-after-free", "EXIT-03")),
    Edit("count-underflow", "the struct goes while it is used", (_update("WRITE_ONCE(mm->owner, c);", "@ atomic_dec(&mm->mm_count);"),), by=("use-after-free", "EXIT-03")),
    # -- what stops a kernel
    Edit("retry-for-ever", "it asks the same one again", (_update("c->mm != mm", "1"),), by=("endless-loop", "EXIT-03")),
    Edit("loop-without-end", "it does nothing, for ever", (_update(_LOCK, "for (;;) barrier(); @"),), by=("endless-loop", "EXIT-03")),
    Edit("null-dereference", "nobody has no flags", (_update("WRITE_ONCE(mm->owner, NULL);", "@ g = mm->owner; g->flags |= PF_STARTING;", 0),), by=("null-dereference", "EXIT-02")),
    Edit("wild-pointer", "a poisoned pointer is followed", (_update(_LOCK, "g = (void *)0xdead000000000100UL; g->flags |= PF_STARTING; @"),), by=("wild-pointer", "EXIT-03")),
    Edit("recursion", "it calls itself for ever", (_update(_LOCK, f"{_HANDOFF} @"),), by=("stack-overflow", "EXIT-03")),
    Edit("null-function", "it jumps to NULL", (_update(_LOCK, "void (*volatile hook)(void) = NULL; hook(); @"),), by=("crash", "EXIT-03")),
    Edit("division-by-zero", "it divides by zero", (_update(_LOCK, "p->exit_code = p->pid / p->exit_code; @"),), by=("crash", "EXIT-03"), machines=("x86_64", "i686")),
)  # fmt: skip

#: Of the two that call it.
CALLERS: Final = (
    Edit("exit-hands-over-first", "it finds itself", (_exit(_HANDOFF, ""), _exit("task_lock(current);", f"{_HANDOFF} @")), by=("bug-on", "EXIT-07")),
    Edit("exit-puts-first", "the users are counted without the one who leaves",
         (_exit(_HANDOFF, ""), _exit("mmput(mm);", f"@ {_HANDOFF}")), by=("INV-03",)),
    Edit("exit-hands-nothing-over", "a dead task stays owner", (_exit(_HANDOFF, ""),), by=("EXIT-07",)),
    Edit("exit-hands-over-under-its-lock", "tasklist_lock comes before alloc_lock",
         (_exit(_HANDOFF, ""), _exit("task_unlock(current);", f"{_HANDOFF} @")), by=("lock-order", "RACE-11"), scenes=("exit-hold",)),
    Edit("exit-without-lock", "mm changes while somebody has the lock that keeps it",
         (_exit("task_lock(current);", ""), _exit("task_unlock(current);", "")), by=("owner-not-user", "EXIT-06"), scenes=("exit-exit",)),
    Edit("exit-unlocks-early", "the same from the middle on",
         (_exit("task_unlock(current);", ""), _exit("current->mm = NULL;", "task_unlock(current); @")), by=("owner-not-user", "EXIT-06"), scenes=("exit-exit",)),
    Edit("exit-keeps-mm", "who is dead still uses it", (_exit("current->mm = NULL;", ""),), by=("bug-on", "EXIT-03")),
    Edit("exit-takes-no-count", "the struct goes while it is used", (_exit("mmgrab(mm);", ""),), by=("use-after-free", "EXIT-03")),
    Edit("exit-puts-twice", "the mm goes while it is used", (_exit("mmput(mm);", "@ @"),), by=("use-after-free", "EXIT-03")),
    Edit("exit-puts-never", "the mm never goes", (_exit("mmput(mm);", ""),), by=("USERS-01",)),
    Edit("exit-keeps-mmap-lock", "nobody can map any more", (_exit("mmap_read_unlock(mm);", ""),), by=("lock-imbalance", "LOCK-07"), scenes=("exit-hold",)),
    Edit("exit-sleeps-under-its-lock", "mmap_lock can sleep",
         (_exit("mmap_read_lock(mm);", ""), _exit("task_lock(current);", "@ mmap_read_lock(mm);")), by=("sleep-in-atomic", "LOCK-03"), scenes=("exit-hold",)),
    Edit("exit-keeps-irqs-off", "no interrupt comes any more", (_exit("local_irq_enable();", ""),), by=("lock-imbalance", "LOCK-07"), scenes=("exit-hold",)),
    Edit("exit-of-nobody", "a kernel thread has no mm", (_exit("if (!mm)", "if (0)"),), by=("null-dereference",)),
    Edit("exec-hands-the-new-over", "the old mm keeps who left it", (_exec("mm_update_next_owner(old_mm)", "mm_update_next_owner(mm)"),), by=("EXEC-02",)),
    Edit("exec-hands-nothing-over", "the old mm keeps who left it", (_exec("mm_update_next_owner(old_mm);", ""),), by=("EXEC-02",)),
    Edit("exec-hands-over-first", "it finds itself",
         (_exec("mm_update_next_owner(old_mm);", ""), _exec("task_lock(tsk);", "if (old_mm) mm_update_next_owner(old_mm); @")), by=("EXEC-02",)),
    Edit("exec-puts-first", "the users are counted without the one who leaves",
         (_exec("mm_update_next_owner(old_mm);", ""), _exec("mmput(old_mm);", "@ mm_update_next_owner(old_mm);")), by=("EXEC-02",)),
    Edit("exec-hands-over-under-its-lock", "tasklist_lock comes before alloc_lock",
         (_exec("mm_update_next_owner(old_mm);", ""), _exec("task_unlock(tsk);", "if (old_mm) mm_update_next_owner(old_mm); @")), by=("lock-order", "RACE-11"), scenes=("exec-exit",)),
    Edit("exec-without-lock", "mm changes while somebody has the lock that keeps it",
         (_exec("task_lock(tsk);", ""), _exec("task_unlock(tsk);", "")), by=("owner-not-user", "EXIT-06"), scenes=("exec-exec",)),
    Edit("exec-unlocks-early", "the same from the middle on",
         (_exec("task_unlock(tsk);", ""), _exec("tsk->mm = mm;", "task_unlock(tsk); @")), by=("owner-not-user", "EXIT-06"), scenes=("exec-exec",)),
    Edit("exec-keeps-the-old", "it runs on in the old mm", (_exec("tsk->mm = mm;", ""),), by=("EXEC-02",)),
    Edit("exec-puts-never", "the old mm never goes", (_exec("mmput(old_mm);", ""),), by=("USERS-01",)),
    Edit("exec-puts-twice", "the old mm goes while it is used", (_exec("mmput(old_mm);", "@ @"),), by=("EXEC-02",)),
    Edit("exec-keeps-mmap-lock", "nobody can map any more", (_exec("mmap_read_unlock(old_mm);", ""),), by=("lock-imbalance", "LOCK-07"), scenes=("exec-exit",)),
    Edit("exec-not-on-lru", "the new mm's pages are on no list", (_exec("lru_gen_add_mm(mm);", ""),), by=("CALLBACK-08",)),
)  # fmt: skip

#: Where an mm gets its first owner, and loses it when the child never lives.
BIRTHS: Final = (
    Edit("init-nobody", "a new mm has no owner", (Change("mm_init_owner", "mm->owner = p", "mm->owner = NULL"),), by=("FORK-01",)),
    Edit("init-current", "a child's mm belongs to its maker", (Change("mm_init_owner", "mm->owner = p", "mm->owner = current"),), by=("FORK-01",)),
    Edit("init-nothing", "a copy keeps the owner of the original", (Change("mm_init_owner", "mm->owner = p", "(void)p"),), by=("FORK-01",)),
    Edit("init-leader", "there may be nobody, who has no leader",
         (Change("mm_init_owner", "mm->owner = p", "mm->owner = p->group_leader"),), by=("FORK-06",)),
    Edit("clear-always", "a sharer that never lived takes the owner along", (Change("mm_clear_owner", "mm->owner == p", "1"),), by=("FORK-07",)),
    Edit("clear-never", "a child that never lived stays owner", (Change("mm_clear_owner", "mm->owner == p", "0"),), by=("FORK-07",)),
    Edit("clear-inverted", "both of it", (Change("mm_clear_owner", "mm->owner == p", "mm->owner != p"),), by=("FORK-07",)),
    Edit("clear-leaks-lock", "a lock is never released", (Change("mm_clear_owner", "if (mm->owner == p)", "task_lock(p); @"),), by=("lock-imbalance", "LOCK-07"), scenes=("fork-fails-touch",)),
    Edit("fork-never-clears", "a child that never lived stays owner", (Change("copy_process", "mm_clear_owner(p->mm, p);", ""),), by=("FORK-07",)),
    Edit("dup-never-clears", "a child that never lived stays owner", (Change("dup_mm", "mm_init_owner(mm, NULL);", ""),), by=("FORK-06",)),
    Edit("fork-frees-by-no-rcu", "who looks at the owner reads freed memory",
         (Change("delayed_free_task", "call_rcu(&tsk->rcu, __delayed_free_task)", "free_task(tsk)"),), by=("charge-use-after-free", "RACE-05"), scenes=("fork-fails-touch",)),
)  # fmt: skip

#: The struct itself, and what is too late or too plain.
COUNTS: Final = (
    Edit("count-leak", "the struct never goes", (_update("WRITE_ONCE(mm->owner, c);", "@ mmgrab(mm);"),), by=("mm-count", "LOCK-07"), scenes=("exit-hold",)),
    Edit("exit-takes-two-counts", "the struct never goes", (_exit("mmgrab(mm);", "@ @"),), by=("mm-count", "LOCK-07"), scenes=("exit-hold",)),
    Edit("exec-keeps-lazy-count", "init_mm is counted up for ever", (_exec("mmdrop(active_mm);", ""),), by=("mm-count", "LOCK-07"), scenes=("helper-execs",)),
    Edit("clear-plain", "the compiler may tear it", (Change("mm_clear_owner", "WRITE_ONCE(mm->owner, NULL)", "mm->owner = NULL"),), by=("plain-store", "LOCK-05"), scenes=("fork-fails-touch",)),
    Edit("fork-clears-late", "the mm may be gone", (Change("copy_process", "mm_clear_owner(p->mm, p); mmput(p->mm);", "mmput(p->mm); mm_clear_owner(p->mm, p);"),), by=("use-after-free", "LOCK-06"), scenes=("fork-fails-touch",)),
    Edit("dup-clears-late", "the mm may be gone", (Change("dup_mm", "mm_init_owner(mm, NULL); mmput(mm);", "mmput(mm); mm_init_owner(mm, NULL);"),), by=("use-after-free", "LOCK-06"), scenes=("dup-fails-touch",)),
)  # fmt: skip

EDITS: Final = (*UPDATE, *CALLERS, *BIRTHS, *COUNTS)

#: Edits that change nothing that counts.
HARMLESS: Final = (
    Edit("comment", "a comment", (_update(_LOCK, "/* mm->owner = c; { */ @ // }\n"),)),
    Edit("local-variable", "a variable more", (_update("retry:", "int tries = 0;\n@ tries++;"),)),
    Edit("declarations-reordered", "the same in another order",
         (_update("struct task_struct *c, *g, *p = current", "struct task_struct *p = current, *g, *c"),)),
    Edit("pr-debug", "it tells what it does", (_update("WRITE_ONCE(mm->owner, c);", '@ pr_debug("%s: %p\\n", __func__, c);'),)),
    Edit("annotated", "hints for the compiler", (_update("c->mm != mm", "unlikely(READ_ONCE(c->mm) != mm)"),)),
    Edit("renamed", "another name", (_update("c", "next_owner", ALL),)),
    Edit("users-less-than-two", "the same number", (_update("<= 1", "< 2", ALL),)),
    Edit("bug-on-dropped", "it cannot happen", (_update("BUG_ON(c == p);", ""),)),
    Edit("bug-on-to-warn-on", "the same", (_update("BUG_ON(c == p)", "WARN_ON_ONCE(c == p)"),)),
    Edit("rcu-too", "more than it needs", (_update(_LOCK, "rcu_read_lock(); @ rcu_read_unlock();"),)),
    Edit("put-before-last-unlock", "who owns an mm and is locked cannot leave",
         (_update("task_unlock(c);", "put_task_struct(c); @", 1), _update(_PUT, "", 2))),
    Edit("helper", "a helper before it", (_update("c->mm == mm", "uses(c, mm)", ALL),
         _update("void mm_update_next_owner", "static inline bool uses(struct task_struct *t, struct mm_struct *m)\n{\n\treturn t->mm == m;\n}\n\n@"))),
    Edit("helper-in-another-file", "a helper in fork.c",
         (_update("c->mm != mm", "!uses(c, mm)"),
          Added(FORK, "\nbool uses(struct task_struct *t, struct mm_struct *m)\n{\n\treturn t->mm == m;\n}\n"))),
    Edit("helper-in-a-header", "a helper in a header",
         (_update("c->mm != mm", "!uses(c, mm)"),
          Added("include/linux/sched/mm.h", "\nstatic inline bool uses(struct task_struct *t, struct mm_struct *m)\n{\n\treturn t->mm == m;\n}\n"))),
    Edit("macro", "a macro of its own", (_update("c->mm == mm", "USES(c, mm)", ALL),
                                        _update("void mm_update_next_owner", "#define USES(t, m) ((t)->mm == (m))\n@"))),
    Edit("moved", "it goes to fork.c", (Moved("mm_update_next_owner", FORK),)),
    Edit("guarded", "the lock by a guard", (_update("WRITE_ONCE(mm->owner, c);", "scoped_guard(rcu) @"),)),
    Edit("exit-under-mmap-lock", "the handoff takes no mmap_lock",
         (_exit("mmap_read_unlock(mm);", ""), _exit(_HANDOFF, "@ mmap_read_unlock(mm);"))),
    Edit("exec-under-mmap-lock", "the handoff takes no mmap_lock",
         (_exec("mmap_read_unlock(old_mm);", ""), _exec("mm_update_next_owner(old_mm);", "@ mmap_read_unlock(old_mm);"))),
    Edit("function-around", "the caller calls what nobody knows", (_exit("mmput(mm);", "frob_mm(mm, FROB_NOW); @"),)),
    Edit("member-around", "the caller has a member that nobody knows", (_exec("task_lock(tsk);", "tsk->frob = mm->frobs; @"),)),
    Edit("macro-around", "a macro that nobody knows behind it", (Added(EXIT, "\nEXPORT_SYMBOL_FOR_FROBS(mm_update_next_owner);\n"),)),
)  # fmt: skip

#: Edits that must not be judged: what is missing in owner code is told, with its line.
REFUSED: Final = (
    Edit("unknown-function", "nobody has it", (_update(_GET, "frob_task(c); @"),), quoted="frob_task(c)"),
    Edit("unknown-member", "no task has it", (_update(_GET, "c->frobs++; @"),), quoted="c->frobs++"),
    Edit("unknown-constant", "nobody has it", (_update(_GET, "c->flags |= FROB_NOW; @"),), quoted="FROB_NOW"),
    Edit("unknown-type", "nobody has it", (_update(_LOCK, "frob_t frob = 0; @"),), quoted="frob_t frob"),
    Edit("no-semicolon", "it is no C", (_update("task_lock(c);", "task_lock(c)"),), quoted="read_unlock"),
    Edit("unknown-in-clear", "nobody has it", (Change("mm_clear_owner", "if (mm->owner == p)", "frob_mm(mm); @"),), quoted="frob_mm(mm)"),
)  # fmt: skip
