"""The reference gives the outcomes of the published table of scenarios, dialect by dialect.

Source of the expectations: the outcome matrix in Appendix A of the project's history of
mm->owner, all its scenarios and all its columns that are dialects.  A column of releases
stands for each dialect in it: "2.6.27-30" for 2.6.27, 2.6.28 and 2.6.29, "4.4-6.10" for 4.4,
5.2 and 6.1.  Columns that agree are written once, with the ranges of ``dialects_in``.

``?`` lines ask: ``own M`` for the owner (``X!stale``: X does not use M, ``X!gone``: X was
released), ``group M`` for the cgroup that would be charged (``none``: nobody pays), ``stage``
for the list that decided, ``bug`` for an assertion that was hit.

S14, S18, S20, S24 and S25 ask for the owner of an mm that is freed at that moment.  There a
kernel thread borrows the mm just before: a loan keeps the mm_struct, and is no user, so that
what the last user does is the same.
"""

import pytest

from mmowner_reference import Kernel, KernelBug, Names, dialects_in, parse_op

SETUP = "clone(init,S,mm=MS); cgroup(A); cgroup(B); cgroup(C); attach(S,A); clone(S,P,mm=M);"

#: Name, program with questions, and per range of dialects the answers.
SCENARIOS = [
    ("S01", "clone(P,C,mm=MC); attach(C,B); ?own M; ?own MC; ?group MC", {
        "..": "P C B"}),
    ("S02", "clone(P,Q,VM); attach(Q,B); ?own M; ?group M", {
        "..": "P A"}),
    ("S03", "clone(P,Q,VM); attach(Q,B); exit(P); ?own M; ?group M; ?stage", {
        "..": "Q B children"}),
    ("S04", "clone(P,P2,THREAD); exit(P2); ?own M", {
        "..": "P"}),
    ("S05", "clone(P,P2,THREAD); exit(P); ?own M; ?group M; ?stage", {
        "rfc-v4": "P!stale root delayed",
        "2.6.26..2.6.31": "P2 A siblings",
        "2.6.33..6.1": "P2 A everything",
        "6.11": "P2 A siblings"}),
    ("S06", "clone(P,Q,VM); attach(Q,B); clone(P,P2,THREAD); exit(P); ?own M; exit(P2); ?own M;"
     "reap(P); ?own M; ?group M", {
        "rfc-v4": "P!stale P!stale P!gone gone",
        "2.6.26..": "Q Q Q B"}),
    ("S07", "clone(P,P2,THREAD); clone(P,Q,VM|PARENT); exit(P); ?own M; ?stage", {
        "rfc-v4": "P!stale delayed",
        "2.6.26..2.6.31": "P2 siblings",
        "2.6.33..6.1": "Q siblings",
        "6.11": "P2 siblings"}),
    ("S08", "clone(P,Q,VM|PARENT); clone(P,P2,THREAD); exit(P); ?own M; ?stage", {
        "rfc-v4": "P!stale delayed",
        "2.6.26..6.1": "Q siblings",
        "6.11": "P2 siblings"}),
    ("S09", "clone(P,Q,VM); clone(Q,Q2,THREAD); exit(Q); clone(P,R,VM|PARENT); exit(P); ?own M;"
     "?stage", {
        "..2.6.31": "Q2 children",
        "2.6.33..6.1": "R siblings",
        "6.11": "Q2 children"}),
    ("S10", "clone(P,Q,VM); clone(Q,G,VM); exec(Q,mm=MQ); exit(P); ?own M; ?stage", {
        "..": "G everything"}),
    ("S11", "clone(P,Q1,VM); clone(P,Q2,VM); exit(P); ?own M", {
        "..": "Q1"}),
    ("S12", "clone(P,R,VM|PARENT); clone(P,Q,VM); exit(P); ?own M; ?stage", {
        "..": "Q children"}),
    ("S13", "hold(mm=M,ref=r); exit(P); ?own M; reap(P); ?own M; ?group M", {
        "..2.6.26": "P!stale P!gone gone",
        "2.6.27..3.0": "None None none",
        "3.16..": "None None root"}),
    ("S14", "kthread(K); use_mm(K,mm=M); exit(P); ?own M; reap(P); ?own M", {
        "..2.6.33": "P!stale P!gone",
        "3.0..": "None None"}),
    ("S15", "kthread(K); hold(mm=M,ref=r); use_mm(K,mm=M); exit(P); ?own M; unuse_mm(K,mm=M);"
     "?own M; ?stage", {
        "..3.0": "K K!stale everything",
        "3.16..": "None None none"}),
    ("S16", "clone(P,Q,VM); attach(Q,B); exec(P,mm=N); ?own M; ?group M; ?own N; exit(P); reap(P);"
     "?own M; ?group M", {
        "rfc-v4": "P!stale A P P!gone gone",
        "2.6.26..": "Q B P Q B"}),
    ("S17", "clone(P,Q,VM); exec(Q,mm=N); ?own M; ?own N", {
        "..": "P Q"}),
    ("S18", "clone(P,P2,THREAD); kthread(K); use_mm(K,mm=M); exec(P2,mm=N); ?own M; ?own N", {
        "rfc-v4": "P!gone P2",
        "2.6.26..2.6.33": "P2!stale P2",
        "3.0..": "None P2"}),
    ("S19", "clone(P,P2,THREAD); clone(P,Q,VM); attach(Q,B); exec(P2,mm=N); ?own M; ?group M;"
     "?own N", {
        "rfc-v4": "P!gone gone P2",
        "2.6.26..": "Q B P2"}),
    ("S20", "hold(mm=M,ref=r); exec(P,mm=N); ?own M; kthread(K); use_mm(K,mm=N); exit(P); reap(P);"
     "?own N; ?own M", {
        "..2.6.26": "P!stale P!gone P!gone",
        "2.6.27..2.6.33": "None P!gone None",
        "3.0..": "None None None"}),
    ("S21", "held_exec(P,mm=N); ?own N; ?bug", {
        "rfc-v4": "P BUG_ON(c == p)",
        "2.6.26..": "P -"}),
    ("S22", "clone(init,D,mm=MD); clone(D,Z,mm=MZ); clone(P,R,VM|PARENT); trace(P,D); exit(P);"
     "?own M; ?stage", {
        "..2.6.29": "R everything",
        "2.6.31..": "R siblings"}),
    ("S23", "clone(init,D,mm=MD); clone(D,Z,mm=MZ); clone(P,R,VM|PARENT); trace(R,D); exit(P);"
     "?own M; ?stage", {
        "..2.6.26": "R everything",
        "2.6.27..": "R siblings"}),
    ("S24", "clone(P,P2,THREAD); clone(P,P3,THREAD); exit(P); ?own M; exit(P2); ?own M;"
     "kthread(K); use_mm(K,mm=M); exit(P3); ?own M", {
        "rfc-v4": "P!stale P!stale P!stale",
        "2.6.26..2.6.33": "P2 P3 P3!gone",
        "3.0..": "P2 P3 None"}),
    ("S25", "clone(P,P2,THREAD); clone(P,P3,THREAD); exit(P2); exit(P3); ?own M;"
     "kthread(K); use_mm(K,mm=M); exit(P); ?own M", {
        "..2.6.33": "P P!stale",
        "3.0..": "P None"}),
    ("S26", "clone(P,P2,THREAD); clone(P2,Q1,VM); clone(P,Q2,VM); exit(P2); exit(P); ?own M; ?stage", {
        "..": "Q2 children"}),
    ("S27", "clone(P,P2,THREAD); clone(P,P3,THREAD); exit(P); ?own M; exit(P2); ?own M", {
        "rfc-v4": "P!stale P!stale",
        "2.6.26..": "P2 P3"}),
    ("S28", "clone(P,Q,VM); clone(Q,G1,VM); clone(Q,G2,VM); exit(Q); exit(P); ?own M; ?stage", {
        "..": "G1 everything"}),
    ("S29", "clone(init,D,mm=MD); clone(P,Q,VM); clone(Q,G,VM); exec(Q,mm=MQ);"
     "clone(P,R,VM|PARENT); trace(R,D); exit(P); ?own M; ?stage", {
        "..2.6.26": "G everything",
        "2.6.27..": "R siblings"}),
    ("S30", "clone(init,D,mm=MD); clone(P,Q,VM); clone(Q,G,VM); exec(Q,mm=MQ);"
     "clone(P,R,VM|PARENT); trace(P,D); exit(P); ?own M; ?stage", {
        "..2.6.29": "G everything",
        "2.6.31..": "R siblings"}),
    ("S31", "clone(P,Q,VM); attach(P,B); ?group M; exit(P); ?group M", {
        "..": "B A"}),
]  # fmt: skip

CASES = [
    pytest.param(dialect, program, answer, id=f"{name}-{dialect}")
    for name, program, answers in SCENARIOS
    for where, answer in answers.items()
    for dialect in sorted(dialects_in(where))
]


class HeldExec(Kernel):
    """A kernel in which somebody else uses the new mm before exec puts it in place (S21).

    No program can say that: an operation runs to its end.
    """

    held = False

    def exec_mmap(self, task, new):
        if self.held:
            self.hold(new, 99)
        yield from super().exec_mmap(task, new)


@pytest.mark.parametrize(("dialect", "program", "expected"), CASES)
def test_the_reference_gives_the_published_outcome(dialect, program, expected):
    names = Names()
    kernel = HeldExec(dialect)
    answers = []
    seen = {"stage": "none", "bug": "-"}
    for line in (SETUP + program).split(";"):
        line = line.strip()
        if line.startswith("?"):
            answers.append(ask(kernel, names, seen, *line[1:].split()))
        elif line:
            kernel.held = line.startswith("held_")
            perform(kernel, parse_op(line.removeprefix("held_"), names), seen)
    assert " ".join(answers) == expected


@pytest.mark.parametrize("scenario", SCENARIOS, ids=[scenario[0] for scenario in SCENARIOS])
def test_every_dialect_has_one_answer(scenario):
    dialects = [name for where in scenario[2] for name in dialects_in(where)]
    assert sorted(dialects) == sorted(dialects_in(".."))


def perform(kernel, op, seen):
    try:
        kernel.do(op)
    except KernelBug as exc:
        seen["bug"] = str(exc).partition(" while ")[0]
    words = {"children": "among the children", "siblings": "among the siblings",
             "everything": "among all", "delayed": "keeps the mm", "none": "no task uses"}  # fmt: skip
    for reason in kernel.reasons.values():
        for stage, text in words.items():
            if text in reason.text:
                seen["stage"] = stage


def ask(kernel, names, seen, question, mm=None):
    if mm is None:
        return seen[question]
    number = names.tables["mm"][mm]
    tasks = {value: key for key, value in names.tables["task"].items()}
    groups = {value: key for key, value in names.tables["cgroup"].items()}
    owner = kernel.owner(number)
    task = kernel.tasks.get(owner)
    if question == "own":
        if owner is None:
            return "None"
        if task is None:
            return f"{tasks[owner]}!gone"
        return tasks[owner] + ("" if task.mm and task.mm.id == number else "!stale")
    if owner is None:
        return kernel.dialect.unowned_pays or "none"
    return "gone" if task is None else groups[task.cgroup.id]
