"""The objective: the scalar that training minimises, a loss and its penalties."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import tensorflow as tf

from tftrain.errors import number
from tftrain.losses.loss import Loss


@dataclass(frozen=True)
class L2:
    """`strength / 2` times the sum of squares of all weights.

    Weights are the variables of rank two or more; biases are not penalised. The gradient with
    respect to a weight `W` is `strength * W`.

    Attributes:
        strength: the factor, zero or more.
        name: of the argument that sets the strength.
    """

    strength: float
    name: ClassVar[str] = "l2"

    def __call__(self, parameters: Sequence[tf.Variable]) -> tf.Tensor:
        """Return the penalty as a scalar, of the dtype of the parameters."""
        squares = [tf.reduce_sum(tf.square(v)) for v in parameters if v.shape.rank >= 2]
        if not squares:
            return tf.zeros([], parameters[0].dtype)
        return self.strength / 2 * tf.add_n(squares)


@dataclass(frozen=True)
class Objective:
    """What is minimised: the loss of a batch, plus penalties on the parameters.

    Attributes:
        loss: of predictions and targets.
        penalties: each of them added.
    """

    loss: Loss
    penalties: Sequence[L2] = ()

    @classmethod
    def with_l2(cls, loss: Loss, l2: float) -> Objective:
        """Return a loss with an L2 penalty, where that has any strength.

        Raises:
            InputError: the strength is not a number of at least 0.
        """
        strength = number("l2", l2)
        return cls(loss, (L2(strength),) if strength else ())

    def __call__(
        self,
        parameters: Sequence[tf.Variable],
        prediction: tf.Tensor,
        target: tf.Tensor,
        weight: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Return the objective as a scalar.

        Args:
            parameters: the variables that are trained.
            prediction: as for `Loss`, like the others.
            target: of the batch.
            weight: of each case, or None.
        """
        value = self.loss(prediction, target, weight)
        for penalty in self.penalties:
            value += penalty(parameters)
        return value
