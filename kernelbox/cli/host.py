"""Commands on the host: doctor, reset, lab, workbook."""

from __future__ import annotations

import os
import sys

from kernelbox.cli.parser import parser_for
from kernelbox.container.lifecycle import cleanup
from kernelbox.kernel.errors import KernelboxError


def command_doctor(argv: list[str]) -> int:
    """Check the host; 0 if the labs can run on it."""
    from kernelbox.lab import doctor

    return doctor.main(argv)


def command_reset(argv: list[str]) -> int:
    """Remove everything kernelbox owns; what it does not own is left alone."""
    parser = parser_for("reset", "Remove every container, network, image and file of kernelbox's.")
    parser.parse_args(argv)
    if os.geteuid() != 0:
        raise KernelboxError("reset needs privilege", "Run it as root: sudo kernelbox reset")
    cleanup.reset()
    from kernelbox.oci import places, state

    if theirs := state.every(places.usual()):
        count = "one container" if len(theirs) == 1 else f"{len(theirs)} containers"
        print(f"clean, but for {count} of bundles: their engine deletes them, or you do:")
        print(f"kernelbox oci delete --force {' '.join(theirs)}")
        return 0
    print("clean: nothing of kernelbox's is left on this host")
    return 0


def command_workbook(argv: list[str]) -> int:
    """Bring the student's own copy of the notebooks up to date, and print where it is."""
    parser = parser_for(
        "workbook",
        "Bring your own copy of the notebooks up to date, and print where it is: "
        "$KERNELBOX_WORKBOOK, or ~/kernelbox-lab. What you have written is never replaced.",
    )
    parser.add_argument(
        "--solutions", action="store_true", help="and the solved chapters, in a directory of theirs"
    )
    given = parser.parse_args(argv)
    from kernelbox.lab.workbook import delivery

    for sentence in delivery.deliver(solutions=given.solutions):
        print(f"kernelbox: {sentence}", file=sys.stderr)
    print(delivery.place())
    return 0


def command_lab(argv: list[str]) -> int:
    """Bring the workbook up to date, and serve it in JupyterLab until Ctrl-C."""
    parser = parser_for(
        "lab",
        "Open your own copy of the notebooks in JupyterLab, on this machine alone. See also: "
        "kernelbox workbook --help",
    )
    parser.add_argument("--port", type=_port, help="of this machine (the first free from 8888)")
    parser.add_argument("--solutions", action="store_true", help="open the solved chapters")
    given = parser.parse_args(argv)
    from kernelbox.lab import serving
    from kernelbox.lab.workbook import delivery

    def say(line: str) -> None:
        print(line if line[:1] in "┌│└" else f"kernelbox: {line}", flush=True)

    for sentence in delivery.deliver(solutions=given.solutions):
        say(sentence)
    say(f"your workbook is {delivery.place()}")
    page = delivery.first_solved() if given.solutions else delivery.FRONT
    place = delivery.place()
    return serving.serve(place, page, place / delivery.OWN, given.port, say)


def _port(text: str) -> int:
    port = int(text)
    if not 0 < port < 65536:
        raise ValueError(text)
    return port
