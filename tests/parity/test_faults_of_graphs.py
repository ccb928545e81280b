"""Planted faults in forks, random layers and normalization: each is caught, and its place named.

A subclass that registers no reference of its own is checked against its parent's.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import tftrain
from tests.support.parameters import slow
from tests.support.table import DTYPES
from tftrain import nn
from tftrain.nn.dropout import threshold

RNG = np.random.default_rng(4)
X, Y = RNG.standard_normal((12, 3)), RNG.standard_normal((12, 2))
WIDTH = 6
Tensor = tf.Tensor


class Dropping(nn.Dropout):
    """A dropout whose mask and factors, forwards and backwards, are given."""

    takes_draw = True

    def __init__(
        self,
        draw: Callable[[nn.Draw], nn.Draw] = lambda draw: draw,
        rate: float = 0.4,
        factor: float = 1.0,
        back: float = 1.0,
        back_draw: Callable[[nn.Draw], nn.Draw] | None = None,
    ) -> None:
        super().__init__(0.4)
        self.draw, self.masked, self.factor, self.back = draw, rate, factor, back
        self.back_draw = back_draw or draw

    def __call__(self, x: Tensor, draw: nn.Draw | None = None) -> Tensor:
        assert draw is not None
        forth, back = self._mask(self.draw(draw), x), self._mask(self.back_draw(draw), x)

        @tf.custom_gradient
        def dropped(x: Tensor) -> Any:
            return self.factor * forth * x, lambda dy: self.back * back * dy

        return dropped(x)

    def _mask(self, draw: nn.Draw, x: Tensor) -> Tensor:
        kept = draw.bits(tf.shape(x)) >= tf.constant(threshold(self.masked), tf.uint32)
        return tf.cast(kept, x.dtype) / tf.constant(0.6, x.dtype)


def later(draw: nn.Draw) -> nn.Draw:
    return draw._replace(step=draw.step + 1)


class Batch(nn.BatchNorm):
    """A normalization over the batch with one thing changed."""

    takes_draw = True

    def __init__(self, dtype: str, change: str) -> None:
        super().__init__(WIDTH, dtype=dtype)
        self.change = change
        self.moving_mean.assign(RNG.standard_normal(WIDTH))

    def __call__(self, x: Tensor, draw: nn.Draw | None = None) -> Tensor:
        if self.change == "moving":
            return super().__call__(x, None)
        mean = tf.reduce_mean(x, 0)
        mean = tf.stop_gradient(mean) if self.change == "mean" else mean
        variance = tf.reduce_mean(tf.square(x - mean), 0)
        variance = variance * 12 / 11 if self.change == "bessel" else variance
        variance = tf.stop_gradient(variance) if self.change == "variance" else variance
        momentum = 0.8 if self.change == "momentum" else 0.9
        of_rows = tf.reduce_mean(x[:6], 0) if self.change == "half" else mean
        for _ in range(2 if self.change == "twice" else 1):
            self.moving_mean.assign(momentum * self.moving_mean + (1 - momentum) * of_rows)
        if self.change != "kept":
            self.moving_variance.assign(0.9 * self.moving_variance + 0.1 * variance)
        return self._scaled(x - mean, variance)


class Cases(nn.LayerNorm):
    """A normalization of cases with one thing changed."""

    def __init__(self, dtype: str, change: str) -> None:
        super().__init__(WIDTH, dtype=dtype)
        self.change = change

    def __call__(self, x: Tensor) -> Tensor:
        axis = 0 if self.change == "axis" else 1
        centred = x - tf.reduce_mean(x, axis, keepdims=True)
        variance = tf.reduce_mean(tf.square(centred), axis, keepdims=True)
        variance = tf.stop_gradient(variance) if self.change == "variance" else variance
        if self.change == "epsilon":
            return centred / (tf.sqrt(variance) + 1e-5) * self.gain + self.offset
        gain = tf.stop_gradient(self.gain) if self.change == "gain" else self.gain
        offset = 2 * self.offset if self.change == "offset" else self.offset
        return centred / tf.sqrt(variance + self.epsilon) * gain + offset


class Adding(nn.Add):
    def __init__(self, *factors: float) -> None:
        super().__init__()
        self.factors = factors

    def __call__(self, x: list[Tensor]) -> Tensor:
        @tf.custom_gradient
        def added(*x: Tensor) -> Any:
            return tf.add_n(x), lambda dy: [k * dy for k in self.factors]

        return added(*x)


class Joining(nn.Concat):
    def __init__(self, change: str) -> None:
        super().__init__()
        self.change = change

    def __call__(self, x: list[Tensor]) -> Tensor:
        if self.change == "forth":
            return tf.concat(x[::-1], -1)

        @tf.custom_gradient
        def joined(*x: Tensor) -> Any:
            return tf.concat(x, -1), lambda dy: tf.split(dy, len(x), -1)[::-1]

        return joined(*x)


class Once(nn.Dense):
    """Gives no gradient to its weight where it is used a second time."""

    calls = 0

    def __call__(self, x: Tensor) -> Tensor:
        self.calls += 1
        weight = self.weight if self.calls % 2 else tf.stop_gradient(self.weight)
        return x @ weight + self.bias


class Sloped(nn.PReLU):
    def __call__(self, x: Tensor) -> Tensor:
        @tf.custom_gradient
        def sloped(x: Tensor, slope: Tensor) -> Any:
            y = tf.where(x > 0, x, slope * x)
            return y, lambda dy: (
                tf.where(x > 0, dy, slope * dy),
                tf.reduce_sum(dy * x, 0),
            )

        return sloped(x, self.slope.read_value())


class Soft(nn.Activation):
    """A softmax whose outputs are taken for independent of each other."""

    def __init__(self) -> None:
        super().__init__("softmax")

    def __call__(self, x: Tensor) -> Tensor:
        @tf.custom_gradient
        def soft(x: Tensor) -> Any:
            y = tf.nn.softmax(x)
            return y, lambda dy: dy * y * (1 - y)

        return soft(x)


def fork(dtype: str, join: Any) -> nn.Fork:
    return nn.Fork([[], nn.Dense(WIDTH, WIDTH, dtype=dtype, seed=8)], join)


FAULTS: dict[str, tuple[Callable[[str], Any], str]] = {
    "mask of another step": (lambda dtype: Dropping(later), "2 Dropping: y"),
    "mask of another seed": (
        lambda dtype: Dropping(lambda draw: draw._replace(seed=draw.seed + 1)),
        "2 Dropping: y",
    ),
    "mask of another place": (lambda dtype: Dropping(lambda draw: draw.at(0)), "2 Dropping: y"),
    "mask of other rows": (
        lambda dtype: Dropping(lambda draw: draw._replace(row=1)),
        "2 Dropping: y",
    ),
    "mask scaled twice": (lambda dtype: Dropping(factor=1 / 0.6), "2 Dropping: y"),
    "mask not scaled": (lambda dtype: Dropping(factor=0.6), "2 Dropping: y"),
    "mask of another rate": (lambda dtype: Dropping(rate=0.6), "2 Dropping: y"),
    "delta of another mask": (lambda dtype: Dropping(back_draw=later), "2 Dropping: dx"),
    "delta not scaled": (lambda dtype: Dropping(back=0.6), "2 Dropping: dx"),
    "moving statistics while training": (lambda dtype: Batch(dtype, "moving"), "2 Batch: y"),
    "mean without its delta": (lambda dtype: Batch(dtype, "mean"), "2 Batch: dx"),
    "variance without its delta": (lambda dtype: Batch(dtype, "variance"), "2 Batch: dx"),
    "variance of a sample": (lambda dtype: Batch(dtype, "bessel"), "2 Batch: y"),
    "another momentum": (lambda dtype: Batch(dtype, "momentum"), "2 Batch: moving_mean after"),
    "statistics of half the batch": (
        lambda dtype: Batch(dtype, "half"),
        "2 Batch: moving_mean after",
    ),
    "statistics moved twice": (lambda dtype: Batch(dtype, "twice"), "2 Batch: moving_mean after"),
    "statistics not moved": (lambda dtype: Batch(dtype, "kept"), "2 Batch: moving_variance after"),
    "cases mixed up with features": (lambda dtype: Cases(dtype, "axis"), "2 Cases: y"),
    "epsilon outside the root": (lambda dtype: Cases(dtype, "epsilon"), "2 Cases: y"),
    "gain without gradient": (lambda dtype: Cases(dtype, "gain"), "2 Cases: gain"),
    "offset counted twice": (lambda dtype: Cases(dtype, "offset"), "2 Cases: offset"),
    "spread without its delta": (lambda dtype: Cases(dtype, "variance"), "2 Cases: dx"),
    "a lost branch": (lambda dtype: fork(dtype, Adding(1, 0)), "3 Adding: dx 2"),
    "a branch counted twice": (lambda dtype: fork(dtype, Adding(2, 1)), "3 Adding: dx 1"),
    "branches in another order": (lambda dtype: fork(dtype, Joining("forth")), "3 Joining: y"),
    "deltas of another branch": (lambda dtype: fork(dtype, Joining("back")), "3 Joining: dx 1"),
    "slope of positive inputs": (lambda dtype: Sloped(WIDTH, dtype=dtype), "2 Sloped: slope"),
    "outputs taken for independent": (lambda dtype: Soft(), "2 Soft: dx"),
}
"""What is wrong, the layer behind the first, and the place that must be named."""


def network(layer: Any, dtype: str) -> nn.Sequential:
    before = nn.Dense(3, WIDTH, dtype=dtype, seed=7)
    units = int(nn.call(layer, before(tf.constant(X, dtype)), nn.Draw(0, tf.constant(0))).shape[-1])
    return nn.Sequential([before, layer, nn.Dense(units, 2, dtype=dtype, seed=9)])


FIRST, *OTHERS = [(mode, dtype) for mode in ("graph", "eager", "xla") for dtype in DTYPES]
"""How each fault is looked for: the first way, and one of the others in turn."""


@pytest.mark.parametrize(
    ("plant", "where", "mode", "dtype"),
    [
        pytest.param(*fault, *way, id=f"{name}-{'-'.join(way)}", marks=[pytest.mark.slow] * long)
        for number, (name, fault) in enumerate(FAULTS.items())
        for way, long in ((FIRST, number % 2), (OTHERS[number % len(OTHERS)], True))
    ],
)
def test_a_fault_is_caught_and_its_place_named(
    plant: Callable[[str], Any], where: str, mode: str, dtype: str
) -> None:
    report = tftrain.gradcheck(network(plant(dtype), dtype), X, Y, modes=[mode])
    assert not report.ok
    assert report.failures[0].where == where
    nodes = {c.node for c in report.failures if not c.quantity.endswith("as trained")}
    assert nodes == {where.split(":")[0]}


def test_the_same_without_faults_is_proven() -> None:
    layers = [Dropping(), Batch("float64", ""), Cases("float64", ""), fork("float64", Adding(1, 1))]
    for layer in layers:
        report = tftrain.gradcheck(network(layer, "float64"), X, Y, modes=["graph"])
        assert report.certified, report


class Looking(nn.Embedding):
    """An embedding with one thing changed."""

    def __init__(self, change: str) -> None:
        super().__init__(5, WIDTH, initializer="normal", seed=5)
        self.change = change

    def __call__(self, x: Tensor) -> Tensor:
        if self.change == "row":
            return tf.gather(self.table, (x + 1) % 5)

        @tf.custom_gradient
        def looked(table: Tensor) -> Any:
            return tf.gather(table, x), lambda dy: self._gradient(x, dy)

        return looked(self.table.read_value())

    def _gradient(self, x: Tensor, dy: Tensor) -> Tensor:
        chosen = tf.one_hot(x, 5, axis=0, dtype=dy.dtype)
        match self.change:
            case "once":  # of the cases with a code, only the first counts
                chosen *= tf.cast(tf.cumsum(chosen, axis=1) <= 1, dy.dtype)
            case "mean":
                chosen /= tf.maximum(tf.reduce_sum(chosen, 1, keepdims=True), 1)
            case "shifted":
                chosen = tf.roll(chosen, 1, 0)
        return chosen @ dy


CODES = np.array([0, 1, 2, 3, 1, 1, 0, 3, 3, 2, 1, 0])


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ("row", "1 Looking: y"),
        ("once", "1 Looking: table"),
        ("mean", "1 Looking: table"),
        ("shifted", "1 Looking: table"),
        ("", ""),
    ],
)
@pytest.mark.parametrize("mode", ["graph", slow("xla")])
def test_a_fault_of_an_embedding_is_caught(change: str, where: str, mode: str) -> None:
    join = nn.Parallel([Looking(change), []], nn.Concat())
    report = tftrain.gradcheck(
        nn.Sequential([join, nn.Dense(WIDTH + 3, 2)]), (CODES, X), Y, modes=[mode]
    )
    assert report.ok == (not change)
    if change:
        assert report.failures[0].where == where


def test_inputs_that_are_mixed_up_are_caught() -> None:
    class Crossed(nn.Parallel):
        """Calls each branch with the other's input."""

        def __call__(self, x: Any, draw: Any = None) -> Tensor:
            return super().__call__(x[::-1], draw)

    branches: list[Any] = [nn.Activation("tanh"), nn.Activation("sigmoid")]
    right, wrong = (kind(branches, nn.Concat()) for kind in (nn.Parallel, Crossed))
    x = (X, X[::-1])
    assert tftrain.gradcheck(nn.Sequential([right, nn.Dense(6, 2)]), x, Y).certified
    report = tftrain.gradcheck(nn.Sequential([wrong, nn.Dense(6, 2)]), x, Y)
    assert report.failures[0].where == "1 Crossed: y"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_shared_weight_that_is_counted_once(dtype: str) -> None:
    shared = Once(WIDTH, WIDTH, dtype=dtype, seed=3)
    first, last = nn.Dense(3, WIDTH, dtype=dtype), nn.Dense(WIDTH, 2, dtype=dtype)
    net = nn.Sequential([first, shared, nn.Activation("tanh"), shared, last])
    report = tftrain.gradcheck(net, X, Y, modes=["graph"])
    assert "2 Once: weight" in {check.where for check in report.failures}
