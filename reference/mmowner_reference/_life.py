"""What a task does from clone to reap: the operations, as the kernel performs them.

The order inside an operation is the kernel's and matters: an exiting task leaves its mm
first, hands it over, drops its reference, leaves its cgroup, and only then gives its
children away and is taken off the lists (kernel/exit.c do_exit).  ``exit_mm`` and
``exec_mmap`` are the two places that hand an mm over; they are generators of steps like
the rules, so that a mutant can move the call and a scheduler can stop in between.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Final

from ._lists import KList
from ._locks import Steps, drain
from ._ops import (
    PARENT,
    THREAD,
    VFORK,
    Attach,
    Charge,
    Clone,
    CloneFails,
    Exec,
    ExecFails,
    Exit,
    Hold,
    Kthread,
    MakeCgroup,
    Op,
    Put,
    Reap,
    Subreaper,
    Subsystem,
    Trace,
    Untrace,
    UnuseMm,
    UseMm,
)  # fmt: skip
from ._structs import GONE, ZOMBIE, Cgroup, Mm, Task

if TYPE_CHECKING:
    from ._dialects import Dialect

ROOT: Final = 1


class Life:
    """The operations of a kernel; :class:`~._kernel.Kernel` adds the objects."""

    dialect: Dialect
    rules: Any
    current: Task
    init_task: Task
    kthreadd: Task
    kworker: Task
    tasks: dict[int, Task]
    released: dict[int, Task]
    processes: KList[Task]
    mms: dict[int, Mm]
    refs: dict[int, Mm]
    cgroups: dict[int, Cgroup]
    subsystems: list[str]
    used_names: dict[str, set[int]]
    #: The mm that a task left in this operation, by name; 0 for none.
    left_mm: int
    unpaid: int
    lost_pages: int

    def perform(self, op: Op) -> None:
        """Perform a legal operation."""
        getattr(self, f"_op_{op.word}")(op)

    if TYPE_CHECKING:

        def make_mm(self, name: int) -> Mm: ...
        def call(self, result: Any) -> None: ...
        def nobody_passed_over(self) -> None: ...
        def lru_gen_migrate_mm(self, mm: Mm) -> None: ...

    # -- birth ---------------------------------------------------------------------

    def link(self, task: Task, parent: Task) -> None:
        """Make *task* visible: task table, process list, thread list, parent's children."""
        self.tasks[task.id] = task
        self.used_names["task"].add(task.id)
        task.real_parent = task.parent = parent
        task.group.threads.append(task.thread_node)
        if task.leader:
            self.processes.append(task.process_node)
        if task.leader or self.dialect.children_list == "threads":
            parent.children.append(task.sibling_node)

    def _op_clone(self, op: Clone) -> None:
        maker = self.current = self.tasks[op.task]
        child = Task(op.child, maker.cgroup, group=maker.group if THREAD in op.flags else None)
        self.copy_mm(op, maker, child)
        if op.mm is not None:
            self.lru_gen_migrate_mm(self.mms[op.mm])  # lru_gen_add_mm, once nothing can fail
        same_parent = PARENT in op.flags or THREAD in op.flags
        self.link(child, maker.real_parent if same_parent else maker)
        if VFORK in op.flags:
            maker.vfork_child, child.vfork_parent = child, maker

    def copy_mm(self, op: Clone | CloneFails, maker: Task, child: Task) -> None:
        """Share the maker's mm, or make one that the child owns (kernel/fork.c copy_mm)."""
        if op.mm is None:
            mm = maker.mm
            assert mm is not None, "legality: a task that clones has an mm"
            mm.users += 1
        else:
            mm = self.make_mm(op.mm)
            self.mms[op.mm] = mm
            self.used_names["mm"].add(op.mm)
            self.call(self.rules.mm_init_owner(mm, child))
        child.mm = mm

    def _op_clone_fails(self, op: CloneFails) -> None:
        """The child is never linked; its mm reference is dropped (bad_fork_cleanup_mm)."""
        maker = self.current = self.tasks[op.task]
        child = Task(op.child, maker.cgroup, group=maker.group if THREAD in op.flags else None)
        self.copy_mm(op, maker, child)
        mm = child.mm
        assert mm is not None, "copy_mm gave the child an mm"
        if op.ref is not None:
            self.hold(mm, op.ref)
        clear = getattr(self.rules, "mm_clear_owner", None)
        if clear is not None:
            self.call(clear(mm, child))
        child.mm = None
        self.mmput(mm)
        self.release(child)
        self.used_names["task"].add(child.id)

    def _op_kthread(self, op: Kthread) -> None:
        task = Task(op.child, self.cgroups[ROOT])
        task.kthread = True
        self.link(task, self.kthreadd)

    # -- exit ----------------------------------------------------------------------

    def _op_exit(self, op: Exit) -> None:
        self.exit(self.tasks[op.task])

    def exit(self, task: Task) -> None:
        """One thread exits, from its first part to its last."""
        for part in range(EXIT_PARTS):
            self.exit_part(task, part)

    def exit_part(self, task: Task, part: int) -> None:
        """One of the parts of an exit that other threads' exits can come between."""
        self.current = task
        if part == 0:
            task.exiting = True
        elif part == 1:
            self.exit_mm_and_cgroup(task)
        else:
            self.exit_notify(task)

    def exit_mm_and_cgroup(self, task: Task) -> None:
        """Leave the mm, hand it over, leave the cgroup (do_exit up to cgroup_exit)."""
        self.current = task
        drain(self.exit_mm(task))
        if self.dialect.zombie_cgroup == "root":
            task.cgroup = self.cgroups[ROOT]

    def exit_mm(self, task: Task) -> Steps:
        """Clear ``task.mm`` under its ``alloc_lock``, hand over, drop the reference.

        Source: kernel/exit.c exit_mm, RFC v4 to today.
        """
        mm = task.mm
        self.wake_vfork_parent(task)
        if mm is None:
            return
        yield mm.mmap_lock.read_lock
        yield task.alloc_lock.lock
        task.mm = None
        self.left_mm = mm.id
        yield task.alloc_lock.unlock
        yield mm.mmap_lock.read_unlock
        yield from self.handoff(mm)
        self.mmput(mm)

    def handoff(self, mm: Mm) -> Steps:
        """Let the rules find the next owner; rules without steps run in one."""
        self.nobody_passed_over()
        result = self.rules.mm_update_next_owner(mm)
        if isinstance(result, Generator):
            yield from result

    def wake_vfork_parent(self, task: Task) -> None:
        """``mm_release``: the vfork parent runs on; this comes before the handoff."""
        maker, child = task.vfork_parent, task.vfork_child
        if maker is not None:
            maker.vfork_child = task.vfork_parent = None
        if child is not None:
            child.vfork_parent = task.vfork_child = None

    def mmput(self, mm: Mm) -> None:
        """Drop one user; without users and loans the mm is no more."""
        mm.users -= 1
        if not mm.users:
            mm.lru_cgroup = None  # lru_gen_del_mm; a loan keeps only the mm_struct
        self.forget_dead(mm)

    def forget_dead(self, mm: Mm) -> None:
        """Take an mm that nobody refers to out of the world."""
        if mm.users <= 0 and not mm.loans:
            self.mms.pop(mm.id, None)

    def exit_notify(self, task: Task) -> None:
        """Give the children away, become a zombie or go (kernel/exit.c exit_notify)."""
        if not self.dialect.ptrace_moves:
            self.exit_ptrace(task)
        self.forget_original_parent(task)
        self.exit_ptrace(task)
        if task.leader:
            task.state = ZOMBIE
        else:
            self.release(task)
        self.autoreap(task.group.leader)

    def exit_ptrace(self, task: Task) -> None:
        """Let go of everybody whom *task* traces."""
        for tracee in list(task.tracees.values()):
            self.untrace(tracee)

    def autoreap(self, leader: Task) -> None:
        """Children of the kernel itself (user-mode helpers, kthreads) are not waited for."""
        dead = leader.state == ZOMBIE and not leader.group.has_other_threads(leader)
        if dead and not leader.traced and leader.real_parent in (self.kthreadd, self.kworker):
            self.release(leader)

    def forget_original_parent(self, father: Task) -> None:
        """Hand the children to a thread of the group, a subreaper or init, in order."""
        reaper = self.find_new_reaper(father)
        for child in father.traced_away.values():
            child.real_parent = reaper
            if child.parent is reaper:
                continue
            reaper.traced_away[child.id] = child
        father.traced_away.clear()
        for child in list(father.children):
            if child.real_parent is not father:  # a tracee that stood here (2.6.26 and before)
                self.untrace(child)
                continue
            threads = [child] if self.dialect.children_list == "threads" else list(child.threads)
            for thread in threads:
                if thread.parent is thread.real_parent:
                    thread.parent = reaper
                thread.real_parent = reaper
            child.sibling_node.unlink()
            reaper.children.append(child.sibling_node)

    def find_new_reaper(self, father: Task) -> Task:
        """A live thread of the group, else the nearest subreaper, else init.

        Source: 2.6.25 takes the next thread in the ring, since 3.19 it is the first one;
        subreapers since 3.4.
        """
        thread = ADOPTERS[self.dialect.adopter](father)
        if thread is not None:
            return thread
        if self.dialect.subreapers:
            ancestor = father.real_parent
            while ancestor.id > ROOT:
                if ancestor.group.subreaper:
                    thread = first_alive(ancestor)
                    if thread is not None:
                        return thread
                ancestor = ancestor.real_parent
        return self.tasks[1]

    def release(self, task: Task) -> None:
        """``release_task``: off every list; the struct is freed after a grace period."""
        task.state = GONE
        if task.traced:
            self.untrace(task)
        task.sibling_node.unlink()
        task.process_node.unlink()
        task.thread_node.unlink()
        self.tasks.pop(task.id, None)
        self.released[task.id] = task

    def _op_reap(self, op: Reap) -> None:
        task = self.tasks[op.task]
        self.current = task.real_parent
        self.release(task)

    # -- exec ----------------------------------------------------------------------

    def _op_exec(self, op: Exec) -> None:
        self.exec(op)

    def exec(self, op: Exec) -> None:
        """Replace the mm of a task, whose other threads die first.

        Here they die one after the other in list order.  The kernel defines no order:
        :mod:`._outcomes` has them all.
        """
        task = self.tasks[op.task]
        self.current = task
        new = self.make_mm(op.mm)
        self.mms[op.mm] = new
        self.used_names["mm"].add(op.mm)
        self.call(self.rules.mm_init_owner(new, task))
        for thread in [thread for thread in task.group.live() if thread is not task]:
            self.exit(thread)
        self.current = task
        if not task.leader:
            self.take_over_leader(task)
        if task.kthread:
            self.become_helper(task)
        drain(self.exec_mmap(task, new))

    def become_helper(self, task: Task) -> None:
        """A task without an mm that execs is a user-mode helper: a child of its worker.

        Source: kernel/umh.c; kernel threads proper are children of kthreadd.
        """
        task.kthread = False
        task.parent = task.real_parent = self.kworker
        task.sibling_node.unlink()
        self.kworker.children.append(task.sibling_node)

    def take_over_leader(self, task: Task) -> None:
        """The exec'ing thread gets the leader's pid and places; the old leader is released.

        Source: fs/exec.c de_thread.  While threads were on children lists the task kept
        its own entry there (9cd80bbb07fc, 2.6.33, made it take the leader's).
        """
        old = task.group.leader
        task.group.leader = task
        task.process_node.replace(old.process_node)
        if self.dialect.children_list == "leaders":
            task.sibling_node.replace(old.sibling_node)
        self.release(old)

    def exec_mmap(self, task: Task, new: Mm) -> Steps:
        """Put the new mm in place and hand over: which mm, and when, is the dialect's.

        Source: fs/exec.c exec_mmap: RFC v4 (the new mm), 4cd1a8fc3d3c (2.6.26), 31a78f23bac0
        (2.6.27).
        """
        old = task.mm
        call = self.dialect.exec_call
        self.wake_vfork_parent(task)
        if old is not None:
            yield old.mmap_lock.read_lock
        yield task.alloc_lock.lock
        task.mm = new
        self.left_mm = 0 if old is None else old.id
        self.lru_gen_migrate_mm(new)
        yield task.alloc_lock.unlock
        if call == "new, mmap_sem held":
            yield from self.handoff(new)
        elif call == "old, mmap_sem held" and old is not None:
            yield from self.handoff(old)
        if old is not None:
            yield old.mmap_lock.read_unlock
            if call == "old":
                yield from self.handoff(old)
            self.mmput(old)

    def _op_exec_fails(self, op: ExecFails) -> None:
        """The new mm is dropped again; nothing else happened."""
        self.current = self.tasks[op.task]

    # -- holders, kernel threads, ptrace -----------------------------------------------

    def hold(self, mm: Mm, ref: int) -> None:
        """``mmget``: one user that is no task."""
        mm.users += 1
        mm.refs.add(ref)
        self.refs[ref] = mm
        self.used_names["ref"].add(ref)

    def _op_hold(self, op: Hold) -> None:
        self.hold(self.mms[op.mm], op.ref)

    def _op_put(self, op: Put) -> None:
        mm = self.refs.pop(op.ref)
        mm.refs.discard(op.ref)
        self.mmput(mm)

    def _op_use_mm(self, op: UseMm) -> None:
        task, mm = self.tasks[op.task], self.mms[op.mm]
        task.mm = mm
        mm.loans += 1

    def _op_unuse_mm(self, op: UnuseMm) -> None:
        task, mm = self.tasks[op.task], self.mms[op.mm]
        task.mm = None
        mm.loans -= 1
        self.forget_dead(mm)

    def _op_trace(self, op: Trace) -> None:
        task, tracer = self.tasks[op.task], self.tasks[op.tracer]
        tracer.tracees[task.id] = task
        if tracer is task.parent:
            return
        task.parent = tracer
        if self.dialect.ptrace_moves and task.sibling_node.linked:
            task.real_parent.traced_away[task.id] = task
            task.sibling_node.unlink()
            tracer.children.append(task.sibling_node)

    def _op_untrace(self, op: Untrace) -> None:
        self.untrace(self.tasks[op.task])

    def untrace(self, task: Task) -> None:
        """The tracer lets go; the task is its real parent's again (``__ptrace_unlink``)."""
        task.parent.tracees.pop(task.id, None)
        if task.parent is task.real_parent:
            return
        task.parent = task.real_parent
        if task.real_parent.traced_away.pop(task.id, None) is not None:
            task.sibling_node.unlink()
            task.real_parent.children.append(task.sibling_node)
        self.autoreap(task.group.leader)

    def _op_subreaper(self, op: Subreaper) -> None:
        self.tasks[op.task].group.subreaper = True

    # -- accounting ----------------------------------------------------------------

    def _op_cgroup(self, op: MakeCgroup) -> None:
        self.cgroups[op.cgroup] = Cgroup(op.cgroup, self.cgroups[op.parent])
        self.used_names["cgroup"].add(op.cgroup)

    def _op_attach(self, op: Attach) -> None:
        """Move one task; the mm's MGLRU entry follows only a leader that owns it.

        Source: mem_cgroup_attach, 6.1 (bd74fdaea146).
        """
        task = self.tasks[op.task]
        task.cgroup = self.cgroups[op.cgroup]
        mm = task.mm
        if mm is not None and task.leader and getattr(mm, "owner", None) is task:
            self.lru_gen_migrate_mm(mm)

    def _op_charge(self, op: Charge) -> None:
        """Charge the owner's cgroup, whoever touches the page (get_mem_cgroup_from_mm)."""
        mm = self.tasks[op.task].mm
        owner = getattr(mm, "owner", None)
        if owner is None:
            self.charge_unowned(op.pages)
        elif owner.state == GONE:
            self.lost_pages += op.pages
        else:
            owner.cgroup.pages += op.pages

    def charge_unowned(self, pages: int) -> None:
        """No owner: the root pays (3.10 and later), before that nobody."""
        if self.dialect.unowned_pays == "root":
            self.cgroups[ROOT].pages += pages
        else:
            self.unpaid += pages

    def _op_subsystem(self, op: Subsystem) -> None:
        self.subsystems.append(op.name)


def first_alive(task: Task) -> Task | None:
    """The first thread of the group that is not exiting (``find_alive_thread``)."""
    return next((t for t in task.threads if not t.exiting), None)


def next_alive(task: Task) -> Task | None:
    """The next thread in the ring behind *task* that is not exiting."""
    ring = list(task.threads)
    at = ring.index(task)
    return next((t for t in ring[at + 1 :] + ring[:at] if not t.exiting), None)


#: Marked as exiting; the mm left and handed over; the children given away.
EXIT_PARTS: Final = 3

ADOPTERS: Final = {"first": first_alive, "next": next_alive}
