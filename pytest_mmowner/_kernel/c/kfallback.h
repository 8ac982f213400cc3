/* kfallback.h: walks over lists and tasks, for the world itself and for a patch without a tree.
 *
 * Named as the kernel names them, written by us.  A tree's own definitions come first.
 */
#ifndef MMO_KFALLBACK_H
#define MMO_KFALLBACK_H

#define list_entry(ptr, type, member) container_of(ptr, type, member)
#define list_first_entry(head, type, member) list_entry((head)->next, type, member)
#define list_next_entry(pos, member) list_entry((pos)->member.next, __typeof__(*(pos)), member)
#define list_for_each_entry(pos, head, member) \
	for (pos = list_first_entry(head, __typeof__(*pos), member); \
	     &pos->member != (head); pos = list_next_entry(pos, member))
#define list_for_each_entry_safe(pos, next_pos, head, member) \
	for (pos = list_first_entry(head, __typeof__(*pos), member), \
	     next_pos = list_next_entry(pos, member); &pos->member != (head); \
	     pos = next_pos, next_pos = list_next_entry(next_pos, member))
#define list_for_each_entry_rcu(pos, head, member, ...) list_for_each_entry(pos, head, member)

static inline __attribute__((unused)) int list_empty(const struct list_head *head)
{
	return READ_ONCE(head->next) == head;
}

#define next_task(p) list_entry(READ_ONCE((p)->tasks.next), struct task_struct, tasks)
#define next_thread(p) list_entry(READ_ONCE((p)->thread_group.next), struct task_struct, thread_group)
#define for_each_process(p) for (p = &init_task; (p = next_task(p)) != &init_task;)
#define do_each_thread(g, t) for (g = t = &init_task; (g = t = next_task(g)) != &init_task;) do
#define while_each_thread(g, t) while ((t = next_thread(t)) != g)
#define for_each_thread(p, t) list_for_each_entry(t, &(p)->signal->thread_head, thread_node)
#define thread_group_leader(p) ((p) == (p)->group_leader)
#define thread_group_empty(p) list_empty(&(p)->thread_group)
#define delay_group_leader(p) (thread_group_leader(p) && !thread_group_empty(p))

#endif
