"""Dropout."""

import tensorflow as tf

from tftrain.errors import number
from tftrain.nn.call import Draw


class Dropout(tf.Module):
    """Sets each element to zero with the probability `rate` while training, and scales the others.

    An element that is kept is divided by `1 - rate`, so that its mean is the same as when serving,
    where nothing is dropped. The mask is a pure function of seed, step, place and element.

    Source: Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov (2014), "Dropout: a simple
    way to prevent neural networks from overfitting".

    Args:
        rate: the probability, at least 0 and below 1.
    """

    takes_draw = True

    def __init__(self, rate: float) -> None:
        super().__init__(name="dropout")
        self.rate = number("dropout: rate", rate, below=1)

    def __call__(self, x: tf.Tensor, draw: Draw | None = None) -> tf.Tensor:
        """Return `x` with some elements dropped; `x` itself without a draw."""
        if draw is None or self.rate == 0:
            return tf.identity(x)
        kept = draw.bits(tf.shape(x)) >= tf.constant(threshold(self.rate), tf.uint32)
        scale = tf.constant(1 / (1 - self.rate), x.dtype)
        return tf.where(kept, x * scale, tf.zeros_like(x))

    def __repr__(self) -> str:
        return f"Dropout({self.rate:g})"


def threshold(rate: float) -> int:
    """Return the number of the 2^32 random numbers that drop an element."""
    return min(round(rate * 2**32), 2**32 - 1)
