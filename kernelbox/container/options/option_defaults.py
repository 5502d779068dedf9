"""What `run`, `create` and `exec` take, each option with its default, and values brought to that.

The command line has a table of the same names with words for people (kernelbox/cli/run_table.py),
and types have them (option_types.py); a test holds the three together.
"""

from __future__ import annotations

from kernelbox.cgroup import limits
from kernelbox.container.options import option_values
from kernelbox.kernel.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from kernelbox.cgroup.limits import Limit
    from kernelbox.container.option_types import ExecOptions, RunOptions

EXEC_DEFAULTS: ExecOptions = {
    "env": (),
    "workdir": "",
    "user": "",
    "tty": False,
    "interactive": False,
    "env_file": (),
}
# Without the limits, which are in `limits.LIMITS` and have none as a default.
RUN_DEFAULTS: RunOptions = {
    "image": "",
    "command": (),
    "name": "",
    "hostname": "",
    **EXEC_DEFAULTS,  # type: ignore[typeddict-item]  # it might hold limits, mypy thinks
    "group_add": (),
    "ulimit": (),
    "device": (),
    "sysctl": (),
    "volume": (),
    "mount": (),
    "tmpfs": (),
    "shm_size": "",
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
    "privileged": False,
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
    "stop_timeout": None,
    "restart": "no",
    "health_cmd": "",
    "health_interval": "",
    "health_timeout": "",
    "health_start_period": "",
    "health_start_interval": "",
    "health_retries": None,
    "no_healthcheck": False,
    "label": (),
}


def of_run(options: RunOptions) -> RunOptions:
    """Return the options of a new container, complete but for the limits. Errors: see `_plain`."""
    found: RunOptions = {**RUN_DEFAULTS, **_plain(options, RUN_DEFAULTS, limits.LIMITS)}
    return found


def of_exec(options: ExecOptions) -> ExecOptions:
    """Return the options of a program more, complete. Errors: see `_plain`."""
    found: ExecOptions = {**EXEC_DEFAULTS, **_plain(options, EXEC_DEFAULTS)}
    return found


def _plain(
    options: Mapping[str, Any], defaults: Mapping[str, Any], bounds: tuple[Limit, ...] = ()
) -> Any:
    """Return options as their defaults are: texts, lists of texts, truth; what is None is left out.

    Limits are read where they are understood.

    Raises:
        UsageError: There is no such option, or its value is of another kind.
    """
    limited = {one.option for one in bounds}
    known = [*defaults, *limited]
    found = {}
    for name, value in options.items():
        if name not in known:
            raise UsageError(f"no option {name!r}", f"There are: {', '.join(known)}")
        if value is not None:
            found[name] = (
                value if name in limited else option_values.like(name, value, defaults[name])
            )
    return found
