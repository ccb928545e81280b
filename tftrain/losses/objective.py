"""What training minimises besides the loss."""

from collections.abc import Sequence

import tensorflow as tf


def l2_penalty(variables: Sequence[tf.Variable], strength: float) -> tf.Tensor:
    """Return `strength / 2` times the sum of squares of all weights.

    Weights are the variables of rank two or more; biases are not penalised. The gradient with
    respect to a weight `W` is `strength * W`.
    """
    squares = [tf.reduce_sum(tf.square(v)) for v in variables if v.shape.rank >= 2]
    return strength / 2 * tf.add_n(squares) if squares else tf.zeros([], variables[0].dtype)
