"""Snapshots say what ps, findmnt, ip, nft, find and a real ping say, and survive what vanishes.

What stands in a snapshot is compared with the host's own tools, on real containers or in
namespaces made here. Reachability is computed in a snapshot; here the pings are sent.
"""

from __future__ import annotations

import contextlib
import copy
import itertools
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kernelbox.kernel import door, netlink
from kernelbox.kernel.errors import KernelboxError, UsageError
from kernelbox.lab import Lab
from kernelbox.observe import (
    PARTS,
    Change,
    Entry,
    LayerStack,
    Link,
    Mount,
    Network,
    Process,
    Snapshot,
    Usage,
    diff,
    from_json,
    mountinfo,
    network,
    overlays,
    processes,
    snapshot,
    to_json,
    usage,
)
from kernelbox.observe.nftables import parse
from tests import looking
from tests.command import Kernelbox, Running
from tests.looking import enter, inside, namespace, soon, status

TOP = Path(__file__).resolve().parent.parent
KINDS = "cgroup ipc mnt net pid time user uts".split()


def run(*words: str | int | Path, **more: Any) -> str:
    """Run one of the host's programs; return what it prints."""
    done = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, check=False, **more
    )
    assert done.returncode == 0, done
    return done.stdout


def of_process(found: Snapshot, pid: int) -> Process:
    (one,) = [one for one in found.processes if one.pid == pid]
    return one


class Sleeper:
    """A process that sleeps in namespaces of its own, after a shell has prepared them."""

    def __init__(self, kinds: str, script: str = "") -> None:
        words = ["unshare", *kinds.split(), "sh", "-ec", f"{script}\necho; exec sleep infinity"]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE)
        assert self.process.stdout
        assert self.process.stdout.readline() == b"\n", "the script failed"
        self.process.stdout.close()
        self.pid = self.process.pid

    def run(self, command: str, kinds: str = "--net") -> str:
        """Run one of the host's programs in some of its namespaces."""
        return enter(self.pid, kinds, *shlex.split(command))

    def close(self) -> None:
        self.process.kill()
        self.process.wait()

    def observed(self, name: str = "") -> Process:
        """Return it as `processes` would, if it were kernelbox's."""
        spaces = {kind: int(namespace(self.pid, kind)[len(kind) + 2 : -1]) for kind in KINDS}
        return Process(self.pid, 1, self.pid, "sleep", (), "container", name, 0, "/", 0, spaces)


# --- processes ------------------------------------------------------------------------------------


def test_a_process_is_what_ps_says(plain: Running, mapped: Running) -> None:
    found = snapshot(parts=["processes"])
    for container in (plain, mapped):
        init = of_process(found, container.pid)
        monitor = of_process(found, init.ppid)
        assert (init.side, init.container) == ("container", container.id)
        assert (monitor.side, monitor.container) == ("runtime", container.id)
        for one in (init, monitor):
            columns = (
                "pid ppid uid comm cgroupns ipcns mntns netns pidns timens userns utsns".split()
            )
            said = run("ps", "-o", ",".join(f"{c}=" for c in columns), "-p", one.pid).split()
            spaces = [str(one.namespaces[kind]) for kind in KINDS]
            assert said == [str(one.pid), str(one.ppid), str(one.uid), one.name, *spaces]
            assert " ".join(one.command) == run("ps", "-ww", "-o", "args=", "-p", one.pid).strip()
            assert one.capabilities == int(status(one.pid)["CapEff"], 16)
            assert one.inside_pid == int(status(one.pid)["NSpid"].split()[-1])
            groups = Path(f"/proc/{one.pid}/cgroup").read_text().split()
            assert any(line.endswith(f":{one.cgroup}") for line in groups)
        assert init.inside_pid == 1
        assert init.cgroup.endswith(f"/kernelbox/{container.id}")
    assert of_process(found, mapped.pid).uid >= 1 << 16


def test_what_exec_adds_and_the_forks_of_a_container_belong_to_it(
    kernelbox: Kernelbox,
) -> None:
    container = kernelbox.start(
        "--network", "none", "--init", "busybox", "sh", "-c", "sleep 1001 & sleep 1002; true"
    )
    wanted = {f"sleep {number}" for number in (1001, 1002, 1003)}

    def programs() -> dict[str, Process]:
        every = processes.look([container])
        return {" ".join(one.command): one for one in every if one.side == "container"}

    with kernelbox.popen("exec", container, "sleep", "1003") as front:
        try:
            assert soon(lambda: wanted <= programs().keys())
            found = programs()
            assert all(one.container == container for one in found.values())
            assert len(found) == len(wanted) + 2  # and the helper that is PID 1, and the shell
            others = {one.pid: one for one in processes.look([container])}
            attendant = others[found["sleep 1003"].ppid]  # looks after the exec, and has no lock
            assert (attendant.side, attendant.container) == ("runtime", container)
            assert others[front.pid].side == "runtime"
            assert attendant.ppid == front.pid
        finally:
            front.kill()
            kernelbox.ok("rm", "-f", container)


def test_what_an_agent_holds_is_the_runtime_s_and_so_is_what_was_left_behind(box: Lab) -> None:
    held = box.hold()
    held.shell("sleep 1004 >/dev/null 2>&1 &")

    def orphans() -> list[Process]:
        return [one for one in processes.look() if one.command == ("sleep", "1004")]

    assert soon(orphans)
    found = snapshot(parts=["processes"])
    agent = of_process(found, box.agent)
    assert (agent.side, agent.command[-2:]) == ("runtime", ("-m", "kernelbox.agent"))
    assert of_process(found, held.pid).side == "runtime"
    (orphan,) = orphans()
    assert orphan.side == "runtime"
    assert orphan.ppid == agent.pid  # its own parent, a shell, has ended

    held.unshare("uts", "mount")
    changed = {kind for kind in KINDS if namespace(held.pid, kind) != namespace("self", kind)}
    now = of_process(snapshot(parts=["processes"]), held.pid).namespaces
    assert changed == {"uts", "mnt"}
    assert {kind for kind in KINDS if now[kind] != agent.namespaces[kind]} == changed


def test_ancestors_are_there_up_to_the_first_process_but_nobody_s_arguments(
    plain: Running,
) -> None:
    with subprocess.Popen(["sleep", "1005"]) as stranger:
        found = {one.pid: one for one in snapshot(parts=["processes"]).processes}
        assert stranger.pid not in found
        stranger.kill()
    for one in found.values():
        assert one.ppid == 0 or one.ppid in found
        if one.side == "host":
            assert len(one.command) <= 1
    pid = plain.pid
    while pid > 1:
        pid = int(status(pid)["PPid"])
        assert pid in found or pid == 0
    assert not any(one.name.startswith("kworker") for one in found.values())


def test_another_root_s_containers_and_agents_are_not_seen(
    plain: Running, box: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert {plain.pid, box.agent} <= {one.pid for one in snapshot().processes}
    monkeypatch.setenv("KERNELBOX_ROOT", str(tmp_path / "elsewhere"))
    found = snapshot()
    assert not {plain.pid, box.agent} & {one.pid for one in found.processes}
    assert [one.label for one in found.network.namespaces] == ["host"]
    assert (found.processes, found.mounts, found.layers, found.usage) == ((), {}, (), ())


def test_a_snapshot_of_one_container_leaves_out_the_others(plain: Running, mapped: Running) -> None:
    found = snapshot([mapped.id])
    assert {one.container for one in found.processes} == {mapped.id, ""}
    assert [one.container for one in found.layers] == [mapped.id]
    assert [one.container for one in found.usage] == [mapped.id]
    assert [one.container for one in found.network.namespaces] == ["", mapped.id]
    assert found.mounts.keys() <= {one.pid for one in found.processes}


def test_a_zombie_and_a_program_with_a_strange_name_are_seen_as_they_are(
    kernelbox: Kernelbox,
) -> None:
    inner = r'printf "a) \\\\b\\n" > /proc/self/comm; while :; do sleep 1006; done'
    script = f"sh -c '{inner}' & sleep 0 & exec sleep 1007"
    container = kernelbox.start("--network", "none", "busybox", "sh", "-c", script)

    def names() -> list[str]:
        return sorted(one.name for one in processes.look([container]) if one.side == "container")

    assert soon(lambda: names() == ["a) \\b\n", "sleep", "sleep", "sleep"])
    zombie = next(one for one in processes.look([container]) if one.command == ())
    assert status(zombie.pid)["State"].startswith("Z")
    assert "mnt" not in zombie.namespaces
    assert from_json(to_json(zombie), Process) == zombie


# --- mounts ---------------------------------------------------------------------------------------

MOUNTS = """
mount --make-rprivate /
mount -t tmpfs -o size=1m,nosuid base /mnt
mkdir /mnt/shared /mnt/slave /mnt/stuck "/mnt/a b" /mnt/over /mnt/over/below /mnt/twice /mnt/deep
mount -t tmpfs one /mnt/shared && mount --make-shared /mnt/shared
mount --bind /mnt/shared /mnt/slave && mount --make-slave /mnt/slave
mount --bind /mnt/shared /mnt/stuck && mount --make-unbindable /mnt/stuck
mkdir /mnt/shared/both && mount --bind /mnt/shared/both "/mnt/a b" && mount --make-slave "/mnt/a b"
mount --make-shared "/mnt/a b"
mount -t tmpfs below /mnt/over/below && mount -t tmpfs -o ro above /mnt/over
mount -t tmpfs first /mnt/twice && mount -t tmpfs second /mnt/twice
mount -t tmpfs lower /mnt/deep && mkdir /mnt/deep/er && mount -t tmpfs er /mnt/deep/er
mount -t tmpfs upper /mnt/deep
"""


@pytest.fixture
def mounted() -> Iterator[Sleeper]:
    made = Sleeper("--mount --propagation unchanged", MOUNTS)
    yield made
    made.close()


def findmnt(pid: int, *more: str) -> dict[int, dict[str, Any]]:
    """Return what findmnt says of the mounts that a process sees, by their numbers."""
    columns = "ID,PARENT,TARGET,FSROOT,SOURCE,FSTYPE,VFS-OPTIONS,FS-OPTIONS,PROPAGATION"
    text = run("findmnt", "-J", "-l", "-N", pid, "-v", "-o", columns, *more)
    return {int(one["id"]): one for one in json.loads(text)["filesystems"]}


def test_mounts_are_those_of_findmnt(mounted: Sleeper, plain: Running) -> None:
    for pid in (mounted.pid, plain.pid, os.getpid()):
        found = mountinfo.of(pid)
        said = findmnt(pid)
        assert found is not None
        assert {one.id for one in found} == said.keys()
        for one in found:
            theirs = said[one.id]
            assert one.parent == int(theirs["parent"])
            assert (one.point, one.root) == (theirs["target"], theirs["fsroot"])
            assert (one.source, one.kind) == (theirs["source"], theirs["fstype"])
            every = one.options.split(",")
            own = theirs["vfs-options"].split(",")
            assert every[: len(own)] == own
            assert set(theirs["fs-options"].split(",")) - {"rw"} <= set(every)
            words = {re.sub(":.*", "", word) for word in one.propagation.split()}
            assert ",".join(sorted(words)) == ",".join(sorted(_known(theirs["propagation"])))


def _known(propagation: str) -> set[str]:
    """Return findmnt's words for propagation, which says `private,slave` for a plain slave."""
    words = set(propagation.split(","))
    return words - {"private"} if len(words) > 1 else words


def test_propagation_names_the_peer_group(mounted: Sleeper) -> None:
    by_point = {one.point: one for one in mountinfo.of(mounted.pid) or ()}
    (group,) = re.findall(r"^shared:(\d+)$", by_point["/mnt/shared"].propagation)
    assert by_point["/mnt/slave"].propagation == f"slave:{group}"
    assert by_point["/mnt/stuck"].propagation == "unbindable"
    assert re.fullmatch(rf"shared:\d+ slave:{group}", by_point["/mnt/a b"].propagation)
    assert by_point["/mnt"].propagation == "private"
    assert by_point["/mnt/a b"].root == "/both"


def test_a_mount_is_hidden_when_its_files_are_not_those_one_walks_to(mounted: Sleeper) -> None:
    found = [one for one in mountinfo.of(mounted.pid) or () if one.point.startswith("/mnt")]
    hidden = {(one.source, one.point) for one in found if one.hidden and one.point in MOUNTS}
    assert hidden == {
        ("below", "/mnt/over/below"),
        ("first", "/mnt/twice"),
        ("lower", "/mnt/deep"),
        ("er", "/mnt/deep/er"),
    }
    for one in found:  # and the kernel agrees: this is the file system that is at that place
        with contextlib.suppress(FileNotFoundError):
            place = one.point.replace(" ", r"\040")
            device = os.stat(f"/proc/{mounted.pid}/root{one.point}").st_dev
            (line,) = [
                line
                for line in looking.mounts(mounted.pid)
                if (line.source, line.point) == (one.source, place)
            ]
            assert (line.device == f"{os.major(device)}:{os.minor(device)}") is not one.hidden


def test_a_mount_on_the_root_of_everything_hides_what_was_there() -> None:
    other = Sleeper("--mount", "mount -t tmpfs new /")
    try:
        found = mountinfo.of(other.pid) or ()
        assert {one.source for one in found if not one.hidden} == {"new"}
        assert len(found) > 1
    finally:
        other.close()


def test_each_mount_namespace_is_listed_once_under_its_first_process(
    kernelbox: Kernelbox,
) -> None:
    container = kernelbox.start(
        "--network", "none", "busybox", "sh", "-c", "sleep 1008 & sleep 1009"
    )
    init = kernelbox.pid(container)
    assert soon(lambda: len(processes.look([container])) > 3)
    found = snapshot([container], ["processes", "mounts"])
    assert init in found.mounts
    spaces = [of_process(found, pid).namespaces["mnt"] for pid in found.mounts]
    assert len(set(spaces)) == len(spaces)
    assert spaces.count(of_process(found, init).namespaces["mnt"]) == 1
    assert found.mounts[init] == mountinfo.of(init)


# --- layers ---------------------------------------------------------------------------------------

CHANGES = """
echo new > @/new
echo more >> @/etc/group
rm @/etc/passwd
rm -r @/usr/share && mkdir @/usr/share && echo x > @/usr/share/x
rm -r @/home && echo file > @/home
chmod 700 @/var
mkdir -p @/tmp/one/two && ln -s /new @/tmp/one/link && mkfifo @/tmp/one/pipe
touch @/root/empty
"""


@pytest.fixture
def image(tests_root: Path) -> Iterator[tuple[str, Path]]:
    """A container's directory as `run` makes it, with an image of three layers made here."""
    container = os.urandom(6).hex()
    directory = tests_root / "containers" / container
    directory.mkdir(parents=True)
    lower = [tests_root / f"layer-{container}-{number}" for number in (3, 2, 1)]
    trees = {
        1: "mkdir -p etc usr/share/doc var home/user root tmp; seq 100 > etc/passwd;"
        "seq 200 > etc/group; seq 3000 > usr/share/doc/long; ln usr/share/doc/long usr/share/twin;"
        "seq 500 > home/user/letter; seq 700 > var/old; chmod 755 var; ln etc/group etc/kept",
        2: "mkdir -p etc var; seq 150 > etc/passwd; mknod var/old c 0 0; seq 40 > var/new",
        3: "mkdir -p opt var/deep; seq 10 > opt/tool; seq 60 > var/deep/er",
    }
    for path, number in zip(lower, (3, 2, 1), strict=True):
        path.mkdir()
        run("sh", "-ec", trees[number], cwd=path)
    own = {"lowerdirs": [str(path) for path in lower], "image": "three", "created": 1.0}
    (directory / "config.json").write_text(json.dumps({"kernelbox": own}))
    for name in ("upper", "work", "merged"):
        (directory / name).mkdir()
    yield container, directory
    for path in (directory, *lower):
        shutil.rmtree(path)


def in_overlay(directory: Path, script: str) -> str:
    """Run a script with the overlay of a container's directory mounted; `@` is where."""
    lower = ":".join(json.loads((directory / "config.json").read_text())["kernelbox"]["lowerdirs"])
    options = f"lowerdir={lower},upperdir={directory}/upper,workdir={directory}/work"
    mount = f"mount -t overlay overlay -o {options} {directory}/merged"
    there = script.replace("@", f"{directory}/merged")
    return run("unshare", "--mount", "sh", "-ec", f"{mount}\n{there}")


def inodes(directory: str | Path, *which: str) -> dict[str, int]:
    """Return the sizes of all regular files that find finds, by inode."""
    lines = run("find", directory, *which, "-type", "f", "-printf", "%i %s\n").splitlines()
    return {line.split()[0]: int(line.split()[1]) for line in lines}


def test_layers_are_counted_as_find_and_du_count_them(image: tuple[str, Path]) -> None:
    container, directory = image
    found = overlays.of(container)
    assert found is not None
    lower = json.loads((directory / "config.json").read_text())["kernelbox"]["lowerdirs"]
    assert [one.name for one in found.layers] == ["three 3/3", "three 2/3", "three 1/3"]
    for layer, path in zip(found.layers, lower, strict=True):
        assert layer.files == len(run("find", path, "-mindepth", "1").splitlines())
        assert layer.bytes == sum(inodes(path).values())
        script = 'find "$0" -type f -print0 | du --files0-from=- -c --apparent-size -B1'
        of_du = run("sh", "-c", script, path).splitlines()[-1]
        assert layer.bytes == int(of_du.split()[0])


def test_what_one_layer_hides_of_another_is_wasted(image: tuple[str, Path]) -> None:
    container, directory = image
    found = overlays.of(container)
    assert found is not None
    seen = in_overlay(directory, "find @ -type f -printf '%s %p\\n'").splitlines()
    twice = [line for line in seen if line.endswith(("/twin", "/kept"))]  # second names
    visible = sum(int(line.split()[0]) for line in seen if line not in twice)
    assert found.wasted == sum(one.bytes for one in found.layers) - visible
    assert found.wasted > 0


def test_what_a_container_changed_is_told_as_the_kernel_stored_it(image: tuple[str, Path]) -> None:
    container, directory = image
    untouched = overlays.of(container)
    in_overlay(directory, CHANGES)
    found = overlays.of(container)
    assert untouched and found
    upper = {one.path: (one.what, one.kind, one.layer) for one in found.upper}
    assert upper == {
        "/new": ("added", "file", -1),
        "/etc": ("unchanged", "directory", 1),
        "/etc/group": ("changed", "file", 2),
        "/etc/passwd": ("whiteout", "file", 1),
        "/usr": ("unchanged", "directory", 2),
        "/usr/share": ("opaque", "directory", 2),
        "/usr/share/x": ("added", "file", -1),
        "/home": ("changed", "file", 2),
        "/var": ("changed", "directory", 0),
        "/tmp": ("unchanged", "directory", 2),
        "/tmp/one": ("added", "directory", -1),
        "/tmp/one/two": ("added", "directory", -1),
        "/tmp/one/link": ("added", "symlink", -1),
        "/tmp/one/pipe": ("added", "device", -1),
        "/root": ("unchanged", "directory", 2),
        "/root/empty": ("added", "file", -1),
    }
    on_disk = run("find", directory / "upper", "-mindepth", "1", "-printf", "/%P %y %s\n")
    sizes = {line.split()[0]: line.split()[1:] for line in on_disk.splitlines()}
    assert sizes.keys() == upper.keys()
    for one in found.upper:
        kind, size = sizes[one.path]
        assert one.size == (int(size) if kind == "f" else 0)
        assert (one.what == "whiteout") == (kind == "c")
    assert [one.path for one in found.upper] == sorted(upper)

    lowest = json.loads((directory / "config.json").read_text())["kernelbox"]["lowerdirs"]
    hidden = inodes(f"{lowest[2]}/usr/share") | inodes(f"{lowest[2]}/home")
    hidden |= inodes(f"{lowest[1]}/etc/passwd")  # the group file is copied up: /etc/kept remains
    assert found.wasted - untouched.wasted == sum(hidden.values())


def test_the_merged_view_is_what_find_sees_in_the_overlay(image: tuple[str, Path]) -> None:
    container, directory = image
    in_overlay(directory, CHANGES)
    found = overlays.of(container, merged=True)
    assert found is not None
    seen = in_overlay(directory, "find @ -mindepth 1 -printf '/%P %s %y\\n'")
    sizes = {line.split()[0]: line.split()[1:] for line in seen.splitlines()}
    assert [one.path for one in found.merged] == sorted(sizes)
    for one in found.merged:
        size, kind = sizes[one.path]
        assert one.size == (int(size) if kind == "f" else 0)
    assert {one.what for one in found.merged} == {"added", "changed", "opaque", "unchanged"}
    by_path = {one.path: one for one in found.merged}
    assert by_path["/opt/tool"] == Entry("/opt/tool", "unchanged", "file", 21, 0)
    assert overlays.of(container) == LayerStack(
        container, found.layers, found.upper, found.wasted, found.truncated
    )


def test_a_look_at_very_much_ends_and_says_so(
    image: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    container, directory = image
    for number in range(overlays.MOST_UPPER + 10):
        (directory / "upper" / f"f{number}").touch()
    found = overlays.of(container, merged=True)
    assert found is not None
    assert found.truncated
    assert len(found.upper) == overlays.MOST_UPPER
    assert len(found.merged) <= overlays.MOST_UPPER


def test_directories_deeper_than_a_path_can_say_do_no_harm(image: tuple[str, Path]) -> None:
    container, directory = image
    script = "cd upper; for i in $(seq 60); do mkdir -p {0} && cd -P {0}; done".format("d" * 100)
    run("bash", "-ec", script, cwd=directory)
    found = overlays.of(container)
    assert found is not None
    assert found.truncated
    assert len(found.upper) < 60
    run("rm", "-rf", directory / "upper")
    (directory / "upper").mkdir()


def test_a_real_container_s_changes_are_those_that_find_finds(kernelbox: Kernelbox) -> None:
    script = "echo hello > /hello; rm /etc/passwd; echo x >> /etc/group; sleep infinity"
    container = kernelbox.start("--network", "none", "busybox", "sh", "-c", script)
    pid = kernelbox.pid(container)
    assert soon(lambda: "x\n" in inside(pid, "/etc/group").read_text())
    (found,) = snapshot([container], ["layers"]).layers
    by_path = {one.path: (one.what, one.size) for one in found.upper}
    assert by_path["/hello"] == ("added", 6)
    assert by_path["/etc/passwd"] == ("whiteout", 0)
    assert by_path["/etc/group"] == ("changed", inside(pid, "/etc/group").stat().st_size)
    data = kernelbox.inspect(container)["GraphDriver"]["Data"]
    (lower,) = data["LowerDir"].split(":")
    assert found.wasted == sum(
        os.stat(f"{lower}/etc/{name}").st_size for name in ("passwd", "group")
    )
    assert found.layers[0].digest == os.path.basename(lower)[:12]
    assert found.layers[0].bytes == sum(inodes(lower).values())


# --- the network ----------------------------------------------------------------------------------


class Scene:
    """Network namespaces by name, looked at as if containers by these names were in them."""

    def __init__(self) -> None:
        self.made: dict[str, Sleeper] = {}

    def __getitem__(self, name: str) -> Sleeper:
        if name not in self.made:
            self.made[name] = Sleeper("--net", "ip link set lo up")
        return self.made[name]

    def cable(self, one: str, other: str, addresses: str = "- -", names: str = "") -> None:
        """Lay a veth from `one` to `other`; addresses and link names as `a b`."""
        links = (names or f"to-{other} to-{one}").split()
        peer = f"peer name {links[1]} netns {self[other].pid}"
        self[one].run(f"ip link add {links[0]} type veth {peer}")
        for name, link, address in zip((one, other), links, addresses.split(), strict=True):
            if address != "-":
                self[name].run(f"ip address add {address} dev {link}")
            self[name].run(f"ip link set {link} up")

    def look(self) -> Network:
        """Look once every link whose cable is plugged in carries packets."""
        soon(lambda: not self._restless())
        there = [one.observed(name) for name, one in self.made.items()]
        return network.look(there, {name: {"name": name} for name in self.made})

    def _restless(self) -> bool:
        return any(
            "LOWER_UP" in link["flags"] and link["operstate"] not in ("UP", "UNKNOWN")
            for one in self.made.values()
            for link in json.loads(one.run("ip -j link"))
        )

    def close(self) -> None:
        for one in self.made.values():
            one.close()


@pytest.fixture
def make() -> Iterator[Scene]:
    scene = Scene()
    yield scene
    scene.close()


def test_links_addresses_and_routes_are_those_of_ip(make: Scene, plain: Running) -> None:
    make.cable("one", "two", "10.1.0.1/24 10.1.0.2/24")
    make["one"].run("ip link add br0 type bridge")
    make["one"].run("ip link add port0 mtu 1234 master br0 type veth peer name port1")
    make["one"].run("ip link set br0 up")
    make["one"].run("ip link set port0 up")
    make["one"].run("ip -6 address add fd00:1::1/64 dev to-two nodad")
    make["one"].run("ip address add 10.9.9.9/32 dev lo")
    make["one"].run("ip route add default via 10.1.0.2 dev to-two metric 7")
    make["one"].run("ip route add blackhole 10.66.0.0/16")
    make["one"].run("ip route add 10.77.0.0/16 via 10.1.0.2 src 10.9.9.9 proto static")
    make["one"].run("ip route add 10.88.0.0/16 nexthop via 10.1.0.2 nexthop via 10.1.0.3")
    make["two"].run("ip link set to-one down")
    configs = {"plain": {"name": "plain"}, "one": {"name": "one"}, "two": {"name": "two"}}
    there = [make["one"].observed("one"), make["two"].observed("two")]
    there += [one for one in processes.look([plain.id]) if one.pid == plain.pid]
    found = {one.label: one for one in network.look(there, configs).namespaces}
    pids = {"one": make["one"].pid, "two": make["two"].pid, plain.id: plain.pid}
    assert found.keys() == {"host", *pids}
    for label, pid in pids.items():
        assert found[label].inode == os.stat(f"/proc/{pid}/ns/net").st_ino
        _agrees_with_ip(
            found[label], lambda command, pid=pid: enter(pid, "--net", *command.split())
        )

    def ip_route_and_address() -> list[str]:
        return [run("ip", "-j", "-d", "address"), run("ip", "route")]

    for _ in range(100):  # until nobody has changed anything meanwhile
        before = ip_route_and_address()
        host = network.look([], {}).namespaces[0]
        if ip_route_and_address() == before:
            break
    said = dict(zip(("ip -j -d address", "ip route"), before, strict=True))
    _agrees_with_ip(host, said.__getitem__)


@pytest.mark.parametrize(
    "change",
    [
        "ip address add 10.1.0.7/24 dev eth0",
        "ip -6 address add fd00:1::7/64 dev eth0 nodad",
        "ip route add 10.77.0.0/16 via 10.1.0.9",
        "ip link set eth0 mtu 1300",
        "ip link set eth0 name wan0",
        "ip link add late type veth peer name other",
        "sysctl -qw net.ipv4.ip_forward=1",
        "nft add table ip mine { chain out { type nat hook postrouting priority srcnat;"
        " masquerade; }; }",
    ],
)
def test_a_namespace_that_was_seen_is_read_again_when_something_has_changed(
    make: Scene, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    """Here `home` is whence somebody looks, and whoever looks again enters: twice a setns."""
    make.cable("home", "far", "10.1.0.1/24 10.1.0.2/24", "far0 eth0")
    make["far"].run("ip link add second type veth peer name third")  # a third link: it may forward
    make["far"].run("sysctl -qw net.ipv4.ip_forward=0")
    there = [make["far"].observed("far")]
    seen, entered = [], []
    with at(make["home"]):
        for step in range(8):
            if step == 4:
                make["far"].run(change)
            trace: list[door.Event] = []
            monkeypatch.setattr(door, "sink", trace.append)
            seen.append(network.look(there, {"far": {"name": "far"}}).namespaces[1])
            entered.append(len(trace))
    # The kernel may tell of one change in two messages, the second a little later.
    assert (entered[2:5], entered[-1]) == ([0, 0, 2], 0)
    if "ip_forward" not in change and "nft" not in change:
        assert seen[4] != seen[3]


def test_whoever_listens_for_changes_keeps_no_namespace_alive(make: Scene) -> None:
    make.cable("home", "far", "10.1.0.1/24 10.1.0.2/24", "far0 eth0")
    there = [make["far"].observed("far")]
    with at(make["home"]):
        for _ in range(3):
            network.look(there, {})
    make.made.pop("far").close()
    assert soon(lambda: "far0" not in make["home"].run("ip link")), "its cable goes with it"


@contextlib.contextmanager
def at(place: Sleeper) -> Iterator[None]:
    """Look from another network namespace for a while."""
    fd = os.open(f"/proc/{place.pid}/ns/net", os.O_RDONLY)
    try:
        with netlink.inside(fd):
            yield
    finally:
        os.close(fd)


def _agrees_with_ip(found: Any, ip: Any) -> None:
    said = json.loads(ip("ip -j -d address"))
    names = {one["ifindex"]: one["ifname"] for one in said}
    assert [one.index for one in found.links] == sorted(names)
    for link, theirs in zip(found.links, sorted(said, key=lambda one: one["ifindex"]), strict=True):
        assert (link.name, link.mtu) == (theirs["ifname"], theirs["mtu"])
        assert link.mac == theirs.get("address", "")
        kind = theirs.get("linkinfo", {}).get("info_kind") or theirs["link_type"]
        assert link.kind == kind
        up = "LOWER_UP" in theirs["flags"]
        assert link.state == ("up" if up else "no-carrier") if "UP" in theirs["flags"] else "down"
        addresses = [f"{one['local']}/{one['prefixlen']}" for one in theirs["addr_info"]]
        assert sorted(link.addresses) == sorted(addresses)
        assert link.master == theirs.get("master", "")
        if kind == "veth":
            assert link.peer is not None
            assert link.peer[1] == theirs.get("link_index", link.peer[1])
    plain = [line.strip() for line in ip("ip route").splitlines() if "nexthop" not in line]
    multipath = [line for line in plain if line.startswith("10.88.0.0/16")]
    mine = [one for one in found.routes if not one.startswith("10.88.0.0/16")]
    assert mine == [re.sub(r" +", " ", line) for line in plain if line not in multipath]
    hops = [line for line in ip("ip route").splitlines() if "nexthop" in line]
    assert len(found.routes) - len(mine) == len(hops)


def test_cables_join_the_ends_that_the_kernel_joined(make: Scene, plain: Running) -> None:
    """Each end has index 2 here, so only the namespaces' numbers can tell them apart."""
    make.cable("a", "b", names="ab ba")
    make.cable("c", "d", names="cd dc")
    make.cable("a", "c", names="ac ca")
    make.cable("b", "b", names="loop pool")
    found = make.look()
    ends = {
        (one.inode, link.index): (one.label, link.name)
        for one in found.namespaces
        for link in one.links
    }
    pairs = {
        (one.label, link.name): ends[link.peer]
        for one in found.namespaces
        if one.label in "abcd"
        for link in one.links
        if link.peer
    }
    assert pairs == {
        ("a", "ab"): ("b", "ba"), ("b", "ba"): ("a", "ab"),
        ("c", "cd"): ("d", "dc"), ("d", "dc"): ("c", "cd"),
        ("a", "ac"): ("c", "ca"), ("c", "ca"): ("a", "ac"),
        ("b", "loop"): ("b", "pool"), ("b", "pool"): ("b", "loop"),
    }  # fmt: skip

    seen = snapshot([plain.id], ["network"]).network
    host, container = seen.namespaces
    (eth0,) = [link for link in container.links if link.name == "eth0"]
    (port,) = [link for link in host.links if link.name == f"veth{plain.id[:7]}"]
    assert eth0.peer == (host.inode, port.index)
    assert port.peer == (container.inode, eth0.index)
    assert int(enter(plain.pid, "--net --mount", "cat", "/sys/class/net/eth0/iflink")) == port.index
    assert port.master in {link.name for link in host.links if link.kind == "bridge"}


def test_a_macvlan_leads_to_what_it_stands_on(make: Scene) -> None:
    build(make, STANDING)
    found = {one.label: one for one in make.look().namespaces}
    links = {label: {one.name: one for one in found[label].links} for label in ("stand", "a")}
    assert links["a"]["top"].kind == "macvlan"
    assert links["a"]["top"].peer == (found["stand"].inode, links["stand"]["to-far"].index)


def test_a_cable_into_a_namespace_that_nobody_watches_has_an_unknown_end(make: Scene) -> None:
    make.cable("seen", "unseen")
    (link,) = [
        link
        for one in network.look([make["seen"].observed("seen")], {}).namespaces
        for link in one.links
        if link.name == "to-unseen"
    ]
    assert link.peer is not None
    assert link.peer[0] == 0


def test_published_ports_and_nat_are_those_of_nft(kernelbox: Kernelbox) -> None:
    container = kernelbox.start(
        "-p", "127.0.0.1:18380:80", "-p", "18381:81/udp", "busybox", "sleep", "infinity"
    )
    found = snapshot([container], ["network"]).network
    address = kernelbox.inspect(container)["NetworkSettings"]["IPAddress"]
    assert f"127.0.0.1:18380 -> {address}:80/tcp" in found.ports
    assert f"0.0.0.0:18381 -> {address}:81/udp" in found.ports
    host = found.namespaces[0]
    (port,) = [link for link in host.links if link.name == f"veth{container[:7]}"]
    table = port.master.replace("-", "_")
    said = run("nft", "--stateless", "list", "chain", "ip", table, "postrouting").splitlines()
    rules = [line.strip().replace("counter ", "") for line in said if "masquerade" in line]
    assert list(found.nat) == rules

    kernelbox.ok("rm", "-f", container)
    gone = snapshot([], ["network"]).network
    assert not [one for one in gone.ports if f"-> {address}:" in one]
    assert gone.nat == found.nat


def test_the_text_of_nft_is_taken_apart(make: Scene) -> None:
    rules = """
    table inet filter {
      set bad { type ipv4_addr; flags interval; elements = { 10.0.0.0/8,
        192.168.1.1, 11.0.0.1, 12.0.0.1, 13.0.0.1, 14.0.0.1, 172.16.0.1-172.16.0.9 }; };
      chain sub { ip saddr 1.2.3.4 drop comment "a { b"; };
      chain in { type filter hook input priority filter + 10; policy drop;
        ip saddr @bad counter drop; };
    };
    table ip nat { chain post { type nat hook postrouting priority srcnat; masquerade; }; }
    """
    make["one"].run("nft '" + rules.replace("\n", " ") + "'")
    text = make["one"].run("nft -a list ruleset")
    found = parse(text)
    by_name = {one.name: one for one in found.chains}
    assert by_name["sub"].rules == ("ip saddr 1.2.3.4 drop",)
    assert by_name["in"].rules == ("ip saddr @bad drop",)
    assert by_name["in"][2:6] == ("filter", "input", 10, "drop")
    assert by_name["post"][2:6] == ("nat", "postrouting", 100, "accept")
    assert set(found.sets["filter", "bad"]) == {
        "10.0.0.0/8", "192.168.1.1", "11.0.0.1", "12.0.0.1", "13.0.0.1", "14.0.0.1",
        "172.16.0.1-172.16.0.9",
    }  # fmt: skip


# --- reachability ---------------------------------------------------------------------------------

SWITCHED = """
switch: ip link add br0 type bridge
switch: ip link set br0 up
switch < one 10.5.0.1/24
switch < two 10.5.0.2/24
switch < three 10.5.0.3/24
switch < mute -
switch: ip address add 10.5.0.254/24 dev br0
"""
ROUTED = """
one = router 10.6.1.1/24 10.6.1.254/24
two = router 10.6.2.1/24 10.6.2.254/24
router: sysctl -q net.ipv4.ip_forward=1
one: ip route add default via 10.6.1.254
two: ip route add default via 10.6.2.254
"""
STANDING = """
stand = far 10.9.0.9/24 10.9.0.1/24
a on stand to-far bridge 10.9.0.2/24
b on stand to-far bridge 10.9.0.3/24
"""


def chain(name: str, table: str, hook: str, *rules: str, **more: str) -> str:
    """Return the line that gives a namespace a chain `c` at a hook, with these rules."""
    kind, priority, policy = (
        more.get(word, usual)
        for word, usual in (("kind", "filter"), ("priority", "0"), ("policy", "accept"))
    )
    head = f"type {kind} hook {hook} priority {priority}; policy {policy};"
    inside = more.get("beside", "") + f"chain c {{ {head} {'; '.join(rules)}; }};"
    return f"{name}: nft 'table {table} {{ {inside} }}'\n"


NAT = {"kind": "nat", "priority": "100"}
NO_WAY_BACK = ROUTED + "two: ip route del default\n"
WORLDS = {
    "a switch": SWITCHED,
    "a switch with a link down": SWITCHED + "two: ip link set to-switch down",
    "a switch with a port down": SWITCHED + "switch: ip link set to-two down",
    "a switch that is off": SWITCHED + "switch: ip link set br0 down",
    "a switch without an address": SWITCHED + "switch: ip address flush dev br0",
    "a port taken out of the switch": SWITCHED + "switch: ip link set to-two nomaster",
    "a switch with rules": SWITCHED
    + chain("switch", "ip t", "forward", 'iifname "br0" ip daddr 10.5.0.2 drop'),
    "two networks on one switch": SWITCHED
    + "two: ip address flush dev to-switch\ntwo: ip address add 10.55.0.2/24 dev to-switch",
    "macvlans": STANDING,
    "macvlans that do not know each other": STANDING.replace("bridge", "private"),
    "macvlans that leave it to the switch out there": STANDING.replace("bridge", "vepa"),
    "a macvlan that is down": STANDING + "b: ip link set top down",
    "macvlans on a switch": SWITCHED
    + "a on switch br0 bridge 10.5.0.7/24\nb on switch br0 bridge 10.5.0.8/24",
    "a router": ROUTED,
    "a router that does not forward": ROUTED + "router: sysctl -q net.ipv4.ip_forward=0",
    "no way back": NO_WAY_BACK,
    "no way there": ROUTED + "one: ip route del default",
    "a blackhole": ROUTED + "router: ip route add blackhole 10.6.2.1/32",
    "a better route elsewhere": ROUTED + "one: ip route add 10.6.2.0/25 via 10.6.1.77",
    "a metric": ROUTED
    + "one: ip route add default via 10.6.1.77 metric 5\n"
    + "one: ip route del default via 10.6.1.254\n"
    + "one: ip route add default via 10.6.1.254 metric 3",
    "masquerading": NO_WAY_BACK
    + chain("router", "ip t", "postrouting", 'oifname "to-two" masquerade', **NAT),
    "masquerading the wrong way": NO_WAY_BACK
    + chain("router", "ip t", "postrouting", 'oifname "to-one" masquerade', **NAT),
    "another source": NO_WAY_BACK
    + chain("router", "ip t", "postrouting", "ip saddr 10.6.1.1 snat to 10.6.2.254", **NAT),
    "a rewritten destination": ROUTED
    + chain("router", "ip t", "prerouting", "ip daddr 10.6.1.254 dnat to 10.6.2.1", **NAT),
    "a rewritten destination, from within": ROUTED
    + chain("one", "ip t", "output", "ip daddr 10.6.1.254 dnat to 10.6.2.1", **NAT),
    "a forward rule": ROUTED
    + chain(
        "router", "inet t", "forward", 'iifname "to-one" ip daddr { 10.6.2.0/24, 9.9.9.9 } drop'
    ),
    "a policy, and replies let through": ROUTED
    + chain(
        "router", "ip t", "forward", "ct state established,related accept",
        'iifname "to-one" accept', policy="drop",
    ),
    "a policy, and no replies": ROUTED
    + chain("router", "ip t", "forward", 'iifname "to-o*" accept', policy="drop"),
    "rules in another chain": ROUTED
    + chain(
        "router", "ip t", "forward", "jump b", "tcp dport 80 drop",
        beside="chain b { ip saddr 10.6.1.0/24 return; icmp type echo-request drop; };",
    ),
    "a chain that does not come back": ROUTED
    + chain(
        "router", "ip t", "forward", "goto b", "accept", policy="drop",
        beside="chain b { ip saddr 10.6.1.0/24 accept; };",
    ),
    "no echo in": ROUTED
    + chain("two", "inet t", "input", "icmp type { echo-request, timestamp-request } reject"),
    "nothing out": ROUTED + chain("one", "ip t", "output", "ip protocol icmp log drop"),
    "a verdict map": ROUTED
    + chain(
        "two", "inet t", "input", "ct state vmap { established : accept, invalid : drop }",
        "meta l4proto tcp accept", policy="drop",
    ),
    "a named set": ROUTED
    + chain(
        "router", "ip t", "prerouting", "ip saddr @s drop", priority="raw",
        beside="set s { type ipv4_addr; elements = { 10.6.1.1 }; };",
    ),
    "one accepts, another drops": ROUTED
    + chain("router", "ip t", "forward", "accept")
    + chain("router", "ip u", "forward", "drop", priority="1"),
    "all but one": ROUTED
    + chain("router", "ip t", "forward", "ip saddr != { 10.6.1.1, 10.6.2.1 } drop"),
}  # fmt: skip


def build(make: Scene, world: str) -> None:
    """Make namespaces as the lines say.

    `a: command`, `a = b addresses`, `bridge < a address`, `a on b link mode address`.
    """
    for line in filter(None, world.splitlines()):
        if ": " in line and line.split(":")[0].isalpha():
            name, _, command = line.partition(": ")
            make[name].run(command)
        elif " = " in line:
            one, _, other, *addresses = line.split()
            make.cable(one, other, " ".join(addresses))
        elif " on " in line:
            name, _, under, link, mode, address = line.split()
            make[under].run(
                f"ip link add link {link} name top netns {make[name].pid} type macvlan mode {mode}"
            )
            make[name].run(f"ip address add {address} dev top")
            make[name].run("ip link set top up")
        else:
            switch, _, name, address = line.split()
            make.cable(name, switch, f"{address} -")
            make[switch].run(f"ip link set to-{name} master br0")


def pings(make: Scene, found: Network) -> dict[str, list[subprocess.Popen[bytes]]]:
    """Send pings from every namespace to each address of every other one."""
    sent: dict[str, list[subprocess.Popen[bytes]]] = {}
    for one, other in itertools.permutations(found.namespaces[1:], 2):
        targets = [
            address.partition("/")[0]
            for link in other.links
            for address in link.addresses
            if link.name != "lo" and "." in address
        ]
        words = ["nsenter", "-t", str(make[one.label].pid), "-n", "busybox", "ping", "-c", "1"]
        sent[f"{one.label} -> {other.label}"] = [
            subprocess.Popen(
                [*words, "-W", "1", target], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            for target in targets
        ]
    return sent


Answers = dict[str, tuple[Network, dict[str, bool]]]


@pytest.fixture(scope="module")
def answers() -> Answers:
    """Build every world, look at it, and send the pings, all at once: most of it is waiting."""
    with contextlib.ExitStack() as ending:
        scenes = {world: Scene() for world in WORLDS}
        for world, scene in scenes.items():
            ending.callback(scene.close)
            build(scene, WORLDS[world])
        found = {world: scene.look() for world, scene in scenes.items()}
        sent = {world: pings(scene, found[world]) for world, scene in scenes.items()}
        return {
            world: (
                found[world],
                {pair: 0 in [one.wait() for one in every[pair]] for pair in every},
            )
            for world, every in sent.items()
        }


@pytest.mark.parametrize("world", WORLDS)
def test_what_is_computed_to_be_reachable_is_what_a_ping_reaches(
    answers: Answers, world: str
) -> None:
    found, arrived = answers[world]
    assert len(arrived) >= 6
    computed = {pair: found.reach[pair] for pair in arrived}
    assert not {pair: computed[pair] for pair in arrived if computed[pair][0] != arrived[pair]}
    assert all(why for _, why in computed.values())


REASONS = [
    ("a switch", "one -> two", "one to-switch > switch br0 > two to-switch"),
    ("a switch", "one -> mute", "mute has no address"),
    ("macvlans", "a -> b", "a top > b top"),
    ("macvlans", "far -> a", "far to-stand > a top"),
    ("macvlans", "a -> stand", "nobody has the address 10.9.0.9 behind top of a"),
    ("a switch", "mute -> one", "mute has no route to 10.5.0.1"),
    (
        "a switch with a link down", "one -> two",
        "nobody has the address 10.5.0.2 behind to-switch of one",
    ),
    ("a switch with a link down", "two -> one", "two has no route to 10.5.0.1"),
    (
        "a router that does not forward", "one -> two",
        "router does not forward (net.ipv4.ip_forward is 0)",
    ),
    ("no way back", "one -> two", "the reply: two has no route to 10.6.1.1"),
    ("no way there", "one -> two", "one has no route to 10.6.2.1"),
    ("a blackhole", "one -> two", "router has a route to 10.6.2.1: blackhole"),
    (
        "a forward rule", "one -> two",
        'router drops it, forward: iifname "to-one" ip daddr { 9.9.9.9, 10.6.2.0/24 } drop'
        " (chain c)",
    ),
    (
        "a policy, and replies let through", "two -> one",
        "router drops it, forward: policy drop (chain c)",
    ),
    ("one accepts, another drops", "one -> two", "router drops it, forward: drop (chain c)"),
]  # fmt: skip


@pytest.mark.parametrize(("world", "pair", "why"), REASONS)
def test_what_stops_a_packet_is_named(answers: Answers, world: str, pair: str, why: str) -> None:
    reached, reason = answers[world][0].reach[pair]
    assert reason == why
    assert reached == (" > " in why)


UNCLEAR = (
    "meta mark 7 drop", "limit rate 5/second drop", "ip ttl 1 drop", "ip dscp cs1 drop",
    "ip saddr . ip daddr { 1.1.1.1 . 2.2.2.2 } drop", "ip length 0-20 drop",
    "fib saddr . iif oif missing drop",
    "ct mark 4 drop", "meta cpu 77 drop", "@nh,8,8 0x1 drop", "icmp code 9 drop",
)  # fmt: skip
CLEAR = ("th dport 53 drop", "udp dport { 53, 67 } drop", "ip6 saddr ::1 drop", "counter", "log")


def test_rules_that_a_snapshot_cannot_weigh_are_named(make: Scene) -> None:
    build(make, ROUTED + chain("router", "inet t", "forward", *UNCLEAR, *CLEAR))
    lines = make["router"].run("nft --stateless list chain inet t c").splitlines()[3:-2]
    unclear = [line.strip() for line in lines][: len(UNCLEAR)]
    assert make.look().reach["one -> two"] == (
        True,
        f"one to-router > router to-two > two to-router (not weighed: {'; '.join(unclear)})",
    )


def test_new_rules_are_seen_at_once_though_old_ones_are_remembered(make: Scene) -> None:
    build(make, ROUTED)
    assert make.look().reach["one -> two"][0]
    build(make, chain("router", "ip t", "forward", policy="drop"))
    assert not make.look().reach["one -> two"][0]
    make["router"].run("nft delete table ip t")
    assert make.look().reach["one -> two"][0]


def test_without_nft_the_rules_of_the_kernel_are_not_weighed_and_it_says_so(make: Scene) -> None:
    build(make, SWITCHED + chain("switch", "ip t", "input", "drop"))
    script = """
import json, sys
from kernelbox.observe import Process, from_json, network
there = [from_json(one, Process) for one in json.load(sys.stdin)]
print(json.dumps(network.look(there, {one.container: {} for one in there}).reach))
"""
    there = [make[name].observed(name) for name in ("one", "switch")]
    hide = 'mount --bind /dev/null "$(command -v nft)"; exec "$0" -c "$1"'
    words = ("unshare", "--mount", "sh", "-ec", hide, sys.executable, script)
    said = json.loads(run(*words, input=json.dumps(to_json(there)), cwd=TOP))
    way = "one to-switch > switch br0 (not weighed: rules, for want of nft)"
    assert said["one -> switch"] == [True, way]
    assert make.look().reach["one -> switch"][0] is False


def test_a_large_grid_is_not_computed(make: Scene) -> None:
    for number in range(network.MOST_IN_GRID):
        _ = make[f"n{number}"]
    found = make.look()
    assert len(found.namespaces) == network.MOST_IN_GRID + 1
    assert found.reach == {}


def test_a_namespace_shared_by_two_containers_is_the_first_one_s(kernelbox: Kernelbox) -> None:
    first = kernelbox.start("--name", "owner", "--network", "none", "busybox", "sleep", "infinity")
    guest = kernelbox.start("--network", "container:owner", "busybox", "sleep", "infinity")
    found = snapshot([guest, first], ["network"]).network
    assert [(one.label, one.container) for one in found.namespaces] == [
        ("host", ""), ("owner", first),
    ]  # fmt: skip


# --- resources ------------------------------------------------------------------------------------


def test_usage_and_limits_are_those_of_the_cgroup_s_files(kernelbox: Kernelbox) -> None:
    options = ("--memory", "32m", "--cpus", "0.25", "--pids-limit", "17", "--network", "none")
    script = "while :; do :; done"
    container = kernelbox.start(*options, "busybox", "sh", "-c", script)
    pid = kernelbox.pid(container)
    assert soon(lambda: (usage.look([container])[0].throttled or 0) > 0)
    before = time.time()
    (found,) = usage.look([container])
    assert before <= found.time <= time.time()
    assert (found.memory_limit, found.cpu_limit, found.pids_limit) == (32 << 20, 0.25, 17)
    files = {
        "memory": looking.cgroup_file(pid, "memory", "memory.usage_in_bytes", "memory.current"),
        "pids": looking.cgroup_file(pid, "pids", "pids.current", "pids.current"),
    }
    assert found.pids == int(files["pids"].read_text()) == 1
    assert found.memory is not None
    assert abs(found.memory - int(files["memory"].read_text())) < 1 << 20
    (later,) = usage.look([container])
    assert found.cpu_usec is not None and later.cpu_usec is not None
    assert 0 < found.cpu_usec <= later.cpu_usec
    assert found.oom_kills == 0


def test_an_oom_kill_is_counted(kernelbox: Kernelbox) -> None:
    script = "head -c 100m /dev/zero | tail; sleep infinity"
    container = kernelbox.start(
        "--memory", "16m", "--network", "none", "busybox", "sh", "-c", script
    )
    assert soon(lambda: (usage.look([container])[0].oom_kills or 0) > 0)


# --- what vanishes --------------------------------------------------------------------------------


def test_a_container_that_dies_between_two_looks_is_absent(kernelbox: Kernelbox) -> None:
    """The look at its processes finds it; all that comes after comes too late."""
    dead = kernelbox.start("busybox", "sleep", "infinity")
    alive = kernelbox.start("--name", "alive", "--network", "none", "busybox", "sleep", "infinity")
    seen = processes.look([dead, alive])
    configs = {
        one: json.loads((kernelbox.root / "containers" / one / "config.json").read_text())[
            "kernelbox"
        ]
        for one in (dead, alive)
    }
    gone = kernelbox.pid(dead)
    kernelbox.ok("rm", "-f", dead)
    assert soon(lambda: not Path(f"/proc/{gone}").exists())

    assert gone not in mountinfo.look(seen)
    assert [one.container for one in overlays.look(configs)] == [alive]
    assert [one.container for one in usage.look([dead, alive])] == [alive]
    assert [one.label for one in network.look(seen, configs).namespaces] == ["host", "alive"]
    assert overlays.of(dead) is None
    assert mountinfo.of(gone) is None
    assert dead not in {one.container for one in snapshot([dead, alive]).processes}


def test_snapshots_go_on_while_processes_and_containers_come_and_go(kernelbox: Kernelbox) -> None:
    busy = kernelbox.start(
        "--network", "none", "busybox", "sh", "-c", "while :; do (true | true) & wait; done"
    )
    names = [f"brief{number}" for number in range(4)]
    script = "; ".join(
        f"{shlex.join(kernelbox.command)} run --rm --name {name} busybox true" for name in names
    )
    looks = 0
    seen: set[str] = set()
    with contextlib.ExitStack() as waited_for:
        fronts = [
            waited_for.enter_context(
                subprocess.Popen(
                    ["sh", "-c", script.replace("brief", word)], env=kernelbox.environment
                )
            )
            for word in ("first", "second")
        ]
        while any(front.poll() is None for front in fronts):
            found = snapshot()
            looks += 1
            pids = {one.pid for one in found.processes}
            assert all(one.ppid == 0 or one.ppid in pids for one in found.processes)
            assert found.mounts.keys() <= pids
            seen |= {one.container for one in found.processes}
    assert [front.returncode for front in fronts] == [0, 0]
    assert looks > 5
    assert busy in seen
    assert len(seen) > 2


def test_a_damaged_config_takes_nothing_but_its_own_container_away(
    plain: Running, tests_root: Path
) -> None:
    directory = tests_root / "containers" / "0123456789ab"
    directory.mkdir()
    try:
        for text in ("", "{", "[]", '{"kernelbox": {"lowerdirs": ["/nowhere"]}}'):
            (directory / "config.json").write_text(text)
            found = snapshot()
            assert plain.pid in {one.pid for one in found.processes}
            assert "0123456789ab" not in {one.container for one in found.layers}
    finally:
        shutil.rmtree(directory)


def test_a_view_of_nothing_is_empty() -> None:
    found = snapshot([])
    assert (found.processes, found.mounts, found.layers, found.usage) == ((), {}, (), ())
    (host,) = found.network.namespaces
    assert host.label == "host"


def test_only_the_parts_that_were_asked_for_are_looked_at(plain: Running) -> None:
    for part in PARTS:
        found = snapshot([plain.id], [part])
        empty = Snapshot(0)
        filled = {name for name in PARTS if getattr(found, name) != getattr(empty, name)}
        assert filled == {part}
    with pytest.raises(UsageError, match="no part 'weather'"):
        snapshot(parts=["weather"])


def test_who_has_no_privilege_is_told_so(plain: Running) -> None:
    script = "from kernelbox.observe import snapshot\nsnapshot()"
    done = subprocess.run(
        ["setpriv", "--reuid", "65534", "--clear-groups", sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        env={**os.environ, "PYTHONPATH": str(TOP)},
    )
    if "No module named" in done.stderr or "can't open" in done.stderr:
        pytest.fail(f"nobody cannot read this checkout: {done.stderr}")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("kernelbox.kernel.errors.K"), done.stderr


# --- looking changes nothing ----------------------------------------------------------------------


def test_the_door_records_no_request_but_setns_and_this_process_comes_back(
    plain: Running, mapped: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace: list[door.Event] = []
    monkeypatch.setattr(door, "sink", trace.append)
    home = {kind: namespace("self", kind) for kind in KINDS}
    found = snapshot()
    assert {event.request.partition("(")[0] for event in trace} == {"setns"}
    assert len(trace) <= 2 * (len(found.network.namespaces) - 1), "there and back"
    assert {kind: namespace("self", kind) for kind in KINDS} == home


def test_a_snapshot_leaves_no_descriptor_open_no_number_given_and_no_file_touched(
    plain: Running, tests_root: Path
) -> None:
    """Asking for a namespace's number might give it one: `ip netns list-id` lists them."""

    def state() -> tuple[object, ...]:
        files = looking.survey(tests_root / "containers" / plain.id)
        return (
            os.listdir("/proc/self/fd"),
            enter(plain.pid, "--net", "ip", "netns", "list-id"),
            files,
        )

    for _ in range(2):  # from the second on it listens for what changes: two sockets, which stay
        snapshot([plain.id])
    before = state()
    snapshot([plain.id])
    assert state() == before


@pytest.mark.alone  # each process of the machine costs a look
def test_the_cost_of_a_container_is_a_bounded_number_of_system_calls(
    kernelbox: Kernelbox, tmp_path: Path
) -> None:
    """Twice as many containers are asked for, and strace counts."""
    made = [kernelbox.start("--network", "none", "busybox", "sleep", "infinity") for _ in range(6)]

    def calls(containers: list[str]) -> int:
        script = f"from kernelbox.observe import snapshot\nsnapshot({containers!r})"
        counted = tmp_path / "strace"
        run("strace", "-f", "-c", "-o", counted, sys.executable, "-c", script, cwd=TOP)
        (total,) = [line for line in counted.read_text().splitlines() if line.endswith("total")]
        return int(total.split()[3])

    # The least of three: others come and go on this host, and each pid costs a look.
    few, many = (min(calls(some) for _ in range(3)) for some in (made[:2], made))
    each = (many - few) / (len(made) - 2)
    began = time.perf_counter()
    for _ in range(5):
        snapshot(made)
    elapsed = (time.perf_counter() - began) / 5
    print(
        f"\na container costs {each:.0f} system calls; {len(made)} of them {elapsed * 1e3:.1f} ms"
    )
    assert each < 150


# --- differences ----------------------------------------------------------------------------------


def without_the_host_s_network(changes: tuple[Change, ...]) -> tuple[Change, ...]:
    """Leave out what somebody else may change on this host at any time."""
    return tuple(one for one in changes if not one.name.endswith(" of host"))


class Birth:
    """A container that is born one request at a time, and a snapshot before each."""

    def __init__(self, box: Lab, **options: Any) -> None:
        wish = {"observed": True, "stepped": True, "bound": True}
        options = {"image": "busybox", "command": ["sleep", "infinity"], "rm": True, **options}
        answer = box._agent.ask("run", options=options, wish=wish)
        self.container: str = answer["value"]
        self._channel = socket.socket(fileno=answer["fds"][0])
        self._channel.settimeout(looking.PATIENCE)

    def _hear(self) -> dict[str, Any]:
        while True:
            message: dict[str, Any] = json.loads(self._channel.recv(1 << 17))
            if message["kind"] in ("pause", "started", "error"):
                return message

    def steps(self) -> Iterator[tuple[str, tuple[Change, ...]]]:
        """Yield each request with what it changed."""
        waiting = self._hear()
        before = snapshot([self.container])
        while waiting["kind"] == "pause":
            request = waiting["event"][2]
            self._channel.send(json.dumps({"kind": "go"}).encode())
            waiting = self._hear()
            after = snapshot([self.container])
            yield request, without_the_host_s_network(diff(before, after))
            before = after
        assert waiting["kind"] == "started", waiting

    def close(self) -> None:
        self._channel.close()


def test_each_step_of_a_birth_changes_what_it_says_and_nothing_else(box: Lab) -> None:
    birth = Birth(box, network="none", memory="64m", name="newborn")
    who = birth.container
    told: dict[str, list[tuple[Change, ...]]] = {}
    pid = ""
    try:
        for request, changes in birth.steps():
            told.setdefault(request, []).append(changes)
            if request.startswith("clone3("):
                assert [one.where for one in changes] == ["process", "mount", "namespace"]
                assert {one.what for one in changes} == {"appeared"}
                pid = changes[0].name.split()[0]
                assert changes[2].name == "newborn"
                assert status(int(pid))["NSpid"].split() == [pid, "1"]
            elif request.startswith("unshare(CLONE_NEWCGROUP)"):
                (change,) = changes
                now = os.stat(f"/proc/{pid}/ns/cgroup").st_ino
                assert change.after == f"cgroup namespace {now}"
            elif re.match(r'mount\("\w+", "(/proc|/sys|/dev)",', request):
                (change,) = changes
                point = request.split('"')[3]
                assert (change.where, change.what) == ("mount", "appeared")
                assert change.name.startswith(f"{point} of {pid} ")
            elif request.startswith("umount2("):
                assert {one.where for one in changes} == {"mount"}
                left = {one.point for one in mountinfo.of(int(pid)) or ()}
                assert left == {"/", "/proc", "/sys"}
                assert len([one for one in changes if one.what == "gone"]) > 3
            elif request.startswith("capset("):
                (change,) = changes
                assert change.after == f"capabilities {status(int(pid))['CapEff']}"
            elif request.startswith("execve("):
                (change,) = changes
                assert change.after == "name sleep, command sleep infinity"
            elif request.startswith(("sethostname(", "prctl(", "chdir(", "mknod(", "setgroups(")):
                assert changes == ()
    finally:
        birth.close()
    limits = [
        change
        for request, every in told.items()
        if re.search(r'memory\.(limit_in_bytes|max)", "67108864"', request)
        for changes in every
        for change in changes
    ]
    assert limits == [
        Change("cgroup", "changed", f"group of {who}", "memory limit none", "memory limit 67108864")
    ]
    assert any(request.startswith("pivot_root(") for request in told)
    assert soon(lambda: who not in {one.container for one in snapshot().processes})


def test_a_difference_is_found_in_every_part_and_nothing_is_different_from_itself(
    kernelbox: Kernelbox, plain: Running
) -> None:
    container = kernelbox.start("busybox", "sleep", "infinity")
    pid = kernelbox.pid(container)
    before = snapshot([container])
    (label,) = [one.label for one in before.network.namespaces if one.container == container]
    (mtu,) = [one.mtu for one in _links(before, container) if one.name == "eth0"]
    assert diff(before, before) == ()
    assert diff(before, copy.deepcopy(before)) == ()

    enter(pid, "--net", "ip", "link", "set", "eth0", "mtu", "1300")
    enter(pid, "--net", "ip", "route", "add", "10.3.3.0/24", "dev", "eth0")
    # Which inode numbers a tmpfs has is shown, and differs by kernel, unless it is told.
    enter(pid, "--mount", "busybox", "mount", "-t", "tmpfs", "-o", "inode64", "more", "/mnt")
    inside(pid, "/added").write_text("four")
    assert set(without_the_host_s_network(diff(before, snapshot([container])))) == {
        Change("link", "changed", f"eth0 of {label}", f"mtu {mtu}", "mtu 1300"),
        Change(
            "route", "appeared", f"10.3.3.0/24 dev eth0 scope link of {label}", "",
            "10.3.3.0/24 dev eth0 scope link",
        ),
        Change("mount", "appeared", f"/mnt of {pid} sleep", "", "tmpfs rw,relatime,inode64"),
        Change("layer", "appeared", f"/added of {container}", "", "added file, size 4"),
    }  # fmt: skip

    kernelbox.ok("rm", "-f", container)
    gone = diff(before, snapshot([container]))
    assert {one.what for one in gone if label in one.name or container in one.name} == {"gone"}
    assert {one.where for one in gone} >= {
        "process",
        "mount",
        "layer",
        "namespace",
        "link",
        "cgroup",
    }


def _links(found: Snapshot, container: str) -> tuple[Link, ...]:
    (links,) = [one.links for one in found.network.namespaces if one.container == container]
    return links


# --- JSON -----------------------------------------------------------------------------------------


def test_a_snapshot_comes_back_from_json_as_it_was(plain: Running, mapped: Running) -> None:
    found = snapshot()
    assert found.processes and found.mounts and found.layers and found.usage
    assert found.network.reach and found.network.nat
    text = json.dumps(to_json(found))
    again = from_json(json.loads(text))
    psi = Usage("", 1.5, *[None] * 9, {"cpu": 2.5}, 0.5)  # type: ignore[arg-type]
    assert from_json(json.loads(json.dumps(to_json(psi))), Usage) == psi
    assert again == found
    assert diff(found, again) == ()
    assert isinstance(again.mounts[plain.pid][0], Mount)
    assert isinstance(again.usage[0], Usage)
    changes = diff(Snapshot(0), found)
    assert [from_json(one, Change) for one in json.loads(json.dumps(to_json(changes)))] == list(
        changes
    )


@pytest.mark.parametrize(
    "damage",
    [
        lambda plain: None,
        lambda plain: [],
        lambda plain: {},
        lambda plain: {**plain, "time": "noon"},
        lambda plain: {**plain, "weather": "fine"},
        lambda plain: {**plain, "processes": {"1": 2}},
        lambda plain: {**plain, "processes": [{"pid": 1}]},
        lambda plain: {**plain, "mounts": {"one": []}},
        lambda plain: {**plain, "network": {"reach": {"a -> b": [True]}}},
        lambda plain: {**plain, "network": {"reach": {"a -> b": [True, "x", "y"]}}},
        lambda plain: {**plain, "usage": [{**plain["usage"][0], "memory": "much"}]},
    ],
)
def test_what_is_no_snapshot_is_refused_with_one_clear_error(plain: Running, damage: Any) -> None:
    whole = to_json(snapshot([plain.id]))
    with pytest.raises(KernelboxError, match=r"^this is no snapshot that this kernelbox can read"):
        from_json(damage(whole))


def test_a_recording_is_read_where_there_is_no_kernel_to_ask(plain: Running) -> None:
    """As on another operating system: without ctypes' libc, fcntl and netlink."""
    script = (
        "import sys\n"
        "for name in ('ctypes', 'fcntl', 'resource', 'pwd'): sys.modules[name] = None\n"
        "import json; from kernelbox.observe import Snapshot, diff, from_json\n"
        "print(len(diff(Snapshot(0), from_json(json.load(sys.stdin)))))"
    )
    found = snapshot([plain.id])
    text = json.dumps(to_json(found))
    assert int(run(sys.executable, "-c", script, input=text, cwd=TOP)) == len(
        diff(Snapshot(0), found)
    )
