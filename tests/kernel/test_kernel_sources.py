"""What ``kernel:`` can name, and what is said when it names nothing to judge."""

import subprocess

import pytest
from kernel_making import EXIT, PATCH, git, small_kernel
from trees import every_tree

from pytest_mmowner._kernel._sources import open_source
from pytest_mmowner.errors import CallError

ALONE = """\
--- /dev/null
+++ b/kernel/exit.c
@@ -0,0 +1,4 @@
+void mm_update_next_owner(struct mm_struct *mm)
+{
+\tmm->owner = NULL;
+}
--- a/fs/exec.c
+++ b/fs/exec.c
@@ -20,3 +20,4 @@ static int exec_mmap(struct mm_struct *mm)
 \tone();
+\tmm_update_next_owner(mm);
 \tif (two()) {
 \t\tthree();
"""


def opened(rest):
    return open_source(f"kernel:{rest}", str(rest))


@pytest.fixture
def tree(tmp_path):
    return small_kernel(tmp_path / "linux")


@pytest.fixture
def repo(tree):
    git("init", "-q", at=tree)
    git("add", ".", at=tree)
    git("commit", "-q", "-m", "one", at=tree)
    git("tag", "v1.0", at=tree)
    (tree / "kernel/exit.c").write_text(EXIT.replace("again", "anew"))
    git("commit", "-q", "-a", "-m", "two", at=tree)
    return tree


def test_a_tree_is_read_and_searched(tree):
    source = opened(tree)
    assert source.whole and source.rejected == () and source.name == f"kernel:{tree}"
    assert source.read("kernel/exit.c") == EXIT
    assert (
        source.read("kernel/none.c")
        is source.read("../linux/Makefile")
        is source.read("/etc/passwd")
        is source.read("kernel")
        is None
    )
    assert source.find("far_helper") == [
        "kernel/exit.c",
        "kernel/helpers.c",
        "include/linux/sched.h",
    ]
    assert source.find("far_helpe") == []


def test_a_home_directory_is_expanded(tree, monkeypatch):
    monkeypatch.setenv("HOME", str(tree.parent))
    assert opened("~/linux").read("kernel/exit.c") == EXIT


def test_texts_in_latin_1_are_read(tree):
    (tree / "kernel/old.c").write_bytes(b"/* caf\xe9 */")
    assert opened(tree).read("kernel/old.c") == "/* café */"


@pytest.mark.parametrize("bare", [False, True])
def test_a_revision_is_read_without_a_checkout(repo, tmp_path, bare):
    if bare:
        git("clone", "-q", "--bare", str(repo), str(tmp_path / "bare"), at=tmp_path)
        repo = tmp_path / "bare"
    assert "again" in opened(f"{repo}@v1.0").read("kernel/exit.c")
    assert "anew" in opened(f"{repo}@{'HEAD' if bare else 'HEAD@{0}'}").read("kernel/exit.c")
    source = opened(f"{repo}@HEAD^")
    assert "again" in source.read("kernel/exit.c")
    assert source.read("kernel/none.c") is None
    assert source.find("far_helper") == [
        "kernel/exit.c",
        "kernel/helpers.c",
        "include/linux/sched.h",
    ]


def test_nothing_is_written_and_the_callers_git_variables_do_not_matter(repo, monkeypatch):
    before = sorted((path, path.stat().st_mtime_ns) for path in repo.rglob("*"))
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    opened(f"{repo}@HEAD").find("far_helper")
    assert sorted((path, path.stat().st_mtime_ns) for path in repo.rglob("*")) == before


def test_a_patch_is_put_on_a_tree_or_a_revision(repo, tmp_path):
    (tmp_path / "my.patch").write_text(PATCH)
    for base in (repo, f"{repo}@v1.0"):
        source = opened(f"{tmp_path}/my.patch@{base}")
        assert source.whole and source.patch is not None
        assert "return t->mm == mm;" in source.read("kernel/exit.c")
        assert "kernel/exit.c" not in source.find("far_helper")
    assert "far_helper" in (repo / "kernel/exit.c").read_text()


def test_files_that_a_patch_adds_moves_and_deletes(tree, tmp_path):
    (tmp_path / "my.patch").write_text(
        "--- /dev/null\n+++ b/mm/owner.c\n@@ -0,0 +1 @@\n+int helper_of_mine;\n"
        "diff --git a/mm/empty.c b/mm/full.c\nrename from mm/empty.c\nrename to mm/full.c\n"
        "--- a/kernel/ptrace.c\n+++ /dev/null\n@@ -1,4 +0,0 @@\n-a\n-b\n-c\n-d\n"
    )
    source = opened(f"{tmp_path}/my.patch@{tree}")
    assert source.read("mm/owner.c") == "int helper_of_mine;\n"
    assert source.find("helper_of_mine") == ["mm/owner.c"]
    assert (
        source.read("mm/empty.c"),
        source.read("mm/full.c"),
        source.read("kernel/ptrace.c"),
    ) == (None, "", None)


def test_hunks_that_do_not_matter_are_noted_and_owner_code_must_apply(tree, tmp_path):
    other = "--- a/mm/empty.c\n+++ b/mm/empty.c\n@@ -1,2 +1,2 @@\n-x\n+y\n z\n--- a/mm/gone.c\n+++ b/mm/gone.c\n@@ -1 +1 @@\n-x\n+y\n"
    (tmp_path / "my.patch").write_text(PATCH + other)
    source = opened(f"{tmp_path}/my.patch@{tree}")
    assert [str(one) for one in source.rejected] == [
        "mm/empty.c, hunk 1 (@@ -1,2 +1,2 @@ at line 12 of the patch): no such lines there",
        "mm/gone.c, hunk 1 (@@ -1,1 +1,1 @@ at line 18 of the patch): the tree has no such file",
    ]
    # Not by its words, but by its place within mm_update_next_owner().
    by_place = (
        "--- a/kernel/exit.c\n+++ b/kernel/exit.c\n@@ -19,3 +19,3 @@\n no\n-such\n+line\n here\n"
    )
    (tmp_path / "my.patch").write_text(by_place)
    with pytest.raises(
        CallError,
        match=r"my.patch does not apply to the owner's code: kernel/exit.c, hunk 1 .* no such lines",
    ):
        opened(f"{tmp_path}/my.patch@{tree}")
    (tmp_path / "my.patch").write_text(by_place.replace("-19,3 +19,3", "-40,3 +40,3"))
    assert len(opened(f"{tmp_path}/my.patch@{tree}").rejected) == 1
    (tmp_path / "my.patch").write_text(
        by_place.replace("such", "mm_update_next_owner(mm);").replace("-19,3 +19,3", "-40,3 +40,3")
    )
    with pytest.raises(CallError, match="does not apply to the owner's code"):
        opened(f"{tmp_path}/my.patch@{tree}")


def test_a_patch_that_the_tree_has_already_is_said_so(tree, tmp_path):
    (tmp_path / "my.patch").write_text(
        PATCH.replace("static int handoffs;", "mm_update_next_owner")
    )
    (tree / "kernel/exit.c").write_text(EXIT.replace(" && far_helper(t)", ""))
    with pytest.raises(CallError, match="the tree has it already"):
        opened(f"{tmp_path}/my.patch@{tree}")


def test_a_patch_alone_has_what_it_shows(tmp_path):
    (tmp_path / "my.patch").write_text(ALONE)
    source = opened(tmp_path / "my.patch")
    assert not source.whole
    assert source.read("fs/exec.c").split("\n")[20] == "\tmm_update_next_owner(mm);"
    assert source.read("kernel/fork.c") is None
    assert source.find("mm_update_next_owner") == ["kernel/exit.c", "fs/exec.c"]
    assert [(one.name, one.start_line) for one in source.definitions("kernel/exit.c")] == [
        ("mm_update_next_owner", 1)
    ]
    assert source.definitions("fs/exec.c") == []


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ("", "nothing behind 'kernel:'"),
        ("{root}/linx", r"there is no .*linx\. Did you mean 'linux'\?"),
        ("{root}/none/linux", r"there is no directory .*none either"),
        ("{root}", r"has no kernel/exit.c. Did you mean kernel:.*/linux\?"),
        ("{root}/linux/kernel/cgroup", r"has no kernel/exit.c. A tree needs kernel/, fs/, mm/, include/ and init/"),
        ("{root}/linux/Makefile", "is no patch"),
        ("{root}/linux@v1.1", r"no revision 'v1.1'. Did you mean 'v1.0'\?"),
        ("{root}/linux@--all", "no revision '--all'"),
        ("{root}/plain@v1", r"plain is no git repository, so it has no revision 'v1'. For the tree itself leave '@v1' out"),
        ("{root}/my.patch@{root}/my.patch", "a patch is put on a kernel tree or on a revision"),
        ("{root}/bare", "It is a git repository: name a revision too"),
        ("{root}/old", r"kernel/exit.c has no mm_update_next_owner\(\).* since 2.6.26"),
        ("{root}/my.patch", r"the patch has no whole mm_update_next_owner\(\), so alone .* my.patch@PATH"),
    ],
)  # fmt: skip
def test_what_cannot_be_judged_is_said(repo, tmp_path, rest, message):
    (tmp_path / "my.patch").write_text(PATCH)
    small_kernel(tmp_path / "plain")
    small_kernel(tmp_path / "old", **{"kernel/exit.c": "int n;\n"})
    git("clone", "-q", "--bare", str(repo), str(tmp_path / "bare"), at=tmp_path)
    with pytest.raises(CallError, match=message.replace(" my.patch@", ".*my.patch@")):
        opened(rest.format(root=tmp_path))


def test_a_revision_with_no_kernel_in_it_is_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    git("init", "-q", at=tmp_path)
    git("add", ".", at=tmp_path)
    git("commit", "-q", "-m", "one", at=tmp_path)
    with pytest.raises(CallError, match=r"HEAD in .* has no kernel/exit.c: it is no Linux source"):
        opened(f"{tmp_path}@HEAD")


def test_without_git_a_revision_cannot_be_read(repo, monkeypatch):
    def absent(*arguments, **options):
        raise FileNotFoundError("git")

    monkeypatch.setattr(subprocess, "run", absent)
    with pytest.raises(CallError, match="needs git, which is not installed"):
        opened(f"{repo}@HEAD")


def test_every_tree_there_is_opened():
    for tree in every_tree():
        assert opened(tree).read("kernel/exit.c")
