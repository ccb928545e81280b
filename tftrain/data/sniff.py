"""Finding out how an unknown table is written and what its columns are."""

from bisect import bisect_left
from dataclasses import dataclass, field
from glob import has_magic
from itertools import islice, takewhile
from pathlib import Path
from typing import Any

import pandas as pd

from tftrain.data.columns import Kind, kind_of, stray_values
from tftrain.data.dialect import find_dialect
from tftrain.data.sample import Sample, sample_csv, sample_parquet
from tftrain.data.split import SPELLINGS
from tftrain.data.tables import drop_unnamed, files_of, is_parquet
from tftrain.errors import DataError, excerpt, on_one_line

MAX_MARKS = 20
"""Different texts among the numbers of a column that can all stand for a missing value."""


@dataclass(frozen=True)
class Table:
    """A table, or a sample of one, and how it is written.

    Attributes:
        frame: the table, or rows from its beginning, its middle and its end. Its index has their
            numbers, counted from 0; numbers below 0 stand for rows whose place is not known.
        options: those options of `read_csv` that differ from their defaults.
        remarks: why, for options that are not obvious.
        rows: of the whole table; an estimate unless it is whole.
        whole: whether all rows are in `frame`.
    """

    frame: pd.DataFrame
    options: dict[str, Any]
    remarks: dict[str, str] = field(default_factory=dict)
    rows: int = 0
    whole: bool = True


def sniff(path: str | Path) -> Table:
    """Read a table of which nobody knows how it is written, or a sample where it is large.

    Marks of missing values are left as they are, for `with_missing_values`.

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
    "comment": "lines that begin so are no rows",
    "header": "the first line looks like the others: columns are column_1, column_2 ...",
    "skip_rows": "lines above the header",
}
"""Why an option is found, where that is not plain."""


def _table(sample: Sample, options: dict[str, Any], remarks: dict[str, str]) -> Table:
    frame = drop_unnamed(sample.frame)
    return Table(frame, options, remarks, sample.rows, sample.whole)


def with_missing_values(path: str | Path, table: Table) -> Table:
    """Return the table of a file read anew where marks such as `?` alone make text of numbers."""
    marks: dict[str, str] = {}
    for name in table.frame.columns:
        if _kind(table.frame, name) != "text":
            continue
        strays = stray_values(table.frame[name])
        if strays.nunique() <= MAX_MARKS and not strays.str.contains(r"\d").any():
            for row, mark in zip(strays.index, strays, strict=True):
                place = f"row {row + 1} of {on_one_line(name)}"  # ends up in a line of YAML
                marks.setdefault(mark, f"{excerpt(mark)} in {place}")
    if not marks or is_parquet(path):
        return table
    options = {**table.options, "missing_values": list(marks)}
    remarks = {**table.remarks, "missing_values": ", ".join(marks.values())}
    return _table(sample_csv(path, **options), options, remarks)


def _kind(frame: pd.DataFrame, name: str) -> Kind | None:
    """Return what kind of column it is, or None where it can be no feature."""
    try:
        return kind_of(frame, name)
    except DataError:
        return None


def split_columns(frame: pd.DataFrame) -> list[str]:
    """Return the columns that say train and test (perhaps validation) on every row."""
    found = []
    for name in frame.columns:
        if _kind(frame, name) == "text" and not frame[name].isna().any():
            words = {SPELLINGS.get(str(word).strip().lower()) for word in frame[name].unique()}
            if {"train", "test"} <= words <= set(SPELLINGS.values()):
                found.append(name)
    return found


def useless_columns(frame: pd.DataFrame) -> dict[str, str]:
    """Return columns that no model can learn from, each with the reason."""
    reasons = {}
    for name in frame.columns:
        kind = _kind(frame, name)
        distinct = 0 if kind is None else frame[name].nunique()
        if kind is None:
            reasons[name] = "it holds neither numbers, dates nor text"
        elif distinct == 0:
            reasons[name] = "it is empty"
        elif distinct == 1 and not frame[name].isna().any():
            reasons[name] = "it is the same in every row"
        elif kind == "text" and distinct > max(20, len(frame) // 2):
            reasons[name] = _why_text(frame[name])
    return reasons


def _why_text(column: pd.Series) -> str:
    """Return why a column of as many texts as rows is of no use: its texts, or a stray one."""
    strays = stray_values(column)
    if not len(strays):
        return "almost every row has a text of its own"
    return f"row {strays.index[0] + 1} holds {excerpt(strays.iloc[0])}, nearly all others a number"


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
