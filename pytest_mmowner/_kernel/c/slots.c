/* slots.c: where tasks and mms live, by which names, and how a whole world is kept and brought back. */
#include "inside.h"

uint8_t mmo_task_life[MMO_TASKS], mmo_mm_life[MMO_MMS];
int mmo_task_name[MMO_TASKS], mmo_mm_name[MMO_MMS];
int mmo_task_usage[MMO_TASKS];
bool mmo_task_released[MMO_TASKS];
struct mmo_arena mmo_arena __attribute__((aligned(4096)));
struct world_log world_log;
uint16_t slot_refs[REFS];
int slot_top_ref, world_top_mm;
const char *slot_full;

/* Which slot a name has; 0 for none. */
static uint16_t task_slots[NAMES], mm_slots[NAMES];
static int top_task, top_name_task, top_name_mm;

#define top_mm world_top_mm

/* ---- names and slots ---- */

struct task_struct *world_find_task(int name)
{
	return name > 0 && name < NAMES && task_slots[name] ? MMO_TASK(task_slots[name]) : NULL;
}

struct mm_struct *world_find_mm(int name)
{
	return name > 0 && name < NAMES && mm_slots[name] ? MMO_MM(mm_slots[name]) : NULL;
}

static bool somebody_points_to(int slot)
{
	/* A group outlives the leader that made its signal_struct when another thread execs. */
	for (int i = MMO_FIRST_TASK; i < top_task; i++)
		if (mmo_task_life[i] == SLOT_LIVE &&
		    MMO_TASK(i)->signal == &mmo_arena.signals[slot].signal)
			return true;
	for (int i = 0; i < top_mm; i++)
		if (mmo_mm_life[i] == SLOT_LIVE && MMO_MM(i)->owner == MMO_TASK(slot))
			return true;
	return false;
}

/* A fresh slot; when there is none, the first that was freed and that nobody points to. */
int slot_reserve_task(int name)
{
	int slot = top_task;

	if (name <= 0 || name >= NAMES) {
		slot_full = "a task has a number that the C world has no room for";
		return 3;
	}
	if (task_slots[name] && mmo_task_life[task_slots[name]] == SLOT_UNUSED)
		return task_slots[name]; /* reserved before the operations overlap */
	if (slot == MMO_TASKS)
		for (slot = MMO_FIRST_TASK; slot < MMO_TASKS; slot++)
			if (mmo_task_life[slot] == SLOT_FREED && !somebody_points_to(slot))
				break;
	if (slot == MMO_TASKS) {
		slot_full = "more tasks at a time than the C world has room for";
		return 3;
	}
	if (slot == top_task)
		top_task++;
	else
		task_slots[mmo_task_name[slot]] = 0;
	mmo_task_life[slot] = SLOT_UNUSED;
	mmo_task_name[slot] = name;
	task_slots[name] = (uint16_t)slot;
	if (name >= top_name_task)
		top_name_task = name + 1;
	return slot;
}

int slot_reserve_mm(int name)
{
	int slot = top_mm;

	if (name <= 0 || name >= NAMES) {
		slot_full = "an mm has a number that the C world has no room for";
		return MMO_MMS - 1;
	}
	if (mm_slots[name] && mmo_mm_life[mm_slots[name]] == SLOT_UNUSED)
		return mm_slots[name];
	if (slot == MMO_MMS - 1)
		for (slot = 1; slot < MMO_MMS - 1; slot++)
			if (mmo_mm_life[slot] == SLOT_FREED)
				break;
	if (slot == MMO_MMS - 1) {
		slot_full = "more mms at a time than the C world has room for";
		return slot;
	}
	if (slot == top_mm)
		top_mm++;
	else
		mm_slots[mmo_mm_name[slot]] = 0;
	mmo_mm_life[slot] = SLOT_UNUSED;
	mmo_mm_name[slot] = name;
	mm_slots[name] = (uint16_t)slot;
	if (name >= top_name_mm)
		top_name_mm = name + 1;
	return slot;
}

struct task_struct *slot_new_task(int slot, int cgroup, struct task_struct *leader)
{
	struct task_struct *task = MMO_TASK(slot);
	struct co *co = watch_blind(); /* nobody else can see it yet */

	memset(&mmo_arena.tasks[slot], 0, sizeof(mmo_arena.tasks[slot]));
	list_init(&task->children);
	list_init(&task->sibling);
	list_init(&task->tasks);
	list_init(&task->thread_group);
	list_init(&task->thread_node);
	list_init(&task->ptraced);
	list_init(&task->ptrace_entry);
	list_init(&task->ptrace_children);
	list_init(&task->ptrace_list);
	task->pid = task->tgid = slot;
	task->cgroups = &mmo_arena.css_sets[cgroup];
	task->active_mm = &init_mm;
	task->real_parent = task->parent = task;
	if (leader) {
		task->group_leader = leader;
		task->signal = leader->signal;
		task->sighand = leader->sighand;
		task->tgid = leader->tgid;
		task->exit_signal = -1;
	} else {
		task->group_leader = task;
		task->signal = &mmo_arena.signals[slot].signal;
		memset(&mmo_arena.signals[slot], 0, sizeof(mmo_arena.signals[slot]));
		list_init(&task->signal->thread_head);
		task->sighand = &mmo_arena.sighands[slot];
		task->exit_signal = SIGCHLD;
	}
	mmo_task_life[slot] = SLOT_LIVE;
	mmo_task_usage[slot] = 1;
	mmo_task_released[slot] = false;
	watch_again(co);
	return task;
}

void world_free_task(int slot, void *pc)
{
	mmo_point((uintptr_t)MMO_TASK(slot), A_FREE, pc);
	mmo_task_life[slot] = SLOT_FREED;
	if (!mmo_task_released[slot])
		mmo_find(F_REF_UNDERFLOW, pc, "task %d is freed while it is there",
			 mmo_task_name[slot]);
}

struct mm_struct *slot_new_mm(int name, const struct mm_struct *old)
{
	int slot = slot_reserve_mm(name);
	struct mm_struct *mm = MMO_MM(slot);
	struct co *co = watch_blind();

	memset(&mmo_arena.mms[slot], 0, sizeof(mmo_arena.mms[slot]));
	mm->mm_users.counter = mm->mm_count.counter = 1;
	if (old)
		mm->owner = old->owner; /* dup_mm copies everything at first */
	mmo_mm_life[slot] = SLOT_LIVE;
	world_log.lru[slot] = 0;
	watch_again(co);
	mmo_point((uintptr_t)&mm->mm_count, A_WRITE, __builtin_return_address(0)); /* it can be found */
	return mm;
}

/* exec that fails gives its mm a name that no program has. */
void slot_forget_mm(int name)
{
	mm_slots[name] = 0;
}

void slots_reset(void)
{
	memset(mmo_task_life, 0, sizeof(mmo_task_life));
	memset(mmo_mm_life, 0, sizeof(mmo_mm_life));
	memset(task_slots, 0, sizeof(*task_slots) * (size_t)top_name_task);
	memset(mm_slots, 0, sizeof(*mm_slots) * (size_t)top_name_mm);
	memset(slot_refs, 0, sizeof(*slot_refs) * (size_t)slot_top_ref);
	top_name_task = top_name_mm = slot_top_ref = 0;
	top_task = MMO_FIRST_TASK;
	top_mm = 1;
	memset(world_log.pages, 0, sizeof(world_log.pages));
	memset(world_log.lru, 0, sizeof(world_log.lru));
	world_log.unpaid = world_log.lost = 0;
	world_log.call_count = 0;
	slot_full = NULL;
}

/* ---- a world that is kept: schedules begin in the same one again and again ---- */

enum { KEPT_BYTES = 1 << 20 };

static char kept[KEPT_BYTES];

/* Copies everything that makes a world between here and *store, in one order. */
static void each_part(void (*copy)(void *part, size_t size))
{
	copy(&top_task, sizeof(top_task));
	copy(&top_mm, sizeof(top_mm));
	copy(&top_name_task, sizeof(top_name_task));
	copy(&top_name_mm, sizeof(top_name_mm));
	copy(&slot_top_ref, sizeof(slot_top_ref));
	copy(mmo_arena.tasks, sizeof(*mmo_arena.tasks) * (size_t)top_task);
	copy(mmo_arena.mms, sizeof(*mmo_arena.mms) * (size_t)top_mm);
	copy(mmo_arena.signals, sizeof(*mmo_arena.signals) * (size_t)top_task);
	copy(mmo_task_life, sizeof(mmo_task_life));
	copy(mmo_mm_life, sizeof(mmo_mm_life));
	copy(mmo_task_name, sizeof(*mmo_task_name) * (size_t)top_task);
	copy(mmo_mm_name, sizeof(*mmo_mm_name) * (size_t)top_mm);
	copy(mmo_task_usage, sizeof(*mmo_task_usage) * (size_t)top_task);
	copy(mmo_task_released, sizeof(*mmo_task_released) * (size_t)top_task);
	copy(task_slots, sizeof(*task_slots) * (size_t)top_name_task);
	copy(mm_slots, sizeof(*mm_slots) * (size_t)top_name_mm);
	copy(slot_refs, sizeof(*slot_refs) * (size_t)slot_top_ref);
	copy(world_log.pages, sizeof(world_log.pages));
	copy(&world_log.unpaid, sizeof(world_log.unpaid));
	copy(&world_log.lost, sizeof(world_log.lost));
	copy(&world_log.call_count, sizeof(world_log.call_count));
	copy(world_log.lru, sizeof(*world_log.lru) * (size_t)top_mm);
}

static size_t kept_at;

static void copy_out(void *part, size_t size)
{
	memcpy(kept + kept_at, part, size);
	kept_at += size;
}

static void copy_back(void *part, size_t size)
{
	memcpy(part, kept + kept_at, size);
	kept_at += size;
}

void world_keep(void)
{
	kept_at = 0;
	each_part(copy_out);
}

void world_bring_back(void)
{
	/* Names that were given since are forgotten; their slots lie behind those that are copied. */
	memset(task_slots, 0, sizeof(*task_slots) * (size_t)top_name_task);
	memset(mm_slots, 0, sizeof(*mm_slots) * (size_t)top_name_mm);
	memset(slot_refs, 0, sizeof(*slot_refs) * (size_t)slot_top_ref);
	locks_reset();
	kept_at = 0;
	each_part(copy_back);
	slot_full = NULL;
}
