"""Whoever was interrupted walks a chapter again, from the top, and may pass what is further."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

from tests.looking import soon
from tests.store_notebooks import NOTEBOOKS
from tests.test_agent import sleepers
from tests.test_lab import Notebook
from tests.test_notebooks import without_further

CHAPTERS = sorted(NOTEBOOKS.glob("*.ipynb"))


@pytest.mark.parametrize("file", CHAPTERS, ids=[file.stem[:2] for file in CHAPTERS])
def test_a_chapter_interrupted_half_way_runs_from_the_top_without_its_further_part(
    file: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    cells = nbformat.read(file, as_version=4).cells
    sources = [cell.source for cell in cells if cell.cell_type == "code"]
    notebook = Notebook({**environment, "KERNELBOX_PROGRESS": str(tmp_path / "progress")})
    try:
        walk(notebook, sources[: len(sources) // 2])
        agent = notebook.agent()
        before = len(sleepers(agent))
        running = notebook.begin("box.hold().shell('sleep 1000')")
        assert soon(lambda: len(sleepers(agent)) > before)
        notebook.manager.interrupt_kernel()
        assert notebook.end(running).failure["ename"] == "KeyboardInterrupt"
        walk(notebook, without_further(file))  # nbval runs it whole
    finally:
        notebook.close()


def walk(notebook: Notebook, sources: list[str]) -> None:
    """Run cells, none of which may fail."""
    for source in sources:
        cell = notebook.run(source)
        assert not cell.failure, "\n".join([source, *cell.failure["traceback"]])
