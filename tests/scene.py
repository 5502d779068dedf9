"""A scene: network namespaces that play the host, the world outside, and containers.

    outside  198.51.100.2 --- 198.51.100.1  host  172.29.0.1 --- 172.29.0.2  container

The code under test runs inside the scene's host, so that nothing happens to the real one; `ip`,
`nft`, `ping` and sockets look at what came out of it.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import shlex
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from kernelbox import network
from kernelbox.kernel import netlink
from kernelbox.network.link_names import Bridge

IDS = [f"{digit}" * 64 for digit in "123456789abcdef"]
Record = Callable[[str, str], None]


def nothing(kind: str, name: str) -> None:
    """Do not write anything down."""


class Inside:
    """A network namespace that a process is in."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def run(self, command: str) -> str:
        """Run a command in it; return what it prints."""
        words = ["nsenter", "-t", str(self.pid), "-n", *shlex.split(command)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def ip(self, command: str) -> list[dict[str, Any]]:
        """Return what `ip` says about it."""
        found: list[dict[str, Any]] = json.loads(self.run(f"ip -json -details {command}") or "[]")
        return found

    def link(self, name: str) -> dict[str, Any]:
        (found,) = [link for link in self.ip("link show") if link.get("ifname") == name]
        return found

    def links(self) -> set[str]:
        return {link["ifname"] for link in self.ip("link show")}

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Be in it: the code of the block, and the sockets it opens."""
        fd = os.open(f"/proc/{self.pid}/ns/net", os.O_RDONLY)
        try:
            with netlink.inside(fd):
                yield
        finally:
            os.close(fd)

    def socket(self, kind: int = socket.SOCK_STREAM, family: int = socket.AF_INET) -> socket.socket:
        with self.entered():
            opened = socket.socket(family, kind)
        opened.settimeout(5)
        return opened

    def listener(self, at: tuple[str, int]) -> socket.socket:
        listener = self.socket(family=family_of(at))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(at)
        listener.listen()
        return listener

    def setting(self, key: str, value: str | None = None) -> str:
        """Read or write a setting below /proc/sys/net in it."""
        with self.entered():
            if value is not None:
                with open(f"/proc/sys/net/{key}", "w") as file:
                    file.write(value)
            with open(f"/proc/sys/net/{key}") as file:
                return file.read().strip()


def family_of(at: tuple[str, int]) -> int:
    """Return AF_INET6 for an address with colons, and otherwise AF_INET."""
    return socket.AF_INET6 if ":" in at[0] else socket.AF_INET


class Namespace(Inside):
    """A network namespace, held by a process that sleeps in it."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
        super().__init__(self.process.pid)
        ours = os.readlink("/proc/self/ns/net")
        while os.readlink(f"/proc/{self.pid}/ns/net") == ours:
            time.sleep(0.001)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


class Scene:
    """Namespaces for the host, the world outside, and containers."""

    def __init__(self) -> None:
        self.host = Namespace()
        self.outside = Namespace()
        self.made = [self.host, self.outside]
        self.host.run("ip link set lo up")
        self.host.setting("ipv4/ip_forward", "0")
        self.plug(self.outside, "198.51.100")
        self.host.run("ip route add default via 198.51.100.2")

    def plug(self, other: Namespace, network: str) -> None:
        """Lay a cable from the host to `other`, and let that one use the host as its router."""
        name = "up" + network.replace(".", "")[-6:]
        self.host.run(f"ip link add {name} type veth peer name eth0 netns {other.pid}")
        self.host.run(f"ip address add {network}.1/24 dev {name}")
        self.host.run(f"ip link set {name} up")
        other.run("ip link set lo up")
        other.run(f"ip address add {network}.2/24 dev eth0")
        other.run("ip link set eth0 up")

    def prepare(self, record: Record = nothing) -> Bridge:
        with self.host.entered():
            return network.prepare(record)

    def container(
        self, container_id: str, ports: list[str] | None = None, record: Record = nothing
    ) -> tuple[Namespace, str]:
        """Make a container's network; return its namespace and address."""
        bridge = self.prepare()
        namespace = Namespace()
        self.made.append(namespace)
        with self.host.entered():
            address = network.lease(bridge, container_id, record)
            network.connect(bridge, namespace.pid, container_id, address, record)
            network.publish(bridge, container_id, address, ports or [], record)
            end = network.Endpoint(container_id, address, [], network.mac_address(address))
            network.add(bridge.network, end, record)
        return namespace, address

    def release(self, kind: str, name: str) -> None:
        with self.host.entered():
            network.release[kind](name)

    def note(self) -> Path:
        """Where kernelbox notes that it has turned on forwarding in the host's namespace."""
        inode = os.stat(f"/proc/{self.host.pid}/ns/net").st_ino
        return Path(f"/run/kernelbox-forwards-{inode}")

    def notes(self) -> list[Path]:
        """The notes about both switches, of IPv4 and of IPv6."""
        return [self.note(), Path(str(self.note()).replace("-forwards-", "-forwards6-"))]

    def tables(self) -> list[str]:
        return [line for line in self.host.run("nft list tables").splitlines() if line]

    def close(self) -> None:
        for note in self.notes():
            note.unlink(missing_ok=True)
        for namespace in self.made:
            namespace.close()


def talk(server: Inside, at: tuple[str, int], client: Inside, to: tuple[str, int]) -> str:
    """Send a word over TCP from `client` to `to`, where `server` listens `at`; who was it from?"""
    with server.listener(at) as listener, client.socket(family=family_of(to)) as caller:
        caller.connect(to)
        accepted, peer = listener.accept()
        with accepted:
            caller.sendall(b"hello")
            assert accepted.recv(16) == b"hello"
            accepted.sendall(b"and back")
            assert caller.recv(16) == b"and back"
    return str(peer[0])


def refuses(client: Inside, to: tuple[str, int]) -> bool:
    """Whether nobody answers at `to`."""
    with client.socket(family=family_of(to)) as caller:
        caller.settimeout(0.5)
        try:
            caller.connect(to)
        except OSError:
            return True
    return False


def run_in_parallel(jobs: list[tuple[Callable[..., None], tuple[Any, ...]]]) -> None:
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=function, args=arguments) for function, arguments in jobs]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * len(workers)
