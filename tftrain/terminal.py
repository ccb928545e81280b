"""Text for the terminal. Whatever a command says goes through here.

Names and values come from files that somebody else may have written; none of them may move the
cursor, set a title, change a colour or turn the direction of writing.

A stream may have any encoding, and nobody need read it. Characters that it cannot encode become
escapes. What stderr cannot take is dropped: no command depends on a reader of its progress.
"""

import codecs
import io
import os
import re
import sys
from typing import TYPE_CHECKING, Any

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


def writable(text: str) -> str:
    r"""Return a text with each character that stdout cannot encode as an escape, as `\u20ac`."""
    return _encodable(printable(text), sys.stdout)


def say(text: object, *, err: bool = False) -> None:
    """Print a text on a line of its own: on stdout, or on stderr.

    Raises:
        OSError: the stream cannot be written; stderr of the command line always can.
    """
    stream = sys.stderr if err else sys.stdout
    _write(_encodable(printable(str(text)) + "\n", stream), stream)


def pass_on(data: str) -> None:
    """Print data on stdout: in a terminal as text, elsewhere in UTF-8 whatever the locale.

    Data in a pipe or a file are for programs: they are the bytes of a table that is written.

    Raises:
        OSError: stdout cannot be written.
    """
    if sys.stdout.isatty():
        _write(writable(data), sys.stdout)
    else:
        _write(data.encode("utf-8", "backslashreplace"), sys.stdout.buffer)


def rendered(table: "Table", width: int = 100) -> str:
    """Return a table as text, in lines of at most `width` columns; nothing in it is markup.

    Its lines are drawn in ASCII unless stdout is encoded in Unicode.
    """
    from rich.console import Console  # most commands need none

    encoding = _encoding(sys.stdout)
    if not encoding.startswith("utf"):
        for column in table.columns:  # the ellipsis that marks a cut is not in every encoding
            column.overflow = "fold"
    file = io.TextIOWrapper(io.BytesIO(), encoding, "backslashreplace", newline="\n")
    Console(file=file, width=width, markup=False, emoji=False, highlight=False).print(table)
    file.seek(0)
    return file.read().rstrip()


def prepare_streams() -> None:
    """Make the standard streams of this process open, and stderr one that can always be written.

    A stream that the caller has closed is opened on the null device: the next file that is opened
    would get its descriptor, and with it what is printed. Writing to such a stdout fails.
    """
    for name, mode, flags in (
        ("stdin", "r", os.O_RDONLY),
        ("stdout", "w", os.O_RDONLY),
        ("stderr", "w", os.O_WRONLY),
    ):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, flags)  # the lowest that is free
            os.set_inheritable(descriptor, True)
            stream = open(descriptor, mode, encoding="utf-8", closefd=False)  # noqa: SIM115 - kept
            setattr(sys, name, stream)
    try:
        descriptor = sys.stderr.fileno()
    except OSError:  # a program has put something else in its place
        return
    sys.stderr = io.TextIOWrapper(
        io.BufferedWriter(Unread(descriptor, "w", closefd=False)),
        sys.stderr.encoding,
        "backslashreplace",
        line_buffering=True,
    )


class Unread(io.FileIO):
    """A descriptor that can always be written; what nobody takes is dropped."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data) or len(data)  # None: it would have to wait
        except OSError:
            return len(data)


def _write(data: Any, stream: Any) -> None:
    try:
        stream.write(data)
        stream.flush()
    except OSError as error:
        error.filename = "stderr" if stream is sys.stderr else "stdout"
        raise


def _encodable(text: str, stream: Any) -> str:
    encoding = _encoding(stream)
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _encoding(stream: Any) -> str:
    """Return the encoding of a text stream by its usual name, such as `utf-8`."""
    return codecs.lookup(stream.encoding or "utf-8").name
