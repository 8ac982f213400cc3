/* lifecycle.c: how tasks come, change and go: clone, exec, exit, reap. */
#define _GNU_SOURCE
#include "lifecycle.h"
#include "orders.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>

/* ---- what follows from a death or an exec ---- */

/* Parents that a vfork has blocked on this task are free again; wait for that, so that
 * the next operation finds them ready. */
static enum outcome release_vfork_parent(int child)
{
	for (int i = 0; i < world.task_count; i++) {
		if (world.tasks[i].vfork_child != child)
			continue;
		if (world.tasks[i].life == LIVE && !wait_for_task(task_answered, slot_of(i)))
			return broken("task %ld stayed blocked after its vfork child %ld was done",
				      world.tasks[i].name, world.tasks[child].name);
		world.tasks[i].vfork_child = NONE;
	}
	return DONE;
}

static void note_death(int task, enum life life)
{
	world.tasks[task].life = life;
	world.tasks[task].vfork_child = NONE;
	for (int i = 0; i < world.task_count; i++)
		if (world.tasks[i].tracer == task)
			world.tasks[i].tracer = NONE; /* the kernel detaches them */
}

/* ---- clone ---- */

struct shape {
	unsigned long flags;
	bool vm, thread, vfork;
};

static bool read_shape(const struct json *request, struct shape *shape)
{
	const struct json *flags = json_get(request, "flags");

	*shape = (struct shape){ 0 };
	if (!flags || flags->kind != JSON_LIST)
		return false;
	for (const struct json *flag = flags->first; flag; flag = flag->next) {
		if (flag->kind != JSON_TEXT)
			return false;
		if (!strcmp(flag->text, "VM")) {
			shape->vm = true;
		} else if (!strcmp(flag->text, "THREAD")) {
			shape->vm = shape->thread = true;
			shape->flags |= CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
					CLONE_SYSVSEM;
		} else if (!strcmp(flag->text, "PARENT")) {
			shape->flags |= CLONE_PARENT;
		} else if (!strcmp(flag->text, "VFORK")) {
			shape->vfork = true;
			shape->flags |= CLONE_VFORK;
		} else {
			return false;
		}
	}
	if (shape->vm)
		shape->flags |= CLONE_VM;
	if (!shape->thread)
		shape->flags |= SIGCHLD;
	return true;
}

/* The checks that clone and clone_fails have in common. */
static enum outcome check_clone(const struct json *request, int by, struct shape *shape)
{
	long child = number_of(request, "child"), mm = number_of(request, "mm");

	if (!read_shape(request, shape))
		return broken("flags must be a list out of VM, THREAD, PARENT, VFORK");
	if (!child || find_task(child) != NONE)
		return refused("child must be a new task, %ld is not", child);
	if (shape->vm ? json_get(request, "mm") != NULL : !mm || find_mm(mm) != NONE)
		return refused("mm must be new without VM and absent with it");
	if (shape->flags & CLONE_PARENT && !shape->thread && world.tasks[by].process == 0)
		return refused("init has no parent that could be the child's");
	if (world.task_count == MAX_TASKS || world.mm_count == MAX_MMS)
		return untestable("this agent makes at most %d tasks and mms", MAX_TASKS);
	return DONE;
}

enum outcome op_clone(const struct json *request, int by)
{
	int child = world.task_count;
	struct task *t = &world.tasks[child], *parent = &world.tasks[by];
	struct slot *slot = slot_of(child);
	struct hello hello = { .child = slot, .parent = slot_of(by) };
	struct shape shape;
	enum outcome outcome = check_clone(request, by, &shape);

	if (outcome != DONE)
		return outcome;
	hello.before = atomic_load(&slot->hello);
	task_post(slot_of(by), ORDER_CLONE, (long)shape.flags, child, 0);
	if (!wait_for_task(up_or_failed, &hello))
		return broken("the child of task %ld did not come up", parent->name);
	if (atomic_load(&slot->hello) == hello.before)
		return broken("clone: %s", strerror((int)-slot_of(by)->result));
	if (!shape.vfork && !wait_for_task(task_answered, slot_of(by)))
		return broken("task %ld did not come back from clone", parent->name);

	*t = (struct task){
		.name = number_of(request, "child"),
		.tid = slot->tid,
		.process = shape.thread ? parent->process : child,
		.mm = shape.vm ? parent->mm : NONE,
		.tracer = NONE,
		.vfork_child = NONE,
	};
	if (!shape.thread)
		world.processes[child] = (struct process){ .tgid = slot->pid, .leader = child };
	world.task_count++;
	if (shape.vfork)
		parent->vfork_child = child;
	if (shape.thread && cgroup_version == 2)
		t->group = parent->group;
	else if (!enter_group(child, parent->group))
		return broken("the child cannot be moved to its cgroup: %s", strerror(errno));
	if (!shape.vm) {
		t->mm = mm_open(number_of(request, "mm"), slot->pid);
		if (t->mm == NONE)
			return broken("/proc/PID/mem of the child: %s", strerror(errno));
	}
	return DONE;
}

enum outcome op_clone_fails(const struct json *request, int by)
{
	const struct json *at = json_get(request, "at");
	struct shape shape;
	enum outcome outcome = check_clone(request, by, &shape);
	long result;

	if (outcome != DONE)
		return outcome;
	if (!at || at->kind != JSON_TEXT || strcmp(at->text, "late"))
		return untestable("only at=late can be brought about from user space");
	if (json_get(request, "ref"))
		return untestable("nobody outside can get hold of an mm that is never published");
	if (!order(by, ORDER_CLONE_FAILS, (long)shape.flags, 0, 0, &result))
		return broken("task %ld did not come back from clone", world.tasks[by].name);
	if (result == -ENOSYS || result == -EPERM)
		return untestable("clone3 with set_tid: %s", strerror((int)-result));
	if (result != -EEXIST)
		return broken("a clone that should fail with EEXIST returned %ld", result);
	return DONE;
}

/* ---- exit, exec, reap ---- */

/* The kernel shows a dead tracee to its tracer first; only then does it go its usual way,
 * which for a thread other than the leader is to vanish. Any thread of the tracer's
 * process can do this, or nobody: they are all blocked. */
static int who_waits_for_tracee(int task)
{
	return ready_task_of(tgid_of(world.tasks[task].tracer));
}

static enum outcome nobody_waits_for_tracee(int task)
{
	return untestable("task %ld is traced by a process that is blocked in vfork",
			  world.tasks[task].name);
}

enum outcome op_exit(const struct json *request, int task)
{
	struct task *t = &world.tasks[task];
	bool vanishes = !is_leader(task);
	int waiter = vanishes && t->tracer != NONE ? who_waits_for_tracee(task) : task;
	enum outcome outcome;

	(void)request;
	if (!task)
		return refused("init never exits");
	if (waiter == NONE)
		return nobody_waits_for_tracee(task);
	if (is_blocked(task)) {
		/* It cannot run, so it cannot exit by itself; a signal kills its group. */
		if (others_alive(task))
			return untestable("task %ld is blocked in vfork: killing it would kill "
					  "the other threads of its process", t->name);
		kill(tgid_of(task), SIGKILL);
	} else {
		task_post(slot_of(task), ORDER_EXIT, 0, 0, 0);
	}
	if (!wait_until(is_zombie_or_gone, &task))
		return broken("task %ld does not exit", t->name);
	note_death(task, vanishes ? GONE : ZOMBIE);
	if (vanishes) {
		if (waiter != task && task_state(tgid_of(task), t->tid)) {
			outcome = wait_for_child(waiter, t->tid, "the thread that it traced");
			if (outcome != DONE)
				return outcome;
		}
		if (!wait_until(is_gone, &task))
			return broken("thread %ld is not released", t->name);
	}
	return release_vfork_parent(task);
}

/* exec waits until its other threads are released, and they wait for their tracers. The
 * leader alone is released by the kernel itself. */
static bool holds_up_exec(int other, int task)
{
	const struct task *o = &world.tasks[other];

	return other != task && o->process == world.tasks[task].process && !is_leader(other) &&
	       o->life == LIVE && o->tracer != NONE;
}

enum outcome op_exec(const struct json *request, int task)
{
	struct task *t = &world.tasks[task];
	struct process *p = &world.processes[t->process];
	struct slot *slot = slot_of(task);
	struct hello hello = { .child = slot, .parent = slot, .before = atomic_load(&slot->hello) };
	long name = number_of(request, "mm");
	enum outcome outcome;

	if (!name || find_mm(name) != NONE)
		return refused("mm must be new, %ld is not", name);
	if (world.mm_count == MAX_MMS)
		return untestable("this agent makes at most %d mms", MAX_MMS);
	if (!t->process && !is_leader(task))
		return refused("a thread of init must not take its place");
	for (int i = 0; i < world.task_count; i++)
		if (holds_up_exec(i, task) && who_waits_for_tracee(i) == NONE)
			return nobody_waits_for_tracee(i);
	task_post(slot, ORDER_EXEC, 0, 0, 0);
	for (int i = 0; i < world.task_count; i++) {
		if (!holds_up_exec(i, task))
			continue;
		outcome = wait_for_child(who_waits_for_tracee(i), world.tasks[i].tid,
					 "the thread that it traced");
		if (outcome != DONE)
			return outcome;
	}
	if (!wait_for_task(up_or_failed, &hello))
		return broken("task %ld does not come up in its new image", t->name);
	if (atomic_load(&slot->hello) == hello.before)
		return broken("exec: %s", strerror((int)-slot->result));

	for (int i = 0; i < world.task_count; i++) {
		if (i == task || world.tasks[i].process != t->process || world.tasks[i].life == GONE)
			continue;
		note_death(i, GONE);
		outcome = release_vfork_parent(i);
		if (outcome != DONE)
			return outcome;
	}
	t->tid = p->tgid;
	p->leader = task;
	outcome = release_vfork_parent(task);
	if (outcome != DONE)
		return outcome;
	t->mm = mm_open(name, p->tgid);
	return t->mm == NONE ? broken("/proc/PID/mem of the new image: %s", strerror(errno)) : DONE;
}

enum outcome op_exec_fails(const struct json *request, int task)
{
	long result;

	(void)request;
	if (!order(task, ORDER_EXEC_FAILS, 0, 0, 0, &result))
		return broken("task %ld did not come back from exec", world.tasks[task].name);
	return result < 0 ? DONE : broken("an exec that should fail returned %ld", result);
}

enum outcome op_reap(const struct json *request, int task)
{
	struct task *t = &world.tasks[task];
	pid_t pid = tgid_of(task), parent;
	int by;
	enum outcome outcome;

	(void)request;
	if (t->life != ZOMBIE || others_alive(task))
		return refused("task %ld is not a zombie whose process is dead", t->name);
	parent = task_parent(pid);
	if (t->tracer != NONE && tgid_of(t->tracer) != parent) {
		by = who_waits_for_tracee(task);
		if (by == NONE)
			return nobody_waits_for_tracee(task);
		outcome = wait_for_child(by, pid, "the zombie that it traced");
		if (outcome != DONE)
			return outcome;
	}
	by = ready_task_of(parent);
	if (by == NONE)
		return untestable("no task of the parent process, pid %d, can wait now", parent);
	outcome = wait_for_child(by, pid, "its zombie child");
	if (outcome != DONE)
		return outcome;
	if (!wait_until(is_gone, &task))
		return broken("task %ld has been waited for but is still there", t->name);
	note_death(task, GONE);
	t->tracer = NONE;
	return DONE;
}
