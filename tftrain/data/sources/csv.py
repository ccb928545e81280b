"""Tables from CSV."""

import codecs
import csv
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from pyarrow import csv as arrow_csv

from tftrain.data.csv_text import (
    CsvFormat,
    Header,
    Lines,
    LineStream,
    Source,
    header_of,
    ragged_rows,
)
from tftrain.data.limits import LimitedStream
from tftrain.data.notation import MISSING
from tftrain.data.signatures import HEAD_BYTES, require_csv
from tftrain.data.sources.arrow import (
    UNNAMED,
    Needed,
    check_columns,
    every_column,
    joined,
    read_each,
    reason_of,
    settled,
)
from tftrain.data.sources.paths import files_of
from tftrain.errors import DataError, naming

BLOCK_BYTES = (1 << 24, 1 << 30)
"""Bytes of a CSV file from which the types of its columns are inferred; the second size is tried
where a later value does not fit."""

MAX_EXPLAINED = 5_000_000
"""Rows of a CSV file among which the first one that is wrong is searched for."""

DELIMITERS = (",", ";", "\t", "|")


def read_csv(
    path: str | Path, *, needed: Needed = every_column, allow_empty: bool = False, **options: Any
) -> pd.DataFrame:
    """Read a CSV file, or all files that a glob pattern matches, with a header line in each.

    A column without a name is called `column_N`, counted from 1; see `drop_unnamed`.

    Args:
        path: file or pattern; compression is recognised by the first bytes.
        needed: which columns are read by their names; of two others of one name, the first stays.
        allow_empty: whether there may be no rows.
        **options: `delimiter`, character between columns, or `blanks` for any number of blanks and
            tabs; `decimal`, character in front of a number's fraction; `encoding`, character
            encoding; `quote`, character around a text that holds delimiters, or None; `escape`,
            character in front of a quote or delimiter that belongs to a text, or None; `comment`,
            what the lines that are no rows begin with, or None; `header`, whether the first line
            names the columns, else they are `column_1`, `column_2` and so on; `skip_rows`, lines
            above the header; `missing_values`, texts that stand for a missing value besides the
            empty one, NA, NaN, NULL and the like; `text_columns`, columns that are text even where
            all their values look like numbers.

    Raises:
        DataError: a file is missing, empty or ragged (with the line number), has one column only
            because the delimiter is another, or is in another encoding, or another format.
    """
    sources = [Source(file) for file in files_of(path)]
    tables = csv_tables(sources, CsvFormat(**options), needed)
    return joined(path, tables, allow_empty)


def csv_tables(
    sources: Iterable[Source], form: CsvFormat, needed: Needed = every_column
) -> list[pa.Table]:
    """Return the Arrow tables of several CSV files, or parts of files, written alike.

    Raises:
        DataError: as `read_csv`.
    """
    sources = list(sources)
    tables = read_each(sources, lambda source: read_csv_file(source, form), needed)
    text = {f.name for t in tables for f in t.schema if pa.types.is_string(f.type)}
    again = replace(form, text_columns=sorted({*text, *form.text_columns}))
    for i, table in enumerate(tables):  # a column that is text in one file is text in all
        here = text & set(table.column_names)
        if any(table.schema.field(name).type != pa.string() for name in here):
            tables[i] = settled(read_csv_file(sources[i], again), needed)
    return tables


def read_csv_file(source: Source, form: CsvFormat, as_written: bool = False) -> pa.Table:
    """Return the table of a CSV file.

    Args:
        source: the file.
        form: how it is written.
        as_written: whether only the columns of text are read, and nothing in them is missing.

    Raises:
        DataError: as `read_csv`.
    """
    _require_csv(source)
    header = header_of(source, form)
    if as_written:
        with naming(source.name):
            check_columns(header.names, set(form.text_columns).__contains__)
    if not header.rows:
        nothing = pa.table([pa.nulls(0)] * len(header.names), names=header.names)
        return _noting_unnamed(nothing, header)
    table = _parsed(source, form, header, as_written, BLOCK_BYTES)
    names = _require_encoding(table, source.name, form.encoding)
    if form.header and not as_written:
        _require_delimiter(names, source.name, form.delimiter)
    return _noting_unnamed(table, header)


def _parsed(
    source: Source, form: CsvFormat, header: Header, as_written: bool, sizes: Sequence[int]
) -> pa.Table:
    """Return the table of a CSV file, with types inferred from the first of some block sizes.

    Where a later value does not fit the types, the next size is tried.
    """
    only = _present(form.text_columns, header) if as_written else None
    try:
        return arrow_table(source, form, header, sizes[0], as_written, only=only)
    except UnicodeError as error:
        raise _wrong_encoding(source.name, form.encoding, str(error)) from None
    except pa.ArrowInvalid as error:
        _explain_csv(source, form, header)
        if "conversion error" not in str(error) or len(sizes) == 1:
            raise DataError(f"{source.name}: not a CSV table: {reason_of(error)}") from None
    return _parsed(source, form, header, as_written, sizes[1:])


def _require_encoding(table: pa.Table, file: str, encoding: str) -> list[str]:
    """Return the names of the columns; raise DataError where they or the values are not text."""
    try:
        binary = [field.name for field in table.schema if pa.types.is_binary(field.type)]
        names: list[str] = table.column_names
    except UnicodeDecodeError as error:
        raise _wrong_encoding(file, encoding, f"in the header: {error.reason}") from None
    if binary or any("\ufffd" in name for name in names):
        where = f"in column {binary[0]!r}" if binary else "in the header"
        raise _wrong_encoding(file, encoding, where)
    return names


def _require_delimiter(names: Sequence[str], file: str, delimiter: str) -> None:
    """Raise DataError where a single column shows that the delimiter is another."""
    other = [d for d in DELIMITERS if d != delimiter and d in names[0]] if len(names) == 1 else []
    if other:
        raise DataError(
            f"{file}: only one column found with delimiter {delimiter!r}; the "
            f"header holds {other[0]!r}: set data.source.delimiter to it"
        )


def _require_csv(source: Source) -> None:
    """Raise DataError where a file, unpacked, is of another format."""
    if source.compression is None:  # or it would have been refused
        return
    try:
        with source.open() as stream:
            require_csv(bytes(stream.read(HEAD_BYTES)), source.name)
    except OSError as error:
        raise DataError(f"{source.name}: cannot be read: {reason_of(error)}") from None


def _noting_unnamed(table: pa.Table, header: Header) -> pa.Table:
    return table.replace_schema_metadata({UNNAMED: json.dumps(header.unnamed)})


def arrow_table(
    source: Source,
    form: CsvFormat,
    header: Header,
    block_size: int,
    as_written: bool = False,
    ragged: Callable[[arrow_csv.InvalidRow], str] | None = None,
    only: Sequence[str] | None = None,
) -> pa.Table:
    """Return what Arrow makes of a CSV file.

    Args:
        source: the file.
        form: how it is written.
        header: its columns.
        block_size: bytes from which the types of the columns are inferred.
        as_written: whether only the columns of text are read, and nothing in them is missing.
        ragged: what becomes of a row that has not as many values as there are columns.
        only: the columns that are read; all, if there are none.

    Raises:
        UnicodeError: it is in another encoding.
        pyarrow.ArrowInvalid: it is not a CSV table.
        DataError: there is more in it than memory can hold.
    """
    nulls = [*MISSING, *form.missing_values]
    bounded = source.compression is not None or form.filtered  # nobody knows how large it is
    encoding = "utf-8" if form.filtered else form.encoding
    with source.open() as opened:
        stream = LineStream(Lines(opened, form, source.name)) if form.filtered else opened
        return arrow_csv.read_csv(
            LimitedStream(stream, source.name) if bounded else stream,
            read_options=arrow_csv.ReadOptions(
                block_size=block_size,
                encoding=encoding,
                use_threads=not bounded and _is_utf8(encoding),
                skip_rows=0 if form.filtered else form.skip_rows,
                column_names=None if header.plain else header.names,
                skip_rows_after_names=0 if header.plain else header.records,
            ),
            parse_options=_parse_options(form, header, ragged),
            convert_options=arrow_csv.ConvertOptions(
                decimal_point=form.decimal,
                null_values=[] if as_written else nulls,
                strings_can_be_null=False,  # a text may be NA, which is Namibia
                column_types=dict.fromkeys(form.text_columns, pa.string()),
                include_columns=only,
            ),
        )


def _parse_options(
    form: CsvFormat, header: Header, ragged: Callable[[arrow_csv.InvalidRow], str] | None
) -> arrow_csv.ParseOptions:
    return arrow_csv.ParseOptions(
        delimiter=form.mark,
        quote_char=form.quote or False,
        escape_char=form.escape or False,
        newlines_in_values=True,
        ignore_empty_lines=not header.single,
        invalid_row_handler=ragged,
    )


def _present(names: Sequence[str], header: Header) -> list[str]:
    """Return those of the names that a file has, or its first column, so that there is one."""
    known = set(header.names)
    return [name for name in names if name in known] or header.names[:1]


def _is_utf8(encoding: str) -> bool:
    """Return whether Arrow reads an encoding itself, not through a codec of Python.

    Reading in parallel, Arrow's threads may go on calling the codec after an error, even while
    Python ends: a crash or a hang. Reading serially, Arrow ends its one reading ahead first.
    """
    return codecs.lookup(encoding).name == "utf-8"


def _wrong_encoding(file: str, encoding: str, detail: str) -> DataError:
    other = "latin-1 or cp1252" if "8" in encoding else "utf-8"
    return DataError(
        f"{file}: not {encoding} text ({detail}); set data.source.encoding, for instance to {other}"
    )


def _explain_csv(source: Source, form: CsvFormat, header: Header) -> None:
    """Raise the DataError that names the line where a CSV file breaks, if a line can be found."""
    file, columns = source.name, len(header.names)
    try:
        ragged = next(ragged_rows(source, form, columns, MAX_EXPLAINED), None) if columns else None
    except UnicodeError as error:
        raise _wrong_encoding(file, form.encoding, str(error)) from None
    except csv.Error as error:
        raise DataError(f"{file}: not a CSV table: {error}") from None
    if ragged:
        line, found = ragged
        names = f"the header names {columns}" if form.header else f"the first has {columns}"
        raise DataError(
            f"{file}:{line}: {found} values in a row, but {names} columns; "
            "mend the line, or set data.source.delimiter"
        )
