"""Several processes that run the tests side by side: `--workers N`.

Half of what a test takes is waiting, so three on two processors are more than twice as fast as one.
The first process collects, hands out and reports, as if it had run everything itself. When all is
collected it forks the workers: each gets one unit after the other, the longest first, and has a
temporary directory, and so a kernelbox root, of its own. A unit is the tests of one file; the
notebooks are one unit together, because their outputs are stored for one root's name.

A test marked `alone` has the machine for itself: it comes last, when the other workers have nothing
to do any more. What the tests of a session share ends after that, one worker after the other. So
what several roots share on a host, as the switch for forwarding, does not change under a test.
What failed beside others is tried again then, if it may be: see `unsteady`.

This is what pytest-xdist does, but that its workers have a second thread, and a process with
threads must neither fork nor clone as some tests here do. Python 3.12 warns of it, and a warning is
an error. Source: fork(2), "NOTES"; Python, os.fork().
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import traceback
import warnings
from collections import deque
from itertools import accumulate, count, pairwise
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path
from typing import Any, NoReturn

import pytest
from _pytest.config import create_terminal_writer

from tests import budget
from tests.command import Kernelbox
from tests.unsteady import SecondTries

LATE = "test_vm.py"
OTHERS_HAVE_ENDED = pytest.StashKey[bool]()


def are_others_running(config: pytest.Config) -> bool:
    """Whether another worker of this run may still use what a host has once."""
    return not config.stash.get(OTHERS_HAVE_ENDED, True)


def unit_of(item: pytest.Item) -> str:
    """Return the name of the unit that a test belongs to: one worker runs all of it, in order."""
    path = item.path
    return "the notebooks" if path.suffix == ".ipynb" else path.name


def units(items: list[pytest.Item], *, alone: bool = False) -> deque[list[int]]:
    """Return the units as the places of their tests in `items`, the longest unit first.

    Args:
        items: All tests.
        alone: Whether the units are of those tests that must have the machine for themselves, or of
            all the others.

    But for the one that boots an image, which may be in the making when the tests begin: its turn
    comes when half of all is given out.
    """
    found: dict[str, list[int]] = {}
    files: dict[str, set[Path]] = {}
    for place, item in enumerate(items):
        if (item.get_closest_marker("alone") is not None) != alone:
            continue
        found.setdefault(unit_of(item), []).append(place)
        files.setdefault(unit_of(item), set()).add(item.path)
    seconds = {name: sum(map(budget.seconds, paths)) for name, paths in files.items()}
    order = sorted(found, key=lambda name: -seconds[name])
    if LATE in order:
        order.remove(LATE)
        before = accumulate(seconds[name] for name in order)
        half = sum(1 for given in before if given <= sum(seconds.values()) / 2)
        order.insert(half, LATE)
    return deque(found[name] for name in order)


class TheEnd(pytest.Item):
    """What follows a worker's last test: with it, what the tests of a session share ends."""

    def runtest(self) -> None:
        """Do nothing: what counts comes after it."""


class Worker:
    """A forked process, as the first one sees it.

    Attributes:
        pid: Its pid.
        base: Its temporary directory.
        link: Gives units out, and brings reports back.
        running: The test that it is at; None between two.
        is_idle: Whether it waits for a unit.
    """

    def __init__(self, pid: int, base: Path, link: Connection) -> None:
        self.pid = pid
        self.base = base
        self.link = link
        self.running: str | None = None
        self.is_idle = False


class Front:
    """The plugin of the first process.

    Args:
        count: How many workers there are to be.
        second_tries: Whoever knows what failed beside others, and is to be run again alone.
    """

    def __init__(self, count: int, second_tries: SecondTries) -> None:
        self.count = count
        self._second_tries = second_tries

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        """Run all that was collected in the workers.

        Raises:
            KeyboardInterrupt: SIGINT or SIGTERM came; the workers have cleaned up.
        """
        if session.testsfailed or session.config.option.collectonly:
            return None  # pytest's own loop says so
        reporter = session.config.pluginmanager.get_plugin("terminalreporter")
        assert reporter is not None
        reporter.showfspath = False  # the results of several files come at once
        base = session.config._tmp_path_factory.getbasetemp()
        workers: list[Worker] = []
        before = signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            for number in range(self.count):
                workers.append(self._fork(session, base / f"w{number}", workers))
            self._hand_out(session, workers)
        finally:
            for worker in workers:
                os.kill(worker.pid, signal.SIGINT)
            for worker in list(workers):
                self._see_off(session, worker, workers)
            signal.signal(signal.SIGTERM, before)
        return True

    def _fork(self, session: pytest.Session, base: Path, others: list[Worker]) -> Worker:
        here, there = Pipe()
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            here.close()
            for other in others:
                other.link.close()
            run(session, there, base)
        there.close()
        return Worker(pid, base, here)

    def _hand_out(self, session: pytest.Session, workers: list[Worker]) -> None:
        left = units(session.items)
        last = units(session.items, alone=True)
        again: deque[list[int]] | None = None  # known when all the others have ended
        while workers:
            if all(worker.is_idle for worker in workers) and not left:
                workers[0].is_idle = False
                if not last and again is None:
                    last = again = self._second_tries.units(session.items)
                order = ("run", last.popleft()) if last else ("end", len(workers) == 1)
                workers[0].link.send(order)
            for worker in workers:
                if worker.is_idle and left:
                    worker.is_idle = False
                    worker.link.send(("run", left.popleft()))
            for link in wait([worker.link for worker in workers]):
                [worker] = [one for one in workers if one.link is link]
                try:
                    self._take(session.config, worker, *worker.link.recv())
                except EOFError:
                    self._see_off(session, worker, workers)
            if session.shouldfail:
                raise session.Failed(session.shouldfail)
            if session.shouldstop:
                raise session.Interrupted(session.shouldstop)

    def _take(self, config: pytest.Config, worker: Worker, what: str, told: Any) -> None:
        """Pass on what a worker tells, as if it had happened here."""
        if what == "idle":
            worker.is_idle = True
        elif what == "begun":
            worker.running = told["nodeid"]
        elif what == "over":
            worker.running = None
            config.hook.pytest_runtest_logfinish(**told)
        elif what == "warned":
            text, place, nodeid = told
            said = warnings.WarningMessage(Warning(text), Warning, *place)
            config.hook.pytest_warning_recorded.call_historic(
                kwargs={
                    "warning_message": said,
                    "nodeid": nodeid,
                    "when": "runtest",
                    "location": None,
                }
            )
        else:
            report = config.hook.pytest_report_from_serializable(config=config, data=told)
            self._second_tries.puts_off(report)
            config.hook.pytest_runtest_logreport(report=report)

    def _see_off(self, session: pytest.Session, worker: Worker, workers: list[Worker]) -> None:
        """Wait until a worker has ended. Whoever ends in the middle of a test has failed it.

        And it has cleaned up nothing.
        """
        workers.remove(worker)
        with contextlib.suppress(EOFError):
            while True:
                worker.link.recv()  # nobody needs what is told by whoever was interrupted
        _, status = os.waitpid(worker.pid, 0)
        worker.link.close()
        if status:
            for ledger in worker.base.glob("*/root/host/ledger"):
                Kernelbox(ledger.parent.parent)("reset")
            report = pytest.TestReport(
                nodeid=worker.running or "a worker",
                location=(worker.running or "a worker", None, ""),
                keywords={},
                outcome="failed",
                longrepr=f"its worker has ended with {os.waitstatus_to_exitcode(status)}",
                when="call",
            )
            session.config.hook.pytest_runtest_logreport(report=report)


def run(session: pytest.Session, link: Connection, base: Path) -> NoReturn:
    """Be a worker: run units until there are no more, or whoever gives them out has gone."""
    status = 1
    try:
        os.setpgid(0, 0)  # a Ctrl-C is for the first process, which passes it on
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        config = session.config
        config.stash[OTHERS_HAVE_ENDED] = False
        base.mkdir(mode=0o700)
        config._tmp_path_factory._basetemp = base
        reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
        silent = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 (as long as the process)
        reporter._tw = create_terminal_writer(config, silent)
        capture: Any = config.pluginmanager.get_plugin("capturemanager")
        capture.stop_global_capturing()  # its files are the first process's, too
        capture.start_global_capturing()
        config.pluginmanager.register(Teller(config, link))
        _work(session, link, base)
        status = 0
    except (KeyboardInterrupt, EOFError, BrokenPipeError):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        with contextlib.suppress(BrokenPipeError):
            session._setupstate.teardown_exact(None)
        status = 0
    except BaseException:
        traceback.print_exc(file=sys.__stderr__)
    finally:
        os._exit(status)


def _work(session: pytest.Session, link: Connection, base: Path) -> None:
    end = TheEnd.from_parent(session, name="the end", nodeid="the end")
    for number in count():
        # A unit begins without a student's record: on a second try an exercise has had no attempts.
        os.environ["KERNELBOX_PROGRESS"] = str(base / f"progress-{number}.json")
        link.send(("idle", None))
        order, told = link.recv()
        if order == "end":
            session.config.stash[OTHERS_HAVE_ENDED] = told
            session.config.hook.pytest_runtest_protocol(item=end, nextitem=None)
            return
        # After its last one a file's own things end, and those of the session stay.
        for item, following in pairwise([*(session.items[place] for place in told), end]):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if session.shouldfail or session.shouldstop:
                link.recv()  # the first process knows, and interrupts


class Teller:
    """The plugin of a worker: it tells the first process what happens."""

    def __init__(self, config: pytest.Config, link: Connection) -> None:
        self.config = config
        self.link = link

    def pytest_runtest_logstart(self, nodeid: str, location: tuple[str, int | None, str]) -> None:
        """Tell which test begins."""
        self.link.send(("begun", {"nodeid": nodeid, "location": location}))

    def pytest_runtest_logfinish(self, nodeid: str, location: tuple[str, int | None, str]) -> None:
        """Tell that it is over."""
        self.link.send(("over", {"nodeid": nodeid, "location": location}))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Tell how a part of it went; of what is no test, only what went wrong."""
        if report.nodeid != "the end" or report.failed:
            data = self.config.hook.pytest_report_to_serializable(config=self.config, report=report)
            self.link.send(("report", data))

    def pytest_warning_recorded(
        self, warning_message: warnings.WarningMessage, when: str, nodeid: str
    ) -> None:
        """Tell of a warning; the first process knows those from before the fork."""
        if when == "runtest":
            place = (warning_message.filename, warning_message.lineno)
            self.link.send(("warned", (str(warning_message.message), place, nodeid)))
