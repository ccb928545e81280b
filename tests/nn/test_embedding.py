"""Embeddings, against the product with a matrix of zeros and ones that they stand for."""

import numpy as np
import pytest
import tensorflow as tf

import tftrain
from tftrain import nn
from tftrain.errors import InputError, ShapeError

CODES = np.array([3, 0, 3, 3, 1])


def test_the_vectors_are_rows_of_the_table() -> None:
    layer = nn.Embedding(5, 2, dtype="float64", seed=1)
    np.testing.assert_array_equal(layer(tf.constant(CODES)), np.eye(5)[CODES] @ layer.table.numpy())


def test_the_gradient_is_that_of_a_matrix_product() -> None:
    layer, dy = nn.Embedding(5, 2, dtype="float64", seed=1), np.arange(10.0).reshape(5, 2)
    with tf.GradientTape() as tape:
        objective = tf.reduce_sum(dy * layer(tf.constant(CODES)))
    gradient = tf.convert_to_tensor(tape.gradient(objective, layer.table))
    np.testing.assert_allclose(gradient, np.eye(5)[CODES].T @ dy)


def test_codes_of_several_axes() -> None:
    layer = nn.Embedding(4, 3, dtype="float64")
    x = np.array([[0, 3], [1, 1]])
    assert layer(tf.constant(x)).shape == (2, 2, 3)
    twin = tftrain.reference.reference_of(layer)
    np.testing.assert_array_equal(twin.forward(x), layer(tf.constant(x)))
    sums = twin.backward(x, twin.forward(x), np.ones((2, 2, 3)))[1]["table"]
    np.testing.assert_array_equal(sums[:, 0], [1, 2, 0, 1])


@pytest.mark.parametrize("mode", ["eager", "graph", "xla"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "lamb"])
def test_training_equals_that_of_the_matrix_product(mode: str, optimizer: str) -> None:
    """The first Dense on one-hot codes, without a bias, has the table as its weight."""
    rng = np.random.default_rng(0)
    codes, y = rng.integers(0, 6, 40), rng.standard_normal((40, 1))
    embedding = nn.Embedding(6, 3, dtype="float64")
    dense = nn.Dense(6, 3, use_bias=False, dtype="float64")
    dense.weight.assign(embedding.table)
    losses = []
    for first, x in ((embedding, codes), (dense, np.eye(6)[codes])):
        network = nn.Sequential([first, nn.Activation("tanh"), nn.Dense(3, 1, dtype="float64")])
        history = tftrain.fit(network, x, y, epochs=4, compile=mode, optimizer=optimizer, l2=0.01)
        losses.append(history.losses)
    np.testing.assert_allclose(*losses, rtol=1e-12)


def test_an_mlp_takes_numbers_and_codes() -> None:
    network = nn.MLP(2, [4], 1, embeddings=[(3, 2), (5, 1)], dtype="float64", seed=2)
    numbers, first, second = np.ones((4, 2)), np.array([0, 1, 2, 0]), np.array([4, 4, 0, 1])
    plain = nn.Sequential(network.layers[1:])
    vectors = [table.table.numpy() for table in tables(network)]
    joined = np.hstack([numbers, vectors[0][first], vectors[1][second]])
    expected = plain(tf.constant(joined))
    x = (tf.constant(numbers), tf.constant(first), tf.constant(second))
    np.testing.assert_array_equal(network(x), expected)


def tables(network: nn.MLP) -> list[nn.Embedding]:
    return [one for one in network.layers[0].branches if one is not None]


def test_an_mlp_of_codes_alone() -> None:
    network = nn.MLP(0, [4], 1, embeddings=[(3, 2)])
    x, y = (np.zeros((6, 0)), np.arange(6) % 3), np.ones((6, 1))
    assert tftrain.gradcheck(network, x, y).certified


def test_other_layers_keep_their_initial_weights() -> None:
    """Embeddings are numbered last, so that adding one moves no other seed."""
    one, other = nn.MLP(2, [4], 1, seed=3), nn.MLP(0, [4], 1, embeddings=[(3, 2)], seed=3)
    np.testing.assert_array_equal(one.layers[-1].weight, other.layers[-1].weight)


def test_wrong_arguments() -> None:
    with pytest.raises(InputError, match="categories must be a whole number of at least 1"):
        nn.Embedding(0, 2)
    with pytest.raises(InputError, match="unknown dtype"):
        nn.Embedding(2, 2, dtype="int32")
    with pytest.raises(ShapeError, match="takes integers"):
        nn.Embedding(2, 2)(tf.constant([0.0]))
    with pytest.raises(InputError, match="in_features must be a whole number of at least 1"):
        nn.MLP(0, [4], 1)
