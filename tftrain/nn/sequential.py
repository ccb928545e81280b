"""Layers in a row."""

from collections.abc import Callable, Sequence

import tensorflow as tf

from tftrain.errors import InputError

Layer = Callable[[tf.Tensor], tf.Tensor]


class Sequential(tf.Module):
    """The compound function `f_N(... f_2(f_1(x)))` of its layers.

    Args:
        layers: the layers in the order in which they are applied; at least one. Anything that
            maps a tensor to a tensor will do; variables are found in those that are `tf.Module`s.
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        super().__init__()
        if not layers:
            raise InputError("Sequential needs at least one layer")
        self.layers = list(layers)

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """Return the output of the last layer; `x` is the input of the first."""
        for layer in self.layers:
            x = layer(x)
        return x

    def __repr__(self) -> str:
        return f"{type(self).__name__}([{', '.join(map(repr, self.layers))}])"
