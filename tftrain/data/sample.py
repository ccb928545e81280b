"""Parts of a table that is too large to be read for a first look."""

import codecs
import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from tftrain.data.csv_text import CsvFormat, Source, header_of, records
from tftrain.data.sources.arrow import Needed, joined
from tftrain.data.sources.csv import csv_tables, read_csv
from tftrain.data.sources.parquet import parquet_tables, read_parquet
from tftrain.data.sources.paths import files_of
from tftrain.errors import DataError

PIECE_BYTES = 1 << 23
"""Bytes of each of the three parts of a file that are looked at."""

SAMPLE_VALUES = 1 << 23
"""Values of a Parquet file that are looked at, about."""

TRIES = 50
"""Line ends at which a record may begin, or end, that are tried."""


@dataclass(frozen=True)
class Sample:
    """A table, or rows from its beginning, its middle and its end.

    Attributes:
        frame: the rows. Its index has their numbers in the table, counted from 0; numbers below 0
            stand for rows of which only the order is known.
        rows: of the whole table; estimated unless it is whole.
        whole: whether all rows are there.
        doubled: names that several columns have, of which the frame holds the first.
    """

    frame: pd.DataFrame
    rows: int
    whole: bool
    doubled: list[str]


@dataclass(frozen=True)
class Pieces:
    """Bytes of a file, unpacked.

    Attributes:
        parts: its beginning; of a large one that is not compressed also its middle and its end.
        size: of the file, unpacked; estimated where it is compressed.
        whole: whether the beginning is all of it.
    """

    parts: list[bytes]
    size: float
    whole: bool


def pieces_of(file: str) -> Pieces:
    """Return the beginning, the middle and the end of a file.

    Raises:
        DataError: it cannot be read.
    """
    compression, size = Source(file).compression, Path(file).stat().st_size
    most = 3 * PIECE_BYTES
    try:
        with open(file, "rb") as raw:
            if compression is None:
                if size <= most:
                    return Pieces([raw.read()], size, whole=True)
                parts = []
                for start in (0, (size - PIECE_BYTES) // 2, size - PIECE_BYTES):
                    raw.seek(start)
                    parts.append(raw.read(PIECE_BYTES))
                return Pieces(parts, size, whole=False)
            stream = pa.CompressedInputStream(raw, compression)
            data = bytes(stream.read(most))
            if len(data) < most:
                return Pieces([data], len(data), whole=True)
            return Pieces([data], len(data) * size / raw.tell(), whole=False)
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {error}") from None


def sample_csv(path: str | Path, **options: Any) -> Sample:
    """Return a CSV table, or a sample of it where it is large.

    Args:
        path: file or pattern; of many files, the first, the middle and the last are looked at.
        **options: as for `read_csv`.

    Raises:
        DataError: as `read_csv`.
    """
    files = files_of(path)
    if len(files) == 1:
        chosen = files
    elif sum(Path(file).stat().st_size for file in files) > 3 * PIECE_BYTES:
        chosen = [files[0], files[len(files) // 2], files[-1]]
    else:
        chosen = []
    pieces = [pieces_of(file) for file in dict.fromkeys(chosen)]
    form = CsvFormat(**options)
    doubled = _doubled(header_of(Source(files[0]), form).names)
    needed = _none_of(doubled)

    def all_of_it() -> Sample:
        frame = read_csv(path, needed=needed, **options)
        return Sample(frame, len(frame), True, doubled)

    if not pieces or (len(files) == 1 and pieces[0].whole):
        return all_of_it()
    sources = [
        source
        for file, found in zip(dict.fromkeys(chosen), pieces, strict=True)
        for source in _sources(file, found, form)
    ]
    if not all(source.data for source in sources):
        return all_of_it()  # a line without end, which is an error
    within = replace(form, encoding="utf-8")
    try:
        tables = csv_tables(sources, within, needed)
    except DataError:
        tables = csv_tables(sources[:1], within, needed)
    frame = joined(path, tables)
    known = tables[0].num_rows
    frame.index = pd.Index(np.r_[np.arange(known), np.arange(known - len(frame), 0)])
    seen = sum(len(source.data or b"") for source in sources[: len(tables)])
    size = sum(found.size for found in pieces) / len(pieces) * len(files)
    return Sample(frame, round(len(frame) * size / seen), False, doubled)


def _doubled(names: Sequence[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]


def _none_of(names: Sequence[str]) -> Needed:
    """Return that all columns are needed but those of some names."""
    return lambda name: name not in names


def _sources(file: str, pieces: Pieces, form: CsvFormat) -> list[Source]:
    """Return the parts of a file as files of their own, in UTF-8, each with the header.

    The first is empty where it holds no whole record.
    """
    head = text_of(file, pieces.parts[0], form.encoding)
    if not pieces.whole:
        head = head[: end_of_records(head, form.quote)]
    within = replace(form, encoding="utf-8")
    first = Source(file, head.encode())
    wide = "\n".encode(form.encoding) != b"\n"  # nobody knows at which byte a character begins
    if not head or len(pieces.parts) == 1 or wide:
        return [first]
    if not all(b"\n" in part for part in pieces.parts):
        return [Source(file, b"")]
    header = header_of(first, within)
    lines = io.StringIO(head, newline="")
    above = "".join(lines.readline() for _ in range(header.lines))
    rows = replace(within, skip_rows=0)
    sources = [first]
    for part in pieces.parts[1:]:
        text = text_of(file, part[part.find(b"\n") + 1 :], form.encoding)
        start = _start_of_records(text, rows, len(header.names))
        text = text[start:] if start is not None else ""
        text = text[: end_of_records(text, form.quote)]
        if text:
            sources.append(Source(file, (above + text).encode()))
    return sources


def text_of(file: str, data: bytes, encoding: str) -> str:
    """Return bytes as text, without half a character at their end.

    Raises:
        DataError: they are not of the encoding.
    """
    try:
        return codecs.getincrementaldecoder(encoding)().decode(data)
    except UnicodeError as error:
        raise DataError(
            f"{file}: not {encoding} text ({error}); set data.source.encoding"
        ) from None


def end_of_records(text: str, quote: str | None) -> int:
    """Return where the last whole record of a text ends; 0 where none does."""
    line_end = "\n" if "\n" in text else "\r"
    last = at = text.rfind(line_end)
    for _ in range(TRIES):
        if at < 0:
            break
        if not quote or text.count(quote, 0, at) % 2 == 0:
            return at + 1
        at = text.rfind(line_end, 0, at)
    return last + 1


def _start_of_records(text: str, form: CsvFormat, columns: int) -> int | None:
    """Return where records begin in a text that begins with a line, perhaps inside of quotes."""
    start = 0
    for _ in range(TRIES):
        part = Source("", text[start : start + (1 << 20)].encode())
        try:
            widths = [len(row) for _, row in islice(records(part, form), 20) if row]
        except (csv.Error, UnicodeError, DataError):
            widths = []
        if len(widths) > 1 and set(widths[:-1]) == {columns}:
            return start
        start = text.find("\n", start) + 1
        if not start:
            break
    return None


def sample_parquet(path: str | Path) -> Sample:
    """Return a Parquet table, or rows from its beginning, middle and end where it is large.

    Raises:
        DataError: as `read_parquet`.
    """
    files = files_of(path)
    try:
        about = [parquet.read_metadata(file) for file in files]
    except (OSError, ValueError, pa.ArrowException):  # what is wrong, reading it says
        about = []
    doubled = _doubled(about[0].schema.to_arrow_schema().names) if about else []
    needed = _none_of(doubled)
    if sum(each.num_rows * each.num_columns for each in about) <= SAMPLE_VALUES:
        frame = read_parquet(path, needed=needed)
        return Sample(frame, len(frame), True, doubled)
    rows = sum(each.num_rows for each in about)
    places: list[np.ndarray] = []
    tables = parquet_tables([Source(files[0])], needed, read=lambda file: _some_rows(file, places))
    frame = joined(path, tables)
    frame.index = pd.Index(np.concatenate(places))
    return Sample(frame, rows, False, doubled)


def _some_rows(file: parquet.ParquetFile, places: list[np.ndarray]) -> pa.Table:
    """Return the first rows of the first, the middle and the last row group; note their numbers."""
    about = file.metadata
    groups: Sequence[int] = sorted({0, about.num_row_groups // 2, about.num_row_groups - 1})
    most = max(1000, SAMPLE_VALUES // (3 * max(1, about.num_columns)))
    batches = []
    for group in groups:
        start = sum(about.row_group(i).num_rows for i in range(group))
        for batch in islice(file.iter_batches(batch_size=most, row_groups=[group]), 1):
            batches.append(batch)
            places.append(np.arange(start, start + len(batch)))
    return pa.Table.from_batches(batches, file.schema_arrow)
