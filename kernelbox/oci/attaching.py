"""The mounts of a bundle: each is made where nobody sees it, and then attached below the rootfs.

A mount point is looked up by the kernel below the root, is held by a descriptor, and the mount too:
no link of an image's, and nobody who exchanges a directory meanwhile, can send it elsewhere.

Source: CVE-2019-16884, CVE-2019-19921, CVE-2021-30465; move_mount(2).
"""

from __future__ import annotations

import errno
import os
import stat

from kernelbox import cgroup
from kernelbox.kernel import files, lookup, mounts
from kernelbox.kernel import flags as k
from kernelbox.kernel.errors import KernelError, UsageError
from kernelbox.oci import copying, mount_options, unprivileged
from kernelbox.oci.mount_options import Options
from kernelbox.plumbing.records import NamedTuple
from kernelbox.root import targets
from kernelbox.users import id_maps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kernelbox.cgroup import Hierarchy
    from kernelbox.oci.config import Config, Mount

_DEV = "/dev"
_INSIDE = k.RESOLVE_IN_ROOT | k.RESOLVE_NO_MAGICLINKS
_GUARDED = k.MOUNT_ATTR_RDONLY | k.MOUNT_ATTR_NOSUID | k.MOUNT_ATTR_NODEV | k.MOUNT_ATTR_NOEXEC
_TRUSTED = ("proc", "sysfs")  # what is read and written there later has to be the kernel's
# What lxcfs and its kin may show a program instead. Source: runc, checkProcMount.
_MAY_BE_COVERED = {
    f"/proc/{name}"
    for name in (
        "cpuinfo", "diskstats", "meminfo", "stat", "swaps", "uptime", "loadavg", "slabinfo",
        "net/dev", "sys/kernel/ns_last_pid", "sys/crypto/fips_enabled",
    )
}  # fmt: skip


class Wanted(NamedTuple):
    """A mount of a bundle, made ready on the runtime side.

    Attributes:
        mount: As the bundle has it.
        options: What its words mean.
        source: A bind's, as a detached mount; None for a file system.
        directory: Whether it is one.
    """

    mount: Mount
    options: Options
    source: int | None
    directory: bool


def open_root(path: str, propagation: str) -> int:
    """Return a detached copy of the tree that shall be the container's root.

    Args:
        path: Where it lies.
        propagation: `rootfsPropagation`; a slave alone receives what the host mounts there.

    Raises:
        UsageError: There is no such directory.
        KernelError: EPERM in a mount namespace that the caller has no power over.
    """
    try:
        fd = mounts.open_tree(path, k.AT_RECURSIVE)
    except KernelError as error:
        if error.errno == errno.EPERM:
            raise
        raise UsageError(
            f"there is no root file system {path}: {os.strerror(error.errno).lower()}",
            "root.path is relative to the bundle",
        ) from error
    if not stat.S_ISDIR(os.fstat(fd).st_mode):
        raise UsageError(f"the root file system {path} is no directory", "Name one")
    kind = k.MS_SLAVE if propagation.endswith("slave") else k.MS_PRIVATE
    mounts.mount_setattr(fd, attributes=0, propagation=kind)
    return fd


def prepare(config: Config, bundle: str) -> list[Wanted]:
    """Return the mounts of a bundle, the sources of its binds opened.

    Args:
        config: The container.
        bundle: Directory that relative sources are in.

    Raises:
        UsageError: A source is not there; a word is not to be had.
    """
    return [_prepare(one, config, bundle) for one in config.mounts]


def _prepare(mount: Mount, config: Config, bundle: str) -> Wanted:
    options = mount_options.read(mount.options, mount.type)
    if not options.bind:
        if options.idmap or mount.uidMappings or mount.gidMappings:
            raise UsageError(
                f"the mount at {mount.destination} is no bind, and has no other owners",
                "Leave out idmap, uidMappings and gidMappings",
            )
        if not mount.type:
            raise UsageError(f"the mount at {mount.destination} has no type", "Such as tmpfs")
        return Wanted(mount, options, None, True)
    source = os.path.join(bundle, mount.source)
    try:
        fd = mounts.open_tree(source, k.AT_RECURSIVE if options.recursive else 0)
    except KernelError as error:
        if error.errno == errno.EINVAL and not options.recursive:
            error.hint = "What is mounted below may not be left out in a user namespace: use rbind"
        if error.errno not in (errno.ENOENT, errno.ENOTDIR):
            raise
        raise UsageError(f"bind source {source} does not exist", "Make it first") from error
    _map_owners(fd, mount, options, config)
    # What is mounted in the container stays there, unless it is wished otherwise.
    if not any(kind == k.MS_SHARED for kind, _ in options.propagation):
        mounts.mount_setattr(fd, attributes=0, propagation=k.MS_SLAVE)
    if options.below or options.cleared_below:
        mounts.mount_setattr(fd, attributes=options.below, cleared=options.cleared_below)
    _undress(fd, options, config)
    _dress(fd, options)
    return Wanted(mount, options, fd, stat.S_ISDIR(os.fstat(fd).st_mode))


def _undress(fd: int, options: Options, config: Config) -> None:
    """Take from a bind what its source has and its own options do not name.

    With none named at all, the source's stay. Else they go, as with runc: what is wished is all
    there is. But what the kernel guards in a user namespace, the container's or the caller's, stays
    there: nobody has asked for less. And none of this is about when a file was read.

    Source: runc, mountToRootfs; mount_namespaces(7), "Restrictions on mount namespaces".
    """
    if not (options.attributes or options.cleared):
        return
    gone = k.MOUNT_ATTR_NOSYMFOLLOW | (0 if config.has_user_namespace else _GUARDED)
    for attributes in (gone, gone & ~_GUARDED):
        try:
            mounts.mount_setattr(fd, attributes=0, cleared=attributes, recursive=False)
        except KernelError as refusal:
            if refusal.errno != errno.EPERM:
                raise
        else:
            return


def _map_owners(fd: int, mount: Mount, options: Options, config: Config) -> None:
    """Show the owners of a bind as others: as the mount says, or else as in the container.

    Source: OCI runtime-spec, config.md, "Linux mount options", idmap; mount_setattr(2), "ID-mapped
    mounts".
    """
    if not (options.idmap or mount.uidMappings or mount.gidMappings):
        return
    user = config.namespace("user")
    if user is not None and user.path and not mount.uidMappings:
        userns = os.open(user.path, os.O_RDONLY | os.O_CLOEXEC)
        _apply_maps(fd, userns, options)
        os.close(userns)
        return
    uids = mount.uidMappings or config.uidMappings
    gids = mount.gidMappings or config.gidMappings
    if not (uids and gids):
        raise UsageError(
            f"the mount at {mount.destination} has no maps for its owners",
            "Give it uidMappings and gidMappings, or the container a user namespace",
        )
    with id_maps.namespace(uids, gids) as userns:
        _apply_maps(fd, userns, options)


def _apply_maps(fd: int, userns: int, options: Options) -> None:
    recursive = options.idmap == "ridmap"
    mounts.mount_setattr(fd, attributes=k.MOUNT_ATTR_IDMAP, userns_fd=userns, recursive=recursive)


def _dress(fd: int, options: Options) -> None:
    """Give a mount that nobody sees yet its attributes, and what it passes on."""
    try:
        mounts.mount_setattr(
            fd, attributes=options.attributes, cleared=options.cleared, recursive=False
        )
    except KernelError as refusal:
        raise unprivileged.explain_locked(fd, options.cleared, refusal) from None
    for kind, recursive in options.propagation:
        mounts.mount_setattr(fd, attributes=0, propagation=kind, recursive=recursive)


def attach(wanted: Wanted, root: int, group: cgroup.Cgroup, *, namespaced: bool) -> None:
    """Make one mount of a container, whose namespaces the caller is in.

    Args:
        wanted: The mount.
        root: The container's root, mounted, as a descriptor.
        group: The container's control group.
        namespaced: Whether it has a cgroup namespace.

    Raises:
        UsageError: Its mount point is where nothing may be mounted.
        KernelError: The kernel refuses it.
    """
    mount, options = wanted.mount, wanted.options
    if mount.type == "cgroup" and not options.bind and _has_group_to_show(group, namespaced):
        _attach_cgroup(wanted, root, group, namespaced)
        return
    fd = wanted.source
    if fd is None and mount.type == "cgroup":
        fd = unprivileged.groups_of_host()
    _place(_new(mount.type, mount.source, options) if fd is None else fd, wanted, root)


def _has_group_to_show(group: cgroup.Cgroup, namespaced: bool) -> bool:
    """Whether a group can be shown: its own, or in v2 that which it is in with its maker."""
    return bool(group.directories) or (namespaced and group.host.version == 2)


def _place(fd: int, wanted: Wanted, root: int) -> None:
    mount, options = wanted.mount, wanted.options
    covered = _mode_of(mount.destination, root) if _is_as_it_comes(wanted) else None
    target = targets.open_target(mount.destination, wanted.directory, root)
    try:
        _check(target, wanted, root)
        if covered is not None:
            here = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=fd)
            os.fchmod(here, covered)
            os.close(here)
        if options.copy_up and mount.type == "tmpfs":
            copying.copy(target, fd)
        if wanted.source is None:
            late = k.MOUNT_ATTR_RDONLY if mount.destination == _DEV else 0
            stays = k.MOUNT_ATTR_RDONLY if _is_read_only(fd) else 0  # what stands in for another
            _dress(
                fd,
                options._replace(
                    attributes=options.attributes & ~late, cleared=options.cleared & ~stays
                ),
            )
        mounts.move_mount(fd, target, f"mount ... {mount.destination}")
    finally:
        os.close(target)
        os.close(fd)


def _is_read_only(fd: int) -> bool:
    return bool(os.fstatvfs(fd).f_flag & os.ST_RDONLY)


def _is_as_it_comes(wanted: Wanted) -> bool:
    """Whether it is memory whose root nobody has given a mode."""
    named = any(word.startswith("mode=") for word in wanted.options.data)
    return wanted.mount.type == "tmpfs" and wanted.source is None and not named


def _mode_of(path: str, root: int) -> int | None:
    """Return the mode of what the image has there, which then looks the same; None of nothing.

    Source: runc, "tmpfs mount mode= inherit".
    """
    try:
        there = lookup.openat2(root, path, os.O_PATH, _INSIDE)
    except KernelError:
        return None
    found = stat.S_IMODE(os.fstat(there).st_mode)
    os.close(there)
    return found


def finish_dev(wanted: list[Wanted], root: int) -> None:
    """Make /dev read-only if it is to be: by now it has its nodes and mount points."""
    for one in wanted:
        if one.mount.destination == _DEV and one.source is None and one.options.read_only:
            there = lookup.openat2(root, _DEV, os.O_PATH, _INSIDE)
            mounts.mount_setattr(there, attributes=k.MOUNT_ATTR_RDONLY, recursive=False)
            os.close(there)


def _check(target: int, wanted: Wanted, root: int) -> None:
    mount = wanted.mount
    found = os.fstat(target)
    if os.path.samestat(found, os.fstat(root)):
        raise UsageError(f"{mount.destination} leads to the container's root", "Mount it elsewhere")
    if stat.S_ISDIR(found.st_mode) != wanted.directory:
        kind = "directory" if wanted.directory else "file"
        raise UsageError(f"{mount.destination} in the container is no {kind}", "Mount it elsewhere")
    if mount.type in _TRUSTED and wanted.source is None:
        _check_straight(target, mount.destination, root)
    elif (
        lookup.file_system_of(target) == k.PROC_SUPER_MAGIC
        and mount.destination not in _MAY_BE_COVERED
    ):
        raise UsageError(
            f"{mount.destination} lies in /proc, which has to be the kernel's", "Mount it elsewhere"
        )


def _check_straight(target: int, path: str, root: int) -> None:
    """See to it that no link of the image's leads there. Source: CVE-2019-19921."""
    try:
        straight = lookup.openat2(root, path, os.O_PATH, _INSIDE | k.RESOLVE_NO_SYMLINKS)
    except KernelError as error:
        raise UsageError(f"the image's {path} is a symbolic link", "Use another image") from error
    os.close(straight)


def _new(kind: str, source: str, options: Options) -> int:
    """Make a file system that nobody sees yet; where that is refused, return what stands in."""
    try:
        return _configured(kind, source, options)
    except KernelError as refusal:
        if refusal.errno == errno.EINVAL:
            data = unprivileged.without_unmapped_group(kind, options.data)
            if data != options.data:
                return _configured(kind, source, options._replace(data=data))
        return unprivileged.instead_of(kind, refusal)


def _configured(kind: str, source: str, options: Options) -> int:
    context = mounts.fsopen(kind)
    try:
        if source and kind != "cgroup":
            mounts.fsconfig(context, k.FSCONFIG_SET_STRING, "source", source)
        for flag in options.flags:
            mounts.fsconfig(context, k.FSCONFIG_SET_FLAG, flag)
        for word in options.data:
            key, equals, value = word.partition("=")
            if equals:
                mounts.fsconfig(context, k.FSCONFIG_SET_STRING, key, value)
            else:
                mounts.fsconfig(context, k.FSCONFIG_SET_FLAG, key)
        mounts.fsconfig(context, k.FSCONFIG_CMD_CREATE)
        return mounts.fsmount(context)
    except KernelError as refusal:
        refusal.hint = f"A {kind:.40} cannot be mounted with {','.join(options.data)!s:.100}"
        raise
    finally:
        os.close(context)


def _attach_cgroup(wanted: Wanted, root: int, group: cgroup.Cgroup, namespaced: bool) -> None:
    """Show the container its control group; in v1 in a directory for each hierarchy.

    Source: OCI runtime-spec, config-linux.md, "Control groups"; cgroup_namespaces(7).
    """
    host, options = group.host, wanted.options
    bare = options._replace(data=(), flags=(), propagation=())
    if host.version == 2:
        fd = _new("cgroup2", "cgroup", bare) if namespaced else _group_at(group.directories[0])
        _place(fd, wanted, root)
        return
    below = wanted._replace(options=options._replace(data=("mode=755", "size=64k")))
    cover = _new("tmpfs", "tmpfs", below.options)
    _place(os.dup(cover), below._replace(options=bare._replace(attributes=0, cleared=0)), root)
    for directory, mount in zip(group.directories, _hierarchies(host), strict=True):
        name = mount.rpartition("/")[2]
        fd = _hierarchy(host, mount, bare) if namespaced else _group_at(directory)
        one = wanted.mount._replace(destination=f"{wanted.mount.destination}/{name}")
        files.mkdirat(cover, name)  # at once: looked for from the root, it would be a long way
        _place(fd, wanted._replace(mount=one, options=bare), root)
        for alias in name.split(",") if "," in name else ():
            files.symlinkat(name, cover, alias)
    mounts.mount_setattr(
        cover, attributes=options.attributes, cleared=options.cleared, recursive=False
    )
    os.close(cover)


def _hierarchies(host: Hierarchy) -> list[str]:
    return list(dict.fromkeys(host.mounts.values()))


def _hierarchy(host: Hierarchy, mount: str, options: Options) -> int:
    controllers = [name for name, at in host.mounts.items() if at == mount]
    if controllers == ["cgroup2"]:
        return _new("cgroup2", "cgroup", options)
    words = [word for name in controllers for word in _words(name)]
    return _new("cgroup", "cgroup", options._replace(data=tuple(words)))


def _words(controller: str) -> list[str]:
    return ["none", controller] if controller.startswith("name=") else [controller]


def _group_at(directory: str) -> int:
    return mounts.open_tree(directory, 0)
