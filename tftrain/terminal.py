"""Text for the terminal. Whatever a command says goes through here.

Names and values come from files that somebody else may have written; none of them may move the
cursor, set a title, change a colour or turn the direction of writing.
"""

import io
import re
import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.table import Table

CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # all controls of ASCII and Latin-1 but tab and newline
    "\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"  # line separators, marks of direction
    "\ud800-\udfff]"  # halves of characters, which no encoding can write
)


def printable(text: str) -> str:
    r"""Return a text with each control character as an escape that can be seen, such as `\x1b`."""
    return CONTROLS.sub(lambda found: ascii(found.group())[1:-1], text)


def say(text: object, *, err: bool = False) -> None:
    """Print a text on a line of its own: on stdout, or on stderr."""
    click.echo(printable(str(text)), err=err)


def pass_on(data: str) -> None:
    """Print data on stdout as they are; but in a terminal without control characters."""
    click.echo(printable(data) if sys.stdout.isatty() else data, nl=False)


def rendered(table: "Table", width: int = 100) -> str:
    """Return a table as text, in lines of at most `width` columns; nothing in it is markup."""
    from rich.console import Console  # most commands need none

    file = io.StringIO()
    Console(file=file, width=width, markup=False, emoji=False, highlight=False).print(table)
    return file.getvalue().rstrip()
