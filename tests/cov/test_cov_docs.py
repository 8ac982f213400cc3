"""docs/coverage.md is what the suite reaches of the owner rules today."""

import subprocess
import sys

import pytest


@pytest.mark.slow
@pytest.mark.nightly
@pytest.mark.skipif(
    sys.version_info[:2] != (3, 11),
    reason="the table was made with 3.11; other versions count the lines of statements differently",
)
def test_the_table_of_the_rules_is_up_to_date(root):
    done = subprocess.run(
        [sys.executable, root / "docs/generate_coverage.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
