"""What the kernel refuses: legality of an operation in a world, rule by rule.

An illegal operation is refused before anything changes, by an error that names the
rule.  A program with an illegal operation is wrong; no candidate ever sees it, except
in the tests that feed it on purpose.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from ._ops import PARENT, THREAD, Clone, CloneFails, Op
from ._structs import LIVE, ZOMBIE, Task

if TYPE_CHECKING:
    from ._kernel import Kernel

#: Every reason to refuse an operation.
REFUSALS: Final = {
    "unknown-name": "an operation names only what exists",
    "used-name": "a new object gets a name that was never used",
    "exited": "a task that has exited does nothing more",
    "vfork-wait": "a task that waits for its vfork child can only be killed",
    "kill-group": "killing a vfork parent kills its group, so its other threads must be dead",
    "init-stays": "init never exits, and no other thread of it execs",
    "parent-of-init": "PARENT is refused to init and its threads: their parent is the idle task",
    "kernel-thread": "a kernel thread neither clones, nor is it traced, a reaper or moved",
    "borrows": "a kernel thread borrows one mm at a time, and none when it exits or execs",
    "no-loan": "a kernel thread gives back the mm that it borrowed",
    "not-a-kthread": "only a kernel thread borrows an mm",
    "dead-mm": "an mm without users can no longer be referred to",
    "no-ref": "only a reference that is held on this mm can be dropped",
    "not-a-zombie": "only a zombie leader whose group is dead is reaped",
    "nobody-waits": "a thread of the parent must be free to wait",
    "self-trace": "a task traces only tasks of other groups, and not init",
    "traced": "a task has one tracer at a time",
    "traced-thread": "a traced thread that dies would wait for its tracer: detach it first",
    "traced-zombie": "a traced zombie is its tracer's until that one detaches or exits",
    "not-traced": "only a traced task is detached",
    "no-subreapers": "there are no subreapers before 3.4",
    "no-controller": "without CONFIG_MEMCG there are no memory cgroups",
    "no-callbacks": "2.6.29 and later have no mm_owner_changed",
    "no-mm": "a task without an mm touches no pages",
}


class IllegalOperation(ValueError):
    """The kernel would refuse this operation.

    ``op`` is the operation, ``rule`` the name of the refusal (a key of ``REFUSALS``),
    and the text says what is the matter in this world.  The world is unchanged.
    """

    def __init__(self, op: Op, rule: str, detail: str) -> None:
        super().__init__(f"{op}: {detail} [{rule}: {REFUSALS[rule]}]")
        self.op = op
        self.rule = rule
        self.detail = detail


def check(kernel: Kernel, op: Op) -> None:
    """Raise :class:`IllegalOperation` if *op* is refused in the world of *kernel*."""
    CHECKS[op.word](kernel, op)


def is_legal(kernel: Kernel, op: Op) -> bool:
    """Whether *op* would be performed in the world of *kernel*."""
    try:
        check(kernel, op)
    except IllegalOperation:
        return False
    return True


def _live(kernel: Kernel, op: Op, name: int, *, may_wait: bool = False) -> Task:
    task = kernel.tasks.get(name)
    if task is None:
        if name in kernel.used_names["task"]:
            raise IllegalOperation(op, "exited", f"task {name} is gone")
        raise IllegalOperation(op, "unknown-name", f"there never was a task {name}")
    if task.state != LIVE:
        raise IllegalOperation(op, "exited", f"task {name} is a zombie")
    if task.vfork_child is not None and not may_wait:
        child = task.vfork_child.id
        raise IllegalOperation(op, "vfork-wait", f"task {name} waits for its vfork child {child}")
    return task


def _user(kernel: Kernel, op: Op, name: int, *, may_wait: bool = False) -> Task:
    task = _live(kernel, op, name, may_wait=may_wait)
    if task.kthread:
        raise IllegalOperation(op, "kernel-thread", f"task {name} is a kernel thread")
    return task


def _fresh(kernel: Kernel, op: Op, kind: str, name: int | None) -> None:
    if name is not None and name in kernel.used_names[kind]:
        raise IllegalOperation(op, "used-name", f"{kind} {name} was there already")


def _live_mm(kernel: Kernel, op: Op, name: int) -> None:
    if name not in kernel.used_names["mm"]:
        raise IllegalOperation(op, "unknown-name", f"there never was an mm {name}")
    mm = kernel.mms.get(name)
    if mm is None or mm.users <= 0:
        raise IllegalOperation(op, "dead-mm", f"mm {name} has no users left")


def _controller(kernel: Kernel, op: Op) -> None:
    if not kernel.dialect.owner:
        raise IllegalOperation(op, "no-controller", f"the dialect is {kernel.dialect.name}")


def _cgroup(kernel: Kernel, op: Op, name: int) -> None:
    if name not in kernel.cgroups:
        raise IllegalOperation(op, "unknown-name", f"there is no cgroup {name}")


def _clone(kernel: Kernel, op: Clone | CloneFails) -> None:
    maker = _user(kernel, op, op.task)
    _fresh(kernel, op, "task", op.child)
    _fresh(kernel, op, "mm", op.mm)
    if PARENT in op.flags and THREAD not in op.flags and maker.real_parent is kernel.init_task:
        raise IllegalOperation(op, "parent-of-init", f"task {op.task} is a child of the kernel")


def _clone_fails(kernel: Kernel, op: CloneFails) -> None:
    _clone(kernel, op)
    _fresh(kernel, op, "ref", op.ref)


def _exit(kernel: Kernel, op: Any) -> None:
    task = _live(kernel, op, op.task, may_wait=True)
    if task.id == 1:
        raise IllegalOperation(op, "init-stays", "task 1 is init")
    if task.vfork_child is not None and any(t is not task for t in task.group.live()):
        raise IllegalOperation(op, "kill-group", f"task {task.id} waits and has live threads")
    if task.traced and not task.leader:
        raise IllegalOperation(op, "traced-thread", f"task {task.id} has tracer {task.parent.id}")
    _no_loan(op, task)


def _no_loan(op: Op, task: Task) -> None:
    if task.kthread and task.mm is not None:
        raise IllegalOperation(op, "borrows", f"kernel thread {task.id} borrows mm {task.mm.id}")


def _exec(kernel: Kernel, op: Any) -> None:
    task = _live(kernel, op, op.task)
    _fresh(kernel, op, "mm", op.mm)
    _no_loan(op, task)
    if task.group.leader.id == 1 and not task.leader:
        raise IllegalOperation(op, "init-stays", f"task {task.id} is a thread of init")
    for thread in task.group.threads:
        if thread is not task and thread.traced:
            detail = f"thread {thread.id} has tracer {thread.parent.id}"
            raise IllegalOperation(op, "traced-thread", detail)


def _reap(kernel: Kernel, op: Any) -> None:
    task = kernel.tasks.get(op.task)
    if task is None:
        known = op.task in kernel.used_names["task"]
        rule = "not-a-zombie" if known else "unknown-name"
        raise IllegalOperation(op, rule, f"there is no task {op.task} to wait for")
    if task.state != ZOMBIE:
        raise IllegalOperation(op, "not-a-zombie", f"task {task.id} is alive")
    if task.group.has_other_threads(task):
        raise IllegalOperation(op, "not-a-zombie", f"threads of {task.id} are alive")
    if task.traced and task.parent.group is not task.real_parent.group:
        detail = f"zombie {task.id} has tracer {task.parent.id}"
        raise IllegalOperation(op, "traced-zombie", detail)
    if all(thread.vfork_child is not None for thread in task.real_parent.group.live()):
        detail = f"the parent {task.real_parent.id} of {task.id} waits for a vfork child"
        raise IllegalOperation(op, "nobody-waits", detail)


def _hold(kernel: Kernel, op: Any) -> None:
    _live_mm(kernel, op, op.mm)
    _fresh(kernel, op, "ref", op.ref)


def _put(kernel: Kernel, op: Any) -> None:
    mm = kernel.refs.get(op.ref)
    if mm is None or mm.id != op.mm:
        raise IllegalOperation(op, "no-ref", f"reference {op.ref} is not held on mm {op.mm}")


def _kthread(kernel: Kernel, op: Any) -> None:
    _fresh(kernel, op, "task", op.child)


def _kernel_thread(kernel: Kernel, op: Any) -> Task:
    task = _live(kernel, op, op.task)
    if not task.kthread:
        raise IllegalOperation(op, "not-a-kthread", f"task {task.id} is a user task")
    return task


def _use_mm(kernel: Kernel, op: Any) -> None:
    task = _kernel_thread(kernel, op)
    _no_loan(op, task)
    _live_mm(kernel, op, op.mm)


def _unuse_mm(kernel: Kernel, op: Any) -> None:
    task = _kernel_thread(kernel, op)
    if task.mm is None or task.mm.id != op.mm:
        raise IllegalOperation(op, "no-loan", f"task {task.id} does not borrow mm {op.mm}")


def _exec_fails(kernel: Kernel, op: Any) -> None:
    _user(kernel, op, op.task)


def _trace(kernel: Kernel, op: Any) -> None:
    task = _user(kernel, op, op.task, may_wait=True)
    tracer = _user(kernel, op, op.tracer)
    if task.group is tracer.group or task.group.leader.id == 1:
        raise IllegalOperation(op, "self-trace", f"{op.tracer} cannot trace {op.task}")
    if task.traced:
        raise IllegalOperation(op, "traced", f"task {task.id} has tracer {task.parent.id}")


def _untrace(kernel: Kernel, op: Any) -> None:
    task = _live(kernel, op, op.task, may_wait=True)
    if not task.traced:
        raise IllegalOperation(op, "not-traced", f"task {task.id} has no tracer")
    _live(kernel, op, task.parent.id)


def _subreaper(kernel: Kernel, op: Any) -> None:
    _user(kernel, op, op.task)
    if not kernel.dialect.subreapers:
        raise IllegalOperation(op, "no-subreapers", f"the dialect is {kernel.dialect.name}")


def _make_cgroup(kernel: Kernel, op: Any) -> None:
    _controller(kernel, op)
    _cgroup(kernel, op, op.parent)
    _fresh(kernel, op, "cgroup", op.cgroup)


def _attach(kernel: Kernel, op: Any) -> None:
    _controller(kernel, op)
    _user(kernel, op, op.task, may_wait=True)
    _cgroup(kernel, op, op.cgroup)


def _charge(kernel: Kernel, op: Any) -> None:
    _controller(kernel, op)
    task = _live(kernel, op, op.task)
    if task.mm is None:
        raise IllegalOperation(op, "no-mm", f"task {task.id} has no mm")


def _subsystem(kernel: Kernel, op: Any) -> None:
    _controller(kernel, op)
    if kernel.dialect.callbacks is None:
        raise IllegalOperation(op, "no-callbacks", f"the dialect is {kernel.dialect.name}")
    if op.name in kernel.subsystems:
        raise IllegalOperation(op, "used-name", f"subsystem {op.name} is registered")


CHECKS: Final[dict[str, Callable[[Any, Any], None]]] = {
    "clone": _clone, "exit": _exit, "exec": _exec, "reap": _reap, "hold": _hold, "put": _put,
    "kthread": _kthread, "use_mm": _use_mm, "unuse_mm": _unuse_mm, "clone_fails": _clone_fails,
    "exec_fails": _exec_fails, "trace": _trace, "untrace": _untrace, "subreaper": _subreaper,
    "cgroup": _make_cgroup, "attach": _attach, "charge": _charge, "subsystem": _subsystem,
}  # fmt: skip
