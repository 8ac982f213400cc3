/* check_vectors.c: hold the owner rules of this directory to test vectors, without Python.
 *
 * Reads the lines that `mmowner vectors` writes (docs/vectors.md) and calls the operations
 * directly. To check a kernel of your own, put it behind ops.c and write answer() anew.
 *
 *	./check_vectors DIR/vectors.jsonl
 *
 * Exit status: 0 all answers are right, 1 some are wrong, 2 the file is no vectors.
 */
#include "json.h"
#include "ops.h"
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct world world;
static long cases, wrong_cases, operations, answers;

/* Where we are, for messages. */
static struct {
	const char *file;
	long line, id, number;	/* of the case, and of the operation in it */
	const char *op;
} here;

static void malformed(const char *why)
{
	fprintf(stderr, "%s:%ld: no vectors: %s\n", here.file, here.line, why);
	exit(2);
}

/* -- the kernel under test ------------------------------------------------------------- */

/* Our answer as JSON; whoever asks about an mm that is no more gets none. */
static const char *answer(const char *ask, long name)
{
	static const char *const words[] = {
		[LIVE] = "\"live\"", [ZOMBIE] = "\"zombie\"", [GONE] = "\"gone\"",
	};
	static char text[32];
	const struct task *task = find(&world.tasks, name);
	const struct mm *mm = find(&world.mms, name);

	if (json_is(ask, "state"))
		return words[task ? task->state : GONE];
	if (!json_is(ask, "owner") && !json_is(ask, "users"))
		malformed("questions are owner, users and state");
	if (!mm_exists(mm))
		return "that there is no such mm";
	if (json_is(ask, "owner") && !mm->owner)
		return "null";
	snprintf(text, sizeof(text), "%ld", json_is(ask, "users") ? mm->users : mm->owner->key.name);
	return text;
}

/* Performs the operation; returns why not, if it was refused. */
static const char *perform(const char *object)
{
	struct op op;
	const char *why = read_op(object, &op);

	if (why)
		malformed(why);
	why = op.type->refuse(&world, &op);
	if (!why)
		op.type->perform(&world, &op);
	return why;
}

/* -- comparing ------------------------------------------------------------------------- */

/* Only the first mismatch is told: what follows it often follows from it. */
static bool mismatch(void)
{
	if (wrong_cases++)
		return false;
	printf("%s:%ld: case %ld, operation %ld, %.*s}:\n  ", here.file, here.line, here.id,
	       here.number, (int)strcspn(here.op, "}"), here.op);
	return true;
}

/* One answer of a set: [question, name, value]. */
struct expected {
	const char *ask, *value;
	long name;
};

static struct expected read_expected(const char *triple)
{
	struct expected it = { .ask = json_first(triple) };
	const char *name = it.ask ? json_next(it.ask) : NULL;

	it.value = name ? json_next(name) : NULL;
	if (!it.value || !json_integer(name, &it.name))
		malformed("an answer is a list: question, name, value");
	return it;
}

static bool is_right(const struct expected *it)
{
	const char *ours = answer(it->ask, it->name);
	size_t length = strlen(ours);

	return !strncmp(it->value, ours, length) && strchr(",] \t", it->value[length]);
}

/* The first wrong answer of a set, or NULL: then all of them are ours. */
static const char *first_wrong(const char *set)
{
	for (const char *triple = json_first(set); triple; triple = json_next(triple)) {
		struct expected it = read_expected(triple);

		if (!is_right(&it))
			return triple;
	}
	return NULL;
}

/* Where the kernel defines no order there are several sets; one of them must be ours. */
static bool compare(const char *sets)
{
	const char *set = json_first(sets), *wrong;
	struct expected it;
	int count = 0;

	if (!set)
		return true;	/* nothing is asked here */
	answers++;
	for (; set; set = json_next(set), count++)
		if (!first_wrong(set))
			return true;
	if (!mismatch())
		return false;
	wrong = first_wrong(json_first(sets));
	it = read_expected(wrong);
	printf("%.5s(%ld) is %s, expected %.*s%s\n", it.ask + 1, it.name, answer(it.ask, it.name),
	       (int)strcspn(it.value, "]"), it.value,
	       count > 1 ? ", or another set of answers; none fits" : "");
	return false;
}

static void run_case(const char *op, const char *sets)
{
	world_reset(&world);
	for (here.number = 1; op; here.number++) {
		const char *why;

		here.op = op;
		why = perform(op);
		if (why && mismatch())
			printf("refused (%s), expected to be performed\n", why);
		if (why || !compare(sets))
			return;
		operations++;
		op = json_next(op);
		sets = json_next(sets);
	}
}

/* -- the file -------------------------------------------------------------------------- */

/* Standard C has no getline. The text stays valid until the next call. */
static const char *read_line(FILE *file)
{
	static char *text;
	static size_t room;
	size_t used = 0;
	int c = '\0';

	here.line++;
	while (c != '\n' && (c = getc(file)) != EOF) {
		if (room - used < 2) {
			room = 2 * room + 8192;
			text = realloc(text, room);
			if (!text)
				malformed("no memory for the line");
		}
		text[used++] = (char)c;
	}
	if (ferror(file))
		malformed("it cannot be read to its end");
	if (!used)
		return NULL;
	text[used] = '\0';
	if (strlen(text) != used)
		malformed("a line is text");
	return text;
}

static void check_line(const char *line)
{
	const char *ops = json_valid(line) ? json_member(line, "ops") : NULL;
	const char *sets = ops ? json_member(line, "answers") : NULL;

	if (!json_is_list(ops) || !json_is_list(sets) ||
	    !json_integer(json_member(line, "id"), &here.id))
		malformed("a line is an object with id, ops and answers");
	if (!json_same_length(ops, sets))
		malformed("ops and answers are lists of the same length");
	cases++;
	run_case(json_first(ops), json_first(sets));
}

int main(int argc, char **argv)
{
	const char *line;
	FILE *file;

	if (argc != 2) {
		fprintf(stderr, "usage: %s vectors.jsonl\n", argv[0]);
		return 2;
	}
	here.file = argv[1];
	file = fopen(here.file, "r");
	if (!file)
		malformed("it cannot be opened");
	while ((line = read_line(file)))
		check_line(line);
	if (!cases)
		malformed("there is no case in it");
	printf("%s: %ld cases, %ld operations, asked after %ld: ", here.file, cases, operations,
	       answers);
	if (wrong_cases)
		printf("%ld cases are WRONG\n", wrong_cases);
	else
		printf("all right\n");
	return wrong_cases != 0;
}
