/* co.c: one coroutine for each operation, and getting away alive from whatever it does. */
#define _GNU_SOURCE
#include "host.h"
#include "world.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct co mmo_cos[MMO_COS];
struct co *mmo_co;

static struct co main_co;
static char *stacks;
uintptr_t co_stacks;
size_t co_stack_bytes;
enum { TICKS = 2 };

static sigjmp_buf given_up;
static size_t page;

/* ---- the switch itself ---- */

#if defined(__x86_64__) && !defined(MMO_UCONTEXT)

void mmo_switch_stacks(void **from, void *to);
__asm__(".text\n.globl mmo_switch_stacks\n.type mmo_switch_stacks,@function\n"
	"mmo_switch_stacks:\n"
	"pushq %rbp\npushq %rbx\npushq %r12\npushq %r13\npushq %r14\npushq %r15\n"
	"movq %rsp, (%rdi)\nmovq %rsi, %rsp\n"
	"popq %r15\npopq %r14\npopq %r13\npopq %r12\npopq %rbx\npopq %rbp\nret\n"
	".size mmo_switch_stacks, .-mmo_switch_stacks\n");

static void *first_frame(char *stack, void (*entry)(void))
{
	void **sp = (void **)(stack + MMO_STACK);

	*--sp = NULL; /* keeps the stack as the ABI wants it at an entry */
	*--sp = (void *)entry;
	for (int i = 0; i < 6; i++)
		*--sp = NULL;
	return sp;
}

#elif defined(__aarch64__) && !defined(MMO_UCONTEXT)

void mmo_switch_stacks(void **from, void *to);
__asm__(".text\n.globl mmo_switch_stacks\n.type mmo_switch_stacks,%function\n"
	"mmo_switch_stacks:\n"
	"sub sp, sp, #160\n"
	"stp x19, x20, [sp, #0]\nstp x21, x22, [sp, #16]\nstp x23, x24, [sp, #32]\n"
	"stp x25, x26, [sp, #48]\nstp x27, x28, [sp, #64]\nstp x29, x30, [sp, #80]\n"
	"stp d8, d9, [sp, #96]\nstp d10, d11, [sp, #112]\n"
	"stp d12, d13, [sp, #128]\nstp d14, d15, [sp, #144]\n"
	"mov x9, sp\nstr x9, [x0]\nmov sp, x1\n"
	"ldp x19, x20, [sp, #0]\nldp x21, x22, [sp, #16]\nldp x23, x24, [sp, #32]\n"
	"ldp x25, x26, [sp, #48]\nldp x27, x28, [sp, #64]\nldp x29, x30, [sp, #80]\n"
	"ldp d8, d9, [sp, #96]\nldp d10, d11, [sp, #112]\n"
	"ldp d12, d13, [sp, #128]\nldp d14, d15, [sp, #144]\n"
	"add sp, sp, #160\nret\n"
	".size mmo_switch_stacks, .-mmo_switch_stacks\n");

static void *first_frame(char *stack, void (*entry)(void))
{
	char *sp = stack + MMO_STACK - 160;

	memset(sp, 0, 160);
	memcpy(sp + 88, &(void *){ (void *)entry }, sizeof(void *)); /* x30 */
	return sp;
}

#else /* any other machine: slower, and the same */

#include <ucontext.h>

static ucontext_t contexts[MMO_COS + 1];

static int context_of(const void *sp)
{
	return (int)((const ucontext_t *)sp - contexts);
}

static void mmo_switch_stacks(void **from, void *to)
{
	ucontext_t *mine = &contexts[mmo_co == NULL ? MMO_COS : 0];

	/* The one that leaves is found by where its handle is kept. */
	for (int i = 0; i < MMO_COS; i++)
		if (from == &mmo_cos[i].sp)
			mine = &contexts[i];
	if (from == &main_co.sp)
		mine = &contexts[MMO_COS];
	*from = mine;
	swapcontext(mine, &contexts[context_of(to)]);
}

static void *first_frame(char *stack, void (*entry)(void))
{
	int which = (int)((stack - stacks) / (MMO_STACK + (long)page));
	ucontext_t *context = &contexts[which];

	getcontext(context);
	context->uc_stack.ss_sp = stack;
	context->uc_stack.ss_size = MMO_STACK;
	context->uc_link = NULL;
	makecontext(context, entry, 0);
	return context;
}

#endif

/* ---- coroutines ---- */

static void entry(void)
{
	mmo_co->run(mmo_co);
	mmo_co->done = true;
	explore_forced();
	abort(); /* a coroutine that is done is never chosen again */
}

void co_start(int which, void (*run)(struct co *co), const struct op *op)
{
	struct co *co = &mmo_cos[which];
	char *stack = co->stack;

	if (co->used && !co->nrefs) /* all that a finished operation leaves behind is steps */
		memset(co->held, 0, sizeof(co->held));
	memset(co, 0, sizeof(*co));
	co->stack = stack;
	co->used = true;
	co->run = run;
	co->op = op;
	co->sp = first_frame(stack, entry);
}

void co_switch(struct co *to)
{
	struct co *from = mmo_co;

	if (to == from)
		return;
	mmo_co = to;
	mmo_switch_stacks(from ? &from->sp : &main_co.sp, to ? to->sp : main_co.sp);
}

/* A condition looks at the world without being seen. */
static bool holds(bool (*until)(const struct co *co), const struct co *co)
{
	struct co *was = mmo_co;
	bool value;

	mmo_co = NULL;
	value = until(co);
	mmo_co = was;
	return value;
}

bool co_can_run(const struct co *co)
{
	if (!co->used || co->done)
		return false;
	if (co->waiting)
		return lock_free_for(co->waiting, co->wait_mode, co);
	return !co->until || holds(co->until, co);
}

void co_wait(bool (*until)(const struct co *co))
{
	struct co *co = mmo_co;

	while (!holds(until, co)) {
		co->until = until;
		explore_forced();
		co->until = NULL;
		mmo_event((uintptr_t)co, true);
	}
}

bool co_run_all(int first)
{
	if (sigsetjmp(given_up, 0)) {
		mmo_co = NULL;
		return false;
	}
	co_switch(&mmo_cos[first]);
	return true;
}

bool co_run_alone(void (*run)(struct co *co), const struct op *op)
{
	for (int i = 1; i < MMO_COS; i++)
		mmo_cos[i].used = false;
	co_start(0, run, op);
	return co_run_all(0);
}

void co_give_up(void)
{
	siglongjmp(given_up, 1);
}

/* ---- what must not end this process ---- */

/* A loop that no hook sees, as one in assembler: nothing has moved since the last ticks. */
static void on_tick(void *pc)
{
	static uint64_t seen;
	static int still;

	still = mmo_co && seen == mmo_progress ? still + 1 : 0;
	seen = mmo_progress;
	if (still < TICKS)
		return;
	still = 0;
	mmo_endless_runs += 1 << 20; /* once is enough */
	mmo_find_fatal(F_LOOP, pc, "it runs for %d seconds and touches nothing", TICKS);
}

static void on_fault(int number, siginfo_t *info, void *context)
{
	uintptr_t address = (uintptr_t)info->si_addr;
	uintptr_t from_guard = address - (uintptr_t)stacks;
	void *pc = NULL;

	(void)context;
#if defined(__x86_64__) && defined(__linux__)
	pc = (void *)((ucontext_t *)context)->uc_mcontext.gregs[16]; /* REG_RIP */
#elif defined(__aarch64__) && defined(__linux__)
	pc = (void *)((ucontext_t *)context)->uc_mcontext.pc;
#endif
	if (!mmo_co && number != SIGALRM) { /* our own fault: die as usual */
		signal(number, SIG_DFL);
		raise(number);
		return;
	}
	if (number == SIGALRM) {
		on_tick(pc);
		return;
	}
	if (from_guard < (MMO_STACK + page) * MMO_COS && from_guard % (MMO_STACK + page) < page)
		mmo_endless_runs++, mmo_find_fatal(F_STACK, pc, "its stack is used up: a recursion without end?");
	mmo_find_fatal(F_CRASH, pc, "signal %d (%s) at address %#lx", number, strsignal(number),
		       (unsigned long)address);
}

void co_setup(void)
{
	static const int numbers[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGALRM };
	struct sigaction action = { .sa_sigaction = on_fault,
				    .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESTART };
	stack_t other = { .ss_size = 1 << 16 };

	page = (size_t)sysconf(_SC_PAGESIZE);
	stacks = mmap(NULL, (MMO_STACK + page) * MMO_COS, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	other.ss_sp = malloc(other.ss_size);
	if (stacks == MAP_FAILED || !other.ss_sp) {
		perror("memory for stacks");
		exit(1);
	}
	co_stacks = (uintptr_t)stacks;
	co_stack_bytes = (MMO_STACK + page) * MMO_COS;
	for (int i = 0; i < MMO_COS; i++) {
		char *guard = stacks + (MMO_STACK + page) * (size_t)i;

		mprotect(guard, page, PROT_NONE);
		mmo_cos[i].stack = guard + page;
	}
	sigaltstack(&other, NULL);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		sigaction(numbers[i], &action, NULL);
}
