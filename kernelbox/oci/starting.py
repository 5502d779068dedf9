"""`start`: a container's first process is let through its gate, and becomes the program.

Source: OCI runtime-spec, runtime.md, "Start".
"""

from __future__ import annotations

from kernelbox.container.birth.birth import Newborn
from kernelbox.kernel import process
from kernelbox.kernel.errors import KernelboxError, UsageError
from kernelbox.kernel.stepping_stone import Stone
from kernelbox.oci import gate, hooks
from kernelbox.plumbing.light import signal, suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kernelbox.oci.document import Part
    from kernelbox.oci.state import Box


def start(box: Box, document: Part) -> None:
    """Let a container's program begin.

    Args:
        box: The container.
        document: Its config.json, which `create` has found to be in order.

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
    if not document.has("process"):
        raise UsageError("the container has no process to start", "Its config.json names none")
    pidfd = process.pidfd_of(box.state.pid)
    try:
        control, heard = gate.knock(box.fd)
    except OSError as error:
        raise UsageError("the container has been started meanwhile", "See: state") from error
    born = Newborn(box.state.pid, pidfd, control, Stone(-1, -1, heard))
    seccomp = document.part("linux").part("seccomp")
    if seccomp.has("listenerPath"):
        from kernelbox.oci import agents  # hardly a container has one

        agents.introduce(born, seccomp.plain, box.as_told("created"))
    try:
        born.until_executed()
    except KernelboxError:
        process.wait_until_gone(pidfd, 1.0)  # so that its state is stopped by now
        raise
    try:
        hooks.run(hooks.read(document), "poststart", box.as_told("running"))
    except KernelboxError:
        from kernelbox.oci import ending  # few are ended here

        with suppress(UsageError):  # it has ended by itself: the hook is what failed
            ending.kill(box, signal.SIGKILL)
        process.wait_until_gone(pidfd, 1.0)
        raise
