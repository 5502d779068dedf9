"""Reading command lines: one table of options per command, read in two ways.

`quick` reads what is right, and that is all a start of a container needs: argparse takes a tenth
of that time, so it is imported only to explain. Whatever `quick` does not understand (an unknown
option, a missing value, `--help`) goes to `Parser`, which is made from the same table.
"""

from __future__ import annotations

from kernelbox.kernel.errors import UsageError
from kernelbox.plumbing.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence
    from typing import Any


class Option(NamedTuple):
    """One option of a command.

    Attributes:
        names: As written, the long one first: `("--env", "-e")`.
        help: What it does.
        metavar: What its value is called; empty for an option without a value.
        convert: Makes the value of the text; raises ValueError.
        default: Its value when it is not given; a list if it may be given several times.
        stands_for: Its value when given, for an option without one.
        dest: Its name in the result, if that is not the long name's.
    """

    names: tuple[str, ...]
    help: str
    metavar: str = ""
    convert: Callable[[str], Any] = str
    default: Any = None
    stands_for: Any = True
    dest: str = ""

    @property
    def key(self) -> str:
        """Its name in the result."""
        return self.dest or self.names[0].removeprefix("--").replace("-", "_")


class Command(NamedTuple):
    """A command line: options, then one word, then words that are not ours to read.

    Attributes:
        name: Of the command.
        help: What it does.
        options: What may come before the word.
        subject: What the word is called, such as IMAGE.
    """

    name: str
    help: str
    options: Sequence[Option]
    subject: str


def read(command: Command, argv: list[str]) -> dict[str, Any]:
    """Return the options by key, the word under its name in small letters, the rest as `command`.

    Raises:
        UsageError: The line is wrong.
    """
    return quick(command, argv) or _explain(command, argv)


def quick(command: Command, argv: list[str]) -> dict[str, Any] | None:
    """Read a line that is right; None for any other."""
    known = {name: option for option in command.options for name in option.names}
    found: dict[str, Any] = {
        option.key: list(option.default) if isinstance(option.default, list) else option.default
        for option in reversed(command.options)
    }
    words = iter(argv)
    for word in words:
        if not word.startswith("-") or word == "-":
            found[command.subject.lower()] = word
            found["command"] = list(words)
            return found
        name, equals, value = word.partition("=")
        if word in known:
            name, equals = word, ""
        elif not word.startswith("--") and all(f"-{letter}" in known for letter in word[1:]):
            for letter in word[1:]:
                option = known[f"-{letter}"]
                if option.metavar:
                    return None
                found[option.key] = option.stands_for
            continue
        option_or_none = known.get(name)
        if option_or_none is None or (equals and not option_or_none.metavar):
            return None
        if not _store(found, option_or_none, value if equals else None, words):
            return None
    return None


def _store(found: dict[str, Any], option: Option, value: str | None, words: Any) -> bool:
    """Put one option into the result, taking its value from `words` if it has none yet."""
    if not option.metavar:
        found[option.key] = option.stands_for
        return True
    text = next(words, None) if value is None else value
    try:
        converted = None if text is None else option.convert(text)
    except ValueError:
        return False
    if isinstance(option.default, list):
        found[option.key].append(converted)
    else:
        found[option.key] = converted
    return text is not None


def _explain(command: Command, argv: list[str]) -> dict[str, Any]:
    """Read the line with argparse: print the help it asks for, or say what is wrong with it."""
    parser = parser_for(command.name, command.help)
    for option in command.options:
        if not option.metavar:
            parser.add_argument(
                *option.names,
                action="store_const",
                const=option.stands_for,
                default=option.default,
                dest=option.key,
                help=option.help,
            )
        else:
            parser.add_argument(
                *option.names,
                action="append" if isinstance(option.default, list) else "store",
                type=option.convert,
                default=option.default,
                dest=option.key,
                metavar=option.metavar,
                help=option.help,
            )
    parser.add_argument(command.subject.lower(), metavar=command.subject)
    parser.add_argument("command", nargs="...", metavar="COMMAND ...")
    return vars(parser.parse_args(argv))


def parser_for(command: str, description: str) -> argparse.ArgumentParser:
    """Return an argparse parser whose errors are one line, like all of kernelbox's."""
    import argparse

    class Parser(argparse.ArgumentParser):
        def error(self, message: str) -> Any:
            raise UsageError(message.rstrip(" ."), f"See: {self.prog} --help")

    return Parser(f"kernelbox {command}", description=description, allow_abbrev=False)
