/* world.h: the small kernel behind the adapter: tasks, thread groups, mms, cgroups.
 *
 * world.c performs operations and has the owner rules, legal.c says what is refused.
 */
#ifndef EXAMPLE_WORLD_H
#define EXAMPLE_WORLD_H

#include <stdbool.h>
#include <stddef.h>

/* A circular list, both the head and the entries. The order of these lists decides who
 * becomes owner, so they are real lists and not arrays. */
struct list {
	struct list *prev, *next;
};

#define entry_of(node, type, member) ((type *)((char *)(node) - offsetof(type, member)))
#define for_each_task(var, head, member)				\
	for (struct list *at_ = (head)->next;				\
	     at_ != (head) && ((var) = entry_of(at_, struct task, member)); \
	     at_ = at_->next)

/* What the suite names by an integer. Nothing is freed before the next reset: the struct
 * of a task that is gone is how we know that its name has been used. */
struct named {
	long name;
	struct named *chain;
};

enum { BUCKETS = 1024 };

struct table {
	struct named *bucket[BUCKETS];
};

struct cgroup {
	struct named key;
	long pages;
};

struct mm {
	struct named key;
	long users;		/* sharers and holders */
	long loans;		/* kernel threads that borrow it: no users */
	struct task *owner;
};

struct ref {
	struct named key;
	struct mm *mm;		/* NULL once it is dropped */
};

/* A process: the leader first, then the other threads as they were made. */
struct group {
	struct list threads;
	struct task *leader;
	bool subreaper;
};

enum state { LIVE, ZOMBIE, GONE };

struct task {
	struct named key;
	enum state state;
	bool exiting;		/* from the first moment of its exit: adopts nobody */
	bool kthread;
	struct mm *mm;
	struct cgroup *cgroup;
	struct group *group, own_group;
	struct task *real_parent;
	struct task *tracer;	/* ptrace changes nothing else that 6.11 looks at */
	struct task *vfork_child, *vfork_parent;
	struct list children;	/* of leaders: threads hang on their group only */
	struct list tracees;
	struct list sibling, process, thread, tracee;	/* where this task is linked */
};

struct world {
	struct table tasks, mms, refs, cgroups;
	struct list processes;
	struct task idle;	/* pid 0: parent of init and of kthreadd, has no name */
	struct task kthreadd;	/* parent of kernel threads, has no name either */
	struct task kworker;	/* parent of user-mode helpers */
	struct task *init;
	struct cgroup *root;
};

enum { FLAG_VM = 1, FLAG_THREAD = 2, FLAG_PARENT = 4, FLAG_VFORK = 8 };

/* An operation with the fields that it has; the others are 0, which names nothing. */
struct op {
	const struct op_type *type;
	long task, child, mm, ref, tracer, cgroup, parent, pages;
	unsigned flags;
};

void world_reset(struct world *w);
void *find(const struct table *table, long name);	/* NULL: the name was never used */
void *enter(struct table *table, long name, size_t size);
bool mm_exists(const struct mm *mm);
bool has_other_threads(const struct task *task);
struct task *live_thread_but(const struct task *task);	/* of the group, the first */

static inline struct task *task_of(const struct world *w, const struct op *op)
{
	return find(&w->tasks, op->task);
}

/* The operations, to be called only when legal.c has nothing against them. */
void do_clone(struct world *w, const struct op *op);
void do_clone_fails(struct world *w, const struct op *op);
void do_exit(struct world *w, const struct op *op);
void do_exec(struct world *w, const struct op *op);
void do_exec_fails(struct world *w, const struct op *op);
void do_reap(struct world *w, const struct op *op);
void do_hold(struct world *w, const struct op *op);
void do_put(struct world *w, const struct op *op);
void do_kthread(struct world *w, const struct op *op);
void do_use_mm(struct world *w, const struct op *op);
void do_unuse_mm(struct world *w, const struct op *op);
void do_trace(struct world *w, const struct op *op);
void do_untrace(struct world *w, const struct op *op);
void do_subreaper(struct world *w, const struct op *op);
void do_cgroup(struct world *w, const struct op *op);
void do_attach(struct world *w, const struct op *op);
void do_charge(struct world *w, const struct op *op);

/* Why an operation is refused, as "rule: reason"; NULL when it is legal. */
typedef const char *check(const struct world *w, const struct op *op);
check refuse_clone, refuse_clone_fails, refuse_exit, refuse_exec, refuse_exec_fails, refuse_reap,
	refuse_hold, refuse_put, refuse_kthread, refuse_use_mm, refuse_unuse_mm, refuse_trace,
	refuse_untrace, refuse_subreaper, refuse_cgroup, refuse_attach, refuse_charge,
	refuse_subsystem;

#endif
