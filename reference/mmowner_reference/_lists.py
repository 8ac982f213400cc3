"""Circular doubly linked lists, as the kernel's ``list_head``.

The order of these lists decides who becomes an owner, so they are modelled and not
replaced by a Python container: a non-leader's exec puts a task into the *place* of
another (``list_replace``), reparenting appends in order (``list_move_tail``), and a
walk reads ``next`` only when it takes the step.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Node(Generic[T]):
    """One entry (``struct list_head`` inside its object); unlinked it points to itself."""

    __slots__ = ("item", "next", "prev")

    def __init__(self, item: T) -> None:
        self.item: T | None = item
        self.prev: Node[T] = self
        self.next: Node[T] = self

    @property
    def linked(self) -> bool:
        """Whether the entry is on a list."""
        return self.next is not self

    def unlink(self) -> None:
        """``list_del_init``: take the entry off its list; harmless when it is on none."""
        self.prev.next = self.next
        self.next.prev = self.prev
        self.prev = self.next = self

    def replace(self, old: Node[T]) -> None:
        """``list_replace_init``: stand where *old* stood; *old* is then on no list."""
        self.unlink()
        if not old.linked:
            return
        self.prev, self.next = old.prev, old.next
        self.prev.next = self
        self.next.prev = self
        old.prev = old.next = old


class KList(Generic[T]):
    """A list head.  Iterating yields the items in list order, one ``next`` a step."""

    __slots__ = ("_head",)

    def __init__(self) -> None:
        # The head's item is None: it ends every walk.
        head: Node[T] = Node.__new__(Node)
        head.item = None
        head.prev = head.next = head
        self._head = head

    def append(self, node: Node[T]) -> None:
        """``list_add_tail``: link *node*, which must be on no list, at the end."""
        last = self._head.prev
        node.prev = last
        node.next = self._head
        last.next = node
        self._head.prev = node

    def __iter__(self) -> Iterator[T]:
        node = self._head.next
        while node.item is not None:
            yield node.item
            node = node.next

    def __reversed__(self) -> Iterator[T]:
        node = self._head.prev
        while node.item is not None:
            yield node.item
            node = node.prev

    def __bool__(self) -> bool:
        return self._head.next is not self._head

    def __repr__(self) -> str:
        return f"KList({list(self)!r})"
