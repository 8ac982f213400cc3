/* boot.h: being PID 1 of a kernel of our own. */
#ifndef MMOWNER_BOOT_H
#define MMOWNER_BOOT_H

#include <stdbool.h>

/* Mounts what the agent needs and makes the protocol's line standard input and output.
 * want is "1" or "2": the cgroup version to try first, or NULL. */
bool boot_up(const char *want);
/* Does not return. */
void boot_down(void);

#endif
