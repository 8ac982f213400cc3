/* ops.c: the operations by their words, and how they are read. */
#include "ops.h"

#include "json.h"

/* Bits of the fields that an operation needs; json_field[] has their names. */
enum {
	TASK = 1 << 0, CHILD = 1 << 1, MM = 1 << 2, REF = 1 << 3,
	TRACER = 1 << 4, CGROUP = 1 << 5, PARENT = 1 << 6, PAGES = 1 << 7,
};

static const struct {
	const char *name;
	size_t offset;
} json_field[] = {
	{ "task", offsetof(struct op, task) },     { "child", offsetof(struct op, child) },
	{ "mm", offsetof(struct op, mm) },         { "ref", offsetof(struct op, ref) },
	{ "tracer", offsetof(struct op, tracer) }, { "cgroup", offsetof(struct op, cgroup) },
	{ "parent", offsetof(struct op, parent) }, { "pages", offsetof(struct op, pages) },
};

static const struct op_type op_types[] = {
	{ "clone", TASK | CHILD, refuse_clone, do_clone },
	{ "exit", TASK, refuse_exit, do_exit },
	{ "exec", TASK | MM, refuse_exec, do_exec },
	{ "reap", TASK, refuse_reap, do_reap },
	{ "hold", MM | REF, refuse_hold, do_hold },
	{ "put", MM | REF, refuse_put, do_put },
	{ "kthread", CHILD, refuse_kthread, do_kthread },
	{ "use_mm", TASK | MM, refuse_use_mm, do_use_mm },
	{ "unuse_mm", TASK | MM, refuse_unuse_mm, do_unuse_mm },
	{ "clone_fails", TASK | CHILD, refuse_clone_fails, do_clone_fails },
	{ "exec_fails", TASK, refuse_exec_fails, do_exec_fails },
	{ "trace", TASK | TRACER, refuse_trace, do_trace },
	{ "untrace", TASK, refuse_untrace, do_untrace },
	{ "subreaper", TASK, refuse_subreaper, do_subreaper },
	{ "cgroup", CGROUP | PARENT, refuse_cgroup, do_cgroup },
	{ "attach", TASK | CGROUP, refuse_attach, do_attach },
	{ "charge", TASK | PAGES, refuse_charge, do_charge },
	{ "subsystem", 0, refuse_subsystem, NULL },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Every name is a positive integer, and so is a number of pages. */
bool read_name(const char *object, const char *key, long *name)
{
	return json_integer(json_member(object, key), name) && *name > 0;
}

static const struct op_type *op_type(const char *word)
{
	for (size_t i = 0; i < COUNT(op_types); i++)
		if (json_is(word, op_types[i].word))
			return &op_types[i];
	return NULL;
}

static const char *read_fields(const char *object, unsigned fields, struct op *op)
{
	for (size_t i = 0; i < COUNT(json_field); i++) {
		long *to = (long *)((char *)op + json_field[i].offset);

		if (fields & (1u << i) && !read_name(object, json_field[i].name, to))
			return "a field is missing, or is not a positive integer";
	}
	return NULL;
}

static const char *read_flags(const char *list, unsigned *flags)
{
	static const struct {
		const char *word;
		unsigned bits;
	} known[] = {
		{ "VM", FLAG_VM }, { "THREAD", FLAG_THREAD | FLAG_VM },
		{ "PARENT", FLAG_PARENT }, { "VFORK", FLAG_VFORK },
	};

	if (!json_is_list(list))
		return "flags is a list of words";
	for (const char *at = json_first(list); at; at = json_next(at)) {
		size_t i = 0;

		while (i < COUNT(known) && !json_is(at, known[i].word))
			i++;
		if (i == COUNT(known))
			return "flags are VM, THREAD, PARENT and VFORK";
		*flags |= known[i].bits;
	}
	return NULL;
}

/* The child shares its maker's mm, or it needs a name for its own: never both. */
static const char *read_clone(const char *object, struct op *op)
{
	const char *why = read_flags(json_member(object, "flags"), &op->flags);
	const char *mm = json_member(object, "mm"), *ref = json_member(object, "ref");

	if (why)
		return why;
	if (op->flags & FLAG_VM && mm)
		return "a child that shares the mm needs no name for one";
	if (!(op->flags & FLAG_VM) && !read_name(object, "mm", &op->mm))
		return "without VM or THREAD, mm is the name of the child's mm";
	if (op->type->perform != do_clone_fails)
		return NULL;
	if (!json_is(json_member(object, "at"), "dup_mm") &&
	    !json_is(json_member(object, "at"), "late"))
		return "at is dup_mm or late";
	return ref && !read_name(object, "ref", &op->ref) ? "ref is a positive integer" : NULL;
}

const char *read_op(const char *object, struct op *op)
{
	const char *why;

	*op = (struct op){ .type = op_type(json_member(object, "op")) };
	if (!op->type)
		return "unknown operation";
	why = read_fields(object, op->type->fields, op);
	if (!why && (op->type->perform == do_clone || op->type->perform == do_clone_fails))
		why = read_clone(object, op);
	return why;
}
