/* ops.c: the table of operations, and those that are about more than one task's life. */
#define _GNU_SOURCE
#include "ops.h"
#include "lifecycle.h"
#include "orders.h"
#include "probe.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <unistd.h>

struct reply reply;

#define SAYS(function, meaning)                                         \
	enum outcome function(const char *format, ...)                  \
	{                                                               \
		va_list args;                                           \
									\
		va_start(args, format);                                 \
		vsnprintf(reply.why, sizeof(reply.why), format, args);  \
		va_end(args);                                           \
		return meaning;                                         \
	}

SAYS(refused, REFUSED)
SAYS(untestable, UNTESTABLE)
SAYS(broken, BROKEN)

long number_of(const struct json *request, const char *key)
{
	const struct json *member = json_get(request, key);

	return member && member->kind == JSON_INT && member->number > 0 ? member->number : 0;
}

/* ---- ptrace and reaping ---- */

static enum outcome op_trace(const struct json *request, int task)
{
	struct task *t = &world.tasks[task];
	long name = number_of(request, "tracer");
	int tracer = name ? find_task(name) : NONE;
	long result;

	if (tracer == NONE || world.tasks[tracer].life != LIVE || is_blocked(tracer))
		return refused("tracer %ld is not a task that can trace now", name);
	if (t->tracer != NONE || world.tasks[tracer].process == t->process || !t->process)
		return refused("task %ld cannot be traced by task %ld", t->name, name);
	if (!order(tracer, ORDER_PTRACE, PTRACE_SEIZE, t->tid, 0, &result))
		return broken("task %ld did not come back from ptrace", name);
	if (result < 0)
		return broken("PTRACE_SEIZE: %s", strerror((int)-result));
	t->tracer = tracer;
	return DONE;
}

static enum outcome op_untrace(const struct json *request, int task)
{
	struct task *t = &world.tasks[task];
	enum outcome outcome;
	long result;

	(void)request;
	if (t->tracer == NONE)
		return refused("task %ld is not traced", t->name);
	/* Only a stopped task can be let go, and neither of them may be asleep in vfork. */
	if (is_blocked(task) || is_blocked(t->tracer))
		return untestable("task %ld or its tracer is blocked in vfork", t->name);
	if (!order(t->tracer, ORDER_PTRACE, PTRACE_INTERRUPT, t->tid, 0, &result) || result < 0)
		return broken("PTRACE_INTERRUPT of task %ld failed", t->name);
	outcome = wait_for_child(t->tracer, t->tid, "the task that it traces");
	if (outcome != DONE)
		return outcome;
	if (!order(t->tracer, ORDER_PTRACE, PTRACE_DETACH, t->tid, 0, &result) || result < 0)
		return broken("PTRACE_DETACH of task %ld failed", t->name);
	t->tracer = NONE;
	return DONE;
}

static enum outcome op_subreaper(const struct json *request, int task)
{
	long result;

	(void)request;
	if (!order(task, ORDER_SUBREAPER, 0, 0, 0, &result) || result)
		return broken("prctl(PR_SET_CHILD_SUBREAPER) failed");
	return DONE;
}

/* ---- cgroups and charges ---- */

static enum outcome op_cgroup(const struct json *request, int unused)
{
	long name = number_of(request, "cgroup"), parent_name = number_of(request, "parent");
	int parent = parent_name ? find_group(parent_name) : NONE;
	struct group *g = &world.groups[world.group_count];
	struct cgroup_dir dir = { .usage_fd = -1, .members_fd = -1 };
	char above[sizeof(g->path)];
	bool made;

	(void)unused;
	if (!name || find_group(name) != NONE)
		return refused("cgroup must be new, %ld is not", name);
	if (parent == NONE)
		return refused("there is no cgroup %ld", parent_name);
	if (world.group_count == MAX_GROUPS ||
	    strlen(world.groups[parent].path) + 16 > sizeof(g->path))
		return untestable("this agent makes no more cgroups, or none so deep");
	*g = (struct group){ .name = name };
	snprintf(above, sizeof(above), "%s", world.groups[parent].path);
	snprintf(g->path, sizeof(g->path), "%.230s/g%d", above, world.group_count);
	made = cgroup_make(&dir, g->path, true);
	cgroup_close(&dir);
	if (!made)
		return broken("cgroup %s: %s", g->path, strerror(errno));
	world.group_count++;
	return DONE;
}

static enum outcome op_attach(const struct json *request, int task)
{
	long name = number_of(request, "cgroup");
	int group = name ? find_group(name) : NONE;

	if (group == NONE)
		return refused("there is no cgroup %ld", name);
	if (cgroup_version == 2 && others_alive(task))
		return untestable("cgroup v2 cannot move a single thread");
	return enter_group(task, group) ? DONE : broken("the task cannot be moved: %s",
							strerror(errno));
}

static enum outcome op_charge(const struct json *request, int task)
{
	long pages = number_of(request, "pages"), touched, result;
	struct payer payer;

	if (!pages)
		return broken("pages must be a positive integer");
	if (pages > ARENA_PAGES)
		return untestable("at most %d pages at a time", ARENA_PAGES);
	touched = probe_charge_pages() > pages ? probe_charge_pages() : pages;
	for (int turn = 0;; turn++) {
		probe_charge_before();
		if (!order(task, ORDER_TOUCH, (long)ARENA_ADDRESS, (long)page_size, touched,
			   &result))
			return broken("task %ld did not come back from touching pages",
				      world.tasks[task].name);
		payer = probe_charge_after(world.tasks[task].mm, touched);
		if (payer.kind != PAYER_UNKNOWN || turn == 2)
			break;
		if (touched < 512)
			touched = 512; /* enough for the usage counters, too */
	}
	if (payer.kind == PAYER_UNKNOWN)
		return broken("%s", payer.why);
	world.groups[payer.kind == PAYER_LEAF ? payer.leaf->group : 0].pages += pages;
	return DONE;
}

/* ---- references ---- */

static enum outcome op_hold(const struct json *request, int unused)
{
	long mm_name = number_of(request, "mm"), name = number_of(request, "ref");
	int mm = mm_name ? find_mm(mm_name) : NONE;
	pid_t pid;

	(void)unused;
	if (mm == NONE)
		return refused("there is no mm %ld", mm_name);
	if (!name || find_holder(name) != NONE)
		return refused("ref must be new, %ld is not", name);
	if (world.holder_count == MAX_HOLDERS)
		return untestable("this agent takes at most %d references", MAX_HOLDERS);
	pid = hold_take(world.holder_count, world.mms[mm].mem_fd);
	if (!pid)
		return refused("nobody uses mm %ld any more", mm_name);
	if (pid < 0)
		return broken("the reader that should hold mm %ld did not stop in its fault",
			      mm_name);
	world.holders[world.holder_count++] = (struct holder){ name, mm, pid };
	return DONE;
}

static enum outcome op_put(const struct json *request, int unused)
{
	long mm = number_of(request, "mm"), name = number_of(request, "ref");
	int index = name ? find_holder(name) : NONE;
	struct holder *holder = &world.holders[index < 0 ? 0 : index];

	(void)unused;
	if (index == NONE || !holder->pid || world.mms[holder->mm].name != mm)
		return refused("there is no reference %ld on mm %ld", name, mm);
	if (!hold_drop(holder->pid))
		return broken("the holder of reference %ld does not die", name);
	holder->pid = 0;
	return DONE;
}

/* ---- the table ---- */

static const struct operation {
	const char *name;
	enum outcome (*run)(const struct json *request, int task);
	bool has_task, while_blocked;
} operations[] = {
	{ "clone", op_clone, true, false },
	{ "clone_fails", op_clone_fails, true, false },
	{ "exit", op_exit, true, true },
	{ "exec", op_exec, true, false },
	{ "exec_fails", op_exec_fails, true, false },
	{ "trace", op_trace, true, true },
	{ "untrace", op_untrace, true, true },
	{ "subreaper", op_subreaper, true, false },
	{ "attach", op_attach, true, true },
	{ "charge", op_charge, true, false },
	{ "reap", op_reap, true, true },
	{ "cgroup", op_cgroup, false, false },
	{ "hold", op_hold, false, false },
	{ "put", op_put, false, false },
};

enum outcome do_operation(const char *name, const struct json *request)
{
	const struct operation *op = NULL;
	long task_name = number_of(request, "task");
	int task = task_name ? find_task(task_name) : NONE;

	for (size_t i = 0; i < sizeof(operations) / sizeof(*operations); i++)
		if (!strcmp(operations[i].name, name))
			op = &operations[i];
	if (!op)
		return broken("this candidate does not know the operation %.40s", name);
	if (!world.first)
		return refused("there is no world yet: send reset");
	if (!op->has_task)
		return op->run(request, NONE);
	if (task == NONE)
		return refused("there is no task %ld", task_name);
	if (op->run != op_reap && world.tasks[task].life != LIVE)
		return refused("task %ld is not alive", task_name);
	if (!op->while_blocked && is_blocked(task))
		return refused("task %ld is blocked in vfork", task_name);
	return op->run(request, task);
}
