"""One stage of a build: what each of its instructions makes of its layers and its config.

Leaves the container of a RUN to run_step.py, and the files of a COPY or ADD to copy_step.py.

Source: Docker documentation, "Dockerfile reference".
"""

from __future__ import annotations

import contextlib
import errno
import os
import time

from kernelbox.build import brought, copy_step, remote, run_step, scratch, view
from kernelbox.build.sources import Tree
from kernelbox.build.stack import Stack
from kernelbox.container.options import option_values
from kernelbox.images import assembly, changeset, metadata
from kernelbox.images.containerfile import run_mounts, stages
from kernelbox.images.containerfile.ignore import Ignore
from kernelbox.images.image import DEFAULT_PATH, Image
from kernelbox.kernel.errors import KernelboxError, UsageError
from kernelbox.plumbing import paths
from kernelbox.plumbing.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

    from kernelbox.build.brought import Lent
    from kernelbox.build.run_step import Show, Streams
    from kernelbox.container.spec import Mount
    from kernelbox.images.containerfile.instructions import Instruction
    from kernelbox.images.containerfile.run_mounts import RunMount
    from kernelbox.images.containerfile.stages import Plan, Stage
    from kernelbox.images.store import Store

_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


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
        lent: Secrets and agents, for RUN --mount.
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
    lent: Lent
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
        for text in self._done.run.pop("OnBuild", None) or ():
            self._carefully(stages.trigger(str(text), self._stage.first.line))
        for one in self._stage.instructions:
            self._work.begin(one.source)
            self._carefully(one)
        return self._done

    def _carefully(self, one: Instruction) -> None:
        """Carry an instruction out; whatever is wrong with it, its line is named."""
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

    # --- what it begins with ---------------------------------------------------------------------

    def _base(self) -> Stack:
        stage = self._stage
        if stage.below is not None:
            return self._work.results[stage.below].copy()
        if not stage.image:
            return Stack(self._work.store, _with_path(assembly.empty_config()), [], [])
        image = self._image(stage.first, stage.image)
        _, found = self._work.store.find(stage.image)
        config = {key: value for key, value in found.config.items() if "container" not in key}
        config["config"] = dict(config.get("config") or {})
        if assembly.epoch() is not None or not config.get("created"):
            config["created"] = assembly.now()
        return Stack(
            self._work.store, _with_path(config), found.manifest["layers"], image.lowerdirs
        )

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
        elif one.name == "ONBUILD":
            self._done.run["OnBuild"] = [*(self._done.run.get("OnBuild") or []), one.rest]
            self._done.note(one.source)
        elif one.name == "MAINTAINER":
            self._done.config["author"] = one.rest
            self._done.note(one.source)
        else:
            self._change(one)

    def _variables(self) -> dict[str, str]:
        """Return what variables stand for: ENV counts more than ARG."""
        return self._done.args | metadata.environment(self._done.run)

    def _declare(self, one: Instruction) -> None:
        work = self._work
        outside = stages.platform() | work.plan.known
        names = stages.names(one, work.plan.escape)
        inherited = {name: outside[name] for name in names if name in outside}
        own = stages.given(one, self._variables(), work.build_args, work.plan.escape)
        self._done.args |= inherited | own
        self._done.note(one.source)

    def _change(self, one: Instruction) -> None:
        metadata.change(self._done.run, one, self._variables(), self._work.plan.escape)
        if one.name == "STOPSIGNAL":
            option_values.signal_number(self._done.run["StopSignal"])
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
            entries = copy_step.workdir(over, path, user, _created())
            if entries:
                self._done.add(key, entries, said)
        return bool(entries)

    def _copy(self, one: Instruction) -> None:
        work, escape = self._work, self._work.plan.escape
        variables = self._variables()
        wanted = copy_step.read(one, variables, escape, self._done.run.get("WorkingDir") or "/")
        source = self._from(one)  # before the lock: it may have to be pulled
        with contextlib.ExitStack() as stack:
            urls = [one for one in wanted.sources if isinstance(one, str) and wanted.is_url(one)]
            below = stack.enter_context(scratch.directory()) if urls else ""
            fetched = {
                url: remote.fetch(url, wanted.checksum, wanted.target, below, _created())
                for url in urls
            }
            stack.enter_context(work.store.lock())
            tree = stack.enter_context(self._tree(source))
            found = copy_step.find(wanted, tree, variables, _created(), fetched)
            what = (wanted.target, wanted.owner, wanted.mode, copy_step.key(found))
            key = self._done.key("COPY", *what)
            if self._found(key, str(wanted)):
                return
            with (
                view.merged(work.store, self._done.lowerdirs) as over,
                copy_step.entries(over, wanted, tree, found, _created()) as entries,
            ):
                self._done.add(key, entries, str(wanted))

    def _from(self, one: Instruction) -> tuple[list[str], str] | None:
        """Return the layers that a COPY copies from, and what they are; None for the context."""
        if "from" not in one.flags:
            return None
        source = self._source(one.flags["from"])
        if isinstance(source, int):
            return self._work.results[source].lowerdirs, f"stage {one.flags['from']}"
        return self._image(one, source).lowerdirs, f"image {source}"

    def _source(self, said: str) -> int | str:
        """Return the stage or image of a `from`; one of a trigger is always an image."""
        return self._stage.sources.get(said, said)

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
        wanted = run_step.read(one, self._done.run, self._done.args, self._work.network)
        workdir = self._done.run.get("WorkingDir") or "/"
        mounts = run_mounts.read(one, self._variables(), self._work.plan.escape, workdir)
        files = [self._files(one, mount) for mount in mounts]
        keys = [brought.key(*pair) for pair in zip(mounts, files, strict=True)]
        key = self._done.key("RUN", *run_step.key(wanted, self._done.run), *keys)
        if self._found(key, str(wanted)):
            return
        if not self._done.lowerdirs:
            raise one.error("there is no program in the stage yet", "COPY some, or begin elsewhere")
        with contextlib.ExitStack() as stack:
            found: list[Mount] = []
            variables: dict[str, str] = {}
            if mounts or wanted.script:
                below = stack.enter_context(scratch.directory())
                for mount, its in zip(mounts, files, strict=True):
                    try:
                        more, set_by_it = brought.bring(mount, its, self._work.lent, below, stack)
                    except UsageError as error:
                        raise one.error(error.message, error.hint) from None
                    found += more
                    variables |= set_by_it
                if wanted.script:
                    program, place = brought.script(wanted.script, below)
                    found.append(program)
                    wanted = wanted._replace(args=[place])
            self._carry_out_run(one, wanted, key, found, variables)

    def _files(self, one: Instruction, mount: RunMount) -> brought.Files | None:
        """Return the files that a mount is of."""
        if mount.kind != "bind":
            return None
        try:
            if not mount.origin:
                return brought.of_context(self._work.context, mount)
            source = self._source(mount.origin)
            if isinstance(source, int):
                stack = self._work.results[source]
                return brought.Files(None, stack.lowerdirs, stack.chain)
            image = self._image(one, source)
            return brought.Files(None, image.lowerdirs, image.id)
        except UsageError as error:
            if error.message.startswith("line "):
                raise
            raise one.error(error.message, error.hint) from None

    def _carry_out_run(
        self,
        one: Instruction,
        wanted: run_step.Wanted,
        key: str,
        mounts: list[Mount],
        variables: dict[str, str],
    ) -> None:
        image = Image("", self._done.chain or "", self._done.run, self._done.lowerdirs)
        base = self._stage.name or self._stage.image or "scratch"
        container = run_step.container(
            wanted, image, base, self._work.build_args, mounts, variables
        )
        stubs = None
        if mounts:
            store = self._work.store
            with store.lock(), view.merged(store, self._done.lowerdirs) as before:
                stubs = brought.Stubs(before.fd, [mount.destination for mount in mounts])
        try:
            with run_step.ended(container, self._work.streams, self._work.show) as code:
                if code:
                    raise KernelboxError(f"{one.rest[:200]!a} ended with exit code {code}", code=1)
                upperdir = f"{paths.container(container.id)}/upper"
                if stubs is not None:
                    stubs.remove(upperdir)
                self._done.add(key, changeset.entries(upperdir, self._done.lowerdirs), str(wanted))
        except KernelboxError as error:
            failure = one.error(error.message, error.hint or "What it printed is above")
            failure.code = 1 if error.code in (1, 126, 127) else error.code
            raise failure from None


def _created() -> int:
    """Return the time of what is made now, seconds since 1970."""
    said = assembly.epoch()
    return int(time.time()) if said is None else said


def _with_path(config: dict[str, Any]) -> dict[str, Any]:
    """Give an image's config the usual PATH if it has none, so that `$PATH` means something.

    Source: BuildKit, dockerfile2llb/convert.go, "make sure that PATH is always set".
    """
    inner = config["config"]
    if "PATH" not in metadata.environment(inner):
        inner["Env"] = [*(inner.get("Env") or []), f"PATH={DEFAULT_PATH}"]
    return config
