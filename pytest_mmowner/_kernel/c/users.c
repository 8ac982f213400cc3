/* users.c: who else has to do with an mm: holders, borrowers, tracers, those who charge. */
#include "inside.h"

void do_hold(struct co *co)
{
	struct mm_struct *mm = world_find_mm(co->op->mm);

	if (!mm)
		return;
	mmo_point((uintptr_t)&mm->mm_count, A_WRITE, __builtin_return_address(0));
	if (mmo_mm_life[mmo_mm_slot(mm)] != SLOT_LIVE || !mmget_not_zero(mm))
		return;
	slot_refs[co->op->ref] = (uint16_t)mmo_mm_slot(mm);
	if (co->op->ref >= slot_top_ref)
		slot_top_ref = co->op->ref + 1;
}

void do_put(struct co *co)
{
	int slot = slot_refs[co->op->ref];

	slot_refs[co->op->ref] = 0;
	if (slot)
		mmput(MMO_MM(slot));
}

void do_use_mm(struct co *co)
{
	struct task_struct *task = co->task;
	struct mm_struct *mm = world_find_mm(co->op->mm), *active;

	mmgrab(mm);
	task_lock(task);
	active = task->active_mm;
	task->active_mm = task->mm = mm;
	task_unlock(task);
	mmdrop(active);
}

void do_unuse_mm(struct co *co)
{
	struct task_struct *task = co->task;
	struct mm_struct *mm = task->mm;

	task_lock(task);
	task->mm = NULL;
	task->active_mm = &init_mm;
	task_unlock(task);
	mmdrop(mm);
}

void do_trace(struct co *co)
{
	struct task_struct *task = world_find_task(co->op->task), *tracer = world_find_task(co->op->tracer);

	write_lock_irq(&tasklist_lock);
	task->ptrace = 1;
	list_add_last(&task->ptrace_entry, &tracer->ptraced);
	if (tracer != task->parent) {
		task->parent = tracer;
		if (world_era.ptrace_moves && !list_empty(&task->sibling)) {
			list_add_last(&task->ptrace_list, &task->real_parent->ptrace_children);
			list_remove(&task->sibling);
			list_add_last(&task->sibling, &tracer->children);
		}
	}
	write_unlock_irq(&tasklist_lock);
}

void do_untrace(struct co *co)
{
	write_lock_irq(&tasklist_lock);
	task_untrace(co->task);
	write_unlock_irq(&tasklist_lock);
}

void do_subreaper(struct co *co)
{
	co->task->signal->is_child_subreaper = 1;
}


void do_cgroup(struct co *co)
{
	int name = co->op->cgroup;

	if (name >= MMO_CGROUPS) {
		slot_full = "more cgroups than the C world has room for";
		return;
	}
	mmo_arena.css_sets[name].mmo_name = mmo_arena.css_sets[name].cgroup.mmo_name = name;
}

void do_attach(struct co *co)
{
	struct task_struct *task = co->task;
	struct mm_struct *mm;

	task_lock(task);
	task->cgroups = &mmo_arena.css_sets[co->op->cgroup];
	mm = task->mm;
	if (mm && thread_group_leader(task) && mm->owner == task)
		lru_gen_add_mm(mm);
	task_unlock(task);
}

/* get_mem_cgroup_from_mm(): who pays is looked up through the owner, inside RCU. */
static void charge(struct mm_struct *mm, int pages)
{
	struct task_struct *owner;
	int slot;

	rcu_read_lock();
	owner = rcu_dereference(mm->owner);
	slot = owner ? mmo_task_slot(owner) : 0;
	if (!owner) {
		if (world_era.root_pays)
			world_log.pages[1] += pages;
		else
			world_log.unpaid += pages;
	} else if (mmo_exploring) {
		world_log.pages[owner->cgroups->mmo_name] += pages; /* a freed owner is found here */
	} else if (mmo_task_released[slot]) {
		world_log.lost += pages;
	} else {
		world_log.pages[task_cgroup_name(owner)] += pages;
	}
	rcu_read_unlock();
}

void do_charge(struct co *co)
{
	charge(co->task->mm, co->op->pages);
}

/* ---- only beside others ---- */

/* A reader of /proc: takes the mm of a task, looks who pays, and lets go. */
void do_get_task_mm(struct co *co)
{
	struct task_struct *task = world_find_task(co->op->task);
	struct mm_struct *mm;
	int slot;

	co->task = init_process;
	if (!task)
		return;
	slot = mmo_task_slot(task);
	/* Under RCU: who is found by its pid gets a reference, or is not found any more. */
	mmo_point((uintptr_t)&task->usage, A_WRITE, __builtin_return_address(0));
	if (mmo_task_released[slot] || mmo_task_life[slot] != SLOT_LIVE)
		return;
	mmo_task_usage[slot]++;
	mm = get_task_mm(task);
	if (mm) {
		charge(mm, 1);
		mmput(mm);
	}
	put_task_struct(task);
}

/* swapoff: finds an mm that has users, works on it, and lets go. */
void do_touch(struct co *co)
{
	struct mm_struct *mm = world_find_mm(co->op->mm);

	co->task = init_process;
	if (!mm)
		return;
	/* Under mmlist_lock: what is found there has a reference, or is not there any more. */
	mmo_point((uintptr_t)&mm->mm_count, A_WRITE, __builtin_return_address(0));
	if (mmo_mm_life[mmo_mm_slot(mm)] != SLOT_LIVE)
		return;
	RAW(mm->mm_count.counter++);
	if (mmget_not_zero(mm)) {
		charge(mm, 1);
		mmput(mm);
	}
	mmdrop(mm);
}
