/* world.c: what the suite's operations do, from clone to reap, around the candidate.
 *
 * Instrumented like the candidate: its own accesses can be interrupted too.  The order inside
 * an operation is the kernel's (kernel/fork.c, kernel/exit.c, fs/exec.c, kernel/ptrace.c), and
 * what differs between releases is a field of world_era.
 */
#include "inside.h"
#include "explore.h"

enum { STEPS = 1000000 };

struct cgroup_subsys *subsys[CGROUP_SUBSYS_COUNT];
int need_mm_owner_callback;
struct world_era world_era;

static struct cgroup_subsys subsystems[MMO_SUBSYS];
static char subsystem_names[MMO_SUBSYS][24];
static int subsystem_count;

static void do_subsystem(struct co *co)
{
	int index = subsystem_count;

	if (index == MMO_SUBSYS) {
		slot_full = "more subsystems than the C world has room for";
		return;
	}
	memcpy(subsystem_names[index], co->op->name, sizeof(subsystem_names[index]));
	subsystems[index] = (struct cgroup_subsys){
		.subsys_id = index, .name = subsystem_names[index],
		.mm_owner_changed = (void (*)())call_owner_changed,
	};
	subsystem_count++;
	need_mm_owner_callback = 1;
}

/* ---- the table ---- */

static const struct operation { const char *word; void (*run)(struct co *co); bool has_task; }
	operations[OP_KINDS] = {
	[OP_CLONE] = { "clone", do_clone, true }, [OP_EXIT] = { "exit", do_exit, true },
	[OP_CLONE_FAILS] = { "clone_fails", do_clone_fails, true },
	[OP_EXEC] = { "exec", do_exec, true }, [OP_EXEC_FAILS] = { "exec_fails", do_exec_fails, true },
	[OP_REAP] = { "reap", do_reap, false }, [OP_HOLD] = { "hold", do_hold, false },
	[OP_PUT] = { "put", do_put, false }, [OP_KTHREAD] = { "kthread", do_kthread, false },
	[OP_USE_MM] = { "use_mm", do_use_mm, true }, [OP_UNUSE_MM] = { "unuse_mm", do_unuse_mm, true },
	[OP_TRACE] = { "trace", do_trace, false }, [OP_UNTRACE] = { "untrace", do_untrace, true },
	[OP_SUBREAPER] = { "subreaper", do_subreaper, true },
	[OP_CGROUP] = { "cgroup", do_cgroup, false }, [OP_ATTACH] = { "attach", do_attach, true },
	[OP_CHARGE] = { "charge", do_charge, true },
	[OP_SUBSYSTEM] = { "subsystem", do_subsystem, false },
	[OP_GET_TASK_MM] = { "get_task_mm", do_get_task_mm, false },
	[OP_TOUCH] = { "touch", do_touch, false },
};

const char *op_word(const struct op *op)
{
	return op ? operations[op->kind].word : "boot";
}

static void run(struct co *co)
{
	const struct operation *operation = &operations[co->op->kind];

	co->task = operation->has_task ? world_find_task(co->op->task) : init_process;
	if (!co->task) {
		slot_full = "an operation names a task that is not there";
		return;
	}
	operation->run(co);
	if (co->store.mm)
		watch_store(co);
}

bool world_perform(const struct op *op)
{
	slot_full = NULL;
	mmo_step_limit = STEPS;
	explore_recent_count = 0;
	return co_run_alone(run, op);
}

void world_reserve(const struct op *op)
{
	slot_full = NULL;
	if (op->child)
		slot_reserve_task(op->child);
	if (op->mm && (op->kind == OP_EXEC || ((op->kind == OP_CLONE || op->kind == OP_CLONE_FAILS) &&
					       !(op->flags & (OP_VM | OP_THREAD)))))
		slot_reserve_mm(op->mm);
}

void world_start(int which, const struct op *op)
{
	co_start(which, run, op);
}

const char *world_full(void)
{
	return slot_full;
}

/* ---- the initial world ---- */

static void boot(struct co *co)
{
	struct task_struct *task;

	co->task = &init_task;
	if (world_era.init_mm_owner)
		call_init_owner(&init_mm, &init_task);
	task = slot_new_task(slot_reserve_task(1), 1, NULL);
	co->task = task;
	task->mm = task->active_mm = slot_new_mm(1, NULL);
	call_init_owner(task->mm, task);
	lru_gen_add_mm(task->mm);
	task_link(task, &init_task);
}

void world_reset(void)
{
	locks_reset();
	mmo_co = NULL;
	slots_reset();
	subsystem_count = 0;
	for (int i = 0; i < MMO_SUBSYS; i++) {
		subsystems[i] = (struct cgroup_subsys){ .subsys_id = i, .name = "none" };
		subsys[i] = &subsystems[i]; /* v4 asks each whether it has a hook */
	}
	need_mm_owner_callback = 0;
	mmo_arena.css_sets[1].mmo_name = mmo_arena.css_sets[1].cgroup.mmo_name = 1;
	memset(&mmo_arena.mms[0], 0, sizeof(mmo_arena.mms[0]));
	init_mm.mm_users.counter = init_mm.mm_count.counter = MMO_INIT_MM_COUNT;
	mmo_mm_life[0] = SLOT_LIVE;
	for (int slot = 0; slot < 3; slot++) {
		slot_new_task(slot, 1, NULL)->flags |= PF_KTHREAD;
		list_add_last(&MMO_TASK(slot)->thread_node, &MMO_TASK(slot)->signal->thread_head);
	}
	kthreadd->real_parent = kthreadd->parent = &init_task;
	list_add_last(&kthreadd->sibling, &init_task.children);
	kworker->real_parent = kworker->parent = kthreadd;
	slot_full = NULL;
	mmo_step_limit = STEPS;
	co_run_alone(boot, NULL);
}
