/* world.c: begin and end a world, and the few moves that keep its tables true. */
#define _GNU_SOURCE
#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct world world;
struct leaf leaves[MAX_LEAVES];
struct cgroup_dir base;

#define FIND(table, count, wanted)                              \
	for (int i = 0; i < world.count; i++)                   \
		if (world.table[i].name == (wanted))            \
			return i;                               \
	return NONE

int find_task(long name) { FIND(tasks, task_count, name); }
int find_mm(long name) { FIND(mms, mm_count, name); }
int find_group(long name) { FIND(groups, group_count, name); }
int find_holder(long name) { FIND(holders, holder_count, name); }

struct leaf *next_leaf(const struct leaf *after)
{
	int i = after ? (int)(after - leaves) + 1 : 0;

	for (; i < MAX_TASKS + world.leaf_count; i++) {
		/* A leaf of group 1 that only an earlier world has used does not count. */
		if (i >= world.task_count && i < MAX_TASKS)
			i = MAX_TASKS;
		if (i < MAX_TASKS + world.leaf_count && leaves[i].made)
			return &leaves[i];
	}
	return NULL;
}

static struct leaf *leaf_for(int who, int group)
{
	char path[320];
	struct leaf *leaf = NULL;

	if (!group) {
		leaf = &leaves[who];
	} else {
		for (int i = MAX_TASKS; i < MAX_TASKS + world.leaf_count; i++)
			if (leaves[i].who == who && leaves[i].group == group)
				return &leaves[i];
		if (MAX_TASKS + world.leaf_count == MAX_LEAVES)
			return NULL;
		leaf = &leaves[MAX_TASKS + world.leaf_count];
	}
	if (!leaf->made) {
		snprintf(path, sizeof(path), "%s/t%d", world.groups[group].path, who);
		if (!cgroup_make(&leaf->dir, path, false))
			return NULL;
		leaf->made = true;
		if (group)
			world.leaf_count++;
	}
	leaf->who = who;
	leaf->group = group;
	return leaf;
}

bool enter_group(int task, int group)
{
	struct task *t = &world.tasks[task];
	struct process *p = &world.processes[t->process];
	struct leaf *leaf = leaf_for(cgroup_version == 1 ? task : t->process, group);

	if (!leaf || !cgroup_move(&leaf->dir, t->tid))
		return false;
	t->group = group;
	if (cgroup_version == 2) {
		p->group = group;
		for (int i = 0; i < world.task_count; i++)
			if (world.tasks[i].process == t->process)
				world.tasks[i].group = group;
	}
	return true;
}

int mm_open(long name, pid_t tgid)
{
	struct mm *mm = &world.mms[world.mm_count];
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/mem", tgid);
	mm->mem_fd = open(path, O_RDWR | O_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/%d/pagemap", tgid);
	mm->pagemap_fd = open(path, O_RDONLY | O_CLOEXEC);
	mm->name = name;
	if (mm->mem_fd < 0 || mm->pagemap_fd < 0) {
		close(mm->mem_fd);
		close(mm->pagemap_fd);
		return NONE;
	}
	return world.mm_count++;
}

static bool came_up(const void *slot)
{
	return atomic_load(&((const struct slot *)slot)->hello) == 1;
}

bool world_begin(char *why, size_t room)
{
	struct slot *slot = &region->slots[0];
	struct task *init = &world.tasks[0];
	pid_t pid;

	memset(&world, 0, sizeof(world));
	world.group_count = 1;
	world.groups[0].name = 1;
	snprintf(world.groups[0].path, sizeof(world.groups[0].path), "%s", cgroup_base);
	atomic_store(&slot->hello, 0);
	pid = (pid_t)task_start_first(slot);
	if (pid < 0) {
		snprintf(why, room, "the stand-in for init cannot be forked: %s", strerror(-pid));
		return false;
	}
	world.first = pid;
	if (!wait_for_task(came_up, slot)) {
		snprintf(why, room, "the stand-in for init did not come up");
		return false;
	}
	*init = (struct task){ .name = 1, .tid = pid, .tracer = NONE, .vfork_child = NONE };
	world.processes[0] = (struct process){ .tgid = pid };
	world.task_count = 1;
	if (!enter_group(0, 0) || mm_open(1, pid) == NONE) {
		snprintf(why, room, "init's stand-in: no cgroup or no /proc/PID/mem: %s",
			 strerror(errno));
		return false;
	}
	return true;
}

static bool world_empty(const void *first)
{
	pid_t reaped;

	/* Orphans come to us: the agent is a subreaper (or PID 1). Asking for the group
	 * leaves alone the janitor and whoever else is our child. */
	do
		reaped = waitpid(-*(const pid_t *)first, NULL, __WALL | WNOHANG);
	while (reaped > 0);
	return reaped < 0 && errno == ECHILD;
}

bool world_end(void)
{
	bool clean = true;

	if (!world.first)
		return true;
	for (int i = 0; i < world.holder_count; i++)
		if (world.holders[i].pid)
			clean &= hold_drop(world.holders[i].pid);
	kill(-world.first, SIGKILL);
	kill(world.first, SIGKILL); /* it may not have made its process group yet */
	clean &= wait_until(world_empty, &world.first);
	for (int i = 0; i < world.mm_count; i++) {
		close(world.mms[i].mem_fd);
		close(world.mms[i].pagemap_fd);
	}
	for (int i = MAX_TASKS; i < MAX_TASKS + world.leaf_count; i++) {
		cgroup_close(&leaves[i].dir);
		clean &= cgroup_remove(leaves[i].dir.path);
		leaves[i].made = false;
	}
	/* A group is younger than its parent: from the last to the first. */
	for (int i = world.group_count - 1; i > 0; i--)
		clean &= cgroup_remove(world.groups[i].path);
	memset(&world, 0, sizeof(world));
	return clean;
}

bool world_remove(void)
{
	bool clean = world_end();

	for (int i = 0; i < MAX_TASKS; i++) {
		if (!leaves[i].made)
			continue;
		cgroup_close(&leaves[i].dir);
		cgroup_remove(leaves[i].dir.path);
		leaves[i].made = false;
	}
	return cgroup_wipe(cgroup_base) && clean;
}
