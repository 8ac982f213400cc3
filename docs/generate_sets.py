"""Write the next frozen set of every dialect whose requirements have changed since its last.

``python docs/generate_sets.py`` appends to ``conformance/mmowner_conformance/sets.toml``;
with ``--check`` it writes nothing and fails when a set would be written.  A set that is there
is never touched: who judges by it must get the same requirements for ever.
"""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

from pytest_mmowner._gates import current_sets, frozen_sets, newest_set

ROOT = Path(__file__).resolve().parent.parent
SETS = ROOT / "conformance/mmowner_conformance/sets.toml"


def missing_sets() -> dict[str, tuple[str, ...]]:
    """Return the sets that are to be written, by name."""
    out = {}
    for dialect, rules in current_sets().items():
        newest = newest_set(dialect)
        if newest is None or newest.requirements != rules:
            number = 1 if newest is None else newest.version + 1
            out[f"{dialect}@{number}"] = rules
    return out


def text_of(name: str, rules: tuple[str, ...]) -> str:
    """Return a set as TOML, in lines of at most 100 characters."""
    ids = textwrap.wrap(", ".join(f'"{rule}"' for rule in rules), 95)
    lines = "\n".join(f"    {line}" for line in ids)
    return f'\n"{name}" = [\n{lines},\n]\n'


def main(arguments: list[str]) -> int:
    """Write or check."""
    missing = missing_sets()
    if "--check" in arguments:
        for name in missing:
            sys.stdout.write(f"sets.toml has no {name}: run python docs/generate_sets.py" + "\n")
        return int(bool(missing))
    with SETS.open("a", encoding="utf-8") as file:
        for name, rules in missing.items():
            file.write(text_of(name, rules))
            sys.stdout.write(f"{name}: {len(rules)} requirements" + "\n")
    assert frozen_sets().keys() >= missing.keys()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
