"""What a container has mounted: what every one has, files of kernelbox's, and volumes."""

from __future__ import annotations

import os

from kernelbox.cgroup import limit_words
from kernelbox.container import spec
from kernelbox.container.options import network_options
from kernelbox.kernel.errors import UsageError
from kernelbox.plumbing import paths
from kernelbox.users import id_maps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from kernelbox.container.option_types import RunOptions
    from kernelbox.container.spec import Mount

# What every container has mounted. Source: OCI runtime-spec, config-linux.md, "Default
# Filesystems"; moby, oci/defaults.go.
_SAFE = ("nosuid", "nodev", "noexec")
_MOUNTS = (
    spec.Mount("/proc", "proc", "proc", _SAFE),
    spec.Mount("/sys", "sysfs", "sysfs", (*_SAFE, "ro")),
    spec.Mount("/sys/fs/cgroup", "cgroup", "cgroup", (*_SAFE, "ro")),
    spec.Mount("/dev", "tmpfs", "tmpfs", ("nosuid", "noexec", "mode=755", "size=64k")),
    spec.Mount(
        "/dev/pts",
        "devpts",
        "devpts",
        ("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"),
    ),
    spec.Mount("/dev/shm", "tmpfs", "tmpfs", (*_SAFE, "mode=1777", "size=64m")),
    spec.Mount("/dev/mqueue", "mqueue", "mqueue", _SAFE),
)


def of(given: RunOptions, config: dict[str, Any], container_id: str) -> tuple[Mount, ...]:
    """Return all mounts of a new container, in the order of mounting.

    Args:
        given: The options.
        config: Of the image, whose VOLUMEs are among them.
        container_id: The container's.

    Raises:
        UsageError: A volume cannot be.
    """
    size = given["shm_size"] and limit_words.size(given["shm_size"], "--shm-size")
    usual = [
        one._replace(options=(*_SAFE, "mode=1777", f"size={size}"))
        if size and one.destination == "/dev/shm"
        else one
        for one in _MOUNTS
    ]
    every = map(_writable, usual) if given["privileged"] else usual
    return *every, *_brought(given, config, container_id)


def _writable(mount: Mount) -> Mount:
    return mount._replace(options=[one for one in mount.options if one != "ro"])


def _brought(given: RunOptions, config: dict[str, Any], container_id: str) -> list[Mount]:
    """Return what is brought: three files that kernelbox writes, and volumes, the image's, too.

    What lies deeper is mounted later, or a volume at its parent's place would hide it; and a volume
    takes the place of a file of kernelbox's.

    Source: moby, daemon/volumes_unix.go, `sortMounts`.
    """
    directory = paths.container(container_id)
    own = [
        spec.Mount(f"/etc/{name}", "bind", f"{directory}/{name}", ("rbind", "rprivate"))
        for name in ("hostname", "hosts", "resolv.conf")
    ]
    shared = {one.destination: one for one in network_options.shared_files(given["network"])}
    own = [shared.get(one.destination, one) for one in own]
    volumes = _wished(given, config)
    taken = {os.path.normpath(one.destination) for one in volumes}
    every = [one for one in own if one.destination not in taken] + volumes
    return sorted(every, key=lambda one: os.path.normpath(one.destination).count("/"))


def _wished(given: RunOptions, config: dict[str, Any]) -> list[Mount]:
    """Return the volumes: a person's, and those of the image that nobody has wished otherwise."""
    said = config.get("Volumes")
    of_image = list(map(str, said)) if isinstance(said, dict) else []
    if not (given["volume"] or given["mount"] or given["tmpfs"] or of_image):
        return []
    from kernelbox.container.options import mount_values  # not for who has none

    found = [mount_values.volume(text) for text in given["volume"]]
    found += [mount_values.mount(text) for text in given["mount"]]
    found += [mount_values.tmpfs(text) for text in given["tmpfs"]]
    if given["userns"] == "auto":  # memory is mounted from outside, and shall be its root's
        found = [mount_values.owned(one, id_maps.DEFAULT_MAPPING.hostID) for one in found]
    places = [os.path.normpath(one.destination) for one in found]
    if len(set(places)) < len(places):
        twice = next(one for one in places if places.count(one) > 1)
        raise UsageError(f"two things are to be mounted at {twice}", "Leave one of them out")
    return found + [
        mount_values.unnamed_volume(path)
        for path in of_image
        if os.path.normpath(path) not in places
    ]
