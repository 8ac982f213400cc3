/* watch.h: what is looked at when task and mm memory is touched. */
#ifndef MMO_WATCH_H
#define MMO_WATCH_H

#include "host.h"

/* Is there an object, and may the one who runs touch it?  Reports what is wrong. */
void watch_access(uintptr_t address, unsigned int size, bool write, void *pc);
bool watch_is_alloc_lock(const struct mmo_lock *lock);
bool watch_is_exec_lock(const struct mmo_lock *lock); /* exec_update_lock of a group */
/* A store of an owner is about to be made: it is looked at when it has been. */
void watch_owner_store(struct co *co, uintptr_t address, bool plain, void *pc);
/* Around calls of the candidate. */
void watch_enter(enum owner_call call);
void watch_leave(const char *name);
/* Accesses between the two are not seen.  Calls, so that the compiler keeps their order. */
struct co *watch_blind(void);
void watch_again(struct co *co);
/* Around what the world does when the candidate calls it. */
int watch_pause(void);
void watch_resume(int depth);

#endif
