"""Run every notebook and store what it prints: `python -m tests.store_notebooks [NAME ...]`.

What is stored here, `make test` compares. Nothing is stored that changes without a reason: no
times, no widget state, no version of Python; and an output that differs from the one stored before
only in what nbval passes over (tests/nbval-sanitize.cfg) is left as it was. Of a cell that is not
compared at all, the output is left as it was: clear it to have it stored anew.

The notebooks run below a root of their own (`KERNELBOX_ROOT`), so that the chapter on `kernelbox
reset` takes nothing away from whoever stores them.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

from tests.command import NOTEBOOKS_ROOT

TOP = Path(__file__).resolve().parent.parent
NOTEBOOKS = TOP / "notebooks"
PATIENCE = 120  # seconds for one cell
OPT_OUT = "nbval-ignore-output"  # nbval's tag for a cell whose output it shall not compare
WIDGET = "application/vnd.jupyter.widget-view+json"
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


@cache
def patterns() -> list[tuple[str, str]]:
    """Return the regexes that nbval replaces before it compares, and with what."""
    text = (TOP / "tests/nbval-sanitize.cfg").read_text(encoding="utf-8")
    return re.findall(r"^regex: (.*)$\n^replace: (.*)$", text, flags=re.MULTILINE)


def store(file: Path) -> None:
    """Run one notebook in its directory, and write its outputs into it.

    Raises:
        CellExecutionError: A cell failed; the file is left as it was.
    """
    notebook = nbformat.read(file, as_version=4)
    before = {cell.id: cell.outputs for cell in notebook.cells if cell.cell_type == "code"}
    NotebookClient(
        notebook,
        timeout=PATIENCE,
        store_widget_state=False,
        record_timing=False,
        coalesce_streams=True,
        extra_arguments=["--log-level=ERROR"],  # it would warn that it is reached through TCP
        resources={"metadata": {"path": str(file.parent)}},
    ).execute()
    notebook.metadata = nbformat.from_dict(METADATA)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            for output in cell.outputs:
                # The widget ends with this kernel; without the word of it, a page shows the twin.
                for part in ("data", "metadata"):
                    output.get(part, {}).pop(WIDGET, None)
            cell.outputs = settled(cell, before[cell.id])
            for output in cell.outputs:
                if "execution_count" in output:
                    output.execution_count = cell.execution_count
    nbformat.write(notebook, file)


def settled(cell: NotebookNode, before: list[NotebookNode]) -> list[NotebookNode]:
    """Return the outputs to store: those from before, if nbval would take these for the same."""
    if OPT_OUT in cell.metadata.get("tags", []):
        return before or cell.outputs
    return before if sanitized(before) == sanitized(cell.outputs) else cell.outputs


def sanitized(value: object) -> object:
    """Return a value as nbval compares it: what it passes over is replaced in every text."""
    if isinstance(value, str):
        for regex, replacement in patterns():
            value = re.sub(regex, replacement, value)
    elif isinstance(value, list):
        return [sanitized(part) for part in value]
    elif isinstance(value, dict):
        return {key: sanitized(part) for key, part in value.items() if key != "execution_count"}
    return value


@contextmanager
def root_of_their_own() -> Iterator[None]:
    """Let kernelbox work below another directory than usual, and leave nothing of it.

    The record of a student's progress is another file, too.
    """
    os.environ["KERNELBOX_ROOT"] = NOTEBOOKS_ROOT
    with tempfile.TemporaryDirectory() as progress:
        os.environ["KERNELBOX_PROGRESS"] = f"{progress}/progress.json"
        try:
            yield
        finally:
            reset = [sys.executable, "-m", "kernelbox", "reset"]
            subprocess.run(reset, check=True, stdout=subprocess.DEVNULL)


def main(names: list[str]) -> int:
    """Store the notebooks whose file names begin with one of `names`; all without any."""
    files = sorted(NOTEBOOKS.glob("*.ipynb"))
    chosen = [file for file in files if not names or file.name.startswith(tuple(names))]
    if not chosen:
        print(f"no notebook is called {' or '.join(names)}. There are:", file=sys.stderr)
        print(*(f"  {file.name}" for file in files), sep="\n", file=sys.stderr)
        return 2
    failed = []
    with root_of_their_own():
        for file in chosen:
            print(f"{file.name}: ", end="", flush=True)
            try:
                store(file)
                print("stored")
            except CellExecutionError as error:
                print(f"failed, and is left as it was:\n{error}")
                failed.append(file)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
