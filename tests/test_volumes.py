"""Volumes with a name: what is in them at first, who sees it, and how long it is there."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import looking
from tests.command import Kernelbox

ALONE = ("--network", "none")
RUN = ("run", "--rm", *ALONE)
FOREVER = ("busybox", "sleep", "infinity")


@pytest.fixture
def volumes(kernelbox: Kernelbox) -> Iterator[Path]:
    """The directory of all volumes; in the end there are none."""
    yield kernelbox.root / "volumes"
    kernelbox.clean_up()
    kernelbox.ok("volume", "prune", "-af")
    assert kernelbox.ok("volume", "ls", "-q") == ""


def test_a_volume_begins_with_what_the_image_has_and_outlives_its_containers(
    kernelbox: Kernelbox, volumes: Path
) -> None:
    script = "ls /etc | grep -c passwd; echo mine >/etc/passwd"
    kernelbox.ok(*RUN, "-v", "data:/etc", "busybox", "sh", "-c", script)
    assert (volumes / "data/_data/passwd").read_text() == "mine\n"
    words = (*RUN, "-v", "data:/etc:ro", "busybox", "sh", "-c")
    assert (
        kernelbox.ok(*words, "cat /etc/passwd; touch /etc/x 2>/dev/null || echo no") == "mine\nno\n"
    )
    kernelbox.ok(*RUN, "-v", "data:/etc", "busybox", "sh", "-c", "rm -r /etc/* 2>/dev/null; true")
    assert not (volumes / "data/_data/passwd").exists()
    kernelbox.ok(*RUN, "-v", "data:/etc", "busybox", "true")  # filled once, and never again
    assert not (volumes / "data/_data/passwd").exists()


def test_what_is_roots_in_one_user_namespace_is_roots_in_every_other(
    kernelbox: Kernelbox, volumes: Path
) -> None:
    script = "stat -c '%u %n' /x/hosts; echo a >/x/a; chown 7 /x/a"
    mount = ("--mount", "type=volume,source=ids,target=/x")
    kernelbox.ok(*RUN, "-v", "ids:/etc", "busybox", "true")
    told = kernelbox.ok(*RUN, "--userns", "auto", *mount, "busybox", "sh", "-c", script)
    assert told == "0 /x/hosts\n"
    assert (volumes / "ids/_data/a").stat().st_uid == 7
    assert kernelbox.ok(*RUN, *mount, "busybox", "stat", "-c", "%u", "/x/a") == "7\n"
    container = kernelbox.start(*ALONE, "--userns", "auto", *mount, *FOREVER)
    assert kernelbox.ok("exec", container, "stat", "-c", "%u", "/x/a") == "7\n"
    (volumes / "ids/_data/b").write_text("from outside\n")
    assert kernelbox.ok("exec", container, "cat", "/x/b") == "from outside\n"
    assert kernelbox.ok("cp", f"{container}:/x/a", "-").count("a\n") == 1


def test_a_volume_in_use_stays_and_tells_by_whom(kernelbox: Kernelbox, volumes: Path) -> None:
    assert kernelbox.ok("volume", "create", "--label", "tier=db", "kept") == "kept\n"
    unnamed = kernelbox.ok("volume", "create").strip()
    assert len(unnamed) == 64
    container = kernelbox.ok(
        "create", "-v", "kept:/data", "-v", f"{unnamed}:/more", *FOREVER
    ).strip()
    try:
        assert container in kernelbox("volume", "rm", "kept").stderr
        assert kernelbox.ok("volume", "prune", "-af") == ""
        assert kernelbox.ok("volume", "ls", "-q", "-f", "dangling=true") == ""
        assert kernelbox.ok("ps", "-aq", "-f", "volume=kept") == f"{container}\n"
        found = kernelbox.inspect(container)
        assert {one["Name"] for one in found["Mounts"]} == {"kept", unnamed}
        assert "kept:/data:rw" in found["HostConfig"]["Binds"]
    finally:
        kernelbox.ok("rm", "-v", container)
    (told,) = json.loads(kernelbox.ok("volume", "inspect", "kept"))
    assert told["Labels"] == {"tier": "db"} and os.path.isdir(told["Mountpoint"])
    assert kernelbox.ok("volume", "prune", "-f") == f"{unnamed}\n"
    assert kernelbox.ok("volume", "ls", "-q", "-f", "label=tier=db") == "kept\n"
    assert kernelbox.ok("volume", "rm", "kept") == "kept\n"
    assert kernelbox("volume", "rm", "kept").returncode == 1
    assert kernelbox.ok("volume", "rm", "-f", "kept") == "kept\n"


def test_two_at_once_find_the_same_volume_filled(kernelbox: Kernelbox, volumes: Path) -> None:
    words = (*RUN, "-v", "race:/etc", "busybox", "sh", "-c", "ls /etc | grep -c passwd")
    both = [kernelbox.popen(*words) for _ in range(3)]
    assert [one.communicate(timeout=60) for one in both] == [("1\n", "")] * 3


def test_one_that_was_half_filled_is_filled_anew(kernelbox: Kernelbox, volumes: Path) -> None:
    kernelbox.ok("volume", "create", "half")
    filling = volumes / "half/filling/data"
    filling.mkdir(parents=True)
    (filling / "rubbish").write_text("x")
    assert "rubbish" not in kernelbox.ok(*RUN, "-v", "half:/etc", "busybox", "ls", "/etc")
    assert not filling.parent.exists()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ((*RUN, "-v", "../x:/y", "busybox", "true"), "absolute"),
        ((*RUN, "-v", "..:/y", "busybox", "true"), "absolute"),
        ((*RUN, "-v", "x:/y", "busybox", "true"), "absolute"),
        ((*RUN, "-v", "data:/etc/passwd", "busybox", "true"), "plain directory"),
        ((*RUN, "--mount", "type=bind,source=name,target=/y", "busybox", "true"), "no source"),
        ((*RUN, "--mount", "type=volume,source=/etc,target=/y", "busybox", "true"), "no source"),
        (("volume", "create", "../x"), "not a volume name"),
        (("volume", "inspect", "../containers"), "no such volume"),
        (("volume", "frob"), "no command"),
        (("volume", "prune"), "--force"),
        (("volume", "ls", "-f", "x=y"), "no filter"),
    ],
)
def test_what_cannot_be_a_volume(
    kernelbox: Kernelbox, volumes: Path, words: tuple[str, ...], reason: str
) -> None:
    assert reason in kernelbox.refused(*words)


def test_a_link_in_a_volume_leads_nobody_out_of_a_container(
    kernelbox: Kernelbox, volumes: Path, tmp_path: Path
) -> None:
    kernelbox.ok(*RUN, "-v", "trap:/x", "busybox", "ln", "-s", str(tmp_path), "/x/out")
    (tmp_path / "secret").write_text("s")
    done = kernelbox(*RUN, "-v", "trap:/x", "-v", "more:/x/out", "busybox", "ls", "/x/out")
    assert "secret" not in done.stdout
    assert [one.name for one in looking.entries(tmp_path)] == ["secret"]
