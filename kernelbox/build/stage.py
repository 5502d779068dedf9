"""One stage of a build: what each of its instructions makes of layers and config.

A layer is known by its key: the ChainID of all that is below it, the instruction with its
variables replaced, and of the files that it copies a digest of names, modes, owners and bytes, but
not of times. Who has the key has the layer. With $SOURCE_DATE_EPOCH set nothing in a layer is
younger than that, files of the build context are just as old, and whatever is said of times is
that; so the variable is part of the key.

Without it times are those of the files and of now, as with BuildKit; what is found in the cache
keeps its time, so that a build that changes nothing gives the same image.

Source: Docker documentation, "Build cache invalidation"; BuildKit documentation, SOURCE_DATE_EPOCH
with rewrite-timestamp.
"""

from __future__ import annotations

import contextlib
import json
import time

from kernelbox import compose, paths
from kernelbox.build import copying, running, view
from kernelbox.images import cache, changes, layout, making, manifests, upper
from kernelbox.images.containerfile import stages
from kernelbox.images.containerfile.ignore import Ignore
from kernelbox.images.gathering import Tree
from kernelbox.images.image import Image
from kernelbox.images.reference import quoted
from kernelbox.kernel.errors import KernelboxError, UsageError
from kernelbox.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any

    from kernelbox.build.running import Streams
    from kernelbox.images.containerfile.reading import Instruction
    from kernelbox.images.containerfile.stages import Plan, Stage
    from kernelbox.images.layers import Entry
    from kernelbox.images.layout import Descriptor
    from kernelbox.images.store import Store

# Passed on to RUN without an ARG, and no part of any key. Source: "Dockerfile reference", section
# Predefined ARGs.
PROXIES = {
    spelled
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")
    for spelled in (name, name.lower())
}
_NETWORKS = {"default": "bridge", "none": "none", "host": "host"}
_HOSTNAME = "build"  # the same each time: a program may write it into a file


class Result(NamedTuple):
    """What a stage is so far.

    Attributes:
        config: The whole document.
        layers: The bottom one first.
        lowerdirs: The same, unpacked, the topmost first.
    """

    config: dict[str, Any]
    layers: list[Descriptor]
    lowerdirs: list[str]

    def copy(self) -> Result:
        """Return the same, to be changed."""
        return Result(json.loads(json.dumps(self.config)), list(self.layers), list(self.lowerdirs))


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
        begin: Told of each instruction before it is carried out.
        hit: Told if the cache had it.
        fetch: Brings an image that is not here.
    """

    store: Store
    plan: Plan
    context: Tree
    build_args: Mapping[str, str]
    results: dict[int, Result]
    cached: bool
    network: str
    streams: Streams
    begin: Callable[[str], None]
    hit: Callable[[], None]
    fetch: Callable[[str], None]


def carry_out(work: Work, stage: Stage) -> Result:
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
        self._args: dict[str, str] = {}
        self._has_own_command = False
        self._done = Result({}, [], [])

    def run(self) -> Result:
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
        return self._done

    # --- what it begins with ---------------------------------------------------------------------

    def _base(self) -> Result:
        stage = self._stage
        if stage.below is not None:
            return self._work.results[stage.below].copy()
        if not stage.image:
            return Result(making.empty_config(), [], [])
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
        return Result(config, list(found.manifest["layers"]), image.lowerdirs).copy()

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
            raise one.error(
                f"no image {quoted(reference)} here, and it cannot be pulled: {error.message}",
                error.hint,
            ) from error

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
            self._note(one.source)
        else:
            self._change(one)

    def _variables(self) -> dict[str, str]:
        """Return what variables stand for: ENV counts more than ARG."""
        return self._args | changes.environment(self._config)

    @property
    def _config(self) -> dict[str, Any]:
        found: dict[str, Any] = self._done.config["config"]
        return found

    def _declare(self, one: Instruction) -> None:
        work = self._work
        outside = stages.platform() | work.plan.known
        names = stages.names(one, work.plan.escape)
        inherited = {name: outside[name] for name in names if name in outside}
        own = stages.given(one, self._variables(), work.build_args, work.plan.escape)
        self._args |= inherited | own
        self._note(one.source)

    def _change(self, one: Instruction) -> None:
        changes.change(self._config, one, self._variables(), self._work.plan.escape)
        if one.name == "CMD":
            self._has_own_command = True
        elif one.name == "ENTRYPOINT" and not self._has_own_command:
            # The base's command was made for the base's entrypoint.
            self._config.pop("Cmd", None)
        elif one.name == "WORKDIR" and self._make_workdir():
            return
        self._note(one.source)

    def _make_workdir(self) -> bool:
        """Make the working directory, if it is not there; say whether that was so."""
        path, user = self._config["WorkingDir"], str(self._config.get("User") or "")
        said, key = f"WORKDIR {path}", self._key("WORKDIR", path, user)
        if self._found(key, said):
            return True
        with self._work.store.lock(), view.merged(self._work.store, self._done.lowerdirs) as over:
            entries = copying.workdir(over, path, user, _created())
            if entries:
                self._keep(key, entries, said)
        return bool(entries)

    def _copy(self, one: Instruction) -> None:
        work, escape = self._work, self._work.plan.escape
        variables = self._variables()
        wanted = copying.read(one, variables, escape, self._config.get("WorkingDir") or "/")
        source = self._from(one)  # before the lock: it may have to be pulled
        with work.store.lock(), self._tree(source) as tree:
            found = copying.find(wanted, tree, variables, escape, _created())
            what = (wanted.target, wanted.owner, wanted.mode, copying.key(found))
            key = self._key("COPY", *what)
            if self._found(key, str(wanted)):
                return
            with (
                view.merged(work.store, self._done.lowerdirs) as over,
                copying.entries(over, wanted, tree, found, _created()) as entries,
            ):
                self._keep(key, entries, str(wanted))

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

    def _run(self, one: Instruction) -> None:
        args = _program(self._config, one)
        network = one.flags.get("network", "default")
        if network not in _NETWORKS:
            raise one.error(f"no network {network!r}", "Use default, none or host")
        mode = self._work.network if network == "default" else _NETWORKS[network]
        own = changes.environment(self._config)
        passed = {name: value for name, value in self._args.items() if name not in own}
        said = [f"|{len(passed)}", *(f"{name}={value}" for name, value in passed.items())]
        created_by = " ".join(["RUN", *(said if passed else []), *args])
        who = (self._config.get("User") or "", self._config.get("WorkingDir") or "/")
        key = self._key("RUN", args, sorted((own | passed).items()), *who, mode)
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
        image = Image("", self._chain() or "", self._config, self._done.lowerdirs)
        container = compose.compose(options, image)
        try:
            with running.ended(container, self._work.streams) as code:
                if code:
                    raise KernelboxError(f"{one.rest[:200]!a} ended with exit code {code}", code=1)
                upperdir = f"{paths.container(container.id)}/upper"
                self._keep(key, upper.entries(upperdir, self._done.lowerdirs), created_by)
        except KernelboxError as error:
            failure = one.error(error.message, error.hint or "What it printed is above")
            failure.code = 1 if error.code in (1, 126, 127) else error.code
            raise failure from None

    # --- layers ----------------------------------------------------------------------------------

    def _chain(self) -> str:
        chain = layout.chain_ids(self._done.config["rootfs"]["diff_ids"])
        return chain[-1] if chain else ""

    def _key(self, *what: object) -> str:
        """Return the key of a layer on top of those there are."""
        return layout.digest_of(json.dumps([self._chain(), making.epoch(), *what]).encode())

    def _note(self, created_by: str) -> None:
        """Write an instruction that makes no layer into the history."""
        config = self._done.config
        step = {"created": config["created"], "created_by": created_by, "empty_layer": True}
        config.setdefault("history", []).append(step)

    def _found(self, key: str, created_by: str) -> bool:
        """Take the layer from the cache, if it has it."""
        store = self._work.store
        entry = cache.find(store.layout, key) if self._work.cached else None
        if entry is None:
            return False
        try:
            image = manifests.find(store.layout, entry)
        except KernelboxError:
            return False
        with store.lock():
            store.unpack(image)
        self._push(image.manifest["layers"][-1], image.diff_ids[-1], created_by)
        if making.epoch() is None:
            created = str(image.config.get("created") or self._done.config["created"])
            self._done.config["created"] = created
            self._done.config["history"][-1]["created"] = created
        self._work.hit()
        return True

    def _keep(self, key: str, entries: Iterable[Entry], created_by: str) -> None:
        """Make a layer of entries, and remember it under its key."""
        store = self._work.store
        with store.lock():
            layer, diff_id = making.new_layer(store, making.clamped(entries))
            before = self._done.copy()
            self._push(layer, diff_id, created_by)
            try:
                manifest = making.new_manifest(store, self._done.config, self._done.layers)
                store.unpack(manifests.find(store.layout, manifest))
                cache.add(store.layout, key, manifest)
            except BaseException:
                self._done = before
                raise

    def _push(self, layer: Descriptor, diff_id: str, created_by: str) -> None:
        making.add_step(self._done.config, diff_id, created_by)
        self._done.layers.append(layer)
        self._done.lowerdirs.insert(0, self._work.store.layer(self._chain()))


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
