/* explore.c: in which order overlapping operations run: all orders up to a bound, or one.
 *
 * Stateless: a schedule is a run from the start.  An operation can be interrupted before each
 * access to shared memory and each lock operation that conflicts with another operation's
 * (which ones do is learned, and learned again until nothing is new): interrupting it anywhere
 * else is the same run as interrupting it at its next conflict, with no more preemptions.
 * Runs that reach a point with the same partial order of conflicting events behind them, the
 * same operation running and no more preemptions left than a run before are given up there:
 * whatever can follow has been seen (the happens-before graph is the state, as in CHESS;
 * sleep sets would not be sound under a bound on preemptions).
 */
#include "conflicts.h"
#include "draw.h"
#include "explore.h"
#include "watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool mmo_exploring;

static int endless; /* how dear the runs of this scene were: loops and recursions without end */
static bool kept;  /* the world after the program before, so that it runs only once */
static bool ended; /* the overlap is over, its schedule still tells how it went */

enum { CHOICES = 1 << 12, CACHE = 1 << 20, STEPS = 5000, ENDLESS = 3000 };

struct choice { uint8_t enabled, tried, chosen, self; bool free; int budget; };

static struct choice choices[CHOICES];
static int depth, at;
static struct { uint64_t key; uint32_t pass; int32_t budget; } *cache;
static uint32_t pass_number, cached;
static bool pruned;
static struct explore_options options;
static int budget, preemptions, bound;

/* the schedule so far: who ran, and for how many points (0: until it could not go on) */
static struct { uint8_t co; uint32_t points; } segments[MMO_SEGMENTS];
static int segment_count;
static uint32_t segment_start;
/* a schedule to follow */
static bool following;
static int follow_at;
static struct explore_segment follow[MMO_SEGMENTS];
static int follow_count;
struct explore_event explore_events[EXPLORE_EVENTS];
int explore_event_count;

/* ---- choices ---- */

static bool seen_before(int self)
{
	uint64_t key = conflicts_mix(conflicts_signature ^ conflicts_mix((uint64_t)self + 77));
	unsigned int index = (unsigned int)key % CACHE;

	if (cached > CACHE * 3 / 4)
		return false;
	while (cache[index].pass == pass_number) {
		if (cache[index].key == key) {
			if (cache[index].budget >= budget)
				return true;
			cache[index].budget = budget;
			return false;
		}
		index = (index + 1) % CACHE;
	}
	cache[index].key = key;
	cache[index].pass = pass_number;
	cache[index].budget = budget;
	cached++;
	return false;
}

static uint8_t can_run_mask(void)
{
	uint8_t mask = 0;

	for (int i = 0; i < MMO_COS; i++)
		if (co_can_run(&mmo_cos[i]))
			mask |= (uint8_t)(1 << i);
	return mask;
}

static int lowest(uint8_t mask)
{
	return __builtin_ctz(mask);
}

/* Who runs next.  *self* is who could go on, or -1. */
static int decide(int self, uint8_t enabled)
{
	bool is_free = self < 0 || !(enabled & 1 << self);
	struct choice *choice;

	if (options.random)
		return draw_next(self, enabled);
	if (!is_free && budget <= 0)
		return self;
	if (!(enabled & (enabled - 1)))
		return lowest(enabled);
	if (at == depth) {
		if (options.reduction >= 2 && seen_before(self)) {
			pruned = true;
			co_give_up();
		}
		if (depth == CHOICES)
			mmo_find_fatal(F_LOOP, NULL, "more than %d points in one schedule", CHOICES);
		choice = &choices[depth++];
		choice->enabled = enabled;
		choice->chosen = (uint8_t)(is_free ? lowest(enabled) : self);
		choice->tried = (uint8_t)(1 << choice->chosen);
		choice->free = is_free;
		choice->budget = budget;
	} else {
		choice = &choices[at];
	}
	at++;
	return choice->chosen;
}

static bool next_schedule(void)
{
	while (depth) {
		struct choice *choice = &choices[depth - 1];
		uint8_t left = choice->enabled & (uint8_t)~choice->tried;

		if (left && (choice->free || choice->budget > 0)) {
			choice->chosen = (uint8_t)lowest(left);
			choice->tried |= (uint8_t)(1 << choice->chosen);
			return true;
		}
		depth--;
	}
	return false;
}

static void end_segment(const struct co *co, bool counted)
{
	if (segment_count < MMO_SEGMENTS) {
		segments[segment_count].co = (uint8_t)(co - mmo_cos);
		segments[segment_count++].points = counted ? co->steps - segment_start : 0;
	}
}

static void switch_to(struct co *from, int next, bool counted)
{
	struct co *to = &mmo_cos[next];

	if (from)
		end_segment(from, counted);
	segment_start = to->steps;
	co_switch(to);
}

static void follow_point(struct co *co)
{
	int next = follow_at + 1;

	if (follow_at >= follow_count || !follow[follow_at].points ||
	    co->steps - segment_start < follow[follow_at].points)
		return;
	if (next < follow_count && co_can_run(&mmo_cos[follow[next].co])) {
		follow_at = next;
		preemptions++;
		switch_to(co, follow[next].co, true);
	}
}

static void record(struct co *co, uintptr_t location, enum access_how how, void *pc)
{
	if (explore_event_count < EXPLORE_EVENTS)
		explore_events[explore_event_count++] = (struct explore_event){
			(uint8_t)(co - mmo_cos), (uint8_t)how,
			co->task ? mmo_task_slot(co->task) : -1, location, co->call ? co->call_pc : pc };
}

/* What one operation alone did last: it is told when it breaks. */
struct explore_event explore_recent[EXPLORE_RECENT];
unsigned int explore_recent_count;

bool mmo_point(uintptr_t location, enum access_how how, void *pc)
{
	struct co *co = mmo_co;
	struct place *place, *life;
	int before = segment_count, self, next;
	bool meets;

	if (!co)
		return false;
	mmo_step(pc);
	co->steps++;
	if (!mmo_exploring) {
		explore_recent[explore_recent_count++ % EXPLORE_RECENT] = (struct explore_event){
			0, (uint8_t)how, co->in_candidate, location, co->call ? co->call_pc : pc };
		return false;
	}
	if (following) {
		follow_point(co);
		record(co, location, how, pc);
		return segment_count != before;
	}
	self = (int)(co - mmo_cos);
	place = place_of_location(location);
	life = place_of_life(location);
	meets = place_touched(place, self, how >= A_WRITE);
	meets |= life && place_touched(life, self, how == A_FREE);
	if (options.reduction && !meets)
		return false;
	/* A free is one step with the count that went to zero before it. */
	if (how != A_FREE && (budget > 0 || options.random)) {
		next = decide(self, can_run_mask());
		if (next != self) {
			budget--;
			preemptions++;
			switch_to(co, next, true);
		}
	}
	place_event(co, place, how >= A_WRITE);
	if (life && life->conflict)
		place_event(co, life, how == A_FREE);
	return segment_count != before;
}

/* Something happened that is no point: a lock was got, a condition came true. */
void mmo_event(uintptr_t location, bool write)
{
	if (mmo_co && mmo_exploring && !following)
		place_event(mmo_co, place_of_location(location), write);
}

static void deadlock(void)
{
	char text[MMO_TEXT] = "", lock[80];
	size_t used = 0;
	struct co *me = watch_blind();

	for (int i = 0; i < MMO_COS; i++) {
		const struct co *co = &mmo_cos[i];

		if (!co->used || co->done)
			continue;
		if (co->waiting)
			mmo_describe((uintptr_t)co->waiting, lock, sizeof(lock));
		else
			snprintf(lock, sizeof(lock), "something that does not come");
		used += (size_t)snprintf(text + used, used < sizeof(text) ? sizeof(text) - used : 0,
					 "%s%s waits for %s", used ? "; " : "", op_word(co->op), lock);
		if (used >= sizeof(text))
			break;
	}
	watch_again(me);
	mmo_find_fatal(F_DEADLOCK, NULL, "%s", text);
}

void explore_forced(void)
{
	struct co *co = mmo_co;
	uint8_t enabled = can_run_mask();
	int next;

	if (co->store.mm)
		watch_store(co);
	if (!enabled) {
		for (int i = 0; i < MMO_COS; i++)
			if (mmo_cos[i].used && !mmo_cos[i].done)
				deadlock();
		end_segment(co, false);
		co_switch(NULL);
		return;
	}
	if (following) {
		if (follow_at + 1 < follow_count)
			follow_at++;
		next = follow_at < follow_count ? follow[follow_at].co : lowest(enabled);
		if (!(enabled & 1 << next))
			next = lowest(enabled);
	} else {
		next = decide(-1, enabled);
	}
	switch_to(co, next, false);
}

int explore_preemptions(void)
{
	return preemptions;
}

void explore_schedule(char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	if (!mmo_exploring && !ended)
		return;
	for (int i = 0; i <= segment_count; i++) {
		int co = i < segment_count ? segments[i].co :
			 mmo_co && !ended ? (int)(mmo_co - mmo_cos) : -1;
		uint32_t points = i < segment_count ? segments[i].points : 0;

		if (co < 0 || (i == segment_count && mmo_cos[co].done))
			break;
		used += (size_t)(points ? snprintf(text + used, size - used, "%s%c%u",
						   used ? "." : "", 'A' + co, points)
					: snprintf(text + used, size - used, "%s%c", used ? "." : "",
						   'A' + co));
		if (used >= size) {
			text[size - 1] = '\0';
			return;
		}
	}
}

/* ---- one schedule ---- */

/* An operation names a task or an mm that is neither there nor made by one beside it. */
static bool names_nobody(const struct explore_scene *scene)
{
	for (int i = 0; i < scene->overlap_count; i++) {
		const struct op *op = &scene->overlap[i];

		if ((op->task && !world_find_task(op->task)) || (op->mm && !world_find_mm(op->mm)))
			return true;
	}
	return false;
}

static bool start(const struct explore_scene *scene)
{
	mmo_exploring = false;
	preemptions = 0;
	if (kept) {
		world_bring_back();
	} else {
		world_reset();
		for (int i = 0; i < scene->setup_count; i++)
			if (!world_perform(&scene->setup[i]))
				return false;
		for (int i = 0; i < scene->overlap_count; i++)
			world_reserve(&scene->overlap[i]);
		if (world_full() || names_nobody(scene))
			return false;
		world_keep();
		kept = true;
	}
	for (int i = 0; i < MMO_COS; i++)
		mmo_cos[i].used = false;
	for (int i = 0; i < scene->overlap_count; i++)
		world_start(i, &scene->overlap[i]);
	at = segment_count = preemptions = 0;
	segment_start = 0;
	budget = bound;
	pruned = false;
	conflicts_new_run();
	mmo_step_limit = STEPS; /* a schedule takes some hundreds */
	mmo_exploring = true;
	return true;
}

static void note_outcome(struct explore_result *result)
{
	static uint64_t seen[EXPLORE_OUTCOMES];
	uint64_t mark = world_outcome_mark();
	char text[EXPLORE_OUTCOME];

	/* Making the text is dear, and there are few outcomes. */
	for (int i = 0; i < result->outcome_count; i++)
		if (seen[i] == mark)
			return;
	world_outcome(text, sizeof(text));
	if (result->outcome_count < EXPLORE_OUTCOMES)
		seen[result->outcome_count] = mark;
	if (result->outcome_count < EXPLORE_OUTCOMES)
		memcpy(result->outcomes[result->outcome_count++], text, sizeof(text));
}

/* False: the setup itself cannot be run. */
static bool run_once(const struct explore_scene *scene, struct explore_result *result)
{
	bool whole;
	int first;

	if (!start(scene))
		return false;
	if (options.random)
		draw_run(scene->overlap_count);
	first = following ? follow[0].co : decide(-1, can_run_mask());
	whole = co_run_all(first);
	mmo_exploring = false;
	endless += mmo_endless_runs;
	mmo_endless_runs = 0;
	if (pruned) {
		result->pruned++;
		return true;
	}
	result->schedules++;
	ended = true;
	if (whole)
		world_check_end();
	for (int i = 0; i < scene->after_count && whole; i++)
		whole = world_perform(&scene->after[i]);
	if (whole)
		note_outcome(result);
	ended = false;
	return true;
}

void explore_all(const struct explore_scene *scene, const struct explore_options *wanted,
		 struct explore_result *result)
{
	uint64_t left = wanted->limit;

	options = *wanted;
	following = false;
	conflicts_new_scene();
	kept = false;
	endless = mmo_endless_runs = 0;
	explore_event_count = 0;
	*result = (struct explore_result){ .complete = true };
	if (!cache)
		cache = calloc(CACHE, sizeof(*cache));
	if (!cache) {
		result->broken = "no memory for the schedules that were seen";
		return;
	}
	if (options.random) {
		draw_seed(options.seed);
		result->complete = false;
		while (left--) {
			conflicts_learn();
			if (endless >= ENDLESS)
				return;
			if (!run_once(scene, result)) {
				result->broken = "the program before the overlap breaks, or an operation of the overlap names what is not there";
				return;
			}
		}
		return;
	}
	for (bound = 0; bound <= options.bound; bound++) {
		do {
			uint64_t passes = result->schedules;

			conflicts_learn();
			pass_number++;
			cached = 0;
			depth = 0;
			do {
				if (!left-- || endless >= ENDLESS) {
					result->complete = false;
					return;
				}
				if (!run_once(scene, result)) {
					result->broken = "the program before the overlap breaks, or an operation of the overlap names what is not there";
					return;
				}
			} while (next_schedule());
			result->last_pass = result->schedules - passes;
		} while (conflicts_grown && options.reduction);
		if (mmo_finding_count && options.stop_early)
			return;
	}
}

bool explore_follow(const struct explore_scene *scene, const char *schedule,
		    struct explore_result *result)
{
	follow_count = 0;
	for (const char *text = schedule; *text && follow_count < MMO_SEGMENTS;) {
		char *end;

		if (*text < 'A' || *text >= 'A' + scene->overlap_count)
			return false;
		follow[follow_count].co = (uint8_t)(*text - 'A');
		follow[follow_count++].points = (uint32_t)strtoul(text + 1, &end, 10);
		text = *end == '.' ? end + 1 : end;
	}
	if (!follow_count)
		return false;
	options = (struct explore_options){ 0 };
	*result = (struct explore_result){ .complete = true };
	following = true;
	kept = false;
	follow_at = 0;
	explore_event_count = 0;
	bound = 1000;
	if (!run_once(scene, result))
		result->broken = "the program before the overlap breaks, or an operation of the overlap names what is not there";
	following = false;
	return true;
}
