from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tftrain import losses
from tftrain.errors import InputError, ShapeError
from tftrain.losses import L2, Huber, Loss

FORMULAS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "mse": lambda e: e**2 / e.size,
    "sum_squared_error": lambda e: e**2 / 2,
    "mae": lambda e: np.abs(e) / e.size,
    "huber": lambda e: np.where(np.abs(e) <= 1, e**2 / 2, np.abs(e) - 0.5) / e.size,
}


def value(loss: str | Loss, prediction: object, target: object, weight: object = None) -> float:
    tensors = [
        None if values is None else tf.constant(values, tf.float64)
        for values in (prediction, target, weight)
    ]
    return float(losses.get(loss)(*tensors))


@pytest.mark.parametrize("name", losses.LOSSES)
@given(arrays.arrays(np.float64, (3, 2, 2), elements=st.floats(-50, 50)), st.booleans())
@settings(max_examples=20, deadline=None)
def test_against_numpy(name: str, numbers: np.ndarray, weighted: bool) -> None:
    prediction, target = numbers[..., 0], numbers[..., 1]
    weight = np.array([0.0, 0.5, 2.5])
    terms = FORMULAS[name](prediction - target)
    expected = np.sum(weight[:, None] * terms) if weighted else np.sum(terms)
    actual = value(name, prediction, target, weight if weighted else None)
    assert actual == pytest.approx(expected, rel=1e-13, abs=1e-300)


def test_by_hand() -> None:
    prediction, target = [[1.0, 2.0], [3.0, 4.0]], [[1.0, 0.0], [0.0, 4.5]]
    assert value("mse", prediction, target) == (4 + 9 + 0.25) / 4
    assert value("sum_squared_error", prediction, target) == (4 + 9 + 0.25) / 2
    assert value("mae", prediction, target) == (2 + 3 + 0.5) / 4
    assert value("huber", prediction, target) == (1.5 + 2.5 + 0.125) / 4


def test_sum_squared_error_grows_with_the_number_of_cases() -> None:
    once = value("sum_squared_error", [[1.0], [2.0]], [[0.0], [0.0]])
    twice = value("sum_squared_error", [[1.0], [2.0]] * 2, [[0.0], [0.0]] * 2)
    assert (once, twice) == (2.5, 5.0)


@pytest.mark.parametrize("name", ["mse", "mae", "huber"])
def test_means_do_not_grow_with_the_number_of_cases(name: str) -> None:
    once = value(name, [[1.0], [2.0]], [[0.0], [0.0]])
    assert value(name, [[1.0], [2.0]] * 2, [[0.0], [0.0]] * 2) == once


@pytest.mark.parametrize("delta", [0.5, 1.0, 3.0])
def test_huber_is_smooth_at_its_joint(delta: float) -> None:
    for sign in (-1, 1):
        error = tf.constant(sign * delta * np.array([[1 - 1e-9], [1.0], [1 + 1e-9]]))
        with tf.GradientTape() as tape:
            tape.watch(error)
            terms = Huber(delta).term(error)
        slopes = tape.gradient(terms, error)
        np.testing.assert_allclose(terms, np.full((3, 1), delta**2 / 2), rtol=1e-8)
        np.testing.assert_allclose(slopes, np.full((3, 1), sign * delta), rtol=1e-8)
        assert float(slopes[1, 0]) == sign * delta


def test_wide_huber_is_half_the_mse_and_narrow_huber_the_scaled_mae() -> None:
    prediction, target = [[1.0, -2.0], [0.3, 4.0]], [[0.0, 0.0], [0.0, 0.0]]
    assert value(Huber(100), prediction, target) == value("mse", prediction, target) / 2
    narrow = value(Huber(1e-6), prediction, target) / 1e-6
    assert narrow == pytest.approx(value("mae", prediction, target), rel=1e-5)


@pytest.mark.parametrize("delta", [0.0, -1.0, float("nan")])
def test_huber_needs_a_positive_delta(delta: float) -> None:
    with pytest.raises(InputError, match="delta must be positive"):
        Huber(delta)


def test_one_case_against_a_column_is_not_broadcast() -> None:
    for shapes in [((4,), (4, 1)), ((4, 1), (4,)), ((4, 1), (1, 1)), ((4, 1), (4, 2))]:
        with pytest.raises(ShapeError, match="shape"):
            losses.get("mse")(tf.zeros(shapes[0]), tf.zeros(shapes[1]))


def test_dtypes_must_agree() -> None:
    with pytest.raises(ShapeError, match="predicts float32 but the targets are float64"):
        losses.get("mse")(tf.zeros([2, 1]), tf.zeros([2, 1], tf.float64))


def test_dtype_of_the_weights_must_agree() -> None:
    with pytest.raises(ShapeError, match="float64"):
        losses.get("mse")(tf.zeros([2, 1]), tf.zeros([2, 1]), tf.ones([2], tf.float64))


def test_unknown_rank_is_refused() -> None:
    program = tf.function(
        losses.get("mse"), input_signature=[tf.TensorSpec(None)] * 2, autograph=False
    )
    with pytest.raises(ShapeError, match="shape"):
        program(tf.zeros([2]), tf.zeros([2]))


def test_one_dimension_and_three() -> None:
    assert value("mse", [1.0, 2.0], [0.0, 0.0], [2.0, 1.0]) == 3.0
    ones = np.ones((2, 3, 4))
    assert value("sum_squared_error", ones, 0 * ones, [1.0, 3.0]) == (12 + 3 * 12) / 2


def test_l2_penalty_takes_weights_only() -> None:
    weight, bias = tf.Variable([[1.0, -2.0], [3.0, 0.0]]), tf.Variable([100.0, 100.0])
    kernel = tf.Variable(tf.ones([2, 2, 2]))
    variables = [bias, weight, kernel]
    with tf.GradientTape() as tape:
        penalty = L2(0.5)(variables)
    assert float(penalty) == 0.25 * (14 + 8)
    gradient = tape.gradient(penalty, variables)
    assert gradient[0] is None
    np.testing.assert_array_equal(gradient[1], 0.5 * weight.numpy())
    np.testing.assert_array_equal(gradient[2], 0.5 * kernel.numpy())


def test_l2_penalty_without_weights_is_zero() -> None:
    assert float(L2(0.5)([tf.Variable([3.0])])) == 0


def test_by_name_or_as_it_is() -> None:
    huber = Huber(2.0)
    assert losses.get(huber) is huber
    assert isinstance(losses.get("huber"), Huber)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("hubert", "did you mean huber"),
        ("zzz", "unknown loss 'zzz'"),
        (["mse"], "loss must be one of"),
    ],
)
def test_unknown_name(name: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        losses.get(name)
