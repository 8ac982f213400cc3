"""The composite action: its script is run, its workflows are linted."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_mmowner._record_read import verify
from pytest_mmowner.plugin import OPTIONS

ROOT = Path(__file__).parents[2]
GITHUB = ROOT / ".github"
SCRIPT = GITHUB / "actions/mmowner/run.sh"
ACTION = (GITHUB / "actions/mmowner/action.yml").read_text("utf-8")
INPUTS = re.findall(r"^  ([\w-]+):\n    description: ", ACTION, re.MULTILINE)


@pytest.fixture
def action(tmp_path):
    """Run the script with a python3 that makes a fake environment; return it and what was called."""
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    log = tmp_path / "log"
    # `python3 -m venv ... HOME` makes a HOME whose programs write down how they are called.
    (bin_ / "python3").write_text(
        f"""#!/bin/bash
echo "python3 $*" >> {log}
home=${{!#}}
mkdir -p "$home/bin"
for name in python mmowner; do
  printf '#!/bin/bash\\n{{ printf "%%s" %s; printf " [%%s]" "$@"; echo; }} >> %s\\n[ %s = python ] || exit ${{FAKE_EXIT:-0}}\\n' "$name" {log} "$name" > "$home/bin/$name"
  chmod +x "$home/bin/$name"
done
"""
    )
    (bin_ / "python3").chmod(0o755)

    def run(**inputs):
        log.write_text("")
        env = {
            "PATH": f"{bin_}:/usr/bin:/bin", "RUNNER_TEMP": str(tmp_path / "temp"),
            **{name.upper(): value for name, value in inputs.items()},
        }  # fmt: skip
        done = subprocess.run(
            [SCRIPT], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
        )
        return done, log.read_text().splitlines()

    return run


def test_the_script_installs_and_runs(action):
    done, calls = action(mmowner_candidate="cmd:./a --b; echo $HOME")
    assert done.returncode == 0, done.stderr
    assert calls[0].startswith("python3 -m venv --system-site-packages ")
    assert calls[1].endswith("[pytest-mmowner]")
    assert calls[2] == "mmowner [run] [--ci] [github] [cmd:./a --b; echo $HOME]"


def test_inputs_become_options(action):
    done, calls = action(
        mmowner_candidate="reference", mmowner_dialect="6.1", mmowner_level="safety,order",
        mmowner_baseline="known failures.toml", mmowner_version="0.1.0", mmowner_set="6.11@1",
        mmowner_applicable="59", mmowner_require="safety,order", mmowner_report="my run.jsonl",
        mmowner_badges="badges; rm -r /", mmowner_cov="false",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert calls[1].endswith("[pytest-mmowner==0.1.0]")
    assert calls[2] == (
        "mmowner [run] [--ci] [github] [--dialect] [6.1] [--level] [safety,order] "
        "[--baseline] [known failures.toml] [--set] [6.11@1] [--applicable] [59] "
        "[--require] [safety,order] [--report] [my run.jsonl] [--badges] [badges; rm -r /] "
        "[reference]"
    )


def test_inputs_that_are_empty_were_not_given(action):
    empty = {f"mmowner_{name.replace('-', '_')}": "" for name in INPUTS}
    done, calls = action(**empty | {"mmowner_candidate": "reference"})
    assert done.returncode == 0, done.stderr
    assert calls[1].endswith(" [pytest-mmowner]")
    assert calls[2] == "mmowner [run] [--ci] [github] [reference]"


@pytest.mark.parametrize(
    ("inputs", "options"),
    [
        ({"mmowner_cov": "true"}, "[--cov]"),
        ({"mmowner_cov_fail_under": "90"}, "[--cov-fail-under] [90]"),
        (
            {"mmowner_cov": "true", "mmowner_cov_fail_under": "90"},
            "[--cov-fail-under] [90] [--cov]",
        ),
    ],
)
@pytest.mark.parametrize(
    ("version", "package"), [("", "pytest-mmowner"), ("0.1.0", "pytest-mmowner==0.1.0"), (".", ".")]
)
def test_coverage_brings_what_it_takes(action, inputs, options, version, package):
    done, calls = action(mmowner_candidate="rules:m:R", mmowner_version=version, **inputs)
    assert done.returncode == 0, done.stderr
    assert calls[1].endswith(f" [{package}] [pytest-mmowner[cov]]")
    assert calls[2] == f"mmowner [run] [--ci] [github] {options} [rules:m:R]"


def test_coverage_is_true_or_false(action):
    done, calls = action(mmowner_candidate="reference", mmowner_cov="yes")
    assert (done.returncode, calls) == (4, [])
    assert done.stderr == "::error title=mmowner::the input 'cov' is true or false, not 'yes'\n"


@pytest.mark.parametrize("version", [".", "/src/x", "git+https://example.org/x"])
def test_a_version_can_be_a_place(action, version):
    _, calls = action(mmowner_candidate="reference", mmowner_version=version)
    assert calls[1].endswith(f"[{version}]")


@pytest.mark.parametrize("code", [1, 4, 5])
def test_the_exit_code_is_the_suites(action, code):
    assert action(mmowner_candidate="reference", fake_exit=str(code))[0].returncode == code


def test_without_a_candidate_nothing_is_installed(action):
    done, calls = action(mmowner_candidate="")
    assert done.returncode == 4
    assert done.stderr.startswith("::error title=mmowner::the input 'candidate' is empty")
    assert calls == []


@pytest.mark.slow
def test_the_script_with_the_real_suite(tmp_path):
    """The environment of these tests stands for the one that the script would make."""
    home = tmp_path / "temp/mmowner"
    (home / "bin").mkdir(parents=True)
    for name in ("python", "python3"):
        (home / "bin" / name).write_text("#!/bin/sh\nexit 0\n")
        (home / "bin" / name).chmod(0o755)
    (home / "bin/mmowner").write_text(f'#!/bin/sh\nexec {sys.executable} -m pytest_mmowner "$@"\n')
    (home / "bin/mmowner").chmod(0o755)
    summary = tmp_path / "summary.md"
    env = {
        **os.environ, "PATH": f"{home / 'bin'}:{os.environ['PATH']}",
        "RUNNER_TEMP": str(tmp_path / "temp"), "GITHUB_STEP_SUMMARY": str(summary),
        "GITHUB_ACTIONS": "true", "MMOWNER_CANDIDATE": "mutant:siblings-first",
        "MMOWNER_LEVEL": "order", "MMOWNER_SET": "6.11@1", "MMOWNER_REQUIRE": "order",
        "MMOWNER_APPLICABLE": "62", "MMOWNER_REPORT": "run.jsonl", "MMOWNER_BADGES": "badges",
    }  # fmt: skip
    done = subprocess.run(
        [SCRIPT], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "\n::error title=SEARCH-01::fail" in done.stdout
    assert "mutant:siblings-first" in summary.read_text("utf-8")
    assert verify(tmp_path / "run.jsonl").header.set == "6.11@1"
    assert (tmp_path / "badges/mmowner-order.json").exists()


def test_the_action_passes_every_input_as_a_variable():
    script = SCRIPT.read_text("utf-8")
    assert len(INPUTS) == 12
    for name in INPUTS:
        variable = f"MMOWNER_{name.upper().replace('-', '_')}"
        assert f"        {variable}: ${{{{ inputs.{name} }}}}\n" in ACTION
        assert f"${{{variable}:-" in script
    assert ACTION.count("${{") == len(INPUTS)
    assert "upload" not in ACTION.lower().replace("uploads nothing", "")


def test_inputs_are_options_of_the_plugin_and_documented():
    assert set(INPUTS) - {"version"} <= {name for name, *_ in OPTIONS}
    document = (ROOT / "docs/ci.md").read_text("utf-8")
    assert re.findall(r"^\| `([\w-]+)` \| ", document, re.MULTILINE) == INPUTS


def test_what_the_documents_and_the_workflow_give_are_inputs():
    for path in (ROOT / "docs/ci.md", GITHUB / "workflows/example.yml"):
        given = re.search(r"actions/mmowner.*\n +with:\n((?: {10}[\w-]+: .*\n)+)", path.read_text())
        assert set(re.findall(r"^ +([\w-]+): ", given[1], re.MULTILINE)) <= set(INPUTS)


def test_the_gitlab_job_gives_options_that_there_are():
    text = (ROOT / "examples/gitlab-ci.yml").read_text("utf-8")
    command = text.partition("mmowner run ")[2].partition(" --\n")[0]
    given = re.findall(r" --([\w-]+)=", command)
    assert {"set", "require", "report", "badges"} == set(given)
    assert set(given) <= {name for name, *_ in OPTIONS}


@pytest.mark.parametrize("name", ["ci", "example"])
def test_workflows_may_only_read_and_keep_no_credentials(name):
    text = (GITHUB / f"workflows/{name}.yml").read_text("utf-8")
    assert "\npermissions:\n  contents: read\n" in text
    assert text.count("actions/checkout@") == text.count("persist-credentials: false")


def test_workflows_and_action_are_clean_for_zizmor():
    zizmor = shutil.which("zizmor", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if zizmor is None:
        pytest.skip("zizmor is not installed (dependency group lint)")
    done = subprocess.run(
        [zizmor, "--offline", "--no-progress", str(GITHUB)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_script_is_clean_for_shellcheck():
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed")
    done = subprocess.run(["shellcheck", SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
