"""Factors on the learning rate of single parameters."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import tftrain
from tests.support.parameters import slow_unless
from tftrain import nn, optimizers
from tftrain.errors import InputError
from tftrain.optimizers import SGD, AdamW, Optimizer

RNG = np.random.default_rng(4)
X, Y = RNG.normal(size=(12, 3)), RNG.normal(size=(12, 2))


def network() -> nn.MLP:
    return nn.MLP(3, [4, 4], 2, dtype="float64", bias_initializer="normal")


def changes(optimizer: Optimizer, **settings: Any) -> dict[str, np.ndarray]:
    """Return what one step changes in each parameter of `network()`, by name."""
    net = network()
    parameters = net.trainable_variables
    before = [parameter.numpy() for parameter in parameters]
    tftrain.fit(net, X, Y, optimizer=optimizer, epochs=1, **settings)
    names = nn.parameter_names(net, parameters)
    return {n: p.numpy() - b for n, p, b in zip(names, parameters, before, strict=True)}


def test_the_first_pattern_that_matches_counts_and_without_one_the_factor_is_1() -> None:
    plain = changes(SGD(0.1))
    factors = {"layers.2.bias": 3, "*.bias": 2, "layers.0.*": 0.5}
    expected = dict(zip(plain, [2, 0.5, 3, 1, 2, 1], strict=True))
    for name, change in changes(SGD(0.1, factors=factors)).items():
        np.testing.assert_allclose(change, expected[name] * plain[name], rtol=1e-9, err_msg=name)


@pytest.mark.parametrize("name", slow_unless({"sgd", "lamb"}.__contains__, optimizers.OPTIMIZERS))
def test_a_factor_is_another_learning_rate_for_every_optimizer(name: str) -> None:
    """Decay and trust ratios included; clipping sees the gradients as they are."""
    make = optimizers.OPTIMIZERS[name]
    found = changes(make(0.1, clip_norm=0.5, factors={"layers.2.*": 0.25}))
    for rate, layers in ((0.1, ("layers.0", "layers.4")), (0.025, ("layers.2",))):
        expected = changes(make(rate, clip_norm=0.5))
        for parameter, change in found.items():
            if parameter.startswith(layers):
                np.testing.assert_allclose(change, expected[parameter], rtol=1e-9)


@pytest.mark.parametrize("mode", ["eager", "graph", "xla"])
def test_zero_freezes_to_the_bit(mode: str) -> None:
    optimizer = AdamW(0.1, factors={"layers.0.*": 0})
    moved = changes(optimizer, compile=mode, l2=0.1, batch_size=4)
    assert {name for name, change in moved.items() if not change.any()} == {
        "layers.0.weight",
        "layers.0.bias",
    }


class Towers(tf.Module):
    """A foreign module, whose two towers share a weight."""

    def __init__(self) -> None:
        super().__init__()
        self.towers = [{"w": tf.Variable(tf.ones([3, 2]))}, {"w": tf.Variable(tf.ones([3, 2]))}]
        self.again = self.towers[0]["w"]

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        return x @ self.towers[0]["w"] - x @ self.towers[1]["w"] + x @ self.again


def test_names_in_foreign_modules_are_paths() -> None:
    net = Towers()
    shared, other = net.towers[0]["w"], net.towers[1]["w"]
    names = nn.parameter_names(net, [other, shared])
    assert names == ["layers.0.towers.1.w", "layers.0.towers.0.w"]
    tftrain.fit(net, X, Y, optimizer=SGD(0.1, factors={"*.towers.1.*": 0}), epochs=1)
    assert (other.numpy() == 1).all()
    assert not (shared.numpy() == 1).any()


def test_a_shared_layer_has_the_name_of_its_first_place() -> None:
    dense = nn.Dense(3, 3)
    net = nn.Sequential([dense, nn.Activation("tanh"), dense])
    names = nn.parameter_names(net, net.trainable_variables)
    assert sorted(names) == ["layers.0.bias", "layers.0.weight"]


@pytest.mark.parametrize(
    ("factors", "message"),
    [
        ({"layer.0.*": 0.5}, r"'layer.0.*' matches no parameter. They are called layers.0.bias, "),
        ({"*": 0.5, "*.bias": 2}, r"'\*.bias' decides nothing, .* put it before them, or leave"),
        ({"*": -1}, r"factors\['\*'\] must be at least 0 and finite, got -1"),
        ({"*": "1"}, r"factors\['\*'\] must be a number, got '1'"),
        ({1: 2.0}, "a pattern of factors must be text"),
        ([0.5], r"factors must be a factor for each pattern of names"),
    ],
)
def test_wrong_factors(factors: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        tftrain.fit(network(), X, Y, optimizer=SGD(0.1, factors=factors), epochs=1)


def test_an_optimizer_used_alone_needs_names() -> None:
    weight, optimizer = tf.Variable([1.0]), SGD(0.5, factors={"w": 0.1})
    with pytest.raises(InputError, match=r"optimizer.build\(parameters, nn.parameter_names"):
        optimizer.apply([tf.ones([1])], [weight])
    optimizer.build([weight], ["w"])
    optimizer.apply([tf.ones([1])], [weight])
    np.testing.assert_allclose(weight, [0.95])


def test_a_training_that_goes_on_must_have_the_same_factors(tmp_path: Any) -> None:
    def fit(**factors: float) -> None:
        optimizer = SGD(0.1, factors={f"*.{name}": f for name, f in factors.items()})
        saved = tftrain.Checkpoints(tmp_path, every_epochs=1)
        tftrain.fit(network(), X, Y, optimizer=optimizer, epochs=2, checkpoints=saved)

    fit(bias=2)
    with pytest.raises(InputError, match=r"whose optimizer is SGD\(factors.*2.0.*here it is"):
        fit(bias=3)
