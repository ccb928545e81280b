"""Every row of the table against the NumPy reference, in every mode and dtype."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import tftrain
from tests.support.parameters import slow, slow_unless
from tests.support.scale_reference import ScaleReference
from tests.support.table import DTYPES, LAYERS, LOSSES, OPTIMIZERS, WIDTH, Row, inputs
from tftrain import losses, nn, reference
from tftrain.graph import mapped
from tftrain.names import MODES

every_way = pytest.mark.parametrize(
    ("dtype", "modes"), [("float32", MODES), slow("float64", ["xla"])], ids=DTYPES
)
every_dtype = pytest.mark.parametrize("dtype", slow_unless("float32".__eq__, DTYPES))
CASES = 8
BEHIND = [row for row in LAYERS if row.inputs is inputs]
"""Layers that may stand behind another."""


def network(*layers: tf.Module, dtype: str) -> nn.Sequential:
    """Return a network around layers that take `WIDTH` inputs."""
    before = nn.Dense(4, WIDTH, dtype=dtype, seed=11, bias_initializer="normal")
    return nn.Sequential([before, nn.Activation("tanh"), *layers])


def subject(row: Row, dtype: str) -> tuple[nn.Sequential, Any, np.ndarray, np.ndarray]:
    """Return a network around a row's layer, and a batch: inputs, targets, weights."""
    layer = row.make(dtype)
    x, y, weight = batch(units_of(layer, row.inputs(dtype, 1)))
    if row.inputs is inputs:
        return network(layer, dtype=dtype), x, y, weight
    return nn.Sequential([layer]), row.inputs(dtype, CASES), y, weight


def batch(units: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((CASES, 4)), rng.standard_normal((CASES, units))
    return x, y, rng.uniform(0.5, 2, CASES)


def units_of(layer: tf.Module, x: Any) -> int:
    return int(layer(x).shape[-1])


@every_way
@pytest.mark.parametrize(
    "row", [row for row in LAYERS if not row.initializer], ids=lambda row: row.name
)
def test_every_layer_is_proven(row: Row, dtype: str, modes: Sequence[str]) -> None:
    network, x, y, weight = subject(row, dtype)
    report = tftrain.gradcheck(network, x, y, weight=weight, l2=0.1, modes=modes)
    assert report.ok, report
    assert report.certified
    assert {check.mode for check in report.checks} == {*modes, "numpy"}


@every_way
@pytest.mark.parametrize("row", LOSSES, ids=lambda row: row.name)
def test_every_loss_is_proven(row: Row, dtype: str, modes: Sequence[str]) -> None:
    """Or checked by evidence, where it is a plain function."""
    x, y, weight = batch(WIDTH)
    known = not isinstance(row.make(), losses.FunctionLoss)
    for case_weight in (None, weight):
        report = tftrain.gradcheck(
            network(dtype=dtype), x, y, loss=row.make(), weight=case_weight, l2=0.1, modes=modes
        )
        assert report.ok, report
        assert report.certified == known


@every_way
@pytest.mark.parametrize("row", OPTIMIZERS, ids=lambda row: row.name)
def test_every_update_is_proven(row: Row, dtype: str, modes: Sequence[str]) -> None:
    x, y, _ = batch(WIDTH)
    report = tftrain.gradcheck(network(dtype=dtype), x, y, optimizer=row.make(), modes=modes)
    assert report.ok, report
    updated = [check for check in report.checks if check.quantity == "updated weight"]
    # The first three, two late ones, and those about which a schedule changes.
    assert len(updated) >= 5 * len(modes)


@every_dtype
@pytest.mark.parametrize("row", BEHIND, ids=lambda row: row.name)
def test_inputs_on_every_kink(row: Row, dtype: str) -> None:
    layer = row.make(dtype)
    zeros = nn.Sequential([nn.Dense(4, WIDTH, initializer="zeros", dtype=dtype), layer])
    x, y, _ = batch(units_of(layer, row.inputs(dtype, 1)))
    report = tftrain.gradcheck(zeros, x, y, modes=["graph"])
    assert report.ok, report


@pytest.mark.usefixtures("needs_bfloat16")
@pytest.mark.parametrize("name", slow_unless({"tanh", "relu"}.__contains__, nn.ACTIVATIONS))
def test_every_activation_is_proven_in_bfloat16(name: str) -> None:
    """Hidden layers in bfloat16, in every mode; inputs over six decades, and exactly at kinks."""
    mixed = nn.MLP(4, [WIDTH, 70], 2, activation=name, precision=nn.MIXED, seed=3)
    x, y, weight = batch(2)
    x[:6] *= 10.0 ** np.arange(-3, 3)[:, None]
    x[6:] = 0
    optimizer = "adam" if name == "tanh" else None
    report = tftrain.gradcheck(mixed, x, y, weight=weight, l2=0.1, optimizer=optimizer)
    assert report.ok, report
    assert {check.dtype for check in report.checks if check.mode != "numpy"} == {nn.MIXED}


class Doubtful(nn.Dense):
    """A layer whose gradients are wrong by a tenth."""

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        y = super().__call__(x)
        return 1.1 * y - tf.stop_gradient(0.1 * y)


def test_a_fault_in_bfloat16_is_found() -> None:
    """A tenth is more than bfloat16 can round away."""
    x, y, _ = batch(2)
    layers = [
        Doubtful(4, WIDTH, compute_dtype="bfloat16", seed=1),
        nn.Activation("tanh"),
        nn.Dense(WIDTH, 2, seed=2),
    ]
    report = tftrain.gradcheck(nn.Sequential(layers), x, y, modes=["graph"])
    assert {check.where for check in report.failures} >= {"1 Doubtful: weight", "1 Doubtful: dx"}


class Scale(tf.Module):
    """Multiplies each unit by a factor of its own, in whatever type it is given."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.gain = tf.Variable(np.linspace(0.5, 2, units), dtype=tf.float32)

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        return x * tf.cast(self.gain, x.dtype)


@pytest.mark.usefixtures("needs_bfloat16")
@pytest.mark.parametrize("registered", [True, False])
def test_own_layers_among_layers_in_bfloat16(
    registered: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if registered:
        monkeypatch.setitem(reference.layers.REFERENCES, Scale, ScaleReference)
    x, y, _ = batch(2)
    hidden = nn.Dense(4, WIDTH, compute_dtype="bfloat16", seed=1)
    layers = [hidden, nn.Activation("tanh"), Scale(WIDTH), nn.Dense(WIDTH, 2, seed=2)]
    report = tftrain.gradcheck(nn.Sequential(layers), x, y)
    assert report.ok, report
    kinds = {check.kind for check in report.checks if check.node == "3 Scale"}
    assert ("certificate" in kinds) or not registered
    if not registered:  # what equals a gradient that is not proven is not proven either
        trained = [check for check in report.checks if check.quantity.endswith("as trained")]
        assert {check.kind for check in trained} == {"evidence"}


class Reversed(tftrain.training.step.Step):
    """What a compiler might do wrong: only where nothing is recorded the gradients are negative."""

    def differentiate(self, batch: Any, sources: Any, watched: Any = ()) -> Any:
        objective, gradients = super().differentiate(batch, sources, watched)
        return objective, gradients if watched else [-g for g in gradients]


@pytest.mark.usefixtures("needs_bfloat16")
def test_the_step_as_trained_is_checked_in_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tftrain.parity.api.Step", Reversed)
    x, y, _ = batch(2)
    mixed = nn.MLP(4, [WIDTH, WIDTH], 2, precision=nn.MIXED)
    report = tftrain.gradcheck(mixed, x, y, modes=["graph"])
    assert {check.quantity for check in report.failures} == {"weight as trained", "bias as trained"}


@pytest.mark.parametrize("row", LAYERS, ids=lambda row: row.name)
def test_every_layer_has_a_twin_that_copies_it(row: Row) -> None:
    layer = row.make("float64")
    twin = reference.reference_of(layer)
    x = row.inputs("float64")
    if row.inputs is inputs:
        x = tf.constant(np.linspace(-2, 2, 5 * WIDTH).reshape(5, WIDTH))
    given = mapped(np.asarray, x)
    np.testing.assert_allclose(twin.forward(given), layer(x), rtol=1e-12, atol=1e-14)
    assert len(twin.parameters) == len(layer.trainable_variables)
    for value in twin.parameters.values():
        value += 1.0  # a copy: the layer keeps its own
    assert not np.allclose(twin.forward(given), layer(x)) or not twin.parameters


@pytest.mark.parametrize("row", OPTIMIZERS, ids=lambda row: row.name)
def test_training_in_numpy_follows_tensorflow(row: Row) -> None:
    """The same start, the same batches, the same updates: a whole training, float64."""
    net = network(dtype="float64")
    twin = reference.Network.of(net)
    x, y, _ = batch(WIDTH)
    by_hand = reference.fit(
        twin,
        x,
        y,
        loss=reference.MeanSquaredError(),
        optimizer=reference.reference_of(row.make()),
        epochs=10,
        batch_size=3,
        seed=5,
    )
    history = tftrain.fit(net, x, y, optimizer=row.make(), epochs=10, batch_size=3, seed=5)
    np.testing.assert_allclose(np.concatenate(history.step_losses), by_hand, rtol=1e-11)
    for variable, value in zip(net.trainable_variables, _in_order(twin), strict=True):
        np.testing.assert_allclose(variable, value, rtol=1e-10, atol=1e-13)


def _in_order(twin: reference.Network) -> list[np.ndarray]:
    """Return the parameters as TensorFlow orders them: by name within a layer."""
    return [value for _, value in sorted(twin.parameters.items())]
