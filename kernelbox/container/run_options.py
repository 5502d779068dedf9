"""From an image and a person's options to a `Spec`: what `run` and `exec` mean.

The command line, the notebook and builds all end here, with the same option names and defaults as
Docker's. Nothing is made, and whatever can be found wrong without the kernel is found wrong here.
"""

from __future__ import annotations

import os
import time

from kernelbox import network
from kernelbox.cgroup import limits
from kernelbox.container import (
    image_lookup,
    network_options,
    option_values,
    security_options,
    spec,
)
from kernelbox.images.image import DEFAULT_PATH
from kernelbox.kernel.errors import UsageError
from kernelbox.plumbing import paths
from kernelbox.root import masks
from kernelbox.users import capabilities, id_maps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from kernelbox.cgroup.limits import Limit
    from kernelbox.container.option_types import ExecOptions, RunOptions
    from kernelbox.container.security_options import Security
    from kernelbox.container.spec import Mount, Namespace, Process, Spec
    from kernelbox.images.image import Image

EXEC_DEFAULTS: ExecOptions = {
    "env": (),
    "workdir": "",
    "user": "",
    "tty": False,
    "interactive": False,
}
# Without the limits, which are in `limits.LIMITS` and have none as a default.
RUN_DEFAULTS: RunOptions = {
    "image": "",
    "command": (),
    "name": "",
    "hostname": "",
    **EXEC_DEFAULTS,  # type: ignore[typeddict-item]  # it might hold limits, mypy thinks
    "volume": (),
    "entrypoint": None,
    "network": "bridge",
    "ip": "",
    "ip6": "",
    "network_alias": (),
    "mac_address": "",
    "dns": (),
    "dns_search": (),
    "add_host": (),
    "network_rate": "",
    "network_delay": "",
    "network_loss": "",
    "publish": (),
    "publish_all": False,
    "read_only": False,
    "cap_add": (),
    "cap_drop": (),
    "security_opt": (),
    "init": False,
    "userns": "host",
    "time_offset": None,
    "oom_score_adj": None,
    "cgroup_parent": "",
    "rm": False,
    "stop_signal": "",
}

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
# Of a network that is the container's own: any user may listen on port 80.
# Source: moby, daemon/oci_linux.go, since 20.10.
_SYSCTL = {"net.ipv4.ip_unprivileged_port_start": "0"}
_ALWAYS_NEW = ("pid", "mount", "uts", "ipc", "cgroup")


def compose(options: RunOptions, image: Image | None = None) -> Spec:
    """Return the container that `options` describe, with a fresh id.

    Args:
        options: What is wished; the rest is as in RUN_DEFAULTS, and without limits.
        image: The image, if it has no name by which the store would find it.

    Raises:
        UsageError: An unknown image, no command, or an option that cannot be.
    """
    given: RunOptions = {**RUN_DEFAULTS, **_plain(options, RUN_DEFAULTS, limits.LIMITS)}
    image = image or image_lookup.find(given["image"])
    if not image.lowerdirs:
        raise UsageError(f"image {given['image']!r:.80} has no files", "Build one that COPYs some")
    container_id = os.urandom(6).hex()
    hostname = option_values.hostname(given["hostname"]) if given["hostname"] else container_id
    mode = network_options.mode(given)
    security = security_options.read(given["security_opt"], _capabilities(given))
    return spec.Spec(
        ociVersion=spec.OCI_VERSION,
        process=_process(given, image.config, hostname, security),
        root=spec.Root(readonly=given["read_only"]),
        hostname=hostname,
        mounts=(*_MOUNTS, *_brought(given, image.config, container_id)),
        linux=_linux(given, mode, container_id)._replace(seccomp=security.seccomp),
        kernelbox=spec.Extra(
            id=container_id,
            name=option_values.container_name(given["name"]) if given["name"] else "",
            image=given["image"],
            image_id=image.id,
            lowerdirs=image.lowerdirs,
            network=mode,
            ip=given["ip"],
            ip6=given["ip6"],
            aliases=[network_options.alias(one) for one in given["network_alias"]],
            mac=network_options.mac(given["mac_address"]),
            dns=[network_options.server(one) for one in given["dns"]],
            dns_search=[network_options.search(one) for one in given["dns_search"]],
            hosts=[network_options.host(one) for one in given["add_host"]],
            shape=network_options.shape(given, mode),
            ports=_ports(given, image.config, mode),
            interactive=given["interactive"],
            init=given["init"],
            remove=given["rm"],
            stop_signal=option_values.stop_signal(
                given["stop_signal"], image.config.get("StopSignal")
            ),
            created=time.time(),
        ),
    )


def _ports(given: RunOptions, config: dict[str, Any], mode: str) -> list[str]:
    """Return what is published: what was wished, and with `-P` what the image exposes, too.

    What holds for all addresses of the host holds for those of IPv6, where the network has any.
    """
    wished = list(given["publish"])
    if given["publish_all"]:
        wished += map(str, config.get("ExposedPorts") or {})
    found = [port for text in wished for port in network.parse_ports(text)]
    if found and network.has_ipv6(mode):
        found = network.on_both(found)
    return list(map(str, found))


def compose_exec(own: Process, command: list[str], options: ExecOptions) -> Process:
    """Return one more program for a container whose own is `own`.

    Args:
        own: What differs from it is in `options`; variables are added to its own.
        command: The program and its arguments.
        options: The rest is as in EXEC_DEFAULTS.

    Raises:
        UsageError: No command, or an option that cannot be.
    """
    given: ExecOptions = {**EXEC_DEFAULTS, **_plain(options, EXEC_DEFAULTS)}
    command = option_values.like("command", command, ())
    if not command:
        raise UsageError("no command given", "Write it behind the container: ... sh")
    env = option_values.environment(own.env, {})
    if given["tty"]:
        env["TERM"] = "xterm"
    env |= option_values.environment(given["env"], os.environ)
    return own._replace(
        args=command,
        env=_pairs(env),
        cwd=_absolute(given["workdir"]) if given["workdir"] else own.cwd,
        user=option_values.user(given["user"]) if given["user"] else own.user,
        terminal=given["tty"],
    )


def _plain(
    options: Mapping[str, Any], defaults: Mapping[str, Any], bounds: tuple[Limit, ...] = ()
) -> Any:
    """Return options as their defaults are: texts, lists of texts, truth; what is None is left out.

    Limits are read where they are understood.
    """
    limited = {one.option for one in bounds}
    known = [*defaults, *limited]
    plain = {}
    for name, value in options.items():
        if name not in known:
            raise UsageError(f"no option {name!r}", f"There are: {', '.join(known)}")
        if value is not None:
            plain[name] = (
                value if name in limited else option_values.like(name, value, defaults[name])
            )
    return plain


def _process(
    given: RunOptions, config: dict[str, object], hostname: str, security: Security
) -> Process:
    entrypoint = _said(config, "Entrypoint", ())
    command = list(given["command"]) or _said(config, "Cmd", ())
    if given["entrypoint"] is not None:
        entrypoint = [given["entrypoint"]] if given["entrypoint"] else []
        command = list(given["command"])
    args = [*entrypoint, *command]
    if not args:
        raise UsageError(
            f"no command given, and image {given['image']!r} names none",
            f"Write it behind the image: kernelbox run {given['image']} sh",
        )
    env = {"PATH": DEFAULT_PATH, "HOSTNAME": hostname}
    if given["tty"]:
        env["TERM"] = "xterm"
    env |= option_values.environment(_said(config, "Env", ()), {})
    env |= option_values.environment(given["env"], os.environ)
    names = _capabilities(given)
    return spec.Process(
        args=args,
        env=_pairs(env),
        cwd=_absolute(given["workdir"] or _said(config, "WorkingDir", "/")),
        user=option_values.user(given["user"] or _said(config, "User", "")),
        capabilities={"bounding": names, "effective": names, "permitted": names},
        terminal=given["tty"],
        oomScoreAdj=option_values.oom_score_adj(given["oom_score_adj"]),
        noNewPrivileges=security.no_new_privileges,
    )


def _capabilities(given: RunOptions) -> list[str]:
    kept = capabilities.choose(list(given["cap_add"]), list(given["cap_drop"]))
    return [f"CAP_{name}" for name in kept]


def _pairs(env: dict[str, str]) -> list[str]:
    return [f"{name}={value}" for name, value in env.items()]


def _said(config: dict[str, object], name: str, default: Any) -> Any:
    """Return what the image says, checked as an option is."""
    value = config.get(name)
    return option_values.like(f"the image's {name}", value, default) if value else default


def _absolute(directory: str) -> str:
    if not directory.startswith("/"):
        raise UsageError(f"working directory {directory!r} is not absolute", "Begin it with /")
    return directory


def _linux(given: RunOptions, mode: str, container_id: str) -> spec.Linux:
    if given["userns"] not in ("host", "auto"):
        raise UsageError(f"--userns {given['userns']!r} is unknown", "Use auto or host")
    kinds = [spec.Namespace(kind) for kind in _ALWAYS_NEW]
    kinds += _network_namespace(mode)
    maps: tuple[id_maps.Mapping, ...] = ()
    if given["userns"] == "auto":
        if mode == "host" or ":" in mode:
            raise UsageError(
                "a user namespace of its own goes with a network of its own",
                "Use --network bridge or none with --userns auto",
            )
        kinds.append(spec.Namespace("user"))
        maps = (id_maps.DEFAULT_MAPPING,)
    offsets = {}
    if given["time_offset"] is not None:
        kinds.append(spec.Namespace("time"))
        offsets = {"boottime": {"secs": given["time_offset"]}}
    resources = limits.read(given)
    limits.check(resources)
    parent = option_values.cgroup_parent(given["cgroup_parent"])
    return spec.Linux(
        namespaces=tuple(kinds),
        uidMappings=maps,
        gidMappings=maps,
        timeOffsets=offsets,
        cgroupsPath=f"/kernelbox{parent}/{container_id}",
        resources=resources,
        maskedPaths=masks.MASKED,
        readonlyPaths=masks.READ_ONLY,
        sysctl={} if mode == "host" or ":" in mode else _SYSCTL,
    )


def _network_namespace(mode: str) -> list[Namespace]:
    if mode == "host":
        return []
    _, _, pid = mode.partition(":")
    return [spec.Namespace("network", f"/proc/{pid}/ns/net" if pid else "")]


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
    volumes = [option_values.volume(text) for text in given["volume"]]
    taken = {os.path.normpath(one.destination) for one in volumes}
    every = [one for one in own if one.destination not in taken] + volumes
    of_image = config.get("Volumes")
    for path in map(str, of_image if isinstance(of_image, dict) else ()):
        if os.path.normpath(path) not in taken:
            every.append(option_values.unnamed_volume(path))
    return sorted(every, key=lambda one: os.path.normpath(one.destination).count("/"))
