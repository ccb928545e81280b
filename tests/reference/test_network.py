"""The recursion of the deltas, and training in NumPy alone."""

from itertools import pairwise

import numpy as np
import pytest

from tftrain.errors import InputError
from tftrain.reference import (
    L2,
    SGD,
    Activation,
    Adam,
    Dense,
    MeanSquaredError,
    Network,
    Objective,
    fit,
)
from tftrain.reference.optimizers import Constant
from tftrain.streams import batch_order


def network(rng: np.random.Generator, dtype: type = np.float64) -> Network:
    widths, layers = (3, 5, 4, 2), []
    for n_in, n_out in pairwise(widths):
        weight = rng.standard_normal((n_in, n_out)).astype(dtype)
        layers += [Dense(weight, rng.standard_normal(n_out).astype(dtype)), Activation("tanh")]
    return Network(layers[:-1])


def test_every_gradient_by_complex_step() -> None:
    rng = np.random.default_rng(0)
    net, x, y = network(rng), rng.standard_normal((7, 3)), rng.standard_normal((7, 2))
    weight = rng.uniform(0.5, 1.5, 7)
    objective = Objective(MeanSquaredError(), [L2(0.3)])
    _, gradients = net.gradients(x, y, objective, weight)
    for name, value in net.parameters.items():
        for index in np.ndindex(value.shape):
            moved = value.astype(complex)
            moved[index] += 1e-40j
            other = Network(net.layers).with_parameters(lambda p: p.copy())
            other.assign({**other.parameters, name: moved})
            found, _ = other.gradients(x, y, objective, weight)
            assert gradients[name][index] == pytest.approx(found.imag / 1e-40, rel=1e-11)


def test_trace_holds_the_chain() -> None:
    rng = np.random.default_rng(1)
    net, x, y = network(rng), rng.standard_normal((4, 3)), rng.standard_normal((4, 2))
    trace = net.trace(x, y, MeanSquaredError())
    assert trace.names() == ["1 Dense", "2 tanh", "3 Dense", "4 tanh", "5 Dense"]
    np.testing.assert_array_equal(trace.nodes[0].x, x)
    for before, after in zip(trace.nodes, trace.nodes[1:], strict=False):
        np.testing.assert_array_equal(before.y, after.x)
        np.testing.assert_array_equal(before.dy, after.dx)
    np.testing.assert_allclose(trace.delta, 2 * (trace.prediction - y) / y.size)
    assert trace.loss == pytest.approx(np.mean((net.forward(x) - y) ** 2))
    first = trace.nodes[0]
    np.testing.assert_allclose(first.gradients["weight"], x.T @ first.dy)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.longdouble])
def test_training_keeps_the_dtype(dtype: type) -> None:
    rng = np.random.default_rng(2)
    net = network(rng, dtype)
    x, y = rng.standard_normal((10, 3)).astype(dtype), rng.standard_normal((10, 2)).astype(dtype)
    optimizer = Adam(schedule=Constant(0.01))
    losses = fit(net, x, y, loss=MeanSquaredError(), optimizer=optimizer, epochs=20, batch_size=4)
    assert len(losses) == 20 * 3
    assert losses[-3:].mean() < losses[:3].mean()
    assert {p.dtype.type for p in net.parameters.values()} == {dtype}


def test_a_single_neuron_reaches_least_squares() -> None:
    rng = np.random.default_rng(3)
    x = rng.standard_normal((50, 3))
    y = x @ np.array([[1.0], [-2.0], [0.5]]) + 0.3 + 0.1 * rng.standard_normal((50, 1))
    neuron = Network([Dense(np.zeros((3, 1)), np.zeros(1))])
    optimizer = SGD(schedule=Constant(0.1), momentum=0.9)
    fit(neuron, x, y, loss=MeanSquaredError(), optimizer=optimizer, epochs=500, batch_size=50)
    solution = np.linalg.lstsq(np.column_stack([x, np.ones(50)]), y, rcond=None)[0]
    found = np.vstack([neuron.layers[0].weight, neuron.layers[0].bias])
    np.testing.assert_allclose(found, solution, rtol=1e-10)


def test_batches_are_those_of_the_streams() -> None:
    x = np.arange(5.0)[:, None]
    neuron = Network([Dense(np.zeros((1, 1)))])
    losses = fit(
        neuron,
        x,
        x,
        loss=MeanSquaredError(),
        optimizer=SGD(schedule=Constant(1e-300)),
        epochs=2,
        batch_size=2,
        seed=7,
    )
    expected = []
    for epoch in range(2):
        order = batch_order(5, 7, epoch)
        expected += [np.mean(x[order[i : i + 2]] ** 2) for i in (0, 2, 4)]
    np.testing.assert_allclose(losses, expected)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"loss": 3}, r"loss must be .*a tftrain\.reference\.Loss, such as .*reference_of\(loss\)"),
        ({"loss": "mes"}, "unknown loss 'mes', did you mean mse"),
        ({"optimizer": 3}, r"optimizer must be .*a tftrain\.reference\.Optimizer.*got 3"),
        ({"epochs": 0}, "epochs must be a whole number"),
        ({"network": np.tanh}, r"network must be a tftrain\.reference\.Network"),
        ({"x": [[1.0]]}, "x must be a NumPy array"),
        ({"y": None}, "y must be a NumPy array; got None"),
    ],
)
def test_arguments_of_another_kind(given: dict, message: str) -> None:
    arguments = {
        "network": network(np.random.default_rng(0)),
        "x": np.ones((4, 3)),
        "y": np.ones((4, 2)),
        "loss": MeanSquaredError(),
        "optimizer": SGD(schedule=Constant(0.1)),
        "epochs": 1,
        **given,
    }
    with pytest.raises(InputError, match=message):
        fit(**arguments, batch_size=2)


def test_names_and_numbers_are_taken_as_tftrain_fit_takes_them() -> None:
    x, y = np.ones((5, 3)), np.ones((5, 2))
    by_name, in_full = (network(np.random.default_rng(0)) for _ in range(2))
    one = fit(by_name, x, y, loss="mse", optimizer="sgd", epochs=2, batch_size="full")
    optimizer = SGD(schedule=Constant(0.01))
    other = fit(in_full, x, y, loss=MeanSquaredError(), optimizer=optimizer, epochs=2, batch_size=5)
    np.testing.assert_array_equal(one, other)
    assert SGD(schedule=0.5).schedule == Constant(0.5)


def test_rows_must_agree() -> None:
    neuron = Network([Dense(np.zeros((1, 1)))])
    with pytest.raises(InputError, match="same number"):
        fit(
            neuron,
            np.ones((3, 1)),
            np.ones((2, 1)),
            loss=MeanSquaredError(),
            optimizer=SGD(schedule=Constant(0.1)),
            epochs=1,
            batch_size=1,
        )
