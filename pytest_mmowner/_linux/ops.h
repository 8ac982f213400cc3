/* ops.h: the operations and questions of the protocol. */
#ifndef MMOWNER_OPS_H
#define MMOWNER_OPS_H

#include "json.h"

#include <stdbool.h>

enum outcome { DONE, ANSWERED, REFUSED, UNTESTABLE, BROKEN };

struct reply {
	char why[320];      /* REFUSED, UNTESTABLE, BROKEN */
	struct out answer;  /* ANSWERED: the JSON value */
};

extern struct reply reply;

enum outcome refused(const char *format, ...) __attribute__((format(printf, 1, 2)));
enum outcome untestable(const char *format, ...) __attribute__((format(printf, 1, 2)));
enum outcome broken(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A positive integer member of the request, or 0 after saying what is wrong. */
long number_of(const struct json *request, const char *key);

enum outcome do_operation(const char *name, const struct json *request);
enum outcome do_question(const char *name, const struct json *request);

#endif
