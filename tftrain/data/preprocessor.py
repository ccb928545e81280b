"""The feature maths, in TensorFlow: the same code for training and in the saved model."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf

from tftrain.arrays import aligned
from tftrain.data.plan import Feature, Plan, TextFeature, require_representable
from tftrain.graph import leaves
from tftrain.memory import Need, require
from tftrain.metrics import BLOCK_ROWS

AROUND = r"^[\s\v\x1c-\x1f\x{85}\p{Z}]+|[\s\v\x1c-\x1f\x{85}\p{Z}]+$"
"""Blanks around a text, as Python strips them."""

WHOLE = r"^\+?(-?)0*(\d+)(?:\.0*)?$"
ZEROS = r"^(-?\d*\.\d*[1-9])0+$"
"""Numbers that Python writes without leading zeros, fractions of zero and zeros at the end."""

FEWER_FEATURES = (
    "take fewer rows or columns, or fewer categories of each (data.preprocess.max_categories)"
)


class Preprocessor(tf.Module):
    """Maps raw columns to the network's inputs, and its outputs to the target's own units.

    All columns of one kind are one operation, so that thousands of them are exported and loaded in
    seconds.

    Args:
        plan: the fitted preprocessing.
        dtype: of the network, `"float32"` or `"float64"`; the arithmetic here is float64.
    """

    def __init__(self, plan: Plan, dtype: str = "float32") -> None:
        super().__init__()
        self.plan = plan
        self.dtype = tf.as_dtype(dtype)
        if plan.text:
            entries = dict(_entries(plan.text))
            self.categories = tf.lookup.StaticHashTable(
                tf.lookup.KeyValueTensorInitializer(
                    list(entries), tf.constant(list(entries.values()), tf.int64)
                ),
                default_value=-1,
            )

    @property
    def signature(self) -> dict[str, tf.TensorSpec]:
        """Name, dtype and shape `(rows,)` of each raw column."""
        return {
            column.name: tf.TensorSpec([None], tf.string if column.is_text else tf.float64)
            for column in self.plan.columns
        }

    def stacked(self, columns: Mapping[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        """Return raw columns of shape `(rows,)` as the arguments of a call."""
        rows = tf.shape(columns[self.plan.columns[0].name])[0]

        def matrix(features: Sequence[Feature], dtype: tf.DType) -> tf.Tensor:
            if not features:
                return tf.zeros([rows, 0], dtype)
            return tf.stack([columns[f.column.name] for f in features], axis=1)

        return matrix(self.plan.numeric, tf.float64), matrix(self.plan.text, tf.string)

    def __call__(self, numbers: tf.Tensor, texts: tf.Tensor) -> Any:
        """Return the features, shape `(rows, features)`.

        Where columns are embedded, return the tuple of the features and the codes of each of these
        columns, int32, shape `(rows,)`. A row with a number that the network's dtype cannot hold
        has features that are not finite.

        Args:
            numbers: raw numbers, float64, shape `(rows, numeric columns)`.
            texts: raw texts, shape `(rows, text columns)`.
        """
        parts: list[tf.Tensor] = []
        codes: list[tf.Tensor] = []
        if self.plan.numeric:
            parts.append(tf.cast(self._numbers(numbers), self.dtype))
        if self.plan.text:
            places, texts = self._places(texts)
            one_hot = [i for i, f in enumerate(self.plan.text) if not f.width]
            if one_hot or not parts:
                parts.append(
                    self._indicators(tf.gather(places, np.array(one_hot, np.int32), axis=1))
                )
            codes = [
                self._codes(f, places[:, i], texts[:, i])
                for i, f in enumerate(self.plan.text)
                if f.width
            ]
        features = tf.concat(parts, axis=1)
        return (features, *codes) if codes else features

    def _numbers(self, x: tf.Tensor) -> tf.Tensor:
        """Return all numbers scaled, then the cycles of dates, then what was missing."""
        features = self.plan.numeric
        missing = tf.math.is_nan(x)
        for mark, where in self._marks():
            missing |= tf.equal(x, mark) & where
        if self.plan.allow_missing:
            x = tf.where(missing, _row(f.fill for f in features), x)
        scaled = (x - _row(f.center for f in features)) / _row(f.scale for f in features)
        parts = [scaled]
        cycles = [(i, period) for i, f in enumerate(features) for period in f.periods]
        if cycles:
            periods = _row(period for _, period in cycles)
            dates = tf.gather(x, [i for i, _ in cycles], axis=1)
            angle = tf.math.floormod(dates, periods) * (2 * math.pi / periods)
            waves = tf.stack([tf.sin(angle), tf.cos(angle)], axis=2)
            parts.append(tf.reshape(waves, [-1, 2 * len(cycles)]))
        indicators = [i for i, f in enumerate(features) if f.indicator]
        if indicators:
            parts.append(tf.cast(tf.gather(missing, indicators, axis=1), tf.float64))
        return tf.concat(parts, axis=1)

    def _marks(self) -> Iterator[tuple[float, np.ndarray]]:
        """Yield the numbers that stand for a missing value, and in which columns they do."""
        marks = [
            f.column.notation.missing_numbers if f.column.kind == "numeric" else ()
            for f in self.plan.numeric
        ]
        for mark in dict.fromkeys(value for values in marks for value in values):
            yield mark, np.array([mark in values for values in marks])

    def _places(self, texts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the place of each text in the vocabulary, or -1, and the texts as looked up.

        Both of shape `(rows, columns)`. Places count from 0: those of one-hot columns among the
        features of all, those of embedded columns in their own vocabulary.
        """
        features = self.plan.text
        rows = tf.shape(texts)[0]
        texts = tf.strings.regex_replace(texts, AROUND, "")
        counted = np.array([f.column.kind in ("numeric", "boolean") for f in features])
        if counted.any():  # 1, 01, +1 and 1.0 are one category
            plain = tf.strings.regex_replace(texts, WHOLE, r"\1\2")
            texts = tf.where(counted, tf.strings.regex_replace(plain, ZEROS, r"\1"), texts)
        column = tf.tile([[_prefix(i) for i in range(len(features))]], [rows, 1])
        return self.categories.lookup(tf.strings.join([column, texts])), texts

    def _codes(self, feature: TextFeature, places: tf.Tensor, texts: tf.Tensor) -> tf.Tensor:
        """Return the codes of an embedded column, int32, shape `(rows,)`."""
        others = tf.constant(0, tf.int64)
        if feature.bucket:
            first = len(feature.vocabulary) + 1
            others = first + tf.strings.to_hash_bucket_fast(texts, feature.buckets)
        return tf.cast(tf.where(places < 0, others, places + 1), tf.int32)

    def _indicators(self, places: tf.Tensor) -> tf.Tensor:
        """Return the one-hot features of places of shape `(rows, columns)`, column by column."""
        features, rows = self.plan.one_hot, tf.shape(places)[0]
        width = sum(len(f.names) for f in features)
        places = tf.where(places < 0, tf.constant(list(_others(features)), tf.int64), places)
        numbers = tf.tile(tf.range(rows, dtype=tf.int64)[:, tf.newaxis], [1, len(features)])
        index = tf.reshape(tf.stack([numbers, places], axis=2), [-1, 2])
        ones = tf.ones(tf.shape(index)[:1], self.dtype)
        shape = tf.stack([tf.cast(rows, tf.int64), tf.constant(width + 1, tf.int64)])
        return tf.scatter_nd(index, ones, shape)[:, :width]  # the last column takes the unknown

    def unscale(self, output: tf.Tensor) -> tf.Tensor:
        """Return network outputs, shape `(rows, targets)`, in the target's own units, float64."""
        target = self.plan.target
        return tf.cast(output, tf.float64) * target.scale + target.center

    def features(self, frame: pd.DataFrame, rows: np.ndarray | None = None) -> Any:
        """Return the features of a table, or of some of its rows, in the network's dtype.

        Where columns are embedded, the tuple of the features and the codes of each of these.

        Raises:
            DataError: a column is missing or does not hold what it should, or is too large for
                the dtype.
            OutOfMemoryError: the features are too many for the memory.
        """
        rows = np.arange(len(frame)) if rows is None else rows
        embedded = self.plan.embedded
        size = len(rows) * (len(self.plan.names) * self.dtype.size + 4 * len(embedded))
        name = f"the {len(self.plan.names):,} features of {len(rows):,} rows"
        require("the table", Need(size, name, FEWER_FEATURES))
        features = aligned((len(rows), len(self.plan.names)), self.dtype.as_numpy_dtype)
        codes = [aligned((len(rows),), np.int32) for _ in embedded]
        for start in range(0, len(rows), BLOCK_ROWS):
            part = frame.iloc[rows[start : start + BLOCK_ROWS]]
            found = self(*map(tf.constant, self.plan.matrices(self.plan.raw_columns(part))))
            block, *found_codes = (one.numpy() for one in leaves(found))
            require_representable(block, self.dtype.name, self.plan.names, part.index)
            for whole, piece in zip([features, *codes], [block, *found_codes], strict=True):
                whole[start : start + len(piece)] = piece
        return (features, *codes) if codes else features

    def targets(self, values: np.ndarray) -> np.ndarray:
        """Return targets of shape `(rows, targets)`, in their own units, as the network's."""
        return self.plan.target.scaled(values).astype(self.dtype.as_numpy_dtype)


def _row(values: Iterator[float]) -> tf.Tensor:
    return tf.constant([[*values]], tf.float64)


def _prefix(column: int) -> str:
    r"""Return the beginning of a column's keys; `\0` ends it, so that no two keys are the same."""
    return f"{column}\0"


def _entries(features: tuple[TextFeature, ...]) -> Iterator[tuple[str, int]]:
    """Yield the key of each spelling of each category, and its place as of `_places`."""
    first = 0
    for i, feature in enumerate(features):
        known = set(feature.vocabulary)
        for place, value in enumerate(feature.vocabulary, 0 if feature.width else first):
            for spelling in (value, *(s for s in feature.spellings(value) if s not in known)):
                yield _prefix(i) + spelling, place
        first += 0 if feature.width else len(feature.names)


def _others(features: Sequence[TextFeature]) -> Iterator[int]:
    """Yield the place of each column's bucket, or the place beyond all features."""
    width, place = sum(len(f.names) for f in features), 0
    for feature in features:
        place += len(feature.names)
        yield place - 1 if feature.bucket else width
