/* tracker.c: operations and questions of the line protocol as calls of a library that has its own world.
 *
 * Each call runs on a coroutine, as the world's operations do: a crash or a loop without end
 * gives the call up.
 */
#include "lib.h"

#include <stdio.h>
#include <string.h>

_Static_assert((int)MMO_VM == (int)OP_VM && (int)MMO_THREAD == (int)OP_THREAD &&
	       (int)MMO_PARENT == (int)OP_PARENT && (int)MMO_VFORK == (int)OP_VFORK,
	       "flags go through as they are");

enum { OPERATIONS = OP_GET_TASK_MM, MOST_NAMES = 1 << 14 };

enum question { Q_OWNER, Q_USERS, Q_STATE, Q_BILL, Q_LRU, Q_CALLBACKS, Q_INIT_MM_OWNER, QUESTIONS };

static const char *const question_words[QUESTIONS] = {
	"owner", "users", "state", "bill", "lru", "callbacks", "init_mm_owner",
};

static void *operations[OPERATIONS], *questions[QUESTIONS];
static int (*reset_world)(void);
static const char *(*why)(void);
static uint32_t (*open_tracker)(uint32_t abi);
static uint32_t abi;
/* The names that were given since the last reset: the library is asked for each of them. */
static int mms[MOST_NAMES], cgroups[MOST_NAMES];
static int mm_count, cgroup_count;

/* ---- opening ---- */

static void ask_abi(struct co *co)
{
	(void)co;
	abi = open_tracker(MMO_ABI);
}

static void *symbol_of(const char *word)
{
	char symbol[40];

	snprintf(symbol, sizeof(symbol), "mmo_%s", word);
	return lib_symbol(symbol);
}

static enum front_done perform(const struct op *op, struct out *out);
static enum front_done reset(struct out *out);
static enum front_done ask(const struct json *request, struct out *out, const char **error);

const char *tracker_open(struct front *front)
{
	const char *broken;
	int known = 0;

	for (int kind = 0; kind < OPERATIONS; kind++) {
		operations[kind] = symbol_of(op_word(&(struct op){ .kind = (enum op_kind)kind }));
		known += operations[kind] != NULL;
	}
	for (int i = 0; i < QUESTIONS; i++)
		questions[i] = symbol_of(question_words[i]);
	open_tracker = lib_symbol("mmo_tracker_open");
	reset_world = lib_symbol("mmo_reset");
	why = lib_symbol("mmo_why");
	if (!reset_world)
		return lib_why("exports mmo_tracker_open() and no mmo_reset(): the tracker level needs it.");
	if (!known || !questions[Q_OWNER])
		return lib_why("exports %s: there is nothing to judge. A useful tracker exports mmo_clone(), "
			       "mmo_exit() and mmo_owner() (see mmowner.h).",
			       known ? "no mmo_owner()" : "no operation, as mmo_clone()");
	front->perform = perform;
	front->reset = reset;
	front->ask = ask;
	broken = lib_run(ask_abi, NULL);
	if (broken)
		return lib_why("breaks in mmo_tracker_open(): %s.", broken);
	return lib_abi("mmo_tracker_open", abi);
}

static const char *extra[2];

static void ask_extra(struct co *co)
{
	const char *(*capabilities)(void) = lib_symbol("mmo_capabilities");
	const char *(*without)(void) = lib_symbol("mmo_without");

	(void)co;
	extra[0] = capabilities ? capabilities() : NULL;
	extra[1] = without ? without() : NULL;
}

void tracker_start(struct out *out)
{
	const char *comma = ", ";

	lib_run(ask_extra, NULL);
	out_raw(out, ", \"capabilities\": [\"program\"");
	for (int kind = 0; kind < OPERATIONS; kind++)
		if (operations[kind])
			lib_words(out, op_word(&(struct op){ .kind = (enum op_kind)kind }), &comma);
	for (int i = 0; i < QUESTIONS; i++)
		if (questions[i])
			lib_words(out, question_words[i], &comma);
	lib_words(out, extra[0] ? extra[0] : "", &comma);
	out_raw(out, "]");
	if (!extra[1])
		return;
	comma = "";
	out_raw(out, ", \"without\": [");
	lib_words(out, extra[1], &comma);
	out_raw(out, "]");
}

/* ---- one call ---- */

static struct {
	const char *word;
	enum question question;
	uint32_t name;      /* what is asked for */
	int answer;
	char why[LIB_TEXT * 2];
	/* what was answered, by the question's type */
	uint32_t number;
	uint64_t pages;
	int32_t owner;
	struct mmo_callback callback;
} made;

static void note_why(void)
{
	const char *text = made.answer != MMO_OK && why ? why() : NULL;

	snprintf(made.why, sizeof(made.why), "%s", text ? text : "");
}

/* What is no MMO_OK, said as the protocol has it. */
static enum front_done say(struct out *out)
{
	static const char *const kinds[] = { "", "refused", "untestable", "error" };
	char text[LIB_TEXT * 3];

	if (made.answer == MMO_OK)
		return FRONT_DONE;
	if (made.answer >= MMO_REFUSED && made.answer <= MMO_ERROR) {
		out_raw(out, "\"%s\": ", kinds[made.answer]);
		snprintf(text, sizeof(text), "%s", made.why[0] ? made.why : "it does not say why (mmo_why())");
	} else {
		out_raw(out, "\"error\": ");
		snprintf(text, sizeof(text), "mmo_%s() of the library answers %d, which means nothing",
			 made.word, made.answer);
	}
	out_text(out, text);
	return FRONT_SAID;
}

static int call(const struct op *op, void *function)
{
	uint32_t task = (uint32_t)op->task, child = (uint32_t)op->child, mm = (uint32_t)op->mm;
	uint32_t ref = (uint32_t)op->ref, cgroup = (uint32_t)op->cgroup, flags = op->flags;
	int (*one)(uint32_t) = function;
	int (*two)(uint32_t, uint32_t) = function;

	switch (op->kind) {
	case OP_CLONE:
		return ((int (*)(uint32_t, uint32_t, uint32_t, uint32_t))function)(task, child, flags, mm);
	case OP_CLONE_FAILS:
		return ((int (*)(uint32_t, uint32_t, uint32_t, uint32_t, int, uint32_t))function)
			(task, child, flags, mm, op->late ? MMO_AT_LATE : MMO_AT_DUP_MM, ref);
	case OP_EXEC: case OP_USE_MM:
		return two(task, mm);
	case OP_HOLD: case OP_PUT:
		return two(mm, ref);
	case OP_KTHREAD:
		return one(child);
	case OP_TRACE:
		return two(task, (uint32_t)op->tracer);
	case OP_CGROUP:
		return two(cgroup, (uint32_t)op->parent);
	case OP_ATTACH:
		return two(task, cgroup);
	case OP_CHARGE:
		return two(task, (uint32_t)op->pages);
	case OP_SUBSYSTEM:
		return ((int (*)(const char *))function)(op->name);
	default: /* exit, reap, unuse_mm, exec_fails, untrace, subreaper */
		return one(task);
	}
}

static void run_operation(struct co *co)
{
	made.answer = call(co->op, operations[co->op->kind]);
	note_why();
}

static void remember(int *names, int *count, int name)
{
	if (name > 0 && *count < MOST_NAMES)
		names[(*count)++] = name;
}

static enum front_done perform(const struct op *op, struct out *out)
{
	made.word = op_word(op);
	if ((int)op->kind >= OPERATIONS || !operations[op->kind]) {
		out_raw(out, "\"error\": \"the library exports no mmo_%s()\"", made.word);
		return FRONT_SAID;
	}
	if (op->kind == OP_CGROUP)
		remember(cgroups, &cgroup_count, op->cgroup);
	else if (op->kind == OP_CLONE || op->kind == OP_EXEC || op->kind == OP_CLONE_FAILS)
		remember(mms, &mm_count, op->mm);
	return lib_run(run_operation, op) ? FRONT_BROKEN : say(out);
}

static void run_reset(struct co *co)
{
	(void)co;
	made.answer = reset_world();
	note_why();
}

static enum front_done reset(struct out *out)
{
	made.word = "reset";
	mm_count = cgroup_count = 0;
	remember(mms, &mm_count, 1);
	remember(cgroups, &cgroup_count, 1);
	return lib_run(run_reset, NULL) ? FRONT_BROKEN : say(out);
}

/* ---- questions ---- */

static void run_question(struct co *co)
{
	void *function = questions[made.question];

	(void)co;
	switch (made.question) {
	case Q_OWNER: case Q_USERS: case Q_STATE: case Q_LRU:
		made.number = 0;
		made.answer = ((int (*)(uint32_t, uint32_t *))function)(made.name, &made.number);
		break;
	case Q_BILL:
		made.pages = 0;
		made.answer = ((int (*)(uint32_t, uint64_t *))function)(made.name, &made.pages);
		break;
	case Q_CALLBACKS:
		made.callback = (struct mmo_callback){ 0 };
		made.answer = ((int (*)(uint32_t, struct mmo_callback *))function)(made.name,
										  &made.callback);
		break;
	default:
		made.owner = -1;
		made.answer = ((int (*)(int32_t *))function)(&made.owner);
	}
	note_why();
}

static enum front_done ask_library(uint32_t name)
{
	made.name = name;
	return lib_run(run_question, NULL) ? FRONT_BROKEN : FRONT_DONE;
}

static void write_or_null(struct out *out, int32_t number)
{
	if (number < 0)
		out_raw(out, "null");
	else
		out_raw(out, "%d", number);
}

/* {"name": number, ...} over all names that were given. */
static enum front_done write_each(struct out *out, const int *names, int count, bool none)
{
	const char *comma = "";

	out_raw(out, "{");
	for (int i = none ? -1 : 0; i < count; i++) {
		enum front_done done = ask_library(i < 0 ? 0 : (uint32_t)names[i]);
		unsigned long long value = made.question == Q_BILL ? made.pages : made.number;

		if (done != FRONT_DONE || made.answer != MMO_OK)
			return done;
		if (!value)
			continue;
		if (i < 0)
			out_raw(out, "%s\"none\": %llu", comma, value);
		else
			out_raw(out, "%s\"%d\": %llu", comma, names[i], value);
		comma = ", ";
	}
	out_raw(out, "}");
	return FRONT_DONE;
}

static enum front_done write_callbacks(struct out *out)
{
	out_raw(out, "[");
	for (uint32_t i = 0; ; i++) {
		const struct mmo_callback *found = &made.callback;
		enum front_done done = ask_library(i);

		if (done == FRONT_DONE && made.answer == MMO_REFUSED)
			break;
		if (done != FRONT_DONE || made.answer != MMO_OK)
			return done;
		out_raw(out, "%s{\"subsystem\": ", i ? ", " : "");
		out_text(out, found->subsystem ? found->subsystem : "");
		out_raw(out, ", \"old\": ");
		write_or_null(out, found->old_owner);
		out_raw(out, ", \"new\": ");
		write_or_null(out, found->new_owner);
		out_raw(out, ", \"seen\": ");
		write_or_null(out, found->seen);
		if (found->has_task) {
			out_raw(out, ", \"task\": ");
			write_or_null(out, found->task);
		}
		out_raw(out, "}");
	}
	made.answer = MMO_OK;
	out_raw(out, "]");
	return FRONT_DONE;
}

static enum front_done write_answer(struct out *out, uint32_t mm, uint32_t task)
{
	static const char *const states[] = { "live", "zombie", "gone" };
	enum front_done done;

	if (made.question == Q_BILL)
		return write_each(out, cgroups, cgroup_count, true);
	if (made.question == Q_LRU)
		return write_each(out, mms, mm_count, false);
	if (made.question == Q_CALLBACKS)
		return write_callbacks(out);
	done = ask_library(made.question == Q_STATE ? task : mm);
	if (done != FRONT_DONE)
		return done;
	if (made.question == Q_OWNER && made.answer == MMO_PROCESS) {
		made.answer = MMO_OK;
		out_raw(out, "{\"process\": %u}", made.number);
	} else if (made.answer != MMO_OK) {
		return done;
	} else if (made.question == Q_STATE) {
		if (made.number > MMO_GONE)
			made.answer = -1 - (int)(made.number % 1000);
		else
			out_raw(out, "\"%s\"", states[made.number]);
	} else if (made.question == Q_INIT_MM_OWNER) {
		write_or_null(out, made.owner);
	} else if (made.question == Q_OWNER && !made.number) {
		out_raw(out, "null");
	} else {
		out_raw(out, "%u", made.number);
	}
	return done;
}

static enum front_done ask(const struct json *request, struct out *out, const char **error)
{
	static char text[LIB_TEXT * 3];
	const struct json *asked = json_get(request, "ask"), *mm = json_get(request, "mm"),
			  *task = json_get(request, "task");
	const char *word = asked && asked->kind == JSON_TEXT ? asked->text : "";
	enum front_done done;
	int which = 0;

	while (which < QUESTIONS && strcmp(word, question_words[which]) != 0)
		which++;
	*error = text;
	if (which == QUESTIONS || !questions[which]) {
		snprintf(text, sizeof(text), "the library exports no mmo_%.40s()", word);
		return FRONT_SAID;
	}
	made.question = (enum question)which;
	made.word = question_words[which];
	done = write_answer(out, mm ? (uint32_t)mm->number : 0, task ? (uint32_t)task->number : 0);
	if (done == FRONT_BROKEN) {
		snprintf(text, sizeof(text), "mmo_%s(): %s", word,
			 mmo_findings[mmo_finding_count - 1].text);
		return done;
	}
	if (made.answer == MMO_OK)
		return FRONT_DONE;
	if (made.answer >= MMO_REFUSED && made.answer <= MMO_ERROR)
		snprintf(text, sizeof(text), "mmo_%s() does not answer: %s", word,
			 made.why[0] ? made.why : "it does not say why (mmo_why())");
	else
		snprintf(text, sizeof(text), "mmo_%s() of the library answers what means nothing", word);
	return FRONT_SAID;
}
