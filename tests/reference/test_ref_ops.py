"""Programs are data people write and exchange: what cannot be built is refused by name."""

import pytest

from mmowner_reference import (
    FLAGS,
    KINDS,
    OPS,
    Charge,
    Clone,
    CloneFails,
    MakeCgroup,
    Names,
    OpError,
    Subsystem,
    field_names,
    format_program,
    make_op,
    op_from_dict,
    parse_op,
    parse_program,
)

#: Text, and the same as it is printed.
PRINTED = [
    ("clone(1, 2, mm=2)", "clone(1, 2, mm=2)"),
    ("clone(1, 2, VM)", "clone(1, 2, VM)"),
    ("clone(1, 2, PARENT|VM|VM)", "clone(1, 2, VM|PARENT)"),
    ("clone(task=1, child=2, flags=VFORK|THREAD)", "clone(1, 2, THREAD|VFORK)"),
    ("clone(1, 2, flags=PARENT, mm=3)", "clone(1, 2, PARENT, mm=3)"),
    ("exit(2)", "exit(2)"),
    ("exec(2, 3)", "exec(2, mm=3)"),
    ("reap(2)", "reap(2)"),
    ("hold(2, 1)", "hold(mm=2, ref=1)"),
    ("put(2, 1)", "put(mm=2, ref=1)"),
    ("kthread(2)", "kthread(2)"),
    ("use_mm(2, 1)", "use_mm(2, mm=1)"),
    ("unuse_mm(2, 1)", "unuse_mm(2, mm=1)"),
    ("clone_fails(1, 2, mm=2)", "clone_fails(1, 2, mm=2, at=late)"),
    (
        "clone_fails(1, 2, PARENT, 2, dup_mm, 1)",
        "clone_fails(1, 2, PARENT, mm=2, at=dup_mm, ref=1)",
    ),
    ("exec_fails(1)", "exec_fails(1)"),
    ("trace(2, 1)", "trace(2, tracer=1)"),
    ("untrace(2)", "untrace(2)"),
    ("subreaper(2)", "subreaper(2)"),
    ("cgroup(2)", "cgroup(cgroup=2, parent=1)"),
    ("attach(2, 1)", "attach(2, cgroup=1)"),
    ("charge(2, 3)", "charge(2, pages=3)"),
    ("subsystem(memrlimit)", "subsystem(memrlimit)"),
]


@pytest.mark.parametrize(("text", "printed"), PRINTED)
def test_an_operation_is_printed_in_one_way(text, printed):
    assert str(parse_op(text, Names())) == printed


@pytest.mark.parametrize("text", [printed for _, printed in PRINTED])
def test_what_is_printed_reads_back_as_the_same_operation(text):
    op = parse_op(text, Names())
    assert parse_op(str(op), Names()) == op


@pytest.mark.parametrize("text", [printed for _, printed in PRINTED])
def test_the_json_form_reads_back_as_the_same_operation(text):
    op = parse_op(text, Names())
    assert op_from_dict(op.to_dict()) == op


def test_the_table_of_printed_forms_has_every_operation():
    assert {text.split("(")[0] for text, _ in PRINTED} == set(OPS)


def test_every_field_of_every_operation_says_what_it_names():
    fields = {name for cls in OPS.values() for name in field_names(cls)}
    assert fields == set(KINDS)


def test_the_json_form_leaves_out_what_is_absent():
    assert Clone(1, 2, ("VM",)).to_dict() == {
        "op": "clone", "task": 1, "child": 2, "flags": ["VM"],
    }  # fmt: skip


def test_the_json_form_keeps_defaults():
    assert MakeCgroup(2).to_dict() == {"op": "cgroup", "cgroup": 2, "parent": 1}


def test_flags_have_one_order():
    assert Clone(1, 2, ("VFORK", "PARENT", "THREAD", "VM")).flags == FLAGS


@pytest.mark.parametrize("cls", [Clone, CloneFails])
@pytest.mark.parametrize(("flags", "mm", "shares"), [
    (("VM",), None, True), (("THREAD",), None, True), (("PARENT",), 2, False), ((), 2, False),
])  # fmt: skip
def test_a_child_shares_the_mm_with_vm_and_with_thread(cls, flags, mm, shares):
    assert cls(1, 2, flags, mm).shares_mm is shares


#: Word, fields, and what the refusal says.
UNBUILDABLE = [
    ("fork", {}, "unknown operation 'fork'"),
    ("exit", {"task": 1, "mm": 1}, "unknown field 'mm'"),
    ("exit", {}, "missing field, one of task"),
    ("exec", {"task": 1}, "missing field, one of mm"),
    ("exit", {"task": 0}, "task is a positive integer"),
    ("exit", {"task": -1}, "task is a positive integer"),
    ("exit", {"task": True}, "task is a positive integer"),
    ("exit", {"task": "P"}, "task is a positive integer"),
    ("exit", {"task": None}, "task is a positive integer"),
    ("charge", {"task": 1, "pages": 0}, "pages is a positive integer"),
    ("charge", {"task": 1, "pages": 1.5}, "pages is a positive integer"),
    ("subsystem", {"name": 7}, "name is a word"),
    ("clone", {"task": 1, "child": 2, "flags": "VM"}, "flags is a list of words"),
    ("clone", {"task": 1, "child": 2, "flags": 3}, "flags is a list of words"),
    ("clone", {"task": 1, "child": 2, "flags": ["FILES"]}, "unknown clone flag 'FILES'"),
    ("clone", {"task": 1, "child": 2, "flags": ["VM"], "mm": 2}, "so mm= is absent"),
    ("clone", {"task": 1, "child": 2, "flags": ["THREAD"], "mm": 2}, "so mm= is absent"),
    ("clone", {"task": 1, "child": 2}, "the child needs mm="),
    ("clone_fails", {"task": 1, "child": 2}, "the child needs mm="),
    ("clone_fails", {"task": 1, "child": 2, "mm": 2, "at": "early"}, "at='early'"),
    ("clone_fails", {"task": 1, "child": 2, "mm": 2, "at": 1}, "at is a word"),
]


@pytest.mark.parametrize(("word", "fields", "says"), UNBUILDABLE)
def test_an_operation_that_cannot_be_built_is_refused_by_name(word, fields, says):
    with pytest.raises(OpError) as caught:
        make_op(word, fields)
    assert says in str(caught.value)


def test_an_absent_mm_may_be_said_as_null():
    assert make_op("clone", {"task": 1, "child": 2, "flags": ["VM"], "mm": None}).mm is None


@pytest.mark.parametrize("data", [{}, {"op": None}, {"op": 3, "task": 1}, {"task": 1}])
def test_json_without_a_word_is_refused(data):
    with pytest.raises(OpError, match="a word in 'op'"):
        op_from_dict(data)


#: A line, and what the refusal says.
UNREADABLE = [
    ("exit(", "looks like"),
    ("exit", "looks like"),
    ("1", "looks like"),
    ("kernel.exit(1)", "looks like"),
    ("exit(1); exit(2)", "looks like"),
    ("fork(1)", "unknown operation 'fork'"),
    ("exit(1, 2)", "takes at most 1 fields"),
    ("exit(1, task=1)", "task is given twice"),
    ("exit(**fields)", "given twice"),
    ("exit(pid=1)", "unknown field 'pid'"),
    ("exit(1 + 1)", "a name or a positive integer"),
    ("charge(1, pages=many)", "a name or a positive integer"),
    ("clone(1, 2, 'VM')", "bare words"),
    ("clone(1, 2, VM|3)", "bare words"),
    ("clone(1, 2, VM & PARENT)", "bare words"),
    ("clone_fails(1, 2, mm=2, at='late')", "bare words"),
    ("exit(0)", "positive integer"),
    ("exit('P')", "positive integer"),
]


@pytest.mark.parametrize(("line", "says"), UNREADABLE)
def test_an_unreadable_line_is_refused_with_its_number(line, says):
    with pytest.raises(OpError) as caught:
        parse_program(f"# a comment\n\n{line}")
    assert str(caught.value).startswith(f"line 3: {line!r}: ")
    assert says in str(caught.value)


def test_names_stand_for_integers_in_order_of_appearance():
    program = parse_program("clone(init, P, mm=M)\nclone(P, Q, VM)\nhold(mm=M, ref=r)")
    assert format_program(program) == "clone(1, 2, mm=2)\nclone(2, 3, VM)\nhold(mm=2, ref=1)"


def test_init_and_root_and_init_mm_are_number_one():
    assert format_program(parse_program("attach(init, root)\nhold(inits_mm, r)")) == (
        "attach(1, cgroup=1)\nhold(mm=1, ref=1)"
    )


def test_the_same_name_in_two_kinds_is_two_things():
    names = Names()
    parse_program("clone(init, A, mm=A)\nexec(A, mm=B)", names)
    assert (names.tables["task"], names.tables["mm"]) == (
        {"init": 1, "A": 2}, {"inits_mm": 1, "A": 2, "B": 3},
    )  # fmt: skip


def test_names_go_on_when_a_text_is_read_in_parts():
    names = Names()
    parse_program("clone(init, P, mm=M)", names)
    assert parse_program("clone(P, Q, VM)", names) == (Clone(2, 3, ("VM",)),)


def test_comments_and_empty_lines_are_no_operations():
    assert parse_program("\n # nothing\n charge(1)  # one page\n") == (Charge(1),)


def test_an_operation_is_a_value():
    assert len({Subsystem("a"), Subsystem("a"), Subsystem("b")}) == 2
