"""One stage of a build: what each of its instructions makes of its layers and its config.

Source: Docker documentation, "Dockerfile reference".
"""

from __future__ import annotations

import contextlib
import errno
import os
import time

from kernelbox import compose, paths
from kernelbox.build import copying, running, view
from kernelbox.build.stacking import Stack
from kernelbox.images import changes, making, upper
from kernelbox.images.containerfile import stages
from kernelbox.images.containerfile.ignore import Ignore
from kernelbox.images.gathering import Tree
from kernelbox.images.image import Image
from kernelbox.kernel.errors import KernelboxError, UsageError
from kernelbox.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

    from kernelbox.build.running import Show, Streams
    from kernelbox.images.containerfile.reading import Instruction
    from kernelbox.images.containerfile.stages import Plan, Stage
    from kernelbox.images.store import Store

# Passed on to RUN without an ARG, and no part of any key. Source: "Dockerfile reference", section
# Predefined ARGs.
PROXIES = {
    spelled
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")
    for spelled in (name, name.lower())
}
_NETWORKS = {"default": "bridge", "none": "none", "host": "host"}
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
_HOSTNAME = "build"  # the same each time: a program may write it into a file


class Work(NamedTuple):
    """What all stages of a build share.

    Attributes:
        store: Where images are.
        plan: What there is to be done.
        context: The build context.
        build_args: What `--build-arg` says.
        results: The stages that are done, by number.
        cached: Whether a layer that was made before is taken.
        network: The network of RUN: `bridge`, `none` or `host`.
        streams: What the programs of RUN read and write.
        show: Told of each request of a RUN to the kernel; None if nobody wants to know.
        begin: Told of each instruction before it is carried out.
        hit: Told if the cache had it.
        fetch: Brings an image that is not here.
    """

    store: Store
    plan: Plan
    context: Tree
    build_args: Mapping[str, str]
    results: dict[int, Stack]
    cached: bool
    network: str
    streams: Streams
    show: Show | None
    begin: Callable[[str], None]
    hit: Callable[[], None]
    fetch: Callable[[str], None]


def carry_out(work: Work, stage: Stage) -> Stack:
    """Carry out the instructions of a stage.

    Raises:
        UsageError: An instruction cannot be carried out; the message names its line.
        KernelboxError: A program of RUN has failed; `code` is 1, as with Docker.
        KernelError: The file system or the kernel refused.
    """
    return _Stage(work, stage).run()


class _Stage:
    """One stage while it is being built."""

    def __init__(self, work: Work, stage: Stage) -> None:
        self._work = work
        self._stage = stage
        self._has_own_command = False
        self._done = Stack(work.store, {}, [], [])

    def run(self) -> Stack:
        self._work.begin(self._stage.first.source)
        self._done = self._base()
        for one in self._stage.instructions:
            self._work.begin(one.source)
            try:
                self._carry_out(one)
            except UsageError as error:
                if error.message.startswith("line "):
                    raise
                raise one.error(error.message, error.hint or "Look at what it names") from None
            except OSError as error:  # of the context, or of a path that no file system takes
                if error.errno in _DISK:
                    raise
                cause = os.strerror(error.errno or 0).lower()
                raise one.error(f"cannot read what it names: {cause}", "Look at it") from error
        return self._done

    # --- what it begins with ---------------------------------------------------------------------

    def _base(self) -> Stack:
        stage = self._stage
        if stage.below is not None:
            return self._work.results[stage.below].copy()
        if not stage.image:
            return Stack(self._work.store, making.empty_config(), [], [])
        image = self._image(stage.first, stage.image)
        _, found = self._work.store.find(stage.image)
        config = {key: value for key, value in found.config.items() if "container" not in key}
        config["config"] = dict(config.get("config") or {})
        if config["config"].get("OnBuild"):
            raise stage.first.error(
                f"{stage.image} has triggers (ONBUILD), which kernelbox does not carry out",
                "Write them into this Containerfile",
            )
        if making.epoch() is not None or not config.get("created"):
            config["created"] = making.now()
        return Stack(self._work.store, config, found.manifest["layers"], image.lowerdirs)

    def _image(self, one: Instruction, reference: str) -> Image:
        """Find an image that an instruction names; fetch one that is not here."""
        store = self._work.store
        try:
            return store.resolve(reference)
        except UsageError as error:
            if store.has(reference):
                raise one.error(error.message, error.hint) from None
        try:
            self._work.fetch(reference)
            return store.resolve(reference)
        except KernelboxError as error:
            raise one.error(error.message, error.hint) from error

    # --- instructions ----------------------------------------------------------------------------

    def _carry_out(self, one: Instruction) -> None:
        if one.name == "ARG":
            self._declare(one)
        elif one.name == "RUN":
            self._run(one)
        elif one.name in ("COPY", "ADD"):
            self._copy(one)
        elif one.name == "MAINTAINER":
            self._done.config["author"] = one.rest
            self._done.note(one.source)
        else:
            self._change(one)

    def _variables(self) -> dict[str, str]:
        """Return what variables stand for: ENV counts more than ARG."""
        return self._done.args | changes.environment(self._done.run)

    def _declare(self, one: Instruction) -> None:
        work = self._work
        outside = stages.platform() | work.plan.known
        names = stages.names(one, work.plan.escape)
        inherited = {name: outside[name] for name in names if name in outside}
        own = stages.given(one, self._variables(), work.build_args, work.plan.escape)
        self._done.args |= inherited | own
        self._done.note(one.source)

    def _change(self, one: Instruction) -> None:
        changes.change(self._done.run, one, self._variables(), self._work.plan.escape)
        if one.name == "CMD":
            self._has_own_command = True
        elif one.name == "ENTRYPOINT" and not self._has_own_command:
            # The base's command was made for the base's entrypoint.
            self._done.run.pop("Cmd", None)
        elif one.name == "WORKDIR" and self._make_workdir():
            return
        self._done.note(one.source)

    def _make_workdir(self) -> bool:
        """Make the working directory, if it is not there; say whether that was so."""
        path, user = self._done.run["WorkingDir"], str(self._done.run.get("User") or "")
        said, key = f"WORKDIR {path}", self._done.key("WORKDIR", path, user)
        if self._found(key, said):
            return True
        with self._work.store.lock(), view.merged(self._work.store, self._done.lowerdirs) as over:
            entries = copying.workdir(over, path, user, _created())
            if entries:
                self._done.add(key, entries, said)
        return bool(entries)

    def _copy(self, one: Instruction) -> None:
        work, escape = self._work, self._work.plan.escape
        variables = self._variables()
        wanted = copying.read(one, variables, escape, self._done.run.get("WorkingDir") or "/")
        source = self._from(one)  # before the lock: it may have to be pulled
        with work.store.lock(), self._tree(source) as tree:
            found = copying.find(wanted, tree, variables, escape, _created())
            what = (wanted.target, wanted.owner, wanted.mode, copying.key(found))
            key = self._done.key("COPY", *what)
            if self._found(key, str(wanted)):
                return
            with (
                view.merged(work.store, self._done.lowerdirs) as over,
                copying.entries(over, wanted, tree, found, _created()) as entries,
            ):
                self._done.add(key, entries, str(wanted))

    def _from(self, one: Instruction) -> tuple[list[str], str] | None:
        """Return the layers that a COPY copies from, and what they are; None for the context."""
        if "from" not in one.flags:
            return None
        source = self._stage.sources[one.line]
        if isinstance(source, int):
            return self._work.results[source].lowerdirs, f"stage {one.flags['from']}"
        return self._image(one, source).lowerdirs, f"image {source}"

    @contextlib.contextmanager
    def _tree(self, source: tuple[list[str], str] | None) -> Iterator[Tree]:
        if source is None:
            yield self._work.context
            return
        with view.merged(self._work.store, source[0]) as other:
            yield Tree(other.fd, source[1], Ignore(), owned=True)

    def _found(self, key: str, created_by: str) -> bool:
        """Take the layer from the cache, if that has it and is wanted."""
        hit = self._work.cached and self._done.take(key, created_by)
        if hit:
            self._work.hit()
        return hit

    def _run(self, one: Instruction) -> None:
        args = _program(self._done.run, one)
        network = one.flags.get("network", "default")
        if network not in _NETWORKS:
            raise one.error(f"no network {network!r}", "Use default, none or host")
        mode = self._work.network if network == "default" else _NETWORKS[network]
        own = changes.environment(self._done.run)
        passed = {name: value for name, value in self._done.args.items() if name not in own}
        said = [f"|{len(passed)}", *(f"{name}={value}" for name, value in passed.items())]
        created_by = " ".join(["RUN", *(said if passed else []), *args])
        who = (self._done.run.get("User") or "", self._done.run.get("WorkingDir") or "/")
        key = self._done.key("RUN", args, sorted((own | passed).items()), *who, mode)
        if self._found(key, created_by):
            return
        if not self._done.lowerdirs:
            raise one.error("there is no program in the stage yet", "COPY some, or begin elsewhere")
        proxies = {k: v for k, v in self._work.build_args.items() if k in PROXIES}
        options = compose.Options(
            image=f"build of {self._stage.name or self._stage.image or 'scratch'}",
            command=args,
            entrypoint="",
            env=[f"{name}={value}" for name, value in (proxies | passed).items()],
            hostname=_HOSTNAME,
            network=mode,
            rm=True,
        )
        image = Image("", self._done.chain or "", self._done.run, self._done.lowerdirs)
        container = compose.compose(options, image)
        try:
            with running.ended(container, self._work.streams, self._work.show) as code:
                if code:
                    raise KernelboxError(f"{one.rest[:200]!a} ended with exit code {code}", code=1)
                upperdir = f"{paths.container(container.id)}/upper"
                self._done.add(key, upper.entries(upperdir, self._done.lowerdirs), created_by)
        except KernelboxError as error:
            failure = one.error(error.message, error.hint or "What it printed is above")
            failure.code = 1 if error.code in (1, 126, 127) else error.code
            raise failure from None


def _program(config: dict[str, Any], one: Instruction) -> list[str]:
    """Return the program of a RUN with its arguments.

    Source: Docker documentation, "Dockerfile reference", sections RUN and Here-Documents.
    """
    if not one.heredocs:
        return changes.command(config, one)
    first = one.heredocs[0]
    if len(one.heredocs) == 1 and one.rest.lstrip("<-").strip("\"'") == first.name:
        script = first.text
    else:
        bodies = [f"{document.text}{document.name}\n" for document in one.heredocs]
        script = "\n".join([one.rest, "".join(bodies)])
    return [*(config.get("Shell") or changes.SHELL), script]


def _created() -> int:
    """Return the time of what is made now, seconds since 1970."""
    said = making.epoch()
    return int(time.time()) if said is None else said
