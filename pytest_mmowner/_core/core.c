/* SPDX-License-Identifier: MIT
 *
 * The search of mmowner_reference._graph once more: see world.h for the worlds.
 *
 * Keys of worlds are kept in the order in which these were found, so the frontier of a
 * breadth-first search is a range of numbers.  Which worlds are known is in an open-addressing
 * table of numbers; whole keys are compared, so the search is exact.
 */
#include <stdlib.h>

#include "world.h"

#if defined(__GNUC__)
#define PREFETCH(address) __builtin_prefetch(address)
#else
#define PREFETCH(address) ((void)(address))
#endif

#define ABI 1 /* __init__.py asks for the same */
#ifndef LIMIT /* tests have a smaller one */
#define LIMIT 20000 /* _outcomes.LIMIT */
#endif
#define FRONT (LIMIT + SLOTS)
#define SPOTS 65536 /* a power of two, at least twice FRONT */
#define BATCH 24 /* worlds whose successors are looked up together: memory answers meanwhile */

/* What mmo_run returns. */
enum { DONE, CUT, NO_MEMORY, TOO_MANY, TOO_LARGE };

typedef struct {
    World world;
    uint8_t done[SLOTS];
} Partial;

typedef struct {
    Scope scope;
    /* worlds: their keys, and the table of their numbers */
    uint64_t *keys, *table;
    uint64_t states, next, transitions, mask;
    size_t keys_room;
    /* successors that were not looked up yet */
    uint64_t *pending, *hashes;
    uint32_t *by_edge;
    size_t pendings, pending_room, hash_room, by_edge_room;
    /* the orders of an exec */
    Partial *front, *after;
    uint32_t *spots;
    int others;
    /* the graph */
    uint16_t *edge_code;
    uint32_t *edge_ends, *end_world, *end_move, *world_edges, *from_world, *from_edge, *move_table;
    Move *moves;
    size_t edges, ends, moves_count, move_mask;
    size_t edge_room, edge_ends_room, end_room, end_move_room, world_room, from_room,
        from_edge_room, move_room;
} Search;

/* -- memory ---------------------------------------------------------------------------- */

static int grow(void *array, size_t *room, size_t need, size_t size) {
    void *old, *new;
    size_t more;
    if (need <= *room)
        return 1;
    more = need + need / 2 + 64;
    if (more > SIZE_MAX / size)
        return 0;
    memcpy(&old, array, sizeof old);
    new = realloc(old, more * size);
    if (!new)
        return 0;
    memcpy(array, &new, sizeof new);
    *room = more;
    return 1;
}

static uint64_t mixed(uint64_t hash) {
    hash ^= hash >> 32;
    hash *= UINT64_C(0xd6e8feb86659fd93);
    return hash ^ hash >> 32;
}

static uint64_t hash_of(const uint64_t *words, int count) {
    uint64_t hash = 0;
    int at;
    for (at = 0; at < count; at++) {
        hash = (hash << 29 | hash >> 35) ^ words[at];
        hash *= UINT64_C(0x9e3779b97f4a7c15);
    }
    return mixed(hash);
}

static uint64_t hash_bytes(const void *bytes, size_t size) {
    uint64_t words[32] = {0};
    memcpy(words, bytes, size);
    return hash_of(words, (int)((size + 7) / 8));
}

/* -- the orders of an exec ------------------------------------------------------------- */

/* Return the number in array of what is equal to *item, or its new number, count. */
static size_t known(uint32_t *spots, size_t mask, const Partial *array, size_t count,
                    const Partial *item, size_t size) {
    size_t at = (size_t)hash_bytes(item, size) & mask;
    for (; spots[at]; at = (at + 1) & mask)
        if (!memcmp(&array[spots[at] - 1], item, size))
            return spots[at] - 1;
    spots[at] = (uint32_t)count + 1;
    return count;
}

static size_t clear_spots(uint32_t *spots, size_t need) {
    size_t size = 16;
    while (size < 2 * need)
        size *= 2;
    memset(spots, 0, size * sizeof *spots);
    return size - 1;
}

/* Leave the worlds in s->front and their number in *found. */
static int all_orders(Search *s, const World *start, const int8_t *others, int count,
                      size_t *found) {
    int parts = 1, step, one;
    size_t worlds = 1, at, next, mask;
    Partial *swap;
    for (one = 0; one < count; one++)
        if (has_children(start, others[one]))
            parts = 3;
    memset(s->front, 0, sizeof *s->front);
    s->front[0].world = *start;
    for (step = 0; step < parts * count; step++) {
        next = worlds * (size_t)count;
        mask = clear_spots(s->spots, next < FRONT ? next : FRONT);
        next = 0;
        for (at = 0; at < worlds; at++) {
            for (one = 0; one < count; one++) {
                Partial *to = &s->after[next];
                if (s->front[at].done[one] == parts)
                    continue;
                *to = s->front[at];
                exit_part(&s->scope.book, &to->world, others[one], to->done[one]++, parts);
                next += known(s->spots, mask, s->after, next, to, sizeof *to) == next;
            }
            if (next > LIMIT) {
                s->others = count;
                return TOO_MANY;
            }
        }
        swap = s->front;
        s->front = s->after;
        s->after = swap;
        worlds = next;
    }
    *found = worlds;
    return DONE;
}

/* -- what can be done ------------------------------------------------------------------ */

static int move_number(Search *s, const Move *move, uint32_t *number) {
    size_t at, mask = s->move_mask, one;
    if (2 * s->moves_count >= mask) {
        mask = mask ? 2 * mask + 1 : 1023;
        free(s->move_table);
        s->move_table = calloc(mask + 1, sizeof *s->move_table);
        if (!s->move_table)
            return NO_MEMORY;
        s->move_mask = mask;
        for (one = 0; one < s->moves_count; one++) {
            at = (size_t)hash_bytes(&s->moves[one], sizeof *move) & mask;
            while (s->move_table[at])
                at = (at + 1) & mask;
            s->move_table[at] = (uint32_t)one + 1;
        }
    }
    at = (size_t)hash_bytes(move, sizeof *move) & mask;
    for (; s->move_table[at]; at = (at + 1) & mask) {
        *number = s->move_table[at] - 1;
        if (!memcmp(&s->moves[*number], move, sizeof *move))
            return DONE;
    }
    if (!grow(&s->moves, &s->move_room, s->moves_count + 1, sizeof *move))
        return NO_MEMORY;
    s->moves[s->moves_count++] = *move;
    s->move_table[at] = (uint32_t)s->moves_count;
    *number = (uint32_t)s->moves_count - 1;
    return DONE;
}

/* An operation leads to this world too; where that one is will be looked up later. */
static int lead_to(Search *s, const World *w, uint32_t edge) {
    Move move;
    size_t at = s->pendings, words = (size_t)s->scope.words;
    int error;
    /* one word more: packing clears the one behind a full one */
    if (!grow(&s->pending, &s->pending_room, (at + 1) * words + 1, sizeof *s->pending) ||
        !grow(&s->hashes, &s->hash_room, at + 1, sizeof *s->hashes))
        return NO_MEMORY;
    pack(&s->scope, w, s->pending + at * words, s->scope.graph ? &move : NULL);
    s->hashes[at] = hash_of(s->pending + at * words, s->scope.words);
    PREFETCH(&s->table[s->hashes[at] & s->mask]);
    if (s->scope.graph) {
        if (s->ends >= UINT32_MAX - 1)
            return TOO_LARGE;
        if (!grow(&s->by_edge, &s->by_edge_room, at + 1, sizeof *s->by_edge) ||
            !grow(&s->end_world, &s->end_room, s->ends + 1, sizeof *s->end_world) ||
            !grow(&s->end_move, &s->end_move_room, s->ends + 1, sizeof *s->end_move))
            return NO_MEMORY;
        s->by_edge[at] = edge;
        error = move_number(s, &move, &s->end_move[s->ends]);
        if (error)
            return error;
        s->ends++;
    }
    s->pendings++;
    return DONE;
}

static int add_edge(Search *s, int kind, int at, int mm, size_t ends) {
    if (!s->scope.graph)
        return DONE;
    if (!grow(&s->edge_code, &s->edge_room, s->edges + 1, sizeof *s->edge_code) ||
        !grow(&s->edge_ends, &s->edge_ends_room, s->edges + 1, sizeof *s->edge_ends))
        return NO_MEMORY;
    s->edge_code[s->edges] = (uint16_t)(kind << 8 | at << 4 | mm);
    s->edge_ends[s->edges++] = (uint32_t)ends;
    return DONE;
}

static int take_exec(Search *s, const World *w, int task, uint32_t *edge) {
    int8_t others[SLOTS];
    int at, one, count = 0, error;
    size_t worlds = 1, end, mask, kept = 0;
    World start = *w;
    int mm = start.mms++;
    for (at = 0; at < w->listed; at++) {
        one = w->order[at];
        if (w->group[one] == w->group[task] && one != task && w->kind[one] == LIVE)
            others[count++] = (int8_t)one;
    }
    start.owner[mm] = (int8_t)(s->scope.book.owner ? task : NONE);
    if (count > 1 && s->scope.orders) {
        error = all_orders(s, &start, others, count, &worlds);
        if (error)
            return error;
    } else {
        for (at = 0; at < count; at++)
            exit_part(&s->scope.book, &start, others[at], 0, 1);
        s->front[0].world = start;
    }
    for (end = 0; end < worlds; end++) {
        replace_mm(&s->scope.book, &s->front[end].world, task, mm);
        if (used_mms(&s->front[end].world) > s->scope.mms)
            return DONE;
    }
    /* Of equal ones the last is kept, in its place: from the back, and back again. */
    mask = worlds > 1 ? clear_spots(s->spots, worlds) : 0;
    for (end = worlds; worlds > 1 && end--;) {
        s->after[kept] = s->front[end];
        kept += known(s->spots, mask, s->after, kept, &s->front[end], sizeof(World)) == kept;
    }
    if (worlds == 1)
        s->after[kept++] = s->front[0];
    error = add_edge(s, EXEC, task, 0, kept);
    while (!error && kept--)
        error = lead_to(s, &s->after[kept].world, *edge);
    ++*edge;
    return error;
}

static int take(Search *s, const World *w, int kind, int at, int mm, uint32_t *edge) {
    World to;
    int error;
    if (s->scope.without >> kind & 1)
        return DONE;
    if (kind == EXEC)
        return take_exec(s, w, at, edge);
    to = *w;
    if (kind <= VM_PARENT) {
        clone(&s->scope.book, &to, kind, at);
    } else if (kind == EXIT) {
        exit_part(&s->scope.book, &to, at, 0, 1);
    } else if (kind == REAP) {
        release(&to, at);
    } else if (kind == USE_MM || kind == UNUSE_MM) {
        to.mm[at] = (int8_t)(kind == USE_MM ? mm : NONE);
    } else {
        to.refs[at] = (uint8_t)(to.refs[at] + (kind == HOLD ? 1 : -1));
    }
    error = add_edge(s, kind, at, mm, 1);
    return error ? error : lead_to(s, &to, (*edge)++);
}

/* Take every operation of a world, in the order of codes(); *edge counts them. */
static int expand(Search *s, uint64_t number, uint32_t *edge) {
    World w;
    int live = 0, at, mm, kind, room, mm_room, error = DONE;
    unpack(&s->scope, s->keys + number * (uint64_t)s->scope.words, &w);
    for (at = 0; at < w.tasks; at++)
        live += w.kind[at] != KTHREAD;
    room = live < s->scope.tasks;
    mm_room = used_mms(&w) < s->scope.mms;
#define TAKE(kind, at, mm) (error = error ? error : take(s, &w, kind, at, mm, edge))
    for (at = 0; at < w.tasks; at++) {
        if (w.kind[at] == KTHREAD) {
            if (w.mm[at] != NONE)
                TAKE(UNUSE_MM, at, w.mm[at]);
            for (mm = 0; w.mm[at] == NONE && mm < w.mms; mm++)
                if (users(&w, mm))
                    TAKE(USE_MM, at, mm);
        } else if (w.kind[at] == ZOMBIE) {
            if (group_size(&w, at) == 1)
                TAKE(REAP, at, 0);
        } else {
            for (kind = PLAIN; room && kind <= VM_PARENT; kind++)
                if ((mm_room || (kind != PLAIN && kind != PARENT)) &&
                    (w.parent[at] != INIT_TASK || kind < PARENT))
                    TAKE(kind, at, 0);
            if (at)
                TAKE(EXIT, at, 0);
            if (!at || w.group[at])
                TAKE(EXEC, at, 0);
        }
    }
    for (mm = 0; mm < w.mms; mm++) {
        if (w.refs[mm] < s->scope.refs && users(&w, mm))
            TAKE(HOLD, mm, 0);
        if (w.refs[mm])
            TAKE(PUT, mm, 0);
    }
#undef TAKE
    return error;
}

/* -- the search ------------------------------------------------------------------------ */

/* Make room for that many more worlds, so that nothing moves while they are looked up. */
static int make_room(Search *s, size_t more) {
    uint64_t need = s->states + more, one, at, hash, size = s->mask + 1;
    size_t words = (size_t)s->scope.words;
    if (need >= UINT32_MAX)
        return TOO_LARGE;
    if (!grow(&s->keys, &s->keys_room, (size_t)need * words, sizeof *s->keys))
        return NO_MEMORY;
    if (s->scope.graph &&
        (!grow(&s->from_world, &s->from_room, (size_t)need, sizeof *s->from_world) ||
         !grow(&s->from_edge, &s->from_edge_room, (size_t)need, sizeof *s->from_edge)))
        return NO_MEMORY;
    if (s->table && need <= size / 8 * 5)
        return DONE;
    while (need > size / 8 * 5)
        size = size < 1024 ? 1024 : 2 * size;
    free(s->table); /* it is made anew from the keys */
    s->table = calloc((size_t)size, sizeof *s->table);
    if (!s->table)
        return NO_MEMORY;
    s->mask = size - 1;
    for (one = 0; one < s->states; one++) {
        hash = hash_of(s->keys + one * words, s->scope.words);
        for (at = hash & s->mask; s->table[at]; at = (at + 1) & s->mask)
            ;
        s->table[at] = (hash & ~(uint64_t)UINT32_MAX) | (one + 1);
    }
    return DONE;
}

/* Return the number of a pending world; one that was not known gets the next. */
static uint64_t look_up(Search *s, size_t pending) {
    size_t words = (size_t)s->scope.words;
    const uint64_t *key = s->pending + pending * words;
    uint64_t hash = s->hashes[pending], at, slot, number;
    for (at = hash & s->mask; (slot = s->table[at]) != 0; at = (at + 1) & s->mask) {
        if ((slot ^ hash) >> 32)
            continue;
        number = (slot & UINT32_MAX) - 1;
        if (!memcmp(s->keys + number * words, key, words * sizeof *key))
            return number;
    }
    memcpy(s->keys + s->states * words, key, words * sizeof *key);
    s->table[at] = (hash & ~(uint64_t)UINT32_MAX) | (s->states + 1);
    return s->states++;
}

/* Look up the successors of count worlds: those of each end where ends says. */
static int settle(Search *s, const size_t *ends, int count, uint64_t max_states) {
    size_t at, first = s->ends - s->pendings; /* a graph is never cut: all are there */
    uint64_t before, number, slot;
    int world, error = make_room(s, s->pendings);
    if (error)
        return error;
    for (at = 0; at < s->pendings; at++) {
        slot = s->table[s->hashes[at] & s->mask];
        if (slot)
            PREFETCH(s->keys + ((slot & UINT32_MAX) - 1) * (uint64_t)s->scope.words);
    }
    for (at = 0, world = 0; world < count; world++, s->next++) {
        for (; at < ends[world]; at++) {
            before = s->states;
            number = look_up(s, at);
            if (!s->scope.graph)
                continue;
            s->end_world[first + at] = (uint32_t)number;
            if (s->states > before) {
                s->from_world[number] = (uint32_t)s->next;
                s->from_edge[number] = s->by_edge[at];
            }
        }
        s->transitions += ends[world] - (world ? ends[world - 1] : 0);
        if (s->states > max_states) {
            s->next++;
            return CUT;
        }
    }
    return DONE;
}

/* Expand the worlds from the next one on, up to the one before stop.  counts receives what
 * there is now: worlds, transitions, the next world, edges, ends, moves, and the number of
 * exits that had too many orders.  After an error there is nothing to do but to close. */
int mmo_run(Search *s, uint64_t stop, uint64_t max_states, uint64_t *counts) {
    int error = DONE, problem = DONE, world;
    size_t ends[BATCH];
    uint32_t edge;
    while (!error && !problem && s->next < stop) {
        s->pendings = 0;
        if (s->scope.graph && !grow(&s->world_edges, &s->world_room, (size_t)s->next + BATCH,
                                    sizeof *s->world_edges)) {
            error = NO_MEMORY;
            break;
        }
        for (world = 0; world < BATCH && s->next + (uint64_t)world < stop; world++) {
            edge = 0;
            problem = expand(s, s->next + (uint64_t)world, &edge);
            if (problem)
                break; /* but first the worlds before this one */
            if (s->scope.graph)
                s->world_edges[s->next + (uint64_t)world] = edge;
            ends[world] = s->pendings;
        }
        error = settle(s, ends, world, max_states);
    }
    counts[0] = s->states;
    counts[1] = s->transitions;
    counts[2] = s->next;
    counts[3] = s->edges;
    counts[4] = s->ends;
    counts[5] = s->moves_count;
    counts[6] = (uint64_t)s->others;
    return error ? error : problem;
}

int mmo_abi(void) { return ABI; }

void mmo_close(Search *s) {
    void *arrays[] = {s->keys,      s->table,     s->pending,   s->hashes,     s->by_edge,
                      s->front,     s->after,     s->spots,     s->edge_code,  s->edge_ends,
                      s->end_world, s->end_move,  s->moves,     s->world_edges, s->from_world,
                      s->from_edge, s->move_table};
    size_t at;
    for (at = 0; at < sizeof arrays / sizeof *arrays; at++)
        free(arrays[at]);
    free(s);
}

/* numbers: the fields of a Rulebook, then tasks, mms, refs, kthreads, a bit for each kind that
 * is left out, whether in all orders, whether a graph is wanted.  NULL: no memory, or more
 * than worlds can hold. */
Search *mmo_open(const int32_t *numbers) {
    Search *s = calloc(1, sizeof *s);
    Scope *scope;
    World w;
    int kthreads = numbers[12], bits, at;
    if (!s)
        return NULL;
    scope = &s->scope;
    memcpy(&scope->book, numbers, sizeof scope->book);
    scope->tasks = numbers[9];
    scope->mms = numbers[10];
    scope->refs = numbers[11];
    scope->without = numbers[13];
    scope->orders = numbers[14];
    scope->graph = numbers[15];
    if (scope->tasks < 1 || scope->mms < 1 || kthreads < 0 || kthreads >= SLOTS ||
        scope->tasks >= SLOTS - kthreads || scope->mms >= SLOTS - kthreads || scope->refs < 0 ||
        scope->refs > 200) {
        free(s);
        return NULL;
    }
    scope->task_slots = scope->tasks + kthreads;
    scope->mm_slots = scope->mms + kthreads; /* a kernel thread may be the last to have one */
    while (scope->refs >> scope->ref_bits)
        scope->ref_bits++;
    bits = 8 + 14 * scope->task_slots + (5 + scope->ref_bits) * scope->mm_slots;
    scope->words = (bits + 63) / 64; /* MAX_WORDS at most */
    s->front = malloc(FRONT * sizeof *s->front);
    s->after = malloc(FRONT * sizeof *s->after);
    s->spots = malloc(SPOTS * sizeof *s->spots);
    memset(&w, 0, sizeof w);
    w.siblings[w.linked++] = (int8_t)add_task(&w, -1, INIT_TASK, 0, LIVE);
    w.owner[w.mms++] = (int8_t)(scope->book.owner ? 0 : NONE);
    for (at = 0; at < kthreads; at++)
        add_task(&w, -1, KTHREADD, NONE, KTHREAD);
    if (!s->front || !s->after || !s->spots || make_room(s, 1) ||
        !grow(&s->pending, &s->pending_room, (size_t)scope->words + 1, sizeof *s->pending) ||
        !grow(&s->hashes, &s->hash_room, 1, sizeof *s->hashes)) {
        mmo_close(s);
        return NULL;
    }
    pack(scope, &w, s->pending, NULL);
    s->hashes[0] = hash_of(s->pending, scope->words);
    look_up(s, 0);
    if (scope->graph)
        s->from_world[0] = s->from_edge[0] = 0;
    return s;
}

/* Return one of the arrays of a graph: codes of edges, how many ends each has; worlds and moves
 * of ends; how many edges each world has; from where and by which edge each was reached; moves. */
const void *mmo_array(const Search *s, int which) {
    const void *arrays[] = {s->edge_code,   s->edge_ends,  s->end_world, s->end_move,
                            s->world_edges, s->from_world, s->from_edge, s->moves};
    return arrays[which];
}

/* Write all worlds as the reference packs them, one after the other, and their lengths. */
void mmo_worlds(const Search *s, uint8_t *out, uint8_t *lengths) {
    uint64_t number;
    uint8_t *start;
    World w;
    int at;
    for (number = 0; number < s->states; number++) {
        unpack(&s->scope, s->keys + number * (uint64_t)s->scope.words, &w);
        start = out;
        *out++ = w.tasks;
        *out++ = w.mms;
        for (at = 0; at < w.tasks; at++) {
            *out++ = (uint8_t)w.group[at];
            *out++ = (uint8_t)(BIAS + w.parent[at]);
            *out++ = (uint8_t)(BIAS + w.mm[at]);
            *out++ = w.kind[at];
        }
        for (at = 0; at < w.mms; at++)
            *out++ = (uint8_t)(BIAS + w.owner[at]);
        for (at = 0; at < w.mms; at++)
            *out++ = w.refs[at];
        for (at = 0; at < w.linked; at++)
            *out++ = (uint8_t)w.siblings[at];
        lengths[number] = (uint8_t)(out - start);
    }
}
