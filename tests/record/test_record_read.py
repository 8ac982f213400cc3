"""A record that is not what a run wrote is refused, with the line and the reason."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from record_making import header, outcome, sealed, who, write

from pytest_mmowner._record_check import RecordError, parse_record, read_record, verify
from pytest_mmowner._record_lines import Footer, decode
from pytest_mmowner.errors import CallError, MMOwnerError

SPEC = "cmd:./mine"


def refused(path, raw):
    """Return why *raw* in the place of the file is refused."""
    path.write_bytes(raw)
    return refusal(path, raw, lambda: verify(path))


def refused_bytes(path, raw):
    """The same without a file, for many."""
    return refusal(path, raw, lambda: parse_record(raw, path))


def refusal(path, raw, check):
    with pytest.raises(RecordError) as caught:
        check()
    assert str(caught.value) == f"{path}:{caught.value.line}: {caught.value.reason}"
    assert 1 <= caught.value.line <= raw.count(b"\n") + 1
    return caught.value


def test_what_was_written_is_read(small):
    verify(small)
    record = read_record(small)
    assert [line.verdict for line in record.outcomes] == [
        "pass", "fail", "not applicable", "error", "pass"
    ]  # fmt: skip
    verdicts = {rule: line.verdict for (_, rule), line in record.requirements.items()}
    assert verdicts == {
        "SEARCH-01": "fail", "FORK-01": "pass", "EXIT-01": "error", "VFORK-01": "pass"
    }  # fmt: skip
    line = record.requirements[SPEC, "SEARCH-01"]
    assert line.observed == [f"test_it[{SPEC}]: after exit(2): owner(mm 2) is task 3"]
    assert line.program == "exit(2)\n"
    assert record.requirements[SPEC, "FORK-01"].seconds == 0.5
    assert record.requirements[SPEC, "FORK-01"].tests == 2
    assert record.footer.verdicts == {SPEC: {"fail": 1, "error": 1, "pass": 2}}
    assert record.footer.unfinished == 1
    assert record.verdicts[SPEC].of("FORK-01") == "pass"
    assert record.tested(SPEC).details == {"host": "vm-17"}
    assert record.tested("another") is None


def test_a_requirement_is_written_when_its_last_test_has_ended(small):
    kinds = [json.loads(line) for line in small.read_bytes().splitlines()]
    assert [(line["line"], line.get("requirement")) for line in kinds] == [
        ("header", None),
        ("outcome", "FORK-01"),
        ("outcome", "SEARCH-01"),
        ("requirement", "SEARCH-01"),
        ("outcome", "FORK-01"),
        ("requirement", "FORK-01"),
        ("outcome", "EXIT-01"),
        ("requirement", "EXIT-01"),
        ("outcome", "VFORK-01"),
        ("requirement", "VFORK-01"),  # one of its tests never ended
        ("footer", None),
    ]


def test_a_record_cut_at_any_byte_is_refused(small):
    whole = small.read_bytes()
    for length in range(len(whole)):
        assert "truncated" in refused_bytes(small, whole[:length]).reason


def test_a_record_with_any_one_byte_changed_is_refused(small):
    whole = small.read_bytes()

    @settings(derandomize=True, database=None, max_examples=2000, deadline=None)
    @given(at=st.integers(0, len(whole) - 1), by=st.integers(1, 255))
    def change(at, by):
        refused_bytes(small, whole[:at] + bytes([whole[at] ^ by]) + whole[at + 1 :])

    change()


@pytest.mark.parametrize("other", [b"\n", b" ", b"0", b'"'])
def test_a_record_with_each_byte_in_turn_overwritten_is_refused(small, other):
    whole = small.read_bytes()
    for at in range(len(whole)):
        if whole[at : at + 1] != other:
            refused_bytes(small, whole[:at] + other + whole[at + 1 :])


def test_a_record_with_a_line_left_out_doubled_or_moved_is_refused(small):
    texts = small.read_bytes().splitlines(keepends=True)
    for number in range(len(texts)):
        refused_bytes(small, b"".join(texts[:number] + texts[number + 1 :]))
        refused_bytes(small, b"".join(texts[: number + 1] + texts[number:]))
        if number:
            moved = [*texts[: number - 1], texts[number], texts[number - 1], *texts[number + 1 :]]
            refused_bytes(small, b"".join(moved))


def forged(path, number, **fields):
    """Change fields of a line and seal the record again: only the lines themselves can tell."""
    texts = path.read_bytes().splitlines()
    line = json.loads(texts[number - 1]) | fields
    texts[number - 1] = json.dumps(line, separators=(",", ":"), ensure_ascii=False).encode()
    return sealed(texts)


FORGED = {
    "a verdict": (4, {"verdict": "pass"}, 4, "SEARCH-01: verdict is 'pass', but .* 'fail'"),
    "a word that is no verdict": (4, {"verdict": "fine"}, 4, "no line of a record: .*'fine'"),
    "a text": (4, {"text": "harmless"}, 4, "SEARCH-01: text is 'harmless', but"),
    "what was observed": (4, {"observed": []}, 4, r"observed is \[\], but"),
    "a program": (4, {"program": ""}, 4, "program is '', but"),
    "the time": (4, {"seconds": 9.5}, 4, "seconds is 9.5, but .* 0.25"),
    "the number of tests": (6, {"tests": 3}, 6, "FORK-01: tests is 3, but .* 2"),
    "an outcome": (3, {"verdict": "pass"}, 4, "verdict is 'fail', but .* 'pass'"),
    "whose verdict it is": (4, {"candidate": "else"}, 4, "about SEARCH-01 without an outcome"),
    "a kind of line": (3, {"line": "note"}, 3, "no line of a record: .*'note'"),
    "a field": (3, {"extra": 1}, 3, "unknown field `extra`"),
    "the format": (1, {"format": 1}, 1, "format 1, this version reads format 2"),
    "the suite": (1, {"suite": "9.9"}, 1, "of pytest-mmowner 9.9, this is .*Verify it with"),
    "the requirements": (1, {"requirements": 7}, 1, "has 7 requirements; it has"),
    "the tests selected": (1, {"candidates": []}, 11, "unfinished is 1, but .* 0"),
    "the counts": (11, {"verdicts": {SPEC: {"pass": 4}}}, 11, "footer's verdicts is"),
    "what never ended": (11, {"unfinished": 0}, 11, "footer's unfinished is 0, but .* 1"),
}  # fmt: skip


@pytest.mark.parametrize(("number", "fields", "line", "reason"), FORGED.values(), ids=FORGED)
def test_a_forged_and_sealed_record_is_refused_by_what_does_not_follow(
    small, number, fields, line, reason
):
    error = refused(small, forged(small, number, **fields))
    assert error.line == line
    with pytest.raises(RecordError, match=f"(?s)^{small}:{line}: .*{reason}"):
        verify(small)


def test_a_footer_with_wrong_lines_or_hash_is_refused(small):
    *body, last = small.read_bytes().splitlines()
    for name, value, reason in [
        ("lines", 9, "footer's lines is 9, but from the lines before it follows 10"),
        ("sha256", "0" * 64, "a line before it was altered"),
    ]:
        footer = json.dumps(json.loads(last) | {name: value}, separators=(",", ":")).encode()
        error = refused(small, b"\n".join([*body, footer, b""]))
        assert error.line == 11
        assert reason in error.reason


def test_a_footer_in_other_words_is_refused(small):
    *body, last = small.read_bytes().splitlines()
    error = refused(small, b"\n".join([*body, last.replace(b'":', b'": ', 1), b""]))
    assert error.reason == "the footer says the right things in other words: it was altered"


def test_a_verdict_that_is_missing_is_refused(small):
    texts = small.read_bytes().splitlines()
    error = refused(small, sealed(texts[:3] + texts[4:]))
    assert error.reason == f"the verdict of {SPEC} about SEARCH-01 is missing before the footer"


def test_unknown_requirements_are_refused_by_verify_with_the_closest_id(tmp_path):
    outcomes = [outcome(SPEC, "FORK-91", "pass")]
    path = write(tmp_path / "new.jsonl", header(who(SPEC, {})), outcomes)
    read_record(path)  # a newer suite may know it
    with pytest.raises(RecordError, match=r"new.jsonl:2: unknown requirement 'FORK-91'. Did you"):
        verify(path)
    path = write(tmp_path / "new.jsonl", header(who(SPEC, {"FORK-92": 1})), [])
    with pytest.raises(RecordError, match=r"new.jsonl:1: unknown requirement 'FORK-92'."):
        verify(path)


def test_another_version_of_the_suite_is_read_and_not_verified(small):
    small.write_bytes(forged(small, 1, suite="0.0.1"))
    assert read_record(small).header.suite == "0.0.1"
    with pytest.raises(RecordError, match=r"Verify it with the version that wrote it"):
        verify(small)


def test_two_records_in_one_file_are_refused(small):
    error = refused(small, small.read_bytes() * 2)
    assert error.line == 11
    assert "a second footer" in error.reason


def test_a_record_that_does_not_begin_with_its_header_is_refused(small):
    texts = small.read_bytes().splitlines(keepends=True)
    error = refused(small, b"".join(texts[1:]))
    assert (error.line, error.reason) == (
        1, "the first line of a record is its header; this one is another"
    )  # fmt: skip
    assert "no line of a record" in refused(small, b"7\n{}\n").reason


def test_a_test_that_is_run_again_makes_its_verdict_anew(tmp_path):
    path = write(
        tmp_path / "again.jsonl",
        header(who(SPEC, {"FORK-01": 1})),
        [outcome(SPEC, "FORK-01", "pass"), outcome(SPEC, "FORK-01", "fail", text="no")],
    )
    verify(path)
    record = read_record(path)
    assert record.requirements[SPEC, "FORK-01"].verdict == "fail"
    assert record.footer.verdicts == {SPEC: {"fail": 1}}
    assert record.footer.unfinished == 0


def test_a_run_without_tests_is_a_record(tmp_path):
    path = write(tmp_path / "empty.jsonl", header(), [])
    verify(path)
    footer = decode(path.read_bytes().splitlines()[-1])
    assert footer == Footer({}, 0, 1, footer.sha256)


def test_a_record_that_is_not_there_is_a_wrong_call(tmp_path):
    with pytest.raises(CallError, match=r"nowhere.jsonl: the record cannot be read: No such file"):
        verify(tmp_path / "nowhere.jsonl")
    assert issubclass(RecordError, MMOwnerError)
