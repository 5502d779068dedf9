"""The agent as a service: for each connection to a socket an agent, as systemd starts them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernelbox import lab
from kernelbox.lab import connect
from tests import looking

AGENT = [sys.executable, "-I", "-m", "kernelbox.agent"]


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """A socket that is served as `Accept=yes` and `StandardInput=socket` say; the agents' pids."""
    place = tmp_path / "agent.sock"
    agents: list[subprocess.Popen[bytes]] = []
    pids: list[int] = []
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(str(place))
    listener.listen()

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:  # it was shut down
                return
            with connection:
                agents.append(subprocess.Popen(AGENT, stdin=connection, stdout=subprocess.DEVNULL))
                pids.append(agents[-1].pid)

    thread = threading.Thread(target=accept)
    thread.start()
    monkeypatch.setenv(connect.SOCKET, str(place))
    yield pids
    listener.shutdown(socket.SHUT_RDWR)
    thread.join()
    listener.close()
    for agent in agents:
        agent.wait()


def test_a_lab_is_opened_through_the_socket_of_a_service(
    service: list[int], capfd: pytest.CaptureFixture[str]
) -> None:
    box = lab.start()
    try:
        assert service == [box.agent]
        assert box.run("busybox", "echo hello").stdout == "hello\n"
        held = box.hold()
        assert int(looking.status(held.pid)["PPid"]) == box.agent
        assert repr(box) == "<the lab is open>"
    finally:
        box.close()
    assert repr(box) == "<the lab is closed>"
    assert not looking.is_alive(box.agent)
    box.close()  # twice is fine


def test_every_lab_has_an_agent_of_its_own(service: list[int]) -> None:
    boxes = [lab.Lab(), lab.Lab()]
    try:
        assert len(set(service)) == 2
        assert {box.agent for box in boxes} == set(service)
        boxes[0].close()
        assert not looking.is_alive(boxes[0].agent)
        assert boxes[1].hold().pid
    finally:
        for box in boxes:
            box.close()


def test_an_agent_of_the_service_that_is_killed_is_noticed(service: list[int]) -> None:
    box = lab.start()
    os.kill(box.agent, signal.SIGKILL)
    with pytest.raises(lab.LabError):
        box.hold()
    assert looking.soon(lambda: repr(box) == "<the lab is closed>")


def test_a_socket_that_is_not_there_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(connect.SOCKET, str(tmp_path / "none.sock"))
    with pytest.raises(lab.LabError, match=r"none\.sock cannot be used: No such file") as refusal:
        lab.start()
    assert "systemctl" in refusal.value.hint
