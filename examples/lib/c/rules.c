/* rules.c: the owner rules of Linux 6.11, as a `lib:` candidate of the rules level.
 *
 * `make rules.so`; then: pytest --pyargs mmowner_conformance --mmowner-candidate=lib:./rules.so
 * `make stale.so` is wrong on purpose: it does not look again once it has the alloc_lock.
 * Single operations do not show that; schedules do.
 */
#include "mmowner.h"

#include <stdbool.h>

static const struct mmo_host *host;

uint32_t mmo_open(const struct mmo_host *its)
{
	host = its;
	/* lru_gen_migrate is the last that this file needs: a host without it is too old. */
	return MMO_HOST_HAS(its, lru_gen_migrate) ? MMO_ABI : 0;
}

const char *mmo_name(void) { return "example-rules"; }
const char *mmo_version(void) { return "1"; }
const char *mmo_language(void) { return "C"; }
const char *mmo_dialect(void) { return "6.11"; }

void mmo_mm_init(mmo_mm mm, mmo_task task)
{
	host->set_owner(mm, task);
}

void mmo_mm_clear(mmo_mm mm, mmo_task task)
{
	if (host->get_owner(mm) == task)
		host->set_owner(mm, 0);
}

/* True: task is the owner, and tasklist_lock has been released. */
static bool try_to_set_owner(mmo_task task, mmo_mm mm)
{
	bool still;

	host->task_lock(task);
#ifdef STALE
	still = true;
#else
	still = host->task_mm(task) == mm; /* with its alloc_lock held it cannot leave any more */
#endif
	if (still) {
		host->tasklist_read_unlock();
		host->set_owner(mm, task);
		host->lru_gen_migrate(mm);
	}
	host->task_unlock(task);
	return still;
}

static bool try_group(mmo_task leader, mmo_mm mm)
{
	mmo_task task = 0;

	while ((task = host->next_thread(leader, task))) {
		mmo_mm its = host->task_mm(task);

		if (its == mm && try_to_set_owner(task, mm))
			return true;
		if (its && its != mm)
			break; /* threads share their mm: the rest has that one, too */
	}
	return false;
}

static bool try_children(mmo_task parent, mmo_mm mm)
{
	mmo_task leader = 0;

	while ((leader = host->next_child(parent, leader)))
		if (try_group(leader, mm))
			return true;
	return false;
}

static bool try_everybody(mmo_mm mm)
{
	mmo_task leader = 0;

	while ((leader = host->next_process(leader))) {
		if (host->mm_users(mm) <= 1)
			return false;
		if (!(host->task_flags(leader) & MMO_TASK_KTHREAD) && try_group(leader, mm))
			return true;
	}
	return false;
}

void mmo_update_next_owner(mmo_mm mm)
{
	mmo_task self = host->current();

	if (host->get_owner(mm) != self)
		return; /* somebody else's problem */
	if (host->mm_users(mm) > 1) {
		host->tasklist_read_lock();
		if (try_children(self, mm) || try_children(host->real_parent(self), mm) ||
		    try_everybody(mm))
			return;
		host->tasklist_read_unlock();
	}
	host->set_owner(mm, 0);
}
