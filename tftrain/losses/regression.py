"""Losses of numeric targets, of the error of each case and unit."""

import tensorflow as tf

from tftrain.errors import number
from tftrain.losses.loss import Elementwise


class MeanSquaredError(Elementwise):
    """`mse`: the mean over cases and units of the squared error."""

    def term(self, error: tf.Tensor) -> tf.Tensor:
        return tf.square(error)


class SumSquaredError(Elementwise):
    """`sum_squared_error`: half the sum over cases and units of the squared error.

    Source: Rumelhart, Hinton and Williams (1986), "Learning representations by back-propagating
    errors", equation 3.
    """

    mean = False

    def term(self, error: tf.Tensor) -> tf.Tensor:
        return tf.square(error)

    def scale(self, terms: tf.Tensor) -> tf.Tensor:
        return tf.constant(0.5, terms.dtype)


class MeanAbsoluteError(Elementwise):
    """`mae`: the mean over cases and units of the absolute error."""

    def term(self, error: tf.Tensor) -> tf.Tensor:
        return tf.abs(error)


class Huber(Elementwise):
    """`huber`: squared near zero, linear beyond `delta`.

    The term is `e^2 / 2` where `|e| <= delta`, else `delta * (|e| - delta / 2)`.
    Source: Huber (1964), "Robust estimation of a location parameter".

    Args:
        delta: where the two pieces meet, in units of the (standardised) target; positive.
    """

    def __init__(self, delta: float = 1.0) -> None:
        self.delta = number("huber: delta", delta, positive=True)

    def term(self, error: tf.Tensor) -> tf.Tensor:
        size = tf.abs(error)
        inside = tf.minimum(size, tf.constant(self.delta, size.dtype))
        return inside * (size - inside / 2)
