"""A check of the reference itself: its backward pass against its forward pass, by the complex step.

For an analytic function, `f(x + i h v) = f(x) + i h J v + O(h^2)`; with `h = 1e-40` the imaginary
part over `h` is `J v` to machine precision, since nothing is subtracted. So `<dy, J v>`, from the
forward pass alone, must be `<dx, v> + <dp, v_p>`, from the backward pass alone. Both sum the same
products; so they may differ by what rounding may do to the backward pass, four times for good
measure, and by what the imaginary parts lose to underflow: 2e-268 in each element of `J v`.

Source: Squire and Trapp (1998), "Using complex variables to estimate derivatives of real
functions".
"""

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property

import numpy as np

from tftrain.parity.checks import CERTIFICATE, EVIDENCE, Check
from tftrain.parity.differences import Differences
from tftrain.reference import PRECISIONS, Bounded, Layer, Loss
from tftrain.reference.layers import Array, sent_on
from tftrain.streams import Purpose, stream
from tftrain.traces import Node, Trace, is_discrete

STEP = 1e-40

NEARBY = 0.05, 0.1
"""Least and largest distance of the point nearby, relative to the values."""

NEGLIGIBLE = 1e-6
"""Size of a value, relative to the mean, up to which it counts as zero."""

STEPS = 32
"""Differences, the last of which has a step of 2e-8."""

LOOSE = 1e-4
"""Bound, relative to what is summed, above which a check proves nothing."""

LEAST = 1e-7
"""Step of the slopes on both sides of a kink."""

MOST_OUTPUTS = 32
"""Outputs that are looked at one by one, at most."""

EQUAL = 1e-9
"""Relative error below which both passes count as right, however loose the bound."""

PRECISION = PRECISIONS["float64"]


class LossLayer(Layer):
    """A loss as the last node: its input is the prediction, and the delta at its output is 1."""

    def __init__(self, loss: Loss, target: np.ndarray, weight: np.ndarray | None) -> None:
        self.loss, self.target, self.weight = loss, target, weight

    @property
    def parameters(self) -> dict[str, np.ndarray]:
        return {}

    def with_parameters(self, change: Callable[[Array], Array]) -> "LossLayer":
        return self

    def forward(self, x: Array) -> Array:
        return self.loss.value(x, self.target, self.weight)

    def backward(self, x: Array, y: Array, dy: Array) -> tuple[Array, dict[str, Array]]:
        return dy * self.loss.delta(x, self.target, self.weight), {}


def complex_step_of_loss(loss: Loss, trace: Trace) -> Check | None:
    """Check a reference loss at the prediction of a trace."""
    target = trace.target.astype(np.float64)
    weight = None if trace.weight is None else trace.weight.astype(np.float64)
    one = np.ones(())
    node = Node("loss", trace.prediction, one, one, trace.delta)
    return complex_step("loss", LossLayer(loss, target, weight), node)


def complex_step(name: str, twin: Layer, node: Node) -> Check | None:
    """Check a reference node at the values of a trace.

    Returns:
        The check, which is evidence where only differences with a loose bound could be had; None
        where the node's numbers are not finite.
    """
    here = _Point(name, twin.with_parameters(_as_float64), node.x, node.dy.astype(np.float64))
    exact = here.by_complex_step()
    if _proves(exact):
        return exact
    found = here.by_differences()
    if found is None or not found.ok:
        return exact or found
    if _proves(found):
        return found
    nearby = _check_nearby(here)
    if nearby is None or (nearby.ok and not here.lies_between_slopes()):
        return found
    return nearby


def _proves(check: Check | None) -> bool:
    return check is not None and check.ok and check.kind == CERTIFICATE


def _check_nearby(here: "_Point") -> Check | None:
    """Check a reference node away from its kinks; None where it cannot be computed."""
    try:
        there = here.nearby()
        exact = there.by_complex_step()
        return exact if _proves(exact) else there.by_differences()
    except Exception:  # a node need not be defined nearby, as where inputs are the numbers of rows
        return None


class _Point:
    """A reference node at a point, and a random direction in which its values are moved.

    Args:
        name: of the node.
        twin: the reference, with float64 parameters.
        x: inputs; integers stay as they are.
        dy: the delta at the outputs, float64.
        aligned: whether to choose the direction so that no two parts of the derivative cancel.
    """

    def __init__(
        self, name: str, twin: Layer, x: np.ndarray, dy: np.ndarray, aligned: bool = False
    ) -> None:
        self.name, self.twin, self.dy = name, twin, dy
        self.fixed = is_discrete(x)
        self.x = x if self.fixed else _as_float64(x)
        rng = self.rng = stream(0, Purpose.DIRECTIONS)
        with np.errstate(all="ignore"):
            self.dx, self.gradients = twin.backward(self.x, twin.forward(self.x), dy)
        self.along = rng.standard_normal(x.shape)
        self.ways = {
            name: rng.standard_normal(p.shape) if name in self.gradients else np.zeros(p.shape)
            for name, p in twin.parameters.items()
        }
        if aligned:
            self.along = _turned(self.along, sent_on(self.dx, self.x))
            self.ways |= {name: _turned(self.ways[name], g) for name, g in self.gradients.items()}

    def nearby(self) -> "_Point":
        """Return a point near this one, where no value is nearly zero and no two are equal."""

        def moved(value: np.ndarray) -> np.ndarray:
            mean = np.sqrt(np.sum(value**2) / max(value.size, 1)) or 1.0
            size = np.where(np.abs(value) <= NEGLIGIBLE * mean, mean, np.abs(value))
            way = self.rng.choice([-1.0, 1.0], value.shape) * self.rng.uniform(*NEARBY, value.shape)
            return np.asarray(value + way * size)

        x = self.x if self.fixed else moved(self.x)
        return _Point(self.name, self.twin.with_parameters(moved), x, self.dy)

    def lies_between_slopes(self) -> bool:
        """Return whether the backward pass lies between the slopes on both sides.

        Every subgradient does, of an output that has one kink or only convex ones. So single
        outputs are looked at, along a random direction and along one in which nothing cancels.
        """
        with np.errstate(all="ignore"):
            up, here, down = (self._moved(t) for t in (LEAST, 0.0, -LEAST))
            bend, rounded = np.abs(up - 2 * here + down), 8 * PRECISION.roundoff * np.abs(here)
            on_kink = bend > LOOSE * np.abs(up - down) + rounded  # what is curved bends far less
            bent = np.flatnonzero(self.dy * on_kink)
        for place in self.rng.choice(bent, min(len(bent), MOST_OUTPUTS), replace=False):
            alone = np.zeros(self.dy.shape)
            alone.flat[place] = self.dy.flat[place]
            for aligned in (False, True):
                if not _Point(self.name, self.twin, self.x, alone, aligned)._is_between():
                    return False
        return True

    def _is_between(self) -> bool:
        """Return whether the derivative along the direction is between the slopes on both sides."""
        with np.errstate(all="ignore"):
            up, here, down = (self.dy * self._moved(t) for t in (LEAST, 0.0, -LEAST))
            least, most = sorted([np.sum(up - here) / LEAST, np.sum(here - down) / LEAST])
            lost = 4 * PRECISION.roundoff * np.sum(np.abs(here)) / LEAST
            room = LOOSE * self.size + lost
        return bool(least - room <= self.backward <= most + room)

    def by_complex_step(self) -> Check | None:
        """Check by a complex step: evidence where the bound is loose.

        None where the node takes no complex numbers.
        """
        try:
            tangent = np.asarray(self._moved(1j * STEP).imag / STEP)
        except (TypeError, ValueError):
            return None
        with np.errstate(all="ignore"):
            products = self.dy * tangent
            # An imaginary part below the smallest normal number has few digits.
            few = np.sum(np.abs(self.dy)) * PRECISION.tiny / STEP
            bound = 4 * float(self.room + _lost(products) + few)
        return self._check("complex step", float(np.sum(products)), bound)

    def by_differences(self) -> Check | None:
        """Check by differences of real numbers: evidence where their bound is loose."""
        with np.errstate(all="ignore"):
            eps = float(np.finfo(np.float64).eps)
            found = Differences(self._moved, lambda step: self.backward, self.dy, eps, steps=STEPS)
            _, slope, bound = found.judged(4 * self.room)
        return self._check("central differences", slope, bound)

    @cached_property
    def backward(self) -> float:
        """The derivative along the direction, from the backward pass."""
        return float(sum(map(np.sum, self._terms)))

    @cached_property
    def size(self) -> float:
        """Sum of the sizes of its terms."""
        return float(sum(np.sum(np.abs(terms)) for terms in self._terms))

    @cached_property
    def room(self) -> float:
        """What rounding may do to it."""
        x = self.x if self.fixed else Bounded.exact(self.x, PRECISION)
        twin = self.twin.with_parameters(lambda value: Bounded.exact(value, PRECISION))
        with np.errstate(all="ignore"):
            dx, gradients = twin.backward(x, twin.forward(x), Bounded.exact(self.dy, PRECISION))
            dx = Bounded.exact(0 * self.along, PRECISION) + sent_on(dx, x)
            found = np.sum(dx.bound * np.abs(self.along))
            found += sum(np.sum(g.bound * np.abs(self.ways[n])) for n, g in gradients.items())
            return float(found + sum(_lost(terms) for terms in self._terms))

    @cached_property
    def _terms(self) -> list[np.ndarray]:
        own = (gradient * self.ways[name] for name, gradient in self.gradients.items())
        with np.errstate(all="ignore"):
            return [sent_on(self.dx, self.x) * self.along, *own]

    def _moved(self, t: complex) -> np.ndarray:
        """Return the output at a distance `t` along the direction."""
        ways = iter(self.ways.values())
        with np.errstate(all="ignore"):
            x = self.x if self.fixed else self.x + t * self.along
            return self.twin.with_parameters(lambda p: p + t * next(ways)).forward(x)

    def _check(self, quantity: str, forward: float, bound: float) -> Check | None:
        """Compare the backward pass with the forward pass; None where either is not finite."""
        error = abs(forward - self.backward)
        if not (np.isfinite(error) and np.isfinite(bound)):
            return None
        check = Check(
            "numpy",
            "float64",
            self.name,
            quantity,
            error=error,
            bound=bound,
            ratio=0.0 if error == 0 else error / bound if bound else np.inf,
            actual=self.backward,
            expected=forward,
        )
        if bound <= LOOSE * self.size or error <= EQUAL * self.size:
            return check
        relative = bound / self.size if self.size else np.inf
        return replace(check, kind=EVIDENCE, relative_bound=relative)


def _lost(products: np.ndarray) -> float:
    """Return what rounding may do to the sum of products."""
    return float(products.size * PRECISION.roundoff * np.sum(np.abs(products)))


def _turned(way: np.ndarray, gradient: Array) -> np.ndarray:
    """Return a direction in which every product with a gradient is positive or zero."""
    return np.where(gradient < 0, -1.0, 1.0) * np.abs(way)


def _as_float64(value: np.ndarray) -> np.ndarray:
    return np.asarray(value, np.float64)
