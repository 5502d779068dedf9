"""What `run` and `create` take besides: each wish is looked at in the kernel, from outside."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests import looking
from tests.command import Kernelbox
from tests.looking import inside, status

ALONE = ("--network", "none")
FOREVER = ("busybox", "sleep", "infinity")
RUN = ("run", "--rm", *ALONE)
HOST_ID = 2_000_000_000


def test_wishes_are_met_as_the_kernel_tells_and_at_each_start(
    kernelbox: Kernelbox, tmp_path: Path
) -> None:
    (tmp_path / "vars").write_text("# mine\n\nA=1\n  B=two words\nHOME_OF\n")
    (tmp_path / "seen").mkdir()
    options = (
        *("--ulimit", "nofile=100:200", "--ulimit", "core=0", "--group-add", "4242"),
        *("--sysctl", "net.ipv4.ip_forward=1", "--sysctl", "kernel.msgmax=9000"),
        *("--shm-size", "8m", "--tmpfs", "/scratch:size=1m,mode=700,exec"),
        *("--mount", f"type=bind,src={tmp_path}/seen,dst=/seen,readonly"),
        *("--mount", "type=tmpfs,target=/small,tmpfs-size=64k"),
        *("--env-file", f"{tmp_path}/vars", "-e", "B=2", "--cidfile", f"{tmp_path}/id"),
        *("-l", "team=blue", "--label", "bare", "--stop-timeout", "0"),
    )
    container = kernelbox.start(*options, *FOREVER, env={"HOME_OF": "me"})
    assert (tmp_path / "id").read_text() == container
    for _ in range(2):
        pid = kernelbox.pid(container)
        limits = Path(f"/proc/{pid}/limits").read_text()
        assert re.search(r"Max open files +100 +200 ", limits)
        assert re.search(r"Max core file size +0 +0 ", limits)
        assert "4242" in status(pid)["Groups"].split()
        assert looking.enter(pid, "--net", "cat", "/proc/sys/net/ipv4/ip_forward") == "1\n"
        assert looking.enter(pid, "--ipc", "cat", "/proc/sys/kernel/msgmax") == "9000\n"
        there = {one.point: one for one in looking.mounts(pid)}
        assert "size=8192k" in there["/dev/shm"].super_options
        assert "size=1024k" in there["/scratch"].super_options
        assert "size=64k" in there["/small"].super_options
        assert "noexec" in there["/small"].options and "noexec" not in there["/scratch"].options
        assert {"nosuid", "nodev"} <= there["/scratch"].options
        assert "ro" in there["/seen"].options
        assert inside(pid, "/scratch").stat().st_mode & 0o7777 == 0o700
        variables = Path(f"/proc/{pid}/environ").read_text().split("\0")
        assert {"A=1", "B=2", "HOME_OF=me"} <= set(variables)
        found = kernelbox.inspect(container)
        assert found["Config"]["Labels"].items() >= {"team": "blue", "bare": ""}.items()
        kernelbox.ok("restart", container)  # at once: its --stop-timeout is 0
    assert kernelbox.ok("exec", container, "sh", "-c", "ulimit -n") == "100\n"


def test_memory_of_a_user_namespace_is_its_roots(kernelbox: Kernelbox) -> None:
    words = ("--userns", "auto", "--tmpfs", "/mine", "--tmpfs", "/yours:uid=7,mode=755")
    container = kernelbox.start(*ALONE, *words, *FOREVER)
    pid = kernelbox.pid(container)
    assert [inside(pid, one).stat().st_uid - HOST_ID for one in ("/mine", "/yours")] == [0, 7]
    assert kernelbox.ok("exec", container, "stat", "-c", "%u %a", "/yours") == "7 755\n"


@pytest.mark.parametrize("name", ["a:b", "a,b", 'a"b', "a:ro"])
def test_mount_takes_a_path_as_it_is(kernelbox: Kernelbox, tmp_path: Path, name: str) -> None:
    """Which is what it is for, beside -v. Source: Docker, "docker run --mount"; RFC 4180."""
    (tmp_path / name).mkdir()
    (tmp_path / name / "here").write_text(name)
    field = f"source={tmp_path / name}".replace('"', '""')
    wish = f'type=bind,"{field}","target=/{name}",readonly=False'.replace(
        'target=/a"b', "target=/x"
    )
    script = 'cat "$0/here"; echo >"$0/new"'
    where = "/x" if '"' in name else f"/{name}"
    words = ("run", "--rm", *ALONE, "--mount", wish, "busybox", "sh", "-c", script, where)
    assert kernelbox.ok(*words) == name
    assert (tmp_path / name / "new").exists()


def test_a_file_of_variables_is_parted_at_its_line_ends_alone(
    kernelbox: Kernelbox, tmp_path: Path
) -> None:
    """Unicode knows more ends of lines, which a value may have. Source: Go, bufio.ScanLines."""
    file = tmp_path / "vars"
    value = "a\x0bb\x0cc\x85d\u2028e\x1cf"
    file.write_text(f"\ufeffONE={value}\r\n\tTWO=2\n#THREE=3\n\nFOUR=", newline="")
    script = 'printf "%s|%s|%s|%s" "$ONE" "$TWO" "$THREE" "${FOUR-unset}"'
    words = ("run", "--rm", *ALONE, "--env-file", str(file), "busybox", "sh", "-c", script)
    assert kernelbox.ok(*words) == f"{value}|2||"


@pytest.mark.parametrize("content", [b"A=\xff\n", b"A=1\n" * 300_000, b"A=\0\n"])
def test_a_file_of_variables_is_taken_whole_or_not_at_all(
    kernelbox: Kernelbox, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "vars").write_bytes(content)
    done = kernelbox("run", "--rm", "--env-file", str(tmp_path / "vars"), "busybox", "true")
    assert done.returncode == 125 and str(tmp_path / "vars") in done.stderr


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--ulimit", "frob=1"), "no resource 'frob'"),
        (("--ulimit", "nofile=9:1"), "above the hard one"),
        (("--ulimit", "nofile=x"), "no limit"),
        (("--sysctl", "vm.swappiness=1"), "of the whole machine"),
        (("--sysctl", "kernel.../x=1"), "no setting"),
        (("--sysctl", "user.max_user_namespaces=1"), "user namespace, and it shares the host's"),
        (("--network", "host", "--sysctl", "net.ipv4.ip_forward=0"), "shares the host's"),
        (("--device", "/etc/passwd:/dev/x"), "has no device"),
        (("--device", "/dev/zero:/etc/x"), "no device can be at"),
        (("--device", "/dev/zero:/dev/../etc/x"), "no device can be at"),
        (("--device", "/dev/zero"), "no device can be at"),
        (("--device", "/dev/zero:/dev/x:rq"), "no device"),
        (("--userns", "auto", "--device", "/dev/zero:/dev/x"), "owns none"),
        (("--shm-size", "much"), "not a size"),
        (("--tmpfs", "/x:frob"), "no option of a tmpfs"),
        (("--tmpfs", "/"), "no volume"),
        (("--mount", "type=bind,source=/etc"), "no target"),
        (("--mount", "type=frob,source=/etc,target=/x"), "knows no type"),
        (("--mount", "type=bind,sauce=/etc,target=/x"), "no key of --mount"),
        (("--tmpfs", "/x", "-v", "/etc:/x/"), "two things"),
        (("--env-file", "/nosuchfile"), "cannot read --env-file"),
        (("--env-file", "/dev/zero"), "more than 1 MiB"),
        (("--mount", "type=bind,source=/etc,target=/x,ro=maybe"), "neither true nor false"),
        (("--mount", 'type=bind,"source=/etc,target=/x'), "quotes"),
        (("--mount", "type=bind,source=/etc,target=/x/.."), "container's root"),
        (("-v", "/etc:/x/.."), "container's root"),
        (("--label", "=x"), "no label"),
        (("--cidfile", "/etc/passwd"), "exists"),
        (("--group-add", "nosuchgroup"), "no group"),
    ],
)
def test_a_wish_that_cannot_be_is_refused_and_leaves_nothing(
    kernelbox: Kernelbox, options: tuple[str, ...], reason: str
) -> None:
    kernelbox.ok("ps")
    before = os.listdir(kernelbox.root / "containers")
    assert reason in kernelbox.refused("run", *ALONE, *options, "busybox", "true")
    assert os.listdir(kernelbox.root / "containers") == before


def test_a_device_works_as_far_as_it_was_given(kernelbox: Kernelbox) -> None:
    words = ("--device", "/dev/loop-control:/dev/below/control:r")
    container = kernelbox.start(*ALONE, *words, *FOREVER)
    found = inside(kernelbox.pid(container), "/dev/below/control").stat()
    assert found.st_rdev == os.stat("/dev/loop-control").st_rdev
    use = "(: <$1) && echo read; (: >$1) 2>/dev/null || echo no"
    words = ("exec", container, "sh", "-c", use, "sh", "/dev/below/control")
    assert kernelbox.ok(*words) == "read\nno\n"
    kernelbox.ok("restart", "-t", "0", container)
    assert kernelbox.ok(*words) == "read\nno\n"


def test_no_container_no_cidfile(kernelbox: Kernelbox, tmp_path: Path) -> None:
    path = tmp_path / "id"
    kernelbox.refused("run", "--cidfile", path, "--pull", "never", "nosuchimage", "true")
    assert not path.exists()
    kernelbox.ok("create", "--cidfile", path, *FOREVER)
    kernelbox.ok("rm", path.read_text())
