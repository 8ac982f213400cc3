/* probe.c: two ways to see the payer of a page, each the other's check.
 *
 * kpage: fault one page, find its frame in /proc/PID/pagemap and the frame's cgroup in
 * /proc/kpagecgroup. Exact, and one page is enough.
 * usage: fault many pages and see whose counter rises. The counters run ahead of the
 * pages by a stock of up to 64 per CPU, so it takes more pages than that; the agent
 * stays on one CPU meanwhile. For kernels whose kpagecgroup is closed or incomplete. */
#define _GNU_SOURCE
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	STOCK = 64,             /* pages that a CPU may hold back for a cgroup */
	MOST_PAGES = 8 * STOCK,
	KPAGE_TRIES = 8,
	CHECK_EVERY = 64,       /* questions between two comparisons of both probes */
};

bool probe_uses_kpage;
static bool only_usage, only_kpage;
static long usage_pages; /* how many the usage probe faults in */
static int kpage_fd = -1;
static char *zeros;     /* MOST_PAGES of them, themselves backed by one page */
static unsigned long questions;
static long base_before;

static struct payer unknown(const char *format, ...)
{
	struct payer payer = { .kind = PAYER_UNKNOWN };
	va_list args;

	va_start(args, format);
	vsnprintf(payer.why, sizeof(payer.why), format, args);
	va_end(args);
	return payer;
}

static bool same(struct payer a, struct payer b)
{
	return a.kind == b.kind && a.leaf == b.leaf;
}

static const char *describe(struct payer payer)
{
	return payer.kind == PAYER_LEAF ? payer.leaf->dir.path :
	       payer.kind == PAYER_ROOT ? "the root group" : "nobody";
}

/* The pages become nobody's and untouched again. */
static void give_back(long pages)
{
	fallocate(ARENA_FD, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
		  (off_t)pages * (off_t)page_size);
}

/* Pages faulted in, 0 when the mm has no users, -1 when it failed. */
static long fault_in(const struct mm *mm, long first, long pages)
{
	size_t bytes = (size_t)pages * page_size, done = 0;
	off_t at = (off_t)ARENA_ADDRESS + (off_t)first * (off_t)page_size;

	while (done < bytes) {
		ssize_t written = pwrite(mm->mem_fd, zeros, bytes - done, at + (off_t)done);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return written < 0 ? -1 : (long)(done / page_size);
		done += (size_t)written;
	}
	return pages;
}

/* ---- kpage ---- */

static bool payer_of_page(const struct mm *mm, long page, uint64_t *inode)
{
	uint64_t entry;
	off_t at = (off_t)(ARENA_ADDRESS / page_size + (unsigned long)page) * 8;

	if (pread(mm->pagemap_fd, &entry, 8, at) != 8 || !(entry >> 63))
		return false;
	entry &= (1ULL << 55) - 1;
	return entry && pread(kpage_fd, inode, 8, (off_t)entry * 8) == 8 && *inode;
}

static struct payer payer_of_inode(uint64_t inode)
{
	if (inode == cgroup_root)
		return (struct payer){ .kind = PAYER_ROOT };
	for (struct leaf *leaf = next_leaf(NULL); leaf; leaf = next_leaf(leaf))
		if (leaf->dir.inode == inode)
			return (struct payer){ .kind = PAYER_LEAF, .leaf = leaf };
	return unknown("the page was charged to cgroup inode %llu, which is none of ours",
		       (unsigned long long)inode);
}

/* Whether the kernel answered at all; some do not for every page. */
static bool ask_kpage(const struct mm *mm, struct payer *payer)
{
	uint64_t inode;
	long page, faulted = 1;
	bool answered = false;

	for (page = 0; page < KPAGE_TRIES && !answered; page++) {
		faulted = fault_in(mm, page, 1);
		if (faulted != 1)
			break;
		answered = payer_of_page(mm, page, &inode);
	}
	if (answered)
		*payer = payer_of_inode(inode);
	else if (!faulted)
		payer->kind = PAYER_UNUSED;
	give_back(page + 1);
	return answered || !faulted;
}

/* ---- usage ---- */

static void usage_before(void)
{
	base_before = cgroup_usage_pages(&base);
	for (struct leaf *leaf = next_leaf(NULL); leaf; leaf = next_leaf(leaf))
		leaf->before = cgroup_usage_pages(&leaf->dir);
}

static struct payer usage_after(long pages)
{
	long rise, most = 0, second = 0, all;
	const struct leaf *payer = NULL;

	for (struct leaf *leaf = next_leaf(NULL); leaf; leaf = next_leaf(leaf))
		leaf->after = cgroup_usage_pages(&leaf->dir);
	all = cgroup_usage_pages(&base) - base_before;
	for (const struct leaf *leaf = next_leaf(NULL); leaf; leaf = next_leaf(leaf)) {
		rise = leaf->after - leaf->before;
		if (rise > most) {
			second = most;
			most = rise;
			payer = leaf;
		} else if (rise > second) {
			second = rise;
		}
	}
	if (most >= pages / 4 && most >= 2 * second)
		return (struct payer){ .kind = PAYER_LEAF, .leaf = payer };
	/* Nothing of ours rose, so somebody outside paid: the root, since the tasks of
	 * this world are in no other group. */
	if (most < pages / 4 && all < pages / 4)
		return (struct payer){ .kind = PAYER_ROOT };
	return unknown("the usage counters do not say who paid for %ld pages: "
		       "the most +%ld, the second +%ld, all +%ld", pages, most, second, all);
}

static struct payer ask_usage(const struct mm *mm)
{
	struct payer payer = unknown("not asked");
	cpu_set_t before, one;
	int cpu = sched_getcpu();
	bool pinned;

	CPU_ZERO(&one);
	CPU_SET(cpu < 0 ? 0 : cpu, &one);
	pinned = !sched_getaffinity(0, sizeof(before), &before) &&
		 !sched_setaffinity(0, sizeof(one), &one);
	for (int turn = 0; turn < 3 && payer.kind == PAYER_UNKNOWN; turn++) {
		long faulted;

		usage_before();
		faulted = fault_in(mm, 0, usage_pages);
		if (!faulted)
			payer.kind = PAYER_UNUSED;
		else if (faulted < usage_pages)
			payer = unknown("only %ld of %ld pages could be faulted in: %s", faulted,
					usage_pages, strerror(errno));
		else
			payer = usage_after(usage_pages);
		give_back(usage_pages);
	}
	if (pinned)
		sched_setaffinity(0, sizeof(before), &before);
	return payer;
}

/* ---- both ---- */

struct payer probe_owner(int index)
{
	const struct mm *mm = &world.mms[index];
	struct payer payer = unknown("not asked"), other;

	if (only_usage || kpage_fd < 0 || !ask_kpage(mm, &payer)) {
		if (only_kpage)
			return unknown("/proc/kpagecgroup does not know the page");
		return ask_usage(mm);
	}
	if (payer.kind == PAYER_UNUSED || only_kpage || questions++ % CHECK_EVERY)
		return payer;
	other = ask_usage(mm);
	if (same(payer, other))
		return payer;
	if (payer.kind == PAYER_UNKNOWN || other.kind == PAYER_UNKNOWN)
		return payer.kind == PAYER_UNKNOWN ? payer : other;
	return unknown("kpagecgroup says that %.80s paid, the usage counters say %.80s",
		       describe(payer), describe(other));
}

bool probe_setup(const char *forced)
{
	struct payer payer;

	only_usage = !strcmp(forced, "usage");
	only_kpage = !strcmp(forced, "kpage");
	zeros = mmap(NULL, MOST_PAGES * page_size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (zeros == MAP_FAILED)
		return false;
	/* The stock of one CPU is in the way of a probe from outside, and of all of them
	 * when a task touches pages itself: it may run anywhere. */
	usage_pages = sysconf(_SC_NPROCESSORS_ONLN) > 1 ? MOST_PAGES : 2 * STOCK;
	kpage_fd = open("/proc/kpagecgroup", O_RDONLY | O_CLOEXEC);
	probe_uses_kpage = kpage_fd >= 0 && !only_usage;
	for (int turn = 0; turn < 8 && probe_uses_kpage; turn++)
		probe_uses_kpage = ask_kpage(&world.mms[0], &payer);
	only_usage = !probe_uses_kpage && !only_kpage;
	questions = 0; /* the next question compares both */
	payer = probe_owner(0);
	return payer.kind == PAYER_LEAF && payer.leaf == &leaves[0];
}

/* ---- pages that a task touches itself ---- */

long probe_charge_pages(void)
{
	return probe_uses_kpage ? 1 : usage_pages;
}

void probe_charge_before(void)
{
	usage_before();
}

struct payer probe_charge_after(int index, long pages)
{
	const struct mm *mm = &world.mms[index];
	struct payer payer = unknown("not asked");
	uint64_t first, last;

	if (!only_usage && kpage_fd >= 0 && payer_of_page(mm, 0, &first) &&
	    payer_of_page(mm, pages - 1, &last))
		payer = first == last ? payer_of_inode(first)
				      : unknown("the first and the last page were paid for by two");
	else if (pages >= usage_pages)
		payer = usage_after(pages);
	else
		payer = unknown("/proc/kpagecgroup does not know the page");
	give_back(pages);
	return payer;
}
