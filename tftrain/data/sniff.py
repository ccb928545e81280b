"""Finding out how an unknown table is written and what its columns are."""

import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from glob import has_magic
from itertools import islice, takewhile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tftrain.data.columns import Column, Conventions, strays_of, understand, values_of
from tftrain.data.dialect import find_dialect
from tftrain.data.sample import Sample, sample_csv, sample_parquet
from tftrain.data.sources import is_parquet
from tftrain.data.sources.frame import drop_unnamed
from tftrain.data.sources.paths import files_of
from tftrain.data.split import SPELLINGS
from tftrain.errors import DataError, excerpt, on_one_line
from tftrain.names import TEST, TRAIN

MAX_MARKS = 20
"""Different texts among the numbers of a column that can all stand for a missing value."""


@dataclass(frozen=True)
class Sniffed:
    """A table, or a sample of one, and how it is written.

    Attributes:
        frame: the table, or rows from its beginning, its middle and its end. Its index has their
            numbers, counted from 0; numbers below 0 stand for rows whose place is not known.
        options: those options of `read_csv` that differ from their defaults.
        remarks: why, for options that are not obvious.
        rows: of the whole table; an estimate unless it is whole.
        whole: whether all rows are in `frame`.
        doubled: names that several columns have, of which the frame holds the first.
    """

    frame: pd.DataFrame
    options: dict[str, Any]
    remarks: dict[str, str] = field(default_factory=dict)
    rows: int = 0
    whole: bool = True
    doubled: Sequence[str] = ()


def sniff(path: str | Path) -> Sniffed:
    """Read a table of which nobody knows how it is written, or a sample where it is large.

    Marks of missing values are left as they are, for `missing_marks`.

    Raises:
        DataError: it cannot be read in any way.
    """
    if is_parquet(path):
        return _table(sample_parquet(path), {}, {})
    file = files_of(path)[0]
    if not Path(file).stat().st_size:
        raise DataError(f"{file}: the file is empty")
    options = find_dialect(file)
    remarks = {key: REMARKS[key] for key in options if key in REMARKS}
    return _table(sample_csv(path, **options), options, remarks)


REMARKS = {
    "comment": "lines that begin so are not rows",
    "header": "the first line looks like the others: columns are column_1, column_2 ...",
    "skip_rows": "lines above the header",
}
"""Why an option is found, where that is not plain."""


def _table(sample: Sample, options: dict[str, Any], remarks: dict[str, str]) -> Sniffed:
    frame = drop_unnamed(sample.frame)
    return Sniffed(frame, options, remarks, sample.rows, sample.whole, sample.doubled)


def missing_marks(frame: pd.DataFrame, conventions: Conventions) -> dict[str, str]:
    """Return marks such as `?` that alone make text of numbers or dates, each with a place."""
    marks: dict[str, str] = {}
    for name in _texts(frame):
        strays = strays_of(frame[name], conventions)
        if (
            len(strays)
            and strays.nunique() <= MAX_MARKS
            and not strays.astype(str).str.contains("[1-9]").any()
        ):
            for row, mark in zip(strays.index, strays, strict=True):
                place = on_one_line(name)  # ends up in a line of YAML
                if row >= 0:
                    place = f"row {row + 1} of {place}"
                marks.setdefault(str(mark).strip(), f"{excerpt(mark)} in {place}")
    return marks


COMPACT = "%Y%m%d"
"""Form of dates that read as whole numbers: 20200131."""


def compact_dates(frame: pd.DataFrame) -> list[str]:
    """Return the columns of whole numbers that are all days of these centuries, as 20200131 is."""
    found = []
    for name in frame.columns:
        if pd.api.types.is_numeric_dtype(frame[name]):
            values = frame[name].dropna().unique().astype(float)  # of integers where some miss
            whole = len(values) > 2 and (values % 1 == 0).all()
            if whole and values.min() >= 1900_01_01 and values.max() < 2100_01_01:
                days = pd.to_datetime(
                    values.astype(int).astype(str), format=COMPACT, errors="coerce"
                )
                found += [name] if days.notna().all() else []
    return found


def _texts(frame: pd.DataFrame) -> list[str]:
    """Return the columns of text."""
    string = pd.api.types.is_string_dtype
    return [name for name in frame.columns if string(frame[name]) and not is_category(frame[name])]


def is_category(series: pd.Series) -> bool:
    """Return whether a column's type says that its values are categories."""
    return isinstance(series.dtype, pd.CategoricalDtype)


def split_columns(frame: pd.DataFrame) -> list[str]:
    """Return the columns that say train and test (perhaps validation) on every row."""
    found = []
    for name in _texts(frame):
        if not frame[name].isna().any():
            words = {SPELLINGS.get(str(word).strip().lower()) for word in frame[name].unique()}
            if {TRAIN, TEST} <= words <= set(SPELLINGS.values()):
                found.append(name)
    return found


def useless_columns(frame: pd.DataFrame, conventions: Conventions) -> dict[str, str]:
    """Return columns that no model can learn from, each with the reason."""
    reasons = {}
    for name in frame.columns:
        try:
            reason = _why_useless(frame[name], understand(frame, name, conventions), conventions)
        except DataError as error:
            said = str(error).removeprefix(f"column {name!r} ").partition("; ")[0]
            reason = on_one_line(f"it {said}")
        if reason:
            reasons[name] = reason
    return reasons


def _why_useless(series: pd.Series, column: Column, conventions: Conventions) -> str | None:
    """Return why no model can learn from a column, or None if one can."""
    values = values_of(series.to_frame(), column)
    missing = values == "" if column.is_text else np.isnan(values)
    distinct = len(pd.unique(values[~missing]))
    if distinct == 0:
        return "it is empty"
    if distinct == 1 and not missing.any():
        return "it is the same in every row"
    if column.kind == "text" and distinct > max(20, len(series) // 2):
        strays = strays_of(series, conventions)
        if not len(strays):
            example = excerpt(series.dropna().iloc[0])
            return f"almost every row has a text of its own, such as {example}"
        return (
            f"row {strays.index[0] + 1} holds {excerpt(strays.iloc[0])}, which is not written like "
            "nearly all others"
        )
    if column.kind == "numeric" and numbers_rows(column.name, values[~missing]):
        return "it numbers the rows: what it says of the target is their order"
    return None


IDENTIFIER = re.compile(
    r"unnamed: ?\d+|column_1|#|no|nr|num|index|idx|key|(row|u|gu)?id|.*[ _.-]id|id[ _.-].*"
    r"|row[ _.-]?(names?|index)?|(row|record|serial|line)[ _.-]?(no|nr|num|number)?",
    re.IGNORECASE,
)
"""Names of columns that number or identify rows."""

YEARS = (1500, 2200)
"""Whole numbers between these may be years, which run on without numbering anything."""

FEWEST_ROWS = 10
"""Rows from which numbers that run on, under any name, are taken for row numbers."""


def numbers_rows(name: str, values: np.ndarray) -> bool:
    """Return whether a column of numbers identifies rows and says nothing else about them.

    Args:
        name: of the column.
        values: float64, shape `(rows,)`, none missing.
    """
    distinct = np.unique(values)
    if len(distinct) < 3 or (values % 1).any():
        return False
    if IDENTIFIER.fullmatch(name.strip()):
        return len(distinct) > 0.95 * len(values)
    runs_on = len(distinct) == len(values) == np.ptp(distinct) + 1
    years = YEARS[0] <= values.min() and values.max() <= YEARS[1]
    return bool(runs_on and len(values) >= FEWEST_ROWS and not years)


def dates_of_rows(frame: pd.DataFrame, columns: Iterable[Column]) -> list[str]:
    """Return the columns of dates that differ in every row."""
    dates = [column for column in columns if column.role == "date"]
    return [c.name for c in dates if len(np.unique(values_of(frame, c))) == len(frame)]


def as_patterns(names: list[str], all_names: list[str]) -> list[str]:
    """Return names shortened to `prefix_*` where that fits exactly three or more of them."""
    ordered, left = sorted(all_names), dict.fromkeys(names)
    prefixes = dict.fromkeys(name[: name.rindex("_") + 1] for name in names if "_" in name)
    patterns = []
    for prefix in prefixes:
        rest = islice(ordered, bisect_left(ordered, prefix), None)
        fits = list(takewhile(lambda name, start=prefix: name.startswith(start), rest))  # type: ignore[misc]
        if len(fits) > 2 and not has_magic(prefix) and left.keys() >= set(fits):
            patterns.append(f"{prefix}*")
            for name in fits:
                del left[name]
    return [*patterns, *left]
