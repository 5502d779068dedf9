"""How quickly images are unpacked and started, beside others: the section `images` of tests.bench.

    unpack / tar        a layer of some 200 MB gzipped into a directory, beside `tar -xzf` of it
    unpack / umoci      beside `umoci unpack` of the same image
    load / podman load  from a docker-archive into an empty store
    1 GB / 5 MB         a container of a large image, beside one of a small image
    diff, commit        of a container of the large image that changed one file, beside one of the
                        small image
    build / podman build   two RUN and a COPY on the small image, without a cache and from it

The image is Debian's userland, made by mmdebstrap; without a mirror, of what this host has in /usr.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from kernelbox.images import layout
from kernelbox.images.store import Store
from tests.command import COMMAND

Measure = Callable[[], float]
Row = Callable[[str, Measure, Measure, int, int], None]

_PACKAGES = "python3,perl,gcc,git,vim-nox,iproute2"
_UNPACK = "import sys; from kernelbox.images import layers; layers.unpack(*sys.argv[1:])"


def measure(directory: Path, row: Row, stack: ExitStack) -> None:
    """Print the rows of images.

    Args:
        directory: For everything that is made; KERNELBOX_ROOT lies in it.
        row: Prints one row: name, A, B, pairs, warm-ups.
        stack: Undoes.
    """
    builds(directory, row, stack)
    blob = debian(directory)
    store = Store(f"{os.environ['KERNELBOX_ROOT']}/images")
    add(store, "debian:bench", blob)
    archive = directory / "debian.tar"
    subprocess.run([*COMMAND, "save", "-o", archive, "debian:bench"], check=True)
    print(f"image: {blob.stat().st_size >> 20} MiB gzipped")
    out = directory / "out"
    ours = timed(out, sys.executable, "-c", _UNPACK, blob, out / "layer")
    row("unpack / tar -xzf", ours, timed(out, "tar", "-C", out, "-xzf", blob), 3, 0)
    image = f"{store.path}:debian:bench"
    row(
        "unpack / umoci unpack", ours, timed(out, "umoci", "unpack", "--image", image, out / "b"), 2
    )
    theirs = ("podman", "--root", out / "root", "--runroot", "/tmp/kernelbox-bench-run")
    stack.callback(shutil.rmtree, "/tmp/kernelbox-bench-run", ignore_errors=True)
    row(
        "load / podman load",
        timed(out, *COMMAND, "load", "-i", archive, KERNELBOX_ROOT=str(out / "kernelbox")),
        timed(out, "unshare", "--mount", *theirs, "load", "-q", "-i", archive),
        2,
        0,
    )
    run = (*COMMAND, "run", "--network", "none")
    for name, shell in (("large", "debian:bench"), ("small", "busybox")):
        command = (*run, "--name", name, shell, "sh", "-c", "echo x > /new")
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    row("run, large image / small", *pair(*run, "--rm", "{}", "true"), 5, 2)
    row("diff, large image / small", *pair(*COMMAND, "diff", "{}", of="container"), 5, 2)
    row(
        "commit, large image / small", *pair(*COMMAND, "commit", "{}", "made", of="container"), 5, 2
    )


CONTAINERFILE = """FROM localhost/bench
COPY file /file
RUN echo a > /a
RUN cat /a /file > /b && rm /a
CMD ["cat", "/b"]
"""


def builds(directory: Path, row: Row, stack: ExitStack) -> None:
    """Print the rows of builds, beside podman's (buildah)."""
    context, archive, out = directory / "context", directory / "base.tar", directory / "out"
    context.mkdir()
    (context / "Containerfile").write_text(CONTAINERFILE)
    (context / "file").write_bytes(os.urandom(2 << 20))
    subprocess.run([*COMMAND, "tag", "busybox", "localhost/bench"], check=True)
    subprocess.run([*COMMAND, "save", "-o", archive, "localhost/bench"], check=True)
    short = "/tmp/kernelbox-bench-build"  # podman takes 50 bytes
    stack.callback(shutil.rmtree, short, ignore_errors=True)
    storage = ("--root", f"{short}/root", "--runroot", f"{short}/run")
    theirs = ("unshare", "--mount", "podman", *storage)
    subprocess.run([*theirs, "load", "-q", "-i", archive], stdout=subprocess.DEVNULL, check=True)
    for name, options in (("no cache", ("--no-cache",)), ("all from the cache", ())):
        words = ("build", "-q", *options, "--network", "none", context)
        row(
            f"build, {name} / podman build",
            timed(out, *COMMAND, *words),
            timed(out, *theirs, *words),
            5,
            1,
        )


def debian(directory: Path) -> Path:
    """Return a layer of Debian's userland, gzipped."""
    tar = directory / "layer.tar"
    made = subprocess.run(
        ["mmdebstrap", "--quiet", "--mode=root", "--variant=important", f"--include={_PACKAGES}",
         "bookworm", tar],
        capture_output=True, check=False,
    )  # fmt: skip
    if made.returncode:
        print("mmdebstrap cannot make an image here; /usr takes its place")
        usr = ("--exclude=/usr/share/doc", "/usr/lib", "/usr/bin", "/usr/share", "/bin", "/lib64")
        subprocess.run(["tar", "-cf", tar, *usr], capture_output=True, check=False)
    subprocess.run(["gzip", "-6", tar], check=True)
    return directory / "layer.tar.gz"


def add(store: Store, name: str, blob: Path) -> None:
    """Give the store an image of one layer."""
    unzipped = subprocess.Popen(["gzip", "-dc", blob], stdout=-1)
    summed = subprocess.run(["sha256sum"], stdin=unzipped.stdout, capture_output=True, check=True)
    unzipped.wait()
    with store.lock():
        with store.layout.new_blob(layout.LAYER_GZIP) as layer, open(blob, "rb") as file:
            shutil.copyfileobj(file, layer)
        diff_id = f"sha256:{summed.stdout.split()[0].decode()}"
        config = {"os": "linux", "rootfs": {"type": "layers", "diff_ids": [diff_id]}}
        config["config"] = {"Cmd": ["sh"]}
        described = store.layout.write_blob(layout.CONFIG, layout.encode(config))
        manifest = layout.encode(layout.manifest(described, [layer.descriptor]))
        store.add(name, store.layout.write_blob(layout.MANIFEST, manifest))


def timed(out: Path, *words: str | Path, **environment: str) -> Measure:
    """Measure a command that fills an empty directory; emptying it again does not count."""

    def measure() -> float:
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        began = time.perf_counter()
        done = subprocess.run(words, capture_output=True, env=os.environ | environment, check=False)
        elapsed = time.perf_counter() - began
        if done.returncode:
            raise RuntimeError(f"{words[0]}: {done.stderr.decode().strip()[-200:]}")
        return elapsed * 1000

    return measure


def pair(*words: str, of: str = "image") -> tuple[Measure, Measure]:
    """Measure a command with the large and with the small image or container in place of {}."""
    names = ("debian:bench", "busybox") if of == "image" else ("large", "small")

    def measure(name: str) -> float:
        line = [word.replace("{}", name) for word in words]
        began = time.perf_counter()
        subprocess.run(line, capture_output=True, check=True)
        return (time.perf_counter() - began) * 1000

    return lambda: measure(names[0]), lambda: measure(names[1])
