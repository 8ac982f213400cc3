/* probe.h: who pays for a page of this mm? The kernel charges it to the mm's owner. */
#ifndef MMOWNER_PROBE_H
#define MMOWNER_PROBE_H

#include "world.h"

enum payer_kind {
	PAYER_LEAF,     /* one of our tasks' cgroups */
	PAYER_ROOT,     /* the kernel's root group: the mm has no owner */
	PAYER_UNUSED,   /* nobody uses the mm any more, so no page can be faulted in */
	PAYER_UNKNOWN,  /* why says what went wrong */
};

struct payer {
	enum payer_kind kind;
	const struct leaf *leaf;
	char why[200];
};

/* True when /proc/kpagecgroup can be believed and used; needs a world. "" or the name
 * of the one to use ("kpage", "usage") in forced. */
bool probe_setup(const char *forced);
extern bool probe_uses_kpage;

/* Fault a page in from outside. The tasks of the mm may sleep, wait or be dead. */
struct payer probe_owner(int mm);

/* Pages that a task must touch at least for probe_charge, and what happens around. */
long probe_charge_pages(void);
void probe_charge_before(void);
struct payer probe_charge_after(int mm, long pages);

#endif
