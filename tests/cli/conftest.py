"""What tests of the console script are given: a call, and a file with a program."""

import json

import pytest

from pytest_mmowner._cli import main


@pytest.fixture
def call(capsys):
    """Run a command line; return exit code, standard output, standard error."""

    def run(*words):
        code = main(list(words))
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def program(tmp_path):
    """Write a program; return the name of its file."""

    def write(text):
        path = tmp_path / "program"
        path.write_text(text if isinstance(text, str) else json.dumps(text))
        return str(path)

    return write
