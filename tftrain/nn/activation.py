"""Activations: functions applied to every element."""

import math
from collections.abc import Callable

import tensorflow as tf

from tftrain.errors import entry


def leaky_relu(x: tf.Tensor) -> tf.Tensor:
    """`x` where positive, else `0.01 x` (Maas, Hannun and Ng, 2013)."""
    return tf.where(x > 0, x, 0.01 * x)


def gelu(x: tf.Tensor) -> tf.Tensor:
    """`x Phi(x)` with the normal distribution function (Hendrycks and Gimpel, 2016)."""
    return x * 0.5 * tf.math.erfc(-x * math.sqrt(0.5))


def gelu_tanh(x: tf.Tensor) -> tf.Tensor:
    """The tanh form of gelu: `x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)))`.

    Beyond 10 the tanh is 1 in every precision; the cube of a huge number would overflow, and make
    the gradient NaN.
    """
    near = tf.clip_by_value(x, tf.constant(-10, x.dtype), tf.constant(10, x.dtype))
    cubic = near + 0.044715 * near * near * near
    return 0.5 * x * (1 + tf.tanh(math.sqrt(2 / math.pi) * cubic))


def silu(x: tf.Tensor) -> tf.Tensor:
    """`x sigmoid(x)` (Elfwing, Uchibe and Doya, 2018)."""
    return x * tf.sigmoid(x)


ACTIVATIONS: dict[str, Callable[[tf.Tensor], tf.Tensor]] = {
    "identity": tf.identity,
    "relu": tf.nn.relu,
    "leaky_relu": leaky_relu,
    "elu": tf.nn.elu,
    "selu": tf.nn.selu,
    "gelu": gelu,
    "gelu_tanh": gelu_tanh,
    "silu": silu,
    "tanh": tf.tanh,
    "sigmoid": tf.sigmoid,
    "softplus": tf.math.softplus,
}


class Activation(tf.Module):
    """Applies the activation called `function` to every element of its input.

    Args:
        function: one of `ACTIVATIONS`.

    Raises:
        InputError: no activation has that name.
    """

    def __init__(self, function: str) -> None:
        entry("activation", function, ACTIVATIONS)
        super().__init__(name=function)
        self.function = function

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """Return the activation of `x`, same shape and dtype."""
        return ACTIVATIONS[self.function](x)

    def __repr__(self) -> str:
        return f"Activation({self.function!r})"
