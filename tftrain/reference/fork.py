"""The layers that join branches, by hand."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tftrain.reference.layers import Array, Layer, register


@register("tftrain.nn.fork.Add")
@dataclass
class Add(Layer):
    """`y = x_1 + x_2 + ...`; each input gets the delta of the sum."""

    def forward(self, x: Sequence[Array]) -> Array:
        """Add up the inputs; an engine may do so in any order."""
        return np.stack(x).sum(axis=0)

    def backward(
        self, x: Sequence[Array], y: Array, dy: Array
    ) -> tuple[list[Array], dict[str, Array]]:
        return [dy for _ in x], {}


@register("tftrain.nn.fork.Concat")
@dataclass
class Concat(Layer):
    """The inputs side by side; each gets the part of the delta that belongs to it."""

    def forward(self, x: Sequence[Array]) -> Array:
        return np.concatenate(x, axis=-1)

    def backward(
        self, x: Sequence[Array], y: Array, dy: Array
    ) -> tuple[list[Array], dict[str, Array]]:
        ends = np.cumsum([one.shape[-1] for one in x])
        return [dy[..., e - one.shape[-1] : e] for e, one in zip(ends, x, strict=True)], {}
