"""How quickly images are unpacked and started, beside others: the section `images` of tests.bench.

    unpack / tar        a layer of some 200 MB gzipped into a directory, beside `tar -xzf` of it
    unpack / umoci      beside `umoci unpack` of the same image
    load / podman load  from a docker-archive into an empty store
    run, 1 GB / 5 MB    a second container of a large image, beside one of a small image; both have
                        the same program, so that nothing differs but what lies below
    upperdir            what is in the upperdir of a second container while it runs
    diff, commit        of a container of the large image that changed one file, beside one of the
                        small image
    build / podman build   two RUN and a COPY on the small image, without a cache and from it

The first image is Debian's userland, made by mmdebstrap; without a mirror, of what this host has in
/usr. The others are busybox and files of 64 KiB of noise.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from kernelbox.images import assembly, embedded, layers, layout
from kernelbox.images.layers import Entry
from kernelbox.images.store import Store
from kernelbox.plumbing import paths
from tests.command import COMMAND

Measure = Callable[[], float]
Row = Callable[[str, Measure, Measure, int, int], None]

_FILE, _BUSYBOX = 1 << 16, 2 << 20  # bytes
_PACKAGES = "python3,perl,gcc,git,vim-nox,iproute2"
_UNPACK = "import sys; from kernelbox.images import layers; layers.unpack(*sys.argv[1:])"


def measure(directory: Path, row: Row, stack: ExitStack) -> None:
    """Print the rows of images.

    Args:
        directory: For everything that is made; KERNELBOX_ROOT lies in it.
        row: Prints one row: name, A, B, pairs, warm-ups.
        stack: Undoes.
    """
    store = Store(f"{os.environ['KERNELBOX_ROOT']}/images")
    print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.2f}", flush=True)
    builds(directory, row, stack)
    beside_others(directory, store, row, stack)
    large_beside_small(store, row)


def beside_others(directory: Path, store: Store, row: Row, stack: ExitStack) -> None:
    """Print the rows of unpacking and loading."""
    blob = debian(directory)
    add(store, "debian:bench", blob)
    archive = directory / "debian.tar"
    subprocess.run([*COMMAND, "save", "-o", archive, "debian:bench"], check=True)
    print(f"Debian: {blob.stat().st_size >> 20} MiB gzipped, {files_in(store, 'debian:bench')}")
    out = directory / "out"
    ours = timed(out, sys.executable, "-c", _UNPACK, blob, out / "layer")
    row("unpack / tar -xzf", ours, timed(out, "tar", "-C", out, "-xzf", blob), 5, 1)
    image = f"{store.path}:debian:bench"
    theirs = timed(out, "umoci", "unpack", "--image", image, out / "b")
    row("unpack / umoci unpack", ours, theirs, 3, 0)
    podman = ("podman", "--root", out / "root", "--runroot", "/tmp/kernelbox-bench-run")
    stack.callback(shutil.rmtree, "/tmp/kernelbox-bench-run", ignore_errors=True)
    row(
        "load / podman load",
        timed(out, *COMMAND, "load", "-i", archive, KERNELBOX_ROOT=str(out / "kernelbox")),
        timed(out, "unshare", "--mount", *podman, "load", "-q", "-i", archive),
        3,
        0,
    )
    subprocess.run([*COMMAND, "rmi", "debian:bench"], check=True, stdout=subprocess.DEVNULL)
    shutil.rmtree(out, ignore_errors=True)
    archive.unlink()


def large_beside_small(store: Store, row: Row) -> None:
    """Print the rows that should not depend on the size of an image."""
    for name, size in (("large", 1 << 30), ("small", 5 << 20)):
        noise(store, name, size)
        print(f"{name}: {files_in(store, name)}; {upperdir(name)}")
    run = (*COMMAND, "run", "--network", "none")
    row("run, 1 GB / 5 MB", *pair(*run, "--rm", "{}", "true"), 15, 2)
    for name in ("large", "small"):
        command = (*run, "--name", name, name, "sh", "-c", "echo x > /new")
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    row("diff, 1 GB / 5 MB", *pair(*COMMAND, "diff", "{}"), 9, 2)
    row("commit, 1 GB / 5 MB", *pair(*COMMAND, "commit", "{}", "made"), 9, 2)


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


def noise(store: Store, name: str, size: int) -> None:
    """Give the store an image of busybox and so many bytes in files."""
    data = os.urandom(_FILE)
    entries = [
        Entry(f"noise/{number // 1000}/{number}", stat.S_IFREG | 0o644, content=data)
        for number in range((size - _BUSYBOX) // _FILE)
    ]
    config = assembly.empty_config()
    config["config"] = {"Cmd": ["sh"]}
    with store.lock():
        base = store.find(embedded.ensure(store))[1]
        with store.layout.new_blob(layout.LAYER) as blob:
            diff_id = layers.pack(entries, blob)
        for one in (*base.diff_ids, diff_id):
            assembly.add_step(config, one, "bench")
        assembly.new_image(store, name, config, [*base.manifest["layers"], blob.descriptor])


def files_in(store: Store, name: str) -> str:
    """Return how much is in the unpacked layers of an image."""
    found = [
        os.lstat(os.path.join(at, one)).st_size
        for top in store.resolve(name).lowerdirs
        for at, _, files in os.walk(top)
        for one in files
    ]
    return f"{len(found)} files of {sum(found) >> 20} MiB"


def upperdir(image: str) -> str:
    """Return what a second container of an image has in its upperdir, while both run."""
    run = (*COMMAND, "run", "-d", "--network", "none", image, "sleep", "infinity")
    ids = [subprocess.check_output(run, text=True).strip() for _ in range(2)]
    there = [one for _ in os.walk(paths.container(ids[1]) + "/upper") for one in _[1] + _[2]]
    subprocess.run([*COMMAND, "rm", "-f", *ids], check=True, stdout=subprocess.DEVNULL)
    return f"upperdir of a second container: {' '.join(there) or 'empty'}"


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


def pair(*words: str) -> tuple[Measure, Measure]:
    """Measure a command with the large and with the small image or container in place of {}."""

    def measure(name: str) -> float:
        line = [word.replace("{}", name) for word in words]
        began = time.perf_counter()
        subprocess.run(line, capture_output=True, check=True)
        return (time.perf_counter() - began) * 1000

    return lambda: measure("large"), lambda: measure("small")
