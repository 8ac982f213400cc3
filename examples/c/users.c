/* Who refers to an mm without being its user task, and who pays for its pages. */
#include "world.h"

void do_hold(struct world *w, const struct op *op)
{
	struct ref *ref = enter(&w->refs, op->ref, sizeof(*ref));

	ref->mm = find(&w->mms, op->mm);
	ref->mm->users++;
}

void do_put(struct world *w, const struct op *op)
{
	struct ref *ref = find(&w->refs, op->ref);

	ref->mm->users--;
	ref->mm = NULL;
}

/* Borrowing keeps the struct, not the memory: it is no use. */
void do_use_mm(struct world *w, const struct op *op)
{
	struct task *task = task_of(w, op);

	task->mm = find(&w->mms, op->mm);
	task->mm->loans++;
}

void do_unuse_mm(struct world *w, const struct op *op)
{
	struct task *task = task_of(w, op);

	task->mm->loans--;
	task->mm = NULL;
}

/* -- accounting ------------------------------------------------------------------------ */

void do_cgroup(struct world *w, const struct op *op)
{
	enter(&w->cgroups, op->cgroup, sizeof(struct cgroup));
}

void do_attach(struct world *w, const struct op *op)
{
	task_of(w, op)->cgroup = find(&w->cgroups, op->cgroup);
}

/* The owner's cgroup of this moment pays, whoever touches the page; without an owner the
 * root does. */
void do_charge(struct world *w, const struct op *op)
{
	struct task *owner = task_of(w, op)->mm->owner;

	(owner ? owner->cgroup : w->root)->pages += op->pages;
}
