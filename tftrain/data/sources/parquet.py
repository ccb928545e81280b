"""Tables from Parquet."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from tftrain.data.csv_text import Source
from tftrain.data.limits import require_few_columns, require_memory
from tftrain.data.sources.arrow import Needed, every_column, joined, read_each, reason_of
from tftrain.data.sources.paths import files_of
from tftrain.errors import DataError, naming


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


def parquet_tables(
    sources: Sequence[Source],
    needed: Needed = every_column,
    read: Callable[[parquet.ParquetFile], pa.Table] = parquet.ParquetFile.read,
) -> list[pa.Table]:
    """Return the Arrow tables of several Parquet files, or parts of them.

    Raises:
        DataError: as `read_parquet`.
    """
    return read_each(sources, lambda source: _read_parquet_file(source.name, read), needed)


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
        raise DataError(f"{file}: not a whole Parquet file: {reason_of(error)}") from None


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


def is_called_parquet(path: str | Path) -> bool:
    """Return whether a file's name ends as those of Parquet do."""
    return Path(path).suffix.lower() in (".parquet", ".pq")
