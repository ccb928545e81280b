"""RMSprop."""

from typing import Unpack

import tensorflow as tf

from tftrain.errors import number
from tftrain.optimizers.optimizer import Change, Optimizer, Shared, Slots, Tensor
from tftrain.optimizers.schedules import Schedule


class RMSprop(Optimizer):
    """Divides the gradient by a running root mean square of it.

        s' = rho s + (1 - rho) g^2
        w' = w - e g / (sqrt(s') + epsilon)

    Source: Tieleman and Hinton (2012), "Neural networks for machine learning", lecture 6.5.

    Args:
        learning_rate: a positive number, or a `Schedule` of the step.
        rho: how much of the running mean is kept at each step, at least 0 and below 1.
        epsilon: keeps the divisor above zero.
        shared: `clip_value`, `clip_norm`, `factors` and `average`, as for `Optimizer`.
    """

    slot_names = ("mean_square",)

    def __init__(
        self,
        learning_rate: float | Schedule = 0.001,
        *,
        rho: float = 0.9,
        epsilon: float = 1e-8,
        **shared: Unpack[Shared],
    ) -> None:
        super().__init__(learning_rate, **shared)
        self.rho = number("rho", rho, below=1)
        self.epsilon = number("epsilon", epsilon)

    def update(
        self, gradient: Tensor, parameter: Tensor, slots: Slots, learning_rate: Tensor, step: Tensor
    ) -> Change:
        mean_square = self.rho * slots["mean_square"] + (1 - self.rho) * tf.square(gradient)
        change = -learning_rate * gradient / (tf.sqrt(mean_square) + self.epsilon)
        return change, {"mean_square": mean_square}
