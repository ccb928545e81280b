"""The feature maths, in TensorFlow: the same code for training and in the saved model."""

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
import tensorflow as tf

from tftrain.arrays import aligned
from tftrain.data.columns import ONE_HOT
from tftrain.data.features import Plan, require_representable
from tftrain.memory import Need, require
from tftrain.metrics import BLOCK_ROWS

FEWER_FEATURES = (
    "take fewer rows or columns, or fewer categories of each (data.preprocess.max_categories)"
)


class Preprocessor(tf.Module):
    """Maps raw columns to the network's inputs, and its outputs to the target's own units.

    Args:
        plan: the fitted preprocessing.
        dtype: of the network, `"float32"` or `"float64"`; the arithmetic here is float64.
    """

    def __init__(self, plan: Plan, dtype: str = "float32") -> None:
        super().__init__()
        self.plan = plan
        self.dtype = tf.as_dtype(dtype)
        self.tables = {
            feature.column.name: tf.lookup.StaticVocabularyTable(
                tf.lookup.KeyValueTensorInitializer(
                    list(feature.vocabulary), tf.range(len(feature.vocabulary), dtype=tf.int64)
                ),
                num_oov_buckets=1,
            )
            for feature in plan.text
        }

    @property
    def signature(self) -> dict[str, tf.TensorSpec]:
        """Name, dtype and shape `(rows,)` of each raw column."""
        return {
            column.name: tf.TensorSpec([None], tf.string if column.kind in ONE_HOT else tf.float64)
            for column in self.plan.columns
        }

    def __call__(self, columns: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Return the features, shape `(rows, features)`, of raw columns of shape `(rows,)`."""
        parts: list[tf.Tensor] = []
        for numeric in self.plan.numeric:
            raw = columns[numeric.column.name]
            missing = tf.math.is_nan(raw)
            x = tf.where(missing, tf.constant(numeric.fill, tf.float64), raw)
            parts.append((x - numeric.center) / numeric.scale)
            for period in numeric.periods:
                angle = tf.math.floormod(x, period) * (2 * math.pi / period)
                parts += [tf.sin(angle), tf.cos(angle)]
            if numeric.indicator:
                parts.append(tf.cast(missing, tf.float64))
        blocks = [tf.cast(tf.stack(parts, axis=1), self.dtype)] if parts else []
        for text in self.plan.text:
            index = self.tables[text.column.name].lookup(columns[text.column.name])
            width = len(text.vocabulary) + text.bucket
            blocks.append(tf.one_hot(index, width, dtype=self.dtype))
        return tf.concat(blocks, axis=1)

    def unscale(self, output: tf.Tensor) -> tf.Tensor:
        """Return network outputs, shape `(rows, targets)`, in the target's own units, float64."""
        target = self.plan.target
        return tf.cast(output, tf.float64) * target.scale + target.center

    def features(self, frame: pd.DataFrame, rows: np.ndarray | None = None) -> np.ndarray:
        """Return the features of a table, or of some of its rows, in the network's dtype.

        Raises:
            DataError: a column is missing or does not hold what it should, or is too large for
                the dtype.
            OutOfMemoryError: the features are too many for the memory.
        """
        rows = np.arange(len(frame)) if rows is None else rows
        size = len(rows) * len(self.plan.names) * self.dtype.size
        name = f"the {len(self.plan.names):,} features of {len(rows):,} rows"
        require("the table", Need(size, name, FEWER_FEATURES))
        features = aligned((len(rows), len(self.plan.names)), self.dtype.as_numpy_dtype)
        for start in range(0, len(rows), BLOCK_ROWS):
            part = frame.iloc[rows[start : start + BLOCK_ROWS]]
            raw = self.plan.raw_columns(part)
            block = self({name: tf.constant(values) for name, values in raw.items()}).numpy()
            require_representable(block, self.dtype.name, self.plan.names, part.index)
            features[start : start + len(block)] = block
        return features

    def targets(self, values: np.ndarray) -> np.ndarray:
        """Return targets of shape `(rows, targets)`, in their own units, as the network's."""
        return self.plan.target.scaled(values).astype(self.dtype.as_numpy_dtype)
