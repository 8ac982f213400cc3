/* ops.h: operations as the protocol and the test vectors write them (docs/protocol.md). */
#ifndef EXAMPLE_OPS_H
#define EXAMPLE_OPS_H

#include "world.h"

struct op_type {
	const char *word;
	unsigned fields;
	check *refuse;
	void (*perform)(struct world *w, const struct op *op);
};

/* Read an operation from a JSON object. Returns what is malformed, or NULL. */
const char *read_op(const char *object, struct op *op);

/* Every name is a positive integer, and so is a number of pages. */
bool read_name(const char *object, const char *key, long *name);

#endif
