"""Evidence for layers that the reference does not know: no certificate, but two independent views.

A layer is a function `f(x, p)` of its input and its variables, and reverse mode claims
`dx = J_x' dy` and `dp = J_p' dy`. Along a direction `v` of an input or variable

    <dy, J v> = <J' dy, v>                                                     (1)

Forward mode (`tf.autodiff.ForwardAccumulator`) gives the left side exactly but for rounding. It
uses the same derivatives, though, so a wrong formula may be wrong in both. Central differences of
`<dy, f(x + t v)>` use none; `differences.py` bounds their error, at kinks too.

What the layer stops with `tf.stop_gradient` counts as constant.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import tensorflow as tf

from tftrain import nn
from tftrain.errors import InputError
from tftrain.parity.certificate import Pair
from tftrain.parity.check import CERTIFICATE, EVIDENCE, Check
from tftrain.parity.differences import Differences
from tftrain.parity.stopped import holding_constant
from tftrain.reference import PRECISIONS
from tftrain.streams import Purpose, stream
from tftrain.traces import Node, is_discrete

DIRECTIONS = 3
"""Directions in which each layer is checked, at least; each of its inputs is moved in one."""

MOST_DIRECTIONS = 12
"""Directions at most; where there are more variables, several are moved together."""

ALIGNED = 0.75
"""Share of a direction's elements that have the sign of the gradient: a sum whose terms do not
cancel shows an error of a few per cent."""

ROUNDINGS = 1000
"""Units of roundoff, of the sizes of all products in (1), that rounding may explain."""

STOPPED = "what tf.stop_gradient stops was taken for constant"

LEAST = 0.001
"""Smallest derivative, relative to the outputs, whose relative error is reported."""

NEARBY = 4
"""Points, one rounding away, at which an ill-conditioned derivative is taken again."""

MARGIN = 8
"""Effect of rounding, relative to the largest change among those points."""

CANCELLED = 64
"""Units of roundoff, of the size of the outputs, that may be left of a derivative which is zero
because all its terms cancel, as that of a bias before a batch normalisation; and of the size of the
penalty, where that is taken off what is left."""

NARROW_ROUNDINGS = 16
"""The same in bfloat16, whose roundoff is 2^-8."""


def rounding(dtype: str) -> float:
    """Return the relative error that rounding may explain in a sum of many products."""
    return (NARROW_ROUNDINGS if _is_narrow(dtype) else ROUNDINGS) * roundoff(dtype)


def roundoff(dtype: str) -> float:
    """Return the relative error of one rounding."""
    return PRECISIONS["bfloat16" if _is_narrow(dtype) else dtype].roundoff


def _is_narrow(dtype: str) -> bool:
    return dtype in ("bfloat16", nn.MIXED)


def lost_in(node: Node, inside: bool = False) -> float:
    """Return the error of the left side of (1) when every output is rounded once.

    Args:
        node: the layer.
        inside: whether to count what is rounded inside as well: there may be products of inputs and
            variables that are larger than the outputs, as before a softmax.
    """
    cases = max(len(node.y), 1)
    y, dy = (np.abs(a.astype(np.float64)).reshape(cases, -1) for a in (node.y, node.dy))
    y = np.where(np.isfinite(y), y, 0.0)
    terms = (dy * y).sum(axis=1)
    real = [one for one in node.inputs if not is_discrete(one)]
    if inside and real:
        outputs = np.max(y, axis=1, initial=0.0)
        factor = max(_largest(value) for value in (1.0, *node.parameters.values()))
        products = factor * np.array([max(map(_largest, case)) for case in zip(*real, strict=True)])
        larger = np.divide(products, outputs, out=np.ones(cases), where=outputs > 0)
        terms *= np.maximum(1.0, larger)
    return roundoff(node.dy.dtype.name) * float(np.sum(terms))


def _largest(value: Any) -> float:
    return float(np.max(np.abs(value), initial=0.0))


def alike(
    plain: np.ndarray,
    recorded: np.ndarray,
    mode: str,
    node: str,
    quantity: str,
    *,
    unit: float,
    proven: bool,
    lost: float = 0.0,
) -> Check:
    """Compare a gradient as it is trained with that of the step that recorded everything.

    Args:
        plain: as it is trained.
        recorded: of the other step.
        mode: how both were run.
        node: whose gradient it is.
        quantity: which gradient.
        unit: how far apart the two may be, over the largest element; to be near is evidence.
        lost: further distance that is allowed.
        proven: whether the recorded one is; then one that equals it bit by bit is proven as well.
    """
    bound = unit * _largest(recorded) + lost
    check = within(plain, recorded, bound, mode, node, quantity)
    if not proven:
        return check
    equal = np.array_equal(plain, recorded, equal_nan=True)
    return replace(check, relative_bound=0.0, kind=CERTIFICATE if equal else EVIDENCE)


def within(
    actual: np.ndarray, expected: np.ndarray, bound: float, mode: str, node: str, quantity: str
) -> Check:
    """Compare two arrays no element of which may be further apart than a bound: evidence.

    Where the bound is beyond the largest number, as after an overflow, nothing is wrong.
    """
    apart = np.abs(actual.astype(np.float64) - expected)
    equal = (actual == expected) | (np.isnan(actual) & np.isnan(expected))
    apart = np.where(equal, 0.0, np.where(np.isnan(apart), np.inf, apart))
    largest = (
        PRECISIONS[expected.dtype.name].largest if expected.dtype.name in PRECISIONS else np.inf
    )
    undetermined = not bound <= largest
    error = 0.0 if undetermined else float(np.max(apart, initial=0.0))
    place = np.unravel_index(int(np.argmax(apart)), apart.shape) if apart.size else ()
    size = float(np.linalg.norm(np.where(np.isfinite(expected), expected, 0.0).astype(np.float64)))
    return Check(
        mode,
        expected.dtype.name,
        node,
        quantity,
        error,
        bound,
        ratio=0.0 if error == 0 else error / bound if bound else np.inf,
        place=tuple(map(int, place)),
        actual=float(actual[place]) if apart.size else 0.0,
        expected=float(expected[place]) if apart.size else 0.0,
        kind=EVIDENCE,
        unsure=apart.size if undetermined else 0,
        relative_bound=np.inf if undetermined else bound * np.sqrt(apart.size) / (size or np.inf),
    )


def evidence(
    part: Pair,
    node: Node,
    mode: str,
    penalties: Mapping[str, np.ndarray],
    shared: Collection[str] = (),
) -> Iterator[Check]:
    """Check the deltas and gradients of a node along random directions.

    Args:
        part: the layer.
        node: its node in the trace.
        mode: how the trace was made.
        penalties: gradients of the penalties, which are not the layer's own, by variable.
        shared: names of those of its variables that other nodes have as well. The trace has the sum
            of their gradients, so the layer's own share is taken from a tape of its own.
    """
    _require_repeatable(part, node)
    claim = _Claim(part, node, mode, shared, penalties)
    for number in range(min(max(DIRECTIONS, claim.count), MOST_DIRECTIONS)):
        yield from claim.checks(number)


def _require_repeatable(part: Pair, node: Node) -> None:
    """Raise InputError for a layer that gives other numbers at each call."""
    inputs = [tf.constant(one) for one in node.inputs]
    one, other = (tf.convert_to_tensor(part.call(*inputs)).numpy() for _ in range(2))
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


def share_of(part: Pair, node: Node, name: str) -> np.ndarray:
    """Return the gradient of one layer alone with respect to one of its variables."""
    variable = nn.named_variables(part.layer)[name]
    with tf.GradientTape() as tape:
        tape.watch(variable)
        y = part.call(*map(tf.constant, node.inputs))
    gradient = tape.gradient(
        y,
        variable,
        output_gradients=tf.constant(node.dy),
        unconnected_gradients=tf.UnconnectedGradients.ZERO,
    )
    found: np.ndarray = tf.convert_to_tensor(gradient).numpy()
    return found


class _Claim:
    """What reverse mode says of one node."""

    def __init__(
        self,
        part: Pair,
        node: Node,
        mode: str,
        shared: Collection[str],
        penalties: Mapping[str, np.ndarray],
    ) -> None:
        self.part, self.node, self.mode = part, node, mode
        named = nn.named_variables(part.layer)
        self.variables = [named[name] for name in part.places]
        self.inputs = [tf.constant(one) for one in node.inputs]
        self.free = [k for k, one in enumerate(node.inputs) if not is_discrete(one)]
        self.dtype = (node.inputs[self.free[0]] if self.free else node.dy).dtype.name
        self.dy = node.dy.astype(np.float64)
        trained = {name: gradient - penalties[name] for name, gradient in node.gradients.items()}
        own = [share_of(part, node, n) if n in shared else trained[n] for n in part.places]
        self.gradients = [*self._free(node.sent), *own]
        self.finite = [np.where(np.isfinite(g), g, 0.0) for g in self.gradients]
        taken_off = [0 * penalties[n] if n in shared else penalties[n] for n in part.places]
        self.taken_off = [*map(np.zeros_like, self._free(node.sent)), *taken_off]

    @property
    def count(self) -> int:
        """The number of tensors that can be moved: inputs that are not integers, and variables."""
        return len(self.gradients)

    def checks(self, number: int) -> Iterator[Check]:
        if not self.count or is_discrete(self.node.y):
            return
        rng = stream(number, Purpose.DIRECTIONS)
        sources = [*self._free(self.node.inputs), *(v.numpy() for v in self.variables)]
        direction = self._direction(number, rng, sources)
        claimed, size = self._claimed(direction)
        _, taken_off = _inner(self.taken_off, direction)
        lost = lost_in(self.node) + roundoff(self.dtype) * taken_off
        noise = rounding(self.dtype) * size + CANCELLED * lost
        with suppress(LookupError):  # a gradient that TensorFlow cannot differentiate once more
            forward, more = self._forward(self.inputs, direction)
            noise += np.nan_to_num(more)
            if self._may_overflow and not np.isfinite([claimed, forward]).all():
                noise = np.inf
            elif np.isfinite(forward) and not abs(claimed - forward) <= noise:
                noise += self._ill_conditioned(sources, direction, forward, rng)
            yield self._check("forward mode", claimed, forward, noise, size)
        found = self._differences(self.part.call, sources, direction, noise, size)
        if not found.ok and self._holding is not None:
            held = self._differences(self._holding, sources, direction, noise, size)
            found = replace(held, remark=STOPPED)
        yield found

    def _claimed(self, direction: Sequence[np.ndarray]) -> tuple[float, float]:
        """Return the right side of (1), and the sum of the sizes of its terms, if finite."""
        claimed, size = _inner(self.finite, direction)
        pairs = zip(self.gradients, direction, strict=True)
        return claimed if all(np.isfinite(g[v != 0]).all() for g, v in pairs) else np.nan, size

    def _direction(
        self, number: int, rng: np.random.Generator, sources: Sequence[np.ndarray]
    ) -> list[np.ndarray]:
        """Return where the sources are moved: only some of them, in turn; the others stay."""
        groups = min(self.count, MOST_DIRECTIONS)
        return [
            _direction(rng, value, gradient) if i % groups == number % groups else 0 * value
            for i, (value, gradient) in enumerate(zip(sources, self.gradients, strict=True))
        ]

    def _differences(
        self,
        layer: Callable[..., tf.Tensor],
        sources: Sequence[np.ndarray],
        direction: Sequence[np.ndarray],
        noise: float,
        size: float,
    ) -> Check:
        """Check the claim against central differences.

        Args:
            layer: what is called, with the variables moved.
            sources: inputs and variables at the point itself.
            direction: in which they are moved.
            noise: what rounding may do to the claim.
            size: sum of the sizes of the claim's terms, with which the bound is compared; that of
                the slope's terms is taken instead where it is larger.
        """
        precision = PRECISIONS[self.dtype]
        flushed = precision.tiny * float(np.sum(np.abs(self.dy)))

        def moved(t: float) -> list[np.ndarray]:
            return [(s + t * v).astype(s.dtype) for s, v in zip(sources, direction, strict=True)]

        def claimed(step: float) -> float:
            """Return the claim along what the dtype lets the sources move."""
            ends = zip(moved(step), moved(-step), strict=True)
            way = [(a.astype(np.float64) - b) / (2 * step) for a, b in ends]
            return _inner(self.finite, way)[0]

        found = Differences(
            lambda t: self._at(layer, moved(t)), claimed, self.dy, precision.roundoff, flushed
        )
        least = LEAST * float(np.sum(np.abs(self.dy * self.node.y)))
        size = max(size, found.rows[0].size, least)
        claim, slope, bound = found.judged(noise)
        claim = claim if np.isfinite(self._claimed(direction)[0]) else np.nan
        return self._check("central differences", claim, slope, bound, size)

    @cached_property
    def _holding(self) -> Callable[..., tf.Tensor] | None:
        """The layer with what it stops held constant, if it stops anything."""
        return holding_constant(self.part.call, self.inputs)

    def _free(self, of_inputs: Sequence[Any]) -> list[Any]:
        """Return what belongs to the inputs that do not hold integers."""
        return [of_inputs[k] for k in self.free]

    def _ill_conditioned(
        self,
        sources: Sequence[np.ndarray],
        direction: Sequence[np.ndarray],
        forward: float,
        rng: np.random.Generator,
    ) -> float:
        """Return the effect of rounding inside a layer on an ill-conditioned derivative.

        That of products inside; and, as measured, the change of the derivative at points that are
        one rounding away.
        """
        found = [forward]
        for _ in range(NEARBY):
            off = [1 + roundoff(self.dtype) * rng.choice([-2.0, 2.0], s.shape) for s in sources]
            near = [(s * o).astype(s.dtype) for s, o in zip(sources, off, strict=True)]
            with self._moved(near) as inputs:
                found.append(self._forward(inputs, direction)[0])
        return CANCELLED * lost_in(self.node, inside=True) + MARGIN * float(np.ptp(found))

    def _forward(
        self, inputs: Sequence[tf.Tensor], direction: Sequence[np.ndarray]
    ) -> tuple[float, float]:
        """Return the left side of (1) by forward mode, and what rounding may do to both sides.

        That is in proportion to the sizes of the terms; and deltas and products below the smallest
        normal number may be flushed to zero anywhere.
        """
        tangents = [tf.constant(v) for v in direction]
        primals = [*self._free(inputs), *self.variables]
        with tf.autodiff.ForwardAccumulator(primals, tangents) as accumulator:
            y = self.part.call(*inputs)
        tangent = accumulator.jvp(y, unconnected_gradients="zero")
        found: np.ndarray = tf.convert_to_tensor(tangent).numpy()  # of IndexedSlices, perhaps
        left, size = _inner([self.dy], [found])
        moved = float(sum(np.sum(np.abs(v.astype(np.float64))) for v in [found, *direction]))
        flushed = PRECISIONS[self.dtype].tiny * (moved + float(np.sum(np.abs(self.dy))))
        return left, rounding(self.dtype) * size + CANCELLED * flushed

    def _at(self, layer: Callable[..., tf.Tensor], values: Sequence[np.ndarray]) -> np.ndarray:
        """Return the layer's output, float64, where inputs and variables have these values."""
        with self._moved(values) as inputs:
            self.part.restore()
            found: np.ndarray = tf.convert_to_tensor(layer(*inputs)).numpy().astype(np.float64)
            return found

    @contextmanager
    def _moved(self, values: Sequence[np.ndarray]) -> Iterator[list[tf.Tensor]]:
        """Give the variables other values in this context, which is entered with the inputs."""
        own = len(self.variables)
        before = [variable.numpy() for variable in self.variables]
        try:
            for variable, value in zip(self.variables, values[-own:] if own else [], strict=True):
                variable.assign(value)
            inputs = list(self.inputs)
            for k, value in zip(self.free, values, strict=False):
                inputs[k] = tf.constant(value)
            yield inputs
        finally:
            for variable, value in zip(self.variables, before, strict=True):
                variable.assign(value)

    def _check(
        self, quantity: str, claimed: float, expected: float, bound: float, size: float
    ) -> Check:
        undetermined = not np.isfinite([expected, bound]).all()
        error = abs(claimed - expected)
        if undetermined:
            error, bound = 0.0, np.inf
        elif np.isnan(error):
            error = np.inf
        return Check(
            self.mode,
            self.dtype,
            self.part.name,
            quantity,
            error=error,
            bound=bound,
            ratio=0.0 if error == 0 else error / bound if bound else np.inf,
            actual=claimed,
            expected=expected,
            kind=EVIDENCE,
            unsure=int(undetermined),
            relative_bound=np.inf if undetermined else bound / size if size else 0.0,
        )

    @cached_property
    def _may_overflow(self) -> bool:
        """Whether numbers are so large that a product of four of them may be too large."""
        most = float(PRECISIONS[self.dtype].largest) ** 0.25
        node = self.node
        arrays = [*node.inputs, node.y, node.dy, *node.parameters.values()]
        return any((np.abs(a) > most).any() for a in arrays if not is_discrete(a))


def _direction(rng: np.random.Generator, value: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    """Return a random direction of the size of the values, most of it along the gradient."""
    size = _sizes(value) * np.abs(rng.standard_normal(value.shape))
    signs = np.where(rng.random(value.shape) < 0.5, 1.0, -1.0)
    towards = (rng.random(value.shape) < ALIGNED) & (gradient != 0) & ~np.isnan(gradient)
    found: np.ndarray = (np.where(towards, np.sign(gradient), signs) * size).astype(value.dtype)
    return found


def _sizes(value: np.ndarray) -> np.ndarray:
    """Return the size of the move of each element: the mean size, or less for a small element."""
    size = np.abs(value.astype(np.float64))
    size = np.where(np.isfinite(size), size, 0.0)
    if not size.any():
        return np.ones_like(size)
    least = np.where(size > 0, DECADES * size, min(float(np.median(size[size > 0])), DECADES))
    found: np.ndarray = np.minimum(size.max() * np.sqrt(np.mean((size / size.max()) ** 2)), least)
    return found


DECADES = 1000
"""Largest move of an element, relative to its own size; of one that is zero, absolute."""


def _inner(left: Sequence[np.ndarray], right: Sequence[np.ndarray]) -> tuple[float, float]:
    """Return an inner product, and the sum of the sizes of its terms."""
    terms = [a.astype(np.float64) * b for a, b in zip(left, right, strict=True)]
    return float(sum(t.sum() for t in terms)), float(sum(np.abs(t).sum() for t in terms))
