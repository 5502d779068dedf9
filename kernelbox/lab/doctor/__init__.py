"""The doctor: checks whether the labs can run on this host, and says what is missing.

    findings.py   what is said, and how it is shown
    host.py       where facts come from
    place.py      Linux, privilege, inside a container, WSL
    features.py   kernel version, system calls, namespaces, seccomp, pressure
    cgroups.py    cgroup versions and controllers
    disk.py       overlay, disk, memory
    network.py    nft, links, macvlan, shaping, forwarding, the port of JupyterLab
    tools.py      Python, busybox, tini, what the tests use

It changes nothing: what must be tried is tried in namespaces that end with the trial. What a
crashed run left behind is the business of `kernelbox reset`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Callable

from kernelbox.lab.doctor.cgroups import cgroup
from kernelbox.lab.doctor.disk import disk, memory, overlay
from kernelbox.lab.doctor.features import (
    kernel,
    namespaces,
    pressure,
    requests,
    seccomp,
    user_namespaces,
)
from kernelbox.lab.doctor.findings import Finding, Report, as_json, render, verdict
from kernelbox.lab.doctor.host import Answer, Host
from kernelbox.lab.doctor.network import forwarding, links, macvlan, nft, port, shaping
from kernelbox.lab.doctor.place import container, linux, privilege, wsl
from kernelbox.lab.doctor.tools import busybox, comparison, python, tini

__all__ = [
    "CHECKS", "Answer", "Finding", "Host", "Report",
    "as_json", "examine", "main", "render", "report", "verdict",
]  # fmt: skip

CHECKS: tuple[Callable[[Host], Finding], ...] = (
    linux, python, privilege, container, wsl,
    kernel, requests, namespaces, user_namespaces, seccomp,
    cgroup, pressure, overlay, disk, memory,
    nft, links, macvlan, shaping, forwarding, port,
    busybox, tini, comparison,
)  # fmt: skip


def examine(
    host: Host | None = None, checks: tuple[Callable[[Host], Finding], ...] = CHECKS
) -> list[Finding]:
    """Run the checks and return what each found; on another system than Linux only the first two.

    Args:
        host: The machine to look at; None for this one.
        checks: The checks, in the order of their findings.
    """
    host = host or Host()
    return [_tried(check, host) for check in (checks if host.system == "linux" else checks[:2])]


def _tried(check: Callable[[Host], Finding], host: Host) -> Finding:
    # A host can be odd in ways nobody thought of; one check that trips must not hide the others.
    try:
        return check(host)
    except Exception as error:
        return Finding(
            check.__name__.replace("_", " "),
            "warn",
            f"This could not be checked: {type(error).__name__}: {error}",
            "Please report it, with the output of `kernelbox doctor --json`.",
        )


def report(host: Host | None = None) -> Report:
    """Examine the host and return a `Report`, which a notebook shows as a table."""
    return Report(tuple(examine(host)))


def main(argv: list[str]) -> int:
    """Run `kernelbox doctor [--json]`; return 0 if the labs can run here, 1 if they cannot."""
    parser = argparse.ArgumentParser(
        prog="kernelbox doctor", description="Check whether the labs can run on this host."
    )
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    options = parser.parse_args(argv)
    found = report()
    if options.json:
        print(as_json(found.findings))
    else:
        color = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        width = min(shutil.get_terminal_size((100, 24)).columns, 120)
        print(render(found.findings, color, width))
    return 0 if found.ready else 1
