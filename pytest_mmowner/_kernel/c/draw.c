/* draw.c: random schedules by priorities.
 *
 * Whoever has the highest priority runs, and at a few points that are drawn beforehand it falls
 * behind all others (Burckhardt and others, ASPLOS 2010).  A bug that takes d such points is
 * found with a probability of at least 1 in n * k^(d-1), with n operations and k points.
 */
#include "draw.h"
#include "host.h"

#include <string.h>

enum { RANDOM_CHANGES = 3 };

static uint64_t state;

static uint32_t random_below(uint32_t limit)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((state >> 33) % limit);
}

static struct { int priority[MMO_COS], lowest; uint32_t points, most, changes[RANDOM_CHANGES]; } draw;

void draw_run(int count)
{
	for (int i = 0; i < count; i++) {
		int other = (int)random_below((uint32_t)i + 1);

		draw.priority[i] = draw.priority[other];
		draw.priority[other] = i;
	}
	draw.lowest = -1;
	draw.most = draw.points > draw.most ? draw.points : draw.most;
	draw.points = 0;
	for (int i = 0; i < RANDOM_CHANGES; i++)
		draw.changes[i] = random_below(draw.most + 16);
}

static int first_of(uint8_t enabled)
{
	int best = __builtin_ctz(enabled);

	for (int i = 0; i < MMO_COS; i++)
		if (enabled & 1 << i && draw.priority[i] > draw.priority[best])
			best = i;
	return best;
}

int draw_next(int self, uint8_t enabled)
{
	for (int i = 0; i < RANDOM_CHANGES && self >= 0; i++)
		if (draw.points == draw.changes[i])
			draw.priority[self] = draw.lowest--;
	draw.points++;
	return first_of(enabled);
}

void draw_seed(uint64_t seed)
{
	state = seed;
	memset(&draw, 0, sizeof(draw));
}
