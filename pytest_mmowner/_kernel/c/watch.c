/* watch.c: what is looked at in every access to task and mm memory, and at stores to mm->owner. */
#include "names.h"
#include "watch.h"
#include "world.h"

#include <stdio.h>
#include <string.h>

struct task_struct *mmo_current(void)
{
	return mmo_co ? mmo_co->task : MMO_TASK(0);
}

/* ---- rules of single accesses ---- */

static bool is_list(size_t offset, size_t member)
{
	return offset - member < sizeof(struct list_head);
}

static void list_walk(const struct spot *place, const char *without, void *pc)
{
	char name[40];

	spot_task_text(place->slot, name, sizeof(name));
	mmo_find(F_LIST_WALK, pc, "%s's %s is used without %s", name,
		 spot_task_field(place->offset), without);
}

static void task_rules(struct co *co, const struct spot *place, void *pc)
{
	const struct task_struct *task = MMO_TASK(place->slot);
	char name[40];

	if (co_holds(co, &mmo_arena.tasklist_lock.mmo))
		return;
	if (is_list(place->offset, offsetof(struct task_struct, children)) ||
	    is_list(place->offset, offsetof(struct task_struct, sibling))) {
		list_walk(place, co->rcu ? "tasklist_lock; RCU does not protect this list"
					 : "tasklist_lock", pc);
		return;
	}
	if (co->rcu || place->slot == 0 || task == co->task)
		return;
	if (is_list(place->offset, offsetof(struct task_struct, tasks)) ||
	    is_list(place->offset, offsetof(struct task_struct, thread_group)) ||
	    is_list(place->offset, offsetof(struct task_struct, thread_node))) {
		list_walk(place, "tasklist_lock or RCU", pc);
		return;
	}
	if (co->refs[place->slot] || co_holds(co, &task->alloc_lock.mmo))
		return;
	spot_task_text(place->slot, name, sizeof(name));
	mmo_find(F_UNPROTECTED, pc,
		 "%s's %s is touched without tasklist_lock, RCU, its alloc_lock or a reference",
		 name, spot_task_field(place->offset));
}

static void dead(const struct spot *place, uintptr_t address, bool write, void *pc)
{
	char text[100];

	mmo_describe(address, text, sizeof(text));
	mmo_find_fatal(F_UAF, pc, "it %s %s, %s", write ? "writes" : "reads", text,
		       place->region == R_TASK && mmo_task_life[place->slot] == SLOT_UNUSED ?
		       "which never was" : "which has been freed");
}

void watch_access(uintptr_t address, unsigned int size, bool write, void *pc)
{
	struct co *co = mmo_co;
	struct spot place;

	if (!co || co_on_stack(address))
		return;
	if (co->store.mm)
		watch_store(co);
	if (address < 0x10000)
		mmo_find_fatal(F_NULL, pc, "it %s address %#lx: a field of a NULL pointer",
			       write ? "writes" : "reads", (unsigned long)address);
	if (address >> 47)
		mmo_find_fatal(F_WILD, pc, "it %s address %#lx, which is no pointer",
			       write ? "writes" : "reads", (unsigned long)address);
	place = spot_of(address);
	(void)size;
	if (place.region == R_TASK) {
		if (mmo_task_life[place.slot] != SLOT_LIVE)
			dead(&place, address, write, pc);
		if (co->in_candidate)
			task_rules(co, &place, pc);
	} else if (place.region == R_MM) {
		if (mmo_mm_life[place.slot] != SLOT_LIVE)
			dead(&place, address, write, pc);
	} else if (place.region == R_SIGNAL && co->in_candidate &&
		   is_list(place.offset, offsetof(struct signal_struct, thread_head)) &&
		   !co->rcu && !co_holds(co, &mmo_arena.tasklist_lock.mmo)) {
		mmo_find(F_LIST_WALK, pc, "a thread list is used without tasklist_lock or RCU");
	}
}

bool watch_is_alloc_lock(const struct mmo_lock *lock)
{
	struct spot place = spot_of((uintptr_t)lock);

	return place.region == R_TASK && place.offset == offsetof(struct task_struct, alloc_lock);
}

bool watch_is_exec_lock(const struct mmo_lock *lock)
{
	return spot_of((uintptr_t)lock).region == R_SIGNAL;
}

/* ---- stores to mm->owner ---- */

/* The hook runs before the store: what was stored is seen at the next chance. */
void watch_store(struct co *co)
{
	struct owner_store store = co->store;
	struct task_struct *new = store.mm->owner;
	int mm = mmo_mm_name[mmo_mm_slot(store.mm)], slot;
	char old[40] = "nobody", name[40];

	co->store.mm = NULL;
	if (store.plain && world_era.owner_write_once && co->owner_call != OWNER_INIT)
		mmo_find(F_PLAIN_STORE, store.pc, "mm->owner is stored without WRITE_ONCE");
	if (co->owner_call != OWNER_UPDATE)
		return;
	if (store.old)
		spot_task_text(mmo_task_slot(store.old), old, sizeof(old));
	if (store.old != co->task)
		mmo_find(F_STORE, store.pc, "the owner of mm %d is changed by somebody else than its "
			 "owner (%s)", mm, old);
	if (co->task->mm == store.mm)
		mmo_find(F_STORE, store.pc, "the owner of mm %d is changed by a task that still uses it",
			 mm);
	if (!new)
		return;
	slot = mmo_task_slot(new);
	if (slot < 0 || slot >= MMO_TASKS || MMO_TASK(slot) != new) {
		mmo_find(F_STORE, store.pc, "mm %d gets an owner that is no task", mm);
		return;
	}
	spot_task_text(slot, name, sizeof(name));
	if (mmo_task_life[slot] != SLOT_LIVE)
		mmo_find(F_STORE, store.pc, "mm %d gets the owner %s, which has been freed", mm, name);
	else if (new->mm != store.mm)
		mmo_find(F_NOT_USER, store.pc, "mm %d gets the owner %s, which does not use it", mm, name);
	if (!co_holds(co, &new->alloc_lock.mmo))
		mmo_find(F_STORE, store.pc, "mm %d gets the owner %s, whose alloc_lock is not held", mm,
			 name);
}

void watch_owner_store(struct co *co, uintptr_t address, bool plain, void *pc)
{
	struct spot place = spot_of(address);

	if (place.region != R_MM || place.offset != offsetof(struct mm_struct, owner))
		return;
	if (co->in_candidate)
		co->store = (struct owner_store){ MMO_MM(place.slot), MMO_MM(place.slot)->owner, pc,
						  plain };
}

void watch_enter(enum owner_call call)
{
	mmo_co->in_candidate++;
	mmo_co->owner_call = call;
	mmo_co->held_before = mmo_co->nheld;
	mmo_co->rcu_before = mmo_co->rcu;
	mmo_co->preempt_before = mmo_co->preempt;
}

void watch_leave(const char *name)
{
	struct co *co = mmo_co;

	if (co->store.mm)
		watch_store(co);
	co->in_candidate--;
	co->owner_call = OWNER_NONE;
	if (co->nrefs) {
		for (int i = 0; i < MMO_TASKS; i++)
			if (co->refs[i])
				mmo_find(F_REF_LEAK, NULL, "%s keeps a reference to task %d for ever",
					 name, mmo_task_name[i]);
		memset(co->refs, 0, sizeof(co->refs));
		co->nrefs = 0;
	}
	locks_check_released(co, name);
}

struct co *watch_blind(void)
{
	struct co *co = mmo_co;

	mmo_co = NULL;
	return co;
}

void watch_again(struct co *co)
{
	mmo_co = co;
}

int watch_pause(void)
{
	int depth = mmo_co ? mmo_co->in_candidate : 0;

	if (mmo_co) {
		if (mmo_co->store.mm)
			watch_store(mmo_co);
		mmo_co->in_candidate = 0;
	}
	return depth;
}

void watch_resume(int depth)
{
	if (mmo_co)
		mmo_co->in_candidate = depth;
}
