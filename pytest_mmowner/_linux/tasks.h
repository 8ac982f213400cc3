/* tasks.h: tasks that do what the agent tells them, one system call at a time. */
#ifndef MMOWNER_TASKS_H
#define MMOWNER_TASKS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
	MAX_TASKS = 256,        /* in one world */
	STACK_BYTES = 8192,
	ARENA_PAGES = 16384,
	/* These survive exec, and are high enough to be in nobody's way. */
	REGION_FD = 200,
	ARENA_FD = 201,
	IMAGE_FD = 202,
};

/* The same in every image: below UML's 512 GiB and far from where a static, non-PIE
 * program, its heap and its libraries live. */
#define REGION_ADDRESS 0x1000000000UL
#define ARENA_ADDRESS 0x2000000000UL

enum task_order {
	ORDER_CLONE,        /* flags, slot of the child */
	ORDER_CLONE_FIRST,  /* (the zygote) slot of the stand-in for init */
	ORDER_CLONE_FAILS,  /* flags */
	ORDER_EXIT,
	ORDER_EXEC,
	ORDER_EXEC_FAILS,
	ORDER_WAIT,         /* pid: wait4 without blocking */
	ORDER_TOUCH,        /* address, stride, count */
	ORDER_SUBREAPER,
	ORDER_PTRACE,       /* request, pid */
};

/* A task's mailbox and stack. It lies in shared memory that the agent has touched
 * before, so that neither a clone nor a fork copies it and nobody is charged for it. */
struct slot {
	_Atomic uint32_t asked, answered; /* numbers of the last order */
	_Atomic uint32_t hello;           /* counts the images that came up here */
	enum task_order order;
	long arg[3];
	long result;
	pid_t pid, tid;
	char stack[STACK_BYTES] __attribute__((aligned(64)));
};

struct shared {
	_Atomic uint32_t bell; /* rung by a task that has come up or has answered */
	pid_t agent, janitor;  /* when both are gone, the tasks go as well */
	long page_size;
	struct slot slots[MAX_TASKS + 1]; /* the last is the zygote's */
};

#define region ((struct shared *)REGION_ADDRESS)
extern size_t page_size;

/* Shared memory, and the zygote: a tiny process that forks each world's first task, so
 * that the agent's own pages are neither copied nor write-protected for that. */
bool tasks_setup(void);
void tasks_end(void);
/* The stand-in for init, as our child: its pid, or -errno. */
long task_start_first(struct slot *slot);
void task_post(struct slot *slot, enum task_order order, long a, long b, long c);
bool task_answered(const void *slot);

/* Both wait up to five seconds until condition(argument); the second for something that
 * a task rings the bell for. */
bool wait_until(bool (*condition)(const void *), const void *argument);
bool wait_for_task(bool (*condition)(const void *), const void *argument);

/* R, S, Z, ... of /proc, or 0 when there is no such task. */
char task_state(pid_t tgid, pid_t tid);
/* The process that may wait for this one, or 0. */
pid_t task_parent(pid_t tgid);

#endif
