"""What Linux has, as a bundle asks for it: resources, devices, namespaces, system calls, time.

Source of each: OCI runtime-spec, config-linux.md, by its sections.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from kernelbox import cgroup
from kernelbox.cgroup import devices
from kernelbox.kernel import bpf
from tests import looking
from tests.engine import RUNTIME, Engine, gone


def limits(path: str) -> dict[str, str]:
    """Return what the kernel says of a group's limits, by v1's names or by v2's."""
    host = cgroup.find()
    found = {}
    for mount in set(host.mounts.values()):
        for file in Path(f"{mount}{path}").glob("*.*"):
            if re.search(
                r"(limit_in_bytes|shares|weight|max|cfs_\w+_us|list|freeze|cpus)$", file.name
            ):
                try:
                    found[file.name] = file.read_text().strip()
                except OSError:
                    continue
    return found


def test_resources_are_written_and_zero_is_unset(engine: Engine) -> None:
    """Section "Control groups", "Memory", "CPU", "PIDs"; the group is where cgroupsPath says."""
    path = f"/kernelbox/test-{os.getpid()}-limited/deeper"
    linux = engine.config["linux"]
    linux["cgroupsPath"] = path
    linux["resources"] = {
        "memory": {"limit": 40 << 20, "swap": 0, "reservation": 0},
        "cpu": {"shares": 512, "quota": 30_000, "period": 100_000, "cpus": "", "realtimePeriod": 0},
        "pids": {"limit": 33},
        "blockIO": {"weight": 0},
    }
    engine.config["process"]["args"] = ["sleep", "1000"]
    pid = engine.create("limited")
    assert path in Path(f"/proc/{pid}/cgroup").read_text()
    seen = limits(path)
    if cgroup.find().version == 1:
        wanted = {"memory.limit_in_bytes": str(40 << 20), "cpu.shares": "512", "pids.max": "33",
                  "cpu.cfs_quota_us": "30000"}  # fmt: skip
    else:
        wanted = {"memory.max": str(40 << 20), "pids.max": "33", "cpu.max": "30000 100000"}
    assert {name: seen[name] for name in wanted} == wanted
    engine.ok("update", "limited", "--memory", "44M")  # as runc reads it
    assert str(44 << 20) in limits(path).values()
    engine.ok("update", "limited", "--memory", str(48 << 20))  # runc takes options there, too
    engine.ok("update", "limited", "--memory-swap", "60M")  # both together, and one of them stays
    swap = limits(path).get("memory.memsw.limit_in_bytes") or limits(path).get("memory.swap.max")
    assert swap in (str(60 << 20), str(12 << 20)) and str(48 << 20) in limits(path).values()
    engine.ok("update", "limited", "--cpu-burst", "5000")
    engine.ok("update", "limited", "--cpu-burst", "0")
    burst = looking.limit_file(pid, "cpu", "cpu.cfs_burst_us", "cpu.max.burst")
    assert burst.read_text() == "0\n"
    assert "is not a size" in engine.refused("update", "limited", "--memory", "much")
    assert "unexpected" in engine.refused("update", "limited", "other")
    more = {"pids": {"limit": 44}, "memory": {"limit": 0}, "cpu": {"quota": 0}}
    engine.ok("update", "--resources", "-", "limited", stdin=None, input=json.dumps(more))
    seen = limits(path)
    assert seen["pids.max"] == "44" and str(48 << 20) in seen.values()
    told = json.loads(engine.ok("events", "--stats", "limited"))
    assert told["type"] == "stats" and told["data"]["pids"] == {"current": 1, "limit": 44}
    assert told["data"]["memory"]["usage"]["limit"] == 48 << 20
    engine.ok("delete", "--force", "limited")
    for mount in set(cgroup.find().mounts.values()):
        assert not Path(f"{mount}{path}").parent.exists()


def test_the_last_container_in_a_group_takes_that_away(engine: Engine) -> None:
    """As those of a pod, whatever the order in which they end."""
    above = f"/kernelbox/test-{os.getpid()}-pod"
    places = [Path(f"{mount}{above}") for mount in set(cgroup.find().mounts.values())]
    for name in ("infra", "other"):
        engine.config["linux"]["cgroupsPath"] = f"{above}/{name}"
        engine.create(name)
    engine.ok("delete", "--force", "infra")
    assert all(place.is_dir() for place in places)
    engine.ok("delete", "--force", "other")
    assert not any(place.exists() for place in places)


def test_a_group_with_somebody_in_it_is_not_taken(engine: Engine) -> None:
    with cgroup.of(f"test-{os.getpid()}-taken") as group:
        sleeper = subprocess.Popen(["sleep", "1000"])
        group.add(sleeper.pid)
        engine.config["linux"]["cgroupsPath"] = f"/kernelbox/test-{os.getpid()}-taken"
        assert "processes in" in engine.refused("create", "--bundle", engine.bundle, "taker")
        assert sleeper.poll() is None and group.processes() == [sleeper.pid]
        sleeper.kill()
        sleeper.wait()


@pytest.mark.parametrize("path", ["/", "/../x", "../x", "a/../../b"])
def test_a_cgroups_path_leads_nowhere_else(engine: Engine, path: str) -> None:
    engine.config["linux"]["cgroupsPath"] = path
    assert "control group" in engine.refused("create", "--bundle", engine.bundle, "bad")


def test_devices_are_allowed_by_the_last_rule_that_fits(engine: Engine) -> None:
    """Section "Allowed Device list"; the default devices stay usable whatever the rules are."""
    linux = engine.config["linux"]
    everything = ["CAP_MKNOD", "CAP_DAC_OVERRIDE"]
    engine.config["process"]["capabilities"] = {
        one: everything for one in ("bounding", "effective", "permitted")
    }
    linux["devices"] = [{"path": "/dev/some", "type": "c", "major": 10, "minor": 250}]
    script = "(: </dev/some) 2>&1 | grep -q 'not permitted' && echo no || echo yes; echo >/dev/null"
    deny: dict[str, Any] = {"allow": False, "access": "rwm"}
    some = {"allow": True, "type": "c", "major": 10, "minor": 250, "access": "r"}
    for rules, answer in (
        ([], "no"),
        ([deny], "no"),
        ([deny, some], "yes"),
        ([{"allow": True}, {**some, "allow": False}], "no"),
        ([deny, some, {**some, "allow": False}], "no"),
        ([{"allow": True, "access": "rwm"}], "yes"),
    ):
        linux["resources"] = {"devices": rules}
        assert engine.sh(script) == answer, rules


V2 = next((Path(one.point) for one in looking.mounts() if one.kind == "cgroup2"), None)


@pytest.mark.skipif(V2 is None, reason="no cgroup2 is mounted")
@pytest.mark.parametrize(
    ("rules", "answers"),
    [
        ([], "no no no"),
        ([devices.Rule("a", None, None)], "yes yes yes"),
        ([devices.Rule("a", None, None), devices.Rule("c", 1, 5, "r", False)], "no yes yes"),
        ([devices.Rule("a", None, None, "rwm", False), devices.Rule("c", 1, None)], "yes yes yes"),
        ([devices.Rule("c", 1, None), devices.Rule("c", 1, 5, "w", False)], "yes no yes"),
        ([devices.Rule("c", 1, 5, "w", False), devices.Rule("c", 1, 5)], "yes yes no"),
        ([devices.Rule("b", 1, None), devices.Rule("c", 1, 7, "r")], "no no yes"),
    ],
)
def test_the_same_rules_as_a_program_of_cgroup_v2(rules: list[devices.Rule], answers: str) -> None:
    """cgroup-v2.rst, "Device controller": also where the other controllers are v1's."""
    assert V2 is not None
    group = V2 / "kernelbox" / f"test-{os.getpid()}-rules"
    group.mkdir(parents=True)
    fd, program = os.open(group, os.O_RDONLY), bpf.load_device_program(devices.program(rules))
    try:
        bpf.attach_to_group(fd, program)
        script = (
            f"echo $$ >{group}/cgroup.procs; (: </dev/zero) 2>&- && echo yes || echo no; "
            "(: >/dev/zero) 2>&- && echo yes || echo no; (: </dev/full) 2>&- && echo yes || echo no"
        )
        done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
        assert done.stdout.split() == answers.split(), done
    finally:
        os.close(fd)
        os.close(program)
        looking.soon(lambda: not (group / "cgroup.procs").read_text())
        group.rmdir()


def test_a_frozen_container_is_paused_and_can_be_killed(engine: Engine) -> None:
    """Section "Freezer" of old; runc, pause, resume; a kill reaches who stands still."""
    engine.config["process"]["args"] = ["sleep", "1000"]
    pid = engine.create("still")
    engine.ok("start", "still")
    engine.ok("pause", "still")
    assert engine.status("still") == "paused"
    assert "paused" in engine.refused("pause", "still")
    assert "paused" in engine.refused("exec", "still", "true")
    engine.ok("resume", "still")
    assert engine.status("still") == "running"
    assert "running" in engine.refused("resume", "still")
    engine.ok("pause", "still")
    engine.ok("kill", "still", "KILL")
    looking.soon(lambda: gone(pid))
    assert engine.status("still") == "stopped"


def test_who_outlives_the_first_process_is_killed(engine: Engine) -> None:
    """runc, "kill KILL [host pidns + init gone]": its end is not theirs without a PID namespace."""
    linux = engine.config["linux"]
    linux["namespaces"] = [one for one in linux["namespaces"] if one["type"] != "pid"]
    engine.config["process"]["args"] = ["sleep", "1000"]
    for kill_first in (False, True):
        pid = engine.create("many")
        engine.ok("start", "many")
        lost = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        engine.ok("exec", "--detach", "many", "sleep", "999", **lost)
        others = set(json.loads(engine.ok("ps", "--format", "json", "many"))) - {pid}
        assert others
        if kill_first:
            os.kill(pid, 9)
            looking.soon(lambda pid=pid: gone(pid))
            assert engine.status("many") == "stopped" and not any(map(gone, others))
        engine.ok("kill", "many", "KILL")
        looking.soon(lambda others=others: all(map(gone, others)))
        engine.ok("delete", "many")


def test_namespaces_are_new_joined_or_the_runtimes(engine: Engine) -> None:
    """Section "Namespaces": a path is joined, a kind that is left out is inherited."""
    engine.config["process"]["args"] = ["sleep", "1000"]
    first = engine.create("first")
    engine.ok("start", "first")
    joined = {"network": "net", "ipc": "ipc", "pid": "pid"}
    engine.config["linux"]["namespaces"] = [
        {"type": "mount"},
        *({"type": kind, "path": f"/proc/{first}/ns/{name}"} for kind, name in joined.items()),
    ]
    del engine.config["hostname"]
    second = engine.create("second")
    for name in joined.values():
        assert os.readlink(f"/proc/{second}/ns/{name}") == os.readlink(f"/proc/{first}/ns/{name}")
    assert os.readlink(f"/proc/{second}/ns/uts") == os.readlink("/proc/self/ns/uts")
    assert os.readlink(f"/proc/{second}/ns/mnt") != os.readlink("/proc/self/ns/mnt")
    engine.ok("start", "second")
    assert {first, second} >= set(json.loads(engine.ok("ps", "--format", "json", "second")))
    engine.ok("delete", "--force", "second")
    assert engine.status("first") == "running"
    engine.config["linux"]["namespaces"] = [
        {"type": "mount"},
        {"type": "network", "path": f"/proc/{first}/ns/ipc"},
    ]
    assert "no network namespace" in engine.refused("create", "--bundle", engine.bundle, "bad")


def test_a_root_where_others_see_its_mounts(engine: Engine) -> None:
    """Section "Namespaces": without a mount namespace, or with another's, `root.path` is a chroot.

    What is mounted is below the rootfs, seen by whoever is there, and goes with the container.
    """
    rootfs = os.path.realpath(engine.bundle / "rootfs")
    inside = [{"destination": "/data", "type": "tmpfs", "source": "tmpfs"}]
    engine.config["mounts"] += inside
    engine.config["process"]["args"] = ["sleep", "1000"]
    with subprocess.Popen(["unshare", "--mount", "sleep", "1000"]) as other:
        looking.soon(lambda: Path(f"/proc/{other.pid}/comm").read_text() == "sleep\n")
        for where, joined in (("self", ""), (str(other.pid), f"/proc/{other.pid}/ns/mnt")):
            kinds = [{"type": one} for one in ("pid", "ipc", "uts", "network")]
            engine.config["linux"]["namespaces"] = kinds + (
                [{"type": "mount", "path": joined}] if joined else []
            )
            pid = engine.create("chroot")
            points = {one.point for one in looking.mounts(where)}
            assert {rootfs, f"{rootfs}/proc", f"{rootfs}/data"} <= points
            assert os.readlink(f"/proc/{pid}/ns/mnt") == os.readlink(f"/proc/{where}/ns/mnt")
            engine.ok("start", "chroot")
            entered = engine.ok("exec", "chroot", "sh", "-c", "pwd; ls /; touch /data/x")
            assert entered.split()[0] == "/" and "bin" in entered and "boot" not in entered
            before = points - {one for one in points if one.startswith(rootfs)}
            engine.ok("delete", "--force", "chroot")
            assert {one.point for one in looking.mounts(where)} == before
            assert os.listdir(f"{rootfs}/data") == []
        # A birth that fails leaves none either.
        engine.config["mounts"] = [*engine.config["mounts"], {"destination": "/x", "type": "no"}]
        engine.refused("create", "--bundle", engine.bundle, "bad")
        left = [*looking.mounts(), *looking.mounts(other.pid)]
        assert not [one for one in left if one.point.startswith(rootfs)]
        other.kill()


def test_a_user_namespace_of_others(engine: Engine) -> None:
    """Section "Namespaces": a user namespace is joined with its maps, alone or with others."""
    linux = engine.config["linux"]
    engine.config["process"]["args"] = ["sleep", "1000"]
    maps = [{"containerID": 0, "hostID": 300_000, "size": 5000}]
    linux |= {"uidMappings": maps, "gidMappings": maps}
    linux["namespaces"] = [
        {"type": one} for one in ("pid", "network", "ipc", "uts", "mount", "user")
    ]
    first = engine.create("first")
    engine.ok("start", "first")
    # Mappings that come along are for engines' sake, and say nothing.
    linux |= {"uidMappings": [{"containerID": 0, "hostID": 0, "size": 1}], "gidMappings": maps}
    kinds = {"user": "user", "network": "net", "ipc": "ipc"}
    for joined in (("user",), ("user", "network", "ipc")):
        linux["namespaces"] = [
            {"type": one, "path": f"/proc/{first}/ns/{kinds[one]}"} for one in joined
        ] + [{"type": one} for one in ("pid", "uts", "mount") + (("network",) * (len(joined) < 2))]
        second = engine.create("second")
        for one in joined:
            file = f"ns/{kinds[one]}"
            assert os.readlink(f"/proc/{second}/{file}") == os.readlink(f"/proc/{first}/{file}")
        status = Path(f"/proc/{second}/status").read_text()
        assert re.search(r"^Uid:\t300000\t", status, re.M)
        engine.ok("start", "second")
        assert engine.ok("exec", "second", "sh", "-c", "id -u; cat /proc/1/comm").split() == [
            "0", "sleep",
        ]  # fmt: skip
        engine.ok("delete", "--force", "second")
    engine.config["process"]["args"] = ["sh", "-c", "id -u; exit 6"]
    done = engine("run", "--bundle", engine.bundle, "second")
    assert (done.returncode, done.stdout) == (6, "0\n"), done
    engine.config["mounts"].append({"destination": "/x", "type": "no"})
    assert "no" in engine.refused("create", "--bundle", engine.bundle, "second")


def test_a_user_namespace_of_its_own_and_a_network_of_others(engine: Engine) -> None:
    """As an engine wires it: the network is there before, and belongs to nobody inside."""
    linux = engine.config["linux"]
    engine.config["process"]["args"] = ["sleep", "1000"]
    maps = [{"containerID": 0, "hostID": 300_000, "size": 5000}]
    with subprocess.Popen(["unshare", "--net", "--uts", "sleep", "1000"]) as other:
        looking.soon(lambda: Path(f"/proc/{other.pid}/comm").read_text() == "sleep\n")
        linux |= {"uidMappings": maps, "gidMappings": maps}
        linux["namespaces"] = [
            *({"type": one} for one in ("pid", "ipc", "mount", "user")),
            {"type": "network", "path": f"/proc/{other.pid}/ns/net"},
            {"type": "uts", "path": f"/proc/{other.pid}/ns/uts"},
        ]
        del engine.config["hostname"]
        pid = engine.create("wired")
        for kind in ("net", "uts"):
            assert os.readlink(f"/proc/{pid}/ns/{kind}") == os.readlink(
                f"/proc/{other.pid}/ns/{kind}"
            )
        assert os.readlink(f"/proc/{pid}/ns/user") != os.readlink("/proc/self/ns/user")
        engine.ok("start", "wired")
        assert engine.ok("exec", "wired", "id", "-u") == "0\n"
        other.kill()


def test_settings_time_and_what_uname_says(engine: Engine) -> None:
    """Section "Sysctl", "Offset for Time Namespace", "Personality"; config.md, "Hostname"."""
    linux = engine.config["linux"]
    linux["namespaces"].append({"type": "time"})
    linux["timeOffsets"] = {"boottime": {"secs": 100_000_000}}
    linux["sysctl"] = {"net.ipv4.ip_forward": "1", "kernel.msgmax": "9000"}
    linux["readonlyPaths"] = []
    if os.uname().machine == "x86_64":
        linux["personality"] = {"domain": "LINUX32"}
    (engine.bundle / "rootfs/bin/uname").symlink_to("busybox")
    engine.config["domainname"] = "example.org"
    seen = engine.sh(
        "cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax /proc/sys/kernel/domainname; "
        "cat /proc/uptime; uname -m"
    ).split("\n")
    assert seen[:3] == ["1", "9000", "example.org"]
    assert float(seen[3].split()[0]) > 100_000_000
    assert "personality" not in linux or seen[4] == "i686"
    linux["sysctl"] = {"kernel.msgnothing": "1"}
    assert "nothing" in engine.refused("create", "--bundle", engine.bundle, "bad")


def test_a_setting_of_the_hosts_stays_as_it_is(engine: Engine) -> None:
    """Section "Sysctl": "in the container", so it takes a namespace that has the setting."""
    linux = engine.config["linux"]
    kinds = linux["namespaces"]
    host = Path("/proc/sys/kernel/msgmax").read_text()
    without = [one for one in kinds if one["type"] not in ("ipc", "network")]
    for name, namespaces in (
        ("kernel.msgmax", without),
        ("kernel/msgmax", without),
        ("net.ipv4.ip_forward", without),
        ("net.ipv4.ip_forward", [*without, {"type": "network", "path": "/proc/self/ns/net"}]),
        ("vm.swappiness", kinds),
        ("net/../vm/swappiness", kinds),
        ("../../tmp/x", kinds),
        ("kernel.hostname", kinds),
    ):
        linux["namespaces"], linux["sysctl"] = namespaces, {name: "1"}
        said = engine.refused("create", "--bundle", engine.bundle, "bad")
        assert name in said, (name, said)
    assert Path("/proc/sys/kernel/msgmax").read_text() == host


def test_scheduling_of_processor_and_disk(engine: Engine) -> None:
    """config.md, "Linux Process": scheduler, ioPriority, execCPUAffinity, oomScoreAdj."""
    process = engine.config["process"]
    process["scheduler"] = {"policy": "SCHED_BATCH", "nice": 5}
    process["ioPriority"] = {"class": "IOPRIO_CLASS_IDLE", "priority": 0}
    process["args"] = ["sleep", "1000"]
    pid = engine.create("nice")
    engine.ok("start", "nice")
    assert os.sched_getscheduler(pid) == os.SCHED_BATCH
    assert os.getpriority(os.PRIO_PROCESS, pid) == 5
    asked = subprocess.run(
        ["ionice", "-p", str(pid)], stdout=subprocess.PIPE, text=True, check=True
    )
    assert asked.stdout.strip() == "idle"


def test_on_which_processors_exec_is(engine: Engine, tmp_path: Path) -> None:
    """config.md, "Linux Process", execCPUAffinity: of `exec`, and never of the first process."""
    ours = os.sched_getaffinity(0)
    one, last = str(min(ours)), str(max(ours))
    process = engine.config["process"]
    process["args"] = ["sleep", "1000"]
    process["execCPUAffinity"] = {"initial": last, "final": one}
    pid = engine.create("bound")
    engine.ok("start", "bound")
    assert os.sched_getaffinity(pid) == ours
    asks = ["grep", "Cpus_allowed_list", "/proc/self/status"]
    assert engine.ok("exec", "bound", *asks).split() == ["Cpus_allowed_list:", one]
    described = tmp_path / "process.json"
    plain = {"args": asks, "cwd": "/", "env": ["PATH=/bin"]}
    for affinity, wanted in (
        (None, one),
        ({"initial": last}, last),
        ({"final": last}, last),
        ({"initial": one, "final": last}, last),
    ):
        described.write_text(json.dumps(plain | {"execCPUAffinity": affinity}))
        assert engine.ok("exec", "--process", described, "bound").split()[1] == wanted, affinity
    described.write_text(json.dumps(plain | {"execCPUAffinity": {"initial": "x"}}))
    assert "processors" in engine.refused("exec", "--process", described, "bound")


def test_what_its_caller_is_bound_to_is_nothing_to_a_container(engine: Engine) -> None:
    """runc, cpu_affinity.bats: it and `exec` may be wherever their control group lets them."""
    ours = os.sched_getaffinity(0)
    engine.runtime = ["taskset", "-c", str(min(ours)), *RUNTIME]
    engine.config["process"]["args"] = ["sleep", "1000"]
    pid = engine.create("free")
    engine.ok("start", "free")
    assert os.sched_getaffinity(pid) == ours
    seen = engine.ok("exec", "free", "grep", "Cpus_allowed:", "/proc/self/status")
    assert int(seen.split()[1].replace(",", ""), 16) == sum(1 << cpu for cpu in ours)
    # Of a group that has one processor, and not the caller's, it is on that.
    engine.config["linux"]["resources"] = {"cpu": {"cpus": str(max(ours))}}
    pid = engine.create("bound")
    assert os.sched_getaffinity(pid) == {max(ours)}


@pytest.mark.parametrize("of_its_own", [False, True], ids=["host's users", "users of its own"])
def test_with_a_chroot_for_a_root_nothing_unmasked_comes_into_sight(
    engine: Engine, of_its_own: bool
) -> None:
    """The old root stays mounted then: were its /proc in sight, another could be mounted."""
    linux = engine.config["linux"]
    linux["maskedPaths"] = ["/proc/kcore", "/sys/firmware"]
    if of_its_own:
        maps = [{"containerID": 0, "hostID": 300_000, "size": 5000}]
        linux |= {"uidMappings": maps, "gidMappings": maps}
        linux["namespaces"].append({"type": "user"})
    what = engine.config["process"]
    what["user"] = {"uid": 1000, "gid": 1000}  # who may map itself to root
    what["args"] = ["busybox", "unshare", "-rmpf", "sh", "-c"]
    before = _views()
    for kind, place in (("proc", "/proc"), ("sysfs", "/sys")):
        what["args"][5:] = [f"echo in; mount -t {kind} none {place} && echo bare"]
        for words in ((), ("--no-pivot",)):
            done = engine("run", *words, "--bundle", engine.bundle, "boxed")
            assert done.stdout == "in\n", (words, done)
    assert _views() == before  # the host's own stay


def _views() -> list[str]:
    mounted = Path("/proc/self/mountinfo").read_text().splitlines()
    return [one for one in mounted if " - proc " in one or " - sysfs " in one]


def test_system_calls_are_filtered(engine: Engine) -> None:
    """Section "Seccomp"; with and without no_new_privs, and in `exec`, too."""
    engine.config["linux"]["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [
            {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 77},
            {"names": ["of_tomorrow"], "action": "SCMP_ACT_ERRNO"},
        ],
    }
    script = "mkdir /tmp/x 2>&1; grep -E '^Seccomp:' /proc/self/status"
    for promise in (True, False):
        engine.config["process"]["noNewPrivileges"] = promise
        seen = engine.sh(script)
        assert "File descriptor in bad state" in seen and seen.endswith("Seccomp:\t2")
    engine.config["process"]["args"] = ["sleep", "1000"]
    engine.create("filtered")
    engine.ok("start", "filtered")
    assert (
        "Seccomp:\t2" in engine("exec", "filtered", "grep", "Seccomp:", "/proc/self/status").stdout
    )
    engine.config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_NOTIFY"}
    assert "SCMP_ACT_NOTIFY" in engine.refused("create", "--bundle", engine.bundle, "bad")


def test_what_is_mounted_on_passes_what_it_shall(engine: Engine) -> None:
    """Section "Rootfs Mount Propagation"; config.md, "Mounts": shared, slave and private."""
    for word, mark in (("shared", "shared:"), ("slave", None), ("private", None), ("", None)):
        engine.config["linux"]["rootfsPropagation"] = word
        line = engine.sh(
            "grep -m 1 ' / / ' /proc/self/mountinfo || grep ' / ' /proc/self/mountinfo"
        )
        optional = line.split("\n")[0].partition(" - ")[0].split()[6:]
        assert any(one.startswith(mark) for one in optional) if mark else optional == [], word


def test_a_root_that_is_a_slave_receives_what_the_host_mounts(engine: Engine) -> None:
    """mount_namespaces(7), MS_SLAVE; and it passes nothing on, nor does a private one receive."""
    rootfs = engine.bundle / "rootfs"
    for name in ("later", "inner"):
        (rootfs / name).mkdir()
    subprocess.run(["mount", "--bind", rootfs, rootfs], check=True)
    try:
        subprocess.run(["mount", "--make-shared", rootfs], check=True)
        engine.config["process"]["args"] = ["sleep", "1000"]
        inside = {}
        for word in ("slave", "rslave", "private"):
            engine.config["linux"]["rootfsPropagation"] = word
            inside[word] = engine.create(word)
            engine.ok("start", word)
        subprocess.run(["mount", "-t", "tmpfs", "from-the-host", rootfs / "later"], check=True)
        received = {
            word
            for word, pid in inside.items()
            if " /later " in Path(f"/proc/{pid}/mountinfo").read_text()
        }
        assert received == {"slave", "rslave"}
        looking.enter(inside["slave"], "--mount", "mount", "-t", "tmpfs", "inside", "/inner")
        assert f" {rootfs}/inner " not in Path("/proc/self/mountinfo").read_text()
    finally:
        subprocess.run(["umount", "--recursive", rootfs], check=True)


def test_the_descriptors_that_are_kept(engine: Engine) -> None:
    """runc, `--preserve-fds`: those, and no other, reach the program."""
    read, write = os.pipe()
    engine.config["process"]["args"] = ["sh", "-c", "echo told >&3; ls /proc/self/fd | cat"]
    done = engine(
        "run", "--preserve-fds", "1", "--bundle", engine.bundle, "kept",
        preexec_fn=lambda: os.dup2(write, 3), pass_fds=(3,),
    )  # fmt: skip
    os.close(write)
    assert os.read(read, 100) == b"told\n"
    os.close(read)
    assert done.stdout.split() == ["0", "1", "2", "3", "4"], done  # the last is of `ls` itself


def test_descriptors_that_are_not_open_are_not_kept(engine: Engine) -> None:
    engine.config["process"]["args"] = ["sh", "-c", "ls /proc/self/fd | cat"]
    assert engine.ok("run", "--preserve-fds", "9", "--bundle", engine.bundle, "box").split() == [
        "0", "1", "2", "3",
    ]  # fmt: skip


def test_sockets_that_somebody_listens_at_for_the_program(engine: Engine) -> None:
    """sd_listen_fds(3): handed on with their number, to the program's pid and no other's."""
    read, write = os.pipe()
    engine.config["process"]["args"] = ["sh", "-c", "echo $LISTEN_FDS $LISTEN_PID $$ >&3"]
    (engine.bundle / "config.json").write_text(json.dumps(engine.config))
    words = " ".join([f"--root {engine.root}", f"run --bundle {engine.bundle} box"])
    script = f"LISTEN_PID=$$ LISTEN_FDS=1 exec {shlex.join(RUNTIME)} {words}"
    subprocess.run(
        ["sh", "-c", script], preexec_fn=lambda: os.dup2(write, 3), pass_fds=(3,), check=True,
        timeout=60,
    )  # fmt: skip
    os.close(write)
    assert os.read(read, 100) == b"1 1 1\n"
    os.close(read)


def test_nobody_inside_has_the_interpreter_to_write_to(engine: Engine) -> None:
    """CVE-2019-5736: what the kernel is told to run leads to what is running, as ever."""
    (engine.bundle / "rootfs/bin/trap").unlink(missing_ok=True)
    (engine.bundle / "rootfs/bin/trap").symlink_to("/proc/self/exe")
    engine.config["process"]["args"] = ["/bin/trap", "-c", "import os; print(os.getpid())"]
    done = engine("run", "--bundle", engine.bundle, "trap")
    assert done.returncode != 0 and done.stdout == "", done


def test_a_hook_of_the_image_may_do_no_more_than_the_program(engine: Engine) -> None:
    """config.md, "POSIX-platform Hooks"; runc, linuxStandardInit: it is in the program's place."""
    script = (
        "id -u; umask; ulimit -n; pwd; echo $ONE $HOME; mkdir /tmp/made; "
        "grep -E '^(Cap(Eff|Bnd)|NoNew|Seccomp:)' /proc/self/status"
    )
    process = engine.config["process"]
    process["user"] = {"uid": 1000, "gid": 1001, "umask": 0o77}
    process["env"] += ["ONE=two", "HOME="]
    process["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 300, "hard": 400}]
    hook = {"path": "/bin/sh", "args": ["sh", "-c", f"exec >/tmp/seen-$(id -u) 2>&1; {script}"]}
    engine.config["hooks"] = {"startContainer": [hook]}
    rule = {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": errno.EMLINK}
    engine.config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}
    seen = engine.bundle / "rootfs/tmp/seen-1000"
    for promised in (False, True):
        process["noNewPrivileges"] = promised
        seen.unlink(missing_ok=True)
        of_program = engine.sh(f"exec 2>&1; {script}")
        assert seen.read_text().strip() == of_program, promised
        assert of_program.startswith("1000\n0077\n300\n/\ntwo /\n") and "Too many" in of_program
        assert "Seccomp:\t2" in of_program and f"NoNewPrivs:\t{promised:d}" in of_program


def test_a_hook_of_the_image_is_killed_by_the_profile_as_the_program_would(engine: Engine) -> None:
    """runc, seccomp.bats, "startContainer hook"."""
    rules = [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_KILL"}]
    engine.config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules}
    engine.config["process"]["rlimits"] = [{"type": "RLIMIT_CORE", "soft": 0, "hard": 0}]
    hook = {"path": "/bin/mkdir", "args": ["mkdir", "/tmp/killed"], "env": []}
    engine.config["hooks"] = {"startContainer": [hook]}
    said = engine.refused("run", "--bundle", engine.bundle, "box")
    assert "exit status 159 (signal: bad system call)" in said
    assert not (engine.bundle / "rootfs/tmp/killed").exists()


def test_a_hook_of_the_image_has_no_interpreter_to_write_to(engine: Engine) -> None:
    """CVE-2019-5736 once more: whatever leads to what is running leads to the stone."""
    link, script = engine.bundle / "rootfs/bin/trap", engine.bundle / "rootfs/bin/script"
    link.unlink(missing_ok=True)
    link.symlink_to("/proc/self/exe")
    script.write_text("#!/proc/self/exe\n")
    script.chmod(0o755)
    for path in ("/bin/trap", "/bin/script"):
        engine.config["hooks"] = {"startContainer": [{"path": path}]}
        said = engine.refused("run", "--bundle", engine.bundle, "trap")
        assert f"#0: {path}: exit status 127. " in said  # it has not said a word
    engine.config["hooks"] = {"startContainer": [{"path": "/is/missing"}]}
    said = engine.refused("run", "--bundle", engine.bundle, "trap")
    assert "it cannot be executed: no such file or directory" in said and engine.left() == []


def test_what_is_taken_for_the_null_device_is_it(engine: Engine) -> None:
    """CVE-2025-31133: a mask is the host's; and an image's /dev/null that is none is refused."""
    rootfs = engine.bundle / "rootfs"
    engine.config["mounts"] = engine.config["mounts"][:1]
    (rootfs / "dev/null").symlink_to("/proc/sys/kernel/core_pattern")
    try:
        assert "something else" in engine.refused("run", "--bundle", engine.bundle, "masked")
    finally:
        for one in (rootfs / "dev").iterdir():
            one.unlink()
    assert engine.sh("stat -c %t:%T /proc/keys") == "1:3"
