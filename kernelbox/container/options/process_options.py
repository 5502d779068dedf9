"""The program that a container runs, or that `exec` adds: from an image's config and options."""

from __future__ import annotations

import os

from kernelbox.container import spec
from kernelbox.container.options import option_defaults, option_values
from kernelbox.images.image import DEFAULT_PATH
from kernelbox.kernel.errors import UsageError
from kernelbox.users import capabilities

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from kernelbox.container.option_types import ExecOptions, Rlimit, RunOptions
    from kernelbox.container.options.security_options import Security
    from kernelbox.container.spec import Process


def of(
    given: RunOptions,
    config: dict[str, object],
    hostname: str,
    kept: list[str],
    security: Security,
) -> Process:
    """Return the program of a new container.

    Args:
        given: The options.
        config: Of the image.
        hostname: The container's.
        kept: From `capabilities_of`.
        security: What `--security-opt` asks for.

    Raises:
        UsageError: Neither the options nor the image name a program; or an option cannot be.
    """
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
    env |= _wished(given)
    user = option_values.user(given["user"] or _said(config, "User", ""))
    return spec.Process(
        args=args,
        env=_pairs(env),
        cwd=_absolute(given["workdir"] or _said(config, "WorkingDir", "/")),
        user=user._replace(groups=given["group_add"]),
        capabilities={"bounding": kept, "effective": kept, "permitted": kept},
        terminal=given["tty"],
        oomScoreAdj=option_values.oom_score_adj(given["oom_score_adj"]),
        noNewPrivileges=security.no_new_privileges,
        apparmorProfile=security.apparmor,
        rlimits=_rlimits(given),
    )


def capabilities_of(given: RunOptions) -> list[str]:
    """Return the capabilities that a container keeps, with `CAP_`. Raises UsageError for others."""
    added = ["ALL"] if given["privileged"] else list(given["cap_add"])
    kept = capabilities.choose(added, list(given["cap_drop"]))
    return [f"CAP_{name}" for name in kept]


def compose_exec(own: Process, command: list[str], options: ExecOptions) -> Process:
    """Return one more program for a container whose own is `own`.

    Args:
        own: What differs from it is in `options`; variables are added to its own.
        command: The program and its arguments.
        options: The rest is as in EXEC_DEFAULTS.

    Raises:
        UsageError: No command, or an option that cannot be.
    """
    given = option_defaults.of_exec(options)
    command = option_values.like("command", command, ())
    if not command:
        raise UsageError("no command given", "Write it behind the container: ... sh")
    env = option_values.environment(own.env, {})
    if given["tty"]:
        env["TERM"] = "xterm"
    env |= _wished(given)
    user = option_values.user(given["user"])._replace(groups=own.user.groups)
    return own._replace(
        args=command,
        env=_pairs(env),
        cwd=_absolute(given["workdir"]) if given["workdir"] else own.cwd,
        user=user if given["user"] else own.user,
        terminal=given["tty"],
    )


def _wished(given: RunOptions | ExecOptions) -> dict[str, str]:
    """Return the variables of `--env-file` and of `-e`, which count more."""
    pairs: list[str] = []
    if given["env_file"]:
        from kernelbox.container.options import setting_options  # few have files of them

        pairs += [one for path in given["env_file"] for one in setting_options.variables_in(path)]
    return option_values.environment([*pairs, *given["env"]], os.environ)


def _rlimits(given: RunOptions) -> list[Rlimit]:
    if not given["ulimit"]:
        return []
    from kernelbox.container.options import setting_options  # few have limits of their own

    return setting_options.rlimits(given["ulimit"])


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
