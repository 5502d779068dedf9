"""What the runtime-spec has added since 1.2: memory policies, and links that a container is given.

Source of each: OCI runtime-spec, config-linux.md, by its sections.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import looking
from tests.engine import Engine

NUMA_MAPS = Path("/proc/self/numa_maps")


@pytest.mark.skipif(not NUMA_MAPS.exists(), reason="this kernel is not made for NUMA")
def test_which_memory_it_gets(engine: Engine) -> None:
    """Section "Memory policy": of the first program, and of those that `exec` adds."""
    engine.config["process"]["args"] = ["sleep", "1000"]
    for policy, wanted in (
        ({"mode": "MPOL_INTERLEAVE", "nodes": "0"}, "interleave:0"),
        ({"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"]}, "bind=static:0"),
        ({"mode": "MPOL_PREFERRED", "nodes": "0", "flags": ["MPOL_F_RELATIVE_NODES"]},
         "prefer=relative:0"),
        ({"mode": "MPOL_DEFAULT"}, "default"),
        (None, "default"),
    ):  # fmt: skip
        engine.config["linux"]["memoryPolicy"] = policy
        pid = engine.create("numa")
        engine.ok("start", "numa")
        told = [Path(f"/proc/{pid}/numa_maps").read_text()]
        told.append(engine.ok("exec", "numa", "cat", "/proc/self/numa_maps"))
        assert {line.split()[1] for text in told for line in text.splitlines()} == {wanted}
        engine.ok("delete", "--force", "numa")
    for policy, said in (
        ({}, "memoryPolicy.mode must be"),
        ({"mode": "INTERLEAVE", "nodes": "0"}, "one of MPOL_DEFAULT"),
        ({"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_OTHER"]}, "MPOL_F_STATIC_NODES"),
        ({"mode": "MPOL_DEFAULT", "nodes": "0-7"}, "EINVAL"),
        ({"mode": "MPOL_BIND", "nodes": "0-9876543210"}, "list of memory nodes"),
        ({"mode": "MPOL_BIND"}, "EINVAL"),
    ):
        engine.config["linux"]["memoryPolicy"] = policy
        assert said in engine.refused("create", "--bundle", engine.bundle, "bad"), policy


def test_what_personality_exec_has(engine: Engine) -> None:
    """Section "Personality"; runc, "personality with exec": the container's."""
    if os.uname().machine == "x86_64":
        engine.config["linux"]["personality"] = {"domain": "LINUX32"}
    pid = _sleeping(engine, "like")
    seen = engine.ok("exec", "like", "cat", "/proc/self/personality")
    assert seen == Path(f"/proc/{pid}/personality").read_text()


def _sleeping(engine: Engine, name: str) -> int:
    engine.config["process"]["args"] = ["sleep", "1000"]
    pid = engine.create(name)
    engine.ok("start", name)
    return pid


@pytest.fixture
def cable() -> Iterator[tuple[str, str]]:
    """A veth pair on the host; the first end is to be given away, and takes the other with it."""
    ends = f"kbh{os.getpid() % 10**6}a", f"kbh{os.getpid() % 10**6}b"
    _ip("link", "add", ends[0], "type", "veth", "peer", "name", ends[1])
    yield ends
    subprocess.run(["ip", "link", "del", ends[1]], stderr=subprocess.DEVNULL, check=False)


def _ip(*words: str, inside: int = 0) -> str:
    enter = ["nsenter", "--net", "-t", str(inside)] if inside else []
    return subprocess.run(
        [*enter, "ip", *words], stdout=subprocess.PIPE, text=True, check=True
    ).stdout


def _links(pid: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(_ip("-json", "address", "show", inside=pid))
    return [one for one in found if one["ifname"] != "lo"]


def test_a_link_of_the_hosts_is_handed_over(engine: Engine, cable: tuple[str, str]) -> None:
    """Section "Network Devices": its attributes and lasting addresses come along; it is up."""
    given, other = cable
    _ip("link", "set", given, "mtu", "1434", "address", "02:11:22:33:44:55", "up")
    for words in ("192.0.2.7/24", "2001:db8::7/64", "127.0.0.33/32 scope host"):
        _ip("address", "add", *words.split(), "dev", given)
    _ip("address", "add", "192.0.2.9/32", "dev", given, "valid_lft", "900", "preferred_lft", "900")
    engine.config["linux"]["netDevices"] = {given: {"name": "inside0"}}
    pid = _sleeping(engine, "linked")
    (link,) = _links(pid)
    assert (link["ifname"], link["mtu"], link["address"]) == ("inside0", 1434, "02:11:22:33:44:55")
    assert "UP" in link["flags"]
    lasting = {one["local"] for one in link["addr_info"] if one["scope"] == "global"}
    assert lasting == {"192.0.2.7", "2001:db8::7"}
    assert "127.0.0.33" not in str(link)
    assert given not in _ip("-brief", "link") and other in _ip("-brief", "link")
    assert "inside0" in engine.ok("exec", "linked", "cat", "/proc/net/dev")
    engine.ok("delete", "--force", "linked")
    looking.soon(lambda: other not in _ip("-brief", "link"))


def test_a_link_stays_in_a_namespace_of_others(engine: Engine, cable: tuple[str, str]) -> None:
    """Section "Namespace Lifecycle": the runtime MUST NOT move it out again; names are checked."""
    given, _ = cable
    linux = engine.config["linux"]
    with subprocess.Popen(["unshare", "--net", "sleep", "1000"]) as owner:
        looking.soon(lambda: Path(f"/proc/{owner.pid}/comm").read_text() == "sleep\n")
        for name in ("eth0", "eth1"):
            _ip("link", "add", name, "type", "bridge", inside=owner.pid)
        kinds = [one for one in linux["namespaces"] if one["type"] != "network"]
        linux["namespaces"] = [*kinds, {"type": "network", "path": f"/proc/{owner.pid}/ns/net"}]
        for name, wanted, said in (
            (given, "eth1", "already"),
            ("nothing", "eth5", "no link nothing"),
            ("lo", "lo1", "EINVAL"),
            (given, "much/too/wrong", "name of a link"),
            (given, "a-name-much-too-long", "at most 15 bytes"),
        ):
            linux["netDevices"] = {name: {"name": wanted}}
            assert said in engine.refused("create", "--bundle", engine.bundle, "bad"), wanted
            assert given in _ip("-brief", "link")
        linux["netDevices"] = {given: {"name": "eth%d"}}
        _sleeping(engine, "linked")
        engine.ok("delete", "--force", "linked")
        assert {one["ifname"] for one in _links(owner.pid)} == {"eth0", "eth1", "eth2"}
        linux["namespaces"] = kinds
        assert "network namespace" in engine.refused("create", "--bundle", engine.bundle, "bad")
        owner.kill()


def test_features_tell_of_both(engine: Engine) -> None:
    """features-linux.md, "MemoryPolicy", "NetDevices"."""
    told = json.loads(engine.ok("features"))
    assert told["linux"]["netDevices"] == {"enabled": True}
    assert {"MPOL_BIND", "MPOL_WEIGHTED_INTERLEAVE"} <= set(told["linux"]["memoryPolicy"]["modes"])
    assert re.fullmatch(r"1\.3\.\d", told["ociVersionMax"])
