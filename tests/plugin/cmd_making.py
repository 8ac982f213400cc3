"""`cmd:` candidates to try: fakes that misbehave, introduce themselves, or take whole programs."""

import json
import sys
from pathlib import Path

from mmowner_reference import parse_program
from pytest_mmowner._candidates.command import Command
from pytest_mmowner._judge import judge_program

FAKES = Path(__file__).parent / "fakes"
EXAMPLE = Path(__file__).parents[2] / "examples" / "python" / "adapter.py"
QUICK = [sys.executable, "-I", "-S"]
FORKS = parse_program("clone(1, 2, mm=2)\nclone(1, 3, mm=3)")
#: What is in flight when a fake misbehaves at a place.
IN_FLIGHT = {
    "start": "start",
    "reset": "reset",
    "clone": "clone(1, 2, mm=2)",
    "owner": "owner(mm 1)",
}


def fake(place, how, when, patience=0.3):
    argv = [*QUICK, str(FAKES / "bad.py"), how, when, str(place)]
    return Command("cmd:bad", argv, "6.11", patience=patience)


def introduced(said, **options):
    said = {"protocol": 1, "name": "fake", "capabilities": ["clone", "owner"]} | said
    argv = [*QUICK, str(FAKES / "start.py"), json.dumps(said)]
    return Command("cmd:start", argv, "6.11", patience=5, **options)


def programs(how, log=None):
    argv = [sys.executable, str(FAKES / "programs.py"), how, *([str(log)] if log else [])]
    return Command("cmd:programs", argv, "6.11")


def judged(candidate, program=FORKS, asks=("owner",)):
    return judge_program(candidate, program, "6.11", asks)


def pids(place, name="pids"):
    return [int(line) for line in (place / name).read_text().split()]
