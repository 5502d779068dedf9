"""Where the host's mounts are shared, as systemd leaves them, a student cannot mount over them.

Everything here happens in a mount namespace made for it, which plays the host.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from kernelbox import lab

# Shared, but with nobody outside: where the real host's mounts are shared, those stay out of it.
HOST = ["unshare", "--mount", "--propagation", "private"]
HOST += ["sh", "-c", 'mount --make-rshared / && exec "$0" -c "$1"', sys.executable]

BEGIN = """
from pathlib import Path
from kernelbox import lab

def host():
    return Path("/proc/self/mountinfo").read_text()

box, before = lab.start(), host()
parent = box.hold()
parent.unshare("pid", "mount")
p = parent.fork()
"""
END = """
print("the host is as it was:", host() == before)
box.close()
"""


def on_a_shared_host(code: str) -> str:
    """Run code in a notebook's place, with `p` in a copy of the host's mount namespace."""
    done = subprocess.run(
        [*HOST, BEGIN + code + END], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "request_",
    [
        "mount('proc', '/proc', 'proc')",
        "mount('tmpfs', '/tmp', 'tmpfs')",
        "mount('/etc', '/tmp', None, 'bind')",
        "umount('/proc')",
        "umount('/proc', lazy=True)",
        "mount('/etc', '/tmp', None, 'bind,private')",
    ],
)
def test_what_would_reach_the_host_is_refused_with_the_cure(request_: str) -> None:
    said = on_a_shared_host(f"with lab.refused():\n    p.{request_}\n")
    name = request_.partition("(")[0]
    assert said.startswith(f"refused: {name} would change the host itself: what is mounted at /")
    assert "mount(None, '/', None, 'rprivate')" in said
    assert said.endswith("the host is as it was: True\n")


def test_what_hangs_below_goes_with_a_lazy_unmount_and_would_reach_the_host() -> None:
    """The mount that goes is the process's own; what it would take along is a peer's child."""
    said = on_a_shared_host(
        "p.mount(None, '/', None, 'private')\nwith lab.refused():\n    p.umount('/', lazy=True)\n"
    )
    assert "umount would change the host itself" in said and said.endswith("True\n")


@pytest.mark.parametrize("hide", ["chroot('/usr')", "python('os.chroot(\"/usr\")')"])
def test_a_proc_that_does_not_show_the_mount_is_no_way_around(hide: str) -> None:
    hidden = f"p.{hide}\np.chdir('/')\n"
    mount = "p.mount('tmpfs', '/share', 'tmpfs')\n"
    said = on_a_shared_host(f"{hidden}with lab.refused():\n    {mount}")
    assert "would change the host itself" in said and said.endswith("True\n")
    said = on_a_shared_host(f"p.mount(None, '/', None, 'rprivate')\n{hidden}{mount}")
    assert said == "the host is as it was: True\n"


def test_a_file_system_that_the_host_has_is_not_remounted() -> None:
    """A private mount is the process's own. What `ro` means without `bind` is the host's, too."""
    said = on_a_shared_host(
        "p.mount(None, '/', None, 'rprivate')\n"
        "with lab.refused():\n"
        "    p.mount(None, '/proc', None, 'remount,ro')\n"
        "p.mount(None, '/proc', None, 'remount,bind,ro')\n"
        "p.mount('tmpfs', '/tmp', 'tmpfs')\n"
        "p.mount(None, '/tmp', None, 'remount,ro')\n"
    )
    assert said == (
        "refused: mount would change the host itself: the file system at /proc is the host's. "
        "Change this mount of it alone: remount,bind\n"
        "the host is as it was: True\n"
    )


@pytest.mark.parametrize("cure", ["rprivate", "rslave"])
def test_with_the_cure_it_is_granted(cure: str) -> None:
    said = on_a_shared_host(
        f"p.mount(None, '/', None, {cure!r})\n"
        "p.mount('proc', '/proc', 'proc')\n"
        "p.shell('echo $$ /proc/[0-9]*')\n"
        "p.umount('/proc')\n"
    )
    assert said == "2 /proc/1 /proc/2\nthe host is as it was: True\n"


def test_a_new_peer_group_of_its_own_is_granted() -> None:
    said = on_a_shared_host(
        "p.mount(None, '/', None, 'rprivate')\n"
        "p.mount(None, '/', None, 'rshared')\n"
        "p.mount('tmpfs', '/tmp', 'tmpfs')\n"
    )
    assert said == "the host is as it was: True\n"


@pytest.mark.parametrize(
    "code",
    [
        'mounts.mount("tmpfs", "/tmp", "tmpfs", 0)',
        'mounts.umount2("/proc")',
        'fd = mounts.open_tree("/etc", 0); mounts.move_mount(fd, os.open("/tmp", os.O_PATH))',
    ],
)
def test_what_is_asked_in_python_comes_through_the_same_door(code: str) -> None:
    said = on_a_shared_host(f"with lab.refused():\n    p.python({code!r})\n")
    assert "would change the host itself" in said
    assert said.endswith("the host is as it was: True\n")


def test_a_peer_group_that_the_host_had_is_nobodys() -> None:
    """The kernel gives its number to the next group, which may be the process's own."""
    said = on_a_shared_host(
        "import subprocess\n"
        "subprocess.run(['mount', '-t', 'tmpfs', 'one', '/mnt'], check=True)\n"
        "box = lab.start()\n"
        "[theirs] = [line.split()[6] for line in host().splitlines() if ' /mnt ' in line]\n"
        "subprocess.run(['umount', '/mnt'], check=True)\n"
        "p = box.hold()\n"
        "p.unshare('mount')\n"
        "p.mount(None, '/', None, 'rprivate')\n"
        "p.mount('tmpfs', '/mnt', 'tmpfs')\n"
        # Until it is this very number: another one that is free may be the lowest.
        "for count in range(500):\n"
        "    p.mkdir(f'/mnt/{count}')\n"
        "    p.mount('tmpfs', f'/mnt/{count}', 'tmpfs')\n"
        "    p.mount(None, f'/mnt/{count}', None, 'shared')\n"
        "    lines = Path(f'/proc/{p.pid}/mountinfo').read_text().splitlines()\n"
        "    [mine] = [line.split()[6] for line in lines if f' /mnt/{count} ' in line]\n"
        "    if mine == theirs:\n"
        "        break\n"
        "print('the number is used again:', mine == theirs)\n"
        "p.mkdir(f'/mnt/{count}/below')\n"
        "p.mount('tmpfs', f'/mnt/{count}/below', 'tmpfs')\n"
    )
    assert said == "the number is used again: True\nthe host is as it was: True\n"


def test_a_peer_group_that_the_host_has_since_is_the_hosts() -> None:
    said = on_a_shared_host(
        "import subprocess\n"
        "subprocess.run(['mount', '-t', 'tmpfs', 'one', '/mnt'], check=True)\n"
        "late = box.hold()\n"
        "late.unshare('mount')\n"
        "with lab.refused():\n"
        "    late.mount('tmpfs', '/mnt', 'tmpfs')\n"
        "late.end()\n"
        "subprocess.run(['umount', '/mnt'], check=True)\n"
    )
    assert "would change the host itself" in said and said.endswith("True\n")


def test_the_host_may_be_seen_through_a_propagation_that_is_refused() -> None:
    """The check can fail: where no door of ours is in the way, the host does get the mount."""
    said = on_a_shared_host("p.shell('mount -t tmpfs tmpfs /tmp')\n")
    assert said == "the host is as it was: False\n"


@pytest.mark.parametrize(
    "request_",
    [
        "sethostname('mistake')",
        "setdomainname('mistake')",
        "python('syscalls.sethostname(\"mistake\")')",
        "write('/proc/sys/kernel/hostname', 'mistake')",
        "write('/proc/sys/kernel/../kernel/hostname', 'mistake')",
        'python(\'files.write("/proc/self/root/proc/sys/kernel/hostname", "mistake")\')',
        "write('/proc/sys/net/ipv4/ip_forward', '1')",
        "write('/proc/sys/vm/swappiness', '1')",
        "write('/sys/fs/cgroup/pids/cgroup.procs', '0')",
        "write('/sys/module/printk/parameters/time', 'N')",
        "mkdir('/sys/fs/cgroup/pids/mistake')",
        "pivot_root('/', '/')",
    ],
)
def test_what_is_still_the_hosts_is_not_changed(request_: str, box: lab.Lab) -> None:
    p = box.hold()
    with pytest.raises(lab.LabError, match="would change the host itself"):
        eval(f"p.{request_}", {"p": p})


def test_what_is_its_own_may_be_changed_by_any_way(box: lab.Lab) -> None:
    p = box.hold()
    p.unshare("uts", "network", "mount", "ipc")
    p.write("/proc/sys/kernel/hostname", "first")
    p.python("syscalls.sethostname('second')")
    assert p.look().inside["hostname"] == "second"
    p.write("/proc/sys/net/ipv4/ip_forward", "1")
    assert p.evaluate("open('/proc/sys/net/ipv4/ip_forward').read()") == "1\n"


def test_a_process_that_joins_the_host_again_is_guarded_again(box: lab.Lab) -> None:
    p = box.hold()
    p.unshare("uts")
    p.sethostname("own")
    p.setns(box.agent, "uts")
    with pytest.raises(lab.LabError, match="would change the host itself"):
        p.python("syscalls.sethostname('mistake')")
