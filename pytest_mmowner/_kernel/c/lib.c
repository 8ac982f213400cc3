/* lib.c: the host that a library calls: the kernel's own structs behind handles.
 *
 * Instrumented as a kernel's C is: what a host call touches is what the library touches, and
 * each touch is a place where another operation can run.  So nothing here reads or writes
 * anything but the arena; all books are kept in lib_books.c.  Only blocks are not counted here:
 * they are no steps of the library.
 */
#include "lib.h"
#include "kshim.h"
#include "kfallback.h"

#undef current /* a member of struct mmo_host, too */

/* Everything in this call is done by the library's code at that address. */
#define CALL(name) \
	struct lib_call call __attribute__((cleanup(lib_leave), unused)) = \
		lib_enter(name, __builtin_return_address(0))

static struct task_struct *task_at(mmo_task task)
{
	return MMO_TASK(lib_task_slot(task));
}

static struct mm_struct *mm_at(mmo_mm mm)
{
	return MMO_MM(lib_mm_slot(mm));
}

/* ---- reads and the one store ---- */

static mmo_task host_current(void)
{
	CALL("current");
	return lib_task(mmo_current());
}

static mmo_mm host_task_mm(mmo_task task)
{
	CALL("task_mm");
	return lib_mm(READ_ONCE(task_at(task)->mm));
}

/* One read for all three: who leads is no secret of a group that lives on. */
static uint32_t host_task_flags(mmo_task task)
{
	CALL("task_flags");
	struct task_struct *at = task_at(task);
	unsigned int flags = READ_ONCE(at->flags);

	return (flags & PF_KTHREAD ? MMO_TASK_KTHREAD : 0u) |
	       (flags & PF_EXITING ? MMO_TASK_EXITING : 0u) | (lib_leads(at) ? MMO_TASK_LEADER : 0u);
}

static mmo_task host_real_parent(mmo_task task)
{
	CALL("real_parent");
	return lib_task(READ_ONCE(task_at(task)->real_parent));
}

static mmo_task host_parent(mmo_task task)
{
	CALL("parent");
	return lib_task(READ_ONCE(task_at(task)->parent));
}

static int32_t host_mm_users(mmo_mm mm)
{
	CALL("mm_users");
	return atomic_read(&mm_at(mm)->mm_users);
}

static mmo_task host_get_owner(mmo_mm mm)
{
	CALL("get_owner");
	return lib_task(READ_ONCE(mm_at(mm)->owner));
}

static void host_set_owner(mmo_mm mm, mmo_task task)
{
	CALL("set_owner");
	struct mm_struct *at = mm_at(mm);
	struct task_struct *owner = task ? task_at(task) : NULL;

	WRITE_ONCE(at->owner, owner);
	lib_stored();
}

/* ---- lists ---- */

static mmo_task host_next_child(mmo_task parent, mmo_task prev)
{
	CALL("next_child");
	struct task_struct *father = task_at(parent);
	struct list_head *next = prev ? READ_ONCE(task_at(prev)->sibling.next)
				      : READ_ONCE(father->children.next);

	return next == &father->children ? 0 :
		lib_entry(next, offsetof(struct task_struct, sibling), "children list");
}

static mmo_task host_next_process(mmo_task prev)
{
	CALL("next_process");
	struct list_head *next = READ_ONCE((prev ? task_at(prev) : &init_task)->tasks.next);

	return next == &init_task.tasks ? 0 :
		lib_entry(next, offsetof(struct task_struct, tasks), "list of processes");
}

static mmo_task host_next_thread(mmo_task of_group, mmo_task prev)
{
	CALL("next_thread");
	struct signal_struct *group = READ_ONCE(task_at(of_group)->signal);
	struct list_head *next = prev ? READ_ONCE(task_at(prev)->thread_node.next)
				      : READ_ONCE(group->thread_head.next);

	return next == &group->thread_head ? 0 :
		lib_entry(next, offsetof(struct task_struct, thread_node), "thread list");
}

/* ---- locks and references ---- */

static void host_tasklist_read_lock(void)
{
	CALL("tasklist_read_lock");
	read_lock(&tasklist_lock);
	lib_locked();
}

static void host_tasklist_read_unlock(void)
{
	CALL("tasklist_read_unlock");
	read_unlock(&tasklist_lock);
}

static void host_rcu_read_lock(void)
{
	CALL("rcu_read_lock");
	rcu_read_lock();
}

static void host_rcu_read_unlock(void)
{
	CALL("rcu_read_unlock");
	rcu_read_unlock();
}

static void host_task_lock(mmo_task task)
{
	CALL("task_lock");
	task_lock(task_at(task));
	lib_locked();
}

static void host_task_unlock(mmo_task task)
{
	CALL("task_unlock");
	task_unlock(task_at(task));
}

static void host_mmap_write_lock(mmo_mm mm)
{
	CALL("mmap_write_lock");
	down_write(&mm_at(mm)->mmap_sem);
	lib_locked();
}

static void host_mmap_write_unlock(mmo_mm mm)
{
	CALL("mmap_write_unlock");
	up_write(&mm_at(mm)->mmap_sem);
}

static void host_task_get(mmo_task task)
{
	CALL("task_get");
	get_task_struct(task_at(task));
}

static void host_task_put(mmo_task task)
{
	CALL("task_put");
	put_task_struct(task_at(task));
}

/* ---- who must be told ---- */

static void host_lru_gen_migrate(mmo_mm mm)
{
	CALL("lru_gen_migrate");
	lru_gen_migrate_mm(mm_at(mm));
}

/* As cgroup_mm_owner_callbacks(): the cgroups are read here, whom to call is the dialect's. */
static void host_owner_changed(mmo_mm mm, mmo_task old_owner, mmo_task new_owner)
{
	CALL("owner_changed");
	struct task_struct *old, *new_task;
	struct css_set *from, *to;

	lib_mm_slot(mm);
	if (!lib_has_callbacks())
		return;
	old = task_at(old_owner);
	new_task = new_owner ? task_at(new_owner) : NULL;
	from = READ_ONCE(old->cgroups);
	to = new_task ? READ_ONCE(new_task->cgroups) : NULL;
	lib_tell(old, new_task, from, to);
}

static void host_bug(const char *text)
{
	CALL("bug");
	mmo_bug(text ? text : "bug()");
}

const struct mmo_host lib_host = {
	.abi = MMO_ABI, .size = sizeof(struct mmo_host),
	.current = host_current, .task_mm = host_task_mm, .task_flags = host_task_flags,
	.real_parent = host_real_parent, .parent = host_parent, .mm_users = host_mm_users,
	.get_owner = host_get_owner, .set_owner = host_set_owner,
	.next_child = host_next_child, .next_process = host_next_process,
	.next_thread = host_next_thread,
	.tasklist_read_lock = host_tasklist_read_lock,
	.tasklist_read_unlock = host_tasklist_read_unlock,
	.rcu_read_lock = host_rcu_read_lock, .rcu_read_unlock = host_rcu_read_unlock,
	.task_lock = host_task_lock, .task_unlock = host_task_unlock,
	.mmap_write_lock = host_mmap_write_lock, .mmap_write_unlock = host_mmap_write_unlock,
	.task_get = host_task_get, .task_put = host_task_put,
	.lru_gen_migrate = host_lru_gen_migrate, .owner_changed = host_owner_changed,
	.bug = host_bug,
};
