"""The image store, read from outside: with sha256sum, tar, mount and the file system itself."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import signal
import stat
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest

from kernelbox.images import elf, embedded, layers, layout
from kernelbox.images.layers import Entry
from kernelbox.images.store import Store
from kernelbox.kernel.errors import KernelboxError, UsageError

DIGEST = re.compile(r"sha256:[a-f0-9]{64}")
RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
ROOT = Path(__file__).parent.parent


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "images"))


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A directory that hostile layers aim at, with things in it to spoil."""
    directory = tmp_path / "outside"
    directory.mkdir()
    (directory / "secret").write_text("untouched")
    (directory / "secret").chmod(0o640)
    return directory


def sha256sum(path: str | Path) -> str:
    run = subprocess.run(["sha256sum", path], capture_output=True, text=True, check=True)
    return "sha256:" + run.stdout.split()[0]


def run_in_overlay(lowerdirs: list[str], scratch: Path, script: str) -> str:
    """Run a shell script in a chroot over the lowerdirs, in a mount namespace of its own."""
    scratch.mkdir(exist_ok=True)
    mounts = (
        'mount -t tmpfs none "$1" && mkdir "$1/upper" "$1/work" "$1/merged" && '
        'mount -t overlay none -o "lowerdir=$2,upperdir=$1/upper,workdir=$1/work" "$1/merged" && '
        'exec chroot "$1/merged" /bin/sh -c "$3"'
    )
    run = subprocess.run(
        ["unshare", "-m", "sh", "-c", mounts, "sh", scratch, ":".join(lowerdirs), script],
        # A younger mount(8) would hand over lowerdir as one value, of 255 bytes at most.
        env={"PATH": os.environ["PATH"], "LIBMOUNT_FORCE_MOUNT2": "always"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def survey(directory: Path) -> dict[str, tuple[object, ...]]:
    """What is in a directory, precisely enough to notice any write."""
    found: dict[str, tuple[object, ...]] = {}
    for path in [directory, *sorted(directory.rglob("*"))]:
        status = path.lstat()
        content = path.read_bytes() if stat.S_ISREG(status.st_mode) else b""
        found[str(path)] = (status.st_mode, status.st_nlink, status.st_mtime_ns, content)
    return found


def entry(name: str, kind: bytes = tarfile.REGTYPE, **fields: object) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type = kind
    member.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
    for field, value in fields.items():
        setattr(member, field, value)
    return member


def tar_of(*members: tarfile.TarInfo | tuple[tarfile.TarInfo, bytes]) -> bytes:
    """Write a tar as an attacker would: in this order, with these names."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:", format=tarfile.PAX_FORMAT) as tar:
        for item in members:
            member, data = item if isinstance(item, tuple) else (item, b"")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return out.getvalue()


def unpacked(tmp_path: Path, tar: bytes, parents: tuple[str, ...] = ()) -> Path:
    blob = tmp_path / "layer.tar"
    blob.write_bytes(tar)
    (tmp_path / "layers").mkdir(exist_ok=True)
    target = tmp_path / "layers" / f"layer{len(os.listdir(tmp_path / 'layers'))}"
    layers.unpack(str(blob), str(target), parents=parents)
    return target


def add_image(store: Store, reference: str, *tars: bytes, **config: object) -> str:
    """Add an image with these layers, and return its id; `config` replaces parts of the usual."""
    with store.lock():
        blobs = [store.layout.write_blob(layout.LAYER, tar) for tar in tars]
        whole = {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Cmd": ["sh"]},
            "rootfs": {"type": "layers", "diff_ids": [blob["digest"] for blob in blobs]},
            **config,
        }
        text = json.dumps(whole).encode()
        manifest = layout.manifest(store.layout.write_blob(layout.CONFIG, text), blobs)
        return store.add(
            reference, store.layout.write_blob(layout.MANIFEST, layout.encode(manifest))
        ).id


def in_another_process(code: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


# The layout


def test_every_blob_is_named_by_its_sha256(store: Store) -> None:
    embedded.ensure(store)
    blobs = list((Path(store.path) / "blobs/sha256").iterdir())
    assert len(blobs) == 3
    for blob in blobs:
        assert sha256sum(blob) == f"sha256:{blob.name}"


def test_the_store_is_an_oci_image_layout_with_all_required_properties(store: Store) -> None:
    embedded.ensure(store)
    root = Path(store.path)

    def blob_of(descriptor: dict[str, object]) -> bytes:
        assert isinstance(descriptor["mediaType"], str)
        assert DIGEST.fullmatch(str(descriptor["digest"]))
        path = root / "blobs" / str(descriptor["digest"]).replace(":", "/")
        assert descriptor["size"] == path.stat().st_size
        return path.read_bytes()

    assert json.loads((root / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    index = json.loads((root / "index.json").read_bytes())
    assert index["schemaVersion"] == 2
    assert index["mediaType"] == "application/vnd.oci.image.index.v1+json"
    (described,) = index["manifests"]
    assert described["mediaType"] == "application/vnd.oci.image.manifest.v1+json"
    assert described["annotations"]["org.opencontainers.image.ref.name"] == "busybox:latest"
    manifest = json.loads(blob_of(described))
    assert manifest["schemaVersion"] == 2
    assert manifest["mediaType"] == described["mediaType"]
    assert manifest["config"]["mediaType"] == "application/vnd.oci.image.config.v1+json"
    (layer,) = manifest["layers"]
    assert layer["mediaType"] == "application/vnd.oci.image.layer.v1.tar"
    assert blob_of(layer)
    config = json.loads(blob_of(manifest["config"]))
    assert config["os"] == "linux"
    assert config["architecture"] in ("amd64", "arm64", "386", "arm", "riscv64", "ppc64le", "s390x")
    assert config["rootfs"] == {"type": "layers", "diff_ids": [layer["digest"]]}
    assert config["author"] == "kernelbox"
    assert RFC3339.fullmatch(config["created"])
    assert config["config"]["Cmd"] == ["sh"]
    assert any(line.startswith("PATH=") for line in config["config"]["Env"])


def test_a_blob_with_another_digest_is_refused_and_leaves_nothing(store: Store) -> None:
    expected = "sha256:" + "0" * 64
    with pytest.raises(UsageError, match=expected):
        store.layout.write_blob(layout.LAYER, b"not what was promised", expected)
    assert os.listdir(store.layout.blobs) == []


def test_a_digest_never_names_a_file_outside_the_blobs(store: Store) -> None:
    for digest in ("sha256:../../../etc/passwd", "sha256:" + "A" * 64, "md5:00", ""):
        with pytest.raises(UsageError, match="not a SHA-256 digest"):
            store.layout.blob_path(digest)


def test_chain_ids_are_the_digests_that_the_spec_defines(tmp_path: Path) -> None:
    diff_ids = ["sha256:" + digit * 64 for digit in "abc"]
    expected = [diff_ids[0]]
    for diff_id in diff_ids[1:]:
        (tmp_path / "text").write_text(f"{expected[-1]} {diff_id}")
        expected.append(sha256sum(tmp_path / "text"))
    assert layout.chain_ids(diff_ids) == expected


# Packing


def test_packing_the_same_tree_twice_gives_the_same_bytes_whatever_the_times(
    tmp_path: Path,
) -> None:
    packed = []
    for number, names in enumerate((["a", "b", "c"], ["c", "b", "a"])):
        tree = tmp_path / f"tree{number}"
        (tree / "dir").mkdir(parents=True)
        for name in names:
            (tree / "dir" / name).write_text(f"file {name}")
        os.link(tree / "dir" / "a", tree / "link")
        os.utime(tree / "dir" / "b", (number, number))
        out = io.BytesIO()
        layers.pack(layers.tree(str(tree)), out, compress=True)
        packed.append(out.getvalue())
    assert packed[0] == packed[1]


def test_the_diff_id_is_the_digest_of_the_tar_before_compression(tmp_path: Path) -> None:
    entries = [Entry("greeting", stat.S_IFREG | 0o644, content=b"hello\n")]
    with open(tmp_path / "layer.tar.gz", "wb") as out:
        diff_id = layers.pack(entries, out, compress=True)
    (tmp_path / "layer.tar").write_bytes(gzip.decompress((tmp_path / "layer.tar.gz").read_bytes()))
    assert sha256sum(tmp_path / "layer.tar") == diff_id
    assert sha256sum(tmp_path / "layer.tar.gz") != diff_id


def test_a_tree_comes_back_from_its_layer_with_owners_modes_xattrs_and_links(
    tmp_path: Path,
) -> None:
    tree = tmp_path / "tree"
    (tree / "dir").mkdir(parents=True)
    (tree / "dir" / "file").write_bytes(b"content")
    os.chown(tree / "dir" / "file", 12, 2**32 - 2)
    (tree / "dir" / "file").chmod(0o6755)
    os.setxattr(tree / "dir" / "file", "user.note", b"\x00\xff")
    os.link(tree / "dir" / "file", tree / "hard")
    (tree / "soft").symlink_to("/nowhere/at all")
    os.mkfifo(tree / "fifo", 0o600)
    os.mknod(tree / "null", stat.S_IFCHR, os.makedev(1, 3))
    (tree / "null").chmod(0o622)
    (tree / ("long-" * 40)).write_text("a name longer than ustar has room for")
    (tree / os.fsdecode(b"latin-\xe9")).write_text("a name that is not UTF-8")
    tree.chmod(0o1777)
    (tree / "dir").chmod(0o000)

    out = io.BytesIO()
    layers.pack(layers.tree(str(tree)), out)
    copy = unpacked(tmp_path, out.getvalue())

    assert stat.S_IMODE(copy.stat().st_mode) == 0o1777
    assert stat.S_IMODE((copy / "dir").stat().st_mode) == 0o000
    file = copy / "dir" / "file"
    assert file.read_bytes() == b"content"
    assert stat.S_IMODE(file.stat().st_mode) == 0o6755
    assert (file.stat().st_uid, file.stat().st_gid) == (12, 2**32 - 2)
    assert os.getxattr(file, "user.note") == b"\x00\xff"
    assert (copy / "hard").stat().st_ino == file.stat().st_ino
    assert os.readlink(copy / "soft") == "/nowhere/at all"
    assert stat.S_ISFIFO((copy / "fifo").stat().st_mode)
    assert (copy / "null").stat().st_rdev == os.makedev(1, 3)
    assert stat.S_IMODE((copy / "null").stat().st_mode) == 0o622
    assert sorted(os.listdir(copy)) == sorted(os.listdir(tree))


def test_another_tar_reads_what_is_packed(tmp_path: Path) -> None:
    entries = [
        Entry("dir", stat.S_IFDIR | 0o755),
        Entry("dir/file", stat.S_IFREG | 0o640, 5, 6, content=b"seven b"),
        Entry("link", stat.S_IFLNK | 0o777, target="dir/file"),
    ]
    with open(tmp_path / "layer.tar", "wb") as out:
        layers.pack(entries, out)
    listing = subprocess.run(
        ["tar", "--utc", "-tvf", tmp_path / "layer.tar"], capture_output=True, text=True, check=True
    )
    assert [line.split() for line in listing.stdout.splitlines()] == [
        ["drwxr-xr-x", "0/0", "0", "1970-01-01", "00:00", "dir/"],
        ["-rw-r-----", "5/6", "7", "1970-01-01", "00:00", "dir/file"],
        ["lrwxrwxrwx", "0/0", "0", "1970-01-01", "00:00", "link", "->", "dir/file"],
    ]


# Whiteouts, and layers over each other


def test_a_whiteout_becomes_a_0_0_character_device(tmp_path: Path) -> None:
    layer = unpacked(tmp_path, tar_of(entry("dir", tarfile.DIRTYPE), entry("dir/.wh.gone")))
    status = (layer / "dir" / "gone").lstat()
    assert stat.S_ISCHR(status.st_mode)
    assert status.st_rdev == os.makedev(0, 0)
    assert os.listdir(layer / "dir") == ["gone"]


def test_an_opaque_whiteout_becomes_overlays_attribute_on_the_directory(tmp_path: Path) -> None:
    layer = unpacked(tmp_path, tar_of(entry("dir/.wh..wh..opq"), entry("dir/new")))
    assert os.getxattr(layer / "dir", "trusted.overlay.opaque") == b"y"
    assert os.listdir(layer / "dir") == ["new"]


def test_overlay_shows_the_layers_of_an_image_as_the_spec_says(
    store: Store, tmp_path: Path
) -> None:
    base = Path(store.resolve(embedded.ensure(store)).lowerdirs[0])
    busybox = os.fsencode(base / "bin/busybox")
    lower = tar_of(
        entry("bin", tarfile.DIRTYPE),
        (entry("bin/sh", mode=0o755), Path(os.fsdecode(busybox)).read_bytes()),
        (entry("deleted"), b"x"),
        (entry("kept"), b"kept from below\n"),
        (entry("emptied/old"), b"x"),
        (entry("remade/old"), b"x"),
        (entry("reborn/old"), b"x"),
        (entry("implied/old"), b"x"),
        (entry("replaced/by/a/file"), b"x"),
        entry("was-a-link", tarfile.SYMTYPE, linkname="/bin"),
    )
    upper = tar_of(
        entry(".wh.deleted"),
        entry("emptied/.wh..wh..opq"),
        entry("emptied/new"),
        entry("remade", tarfile.DIRTYPE),
        entry(".wh.remade"),
        entry("remade/new"),
        entry(".wh.reborn"),
        entry("reborn", tarfile.DIRTYPE),
        entry("reborn/new"),
        entry(".wh.implied"),
        entry("implied/new"),
        entry("replaced"),
        (entry("was-a-link"), b"now a file"),
    )
    add_image(store, "two", lower, upper)
    image = store.resolve("two")
    assert len(image.lowerdirs) == 2
    shown = run_in_overlay(
        image.lowerdirs,
        tmp_path / "scratch",
        "echo *; echo emptied/* remade/* reborn/* implied/*; "
        "while read -r line; do echo $line; done < kept; "
        'test -f replaced && test -f was-a-link && echo "both are files"',
    )
    assert shown.splitlines() == [
        "bin emptied implied kept reborn remade replaced was-a-link",
        "emptied/new remade/new reborn/new implied/new",
        "kept from below",
        "both are files",
    ]


def test_a_directory_that_a_layer_only_implies_keeps_the_mode_it_has_below(
    store: Store, tmp_path: Path
) -> None:
    lower = tar_of(entry("tmp", tarfile.DIRTYPE, mode=0o1777, uid=7), entry(".", tarfile.DIRTYPE))
    add_image(store, "two", lower, tar_of(entry("tmp/file"), entry("fresh/file")))
    top = Path(store.resolve("two").lowerdirs[0])
    assert stat.S_IMODE((top / "tmp").stat().st_mode) == 0o1777
    assert (top / "tmp").stat().st_uid == 7
    assert stat.S_IMODE((top / "fresh").stat().st_mode) == 0o755


def test_unpacked_layers_are_named_by_chain_id_and_closed_to_other_users(store: Store) -> None:
    tars = [tar_of(entry("one")), tar_of(entry("two"))]
    add_image(store, "two", *tars)
    names = [Path(path).name for path in store.resolve("two").lowerdirs]
    blobs = Path(store.layout.blobs)
    digests = {blob.name for blob in blobs.iterdir() if blob.read_bytes() in tars}
    assert names[1] in digests
    assert names[0] not in digests
    assert stat.S_IMODE(os.stat(f"{store.path}/layers").st_mode) == 0o700


# Hostile layers


def hostile_names(outside: Path) -> list[str]:
    up = "../" * 40
    return [
        f"{outside}/pwned",
        f"{up}{outside}/pwned",
        f"a/{up}{outside}/./pwned",
        f"//{outside}/pwned",
    ]


def test_absolute_and_dotted_names_stay_below_the_layer(tmp_path: Path, outside: Path) -> None:
    before = survey(outside)
    for name in hostile_names(outside):
        layer = unpacked(tmp_path, tar_of((entry(name), b"pwned")))
        assert (layer / str(outside).lstrip("/") / "pwned").read_bytes() == b"pwned"
    assert survey(outside) == before


def chain_beyond_path_max(outside: Path) -> list[tarfile.TarInfo | tuple[tarfile.TarInfo, bytes]]:
    """CVE-2025-4517: a symlink whose resolved path is too long for realpath()."""
    members: list[tarfile.TarInfo | tuple[tarfile.TarInfo, bytes]] = []
    long, path, steps = "d" * 247, "", "abcdefghijklmnop"
    for step in steps:
        members.append(entry(f"{path}{long}", tarfile.DIRTYPE))
        members.append(entry(f"{path}{step}", tarfile.SYMTYPE, linkname=long))
        path += f"{long}/"
    link = "/".join(steps) + "/" + "l" * 254
    members.append(entry(link, tarfile.SYMTYPE, linkname="../" * len(steps)))
    members.append(entry("escape", tarfile.SYMTYPE, linkname=f"{link}/../../..{outside}"))
    members.append(entry("flag", tarfile.LNKTYPE, linkname="escape/secret"))
    return [*members, (entry("flag"), b"pwned")]


THROUGH_LINKS = {
    "a file through a symlink": lambda outside: [
        entry("link", tarfile.SYMTYPE, linkname=str(outside)),
        (entry("link/secret"), b"pwned"),
    ],
    "a directory through a symlink": lambda outside: [
        entry("link", tarfile.SYMTYPE, linkname=str(outside)),
        entry("link/new", tarfile.DIRTYPE),
    ],
    "a whiteout through a symlink": lambda outside: [
        entry("link", tarfile.SYMTYPE, linkname=str(outside)),
        entry("link/.wh.new"),
    ],
    "an opaque mark through a symlink": lambda outside: [
        entry("link", tarfile.SYMTYPE, linkname=str(outside)),
        entry("link/.wh..wh..opq"),
    ],
    "a file through two symlinks": lambda outside: [
        entry("dir", tarfile.DIRTYPE),
        entry("dir/up", tarfile.SYMTYPE, linkname="../" * 30),
        (entry(f"dir/up{outside}/secret"), b"pwned"),
    ],
}

ATTACKS = {
    "a hard link to a file outside": lambda outside: [
        entry("hard", tarfile.LNKTYPE, linkname=f"{outside}/secret"),
        (entry("hard"), b"pwned"),
    ],
    "a hard link upwards": lambda outside: [
        entry("hard", tarfile.LNKTYPE, linkname="../" * 40 + f"{outside}/secret"),
    ],
    "a hard link through a symlink": lambda outside: [
        entry("link", tarfile.SYMTYPE, linkname=str(outside)),
        entry("hard", tarfile.LNKTYPE, linkname="link/secret"),
    ],
    "a hard link to a device": lambda outside: [
        entry("null", tarfile.CHRTYPE, devmajor=1, devminor=3),
        entry("hard", tarfile.LNKTYPE, linkname="null"),
    ],
    "a symlink chain beyond PATH_MAX": chain_beyond_path_max,
    "an owner that chown takes for none": lambda outside: [entry("file", uid=2**32 - 1)],
    "a root that is a symlink": lambda outside: [
        entry(".", tarfile.SYMTYPE, linkname=str(outside))
    ],
    "a whiteout of the directory above": lambda outside: [entry("dir/.wh...")],
    "more directories than a path can name": lambda outside: [entry("d/" * 3000 + "file")],
    "a name that is too long": lambda outside: [entry("n" * 256)],
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_hostile_layer_is_refused_and_nothing_outside_is_touched(
    tmp_path: Path, outside: Path, attack: str
) -> None:
    before = survey(outside)
    with pytest.raises(UsageError) as refused:
        unpacked(tmp_path, tar_of(*ATTACKS[attack](outside)))
    assert "\n" not in str(refused.value)
    assert os.listdir(tmp_path / "layers") == []
    assert survey(outside) == before


@pytest.mark.parametrize("name", THROUGH_LINKS)
def test_what_leads_through_a_symlink_lands_below_the_root(
    tmp_path: Path, outside: Path, name: str
) -> None:
    """As for docker, podman and buildah, where the layer's root is the root of all."""
    before = survey(outside)
    layer = Path(unpacked(tmp_path, tar_of(*THROUGH_LINKS[name](outside))))
    assert survey(outside) == before
    there = layer / str(outside)[1:]
    assert there.is_dir() and not there.is_symlink()
    if name.startswith("a file"):
        assert (there / "secret").read_bytes() == b"pwned"


def test_a_tar_may_list_what_is_behind_a_symlink_before_its_directory(tmp_path: Path) -> None:
    """`lib -> usr/lib` and then `lib/pkg/file`: taken by docker, podman and GNU tar."""
    members = [
        entry("lib", tarfile.SYMTYPE, linkname="usr/lib"),
        (entry("lib/pkg/file"), b"content"),
        entry("a", tarfile.SYMTYPE, linkname="b"),
        entry("b", tarfile.SYMTYPE, linkname="a"),
    ]
    layer = Path(unpacked(tmp_path, tar_of(*members)))
    assert (layer / "usr/lib/pkg/file").read_bytes() == b"content"
    with pytest.raises(UsageError, match="circle of symlinks"):
        unpacked(tmp_path, tar_of(*members, entry("a/file")))


def test_a_later_entry_replaces_an_earlier_one_and_is_never_written_through(
    tmp_path: Path, outside: Path
) -> None:
    before = survey(outside)
    traps = [
        entry("symlink", tarfile.SYMTYPE, linkname=f"{outside}/secret"),
        entry("symlink-to-directory", tarfile.SYMTYPE, linkname=str(outside)),
        entry("fifo", tarfile.FIFOTYPE),
        entry("device", tarfile.CHRTYPE, devmajor=1, devminor=3),
        entry("whiteout", tarfile.CHRTYPE, devmajor=0, devminor=0),
        entry("directory/with/files", tarfile.DIRTYPE),
        (entry("original"), b"original"),
        entry("hard", tarfile.LNKTYPE, linkname="original"),
    ]
    names = ["symlink", "symlink-to-directory", "fifo", "device", "whiteout", "directory", "hard"]
    files = [(entry(name), b"new") for name in names]
    layer = unpacked(tmp_path, tar_of(*traps, *files))
    for member, data in files:
        assert stat.S_ISREG((layer / member.name).lstat().st_mode)
        assert (layer / member.name).read_bytes() == data
    assert (layer / "original").read_bytes() == b"original"
    assert survey(outside) == before


def test_a_directory_replaces_a_symlink_before_anything_goes_into_it(
    tmp_path: Path, outside: Path
) -> None:
    before = survey(outside)
    layer = unpacked(
        tmp_path,
        tar_of(
            entry("link", tarfile.SYMTYPE, linkname=str(outside)),
            entry("link", tarfile.DIRTYPE, mode=0o700),
            (entry("link/secret"), b"inside"),
        ),
    )
    assert not (layer / "link").is_symlink()
    assert (layer / "link" / "secret").read_bytes() == b"inside"
    assert survey(outside) == before


def test_a_layer_cannot_set_overlays_own_attributes(tmp_path: Path) -> None:
    hostile = {f"SCHILY.xattr.{name}": "y" for name in ("trusted.overlay.opaque", "user.overlay.x")}
    layer = unpacked(tmp_path, tar_of(entry("dir", tarfile.DIRTYPE, pax_headers=hostile)))
    assert os.listxattr(layer / "dir") == []


# Damage and crashes


def test_a_tar_cut_short_anywhere_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    out = io.BytesIO()
    entries = [Entry(f"file{n}", stat.S_IFREG | 0o644, content=b"x" * 600) for n in range(3)]
    layers.pack(entries, out)
    end = 3 * (512 + 1024)
    for length in [*range(0, end + 1, 512), 100, 700, end - 100]:
        with pytest.raises(UsageError, match="truncated"):
            unpacked(tmp_path, out.getvalue()[:length])
    assert os.listdir(tmp_path / "layers") == []


@pytest.mark.parametrize(
    "where", ["the first header", "a later header", "gzip's data", "gzip's end"]
)
def test_a_corrupt_tar_is_one_line_for_people_and_leaves_nothing(
    tmp_path: Path, where: str
) -> None:
    tar = bytearray(tar_of((entry("one"), b"1"), (entry("two"), b"2")))
    if where == "the first header":
        tar[0] ^= 1
    elif where == "a later header":
        tar[1024] ^= 1
    else:
        tar = bytearray(gzip.compress(tar, mtime=0))
        tar[-5 if where == "gzip's end" else len(tar) // 2] ^= 0xFF
    with pytest.raises(UsageError) as refused:
        unpacked(tmp_path, bytes(tar))
    assert "\n" not in str(refused.value)
    assert os.listdir(tmp_path / "layers") == []


def test_a_layer_that_is_not_the_one_in_the_config_is_refused_and_leaves_nothing(
    store: Store,
) -> None:
    good, bad = tar_of(entry("good")), tar_of(entry("bad"))
    with pytest.raises(UsageError, match="DiffID"), store.lock():
        blobs = [store.layout.write_blob(layout.LAYER, tar) for tar in (good, bad)]
        diff_ids = [blobs[0]["digest"], "sha256:" + "1" * 64]
        config = layout.encode({"rootfs": {"type": "layers", "diff_ids": diff_ids}})
        manifest = layout.manifest(store.layout.write_blob(layout.CONFIG, config), blobs)
        written = store.layout.write_blob(layout.MANIFEST, layout.encode(manifest))
        store.add("liar", written)
    assert store.list() == ()
    assert os.listdir(f"{store.path}/layers") == os.listdir(store.layout.blobs) == []


def test_the_next_writer_removes_the_blobs_of_one_that_died(store: Store) -> None:
    embedded.ensure(store)
    before = set(os.listdir(store.layout.blobs))
    code = (
        "import os, sys; from kernelbox.images.store import Store; store = Store(sys.argv[1])\n"
        "with store.lock():\n"
        "    store.layout.write_blob('text/plain', b'orphan'); os.kill(os.getpid(), 9)"
    )
    in_another_process(code, store.path).communicate()
    assert len(os.listdir(store.layout.blobs)) == len(before) + 1
    with store.lock():
        assert set(os.listdir(store.layout.blobs)) == before


def test_a_killed_unpack_leaves_no_layer_and_the_next_writer_sweeps_the_rest(
    store: Store, tmp_path: Path
) -> None:
    embedded.ensure(store)
    directory = Path(store.path) / "layers"
    layers_before = set(os.listdir(directory))
    tar = tar_of((entry("first"), b"1"), (entry("second"), b"2" * 100_000))
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    code = "import sys; from kernelbox.images import layers; layers.unpack(*sys.argv[1:])"
    child = in_another_process(code, str(pipe), str(directory / "half"))
    with open(pipe, "wb", buffering=0) as feed:
        feed.write(tar[:60_000])  # the rest never comes: it is in the middle of `second`
        deadline = time.monotonic() + 30
        while not list(directory.glob(".partial-*/second")):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        child.send_signal(signal.SIGKILL)
        child.communicate()
    assert not (directory / "half").exists()
    assert set(os.listdir(directory)) > layers_before
    with store.lock():
        assert set(os.listdir(directory)) == layers_before


def test_a_full_disk_is_one_line_for_people_and_leaves_nothing(tmp_path: Path) -> None:
    code = (
        "import os, sys; from kernelbox.images import embedded\n"
        "from kernelbox.images.store import Store\n"
        "from kernelbox.kernel.errors import KernelError\n"
        "store = Store(sys.argv[1] + '/images')\n"
        "try: embedded.ensure(store)\n"
        "except KernelError as error: print(error)\n"
        "print(store.list(), os.listdir(store.path + '/blobs/sha256'))"
    )
    script = 'mount -t tmpfs -o size=1m none "$1" && exec "$2" -c "$3" "$1"'
    run = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, "sh", tmp_path, sys.executable, code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    error, left = run.stdout.splitlines()
    assert "ENOSPC (No space left on device). Free some space" in error
    assert left == "() []"


# The store


def run_eight_at_once(store: Store, code: str) -> list[str]:
    """Line eight processes up at the store's lock, let go, and return what each printed."""
    with store.lock():
        inode = os.stat(f"{store.path}/.lock").st_ino
        waiting = re.compile(rf"-> FLOCK .*:{inode} ")
        children = [in_another_process(code, store.path, f"copy{n}") for n in range(8)]
        deadline = time.monotonic() + 60
        while len(waiting.findall(Path("/proc/locks").read_text())) < 8:
            assert time.monotonic() < deadline, "they do not wait for the lock"
            time.sleep(0.01)
    results = [child.communicate() for child in children]
    assert [child.returncode for child in children] == [0] * 8, results
    assert not list(Path(store.path).rglob(".partial-*"))
    return [printed for printed, _ in results]


def test_eight_processes_asking_at_once_make_one_image(store: Store) -> None:
    printed = run_eight_at_once(
        store,
        "import sys; from kernelbox.images import embedded; "
        "from kernelbox.images.store import Store; s = Store(sys.argv[1]); "
        "print(s.resolve(embedded.ensure(s)).id)",
    )
    assert set(printed) == {store.resolve("busybox").id + "\n"}
    assert len(json.loads(Path(store.path, "index.json").read_bytes())["manifests"]) == 1
    assert len(os.listdir(store.layout.blobs)) == 3
    assert len(os.listdir(f"{store.path}/layers")) == 1


def test_eight_processes_naming_images_at_once_lose_none(store: Store) -> None:
    embedded.ensure(store)
    run_eight_at_once(
        store,
        "import sys; from kernelbox.images.store import Store; s = Store(sys.argv[1])\n"
        "entry = s.layout.read_index()['manifests'][0]; entry.pop('annotations')\n"
        "s.add(sys.argv[2], entry)",
    )
    names = [f"copy{n}:latest" for n in range(8)]
    assert [image.reference for image in store.list()] == ["busybox:latest", *names]


def test_an_image_is_found_by_name_digest_and_the_start_of_its_id(store: Store) -> None:
    image = store.resolve(embedded.ensure(store))
    index = json.loads(Path(store.path, "index.json").read_bytes())
    manifest = index["manifests"][0]["digest"]
    for reference in (
        "busybox",
        "busybox:latest",
        manifest,
        f"busybox@{manifest}",
        image.id,
        image.id.removeprefix("sha256:"),
        image.id.removeprefix("sha256:")[:12],
    ):
        assert store.resolve(reference) == image
    assert sha256sum(store.layout.blob_path(image.id)) == image.id


def test_an_unknown_image_is_one_line_that_lists_what_there_is(store: Store) -> None:
    with pytest.raises(UsageError) as empty:
        store.resolve("nosuch")
    assert empty.value.message == 'no image "nosuch:latest" in the store'
    assert empty.value.hint == "Images here: none; others: kernelbox pull, or load"
    embedded.ensure(store)
    for reference in (
        "nosuch",
        "busybox:1.0",
        "../../etc",
        "",
        "a\nb",
        "busybox@sha256:00",
        "0" * 64,
    ):
        with pytest.raises(UsageError, match="no image") as unknown:
            store.resolve(reference)
        assert unknown.value.hint == "Images here: busybox:latest; others: kernelbox pull, or load"
        assert unknown.value.code == 125
        assert "\n" not in str(unknown.value)


def test_an_image_cannot_have_a_name_that_is_none(store: Store) -> None:
    embedded.ensure(store)
    manifest = store.layout.read_index()["manifests"][0]
    for name in ("", "UPPER/Case", "../x", "a:b:c", "a b", "a\nb", "x:" + "t" * 129, "-x", "x/"):
        with pytest.raises(UsageError, match="not a name"):
            store.add(name, manifest)
    for name in ("x", "a/b__c/d.e:V1", "localhost:5000/x:1", "Registry.example/x"):
        assert store.add(name, manifest).reference.startswith(name)


def test_removing_the_last_name_removes_what_no_other_image_needs(store: Store) -> None:
    base, top = tar_of(entry("base")), tar_of(entry("top"))
    add_image(store, "base", base)
    add_image(store, "both", base, top)
    shared = store.resolve("base").lowerdirs[0]
    assert store.resolve("both").lowerdirs[1] == shared
    store.remove("both")
    assert [image.reference for image in store.list()] == ["base:latest"]
    assert [f"{store.path}/layers/{name}" for name in os.listdir(f"{store.path}/layers")] == [
        shared
    ]
    assert len(os.listdir(store.layout.blobs)) == 3
    store.remove("base")
    assert os.listdir(f"{store.path}/layers") == os.listdir(store.layout.blobs) == []
    with pytest.raises(UsageError, match="no image"):
        store.remove("base")


def test_an_image_that_a_container_uses_is_not_removed(store: Store) -> None:
    image = store.resolve(embedded.ensure(store))
    with pytest.raises(UsageError, match="in use by a container"):
        store.remove("busybox", in_use=image.lowerdirs)
    assert store.resolve("busybox") == image


def test_an_image_loses_a_name_that_is_given_to_another_but_stays(store: Store) -> None:
    old = add_image(store, "web:v1", tar_of(entry("old")))
    new = add_image(store, "web:v1", tar_of(entry("new")))
    assert store.resolve("web:v1").id == new
    assert store.resolve(old).id == old
    assert {(image.reference, image.id) for image in store.list()} == {("", old), ("web:v1", new)}
    store.remove(old)
    assert [image.id for image in store.list()] == [new]


def test_an_image_with_several_names_is_removed_by_name_only(store: Store) -> None:
    image_id = add_image(store, "one", tar_of(entry("file")))
    assert add_image(store, "two", tar_of(entry("file"))) == image_id
    with pytest.raises(UsageError, match="several names") as refused:
        store.remove(image_id)
    assert "one:latest, two:latest" in refused.value.hint
    store.remove("one")
    assert store.resolve("two").id == image_id


def test_a_layout_that_another_tool_wrote_is_unpacked_when_it_is_used(store: Store) -> None:
    image_id = add_image(store, "foreign", tar_of(entry("one")), tar_of(entry("two")))
    index = Path(store.path, "index.json")
    document = json.loads(index.read_bytes())
    del document["manifests"][0]["annotations"]["dev.kernelbox.chain-ids"]
    index.write_text(json.dumps(document))
    subprocess.run(["rm", "-r", f"{store.path}/layers"], check=True)
    image = store.resolve("foreign")
    assert image.id == image_id
    assert [os.listdir(path) for path in image.lowerdirs] == [["two"], ["one"]]


def test_a_damaged_store_is_one_line_for_people(store: Store) -> None:
    embedded.ensure(store)
    manifest = Path(store.layout.blob_path(store.layout.read_index()["manifests"][0]["digest"]))
    index = Path(store.path, "index.json")
    for path, content in (
        (manifest, "[]"),
        (manifest, "{}"),
        (manifest, '{"config": []}'),
        (manifest, '{"config": {"digest": "sha256:../../index.json"}}'),
        (manifest, "not JSON"),
        (manifest, None),
        (index, "[]"),
        (index, "{}"),
        (index, '{"manifests": [[]]}'),
        (index, '{"manifests": [{"digest": 1}]}'),
        (index, '{"manifests": [{"digest": "sha256:00", "annotations": null}]}'),
        (index, '{"manifests": ['),
    ):
        if content is None:
            path.unlink()
        else:
            path.write_text(content)
        for reference in ("busybox", "abc"):
            with pytest.raises(KernelboxError) as damaged:
                store.resolve(reference)
            assert "\n" not in str(damaged.value)


# The embedded image


def test_the_embedded_image_runs_over_overlay(store: Store, tmp_path: Path) -> None:
    image = store.resolve(embedded.ensure(store))
    script = (
        "echo hello from $(id -un); cat /etc/passwd | grep -c lab; touch /tmp/new && ls /tmp; "
        "ls -ld /home/lab /tmp /root /proc /sys /dev | awk '{print $1, $3, $9}'"
    )
    assert run_in_overlay(image.lowerdirs, tmp_path / "scratch", script).splitlines() == [
        "hello from root",
        "1",
        "new",
        "drwxr-xr-x root /dev",
        "drwxr-xr-x lab /home/lab",
        "drwxr-xr-x root /proc",
        "drwx------ root /root",
        "drwxr-xr-x root /sys",
        "drwxrwxrwt root /tmp",
    ]
    assert "new" not in os.listdir(f"{image.lowerdirs[0]}/tmp")


def test_the_embedded_image_has_a_link_for_every_applet(store: Store) -> None:
    busybox = embedded.find_busybox()
    assert busybox, "this test needs Debian's busybox-static"
    image = store.resolve(embedded.ensure(store))
    listed = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True)
    programs = Path(image.lowerdirs[0]) / "bin"
    assert set(listed.stdout.split()) <= set(os.listdir(programs))
    assert (programs / "ls").readlink() == Path("busybox")
    assert sha256sum(programs / "busybox") == sha256sum(busybox)
    assert image.config["Labels"]["dev.kernelbox.source"].startswith("busybox-static 1.")


@pytest.mark.parametrize("host_tools", [False, True])
def test_two_builds_of_the_embedded_image_have_the_same_digests(
    tmp_path: Path, host_tools: bool
) -> None:
    indexes = []
    for name in ("one", "two"):
        store = Store(str(tmp_path / name))
        embedded.build(store, host_tools=host_tools)
        indexes.append(Path(store.path, "index.json").read_bytes())
    assert indexes[0] == indexes[1]


def test_an_image_of_the_hosts_own_tools_runs_and_says_what_it_is(
    store: Store, tmp_path: Path
) -> None:
    image = embedded.build(store, "host", host_tools=True)
    assert image.config["Labels"] == {"dev.kernelbox.source": "the host's own /bin/sh and tools"}
    script = (
        "echo hello; cat /etc/os-release | head -n 1; ls -d /tmp; id -u; sleep 0; "
        "mount -t proc none /proc && ps -o comm= -p $$"
    )
    shown = run_in_overlay(image.lowerdirs, tmp_path / "scratch", script)
    assert shown.splitlines() == ["hello", 'NAME="kernelbox"', "/tmp", "0", "sh"]


def test_a_program_is_static_when_file_says_so(tmp_path: Path) -> None:
    for path in (embedded.find_busybox(), os.path.realpath("/bin/sh")):
        headers = subprocess.run(
            ["readelf", "--program-headers", "--wide", path],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        requested = re.findall(r"Requesting program interpreter: (.*)\]", headers)
        assert elf.interpreter(path) == "".join(requested)
    (tmp_path / "script").write_text("#!/bin/sh\n")
    with pytest.raises(UsageError, match="not an ELF file"):
        elf.interpreter(str(tmp_path / "script"))
