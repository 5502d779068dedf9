"""A container, looked at from outside: what its first process is in, what it sees and may use.

Nearly everything is read from the host's /proc and control groups, and through /proc/PID/root,
which is the container's own tree; a program inside is asked only where nobody else can know. What
a container must not be able to do is in test_isolation.py.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import socket
import stat
import subprocess
import sys
import tarfile
import threading
from pathlib import Path
from typing import Any

import pytest

from kernelbox.images.store import Store
from kernelbox.kernel import process
from tests import looking
from tests.command import Kernelbox, Running
from tests.looking import enter, inside, soon, status
from tests.test_images import add_image, entry, tar_of

FOREVER = ("busybox", "sleep", "infinity")
ALONE = ("--network", "none")
HOST_ID = 2_000_000_000  # where the ids of a user namespace begin on the host
DOCKERS_CAPABILITIES = 0xA80425FB  # Source: moby, oci/caps/defaults.go


# --- namespaces -----------------------------------------------------------------------------------

OWN = ["pid", "mnt", "net", "uts", "ipc", "cgroup"]


@pytest.mark.parametrize("kind", OWN)
def test_a_container_has_a_namespace_of_its_own(plain: Running, mapped: Running, kind: str) -> None:
    found = {looking.namespace(pid, kind) for pid in (plain.pid, mapped.pid, "self")}
    assert len(found) == 3


@pytest.mark.parametrize("kind", ["user", "time"])
def test_a_container_shares_this_namespace_unless_asked(plain: Running, kind: str) -> None:
    assert looking.namespace(plain.pid, kind) == looking.namespace("self", kind)


def test_inspect_names_the_namespaces_by_their_inodes(shared: Kernelbox, mapped: Running) -> None:
    found = shared.inspect(mapped.id)["Namespaces"]
    assert set(found) == {*OWN, "user", "time"}
    for kind, inode in found.items():
        assert looking.namespace(mapped.pid, kind) == f"{kind}:[{inode}]"


def test_the_first_process_is_pid_1_inside_and_another_outside(either: Running) -> None:
    assert status(either.pid)["NSpid"].split() == [str(either.pid), "1"]


def test_with_a_user_namespace_root_inside_is_nobody_outside(mapped: Running) -> None:
    assert looking.namespace(mapped.pid, "user") != looking.namespace("self", "user")
    for table in ("uid_map", "gid_map"):
        line = Path(f"/proc/{mapped.pid}/{table}").read_text()
        assert line.split() == ["0", str(HOST_ID), "65536"]
    found = status(mapped.pid)
    assert set(found["Uid"].split()) == set(found["Gid"].split()) == {str(HOST_ID)}
    assert int(found["CapEff"], 16) == DOCKERS_CAPABILITIES


def test_who_enters_a_user_namespace_is_its_root(kernelbox: Kernelbox, mapped: Running) -> None:
    told = kernelbox.ok(
        "exec", mapped.id, "sh", "-c", "id -u; id -g; grep CapEff /proc/self/status"
    )
    uid, gid, capabilities = told.splitlines()
    assert (uid, gid) == ("0", "0")
    assert int(capabilities.split()[1], 16) == DOCKERS_CAPABILITIES


@pytest.mark.parametrize("options", [(), ("--userns", "auto")])
def test_a_persons_umask_stays_outside(kernelbox: Kernelbox, options: tuple[str, ...]) -> None:
    script = "umask; mkdir /room; stat -c %a /room /etc/hosts /dev/null"
    words = ("run", "--rm", *ALONE, *options, "-u", "1000", "busybox", "sh", "-c", "umask")
    strict = ("sh", "-c", 'umask 077; exec "$@"', "sh")
    assert kernelbox.ok(*words, prefix=strict) == "0022\n"
    words = ("run", "--rm", *ALONE, *options, "busybox", "sh", "-c", script)
    assert kernelbox.ok(*words, prefix=strict) == "0022\n755\n644\n666\n"


def test_what_is_made_in_a_user_namespace_belongs_to_nobody_on_the_host(
    kernelbox: Kernelbox,
) -> None:
    container = kernelbox.start(*ALONE, "--userns", "auto", *FOREVER)
    script = "echo x >/made && chown 1000:1000 /made && mkdir /room && stat -c %u:%g /bin/busybox"
    assert kernelbox.ok("exec", container, "sh", "-c", script) == "0:0\n"  # as the image has it
    upper = Path(kernelbox.inspect(container)["GraphDriver"]["Data"]["UpperDir"])
    assert (upper / "made").stat().st_uid == HOST_ID + 1000
    assert (upper / "room").stat().st_uid == HOST_ID


def test_with_a_time_namespace_the_machine_has_been_up_for_longer(kernelbox: Kernelbox) -> None:
    ahead = 1_000_000
    pid = kernelbox.pid(kernelbox.start(*ALONE, "--time-offset", str(ahead), *FOREVER))
    assert looking.namespace(pid, "time") != looking.namespace("self", "time")
    here = float(Path("/proc/uptime").read_text().split()[0])
    there = float(enter(pid, "--time", "cat", "/proc/uptime").split()[0])
    assert abs(there - here - ahead) < 60


@pytest.mark.parametrize("options", [(), ("--hostname", "Box-1.lab"), ("--hostname", "web_1")])
def test_a_container_has_its_own_hostname(kernelbox: Kernelbox, options: tuple[str, ...]) -> None:
    container = kernelbox.start(*ALONE, *options, *FOREVER)
    pid, name = kernelbox.pid(container), options[1] if options else container
    assert enter(pid, "--uts", "hostname") == f"{name}\n"
    assert inside(pid, "/etc/hostname").read_text() == f"{name}\n"
    assert name in inside(pid, "/etc/hosts").read_text().split()
    assert kernelbox.ok("exec", container, "sh", "-c", "echo $HOSTNAME") == f"{name}\n"
    assert socket.gethostname() != name


# --- the root -------------------------------------------------------------------------------------


def test_the_root_is_an_overlay_of_the_image_and_a_directory_of_its_own(
    shared: Kernelbox, plain: Running
) -> None:
    (top,) = [mount for mount in looking.mounts(plain.pid) if mount.point == "/"]
    assert top.kind == "overlay"
    options = dict(option.partition("=")[::2] for option in top.super_options.split(","))
    said = shared.inspect(plain.id)["GraphDriver"]["Data"]
    assert options["upperdir"] == said["UpperDir"] == f"{shared.root}/containers/{plain.id}/upper"
    assert options["workdir"] == said["WorkDir"]
    assert options["lowerdir"] == said["LowerDir"]
    assert Path(said["LowerDir"]).is_relative_to(shared.root / "images")


def test_nothing_that_a_container_does_to_its_files_changes_the_image(
    kernelbox: Kernelbox, plain: Running
) -> None:
    image = kernelbox.inspect(plain.id)["GraphDriver"]["Data"]["LowerDir"]
    before = looking.survey(image)
    script = (
        "rm -r /home; echo x >>/etc/passwd; chmod 777 /etc/group; mv /root /elsewhere; "
        "echo x >/bin/new; chown 5 /bin/busybox; echo done"
    )
    assert kernelbox.ok("run", "--rm", *ALONE, "busybox", "sh", "-c", script) == "done\n"
    assert looking.survey(image) == before


def test_of_the_hosts_files_a_container_sees_three_and_the_old_root_is_gone(
    plain: Running,
) -> None:
    disks = {mount.device for mount in looking.mounts() if mount.kind not in ("proc", "sysfs")}
    seen = looking.mounts(plain.pid)
    theirs = [mount.point for mount in seen if mount.device in disks if "cgroup" not in mount.kind]
    assert theirs == ["/etc/hostname", "/etc/hosts", "/etc/resolv.conf"]
    assert os.path.samefile(inside(plain.pid, "/.."), inside(plain.pid, "/"))


def test_the_mounts_of_a_container_do_not_show_on_the_host(plain: Running) -> None:
    assert not [mount for mount in looking.mounts() if plain.id in str(mount)]


MASKED = (
    "/proc/acpi /proc/asound /proc/interrupts /proc/kcore /proc/keys /proc/latency_stats "
    "/proc/sched_debug /proc/scsi /proc/timer_list /proc/timer_stats "
    "/sys/devices/virtual/powercap /sys/firmware"
).split()
READ_ONLY = "/proc/bus /proc/fs /proc/irq /proc/sys /proc/sysrq-trigger".split()


@pytest.mark.parametrize("path", [path for path in MASKED if os.path.exists(path)])
def test_what_tells_of_the_whole_machine_is_masked(either: Running, path: str) -> None:
    seen = inside(either.pid, path)
    if os.path.isdir(path):
        assert list(seen.iterdir()) == []
        assert os.statvfs(seen).f_flag & os.ST_RDONLY
    else:
        assert seen.stat().st_rdev == os.makedev(1, 3)
        assert seen.read_bytes() == b""


@pytest.mark.parametrize("path", [path for path in READ_ONLY if os.path.exists(path)])
def test_what_sets_the_whole_machine_cannot_be_written(either: Running, path: str) -> None:
    assert os.statvfs(inside(either.pid, path)).f_flag & os.ST_RDONLY
    if file := first_writable(path):
        with pytest.raises(OSError, match="Read-only"):  # even for the host's root
            os.close(os.open(inside(either.pid, file), os.O_WRONLY))


def first_writable(path: str) -> str:
    """Return a file in a directory of /proc that root could write; empty if there is none."""
    files = (os.path.join(parent, name) for parent, _, names in os.walk(path) for name in names)
    for file in [path] if os.path.isfile(path) else files:
        with contextlib.suppress(OSError):  # of a link that has gone meanwhile
            mode = os.lstat(file).st_mode
            if stat.S_ISREG(mode) and mode & 0o200:
                return file
    return ""


def test_sysfs_and_the_control_groups_are_read_only_and_the_containers_own(
    either: Running,
) -> None:
    seen = {mount.point: mount for mount in looking.mounts(either.pid)}
    assert "ro" in seen["/sys"].options
    groups = [mount for mount in seen.values() if mount.kind in ("cgroup", "cgroup2")]
    assert groups
    for mount in groups:
        assert {"ro", "nosuid", "nodev", "noexec"} <= mount.options
        procs = inside(either.pid, mount.point) / "cgroup.procs"
        assert str(either.pid) in procs.read_text().split()
        assert str(os.getpid()) not in procs.read_text().split()
    links = {name for _, name in socket.if_nameindex()} - {"lo", "eth0"}
    assert not links & set(os.listdir(inside(either.pid, "/sys/class/net")))


# --- devices --------------------------------------------------------------------------------------

DEVICES = {
    "null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9),
    "tty": (5, 0),
}  # fmt: skip
REST_OF_DEV = {"pts", "shm", "mqueue", "ptmx", "fd", "stdin", "stdout", "stderr"}


def test_there_are_six_devices_and_nothing_of_the_hosts(either: Running) -> None:
    dev = inside(either.pid, "/dev")
    assert set(os.listdir(dev)) == {*DEVICES, *REST_OF_DEV}
    for name, (major, minor) in DEVICES.items():
        seen = (dev / name).stat()
        assert stat.S_ISCHR(seen.st_mode) and stat.S_IMODE(seen.st_mode) == 0o666
        assert seen.st_rdev == os.makedev(major, minor)
    assert os.readlink(dev / "fd") == "/proc/self/fd"
    assert os.listdir(dev / "pts") == ["ptmx"]


def test_the_devices_work(shared: Kernelbox, either: Running) -> None:
    script = "echo x >/dev/null && head -c 4 /dev/zero | md5sum && head -c 9 /dev/urandom | wc -c"
    digest = "f1d3ff8443297732862df21dc4e57262"
    assert shared.ok("exec", either.id, "sh", "-c", script).split() == [digest, "-", "9"]


# --- limits ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "value", "controller", "v1", "v2"),
    [
        ("--memory", "64m", "memory", "memory.limit_in_bytes 67108864", "memory.max 67108864"),
        ("--cpus", "0.5", "cpu", "cpu.cfs_quota_us 50000", "cpu.max 50000 100000"),
        ("--cpu-shares", "512", "cpu", "cpu.shares 512", "cpu.weight 59"),
        ("--pids-limit", "20", "pids", "pids.max 20", "pids.max 20"),
    ],
)
def test_a_limit_is_what_the_kernel_keeps_in_the_containers_group(
    kernelbox: Kernelbox, option: str, value: str, controller: str, v1: str, v2: str
) -> None:
    container = kernelbox.start(*ALONE, option, value, *FOREVER)
    names = (v1.split()[0], v2.split()[0])
    path = looking.limit_file(kernelbox.pid(container), controller, *names)
    assert path.parent.name == container
    assert f"{path.name} {path.read_text().strip()}" in (v1, v2)


def test_out_of_memory_is_exit_137_and_inspect_says_why(kernelbox: Kernelbox) -> None:
    options = (*ALONE, "--name", "hungry", "--memory", "12m")
    assert kernelbox("run", *options, "busybox", "tail", "/dev/zero").returncode == 137
    state = kernelbox.inspect("hungry")["State"]
    assert (state["OOMKilled"], state["ExitCode"], state["Status"]) == (True, 137, "exited")
    assert "out of memory" in kernelbox.ok("ps", "-a")
    kernelbox.ok("rm", "hungry")


def test_a_fork_bomb_stays_within_its_limit(kernelbox: Kernelbox) -> None:
    # The bomb may leave no process free: what waits is the shell itself, in another program.
    bomb = "bomb() { bomb | bomb & }; bomb; exec sleep infinity"
    options = (*ALONE, "--pids-limit", "25")
    container = kernelbox.start(*options, "busybox", "sh", "-c", bomb)
    pid = kernelbox.pid(container)
    events = looking.cgroup_file(pid, "pids", "pids.events", "pids.events")
    current = looking.cgroup_file(pid, "pids", "pids.current", "pids.current")
    assert soon(lambda: int(events.read_text().split()[1]) > 0)
    assert int(current.read_text()) <= 25
    kernelbox.ok("rm", "-f", container)
    assert not current.exists()


# --- network --------------------------------------------------------------------------------------


def links(pid: int) -> dict[str, dict[str, Any]]:
    """Return the links of a container, by name."""
    return {link["ifname"]: link for link in json.loads(enter(pid, "-n", "ip", "-j", "address"))}


def gateway(pid: int) -> str:
    """Return where a container's default route leads."""
    (found,) = json.loads(enter(pid, "-n", "ip", "-j", "route", "show", "default"))
    return str(found["gateway"])


def test_a_container_has_an_address_on_the_bridge_and_a_way_out(
    shared: Kernelbox, plain: Running
) -> None:
    seen = links(plain.pid)
    assert set(seen) == {"lo", "eth0"}
    assert "UP" in seen["lo"]["flags"] and "UP" in seen["eth0"]["flags"]
    (address,) = [one["local"] for one in seen["eth0"]["addr_info"] if one["family"] == "inet"]
    assert address == shared.inspect(plain.id)["NetworkSettings"]["IPAddress"]
    bridges = subprocess.check_output(["ip", "-j", "address", "show", "type", "bridge"], text=True)
    theirs = {one["local"] for link in json.loads(bridges) for one in link.get("addr_info", ())}
    assert gateway(plain.pid) in theirs


def test_the_gateway_and_another_container_answer_pings(
    kernelbox: Kernelbox, plain: Running
) -> None:
    other = kernelbox.inspect(plain.id)["NetworkSettings"]["IPAddress"]
    script = f"ping -c 1 -W 9 {gateway(plain.pid)} && ping -c 1 -W 9 {other}"
    told = kernelbox.ok("run", "--rm", "busybox", "sh", "-c", script)
    assert told.count("1 packets received") == 2


def test_without_a_network_there_is_only_a_loopback_that_is_up(mapped: Running) -> None:
    seen = links(mapped.pid)
    assert set(seen) == {"lo"}
    assert "UP" in seen["lo"]["flags"]
    assert enter(mapped.pid, "-n", "ip", "route") == ""


def test_the_hosts_network_can_be_shared(kernelbox: Kernelbox) -> None:
    pid = kernelbox.pid(kernelbox.start("--network", "host", *FOREVER))
    assert looking.namespace(pid, "net") == looking.namespace("self", "net")
    assert looking.namespace(pid, "uts") != looking.namespace("self", "uts")


def test_the_network_of_another_container_can_be_shared(
    kernelbox: Kernelbox, plain: Running
) -> None:
    pid = kernelbox.pid(kernelbox.start("--network", f"container:{plain.id}", *FOREVER))
    assert looking.namespace(pid, "net") == looking.namespace(plain.pid, "net")
    assert looking.namespace(pid, "mnt") != looking.namespace(plain.pid, "mnt")


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as anybody:
        anybody.bind(("127.0.0.1", 0))
        port: int = anybody.getsockname()[1]
        return port


def answer(port: int) -> str:
    """Return what a web server on 127.0.0.1 says; nothing if there is none."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as caller:
            caller.sendall(b"GET / HTTP/1.0\r\n\r\n")
            return caller.makefile().read()
    except OSError:
        return ""


def test_a_published_port_leads_to_the_container_while_it_runs(kernelbox: Kernelbox) -> None:
    publish = f"127.0.0.1:{free_port()}:80"
    port = int(publish.split(":")[1])
    serve = "echo found me >/index.html; exec httpd -f -p 80"
    container = kernelbox.start("-p", publish, "busybox", "sh", "-c", serve)
    assert soon(lambda: "found me" in answer(port))
    assert f"{publish}/tcp" in kernelbox.ok("ps")
    kernelbox.ok("rm", "-f", container)
    assert answer(port) == ""


# --- volumes, environment, working directory ------------------------------------------------------


def test_what_a_container_writes_to_a_volume_is_on_the_host(
    kernelbox: Kernelbox, tmp_path: Path
) -> None:
    (tmp_path / "given").write_text("from the host\n")
    script = "cat /data/given; echo back >/data/made; mkdir /data/room"
    volume = ("-v", f"{tmp_path}:/data")
    told = kernelbox.ok("run", "--rm", *ALONE, *volume, "busybox", "sh", "-c", script)
    assert told == "from the host\n"
    assert (tmp_path / "made").read_text() == "back\n"
    assert (tmp_path / "room").is_dir()


def test_a_read_only_volume_is_so_with_all_that_is_mounted_in_it(
    kernelbox: Kernelbox, tmp_path: Path
) -> None:
    below = tmp_path / "below"
    below.mkdir()
    mount = f'mount -t tmpfs none "{below}" && exec "$@"'
    script = "for place in /data /data/below; do >$place/made && echo written in $place; done"
    done = kernelbox(
        *("run", "--rm", *ALONE, "-v", f"{tmp_path}:/data:ro", "busybox", "sh", "-c", script),
        prefix=("unshare", "-m", "sh", "-c", mount, "sh"),
    )
    assert done.stdout == ""
    assert done.stderr.count("Read-only file system") == 2


def test_a_file_can_be_a_volume_and_missing_mount_points_are_made(
    kernelbox: Kernelbox, tmp_path: Path
) -> None:
    file, directory = tmp_path / "file", tmp_path / "directory"
    file.write_text("content ")
    directory.mkdir()
    volumes = (
        *("-v", f"{file}:/new/place/for it:ro", "-v", f"{file}:/etc/group"),
        *("-v", f"{directory}:/new/room", "-v", f"{file}:/new/room/nested"),
    )
    script = "cat '/new/place/for it' /etc/group /new/room/nested; stat -c %F /new/room"
    told = kernelbox.ok("run", "--rm", *ALONE, *volumes, "busybox", "sh", "-c", script)
    assert told == "content content content directory\n"
    assert os.listdir(directory) == ["nested"]  # the mount point, in the first volume
    assert file.read_text() == "content "


def test_a_program_gets_the_environment_that_docker_would_give_it(kernelbox: Kernelbox) -> None:
    options = ("-e", "ONE=1", "-e", "PASSED", "-e", "ABSENT", "-e", "EMPTY=", "-e", "EQUAL=a=b c")
    told = kernelbox.ok(
        "run", "--rm", *ALONE, "--hostname", "box", *options, "busybox", "env", env={"PASSED": "on"}
    )
    assert dict(line.split("=", 1) for line in told.splitlines()) == {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/root",
        "HOSTNAME": "box",
        "ONE": "1",
        "PASSED": "on",
        "EMPTY": "",
        "EQUAL": "a=b c",
    }


def test_the_path_that_is_asked_for_is_searched(kernelbox: Kernelbox) -> None:
    run = ("run", "--rm", *ALONE, "-e", "PATH=/elsewhere", "-e", "HOME=/x", "busybox")
    assert "not found" in kernelbox.refused(*run, "env")
    assert "HOME=/x\n" in kernelbox.ok(*run, "/bin/env")


@pytest.mark.parametrize("path", ["/", "/etc", "/made/if missing", "/bin/../etc/./"])
def test_a_program_begins_in_its_working_directory(kernelbox: Kernelbox, path: str) -> None:
    told = kernelbox.ok("run", "--rm", *ALONE, "-w", path, "busybox", "pwd")
    assert told == f"{os.path.normpath(path)}\n"


@pytest.mark.parametrize("turned", [False, True])
def test_a_volume_within_another_is_seen_whichever_is_named_first(
    kernelbox: Kernelbox, tmp_path: Path, turned: bool
) -> None:
    """As dockerd has it: mounts are sorted by the depth of their destination."""
    for name in ("parent", "child"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "who").write_text(f"{name}\n")
    volumes = [f"{tmp_path}/child:/x/y", f"{tmp_path}/parent:/x"]
    options = [word for one in sorted(volumes, reverse=turned) for word in ("-v", one)]
    told = kernelbox.ok("run", "--rm", *ALONE, *options, "busybox", "cat", "/x/who", "/x/y/who")
    assert told == "parent\nchild\n"


def test_a_volume_takes_the_place_of_the_containers_own_file(
    kernelbox: Kernelbox, tmp_path: Path
) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text("root:x:0:0::/:/bin/sh\n")
    (tmp_path / "hosts").write_text("mine\n")
    run = ("run", "--rm", "--hostname", "web", *ALONE)
    volume = ("-v", f"{tmp_path}/hosts:/etc//hosts")
    assert kernelbox.ok(*run, *volume, "busybox", "cat", "/etc/hosts") == "mine\n"
    volume = ("-v", f"{tmp_path}/etc:/etc")  # and what is the container's own lies on top of it
    assert kernelbox.ok(*run, *volume, "busybox", "cat", "/etc/hostname") == "web\n"


@pytest.mark.parametrize("options", [(), ("--userns", "auto")])
def test_a_read_only_root_takes_no_file_but_volumes_do(
    kernelbox: Kernelbox, tmp_path: Path, options: tuple[str, ...]
) -> None:
    tmp_path.chmod(0o777)
    run = ("run", "--rm", *ALONE, *options, "--read-only", "-v", f"{tmp_path}:/vol", "busybox")
    script = "for place in / /etc /bin /vol /dev/shm; do >$place/made && echo $place; done"
    done = kernelbox(*run, "sh", "-c", script)
    assert done.stdout.split() == ["/vol", "/dev/shm"]
    assert done.stderr.count("Read-only file system") == 3


# --- the first process ----------------------------------------------------------------------------


def test_without_an_init_the_program_is_pid_1_and_ignores_what_it_does_not_handle(
    kernelbox: Kernelbox, plain: Running
) -> None:
    assert Path(f"/proc/{plain.pid}/cmdline").read_bytes() == b"sleep\0infinity\0"
    kernelbox.ok("kill", "-s", "TERM", plain.id)
    assert looking.is_alive(plain.pid)


def test_with_an_init_orphans_are_reaped_and_signals_arrive(kernelbox: Kernelbox) -> None:
    script = "(sleep 0.01 &); (sleep 0.02 &); exec sleep infinity"
    container = kernelbox.start(*ALONE, "--init", "busybox", "sh", "-c", script)
    pid = kernelbox.pid(container)

    def states() -> list[str]:
        """The states of the container's processes; Z is that of a zombie."""
        found = []
        for number in filter(str.isdigit, os.listdir(inside(pid, "/proc"))):
            with contextlib.suppress(OSError):  # it has gone meanwhile
                found.append(status(int(number), inside(pid, "/proc"))["State"][0])
        return found

    assert soon(lambda: states() == ["S", "S"])
    kernelbox.ok("kill", "-s", "TERM", container)
    assert kernelbox.ok("wait", container) == "143\n"


@pytest.mark.parametrize("options", [(), ("--init",)])
def test_the_exit_status_is_the_programs_own(
    kernelbox: Kernelbox, options: tuple[str, ...]
) -> None:
    run = ("run", "--rm", *ALONE, *options, "busybox", "sh", "-c")
    assert kernelbox(*run, "exit 0").returncode == 0
    assert kernelbox(*run, "exit 42").returncode == 42
    assert kernelbox(*run, "sh -c 'kill -9 $$'; exit $?").returncode == 137


def test_before_linux_6_15_the_layers_of_a_user_namespace_are_attached_where_nobody_sees_them(
    tests_root: Path,
) -> None:
    """Overlay took no detached layer then; both ways work on a newer kernel, so it is told an age.

    Whether anything stays mounted is looked at after every test.
    """
    older = (
        "from kernelbox import overlay\n"
        "overlay._DETACHED_LAYERS_SINCE = (99, 0)\n"
        "from kernelbox.cli import main\n"
        "main()\n"
    )
    options = ("run", "--rm", "--trace=json", "--userns", "auto", "--network", "none")
    done = subprocess.run(
        [sys.executable, "-c", older, *options, "busybox", "stat", "-c", "%u", "/bin/busybox"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "0\n"), done.stderr
    asked = [json.loads(line) for line in done.stderr.splitlines()]
    names = [one["request"].partition("(")[0] for one in asked if one["side"] == "runtime"]
    way = [one for one in names if one in ("unshare", "move_mount", "fsmount", "setns")]
    assert way == ["unshare", "move_mount", "fsmount", "setns"]


def test_a_host_without_a_resolv_conf_shares_its_network_all_the_same() -> None:
    """As where it is a link to what systemd-resolved has not written. Here /etc is covered."""
    program = shlex.join([sys.executable, "-m", "kernelbox", "run", "--rm", "--network", "host"])
    script = f"mount -t tmpfs none /etc && exec {program} busybox wc -c /etc/resolv.conf"
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "0 /etc/resolv.conf\n"), done.stderr


def test_what_is_no_process_any_more_is_not_held() -> None:
    """A thread stands for a process in the moment of its collection: the kernel's word differs."""
    gone = subprocess.Popen(["true"])
    gone.wait()
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    try:
        assert thread.native_id is not None
        for pid in (gone.pid, thread.native_id):
            with pytest.raises(ProcessLookupError):
                process.pidfd_of(pid)
    finally:
        over.set()
        thread.join()


@pytest.mark.parametrize("userns", ["host", "auto"])
def test_a_mount_target_may_be_a_link_to_what_is_not_there(
    kernelbox: Kernelbox, tmp_path: Path, userns: str
) -> None:
    """Runc makes it below the root (`SecureJoin`, then `MkdirAll`); so does crun."""
    links = {
        "/etc/resolv.conf": "/run/systemd/resolve/stub-resolv.conf",
        "/etc/hosts": "/dev/null",
        "/etc/localtime": "../usr/share/zoneinfo/Europe/Nowhere",
        "/up": "../../../../../../tmp/outside/deep",
        "/chain": "/mnt/next",
        "/mnt/next": "last/",
        "/round": "/round",
    }
    kernelbox.ok("images")
    store = Store(f"{kernelbox.root}/images")
    base = store.find("busybox")[1].manifest["layers"][0]["digest"]
    bottom = Path(store.layout.blob_path(base)).read_bytes()
    made = (entry(name[1:], tarfile.SYMTYPE, linkname=to) for name, to in links.items())
    add_image(store, "linked", bottom, tar_of(*made))
    tmp_path.chmod(0o755)
    (tmp_path / "file").write_text("mounted")
    volumes = [f"{tmp_path}/file:/etc/localtime", f"{tmp_path}:/up", f"{tmp_path}:/chain"]
    options = [*ALONE, "--userns", userns, *(word for one in volumes for word in ("-v", one))]
    box = kernelbox.start(*options, "linked", "sleep", "infinity")
    pid = kernelbox.pid(box)
    targets = {mount.point for mount in looking.mounts(pid)}
    assert {
        "/run/systemd/resolve/stub-resolv.conf", "/usr/share/zoneinfo/Europe/Nowhere",
        "/tmp/outside/deep", "/mnt/last",
    } <= targets  # fmt: skip
    assert not any(target.startswith("/etc/") for target in targets - {"/etc/hostname"})
    assert inside(pid, "/etc/hosts").is_symlink()  # as the image has it: the device is not covered
    assert kernelbox.ok("exec", box, "cat", "/etc/localtime", "/up/file") == "mounted" * 2
    assert not Path("/tmp/outside").exists()
    kernelbox.ok("exec", box, "sh", "-c", "echo lost > /dev/null; test ! -s /dev/null")
    volume = f"{tmp_path}/file"
    for target, said in (("/round", "plain file"), ("/etc/hosts", "plain file")):
        words = ("run", "--rm", *ALONE, "-v", f"{volume}:{target}", "linked", "true")
        assert said in kernelbox.refused(*words)
    kernelbox.ok("rm", "-f", box)
    kernelbox.ok("rmi", "linked")


@pytest.mark.parametrize("userns", ["host", "auto"])
def test_an_images_volume_holds_what_is_no_change_of_the_container(
    kernelbox: Kernelbox, tmp_path: Path, userns: str
) -> None:
    """Docker makes an anonymous volume of each, with what the image has there, and its owner."""
    (tmp_path / "Containerfile").write_text(
        "FROM busybox\nRUN mkdir /data && echo seed > /data/seed && chown -R lab:lab /data\n"
        "VOLUME /data /etc/shadow.d:/x /over\nRUN echo later > /data/later\n"
    )
    (tmp_path / "over").mkdir()
    kernelbox.ok("build", "-q", "-t", "with-data", tmp_path)
    options = [
        *ALONE,
        "--userns",
        userns,
        "--read-only",
        "-v",
        "/unnamed",
        "-v",
        f"{tmp_path}/over:/over",
    ]
    script = "echo new > /data/new; echo new > /unnamed/new; echo ready; sleep 1000"
    box = kernelbox.start(*options, "with-data", "sh", "-c", script)
    assert soon(lambda: kernelbox.ok("logs", box) == "ready\n")
    pid = kernelbox.pid(box)
    data = inside(pid, "/data")
    assert sorted(os.listdir(data)) == ["later", "new", "seed"]
    shift = HOST_ID if userns == "auto" else 0
    assert data.stat().st_uid == (data / "seed").stat().st_uid == 1000 + shift
    assert inside(pid, "/unnamed").stat().st_uid == shift
    points = {mount.point for mount in looking.mounts(pid)}
    assert {"/data", "/unnamed", "/over", "/etc/shadow.d:/x"} <= points  # no path of the host
    assert "rw" in next(one for one in looking.mounts(pid) if one.point == "/data").options
    for again in range(2):
        changed = kernelbox.ok("diff", box).splitlines()
        assert not [line for line in changed if line.startswith(("A /data", "C /data"))], changed
        kernelbox.ok("cp", f"{box}:/data", tmp_path / str(again))  # running, and when it has ended
        assert (tmp_path / str(again) / "new").read_text() == "new\n"
        kernelbox.ok("stop", "-t", "0", box)
    kernelbox.ok("commit", box, "committed")
    listed = kernelbox.ok("run", "--rm", *ALONE, "committed", "ls", "/data", "/unnamed")
    assert listed.split() == ["/data:", "later", "seed", "/unnamed:"]
    kernelbox.ok("rm", box)
    assert not (kernelbox.root / "containers" / box).exists()
    kernelbox.ok("rmi", "committed", "with-data")
    for bad in ("relative", "/", "/.."):
        (tmp_path / "Containerfile").write_text(f"FROM busybox\nVOLUME {bad}\n")
        kernelbox.ok("build", "-q", "-t", "bad", tmp_path)
        assert "can be no volume" in kernelbox.refused("run", "--rm", *ALONE, "bad", "true")
    kernelbox.ok("rmi", "bad")


def test_what_others_take_is_taken(kernelbox: Kernelbox, tmp_path: Path) -> None:
    """The words of a volume, a working directory below a read-only root, port 80 for anybody."""
    volume = tmp_path / "volume"
    volume.mkdir(mode=0o755)
    options = [*ALONE, "--read-only", "-w", "/new/place", "-u", "1000:1000", "--hostname", "web_1"]
    for number, words in enumerate(("z", "ro,Z", "cached", "rw,delegated", "consistent")):
        options += ["-v", f"{volume}:/v{number}:{words}"]
    box = kernelbox.start(*options, "busybox", "httpd", "-f", "-p", "80")
    pid = kernelbox.pid(box)
    assert soon(lambda: enter(pid, "--net", "cat", "/proc/net/tcp6").count(":0050 "))
    assert os.readlink(inside(pid, "/proc/1/cwd")) == "/new/place"
    closed = {one.point for one in looking.mounts(pid) if "ro" in one.options}
    assert [f"/v{number}" in closed for number in range(5)] == [False, True, False, False, False]
    assert Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text() == "1024\n"
    done = kernelbox("exec", "-w", "/none", box, "true")
    assert (done.returncode, "there is no directory /none" in done.stderr) == (126, True), done
    assert not inside(pid, "/none").exists()
    for words in ("ro,rw", "shared", "x"):
        volumes = ("-v", f"{volume}:/v:{words}")
        assert "is unknown" in kernelbox.refused("run", "--rm", *ALONE, *volumes, "busybox", "true")


def test_a_real_time_signal_is_sent_by_its_name(kernelbox: Kernelbox, tmp_path: Path) -> None:
    """signal(7): systemd asks for SIGRTMIN+3, which is 37 for glibc, Go and Docker."""
    (tmp_path / "Containerfile").write_text(
        "FROM busybox\nSTOPSIGNAL SIGRTMIN+3\n"
        "CMD trap 'echo stopped; exit 3' 37; echo ready; while :; do sleep 0.1; done\n"
    )
    kernelbox.ok("build", "-q", "-t", "rt", tmp_path)
    for words in (("stop",), ("kill", "-s", "RTMIN+3"), ("kill", "-s", "SIGRTMIN+3")):
        box = kernelbox.start(*ALONE, "rt")
        assert soon(lambda box=box: kernelbox.ok("logs", box) == "ready\n")
        kernelbox.ok(*words, box)
        assert kernelbox.ok("wait", box) == "3\n"
        kernelbox.ok("rm", box)
    kernelbox.ok("rmi", "rt")
