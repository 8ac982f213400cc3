/* front.h: where a shared library stands behind main.c: beside the world, or instead of it. */
#ifndef MMO_FRONT_H
#define MMO_FRONT_H

#include "ops.h"

enum front_done { FRONT_DONE, FRONT_SAID, FRONT_BROKEN };

struct front {
	/* An argument "name=value" of the command line; false when it is none of its. */
	bool (*argument)(const char *name, const char *value);
	/* Once, before all requests.  NULL, or why nothing will work, whose fault it is and what to do. */
	const char *(*open)(void);
	/* The answer to start after "protocol". */
	void (*start)(struct out *out);
	/* "file+offset" for an address of the library, and its function's name; false: not its own. */
	bool (*place)(const void *pc, char *text, size_t size, char *function, size_t function_size);
	/* Which file descriptor answers go to: the library's own printing has 1. */
	int answers;

	/* Without a world: a tracker.  NULL as long as there is a world. */
	enum front_done (*perform)(const struct op *op, struct out *out);
	enum front_done (*reset)(struct out *out);
	/* Appends the answer; if it cannot, *error says why. */
	enum front_done (*ask)(const struct json *request, struct out *out, const char **error);
};

/* NULL: the candidate is a kernel's C.  Set before main(). */
extern struct front *mmo_front;

#endif
