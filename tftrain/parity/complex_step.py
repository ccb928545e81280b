"""A check of the reference itself: its backward pass against its forward pass, by the complex step.

For an analytic function, `f(x + i h v) = f(x) + i h J v + O(h^2)`; with `h = 1e-40` the imaginary
part over `h` is `J v` to machine precision, since nothing is subtracted. So `<dy, J v>`, from the
forward pass alone, must be `<dx, v> + <dp, v_p>`, from the backward pass alone. Both sum the same
products; so they may differ by what rounding may do to the backward pass, four times for good
measure, and by what the imaginary parts lose to underflow: 2e-268 in each element of `J v`.

Where a function is not analytic, as `np.abs` of complex numbers, differences of real numbers take
its place. On a kink they differ from side to side: `parity/kinks.py` looks at kinks one by one.

Source: Squire and Trapp (1998), "Using complex variables to estimate derivatives of real
functions".
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from tftrain.graph import argument
from tftrain.parity.check import CERTIFICATE, EVIDENCE, Check
from tftrain.parity.differences import Differences
from tftrain.reference import PRECISIONS, Bounded, Layer
from tftrain.reference.layers import Array, sent_back
from tftrain.streams import Purpose, stream
from tftrain.traces import is_discrete

TINY_STEP = 1e-40

REAL_STEP, ROUGHLY = 1e-6, 1e-3
"""Step and relative error of the real differences that a tangent is compared with."""

STEPS = 32
"""Differences, the last of which has a step of 2e-8."""

LOOSE = 1e-4
"""Bound, relative to what is summed, above which a check proves nothing."""

TIGHT = 1e-7
"""Bound, relative to what is summed, below which not even one kink of a million is overlooked."""

EQUAL = 1e-9
"""Relative error below which both passes count as right, however loose the bound."""

PRECISION = PRECISIONS["float64"]


class Point:
    """A reference node at a point: its inputs, its parameters and the delta at its outputs.

    Args:
        name: of the node.
        reference: the reference, with float64 parameters.
        inputs: of the node; integers stay as they are.
        dy: the delta at the outputs, float64.
        argument: makes of the inputs what the reference is called with.

    Attributes:
        gradient: of inputs and parameters, one after the other; zero for what does not move.
        moves: which of these numbers may be moved: not integers, nor what has no gradient.
    """

    def __init__(
        self,
        name: str,
        reference: Layer,
        inputs: Sequence[np.ndarray],
        dy: np.ndarray,
        argument: Callable[[Sequence[Any]], Any] = argument,
    ) -> None:
        self.name, self.reference, self.dy, self.argument = name, reference, dy, argument
        self.inputs = [one if is_discrete(one) else as_float64(one) for one in inputs]
        with np.errstate(all="ignore"):
            sent, gradients = self._backward(reference, self.inputs, dy)
            self.gradient = self._flat(sent, gradients)
        moves = [np.full(one.size, not is_discrete(one)) for one in self.inputs]
        moves += [np.full(p.size, name in gradients) for name, p in reference.parameters.items()]
        self.moves = np.concatenate(moves)

    def with_delta(self, dy: np.ndarray) -> "Point":
        """Return the same point with another delta."""
        other = Point(self.name, self.reference, self.inputs, dy, self.argument)
        vars(other)["direction"] = self.direction
        return other

    @cached_property
    def direction(self) -> np.ndarray:
        """A random direction, the same every time."""
        return stream(0, Purpose.DIRECTIONS).standard_normal(self.moves.size) * self.moves

    def output(self, move: np.ndarray) -> np.ndarray:
        """Return the output after a move of inputs and parameters."""
        parts = iter(np.split(move, np.cumsum([p.size for p in self._parts])[:-1]))
        with np.errstate(all="ignore"):
            steps = [next(parts).reshape(one.shape) for one in self.inputs]
            inputs = [
                one if is_discrete(one) else one + step
                for one, step in zip(self.inputs, steps, strict=True)
            ]
            reference = self.reference.with_parameters(lambda p: p + next(parts).reshape(p.shape))
            return np.asarray(reference.forward(self.argument(inputs)))

    @cached_property
    def bound(self) -> np.ndarray:
        """What rounding may do to each number of the gradient."""

        def exact(value: np.ndarray) -> Bounded:
            return Bounded.exact(value, PRECISION)

        inputs = [one if is_discrete(one) else exact(one) for one in self.inputs]
        with np.errstate(all="ignore"):
            reference = self.reference.with_parameters(exact)
            sent, gradients = self._backward(reference, inputs, exact(self.dy))
            bounds = {name: _bound(gradient) for name, gradient in gradients.items()}
            return self._flat([_bound(one) for one in sent], bounds)

    @property
    def _parts(self) -> list[np.ndarray]:
        return [*self.inputs, *self.reference.parameters.values()]

    def _backward(
        self, reference: Layer, inputs: Sequence[Array], dy: Array
    ) -> tuple[Sequence[Array], dict[str, Array]]:
        """Return the deltas that are sent back, and the gradients of the parameters by name."""
        x = self.argument(inputs)
        dx, gradients = reference.backward(x, reference.forward(x), dy)
        return sent_back(dx, inputs), gradients

    def _flat(self, sent: Sequence[Array], gradients: dict[str, Array]) -> np.ndarray:
        """Return what belongs to inputs and parameters as one vector; zero where it is missing."""
        given = [*sent, *(gradients.get(name, 0.0) for name in self.reference.parameters)]
        return np.concatenate([_like(g, part) for g, part in zip(given, self._parts, strict=True)])


def _bound(gradient: Array) -> Array:
    return gradient.bound if isinstance(gradient, Bounded) else 0.0


def _like(value: Array, part: np.ndarray) -> np.ndarray:
    value = as_float64(value)
    return (value if value.size == part.size else np.broadcast_to(value, part.shape)).ravel()


def as_float64(value: Array) -> np.ndarray:
    """Return a value as a float64 array."""
    return np.asarray(value, np.float64)


@dataclass(frozen=True)
class Line:
    """A direction in which a point is moved, and what both passes say of the derivative along it.

    Attributes:
        point: the node at its point.
        direction: a number for each input and parameter.
    """

    point: Point
    direction: np.ndarray

    def output(self, t: complex) -> np.ndarray:
        """Return the output at a distance `t`."""
        return self.point.output(t * self.direction)

    @cached_property
    def backward(self) -> float:
        """The derivative, from the backward pass."""
        return float(np.sum(self._terms))

    @cached_property
    def size(self) -> float:
        """Sum of the sizes of its terms."""
        return float(np.sum(np.abs(self._terms)))

    def checked(self) -> Check | None:
        """Return the better of the checks by a complex step and by differences."""
        exact = self.by_complex_step()
        return exact if proves(exact) else self.by_differences() or exact

    def is_exact(self) -> bool:
        """Return whether both passes agree so well that no kink is overlooked."""
        exact = self.by_complex_step()
        return self.is_exact_by(exact or self.by_differences())

    def is_exact_by(self, check: Check | None) -> bool:
        """Return whether a check proves that they do."""
        if check is None or not proves(check):
            return False
        return check.bound <= TIGHT * self.size or check.error <= EQUAL * self.size

    def by_complex_step(self) -> Check | None:
        """Check by a complex step: evidence where the bound is loose.

        None where the node takes no complex numbers, or drops their imaginary parts as `np.abs`
        does: then real numbers move it otherwise.
        """
        try:
            tangent = np.asarray(self.output(1j * TINY_STEP).imag / TINY_STEP)
        except (TypeError, ValueError):
            return None
        if self._is_doubtful(tangent):
            return None
        dy = self.point.dy
        with np.errstate(all="ignore"):
            products = dy * tangent
            # An imaginary part below the smallest normal number has few digits.
            few = np.sum(np.abs(dy)) * PRECISION.tiny / TINY_STEP
            bound = 4 * float(self._room + _lost(products) + few)
        return self._check("complex step", float(np.sum(products)), bound)

    def _is_doubtful(self, tangent: np.ndarray) -> bool:
        """Return whether an output moves with real numbers otherwise than its tangent says."""
        with np.errstate(all="ignore"):
            up, down = self.output(REAL_STEP), self.output(-REAL_STEP)
            slope = (up - down) / (2 * REAL_STEP)
            noise = 8 * PRECISION.roundoff * (np.abs(up) + np.abs(down)) / REAL_STEP
            return bool(np.any(np.abs(slope - tangent) > ROUGHLY * np.abs(slope) + noise))

    def by_differences(self) -> Check | None:
        """Check by differences of real numbers: evidence where their bound is loose."""
        with np.errstate(all="ignore"):
            eps, dy = float(np.finfo(np.float64).eps), self.point.dy
            found = Differences(self.output, lambda step: self.backward, dy, eps, steps=STEPS)
            _, slope, bound = found.judged(4 * self._room)
        return self._check("central differences", slope, bound)

    @cached_property
    def _terms(self) -> np.ndarray:
        with np.errstate(all="ignore"):
            return self.point.gradient * self.direction

    @cached_property
    def _room(self) -> float:
        """What rounding may do to the derivative."""
        with np.errstate(all="ignore"):
            found = np.sum(self.point.bound * np.abs(self.direction))
            return float(found + _lost(self._terms))

    def _check(self, quantity: str, forward: float, bound: float) -> Check | None:
        """Compare the backward pass with the forward pass; None where either is not finite."""
        error = abs(forward - self.backward)
        if not (np.isfinite(error) and np.isfinite(bound)):
            return None
        check = Check(
            "numpy",
            "float64",
            self.point.name,
            quantity,
            error=error,
            bound=bound,
            ratio=0.0 if error == 0 else error / bound if bound else np.inf,
            actual=self.backward,
            expected=forward,
        )
        if bound <= LOOSE * self.size or error <= EQUAL * self.size:
            return check
        return replace(check, kind=EVIDENCE, relative_bound=self.relative(bound))

    def relative(self, bound: float) -> float:
        """Return a bound relative to what is summed."""
        return bound / self.size if self.size else np.inf


def proves(check: Check | None) -> bool:
    """Return whether a check holds, by a bound that is not loose."""
    return check is not None and check.ok and check.kind == CERTIFICATE


def _lost(products: np.ndarray) -> float:
    """Return what rounding may do to the sum of products."""
    return float(products.size * PRECISION.roundoff * np.sum(np.abs(products)))
