"""Losses by hand: the value, and the delta with which the backward pass begins.

A loss is `scale * sum(w * terms)`, with the weight `w` of a case, and the terms of a case depend on
the prediction for this case alone. So

    delta_N = dL/dprediction = scale * w * d(sum of the case's terms)/dprediction

Of an elementwise loss, with `e = prediction - target`, the last factor is `term'(e)`. These
are the references of `tftrain.losses`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from tftrain.errors import InputError, ShapeError
from tftrain.reference.bounded import Bounded
from tftrain.reference.functions import absolute, allow
from tftrain.reference.layers import (
    Array,
    Reference,
    as_numbers_of,
    reference_class,
    reference_of,
    register,
)


class Loss(Reference):
    """A loss; subclasses give `terms` and `slopes`. Arguments as for `tftrain.losses.Loss`."""

    def terms(self, prediction: Array, target: Array) -> Array:
        """Return one number for each case, or for each case and unit."""
        raise _missing(self, "terms")

    def slopes(self, prediction: Array, target: Array) -> Array:
        """Return the derivative of the sum of each case's terms, of the prediction's shape."""
        raise _missing(self, "slopes")

    def scale(self, terms: Array) -> float:
        """Return the factor in front of the sum: here one over the number of terms."""
        return 1 / terms.size

    def value(self, prediction: Array, target: Array, weight: Array | None = None) -> Array:
        """Return the loss, `scale * sum(w * terms)`."""
        terms = self.terms(prediction, target)
        return _weighted(terms, weight).sum() * self.scale(terms)

    def shares(self, prediction: Array, target: Array, weight: Array | None = None) -> Array:
        """Return what each term adds to the loss, of the shape of the terms."""
        terms = self.terms(prediction, target)
        return _weighted(terms, weight) * self.scale(terms)

    def delta(self, prediction: Array, target: Array, weight: Array | None = None) -> Array:
        """Return `delta_N = scale * w * slopes`, of the shape of the prediction."""
        slopes, factor = self.slopes(prediction, target), self._factor(prediction, target)
        return slopes * (factor if weight is None else factor * _per_case(weight, slopes))

    def _factor(self, prediction: Array, target: Array) -> float:
        return self.scale(self.terms(prediction, target))


class Elementwise(Loss):
    """A loss of the error of each case and unit; subclasses give `term` and `slope`."""

    def term(self, error: Array) -> Array:
        """Return the loss of each error."""
        raise NotImplementedError

    def slope(self, error: Array) -> Array:
        """Return the derivative of `term`."""
        raise NotImplementedError

    def term_text(self, error: str) -> str:
        """Return `term` as text, for an error that is a name or a number."""
        return f"term({error})"

    def slope_text(self, error: str) -> str:
        """Return `slope` as text, as `term_text` does."""
        return f"term'({error})"

    def definitions(self) -> list[str]:
        """Return what the letters of `term_text` stand for, as text."""
        return []

    def scale_text(self, units: int) -> str:
        """Return the factor behind the terms of one case, as text."""
        if type(self).scale is not Loss.scale:
            return f" * {self.scale(np.zeros((1, units))):g}"
        return "" if units == 1 else f" / {units}"

    def terms(self, prediction: Array, target: Array) -> Array:
        """Return `term` of each error."""
        return self._of_each(_error(prediction, target), "term")

    def slopes(self, prediction: Array, target: Array) -> Array:
        """Return `slope` of each error."""
        return self._of_each(_error(prediction, target), "slope")

    def _factor(self, prediction: Array, target: Array) -> float:
        return self.scale(prediction)  # there are as many terms as predictions

    def _of_each(self, error: Array, name: str) -> Array:
        """Return the term or the slope of each error; a number counts for each."""
        value = getattr(self, name)(error)
        if value is None:
            raise InputError(
                f"the method {name!r} of {type(self).__name__} returned None: return the {name} of "
                "each error"
            )
        if not isinstance(value, Bounded) and np.ndim(value) == 0:
            value = np.full(error.shape, value)
        return as_numbers_of(error, value)


@dataclass
class Foreign(Loss):
    """A loss that the reference does not know: its numbers are those that an engine found.

    Attributes:
        found: its value.
        first: the delta with which it begins.
    """

    found: Array = np.nan
    first: Array = np.nan

    def value(self, prediction: Array, target: Array, weight: Array | None = None) -> Array:
        """Return the value that was found."""
        return self.found

    def delta(self, prediction: Array, target: Array, weight: Array | None = None) -> Array:
        """Return the delta that was found."""
        return self.first


def _missing(loss: Loss, method: str) -> InputError:
    """Return the error for a reference without a method."""
    remedy = "write it in NumPy"
    if hasattr(loss, "term"):
        remedy = "it has 'term', so make it a subclass of tftrain.reference.Elementwise"
    return InputError(f"the reference {type(loss).__name__} has no method {method!r}: {remedy}")


def _error(prediction: Array, target: Array) -> Array:
    if prediction.shape != target.shape:
        raise ShapeError(
            f"predictions of shape {prediction.shape} and targets of shape {target.shape}: give "
            "both the same shape"
        )
    return prediction - target


def _base(error: str) -> str:
    """Return an error as the base of a power."""
    return f"({error})" if error.startswith("-") else error


def _per_case(weight: Array, values: Array) -> Array:
    return weight.reshape([-1] + [1] * (values.ndim - 1))


def _weighted(terms: Array, weight: Array | None) -> Array:
    return terms if weight is None else terms * _per_case(weight, terms)


@register("tftrain.losses.regression.MeanSquaredError")
@dataclass
class MeanSquaredError(Elementwise):
    """`e^2`, with the derivative `2 e`."""

    def term(self, error: Array) -> Array:
        return error * error

    def slope(self, error: Array) -> Array:
        return 2 * error

    def term_text(self, error: str) -> str:
        return f"{_base(error)}^2"

    def slope_text(self, error: str) -> str:
        return f"2 * {error}"


@register("tftrain.losses.regression.SumSquaredError")
@dataclass
class SumSquaredError(MeanSquaredError):
    """`e^2 / 2` summed: Rumelhart, Hinton and Williams (1986), equation 3."""

    def scale(self, terms: Array) -> float:
        return 0.5

    def term_text(self, error: str) -> str:
        return f"{_base(error)}^2 / 2"

    def slope_text(self, error: str) -> str:
        return error

    def scale_text(self, units: int) -> str:
        return ""


@register("tftrain.losses.regression.MeanAbsoluteError")
@dataclass
class MeanAbsoluteError(Elementwise):
    """`|e|`, with the derivative `sign(e)`; at zero anything from -1 to 1 is a subgradient."""

    def term(self, error: Array) -> Array:
        return absolute(error)

    def slope(self, error: Array) -> Array:
        return np.sign(error)

    def term_text(self, error: str) -> str:
        return f"|{error}|"

    def slope_text(self, error: str) -> str:
        return f"sign({error})"


@register("tftrain.losses.regression.Huber")
@dataclass
class Huber(Elementwise):
    """`e^2 / 2` where `|e| <= delta`, else `delta (|e| - delta / 2)`; derivative: `e` clipped.

    Attributes:
        threshold: where the pieces meet; `delta` on the TensorFlow side.
    """

    threshold: float = 1.0

    @classmethod
    def of(cls, original: Any) -> "Huber":
        return cls(original.delta)

    def term(self, error: Array) -> Array:
        size = absolute(error)
        inside = np.minimum(size, self.threshold)
        return inside * (size - inside / 2)

    def slope(self, error: Array) -> Array:
        return np.clip(error, -self.threshold, self.threshold)

    def term_text(self, error: str) -> str:
        return f"h({error})"

    def slope_text(self, error: str) -> str:
        return f"clip({error}, -{self.threshold:g}, {self.threshold:g})"

    def definitions(self) -> list[str]:
        t = f"{self.threshold:g}"
        return [f"h(e) = e^2 / 2 where |e| <= {t}", f"else {t} * (|e| - {t} / 2)"]


LOSSES: dict[str, type[Loss]] = {
    "mse": MeanSquaredError,
    "sum_squared_error": SumSquaredError,
    "mae": MeanAbsoluteError,
    "huber": Huber,
}
"""By the names that `tftrain.fit` takes."""


@register("tftrain.losses.objective.L2")
@dataclass
class L2(Reference):
    """`strength / 2` times the sum of squares of all weights `W` (not biases)."""

    strength: float

    def value(self, parameters: Iterable[Array]) -> Array:
        """Return the penalty on all parameters."""
        return self.strength / 2 * self.sum_of(parameters)

    def sum_of(self, parameters: Iterable[Array]) -> Array:
        """Return the sum of squares."""
        return sum(((p * p).sum() for p in parameters if p.ndim >= 2), start=0.0)

    def gradient(self, parameter: Array) -> Array | None:
        """Return `strength * W`; None for a bias."""
        return self.strength * parameter if parameter.ndim >= 2 else None

    def text(self, squares: str) -> str:
        """Return the penalty as text, for a sum of squares that is a name or a number."""
        return f"{self.strength:g} / 2 * {squares}"

    def gradient_text(self, weight: str) -> str:
        """Return the gradient as text, likewise for a weight."""
        return f"{self.strength:g} * {weight}"


@register("tftrain.losses.objective.Objective")
@dataclass
class Objective(Reference):
    """What is minimised: a loss, plus penalties on the parameters.

    Attributes:
        loss: of predictions and targets; `Foreign` where the reference does not know it.
        penalties: each of them added.
    """

    loss: Loss
    penalties: Sequence[L2] = ()

    @classmethod
    def of(cls, original: Any) -> Self:
        """Return the reference of an objective, whether or not there is one of its loss."""
        loss = original.loss
        known = reference_class(loss) is not None
        penalties = [reference_of(penalty) for penalty in original.penalties]
        return cls(reference_of(loss) if known else Foreign(), penalties)

    @classmethod
    def with_l2(cls, loss: Loss, l2: float) -> Self:
        """Return a loss with an L2 penalty, where that has any strength."""
        return cls(loss, [L2(l2)] if l2 else [])

    @property
    def is_known(self) -> bool:
        """Whether the loss has a reference."""
        return not isinstance(self.loss, Foreign)

    def value(
        self,
        parameters: Sequence[Array],
        prediction: Array,
        target: Array,
        weight: Array | None = None,
    ) -> Array:
        """Return the objective; arguments as for `tftrain.losses.Objective`."""
        value = self.loss.value(prediction, target, weight)
        return value + self.penalty(parameters) if self.penalties else value

    def penalty(self, parameters: Sequence[Array]) -> Array:
        """Return the sum of the penalties."""
        return sum((penalty.value(parameters) for penalty in self.penalties), start=0.0)

    def penalised(self, gradient: Array, parameter: Array, cases: int = 0) -> Array:
        """Return the gradient of a parameter with that of the penalties.

        Args:
            gradient: that of the loss.
            parameter: the parameter.
            cases: how many there are, where an engine may add the products case by case.
        """
        for penalty in self.penalties:
            own = penalty.gradient(parameter)
            gradient = gradient if own is None else gradient + allow(own, cases)
        return gradient
