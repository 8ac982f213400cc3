/* lib_books.c: which host call of a library is under way, and what its handles stand for. */
#include "lib.h"
#include "watch.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Not 0, and a task is told from an mm.  They count slots of the arena. */
enum { FIRST_TASK = 0x1000, FIRST_MM = 0x2000 };

/* A place that each thread has of its own: the one that calls the library is known by it. */
static __thread char here;
static const char *home;

__attribute__((constructor)) static void first_thread(void)
{
	home = &here;
}

/* ---- where the library is ---- */

struct lib_call lib_enter(const char *name, void *pc)
{
	struct co *co = mmo_co;
	bool other_thread = &here != home;

	if (other_thread || !co) {
		/* Nothing is under way that could be given up. */
		fprintf(stderr, "the library calls %s() of the host %s: the fault is the library's. "
			"The host can be called inside mmo_update_next_owner(), mmo_mm_init() and "
			"mmo_mm_clear() only.\n", name,
			other_thread ? "from a thread of its own" : "while none of its functions runs");
		_exit(3);
	}
	co->call = name;
	co->call_pc = lib_place(pc, co);
	if (!co->in_candidate)
		mmo_find_fatal(F_HOST_CALL, pc, "the host is called where it must not be: inside "
			       "mmo_open(), mmo_reset() or a question");
	return (struct lib_call){ co };
}

void lib_leave(struct lib_call *call)
{
	call->co->call = NULL;
}

/* A finding about this lock names the library's line, not the host's. */
void lib_locked(void)
{
	if (mmo_co->nheld)
		mmo_co->held[mmo_co->nheld - 1].pc = mmo_co->call_pc;
}

void lib_stored(void)
{
	if (mmo_co->store.mm)
		watch_store(mmo_co);
}

/* ---- handles ---- */

__attribute__((noreturn)) static void bad_handle(uint32_t handle, const char *wanted)
{
	const char *is = handle - FIRST_TASK < MMO_TASKS ? "a task" :
			 handle - FIRST_MM < MMO_MMS ? "an mm" : "nothing that the host gave out";

	if (!handle)
		mmo_find_fatal(F_NULL, mmo_co->call_pc, "it gives 0 where the handle of %s must be",
			       wanted);
	mmo_find_fatal(F_HOST_CALL, mmo_co->call_pc, "it gives %#x where the handle of %s must be: "
		       "that is %s", handle, wanted, is);
}

int lib_task_slot(mmo_task task)
{
	if (task - FIRST_TASK >= MMO_TASKS)
		bad_handle(task, "a task");
	return (int)(task - FIRST_TASK);
}

int lib_mm_slot(mmo_mm mm)
{
	if (mm - FIRST_MM >= MMO_MMS)
		bad_handle(mm, "an mm");
	return (int)(mm - FIRST_MM);
}

mmo_task lib_task(const struct task_struct *task)
{
	return task ? (mmo_task)(FIRST_TASK + mmo_task_slot(task)) : 0;
}

mmo_mm lib_mm(const struct mm_struct *mm)
{
	return mm ? (mmo_mm)(FIRST_MM + mmo_mm_slot(mm)) : 0;
}

mmo_task lib_entry(const struct list_head *entry, size_t member, const char *list)
{
	size_t at = (uintptr_t)entry - member - (uintptr_t)mmo_arena.tasks;

	/* prev has been moved to another list, whose head is no task's member. */
	if (at >= sizeof(mmo_arena.tasks) || at % MMO_SLOT)
		mmo_find_fatal(F_LIST_WALK, mmo_co->call_pc, "it walks off the %s: the task before "
			       "is on another by now", list);
	return (mmo_task)(FIRST_TASK + at / MMO_SLOT);
}

bool lib_leads(const struct task_struct *task)
{
	return task->group_leader == task;
}

/* ---- mm_owner_changed ---- */

enum { SUBSYSTEMS = 8 }; /* as kshim.h has it */
extern struct cgroup_subsys *subsys[SUBSYSTEMS];

bool lib_has_callbacks(void)
{
	return world_era.callbacks;
}

/* 1: tasks, whatever their cgroups.  2: cgroups, when they differ.  3: and the new task. */
void lib_tell(struct task_struct *old, struct task_struct *new_task, struct css_set *from,
	      struct css_set *to)
{
	void *arguments[3] = { &from->cgroup, to ? &to->cgroup : NULL, new_task };

	if (world_era.callbacks == 1) {
		arguments[0] = old;
		arguments[1] = new_task;
	} else if (from == to) {
		return;
	}
	for (int i = 0; i < SUBSYSTEMS; i++) {
		void (*hook)(struct cgroup_subsys *, void *, void *, void *);

		if (!subsys[i] || !subsys[i]->mm_owner_changed)
			continue;
		hook = (void (*)(struct cgroup_subsys *, void *, void *, void *))
			(void *)subsys[i]->mm_owner_changed;
		hook(subsys[i], arguments[0], arguments[1], arguments[2]);
	}
}
