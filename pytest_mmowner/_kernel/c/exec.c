/* exec.c: exec: the other threads die, the leader's place is taken, the mm is replaced. */
#include "inside.h"

/* exec_mmap(), for a candidate that has none; which mm is handed over, and when, it says. */
static void exec_mmap_ours(struct task_struct *task, struct mm_struct *mm)
{
	struct mm_struct *old = task->mm, *active = task->active_mm;

	if (old)
		down_read(&old->mmap_sem);
	task_lock(task);
	task->active_mm = task->mm = mm;
	lru_gen_add_mm(mm);
	task_unlock(task);
	if (world_era.exec_held && (world_era.exec_new || old))
		call_update_next_owner(world_era.exec_new ? mm : old);
	if (!old) {
		mmdrop(active);
		return;
	}
	up_read(&old->mmap_sem);
	if (!world_era.exec_held)
		call_update_next_owner(world_era.exec_new ? mm : old);
	mmput(old);
}

/* de_thread(): the leader's pid and places are taken over, the old leader is released. */
static void take_over_leader(struct task_struct *task)
{
	struct task_struct *old = task->group_leader;
	int pid = old->pid;

	write_lock_irq(&tasklist_lock);
	old->pid = task->pid;
	task->pid = pid;
	list_swap(&old->tasks, &task->tasks);
	if (!world_era.threads_on_children)
		list_swap(&old->sibling, &task->sibling);
	task->group_leader = old->group_leader = task;
	task->exit_signal = SIGCHLD;
	old->exit_signal = -1;
	task_release(old);
	write_unlock_irq(&tasklist_lock);
}

/* A task without an mm that execs is a user-mode helper. */
static void become_helper(struct task_struct *task)
{
	write_lock_irq(&tasklist_lock);
	task->flags &= ~PF_KTHREAD;
	task->parent = task->real_parent = kworker;
	list_remove(&task->sibling);
	list_add_last(&task->sibling, &kworker->children);
	write_unlock_irq(&tasklist_lock);
}

static bool others_are_dead(const struct co *co)
{
	struct task_struct *task = co->task, *leader = RAW(task->group_leader);

	return task == leader ? RAW(list_empty(&task->thread_group))
			      : RAW(leader->exit_state == EXIT_ZOMBIE &&
				    leader->thread_group.next == &task->thread_group &&
				    leader->thread_group.prev == &task->thread_group);
}

static struct task_struct *another_alive(struct task_struct *task)
{
	struct task_struct *thread, *found = NULL;

	read_lock(&tasklist_lock);
	list_for_each_entry(thread, &task->signal->thread_head, thread_node)
		if (thread != task && !thread->exit_state && !(thread->flags & PF_EXITING)) {
			found = thread;
			break;
		}
	read_unlock(&tasklist_lock);
	return found;
}

void do_exec(struct co *co)
{
	struct task_struct *task = co->task, *thread;
	struct mm_struct *mm = slot_new_mm(co->op->mm, NULL);

	call_init_owner(mm, task);
	while ((thread = another_alive(task)))
		task_exit(co, thread);
	co->task = task;
	co_wait(others_are_dead);
	if (!thread_group_leader(task))
		take_over_leader(task);
	if (task->flags & PF_KTHREAD)
		become_helper(task);
	if (!mmo_candidate.exec_mmap) {
		exec_mmap_ours(task, mm);
		return;
	}
	if (!RAW(task->mm))
		atomic_inc(&init_mm.mm_count); /* of active_mm: exec_mmap() drops it */
	watch_enter(OWNER_UPDATE);
	if (mmo_candidate.exec_mmap(mm))
		mmo_find(F_WARN, NULL, "exec_mmap() fails");
	watch_leave("exec_mmap()");
}

void do_exec_fails(struct co *co)
{
	struct mm_struct *mm = slot_new_mm(NAMES - 1, NULL);

	call_init_owner(mm, co->task);
	mmput(mm);
	slot_forget_mm(NAMES - 1);
}
