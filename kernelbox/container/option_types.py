"""What `run` and `exec` take, and parts of a spec, as types: for notebooks and for mypy.

Nobody else imports this: `typing` takes a tenth of a container's start to load. The command line
has its own table of the same names (kernelbox/cli/run_table.py), and a test holds the two together.
"""

from __future__ import annotations

from typing import TypedDict


class ExecOptions(TypedDict, total=False):
    """What `kernelbox exec` takes besides the container and the command.

    Attributes:
        env: `NAME=value`, or `NAME` to pass one on, or a mapping; added to the container's own.
        env_file: Files of such lines, which count less.
        workdir: Working directory inside; empty for the container's own.
        user: `name`, `uid`, `name:group` or `uid:gid`; empty for the container's own.
        tty: Whether it gets a terminal.
        interactive: Whether its standard input stays open.
    """

    env: list[str] | tuple[str, ...] | dict[str, str]
    env_file: list[str] | tuple[str, ...]
    workdir: str
    user: str
    tty: bool
    interactive: bool


class ContainerOptions(ExecOptions, total=False):
    """What `run` takes besides these, in Docker's words; None or empty: the image's, or no wish.

    Attributes:
        name: Of the container; invented without one.
        hostname: Its id without one.
        group_add: More groups of its program, by name or number.
        device: `/dev/fuse[:/dev/inside][:rwm]`: a device of the host's.
        ulimit: `nofile=1024:2048`: limits of its program, soft and hard.
        sysctl: `net.core.somaxconn=1024`: settings of its own namespaces.
        volume: `/on/host:/inside[:ro]`, or `NAME:/inside` for a volume.
        mount: `type=bind,source=/on/host,target=/inside,readonly`; also `tmpfs`.
        tmpfs: `/inside[:size=64m,mode=1777]`: memory.
        shm_size: Of /dev/shm; 64m without one.
        entrypoint: Instead of the image's; empty for none.
        memory: A size such as `64m`, or bytes.
        memory_swap: Memory and swap together; -1 for any amount.
        memory_reservation: Memory that is reclaimed last.
        cpus: Processors, such as 0.5.
        cpu_quota: Microseconds of CPU time a period.
        cpu_period: Microseconds of a period.
        cpu_shares: Weight against others; 1024 is usual.
        cpuset_cpus: The CPUs it may run on, such as `0-2`.
        pids_limit: Processes and threads together.
        blkio_weight: Weight of its disk requests, 10 to 1000.
        device_read_bps: `/dev/sda:1mb`: bytes a second of a disk; and so on.
        device_write_bps: Likewise.
        device_read_iops: `/dev/sda:1000`: requests a second.
        device_write_iops: Likewise.
        oom_score_adj: -1000 to 1000, killed last to killed first.
        cgroup_parent: Its group lies in this one below `/kernelbox`.
        network: `bridge`, one that you have made, `none`, `host` or `container:NAME`.
        ip: Its address there, if you have made it; empty for the next.
        ip6: Its IPv6 address there, likewise.
        network_alias: What it is called there, too.
        mac_address: Of its link there.
        dns: Name servers instead of the host's.
        dns_search: Domains that names are looked for in, instead of the host's.
        add_host: `NAME:ADDRESS` for its /etc/hosts; `host-gateway` is the bridge's address.
        network_rate: What its link there lets pass, such as `10mbit`.
        network_delay: What each packet waits there, each way: `20ms`.
        network_loss: The share of packets lost there, each way: `1%`.
        publish: `[ip:]hostPort:containerPort[/protocol]`.
        publish_all: Whether each port that the image exposes is published, on a free one.
        read_only: Whether its root cannot be written to.
        security_opt: `seccomp=unconfined`, `seccomp=FILE`, `no-new-privileges`, `apparmor=PROFILE`.
        privileged: Whether it has all capabilities and devices of the host's, and no filter.
        cap_add: Capabilities, with or without `CAP_`.
        cap_drop: Likewise.
        init: Whether a small init is PID 1.
        userns: `host`, or `auto` for a user namespace of its own.
        time_offset: Seconds; None for the host's clocks.
        rm: Whether it is removed when it exits.
        stop_signal: Name or number of what `stop` sends first; empty for the image's.
        stop_timeout: Seconds that `stop` waits then; None for the usual ten.
        restart: `no`, `on-failure[:N]`, `always` or `unless-stopped`.
        health_cmd: What is asked in it, by its shell, whether it does its work.
        health_interval: How long between two times, such as `30s`; and so on.
        health_timeout: How long an answer may take.
        health_start_period: How long a failure does not count at first.
        health_start_interval: How long between two times in that period.
        health_retries: How many failures in a row make it unhealthy.
        no_healthcheck: Whether it is not asked what its image says.
        label: `NAME=value`, or a mapping: what is to be said of it.
    """

    name: str
    hostname: str
    group_add: list[str] | tuple[str, ...]
    device: list[str] | tuple[str, ...]
    ulimit: list[str] | tuple[str, ...]
    sysctl: list[str] | tuple[str, ...] | dict[str, str]
    volume: list[str] | tuple[str, ...]
    mount: list[str] | tuple[str, ...]
    tmpfs: list[str] | tuple[str, ...]
    shm_size: str | int
    entrypoint: str | None
    memory: str | int | None
    memory_swap: str | int | None
    memory_reservation: str | int | None
    cpus: float | str | None
    cpu_quota: int | str | None
    cpu_period: int | str | None
    cpu_shares: int | str | None
    cpuset_cpus: str | int | None
    pids_limit: int | str | None
    blkio_weight: int | str | None
    device_read_bps: list[str] | tuple[str, ...] | str
    device_write_bps: list[str] | tuple[str, ...] | str
    device_read_iops: list[str] | tuple[str, ...] | str
    device_write_iops: list[str] | tuple[str, ...] | str
    oom_score_adj: int | None
    cgroup_parent: str
    network: str
    ip: str
    ip6: str
    network_alias: list[str] | tuple[str, ...]
    mac_address: str
    dns: list[str] | tuple[str, ...]
    dns_search: list[str] | tuple[str, ...]
    add_host: list[str] | tuple[str, ...]
    publish: list[str] | tuple[str, ...]
    publish_all: bool
    network_rate: str
    network_delay: str
    network_loss: str
    read_only: bool
    security_opt: list[str] | tuple[str, ...]
    privileged: bool
    cap_add: list[str] | tuple[str, ...]
    cap_drop: list[str] | tuple[str, ...]
    init: bool
    userns: str
    time_offset: int | None
    rm: bool
    stop_signal: str
    stop_timeout: int | None
    restart: str
    health_cmd: str
    health_interval: str
    health_timeout: str
    health_start_period: str
    health_start_interval: str
    health_retries: int | None
    no_healthcheck: bool
    label: list[str] | tuple[str, ...] | dict[str, str]


class RunOptions(ContainerOptions, total=False):
    """All that makes a container.

    Attributes:
        image: Reference of the image.
        command: The program and its arguments.
    """

    image: str
    command: list[str] | tuple[str, ...]


class Healthcheck(TypedDict):
    """A program that is asked in the container, now and then; times are in seconds."""

    test: list[str]  # CMD and its words, or CMD-SHELL and a line
    interval: float
    timeout: float
    start_period: float
    start_interval: float
    retries: int


class Rlimit(TypedDict):
    """A resource limit of a process: `RLIMIT_NOFILE` and so on, as getrlimit(2) has them."""

    type: str
    soft: int
    hard: int
