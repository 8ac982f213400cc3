/* cgroups.c: find, make, read, empty and remove memory cgroups; v1 and v2 differ only here. */
#define _GNU_SOURCE
#include "cgroups.h"

#include "tasks.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

int cgroup_version;
char cgroup_base[256];
uint64_t cgroup_root = 1;

static bool has_word(const char *list, const char *word)
{
	size_t length = strlen(word);

	for (const char *at = list; (at = strstr(at, word)); at += length)
		if ((at == list || strchr(" ,\n", at[-1])) &&
		    (!at[length] || strchr(" ,\n", at[length])))
			return true;
	return false;
}

static bool read_text(const char *path, char *text, size_t room)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t length;

	if (fd < 0)
		return false;
	length = read(fd, text, room - 1);
	close(fd);
	text[length > 0 ? length : 0] = '\0';
	return length >= 0;
}

static bool write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool done;

	if (fd < 0)
		return false;
	done = write(fd, text, strlen(text)) >= 0;
	close(fd);
	return done;
}

/* Where the hierarchy is mounted, and which of its groups the mount point shows. */
static bool find_mount(int version, char *point, char *shown, size_t room)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	char line[2048];
	bool found = false;

	while (file && !found && fgets(line, sizeof(line), file)) {
		char root[512], at[512], type[64], options[512];
		char *rest = strstr(line, " - ");

		if (!rest || sscanf(line, "%*s %*s %*s %511s %511s", root, at) != 2 ||
		    sscanf(rest, " - %63s %*s %511s", type, options) != 2)
			continue;
		found = version == 1 ? !strcmp(type, "cgroup") && has_word(options, "memory")
				     : !strcmp(type, "cgroup2");
		if (found) {
			snprintf(point, room, "%s", at);
			snprintf(shown, room, "%s", root);
		}
	}
	if (file)
		fclose(file);
	return found;
}

static bool find_own(int version, char *path, size_t room)
{
	FILE *file = fopen("/proc/self/cgroup", "re");
	char line[1024];
	bool found = false;

	while (file && !found && fgets(line, sizeof(line), file)) {
		char *controllers = strchr(line, ':');
		char *group = controllers ? strchr(controllers + 1, ':') : NULL;

		if (!group)
			continue;
		*group++ = '\0';
		group[strcspn(group, "\n")] = '\0';
		found = version == 1 ? has_word(controllers + 1, "memory") : !controllers[1];
		if (found)
			snprintf(path, room, "%s", group);
	}
	if (file)
		fclose(file);
	return found;
}

/* v2 allows groups with a memory controller only below a group without processes (or
 * the root): mostly not the caller's own, but the one above it. */
static bool delegate_v2(char *path, const char *point)
{
	char file[1200], text[512];

	for (;;) {
		snprintf(file, sizeof(file), "%s/cgroup.subtree_control", path);
		if (read_text(file, text, sizeof(text)) && has_word(text, "memory"))
			return true;
		if (write_text(file, "+memory"))
			return true;
		if (!strcmp(path, point))
			return false;
		*strrchr(path, '/') = '\0';
	}
}

bool cgroup_find(pid_t agent, char *why, size_t room)
{
	char point[512], shown[512], own[512], here[1100];
	struct stat info;

	for (int version = 1; version <= 2; version++) {
		const char *below = own;
		size_t length;

		if (!find_mount(version, point, shown, sizeof(point)) ||
		    !find_own(version, own, sizeof(own)))
			continue;
		length = strcmp(shown, "/") ? strlen(shown) : 0;
		if (!strncmp(own, shown, length))
			below = own + length;
		snprintf(here, sizeof(here), "%s%s", point, strcmp(below, "/") ? below : "");
		if (access(here, F_OK))
			snprintf(here, sizeof(here), "%s", point);
		if (version == 2 && !delegate_v2(here, point))
			continue;
		if (strlen(here) + 32 > sizeof(cgroup_base)) {
			snprintf(why, room, "the path of our own cgroup is too long: %s", here);
			return false;
		}
		snprintf(cgroup_base, sizeof(cgroup_base), "%.200s/mmowner-%d", here, agent);
		/* 1 in every kernel so far; ask where the real root can be seen. */
		if (!length && !stat(point, &info))
			cgroup_root = info.st_ino;
		cgroup_version = version;
		return true;
	}
	snprintf(why, room, "no memory cgroup hierarchy, v1 or v2, in which a group can be made");
	return false;
}

bool cgroup_make(struct cgroup_dir *dir, const char *path, bool has_groups_below)
{
	char file[640];
	struct stat info;

	if (mkdir(path, 0755) && errno != EEXIST)
		return false;
	snprintf(dir->path, sizeof(dir->path), "%s", path);
	if (stat(path, &info))
		return false;
	dir->inode = info.st_ino;
	if (cgroup_version == 2 && has_groups_below) {
		snprintf(file, sizeof(file), "%s/cgroup.subtree_control", path);
		if (!write_text(file, "+memory"))
			return false;
	}
	snprintf(file, sizeof(file), "%s/%s", path,
		 cgroup_version == 1 ? "memory.usage_in_bytes" : "memory.current");
	dir->usage_fd = open(file, O_RDONLY | O_CLOEXEC);
	snprintf(file, sizeof(file), "%s/%s", path, cgroup_version == 1 ? "tasks" : "cgroup.procs");
	dir->members_fd = open(file, O_WRONLY | O_CLOEXEC);
	return dir->usage_fd >= 0 && dir->members_fd >= 0;
}

void cgroup_close(struct cgroup_dir *dir)
{
	close(dir->usage_fd);
	close(dir->members_fd);
}

bool cgroup_move(const struct cgroup_dir *dir, pid_t task)
{
	char text[16];
	int length = snprintf(text, sizeof(text), "%d", task);

	return write(dir->members_fd, text, (size_t)length) == length;
}

long cgroup_usage_pages(const struct cgroup_dir *dir)
{
	char text[32];
	ssize_t length = pread(dir->usage_fd, text, sizeof(text) - 1, 0);

	if (length <= 0)
		return 0;
	text[length] = '\0';
	return atol(text) / (long)page_size;
}

bool cgroup_remove(const char *path)
{
	/* For a moment after its last task is gone a group can still be busy. */
	for (int turn = 0; turn < 1000; turn++) {
		if (!rmdir(path) || errno == ENOENT)
			return true;
		if (errno != EBUSY)
			return false;
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
	return false;
}

static void kill_members(const char *dir, const char *list)
{
	char path[640];
	FILE *file;
	int pid;

	snprintf(path, sizeof(path), "%s/%s", dir, list);
	file = fopen(path, "re");
	while (file && fscanf(file, "%d", &pid) == 1)
		if (pid > 1 && pid != getpid())
			kill(pid, SIGKILL);
	if (file)
		fclose(file);
}

static void wipe_once(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	char below[512];

	while (dir && (entry = readdir(dir))) {
		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		if (strlen(path) + strlen(entry->d_name) + 2 > sizeof(below))
			continue;
		snprintf(below, sizeof(below), "%.250s/%.255s", path, entry->d_name);
		wipe_once(below);
	}
	if (dir)
		closedir(dir);
	/* v1 lists a zombie leader's living threads only under tasks. */
	kill_members(path, "cgroup.procs");
	if (cgroup_version == 1)
		kill_members(path, "tasks");
	rmdir(path);
}

bool cgroup_wipe(const char *path)
{
	for (int turn = 0; turn < 5000; turn++) {
		wipe_once(path);
		if (access(path, F_OK))
			return true;
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
	return false;
}
