/* orders.c: one order to one task, and the signs by which its effect is known. */
#define _GNU_SOURCE
#include "orders.h"

struct slot *slot_of(int task)
{
	return &region->slots[task];
}

pid_t tgid_of(int task)
{
	return world.processes[world.tasks[task].process].tgid;
}

bool is_leader(int task)
{
	return world.processes[world.tasks[task].process].leader == task;
}

bool is_blocked(int task)
{
	return world.tasks[task].vfork_child != NONE;
}

int ready_task_of(pid_t tgid)
{
	for (int i = 0; i < world.task_count; i++)
		if (world.tasks[i].life == LIVE && !is_blocked(i) && tgid_of(i) == tgid)
			return i;
	return NONE;
}

int others_alive(int task)
{
	int count = 0;

	for (int i = 0; i < world.task_count; i++)
		count += i != task && world.tasks[i].life == LIVE &&
			 world.tasks[i].process == world.tasks[task].process;
	return count;
}

bool order(int task, enum task_order what, long a, long b, long c, long *result)
{
	task_post(slot_of(task), what, a, b, c);
	if (!wait_for_task(task_answered, slot_of(task)))
		return false;
	*result = slot_of(task)->result;
	return true;
}

bool up_or_failed(const void *argument)
{
	const struct hello *hello = argument;

	return atomic_load(&hello->child->hello) != hello->before ||
	       (task_answered(hello->parent) && hello->parent->result < 0);
}

bool is_zombie_or_gone(const void *task)
{
	char state = task_state(tgid_of(*(const int *)task), world.tasks[*(const int *)task].tid);

	return !state || state == 'Z' || state == 'X';
}

bool is_gone(const void *task)
{
	return !task_state(tgid_of(*(const int *)task), world.tasks[*(const int *)task].tid);
}

struct waiting {
	int by;
	pid_t pid;
	long result;
};

/* Asks again and again instead of blocking: a task must always be able to answer. */
static bool waited_for(const void *argument)
{
	struct waiting *w = (struct waiting *)argument;

	return !order(w->by, ORDER_WAIT, w->pid, 0, 0, &w->result) || w->result;
}

enum outcome wait_for_child(int by, pid_t pid, const char *what)
{
	struct waiting w = { .by = by, .pid = pid };

	if (!wait_until(waited_for, &w))
		return broken("task %ld waited for %s in vain", world.tasks[by].name, what);
	if (w.result != pid)
		return broken("task %ld waited for %s and got %ld", world.tasks[by].name, what,
			      w.result);
	return DONE;
}
