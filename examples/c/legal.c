/* legal.c: what the kernel refuses, asked before anything is changed.
 *
 * A suite may send an operation that no kernel would perform, to see that the candidate
 * refuses it and stays as it was. The texts start with the name of the broken rule.
 */
#include "world.h"

/* Return the reason of a part, if it has one. */
#define TRY(part)                       \
	do {                            \
		const char *why = part; \
		if (why)                \
			return why;     \
	} while (0)

#define REFUSE_IF(condition, why)   \
	do {                        \
		if (condition)      \
			return why; \
	} while (0)

/* -- parts ----------------------------------------------------------------------------- */

static const char *not_live(const struct task *task)
{
	REFUSE_IF(!task, "unknown-name: there never was such a task");
	REFUSE_IF(task->state != LIVE, "exited: a task that has exited does nothing more");
	return NULL;
}

static const char *not_running(const struct task *task)
{
	TRY(not_live(task));
	REFUSE_IF(task->vfork_child, "vfork-wait: the task waits for its vfork child");
	return NULL;
}

static const char *not_user(const struct task *task)
{
	REFUSE_IF(task->kthread, "kernel-thread: the task is a kernel thread");
	return NULL;
}

static const char *not_kthread(const struct task *task)
{
	REFUSE_IF(!task->kthread, "not-a-kthread: only a kernel thread borrows an mm");
	return NULL;
}

static const char *has_loan(const struct task *task)
{
	REFUSE_IF(task->kthread && task->mm, "borrows: the kernel thread borrows an mm");
	return NULL;
}

static const char *used(const struct table *table, long name)
{
	REFUSE_IF(find(table, name), "used-name: something had that name already");
	return NULL;
}

static const char *dead_mm(const struct world *w, long name)
{
	const struct mm *mm = find(&w->mms, name);

	REFUSE_IF(!mm, "unknown-name: there never was such an mm");
	REFUSE_IF(mm->users <= 0, "dead-mm: the mm has no users left");
	return NULL;
}

static const char *no_cgroup(const struct world *w, long name)
{
	REFUSE_IF(!find(&w->cgroups, name), "unknown-name: there is no such cgroup");
	return NULL;
}

/* -- operations ------------------------------------------------------------------------ */

const char *refuse_clone(const struct world *w, const struct op *op)
{
	const struct task *maker = task_of(w, op);

	TRY(not_running(maker));
	TRY(not_user(maker));
	TRY(used(&w->tasks, op->child));
	TRY(used(&w->mms, op->mm));
	REFUSE_IF((op->flags & (FLAG_PARENT | FLAG_THREAD)) == FLAG_PARENT &&
		  maker->real_parent == &w->idle, "parent-of-init: init has no siblings");
	return NULL;
}

const char *refuse_clone_fails(const struct world *w, const struct op *op)
{
	TRY(refuse_clone(w, op));
	return used(&w->refs, op->ref);
}

const char *refuse_exit(const struct world *w, const struct op *op)
{
	const struct task *task = task_of(w, op);

	TRY(not_live(task));
	REFUSE_IF(task == w->init, "init-stays: init never exits");
	REFUSE_IF(task->vfork_child && live_thread_but(task),
		  "kill-group: who waits for a vfork child can only be killed with its threads");
	REFUSE_IF(task->tracer && task->group->leader != task,
		  "traced-thread: its tracer would have to let it go first");
	return has_loan(task);
}

const char *refuse_exec(const struct world *w, const struct op *op)
{
	const struct task *task = task_of(w, op), *thread;

	TRY(not_running(task));
	TRY(used(&w->mms, op->mm));
	TRY(has_loan(task));
	REFUSE_IF(task->group == w->init->group && task != w->init,
		  "init-stays: no other thread of init execs");
	for_each_task(thread, &task->group->threads, thread)
		REFUSE_IF(thread != task && thread->tracer,
			  "traced-thread: the tracer of a dying thread would have to let it go");
	return NULL;
}

const char *refuse_exec_fails(const struct world *w, const struct op *op)
{
	TRY(not_running(task_of(w, op)));
	return not_user(task_of(w, op));
}

/* The kernel's wait() runs in any thread of the parent that is free to run. */
static bool somebody_can_wait(const struct group *parent)
{
	const struct task *thread;

	for_each_task(thread, &parent->threads, thread)
		if (thread->state == LIVE && !thread->vfork_child)
			return true;
	return false;
}

const char *refuse_reap(const struct world *w, const struct op *op)
{
	const struct task *task = task_of(w, op);

	REFUSE_IF(!task, "unknown-name: there never was such a task");
	REFUSE_IF(task->state != ZOMBIE, "not-a-zombie: there is nothing to wait for");
	REFUSE_IF(has_other_threads(task), "not-a-zombie: threads of the process are alive");
	REFUSE_IF(task->tracer && task->tracer->group != task->real_parent->group,
		  "traced-zombie: it is its tracer's until that one lets go");
	REFUSE_IF(!somebody_can_wait(task->real_parent->group),
		  "nobody-waits: the parent waits for a vfork child");
	return NULL;
}

const char *refuse_hold(const struct world *w, const struct op *op)
{
	TRY(dead_mm(w, op->mm));
	return used(&w->refs, op->ref);
}

const char *refuse_put(const struct world *w, const struct op *op)
{
	const struct ref *ref = find(&w->refs, op->ref);

	REFUSE_IF(!ref || !ref->mm || ref->mm->key.name != op->mm,
		  "no-ref: this reference is not held on this mm");
	return NULL;
}

const char *refuse_kthread(const struct world *w, const struct op *op)
{
	return used(&w->tasks, op->child);
}

const char *refuse_use_mm(const struct world *w, const struct op *op)
{
	const struct task *task = task_of(w, op);

	TRY(not_running(task));
	TRY(not_kthread(task));
	TRY(has_loan(task));
	return dead_mm(w, op->mm);
}

const char *refuse_unuse_mm(const struct world *w, const struct op *op)
{
	const struct task *task = task_of(w, op);

	TRY(not_running(task));
	TRY(not_kthread(task));
	REFUSE_IF(!task->mm || task->mm->key.name != op->mm,
		  "no-loan: the kernel thread does not borrow this mm");
	return NULL;
}

const char *refuse_trace(const struct world *w, const struct op *op)
{
	const struct task *task = task_of(w, op), *tracer = find(&w->tasks, op->tracer);

	TRY(not_live(task));
	TRY(not_user(task));
	TRY(not_running(tracer));
	TRY(not_user(tracer));
	REFUSE_IF(task->group == tracer->group || task->group == w->init->group,
		  "self-trace: a task traces only other processes, and not init");
	REFUSE_IF(task->tracer, "traced: the task has a tracer");
	return NULL;
}

const char *refuse_untrace(const struct world *w, const struct op *op)
{
	const struct task *task = task_of(w, op);

	TRY(not_live(task));
	REFUSE_IF(!task->tracer, "not-traced: the task has no tracer");
	return not_running(task->tracer);
}

const char *refuse_subreaper(const struct world *w, const struct op *op)
{
	TRY(not_running(task_of(w, op)));
	return not_user(task_of(w, op));
}

const char *refuse_cgroup(const struct world *w, const struct op *op)
{
	TRY(no_cgroup(w, op->parent));
	return used(&w->cgroups, op->cgroup);
}

const char *refuse_attach(const struct world *w, const struct op *op)
{
	TRY(not_live(task_of(w, op)));
	TRY(not_user(task_of(w, op)));
	return no_cgroup(w, op->cgroup);
}

const char *refuse_charge(const struct world *w, const struct op *op)
{
	TRY(not_running(task_of(w, op)));
	REFUSE_IF(!task_of(w, op)->mm, "no-mm: a task without an mm touches no pages");
	return NULL;
}

const char *refuse_subsystem(const struct world *w, const struct op *op)
{
	(void)w;
	(void)op;
	return "no-callbacks: 2.6.29 and later have no mm_owner_changed";
}
