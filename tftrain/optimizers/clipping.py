"""Gradient clipping."""

from collections.abc import Sequence

import tensorflow as tf


def clip_by_value(gradients: Sequence[tf.Tensor], limit: float) -> list[tf.Tensor]:
    """Return the gradients with every element moved into `[-limit, limit]`."""
    return [tf.clip_by_value(gradient, -limit, limit) for gradient in gradients]


def clip_by_global_norm(gradients: Sequence[tf.Tensor], limit: float) -> list[tf.Tensor]:
    """Return the gradients times `min(1, limit / global_norm)`.

    Source: Pascanu, Mikolov and Bengio (2013), "On the difficulty of training recurrent neural
    networks", algorithm 1.
    """
    norm = global_norm(gradients)
    factor = limit / tf.maximum(norm, tf.constant(limit, norm.dtype))
    return [gradient * tf.cast(factor, gradient.dtype) for gradient in gradients]


def global_norm(gradients: Sequence[tf.Tensor]) -> tf.Tensor:
    """Return the square root of the sum of squares over all elements of all gradients."""
    return tf.sqrt(tf.add_n([tf.reduce_sum(tf.square(gradient)) for gradient in gradients]))
