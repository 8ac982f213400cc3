"""Which files are the candidate: what coverage measures, and which kinds it cannot."""

from __future__ import annotations

import functools
import inspect
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ._candidates.base import Candidate
from ._candidates.hosted import Hosted
from ._candidates.tracker import Tracker
from .errors import CallError

#: Why a kind is not measured: a gate that says nothing of it would be green for no reason.
WHY_NOT: Final = {
    "cmd": "it runs in a process of its own, whose code coverage.py cannot see from here. Run the "
    "adapter under the coverage tool of its language",
    "linux": "its code is a kernel. Build one with CONFIG_GCOV_KERNEL and read its counters",
    "trace": "a recorded run has answers, but no code that could be run",
    "mutant": "its code is ours. --mmowner-cov is for code of your own; for our rules name "
    "the candidate reference",
}


@dataclass(frozen=True)
class Target:
    """The source files of a candidate."""

    files: tuple[str, ...] = ()
    #: All Python files below them.
    folders: tuple[str, ...] = ()


def check_kind(spec: str) -> None:
    """Raise ``CallError`` when *spec* is of a kind that is not measured."""
    why = WHY_NOT.get(spec.partition(":")[0])
    if why is not None:
        raise CallError(
            f"--mmowner-cov does not measure {spec}: {why}. Leave --mmowner-cov out of this run."
        )


def target_of(candidate: Candidate) -> Target:
    """Return the files of *candidate*: where its factory, and what that makes, are written.

    When SPEC names a package, all of it.  For the reference, the package of the reference.
    Raises ``CallError`` when there is no source to measure.
    """
    spec = candidate.info.spec
    check_kind(spec)
    made: list[Any]
    if isinstance(candidate, Tracker):
        made = [candidate._factory, type(candidate._tracker)]
    elif isinstance(candidate, Hosted) and candidate._rules is not None:
        made = [candidate._rules]
    elif isinstance(candidate, Hosted):
        return Target(folders=_folders("mmowner_reference"))
    else:
        raise CallError(f"--mmowner-cov does not measure {spec}: {WHY_NOT['cmd']}.")
    named = spec.partition(":")[2].rpartition(":")[0]
    if folders := _folders(named):
        return Target(folders=folders)
    return Target(files=_files(spec, made))


def _folders(module: str) -> tuple[str, ...]:
    path: Sequence[str] = getattr(sys.modules.get(module), "__path__", ())
    return tuple(os.path.realpath(folder) for folder in path)


def _files(spec: str, made: Sequence[Any]) -> tuple[str, ...]:
    names: dict[str, str | None] = {}
    for thing in made:
        home = _home(thing)
        names[home] = getattr(sys.modules.get(home), "__file__", None)
    files = [os.path.realpath(path) for path in names.values() if path and path.endswith(".py")]
    if not files:
        raise CallError(
            f"--mmowner-cov cannot measure {spec}: {', '.join(names)} is no module written in "
            f"Python. Name a factory that is, or leave --mmowner-cov out"
        )
    return tuple(dict.fromkeys(path for path in files if Path(path).is_file()))


def _home(thing: Any) -> str:
    """Return the module in which the code behind partial objects and decorators is written."""
    while isinstance(thing, functools.partial):
        thing = thing.func
    thing = inspect.unwrap(thing)
    return str(getattr(thing, "__module__", None) or type(thing).__module__)
