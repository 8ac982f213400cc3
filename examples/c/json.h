/* json.h: read one line of JSON and write one; knows nothing about the protocol.
 *
 * There is no tree: a text is checked once, and then walked where it stands. A value is
 * a pointer to its first character, so nothing is allocated and no line is too long.
 */
#ifndef EXAMPLE_JSON_H
#define EXAMPLE_JSON_H

#include <stdbool.h>
#include <stddef.h>

/* Whether the text is one JSON value and nothing else. Everything below needs that. */
bool json_valid(const char *text);

/* The member of an object; NULL when there is none, or the value is no object. */
const char *json_member(const char *object, const char *key);

/* The elements of a list: NULL at the end, or when the value is no list. */
const char *json_first(const char *list);
const char *json_next(const char *element);

bool json_same_length(const char *list, const char *other);

bool json_is_list(const char *value);

/* Whether the value is this text. Compared as written: the words of the protocol are
 * plain ASCII, which no JSON writer escapes. */
bool json_is(const char *value, const char *text);

/* Whether the value is a whole number that fits, and which. */
bool json_integer(const char *value, long *number);

/* A line that grows as it is written. Start with all zeros. */
struct out {
	char *text;
	size_t used, room;
};

void out_clear(struct out *out);
void out_format(struct out *out, const char *format, ...);

/* A separator, unless the text ends with an opening bracket or is empty. */
void out_comma(struct out *out);

/* A plain ASCII text as a JSON string. */
void out_string(struct out *out, const char *text);

#endif
