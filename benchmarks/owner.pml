/* The owner of an mm in dialect 6.11, written from the rules and not from our Python: its
 * only job is to count worlds, and to be wrong in other places than the reference.
 *
 * At most N user tasks in the table (init and zombies included) and M mms with users; no
 * other references, no kernel threads.  Operations: clone (plain, VM, THREAD, PARENT and
 * VM|PARENT), exit, exec, reap.  The other threads of an exec die in the order of the thread
 * list, one after the other.  So this counts what
 * mmowner_reference.explore(Bounds(N, M, orders=False)) counts.
 *
 * Run it with benchmarks/spin.py.  Between two operations the state is canonical, so every
 * world is stored once.  Nothing here can say so: the counts do, and
 * tests/reference/test_ref_spin.py compares them.
 */
#ifndef N
#define N 6
#endif
#ifndef M
#define M 3
#endif
#if N < 2 || N > 7 || M < 1 || M > 6
#error "N is 2 to 7 and M is 1 to 6: task and mm numbers have three bits, and one is kept free"
#endif

/* No task; as a parent, the idle task, whose only child is init as far as owners go. */
#define NONE 7

/* -- the world between two operations --------------------------------------------------
 * Tasks are numbered in the order of do_each_thread: init is 0, a group is a run that begins
 * with its leader.  Mms are numbered from 1 by their first user.  A task is a byte: its mm (0:
 * it is a zombie), whether it owns that mm, whether it leads its group, its real parent; an
 * empty place is 0.
 */
#define OWNS 8
#define LEADS 16
#define BYTE(an_mm, flags, parent) ((an_mm) | (flags) | ((parent) << 5))
#define INIT 249    /* BYTE(1, OWNS | LEADS, NONE), but spin wants a number */
byte task[N] = { INIT, 0 };    /* it repeats the last one */
#define MM(x) (task[x] & 7)
#define LEADER(x) ((task[x] & LEADS) != 0)
#define PARENT_OF(x) (task[x] >> 5)

/* All children lists in one: the leaders but init, by number of the parent, the children of
 * one parent in the order of its list.  Empty places are 0.
 */
byte child[N - 1];

/* Not information, but what legality asks for: how many mms there are, and of each whether
 * more than one group uses it (bit = number).
 */
byte mms = 1;
byte shared;

/* -- the operation ---------------------------------------------------------------------
 * Hidden: set before they are read in every operation, so they are no part of the state.
 * They are plain names in the C that spin makes, and need a prefix to be none of its own.
 */
hidden byte h_actor;          /* who does it; for reap, who is reaped */
hidden byte h_op;

#define SAME_MM 1
#define SAME_PARENT 2
#define SAME_GROUP 4
#define CLONE_PLAIN 0
#define CLONE_VM SAME_MM
#define CLONE_PARENT SAME_PARENT
#define CLONE_VM_PARENT (SAME_MM | SAME_PARENT)
#define CLONE_THREAD (SAME_MM | SAME_PARENT | SAME_GROUP)
#define EXIT 8
#define EXEC 9
#define REAP 10

/* The world while it changes.  Tasks keep their numbers of before, a new one gets the next:
 * so the order of numbers is still the order of the lists wherever an owner is looked for,
 * and the place of a new task is said by h_behind.
 */
#define NEW_MM (M + 1)
hidden byte h_tasks;          /* numbers given so far */
hidden byte h_here[N];        /* whether it is in the table */
hidden byte h_mm[N];          /* 0: it has exited */
hidden byte h_head[N];        /* the leader of its group */
hidden byte h_up[N];          /* its real parent */
hidden byte h_owner[M + 2];   /* by mm */
hidden byte h_kid[N];         /* as child[], with init, in any order of the parents */
hidden byte h_kids;
hidden byte h_behind;         /* the new task comes behind this one */

hidden byte h_i, h_j, h_k, h_x, h_q, h_v, h_w;
hidden byte h_m, h_found, h_users, h_heir, h_last;
hidden byte h_late[N], h_place[N], h_number[NONE + 1], h_new_mm[M + 2], h_first_group[M + 2];
hidden byte h_owners;

inline load()
{
    h_tasks = 0;
    h_last = 0;
    for (h_i : 0 .. N - 1) {
        if
        :: task[h_i] == 0 -> break
        :: else
        fi;
        if
        :: LEADER(h_i) -> h_last = h_i
        :: else
        fi;
        h_here[h_i] = 1;
        h_mm[h_i] = MM(h_i);
        h_head[h_i] = h_last;
        h_up[h_i] = PARENT_OF(h_i);
        if
        :: task[h_i] & OWNS -> h_owner[h_mm[h_i]] = h_i
        :: else
        fi;
        h_tasks++
    }
    h_kid[0] = 0;
    h_kids = 1;
    for (h_i : 0 .. N - 2) {
        if
        :: child[h_i] == 0 -> break
        :: else
        fi;
        h_kid[h_kids] = child[h_i];
        h_kids++
    }
    h_behind = NONE
}

/* try_to_set_owner: the threads of one group, up to the first that uses another mm. */
inline try_group(leader, wanted)
{
    for (h_x : leader .. h_tasks - 1) {
        if
        :: h_head[h_x] != leader -> break
        :: else
        fi;
        if
        :: h_mm[h_x] == wanted -> h_found = h_x; break
        :: h_mm[h_x] != wanted && h_mm[h_x] != 0 -> break
        :: else
        fi
    }
}

inline try_children(parent, wanted)
{
    if
    :: h_found == NONE ->
        for (h_k : 0 .. h_kids - 1) {
            if
            :: h_up[h_kid[h_k]] == parent -> h_q = h_kid[h_k]; try_group(h_q, wanted)
            :: else
            fi;
            if
            :: h_found != NONE -> break
            :: else
            fi
        }
    :: else
    fi
}

/* Without references an mm with users has a task that uses it: so the walk over everything
 * neither ends early for want of users nor in vain, which store() asserts.
 */
inline try_everything(wanted)
{
    if
    :: h_found == NONE ->
        for (h_q : 0 .. h_tasks - 1) {
            if
            :: h_here[h_q] && h_head[h_q] == h_q -> try_group(h_q, wanted)
            :: else
            fi;
            if
            :: h_found != NONE -> break
            :: else
            fi
        }
    :: else
    fi
}

/* mm_update_next_owner: p has left the mm, if it has another by now or none. */
inline hand_over(p, left)
{
    if
    :: h_owner[left] == p ->
        h_users = 0;
        for (h_x : 0 .. h_tasks - 1) {
            if
            :: h_mm[h_x] == left -> h_users++
            :: else
            fi
        }
        h_found = NONE;
        if
        :: h_users > 0 ->
            try_children(p, left);
            try_children(h_up[p], left);
            try_everything(left)
        :: else
        fi;
        h_owner[left] = h_found
    :: else
    fi
}

/* forget_original_parent: in order, to the tail of the list of the first live thread or init.
 * The rest of the list moves up first, so what comes later in the same exec comes behind.
 */
inline give_children_away(father)
{
    h_heir = 0;
    for (h_x : h_head[father] .. h_tasks - 1) {
        if
        :: h_head[h_x] != h_head[father] -> break
        :: else
        fi;
        if
        :: h_mm[h_x] != 0 -> h_heir = h_x; break
        :: else
        fi
    }
    h_j = 0;
    h_w = 0;
    for (h_k : 0 .. h_kids - 1) {
        if
        :: h_up[h_kid[h_k]] == father -> h_late[h_w] = h_kid[h_k]; h_w++
        :: else -> h_kid[h_j] = h_kid[h_k]; h_j++
        fi
    }
    for (h_k : 0 .. h_w - 1) {
        h_kid[h_j] = h_late[h_k];
        h_j++
    }
    /* The threads of a child have its parent. */
    for (h_x : 0 .. h_tasks - 1) {
        if
        :: h_up[h_x] == father -> h_up[h_x] = h_heir
        :: else
        fi
    }
}

inline do_exit(p)
{
    h_m = h_mm[p];
    h_mm[p] = 0;
    hand_over(p, h_m);
    give_children_away(p);
    if
    :: h_head[p] != p -> h_here[p] = 0
    :: else    /* a leader stays as a zombie */
    fi
}

inline do_exec()
{
    h_owner[NEW_MM] = h_actor;
    h_last = h_head[h_actor];
    for (h_v : h_last .. h_tasks - 1) {
        if
        :: h_head[h_v] != h_last -> break
        :: else
        fi;
        if
        :: h_v != h_actor && h_mm[h_v] != 0 -> do_exit(h_v)
        :: else
        fi
    }
    /* de_thread: the place of the old leader on both lists; it needs no reaping. */
    if
    :: h_last != h_actor ->
        for (h_k : 0 .. h_kids - 1) {
            if
            :: h_kid[h_k] == h_last -> h_kid[h_k] = h_actor
            :: else
            fi
        }
        h_here[h_last] = 0;
        h_head[h_actor] = h_actor
    :: else
    fi;
    h_m = h_mm[h_actor];
    h_mm[h_actor] = NEW_MM;
    hand_over(h_actor, h_m)
}

inline do_clone()
{
    h_here[h_tasks] = 1;
    if
    :: h_op & SAME_MM -> h_mm[h_tasks] = h_mm[h_actor]
    :: else -> h_mm[h_tasks] = NEW_MM; h_owner[NEW_MM] = h_tasks
    fi;
    if
    :: h_op & SAME_PARENT -> h_up[h_tasks] = h_up[h_actor]
    :: else -> h_up[h_tasks] = h_actor
    fi;
    h_behind = h_tasks - 1;
    if
    :: h_op & SAME_GROUP ->
        h_head[h_tasks] = h_head[h_actor];
        for (h_x : h_actor .. h_tasks - 1) {
            if
            :: h_head[h_x] != h_head[h_actor] -> break
            :: else
            fi;
            h_behind = h_x
        }
    :: else ->
        h_head[h_tasks] = h_tasks;
        h_kid[h_kids] = h_tasks;
        h_kids++
    fi;
    h_tasks++
}

/* Number everything anew and write the world down.  What is not needed is set to 0. */
inline store()
{
    h_j = 0;
    h_number[NONE] = NONE;
    for (h_i : 0 .. h_tasks - 1) {
        /* A new task has the last number, and its place is behind an earlier one. */
        if
        :: h_here[h_i] && !(h_behind != NONE && h_i == h_tasks - 1) ->
            h_place[h_j] = h_i;
            h_number[h_i] = h_j;
            h_j++
        :: else
        fi;
        if
        :: h_i == h_behind ->
            h_place[h_j] = h_tasks - 1;
            h_number[h_tasks - 1] = h_j;
            h_j++
        :: else
        fi
    }
    for (h_i : 1 .. M + 1) {
        h_new_mm[h_i] = 0
    }
    mms = 0;
    shared = 0;
    h_owners = 0;
    for (h_i : 0 .. N - 1) {
        if
        :: h_i >= h_j -> task[h_i] = 0
        :: else ->
            h_x = h_place[h_i];
            h_m = h_mm[h_x];
            h_w = 0;
            if
            :: h_m == 0
            :: else ->
                if
                :: h_new_mm[h_m] == 0 ->
                    mms++;
                    h_new_mm[h_m] = mms;
                    h_first_group[h_m] = h_head[h_x]
                :: h_new_mm[h_m] != 0 && h_first_group[h_m] != h_head[h_x] ->
                    shared = shared | (1 << h_new_mm[h_m])
                :: else
                fi;
                if
                :: h_owner[h_m] == h_x -> h_w = OWNS; h_owners++
                :: else
                fi;
                h_m = h_new_mm[h_m]
            fi;
            if
            :: h_head[h_x] == h_x -> h_w = h_w | LEADS
            :: else
            fi;
            task[h_i] = BYTE(h_m, h_w, h_number[h_up[h_x]])
        fi
    }
    /* Every mm has one owner, and that one uses it. */
    assert(mms <= M && h_owners == mms);
    h_w = 0;
    for (h_i : 0 .. h_j - 1) {
        for (h_k : 0 .. h_kids - 1) {
            if
            :: h_here[h_kid[h_k]] && h_up[h_kid[h_k]] == h_place[h_i] ->
                child[h_w] = h_number[h_kid[h_k]];
                h_w++
            :: else
            fi
        }
    }
    for (h_i : h_w .. N - 2) {
        child[h_i] = 0
    }
}

/* -- what is legal ----------------------------------------------------------------------- */
#define LIVE(x) (MM(x) != 0)
#define OF_INIT(x) (PARENT_OF(x) == NONE)   /* init and its threads */
#define ROOM (task[N - 1] == 0)
#define MM_ROOM (mms < M)
#define NEXT(x) (((x) + 1) % N)             /* never past the end of the array */
#define ALONE(x) ((x) + 1 == N || task[NEXT(x)] == 0 || LEADER(NEXT(x)))

#define OPERATIONS_OF(x) \
    :: LIVE(x) && ROOM && MM_ROOM -> h_actor = x; h_op = CLONE_PLAIN \
    :: LIVE(x) && ROOM -> h_actor = x; h_op = CLONE_VM \
    :: LIVE(x) && ROOM -> h_actor = x; h_op = CLONE_THREAD \
    :: LIVE(x) && ROOM && MM_ROOM && !OF_INIT(x) -> h_actor = x; h_op = CLONE_PARENT \
    :: LIVE(x) && ROOM && !OF_INIT(x) -> h_actor = x; h_op = CLONE_VM_PARENT \
    :: LIVE(x) && x != 0 -> h_actor = x; h_op = EXIT \
    :: LIVE(x) && (x == 0 || !OF_INIT(x)) && (MM_ROOM || !(shared & (1 << MM(x)))) -> \
        h_actor = x; h_op = EXEC \
    :: task[x] != 0 && !LIVE(x) && ALONE(x) -> h_actor = x; h_op = REAP

active proctype kernel()
{
    do
    :: atomic {
        if
        OPERATIONS_OF(0)
        OPERATIONS_OF(1)
#if N > 2
        OPERATIONS_OF(2)
#endif
#if N > 3
        OPERATIONS_OF(3)
#endif
#if N > 4
        OPERATIONS_OF(4)
#endif
#if N > 5
        OPERATIONS_OF(5)
#endif
#if N > 6
        OPERATIONS_OF(6)
#endif
        fi;
        d_step {
            load();
            if
            :: h_op == EXIT -> do_exit(h_actor)
            :: h_op == EXEC -> do_exec()
            :: h_op == REAP -> h_here[h_actor] = 0
            :: else -> do_clone()
            fi;
            store();
            h_actor = 0    /* spin wants the end of a loop to be inside */
        }
    }
    od
}
