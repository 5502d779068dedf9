"""Filters of system calls: what a profile says, what the kernel's machine makes of its filter.

The filter is run here by an interpreter of its machine, beside that of libseccomp for the same
profile; and by the kernel, on real processes. libseccomp is Debian's, and runc's.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import random
import signal
import struct
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernelbox.kernel import seccomp as door
from kernelbox.kernel.errors import KernelError, UsageError
from kernelbox.seccomp import decision, default, docker, listing, machines, profile
from kernelbox.seccomp import filter as filters
from kernelbox.seccomp.machines import MACHINES, Machine
from kernelbox.users import capabilities
from tests.command import Kernelbox

X86, ARM = MACHINES
HERE = machines.this()
DEFAULT_CAPABILITIES = ("CAP_CHOWN", "CAP_SETUID", "CAP_SYS_CHROOT", "CAP_MKNOD")
EPERM = profile.ERRNO | errno.EPERM


# --- the machine, and the oracle ------------------------------------------------------------------


def run(program: bytes, number: int, audit: int, arguments: tuple[int, ...]) -> int:
    """Run a filter for a call; return what it says. An endless one would not get past here.

    Source: kernel, net/core/filter.c, and kernel/seccomp.c for what may be loaded.
    """
    data = struct.pack("=IIQ6Q", number, audit, 0, *arguments)
    code = list(struct.iter_unpack("=HBBI", program))
    at = register = 0
    while True:
        what, then, otherwise, constant = code[at]
        at += 1
        if what == 0x20:
            (register,) = struct.unpack_from("=I", data, constant)
        elif what == 0x54:
            register &= constant
        elif what == 0x05:
            at += constant
        elif what == 0x06:
            return int(constant)
        else:
            holds = {0x15: register == constant, 0x25: register > constant,
                     0x35: register >= constant, 0x45: bool(register & constant)}[what]  # fmt: skip
            at += then if holds else otherwise


class _Compared(ctypes.Structure):
    _fields_ = (
        ("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)
    )  # fmt: skip


_OPERATORS = {"!=": 1, "<": 2, "<=": 3, "==": 4, ">=": 5, ">": 6, "&": 7}


def oracle(wanted: profile.Profile, machine: Machine) -> bytes:
    """Return libseccomp's filter for a profile."""
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(wanted.default)))
    native = library.seccomp_arch_native
    native.restype = ctypes.c_uint32
    if native() != machine.audit:
        assert library.seccomp_arch_add(context, ctypes.c_uint32(machine.audit)) == 0
        assert library.seccomp_arch_remove(context, ctypes.c_uint32(native())) == 0
    for rule in wanted.rules:
        if rule.action == wanted.default:  # it refuses those, and runc leaves them out
            continue
        tests = (_Compared * max(1, len(rule.tests)))(
            *((one.argument, _OPERATORS[one.operator], one.value, one.bits) for one in rule.tests)
        )
        for name in rule.names:
            # By this machine's numbers: the library translates them.
            number = library.seccomp_syscall_resolve_name(name.encode())
            if number < 0:  # it is older than this call
                continue
            done = library.seccomp_rule_add_array(
                context, ctypes.c_uint32(rule.action), number, len(rule.tests), tests
            )
            assert done == 0, (name, os.strerror(-done))
    with tempfile.TemporaryFile() as file:
        assert library.seccomp_export_bpf(context, file.fileno()) == 0
        library.seccomp_release(context)
        file.seek(0)
        return file.read()


def oracle_knows(name: str, machine: Machine) -> bool:
    library = ctypes.CDLL("libseccomp.so.2")
    return bool(
        library.seccomp_syscall_resolve_name_arch(ctypes.c_uint32(machine.audit), name.encode())
        >= 0
    )


def same(ours: int, theirs: int) -> bool:
    """Whether two answers are alike: for a foreign call libseccomp kills the thread alone."""
    return ours == theirs or {ours, theirs} == {profile.KILL_PROCESS, profile.KILL_THREAD}


def numbers_of_interest(machine: Machine) -> list[int]:
    """Return every number of a call, those between, and some far away."""
    last = max(machine.numbers.values())
    return [*range(last + 1), last + 1, last + 500, 0x3FFFFFFF, 0x40000000, 0x40000001, 0x7FFFFFFF]


# --- tables ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("machine", MACHINES, ids=lambda one: one.name)
def test_numbers_are_those_of_libseccomp(machine: Machine) -> None:
    library = ctypes.CDLL("libseccomp.so.2")
    asked = 0
    for name, number in machine.numbers.items():
        theirs = library.seccomp_syscall_resolve_name_arch(
            ctypes.c_uint32(machine.audit), name.encode()
        )
        if theirs >= 0:
            assert theirs == number, name
            asked += 1
    assert asked > 300
    assert len(set(machine.numbers.values())) == len(machine.numbers)


# --- the default profile --------------------------------------------------------------------------


@pytest.mark.parametrize("machine", MACHINES, ids=lambda one: one.name)
@pytest.mark.parametrize("held", [DEFAULT_CAPABILITIES, ("CAP_SYS_ADMIN",)])
def test_the_default_profile_decides_as_libseccomp_does_for_every_call_and_10_000_arguments(
    machine: Machine, held: tuple[str, ...]
) -> None:
    wanted = profile.read(default.profile(machine, held), machine)
    ours, theirs = filters.compile(wanted, machine), oracle(wanted, machine)
    decisions = decision.Decisions(wanted, machine)
    names = machine.names
    lot = random.Random(7)
    compared = 0
    for number in numbers_of_interest(machine):
        name = names.get(number)
        if (name and not oracle_knows(name, machine)) or machine.foreign > number > max(names):
            continue  # newer than libseccomp
        for arguments in [(0,) * 6, *(interesting(lot) for _ in range(25))]:
            mine = run(ours, number, machine.audit, arguments)
            assert same(mine, run(theirs, number, machine.audit, arguments)), (name, arguments)
            assert mine == decisions.of(number, arguments).action
            compared += 1
    assert compared > 8_000
    for foreign in {one.audit for one in MACHINES} - {machine.audit} | {0x40000003}:
        assert run(ours, 0, foreign, (0,) * 6) == profile.KILL_PROCESS


@pytest.mark.parametrize("machine", MACHINES, ids=lambda one: one.name)
def test_what_is_explained_of_a_machine_is_what_libseccomp_decides_for_it(
    machine: Machine, kernelbox: Kernelbox
) -> None:
    """Of this one and of the other: for whoever writes a profile here that is to hold there."""
    explain = ("seccomp", "explain", "--arch", docker.ARCHITECTURES[machine.name], "default")
    caps = [f"CAP_{name}" for name in capabilities.choose([], [])]
    theirs = oracle(profile.read(default.profile(machine, caps), machine), machine)
    told: dict[str, str] = {}
    fate = ""
    for line in kernelbox.ok(*explain).splitlines():
        if line.startswith(" "):
            told |= dict.fromkeys(line.split(), fate)
        else:
            fate = line.partition(" ")[2]
    assert told.keys() == machine.numbers.keys()
    for name, fate in told.items():
        if oracle_knows(name, machine):
            answer = run(theirs, machine.numbers[name], machine.audit, (0,) * 6)
            assert decision.in_words(answer) in fate, name
    for name, argument in (
        ("clone", 0x10000000), ("clone", 0x11), ("personality", 0), ("personality", 0x40000),
        ("socket", 40), ("socket", 2), ("openat", 0), ("unshare", 0), ("clone3", 0),
    ):  # fmt: skip
        arguments = (argument, 0, 0, 0, 0, 0)
        answer = run(theirs, machine.numbers[name], machine.audit, arguments)
        said = kernelbox.ok(*explain, name, str(argument))
        assert said.startswith(f"{name} {decision.in_words(answer)}: "), said
    line = kernelbox.refused("seccomp", "explain", "--arch", "vax", "default")
    assert "no machine that is known here. There are x86_64 and aarch64" in line


def interesting(lot: random.Random) -> tuple[int, ...]:
    """Return six arguments: some small, some with bits of CLONE_NEW*, some of 64 bits."""
    return tuple(
        lot.choice(
            [
                lot.getrandbits(64), lot.getrandbits(32), lot.randrange(50), 1 << lot.randrange(64),
                0x20000, 0x8, 0xFFFFFFFF, (1 << 64) - 1,
            ]
        )
        for _ in range(6)
    )  # fmt: skip


def test_the_default_profile_refuses_what_dockers_does_and_allows_the_rest() -> None:
    """Docker, "Significant syscalls blocked by the default profile", and moby since 25.0."""
    wanted = profile.read(default.profile(X86, DEFAULT_CAPABILITIES), X86)
    decisions = decision.Decisions(wanted, X86)
    for name in (
        "acct", "add_key", "bpf", "clock_settime", "create_module", "delete_module",
        "finit_module", "get_kernel_syms", "get_mempolicy", "init_module", "ioperm", "iopl",
        "io_uring_setup", "kcmp", "kexec_file_load", "kexec_load", "keyctl", "lookup_dcookie",
        "mbind", "mount", "move_pages", "nfsservctl", "open_by_handle_at", "perf_event_open",
        "pivot_root", "quotactl", "query_module", "reboot", "request_key", "set_mempolicy", "setns",
        "settimeofday", "swapon", "swapoff", "sysfs", "_sysctl", "umount2", "unshare", "uselib",
        "userfaultfd", "ustat",
    ):  # fmt: skip
        assert decisions.of(X86.numbers[name]).action == EPERM, name
    for name in (
        "read", "execve", "exit_group", "ptrace", "process_vm_readv", "chroot", "mknod", "statx",
        "rseq", "clone", "fork", "futex", "seccomp", "landlock_create_ruleset", "cachestat",
    ):  # fmt: skip
        assert decisions.of(X86.numbers[name]).action == profile.ALLOW, name
    assert decisions.of(X86.numbers["clone3"]).action == decision.NEWER
    assert decisions.of(600).action == decision.NEWER
    flags = (0x10000000, 0, 0, 0, 0, 0)  # CLONE_NEWUSER
    assert decisions.of(X86.numbers["clone"], flags).action == EPERM
    vsock = (40, 1, 0, 0, 0, 0)
    assert decisions.of(X86.numbers["socket"], vsock).action == EPERM
    wanted = profile.read(default.profile(X86, ("CAP_SYS_ADMIN",)), X86)
    admin = decision.Decisions(wanted, X86)
    for name in ("mount", "unshare", "setns", "clone3", "clone"):
        assert admin.of(X86.numbers[name], flags).action == profile.ALLOW
    assert admin.of(X86.numbers["init_module"]).action == EPERM


# --- any profile ----------------------------------------------------------------------------------

VALUES = st.one_of(
    st.integers(0, (1 << 64) - 1), st.integers(0, 3), st.sampled_from([1 << 32, (1 << 32) - 1])
)
TESTS = st.fixed_dictionaries(
    {
        "index": st.integers(0, 5),
        "op": st.sampled_from(sorted(profile.OPERATORS)),
        "value": VALUES,
        "valueTwo": VALUES,
    }
)
ONE_ACTION = st.sampled_from(
    [
        {"action": "SCMP_ACT_ALLOW"},
        {"action": "SCMP_ACT_ERRNO", "errnoRet": 13},
        {"action": "SCMP_ACT_LOG"},
        {"action": "SCMP_ACT_KILL_PROCESS"},
        {"action": "SCMP_ACT_TRAP"},
    ]
)


@st.composite
def profiles(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a profile: each call in one rule, so that libseccomp has nothing to choose."""
    names = draw(st.permutations(sorted(X86.numbers)))
    rules, at = [], 0
    for _ in range(draw(st.integers(0, 12))):
        count = draw(st.integers(1, 9))
        tests = draw(st.lists(TESTS, max_size=2, unique_by=lambda one: one["index"]))
        rules.append({"names": names[at : at + count], **draw(ONE_ACTION), "args": tests})
        at += count
    return {"defaultAction": "SCMP_ACT_KILL_PROCESS", "syscalls": rules}


@settings(deadline=None)  # a machine may be slow
@given(profiles(), st.lists(st.tuples(*[VALUES] * 6), min_size=3, max_size=6))
def test_any_profile_decides_as_libseccomp_does(
    plain: dict[str, Any], tried: list[tuple[int, ...]]
) -> None:
    wanted = profile.read(plain, X86)
    ours, theirs = filters.compile(wanted, X86), oracle(wanted, X86)
    decisions = decision.Decisions(wanted, X86)
    named = [X86.numbers[name] for rule in wanted.rules for name in rule.names]
    edges = [
        tuple(test.value if place == test.argument else 0 for place in range(6))
        for rule in wanted.rules
        for test in rule.tests
    ]
    for number in {*named, *(one + 1 for one in named), 0, 449}:
        if X86.names.get(number) and not oracle_knows(X86.names[number], X86):
            continue
        for arguments in [*tried, *edges[:4]]:
            mine = run(ours, number, X86.audit, arguments)
            assert mine == decisions.of(number, arguments).action
            assert same(mine, run(theirs, number, X86.audit, arguments)), (number, arguments)


def test_jumps_that_are_too_far_for_a_byte_arrive() -> None:
    tests = [{"index": 0, "op": "SCMP_CMP_GT", "value": 5}]
    rules = [
        {"names": [name], "action": "SCMP_ACT_ERRNO", "errnoRet": 1 + place, "args": tests}
        for place, name in enumerate(list(X86.numbers)[:250])
    ]
    wanted = profile.read({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules}, X86)
    program = filters.compile(wanted, X86)
    assert len(program) // 8 > 1000
    for place, number in enumerate(list(X86.numbers.values())[:250]):
        assert run(program, number, X86.audit, (6,) * 6) == profile.ERRNO | (1 + place)
        assert run(program, number, X86.audit, (5,) * 6) == profile.ALLOW


def test_rules_count_in_order_and_one_without_tests_settles_it() -> None:
    test = [{"index": 0, "op": "SCMP_CMP_EQ", "value": 1}]
    first = {"names": ["read"], "action": "SCMP_ACT_ERRNO", "errnoRet": 5, "args": test}
    second = {"names": ["read"], "action": "SCMP_ACT_ERRNO", "errnoRet": 6, "args": test}
    plain = {"names": ["read"], "action": "SCMP_ACT_LOG"}
    for rules, said in (
        ([first, second], profile.ERRNO | 5),
        ([second, first], profile.ERRNO | 6),
        ([first, plain], profile.LOG),
        ([plain, first], profile.LOG),
    ):
        wanted = profile.read({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules}, X86)
        assert run(filters.compile(wanted, X86), 0, X86.audit, (1,) * 6) == said


def test_of_several_tests_of_one_argument_one_is_enough() -> None:
    """runc, "seccomp -ENOSYS handling", process_vm_readv: Docker and libseccomp have it so."""
    values = (100, 9001)
    tests = [{"index": 0, "op": "SCMP_CMP_EQ", "value": one} for one in values]
    entry = {"names": ["read"], "action": "SCMP_ACT_ALLOW", "args": tests}
    wanted = profile.read({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [entry]}, X86)
    program = filters.compile(wanted, X86)
    for value in (*values, 5):
        said = run(program, 0, X86.audit, (value,) * 6)
        assert said == (profile.ALLOW if value in values else profile.ERRNO | 1)


# --- bad profiles ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("plain", "complaint"),
    [
        ({}, "defaultAction of the profile cannot be None"),
        ({"defaultAction": "ALLOW"}, "defaultAction of the profile cannot be 'ALLOW'"),
        ({"defaultAction": ["x"]}, "defaultAction of the profile cannot be"),
        ({"defaultAction": "SCMP_ACT_NOTIFY"}, "SCMP_ACT_NOTIFY asks another process"),
        ({"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 5000}, "cannot be 5000"),
        ({"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": -1}, "cannot be -1"),
        ({"syscalls": {}}, "syscalls of the profile cannot be {}"),
        ({"syscalls": ["read"]}, "a rule of the profile cannot be 'read'"),
        ({"syscalls": [{"action": "SCMP_ACT_ALLOW"}]}, "names no system call"),
        ({"syscalls": [{"names": ["read"]}]}, "action of the profile cannot be None"),
        ({"flags": ["FAST"]}, "a flag of the profile cannot be 'FAST'"),
        ({"flags": [["FAST"]]}, "a flag of the profile cannot be"),
        ({"architectures": ["SCMP_ARCH_S390X"]}, "this machine is SCMP_ARCH_X86_64"),
        ({"archMap": [{"architecture": "SCMP_ARCH_S390X"}]}, "this machine is SCMP_ARCH_X86_64"),
        ({"archMap": ["SCMP_ARCH_X86_64"]}, "an entry of archMap of the profile cannot be"),
        ({"archMap": {"a": 1}}, "archMap of the profile cannot be"),
        ({"syscalls": [{"names": [["read"]]}]}, "the name of a system call of the profile cannot"),
        ({"syscalls": [{"names": [5]}]}, "the name of a system call of the profile cannot be 5"),
        ({"syscalls": [{"names": ["x"], "includes": 5}]}, "the includes of a rule of the profile"),
        ({"syscalls": [{"names": ["x"], "includes": {"caps": 5}}]}, "caps of the profile cannot"),
        ({"syscalls": [{"names": ["x"], "excludes": {"arches": 7}}]}, "arches of the profile"),
    ],
)
def test_a_broken_profile_is_one_clear_line(plain: dict[str, Any], complaint: str) -> None:
    whole = plain if "defaultAction" in complaint else {"defaultAction": "SCMP_ACT_ALLOW", **plain}
    with pytest.raises(UsageError, match=complaint.replace("{", r"\{")) as refusal:
        profile.read(docker.resolved(whole, X86, ()), X86)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    "argument",
    [
        5, {"index": 6, "op": "SCMP_CMP_EQ"}, {"index": "0", "op": "SCMP_CMP_EQ"},
        {"index": 0, "op": "=="}, {"index": 0, "op": "SCMP_CMP_EQ", "value": -1},
        {"index": 0, "op": "SCMP_CMP_EQ", "value": 1 << 64},
        {"index": 0, "op": "SCMP_CMP_EQ", "value": 1.5}, {"index": True, "op": "SCMP_CMP_EQ"},
    ],
)  # fmt: skip
def test_a_broken_argument_is_one_clear_line(argument: Any) -> None:
    rule = {"names": ["read"], "action": "SCMP_ACT_ALLOW", "args": [argument]}
    with pytest.raises(UsageError, match="of the profile cannot be"):
        profile.read({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [rule]}, X86)


def test_what_is_left_out_is_said() -> None:
    plain = {
        "defaultAction": "SCMP_ACT_ERRNO",
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
        "syscalls": [
            {"names": ["read", "nonesuch", "mmap2", "nonesuch"], "action": "SCMP_ACT_ALLOW"},
            {"names": ["nothing_known"], "action": "SCMP_ACT_ALLOW"},
        ],
    }
    said = profile.read(plain, X86).dropped
    assert "calls of SCMP_ARCH_X86 are refused, as if it were not named" in said
    assert "3 calls that no machine here has: mmap2, nonesuch, nothing_known" in said


def test_dockers_own_form_is_understood() -> None:
    plain = {
        "defaultAction": "SCMP_ACT_ERRNO",
        "archMap": [
            {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]},
            {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": []},
        ],
        "syscalls": [
            {"names": ["read"], "action": "SCMP_ACT_ALLOW"},
            {"names": ["ptrace"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "4.8"}},
            {"names": ["kcmp"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "400.0"}},
            {"names": ["mount"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_A"]}},
            {"names": ["clone"], "action": "SCMP_ACT_ALLOW", "excludes": {"caps": ["CAP_A"]}},
            {
                "names": ["iopl"],
                "action": "SCMP_ACT_ALLOW",
                "includes": {"arches": ["amd64"]},
            },
            {"names": ["syslog"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["s390x"]}},
            {"name": "write", "action": "SCMP_ACT_ALLOW"},
        ],
    }
    allowed = {
        caps: {
            name
            for rule in profile.read(docker.resolved(plain, X86, caps), X86).rules
            for name in rule.names
        }
        for caps in [(), ("CAP_A",)]
    }
    assert allowed[()] == {"read", "ptrace", "clone", "iopl", "write"}
    assert allowed["CAP_A",] == {"read", "ptrace", "mount", "iopl", "write"}


def test_a_file_that_is_no_profile_is_one_clear_line(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    for text, complaint in (
        ("", "is no JSON"), ("[]", "is no JSON object"), ("[" * 100_000, "is no JSON"),
        ("{" + " " * (5 << 20) + "}", "larger than 4 MiB"),
    ):  # fmt: skip
        broken.write_text(text)
        with pytest.raises(UsageError, match=complaint):
            profile.load(str(broken))
    with pytest.raises(UsageError, match=r"cannot read the profile .*No such file"):
        profile.load(str(tmp_path / "none"))
    with pytest.raises(UsageError, match=r"cannot read the profile .*directory"):
        profile.load(str(tmp_path))
    with pytest.raises(UsageError, match="larger than 4 MiB"):
        profile.load("/dev/zero")


def test_a_filter_longer_than_the_kernel_takes_is_refused() -> None:
    tests = [{"index": place, "op": "SCMP_CMP_GT", "value": 5} for place in range(6)]
    rules = [
        {"names": [name], "action": "SCMP_ACT_ERRNO", "errnoRet": place, "args": tests}
        for place, name in enumerate(X86.numbers)
    ]
    wanted = profile.read({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules}, X86)
    with pytest.raises(UsageError, match="instructions, and the kernel takes 4096"):
        filters.compile(wanted, X86)


# --- the kernel -----------------------------------------------------------------------------------


def in_child(program: bytes, *call: int) -> int:
    """Install a filter in a child, make a call there; return 0 or the error, or -signal."""
    pid = os.fork()
    if pid == 0:
        status = 255
        try:
            libc = ctypes.CDLL(None, use_errno=True)
            door.set_filter(program)
            done = libc.syscall(*(ctypes.c_long(one) for one in call))
            status = ctypes.get_errno() if done == -1 else 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_what_the_kernel_does_not_take_as_a_filter_is_refused_with_a_way_out() -> None:
    with pytest.raises(KernelError, match="EINVAL") as refusal:
        door.set_filter(b"\0" * 8)
    assert "seccomp=unconfined" in refusal.value.hint


def test_the_kernel_decides_as_the_profile_says() -> None:
    wanted = profile.read(default.profile(HERE, DEFAULT_CAPABILITIES), HERE)
    program = filters.compile(wanted, HERE)
    call = HERE.numbers
    assert in_child(program, call["getpid"]) == 0
    assert in_child(program, call["unshare"], 0x10000000) == errno.EPERM
    assert in_child(program, call["keyctl"], 0, -3, 0) == errno.EPERM
    assert in_child(program, call["clone3"], 0, 0) == errno.ENOSYS
    assert in_child(program, call["personality"], 0xFFFFFFFF) == 0
    assert in_child(program, call["personality"], 0x0040000) == errno.EPERM  # ADDR_NO_RANDOMIZE
    assert in_child(program, call["socket"], 40, 1, 0) == errno.EPERM
    assert in_child(program, call["socket"], 2, 1, 0) == 0
    assert in_child(program, 600) == errno.ENOSYS
    if HERE is X86:
        assert in_child(program, 0x40000000 + call["getpid"]) == -signal.SIGSYS
    rules = [{"names": ["getppid"], "action": "SCMP_ACT_KILL_PROCESS"}]
    killing = profile.read({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules}, HERE)
    assert in_child(filters.compile(killing, HERE), call["getppid"]) == -signal.SIGSYS
    assert in_child(filters.compile(killing, HERE), call["getpid"]) == 0


@pytest.mark.parametrize("machine", MACHINES, ids=lambda one: one.name)
def test_a_listing_names_every_jumps_end(machine: Machine) -> None:
    wanted = profile.read(default.profile(machine, DEFAULT_CAPABILITIES), machine)
    program = filters.compile(wanted, machine)
    lines = listing.lines(program, machine)
    assert len(lines) == len(program) // 8
    assert lines[0].split(maxsplit=1) == ["0", "take the machine"]
    assert any("the call fails with EPERM" in line for line in lines)
    assert any("the lower half of argument 0" in line for line in lines)
    assert json.dumps(lines)
