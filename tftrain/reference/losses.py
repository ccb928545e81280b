"""Losses by hand: the value, and the delta with which the backward pass begins.

With `e = prediction - target` and the weight `w` of a case, a loss is `scale * sum(w * term(e))`,
so that `delta_N = dL/dprediction = scale * w * term'(e)`. The references of `tftrain.losses`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tftrain.errors import InputError, ShapeError
from tftrain.reference.bounded import Bounded
from tftrain.reference.functions import absolute
from tftrain.reference.layers import Array, Reference, as_numbers_of, register


class Loss(Reference):
    """A loss; subclasses give `term` and `slope`."""

    def term(self, error: Array) -> Array:
        """Return the loss of each error."""
        raise NotImplementedError

    def slope(self, error: Array) -> Array:
        """Return the derivative of `term`."""
        raise NotImplementedError

    def scale(self, error: Array) -> float:
        """Return the factor in front of the sum: here one over the number of terms."""
        return 1 / error.size

    def term_text(self, error: str) -> str:
        """Return `term` as text, for an error that is a name or a number."""
        return f"term({error})"

    def slope_text(self, error: str) -> str:
        """Return `slope` as text, likewise."""
        return f"term'({error})"

    def definitions(self) -> list[str]:
        """Return what the letters of `term_text` stand for, as text."""
        return []

    def scale_text(self, units: int) -> str:
        """Return the factor behind the terms of one case, as text."""
        if type(self).scale is not Loss.scale:
            return f" * {self.scale(np.zeros((1, units))):g}"
        return "" if units == 1 else f" / {units}"

    def value(self, prediction: Array, target: Array, weight: Array | None = None) -> Array:
        """Return the loss, `scale * sum(w * term(e))`; arguments as for `tftrain.losses.Loss`."""
        error = _error(prediction, target)
        return self._weighted(error, weight).sum() * self.scale(error)

    def shares(self, prediction: Array, target: Array, weight: Array | None = None) -> Array:
        """Return what each error adds to the loss, of the shape of the prediction."""
        error = _error(prediction, target)
        return self._weighted(error, weight) * self.scale(error)

    def delta(self, prediction: Array, target: Array, weight: Array | None = None) -> Array:
        """Return `delta_N = scale * w * term'(e)`, of the shape of the prediction."""
        error = _error(prediction, target)
        slope, factor = self._of_each(error, "slope"), self.scale(error)
        return slope * (factor if weight is None else factor * _per_case(weight, error))

    def _weighted(self, error: Array, weight: Array | None) -> Array:
        terms = self._of_each(error, "term")
        return terms if weight is None else terms * _per_case(weight, error)

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


def _per_case(weight: Array, error: Array) -> Array:
    return weight.reshape([-1] + [1] * (error.ndim - 1))


@register("tftrain.losses.regression.MeanSquaredError")
@dataclass
class MeanSquaredError(Loss):
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

    def scale(self, error: Array) -> float:
        return 0.5

    def term_text(self, error: str) -> str:
        return f"{_base(error)}^2 / 2"

    def slope_text(self, error: str) -> str:
        return error

    def scale_text(self, units: int) -> str:
        return ""


@register("tftrain.losses.regression.MeanAbsoluteError")
@dataclass
class MeanAbsoluteError(Loss):
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
class Huber(Loss):
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


def l2_penalty(parameters: Iterable[Array], strength: float) -> Array:
    """Return `strength / 2` times the sum of squares of all weights (not biases).

    Its gradient with respect to a weight `W` is `strength * W`.
    """
    return strength / 2 * sum(((p * p).sum() for p in parameters if p.ndim >= 2), start=0.0)
