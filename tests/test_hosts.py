"""Broken hosts: each fault breaks what it says, and is told repaired when it is, by any route.

The repairs here are what a student types into a root shell. Each is tried alone; and two hosts of
each chapter are repaired in a real terminal, from the first complaint to the last.
"""

from __future__ import annotations

import os
import random
import re
import shlex
import signal
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from kernelbox import cgroup
from kernelbox.kernel.errors import UsageError
from kernelbox.lab import Group, Lab
from kernelbox.lab.exercises import progress
from kernelbox.lab.hosts import host as hosts
from kernelbox.lab.hosts import record
from kernelbox.lab.hosts.fault import Fault
from kernelbox.lab.hosts.host import BrokenHost, drawn
from kernelbox.lab.hosts.parts import KINDS
from kernelbox.lab.hosts.world import World
from tests import looking
from tests.looking import Terminal
from tests.test_lab import Notebook

ALL = {kind.__name__: kind for kinds in KINDS.values() for kind in kinds}

# What repairs each kind, in a root shell of the real machine. `$pid` is the service, `$machine` the
# harbour's process 1, `$top` the service's directory in there, `$root` the way to it from outside.
IN = "nsenter -t $pid -m -p"
HARBOUR = "nsenter -t $machine -m -p"
SPACE = "$(readlink /proc/$pid/ns/pid)"
MEMBERS = (
    f'for p in $(ls /proc | grep \'^[0-9]\'); do [ "$(readlink /proc/$p/ns/pid)" = "{SPACE}" ]'
)
NET, ROAD = "nsenter -t $pid -n", "nsenter -t $road -n"
HANDLE = f"$({ROAD} nft --handle list chain ip road forward | awk '/counter/ {{print $NF}}')"
RETAG = r"""
import hashlib, json, os, gzip, sys
os.chdir(sys.argv[1])
place = lambda digest: 'blobs/' + digest.replace(':', '/')
def store(old, document):
    data = json.dumps(document).encode()
    digest = 'sha256:' + hashlib.sha256(data).hexdigest()
    open(place(digest), 'wb').write(data)
    return {**old, 'digest': digest, 'size': len(data)}
index = json.load(open('index.json'))
entry = index['manifests'][0]
manifest = json.load(open(place(entry['digest'])))
config = json.load(open(place(manifest['config']['digest'])))
config['rootfs']['diff_ids'] = [
    'sha256:' + hashlib.sha256(gzip.open(place(one['digest'])).read()).hexdigest()
    for one in manifest['layers']
]
manifest['config'] = store(manifest['config'], config)
index['manifests'][0] = store(entry, manifest)
json.dump(index, open('index.json', 'w'))
"""
RENAME = r"""
import json, os, sys
os.chdir(sys.argv[1])
place = lambda digest: 'blobs/' + digest.replace(':', '/')
index = json.load(open('index.json'))
for blob in os.listdir('blobs/sha256'):
    try:
        one = json.load(open('blobs/sha256/' + blob))
        labels = json.load(open(place(one['config']['digest'])))['config']['Labels']
    except (ValueError, KeyError):
        continue
    if labels['org.opencontainers.image.version'] == '1.0':
        size = os.path.getsize('blobs/sha256/' + blob)
        index['manifests'][0] |= {'digest': 'sha256:' + blob, 'size': size}
json.dump(index, open('index.json', 'w'))
"""
CAPABILITY = (
    "import os, struct, sys; granted = struct.pack('<5I', 0x2000001, 1 << 13, 0, 0, 0); "
    "os.setxattr(sys.argv[1], 'security.capability', granted)"
)
OPAQUE = "import os, sys; os.setxattr(sys.argv[1], 'trusted.overlay.opaque', b'y')"

# Files of control groups, as the host has them. `$cpu`, `$memory` and so on are the directories of
# the service's group, `$cpu_other` those of its neighbour's.
V1 = cgroup.find().version == 1
QUOTA = (
    "echo 100000 > {0}/cpu.cfs_period_us && echo 10000 > {0}/cpu.cfs_quota_us"
    if V1
    else "echo 10000 100000 > {0}/cpu.max"
)
THAW = "echo THAWED > $freezer/freezer.state" if V1 else "echo 0 > $freezer/cgroup.freeze"
ALL_CPUS = f"cat $cpuset/../cpuset.cpus{'' if V1 else '.effective'} > {{}}/cpuset.cpus"
WEIGHT = "cpu.shares" if V1 else "cpu.weight"
SWAP = (
    f"mine=$(cat $cpu/{WEIGHT}); cat $cpu_other/{WEIGHT} > $cpu/{WEIGHT}; "
    f"echo $mine > $cpu_other/{WEIGHT}"
)
MEMORY = (
    "for f in memory.memsw memory; do f=$memory/$f.limit_in_bytes; "
    "[ ! -e $f ] || echo {most} > $f; done"
    if V1
    else "echo {most} > $memory/memory.max"
)
WRITES = (
    "for f in bps iops; do echo $disk 0 > $io/blkio.throttle.write_${f}_device; done"
    if V1
    else "echo $disk wbps=max wiops=max > $io/io.max"
)
READS = (
    "echo $disk 0 > $io/blkio.throttle.read_bps_device"
    if V1
    else "echo $disk rbps=max > $io/io.max"
)
MILL = "mill=$(grep -vx $neighbour $pids_other/cgroup.procs)"

REPAIR = {
    "StaleProc": f"{IN} mount -t proc proc /proc",
    "LeakingMount": f"{IN} mount --make-private $top/pool",
    "NotReadOnly": (
        f"for at in prices prices/today; do {IN} mount -o remount,bind,ro $top/$at; done"
    ),
    "HiddenDirectory": (
        f"{IN} sh -c 'cp -p '$top'/orders/today '$top'/aside && umount '$top'/orders && "
        "mv '$top'/aside '$top'/orders/today'"
    ),
    "OldRoot": f"{IN} umount -l /old",
    "Zombies": (
        "kill -KILL $(for p in $(pgrep -P $pid); do pgrep -P $p >/dev/null && echo $p; done)"
    ),
    "Deaf": "kill -KILL $(pgrep -P $pid)",
    "Stopped": "kill -CONT $(pgrep -P $pid)",
    "NeighboursName": "nsenter -t $pid -u hostname $name",
    "PinnedNamespace": f"{HARBOUR} umount /srv/netns/$name",
    "StrayDescriptor": (
        "kill -KILL $(for p in $(pgrep -P $pid); do [ -e /proc/$p/fd/9 ] && echo $p; done)"
    ),
    "FlippedBit": (
        "for b in $root/blobs/sha256/*; do [ $(sha256sum <$b | cut -d' ' -f1) = $(basename $b) ] "
        "|| cp $root/../$other/blobs/sha256/$(basename $b) $b; done"
    ),
    "WrongTag": f"python3 -c {shlex.quote(RENAME)} $root",
    "WrongDiffId": f"python3 -c {shlex.quote(RETAG)} $root",
    "MissingWhiteout": (
        "mkdir -p $root/layers/3/$(dirname $secret) && mknod $root/layers/3/$secret c 0 0"
    ),
    "LostOpaque": f"python3 -c {shlex.quote(OPAQUE)} $root/layers/3/etc/rules.d",
    "LayerOrder": (
        f"{HARBOUR} umount $top/root && {HARBOUR} mount -t overlay overlay "
        "-o lowerdir=$top/layers/3:$top/layers/2:$top/layers/1 $top/root"
    ),
    "OffByOne": (
        'owner=$(stat -c %u $root/data/ledger); sed -i "s/$((owner + 1))/$owner/" $root/config.json'
    ),
    "WrongOwner": "chown $(($(awk '{print $2}' /proc/$pid/uid_map) + inner)) $root/journal",
    "ExtraCapability": f"python3 -c {shlex.quote(CAPABILITY)} $root/bin/probe",
    "SetUserId": "chmod u-s $root/tools/*",
    "PortDown": f"for n in 1 2 3; do {ROAD} ip link set port$n up; done",
    "WrongPrefix": (
        f"{NET} ip address del $near/$wide dev eth0; {NET} ip address add $near/24 dev eth0; "
        f"{NET} ip route replace default via $gateway"
    ),
    "NoWayOut": f"{NET} ip route add default via $gateway",
    "WrongGateway": f"{NET} ip route replace default via $gateway",
    "NotForwarding": f"{ROAD} sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward'",
    "DropRule": f"{ROAD} nft delete rule ip road forward handle {HANDLE}",
    "DeadRoute": f"{NET} ip route del $({NET} ip route | awk '/^[bup]/ {{print $1, $2}}')",
    "WrongNeighbour": f"{NET} ip neighbour del $gateway dev eth0",
    "WrongSize": f"{ROAD} ip link set port1 mtu 1500",
    "Runaway": QUOTA.format("$cpu"),
    "Frozen": THAW,
    "OneProcessor": ALL_CPUS.format("$cpuset"),
    "SwappedWeights": SWAP,
    "TightMemory": MEMORY.format(most="$((need + 8))M"),
    "FewProcesses": "echo 60 > $pids/pids.max",
    "SlowDisk": WRITES,
    "WrongGroup": f"{MILL}; for d in $all; do echo $mill > $d/cgroup.procs; done",
}

# Another right way, where there is one of quite another kind.
OTHERWISE = {
    "StaleProc": f"{IN} sh -c 'umount /proc; mount -t proc proc /proc'",
    "LeakingMount": "nsenter -t $neighbour -m -p mount --make-private /srv/$name/pool",
    "LostOpaque": (
        "for f in $(cd $root/layers/1 && ls etc/rules.d/*); do mknod $root/layers/3/$f c 0 0; done"
    ),
    "SetUserId": (
        f"{HARBOUR} sh -c 'mount -o bind '$top'/tools '$top'/tools && "
        "mount -o remount,bind,nosuid '$top'/tools'"
    ),
    "OffByOne": (
        "owner=$(stat -c %u $root/data/ledger); "
        'sed -i "s/$((owner + 1))/$owner/; s/65536/60000/" $root/config.json'
    ),
    "NoWayOut": f"{NET} ip route add ${{far%.2}}.0/24 via $gateway",
    "WrongGateway": f"{ROAD} ip address add $nobody/24 dev port1",
    "DropRule": (
        f"for way in saddr daddr; do {ROAD} nft insert rule ip road forward ip $way $far accept; "
        "done"
    ),
    "WrongNeighbour": f"{ROAD} ip link set port1 address $wrong",
    "WrongSize": f"{NET} ip link set eth0 mtu $size",
    "SwappedWeights": f"echo 3000 > $cpu/{WEIGHT}; echo 300 > $cpu_other/{WEIGHT}",
    "OneProcessor": "echo 0-$(($(nproc --all) - 1)) > $cpuset/cpuset.cpus",
    "TightMemory": MEMORY.format(most="$((2 * need))M"),
}

# What also silences the complaint, or seems to, and destroys something: it must not count.
LAZY = {
    "StaleProc": "kill -KILL $pid",
    "LeakingMount": f"{IN} umount $top/pool",
    "NotReadOnly": (
        f"{IN} mount -o remount,ro $top/prices/today; {IN} mount -o remount,bind,ro $top/prices"
    ),
    "HiddenDirectory": f"{IN} umount $top/orders",
    "OldRoot": f"{IN} rm -r /old/bin; {IN} umount -l /old",
    "Zombies": "kill -KILL $pid",
    "Deaf": "kill -KILL $(pgrep -P $pid) $(pgrep -P $neighbour)",
    "Stopped": "kill -KILL $(pgrep -P $pid)",
    "NeighboursName": "nsenter -t $pid -u hostname $name; nsenter -t $neighbour -u hostname $name",
    "PinnedNamespace": f"{HARBOUR} umount /srv/netns/$name /srv/netns/$other",
    "StrayDescriptor": "kill -KILL $(pgrep -P $pid)",
    "FlippedBit": "rm -r $root/blobs/sha256; cp -r $root/../$other/. $root/",
    "WrongTag": "rm $root/index.json",
    "WrongDiffId": "rm -r $root/blobs",
    "MissingWhiteout": "rm $root/layers/1/$secret",
    "LostOpaque": "rm $root/layers/1/etc/rules.d/*",
    "LayerOrder": (
        "for f in version colour; do for n in 2 3; do [ -e $root/layers/$n/$f ] && "
        "cp $root/layers/$n/$f $root/layers/1/; done; cp $root/layers/1/$f $root/layers/2/; done"
    ),
    "OffByOne": "rm -r $root/data",
    "WrongOwner": (
        "chmod 666 $root/journal; "
        "chown $(($(awk '{print $2}' /proc/$pid/uid_map) + inner)) $root/journal"
    ),
    "ExtraCapability": "cp $root/bin/probe $root/p; mv $root/p $root/bin/probe",
    "SetUserId": "rm $root/tools/*",
    "PortDown": f"{ROAD} nft flush ruleset; for n in 1 2 3; do {ROAD} ip link set port$n up; done",
    "WrongPrefix": (
        f"{NET} ip address del $near/$wide dev eth0; {NET} ip address add ${{near%.2}}.7/24 dev "
        f"eth0; {NET} ip route replace default via $gateway"
    ),
    "NoWayOut": f"{ROAD} nft flush ruleset; {NET} ip route add default via $gateway",
    "WrongGateway": "kill -KILL $road",
    "NotForwarding": (
        f"{ROAD} nft flush ruleset; {ROAD} sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward'"
    ),
    "DropRule": f"{ROAD} nft flush ruleset",
    "DeadRoute": f"{NET} ip route flush table main",
    "WrongNeighbour": f"{NET} ip link set eth0 down",
    "WrongSize": f"{ROAD} nft delete table ip road; {ROAD} ip link set port1 mtu 1500",
    "Runaway": "kill -KILL $(pgrep -P $pid)",
    "Frozen": f"kill -KILL $(pgrep -P $pid); {THAW}",
    "OneProcessor": f"{ALL_CPUS.format('$cpuset')}; {ALL_CPUS.format('$cpuset_other')}",
    "SwappedWeights": f"{SWAP}; {QUOTA.format('$cpu_other')}",
    "TightMemory": MEMORY.format(most="-1" if V1 else "max"),
    "FewProcesses": "echo max > $pids/pids.max",
    "SlowDisk": f"{WRITES}; {READS}",
    "WrongGroup": f"{MILL}; kill -KILL $mill",
}


@pytest.fixture
def world(box: Lab) -> World:
    return World(box)


def broken(world: World, kind: str, seed: int = 1) -> Fault:
    return ALL[kind](world, "ferry", "galley", random.Random(seed))


def variables(fault: Fault) -> str:
    """Return what a shell is told before a repair: what a student reads off the page."""
    machine = fault.world.machine.pid
    found = {
        "machine": machine,
        "pid": fault.processes[fault.name].pid if fault.processes else "",
        "neighbour": getattr(fault.processes.get(fault.other), "pid", ""),
        "name": fault.name,
        "other": fault.other,
        "top": fault.top,
        "root": f"/proc/{machine}/root{fault.top}",
        **fault.words,
    }
    for name, group in fault.groups.items():
        suffix = "" if name == fault.name else "_other"
        for controller in ("cpu", "cpuset", "memory", "pids", "io", "freezer"):
            found[controller + suffix] = place(group, controller)
        found["all" + suffix] = shlex.quote(" ".join(group.found.directories))
    return "; ".join(f"{name}={value}" for name, value in found.items())


def place(group: Group, controller: str) -> str:
    """Return the directory in which the host has the files of a controller for a group."""
    mounts = cgroup.find().mounts
    where = mounts.get({"io": "blkio"}.get(controller, controller)) if V1 else mounts["cgroup"]
    return f"{where}{group.path}"


def typed(fault: Fault, script: str) -> None:
    done = subprocess.run(
        ["bash", "-c", f"{variables(fault)}; {script}"], capture_output=True, text=True, check=False
    )
    assert not done.stderr or "Killed" in done.stderr, done.stderr


def lost(fault: Fault) -> list[str]:
    return [one.sentence for one in fault.keeps if not one.look().holds]


def solved(fault: Fault) -> bool:
    return fault.look().holds and not lost(fault)


# --- each kind ------------------------------------------------------------------------------------


def test_every_kind_is_repaired_and_destroyed_here() -> None:
    assert ALL.keys() == REPAIR.keys() == LAZY.keys()
    assert all(len(kinds) >= 8 for kinds in KINDS.values())


@pytest.mark.parametrize("kind", ALL)
def test_a_fault_is_there_until_it_is_repaired_and_nothing_else_changes(
    world: World, kind: str
) -> None:
    fault = broken(world, kind)
    assert not fault.look().holds and not lost(fault) and fault.keeps
    assert all(one.before not in (None, {}, [], ()) for one in fault.keeps)  # there was something
    typed(fault, REPAIR[kind])
    assert looking.soon(lambda: solved(fault), 3), (fault.look(), lost(fault))


@pytest.mark.parametrize("kind", OTHERWISE)
def test_another_repair_is_as_good(world: World, kind: str) -> None:
    fault = broken(world, kind, 2)
    typed(fault, OTHERWISE[kind])
    assert looking.soon(lambda: solved(fault), 3), (fault.look(), lost(fault))


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("LostOpaque", "chmod 0 $root/layers/1/etc/rules.d/*"),
        ("LostOpaque", "chown 1234 $root/layers/1/etc"),
        ("OffByOne", "chown -R 0:0 $root/../$other/data; chmod 777 $root/../$other/data/*"),
    ],
)
def test_a_repair_that_changes_whose_the_files_are_is_told(
    world: World, kind: str, more: str
) -> None:
    fault = broken(world, kind, 3)
    typed(fault, f"{REPAIR[kind]}; {more}")
    assert looking.soon(lambda: fault.look().holds, 3)
    assert lost(fault)


def test_a_frozen_copy_in_the_place_of_what_is_read_is_told(world: World) -> None:
    fault = broken(world, "NotReadOnly", 3)
    service, prices = fault.processes[fault.name], f"{fault.top}/prices"
    service.python(
        f"kept = [open(f'{prices}/{{one}}').read() for one in ('list', 'today/list')]\n"
        f"mounts.mount('copy', '{prices}', 'tmpfs', 0, '')\n"
        f"os.mkdir('{prices}/today')\n"
        f"mounts.mount('copy', '{prices}/today', 'tmpfs', 0, '')\n"
        f"for one, said in zip(('list', 'today/list'), kept):\n"
        f"    open(f'{prices}/{{one}}', 'w').write(said)\n"
    )
    for place in (f"{prices}/today", prices):
        service.mount(None, place, None, "remount,bind,ro")
    assert looking.soon(lambda: fault.look().holds, 3)
    assert lost(fault)


@pytest.mark.parametrize(
    ("kind", "more", "observed"),
    [
        ("WrongDiffId", "rm $root/oci-layout", "no oci-layout says"),
        ("WrongDiffId", "echo '{}' >$root/oci-layout", "no oci-layout says"),
        (
            "WrongTag",
            "sed -i s/schemaVersion/schema/ $root/index.json",
            "the index has not the sch",
        ),
        (
            "FlippedBit",
            "sed -i s/image.index/image.list/ $root/index.json",
            "the index has not the",
        ),
    ],
)
def test_a_layout_that_is_none_any_more_is_not_repaired(
    world: World, kind: str, more: str, observed: str
) -> None:
    fault = broken(world, kind, 3)
    typed(fault, f"{REPAIR[kind]}; {more}")
    found = fault.look()
    assert not found.holds
    assert observed in found.observed


def test_a_namespace_that_is_kept_elsewhere_is_not_given_up(world: World) -> None:
    fault = broken(world, "PinnedNamespace", 3)
    world.machine.python(f"kept = os.open('/srv/netns/{fault.name}', os.O_RDONLY)")
    typed(fault, f"{HARBOUR} umount -l /srv/netns/$name")
    assert not looking.soon(lambda: solved(fault), 0.2)
    world.machine.python("os.close(kept)")
    assert looking.soon(lambda: solved(fault), 3), (fault.look(), lost(fault))


@pytest.mark.parametrize("kind", ALL)
def test_who_destroys_has_not_repaired(world: World, kind: str) -> None:
    fault = broken(world, kind, 3)
    done = subprocess.run(["bash", "-c", f"{variables(fault)}; {LAZY[kind]}"], check=False)
    assert done.returncode == 0
    assert not looking.soon(lambda: solved(fault), 0.3)


@pytest.mark.parametrize("kind", ALL)
def test_no_complaint_or_hint_names_a_command_or_the_cause(world: World, kind: str) -> None:
    fault = broken(world, kind)
    said = " ".join([fault.reported, *map(fault.spoken, fault.hints)])
    assert "{" not in said and all("?" in one for one in fault.hints)
    commands = (
        r"umount|remount|nsenter|mknod|setfattr|setcap|chown|chmod|--make|kill -|SIGKILL|rpriv"
    )
    assert not re.search(commands, said)


HELD: dict[str, Callable[[Fault], object]] = {
    "StaleProc": lambda one: one.processes["ferry"].mount("proc", "/proc", "proc"),
    "LeakingMount": lambda one: one.processes["ferry"].mount(None, "/", None, "rprivate"),
    "HiddenDirectory": lambda one: one.processes["ferry"].shell(
        "cp orders/today . && umount /srv/ferry/orders && mv today orders/"
    ),
    "OldRoot": lambda one: one.processes["ferry"].umount("/old", lazy=True),
    "NeighboursName": lambda one: one.processes["ferry"].sethostname("ferry"),
    "PinnedNamespace": lambda one: one.world.machine.umount("/srv/netns/ferry"),
    "LostOpaque": lambda one: one.world.machine.python(
        "os.setxattr('/srv/ferry/layers/3/etc/rules.d', 'trusted.overlay.opaque', b'y')"
    ),
    "SetUserId": lambda one: one.world.machine.shell("chmod u-s /srv/ferry/tools/*"),
    "NoWayOut": lambda one: one.processes["ferry"].shell(
        f"ip route add default via {one.words['gateway']}"
    ),
    "PortDown": lambda one: one.processes["ferry-road"].shell(
        "for one in 1 2 3; do ip link set port$one up; done"
    ),
    "NotForwarding": lambda one: one.processes["ferry-road"].write(
        "/proc/sys/net/ipv4/ip_forward", "1"
    ),
    "Runaway": lambda one: one.groups["ferry"].write("cpu.max", "4000 50000"),
    "Frozen": lambda one: one.groups["ferry"].thaw(),
    "FewProcesses": lambda one: one.groups["ferry"].write("pids.max", 99),
    "WrongGroup": lambda one: one.groups["ferry"].add(one.mill),  # type: ignore[attr-defined]
}


@pytest.mark.parametrize("kind", HELD)
def test_a_held_process_is_as_good_a_tool_as_a_terminal(world: World, kind: str) -> None:
    fault = broken(world, kind)
    HELD[kind](fault)
    assert solved(fault), (fault.look(), lost(fault))


def test_no_mount_of_the_world_tells_the_real_machine_or_hears_of_it(world: World) -> None:
    service = broken(world, "StaleProc").processes["ferry"]
    for process in (world.machine, service):
        assert (
            Path(f"/proc/{process.pid}/ns/mnt").readlink() != Path("/proc/self/ns/mnt").readlink()
        )
        lines = Path(f"/proc/{process.pid}/mountinfo").read_text().splitlines()
        assert lines and not [one for one in lines if "shared:" in one or "master:" in one]


# --- what a fault is, seen without the lab's own eye ----------------------------------------------


def test_the_stale_proc_shows_the_parents_namespace(world: World) -> None:
    fault = broken(world, "StaleProc")
    pid = fault.processes["ferry"].pid
    shown = Path(f"/proc/{pid}/root/proc/1/ns/pid").readlink()
    assert shown == Path(f"/proc/{world.machine.pid}/ns/pid").readlink()
    assert shown != Path(f"/proc/{pid}/ns/pid").readlink()


def test_what_leaks_turns_up_at_the_neighbour(world: World) -> None:
    fault = broken(world, "LeakingMount")
    first, second = fault.processes.values()
    first.mkdir("/srv/ferry/pool/new")
    first.mount("new", "/srv/ferry/pool/new", "tmpfs")
    assert " /srv/ferry/pool/new " in Path(f"/proc/{second.pid}/mountinfo").read_text()


def test_the_zombies_are_zombies(world: World) -> None:
    fault = broken(world, "Zombies")
    family = looking.descendants(fault.processes["ferry"].pid)
    assert sum(looking.status(pid)["State"][0] == "Z" for pid in family) >= 5


@pytest.mark.parametrize("kind", ["WrongPrefix", "DropRule", "WrongNeighbour", "WrongSize"])
def test_a_ping_from_a_terminal_is_answered_once_the_road_is_repaired(
    world: World, kind: str
) -> None:
    fault = broken(world, kind)
    enter = ["nsenter", "-t", str(fault.processes["ferry"].pid), "-n"]
    ping = [*enter, "busybox", "ping", "-c", "1", "-W", "1", "-s", "1300", fault.words["far"]]

    def answered() -> bool:
        return subprocess.run(ping, capture_output=True, check=False).returncode == 0

    assert not answered()
    typed(fault, REPAIR[kind])
    assert looking.soon(answered)


# --- the host -------------------------------------------------------------------------------------


@pytest.fixture
def opened(box: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., BrokenHost]:
    """Open a broken host; the record of progress is as new."""
    monkeypatch.setenv("KERNELBOX_PROGRESS", str(tmp_path / "progress.json"))
    return lambda number, seed=None: hosts.broken_host(number, seed)


def kinds(number: str, seed: int) -> list[str]:
    return [one[0].__name__ for one in drawn(number, seed)]


@pytest.mark.parametrize("number", KINDS)
def test_one_seed_is_one_host_and_others_are_others(number: str) -> None:
    assert kinds(number, 7) == kinds(number, 7) and len(set(kinds(number, 7))) == 5
    assert len({tuple(kinds(number, seed)) for seed in range(20)}) > 15
    assert {one for seed in range(40) for one in kinds(number, seed)} == {
        one.__name__ for one in KINDS[number]
    }


@pytest.mark.parametrize("seed", [-1, True, "7", [1], 1.5])
def test_what_is_no_seed_is_told(opened: Callable[..., BrokenHost], seed: Any) -> None:
    with pytest.raises(UsageError, match=r"no host is drawn from .* A seed is"):
        opened("04", seed)


@pytest.mark.parametrize("number", KINDS)
def test_what_is_reported_is_the_same_for_one_seed(
    opened: Callable[..., BrokenHost], number: str
) -> None:
    first = [one.reported for one in opened(number, 7).faults]
    assert first == [one.reported for one in opened(number, 7).faults]


@pytest.mark.parametrize("number", KINDS)
def test_who_has_done_nothing_has_solved_nothing(
    opened: Callable[..., BrokenHost], number: str
) -> None:
    host = opened(number)
    checked = host.check()
    assert [one.state for one in checked.rows] == ["not yet"] * 5
    assert checked.solved == 0 and not any(one.lost for one in checked.rows)
    assert repr(checked).endswith("0 of 5 complaints are settled.")
    assert record.standing(number, progress.read())[::2] == (0, "begun")
    assert progress.read().keys() == {f"host-{number}"}


@pytest.mark.parametrize("number", KINDS)
def test_who_ends_the_whole_machine_has_settled_nothing(
    opened: Callable[..., BrokenHost], number: str
) -> None:
    host = opened(number, 3)
    subprocess.run(["kill", "-KILL", str(host.machine.pid)], check=True)
    # Who is frozen, with cgroup v1, ends when thawed, and process 1 waits for that.
    assert looking.soon(lambda: "The harbour has ended." in repr(host.check()))
    assert host.check().solved == 0


def test_an_image_of_tonights_page_has_numbers_names_and_hints(
    opened: Callable[..., BrokenHost],
) -> None:
    host = opened("04", 5)
    assert repr(host).startswith("A harbour, drawn from seed 5. Reported tonight:\n1. ")
    assert f"harbour {host.machine.pid}" in repr(host)
    assert host["harbour"] is host.machine
    assert repr(host.hint(1)).count("?") >= 2 and "<details>" in host.hint(1)._repr_html_()
    assert "<table>" in host.check()._repr_html_() and "<table>" in host._repr_html_()


@pytest.mark.vm
def test_the_groups_of_a_host_are_found_by_name_and_go_with_it(
    opened: Callable[..., BrokenHost],
) -> None:
    host = opened("10", 5)
    groups = {name: group for fault in host.faults for name, group in fault.groups.items()}
    assert len(groups) >= 5 and all(host.group(name) is groups[name] for name in groups)
    with pytest.raises(UsageError, match="no control group is called 'nobody'"):
        host.group("nobody")
    there = [Path(one) for group in groups.values() for one in group.found.directories]
    assert all(one.exists() for one in there)
    host.end()
    assert not any(one.exists() for one in there)


# --- a student's terminal -------------------------------------------------------------------------


@pytest.fixture
def terminal(environment: dict[str, str]) -> Iterator[Terminal]:
    """A root shell in a real terminal."""
    shell = ["bash", "--norc", "--noprofile"]
    with Terminal(shell, {**environment, "PS1": "$ ", "TERM": "dumb"}) as screen:
        yield screen
        screen.type("exit\r")
        screen.end()


def is_solved(host: BrokenHost, place: int) -> bool:
    return host.check().rows[place].solved


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("number", KINDS)
def test_a_host_is_repaired_in_a_terminal(
    opened: Callable[..., BrokenHost], terminal: Terminal, tmp_path: Path, number: str, seed: int
) -> None:
    host = opened(number, seed)
    for place, fault in enumerate(host.faults):
        repair = REPAIR[type(fault).__name__]
        if len(repair) > 1000:  # more than a person types: an editor, and then the file
            (tmp_path / "repair").write_text(repair)
            repair = f". {tmp_path}/repair"
        terminal.type(f"{variables(fault)}\r")
        terminal.type(f"{repair}\r")
        terminal.type(f"echo complaint $(({place} + 1))\r")
        terminal.read(rf"\ncomplaint {place + 1}\r\n")
        assert looking.soon(partial(is_solved, host, place), 3), repr(host.check())
    assert host.check().solved == 5, repr(host.check())
    assert record.standing(number, progress.read()).state == "done"


def test_a_shell_within_a_service_is_a_way_too(world: World, terminal: Terminal) -> None:
    fault = broken(world, "StaleProc")
    terminal.type(f"nsenter -t {fault.processes['ferry'].pid} -m -p sh\r")
    terminal.read("built-in commands")  # busybox greets
    terminal.type("read me rest </proc/self/stat; test $me = $$ || echo another number\r")
    terminal.read(r"\nanother number\r\n")  # that which it has in the harbour
    terminal.type("umount /proc; mount -t proc proc /proc; echo $((6 * 7))\r")
    terminal.read(r"\n42\r\n")
    assert solved(fault)
    terminal.type("exit\r")


# --- nothing is left ------------------------------------------------------------------------------


def test_nothing_is_left_when_the_notebooks_kernel_is_killed(environment: dict[str, str]) -> None:
    notebook = Notebook(environment)
    try:
        notebook.ok("from kernelbox import lab; box = lab.start()")
        notebook.ok("host = lab.broken_host('04', seed=1)")
        machine = int(notebook.ok("print(host.machine.pid)"))
        family = [machine, *looking.descendants(machine)]
        assert len(family) > 5
        os.kill(notebook.pid, signal.SIGKILL)
        assert looking.soon(lambda: not any(map(looking.is_alive, family)))
    finally:
        notebook.close()
