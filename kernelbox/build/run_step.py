"""RUN: a container like any other, whose changes are read when its program has ended.

Its layer depends on the program, on the variables that it sees, on its user, working directory and
network, and on nothing else that is known here. Leaves the cache and the layer to stage.py.

Source: Docker documentation, "Dockerfile reference", section RUN.
"""

from __future__ import annotations

import contextlib
import os
import signal

# Loaded before the fork, so that the monitor of each step has it already.
from kernelbox.container.conversation import orders
from kernelbox.container.conversation.front import Front
from kernelbox.container.conversation.monitor_messages import Ended, Exited, Wish
from kernelbox.container.monitor import launch
from kernelbox.container.options import run_options
from kernelbox.images import metadata
from kernelbox.plumbing.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any

    from kernelbox.container.option_types import RunOptions
    from kernelbox.container.spec import Mount, Spec
    from kernelbox.images.containerfile.instructions import Instruction
    from kernelbox.images.image import Image
    from kernelbox.kernel.door import Event
    from kernelbox.plumbing.channel import Channel

    Show = Callable[[Event], None]

Streams = tuple[int, int, int]

# Passed on without an ARG, and no part of any key. Source: "Dockerfile reference", section
# Predefined ARGs.
PROXIES = {
    spelled
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")
    for spelled in (name, name.lower())
}
_NETWORKS = {"default": "bridge", "none": "none", "host": "host"}
_HOSTNAME = "build"  # the same each time: a program may write it into a file


class Wanted(NamedTuple):
    """What a RUN says, and what its program gets from the stage.

    Attributes:
        args: The program with its arguments.
        passed: The ARGs that it sees as variables: those that no ENV replaces.
        network: `bridge`, `none` or `host`.
        script: A here-document that names its interpreter, and is the program; "" if none does.
    """

    args: list[str]
    passed: dict[str, str]
    network: str
    script: str = ""

    def __str__(self) -> str:
        """Say it as an image's history does."""
        said = [f"|{len(self.passed)}", *(f"{key}={value}" for key, value in self.passed.items())]
        program = [self.script.partition("\n")[0]] if self.script else self.args
        return " ".join(["RUN", *(said if self.passed else []), *program])


def read(one: Instruction, config: dict[str, Any], args: Mapping[str, str], network: str) -> Wanted:
    """Return what an instruction says.

    Args:
        one: The instruction.
        config: How the stage's programs are run.
        args: The stage's ARGs that have a value.
        network: The network of a RUN that names none.

    Raises:
        UsageError: It is not right.
    """
    script = _script(one)
    program = [] if script else _program(config, one)
    named = one.flags.get("network", "default")
    if named not in _NETWORKS:
        raise one.error(f"no network {named!r}", "Use default, none or host")
    own = metadata.environment(config)
    passed = {name: value for name, value in args.items() if name not in own}
    network = network if named == "default" else _NETWORKS[named]
    return Wanted(program, passed, network, script)


def key(wanted: Wanted, config: dict[str, Any]) -> tuple[object, ...]:
    """Return what a RUN's layer depends on, besides the layers below it."""
    variables = metadata.environment(config) | wanted.passed
    who = (config.get("User") or "", config.get("WorkingDir") or "/")
    return (wanted.args, sorted(variables.items()), *who, wanted.network, wanted.script)


def container(
    wanted: Wanted,
    image: Image,
    base: str,
    build_args: Mapping[str, str],
    mounts: Sequence[Mount] = (),
    variables: Mapping[str, str] = {},
) -> Spec:
    """Return the container that a RUN is carried out in.

    Args:
        wanted: What is to be run.
        image: What the stage is so far.
        base: What a person calls it.
        build_args: Those of `--build-arg`; of these, proxies are passed on.
        mounts: What is brought to it.
        variables: What it sees of that.

    Raises:
        UsageError: The image's config says something that cannot be.
    """
    proxies = {name: value for name, value in build_args.items() if name in PROXIES}
    options: RunOptions = {
        "image": f"build of {base}",
        "command": wanted.args,
        "entrypoint": "",
        "env": [
            f"{name}={value}" for name, value in {**proxies, **wanted.passed, **variables}.items()
        ],
        "hostname": _HOSTNAME,
        "network": wanted.network,
        "rm": True,
    }
    # What a RUN writes to a volume is the image's all the same, as with BuildKit.
    plain = {name: value for name, value in image.config.items() if name != "Volumes"}
    found = run_options.compose(options, image._replace(config=plain))
    deeper = sorted(mounts, key=lambda one: one.destination.count("/"))
    return found._replace(mounts=(*found.mounts, *deeper))


def _script(one: Instruction) -> str:
    """Return the here-document that is the whole of a RUN, if it begins with `#!`."""
    whole = [doc for doc in one.heredocs if doc.place == (0, len(one.rest))]
    return whole[0].text if whole and whole[0].text.startswith("#!") else ""


def _program(config: dict[str, Any], one: Instruction) -> list[str]:
    """Return the program of a RUN with its arguments.

    Source: Docker documentation, "Dockerfile reference", sections RUN and Here-Documents.
    """
    if not one.heredocs:
        return metadata.command(config, one)
    first = one.heredocs[0]
    if first.place == (0, len(one.rest)):
        script = first.text
    else:
        bodies = [f"{document.text}{document.name}\n" for document in one.heredocs]
        script = "\n".join([one.rest, "".join(bodies)])
    return [*(config.get("Shell") or metadata.SHELL), script]


@contextlib.contextmanager
def ended(container: Spec, streams: Streams, show: Show | None = None) -> Iterator[int]:
    """Run a container to its end; yield its exit code, and remove it when the block ends.

    While the block runs, what the container has changed is in its upperdir. Ctrl-C kills the
    program; should this process be killed, the monitor removes the container.

    Args:
        container: It is to be removed when it ends.
        streams: Descriptors of what its program reads and writes.
        show: Told of each request to the kernel; None if nobody wants to know.

    Raises:
        KernelboxError: It could not be started.
        KeyboardInterrupt: Ctrl-C; the container is gone.
    """
    channel, pid = launch.launch()
    front = StepFront(channel, show)
    try:
        wish = Wish(observed=bool(show), bound=True, read_later=True)
        orders.run(channel, container, wish, streams)
        try:
            code = front.until(Ended).code
        except KeyboardInterrupt:
            # Again and again would not be faster: what is left to do is the monitor's.
            with _uninterrupted():
                front.kill()
                front.until(Ended)
                front.go()
                front.until(Exited)
            raise
        try:
            yield code
        finally:
            with _uninterrupted():
                front.go()
                front.until(Exited)
    finally:
        channel.close()
        with _uninterrupted():
            os.waitpid(pid, 0)


class StepFront(Front):
    """The front of a step: it shows the trace, if somebody wants to see it."""

    def __init__(self, monitor: Channel, show: Show | None) -> None:
        super().__init__(monitor)
        self._show = show

    def made(self, event: Event) -> None:
        """Show a request that was made."""
        if self._show is not None:
            self._show(event)


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
