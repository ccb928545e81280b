"""Losses: how far predictions are from their targets, as one number.

A loss is a sum of terms, one for each case or for each case and unit, times a scale. `Elementwise`
losses are made of errors. With `e = prediction - target` of shape `(cases, units)` and an optional
weight per case:

| name                | term             | scale               |
|---------------------|------------------|---------------------|
| `mse`               | e^2              | 1 / (cases * units) |
| `sum_squared_error` | e^2              | 1/2                 |
| `mae`               | abs(e)           | 1 / (cases * units) |
| `huber`             | see `Huber`      | 1 / (cases * units) |

Case weights multiply the terms and do not change the scale: with weights whose mean is one over
the training rows, the gradient of a batch is an unbiased estimate of the full gradient.

A plain function `(prediction, target) -> terms` is a loss too: the mean of its terms. Targets may
have another shape than the prediction, and integers stay integers, so that this is a loss:

    def cross_entropy(logits, labels):
        return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)

What is minimised is an `Objective`: a loss, and penalties on the parameters.
"""

from typing import Any

from tftrain.errors import chosen
from tftrain.losses.loss import (
    Elementwise,
    FunctionLoss,
    Loss,
    Terms,
    checked_terms,
    factors_of,
    name_of,
    require_same,
)
from tftrain.losses.objective import L2, Objective
from tftrain.losses.regression import Huber, MeanAbsoluteError, MeanSquaredError, SumSquaredError

LOSSES: dict[str, type[Loss]] = {
    "mse": MeanSquaredError,
    "sum_squared_error": SumSquaredError,
    "mae": MeanAbsoluteError,
    "huber": Huber,
}


def get(loss: str | Loss | Terms) -> Loss:
    """Return `loss` itself, the loss of that name with its default settings, or that of a function.

    Raises:
        InputError: it is none of these.
    """
    given: Any = loss
    if callable(given) and not isinstance(given, (Loss, type)):
        return FunctionLoss(given)
    return chosen(
        "loss",
        given,
        Loss,
        LOSSES,
        "a tftrain.losses.Loss, or a function (prediction, target) -> one number for each case",
    )


__all__ = [
    "L2",
    "LOSSES",
    "Elementwise",
    "FunctionLoss",
    "Huber",
    "Loss",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "Objective",
    "SumSquaredError",
    "Terms",
    "checked_terms",
    "factors_of",
    "get",
    "name_of",
    "require_same",
]
