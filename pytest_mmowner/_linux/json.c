/* json.c: a JSON reader for one line and a writer into one buffer, without allocation. */
#include "json.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef JSON_NODES
#define JSON_NODES 4096 /* values in one line; who reads whole programs says more */
#endif

enum { MAX_NODES = JSON_NODES, MAX_DEPTH = 32 };

struct reader {
	char *at;
	const char *error;
	int depth;
};

static struct json nodes[MAX_NODES];
static int nodes_used;

static struct json *value(struct reader *r);

static struct json *fail(struct reader *r, const char *why)
{
	if (!r->error)
		r->error = why;
	return NULL;
}

static void blanks(struct reader *r)
{
	while (*r->at == ' ' || *r->at == '\t' || *r->at == '\r' || *r->at == '\n')
		r->at++;
}

static struct json *node(struct reader *r, enum json_kind kind)
{
	struct json *new;

	if (nodes_used == MAX_NODES)
		return fail(r, "too many values in one line");
	new = &nodes[nodes_used++];
	memset(new, 0, sizeof(*new));
	new->kind = kind;
	return new;
}

static int hex4(const char *at)
{
	int number = 0;

	for (int i = 0; i < 4; i++) {
		if (!isxdigit((unsigned char)at[i]))
			return -1;
		number = number * 16 + (isdigit((unsigned char)at[i]) ? at[i] - '0'
								       : (at[i] | 32) - 'a' + 10);
	}
	return number;
}

/* The escaped form is never shorter than the plain one, so it is decoded in place. */
static const char *text(struct reader *r)
{
	char *start = ++r->at;
	char *to = start;

	for (;;) {
		unsigned char c = (unsigned char)*r->at++;
		int code;

		if (c == '"')
			break;
		if (c < 0x20) {
			r->at--;
			fail(r, "a text without its end");
			return NULL;
		}
		if (c != '\\') {
			*to++ = (char)c;
			continue;
		}
		c = (unsigned char)*r->at++;
		switch (c) {
		case '"': case '\\': case '/': *to++ = (char)c; break;
		case 'b': *to++ = '\b'; break;
		case 'f': *to++ = '\f'; break;
		case 'n': *to++ = '\n'; break;
		case 'r': *to++ = '\r'; break;
		case 't': *to++ = '\t'; break;
		case 'u':
			code = hex4(r->at);
			if (code < 0) {
				fail(r, "\\u needs four hexadecimal digits");
				return NULL;
			}
			r->at += 4;
			/* Nothing in the protocol needs more than ASCII: the rest, and a
			 * NUL that would end the C text early, become a question mark. */
			*to++ = code > 0 && code < 0x80 ? (char)code : '?';
			break;
		default:
			r->at--;
			fail(r, "an unknown escape in a text");
			return NULL;
		}
	}
	*to = '\0';
	return start;
}

static struct json *number(struct reader *r)
{
	char *end;
	struct json *new;
	bool whole = true;
	char *scan = r->at + (*r->at == '-');

	if (!isdigit((unsigned char)*scan))
		return fail(r, "not a JSON value");
	while (isdigit((unsigned char)*scan))
		scan++;
	if (*scan == '.' || *scan == 'e' || *scan == 'E') {
		whole = false;
		while (*scan && strchr("0123456789.eE+-", *scan))
			scan++;
	}
	new = node(r, whole ? JSON_INT : JSON_REAL);
	if (!new)
		return NULL;
	errno = 0;
	new->number = strtol(r->at, &end, 10);
	if (errno)
		new->kind = JSON_REAL; /* too large for any name of ours */
	r->at = scan;
	return new;
}

static struct json *word(struct reader *r, const char *name, enum json_kind kind, long number_)
{
	size_t length = strlen(name);
	struct json *new;

	if (strncmp(r->at, name, length))
		return fail(r, "not a JSON value");
	r->at += length;
	new = node(r, kind);
	if (new)
		new->number = number_;
	return new;
}

static struct json *collection(struct reader *r, enum json_kind kind, char end)
{
	struct json *new = node(r, kind);
	struct json **tail;

	if (!new)
		return NULL;
	if (++r->depth > MAX_DEPTH)
		return fail(r, "nested too deeply");
	tail = &new->first;
	r->at++;
	blanks(r);
	if (*r->at == end) {
		r->at++;
		r->depth--;
		return new;
	}
	for (;;) {
		const char *key = NULL;

		blanks(r);
		if (kind == JSON_OBJECT) {
			if (*r->at != '"')
				return fail(r, "an object needs a text as key");
			key = text(r);
			if (!key)
				return NULL;
			blanks(r);
			if (*r->at++ != ':')
				return fail(r, "an object needs ':' after a key");
		}
		*tail = value(r);
		if (!*tail)
			return NULL;
		(*tail)->key = key;
		tail = &(*tail)->next;
		blanks(r);
		if (*r->at == ',') {
			r->at++;
			continue;
		}
		if (*r->at++ != end)
			return fail(r, "a list or object without its end");
		r->depth--;
		return new;
	}
}

static struct json *value(struct reader *r)
{
	struct json *new;

	blanks(r);
	switch (*r->at) {
	case '{': return collection(r, JSON_OBJECT, '}');
	case '[': return collection(r, JSON_LIST, ']');
	case '"':
		new = node(r, JSON_TEXT);
		if (!new)
			return NULL;
		new->text = text(r);
		return new->text ? new : NULL;
	case 't': return word(r, "true", JSON_BOOL, 1);
	case 'f': return word(r, "false", JSON_BOOL, 0);
	case 'n': return word(r, "null", JSON_NULL, 0);
	default: return number(r);
	}
}

struct json *json_parse(char *line, const char **error)
{
	struct reader r = { .at = line };
	struct json *root;

	nodes_used = 0;
	root = value(&r);
	if (root) {
		blanks(&r);
		if (*r.at)
			root = fail(&r, "something follows the value");
	}
	*error = r.error;
	return root;
}

const struct json *json_get(const struct json *object, const char *key)
{
	if (!object || object->kind != JSON_OBJECT)
		return NULL;
	for (const struct json *at = object->first; at; at = at->next)
		if (!strcmp(at->key, key))
			return at;
	return NULL;
}

void out_raw(struct out *out, const char *format, ...)
{
	va_list args;
	size_t room = sizeof(out->text) - out->used;
	int length;

	va_start(args, format);
	length = vsnprintf(out->text + out->used, room, format, args);
	va_end(args);
	if (length > 0)
		out->used += (size_t)length < room ? (size_t)length : room - 1;
}

void out_text(struct out *out, const char *text_)
{
	out_raw(out, "\"");
	for (; *text_; text_++) {
		unsigned char c = (unsigned char)*text_;

		if (c == '"' || c == '\\')
			out_raw(out, "\\%c", c);
		else if (c < 0x20 || c >= 0x7f)
			out_raw(out, "\\u%04x", c);
		else
			out_raw(out, "%c", c);
	}
	out_raw(out, "\"");
}
