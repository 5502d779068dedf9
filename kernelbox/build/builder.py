"""A build from a directory to an image: the Containerfile, its stages in their order, the name.

Mistakes that can be found without running anything are found before the first step. On the way only
complete layers are stored, each under its key in the build cache; an image gets its name when all
is done.

Source: Docker documentation, "docker buildx build" and "Build context".
"""

from __future__ import annotations

import contextlib
import os
import stat

from kernelbox.build import run_step, stage
from kernelbox.build.brought import Lent
from kernelbox.build.sources import Tree
from kernelbox.build.stack import Stack
from kernelbox.images import assembly, bounds
from kernelbox.images.containerfile import instructions, stages
from kernelbox.images.containerfile.ignore import Ignore
from kernelbox.images.reference import check
from kernelbox.kernel.errors import UsageError
from kernelbox.plumbing.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from kernelbox.build.run_step import Show, Streams
    from kernelbox.images.image import Image
    from kernelbox.images.store import Store

FILES = ("Containerfile", "Dockerfile")
IGNORE_FILES = (".containerignore", ".dockerignore")


class Order(NamedTuple):
    """What is to be built.

    Attributes:
        context: The directory whose files COPY sees.
        file: The Containerfile; "" for the context's own.
        content: What is in the Containerfile, if it is no file.
        names: The names of the image; none for an image without one.
        build_args: What `--build-arg` says.
        target: The stage that is wanted; the last one if empty.
        cached: Whether layers that were made before are taken.
        network: The network of RUN: `bridge`, `none` or `host`.
        lent: Secrets and agents, for RUN --mount.
    """

    context: str
    file: str = ""
    content: bytes | None = None
    names: Sequence[str] = ()
    build_args: Mapping[str, str] = {}
    target: str = ""
    cached: bool = True
    network: str = "bridge"
    lent: Lent = Lent()


class Watch(NamedTuple):
    """Callbacks that are told what happens.

    Attributes:
        begin: Told of each instruction: its number, how many there are, and the instruction.
        hit: Told that the cache had its layer.
        warn: Told of what may be a mistake.
        fetch: Told that an image is not here; it pulls it, or raises KernelboxError.
        show: Told of each request of a RUN to the kernel; None if nobody wants to know.
    """

    begin: Callable[[int, int, str], None]
    hit: Callable[[], None]
    warn: Callable[[str], None]
    fetch: Callable[[str], None]
    show: Show | None = None


def build(store: Store, order: Order, streams: Streams, watch: Watch) -> Image:
    """Build an image.

    Args:
        store: Where to, and where base images are.
        order: What is to be built.
        streams: What the programs of RUN read and write.
        watch: Told what happens.

    Raises:
        UsageError: The Containerfile is wrong, or says what cannot be done.
        KernelboxError: A program of RUN has failed; `code` is 1, as with Docker.
        KernelError: The file system or the kernel refused.
    """
    names = [check(name) for name in order.names]
    with _directory(order.context) as context:
        file, text = _containerfile(order, context)
        plan = stages.plan(instructions.read(text), order.build_args, order.target)
        for name in sorted(order.build_args.keys() - plan.declared - run_step.PROXIES):
            watch.warn(f"no ARG takes --build-arg {name}")
        numbers = iter(range(1, plan.steps + 1))
        tree = Tree(
            context, "the build context", _ignore(order, file, context), False, assembly.epoch()
        )
        work = stage.Work(
            store=store,
            plan=plan,
            context=tree,
            build_args=order.build_args,
            results={},
            cached=order.cached,
            network=order.network,
            streams=streams,
            lent=order.lent,
            begin=lambda source: watch.begin(next(numbers), plan.steps, source),
            hit=watch.hit,
            fetch=watch.fetch,
            show=watch.show,
        )
        for one in plan.stages:
            work.results[one.number] = stage.carry_out(work, one)
    return _finish(store, names, work.results[plan.stages[-1].number])


def _finish(store: Store, names: list[str], result: Stack) -> Image:
    with store.lock():
        image = assembly.new_image(store, names[0] if names else None, result.config, result.layers)
        for name in names[1:]:
            store.tag(names[0], name)
    return image


@contextlib.contextmanager
def _directory(path: str) -> Iterator[int]:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise UsageError(
            f"the build context {path} cannot be read: {os.strerror(error.errno or 0).lower()}",
            "Name a directory, such as . for this one",
        ) from error
    try:
        yield fd
    finally:
        os.close(fd)


def _containerfile(order: Order, context: int) -> tuple[str, str]:
    """Return the Containerfile's path and what is in it."""
    if order.content is not None:
        return "", _text(order.content, "the Containerfile")
    if order.file:
        content = _read(order.file, None)
        if content is None:
            raise UsageError(f"there is no file {order.file}", "Look at its name")
        return order.file, _text(content, order.file)
    for name in FILES:
        content = _read(name, context)
        if content is not None:
            return f"{order.context}/{name}", _text(content, name)
    raise UsageError(
        f"there is neither Containerfile nor Dockerfile in {order.context}",
        "Write one, or name it: -f FILE",
    )


def _text(content: bytes, name: str) -> str:
    try:
        if len(content) <= bounds.MAX_JSON and b"\0" not in content:
            return content.decode()
    except UnicodeDecodeError:
        pass
    raise UsageError(f"{name} is no text in UTF-8, or too much", "Name the Containerfile: -f FILE")


def _ignore(order: Order, file: str, context: int) -> Ignore:
    """Return the rules for what is left out: the Containerfile's own, or the context's."""
    own = _read(f"{file}.dockerignore", None) if file else None
    found = [own, *(_read(name, context) for name in IGNORE_FILES)]
    rules = next((content for content in found if content is not None), b"")
    return Ignore(rules.decode("utf-8", "surrogateescape"))


def _read(path: str, directory: int | None) -> bytes | None:
    """Return what is in a file, or more than any has; None if there is none."""
    try:
        # O_NONBLOCK: it may be a fifo with nobody at its other end.
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
    except FileNotFoundError:
        return None
    except OSError as error:
        cause = os.strerror(error.errno or 0).lower()
        raise UsageError(f"{path} cannot be read: {cause}", "Look at its permissions") from error
    with open(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise UsageError(f"{path} is no plain file", "Name the Containerfile: -f FILE")
        return file.read(bounds.MAX_JSON + 1)
