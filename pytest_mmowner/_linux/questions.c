/* questions.c: what the kernel says about owners, states and bills, in the suite's names. */
#include "ops.h"
#include "probe.h"

#include <string.h>

/* A task that the suite still knows, for an answer that means its whole process. */
static long some_task_of(int process)
{
	long found = 0;

	for (int i = 0; i < world.task_count; i++) {
		if (world.tasks[i].process != process)
			continue;
		if (world.tasks[i].life == LIVE)
			return world.tasks[i].name;
		if (!found || world.tasks[i].life == ZOMBIE)
			found = world.tasks[i].name;
	}
	return found;
}

static enum outcome ask_owner(const struct json *request)
{
	long name = number_of(request, "mm");
	int mm = name ? find_mm(name) : NONE;
	struct payer payer;

	if (mm == NONE)
		return refused("there is no mm %ld", name);
	payer = probe_owner(mm);
	switch (payer.kind) {
	case PAYER_UNUSED:
		return refused("nobody uses mm %ld any more", name);
	case PAYER_UNKNOWN:
		return broken("%s", payer.why);
	case PAYER_ROOT:
		out_raw(&reply.answer, "null");
		return ANSWERED;
	case PAYER_LEAF:
		break;
	}
	if (cgroup_version == 1)
		out_raw(&reply.answer, "%ld", world.tasks[payer.leaf->who].name);
	else
		out_raw(&reply.answer, "{\"process\": %ld}", some_task_of(payer.leaf->who));
	return ANSWERED;
}

static enum outcome ask_state(const struct json *request)
{
	long name = number_of(request, "task");
	int task = name ? find_task(name) : NONE;
	const struct task *t;
	char state;

	if (task == NONE)
		return refused("there is no task %ld", name);
	t = &world.tasks[task];
	/* The pid of one that is gone may already be another's. */
	state = t->life == GONE ? 0 : task_state(world.processes[t->process].tgid, t->tid);
	out_raw(&reply.answer, !state || state == 'X' ? "\"gone\"" :
			       state == 'Z' ? "\"zombie\"" : "\"live\"");
	return ANSWERED;
}

static enum outcome ask_bill(void)
{
	const char *comma = "";

	out_raw(&reply.answer, "{");
	for (int i = 0; i < world.group_count; i++) {
		if (!world.groups[i].pages)
			continue;
		out_raw(&reply.answer, "%s\"%ld\": %ld", comma, world.groups[i].name,
			world.groups[i].pages);
		comma = ", ";
	}
	out_raw(&reply.answer, "}");
	return ANSWERED;
}

enum outcome do_question(const char *name, const struct json *request)
{
	if (!world.first)
		return refused("there is no world yet: send reset");
	if (!strcmp(name, "owner"))
		return ask_owner(request);
	if (!strcmp(name, "state"))
		return ask_state(request);
	if (!strcmp(name, "bill"))
		return ask_bill();
	return broken("this candidate does not know the question %.40s", name);
}
