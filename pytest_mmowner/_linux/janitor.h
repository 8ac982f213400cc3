/* janitor.h: processes that outlive the agent just long enough to clean up. */
#ifndef MMOWNER_JANITOR_H
#define MMOWNER_JANITOR_H

#include <stdbool.h>

/* Host: a process that empties and removes cgroup_base when the agent is gone,
 * however it went. Returns a descriptor that hangs up when the janitor itself dies
 * (the agent should then clean up and go), or -1. */
int janitor_start(void);

/* The agent has cleaned up: let the janitor see that and go. */
void janitor_stop(void);

/* UML: run argv as a child; when our standard input hangs up, or we are told to end,
 * or the kernel dies, leave no process of it behind and remove directory. */
int guard_main(const char *directory, char **argv);

#endif
