"""What `make quick` chooses, and from what."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests import quick
from tests.quick import changed, chosen, related, themselves

TEXTS = {
    "tests/test_one.py": "from kernelbox.images import store\nfrom tests import helper",
    "tests/test_two.py": "from kernelbox.images.store import Store",
    "tests/test_three.py": "import kernelbox.overlay",
    "tests/test_four.py": 'READ = "kernelbox/images/store.py"',
    "tests/test_five.py": "from kernelbox.images import layout  # nor kernelbox.imagestore",
    "tests/test_six.py": 'LABS = TOP / "labs-vm"\nfrom tests.helper import help',
}


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("kernelbox/images/store.py", "one two four"),
        ("kernelbox/images/layout.py", "five"),
        ("kernelbox/images/__init__.py", "one two four five"),
        ("kernelbox/images/forgotten.py", "one two four five"),
        ("kernelbox/overlay.py", "three"),
        ("kernelbox/cellar.py", ""),
        ("labs-vm/lib/disks.py", "six"),
        ("tests/helper.py", "one six"),
        ("tests/nobodys.py", ""),
    ],
)
def test_a_changed_file_leads_to_the_tests_that_import_or_name_it(file: str, expected: str) -> None:
    found = related(file, TEXTS)
    assert found == {f"tests/test_{name}.py" for name in expected.split()}


def test_a_changed_test_is_run_itself_and_a_changed_notebook_is_read_too() -> None:
    assert themselves(["tests/test_one.py", "tests/helper.py", "README.md"]) == {
        "tests/test_one.py"
    }
    notebook = "notebooks/05-images.ipynb"
    assert themselves([notebook]) == {notebook, "tests/test_notebooks.py"}


def test_what_only_imports_the_change_is_left_out_when_the_time_is_used_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    costs = {"test_one.py": 100.0, "test_two.py": 40.0, "test_four.py": 30.0}
    costs |= {"test_style.py": 15.0, "test_plan.py": 5.0}
    monkeypatch.setattr(quick.budget, "seconds", lambda path: costs[path.name])
    monkeypatch.setattr(quick, "SECONDS", 100.0)
    taken, late = chosen(["kernelbox/images/store.py"], TEXTS)
    always = ["tests/test_plan.py", "tests/test_style.py"]
    assert taken == [*always, "tests/test_four.py", "tests/test_two.py"]
    assert late == ["tests/test_one.py"]
    # What has changed itself is run, whatever it takes.
    assert "tests/test_one.py" in chosen(["tests/test_one.py"], TEXTS)[0]


def test_a_working_tree_counts_before_the_last_commit(tmp_path: Path) -> None:
    def git(*words: str) -> None:
        own = ("-c", "user.name=x", "-c", "user.email=x@localhost", "-c", "commit.gpgsign=false")
        subprocess.run(["git", "-C", tmp_path, *own, *words], check=True, capture_output=True)

    git("init")
    for name in ("first", "second", "third"):
        (tmp_path / name).write_text(name)
    git("add", "first")
    git("commit", "-m", "first")
    assert changed(tmp_path) == ["second", "third"]  # new files
    git("add", "second", "third")
    git("commit", "-m", "second and third")
    assert changed(tmp_path) == ["second", "third"]  # of the last commit
    (tmp_path / "first").write_text("again")
    (tmp_path / "second").unlink()
    git("add", "first")
    assert changed(tmp_path) == ["first"]  # what is no longer there is not run
