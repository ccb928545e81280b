"""Batches: rows on which a loss is computed, and the door through which arrays become one."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
import tensorflow as tf

from tftrain import nn
from tftrain.arrays import first_not_finite, tensor_of
from tftrain.errors import InputError, ShapeError, TftrainWarning, of_type
from tftrain.graph import is_nest, leaves, mapped, named, packed

ARRAYS = "an array, a tensor or a DataFrame of numbers, with all rows"

NO_ARRAYS: dict[type, str] = {
    tf.data.Dataset: "a tf.data.Dataset: of one with batches (x, y), give "
    "x, y = map(np.concatenate, zip(*dataset.as_numpy_iterator()))",
    Iterator: "an iterator: give the list of what it yields",
    tf.SparseTensor: "a SparseTensor: give tf.sparse.to_dense(...) of it",
    tf.RaggedTensor: "a RaggedTensor: give rows of one length, such as its to_tensor()",
}
"""What is often given instead, with what to do about it."""


@dataclass(frozen=True)
class Batch:
    """Rows on which one loss is computed.

    Attributes:
        x: inputs, shape `(rows, ...)`; or a tuple or a dictionary of such tensors, nested at will.
        y: targets, shape `(rows, ...)`.
        weight: weight of each row, shape `(rows,)`, or None.
    """

    x: Any
    y: tf.Tensor
    weight: tf.Tensor | None = None

    @property
    def rows(self) -> int:
        """The number of rows."""
        return int(self.y.shape[0])

    @property
    def tensors(self) -> list[tf.Tensor]:
        """Inputs, targets and weight, those that there are."""
        return [*leaves(self.x), self.y, *([] if self.weight is None else [self.weight])]

    def gather(self, rows: tf.Tensor) -> "Batch":
        """Return the rows with these indices."""
        return self.map(lambda tensor: tf.gather(tensor, rows))

    def slice(self, start: tf.Tensor, rows: int) -> "Batch":
        """Return `rows` rows from `start` on."""

        def cut(tensor: tf.Tensor) -> tf.Tensor:
            rest = tensor.shape.rank - 1
            return tf.slice(tensor, [start] + [0] * rest, [rows, *tensor.shape[1:]])

        return self.map(cut)

    def map(self, function: Callable[[tf.Tensor], tf.Tensor]) -> "Batch":
        """Return the batch with `function` applied to each of its tensors, in order."""
        weight = self.weight
        return Batch(
            mapped(function, self.x), function(self.y), None if weight is None else function(weight)
        )

    def like(self, tensors: Sequence[tf.Tensor]) -> "Batch":
        """Return a batch of the same form with other `tensors`."""
        following = iter(tensors)
        return self.map(lambda _: next(following))


def as_batch(
    x: Any,
    y: Any,
    weight: Any,
    dtype: tf.DType,
    network: tf.Module | None = None,
    integer_targets: bool = False,
) -> Batch:
    """Return arrays or tensors as a batch, with the weights scaled to a mean of one.

    Args:
        x: inputs, an array, or a tuple or a dictionary of arrays. A list is one array.
        y: targets.
        weight: weight of each row, or None.
        dtype: of the tensors. Integers keep their type where they choose: the codes that an
            `nn.Embedding` takes, and integers in a nest that goes to a layer of the user's own.
        network: decides where integers choose.
        integer_targets: whether targets that are integers stay so, as a loss may want them.

    Raises:
        ShapeError: they do not have the same number of rows, or have none.
        InputError: they hold something other than finite numbers, a weight is negative, or there is
            no such code.
    """
    x = _nest_of(x)
    takers = nn.takers(network, x) if network is not None else [[] for _ in leaves(x)]
    inputs = []
    for (name, value), layers in zip(named("x", x), takers, strict=True):
        inputs.append(_as_tensor(name, value, dtype, layers, _choose(layers, x)))
    y = _as_tensor("y", y, dtype, choosing=integer_targets)
    for (name, _), one in zip(named("x", x), inputs, strict=True):
        if one.shape.rank == 0 or y.shape.rank == 0 or not 0 < one.shape[0] == y.shape[0]:
            raise ShapeError(
                f"{name} has shape {one.shape} and y has shape {y.shape}: give both the same "
                "number of rows, at least one"
            )
    if weight is None:
        return Batch(packed(x, inputs), y)
    weight = _as_tensor("weight", weight, dtype)
    if weight.shape != (y.shape[0],):
        raise ShapeError(
            f"weights of shape {weight.shape} for {y.shape[0]} rows: give one weight per row, "
            "shape (rows,)"
        )
    values = weight.numpy()
    if not ((values >= 0).all() and values.any()):
        raise ShapeError("weights must be zero or more, and not all zero")
    return Batch(packed(x, inputs), y, weight / tf.reduce_mean(weight))


def _nest_of(x: Any) -> Any:
    """Return inputs as a nest; a tuple of numbers or lists alone is one array, as a list is.

    Raises:
        InputError: it has no leaves, or keys that are not texts.
    """
    if isinstance(x, tuple) and x and not any(is_nest(one) or _has_rows(one) for one in x):
        return list(x)
    try:
        found = leaves(x)
    except TypeError:
        raise InputError("x is a dictionary whose keys cannot be sorted: name them") from None
    if not found:
        raise InputError("x is an empty dictionary or tuple: give at least one array")
    return x


def _choose(layers: Sequence[Any], x: Any) -> bool:
    """Return whether integers in a nest choose: where they go to a layer of the user's own."""
    return is_nest(x) and not all(map(nn.is_ours, layers))


def _has_rows(value: Any) -> bool:
    return len(getattr(value, "shape", ())) > 0


def _as_tensor(
    name: str, value: Any, dtype: tf.DType, layers: Sequence[Any] = (), choosing: bool = False
) -> tf.Tensor:
    """Return numbers as a tensor of a dtype; raise InputError where they are none or infinite.

    Args:
        name: what messages call it.
        value: the numbers.
        dtype: of the tensor, unless the numbers are integers that choose:
        layers: that take the tensor; an `nn.Embedding` takes codes.
        choosing: whether integers stay integers.
    """
    for kind, remedy in NO_ARRAYS.items():
        if isinstance(value, kind):
            raise InputError(f"{name} must be {ARRAYS}, not {remedy}")
    if np.ma.is_masked(value):
        raise InputError(f"{name} has masked values: fill them in, or drop their rows")
    if not tf.is_tensor(value):
        given = _as_array(name, value)
    elif not (value.dtype.is_floating or value.dtype.is_integer or value.dtype.is_bool):
        raise InputError(f"{name} must hold numbers, got the type {value.dtype.name}")
    else:
        given = np.asarray(value)
    for layer in layers:
        if isinstance(layer, nn.Embedding):
            return _as_codes(name, given, layer)
    if choosing and given.dtype.kind in "iu":
        return tf.constant(given, tf.int64 if given.dtype.itemsize > 4 else tf.int32)
    tensor = tf.cast(value, dtype) if tf.is_tensor(value) else tensor_of(given, dtype)
    values = np.asarray(tensor)  # a view, where `tensor.numpy()` would copy
    place = first_not_finite(values)
    if place is not None:
        raise InputError(
            f"{name} must hold finite {dtype.name} numbers, but {name}{list(place)} is "
            f"{values[place]}: correct the value, or drop the row"
        )
    _warn_of_rounded(name, given, values)
    return tensor


def _as_codes(name: str, given: np.ndarray, layer: nn.Embedding) -> tf.Tensor:
    """Return codes as int32; raise InputError for what is not a code of a layer."""
    wrong = (given < 0) | (given >= layer.categories) | (given % 1 != 0) | ~np.isfinite(given)
    if wrong.any():
        place = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise InputError(
            f"{name}{list(place)} is {given[place]}, but the network takes codes there, whole "
            f"numbers from 0 to {layer.categories - 1}: correct the value, or make the Embedding "
            "larger"
        )
    return tf.constant(given, tf.int32)


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
            stacklevel=6,
        )


def _as_array(name: str, value: Any) -> np.ndarray:
    """Return anything but a tensor as an array of numbers."""
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
