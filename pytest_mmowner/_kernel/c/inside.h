/* inside.h: what the modules of the world share; the kernel's words come with it. */
#ifndef MMO_INSIDE_H
#define MMO_INSIDE_H

#include "kshim.h"
#include "kfallback.h"
#include "world.h"
#include "watch.h"

#include <stdio.h>
#include <string.h>

enum { NAMES = 1 << 14, REFS = 1 << 14 };

/* Looks without being seen: no point, no check. */
#define RAW(expression) ({ struct co *mmo_was = watch_blind(); \
	__typeof__(expression) mmo_value = (expression); watch_again(mmo_was); mmo_value; })

#define kthreadd MMO_TASK(1)
#define kworker MMO_TASK(2)
#define init_process MMO_TASK(MMO_FIRST_TASK)

/* ---- slots.c ---- */

extern uint16_t slot_refs[REFS]; /* the mm that a reference holds, by its slot */
extern int slot_top_ref;
extern const char *slot_full;    /* why the last operation did not fit, or NULL */
int slot_reserve_task(int name);
int slot_reserve_mm(int name);
struct task_struct *slot_new_task(int slot, int cgroup, struct task_struct *leader);
struct mm_struct *slot_new_mm(int name, const struct mm_struct *old);
void slot_forget_mm(int name);
void slots_reset(void);

/* ---- calls.c ---- */

void call_init_owner(struct mm_struct *mm, struct task_struct *task);
void call_clear_owner(struct mm_struct *mm, struct task_struct *task);
void call_update_next_owner(struct mm_struct *mm);
void call_owner_changed(struct cgroup_subsys *ss, void *old, void *new_owner, void *task);
int task_cgroup_name(const struct task_struct *task);

/* ---- birth.c, death.c, exec.c, users.c: one function for each operation ---- */

void task_link(struct task_struct *task, struct task_struct *parent);
void task_release(struct task_struct *task);
void task_untrace(struct task_struct *task);
void task_autoreap(struct task_struct *leader);
bool task_group_dead(struct task_struct *leader);
void task_exit(struct co *co, struct task_struct *task);
void task_put_by_rcu(struct rcu_head *head);

#define OPERATION(word) void do_##word(struct co *co);
OPERATION(clone) OPERATION(clone_fails) OPERATION(kthread)
OPERATION(exit) OPERATION(reap) OPERATION(exec) OPERATION(exec_fails)
OPERATION(hold) OPERATION(put) OPERATION(use_mm) OPERATION(unuse_mm)
OPERATION(trace) OPERATION(untrace) OPERATION(subreaper)
OPERATION(cgroup) OPERATION(attach) OPERATION(charge)
OPERATION(get_task_mm) OPERATION(touch)
#undef OPERATION

/* ---- lists ---- */

static inline __attribute__((unused)) void list_init(struct list_head *head)
{
	head->next = head->prev = head;
}

static inline __attribute__((unused)) void list_add_last(struct list_head *entry, struct list_head *head)
{
	entry->prev = head->prev;
	entry->next = head;
	head->prev->next = entry;
	head->prev = entry;
}

/* As list_del_init(): who stands on the entry stays on it. */
static inline __attribute__((unused)) void list_remove(struct list_head *entry)
{
	entry->next->prev = entry->prev;
	entry->prev->next = entry->next;
	list_init(entry);
}

/* As list_del_rcu(): who stands on the entry still gets on from there. */
static inline __attribute__((unused)) void list_remove_rcu(struct list_head *entry)
{
	entry->next->prev = entry->prev;
	entry->prev->next = entry->next;
}

static inline __attribute__((unused)) void list_swap(struct list_head *old, struct list_head *new_entry)
{
	new_entry->next = old->next;
	new_entry->prev = old->prev;
	new_entry->prev->next = new_entry;
	new_entry->next->prev = new_entry;
	list_init(old);
}

#endif
