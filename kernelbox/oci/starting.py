"""`start`: a container's first process is let through its gate, and becomes the program.

Source: OCI runtime-spec, runtime.md, "Start".
"""

from __future__ import annotations

from kernelbox.container.birth import Newborn
from kernelbox.kernel import process
from kernelbox.kernel.errors import KernelboxError, UsageError
from kernelbox.kernel.stepping_stone import Stone
from kernelbox.oci import agents, ending, gate, hooks
from kernelbox.plumbing.light import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kernelbox.oci.config import Config
    from kernelbox.oci.state import Box


def start(box: Box, config: Config) -> None:
    """Let a container's program begin.

    Raises:
        UsageError: It is not created, but something else; or it has no program.
        CommandError: The program was not found, or cannot be executed.
        KernelboxError: A startContainer or poststart hook failed, and the container has ended.
    """
    status = box.status()
    if status != "created":
        raise UsageError(
            f"cannot start a container that is {status}",
            "Only one that is created can be started, and only once",
        )
    box.check_made("start")
    if config.process is None:
        raise UsageError("the container has no process to start", "Its config.json names none")
    pidfd = process.pidfd_of(box.state.pid)
    try:
        control, heard = gate.knock(box.fd)
    except OSError as error:
        raise UsageError("the container has been started meanwhile", "See: state") from error
    born = Newborn(box.state.pid, pidfd, control, Stone(-1, -1, heard))
    agents.introduce(born, config, box.as_told("created"))
    try:
        born.until_executed()
    except KernelboxError:
        process.wait_until_gone(pidfd, 1.0)  # so that its state is stopped by now
        raise
    try:
        hooks.run(config, "poststart", box.as_told("running"))
    except KernelboxError:
        ending.kill(box, signal.SIGKILL)
        process.wait_until_gone(pidfd, 1.0)
        raise
