"""A rectifier whose slope below zero is learned."""

import tensorflow as tf

from tftrain.errors import ShapeError, one_of, whole_number
from tftrain.names import DTYPES


class PReLU(tf.Module):
    """`x` where positive, else `slope x`, with a slope for each feature.

    Source: He, Zhang, Ren and Sun (2015), "Delving deep into rectifiers", equation 1.

    Args:
        features: size of the last axis of the input, positive.
        dtype: `"float32"` or `"float64"`.

    Attributes:
        slope: variable of shape `(features,)`, at first 1/4 as in the paper.
    """

    def __init__(self, features: int, *, dtype: str = "float32") -> None:
        super().__init__(name="prelu")
        self.features = whole_number("features", features)
        one_of("dtype", dtype, DTYPES)
        self.slope = tf.Variable(tf.fill([self.features], tf.constant(0.25, dtype)), name="slope")

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """Return the activation of `x`, same shape and dtype."""
        if x.shape.rank is None or x.shape[-1] != self.features:
            raise ShapeError(f"{self!r} takes {self.features} features, got shape {x.shape}")
        return tf.where(x > 0, x, tf.cast(self.slope, x.dtype) * x)

    def __repr__(self) -> str:
        return f"PReLU({self.features})"
