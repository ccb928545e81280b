"""Dropout by hand: its mask is drawn a second time, in NumPy."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from tftrain.reference.functions import allow
from tftrain.reference.layers import Array, Layer, register
from tftrain.streams import bits


@register("tftrain.nn.dropout.Dropout")
@dataclass
class Dropout(Layer):
    """`y = m x / (1 - rate)`, where the mask `m` is 0 or 1; `dx = m dy / (1 - rate)`.

    Attributes:
        rate: the probability of a zero in the mask.
        key: seed, step and places of the training step; None while serving, where `y = x`.
    """

    rate: float
    key: tuple[int, int, Sequence[int]] | None = None

    def drawn(self, seed: int, step: int, places: Sequence[int]) -> Self:
        return replace(self, key=(seed, step, places))

    def forward(self, x: Array) -> Array:
        return self._masked(x)

    def backward(self, x: Array, y: Array, dy: Array) -> tuple[Array, dict[str, Array]]:
        return self._masked(dy), {}

    def _masked(self, value: Array) -> Array:
        if self.key is None or self.rate == 0:
            return value
        kept = bits(value.shape, *self.key) >= min(round(self.rate * 2**32), 2**32 - 1)
        return np.where(kept, allow(value * (1 / (1 - self.rate)), 1), 0.0)
