"""`kernelbox completion bash|zsh`: a script with which a shell completes commands and options.

The options are those that each command's own `--help` tells, and the names of containers and images
are asked for when somebody presses Tab.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import re

from kernelbox.cli.parser import parser_for

_TABLE = "{{.Names}}"
# Which names come behind a command: those of containers that run, of all, or of images.
_RUNNING = "attach exec kill logs pause port restart stats stop top unpause update audit".split()
_ANY = "commit cp diff inspect rename rm start wait".split()
_IMAGES = "create history push rmi run save tag".split()
_ACTIONS = ("network", "volume", "system", "seccomp")

_SCRIPT = """\
# {shell} completion of kernelbox. Read it in: source <(kernelbox completion {shell})
{before}_kernelbox() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} words= names=
    if [ "$COMP_CWORD" -eq 1 ]; then
        COMPREPLY=($(compgen -W "{commands}" -- "$current"))
        return
    fi
    case ${{COMP_WORDS[1]}} in
{cases}
    esac
    case $current in
    -*) COMPREPLY=($(compgen -W "$words" -- "$current")) ;;
    *)
        case ${{COMP_WORDS[1]}} in
        {running}) names=$(kernelbox ps --format '{table}' 2>/dev/null) ;;
        {any}) names=$(kernelbox ps -a --format '{table}' 2>/dev/null) ;;
        {images}) names=$(kernelbox images 2>/dev/null | awk 'NR > 1 {{ print $1 ":" $2 }}') ;;
        {actions}) [ "$COMP_CWORD" -eq 2 ] && names=$words ;;
        esac
        COMPREPLY=($(compgen -W "$names" -- "$current"))
        ;;
    esac
}}
complete -o default -F _kernelbox kernelbox
"""


def command_completion(argv: list[str]) -> int:
    """Print the script for a shell."""
    parser = parser_for("completion", "Print a script with which a shell completes our commands.")
    parser.add_argument("shell", choices=["bash", "zsh"])
    given = parser.parse_args(argv)
    from kernelbox.cli import COMMANDS

    cases = [
        f'    {name}) words="{" ".join(_words(module, name))}" ;;'
        for name, (module, _) in COMMANDS.items()
    ]
    before = "autoload -Uz compinit bashcompinit && compinit && bashcompinit\n"
    print(
        _SCRIPT.format(
            shell=given.shell,
            before=before if given.shell == "zsh" else "",
            commands=" ".join(COMMANDS),
            cases="\n".join(cases),
            table=_TABLE,
            running="|".join(_RUNNING),
            any="|".join(_ANY),
            images="|".join(_IMAGES),
            actions="|".join(_ACTIONS),
        ),
        end="",
    )
    return 0


def _words(module: str, command: str) -> list[str]:
    """Return the options that a command's help tells; of one with further commands, those."""
    told = io.StringIO()
    run = getattr(importlib.import_module(f"kernelbox.cli.{module}"), f"command_{command}")
    if command == "completion":
        return ["bash", "zsh"]
    with contextlib.redirect_stdout(told), contextlib.suppress(SystemExit):
        run(["--help"])
    text = told.getvalue()
    if command in _ACTIONS:
        return re.findall(r"^ +([a-z]+)\b", text, re.MULTILINE)
    return list(dict.fromkeys(re.findall(r"(?<![\w-])--[a-z][\w-]*", text)))
