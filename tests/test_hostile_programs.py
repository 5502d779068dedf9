"""A program with root's rights against what holds it: its limits, the freezer, the host's things.

Each of these was a way out, or a way to stay. What is right is what runc and crun do, or what the
kernel's documentation says; the tests look from outside.
"""

from __future__ import annotations

import os
import signal
import struct
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from kernelbox import cgroup
from kernelbox.kernel import stepping_stone
from tests import looking
from tests.command import Kernelbox
from tests.looking import inside, soon, status
from tests.sandbox import TAG, Sandbox

ALONE = ("--network", "none")
# What holds where no filter of system calls is in front: that is one lock of several.
UNFILTERED = (*ALONE, "--security-opt", "seccomp=unconfined")
# The host's programs: an image need not have them for somebody to bring them.
TOOLS = [
    word
    for path in ("/usr/bin", "/usr/lib", "/lib", "/lib64")
    if os.path.isdir(path)
    for word in ("-v", f"{path}:{path}:ro")
]
ANOTHER_ROOT = ("/usr/bin/unshare", "--user", "--map-root-user", "--mount", "--cgroup")

only_v1 = pytest.mark.skipif(cgroup.find().version != 1, reason="controllers are in cgroup v2")


# --- control groups -------------------------------------------------------------------------------

# Source: CVE-2022-0492, the way in; cgroup_namespaces(7).
LIFT = """
mount -t tmpfs none /mnt
for one in $(cut -d: -f2 /proc/self/cgroup); do
    mkdir "/mnt/$one" && mount -t cgroup -o "$one" none "/mnt/$one" && touch /mnt/mounted
done 2>/dev/null
mkdir /mnt/unified && mount -t cgroup2 none /mnt/unified && touch /mnt/mounted
for one in /mnt/*/; do echo "groups: $(cd "$one" && echo */)"; done
for file in pids.max memory.max memory.limit_in_bytes cpu.max cpu.cfs_quota_us devices.allow; do
    for path in /mnt/*/"$file"; do
        echo max >"$path"; echo -1 >"$path"; echo 'a *:* rwm' >"$path"
    done 2>/dev/null
done
test -e /mnt/mounted && echo lifted
for one in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do sleep 1000 & done
"""


@pytest.fixture
def sandbox(tmp_path: Path, tests_root: Path) -> Iterator[Sandbox]:
    images = tests_root / "images"
    made = Sandbox(tmp_path / "root", images if images.exists() else None)
    yield made
    made.reset()


def test_a_container_cannot_lift_its_own_limits_or_see_other_groups(
    kernelbox: Kernelbox, tmp_path: Path
) -> None:
    limits = ("--pids-limit", "12", "--memory", "64m", "--cpus", "0.5")
    (tmp_path / "lift").write_text(LIFT)
    options = (*limits, *TOOLS, "-v", f"{tmp_path}/lift:/lift:ro", "busybox")
    done = kernelbox("run", "--rm", *ALONE, *options, *ANOTHER_ROOT, "sh", "/lift")
    assert done.returncode == 1 and "unshare failed: Operation not permitted" in done.stderr
    script = f"({' '.join(ANOTHER_ROOT)} sh /lift); exec sleep infinity"
    container = kernelbox.start(*UNFILTERED, *options, "sh", "-c", script)
    pid = kernelbox.pid(container)
    pids = looking.limit_file(pid, "pids", "pids.max", "pids.max")
    assert soon(lambda: "fork" in kernelbox("logs", container).stderr)
    told = kernelbox("logs", container).stdout
    assert "lifted" in told  # it had its hierarchies mounted, and wrote
    groups = {word for line in told.splitlines() if "groups:" in line for word in line.split()[1:]}
    assert groups <= {"*/"}, "it sees groups that are not its own"
    assert pids.read_text() == "12\n"
    assert int((pids.parent / "pids.current").read_text()) <= 12
    for controller, v1, v2 in (
        ("memory", "memory.limit_in_bytes 67108864", "memory.max 67108864"),
        ("cpu", "cpu.cfs_quota_us 50000", "cpu.max 50000 100000"),
    ):
        path = looking.limit_file(pid, controller, v1.split()[0], v2.split()[0])
        assert f"{path.name} {path.read_text().strip()}" in (v1, v2)


FREEZE = """
mount -t tmpfs none /mnt && mount -t cgroup -o freezer none /mnt
mkdir /mnt/below && echo 1 >/mnt/below/tasks
echo FROZEN >/mnt/freezer.state & echo FROZEN >/mnt/below/freezer.state
"""


@only_v1
@pytest.mark.parametrize("end", ["kill C", "stop -t 0 C", "rm -f C", "reset", "ps", "exec C true"])
def test_a_container_that_has_frozen_itself_can_be_ended(sandbox: Sandbox, end: str) -> None:
    container = sandbox.ok(
        *("run", "-d", *TAG, *UNFILTERED, *TOOLS, "busybox"),
        *("sh", "-c", f"{' '.join(ANOTHER_ROOT)} sh -c '{FREEZE}'"),
    ).strip()
    first = sandbox.pid(container)
    state = looking.cgroup_file(first, "freezer", "freezer.state", "")
    assert soon(lambda: state.read_text() == "FROZEN\n")
    if end == "ps":  # which buries it
        os.kill(monitor := int(status(first)["PPid"]), signal.SIGKILL)
        assert soon(lambda: not looking.is_alive(monitor))
    words = [container if word == "C" else word for word in end.split()]
    if words[0] == "exec":  # Docker: "Container ... is paused, unpause the container before exec"
        assert "is frozen" in sandbox.refused(*words)
        assert looking.is_alive(first)
    else:
        sandbox.ok(*words)
        assert not looking.is_alive(first)


def test_a_commit_that_is_ended_leaves_no_container_frozen(kernelbox: Kernelbox) -> None:
    # Docker: dockerd commits, and thaws whatever becomes of the client (moby, daemon/commit.go).
    script = "dd if=/dev/zero of=/big bs=1 count=1 seek=2G; exec sleep infinity"
    container = kernelbox.start(*ALONE, "busybox", "sh", "-c", script)
    pid = kernelbox.pid(container)
    state = looking.limit_file(pid, "freezer", "freezer.state", "cgroup.events")
    assert soon((inside(pid, "/big")).exists)

    def frozen() -> bool:
        return bool({"FROZEN", "frozen 1"} & set(state.read_text().splitlines()))

    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGKILL):
        heard = partial(signal.signal, number, signal.SIG_DFL)  # nohup(1) may have ignored it
        commit = kernelbox.popen(
            "commit", container, preexec_fn=None if number == signal.SIGKILL else heard
        )
        assert soon(frozen)
        commit.send_signal(signal.SIGSTOP)  # it does not come to its end meanwhile
        kernelbox.ok("ps")
        assert frozen()
        commit.send_signal(number)
        commit.send_signal(signal.SIGCONT)
        commit.communicate()
        assert commit.returncode == -number
        assert frozen() == (number == signal.SIGKILL)
    kernelbox.ok("ps")
    assert not frozen()
    assert kernelbox.ok("exec", container, "echo", "alive") == "alive\n"


@only_v1
def test_a_program_that_is_frozen_on_its_way_in_is_not_waited_for(kernelbox: Kernelbox) -> None:
    container = kernelbox.start(*ALONE, "busybox", "sleep", "infinity")
    state = looking.cgroup_file(kernelbox.pid(container), "freezer", "freezer.state", "")
    with kernelbox.terminal("exec", "--step", container, "true") as screen:
        screen.read("next: ")  # it has been let in
        state.write_text("FROZEN")
        for _ in range(30):
            screen.type("\n")
        screen.read("is frozen")
        assert screen.end() == 125
    state.write_text("THAWED")
    kernelbox.ok("stop", "-t", "0", container)


# --- what is the host's ---------------------------------------------------------------------------

JOIN, SEARCH, SESSION = 1, 10, -3  # keyctl(2)
KEYCTL, ADD_KEY = {"x86_64": (250, 248)}.get(os.uname().machine, (219, 217))
WITH_A_SECRET = f"""
    my ($type, $name, $value) = ("user", "secret", "x");
    syscall({KEYCTL}, {JOIN}, 0) > 0 or die "join: $!";
    syscall({ADD_KEY}, $type, $name, $value, 1, {SESSION}) > 0 or die "add: $!";
    exec @ARGV;
"""
SEARCHED = f"""
    my ($type, $name) = ("user", "secret");
    print syscall({KEYCTL}, {SEARCH}, {SESSION}, $type, $name, 0) > 0 ? "found" : $!;
"""


@pytest.mark.parametrize("options", [(), ("--userns", "auto"), ("-u", "1000")])
def test_the_session_keyring_of_whoever_started_it_is_not_readable(
    kernelbox: Kernelbox, options: tuple[str, ...]
) -> None:
    # runc, libcontainer/keys; crun, libcrun_create_keyring: a new session keyring before exec.
    outside, searched = ("perl", "-e", WITH_A_SECRET), ("/usr/bin/perl", "-e", SEARCHED)
    found = subprocess.run([*outside, *searched], capture_output=True, text=True, check=True)
    assert found.stdout == "found"
    # ENOKEY, as in an empty keyring; with the filter in front, nobody comes as far as that.
    for filtering, none in (
        (UNFILTERED, "Required key not available"),
        (ALONE, "Operation not permitted"),
    ):
        run = (*filtering, *options, *TOOLS, "busybox")
        assert kernelbox.ok("run", "--rm", *run, *searched, prefix=outside) == none
        container = kernelbox.start(*run, "sleep", "infinity")
        assert kernelbox.ok("exec", container, *searched, prefix=outside) == none


def test_a_fake_proc_is_not_believed_by_exec(kernelbox: Kernelbox) -> None:
    fake = """
        mkdir /real && mount -t proc proc /real && mount -t tmpfs fake /proc
        mkdir -p /proc/sys/kernel /proc/self && echo 0 >/proc/sys/kernel/cap_last_cap
        ln -s /bin/true /proc/self/exe; mkfifo /proc/self/uid_map; exec sleep infinity"""
    add = ("--cap-add", "SYS_ADMIN")
    container = kernelbox.start(*ALONE, *add, "busybox", "sh", "-c", fake)
    pid = kernelbox.pid(container)
    assert soon(lambda: status(pid)["Name"] == "sleep")
    told = kernelbox.ok("exec", container, "grep", "^Cap[PEB]", "/real/self/status").split()
    assert told == [
        word for one in ("Prm", "Eff", "Bnd") for word in (f"Cap{one}:", status(pid)[f"Cap{one}"])
    ]
    assert kernelbox.ok("exec", "-u", "1000", container, "id", "-u") == "1000\n"
    assert kernelbox("exec", container, "/real/self/exe").returncode == 127


def test_with_sys_admin_a_container_reads_no_device_of_the_hosts(kernelbox: Kernelbox) -> None:
    # runc, AllowedDevices: any node may be made, and none but the usual ones works.
    numbers = next(iter(sorted(Path("/sys/block").glob("*/dev")))).read_text().strip()
    script = f"""
        mount -t tmpfs none /mnt && cd /mnt
        mknod disk b {numbers.replace(":", " ")} && mknod kmsg c 1 11 && mknod zero c 1 5
        for one in *; do head -c 1 $one >/dev/null 2>&1 && echo $one; done"""
    add = ("--cap-add", "SYS_ADMIN")
    assert kernelbox.ok("run", "--rm", *ALONE, *add, "busybox", "sh", "-c", script) == "zero\n"


def test_a_program_exchanged_at_the_last_moment_is_never_the_interpreter(
    kernelbox: Kernelbox,
) -> None:
    # CVE-2019-5736; runc 1.1 and crun become a sealed copy of themselves before they enter.
    container = kernelbox.start(*ALONE, *TOOLS, "busybox", "sleep", "infinity")
    link = inside(kernelbox.pid(container), "/program")
    link.symlink_to("/bin/true")
    command = ("/program", "-c", "print('w' + 'on')")
    with kernelbox.terminal("exec", "--step", container, *command) as screen:
        while "execve" not in screen.read(r"(?s)next: (.*?)\[Enter\]")[1]:
            screen.type("\n")
        link.unlink()
        link.symlink_to("/proc/self/exe")
        screen.type("\n")
        assert screen.end() == 127
        assert "won" not in screen.seen


@pytest.mark.parametrize("machine", ["x86_64", "aarch64", "riscv64"])
def test_the_stepping_stone_is_an_elf_file_that_nobody_can_write(machine: str) -> None:
    path = f"/proc/self/fd/{(stone := stepping_stone.lay()).fd}"
    with pytest.raises(PermissionError), open(path, "r+b") as file:
        file.write(b"#!/bin/sh")
    stone.close_taken()
    os.close(stone.heard)
    # Where a machine has none that bears a child, who enters does without: container/birth/bearing.
    assert stepping_stone.can_bear(machine) == (machine == "x86_64")
    head = stepping_stone.image(machine, 5)
    assert head[:7] == b"\x7fELF\x02\x01\x01"
    assert struct.unpack_from("<H", head, 18)[0] == {"x86_64": 62, "aarch64": 183}.get(machine, 243)
