"""Dividing rows into train, validation and test."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tftrain.data.columns import (
    Conventions,
    first_row,
    require_column,
    understand,
    values_of,
)
from tftrain.errors import DataError, excerpt
from tftrain.names import PARTS, TRAIN, VALIDATION
from tftrain.streams import Purpose, stream

SPELLINGS = {
    **{name: name for name in PARTS},
    "training": TRAIN,
    "valid": VALIDATION,
    "val": VALIDATION,
    "dev": VALIDATION,
}


@dataclass(frozen=True)
class Split:
    """Row numbers of the three parts, int64, each in the order of the table."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray

    def __getitem__(self, name: str) -> np.ndarray:
        """Return the row numbers of the part called `name`."""
        rows: np.ndarray = getattr(self, name)
        return rows


def by_fractions(rows: int, fractions: tuple[float, float, float], seed: int) -> Split:
    """Split at random: a pure function of the arguments.

    Args:
        rows: number of rows.
        fractions: of train, validation and test, adding up to 1.
        seed: seed of the run.

    Raises:
        DataError: a part whose fraction is above zero would get no row.
    """
    order = stream(seed, Purpose.SPLIT).permutation(rows)
    return _cut(order, fractions)


def by_order(
    frame: pd.DataFrame,
    column: str,
    fractions: tuple[float, float, float],
    conventions: Conventions,
) -> Split:
    """Split by the order of a column: earliest rows train, latest test.

    Rows of equal values stay together, so that no day is on both sides of a cut.

    Raises:
        DataError: the column is missing, has missing values, or a part would get no row.
    """
    require_column(frame, column, "data.split.by")
    understood = understand(frame, column, conventions)
    if understood.is_text:
        raise DataError(
            f"column {column!r} (data.split.by) holds text; order by a column of numbers or dates"
        )
    values = values_of(frame, understood)
    if np.isnan(values).any():
        raise DataError(
            f"column {column!r} (data.split.by) has no value in "
            f"{first_row(frame, np.isnan(values))}; every row needs one to be ordered"
        )
    order = np.argsort(values, kind="stable")
    return _cut(order, fractions, np.flatnonzero(np.diff(values[order])) + 1, column)


def by_column(frame: pd.DataFrame, column: str, validation: float, seed: int) -> Split:
    """Split by what a column says: train, validation (val, dev) or test.

    Args:
        frame: the table.
        column: name of the column.
        validation: fraction of the train rows to validate on where the column names none.
        seed: seed of the run, for that fraction.

    Raises:
        DataError: the column is missing or says something else, or no row is for training.
    """
    require_column(frame, column, "data.split.column")
    said = frame[column].astype("string").str.strip().str.lower().map(SPELLINGS)
    if said.isna().any():
        odd = frame[column][said.isna()].iloc[0]
        raise DataError(
            f"column {column!r} (data.split.column) says {excerpt(str(odd))} in "
            f"{first_row(frame, said.isna().to_numpy())}; expected train, validation or test"
        )
    parts = {name: np.flatnonzero((said == name).to_numpy()) for name in PARTS}
    if len(parts[TRAIN]) == 0:
        raise DataError(f"no row of column {column!r} (data.split.column) says train")
    if len(parts[VALIDATION]) == 0 and validation > 0:
        fractions = (1 - validation, validation, 0.0)
        inner = by_fractions(len(parts[TRAIN]), fractions, seed)
        train = parts[TRAIN]
        parts[TRAIN], parts[VALIDATION] = train[inner.train], train[inner.validation]
    return Split(**parts)


def _cut(
    order: np.ndarray,
    fractions: tuple[float, float, float],
    places: np.ndarray | None = None,
    column: str = "",
) -> Split:
    """Cut an order of rows at the fractions; train gets what rounding leaves over.

    Args:
        order: row numbers.
        fractions: of train, validation and test.
        places: where `order` may be cut, ascending; by default anywhere. The nearest are taken.
        column: whose equal values forbid the other places.
    """
    rows = len(order)
    counts = [int(fraction * rows + 0.5) for fraction in fractions]
    counts[0] = rows - counts[1] - counts[2]
    for name, fraction, count in zip(PARTS, fractions, counts, strict=True):
        if fraction > 0 and count < 1:
            raise DataError(
                f"{rows} {'row is' if rows == 1 else 'rows are'} too few for this split: {name} "
                f"({fraction:g}) would get none; change data.split or add rows"
            )
    cuts = [counts[0], counts[0] + counts[1]]
    if places is not None:
        cuts = _allowed(cuts, rows, places, column)
    return Split(*(np.sort(part).astype(np.int64) for part in np.split(order, cuts)))


def _allowed(cuts: list[int], rows: int, places: np.ndarray, column: str) -> list[int]:
    """Return for both cuts the nearest places that leave no part without rows, if it had some."""
    first, second = cuts
    inner = first < second < rows
    if len(places) < (2 if inner else first < rows):
        raise DataError(
            f"column {column!r} (data.split.by) has too few different values for this split: rows "
            "of equal values stay together; order by a finer column, or change data.split"
        )
    if second < rows:
        second = _nearest(places[inner:], second)
    if first == cuts[1]:
        return [second, second]
    return [_nearest(places[places < second], first), second]


def _nearest(places: np.ndarray, wanted: int) -> int:
    return int(places[np.argmin(np.abs(places - wanted))])
