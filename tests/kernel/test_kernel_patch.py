"""Patches as people have them: from git, diff and quilt, from mailboxes and from archives."""

import re

import pytest

from pytest_mmowner._kernel._patch import after_image, apply, parse
from pytest_mmowner.errors import CallError

BEFORE = "".join(f"\tline_{n}();\n" for n in range(1, 31))
GIT = """\
diff --git a/kernel/exit.c b/kernel/exit.c
index 1..2 100644
--- a/kernel/exit.c
+++ b/kernel/exit.c
@@ -3,7 +3,8 @@ static void leave(void)
 \tline_3();
 \tline_4();
 \tline_5();
-\tline_6();
+\tchanged(6);
+\tadded();
 \tline_7();
 \tline_8();
 \tline_9();
"""


def hunks(text):
    return parse(text).files[0].hunks


def flattened(text):
    """What an archive leaves of a patch: no white space at the start of a line or after its sign."""
    return re.sub(r"^([-+]?)[ \t]+", r"\1", text, flags=re.MULTILINE)


@pytest.mark.parametrize("spoil", [str, flattened, lambda text: text.replace("\n", "\r\n")])
def test_a_patch_applies_also_when_its_white_space_is_lost(spoil):
    new, rejected = apply(BEFORE, hunks(spoil(GIT)))
    assert rejected == []
    lines = new.split("\n")
    assert [line.strip() for line in lines[4:8]] == [
        "line_5();",
        "changed(6);",
        "added();",
        "line_7();",
    ]
    assert lines[4] == "\tline_5();"  # the tree's own


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ("a/kernel/exit.c", "b/kernel/exit.c", "kernel/exit.c"),
        ("kernel/exit.c", "kernel/exit.c", "kernel/exit.c"),
        ("linux-2.6.orig/fs/exec.c\t2008-01-01 00:00:00.0 +0100", "linux-2.6/fs/exec.c\t2008-01-01 00:00:00.0 +0100", "fs/exec.c"),
        ("linux-2.6/fs/exec.c~owner 2008-03-28 09:30:47.000000000 +0530", "linux-2.6-me/fs/exec.c 2008-03-28 09:30:47.000000000 +0530", "fs/exec.c"),
        ("a/Makefile", "b/Makefile", "Makefile"),
        ("/dev/null", "b/mm/owner.c", "mm/owner.c"),
        ("a/mm/owner.c", "/dev/null", "mm/owner.c"),
    ],
)  # fmt: skip
def test_paths_are_those_of_the_tree(old, new, path):
    (file,) = parse(f"--- {old}\n+++ {new}\n@@ -1 +1 @@\n-a\n+b\n").files
    assert file.path == path
    assert (file.created, file.deleted) == (old == "/dev/null", new == "/dev/null")


def test_the_function_of_a_hunk_is_kept():
    (hunk,) = hunks(GIT)
    assert hunk.context == "static void leave(void)"
    assert str(hunk) == "hunk 1 (@@ -3,7 +3,8 @@ at line 5 of the patch)"


def test_counts_say_where_a_hunk_ends():
    text = GIT + "-- \n2.43.0\n\n--- a remark\n+++ another\n"
    assert len(parse(text).files) == 1
    dashes = "--- a/mm/a.c\n+++ b/mm/a.c\n@@ -1,2 +1,2 @@\n--- gone;\n+++ come;\n x\n"
    assert [line.text for line in hunks(dashes)[0].lines] == ["-- gone;", "++ come;", "x"]


def test_code_that_begins_with_a_sign_is_context_when_the_counts_say_so():
    (hunk,) = hunks(
        "--- a/mm/a.c\n+++ b/mm/a.c\n@@ -1,4 +1,5 @@\nfirst();\n++count;\n+added();\nlast();\n}\n"
    )
    assert hunk.old == ("first();", "++count;", "last();", "}")


@pytest.mark.parametrize("cut", [1, 4])
def test_a_damaged_hunk_is_named(cut):
    text = "\n".join(GIT.split("\n")[:-1][:-cut])
    with pytest.raises(
        CallError, match=r"mine: kernel/exit.c, hunk 1 \(@@ -3,7 \+3,8 @@, line 5 .*7 old and 8 new"
    ):
        parse(text, "mine")


def test_what_is_no_patch_is_refused():
    with pytest.raises(CallError, match=r"mine is no patch: it has no line '--- a/kernel/exit.c'"):
        parse("int main(void)\n--- x\n", "mine")


def test_hunks_drift_and_some_context_may_differ():
    moved = "new\n" * 5 + BEFORE
    assert apply(moved, hunks(GIT))[0] == "new\n" * 5 + apply(BEFORE, hunks(GIT))[0]
    changed = moved.replace("line_3()", "other()").replace("line_9()", "other()")
    new, rejected = apply(changed, hunks(GIT))
    assert rejected == [] and "added();" in new and "line_6" not in new
    too_much = BEFORE.replace("line_5()", "other()")
    assert apply(too_much, hunks(GIT)) == (too_much, [(hunks(GIT)[0], False)])


def test_a_patch_that_is_there_already_is_recognized():
    ((_, already),) = apply(apply(BEFORE, hunks(GIT))[0], hunks(GIT))[1]
    assert already


def test_later_hunks_follow_the_drift_of_earlier_ones():
    same = "\tif (x)\n\t\treturn;\n"
    text = "a\n" * 10 + same + "b\n" * 3 + same
    second = "--- a/mm/a.c\n+++ b/mm/a.c\n@@ -1,1 +1,3 @@\n+x\n+y\n a\n@@ -16,2 +18,3 @@\n \tif (x)\n+\t\twarn();\n \t\treturn;\n"
    new, rejected = apply(text, hunks(second))
    assert rejected == []
    assert new == "x\ny\n" + "a\n" * 10 + same + "b\n" * 3 + "\tif (x)\n\t\twarn();\n\t\treturn;\n"


def test_new_and_deleted_and_moved_files():
    text = (
        "diff --git a/mm/a.c b/mm/a.c\nnew file mode 100644\n--- /dev/null\n+++ b/mm/a.c\n@@ -0,0 +1,2 @@\n+x\n+y\n"
        "diff --git a/mm/b.c b/mm/b.c\ndeleted file mode 100644\n--- a/mm/b.c\n+++ /dev/null\n@@ -1 +0,0 @@\n-z\n\\ No newline at end of file\n"
        "diff --git a/mm/c.c b/mm/d.c\nsimilarity index 100%\nrename from mm/c.c\nrename to mm/d.c\n"
    )
    a, b, d = parse(text).files
    assert a.created and apply("", a.hunks)[0].split() == ["x", "y"]
    assert b.deleted
    assert (d.path, d.was, d.hunks) == ("mm/d.c", "mm/c.c", ())


def test_the_after_image_has_lines_numbers_and_what_is_new():
    image = after_image(parse(GIT).files[0])
    assert image[2:6] == [
        (5, "\tline_5();", False),
        (6, "\tchanged(6);", True),
        (7, "\tadded();", True),
        (8, "\tline_7();", False),
    ]


def test_a_series_in_a_mailbox_is_one_patch_after_another():
    second = "--- a/kernel/exit.c\n+++ b/kernel/exit.c\n@@ -1,1 +1,2 @@\n+first();\n \tline_1();\n@@ -7,2 +8,2 @@\n-\tadded();\n+\tfinal();\n \tline_7();\n"
    head = "From {} Mon Sep 17 00:00:00 2001\nFrom: A <a@b>\nSubject: [PATCH {}/2] x\n\nText.\n---\n kernel/exit.c | 3 +-\n\n{}-- \n2.43.0\n\n"
    patch = parse(head.format("1" * 40, 1, GIT) + head.format("2" * 40, 2, second))
    steps = patch.of("kernel/exit.c")
    assert (len(steps), patch.paths) == (2, ("kernel/exit.c",))
    image = {line: (text.strip(), added) for line, text, added in after_image(*steps)}
    assert image[1] == ("first();", True)
    assert [image[line] for line in (7, 8, 9)] == [
        ("changed(6);", True),
        ("final();", True),
        ("line_7();", False),
    ]
    text = BEFORE
    for step in steps:
        text, rejected = apply(text, step.hunks)
        assert not rejected
    assert [text.split("\n")[line - 1].strip() for line in image] == [
        image[line][0] for line in image
    ]


def test_a_quoted_printable_mail_is_decoded():
    mail = "From x Mon Sep 17 00:00:00 2001\nFrom: a@b\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n"
    mail += GIT.replace("=", "=3D").replace("added();", "ad=\nded(=C3=A9);")
    assert "\tadded(é);" in hunks(mail)[0].new
