"""What there is on the whole: version, info, system df."""

from __future__ import annotations

import json
import os
import platform

import kernelbox
from kernelbox.cgroup import hierarchy
from kernelbox.cli.actions import chosen
from kernelbox.cli.each import Complaints
from kernelbox.cli.images import in_use
from kernelbox.cli.parser import parser_for
from kernelbox.cli.table import columns, size
from kernelbox.container import inspection, state
from kernelbox.container.options.image_lookup import image_store
from kernelbox.container.volumes import volume_store
from kernelbox.network import definition
from kernelbox.plumbing import paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

_FORMAT = "json, or a template such as '{{.Version}}'"


def command_version(argv: list[str]) -> int:
    """Tell the versions of kernelbox, Python and the kernel."""
    parser = parser_for("version", "Tell the versions of kernelbox, Python and the kernel.")
    parser.add_argument("-f", "--format", default="", metavar="TEMPLATE", help=_FORMAT)
    given = parser.parse_args(argv)
    return _tell(
        {
            "Version": kernelbox.__version__,
            "Python": platform.python_version(),
            "Kernel": os.uname().release,
            "Os": os.uname().sysname.lower(),
            "Arch": os.uname().machine,
        },
        given.format,
    )


def command_info(argv: list[str]) -> int:
    """Tell what there is on this host: containers, images, and what the kernel gives them."""
    parser = parser_for("info", "Tell what there is on this host, and what the kernel gives it.")
    parser.add_argument("-f", "--format", default="", metavar="TEMPLATE", help=_FORMAT)
    given = parser.parse_args(argv)
    state.prepare()
    complaints = Complaints()
    found = [inspection.status(*pair) for pair in inspection.containers(complaints, every=True)]
    status = _tell(
        {
            "Containers": len(found),
            "ContainersRunning": sum(one in ("running", "restarting") for one in found),
            "ContainersPaused": found.count("paused"),
            "ContainersStopped": sum(one in ("created", "exited") for one in found),
            "Images": len({image.id for image in image_store().list(complaints)}),
            "Volumes": len(volume_store.every()),
            "Networks": ["bridge", "none", "host", *definition.every()],
            "Driver": "overlay",
            "DockerRootDir": paths.root(),
            "CgroupVersion": str(hierarchy.find().version),
            "KernelVersion": os.uname().release,
            "OperatingSystem": _system(),
            "OSType": "linux",
            "Architecture": os.uname().machine,
            "NCPU": os.cpu_count(),
            "MemTotal": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
            "Name": os.uname().nodename,
            "ServerVersion": kernelbox.__version__,
        },
        given.format,
    )
    return complaints.tell() or status


def _system() -> str:
    """Return what the host's system calls itself. Source: os-release(5)."""
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    except OSError:
        return "Linux"


def _tell(what: dict[str, Any], form: str) -> int:
    if form == "json":
        print(json.dumps(what))
    elif form:
        from kernelbox.cli import template  # not for who reads it

        print(template.render(form, what))
    else:
        for name, value in what.items():
            shown = ", ".join(value) if isinstance(value, list) else value
            print(f"{name}: {size(value) if name == 'MemTotal' else shown}")
    return 0


def command_system(argv: list[str]) -> int:
    """Tell of the whole: how much of the disk is used, or what `info` tells."""
    action = chosen("system", {"df": _df, "info": command_info}, argv)
    return action(argv[1:]) if action else 0


def _df(argv: list[str]) -> int:
    """Say how much of the disk images, containers, volumes and the build cache use."""
    parser = parser_for(
        "system df", "Say how much of the disk is used, and what could be given back."
    )
    parser.add_argument("--format", choices=["table", "json"], default="table")
    given = parser.parse_args(argv)
    state.prepare()
    complaints = Complaints()
    rows = [_images(), _containers(complaints), _volumes(), _build_cache()]
    if given.format == "json":
        for row in rows:
            print(json.dumps(row))
    else:
        lines = [
            (
                row["Type"], str(row["TotalCount"]), str(row["Active"]), size(row["Size"]),
                f"{size(row['Reclaimable'])} ({100 * row['Reclaimable'] // max(row['Size'], 1)}%)",
            )
            for row in rows
        ]  # fmt: skip
        print(columns([("TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"), *lines]))
    return complaints.tell()


def _row(kind: str, sizes: Iterable[tuple[int, bool]]) -> dict[str, Any]:
    """Return one line, of the size of each thing and whether it is in use."""
    found = list(sizes)
    return {
        "Type": kind,
        "TotalCount": len(found),
        "Active": sum(used for _, used in found),
        "Size": sum(count for count, _ in found),
        "Reclaimable": sum(count for count, used in found if not used),
    }


def _images() -> dict[str, Any]:
    """Return the line of images. Layers that several have count once."""
    store = image_store()
    used = in_use()
    row = _row("Images", [])
    layers: dict[str, bool] = {}
    for image in {one.id: one for one in store.list(lambda _: None)}.values():
        lowerdirs = store.resolve(image.id).lowerdirs
        is_used = not used.isdisjoint(lowerdirs)
        row["TotalCount"] += 1
        row["Active"] += is_used
        for path in lowerdirs:
            layers[path] = layers.get(path, False) or path in used
    sizes = _row("", [(_bytes_below(path), is_used) for path, is_used in layers.items()])
    return {**row, "Size": sizes["Size"], "Reclaimable": sizes["Reclaimable"]}


def _containers(complaints: Complaints) -> dict[str, Any]:
    return _row(
        "Containers",
        [
            (_bytes_below(paths.container(spec.id)), its.is_alive)
            for spec, its in inspection.containers(complaints, every=True)
        ],
    )


def _volumes() -> dict[str, Any]:
    return _row(
        "Local Volumes",
        [
            (_bytes_below(one.data), bool(volume_store.users(one.name)))
            for one in volume_store.every()
        ],
    )


def _build_cache() -> dict[str, Any]:
    try:
        names = os.listdir(paths.build_cache())
    except FileNotFoundError:
        names = []
    return _row(
        "Build Cache", [(_bytes_below(f"{paths.build_cache()}/{one}"), False) for one in names]
    )


def _bytes_below(path: str) -> int:
    """Return what a tree takes of the disk; a file with several names counts once.

    What vanishes meanwhile counts nothing. No link is followed.
    """
    seen: set[tuple[int, int]] = set()
    total = 0
    for directory, _, names in os.walk(path):
        for name in (*names, "."):
            try:
                found = os.lstat(f"{directory}/{name}")
            except OSError:
                continue
            if (found.st_dev, found.st_ino) not in seen:
                seen.add((found.st_dev, found.st_ino))
                total += found.st_blocks * 512
    return total
