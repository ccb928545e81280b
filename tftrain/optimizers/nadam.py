"""Adam with Nesterov momentum."""

import tensorflow as tf

from tftrain.optimizers.adam import Adam
from tftrain.optimizers.optimizer import Change, Slots, Tensor, one_minus_power


class Nadam(Adam):
    """Adam, whose step already contains the momentum of the next one.

        m' = beta_1 m + (1 - beta_1) g
        v' = beta_2 v + (1 - beta_2) g^2
        n  = beta_1 m' / (1 - beta_1^(t+1)) + (1 - beta_1) g / (1 - beta_1^t)
        w' = w - e n / (sqrt(v' / (1 - beta_2^t)) + epsilon)

    Fraction and divisor are both multiplied by `sqrt(1 - beta_2^t)`, as in Adam.

    Source: Dozat (2016), "Incorporating Nesterov momentum into Adam", algorithm 2, in its simple
    form: with a constant `beta_1` in place of a schedule of it, and the squares corrected as in
    Adam. Arguments are those of `Adam`.
    """

    def update(
        self, gradient: Tensor, parameter: Tensor, slots: Slots, learning_rate: Tensor, step: Tensor
    ) -> Change:
        new = self.means(gradient, slots)
        c = tf.sqrt(one_minus_power(self.beta_2, step))
        of_mean = c * self.beta_1 / one_minus_power(self.beta_1, step + 1)
        of_gradient = c * (1 - self.beta_1) / one_minus_power(self.beta_1, step)
        dtype = gradient.dtype
        ahead = tf.cast(of_mean, dtype) * new["mean"] + tf.cast(of_gradient, dtype) * gradient
        return -learning_rate * ahead / self.divisor(new["mean_square"], c), new
