"""A check of the reference itself: of its backward pass against its forward pass.

Numbers of TensorFlow that agree with the reference prove nothing where both make one mistake. The
forward pass is simpler than its derivative, and is seen to be right by what it computes.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from tftrain.parity import kinks
from tftrain.parity.check import EVIDENCE, Check
from tftrain.parity.complex_step import Line, Point, as_float64, proves
from tftrain.reference import Layer, Loss
from tftrain.reference.layers import Array
from tftrain.traces import Node, Trace, is_discrete


class LossLayer(Layer):
    """A loss as the last node: its input is the prediction, and the delta at its output is 1.

    Its output is the share of each term, where the loss is a sum of them, so that none is lost
    in the sum; else the loss.
    """

    def __init__(self, loss: Loss, target: np.ndarray, weight: np.ndarray | None) -> None:
        self.loss, self.target, self.weight = loss, target, weight

    @property
    def parameters(self) -> dict[str, np.ndarray]:
        return {}

    def with_parameters(self, change: Callable[[Array], Array]) -> "LossLayer":
        return self

    def forward(self, x: Array) -> Array:
        given = x, self.target, self.weight
        if type(self.loss).value is Loss.value:
            shares = self.loss.shares(*given)
            if shares.shape == x.shape[: shares.ndim]:
                return shares
        return self.loss.value(*given)

    def backward(self, x: Array, y: Array, dy: Array) -> tuple[Array, dict[str, Array]]:
        per_case = dy.reshape(dy.shape + (1,) * (x.ndim - dy.ndim))
        return per_case * self.loss.delta(x, self.target, self.weight), {}


def check_loss(loss: Loss, trace: Trace) -> Check | None:
    """Check a reference loss at the prediction of a trace."""
    weight = None if trace.weight is None else as_float64(trace.weight)
    target = trace.target if is_discrete(trace.target) else as_float64(trace.target)
    layer, x = LossLayer(loss, target, weight), as_float64(trace.prediction)
    return _check(Point("loss", layer, [x], np.ones_like(layer.forward(x))))


def check_node(name: str, reference: Layer, node: Node) -> Check | None:
    """Check a reference node at the values of a trace.

    Returns:
        The check, which is evidence where only differences with a loose bound could be had, as on
        kinks; None where the node's numbers are not finite.
    """
    exact = reference.with_parameters(as_float64)
    return _check(Point(name, exact, node.inputs, as_float64(node.dy), node.argument))


def _check(here: Point) -> Check | None:
    line = Line(here, here.direction)
    exact = line.by_complex_step()
    if line.is_exact_by(exact):
        return exact
    found = line.by_differences()
    if found is None or not found.ok:
        return exact or found
    if line.is_exact_by(found):
        return found
    nearby = _check_nearby(here)
    if nearby is not None and not nearby.ok:
        return nearby
    if nearby is not None and kinks.gradient_fits(here):
        return found if proves(found) else nearby
    return replace(found, kind=EVIDENCE, relative_bound=line.relative(found.bound))


def _check_nearby(here: Point) -> Check | None:
    """Check a reference node away from its kinks; None where it cannot be computed."""
    try:
        there = kinks.moved_off(here)
        return Line(there, there.direction).checked()
    except Exception:  # a node need not be defined nearby, as where inputs are the numbers of rows
        return None
