"""Named candidates that installed packages offer, loaded one by one.

A package registers a plugin in the entry-point group ``mmowner.candidates``; the plugin
implements the hook :func:`~pytest_mmowner.hookspecs.mmowner_candidates`.  A plugin that
does not load is reported by name and breaks nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

import pluggy

from . import hookspecs

GROUP: Final = "mmowner.candidates"


@dataclass
class Offered:
    """The candidates by name, and what was wrong with plugins that could not be used."""

    candidates: dict[str, Any] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)

    def __contains__(self, name: object) -> bool:
        return name in self.candidates


def offered() -> Offered:
    """Ask every installed plugin for its candidates."""
    out = Offered()
    for entry in entry_points(group=GROUP):
        origin = _origin(entry)
        try:
            manager = pluggy.PluginManager(hookspecs.PROJECT)
            manager.add_hookspecs(hookspecs)
            manager.register(entry.load(), entry.name)
            manager.check_pending()
            for answer in manager.hook.mmowner_candidates():
                for name, made in _pairs(answer):
                    out.candidates.setdefault(name, made)
        except (Exception, SystemExit) as exc:  # noqa: BLE001  whatever strangers raise
            out.broken.append(f"{origin}: {type(exc).__name__}: {exc}")
    return out


def _pairs(answer: Any) -> Iterator[tuple[str, Any]]:
    if not isinstance(answer, Mapping):
        raise TypeError(f"mmowner_candidates returned {answer!r}, not a mapping of names")
    yield from answer.items()


def _origin(entry: EntryPoint) -> str:
    package = "?" if entry.dist is None else entry.dist.name
    return f"{entry.name} = {entry.value} (package {package})"
