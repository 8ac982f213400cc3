"""Which C compiler this machine has."""

from __future__ import annotations

import shlex
import shutil
from typing import Final

#: The names that are looked for, in this order.
COMPILERS: Final = ("cc", "gcc", "clang")


def compiler_command(asked: str | None) -> tuple[str, ...]:
    """Return the command of the compiler *asked* for, else of the first of ``COMPILERS``.

    *asked* may have arguments, as ``$CC`` may; the program is an absolute path.  Empty when
    there is no such compiler.  Raises ``ValueError`` when *asked* is no command line.
    """
    for text in (asked,) if asked else COMPILERS:
        words = shlex.split(text)
        path = shutil.which(words[0]) if words else None
        if path is not None:
            return (path, *words[1:])
    return ()
