/* hold.c: a reader of /proc/PID/mem, stopped in a page fault while it holds the mm.
 *
 * The kernel takes a reference on mm_users for the length of one read. The reader's
 * buffer is a page that userfaultfd never fills, so the read does not end until the
 * reader is killed; and a killed reader drops its reference before it is a zombie. */
#define _GNU_SOURCE
#include "hold.h"

#include "arch.h"
#include "tasks.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct reader {
	int mem_fd;
	pid_t agent;
	char *page;
	char stack[4096] __attribute__((aligned(64)));
};

static struct reader readers[MAX_HOLDERS];
static char *pages; /* one for each reader, never filled */
static int fault_fd = -1;

bool hold_setup(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	size_t bytes = MAX_HOLDERS * page_size;

	fault_fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (fault_fd < 0)
		return false;
	pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	range.range.start = (uintptr_t)pages;
	range.range.len = bytes;
	if (pages != MAP_FAILED && !ioctl(fault_fd, UFFDIO_API, &api) &&
	    !ioctl(fault_fd, UFFDIO_REGISTER, &range))
		return true;
	close(fault_fd);
	fault_fd = -1;
	return false;
}

/* Shares the agent's memory (so that the agent sees its fault) but neither its files
 * (or it would keep the agent's pipes open) nor its thread group (so it can be killed). */
static void reader_main(void *argument)
{
	struct reader *self = argument;
	unsigned long all = ~0UL;

	raw_syscall(SYS_rt_sigprocmask, SIG_BLOCK, (long)&all, 0, sizeof(all), 0, 0);
	raw_syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0, 0);
	if (raw_syscall(SYS_getppid, 0, 0, 0, 0, 0, 0) == self->agent) {
		raw_syscall(SYS_dup3, self->mem_fd, 0, 0, 0, 0, 0);
		raw_syscall(SYS_close_range, 1, ~0U, 0, 0, 0, 0);
		raw_syscall(SYS_pread64, 0, (long)self->page, 1, (long)REGION_ADDRESS, 0, 0);
	}
	raw_syscall(SYS_exit_group, 0, 0, 0, 0, 0, 0);
}

pid_t hold_take(int index, int mem_fd)
{
	struct reader *reader = &readers[index];
	struct uffd_msg message;
	pid_t holder;
	char byte;

	if (pread(mem_fd, &byte, 1, (off_t)REGION_ADDRESS) != 1)
		return 0;
	reader->mem_fd = mem_fd;
	reader->agent = getpid();
	reader->page = pages + (size_t)index * page_size;
	holder = (pid_t)raw_clone(CLONE_VM | SIGCHLD, reader->stack + sizeof(reader->stack),
				  reader_main, reader);
	if (holder < 0)
		return -1;
	for (int turn = 0; turn < 50; turn++) {
		struct pollfd ready = { .fd = fault_fd, .events = POLLIN };

		poll(&ready, 1, 100);
		if (read(fault_fd, &message, sizeof(message)) == sizeof(message)) {
			if (message.event == UFFD_EVENT_PAGEFAULT &&
			    message.arg.pagefault.address / page_size ==
				    (uintptr_t)reader->page / page_size)
				return holder;
		} else if (waitpid(holder, NULL, WNOHANG | __WALL) == holder) {
			return 0; /* nothing to read: the mm died meanwhile */
		}
	}
	hold_drop(holder);
	return -1;
}

static bool reaped(const void *holder)
{
	return waitpid(*(const pid_t *)holder, NULL, WNOHANG | __WALL) != 0;
}

bool hold_drop(pid_t holder)
{
	kill(holder, SIGKILL);
	return wait_until(reaped, &holder);
}
