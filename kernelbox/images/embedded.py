"""The embedded image `busybox:latest`: made on this host, without any network, on first use.

A real OCI image with one layer: Debian's statically linked busybox, a link for each of its
applets, and the few files and empty directories that a root file system needs. On a host without
busybox-static the host's own shell and tools take its place, with their shared libraries. The
label `dev.kernelbox.source` says which. The same busybox gives the same digests anywhere: the
layer is not compressed, and all times are one fixed date.
"""

from __future__ import annotations

import os

from kernelbox.images import layout
from kernelbox.images.image import DEFAULT_PATH

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from kernelbox.images.image import Image
    from kernelbox.images.layers import Entry
    from kernelbox.images.store import Store

REFERENCE = "busybox:latest"
SOURCE = "dev.kernelbox.source"
HOST_TOOLS = "the host's own /bin/sh and tools"

_CREATED, _CREATED_SECONDS = "2024-01-01T00:00:00Z", 1704067200

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "i686": "386", "armv7l": "arm"}
"""uname(2)'s name -> Go's, which the OCI image-spec uses; other machines have one name in both."""

_TOOLS = """
    sh awk basename cat chmod chown cp cut date dd df dirname du echo env false find free grep head
    hostname id ip kill ln ls mkdir mknod mount mv nproc ping printenv printf ps pwd readlink rm
    rmdir sed seq sleep sort stat sync tail tee test timeout touch tr true tty umount uname uniq wc
    which whoami yes
"""

_DIRECTORIES = {
    0o755: ". bin dev etc home lib mnt proc run sys usr usr/lib usr/local usr/local/bin var",
    0o1777: "tmp var/tmp",
    0o700: "root",
}

_LINKS = {"sbin": "bin", "usr/bin": "../bin", "usr/sbin": "../bin", "var/run": "../run"}

_FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n"
    "lab:x:1000:1000:lab:/home/lab:/bin/sh\n"
    "nobody:x:65534:65534:nobody:/nonexistent:/bin/false\n",
    "etc/group": "root:x:0:\ntty:x:5:\nlab:x:1000:\nnogroup:x:65534:\n",
    "etc/hosts": "127.0.0.1\tlocalhost\n::1\tlocalhost\n",
    # Empty: a container's own are mounted over them.
    "etc/hostname": "",
    "etc/resolv.conf": "",
    "etc/os-release": 'NAME="kernelbox"\nID=kernelbox\nPRETTY_NAME="kernelbox embedded image"\n',
}


def ensure(store: Store) -> str:
    """Return the embedded image's name; make the image first if the store lacks it.

    Args:
        store: Where it belongs. Any number of processes may ask at once: one makes it.

    Raises:
        UsageError: The host has no usable shell.
        KernelError: The store cannot be written: ENOSPC, EACCES, EROFS.
    """
    if not store.has(REFERENCE):
        with store.lock():
            if not store.has(REFERENCE):
                build(store)
    return REFERENCE


def build(store: Store, reference: str = REFERENCE, *, host_tools: bool = False) -> Image:
    """Make the embedded image and give it a name.

    Args:
        store: Where it belongs.
        reference: The name.
        host_tools: Whether to use the host's own shell and tools even if there is a busybox.

    Raises:
        UsageError: The host has no usable shell.
        KernelError: The store cannot be written: ENOSPC, EACCES, EROFS.

    Source: OCI image-spec v1.1, config.md and manifest.md.
    """
    from kernelbox.images import layers  # tarfile and hashlib: needed to make an image, once

    busybox = "" if host_tools else find_busybox()
    programs = _busybox_programs(busybox) if busybox else _host_programs()
    source = f"busybox-static {_busybox_version(busybox)}" if busybox else HOST_TOOLS
    with store.lock():
        with store.layout.new_blob(layout.LAYER) as layer:
            diff_id = layers.pack([*_skeleton(), *programs], layer, mtime=_CREATED_SECONDS)
        config = layout.encode(_config(source, diff_id))
        image = layout.manifest(store.layout.write_blob(layout.CONFIG, config), [layer.descriptor])
        manifest = store.layout.write_blob(layout.MANIFEST, layout.encode(image))
        return store.add(reference, manifest)


def find_busybox() -> str:
    """Return the path of the host's statically linked busybox; "" if it has none."""
    from kernelbox.images import elf

    for path in ("/bin/busybox", "/usr/bin/busybox"):
        if os.access(path, os.X_OK) and not elf.interpreter(path):
            return path
    return ""


def _config(source: str, diff_id: str) -> dict[str, Any]:
    machine = os.uname().machine
    return {
        "created": _CREATED,
        "author": "kernelbox",
        "architecture": _ARCHITECTURES.get(machine, machine),
        "os": "linux",
        "config": {
            "Env": [f"PATH={DEFAULT_PATH}"],
            "Cmd": ["sh"],
            "WorkingDir": "/",
            "Labels": {SOURCE: source},
        },
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        "history": [{"created": _CREATED, "created_by": f"kernelbox: {source}"}],
    }


def _skeleton() -> list[Entry]:
    """Return what every root file system has, whatever its programs."""
    import stat

    from kernelbox.images.layers import Entry

    directories = [
        Entry(name, stat.S_IFDIR | mode)
        for mode, names in _DIRECTORIES.items()
        for name in names.split()
    ]
    directories.append(Entry("home/lab", stat.S_IFDIR | 0o755, 1000, 1000))
    links = [Entry(name, stat.S_IFLNK | 0o777, target=to) for name, to in _LINKS.items()]
    files = [
        Entry(name, stat.S_IFREG | 0o644, content=text.encode()) for name, text in _FILES.items()
    ]
    return [*directories, *links, *files]


def _busybox_programs(busybox: str) -> list[Entry]:
    import stat

    from kernelbox.images.layers import Entry

    applets = set(_output(busybox, "--list").split()) - {"busybox"}
    links = [Entry(f"bin/{name}", stat.S_IFLNK | 0o777, target="busybox") for name in applets]
    return [Entry("bin/busybox", stat.S_IFREG | 0o755, content=busybox), *links]


def _busybox_version(busybox: str) -> str:
    # "BusyBox v1.35.0 (Debian 1:1.35.0-4+deb12u1) multi-call binary."
    first = _output(busybox).partition("\n")[0]
    return first.removeprefix("BusyBox v").removesuffix(" multi-call binary.")


def _host_programs() -> list[Entry]:
    """Return the host's tools that there are, each once, and the libraries they load."""
    import shutil
    import stat

    from kernelbox.images import elf
    from kernelbox.images.layers import Entry
    from kernelbox.kernel.errors import UsageError

    entries: list[Entry] = []
    first_name: dict[str, str] = {}
    libraries: set[str] = set()
    for tool in _TOOLS.split():
        path = os.path.realpath(shutil.which(tool, path=DEFAULT_PATH) or "")
        try:
            needed = elf.libraries(path)
        except (UsageError, OSError) as error:
            if tool == "sh":
                raise UsageError(
                    "no program to make the embedded image of", "Install busybox-static"
                ) from error
            continue  # not on this host, or a script
        libraries.update(needed)
        name = first_name.setdefault(path, tool)
        if name == tool:
            entries.append(Entry(f"bin/{tool}", stat.S_IFREG | 0o755, content=path))
        else:  # one program under several names
            entries.append(Entry(f"bin/{tool}", stat.S_IFLNK | 0o777, target=name))
    for library in libraries:
        entries.append(Entry(library.lstrip("/"), stat.S_IFREG | 0o755, content=library))
    return entries


def _output(*command: str) -> str:
    import subprocess  # an image is made once; nothing else here needs to start a program

    # busybox prints its help, with the version, and exits with 1 on some versions.
    return subprocess.run(command, env={}, capture_output=True, text=True, check=False).stdout
