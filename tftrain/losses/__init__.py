"""Losses: how far predictions are from their targets, as one number.

A loss is a sum of terms, one for each case and unit, times a scale. With `e = prediction - target`
of shape `(cases, units)` and an optional weight per case:

| name                | term             | scale               |
|---------------------|------------------|---------------------|
| `mse`               | e^2              | 1 / (cases * units) |
| `sum_squared_error` | e^2              | 1/2                 |
| `mae`               | abs(e)           | 1 / (cases * units) |
| `huber`             | see `Huber`      | 1 / (cases * units) |

Case weights multiply the terms and do not change the scale: with weights whose mean is one over
the training rows, the gradient of a batch is an unbiased estimate of the full gradient.
"""

from tftrain.errors import chosen
from tftrain.losses.loss import Loss, require_same
from tftrain.losses.objective import l2_penalty
from tftrain.losses.regression import Huber, MeanAbsoluteError, MeanSquaredError, SumSquaredError

LOSSES: dict[str, type[Loss]] = {
    "mse": MeanSquaredError,
    "sum_squared_error": SumSquaredError,
    "mae": MeanAbsoluteError,
    "huber": Huber,
}


def get(loss: str | Loss) -> Loss:
    """Return `loss` itself, or the loss of that name with its default settings."""
    return chosen(
        "loss",
        loss,
        Loss,
        LOSSES,
        "a tftrain.losses.Loss (for a function of your own, a subclass with term(error))",
    )


__all__ = [
    "LOSSES",
    "Huber",
    "Loss",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "SumSquaredError",
    "get",
    "l2_penalty",
    "require_same",
]
