/* load.c: a shared library as the candidate: what it exports, who it is, and what is wrong with it.
 *
 * usage: PROGRAM lib=./candidate.so [field=value ...]; without the argument, the environment's
 * MMO_LIB.  A library that cannot be used is answered for: start says why.
 */
#define _GNU_SOURCE
#include "lib.h"
#include "watch.h"

#include <dlfcn.h>
#include <link.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *path;
static char full_path[4096];
static void *library;
static uintptr_t base, low, high; /* where it lies */
static struct lib_who who;
static bool is_tracker;

static struct {
	uint32_t (*open)(const struct mmo_host *host);
	void (*mm_init)(mmo_mm mm, mmo_task task);
	void (*update_next_owner)(mmo_mm mm);
	void (*mm_clear)(mmo_mm mm, mmo_task task);
	int (*reset)(void);
} rules;

/* A call in tail position is made from where its caller returns to: then the function is named. */
void *lib_place(void *pc, const struct co *co)
{
	uintptr_t function = (uintptr_t)(co->owner_call == OWNER_INIT ? (void *)rules.mm_init :
					 co->owner_call == OWNER_CLEAR ? (void *)rules.mm_clear :
					 (void *)rules.update_next_owner);

	return (uintptr_t)pc >= low && (uintptr_t)pc < high ? pc : (void *)(function + 1);
}

/* ---- the candidate, as the world calls it ---- */

static void init_owner(struct mm_struct *mm, struct task_struct *task)
{
	/* A new world begins with the owner of its first mm. */
	if (rules.reset && !mmo_co->op && mm == MMO_MM(world_era.init_mm_owner ? 0 : 1)) {
		int depth = watch_pause(), answer = rules.reset();

		watch_resume(depth);
		if (answer != MMO_OK)
			mmo_find_fatal(F_BUG, (void *)rules.reset, "mmo_reset() answers %d", answer);
	}
	rules.mm_init(lib_mm(mm), lib_task(task));
}

static void update_next_owner(struct mm_struct *mm)
{
	rules.update_next_owner(lib_mm(mm));
}

static void clear_owner(struct mm_struct *mm, struct task_struct *task)
{
	if (rules.mm_clear)
		rules.mm_clear(lib_mm(mm), lib_task(task));
}

/* exit_mm() and exec_mmap() are the world's own. */
const struct mmo_candidate mmo_candidate = {
	.init_owner = init_owner, .update_next_owner = update_next_owner, .clear_owner = clear_owner,
};

/* ---- what is wrong ---- */

const char *lib_why(const char *format, ...)
{
	static char text[LIB_WHY];
	size_t used = (size_t)snprintf(text, sizeof(text), "the library %s ", path);
	va_list list;

	va_start(list, format);
	if (used < sizeof(text))
		vsnprintf(text + used, sizeof(text) - used, format, list);
	va_end(list);
	return text;
}

const char *lib_run(void (*run)(struct co *co), const struct op *op)
{
	mmo_step_limit = 1000000;
	if (co_run_alone(run, op))
		return NULL;
	for (int i = mmo_finding_count - 1; i >= 0; i--)
		if (mmo_findings[i].fatal)
			return mmo_findings[i].text;
	return "it was given up";
}

const char *lib_abi(const char *function, uint32_t answered)
{
	if (answered == MMO_ABI)
		return NULL;
	if (!answered)
		return lib_why("does not want this host: its %s() answers 0. This is ABI %u; the library's "
			       "mmowner.h may be of another. Compile it with the header of this "
			       "pytest-mmowner.", function, MMO_ABI);
	return lib_why("speaks ABI %u (its %s() says so), and this pytest-mmowner speaks %u: compile the "
		       "library with the mmowner.h of this pytest-mmowner, or %s", answered, function,
		       MMO_ABI, answered > MMO_ABI && answered < 1000 ? "install a newer one."
		       : "let the function answer MMO_ABI.");
}

/* abort() as crashes: the operation is given up, the process is not. */
static void on_abort(int number)
{
	if (mmo_co)
		mmo_find_fatal(F_CRASH, NULL, "it calls abort()%s",
			       !strcmp(who.language, "Rust") ? " (a panic does that)" : "");
	signal(number, SIG_DFL);
	raise(number);
}

static void on_exit_inside(void)
{
	if (mmo_co)
		fprintf(stderr, "the library %s calls exit() inside a function of its own: the fault is the "
			"library's. Let it return, or call bug().\n", path);
}

/* ---- opening ---- */

void *lib_symbol(const char *name)
{
	return dlsym(library, name);
}

static int find_range(struct dl_phdr_info *info, size_t size, void *known)
{
	uintptr_t from = UINTPTR_MAX, to = 0;

	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		uintptr_t start = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;

		if (info->dlpi_phdr[i].p_type != PT_LOAD)
			continue;
		from = start < from ? start : from;
		to = start + info->dlpi_phdr[i].p_memsz > to ? start + info->dlpi_phdr[i].p_memsz : to;
	}
	if ((uintptr_t)known < from || (uintptr_t)known >= to)
		return 0;
	base = info->dlpi_addr;
	low = from;
	high = to;
	return 1;
}

static const char *load(void)
{
	const char *error;
	void *known;

	if (access(path, R_OK))
		return lib_why("is not there, or cannot be read. Is it built, and is the path right? It is "
			       "taken from the directory that the tests are run in.");
	if (!realpath(path, full_path))
		return lib_why("has a path that is too long.");
	library = dlopen(full_path, RTLD_NOW | RTLD_LOCAL);
	if (!library) {
		error = dlerror();
		return lib_why("cannot be loaded: %s. %s", error, strstr(error, "undefined symbol") ?
			       "The library is at fault: link what it calls into it, or with -l." :
			       strstr(error, "cannot open shared") ?
			       "A library that it was linked with is missing on this machine." :
			       "It must be a shared library for this machine (cc -shared -fPIC), and not "
			       "be linked with a sanitizer.");
	}
	known = lib_symbol("mmo_open") ? lib_symbol("mmo_open") : lib_symbol("mmo_tracker_open");
	if (!known)
		return lib_why("exports neither mmo_open() (rules level) nor mmo_tracker_open() (tracker "
			       "level), one of which it needs (see mmowner.h). Are the functions extern \"C\", "
			       "#[no_mangle] pub extern \"C\" or the like, and visible?");
	dl_iterate_phdr(find_range, known);
	return NULL;
}

static uint32_t abi;

static void ask_abi(struct co *co)
{
	(void)co;
	abi = rules.open(&lib_host);
}

static const char *open_rules(void)
{
	const char *broken;

	rules.open = lib_symbol("mmo_open");
	rules.mm_init = lib_symbol("mmo_mm_init");
	rules.update_next_owner = lib_symbol("mmo_update_next_owner");
	rules.mm_clear = lib_symbol("mmo_mm_clear");
	rules.reset = lib_symbol("mmo_reset");
	if (!rules.mm_init || !rules.update_next_owner)
		return lib_why("exports mmo_open() and no %s(): the rules level needs both mmo_mm_init() and "
			       "mmo_update_next_owner().",
			       rules.mm_init ? "mmo_update_next_owner" : "mmo_mm_init");
	broken = lib_run(ask_abi, NULL);
	if (broken)
		return lib_why("breaks in mmo_open(): %s.", broken);
	return lib_abi("mmo_open", abi);
}

static void text_of(const char *function, char *text, const char *otherwise)
{
	const char *(*ask)(void) = lib_symbol(function);
	const char *found = ask ? ask() : NULL;

	snprintf(text, LIB_TEXT, "%s", found ? found : otherwise);
}

static void ask_who(struct co *co)
{
	const char *slash = strrchr(path, '/');

	(void)co;
	text_of("mmo_name", who.name, slash ? slash + 1 : path);
	text_of("mmo_version", who.version, "");
	text_of("mmo_language", who.language, "");
	text_of("mmo_dialect", who.dialect, "");
}

/* ---- the front ---- */

static bool argument(const char *name, const char *value)
{
	if (strcmp(name, "lib") != 0)
		return false;
	path = value;
	return true;
}

static struct front front;

static const char *open_library(void)
{
	struct sigaction action = { .sa_handler = on_abort, .sa_flags = SA_ONSTACK | SA_NODEFER };
	const char *why;

	if (!path)
		path = getenv("MMO_LIB");
	if (!path || !*path) {
		path = "";
		return "no library is named: give the argument lib=PATH or set MMO_LIB";
	}
	/* What the library prints must not stand between answers. */
	fflush(stdout);
	front.answers = dup(1);
	dup2(2, 1);
	sigaction(SIGABRT, &action, NULL);
	atexit(on_exit_inside);
	why = load();
	if (why)
		return why;
	is_tracker = !lib_symbol("mmo_open");
	why = is_tracker ? tracker_open(&front) : open_rules();
	if (why)
		return why;
	why = lib_run(ask_who, NULL);
	return why ? lib_why("breaks when it is asked who it is: %s.", why) : NULL;
}

void lib_words(struct out *out, const char *words, const char **comma)
{
	char word[64];
	int length;

	for (; sscanf(words, " %63s%n", word, &length) == 1; words += length) {
		out_raw(out, "%s", *comma);
		out_text(out, word);
		*comma = ", ";
	}
}

static void member(struct out *out, const char *key, const char *text)
{
	if (!*text)
		return;
	out_raw(out, ", \"%s\": ", key);
	out_text(out, text);
}

static void start(struct out *out)
{
	out_raw(out, ", \"name\": ");
	out_text(out, who.name);
	member(out, "version", who.version);
	member(out, "language", who.language);
	member(out, "dialect", who.dialect);
	member(out, "library", full_path);
	out_raw(out, ", \"abi\": %u, \"level\": \"%s\"", MMO_ABI, is_tracker ? "tracker" : "rules");
	if (is_tracker) {
		tracker_start(out);
		return;
	}
	out_raw(out, ", \"capabilities\": ");
	/* Where failing forks clear the owner, a library without that function was not meant for them. */
	capabilities_write(out, !rules.mm_clear && world_era.fork_clears ? "clone_fails" : "");
}

static bool place(const void *pc, char *text, size_t size, char *function, size_t function_size)
{
	Dl_info info;

	if ((uintptr_t)pc < low || (uintptr_t)pc >= high)
		return false;
	snprintf(text, size, "%s+%#lx", full_path, (unsigned long)((uintptr_t)pc - base));
	snprintf(function, function_size, "%s", dladdr(pc, &info) && info.dli_sname ? info.dli_sname : "");
	return true;
}

static struct front front = {
	.argument = argument, .open = open_library, .start = start, .place = place, .answers = 1,
};

__attribute__((constructor)) static void stand_in(void)
{
	mmo_front = &front;
}
