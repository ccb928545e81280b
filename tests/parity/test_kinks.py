"""References that are wrong at one kink of many are not certified; right ones are."""

from collections.abc import Callable

import numpy as np
import pytest

from tftrain import reference
from tftrain.parity.complex_step import Point
from tftrain.parity.kinks import gradient_fits
from tftrain.parity.reference_check import LossLayer, check_node
from tftrain.traces import Node

RNG = np.random.default_rng(5)
WEIGHT = RNG.standard_normal((8, 16))


class ByFormulas(reference.Layer):
    """A layer without parameters, given as two functions."""

    def __init__(self, forward: Callable, backward: Callable) -> None:
        self._forward, self._backward = forward, backward

    @property
    def parameters(self):
        return {}

    def with_parameters(self, change):
        return self

    def forward(self, x):
        return self._forward(x)

    def backward(self, x, y, dy):
        return self._backward(x, dy), {}


def is_certified(layer: reference.Layer, x: np.ndarray) -> bool:
    dy = np.random.default_rng(6).standard_normal(np.shape(layer.forward(x)))
    check = check_node("layer", layer, Node("layer", (x,), layer.forward(x), dy, (dy,)))
    assert check is not None
    return check.ok and check.kind == "certificate"


def step(z: np.ndarray, at_zero: float | np.ndarray) -> np.ndarray:
    """The derivative of relu, with a value at zero."""
    return 1.0 * (z > 0) + at_zero * (z == 0)


def relu(x):
    return np.maximum(x, 0)


def summed(at_zero):
    return ByFormulas(lambda x: relu(x).sum(axis=1), lambda x, dy: dy[:, None] * step(x, at_zero))


def each(at_zero):
    return ByFormulas(relu, lambda x, dy: dy * step(x, at_zero))


def dense(at_zero):
    return ByFormulas(
        lambda x: relu(x @ WEIGHT), lambda x, dy: (dy * step(x @ WEIGHT, at_zero)) @ WEIGHT.T
    )


def inputs(rows: int, columns: int, zeros: int) -> np.ndarray:
    x = np.random.default_rng(7).standard_normal((rows, columns))
    x[0, :zeros] = 0
    return x


@pytest.mark.parametrize(
    ("layer", "x"),
    [
        (summed, inputs(3, 50_000, 1)),
        (summed, inputs(3, 50_000, 50)),
        (each, inputs(200, 100, 1)),
        (each, np.maximum(inputs(200, 100, 0), 0)),
        (dense, inputs(30, 8, 8)),
    ],
    ids=["one of a sum", "some of a sum", "one of many", "half of many", "a row of zeros"],
)
@pytest.mark.parametrize("at_zero", [0.0, 0.5, 1.0, 1.01, -0.01, 5.0])
def test_a_gradient_on_kinks(layer: Callable, x: np.ndarray, at_zero: float) -> None:
    assert is_certified(layer(at_zero), x) == (0 <= at_zero <= 1)


@pytest.mark.parametrize("wrong", [1.5, -0.5])
def test_one_wrong_gradient_among_ten_thousand_right_ones(wrong: float) -> None:
    x = np.maximum(inputs(200, 100, 0), 0)
    at_zero = np.zeros(x.shape)
    at_zero.flat[np.flatnonzero(x == 0)[77]] = wrong
    assert not is_certified(each(at_zero), x)


def test_a_gradient_that_is_wrong_where_there_is_no_kink() -> None:
    """At zero, beside kinks that leave room for the error in the sum."""
    x = inputs(200, 2, 0)
    x[:50] = 0

    def forward(x):
        return np.stack([relu(x[:, 0]), x[:, 1] * x[:, 1]], axis=1)

    def backward(x, dy, wrong=0.01):
        return dy * np.stack([step(x[:, 0], 0), 2 * x[:, 1] + wrong * (x[:, 1] == 0)], axis=1)

    assert is_certified(ByFormulas(forward, lambda x, dy: backward(x, dy, 0.0)), x)
    assert not is_certified(ByFormulas(forward, backward), x)


def test_more_kinks_than_can_be_looked_at_are_evidence() -> None:
    """Of a layer whose outputs depend on several inputs each."""

    def pairs(x):
        return relu(x[:, ::2] + x[:, 1::2])

    def backward(x, dy):
        return np.repeat(dy * step(x[:, ::2] + x[:, 1::2], 0), 2, axis=1)

    few, many = np.zeros((10, 8)), np.zeros((1000, 8))
    assert is_certified(ByFormulas(pairs, backward), few)
    assert not is_certified(ByFormulas(pairs, backward), many)


class SizeAndSquare(reference.Elementwise):
    """`|e| + e^2`, with a slope of its own at zero."""

    def __init__(self, at_zero: float) -> None:
        self.at_zero = at_zero

    def term(self, error):
        return np.maximum(error, -error) + error * error

    def slope(self, error):
        return np.sign(error) + 2 * error + self.at_zero * (error == 0)


class InOneNumber(SizeAndSquare):
    """The same, as a sum that does not show its terms."""

    def value(self, prediction, target, weight=None):
        return np.mean(self.term(prediction - target))

    def delta(self, prediction, target, weight=None):
        return self.slope(prediction - target) / prediction.size


@pytest.mark.parametrize("kind", [SizeAndSquare, InOneNumber])
@pytest.mark.parametrize(("rows", "zeros"), [(1000, 1), (1000, 200), (100_000, 1)])
@pytest.mark.parametrize("at_zero", [0.0, 1.0, -1.0, 1.1, 5.0])
def test_one_kink_of_a_loss(kind: type, rows: int, zeros: int, at_zero: float) -> None:
    x = np.random.default_rng(8).standard_normal((rows, 1))
    x[:zeros] = 0
    layer = LossLayer(kind(at_zero), np.zeros(x.shape), None)
    dy = np.ones_like(layer.forward(x))
    check = check_node("loss", layer, Node("loss", (x,), dy, dy, (dy,)))
    assert check is not None
    assert check.ok
    assert (check.kind == "certificate") == (abs(at_zero) <= 1)


def test_a_function_without_kinks_fits() -> None:
    x = inputs(5, 4, 2)
    square = ByFormulas(lambda x: x * x, lambda x, dy: dy * 2 * x)
    assert gradient_fits(Point("square", square, [x], np.ones(x.shape)))
    wrong = ByFormulas(lambda x: x * x, lambda x, dy: dy * 2.001 * x)
    assert not gradient_fits(Point("square", wrong, [x], np.ones(x.shape)))


@pytest.mark.parametrize("parts", [(1, 0, 0), (0, 0, 1), (1 / 3, 1 / 3, 1 / 3), (0.2, 0.5, 0.3)])
def test_a_delta_that_equals_share_among_them(parts: tuple[float, ...]) -> None:
    assert is_certified(largest(parts), tied())


@pytest.mark.parametrize(
    "parts", [(0.5, 0.5, 0.5), (0.25, 0.25, 0.25), (0.5, 0.5, 0.1), (1, 1, -1), (0, 0, 0)]
)
def test_a_delta_that_is_not_passed_on_whole(parts: tuple[float, ...]) -> None:
    assert not is_certified(largest(parts), tied())


def tied() -> np.ndarray:
    x = np.random.default_rng(9).standard_normal((20, 5))
    x[:4, :3] = 3
    return x


def largest(parts: tuple[float, ...]) -> ByFormulas:
    """The maximum of each row; of three equals, each gets its part of the delta."""

    def backward(x, dy):
        alone = x == x.max(axis=1, keepdims=True)
        three = np.zeros(x.shape)
        three[:, :3] = parts
        return dy * np.where(alone.sum(axis=1, keepdims=True) > 1, three, alone)

    return ByFormulas(lambda x: x.max(axis=1, keepdims=True), backward)


@pytest.mark.parametrize("at_zero", [0.0, 1.0, 1.5])
def test_a_kink_beside_something_steep(at_zero: float) -> None:
    def forward(x):
        return 1e6 * x[:, 0] + relu(x[:, 1:]).sum(axis=1)

    def backward(x, dy):
        steep = np.full((len(x), 1), 1e6)
        return dy[:, None] * np.concatenate([steep, step(x[:, 1:], at_zero)], axis=1)

    x = np.random.default_rng(10).standard_normal((20, 5))
    x[0] = 0
    assert is_certified(ByFormulas(forward, backward), x) == (at_zero <= 1)


@pytest.mark.parametrize("factor", [0.0, 0.9, 1.0])
def test_what_drops_imaginary_parts_is_moved_by_real_numbers(factor: float) -> None:
    x = inputs(4, 5, 0)
    layer = ByFormulas(lambda x: x + np.abs(x), lambda x, dy: dy * (1 + factor * np.sign(x)))
    assert is_certified(layer, x) == (factor == 1)


class OfRows(reference.Loss):
    """The square error of each row as one number."""

    def __init__(self, factor: float = 2) -> None:
        self.factor = factor

    def terms(self, prediction, target):
        return ((prediction - target) ** 2).sum(axis=1)

    def slopes(self, prediction, target):
        return self.factor * (prediction - target)


@pytest.mark.parametrize("shape", [(8, 1), (8, 2), (8, 8)])
def test_a_loss_whose_terms_are_those_of_rows(shape: tuple[int, int]) -> None:
    x, y = np.random.default_rng(11).standard_normal((2, *shape))
    layer = LossLayer(OfRows(), y, None)
    np.testing.assert_allclose(layer.forward(x), ((x - y) ** 2).sum(axis=1) / 8, rtol=1e-14)
    assert is_certified(layer, x)
    assert not is_certified(LossLayer(OfRows(2.001), y, None), x)
