import numpy as np
import pytest
import tensorflow as tf

import tftrain
from tftrain import nn
from tftrain.errors import InputError, ShapeError

DRAW = nn.Draw(0, tf.constant(0))
X = 3 + 2 * np.random.default_rng(0).standard_normal((50, 6))


def test_layer_norm_in_closed_form() -> None:
    layer = nn.LayerNorm(6, dtype="float64", epsilon=1e-3)
    layer.gain.assign(np.arange(1.0, 7))
    layer.offset.assign(np.arange(6.0))
    mean, variance = X.mean(axis=1, keepdims=True), X.var(axis=1, keepdims=True)
    wanted = (X - mean) / np.sqrt(variance + 1e-3) * np.arange(1.0, 7) + np.arange(6.0)
    np.testing.assert_allclose(layer(tf.constant(X)), wanted, rtol=1e-12)


def test_batch_norm_in_closed_form_while_it_trains() -> None:
    layer = nn.BatchNorm(6, dtype="float64", momentum=0.8)
    y = layer(tf.constant(X), DRAW).numpy()
    wanted = (X - X.mean(axis=0)) / np.sqrt(X.var(axis=0) + 1e-5)
    np.testing.assert_allclose(y, wanted, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(layer.moving_mean, 0.2 * X.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(layer.moving_variance, 0.8 + 0.2 * X.var(axis=0), rtol=1e-12)


def test_batch_norm_serves_with_moving_statistics() -> None:
    layer = nn.BatchNorm(6, dtype="float64")
    for _ in range(300):
        layer(tf.constant(X), DRAW)
    before = layer.moving_mean.numpy()
    y = layer(tf.constant(X[:1])).numpy()
    wanted = (X[:1] - X.mean(axis=0)) / np.sqrt(X.var(axis=0) + 1e-5)
    np.testing.assert_allclose(y, wanted, rtol=1e-9)
    np.testing.assert_array_equal(layer.moving_mean, before)


def test_higher_ranks_are_normalized_over_all_but_the_last_axis() -> None:
    x = X.reshape(10, 5, 6)
    flat, deep = (nn.BatchNorm(6, dtype="float64")(tf.constant(one), DRAW) for one in (X, x))
    np.testing.assert_allclose(np.reshape(deep, (50, 6)), flat, rtol=1e-12)


@pytest.mark.parametrize("make", [nn.LayerNorm, nn.BatchNorm])
def test_what_cannot_be(make: type) -> None:
    with pytest.raises(ShapeError, match=r"takes the shape \(cases, \.\.\., 6\), got \(2, 5\)"):
        make(6)(tf.zeros([2, 5]))
    with pytest.raises(InputError, match="epsilon"):
        make(6, epsilon=0)
    with pytest.raises(InputError, match="dtype"):
        make(6, dtype="int32")


@pytest.mark.parametrize("mode", ["eager", "graph", "xla"])
def test_moving_statistics_are_those_of_all_steps(mode: str) -> None:
    """Without learning, they follow the batches: computed by hand."""
    network = nn.Sequential([nn.BatchNorm(6, dtype="float64"), nn.Dense(6, 1, dtype="float64")])
    y, mean = np.zeros((50, 1)), np.zeros(6)
    settings = {"epochs": 3, "batch_size": 20, "shuffle": False, "compile": mode}
    tftrain.fit(network, X, y, optimizer=tftrain.optimizers.SGD(1e-300), **settings)
    for _ in range(3):
        for begin in (0, 20, 40):
            mean = 0.9 * mean + 0.1 * X[begin : begin + 20].mean(axis=0)
    np.testing.assert_allclose(network.layers[0].moving_mean, mean, rtol=1e-12)
