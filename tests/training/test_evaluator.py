from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score

from tftrain import losses
from tftrain.errors import InputError, ShapeError
from tftrain.metrics import ErrorSums
from tftrain.nn import Dense
from tftrain.training.batch import Batch, as_batch
from tftrain.training.engine import choose_mode
from tftrain.training.evaluator import Evaluator, predict_in_blocks


def rows(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(count)
    return rng.normal(size=(count, 3)), rng.normal(size=(count, 2)), rng.uniform(0, 2, count)


def evaluate(
    network: Dense, loss: losses.Loss, data: Batch, mode: str = "graph"
) -> tuple[float, ErrorSums]:
    evaluator = Evaluator(network, loss, data)
    sums = choose_mode(mode, 0, 0).compile(evaluator.sums)().numpy()
    assert sums.shape == (evaluator.width,)
    return float(sums[0]), evaluator.error_sums(sums)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", losses.LOSSES)
@pytest.mark.parametrize("count", [4, 10, 17])
def test_blocks_add_up_to_the_whole(
    name: str, weighted: bool, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tftrain.training.evaluator.BATCH_ROWS", 5)
    x, y, weight = rows(count)
    network, loss = Dense(3, 2, dtype="float64", seed=1), losses.get(name)
    data = as_batch(x, y, weight if weighted else None, tf.float64)
    value, sums = evaluate(network, loss, data)

    prediction = x @ network.weight.numpy() + network.bias.numpy()
    at_once = loss(tf.constant(prediction), data.y, data.weight)
    assert value == pytest.approx(float(at_once), rel=1e-13)
    settings = {"sample_weight": weight if weighted else None}
    metrics = sums.metrics()
    assert metrics["mse"] == pytest.approx(mean_squared_error(y, prediction, **settings))
    assert metrics["mae"] == pytest.approx(mean_absolute_error(y, prediction, **settings))
    assert metrics["r2"] == pytest.approx(r2_score(y, prediction, **settings))


@pytest.mark.parametrize("mode", ["xla", "eager"])
def test_other_modes_give_the_same(mode: str) -> None:
    x, y, weight = rows(9)
    network, loss = Dense(3, 2, dtype="float64"), losses.get("mse")
    data = as_batch(x, y, weight, tf.float64)
    one, one_sums = evaluate(network, loss, data)
    other, other_sums = evaluate(network, loss, data, mode)
    assert one == pytest.approx(other, rel=1e-13)
    assert one_sums.metrics() == pytest.approx(other_sums.metrics(), rel=1e-12)


def test_it_follows_the_weights_of_the_network() -> None:
    network = Dense(1, 1, dtype="float64", initializer="zeros")
    data = as_batch(np.ones((3, 1)), np.full((3, 1), 2.0), None, tf.float64)
    sums = choose_mode("graph", 0, 0).compile(Evaluator(network, losses.get("mse"), data).sums)
    assert float(sums()[0]) == 4.0
    network.bias.assign([5.0])
    assert float(sums()[0]) == 9.0


def test_errors_that_float32_cannot_square() -> None:
    network = Dense(1, 1, initializer="zeros")
    network.bias.assign([2.0**100])
    data = as_batch(np.ones((3, 1)), np.zeros((3, 1)), None, tf.float32)
    loss, sums = evaluate(network, losses.get("mae"), data)
    assert loss == 2.0**100
    assert sums.metrics()["mse"] == 2.0**200


@pytest.mark.parametrize("count", [1, 5, 12])
def test_predicting_in_blocks(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tftrain.training.evaluator.BATCH_ROWS", 5)
    x, _, _ = rows(count)
    network = Dense(3, 2, dtype="float64", seed=1)
    expected = x @ network.weight.numpy() + network.bias.numpy()
    np.testing.assert_allclose(predict_in_blocks(network, x), expected, rtol=1e-13)


def test_weights_are_scaled_to_a_mean_of_one() -> None:
    x, y, _ = rows(4)
    batch = as_batch(x, y, [1, 2, 3, 4], tf.float64)
    np.testing.assert_allclose(batch.weight, [0.4, 0.8, 1.2, 1.6], rtol=1e-15)


def test_lists_keep_the_precision_of_the_dtype() -> None:
    batch = as_batch([[0.1]], [[1 / 3]], None, tf.float64)
    assert (float(batch.x[0, 0]), float(batch.y[0, 0])) == (0.1, 1 / 3)


@pytest.mark.parametrize("weight", [[1.0], [[1.0], [1.0]], 1.0, [-1.0, 2.0], [0.0, 0.0]])
def test_wrong_weights(weight: object) -> None:
    with pytest.raises(ShapeError, match="weights"):
        as_batch(np.ones((2, 3)), np.ones((2, 1)), weight, tf.float32)


@pytest.mark.parametrize("kind", [np.asarray, tf.constant], ids=["array", "tensor"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_named(kind: Any, value: float) -> None:
    good, bad = np.ones((3, 2)), np.ones((3, 2))
    bad[1, 0] = value
    with pytest.raises(InputError, match=rf"x must hold finite .* x\[1, 0\] is {value}"):
        as_batch(kind(bad), good, None, tf.float64)
    with pytest.raises(InputError, match=r"y must hold finite .* y\[1, 0\]"):
        as_batch(good, kind(bad), None, tf.float64)


def test_numbers_too_large_for_the_dtype_are_named() -> None:
    with pytest.raises(InputError, match=r"finite float32 numbers, but x\[0\] is inf"):
        as_batch(np.array([1e300]), np.ones(1), None, tf.float32)
