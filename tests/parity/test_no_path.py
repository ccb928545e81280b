"""Where TensorFlow has no path back, a derivative is zero: right where it is, found where not.

Layers that bin, round, look up or stop a gradient, at every place of a network.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import tftrain
from tests.support.parameters import slow
from tftrain import nn, reference
from tftrain.errors import InputError
from tftrain.names import DTYPES, MODES
from tftrain.reference.layers import REFERENCES

RNG = np.random.default_rng(7)
X, Y = RNG.standard_normal((8, 3)), RNG.standard_normal((8, 1))
every_mode = pytest.mark.parametrize("mode", MODES)
every_dtype = pytest.mark.parametrize("dtype", DTYPES)

Build = Callable[[str], tf.Module]


def dense(inputs: int, outputs: int, dtype: str) -> nn.Dense:
    return nn.Dense(inputs, outputs, dtype=dtype, seed=inputs)


def variable(dtype: str, *shape: int) -> tf.Variable:
    values = np.random.default_rng(1).standard_normal(shape)
    return tf.Variable(values.astype(dtype), name="forgotten")


class Of(tf.Module):
    """A layer that computes `call(x, **variables)`."""

    def __init__(self, call: Callable[..., tf.Tensor], **variables: tf.Variable) -> None:
        super().__init__()
        self.call, self.held = call, variables

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        return self.call(x, **self.held)


def codes(x: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.clip_by_value(tf.floor(x + 2), 0, 3), tf.int32)


def looked_up(i: tf.Tensor, table: tf.Variable) -> tf.Tensor:
    return tf.gather(table, i[:, 0])


def partly_stopped(x: tf.Tensor) -> tf.Tensor:
    return tf.concat([tf.stop_gradient(x[:, :1]), x[:, 1:]], axis=1)


def standardised(x: tf.Tensor) -> tf.Tensor:
    mean, variance = tf.nn.moments(x, [1], keepdims=True)  # stops the gradient of the mean inside
    return (x - mean) / tf.sqrt(variance + 0.1)


RIGHT: dict[str, Build] = {
    "bins": lambda d: nn.Sequential([Of(lambda x: tf.cast(x > 0, x.dtype)), dense(3, 1, d)]),
    "codes, then a table": lambda d: nn.Sequential(
        [Of(codes), Of(looked_up, table=variable(d, 4, 2)), dense(2, 1, d)]
    ),
    "codes and table in one": lambda d: nn.Sequential(
        [Of(lambda x, table: looked_up(codes(x), table), table=variable(d, 4, 2)), dense(2, 1, d)]
    ),
    "truth values": lambda d: nn.Sequential(
        [Of(lambda x: x > 0), Of(lambda b: tf.cast(b, d)), dense(3, 1, d)]
    ),
    "argmax": lambda d: nn.Sequential(
        [Of(lambda x: tf.argmax(x, 1)), Of(lambda i: tf.one_hot(i, 3, dtype=d)), dense(3, 1, d)]
    ),
    "round": lambda d: nn.Sequential([tf.round, dense(3, 1, d)]),
    "sign": lambda d: nn.Sequential([tf.sign, dense(3, 1, d)]),
    "floor": lambda d: nn.Sequential([Of(lambda x: tf.floor(3 * x)), dense(3, 1, d)]),
    "stopped": lambda d: nn.Sequential([Of(lambda x: 2 * tf.stop_gradient(x)), dense(3, 1, d)]),
    "stopped in a tf.function": lambda d: nn.Sequential(
        [tf.function(lambda x: 2 * tf.stop_gradient(x)), dense(3, 1, d)]
    ),
    "partly stopped in the middle": lambda d: nn.Sequential(
        [dense(3, 4, d), Of(partly_stopped), dense(4, 1, d)]
    ),
    "straight through": lambda d: nn.Sequential(
        [dense(3, 4, d), Of(lambda x: x + tf.stop_gradient(tf.round(x) - x)), dense(4, 1, d)]
    ),
    "moments": lambda d: nn.Sequential([dense(3, 4, d), Of(standardised), dense(4, 1, d)]),
    "input ignored": lambda d: nn.Sequential(
        [Of(lambda x, row: tf.zeros_like(x) + row, row=variable(d, 3)), dense(3, 1, d)]
    ),
    "gathered rows": lambda d: nn.Sequential(  # forward mode gives IndexedSlices
        [dense(3, 2, d), Of(lambda x: tf.gather(x, [7, 6, 5, 4, 3, 2, 1, 0])), dense(2, 1, d)]
    ),
}


WITH_XLA = ("codes, then a table", "truth values", "stopped", "straight through")
"""What the slowest mode is tried on."""


@pytest.mark.parametrize(
    ("name", "mode", "dtype"),
    [
        *((name, "eager", "float64") for name in RIGHT),
        *((name, "graph", "float32") for name in RIGHT),
        *(slow(name, "xla", "float32") for name in WITH_XLA),
    ],
)
def test_no_false_alarm(name: str, mode: str, dtype: str) -> None:
    report = tftrain.gradcheck(RIGHT[name](dtype), X, Y, modes=[mode], l2=0.01)
    assert report.ok, report.verdict
    assert "certificate" in {check.kind for check in report.checks if "Dense" in check.node}


@every_mode
def test_a_trace_shows_zero_where_there_is_no_path(mode: str) -> None:
    net = RIGHT["codes, then a table"]("float32")
    trace = tftrain.trace(net, X, Y, mode=mode)
    first, table, last = trace.nodes
    assert first.y.dtype == table.x.dtype == np.int32
    for delta in (first.dx, first.dy, table.dx):
        assert delta.dtype == np.float32
        assert not delta.any()
    np.testing.assert_array_equal(first.y, table.x)
    np.testing.assert_array_equal(table.dy, last.dx)
    hot = np.arange(4) == table.x[:, :1]
    np.testing.assert_allclose(table.gradients["held.table"], hot.T @ table.dy, rtol=1e-5)
    np.testing.assert_allclose(last.dx, last.dy @ net.layers[-1].weight.numpy().T, rtol=1e-5)


def test_what_is_taken_for_constant_is_noted() -> None:
    report = tftrain.gradcheck(RIGHT["straight through"]("float64"), X, Y, modes=["graph"])
    assert "2 Of: what tf.stop_gradient stops was taken for constant." in report.notes
    quiet = tftrain.gradcheck(RIGHT["moments"]("float64"), X, Y, modes=["graph"])
    assert not any("stop_gradient" in note for note in quiet.notes)


# What training refuses

NEEDLESS: dict[str, Build] = {
    "not used": lambda d: Of(lambda x, w, z: x @ w, w=variable(d, 3, 1), z=variable(d, 1)),
    "read and dropped": lambda d: Of(
        lambda x, w, z: (x @ w, x @ z)[0], w=variable(d, 3, 1), z=variable(d, 3, 1)
    ),
    "stopped": lambda d: Of(
        lambda x, w, z: x @ w + tf.stop_gradient(z), w=variable(d, 3, 1), z=variable(d, 1)
    ),
    "before a step": lambda d: nn.Sequential([dense(3, 3, d), tf.round, dense(3, 1, d)]),
    "before the last step": lambda d: nn.Sequential([dense(3, 1, d), tf.round]),
}


@every_mode
@pytest.mark.parametrize("build", NEEDLESS.values(), ids=NEEDLESS)
def test_a_variable_that_no_gradient_reaches_gets_the_error_of_training(
    build: Build, mode: str
) -> None:
    with pytest.raises(InputError, match="the loss does not depend on the variable") as training:
        tftrain.fit(build("float32"), X, Y, compile=mode, epochs=1)
    with pytest.raises(InputError) as checking:
        tftrain.gradcheck(build("float32"), X, Y, modes=[mode])
    with pytest.raises(InputError) as tracing:
        tftrain.trace(build("float32"), X, Y, mode=mode)
    assert str(training.value) == str(checking.value) == str(tracing.value)


def test_an_added_variable_that_is_not_used_is_named_though_the_reference_lacks_it() -> None:
    class Wider(nn.Dense):
        def __init__(self) -> None:
            super().__init__(3, 1)
            self.more = tf.Variable([1.0], name="more")

    with pytest.raises(InputError, match="the loss does not depend on the variable more:0"):
        tftrain.gradcheck(Wider(), X, Y, modes=["graph"])


def test_a_variable_of_the_penalty_alone_is_trained_and_checked() -> None:
    net = NEEDLESS["read and dropped"]("float64")
    report = tftrain.gradcheck(net, X, Y, l2=0.1, modes=["graph"])
    assert report.ok, report.verdict
    node = tftrain.trace(net, X, Y, l2=0.1).nodes[0]
    np.testing.assert_allclose(node.gradients["held.z"], 0.1 * net.held["z"].numpy(), rtol=1e-14)


# What is wrong all the same


@every_mode
def test_a_gradient_that_is_lost_is_found_by_evidence(mode: str) -> None:
    @tf.custom_gradient
    def lost(x: tf.Tensor) -> Any:
        return x * x, lambda dy: None

    net = nn.Sequential([dense(3, 3, "float64"), Of(lost), dense(3, 1, "float64")])
    report = tftrain.gradcheck(net, X, Y, modes=[mode])
    assert {check.node for check in report.failures} == {"2 Of"}


class Codes(tf.Module):
    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        return codes(x)


class Table(tf.Module):
    """Looks numbers up; `stops` is the fault in its gradient."""

    def __init__(self, dtype: str, stops: bool = False) -> None:
        super().__init__()
        self.table, self.stops = variable(dtype, 4), stops

    def __call__(self, i: tf.Tensor) -> tf.Tensor:
        found = tf.gather(self.table, i)
        return tf.stop_gradient(found) if self.stops else found


class Rounded(tf.Module):
    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        return tf.round(x)


@pytest.fixture
def known() -> Iterator[None]:
    """References for the layers above: None, zeros and integers are all no derivative."""

    @reference.register(Codes)
    @dataclass
    class CodesReference(reference.Layer):
        def forward(self, x):
            return sum((x + 2 >= edge).astype(int) for edge in (1, 2, 3))

        def backward(self, x, y, dy):
            return 0 * dy, {}

    @reference.register(Table)
    @dataclass
    class TableReference(reference.Layer):
        table: np.ndarray

        def forward(self, x):
            return self.table[x]

        def backward(self, x, y, dy):
            hot = x.reshape(-1, 1) == np.arange(4)
            return np.zeros_like(x), {"table": hot.T.astype(float) @ dy.reshape(-1)}

    @reference.register(Rounded)
    @dataclass
    class RoundedReference(reference.Layer):
        def forward(self, x):
            return np.round(x.real)

        def backward(self, x, y, dy):
            return None, {}

    yield
    for kind in (Codes, Table, Rounded):
        del REFERENCES[kind]


@every_dtype
def test_integers_between_registered_layers_are_proven(dtype: str, known: None) -> None:
    net = nn.Sequential([Codes(), Table(dtype), dense(3, 1, dtype)])
    report = tftrain.gradcheck(net, X, Y, optimizer="sgd")
    assert report.ok, report.verdict
    assert report.certified
    assert not report.notes


def test_a_planted_stop_in_a_registered_layer_is_named(known: None) -> None:
    net = nn.Sequential([Codes(), Table("float64", stops=True), dense(3, 1, "float64")])
    report = tftrain.gradcheck(net, X, Y)
    assert report.failures[0].where == "2 Table: table"
    assert {check.node for check in report.failures} == {"2 Table"}


@every_dtype
def test_a_reference_may_round_and_send_nothing_on(dtype: str, known: None) -> None:
    frozen = dense(3, 3, dtype)
    for name in ("weight", "bias"):
        setattr(frozen, name, tf.Variable(getattr(frozen, name), trainable=False))
    for before in ([], [frozen]):
        net = nn.Sequential([*before, Rounded(), dense(3, 1, dtype)])
        report = tftrain.gradcheck(net, X, Y, modes=["graph"])
        assert report.ok, report.verdict
        assert report.certified


def test_the_fixture_for_pytest_says_what_training_says(assert_gradient_parity: Any) -> None:
    assert_gradient_parity(RIGHT["round"]("float64"), X, Y, modes=["graph"])
    with pytest.raises(pytest.fail.Exception, match="the loss does not depend on the variable"):
        assert_gradient_parity(NEEDLESS["not used"]("float64"), X, Y, modes=["graph"])
