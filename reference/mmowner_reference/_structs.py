"""The objects of the reference kernel: tasks, thread groups, mms, cgroups.

Fields carry the kernel's names.  Rules (ours, a mutant's, a candidate's) read and
write these objects; the kernel around them keeps the lists in order.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ._lists import KList, Node
from ._locks import Lock, RwLock

LIVE: Final = "live"
ZOMBIE: Final = "zombie"
GONE: Final = "gone"


class Cgroup:
    """A memory cgroup.  ``pages`` is what it has been charged with so far."""

    __slots__ = ("id", "pages", "parent")

    def __init__(self, id: int, parent: Cgroup | None) -> None:
        self.id = id
        self.parent = parent
        self.pages = 0


class Mm:
    """An ``mm_struct`` of a kernel without owners (``CONFIG_MEMCG`` off)."""

    __slots__ = ("id", "loans", "lru_cgroup", "mmap_lock", "refs", "users")

    def __init__(self, id: int) -> None:
        self.id = id
        #: ``mm_users``: sharers plus holders.
        self.users = 1
        #: Names of the references that belong to no task.
        self.refs: set[int] = set()
        #: Kernel threads that borrow it (``mm_count``, not ``mm_users``).
        self.loans = 0
        self.mmap_lock = RwLock(f"mmap_lock of mm {id}")
        #: The cgroup on whose MGLRU list it is (6.1 and later), by name.
        self.lru_cgroup: int | None = None

    def __repr__(self) -> str:
        return f"<mm {self.id}>"


class OwnedMm(Mm):
    """An ``mm_struct`` with the field this project is about."""

    __slots__ = ("owner",)

    def __init__(self, id: int) -> None:
        super().__init__(id)
        self.owner: Task | None = None


class ThreadGroup:
    """A ``signal_struct``: the threads of a process, leader first, then in order of creation."""

    __slots__ = ("leader", "subreaper", "threads")

    def __init__(self, leader: Task) -> None:
        self.leader = leader
        self.threads: KList[Task] = KList()
        #: ``PR_SET_CHILD_SUBREAPER``.
        self.subreaper = False

    def live(self) -> Iterator[Task]:
        """The threads that have not exited, in list order."""
        return (task for task in self.threads if task.state == LIVE)

    def has_other_threads(self, task: Task) -> bool:
        """``!thread_group_empty``: whether anybody but *task* is on the thread list."""
        return any(other is not task for other in self.threads)


class Task:
    """A ``task_struct``.  Threads are tasks."""

    __slots__ = (
        "alloc_lock", "cgroup", "children", "exiting", "group", "id", "kthread", "mm", "parent",
        "process_node", "real_parent", "sibling_node", "state", "thread_node", "traced_away",
        "tracees", "vfork_child", "vfork_parent",
    )  # fmt: skip

    def __init__(self, id: int, cgroup: Cgroup, *, group: ThreadGroup | None = None) -> None:
        self.id = id
        self.cgroup = cgroup
        self.mm: Mm | None = None
        self.group = ThreadGroup(self) if group is None else group
        #: Who gets the SIGCHLD: the tracer while traced.
        self.parent: Task = self
        self.real_parent: Task = self
        self.children: KList[Task] = KList()
        self.sibling_node: Node[Task] = Node(self)
        self.process_node: Node[Task] = Node(self)
        self.thread_node: Node[Task] = Node(self)
        #: ``PF_KTHREAD``.
        self.kthread = False
        #: ``PF_EXITING``.
        self.exiting = False
        self.state = LIVE
        self.alloc_lock = Lock(f"alloc_lock of task {id}")
        #: Tasks that this one traces, by name, in order of attachment.
        self.tracees: dict[int, Task] = {}
        #: Children that a tracer took off our list (``ptrace_children``, 2.6.26 and before).
        self.traced_away: dict[int, Task] = {}
        #: The vfork child that this task waits for, and the other way round.
        self.vfork_child: Task | None = None
        self.vfork_parent: Task | None = None

    @property
    def leader(self) -> bool:
        """``thread_group_leader()``."""
        return self.group.leader is self

    @property
    def traced(self) -> bool:
        """Whether a tracer is attached."""
        return self.id in self.parent.tracees

    @property
    def threads(self) -> KList[Task]:
        """The threads of its group, leader first (``for_each_thread``)."""
        return self.group.threads

    def visit(self) -> None:
        """The step of a walk that looks at this task: nothing happens, it can be a stop."""

    def __repr__(self) -> str:
        return f"<task {self.id}>"
