/* world.h: what the agent knows about the tasks, mms, groups and references it has made.
 *
 * Everything here is named by the suite; a table index is our own name for it. Whether
 * a task lives, and who owns an mm, is never looked up here but asked of the kernel. */
#ifndef MMOWNER_WORLD_H
#define MMOWNER_WORLD_H

#include "cgroups.h"
#include "hold.h"
#include "tasks.h"

#include <stdbool.h>
#include <sys/types.h>

enum { MAX_MMS = 256, MAX_GROUPS = 64, MAX_LEAVES = 2 * MAX_TASKS, NONE = -1 };

enum life { LIVE, ZOMBIE, GONE };

struct task {
	long name;
	enum life life;
	pid_t tid;
	int process;
	int mm;
	int group;
	int tracer;
	int vfork_child;  /* blocked until this one execs or exits */
};

/* Index: that of its first leader. */
struct process {
	pid_t tgid;
	int leader;
	int group; /* v2: the whole process is in one group */
};

struct mm {
	long name;
	/* /proc/PID/mem and pagemap stay open: they keep the mm_struct, not its users. */
	int mem_fd, pagemap_fd;
};

struct group {
	long name;
	char path[256];
	long pages;
};

/* Each task (v2: process) is alone in a memory cgroup below its group's, so that the
 * payer's cgroup says which task the kernel took for the owner. */
struct leaf {
	struct cgroup_dir dir;
	bool made;
	int who;   /* v1: a task, v2: a process */
	int group;
	long before, after; /* the usage probe's notes */
};

struct holder {
	long name;
	int mm;
	pid_t pid; /* 0: dropped */
};

struct world {
	struct task tasks[MAX_TASKS];      /* index = slot in the region */
	struct process processes[MAX_TASKS];
	struct mm mms[MAX_MMS];
	struct group groups[MAX_GROUPS];
	struct holder holders[MAX_HOLDERS];
	int task_count, mm_count, group_count, holder_count, leaf_count;
	pid_t first; /* the stand-in for init, and the world's process group; 0: no world */
};

extern struct world world;
/* The first MAX_TASKS are those of group 1, by slot, and are used again by the next
 * world: a new cgroup is the most expensive thing in a reset. */
extern struct leaf leaves[MAX_LEAVES];
extern struct cgroup_dir base;

bool world_begin(char *why, size_t room); /* the initial world: task 1, mm 1, group 1 */
bool world_end(void);                     /* kills and reaps everything of it */
bool world_remove(void);                  /* ... and every cgroup */

int find_task(long name);
int find_mm(long name);
int find_group(long name);
int find_holder(long name);

/* Open the handles of the mm that this process has now. NONE when it did not work. */
int mm_open(long name, pid_t tgid);
/* Put a task (v2: its process) into its own leaf in this group. */
bool enter_group(int task, int group);
/* Iterates over the leaves in use: pass NULL first. */
struct leaf *next_leaf(const struct leaf *after);

#endif
