"""A second try, alone, for a test that failed beside others: `--second-tries N`.

Every test here is about one kernel that others use meanwhile: two more workers, and in continuous
integration two emulated machines. So one of four thousand fails now and then by what its neighbours
did to its clock. When all the others have ended it is run again, on a quiet machine. What fails
then has failed. (An emulated machine has the rest of its host for a neighbour, and gives a second
try as well.) What passes then is *unsteady*: it does not fail the run, and the run ends with all
that it said at first, because it is a race of the test's or of kernelbox's, to be found and mended.

More failures than N are no bad luck: then nothing is tried again.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import pytest


class SecondTries:
    """The plugin of the first process that knows what failed at first.

    Args:
        most: How many tests may be tried again.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._is_second = False
        self._failed: dict[str, list[pytest.TestReport]] = {}

    def puts_off(self, report: pytest.TestReport) -> None:
        """Leave a failure to the second try, if there is to be one: the report fails nothing."""
        is_new = report.nodeid not in self._failed
        if self._is_second or not report.failed or (is_new and len(self._failed) >= self._most):
            return
        self._failed.setdefault(report.nodeid, []).append(report)
        report.outcome = "unsteady"  # type: ignore[assignment]  # a word of our own

    def units(self, items: list[pytest.Item]) -> deque[list[int]]:
        """Return what is to run again, as places in `items`; from now on a failure is one.

        A cell of a notebook needs those before it, so all of the notebook runs again.
        """
        self._is_second = True
        found: dict[str, list[int]] = {}
        notebooks = {one.path for one in items if one.nodeid in self._failed and is_cell(one)}
        for place, item in enumerate(items):
            if item.path in notebooks:
                found.setdefault(str(item.path), []).append(place)
            elif item.nodeid in self._failed:
                found[item.nodeid] = [place]
        return deque(found.values())

    def pytest_report_teststatus(self, report: Any) -> tuple[str, str, str] | None:
        """Count what failed at first by itself, beside those that have passed and failed."""
        return ("unsteady", "U", "UNSTEADY") if report.outcome == "unsteady" else None

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print what each of them said when it failed."""
        for nodeid, reports in self._failed.items():
            terminalreporter.section(f"failed at first: {nodeid}", sep="-", yellow=True)
            for report in reports:
                terminalreporter.write_line(report.longreprtext)


def is_cell(item: pytest.Item) -> bool:
    """Whether a test is a cell of a notebook."""
    return item.path.suffix == ".ipynb"
