"""Layers that the reference does not know: no right one is refused, and no wrong one passes."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import tftrain
from tests.support.parameters import slow
from tests.support.scale_reference import ScaleReference
from tftrain import nn, reference
from tftrain.reference.layers import REFERENCES

KINKED = {
    "relu": tf.nn.relu,
    "abs": tf.abs,
    "max": lambda h: tf.repeat(tf.reduce_max(tf.reshape(h, [-1, 4, 4]), 2), 4, axis=1),
    "two layers": lambda h: tf.nn.relu(0.1 * tf.nn.relu(h) @ tf.ones([16, 16], h.dtype) - 1),
    "tanh": tf.tanh,
}


class Stranger(tf.Module):
    """Two matrices around a function; `factor` is the error of its gradient."""

    def __init__(self, function: Any, seed: int, dtype: str, factor: float = 1.0) -> None:
        super().__init__()
        rng = np.random.default_rng(seed)
        self.w = tf.Variable(rng.standard_normal((4, 16)).astype(dtype))
        self.v = tf.Variable(rng.standard_normal((16, 1)).astype(dtype))
        self.function, self.factor = function, factor

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        y = self.function(x @ self.w) @ self.v
        if self.factor == 1:
            return y
        wrong = tf.custom_gradient(lambda y: (y, lambda dy: self.factor * dy))
        return wrong(y)


def batch(seed: int, rows: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1000 + seed)
    return rng.standard_normal((rows, 4)), rng.standard_normal((rows, 1))


@pytest.mark.parametrize("seeds", [range(1), slow(range(1, 5))])
@pytest.mark.parametrize("rows", [16, slow(256)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", KINKED)
def test_right_layers_pass_and_errors_of_a_per_cent_do_not(
    name: str, dtype: str, rows: int, seeds: range
) -> None:
    for seed in seeds:
        x, y = batch(seed, rows)
        report = tftrain.gradcheck(Stranger(KINKED[name], seed, dtype), x, y, modes=["eager"])
        assert report.ok, report.verdict
        wrong = Stranger(KINKED[name], seed, dtype, factor=1.01)
        assert not tftrain.gradcheck(wrong, x, y, modes=["eager"]).ok


def test_inputs_on_every_kink() -> None:
    x, y = np.zeros((8, 4)), np.ones((8, 1))
    for name in ("relu", "abs", "max"):
        report = tftrain.gradcheck(Stranger(KINKED[name], 0, "float64"), x, y, modes=["graph"])
        assert report.ok, report.verdict


def test_a_gradient_that_is_not_a_number_is_refused() -> None:
    """The trap of `tf.where`: what is not chosen still sends zero times infinity back."""

    class Sinc(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = tf.Variable([[1.0], [1.0]])

        def __call__(self, x: tf.Tensor) -> tf.Tensor:
            h = x @ self.w
            return tf.where(h != 0, tf.sin(h) / h, 1.0)

    x = np.array([[1.0, 2.0], [1.0, -1.0], [3.0, 1.0]])
    report = tftrain.gradcheck(Sinc(), x, np.ones((3, 1)), modes=["eager"])
    assert not report.ok
    assert "central differences" in {failure.quantity for failure in report.failures}


@pytest.mark.parametrize("on_kinks", [False, True])
def test_a_note_says_how_large_an_error_could_pass(on_kinks: bool) -> None:
    network = Stranger(tf.nn.relu, 0, "float64")
    rng = np.random.default_rng(0)
    x = np.where(rng.random((8, 1)) < 0.5 * on_kinks, 0.0, rng.standard_normal((8, 4)))
    report = tftrain.gradcheck(network, x, np.ones((8, 1)), modes=["eager"])
    assert report.ok
    assert any("could pass" in note for note in report.notes) == on_kinks


class Scale(tf.Module):
    """`x * gain`, whose gradient of the gain is wrong by a factor, perhaps in programs alone."""

    def __init__(self, factor: float, in_programs: bool = False) -> None:
        super().__init__()
        self.gain = tf.Variable([1.5, -2.0, 0.7])
        self.factor, self.in_programs = factor, in_programs

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        wrong = self.factor if tf.inside_function() or not self.in_programs else 1.0

        @tf.custom_gradient
        def scaled(x: tf.Tensor, gain: tf.Tensor) -> Any:
            return x * gain, lambda dy: (dy * gain, wrong * tf.reduce_sum(dy * x, 0))

        return scaled(x, tf.convert_to_tensor(self.gain))


class Shift(tf.Module):
    """A stranger that uses the same variable."""

    def __init__(self, of: Scale) -> None:
        super().__init__()
        self.of = of

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        return x + self.of.gain


@pytest.mark.parametrize("registered", [True, False])
@pytest.mark.parametrize("in_programs", [True, False])
@pytest.mark.parametrize("factor", [1.0, 1.1])
def test_what_a_stranger_shares_is_the_sum_of_all_shares(
    registered: bool, in_programs: bool, factor: float
) -> None:
    if registered:
        reference.register(Scale)(ScaleReference)
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((8, 3)), rng.standard_normal((8, 3))
    scale = Scale(factor, in_programs)
    try:
        report = tftrain.gradcheck(nn.Sequential([scale, Shift(scale)]), x, y, modes=["graph"])
    finally:
        REFERENCES.pop(Scale, None)
    assert report.ok == (factor == 1.0), report
    assert not report.certified


class Decoder(tf.Module):
    """A tied autoencoder's: the encoder's weight, but not its bias."""

    def __init__(self, encoder: nn.Dense, keep: bool) -> None:
        super().__init__()
        self.encoder = encoder if keep else None
        self.weight, self.bias = encoder.weight, tf.Variable(tf.zeros(4))

    def __call__(self, h: tf.Tensor) -> tf.Tensor:
        return tf.matmul(h, self.weight, transpose_b=True) + self.bias


class Handle(tf.Module):
    """Holds on to another layer without using its variables, or adds its output."""

    def __init__(self, of: nn.Dense, use: bool) -> None:
        super().__init__()
        self.of, self.use, self.gain = of, use, tf.Variable(1.5)

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        return x * self.gain + (self.of(x) if self.use else 0.0)


@pytest.mark.parametrize("flag", [True, False])
@pytest.mark.parametrize("kind", [Decoder, Handle])
def test_layers_with_a_handle_on_another(kind: Any, flag: bool) -> None:
    x = np.random.default_rng(0).standard_normal((16, 4))
    inner = nn.Dense(4, 2 if kind is Decoder else 4, seed=0)
    network = nn.Sequential([inner, nn.Activation("tanh"), kind(inner, flag)])
    report = tftrain.gradcheck(network, x, x, l2=0.1)
    assert report.ok, report
    assert tftrain.fit(network, x, x, epochs=2).losses[-1] < 3


class Boundaries(tftrain.optimizers.Schedule):
    """A rate for each stretch between boundaries; `late` is the error beyond the last."""

    def __init__(self, boundaries: list[int], late: float = 1.0) -> None:
        super().__init__(0.1)
        self.boundaries, self.late = boundaries, late

    def factor(self, step: tf.Tensor) -> tf.Tensor:
        passed = sum(tf.cast(step >= one, tf.float64) for one in self.boundaries)
        factor = tf.pow(tf.constant(0.5, tf.float64), passed)
        return tf.where(step >= self.boundaries[-1], self.late * factor, factor)


@reference.register(Boundaries)
@dataclass
class BoundariesReference(reference.Schedule):
    learning_rate: float
    boundaries: list[int]

    def factor(self, step: Any) -> Any:
        passed = sum(float(step.value) >= one for one in self.boundaries)
        return step * 0 + 0.5**passed


@pytest.mark.parametrize("boundaries", [[7, 333], [40, 41, 123_456_789]])
def test_steps_that_a_list_names_are_looked_at(boundaries: list[int]) -> None:
    network = nn.Dense(3, 1, dtype="float64")
    x, y = np.ones((4, 3)), np.ones((4, 1))
    reports = [
        tftrain.gradcheck(
            network,
            x,
            y,
            optimizer=tftrain.optimizers.SGD(Boundaries(boundaries, late)),
            modes=["graph"],
        )
        for late in (1.0, 1.001)
    ]
    assert reports[0].ok, reports[0]
    for boundary in boundaries:
        assert f", {boundary:,}, {boundary + 1:,}" in reports[0].verdict
    assert not reports[1].ok
    assert f"after {boundaries[-1]:,} updates" in str(reports[1].failures[0])


def _normalized(x: tf.Tensor) -> tf.Tensor:
    """Return a normalization whose gradient is an operation that has no gradient itself."""
    shape = [-1, 1, 1, x.shape[1]]
    return tf.reshape(tf.nn.local_response_normalization(tf.reshape(x, shape)), tf.shape(x))


@pytest.mark.parametrize("factor", [1.0, 1.01])
def test_a_layer_with_no_second_derivative_is_checked_by_differences(factor: float) -> None:
    x, y = batch(0, 8)
    layer = Stranger(_normalized, 0, "float32", factor)
    report = tftrain.gradcheck(layer, x, y, modes=["eager", "graph"])
    assert report.ok == (factor == 1), report.verdict
    assert "forward mode" not in {check.quantity for check in report.checks}


@pytest.mark.parametrize("mode", ["eager", "graph", "xla"])
def test_an_operation_with_no_derivative_is_named(mode: str) -> None:
    def layer(x: tf.Tensor) -> tf.Tensor:
        image = tf.reshape(x, [-1, 1, 1, x.shape[1]])
        return tf.raw_ops.LRNGrad(input_grads=image, input_image=image, output_image=image)[:, 0, 0]

    x, y = batch(0, 8)
    network = Stranger(layer, 0, "float32")
    with pytest.raises(tftrain.errors.InputError, match="no gradient of the operation LRNGrad"):
        tftrain.fit(network, x, y, epochs=1, compile=mode)
    with pytest.raises(tftrain.errors.InputError, match="no gradient of the operation LRNGrad"):
        tftrain.gradcheck(network, x, y, modes=[mode])


class Following(tf.Module):
    """Adds a moving mean of its inputs, which each call moves before it is added."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.w = tf.Variable([[1.0], [2.0]], name="w")
        self.mean = tf.Variable([0.5], trainable=False)
        self.factor = factor

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        y = x @ self.w
        self.mean.assign(0.5 * self.mean + 0.5 * tf.reduce_mean(tf.stop_gradient(y), axis=0))
        wrong = tf.custom_gradient(lambda y: (y, lambda dy: self.factor * dy))
        return wrong(y) + tf.stop_gradient(self.mean)


@pytest.mark.parametrize("factor", [1.0, 1.01])
def test_a_layer_whose_output_depends_on_its_state_is_called_in_the_state_before(
    factor: float,
) -> None:
    x, y = np.array([[1.0, 2.0], [3.0, -1.0], [0.5, 1.0]]), np.ones((3, 1))
    network = Following(factor)
    report = tftrain.gradcheck(network, x, y)
    assert report.ok == (factor == 1), report.verdict
    assert network.mean.numpy() == [0.5]
