/* host.h: the runtime's own side: coroutines, findings, schedules.  The candidate never sees it. */
#ifndef MMO_HOST_H
#define MMO_HOST_H

#include "objects.h"
#include "runtime.h"

#include <setjmp.h>

enum {
	MMO_COS = 4,            /* operations that can overlap */
	MMO_STACK = 1 << 16,
	MMO_HELD = 16,
	MMO_FINDINGS = 64,
	MMO_TEXT = 240,
	MMO_SEGMENTS = 400,
	MMO_DEPTH = 32,
};

/* ---- coroutines (co.c) ---- */

struct held { struct mmo_lock *lock; enum mmo_mode mode; void *pc; };

struct owner_store { struct mm_struct *mm; struct task_struct *old; void *pc; bool plain; };

struct co {
	void *sp;
	char *stack;
	bool used, done;
	void (*run)(struct co *co);
	const struct op *op;
	struct task_struct *task;
	int in_candidate;       /* how deep: only the candidate's own accesses are judged */
	int owner_call;         /* OWNER_UPDATE and so on, while an owner function runs */
	int rcu, preempt;
	struct held held[MMO_HELD];
	int nheld;
	int rcu_before, preempt_before, held_before; /* what the world held when it called */
	uint8_t refs[MMO_TASKS];
	int nrefs;
	/* why it cannot go on, if it cannot */
	struct mmo_lock *waiting;
	enum mmo_mode wait_mode;
	bool (*until)(const struct co *co);
	struct owner_store store; /* made, but not looked at yet */
	uint32_t steps;         /* shared accesses and lock operations so far */
	uint64_t work;          /* the same, and blocks of code: what has no end is seen by it */
	uint64_t last_event;
	/* the last block of each function that is being run, for the edges that were taken */
	uintptr_t trail[MMO_DEPTH];
	int depth;
	/* the host call of a library that is under way, and where the library makes it */
	const char *call;
	void *call_pc;
};

enum owner_call { OWNER_NONE, OWNER_INIT, OWNER_CLEAR, OWNER_UPDATE };

extern struct co mmo_cos[MMO_COS];
extern struct co *mmo_co;   /* who runs; NULL outside of operations */

void co_setup(void);
void co_start(int which, void (*run)(struct co *co), const struct op *op);
/* Runs coroutine 0 to its end.  False when the run was given up. */
bool co_run_alone(void (*run)(struct co *co), const struct op *op);
void co_switch(struct co *to);
bool co_can_run(const struct co *co);
/* The main context: run until all started coroutines are done or the run is given up. */
bool co_run_all(int first);
__attribute__((noreturn)) void co_give_up(void);
extern uintptr_t co_stacks;
extern size_t co_stack_bytes;

static inline bool co_on_stack(uintptr_t address)
{
	return address - co_stacks < co_stack_bytes;
}

/* Wait for a condition that other operations bring about. */
void co_wait(bool (*until)(const struct co *co));

/* ---- findings (watch.c) ---- */

enum finding_kind {
	F_UAF, F_NULL, F_WILD, F_CRASH, F_STACK, F_LOOP, F_BUG, F_DEADLOCK, F_SELF_DEADLOCK,
	F_UNLOCK, F_IMBALANCE, F_ATOMIC, F_LOCK_ORDER, F_LIST_WALK, F_UNPROTECTED, F_STORE, F_NOT_USER,
	F_REF_LEAK, F_REF_UNDERFLOW, F_WARN, F_STALE, F_DANGLING, F_NO_OWNER, F_CALLBACK,
	F_PLAIN_STORE, F_MIGRATE, F_HOST_CALL, F_MM_COUNT, F_KINDS
};

struct finding {
	enum finding_kind kind;
	bool fatal;
	void *pc;
	int co, task;
	const char *op;
	char text[MMO_TEXT];
	int preemptions;
	int event;  /* how many events of a followed schedule came before */
	uint32_t length;
	char schedule[MMO_SEGMENTS];
};

extern struct finding mmo_findings[MMO_FINDINGS];
extern int mmo_finding_count;
extern const char *const mmo_kind_names[F_KINDS];

/* Notes a finding, once for each kind and place.  A fatal one gives the run up. */
void mmo_find(enum finding_kind kind, void *pc, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void mmo_find_fatal(enum finding_kind kind, void *pc, const char *format, ...)
	__attribute__((format(printf, 3, 4), noreturn));
void watch_reset(void);
void watch_store(struct co *co);  /* look at an owner store that has been made */
/* "task 3, mm 2, field owner", for messages and traces. */
void mmo_describe(uintptr_t address, char *text, size_t size);
extern uint64_t mmo_step_limit;
extern uint64_t mmo_progress;
__attribute__((noreturn)) void mmo_endless(void *pc);

/* What loops and recursions cost, in runs that ended so; one that only time ends costs more. */
extern int mmo_endless_runs;

/* Counts, and ends endless loops. */
static inline void mmo_step(void *pc)
{
	mmo_progress++;
	if (mmo_co && ++mmo_co->work > mmo_step_limit)
		mmo_endless(pc);
}

/* ---- reached code (watch.c) ---- */

enum { MMO_EDGES = 1 << 13 };

/* Blocks of instrumented code that followed each other; from 0 is the entry of a function. */
struct edge { uintptr_t from, to; };

extern struct edge mmo_edges[MMO_EDGES];

/* ---- objects' life (world.c) ---- */

enum life { SLOT_UNUSED, SLOT_LIVE, SLOT_FREED };
extern uint8_t mmo_task_life[MMO_TASKS], mmo_mm_life[MMO_MMS];
extern int mmo_task_name[MMO_TASKS], mmo_mm_name[MMO_MMS];
extern int mmo_task_usage[MMO_TASKS];
extern bool mmo_task_released[MMO_TASKS];
void world_free_task(int slot, void *pc);

static inline int mmo_task_slot(const struct task_struct *task)
{
	return (int)((const union mmo_task_slot *)task - mmo_arena.tasks);
}

static inline int mmo_mm_slot(const struct mm_struct *mm)
{
	return (int)((const union mmo_mm_slot *)mm - mmo_arena.mms);
}

/* ---- locks and RCU (locks.c) ---- */

void locks_reset(void);
bool lock_free_for(const struct mmo_lock *lock, enum mmo_mode mode, const struct co *co);
/* What the candidate has left locked; it would lock everybody out, so it is opened again. */
void locks_check_released(struct co *co, const char *after);
bool co_holds(const struct co *co, const struct mmo_lock *lock);

/* ---- schedules (explore.c) ---- */

/* The first three do not conflict with each other. */
enum access_how { A_READ, A_SHARE, A_UNSHARE, A_WRITE, A_LOCK, A_UNLOCK, A_FREE };

extern char mmo_rcu_location; /* its address stands for "who is inside RCU" */

extern bool mmo_exploring;
/* Before an access: another operation may run first.  Whether one did. */
bool mmo_point(uintptr_t location, enum access_how how, void *pc);
/* After a wait: who goes on now is a part of the order. */
void mmo_event(uintptr_t location, bool write);
/* A coroutine cannot go on, or is done: somebody else must run. */
void explore_forced(void);
/* The schedule so far, as a string to replay. */
void explore_schedule(char *text, size_t size);
int explore_preemptions(void);
extern int explore_event_count;

#endif
