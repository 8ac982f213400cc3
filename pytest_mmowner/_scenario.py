"""Scenarios: a program with its expectations between the operations, readable as documentation.

::

    clone(init, P, mm=M)
    clone(P, P2, THREAD)
    clone(P, Q, VM|PARENT)
    exit(P)
    6.11: owner(M) == P2          # expectations can belong to some dialects
    6.1:  owner(M) == Q
    users(M) == 2

Every expectation is also held against the oracle: a scenario that contradicts the
specification is an error of the suite.  After each operation the owner of every mm is
asked whether the scenario mentions it or not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from mmowner_reference import (
    ASKS,
    DIALECTS,
    REFUSALS,
    Clone,
    CloneFails,
    IllegalOperation,
    Kernel,
    Names,
    Op,
    OpError,
    PlannedStep,
    Question,
    dialects_in,
    parse_op,
    questions,
)  # fmt: skip

from ._candidates.base import Info
from .errors import NotApplicable, SuiteError

#: Refusals that mean: this dialect has no such thing.
ABSENT: Final = frozenset({"no-subreapers", "no-controller", "no-callbacks"})

_CHECK: Final = re.compile(
    r"^(?:(?P<dialects>[\w.,\s-]+):\s+)?(?P<ask>owner|users|state|bill|lru|callbacks|init_mm_owner)"
    r"(?:\((?P<name>\w+)\))?\s*==\s*(?P<value>.+)$"
)
_CALL: Final = re.compile(r"(\w+)\((\w+) ?-> ?(\w+)(?: for (\w+))? seen (\w+)\)")
#: What the name in brackets after a question is.
_SUBJECT: Final = {"owner": "mm", "users": "mm", "state": "task", "bill": "cgroup", "lru": "mm"}


@dataclass(frozen=True)
class Check:
    """One expectation after an operation, for the dialects it is about."""

    line: str
    question: Question
    #: For answers that are objects: the key meant.
    key: str | None
    value: Any
    dialects: frozenset[str]


@dataclass
class Scenario:
    """A parsed scenario."""

    ops: list[Op] = field(default_factory=list)
    #: Expectations by the number of operations before them.
    checks: dict[int, list[Check]] = field(default_factory=dict)

    def plan(self, dialect: str, info: Info) -> tuple[list[PlannedStep], list[str]]:
        """Return the steps to run, and the capabilities that *info* lacks for them.

        Raises :class:`SuiteError` when an expectation contradicts the specification, and
        ``NotApplicable`` when an operation does not exist in *dialect*.
        """
        world = Kernel(dialect)
        asked = {"owner"}
        steps: list[PlannedStep] = []
        lacking = info.lacks(needs_of(self.ops))
        if 0 in self.checks:
            raise SuiteError(f"nothing has happened yet: {self.checks[0][0].line!r}")
        for number, op in enumerate(self.ops, 1):
            try:
                world.do(op)
            except IllegalOperation as exc:
                if exc.rule in ABSENT:
                    raise NotApplicable(f"{dialect}: {REFUSALS[exc.rule]}") from exc
                raise SuiteError(f"the scenario is no legal program in {dialect}: {exc}") from exc
            wanted = [c for c in self.checks.get(number, ()) if dialect in c.dialects]
            extra = [c.question for c in wanted if c.question.ask != "owner"]
            asked.update(question.ask for question in extra)
            if splits_a_process(world):
                lacking += info.lacks(["attach:thread"])
            steps.append(PlannedStep(op, (*questions(world, ["owner"]), *dict.fromkeys(extra))))
            self._agree(world, wanted, dialect)
        lacking += info.lacks([ask for ask in ASKS if ask in asked])
        return steps, list(dict.fromkeys(lacking))

    def _agree(self, world: Kernel, checks: list[Check], dialect: str) -> None:
        for check in checks:
            ask, name = check.question
            right = getattr(world, ask)() if name is None else getattr(world, ask)(name)
            if check.key is not None:
                right = right.get(check.key, 0)
            if right != check.value:
                raise SuiteError(
                    f"the scenario expects {check.line!r}, the specification of {dialect} says "
                    f"{right!r}: one of them is wrong, and it is not the candidate"
                )


def needs_of(program: Iterable[Op]) -> list[str]:
    """Return the capabilities that any run of *program* needs, in order of appearance."""
    needs: dict[str, None] = {}
    for op in program:
        needs[op.word] = None
        if isinstance(op, Clone | CloneFails):
            needs |= {f"clone:{flag}": None for flag in op.flags if flag != "VM"}
        if isinstance(op, CloneFails):
            if op.at == "dup_mm":
                needs["clone_fails:dup_mm"] = None
            if op.ref is not None:
                needs["clone_fails:ref"] = None
    return list(needs)


def splits_a_process(world: Kernel) -> bool:
    """Whether threads of one process sit in different cgroups."""
    return any(
        len({thread.cgroup.id for thread in leader.group.live()}) > 1 for leader in world.processes
    )


def parse_scenario(text: str) -> Scenario:
    """Read a scenario.  Raises :class:`SuiteError` with the line that is wrong."""
    names = Names()
    scenario = Scenario()
    for raw in text.splitlines():
        line = raw.split("#")[0].strip()
        if not line:
            continue
        match = _CHECK.match(line)
        try:
            if match is None:
                scenario.ops.append(parse_op(line, names))
            else:
                check = _check(line, match, names)
                scenario.checks.setdefault(len(scenario.ops), []).append(check)
        except (ValueError, KeyError) as exc:
            raise SuiteError(f"scenario line {line!r}: {exc}") from None
    return scenario


def _check(line: str, match: re.Match[str], names: Names) -> Check:
    ask, name, text = match["ask"], match["name"], match["value"].strip()
    dialects = frozenset(DIALECTS)
    if match["dialects"] is not None:
        try:
            dialects = dialects_in(match["dialects"])
        except KeyError as exc:
            raise OpError(f"unknown dialect {exc}") from None
    key: str | None = None
    question = Question(ask)
    if ask == "callbacks":
        return Check(line, question, None, _callbacks(text, names), dialects)
    if ask == "init_mm_owner":
        if text not in ("init_task", "None"):
            raise OpError("init_mm belongs to init_task or None")
        return Check(line, question, None, 0 if text == "init_task" else None, dialects)
    subject = "none" if name == "none" else _known(names, _SUBJECT[ask], name)
    if ask in ("bill", "lru"):
        key = str(subject)
    elif isinstance(subject, int):
        question = Question(ask, subject)
    return Check(line, question, key, _value(ask, text, names), dialects)


def _known(names: Names, kind: str, name: str | None) -> int:
    if name is None:
        raise OpError("say of what, as in owner(M)")
    if name.isdigit():
        return int(name)
    table: Mapping[str, int] = names.tables[kind]
    if name not in table:
        raise OpError(f"no {kind} {name} was mentioned before")
    return table[name]


def _value(ask: str, text: str, names: Names) -> Any:
    if ask == "owner":
        return None if text == "None" else _known(names, "task", text)
    if ask == "state":
        return text
    if ask == "lru":
        return _known(names, "cgroup", text)
    return int(text)


def _callbacks(text: str, names: Names) -> list[dict[str, Any]]:
    """Read ``a(P -> Q seen P)``, ``a(A -> B seen P)`` or ``a(A -> B for Q seen P)``.

    Old and new are tasks or cgroups, whatever was mentioned under that name; nobody new is
    ``nobody``.
    """
    if text == "nothing":
        return []
    text = " ".join(text.split())
    if not re.fullmatch(rf"{_CALL.pattern}(?: ?, ?{_CALL.pattern})*", text):
        raise OpError("callbacks look like memrlimit(P -> Q seen P), or nothing")
    out = []
    for name, old, new, task, seen in _CALL.findall(text):
        call = {
            "subsystem": name, "old": _party(old, names), "new": _party(new, names),
            "seen": _known(names, "task", seen),
        }  # fmt: skip
        out.append({**call, "task": _party(task, names)} if task else call)
    return out


def _party(name: str, names: Names) -> int | None:
    if name == "nobody":
        return None
    kind = "cgroup" if name in names.tables["cgroup"] else "task"
    return _known(names, kind, name)
