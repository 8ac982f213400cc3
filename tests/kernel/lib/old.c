/* old.c: the owner rules of RFC v4 (OLD=0), 2.6.26 (1), 2.6.27 (2) and 2.6.28 (3), for tests of the host:
 * callbacks, references, mmap_sem and the walk over threads.
 */
#include "mmowner.h"

static const struct mmo_host *host;

uint32_t mmo_open(const struct mmo_host *its)
{
	host = its;
	return MMO_ABI;
}

void mmo_mm_init(mmo_mm mm, mmo_task task)
{
	host->set_owner(mm, task);
}

static void lock(void)
{
	if (OLD)
		host->tasklist_read_lock();
	else
		host->rcu_read_lock();
}

static void unlock(void)
{
	if (OLD)
		host->tasklist_read_unlock();
	else
		host->rcu_read_unlock();
}

static int other_threads(mmo_task leader)
{
	return host->next_thread(leader, leader) != 0;
}

static int needs_owner(mmo_mm mm, mmo_task self)
{
	if (host->get_owner(mm) != self || host->mm_users(mm) <= 1)
		return 0;
	if (OLD == 0 && (host->task_flags(self) & MMO_TASK_LEADER)) {
		int stays;

		host->rcu_read_lock();
		stays = other_threads(self);
		host->rcu_read_unlock();
		return !stays;
	}
	return 1;
}

static mmo_task search(mmo_mm mm, mmo_task self)
{
	mmo_task parents[2], task = 0, leader = 0;

	parents[0] = self;
	parents[1] = host->parent(self);
	for (int i = 0; i < 2; i++)
		for (task = 0; (task = host->next_child(parents[i], task));)
			if (host->task_mm(task) == mm)
				return task;
	while ((leader = host->next_process(leader)))
		for (task = 0; (task = host->next_thread(leader, task));)
			if (host->task_mm(task) == mm)
				return task;
	return 0;
}

/* False: the task has left meanwhile. */
static int take(mmo_mm mm, mmo_task self, mmo_task task)
{
	int still;

	host->task_lock(task);
	if (OLD < 3)
		unlock();
	still = host->task_mm(task) == mm;
	if (still) {
		host->owner_changed(mm, self, task);
		host->set_owner(mm, task);
	}
	host->task_unlock(task);
	return still;
}

void mmo_update_next_owner(mmo_mm mm)
{
	mmo_task self = host->current(), task;
	int done;

	while (needs_owner(mm, self)) {
		lock();
		task = search(mm, self);
		if (!task) {
			unlock();
			if (OLD < 2)
				return;
			host->mmap_write_lock(mm);
			host->owner_changed(mm, self, 0);
			host->set_owner(mm, 0);
			host->mmap_write_unlock(mm);
			return;
		}
		if (task == self)
			host->bug("c == p");
		host->task_get(task);
		if (OLD == 3) {
			unlock();
			host->mmap_write_lock(mm);
		}
		done = take(mm, self, task);
		if (OLD == 3)
			host->mmap_write_unlock(mm);
		host->task_put(task);
		if (done)
			return;
	}
}
