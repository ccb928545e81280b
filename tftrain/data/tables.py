"""Reading and writing tables: CSV and Parquet."""

import codecs
import csv
import glob
import hashlib
import io
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import csv as arrow_csv
from pyarrow import parquet

from tftrain.data.limits import MAX_COLUMNS, MAX_NAME, MAX_RECORD, Bounded, require_memory
from tftrain.data.notation import MISSING
from tftrain.errors import (
    DataError,
    OutputError,
    did_you_mean,
    excerpt,
    naming,
    of_type,
)
from tftrain.files import whole_file

BLOCK_BYTES = (1 << 24, 1 << 30)
"""Bytes of a CSV file from which the types of its columns are inferred; if a later value does not
fit, once more with the second size."""

MAX_EXPLAINED = 5_000_000
"""Rows of a CSV file among which the first one that is wrong is searched for."""

DELIMITERS = (",", ";", "\t", "|")

HEADER_BYTES = 1 << 20
"""In which a delimiter shows, if it is one."""

COMPRESSIONS = {
    ".gz": ("gzip", b"\x1f\x8b"),
    ".bz2": ("bzip2", b"BZh"),
    ".zst": ("zstd", b"\x28\xb5\x2f\xfd"),
    ".lz4": ("lz4", b"\x04\x22\x4d\x18"),
}
"""Name and first bytes of the compressions that a file's extension tells."""


@dataclass(frozen=True)
class CsvFormat:
    """How a CSV file is written; arguments as for `read_csv`."""

    delimiter: str = ","
    decimal: str = "."
    encoding: str = "utf-8"
    missing_values: Sequence[str] = ()
    text_columns: Sequence[str] = ()


def read_csv(path: str | Path, **options: Any) -> pd.DataFrame:
    """Read a CSV file, or all files that a glob pattern matches, with a header line in each.

    Args:
        path: file or pattern; compression is told by the extension.
        **options: `delimiter`, character between columns; `decimal`, character in front of a
            number's fraction; `encoding`, character encoding; `missing_values`, texts that stand
            for a missing value besides the empty one, NA, NaN, NULL and the like; `text_columns`,
            columns that are text even where all their values look like numbers.

    Raises:
        DataError: a file is missing, empty or ragged (with the line number), has one column only
            because the delimiter is another, or is in another encoding.
    """
    form = CsvFormat(**options)
    tables = _read_each(path, lambda file: _read_csv_file(file, form))
    text = {f.name for t in tables.values() for f in t.schema if pa.types.is_string(f.type)}
    for file, table in tables.items():  # a column that is text in one file is text in all
        if any(table.schema.field(name).type != pa.string() for name in text):
            tables[file] = _read_csv_file(file, replace(form, text_columns=sorted(text)))
    return _joined(path, tables)


def read_parquet(path: str | Path) -> pd.DataFrame:
    """Read a Parquet file, or all files that a glob pattern matches.

    A named index that pandas wrote is a column like others; an unnamed one, which holds nothing but
    row numbers, is left out.

    Raises:
        DataError: a file is missing, empty, or not a whole Parquet file.
    """
    return _joined(path, _read_each(path, _read_parquet_file))


def read_table(path: str | Path, **csv_options: Any) -> pd.DataFrame:
    """Read a CSV or Parquet file, told apart by the extension; for CSV as `read_csv`."""
    if is_parquet(path):
        return read_parquet(path)
    return read_csv(path, **csv_options)


def is_parquet(path: str | Path) -> bool:
    """Return whether a path's extension says Parquet."""
    return Path(path).suffix.lower() in (".parquet", ".pq")


def files_of(path: str | Path) -> list[str]:
    """Return the files that a path or glob pattern names, sorted.

    Raises:
        DataError: there is none, naming the nearest file of the folder for one that is no pattern.
    """
    text = str(path)
    try:
        return _files_of(text)
    except (OSError, ValueError) as error:  # a name that is too long, a null character
        if isinstance(error, DataError):
            raise
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{excerpt(text)}: cannot be read: {reason}") from None


def _files_of(text: str) -> list[str]:
    if Path(text).is_file():
        return [text]
    if Path(text).is_dir():
        raise DataError(f"{text}: is a folder; name a file or a pattern such as {text}/*.csv")
    if text.count("**") > 1:
        raise DataError(f"{text}: ** stands for all folders below; give it once")
    files = sorted(f for f in glob.glob(text, recursive=True) if Path(f).is_file())
    if not files and glob.has_magic(text):
        raise DataError(f"{text}: no file matches")
    if not files:
        folder = Path(text).parent
        if not folder.is_dir():
            raise DataError(f"{text}: no such file (the folder {folder} does not exist either)")
        near = did_you_mean(Path(text).name, [p.name for p in folder.iterdir()])
        raise DataError(f"{text}: no such file{near}")
    return files


def _read_each(path: str | Path, read: Callable[[str], pa.Table]) -> dict[str, pa.Table]:
    """Return the table of every file of a pattern; raise where their columns differ."""
    tables: dict[str, pa.Table] = {}
    for file in files_of(path):
        if Path(file).stat().st_size == 0:
            raise DataError(f"{file}: the file is empty")
        try:
            with naming(file):
                require_memory(Path(file).stat().st_size)
            table = read(file)
        except OSError as error:
            raise DataError(f"{file}: cannot be read: {error}") from None
        with naming(file):
            _check_columns(table.column_names)
        first = next(iter(tables.values()), table)
        odd = sorted(set(table.column_names) ^ set(first.column_names))
        if odd:
            raise DataError(
                f"{file}: its columns differ from the other files' (column {excerpt(odd[0])})"
            )
        tables[file] = table
    return tables


def _joined(path: str | Path, tables: Mapping[str, pa.Table]) -> pd.DataFrame:
    """Return the tables of several files, one below the other."""
    try:
        table = pa.concat_tables(tables.values(), promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise DataError(
            f"{path}: the files' columns have different types: {error}; write them alike, or name "
            "a single file"
        ) from None
    if table.num_rows == 0:
        raise DataError(f"{path}: a header but no rows")
    with naming(str(path)):
        frame = to_frame(table)
    pa.default_memory_pool().release_unused()  # as much again as the table, after reading
    return frame


def to_frame(table: pa.Table) -> pd.DataFrame:
    """Return an Arrow table as a DataFrame of numbers, booleans, datetimes and strings.

    Lists and other values that can be no feature stay what they are in Python.

    Its rows are numbered from 0.

    Raises:
        DataError: the values of a column cannot be represented.
    """
    names = table.column_names
    try:
        columns = [_plain(column) for column in table.columns]
        return pa.table(columns, names=names).to_pandas(**AS_FRAME)
    except UNREADABLE:
        for name, column in zip(names, table.columns, strict=True):
            _require_readable(name, column)
        raise


AS_FRAME = {"date_as_object": False, "split_blocks": True, "ignore_metadata": True}

UNREADABLE = (pa.ArrowException, ValueError, LookupError, OverflowError)
"""What Arrow and pandas raise where they cannot represent values: an unknown time zone, say."""


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return times of day as durations, decimals and columns of nothing as floats."""
    if pa.types.is_time(column.type):
        return column.cast(pa.time64("ns")).cast(pa.int64()).cast(pa.duration("ns"))
    if pa.types.is_decimal(column.type) or pa.types.is_null(column.type):
        return column.cast(pa.float64())
    return column


def _require_readable(name: str, column: pa.ChunkedArray) -> None:
    """Raise DataError unless a column can be one of a DataFrame."""
    try:
        pa.table([_plain(column)], names=[name]).to_pandas(**AS_FRAME)
    except UNREADABLE as error:
        raise DataError(
            f"column {excerpt(name)} of the type {column.type} cannot be read: {_reason(error)}"
        ) from None


def as_table(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a DataFrame from elsewhere with rows numbered from 0 and names that are strings.

    Raises:
        InputError: it is no DataFrame.
        DataError: its columns have several levels, no name, or the same name twice.
    """
    of_type("the table", frame, pd.DataFrame, "a pandas DataFrame: pandas.DataFrame(...) makes one")
    if frame.columns.nlevels > 1:
        raise DataError(
            "the DataFrame's columns have several levels; give each one name, for instance with "
            'frame.columns = frame.columns.map("_".join)'
        )
    table = frame.reset_index(drop=True).rename(columns=str)
    _check_columns(list(table.columns))
    arrow = [name for name in table.columns if isinstance(table[name].dtype, pd.ArrowDtype)]
    if arrow:  # as if it came from a file
        columns = {name: table[name].array.__arrow_array__() for name in arrow}
        table = table.assign(**to_frame(pa.table(columns)))
    return table


def _read_csv_file(file: str, form: CsvFormat) -> pa.Table:
    compressed = _is_compressed(file)  # so nobody knows yet how large it is
    delimiter, encoding = form.delimiter, form.encoding
    nulls = [*MISSING, *form.missing_values]
    single = _columns_in_header(file, form) == 1  # where an empty line is a missing value
    for block_size in BLOCK_BYTES:
        try:
            with pa.input_stream(file, compression="detect") as stream:
                table = arrow_csv.read_csv(
                    Bounded(stream, file) if compressed else stream,
                    read_options=arrow_csv.ReadOptions(
                        block_size=block_size,
                        encoding=encoding,
                        use_threads=not compressed and _is_utf8(encoding),
                    ),
                    parse_options=arrow_csv.ParseOptions(
                        delimiter=delimiter,
                        newlines_in_values=True,
                        ignore_empty_lines=not single,
                    ),
                    convert_options=arrow_csv.ConvertOptions(
                        decimal_point=form.decimal,
                        null_values=nulls,
                        strings_can_be_null=False,  # a text may be NA, which is Namibia
                        column_types=dict.fromkeys(form.text_columns, pa.string()),
                    ),
                )
            break
        except UnicodeError as error:
            raise _wrong_encoding(file, encoding, str(error)) from None
        except pa.ArrowInvalid as error:
            fault = str(error)
            _explain_csv(file, delimiter, encoding, fault)
            if "conversion error" not in fault or block_size == BLOCK_BYTES[-1]:
                raise DataError(f"{file}: not a CSV table: {_reason(error)}") from None
    try:
        binary = [field.name for field in table.schema if pa.types.is_binary(field.type)]
        names = table.column_names
    except UnicodeDecodeError as error:
        raise _wrong_encoding(file, encoding, f"in the header: {error.reason}") from None
    if binary or any("\ufffd" in name for name in names):
        where = f"in column {binary[0]!r}" if binary else "in the header"
        raise _wrong_encoding(file, encoding, where)
    if table.num_columns == 1:
        other = [d for d in DELIMITERS if d != delimiter and d in table.column_names[0]]
        if other:
            raise DataError(
                f"{file}: only one column found with delimiter {delimiter!r}; the "
                f"header holds {other[0]!r}: set data.source.delimiter to it"
            )
    return table


def _is_utf8(encoding: str) -> bool:
    """Return whether Arrow reads an encoding itself, not through a codec of Python.

    Reading in parallel, Arrow's threads may go on calling the codec after an error, even while
    Python ends: a crash or a hang. Reading serially, Arrow ends its one reading ahead first.
    """
    return codecs.lookup(encoding).name == "utf-8"


def _is_compressed(file: str) -> bool:
    """Return whether Arrow takes a file to be compressed, which it tells by the name.

    Raises:
        DataError: it is not what its name says.
    """
    for ending, (name, magic) in COMPRESSIONS.items():
        if file.endswith(ending):
            with open(file, "rb") as stream:
                if stream.read(len(magic)) != magic:
                    raise DataError(
                        f"{file}: is not a {name} file, though its name says so; rename it"
                    )
            return True
    return False


def _wrong_encoding(file: str, encoding: str, detail: str) -> DataError:
    other = "latin-1 or cp1252" if "8" in encoding else "utf-8"
    return DataError(
        f"{file}: not {encoding} text ({detail}); set data.source.encoding, for instance to {other}"
    )


def _explain_csv(file: str, delimiter: str, encoding: str, fault: str) -> None:
    """Raise the DataError that names the line where a CSV file breaks, if a line can be found."""
    try:
        ragged = next(_ragged_rows(file, delimiter, encoding), None)
    except UnicodeError as error:
        raise _wrong_encoding(file, encoding, str(error)) from None
    except csv.Error as error:
        raise DataError(f"{file}: not a CSV table: {error}") from None
    if ragged:
        line, found, expected = ragged
        raise DataError(
            f"{file}:{line}: {found} values in a row, but the header names {expected} columns; "
            "mend the line, or set data.source.delimiter"
        )


def _ragged_rows(file: str, delimiter: str, encoding: str) -> Iterator[tuple[int, int, int]]:
    """Yield `(line, values, columns)` of the rows that have not as many values as the header.

    In a file of many millions of rows, those at its end are left out, so that this takes seconds.
    """
    expected = None
    for line, row in islice(_records(file, delimiter, encoding), MAX_EXPLAINED):
        expected = len(row) if expected is None else expected
        if row and len(row) != expected:
            yield line, len(row), expected


def delimiters_in(file: str) -> list[str]:
    """Return those of the usual delimiters that stand in the beginning of a file, or the first."""
    try:
        with pa.input_stream(file, compression="detect") as stream:
            start = stream.read(HEADER_BYTES)
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {_reason(error)}") from None
    return [mark for mark in DELIMITERS if mark.encode() in start] or [DELIMITERS[0]]


def _columns_in_header(file: str, form: CsvFormat) -> int:
    """Return the number of columns; 0 where the header cannot be read.

    Raises:
        DataError: the header is too long.
    """
    try:
        header = next(_records(file, form.delimiter, form.encoding), (0, []))[1]
    except (UnicodeError, csv.Error):
        return 0
    with naming(file):
        _require_few_columns(len(header))
    return len(header)


def _records(file: str, delimiter: str, encoding: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the last line and the values of each record of a CSV file, header included.

    Raises:
        DataError: a record is so long that the file can hardly be a table.
    """
    with pa.input_stream(file, compression="detect") as stream:
        lines = io.TextIOWrapper(io.BufferedReader(stream), encoding=encoding, newline="")
        length = 0

        def bounded() -> Iterator[str]:
            nonlocal length
            while line := lines.readline(MAX_RECORD):
                length += len(line)
                if length >= MAX_RECORD:
                    raise DataError(
                        f"{file}: the row after line {reader.line_num} has over {MAX_RECORD:,} "
                        "characters: is a quotation mark not closed, or is this no CSV table?"
                    )
                yield line

        reader = csv.reader(bounded(), delimiter=delimiter)
        for row in reader:
            length = 0
            yield reader.line_num, row


def _read_parquet_file(file: str) -> pa.Table:
    try:
        opened = parquet.ParquetFile(file)
        with naming(file):
            _require_few_values(opened)
        table = opened.read()
        table.validate(full=True)  # texts that are UTF-8, lists that end where they should
        return _without_unnamed_index(table)
    except DataError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(f"{file}: not a whole Parquet file: {_reason(error)}") from None


def _without_unnamed_index(table: pa.Table) -> pa.Table:
    """Return what pandas wrote without its row numbers."""
    unnamed = [name for name in table.column_names if name.startswith("__index_level_")]
    by_pandas = b"pandas" in (table.schema.metadata or {})
    return table.drop_columns(unnamed) if by_pandas else table


def _require_few_values(file: parquet.ParquetFile) -> None:
    """Raise DataError where a Parquet file says that it holds more than memory can."""
    about, schema = file.metadata, file.schema
    _require_few_columns(about.num_columns)
    values = about.num_rows * about.num_columns
    for i in range(about.num_columns):
        if schema.column(i).max_repetition_level:  # lists, of any length
            groups = range(about.num_row_groups)
            values += sum(about.row_group(group).column(i).num_values for group in groups)
    require_memory(8 * values)


def _require_few_columns(count: int) -> None:
    if count > MAX_COLUMNS:
        raise DataError(f"has {count:,} columns, but {MAX_COLUMNS:,} at most can be read")


def _reason(error: Exception) -> str:
    """Return the first line of what a library says of a fault, cut where it is long."""
    line = next(iter(str(error).splitlines()), type(error).__name__)
    return line if len(line) <= 300 else line[:300] + "..."


def _check_columns(names: list[str]) -> None:
    """Raise DataError where a column has no name, or a very long one, or two have the same."""
    for i, name in enumerate(names):
        if not name.strip():
            raise DataError(f"column {i + 1} has no name; name it in the header")
        if len(name) > MAX_NAME:
            raise DataError(
                f"column {i + 1} has a name of {len(name):,} characters; {MAX_NAME:,} are allowed"
            )
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(f"two columns are called {excerpt(twice[0])}; rename one")


def fingerprint(frame: pd.DataFrame) -> dict[str, int | str]:
    """Return rows, columns, and a SHA-256 hash over names, types and all values of a table."""
    digest = hashlib.sha256()
    for name in frame.columns:
        column = frame[name]
        digest.update(f"{name}\0{column.dtype}\0".encode())
        digest.update(_hashes(column).tobytes())
    return {"rows": len(frame), "columns": len(frame.columns), "sha256": digest.hexdigest()}


def _hashes(column: pd.Series) -> np.ndarray:
    """Return a hash of each value."""
    if column.dtype != object:
        return pd.util.hash_pandas_object(column, index=False).to_numpy()
    try:
        return pd.util.hash_array(column.to_numpy(), categorize=False)
    except (TypeError, ValueError):  # lists and the like
        return pd.util.hash_array(column.map(repr).to_numpy(object), categorize=False)


def check_writable(path: str | Path) -> None:
    """Raise OutputError where no table can be written to `path`: before the work, not after it."""
    target = Path(path)
    if target.suffix.lower() not in (".csv", ".parquet", ".pq"):
        raise OutputError(f"{path}: name the output .csv or .parquet")
    if target.is_dir():
        raise OutputError(f"{path}: is a folder; name a file in it")
    if not target.absolute().parent.is_dir():
        raise OutputError(f"{path}: the folder {target.parent} does not exist; make it first")
    if not os.access(target if target.exists() else target.absolute().parent, os.W_OK):
        raise OutputError(f"{path}: cannot be written: permission denied; choose another place")


def write_table(frame: pd.DataFrame, path: str | Path) -> None:
    """Write a table as csv or parquet, told by the extension, whole or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    with whole_file(Path(path)) as aside:
        if is_parquet(path):
            frame.to_parquet(aside, index=False)
        else:
            frame.to_csv(aside, index=False)


def stem_of(path: str | Path) -> str:
    """Return the name of a table's file without its extensions: `a/b.csv.gz` is `b`."""
    return Path(path).name.split(".")[0].strip("*?[]") or "table"
