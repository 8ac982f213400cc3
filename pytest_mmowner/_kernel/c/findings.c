/* findings.c: what went wrong, each kind at each place once, and of these the simplest. */
#include "explore.h"
#include "watch.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct finding mmo_findings[MMO_FINDINGS];
int mmo_finding_count;
uint64_t mmo_step_limit, mmo_progress;
int mmo_endless_runs;

const char *const mmo_kind_names[F_KINDS] = {
	[F_UAF] = "use-after-free", [F_NULL] = "null-dereference", [F_WILD] = "wild-pointer",
	[F_CRASH] = "crash", [F_STACK] = "stack-overflow", [F_LOOP] = "endless-loop",
	[F_BUG] = "bug-on", [F_DEADLOCK] = "deadlock", [F_SELF_DEADLOCK] = "self-deadlock",
	[F_UNLOCK] = "bad-unlock", [F_IMBALANCE] = "lock-imbalance",
	[F_ATOMIC] = "sleep-in-atomic", [F_LOCK_ORDER] = "lock-order",
	[F_LIST_WALK] = "list-walk", [F_UNPROTECTED] = "unprotected-task",
	[F_STORE] = "owner-store", [F_NOT_USER] = "owner-not-user", [F_REF_LEAK] = "reference-leak",
	[F_REF_UNDERFLOW] = "reference-underflow", [F_WARN] = "warning", [F_STALE] = "stale-owner",
	[F_DANGLING] = "dangling-owner", [F_NO_OWNER] = "missed-sharer",
	[F_CALLBACK] = "callback-lock", [F_MIGRATE] = "migrate-lock",
	[F_PLAIN_STORE] = "plain-store", [F_HOST_CALL] = "host-call", [F_MM_COUNT] = "mm-count",
};

static struct finding *note(enum finding_kind kind, void *pc, bool fatal, const char *format,
			    va_list list)
{
	struct co *co = mmo_co;
	int preemptions = explore_preemptions();
	uint32_t length = 0;
	struct finding *finding = NULL;
	char text[MMO_TEXT];

	vsnprintf(text, sizeof(text), format, list);
	if (pc && co && co->call) { /* the place is the library's, not the host's */
		size_t used = strlen(text);

		snprintf(text + used, sizeof(text) - used, " (in the host's %s())", co->call);
		pc = co->call_pc;
	}
	for (int i = 0; i < MMO_COS; i++)
		length += mmo_cos[i].used ? mmo_cos[i].steps : 0;
	for (int i = 0; i < mmo_finding_count; i++) {
		struct finding *known = &mmo_findings[i];

		/* The same thing at the same place; of these the simplest is kept. */
		if (known->kind != kind || (pc ? known->pc != pc : strcmp(known->text, text) != 0))
			continue;
		if (known->preemptions < preemptions ||
		    (known->preemptions == preemptions && known->length <= length))
			return known;
		finding = known;
	}
	if (!finding) {
		if (mmo_finding_count == MMO_FINDINGS)
			return NULL;
		finding = &mmo_findings[mmo_finding_count++];
	}
	*finding = (struct finding){ .kind = kind, .fatal = fatal, .pc = pc, .co = -1, .task = -1,
				     .preemptions = preemptions, .length = length,
				     .event = explore_event_count };
	if (co) {
		finding->co = (int)(co - mmo_cos);
		if (co->task)
			finding->task = mmo_task_name[mmo_task_slot(co->task)];
		watch_blind(); /* the table of operations is the world's, and seen like it */
		mmo_co = NULL; /* op_word() is instrumented, and no step of the operation's */
		finding->op = op_word(co->op);
		mmo_co = co;
		watch_again(co);
	}
	memcpy(finding->text, text, sizeof(text));
	explore_schedule(finding->schedule, sizeof(finding->schedule));
	return finding;
}

void mmo_find(enum finding_kind kind, void *pc, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	note(kind, pc, false, format, list);
	va_end(list);
}

void mmo_find_fatal(enum finding_kind kind, void *pc, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	note(kind, pc, true, format, list);
	va_end(list);
	co_give_up();
}

void mmo_bug(const char *text)
{
	mmo_find_fatal(F_BUG, __builtin_return_address(0), "%s", text);
}

void mmo_warn(const char *text)
{
	mmo_find(F_WARN, __builtin_return_address(0), "%s", text);
}

void watch_reset(void)
{
	mmo_finding_count = 0;
}

void mmo_endless(void *pc)
{
	mmo_endless_runs++;
	mmo_find_fatal(F_LOOP, pc, "%llu steps and no end", (unsigned long long)mmo_co->work);
}
