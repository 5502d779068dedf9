"""All that is known about a container, in Docker's words: `inspect`, and the list of `ps`."""

from __future__ import annotations

import time

from kernelbox import cgroup, namespaces, network
from kernelbox.cgroup import applying, limits
from kernelbox.container import state
from kernelbox.container.lifecycle import cleanup
from kernelbox.container.spec import MEMORY
from kernelbox.container.volumes import volume_store
from kernelbox.kernel import lsm, process
from kernelbox.plumbing import paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from kernelbox.container.spec import Mount, Spec
    from kernelbox.container.state import State


def of(container_id: str) -> dict[str, Any]:
    """Return all that is known about a container.

    Raises:
        Damaged: What is stored of it cannot be read.
    """
    return told(state.spec(container_id), state.read(container_id))


def containers(
    report: Callable[[state.Damaged], object], *, every: bool = False
) -> list[tuple[Spec, State]]:
    """Return the containers that run, or all, the youngest first; the dead are buried before.

    Args:
        report: Told of each whose config or state cannot be read; that one is left out.
        every: Whether those that have exited are wanted, too.
    """
    cleanup.sweep()
    found = []
    for one in state.every():
        try:
            config, its = state.config(one), state.read(one)
            if config and (every or its.is_alive or its.status == "running"):
                found.append((state.parse(one, config), its))
        except state.Damaged as error:
            report(error)
    return sorted(found, key=lambda pair: pair[0].kernelbox.created, reverse=True)


def told(spec: Spec, its: State) -> dict[str, Any]:
    """Return all that is known about a container, in Docker's words where it has one.

    Source: Docker Engine API, "Inspect a container".
    """
    own, running = spec.kernelbox, its.status == "running"
    directory = paths.container(spec.id)
    group = cgroup.of(spec.group)
    asked = spec.linux.resources
    killed = its.oom_killed or group.counter("memory.events", "oom_kill") > 0
    return {
        "Id": spec.id,
        "Name": own.name,
        "Created": _timestamp(own.created),
        "Path": spec.process.args[0],
        "Args": spec.process.args[1:],
        "State": {
            "Status": status(spec, its),
            "Running": running or its.status == "restarting",
            "Restarting": its.status == "restarting",
            "Paused": running and group.held(),
            "OOMKilled": killed,
            "Pid": its.pid if running else 0,
            "ExitCode": its.exit_code,
            "Error": its.error,
            "CutOff": its.cut_off,
            "StartedAt": _timestamp(its.started),
            "FinishedAt": _timestamp(its.finished),
            **({"Health": health_of(spec, its)} if own.health else {}),
        },
        "RestartCount": its.restarts,
        "Image": own.image_id,
        "Config": {
            "Image": own.image,
            "Hostname": spec.hostname,
            "User": spec.process.user.username,
            "Env": spec.process.env,
            "WorkingDir": spec.process.cwd,
            "Tty": spec.process.terminal,
            "OpenStdin": own.interactive,
            "Labels": own.labels,
            "StopTimeout": own.stop_timeout,
            "Healthcheck": own.health,
        },
        "HostConfig": {
            "Binds": [
                f"{volume_store.name_of(bind.source) or bind.source}:{bind.destination}:"
                f"{'ro' if bind.read_only else 'rw'}"
                for bind in spec.brought
                if not bind.source.startswith(f"{directory}/") and bind.source != MEMORY
            ],
            "NetworkMode": own.network,
            "PortBindings": list(own.ports),
            **limits.inspection(applying.present(group, asked) if group.exists() else asked),
            "OomScoreAdj": spec.process.oomScoreAdj or 0,
            "CgroupParent": spec.group.rpartition("/")[0],
            "ReadonlyRootfs": spec.root.readonly,
            "UsernsMode": "auto" if spec.has_user_namespace else "host",
            "RestartPolicy": {
                "Name": own.restart.partition(":")[0],
                "MaximumRetryCount": int(own.restart.partition(":")[2] or 0),
            },
            "AutoRemove": own.remove,
            "Init": own.init,
            "Privileged": own.privileged,
            "Ulimits": [
                {
                    "Name": one["type"].removeprefix("RLIMIT_").lower(),
                    "Soft": one["soft"],
                    "Hard": one["hard"],
                }
                for one in spec.process.rlimits
            ],
            "GroupAdd": list(spec.process.user.groups),
            "Sysctls": spec.linux.sysctl,
            "SecurityOpt": _security_options(spec),
            "Capabilities": [
                name.removeprefix("CAP_") for name in spec.process.capabilities["bounding"]
            ],
        },
        "NetworkSettings": {
            "IPAddress": its.address if running else "",
            "Networks": _networks(spec.id) if running else {},
        },
        "GraphDriver": {
            "Name": "overlay",
            "Data": {
                "LowerDir": ":".join(own.lowerdirs),
                "UpperDir": f"{directory}/upper",
                "WorkDir": f"{directory}/work",
            },
        },
        "Mounts": [_mount(one) for one in spec.brought if one.source in mounted(spec)],
        "LogPath": f"{directory}/log",
        "Cgroup": group.inside.directories if running else [],
        "Namespaces": _namespaces(its.pid) if running else {},
        "InForce": _in_force(its.pid) if running else {},
    }


def health_of(spec: Spec, its: State) -> dict[str, Any] | None:
    """Return what is known of a container's health; None if nobody asks, or it does not run."""
    if its.status != "running" or not spec.kernelbox.health:
        return None
    from kernelbox.container.monitor import health  # few are asked

    return health.of(spec.id)


def _mount(one: Mount) -> dict[str, object]:
    """Return a volume or a bind in Docker's words."""
    name = volume_store.name_of(one.source)
    is_bind = one.type == "bind" and not name
    return {
        "Type": "bind" if is_bind else "volume",
        "Name": name,
        "Source": one.source,
        "Destination": one.destination,
        "RW": not one.read_only,
    }


def mounted(spec: Spec) -> list[str]:
    """Return what of the host's a container sees, and its volumes, by their sources."""
    own = f"{paths.container(spec.id)}/"
    return [
        one.source
        for one in spec.brought
        if not one.source.startswith(own) and one.source != MEMORY
    ]


def status(spec: Spec, its: State) -> str:
    """Return where a container is in its life: `created`, `running`, `paused` or `exited`."""
    if its.status == "running" and cgroup.of(spec.group).held():
        return "paused"
    if its.status == "starting" and its.restarts:
        return "restarting"
    if its.status in ("creating", "starting"):
        return "exited" if its.started else "created"
    return its.status


def _networks(container_id: str) -> dict[str, dict[str, object]]:
    return {
        name: {
            "IPAddress": end.address,
            "GlobalIPv6Address": end.address6,
            "MacAddress": end.mac,
            "Aliases": end.names,
        }
        for name, end in network.of_container(container_id).items()
    }


def _security_options(spec: Spec) -> list[str]:
    asked = ["no-new-privileges"] if spec.process.noNewPrivileges else []
    if spec.process.apparmorProfile:
        asked.append(f"apparmor={spec.process.apparmorProfile}")
    return [*asked, f"seccomp={'unconfined' if spec.linux.seccomp is None else 'a profile'}"]


def _in_force(pid: int) -> dict[str, str]:
    """Return what the kernel says that holds its first process."""
    try:
        said = process.status(pid)
    except OSError:
        return {}
    names = ("CapBnd", "CapEff", "NoNewPrivs", "Seccomp", "Seccomp_filters")
    label = lsm.label(pid)
    named = {"Label": label} if label else {}
    return {name: said[name] for name in names if name in said} | named


def _namespaces(pid: int) -> dict[str, int]:
    try:
        return namespaces.of(pid)
    except (FileNotFoundError, ProcessLookupError):  # it has ended since its state was read
        return {}


def _timestamp(seconds: float) -> str:
    if not seconds:
        return ""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
