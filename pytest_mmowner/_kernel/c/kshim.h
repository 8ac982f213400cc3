/* kshim.h: the kernel's words as the candidate's C uses them, on top of our runtime.
 *
 * Everything here is ours.  What a tree's own headers define better (list walks,
 * for_each_process, next_thread, thread_group_empty ...) is taken from the tree and has no
 * name here; for a patch alone kfallback.h has it.
 */
#ifndef MMO_KSHIM_H
#define MMO_KSHIM_H

#include <stdarg.h>
#include "objects.h"
#include "runtime.h"

#define __KERNEL__ 1

/* The numbers are Linux's on every machine that has a kernel/exit.c. */
enum { EPERM = 1, ESRCH = 3, EINTR = 4, ENOMEM = 12, EINVAL = 22, EAGAIN = 11 };

typedef uint8_t u8; typedef uint16_t u16; typedef uint32_t u32; typedef uint64_t u64;
typedef int8_t s8; typedef int16_t s16; typedef int32_t s32; typedef int64_t s64;
typedef int pid_t;
typedef unsigned int gfp_t;

#define typeof __typeof__
#define __user
#define __rcu
#define __init
#define __exit
#define __sched
#define __must_check
#define __read_mostly
#undef __always_inline
#define __always_inline inline __attribute__((always_inline))
#define noinline __attribute__((noinline))
#define __maybe_unused __attribute__((unused))
#define __always_unused __attribute__((unused))
#define __releases(x)
#define __acquires(x)
#define __must_hold(x)
#define __no_kcsan
#define __cold
#define __force
#define asmlinkage
#define fastcall
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define fallthrough __attribute__((fallthrough))
#define barrier() __asm__ __volatile__("" ::: "memory")
#define cpu_relax() mmo_relax()
#define smp_mb() barrier()
#define smp_rmb() barrier()
#define smp_wmb() barrier()
#define smp_read_barrier_depends() barrier()
#define smp_mb__after_spinlock() barrier()
#define smp_mb__before_atomic() barrier()
#define smp_mb__after_atomic() barrier()
#define EXPORT_SYMBOL(x)
#define EXPORT_SYMBOL_GPL(x)

#define READ_ONCE(x) (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v) do { *(volatile __typeof__(x) *)&(x) = (v); } while (0)
#define ACCESS_ONCE(x) (*(volatile __typeof__(x) *)&(x))
#define data_race(x) (x)
#define smp_load_acquire(p) READ_ONCE(*(p))
#define smp_store_release(p, v) WRITE_ONCE(*(p), v)
#define smp_store_mb(x, v) WRITE_ONCE(x, v)
#define lockless_dereference(p) READ_ONCE(p)
#define container_of(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))
#define container_of_const(ptr, type, member) container_of(ptr, type, member)
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define prefetch(x) ((void)0)
#define prefetchw(x) ((void)0)
#define min(a, b) ((a) < (b) ? (a) : (b))
#define max(a, b) ((a) > (b) ? (a) : (b))
#define __same_type(a, b) __builtin_types_compatible_p(__typeof__(a), __typeof__(b))
#define BUILD_BUG_ON(c) ((void)0)
#define BUILD_BUG_ON_ZERO(c) 0
#define BUILD_BUG_ON_MSG(c, m) ((void)0)
#define static_assert(...) 
#define IS_ERR_VALUE(x) ((unsigned long)(x) >= (unsigned long)-4095)
#define IS_ERR(p) IS_ERR_VALUE(p)
#define PTR_ERR(p) ((long)(p))
#define ERR_PTR(e) ((void *)(long)(e))

/* IS_ENABLED(CONFIG_X) is 1 when CONFIG_X is defined as 1. */
#define MMO_ARG_1 0,
#define MMO_SECOND(_, x, ...) x
#define MMO_IS_DEFINED_2(x) MMO_SECOND(x 1, 0, 0)
#define MMO_IS_DEFINED_1(x) MMO_IS_DEFINED_2(MMO_ARG_##x)
#define MMO_IS_DEFINED(x) MMO_IS_DEFINED_1(x)
#define IS_ENABLED(option) MMO_IS_DEFINED(option)
#define IS_BUILTIN(option) MMO_IS_DEFINED(option)
#define IS_MODULE(option) 0

/* ---- what stops a kernel ---- */

#define BUG() mmo_bug("BUG()")
#define BUG_ON(c) do { if (unlikely(c)) mmo_bug("BUG_ON(" #c ")"); } while (0)
#define VM_BUG_ON(c) BUG_ON(c)
#define VM_BUG_ON_MM(c, mm) BUG_ON(c)
#define WARN_ON(c) ({ int mmo_c = !!(c); if (mmo_c) mmo_warn("WARN_ON(" #c ")"); mmo_c; })
#define WARN_ON_ONCE(c) WARN_ON(c)
#define WARN(c, ...) WARN_ON(c)
#define WARN_ONCE(c, ...) WARN_ON(c)
#define VM_WARN_ON(c) ((void)WARN_ON(c))
#define VM_WARN_ON_ONCE(c) ((void)WARN_ON(c))
#define panic(...) mmo_bug("panic()")
#define printk(...) ((void)0)
#define pr_err(...) ((void)0)
#define pr_warn(...) ((void)0)
#define pr_info(...) ((void)0)
#define pr_debug(...) ((void)0)
#define pr_warn_once(...) ((void)0)
#define dump_stack() ((void)0)
#define lockdep_assert_held(l) mmo_assert_held(l)
#define lockdep_assert_held_read(l) mmo_assert_held(l)
#define lockdep_assert_held_write(l) mmo_assert_held(l)
#define lockdep_assert_not_held(l) ((void)0)
#define lockdep_is_held(l) 1
#define might_sleep() mmo_might_sleep("might_sleep()")
#define might_fault() mmo_might_sleep("might_fault()")
#define cond_resched() (mmo_might_sleep("cond_resched()"), 0)

/* ---- current, tasks ---- */

#define current (mmo_current())
#define get_current() (mmo_current())
#define init_task (mmo_arena.tasks[0].task)
#define init_mm (mmo_arena.mms[0].mm)
#define init_css_set (mmo_arena.css_sets[1])
#define PF_EXITING 0x00000004
#define PF_STARTING 0x00000002
#define PF_IO_WORKER 0x00000010
#define PF_USER_WORKER 0x00004000
#define PF_KTHREAD 0x00200000
#define PF_BORROWED_MM 0x00200000
#define PF_EXITPIDONE 0x00000800
#define PF_SIGNALED 0x00000400
#define PF_DUMPCORE 0x00000200
#define SIGCHLD 17
#define EXIT_ZOMBIE 0x20
#define EXIT_DEAD 0x10
#define TASK_RUNNING 0
#define TASK_INTERRUPTIBLE 1
#define TASK_UNINTERRUPTIBLE 2
#define TASK_DEAD 0x80
#define SIGNAL_GROUP_EXIT 4

#define get_task_struct(t) mmo_get_task(t)
#define put_task_struct(t) mmo_put_task(t)
#define task_lock(t) mmo_lock(&(t)->alloc_lock.mmo, MMO_SPIN)
#define task_unlock(t) mmo_unlock(&(t)->alloc_lock.mmo, MMO_SPIN)
#define set_current_state(s) (current->__state = (s))
#define schedule() mmo_might_sleep("schedule()")

/* ---- locks ---- */

#define spin_lock(l) mmo_lock(&(l)->mmo, MMO_SPIN)
#define spin_unlock(l) mmo_unlock(&(l)->mmo, MMO_SPIN)
#define spin_trylock(l) mmo_trylock(&(l)->mmo, MMO_SPIN)
#define spin_lock_irq(l) mmo_lock(&(l)->mmo, MMO_SPIN)
#define spin_unlock_irq(l) mmo_unlock(&(l)->mmo, MMO_SPIN)
#define spin_lock_bh(l) mmo_lock(&(l)->mmo, MMO_SPIN)
#define spin_unlock_bh(l) mmo_unlock(&(l)->mmo, MMO_SPIN)
#define spin_lock_irqsave(l, f) ((f) = 0, mmo_lock(&(l)->mmo, MMO_SPIN))
#define spin_unlock_irqrestore(l, f) ((void)(f), mmo_unlock(&(l)->mmo, MMO_SPIN))
#define spin_lock_nested(l, c) spin_lock(l)
#define spin_is_locked(l) mmo_is_locked(&(l)->mmo)
#define assert_spin_locked(l) mmo_assert_held(l)
#define raw_spin_lock(l) spin_lock(l)
#define raw_spin_unlock(l) spin_unlock(l)
#define raw_spin_lock_irq(l) spin_lock(l)
#define raw_spin_unlock_irq(l) spin_unlock(l)
#define tasklist_lock (mmo_arena.tasklist_lock)
#define read_lock(l) mmo_lock(&(l)->mmo, MMO_READ)
#define read_unlock(l) mmo_unlock(&(l)->mmo, MMO_READ)
#define read_trylock(l) mmo_trylock(&(l)->mmo, MMO_READ)
#define read_lock_irq(l) read_lock(l)
#define read_unlock_irq(l) read_unlock(l)
#define read_lock_irqsave(l, f) ((f) = 0, mmo_lock(&(l)->mmo, MMO_READ))
#define read_unlock_irqrestore(l, f) ((void)(f), mmo_unlock(&(l)->mmo, MMO_READ))
#define write_lock(l) mmo_lock(&(l)->mmo, MMO_WRITE)
#define write_unlock(l) mmo_unlock(&(l)->mmo, MMO_WRITE)
#define write_trylock(l) mmo_trylock(&(l)->mmo, MMO_WRITE)
#define write_lock_irq(l) write_lock(l)
#define write_unlock_irq(l) write_unlock(l)
#define write_lock_irqsave(l, f) ((f) = 0, mmo_lock(&(l)->mmo, MMO_WRITE))
#define write_unlock_irqrestore(l, f) ((void)(f), mmo_unlock(&(l)->mmo, MMO_WRITE))
#define down_read(l) mmo_lock(&(l)->mmo, MMO_SLEEP_READ)
#define down_read_nested(l, c) down_read(l)
#define down_read_killable(l) (mmo_lock(&(l)->mmo, MMO_SLEEP_READ), 0)
#define down_read_interruptible(l) (mmo_lock(&(l)->mmo, MMO_SLEEP_READ), 0)
#define down_read_trylock(l) mmo_trylock(&(l)->mmo, MMO_SLEEP_READ)
#define up_read(l) mmo_unlock(&(l)->mmo, MMO_SLEEP_READ)
#define down_write(l) mmo_lock(&(l)->mmo, MMO_SLEEP_WRITE)
#define down_write_nested(l, c) down_write(l)
#define down_write_killable(l) (mmo_lock(&(l)->mmo, MMO_SLEEP_WRITE), 0)
#define down_write_trylock(l) mmo_trylock(&(l)->mmo, MMO_SLEEP_WRITE)
#define up_write(l) mmo_unlock(&(l)->mmo, MMO_SLEEP_WRITE)
#define downgrade_write(l) mmo_downgrade(&(l)->mmo)
#define mutex_lock(l) mmo_lock(&(l)->mmo, MMO_SLEEP_WRITE)
#define mutex_lock_nested(l, c) mutex_lock(l)
#define mutex_lock_killable(l) (mmo_lock(&(l)->mmo, MMO_SLEEP_WRITE), 0)
#define mutex_lock_interruptible(l) mutex_lock_killable(l)
#define mutex_trylock(l) mmo_trylock(&(l)->mmo, MMO_SLEEP_WRITE)
#define mutex_unlock(l) mmo_unlock(&(l)->mmo, MMO_SLEEP_WRITE)
#define mmap_read_lock(mm) down_read(&(mm)->mmap_lock)
#define mmap_read_lock_killable(mm) down_read_killable(&(mm)->mmap_lock)
#define mmap_read_trylock(mm) down_read_trylock(&(mm)->mmap_lock)
#define mmap_read_unlock(mm) up_read(&(mm)->mmap_lock)
#define mmap_write_lock(mm) down_write(&(mm)->mmap_lock)
#define mmap_write_lock_killable(mm) down_write_killable(&(mm)->mmap_lock)
#define mmap_write_unlock(mm) up_write(&(mm)->mmap_lock)
#define mmap_assert_locked(mm) mmo_assert_held(&(mm)->mmap_lock)
/* Locks that a candidate adds: in static storage, seen like the others. */
#define DEFINE_SPINLOCK(name) spinlock_t name
#define DEFINE_RAW_SPINLOCK(name) raw_spinlock_t name
#define DEFINE_RWLOCK(name) rwlock_t name
#define DEFINE_MUTEX(name) struct mutex name
#define DECLARE_RWSEM(name) struct rw_semaphore name
#define preempt_count() 0
#define preemptible() 0
#define irqs_disabled() 0
#define in_interrupt() 0
#define in_atomic() 0
#define preempt_disable() mmo_preempt(1)
#define preempt_enable() mmo_preempt(-1)
#define local_irq_disable() mmo_preempt(1)
#define local_irq_enable() mmo_preempt(-1)
#define local_irq_save(f) ((f) = 0, mmo_preempt(1))
#define local_irq_restore(f) ((void)(f), mmo_preempt(-1))

/* ---- RCU ---- */

#define rcu_read_lock() mmo_rcu(1)
#define rcu_read_unlock() mmo_rcu(-1)
#define rcu_read_lock_held() mmo_in_rcu()
#define rcu_read_lock_any_held() 1
#define rcu_dereference(p) READ_ONCE(p)
#define rcu_dereference_raw(p) READ_ONCE(p)
#define rcu_dereference_raw_check(p) READ_ONCE(p)
#define rcu_dereference_check(p, c) READ_ONCE(p)
#define rcu_dereference_protected(p, c) (p)
#define rcu_access_pointer(p) READ_ONCE(p)
#define rcu_assign_pointer(p, v) WRITE_ONCE(p, v)
#define RCU_INIT_POINTER(p, v) WRITE_ONCE(p, v)
#define rcu_replace_pointer(p, v, c) ({ __typeof__(p) mmo_old = (p); WRITE_ONCE(p, v); mmo_old; })
#define RCU_LOCKDEP_WARN(c, s) ((void)0)
#define RCU_NONIDLE(x) x
#define synchronize_rcu() mmo_synchronize_rcu()
#define call_rcu(h, f) mmo_call_rcu(h, f)

/* ---- atomics: one access each, and seen as such ---- */

#define atomic_read(v) mmo_atomic(&(v)->counter, MMO_GET, 0)
#define atomic_set(v, i) ((void)mmo_atomic(&(v)->counter, MMO_SET, i))
#define atomic_inc(v) ((void)mmo_atomic(&(v)->counter, MMO_ADD, 1))
#define atomic_dec(v) ((void)mmo_atomic(&(v)->counter, MMO_ADD, -1))
#define atomic_add(i, v) ((void)mmo_atomic(&(v)->counter, MMO_ADD, i))
#define atomic_sub(i, v) ((void)mmo_atomic(&(v)->counter, MMO_ADD, -(i)))
#define atomic_inc_return(v) mmo_atomic(&(v)->counter, MMO_ADD, 1)
#define atomic_dec_return(v) mmo_atomic(&(v)->counter, MMO_ADD, -1)
#define atomic_dec_and_test(v) (mmo_atomic(&(v)->counter, MMO_ADD, -1) == 0)
#define atomic_inc_not_zero(v) (mmo_atomic(&(v)->counter, MMO_ADD_UNLESS_0, 1) != 0)
#define atomic_add_unless(v, i, u) (mmo_atomic(&(v)->counter, MMO_ADD_UNLESS_0, i) != 0)
#define refcount_read(r) atomic_read(&(r)->refs)
#define refcount_set(r, i) atomic_set(&(r)->refs, i)
#define refcount_inc(r) atomic_inc(&(r)->refs)
#define refcount_dec_and_test(r) atomic_dec_and_test(&(r)->refs)
#define refcount_inc_not_zero(r) atomic_inc_not_zero(&(r)->refs)
#define xchg(p, v) ({ __typeof__(*(p)) mmo_old = READ_ONCE(*(p)); *(p) = (v); mmo_old; })
#define cmpxchg(p, o, n) \
	({ __typeof__(*(p)) mmo_old = READ_ONCE(*(p)); if (mmo_old == (o)) *(p) = (n); mmo_old; })
#define try_cmpxchg(p, o, n) \
	({ int mmo_done = *(p) == *(o); if (mmo_done) *(p) = (n); else *(o) = *(p); mmo_done; })

/* ---- mms, and what the world does for the code around ---- */

void mmput(struct mm_struct *mm);
void mmdrop(struct mm_struct *mm);
struct mm_struct *get_task_mm(struct task_struct *task);
void lru_gen_migrate_mm(struct mm_struct *mm);
void lru_gen_add_mm(struct mm_struct *mm);
void mmo_left_mm(struct task_struct *task, struct mm_struct *mm);
void mmo_release_mm(struct task_struct *task, struct mm_struct *mm);

#define mmget(mm) atomic_inc(&(mm)->mm_users)
#define mmget_not_zero(mm) atomic_inc_not_zero(&(mm)->mm_users)
#define mmgrab(mm) atomic_inc(&(mm)->mm_count)
#define mmgrab_lazy_tlb(mm) mmgrab(mm)
#define mmdrop_lazy_tlb(mm) mmdrop(mm)
#define mmdrop_async(mm) mmdrop(mm)
#define mmput_async(mm) mmput(mm)
#define mm_release(task, mm) mmo_release_mm(task, mm)
#define exit_mm_release(task, mm) mmo_release_mm(task, mm)
#define exec_mm_release(task, mm) mmo_release_mm(task, mm)
#define lru_gen_use_mm(mm) ((void)0)
#define lru_gen_del_mm(mm) ((void)0)

/* ---- callbacks of RFC v4 to 2.6.28 ---- */

enum { CGROUP_SUBSYS_COUNT = 8, MMO_SUBSYS = 8 };
extern struct cgroup_subsys *subsys[CGROUP_SUBSYS_COUNT];
extern int need_mm_owner_callback;
#define task_cgroup(task, id) (&(task)->cgroups->cgroup)
#define task_subsys_state(task, id) ((task)->cgroups)

/* ---- guards of linux/cleanup.h, for the locks above ---- */

struct mmo_guard { int kind; void *lock; int once; };
void mmo_guard_exit(struct mmo_guard *guard);
#define MMO_CONCAT_2(a, b) a##b
#define MMO_CONCAT(a, b) MMO_CONCAT_2(a, b)
#define MMO_GUARD_rcu(...) (mmo_rcu(1), (struct mmo_guard){ 0, 0, 1 })
#define MMO_GUARD_preempt(...) (mmo_preempt(1), (struct mmo_guard){ 6, 0, 1 })
#define MMO_GUARD_irq(...) (mmo_preempt(1), (struct mmo_guard){ 6, 0, 1 })
#define MMO_GUARD_spinlock(l) (spin_lock(l), (struct mmo_guard){ 1, &(l)->mmo, 1 })
#define MMO_GUARD_spinlock_irq(l) MMO_GUARD_spinlock(l)
#define MMO_GUARD_spinlock_irqsave(l) MMO_GUARD_spinlock(l)
#define MMO_GUARD_raw_spinlock(l) MMO_GUARD_spinlock(l)
#define MMO_GUARD_raw_spinlock_irq(l) MMO_GUARD_spinlock(l)
#define MMO_GUARD_task_lock(t) (task_lock(t), (struct mmo_guard){ 1, &(t)->alloc_lock.mmo, 1 })
#define MMO_GUARD_read_lock(l) (read_lock(l), (struct mmo_guard){ 2, &(l)->mmo, 1 })
#define MMO_GUARD_read_lock_irq(l) MMO_GUARD_read_lock(l)
#define MMO_GUARD_write_lock(l) (write_lock(l), (struct mmo_guard){ 3, &(l)->mmo, 1 })
#define MMO_GUARD_write_lock_irq(l) MMO_GUARD_write_lock(l)
#define MMO_GUARD_rwsem_read(l) (down_read(l), (struct mmo_guard){ 4, &(l)->mmo, 1 })
#define MMO_GUARD_rwsem_write(l) (down_write(l), (struct mmo_guard){ 5, &(l)->mmo, 1 })
#define MMO_GUARD_mutex(l) (mutex_lock(l), (struct mmo_guard){ 5, &(l)->mmo, 1 })
#define MMO_GUARD_mmap_read_lock(mm) MMO_GUARD_rwsem_read(&(mm)->mmap_lock)
#define MMO_GUARD_mmap_write_lock(mm) MMO_GUARD_rwsem_write(&(mm)->mmap_lock)
#define guard(name) \
	__attribute__((cleanup(mmo_guard_exit), unused)) \
	struct mmo_guard MMO_CONCAT(mmo_guard_, __COUNTER__) = MMO_GUARD_##name
#define scoped_guard(name, ...) \
	for (__attribute__((cleanup(mmo_guard_exit))) struct mmo_guard mmo_scope = \
	     MMO_GUARD_##name(__VA_ARGS__); mmo_scope.once; mmo_scope.once = 0)
#define __free(x)
#define no_free_ptr(p) (p)

#endif
