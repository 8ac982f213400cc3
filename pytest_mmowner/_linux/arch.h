/* arch.h: the only file that knows the processor: raw system calls and a raw clone.
 *
 * Tasks that share an mm also share the C library's thread pointer and errno, so
 * they may not call the C library at all. Everything they do goes through here. */
#ifndef MMOWNER_ARCH_H
#define MMOWNER_ARCH_H

#if defined(__x86_64__)

static inline long raw_syscall(long nr, long a, long b, long c, long d, long e, long f)
{
	long ret;
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

#elif defined(__aarch64__)

static inline long raw_syscall(long nr, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = nr;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc 0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory");
	return x0;
}

#else
#error "the mmowner agent knows x86-64 and aarch64; add the two functions of arch.h and arch.c"
#endif

/* Clone a task that starts in fn(arg) on its own stack and never comes back.
 * The parent gets the new task's id or -errno. */
long raw_clone(unsigned long flags, void *stack_top, void (*fn)(void *), void *arg);

/* The program's entry point (ld -e mmowner_entry). When argv[0] starts with '@' this is
 * the new image of a task, which goes straight to task_image, without the C library's
 * start-up: in UML that is most of the time of an exec. Otherwise to _start and main. */
void mmowner_entry(void);
void task_image(long *initial_stack);

#endif
