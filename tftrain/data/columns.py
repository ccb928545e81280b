"""What the columns of a table are, and their values as plain arrays."""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import datetime, time, timedelta
from decimal import Decimal
from fnmatch import fnmatchcase
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from tftrain.data.notation import (
    SHARES,
    AmbiguousDateError,
    Kind,
    Notation,
    Reading,
    durations,
    is_compact,
    moments,
    numbers,
    reading_of,
    strings,
)
from tftrain.errors import DataError, did_you_mean, excerpt, nearest, on_one_line


@dataclass(frozen=True)
class Conventions:
    """How the cells of a table are written, as far as its owner has said so.

    Attributes:
        missing: texts that stand for a missing value; numbers such as -999 stand for one in columns
            of numbers too.
        decimal: character in front of a number's fraction.
        date_format: form of dates in the letters of `strptime`, one for all columns or by column.
        typed: whether text that looks like plain numbers is meant to be text, as in Parquet files
            and DataFrames. In a CSV file all is text.
    """

    missing: tuple[str, ...] = ()
    decimal: str = "."
    date_format: str | Mapping[str, str] = ""
    typed: bool = True

    def notation(self, name: str) -> Notation:
        """Return what is known of the text of a column."""
        form = self.date_format
        if not isinstance(form, str):
            form = form.get(name, "")
        return Notation(missing=self.missing, decimal=self.decimal, date_format=form)

    def is_typed(self, name: str) -> bool:
        """Return whether plain numbers in a column of text are meant to be text, or dates."""
        return self.typed or (not isinstance(self.date_format, str) and name in self.date_format)


@dataclass(frozen=True)
class Column:
    """One raw column that the model reads.

    Attributes:
        name: its name in the table.
        kind: the kind of its values. Numbers and booleans are read as numbers, dates as seconds
            since 1970 (UTC), times of day and durations as seconds, text as strings.
        categorical: whether its values, of whatever kind, are categories, each with a name.
        notation: how its values are written where they are text.
    """

    name: str
    kind: Kind
    categorical: bool = False
    notation: Notation = field(default_factory=Notation)

    @property
    def is_text(self) -> bool:
        """Whether the model reads strings: a missing one is empty, a missing number is NaN."""
        return self.categorical or self.kind == "text"

    @property
    def is_read_as_text(self) -> bool:
        """Whether the reader of a CSV file must leave its cells as text."""
        dressed = self.notation.unit or self.notation.thousands
        return self.kind not in ("numeric", "boolean") or bool(dressed)

    @property
    def role(self) -> str:
        """The kind, or `category`."""
        return "category" if self.categorical and self.kind != "text" else self.kind


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


def understand(
    frame: pd.DataFrame, name: str, conventions: Conventions, categorical: bool = False
) -> Column:
    """Return what a column is.

    Args:
        frame: the whole table: more rows leave fewer ways to read a date.
        name: of the column.
        conventions: how the table is written.
        categorical: whether its values are categories.

    Raises:
        DataError: it is of a type that cannot be a feature, or its dates can be read in two ways.
    """
    series, notation = frame[name], conventions.notation(name)
    if isinstance(series.dtype, pd.CategoricalDtype):
        categorical = True
        series = series.astype(series.dtype.categories.dtype)
        if not _is_known(series.dtype):  # intervals and the like
            return Column(name, "text", True, notation)
    series = _digits(series, notation)
    kind = _kind_of_type(series)
    if kind == "date":
        notation = replace(notation, zone=bool(_zoned(series).any()))
    elif kind == "text" and not categorical:
        reading = _reading_of(series, notation, conventions.is_typed(name))
        if reading is not None and not reading.strays.any():
            kind, notation = reading.kind, reading.notation
            if kind == "date":
                zoned = moments(series, notation)[2]
                notation = replace(notation, zone=bool(zoned.any()))
    if kind != "date" and not isinstance(conventions.date_format, str):
        _require_no_form(series, kind, conventions)
    return Column(name, kind, categorical, notation)


def _digits(series: pd.Series, notation: Notation) -> pd.Series:
    """Return whole numbers as text where dates have a form without separators, as 20200131 has."""
    if not is_compact(notation.date_format) or not pd.api.types.is_numeric_dtype(series.dtype):
        return series
    whole = series.astype("Float64")
    if not (whole.dropna() % 1 == 0).all():
        return series
    return whole.astype("Int64").astype("string")


def _require_no_form(series: pd.Series, kind: Kind, conventions: Conventions) -> None:
    """Raise DataError where a column that is not one of dates has a form of dates of its own."""
    form = conventions.notation(str(series.name)).date_format
    if form:
        raise DataError(
            f"column {series.name!r} is not one of dates like {form} (data.source.date_format) but "
            f"of the kind {kind}, such as {excerpt(str(series.dropna().iloc[:1].squeeze()))}"
        )


def _is_known(dtype: Any) -> bool:
    types = pd.api.types
    return (
        types.is_string_dtype(dtype)
        or types.is_numeric_dtype(dtype)
        or types.is_bool_dtype(dtype)
        or types.is_datetime64_any_dtype(dtype)
        or types.is_timedelta64_dtype(dtype)
    )


def _reading_of(series: pd.Series, notation: Notation, typed: bool) -> Reading | None:
    """Return what a column of text can be read as; a DataError where that is ambiguous."""
    try:
        return reading_of(series, notation, typed)
    except AmbiguousDateError as error:
        first, second = error.forms
        example = series.dropna().iloc[0]
        raise DataError(
            f"column {series.name!r} holds dates such as {excerpt(str(example))}, which fit both "
            f"{first} and {second}: set data.source.date_format to the right one, for all columns "
            f"or for this one ({{{series.name}: {first!r}}})"
        ) from None


def _kind_of_type(series: pd.Series) -> Kind:
    """Return the kind that the type of a column says; text may turn out to be something else."""
    types, dtype = pd.api.types, series.dtype
    if types.is_bool_dtype(dtype):
        return "boolean"
    if types.is_numeric_dtype(dtype) and not types.is_complex_dtype(dtype):
        return "numeric"
    if types.is_datetime64_any_dtype(dtype):
        return "date"
    if types.is_timedelta64_dtype(dtype):
        return "time"
    if types.is_object_dtype(dtype):
        return _kind_of_objects(series)
    if types.is_string_dtype(dtype):
        return "text"
    raise DataError(
        f"column {series.name!r} has the type {dtype}, which cannot be a feature; leave it "
        "out with data.features.exclude"
    )


OBJECTS: dict[str, Kind] = {
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
    "time": "time",
    "timedelta": "time",
    "timedelta64": "time",
}
"""Kinds of Python objects, by the names that pandas has for them."""


def _kind_of_objects(column: pd.Series) -> Kind:
    inferred = pd.api.types.infer_dtype(column, skipna=True)
    if inferred not in OBJECTS:
        types = sorted({type(value).__name__ for value in column.dropna()})
        raise DataError(
            f"column {column.name!r} holds {' and '.join(types)} values, not numbers, dates or "
            "text alone; mend it, or leave it out with data.features.exclude"
        )
    return OBJECTS[inferred]


def strays_of(series: pd.Series, conventions: Conventions) -> pd.Series:
    """Return the values that keep a column of text from being one of numbers, dates or times.

    Returns:
        The values that do not fit where nearly all others do; else nothing.
    """
    try:
        name = str(series.name)
        reading = reading_of(series, conventions.notation(name), conventions.is_typed(name))
    except AmbiguousDateError:
        reading = None
    return series[reading.strays] if reading else series.iloc[:0]


def raw_values(
    frame: pd.DataFrame, columns: Sequence[Column], allow_missing: bool = True
) -> dict[str, np.ndarray]:
    """Return the raw values of several columns by name, each as `values_of` gives them.

    Raises:
        DataError: columns are missing, all of which are named; or as `values_of`; or a number is
            missing where that is not allowed.
    """
    _require_all(frame, [column.name for column in columns])
    raw = {}
    for column in columns:
        raw[column.name] = values_of(frame, column)
        if not allow_missing and not column.is_text:
            require_present(frame, raw[column.name], column.name)
    return raw


def _require_all(frame: pd.DataFrame, needed: Sequence[str]) -> None:
    """Raise DataError, which names them all, where columns that the model needs are missing."""
    here = set(frame.columns)
    lacking = [name for name in needed if name not in here]
    if not lacking:
        return
    spare = [str(name) for name in frame.columns if name not in {*needed}]
    shown = []
    for name in lacking[:MAX_MISSING]:
        near = nearest(name, spare)
        shown.append(repr(name) + (f", did you mean {near!r}?" if near else ""))
    more = f" and {len(lacking) - MAX_MISSING} more" if len(lacking) > MAX_MISSING else ""
    what = "a column" if len(lacking) == 1 else f"{len(lacking)} columns"
    raise DataError(
        f"the table lacks {what} that the model needs: {'; '.join(shown)}{more}"
        + ("" if any("?" in one for one in shown) else _listing(frame))
    )


def require_present(
    frame: pd.DataFrame,
    values: np.ndarray,
    name: str,
    remedy: str = "fill them, or drop those rows",
) -> None:
    """Raise DataError, with a remedy, where one of the numbers of the column `name` is missing."""
    missing = np.isnan(values)
    if missing.any():
        count = int(missing.sum())
        raise DataError(
            f"column {name!r} has {count} missing value{'s' * (count > 1)}, the first in "
            f"{first_row(frame, missing)}; {remedy}"
        )


def values_of(frame: pd.DataFrame, column: Column) -> np.ndarray:
    """Return the raw values of a column.

    Returns:
        Shape `(rows,)`: float64 for numbers, booleans, dates and times, NaN where missing; an
        object array of strings for text and categories, empty where missing.

    Raises:
        DataError: the column is missing, or its values are not of the column's kind, or infinite.
    """
    require_column(frame, column.name, "needed by the model")
    series = _plain(frame[column.name])
    if pd.api.types.is_object_dtype(series.dtype):
        nested = np.array([pd.api.types.is_list_like(value) for value in series], bool)
        if nested.any():
            raise _refusal(series, nested, "single values")
    if column.kind == "text":
        return _as_text(series, column)
    if column.categorical:
        return _as_names(series, column)
    return _as_floats(series, column)


def typed_values(frame: pd.DataFrame, column: Column) -> pd.Series:
    """Return the values of a column as pandas has them: floats, dates, durations or strings.

    Raises:
        DataError: as `values_of`.
    """
    values = values_of(frame, replace(column, categorical=False))
    if column.kind in ("date", "time"):
        kind = "datetime64[us]" if column.kind == "date" else "timedelta64[us]"
        microseconds = np.full(len(values), "NaT", kind)
        present = ~np.isnan(values)
        microseconds[present] = np.round(values[present] * 1e6).astype(np.int64).astype(kind)
        found = pd.Series(microseconds, frame.index)
        return found.dt.tz_localize("UTC") if column.notation.zone else found
    return pd.Series(values, frame.index)


def _plain(series: pd.Series) -> pd.Series:
    """Return a column as its categories are typed, if it has any; those of other types as text."""
    if not isinstance(series.dtype, pd.CategoricalDtype):
        return series
    categories = series.dtype.categories
    if _is_known(categories.dtype):
        return series.astype(categories.dtype)
    return series.astype("string")


def _as_floats(series: pd.Series, column: Column) -> np.ndarray:
    convert = {"date": _as_seconds, "time": _as_durations}.get(column.kind, _as_numbers)
    values = convert(series, column)
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
        rows: any selection of the rows of a table whose index counts them from 0. Below 0 are rows
            of a sample whose place is not known.
        mask: boolean, shape `(rows,)`, somewhere true.
    """
    row = int(rows.index[int(np.argmax(mask))])
    return f"row {row + 1}" if row >= 0 else "a row far from the beginning"


def _refusal(series: pd.Series, wrong: np.ndarray, wanted: str, remedy: str = "") -> DataError:
    """Return the error for the first of the values that are not what a column must hold."""
    return DataError(
        f"column {series.name!r} must hold {wanted}, but {first_row(series, wrong)} holds "
        f"{excerpt(str(series[wrong].iloc[0]))}{remedy}"
    )


def _as_numbers(series: pd.Series, column: Column) -> np.ndarray:
    wanted = "true or false, or 1 and 0" if column.kind == "boolean" else "numbers"
    if _is_written(series):
        values, wrong = numbers(_texts(series), column.notation)
        if wrong.any():
            raise _refusal(series, wrong, wanted)
    elif _holds_numbers(series) and column.notation.unit not in SHARES:
        values = series.to_numpy(np.float64, na_value=np.nan)
    elif series.isna().all():
        values = np.full(len(series), np.nan)
    else:  # a share in numbers may be 12 or 0.12, and dates count nobody knows what
        wanted = f"texts such as 12{column.notation.unit}" if column.notation.unit else wanted
        raise _refusal(series, series.notna().to_numpy(), wanted)
    if column.kind == "boolean":
        wrong = ~np.isin(values, (0, 1)) & ~np.isnan(values)
        if wrong.any():
            raise _refusal(series, wrong, wanted)
        return values
    for mark in column.notation.missing_numbers:
        values = np.where(values == mark, np.nan, values)
    return values


def _holds_numbers(series: pd.Series) -> bool:
    types = pd.api.types
    if types.is_object_dtype(series.dtype):
        return all(isinstance(one, (Real, Decimal, np.bool_)) for one in series.dropna())
    return bool(
        types.is_bool_dtype(series.dtype)
        or (types.is_numeric_dtype(series.dtype) and not types.is_complex_dtype(series.dtype))
    )


def _is_written(series: pd.Series) -> bool:
    """Return whether a column holds text, or objects some of which are."""
    if not pd.api.types.is_object_dtype(series.dtype):
        return pd.api.types.is_string_dtype(series.dtype)
    return any(isinstance(value, str) for value in series)


def _texts(series: pd.Series) -> pd.Series:
    """Return a column with text in it as text throughout."""
    if not pd.api.types.is_object_dtype(series.dtype):
        return series
    return series.map(lambda value: None if pd.isna(value) else str(value)).astype(object)


def _as_seconds(series: pd.Series, column: Column) -> np.ndarray:
    """Return moments as seconds since 1970 (UTC).

    Numbers are refused: nobody can know what they count. So are moments without a time zone where
    training had one, and the other way round: they could be hours away from what was meant.
    """
    notation = column.notation
    series = _digits(series, notation)
    if _is_written(series):
        values, wrong, zoned = moments(_texts(series), notation)
    elif _is_moments(series):
        values = pd.to_datetime(series, utc=True, errors="coerce")
        wrong = (values.isna() & series.notna()).to_numpy()
        zoned = _zoned(series)
    else:
        values, wrong, zoned = series, series.notna().to_numpy(), np.zeros(len(series), bool)
    if wrong.any():
        form = notation.date_format or "%Y-%m-%d"
        example = datetime(2018, 3, 14, 15, 9, 26).strftime(form)
        raise _refusal(
            series,
            wrong,
            "dates, as it did in training",
            f"; write them like {example}, or set data.source.date_format",
        )
    present = values.notna().to_numpy() if len(values) else np.zeros(0, bool)
    odd = present & (zoned != notation.zone)
    if odd.any():
        wanted = "times with a time zone" if notation.zone else "times without a time zone"
        remedy = "; add the zone, as in 2018-03-14T15:09:26+01:00"
        if not notation.zone:
            remedy = "; convert them to the clock of the training data and leave the zone out"
        raise _refusal(series, odd, f"{wanted}, as it did in training", remedy)
    if not present.any():
        return np.full(len(series), np.nan)
    microseconds = values.dt.tz_localize(None).to_numpy("datetime64[us]")
    seconds = microseconds.astype(np.int64) / 1e6
    return np.where(np.isnat(microseconds), np.nan, seconds)


def _is_moments(series: pd.Series) -> bool:
    """Return whether a column holds dates as values, not as text."""
    if pd.api.types.is_object_dtype(series.dtype):
        return pd.api.types.infer_dtype(series, skipna=True) in ("date", "datetime", "datetime64")
    return pd.api.types.is_datetime64_any_dtype(series.dtype)


def _zoned(series: pd.Series) -> np.ndarray:
    """Return which moments of a column carry a time zone."""
    if pd.api.types.is_object_dtype(series.dtype):
        return np.array([getattr(one, "tzinfo", None) is not None for one in series], bool)
    return np.full(len(series), isinstance(series.dtype, pd.DatetimeTZDtype))


def _as_durations(series: pd.Series, column: Column) -> np.ndarray:
    """Return times of day, since midnight, and durations as seconds."""
    missing, unit = np.iinfo(np.int64).min, "ns"
    if pd.api.types.is_timedelta64_dtype(series.dtype):
        spans = series.to_numpy()
        counts, unit = spans.astype(np.int64), np.datetime_data(spans.dtype)[0]
        wrong = np.zeros(len(series), bool)
    elif pd.api.types.is_string_dtype(series) or pd.api.types.is_object_dtype(series.dtype):
        counts, wrong = durations(series.map(_clock).astype(object), column.notation)
    else:
        counts, wrong = np.full(len(series), missing), series.notna().to_numpy()
    if wrong.any():
        remedy = "; write them like 15:09:26"
        raise _refusal(series, wrong, "times of day or durations", remedy)
    # Whatever the unit: a quotient of long doubles, which hold every count, is rounded alike.
    seconds = (counts.astype(np.longdouble) / PER_SECOND[unit]).astype(np.float64)
    return np.where(counts == missing, np.nan, seconds)


PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
"""How many of the units that pandas has for times make a second."""


def _clock(value: Any) -> str | None:
    """Return a time or a duration as text that `durations` reads."""
    if isinstance(value, time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return str(pd.Timedelta(value))
    return None if pd.isna(value) else str(value)


def _as_text(series: pd.Series, column: Column) -> np.ndarray:
    """Return strings; numbers are refused, because `01` would have become `1` on the way."""
    is_text = pd.api.types.is_string_dtype(series) or pd.api.types.is_object_dtype(series)
    if not (is_text or series.isna().all()):
        raise DataError(
            f"column {series.name!r} must hold text, as it did in training, but holds "
            f"{series.dtype}; read the column as text (dtype=str)"
        )
    return strings(series.astype("string"), column.notation)


def _as_names(series: pd.Series, column: Column) -> np.ndarray:
    """Return each value's name as a category: 1, 1.0, "1" and True are the same one."""
    codes, distinct = pd.factorize(series)
    small = pd.Series(distinct, name=series.name)
    if column.kind in ("date", "time"):
        values = _as_floats(small, column)
        name = _name_of_moment if column.kind == "date" else _name_of_number
        names = ["" if np.isnan(value) else name(value) for value in values]
    else:
        names = _names_of_numbers(small, column)
    return np.array([*names, ""], dtype=object)[codes]


def _names_of_numbers(distinct: pd.Series, column: Column) -> list[str]:
    """Return the names of numbers, whole ones exact, however long; other text is its own name."""
    written = _texts(distinct.astype(object))
    values, wrong = numbers(written, column.notation)
    texts = strings(written, column.notation)
    missing = np.isnan(values) | np.isin(values, column.notation.missing_numbers)
    return [
        text if is_text else "" if is_missing else _exact(text) or _name_of_number(value)
        for value, text, is_text, is_missing in zip(values, texts, wrong, missing, strict=True)
    ]


def _exact(text: str) -> str | None:
    """Return a whole number as it is written, without leading zeros, or None for anything else."""
    try:
        return str(int(text))
    except ValueError:
        return None


def _name_of_number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def _name_of_moment(seconds: float) -> str:
    """Return a moment in ISO 8601, a day alone where it is midnight."""
    moment = str(np.datetime64(round(seconds * 1e6), "us"))
    return moment.removesuffix(".000000").removesuffix("T00:00:00")
