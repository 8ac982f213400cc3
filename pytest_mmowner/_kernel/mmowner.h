/* mmowner.h: what a shared library exports to be judged by pytest-mmowner, and what it may call.
 *
 * For `lib:./candidate.so`: a library in any compiled language.  C99 and C++.  ABI 1.
 *
 *     cc -shared -fPIC -o candidate.so candidate.c
 *     pytest --pyargs mmowner_conformance --mmowner-candidate=lib:./candidate.so
 *
 * A library has one of two levels:
 *
 *   rules    Only the owner functions.  Tasks, lists, locks and RCU are the host's; each host
 *            call is a place where another task can run, and locks and lifetimes are checked.
 *            This is what schedules are explored on.  Exports mmo_open(), mmo_mm_init() and
 *            mmo_update_next_owner(); mmo_mm_clear() where the dialect has it.
 *   tracker  The whole world is the library's own: it is told operations and answers
 *            questions.  Exports mmo_tracker_open(), mmo_reset() and one function for each
 *            operation and question that it knows: what it exports is what it is asked.
 *
 * A library that exports mmo_open() is of the rules level, whatever else it exports.
 *
 * What holds for both:
 *
 *   - All functions are called from one thread, one at a time.  A library that makes threads of
 *     its own must have them ended, or asleep, when a function returns.
 *   - The stack is 64 KiB, and not the thread's own: no large arrays, no deep recursion.
 *   - A function that runs for 3 seconds without a host call is taken for an endless loop.
 *   - A crash (a signal, abort(), a Rust panic in an `extern "C"` function) is a finding: the
 *     process goes on, and the function that crashed is never returned to.  No exception may
 *     leave a function.  exit() ends the process and with it the run: do not call it.
 *   - What is printed, to stdout or stderr, is shown when something fails.
 */
#ifndef MMOWNER_H
#define MMOWNER_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#define MMO_EXPORT __declspec(dllexport)
#elif defined(__GNUC__)
#define MMO_EXPORT __attribute__((visibility("default")))
#else
#define MMO_EXPORT
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* The version rule.  Within one MMO_ABI, members are only appended to struct mmo_host and
 * functions only added: a library that was compiled long ago goes on working, and a library
 * that is newer than the host looks with MMO_HOST_HAS() before it calls what is new.  MMO_ABI
 * changes when an old library would misunderstand; a host then says which it still speaks. */
#define MMO_ABI 1u

/* A task and an mm.  0 is none.
 * Rules level: handles, which only the host can read.  init_task has one too: it is somebody's
 * real_parent.  A handle stands for the struct: it stays the same for its life, and one that is
 * used after the struct was freed is found (so hold a lock, RCU or a reference, as in the kernel).
 * Tracker level: the names that the suite chose; task 1 is init, mm 1 is init's. */
typedef uint32_t mmo_task;
typedef uint32_t mmo_mm;

/* ---- who it is: optional, both levels ----------------------------------------------------- */

MMO_EXPORT const char *mmo_name(void);       /* default: the file's name */
MMO_EXPORT const char *mmo_version(void);
MMO_EXPORT const char *mmo_language(void);
MMO_EXPORT const char *mmo_dialect(void);    /* the dialect that it claims to speak, as "6.11" */

/* ---- rules level -------------------------------------------------------------------------- */

/* What task_flags() answers. */
enum {
	MMO_TASK_KTHREAD = 1, /* PF_KTHREAD */
	MMO_TASK_EXITING = 2, /* PF_EXITING */
	MMO_TASK_LEADER = 4   /* thread_group_leader() */
};

/* The host.  All of it can be called inside mmo_update_next_owner(), mmo_mm_init() and
 * mmo_mm_clear(), by the thread that called these, and nowhere else.
 *
 * Every call may let other tasks run before it does what it says, and a call may never return:
 * a schedule that has been seen to its end, or that has broken, is left where it is.  So keep no
 * lock of your own and no memory from malloc() across a call, and nothing in static variables
 * that another task could trip over (mmo_reset() tells when a new world begins).
 *
 * The kernel's rules hold and are checked: children lists under tasklist_lock; processes and
 * threads under tasklist_lock or RCU; another task is touched under one of these, its alloc_lock
 * or a reference; tasklist_lock before any alloc_lock; no sleeping lock under a spinning one;
 * what is taken is given back.  "Task 0" and "mm 0" are NULL pointers to all that take one,
 * unless it says otherwise. */
struct mmo_host {
	uint32_t abi;   /* the newest ABI that the host speaks */
	uint32_t size;  /* sizeof(struct mmo_host), as the host knows it */

	/* One read of memory each. */
	mmo_task (*current)(void);                    /* who exits or execs; no read */
	mmo_mm (*task_mm)(mmo_task task);             /* 0: has none, or has left it */
	uint32_t (*task_flags)(mmo_task task);        /* MMO_TASK_... */
	mmo_task (*real_parent)(mmo_task task);
	mmo_task (*parent)(mmo_task task);            /* the tracer, while there is one */
	int32_t (*mm_users)(mmo_mm mm);
	mmo_task (*get_owner)(mmo_mm mm);
	void (*set_owner)(mmo_mm mm, mmo_task task);  /* task 0: nobody.  As by WRITE_ONCE */

	/* Lists.  prev 0 starts; the answer 0 ends.  prev is what the call before answered: when
	 * that has left the list meanwhile (no lock was held), a walk goes astray as in a kernel. */
	mmo_task (*next_child)(mmo_task parent, mmo_task prev);   /* leaders; before 2.6.33 all */
	mmo_task (*next_process)(mmo_task prev);                  /* leaders, without init_task */
	mmo_task (*next_thread)(mmo_task of_group, mmo_task prev); /* any task of the group will do */

	/* Locks. */
	void (*tasklist_read_lock)(void);
	void (*tasklist_read_unlock)(void);
	void (*rcu_read_lock)(void);
	void (*rcu_read_unlock)(void);
	void (*task_lock)(mmo_task task);             /* its alloc_lock */
	void (*task_unlock)(mmo_task task);
	void (*mmap_write_lock)(mmo_mm mm);           /* mmap_sem: 2.6.27 and 2.6.28 only */
	void (*mmap_write_unlock)(mmo_mm mm);

	/* References: a task that is got is not freed until it is put. */
	void (*task_get)(mmo_task task);
	void (*task_put)(mmo_task task);

	/* Who must be told.  Both do nothing in dialects that have none. */
	void (*lru_gen_migrate)(mmo_mm mm);           /* 6.1: after the store, under task_lock(owner) */
	void (*owner_changed)(mmo_mm mm, mmo_task old_owner, mmo_task new_owner); /* to 2.6.28:
		before the store; new_owner 0: nobody (2.6.27).  The host picks whom to call with what */

	/* BUG(): never returns. */
	void (*bug)(const char *text);
};

/* Whether the host is new enough to have a member. */
#define MMO_HOST_HAS(host, member) \
	((host)->size >= offsetof(struct mmo_host, member) + sizeof((host)->member))

/* Called once, before all others.  Keep the pointer (it stays good), call nothing.  Answers the
 * ABI that the library speaks: MMO_ABI; 0 when it does not want this host. */
MMO_EXPORT uint32_t mmo_open(const struct mmo_host *host);

/* mm_init_owner(): an mm was made for task (0: nobody, when dup_mm failed).  Nobody else can see
 * the mm yet. */
MMO_EXPORT void mmo_mm_init(mmo_mm mm, mmo_task task);

/* mm_update_next_owner(): current() exits or has exec'ed.  It no longer uses mm, and still has
 * its reference (mm_users counts it). */
MMO_EXPORT void mmo_update_next_owner(mmo_mm mm);

/* mm_clear_owner(), optional: a fork failed, task goes and may own mm (5.2 and later). */
MMO_EXPORT void mmo_mm_clear(mmo_mm mm, mmo_task task);

/* ---- both levels -------------------------------------------------------------------------- */

/* Back to the initial world: init (task 1) with mm 1 alone.  Tracker level: must be there.  Rules
 * level: optional, for a library that keeps something; called very often.  Answers MMO_OK. */
MMO_EXPORT int mmo_reset(void);

/* ---- tracker level ------------------------------------------------------------------------ */

/* What operations and questions answer. */
enum {
	MMO_OK = 0,
	MMO_REFUSED = 1,    /* the operation is illegal here, nothing has changed */
	MMO_UNTESTABLE = 2, /* something is missing on this machine */
	MMO_ERROR = 3,      /* the library broke */
	MMO_PROCESS = 4     /* mmo_owner(): *task stands for its thread group, no more is known */
};

/* Optional: why the last call did not answer MMO_OK, in words. */
MMO_EXPORT const char *mmo_why(void);

/* Called once, before all others, with the ABI of the host.  Answers as mmo_open(). */
MMO_EXPORT uint32_t mmo_tracker_open(uint32_t abi);

/* Optional, words with blanks between them: what else it can ("refuse attach:thread"), and which
 * part of what it exports does not work ("clone:PARENT clone_fails:ref"); see docs/protocol.md. */
MMO_EXPORT const char *mmo_capabilities(void);
MMO_EXPORT const char *mmo_without(void);

/* flags of mmo_clone() and mmo_clone_fails() */
enum { MMO_VM = 1, MMO_THREAD = 2 /* implies MMO_VM */, MMO_PARENT = 4, MMO_VFORK = 8 };

/* where a fork fails */
enum { MMO_AT_DUP_MM = 0, MMO_AT_LATE = 1 };

/* Operations, each optional: docs/protocol.md tells what they mean.  All answer MMO_OK or why not. */
MMO_EXPORT int mmo_clone(mmo_task task, mmo_task child, uint32_t flags, mmo_mm mm); /* mm 0: shared */
MMO_EXPORT int mmo_exit(mmo_task task);
MMO_EXPORT int mmo_exec(mmo_task task, mmo_mm mm);
MMO_EXPORT int mmo_reap(mmo_task task);
MMO_EXPORT int mmo_hold(mmo_mm mm, uint32_t ref);
MMO_EXPORT int mmo_put(mmo_mm mm, uint32_t ref);
MMO_EXPORT int mmo_kthread(mmo_task child);
MMO_EXPORT int mmo_use_mm(mmo_task task, mmo_mm mm);
MMO_EXPORT int mmo_unuse_mm(mmo_task task);
MMO_EXPORT int mmo_clone_fails(mmo_task task, mmo_task child, uint32_t flags, mmo_mm mm, int at,
			       uint32_t ref); /* mm 0: shared; ref 0: nobody took one */
MMO_EXPORT int mmo_exec_fails(mmo_task task);
MMO_EXPORT int mmo_trace(mmo_task task, mmo_task tracer);
MMO_EXPORT int mmo_untrace(mmo_task task);
MMO_EXPORT int mmo_subreaper(mmo_task task);
MMO_EXPORT int mmo_cgroup(uint32_t cgroup, uint32_t parent);
MMO_EXPORT int mmo_attach(mmo_task task, uint32_t cgroup);
MMO_EXPORT int mmo_charge(mmo_task task, uint32_t pages);
MMO_EXPORT int mmo_subsystem(const char *name);

/* what mmo_state() tells */
enum { MMO_LIVE = 0, MMO_ZOMBIE = 1, MMO_GONE = 2 };

/* One call of a mm_owner_changed callback.  Before 2.6.26 old_owner and new_owner are tasks, then
 * cgroups; -1: null. */
struct mmo_callback {
	const char *subsystem;
	int32_t old_owner, new_owner;
	int32_t seen;     /* the task that a hook sees in mm->owner; 0: nobody */
	int32_t has_task; /* 2.6.28: hooks get the new owner as well ... */
	int32_t task;     /* ... this task; -1: null */
};

/* Questions, each optional.  They change nothing, and answer through their last argument. */
MMO_EXPORT int mmo_owner(mmo_mm mm, mmo_task *task);                /* 0: nobody */
MMO_EXPORT int mmo_users(mmo_mm mm, uint32_t *users);
MMO_EXPORT int mmo_state(mmo_task task, uint32_t *state);
MMO_EXPORT int mmo_bill(uint32_t cgroup, uint64_t *pages);          /* cgroup 0: nobody paid */
MMO_EXPORT int mmo_lru(mmo_mm mm, uint32_t *cgroup);                /* 0: on none, or no such mm */
MMO_EXPORT int mmo_callbacks(uint32_t index, struct mmo_callback *call); /* MMO_REFUSED: no more */
MMO_EXPORT int mmo_init_mm_owner(int32_t *owner);                   /* 0: init_task; -1: nobody */

#ifdef __cplusplus
}
#endif

#endif
