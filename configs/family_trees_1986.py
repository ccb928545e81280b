"""Network, loss and optimizer of configs/family_trees_1986.yaml, each with its reference.

It shows how layers, losses, schedules and optimizers of one's own are written and proven.
Source: Rumelhart, Hinton and Williams (1986), "Learning representations by back-propagating
errors", Nature 323, 533-536.
"""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

import tftrain
from tftrain import nn, reference

PEOPLE, RELATIONS = 24, 12


class Columns(tf.Module):
    """Takes the columns from `first` to below `end`."""

    def __init__(self, first, end):
        super().__init__()
        self.first, self.end = first, end

    def __call__(self, x):
        return x[:, self.first : self.end]


@reference.register(Columns)
@dataclass
class ColumnsReference(reference.Layer):
    first: int
    end: int

    def forward(self, x):
        return x[:, self.first : self.end]

    def backward(self, x, y, dy):
        before, behind = self.first, x.shape[1] - self.end
        return np.pad(dy, [(0, 0), (before, behind)]), {}


def network(inputs, outputs, seed, spread):
    """Return 24 + 12 inputs, 6 + 6 units, 12, 6 and 24 units, all logistic.

    Args:
        inputs: their number.
        outputs: their number.
        seed: of the initial weights and biases.
        spread: these are uniform between `-spread` and `spread`.
    """
    assert (inputs, outputs) == (PEOPLE + RELATIONS, PEOPLE)
    sizes = [(PEOPLE, 6), (RELATIONS, 6), (12, 12), (12, 6), (6, PEOPLE)]
    dense = [
        nn.Dense(
            *ends,
            initializer=nn.INITIALIZERS["uniform"](spread),
            bias_initializer=nn.INITIALIZERS["uniform"](spread),
            seed=seed,
            counter=i,
        )
        for i, ends in enumerate(sizes)
    ]
    person = [Columns(0, PEOPLE), dense[0], nn.Activation("sigmoid")]
    relation = [Columns(PEOPLE, inputs), dense[1], nn.Activation("sigmoid")]
    layers = [nn.Fork([person, relation], nn.Concat())]
    for layer in dense[2:]:
        layers += [layer, nn.Activation("sigmoid")]
    return nn.Sequential(layers)


class Rates(tftrain.optimizers.Schedule):
    """The learning rate for the first steps, then `factor` times as much."""

    def __init__(self, learning_rate, steps, factor):
        super().__init__(learning_rate)
        self.steps, self.later = steps, factor

    def factor(self, step):
        one = tf.ones([], tf.float64)
        return tf.where(step < self.steps, one, self.later * one)


@reference.register(Rates)
@dataclass
class RatesReference(reference.Schedule):
    learning_rate: float
    steps: int
    later: float

    def factor(self, step):
        return 1.0 if step.value < self.steps else self.later


class Descent(tftrain.optimizers.Optimizer):
    """Momentum that grows after the first steps; then a share of every weight is taken off.

    `v' = a v - e g` (equation 9 of the paper), `w' = (1 - decay) (w + v')`.
    """

    slot_names = ("velocity",)

    def __init__(self, learning_rate, *, steps, first, rest, decay, **shared):
        super().__init__(learning_rate, **shared)
        self.steps, self.first, self.rest, self.decay = steps, first, rest, decay

    def update(self, gradient, parameter, slots, learning_rate, step):
        one = tf.ones([], gradient.dtype)
        momentum = tf.where(step <= self.steps, self.first * one, self.rest * one)
        velocity = momentum * slots["velocity"] - learning_rate * gradient
        return velocity - self.decay * (parameter + velocity), {"velocity": velocity}


@reference.register(Descent)
@dataclass(kw_only=True)
class DescentReference(reference.Optimizer):
    steps: int
    first: float
    rest: float
    decay: float
    slot_names = ("velocity",)

    def change(self, gradient, parameter, slots, rate, step):
        momentum = self.first if step <= self.steps else self.rest
        velocity = momentum * slots["velocity"] - rate * gradient
        return velocity - self.decay * (parameter + velocity), {"velocity": velocity}

    def equations(self):
        rates = f"a = {self.first:g}, then {self.rest:g}; d = {self.decay:g}"
        return ["v' = a v - e g", "w' = w + v' - d (w + v')"], [rates, "v = 0"]


def optimizer(learning_rate, sweeps, factor, momentum, decay):
    """Return the paper's descent; one sweep is one step."""
    rates = Rates(learning_rate.learning_rate, sweeps, factor)
    first, rest = momentum
    return Descent(rates, steps=sweeps, first=first, rest=rest, decay=decay)
