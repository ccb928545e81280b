"""Training with losses of one's own: a function with integer labels, against NumPy by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import tftrain
from tftrain import nn
from tftrain.errors import InputError
from tftrain.names import COMPILES
from tftrain.optimizers import SGD
from tftrain.streams import batch_order
from tftrain.training import Checkpoints

RNG = np.random.default_rng(0)
X, LABELS = RNG.standard_normal((21, 4)), RNG.integers(0, 3, 21)
WEIGHT = RNG.uniform(0.5, 1.5, 21)
SETTINGS: dict[str, Any] = {"batch_size": 8, "l2": 0.1, "weight": WEIGHT}
RATE = 0.2


def cross_entropy(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)


def layer() -> nn.Dense:
    return nn.Dense(4, 3, dtype="float64", seed=1)


def terms_and_slopes(logits: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the terms of cross-entropy, and the probabilities minus the ones of the labels."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    p, ones = powers / powers.sum(axis=1, keepdims=True), np.eye(3)[labels]
    return -np.log((p * ones).sum(axis=1)), p - ones


def by_hand(epochs: int) -> tuple[list[float], np.ndarray, np.ndarray]:
    """Return the loss of each step, and the weights after softmax regression in NumPy."""
    w, b, weight = layer().weight.numpy(), np.zeros(3), WEIGHT / WEIGHT.mean()
    values = []
    for epoch in range(epochs):
        order = batch_order(21, 0, epoch)
        for rows in (order[i : i + 8] for i in range(0, 21, 8)):
            terms, slopes = terms_and_slopes(X[rows] @ w + b, LABELS[rows])
            values.append(np.mean(weight[rows] * terms) + 0.05 * np.sum(w**2))
            delta = weight[rows, None] * slopes / len(rows)
            w, b = w - RATE * (X[rows].T @ delta + 0.1 * w), b - RATE * delta.sum(axis=0)
    return values, w, b


@pytest.mark.parametrize("mode", COMPILES)
@pytest.mark.parametrize("kind", [np.int64, np.uint8, "tensor"])
def test_cross_entropy_with_integer_labels(mode: str, kind: Any) -> None:
    labels = tf.constant(LABELS, tf.int32) if kind == "tensor" else LABELS.astype(kind)
    network = layer()
    history = tftrain.fit(
        network,
        X,
        labels,
        loss=cross_entropy,
        optimizer=SGD(RATE),
        epochs=4,
        validation=(X, labels, WEIGHT),
        compile=mode,
        **SETTINGS,
    )
    values, w, b = by_hand(4)
    np.testing.assert_allclose(np.concatenate(history.step_losses), values, rtol=1e-12)
    np.testing.assert_allclose(network.weight, w, rtol=1e-11)
    np.testing.assert_allclose(network.bias, b, rtol=1e-11)
    terms, _ = terms_and_slopes(X @ w + b, LABELS)
    expected = np.mean(WEIGHT / WEIGHT.mean() * terms)
    assert history.epochs[-1].validation_loss == pytest.approx(expected, rel=1e-12)
    assert history.epochs[-1].validation is None


def test_whole_numbers_are_numbers_for_an_elementwise_loss() -> None:
    """So they are for `tftrain.fit(network, x, [[1], [2]])`."""
    settings: dict[str, Any] = {"epochs": 2, "compile": "eager", "batch_size": 8}
    both = [
        tftrain.fit(nn.Dense(4, 1, seed=1), X, y, **settings).losses
        for y in (LABELS[:, None], LABELS[:, None].astype(float))
    ]
    np.testing.assert_array_equal(*both)


def scaled(factor: float) -> Any:
    def loss(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        return factor * cross_entropy(logits, labels)

    return loss


def other(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    return cross_entropy(-logits, labels)


def train(folder: Path | None, epochs: int, loss: Any) -> nn.Dense:
    network, checkpoints = layer(), None if folder is None else Checkpoints(folder)
    tftrain.fit(
        network,
        X,
        LABELS,
        loss=loss,
        epochs=epochs,
        checkpoints=checkpoints,
        compile="graph",
        **SETTINGS,
    )
    return network


def test_training_with_a_function_resumes(tmp_path: Path) -> None:
    train(tmp_path, 2, scaled(2.0))
    resumed, whole = train(tmp_path, 4, scaled(2.0)), train(None, 4, scaled(2.0))
    np.testing.assert_array_equal(resumed.weight, whole.weight)


@pytest.mark.parametrize("loss", [scaled(3.0), cross_entropy, other])
def test_another_function_is_refused(tmp_path: Path, loss: Any) -> None:
    train(tmp_path, 1, scaled(2.0))
    with pytest.raises(InputError, match="loss"):
        train(tmp_path, 2, loss)


def test_a_function_that_does_something_else_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither its name nor its constants have changed, nor those of the one that it calls."""
    train(tmp_path, 1, other)
    monkeypatch.setitem(globals(), "cross_entropy", lambda logits, labels: logits[:, 0])
    with pytest.raises(InputError, match="loss"):
        train(tmp_path, 2, other)
