/* calls.c: the border between world and candidate: calls of owner functions, and what they call. */
#include "inside.h"

/* Its own accesses are no places where operations meet. */
#define UNSEEN __attribute__((no_sanitize("thread")))

/* ---- calls of the candidate ---- */

void call_init_owner(struct mm_struct *mm, struct task_struct *task)
{
	if (!mmo_candidate.init_owner)
		return;
	watch_enter(OWNER_INIT);
	mmo_candidate.init_owner(mm, task);
	watch_leave("mm_init_owner()");
}

void call_clear_owner(struct mm_struct *mm, struct task_struct *task)
{
	if (!mmo_candidate.clear_owner)
		return;
	watch_enter(OWNER_CLEAR);
	mmo_candidate.clear_owner(mm, task);
	watch_leave("mm_clear_owner()");
}

void call_update_next_owner(struct mm_struct *mm)
{
	if (!mmo_candidate.update_next_owner)
		return;
	watch_enter(OWNER_UPDATE);
	mmo_candidate.update_next_owner(mm);
	watch_leave("mm_update_next_owner()");
}

/* ---- what the candidate calls ---- */

void mmdrop(struct mm_struct *mm)
{
	int depth = watch_pause(), slot = mmo_mm_slot(mm);

	if (mm && !slot) {
		if (depth) /* the world itself does not count who borrows init_mm */
			atomic_dec(&mm->mm_count);
	} else if (mm && atomic_dec_and_test(&mm->mm_count)) {
		mmo_point((uintptr_t)mm, A_FREE, __builtin_return_address(0));
		mmo_mm_life[slot] = SLOT_FREED;
	}
	watch_resume(depth);
}

void mmput(struct mm_struct *mm)
{
	int depth;

	mmo_might_sleep("mmput()");
	depth = watch_pause();
	if (atomic_dec_and_test(&mm->mm_users)) {
		world_log.lru[mmo_mm_slot(mm)] = 0;
		mmdrop(mm);
	}
	watch_resume(depth);
}

struct mm_struct *get_task_mm(struct task_struct *task)
{
	int depth = watch_pause();
	struct mm_struct *mm;

	task_lock(task);
	mm = task->mm;
	if (mm) {
		if (task->flags & PF_KTHREAD)
			mm = NULL;
		else
			atomic_inc(&mm->mm_users);
	}
	task_unlock(task);
	watch_resume(depth);
	return mm;
}

/* Wakes a vfork parent in the kernel: nobody here waits, legality has seen to that. */
void mmo_release_mm(struct task_struct *task, struct mm_struct *mm)
{
	(void)task;
	(void)mm;
}

UNSEEN static void on_lru_of_owner(struct mm_struct *mm)
{
	struct co *co = watch_blind();
	struct task_struct *owner = mm->owner;
	int slot = owner ? mmo_task_slot(owner) : -1;

	if (slot >= 0 && slot < MMO_TASKS && world_era.lru_gen)
		world_log.lru[mmo_mm_slot(mm)] = owner->cgroups->mmo_name;
	watch_again(co);
}

UNSEEN void lru_gen_add_mm(struct mm_struct *mm)
{
	on_lru_of_owner(mm);
}

UNSEEN void lru_gen_migrate_mm(struct mm_struct *mm)
{
	struct task_struct *owner = RAW(mm->owner);

	/* The store was before this call: it is looked at before what follows it. */
	if (mmo_co && mmo_co->store.mm)
		watch_store(mmo_co);
	if (mmo_co && mmo_co->in_candidate && owner && !co_holds(mmo_co, &owner->alloc_lock.mmo))
		mmo_find(F_MIGRATE, __builtin_return_address(0),
			 "lru_gen_migrate_mm() without the owner's alloc_lock");
	on_lru_of_owner(mm);
}

UNSEEN void mmo_guard_exit(struct mmo_guard *guard)
{
	static const enum mmo_mode modes[] = { MMO_SPIN, MMO_SPIN, MMO_READ, MMO_WRITE,
					       MMO_SLEEP_READ, MMO_SLEEP_WRITE };

	if (guard->kind == 0)
		mmo_rcu(-1);
	else if (guard->kind == 6)
		mmo_preempt(-1);
	else
		mmo_unlock(guard->lock, modes[guard->kind]);
}

/* A hook runs under the alloc_lock of the new owner; 2.6.28 holds mmap_sem for writing too. */
UNSEEN static void callback_locks(struct co *co, const void *new_owner, const struct task_struct *task)
{
	bool sem = false, alloc = false;

	for (int i = 0; i < co->nheld; i++) {
		sem |= co->held[i].mode == MMO_SLEEP_WRITE;
		alloc |= watch_is_alloc_lock(co->held[i].lock) &&
			 (!task || co->held[i].lock == &task->alloc_lock.mmo);
	}
	if (new_owner && !alloc)
		mmo_find(F_CALLBACK, NULL, "mm_owner_changed() is called without the new owner's alloc_lock");
	if (world_era.callbacks == 3 && !sem)
		mmo_find(F_CALLBACK, NULL, "mm_owner_changed() is called without mmap_sem held for writing");
}

/* mm_owner_changed of all our subsystems.  What the arguments are is the dialect's. */
UNSEEN void call_owner_changed(struct cgroup_subsys *ss, void *old, void *new_owner, void *task)
{
	struct call *call = &world_log.calls[world_log.call_count];
	struct mm_struct *mm = NULL;
	struct task_struct *current_task = mmo_co ? mmo_co->task : NULL, *seen = NULL;
	struct co *co;

	if (mmo_co && mmo_co->in_candidate)
		callback_locks(mmo_co, new_owner, world_era.callbacks == 3 ? task : NULL);
	co = watch_blind();
	for (int i = 1; i < world_top_mm && !mm; i++)
		if (mmo_mm_life[i] == SLOT_LIVE && MMO_MM(i)->owner == current_task &&
		    current_task->mm != MMO_MM(i))
			mm = MMO_MM(i);
	seen = mm ? mm->owner : NULL;
	if (world_log.call_count < MMO_CALLS) {
		world_log.call_count++;
		memcpy(call->subsystem, ss->name, sizeof(call->subsystem));
		call->seen = seen ? mmo_task_name[mmo_task_slot(seen)] : 0;
		call->new_task = -1;
		call->new_cgroup = -1;
		if (world_era.callbacks == 1) {
			struct task_struct *from = old, *to = new_owner;

			call->old = from ? mmo_task_name[mmo_task_slot(from)] : 0;
			call->new_task = to ? mmo_task_name[mmo_task_slot(to)] : -1;
		} else {
			call->old_cgroup = old ? ((struct cgroup *)old)->mmo_name : -1;
			call->new_cgroup = new_owner ? ((struct cgroup *)new_owner)->mmo_name : -1;
			if (world_era.callbacks == 3 && task)
				call->new_task = mmo_task_name[mmo_task_slot(task)];
		}
	}
	watch_again(co);
}

int task_cgroup_name(const struct task_struct *task)
{
	return RAW(task->cgroups->mmo_name);
}
