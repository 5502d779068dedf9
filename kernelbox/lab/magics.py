"""Cell magics: `%%inside p` runs the cell in a held process or a container, as shell or Python.

%%inside p                 %%inside p --python
hostname; id               print(os.getpid())

Opening a lab brings them along; `%load_ext kernelbox.lab` does so without one.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

from kernelbox.lab.conversation import LabError
from kernelbox.lab.held import Held
from kernelbox.lab.started import Container

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


def offer() -> None:
    """Register the magics, if this is a notebook or another IPython."""
    if "IPython" in sys.modules:
        from IPython.core.getipython import get_ipython

        shell = get_ipython()
        if shell is not None:
            load_ipython_extension(shell)


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Register the magics; called by `%load_ext kernelbox.lab`.

    And let a first picture be drawn in silence: where it takes long to find this machine's fonts,
    matplotlib says so in red, as if something had failed.
    """
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)

    def inside(line: str, cell: str) -> None:
        _inside(shell, line, cell)

    shell.magics_manager.register_function(inside, magic_kind="cell", magic_name="inside")


def _inside(shell: InteractiveShell, line: str, cell: str) -> None:
    """Run a cell inside the process or container whose variable `line` names.

    Raises:
        LabError: There is no such variable, or the code failed.
    """
    words = line.split()
    python = "--python" in words
    names = [word for word in words if word != "--python"]
    if len(names) == 1 and names[0].isidentifier() and names[0] not in shell.user_ns:
        raise LabError(
            f"%%inside {line}: there is no {names[0]} yet",
            f"Run the cell above that says {names[0]} = ..., then this one",
        )
    target = shell.user_ns.get(names[0]) if len(names) == 1 else None
    if isinstance(target, Held) and python:
        target.python(cell)
        return
    if isinstance(target, Held):
        code = target.shell(cell)
    elif isinstance(target, Container) and not python:
        code = target.exec(["sh", "-c", cell]).code
    else:
        raise LabError(
            f"%%inside {line}: not a held process or a container",
            "Write %%inside NAME, where NAME = box.hold() or box.start(...); "
            "--python is for held processes",
        )
    if code:
        print(f"(exit code {code})")
