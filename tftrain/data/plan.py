"""Fitting the preprocessing: what the training rows say about each column. No TensorFlow.

A fitted plan is plain data. `preprocessor.Preprocessor` carries it out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tftrain.data.columns import (
    Column,
    Conventions,
    first_row,
    raw_values,
    require_column,
    require_present,
    understand,
    values_of,
)
from tftrain.data.notation import MISSING, numbers
from tftrain.errors import DataError, excerpt, naming

PERIODS = {"day": 86_400.0, "week": 604_800.0, "year": 365.2425 * 86_400.0}
"""Cycles in which the position of a date is expressed, in seconds."""


@dataclass(frozen=True)
class NumericFeature:
    """A number, boolean, date or time: `(x - center) / scale`, with `fill` for a missing `x`.

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
    def cycles(self) -> list[str]:
        """The names of the sines and cosines, two for each period."""
        return [
            f"{key} of {self.column.name}, {wave}"
            for key, seconds in PERIODS.items()
            if seconds in self.periods
            for wave in ("sine", "cosine")
        ]


@dataclass(frozen=True)
class Embedding:
    """Which columns of categories become codes, of each of which the network trains a vector.

    Attributes:
        min_categories: columns with at least so many categories in the training rows.
        max_width: longest vector.
        max_categories: most categories of one column that get a code of their own.
        hash_buckets: codes that the categories beyond these share.
    """

    min_categories: int = 20
    max_width: int = 16
    max_categories: int = 100_000
    hash_buckets: int = 1

    def width(self, categories: int) -> int:
        """Return the length of the vectors of a column, `1.6 n^0.56` for `n` categories at most.

        Source: the rule of thumb of fastai (`emb_sz_rule`).
        """
        return min(self.max_width, max(1, round(1.6 * categories**0.56)))


@dataclass(frozen=True)
class TextFeature:
    """A category: one-hot over the vocabulary, and perhaps one bucket for all the rest.

    Or a code, of which the network trains a vector: 0 for an unknown category, then the vocabulary
    from 1 on, then the buckets.

    Attributes:
        column: the raw column.
        vocabulary: the categories that have a feature of their own.
        bucket: whether a last feature stands for every other category. It exists where training
            rows fall into it; else an unknown category is encoded as all zeros, because a weight
            that no row has trained would add noise.
        rare: the categories of the training rows that share the bucket, or None where they are too
            many to be kept.
        width: length of the vector of each code; 0 where the column is one-hot.
        buckets: number of buckets of a code, if there is one: a hash chooses among them.
    """

    column: Column
    vocabulary: tuple[str, ...]
    bucket: bool
    rare: tuple[str, ...] | None = ()
    width: int = 0
    buckets: int = 1

    @property
    def codes(self) -> int:
        """The number of codes of an embedded column."""
        return 1 + len(self.vocabulary) + self.bucket * self.buckets

    @property
    def names(self) -> list[str]:
        """The names of the features that come of the column."""
        names = [f"{self.column.name} = {value or 'missing'}" for value in self.vocabulary]
        return names + ([f"{self.column.name} = other"] if self.bucket else [])

    def spellings(self, value: str) -> list[str]:
        """Return the other texts of a category: marks of missing values, or `true` of 1."""
        column = self.column
        if not value:
            known = () if column.kind == "text" else MISSING
            return [*known, *(mark.strip() for mark in column.notation.missing)]
        if column.kind == "boolean":
            return {"1": ["True", "true", "TRUE"], "0": ["False", "false", "FALSE"]}.get(value, [])
        return []

    @property
    def seen(self) -> pd.Index | None:
        """The categories of the training rows, or None where they are too many to be kept."""
        return None if self.rare is None else pd.Index([*self.vocabulary, *self.rare])


Feature = NumericFeature | TextFeature


@dataclass(frozen=True)
class TargetScale:
    """`target = center + scale * output`, one entry per target."""

    names: tuple[str, ...]
    center: tuple[float, ...]
    scale: tuple[float, ...]

    def scaled(self, values: np.ndarray) -> np.ndarray:
        """Return targets of shape `(rows, targets)` as outputs, `(target - center) / scale`."""
        return (values - np.array(self.center)) / np.array(self.scale)


@dataclass(frozen=True)
class Plan:
    """A fitted preprocessing.

    Attributes:
        numeric: features of numbers, booleans, dates and times, in the order of the table.
        text: features of categories, which come after the numeric ones.
        target: scaling of the targets.
        allow_missing: whether a missing number is filled, or an error.
        measured: the targets and the weight, as they were written in training.
    """

    numeric: tuple[NumericFeature, ...]
    text: tuple[TextFeature, ...]
    target: TargetScale
    allow_missing: bool
    measured: tuple[Column, ...] = ()

    @property
    def all_features(self) -> list[Feature]:
        """Numeric features, then categories."""
        return [*self.numeric, *self.text]

    @property
    def one_hot(self) -> list[TextFeature]:
        """The categories that are one-hot."""
        return [feature for feature in self.text if not feature.width]

    @property
    def embedded(self) -> list[TextFeature]:
        """The categories that reach the network as codes."""
        return [feature for feature in self.text if feature.width]

    @property
    def embeddings(self) -> list[tuple[int, int]]:
        """For each embedded column the number of its codes and the length of their vectors."""
        return [(feature.codes, feature.width) for feature in self.embedded]

    @property
    def columns(self) -> list[Column]:
        """The raw columns that a prediction needs."""
        return [feature.column for feature in self.all_features]

    @property
    def names(self) -> list[str]:
        """The names of the network's inputs: all numbers, then cycles, indicators, categories.

        Embedded columns are not among them.
        """
        return [
            *(feature.column.name for feature in self.numeric),
            *(name for feature in self.numeric for name in feature.cycles),
            *(f"{feature.column.name} is missing" for feature in self.numeric if feature.indicator),
            *(name for feature in self.one_hot for name in feature.names),
        ]

    def matrices(self, raw: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Return raw columns of shape `(rows,)` as numbers and texts, shape `(rows, columns)`."""

        def matrix(features: Sequence[Feature], dtype: type) -> np.ndarray:
            result: np.ndarray = np.empty((rows, len(features)), dtype)
            for i, feature in enumerate(features):
                result[:, i] = raw[feature.column.name]
            return result

        rows = len(next(iter(raw.values())))
        return matrix(self.numeric, np.float64), matrix(self.text, object)

    def raw_columns(self, frame: pd.DataFrame) -> dict[str, np.ndarray]:
        """Return the raw values of all columns; raise DataError where one is not as it should."""
        return raw_values(frame, self.columns, self.allow_missing)


def fit_plan(
    train: pd.DataFrame,
    columns: Sequence[Column],
    targets: Mapping[str, np.ndarray],
    *,
    numeric: str = "standard",
    missing: str = "mean",
    max_categories: int = 50,
    target: str = "standard",
    embedding: Embedding | None = None,
) -> Plan:
    """Fit the preprocessing to the training rows.

    Args:
        train: the training rows.
        columns: the feature columns.
        targets: values of the targets in these rows, float64, shape `(rows,)`, by name.
        numeric: scaling of numbers and dates: standard, robust, minmax or none.
        missing: mean, median or error.
        max_categories: most categories of a column that get a feature of their own.
        target: scaling of the targets.
        embedding: which columns of categories become codes; None for none.

    Raises:
        DataError: a column is missing, all missing, infinite, or of an unusable type; a target is
            constant.
    """
    return Plan(
        numeric=tuple(_fit_numeric(train, c, numeric, missing) for c in columns if not c.is_text),
        text=tuple(_fit_text(train, c, max_categories, embedding) for c in columns if c.is_text),
        target=_fit_target(targets, target),
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


def require_scalable(
    plan: Plan, raw: Mapping[str, np.ndarray], dtype: str, index: pd.Index
) -> None:
    """Raise DataError where a number to predict for is too large, as it would be in training.

    Args:
        plan: the fitted preprocessing.
        raw: raw values of all columns, each of shape `(rows,)`.
        dtype: of the network.
        index: of the rows in the table, counted from 0.
    """
    most = np.finfo(dtype).max
    with np.errstate(over="ignore"):
        for feature in plan.numeric:
            name = feature.column.name
            wrong = np.abs((raw[name] - feature.center) / feature.scale) > most
            if wrong.any():
                raise DataError(
                    f"column {name!r} is too large for {dtype} in row "
                    f"{index[int(np.argmax(wrong))] + 1}; correct the value, leave it empty, or "
                    "drop the row"
                )


def _shown(category: str) -> str:
    return excerpt(category) if category else "a missing one"


class Unseen:
    """Counts the categories in rows to predict that no training row had.

    Args:
        plan: the fitted preprocessing.
    """

    MOST = 0.1
    """Share of a column's values that may be unseen without a remark."""

    def __init__(self, plan: Plan) -> None:
        self.seen = {f.column.name: f.seen for f in plan.text}
        self.rows = 0
        self.counts = dict.fromkeys((f.column.name for f in plan.text), 0)
        self.examples: dict[str, str] = {}

    def add(self, raw: Mapping[str, np.ndarray]) -> None:
        """Count the unseen values of some rows, raw columns of shape `(rows,)`."""
        for name, seen in self.seen.items():
            if seen is None:
                continue
            unseen = seen.get_indexer(pd.Index(raw[name])) < 0
            self.counts[name] += int(unseen.sum())
            if unseen.any():
                self.examples.setdefault(name, raw[name][unseen][0])
        self.rows += len(next(iter(raw.values()), ()))

    def remarks(self) -> list[str]:
        """Return a sentence for each column with many unseen values."""
        return [
            f"column {name!r}: {'all' if count == self.rows else f'{count:,} of'} {self.rows:,} "
            f"values were in no training row, such as {_shown(self.examples[name])}; they count "
            "as an unknown category"
            for name, count in self.counts.items()
            if count > self.MOST * self.rows
        ]


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


def _fit_text(
    train: pd.DataFrame, column: Column, most: int, embedding: Embedding | None
) -> TextFeature:
    words, counts = np.unique(values_of(train, column), return_counts=True)
    if list(words) == [""]:
        raise DataError(
            f"column {column.name!r} has no value in any training row; leave it out "
            "with data.features.exclude"
        )
    embedded = embedding is not None and len(words) >= embedding.min_categories
    if embedding is not None and embedded:
        most = embedding.max_categories
    order = np.lexsort((words, -counts))
    rare = sorted(words[order[most:]])
    return TextFeature(
        column=column,
        vocabulary=tuple(sorted(words[order[:most]])),
        bucket=len(rare) > 0,
        rare=tuple(rare) if len(rare) <= MOST_RARE else None,
        width=embedding.width(len(words)) if embedding is not None and embedded else 0,
        buckets=embedding.hash_buckets if embedding is not None and embedded else 1,
    )


MOST_RARE = 100_000
"""Rare categories of one column that a run remembers."""


def _fit_target(targets: Mapping[str, np.ndarray], scaling: str) -> TargetScale:
    for name, column in targets.items():
        if np.ptp(column) == 0:
            raise DataError(
                f"the target {name!r} is {column[0]:g} in every training row; there is "
                "nothing to learn: choose another target or another split"
            )
    with naming(f"data.target ({', '.join(targets)})"):
        fitted = [center_and_scale(column, scaling) for column in targets.values()]
    return TargetScale(
        names=tuple(targets),
        center=tuple(center for center, _ in fitted),
        scale=tuple(scale for _, scale in fitted),
    )


def target_values(
    frame: pd.DataFrame,
    name: str,
    conventions: Conventions,
    key: str = "data.target",
    known: Column | None = None,
) -> np.ndarray:
    """Return the values of a target, or of the column that `key` names.

    Args:
        frame: the table.
        name: of the column.
        conventions: how the table is written.
        key: of the config that names the column.
        known: the column as it was understood before, in training.

    Returns:
        float64, shape `(rows,)`, NaN where missing.

    Raises:
        DataError: the column is missing, is not numeric, or has infinite values.
    """
    require_column(frame, name, key)
    column = known or understand(frame, name, conventions)
    if column.kind not in ("numeric", "boolean") or column.categorical:
        wrong = _no_number(frame[name], column)
        example = excerpt(str(frame[name].iloc[int(np.argmax(wrong))]))
        raise DataError(
            f"column {name!r} ({key}) must be numeric, but holds {column.role}"
            + (f" such as {example} in {first_row(frame, wrong)}" if wrong.any() else "")
        )
    return values_of(frame, column)


def _no_number(series: pd.Series, column: Column) -> np.ndarray:
    """Return which values keep a column from being one of numbers: those that are none, or all."""
    present = series.notna().to_numpy()
    if column.kind != "text":
        return present
    wrong = numbers(series.astype("string"), column.notation)[1]
    return wrong if wrong.any() else present
