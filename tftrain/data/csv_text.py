"""CSV files as text: how they are written, their lines, their records and their header."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import pyarrow as pa

from tftrain.data.limits import MAX_RECORD, require_few_columns
from tftrain.data.signatures import compression_of
from tftrain.errors import DataError, naming

BLANKS = "blanks"
"""Delimiter of columns between which there are any number of blanks and tabs."""

AHEAD = 20
"""Rows that must agree where they have not as many values as the header."""


@dataclass(frozen=True)
class CsvFormat:
    """How a CSV file is written; arguments as for `read_csv`."""

    delimiter: str = ","
    decimal: str = "."
    encoding: str = "utf-8"
    quote: str | None = '"'
    escape: str | None = None
    comment: str | None = None
    header: bool = True
    skip_rows: int = 0
    missing_values: Sequence[str] = ()
    text_columns: Sequence[str] = ()

    @property
    def mark(self) -> str:
        """The character between two columns in the lines that `Lines` gives."""
        return "\t" if self.delimiter == BLANKS else self.delimiter

    @property
    def filtered(self) -> bool:
        """Whether lines must be changed before Arrow can read them."""
        return self.comment is not None or self.delimiter == BLANKS


@dataclass(frozen=True)
class Source:
    """A CSV file, or a part of one in memory.

    Attributes:
        name: of the file.
        data: the part, not compressed.
    """

    name: str
    data: bytes | None = None

    @property
    def compression(self) -> str | None:
        """The name of its compression, found from the first bytes."""
        return compression_of(self.name) if self.data is None else None

    def open(self) -> Any:
        """Return a binary stream of what is in it, unpacked, to be used in a `with`."""
        if self.data is not None:
            return io.BytesIO(self.data)
        return pa.input_stream(self.name, compression=self.compression)


class Lines:
    """The lines of a CSV file, without those that are skipped and, outside of values, comments.

    Runs of blanks become one tab where they are the delimiter. A line end inside quotes is part of
    a value, so what follows it is not a comment.

    Args:
        stream: binary, unpacked.
        form: how the file is written.
        name: of the file, for errors.

    Attributes:
        number: of the line that was given last, counted from 1 in the file.
        length: characters since the consumer set it to 0.

    Raises:
        DataError: so many characters are given that the file can hardly be a table.
        UnicodeError: it is in another encoding.
    """

    def __init__(self, stream: Any, form: CsvFormat, name: str) -> None:
        self.text = io.TextIOWrapper(io.BufferedReader(stream), encoding=form.encoding, newline="")
        self.form, self.name = form, name
        self.number = self.length = self.whole = 0
        self._open = False
        quote, escape = re.escape(form.quote or "\0"), re.escape(form.escape or "\0")
        mark = re.escape(form.mark)
        inside = rf"(?:[^{quote}{escape}]|{quote}{quote}|{escape}.)*"
        self._rest = re.compile(rf"{inside}{quote}(?!{quote})", re.DOTALL)
        self._closed = re.compile(rf"(^|{mark}){quote}{inside}{quote}", re.DOTALL)
        self._opening = re.compile(rf"(?:^|{mark}){quote}")
        self._value = re.compile(rf"{quote}{inside}{quote}?|[^ \t\r\n]+", re.DOTALL)

    def __iter__(self) -> Iterator[str]:
        for _ in range(self.form.skip_rows):
            self._read()
        filtered = self.form.filtered
        while line := self._read():
            if not filtered:
                yield line
            elif self._open or not self._is_comment(line):
                yield self._plain(line)

    def _read(self) -> str:
        """Return the next line of the file with its end; an empty string after the last one."""
        line = self.text.readline(MAX_RECORD)
        self.length += len(line)
        if self.length >= MAX_RECORD:
            raise DataError(
                f"{self.name}: the row after line {self.whole} has over {MAX_RECORD:,} "
                "characters: is a quotation mark not closed, or is this no CSV table?"
            )
        self.number += bool(line)
        return line.removeprefix("\ufeff") if self.number == 1 else line

    def record_ended(self) -> None:
        """Note that the lines given so far are whole records."""
        self.length, self.whole = 0, self.number

    def _is_comment(self, line: str) -> bool:
        comment = self.form.comment
        return comment is not None and line.lstrip(" \t").startswith(comment)

    def _plain(self, line: str) -> str:
        """Return a line with one tab for each run of blanks, where those are the delimiter."""
        rest = self._rest.match(line) if self._open else None
        if self._open and not rest:
            return line
        start = rest.group() if rest else ""
        line = line[len(start) :]
        if self.form.delimiter != BLANKS:
            if self._open or (self.form.quote and self.form.quote in line):
                self._open = bool(self._opening.search(self._closed.sub(r"\1", line)))
            return start + line
        if not (self.form.quote and self.form.quote in line):
            self._open = False
            return start + "\t" * bool(start and line.strip()) + "\t".join(line.split()) + "\n"
        values = self._value.findall(line)
        last = values[-1] if values else ""
        self._open = bool(self._opening.search(self._closed.sub("", last)))
        joined = "\t".join([start, *values] if start else values)
        return joined if self._open else joined + "\n"


class LineStream(io.RawIOBase):
    """Lines as a binary stream of UTF-8, for Arrow.

    Args:
        lines: to read from.
    """

    def __init__(self, lines: Lines) -> None:
        super().__init__()
        self.lines = lines
        self.left = iter(lines)
        self.rest = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = bytearray(self.rest)
        for line in self.left:
            self.lines.record_ended()
            data += line.encode("utf-8", "surrogatepass")
            if 0 <= size <= len(data):
                break
        end = len(data) if size < 0 else size
        self.rest = bytes(data[end:])
        return bytes(data[:end])


def records(source: Source, form: CsvFormat) -> Iterator[tuple[int, list[str]]]:
    """Yield the last line and the values of each record of a CSV file, header included.

    Raises:
        DataError: a record is so long that the file can hardly be a table.
        UnicodeError: the file is in another encoding.
        csv.Error: a value is too long, or has no end.
    """
    with source.open() as stream:
        lines = Lines(stream, form, source.name)
        for row in csv.reader(
            iter(lines),
            delimiter=form.mark,
            quotechar=form.quote,
            escapechar=form.escape,
            quoting=csv.QUOTE_MINIMAL if form.quote else csv.QUOTE_NONE,
        ):
            lines.record_ended()
            yield lines.number, row


@dataclass(frozen=True)
class Header:
    """The columns of a CSV file.

    Attributes:
        names: of the columns, one for each; empty where they cannot be read.
        unnamed: those that the file gives no name, and `names` does: `column_N`.
        plain: whether Arrow finds the same names by itself.
        records: of the file, empty lines among them, that lie above the rows.
        lines: of the file up to there.
        rows: whether there is one below it.
        single: whether an empty line is a missing value, because there is one column only.
        shifted: whether rows have one value more than the file has names.
    """

    names: list[str]
    unnamed: list[str]
    plain: bool = True
    records: int = 0
    lines: int = 0
    rows: bool = True
    single: bool = False
    shifted: bool = False


NO_HEADER = Header([], [])


def header_of(source: Source, form: CsvFormat) -> Header:
    """Return the columns of a CSV file.

    Raises:
        DataError: the header is so long that the file can hardly be a table, or it has too many
            columns, or there is none.
    """
    found = records(source, form)
    first: list[str] = []
    lines = count = 0
    try:
        for at, first in found:
            lines = at
            single = len(first) == 1 and not count
            count += 1
            if first:
                break
    except (UnicodeError, csv.Error):
        return NO_HEADER
    if not first:
        raise DataError(f"{source.name}: holds no table, only empty lines or comments")
    with naming(source.name):
        require_few_columns(len(first))
    widths = _widths_ahead(found, first)
    if not form.header:
        names = [f"column_{i + 1}" for i in range(len(first))]
        return Header(names, [], plain=False, lines=form.skip_rows, single=single)
    given = _with_unnamed(first, widths)
    names, unnamed = named(given)
    return Header(
        names,
        unnamed,
        plain=not unnamed and given == first,
        records=count,
        lines=lines,
        rows=bool(widths),
        single=single,
        shifted=len(given) > len(first),
    )


def _widths_ahead(
    found: Iterator[tuple[int, list[str]]], header: list[str]
) -> list[tuple[int, bool]]:
    """Return the number of values, and whether the last is empty, of the next rows.

    Of one row, where it has as many values as the header: then nobody asks about the others.
    """
    widths: list[tuple[int, bool]] = []
    try:
        for _, row in found:
            if row:
                widths.append((len(row), not row[-1].strip()))
            if len(widths) == AHEAD or (widths and widths[0][0] == len(header)):
                break
    except (UnicodeError, csv.Error, DataError):
        return widths or [(len(header), False)]
    return widths


def _with_unnamed(header: list[str], rows: Sequence[tuple[int, bool]]) -> list[str]:
    """Return the names of a header, with an empty one more where all rows have a value more.

    R leaves out the name of the row names; a delimiter at the end of each row has no name either,
    nor a column where one stands at the end of the header alone.
    """
    widths = {width for width, _ in rows}
    if widths == {len(header) + 1}:
        at_the_end = all(empty for _, empty in rows)
        return [*header, ""] if at_the_end else ["", *header]
    if widths == {len(header) - 1} and not header[-1].strip() and len(header) > 1:
        return header[:-1]
    return header


def named(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return names with `column_N` in place of empty ones, and these new names.

    N counts all columns from 1; no other column has the same name.
    """
    taken = set(names)
    result: list[str] = []
    new: list[str] = []
    for i, name in enumerate(names):
        if not name.strip():
            name = f"column_{i + 1}"
            while name in taken:
                name += "_"
            taken.add(name)
            new.append(name)
        result.append(name)
    return result, new


def ragged_rows(
    source: Source, form: CsvFormat, expected: int, most: int
) -> Iterator[tuple[int, int]]:
    """Yield the last line and the number of values of rows that have not as many as `expected`.

    Args:
        source: the file.
        form: how it is written.
        expected: number of columns.
        most: rows that are looked at, so that this takes seconds.
    """
    for line, row in islice(records(source, form), most):
        if row and len(row) != expected:
            yield line, len(row)
