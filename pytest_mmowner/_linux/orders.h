/* orders.h: tell a task to do something, and wait for what the kernel makes of it. */
#ifndef MMOWNER_ORDERS_H
#define MMOWNER_ORDERS_H

#include "ops.h"
#include "world.h"

struct slot *slot_of(int task);
pid_t tgid_of(int task);
bool is_leader(int task);
bool is_blocked(int task);          /* until its vfork child execs or exits */
int others_alive(int task);         /* in its process */
int ready_task_of(pid_t tgid);      /* one that can be given an order now, or NONE */

/* False when the task did not answer in time. */
bool order(int task, enum task_order what, long a, long b, long c, long *result);

/* Let this task wait for the dead or stopped pid, which is its child or tracee. */
enum outcome wait_for_child(int by, pid_t pid, const char *what);

/* Conditions for wait_until and wait_for_task. */
struct hello {
	const struct slot *child, *parent;
	uint32_t before;
};
bool up_or_failed(const void *hello);
/* The kernel moves the owner before the task shows as a zombie; the earlier signs of an
 * exit (a cleared tid, the vfork parent going on) come before that. */
bool is_zombie_or_gone(const void *task);
bool is_gone(const void *task);

#endif
