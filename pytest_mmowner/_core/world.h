/* SPDX-License-Identifier: MIT
 *
 * Worlds: mmowner_reference._packed and ._compact once more, for speed.  The same functions under
 * the same names do the same in the same order; what they mean is said there.  Nothing here is
 * the specification: tests hold every world and every transition to the Python text.
 *
 * A world is kept as a key of a few bits and unpacked into short arrays to be changed.
 */
#ifndef MMOWNER_WORLD_H
#define MMOWNER_WORLD_H

#include <stdint.h>
#include <string.h>

/* Tasks and mms of a world while it is changed; a kept one has one fewer of each. */
#define SLOTS 16
#define MAX_WORDS 7 /* of a key */

enum { LIVE, ZOMBIE, KTHREAD };
enum { INIT_TASK = -1, KTHREADD = -2, NONE = -1, RELEASED = -2, NOWHERE = -9, BIAS = 16 };
enum { PLAIN, VM, THREAD, PARENT, VM_PARENT, EXIT, EXEC, REAP, USE_MM, UNUSE_MM, HOLD, PUT };
/* In keys: no place, no mm, no owner, a parent that is no task; and a task that is no leader. */
enum { OUTSIDE = 15, FOLLOWER = 3, GONE = 255 };

typedef struct {
    int8_t order[SLOTS], group[SLOTS], parent[SLOTS], mm[SLOTS];
    uint8_t kind[SLOTS];
    int8_t siblings[SLOTS];
    int8_t owner[SLOTS];
    uint8_t refs[SLOTS];
    uint8_t listed, linked, tasks, mms; /* lengths of order, siblings, group, owner */
    uint32_t marked;
} World; /* no padding, and zeros behind every end: worlds are compared byte by byte */

typedef struct {
    uint8_t tasks, mms, gone, spare;
    int8_t task[SLOTS], mm[SLOTS], old[SLOTS];
} Move;

typedef struct {
    int owner, threads_listed, in_place, clear_last, clear_nobody, delayed_leader, exec_old,
        skip_kthreads, next_adopter;
} Book;

/* What is asked for, and how many bits of a key that takes. */
typedef struct {
    Book book;
    int tasks, mms, refs, without, orders, graph;
    int task_slots, mm_slots, ref_bits, words;
} Scope;

/* -- packing --------------------------------------------------------------------------- */

typedef struct {
    uint64_t *words;
    int at, fill;
} Bits;

static inline void add_bits(Bits *bits, uint64_t value, int count) {
    if (!count)
        return;
    bits->words[bits->at] |= value << bits->fill;
    bits->fill += count;
    if (bits->fill >= 64) {
        bits->fill -= 64;
        bits->words[++bits->at] = bits->fill ? value >> (count - bits->fill) : 0;
    }
}

static inline uint64_t next_bits(Bits *bits, int count) {
    uint64_t value;
    if (!count)
        return 0;
    value = bits->words[bits->at] >> bits->fill;
    bits->fill += count;
    if (bits->fill >= 64) {
        bits->fill -= 64;
        bits->at++;
        if (bits->fill)
            value |= bits->words[bits->at] << (count - bits->fill);
    }
    return count == 64 ? value : value & ((UINT64_C(1) << count) - 1);
}

/* How _without_tasks tells mms apart, as numbers that are compared one after the other. */
typedef struct {
    int known, at, family[SLOTS + 1], owner, refs;
} Rank;

static int rank_order(const Rank *a, const Rank *b) {
    int at;
    if (a->known != b->known)
        return a->known - b->known;
    if (a->at != b->at)
        return a->at - b->at;
    for (at = 0; at <= SLOTS; at++) /* ends with -1: a shorter family comes first */
        if (a->family[at] != b->family[at])
            return a->family[at] - b->family[at];
    if (a->owner != b->owner)
        return a->owner - b->owner;
    return a->refs - b->refs;
}

static void rank_mm(const World *w, Rank *rank, int mm, const uint8_t *place, const uint8_t *met,
                    int count, const uint8_t *rest, int left) {
    int owner = w->owner[mm], at, to, size = 0;
    memset(rank, 0, sizeof *rank);
    memset(rank->family, -1, sizeof rank->family);
    rank->refs = w->refs[mm];
    if (owner == NONE || (owner >= 0 && place[owner] != GONE)) {
        rank->at = owner == NONE ? NONE : place[owner];
        return;
    }
    for (at = 0; at < count; at++)
        if (w->owner[met[at]] == owner) {
            rank->known = 1;
            rank->at = at;
            return;
        }
    rank->known = 2;
    rank->owner = owner;
    for (at = 0; at < left; at++) {
        if (w->owner[rest[at]] != owner)
            continue;
        for (to = size++; to && rank->family[to - 1] > w->refs[rest[at]]; to--)
            rank->family[to] = rank->family[to - 1];
        rank->family[to] = w->refs[rest[at]];
    }
}

/* Append to met the mms that only references keep; return how many there are in all. */
static int without_tasks(const World *w, const uint8_t *place, const uint8_t *number,
                         uint8_t *met, int count) {
    uint8_t rest[SLOTS];
    Rank ranks[SLOTS], rank;
    int left = 0, mm, at, to;
    for (mm = 0; mm < w->mms; mm++)
        if (w->refs[mm] && number[mm] == OUTSIDE)
            rest[left++] = (uint8_t)mm;
    for (at = 0; at < left; at++) {
        mm = rest[at];
        if (left > 1)
            rank_mm(w, &rank, mm, place, met, count, rest, left);
        else
            memset(&rank, 0, sizeof rank);
        for (to = at; to && rank_order(&ranks[to - 1], &rank) > 0; to--) {
            ranks[to] = ranks[to - 1];
            met[count + to] = met[count + to - 1];
        }
        ranks[to] = rank;
        met[count + to] = (uint8_t)mm;
    }
    return count + left;
}

static void pack(const Scope *s, const World *w, uint64_t *key, Move *move) {
    uint8_t places[SLOTS + 2], numbers[SLOTS + 1], met[SLOTS], count_of[SLOTS] = {0};
    /* -1 and -2 are parents that are no task, and "no owner"; -1 is "no mm" */
    uint8_t *place = places + 2, *number = numbers + 1;
    uint64_t parents = 0, mms = 0, tags = 0, ranks = 0, owners = 0, released = 0;
    int8_t old[SLOTS];
    Bits bits = {key, 0, 0};
    int at, to, task, mm, count = 0, gone = 0, owner;
    memset(places, GONE, sizeof places);
    place[-1] = place[-2] = OUTSIDE;
    memset(numbers, OUTSIDE, sizeof numbers);
    for (at = 0; at < w->listed; at++) {
        task = w->order[at];
        place[task] = (uint8_t)at;
        mm = w->mm[task];
        if (mm >= 0 && number[mm] == OUTSIDE) {
            met[count] = (uint8_t)mm;
            number[mm] = (uint8_t)count++;
        }
    }
    if (count < w->mms)
        count = without_tasks(w, place, number, met, count);
    for (at = 0; at < w->listed; at++) {
        task = w->order[at];
        parents |= (uint64_t)place[w->parent[task]] << 4 * at;
        mms |= (uint64_t)number[w->mm[task]] << 4 * at;
        tags |= (uint64_t)(w->group[task] == task ? w->kind[task] : FOLLOWER) << 2 * at;
    }
    for (at = 0; at < w->linked; at++) {
        task = w->siblings[at];
        ranks |= (uint64_t)count_of[place[w->parent[task]]]++ << 4 * place[task];
    }
    for (at = 0; at < count; at++) {
        owner = w->owner[met[at]];
        if (owner >= NONE && place[owner] != GONE) {
            owners |= (uint64_t)place[owner] << 4 * at;
            continue;
        }
        for (to = 0; to < gone && old[to] != owner; to++)
            ;
        if (to == gone)
            old[gone++] = (int8_t)owner;
        owners |= (uint64_t)to << 4 * at;
        released |= UINT64_C(1) << at;
    }
    key[0] = 0;
    add_bits(&bits, (uint64_t)w->listed | (uint64_t)count << 4, 8);
    add_bits(&bits, parents, 4 * s->task_slots);
    add_bits(&bits, mms, 4 * s->task_slots);
    add_bits(&bits, tags, 2 * s->task_slots);
    add_bits(&bits, ranks, 4 * s->task_slots);
    add_bits(&bits, owners, 4 * s->mm_slots);
    add_bits(&bits, released, s->mm_slots);
    if (s->ref_bits)
        for (at = 0; at < s->mm_slots; at++)
            add_bits(&bits, at < count ? w->refs[met[at]] : 0, s->ref_bits);
    if (move) {
        memset(move, 0, sizeof *move);
        move->tasks = w->listed;
        move->mms = (uint8_t)count;
        move->gone = (uint8_t)gone;
        memcpy(move->task, w->order, w->listed);
        memcpy(move->mm, met, (size_t)count);
        memcpy(move->old, old, (size_t)gone);
    }
}

static void unpack(const Scope *s, const uint64_t *key, World *w) {
    uint64_t words[MAX_WORDS + 1], parents, mms, tags, ranks, owners, released;
    uint8_t start[SLOTS + 1] = {0};
    Bits bits = {words, 0, 0};
    int at, tag, leader = 0, up, head;
    memcpy(words, key, (size_t)s->words * sizeof *words);
    memset(w, 0, sizeof *w);
    head = (int)next_bits(&bits, 8);
    w->tasks = w->listed = head & 15;
    w->mms = (uint8_t)(head >> 4);
    parents = next_bits(&bits, 4 * s->task_slots);
    mms = next_bits(&bits, 4 * s->task_slots);
    tags = next_bits(&bits, 2 * s->task_slots);
    ranks = next_bits(&bits, 4 * s->task_slots);
    owners = next_bits(&bits, 4 * s->mm_slots);
    released = next_bits(&bits, s->mm_slots);
    for (at = 0; at < w->tasks; at++) {
        tag = tags >> 2 * at & 3;
        leader = tag == FOLLOWER ? leader : at;
        w->order[at] = (int8_t)at;
        w->group[at] = (int8_t)leader;
        w->kind[at] = (uint8_t)(tag == FOLLOWER ? LIVE : tag);
        up = parents >> 4 * at & 15;
        w->parent[at] = (int8_t)(up != OUTSIDE ? up : tag == KTHREAD ? KTHREADD : INIT_TASK);
        up = mms >> 4 * at & 15;
        w->mm[at] = (int8_t)(up == OUTSIDE ? NONE : up);
        if (tag != KTHREAD && (tag != FOLLOWER || s->book.threads_listed)) {
            start[w->parent[at] + 2]++; /* children of INIT_TASK come first */
            w->linked++;
        }
    }
    for (at = 1; at <= SLOTS; at++)
        start[at] = (uint8_t)(start[at] + start[at - 1]);
    for (at = 0; at < w->tasks; at++) {
        tag = tags >> 2 * at & 3;
        if (tag != KTHREAD && (tag != FOLLOWER || s->book.threads_listed))
            w->siblings[start[w->parent[at] + 1] + (ranks >> 4 * at & 15)] = (int8_t)at;
    }
    for (at = 0; at < w->mms; at++) {
        up = owners >> 4 * at & 15;
        if (released >> at & 1)
            w->owner[at] = (int8_t)(RELEASED - up);
        else
            w->owner[at] = (int8_t)(up == OUTSIDE ? NONE : up);
        w->refs[at] = (uint8_t)next_bits(&bits, s->ref_bits);
    }
}

/* -- what is done ---------------------------------------------------------------------- */

static int users(const World *w, int mm) {
    int task, count = w->refs[mm];
    for (task = 0; task < w->tasks; task++)
        count += w->mm[task] == mm && w->kind[task] != KTHREAD;
    return count;
}

static int used_mms(const World *w) {
    int mm, count = 0;
    for (mm = 0; mm < w->mms; mm++)
        count += users(w, mm) > 0;
    return count;
}

static int group_size(const World *w, int leader) {
    int task, count = 0;
    for (task = 0; task < w->tasks; task++)
        count += w->group[task] == leader;
    return count;
}

static int add_task(World *w, int group, int parent, int mm, int kind) {
    int task = w->tasks++, at = w->listed, to;
    if (group >= 0)
        while (w->group[w->order[at - 1]] != group)
            at--;
    for (to = w->listed++; to > at; to--)
        w->order[to] = w->order[to - 1];
    w->order[at] = (int8_t)task;
    w->group[task] = (int8_t)(group < 0 ? task : group);
    w->parent[task] = (int8_t)parent;
    w->mm[task] = (int8_t)mm;
    w->kind[task] = (uint8_t)kind;
    return task;
}

static void take_off(int8_t *list, uint8_t *length, int task) {
    int at = 0;
    while (at < *length && list[at] != task)
        at++;
    if (at == *length)
        return;
    for (--*length; at < *length; at++)
        list[at] = list[at + 1];
    list[at] = 0;
}

static void release(World *w, int task) {
    take_off(w->order, &w->listed, task);
    take_off(w->siblings, &w->linked, task);
    w->group[task] = w->parent[task] = w->mm[task] = NOWHERE;
}

static void clone(const Book *book, World *w, int kind, int maker) {
    int mm = w->mm[maker], parent, child, own = kind == PLAIN || kind == PARENT;
    if (own)
        mm = w->mms++;
    parent = kind == PLAIN || kind == VM ? maker : w->parent[maker];
    child = add_task(w, kind == THREAD ? w->group[maker] : -1, parent, mm, LIVE);
    if (own)
        w->owner[mm] = (int8_t)(book->owner ? child : NONE);
    if (kind != THREAD || book->threads_listed)
        w->siblings[w->linked++] = (int8_t)child;
}

static int search(const Book *book, const World *w, int mm, int task) {
    int stage, at, thread, entry, up = task;
    for (stage = 0; stage < 2; stage++, up = w->parent[task])
        for (at = 0; at < w->linked; at++) {
            entry = w->siblings[at];
            if (w->parent[entry] != up)
                continue;
            if (w->mm[entry] == mm)
                return entry;
            if (!book->in_place || w->mm[entry] != NONE)
                continue;
            for (thread = 0; thread < w->listed; thread++)
                if (w->group[w->order[thread]] == entry && w->mm[w->order[thread]] == mm)
                    return w->order[thread];
        }
    for (at = 0; at < w->listed; at++) {
        entry = w->order[at];
        if (w->mm[entry] == mm && !(book->skip_kthreads && w->kind[entry] == KTHREAD))
            return entry;
    }
    return NONE;
}

/* The task has left the mm already. */
static void hand_over(const Book *book, World *w, int mm, int task) {
    int found;
    if (w->owner[mm] != task)
        return;
    if (users(w, mm) == 0) {
        if (book->clear_last)
            w->owner[mm] = NONE;
        return;
    }
    if (book->delayed_leader && w->group[task] == task && group_size(w, task) > 1)
        return;
    found = search(book, w, mm, task);
    if (found != NONE || book->clear_nobody)
        w->owner[mm] = (int8_t)found;
}

static void leave_mm(const Book *book, World *w, int task) {
    int mm = w->mm[task];
    w->mm[task] = NONE;
    hand_over(book, w, mm, task);
}

static int adopter(const Book *book, const World *w, int task) {
    int leader = w->group[task], at, one, first = -1, behind = 0;
    for (at = 0; at < w->listed; at++) {
        one = w->order[at];
        if (w->group[one] != leader)
            continue;
        if (one == task) {
            behind = 1;
            continue;
        }
        if (w->kind[one] != LIVE || w->marked >> one & 1)
            continue;
        if (!book->next_adopter || behind)
            return one;
        if (first < 0)
            first = one;
    }
    return first < 0 ? 0 : first;
}

static int has_children(const World *w, int task) {
    int one;
    for (one = 0; one < w->tasks; one++)
        if (w->parent[one] == task)
            return 1;
    return 0;
}

static void notify(const Book *book, World *w, int task) {
    int8_t moved[SLOTS];
    int heir, at, kept = 0, count = 0, one;
    if (has_children(w, task)) {
        heir = adopter(book, w, task);
        for (at = 0; at < w->linked; at++) {
            one = w->siblings[at];
            if (w->parent[one] == task)
                moved[count++] = (int8_t)one;
            else
                w->siblings[kept++] = (int8_t)one;
        }
        memcpy(w->siblings + kept, moved, (size_t)count);
        for (one = 0; one < w->tasks; one++)
            if (w->parent[one] == task)
                w->parent[one] = (int8_t)heir;
    }
    if (w->group[task] == task)
        w->kind[task] = ZOMBIE;
    else
        release(w, task);
}

static void exit_part(const Book *book, World *w, int task, int part, int parts) {
    if (parts == 1 || part == 1)
        leave_mm(book, w, task);
    if (parts == 1 || part == 2)
        notify(book, w, task);
    if (parts == 3 && part == 0)
        w->marked |= UINT32_C(1) << task;
}

static void replace_mm(const Book *book, World *w, int task, int mm) {
    int leader = w->group[task], at, old;
    w->marked = 0;
    if (leader != task) {
        if (!book->threads_listed) {
            for (at = 0; w->siblings[at] != leader; at++)
                ;
            w->siblings[at] = (int8_t)task;
        }
        take_off(w->order, &w->listed, task);
        for (at = 0; w->order[at] != leader; at++)
            ;
        w->order[at] = (int8_t)task;
        take_off(w->siblings, &w->linked, leader);
        w->group[leader] = w->parent[leader] = w->mm[leader] = NOWHERE;
        w->group[task] = (int8_t)task;
    }
    old = w->mm[task];
    w->mm[task] = (int8_t)mm;
    if (book->exec_old)
        hand_over(book, w, old, task);
}

#endif
