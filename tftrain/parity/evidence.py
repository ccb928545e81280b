"""Evidence for layers that the reference does not know: no certificate, but two independent views.

A layer is a function `f(x, p)` of its input and its variables, and reverse mode claims
`dx = J_x' dy` and `dp = J_p' dy`. Along a random direction `v` of all inputs together

    <dy, J v> = <J' dy, v>                                                     (1)

Forward mode gives the left side exactly but for rounding (`tf.autodiff.ForwardAccumulator`); but it
comes of the same derivatives, so a wrong formula may be wrong in both. Central differences of
`<dy, f(x + t v)>` do not; Richardson's extrapolation (Ridders' tableau; Press et al., "Numerical
recipes", section 5.7) gives them with an estimate of their own error. What the layer stops with
`tf.stop_gradient` counts as constant.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import tensorflow as tf

from tftrain import nn
from tftrain.errors import InputError
from tftrain.parity.certificate import Part
from tftrain.parity.checks import CERTIFICATE, EVIDENCE, Check
from tftrain.parity.stopped import holding_constant
from tftrain.reference import PRECISIONS
from tftrain.streams import Purpose, stream
from tftrain.traces import Node, is_discrete

DIRECTIONS = 3
ROUNDINGS = 1000
"""Units of roundoff, of the sizes of all products in (1), that rounding may explain."""

STOPPED = "what tf.stop_gradient stops was taken for constant"

NARROW_ROUNDINGS = 16
"""The same in bfloat16, whose roundoff is 2^-8."""


def rounding(dtype: str) -> float:
    """Return the relative error that rounding may explain in a sum of many products."""
    narrow = dtype in ("bfloat16", nn.MIXED)
    roundoff = PRECISIONS["bfloat16" if narrow else dtype].roundoff
    return (NARROW_ROUNDINGS if narrow else ROUNDINGS) * roundoff


def alike(
    plain: np.ndarray,
    recorded: np.ndarray,
    mode: str,
    node: str,
    quantity: str,
    *,
    unit: float,
    proven: bool,
) -> Check:
    """Compare a gradient as it is trained with that of the step that recorded everything.

    Args:
        plain: as it is trained.
        recorded: of the other step.
        mode: how both were run.
        node: whose gradient it is.
        quantity: which gradient.
        unit: how far apart the two may be, over the largest element; to be near is evidence.
        proven: whether the recorded one is; then one that equals it bit by bit is proven as well.
    """
    apart = np.abs(plain.astype(np.float64) - recorded)
    equal = (plain == recorded) | (np.isnan(plain) & np.isnan(recorded))
    apart = np.where(equal, 0.0, np.where(np.isnan(apart), np.inf, apart))
    error = float(np.max(apart, initial=0.0))
    bound = unit * float(np.max(np.abs(recorded), initial=0.0))
    ratio = 0.0 if error == 0 else error / bound if bound else np.inf
    kind = CERTIFICATE if proven and error == 0 else EVIDENCE
    return Check(mode, recorded.dtype.name, node, quantity, error, bound, ratio, kind=kind)


def evidence(
    part: Part, node: Node, mode: str, shared: Collection[str] = (), l2: float = 0.0
) -> Iterator[Check]:
    """Check the deltas and gradients of a node along random directions.

    Args:
        part: the layer.
        node: its node in the trace.
        mode: how the trace was made.
        shared: names of those of its variables that other nodes have as well. The trace has the sum
            of their gradients, so the layer's own share is taken from a tape of its own.
        l2: strength of the penalty, whose gradient is no part of the layer's.
    """
    penalties = {n: l2 * p if p.ndim >= 2 else 0 * p for n, p in node.parameters.items()}
    _require_repeatable(part, node)
    claim = _Claim(part, node, mode, shared, penalties)
    for number in range(DIRECTIONS):
        yield from claim.checks(number)


def _require_repeatable(part: Part, node: Node) -> None:
    """Raise InputError for a layer that gives other numbers at each call."""
    one, other = (tf.convert_to_tensor(part.layer(tf.constant(node.x))).numpy() for _ in range(2))
    if is_discrete(one):
        repeats = np.array_equal(one, other)
    else:
        apart = np.max(np.abs(one.astype(np.float64) - other), initial=0.0)
        size = np.max(np.abs(one), initial=0.0)
        repeats = not apart > np.sqrt(2 * PRECISIONS[one.dtype.name].roundoff) * size
    if not repeats:
        raise InputError(
            f"{part.name} gives other outputs at each call for the same input, as dropout does: a "
            "gradient can only be checked with the randomness switched off or made a fixed mask"
        )


class _Claim:
    """What reverse mode says of one node."""

    def __init__(
        self,
        part: Part,
        node: Node,
        mode: str,
        shared: Collection[str],
        penalties: Mapping[str, np.ndarray],
    ) -> None:
        self.part, self.node, self.mode = part, node, mode
        named = nn.named_variables(part.layer)
        self.variables = [named[name] for name in part.places]
        self.x = tf.constant(node.x)
        self.fixed = is_discrete(node.x)
        self.dtype = (node.dy if self.fixed else node.x).dtype.name
        self.dy = node.dy.astype(np.float64)
        trained = {name: gradient - penalties[name] for name, gradient in node.gradients.items()}
        own = [self._of_layer(named[n]) if n in shared else trained[n] for n in part.places]
        self.gradients = [*self._if_moved(node.dx), *own]

    def checks(self, number: int) -> Iterator[Check]:
        rng = stream(number, Purpose.DIRECTIONS)
        sources = [*self._if_moved(self.node.x), *(v.numpy() for v in self.variables)]
        if not sources or is_discrete(self.node.y):
            return
        direction = [_direction(rng, value) for value in sources]
        claimed, size = _inner(self.gradients, direction)
        forward, more = _inner([self.dy], [self._forward(direction)])
        noise = rounding(self.dtype) * (size + more)
        yield self._check("forward mode", claimed, forward, noise)
        _, values = _inner([self.dy], [self.node.y])

        def differences(layer: nn.sequential.Layer) -> Check:
            slope, uncertain = ridders(
                lambda t: self._along(layer, sources, direction, t),
                PRECISIONS[self.dtype].roundoff * values,
            )
            return self._check("central differences", claimed, slope, 10 * uncertain + noise)

        found = differences(self.part.layer)
        if not found.ok and self._holding is not None:
            found = replace(differences(self._holding), remark=STOPPED)
        yield found

    @cached_property
    def _holding(self) -> nn.sequential.Layer | None:
        """The layer with what it stops held constant, if it stops anything."""
        return holding_constant(self.part.layer, self.x)

    def _if_moved(self, of_input: Any) -> list[Any]:
        """Return in a list what belongs to the input, or none where that holds integers."""
        return [] if self.fixed else [of_input]

    def _of_layer(self, variable: tf.Variable) -> np.ndarray:
        """Return the gradient of the layer alone with respect to one of its variables."""
        with tf.GradientTape() as tape:
            y = self.part.layer(self.x)
        gradient = tape.gradient(
            y,
            variable,
            output_gradients=tf.constant(self.node.dy),
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        found: np.ndarray = tf.convert_to_tensor(gradient).numpy()
        return found

    def _forward(self, direction: Sequence[np.ndarray]) -> np.ndarray:
        tangents = [tf.constant(v) for v in direction]
        primals = [*self._if_moved(self.x), *self.variables]
        with tf.autodiff.ForwardAccumulator(primals, tangents) as accumulator:
            y = self.part.layer(self.x)
        tangent = accumulator.jvp(y, unconnected_gradients="zero")
        found: np.ndarray = tf.convert_to_tensor(tangent).numpy()  # of IndexedSlices, perhaps
        return found

    def _along(
        self,
        layer: nn.sequential.Layer,
        sources: Sequence[np.ndarray],
        direction: Sequence[np.ndarray],
        t: float,
    ) -> float:
        """Return `<dy, f>` at a point `t` along the direction."""
        moved = [(s + t * v).astype(s.dtype) for s, v in zip(sources, direction, strict=True)]
        own = len(self.variables)
        x = self.x if self.fixed else tf.constant(moved[0])
        try:
            for variable, value in zip(self.variables, moved[-own:] if own else [], strict=True):
                variable.assign(value)
            y = layer(x).numpy()
        finally:
            for variable, value in zip(self.variables, sources[-own:] if own else [], strict=True):
                variable.assign(value)
        return float(np.sum(self.dy * y))

    def _check(self, quantity: str, claimed: float, expected: float, bound: float) -> Check:
        error = abs(claimed - expected)
        ratio = 0.0 if error == 0 else error / bound if bound else np.inf
        if np.isnan(error):  # both must have gone wrong, or neither
            ratio = 0.0 if np.isnan(claimed) and np.isnan(expected) else np.inf
        return Check(
            self.mode,
            self.dtype,
            self.part.name,
            quantity,
            error=error,
            bound=bound,
            ratio=ratio,
            actual=claimed,
            expected=expected,
            kind=EVIDENCE,
        )


def _direction(rng: np.random.Generator, value: np.ndarray) -> np.ndarray:
    """Return a random direction of the size of the values themselves."""
    scale = float(np.sqrt(np.mean(np.square(value.astype(np.float64))))) or 1.0
    return (scale * rng.standard_normal(value.shape)).astype(value.dtype)


def _inner(left: Sequence[np.ndarray], right: Sequence[np.ndarray]) -> tuple[float, float]:
    """Return an inner product, and the sum of the sizes of its terms."""
    terms = [a.astype(np.float64) * b for a, b in zip(left, right, strict=True)]
    return float(sum(t.sum() for t in terms)), float(sum(np.abs(t).sum() for t in terms))


def ridders(function: Callable[[float], float], noise: float) -> tuple[float, float]:
    """Return the derivative at 0 of a function with values of this noise, and its estimated error.

    The error is the spread of the tableau's entries, or what the noise does to the differences at
    the step of the best one, whichever is larger.
    """
    shrink, step = 1.6, 0.05
    best, uncertain = np.nan, np.inf
    row: list[float] = []
    for _ in range(14):
        last, row = row, [(function(step) - function(-step)) / (2 * step)]
        factor = shrink**2
        for before in last:
            row.append((row[-1] * factor - before) / (factor - 1))
            factor *= shrink**2
            spread = max(abs(row[-1] - row[-2]), abs(row[-1] - before), noise / step)
            if spread <= uncertain:
                best, uncertain = row[-1], spread
        step /= shrink
    return best, uncertain
