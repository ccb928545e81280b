"""Losses that the reference does not know: right ones pass by evidence, wrong ones are named."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import tftrain
from tftrain import losses, nn, reference
from tftrain.errors import InputError
from tftrain.parity.check import CERTIFICATE, EVIDENCE
from tftrain.reference.functions import sigmoid, softplus
from tftrain.reference.layers import REFERENCES

RNG = np.random.default_rng(0)
X, Y, LABELS = RNG.standard_normal((9, 4)), RNG.standard_normal((9, 3)), RNG.integers(0, 3, 9)
WEIGHT = RNG.uniform(0.5, 2, 9)
Tensor = tf.Tensor


def network(units: int = 3, dtype: str = "float64") -> nn.MLP:
    return nn.MLP(4, [5], units, activation="tanh", seed=1, dtype=dtype)


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)


def hinge(scores: Tensor, labels: Tensor) -> Tensor:
    """Of each class against the others: kinks, and a term for each case and unit."""
    signs = 2 * tf.one_hot(labels, 3, dtype=scores.dtype) - 1
    return tf.nn.relu(1 - signs * scores)


def cosine(prediction: Tensor, target: Tensor) -> Tensor:
    return -tf.reduce_sum(
        tf.math.l2_normalize(prediction, axis=1) * tf.math.l2_normalize(target, axis=1), axis=1
    )


class Cubic(losses.Elementwise):
    """`|e|^3`, without a reference."""

    def term(self, error: Tensor) -> Tensor:
        return tf.abs(error) ** 3


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("loss", "y", "name"),
    [
        (cross_entropy, LABELS, "loss cross_entropy"),
        (hinge, LABELS, "loss hinge"),
        (cosine, Y, "loss cosine"),
        (Cubic(), Y, "loss Cubic"),
    ],
)
def test_right_losses_pass_by_evidence(loss: Any, y: np.ndarray, name: str, dtype: str) -> None:
    report = tftrain.gradcheck(network(dtype=dtype), X, y, loss=loss, weight=WEIGHT, l2=0.1)
    assert report.ok, report
    assert not report.certified
    assert any(f"does not know the {name}: " in note for note in report.notes)
    assert not any("could pass unnoticed" in note for note in report.notes)
    kinds = {check.quantity: check.kind for check in report.checks if check.node == name}
    assert kinds == dict.fromkeys(
        ["value", "terms of each case", "forward mode", "central differences"], EVIDENCE
    )
    nodes = {check.kind for check in report.checks if check.quantity in ("y", "dx", "weight")}
    assert nodes == {CERTIFICATE}


def with_slope(change: Callable[[Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    """Return cross-entropy whose gradient is another than `p - y`."""

    def faulty(logits: Tensor, labels: Tensor) -> Tensor:
        @tf.custom_gradient
        def terms(z: Tensor) -> Any:
            slope = tf.nn.softmax(z) - tf.one_hot(labels, 3, dtype=z.dtype)
            return cross_entropy(z, labels), lambda dy: dy[:, None] * change(slope)

        return terms(logits)

    return faulty


def reduced(logits: Tensor, labels: Tensor) -> Tensor:
    """The mean, given back to every case."""
    terms = cross_entropy(logits, labels)
    return 0 * terms + tf.reduce_mean(terms)


def centred(logits: Tensor, labels: Tensor) -> Tensor:
    """What each case is told depends on which others are there."""
    return cross_entropy(logits - tf.reduce_mean(logits, axis=0), labels)


def last(logits: Tensor, labels: Tensor) -> Tensor:
    """All cases are compared with the label of the last."""
    return cross_entropy(logits, tf.fill(tf.shape(labels), labels[-1]))


FAULTS: list[tuple[str, Callable[[Tensor, Tensor], Tensor], str]] = [
    ("class off by one", with_slope(lambda s: tf.roll(s, 1, axis=1)), "faulty"),
    ("halved", with_slope(lambda s: s / 2), "faulty"),
    ("reversed", with_slope(lambda s: -s), "faulty"),
    ("a per cent", with_slope(lambda s: 1.01 * s), "faulty"),
    ("forgotten", with_slope(tf.zeros_like), "faulty"),
    ("one case", with_slope(lambda s: tf.concat([2 * s[:1], s[1:]], axis=0)), "faulty"),
    ("reduced", reduced, "reduced"),
    ("centred", centred, "centred"),
    ("last", last, "last"),
]


@pytest.mark.parametrize(("_", "loss", "name"), FAULTS, ids=[fault[0] for fault in FAULTS])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_faults_are_caught_and_named(_: str, loss: Any, name: str, dtype: str) -> None:
    report = tftrain.gradcheck(network(dtype=dtype), X, LABELS, loss=loss, modes=["graph"])
    assert {check.node for check in report.failures} == {f"loss {name}"}, report
    assert report.verdict.startswith(f"WRONG: loss {name}: ")


def test_a_call_that_is_not_the_mean_of_the_terms_is_caught() -> None:
    class Doubled(losses.Loss):
        def terms(self, prediction: Tensor, target: Tensor) -> Tensor:
            return cross_entropy(prediction, target)

        def __call__(self, prediction: Tensor, target: Tensor, weight: Any = None) -> Tensor:
            return 2 * super().__call__(prediction, target, weight)

    report = tftrain.gradcheck(network(), X, LABELS, loss=Doubled(), modes=["graph"])
    assert "loss Doubled: value" in {check.where for check in report.failures}


def test_a_random_loss_cannot_be_checked() -> None:
    def noisy(prediction: Tensor, target: Tensor) -> Tensor:
        return (prediction - target) * tf.random.uniform(tf.shape(target), dtype=tf.float64)

    with pytest.raises(InputError, match="loss noisy gives other outputs at each call"):
        tftrain.gradcheck(network(), X, Y, loss=noisy, modes=["eager"])


def test_gradients_that_cancel_are_no_fault() -> None:
    """At the minimum, the deltas of all cases cancel in the gradient of the bias."""
    layer = nn.Dense(4, 3, seed=1)
    tftrain.fit(layer, X, LABELS, loss=cross_entropy, epochs=300, batch_size="full", l2=0.1)
    report = tftrain.gradcheck(layer, X, LABELS, loss=cross_entropy, l2=0.1)
    assert report.ok, report


class Logistic(losses.Loss):
    """`softplus(z) - y z`, of integer labels 0 and 1."""

    def terms(self, prediction: Tensor, target: Tensor) -> Tensor:
        z = prediction[:, 0]
        return tf.nn.softplus(z) - tf.cast(target, z.dtype) * z


@dataclass
class LogisticReference(reference.Loss):
    def terms(self, prediction, target):
        z = prediction[:, 0]
        return softplus(z) - target * z

    def slopes(self, prediction, target):
        return sigmoid(prediction) - target[:, None]


@dataclass
class WrongReference(LogisticReference):
    def slopes(self, prediction, target):
        return sigmoid(prediction) - 1.001 * target[:, None]


@pytest.fixture
def registered() -> Iterator[Callable[[type], None]]:
    yield lambda kind: REFERENCES.update({Logistic: kind})
    del REFERENCES[Logistic]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_loss_that_is_not_elementwise_is_proven_once_registered(
    registered: Callable[[type], None], dtype: str
) -> None:
    registered(LogisticReference)
    settings: dict[str, Any] = {"weight": WEIGHT, "l2": 0.1, "loss": Logistic()}
    report = tftrain.gradcheck(network(1, dtype), X, LABELS // 2, **settings)
    assert report.certified, report
    registered(WrongReference)
    report = tftrain.gradcheck(network(1, dtype), X, LABELS // 2, modes=["graph"], **settings)
    assert "loss: delta" in {check.where for check in report.failures}
    assert "loss: complex step" in {check.where for check in report.failures}


def test_a_reference_without_its_methods_says_what_to_do() -> None:
    class Square(reference.Loss):
        def term(self, error):
            return error * error

    with pytest.raises(InputError, match=r"Square has no method 'terms'.*reference\.Elementwise"):
        Square().value(Y, Y)
    with pytest.raises(InputError, match="Loss has no method 'slopes': write it in NumPy"):
        reference.Loss().delta(Y, Y)
