"""Words, numbers and tables as text of at most 100 columns."""

import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from tftrain.reference.expression import shown
from tftrain.terminal import rendered

WIDTH = 100

SHORT_SUM = 26
"""Most characters of a sum that is shown on one line of a table."""

NO_BREAK = "\u00a0"

ROUNDED = "Numbers are rounded to 6 significant digits."


def unbroken(text: str) -> str:
    """Return text that `wrapped` leaves on one line."""
    return text.replace(" ", NO_BREAK)


def wrapped(text: str, indent: int = 0) -> str:
    """Return text in lines of at most 100 columns; what follows the first is set in further."""
    margin = " " * indent
    filled = textwrap.fill(
        text,
        WIDTH,
        initial_indent=margin,
        subsequent_indent=margin + " " * 4 * bool(indent),
        break_long_words=False,
        break_on_hyphens=False,
    )
    return filled.replace(NO_BREAK, " ")


def counted(count: int, what: str) -> str:
    """Return a count and its noun, in the plural unless it is 1."""
    return f"{count:,} {what}" + ("" if count == 1 else "s")


def beside(theirs: Any, ours: Any) -> list[str]:
    """Return cells with TensorFlow's number, NumPy's, and how far they are apart."""
    return [shown(theirs), shown(ours), f"{abs(float(theirs) - float(ours)):.2g}"]


def sum_of(terms: Sequence[str]) -> str:
    """Return a sum for a cell of a table: on one line if it is short, else a line for each term."""
    short = sum(map(len, terms)) <= SHORT_SUM
    return (" + " if short else "\n+ ").join(terms)


def table_of(headings: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1) -> str:
    """Return a table as text, its first `left` columns flush left."""
    table = Table()
    for i, heading in enumerate(headings):
        table.add_column(heading, justify="left" if i < left else "right")
    for row in rows:
        table.add_row(*(Text(cell.replace(NO_BREAK, " ")) for cell in row))
    return rendered(table, WIDTH)
