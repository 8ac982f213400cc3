"""A `cmd:` candidate that misbehaves once, at a place that its arguments choose.

    bad.py HOW WHEN DIRECTORY

HOW is a name out of ``WAYS``, WHEN is ``start``, ``reset``, ``clone`` or ``owner``.  Until
``DIRECTORY/done`` exists it misbehaves (and makes the file); afterwards it answers rightly for
programs that only fork, so one can see that it is started anew.  It appends its pids, and
those of what it starts, to ``DIRECTORY/pids``.  With HOW = ``always-NAME`` it never recovers.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

HOW, WHEN, PLACE = sys.argv[1], sys.argv[2], Path(sys.argv[3])
DONE = PLACE / "done"


def note(name, pid):
    with (PLACE / name).open("a") as file:
        file.write(f"{pid}\n")


def say(message):
    raw(json.dumps(message).encode() + b"\n")


def raw(line):
    while line:
        line = line[os.write(1, line) :]


def right(request):
    seq, word = request["seq"], request.get("op") or request.get("ask")
    if word == "start":
        return {"seq": seq, "protocol": 1, "name": "bad", "capabilities": ["clone", "owner"]}
    if word == "owner":
        return {"seq": seq, "answer": request["mm"]}  # right while mm N is the mm of task N
    return {"seq": seq, "ok": True}


def complain(text):
    sys.stderr.write(text)
    sys.stderr.flush()


def sleep_on():
    while True:
        time.sleep(60)


def exits(request):
    complain("boom\n")
    sys.exit(3)


def killed(request):
    complain("boom\n")
    os.kill(os.getpid(), signal.SIGKILL)


def killed_by_realtime_signal(request):
    os.kill(os.getpid(), 40)


def hangs(request):
    complain("boom\n")
    sleep_on()


def deaf(request):
    """Hangs, and does not even end when it is asked nicely."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    complain("boom\n")
    sleep_on()


def garbage(request):
    complain("boom\n")
    raw(b"Segmentation fault\n")


def array(request):
    complain("boom\n")
    raw(b"[1, 2]\n")


def empty_line(request):
    complain("boom\n")
    raw(b"\n")


def wrong_seq(request):
    complain("boom\n")
    say({**right(request), "seq": request["seq"] + 7})


def no_seq(request):
    complain("boom\n")
    answer = right(request)
    del answer["seq"]
    say(answer)


def says_error(request):
    complain("boom\n")
    say({**right(request), "error": "out of cheese"})


def says_did_not(request):
    say({**right(request), "error": "I did not like that"})


def neither(request):
    complain("boom\n")
    say({"seq": request["seq"]})


def not_ok(request):
    complain("boom\n")
    say({"seq": request["seq"], "ok": False})


def ok_only(request):
    complain("boom\n")
    say({"seq": request["seq"], "ok": True})


def endless(request):
    complain("boom\n")
    while True:
        os.write(1, b"x" * 65536)


def closes(request):
    complain("boom\n")
    os.close(1)
    sleep_on()


def half(request):
    complain("boom\n")
    raw(b'{"seq": ')
    sys.exit(3)


def floods(request):
    for number in range(20000):
        complain(f"line {number} of the log, {'#' * 80}\n")
    complain("boom\n")
    sys.exit(3)


def floods_and_answers(request):
    for number in range(20000):
        complain(f"line {number} of the log, {'#' * 80}\n")
    say(right(request))


def late(request):
    complain("boom\n")
    time.sleep(0.6)
    say(right(request))
    sleep_on()


def _fork(forget_group):
    child = os.fork()
    if child:
        note("children", child)
        return
    if forget_group:
        os.setpgid(0, 0)
    sleep_on()  # and keeps all the pipes open


def forks(request):
    _fork(forget_group=False)
    complain("boom\n")
    sys.exit(3)


def forks_and_answers(request):
    _fork(forget_group=False)
    say(right(request))


def forks_a_group_and_answers(request):
    _fork(forget_group=True)
    time.sleep(0.1)
    say(right(request))


def bad_utf8(request):
    raw(b'{"seq": %d, "answer": "\xff"}\n' % request["seq"])


def deep(request):
    raw(b'{"seq": %d, "answer": %s%s}\n' % (request["seq"], b"[" * 5000, b"]" * 5000))


def untestable(request):
    say({**right(request), "untestable": "no moon tonight"})


def _owner(value):
    def answers(request):
        complain("boom\n")
        say({"seq": request["seq"], "answer": value})

    return answers


WAYS = {
    "exits": exits, "killed": killed, "killed-40": killed_by_realtime_signal, "hangs": hangs,
    "deaf": deaf, "garbage": garbage, "array": array, "empty-line": empty_line,
    "wrong-seq": wrong_seq, "no-seq": no_seq, "says-error": says_error, "says-did-not": says_did_not, "neither": neither,
    "not-ok": not_ok, "ok-only": ok_only, "endless": endless, "closes": closes, "half": half,
    "floods": floods, "floods-and-answers": floods_and_answers, "late": late, "forks": forks,
    "forks-and-answers": forks_and_answers,
    "forks-a-group-and-answers": forks_a_group_and_answers,
    "bad-utf8": bad_utf8, "deep": deep, "untestable": untestable,
    "owner-99": _owner(99), "owner-0": _owner(0), "owner-string": _owner("2"),
    "owner-float": _owner(2.0), "owner-bool": _owner(True), "owner-list": _owner([2]),
    "owner-object": _owner({"thread": 2}),
}  # fmt: skip


def main():
    note("pids", os.getpid())
    way = WAYS[HOW.removeprefix("always-")]
    for line in sys.stdin.buffer:
        request = json.loads(line)
        word = request.get("op") or request.get("ask")
        if word == WHEN and not DONE.exists():
            if not HOW.startswith("always-"):
                DONE.touch()
            way(request)
            continue
        say(right(request))
        if word == "stop":
            break


if __name__ == "__main__":
    main()
