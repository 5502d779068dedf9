"""What a container cannot do: more than its capabilities, as its user, below its root.

The traps are those that container runtimes have fallen into: magic links of /proc in the place of
a volume's mount point or a working directory, the runtime's own executable, descriptors of the
host's, device nodes, capabilities that the caller passes on unawares.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernelbox.images import layout
from kernelbox.images.store import Store
from tests import looking
from tests.command import Kernelbox, Running
from tests.looking import soon, status

FOREVER = ("busybox", "sleep", "infinity")
ALONE = ("--network", "none")


@pytest.fixture
def pair(kernelbox: Kernelbox, request: pytest.FixtureRequest) -> list[int]:
    """The pids of a container's program and of one that `exec` has added to it.

    The parameters are words before a command, options of run, and options of exec.
    """
    prefix, options, exec_options = request.param
    container = kernelbox.start(*ALONE, *options, *FOREVER, prefix=prefix)
    kernelbox.ok("exec", "-d", *exec_options, container, "sleep", "infinity", prefix=prefix)
    return programs(kernelbox.pid(container))


def programs(first: int) -> list[int]:
    """Return both processes of a container, once both have become `sleep`."""
    procs = looking.cgroup_file(first, "pids", "cgroup.procs", "cgroup.procs")

    def found() -> list[int]:
        pids = [int(pid) for pid in procs.read_text().split()]
        return [pid for pid in pids if status(pid)["Name"] == "sleep"]

    assert soon(lambda: len(found()) == 2)
    return found()


# --- capabilities ---------------------------------------------------------------------------------

# Source: moby, oci/caps/defaults.go; the bits are those of linux/capability.h.
DOCKERS = 0xA80425FB
NET_ADMIN, NET_RAW, SYS_PTRACE = 1 << 12, 1 << 13, 1 << 19
OURS = int(status(os.getpid())["CapPrm"], 16)
KEPT = {
    (): DOCKERS,
    ("--cap-drop", "ALL"): 0,
    ("--cap-drop", "all", "--cap-add", "NET_ADMIN"): NET_ADMIN,
    ("--cap-add", "CAP_SYS_PTRACE", "--cap-drop", "net_raw"): (DOCKERS | SYS_PTRACE) & ~NET_RAW,
    ("--cap-add", "ALL"): OURS,
    ("--cap-add", "ALL", "--cap-drop", "NET_RAW"): OURS & ~NET_RAW,
}


@pytest.mark.parametrize(
    ("pair", "expected"),
    [pytest.param(((), words, ()), bits, id=" ".join(words)) for words, bits in KEPT.items()],
    indirect=["pair"],
)
def test_a_program_has_exactly_these_capabilities(pair: list[int], expected: int) -> None:
    for pid in pair:
        sets = {name: int(bits, 16) for name, bits in status(pid).items() if name[:3] == "Cap"}
        held = dict.fromkeys(("CapBnd", "CapEff", "CapPrm"), expected)
        assert sets == {**held, "CapInh": 0, "CapAmb": 0}


PASSING_ON = ("setpriv", "--inh-caps", "+chown,+net_raw", "--ambient-caps", "+chown")


@pytest.mark.parametrize(
    "pair", [(PASSING_ON, ("-u", user), ("-u", user)) for user in ("0", "1000")], indirect=True
)
def test_what_the_caller_can_pass_on_does_not_reach_a_program(pair: list[int]) -> None:
    for pid in pair:
        found = status(pid)
        assert int(found["CapInh"], 16) == int(found["CapAmb"], 16) == 0
        is_root = found["Uid"].split()[0] == "0"
        assert int(found["CapEff"], 16) == int(found["CapPrm"], 16) == (DOCKERS if is_root else 0)


@pytest.mark.skipif(1 << OURS.bit_length() == OURS + 1, reason="root has every capability here")
def test_a_capability_that_the_host_withholds_is_refused_by_name(kernelbox: Kernelbox) -> None:
    missing = next(number for number in range(41) if not OURS >> number & 1)
    name = subprocess.check_output(["setpriv", "--list-caps"], text=True).split()[missing].upper()
    assert name in kernelbox.refused("run", "--rm", "--cap-add", name, "busybox", "true")


# --- users ----------------------------------------------------------------------------------------


@pytest.fixture(params=["run", "exec"])
def at(request: pytest.FixtureRequest, plain: Running) -> tuple[str, ...]:
    """The beginning of a command, in which `USER` stands for a user."""
    if request.param == "run":
        return ("run", "--rm", *ALONE, "--user=USER", "busybox")
    return ("exec", "--user=USER", plain.id)


def replaced(words: tuple[str, ...], user: str) -> tuple[str, ...]:
    return tuple(word.replace("USER", user) for word in words)


@pytest.mark.parametrize(
    ("user", "uid", "gid", "home"),
    [
        ("", 0, 0, "/root"),
        ("root", 0, 0, "/root"),
        ("lab", 1000, 1000, "/home/lab"),
        ("1000", 1000, 1000, "/home/lab"),
        ("lab:5", 1000, 5, "/home/lab"),
        ("lab:", 1000, 1000, "/home/lab"),
        ("12345:54321", 12345, 54321, "/"),
        ("4294967294", 4294967294, 0, "/"),
    ],
)
def test_a_program_runs_as_the_user_that_was_asked_for(
    kernelbox: Kernelbox, at: tuple[str, ...], user: str, uid: int, gid: int, home: str
) -> None:
    script = "echo $HOME; grep -E '^(Uid|Gid|Groups):' /proc/self/status"
    told = kernelbox.ok(*replaced(at, user), "sh", "-c", script).splitlines()
    assert told[0] == home
    assert told[1].split() == ["Uid:", *[str(uid)] * 4]
    assert told[2].split() == ["Gid:", *[str(gid)] * 4]
    assert set(told[3].split()[1:]) <= {str(gid)}  # none of the caller's


@pytest.mark.parametrize(
    "user",
    [
        "nobodyatall", "-1", "4294967295", "4294967296", "18446744073709551616", "0x0", "1e3",
        "\uff10", " 0", "root/../root", "lab:nosuchgroup", "lab:4294967296", "0:-1",
    ],
)  # fmt: skip
def test_a_user_that_is_none_never_runs_as_root(
    kernelbox: Kernelbox, at: tuple[str, ...], user: str
) -> None:
    assert re.search("user|group", kernelbox.refused(*replaced(at, user), "id"))


def test_a_number_is_never_taken_for_a_name(kernelbox: Kernelbox, tmp_path: Path) -> None:
    (tmp_path / "passwd").write_text("12345:x:0:0:root in disguise:/:/bin/sh\n")
    (tmp_path / "group").write_text("12345:x:0:\n")
    volumes = [("-v", f"{tmp_path}/{name}:/etc/{name}:ro") for name in ("passwd", "group")]
    run = ("run", "--rm", *ALONE, *volumes[0], *volumes[1], "-u", "12345:12345", "busybox")
    told = kernelbox.ok(*run, "grep", "-E", "^[UG]id:", "/proc/self/status")
    assert set(told.split()) == {"Uid:", "Gid:", "12345"}


@pytest.mark.parametrize("number", [60_000, 70_000])
def test_a_user_is_in_as_many_groups_as_linux_knows_and_no_more(
    kernelbox: Kernelbox, tmp_path: Path, number: int
) -> None:
    """setgroups(2): NGROUPS_MAX is 65536."""
    (tmp_path / "passwd").write_text("joe:x:5:5::/:/bin/sh\n")
    (tmp_path / "group").write_text("".join(f"g:x:{gid}:joe\n" for gid in range(1, number + 1)))
    volumes = [("-v", f"{tmp_path}/{name}:/etc/{name}:ro") for name in ("passwd", "group")]
    run = ("run", "--rm", *ALONE, *volumes[0], *volumes[1], "-u", "joe", "busybox")
    run += ("grep", "Groups:", "/proc/self/status")
    if number <= 65_536:
        assert len(kernelbox.ok(*run).split()) == 1 + number
        assert kernelbox("run", "--trace", *run[1:]).returncode == 0
    else:
        assert "is in 70000 groups" in kernelbox.refused(*run)


# --- traps in the image ---------------------------------------------------------------------------


class Trap:
    """An image like busybox, with one more layer."""

    def __init__(self, kernelbox: Kernelbox) -> None:
        kernelbox.ok("images")  # makes the one that it is made from
        self.store = Store(str(kernelbox.root / "images"))

    def image(self, *members: tarfile.TarInfo, content: bytes = b"") -> str:
        """Add an image with these files on top; return its id."""
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as tar:
            for member in members:
                member.size = len(content) if member.isreg() else 0
                tar.addfile(member, io.BytesIO(content))
        with self.store.lock():
            index = self.store.layout.read_index()["manifests"]
            names = [entry.get("annotations", {}).get(layout.REF_NAME) for entry in index]
            busybox = index[names.index("busybox:latest")]["digest"]
            manifest = self.store.layout.read_json(busybox)
            config = self.store.layout.read_json(manifest["config"]["digest"])
            layer = self.store.layout.write_blob(layout.LAYER, out.getvalue())
            config["rootfs"]["diff_ids"].append(layer["digest"])
            blob = self.store.layout.write_blob(layout.CONFIG, layout.encode(config))
            manifest = layout.manifest(blob, [*manifest["layers"], layer])
            blob = self.store.layout.write_blob(layout.MANIFEST, layout.encode(manifest))
            return self.store.add("trap", blob).id

    def link(self, name: str, target: str) -> str:
        """Add an image in which `name` is a symbolic link; return its id."""
        member = tarfile.TarInfo(name)
        member.type, member.linkname = tarfile.SYMTYPE, target
        return self.image(member)

    def program(self, name: str, content: bytes) -> str:
        """Add an image with a file that can be executed; return its id."""
        member = tarfile.TarInfo(name)
        member.mode = 0o755
        return self.image(member, content=content)


@pytest.fixture
def trap(kernelbox: Kernelbox) -> Iterator[Trap]:
    yield Trap(kernelbox)


LINKS = {
    "/": "inside",
    "../../../../../../../..": "inside",
    "{host}": "inside",  # where there is no such directory, and one is made
    "../../../../../../../../..{host}/..": "inside",
    "/proc": "refused",
    "/proc/sys/kernel": "refused",
    "/proc/self/cwd": "refused",
    "/proc/self/root": "refused",
    "/proc/1/root": "refused",
    "/proc/self/fd/3": "refused",
    "/proc/self/fd/7/../../..": "refused",
    "/dev/fd/4": "refused",
    "/proc/self/exe": "refused",
    "trap": "refused",
}


@pytest.mark.parametrize("use", ["volume", "file", "working directory"])
@pytest.mark.parametrize("target", LINKS)
def test_a_link_in_the_image_never_leads_to_the_host(
    kernelbox: Kernelbox, trap: Trap, tmp_path: Path, target: str, use: str
) -> None:
    host, given = tmp_path / "host", tmp_path / "given"
    host.mkdir()
    given.mkdir()
    (given / "secret").write_text("x")
    options = {
        "volume": ("-v", f"{given}:/trap/new/place"),
        "file": ("-v", f"{given}/secret:/trap/new/place/file"),
        "working directory": ("-w", "/trap/new/place"),
    }
    image = trap.link("trap", target.format(host=host))
    before, top = looking.survey(tmp_path), set(os.listdir("/"))
    run = ("run", "--rm", *ALONE, *options[use], image, "test", "-d", "/trap/new/place")
    if LINKS[target] == "inside":
        kernelbox.ok(*run)
    else:
        assert "/trap/new/place" in kernelbox.refused(*run)
    assert looking.survey(tmp_path) == before
    assert set(os.listdir("/")) == top


@pytest.mark.parametrize("target", ["/", "..", "/proc", "/proc/sys", "/proc/self/root"])
def test_a_volume_covers_neither_the_root_nor_anything_of_proc(
    kernelbox: Kernelbox, trap: Trap, tmp_path: Path, target: str
) -> None:
    image = trap.link("trap", target)
    run = ("run", "--rm", *ALONE, "-v", f"{tmp_path}:/trap", image, "true")
    assert "/trap" in kernelbox.refused(*run)


@pytest.mark.parametrize("name", ["proc", "sys", "dev"])
def test_an_image_cannot_send_the_file_systems_of_the_kernel_elsewhere(
    kernelbox: Kernelbox, trap: Trap, name: str
) -> None:
    image = trap.link(name, "/tmp")
    assert f"/{name}" in kernelbox.refused("run", "--rm", *ALONE, image, "true")


HOSTS_LIBRARIES = [one for one in ("/lib", "/lib64", "/usr/lib") if os.path.isdir(one)]


@pytest.mark.parametrize("way", ["path", "link", "script", "script of a script"])
@pytest.mark.parametrize("command", ["run", "exec"])
def test_what_leads_to_the_running_program_does_not_lead_to_the_interpreter(
    kernelbox: Kernelbox, trap: Trap, way: str, command: str
) -> None:
    image, program = {
        "path": lambda: ("busybox", "/proc/self/exe"),
        "link": lambda: (trap.link("evil", "/proc/self/exe"), "/evil"),
        "script": lambda: (trap.program("evil", b"#!/proc/self/exe -S\nprint(1)\n"), "/evil"),
        "script of a script": lambda: (trap.program("evil", b"#!/trap/more\n"), "/evil"),
    }[way]()
    options = [word for path in HOSTS_LIBRARIES for word in ("-v", f"{path}:{path}:ro")]
    if way == "script of a script":
        (kernelbox.root / "more").write_text("#! /proc/self/exe\nprint(1)\n")
        (kernelbox.root / "more").chmod(0o755)
        options += ["-v", f"{kernelbox.root}/more:/trap/more:ro"]
    if command == "run":
        done = kernelbox("run", "--rm", *ALONE, *options, image, program)
    else:
        container = kernelbox.start(*ALONE, *options, image, "sleep", "infinity")
        done = kernelbox("exec", container, program)
    # It is the stepping stone once more, which is not told of any program to become.
    assert (done.returncode, done.stdout) == (127, "")


# --- what a program finds around it ---------------------------------------------------------------


@pytest.mark.parametrize(
    "pair",
    [((), (), ()), ((), ("--userns", "auto"), ("-u", "1000")), ((), ("--init",), ())],
    indirect=True,
)
def test_no_process_inside_is_the_interpreter(pair: list[int]) -> None:
    ours = os.stat(sys.executable)
    first = int(status(pair[0])["PPid"]) if status(pair[0])["NSpid"].split()[-1] != "1" else pair[0]
    for pid in {*pair, first}:
        if int(status(pid)["NSpid"].split()[-1]) > 0 and len(status(pid)["NSpid"].split()) > 1:
            assert not os.path.samestat(os.stat(f"/proc/{pid}/exe"), ours)


@pytest.mark.parametrize("command", ["run", "exec"])
@pytest.mark.parametrize("options", [(), ("-i",)])
def test_a_program_has_three_open_files_and_no_more(
    kernelbox: Kernelbox, plain: Running, command: str, options: tuple[str, ...]
) -> None:
    # As a shell would have it, and with a descriptor of the host's left open by the caller.
    where = ("run", "--rm", *ALONE, *options, "busybox")
    if command == "exec":
        where = ("exec", *options, plain.id)
    leaking = ("sh", "-c", 'exec 7</ 9</proc && exec "$@"', "sh")
    told = kernelbox.ok(*where, "sh", "-c", "ls /proc/$$/fd; true", prefix=leaking)
    assert told.split() == ["0", "1", "2"]


@pytest.mark.parametrize("command", ["run", "exec"])
def test_no_signal_is_ignored_or_blocked(
    kernelbox: Kernelbox, plain: Running, command: str
) -> None:
    where = ("run", "--rm", *ALONE, "busybox") if command == "run" else ("exec", plain.id)
    told = kernelbox.ok(*where, "grep", "^Sig[BIC]", "/proc/self/status").split()
    sets = {
        name: int(mask, 16) & ~looking.OF_LIBC
        for name, mask in zip(told[::2], told[1::2], strict=True)
    }
    assert sets == {"SigBlk:": 0, "SigIgn:": 0, "SigCgt:": 0}


@pytest.mark.parametrize(
    "path",
    [
        "/proc/self/cwd", "/proc/self/root/etc", "/proc/self/fd/3", "/proc/self/fd/9",
        "/proc/1/cwd", "/dev/fd/5", "/proc/self/fd/../root", "/etc/passwd", "/etc/passwd/x",
        "/proc/new", "/sys/new",
    ],
)  # fmt: skip
def test_a_working_directory_is_a_directory_inside(
    kernelbox: Kernelbox, plain: Running, path: str
) -> None:
    assert path in kernelbox.refused("run", "--rm", *ALONE, "-w", path, "busybox", "pwd")
    assert path in kernelbox.refused("exec", "-w", path, plain.id, "pwd")


def test_a_program_cannot_write_the_devices_or_make_working_ones(
    kernelbox: Kernelbox, plain: Running, tmp_path: Path
) -> None:
    for mount in looking.mounts(plain.pid):
        is_masked = mount.root == "/null"  # a file, from /dev
        if "rw" in mount.options and mount.point not in ("/dev", "/dev/pts") and not is_masked:
            assert "nodev" in mount.options, mount  # devpts takes no mknod
    script = """
        for place in / /tmp /root /dev/shm /vol; do
            mknod $place/zero c 1 5 || exit 1
            head -c 1 $place/zero && echo "works in $place"
        done"""
    run = ("run", "--rm", *ALONE, "-v", f"{tmp_path}:/vol", "busybox")
    done = kernelbox(*run, "sh", "-c", script)
    assert done.stdout == ""
    assert done.stderr.count("Permission denied") == 5


def disk() -> tuple[int, int]:
    """Return the numbers of a disk of the host's that can be read."""
    disks = [one for one in Path("/sys/block").iterdir() if int((one / "size").read_text())]
    major, _, minor = (disks[0] / "dev").read_text().strip().partition(":")
    return int(major), int(minor)


def test_a_socket_and_links_can_be_made_in_dev_and_no_device_of_the_hosts(
    kernelbox: Kernelbox,
) -> None:
    """As with Docker: /dev/log is syslog(3)'s, and what a node means the control group decides."""
    major, minor = disk()
    script = f"""
        ln -s /run/other /dev/other && mkfifo /dev/log && rm /dev/log
        mknod /dev/disk b {major} {minor} && mknod /dev/memory c 1 1 || exit 1
        head -c 1 /dev/disk; head -c 1 /dev/memory; head -c 1 /dev/zero | od -An -tu1"""
    done = kernelbox("run", "--rm", *ALONE, "busybox", "sh", "-c", script)
    assert done.stdout.split() == ["0"]
    assert done.stderr.count("Operation not permitted") == 2


@pytest.mark.outside("only version 1 has a hierarchy to hide")
def test_without_the_controller_for_devices_dev_is_read_only(kernelbox: Kernelbox) -> None:
    """The hierarchy is hidden in a mount namespace of the test's own: the machine keeps it."""
    hierarchy = Path("/sys/fs/cgroup/devices")
    if not hierarchy.is_mount():
        pytest.skip("cgroup v2 has no hierarchy to hide: its program is tried with every container")
    hide = f'mount -t tmpfs none {hierarchy} && umount {hierarchy} && umount {hierarchy}; exec "$@"'
    script = "touch /dev/more; head -c 1 /dev/zero | od -An -tu1"
    done = kernelbox(
        *("run", "--rm", *ALONE, "busybox", "sh", "-c", script),
        prefix=("unshare", "--mount", "sh", "-c", hide, "sh"),
    )
    assert "Read-only file system" in done.stderr and done.stdout.split() == ["0"]


WATCHED = ("--cap-add", "SYS_PTRACE")


@pytest.mark.parametrize("options", [(), ("--userns", "auto"), WATCHED])
def test_a_program_that_is_being_added_cannot_be_looked_into(
    kernelbox: Kernelbox, options: tuple[str, ...]
) -> None:
    """It hides before it is the program; where nothing can hide, it is not even there."""
    container = kernelbox.start(*ALONE, *options, *FOREVER)
    with kernelbox.terminal("exec", "--step", container, "true") as screen:
        while "execve" not in screen.read(r"(?s)next: (.*?)\[Enter\]")[1]:
            screen.type("\n")
        # The program, this shell, and perhaps between them one that still is Python.
        script = "ls -d /proc/[0-9]*; for one in /proc/[0-9]*; do : <$one/exe; done"
        done = kernelbox("exec", container, "sh", "-c", script)
        hidden = 0 if options == WATCHED else 1
        assert len(done.stdout.split()) == 2 + hidden
        assert done.stderr.count("Permission denied") == hidden
        screen.type("\n")
        assert screen.end() == 0
