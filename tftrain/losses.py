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

from collections.abc import Sequence

import tensorflow as tf

from tftrain.errors import ShapeError, chosen, number


class Loss:
    """A loss; subclasses give `term`, and set `mean = False` where the terms are summed."""

    mean = True

    def term(self, error: tf.Tensor) -> tf.Tensor:
        """Return the loss of each error, elementwise."""
        raise NotImplementedError

    def __call__(
        self, prediction: tf.Tensor, target: tf.Tensor, weight: tf.Tensor | None = None
    ) -> tf.Tensor:
        """Return the loss of a batch as a scalar.

        Args:
            prediction: the network's output, shape `(cases, units)`, floating point.
            target: what it should have been, same shape and dtype.
            weight: weight of each case, shape `(cases,)`, same dtype; all ones by default.

        Raises:
            ShapeError: the shapes or dtypes differ. Nothing is ever broadcast: `(cases,)` against
                `(cases, 1)` would silently make `(cases, cases)`.
        """
        require_same(prediction, target)
        terms = self.term(prediction - target)
        if weight is not None:
            if weight.shape.rank != 1 or not weight.shape[:1].is_compatible_with(terms.shape[:1]):
                raise ShapeError(
                    f"weights of shape {weight.shape} for cases {terms.shape}: "
                    "give one weight per case, shape (cases,)"
                )
            if weight.dtype != terms.dtype:
                raise ShapeError(
                    f"weights of {weight.dtype.name} for a loss of {terms.dtype.name}: "
                    "use one dtype for both"
                )
            terms = terms * tf.reshape(weight, [-1] + [1] * (terms.shape.rank - 1))
        return tf.reduce_sum(terms) * self.scale(terms)

    def scale(self, terms: tf.Tensor) -> tf.Tensor:
        """Return the factor in front of the sum over `terms`."""
        return 1 / tf.cast(tf.size(terms), terms.dtype)


class MeanSquaredError(Loss):
    """`mse`: the mean over cases and units of the squared error."""

    def term(self, error: tf.Tensor) -> tf.Tensor:
        return tf.square(error)


class SumSquaredError(Loss):
    """`sum_squared_error`: half the sum over cases and units of the squared error.

    Source: Rumelhart, Hinton and Williams (1986), "Learning representations by back-propagating
    errors", equation 3.
    """

    mean = False

    def term(self, error: tf.Tensor) -> tf.Tensor:
        return tf.square(error)

    def scale(self, terms: tf.Tensor) -> tf.Tensor:
        return tf.constant(0.5, terms.dtype)


class MeanAbsoluteError(Loss):
    """`mae`: the mean over cases and units of the absolute error."""

    def term(self, error: tf.Tensor) -> tf.Tensor:
        return tf.abs(error)


class Huber(Loss):
    """`huber`: squared near zero, linear beyond `delta`.

    The term is `e^2 / 2` where `|e| <= delta`, else `delta * (|e| - delta / 2)`.
    Source: Huber (1964), "Robust estimation of a location parameter".

    Args:
        delta: where the two pieces meet, in units of the (standardised) target; positive.
    """

    def __init__(self, delta: float = 1.0) -> None:
        self.delta = number("huber: delta", delta, positive=True)

    def term(self, error: tf.Tensor) -> tf.Tensor:
        size = tf.abs(error)
        inside = tf.minimum(size, tf.constant(self.delta, size.dtype))
        return inside * (size - inside / 2)


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


def l2_penalty(variables: Sequence[tf.Variable], strength: float) -> tf.Tensor:
    """Return `strength / 2` times the sum of squares of all weights.

    Weights are the variables of rank two or more; biases are not penalised. The gradient with
    respect to a weight `W` is `strength * W`.
    """
    squares = [tf.reduce_sum(tf.square(v)) for v in variables if v.shape.rank >= 2]
    return strength / 2 * tf.add_n(squares) if squares else tf.zeros([], variables[0].dtype)


def require_same(prediction: tf.Tensor, target: tf.Tensor) -> None:
    """Raise ShapeError unless both have the same rank, sizes (where known) and dtype."""
    if prediction.dtype != target.dtype:
        raise ShapeError(
            f"the network predicts {prediction.dtype.name} but the targets are "
            f"{target.dtype.name}: use one dtype for both"
        )
    if prediction.shape.rank is None:
        raise ShapeError(
            "the network's prediction has no known shape, as after tf.py_function: give it one "
            "with tf.ensure_shape"
        )
    same_rank = prediction.shape.rank == target.shape.rank is not None
    if not (same_rank and prediction.shape.is_compatible_with(target.shape)):
        raise ShapeError(
            f"the network predicts shape {prediction.shape} but the targets have shape "
            f"{target.shape}: give targets of shape (cases, units), for one unit "
            "np.reshape(y, (-1, 1))"
        )
