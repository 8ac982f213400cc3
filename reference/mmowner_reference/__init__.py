"""The executable specification of ``mm->owner``.

A small kernel with the owner rules of every dialect, an oracle that says what is allowed
and why, and searches over programs.  Standard library only, no I/O.  Start with
:mod:`._rules` to read the rules and with :mod:`._dialects` to see what changed between
kernels.
"""

from ._alphabets import ALPHABETS, CORE, PROCESSES, Alphabet, lacking, scopes_between
from ._cases import Case, beyond, plan_cases, programs_of, shortest_first
from ._copy import Canonical, copy_kernel, state_key
from ._dialects import (
    DEFAULT,
    DIALECTS,
    HISTORY,
    ROWS,
    Change,
    Dialect,
    changes_missed,
    changes_of,
    dialect_of_release,
    dialects_in,
    in_ranges,
)
from ._diff import (
    Comparison,
    Difference,
    Searched,
    changes_between,
    compare_dialects,
    compare_kernels,
    compare_within,
    difference_in,
    responsible,
    sufficient,
)
from ._graph import Edge, Graph, Space, explore, graph_of
from ._index import IndexWorld, NotIndexed
from ._kernel import Kernel, KernelBug, OwnerRules, Reason
from ._legal import REFUSALS, IllegalOperation, check, is_legal
from ._lists import KList, Node
from ._locks import Lock, LockError, Rcu, RwLock, Step, Steps, drain
from ._lockstep import Large, Lockstep
from ._ops import (
    FAIL_POINTS,
    FLAGS,
    KINDS,
    OPS,
    PARENT,
    THREAD,
    VFORK,
    VM,
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
    OpError,
    Program,
    Put,
    Reap,
    Subreaper,
    Subsystem,
    Trace,
    Untrace,
    UnuseMm,
    UseMm,
    field_names,
    make_op,
    op_from_dict,
)
from ._oracle import (
    ASKS,
    Allowed,
    Deviation,
    Oracle,
    ProcessOf,
    Question,
    expected,
    plan,
    questions,
)
from ._oracle import Step as PlannedStep
from ._outcomes import TooManyOutcomes, outcomes
from ._packed import Code, Move
from ._random import Scope, legal_ops, program_from_choices, random_program
from ._rules import NoRules, Rules
from ._search import (
    Reached,
    dangling_mms,
    kthread_mms,
    search_program,
    shortest_program,
    stale_mms,
)
from ._space import Bounds
from ._structs import Cgroup, Mm, OwnedMm, Task, ThreadGroup
from ._text import Names, format_program, parse_op, parse_program
from ._walk import Answers, Walk
from ._weak import has_weak_form, weak_key

__all__ = [
    "ALPHABETS", "ASKS", "CORE", "DEFAULT", "DIALECTS", "FAIL_POINTS", "FLAGS", "HISTORY", "KINDS",
    "OPS", "PARENT", "PROCESSES", "REFUSALS", "ROWS", "THREAD", "VFORK", "VM", "Allowed",
    "Alphabet", "Answers", "Attach", "Bounds", "Canonical", "Case", "Cgroup", "Change", "Charge",
    "Clone", "CloneFails", "Code", "Comparison", "Deviation", "Dialect", "Difference", "Edge",
    "Exec", "ExecFails", "Exit", "Graph", "Hold", "IllegalOperation", "IndexWorld", "KList",
    "Kernel", "KernelBug", "Kthread", "Large", "Lock", "LockError", "Lockstep", "MakeCgroup", "Mm",
    "Move", "Names", "NoRules", "Node", "NotIndexed", "Op", "OpError", "Oracle", "OwnedMm",
    "OwnerRules", "PlannedStep", "ProcessOf", "Program", "Put", "Question", "Rcu", "Reached",
    "Reap", "Reason", "Rules", "RwLock", "Scope", "Searched", "Space", "Step", "Steps",
    "Subreaper", "Subsystem", "Task", "ThreadGroup", "TooManyOutcomes", "Trace", "Untrace",
    "UnuseMm", "UseMm", "Walk", "beyond", "changes_between", "changes_missed", "changes_of",
    "check", "compare_dialects", "compare_kernels", "compare_within", "copy_kernel",
    "dangling_mms", "dialect_of_release", "dialects_in", "difference_in", "drain", "expected",
    "explore", "field_names", "format_program", "graph_of", "has_weak_form", "in_ranges",
    "is_legal", "kthread_mms", "lacking", "legal_ops", "make_op", "op_from_dict", "outcomes",
    "parse_op", "parse_program", "plan", "plan_cases", "program_from_choices", "programs_of",
    "questions", "random_program", "responsible", "scopes_between", "search_program",
    "shortest_first", "shortest_program", "stale_mms", "state_key", "sufficient", "weak_key",
]  # fmt: skip
