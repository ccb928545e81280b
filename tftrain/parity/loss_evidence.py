"""Evidence for losses that the reference does not know.

Such a loss is a last node: its input is the prediction, its output the terms, and the delta there
is `scale * w`. So its own delta is checked along random directions, as a layer's is. Its value must
be the sum of its terms; and the terms of a case must be the same without the other cases, or
something has been broadcast or reduced on the way.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import tensorflow as tf

from tftrain import nn
from tftrain.errors import InputError
from tftrain.graph import INPUT, Wire
from tftrain.losses import Loss, checked_terms, factors_of, name_of
from tftrain.parity.certificate import Certificate, Pair
from tftrain.parity.check import EVIDENCE, Check
from tftrain.parity.evidence import CANCELLED, evidence, lost_in, rounding, within
from tftrain.traces import Node, Trace

OF_EACH_CASE = "terms of each case"
"""The quantity of the check that no case's terms depend on another case."""

ALONE = 8
"""Cases whose terms are computed alone."""


class _Terms(tf.Module):
    """The terms of a loss as a function of the prediction."""

    def __init__(self, loss: Loss, target: np.ndarray) -> None:
        super().__init__()
        self.loss, self.target = loss, tf.constant(target)

    def __call__(self, prediction: tf.Tensor) -> tf.Tensor:
        return checked_terms(self.loss, prediction, self.target)

    def of_case(self, k: int, prediction: np.ndarray) -> tf.Tensor:
        """Return the terms of one case."""
        case = slice(k, k + 1)
        return checked_terms(self.loss, tf.constant(prediction[case]), self.target[case])


def node_of(loss: Loss) -> str:
    """Return what reports call a loss that the reference does not know."""
    return f"loss {name_of(loss)}"


def of_loss(certificate: Certificate, trace: Trace) -> Iterator[Check]:
    """Check the loss of a trace: its value, its terms and its delta.

    Raises:
        InputError: the loss gives no terms, or other terms at each call.
    """
    loss, mode = certificate.step.objective.loss, certificate.mode
    layer = _Terms(loss, trace.target)
    part = Pair(node_of(loss), Wire("loss", layer, (INPUT,)), None, {}, 0, nn.Draw(0, 0), {})
    terms = part.call(tf.constant(trace.prediction))
    weight = None if trace.weight is None else tf.constant(trace.weight)
    factors = factors_of(terms, weight)
    dy = loss.scale(terms) * (tf.ones_like(terms) if factors is None else factors)
    node = Node(
        label="loss",
        inputs=(trace.prediction,),
        y=terms.numpy(),
        dy=tf.broadcast_to(dy, terms.shape).numpy(),
        sent=(trace.delta,),
    )
    yield _value(certificate, trace, node, part.name)
    yield _of_each_case(layer, node, mode, part.name)
    yield from evidence(part, node, mode, {})


def _value(certificate: Certificate, trace: Trace, node: Node, name: str) -> Check:
    """Check that the objective is the weighted sum of the terms, and the penalties."""
    shares = node.dy.astype(np.float64) * node.y
    parameters = [p.astype(np.float64) for p in certificate.values(trace).values()]
    penalty = certificate.objective.penalty(parameters)
    dtype = node.y.dtype.name
    bound = rounding(dtype) * float(np.sum(np.abs(shares)) + penalty)
    bound += CANCELLED * lost_in(node, inside=True)
    expected = np.asarray(shares.sum() + penalty)
    check = within(np.asarray(trace.loss), expected, bound, certificate.mode, name, "value")
    return replace(check, relative_bound=0.0)  # a bound on a value, not on a gradient


def _of_each_case(layer: _Terms, node: Node, mode: str, name: str) -> Check:
    """Check that the terms of the first cases are the same where each stands alone."""
    few = range(min(len(node.y), ALONE))
    dtype = node.y.dtype.name
    try:
        found = np.concatenate([layer.of_case(k, node.x).numpy() for k in few])
    except InputError as error:
        remark = f"of one case alone, they cannot be computed: {error}"
        return Check(
            mode, dtype, name, OF_EACH_CASE, np.inf, 0.0, np.inf, kind=EVIDENCE, remark=remark
        )
    largest = [float(np.max(np.abs(one), initial=0.0)) for one in (node.y, node.x)]
    bound = rounding(dtype) * max(largest)
    check = within(node.y[: len(few)], found, bound, mode, name, OF_EACH_CASE)
    remark = "" if check.ok else "the terms of a case must not depend on other cases"
    return replace(check, relative_bound=0.0, remark=remark)
