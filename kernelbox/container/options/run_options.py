"""From an image and a person's options to a `Spec`: what `run` and `create` mean.

The command line, the notebook and builds all end here, with the same option names and defaults as
Docker's. Nothing is made, and whatever can be found wrong without the kernel is found wrong here.
"""

from __future__ import annotations

import os
import time

from kernelbox import namespaces, network
from kernelbox.cgroup import limits
from kernelbox.container import spec
from kernelbox.container.options import (
    image_lookup,
    mount_options,
    network_options,
    option_defaults,
    option_values,
    process_options,
    security_options,
)
from kernelbox.kernel.errors import UsageError
from kernelbox.root import masks
from kernelbox.users import id_maps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from kernelbox.container.option_types import Healthcheck, RunOptions
    from kernelbox.container.spec import Device, Namespace, Spec
    from kernelbox.images.image import Image

# Of a network that is the container's own: any user may listen on port 80.
# Source: moby, daemon/oci_linux.go, since 20.10.
_SYSCTL = {"net.ipv4.ip_unprivileged_port_start": "0"}
_ALWAYS_NEW = ("pid", "mount", "uts", "ipc", "cgroup")


def compose(options: RunOptions, image: Image | None = None) -> Spec:
    """Return the container that `options` describe, with a fresh id.

    Args:
        options: What is wished; the rest is as in option_defaults.RUN_DEFAULTS, without
            limits.
        image: The image, if it has no name by which the store would find it.

    Raises:
        UsageError: An unknown image, no command, or an option that cannot be.
    """
    given = option_defaults.of_run(options)
    image = image or image_lookup.find(given["image"])
    if not image.lowerdirs:
        raise UsageError(f"image {given['image']!r:.80} has no files", "Build one that COPYs some")
    container_id = os.urandom(6).hex()
    hostname = option_values.hostname(given["hostname"]) if given["hostname"] else container_id
    mode = network_options.mode(given)
    kept = process_options.capabilities_of(given)
    privileged = given["privileged"]
    security = security_options.read(given["security_opt"], kept, privileged=privileged)
    return spec.Spec(
        ociVersion=spec.OCI_VERSION,
        process=process_options.of(given, image.config, hostname, kept, security),
        root=spec.Root(readonly=given["read_only"]),
        hostname=hostname,
        mounts=mount_options.of(given, image.config, container_id),
        linux=_linux(given, mode, container_id)._replace(seccomp=security.seccomp),
        kernelbox=spec.Extra(
            id=container_id,
            name=option_values.checked_name(given["name"]) if given["name"] else "",
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
            privileged=privileged,
            stop_signal=option_values.stop_signal(
                given["stop_signal"], image.config.get("StopSignal")
            ),
            restart=_restart(given),
            health=_health(given, image.config),
            stop_timeout=given["stop_timeout"],
            labels=option_values.labels(given["label"], image.config.get("Labels")),
            created=time.time(),
        ),
    )


def _restart(given: RunOptions) -> str:
    if given["restart"] in ("", "no"):
        return "no"
    from kernelbox.container.options import restarting  # few are wished to live again

    policy = restarting.policy(given["restart"])
    if policy.name != "no" and given["rm"]:
        raise UsageError("what is removed when it exits cannot be restarted", "Leave out --rm")
    return f"{policy.name}:{policy.most}" if policy.most else policy.name


def _health(given: RunOptions, config: dict[str, Any]) -> Healthcheck | None:
    wished = any(value for name, value in given.items() if "health" in name)
    if not wished and not config.get("Healthcheck"):
        return None
    from kernelbox.container.options import health_options  # few are asked how they do

    return health_options.check(given, config.get("Healthcheck"))


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
        if given["privileged"] or given["device"]:
            raise UsageError(
                "a user namespace of its own owns none of the host's devices",
                "Leave out --userns auto; or --privileged and --device",
            )
        kinds.append(spec.Namespace("user"))
        maps = (id_maps.DEFAULT_MAPPING,)
    offsets = {}
    if given["time_offset"] is not None:
        kinds.append(spec.Namespace("time"))
        offsets = {"boottime": {"secs": given["time_offset"]}}
    resources = limits.read(given)
    limits.check(resources)
    own = {namespaces.kind(one.type).proc for one in kinds if not one.path}
    settings = {}
    if given["sysctl"]:
        from kernelbox.container.options import setting_options  # few have settings of their own

        settings = setting_options.sysctl(given["sysctl"], own)
    if "net" in own:
        settings = _SYSCTL | settings
    parent = option_values.cgroup_parent(given["cgroup_parent"])
    return spec.Linux(
        namespaces=tuple(kinds),
        uidMappings=maps,
        gidMappings=maps,
        timeOffsets=offsets,
        cgroupsPath=f"/kernelbox{parent}/{container_id}",
        resources=resources,
        maskedPaths=() if given["privileged"] else masks.MASKED,
        readonlyPaths=() if given["privileged"] else masks.READ_ONLY,
        devices=_devices(given),
        sysctl=settings,
    )


def _devices(given: RunOptions) -> tuple[Device, ...]:
    if not (given["privileged"] or given["device"]):
        return ()
    from kernelbox.container.options import host_devices  # for few containers only

    named = {one.path: one for one in map(host_devices.named, given["device"])}
    others = host_devices.every() if given["privileged"] else ()
    return (*named.values(), *(one for one in others if one.path not in named))


def _network_namespace(mode: str) -> list[Namespace]:
    if mode == "host":
        return []
    return [spec.Namespace("network", network_options.namespace_path(mode))]
