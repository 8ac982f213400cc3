/* tasks.c: the body of every task (raw system calls only) and how the agent orders it about. */
#define _GNU_SOURCE
#include "tasks.h"

#include "arch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE = 5 }; /* seconds */

size_t page_size = 4096;

/* ---- the task's side: no C library, no globals that are written to ---- */

#define CALL(nr, a, b, c, d, e) \
	raw_syscall(nr, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), 0)

static void task_main(void *argument);
static void first_main(void *argument);

static void *stack_top(struct slot *slot)
{
	return slot->stack + STACK_BYTES;
}

static long do_clone(unsigned long flags, struct slot *child)
{
	return raw_clone(flags, stack_top(child), task_main, child);
}

/* A clone that fails after the new mm is made or shared: the asked-for pid is taken,
 * which the kernel finds out only when it allocates one. Works with CLONE_THREAD too,
 * where CLONE_PIDFD with a bad pointer is refused before copy_mm on older kernels. */
static long do_clone_fails(unsigned long flags, struct slot *self)
{
	pid_t taken = self->tid;
	struct clone_args args;

	/* By hand: a compiler may call memset for an initializer, and the C library's is
	 * not there in a task's image. */
	for (size_t i = 0; i < sizeof(args) / sizeof(args.flags); i++)
		((volatile unsigned long long *)&args)[i] = 0;
	args.flags = flags & ~(unsigned long)CSIGNAL;
	args.exit_signal = flags & (CLONE_PARENT | CLONE_THREAD) ? 0 : SIGCHLD;
	args.set_tid = (uintptr_t)&taken;
	args.set_tid_size = 1;
	return CALL(SYS_clone3, &args, sizeof(args), 0, 0, 0);
}

static long do_exec(struct slot *self)
{
	char name[] = "@mmowner-task", number[8];
	char *argv[] = { name, number, NULL };
	char *envp[] = { NULL };
	long index = self - region->slots;

	for (int i = 3; i >= 0; i--) {
		number[i] = (char)('0' + index % 10);
		index /= 10;
	}
	number[4] = '\0';
	return CALL(SYS_execveat, IMAGE_FD, "", argv, envp, AT_EMPTY_PATH);
}

/* Twice: once before the kernel makes the new mm, once after (it reads argv later). */
static long do_exec_fails(void)
{
	char *nothing[] = { NULL };
	long first = CALL(SYS_execve, "/mmowner-no-such-file", nothing, nothing, 0, 0);

	if (first >= 0)
		return first;
	return CALL(SYS_execveat, IMAGE_FD, "", 1, nothing, AT_EMPTY_PATH);
}

static long do_touch(long address, long stride, long count)
{
	/* The kernel's own loop: the same charge, without a trap for every page, which in
	 * UML takes longer than the fault itself. Since 5.14; else one by one. */
	if (!CALL(SYS_madvise, address, stride * count, MADV_POPULATE_WRITE, 0, 0))
		return 0;
	for (long i = 0; i < count; i++)
		*(volatile char *)(address + i * stride) = 1;
	return 0;
}

static void die_with_the_agent(void)
{
	if (CALL(SYS_kill, region->agent, 0, 0, 0, 0) != -ESRCH)
		return;
	if (region->janitor && CALL(SYS_kill, region->janitor, 0, 0, 0, 0) != -ESRCH)
		return;
	CALL(SYS_exit_group, 0, 0, 0, 0, 0);
}

static void ring(void)
{
	atomic_fetch_add(&region->bell, 1);
	CALL(SYS_futex, &region->bell, FUTEX_WAKE, 1, 0, 0);
}

static void serve(struct slot *self)
{
	static const struct timespec patience = { .tv_sec = 2 };
	uint32_t seen;

	self->pid = (pid_t)CALL(SYS_getpid, 0, 0, 0, 0, 0);
	self->tid = (pid_t)CALL(SYS_gettid, 0, 0, 0, 0, 0);
	/* Whatever was asked of the image before this one, exec was its answer. */
	seen = atomic_load(&self->asked);
	atomic_store(&self->answered, seen);
	atomic_fetch_add(&self->hello, 1);
	ring();
	for (;;) {
		while (atomic_load(&self->asked) == seen)
			if (CALL(SYS_futex, &self->asked, FUTEX_WAIT, seen, &patience, 0) == -ETIMEDOUT)
				die_with_the_agent();
		seen = atomic_load(&self->asked);
		switch (self->order) {
		case ORDER_CLONE:
			self->result = do_clone((unsigned long)self->arg[0],
						&region->slots[self->arg[1]]);
			break;
		case ORDER_CLONE_FIRST:
			self->result = raw_clone(CLONE_PARENT | SIGCHLD,
						 stack_top(&region->slots[self->arg[0]]),
						 first_main, &region->slots[self->arg[0]]);
			break;
		case ORDER_CLONE_FAILS:
			self->result = do_clone_fails((unsigned long)self->arg[0], self);
			break;
		case ORDER_EXIT:
			CALL(SYS_exit, 0, 0, 0, 0, 0);
			break;
		case ORDER_EXEC:
			self->result = do_exec(self);
			break;
		case ORDER_EXEC_FAILS:
			self->result = do_exec_fails();
			break;
		case ORDER_WAIT:
			self->result = CALL(SYS_wait4, self->arg[0], 0, __WALL | WNOHANG, 0, 0);
			break;
		case ORDER_TOUCH:
			self->result = do_touch(self->arg[0], self->arg[1], self->arg[2]);
			break;
		case ORDER_SUBREAPER:
			self->result = CALL(SYS_prctl, PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
			break;
		case ORDER_PTRACE:
			self->result = CALL(SYS_ptrace, self->arg[0], self->arg[1], 0, 0, 0);
			break;
		}
		atomic_store(&self->answered, seen);
		ring();
	}
}

static void task_main(void *argument)
{
	serve(argument);
}

/* The stand-in for init: the world's reaper of last resort, in a process group of its
 * own so that one signal ends the world. */
static void first_main(void *argument)
{
	CALL(SYS_setpgid, 0, 0, 0, 0, 0);
	CALL(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	CALL(SYS_prctl, PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	serve(argument);
}

static void zygote_main(void *argument)
{
	unsigned long all = ~0UL;

	/* A blocked signal is never delivered, so it cannot stop a traced task either. */
	CALL(SYS_rt_sigprocmask, SIG_BLOCK, &all, 0, sizeof(all), 0);
	CALL(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	/* Above all the pipes of the agent and the janitor, whose end must be seen. */
	if (CALL(SYS_close_range, 0, REGION_FD - 1, 0, 0, 0) < 0)
		for (int fd = 0; fd < REGION_FD; fd++)
			CALL(SYS_close, fd, 0, 0, 0, 0);
	if (CALL(SYS_close_range, IMAGE_FD + 1, ~0U, 0, 0, 0) < 0)
		for (int fd = IMAGE_FD + 1; fd < 4096; fd++)
			CALL(SYS_close, fd, 0, 0, 0, 0);
	do_exec(argument);
	CALL(SYS_exit_group, 1, 0, 0, 0, 0);
}

/* Where both mappings lie is fixed, so that every image finds them. */
static bool map_at(unsigned long address, size_t bytes, int flags, int fd)
{
	return raw_syscall(SYS_mmap, (long)address, (long)bytes, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_FIXED_NOREPLACE | flags, fd, 0) == (long)address;
}

static bool map_region(void)
{
	return map_at(REGION_ADDRESS, sizeof(struct shared), 0, REGION_FD);
}

/* Shared, so that a page can be given back (a hole punched into the file) after the
 * kernel has said who paid for it; the payer of a shared page is chosen by the mm that
 * faults it in, just as for a private one. */
static bool map_arena(void)
{
	size_t bytes = (size_t)region->page_size * ARENA_PAGES;

	if (!map_at(ARENA_ADDRESS, bytes, MAP_NORESERVE, ARENA_FD))
		return false;
	/* Fails where there are no huge pages. */
	CALL(SYS_madvise, ARENA_ADDRESS, bytes, MADV_NOHUGEPAGE, 0, 0);
	return true;
}

void task_image(long *initial_stack)
{
	char **argv = (char **)(initial_stack + 1);
	long index = 0;

	if (initial_stack[0] == 2 && map_region() && map_arena()) {
		for (const char *digit = argv[1]; *digit; digit++)
			index = index * 10 + *digit - '0';
		serve(&region->slots[index]);
	}
	CALL(SYS_exit_group, 1, 0, 0, 0, 0);
}

/* ---- the agent's side ---- */

static bool fixed_fd(int fd, int number)
{
	if (fd < 0 || dup2(fd, number) < 0)
		return false;
	close(fd);
	return true;
}

static pid_t zygote;

static bool zygote_is_up(const void *slot)
{
	return atomic_load(&((const struct slot *)slot)->hello) == 1;
}

bool tasks_setup(void)
{
	struct slot *slot = &region->slots[MAX_TASKS];

	page_size = (size_t)sysconf(_SC_PAGESIZE);
	if (!fixed_fd(memfd_create("mmowner-region", 0), REGION_FD) ||
	    !fixed_fd(memfd_create("mmowner-arena", 0), ARENA_FD) ||
	    !fixed_fd(open("/proc/self/exe", O_RDONLY), IMAGE_FD))
		return false;
	if (ftruncate(REGION_FD, sizeof(struct shared)) ||
	    ftruncate(ARENA_FD, (off_t)(ARENA_PAGES * page_size)) || !map_region())
		return false;
	memset(region, 0, sizeof(*region)); /* the agent pays for it, not a task */
	region->agent = getpid();
	region->page_size = (long)page_size;
	if (!map_arena())
		return false;
	zygote = (pid_t)raw_clone(SIGCHLD, stack_top(slot), zygote_main, slot);
	return zygote > 0 && wait_for_task(zygote_is_up, slot);
}

void tasks_end(void)
{
	if (zygote > 0) {
		kill(zygote, SIGKILL);
		waitpid(zygote, NULL, 0);
	}
}

long task_start_first(struct slot *slot)
{
	struct slot *maker = &region->slots[MAX_TASKS];

	task_post(maker, ORDER_CLONE_FIRST, slot - region->slots, 0, 0);
	return wait_for_task(task_answered, maker) ? maker->result : -ETIMEDOUT;
}

void task_post(struct slot *slot, enum task_order order, long a, long b, long c)
{
	slot->order = order;
	slot->arg[0] = a;
	slot->arg[1] = b;
	slot->arg[2] = c;
	atomic_fetch_add(&slot->asked, 1);
	raw_syscall(SYS_futex, (long)&slot->asked, FUTEX_WAKE, 1, 0, 0, 0);
}

bool task_answered(const void *argument)
{
	const struct slot *slot = argument;

	return atomic_load(&slot->answered) == atomic_load(&slot->asked);
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

/* Signs that nobody tells us of, such as a state in /proc, have to be looked for. */
bool wait_until(bool (*condition)(const void *), const void *argument)
{
	double start = now(), waited = 0;

	for (int turn = 1; !condition(argument); turn++) {
		/* A sleep would be rounded up to a tick, 10 ms in UML: not at first. */
		if (waited < 0.02)
			sched_yield();
		else
			nanosleep(&(struct timespec){ .tv_nsec = 500000 }, NULL);
		if (turn % 16 == 0)
			waited = now() - start;
		if (waited > PATIENCE)
			return condition(argument);
	}
	return true;
}

bool wait_for_task(bool (*condition)(const void *), const void *argument)
{
	static int spins = -1;
	const struct timespec slice = { .tv_nsec = 20000000 };
	double start = now();
	uint32_t rung;

	/* On several CPUs the task answers before we would be asleep. On one it cannot,
	 * and yielding to a task just born does not let it run until our slice is over. */
	if (spins < 0)
		spins = sysconf(_SC_NPROCESSORS_ONLN) > 1 ? 200 : 0;
	for (int turn = 0;; turn++) {
		rung = atomic_load(&region->bell);
		if (condition(argument))
			return true;
		if (turn < spins) {
			sched_yield();
			continue;
		}
		/* In slices: a task that is killed does not ring. */
		raw_syscall(SYS_futex, (long)&region->bell, FUTEX_WAIT, rung, (long)&slice, 0, 0);
		if (now() - start > PATIENCE)
			return condition(argument);
	}
}

/* From the state on: what comes before, the name, may hold blanks and brackets. */
static bool read_stat(const char *path, char *state, pid_t *parent)
{
	char text[512], *at;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t length;

	if (fd < 0)
		return false;
	length = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (length <= 0)
		return false;
	text[length] = '\0';
	at = strrchr(text, ')');
	return at && sscanf(at + 1, " %c %d", state, parent) == 2;
}

char task_state(pid_t tgid, pid_t tid)
{
	char path[64], state;
	pid_t parent;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", tgid, tid);
	return read_stat(path, &state, &parent) ? state : 0;
}

pid_t task_parent(pid_t tgid)
{
	char path[64], state;
	pid_t parent;

	snprintf(path, sizeof(path), "/proc/%d/stat", tgid);
	return read_stat(path, &state, &parent) ? parent : 0;
}
