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

import numpy as np

from tftrain.parity.checks import Check
from tftrain.parity.differences import differences, judged
from tftrain.reference import PRECISIONS, Bounded, Layer, Loss
from tftrain.reference.layers import Array, sent_on
from tftrain.streams import Purpose, stream
from tftrain.traces import Node, Trace, is_discrete

STEP = 1e-40


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
        The check, by differences of real numbers where the node takes no complex ones or is not
        analytic; None where its numbers are not finite.
    """
    precision = PRECISIONS["float64"]
    rng = stream(0, Purpose.DIRECTIONS)
    fixed = is_discrete(node.x)
    x = node.x if fixed else node.x.astype(np.float64)
    dy = node.dy.astype(np.float64)
    twin = twin.with_parameters(lambda value: np.asarray(value, np.float64))
    with np.errstate(all="ignore"):
        y = twin.forward(x)
        dx, gradients = twin.backward(x, y, dy)
    along = rng.standard_normal(x.shape)
    ways = {
        name: rng.standard_normal(p.shape) if name in gradients else np.zeros(p.shape)
        for name, p in twin.parameters.items()
    }

    def moved(t: complex) -> np.ndarray:
        """Return the output at a point `t` along the direction."""
        moves = iter(ways.values())
        with np.errstate(all="ignore"):
            moved_x = x if fixed else x + t * along
            return twin.with_parameters(lambda p: p + t * next(moves)).forward(moved_x)

    tangent = _tangent(moved)
    exact = twin.with_parameters(lambda value: Bounded.exact(value, precision))
    bounded_x = x if fixed else Bounded.exact(x, precision)
    with np.errstate(all="ignore"):
        wide_dx, wide = exact.backward(
            bounded_x, exact.forward(bounded_x), Bounded.exact(dy, precision)
        )
        wide_dx = Bounded.exact(0 * along, precision) + sent_on(wide_dx, bounded_x)
        terms = [sent_on(dx, x) * along, *(g * ways[name] for name, g in gradients.items())]
        backward = float(sum(map(np.sum, terms)))
        room = np.sum(wide_dx.bound * np.abs(along))
        room += sum(np.sum(g.bound * np.abs(ways[name])) for name, g in wide.items())
        for products in terms:  # what is lost in the sums themselves
            room += products.size * precision.roundoff * np.sum(np.abs(products))
        forward, bound, quantity = np.nan, np.nan, "complex step"
        if tangent is not None:
            products = dy * tangent
            forward = float(np.sum(products))
            lost = products.size * precision.roundoff * np.sum(np.abs(products))
            # An imaginary part below the smallest normal number has few digits.
            bound = 4 * float(room + lost + np.sum(np.abs(dy)) * precision.tiny / STEP)
        if not abs(forward - backward) <= bound:
            eps = float(np.finfo(np.float64).eps)
            rows = differences(moved, lambda step: backward, dy, eps)
            _, slope, uncertain = judged(rows, 4 * float(room))
            if abs(slope - backward) <= uncertain or tangent is None:
                forward, bound, quantity = slope, uncertain, "central differences"
    error = abs(forward - backward)
    if not (np.isfinite(error) and np.isfinite(bound)):
        return None
    return Check(
        "numpy",
        "float64",
        name,
        quantity,
        error=error,
        bound=bound,
        ratio=0.0 if error == 0 else error / bound if bound else np.inf,
        actual=backward,
        expected=forward,
    )


def _tangent(moved: Callable[[complex], np.ndarray]) -> np.ndarray | None:
    """Return the derivative along the direction by a complex step, or None without one."""
    try:
        return np.asarray(moved(1j * STEP).imag / STEP)
    except (TypeError, ValueError):
        return None
