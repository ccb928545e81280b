"""Adam, and Adam with decoupled weight decay."""

from typing import Unpack

import tensorflow as tf

from tftrain.errors import number
from tftrain.optimizers.optimizer import Change, Optimizer, Shared, Slots, Tensor, one_minus_power
from tftrain.optimizers.schedules import Schedule


class Adam(Optimizer):
    """Adaptive moment estimation, at step t = 1, 2, ...

        m' = beta_1 m + (1 - beta_1) g
        v' = beta_2 v + (1 - beta_2) g^2
        w' = w - e (m' / (1 - beta_1^t)) / (sqrt(v' / (1 - beta_2^t)) + epsilon)

    The last line is computed with fraction and divisor multiplied by `c = sqrt(1 - beta_2^t)`,
    which leaves one division for each element in place of three:

        w' = w - (e c / (1 - beta_1^t)) m' / (sqrt(v') + epsilon c)

    Source: Kingma and Ba (2015), "Adam: a method for stochastic optimization", algorithm 1.

    Args:
        learning_rate: a positive number, or a `Schedule` of the step.
        beta_1: decay of the running mean, at least 0 and below 1.
        beta_2: decay of the running mean of squares, at least 0 and below 1.
        epsilon: keeps the divisor above zero.
        shared: `clip_value`, `clip_norm`, `factors` and `average`, as for `Optimizer`.
    """

    slot_names = ("mean", "mean_square")

    def __init__(
        self,
        learning_rate: float | Schedule = 0.001,
        *,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        **shared: Unpack[Shared],
    ) -> None:
        super().__init__(learning_rate, **shared)
        self.beta_1 = number("beta_1", beta_1, below=1)
        self.beta_2 = number("beta_2", beta_2, below=1)
        self.epsilon = number("epsilon", epsilon)

    def update(
        self, gradient: Tensor, parameter: Tensor, slots: Slots, learning_rate: Tensor, step: Tensor
    ) -> Change:
        new = self.means(gradient, slots)
        c = tf.sqrt(one_minus_power(self.beta_2, step))
        rate = learning_rate * tf.cast(c / one_minus_power(self.beta_1, step), gradient.dtype)
        return -rate * new["mean"] / self.divisor(new["mean_square"], c), new

    def means(self, gradient: Tensor, slots: Slots) -> Slots:
        """Return the running means `m'` and `v'`."""
        mean = self.beta_1 * slots["mean"] + (1 - self.beta_1) * gradient
        mean_square = self.beta_2 * slots["mean_square"] + (1 - self.beta_2) * tf.square(gradient)
        return {"mean": mean, "mean_square": mean_square}

    def divisor(self, mean_square: Tensor, c: Tensor) -> Tensor:
        """Return `sqrt(v') + epsilon c`."""
        return tf.sqrt(mean_square) + tf.cast(self.epsilon * c, mean_square.dtype)


class AdamW(Adam):
    """Adam, and apart from it each step takes `e * weight_decay * w` off every weight.

    Biases and other parameters of rank below 2 keep their size: see `Optimizer.decaying`.

    Source: Loshchilov and Hutter (2019), "Decoupled weight decay regularization", algorithm 2,
    where the decay is multiplied by the schedule's factor alone; here, as has become usual, by the
    whole learning rate.

    Args:
        learning_rate: a positive number, or a `Schedule` of the step.
        weight_decay: fraction of a weight that is lost per unit of learning rate, 0 or more.
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
        epsilon: float = 1e-8,
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
        change, new_slots = super().update(gradient, parameter, slots, learning_rate, step)
        decay = learning_rate * self.weight_decay * self.decaying(parameter)
        return change - decay, new_slots
