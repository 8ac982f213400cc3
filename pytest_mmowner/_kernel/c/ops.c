/* ops.c: JSON to operations, questions and schedules, and their answers to JSON. */
#include "ops.h"
#include "explore.h"
#include "front.h"

#include <stdio.h>
#include <string.h>

enum { RECENT_TOLD = 6 };

static long number(const struct json *request, const char *key, long otherwise)
{
	const struct json *found = json_get(request, key);

	return found && (found->kind == JSON_INT || found->kind == JSON_BOOL) ? found->number
									      : otherwise;
}

static const char *word(const struct json *request, const char *key)
{
	const struct json *found = json_get(request, key);

	return found && found->kind == JSON_TEXT ? found->text : "";
}

static unsigned int flags_of(const struct json *request)
{
	static const struct { const char *name; unsigned int bit; } known[] = {
		{ "VM", OP_VM }, { "THREAD", OP_THREAD }, { "PARENT", OP_PARENT }, { "VFORK", OP_VFORK },
	};
	const struct json *list = json_get(request, "flags");
	unsigned int flags = 0;

	for (const struct json *item = list ? list->first : NULL; item; item = item->next)
		for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
			if (item->kind == JSON_TEXT && !strcmp(item->text, known[i].name))
				flags |= known[i].bit;
	return flags;
}

bool op_read(const struct json *request, struct op *op, const char **error)
{
	const char *name = word(request, "op");

	memset(op, 0, sizeof(*op));
	for (int kind = 0; kind < OP_KINDS; kind++) {
		op->kind = (enum op_kind)kind;
		if (strcmp(op_word(op), name) != 0)
			continue;
		op->task = (int)number(request, "task", 0);
		op->child = (int)number(request, "child", 0);
		op->mm = (int)number(request, "mm", 0);
		op->ref = (int)number(request, "ref", 0);
		op->cgroup = (int)number(request, "cgroup", 0);
		op->parent = (int)number(request, "parent", 0);
		op->tracer = (int)number(request, "tracer", 0);
		op->pages = (int)number(request, "pages", 1);
		op->flags = flags_of(request);
		op->late = strcmp(word(request, "at"), "dup_mm") != 0;
		snprintf(op->name, sizeof(op->name), "%s", word(request, "name"));
		if (op->ref < 0 || op->ref >= 1 << 14) {
			*error = "a reference has a number that the C world has no room for";
			return false;
		}
		return true;
	}
	*error = "the C world does not know this operation";
	return false;
}

void capabilities_write(struct out *out, const char *except)
{
	static const char *const words[] = {
		"clone", "exit", "exec", "reap", "hold", "put", "kthread", "use_mm", "unuse_mm",
		"clone_fails", "exec_fails", "trace", "untrace", "subreaper", "cgroup", "attach",
		"charge", "subsystem", "owner", "users", "state", "bill", "callbacks", "lru",
		"init_mm_owner", "attach:thread",
	};

	out_raw(out, "[\"program\"");
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strcmp(words[i], except) != 0)
			out_raw(out, ", \"%s\"", words[i]);
	out_raw(out, "]");
}

/* ---- questions ---- */

static void write_task(struct out *out, int task)
{
	if (task < 0)
		out_raw(out, "null");
	else
		out_raw(out, "%d", task);
}

static void write_bill(struct out *out)
{
	const char *comma = "";

	out_raw(out, "{");
	for (int i = 1; i < MMO_CGROUPS; i++) {
		if (!world_log.pages[i])
			continue;
		out_raw(out, "%s\"%d\": %ld", comma, i, world_log.pages[i]);
		comma = ", ";
	}
	if (world_log.unpaid) {
		out_raw(out, "%s\"none\": %ld", comma, world_log.unpaid);
		comma = ", ";
	}
	if (world_log.lost)
		out_raw(out, "%s\"freed\": %ld", comma, world_log.lost);
	out_raw(out, "}");
}

static void write_lru(struct out *out)
{
	const char *comma = "";

	out_raw(out, "{");
	for (int slot = 1; slot < world_top_mm; slot++) {
		if (mmo_mm_life[slot] != SLOT_LIVE || !world_log.lru[slot])
			continue;
		out_raw(out, "%s\"%d\": %d", comma, mmo_mm_name[slot], world_log.lru[slot]);
		comma = ", ";
	}
	out_raw(out, "}");
}

static void write_calls(struct out *out)
{
	out_raw(out, "[");
	for (int i = 0; i < world_log.call_count; i++) {
		const struct call *call = &world_log.calls[i];

		out_raw(out, "%s{\"subsystem\": ", i ? ", " : "");
		out_text(out, call->subsystem);
		out_raw(out, ", \"old\": ");
		write_task(out, world_era.callbacks == 1 ? call->old : call->old_cgroup);
		out_raw(out, ", \"new\": ");
		write_task(out, world_era.callbacks == 1 ? call->new_task : call->new_cgroup);
		out_raw(out, ", \"seen\": %d", call->seen);
		if (world_era.callbacks == 3) {
			out_raw(out, ", \"task\": ");
			write_task(out, call->new_task);
		}
		out_raw(out, "}");
	}
	out_raw(out, "]");
}

bool ask_answer(const struct json *request, struct out *out, const char **error)
{
	const char *ask = word(request, "ask");
	int mm = (int)number(request, "mm", 0), task = (int)number(request, "task", 0);

	if (!strcmp(ask, "owner")) {
		int owner = world_owner(mm);

		if (owner == -1) {
			*error = "there is no such mm";
			return false;
		}
		write_task(out, owner ? owner : -1);
	} else if (!strcmp(ask, "users")) {
		out_raw(out, "%d", world_users(mm));
	} else if (!strcmp(ask, "state")) {
		out_raw(out, "\"%s\"", world_state(task));
	} else if (!strcmp(ask, "bill")) {
		write_bill(out);
	} else if (!strcmp(ask, "lru")) {
		write_lru(out);
	} else if (!strcmp(ask, "callbacks")) {
		write_calls(out);
	} else if (!strcmp(ask, "init_mm_owner")) {
		write_task(out, world_init_mm_owner());
	} else {
		*error = "the C world does not know this question";
		return false;
	}
	return true;
}

/* ---- findings ---- */

/* An address of this program, or "file+offset" of a library. */
static void write_pc(struct out *out, const void *pc, char *function, size_t size)
{
	char text[4096 + 32];

	function[0] = '\0';
	if (mmo_front && mmo_front->place(pc, text, sizeof(text), function, size))
		out_text(out, text);
	else
		out_raw(out, "\"%#lx\"", (unsigned long)pc);
}

static void write_place(struct out *out, const void *pc)
{
	char function[100];

	out_raw(out, "\"pc\": ");
	write_pc(out, pc, function, sizeof(function));
	if (function[0]) {
		out_raw(out, ", \"function\": ");
		out_text(out, function);
	}
}

static void write_finding(struct out *out, const struct finding *finding)
{
	out_raw(out, "{\"kind\": \"%s\", \"fatal\": %s, \"text\": ", mmo_kind_names[finding->kind],
		finding->fatal ? "true" : "false");
	out_text(out, finding->text);
	out_raw(out, ", \"op\": ");
	out_text(out, finding->op ? finding->op : "");
	out_raw(out, ", \"task\": %d, \"who\": %d, \"preemptions\": %d, \"schedule\": \"%s\", "
		"\"event\": %d, ", finding->task, finding->co, finding->preemptions, finding->schedule,
		finding->event);
	write_place(out, finding->pc);
	out_raw(out, "}");
}

void findings_write(struct out *out)
{
	out_raw(out, "[");
	for (int i = 0; i < mmo_finding_count; i++) {
		if (i)
			out_raw(out, ", ");
		write_finding(out, &mmo_findings[i]);
	}
	out_raw(out, "]");
}

static void write_address(char *text, size_t size, void *pc)
{
	char function[100] = "", place[4096 + 32];

	if (mmo_front && mmo_front->place(pc, place, sizeof(place), function, sizeof(function)))
		snprintf(text, size, "%s%s%s", place, function[0] ? ", " : "", function);
	else
		snprintf(text, size, "%#lx", (unsigned long)pc);
}

/* The events that led there, the last one first: of an operation that ran alone. */
static void write_recent(char *text, size_t size)
{
	static const char *const words[] = { "reads", "shares", "lets go of", "writes", "locks",
					     "unlocks", "frees" };
	char what[100], last[100] = "", place[4096 + 140];
	size_t used = 0;
	int told = 0;

	text[0] = '\0';
	for (unsigned int back = 1; back <= EXPLORE_RECENT && back <= explore_recent_count; back++) {
		const struct explore_event *event =
			&explore_recent[(explore_recent_count - back) % EXPLORE_RECENT];

		/* Plain accesses of the world's own say little. */
		if (!event->task && (event->how == A_READ || event->how == A_WRITE))
			continue;
		mmo_describe(event->location, what, sizeof(what));
		if (!strcmp(what, last))
			continue;
		snprintf(last, sizeof(last), "%s", what);
		write_address(place, sizeof(place), event->pc);
		used += (size_t)snprintf(text + used, size - used, "%s%s %s at %s",
					 told ? ", before that " : "; before that it ",
					 words[event->how], what, place);
		if (used >= size || ++told == RECENT_TOLD)
			return;
	}
}

void finding_line(struct out *out, const struct finding *finding)
{
	static char text[1 << 16], recent[1 << 15];
	char place[4096 + 140];

	write_address(place, sizeof(place), finding->pc);
	write_recent(recent, sizeof(recent));
	snprintf(text, sizeof(text), "%s: %s (operation %s, task %d) at %s%s",
		 mmo_kind_names[finding->kind], finding->text, finding->op ? finding->op : "",
		 finding->task, place, recent);
	out_text(out, text);
}

/* ---- schedules ---- */

static int read_ops(const struct json *list, struct op *ops, int most, const char **error)
{
	int count = 0;

	for (const struct json *item = list ? list->first : NULL; item; item = item->next) {
		if (count == most) {
			*error = "too many operations for one scene";
			return -1;
		}
		if (!op_read(item, &ops[count++], error))
			return -1;
	}
	return count;
}

static bool read_scene(const struct json *request, struct explore_scene *scene, const char **error)
{
	memset(scene, 0, sizeof(*scene));
	scene->setup_count = read_ops(json_get(request, "setup"), scene->setup, EXPLORE_OPS, error);
	scene->overlap_count = read_ops(json_get(request, "overlap"), scene->overlap, MMO_COS, error);
	scene->after_count = read_ops(json_get(request, "after"), scene->after, EXPLORE_OPS, error);
	if (scene->setup_count < 0 || scene->overlap_count < 0 || scene->after_count < 0)
		return false;
	if (!scene->overlap_count)
		*error = "a scene has operations that overlap";
	return scene->overlap_count > 0;
}

static void write_result(struct out *out, const struct explore_result *result)
{
	if (result->broken) {
		out_raw(out, "\"error\": ");
		out_text(out, result->broken);
		return;
	}
	out_raw(out, "\"answer\": {\"schedules\": %llu, \"pruned\": %llu, \"distinct\": %llu, "
		"\"complete\": %s, \"outcomes\": [", (unsigned long long)result->schedules,
		(unsigned long long)result->pruned, (unsigned long long)result->last_pass,
		result->complete ? "true" : "false");
	for (int i = 0; i < result->outcome_count; i++) {
		if (i)
			out_raw(out, ", ");
		out_text(out, result->outcomes[i]);
	}
	out_raw(out, "], \"findings\": ");
	findings_write(out);
}

static struct explore_scene scene;
static struct explore_result result;

void do_explore(const struct json *request, struct out *out)
{
	struct explore_options options = {
		.bound = (int)number(request, "bound", 2),
		.reduction = (int)number(request, "reduction", 2),
		.random = number(request, "random", 0), .seed = (uint64_t)number(request, "seed", 1),
		.limit = (uint64_t)number(request, "limit", 1000000),
		.stop_early = number(request, "stop_early", 0),
	};
	const char *error = NULL;

	mmo_finding_count = 0;
	if (!read_scene(request, &scene, &error)) {
		out_raw(out, "\"error\": ");
		out_text(out, error);
		return;
	}
	explore_all(&scene, &options, &result);
	write_result(out, &result);
	if (!result.broken)
		out_raw(out, "}");
}

void do_reached(struct out *out)
{
	const char *comma = "";

	out_raw(out, "\"answer\": [");
	for (int i = 0; i < MMO_EDGES; i++) {
		if (!mmo_edges[i].to)
			continue;
		out_raw(out, "%s[%lu, %lu]", comma, (unsigned long)mmo_edges[i].from,
			(unsigned long)mmo_edges[i].to);
		comma = ", ";
	}
	out_raw(out, "]");
}

void do_follow(const struct json *request, struct out *out)
{
	const char *error = "no schedule: letters for operations, each with a number of points";
	char place[100], function[100];

	mmo_finding_count = 0;
	if (!read_scene(request, &scene, &error) ||
	    !explore_follow(&scene, word(request, "schedule"), &result)) {
		out_raw(out, "\"error\": ");
		out_text(out, error);
		return;
	}
	write_result(out, &result);
	if (result.broken)
		return;
	out_raw(out, ", \"events\": [");
	for (int i = 0; i < explore_event_count; i++) {
		const struct explore_event *event = &explore_events[i];

		mmo_describe(event->location, place, sizeof(place));
		out_raw(out, "%s[%d, \"%c\", %d, ", i ? ", " : "", event->co, "rsuwLUf"[event->how],
			event->task < 0 ? -1 : mmo_task_name[event->task]);
		out_text(out, place);
		out_raw(out, ", ");
		write_pc(out, event->pc, function, sizeof(function));
		out_raw(out, "]");
	}
	out_raw(out, "]}");
}
