"""Instructions as stages, and which of them a build needs. Mistakes that show early are found here.

    FROM golang AS build        stage 0, called build
    FROM build AS test          stage 1, on top of stage 0
    FROM scratch                stage 2, the target: it needs stage 0 and not stage 1
    COPY --from=build /a /a

Source: Docker documentation, "Dockerfile reference", sections FROM and ARG; "Multi-stage builds".
"""

from __future__ import annotations

import re

from kernelbox.images import manifests
from kernelbox.images.containerfile import instructions, run_mounts, words
from kernelbox.images.containerfile.instructions import Containerfile, Instruction
from kernelbox.kernel.errors import UsageError
from kernelbox.plumbing.numbers import natural
from kernelbox.plumbing.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kernelbox.images.containerfile.heredocs import Heredoc

SCRATCH = "scratch"
_NAME = re.compile(r"[a-z][a-z0-9_.-]*")
_FROM = re.compile(r"(\S+)(?:\s+AS\s+(\S+))?", re.IGNORECASE)
_URL = re.compile(r"(https?|ftp|git|ssh)://|git@", re.IGNORECASE)
# Source: Docker documentation, "Dockerfile reference", section ADD, Adding files from a Git
# repository.
_GIT = re.compile(r"(git|ssh)://|git@|https?://[^?#]*\.git([?#]|$)", re.IGNORECASE)
_ALIASES = {"x86_64": "amd64", "x86-64": "amd64", "aarch64": "arm64"}
CHECKSUM = re.compile("sha256:[0-9a-f]{64}")


class Stage(NamedTuple):
    """One stage.

    Attributes:
        number: From 0.
        name: What it is called, in small letters; "" if it has no name.
        first: Its FROM.
        image: The image that it begins with; "" for none.
        below: The number of the stage that it begins with; None if it is none.
        instructions: What follows FROM.
        sources: Of what COPY --from and RUN --mount are from, as written: a stage's number, or an
            image.
    """

    number: int
    name: str
    first: Instruction
    image: str
    below: int | None
    instructions: list[Instruction]
    sources: dict[str, int | str]


class Plan(NamedTuple):
    """What a build has to do.

    Attributes:
        stages: Those that are needed, in their order; the last one is the result.
        known: The global ARGs that have a value, for stages that declare them too.
        escape: The Containerfile's escape character.
        declared: The name of every ARG in the file.
    """

    stages: list[Stage]
    known: dict[str, str]
    escape: str
    declared: set[str]

    @property
    def steps(self) -> int:
        """How many instructions there are, FROM included."""
        return sum(1 + len(stage.instructions) for stage in self.stages)


def plan(file: Containerfile, build_args: Mapping[str, str], target: str = "") -> Plan:
    """Return what a build of a target has to do.

    Args:
        file: The Containerfile.
        build_args: What `--build-arg` says.
        target: The name or number of the stage that is wanted; the last one if empty.

    Raises:
        UsageError: There is no FROM, no such stage, or an instruction is wrong whatever comes.
    """
    known: dict[str, str] = {}
    visible = platform()
    stages: list[Stage] = []
    for one in file.instructions:
        if one.name == "FROM":
            stages.append(_stage(one, stages, visible | known, file.escape))
        elif stages:
            _check(one)
            stages[-1].instructions.append(one)
            for said in _origins(one):
                stages[-1].sources[said] = _source(one, said, stages)
        elif one.name == "ARG":
            known |= given(one, visible | known, build_args, file.escape)
        else:
            raise one.error("it comes before any FROM", "Begin with FROM IMAGE")
    if not stages:
        raise UsageError("the Containerfile has no FROM", "Begin it with FROM IMAGE")
    needed = _needed(stages, _target(stages, target))
    for stage in needed:
        _check_sources(stage, stages)
        for one in stage.instructions:
            if one.name in ("COPY", "ADD"):
                check_urls(one, one.places()[:-1])
        _check_platform(stage, visible | known, file.escape)
    arguments = [one for one in file.instructions if one.name == "ARG"]
    declared = {name for one in arguments for name in names(one, file.escape)}
    return Plan(needed, known, file.escape, declared)


def names(one: Instruction, escape: str) -> set[str]:
    """Return the names that an ARG declares.

    Raises:
        UsageError: A quote has no end.
    """
    return {word.partition("=")[0] for word in words.split(one.rest, escape)}


def given(
    one: Instruction, variables: Mapping[str, str], build_args: Mapping[str, str], escape: str
) -> dict[str, str]:
    """Return the variables that an ARG brings: of the command line, or with the default it has.

    Raises:
        UsageError: A quote has no end.
    """
    try:
        found = words.pairs(one.rest, variables, escape, alone=True)
    except UsageError as error:
        raise one.error(error.message, error.hint) from None
    values = {name: build_args.get(name, default) for name, default in found.items()}
    return {name: value for name, value in values.items() if value is not None}


def platform() -> dict[str, str]:
    """Return the variables that name the platform, for FROM; a stage has to declare them.

    Source: Docker documentation, "Dockerfile reference", section Automatic platform ARGs.
    """
    name = manifests.host_platform()
    system, architecture, *variant = name.split("/")
    parts = {"PLATFORM": name, "OS": system, "ARCH": architecture, "VARIANT": "".join(variant)}
    return {f"{side}{key}": value for side in ("TARGET", "BUILD") for key, value in parts.items()}


def _stage(one: Instruction, before: list[Stage], known: Mapping[str, str], escape: str) -> Stage:
    match = _FROM.fullmatch(one.rest)
    if match is None:
        raise one.error(f"{one.rest[:60]!r} is no image", "Write FROM IMAGE, or FROM IMAGE AS NAME")
    name = (match[2] or "").lower()
    if name and not _NAME.fullmatch(name):
        raise one.error(f"{name!r} is no name for a stage", "Begin it with a letter")
    try:
        image = words.expand(match[1], known, escape)
    except UsageError as error:
        raise one.error(error.message, error.hint) from None
    if not image:
        raise one.error(
            f"{match[1]} is empty", "Give its ARG a default before FROM, or use --build-arg"
        )
    below = _named(image, before)
    image = "" if below is not None or image == SCRATCH else image
    return Stage(len(before), name, one, image, below, [], {})


def _named(name: str, stages: list[Stage]) -> int | None:
    """Return the number of the stage with a name; of several the last, as in BuildKit."""
    found = [one.number for one in stages if one.name and one.name == name.lower()]
    return found[-1] if found else None


def _check_platform(stage: Stage, known: Mapping[str, str], escape: str) -> None:
    """Refuse a stage of programs that this machine cannot run.

    Source: OCI image-spec v1.1, image-index.md, property platform; for what may be left out and
    for other names of architectures, github.com/containerd/platforms.
    """
    one = stage.first
    if "platform" not in one.flags:
        return
    try:
        wanted = words.expand(one.flags["platform"], known, escape)
    except UsageError as error:
        raise one.error(error.message, error.hint) from None
    if not wanted:
        raise one.error("its platform is empty", "Give its ARG a default before FROM")
    host = manifests.host_platform()
    said = [_ALIASES.get(part, part) for part in wanted.lower().split("/")]
    if said not in (host.split("/")[:1], host.split("/")[1:2]) and said[:2] != host.split("/")[:2]:
        raise one.error(f"this machine runs no programs for {wanted[:80]}", f"It is {host}")


def _origins(one: Instruction) -> list[str]:
    """Return what a COPY or the mounts of a RUN are from, as written."""
    if one.name == "RUN":
        return run_mounts.origins(one)
    return [one.flags["from"]] if one.name == "COPY" and "from" in one.flags else []


def _check_sources(stage: Stage, stages: list[Stage]) -> None:
    """Refuse what is from a stage that comes later: it would be looked for as an image."""
    for one in stage.instructions:
        for said in _origins(one):
            later = _named(said, stages)
            if stage.sources[said] == said and later is not None:
                raise one.error(
                    f"stage {said[:80]!r} comes later, on line {stages[later].first.line}",
                    "Put it before this one",
                )


def _source(one: Instruction, said: str, stages: list[Stage]) -> int | str:
    """Return which stage, or which image, a COPY or a mount is from."""
    earlier = stages[:-1]
    if said.isascii() and said.isdecimal():
        number = natural(said, len(earlier) - 1)
        if number is not None:
            return number
        raise one.error(f"there is no stage {said} before it", _there(earlier))
    found = _named(said, earlier)
    if found is not None:
        return found
    if "$" in said:
        raise one.error("its --from has a variable", "Name a stage: FROM $IMAGE AS name")
    if said.lower() == stages[-1].name or not said:
        raise one.error(f"there is no stage {said!r} before it", _there(earlier))
    return said


def _there(stages: list[Stage]) -> str:
    names = ", ".join(stage.name or str(stage.number) for stage in stages)
    return f"Stages here: {names or 'none'}"


def _target(stages: list[Stage], target: str) -> int:
    if not target:
        return len(stages) - 1
    found = _named(target, stages)
    for stage in stages:
        if found is None and str(stage.number) == target:
            found = stage.number
    if found is not None:
        return found
    raise UsageError(f"there is no stage {target!r} to build", _there(stages))


def _needed(stages: list[Stage], chosen: int) -> list[Stage]:
    wanted, found = [chosen], set()
    while wanted:
        number = wanted.pop()
        if number in found:
            continue
        found.add(number)
        stage = stages[number]
        wanted += [one for one in stage.sources.values() if isinstance(one, int)]
        wanted += [] if stage.below is None else [stage.below]
    return [stages[number] for number in sorted(found)]


def _check(one: Instruction) -> None:
    """Refuse what cannot be, whatever its variables are."""
    if one.name == "ONBUILD":
        trigger(one.rest, one.line)
    if one.name in ("COPY", "ADD"):
        places = one.places()
        if len(places) < 2 or not isinstance(places[-1], str):
            raise one.error("it takes a source and a target", f"Write {one.name} SOURCE TARGET")
    if one.name == "RUN" and one.listed() == []:
        raise one.error("it names no program", 'Write it as RUN ["program", "argument"]')


def check_urls(one: Instruction, sources: Iterable[str | Heredoc]) -> None:
    """Refuse sources of a COPY or ADD that are fetched by nobody.

    Args:
        one: The instruction.
        sources: Its sources; a variable that is left in one may be replaced later.

    Raises:
        UsageError: A URL is of another kind than http and https, or a git repository's; a checksum
            is none, or of something else than a URL.
    """
    places = [place for place in sources if isinstance(place, str)]
    urls = [place for place in places if _URL.match(place)]
    if urls and one.name == "COPY":
        raise one.error("COPY copies no URL", "Use ADD")
    for url in urls:
        if _GIT.match(url):
            raise one.error("kernelbox fetches no git repository", "Use git in a RUN")
        if not url.lower().startswith(("http://", "https://")):
            raise one.error("kernelbox fetches by http and https only", "Fetch it in a RUN")
    checksum = one.flags.get("checksum")
    if checksum is None:
        return
    if len(places) != 1 or ("$" not in places[0] and not urls):
        raise one.error("--checksum goes with one URL", "Write an ADD for each")
    if "$" not in checksum and not CHECKSUM.fullmatch(checksum):
        raise one.error(f"{checksum[:80]!r} is no checksum", "Write sha256: and 64 digits")


def trigger(text: str, line: int) -> Instruction:
    """Return the instruction that an ONBUILD keeps for the builds on its image.

    Args:
        text: What follows ONBUILD, or what an image's config holds.
        line: Of the ONBUILD, or of the FROM that has such an image.

    Raises:
        UsageError: It is none, or one that cannot be kept.

    Source: Docker documentation, "Dockerfile reference", section ONBUILD.
    """
    found = instructions.read(text, line).instructions
    if len(found) != 1:
        raise UsageError(f"line {line} (ONBUILD): {text[:60]!r} is not one instruction", "Part it")
    (one,) = found
    if one.name in ("ONBUILD", "FROM", "MAINTAINER"):
        raise one.error("it cannot be a trigger", "Write ONBUILD before another instruction")
    _check(one)
    return one
