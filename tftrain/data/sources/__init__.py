"""Tables from files: the reader that a file needs, and what all of them share."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from tftrain.data.csv_text import CsvFormat, Source, header_of
from tftrain.data.signatures import is_parquet_file
from tftrain.data.sources.arrow import concatenated, read_each
from tftrain.data.sources.csv import read_csv, read_csv_file
from tftrain.data.sources.parquet import is_called_parquet, parquet_tables, read_parquet
from tftrain.data.sources.paths import files_of
from tftrain.errors import DataError, did_you_mean, excerpt


def read_table(path: str | Path, **options: Any) -> pd.DataFrame:
    """Read a CSV or Parquet file, recognised by its first bytes; CSV as `read_csv` does."""
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
        tables = read_each(
            sources, lambda source: read_csv_file(source, form, as_written=True), needed
        )
        known = header_of(sources[0], form).names
    for name in names:
        if name not in tables[0].column_names:
            near = did_you_mean(name, known)
            raise DataError(f"{path}: has no column {excerpt(name)}{near}")
    chosen = concatenated(path, [table.select(list(names)) for table in tables])
    return chosen.to_pandas(types_mapper=pd.ArrowDtype, ignore_metadata=True)


def is_parquet(path: str | Path) -> bool:
    """Return whether a table is Parquet: its first bytes say so, or its name and no text does.

    Raises:
        DataError: there is no such file.
    """
    file = files_of(path)[0]
    try:
        return is_parquet_file(file) or is_called_parquet(file)
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {error}") from None
