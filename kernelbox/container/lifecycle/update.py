"""Other limits for a container that runs: written to its control group, and noted in its config."""

from __future__ import annotations

from kernelbox.cgroup import applying
from kernelbox.container import events, state
from kernelbox.kernel.errors import KernelError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kernelbox.cgroup.limits import Resources


def update(container_id: str, wanted: Resources) -> int:
    """Give a running container other limits; those that are not named stay as they are.

    Nothing waits: less memory than it uses is refused by cgroup v1 (EBUSY), and in v2 the kernel
    ends processes of it until the rest fits.

    Returns:
        How many processes that were.

    Raises:
        UsageError: It does not run; a value is out of its range, or contradicts another limit.
        KernelError: ENOENT without the controller; EBUSY if more is in use.

    Source: Docker, "docker update".
    """
    ended = UsageError(
        f"container {container_id} is not running, and has no limits to be changed",
        "See which are: kernelbox ps",
    )
    if state.read(container_id).status != "running":
        raise ended
    group = state.group(container_id)
    before = group.counter("memory.events", "oom_kill")
    try:
        applying.change(group, wanted)
    except KernelError as refusal:
        if not group.exists():
            raise ended from refusal
        raise
    finally:  # some may have been written before one was refused
        if group.exists():
            _note(container_id, applying.present(group, wanted))
    events.record("update", container_id)
    killed = group.counter("memory.events", "oom_kill") - before
    if not group.exists():  # the first process was among them: then the count has been noted
        killed = int(state.read(container_id).oom_killed)
    return max(killed, 0)


def _note(container_id: str, now: Resources) -> None:
    """Write the limits into the config, where they are found when the group is gone."""
    with state.housekeeping():
        config = state.config(container_id)
        if config:
            config["linux"]["resources"] = now
            state.write_config(container_id, config)
