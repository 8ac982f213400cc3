/* hold.h: references on mm_users that belong to no task of the world. */
#ifndef MMOWNER_HOLD_H
#define MMOWNER_HOLD_H

#include <stdbool.h>
#include <sys/types.h>

enum { MAX_HOLDERS = 64 };

/* Whether this kernel lets us stop a reader in the middle (userfaultfd). */
bool hold_setup(void);

/* Takes a reference on the mm behind an open /proc/PID/mem. Returns the holder's
 * pid, 0 when nobody lives in the mm any more, or -1 when it did not work in time.
 * index (below MAX_HOLDERS) is the caller's: one per reference. */
pid_t hold_take(int index, int mem_fd);

/* When this returns true the reference has been dropped. */
bool hold_drop(pid_t holder);

#endif
