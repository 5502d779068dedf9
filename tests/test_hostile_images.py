"""Layers by strangers: whatever a tar says, it is made below the layer's directory or not at all.

Hypothesis writes tars of names, links, devices and whiteouts in every order; what an attacker would
write on purpose stands in test_images.py and below. The host is read before and after.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import stat
import subprocess
import sys
import tarfile
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, configuration, given, settings
from hypothesis import strategies as st

from kernelbox import overlay
from kernelbox.images import bounds, layers
from kernelbox.images.layers import Entry
from kernelbox.images.store import Store
from kernelbox.kernel.errors import UsageError
from tests.command import Kernelbox
from tests.test_images import add_image, entry, survey, tar_of, unpacked

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

# Not into the checkout, where root's files would stay.
configuration.set_hypothesis_home_dir(Path(tempfile.gettempdir(), "kernelbox-hypothesis"))

# --- tars that hypothesis writes ------------------------------------------------------------------

OUTSIDE = "OUTSIDE"  # stands for a directory of the host that each tar aims at
PARTS = ["a", "b", "c", "..", ".", "", OUTSIDE, ".wh.a", ".wh.b", ".wh..", ".wh...", ".wh."]
PARTS += [".wh..wh..opq", ".wh..wh.plnk", "new\nline", "latin-\udce9", "n" * 255, "n" * 256, "\x07"]
# Mostly few names, so that one entry leads through another; now and then an odd one.
plain = st.lists(st.sampled_from("ab"), min_size=1, max_size=3)
odd = st.lists(st.sampled_from(PARTS), max_size=4)
roots = st.sampled_from(["", "", "", "/", "./", "../" * 30])
names = st.builds(lambda root, parts: root + "/".join(parts), roots, st.one_of(*[plain] * 6, odd))
targets = st.one_of(st.sampled_from([OUTSIDE, "../" * 30 + OUTSIDE, ".", "..", "a", "/b"]), names)
KINDS = [tarfile.REGTYPE] * 3 + [tarfile.DIRTYPE] * 3 + [tarfile.SYMTYPE] * 3
KINDS += [tarfile.LNKTYPE] * 2 + [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE]
KINDS = KINDS * 4 + [tarfile.CONTTYPE, b"Z"]
XATTRS = ["user.note", "trusted.overlay.opaque", "user.overlay.opaque", "security.capability"]


@st.composite
def members(draw: st.DrawFn) -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(draw(names))
    member.type = draw(st.sampled_from(KINDS))
    member.mode = draw(st.sampled_from([0, 0o644, 0o755, 0o7777, 0o1777]))
    member.uid = draw(st.sampled_from([0] * 20 + [1000, 2**32 - 2] * 5 + [2**32 - 1, 2**40]))
    member.mtime = draw(st.sampled_from([0, 1e9, 1e15, 0.5]))
    member.linkname = draw(targets)
    member.devmajor = draw(st.sampled_from([0, 1, 7]))
    member.devminor = draw(st.sampled_from([0, 3, 2**18]))
    if draw(st.booleans()):
        xattr = draw(st.sampled_from(XATTRS))
        member.pax_headers = {f"SCHILY.xattr.{xattr}": draw(st.text(max_size=30))}
    return member, draw(st.binary(max_size=40)) if member.isreg() else b""


@st.composite
def traps(draw: st.DrawFn) -> list[tuple[tarfile.TarInfo, bytes]]:
    """A symlink, and an entry that goes through it."""
    link, _ = draw(members())
    link.type, link.linkname, link.uid = tarfile.SYMTYPE, draw(targets), 0
    link.name = draw(st.sampled_from(["a", "b", "a/b"]))
    entered, data = draw(members())
    entered.name = f"{link.name}/{entered.name}"
    return [(link, b""), (entered, data)]


tars = st.lists(st.one_of(members().map(lambda one: [one]), traps()), max_size=4).map(
    lambda parts: [member for part in parts for member in part]
)


@contextlib.contextmanager
def places() -> Iterator[tuple[Path, Path, Path]]:
    """Yield a directory that is attacked, a place for blobs, and one for layers."""
    with tempfile.TemporaryDirectory() as top:
        outside, blobs, made = (Path(top, name) for name in ("outside", "blobs", "layers"))
        for directory in (outside, blobs, made):
            directory.mkdir()
        (outside / "a").write_text("untouched")
        (outside / "b").mkdir()
        (outside / "b/a").write_text("untouched")
        yield outside, blobs, made


def aimed(member: tarfile.TarInfo, outside: Path) -> tarfile.TarInfo:
    member.name = member.name.replace(OUTSIDE, str(outside))
    member.linkname = member.linkname.replace(OUTSIDE, str(outside))
    return member


HARD = settings(
    deadline=None, max_examples=300, database=None, suppress_health_check=list(HealthCheck)
)


@HARD
@given(st.lists(tars, min_size=1, max_size=2))
def test_whatever_a_tar_holds_nothing_outside_of_its_layer_is_touched(
    image: list[list[tuple[tarfile.TarInfo, bytes]]],
) -> None:
    with places() as (outside, blobs, made):
        before = survey(outside)
        whole: list[str] = []
        for number, tar in enumerate(image):
            blob = blobs / str(number)
            blob.write_bytes(tar_of(*((aimed(one, outside), data) for one, data in tar)))
            try:
                layers.unpack(str(blob), f"{made}/{number}", parents=whole[::-1])
                whole.append(f"{made}/{number}")
            except UsageError as error:
                assert "\n" not in str(error)
            assert sorted(f"{made}/{name}" for name in os.listdir(made)) == whole
        assert survey(outside) == before
        ours = {(one.lstat().st_dev, one.lstat().st_ino) for one in outside.rglob("*")}
        for path in [Path(at, one) for at, dirs, files in os.walk(made) for one in dirs + files]:
            there = path.lstat()
            assert (there.st_dev, there.st_ino) not in ours
            marks = [] if path.is_symlink() else os.listxattr(path)
            assert not [mark for mark in marks if mark.startswith("user.overlay")]


@HARD
@given(st.binary(max_size=3000), st.integers(0, 3000), st.sampled_from(["", "gzip", "zstd"]))
def test_a_damaged_stream_is_one_line_and_leaves_nothing(
    noise: bytes, place: int, compression: str
) -> None:
    tar = tar_of((entry("one"), os.urandom(700)), (entry("two"), b"2" * 600))
    whole = {"gzip": gzip.compress, "zstd": zstd.compress}.get(compression, bytes)(tar)
    damaged = whole[:place] + noise + whole[place + len(noise) :]
    with places() as (_, blobs, made):
        (blobs / "0").write_bytes(damaged)
        try:
            layers.unpack(str(blobs / "0"), f"{made}/0", diff_id=layers_digest(tar))
        except UsageError as error:
            assert "\n" not in str(error)
            assert os.listdir(made) == []
        else:
            assert (made / "0/two").read_bytes() == b"2" * 600
    assert not [one for one in threading.enumerate() if one.name == "decompress"]


@pytest.mark.parametrize("change", [b"0000000\0", b"\xff" * 8, b"        "], ids=["sum", "no", "0"])
@pytest.mark.parametrize("known", [False, True])
def test_an_entry_behind_a_bad_checksum_is_never_dropped(
    tmp_path: Path, change: bytes, known: bool
) -> None:
    """As tar(1) has it, "Skipping to next header", exit 2. Also where the config has its DiffID."""
    tar = bytearray(tar_of((entry("one"), b"1"), (entry("two"), b"2"), (entry("three"), b"3")))
    at = bytes(tar).index(b"two\0")
    tar[at + 148 : at + 156] = change
    (tmp_path / "0").write_bytes(tar)
    digest = layers_digest(bytes(tar)) if known else ""
    with pytest.raises(UsageError, match="header that ends at byte 1536 is damaged"):
        layers.unpack(str(tmp_path / "0"), str(tmp_path / "made"), diff_id=digest)
    assert not (tmp_path / "made").exists()


def layers_digest(tar: bytes) -> str:
    run = subprocess.run(["sha256sum"], input=tar, capture_output=True, check=True)
    return "sha256:" + run.stdout.split()[0].decode()


# --- compression ----------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["gzip -c", "zstd -cq", "zstd -cq --long=27 -19", "cat"])
def test_layers_are_read_as_their_first_bytes_say(tmp_path: Path, command: str) -> None:
    data = b"".join(b"line %d\n" % number for number in range(200_000))
    tar = tar_of((entry("file"), data), entry("end"))
    whole = subprocess.run(command.split(), input=tar, capture_output=True, check=True).stdout
    assert (unpacked(tmp_path, whole) / "file").read_bytes() == data
    for cut in (len(whole) // 2, len(whole) - 3):
        with pytest.raises(UsageError, match="truncated"):
            unpacked(tmp_path, whole[:cut] if command != "cat" else whole[: 1024 * 1024])


@pytest.mark.parametrize("compress", [gzip.compress, zstd.compress])
def test_frames_one_after_the_other_are_one_layer(tmp_path: Path, compress: object) -> None:
    assert callable(compress)
    tar = tar_of((entry("file"), os.urandom(100_000)), entry("end"))
    parts = [compress(tar[:70_000]), compress(b""), compress(tar[70_000:])]
    assert sorted(os.listdir(unpacked(tmp_path, b"".join(parts)))) == ["end", "file"]


def test_a_compression_that_is_not_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="bzip2"):
        unpacked(tmp_path, b"BZh91AY&SY")


# --- limits ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("compress", [gzip.compress, zstd.compress])
def test_a_bomb_is_refused_before_it_fills_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compress: object
) -> None:
    assert callable(compress)
    monkeypatch.setattr(bounds, "ALWAYS_BYTES", 4 << 20)
    bomb = compress(tar_of((entry("zeros"), bytes(64 << 20))))
    assert len(bomb) < 100_000
    with pytest.raises(UsageError, match="decompresses to more than"):
        unpacked(tmp_path, bomb)
    assert os.listdir(tmp_path / "layers") == []


def test_a_layer_of_too_many_entries_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "MAX_ENTRIES", 50)
    unpacked(tmp_path, tar_of(*(entry(f"{number}") for number in range(50))))
    with pytest.raises(UsageError, match="more than 50 entries"):
        unpacked(tmp_path, tar_of(*(entry(f"{number}") for number in range(51))))


def test_a_file_larger_than_any_disk_is_refused(tmp_path: Path) -> None:
    header = entry("huge")
    header.size = 2**62
    with pytest.raises(UsageError, match="larger than"):
        unpacked(tmp_path, header.tobuf(tarfile.GNU_FORMAT))
    map_of = b"1\n0\n5\n".ljust(512, b"\0")
    pax = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(2**60)}
    with pytest.raises(UsageError, match="larger than"):
        unpacked(tmp_path, tar_of((entry("holes", pax_headers=pax), map_of + b"data\n")))


@pytest.mark.parametrize("table", ["2\n0\n5\n3\n5\n", "1\n100\n5\n", "1\n-5\n5\n", "9\n0\n5\n"])
def test_a_sparse_file_with_an_impossible_map_is_refused(tmp_path: Path, table: str) -> None:
    pax = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "50"}
    data = table.encode().ljust(512, b"\0") + b"0123456789"
    with pytest.raises(UsageError):
        unpacked(tmp_path, tar_of((entry("holes", pax_headers=pax), data), entry("end")))
    assert os.listdir(tmp_path / "layers") == []


def test_headers_that_never_end_are_refused(tmp_path: Path) -> None:
    long_name = tarfile.TarInfo("././@LongLink")
    long_name.type, long_name.size = tarfile.GNUTYPE_LONGNAME, 2
    block = long_name.tobuf(tarfile.GNU_FORMAT) + b"a\0".ljust(512, b"\0")
    with pytest.raises(UsageError):
        unpacked(tmp_path, block * 5000)
    long_name.size = bounds.MAX_HEADER * 2
    with pytest.raises(UsageError, match="larger than any real one"):
        unpacked(tmp_path, long_name.tobuf(tarfile.GNU_FORMAT) + bytes(bounds.MAX_HEADER * 3))


# --- what honest layers hold ----------------------------------------------------------------------


def test_an_entry_may_go_through_a_symlink_of_its_own_layer_and_stays_in_it(tmp_path: Path) -> None:
    layer = unpacked(
        tmp_path,
        tar_of(
            entry("usr/lib", tarfile.DIRTYPE),
            entry("lib", tarfile.SYMTYPE, linkname="/usr/lib"),
            entry("up", tarfile.SYMTYPE, linkname="../../../.."),
            (entry("lib/file"), b"through"),
            (entry("up/usr/other"), b"round"),
            entry("hard", tarfile.LNKTYPE, linkname="lib/file"),
        ),
    )
    assert (layer / "usr/lib/file").read_bytes() == b"through"
    assert (layer / "usr/other").read_bytes() == b"round"
    assert (layer / "hard").stat().st_ino == (layer / "usr/lib/file").stat().st_ino
    assert os.readlink(layer / "lib") == "/usr/lib"


def test_a_symlink_of_one_layer_does_not_lead_the_next_one_anywhere(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    below = unpacked(
        tmp_path, tar_of(entry("link", tarfile.SYMTYPE, linkname=str(tmp_path / "outside")))
    )
    above = unpacked(tmp_path, tar_of((entry("link/file"), b"x")), parents=(str(below),))
    assert os.listdir(tmp_path / "outside") == []
    assert (above / "link/file").read_bytes() == b"x"


def test_odd_names_and_the_largest_owner_are_kept(tmp_path: Path) -> None:
    odd = ["new\nline", "latin-\udce9", " ", "-rf", "\x1b[31m", "n" * 255]
    layer = unpacked(
        tmp_path, tar_of(*((entry(name, uid=2**32 - 2, gid=2**32 - 2), b"x") for name in odd))
    )
    assert sorted(os.listdir(layer)) == sorted(odd)
    assert {(path.stat().st_uid, path.stat().st_gid) for path in layer.iterdir()} == {
        (2**32 - 2, 2**32 - 2)
    }
    for name in ("nul\0", "d/nul\0l"):
        with pytest.raises(UsageError, match="NUL"):
            unpacked(tmp_path, tar_of(entry("x", pax_headers={"path": name})))


def test_a_file_capability_is_kept(tmp_path: Path) -> None:
    net_raw = bytes.fromhex("0100000200200000000000000000000000000000")
    out = io.BytesIO()
    layers.pack([Entry("ping", stat.S_IFREG | 0o755, xattrs={"security.capability": net_raw})], out)
    layer = unpacked(tmp_path, out.getvalue())
    assert os.getxattr(layer / "ping", "security.capability") == net_raw


def test_a_path_longer_than_the_kernel_takes_at_once_is_kept(tmp_path: Path) -> None:
    deep = "/".join(["d" * 200] * 30)
    layer = unpacked(tmp_path, tar_of((entry(f"{deep}/file"), b"deep"), entry(f"{deep}/other")))
    find = ["find", layer, "-name", "file", "-execdir", "cat", "{}", ";"]
    assert subprocess.run(find, capture_output=True, check=True).stdout == b"deep"


HOLES = ["kernelbox", "gnu", "pax 0.0", "pax 0.1", "pax 1.0"]


@pytest.mark.parametrize("writer", HOLES)
def test_holes_stay_holes(tmp_path: Path, writer: str) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    with open(tree / "sparse", "wb") as file:
        for place in (50 << 20, 200 << 20):
            file.seek(place)
            file.write(os.urandom(5000))
        file.truncate(300 << 20)
    (tree / "after").write_text("after")
    blob = tmp_path / "made.tar"
    if writer == "kernelbox":
        with open(blob, "wb") as out:
            layers.pack(layers.tree(str(tree)), out)
    else:
        kind, _, version = writer.partition(" ")
        words = ["tar", "--sparse", f"--format={kind}", "-C", tree, "-cf", blob, "."]
        subprocess.run([*words, *([f"--sparse-version={version}"] * bool(version))], check=True)
    layers.unpack(str(blob), str(tmp_path / "layer"))
    subprocess.run(["cmp", tree / "sparse", tmp_path / "layer/sparse"], check=True)
    assert (tmp_path / "layer/after").read_text() == "after"
    assert (tmp_path / "layer/sparse").stat().st_blocks * 512 < 1 << 20
    (tmp_path / "theirs").mkdir()
    subprocess.run(["tar", "-C", tmp_path / "theirs", "-xf", blob], check=True)
    subprocess.run(["cmp", tree / "sparse", tmp_path / "theirs/sparse"], check=True)


# --- many layers ----------------------------------------------------------------------------------


@pytest.mark.parametrize("userns", ["host", "auto"])
@pytest.mark.parametrize("count", [60, 130, 300])
def test_a_container_of_many_layers_sees_all_of_them(
    kernelbox: Kernelbox, count: int, userns: str
) -> None:
    store = Store(str(kernelbox.root / "images"))
    kernelbox.ok("images")
    index = store.layout.read_index()["manifests"]
    base = store.layout.read_json(index[0]["digest"])["layers"][0]["digest"]
    bottom = Path(store.layout.blob_path(base)).read_bytes()
    more = [tar_of((entry(f"file{number}"), b"x")) for number in range(count - 1)]
    add_image(store, f"many:{count}", bottom, *more)
    options = ("--rm", "--network", "none", "--userns", userns)
    script = "ls / | grep -c ^file; echo changed > /file0; cat /file0"
    ran = kernelbox.ok("run", *options, f"many:{count}", "sh", "-c", script)
    assert ran.split() == [str(count - 1), "changed"]
    kernelbox.ok("rmi", f"many:{count}")


def test_more_layers_than_overlay_can_stack_are_refused_with_a_cure(tmp_path: Path) -> None:
    tree = overlay.Overlay([f"/layer{n}" for n in range(501)], "/upper", "/work", "/merged")
    with pytest.raises(UsageError, match="Merge"):
        overlay.mount(tree)
