"""Edits of a baseline: what is not edited stays, byte for byte, and comments have an owner."""

import copy
import re
import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mmowner import _baseline_text as text_module
from pytest_mmowner._baseline_text import HEADER, CannotEdit, edit, places, with_observed

# -- any file, any edit -----------------------------------------------------------------------
# A comment of these files starts with #@, which no text in them does.

HEADERS = {"known": ["[[known]]", "[[ known ]]", '[["known"]]', "  [['known']] # @x"],
           "flaky": ["[[flaky]]", "[[ 'flaky' ]]"]}  # fmt: skip
TEXTS = [
    '"plain"', "'literal # none'", '"[[known]]"', '"esc \\" \\\\ \\u00e9 # x"', '"\x85 \u2028"',
    '"""\n[[known]]\n\n# no comment\n\nrequirement = "x"\n"""', "'''\n[[flaky]]\n\n'''",
    '"""two "" quotes"""""', "'''it''s'''",
]  # fmt: skip
LINES = st.lists(st.sampled_from(["a", "b: c", 'q"q', "s\\s", "t, [u] # v", "é\x7f"]), unique=True)


@st.composite
def observations(draw, comment):
    """The text of ``observed``, and its comment lines."""
    lines = draw(LINES)
    quoted = [text_module._quoted(line) for line in lines]
    if draw(st.booleans()) or not lines:
        return f"observed = [{', '.join(quoted)}]" + draw(st.sampled_from(["", "  # @end"])), []
    out, comments = ["observed = [" + draw(st.sampled_from(["", " # @first"]))], []
    for number, line in enumerate(quoted):
        if draw(st.booleans()):
            comments.append("    " + comment())
            out.append(comments[-1])
        comma = "," if number < len(quoted) - 1 or draw(st.booleans()) else ""
        out.append(f"  {line}{comma}" + draw(st.sampled_from(["", " # @behind"])))
        if draw(st.integers(0, 5)) == 0:
            out.append("")
    return "\n".join([*out, draw(st.sampled_from(["]", "  ] # @end"]))]), comments


@st.composite
def files(draw):
    """A file: its text, its comments with the number of the block they belong to, its blocks."""
    comments, blocks, out, ids = [], [], [], iter(range(999))

    def comment():
        return draw(st.sampled_from(["", "  "])) + f"#@ {next(ids)} [[known]] = '\"" + "'''"

    def say(line, owner):
        out.append(line)
        comments.append((line, owner))

    if draw(st.booleans()):
        say(comment(), None)
        out.append("")
    for number in range(draw(st.integers(0, 5))):
        table = draw(st.sampled_from(["known", "known", "flaky"]))
        for _ in range(draw(st.integers(0, 2))):
            say(comment(), number)
        start = len(out)
        out.append(draw(st.sampled_from(HEADERS[table])))
        seen, inside = draw(observations(comment))
        fields = [f'requirement = "R{number}"', f"reason = {draw(st.sampled_from(TEXTS))}"]
        fields += [seen] if draw(st.booleans()) else []
        when = draw(
            st.sampled_from(
                [
                    "",
                    'when = { has = ["exec"] }',
                    'when.candidate = "c"',
                    f"[{table}.when]\nhas = []",
                ]
            )
        )
        fields = draw(st.permutations(fields)) + [when] * bool(when)
        for at, field in enumerate(fields):
            if at and draw(st.integers(0, 3)) == 0:
                out.extend([""] * draw(st.integers(0, 1)))
                say(comment(), number)
                out.extend([""] * draw(st.integers(0, 1)))
            out.extend(field.split("\n"))
            if field == seen:
                comments += [(line, ("observed", number)) for line in inside]
        blocks.append((table, "\n".join(out[start:])))
        gap = draw(st.integers(0, 2))
        if gap and draw(st.integers(0, 3)) == 0:
            say(comment(), number)
        out.extend([""] * gap)
        if gap and draw(st.booleans()):
            say(comment(), None)
            out.append("")
    text = "\n".join(out) + draw(st.sampled_from(["\n", ""]))
    end = draw(st.sampled_from(["\n", "\r\n"]))
    return text.replace("\n", end), comments, blocks, end if "\n" in text else "\n"


ROW = {"requirement": "NEW", "dialect": "6.11", "reason": 'r\\\n"x" é', "observed": ["a", "b"]}


@settings(max_examples=250, deadline=None)
@given(files(), st.data())
def test_an_edit_does_what_it_should_and_nothing_else(file, data):
    text, comments, blocks, end = file
    parsed = tomllib.loads(text)
    rows = parsed.get("known", [])
    numbers = st.sampled_from(range(len(rows))) if rows else st.nothing()
    removed = data.draw(st.sets(numbers))
    lists = [number for number, row in enumerate(rows) if "observed" in row]
    some = st.sampled_from(lists) if lists else st.nothing()
    observed = data.draw(st.dictionaries(some, LINES))
    added = [
        {**ROW, "requirement": f"NEW{number}"} for number in range(data.draw(st.integers(0, 2)))
    ]

    result = edit(text, removed=removed, observed=observed, added=added)

    wanted = copy.deepcopy(rows)
    for number, lines in observed.items():
        wanted[number]["observed"] = with_observed(wanted[number]["observed"], lines)
        assert set(wanted[number]["observed"]) == set(lines)
    wanted = [row for number, row in enumerate(wanted) if number not in removed] + added
    said = tomllib.loads(result)
    assert said.get("known", []) == wanted
    assert said.get("flaky", []) == parsed.get("flaky", [])

    known = [number for number, (table, _) in enumerate(blocks) if table == "known"]
    gone = {known[number] for number in removed}
    gone |= {("observed", number) for number in gone}
    stay = [line for line, owner in comments if owner not in gone]
    assert [line for line in result.split(end) if line.strip().startswith("#@")] == stay
    changed = {known[number] for number in observed}
    at = 0
    for number, (_, block) in enumerate(blocks):
        if number not in gone | changed:
            at = result.index(block.replace("\n", end), at) + 1
    assert result.count("\r") == (result.count("\n") if end == "\r\n" else 0)
    assert [
        re.match(r"\s*\[\[", result.split("\n")[line - 1]) is not None for line in places(result)
    ] == ([True] * (len(wanted) + len(said.get("flaky", []))))
    assert edit(result) == result


def test_an_added_entry_stands_off_from_what_is_above():
    entry = '[[known]]\nrequirement = "NEW"\ndialect = "6.11"\nreason = "r"\nobserved = [\n    "a",\n    "b",\n]\n'
    row = {**ROW, "reason": "r"}
    assert edit("", added=[row]) == entry
    assert edit("# ours", added=[row]) == f"# ours\n\n{entry}"
    assert edit("# ours\n\n\n", added=[row, row]) == f"# ours\n\n\n{entry}\n{entry}"
    assert edit("# ours\r\n", added=[row]) == f"# ours\n\n{entry}".replace("\n", "\r\n")


NEIGHBOURS = """\
# about the file

# about A
[[known]]
requirement = "A"  # inside A
# inside A, too

# of nobody

# about B
[[flaky]]
requirement = "B"
# about C
[[known]]
requirement = "C"

[[flaky]]
requirement = "D"

[known.when] # still C's
has = []

# of nobody either
"""
WITHOUT_A = """\
# about the file

# of nobody

# about B
[[flaky]]
requirement = "B"
# about C
[[known]]
requirement = "C"

[[flaky]]
requirement = "D"

[known.when] # still C's
has = []

# of nobody either
"""
WITHOUT_C = """\
# about the file

# about A
[[known]]
requirement = "A"  # inside A
# inside A, too

# of nobody

# about B
[[flaky]]
requirement = "B"

[[flaky]]
requirement = "D"

# of nobody either
"""


def test_an_entry_goes_with_what_belongs_to_it():
    assert edit(NEIGHBOURS, removed=[0]) == WITHOUT_A
    assert edit(NEIGHBOURS, removed=[1]) == WITHOUT_C
    assert edit(WITHOUT_A, removed=[0]) == edit(NEIGHBOURS, removed=[1, 0])


@pytest.mark.parametrize("between", ["", "\n", "# about the entry\n", "\n# about the entry\n"])
def test_the_lines_that_the_update_wrote_itself_stay(between):
    entry = '[[known]]\nrequirement = "A"\n'
    for end in ("\n", "\r\n"):
        text = f"{HEADER}{between}{entry}".replace("\n", end)
        assert edit(text, removed=[0]) == HEADER.replace("\n", end)


def test_comments_among_observations_stay_and_those_behind_a_value_go_with_it():
    old = """\
[[known]]
"observed" = [ # sorted
  # on machine A
  "a", "b", # both
  "c" # alone
  , 'd'
  # at the end
] # done
"""
    assert edit(old, observed={0: ["new", "b", "d"]}) == (
        '[[known]]\n"observed" = [ # sorted\n  # on machine A\n  "b",  # both\n  \'d\',\n'
        '  # at the end\n  "new",\n] # done\n'
    )
    glued = '[[known]]\nobserved = ["gone", # why\n  # still\n  "b"]\n'
    assert edit(glued, observed={0: ["b"]}) == '[[known]]\nobserved = [\n  # still\n  "b",\n]\n'
    one = '[[known]]\nobserved = ["a"] # why\n'
    assert edit(one, observed={0: ["a", "b"]}) == (
        '[[known]]\nobserved = [\n    "a",\n    "b",\n] # why\n'
    )


def test_entries_written_inline_become_tables():
    old = """\
# ours
known = [ # a # b
  { requirement = "A", reason = "#1", observed = ["x"], when = { has = ["exec"], candidate = "c" } },
  # gone soon
  { requirement = "B", reason = "r", when = {} },
]
flaky = []
"""
    row = '[[known]]\nrequirement = "A"\nreason = "#1"\nobserved = ["x"]\nwhen = { has = ["exec"], candidate = "c" }\n'
    assert edit(old, removed=[1]) == f"# ours\n# a # b\n# gone soon\n\nflaky = []\n\n{row}"
    assert edit("known = []", added=[{"requirement": "A"}]) == '[[known]]\nrequirement = "A"\n'
    assert places(old) == [2, 2]


def test_what_cannot_be_edited_is_not(monkeypatch):
    with pytest.raises(CannotEdit, match="this is no TOML"):
        edit("[[known]]\rx = 1", removed=[0])
    with pytest.raises(CannotEdit, match="no text that TOML can hold"):
        edit("", added=[{"reason": "\udc80"}])
    with pytest.raises(CannotEdit, match="in a way that this does not know"):
        edit('[[known]]\n"obs\\u0065rved" = []\n', observed={0: ["a"]})
    with pytest.raises(CannotEdit, match="line 1 is no TOML"):
        places("x = [")
    monkeypatch.setattr(text_module, "_append", lambda text, entries, end: text)
    with pytest.raises(CannotEdit, match="something else than it should"):
        edit("", added=[ROW])
