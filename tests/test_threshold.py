"""Where the host's mounts are shared, as systemd leaves them, a student cannot mount over them.

Everything here happens in a mount namespace made for it, which plays the host.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

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
    ],
)
def test_what_would_reach_the_host_is_refused_with_the_cure(request_: str) -> None:
    said = on_a_shared_host(f"with lab.refused():\n    p.{request_}\n")
    name = request_.partition("(")[0]
    assert said.startswith(f"refused: {name} would change the host itself: what is mounted at /")
    assert "mount(None, '/', None, 'rprivate')" in said
    assert said.endswith("the host is as it was: True\n")


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


def test_the_host_may_be_seen_through_a_propagation_that_is_refused() -> None:
    """The check can fail: without the line between them, the host does get the mount."""
    code = 'p.python(\'mounts.mount("tmpfs", "/tmp", "tmpfs", 0)\')\n'
    said = on_a_shared_host(code)
    assert said == "the host is as it was: False\n"
