import numpy as np
import pytest
import tensorflow as tf

import tftrain
from tftrain import nn
from tftrain.errors import InputError, ShapeError

RNG = np.random.default_rng(1)
X = RNG.standard_normal((9, 4))


def dense(inputs: int, outputs: int, seed: int = 0) -> nn.Dense:
    return nn.Dense(inputs, outputs, dtype="float64", seed=seed)


def test_a_residual_adds_its_input() -> None:
    layer = dense(4, 4)
    y = nn.Residual(layer, nn.Activation("tanh"))(tf.constant(X))
    np.testing.assert_allclose(y, X + np.tanh(X @ layer.weight.numpy()), rtol=1e-12)


def test_concat_puts_branches_side_by_side() -> None:
    one, other = dense(4, 2, 1), dense(4, 3, 2)
    y = nn.Fork([one, [], [other, tf.tanh]], nn.Concat())(tf.constant(X))
    wanted = np.concatenate([X @ one.weight, X, np.tanh(X @ other.weight)], axis=1)
    np.testing.assert_allclose(y, wanted, rtol=1e-12)


def test_the_wires_of_forks_within_forks() -> None:
    inner = nn.Residual(nn.Activation("tanh"))
    network = nn.Sequential([dense(4, 4), nn.Fork([[], inner, dense(4, 4)], nn.Add()), dense(4, 1)])
    found = [(wire.label, wire.sources) for wire in nn.wires(network)]
    assert found == [
        ("Dense", (-1,)),
        ("tanh", (0,)),
        ("Add", (0, 1)),
        ("Dense", (0,)),
        ("Add", (0, 2, 3)),
        ("Dense", (4,)),
    ]


def test_gradients_of_a_fork_against_its_formula() -> None:
    """`y = x W + x` behind one map `V`: the delta of `x V` is the sum of both branches'."""
    before, layer = dense(4, 3), dense(3, 3, 5)
    network = nn.Sequential([before, nn.Residual(layer)])
    y = RNG.standard_normal((9, 3))
    trace = tftrain.trace(network, X, y)
    delta = 2 * (network(tf.constant(X)).numpy() - y) / y.size
    hidden = delta @ (np.eye(3) + layer.weight.numpy().T)
    np.testing.assert_allclose(trace.nodes[0].dy, hidden, rtol=1e-12)
    np.testing.assert_allclose(trace.nodes[0].gradients["weight"], X.T @ hidden, rtol=1e-12)
    assert [node.sources for node in trace.nodes] == [(-1,), (0,), (0, 1)]


def test_the_reference_walks_the_same_graph() -> None:
    network = nn.Sequential(
        [dense(4, 4), nn.Fork([[], nn.Residual(dense(4, 4, 2))], nn.Concat()), dense(8, 2, 3)]
    )
    y = RNG.standard_normal((9, 2))
    by_hand = tftrain.reference.Network.of(network)
    loss = tftrain.reference.MeanSquaredError()
    one, other = tftrain.trace(network, X, y), by_hand.trace(X, y, loss)
    for ours, theirs in zip(one.nodes, other.nodes, strict=True):
        assert (ours.label, ours.sources) == (theirs.label, theirs.sources)
        np.testing.assert_allclose(ours.dy, theirs.dy, rtol=1e-10, atol=1e-15)
        for name, gradient in ours.gradients.items():
            np.testing.assert_allclose(gradient, theirs.gradients[name], rtol=1e-10, atol=1e-15)


def test_what_cannot_be_joined() -> None:
    with pytest.raises(ShapeError, match="Add takes tensors of one shape and dtype"):
        nn.Residual(dense(4, 3))(tf.constant(X))
    with pytest.raises(ShapeError, match="Concat takes tensors of one dtype and rank"):
        nn.Fork([[], lambda x: x[..., None]], nn.Concat())(tf.constant(X))
    with pytest.raises(InputError, match="at least two branches"):
        nn.Fork([[]], nn.Add())
    with pytest.raises(InputError, match="at least one layer"):
        nn.Residual()


class Mean(tf.Module):
    """Joins branches, and has no reference."""

    def __call__(self, x: list[tf.Tensor]) -> tf.Tensor:
        return tf.add_n(x) / len(x)


class Lopsided(Mean):
    """Gives the first branch a delta that is wrong by a tenth."""

    def __call__(self, x: list[tf.Tensor]) -> tf.Tensor:
        first = tf.custom_gradient(lambda one: (tf.identity(one), lambda dy: 1.1 * dy))(x[0])
        return super().__call__([first, *x[1:]])


def test_a_join_that_the_reference_does_not_know_is_checked_by_evidence() -> None:
    for join, right in ((Mean(), True), (Lopsided(), False)):
        network = nn.Sequential([nn.Fork([dense(4, 2), dense(4, 2, 1)], join)])
        report = tftrain.gradcheck(network, X, RNG.standard_normal((9, 2)), modes=["graph"])
        assert report.ok == right, report
        assert not report.certified
