"""Gradient clipping."""

from collections.abc import Sequence

import tensorflow as tf


def clip_by_value(gradients: Sequence[tf.Tensor], limit: float) -> list[tf.Tensor]:
    """Return the gradients with every element moved into `[-limit, limit]`."""
    return [tf.clip_by_value(gradient, -limit, limit) for gradient in gradients]


def clip_by_global_norm(gradients: Sequence[tf.Tensor], limit: float) -> list[tf.Tensor]:
    """Return the gradients times `min(1, limit / global_norm)`.

    Source: Pascanu, Mikolov and Bengio (2013), "On the difficulty of training recurrent neural
    networks", algorithm 1. Squares are taken of what is at most 1, so that none overflows. Where an
    element is infinite or NaN, all are NaN.
    """
    limit = min(limit, gradients[0].dtype.max)
    scale = tf.maximum(_largest(gradients), limit)
    shares = [gradient / tf.cast(scale, gradient.dtype) for gradient in gradients]
    norm = _root_of_squares(shares)
    clipped = ~(norm <= limit / scale)
    factor = limit / norm
    return [
        tf.where(clipped, share * tf.cast(factor, share.dtype), gradient)
        for share, gradient in zip(shares, gradients, strict=True)
    ]


def global_norm(gradients: Sequence[tf.Tensor]) -> tf.Tensor:
    """Return the square root of the sum of squares over all elements of all gradients.

    It overflows only where the norm itself is too large for the dtype.
    """
    largest = _largest(gradients)
    scale = tf.where(largest > 0, largest, tf.ones_like(largest))
    return scale * _root_of_squares([g / tf.cast(scale, g.dtype) for g in gradients])


def _largest(gradients: Sequence[tf.Tensor]) -> tf.Tensor:
    """Return the largest absolute value of all elements."""
    sizes = [tf.cast(tf.reduce_max(tf.abs(g)), gradients[0].dtype) for g in gradients]
    return tf.reduce_max(tf.stack(sizes))


def _root_of_squares(values: Sequence[tf.Tensor]) -> tf.Tensor:
    squares = [tf.reduce_sum(tf.square(value)) for value in values]
    return tf.sqrt(tf.add_n([tf.cast(square, values[0].dtype) for square in squares]))
