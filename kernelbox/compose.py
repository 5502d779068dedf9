"""From an image and a person's options to a `Spec`: what `run` means, before anything is made.

The command line and the notebook both end here, with the same option names and defaults as
Docker's. Whatever can be found wrong without asking the kernel is found wrong here.
"""

from __future__ import annotations

import os
import time

from kernelbox import capabilities, network, paths, spec, state
from kernelbox.images import embedded
from kernelbox.images.index import NoSuchImage
from kernelbox.images.store import Store
from kernelbox.kernel.errors import UsageError
from kernelbox.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kernelbox.images.image import Image
    from kernelbox.spec import Process, Spec


_MOST_KNOWN = 64  # images
_known: dict[str, tuple[tuple[int, ...], Image]] = {}  # by reference, with the store's version


class Options(NamedTuple):
    """What `kernelbox run` takes, in Docker's words; None or empty means the image's or no wish.

    Attributes:
        image: Reference of the image.
        command: The program and its arguments.
        memory: A size such as `64m`.
        cpus: Processors, such as 0.5.
        network: `bridge`, `none`, `host` or `container:NAME`.
        userns: `host` or `auto`.
        time_offset: Seconds; None for the host's clocks.
    """

    image: str
    command: tuple[str, ...] | list[str] = ()
    name: str = ""
    hostname: str = ""
    env: tuple[str, ...] | list[str] = ()
    volume: tuple[str, ...] | list[str] = ()
    workdir: str = ""
    user: str = ""
    entrypoint: str | None = None
    memory: str = ""
    cpus: float | None = None
    cpu_shares: int | None = None
    pids_limit: int | None = None
    network: str = "bridge"
    publish: tuple[str, ...] | list[str] = ()
    read_only: bool = False
    cap_add: tuple[str, ...] | list[str] = ()
    cap_drop: tuple[str, ...] | list[str] = ()
    init: bool = False
    userns: str = "host"
    time_offset: int | None = None
    rm: bool = False
    tty: bool = False
    interactive: bool = False


def compose(options: Options, image: Image | None = None) -> Spec:
    """Return the container that `options` describe, with a fresh id.

    Args:
        options: What is wished.
        image: The image, if it has no name by which the store would find it.

    Raises:
        UsageError: An unknown image, no command, or an option that cannot be.
    """
    image = image or _find(options.image)
    config = image.config
    container_id = os.urandom(6).hex()
    return spec.Spec(
        id=container_id,
        name=spec.container_name(options.name) if options.name else "",
        image=options.image,
        image_id=image.id,
        lowerdirs=image.lowerdirs,
        process=_process(options, config, container_id),
        hostname=spec.hostname(options.hostname) if options.hostname else container_id,
        volumes=tuple(spec.volume(text) for text in options.volume),
        limits=_limits(options),
        network=_network(options),
        ports=tuple(str(network.parse_port(text)) for text in options.publish),
        read_only=options.read_only,
        init=options.init,
        userns=_userns(options),
        time_offset=options.time_offset,
        remove=options.rm,
        stop_signal=_stop_signal(config.get("StopSignal")),
        created=time.time(),
    )


def _find(reference: str) -> Image:
    """Return an image; only when it is not here, look whether the store has all it should have.

    The agent asks for the same one again and again: as long as the store has changed nothing, the
    answer is the same.
    """
    state.prepare()
    store = Store(paths.images())
    version = store.version()
    known = _known.get(reference)
    if known and known[0] == version and all(map(os.path.isdir, known[1].lowerdirs)):
        return known[1]
    try:
        image = store.resolve(reference)
    except NoSuchImage:
        image = image_store().resolve(reference)
    if len(_known) >= _MOST_KNOWN:
        _known.clear()
    _known[reference] = version, image
    return image


def image_store() -> Store:
    """Return this host's image store, with the embedded image in it."""
    state.prepare()
    store = Store(paths.images())
    embedded.ensure(store)
    return store


def _process(options: Options, config: dict[str, object], container_id: str) -> Process:
    entrypoint = _words(config.get("Entrypoint"))
    command = list(options.command) or _words(config.get("Cmd"))
    if options.entrypoint is not None:
        entrypoint = [options.entrypoint] if options.entrypoint else []
        command = list(options.command)
    args = entrypoint + command
    if not args:
        raise UsageError(
            f"no command given, and image {options.image!r} names none",
            f"Write it behind the image: kernelbox run {options.image} sh",
        )
    workdir = options.workdir or str(config.get("WorkingDir") or "/")
    if not workdir.startswith("/"):
        raise UsageError(f"working directory {workdir!r} is not absolute", "Begin it with /")
    env = {"PATH": spec.DEFAULT_PATH, "HOSTNAME": options.hostname or container_id}
    if options.tty:
        env["TERM"] = "xterm"
    env |= spec.environment(_words(config.get("Env")), {})
    env |= spec.environment(list(options.env), os.environ)
    return spec.Process(
        args=args,
        env=env,
        cwd=workdir,
        user=options.user or str(config.get("User") or ""),
        capabilities=capabilities.choose(list(options.cap_add), list(options.cap_drop)),
        terminal=options.tty,
        interactive=options.interactive,
    )


def _words(value: object) -> list[str]:
    return [str(word) for word in value] if isinstance(value, list) else []


def _limits(options: Options) -> spec.Limits:
    return spec.Limits(
        memory=spec.size(options.memory, "--memory") if options.memory else None,
        cpus=options.cpus,
        cpu_shares=options.cpu_shares,
        pids=options.pids_limit,
    )


def _network(options: Options) -> str:
    """Return the network mode; for another container's network, with the pid of its init."""
    mode, _, name = options.network.partition(":")
    if mode == "container" and name:
        owner = state.read(state.find(name))
        if owner.status != "running":
            raise UsageError(
                f"container {name} is not running, so it has no network to share",
                "Start it, or use --network none; see: kernelbox ps -a",
            )
        return f"container:{owner.pid}"
    if options.network not in ("bridge", "none", "host"):
        raise UsageError(
            f"no network {options.network!r}", "Use bridge, none, host or container:NAME"
        )
    if options.publish and options.network != "bridge":
        raise UsageError("ports can be published on the bridge only", "Leave out --network, or -p")
    return options.network


def _userns(options: Options) -> str:
    if options.userns not in ("host", "auto"):
        raise UsageError(f"--userns {options.userns!r} is unknown", "Use auto or host")
    if options.userns == "auto" and options.network not in ("bridge", "none"):
        raise UsageError(
            "a user namespace of its own goes with a network of its own",
            "Use --network bridge or none with --userns auto",
        )
    return options.userns


def _stop_signal(name: object) -> int:
    """Return the number of an image's StopSignal: `SIGQUIT`, `QUIT` or `3`; 15 without one."""
    import signal

    text = str(name or "SIGTERM").upper()
    if text.isdecimal():
        return int(text)
    full = text if text.startswith("SIG") else f"SIG{text}"
    return getattr(signal, full, signal.SIGTERM).value
