from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tftrain.errors import InputError
from tftrain.nn import MLP, Dense, Sequential


def structure(network: Sequential) -> list[str]:
    return [repr(layer) for layer in network.layers]


def test_one_activation_for_all_hidden_layers() -> None:
    network = MLP(4, [3, 2], 1, activation="tanh")
    assert structure(network) == [
        "Dense(4, 3)",
        "Activation('tanh')",
        "Dense(3, 2)",
        "Activation('tanh')",
        "Dense(2, 1)",
    ]


def test_an_activation_for_each_layer_and_the_output() -> None:
    network = MLP(4, [3, 2], 1, activation=["relu", "identity"], output_activation="sigmoid")
    assert structure(network) == [
        "Dense(4, 3)",
        "Activation('relu')",
        "Dense(3, 2)",
        "Dense(2, 1)",
        "Activation('sigmoid')",
    ]


def test_no_hidden_layer_is_a_linear_network() -> None:
    assert structure(MLP(4, [], 2)) == ["Dense(4, 2)"]


def test_output_against_numpy() -> None:
    network = MLP(3, [4], 2, activation="tanh", dtype="float64", bias_initializer="normal")
    x = np.random.default_rng(0).normal(size=(5, 3))
    first, _, last = network.layers
    hidden = np.tanh(x @ first.weight.numpy() + first.bias.numpy())
    expected = hidden @ last.weight.numpy() + last.bias.numpy()
    np.testing.assert_allclose(network(tf.constant(x)), expected, rtol=1e-13)


def test_layer_number_i_draws_from_counter_i() -> None:
    network = MLP(3, [3, 3], 3, activation="tanh", seed=9)
    for i, dense in enumerate(network.layers[::2]):
        np.testing.assert_array_equal(dense.weight, Dense(3, 3, seed=9, counter=i).weight)


def test_automatic_initializer_suits_each_activation() -> None:
    network = MLP(300, [200, 200], 100, activation=["relu", "selu"])
    relu, _, selu, _, output = network.layers
    assert np.abs(relu.weight.numpy()).max() == pytest.approx((6 / 300) ** 0.5, rel=1e-3)
    assert np.var(selu.weight.numpy()) == pytest.approx(1 / 200, rel=0.03)
    assert np.abs(output.weight.numpy()).max() == pytest.approx((6 / 300) ** 0.5, rel=1e-3)


def test_settings_reach_every_layer() -> None:
    network = MLP(3, [4, 5], 2, use_bias=False, initializer="zeros", dtype="float64")
    assert [v.shape.as_list() for v in network.trainable_variables] == [[3, 4], [4, 5], [5, 2]]
    assert all(not np.any(v.numpy()) and v.dtype == tf.float64 for v in network.variables)


@pytest.mark.parametrize("activation", [[], ["relu"], ["relu"] * 3])
def test_wrong_number_of_activations(activation: list[str]) -> None:
    with pytest.raises(InputError, match="activations for 2 hidden layers"):
        MLP(3, [4, 5], 2, activation=activation)


def test_unknown_activation() -> None:
    with pytest.raises(InputError, match="did you mean relu"):
        MLP(3, [4], 2, activation="rellu")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hidden": 64}, r"hidden must be a list of widths such as \[64, 64\]; got 64"),
        ({"hidden": [8, 2.5]}, r"hidden\[1\] must be a whole number of at least 1, got 2.5"),
        ({"hidden": ["8"]}, r"hidden\[0\] must be a whole number"),
        ({"in_features": 3.0}, "in_features must be a whole number"),
        ({"activation": tf.nn.relu}, "unknown activation .*Known: identity, relu"),
        ({"activation": None}, "unknown activation None. Known: identity, relu"),
        ({"initializer": ["zeros"]}, "unknown initializer .*Known: zeros"),
        ({"seed": None}, "seed must be a whole number"),
    ],
)
def test_settings_of_other_types(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        MLP(**{"in_features": 3, "hidden": [4], "out_features": 2, **settings})


def test_widths_may_come_in_an_array() -> None:
    assert structure(MLP(2, np.array([3]), 1)) == structure(MLP(2, [3], 1))
