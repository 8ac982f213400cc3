"""A `python:` candidate: it is told what happens, and says who owns an mm in Linux 6.11."""


class Tracker:
    """Each method is an operation or a question; what has no method is never asked."""

    def __init__(self) -> None:
        self.process_of = {1: [1]}  # the threads of a task's process, also those that exited
        self.children = {0: [self.process_of[1]], 1: []}  # processes; 0 is the kernel itself
        self.mm_of, self.owners = {1: 1}, {1: 1}  # live tasks only; 0 is nobody

    def clone(self, task: int, child: int, flags: tuple[str, ...], mm: int | None) -> None:
        """A thread joins the process of its maker, everything else is a new process."""
        process = self.process_of[child] = self.process_of[task] if "THREAD" in flags else []
        if not process:
            self.children[self._parent(task) if "PARENT" in flags else task].append(process)
        process.append(child)
        self.children[child], self.mm_of[child] = [], mm or self.mm_of[task]
        self.owners.setdefault(self.mm_of[child], child)

    def exit(self, task: int) -> None:
        """The next owner is searched first; only then are the children given away."""
        mm = self.mm_of.pop(task)
        if self.owners[mm] == task:
            near = self.children[task] + self.children[self._parent(task)]
            everybody = [t for p in [*near, *self.process_of.values()] for t in p]
            self.owners[mm] = next((t for t in everybody if self.mm_of.get(t) == mm), 0)
        heir = next((t for t in self.process_of[task] if t in self.mm_of), 1)
        self.children[heir] += self.children.pop(task)

    def reap(self, task: int) -> None:
        """Nothing to do: a zombie uses no mm, so it may stay on the lists."""

    def owner(self, mm: int) -> int | None:
        """The name of the owner, or None."""
        return self.owners[mm] or None

    def _parent(self, task: int) -> int:
        return next(p for p, owned in self.children.items() if self.process_of[task] in owned)
