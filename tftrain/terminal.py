"""Tables as text for the terminal."""

import io

from rich.console import Console
from rich.table import Table


def rendered(table: Table, width: int = 100) -> str:
    """Return a table as text, in lines of at most `width` columns."""
    file = io.StringIO()
    Console(file=file, width=width).print(table)
    return file.getvalue().rstrip()
