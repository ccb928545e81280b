"""How much of a table is read before it is refused, whoever wrote it."""

import io
from typing import Any

import pyarrow as pa

from tftrain import memory
from tftrain.errors import DataError, naming

MAX_RECORD = 1 << 24
"""Characters of one row of a CSV file, and of its header."""

MAX_COLUMNS = 100_000

MAX_NAME = 10_000
"""Characters of a column's name."""


def require_memory(needed: float) -> None:
    """Raise DataError where a table needs more bytes than a process can have."""
    most = memory.limit()
    if needed > most.size:
        raise DataError(
            f"is larger than the {memory.in_words(most.size)} of memory that {most.place}; take "
            "fewer rows or columns"
        )


def require_few_columns(count: int) -> None:
    """Raise DataError where a table has more columns than are read."""
    if count > MAX_COLUMNS:
        raise DataError(f"has {count:,} columns, but {MAX_COLUMNS:,} at most can be read")


class LimitedStream(io.RawIOBase):
    """A stream that stops with a DataError when more is made of it than memory can hold.

    A file of some kilobytes can unpack to terabytes, and numbers of one digit take eight bytes; the
    DataFrame takes as much again. It reports what Arrow has made so far if Arrow reads serially.

    Args:
        stream: to read from; it has `read` and is closed by whoever opened it.
        file: its name, for the error.
    """

    def __init__(self, stream: Any, file: str) -> None:
        super().__init__()
        self.stream = stream
        self.file = file
        self.seen = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data: bytes = self.stream.read(size)
        self.seen += len(data)
        with naming(self.file):
            require_memory(max(self.seen, 2 * pa.total_allocated_bytes()))
        return data
