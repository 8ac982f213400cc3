"""The index: a second oracle, which finds the next owner without a walk.

:class:`IndexWorld` gives the answers of :class:`~._kernel.Kernel`, in every dialect, and
shares no code with it: no lists, no rules, no steps.  Where the kernel walks up to all tasks
to find an heir, every list that it reads is kept here cut up by mm, so that the heir is always
the first of something.

**What is kept.**  A *process* is a thread group.  All its live threads use one mm (THREAD
implies VM, and an exec kills the others first), so the mm, like the parent, is the process's.

====================  =====================================  ================================
ring                  members, in order                      the kernel's list, cut down
====================  =====================================  ================================
``process.first``     its live threads                       ``signal->thread_head``
``mm.first``          processes with live threads on it      ``init_task.tasks``
``task.kids[mm]``     entries of its children that use mm    ``task->children``
====================  =====================================  ================================

**Why the order is right.**  A ring is a list cut down to some of its members, and cutting down
commutes with all that the kernel does to a list:

* *Append*: last on the list is last on the ring.  Only a clone joins an mm that has users, and
  what it makes is last on every list.
* *Unlink*: the others keep their order.
* *Reparenting* appends the father's list to the reaper's, so per mm it appends ring to ring.
* *Exec* goes to a fresh mm, whose rings have no other members to stand before or behind; so it
  does not matter that a non-leader takes the places of its leader.  Its process keeps its own.

So the first match of a walk over a list is the first of one ring.  ``do_each_thread`` meets
processes in order and in each its threads in order: ``mm.first.first``.  Leaving a group at
its first other mm (3.16) changes nothing where a group has one mm, and neither does ending
the walk when no other user is left (6.10): then none was due.  An entry of a children list
always stands for the first live thread of its process: a group that is walked, or a leader
that is alive; and where each thread has an entry, they stand there in the order of the group.

*Kernel threads* borrow any mm at any time and stand where they were created, so they are on no
``mm.first``: the first borrower is the top of a heap of birth numbers (``seq``).  They are on
no ring of children either: their parent is kthreadd, none of whose children ever searches.

**What it costs.**  Constant time, amortised, for every operation but these: an exit with
children rewrites the parent of each, an exec ends all other threads of its group, and a loan
costs the logarithm of the loans of that mm.  Rings are linked through their members, because
the first of a ``dict`` costs as much as was deleted before it.  ``kids`` is iterated only when
its task dies, which pays at most once for each child there ever was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from heapq import heapify, heappop, heappush
from typing import Any, Final, Self, TypeVar

from ._dialects import DEFAULT, DIALECTS, Dialect
from ._ops import PARENT, THREAD, VFORK, Flags, Op

__all__ = ["IndexWorld", "NotIndexed"]


class NotIndexed(ValueError):
    """The index does not know this operation, flag or kind of lists; ``Kernel`` does."""


class Link:
    """A member of one circular list, which has no head: whoever has it knows the first."""

    __slots__ = ("next", "prev")
    prev: Self
    next: Self


L = TypeVar("L", bound=Link)


def joined(first: L | None, link: L) -> L:
    """Put *link* at the end of the ring that starts with *first*; return its first."""
    if first is None:
        link.prev = link.next = link
        return link
    last = first.prev
    link.prev, link.next = last, first
    last.next = first.prev = link
    return first


def parted(first: L | None, link: L) -> L | None:
    """Take *link* out of the ring that starts with *first*; return its first, if any is left.

    *link* then points nowhere: an owner that is long gone would keep its neighbours of then.
    """
    before, after = link.prev, link.next
    before.next, after.prev = after, before
    del link.prev, link.next
    if first is not link:
        return first
    return None if after is link else after


def spliced(first: L | None, other: L) -> L:
    """Put the whole ring that starts with *other* at the end of that of *first*."""
    if first is None:
        return other
    last, end = first.prev, other.prev
    last.next, other.prev = other, last
    end.next, first.prev = first, end
    return first


class IndexedMm:
    """An mm.  ``owner`` may be a task that is gone."""

    __slots__ = ("first", "heap", "loans", "name", "owner", "users")
    #: The keys of ``loans``, and some that were given back.
    heap: list[int]

    def __init__(self, name: int, owner: IndexedTask | None) -> None:
        self.name = name
        self.owner = owner
        self.users = 0
        self.first: Process | None = None
        #: The kernel threads that borrow it, by ``seq``; None if none ever did.
        self.loans: dict[int, IndexedTask] | None = None

    def first_borrower(self) -> IndexedTask | None:
        """The borrower that was created first."""
        if not self.loans:
            return None
        while self.heap[0] not in self.loans:
            heappop(self.heap)
        return self.loans[self.heap[0]]


class Process(Link):
    """A thread group, on the ring of its mm while a thread lives."""

    __slots__ = ("first", "leader", "mm", "parent", "seq")
    leader: IndexedTask

    def __init__(self, seq: int, parent: IndexedTask) -> None:
        self.seq = seq
        self.parent = parent
        self.mm: IndexedMm | None = None
        self.first: IndexedTask | None = None


class IndexedTask(Link):
    """A task, on the ring of its process while it lives.  Kernel threads have no ``kid``."""

    __slots__ = ("kid", "kids", "live", "name", "process")
    kid: Kid

    def __init__(self, name: int, process: Process) -> None:
        self.name = name
        self.process = process
        self.live = True
        self.kids: dict[IndexedMm | None, Kid] | None = None
        process.first = joined(process.first, self)


class Kid(Link):
    """An entry of a children list, on the ring of its parent's ``kids[key]``.

    ``key`` is the mm by which a search finds it, None for an entry that no search takes.
    """

    __slots__ = ("key", "process")

    def __init__(self, process: Process, key: IndexedMm) -> None:
        self.process = process
        self.file(key)

    def file(self, key: IndexedMm | None) -> None:
        """Stand at the end of what the parent has under *key*."""
        self.key = key
        parent = self.process.parent
        kids = parent.kids
        if kids is None:
            kids = parent.kids = {}
        kids[key] = joined(kids.get(key), self)

    def unfile(self) -> None:
        """Leave the parent's list."""
        kids, key = self.process.parent.kids, self.key
        assert kids is not None, "it was filed there"
        first = parted(kids[key], self)
        if first is None:
            del kids[key]
        else:
            kids[key] = first


#: By ``children_list`` and ``walk``: whether each thread has an entry, which goes with it, or all
#: threads of a process the same; and whether a search takes that only while the leader lives.
FAMILIES: Final[dict[tuple[str, str], tuple[bool, bool]]] = {
    ("threads", "pick, then lock"): (True, False),
    ("leaders", "pick, then lock"): (False, True),
    ("leaders", "lock in place"): (False, False),
}

#: Who adopts, of the thread next to the dead one in the ring and the first that is left.
ADOPTERS: Final[dict[str, Callable[[IndexedTask, IndexedTask], IndexedTask]]] = {
    "next": lambda behind, first: behind,
    "first": lambda behind, first: first,
}


class IndexWorld:
    """A world like ``Kernel(dialect)``, in which every next owner is found in constant time.

    ``dialect`` is a name out of ``DIALECTS`` or a :class:`~._dialects.Dialect`.  Raises
    ``KeyError`` for an unknown name, :class:`NotIndexed` for children lists of a kind that no
    kernel had.

    Operations are taken to be legal: one that a kernel would refuse is not noticed, and
    leaves a world that means nothing.  Sources of the rules are in :mod:`._rules` and
    :mod:`._life`; where the two worlds disagree, one of them is wrong.
    """

    def __init__(self, dialect: str | Dialect = DEFAULT) -> None:
        self.dialect = row = DIALECTS[dialect] if isinstance(dialect, str) else dialect
        family = FAMILIES.get((row.children_list, row.walk))
        if family is None:
            raise NotIndexed(f"{row.walk!r} on lists of {row.children_list} is not in the index")
        self._each, self._by_leader = family
        self._adopter = ADOPTERS[row.adopter]
        self._exec_asks_old = row.exec_call != "new, mmap_sem held"
        #: The mms that are there, by name: with users, or lent.
        self.mms: dict[int, IndexedMm] = {}
        self._tasks: dict[int, IndexedTask] = {}
        self._refs: dict[int, IndexedMm] = {}
        self._seq = 0
        # Without names: the parent of init; that of kernel threads and user-mode helpers.
        nobody = Process.__new__(Process)
        nobody.first = None
        self._idle, self._kernel = IndexedTask(0, nobody), IndexedTask(-1, nobody)
        self._init = self._task(1, self._idle)
        self._start(self._init, self._new_mm(1, self._init))

    # -- operations ----------------------------------------------------------------

    def do(self, op: Op) -> None:
        """Perform a legal operation.

        Raises :class:`NotIndexed` for those about cgroups, tracers, subreapers and failures.
        """
        perform = OPERATIONS.get(op.word)
        if perform is None:
            raise NotIndexed(f"{op.word} is not in the index: use Kernel")
        perform(self, op)

    def run(self, program: Iterable[Op]) -> IndexWorld:
        """Perform all operations of *program* and return this world."""
        for op in program:
            self.do(op)
        return self

    def clone(self, maker: int, child: int, flags: Flags = (), mm: int | None = None) -> None:
        """*maker* makes *child*, which shares its mm if *mm* is None, else gets that new one.

        Raises :class:`NotIndexed` for VFORK, which makes tasks wait.
        """
        parent = self._tasks[maker]
        process = parent.process
        if VFORK in flags:
            raise NotIndexed("clone with VFORK is not in the index: use Kernel")
        shared = process.mm
        assert shared is not None, "who clones has an mm"
        if THREAD in flags:
            self._tasks[child] = task = IndexedTask(child, process)
            shared.users += 1
            task.kid = Kid(process, shared) if self._each else parent.kid
            return
        task = self._task(child, process.parent if PARENT in flags else parent)
        self._start(task, shared if mm is None else self._new_mm(mm, task))

    def _task(self, name: int, parent: IndexedTask) -> IndexedTask:
        """Return a process of one task, last of all."""
        self._seq = seq = self._seq + 1
        process = Process(seq, parent)
        self._tasks[name] = process.leader = task = IndexedTask(name, process)
        return task

    def _new_mm(self, name: int, task: IndexedTask) -> IndexedMm:
        self.mms[name] = mm = IndexedMm(name, task if self.dialect.owner else None)
        return mm

    def _start(self, task: IndexedTask, mm: IndexedMm) -> None:
        """*task*, alone in its process and on no ring, becomes a user of *mm*."""
        process = task.process
        process.mm = mm
        mm.users += 1
        mm.first = joined(mm.first, process)
        task.kid = Kid(process, mm)

    def exit(self, task: int) -> None:
        """One thread exits: it hands over its mm, and then its children."""
        me = self._tasks[task]
        process, behind = me.process, me.next
        mm = process.mm
        first = process.first = parted(process.first, me)
        if mm is None:  # a kernel thread has no children, and nobody waits for it
            del self._tasks[task]
            return
        if first is None:
            mm.first = parted(mm.first, process)
        if first is None or self._each:
            me.kid.unfile()
        elif self._by_leader and process.leader is me:
            me.kid.unfile()
            me.kid.file(None)  # its threads still have a parent
        if mm.owner is me and (
            first is None or process.leader is not me or not self.dialect.delayed_leader
        ):
            self._hand_over(mm, me)
        self._put(mm)
        if me.kids:
            self._orphan(me, self._init if first is None else self._adopter(behind, first))
        me.live = False
        if process.leader is not me:
            del self._tasks[task]
        if first is None:
            if process.parent is self._kernel:
                del self._tasks[process.leader.name]
            # Who stays as a zombie or as an owner keeps neither its mm nor its parents.
            process.mm = None
            del process.parent

    def _hand_over(self, mm: IndexedMm, task: IndexedTask) -> None:
        """*task* owns *mm* and is on none of its rings any more, but still counts as a user."""
        if mm.users <= 1:
            if self.dialect.last_user == "clear":
                mm.owner = None
            return
        kids = task.process.parent.kids
        kid = (task.kids and task.kids.get(mm)) or (kids and kids.get(mm))
        if kid:
            mm.owner = kid.process.first
            return
        process = mm.first
        borrower = None if self.dialect.skip_kthreads else mm.first_borrower()
        if borrower is not None and (process is None or borrower.process.seq < process.seq):
            mm.owner = borrower
        elif process is not None:
            mm.owner = process.first
        elif self.dialect.nobody == "clear":
            mm.owner = None

    def _put(self, mm: IndexedMm) -> None:
        mm.users -= 1
        if not mm.users and not mm.loans:
            del self.mms[mm.name]

    def _orphan(self, father: IndexedTask, reaper: IndexedTask) -> None:
        """Hand the children of *father* to *reaper*, behind its own."""
        given, father.kids = father.kids or {}, None
        if reaper.kids is None:
            reaper.kids = {}
        kids = reaper.kids
        for key, first in given.items():
            first.process.parent = reaper
            kid = first.next
            while kid is not first:
                kid.process.parent = reaper
                kid = kid.next
            kids[key] = spliced(kids.get(key), first)

    def exec(self, task: int, mm: int) -> None:
        """The other threads exit in list order, then the new *mm* replaces the old.

        In the RFC the kernel asks about the new one, and the old keeps its owner.
        """
        me = self._tasks[task]
        process = me.process
        while (other := me.next if process.first is me else process.first) is not me:
            assert other is not None, "at least the exec'ing one lives"
            self.exit(other.name)
        if process.leader is not me:
            del self._tasks[process.leader.name]
            process.leader = me
        old, new = process.mm, self._new_mm(mm, me)
        if old is not None:  # else a kernel thread becomes a user-mode helper
            old.first = parted(old.first, process)
            me.kid.unfile()
            if old.owner is me and self._exec_asks_old:
                self._hand_over(old, me)
            self._put(old)
        self._start(me, new)
        if not self._exec_asks_old and self.dialect.last_user == "clear":
            new.owner = None

    def reap(self, task: int) -> None:
        """The parent waits for a zombie."""
        del self._tasks[task]

    def hold(self, mm: int, ref: int) -> None:
        """Take the reference *ref* to *mm*."""
        self._refs[ref] = held = self.mms[mm]
        held.users += 1

    def put(self, mm: int, ref: int) -> None:
        """Drop the reference *ref* to *mm*."""
        self._put(self._refs.pop(ref))

    def kthread(self, child: int) -> None:
        """A kernel thread comes into being; where it stands among all tasks is settled here."""
        self._task(child, self._kernel)

    def use_mm(self, task: int, mm: int) -> None:
        """Kernel thread *task* borrows *mm*."""
        lent, borrower = self.mms[mm], self._tasks[task]
        if lent.loans is None:
            lent.loans, lent.heap = {}, []
        seq = borrower.process.seq
        lent.loans[seq] = borrower
        heappush(lent.heap, seq)
        borrower.process.mm = lent

    def unuse_mm(self, task: int, mm: int) -> None:
        """Kernel thread *task* gives *mm* back; it stays the owner if it was."""
        lent, process = self.mms[mm], self._tasks[task].process
        process.mm = None
        loans = lent.loans
        assert loans is not None, "it was lent"
        del loans[process.seq]
        if len(lent.heap) > 2 * len(loans) + 8:  # else it goes when it is on top
            lent.heap = list(loans)
            heapify(lent.heap)
        if not lent.users and not loans:
            del self.mms[mm]

    # -- what can be asked -----------------------------------------------------------

    def owner(self, mm: int) -> int | None:
        """Return the name of the owner of *mm*, a released task's too, or None.

        Raises ``KeyError`` for an mm that is not there, as :meth:`users` does.
        """
        owner = self.mms[mm].owner
        return None if owner is None else owner.name

    def users(self, mm: int) -> int:
        """Return ``mm_users`` of *mm*."""
        return self.mms[mm].users

    def state(self, task: int) -> str:
        """Return ``"live"``, ``"zombie"`` or ``"gone"`` (released, or never there)."""
        found = self._tasks.get(task)
        if found is None:
            return "gone"
        return "live" if found.live else "zombie"


#: What the index can do, by the word of the operation.
OPERATIONS: Final[dict[str, Callable[[IndexWorld, Any], None]]] = {
    "clone": lambda world, op: world.clone(op.task, op.child, op.flags, op.mm),
    "exit": lambda world, op: world.exit(op.task),
    "exec": lambda world, op: world.exec(op.task, op.mm),
    "reap": lambda world, op: world.reap(op.task),
    "hold": lambda world, op: world.hold(op.mm, op.ref),
    "put": lambda world, op: world.put(op.mm, op.ref),
    "kthread": lambda world, op: world.kthread(op.child),
    "use_mm": lambda world, op: world.use_mm(op.task, op.mm),
    "unuse_mm": lambda world, op: world.unuse_mm(op.task, op.mm),
}
