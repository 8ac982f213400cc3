"""A `cmd:` candidate in plain Python, to show the line protocol and the rules of Linux 6.11."""

from __future__ import annotations

import json
import sys
from typing import Any

CAPABILITIES = ["clone", "exit", "exec", "reap", "hold", "put", "owner", "users", "state"]
BAD_REQUEST = (ValueError, LookupError, TypeError, AttributeError, AssertionError, RecursionError)


class Mm:
    """An address space. Its users are tasks, and references by name; its owner is a task."""

    def __init__(self, owner: Task) -> None:
        self.users: set[Task | int] = {owner}
        self.owner: Task | None = owner


class Task:
    """A thread. The threads of a process share one list, in which the leader comes first."""

    def __init__(self, name: int, threads: list[Task] | None = None) -> None:
        self.name = name
        self.mm: Mm | None = None  # until it is given one, and after its exit
        self.threads = [] if threads is None else threads
        self.threads.append(self)
        self.parent = self
        self.children: list[list[Task]] = []  # whole processes, oldest first


class World:
    """Every capability is a method, and its parameters are the fields of the request."""

    def __init__(self) -> None:
        self.init = Task(1)
        self.init.mm = Mm(self.init)
        self.init.parent = Task(0)  # init needs a place to look for siblings, too
        self.init.parent.children = [self.init.threads]
        self.tasks, self.mms = {1: self.init}, {1: self.init.mm}
        self.processes = [self.init.threads]

    def clone(self, task: int, child: int, flags: list[str], mm: int | None = None) -> None:
        """A thread joins the process of its maker; everything else is a new process."""
        maker = self.tasks[task]
        new = self.tasks[child] = Task(child, maker.threads if "THREAD" in flags else None)
        new.parent = maker.parent if {"THREAD", "PARENT"} & set(flags) else maker
        if "THREAD" not in flags:
            new.parent.children.append(new.threads)
            self.processes.append(new.threads)
        new.mm = maker.mm if mm is None else self.mms.setdefault(mm, Mm(new))
        assert new.mm is not None, f"task {task} has exited"
        new.mm.users.add(new)

    def exit(self, task: int) -> None:
        """Leave the mm first, then give the children away: the search still finds them."""
        leaving = self.tasks[task]
        self.change_mm(leaving, None)
        heir = next((thread for thread in leaving.threads if thread.mm), self.init)
        for child in [thread for process in leaving.children for thread in process]:
            child.parent = heir
        heir.children += leaving.children
        leaving.children = []
        if leaving is not leaving.threads[0]:  # a leader stays, as a zombie
            leaving.threads.remove(leaving)
            del self.tasks[task]

    def exec(self, task: int, mm: int) -> None:
        """The other threads die. The process keeps its place, whichever thread survives."""
        survivor = self.tasks[task]
        for thread in [t for t in survivor.threads if t.mm and t is not survivor]:
            self.exit(thread.name)
        if survivor.threads[0] is not survivor:
            del self.tasks[survivor.threads[0].name]
        survivor.threads[:] = [survivor]
        self.mms[mm] = Mm(survivor)
        self.change_mm(survivor, self.mms[mm])

    def change_mm(self, task: Task, new: Mm | None) -> None:
        """The task is found as a user no more, but counts as one until the search is over."""
        old, task.mm = task.mm, new
        assert old is not None, f"task {task.name} has exited"
        if old.owner is task:  # search children, siblings, everybody; the last user finds nobody
            processes = task.children + task.parent.children + self.processes
            old.owner = next((t for threads in processes for t in threads if t.mm is old), None)
        old.users.remove(task)

    def reap(self, task: int) -> None:
        """Nothing is left of the process."""
        zombie = self.tasks.pop(task)
        zombie.parent.children.remove(zombie.threads)
        self.processes.remove(zombie.threads)

    def hold(self, mm: int, ref: int) -> None:
        """A reference is a user, but never an owner."""
        self.mms[mm].users.add(ref)

    def put(self, mm: int, ref: int) -> None:
        """The reference is dropped; that changes no owner."""
        self.mms[mm].users.remove(ref)

    def owner(self, mm: int) -> int | None:
        """The name of a task, or None."""
        assert self.mms[mm].users, f"mm {mm} is no more"
        return owner.name if (owner := self.mms[mm].owner) else None

    def users(self, mm: int) -> int:
        """What the kernel counts in mm_users; an mm without users is no more."""
        assert self.mms[mm].users, f"mm {mm} is no more"
        return len(self.mms[mm].users)

    def state(self, task: int) -> str:
        """A zombie is a leader that nobody has reaped yet."""
        found = self.tasks.get(task)
        return "gone" if found is None else "live" if found.mm else "zombie"


def answer(world: World, request: dict[str, Any]) -> dict[str, Any]:
    """Perform an operation or answer a question."""
    word = request.get("op") or request.get("ask")
    if word == "start":
        return {"protocol": 1, "name": "example-python", "version": "1.0", "language": "Python",
                "dialect": "6.11", "capabilities": CAPABILITIES}  # fmt: skip
    if word in CAPABILITIES:
        fields = {key: request[key] for key in request if key not in ("seq", "op", "ask")}
        result = getattr(world, word)(**fields)
        return {"answer": result} if "ask" in request else {"ok": True}
    return {"ok": True} if word in ("reset", "stop") else {"error": f"unknown: {word}"}


def main() -> None:
    """One line in, one line out, whatever comes in."""
    world, word = World(), None
    for line in sys.stdin.buffer:
        reply: dict[str, Any] = {}
        try:
            request = json.loads(line)
            reply["seq"], word = request["seq"], request.get("op")
            world = World() if word == "reset" else world
            reply |= answer(world, request)
        except BAD_REQUEST as exc:
            reply["error"] = f"{type(exc).__name__}: {exc}"
        print(json.dumps(reply), flush=True)
        if word == "stop":
            break


if __name__ == "__main__":
    main()
