/* runtime.h: what the runtime does for the C that it runs: locks, RCU, references, findings. */
#ifndef MMO_RUNTIME_H
#define MMO_RUNTIME_H

#include <stdbool.h>
#include <stdint.h>

struct task_struct;
struct rcu_head;
struct mmo_lock;

enum mmo_mode { MMO_SPIN, MMO_READ, MMO_WRITE, MMO_SLEEP_READ, MMO_SLEEP_WRITE };
enum mmo_atomic_op { MMO_GET, MMO_SET, MMO_ADD, MMO_ADD_UNLESS_0 };

struct task_struct *mmo_current(void);

void mmo_lock(struct mmo_lock *lock, enum mmo_mode mode);
bool mmo_trylock(struct mmo_lock *lock, enum mmo_mode mode);
void mmo_unlock(struct mmo_lock *lock, enum mmo_mode mode);
void mmo_downgrade(struct mmo_lock *lock);
bool mmo_is_locked(const struct mmo_lock *lock);
void mmo_assert_held(const void *lock);
void mmo_preempt(int change);
void mmo_might_sleep(const char *what);
void mmo_relax(void);

void mmo_rcu(int change);
bool mmo_in_rcu(void);
void mmo_synchronize_rcu(void);
void mmo_call_rcu(struct rcu_head *head, void (*call)(struct rcu_head *head));

int mmo_atomic(int *counter, enum mmo_atomic_op op, int value);
void mmo_get_task(struct task_struct *task);
void mmo_put_task(struct task_struct *task);

__attribute__((noreturn)) void mmo_bug(const char *text);
void mmo_warn(const char *text);

#endif
