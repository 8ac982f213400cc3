/* hooks.c: what compilers call before each access and in each block of instrumented code.
 *
 * They call __tsan_read8() and the like (-fsanitize=thread) and __sanitizer_cov_trace_pc()
 * (-fsanitize-coverage); these are ours, no sanitizer's library is linked.
 */
#include "watch.h"
#include "world.h"

#include <string.h>

#define CALLER __builtin_return_address(0)

static inline bool in_arena(uintptr_t address)
{
	return address - (uintptr_t)&mmo_arena < sizeof(mmo_arena) || address < 0x10000;
}

static inline __attribute__((always_inline)) void hook(uintptr_t address, unsigned int size,
						       bool write, bool plain, void *pc)
{
	struct co *co = mmo_co;

	if (!co || co_on_stack(address))
		return;
	if (!co->in_candidate && !in_arena(address))
		return; /* the world's own books */
	watch_access(address, size, write, pc);
	if (mmo_point(address, write ? A_WRITE : A_READ, pc))
		watch_access(address, size, write, pc); /* others have run since */
	if (write)
		watch_owner_store(co, address, plain, pc);
}

#define HOOKS(size) \
	void __tsan_read##size(void *a) { hook((uintptr_t)a, size, false, true, CALLER); } \
	void __tsan_write##size(void *a) { hook((uintptr_t)a, size, true, true, CALLER); } \
	void __tsan_unaligned_read##size(void *a) { hook((uintptr_t)a, size, false, true, CALLER); } \
	void __tsan_unaligned_write##size(void *a) { hook((uintptr_t)a, size, true, true, CALLER); } \
	void __tsan_volatile_read##size(void *a) { hook((uintptr_t)a, size, false, false, CALLER); } \
	void __tsan_volatile_write##size(void *a) { hook((uintptr_t)a, size, true, false, CALLER); } \
	void __tsan_unaligned_volatile_read##size(void *a) \
	{ hook((uintptr_t)a, size, false, false, CALLER); } \
	void __tsan_unaligned_volatile_write##size(void *a) \
	{ hook((uintptr_t)a, size, true, false, CALLER); } \
	void __tsan_read_write##size(void *a) { hook((uintptr_t)a, size, true, true, CALLER); } \
	void __tsan_unaligned_read_write##size(void *a) \
	{ hook((uintptr_t)a, size, true, true, CALLER); }

HOOKS(1) HOOKS(2) HOOKS(4) HOOKS(8) HOOKS(16)

void __tsan_init(void) { }

void __tsan_func_entry(void *caller)
{
	(void)caller;
	if (mmo_co && ++mmo_co->depth < MMO_DEPTH)
		mmo_co->trail[mmo_co->depth] = 0;
}

void __tsan_func_exit(void)
{
	if (mmo_co && mmo_co->depth)
		mmo_co->depth--;
}

void __tsan_vptr_read(void **at) { (void)at; }
void __tsan_vptr_update(void **at, void *new_value) { (void)at; (void)new_value; }

void __tsan_read_range(void *a, size_t size)
{
	hook((uintptr_t)a, (unsigned int)size, false, true, CALLER);
}

void __tsan_write_range(void *a, size_t size)
{
	hook((uintptr_t)a, (unsigned int)size, true, true, CALLER);
}

void *__tsan_memcpy(void *to, const void *from, size_t size)
{
	hook((uintptr_t)from, (unsigned int)size, false, true, CALLER);
	hook((uintptr_t)to, (unsigned int)size, true, true, CALLER);
	return memcpy(to, from, size);
}

void *__tsan_memmove(void *to, const void *from, size_t size)
{
	hook((uintptr_t)from, (unsigned int)size, false, true, CALLER);
	hook((uintptr_t)to, (unsigned int)size, true, true, CALLER);
	return memmove(to, from, size);
}

void *__tsan_memset(void *to, int value, size_t size)
{
	hook((uintptr_t)to, (unsigned int)size, true, true, CALLER);
	return memset(to, value, size);
}

struct edge mmo_edges[MMO_EDGES];
static int edge_count;

static void took(uintptr_t from, uintptr_t to)
{
	unsigned int index = (unsigned int)((from * 31 + to) * 0x9e3779b1u >> 7) % MMO_EDGES;

	while (mmo_edges[index].to) {
		if (mmo_edges[index].to == to && mmo_edges[index].from == from)
			return;
		index = (index + 1) % MMO_EDGES;
	}
	if (edge_count < MMO_EDGES * 3 / 4) {
		edge_count++;
		mmo_edges[index] = (struct edge){ from, to };
	}
}

/* Each block of instrumented code: what was reached; and it ends loops that touch nothing. */
void __sanitizer_cov_trace_pc(void)
{
	struct co *co = mmo_co;
	uintptr_t here = (uintptr_t)CALLER;

	mmo_step((void *)here);
	if (!co || !co->in_candidate || co->depth >= MMO_DEPTH)
		return;
	took(co->trail[co->depth], here);
	co->trail[co->depth] = here;
}
