"""``mmowner baseline update``: write the known failures of a run, keeping comments and order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from ._baseline import load
from ._verdicts import FAIL, HAZARD, NOT_APPLICABLE, PASS, Verdicts
from .errors import CallError

if TYPE_CHECKING:
    from tomlkit import TOMLDocument

HEADER: Final = """\
# Known failures of this implementation; see the documentation of pytest-mmowner.
# Every entry needs a reason. `mmowner baseline update` keeps comments and order.
"""
#: The reason of an entry that nobody has given one yet.
UNEXPLAINED: Final = "not explained yet: say why it fails, and where that is tracked"


@dataclass
class Changes:
    """What an update did, by requirement."""

    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        parts = [
            f"{name} {', '.join(rules)}"
            for name, rules in vars(self).items() if rules
        ]  # fmt: skip
        return "; ".join(parts) or "nothing to change"


def update_from_run(path: str, arguments: Sequence[str], reason: str | None = None) -> Changes:
    """Run the suite with *arguments* and bring the baseline at *path* up to date.

    Raises ``CallError`` when the file is malformed or the run did not come to its end.
    """
    if Path(path).exists():
        load(path)
    elif not Path(path).parent.is_dir():
        raise CallError(f"{path}: there is no directory {str(Path(path).parent)!r} to write it to")
    seen = _Collector()
    # We are imported already, so pytest cannot rewrite our assertions; it has no need to.
    quiet = ["-q", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
    status = pytest.main(["--pyargs", "mmowner_conformance", *quiet, *arguments], plugins=[seen])
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise CallError(f"the run ended with exit code {int(status)}; the baseline is unchanged")
    return update(path, seen.verdicts, reason)


class _Collector:
    """Takes the verdicts out of a run."""

    def __init__(self) -> None:
        self.verdicts: list[Verdicts] = []

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Keep what the run knows at its end."""
        from .plugin import STATE  # noqa: PLC0415  the plugin is loaded by then

        self.verdicts = list(session.config.stash[STATE].verdicts.values())


def update(path: str, runs: Iterable[Verdicts], reason: str | None = None) -> Changes:
    """Bring the baseline at *path* up to date with *runs*.

    New failures are added, entries that passed or no longer apply are removed, listed
    observations are replaced by those of the run; all else stays as it is.  Entries with
    conditions and flaky ones are left alone: only a person can say when they hold.
    """
    import tomlkit  # noqa: PLC0415  only this needs it

    file = Path(path)
    text = file.read_text("utf-8") if file.exists() else HEADER
    document = tomlkit.parse(text)
    changes = Changes()
    for verdicts in runs:
        for rule in verdicts.outcomes:
            _update_rule(document, verdicts, rule, reason, changes)
    file.write_text(tomlkit.dumps(document), "utf-8")
    return changes


def _update_rule(
    document: TOMLDocument, verdicts: Verdicts, rule: str, reason: str | None, changes: Changes
) -> None:
    verdict = verdicts.of(rule)
    rows: Any = document.get("known", [])
    mine = [
        number for number, row in enumerate(rows)
        if row.get("requirement") == rule
        and row.get("dialect", verdicts.dialect) == verdicts.dialect
        and "when" not in row
    ]  # fmt: skip
    if verdict in (PASS, HAZARD, NOT_APPLICABLE):
        for number in reversed(mine):
            del rows[number]
            changes.removed.append(rule)
        if mine and not rows:
            del document["known"]  # an empty list would be written, and appended to, inline
    elif verdict == FAIL and not mine:
        _add(document, verdicts, rule, reason)
        changes.added.append(rule)
    elif verdict == FAIL:
        row = rows[mine[0]]
        seen = verdicts.observed(rule)
        if "observed" in row and list(row["observed"]) != seen:
            row["observed"] = _lines(seen)
            changes.changed.append(rule)


def _add(document: TOMLDocument, verdicts: Verdicts, rule: str, reason: str | None) -> None:
    import tomlkit  # noqa: PLC0415
    from tomlkit.items import AoT  # noqa: PLC0415

    row = tomlkit.table()
    row["requirement"] = rule
    row["dialect"] = verdicts.dialect
    row["reason"] = reason or UNEXPLAINED
    row["observed"] = _lines(verdicts.observed(rule))
    if not isinstance(document.get("known"), AoT):
        written = [dict(entry) for entry in document.get("known", [])]
        document.pop("known", None)
        document["known"] = tomlkit.aot()
        for entry in written:
            document["known"].append(tomlkit.item(entry))
    known: Any = document["known"]
    known.append(row)


def _lines(lines: Sequence[str]) -> Any:
    import tomlkit  # noqa: PLC0415

    array = tomlkit.array()
    array.extend(lines)
    return array.multiline(len(lines) > 1)
