"""Coverage of the candidate as numbers: what counts, who reached it, what is nearest."""

import pytest

from pytest_mmowner._cov_report import FileCoverage, Measured, in_percent, unreached, write_coverage

SOURCE = """\
def first(x):
    if x:
        return 1
    return 2


class Rules:
    def second(self):
        a = 1
        b = 2
        return a + b

    def never(self):
        return 3
"""


def part(path, **more):
    """What one process says about SOURCE: the first function half done, the last not entered."""
    found = {
        "statements": [1, 2, 3, 4, 7, 8, 9, 10, 11, 13, 14],
        "executed": [1, 2, 3, 7, 8, 9, 13],
        "branches": [[2, 3], [2, 4]],
        "taken": [[2, 3]],
        "direct": {"2": ["FORK-01"], "3": ["FORK-01"], "9": ["EXEC-01", "FORK-02"]},
        "random": {"2": ["EXIT-01"], "9": ["EXIT-01"]},
    } | more
    return {"spec": "python:x.py:Rules", "files": {str(path): found}, "runs": 3, "differed": 0}


class Terminal:
    def __init__(self):
        self.lines = []

    def write_line(self, text, **markup):
        self.lines.append(text)

    def write_sep(self, char, text):
        self.lines.append(text)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "x.py"
    path.write_text(SOURCE)
    return path


@pytest.fixture
def measured(path):
    measured = Measured("python:x.py:Rules")
    measured.add(part(path))
    return measured


def told(measured, verbosity, root):
    terminal = Terminal()
    write_coverage(terminal, measured, verbosity, str(root))
    return terminal.lines


def test_lines_and_branches_count_together_as_coverage_py_counts(measured):
    assert measured.counts == (7, 11, 1, 2)
    assert measured.percent == pytest.approx(100 * 8 / 13)


def test_what_two_processes_measured_is_added_up(measured, path):
    more = part(
        path, executed=[2, 4, 10], taken=[[2, 4]], direct={"4": ["FORK-03"], "2": ["FORK-03"]}
    )
    measured.add(more)
    assert measured.counts == (9, 11, 2, 2)
    assert measured.files[str(path)].reach(2) == {"FORK-01", "FORK-03"}
    assert measured.runs == 6


def test_what_is_not_reached_is_told_with_the_nearest_requirement(measured, tmp_path):
    assert list(unreached(measured, str(tmp_path))) == [
        "x.py:2 in first: the branch from line 2 to line 4: if x:; nearest: FORK-01 (line 2)",
        "x.py:4 in first: return 2; nearest: FORK-01 (line 3)",
        "x.py:10-11 in Rules.second: b = 2; nearest: FORK-02, EXEC-01 (line 9)",
        "x.py:14 in Rules.never: return 3; no requirement enters Rules.never",
    ]


def test_a_branch_out_of_a_function_goes_to_the_end(measured, path):
    file = measured.files[str(path)]
    file.branches.add((3, -1))
    assert any("from line 3 to the end" in line for line in unreached(measured, ""))


def test_random_programs_count_only_where_no_other_test_gets(path):
    file = FileCoverage(str(path))
    file.add(part(path, random={"2": ["EXIT-01"], "11": ["EXIT-01"]})["files"][str(path)])
    assert file.reach(2) == {"FORK-01"}
    assert file.reach(11) == {"EXIT-01"}
    assert file.reach(4) == set()


def test_verbose_runs_tell_what_only_one_requirement_reaches_and_who_reaches_what(
    measured, tmp_path
):
    lines = told(measured, 2, tmp_path)
    start = lines.index("requirement   lines that only it reaches")
    assert lines[start + 1 :] == [
        "FORK-01          2",
        "none: FORK-02, EXEC-01",
        "x.py:2-3: FORK-01",
        "x.py:9: FORK-02, EXEC-01",
    ]


def test_random_programs_are_named_where_they_alone_reach_a_line(path, tmp_path):
    measured = Measured("python:x.py:Rules")
    measured.add(part(path, direct={}))
    assert "x.py:9: random programs for EXIT-01" in told(measured, 2, tmp_path)


def test_many_requirements_are_shortened(measured, path, tmp_path):
    rules = ["FORK-01", "FORK-02", "FORK-03", "FORK-05", "EXEC-01"]
    measured.add(part(path, direct={"3": rules}))
    assert any("nearest: FORK-01, FORK-02, FORK-03 and 2 more (line 3)" in line
               for line in unreached(measured, str(tmp_path)))  # fmt: skip


def test_quiet_runs_say_it_in_a_line(measured, tmp_path):
    assert told(measured, -1, tmp_path) == [
        "mmowner coverage: python:x.py:Rules: 61.54% (7/11 lines, 1/2 branches)"
    ]


def test_a_second_run_that_differs_is_said(measured, tmp_path):
    measured.differed = 2
    assert "answered differently when it was run again" in told(measured, 0, tmp_path)[-1]
    assert "(2 of 3 runs)" in told(measured, -1, tmp_path)[-1]


def test_a_problem_is_said_and_a_file_elsewhere_has_its_whole_name(measured, path):
    measured.problems.append("a worker died")
    lines = told(measured, -1, "/somewhere/else")
    assert lines[-1] == "a worker died"
    assert any(line.startswith(f"{path} ") for line in lines)


def test_nothing_is_not_a_hundred_percent():
    assert Measured("python:x.py:Rules").percent is None
    assert in_percent(None) == "nothing to measure"
    assert told(Measured("python:x.py:Rules"), 0, "/") == ["mmowner coverage: python:x.py:Rules"]


@pytest.mark.parametrize(
    ("value", "text"), [(100.0, "100.00%"), (99.999, "99.99%"), (50.0, "50.00%")]
)
def test_only_a_hundred_is_a_hundred(value, text):
    assert in_percent(value) == text


def test_of_the_reference_only_what_candidates_use_counts(path):
    measured = Measured("reference:6.1")
    measured.add(part(path))
    unused = part(path.with_name("oracle.py"), direct={}, random={})
    measured.add(unused)
    assert [file.path for file in measured.shown] == [str(path)]
    assert "1 more files are no part of what a candidate runs" in told(measured, 0, path.parent)
