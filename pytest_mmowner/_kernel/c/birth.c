/* birth.c: how tasks and mms come into being: clone, clone that fails, kernel threads. */
#include "inside.h"

/* A tree that clears the owner of a failed fork only after its mmput(). */
enum { LATE = 2 };

void task_link(struct task_struct *task, struct task_struct *parent)
{
	task->real_parent = task->parent = parent;
	if (thread_group_leader(task)) {
		list_add_last(&task->tasks, &init_task.tasks);
	} else {
		list_add_last(&task->thread_group, &task->group_leader->thread_group);
	}
	list_add_last(&task->thread_node, &task->signal->thread_head);
	if (thread_group_leader(task) || world_era.threads_on_children)
		list_add_last(&task->sibling, &parent->children);
}

/* copy_mm(): shares the maker's mm, or makes one that the child owns. */
static void copy_mm(const struct op *op, struct task_struct *maker, struct task_struct *child)
{
	struct mm_struct *mm = maker->mm;

	if (op->flags & (OP_VM | OP_THREAD)) {
		atomic_inc(&mm->mm_users);
	} else {
		mm = slot_new_mm(op->mm, mm);
		call_init_owner(mm, child);
	}
	child->mm = child->active_mm = mm;
}

static struct task_struct *dup_task(const struct op *op, struct task_struct *maker)
{
	struct task_struct *leader = op->flags & OP_THREAD ? maker->group_leader : NULL;

	return slot_new_task(slot_reserve_task(op->child), task_cgroup_name(maker), leader);
}

void do_clone(struct co *co)
{
	const struct op *op = co->op;
	struct task_struct *maker = co->task, *child = dup_task(op, maker);
	bool own_mm = !(op->flags & (OP_VM | OP_THREAD));

	copy_mm(op, maker, child);
	write_lock_irq(&tasklist_lock);
	task_link(child, op->flags & (OP_PARENT | OP_THREAD) ? maker->real_parent : maker);
	write_unlock_irq(&tasklist_lock);
	if (own_mm && world_era.lru_gen) {
		task_lock(child);
		lru_gen_add_mm(child->mm);
		task_unlock(child);
	}
}

void task_put_by_rcu(struct rcu_head *head)
{
	put_task_struct(container_of(head, struct task_struct, rcu));
}

void do_clone_fails(struct co *co)
{
	const struct op *op = co->op;
	struct task_struct *maker = co->task, *child = dup_task(op, maker);
	struct mm_struct *mm;
	bool copies = !(op->flags & (OP_VM | OP_THREAD));
	int clears;
	int slot = mmo_task_slot(child);

	copy_mm(op, maker, child);
	mm = child->mm;
	if (op->ref) { /* somebody, as a userfaultfd monitor, has found the new mm */
		atomic_inc(&mm->mm_users);
		slot_refs[op->ref] = (uint16_t)mmo_mm_slot(mm);
		if (op->ref >= slot_top_ref)
			slot_top_ref = op->ref + 1;
	}
	clears = copies && !op->late ? world_era.dup_clears : world_era.fork_clears;
	if (clears == LATE)
		mmput(mm);
	if (clears && copies && !op->late)
		call_init_owner(mm, NULL);
	else if (clears)
		call_clear_owner(mm, child);
	if (clears != LATE)
		mmput(mm);
	mmo_task_released[slot] = true;
	if (world_era.fork_frees_by_rcu)
		call_rcu(&child->rcu, task_put_by_rcu);
	else
		put_task_struct(child);
}

void do_kthread(struct co *co)
{
	struct task_struct *task = slot_new_task(slot_reserve_task(co->op->child), 1, NULL);

	task->flags |= PF_KTHREAD;
	write_lock_irq(&tasklist_lock);
	task_link(task, kthreadd);
	write_unlock_irq(&tasklist_lock);
}
