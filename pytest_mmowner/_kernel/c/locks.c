/* locks.c: locks, RCU, references and atomics, as explicit objects that can be got wrong. */
#include "host.h"
#include "watch.h"

#include <string.h>

#define CALLER __builtin_return_address(0)

enum { MMO_CALLBACKS = 64 };

/* A callback waits for the readers that were inside when it was registered. */
static struct { struct rcu_head *head; void (*call)(struct rcu_head *head); unsigned int readers; }
	pending[MMO_CALLBACKS];
static int pending_count;
char mmo_rcu_location;

void locks_reset(void)
{
	for (int i = 0; i < MMO_COS; i++) {
		struct co *co = &mmo_cos[i];

		while (co->nheld)
			*co->held[--co->nheld].lock = (struct mmo_lock){ 0 };
		co->rcu = co->preempt = co->nrefs = 0;
		co->used = false;
	}
	pending_count = 0;
	memset(&mmo_arena.tasklist_lock, 0, sizeof(mmo_arena.tasklist_lock));
}

/* ---- locks ---- */

static bool shared(enum mmo_mode mode)
{
	return mode == MMO_READ || mode == MMO_SLEEP_READ;
}

static bool sleeping(enum mmo_mode mode)
{
	return mode == MMO_SLEEP_READ || mode == MMO_SLEEP_WRITE;
}

static unsigned int bit_of(const struct co *co)
{
	return 1u << (co - mmo_cos);
}

bool lock_free_for(const struct mmo_lock *lock, enum mmo_mode mode, const struct co *co)
{
	(void)co;
	return !lock->writer && (shared(mode) || !lock->readers);
}

bool co_holds(const struct co *co, const struct mmo_lock *lock)
{
	return (lock->writer | lock->readers) & bit_of(co);
}

static bool in_atomic(const struct co *co)
{
	if (co->rcu || co->preempt)
		return true;
	for (int i = 0; i < co->nheld; i++)
		if (!sleeping(co->held[i].mode))
			return true;
	return false;
}

/* *what* may be NULL: the lock is what can sleep. */
static void sleep_check(struct co *co, const char *what, const struct mmo_lock *lock, void *pc)
{
	char held[80] = "RCU or with preemption off", name[80];

	if (!co || !co->in_candidate || !in_atomic(co))
		return;
	if (!what) {
		mmo_describe((uintptr_t)lock, name, sizeof(name));
		what = name;
	}
	for (int i = 0; i < co->nheld; i++)
		if (!sleeping(co->held[i].mode))
			mmo_describe((uintptr_t)co->held[i].lock, held, sizeof(held));
	mmo_find(F_ATOMIC, pc, "%s can sleep, under %s", what, held);
}

void mmo_might_sleep(const char *what)
{
	sleep_check(mmo_co, what, NULL, CALLER);
	mmo_step(CALLER);
}

void mmo_relax(void)
{
	mmo_step(CALLER);
}

static void take(struct co *co, struct mmo_lock *lock, enum mmo_mode mode, void *pc)
{
	if (shared(mode)) {
		lock->readers |= bit_of(co);
		lock->depth[co - mmo_cos]++;
	} else {
		lock->writer = (uint16_t)bit_of(co);
	}
	if (co->nheld == MMO_HELD)
		mmo_find_fatal(F_IMBALANCE, pc, "it holds %d locks", MMO_HELD);
	co->held[co->nheld++] = (struct held){ lock, mode, pc };
}

/* tasklist_lock comes before any alloc_lock, and alloc_locks do not nest. */
static void order_check(struct co *co, const struct mmo_lock *lock, void *pc)
{
	char one[80], other[80];

	if (!co->in_candidate)
		return;
	for (int i = 0; i < co->nheld; i++) {
		if (!watch_is_alloc_lock(co->held[i].lock))
			continue;
		if (lock != &mmo_arena.tasklist_lock.mmo && !watch_is_alloc_lock(lock))
			continue;
		mmo_describe((uintptr_t)lock, one, sizeof(one));
		mmo_describe((uintptr_t)co->held[i].lock, other, sizeof(other));
		mmo_find(F_LOCK_ORDER, pc, "it takes %s while it holds %s", one, other);
	}
}

void mmo_lock(struct mmo_lock *lock, enum mmo_mode mode)
{
	struct co *co = mmo_co;
	void *pc = CALLER;
	char name[80];
	bool waited = false;

	if (!co)
		return;
	watch_access((uintptr_t)lock, 1, true, pc);
	if (sleeping(mode))
		sleep_check(co, NULL, lock, pc);
	order_check(co, lock, pc);
	mmo_point((uintptr_t)lock, shared(mode) ? A_SHARE : A_LOCK, pc);
	while (!lock_free_for(lock, mode, co)) {
		if (co_holds(co, lock)) {
			mmo_describe((uintptr_t)lock, name, sizeof(name));
			mmo_find_fatal(F_SELF_DEADLOCK, pc, "it waits for %s, which it holds", name);
		}
		co->waiting = lock;
		co->wait_mode = mode;
		explore_forced();
		co->waiting = NULL;
		waited = true;
	}
	if (waited)
		mmo_event((uintptr_t)lock, !shared(mode));
	watch_access((uintptr_t)lock, 1, true, pc); /* its object may have gone meanwhile */
	take(co, lock, mode, pc);
}

bool mmo_trylock(struct mmo_lock *lock, enum mmo_mode mode)
{
	struct co *co = mmo_co;

	if (!co)
		return true;
	watch_access((uintptr_t)lock, 1, true, CALLER);
	if (mmo_point((uintptr_t)lock, A_LOCK, CALLER))
		watch_access((uintptr_t)lock, 1, true, CALLER);
	if (!lock_free_for(lock, mode, co))
		return false;
	take(co, lock, mode, CALLER);
	return true;
}

static void let_go(struct co *co, struct mmo_lock *lock, bool read)
{
	int which = (int)(co - mmo_cos);

	if (!read)
		lock->writer = 0;
	else if (!--lock->depth[which])
		lock->readers &= (uint16_t)~bit_of(co);
}

void mmo_unlock(struct mmo_lock *lock, enum mmo_mode mode)
{
	struct co *co = mmo_co;
	void *pc = CALLER;
	char name[80];
	int at;

	if (!co)
		return;
	watch_access((uintptr_t)lock, 1, true, pc);
	for (at = co->nheld - 1; at >= 0; at--)
		if (co->held[at].lock == lock && shared(co->held[at].mode) == shared(mode))
			break;
	if (at < 0) {
		mmo_describe((uintptr_t)lock, name, sizeof(name));
		mmo_find_fatal(F_UNLOCK, pc, "it releases %s, which it does not hold%s", name,
			       co_holds(co, lock) ? " in this way" : "");
	}
	if (mmo_point((uintptr_t)lock, shared(mode) ? A_UNSHARE : A_UNLOCK, pc))
		watch_access((uintptr_t)lock, 1, true, pc);
	let_go(co, lock, shared(mode));
	for (co->nheld--; at < co->nheld; at++)
		co->held[at] = co->held[at + 1];
}

void mmo_downgrade(struct mmo_lock *lock)
{
	struct co *co = mmo_co;

	if (!co)
		return;
	mmo_point((uintptr_t)lock, A_LOCK, CALLER);
	for (int i = 0; i < co->nheld; i++) {
		if (co->held[i].lock != lock || shared(co->held[i].mode))
			continue;
		lock->writer = 0;
		lock->readers |= (uint16_t)bit_of(co);
		lock->depth[co - mmo_cos]++;
		co->held[i].mode = MMO_SLEEP_READ;
		return;
	}
	mmo_find_fatal(F_UNLOCK, CALLER, "it downgrades a lock that it does not hold");
}

bool mmo_is_locked(const struct mmo_lock *lock)
{
	mmo_point((uintptr_t)lock, A_READ, CALLER);
	return lock->writer || lock->readers;
}

void mmo_assert_held(const void *lock)
{
	char name[80];

	if (mmo_co && !co_holds(mmo_co, lock)) {
		mmo_describe((uintptr_t)lock, name, sizeof(name));
		mmo_find(F_WARN, CALLER, "%s is asserted to be held, and is not", name);
	}
}

void mmo_preempt(int change)
{
	if (mmo_co)
		mmo_co->preempt += change;
}

void locks_check_released(struct co *co, const char *after)
{
	char name[80];

	if (co->nheld < co->held_before)
		mmo_find(F_IMBALANCE, NULL, "%s released a lock that its caller holds", after);
	while (co->nheld > co->held_before) {
		struct held *held = &co->held[--co->nheld];

		if (watch_is_exec_lock(held->lock)) { /* held until the exec is all done */
			let_go(co, held->lock, shared(held->mode));
			continue;
		}
		mmo_describe((uintptr_t)held->lock, name, sizeof(name));
		mmo_find(F_IMBALANCE, held->pc, "%s is still held after %s", name, after);
		let_go(co, held->lock, shared(held->mode));
	}
	if (co->rcu != co->rcu_before)
		mmo_find(F_IMBALANCE, NULL, "%s left RCU %+d deep", after, co->rcu - co->rcu_before);
	while (co->rcu > co->rcu_before)
		mmo_rcu(-1);
	if (co->preempt != co->preempt_before)
		mmo_find(F_IMBALANCE, NULL, "%s left preemption or interrupts %+d times off", after,
			 co->preempt - co->preempt_before);
	co->preempt = co->preempt_before;
}

/* ---- RCU ---- */

static unsigned int readers(void)
{
	unsigned int inside = 0;

	for (int i = 0; i < MMO_COS; i++)
		if (mmo_cos[i].used && mmo_cos[i].rcu > 0)
			inside |= bit_of(&mmo_cos[i]);
	return inside;
}

static void run_callbacks(void)
{
	int depth;

	for (int i = 0; i < pending_count;) {
		struct rcu_head *head = pending[i].head;
		void (*call)(struct rcu_head *head) = pending[i].call;

		if (pending[i].readers) {
			i++;
			continue;
		}
		pending_count--;
		memmove(&pending[i], &pending[i + 1], sizeof(*pending) * (size_t)(pending_count - i));
		depth = watch_pause(); /* whoever ends the grace period, it is the kernel's own call */
		call(head);
		watch_resume(depth);
		i = 0;
	}
}

static bool ends_a_grace_period(const struct co *co)
{
	for (int i = 0; i < pending_count; i++)
		if (pending[i].readers == bit_of(co))
			return true;
	return false;
}

void mmo_rcu(int change)
{
	struct co *co = mmo_co;

	if (!co)
		return;
	if (change > 0) {
		if (!co->rcu)
			mmo_point((uintptr_t)&mmo_rcu_location, A_SHARE, CALLER);
		co->rcu++;
		return;
	}
	if (!co->rcu)
		mmo_find_fatal(F_UNLOCK, CALLER, "rcu_read_unlock() without rcu_read_lock()");
	if (co->rcu == 1)
		mmo_point((uintptr_t)&mmo_rcu_location, ends_a_grace_period(co) ? A_UNLOCK : A_UNSHARE,
			  CALLER);
	if (--co->rcu)
		return;
	for (int i = 0; i < pending_count; i++)
		pending[i].readers &= ~bit_of(co);
	run_callbacks();
}

bool mmo_in_rcu(void)
{
	return !mmo_co || mmo_co->rcu;
}

static bool nobody_inside(const struct co *co)
{
	return !(readers() & ~bit_of(co));
}

void mmo_synchronize_rcu(void)
{
	if (!mmo_co)
		return;
	sleep_check(mmo_co, "synchronize_rcu()", NULL, CALLER);
	if (mmo_co->rcu)
		mmo_find_fatal(F_SELF_DEADLOCK, CALLER, "it waits for a grace period inside RCU");
	mmo_point((uintptr_t)&mmo_rcu_location, A_LOCK, CALLER);
	co_wait(nobody_inside);
}

void mmo_call_rcu(struct rcu_head *head, void (*call)(struct rcu_head *head))
{
	if (mmo_co)
		mmo_point((uintptr_t)&mmo_rcu_location, A_LOCK, CALLER);
	if (pending_count == MMO_CALLBACKS)
		mmo_find_fatal(F_LOOP, CALLER, "more than %d callbacks wait for RCU", MMO_CALLBACKS);
	pending[pending_count].head = head;
	pending[pending_count].call = call;
	pending[pending_count++].readers = readers();
	run_callbacks();
}

/* ---- atomics and references ---- */

int mmo_atomic(int *counter, enum mmo_atomic_op op, int value)
{
	void *pc = CALLER;

	watch_access((uintptr_t)counter, 4, op != MMO_GET, pc);
	if (mmo_point((uintptr_t)counter, op == MMO_GET ? A_READ : A_WRITE, pc))
		watch_access((uintptr_t)counter, 4, op != MMO_GET, pc);
	switch (op) {
	case MMO_GET:
		return *counter;
	case MMO_SET:
		return *counter = value;
	case MMO_ADD:
		return *counter += value;
	case MMO_ADD_UNLESS_0:
		return *counter ? (*counter += value) : 0;
	}
	return 0;
}

/* The slot of a task whose count is about to change, looked at again when others ran before. */
static int usage_of(struct task_struct *task, void *pc)
{
	int slot = mmo_task_slot(task);

	watch_access((uintptr_t)&task->usage, 4, true, pc);
	if (mmo_point((uintptr_t)&task->usage, A_WRITE, pc))
		watch_access((uintptr_t)&task->usage, 4, true, pc);
	return slot < MMO_TASKS ? slot : -1;
}

void mmo_get_task(struct task_struct *task)
{
	void *pc = CALLER;
	int slot = usage_of(task, pc);

	if (slot < 0)
		return;
	mmo_task_usage[slot]++;
	if (mmo_co && mmo_co->in_candidate) {
		mmo_co->refs[slot]++;
		mmo_co->nrefs++;
	}
}

void mmo_put_task(struct task_struct *task)
{
	void *pc = CALLER;
	int slot = usage_of(task, pc);

	if (slot < 0)
		return;
	if (mmo_co && mmo_co->in_candidate) {
		if (!mmo_co->refs[slot])
			mmo_find_fatal(F_REF_UNDERFLOW, pc,
				       "it drops a reference to task %d that it does not have",
				       mmo_task_name[slot]);
		mmo_co->refs[slot]--;
		mmo_co->nrefs--;
	}
	if (!--mmo_task_usage[slot])
		world_free_task(slot, pc);
}
