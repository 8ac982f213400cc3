"""What a mutant is, and where all of them are kept.

A mutant is wrong in one of three ways: it changes fields of its dialect (``changes``), the
rules (methods of the class), or where the kernel calls them (``kernel``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, Final

from mmowner_reference import DIALECTS, Dialect, Kernel, Rules

MUTANTS: Final[dict[str, type[Mutant]]] = {}

#: "sequential": some program shows it.  "interleaving": only two CPUs at once show it, so no
#: test of the suite kills it yet.
KINDS: Final = ("sequential", "interleaving")


class Mutant(Rules):
    """Base of the zoo.  The docstring of each says what is wrong.

    ``class SwapoffRace(Mutant, bug="13")`` is called ``BUG-13-swapoff-race`` and is that bug of
    the table of bugs; of several with one number each has a letter more (``bug="25a"``).
    Without ``bug`` it is a slip that an implementer could make.
    """

    #: Its name in ``mutant:NAME``; derived from the class name.
    name: ClassVar[str] = ""
    #: The number of its bug, if it is one of those that Linux had.
    bug: ClassVar[int | None] = None
    #: The dialect that it claims to speak and is judged by.
    base: ClassVar[str] = "6.11"
    #: One of :data:`KINDS`.
    kind: ClassVar[str] = "sequential"
    #: Fields of the dialect that it gets wrong.
    changes: ClassVar[Mapping[str, Any]] = {}
    #: The kernel around it, where the mistake is in a call site.
    kernel: ClassVar[type[Kernel]] = Kernel

    def __init_subclass__(cls, *, bug: str | None = None) -> None:
        words = "".join(f"-{c.lower()}" if c.isupper() else c for c in cls.__name__).lstrip("-")
        cls.name = words if bug is None else f"BUG-{bug}-{words}"
        cls.bug = None if bug is None else int(re.sub(r"\D", "", bug))
        if cls.name in MUTANTS:
            raise TypeError(f"two mutants are called {cls.name}")
        MUTANTS[cls.name] = cls

    @classmethod
    def dialect(cls) -> Dialect:
        """Its base dialect with its changes."""
        return replace(DIALECTS[cls.base], **cls.changes)
