"""Programs as text, one operation a line, written by hand or printed.

::

    clone(init, P, mm=M)      # names stand for integers, in order of appearance
    clone(P, Q, VM|PARENT)
    exit(P)

Integers stand for themselves, ``init`` is task 1 and ``root`` is cgroup 1.  ``#`` starts
a comment.  What is printed (:func:`format_program`) can be read again.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable

from ._ops import KINDS, OPS, Op, OpError, Program, field_names, make_op


class Names:
    """The integers that the names in a text stand for, by kind of object."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[str, int]] = {
            "task": {"init": 1}, "mm": {"inits_mm": 1}, "cgroup": {"root": 1}, "ref": {},
        }  # fmt: skip

    def integer(self, kind: str, name: str) -> int:
        """Return the integer of *name*, a new one at its first appearance."""
        table = self.tables[kind]
        if name not in table:
            table[name] = max(table.values(), default=0) + 1
        return table[name]


def parse_program(text: str, names: Names | None = None) -> Program:
    """Read a program.  Raises :class:`OpError` that says which line is wrong and how."""
    names = Names() if names is None else names
    ops: list[Op] = []
    for number, line in enumerate(text.splitlines(), 1):
        source = line.split("#")[0].strip()
        if not source:
            continue
        try:
            ops.append(parse_op(source, names))
        except OpError as exc:
            raise OpError(f"line {number}: {source!r}: {exc}", exc.word, exc.known) from None
    return tuple(ops)


def parse_op(source: str, names: Names) -> Op:
    """Read one operation, such as ``clone(1, 2, mm=2)``.  Raises :class:`OpError`."""
    try:
        tree = ast.parse(source, mode="eval").body
    except SyntaxError:
        raise OpError("an operation looks like clone(1, 2, mm=2)") from None
    if not isinstance(tree, ast.Call) or not isinstance(tree.func, ast.Name):
        raise OpError("an operation looks like clone(1, 2, mm=2)")
    word = tree.func.id
    if word not in OPS:
        raise OpError(f"unknown operation {word!r}; known are {', '.join(OPS)}", word, OPS)
    order = field_names(OPS[word])
    if len(tree.args) > len(order):
        raise OpError(f"{word} takes at most {len(order)} fields: {', '.join(order)}")
    given = dict(zip(order, tree.args, strict=False))
    for keyword in tree.keywords:
        if keyword.arg is None or keyword.arg in given:
            raise OpError(f"{word}: {keyword.arg} is given twice")
        given[keyword.arg] = keyword.value
    return make_op(word, {key: _value(word, key, node, names) for key, node in given.items()})


def _value(word: str, key: str, node: ast.expr, names: Names) -> object:
    kind = KINDS.get(key)
    if kind is None:
        known = field_names(OPS[word])
        raise OpError(
            f"{word}: unknown field {key!r}; its fields are {', '.join(known)}", key, known
        )
    if kind == "flags":
        return [_word(part) for part in _alternatives(node)]
    if kind == "word":
        return _word(node)
    if isinstance(node, ast.Name) and kind != "number":
        return names.integer(kind, node.id)
    if isinstance(node, ast.Constant):
        return node.value
    raise OpError(f"{word}: {key} is a name or a positive integer")


def _alternatives(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return [*_alternatives(node.left), *_alternatives(node.right)]
    return [node]


def _word(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    raise OpError("flags and points of failure are bare words, as in VM|PARENT")


def format_program(program: Iterable[Op]) -> str:
    """Return the text of a program, one operation a line."""
    return "\n".join(str(op) for op in program)
