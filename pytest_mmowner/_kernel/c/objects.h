/* objects.h: what a task, a group, an mm and a lock are in the C world.
 *
 * The field names are the kernel's; each struct is the union of all eras, so that one
 * compiled world serves every tree.  Members that only some tree's code around the owner
 * functions mentions are appended (MMO_TASK_EXTRA and the like), behind everything the
 * world itself knows: offsets never move, and each slot has room for them.
 */
#ifndef MMO_OBJECTS_H
#define MMO_OBJECTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifndef MMO_TASK_EXTRA
#define MMO_TASK_EXTRA
#endif
#ifndef MMO_MM_EXTRA
#define MMO_MM_EXTRA
#endif
#ifndef MMO_SIGNAL_EXTRA
#define MMO_SIGNAL_EXTRA
#endif

struct list_head { struct list_head *next, *prev; };
struct hlist_node { struct hlist_node *next, **pprev; };
struct hlist_head { struct hlist_node *first; };
struct rcu_head { struct rcu_head *next; void (*func)(struct rcu_head *head); };

typedef struct { int counter; } atomic_t;
typedef struct { long counter; } atomic_long_t;
typedef struct refcount_struct { atomic_t refs; } refcount_t;

/* One kind of lock for all: readers and a writer are coroutines, by their bits. */
struct mmo_lock { uint16_t writer, readers; uint8_t depth[4]; };
typedef struct { struct mmo_lock mmo; } spinlock_t;
typedef struct { struct mmo_lock mmo; } raw_spinlock_t;
typedef struct { struct mmo_lock mmo; } rwlock_t;
struct rw_semaphore { struct mmo_lock mmo; };
struct mutex { struct mmo_lock mmo; };
struct completion { unsigned int done; };

struct task_struct;
struct mm_struct;

struct cgroup { int mmo_name; };
struct css_set { int mmo_name; struct cgroup cgroup; };
struct cgroup_subsys { int subsys_id, id, disabled; const char *name; void (*mm_owner_changed)(); };

struct sighand_struct { spinlock_t siglock; atomic_t count; };

struct signal_struct {
	refcount_t sigcnt;
	atomic_t count, live;
	int nr_threads, flags, group_exit_code;
	struct list_head thread_head;
	struct task_struct *group_exit_task, *curr_target;
	struct mutex cred_guard_mutex;
	struct rw_semaphore exec_update_lock;
	struct mutex exec_update_mutex;
	unsigned long maxrss;
	unsigned int is_child_subreaper:1, has_child_subreaper:1;
	MMO_SIGNAL_EXTRA
};

struct mm_struct {
	struct task_struct *owner;
	atomic_t mm_users, mm_count;
	struct rw_semaphore mmap_sem, mmap_lock;
	spinlock_t page_table_lock, ioctx_lock;
	unsigned long flags, def_flags, hiwater_rss, hiwater_vm, total_vm;
	void *core_state;
	int core_waiters;
	struct list_head mmlist;
	MMO_MM_EXTRA
};

struct task_struct {
	volatile long state;
	unsigned int __state, flags, ptrace;
	refcount_t usage, rcu_users;
	int exit_state, exit_code, exit_signal;
	unsigned int jobctl, personality;
	struct mm_struct *mm, *active_mm;
	int pid, tgid;
	struct task_struct *real_parent, *parent, *group_leader;
	struct list_head children, sibling, tasks, thread_group, thread_node;
	struct list_head ptraced, ptrace_entry, ptrace_children, ptrace_list;
	struct completion *vfork_done;
	spinlock_t alloc_lock;
	struct signal_struct *signal;
	struct sighand_struct *sighand;
	struct css_set *cgroups;
	struct rcu_head rcu;
	char comm[16];
	unsigned int user_dumpable:1, in_execve:1, memcg_in_oom:1;
	MMO_TASK_EXTRA
};

/* ---- where they live: slots that are not used again within one program ---- */

enum {
	MMO_TASKS = 192, MMO_MMS = 128, MMO_CGROUPS = 64, MMO_SLOT = 1024,
	MMO_INIT_MM_COUNT = 1 << 20,
	MMO_FIRST_TASK = 4, /* slots 0..3 are init_task, kthreadd, kworker and one spare */
};

union mmo_task_slot { struct task_struct task; char room[MMO_SLOT]; };
union mmo_mm_slot { struct mm_struct mm; char room[MMO_SLOT]; };
union mmo_signal_slot { struct signal_struct signal; char room[512]; };

struct mmo_arena {
	union mmo_task_slot tasks[MMO_TASKS];
	union mmo_mm_slot mms[MMO_MMS];
	union mmo_signal_slot signals[MMO_TASKS];
	struct sighand_struct sighands[MMO_TASKS];
	struct css_set css_sets[MMO_CGROUPS];
	rwlock_t tasklist_lock;
};

extern struct mmo_arena mmo_arena;

#define MMO_TASK(slot) (&mmo_arena.tasks[slot].task)
#define MMO_MM(slot) (&mmo_arena.mms[slot].mm)

#endif
