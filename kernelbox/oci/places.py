"""Where the states of containers are, if nobody says `--root`: engines do."""

from __future__ import annotations

import os

from kernelbox.kernel.errors import UsageError

_USUAL = "kernelbox-oci"  # the directory that they are in
_OTHERS_WRITE = 0o022


def usual() -> str:
    """Return where the states of containers are, if nobody says otherwise.

    That is the host's /run, or a user's own.

    Raises:
        UsageError: Others may write there: what is known of a container names hooks to run. Or an
            ordinary user has said of none.

    Source: runc, shouldHonorXDGRuntimeDir(); XDG Base Directory Specification, "Basics".
    """
    own = os.environ.get("XDG_RUNTIME_DIR", "")
    if own.startswith("/") and (os.geteuid() or os.environ.get("USER") != "root"):
        from kernelbox.oci import unprivileged  # not for most of root's

        if unprivileged.is_rootless():
            _check_own(own)
            return f"{own}/{_USUAL}"
    found = f"/run/{_USUAL}"
    if os.geteuid() and not os.access(found, os.W_OK | os.X_OK):
        raise UsageError(
            "XDG_RUNTIME_DIR is not set, and only root's containers are in /run",
            "Name a directory of your own there, as a login does (/run/user/$(id -u)); or say "
            "--root",
        )
    return found


def _check_own(directory: str) -> None:
    try:
        found = os.stat(directory)
    except FileNotFoundError:
        return  # it is made, and ours then
    if found.st_uid != os.geteuid() or found.st_mode & _OTHERS_WRITE:
        raise UsageError(
            f"XDG_RUNTIME_DIR, {directory:.100}, is not yours alone: whoever writes there could "
            "exchange your containers",
            "Name one that is yours, of mode 700; or say --root",
        )
