"""Completion scripts: the shells accept them, and they complete what there is."""

import shutil
import subprocess

import pytest

from pytest_mmowner._cli import _completion, main
from pytest_mmowner._plugins import Offered
from pytest_mmowner._requirements import requirements
from pytest_mmowner.zoo import MUTANTS


@pytest.fixture
def script(capsys, tmp_path):
    """Write the script for a shell; return its path."""

    def write(shell):
        assert main(["completion", shell]) == 0
        path = tmp_path / f"completion.{shell}"
        path.write_text(capsys.readouterr().out)
        return path

    return write


def need(shell):
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_accepts_its_script(shell, script):
    path = script(shell)
    need(shell)
    done = subprocess.run([shell, "-n", str(path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_knows_commands_requirements_mutants_and_dialects(shell, script):
    text = script(shell).read_text()
    for word in [
        "replay",
        "baseline",
        "verify",
        "6.11",
        "rfc-v4",
        "linux:uml",
        *requirements(),
        *MUTANTS,
    ]:
        assert word in text


NO_SIBLINGS = {name for name in MUTANTS if name.startswith("no-sib")}
CASES = [
    (
        "mmowner ",
        {
            "run",
            "list",
            "explain",
            "diff",
            "hazards",
            "explore",
            "replay",
            "schedules",
            "header",
            "smoke",
            "vectors",
            "report",
            "baseline",
            "completion",
        },
    ),
    ("mmowner diff 6.1 --about o", {"owner"}),
    ("mmowner diff rfc", {"rfc-v4"}),
    ("mmowner rep", {"replay", "report"}),
    ("mmowner report ", {"verify", "show", "compare"}),
    ("mmowner report v", {"verify"}),
    ("mmowner completion f", {"fish"}),
    ("mmowner list mu", {"mutants"}),
    ("mmowner list --level sa", {"safety"}),
    ("mmowner run --dialect 6", {"6.1", "6.11"}),
    ("mmowner explain siblings-f", {name for name in MUTANTS if name.startswith("siblings-f")}),
    ("mmowner run --dial", {"--dialect"}),
]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        *CASES,
        ("mmowner run --dialect=6", {"6.1", "6.11"}),
        ("mmowner run mutant:no-sib", NO_SIBLINGS),  # bash cuts at the colon itself
        ("mmowner run -- --dia", set()),
        ("mmowner replay pro", {"program.txt"}),
        ("mmowner replay program.txt --candidate linux:h", {"host"}),
        ("mmowner baseline update --reason w", set()),
    ],
)
def test_bash_completes(line, words, script, tmp_path):
    need("bash")
    (tmp_path / "program.txt").touch()
    call = 'source "$1"; COMP_LINE=$2; COMP_POINT=${#2}; _mmowner; printf "%s\\n" "${COMPREPLY[@]}"'
    done = subprocess.run(
        ["bash", "--norc", "-c", call, "-", str(script("bash")), line],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert set(done.stdout.split()) == words
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("line", "words"),
    [*CASES, ("mmowner run mutant:no-sib", {f"mutant:{name}" for name in NO_SIBLINGS})],
)
def test_fish_completes(line, words, script, tmp_path):
    need("fish")
    call = f"source {script('fish')}; complete -C '{line}'"
    done = subprocess.run(
        ["fish", "--no-config", "-c", call],
        cwd=tmp_path, env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert {entry.split("\t")[0] for entry in done.stdout.splitlines()} == words


@pytest.mark.parametrize(
    ("line", "words"),
    [*CASES, ("mmowner run mutant:no-sib", {f"mutant:{name}" for name in NO_SIBLINGS})],
)
def test_zsh_completes(line, words, script, tmp_path):
    """The function is called with its words; compadd is replaced by one that prints matches."""
    need("zsh")
    call = """
        compdef() { :; }; compset() { :; }; _files() { :; }
        compadd() { shift; for w in "$@"; do [[ $w == ${PREFIX}* ]] && print -r -- $w; done }
        source "$1"; line=$2
        words=(${=line}); [[ $line == *" " ]] && words+=('')
        CURRENT=$#words; PREFIX=$words[CURRENT]; _mmowner
    """
    done = subprocess.run(
        ["zsh", "-f", "-c", call, "-", str(script("zsh")), line],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert set(done.stdout.split()) == words
    assert done.stderr == ""


def test_what_packages_offer_is_completed_and_quoted(monkeypatch, script):
    monkeypatch.setattr(_completion, "offered", lambda: Offered({"o'urs": "cmd:x"}))
    path = script("bash")
    assert "o'\\''urs" in path.read_text()
    need("bash")
    subprocess.run(["bash", "-n", str(path)], check=True)
