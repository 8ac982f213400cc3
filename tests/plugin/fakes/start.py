"""A `cmd:` candidate that introduces itself with the JSON in its first argument, then agrees."""

import json
import sys


def main():
    said = json.loads(sys.argv[1])
    for line in sys.stdin:
        request = json.loads(line)
        reply = {"ok": True} if "op" in request else {"answer": request.get("mm", 0)}
        if request.get("op") == "start":
            reply = said
        elif request.get("op") in said.get("refuses", ()):
            reply = {"refused": "not today"}
        elif request.get("op") in said.get("lacks", ()) or ("ask" in request and said.get("mute")):
            reply = {"untestable": "no moon tonight"}
        print(json.dumps({"seq": request["seq"], **reply}), flush=True)
        if request.get("op") == "stop":
            break


if __name__ == "__main__":
    main()
