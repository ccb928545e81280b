"""Losses and errors over many rows, in batches, in one compiled program."""

from collections.abc import Callable
from operator import itemgetter
from typing import Any

import numpy as np
import tensorflow as tf

from tftrain.graph import leaves, mapped
from tftrain.losses import Loss
from tftrain.metrics import ErrorSums, deviation_sums
from tftrain.training.batch import Batch

BATCH_ROWS = 2_048
"""Rows that are evaluated at once, so that the activations of a network stay near the processor."""


class Evaluator:
    """Evaluates a network on fixed rows, as often as wanted.

    Args:
        network: the network.
        loss: the loss.
        data: the rows.
    """

    def __init__(self, network: Callable[[Any], tf.Tensor], loss: Loss, data: Batch) -> None:
        self.network = network
        self.loss = loss
        self.data = data
        self.rows = data.rows
        weight = None if data.weight is None else np.asarray(data.weight)
        self.deviation = deviation_sums(np.asarray(data.y).reshape(self.rows, -1), weight)

    @property
    def width(self) -> int:
        """The length of `sums()`."""
        return 2 + 2 * len(self.deviation)

    def sums(self) -> tf.Tensor:
        """Return loss, sum of weights, and weighted squared and absolute errors of each unit.

        Made for a compiled program: batch by batch, so that memory does not grow with the rows.

        Returns:
            float64, shape `(width,)`, in the units of the targets; the loss is without penalty.
        """
        size = min(BATCH_ROWS, self.rows)
        whole = self.rows // size
        rest = self.rows - whole * size

        def body(i: tf.Tensor, sums: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return i + 1, sums + self._sums_of(self.data.slice(i * size, size), size)

        zeros = tf.zeros([self.width], tf.float64)
        _, sums = tf.while_loop(lambda i, _: i < whole, body, [tf.constant(0), zeros])
        if rest:
            sums += self._sums_of(self.data.slice(tf.constant(whole * size), rest), rest)
        if self.loss.mean:
            sums = tf.concat([sums[:1] / self.rows, sums[1:]], axis=0)
        return sums

    def error_sums(self, sums: np.ndarray) -> ErrorSums | None:
        """Return what the metrics are computed from, out of `sums()`.

        None where predictions and targets differ in shape, as logits and labels do.
        """
        squared, absolute = np.split(sums[2:], 2)
        if np.isnan(squared).all():
            return None
        return ErrorSums(float(sums[1]), squared, absolute, self.deviation)

    def _sums_of(self, batch: Batch, rows: int) -> tf.Tensor:
        """Return the sums over one batch; errors are float64 before they are squared."""
        prediction = self.network(batch.x)
        loss = tf.cast(self.loss(prediction, batch.y, batch.weight), tf.float64)
        error = tf.fill([rows, len(self.deviation)], tf.constant(np.nan, tf.float64))
        if prediction.shape[1:].is_compatible_with(batch.y.shape[1:]):
            error = _errors(prediction, batch.y, error)
        weight = tf.ones([rows]) if batch.weight is None else batch.weight
        weights = tf.expand_dims(tf.cast(weight, tf.float64), 1)
        return tf.concat(
            [
                [loss * rows if self.loss.mean else loss, tf.reduce_sum(weights)],
                tf.reduce_sum(weights * tf.square(error), axis=0),
                tf.reduce_sum(weights * tf.abs(error), axis=0),
            ],
            axis=0,
        )


def _errors(prediction: tf.Tensor, target: tf.Tensor, otherwise: tf.Tensor) -> tf.Tensor:
    """Return prediction minus target, float64, shape `(rows, targets)`.

    Or something else, where a shape that is only known as the program runs is another.
    """

    def difference() -> tf.Tensor:
        found = tf.cast(tf.reshape(prediction, tf.shape(target)), tf.float64)
        return tf.reshape(found - tf.cast(target, tf.float64), tf.shape(otherwise))

    if prediction.shape.is_fully_defined():
        return difference()
    rank = target.shape.rank
    sizes = tf.pad(tf.shape(prediction), [[0, rank]])[:rank]  # of a rank that may be unknown, too
    same = tf.reduce_all(sizes == tf.shape(target)) & (tf.rank(prediction) == rank)
    return tf.cond(same, difference, lambda: otherwise)


def predict_in_blocks(network: Callable[[Any], tf.Tensor], x: Any) -> np.ndarray:
    """Return the network's outputs for all rows of `x`, an array or a nest, block by block."""
    starts = range(0, len(leaves(x)[0]), BATCH_ROWS)
    blocks = (mapped(itemgetter(slice(i, i + BATCH_ROWS)), x) for i in starts)
    return np.concatenate([network(mapped(tf.constant, block)).numpy() for block in blocks])
