"""Each person has a root of their own, and one's reset leaves another's containers alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernelbox.plumbing import paths
from tests import looking
from tests.command import Kernelbox

PEOPLE = (64_001, 64_002)  # user ids that no system gives


@pytest.mark.parametrize(
    ("environment", "uid", "root"),
    [
        ({}, 0, "/var/lib/kernelbox"),
        ({}, 1000, "/var/lib/kernelbox-1000"),
        ({"SUDO_UID": "1000"}, 0, "/var/lib/kernelbox-1000"),
        ({"SUDO_UID": "1000"}, 1001, "/var/lib/kernelbox-1001"),
        ({"SUDO_UID": "0"}, 0, "/var/lib/kernelbox"),
        ({"SUDO_UID": "../x"}, 0, "/var/lib/kernelbox"),
        ({"SUDO_UID": ""}, 0, "/var/lib/kernelbox"),
        ({"SUDO_UID": "1000", "KERNELBOX_ROOT": "/mine"}, 0, "/mine"),
        ({"KERNELBOX_ROOT": ""}, 0, "/var/lib/kernelbox"),
    ],
)
def test_the_root_is_the_askers(environment: dict[str, str], uid: int, root: str) -> None:
    assert paths.root_of(environment, uid) == root


def kernelbox(uid: int, *words: str) -> str:
    """Run kernelbox as sudo does for this person."""
    environment = {name: text for name, text in os.environ.items() if name != "KERNELBOX_ROOT"}
    done = subprocess.run(
        [sys.executable, "-m", "kernelbox", *words],
        env={**environment, "SUDO_UID": str(uid)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def people() -> Iterator[tuple[int, int]]:
    yield PEOPLE
    for uid in PEOPLE:
        kernelbox(uid, "reset")
        assert not Path(f"/var/lib/kernelbox-{uid}").exists()


def test_one_persons_reset_leaves_anothers_containers_and_images(people: tuple[int, int]) -> None:
    ann, bob = people
    for one in people:
        kernelbox(one, "run", "-d", "--name", "web", "--network", "none", "busybox", "sleep", "300")
    assert kernelbox(ann, "ps", "-q") != kernelbox(bob, "ps", "-q")
    pid = json.loads(kernelbox(bob, "inspect", "web"))[0]["State"]["Pid"]
    kernelbox(ann, "reset")
    assert looking.is_alive(pid)
    assert len(kernelbox(bob, "ps", "-q").split()) == 1
    assert "busybox" in kernelbox(bob, "images")
    assert kernelbox(ann, "ps", "-aq") == ""


def test_what_images_hold_is_for_their_owner_alone() -> None:
    """Also where the store was made before that was so: Docker's is closed to others, too."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as place:
        os.chmod(place, 0o755)
        box = Kernelbox(Path(place) / "root")
        nobody = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")
        look = [*nobody, "find", place, "-type", "f", "-readable"]

        def seen_by_others() -> str:
            found = subprocess.run(look, capture_output=True, text=True, check=False)
            return found.stdout

        run = ("run", "--rm", "--network", "none", "busybox", "true")
        for words in (run, ("tag", "busybox", "other"), run):
            box.ok(*words)
            assert seen_by_others() == ""
            assert "sudo" in box.refused("images", prefix=nobody)
            (box.root / "images").chmod(0o755)
            assert seen_by_others() != ""
        box.ok("reset")
