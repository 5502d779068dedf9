"""Starting a monitor: the fork, and the channel to it.

Whoever asks for a container (the front) and the process that makes it (the monitor) part at once:
while the front reads the image and the options and writes the order, the monitor loads what talks
to the kernel. On two processors that saves a container a tenth of its start.
"""

from __future__ import annotations

import os

from kernelbox.plumbing.channel import Channel


def launch(*, lasting: bool = False, may_doze: bool = False) -> tuple[Channel, int]:
    """Fork a monitor that waits for its order; return a channel to it, and its pid.

    It ends without a word if the channel closes first.

    Args:
        lasting: Whether the channel brings it fronts, one after the other, each with an order.
        may_doze: Whether it may sleep when it is quiet: the caller is the command line, which it
            then becomes again (dozing.py).
    """
    ours, theirs = Channel.pair()
    pid = os.fork()
    if pid == 0:
        # Here, so that the front need not wait for it.
        from kernelbox.container.monitor import monitor

        if lasting:
            monitor.serve(theirs)
        monitor.main(theirs, may_doze=may_doze)
    theirs.close()
    return ours, pid
