/* conflicts.h: which places operations meet at, and the order of events there. */
#ifndef MMO_CONFLICTS_H
#define MMO_CONFLICTS_H

#include "host.h"

/* A word of memory, or the life of an object: who has been there in any schedule of the scene. */
struct place {
	uint64_t last_write, reads; /* events of this run, as hashes of all that is behind them */
	uint32_t run;
	uint8_t readers, writers;
	bool conflict;              /* operations can be interrupted here in this pass */
	bool found;                 /* and in the next */
};

extern bool conflicts_grown;         /* a place was found in this pass */
extern uint64_t conflicts_signature; /* of the partial order of all events of this run */

uint64_t conflicts_mix(uint64_t value);
void conflicts_new_scene(void);
void conflicts_new_run(void);
/* A new pass: what was found in the last one counts. */
void conflicts_learn(void);

struct place *place_of_location(uintptr_t location);
/* That its object is there is something each access reads, and a free writes.  NULL: no object. */
struct place *place_of_life(uintptr_t location);
/* Notes an access; whether it is one that conflicts. */
bool place_touched(struct place *place, int who, bool write);
void place_event(struct co *co, struct place *place, bool write);

#endif
