"""Gradient descent, with momentum."""

from typing import Unpack

from tftrain.errors import InputError, number
from tftrain.optimizers.optimizer import Change, Optimizer, Shared, Slots, Tensor
from tftrain.optimizers.schedules import Schedule


class SGD(Optimizer):
    """Gradient descent on whatever gradient it is given: stochastic where that is of a batch.

    With learning rate `e`, momentum `a` and gradient `g`:

        v' = a v - e g                      (v is the last change)
        w' = w + v'
        w' = w + a v' - e g                 (Nesterov)

    Sources: Rumelhart, Hinton and Williams (1986), equation 9, where the change at time t is
    `-e dE/dw(t) + a` times the change at time t-1; Nesterov's form after Sutskever, Martens, Dahl
    and Hinton (2013), "On the importance of initialization and momentum", as rewritten for the
    parameters at the look-ahead point.

    Args:
        learning_rate: a positive number, or a `Schedule` of the step.
        momentum: `a`, at least 0 and below 1; 0 is plain gradient descent and keeps no slot.
        nesterov: take the gradient's step from the look-ahead point; needs momentum.
        shared: `clip_value`, `clip_norm`, `factors` and `average`, as for `Optimizer`.
    """

    def __init__(
        self,
        learning_rate: float | Schedule = 0.01,
        *,
        momentum: float = 0.0,
        nesterov: bool = False,
        **shared: Unpack[Shared],
    ) -> None:
        super().__init__(learning_rate, **shared)
        self.momentum = number("momentum", momentum, below=1)
        if nesterov and momentum == 0:
            raise InputError("sgd: nesterov needs a momentum above 0")
        self.nesterov = nesterov
        self.slot_names = ("velocity",) if momentum else ()

    def update(
        self, gradient: Tensor, parameter: Tensor, slots: Slots, learning_rate: Tensor, step: Tensor
    ) -> Change:
        descent = -learning_rate * gradient
        if not self.momentum:
            return descent, {}
        velocity = self.momentum * slots["velocity"] + descent
        change = self.momentum * velocity + descent if self.nesterov else velocity
        return change, {"velocity": velocity}
