"""The reference gives the outcomes of the published table of scenarios, dialect by dialect.

Source of the expectations: the outcome matrix in Appendix A of the project's history of
mm->owner (scenarios S01 to S31, columns rfc-v4, 4.4-6.10 and 6.11+).  ``?`` lines ask:
``own M`` for the owner (``X!stale``: X does not use M, ``X!gone``: X was released),
``group M`` for who would be charged, ``stage`` for the list that decided.
S21 needs a user on the new mm in the middle of an exec, which no program can say.
"""

import pytest

from mmowner_reference import Kernel, Names, parse_op

SETUP = """
clone(init, S, mm=MS)
cgroup(A)
cgroup(B)
cgroup(C)
attach(S, A)
clone(S, P, mm=M)
"""

#: name, program with questions, answers under rfc-v4, 6.1, 6.11
SCENARIOS = [
    ("S01", "clone(P,C,mm=MC); attach(C,B); ?own M; ?own MC; ?group MC", "P C B", "P C B", "P C B"),
    ("S02", "clone(P,Q,VM); attach(Q,B); ?own M; ?group M", "P A", "P A", "P A"),
    ("S03", "clone(P,Q,VM); attach(Q,B); exit(P); ?own M; ?group M; ?stage",
     "Q B children", "Q B children", "Q B children"),
    ("S04", "clone(P,P2,THREAD); exit(P2); ?own M", "P", "P", "P"),
    ("S05", "clone(P,P2,THREAD); exit(P); ?own M; ?group M; ?stage",
     "P!stale root delayed", "P2 A everything", "P2 A siblings"),
    ("S06", "clone(P,Q,VM); attach(Q,B); clone(P,P2,THREAD); exit(P); ?own M; exit(P2); ?own M;"
     "reap(P); ?own M; ?group M", "P!stale P!stale P!gone gone", "Q Q Q B", "Q Q Q B"),
    ("S07", "clone(P,P2,THREAD); clone(P,Q,VM|PARENT); exit(P); ?own M; ?stage",
     "P!stale delayed", "Q siblings", "P2 siblings"),
    ("S08", "clone(P,Q,VM|PARENT); clone(P,P2,THREAD); exit(P); ?own M; ?stage",
     "P!stale delayed", "Q siblings", "P2 siblings"),
    ("S09", "clone(P,Q,VM); clone(Q,Q2,THREAD); exit(Q); clone(P,R,VM|PARENT); exit(P); ?own M;"
     "?stage", "Q2 children", "R siblings", "Q2 children"),
    ("S10", "clone(P,Q,VM); clone(Q,G,VM); exec(Q,mm=MQ); exit(P); ?own M; ?stage",
     "G everything", "G everything", "G everything"),
    ("S11", "clone(P,Q1,VM); clone(P,Q2,VM); exit(P); ?own M", "Q1", "Q1", "Q1"),
    ("S12", "clone(P,R,VM|PARENT); clone(P,Q,VM); exit(P); ?own M; ?stage",
     "Q children", "Q children", "Q children"),
    ("S13", "hold(mm=M,ref=r); exit(P); ?own M; reap(P); ?own M; ?group M",
     "P!stale P!gone gone", "None None root", "None None root"),
    ("S15", "kthread(K); hold(mm=M,ref=r); use_mm(K,mm=M); exit(P); ?own M; unuse_mm(K,mm=M);"
     "?own M; ?stage", "K K!stale everything", "None None none", "None None none"),
    ("S16", "clone(P,Q,VM); attach(Q,B); exec(P,mm=N); ?own M; ?group M; ?own N; exit(P); reap(P);"
     "?own M; ?group M", "P!stale A P P!gone gone", "Q B P Q B", "Q B P Q B"),
    ("S17", "clone(P,Q,VM); exec(Q,mm=N); ?own M; ?own N", "P Q", "P Q", "P Q"),
    ("S18", "clone(P,P2,THREAD); exec(P2,mm=N); ?own N", "P2", "P2", "P2"),
    ("S19", "clone(P,P2,THREAD); clone(P,Q,VM); attach(Q,B); exec(P2,mm=N); ?own M; ?group M;"
     "?own N", "P!gone gone P2", "Q B P2", "Q B P2"),
    ("S20", "hold(mm=M,ref=r); exec(P,mm=N); ?own M; exit(P); reap(P); ?own M",
     "P!stale P!gone", "None None", "None None"),
    ("S22", "clone(init,D,mm=MD); clone(D,Z,mm=MZ); clone(P,R,VM|PARENT); trace(P,D); exit(P);"
     "?own M; ?stage", "R everything", "R siblings", "R siblings"),
    ("S23", "clone(init,D,mm=MD); clone(D,Z,mm=MZ); clone(P,R,VM|PARENT); trace(R,D); exit(P);"
     "?own M; ?stage", "R everything", "R siblings", "R siblings"),
    ("S24", "clone(P,P2,THREAD); clone(P,P3,THREAD); exit(P); ?own M; exit(P2); ?own M",
     "P!stale P!stale", "P2 P3", "P2 P3"),
    ("S25", "clone(P,P2,THREAD); clone(P,P3,THREAD); exit(P2); exit(P3); ?own M", "P", "P", "P"),
    ("S26", "clone(P,P2,THREAD); clone(P2,Q1,VM); clone(P,Q2,VM); exit(P2); exit(P); ?own M; ?stage",
     "Q2 children", "Q2 children", "Q2 children"),
    ("S27", "clone(P,P2,THREAD); clone(P,P3,THREAD); exit(P); ?own M; exit(P2); ?own M",
     "P!stale P!stale", "P2 P3", "P2 P3"),
    ("S28", "clone(P,Q,VM); clone(Q,G1,VM); clone(Q,G2,VM); exit(Q); exit(P); ?own M; ?stage",
     "G1 everything", "G1 everything", "G1 everything"),
    ("S29", "clone(init,D,mm=MD); clone(P,Q,VM); clone(Q,G,VM); exec(Q,mm=MQ);"
     "clone(P,R,VM|PARENT); trace(R,D); exit(P); ?own M; ?stage",
     "G everything", "R siblings", "R siblings"),
    ("S30", "clone(init,D,mm=MD); clone(P,Q,VM); clone(Q,G,VM); exec(Q,mm=MQ);"
     "clone(P,R,VM|PARENT); trace(P,D); exit(P); ?own M; ?stage",
     "G everything", "R siblings", "R siblings"),
    ("S31", "clone(P,Q,VM); attach(P,B); ?group M; exit(P); ?group M", "B A", "B A", "B A"),
]  # fmt: skip

COLUMNS = {"rfc-v4": 2, "6.1": 3, "6.11": 4}


@pytest.mark.parametrize("dialect", COLUMNS)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=[scenario[0] for scenario in SCENARIOS])
def test_the_reference_gives_the_published_outcome(scenario, dialect):
    names = Names()
    kernel = Kernel(dialect)
    answers = []
    stage = "none"
    for line in (SETUP.replace("\n", ";") + scenario[1]).split(";"):
        line = line.strip()
        if not line:
            continue
        if line.startswith("?"):
            answers.append(ask(kernel, names, stage, *line[1:].split()))
            continue
        kernel.do(parse_op(line, names))
        stage = stage_of(kernel, stage)
    assert " ".join(answers) == scenario[COLUMNS[dialect]]


def stage_of(kernel, before):
    words = {"children": "among the children", "siblings": "among the siblings",
             "everything": "among all", "delayed": "keeps the mm"}  # fmt: skip
    for reason in kernel.reasons.values():
        for stage, text in words.items():
            if text in reason.text:
                return stage
        if "no task uses" in reason.text:
            return "none"
    return before


def ask(kernel, names, stage, question, mm=None):
    if question == "stage":
        return stage
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
        return kernel.dialect.unowned_pays
    return "gone" if task is None else groups[task.cgroup.id]
