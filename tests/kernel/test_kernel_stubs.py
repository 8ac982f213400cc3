"""What compilers and linkers say of code that lacks something, and the C that stands in for it."""

import shutil

import pytest

from pytest_mmowner._kernel._build import QUIET, run
from pytest_mmowner._kernel._stubs import (
    Diagnostic,
    Missing,
    Stubs,
    diagnostics,
    in_words,
    undefined,
    what_is_missing,
)


@pytest.fixture(params=["gcc", "clang"])
def compiler(request):
    """A compiler by its name."""
    if shutil.which(request.param) is None:
        pytest.skip(f"there is no {request.param} here")
    return request.param


# -- what compilers say ------------------------------------------------------------------------

#: C that lacks something, and what.
LACKING = {
    "function": ("int f(void) { return frob(1); }", Missing("function", "frob")),
    "constant": ("int f(void) { return FROB; }", Missing("constant", "FROB")),
    "member": ("struct s { int a; }; int f(struct s *x) { return x->frob; }", Missing("member", "frob", "s")),
    "member-dot": ("struct s { int a; } x; int f(void) { return x.frob; }", Missing("member", "frob", "s")),
    "member-const": (
        "struct s { int a; }; int f(const struct s *x) { return x->frob; }", Missing("member", "frob", "s")),
    "member-union": ("union u { int a; }; int f(union u *x) { return x->frob; }", Missing("member", "frob", "u")),
    "member-typedef": (
        "typedef struct s { int a; } s_t; int f(s_t *x) { return x->frob; }", Missing("member", "frob", "s")),
    "type": ("frob_t *x;", Missing("type", "frob_t")),
    "type-local": ("\tfrob_t *x;", Missing("type", "frob_t")),
    "struct": ("struct frob *x; int f(void) { return x->a; }", Missing("struct", "frob")),
    "struct-const": ("int f(const struct frob *x) { return x->a; }", Missing("struct", "frob")),
    "struct-variable": ("int f(void) { struct frob x; return 0; }", Missing("struct", "frob")),
    "struct-initialized": ("int f(void) { struct frob x = { 1 }; return 0; }", Missing("struct", "frob")),
    "struct-size": ("unsigned long f(void) { return sizeof(struct frob); }", Missing("struct", "frob")),
}  # fmt: skip


def said_of(compiler, directory, text):
    source = directory / "a.c"
    if text.startswith("\t"):  # a line of a function
        text = f'int f(void) {{\n#line 1 "kernel/exit.c"\n{text}\nreturn 0; }}'
    source.write_text(f'#line 1 "kernel/exit.c"\n{text}\n')
    code, said = run(
        [compiler, "-std=gnu11", *QUIET, "-c", str(source), "-o", str(directory / "a.o")]
    )
    return code, diagnostics(said)


@pytest.mark.parametrize("name", LACKING)
def test_what_a_compiler_misses(compiler, tmp_path, name):
    text, missing = LACKING[name]
    code, found = said_of(compiler, tmp_path, text)
    assert code
    assert {one.places[0] for one in found} == {("kernel/exit.c", 1)}
    assert missing in [what_is_missing(one.text, text) for one in found]


@pytest.mark.parametrize(
    "text", ["int f(void) { return 1 }", "int f(int *x) { return *x.y; }", "int f(void) { 3 = 4; }"]
)
def test_what_is_wrong_and_not_missing(compiler, tmp_path, text):
    code, (error, *_) = said_of(compiler, tmp_path, text)
    assert code
    assert what_is_missing(error.text, text) is None


def test_an_error_in_a_macro_names_both_places(compiler, tmp_path):
    text = "#define TWICE(x) ((x)->frob + (x)->frob)\nstruct s { int a; };\n\nint f(struct s *x)\n{\n\treturn TWICE(x);\n}"
    _, (error, *_) = said_of(compiler, tmp_path, text)
    assert {line for _, line in error.places} == {1, 6}


def test_warnings_are_no_errors_and_their_notes_belong_to_nobody():
    said = (
        "a.c:1:2: warning: odd [-Wodd]\na.c:9:1: note: in expansion of macro 'X'\nnoise\n"
        "a.c:2:3: error: bad\na.c:8:1: note: in expansion of macro 'Y'\n"
        "a.c:3:1: note: declared here\na.c:4: fatal error: worse\n"
    )
    assert diagnostics(said) == [
        Diagnostic("bad", (("a.c", 2), ("a.c", 8))), Diagnostic("worse", (("a.c", 4),)),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("implicit declaration of function 'a'; did you mean 'b'?", Missing("function", "a")),
        ("call to undeclared library function 'a' with type", Missing("function", "a")),
        ("'a' undeclared (first use in this function)", Missing("constant", "a")),
        ("use of undeclared identifier 'a'; did you mean 'b'?", Missing("constant", "a")),
        ("'volatile struct s' has no member named 'a'", Missing("member", "a", "s")),
        ("'s_t' {aka 'struct s'} has no member named 'a'", Missing("member", "a", "s")),
        ("no member named 'a' in 'volatile struct s'", Missing("member", "a", "s")),
        ("no member named 'a' in 's_t' (aka 'struct s')", Missing("member", "a", "s")),
        ("dereferencing pointer to incomplete type 'struct a'", Missing("struct", "a")),
        ("variable has incomplete type 'struct a'", Missing("struct", "a")),
        ("expected ';' before 'a'", None),
        ("storage size of 'a' isn't known", None),
    ],
)
def test_other_words_of_other_versions(text, missing):
    assert what_is_missing(text) == missing


def test_the_type_of_a_variable_is_told_by_its_line():
    text = "storage size of 'x' isn't known"
    assert what_is_missing(text, "\tstruct frob x;") == Missing("struct", "frob")
    assert what_is_missing(text, "\tfrob_t x;") is None


def test_what_linkers_miss():
    said = (
        "a.o: in function `f': kernel/exit.c:3: undefined reference to `one'\n"
        "undefined reference to 'two'\nld.lld: error: undefined symbol: three\n"
        "undefined reference to `one'\n"
    )
    assert undefined(said) == ["one", "two", "three"]


def test_at_most_five_errors_are_told():
    assert in_words(map(str, range(7))) == "0\n  1\n  2\n  3\n  4\n  and 2 more"
    assert in_words(["only"]) == "only"


# -- what stands in ----------------------------------------------------------------------------


def test_stubs_as_c():
    stubs = Stubs()
    for one in (
        Missing("function", "f"), Missing("constant", "C"), Missing("type", "t"), Missing("struct", "s"),
        Missing("member", "m", "s"), Missing("member", "seen", "task_struct"),
        Missing("member", "held", "mm_struct"), Missing("member", "lonely", "u"),
    ):  # fmt: skip
        assert stubs.add(one)
        assert not stubs.add(one)
    stubs.types["held"] = "spinlock_t"
    assert stubs.before() == (
        "#define MMO_TASK_EXTRA long seen;\n#define MMO_MM_EXTRA spinlock_t held;\n"
    )
    assert stubs.after().splitlines() == [
        '#line 1 "stubs"', "typedef long t;", "struct s { long mmo_stub; long m; };",
        "struct u { long mmo_stub; long lonely; };", "#define C 0", "#define f(...) 0",
    ]  # fmt: skip
    assert stubs.told() == sorted(stubs.told())
    assert "member seen of struct task_struct" in stubs.told()


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("atomic_inc(&mm->frob);", "atomic_t"),
        ("atomic_long_add(1, &mm->frob);", "atomic_long_t"),
        ("refcount_inc(&mm->frob);", "refcount_t"),
        ("spin_lock(&mm->frob);", "spinlock_t"),
        ("mutex_unlock(&mm->frob);", "struct mutex"),
        ("up_read(&mm->frob);", "struct rw_semaphore"),
        ("list_add(&mm->frob);", "struct list_head"),
        ("complete(&mm->frob);", "struct completion"),
        ("frobnicate(&mm->frob);", None),
    ],
)
def test_a_member_is_what_it_is_used_as(line, kind):
    stubs = Stubs([Missing("member", "frob", "mm_struct"), Missing("member", "other", "mm_struct")])
    assert stubs.retype(line, set()) == (kind is not None)
    assert stubs.types == ({} if kind is None else {"frob": kind})
    # Once: what does not help then does not help.
    assert not stubs.retype(line, set())
