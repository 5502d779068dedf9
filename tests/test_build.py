"""Building images: layers, the cache, strangers' contexts, and what ends badly.

What a build has made is read on the disk, in its blobs, and by skopeo and podman; podman also
builds the same Containerfile beside it.
"""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import random
import shutil
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernelbox.images import entries, gathering, layers, trees
from kernelbox.images.containerfile.ignore import Ignore
from kernelbox.images.gathering import Tree
from kernelbox.images.layout import Layout
from kernelbox.images.store import Store
from kernelbox.kernel import syscalls
from kernelbox.kernel.errors import UsageError
from tests import looking
from tests.bench import podman_groups
from tests.command import Kernelbox
from tests.registries import registry
from tests.sandbox import Sandbox
from tests.test_image_commands import QUIET, host, podman, store

__all__ = ["podman", "store"]  # fixtures

EPOCH = {"SOURCE_DATE_EPOCH": "1700000000"}


@pytest.fixture
def context(tmp_path: Path) -> Path:
    made = tmp_path / "context"
    made.mkdir()
    return made


def write(directory: Path, **files: str) -> Path:
    """Write files; `__` in a name is a slash, and `_dot_` a dot."""
    for name, text in files.items():
        path = directory / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return directory


def build(kernelbox: Kernelbox, context: Path, text: str, *options: str, **more: Any) -> str:
    """Build a Containerfile as `made`; return what is printed."""
    (context.parent / "file").write_text(text)
    words = ("-t", "made", "-f", context.parent / "file", "--network", "none")
    return kernelbox.ok("build", *words, *options, context, **more)


def refusal(kernelbox: Kernelbox, context: Path, text: str, *options: str) -> str:
    (context.parent / "file").write_bytes(os.fsencode(text))
    return kernelbox.refused(
        "build", "-q", "-f", context.parent / "file", "--network", "none", *options, context
    )


def tars(store: Store, name: str = "made") -> list[dict[str, tarfile.TarInfo]]:
    """Return what is in each layer of an image, as its blobs have it."""
    found = []
    for layer in store.find(name)[1].manifest["layers"]:
        with tarfile.open(store.layout.blob_path(layer["digest"])) as tar:
            found.append({member.name: member for member in tar})
    return found


def config(store: Store, name: str = "made") -> dict[str, Any]:
    found: dict[str, Any] = store.find(name)[1].config
    return found


# --- layers ---------------------------------------------------------------------------------------

APP = """
ARG BASE=busybox
FROM $BASE AS maker
ARG WHO=world
ENV GREETING="hello $WHO" WHO_ELSE=$WHO
WORKDIR /src
COPY . ./
RUN echo "$GREETING, $WHO" > out && chmod 600 out && chown 7:8 out
RUN ["sh", "-c", "pwd > where; id -u >> where; hostname >> where"]

FROM busybox
LABEL a=b c="two words"
MAINTAINER me
COPY --from=maker /src/out /src/where /opt/app/
COPY --from=maker --chown=lab:9 --chmod=4755 /src/out /opt/owned
COPY --from=0 /src/where /opt/app/sub/
USER lab
WORKDIR /opt/mine
EXPOSE 80 53/udp
VOLUME /data
STOPSIGNAL SIGUSR1
HEALTHCHECK --interval=1m30s --retries=2 CMD ["true"]
SHELL ["/bin/sh", "-ec"]
ENTRYPOINT cat /opt/owned
"""


def test_a_build_makes_what_its_instructions_say(
    kernelbox: Kernelbox, context: Path, store: Store
) -> None:
    write(context, code="x", sub__file="y", left_dot_log="z", _dot_dockerignore="*.log\n")
    said = build(kernelbox, context, APP, "--build-arg", "WHO=you")
    assert "[6/21] RUN echo" in said
    assert "Successfully tagged made:latest" in said
    assert kernelbox.ok("run", *QUIET, "made") == "hello you, you\n"
    _, files, owned, _, mine = tars(store)
    assert list(files) == ["opt", "opt/app", "opt/app/out", "opt/app/where"]
    out, other = files["opt/app/out"], owned["opt/owned"]
    assert (out.mode, out.uid, out.gid) == (0o600, 7, 8)
    assert (other.mode, other.uid, other.gid) == (0o4755, 1000, 9)
    assert (mine["opt/mine"].uid, mine["opt/mine"].mode) == (1000, 0o755)
    where = Path(store.resolve("made").lowerdirs[1], "opt/app/sub/where")
    assert where.read_text() == "/src\n0\nbuild\n"
    whole = config(store)
    assert whole["author"] == "me"
    run = whole["config"]
    assert {key: run[key] for key in run if key not in ("Env", "Labels", "WorkingDir")} == {
        "User": "lab",
        "ExposedPorts": {"80/tcp": {}, "53/udp": {}},
        "Volumes": {"/data": {}},
        "StopSignal": "SIGUSR1",
        "Healthcheck": {"Test": ["CMD", "true"], "Interval": 90 * 10**9, "Retries": 2},
        "Shell": ["/bin/sh", "-ec"],
        "Entrypoint": ["/bin/sh", "-ec", "cat /opt/owned"],
    }
    assert {"a": "b", "c": "two words"}.items() <= run["Labels"].items()
    assert not any(one.startswith(("WHO", "GREETING")) for one in run["Env"])
    assert len([one for one in whole["history"] if not one.get("empty_layer")]) == 5
    assert kernelbox.ok("ps", "-a").count("\n") == 1


def test_the_example_of_the_readme_is_true(
    kernelbox: Kernelbox, context: Path, store: Store
) -> None:
    readme = Path(__file__).parent.parent.joinpath("README.md").read_text()
    section = readme.partition("## An image of your own")[2].partition("\n## ")[0]
    file, console = (part.partition("\n")[2] for part in section.split("```")[1:4:2])
    steps, motd = console.splitlines()[1:6], "Every step above is a layer below."
    write(context, Containerfile=file, motd=f"{motd}\n")
    said = kernelbox.ok("build", "-t", "greeting", "--build-arg", "WHO=you", context)
    assert said.splitlines()[:5] == steps
    ran = kernelbox.ok("run", "--rm", "greeting")
    assert ran == f"hello you\n{motd}\n"
    assert ran in console

    def steps_in(history: list[str]) -> list[list[str]]:
        told = [line.partition(" ago ")[2].split()[:3] for line in history]
        return [words[:2] if "busybox-static" in words else words for words in told]

    shown = kernelbox.ok("history", "greeting").splitlines()
    assert steps_in(shown) == steps_in(console.splitlines()[-6:])  # of whichever busybox


def test_an_image_of_scratch_holds_just_what_was_copied(
    kernelbox: Kernelbox, context: Path, store: Store
) -> None:
    shutil.copy("/bin/busybox", context / "busybox")
    text = """FROM scratch
WORKDIR /etc
COPY --chmod=0755 busybox /bin/
COPY <<"A" <<B /etc/
$raw "quoted"
A
cooked $X${Y:-y} \\$Z "quoted"
B
ENV X=x
CMD ["/bin/busybox", "cat", "A", "B"]
"""
    build(kernelbox, context, text)
    assert [list(one) for one in tars(store)] == [
        ["etc"], ["bin", "bin/busybox"], ["etc", "etc/A", "etc/B"],
    ]  # fmt: skip
    said = kernelbox.ok("run", *QUIET, "made")
    assert said == '$raw "quoted"\ncooked y $Z "quoted"\n'


def test_here_documents_are_scripts_and_input(
    kernelbox: Kernelbox, context: Path, store: Store
) -> None:
    text = """FROM busybox
RUN <<EOF
  x=1
  echo "script $x" > /a
EOF
RUN cat <<-'ONE' >> /a && cat <<TWO >> /a
\tone $x
\tONE
two
TWO
CMD ["cat", "/a"]
"""
    build(kernelbox, context, text)
    assert kernelbox.ok("run", *QUIET, "made") == "script 1\none $x\ntwo\n"


def test_a_tar_is_unpacked_by_add_and_by_nothing_else(
    kernelbox: Kernelbox, context: Path, store: Store
) -> None:
    for kind in ("gz", "xz", "bz2"):
        with tarfile.open(context / f"a.tar.{kind}", f"w:{kind}") as tar:  # type: ignore[call-overload]
            member = tarfile.TarInfo(f"dir/{kind}")
            member.uid, member.mode, member.mtime = 5, 0o640, 77
            tar.addfile(member)
    (context / "b.gz").write_bytes(b"\x1f\x8bno tar")
    text = "FROM scratch\nADD a.tar.* b.gz /in/\nCOPY a.tar.gz /out/\nADD --chown=3 a.tar.gz /mine/"
    build(kernelbox, context, text)
    added, copied, mine = tars(store)
    assert sorted(added) == ["in", "in/b.gz", "in/dir", "in/dir/bz2", "in/dir/gz", "in/dir/xz"]
    one = added["in/dir/xz"]
    assert (one.uid, one.mode, one.mtime) == (5, 0o640, 77)
    assert list(copied) == ["out", "out/a.tar.gz"]
    assert mine["mine/dir/gz"].uid == 3


def test_the_base_brings_its_own_command_only_without_an_entrypoint(
    kernelbox: Kernelbox, context: Path, store: Store
) -> None:
    build(kernelbox, context, 'FROM busybox\nENTRYPOINT ["echo"]')
    assert "Cmd" not in config(store)["config"]
    build(kernelbox, context, 'FROM busybox\nCMD ["a"]\nENTRYPOINT ["echo"]')
    assert kernelbox.ok("run", *QUIET, "made") == "a\n"


def test_an_arg_is_known_where_it_is_declared(
    kernelbox: Kernelbox, context: Path, store: Store
) -> None:
    text = """ARG A=global
ARG HIDDEN=x
FROM busybox AS own
ARG A
ARG B=own
ARG TARGETOS
ENV E=env
ARG E=arg
RUN echo "$A $B $HIDDEN $TARGETOS $E" > /said
FROM own
RUN echo "$A $B" >> /said
CMD cat /said
"""
    build(kernelbox, context, text)
    assert kernelbox.ok("run", *QUIET, "made") == "global own  linux env\nglobal own\n"
    done = kernelbox(
        "build", "-t", "made", "-f", context.parent / "file", "--network", "none",
        "--build-arg", "B", "--build-arg", "NOBODY=1", "--build-arg", "A=told", context,
        env={"B": "given"},
    )  # fmt: skip
    assert "warning: no ARG takes --build-arg NOBODY" in done.stderr
    assert kernelbox.ok("run", *QUIET, "made") == "told given  linux env\ntold given\n"


# --- the cache ------------------------------------------------------------------------------------

CACHED = "FROM busybox\nCOPY code /code\nARG V\nRUN cat /code > /copy\nENV AFTER=1\n"


def hits(said: str) -> int:
    return said.splitlines().count("CACHED")


def test_a_step_is_taken_from_the_cache_while_what_it_reads_is_the_same(
    kernelbox: Kernelbox, context: Path, store: Store
) -> None:
    write(context, code="one", other="x")
    assert hits(build(kernelbox, context, CACHED)) == 0
    first = store.resolve("made").id
    os.utime(context / "code", (1, 1))
    write(context, other="y")
    assert hits(build(kernelbox, context, CACHED)) == 2
    assert store.resolve("made").id == first
    assert hits(build(kernelbox, context, CACHED, "--build-arg", "V=1")) == 1
    assert hits(build(kernelbox, context, CACHED, "--build-arg", "V=1")) == 2
    assert hits(build(kernelbox, context, CACHED.replace("AFTER=1", "AFTER=2"))) == 2
    assert hits(build(kernelbox, context, CACHED.replace("/copy", "/other"))) == 1
    (context / "code").chmod(0o600)
    assert hits(build(kernelbox, context, CACHED)) == 0
    write(context, code="two")
    assert hits(build(kernelbox, context, CACHED)) == 0
    assert hits(build(kernelbox, context, CACHED, "--no-cache")) == 0


def test_prune_forgets_the_cache_and_leaves_the_images(
    kernelbox: Kernelbox, context: Path, store: Store
) -> None:
    write(context, code="one")
    build(kernelbox, context, CACHED)
    listed = kernelbox.ok("images", "-q").splitlines()
    assert len(listed) == 2  # what a build keeps for itself is no image of the person's
    kernelbox.ok("rmi", "made")
    assert hits(build(kernelbox, context, CACHED)) == 2
    kernelbox.ok("prune", "--force")
    assert kernelbox.ok("run", *QUIET, "made", "cat", "/copy") == "one"
    assert hits(build(kernelbox, context, CACHED)) == 0
    kernelbox.ok("rmi", "made")
    kernelbox.ok("prune", "--force")
    assert len(store.layout.read_index()["manifests"]) == 1
    assert len(os.listdir(f"{store.path}/layers")) == 1
    assert len(os.listdir(store.layout.blobs)) == 3


def test_a_damaged_cache_is_an_empty_one(kernelbox: Kernelbox, context: Path, store: Store) -> None:
    write(context, code="one")
    build(kernelbox, context, CACHED)
    Path(store.path, "build-cache.json").write_text("{")
    assert hits(build(kernelbox, context, CACHED)) == 0
    assert hits(build(kernelbox, context, CACHED)) == 2


LINKED = """FROM busybox AS one
WORKDIR /a/b
COPY . .
RUN ln file hard; ln -s file soft; mkdir new; touch -d @5 old; echo x > new/z; rm /etc/os-release
ADD a.tar /tar/
COPY <<E /e
e
E
FROM busybox
COPY --from=one /a /a
COPY --from=one /tar/ /tar
ENV A=1
"""


def small_tar() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:") as tar:
        tar.addfile(tarfile.TarInfo("z"))
    return out.getvalue()


def test_the_same_input_gives_the_same_digest(
    kernelbox: Kernelbox, context: Path, store: Store, tmp_path: Path
) -> None:
    digests = set()
    for number, name in enumerate(("first", "second")):
        directory = write(tmp_path / name, file="x", sub__file="y", z="z")
        (directory / "a.tar").write_bytes(small_tar())
        os.utime(directory / "file", (number, number))
        build(kernelbox, directory, LINKED, "--no-cache", env=EPOCH)
        digests.add(store.find("made")[0]["digest"])
        files = tars(store)[1]
        assert {files[one].mtime for one in ("a/b/file", "a/b/soft", "a/b/new")} == {1700000000}
        assert files["a/b/old"].mtime == 5
        assert files["a/b/hard"].islnk()
        time.sleep(1.1)  # the clock must say another second
    assert len(digests) == 1
    assert config(store)["created"] == "2023-11-14T22:13:20Z"
    assert hits(build(kernelbox, directory, LINKED)) == 0  # not with these times
    assert hits(build(kernelbox, directory, LINKED, env=EPOCH)) == 7
    assert {store.find("made")[0]["digest"]} == digests


def test_a_build_tells_what_the_kernel_was_asked(
    kernelbox: Kernelbox, context: Path, store: Store
) -> None:
    (context / "Containerfile").write_text("FROM busybox\nRUN true\nRUN false")
    done = kernelbox("build", "--trace", "--network", "none", context)
    assert done.returncode == 1
    for request in ("clone3(", "pivot_root(", 'execve("/bin/sh", ["/bin/sh", "-c", "false"]'):
        assert request in done.stderr


# --- strangers ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("FROM busybox\nCOPY ../secret /", "../secret lies outside of the build context"),
        ("FROM busybox\nCOPY a/../../secret /", "lies outside"),
        ("FROM busybox\nCOPY missing /", "missing is not in the build context"),
        ("FROM busybox\nCOPY mis* /", "mis* is not in the build context"),
        ("FROM busybox\nCOPY out /", "out is not in the build context"),
        ("FROM busybox\nCOPY dir/up/secret /", "is not in the build context"),
        ("FROM busybox\nCOPY circle/x /", "leads through a circle of symlinks"),
        ("FROM busybox\nCOPY left.log /", ".dockerignore leaves it out"),
        ("FROM busybox\nCOPY deletes /", "'.wh.etc' would delete a file"),
        ("FROM busybox\nCOPY file dir /to", "has to be a directory"),
        ("FROM busybox\nCOPY dir /bin/busybox", "/bin/busybox is no directory in the image"),
        ("FROM busybox\nCOPY file /bin/busybox/", "/bin/busybox is no directory in the image"),
        ("FROM busybox\nCOPY clash /", "/etc is a directory in the image"),
        ("FROM busybox\nCOPY --chown=nobodyhere file /", "no user 'nobodyhere'"),
        ("FROM busybox\nCOPY --chmod=u+x file /", "no mode"),
        ("FROM busybox\nADD bad.tar /", "the tar bad.tar is damaged or hostile"),
        ("FROM busybox\nRUN --network=mars x", "no network 'mars'"),
        ("FROM busybox\nUSER nobodyhere\nRUN x", "line 3 (RUN): no user 'nobodyhere'"),
        ("FROM busybox\nUSER $NOTHING", "its variables are empty"),
        ("FROM busybox\nENV A=${A:?must}", "variable A is not set: must"),
        ("FROM busybox\nEXPOSE 70000", "is no port"),
        ("FROM scratch\nRUN x", "no program in the stage"),
        ("FROM scratch\nENV A=1", "no files"),
        (f"FROM busybox\nWORKDIR /{'x' * 300}", "file name too long"),
        ('FROM busybox\nRUN ["a\\u0000"]', "holds what no argument can"),
        ('FROM busybox\nCMD ["\\ud800"]', "holds what no argument can"),
        ("FROM busybox\nLABEL a=\udcff", "is no text in UTF-8"),
    ],
)
def test_what_cannot_be_built_is_refused_and_nothing_is_stored(
    kernelbox: Kernelbox, context: Path, store: Store, text: str, what: str
) -> None:
    write(context, file="x", dir__file="y", left_dot_log="z", clash__etc="no directory")
    write(context, deletes___dot_wh_dot_etc="", _dot_dockerignore="*.log")
    write(context.parent, secret="secret")
    (context / "out").symlink_to(context.parent / "secret")
    (context / "dir/up").symlink_to("../..")
    (context / "circle").symlink_to("circle")
    with tarfile.open(context / "bad.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo("x/" * 300))
    before = looking.survey(store.path)
    assert what in refusal(kernelbox, context, text)
    assert looking.survey(store.path).keys() == before.keys()


@pytest.mark.parametrize("text", ["FROM {}", "FROM busybox\nCOPY --from={} code /"])
def test_an_image_that_is_not_here_is_pulled(
    kernelbox: Kernelbox, context: Path, store: Store, tmp_path: Path, text: str
) -> None:
    write(context, code="x")
    build(kernelbox, context, "FROM busybox\nCOPY code /")
    with registry(tmp_path) as server:
        name = f"{server.host}/lab/made"
        kernelbox.ok("tag", "made", name)
        kernelbox.ok("push", "-q", name)
        kernelbox.ok("rmi", name, "made")
        (context / "Containerfile").write_text(text.format(name))
        done = kernelbox("build", "-q", "-t", "made", context)
        assert done.returncode == 0
        assert f"Downloaded newer image for {name}:latest" in done.stderr
        assert kernelbox.ok("run", *QUIET, "made", "cat", "/code") == "x"
        (context / "Containerfile").write_text(text.format(f"{server.host}/lab/nosuch"))
        done = kernelbox("build", "-q", "-t", "made", context)
    assert done.returncode == 125
    assert "no image" in done.stderr and "cannot be pulled" in done.stderr


def test_symlinks_of_the_context_are_copied_as_they_are(
    kernelbox: Kernelbox, context: Path, store: Store
) -> None:
    write(context.parent, secret="secret")
    write(context, real__dir__file="x")
    (context / "real/absolute").symlink_to(context.parent / "secret")
    (context / "real/up").symlink_to("../../secret")
    (context / "way").symlink_to("/real/dir")
    os.mkfifo(context / "real/fifo")
    build(kernelbox, context, "FROM scratch\nCOPY real /to\nCOPY way/file /by/")
    to, by = tars(store)
    assert to["to/absolute"].linkname == str(context.parent / "secret")
    assert to["to/up"].linkname == "../../secret"
    assert to["to/fifo"].isfifo()
    assert list(by) == ["by", "by/file"]


TARGETS = st.sampled_from(
    ["a", "b/c", "../b", "../../x", "/a/b", "/", ".", "..", "none/a", "/b/../a", "a/./c", "/c"]
)
PLACES = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map(tuple)


@given(st.dictionaries(PLACES, TARGETS | st.just(""), max_size=6), PLACES)
@settings(deadline=None)
def test_a_path_leads_where_the_kernel_says_it_leads_below_its_root(
    made: dict[tuple[str, ...], str], path: tuple[str, ...]
) -> None:
    with tempfile.TemporaryDirectory() as top:
        for place, target in made.items():
            where = Path(top, *place)
            with contextlib.suppress(OSError):
                where.parent.mkdir(parents=True, exist_ok=True)
                where.symlink_to(target) if target else where.write_text("")
        root = os.open(top, os.O_RDONLY)
        try:
            try:
                fd = syscalls.open_below(root, "/".join(path).encode(), os.O_PATH, entries.IN_ROOT)
            except OSError as error:
                expected: object = error.errno
            else:
                expected = os.readlink(f"/proc/self/fd/{fd}")
                os.close(fd)
            try:
                real, missing = trees.resolve(root, path)
            except UsageError:
                assert expected in (errno.ELOOP, errno.ENOTDIR)
            else:
                found = "/".join((os.path.realpath(top), *real))
                assert expected == (errno.ENOENT if missing else found)
        finally:
            os.close(root)


def test_a_file_that_changes_while_it_is_copied_is_noticed(context: Path) -> None:
    write(context, file="before")
    fd = os.open(context, os.O_RDONLY)
    tree = Tree(fd, "the build context", Ignore(), owned=False)
    (source,) = gathering.gather(tree, "file")
    (context / "file").write_text("after!")
    with pytest.raises(UsageError, match="file changed while it was copied"):
        layers.pack([source.pieces[0].entry._replace(name="file")], io.BytesIO())
    os.close(fd)


def test_a_target_through_the_images_symlinks_stays_in_the_image(
    kernelbox: Kernelbox, context: Path, store: Store, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    write(context, file="x")
    text = f"""FROM busybox
RUN ln -s {outside} /absolute && ln -s ../../../../../../../.. /up && ln -s /var/none /dangling
COPY file /absolute/a/
COPY file /up/b
COPY file /dangling/c
COPY --chown=root file /up/d
WORKDIR /up/w
"""
    build(kernelbox, context, text)
    names = [[one for one in layer if layer[one].isreg()] for layer in tars(store)[2:]]
    assert names == [[f"{outside}/a/file"[1:]], ["b"], ["var/none/c"], ["d"], []]
    assert list(tars(store)[-1]) == ["w"]
    assert list(outside.iterdir()) == []


def test_the_accounts_of_an_image_are_read_in_the_image(
    kernelbox: Kernelbox, context: Path, store: Store, tmp_path: Path
) -> None:
    (tmp_path / "accounts").write_text("stranger:x:4242:4242::/:\n")
    write(context, file="x")
    text = f"FROM busybox\nRUN ln -sf {tmp_path}/accounts /etc/passwd\nCOPY --chown=stranger file /"
    assert "no user 'stranger'" in refusal(kernelbox, context, text)


def test_a_tar_that_climbs_stays_below_its_target(
    kernelbox: Kernelbox, context: Path, store: Store, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    with tarfile.open(context / "climbs.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo("../../../../up"))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, str(outside)
        tar.addfile(link)
        tar.addfile(tarfile.TarInfo(f"{outside}/absolute"))
    build(kernelbox, context, "FROM busybox\nADD climbs.tar /in/")
    layer = tars(store)[1]
    assert {one for one in layer if not layer[one].isdir()} == {
        "in/up", "in/link", f"in{outside}/absolute",
    }  # fmt: skip
    assert list(outside.iterdir()) == []


def test_a_containerfile_may_be_piped_or_have_another_name_but_is_no_fifo(
    kernelbox: Kernelbox, context: Path, store: Store
) -> None:
    text = "FROM busybox\nLABEL by=pipe\n"
    kernelbox.ok("build", "-t", "made", "-f", "-", context, input=text)
    assert config(store)["config"]["Labels"]["by"] == "pipe"
    assert "neither Containerfile nor Dockerfile" in kernelbox.refused("build", context)
    write(context, Dockerfile="FROM busybox\nLABEL by=docker")
    kernelbox.ok("build", "-t", "made", context)
    assert config(store)["config"]["Labels"]["by"] == "docker"
    os.mkfifo(context / "Containerfile")
    assert "no plain file" in kernelbox.refused("build", context)
    assert "no such file" in kernelbox.refused("build", context / "nosuch")
    assert "not a name" in kernelbox.refused("build", "-t", "UPPER", context)


# --- what ends badly ------------------------------------------------------------------------------


def test_a_step_that_fails_names_its_code_and_leaves_nothing(
    kernelbox: Kernelbox, context: Path, store: Store
) -> None:
    text = "FROM busybox\nRUN echo out; echo err >&2; exit 7\nRUN echo never"
    (context / "Containerfile").write_text(text)
    before = looking.survey(store.path)
    for quiet in ((), ("-q",)):
        done = kernelbox("build", *quiet, "--network", "none", "-t", "made", context)
        assert done.returncode == 1
        assert "out\n" in done.stdout + done.stderr
        assert "err\n" in done.stderr
        assert done.stderr.splitlines()[-1].startswith("kernelbox: line 2 (RUN): ")
        assert "ended with exit code 7" in done.stderr
        assert "never" not in done.stdout
    assert looking.survey(store.path).keys() == before.keys()
    assert kernelbox.ok("ps", "-a").count("\n") == 1
    done = kernelbox("build", "-f", "-", context, input='FROM busybox\nRUN ["nosuch"]')
    assert done.returncode == 1
    assert "line 2 (RUN): 'nosuch': executable file not found" in done.stderr


ENDLESS = "FROM busybox\nRUN trap '' INT TERM; touch /begun; while :; do sleep 1; done"


def test_ctrl_c_ends_a_step_whatever_it_does_about_it(
    kernelbox: Kernelbox, context: Path, store: Store
) -> None:
    (context / "Containerfile").write_text(ENDLESS)
    before = looking.survey(store.path)
    with kernelbox.terminal("build", "--network", "none", context) as terminal:
        terminal.read(r"\[2/2\] RUN")
        assert looking.soon(lambda: list(kernelbox.root.glob("containers/*/upper/begun")))
        terminal.interrupt()
        assert terminal.end() == 130
    assert os.listdir(kernelbox.root / "containers") == []
    assert os.listdir(kernelbox.root / "trash") == []
    assert looking.survey(store.path).keys() == before.keys()


STEPS = """FROM busybox AS one
WORKDIR /a/b
COPY . .
RUN cat big big > twice
ADD a.tar /tar/
RUN sleep 0.1
FROM busybox
COPY --from=one /a /tar /to/
"""


def test_a_build_that_is_killed_leaves_nothing_that_the_next_command_keeps(
    tmp_path: Path, context: Path
) -> None:
    box = Sandbox(tmp_path / "root")
    write(context, Containerfile=STEPS, big="x" * 3_000_000)
    (context / "a.tar").write_bytes(small_tar())
    words = ("build", "-t", "made", "--network", "none", str(context))
    begun = time.monotonic()
    box.ok(*words)
    took = time.monotonic() - begun
    chance = random.Random(7)
    for _ in range(15):
        shutil.rmtree(box.root / "images")
        box.ok("images")
        process = box.begin(*words)
        time.sleep(chance.uniform(0, took))
        process.kill()
        process.communicate()
        box.ok("ps")
        box.wait_alone()
        assert box.settled() == []
        assert os.listdir(box.root / "trash") == []
        with Store(str(box.root / "images")).lock():
            pass  # as any command that writes does
        names = [path.name for path in (box.root / "images").rglob(".partial-*")]
        assert names == []
        stored = Store(str(box.root / "images")).layout
        assert set(os.listdir(stored.blobs)) == set(needed(stored))
    box.ok(*words)
    assert box.ok("run", *QUIET, "made", "ls", "/to").split() == ["b", "z"]
    box.reset()


def needed(stored: Layout) -> Iterator[str]:
    """Yield every blob that a name or the build cache leads to."""
    for index in ("index.json", "build-cache.json"):
        for entry in stored.read_index(index)["manifests"]:
            manifest = stored.read_json(entry["digest"])
            yield from (entry["digest"][7:], manifest["config"]["digest"][7:])
            yield from (layer["digest"][7:] for layer in manifest["layers"])


# --- peers ----------------------------------------------------------------------------------------


def test_others_read_what_was_built(
    kernelbox: Kernelbox, context: Path, store: Store, podman: list[str | Path], tmp_path: Path
) -> None:
    write(context, code="x")
    build(kernelbox, context, APP)
    host("skopeo", "copy", f"oci:{store.path}:made:latest", f"oci:{tmp_path}/copy:made")
    said = json.loads(host("skopeo", "inspect", f"oci:{tmp_path}/copy:made"))
    assert len(said["Layers"]) == 5
    assert said["Labels"]["c"] == "two words"
    kernelbox.ok("save", "-o", tmp_path / "made.tar", "made")
    host(*podman, "load", "-q", "-i", tmp_path / "made.tar")
    before = podman_groups()
    limits = ("--ulimit", "nofile=20000:20000", "--ulimit", "nproc=20000:20000")
    plain = ("--cgroup-manager", "cgroupfs", "--runtime", "runc", "run", *QUIET, *limits)
    ran = host(*podman, *plain, "--security-opt", "seccomp=unconfined", "localhost/made")
    for group in podman_groups():
        if group not in before:
            group.rmdir()
    assert ran == "hello world, world\n"
    (shown,) = json.loads(host(*podman, "inspect", "localhost/made"))
    assert shown["Config"]["Entrypoint"] == ["/bin/sh", "-ec", "cat /opt/owned"]
    host("umoci", "unpack", "--image", f"{tmp_path}/copy:made", tmp_path / "bundle")
    assert (tmp_path / "bundle/rootfs/opt/owned").read_text() == "hello world, world\n"


BOTH = """FROM localhost/busybox AS one
COPY . /src
FROM localhost/busybox
ARG V=1
ENV A="v $V" B='$V' C=${V:+x}y
WORKDIR /w/x
COPY . .
COPY --chown=3:4 dir sub* /to/
COPY dir/ /new
COPY dir/file /named
COPY --chmod=711 wild*.txt /wild/
ADD a.tar /tar
COPY --from=one / /all/
COPY --from=one /src/dir /src/dir/file /mixed/
USER 12:34
EXPOSE 80
LABEL x=y "z w"=v
CMD a b
"""


def test_podman_makes_the_same_files_of_the_same_containerfile(
    kernelbox: Kernelbox, context: Path, store: Store, podman: list[str | Path], tmp_path: Path
) -> None:
    write(context, dir__file="x", dir__deep__er="y", sub1__a="1", sub2__b="2", code="c")
    write(context, wild1_dot_txt="1", wild2_dot_txt="2", out_dot_log="no", dir__in_dot_log="no")
    write(context, keep_dot_log="yes", _dot_dockerignore="**/*.log\n!keep.log\na.tarx\n")
    (context / "dir/link").symlink_to("../code")
    (context / "dir/deep/er").chmod(0o751)
    (context / "a.tar").write_bytes(small_tar())
    (tmp_path / "file").write_text(BOTH)
    kernelbox.ok("tag", "busybox", "localhost/busybox")
    saved = tmp_path / "base.tar"
    kernelbox.ok("save", "-o", saved, "localhost/busybox")
    host(*podman, "load", "-q", "-i", saved)
    words = ("build", "-q", "-f", tmp_path / "file", context)
    ours, theirs = kernelbox.ok(*words).strip(), host(*podman, *words).strip()
    archive = ("save", "-q", "--format", "oci-archive", "-o", tmp_path / "theirs.tar", theirs)
    host(*podman, *archive)
    loaded = kernelbox.ok("load", "-q", "-i", tmp_path / "theirs.tar").split()[-1]
    seen = [
        kernelbox.ok("run", *QUIET, "-u", "0", "-w", "/", name, "sh", "-c", LIST).splitlines()
        for name in (ours, loaded)
    ]
    assert len(seen[0]) > 300
    assert seen[0] == seen[1]
    mine, its = (config(store, name)["config"] for name in (ours, loaded))
    for key in ("Env", "Cmd", "User", "WorkingDir", "ExposedPorts"):
        assert mine.get(key) == its.get(key), key
    kernelbox.ok("rmi", "localhost/busybox")


LIST = "find /w /to /new /named /wild /tar /all /mixed -exec stat -c '%A %u:%g %s %n' {} + | sort"
