"""What was searched stands in a record, and what cannot have been is refused."""

import json

import pytest
from record_making import header, outcome, sealed, searched, who, write

from pytest_mmowner._record_check import RecordError, parse_record, verify
from pytest_mmowner._record_read import show

SPEC = "cmd:./mine"


@pytest.fixture
def record(tmp_path):
    return write(
        tmp_path / "searched.jsonl",
        header(who(SPEC, {"FORK-01": 1})),
        [searched(SPEC, 0), outcome(SPEC, "FORK-01", "pass"), searched(SPEC, 1, tried=9)],
    )


def test_a_record_says_what_was_searched_and_what_not(record):
    assert [(line.part, line.tried) for line in verify(record).searches] == [(0, 10), (1, 9)]
    assert "note: unknown: only 19 of 20 transitions were tried, seed 0" in show(record)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"part": 0}, "part 0 of transitions a second time"),
        ({"part": 2}, "in part 2 of 2 cannot be"),
        ({"tried": 11}, "11 of 10 of 20 transitions in part 1 of 2 cannot be"),
        ({"tried": -1}, "-1 of 10 of 20"),
        ({"of_part": 21}, "9 of 21 of 20"),
        ({"extra": 1}, "unknown field `extra`"),
    ],
)
def test_a_search_that_cannot_have_been_is_refused(record, fields, reason):
    texts = record.read_bytes().splitlines()
    at = max(number for number, text in enumerate(texts) if b'"line":"search"' in text)
    texts[at] = json.dumps(json.loads(texts[at]) | fields, separators=(",", ":")).encode()
    with pytest.raises(RecordError, match=reason) as told:
        parse_record(sealed(texts), record)
    assert told.value.line == at + 1


def test_a_run_leaves_its_searches_in_its_record(pytester):
    result = pytester.runpytest_subprocess(
        "--pyargs", "mmowner_conformance", "-p", "no:cacheprovider", "-n", "2",
        "-k", "every_transition", "--mmowner-scope=2,2,0,0", "--mmowner-report=run.jsonl",
    )  # fmt: skip
    assert result.ret == 0
    found = verify(pytester.path / "run.jsonl").searches
    assert sorted(line.part for line in found) == list(range(16))
    assert sum(line.tried for line in found) == found[0].total == 14
