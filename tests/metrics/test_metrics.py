import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score

from tftrain.errors import ShapeError
from tftrain.metrics import deviation_sums, error_sums


def example(
    rows: int, targets: int, seed: int, dtype: str = "float64"
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    target = (rng.normal(size=(rows, targets)) * [3] * np.arange(1, targets + 1) + 5).astype(dtype)
    prediction = (target + rng.normal(size=target.shape)).astype(dtype)
    return prediction, target, rng.uniform(0, 2, rows)


@given(st.integers(2, 40), st.integers(1, 4), st.integers(0, 10**6), st.booleans())
@settings(max_examples=50, deadline=None)
def test_against_scikit_learn(rows: int, targets: int, seed: int, weighted: bool) -> None:
    prediction, target, weight = example(rows, targets, seed)
    weight = weight if weighted else None
    metrics = error_sums(prediction, target, weight).metrics()
    mse = mean_squared_error(target, prediction, sample_weight=weight)
    mae = mean_absolute_error(target, prediction, sample_weight=weight)
    r2 = r2_score(target, prediction, sample_weight=weight)
    assert metrics["mse"] == pytest.approx(mse, rel=1e-12)
    assert metrics["rmse"] == pytest.approx(mse**0.5, rel=1e-12)
    assert metrics["mae"] == pytest.approx(mae, rel=1e-12)
    assert metrics["r2"] == pytest.approx(r2, rel=1e-9, abs=1e-9)


def test_one_target_of_several() -> None:
    prediction, target, weight = example(30, 3, seed=1)
    sums = error_sums(prediction, target, weight)
    for i in range(3):
        metrics = sums.of_target(i).metrics()
        r2 = r2_score(target[:, i], prediction[:, i], sample_weight=weight)
        mse = mean_squared_error(target[:, i], prediction[:, i], sample_weight=weight)
        assert metrics["r2"] == pytest.approx(r2, rel=1e-12)
        assert metrics["mse"] == pytest.approx(mse, rel=1e-12)


def test_scale_turns_them_into_the_units_of_the_target() -> None:
    prediction, target, weight = example(30, 3, seed=2)
    scale = np.array([10.0, 0.5, 3.0])
    scaled = error_sums(prediction, target, weight).metrics(scale)
    direct = error_sums(prediction * scale, target * scale, weight).metrics()
    assert scaled == pytest.approx(direct, rel=1e-12)


@pytest.mark.parametrize("rows", [3, 10, 1000])
@pytest.mark.parametrize("value", [0.0, 1.0, 0.1, 0.3, 1 / 3, 1e9 + 0.1])
def test_constant_target(value: float, rows: int) -> None:
    """1 if every prediction is exact and 0 otherwise, though the mean is rounded."""
    target = np.full((rows, 1), value)
    assert error_sums(target, target).metrics()["r2"] == 1.0
    assert error_sums(target + 1, target).metrics()["r2"] == 0.0


@pytest.mark.parametrize("rows", [3, 10, 1000])
def test_constant_target_with_weights(rows: int) -> None:
    target = np.full((rows, 1), 0.1)
    weight = np.random.default_rng(0).uniform(0.5, 2, rows)
    assert error_sums(target + 1, target, weight).metrics()["r2"] == 0.0


def test_one_constant_target_among_others() -> None:
    target = np.array([[1.0, 7.0], [2.0, 7.0], [3.0, 7.0]])
    prediction = target + np.array([[0.5, 0.0], [0.0, 0.0], [0.0, 1.0]])
    expected = r2_score(target, prediction)
    assert error_sums(prediction, target).metrics()["r2"] == pytest.approx(expected, rel=1e-14)


def test_rows_of_weight_zero_do_not_count() -> None:
    prediction, target, _ = example(10, 2, seed=3)
    weight = np.array([1.0] * 6 + [0.0] * 4)
    prediction[6:] += 1e6
    weighted = error_sums(prediction, target, weight).metrics()
    assert weighted == pytest.approx(error_sums(prediction[:6], target[:6]).metrics(), rel=1e-12)


def test_small_deviation_around_a_large_mean() -> None:
    target = 1e8 + np.array([[0.0], [1.0], [2.0], [3.0]])
    np.testing.assert_array_equal(deviation_sums(target), [5.0])


def test_many_float32_rows_are_summed_in_float64() -> None:
    prediction, target, weight = example(200_000, 2, seed=4, dtype="float32")
    mean = np.average(target.astype(np.float64), axis=0, weights=weight)
    expected = np.sum(weight[:, None] * (target.astype(np.float64) - mean) ** 2, axis=0)
    np.testing.assert_allclose(deviation_sums(target, weight), expected, rtol=1e-12)
    mae = np.mean(np.abs(prediction.astype(np.float64) - target.astype(np.float64)))
    assert error_sums(prediction, target).metrics()["mae"] == pytest.approx(mae, rel=1e-12)


def test_nothing_is_broadcast() -> None:
    with pytest.raises(ShapeError, match=r"\(3, 1\) and targets of shape \(3,\)"):
        error_sums(np.ones((3, 1)), np.ones(3))
