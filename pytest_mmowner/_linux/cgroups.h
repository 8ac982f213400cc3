/* cgroups.h: directories of the memory controller, v1 or v2. */
#ifndef MMOWNER_CGROUPS_H
#define MMOWNER_CGROUPS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct cgroup_dir {
	char path[512];
	uint64_t inode;   /* what /proc/kpagecgroup answers */
	int usage_fd;     /* bytes charged to it and below, as the kernel counts them */
	int members_fd;   /* a task id written here moves that task (v2: its process) */
};

extern int cgroup_version;      /* 1, 2, or 0 when there is no memory controller */
extern char cgroup_base[256];   /* "mmowner-PID": everything of ours is below it */
extern uint64_t cgroup_root;    /* inode of the kernel's root group */

/* Finds the memory controller below the caller's own group and names the base
 * directory, without making it. On failure says why. */
bool cgroup_find(pid_t agent, char *why, size_t room);

bool cgroup_make(struct cgroup_dir *dir, const char *path, bool has_groups_below);
void cgroup_close(struct cgroup_dir *dir);
bool cgroup_move(const struct cgroup_dir *dir, pid_t task);
long cgroup_usage_pages(const struct cgroup_dir *dir);
bool cgroup_remove(const char *path);

/* Kills whoever is in this directory or below and removes all of it. True when
 * nothing is left. Knows nothing of the agent's tables: the janitor uses it too. */
bool cgroup_wipe(const char *path);

#endif
