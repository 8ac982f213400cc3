"""Runs the recorded programs again, in a process of its own, and measures that with coverage.py.

Why a second run: a process has one trace function.  Whoever measures the tests themselves
(``coverage run -m pytest``, pytest-cov, a debugger) owns it, and a second ``Coverage`` in the
same process would pause the first one: the user's data would miss whatever ran meanwhile.  In
a process of its own the candidate is measured in the same way with and without company, from
its first line on, also when the tests had imported it long ago.  The price: it is run twice,
and must answer as it did before; whether it did is checked and reported.
"""

from __future__ import annotations

import json
import os
import pickle
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from .errors import MMOwnerError

if TYPE_CHECKING:
    from ._cov_record import Call, Record

#: How the child begins: with the import path of the parent, and nothing else imported.
_START: Final = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[2]); "
    "from pytest_mmowner._cov_replay import main; main(sys.argv[1])"
)
#: Variables with which the user's coverage run would measure the child too.
_FOREIGN: Final = ("COVERAGE_", "COV_CORE_")
#: Seconds for one program: it is traced, so what was quick enough before may take longer now;
#: what failed before (perhaps by an endless loop) has shown its lines soon.
PATIENCE: Final = 60.0
PATIENCE_FAILED: Final = 2.0


class ReplayFailed(MMOwnerError):
    """The second run broke, so that nothing is measured."""


@dataclass(frozen=True)
class Job:
    """What to run again, and what to measure."""

    #: SPEC, dialect and patience, as the user gave them.
    spec: str
    dialect: str | None
    timeout: float
    files: tuple[str, ...]
    folders: tuple[str, ...]


def replay(job: Job, records: Sequence[Record]) -> dict[str, Any]:
    """Run *records* again in a process of its own; return what :func:`measure` returned there.

    Raises :class:`ReplayFailed`.
    """
    with TemporaryDirectory(prefix="mmowner-cov-") as folder:
        home = Path(folder)
        (home / "job.json").write_text(json.dumps(asdict(job)), "utf-8")
        (home / "records.pickle").write_bytes(pickle.dumps(list(records)))
        path = json.dumps([entry for entry in sys.path if isinstance(entry, str)])
        env = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
        done = subprocess.run(
            [sys.executable, "-c", _START, folder, path],
            env=env, stdin=subprocess.DEVNULL, capture_output=True, check=False,
            encoding="utf-8", errors="replace",
        )  # fmt: skip
        result = home / "result.json"
        if done.returncode or not result.exists():
            end = "".join(f"\n  | {line}" for line in done.stderr.rstrip().splitlines()[-8:])
            raise ReplayFailed(
                f"{job.spec} cannot be measured: for coverage its programs are run again in a "
                f"process of its own, which ended with exit status {done.returncode}. A candidate "
                f"must be importable a second time and must not end its process.{end}"
            )
        answer: dict[str, Any] = json.loads(result.read_text("utf-8"))
        return answer


def main(folder: str) -> None:
    """The child: measure, write the result, and end even if the candidate left threads behind."""
    home = Path(folder)
    job = Job(**json.loads((home / "job.json").read_text("utf-8")))
    text = json.dumps(measure(job, home))
    (home / "result.json").write_text(text, "utf-8")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def measure(job: Job, home: Path) -> dict[str, Any]:
    """Run the records in *home* under coverage.py; return lines, branches and who reached them."""
    # sys.monitoring reports a line once, not once for each context.
    os.environ["COVERAGE_CORE"] = "ctrace" if _has_ctracer() else "pytrace"
    import coverage  # noqa: PLC0415  only the child measures

    include = [*map(_literal, job.files), *(f"{_literal(folder)}/*" for folder in job.folders)]
    cov = coverage.Coverage(
        data_file=str(home / "data"), branch=True, config_file=False, include=include
    )
    quiet = ["no-data-collected", "module-not-measured", "already-imported", "couldnt-parse"]
    cov.set_option("run:disable_warnings", quiet)
    cov.start()
    try:
        table, differed = drive(job, home, cov.switch_context)
    finally:
        cov.stop()
    cov.save()
    return {
        "spec": job.spec,
        "files": _files(cov, _sources(job), home, table),
        "runs": len(table),
        "differed": differed,
    }


def drive(job: Job, home: Path, switch: Callable[[str], object]) -> tuple[list[Record], int]:
    """Run the records, each in the context of its number.

    Return them, and how many did not go as before.
    """
    from ._spec import Options, open_candidate  # noqa: PLC0415  what they import is measured

    candidate, _ = open_candidate(job.spec, Options(job.dialect, job.timeout))
    records: list[Record] = pickle.loads((home / "records.pickle").read_bytes())  # noqa: S301
    differed = 0
    for number, record in enumerate(records):
        switch(str(number))
        same = [_again(candidate, call) for call in record.calls]
        differed += not all(same)
    switch("")
    candidate.close()
    return records, differed


def _again(candidate: Any, call: Call) -> bool:
    """Make one call once more; return whether it came out as before."""
    candidate.patience = PATIENCE_FAILED if call.failed else PATIENCE
    seen = type(call)(call.what, call.given)
    try:
        if call.what == "run":
            answers = candidate.run(call.given)
            for answer in islice(answers, call.answers):
                seen.saw(list(answer.values()))
            for _ in answers:
                pass
        elif call.what == "ask":
            seen.saw(candidate.ask(call.given))
        elif call.what == "perform":
            candidate.perform(call.given)
        else:
            candidate.reset()
    except MMOwnerError:
        seen.failed = True
    return (seen.answers, seen.digest) == (call.answers, call.digest) and (
        seen.failed == call.failed or call.what == "run"  # nobody may have looked at its end
    )


def _has_ctracer() -> bool:
    try:
        import coverage.tracer  # noqa: F401, PLC0415
    except ImportError:
        return False
    return True


def _literal(path: str) -> str:
    """Return a pattern of coverage.py for *path*: it has no way to quote its special characters."""
    return re.sub(r"[*?\[\]]", "?", path)


def _sources(job: Job) -> list[str]:
    found = {str(path) for folder in job.folders for path in Path(folder).rglob("*.py")}
    return sorted(found | set(job.files))


def _files(
    cov: Any, sources: list[str], home: Path, records: Sequence[Record]
) -> dict[str, dict[str, Any]]:
    """Return for each file its lines and branches, and the requirements that reached each line."""
    out = home / "report.json"
    cov.json_report(morfs=sources, outfile=str(out), ignore_errors=True)
    report = json.loads(out.read_text("utf-8"))["files"]
    data = cov.get_data()
    files = {}
    for name, found in report.items():
        path = os.path.realpath(name)
        reached = data.contexts_by_lineno(path)
        lines = found["executed_lines"]
        files[path] = {
            "statements": sorted([*lines, *found["missing_lines"]]),
            "executed": lines,
            "branches": sorted([*found["executed_branches"], *found["missing_branches"]]),
            "taken": found["executed_branches"],
            "direct": {line: _rules(reached.get(line, ()), records, random=False)
                       for line in lines},
            "random": {line: _rules(reached.get(line, ()), records, random=True)
                       for line in lines},
        }  # fmt: skip
    return files


def _rules(contexts: Iterable[str], records: Sequence[Record], *, random: bool) -> list[str]:
    numbers = (int(context) for context in contexts if context)
    rules = (records[n].rules for n in numbers if records[n].random is random)
    return sorted(frozenset[str]().union(*rules))
