"""The owner rules of Linux 6.11, as a `rules:` candidate: what is yielded is a step."""
# ruff: noqa: D101, D102

from itertools import chain
from typing import Any


class Rules:
    def __init__(self, host: Any) -> None:
        self.host = host

    def mm_init_owner(self, mm: Any, task: Any) -> None:
        mm.owner = task

    def mm_clear_owner(self, mm: Any, task: Any) -> None:
        if mm.owner is task:
            mm.owner = None

    def mm_update_next_owner(self, mm: Any) -> Any:
        p, host = self.host.current, self.host
        if mm.owner is not p:
            return
        others = (leader for leader in host.processes if not leader.kthread)
        if mm.users > 1:
            yield host.tasklist_lock.read_lock
            for leader in chain(p.children, p.real_parent.children, others):
                for task in leader.threads:
                    yield task.visit
                    if task.mm is mm:
                        yield task.alloc_lock.lock
                        if task.mm is mm:
                            yield host.tasklist_lock.read_unlock
                            mm.owner = task
                            host.lru_gen_migrate_mm(mm)
                            yield task.alloc_lock.unlock
                            return
                        yield task.alloc_lock.unlock
            yield host.tasklist_lock.read_unlock
        mm.owner = None
