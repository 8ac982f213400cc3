"""The operation alphabet: what a program can say, as plain values.

An operation names tasks, mms, references and cgroups by positive integers that
the writer of the program chooses, in order of creation.  Task 1 is init, mm 1 is
init's, cgroup 1 is the root; none of them is ever made by an operation.

A *name* means the struct, not the pid: after a non-leader's exec the exec'ing
task keeps its name although it takes over the leader's pid.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from keyword import iskeyword
from typing import Any, ClassVar, Final, TypeAlias

VM: Final = "VM"
THREAD: Final = "THREAD"
PARENT: Final = "PARENT"
VFORK: Final = "VFORK"
#: All flags of ``clone``, in the order in which programs print them.
FLAGS: Final = (VM, THREAD, PARENT, VFORK)

Flags: TypeAlias = tuple[str, ...]
FailsAt: TypeAlias = str
#: Where ``clone_fails`` can fail: while the mm is copied, or after it is there.
FAIL_POINTS: Final = ("dup_mm", "late")


class OpError(ValueError):
    """An operation that cannot be built: unknown name, missing field, wrong type.

    This is always the fault of whoever wrote the program, never of a candidate.  Where a
    word is unknown, ``word`` is that word and ``known`` are those it could have been, for
    whoever wants to say what was meant.
    """

    def __init__(self, text: str, word: str = "", known: Iterable[str] = ()) -> None:
        super().__init__(text)
        self.word = word
        self.known = tuple(known)


def ordered_flags(flags: Iterable[str]) -> Flags:
    """Return *flags* without repeats in the order of :data:`FLAGS`.

    Raises :class:`OpError` for a flag that does not exist.
    """
    given = list(flags)
    for flag in given:
        if flag not in FLAGS:
            raise OpError(
                f"unknown clone flag {flag!r}; known are {', '.join(FLAGS)}", str(flag), FLAGS
            )
    return tuple(flag for flag in FLAGS if flag in given)


@dataclass(frozen=True, slots=True)
class Op:
    """One operation.  Subclasses hold its fields; ``word`` is its name in programs."""

    word: ClassVar[str] = ""

    def __str__(self) -> str:
        return format_op(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form: ``{"op": name, field: value, ...}`` without absent fields."""
        out: dict[str, Any] = {"op": self.word}
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None:
                out[field.name] = list(value) if isinstance(value, tuple) else value
        return out


@dataclass(frozen=True, slots=True)
class Clone(Op):
    """``task`` makes ``child``; without ``VM`` the child gets the new mm ``mm``."""

    word = "clone"
    task: int
    child: int
    flags: Flags = ()
    mm: int | None = None

    def __post_init__(self) -> None:
        _check_clone(self)

    @property
    def shares_mm(self) -> bool:
        """Whether the child uses the mm of its maker (``THREAD`` implies ``VM``)."""
        return VM in self.flags or THREAD in self.flags


@dataclass(frozen=True, slots=True)
class Exit(Op):
    """One thread exits, not its group."""

    word = "exit"
    task: int


@dataclass(frozen=True, slots=True)
class Exec(Op):
    """All other threads of the group die, then the new ``mm`` replaces the old."""

    word = "exec"
    task: int
    mm: int


@dataclass(frozen=True, slots=True)
class Reap(Op):
    """The parent waits for this zombie leader whose group is dead."""

    word = "reap"
    task: int


@dataclass(frozen=True, slots=True)
class Hold(Op):
    """Take a reference to ``mm_users`` that belongs to no task (``get_task_mm``)."""

    word = "hold"
    mm: int
    ref: int


@dataclass(frozen=True, slots=True)
class Put(Op):
    """Drop the reference that ``hold`` took."""

    word = "put"
    mm: int
    ref: int


@dataclass(frozen=True, slots=True)
class Kthread(Op):
    """A kernel thread without an mm comes into being."""

    word = "kthread"
    child: int


@dataclass(frozen=True, slots=True)
class UseMm(Op):
    """A kernel thread borrows an mm (``mm_count``, not ``mm_users``)."""

    word = "use_mm"
    task: int
    mm: int


@dataclass(frozen=True, slots=True)
class UnuseMm(Op):
    """A kernel thread gives the borrowed mm back."""

    word = "unuse_mm"
    task: int
    mm: int


@dataclass(frozen=True, slots=True)
class CloneFails(Op):
    """A clone that fails: while the mm is copied (``dup_mm``) or after it (``late``).

    ``ref`` (optional) is a reference that somebody, such as a userfaultfd monitor,
    took on the new mm before the failure and keeps.
    """

    word = "clone_fails"
    task: int
    child: int
    flags: Flags = ()
    mm: int | None = None
    at: FailsAt = "late"
    ref: int | None = None

    def __post_init__(self) -> None:
        _check_clone(self)
        if self.at not in FAIL_POINTS:
            raise OpError(f"clone_fails: at={self.at!r}; known are {', '.join(FAIL_POINTS)}")

    @property
    def shares_mm(self) -> bool:
        """Whether the child would have used the mm of its maker."""
        return VM in self.flags or THREAD in self.flags


@dataclass(frozen=True, slots=True)
class ExecFails(Op):
    """An exec that fails before the point of no return."""

    word = "exec_fails"
    task: int


@dataclass(frozen=True, slots=True)
class Trace(Op):
    """``tracer`` attaches to ``task``: its ``parent`` now differs from ``real_parent``."""

    word = "trace"
    task: int
    tracer: int


@dataclass(frozen=True, slots=True)
class Untrace(Op):
    """The tracer of ``task`` detaches."""

    word = "untrace"
    task: int


@dataclass(frozen=True, slots=True)
class Subreaper(Op):
    """Orphans among the descendants of ``task`` go to it."""

    word = "subreaper"
    task: int


@dataclass(frozen=True, slots=True)
class MakeCgroup(Op):
    """Make memory cgroup ``cgroup`` below ``parent``."""

    word = "cgroup"
    cgroup: int
    parent: int = 1


@dataclass(frozen=True, slots=True)
class Attach(Op):
    """Move this one task to ``cgroup``."""

    word = "attach"
    task: int
    cgroup: int


@dataclass(frozen=True, slots=True)
class Charge(Op):
    """``task`` touches ``pages`` fresh pages of its mm."""

    word = "charge"
    task: int
    pages: int = 1


@dataclass(frozen=True, slots=True)
class Subsystem(Op):
    """A cgroup subsystem registers ``mm_owner_changed``."""

    word = "subsystem"
    name: str


#: Every operation by its word.
OPS: Final[Mapping[str, type[Op]]] = {
    cls.word: cls
    for cls in (
        Clone, Exit, Exec, Reap, Hold, Put, Kthread, UseMm, UnuseMm, CloneFails, ExecFails,
        Trace, Untrace, Subreaper, MakeCgroup, Attach, Charge, Subsystem,
    )
}  # fmt: skip

#: What each field names.  ``task`` and the like are integers of that kind.
KINDS: Final[Mapping[str, str]] = {
    "task": "task", "child": "task", "tracer": "task", "mm": "mm", "ref": "ref",
    "cgroup": "cgroup", "parent": "cgroup", "pages": "number", "flags": "flags",
    "at": "word", "name": "word",
}  # fmt: skip

Program: TypeAlias = tuple[Op, ...]


def _check_clone(op: Clone | CloneFails) -> None:
    object.__setattr__(op, "flags", ordered_flags(op.flags))
    if op.shares_mm and op.mm is not None:
        raise OpError(f"{op.word}: the child shares the mm of task {op.task}, so mm= is absent")
    if not op.shares_mm and op.mm is None:
        raise OpError(f"{op.word}: without VM or THREAD the child needs mm=, the name of its mm")


def field_names(cls: type[Op]) -> tuple[str, ...]:
    """Return the field names of an operation, in the order in which text takes them."""
    return tuple(field.name for field in fields(cls))


def make_op(word: str, values: Mapping[str, Any]) -> Op:
    """Build the operation *word* from its fields, checking presence and types.

    Raises :class:`OpError` that names the operation and the field.
    """
    cls = OPS.get(word)
    if cls is None:
        raise OpError(f"unknown operation {word!r}; known are {', '.join(OPS)}", word, OPS)
    known = field_names(cls)
    given = dict(values)
    extra = [key for key in given if key not in known]
    if extra:
        raise OpError(
            f"{word}: unknown field {extra[0]!r}; its fields are {', '.join(known)}",
            str(extra[0]), known,
        )  # fmt: skip
    for key, value in given.items():
        given[key] = _checked(word, key, value)
    try:
        return cls(**given)
    except TypeError as exc:
        missing = [field.name for field in fields(cls) if field.name not in given]
        raise OpError(f"{word}: missing field, one of {', '.join(missing)}") from exc


def _checked(word: str, key: str, value: Any) -> Any:
    kind = KINDS[key]
    if kind == "flags":
        if isinstance(value, str) or not isinstance(value, Iterable):
            raise OpError(f"{word}: flags is a list of words, not {value!r}")
        return ordered_flags(value)
    if kind == "word":
        if not isinstance(value, str) or not value.isidentifier() or iskeyword(value):
            raise OpError(f"{word}: {key} is a word of letters, digits and _, not {value!r}")
        return value
    if value is None and key in ("mm", "ref"):
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise OpError(f"{word}: {key} is a positive integer, not {value!r}")
    return value


def op_from_dict(data: Mapping[str, Any]) -> Op:
    """Build an operation from its JSON form.  Raises :class:`OpError`."""
    values = dict(data)
    word = values.pop("op", None)
    if not isinstance(word, str):
        raise OpError(f"an operation is an object with a word in 'op', not {dict(data)!r}")
    return make_op(word, values)


def format_op(op: Op) -> str:
    """Return the text form of an operation, as in ``clone(1, 2, VM|PARENT)``."""
    parts: list[str] = []
    for field in fields(op):
        value = getattr(op, field.name)
        if value is None or value == ():
            continue
        if field.name == "flags":
            parts.append("|".join(value))
        elif field.name in ("task", "child", "name"):
            parts.append(str(value))
        else:
            parts.append(f"{field.name}={value}")
    return f"{op.word}({', '.join(parts)})"
