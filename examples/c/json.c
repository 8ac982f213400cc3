/* json.c: the reader checks by skipping, the writer is printf into a growing line. */
#include "json.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Garbage may nest as deep as it likes, our stack may not. */
enum { MAX_DEPTH = 64 };

static const char *skip_value(const char *at, int depth);

static const char *skip_blanks(const char *at)
{
	return at + strspn(at, " \t\r\n");
}

static const char *skip_digits(const char *at)
{
	size_t count = strspn(at, "0123456789");

	return count ? at + count : NULL;
}

static const char *skip_number(const char *at)
{
	if (*at == '-')
		at++;
	at = *at == '0' ? at + 1 : skip_digits(at);
	if (at && *at == '.')
		at = skip_digits(at + 1);
	if (at && (*at == 'e' || *at == 'E'))
		at = skip_digits(at + 1 + (at[1] == '+' || at[1] == '-'));
	return at;
}

static const char *skip_escape(const char *at)
{
	if (*at == 'u')
		return strspn(at + 1, "0123456789abcdefABCDEF") >= 4 ? at + 5 : NULL;
	return *at && strchr("\"\\/bfnrt", *at) ? at + 1 : NULL;
}

static const char *skip_string(const char *at)
{
	if (*at++ != '"')
		return NULL;
	while (*at != '"') {
		if ((unsigned char)*at < 0x20)	/* also the NUL at the end of the line */
			return NULL;
		at = *at == '\\' ? skip_escape(at + 1) : at + 1;
		if (!at)
			return NULL;
	}
	return at + 1;
}

static const char *skip_key(const char *at)
{
	at = skip_string(at);
	if (at)
		at = skip_blanks(at);
	return at && *at == ':' ? skip_blanks(at + 1) : NULL;
}

/* Lists and objects: the same but for the keys. */
static const char *skip_elements(const char *at, int depth)
{
	char open = *at, close = open == '{' ? '}' : ']';

	at = skip_blanks(at + 1);
	if (*at == close)
		return at + 1;
	for (;;) {
		if (open == '{')
			at = skip_key(at);
		if (at)
			at = skip_value(at, depth + 1);
		if (!at)
			return NULL;
		at = skip_blanks(at);
		if (*at == close)
			return at + 1;
		if (*at != ',')
			return NULL;
		at = skip_blanks(at + 1);
	}
}

static const char *skip_word(const char *at, const char *word)
{
	return strncmp(at, word, strlen(word)) ? NULL : at + strlen(word);
}

/* The end of the value that starts here, or NULL when none does. */
static const char *skip_value(const char *at, int depth)
{
	if (depth > MAX_DEPTH)
		return NULL;
	switch (*at) {
	case '{': case '[': return skip_elements(at, depth);
	case '"': return skip_string(at);
	case 't': return skip_word(at, "true");
	case 'f': return skip_word(at, "false");
	case 'n': return skip_word(at, "null");
	default: return skip_number(at);
	}
}

bool json_valid(const char *text)
{
	const char *end = skip_value(skip_blanks(text), 0);

	return end && *skip_blanks(end) == '\0';
}

/* What stands behind an element: the next one, or nothing. */
static const char *behind(const char *element)
{
	const char *at = skip_blanks(skip_value(element, 0));

	return *at == ',' ? skip_blanks(at + 1) : NULL;
}

static const char *inside(const char *value, char open)
{
	const char *at;

	if (!value)
		return NULL;
	value = skip_blanks(value);
	if (*value != open)
		return NULL;
	at = skip_blanks(value + 1);
	return *at == ']' || *at == '}' ? NULL : at;
}

const char *json_member(const char *object, const char *key)
{
	for (const char *at = inside(object, '{'); at; at = behind(skip_key(at)))
		if (json_is(at, key))
			return skip_key(at);
	return NULL;
}

const char *json_first(const char *list)
{
	return inside(list, '[');
}

const char *json_next(const char *element)
{
	return behind(element);
}

bool json_same_length(const char *list, const char *other)
{
	const char *one = json_first(list), *two = json_first(other);

	while (one && two) {
		one = json_next(one);
		two = json_next(two);
	}
	return !one && !two;
}

bool json_is_list(const char *value)
{
	return value && *value == '[';
}

bool json_is(const char *value, const char *text)
{
	size_t length = strlen(text);

	return value && *value == '"' && !strncmp(value + 1, text, length) &&
	       value[1 + length] == '"';
}

bool json_integer(const char *value, long *number)
{
	char *end;

	if (!value || (*value != '-' && (*value < '0' || *value > '9')))
		return false;
	errno = 0;
	*number = strtol(value, &end, 10);
	return !errno && !strchr(".eE", *end ? *end : ' ');
}

void out_clear(struct out *out)
{
	out->used = 0;
}

static void make_room(struct out *out, size_t length)
{
	if (out->used + length < out->room)
		return;
	out->room = 2 * (out->used + length) + 256;
	out->text = realloc(out->text, out->room);
	if (!out->text) {
		fputs("no memory for the answer\n", stderr);
		exit(1);
	}
}

void out_format(struct out *out, const char *format, ...)
{
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(NULL, 0, format, args);
	va_end(args);
	make_room(out, (size_t)length + 1);
	va_start(args, format);
	vsnprintf(out->text + out->used, (size_t)length + 1, format, args);
	va_end(args);
	out->used += (size_t)length;
}

void out_comma(struct out *out)
{
	if (out->used && !strchr("[{", out->text[out->used - 1]))
		out_format(out, ", ");
}

void out_string(struct out *out, const char *text)
{
	out_format(out, "\"");
	for (; *text; text++)
		out_format(out, *text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
	out_format(out, "\"");
}
