"""What is a definition in kernel C, and where it ends."""

import pytest
from trees import every_tree

from pytest_mmowner._kernel._scan import calls, definitions, mask, strip_comments


def found(text, **how):
    return [(one.name, one.kind) for one in definitions(text, **how)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("int f(void)\n{\n\treturn 0;\n}\n", [("f", "function")]),
        ("static inline int\nf(struct x *a)\n{\n}\n", [("f", "function")]),
        ("static struct t *f(struct t *a)\n\t__releases(&lock)\n\t__acquires(&lock)\n{\n}\n", [("f", "function")]),
        ("void __printf(1, 2) f(const char *fmt, ...)\n{\n}\n", [("f", "function")]),
        ("__attribute__((noinline)) int f(int a)\n{\n}\n", [("f", "function")]),
        ("int f(int a) SOMETHING(b)\n{\n}\n", [("f", "function")]),
        ("static void __f(void)\n{\n}\n", [("__f", "function")]),
        ("SYSCALL_DEFINE2(leave, int, a, int, b)\n{\n}\n", [("sys_leave", "function")]),
        ("COMPAT_SYSCALL_DEFINE0(leave)\n{\n}\n", [("compat_sys_leave", "function")]),
        ("int f(a, b)\n\tint a;\n\tchar *b;\n{\n}\nint g;\n", [("f", "function"), ("g", "variable")]),
        ("int (*f(int a))(void)\n{\n}\n", [("f", "function")]),
        ("late_initcall(begin)\nstatic int f(void)\n{\n}\n", [("f", "function")]),
        ("#define A 1\n#define B(x) \\\n\tdo { x; \\\n\t} while (0)\n", [("A", "macro"), ("B", "macro")]),
        ("struct s {\n\tint a;\n};\n", [("s", "struct")]),
        ("struct s;\n", []),
        ("struct s {\n\tint a;\n} x, *y;\n", [("s", "struct"), ("x", "variable"), ("y", "variable")]),
        ("union u {\n\tint a;\n} __packed;\n", [("u", "struct")]),
        ("enum e { A, B = (1 << 2), C };\n", [("e", "enum"), ("A", "enum"), ("B", "enum"), ("C", "enum")]),
        ("typedef int (*call_t)(int);\n", [("call_t", "typedef")]),
        ("typedef struct {\n\tint a;\n} s_t;\n", [("s_t", "typedef")]),
        ("typedef void handler(int);\n", [("handler", "typedef")]),
        ("static int n __read_mostly;\n", [("n", "variable")]),
        ("static int a, *b = &a, c[3];\n", [("a", "variable"), ("b", "variable"), ("c", "variable")]),
        ("struct s x[] = {\n\t{ .a = 1 },\n};\n", [("x", "variable")]),
        ("int (*hook)(int) = f;\n", [("hook", "variable")]),
        ("static DEFINE_SPINLOCK(lock);\n", [("lock", "variable")]),
        ("static LIST_HEAD(all);\n", [("all", "variable")]),
        ("static DEFINE_PER_CPU(int, count);\n", [("count", "variable")]),
        ("DEFINE_GUARD(thing, struct t *, in(_T), out(_T))\n\nint f(void)\n{\n}\n", [("class_thing", "function"), ("f", "function")]),
        ("DEFINE_FREE(thing, void *, if (_T) put(_T))\n", [("__free_thing", "function")]),
        ("extern int f(int a);\nint g(void) __must_check;\nextern int n;\n", [("f", "prototype"), ("g", "prototype"), ("n", "prototype")]),
        ('EXPORT_SYMBOL(f);\nMODULE_LICENSE("GPL");\n', []),
        ("TRACE_EVENT(x, TP(int a; int b),\n\tTP2({ a = 1; }));\nint f(void)\n{\n}\n", [("f", "function")]),
        ("int f(void)\n{\n\tchar c = '{';\n\tchar *s = \"}\\\"}\"; /* } */ // {\n}\nint n;\n", [("f", "function"), ("n", "variable")]),
    ],
)  # fmt: skip
def test_every_kind_of_definition_is_named(text, expected):
    assert found(text) == expected


def test_the_text_is_not_changed_and_its_lines_are_known():
    text = "/* first */\nint n;\n\nint f(void)\n{\n\treturn  n ; /* odd */\n}\n"
    (f,) = (one for one in definitions(text) if one.kind == "function")
    assert f.text == "int f(void)\n{\n\treturn  n ; /* odd */\n}"
    assert (f.start_line, f.end_line) == (4, 7)


def test_both_branches_of_a_condition_are_found():
    text = "#ifdef CONFIG_A\nint f(void)\n{\n}\n#elif defined(B)\nint f(int a)\n{\n}\n#else\nint f(long a)\n{\n}\n#endif\n"
    assert [one.guards for one in definitions(text)] == [
        ("defined(CONFIG_A)",),
        ("!defined(CONFIG_A) && defined(B)",),
        ("!defined(CONFIG_A) && !defined(B)",),
    ]


def test_braces_that_only_one_branch_closes_do_not_confuse():
    text = (
        "int f(int a)\n{\n#ifdef A\n\tif (a) {\n#else\n\tif (!a) {\n#endif\n\t\ta = 2;\n\t}\n}\n"
        "#ifdef B\nint g(int a)\n#else\nint g(long a)\n#endif\n{\n}\nint h(void)\n#ifdef C\n{\n}\n#else\n{\n\treturn 1;\n}\n#endif\nint n;\n"
    )
    f, g, h, n = definitions(text)
    assert (f.name, f.end_line) == ("f", 10)
    assert g.text.startswith("#ifdef B\n") and g.text.endswith("#endif\n{\n}") and g.guards == ()
    assert h.text.endswith("#endif") and h.text.count("{") == 2
    assert n.name == "n"


def test_guards_that_say_nothing_are_left_out():
    text = "/* words */\n#ifndef _X_H\n#define _X_H\n#ifdef __KERNEL__\nint f(void);\n#endif\n#if 0\nint dead(void);\ndon't { look\n#else\nint live(void);\n#endif\n#endif\n"
    seen = {one.name: one.guards for one in definitions(text)}
    assert seen == {"_X_H": (), "f": (), "live": ()}


def test_a_macro_has_the_whole_of_a_comment_in_it():
    text = "#define A(x) (x) /* which\n\tgoes on */ + 1\n#define B(x) /* \\\n\t*/ \\\n\tx\nint n;\n"
    a, b, n = definitions(text)
    assert a.text == "#define A(x) (x) /* which\n\tgoes on */ + 1"
    assert b.text.endswith("\\\n\tx") and n.name == "n"


def test_a_brace_in_the_first_column_ends_a_function_when_macros_hid_one():
    text = "int f(void)\n{\n\tBEGIN {\n}\nint g(void)\n{\n}\n"
    assert found(text) == [("f", "function"), ("g", "function")]


def test_a_fragment_has_only_what_is_whole_in_it():
    text = "\tx = 1;\n#endif\n}\n\nint f(void)\n{\n}\n\nint g(int a)\n{\n\tif (a)\n"
    assert found(text, fragment=True) == [("f", "function")]


def test_line_ends_of_dos_stay():
    text = "#define A \\\r\n\t1\r\nint f(void)\r\n{\r\n}\r\n"
    a, f = definitions(text)
    assert a.text == "#define A \\\r\n\t1" and f.text == "int f(void)\r\n{\r\n}"


def test_calls_are_all_identifiers_but_members_keywords_and_directives():
    text = '#ifdef CONFIG_X\nif (a->b && c.d && f(e)) { .g = h, "i", /* j */ 0x1f }\n#endif\n'
    assert calls(text) == ("a", "c", "f", "e", "h")
    assert calls("#define M(x) \\\n\tn(x)\n") == ("M", "x", "n")


def test_stripping_comments_keeps_strings_lines_and_columns():
    text = 'a /* b\n c */ "/* d */" // e\nf'
    assert strip_comments(text) == 'a     \n      "/* d */"     \nf'
    assert mask(text).splitlines()[1] == '      "       "     '
    assert len(mask(text)) == len(text)


@pytest.mark.parametrize("path", ["kernel/exit.c", "kernel/fork.c", "fs/exec.c"])
def test_every_function_of_every_tree_is_found(path):
    for file in [tree / path for tree in every_tree()]:
        text = file.read_text("latin-1")
        ends = {one.end_line for one in definitions(text) if one.kind == "function"}
        # In kernel style a line that is nothing but a brace ends a function.
        lines = [
            number for number, line in enumerate(mask(text).split("\n"), 1) if line.rstrip() == "}"
        ]
        assert [number for number in lines if number not in ends] == [], file
