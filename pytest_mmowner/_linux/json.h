/* json.h: read one line of JSON and write one; nothing else about the protocol. */
#ifndef MMOWNER_JSON_H
#define MMOWNER_JSON_H

#include <stdbool.h>
#include <stddef.h>

enum json_kind { JSON_NULL, JSON_BOOL, JSON_INT, JSON_REAL, JSON_TEXT, JSON_LIST, JSON_OBJECT };

struct json {
	enum json_kind kind;
	long number;             /* JSON_INT, JSON_BOOL */
	const char *text;        /* JSON_TEXT, ended by NUL */
	const char *key;         /* when inside an object */
	struct json *first, *next;
};

/* Parses in place: the texts of the tree point into line. The tree is valid until
 * the next call. NULL, and why in *error, when the line is not one JSON value. */
struct json *json_parse(char *line, const char **error);

/* The member of an object, or NULL. */
const struct json *json_get(const struct json *object, const char *key);

#ifndef JSON_OUT
#define JSON_OUT 16384 /* bytes of an answer */
#endif

struct out {
	char text[JSON_OUT];
	size_t used;
};

void out_raw(struct out *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
void out_text(struct out *out, const char *text); /* quoted and escaped */

#endif
