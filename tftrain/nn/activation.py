"""Activations: nonlinear functions between the affine maps."""

import math
from collections.abc import Callable
from dataclasses import dataclass

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


def mish(x: tf.Tensor) -> tf.Tensor:
    """`x tanh(softplus(x))` (Misra, 2020)."""
    return x * tf.tanh(tf.math.softplus(x))


def hard_sigmoid(x: tf.Tensor) -> tf.Tensor:
    """`x / 6 + 1/2`, at least 0 and at most 1 (Howard et al., 2019)."""
    return tf.nn.relu6(x + 3) / 6


@dataclass(frozen=True)
class Nonlinearity:
    """An activation, and the initializer that the literature pairs with it.

    He for the rectifier and its relatives, LeCun for selu (Klambauer, Unterthiner, Mayr and
    Hochreiter, 2017), Glorot for those that saturate.
    """

    function: Callable[[tf.Tensor], tf.Tensor]
    initializer: str

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """Return the activation of `x`."""
        return self.function(x)


def _rectifier(function: Callable[[tf.Tensor], tf.Tensor]) -> Nonlinearity:
    return Nonlinearity(function, "he_uniform")


def _saturating(function: Callable[[tf.Tensor], tf.Tensor]) -> Nonlinearity:
    return Nonlinearity(function, "glorot_uniform")


ACTIVATIONS: dict[str, Nonlinearity] = {
    "identity": _saturating(tf.identity),
    "relu": _rectifier(tf.nn.relu),
    "relu6": _rectifier(tf.nn.relu6),
    "leaky_relu": _rectifier(leaky_relu),
    "elu": _rectifier(tf.nn.elu),
    "selu": Nonlinearity(tf.nn.selu, "lecun_normal"),
    "gelu": _rectifier(gelu),
    "gelu_tanh": _rectifier(gelu_tanh),
    "silu": _rectifier(silu),
    "mish": _rectifier(mish),
    "tanh": _saturating(tf.tanh),
    "sigmoid": _saturating(tf.sigmoid),
    "hard_sigmoid": _saturating(hard_sigmoid),
    "softplus": _rectifier(tf.math.softplus),
    "softsign": _saturating(tf.nn.softsign),
    "softmax": _saturating(tf.nn.softmax),
}
"""By name. All but softmax, which is of the last axis, are functions of every element."""


class Activation(tf.Module):
    """Applies the activation called `function`.

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
