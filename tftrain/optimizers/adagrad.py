"""Adagrad."""

from typing import Unpack

import tensorflow as tf

from tftrain.errors import number
from tftrain.optimizers.optimizer import Change, Optimizer, Shared, Slots, Tensor
from tftrain.optimizers.schedules import Schedule


class Adagrad(Optimizer):
    """A learning rate per element that falls with the gradients seen so far.

        s' = s + g^2
        w' = w - e g / (sqrt(s') + epsilon)

    Source: Duchi, Hazan and Singer (2011), "Adaptive subgradient methods", with a diagonal matrix.

    Args:
        learning_rate: a positive number, or a `Schedule` of the step.
        epsilon: keeps the divisor above zero.
        shared: `clip_value`, `clip_norm`, `factors` and `average`, as for `Optimizer`.
    """

    slot_names = ("sum_of_squares",)

    def __init__(
        self,
        learning_rate: float | Schedule = 0.01,
        *,
        epsilon: float = 1e-10,
        **shared: Unpack[Shared],
    ) -> None:
        super().__init__(learning_rate, **shared)
        self.epsilon = number("epsilon", epsilon)

    def update(
        self, gradient: Tensor, parameter: Tensor, slots: Slots, learning_rate: Tensor, step: Tensor
    ) -> Change:
        total = slots["sum_of_squares"] + tf.square(gradient)
        change = -learning_rate * gradient / (tf.sqrt(total) + self.epsilon)
        return change, {"sum_of_squares": total}
