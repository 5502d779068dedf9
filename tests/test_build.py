"""Building images: layers, the cache, strangers' contexts, and what ends badly.

What a build has made is read on the disk, in its blobs, and by skopeo and podman; podman also
builds the same Containerfile beside it.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import http.server
import io
import json
import os
import random
import shutil
import socket
import tarfile
import tempfile
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernelbox.build import sources
from kernelbox.build.sources import Tree
from kernelbox.images import entries, layers, trees
from kernelbox.images.containerfile.ignore import Ignore
from kernelbox.images.image import DEFAULT_PATH
from kernelbox.images.layout import Layout
from kernelbox.images.store import Store
from kernelbox.kernel import lookup
from kernelbox.kernel.errors import UsageError
from tests import looking
from tests.bench import podman_groups
from tests.command import Kernelbox
from tests.registries import registry
from tests.sandbox import Sandbox
from tests.test_image_commands import QUIET, host, podman, store
from tests.test_images import entry

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


def test_a_wildcard_that_matches_nothing_is_fine_beside_something_that_is_there(
    kernelbox: Kernelbox, context: Path, store: Store
) -> None:
    """As BuildKit has it: `COPY package.json package-lock.json* ./` without a lock file."""
    write(context, package_dot_json="x")
    build(kernelbox, context, "FROM scratch\nCOPY package.json package-lock.json* *.no ./\n")
    assert list(tars(store)[0]) == ["package.json"]
    refused = refusal(kernelbox, context, "FROM scratch\nCOPY nothing* *.no ./\n")
    assert "nothing* is not in the build context" in refused
    refused = refusal(kernelbox, context, "FROM scratch\nCOPY package.json lock ./\n")
    assert "lock is not in the build context" in refused


def test_several_sources_go_into_a_directory_that_the_image_has(
    kernelbox: Kernelbox, context: Path, store: Store
) -> None:
    """As BuildKit has it, without a slash; and a target of which nothing is left is WORKDIR."""
    write(context, a="x", b="y")
    build(kernelbox, context, "FROM scratch\nWORKDIR /app\nCOPY a b /app\nCOPY a $NOTHING\n")
    assert [set(layer) for layer in tars(store)[1:]] == [
        {"app", "app/a", "app/b"},
        {"app", "app/a"},
    ]
    (context / "a").chmod(0o600)
    (context / "sub").mkdir(mode=0o700)
    build(kernelbox, context, 'FROM scratch\nCOPY --chmod=a+rX,u+s "$NOTHING" /all/\n')
    modes = {name: one.mode for name, one in tars(store)[0].items() if "/" in name}
    assert modes == {"all/a": 0o4644, "all/b": 0o4644, "all/sub": 0o4755}


def test_path_has_a_value_where_the_base_gives_it_none(
    kernelbox: Kernelbox, context: Path, store: Store
) -> None:
    """As BuildKit and buildah have it: the usual one, also in what comes of it."""
    write(context, a="x")
    build(kernelbox, context, "FROM scratch\nENV PATH=/opt/bin:$PATH\nCOPY a /\n")
    [path] = [one for one in config(store)["config"]["Env"] if one.startswith("PATH=")]
    assert path == f"PATH=/opt/bin:{DEFAULT_PATH}"


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


MOUNTS = r"""
FROM busybox AS maker
RUN mkdir /out && echo made > /out/file
FROM busybox
WORKDIR /work
RUN --mount=target=/src --mount=type=bind,from=maker,source=/out,target=/out,rw \
    --mount=source=file,target=one/file \
    cat /src/file one/file /out/file; stat -c %u /src/file; echo new > /out/file; \
    test ! -e /src/left.log && ! touch /src/x 2>/dev/null && echo kept > /work/one/kept
RUN --mount=type=cache,id=c,target=/var/cache/a,uid=1000,mode=0750 \
    echo $STEP >> /var/cache/a/log; cat /var/cache/a/log; stat -c "%u %a" /var/cache/a
RUN --mount=type=tmpfs,target=/new/scratch,size=64k \
    df -k /new/scratch | tail -1 | awk '{print $2}'; echo x > /new/scratch/x
RUN --mount=type=secret,id=s --mount=type=secret,id=s,env=SECRET,target=/etc/s,mode=0440,uid=5 \
    --mount=type=secret,id=v,env=ALONE cat /run/secrets/s /etc/s; stat -c "%u %a" /etc/s; \
    echo $SECRET $ALONE; ! touch /etc/s 2>/dev/null && test ! -e /run/secrets/v
RUN --mount=type=secret,id=none test ! -e /run/secrets/none
RUN --mount=type=ssh,target=/agent test -S $SSH_AUTH_SOCK && echo $SSH_AUTH_SOCK
RUN <<PROGRAM
#!/bin/busybox ash
readlink /proc/$$/exe; echo "$0" > /dev/null
PROGRAM
"""


def test_a_run_sees_what_is_mounted_and_no_layer_holds_it(
    kernelbox: Kernelbox, context: Path, store: Store, tmp_path: Path
) -> None:
    """Docker documentation, "Dockerfile reference", section RUN --mount."""
    write(context, file="context\n", left_dot_log="x", _dot_dockerignore="*.log")
    secret = tmp_path / "secret"
    secret.write_text("a secret\n")
    lent = (
        "--secret",
        f"id=s,src={secret}",
        "--secret",
        "id=v",
        "--ssh",
        f"default={tmp_path}/agent",
    )
    with socket.socket(socket.AF_UNIX) as agent:
        agent.bind(str(tmp_path / "agent"))
        said = build(kernelbox, context, MOUNTS.replace("$STEP", "one"), *lent, env={"v": "alone"})
    lines = [line for line in said.splitlines() if not line.startswith(("[", "Success"))]
    assert lines == [
        "context", "context", "made", "0", "one", "1000 750", "64", "a secret", "a secret",
        "5 440", "a secret alone", "/agent", "/bin/busybox",
    ]  # fmt: skip
    found = tars(store)[1:]
    assert set(found[0]) == {"work"}
    assert set(found[1]) == {"work", "work/one", "work/one/kept"}
    assert [set(layer) for layer in found[2:]] == [set()] * 6  # no mount point, and no secret
    assert "a secret" not in json.dumps(config(store))
    kept = [path.read_bytes() for path in kernelbox.root.rglob("*") if path.is_file()]
    assert not any(b"a secret" in one for one in kept)
    assert list((kernelbox.root / "builds").iterdir()) == []
    write(context, file="changed\n")
    said = build(kernelbox, context, MOUNTS.replace("$STEP", "two"), *lent[:4], env={"v": "alone"})
    assert said.count("changed\n") == 2
    assert "one\ntwo\n1000 750" in said  # the cache has stayed
    kernelbox.ok("prune", "-f")
    assert list((kernelbox.root / "build-cache").iterdir()) == []


def test_triggers_are_carried_out_in_the_build_on_their_image(
    kernelbox: Kernelbox, context: Path, store: Store
) -> None:
    """Docker documentation, "Dockerfile reference", section ONBUILD: once, and in their order."""
    write(context, file="x")
    build(kernelbox, context, "FROM busybox\nONBUILD COPY file /a/\nONBUILD\tRUN cp /a/file /b\n")
    assert config(store)["config"]["OnBuild"] == ["COPY file /a/", "RUN cp /a/file /b"]
    assert len(tars(store)) == 1
    kernelbox.ok("tag", "made", "trigger")
    write(context, file="later")
    build(kernelbox, context, "FROM trigger\nRUN cat /b >> /c\n")
    assert kernelbox.ok("run", *QUIET, "made", "cat", "/a/file", "/b", "/c") == "later" * 3
    assert "OnBuild" not in config(store)["config"]
    script = "FROM trigger\nONBUILD RUN <<-EOF\n\techo again >> /b\n\tEOF\n"
    build(kernelbox, context, script)
    kernelbox.ok("tag", "made", "trigger")
    build(kernelbox, context, "FROM trigger")
    assert kernelbox.ok("run", *QUIET, "made", "cat", "/b") == "lateragain\n"
    (context / "file").unlink()
    build(kernelbox, context, "FROM busybox\nONBUILD COPY file /")
    kernelbox.ok("tag", "made", "trigger")
    assert "line 1 (COPY): file is not in" in refusal(kernelbox, context, "FROM trigger")
    kernelbox.ok("rmi", "trigger")


def test_add_fetches_a_file_that_is_what_it_should_be(
    kernelbox: Kernelbox, context: Path, store: Store, tmp_path: Path
) -> None:
    """Docker documentation, "Dockerfile reference", section ADD: mode 600, the server's time."""
    served = write(tmp_path / "served", file_dot_txt="fetched", a__b="deeper")
    with tarfile.open(served / "x.tar", "w:gz") as tar:
        tar.add(served / "file.txt", "inside")
    os.utime(served / "file.txt", (1_600_000_000, 1_600_000_000))
    handler = partial(QuietHandler, directory=str(served))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        at = f"http://127.0.0.1:{server.server_port}"
        good = f"sha256:{hashlib.sha256(b'fetched').hexdigest()}"
        lines = f"ARG SUM={good}\nADD --checksum=$SUM {at}/file.txt?q=1 /got/\nADD {at}/x.tar /\n"
        more = f"ADD --chmod=644 --chown=1000 {at}/a/b {at}/file.txt /many/\nADD {at}/ /named\n"
        more += f"ADD --unpack --chown=3 {at}/x.tar {at}/file.txt /opened/"
        try:
            build(kernelbox, context, f"FROM scratch\n{lines}{more}")
            bad = f"FROM scratch\nADD --checksum=sha256:{'0' * 64} {at}/file.txt /x"
            assert good in refusal(kernelbox, context, bad)
            assert "the server says 404" in refusal(
                kernelbox, context, f"FROM scratch\nADD {at}/no /x"
            )
            assert "names no file" in refusal(kernelbox, context, f"FROM scratch\nADD {at}/ /x/")
        finally:
            server.shutdown()
    got, packed, many, named, opened = tars(store)
    one = got["got/file.txt"]
    assert (one.mode, one.uid, one.mtime, one.size) == (0o600, 0, 1_600_000_000, 7)
    assert set(packed) == {"x.tar"}  # what is fetched is not unpacked
    for name in ("many/b", "many/file.txt"):
        assert (many[name].mode, many[name].uid) == (0o644, 1000)
    assert "named" in named
    assert set(opened) == {"opened", "opened/inside", "opened/file.txt"}
    assert opened["opened/inside"].uid == 3


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """A server that says nothing."""

    def log_message(self, *_: object) -> None:
        pass


def test_copy_leaves_out_and_keeps_directories_as_it_is_told(
    kernelbox: Kernelbox, context: Path, store: Store
) -> None:
    """Docker documentation, "Dockerfile reference", sections COPY --exclude and COPY --parents."""
    write(context, a__b__c_dot_txt="1", a__b__d_dot_md="2", a__e_dot_md="3", top_dot_txt="4")
    write(context, z__c_dot_txt="5")
    os.link(context / "a/b/d.md", context / "a/b/linked")
    build(kernelbox, context, """FROM scratch
COPY --exclude=*.md --exclude=b/*.md a /one/
COPY --exclude=*.md --exclude=z top.* a/*.md /two/
COPY --parents a/b/c.txt z/*.txt a/b /three/
COPY --parents ./a/./b/c.txt /four/
COPY --parents --exclude=**/*.txt a /five/
""")  # fmt: skip
    one, two, three, four, five = ({name for name in layer} for layer in tars(store))
    assert one == {"one", "one/b", "one/b/c.txt", "one/b/linked"}
    assert two == {"two", "two/top.txt"}
    assert three == {
        "three", "three/a", "three/a/b", "three/a/b/c.txt", "three/a/b/d.md", "three/a/b/linked",
        "three/z", "three/z/c.txt",
    }  # fmt: skip
    assert four == {"four", "four/b", "four/b/c.txt"}
    assert five == {"five", "five/a", "five/a/b", "five/a/b/d.md", "five/a/b/linked", "five/a/e.md"}
    assert tars(store)[0]["one/b/linked"].size == 1  # its first name is left out


def test_an_image_may_have_no_layers(
    kernelbox: Kernelbox, context: Path, store: Store, tmp_path: Path
) -> None:
    """BuildKit, buildah and umoci make one; skopeo and podman take it."""
    build(kernelbox, context, 'FROM scratch\nENV A=1\nCMD ["/a"]\nLABEL b=c\n')
    assert config(store)["rootfs"]["diff_ids"] == []
    kernelbox.ok("save", "made", "-o", tmp_path / "saved.tar")
    kernelbox.ok("rmi", "made")
    assert "made:latest" in kernelbox.ok("load", "-i", tmp_path / "saved.tar")
    assert len(kernelbox.ok("history", "made").splitlines()) == 4
    assert "has no files" in kernelbox.refused("run", *QUIET, "made")
    host("skopeo", "inspect", f"docker-archive:{tmp_path}/saved.tar")
    write(context, file="x")
    kernelbox.ok("tag", "made", "bare")
    build(kernelbox, context, "FROM bare\nCOPY file /\n")
    assert config(store)["config"]["Labels"] == {"b": "c"}
    kernelbox.ok("rmi", "bare")


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
    build(kernelbox, context, f"{text}\nADD --unpack=false a.tar.xz /packed/")
    added, copied, mine, packed = tars(store)
    assert sorted(added) == ["in", "in/b.gz", "in/dir", "in/dir/bz2", "in/dir/gz", "in/dir/xz"]
    one = added["in/dir/xz"]
    assert (one.uid, one.mode, one.mtime) == (5, 0o640, 77)
    assert list(copied) == ["out", "out/a.tar.gz"]
    assert mine["mine/dir/gz"].uid == 3
    assert list(packed) == ["packed", "packed/a.tar.xz"]


def test_a_directory_over_an_images_symlink_goes_where_that_leads(
    kernelbox: Kernelbox, context: Path, store: Store
) -> None:
    """Buildah and BuildKit: /lib of a tar is /usr/lib, where the image has merged them."""
    with tarfile.open(context / "files.tar", "w") as tar:
        for name, kind in (("lib", tarfile.DIRTYPE), ("lib/pkg", tarfile.DIRTYPE)):
            tar.addfile(entry(name, kind))
        tar.addfile(entry("lib/pkg/file"), io.BytesIO())
        tar.addfile(entry("lib/hard", tarfile.LNKTYPE, linkname="lib/pkg/file"))
    write(context, dir__lib__copied="x", dir__away__x="y")
    base = "FROM busybox\nRUN rmdir /lib && ln -s usr/lib /lib && ln -s ../../../out /away\n"
    build(kernelbox, context, f"{base}ADD files.tar /\nCOPY dir/lib /lib\n")
    added, copied = tars(store)[2:]
    assert {"usr/lib/pkg/file", "usr/lib/hard"} <= set(added) and "lib" not in added
    assert added["usr/lib/pkg/file"].linkname == "usr/lib/hard"
    assert "usr/lib/copied" in copied and "lib" not in copied
    assert "is a symlink in the image" in refusal(kernelbox, context, f"{base}COPY dir /\n")


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
        ("FROM busybox\nCOPY --chmod=u+y file /", "line 2 (COPY): --chmod=u+y is no mode"),
        ("FROM busybox\nADD bad.tar /", "the tar bad.tar is damaged or hostile"),
        ("FROM busybox\nRUN --network=mars x", "no network 'mars'"),
        ("FROM busybox\nUSER nobodyhere\nRUN x", "line 3 (RUN): no user 'nobodyhere'"),
        ("FROM busybox\nENV A=${A:?must}", "variable A is not set: must"),
        ("FROM busybox\nEXPOSE 70000", "is no port"),
        ("FROM busybox\nSTOPSIGNAL FROB", "line 2 (STOPSIGNAL): no signal 'FROB'"),
        ("FROM scratch\nRUN x", "no program in the stage"),
        ("FROM busybox\nRUN --mount=target=/x,source=missing x", "missing is not in the build"),
        ("FROM busybox\nRUN --mount=type=secret,id=a,required x", "secret 'a' is required"),
        ("FROM busybox\nRUN --mount=type=ssh,required x", "ssh 'default' is required"),
        ("FROM busybox\nADD http://127.0.0.1:1/x /", "cannot be fetched"),
        ("FROM busybox\nONBUILD FROM x", "it cannot be a trigger"),
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
            with contextlib.suppress(OSError, RuntimeError):
                if not where.parent.resolve().is_relative_to(Path(top).resolve()):
                    continue  # a symlink leads out, to the host's own files
                where.parent.mkdir(parents=True, exist_ok=True)
                where.symlink_to(target) if target else where.write_text("")
        root = os.open(top, os.O_RDONLY)
        try:
            try:
                fd = lookup.open_below(root, "/".join(path).encode(), os.O_PATH, entries.IN_ROOT)
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
    (source,) = sources.gather(tree, "file")
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
        for one in stored.read_index(index)["manifests"]:
            manifest = stored.read_json(one["digest"])
            yield from (one["digest"][7:], manifest["config"]["digest"][7:])
            yield from (layer["digest"][7:] for layer in manifest["layers"])


# --- peers ----------------------------------------------------------------------------------------


def removed(group: Path) -> bool:
    """Remove a control group that is not kernelbox's; say whether nobody was in it any more."""
    with contextlib.suppress(OSError):
        group.rmdir()
    return not group.exists()


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
            assert looking.soon(lambda group=group: removed(group))  # conmon is on its way out
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
