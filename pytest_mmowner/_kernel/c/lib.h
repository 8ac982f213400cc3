/* lib.h: what the parts of a program with a library in it know of each other. */
#ifndef MMO_LIB_H
#define MMO_LIB_H

#include "../mmowner.h"
#include "front.h"

/* ---- lib.c, instrumented: the host that the library calls ---- */

extern const struct mmo_host lib_host;

/* ---- lib_books.c: who calls it, and what its handles stand for ---- */

struct lib_call { struct co *co; };

/* A host call begins at this address of the library; is it where it may?  Ends by lib_leave(). */
struct lib_call lib_enter(const char *name, void *pc);
void lib_leave(struct lib_call *call);
/* A handle's slot.  What is no such handle gives the run up. */
int lib_task_slot(mmo_task task);
int lib_mm_slot(mmo_mm mm);
/* Handles; NULL is 0. */
mmo_task lib_task(const struct task_struct *task);
mmo_mm lib_mm(const struct mm_struct *mm);
/* The task whose member at this offset the entry of a list is. */
mmo_task lib_entry(const struct list_head *entry, size_t member, const char *list);
bool lib_leads(const struct task_struct *task);
void lib_locked(void); /* the lock that was just taken was taken by the library */
void lib_stored(void); /* an owner was */
bool lib_has_callbacks(void);
void lib_tell(struct task_struct *old, struct task_struct *new_task, struct css_set *from,
	      struct css_set *to);

/* ---- load.c: the file, what it exports and who it is ---- */

enum { LIB_TEXT = 120, LIB_WHY = 700 };

struct lib_who { char name[LIB_TEXT], version[LIB_TEXT], language[LIB_TEXT], dialect[LIB_TEXT]; };

/* What it exports under that name, or NULL. */
void *lib_symbol(const char *name);
/* Why it cannot be used: always the same buffer. */
const char *lib_why(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The library's address that made a host call. */
void *lib_place(void *pc, const struct co *co);
/* Calls the library: crashes and endless loops are survived.  NULL, or what was found. */
const char *lib_run(void (*run)(struct co *co), const struct op *op);
/* What to make of the ABI that an open function has answered: NULL, or why not. */
const char *lib_abi(const char *function, uint32_t answered);
/* Appends each word of a text with blanks between, as a member of a list. */
void lib_words(struct out *out, const char *words, const char **comma);

/* ---- tracker.c ---- */

/* NULL, or why the library is no tracker.  Makes the front a tracker's. */
const char *tracker_open(struct front *front);
void tracker_start(struct out *out); /* "capabilities" and "without" */

#endif
