"""The hooks of packages that offer candidates by name.

In the other package::

    from pytest_mmowner import hookimpl

    @hookimpl
    def mmowner_candidates():
        return {"mykernel": MyTracker, "mykernel-c": "cmd:mykernel-adapter"}

and in its ``pyproject.toml``::

    [project.entry-points."mmowner.candidates"]
    mykernel = "mykernel.mmowner"
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pluggy

#: The pluggy project; ``hookimpl`` and ``hookspec`` belong to it.
PROJECT: Final = "mmowner"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def mmowner_candidates() -> Mapping[str, Any]:  # type: ignore[empty-body]  # a spec has no body
    """Return candidates by name: a tracker factory, or a SPEC string that stands for it."""
