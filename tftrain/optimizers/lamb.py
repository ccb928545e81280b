"""Adam with a trust ratio for each parameter."""

from typing import Unpack

import tensorflow as tf

from tftrain.errors import number
from tftrain.optimizers.adam import Adam
from tftrain.optimizers.clipping import global_norm
from tftrain.optimizers.optimizer import Change, Shared, Slots, Tensor
from tftrain.optimizers.schedules import Schedule


class Lamb(Adam):
    """Adam for large batches: each parameter moves by a fraction of its own norm.

        r  = Adam's step at a learning rate of 1, plus weight_decay w
        w' = w - e (|w| / |r|) r

    The norms `|w|` and `|r|` run over all elements of one parameter, in its dtype; where either is
    0, as for a bias that starts at zero, the ratio is 1.

    Source: You et al. (2020), "Large batch optimization for deep learning: training BERT in 76
    minutes", algorithm 2, with the identity for phi.

    Args:
        learning_rate: a positive number, or a `Schedule` of the step.
        weight_decay: fraction of a weight that is added to the direction `r`, 0 or more.
        beta_1: decay of the running mean, at least 0 and below 1.
        beta_2: decay of the running mean of squares, at least 0 and below 1.
        epsilon: keeps the divisor above zero.
        shared: `clip_value`, `clip_norm`, `factors` and `average`, as for `Optimizer`.
    """

    def __init__(
        self,
        learning_rate: float | Schedule = 0.001,
        *,
        weight_decay: float = 0.01,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-6,
        **shared: Unpack[Shared],
    ) -> None:
        super().__init__(
            learning_rate,
            beta_1=beta_1,
            beta_2=beta_2,
            epsilon=epsilon,
            **shared,
        )
        self.weight_decay = number("weight_decay", weight_decay)

    def update(
        self, gradient: Tensor, parameter: Tensor, slots: Slots, learning_rate: Tensor, step: Tensor
    ) -> Change:
        one = tf.ones_like(learning_rate)
        change, new_slots = super().update(gradient, parameter, slots, one, step)
        direction = self.weight_decay * self.decaying(parameter) - change
        return -learning_rate * _trust(parameter, direction) * direction, new_slots


def _trust(parameter: Tensor, direction: Tensor) -> Tensor:
    """Return `|parameter| / |direction|`, or 1 where either is 0."""
    size, length = global_norm([parameter]), global_norm([direction])
    one = tf.ones_like(size)
    undefined = (size == 0) | (length == 0)
    return tf.where(undefined, one, size / tf.where(undefined, one, length))
