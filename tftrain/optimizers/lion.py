"""Lion."""

from typing import Unpack

import tensorflow as tf

from tftrain.errors import number
from tftrain.optimizers.optimizer import Change, Optimizer, Shared, Slots, Tensor
from tftrain.optimizers.schedules import Schedule


class Lion(Optimizer):
    """Every element moves by the learning rate, up or down, and weights decay.

        w' = w - e (sign(beta_1 m + (1 - beta_1) g) + weight_decay w)
        m' = beta_2 m + (1 - beta_2) g

    Since every element moves equally far, good learning rates are three to ten times smaller than
    those of Adam, and the weight decay is larger by the same factor.

    Source: Chen et al. (2023), "Symbolic discovery of optimization algorithms", algorithm 2.

    Args:
        learning_rate: a positive number, or a `Schedule` of the step.
        weight_decay: fraction of a weight that is lost per unit of learning rate, 0 or more.
        beta_1: share of the running mean in the direction of the step, at least 0 and below 1.
        beta_2: decay of the running mean, at least 0 and below 1.
        shared: `clip_value`, `clip_norm`, `factors` and `average`, as for `Optimizer`.
    """

    slot_names = ("mean",)

    def __init__(
        self,
        learning_rate: float | Schedule = 0.0001,
        *,
        weight_decay: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.99,
        **shared: Unpack[Shared],
    ) -> None:
        super().__init__(learning_rate, **shared)
        self.weight_decay = number("weight_decay", weight_decay)
        self.beta_1 = number("beta_1", beta_1, below=1)
        self.beta_2 = number("beta_2", beta_2, below=1)

    def update(
        self, gradient: Tensor, parameter: Tensor, slots: Slots, learning_rate: Tensor, step: Tensor
    ) -> Change:
        direction = tf.sign(self.beta_1 * slots["mean"] + (1 - self.beta_1) * gradient)
        change = -learning_rate * (direction + self.weight_decay * self.decaying(parameter))
        return change, {"mean": self.beta_2 * slots["mean"] + (1 - self.beta_2) * gradient}
