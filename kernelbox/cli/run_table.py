"""The options of `run`, `create` and `exec`, by what they are about, with words for people.

What they mean is in kernelbox/container/options/run_options.py and the rooms beside it.
"""

from __future__ import annotations

from kernelbox.cgroup import limits
from kernelbox.cli.parser import Command, Option
from kernelbox.container.streams import detach_keys

_DETACH = (Option(("--detach", "-d"), "leave it running in the background", default=False),)
_DETACH_KEYS = (
    Option(("--detach-keys",), "what leaves its terminal", "KEYS", default=detach_keys.USUAL),
)
_STREAMS = (
    Option(("--interactive", "-i"), "keep standard input open", default=False),
    Option(("--tty", "-t"), "give it a terminal", default=False),
)
_PROCESS = (
    Option(("--env", "-e"), "set a variable, or pass one on", "NAME[=VALUE]", default=[]),
    Option(("--env-file",), "set those in a file", "FILE", default=[]),
    Option(("--workdir", "-w"), "working directory inside", "PATH", default=""),
    Option(("--user", "-u"), "user, by name or number", "USER[:GROUP]", default=""),
)
_OBSERVATION = (
    Option(
        ("--trace",),
        "print each request to the kernel as it is made",
        default="",
        stands_for="text",
    ),
    # An option of its own: `--trace IMAGE` must not take the image for a value.
    Option(("--trace=json",), "... as JSON lines", default="", stands_for="json", dest="trace"),
    Option(("--step",), "wait for Enter before each request", default=False),
)
_LIFE = (
    Option(("--name",), "its name", "NAME", default=""),
    Option(("--label", "-l"), "say something of it", "NAME[=VALUE]", default=[]),
    Option(("--cidfile",), "write its id into a new file", "FILE", default=""),
    Option(("--rm",), "remove it when it exits", default=False),
    Option(("--stop-signal",), "what `stop` sends first", "SIGNAL", default=""),
    Option(("--stop-timeout",), "how long `stop` then waits (10)", "SECONDS", convert=int),
    Option(("--init",), "run a small init as PID 1", default=False),
    Option(("--pull",), "fetch the image: missing, always, never", "WHEN", default="missing"),
    Option(("--quiet", "-q"), "say nothing of fetching it", default=False),
)
_HEALTH = (
    Option(
        ("--restart",),
        "start it again by itself: no, on-failure[:N], always",
        "POLICY",
        default="no",
    ),
    Option(("--health-cmd",), "what its shell is asked, whether it works", "LINE", default=""),
    Option(("--health-interval",), "how long between two times (30s)", "TIME", default=""),
    Option(("--health-timeout",), "how long an answer may take (30s)", "TIME", default=""),
    Option(("--health-start-period",), "when failures do not count yet", "TIME", default=""),
    Option(("--health-start-interval",), "between two times in that (5s)", "TIME", default=""),
    Option(("--health-retries",), "failures in a row that count (3)", "N", convert=int),
    Option(("--no-healthcheck",), "do not ask what the image says", default=False),
)
_PROGRAM = (
    Option(("--hostname",), "its hostname; otherwise its id", "NAME", default=""),
    Option(("--group-add",), "a group more, by name or number", "GROUP", default=[]),
    Option(("--ulimit",), "limit its program: nofile=1024:2048", "NAME=SOFT[:HARD]", default=[]),
    Option(("--sysctl",), "a setting of its own namespaces", "NAME=VALUE", default=[]),
    Option(("--entrypoint",), "replace the image's entrypoint", "PROGRAM"),
    Option(("--time-offset",), "a time namespace, so much ahead", "SECONDS", convert=int),
)
_FILES = (
    Option(
        ("--volume", "-v"),
        "show it a directory or file, or a volume",
        "HOST|NAME:INSIDE[:ro]",
        default=[],
    ),
    Option(("--mount",), "the same in words", "type=bind,source=,target=", default=[]),
    Option(("--tmpfs",), "give it memory as a directory", "INSIDE[:size=64m]", default=[]),
    Option(("--shm-size",), "the size of /dev/shm (64m)", "SIZE", default=""),
    Option(("--read-only",), "mount its root read-only", default=False),
    Option(("--device",), "give it a device of the host's", "HOST[:INSIDE][:rwm]", default=[]),
    Option(("--privileged",), "all capabilities and devices, no filter", default=False),
)
_LIMITS = (
    *(
        Option(
            (f"--{one.option.replace('_', '-')}", *([one.letter] if one.letter else [])),
            one.help,
            one.metavar,
            default=[] if one.several else None,
        )
        for one in limits.LIMITS
    ),
    Option(("--oom-score-adj",), "killed last (-1000) to killed first (1000)", "N", convert=int),
    Option(("--cgroup-parent",), "put its control group into this one", "PATH", default=""),
)
_NETWORK = (
    Option(
        ("--network", "--net"),
        "bridge, one of your own, none, host, container:NAME",
        "MODE",
        default="bridge",
    ),
    Option(("--ip",), "its address on a network of your own", "ADDRESS", default=""),
    Option(("--ip6",), "its IPv6 address there", "ADDRESS", default=""),
    Option(("--network-alias",), "what it is called there, too", "NAME", default=[]),
    Option(("--mac-address",), "of its link there", "ADDRESS", default=""),
    Option(("--dns",), "a name server instead of the host's", "ADDRESS", default=[]),
    Option(("--dns-search",), "a domain that names are looked for in", "NAME", default=[]),
    Option(("--add-host",), "a line for its /etc/hosts", "NAME:ADDRESS", default=[]),
    Option(("--network-rate",), "what its link lets pass: 10mbit", "RATE", default=""),
    Option(("--network-delay",), "what each packet waits, each way: 20ms", "TIME", default=""),
    Option(("--network-loss",), "the percentage lost, each way", "PERCENT", default=""),
    Option(("--publish-all", "-P"), "publish what the image exposes", default=False),
    Option(("--publish", "-p"), "publish a port", "[IP:]HOSTPORT:PORT[/tcp|udp]", default=[]),
)
_SECURITY = (
    Option(("--cap-add",), "give it a capability", "NAME", default=[]),
    Option(("--cap-drop",), "take a capability from it", "NAME", default=[]),
    Option(
        ("--security-opt",),
        "seccomp=unconfined, seccomp=FILE, no-new-privileges, apparmor=PROFILE",
        "OPTION",
        default=[],
    ),
    Option(("--userns",), "host, or auto for one of its own", "MODE", default="host"),
)
_RECORDING = (
    Option(
        ("--record-seccomp",), "write a profile of the system calls it makes", "FILE", default=""
    ),
)
_CONTAINER = (
    *_STREAMS,
    *_PROCESS,
    *_LIFE,
    *_HEALTH,
    *_PROGRAM,
    *_FILES,
    *_LIMITS,
    *_NETWORK,
    *_SECURITY,
)
RUN = Command(
    "run",
    "Make a container from an image and run a program in it.",
    (*_DETACH, *_DETACH_KEYS, *_CONTAINER, *_RECORDING, *_OBSERVATION),
    "IMAGE",
)
CREATE = Command(
    "create", "Make a container from an image, to be started later.", _CONTAINER, "IMAGE"
)
EXEC = Command(
    "exec",
    "Run one more program in a running container.",
    (*_DETACH, *_DETACH_KEYS, *_STREAMS, *_PROCESS, *_OBSERVATION),
    "CONTAINER",
)
