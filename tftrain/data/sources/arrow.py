"""Arrow tables, and the DataFrame that is made of them: what CSV and Parquet share."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa

from tftrain.data.csv_text import Source, named
from tftrain.data.limits import MAX_NAME, require_memory
from tftrain.errors import DataError, excerpt, naming

Needed = Callable[[str], bool]
"""Whether a column of a name is read; of others there may be two of the same name."""


def every_column(name: str) -> bool:
    """Return that a column is needed."""
    return True


def read_each(
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
            table = settled(table, needed)
        first = tables[0] if tables else table
        odd = sorted(filter(needed, set(table.column_names) ^ set(first.column_names)))
        if odd:
            raise DataError(
                f"{file}: its columns differ from the other files' (column {excerpt(odd[0])})"
            )
        tables.append(table)
    return tables


def settled(table: pa.Table, needed: Needed) -> pa.Table:
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
    table = concatenated(path, tables)
    if table.num_rows == 0 and not allow_empty:
        raise DataError(f"{path}: a header but no rows")
    unnamed = json.loads(table.schema.metadata[UNNAMED])
    with naming(str(path)):
        frame = to_frame(table)
    pa.default_memory_pool().release_unused()  # as much again as the table, after reading
    return with_unnamed(frame, unnamed)


def concatenated(path: str | Path, tables: Sequence[pa.Table]) -> pa.Table:
    """Return the tables of several files as one; raise DataError where their types differ."""
    try:
        return pa.concat_tables(tables, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise DataError(
            f"{path}: the files' columns have different types: {error}; write them alike, or name "
            "a single file"
        ) from None


def with_unnamed(frame: pd.DataFrame, unnamed: Sequence[str]) -> pd.DataFrame:
    """Note in a table which of its columns had no name.

    As one text: pandas copies every item of a list whenever it takes a column out.
    """
    if unnamed:
        frame.attrs["unnamed"] = " ".join(unnamed)
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
            f"column {excerpt(name)} of the type {column.type} cannot be read: {reason_of(error)}"
        ) from None


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


def reason_of(error: Exception) -> str:
    """Return the first line of what a library says of a fault, cut where it is long."""
    line = next(iter(str(error).splitlines()), type(error).__name__)
    return line if len(line) <= 300 else line[:300] + "..."
