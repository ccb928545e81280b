"""Config of the loss."""

from typing import Annotated, Literal

from tftrain.config.base import BY_KIND, NonNegative, Positive, Section, Short
from tftrain.config.custom import Custom


class NamedLoss(Section):
    """A loss without settings of its own."""

    kind: Literal["mse", "sum_squared_error", "mae"]
    l2: NonNegative = 0.0
    """Strength of the penalty `l2 / 2 * sum of squared weights` (biases excluded)."""


class HuberLoss(Section):
    """Squared near zero, linear beyond delta."""

    kind: Literal["huber"]
    delta: Positive = 1.0
    """Where the two pieces meet, in units of the scaled target."""
    l2: NonNegative = 0.0
    """Strength of the penalty `l2 / 2 * sum of squared weights` (biases excluded)."""


class CustomLoss(Custom):
    """A loss of one's own: the function returns what `fit` takes as a loss."""

    kind: Literal["custom"]
    l2: NonNegative = 0.0
    """Strength of the penalty `l2 / 2 * sum of squared weights` (biases excluded)."""


LossConfig = Annotated[NamedLoss | HuberLoss | CustomLoss, BY_KIND, Short("mse")]
