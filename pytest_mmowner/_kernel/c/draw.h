/* draw.h: who runs next in random schedules. */
#ifndef MMO_DRAW_H
#define MMO_DRAW_H

#include <stdint.h>

void draw_seed(uint64_t seed);
/* A new schedule of *count* operations. */
void draw_run(int count);
/* *self* is who could go on, or -1; of *enabled* somebody is returned. */
int draw_next(int self, uint8_t enabled);

#endif
