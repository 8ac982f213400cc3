/* world.c: what a task does from clone to reap, and the owner rules of Linux 6.11.
 *
 * Start with mm_update_next_owner(): everything else is there to keep the lists that it
 * walks in the order in which the kernel keeps them. Operations run one after the other,
 * so there are no locks here.
 */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>

/* -- lists and names ------------------------------------------------------------------- */

static void list_init(struct list *list)
{
	list->prev = list->next = list;
}

static bool list_empty(const struct list *head)
{
	return head->next == head;
}

static void list_append(struct list *head, struct list *node)
{
	node->prev = head->prev;
	node->next = head;
	node->prev->next = node->next->prev = node;
}

static void list_unlink(struct list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	list_init(node);
}

/* The new entry stands where the old one stood. */
static void list_take_place(struct list *new, struct list *old)
{
	list_unlink(new);
	list_append(old, new);
	list_unlink(old);
}

static struct named **bucket_of(const struct table *table, long name)
{
	return (struct named **)&table->bucket[(unsigned long)name % BUCKETS];
}

void *find(const struct table *table, long name)
{
	struct named *at = *bucket_of(table, name);

	while (at && at->name != name)
		at = at->chain;
	return at;
}

void *enter(struct table *table, long name, size_t size)
{
	struct named *new = calloc(1, size), **bucket = bucket_of(table, name);

	if (!new) {
		fputs("no memory for the world\n", stderr);
		exit(1);
	}
	new->name = name;
	new->chain = *bucket;
	*bucket = new;
	return new;
}

static void forget_all(struct table *table)
{
	for (int i = 0; i < BUCKETS; i++) {
		while (table->bucket[i]) {
			struct named *old = table->bucket[i];

			table->bucket[i] = old->chain;
			free(old);
		}
	}
}

/* -- the owner rules ------------------------------------------------------------------- */

/* The first thread of a process that uses the mm takes it over. Threads that have exited
 * have no mm and are passed over; the live ones of a process all use the same mm, so the
 * first that uses another ends the look at this process. */
static bool take(struct mm *mm, struct group *group)
{
	struct task *thread;

	for_each_task(thread, &group->threads, thread) {
		if (thread->mm == mm) {
			mm->owner = thread;
			return true;
		}
		if (thread->mm)
			return false;
	}
	return false;
}

static bool take_among_children(struct mm *mm, struct task *parent)
{
	struct task *leader;

	for_each_task(leader, &parent->children, sibling)
		if (take(mm, leader->group))
			return true;
	return false;
}

/* A kernel thread only borrows an mm. Only this last stage tests for them. */
static bool take_among_all(struct world *w, struct mm *mm)
{
	struct task *leader;

	for_each_task(leader, &w->processes, process)
		if (!leader->kthread && take(mm, leader->group))
			return true;
	return false;
}

/* A task has left the mm, but its reference still counts: if it was the owner, find the
 * next one. Relatives come first because they are the likely sharers, and the lists are
 * short; it runs before the children are given away for the same reason. */
static void mm_update_next_owner(struct world *w, struct mm *mm, struct task *leaving)
{
	if (mm->owner != leaving)
		return;
	if (mm->users > 1 && (take_among_children(mm, leaving) ||
			      take_among_children(mm, leaving->real_parent) ||
			      take_among_all(w, mm)))
		return;
	mm->owner = NULL;
}

/* -- mms ------------------------------------------------------------------------------- */

/* The first owner is the task that the mm is made for, not the one that makes it. */
static struct mm *new_mm(struct world *w, long name, struct task *user)
{
	struct mm *mm = enter(&w->mms, name, sizeof(*mm));

	mm->users = 1;
	mm->owner = user;
	return mm;
}

bool mm_exists(const struct mm *mm)
{
	return mm && (mm->users > 0 || mm->loans > 0);
}

/* A vfork parent sleeps until its child has left the mm that it lent. When the parent is
 * killed first, the child has nobody to wake any more. */
static void end_vfork(struct task *task)
{
	if (task->vfork_parent)
		task->vfork_parent->vfork_child = NULL;
	if (task->vfork_child)
		task->vfork_child->vfork_parent = NULL;
	task->vfork_parent = task->vfork_child = NULL;
}

/* Go over from one mm to another or to none. The order is the kernel's and matters: the
 * task must not be found as a user, but must still be counted as one. */
static void change_mm(struct world *w, struct task *task, struct mm *new)
{
	struct mm *old = task->mm;

	end_vfork(task);
	task->mm = new;
	if (!old)
		return;
	mm_update_next_owner(w, old, task);
	old->users--;
}

/* -- birth ----------------------------------------------------------------------------- */

static void init_task(struct task *task, struct group *group, struct cgroup *cgroup)
{
	list_init(&task->children);
	list_init(&task->tracees);
	list_init(&task->sibling);
	list_init(&task->process);
	list_init(&task->thread);
	list_init(&task->tracee);
	list_init(&task->own_group.threads);
	task->own_group.leader = task;
	task->group = group ? group : &task->own_group;
	task->cgroup = cgroup;
}

static struct task *new_task(struct world *w, long name, struct group *group, struct cgroup *cgroup)
{
	struct task *task = enter(&w->tasks, name, sizeof(*task));

	init_task(task, group, cgroup);
	return task;
}

/* Only leaders are on the lists of children and of processes. */
static void link_task(struct world *w, struct task *task, struct task *parent)
{
	task->real_parent = parent;
	list_append(&task->group->threads, &task->thread);
	if (task->group->leader != task)
		return;
	list_append(&w->processes, &task->process);
	list_append(&parent->children, &task->sibling);
}

void world_reset(struct world *w)
{
	forget_all(&w->tasks);
	forget_all(&w->mms);
	forget_all(&w->refs);
	forget_all(&w->cgroups);
	list_init(&w->processes);
	w->root = enter(&w->cgroups, 1, sizeof(*w->root));
	w->idle = (struct task){ .kthread = true, .real_parent = &w->idle };
	w->kthreadd = w->kworker = w->idle;
	init_task(&w->idle, NULL, w->root);
	init_task(&w->kthreadd, NULL, w->root);
	init_task(&w->kworker, NULL, w->root);
	list_append(&w->idle.children, &w->kthreadd.sibling);
	w->init = new_task(w, 1, NULL, w->root);
	w->init->mm = new_mm(w, 1, w->init);
	link_task(w, w->init, &w->idle);
}

/* The part of a clone that can still fail: the child is not on any list yet. */
static struct task *copy_task(struct world *w, const struct op *op)
{
	struct task *maker = task_of(w, op);
	struct group *group = op->flags & FLAG_THREAD ? maker->group : NULL;
	struct task *child = new_task(w, op->child, group, maker->cgroup);

	if (op->flags & (FLAG_VM | FLAG_THREAD)) {
		child->mm = maker->mm;
		child->mm->users++;
	} else {
		child->mm = new_mm(w, op->mm, child);
	}
	return child;
}

void do_clone(struct world *w, const struct op *op)
{
	struct task *maker = task_of(w, op);
	struct task *child = copy_task(w, op);
	bool sibling = op->flags & (FLAG_PARENT | FLAG_THREAD);

	link_task(w, child, sibling ? maker->real_parent : maker);
	if (op->flags & FLAG_VFORK) {
		maker->vfork_child = child;
		child->vfork_parent = maker;
	}
}

/* Somebody may keep the mm of a child that never was. It must not own it then: nothing
 * would ever take the pointer to a freed task away again. */
void do_clone_fails(struct world *w, const struct op *op)
{
	struct task *child = copy_task(w, op);
	struct mm *mm = child->mm;

	if (op->ref)
		do_hold(w, &(struct op){ .mm = mm->key.name, .ref = op->ref });
	if (mm->owner == child)
		mm->owner = NULL;
	child->mm = NULL;
	mm->users--;
	child->state = GONE;
}

void do_kthread(struct world *w, const struct op *op)
{
	struct task *task = new_task(w, op->child, NULL, w->root);

	task->kthread = true;
	link_task(w, task, &w->kthreadd);
}

/* -- death ----------------------------------------------------------------------------- */

static void untrace(struct task *task)
{
	task->tracer = NULL;
	list_unlink(&task->tracee);
}

static void release(struct task *task)
{
	untrace(task);
	list_unlink(&task->sibling);
	list_unlink(&task->process);
	list_unlink(&task->thread);
	task->state = GONE;
}

bool has_other_threads(const struct task *task)
{
	return task->thread.next != task->thread.prev;	/* alone, both are the list's head */
}

struct task *live_thread_but(const struct task *task)
{
	struct task *thread;

	for_each_task(thread, &task->group->threads, thread)
		if (thread != task && thread->state == LIVE)
			return thread;
	return NULL;
}

static struct task *first_alive(const struct group *group)
{
	struct task *thread;

	for_each_task(thread, &group->threads, thread)
		if (!thread->exiting)
			return thread;
	return NULL;
}

/* Who adopts the children: the dying task's own process while it has a live thread, then
 * the nearest ancestor that asked for orphans, then init. */
static struct task *new_parent_for_children_of(struct world *w, struct task *father)
{
	struct task *thread = first_alive(father->group);
	struct task *ancestor = father->real_parent;

	while (!thread && ancestor != w->init && ancestor != &w->idle) {
		if (ancestor->group->subreaper)
			thread = first_alive(ancestor->group);
		ancestor = ancestor->real_parent;
	}
	return thread ? thread : w->init;
}

static void give_children_away(struct world *w, struct task *father)
{
	struct task *parent = new_parent_for_children_of(w, father);

	while (!list_empty(&father->children)) {
		struct task *leader = entry_of(father->children.next, struct task, sibling), *thread;

		for_each_task(thread, &leader->group->threads, thread)
			thread->real_parent = parent;
		list_unlink(&leader->sibling);
		list_append(&parent->children, &leader->sibling);
	}
}

/* Nobody waits for kernel threads and user-mode helpers; a tracer would be told, though. */
static void reap_by_kernel(struct world *w, struct task *leader)
{
	if (leader->state == ZOMBIE && !has_other_threads(leader) &&
	    !leader->tracer && (leader->real_parent == &w->kthreadd ||
				leader->real_parent == &w->kworker))
		release(leader);
}

static void exit_task(struct world *w, struct task *task)
{
	task->exiting = true;
	change_mm(w, task, NULL);
	while (!list_empty(&task->tracees)) {
		struct task *tracee = entry_of(task->tracees.next, struct task, tracee);

		untrace(tracee);
		reap_by_kernel(w, tracee->group->leader);
	}
	give_children_away(w, task);
	if (task->group->leader == task)
		task->state = ZOMBIE;
	else
		release(task);
	reap_by_kernel(w, task->group->leader);
}

void do_exit(struct world *w, const struct op *op)
{
	exit_task(w, task_of(w, op));
}

void do_reap(struct world *w, const struct op *op)
{
	release(task_of(w, op));
}

/* -- exec ------------------------------------------------------------------------------ */

/* A thread that execs becomes the leader, in the leader's places on the lists: where a
 * process is found does not depend on which of its threads called exec. */
static void become_leader(struct task *task)
{
	struct task *old = task->group->leader;

	task->group->leader = task;
	list_take_place(&task->process, &old->process);
	list_take_place(&task->sibling, &old->sibling);
	release(old);
}

/* The other threads die first, so that each of them may hand the old mm over. The kernel
 * defines no order for that; ours is the order of the thread list. */
void do_exec(struct world *w, const struct op *op)
{
	struct task *task = task_of(w, op), *other;
	struct mm *new = new_mm(w, op->mm, task);

	while ((other = live_thread_but(task)))
		exit_task(w, other);
	if (task->group->leader != task)
		become_leader(task);
	if (task->kthread) { /* a user-mode helper now: a child of the worker that started it */
		task->kthread = false;
		task->real_parent = &w->kworker;
		list_unlink(&task->sibling);
		list_append(&w->kworker.children, &task->sibling);
	}
	change_mm(w, task, new);
}

/* Before the point of no return nothing has happened. */
void do_exec_fails(struct world *w, const struct op *op)
{
	(void)w, (void)op;
}

/* -- holders, kernel threads, ptrace --------------------------------------------------- */

void do_trace(struct world *w, const struct op *op)
{
	struct task *task = task_of(w, op);

	task->tracer = find(&w->tasks, op->tracer);
	list_append(&task->tracer->tracees, &task->tracee);
}

void do_untrace(struct world *w, const struct op *op)
{
	untrace(task_of(w, op));
}

void do_subreaper(struct world *w, const struct op *op)
{
	task_of(w, op)->group->subreaper = true;
}
