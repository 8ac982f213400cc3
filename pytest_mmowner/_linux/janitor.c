/* janitor.c: nothing of ours stays behind: neither cgroups and tasks (host) nor a UML kernel. */
#define _GNU_SOURCE
#include "janitor.h"

#include "cgroups.h"
#include "tasks.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static pid_t janitor;
static int leash = -1; /* our end; the janitor sees end of file when we die */

static void janitor_main(int agent_fd)
{
	char byte;
	int null = open("/dev/null", O_RDWR);

	/* Out of the agent's process group: whoever kills that group is not to hit us. */
	setsid();
	prctl(PR_SET_NAME, "mmowner-janitor");
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	/* The reader of the agent's answers waits for end of file: not for ours. */
	for (int fd = 0; fd < 3; fd++)
		dup2(null, fd);
	while (read(agent_fd, &byte, 1) < 0 && errno == EINTR)
		;
	_exit(cgroup_wipe(cgroup_base) ? 0 : 1);
}

int janitor_start(void)
{
	int to_janitor[2], from_janitor[2];

	if (pipe2(to_janitor, O_CLOEXEC) || pipe2(from_janitor, O_CLOEXEC))
		return -1;
	janitor = fork();
	if (janitor < 0)
		return -1;
	if (!janitor) {
		close(to_janitor[1]);
		close(from_janitor[0]);
		janitor_main(to_janitor[0]);
	}
	close(to_janitor[0]);
	close(from_janitor[1]);
	leash = to_janitor[1];
	region->janitor = janitor;
	return from_janitor[0];
}

void janitor_stop(void)
{
	if (janitor <= 0)
		return;
	close(leash);
	waitpid(janitor, NULL, 0);
}

/* ---- guard ---- */

static volatile sig_atomic_t told_to_end;

static void on_signal(int number)
{
	if (number != SIGCHLD)
		told_to_end = 1;
}

static void remove_tree(const char *path, int depth)
{
	DIR *dir = depth ? opendir(path) : NULL;
	struct dirent *entry;
	char below[1024];

	while (dir && (entry = readdir(dir))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		if (snprintf(below, sizeof(below), "%s/%s", path, entry->d_name) >=
		    (int)sizeof(below))
			continue;
		if (unlink(below) && (errno == EISDIR || errno == EPERM))
			remove_tree(below, depth - 1);
	}
	if (dir)
		closedir(dir);
	rmdir(path);
}

/* UML's helpers and the host processes of its tasks become ours when it dies. */
static void kill_children(void)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;

	while (proc && (entry = readdir(proc))) {
		pid_t pid = atoi(entry->d_name);

		if (pid > 1 && task_parent(pid) == getpid())
			kill(pid, SIGKILL);
	}
	if (proc)
		closedir(proc);
}

static double seconds(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static char **with_argument(char **argv, char *more)
{
	int count = 0;
	char **longer;

	while (argv[count])
		count++;
	longer = calloc((size_t)count + 2, sizeof(*longer));
	if (!longer)
		return argv;
	memcpy(longer, argv, (size_t)count * sizeof(*longer));
	longer[count] = more;
	return longer;
}

static void catch_signals(sigset_t *before)
{
	struct sigaction action = { .sa_handler = on_signal };
	sigset_t caught;

	sigemptyset(&caught);
	for (const int *at = (const int[]){ SIGCHLD, SIGTERM, SIGINT, SIGHUP, 0 }; *at; at++) {
		sigaddset(&caught, *at);
		sigaction(*at, &action, NULL);
	}
	sigprocmask(SIG_BLOCK, &caught, before);
}

static int exit_code(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void leave_nothing(const char *directory)
{
	do
		kill_children();
	while (waitpid(-1, NULL, __WALL) > 0);
	remove_tree(directory, 3);
}

static bool has_input(void)
{
	struct pollfd input = { .fd = 0, .events = POLLIN };

	return poll(&input, 1, 0) == 1 && input.revents & POLLIN;
}

/* UML's parent. front_fd hangs up when the process that our caller knows is gone. */
static int keeper_main(const char *directory, char **argv, int front_fd)
{
	/* Of our input, no events: only a hang-up is told, the requests are UML's. */
	struct pollfd fds[] = { { .fd = 0 }, { .fd = front_fd }, { .events = POLLIN } };
	const struct timespec tick = { .tv_nsec = 50000000 };
	int status = 0, ready_pipe[2], unread = 0;
	bool listens = false;
	pid_t self = getpid(), kernel;
	double deadline = 0;
	char line[32], ready;
	sigset_t before;

	setsid();
	prctl(PR_SET_NAME, "mmowner-keeper");
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	catch_signals(&before);
	if (pipe(ready_pipe))
		return 127;
	snprintf(line, sizeof(line), "ssl1=null,fd:%d", ready_pipe[1]);
	kernel = fork();
	if (!kernel) {
		close(ready_pipe[0]);
		close(front_fd);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		sigprocmask(SIG_SETMASK, &before, NULL);
		/* A statically linked UML unmaps what its glibc has told the host's kernel
		 * is the rseq area, and is killed for it. */
		setenv("GLIBC_TUNABLES", "glibc.pthread.rseq=0", 0);
		if (getppid() == self)
			execvp(argv[0], with_argument(argv, line));
		fprintf(stderr, "mmowner-guard: %s: %s\n", argv[0], strerror(errno));
		_exit(127);
	}
	if (kernel < 0)
		return 127;
	close(ready_pipe[1]);
	fds[2].fd = ready_pipe[0];
	while (!waitpid(kernel, &status, WNOHANG)) {
		if (told_to_end || fds[1].revents || (deadline > 0 && seconds() > deadline)) {
			kill(kernel, SIGKILL);
			waitpid(kernel, &status, 0);
			break;
		}
		/* The guest sees the same end of file and powers itself off; a guest
		 * that cannot (a kernel with a bug is what we look for) gets 2 s. */
		if (fds[0].revents & (POLLHUP | POLLERR)) {
			deadline = seconds() + 2;
			fds[0].fd = -1;
		}
		/* UML reads when a SIGIO tells of new input. None comes for requests that
		 * were there before the agent opened its line, nor for the rest of those
		 * that did not fit into the line's buffer. */
		if (fds[2].revents) {
			listens = read(fds[2].fd, &ready, 1) == 1;
			fds[2].fd = -1;
			unread = listens;
		}
		unread = listens && has_input() ? unread + 1 : 0;
		if (unread > 1)
			kill(kernel, SIGIO);
		fds[0].revents = fds[1].revents = fds[2].revents = 0;
		ppoll(fds, 3, &tick, &before);
	}
	leave_nothing(directory);
	return exit_code(status);
}

/* UML starts a session of its own, so killing our process group would kill only us, and
 * its helpers do not die with it. Hence two processes that watch each other: the front,
 * which our caller knows, and the keeper in another session. Either cleans up alone. */
int guard_main(const char *directory, char **argv)
{
	int front_pipe[2], status = 0;
	sigset_t before;
	pid_t keeper;

	prctl(PR_SET_NAME, "mmowner-guard");
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (pipe2(front_pipe, O_CLOEXEC))
		return 127;
	keeper = fork();
	if (!keeper) {
		close(front_pipe[1]);
		exit(keeper_main(directory, argv, front_pipe[0]));
	}
	if (keeper < 0)
		return 127;
	close(front_pipe[0]);
	catch_signals(&before);
	while (!waitpid(keeper, &status, WNOHANG)) {
		if (told_to_end)
			kill(keeper, SIGTERM);
		told_to_end = 0;
		ppoll(NULL, 0, NULL, &before);
	}
	leave_nothing(directory);
	return exit_code(status);
}
