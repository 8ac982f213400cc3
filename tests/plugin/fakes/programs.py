"""A `cmd:` candidate with the capability `program`, right by the reference, wrong on demand.

    programs.py HOW [FILE]

``right``, ``few`` (answers end early and nothing says why), ``none`` (no answers at all),
``short`` (the last question of the first operation is not answered), ``many`` (one answer
too many), ``extra`` (one list too many), ``refused``, ``untestable``, ``error`` (at the second
operation), ``stepwise`` (the program is never declared).  Requests are appended to FILE.
"""

import json
import sys
from pathlib import Path

from mmowner_reference import Kernel, op_from_dict

HOW = sys.argv[1]
LOG = Path(sys.argv[2]) if len(sys.argv) > 2 else None
CAPABILITIES = ["clone", "exit", "exec", "reap", "owner", "users", "state"]


def ask(world, question):
    name = question.get("mm", question.get("task"))
    return getattr(world, question["ask"])(name)


def program(request):
    world, answers = Kernel("6.11"), []
    for number, (op, asks) in enumerate(zip(request["ops"], request["asks"], strict=True)):
        if number == 1 and HOW in ("refused", "untestable", "error"):
            return {"answers": answers, HOW: "as told"}
        if number == 1 and HOW == "few":
            break
        world.do(op_from_dict(op))
        answers.append([ask(world, question) for question in asks])
    if HOW == "short":
        answers[0].pop()
    if HOW == "many":
        answers[0].append(1)
    if HOW == "extra":
        answers.append([1])
    return {"ok": True} if HOW == "none" else {"answers": answers}


def main():
    words = CAPABILITIES if HOW == "stepwise" else [*CAPABILITIES, "program"]
    world = Kernel("6.11")
    for line in sys.stdin:
        request = json.loads(line)
        word = request.get("op")
        if LOG is not None:
            with LOG.open("a") as file:
                file.write(f"{word or request['ask']}\n")
        reply = {"ok": True}
        if word == "start":
            reply = {"protocol": 1, "name": "programs", "capabilities": words}
        elif word == "program":
            reply = program(request)
        elif word == "reset":
            world = Kernel("6.11")
        elif word is None:
            reply = {"answer": ask(world, request)}
        elif word != "stop":
            world.do(op_from_dict({k: v for k, v in request.items() if k != "seq"}))
        print(json.dumps({"seq": request["seq"], **reply}), flush=True)
        if word == "stop":
            break


if __name__ == "__main__":
    main()
