import numpy as np
import pytest
import tensorflow as tf

from tftrain.errors import InputError
from tftrain.nn import Activation, Dense, Sequential


def test_applies_its_layers_in_order() -> None:
    network = Sequential([lambda x: x + 1, lambda x: x * 10, tf.square])
    assert float(network(tf.constant(2.0))) == 900.0


def test_finds_the_variables_of_all_layers_in_order() -> None:
    layers = [Dense(2, 3), Activation("tanh"), Sequential([Dense(3, 4), tf.sin, Dense(4, 1)])]
    shapes = [v.shape.as_list() for v in Sequential(layers).trainable_variables if v.shape.rank > 1]
    assert shapes == [[2, 3], [3, 4], [4, 1]]


def test_a_layer_used_twice_has_one_set_of_variables() -> None:
    shared = Dense(2, 2, dtype="float64")
    network = Sequential([shared, shared])
    x = np.array([[1.0, -2.0]])
    twice = x @ shared.weight.numpy() @ shared.weight.numpy()
    assert len(network.trainable_variables) == 2
    np.testing.assert_allclose(network(tf.constant(x)), twice, rtol=1e-14)


def test_needs_a_layer() -> None:
    with pytest.raises(InputError, match="at least one layer"):
        Sequential([])


def test_what_are_no_layers() -> None:
    with pytest.raises(InputError, match=r"layers must be a list of layers; got Dense\(2, 1\)"):
        Sequential(Dense(2, 1))  # type: ignore[arg-type]
    with pytest.raises(
        InputError, match=r"layers\[1\] must be nn\.Activation\('tanh'\); got 'tanh'"
    ):
        Sequential([Dense(2, 1), "tanh"])
    with pytest.raises(InputError, match=r"layers\[0\] must be a layer; got None"):
        Sequential([None])  # type: ignore[list-item]


def test_repr_shows_the_layers() -> None:
    network = Sequential([Dense(2, 3), Activation("relu")])
    assert repr(network) == "Sequential([Dense(2, 3), Activation('relu')])"
