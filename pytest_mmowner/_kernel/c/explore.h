/* explore.h: overlapping operations in all orders up to a bound. */
#ifndef MMO_EXPLORE_H
#define MMO_EXPLORE_H

#include "world.h"

enum { EXPLORE_RECENT = 64, EXPLORE_OUTCOMES = 64, EXPLORE_OUTCOME = 160, EXPLORE_EVENTS = 4000, EXPLORE_OPS = 64 };

struct explore_scene {
	struct op setup[EXPLORE_OPS], overlap[MMO_COS], after[EXPLORE_OPS];
	int setup_count, overlap_count, after_count;
};

struct explore_options {
	int bound;          /* preemptions */
	int reduction;      /* 0 none, 1 conflicts only, 2 and happens-before */
	bool random, stop_early;
	uint64_t seed, limit;
};

struct explore_result {
	uint64_t schedules, pruned, last_pass;
	bool complete;
	const char *broken;
	char outcomes[EXPLORE_OUTCOMES][EXPLORE_OUTCOME];
	int outcome_count;
};

struct explore_segment { uint8_t co; uint32_t points; };

struct explore_event { uint8_t co, how; int task; uintptr_t location; void *pc; };

extern struct explore_event explore_events[EXPLORE_EVENTS];
/* The last events of an operation that ran alone, in a ring; task says whether it was candidate code. */
extern struct explore_event explore_recent[EXPLORE_RECENT];
extern unsigned int explore_recent_count;

void explore_all(const struct explore_scene *scene, const struct explore_options *wanted,
		 struct explore_result *result);
/* Runs one schedule, as a finding names it, and records its events.  False: no schedule. */
bool explore_follow(const struct explore_scene *scene, const char *schedule,
		    struct explore_result *result);

#endif
