"""The house style, held by tools: formatting, lint and types. Who imports whom: test_plan.py."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parent.parent


def run(*command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=TOP,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.fail(done.stdout, pytrace=False)


def test_every_file_is_formatted() -> None:
    run("ruff", "format", "--no-cache", "--diff", ".")


def test_the_linter_has_no_complaint() -> None:
    run("ruff", "check", "--no-cache", ".")


def test_every_type_is_written_down_and_right() -> None:
    run("mypy", "--strict", "--cache-dir=/dev/null", "-p", "kernelbox")
