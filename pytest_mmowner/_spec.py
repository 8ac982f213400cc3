"""SPEC strings: from ``cmd:./adapter --flag`` to a candidate.

``reference``, ``reference:DIALECT``, ``python:pkg.mod:factory`` (or ``python:file.py:factory``),
``rules:pkg.mod:Rules``, ``cmd:COMMAND``, ``mutant:NAME``, ``linux:uml``, ``linux:uml=PATH``,
``linux:host``, ``kernel:TREE``, ``kernel:FILE.patch``, ``kernel:FILE.patch@TREE``,
``kernel:REPO@REV``, ``lib:./candidate.so``, ``trace:FILE.jsonl``; and whatever installed
packages offer by name.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from mmowner_reference import DEFAULT, DIALECTS, changes_missed, dialect_of_release

from ._candidates.base import Candidate
from ._plugins import offered
from .errors import CallError, MissingPrerequisite, did_you_mean

#: How each kind is written, in the order in which help texts list them.
KINDS: Final[Mapping[str, str]] = {
    "reference": "reference or reference:DIALECT",
    "python": "python:pkg.mod:factory or python:file.py:factory",
    "rules": "rules:pkg.mod:Rules or rules:file.py:Rules",
    "cmd": "cmd:./adapter --flags",
    "mutant": "mutant:NAME",
    "kernel": "kernel:TREE, kernel:FILE.patch, kernel:FILE.patch@TREE or kernel:REPO@REV",
    "lib": "lib:./candidate.so",
    "linux": "linux:uml, linux:uml=PATH or linux:host",
    "trace": "trace:FILE.jsonl",
}


@dataclass(frozen=True, slots=True)
class Options:
    """What the user may say about any candidate.  ``dialect`` None: let the candidate say."""

    dialect: str | None = None
    timeout: float = 10.0


def open_candidate(spec: str, options: Options | None = None) -> tuple[Candidate, str]:
    """Make the candidate that *spec* names; return it with the dialect to judge it by.

    Raises ``CallError`` for a spec that names nothing, ``MissingPrerequisite`` when this
    machine lacks what it takes.
    """
    options = Options() if options is None else options
    if options.dialect is not None:
        options = replace(options, dialect=dialect_of(options.dialect))
    kind, _, rest = spec.partition(":")
    make = MAKERS.get(kind)
    from ._candidates.guard import Local  # noqa: PLC0415  each kind costs only who uses it

    if make is None:
        return _offered(spec, kind, rest, options)
    candidate = make(spec, rest, options)
    if isinstance(candidate, Local):
        candidate.patience = options.timeout
    return candidate, choose_dialect(candidate, options)


def choose_dialect(candidate: Candidate, options: Options) -> str:
    """The user's dialect, else the candidate's own claim, else the default.

    Raises ``CallError`` when the candidate claims a dialect that is not there yet.
    """
    if options.dialect is not None:
        return dialect_of(options.dialect)
    claimed = candidate.info.dialect
    if claimed is None:
        return DEFAULT
    if claimed in DIALECTS or dialect_of_release(claimed) is not None:
        return dialect_of(claimed)
    candidate.close()
    raise CallError(
        f"{candidate.info.spec} speaks the dialect {claimed!r}, which is not there yet; known "
        f"are {', '.join(DIALECTS)}. Choose one with --mmowner-dialect to judge it anyway."
    )


def dialect_of(name: str) -> str:
    """Return the dialect that *name* means: its own name, or a release of a kernel.

    ``5.15.0-91-generic`` is judged by ``5.2``.  Raises ``CallError`` for anything else.
    """
    if name in DIALECTS:
        return name
    era = dialect_of_release(name)
    if era is None:
        raise CallError(
            f"unknown dialect {name!r}; known are {', '.join(DIALECTS)}, and releases of kernels "
            f"that had owners, as 5.15.0-91-generic.{did_you_mean(name, DIALECTS)}"
        )
    return era


def judged_by(name: str) -> str:
    """Return in words by what a release is judged, and what that leaves out.

    Nothing for the name of a dialect.  Raises ``CallError`` like :func:`dialect_of`.
    """
    dialect = dialect_of(name)
    if name in DIALECTS:
        return ""
    text = f"{name} is judged by the dialect {dialect} ({DIALECTS[dialect].era})"
    missed = "; ".join(f"{change.text} ({change.version})" for change in changes_missed(name))
    return f"{text}, which does not have yet: {missed}" if missed else text


def _reference(spec: str, rest: str, options: Options) -> Candidate:
    from ._candidates.hosted import Hosted  # noqa: PLC0415  each kind costs only who uses it

    name = dialect_of(rest or options.dialect or DEFAULT)
    return Hosted(spec, DIALECTS[name])


def _python(spec: str, rest: str, options: Options) -> Candidate:
    from ._candidates.tracker import Tracker, require_callable  # noqa: PLC0415  each kind costs only who uses it

    factory = require_callable(spec, load_object(spec, rest))
    return Tracker(spec, factory, options.dialect or DEFAULT)


def _rules(spec: str, rest: str, options: Options) -> Candidate:
    from ._candidates.hosted import rules_candidate  # noqa: PLC0415  each kind costs only who uses it
    from ._candidates.tracker import require_callable  # noqa: PLC0415  each kind costs only who uses it

    factory = require_callable(spec, load_object(spec, rest))
    claimed = getattr(factory, "dialect", None)
    name = dialect_of(options.dialect or (claimed if isinstance(claimed, str) else DEFAULT))
    return rules_candidate(spec, factory, DIALECTS[name])


def _mutant(spec: str, rest: str, options: Options) -> Candidate:
    from ._candidates.hosted import Hosted  # noqa: PLC0415  each kind costs only who uses it
    from .zoo import MUTANTS  # noqa: PLC0415  each kind costs only who uses it

    if rest not in MUTANTS:
        raise CallError(
            f"unknown mutant {rest!r}.{did_you_mean(rest, MUTANTS)} Known are {', '.join(MUTANTS)}"
        )
    mutant = MUTANTS[rest]
    return Hosted(
        spec, mutant.dialect(), rules=mutant, kernel=mutant.kernel, name=rest, claims=mutant.base
    )


def _cmd(spec: str, rest: str, options: Options) -> Candidate:
    from ._candidates.command import Command, command_line  # noqa: PLC0415  each kind costs only who uses it

    return Command(
        spec, command_line(spec, rest), options.dialect or DEFAULT, patience=options.timeout
    )


def _linux(spec: str, rest: str, options: Options) -> Candidate:
    from ._candidates.linux import open_linux  # noqa: PLC0415  each kind costs only who uses it

    return open_linux(spec, rest, options.dialect, options.timeout)


def _kernel(spec: str, rest: str, options: Options) -> Candidate:
    from ._candidates.kernel import claimed_dialect, open_kernel  # noqa: PLC0415  each kind costs only who uses it

    with _or_absent(spec, lambda: options.dialect or claimed_dialect(spec, rest)) as made:
        made.append(open_kernel(spec, rest, options.dialect, options.timeout))
    return made[0]


def _lib(spec: str, rest: str, options: Options) -> Candidate:
    from ._candidates.lib import open_lib  # noqa: PLC0415  each kind costs only who uses it

    with _or_absent(spec, lambda: options.dialect) as made:
        made.append(open_lib(spec, rest, options.dialect, options.timeout))
    return made[0]


@contextmanager
def _or_absent(spec: str, dialect: Callable[[], str | None]) -> Iterator[list[Candidate]]:
    """Where the machine lacks something, a candidate that says so in every verdict."""
    made: list[Candidate] = []
    try:
        yield made
    except MissingPrerequisite as exc:
        from ._candidates.absent import Absent  # noqa: PLC0415  costs only who needs it

        made.append(Absent(spec, exc, dialect() or DEFAULT))


def _trace(spec: str, rest: str, options: Options) -> Candidate:
    from ._candidates.trace import open_trace  # noqa: PLC0415  each kind costs only who uses it

    return open_trace(spec, rest, options.dialect)


MAKERS: Final[Mapping[str, Callable[[str, str, Options], Candidate]]] = {
    "reference": _reference, "python": _python, "rules": _rules, "cmd": _cmd,
    "mutant": _mutant, "kernel": _kernel, "lib": _lib, "linux": _linux, "trace": _trace,
}  # fmt: skip


def _find_offered(spec: str, kind: str) -> Any:
    names = offered()
    if kind not in names:
        broken = "".join(f"\n  broken: {text}" for text in names.broken)
        raise CallError(
            f"unknown candidate {spec!r}.{did_you_mean(kind, [*KINDS, *names.candidates])} "
            f"A candidate is {'; '.join(KINDS.values())}"
            + (f"; installed: {', '.join(names.candidates)}" if names.candidates else "")
            + broken
        )
    return names.candidates[kind]


def _offered(spec: str, kind: str, rest: str, options: Options) -> tuple[Candidate, str]:
    made = _find_offered(spec, kind)
    if isinstance(made, str):
        if made.partition(":")[0] not in MAKERS:
            raise CallError(
                f"{spec} stands for {made!r}, which must begin with one of {', '.join(KINDS)}"
            )
        # "ours:" takes what follows as it is, "cmd:adapter" as further arguments.
        joined = f"{made}{rest}" if made.endswith(":") else f"{made} {rest}"
        return open_candidate(joined if rest else made, options)
    from ._candidates.tracker import Tracker, require_callable  # noqa: PLC0415  each kind costs only who uses it

    candidate: Candidate = Tracker(spec, require_callable(spec, made), options.dialect or DEFAULT)
    return candidate, choose_dialect(candidate, options)


def load_object(spec: str, path: str) -> Any:
    """Import ``module:name`` or ``file.py:name``; modules are looked up from the cwd too.

    Raises ``CallError`` that says which part is not there.
    """
    where, _, name = path.rpartition(":")
    if not where or not name:
        raise CallError(f"{spec}: write {spec.partition(':')[0]}:module:name or file.py:name")
    module = _load_file(spec, Path(where)) if where.endswith(".py") else _import(spec, where)
    found = module
    for part in name.split("."):
        if not hasattr(found, part):
            known = [word for word in vars(module) if not word.startswith("_")]
            raise CallError(f"{spec}: {where} has no {name!r}.{did_you_mean(name, known)}")
        found = getattr(found, part)
    return found


def _import(spec: str, name: str) -> Any:
    cwd = str(Path.cwd())
    if cwd not in sys.path:  # `pytest` does not put it there, `python -m pytest` does
        sys.path.insert(0, cwd)
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as exc:
        why = exc if isinstance(exc, ImportError) else repr(exc)
        raise CallError(f"{spec}: module {name!r} cannot be imported: {why}") from exc


def _load_file(spec: str, path: Path) -> Any:
    if not path.is_file():
        raise CallError(f"{spec}: there is no file {str(path)!r}")
    name = f"_mmowner_candidate_{path.stem}"
    loader = importlib.util.spec_from_file_location(name, path)
    if loader is None or loader.loader is None:
        raise CallError(f"{spec}: {str(path)!r} is no Python file")
    module = importlib.util.module_from_spec(loader)
    sys.modules[name] = module
    try:
        loader.loader.exec_module(module)
    except (Exception, SystemExit) as exc:
        del sys.modules[name]
        raise CallError(f"{spec}: {str(path)!r} cannot be imported: {exc!r}") from exc
    return module


def check_kind(spec: str) -> None:
    """Raise ``CallError`` when *spec* is of no kind and no installed package offers it."""
    kind = spec.partition(":")[0]
    if kind not in MAKERS:
        _find_offered(spec, kind)
