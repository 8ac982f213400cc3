/* names.h: which object an address is in, and how messages call it. */
#ifndef MMO_NAMES_H
#define MMO_NAMES_H

#include "host.h"

enum region { R_TASK, R_MM, R_SIGNAL, R_OTHER, R_NONE };

struct spot { enum region region; int slot; size_t offset; };

struct spot spot_of(uintptr_t address);
const char *spot_task_field(size_t offset);
void spot_task_text(int slot, char *text, size_t size);

#endif
