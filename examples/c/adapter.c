/* adapter.c: a candidate for pytest-mmowner, as an example of the line protocol.
 *
 * One JSON object a line comes in, one goes out (docs/protocol.md). This file only
 * translates: how an operation is written is in ops.c, what it does in world.c, what is
 * refused in legal.c. To test a kernel of your own, keep this file, ops.c and json.c, and
 * put yours behind the table of operations in ops.c.
 */
#define _POSIX_C_SOURCE 200809L	/* getline */

#include "json.h"
#include "ops.h"
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char capabilities[] =
	"[\"clone\", \"exit\", \"exec\", \"reap\", \"hold\", \"put\", \"kthread\", \"use_mm\", "
	"\"unuse_mm\", \"clone_fails\", \"exec_fails\", \"trace\", \"untrace\", \"subreaper\", "
	"\"cgroup\", \"attach\", \"charge\", \"owner\", \"users\", \"state\", \"bill\", "
	"\"program\", \"refuse\", \"attach:thread\"]";

/* What an answer says when it is no answer; an empty kind means that all went well. */
struct failure {
	const char *kind;	/* "refused" or "error" */
	const char *why;
};

static bool fail(struct failure *failure, const char *kind, const char *why)
{
	*failure = (struct failure){ kind, why };
	return false;
}

/* -- performing an operation ------------------------------------------------------------ */

/* Nothing changes before it is known that the operation is well formed and legal. */
static bool perform(struct world *w, const char *object, struct failure *failure)
{
	struct op op;
	const char *why = read_op(object, &op);

	if (why)
		return fail(failure, "error", why);
	why = op.type->refuse(w, &op);
	if (why)
		return fail(failure, "refused", why);
	op.type->perform(w, &op);
	return true;
}

/* -- questions ------------------------------------------------------------------------- */

static bool answer_owner(const struct mm *mm, struct out *out)
{
	if (mm->owner)
		out_format(out, "%ld", mm->owner->key.name);
	else
		out_format(out, "null");
	return true;
}

/* A name that was never used is as gone as one whose task was reaped. */
static bool answer_state(const struct task *task, struct out *out)
{
	static const char *const words[] = { [LIVE] = "live", [ZOMBIE] = "zombie", [GONE] = "gone" };

	out_string(out, words[task ? task->state : GONE]);
	return true;
}

static bool answer_bill(const struct world *w, struct out *out)
{
	out_format(out, "{");
	for (int i = 0; i < BUCKETS; i++) {
		for (struct named *at = w->cgroups.bucket[i]; at; at = at->chain) {
			out_comma(out);
			out_format(out, "\"%ld\": %ld", at->name, ((struct cgroup *)at)->pages);
		}
	}
	out_format(out, "}");
	return true;
}

static bool answer_question(const struct world *w, const char *object, struct out *out,
			    struct failure *failure)
{
	const char *ask = json_member(object, "ask");
	const struct mm *mm = NULL;
	long name;

	if (json_is(ask, "bill"))
		return answer_bill(w, out);
	if (json_is(ask, "state"))
		return read_name(object, "task", &name) ?
		       answer_state(find(&w->tasks, name), out) :
		       fail(failure, "error", "task is a positive integer");
	if (!json_is(ask, "owner") && !json_is(ask, "users"))
		return fail(failure, "error", "unknown question");
	if (read_name(object, "mm", &name))
		mm = find(&w->mms, name);
	if (!mm_exists(mm))
		return fail(failure, "error", "there is no such mm");
	if (json_is(ask, "owner"))
		return answer_owner(mm, out);
	out_format(out, "%ld", mm->users);
	return true;
}

/* -- whole programs -------------------------------------------------------------------- */

/* One operation and the questions after it. Leaves no half list behind. */
static bool program_step(struct world *w, const char *object, const char *asks, struct out *out,
			 struct failure *failure)
{
	size_t mark = out->used;

	if (!json_is_list(asks))
		return fail(failure, "error", "asks has a list of questions for each operation");
	if (!perform(w, object, failure))
		return false;
	out_comma(out);
	out_format(out, "[");
	for (const char *ask = json_first(asks); ask; ask = json_next(ask)) {
		out_comma(out);
		if (!answer_question(w, ask, out, failure)) {
			out->used = mark;
			return false;
		}
	}
	out_format(out, "]");
	return true;
}

static void run_program(struct world *w, const char *object, struct out *out,
			struct failure *failure)
{
	const char *ops = json_member(object, "ops");
	const char *all_asks = json_member(object, "asks");
	const char *op = json_first(ops), *asks = json_first(all_asks);

	if (!json_is_list(ops) || !json_is_list(all_asks) || !json_same_length(ops, all_asks)) {
		fail(failure, "error", "ops and asks are lists of the same length");
		op = NULL;	/* nothing is performed */
	}
	world_reset(w);
	out_format(out, ", \"answers\": [");
	while (op && program_step(w, op, asks, out, failure)) {
		op = json_next(op);
		asks = json_next(asks);
	}
	out_format(out, "]");
}

/* -- one line -------------------------------------------------------------------------- */

static void start(struct out *out)
{
	out_format(out, ", \"protocol\": 1, \"name\": \"example-c\", \"version\": \"1.0\", "
		   "\"language\": \"C\", \"dialect\": \"6.11\", \"capabilities\": %s",
		   capabilities);
}

static void answer_op(struct world *w, const char *request, struct out *out,
		      struct failure *failure)
{
	const char *word = json_member(request, "op");

	if (json_is(word, "start")) {
		start(out);
	} else if (json_is(word, "program")) {
		run_program(w, request, out, failure);
	} else if (json_is(word, "reset")) {
		world_reset(w);
		out_format(out, ", \"ok\": true");
	} else if (json_is(word, "stop") || perform(w, request, failure)) {
		out_format(out, ", \"ok\": true");
	}
}

static void answer_ask(struct world *w, const char *request, struct out *out,
		       struct failure *failure)
{
	size_t mark = out->used;

	out_format(out, ", \"answer\": ");
	if (!answer_question(w, request, out, failure))
		out->used = mark;
}

/* Returns whether there is more to come. */
static bool answer(struct world *w, const char *line, size_t length, struct out *out)
{
	struct failure failure = { "", "" };
	const char *request = line + strspn(line, " \t");
	long seq;

	out_clear(out);
	if (strlen(line) != length || !json_valid(request)) {
		out_format(out, "{\"error\": \"this line is not one JSON value\"}\n");
		return true;
	}
	if (!json_integer(json_member(request, "seq"), &seq)) {
		out_format(out, "{\"error\": \"a request has an integer in seq\"}\n");
		return true;
	}
	out_format(out, "{\"seq\": %ld", seq);
	if (json_member(request, "ask"))
		answer_ask(w, request, out, &failure);
	else
		answer_op(w, request, out, &failure);
	if (*failure.kind) {
		out_format(out, ", \"%s\": ", failure.kind);
		out_string(out, failure.why);
	}
	out_format(out, "}\n");
	return !json_is(json_member(request, "op"), "stop");
}

int main(void)
{
	static struct world world;
	struct out out = { 0 };
	char *line = NULL;
	size_t size = 0;
	ssize_t length;
	bool more = true;

	world_reset(&world);
	while (more && (length = getline(&line, &size, stdin)) > 0) {
		more = answer(&world, line, (size_t)length, &out);
		fwrite(out.text, 1, out.used, stdout);
		fflush(stdout);	/* the suite waits for this line before it sends the next */
	}
	free(line);
	free(out.text);
	return 0;
}
