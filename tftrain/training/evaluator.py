"""Losses and errors over many rows, in batches, in one compiled program."""

import warnings
from collections.abc import Callable, Iterator
from numbers import Real
from typing import Any

import numpy as np
import tensorflow as tf

from tftrain.arrays import first_not_finite, tensor_of
from tftrain.errors import InputError, ShapeError, TftrainWarning, of_type
from tftrain.losses import Loss
from tftrain.metrics import ErrorSums, deviation_sums
from tftrain.training.step import Batch

BATCH_ROWS = 2_048
"""Rows that are evaluated at once, so that the activations of a network stay near the processor."""


ARRAYS = "an array, a tensor or a DataFrame of numbers, with all rows"

NO_ARRAYS: dict[type, str] = {
    tf.data.Dataset: "a tf.data.Dataset: of one with batches (x, y), give "
    "x, y = map(np.concatenate, zip(*dataset.as_numpy_iterator()))",
    Iterator: "an iterator: give the list of what it yields",
    tf.SparseTensor: "a SparseTensor: give tf.sparse.to_dense(...) of it",
    tf.RaggedTensor: "a RaggedTensor: give rows of one length, such as its to_tensor()",
}
"""What is often given instead, with what to do about it."""


class Evaluator:
    """Evaluates a network on fixed rows, as often as wanted.

    Args:
        network: the network.
        loss: the loss.
        data: the rows.
    """

    def __init__(self, network: Callable[[tf.Tensor], tf.Tensor], loss: Loss, data: Batch) -> None:
        self.network = network
        self.loss = loss
        self.data = data
        self.rows = int(data.x.shape[0])
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


def predict_in_blocks(network: Callable[[tf.Tensor], tf.Tensor], x: np.ndarray) -> np.ndarray:
    """Return the network's outputs for all rows of `x`, block by block."""
    blocks = [x[i : i + BATCH_ROWS] for i in range(0, len(x), BATCH_ROWS)]
    return np.concatenate([network(tf.constant(block)).numpy() for block in blocks])


def as_batch(x: Any, y: Any, weight: Any, dtype: tf.DType) -> Batch:
    """Return arrays or tensors as a batch of one dtype, with the weights scaled to a mean of one.

    Raises:
        ShapeError: they do not have the same number of rows, or have none.
        InputError: they hold something else than finite numbers, or a weight is negative.
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
    if not ((values >= 0).all() and values.any()):
        raise ShapeError("weights must be zero or more, and not all zero")
    return Batch(x, y, weight / tf.reduce_mean(weight))


def _as_tensor(name: str, value: Any, dtype: tf.DType) -> tf.Tensor:
    """Return numbers as a tensor of a dtype; raise InputError where they are none or infinite."""
    for kind, remedy in NO_ARRAYS.items():
        if isinstance(value, kind):
            raise InputError(f"{name} must be {ARRAYS}, not {remedy}")
    if np.ma.is_masked(value):
        raise InputError(f"{name} has masked values: fill them in, or drop their rows")
    if not tf.is_tensor(value):
        given = _as_array(name, value)
        tensor = tensor_of(given, dtype)
    elif not (value.dtype.is_floating or value.dtype.is_integer or value.dtype.is_bool):
        raise InputError(f"{name} must hold numbers, got the type {value.dtype.name}")
    else:
        given, tensor = np.asarray(value), tf.cast(value, dtype)
    values = np.asarray(tensor)  # a view, where `tensor.numpy()` would copy
    place = first_not_finite(values)
    if place is not None:
        raise InputError(
            f"{name} must hold finite {dtype.name} numbers, but {name}{list(place)} is "
            f"{values[place]}: correct the value, or drop the row"
        )
    _warn_of_rounded(name, given, values)
    return tensor


def _warn_of_rounded(name: str, given: np.ndarray, values: np.ndarray) -> None:
    """Warn where a column of whole numbers holds one that the dtype of `values` cannot hold."""
    exact = 2.0 ** (np.finfo(values.dtype).nmant + 1)
    if not np.max(np.abs(values), initial=0.0) >= exact:
        return
    wide = given.astype(np.longdouble)
    columns = tuple(range(max(1, given.ndim - 1)))
    rounded = (wide % 1 == 0).all(axis=columns, keepdims=True) & (wide != values)
    if given.dtype.kind == "f":  # beyond 2^53 all are whole
        rounded &= np.abs(wide) < 2.0**53
    if rounded.any():
        place = tuple(int(i) for i in np.unravel_index(int(np.argmax(rounded)), rounded.shape))
        warnings.warn(
            f"{name}{list(place)} is {int(wide[place])}, which {values.dtype} can only hold as "
            f"{int(values[place])}: if such numbers are identifiers, renumber them from 0; if "
            "not, make the network in float64",
            TftrainWarning,
            stacklevel=5,
        )


def _as_array(name: str, value: Any) -> np.ndarray:
    """Return what is no tensor as an array of numbers."""
    try:
        array = np.asarray(value)
    except (ValueError, TypeError, RuntimeError) as error:  # as of a torch.Tensor with a gradient
        raise InputError(f"{name} is not an array: {error}") from None
    if array.ndim == 0 and array.dtype.kind not in "biuf":
        of_type(name, value, (), ARRAYS)
    if array.dtype == object:
        array = _as_numbers(name, array)
    if array.dtype.kind not in "biuf":
        raise InputError(f"{name} must hold numbers, got the type {array.dtype}")
    return array


def _as_numbers(name: str, values: np.ndarray) -> np.ndarray:
    """Return objects as float64, as of a DataFrame whose columns are numbers of several types."""
    for place, value in np.ndenumerate(values):
        if not isinstance(value, (Real, np.bool_)):
            raise InputError(
                f"{name} must hold numbers, but {name}{list(place)} is {value!r}: correct the "
                "value, or drop the row"
            )
    return values.astype(np.float64)
