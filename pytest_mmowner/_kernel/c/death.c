/* death.c: exit and what it leads to: release, reparenting, tracers that let go, reap. */
#include "inside.h"

static bool is_traced(struct task_struct *task)
{
	return task->ptrace;
}


/* release_task(): off every list; the struct goes when nobody in RCU can see it. */
void task_release(struct task_struct *task)
{
	int slot = mmo_task_slot(task);

	if (is_traced(task))
		task_untrace(task);
	list_remove(&task->sibling);
	list_remove(&task->ptrace_list);
	if (task->tasks.next != &task->tasks)
		list_remove_rcu(&task->tasks);
	list_remove_rcu(&task->thread_group);
	list_remove_rcu(&task->thread_node);
	task->exit_state = EXIT_DEAD;
	mmo_task_released[slot] = true;
	call_rcu(&task->rcu, task_put_by_rcu);
}

bool task_group_dead(struct task_struct *leader)
{
	return leader->exit_state == EXIT_ZOMBIE && list_empty(&leader->thread_group);
}

static struct task_struct *first_alive(struct task_struct *task)
{
	struct task_struct *thread;

	list_for_each_entry(thread, &task->signal->thread_head, thread_node)
		if (!(thread->flags & PF_EXITING))
			return thread;
	return NULL;
}

static struct task_struct *next_alive(struct task_struct *task)
{
	struct task_struct *thread = task;

	/* Around the ring, in the order in which the threads were made. */
	for (thread = next_thread(task); thread != task; thread = next_thread(thread))
		if (!(thread->flags & PF_EXITING))
			return thread;
	return NULL;
}

static struct task_struct *find_new_reaper(struct task_struct *father)
{
	struct task_struct *thread = world_era.adopter_first ? first_alive(father) : next_alive(father);

	if (thread)
		return thread;
	if (world_era.subreapers) {
		struct task_struct *ancestor = father->real_parent;

		for (; mmo_task_slot(ancestor) > MMO_FIRST_TASK; ancestor = ancestor->real_parent) {
			if (!ancestor->signal->is_child_subreaper)
				continue;
			thread = first_alive(ancestor);
			if (thread)
				return thread;
		}
	}
	return init_process;
}

static void exit_ptrace(struct task_struct *task)
{
	while (!list_empty(&task->ptraced))
		task_untrace(list_first_entry(&task->ptraced, struct task_struct, ptrace_entry));
}

static void adopt(struct task_struct *child, struct task_struct *father, struct task_struct *reaper)
{
	struct task_struct *thread;

	if (child->real_parent != father) { /* a tracee that stands here: 2.6.26 and before */
		task_untrace(child);
		return;
	}
	if (world_era.threads_on_children) {
		if (child->parent == child->real_parent)
			child->parent = reaper;
		child->real_parent = reaper;
	} else {
		list_for_each_entry(thread, &child->signal->thread_head, thread_node) {
			if (thread->parent == thread->real_parent)
				thread->parent = reaper;
			thread->real_parent = reaper;
		}
	}
	list_remove(&child->sibling);
	list_add_last(&child->sibling, &reaper->children);
}

static void forget_original_parent(struct task_struct *father)
{
	struct task_struct *reaper = find_new_reaper(father), *child, *next;

	list_for_each_entry_safe(child, next, &father->ptrace_children, ptrace_list) {
		list_remove(&child->ptrace_list);
		child->real_parent = reaper;
		if (child->parent != reaper)
			list_add_last(&child->ptrace_list, &reaper->ptrace_children);
	}
	list_for_each_entry_safe(child, next, &father->children, sibling)
		adopt(child, father, reaper);
}

static void exit_notify(struct task_struct *task)
{
	struct task_struct *leader;

	write_lock_irq(&tasklist_lock);
	if (!world_era.ptrace_moves)
		exit_ptrace(task);
	forget_original_parent(task);
	exit_ptrace(task);
	leader = task->group_leader;
	if (task == leader)
		task->exit_state = EXIT_ZOMBIE;
	else
		task_release(task);
	task_autoreap(leader);
	write_unlock_irq(&tasklist_lock);
}

/* Children of the kernel itself are not waited for. */
void task_autoreap(struct task_struct *leader)
{
	if (task_group_dead(leader) && !is_traced(leader) &&
	    (leader->real_parent == kthreadd || leader->real_parent == kworker))
		task_release(leader);
}

/* exit_mm(), for a candidate that has none. */
static void exit_mm_ours(struct task_struct *task)
{
	struct mm_struct *mm = task->mm;

	if (!mm)
		return;
	down_read(&mm->mmap_sem);
	mmgrab(mm);
	task_lock(task);
	task->mm = NULL;
	up_read(&mm->mmap_sem);
	task_unlock(task);
	call_update_next_owner(mm);
	mmput(mm);
}

static void exit_mm_of(struct co *co, struct task_struct *task)
{
	if (!mmo_candidate.exit_mm) {
		exit_mm_ours(task);
	} else {
		watch_enter(OWNER_UPDATE);
		mmo_candidate.exit_mm(task);
		watch_leave("exit_mm()");
	}
	(void)co;
}

void task_exit(struct co *co, struct task_struct *task)
{
	struct mm_struct *mm;

	co->task = task;
	task->flags |= PF_EXITING;
	mm = task->mm;
	exit_mm_of(co, task);
	if (world_era.zombie_root)
		task->cgroups = &mmo_arena.css_sets[1];
	exit_notify(task);
	if (mm)
		mmdrop(mm); /* the lazy reference of active_mm goes with the last switch */
}

void do_exit(struct co *co)
{
	task_exit(co, co->task);
}

static bool is_dead_zombie(const struct co *co)
{
	struct task_struct *task = world_find_task(co->op->task);

	return !task || RAW(task_group_dead(task));
}

void do_reap(struct co *co)
{
	struct task_struct *task = world_find_task(co->op->task);

	co->task = RAW(task->real_parent);
	co_wait(is_dead_zombie);
	write_lock_irq(&tasklist_lock);
	if (!mmo_task_released[mmo_task_slot(task)])
		task_release(task);
	write_unlock_irq(&tasklist_lock);
}

/* __ptrace_unlink(), tasklist_lock held for writing. */
void task_untrace(struct task_struct *task)
{
	task->ptrace = 0;
	list_remove(&task->ptrace_entry);
	if (task->parent == task->real_parent)
		return;
	task->parent = task->real_parent;
	if (!list_empty(&task->ptrace_list)) {
		list_remove(&task->ptrace_list);
		list_remove(&task->sibling);
		list_add_last(&task->sibling, &task->real_parent->children);
	}
	task_autoreap(task->group_leader);
}
