"""What every loss has in common: a term for each case, weights, and a scale."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tftrain.errors import InputError, ShapeError, TftrainError, first_line

Terms = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
"""A loss as a plain function `(prediction, target) -> terms`."""


class Loss:
    """A loss; subclasses give `terms`, and set `mean = False` where the terms are summed.

    Attributes:
        mean: whether the loss of a batch is a mean over its terms.
        integer_targets: whether targets that are integers, such as labels, stay integers.
    """

    mean = True
    integer_targets = True

    def terms(self, prediction: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
        """Return one number for each case, or for each case and unit, unreduced.

        Args:
            prediction: the network's output, shape `(cases, ...)`, floating point.
            target: shape `(cases, ...)`, of the same dtype or integers.

        Returns:
            Shape `(cases,)`, or more leading axes of the prediction's shape or the target's; of the
            prediction's dtype. The terms of a case depend on nothing but this case.
        """
        if hasattr(self, "term"):
            raise InputError(
                f"the loss {name_of(self)} has a method term(error): make it a subclass of "
                "tftrain.losses.Elementwise"
            )
        raise InputError(
            f"the loss {name_of(self)} has no method terms(prediction, target): let it return one "
            "number for each case, unreduced"
        )

    def __call__(
        self, prediction: tf.Tensor, target: tf.Tensor, weight: tf.Tensor | None = None
    ) -> tf.Tensor:
        """Return the loss of a batch as a scalar.

        Args:
            prediction: the network's output, shape `(cases, ...)`, floating point.
            target: the targets, as for `terms`.
            weight: weight of each case, shape `(cases,)`, dtype of the prediction; all ones by
                default.

        Raises:
            ShapeError: the terms are not one number for each case, or shapes or dtypes differ.
                Nothing is ever broadcast: `(cases,)` against `(cases, 1)` would silently make
                `(cases, cases)`.
            InputError: the terms cannot be computed.
        """
        terms = checked_terms(self, prediction, target)
        factors = factors_of(terms, weight)
        return tf.reduce_sum(terms if factors is None else terms * factors) * self.scale(terms)

    def scale(self, terms: tf.Tensor) -> tf.Tensor:
        """Return the factor in front of the sum over `terms`."""
        return 1 / tf.cast(tf.size(terms), terms.dtype)


class Elementwise(Loss):
    """A loss of the error of each case and unit, `prediction - target`; subclasses give `term`.

    Targets have the shape and the dtype of the prediction.
    """

    integer_targets = False

    def term(self, error: tf.Tensor) -> tf.Tensor:
        """Return the loss of each error, elementwise."""
        raise InputError(
            f"the loss {name_of(self)} has no method term(error): let it return the loss of each "
            "error"
        )

    def terms(self, prediction: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
        """Return `term` of each error."""
        require_same(prediction, target)
        return self.term(prediction - target)


class FunctionLoss(Loss):
    """The mean of the terms that a plain function makes of predictions and targets.

    Args:
        function: anything that can be called as `Loss.terms` is.
    """

    def __init__(self, function: Terms) -> None:
        self.function = function

    def terms(self, prediction: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
        """Return what the function makes."""
        return self.function(prediction, target)


def name_of(loss: Loss) -> str:
    """Return the name of a loss in messages and reports: its function's, or that of its class."""
    named = loss.function if isinstance(loss, FunctionLoss) else type(loss)
    return str(getattr(named, "__name__", type(named).__name__))


def checked_terms(loss: Loss, prediction: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """Return the terms of a loss as a tensor; raise as `Loss.__call__` does."""
    try:
        terms = tf.convert_to_tensor(loss.terms(prediction, target))
    except (TypeError, ValueError, tf.errors.InvalidArgumentError) as error:
        if isinstance(error, TftrainError) or "ymbolic" in str(error):
            raise  # a tensor of a program was asked for its value: whoever compiles says so
        raise InputError(
            f"the loss {name_of(loss)} cannot be computed of {_given(prediction, target)}, in "
            f"this order: {first_line(error).rstrip('. ')}{_hint(target, error)}"
        ) from error
    whole = _unreduced(terms, prediction, target)
    if whole is None or terms.dtype != prediction.dtype or _aligns_cases(loss, prediction, target):
        raise ShapeError(
            f"the loss {name_of(loss)} makes terms {_shown(terms)} of "
            f"{_given(prediction, target)}: return one {prediction.dtype.name} for each case, "
            "shape (cases,), or for each case and unit, shape (cases, units), neither reduced nor "
            "broadcast"
        )
    return terms if terms.shape.is_fully_defined() else tf.ensure_shape(terms, whole)


def factors_of(terms: tf.Tensor, weight: tf.Tensor | None) -> tf.Tensor | None:
    """Return the weight of each case in a shape that multiplies the terms, if there is one.

    Raises:
        ShapeError: it is not one weight per case, of the dtype of the terms.
    """
    if weight is None:
        return None
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
    return tf.reshape(weight, [-1] + [1] * (terms.shape.rank - 1))


def _unreduced(terms: tf.Tensor, prediction: tf.Tensor, target: tf.Tensor) -> tf.TensorShape | None:
    """Return the shape that terms must have: leading axes of another; None where they do not."""
    rank = terms.shape.rank
    if not prediction.shape[:1].is_compatible_with(target.shape[:1]):
        return None
    shapes = [one.shape[:rank] for one in (prediction, target) if one.shape.rank is not None]
    fitting = [shape for shape in shapes if rank and shape.is_compatible_with(terms.shape)]
    return next(iter(fitting), None)


def _aligns_cases(loss: Loss, prediction: tf.Tensor, target: tf.Tensor) -> bool:
    """Return whether targets are broadcast along the units, which only one batch size lets pass.

    With as many cases as units, `prediction - target` of shapes `(n, n)` and `(n,)` is no error. So
    the terms are made of one case more.
    """
    count = prediction.shape[:1].num_elements()
    if prediction.shape[1:].rank == 0 or target.shape.rank != 1 or prediction.shape[-1] != count:
        return False
    more = [tf.concat([one, one[:1]], axis=0) for one in (prediction, target)]
    try:
        loss.terms(*more)
    except (ValueError, tf.errors.InvalidArgumentError):
        return True
    return False


def _given(prediction: tf.Tensor, target: tf.Tensor) -> str:
    return f"predictions {_shown(prediction)} and targets {_shown(target)}"


def _shown(tensor: Any) -> str:
    return f"of {tensor.dtype.name} and shape {tensor.shape}"


def _hint(target: tf.Tensor, error: Exception) -> str:
    """Return what to do where integers among the targets may be the reason of an error."""
    if not (target.dtype.is_integer and target.dtype.name in str(error)):
        return ""
    return (
        ". Targets that are integers stay so for such a loss, as labels: give floating-point "
        "numbers where they are quantities"
    )


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
