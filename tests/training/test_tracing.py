"""The trace of a TensorFlow network, against NumPy's and against the step that training runs."""

import numpy as np
import pytest
import tensorflow as tf

import tftrain
from tftrain import losses, nn, optimizers, reference
from tftrain.errors import InputError
from tftrain.traces import Trace
from tftrain.training.batch import as_batch
from tftrain.training.recorder import Tracer
from tftrain.training.step import Step

RNG = np.random.default_rng(0)
X, Y, WEIGHT = RNG.standard_normal((6, 3)), RNG.standard_normal((6, 2)), RNG.uniform(0.5, 1.5, 6)
OBJECTIVE = losses.Objective(losses.MeanSquaredError())
every_mode = pytest.mark.parametrize("mode", ["eager", "graph", "xla"])


def network(dtype: str = "float64") -> nn.MLP:
    return nn.MLP(3, [4, 4], 2, activation=["tanh", "gelu"], dtype=dtype, seed=1)


@every_mode
def test_both_engines_give_the_same_type_and_numbers(mode: str) -> None:
    net = network()
    ours = tftrain.trace(net, X, Y, weight=WEIGHT, l2=0.1, mode=mode)
    objective = reference.Objective(reference.MeanSquaredError(), [reference.L2(0.1)])
    theirs = reference.Network.of(net).trace(X, Y, objective, WEIGHT / WEIGHT.mean())
    assert type(ours) is type(theirs) is Trace
    assert ours.engine == f"tensorflow {mode}"
    assert ours.names() == theirs.names() == ["1 Dense", "2 tanh", "3 Dense", "4 gelu", "5 Dense"]
    assert ours.loss == pytest.approx(theirs.loss, rel=1e-14)
    for one, other in zip(ours.nodes, theirs.nodes, strict=True):
        for name in ("x", "y", "dx", "dy"):
            np.testing.assert_allclose(
                getattr(one, name), getattr(other, name), rtol=1e-11, atol=1e-16
            )
        assert set(one.gradients) == set(other.gradients) == set(one.parameters)
        for name, gradient in one.gradients.items():
            np.testing.assert_allclose(gradient, other.gradients[name], rtol=1e-11, atol=1e-16)


@every_mode
def test_the_chain_is_whole(mode: str) -> None:
    trace = tftrain.trace(network("float32"), X, Y, mode=mode)
    for before, after in zip(trace.nodes, trace.nodes[1:], strict=False):
        np.testing.assert_array_equal(before.y, after.x)
        np.testing.assert_array_equal(before.dy, after.dx)
    assert trace.prediction is trace.nodes[-1].y
    assert trace.delta is trace.nodes[-1].dy


@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_gradients_are_those_of_the_training_step_bit_for_bit(mode: str) -> None:
    net = network()
    step = Step(net, net.trainable_variables, OBJECTIVE, optimizers.SGD())
    tracer = Tracer(step, as_batch(X, Y, None, tf.float64), mode, update=False)
    trace = tracer.run()
    found = [node.gradients[name] for node in trace.nodes for name in sorted(node.gradients)]
    for one, other in zip(found, tracer.plain_gradients(), strict=True):
        np.testing.assert_array_equal(one, other)


@every_mode
def test_update_tells_before_and_after(mode: str) -> None:
    net = network()
    step = Step(net, net.trainable_variables, OBJECTIVE, optimizers.Adam(0.1))
    tracer = Tracer(step, as_batch(X, Y, None, tf.float64), mode, update=True)
    first, second = tracer.run().update, tracer.run().update
    assert first is not None
    assert second is not None
    assert (first.step, second.step) == (0, 1)
    for one, other in zip(first.after, second.before, strict=True):
        np.testing.assert_array_equal(one, other)
    for one, other in zip(first.before, first.after, strict=True):
        assert (one != other).any()
    assert all((slots["mean"] == 0).all() for slots in first.slots_before)
    assert any((slots["mean"] != 0).any() for slots in first.slots_after)


def test_networks_within_networks_are_taken_apart() -> None:
    inner = nn.Sequential([nn.Dense(3, 3, dtype="float64"), nn.Activation("tanh")])
    net = nn.Sequential([inner, tf.tanh, nn.Dense(3, 2, dtype="float64")])
    trace = tftrain.trace(net, X, Y)
    assert trace.names()[:2] == ["1 Dense", "2 tanh"]
    assert trace.names()[3] == "4 Dense"


def test_a_module_of_the_users_own_is_one_node() -> None:
    class Line(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.slopes = {"a": [tf.Variable(RNG.standard_normal((3, 2)))]}

        def __call__(self, x: tf.Tensor) -> tf.Tensor:
            return x @ self.slopes["a"][0]

    trace = tftrain.trace(Line(), X, Y, mode="eager")
    assert trace.names() == ["1 Line"]
    assert set(trace.nodes[0].parameters) == {"slopes.a.0"}


def test_wrong_mode() -> None:
    with pytest.raises(InputError, match="unknown mode"):
        tftrain.trace(network(), X, Y, mode="fast")
