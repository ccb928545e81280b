"""DataFrames from elsewhere, and columns without a name."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
import pyarrow as pa

from tftrain.data.csv_text import named
from tftrain.data.sources.arrow import (
    Needed,
    check_columns,
    every_column,
    to_frame,
    with_unnamed,
)
from tftrain.errors import DataError, of_type


def as_table(frame: pd.DataFrame, needed: Needed = every_column) -> pd.DataFrame:
    """Return a DataFrame from elsewhere with rows numbered from 0 and names that are strings.

    Columns without a name are called as in `read_csv`.

    Args:
        frame: the DataFrame.
        needed: which columns are read by their names; of two others of one name, the first stays.

    Raises:
        InputError: it is not a DataFrame.
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
    return with_unnamed(_without_arrow_types(table), unnamed)


def _without_arrow_types(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a DataFrame whose columns of Arrow's types are as if they came from a file."""
    names = [name for name in frame.columns if isinstance(frame[name].dtype, pd.ArrowDtype)]
    if not names:
        return frame
    columns = {name: frame[name].array.__arrow_array__() for name in names}
    return frame.assign(**to_frame(pa.table(columns)))


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
