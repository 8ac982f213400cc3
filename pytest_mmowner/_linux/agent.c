/* agent.c: the program: start-up, one request per line, one answer per line, the end. */
#define _GNU_SOURCE
#include "boot.h"
#include "janitor.h"
#include "json.h"
#include "ops.h"
#include "probe.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { PROTOCOL = 1, LINE_BYTES = 1 << 16 };

static char setup_error[256]; /* told in the answer to start, and to anything else */
static bool can_hold;
static bool is_init;          /* PID 1: the kernel is ours alone */
static int janitor_fd = -1;
static volatile sig_atomic_t told_to_end;

static void on_signal(int number)
{
	(void)number;
	told_to_end = 1;
}

static bool setup_failed(const char *what)
{
	snprintf(setup_error, sizeof(setup_error), "%s: %s", what, strerror(errno));
	return false;
}

/* Called once the first line of the protocol can already be answered with an error. */
static bool setup(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max > 4096 ? 4096 : files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	if (!tasks_setup())
		return setup_failed("shared memory for the tasks");
	if (!cgroup_find(getpid(), setup_error, sizeof(setup_error)))
		return false;
	if (!is_init) {
		janitor_fd = janitor_start();
		if (janitor_fd < 0)
			return setup_failed("the janitor process");
		prctl(PR_SET_CHILD_SUBREAPER, 1);
	}
	if (!cgroup_make(&base, cgroup_base, true)) {
		snprintf(setup_error, sizeof(setup_error), "cannot make the cgroup %.150s: %s",
			 cgroup_base, strerror(errno));
		return false;
	}
	can_hold = hold_setup();
	if (!world_begin(setup_error, sizeof(setup_error)))
		return false;
	if (!probe_setup(getenv("MMOWNER_PROBE") ? getenv("MMOWNER_PROBE") : "")) {
		snprintf(setup_error, sizeof(setup_error),
			 "self-test: a page of a lone task is not charged to that task; either "
			 "memory cgroups do not count here, or a fork gives its mm no owner");
		return false;
	}
	return true;
}

/* ---- the answer to start ---- */

static void write_capabilities(struct out *out)
{
	static const char *const always[] = {
		"clone", "exit", "exec", "reap", "clone_fails", "exec_fails", "trace", "untrace",
		"subreaper", "cgroup", "attach", "charge", "owner", "state", "bill",
	};

	out_raw(out, "\"capabilities\": [");
	for (size_t i = 0; i < sizeof(always) / sizeof(*always); i++)
		out_raw(out, "%s\"%s\"", i ? ", " : "", always[i]);
	if (can_hold)
		out_raw(out, ", \"hold\", \"put\"");
	if (cgroup_version == 1)
		out_raw(out, ", \"attach:thread\"");
	out_raw(out, "], \"without\": [\"clone_fails:dup_mm\", \"clone_fails:ref\"]");
}

static void write_start(struct out *out)
{
	struct utsname kernel;
	int major = 0, minor = 0;

	uname(&kernel);
	sscanf(kernel.release, "%d.%d", &major, &minor);
	out_raw(out, "\"protocol\": %d, \"name\": \"linux\", \"version\": ", PROTOCOL);
	out_text(out, kernel.release);
	out_raw(out, ", \"language\": \"C\", ");
	if (major > 6 || (major == 6 && minor >= 11)) {
		out_raw(out, "\"dialect\": \"6.11\", ");
	} else if (major == 6 && minor >= 1) {
		out_raw(out, "\"dialect\": \"6.1\", ");
	} else {
		out_raw(out, "\"notes\": ");
		out_text(out, "which dialect this kernel speaks is not known: it is older than 6.1");
		out_raw(out, ", ");
	}
	write_capabilities(out);
	out_raw(out, ", \"cgroup\": %d, \"probe\": \"%s\", \"resolution\": \"%s\"", cgroup_version,
		probe_uses_kpage ? "kpage" : "usage", cgroup_version == 1 ? "thread" : "process");
}

/* ---- one request ---- */

static enum outcome do_reset(void)
{
	if (!world_end())
		return broken("the old world does not go away");
	if (!world_begin(reply.why, sizeof(reply.why)))
		return BROKEN;
	return DONE;
}

static void write_outcome(struct out *out, enum outcome outcome)
{
	static const char *const words[] = {
		[REFUSED] = "refused", [UNTESTABLE] = "untestable", [BROKEN] = "error",
	};

	if (outcome == DONE) {
		out_raw(out, "\"ok\": true");
	} else if (outcome == ANSWERED) {
		out_raw(out, "\"answer\": %s", reply.answer.text);
	} else {
		out_raw(out, "\"%s\": ", words[outcome]);
		out_text(out, reply.why);
	}
}

/* False when the agent is to end. */
static bool handle(char *line, struct out *out)
{
	const char *error;
	const struct json *request = json_parse(line, &error);
	const struct json *seq = json_get(request, "seq");
	const struct json *op = json_get(request, "op"), *ask = json_get(request, "ask");
	bool stop = false;

	out->used = 0;
	out_raw(out, "{");
	if (seq && seq->kind == JSON_INT)
		out_raw(out, "\"seq\": %ld, ", seq->number);
	memset(&reply, 0, offsetof(struct reply, answer) + sizeof(reply.answer.used));
	reply.answer.used = 0;
	reply.answer.text[0] = '\0';

	if (!request)
		write_outcome(out, broken("not a line of JSON: %s", error));
	else if (!seq || seq->kind != JSON_INT)
		write_outcome(out, broken("a request is an object with an integer seq"));
	else if (op && op->kind == JSON_TEXT && !strcmp(op->text, "stop"))
		stop = true;
	else if (setup_error[0])
		write_outcome(out, broken("%s", setup_error));
	else if (op && op->kind == JSON_TEXT && !strcmp(op->text, "start"))
		write_start(out);
	else if (op && op->kind == JSON_TEXT && !strcmp(op->text, "reset"))
		write_outcome(out, do_reset());
	else if (op && op->kind == JSON_TEXT)
		write_outcome(out, do_operation(op->text, request));
	else if (ask && ask->kind == JSON_TEXT)
		write_outcome(out, do_question(ask->text, request));
	else
		write_outcome(out, broken("a request has a text op or ask"));

	if (stop)
		write_outcome(out, world_remove() ? DONE : broken("not everything went away"));
	out_raw(out, "}\n");
	return !stop;
}

/* ---- lines ---- */

static bool send_all(const char *text, size_t length)
{
	while (length) {
		ssize_t written = write(1, text, length);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return false;
		text += written;
		length -= (size_t)written;
	}
	return true;
}

/* Bytes read, or 0 when there will be no more: end of file, or it is time to go. */
static size_t receive(char *to, size_t room)
{
	struct pollfd fds[] = { { .fd = 0, .events = POLLIN }, { .fd = janitor_fd } };

	while (!told_to_end) {
		ssize_t length;

		if (poll(fds, 2, -1) < 0)
			continue;
		if (fds[1].revents) {
			fprintf(stderr, "mmowner-agent: the janitor is gone, so we go too\n");
			return 0;
		}
		length = read(0, to, room);
		if (length < 0 && errno == EINTR)
			continue;
		return length > 0 ? (size_t)length : 0;
	}
	return 0;
}

static void serve(void)
{
	static char buffer[LINE_BYTES];
	static struct out out;
	size_t used = 0, got;
	bool overlong = false;

	while ((got = receive(buffer + used, sizeof(buffer) - 1 - used))) {
		char *start = buffer, *end;

		used += got;
		while ((end = memchr(start, '\n', (size_t)(buffer + used - start)))) {
			bool go_on;

			*end = '\0';
			if (overlong) /* the rest of a line that was answered already */
				snprintf(start, 2, "?");
			go_on = handle(start, &out);
			if (!overlong && (!send_all(out.text, out.used) || !go_on))
				return;
			overlong = false;
			start = end + 1;
		}
		used -= (size_t)(start - buffer);
		memmove(buffer, start, used);
		if (used == sizeof(buffer) - 1) {
			static const char text[] = "{\"error\": \"a line is too long\"}\n";

			if (!overlong && !send_all(text, sizeof(text) - 1))
				return;
			overlong = true;
			used = 0;
		}
	}
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_signal };

	if (argc > 3 && !strcmp(argv[1], "--guard"))
		return guard_main(argv[2], argv + 3);

	is_init = getpid() == 1;
	signal(SIGPIPE, SIG_IGN);
	for (const int *at = (const int[]){ SIGTERM, SIGINT, SIGHUP, 0 }; *at; at++)
		sigaction(*at, &action, NULL);
	if (is_init && !boot_up(getenv("MMOWNER_CGROUP")))
		snprintf(setup_error, sizeof(setup_error),
			 "the kernel has no serial line or no memory cgroups");
	if (setup_error[0] || setup())
		setup_error[sizeof(setup_error) - 1] = '\0';
	serve();
	if (cgroup_base[0] && cgroup_version)
		world_remove();
	tasks_end();
	if (is_init)
		boot_down();
	janitor_stop();
	return 0;
}
