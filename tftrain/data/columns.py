"""What the columns of a table are, and their values as plain arrays."""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal

import numpy as np
import pandas as pd

from tftrain.errors import DataError, did_you_mean, excerpt, on_one_line

Kind = Literal["numeric", "boolean", "date", "text", "category"]

NEARLY_ALL = 0.8
"""Fraction of numbers from which a text column looks like numbers with something wrong in it."""

ONE_HOT: tuple[Kind, ...] = ("text", "category")
"""The kinds that are read as strings."""


@dataclass(frozen=True)
class Column:
    """One raw column that the model reads.

    Attributes:
        name: its name in the table.
        kind: numeric and boolean columns are read as numbers, dates as seconds since 1970 (UTC),
            text as strings, and so is a category, whose values are numbers. A missing number is
            NaN, a missing text the empty string.
    """

    name: str
    kind: Kind


MAX_MISSING = 20
"""Names of columns that are not there which a message lists, at most."""


def require_column(frame: pd.DataFrame, name: str, key: str) -> None:
    """Raise DataError, with the nearest name, unless the table has a column called `name`."""
    if name not in frame.columns:
        require_columns(frame, {key: [name]})


def require_columns(
    frame: pd.DataFrame,
    wanted: Mapping[str, Iterable[str]],
    patterns: Mapping[str, Iterable[str]] | None = None,
) -> None:
    """Raise one DataError, a line for each name, unless the table has all the columns.

    Args:
        frame: the table.
        wanted: names of columns, by the key of the config that gives them.
        patterns: names or patterns likewise, each of which must fit a column.
    """
    names = [str(name) for name in frame.columns]
    known = set(names)
    missing = [(key, name) for key, given in wanted.items() for name in given if name not in known]
    unfit = [
        (key, pattern)
        for key, given in (patterns or {}).items()
        for pattern in given
        if not _fitting(pattern, names, known)
    ]
    lines = [
        f"the table has no column {name!r} ({key}){did_you_mean(name, names) or _listing(frame)}"
        for key, name in missing[:MAX_MISSING]
    ]
    lines += [_without_fit(pattern, names, key) for key, pattern in unfit[:MAX_MISSING]]
    more = len(missing) + len(unfit) - len(lines)
    if more:
        lines.append(f"{more:,} more columns that the config names are not there")
    if lines:
        raise DataError("\n".join(lines))


def _listing(frame: pd.DataFrame) -> str:
    names = [on_one_line(str(name)) for name in frame.columns[:9]]
    count = len(frame.columns)
    more = f" and {count - 8} more" if count > 8 else ""
    return f"; its columns: {', '.join(names[:8])}{more}"


def matching(names: Iterable[str], patterns: Sequence[str]) -> set[str]:
    """Return the names that equal one of the patterns, or else match it.

    Raises:
        DataError: a pattern fits no name.
    """
    names = list(names)
    known = set(names)
    found: set[str] = set()
    for pattern in dict.fromkeys(patterns):
        fits = _fitting(pattern, names, known)
        if not fits:
            raise DataError(_without_fit(pattern, names, "data.features.exclude"))
        found |= fits
    return found


def _fitting(pattern: str, names: Sequence[str], known: Set[str]) -> set[str]:
    """Return the names that a pattern fits; `known` holds the same names."""
    if pattern in known:  # a column's own name is no pattern, whatever characters it has
        return {pattern}
    return {name for name in names if fnmatchcase(name, pattern)}


def _without_fit(pattern: str, names: Sequence[str], key: str) -> str:
    near = did_you_mean(pattern, names)
    return f"{key} names {pattern!r}, but no column is called that{near}"


def kind_of(frame: pd.DataFrame, name: str, categorical: Sequence[str] = ()) -> Kind:
    """Return what kind of column `name` is.

    Raises:
        DataError: it is of a type that cannot be a feature.
    """
    dtype = frame[name].dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return "text" if pd.api.types.is_string_dtype(dtype.categories.dtype) else "category"
    if name in categorical:
        return "text" if pd.api.types.is_string_dtype(frame[name]) else "category"
    if pd.api.types.is_bool_dtype(dtype):
        return "boolean"
    if pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_complex_dtype(dtype):
        return "numeric"
    if pd.api.types.is_datetime64_any_dtype(dtype):
        return "date"
    if pd.api.types.is_timedelta64_dtype(dtype):
        return "numeric"
    if pd.api.types.is_string_dtype(dtype) or pd.api.types.is_object_dtype(dtype):
        return _kind_of_objects(frame[name])
    raise DataError(
        f"column {name!r} has the type {dtype}, which cannot be a feature; leave it "
        "out with data.features.exclude"
    )


def _kind_of_objects(column: pd.Series) -> Kind:
    inferred = pd.api.types.infer_dtype(column, skipna=True)
    kinds: dict[str, Kind] = {
        "string": "text",
        "boolean": "boolean",
        "empty": "numeric",
        "integer": "numeric",
        "floating": "numeric",
        "mixed-integer-float": "numeric",
        "decimal": "numeric",
        "date": "date",
        "datetime": "date",
        "datetime64": "date",
    }
    if inferred not in kinds:
        types = sorted({type(value).__name__ for value in column.dropna()})
        raise DataError(
            f"column {column.name!r} holds {' and '.join(types)} values, not numbers, dates or "
            "text alone; mend it, or leave it out with data.features.exclude"
        )
    return kinds[inferred]


def raw_values(
    frame: pd.DataFrame, columns: Iterable[Column], allow_missing: bool = True
) -> dict[str, np.ndarray]:
    """Return the raw values of several columns by name, each as `values_of` gives them.

    Raises:
        DataError: as `values_of`; or a number is missing where that is not allowed.
    """
    raw = {}
    for column in columns:
        raw[column.name] = values_of(frame, column)
        if not allow_missing and column.kind not in ONE_HOT:
            require_present(frame, raw[column.name], column.name)
    return raw


def require_present(frame: pd.DataFrame, values: np.ndarray, name: str) -> None:
    """Raise DataError where one of the numbers of the column `name` is missing."""
    missing = np.isnan(values)
    if missing.any():
        raise DataError(
            f"column {name!r} has {int(missing.sum())} missing values, the first in "
            f"{first_row(frame, missing)}; fill them, or drop those rows"
        )


def stray_values(column: pd.Series) -> pd.Series:
    """Return the values that keep a column of text from being one of numbers.

    Returns:
        What is no number where nearly all the rest is; else nothing.
    """
    column = column.dropna()
    for part in (column.iloc[:1000], column):  # most columns of text show it at once
        strays = part[pd.to_numeric(part, errors="coerce").isna()]
        if len(part) - len(strays) < NEARLY_ALL * len(part):
            return strays.iloc[:0]
    return strays


def values_of(frame: pd.DataFrame, column: Column) -> np.ndarray:
    """Return the raw values of a column.

    Returns:
        Shape `(rows,)`: float64 for numeric, boolean and date columns, else an object array of
        strings.

    Raises:
        DataError: the column is missing, or its values are not of the column's kind, or infinite.
    """
    require_column(frame, column.name, "needed by the model")
    series = frame[column.name]
    if column.kind == "text":
        return _as_text(series)
    if column.kind == "category":
        return _as_categories(series)
    values = _as_seconds(series) if column.kind == "date" else _as_numbers(series)
    infinite = np.isinf(values)
    if infinite.any():
        raise DataError(
            f"column {column.name!r} is infinite in {first_row(series, infinite)}; "
            "correct the value or leave it empty"
        )
    return values


def first_row(rows: pd.DataFrame | pd.Series, mask: np.ndarray) -> str:
    """Return the first row of a mask as text, counted from 1 in the table that was read.

    Args:
        rows: any selection of the rows of a table whose index counts them from 0.
        mask: boolean, shape `(rows,)`, somewhere true.
    """
    return f"row {int(rows.index[int(np.argmax(mask))]) + 1}"


def _as_numbers(series: pd.Series) -> np.ndarray:
    if pd.api.types.is_timedelta64_dtype(series.dtype):
        return series.dt.total_seconds().to_numpy(np.float64, na_value=np.nan)
    try:
        return series.to_numpy(np.float64, na_value=np.nan)
    except (TypeError, ValueError):
        numbers = pd.to_numeric(series, errors="coerce")
        wrong = (numbers.isna() & series.notna()).to_numpy()
        if not wrong.any():
            return numbers.to_numpy(np.float64, na_value=np.nan)
        raise DataError(
            f"column {series.name!r} must hold numbers, but {first_row(series, wrong)} holds "
            f"{excerpt(str(series[wrong].iloc[0]))}"
        ) from None


def _as_seconds(series: pd.Series) -> np.ndarray:
    moments = _as_moments(series)
    microseconds = moments.to_numpy("datetime64[us]")
    seconds = microseconds.astype(np.int64) / 1e6
    return np.where(np.isnat(microseconds), np.nan, seconds)


def _as_moments(series: pd.Series) -> pd.Series:
    """Return moments in UTC; strings are ISO 8601, because 03/04 is March to some, April to others.

    Numbers are refused: nobody can know what they count.
    """
    numbers = pd.api.types.is_numeric_dtype(series.dtype) and series.notna().any()
    if not numbers:
        moments = pd.to_datetime(series, utc=True, format="ISO8601", errors="coerce")
        wrong = (moments.isna() & series.notna()).to_numpy()
        if not wrong.any():
            return moments
    else:
        wrong = series.notna().to_numpy()
    raise DataError(
        f"column {series.name!r} must hold dates, as it did in training, but "
        f"{first_row(series, wrong)} holds {excerpt(str(series[wrong].iloc[0]))}; write dates like "
        "2018-03-04"
    )


def _as_text(series: pd.Series) -> np.ndarray:
    """Return strings; numbers are refused, because `01` would have become `1` on the way."""
    is_text = pd.api.types.is_string_dtype(series) or isinstance(series.dtype, pd.CategoricalDtype)
    if not (is_text or pd.api.types.is_object_dtype(series) or series.isna().all()):
        raise DataError(
            f"column {series.name!r} must hold text, as it did in training, but holds "
            f"{series.dtype}; read the column as text (dtype=str)"
        )
    return series.astype("string").fillna("").to_numpy(dtype=object)


def _as_categories(series: pd.Series) -> np.ndarray:
    """Return numbers as strings, each by itself: 1, 1.0 and "1" are the same category."""
    plain = series.astype(object)
    numbers = pd.to_numeric(plain, errors="coerce").astype(object)
    named = [
        "" if pd.isna(value) else _name_of(number, value)
        for number, value in zip(numbers, plain, strict=True)
    ]
    return np.array(named, dtype=object)


def _name_of(number: Any, value: Any) -> str:
    if pd.isna(number) or isinstance(value, bool):
        return str(value)
    return str(int(number)) if float(number).is_integer() else repr(float(number))
