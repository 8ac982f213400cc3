/* tracker.c: a small world of its own with the owner rules of 6.11, as a `lib:` candidate of the tracker level.
 *
 * `make tracker.so`; then: pytest --pyargs mmowner_conformance --mmowner-candidate=lib:./tracker.so
 * `make tracker_stale.so` is wrong on purpose: exec leaves the old mm without handing it over.
 * There are no lists here: who was put on one later has the higher number.
 */
#include "mmowner.h"

#include <stdbool.h>
#include <string.h>

enum { TASKS = 4096, MMS = 4096, INIT = 1 };

struct task {
	mmo_task leader;         /* of its group; 0: there is no such task */
	mmo_task parent;         /* the thread that made the group; counts for leaders */
	mmo_mm mm;
	bool exited;
	uint32_t sibling, process, thread; /* places on the three lists; 0: on none */
};

static struct task tasks[TASKS];
static struct { mmo_task owner; uint32_t users; } mms[MMS];
static uint32_t places;
static mmo_task top;             /* all tasks are below */
static const char *why;

uint32_t mmo_tracker_open(uint32_t abi) { return abi >= MMO_ABI ? MMO_ABI : 0; }
const char *mmo_name(void) { return "example-tracker"; }
const char *mmo_version(void) { return "1"; }
const char *mmo_language(void) { return "C"; }
const char *mmo_dialect(void) { return "6.11"; }
const char *mmo_why(void) { return why; }

/* ---- lists ---- */

enum list { CHILDREN, PROCESSES, THREADS };

static uint32_t place_on(enum list list, mmo_task of, const struct task *task)
{
	if (!task->leader)
		return 0;
	if (list == CHILDREN)
		return task->parent == of ? task->sibling : 0;
	if (list == PROCESSES)
		return task->process;
	return task->leader == of ? task->thread : 0;
}

/* The task that stands behind prev on the list (of that parent, of that leader); 0: none. */
static mmo_task next_on(enum list list, mmo_task of, mmo_task prev)
{
	uint32_t after = prev ? place_on(list, of, &tasks[prev]) : 0, best = UINT32_MAX;
	mmo_task found = 0;

	for (mmo_task name = INIT; name < top; name++) {
		uint32_t place = place_on(list, of, &tasks[name]);

		if (place > after && place < best) {
			best = place;
			found = name;
		}
	}
	return found;
}

/* ---- the owner rules ---- */

/* The live threads of a group all use one mm: the first tells. */
static bool take(mmo_mm mm, mmo_task leader)
{
	for (mmo_task task = 0; (task = next_on(THREADS, leader, task));) {
		if (tasks[task].mm == mm)
			mms[mm].owner = task;
		if (tasks[task].mm)
			return tasks[task].mm == mm;
	}
	return false;
}

static bool take_from(enum list list, mmo_task of, mmo_mm mm)
{
	for (mmo_task leader = 0; (leader = next_on(list, of, leader));)
		if (take(mm, leader))
			return true;
	return false;
}

/* The task has left the mm, its reference still counts. */
static void update_next_owner(mmo_mm mm, mmo_task task)
{
	if (mms[mm].owner != task)
		return;
	if (mms[mm].users <= 1 || !(take_from(CHILDREN, task, mm) ||
				    take_from(CHILDREN, tasks[tasks[task].leader].parent, mm) ||
				    take_from(PROCESSES, 0, mm)))
		mms[mm].owner = 0;
}

/* ---- operations ---- */

static int refuse(int answer, const char *text)
{
	why = text;
	return answer;
}

static int no_room(void)
{
	return refuse(MMO_UNTESTABLE, "this example has room for 4095 tasks and 4095 mms");
}

static void make_mm(mmo_mm mm, mmo_task owner)
{
	mms[mm].owner = owner;
	mms[mm].users = 1;
}

int mmo_reset(void)
{
	memset(tasks, 0, sizeof(tasks));
	memset(mms, 0, sizeof(mms));
	places = 1;
	top = INIT + 1;
	tasks[INIT] = (struct task){ INIT, 0, 1, false, 1, 1, 1 };
	make_mm(1, INIT);
	return MMO_OK;
}

int mmo_clone(mmo_task task, mmo_task child, uint32_t flags, mmo_mm mm)
{
	struct task *made;
	mmo_task leader = tasks[task].leader;

	if (child >= TASKS || mm >= MMS)
		return no_room();
	made = &tasks[child];
	if (mm)
		make_mm(mm, child);
	else
		mms[tasks[task].mm].users++;
	*made = (struct task){ child, task, mm ? mm : tasks[task].mm, false, 0, 0, ++places };
	if (flags & MMO_THREAD) {
		made->leader = leader;
	} else {
		made->process = ++places;
		made->sibling = ++places;
		if (flags & MMO_PARENT)
			made->parent = tasks[leader].parent;
	}
	if (child >= top)
		top = child + 1;
	return MMO_OK;
}

static void forget(mmo_task task)
{
	memset(&tasks[task], 0, sizeof(tasks[task]));
}

/* Orphans go to the first live thread of the group, or to init. */
static mmo_task reaper_for(mmo_task task)
{
	mmo_task thread = 0;

	while ((thread = next_on(THREADS, tasks[task].leader, thread)))
		if (!tasks[thread].exited)
			return thread;
	return INIT;
}

int mmo_exit(mmo_task task)
{
	mmo_mm mm = tasks[task].mm;
	mmo_task reaper, child;

	tasks[task].exited = true;
	tasks[task].mm = 0;
	update_next_owner(mm, task);
	mms[mm].users--;
	reaper = reaper_for(task);
	while ((child = next_on(CHILDREN, task, 0))) {
		tasks[child].parent = reaper;
		tasks[child].sibling = ++places;
	}
	if (tasks[task].leader != task)
		forget(task);
	return MMO_OK;
}

int mmo_reap(mmo_task task)
{
	forget(task);
	return MMO_OK;
}

int mmo_exec(mmo_task task, mmo_mm mm)
{
	mmo_task leader = tasks[task].leader, thread = 0;
	mmo_mm old = tasks[task].mm;

	if (mm >= MMS)
		return no_room();
	make_mm(mm, task);
	while ((thread = next_on(THREADS, leader, thread)))
		if (thread != task && !tasks[thread].exited) {
			mmo_exit(thread);
			thread = 0; /* from the start: it may have left the list */
		}
	if (leader != task) { /* its places are taken over */
		tasks[task].leader = task;
		tasks[task].parent = tasks[leader].parent;
		tasks[task].sibling = tasks[leader].sibling;
		tasks[task].process = tasks[leader].process;
		forget(leader);
	}
	tasks[task].mm = mm;
#ifndef STALE
	update_next_owner(old, task);
#endif
	mms[old].users--;
	return MMO_OK;
}

int mmo_hold(mmo_mm mm, uint32_t ref)
{
	(void)ref;
	mms[mm].users++;
	return MMO_OK;
}

int mmo_put(mmo_mm mm, uint32_t ref)
{
	(void)ref;
	mms[mm].users--;
	return MMO_OK;
}

/* ---- questions ---- */

int mmo_owner(mmo_mm mm, mmo_task *task)
{
	if (mm >= MMS || !mms[mm].users)
		return refuse(MMO_REFUSED, "there is no such mm");
	*task = mms[mm].owner;
	return MMO_OK;
}

int mmo_users(mmo_mm mm, uint32_t *users)
{
	if (mm >= MMS)
		return refuse(MMO_REFUSED, "there is no such mm");
	*users = mms[mm].users;
	return MMO_OK;
}

int mmo_state(mmo_task task, uint32_t *state)
{
	if (task >= TASKS || !tasks[task].leader)
		*state = MMO_GONE;
	else
		*state = tasks[task].exited && tasks[task].leader == task ? MMO_ZOMBIE : MMO_LIVE;
	return MMO_OK;
}
