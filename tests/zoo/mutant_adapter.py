"""A `cmd:` candidate that is one mutant of the zoo: ``mutant_adapter.py NAME``.

A panic of its kernel ends the process, as that of a real one would.
"""

import json
import sys

from mmowner_reference import op_from_dict
from pytest_mmowner import Refused, open_candidate
from pytest_mmowner._candidates.hosted import Hosted


def program(mutant, request):
    answers = []
    mutant.reset()
    for op, asks in zip(request["ops"], request["asks"], strict=True):
        mutant.perform(op_from_dict(op))
        answers.append([ask(mutant, question) for question in asks])
    return {"answers": answers}


def ask(mutant, question):
    names = [question[key] for key in ("mm", "task") if key in question]
    return getattr(mutant.world, question["ask"])(*names)


def main():
    mutant, dialect = open_candidate(f"mutant:{sys.argv[1]}")
    assert isinstance(mutant, Hosted)
    words = sorted(mutant.info.capabilities | {"program"})
    for line in sys.stdin:
        request = json.loads(line)
        seq, word = request.pop("seq"), request.get("op")
        reply = {"ok": True}
        if word == "start":
            reply = {"protocol": 1, "name": sys.argv[1], "dialect": dialect, "capabilities": words}
        elif word == "program":
            reply = program(mutant, request)
        elif word == "reset":
            mutant.reset()
        elif "ask" in request:
            reply = {"answer": ask(mutant, request)}
        elif word != "stop":
            try:
                mutant.perform(op_from_dict(request))
            except Refused as exc:
                reply = {"refused": str(exc)}
        print(json.dumps({"seq": seq, **reply}), flush=True)
        if word == "stop":
            return


main()
