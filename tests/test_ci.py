"""`.ci/run`: both halves run and count, the closing line is the last, and nothing stays behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests import looking
from tests.store_notebooks import TOP

MAKE = """#!/bin/bash
echo "$*" >>made
case $1 in
test) until [ ! "$VM_FIRST" ] || [ -e over ]; do sleep 0.01; done
      [ ! "$VM_FIRST" ] || sleep 0.5
      echo '.... [100%]'; echo '===== 4 passed, 1 skipped in 9.87s ====='; touch over; exit $TEST ;;
vm-test) until [ "$VM_FIRST" ] || [ -e over ]; do sleep 0.01; done
         [ "$VM_FIRST" ] || sleep 0.5 # the other one has been waited for by then
         echo '===== 2 passed in 1.23s ====='; touch over; exit $VM ;;
esac
"""
CLOSING = "===== 4 passed, 1 skipped in 9.87s ====="


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout of nothing but the script, with a make that only says what it is asked for."""
    copy = tmp_path / "checkout"
    shutil.copytree(TOP / ".ci", copy / ".ci")
    (copy / "bin").mkdir()
    make = copy / "bin/make"
    make.write_text(MAKE)
    make.chmod(0o755)
    return copy


def start(checkout: Path, test: int, vm: int, vm_first: str) -> subprocess.Popen[str]:
    own = {"PATH": f"{checkout}/bin:{os.environ['PATH']}", "TMPDIR": str(checkout)}
    how = {"TEST": str(test), "VM": str(vm), "VM_FIRST": vm_first}
    return subprocess.Popen(
        [checkout / ".ci/run"],
        env={**os.environ, **own, **how},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.parametrize("vm_first", ["", "yes"])
@pytest.mark.parametrize(("test", "vm", "status"), [(0, 0, 0), (2, 0, 2), (0, 3, 3), (2, 3, 2)])
def test_both_run_and_count_whichever_ends_first(
    checkout: Path, test: int, vm: int, status: int, vm_first: str
) -> None:
    running = start(checkout, test, vm, vm_first)
    said, _ = running.communicate()
    assert running.returncode == status, said
    made = (checkout / "made").read_text().splitlines()
    assert made[0].startswith("setup ")
    assert sorted(made[1:]) == ["test", "vm-test NICE=19"]
    assert f"make test ended with {test}, make vm-test with {vm}, after 0 min" in said
    assert said.splitlines()[-1] == CLOSING
    assert "===== 2 passed in 1.23s =====" in said
    assert "NEAR HALF" not in said and "wait:" not in said


def test_a_long_run_is_told_loudly(checkout: Path) -> None:
    script = checkout / ".ci/run"
    script.write_text(script.read_text().replace("LIMIT=90 ", "LIMIT=0 "))
    said, _ = start(checkout, 0, 0, "yes").communicate()
    assert "THIS IS NEAR HALF of the 0 min" in said
    assert said.splitlines()[-1] == CLOSING


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_reaches_all_that_was_started(
    checkout: Path, number: signal.Signals
) -> None:
    (checkout / "bin/make").write_text(
        '#!/bin/bash\n[ "$1" = setup ] || { sleep 1000 & echo $! >"$1"; wait; }\n'
    )
    running = start(checkout, 0, 0, "")
    sleeping = [checkout / "test", checkout / "vm-test"]
    assert looking.soon(lambda: all(one.exists() and one.read_text() for one in sleeping))
    pids = [int(one.read_text()) for one in sleeping]
    running.send_signal(number)
    said, _ = running.communicate(timeout=looking.PATIENCE)
    assert running.returncode == 130, said
    assert looking.soon(lambda: not any(map(looking.is_alive, pids)))
    assert not list(checkout.glob("tmp.*"))
