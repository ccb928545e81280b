"""Checks that run over every loss of the table."""

import numpy as np
import pytest
import tensorflow as tf

from tests.support.table import DTYPES, LOSSES, Row, assert_close, central_differences, ulps
from tftrain.errors import InputError, ShapeError
from tftrain.losses import Elementwise, Loss

every_loss = pytest.mark.parametrize("row", LOSSES, ids=lambda row: row.name)
every_dtype = pytest.mark.parametrize("dtype", DTYPES)

# Errors on both sides of each joint, none on it.
ERRORS = np.array([[-3.0, 0.1], [0.15, -0.7], [2.5, 0.05], [-0.12, 1.4]])
TARGET = np.array([[0.5, -1.0], [2.0, 0.3], [-0.7, 1.1], [0.0, -0.4]])
WEIGHT = np.array([0.5, 1.0, 0.0, 2.5])


def batch(dtype: str) -> list[tf.Tensor]:
    return [tf.constant(values, dtype) for values in (TARGET + ERRORS, TARGET, WEIGHT)]


def value_and_gradient(
    loss: Loss, prediction: tf.Tensor, target: tf.Tensor, weight: tf.Tensor
) -> list[tf.Tensor]:
    with tf.GradientTape() as tape:
        tape.watch(prediction)
        value = loss(prediction, target, weight)
    return [value, tape.gradient(value, prediction)]


@every_loss
@every_dtype
def test_eager_graph_and_xla_agree_within_16_ulps(row: Row, dtype: str) -> None:
    loss = row.make()
    eager = value_and_gradient(loss, *batch(dtype))
    assert {result.dtype.name for result in eager} == {dtype}
    assert eager[0].shape == []
    for jit in (False, True):
        program = tf.function(lambda *args: value_and_gradient(loss, *args), jit_compile=jit)
        assert_close(program(*batch(dtype)), eager, ulps(16, dtype))


@every_loss
def test_gradient_against_central_differences(row: Row) -> None:
    loss = row.make()
    prediction, target, weight = batch("float64")
    variable = tf.Variable(prediction)

    def objective() -> tf.Tensor:
        return loss(tf.convert_to_tensor(variable), target, weight)

    _, gradient = value_and_gradient(loss, prediction, target, weight)
    assert_close([gradient], [central_differences(objective, variable)], 1e-8)


@every_loss
def test_zero_error_is_a_minimum_of_zero(row: Row) -> None:
    _, target, weight = batch("float64")
    value, gradient = value_and_gradient(row.make(), target, target, weight)
    assert float(value) == 0
    np.testing.assert_array_equal(gradient, np.zeros_like(TARGET))


@every_loss
def test_unit_weights_change_nothing(row: Row) -> None:
    loss = row.make()
    prediction, target, weight = batch("float64")
    assert float(loss(prediction, target)) == float(loss(prediction, target, tf.ones_like(weight)))


@every_loss
@pytest.mark.parametrize("shape", [(4,), (4, 1), (1, 2), (8,), (2, 4), (4, 2, 1)])
def test_nothing_is_broadcast(row: Row, shape: tuple[int, ...]) -> None:
    """But for targets that a function of the user's own takes for all units of a case."""
    prediction, _, _ = batch("float64")
    loss, target = row.make(), tf.zeros(shape, tf.float64)
    if shape == (4, 1) and not isinstance(loss, Elementwise):
        assert float(loss(prediction, target)) == float(
            loss(prediction, tf.zeros([4, 2], "double"))
        )
        return
    with pytest.raises(InputError, match="shape"):
        loss(prediction, target)


@every_loss
@pytest.mark.parametrize("shape", [(), (1,), (2,), (3,), (4, 1), (4, 2)])
def test_weights_are_one_per_case(row: Row, shape: tuple[int, ...]) -> None:
    prediction, target, _ = batch("float64")
    with pytest.raises(ShapeError, match="one weight per case"):
        row.make()(prediction, target, tf.ones(shape, tf.float64))


@every_loss
def test_unknown_number_of_cases(row: Row) -> None:
    loss, tensors = row.make(), batch("float64")
    signature = [tf.TensorSpec([None, 2], tf.float64)] * 2 + [tf.TensorSpec([None], tf.float64)]
    program = tf.function(loss, input_signature=signature)
    assert_close([program(*tensors)], [loss(*tensors)], ulps(16, "float64"))
