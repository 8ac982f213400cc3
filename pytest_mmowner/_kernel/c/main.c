/* main.c: the program: one request per line, one answer per line, as docs/protocol.md has it.
 *
 * usage: PROGRAM [field=value ...]   where fields are those of world_era
 */
#include "explore.h"
#include "front.h"
#include "ops.h"
#include "watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

enum { PROTOCOL = 1 };

struct front *mmo_front;

static struct out out;
static const char *unusable; /* why nothing will work: the answer to everything */
static bool broken; /* the last operation was given up: nothing but reset makes sense */

static void say_error(const char *text)
{
	out_raw(&out, "\"error\": ");
	out_text(&out, text);
}

static void say_broken(void)
{
	out_raw(&out, "\"error\": ");
	for (int i = mmo_finding_count - 1; i >= 0; i--) {
		if (!mmo_findings[i].fatal)
			continue;
		finding_line(&out, &mmo_findings[i]);
		break;
	}
	out_raw(&out, ", \"findings\": ");
	findings_write(&out);
}

/* What a tracker has made of a request: true when the answer is still to be written. */
static bool elsewhere(enum front_done done)
{
	broken |= done == FRONT_BROKEN;
	if (done == FRONT_BROKEN)
		say_broken();
	return done == FRONT_DONE;
}

static bool perform(const struct json *request)
{
	struct op op;
	const char *error = NULL;

	if (broken) {
		say_error("an operation before this one broke the world: send reset");
		return false;
	}
	if (!op_read(request, &op, &error)) {
		say_error(error);
		return false;
	}
	if (mmo_front && mmo_front->perform)
		return elsewhere(mmo_front->perform(&op, &out));
	if (!world_perform(&op)) {
		broken = true;
		say_broken();
		return false;
	}
	if (world_full()) {
		out_raw(&out, "\"untestable\": ");
		out_text(&out, world_full());
		return false;
	}
	return true;
}

static bool do_reset(void)
{
	watch_reset();
	broken = false;
	if (mmo_front && mmo_front->reset)
		return elsewhere(mmo_front->reset(&out));
	world_reset();
	for (int i = 0; i < mmo_finding_count; i++)
		broken |= mmo_findings[i].fatal;
	if (broken)
		say_broken();
	return !broken;
}

static bool ask(const struct json *request, const char **error)
{
	enum front_done done;

	if (!mmo_front || !mmo_front->ask)
		return ask_answer(request, &out, error);
	if (broken) {
		*error = "an operation before this one broke the world: send reset";
		return false;
	}
	done = mmo_front->ask(request, &out, error);
	broken |= done == FRONT_BROKEN;
	return done == FRONT_DONE;
}

static void do_program(const struct json *request)
{
	const struct json *ops = json_get(request, "ops"), *asks = json_get(request, "asks");
	const struct json *op = ops ? ops->first : NULL, *list = asks ? asks->first : NULL;
	const char *error = NULL, *comma = "";

	if (!do_reset())
		return;
	out_raw(&out, "\"answers\": [");
	for (; op && list; op = op->next, list = list->next) {
		size_t before = out.used;

		out_raw(&out, "], ");
		if (!perform(op))
			return;
		out.used = before;
		out_raw(&out, "%s[", comma);
		for (const struct json *asked = list->first; asked; asked = asked->next) {
			if (asked != list->first)
				out_raw(&out, ", ");
			if (ask(asked, &error))
				continue;
			out.used = before;
			out_raw(&out, "], ");
			say_error(error);
			return;
		}
		out_raw(&out, "]");
		comma = ", ";
	}
	out_raw(&out, "]");
}

static void write_start(void)
{
	out_raw(&out, "\"protocol\": %d", PROTOCOL);
	if (mmo_front) {
		mmo_front->start(&out);
		return;
	}
	out_raw(&out, ", \"name\": \"c-world\", \"language\": \"C\", \"capabilities\": ");
	capabilities_write(&out, "");
}

/* False when the program is to end. */
static bool handle(char *line)
{
	const char *error = NULL;
	const struct json *request = json_parse(line, &error);
	const struct json *seq = json_get(request, "seq"), *op = json_get(request, "op");
	const char *name = op && op->kind == JSON_TEXT ? op->text : "";

	out.used = 0;
	out_raw(&out, "{");
	if (seq && seq->kind == JSON_INT)
		out_raw(&out, "\"seq\": %ld, ", seq->number);
	if (!request) {
		say_error(error);
	} else if (!strcmp(name, "stop")) {
		out_raw(&out, "\"ok\": true}\n");
		return false;
	} else if (unusable) {
		say_error(unusable);
	} else if (!strcmp(name, "start")) {
		write_start();
	} else if (!strcmp(name, "reset")) {
		if (do_reset())
			out_raw(&out, "\"ok\": true");
	} else if (!strcmp(name, "program")) {
		do_program(request);
	} else if (mmo_front && mmo_front->perform && (!strcmp(name, "explore") || !strcmp(name, "follow"))) {
		say_error("a tracker has no schedules: only what is hosted has, a library of the rules level");
	} else if (!strcmp(name, "explore")) {
		do_explore(request, &out);
		broken = true;
	} else if (!strcmp(name, "follow")) {
		do_follow(request, &out);
		broken = true;
	} else if (!strcmp(name, "reached")) {
		do_reached(&out);
	} else if (!strcmp(name, "findings")) {
		if (!broken && !(mmo_front && mmo_front->perform))
			world_check_end();
		out_raw(&out, "\"answer\": ");
		findings_write(&out);
	} else if (op) {
		if (perform(request))
			out_raw(&out, "\"ok\": true");
	} else {
		size_t before = out.used;

		out_raw(&out, "\"answer\": ");
		if (!ask(request, &error)) {
			out.used = before;
			say_error(error);
		}
	}
	out_raw(&out, "}\n");
	return true;
}

static bool send(void)
{
	for (size_t sent = 0; sent < out.used;) {
		ssize_t written = write(mmo_front ? mmo_front->answers : 1, out.text + sent, out.used - sent);

		if (written <= 0)
			return false;
		sent += (size_t)written;
	}
	return true;
}

int main(int argc, char **argv)
{
	const struct itimerval ticks = { { 1, 0 }, { 1, 0 } };
	char *line = NULL;
	size_t size = 0;
	bool more = true;

	for (int i = 1; i < argc; i++) {
		char *value = strchr(argv[i], '=');

		if (value)
			*value++ = '\0';
		if (value && mmo_front && mmo_front->argument(argv[i], value))
			continue;
		if (!value || !world_era_set(argv[i], atoi(value))) {
			fprintf(stderr, "unknown argument %s\n", argv[i]);
			return 2;
		}
	}
	co_setup();
	setitimer(ITIMER_REAL, &ticks, NULL);
	if (mmo_front)
		unusable = mmo_front->open();
	while (more && getline(&line, &size, stdin) > 0) {
		more = handle(line);
		more = send() && more;
	}
	return 0;
}
