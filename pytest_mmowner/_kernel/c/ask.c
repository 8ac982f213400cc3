/* ask.c: what the world answers when nothing runs, and what must be true then. */
#include "world.h"
#include "watch.h"

#include <stdio.h>
#include <string.h>

enum { PF_KTHREAD_BIT = 0x00200000, ZOMBIE = 0x20 };

static bool is_task(const struct task_struct *task)
{
	int slot = mmo_task_slot(task);

	return slot >= 0 && slot < MMO_TASKS && MMO_TASK(slot) == task;
}

bool world_era_set(const char *name, int value)
{
	static const struct { const char *name; int *field; } fields[] = {
#define ERA(field) { #field, &world_era.field }
		ERA(threads_on_children), ERA(ptrace_moves), ERA(adopter_first), ERA(subreapers),
		ERA(zombie_root), ERA(fork_clears), ERA(dup_clears), ERA(fork_frees_by_rcu),
		ERA(lru_gen), ERA(init_mm_owner), ERA(root_pays), ERA(exec_new), ERA(exec_held),
		ERA(callbacks), ERA(owner_write_once), ERA(owner),
#undef ERA
	};

	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		if (strcmp(fields[i].name, name) != 0)
			continue;
		*fields[i].field = value;
		return true;
	}
	return false;
}

static int name_of(const struct task_struct *task)
{
	return is_task(task) ? mmo_task_name[mmo_task_slot(task)] : -2;
}

int world_owner(int mm)
{
	const struct mm_struct *found = world_find_mm(mm);

	if (!found || mmo_mm_life[mmo_mm_slot(found)] != SLOT_LIVE)
		return -1;
	return found->owner ? name_of(found->owner) : 0;
}

int world_users(int mm)
{
	const struct mm_struct *found = world_find_mm(mm);

	return found ? found->mm_users.counter : -1;
}

const char *world_state(int task)
{
	const struct task_struct *found = world_find_task(task);

	if (!found || mmo_task_released[mmo_task_slot(found)] ||
	    mmo_task_life[mmo_task_slot(found)] != SLOT_LIVE)
		return "gone";
	return found->exit_state == ZOMBIE ? "zombie" : "live";
}

int world_init_mm_owner(void)
{
	return MMO_MM(0)->owner ? 0 : -1;
}

static bool uses(const struct task_struct *task, const struct mm_struct *mm)
{
	return task->mm == mm && !(task->flags & PF_KTHREAD_BIT);
}

static const struct task_struct *user_of(const struct mm_struct *mm)
{
	for (int slot = MMO_FIRST_TASK; slot < MMO_TASKS; slot++)
		if (mmo_task_life[slot] == SLOT_LIVE && !mmo_task_released[slot] &&
		    uses(MMO_TASK(slot), mm))
			return MMO_TASK(slot);
	return NULL;
}

static void check_mm(int slot)
{
	const struct mm_struct *mm = MMO_MM(slot);
	const struct task_struct *owner = mm->owner, *user = user_of(mm);
	int name = mmo_mm_name[slot];

	if (!owner) {
		if (user)
			mmo_find(F_NO_OWNER, NULL, "mm %d has no owner, and task %d uses it", name,
				 name_of(user));
		return;
	}
	if (!is_task(owner))
		mmo_find(F_DANGLING, NULL, "the owner of mm %d is no task", name);
	else if (mmo_task_life[mmo_task_slot(owner)] != SLOT_LIVE)
		mmo_find(F_DANGLING, NULL, "the owner of mm %d is task %d, which has been freed", name,
			 name_of(owner));
	else if (owner->mm != mm)
		mmo_find(F_STALE, NULL, "the owner of mm %d is task %d, which does not use it", name,
			 name_of(owner));
	else if (owner->flags & PF_KTHREAD_BIT)
		mmo_find(F_STALE, NULL, "the owner of mm %d is task %d, a kernel thread", name,
			 name_of(owner));
}

/* mm_count: one for all users together, and one for each kernel thread that borrows it. */
static void check_count(int slot)
{
	const struct mm_struct *mm = MMO_MM(slot);
	int expected = mm->mm_users.counter > 0;

	for (int task = MMO_FIRST_TASK; task < MMO_TASKS; task++)
		expected += mmo_task_life[task] == SLOT_LIVE && !mmo_task_released[task] &&
			    MMO_TASK(task)->mm == mm && MMO_TASK(task)->flags & PF_KTHREAD_BIT;
	if (mm->mm_count.counter != expected)
		mmo_find(F_MM_COUNT, NULL, "mm_count of mm %d is %d and should be %d: %s",
			 mmo_mm_name[slot], mm->mm_count.counter, expected,
			 mm->mm_count.counter > expected ? "it is never freed"
							 : "it is freed too early");
}

void world_check_end(void)
{
	if (MMO_MM(0)->mm_count.counter != MMO_INIT_MM_COUNT)
		mmo_find(F_MM_COUNT, NULL, "mm_count of init_mm has changed by %d",
			 MMO_MM(0)->mm_count.counter - MMO_INIT_MM_COUNT);
	for (int slot = 1; slot < world_top_mm; slot++)
		if (mmo_mm_life[slot] == SLOT_LIVE)
			check_count(slot);
	for (int slot = 1; slot < world_top_mm; slot++)
		if (mmo_mm_life[slot] == SLOT_LIVE && MMO_MM(slot)->mm_users.counter > 0)
			check_mm(slot);
	for (int slot = MMO_FIRST_TASK; slot < MMO_TASKS; slot++)
		if (mmo_task_life[slot] == SLOT_LIVE && mmo_task_released[slot])
			mmo_find(F_REF_LEAK, NULL, "task %d has been released and is never freed",
				 mmo_task_name[slot]);
}

void world_outcome(char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (int slot = 1; slot < world_top_mm; slot++) {
		const struct mm_struct *mm = MMO_MM(slot);

		if (mmo_mm_life[slot] != SLOT_LIVE || mm->mm_users.counter <= 0)
			continue;
		used += (size_t)snprintf(text + used, size - used, "%s%d=%d", used ? " " : "",
					 mmo_mm_name[slot], mm->owner ? name_of(mm->owner) : 0);
		if (used >= size)
			return;
	}
}

uint64_t world_outcome_mark(void)
{
	uint64_t mark = 17;

	for (int slot = 1; slot < world_top_mm; slot++) {
		const struct mm_struct *mm = MMO_MM(slot);

		if (mmo_mm_life[slot] != SLOT_LIVE || mm->mm_users.counter <= 0)
			continue;
		mark = (mark * 1000003 + (uint64_t)slot) * 1000003 + (uint64_t)(uintptr_t)mm->owner;
	}
	return mark;
}
