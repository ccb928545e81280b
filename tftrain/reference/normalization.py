"""Normalization by hand: of each case over its features, and of each feature over the batch."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np

from tftrain.reference.layers import Array, Layer, register


@dataclass
class Normalization(Layer):
    """`y = gain z + offset` with `z = (x - mean) / s` and `s = sqrt(variance + epsilon)`.

    Mean and variance are those of `n` numbers, and depend on `x`. With `dz = dy gain`

        ds  = - sum(dz (x - mean) / s^2)
        dc  = dz / s + ds (x - mean) / (n s)
        dx  = dc - mean(dc),

    where sums and means are over the same numbers. Source: Ioffe and Szegedy (2015), section 3, in
    the order in which the tape computes: `ds / s` may fall below the smallest normal number.
    """

    gain: Array
    offset: Array
    epsilon: float

    def axes(self, x: Array) -> tuple[int, ...]:
        """Return the axes over which mean and variance are taken."""
        raise NotImplementedError

    def forward(self, x: Array) -> Array:
        centred, s = self._centred(x)
        return centred / s * self.gain + self.offset

    def backward(self, x: Array, y: Array, dy: Array) -> tuple[Array, dict[str, Array]]:
        centred, s = self._centred(x)
        axes, cases = self.axes(x), tuple(range(x.ndim - 1))
        dz, count = dy * self.gain, math.prod(x.shape[axis] for axis in axes)
        ds = -(dz * (centred / s / s)).sum(axis=axes, keepdims=True)
        dc = dz / s + ds * 0.5 / s / count * (centred * 2)
        dx = dc - dc.mean(axis=axes, keepdims=True)
        return dx, {"gain": (dy * (centred / s)).sum(axis=cases), "offset": dy.sum(axis=cases)}

    def _centred(self, x: Array) -> tuple[Array, Array]:
        """Return `x - mean` and `s`."""
        axes = self.axes(x)
        centred = x - x.mean(axis=axes, keepdims=True)
        s = np.sqrt((centred * centred).mean(axis=axes, keepdims=True) + self.epsilon)
        return centred, s


@register("tftrain.nn.normalization.LayerNorm")
@dataclass
class LayerNorm(Normalization):
    """Mean and variance of each case, over its features."""

    def axes(self, x: Array) -> tuple[int, ...]:
        return (x.ndim - 1,)


@register("tftrain.nn.normalization.BatchNorm")
@dataclass
class BatchNorm(Normalization):
    """Mean and variance of each feature over the batch in training, else the moving ones.

    Attributes:
        training: whether it is a step of training.
    """

    moving_mean: Array
    moving_variance: Array
    momentum: float
    training: bool = False

    state: ClassVar[tuple[str, ...]] = ("moving_mean", "moving_variance")

    def drawn(self, seed: int, step: int, places: Sequence[int]) -> Self:
        return replace(self, training=True)

    def axes(self, x: Array) -> tuple[int, ...]:
        return tuple(range(x.ndim - 1))

    def forward(self, x: Array) -> Array:
        if self.training:
            return super().forward(x)
        return (x - self.moving_mean) / self._fixed * self.gain + self.offset

    def backward(self, x: Array, y: Array, dy: Array) -> tuple[Array, dict[str, Array]]:
        if self.training:
            return super().backward(x, y, dy)
        cases, z = self.axes(x), (x - self.moving_mean) / self._fixed
        gradients = {"gain": (dy * z).sum(axis=cases), "offset": dy.sum(axis=cases)}
        return dy * self.gain / self._fixed, gradients

    @property
    def _fixed(self) -> Array:
        return np.sqrt(self.moving_variance + self.epsilon)

    def updated(self, x: Array) -> dict[str, Array]:
        """`moving' = momentum * moving + (1 - momentum) * of the batch`."""
        axes, kept = self.axes(x), self.momentum
        mean = x.mean(axis=axes)
        centred = x - mean
        now = {"moving_mean": mean, "moving_variance": (centred * centred).mean(axis=axes)}
        return {name: kept * getattr(self, name) + (1 - kept) * v for name, v in now.items()}
