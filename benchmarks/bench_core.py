"""How fast whole scopes are searched: in Python, compiled with mypyc, and by the C core.

``python benchmarks/bench_core.py [--quick] [--mypyc DIR]`` prints a table.  Every line is a
process of its own, so the peak of its memory is its own; times are CPU seconds of the search,
without starting Python and compiling, the best of some rounds.  The machines are noisy:
compare lines with each other and not runs with runs.

For DIR: ``pip install mypy setuptools``, copy ``reference/mmowner_reference`` into DIR, and run
there ``mypyc mmowner_reference/_packed.py mmowner_reference/_compact.py``.  ``--quick`` leaves out
what takes minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

SMALL = ((5, 3, 0, 0), (4, 3, 1, 1))
LARGE = (6, 3, 0, 0)
LARGEST = (7, 3, 0, 0)


def measure(engine: str, what: str, numbers: tuple[int, ...], rounds: int) -> dict[str, Any]:
    """Search a scope in this process; return what there is to say about it."""
    import mmowner_reference  # noqa: PLC0415  the copy that PYTHONPATH names
    from mmowner_reference import Bounds  # noqa: PLC0415  the same

    module: Any = mmowner_reference
    if engine == "C":
        from pytest_mmowner import _core  # noqa: PLC0415  not in the copy that mypyc compiled

        assert _core.core() is not None, _core.why_not()
        module = _core
    times = []
    for _ in range(rounds):
        start = time.process_time()
        found = getattr(module, what)(Bounds(*numbers))
        times.append(time.process_time() - start)
    states = found.states if what == "explore" else len(found.worlds)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "states": states, "transitions": found.transitions, "seconds": min(times), "peak": peak,
        "compiled": not str(sys.modules["mmowner_reference._compact"].__file__).endswith(".py"),
    }  # fmt: skip


def in_a_process(
    engine: str, what: str, numbers: tuple[int, ...], rounds: int, mypyc: Path | None
) -> dict[str, Any]:
    env = dict(os.environ)
    if engine == "mypyc":
        env["PYTHONPATH"] = str(mypyc)
    done = subprocess.run(
        [sys.executable, __file__, "--one", engine, what, str(rounds), *map(str, numbers)],
        env=env, check=True, capture_output=True, text=True,
    )  # fmt: skip
    said: dict[str, Any] = json.loads(done.stdout)
    assert said["compiled"] == (engine == "mypyc"), f"{engine}: another text was measured"
    return said


def compare(
    what: str, numbers: tuple[int, ...], engines: list[str], rounds: int, mypyc: Path | None
) -> None:
    """Print one line for each engine; they must agree."""
    first: dict[str, Any] = {}
    for engine in engines:
        said = in_a_process(engine, what, numbers, rounds, mypyc)
        first = first or said
        assert all(said[count] == first[count] for count in ("states", "transitions"))
        ratio = first["seconds"] / said["seconds"]
        against = f"{ratio:>8.1f}" if len(engines) > 1 else f"{'':8}"
        print(
            f"{what:<9}{','.join(map(str, numbers)):<9}{engine:<8}{said['states']:>12,}"
            f"{said['transitions']:>13,}{said['seconds']:>9.3f}"
            f"{said['transitions'] / said['seconds']:>13,.0f}{against}{said['peak'] / 1024:>9,.0f}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--mypyc", type=Path)
    parser.add_argument("--one", nargs="+", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        engine, what, rounds, *numbers = args.one
        print(json.dumps(measure(engine, what, tuple(map(int, numbers)), int(rounds))))
        return
    engines = ["Python", *(["mypyc"] if args.mypyc else []), "C"]
    print(
        f"{'':<9}{'scope':<9}{'engine':<8}{'worlds':>12}{'transitions':>13}{'CPU s':>9}"
        f"{'trans./s':>13}{'ratio':>8}{'peak MB':>9}"
    )
    for what in ("explore", "graph_of"):
        for numbers in SMALL:
            compare(what, numbers, engines, 3, args.mypyc)
    if not args.quick:
        compare("explore", LARGE, engines, 1, args.mypyc)
        compare("explore", LARGEST, ["C"], 1, args.mypyc)


if __name__ == "__main__":
    main()
