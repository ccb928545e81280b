"""Losses and errors over many rows, in batches, in one compiled program."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from tftrain.errors import InputError, ShapeError
from tftrain.losses import Loss
from tftrain.metrics import ErrorSums, deviation_sums
from tftrain.training.engine import Mode
from tftrain.training.step import Batch

BATCH_ROWS = 8_192


class Evaluator:
    """Evaluates a network on fixed rows, as often as wanted.

    Args:
        network: the network.
        loss: the loss.
        data: the rows.
        mode: how the program is compiled.
    """

    def __init__(
        self, network: Callable[[tf.Tensor], tf.Tensor], loss: Loss, data: Batch, mode: Mode
    ) -> None:
        self.network = network
        self.loss = loss
        self.data = data
        self.rows = int(data.x.shape[0])
        weight = None if data.weight is None else data.weight.numpy()
        self.deviation = deviation_sums(data.y.numpy().reshape(self.rows, -1), weight)
        self._sums = mode.compile(self._sum)

    def __call__(self) -> tuple[float, ErrorSums]:
        """Return the loss (without penalty) and the error sums, in the units of the targets."""
        loss, weight, squared, absolute = (value.numpy() for value in self._sums())
        if self.loss.mean:
            loss = loss / self.rows
        return float(loss), ErrorSums(float(weight), squared, absolute, self.deviation)

    def _sum(self) -> tuple[tf.Tensor, ...]:
        """The program: sums over all rows, batch by batch, kept in float64."""
        size = min(BATCH_ROWS, self.rows)
        whole = self.rows // size
        units = len(self.deviation)

        def add(first: tf.Tensor, rows: int, sums: list[tf.Tensor]) -> list[tf.Tensor]:
            batch = self._sums_of(self.data.slice(first, rows), rows)
            return [
                total + tf.cast(part, tf.float64) for total, part in zip(sums, batch, strict=True)
            ]

        def body(i: tf.Tensor, *sums: tf.Tensor) -> list[tf.Tensor]:
            return [i + 1, *add(i * size, size, list(sums))]

        zero, zeros = tf.zeros([], tf.float64), tf.zeros([units], tf.float64)
        _, *sums = tf.while_loop(
            lambda i, *_: i < whole, body, [tf.constant(0), zero, zero, zeros, zeros]
        )
        rest = self.rows - whole * size
        return tuple(add(tf.constant(whole * size), rest, sums) if rest else sums)

    def _sums_of(self, batch: Batch, rows: int) -> list[tf.Tensor]:
        prediction = self.network(batch.x)
        loss = self.loss(prediction, batch.y, batch.weight)
        error = tf.reshape(prediction - batch.y, [rows, -1])
        weight = tf.ones([rows], error.dtype) if batch.weight is None else batch.weight
        weights = tf.expand_dims(weight, 1)
        return [
            loss * rows if self.loss.mean else loss,
            tf.reduce_sum(weight),
            tf.reduce_sum(weights * tf.square(error), axis=0),
            tf.reduce_sum(weights * tf.abs(error), axis=0),
        ]


def predict_in_blocks(network: Callable[[tf.Tensor], tf.Tensor], x: np.ndarray) -> np.ndarray:
    """Return the network's outputs for all rows of `x`, block by block."""
    blocks = [x[i : i + BATCH_ROWS] for i in range(0, len(x), BATCH_ROWS)]
    return np.concatenate([network(tf.constant(block)).numpy() for block in blocks])


def as_batch(x: Any, y: Any, weight: Any, dtype: tf.DType) -> Batch:
    """Return arrays or tensors as a batch of one dtype, with the weights scaled to a mean of one.

    Raises:
        ShapeError: they do not have the same number of rows, or have none.
        InputError: they do not hold numbers, or a weight is negative or not finite.
    """
    x, y = _as_tensor("x", x, dtype), _as_tensor("y", y, dtype)
    if x.shape.rank == 0 or y.shape.rank == 0 or x.shape[0] != y.shape[0] or x.shape[0] == 0:
        raise ShapeError(
            f"x has shape {x.shape} and y has shape {y.shape}: give both the same number of rows, "
            "at least one"
        )
    if weight is None:
        return Batch(x, y)
    weight = _as_tensor("weight", weight, dtype)
    if weight.shape != (x.shape[0],):
        raise ShapeError(
            f"weights of shape {weight.shape} for {x.shape[0]} rows: give one weight per row, "
            "shape (rows,)"
        )
    values = weight.numpy()
    if not (np.isfinite(values).all() and (values >= 0).all() and values.any()):
        raise ShapeError("weights must be zero or more, finite, and not all zero")
    return Batch(x, y, weight / tf.reduce_mean(weight))


def _as_tensor(name: str, value: Any, dtype: tf.DType) -> tf.Tensor:
    """Return numbers as a tensor of a dtype; raise InputError where they are none."""
    if not tf.is_tensor(value):
        try:
            value = np.asarray(value)
        except ValueError as error:
            raise InputError(f"{name} is not an array: {error}") from None
        if value.dtype.kind not in "biuf":
            raise InputError(f"{name} must hold numbers, got the type {value.dtype}")
        return tf.convert_to_tensor(value.astype(dtype.as_numpy_dtype, copy=False))
    return tf.cast(value, dtype)
