/* conflicts.c: at which places operations meet, and the happens-before order of events there. */
#include "conflicts.h"

#include <string.h>

enum { WORDS = sizeof(struct mmo_arena) / 8 + 1, OTHERS = 1 << 10 };

bool conflicts_grown;
uint64_t conflicts_signature;

/* The words of the arena, then the lives of tasks and of mms, then everything else by hash. */
static struct place words[WORDS], lives[MMO_TASKS + MMO_MMS], others[OTHERS];
static uintptr_t other_keys[OTHERS];
static int other_count;
/* Places that have been touched in this scene: the others need not be looked at. */
static struct place *known[WORDS + MMO_TASKS + MMO_MMS + OTHERS];
static int known_count;
static uint32_t run_number;

uint64_t conflicts_mix(uint64_t value)
{
	value ^= value >> 32;
	value *= 0xd6e8feb86659fd93u;
	value ^= value >> 29;
	value *= 0xd6e8feb86659fd93u;
	return value ^ value >> 32;
}

void conflicts_new_scene(void)
{
	for (int i = 0; i < known_count; i++)
		memset(known[i], 0, sizeof(*known[i]));
	memset(other_keys, 0, sizeof(other_keys));
	known_count = other_count = 0;
}

void conflicts_new_run(void)
{
	run_number++;
	conflicts_signature = 0;
}

void conflicts_learn(void)
{
	conflicts_grown = false;
	for (int i = 0; i < known_count; i++)
		known[i]->conflict = known[i]->found;
}

static struct place *fresh(struct place *place)
{
	if (place->run != run_number) {
		if (!place->readers && !place->writers && !place->run)
			known[known_count++] = place;
		place->run = run_number;
		place->last_write = place->reads = 0;
	}
	return place;
}

static struct place *other(uintptr_t location)
{
	unsigned int index = (unsigned int)conflicts_mix(location) % OTHERS;

	while (other_keys[index] && other_keys[index] != location)
		index = (index + 1) % OTHERS;
	if (!other_keys[index]) {
		if (++other_count > OTHERS * 3 / 4)
			mmo_find_fatal(F_LOOP, NULL, "it has more words of its own than there is room for (%d)",
				       OTHERS * 3 / 4);
		other_keys[index] = location;
	}
	return fresh(&others[index]);
}

struct place *place_of_location(uintptr_t location)
{
	size_t offset = location - (uintptr_t)&mmo_arena;

	return offset < sizeof(mmo_arena) ? fresh(&words[offset / 8])
					  : other(location & ~(uintptr_t)7);
}

struct place *place_of_life(uintptr_t location)
{
	size_t offset = location - (uintptr_t)&mmo_arena;

	return offset < offsetof(struct mmo_arena, signals) ? fresh(&lives[offset / MMO_SLOT]) : NULL;
}

bool place_touched(struct place *place, int who, bool write)
{
	uint8_t bit = (uint8_t)(1 << who), all;

	if (write)
		place->writers |= bit;
	else
		place->readers |= bit;
	all = place->readers | place->writers;
	if (!place->found && place->writers && (all & (all - 1))) {
		place->found = true; /* from the next pass on: in one pass all runs have the same points */
		conflicts_grown = true;
	}
	return place->conflict;
}

void place_event(struct co *co, struct place *place, bool write)
{
	uint64_t hash = conflicts_mix(co->last_event + (uint64_t)(co - mmo_cos + 1)) +
			place->last_write;

	if (write)
		hash += conflicts_mix(place->reads);
	/* The place by its address, which is the same in every run. */
	hash = conflicts_mix(hash ^ (uint64_t)(uintptr_t)place * 31 ^ (uint64_t)write);
	if (write) {
		place->last_write = hash;
		place->reads = 0;
	} else {
		place->reads += hash;
	}
	co->last_event = hash;
	conflicts_signature += hash;
}
