"""Checks of where we are: Linux at all, inside a container, WSL, and with which privilege."""

from __future__ import annotations

import re

from kernelbox.lab.doctor.findings import Finding
from kernelbox.lab.doctor.host import Host

LAB_VM = "the lab VM (labs-vm/) has all of it"
_ALL_IDS = ["0", "0", "4294967295"]


def linux(host: Host) -> Finding:
    """Is this Linux? Nothing else can be checked where it is not."""
    if host.system == "linux":
        return Finding("linux", "ok", "This is Linux.")
    return Finding(
        "linux",
        "fail",
        f"This is {host.system}; containers are made by the Linux kernel.",
        f"Use a Linux machine; {LAB_VM}.",
    )


def privilege(host: Host) -> Finding:
    """May we make namespaces, mounts and links?

    Source: capabilities(7); user_namespaces(7).
    """
    user = (host.status("Uid").split() or ["?", "?"])[1]
    who = "root" if user == "0" else f"user {user}"
    missing = [f"CAP_{name}" for name in ("SYS_ADMIN", "NET_ADMIN") if not host.capable(name)]
    if missing and user == "0":
        return Finding(
            "privilege",
            "fail",
            f"We are root, but without {' and '.join(missing)}, as in an ordinary container.",
            f"Start that container with --privileged; {LAB_VM}.",
        )
    if missing:
        return Finding(
            "privilege",
            "fail",
            f"We are {who}, without {' and '.join(missing)}: the kernel refuses mounts and links.",
            "Run the same command with sudo, or as root.",
        )
    if host.read("/proc/self/uid_map").split() not in ([], _ALL_IDS):
        return Finding(
            "privilege",
            "warn",
            f"We are {who} of a user namespace: our capabilities end at its border, so cgroups "
            "and some mounts are refused.",
            f"Run as root of the host itself; {LAB_VM}.",
        )
    if not host.capable("SYS_RESOURCE"):
        return Finding(
            "privilege",
            "note",
            f"We are {who}, but without CAP_SYS_RESOURCE: hard limits cannot be raised.",
            "Nothing to do, unless a container asks for more than `ulimit -H -a` shows.",
        )
    return Finding("privilege", "ok", f"We are {who}, with the capabilities that are needed.")


def container(host: Host) -> Finding:
    """Are we inside a container already?

    Source: the files that Docker, Podman and systemd leave; systemd's container interface.
    """
    signs = _signs(host)
    if not signs:
        return Finding("container", "ok", "No sign that we are inside a container.")
    # The bounding set is what sudo could give us: it tells of the container, not of the user.
    if not host.capable("SYS_ADMIN", "NET_ADMIN", among="CapBnd"):
        asks = '"runArgs": ["--privileged"] in .devcontainer/devcontainer.json, then rebuild it'
        return Finding(
            "container",
            "warn",
            f"We are inside a container ({', '.join(signs)}), and not a privileged one.",
            f"Codespaces and dev containers: {asks}. Docker, Podman: run with --privileged.",
        )
    return Finding(
        "container",
        "note",
        f"There are signs of a container around us ({', '.join(signs)}), a privileged one.",
        "Nothing to do, unless a check below fails: what it names belongs to the outer host.",
    )


def _signs(host: Host) -> list[str]:
    signs = []
    if host.environ.get("CODESPACES") == "true":
        signs.append("GitHub Codespaces")
    signs += [name for name in ("/.dockerenv", "/run/.containerenv") if host.exists(name)]
    told = re.search(r"(?:^|\0)container=(\w+)", host.read("/proc/1/environ"))
    if told:
        signs.append(f"container={told[1]}")
    hint = re.search(r"\b(docker|kubepods|containerd|libpod|lxc)\b", host.read("/proc/1/cgroup"))
    if hint:
        signs.append(f"{hint[1]} in /proc/1/cgroup")
    return signs


def wsl(host: Host) -> Finding:
    """Is this the Windows Subsystem for Linux, and which of the two?

    Source: Microsoft's "Advanced settings configuration in WSL".
    """
    release = host.release()
    if "microsoft" not in release.lower():
        return Finding("wsl", "ok", "Not the Windows Subsystem for Linux.")
    if release.endswith("-Microsoft"):
        return Finding(
            "wsl",
            "fail",
            "This is WSL 1, which imitates Linux and has no Linux kernel.",
            "In PowerShell: wsl --set-version DISTRIBUTION 2",
        )
    if any(mount.kind == "cgroup" for mount in host.mounts()):
        return Finding(
            "wsl",
            "note",
            "This is WSL 2 with cgroup v1; newer ones have v2 with all controllers.",
            "In PowerShell: wsl --update, then wsl --shutdown. If v1 stays: kernelCommandLine = "
            "cgroup_no_v1=all under [wsl2] in %UserProfile%\\.wslconfig, then wsl --shutdown.",
        )
    return Finding(
        "wsl",
        "note",
        "This is WSL 2: a real Linux kernel, in a virtual machine of Windows.",
        "Keep KERNELBOX_ROOT off /mnt/c and its kin: Windows disks cannot hold an upperdir.",
    )
