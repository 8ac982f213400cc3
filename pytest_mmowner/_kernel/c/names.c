/* names.c: addresses as messages and traces call them: object and field. */
#include "names.h"

#include <stdio.h>

struct field { size_t offset, size; const char *name; };

#define FIELD(type, member) { offsetof(struct type, member), sizeof(((struct type *)0)->member), #member }

static const struct field task_fields[] = {
	FIELD(task_struct, state), FIELD(task_struct, __state), FIELD(task_struct, flags),
	FIELD(task_struct, ptrace), FIELD(task_struct, usage), FIELD(task_struct, rcu_users),
	FIELD(task_struct, exit_state), FIELD(task_struct, exit_code),
	FIELD(task_struct, exit_signal), FIELD(task_struct, mm), FIELD(task_struct, active_mm),
	FIELD(task_struct, pid), FIELD(task_struct, tgid), FIELD(task_struct, real_parent),
	FIELD(task_struct, parent), FIELD(task_struct, group_leader), FIELD(task_struct, children),
	FIELD(task_struct, sibling), FIELD(task_struct, tasks), FIELD(task_struct, thread_group),
	FIELD(task_struct, thread_node), FIELD(task_struct, ptraced),
	FIELD(task_struct, ptrace_entry), FIELD(task_struct, ptrace_children),
	FIELD(task_struct, ptrace_list), FIELD(task_struct, vfork_done),
	FIELD(task_struct, alloc_lock), FIELD(task_struct, signal), FIELD(task_struct, sighand),
	FIELD(task_struct, cgroups), FIELD(task_struct, rcu), FIELD(task_struct, comm),
};
static const struct field mm_fields[] = {
	FIELD(mm_struct, owner), FIELD(mm_struct, mm_users), FIELD(mm_struct, mm_count),
	FIELD(mm_struct, mmap_sem), FIELD(mm_struct, mmap_lock), FIELD(mm_struct, page_table_lock),
	FIELD(mm_struct, flags), FIELD(mm_struct, core_state), FIELD(mm_struct, core_waiters),
};

#define FIELDS(table) (table), sizeof(table) / sizeof(*(table))

static const char *field_at(const struct field *fields, size_t count, size_t offset)
{
	for (size_t i = 0; i < count; i++)
		if (offset - fields[i].offset < fields[i].size)
			return fields[i].name;
	return "another field";
}

struct spot spot_of(uintptr_t address)
{
	size_t at = address - (uintptr_t)&mmo_arena;

	if (at < sizeof(mmo_arena.tasks))
		return (struct spot){ R_TASK, (int)(at / MMO_SLOT), at % MMO_SLOT };
	at -= offsetof(struct mmo_arena, mms);
	if (at < sizeof(mmo_arena.mms))
		return (struct spot){ R_MM, (int)(at / MMO_SLOT), at % MMO_SLOT };
	at -= sizeof(mmo_arena.mms);
	if (at < sizeof(mmo_arena.signals))
		return (struct spot){ R_SIGNAL, (int)(at / sizeof(union mmo_signal_slot)),
				       at % sizeof(union mmo_signal_slot) };
	at = address - (uintptr_t)&mmo_arena;
	return (struct spot){ at < sizeof(mmo_arena) ? R_OTHER : R_NONE, 0, at };
}

void spot_task_text(int slot, char *text, size_t size)
{
	static const char *const fixed[] = { "init_task", "kthreadd", "kworker", "a spare task" };

	if (slot < MMO_FIRST_TASK)
		snprintf(text, size, "%s", fixed[slot]);
	else
		snprintf(text, size, "task %d", mmo_task_name[slot]);
}

void mmo_describe(uintptr_t address, char *text, size_t size)
{
	struct spot place = spot_of(address);
	char task[40];

	switch (place.region) {
	case R_TASK:
		spot_task_text(place.slot, task, sizeof(task));
		snprintf(text, size, "%s's %s", task, field_at(FIELDS(task_fields), place.offset));
		return;
	case R_MM:
		if (!place.slot)
			snprintf(text, size, "init_mm's %s", field_at(FIELDS(mm_fields), place.offset));
		else
			snprintf(text, size, "mm %d's %s", mmo_mm_name[place.slot],
				 field_at(FIELDS(mm_fields), place.offset));
		return;
	case R_SIGNAL:
		spot_task_text(place.slot, task, sizeof(task));
		snprintf(text, size, "%s of the group of %s",
			 place.offset < offsetof(struct signal_struct, thread_head) +
			 sizeof(struct list_head) && place.offset >=
			 offsetof(struct signal_struct, thread_head) ? "the thread list" : "a field",
			 task);
		return;
	case R_OTHER:
		if (address == (uintptr_t)&mmo_arena.tasklist_lock)
			snprintf(text, size, "tasklist_lock");
		else
			snprintf(text, size, "a cgroup or signal handlers");
		return;
	case R_NONE:
		break;
	}
	if (!address)
		snprintf(text, size, "NULL");
	else if (address == (uintptr_t)&mmo_rcu_location)
		snprintf(text, size, "RCU");
	else
		snprintf(text, size, "a lock or variable of the candidate's own");
}

const char *spot_task_field(size_t offset)
{
	return field_at(FIELDS(task_fields), offset);
}
