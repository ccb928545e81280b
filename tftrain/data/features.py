"""Fitting the preprocessing: what the training rows say about each column. No TensorFlow.

A fitted plan is plain data. `preprocessor.Preprocessor` carries it out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tftrain.data.columns import (
    ONE_HOT,
    Column,
    Kind,
    first_row,
    kind_of,
    raw_values,
    require_column,
    require_present,
    values_of,
)
from tftrain.errors import DataError, excerpt, naming

PERIODS = {"day": 86_400.0, "week": 604_800.0, "year": 365.2425 * 86_400.0}
"""Cycles in which the position of a date is expressed, in seconds."""


@dataclass(frozen=True)
class NumericFeature:
    """A number, boolean or date: `(x - center) / scale`, with `fill` in place of a missing `x`.

    Attributes:
        column: the raw column.
        center: subtracted first.
        scale: then divided by.
        fill: stands for a missing value, in raw units.
        indicator: whether a further feature is 1 where the value was missing, else 0.
        periods: for dates, cycles in seconds of which sine and cosine are further features.
    """

    column: Column
    center: float
    scale: float
    fill: float
    indicator: bool
    periods: tuple[float, ...] = ()

    @property
    def names(self) -> list[str]:
        """The names of the features that come of the column."""
        name = self.column.name
        cycles = [
            f"{key} of {name}, {wave}"
            for key, seconds in PERIODS.items()
            if seconds in self.periods
            for wave in ("sine", "cosine")
        ]
        return [name, *cycles] + ([f"{name} is missing"] if self.indicator else [])


@dataclass(frozen=True)
class TextFeature:
    """A category: one-hot over the vocabulary, and perhaps one bucket for all the rest.

    Attributes:
        column: the raw column.
        vocabulary: the categories that have a feature of their own.
        bucket: whether a last feature stands for every other category. It exists where training
            rows fall into it; else an unknown category is encoded as all zeros, because a weight
            that no row has trained would add noise.
    """

    column: Column
    vocabulary: tuple[str, ...]
    bucket: bool

    @property
    def names(self) -> list[str]:
        """The names of the features that come of the column."""
        names = [f"{self.column.name} = {value or 'missing'}" for value in self.vocabulary]
        return names + ([f"{self.column.name} = other"] if self.bucket else [])


@dataclass(frozen=True)
class TargetScale:
    """`target = center + scale * output`, per target; arrays of shape `(targets,)`, float64."""

    names: tuple[str, ...]
    center: np.ndarray
    scale: np.ndarray

    def scaled(self, values: np.ndarray) -> np.ndarray:
        """Return targets of shape `(rows, targets)` as outputs, `(target - center) / scale`."""
        return (values - self.center) / self.scale


@dataclass(frozen=True)
class Plan:
    """A fitted preprocessing.

    Attributes:
        numeric: features of numbers, booleans and dates, in the order of the table.
        text: features of categories, which come after the numeric ones.
        target: scaling of the targets.
        allow_missing: whether a missing number is filled, or an error.
    """

    numeric: tuple[NumericFeature, ...]
    text: tuple[TextFeature, ...]
    target: TargetScale
    allow_missing: bool

    @property
    def all_features(self) -> list[NumericFeature | TextFeature]:
        """Numeric features, then categories: the order of the network's inputs."""
        return [*self.numeric, *self.text]

    @property
    def columns(self) -> list[Column]:
        """The raw columns that a prediction needs."""
        return [feature.column for feature in self.all_features]

    @property
    def names(self) -> list[str]:
        """The names of all features, in the order of the network's inputs."""
        return [name for feature in self.all_features for name in feature.names]

    def raw_columns(self, frame: pd.DataFrame) -> dict[str, np.ndarray]:
        """Return the raw values of all columns; raise DataError where one is not as it should."""
        return raw_values(frame, self.columns, self.allow_missing)


def fit_plan(
    train: pd.DataFrame,
    *,
    features: Sequence[str],
    targets: Sequence[str],
    numeric: str = "standard",
    missing: str = "mean",
    categorical: Sequence[str] = (),
    max_categories: int = 50,
    target: str = "standard",
) -> Plan:
    """Fit the preprocessing to the training rows.

    Args:
        train: the training rows.
        features: names of the feature columns.
        targets: names of the target columns.
        numeric: scaling of numbers and dates: standard, robust, minmax or none.
        missing: mean, median or error.
        categorical: names of number columns that are categories.
        max_categories: most categories of a column that get a feature of their own.
        target: scaling of the targets.

    Raises:
        DataError: a column is missing, all missing, infinite, or of an unusable type; a target is
            constant or has missing values.
    """
    columns = [Column(name, kind_of(train, name, categorical)) for name in features]
    return Plan(
        numeric=tuple(
            _fit_numeric(train, c, numeric, missing) for c in columns if c.kind not in ONE_HOT
        ),
        text=tuple(_fit_text(train, c, max_categories) for c in columns if c.kind in ONE_HOT),
        target=_fit_target(train, targets, target),
        allow_missing=missing != "error",
    )


def _fit_numeric(train: pd.DataFrame, column: Column, scaling: str, missing: str) -> NumericFeature:
    values = values_of(train, column)
    if missing == "error":
        require_present(train, values, column.name)
    present = values[~np.isnan(values)]
    if len(present) == 0:
        raise DataError(
            f"column {column.name!r} has no value in any training row; leave it out "
            "with data.features.exclude"
        )
    if column.kind == "boolean":
        scaling = "none"
    elif column.kind == "date" and scaling == "none":
        scaling = "standard"  # raw seconds since 1970 would drown every other feature
    with naming(f"column {column.name!r}"):
        center, scale = center_and_scale(present, scaling)
    return NumericFeature(
        column=column,
        center=center,
        scale=scale,
        fill=float(np.median(present) if missing == "median" else np.mean(present)),
        indicator=len(present) < len(values),
        periods=_cycles(present) if column.kind == "date" else (),
    )


def require_representable(
    values: np.ndarray, dtype: str, names: Sequence[str], index: pd.Index
) -> None:
    """Raise DataError, with column and row, where a number is infinite or too large for a dtype.

    Args:
        values: shape `(rows, columns)`.
        dtype: of the network.
        names: of the columns.
        index: of the rows in the table, counted from 0.
    """
    wrong = np.argwhere(~(np.abs(values) <= np.finfo(dtype).max))
    if len(wrong):
        row, column = wrong[0]
        raise DataError(
            f"{names[column]!r} is too large for {dtype} in row {index[row] + 1}; scale it "
            "(data.preprocess), divide it by a constant, or set model.dtype to float64"
        )


def center_and_scale(values: np.ndarray, scaling: str) -> tuple[float, float]:
    """Return what a scaling subtracts and divides by; a spread of zero divides by one.

    A spread of a few units in the last place of the center counts as zero.
    """
    if scaling == "none":
        return 0.0, 1.0
    with np.errstate(over="ignore", invalid="ignore"):
        if scaling == "minmax":
            center, scale = np.min(values), np.ptp(values)
        elif scaling == "robust":
            low, center, high = np.quantile(values, [0.25, 0.5, 0.75])
            scale = high - low
        else:
            center, scale = np.mean(values), np.std(values)
    if not np.isfinite([center, scale]).all():
        raise DataError("its values are too large to be scaled; divide them by a constant")
    if scale <= 8 * np.finfo(np.float64).eps * abs(center):
        spread = float(np.std(values)) if scaling == "robust" else 0.0
        scale = spread or 1.0
    return float(center), float(scale)


def _cycles(seconds: np.ndarray) -> tuple[float, ...]:
    """Return the periods that the dates run through, and that they are fine enough to show."""
    if np.ptp(seconds) == 0:
        return ()
    daily = bool(np.any(seconds % PERIODS["day"]))
    return tuple(
        period
        for name, period in PERIODS.items()
        if period <= np.ptp(seconds) and (daily or name != "day")
    )


def _fit_text(train: pd.DataFrame, column: Column, most: int) -> TextFeature:
    words, counts = np.unique(values_of(train, column), return_counts=True)
    if list(words) == [""]:
        raise DataError(
            f"column {column.name!r} has no value in any training row; leave it out "
            "with data.features.exclude"
        )
    order = np.lexsort((words, -counts))
    return TextFeature(
        column=column,
        vocabulary=tuple(sorted(words[order[:most]])),
        bucket=len(words) > most,
    )


def _fit_target(train: pd.DataFrame, names: Sequence[str], scaling: str) -> TargetScale:
    values = [target_values(train, name) for name in names]
    for name, column in zip(names, values, strict=True):
        if np.ptp(column) == 0:
            raise DataError(
                f"the target {name!r} is {column[0]:g} in every training row; there is "
                "nothing to learn: choose another target or another split"
            )
    with naming(f"data.target ({', '.join(names)})"):
        fitted = [center_and_scale(column, scaling) for column in values]
    return TargetScale(
        names=tuple(names),
        center=np.array([center for center, _ in fitted]),
        scale=np.array([scale for _, scale in fitted]),
    )


def target_values(frame: pd.DataFrame, name: str, key: str = "data.target") -> np.ndarray:
    """Return the values of a target, or of the column that `key` names; float64, shape `(rows,)`.

    Raises:
        DataError: the column is missing, is not numeric, or has missing or infinite values.
    """
    require_column(frame, name, key)
    kind = kind_of(frame, name)
    if kind not in ("numeric", "boolean"):
        wrong = _no_number(frame[name], kind)
        example = excerpt(str(frame[name].iloc[int(np.argmax(wrong))]))
        raise DataError(
            f"column {name!r} ({key}) must be numeric, but holds {kind}"
            + (f" such as {example} in {first_row(frame, wrong)}" if wrong.any() else "")
        )
    values = values_of(frame, Column(name, kind))
    require_present(frame, values, name)
    return values


def _no_number(column: pd.Series, kind: Kind) -> np.ndarray:
    """Return which values keep a column from being one of numbers: those that are none, or all."""
    present = column.notna()
    if kind == "text":
        wrong = present & pd.to_numeric(column.astype(object), errors="coerce").isna()
        present = wrong if wrong.any() else present
    return present.to_numpy()
