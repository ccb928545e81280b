"""Divergence is traced to the first step and the first node, where it was planted."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tftrain import nn, optimizers
from tftrain.errors import DivergedError
from tftrain.traces import Node, Trace
from tftrain.training import Observer, fit
from tftrain.training.diagnosis import first_not_finite

ROWS, BATCH = 48, 8
STEPS = ROWS // BATCH
MODES = ("graph", "xla", "eager")
PLANTED = 19
"""A row of the third batch."""


class Sqrt(tf.Module):
    """Square root: its derivative at zero is infinite."""

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        return tf.sqrt(x)


def data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    return rng.uniform(0.5, 1, (ROWS, 2)).astype(np.float32), np.ones((ROWS, 1), np.float32)


def diverge(network: tf.Module, x: np.ndarray, y: np.ndarray, **settings: Any) -> DivergedError:
    settings = {"optimizer": "sgd", "batch_size": BATCH, "shuffle": False, "epochs": 4, **settings}
    with pytest.raises(DivergedError) as caught:
        fit(network, x, y, **settings)
    assert caught.value.found in str(caught.value)
    assert all(np.isfinite(variable.numpy()).all() for variable in network.trainable_variables)
    return caught.value


@pytest.mark.parametrize("mode", MODES)
def test_forward(mode: str) -> None:
    x, y = data()
    x[PLANTED] = 3e38
    network = nn.Sequential(
        [nn.Dense(2, 3, initializer=nn.INITIALIZERS["uniform"](5.0)), nn.Dense(3, 1)]
    )
    error = diverge(network, x, y, compile=mode)
    assert (error.epoch, error.step) == (1, 3)
    assert "node 1 Dense, forward: its output" in error.found
    assert "infinite of 24" in error.found
    assert "to 3e+38" in error.found  # of its input


@pytest.mark.parametrize("mode", MODES)
def test_backward(mode: str) -> None:
    """Every output is finite, and so is the loss of this step."""
    x, y = data()
    x[PLANTED] = 0
    first = nn.Dense(2, 3, use_bias=False, initializer=nn.INITIALIZERS["uniform"](1.0))
    first.weight.assign(tf.abs(first.weight))
    error = diverge(nn.Sequential([first, Sqrt(), nn.Dense(3, 1)]), x, y, compile=mode)
    assert (error.epoch, error.step) == (1, 3)
    assert "node 2 Sqrt, backward: the delta at its input" in error.found
    assert "infinite of 24" in error.found


@pytest.mark.parametrize("mode", MODES)
def test_update(mode: str) -> None:
    """No gradient but that of the planted row, which is finite, and its change is not."""
    x, y = data()
    y *= 0
    y[PLANTED] = 1e12
    network = nn.Dense(2, 1, initializer=nn.INITIALIZERS["zeros"]())
    error = diverge(network, x, y, compile=mode, optimizer=optimizers.SGD(1e30))
    assert (error.epoch, error.step) == (1, 3)
    assert "forward and backward pass of this step are finite: its update is not" in error.found


def test_a_first_layer_without_a_derivative_is_not_blamed() -> None:
    x, y = data()
    y *= 0
    y[PLANTED] = 1e12
    network = nn.Sequential([tf.round, nn.Dense(2, 1, initializer=nn.INITIALIZERS["zeros"]())])
    error = diverge(network, x, y, compile="graph", optimizer=optimizers.SGD(1e30))
    assert "forward and backward pass of this step are finite: its update is not" in error.found


@pytest.mark.parametrize("together", [True, False])
def test_a_parameter_that_relu_hides_is_found_at_its_step(together: bool) -> None:
    """The loss stays finite for the rest of the epoch, and says nothing."""

    class Looks(Observer):
        looks_at_network = not together

    class Spoils(tf.Module):
        """A derivative that is NaN where a batch holds a zero, and a value that never is."""

        def __init__(self) -> None:
            super().__init__()
            self.w = tf.Variable([[1.0], [1.0]])
            self.unseen = tf.Variable(1.0)

        def __call__(self, x: tf.Tensor) -> tf.Tensor:
            bad = tf.reduce_min(x) == 0
            factor = tf.where(bad, tf.constant(np.nan), tf.constant(0.0))

            @tf.custom_gradient
            def silent(v: tf.Tensor) -> Any:
                return tf.zeros_like(v), lambda dy: dy * factor

            return x @ self.w + silent(self.unseen)

    x, y = data()
    x[PLANTED] = 0
    network = Spoils()
    error = diverge(network, x, y, compile="graph", observers=[Looks()])
    assert (error.epoch, error.step) == (1, 3)
    assert "node 1 Spoils, backward: the gradient of its unseen" in error.found
    assert error.what.startswith("variable unseen") or "Variable" in error.what


def test_late_in_a_chunk_of_many_epochs() -> None:
    """Growth to infinity: the first step that overflows, and the weights that it found."""
    x, y = data()
    settings: dict[str, Any] = {"optimizer": optimizers.SGD(2.0), "epochs": 3000, "compile": "xla"}
    network = nn.Dense(2, 1)
    error = diverge(network, x, y, **settings)
    steps = (error.epoch - 1) * STEPS + error.step - 1
    assert steps > 2 * STEPS

    again = nn.Dense(2, 1)
    epochs, rest = divmod(steps, STEPS)
    optimizer = optimizers.SGD(2.0)
    for rows, count in ((ROWS, epochs), (rest * BATCH, 1)):
        if rows and count:
            more = {**settings, "optimizer": optimizer, "epochs": count, "shuffle": False}
            fit(again, x[:rows], y[:rows], batch_size=BATCH, **more)
    for one, other in zip(network.variables, again.variables, strict=True):
        np.testing.assert_array_equal(one, other)


def test_validation_rows_alone() -> None:
    x, y = data()
    far = np.full((2, 2), 3e38, np.float32)
    network = nn.Dense(2, 1, initializer=nn.INITIALIZERS["uniform"](9.0))
    error = diverge(network, x, y, validation=(far, y[:2]))
    assert error.what == "validation loss"
    assert error.found == ""


def test_a_trace_without_fault_has_none() -> None:
    one = np.ones((2, 2))
    node = Node("Dense", (one,), one, one, (one,), (-1,), {"weight": one}, {"weight": one})
    assert first_not_finite(Trace("numpy", [node], one, None, 1.0)) is None
    spoilt = Trace("numpy", [node], one, None, np.nan)
    assert str(first_not_finite(spoilt)).startswith("first in the loss: (1 NaN of 1)")
