"""Images by the command line: in files, of containers, and what containers changed.

skopeo, umoci and podman stand beside it: they read what it writes, and it reads what they write.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import json
import lzma
import os
import signal
import stat
import struct
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernelbox.images import bounds, layout, metadata
from kernelbox.images.store import Store
from kernelbox.kernel.errors import UsageError
from kernelbox.lab.exercises import progress
from kernelbox.plumbing import whole
from kernelbox.users import id_maps
from tests import looking
from tests.command import Kernelbox
from tests.test_images import DIGEST, add_image, entry, sha256sum, tar_of


@pytest.fixture
def store(kernelbox: Kernelbox) -> Iterator[Store]:
    """The store of the tests' root; images that a test adds go with it."""
    kernelbox.ok("images")
    yield Store(f"{kernelbox.root}/images")
    kernelbox("prune", "--all", "--force")


def host(*words: str | Path, **more: object) -> str:
    done = subprocess.run(words, capture_output=True, check=False, **more)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stderr
    text: str = done.stdout.decode()
    return text


@pytest.fixture
def podman() -> Iterator[list[str | Path]]:
    """The podman command with a storage of its own; its mounts end with each command."""
    with tempfile.TemporaryDirectory(prefix="kbx", dir="/tmp") as short:  # it takes 50 bytes
        own = ["--root", f"{short}/root", "--runroot", f"{short}/run", "--storage-driver", "vfs"]
        yield ["unshare", "--mount", "podman", *own]


QUIET = ("--rm", "--network", "none")


# --- names ----------------------------------------------------------------------------------------


def test_an_image_has_as_many_names_as_it_is_given(kernelbox: Kernelbox, store: Store) -> None:
    kernelbox.ok("tag", "busybox", "lab/web:v1")
    kernelbox.ok("tag", "lab/web:v1", "docker.io/library/web")
    assert store.resolve("web:latest").id == store.resolve("busybox").id
    listed = kernelbox.ok("images").splitlines()[1:]
    assert [line.split()[:2] for line in listed] == [
        ["busybox", "latest"], ["lab/web", "v1"], ["web", "latest"],
    ]  # fmt: skip
    assert len(kernelbox.ok("images", "-q").splitlines()) == 1
    assert kernelbox.ok("images", "lab/web").splitlines()[1].startswith("lab/web ")
    assert kernelbox.ok("rmi", "web") == "Untagged: web:latest\n"
    by_id = store.resolve("busybox").id[7:19]
    assert "several names" in kernelbox("rmi", by_id).stderr
    assert "not a name" in kernelbox.refused("tag", "busybox", "UPPER")
    kernelbox.ok("rmi", "lab/web:v1")


def test_images_are_listed_with_digests_whole_ids_and_as_json(
    kernelbox: Kernelbox, store: Store
) -> None:
    image = store.resolve("busybox")
    title, line = kernelbox.ok("images", "--digests", "--no-trunc").splitlines()
    assert title.split()[:3] == ["REPOSITORY", "TAG", "DIGEST"]
    assert line.split()[:4] == ["busybox", "latest", "<none>", image.id]
    one = json.loads(kernelbox.ok("images", "--format", "json"))
    assert (one["reference"], one["id"]) == ("busybox:latest", image.id)
    assert one["size"] == sum(
        os.path.getsize(store.layout.blob_path(part["digest"]))
        for part in [store.find("busybox")[1].manifest[key] for key in ("config",)]
        + store.find("busybox")[1].manifest["layers"]
    )


def test_rmi_and_prune_leave_what_a_container_uses(kernelbox: Kernelbox, store: Store) -> None:
    kernelbox.ok("tag", "busybox", "used")
    kernelbox.start("used", "sleep", "infinity")
    kernelbox.ok("rmi", "used")
    assert "in use" in kernelbox("rmi", "-f", "busybox").stderr
    kernelbox.ok("prune", "--all", "--force")
    assert kernelbox.ok("images").splitlines()[1].startswith("busybox ")
    assert "--force" in kernelbox.refused("prune")


def test_prune_removes_images_without_a_name_and_unfinished_downloads(
    kernelbox: Kernelbox, store: Store
) -> None:
    add_image(store, "web", tar_of(entry("old")))
    old = store.resolve("web").lowerdirs[0]
    add_image(store, "web", tar_of(entry("new")))
    os.makedirs(store.downloads, exist_ok=True)
    Path(store.downloads, "0" * 64).write_bytes(b"half")
    assert "<none>" in kernelbox.ok("images")
    assert "Total reclaimed space" in kernelbox.ok("prune", "-f")
    assert "<none>" not in kernelbox.ok("images")
    assert not os.path.exists(old)
    assert os.listdir(store.downloads) == []
    assert store.resolve("web")


def test_inspect_and_history_tell_of_an_image_what_docker_tells(
    kernelbox: Kernelbox, store: Store
) -> None:
    (shown,) = json.loads(kernelbox.ok("inspect", "busybox"))
    image = store.resolve("busybox")
    assert shown["Id"] == image.id
    assert shown["RepoTags"] == ["busybox:latest"]
    assert shown["Config"]["Cmd"] == ["sh"]
    assert all(DIGEST.fullmatch(one) for one in shown["RootFS"]["Layers"])
    assert shown["GraphDriver"]["Data"]["LowerDir"] == image.lowerdirs[0]
    kernelbox.start("--name", "busybox", "busybox", "sleep", "infinity")
    assert "State" in json.loads(kernelbox.ok("inspect", "busybox"))[0]
    assert "RootFS" in json.loads(kernelbox.ok("inspect", "--type", "image", "busybox"))[0]
    assert "no such container" in kernelbox.refused("inspect", "--type", "container", "nosuch")
    first, *more = kernelbox.ok("history", "busybox").splitlines()
    assert first.split()[0] == "IMAGE"
    assert len(more) == 1
    assert more[0].startswith(image.id[7:19])


# --- in a file ------------------------------------------------------------------------------------


def test_others_read_what_is_saved(
    kernelbox: Kernelbox, tmp_path: Path, store: Store, podman: list[str | Path]
) -> None:
    kernelbox.ok("tag", "busybox", "lab/saved:v1")
    archive = tmp_path / "saved.tar"
    kernelbox.ok("save", "-o", archive, "busybox", "lab/saved:v1")
    for kind in ("docker-archive", "oci-archive"):
        said = json.loads(host("skopeo", "inspect", f"{kind}:{archive}:lab/saved:v1"))
        assert len(said["Layers"]) == 1
    assert "lab/saved:v1" in host(*podman, "load", "-q", "-i", archive)
    host("umoci", "unpack", "--image", f"{store.path}:lab/saved:v1", tmp_path / "bundle")
    assert (tmp_path / "bundle/rootfs/bin/busybox").exists()
    assert not list(tmp_path.glob("*.partial-*"))


@pytest.mark.parametrize("form", ["docker-archive", "oci-archive"])
def test_what_others_save_is_loaded_and_runs(
    kernelbox: Kernelbox, tmp_path: Path, store: Store, form: str, podman: list[str | Path]
) -> None:
    image_id = store.resolve("busybox").id
    archive = tmp_path / "theirs.tar"
    saved = subprocess.run(
        [*kernelbox.command, "save", "busybox"], env=kernelbox.environment, capture_output=True
    ).stdout
    host(*podman, "load", "-q", input=saved)
    words = ("save", "-q", "--format", form, "-o", archive, "localhost/busybox:latest")
    host(*podman, *words)
    assert kernelbox.ok("load", "-i", archive) == "Loaded image: localhost/busybox:latest\n"
    assert store.resolve("localhost/busybox").id == image_id
    ran = kernelbox.ok("run", *QUIET, "localhost/busybox", "echo", "theirs")
    assert ran == "theirs\n"
    left = set(os.listdir(store.layout.blobs))
    assert all(sha256sum(f"{store.layout.blobs}/{name}") == f"sha256:{name}" for name in left)
    kernelbox.ok("rmi", "localhost/busybox")


def archive_of(**files: object) -> bytes:
    """Return an archive with these files; a str is a symlink, a list or dict JSON."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name.replace("__", "/"))
            if isinstance(content, str):
                member.type, member.linkname = tarfile.SYMTYPE, content
                tar.addfile(member)
                continue
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return out.getvalue()


def test_dockers_older_form_with_links_between_layers_is_loaded(
    store: Store, tmp_path: Path, kernelbox: Kernelbox
) -> None:
    tar = tar_of((entry("file"), b"old"))
    diff_id = layout.digest_of(tar)
    config = {"rootfs": {"type": "layers", "diff_ids": [diff_id, diff_id]}, "config": {}}
    entries = [
        {"Config": "c.json", "RepoTags": ["old:1"], "Layers": ["a/layer.tar", "b/layer.tar"]}
    ]
    whole = archive_of(
        **{"a__layer.tar": tar, "b__layer.tar": "../a/layer.tar"},
        **{"c.json": config, "manifest.json": entries},
    )
    (tmp_path / "old.tar").write_bytes(whole)
    assert kernelbox.ok("load", "-i", tmp_path / "old.tar") == "Loaded image: old:1\n"
    assert len(store.resolve("old:1").lowerdirs) == 2
    kernelbox.ok("rmi", "old:1")


def indexes_without_end() -> bytes:
    blobs: dict[str, object] = {}
    below = {"digest": "sha256:" + "0" * 64, "mediaType": layout.INDEX, "size": 9}
    for _ in range(9):
        text = json.dumps({"manifests": [below]}).encode()
        below = layout.descriptor(layout.INDEX, layout.digest_of(text), len(text))
        blobs[f"blobs__sha256__{below['digest'][7:]}"] = text
    return archive_of(**blobs, **{"index.json": {"manifests": [below]}})


def another_size() -> bytes:
    tar = tar_of(entry("file"))
    config = json.dumps({"rootfs": {"diff_ids": [layout.digest_of(tar)]}}).encode()
    parts = {layout.digest_of(one): one for one in (tar, config)}
    layer = layout.descriptor(layout.LAYER, layout.digest_of(tar), len(tar) - 1)
    described = layout.descriptor(layout.CONFIG, layout.digest_of(config), len(config))
    manifest = layout.encode(layout.manifest(described, [layer]))
    parts[layout.digest_of(manifest)] = manifest
    top = layout.descriptor(layout.MANIFEST, layout.digest_of(manifest), len(manifest))
    files = {f"blobs__sha256__{digest[7:]}": content for digest, content in parts.items()}
    return archive_of(**files, **{"index.json": {"manifests": [top]}})


HOSTILE = {
    "nothing": b"",
    "no tar": b"junk" * 1000,
    "no manifest": archive_of(file=b"x"),
    "a manifest that is none": archive_of(**{"manifest.json": {"a": 1}}),
    "a file that is not there": archive_of(
        **{"manifest.json": [{"Config": "../../../etc/passwd", "Layers": []}]}
    ),
    "links in a circle": archive_of(
        a="b", b="a", **{"manifest.json": [{"Config": "a", "Layers": ["b"]}]}
    ),
    "a link to the host": archive_of(
        a="/etc/passwd", **{"manifest.json": [{"Config": "a", "Layers": ["a"]}]}
    ),
    "a blob that is another": archive_of(**{"blobs__sha256__" + "0" * 64: b"x"}),
    "a blob without a digest": archive_of(blobs__sha256__x=b"x"),
    "an index of nothing": archive_of(
        **{
            "index.json": {
                "manifests": [{"digest": "sha256:" + "0" * 64, "mediaType": "", "size": 1}]
            }
        }
    ),
    "indexes without an end": indexes_without_end(),
    "a blob of another size than it says": another_size(),
    "JSON that is none": archive_of(**{"manifest.json": b"{"}),
    "JSON of many megabytes": archive_of(**{"manifest.json": b" " * (bounds.MAX_JSON + 9) + b"[]"}),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_archive_is_one_line_and_leaves_nothing(
    kernelbox: Kernelbox, store: Store, tmp_path: Path, what: str
) -> None:
    before = sorted(os.listdir(store.layout.blobs))
    (tmp_path / "hostile.tar").write_bytes(HOSTILE[what])
    done = kernelbox("load", "-i", tmp_path / "hostile.tar")
    assert done.returncode == 125
    assert done.stderr.count("\n") == 1
    assert "bug" not in done.stderr
    assert sorted(os.listdir(store.layout.blobs)) == before
    assert not [name for name in os.listdir(store.path) if name.startswith(".partial")]


def test_an_imported_tar_is_an_image_that_runs(
    kernelbox: Kernelbox, store: Store, tmp_path: Path
) -> None:
    base = store.find("busybox")[1].manifest["layers"][0]["digest"]
    tar = Path(store.layout.blob_path(base))
    options = ("-c", 'CMD ["echo", "imported"]', "-c", "ENV A=1 B='two words'", "-m", "why")
    image_id = kernelbox.ok("import", *options, tar, "imported:1").strip()
    assert store.resolve("imported:1").id == image_id
    assert kernelbox.ok("run", *QUIET, "imported:1") == "imported\n"
    assert kernelbox.ok("run", *QUIET, "imported:1", "sh", "-c", "echo $B") == "two words\n"
    assert "why" in kernelbox.ok("history", "imported:1")
    assert "truncated" in kernelbox("import", "/etc/passwd").stderr
    assert "no file" in kernelbox.refused("import", "/nosuch")
    kernelbox.ok("rmi", "imported:1")


# --- images that are odd, or worse ----------------------------------------------------------------


def bare(kernelbox: Kernelbox, tmp_path: Path, name: str, *members: tarfile.TarInfo) -> None:
    """Import an image of busybox alone, and of what a test adds."""
    program = Path("/bin/busybox").read_bytes()
    tar = tar_of((entry("busybox", mode=0o755), program), *members)
    (tmp_path / "bare.tar").write_bytes(tar)
    kernelbox.ok("import", tmp_path / "bare.tar", name)


@pytest.mark.parametrize("userns", ["host", "auto"])
def test_an_image_of_one_program_runs_as_root_and_without_a_passwd(
    kernelbox: Kernelbox, store: Store, tmp_path: Path, userns: str
) -> None:
    bare(kernelbox, tmp_path, "bare:1")
    options = (*QUIET, "--userns", userns)
    assert kernelbox.ok("run", *options, "bare:1", "/busybox", "id", "-u") == "0\n"
    assert kernelbox.ok("run", *options, "-u", "5:6", "bare:1", "/busybox", "id", "-g") == "6\n"
    assert "no user 'lab'" in kernelbox("run", *options, "-u", "lab", "bare:1", "/busybox").stderr
    kernelbox.ok("rmi", "bare:1")


@pytest.mark.parametrize("words", [("load", "-i"), ("import",), ("load",)])
def test_who_waits_for_a_silent_writer_hears_ctrl_c(
    kernelbox: Kernelbox, tmp_path: Path, words: tuple[str, ...]
) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    named = [str(fifo)] if words != ("load",) else []
    reading, writing = os.pipe()
    with subprocess.Popen(
        [*kernelbox.command, *words, *named], env=kernelbox.environment, stdin=reading
    ) as process:
        try:
            if named:
                os.close(writing)
                writing = os.open(fifo, os.O_WRONLY)
            tasks = f"/proc/{process.pid}/task"
            assert looking.soon(lambda: len(os.listdir(tasks)) == 2)  # one of them reads
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 130
        finally:
            process.kill()
    os.close(reading)
    os.close(writing)


def test_fifos_where_files_are_read_make_nobody_wait(
    kernelbox: Kernelbox, store: Store, tmp_path: Path
) -> None:
    names = ("passwd", "group", "hosts", "hostname", "resolv.conf")
    bare(kernelbox, tmp_path, "fifo:1", *(entry(f"etc/{one}", tarfile.FIFOTYPE) for one in names))
    assert kernelbox.ok("run", *QUIET, "fifo:1", "/busybox", "pwd") == "/\n"
    assert (
        "no user" in kernelbox("run", *QUIET, "-u", "lab:lab", "fifo:1", "/busybox", "pwd").stderr
    )
    kernelbox.ok("rmi", "fifo:1")


@pytest.mark.parametrize("userns", ["host", "auto"])
def test_a_device_in_an_image_is_kept_and_opens_nothing(
    kernelbox: Kernelbox, store: Store, tmp_path: Path, userns: str
) -> None:
    device = entry("zero", tarfile.CHRTYPE, devmajor=1, devminor=5, mode=0o666)
    bare(kernelbox, tmp_path, "device:1", device)
    run = ("run", *QUIET, "--userns", userns, "device:1", "/busybox")
    assert kernelbox.ok(*run, "stat", "-c", "%F %t,%T", "/zero") == "character special file 1,5\n"
    assert "Permission denied" in kernelbox(*run, "head", "-c1", "/zero").stderr
    assert kernelbox(*run, "head", "-c1", "/dev/zero").stdout == "\0"
    kernelbox.ok("rmi", "device:1")


@pytest.mark.parametrize("place", ["proc", "dev", "sys", "etc"])
def test_an_image_that_leads_our_mounts_elsewhere_is_refused_or_contained(
    kernelbox: Kernelbox, store: Store, tmp_path: Path, place: str
) -> None:
    (tmp_path / "outside").mkdir()
    link = entry(place, tarfile.SYMTYPE, linkname=f"{tmp_path}/outside")
    bare(kernelbox, tmp_path, "link:1", link)
    done = kernelbox("run", *QUIET, "link:1", "/busybox", "id")
    assert done.returncode == 0 or "kernelbox: " in done.stderr
    assert os.listdir(tmp_path / "outside") == []
    kernelbox.ok("rmi", "link:1")


# --- of a container -------------------------------------------------------------------------------

SPOIL = (
    "echo new > /root/new; chown lab /root/new; rm /etc/os-release; echo x >> /etc/passwd; "
    "mkdir -p /opt/deep; ln -s /x /opt/link; touch /opt/one; ln /opt/one /opt/two; "
    "rm -rf /home; mkdir /home; touch /home/mine; rm -rf /usr/local; chmod 700 /var; "
    "truncate -s 80M /opt/sparse; mkfifo /opt/fifo"
)
CHANGED = """
    C /etc|D /etc/os-release|C /etc/passwd|C /home|D /home/lab|A /home/mine|A /opt|A /opt/deep
    |A /opt/fifo|A /opt/link|A /opt/one|A /opt/sparse|A /opt/two|C /root|A /root/new|C /usr
    |D /usr/local|C /var
"""


@pytest.mark.parametrize("userns", ["host", "auto"])
def test_diff_and_commit_take_just_what_a_container_changed(
    kernelbox: Kernelbox, store: Store, userns: str
) -> None:
    name = f"spoilt-{userns}"
    options = ("--name", name, "--network", "none", "--userns", userns)
    kernelbox.ok("run", *options, "busybox", "sh", "-c", SPOIL)
    wanted = [line.strip() for line in CHANGED.split("|")]
    assert kernelbox.ok("diff", name).splitlines() == wanted
    said = ("-a", "me", "-m", "why", "-c", "ENV X=1", "-c", "CMD echo $X")
    image_id = kernelbox.ok("commit", *said, name, f"made:{userns}").strip()
    image = store.resolve(f"made:{userns}")
    assert image.id == image_id
    layers = store.find(f"made:{userns}")[1].manifest["layers"]
    assert layers[0] == store.find("busybox")[1].manifest["layers"][0]
    assert layers[1]["size"] < 200_000
    top = Path(image.lowerdirs[0])
    assert stat.S_ISCHR((top / "etc/os-release").lstat().st_mode)
    assert os.getxattr(top / "home", "trusted.overlay.opaque") == b"y"
    assert (top / "root/new").stat().st_uid == 1000
    assert (top / "opt").stat().st_uid == 0
    assert (top / "opt/one").stat().st_ino == (top / "opt/two").stat().st_ino
    assert (top / "opt/sparse").stat().st_blocks < 100
    assert not (top / "bin").exists()
    script = "ls / /home /usr; cat /root/new; tail -n1 /etc/passwd; cat /etc/os-release"
    ran = kernelbox("run", *QUIET, f"made:{userns}", "sh", "-c", script)
    assert "No such file" in ran.stderr
    assert ran.stdout.split()[-2:] == ["new", "x"]
    assert "local" not in ran.stdout
    assert kernelbox.ok("run", *QUIET, f"made:{userns}") == "1\n"
    # What is committed again on top changes nothing of what is below.
    kernelbox.ok("rm", name)
    kernelbox.ok("rmi", f"made:{userns}")


@pytest.mark.parametrize(
    "said",
    [
        {"Env": ["A=a\0b"]}, {"Cmd": ["a\0b"]}, {"Entrypoint": ["a\0b"]}, {"User": "a\0b"},
        {"WorkingDir": "/a\0b"}, {"Volumes": {"/a\0b": {}}},
    ],
)  # fmt: skip
def test_what_no_program_can_be_given_is_refused_when_it_would_be(
    kernelbox: Kernelbox, store: Store, said: dict[str, object]
) -> None:
    """As with Docker, which loads such an image, and cannot run it."""
    add_image(store, "odd", tar_of((entry("a"), b"")), config={"Cmd": ["a"], **said})
    kernelbox.ok("inspect", "odd")
    assert r"\x00b" in kernelbox.refused("run", *QUIET, "odd")


@pytest.mark.parametrize(
    "said",
    [
        *({"config": {name: {"a": "b"}}} for name in ("Env", "Cmd", "Entrypoint", "User")),
        *({"config": {name: [1]}} for name in ("Env", "Cmd", "OnBuild", "StopSignal")),
        *({"config": {name: ["a"]}} for name in ("Labels", "Volumes", "ExposedPorts", "User")),
        {"history": {"a": 1}}, {"history": [1]}, {"history": "made"}, {"config": ["Cmd"]},
    ],
)  # fmt: skip
def test_a_config_of_another_shape_is_refused_by_what_it_lacks(
    store: Store, said: dict[str, object]
) -> None:
    """As by Docker, where Go's types say so."""
    with pytest.raises(UsageError, match=r"lacks a (list|mapping|text|rootfs)"):
        add_image(store, "odd", tar_of((entry("a"), b"")), **said)
    assert not store.has("odd")


def test_a_word_for_a_command_and_half_a_character_are_taken_as_docker_takes_them(
    kernelbox: Kernelbox, store: Store, tmp_path: Path
) -> None:
    """Go: strslice, UnmarshalJSON; encoding/json, Unmarshal, "Unicode replacement character"."""
    said = {"Cmd": "sh", "Labels": {"half": "\ud800", "whole": "\U0001f433"}, "Env": ["A=\udc80"]}
    add_image(store, "odd", tar_of((entry("a"), b"")), config=said)
    (tmp_path / "Containerfile").write_text("FROM odd\nLABEL more=yes\n")
    kernelbox.ok("build", "-t", "odder", tmp_path)
    (found,) = json.loads(kernelbox.ok("inspect", "odder"))
    assert found["Config"]["Cmd"] == ["sh"]
    assert found["Config"]["Labels"] == {"half": "\ufffd", "whole": "\U0001f433", "more": "yes"}
    assert "A=\ufffd" in found["Config"]["Env"]


def test_a_file_whose_name_would_delete_another_is_not_committed(kernelbox: Kernelbox) -> None:
    """OCI image-spec, layer.md, section Whiteouts: `.wh.passwd` in a layer deletes passwd."""
    make = "mkdir /a && > /a/.wh.b && rm /etc/passwd"
    box = kernelbox.start("--network", "none", "busybox", "sh", "-c", f"{make}; sleep 60")
    assert looking.soon(lambda: "D /etc/passwd" in kernelbox.ok("diff", box))
    assert "'/a/.wh.b' would delete a file" in kernelbox.refused("commit", box, "made")
    assert "paused" not in kernelbox.inspect(box)["State"]["Status"]
    kernelbox.ok("exec", box, "mv", "/a/.wh.b", "/a/b")
    kernelbox.ok("commit", box, "made")
    assert (
        kernelbox.ok("run", *QUIET, "made", "sh", "-c", "ls -A /a && ! [ -e /etc/passwd ]") == "b\n"
    )
    kernelbox.ok("rmi", "made")


def test_a_running_container_stands_still_while_it_is_committed(
    kernelbox: Kernelbox, store: Store
) -> None:
    script = "while :; do echo x >> /root/a; done"
    container = kernelbox.start("--network", "none", "busybox", "sh", "-c", script)
    kernelbox.ok("commit", container, "still")
    assert kernelbox.inspect(container)["State"]["Running"]
    before = kernelbox.ok("exec", container, "wc", "-c", "/root/a")
    assert kernelbox.ok("exec", container, "wc", "-c", "/root/a") != before
    kernelbox.ok("rmi", "still")


def test_a_marked_move_of_overlay_itself_is_refused(kernelbox: Kernelbox, store: Store) -> None:
    container = kernelbox.start("--network", "none", "busybox", "sh", "-c", "mkdir /d; sleep 9")
    upper = kernelbox.root / "containers" / container / "upper"
    kernelbox.ok("stop", "-t", "0", container)
    os.setxattr(upper / "d", "trusted.overlay.redirect", b"/etc")
    assert "redirect" in kernelbox.refused("commit", container)
    assert len(store.list()) == 1


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("CMD sh", "Cmd", ["/bin/sh", "-c", "sh"]),
        ('ENTRYPOINT ["a", "b"]', "Entrypoint", ["a", "b"]),
        ("env A=2", "Env", ["A=2", "B=1"]),
        ("ENV C two words", "Env", ["A=1", "B=1", "C=two words"]),
        ("LABEL a=b", "Labels", {"a": "b"}),
        ("USER lab", "User", "lab"),
        ("WORKDIR sub", "WorkingDir", "/srv/sub"),
        ("EXPOSE 80 53/udp", "ExposedPorts", {"80/tcp": {}, "53/udp": {}}),
        ('VOLUME ["/a"]', "Volumes", {"/a": {}}),
        ("STOPSIGNAL INT", "StopSignal", "INT"),
    ],
)
def test_a_change_is_an_instruction_of_a_containerfile(text: str, key: str, value: object) -> None:
    config = {"Env": ["A=1", "B=1"], "WorkingDir": "/srv"}
    metadata.apply(config, text)
    assert config[key] == value


@pytest.mark.parametrize("text", ["", "CMD", "RUN x", "ENV A", "ENV 'A=1", "LABEL a=1 b"])
def test_a_change_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        metadata.apply({}, text)


def with_files(kernelbox: Kernelbox, store: Store, name: str, count: int) -> None:
    """Add an image of busybox and so many files more."""
    base = store.find("busybox")[1].manifest["layers"][0]["digest"]
    bottom = Path(store.layout.blob_path(base)).read_bytes()
    more = (entry(f"more/{number % 50}/{number}") for number in range(count))
    add_image(store, name, bottom, tar_of(*more))


def test_a_container_starts_without_copying_a_byte(kernelbox: Kernelbox, store: Store) -> None:
    with_files(kernelbox, store, "files:1", 100)
    for userns in ("host", "auto"):
        options = ("--userns", userns, "files:1", "sleep", "infinity")
        for box in (kernelbox.start(*options), kernelbox.start(*options)):
            upper = kernelbox.inspect(box)["GraphDriver"]["Data"]["UpperDir"]
            assert os.listdir(upper) == []
            assert kernelbox.ok("diff", box) == ""
            kernelbox.ok("rm", "-f", box)
    kernelbox.ok("rmi", "files:1")


@pytest.mark.parametrize("command", ["diff", "commit"])
def test_diff_and_commit_cost_what_changed_and_not_what_the_image_has(
    kernelbox: Kernelbox, store: Store, tmp_path: Path, command: str
) -> None:
    """The kernel is asked about as many files for an image of 3000 as for one of 10."""
    asked = []
    for count in (10, 3000):
        name = f"files:{count}"
        with_files(kernelbox, store, name, count)
        script = "echo new > /more/1/1; rm -r /more/2; touch /more/3/new"
        kernelbox.ok("run", "--name", "changed", "--network", "none", name, "sh", "-c", script)
        log = tmp_path / name
        strace = ("strace", "-f", "-qq", "-o", str(log), "-e", "trace=%file,getdents64")
        assert kernelbox(command, "changed", prefix=strace).returncode == 0
        asked.append(len(log.read_text().splitlines()))
        kernelbox.ok("rm", "changed")
        kernelbox.ok("rmi", name)
        kernelbox.ok("prune", "--force")
    assert abs(asked[1] - asked[0]) < 100, asked


@pytest.mark.parametrize("how", ["xz", "bz2"])
def test_archives_of_xz_and_bzip2_are_read(
    kernelbox: Kernelbox, store: Store, tmp_path: Path, how: str
) -> None:
    """`docker load` and `docker import` read them; a tar of files is no archive of images."""
    compress = lzma.compress if how == "xz" else bz2.compress
    kernelbox.ok("tag", "busybox", "zipped")
    kernelbox.ok("save", "zipped", "-o", tmp_path / "saved.tar")
    (tmp_path / "saved").write_bytes(compress((tmp_path / "saved.tar").read_bytes()))
    kernelbox.ok("rmi", "zipped")
    assert kernelbox.ok("load", "-i", tmp_path / "saved") == "Loaded image: zipped:latest\n"
    (tmp_path / "files").write_bytes(compress(tar_of((entry("a"), b"content"))))
    assert "import FILE NAME" in kernelbox.refused("load", "-i", tmp_path / "files")
    kernelbox.ok("import", tmp_path / "files", "imported")
    assert os.listdir(store.resolve("imported").lowerdirs[0]) == ["a"]
    kernelbox.ok("rmi", "imported", "zipped")


def test_an_archive_of_todays_docker_lists_more_than_it_holds(
    kernelbox: Kernelbox, store: Store, tmp_path: Path
) -> None:
    """Docker 25 and later: index.json beside manifest.json, with names as containerd has them."""
    kernelbox.ok("save", "busybox", "-o", tmp_path / "saved.tar")
    with tarfile.open(tmp_path / "saved.tar") as tar:
        files = {one.name: tar.extractfile(one).read() for one in tar if one.isreg()}  # type: ignore[union-attr]
    index = json.loads(files["index.json"])
    whole = index["manifests"][0]
    elsewhere = {**whole, "digest": f"sha256:{'0' * 64}", "platform": {"os": "linux"}}
    empty = layout.encode({"schemaVersion": 2, "config": whole, "layers": None})
    digest = f"sha256:{hashlib.sha256(empty).hexdigest()}"
    files[f"blobs/sha256/{digest[7:]}"] = empty
    partial = {**whole, "digest": digest, "size": len(empty)}
    index["manifests"] = [elsewhere, partial, None, whole]
    files["index.json"] = layout.encode(index)
    listed = json.loads(files["manifest.json"])
    files["manifest.json"] = layout.encode([{**listed[0], "RepoTags": ["today:v1"]}])

    def loaded() -> str:
        members = ((entry(name), text) for name, text in files.items())
        (tmp_path / "today.tar").write_bytes(tar_of(*members))
        return kernelbox.ok("load", "-i", tmp_path / "today.tar")

    assert loaded() == "Loaded image: today:v1\n"
    del files["manifest.json"]
    containerd = "io.containerd.image.name"
    for said, name in (
        ({layout.REF_NAME: "v2"}, ""),  # a tag, and no name
        ({containerd: "docker.io/library/c:v2", layout.REF_NAME: "v2"}, "Loaded image: c:v2\n"),
        ({layout.REF_NAME: "lab/d:v3"}, "Loaded image: lab/d:v3\n"),
    ):
        index["manifests"] = [{**whole, "annotations": said}]
        files["index.json"] = layout.encode(index)
        assert name in loaded()
    assert "v2:latest" not in kernelbox.ok("images", "--format", "json")
    kernelbox.ok("rmi", "today:v1", "c:v2", "lab/d:v3")


# --- cp -------------------------------------------------------------------------------------------


@pytest.fixture
def box(kernelbox: Kernelbox, request: pytest.FixtureRequest) -> str:
    """A container that runs, or one that has ended; with a user namespace of its own or without."""
    options = ("--userns", "auto") if request.param.endswith("mapped") else ()
    if request.param.startswith("ended"):
        kernelbox.ok("run", "--name", "ended", "--network", "none", *options, "busybox", "true")
        request.addfinalizer(lambda: kernelbox.ok("rm", "ended"))
        return "ended"
    return kernelbox.start("--network", "none", *options, "busybox", "sleep", "infinity")


BOXES = ["running", "mapped", "ended", "ended mapped"]


@pytest.mark.parametrize("box", BOXES, indirect=True)
def test_files_go_in_and_out_of_a_container(
    kernelbox: Kernelbox, box: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    tree = tmp_path / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "file").write_text("content")
    (tree / "file").chmod(0o640)
    (tree / "sub/link").symlink_to("/nowhere")
    kernelbox.ok("cp", tree / "file", f"{box}:/root/")
    kernelbox.ok("cp", tree / "file", f"{box}:/root/other")
    kernelbox.ok("cp", tree, f"{box}:/opt")
    kernelbox.ok("cp", tree, f"{box}:/root")
    kernelbox.ok("cp", f"{tree}/.", f"{box}:/home")
    for place in ("root/file", "root/other", "opt/file", "root/tree/file", "home/file"):
        kernelbox.ok("cp", f"{box}:/{place}", tmp_path / "back")
        assert (tmp_path / "back").read_text() == "content"
        assert (tmp_path / "back").stat().st_mode & 0o777 == 0o640
        assert (tmp_path / "back").stat().st_uid == 0
    kernelbox.ok("cp", f"{box}:/opt", tmp_path / "out")
    assert os.readlink(tmp_path / "out/sub/link") == "/nowhere"
    assert (tmp_path / "out/file").read_text() == "content"
    if box != "ended":
        shown = kernelbox.ok("exec", box, "stat", "-c", "%u %n", "/opt/file", "/root/other")
        assert shown == "0 /opt/file\n0 /root/other\n"
    else:
        assert "A /root/other" in kernelbox.ok("diff", box).splitlines()
        upper = next(kernelbox.root.glob("containers/*/upper/root"))
        mapped = "mapped" in request.node.callspec.params["box"]
        owners = {path.lstat().st_uid for path in [upper, *upper.rglob("*")]}
        assert owners == {id_maps.HOST_ID if mapped else 0}
        kernelbox.ok("commit", box, "filled")
        shown = kernelbox.ok("run", *QUIET, "filled", "stat", "-c", "%u %n", "/root", "/opt/file")
        assert shown == "0 /root\n0 /opt/file\n"
        kernelbox.ok("rmi", "filled")


def test_a_containers_symlink_does_not_lead_cp_to_the_host(
    kernelbox: Kernelbox, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("the host's")
    script = (
        f"ln -s {tmp_path} /evil; ln -s {secret} /file; mkdir /d; mknod /d/null c 1 3; sleep 99"
    )
    box = kernelbox.start("--network", "none", "busybox", "sh", "-c", script)
    for path in ("/evil/secret", "/evil/", f"/proc/1/root{secret}"):
        assert "there is no" in kernelbox.refused("cp", f"{box}:{path}", tmp_path / "got")
    assert "there is no" in kernelbox.refused("cp", "-L", f"{box}:/file", tmp_path / "got")
    kernelbox("cp", secret, f"{box}:/evil/new")
    kernelbox.ok("cp", f"{box}:/file", tmp_path / "link")
    kernelbox("cp", "/etc/hostname", f"{box}:/file")
    assert os.readlink(tmp_path / "link") == str(secret)
    left_out = kernelbox("cp", f"{box}:/d", tmp_path / "d")
    assert "'null'" in left_out.stderr
    assert os.listdir(tmp_path / "d") == []
    assert sorted(os.listdir(tmp_path)) == ["d", "link", "secret"]
    assert secret.read_text() == "the host's"


def test_cp_says_what_is_wrong(kernelbox: Kernelbox, tmp_path: Path) -> None:
    box = kernelbox.start("--network", "none", "busybox", "sleep", "infinity")
    (tmp_path / "dir").mkdir()
    for source, target, said in (
        ("/nosuch", f"{box}:/", "there is no /nosuch"),
        (f"{box}:/nosuch", str(tmp_path), "there is no /nosuch"),
        ("/etc/passwd", f"{box}:/nosuch/x", "there is no /nosuch/x"),
        ("/etc/passwd", f"{box}:/nosuch/", "there is no /nosuch/"),
        (str(tmp_path / "dir"), f"{box}:/etc/passwd", "is a file"),
        ("/etc/passwd", "/tmp/x", "only one"),
        ("nosuch:/a", "/tmp/x", "no such container"),
        ("-", "/tmp/x", "only one"),
        ("-", f"{box}:/nosuch", "there is no directory /nosuch"),
        ("-", f"{box}:/etc/passwd", "there is no directory /etc/passwd"),
        ("-", f"{box}:/", "no tar"),
        (f"{box}:/nosuch", "-", "there is no /nosuch"),
        ("-", "nosuch:/", "no such container"),
    ):
        assert said in kernelbox.refused("cp", source, target)


def test_cp_keeps_hard_links_and_file_capabilities_as_docker_does(
    kernelbox: Kernelbox, tmp_path: Path
) -> None:
    """Moby's pkg/archive: a second name of an inode is a TypeLink, security.capability a record."""
    names = ("one", "sub/two")
    tree = tmp_path / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "one").write_text("content")
    os.link(tree / "one", tree / "sub/two")
    capability = struct.pack("<5I", 0x02000001, 1 << 10, 0, 0, 0)  # net_bind_service=ep
    os.setxattr(tree / "one", "security.capability", capability)
    for userns in ("host", "auto"):
        options = ("--network", "none", "--userns", userns)
        box = kernelbox.start(*options, "busybox", "sleep", "infinity")
        tar = subprocess.check_output(["tar", "-C", tree, "--xattrs", "-cf", "-", "."])
        kernelbox.ok("cp", tree, f"{box}:/opt")
        kernelbox.ok("exec", box, "mkdir", "/mnt/tar")
        assert extracted(kernelbox, tar, "-", f"{box}:/mnt/tar").stderr == b""
        for place in ("/opt", "/mnt/tar"):
            one, two = (looking.inside(kernelbox.pid(box), f"{place}/{at}") for at in names)
            assert one.stat().st_ino == two.stat().st_ino
            value = os.getxattr(one, "security.capability").ljust(24, b"\0")
            *sets, root = struct.unpack("<6I", value)
            assert sets[1] == 1 << 10
            assert root == (0 if userns == "host" else id_maps.HOST_ID)  # else it has no effect
        kernelbox.ok("cp", f"{box}:/opt", tmp_path / userns)
        back = tmp_path / userns
        assert (back / "one").stat().st_ino == (back / "sub/two").stat().st_ino
        assert os.getxattr(back / "sub/two", "security.capability") == capability


@pytest.mark.parametrize("box", BOXES, indirect=True)
def test_cp_writes_where_a_symlink_leads_also_to_nothing(
    kernelbox: Kernelbox, box: str, tmp_path: Path
) -> None:
    """Docker cp: a symlink as DEST_PATH is followed, below the container's root."""
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "link").symlink_to("/mnt/there")
    (tree / "nothing").symlink_to("../mnt/made")
    (tree / "directory").symlink_to("/mnt/new")
    (tree / "round").symlink_to("round")
    there = tmp_path / "there"
    there.write_text("old")
    kernelbox.ok("cp", f"{tree}/.", f"{box}:/root")
    kernelbox.ok("cp", there, f"{box}:/mnt/there")
    there.write_text("new")
    kernelbox.ok("cp", there, f"{box}:/root/link")
    kernelbox.ok("cp", there, f"{box}:/root/nothing")
    kernelbox.ok("cp", tree, f"{box}:/root/directory")
    assert "there is no /root/round" in kernelbox.refused("cp", there, f"{box}:/root/round")
    kernelbox.ok("cp", f"{box}:/root", tmp_path / "root")
    kernelbox.ok("cp", f"{box}:/mnt", tmp_path / "mnt")
    assert os.readlink(tmp_path / "root/link") == "/mnt/there"
    assert (tmp_path / "mnt/there").read_text() == (tmp_path / "mnt/made").read_text() == "new"
    assert (tmp_path / "mnt/new/round").is_symlink()
    (tmp_path / "out").symlink_to(tmp_path / "host-made")
    kernelbox.ok("cp", f"{box}:/mnt/there", tmp_path / "out")
    assert (tmp_path / "host-made").read_text() == "new"
    assert (tmp_path / "out").is_symlink()


def kill_at_work(child: subprocess.Popen[str], source: Path) -> None:
    """Kill a command once it has written a part of what it writes."""

    def is_writing() -> bool:
        for fd in os.listdir(f"/proc/{child.pid}/fd"):
            try:
                it = os.stat(f"/proc/{child.pid}/fd/{fd}")
                fdinfo = Path(f"/proc/{child.pid}/fdinfo/{fd}").read_text()
            except FileNotFoundError:
                continue
            flags = int(fdinfo.partition("flags:\t")[2].split()[0], 8)
            is_output = stat.S_ISREG(it.st_mode) and flags & os.O_ACCMODE == os.O_WRONLY
            if is_output and it.st_size > 1 << 20:
                return True
        return False

    with child:
        assert looking.soon(is_writing), source
        child.kill()


def test_a_copy_that_is_killed_leaves_no_part_that_looks_whole(
    kernelbox: Kernelbox, tmp_path: Path
) -> None:
    """A hole takes no room where it is, and as long to copy as any file."""
    big, into = tmp_path / "big", tmp_path / "into"
    big.touch()
    os.truncate(big, 8 << 30)
    into.mkdir()
    (into / "old").write_text("as it was")
    make = "truncate -s 8G /big; echo as it was > /old; sleep 300"
    box = kernelbox.start("--network", "none", "busybox", "sh", "-c", make)
    assert looking.soon(lambda: kernelbox("exec", box, "test", "-e", "/old").returncode == 0)
    for words in ((f"{box}:/big", into), (f"{box}:/big", into / "old")):
        kill_at_work(kernelbox.popen("cp", *words), big)
        assert os.listdir(into) == ["old"]
        assert (into / "old").read_text() == "as it was"
    kernelbox.ok("exec", box, "rm", "/big")
    before = kernelbox.ok("diff", box)
    tar = tar_of((entry("part"), b"x" * (2 << 20)), (entry("rest"), b""))
    for words in ((big, f"{box}:/"), (big, f"{box}:/old"), ("-", f"{box}:/")):
        child = kernelbox.popen("cp", *words, stdin=subprocess.PIPE)
        if words[0] == "-" and child.stdin is not None:
            child.stdin.buffer.write(tar[: 3 << 19])
            child.stdin.flush()
        kill_at_work(child, big)
        assert kernelbox.ok("diff", box) == before
        assert kernelbox.ok("exec", box, "cat", "/old") == "as it was\n"


def test_a_file_that_is_being_replaced_stays_when_its_writer_is_killed(tmp_path: Path) -> None:
    """`save -o FILE` and the notebook's own records are written like this."""
    file = tmp_path / "file"
    write = (
        "import sys, time\nfrom kernelbox.plumbing import whole\n"
        "with whole.replacing(sys.argv[1]) as out:\n"
        "    out.write(b'new'), out.flush(), print('half', flush=True), time.sleep(300)\n"
    )
    for before in (None, "old"):
        if before is not None:
            file.write_text(before)
        words = [sys.executable, "-c", write, file]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None and child.stdout.readline() == "half\n"
            child.kill()
        assert os.listdir(tmp_path) == ([] if before is None else ["file"])
    assert file.read_text() == "old"


def test_cp_sees_the_layers_and_volumes_of_a_container_and_nothing_else(
    kernelbox: Kernelbox, tmp_path: Path
) -> None:
    """Docker cp mounts them anew: no /proc, no /sys, and volumes when it has ended, too."""
    volume = tmp_path / "volume"
    volume.mkdir()
    (volume / "data").write_text("data")
    (tmp_path / "file").write_text("a volume that is a file")
    options = ("--network", "none", "-v", f"{volume}:/data", "-v", f"{tmp_path}/file:/data/file")
    running = kernelbox.start(*options, "busybox", "sleep", "infinity")
    kernelbox.ok("run", "--name", "seen", *options, "busybox", "true")
    shut = ("-v", f"{volume}:/data:ro")
    closed = kernelbox.start("--network", "none", *shut, "busybox", "sleep", "infinity")
    (tmp_path / "new").write_text("new")
    for box in (running, "seen"):
        kernelbox.ok("cp", f"{box}:/", tmp_path / box)
        assert (tmp_path / box / "data/data").read_text() == "data"
        assert (tmp_path / box / "data/file").read_text() == "a volume that is a file"
        for kernels in ("proc", "sys", "dev"):
            assert os.listdir(tmp_path / box / kernels) == []
        kernelbox.ok("cp", tmp_path / "new", f"{box}:/data/{box}")
        assert (volume / box).read_text() == "new"
        kernelbox.ok("cp", tmp_path / "new", f"{box}:/data/file")
        assert (tmp_path / "file").read_text() == "new"  # it is a mount: written, not replaced
        (tmp_path / "file").write_text("a volume that is a file")
    assert "read-only" in kernelbox("cp", tmp_path / "new", f"{closed}:/data/no").stderr.lower()
    assert not (volume / "no").exists()
    kernelbox.ok("rm", "seen")


def test_nothing_but_a_file_is_ever_replaced(
    kernelbox: Kernelbox, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Docker save and docker cp refuse a device (`ValidateOutputPath`); root could remove it."""
    nul, fifo, link, old = (tmp_path / name for name in ("nul", "fifo", "link", "old"))
    os.mknod(nul, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    os.mkfifo(fifo)
    old.write_text("old")
    old.chmod(0o640)
    link.symlink_to(old)
    kernelbox.ok("save", "busybox", "-o", nul)
    kernelbox.ok("save", "busybox", "-o", link)
    with subprocess.Popen(["sh", "-c", f"cat {fifo} > {tmp_path}/read"]) as reader:
        kernelbox.ok("save", "busybox", "-o", fifo)
    assert reader.returncode == 0
    assert tarfile.is_tarfile(tmp_path / "read")
    assert old.stat().st_mode & 0o777 == 0o640
    assert "is a directory" in kernelbox.refused("save", "busybox", "-o", tmp_path).lower()
    box = kernelbox.start("--network", "none", "busybox", "sleep", "infinity")
    for name, said in (("nul", "nul is a device there"), ("fifo", "fifo is a FIFO there")):
        assert said in kernelbox.refused("cp", f"{box}:/etc/passwd", tmp_path / name)
        kernelbox.ok("exec", box, "touch", f"/mnt/{name}")
        assert said in kernelbox.refused("cp", f"{box}:/mnt/{name}", tmp_path)
    kernelbox.ok("exec", box, "mkfifo", "/mnt/pipe")
    assert "is a FIFO there" in kernelbox.refused("cp", "/etc/passwd", f"{box}:/mnt/pipe")
    config = tmp_path / "config.json"  # where `login` writes
    config.symlink_to(nul)
    whole.replace(config, b"{}")
    monkeypatch.setenv("KERNELBOX_PROGRESS", str(nul))
    progress.note("00", "exercises", "one", True)
    assert stat.S_ISCHR(nul.stat().st_mode) and stat.S_ISFIFO(fifo.stat().st_mode)
    assert config.is_symlink() and link.is_symlink()
    assert tarfile.is_tarfile(old)
    left = {"config.json", "fifo", "link", "nul", "old", "read"}
    assert set(os.listdir(tmp_path)) == left


# --- cp as a tar ----------------------------------------------------------------------------------

CONTENT = (
    "mkdir -p /data/sub; echo content > /data/sub/file; ln /data/sub/file /data/hard; "
    "chown lab:lab /data/sub/file; chmod 4751 /data/sub/file; ln -s /etc/passwd /data/link; "
    "mkfifo /data/fifo; touch '/data/new\nline'; truncate -s 5M /data/sparse; "
    "touch -d @5 /data/sub; touch /done"
)


def packed(kernelbox: Kernelbox, *words: str) -> bytes:
    """`cp ... -`, and what it prints."""
    done = subprocess.run(
        [*kernelbox.command, "cp", *words, "-"], env=kernelbox.environment, capture_output=True
    )
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout


def extracted(kernelbox: Kernelbox, tar: bytes, *words: str) -> subprocess.CompletedProcess[bytes]:
    """`cp ... - ...` of a tar."""
    command = [*kernelbox.command, "cp", *words]
    return subprocess.run(command, env=kernelbox.environment, input=tar, capture_output=True)


@pytest.mark.parametrize("userns", ["host", "auto"])
@pytest.mark.parametrize("ended", [False, True])
def test_a_directory_comes_out_as_a_tar_with_its_owners_and_goes_in_again(
    kernelbox: Kernelbox, userns: str, ended: bool, tmp_path: Path
) -> None:
    options = ("--network", "none", "--userns", userns)
    box = kernelbox.start(*options, "busybox", "sh", "-c", f"{CONTENT}; sleep 99")
    kernelbox.ok("exec", box, "sh", "-c", "until test -e /done; do sleep 0.1; done")
    if ended:
        kernelbox.ok("stop", "-t", "0", box)
    tar = packed(kernelbox, f"{box}:/data")
    listed = host("tar", "--numeric-owner", "-tvf", "-", input=tar).splitlines()
    assert any("1000/1000" in line and "-rws" in line for line in listed)
    assert any("link to" in line for line in listed)
    assert listed[0].startswith("drwxr-xr-x 0/0") and listed[0].endswith(" data/")
    host("tar", "-C", tmp_path, "-xf", "-", input=tar)
    there = tmp_path / "data"
    assert (there / "hard").read_text() == "content\n"
    assert (there / "hard").stat().st_ino == (there / "sub/file").stat().st_ino
    assert os.readlink(there / "link") == "/etc/passwd"
    assert (there / "sub").stat().st_mtime == 5
    assert extracted(kernelbox, tar, "-a", "-", f"{box}:/mnt/../home").stderr == b""
    assert extracted(kernelbox, tar, "-a", "-", f"{box}:/mnt").stderr == b""
    assert packed(kernelbox, f"{box}:/mnt/data") == tar
    assert extracted(kernelbox, gzip.compress(tar), "-", f"{box}:/root").stderr == b""
    plain = host("tar", "--numeric-owner", "-tvf", "-", input=packed(kernelbox, f"{box}:/root/."))
    assert " 0/0 " in plain and "1000" not in plain
    assert " ./data/sub/file" in plain


def test_a_file_comes_out_as_a_tar_of_one_and_a_symlink_as_itself(kernelbox: Kernelbox) -> None:
    box = kernelbox.start("--network", "none", "busybox", "sh", "-c", f"{CONTENT}; sleep 99")
    kernelbox.ok("exec", box, "sh", "-c", "until test -e /done; do sleep 0.1; done")

    def listed(*words: str) -> str:
        return host("tar", "-tvf", "-", input=packed(kernelbox, *words))

    assert listed(f"{box}:/data/hard").endswith(" hard\n")
    assert listed(f"{box}:data/link").endswith(" link -> /etc/passwd\n")
    assert listed("-L", f"{box}:/data/link").startswith("-rw-r--r--")
    assert kernelbox.ok("exec", box, "cat", "/etc/passwd") == host(
        "tar", "-xOf", "-", input=packed(kernelbox, "-L", f"{box}:/data/link")
    )


def test_a_file_that_shrinks_while_it_is_packed_is_filled_up(kernelbox: Kernelbox) -> None:
    script = "touch /log; while :; do truncate -s 9M /log; truncate -s 0 /log; done"
    box = kernelbox.start("--network", "none", "busybox", "sh", "-c", script)
    kernelbox.ok("exec", box, "sh", "-c", "until test -e /log; do sleep 0.1; done")
    for _ in range(3):
        host("tar", "-tf", "-", input=packed(kernelbox, f"{box}:/log"))


def test_who_reads_a_tar_may_stop(kernelbox: Kernelbox) -> None:
    box = kernelbox.start("--network", "none", "busybox", "sleep", "99")
    for words in (f"cp {box}:/bin -", "save busybox"):
        line = f"{' '.join(kernelbox.command)} {words} | head -c 1000 | wc -c"
        done = subprocess.run(
            ["sh", "-c", line], env=kernelbox.environment, capture_output=True, text=True
        )
        assert (done.stdout.strip(), done.stderr) == ("1000", "")


@pytest.mark.parametrize("userns", ["host", "auto"])
def test_a_hostile_tar_stays_below_the_containers_root(
    kernelbox: Kernelbox, tmp_path: Path, userns: str
) -> None:
    (tmp_path / "dir").mkdir()
    (tmp_path / "secret").write_text("the host's")
    aim = str(tmp_path)
    ups = "../" * 40
    members: list[tuple[tarfile.TarInfo, bytes]] = [
        (entry(f"{ups}{aim}/absolute"), b"x"),
        (entry(f"{aim}/root"), b"x"),
        (entry("away", tarfile.SYMTYPE, linkname=aim), b""),
        (entry("away/through"), b"x"),
        (entry("up", tarfile.SYMTYPE, linkname=ups + aim), b""),
        (entry("up/through"), b"x"),
        (entry("file", tarfile.SYMTYPE, linkname=f"{aim}/secret"), b""),
        (entry("file"), b"replaced"),
        (entry("proc", tarfile.SYMTYPE, linkname=f"/proc/self/root{aim}"), b""),
        (entry("proc/through"), b"x"),
        (entry("hard", tarfile.LNKTYPE, linkname=f"{ups}{aim}/secret"), b""),
        (entry("device", tarfile.CHRTYPE, devmajor=1, devminor=3), b""),
        (entry(".wh.etc"), b"x"),
        (entry("nul", pax_headers={"path": "nul\0"}), b""),
        (entry("user", uid=70_000), b"x"),
    ]
    before = sorted(os.listdir(tmp_path))
    box = kernelbox.start("--network", "none", "--userns", userns, "busybox", "sleep", "99")
    kernelbox.ok("exec", box, "mkdir", "-p", f"/{aim}", "/in")
    for each in members:
        # What the container itself has planted is as bad as what the tar brings.
        for tar in (tar_of(each), tar_of(*members[: members.index(each) + 1])):
            done = extracted(kernelbox, tar, "-a", "-", f"{box}:/in")
            assert done.stderr.count(b"\n") <= 1 and b"bug" not in done.stderr
    assert sorted(os.listdir(tmp_path)) == before
    assert (tmp_path / "secret").read_text() == "the host's"
    assert os.listdir(tmp_path / "dir") == []
    assert kernelbox.ok("exec", box, "cat", "/in/file") == "replaced"
    shown = kernelbox.ok("exec", box, "find", "/in", f"/{aim}")
    assert f"{aim}/through" in shown and "/in/.wh.etc" in shown
    assert "device" not in shown and "etc/passwd" in kernelbox.ok("exec", box, "find", "/etc")
    left_out = extracted(kernelbox, tar_of(members[11]), "-", f"{box}:/in")
    assert b"'device'" in left_out.stderr


def test_a_tar_that_is_cut_short_or_no_tar_is_one_line(kernelbox: Kernelbox) -> None:
    box = kernelbox.start("--network", "none", "busybox", "sleep", "99")
    tar = tar_of((entry("one"), b"1" * 700), (entry("two"), b"2" * 600))
    two = gzip.compress(tar)
    for damaged in (
        b"",
        b"x" * 600,
        tar[:900],
        tar[:2500],
        two[:-9],
        b"BZh9",
        tar[:1536] + b"x" * 99,
    ):
        done = extracted(kernelbox, damaged, "-", f"{box}:/root")
        assert done.returncode == 125
        assert done.stderr.count(b"\n") == 1 and b". " in done.stderr, done.stderr
    assert extracted(kernelbox, two, "-", f"{box}:/root").returncode == 0
    clash = tar_of(entry("one", tarfile.DIRTYPE))
    assert (
        b"a directory in the tar, and a file"
        in extracted(kernelbox, clash, "-", f"{box}:/root").stderr
    )
    clash = tar_of((entry("root"), b""))
    assert (
        b"a file in the tar, and a directory" in extracted(kernelbox, clash, "-", f"{box}:/").stderr
    )
