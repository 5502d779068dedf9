"""Checks of what lies under a container: overlay where kernelbox keeps things, disk, memory."""

from __future__ import annotations

import os
import tempfile

from kernelbox.lab.doctor.findings import Finding
from kernelbox.lab.doctor.host import Answer, Host
from kernelbox.plumbing import paths

_MIB = 1 << 20
# File systems without what an upperdir needs: extended attributes, d_type, RENAME_WHITEOUT.
_UNFIT = {"overlay", "aufs", "nfs", "nfs4", "cifs", "smb3", "9p", "vboxsf", "virtiofs", "vfat"}
_UNFIT |= {"exfat", "ntfs", "ntfs3", "fuseblk", "prl_fs", "ecryptfs", "squashfs", "erofs"}
_ELSEWHERE = (
    "Set KERNELBOX_ROOT to a directory on a disk (ext4, xfs, btrfs) or on a tmpfs: "
    "sudo mount -t tmpfs kernelbox /mnt; export KERNELBOX_ROOT=/mnt (and use sudo -E)"
)
# Write, delete, and look for the whiteout: a mount alone may succeed and still be of no use.
_TRIAL = """
mount -t overlay kernelbox -o lowerdir=lower,upperdir=upper,workdir=work merged &&
echo new >merged/new && rm merged/old && test -c upper/old
"""


def overlay(host: Host) -> Finding:
    """Does overlay work, with its upperdir where kernelbox keeps its containers?

    Source: `Documentation/filesystems/overlayfs.rst`.
    """
    place = host.existing(paths.root())
    kind = host.filesystem(place)
    known = "overlay" in host.read("/proc/filesystems").split()
    if not host.capable("SYS_ADMIN"):
        return _overlay_untried(place, kind, known)
    answer = _try_overlay(host, place)
    if answer.code == 0:
        return Finding("overlay", "ok", f"overlay works with its upperdir on {place} ({kind}).")
    # The mount loads the module, so what the kernel knows is asked again.
    if "overlay" not in host.read("/proc/filesystems").split():
        return Finding(
            "overlay",
            "fail",
            "The kernel does not know overlay.",
            "sudo modprobe overlay; without that module, use a kernel with CONFIG_OVERLAY_FS.",
        )
    seen = f"The kernel knows overlay, but an upperdir on {place} ({kind}) fails: {answer.why}"
    if _unfit(kind):
        seen = f"{place} lies on {kind}, which cannot hold an upperdir."
    return Finding("overlay", "fail", seen, _ELSEWHERE)


def _unfit(kind: str) -> bool:
    return kind in _UNFIT or kind.startswith("fuse.")


def _overlay_untried(place: str, kind: str, known: bool) -> Finding:
    if _unfit(kind):
        seen = f"{place} lies on {kind}, which cannot hold an upperdir."
        return Finding("overlay", "warn", seen, _ELSEWHERE)
    state = "The kernel knows overlay" if known else "overlay is not loaded yet"
    return Finding(
        "overlay", "note", f"{state}, {place} lies on {kind}; a mount needs root and was not tried."
    )


def _try_overlay(host: Host, place: str) -> Answer:
    """Mount an overlay in a mount namespace of its own; the mount goes when the namespace does."""
    try:
        with tempfile.TemporaryDirectory(prefix=".doctor-", dir=host.path(place)) as directory:
            for name in ("lower", "upper", "work", "merged"):
                os.mkdir(f"{directory}/{name}")
            with open(f"{directory}/lower/old", "w", encoding="utf-8") as file:
                file.write("old\n")
            command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _TRIAL]
            answer = host.run(command, directory)
            return Answer(answer.code, answer.output.replace(f"{directory}/", ""))
    except OSError as refusal:
        return Answer(1, str(refusal.strerror))


def disk(host: Host) -> Finding:
    """Is there room for images and containers?"""
    place = host.existing(paths.root())
    state = os.statvfs(host.path(place))
    free = state.f_bavail * state.f_frsize
    seen = f"{free // _MIB} MiB are free on {place}"
    cure = "Free some space, or set KERNELBOX_ROOT to a directory on a larger disk."
    if free < 100 * _MIB:
        return Finding("disk", "fail", f"Only {seen}; the labs need 100 MiB at the least.", cure)
    if free < 1024 * _MIB:
        return Finding("disk", "warn", f"{seen}; building images wants 1 GiB.", cure)
    return Finding("disk", "ok", f"More than 1 GiB is free on {place}.")


def memory(host: Host) -> Finding:
    """Is there memory for JupyterLab and a few containers?

    Source: proc_meminfo(5), MemAvailable.
    """
    lines = host.read("/proc/meminfo").splitlines()
    available = next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    if available < 512 * 1024:
        return Finding(
            "memory",
            "warn",
            f"{available // 1024} MiB are available; JupyterLab and the labs want 512 MiB.",
            "Close other programs, or give this machine more memory.",
        )
    return Finding("memory", "ok", "At least 512 MiB are available.")
