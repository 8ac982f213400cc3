"""The same for 6.12, whose owner is stored by helpers, and where nothing is tried again.

From 6.11 on the search asks whole groups, and who has gone is passed over within the search.
"""

from __future__ import annotations

from typing import Final

from kernel_editing import ALL, FORK, Added, Change, Edit, Moved

_LOCK: Final = "read_lock(&tasklist_lock);"
_UNLOCK: Final = "read_unlock(&tasklist_lock);"
_HANDOFF: Final = "mm_update_next_owner(mm);"


def _update(find: str, into: str, nth: int | str | None = None) -> Change:
    return Change("mm_update_next_owner", find, into, nth)


def _group(find: str, into: str, nth: int | str | None = None) -> Change:
    return Change("try_to_set_owner", find, into, nth)


def _one(find: str, into: str, nth: int | str | None = None) -> Change:
    return Change("__try_to_set_owner", find, into, nth)


EDITS: Final = (
    # -- one task
    Edit("recheck-dropped", "who is asked may have left", (_one("tsk->mm == mm", "1"),), by=("owner-not-user", "EXIT-06"), scenes=("exit-exit",)),
    Edit("recheck-before-the-lock", "it may leave between the check and the lock",
         (_one("task_lock(tsk);", "struct mm_struct *its = READ_ONCE(tsk->mm); @"), _one("tsk->mm == mm", "its == mm")),
         by=("owner-not-user", "EXIT-06"), scenes=("exit-exit",)),
    Edit("no-task-lock", "the new owner may leave while it is made one", (_one("task_lock(tsk);", ""), _one("task_unlock(tsk);", "")),
         by=("owner-store", "INV-04"), scenes=("exit-hold",)),
    Edit("early-unlock", "nothing keeps who is asked, and the walk goes on without the lock",
         (_one(_UNLOCK, ""), _one("task_lock(tsk);", f"{_UNLOCK} @")), by=("unprotected-task", "LOCK-06"), scenes=("exit-hold",)),
    Edit("unlock-though-refused", "the walk goes on without the lock", (_one(_UNLOCK, ""), _one("task_unlock(tsk);", f"{_UNLOCK} @")),
         by=("list-walk", "LOCK-02"), scenes=("exit-exit",)),
    Edit("unlock-forgotten", "who finds an owner keeps the lock", (_one(_UNLOCK, ""),), by=("lock-imbalance", "LOCK-07"), scenes=("exit-hold",)),
    Edit("unlock-twice", "a lock is released that is not held", (_one(_UNLOCK, "@ @"),), by=("bad-unlock", "EXIT-03")),
    Edit("store-after-unlock", "an owner is stored without its lock",
         (_one("WRITE_ONCE(mm->owner, tsk);", ""), _one("task_unlock(tsk);", "@ if (ret) WRITE_ONCE(mm->owner, tsk);")),
         by=("owner-store", "INV-04"), scenes=("exit-hold",)),
    Edit("plain-store", "the compiler may tear it", (_one("WRITE_ONCE(mm->owner, tsk)", "mm->owner = tsk"),), by=("plain-store", "LOCK-05"), scenes=("exit-hold",)),
    Edit("migrate-without-lock", "MGLRU is told when the owner may have changed again",
         (_one("lru_gen_migrate_mm(mm);", ""), _one("task_unlock(tsk);", "@ if (ret) lru_gen_migrate_mm(mm);")),
         by=("migrate-lock", "LOCK-08"), scenes=("exit-hold",)),
    Edit("migrate-dropped", "the pages stay on the list of the old owner's cgroup", (_one("lru_gen_migrate_mm(mm);", ""),), by=("CALLBACK-08",)),
    Edit("always-refused", "an owner is stored and the search goes on", (_one("ret = true", "ret = false"),), by=("EXIT-03",)),
    Edit("never-refused", "who has left counts as found", (_one("ret = false", "ret = true"),), by=("stale-owner", "lock-imbalance"), scenes=("exit-exit",)),
    Edit("lock-kept-by-refusal", "who has left is locked for ever", (_one("task_unlock(tsk);", "if (ret) @"),), by=("LOCK-07",), scenes=("exit-exit",)),
    Edit("mmput-under-spinlock", "mmput() can sleep", (_one("task_unlock(tsk);", "mmget(mm); mmput(mm); @"),), by=("sleep-in-atomic", "LOCK-03"), scenes=("exit-hold",)),
    Edit("leader-stored", "the leader of the one who was found may be dead", (_one("mm->owner, tsk", "mm->owner, tsk->group_leader"),), by=("LEADER-03",)),
    Edit("reference-kept", "the new owner is never freed", (_one("ret = true;", "get_task_struct(tsk); @"),), by=("reference-leak", "LOCK-07"), scenes=("exit-hold",)),
    Edit("reference-dropped", "a reference of somebody else's is dropped", (_one("ret = true;", "put_task_struct(tsk); @"),), by=("reference-underflow", "EXIT-03")),
    # -- a group
    Edit("zombie-leader-hides-threads", "a dead leader's threads are not asked", (_group("else if (t_mm)", "else"),), by=("LEADER-03",)),
    Edit("leaders-only", "a dead leader's threads are not asked", (_group("for_each_thread(g, t)", "for (t = g; t; t = NULL)"),), by=("LEADER-03",)),
    Edit("refusal-ends-the-search", "the next sharer is not asked", (_group("if (__try_to_set_owner(t, mm))", "@;"),), by=("stale-owner",), scenes=("exit-exit",)),
    Edit("success-ignored", "an owner is stored and the search goes on", (_group("return true", "break"),), by=("EXIT-03",)),
    Edit("wrong-mm", "who has another mm is asked", (_group("t_mm == mm", "t_mm != mm"),), by=("EXIT-03",)),
    Edit("leader-asked", "the leader is asked for each thread", (_group("__try_to_set_owner(t, mm)", "__try_to_set_owner(g, mm)"),), by=("LEADER-03",)),
    # -- the search
    Edit("not-the-owner", "somebody else's mm is given away", (_update("mm->owner != p", "0"),), by=("EXEC-03",)),
    Edit("users-off-by-one", "with one sharer left there is nobody", (_update("<= 1", "<= 2", 0),), by=("INV-03",)),
    Edit("users-off-by-one-in-the-walk", "the walk ends before the last sharer", (_update("<= 1", "<= 2", 1),), by=("INV-07",)),
    Edit("last-user-stays", "a dead task stays owner", (_update("WRITE_ONCE(mm->owner, NULL);", "", 0),), by=("EXIT-02",)),
    Edit("nobody-found-stays", "with references left a dead task stays owner", (_update("WRITE_ONCE(mm->owner, NULL);", "", 1),), by=("EXIT-07",)),
    Edit("found-and-forgotten", "a new owner is taken away again", (_update("goto ret;", "break;", 0),), by=("EXIT-03",)),
    Edit("children-skipped", "siblings come before children", (_update("list_for_each_entry(g, &p->children, sibling)", "if (0)"),), by=("SEARCH-01",)),
    Edit("siblings-skipped", "everybody comes before siblings", (_update("list_for_each_entry(g, &p->real_parent->children, sibling)", "if (0)"),), by=("SEARCH-01",)),
    Edit("everybody-skipped", "sharers that are no relatives are not found", (_update("for_each_process(g)", "while (0)"),), by=("INV-07",)),
    Edit("siblings-of-the-tracer", "whoever attaches has other children", (_update("p->real_parent", "p->parent"),), by=("PTRACE-01",)),
    Edit("kthreads-elected", "a kernel thread only borrows an mm", (_update("g->flags & PF_KTHREAD", "0"),), by=("KTHREAD-01",)),
    Edit("no-tasklist-lock", "the lists change under the walk", (_update(_LOCK, ""), _update(_UNLOCK, ""), _one(_UNLOCK, "")),
         by=("list-walk", "LOCK-02"), scenes=("exit-hold",)),
    Edit("rcu-for-tasklist-lock", "RCU does not protect the lists of children",
         (_update(_LOCK, "rcu_read_lock();"), _update(_UNLOCK, "rcu_read_unlock();"), _one(_UNLOCK, "rcu_read_unlock();")),
         by=("list-walk", "LOCK-02"), scenes=("exit-hold",)),
    Edit("own-lock-first", "tasklist_lock comes before alloc_lock", (_update(_LOCK, "task_lock(p); @ task_unlock(p);"),), by=("lock-order", "RACE-11"), scenes=("exit-hold",)),
    Edit("search-unlock-forgotten", "the path on which nobody is found keeps the lock", (_update(_UNLOCK, ""),), by=("lock-imbalance", "LOCK-07"), scenes=("exit-get-reap",)),
    Edit("search-for-ever", "who finds nobody begins again", (_update("WRITE_ONCE(mm->owner, NULL);", "return mm_update_next_owner(mm);", 1),), by=("EXIT-07",)),
    # -- the others, whose text is the same or nearly
    Edit("exit-hands-over-first", "it finds itself",
         (Change("exit_mm", _HANDOFF, ""), Change("exit_mm", "task_lock(current);", f"{_HANDOFF} @")), by=("owner-store", "EXIT-07"), scenes=("exit-hold",)),
    Edit("exit-puts-first", "the users are counted without the one who leaves",
         (Change("exit_mm", _HANDOFF, ""), Change("exit_mm", "mmput(mm);", f"@ {_HANDOFF}")), by=("INV-03",)),
    Edit("exit-unlocks-early", "mm changes while somebody has the lock that keeps it",
         (Change("exit_mm", "task_unlock(current);", ""), Change("exit_mm", "current->mm = NULL;", "task_unlock(current); @")),
         by=("owner-not-user", "EXIT-06"), scenes=("exit-exit",)),
    Edit("exit-takes-no-count", "the struct goes while it is used", (Change("exit_mm", "mmgrab_lazy_tlb(mm);", ""),), by=("use-after-free", "EXIT-03")),
    Edit("exec-hands-the-new-over", "the old mm keeps who left it", (Change("exec_mmap", "mm_update_next_owner(old_mm)", "mm_update_next_owner(mm)"),), by=("EXEC-02",)),
    Edit("exec-puts-first", "the users are counted without the one who leaves",
         (Change("exec_mmap", "mm_update_next_owner(old_mm);", ""), Change("exec_mmap", "mmput(old_mm);", "@ mm_update_next_owner(old_mm);")), by=("EXEC-02",)),
    Edit("init-current", "a child's mm belongs to its maker", (Change("mm_init_owner", "mm->owner = p", "mm->owner = current"),), by=("FORK-01",)),
    Edit("clear-always", "a sharer that never lived takes the owner along", (Change("mm_clear_owner", "mm->owner == p", "1"),), by=("FORK-07",)),
    Edit("fork-never-clears", "a child that never lived stays owner", (Change("copy_process", "mm_clear_owner(p->mm, p);", ""),), by=("FORK-07",)),
    Edit("dup-never-clears", "a child that never lived stays owner", (Change("dup_mm", "mm_init_owner(mm, NULL);", ""),), by=("FORK-06",)),
    Edit("fork-frees-by-no-rcu", "who looks at the owner reads freed memory",
         (Change("delayed_free_task", "call_rcu(&tsk->rcu, __delayed_free_task)", "free_task(tsk)"),), by=("charge-use-after-free", "RACE-05"), scenes=("fork-fails-touch",)),
)  # fmt: skip

HARMLESS: Final = (
    Edit("moved-one", "a helper goes to fork.c", (_one("likely", ""), Moved("__try_to_set_owner", FORK),
         Added("include/linux/sched/mm.h", "\nbool __try_to_set_owner(struct task_struct *tsk, struct mm_struct *mm);\n"))),
    Edit("plain-read", "the lock comes later", (_group("READ_ONCE(t->mm)", "t->mm"),)),
    Edit("label-dropped", "the same with a return", (_update("goto ret;", "return;", ALL), _update("ret:", ""))),
    Edit("guarded", "the lock by a guard", (_one("bool ret = false;", "@ guard(task_lock)(tsk);"), _one("task_lock(tsk);", ""), _one("task_unlock(tsk);", ""))),
)  # fmt: skip
