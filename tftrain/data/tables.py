"""Reading and writing tables: CSV and Parquet."""

import codecs
import csv
import glob
import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import csv as arrow_csv
from pyarrow import parquet

from tftrain.data.csv_text import (
    CsvFormat,
    Header,
    Lines,
    LineStream,
    Source,
    header_of,
    named,
    ragged_rows,
)
from tftrain.data.limits import MAX_NAME, LimitedStream, require_few_columns, require_memory
from tftrain.data.notation import MISSING
from tftrain.data.signatures import HEAD_BYTES, is_parquet_file, require_csv
from tftrain.errors import (
    DataError,
    OutputError,
    did_you_mean,
    excerpt,
    naming,
    of_type,
)
from tftrain.files import require_new, whole_file

BLOCK_BYTES = (1 << 24, 1 << 30)
"""Bytes of a CSV file from which the types of its columns are inferred; if a later value does not
fit, once more with the second size."""

MAX_EXPLAINED = 5_000_000
"""Rows of a CSV file among which the first one that is wrong is searched for."""

DELIMITERS = (",", ";", "\t", "|")

Needed = Callable[[str], bool]
"""Whether a column of a name is read; of others there may be two of the same name."""


def every_column(name: str) -> bool:
    """Return that a column is needed."""
    return True


def read_csv(
    path: str | Path, *, needed: Needed = every_column, allow_empty: bool = False, **options: Any
) -> pd.DataFrame:
    """Read a CSV file, or all files that a glob pattern matches, with a header line in each.

    A column without a name is called `column_N`, counted from 1; see `drop_unnamed`.

    Args:
        path: file or pattern; compression is told by the first bytes.
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
    tables = _read_each(sources, lambda source: _read_csv_file(source, form), needed)
    text = {f.name for t in tables for f in t.schema if pa.types.is_string(f.type)}
    again = replace(form, text_columns=sorted({*text, *form.text_columns}))
    for i, table in enumerate(tables):  # a column that is text in one file is text in all
        here = text & set(table.column_names)
        if any(table.schema.field(name).type != pa.string() for name in here):
            tables[i] = _settled(_read_csv_file(sources[i], again), needed)
    return tables


def read_parquet(
    path: str | Path, *, needed: Needed = every_column, allow_empty: bool = False
) -> pd.DataFrame:
    """Read a Parquet file, or all files that a glob pattern matches.

    A named index that pandas wrote is a column like others; an unnamed one, which holds nothing but
    row numbers, is left out.

    Args:
        path: file or pattern.
        needed: as for `read_csv`.
        allow_empty: whether there may be no rows.

    Raises:
        DataError: a file is missing, empty, or not a whole Parquet file.
    """
    sources = [Source(file) for file in files_of(path)]
    return joined(path, parquet_tables(sources, needed), allow_empty)


def read_table(path: str | Path, **options: Any) -> pd.DataFrame:
    """Read a CSV or Parquet file, told apart by the first bytes; for CSV as `read_csv`."""
    if is_parquet(path):
        return read_parquet(path, **{k: options[k] for k in BOTH if k in options})
    return read_csv(path, **options)


BOTH = ("needed", "allow_empty")
"""Options of `read_csv` that `read_parquet` has as well."""


def read_as_written(path: str | Path, names: Sequence[str], **options: Any) -> pd.DataFrame:
    """Return columns of a table as they are in it: texts from CSV, their own types from Parquet.

    Args:
        path: file or pattern.
        names: of the columns.
        **options: for CSV, as `read_csv`.

    Raises:
        DataError: the table cannot be read, or has no such column.
    """
    sources = [Source(file) for file in files_of(path)]
    needed = set(names).__contains__
    if is_parquet(path):
        tables = parquet_tables(sources, needed)
        known = tables[0].column_names
    else:
        form = CsvFormat(**{**options, "missing_values": (), "text_columns": names})
        tables = _read_each(
            sources, lambda source: _read_csv_file(source, form, as_written=True), needed
        )
        known = header_of(sources[0], form).names
    for name in names:
        if name not in tables[0].column_names:
            near = did_you_mean(name, known)
            raise DataError(f"{path}: has no column {excerpt(name)}{near}")
    chosen = _concatenated(path, [table.select(list(names)) for table in tables])
    return chosen.to_pandas(types_mapper=pd.ArrowDtype, ignore_metadata=True)


def is_parquet(path: str | Path) -> bool:
    """Return whether a table is Parquet: its first bytes say so, or its name and no text does.

    Raises:
        DataError: there is no such file.
    """
    file = files_of(path)[0]
    try:
        return is_parquet_file(file) or _is_called_parquet(file)
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {error}") from None


def _is_called_parquet(path: str | Path) -> bool:
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


def _read_each(
    sources: Sequence[Source], read: Callable[[Source], pa.Table], needed: Needed
) -> list[pa.Table]:
    """Return the table of every file of a pattern; raise where their columns differ."""
    tables: list[pa.Table] = []
    for source in sources:
        file = source.name
        try:
            size = Path(file).stat().st_size
            if size == 0:
                raise DataError(f"{file}: the file is empty")
            with naming(file):
                require_memory(len(source.data) if source.data is not None else size)
            table = read(source)
        except OSError as error:
            raise DataError(f"{file}: cannot be read: {error}") from None
        with naming(file):
            table = _settled(table, needed)
        first = tables[0] if tables else table
        odd = sorted(filter(needed, set(table.column_names) ^ set(first.column_names)))
        if odd:
            raise DataError(
                f"{file}: its columns differ from the other files' (column {excerpt(odd[0])})"
            )
        tables.append(table)
    return tables


def _settled(table: pa.Table, needed: Needed) -> pa.Table:
    """Return a table in which each column has a name of its own; raise DataError where it cannot.

    The names in its metadata are of columns that had none.
    """
    names, unnamed = named(table.column_names)
    unnamed += json.loads((table.schema.metadata or {}).get(UNNAMED, b"[]"))
    table = table.rename_columns(names)
    keep = check_columns(names, needed)
    if len(keep) < len(names):
        table = table.select(keep)
    return table.replace_schema_metadata({UNNAMED: json.dumps(unnamed)})


UNNAMED = b"tftrain.unnamed"
"""Key of an Arrow table's metadata, a list of names as JSON."""


def joined(path: str | Path, tables: Sequence[pa.Table], allow_empty: bool = False) -> pd.DataFrame:
    """Return the tables of several files, one below the other.

    `attrs["unnamed"]` of the table are the names of columns that had none, with blanks between.
    """
    table = _concatenated(path, tables)
    if table.num_rows == 0 and not allow_empty:
        raise DataError(f"{path}: a header but no rows")
    unnamed = json.loads(table.schema.metadata[UNNAMED])
    with naming(str(path)):
        frame = to_frame(table)
    pa.default_memory_pool().release_unused()  # as much again as the table, after reading
    return _with_unnamed(frame, unnamed)


def _concatenated(path: str | Path, tables: Sequence[pa.Table]) -> pa.Table:
    try:
        return pa.concat_tables(tables, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise DataError(
            f"{path}: the files' columns have different types: {error}; write them alike, or name "
            "a single file"
        ) from None


def _with_unnamed(frame: pd.DataFrame, unnamed: Sequence[str]) -> pd.DataFrame:
    """Note in a table which of its columns had no name.

    As one text: pandas copies every item of a list whenever it takes a column out.
    """
    if unnamed:
        frame.attrs["unnamed"] = " ".join(unnamed)
    return frame


def drop_unnamed(frame: pd.DataFrame, spared: Iterable[str] = ()) -> pd.DataFrame:
    """Return a table without row numbers, and without nothing at all, in columns without a name.

    The first column is one of row numbers if it had no name and all of its values are whole numbers
    and different, or are counted anew in each file. An empty column without a name comes from a
    delimiter at the end of each line.

    Args:
        frame: as the readers and `as_table` give it.
        spared: columns that stay, whatever they hold.

    Returns:
        The table; its `attrs["notes"]` say what was left out, if it was row numbers.
    """
    notes, left_out = [], []
    stay = set(spared)
    for name in frame.attrs.get("unnamed", "").split():
        if name in stay or name not in frame.columns:
            continue
        if frame[name].isna().all():
            left_out.append(name)
        elif name == frame.columns[0] and _are_row_numbers(frame[name]):
            left_out.append(name)
            shown = ", ".join(str(value) for value in frame[name].iloc[:3])
            notes.append(
                f"the first column has no name and holds row numbers ({shown} ...): it is left "
                "out; give it a name in the header if it is a feature"
            )
    if not left_out:
        return frame
    frame = frame.drop(columns=left_out)
    frame.attrs["notes"] = notes
    return frame


def _are_row_numbers(column: pd.Series) -> bool:
    """Return whether values are whole numbers, no two alike or counted anew in each file."""
    if not pd.api.types.is_integer_dtype(column.dtype) or column.isna().any():
        return False
    values = column.to_numpy(np.int64)
    if column.is_unique:
        return bool((values >= 0).all())
    return bool(((np.diff(values) == 1) | (values[1:] == values[0])).all())


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
    if pa.types.is_decimal(column.type):  # by way of text, which is rounded once
        return column.cast(pa.string()).cast(pa.float64())
    if pa.types.is_null(column.type):
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


def as_table(frame: pd.DataFrame, needed: Needed = every_column) -> pd.DataFrame:
    """Return a DataFrame from elsewhere with rows numbered from 0 and names that are strings.

    Columns without a name are called as in `read_csv`.

    Args:
        frame: the DataFrame.
        needed: which columns are read by their names; of two others of one name, the first stays.

    Raises:
        InputError: it is no DataFrame.
        DataError: its columns have several levels, or the same name twice.
    """
    of_type("the table", frame, pd.DataFrame, "a pandas DataFrame: pandas.DataFrame(...) makes one")
    if frame.columns.nlevels > 1:
        raise DataError(
            "the DataFrame's columns have several levels; give each one name, for instance with "
            'frame.columns = frame.columns.map("_".join)'
        )
    given = ["" if pd.api.types.is_scalar(n) and pd.isna(n) else str(n) for n in frame.columns]
    names, unnamed = named(given)
    keep = check_columns(names, needed)
    table = frame.reset_index(drop=True).set_axis(names, axis=1)
    table = table if len(keep) == len(names) else table.iloc[:, keep]
    return _with_unnamed(_without_arrow_types(table), unnamed)


def _without_arrow_types(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a DataFrame whose columns of Arrow's types are as if they came from a file."""
    names = [name for name in frame.columns if isinstance(frame[name].dtype, pd.ArrowDtype)]
    if not names:
        return frame
    columns = {name: frame[name].array.__arrow_array__() for name in names}
    return frame.assign(**to_frame(pa.table(columns)))


def _read_csv_file(source: Source, form: CsvFormat, as_written: bool = False) -> pa.Table:
    """Return the table of a CSV file.

    Args:
        source: the file.
        form: how it is written.
        as_written: whether only the columns of text are read, and nothing in them is missing.
    """
    _require_csv(source)
    header = header_of(source, form)
    if as_written:
        with naming(source.name):
            check_columns(header.names, set(form.text_columns).__contains__)
    if not header.rows:
        nothing = pa.table([pa.nulls(0)] * len(header.names), names=header.names)
        return _noting_unnamed(nothing, header)
    file, fault = source.name, ""
    only = _present(form.text_columns, header) if as_written else None
    for block_size in BLOCK_BYTES:
        try:
            table = arrow_table(source, form, header, block_size, as_written, only=only)
            break
        except UnicodeError as error:
            raise _wrong_encoding(file, form.encoding, str(error)) from None
        except pa.ArrowInvalid as error:
            fault = str(error)
            _explain_csv(source, form, header)
            if "conversion error" not in fault or block_size == BLOCK_BYTES[-1]:
                raise DataError(f"{file}: not a CSV table: {_reason(error)}") from None
    try:
        binary = [field.name for field in table.schema if pa.types.is_binary(field.type)]
        names = table.column_names
    except UnicodeDecodeError as error:
        raise _wrong_encoding(file, form.encoding, f"in the header: {error.reason}") from None
    if binary or any("\ufffd" in name for name in names):
        where = f"in column {binary[0]!r}" if binary else "in the header"
        raise _wrong_encoding(file, form.encoding, where)
    if table.num_columns == 1 and form.header and not as_written:
        other = [d for d in DELIMITERS if d != form.delimiter and d in names[0]]
        if other:
            raise DataError(
                f"{file}: only one column found with delimiter {form.delimiter!r}; the "
                f"header holds {other[0]!r}: set data.source.delimiter to it"
            )
    return _noting_unnamed(table, header)


def _require_csv(source: Source) -> None:
    """Raise DataError where a file, unpacked, is of another format."""
    if source.compression is None:  # or it would have been refused
        return
    try:
        with source.open() as stream:
            require_csv(bytes(stream.read(HEAD_BYTES)), source.name)
    except OSError as error:
        raise DataError(f"{source.name}: cannot be read: {_reason(error)}") from None


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
        pyarrow.ArrowInvalid: it is no CSV table.
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
            parse_options=arrow_csv.ParseOptions(
                delimiter=form.mark,
                quote_char=form.quote or False,
                escape_char=form.escape or False,
                newlines_in_values=True,
                ignore_empty_lines=not header.single,
                invalid_row_handler=ragged,
            ),
            convert_options=arrow_csv.ConvertOptions(
                decimal_point=form.decimal,
                null_values=[] if as_written else nulls,
                strings_can_be_null=False,  # a text may be NA, which is Namibia
                column_types=dict.fromkeys(form.text_columns, pa.string()),
                include_columns=only,
            ),
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


def parquet_tables(
    sources: Sequence[Source],
    needed: Needed = every_column,
    read: Callable[[parquet.ParquetFile], pa.Table] = parquet.ParquetFile.read,
) -> list[pa.Table]:
    """Return the Arrow tables of several Parquet files, or parts of them.

    Raises:
        DataError: as `read_parquet`.
    """
    return _read_each(sources, lambda source: _read_parquet_file(source.name, read), needed)


def _read_parquet_file(
    file: str, read: Callable[[parquet.ParquetFile], pa.Table] = parquet.ParquetFile.read
) -> pa.Table:
    try:
        opened = parquet.ParquetFile(file)
        with naming(file):
            _require_few_values(opened)
        table = read(opened)
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
    require_few_columns(about.num_columns)
    values = about.num_rows * about.num_columns
    for i in range(about.num_columns):
        if schema.column(i).max_repetition_level:  # lists, of any length
            groups = range(about.num_row_groups)
            values += sum(about.row_group(group).column(i).num_values for group in groups)
    require_memory(8 * values)


def _reason(error: Exception) -> str:
    """Return the first line of what a library says of a fault, cut where it is long."""
    line = next(iter(str(error).splitlines()), type(error).__name__)
    return line if len(line) <= 300 else line[:300] + "..."


def check_columns(names: Sequence[str], needed: Needed = every_column) -> list[int]:
    """Return the places of the columns of a table, of several that have one name the first.

    Raises:
        DataError: a name is very long, or two columns that are needed have the same.
    """
    for i, name in enumerate(names):
        if len(name) > MAX_NAME:
            raise DataError(
                f"column {i + 1} has a name of {len(name):,} characters; {MAX_NAME:,} are allowed"
            )
    require_different(
        [name for name, count in Counter(names).items() if count > 1 and needed(name)]
    )
    return list({name: i for i, name in reversed(list(enumerate(names)))}.values())[::-1]


def require_different(doubled: Sequence[str]) -> None:
    """Raise DataError where there are names that several columns have."""
    if doubled:
        raise DataError(
            f"two columns are called {excerpt(doubled[0])}; rename one, or leave them out with "
            "data.features.exclude"
        )


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


def check_writable(path: str | Path, read: Iterable[str | int] = (), force: bool = True) -> None:
    """Raise OutputError where no table can be written to `path`: before the work, not after it.

    Args:
        path: where it will be written.
        read: files, or descriptors of open ones, that are read; they are never written over.
        force: whether another file may be written over.
    """
    target = Path(path)
    if target.suffix.lower() not in (".csv", ".parquet", ".pq"):
        raise OutputError(f"{path}: name the output .csv or .parquet")
    if target.is_dir():
        raise OutputError(f"{path}: is a folder; name a file in it")
    if not target.absolute().parent.is_dir():
        raise OutputError(f"{path}: the folder {target.parent} does not exist; make it first")
    require_new(target, read, force)
    if not os.access(target if target.exists() else target.absolute().parent, os.W_OK):
        raise OutputError(f"{path}: cannot be written: permission denied; choose another place")


def write_table(frame: pd.DataFrame, path: str | Path) -> None:
    """Write a table as csv or parquet, told by the ending, whole or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    with whole_file(Path(path)) as aside:
        if _is_called_parquet(path):
            frame.to_parquet(aside, index=False)
        else:
            frame.to_csv(aside, index=False)


def stem_of(path: str | Path) -> str:
    """Return the name of a table's file without its extensions: `a/b.csv.gz` is `b`."""
    return Path(path).name.split(".")[0].strip("*?[]") or "table"
