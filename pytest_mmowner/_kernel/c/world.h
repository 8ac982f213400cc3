/* world.h: the operations of the suite's alphabet, on the kernel's own structures. */
#ifndef MMO_WORLD_H
#define MMO_WORLD_H

#include "host.h"

enum op_kind {
	OP_CLONE, OP_CLONE_FAILS, OP_EXIT, OP_EXEC, OP_EXEC_FAILS, OP_REAP, OP_HOLD, OP_PUT,
	OP_KTHREAD, OP_USE_MM, OP_UNUSE_MM, OP_TRACE, OP_UNTRACE, OP_SUBREAPER, OP_CGROUP,
	OP_ATTACH, OP_CHARGE, OP_SUBSYSTEM,
	/* only beside others: a reader of another task, a reader of an mm (swapoff) */
	OP_GET_TASK_MM, OP_TOUCH,
	OP_KINDS
};

enum { OP_VM = 1, OP_THREAD = 2, OP_PARENT = 4, OP_VFORK = 8 };

struct op {
	enum op_kind kind;
	int task, child, mm, ref, cgroup, parent, tracer, pages;
	unsigned int flags;
	bool late;
	char name[24];
};

const char *op_word(const struct op *op);

/* What differs between kernels around the owner functions, and is no owner code. */
struct world_era {
	int threads_on_children, ptrace_moves, adopter_first, subreapers, zombie_root;
	int fork_clears, dup_clears, fork_frees_by_rcu, lru_gen, init_mm_owner, root_pays;
	int exec_new, exec_held, callbacks, owner_write_once, owner;
};

extern struct world_era world_era;
bool world_era_set(const char *name, int value);

/* The candidate: functions of the tree, or of a library; NULL where there is none. */
struct mmo_candidate {
	void (*init_owner)(struct mm_struct *mm, struct task_struct *task);
	void (*update_next_owner)(struct mm_struct *mm);
	void (*clear_owner)(struct mm_struct *mm, struct task_struct *task);
	void (*exit_mm)(struct task_struct *task);
	int (*exec_mmap)(struct mm_struct *mm);
	void (*callbacks)(struct task_struct *old, struct task_struct *new_owner);
};

extern const struct mmo_candidate mmo_candidate;

void world_reset(void);
/* Runs one operation to its end.  False: the run was given up, the world is broken. */
bool world_perform(const struct op *op);
/* Starts an operation as one of several; reserves its names first. */
void world_reserve(const struct op *op);
void world_start(int which, const struct op *op);
/* Keeps the world as it is, without operations under way; and brings the kept one back. */
void world_keep(void);
void world_bring_back(void);
/* What must be true when nothing runs; adds findings. */
void world_check_end(void);
struct task_struct *world_find_task(int name);
struct mm_struct *world_find_mm(int name);
extern int world_top_mm; /* mms below this slot have been made */
const char *world_full(void); /* why the next operation does not fit, or NULL */

/* ---- what can be asked; -1: there is none ---- */

int world_owner(int mm);      /* 0: nobody */
int world_users(int mm);
const char *world_state(int task);
int world_init_mm_owner(void);
void world_outcome(char *text, size_t size);
uint64_t world_outcome_mark(void); /* another number for another outcome */

struct call { char subsystem[24]; int old, new_task, seen, old_cgroup, new_cgroup; };

enum { MMO_CALLS = 256 };

extern struct world_log {
	long pages[MMO_CGROUPS], unpaid, lost;
	struct call calls[MMO_CALLS];
	int call_count;
	int lru[MMO_MMS];
} world_log;

#endif
