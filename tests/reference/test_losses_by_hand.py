"""Losses by hand, against closed forms and complex steps."""

import numpy as np
import pytest

from tftrain.errors import InputError, ShapeError
from tftrain.reference.losses import (
    L2,
    Elementwise,
    Huber,
    Loss,
    MeanAbsoluteError,
    MeanSquaredError,
    SumSquaredError,
)

LOSSES = [MeanSquaredError(), SumSquaredError(), MeanAbsoluteError(), Huber(), Huber(0.2)]
every_loss = pytest.mark.parametrize("loss", LOSSES, ids=repr)
ERRORS = np.array([[-3.0, 0.1], [0.15, -0.7], [2.5, 0.05], [-0.12, 1.4]])
TARGET = np.array([[0.5, -1.0], [2.0, 0.3], [-0.7, 1.1], [0.0, -0.4]])
WEIGHT = np.array([0.5, 1.0, 0.0, 2.5])


@every_loss
@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["unweighted", "weighted"])
def test_delta_is_the_derivative_of_the_value(loss: Loss, weight: np.ndarray | None) -> None:
    delta = loss.delta(TARGET + ERRORS, TARGET, weight)
    for index in np.ndindex(TARGET.shape):
        moved = (TARGET + ERRORS).astype(complex)
        moved[index] += 1e-40j
        slope = loss.value(moved, TARGET, weight).imag / 1e-40
        assert delta[index] == pytest.approx(slope, rel=1e-13)


def test_values_written_out() -> None:
    e, w = ERRORS, WEIGHT[:, None]
    assert LOSSES[0].value(TARGET + e, TARGET, WEIGHT) == pytest.approx(np.mean(w * e**2))
    assert LOSSES[1].value(TARGET + e, TARGET, WEIGHT) == pytest.approx(np.sum(w * e**2) / 2)
    assert LOSSES[2].value(TARGET + e, TARGET, WEIGHT) == pytest.approx(np.mean(w * abs(e)))
    huber = np.where(abs(e) <= 0.2, e**2 / 2, 0.2 * (abs(e) - 0.1))
    assert LOSSES[4].value(TARGET + e, TARGET, WEIGHT) == pytest.approx(np.mean(w * huber))


def test_mean_absolute_error_has_no_slope_at_zero() -> None:
    np.testing.assert_array_equal(MeanAbsoluteError().delta(TARGET, TARGET), 0 * TARGET)


@every_loss
def test_nothing_is_broadcast(loss: Loss) -> None:
    with pytest.raises(ShapeError, match="same shape"):
        loss.value(TARGET, TARGET[:, :1])


def test_penalty_is_on_weights_only() -> None:
    weight, bias = np.array([[1.0, 2.0]]), np.array([10.0, 20.0])
    assert L2(0.4).value([weight, bias]) == pytest.approx(0.2 * 5)


class Constant(Elementwise):
    """The mean error, whose slope is one number for all."""

    def term(self, error):
        return error

    def slope(self, error):
        return 1.0


def test_one_slope_counts_for_every_error() -> None:
    prediction, target = np.ones((4, 2)), np.zeros((4, 2))
    delta = Constant().delta(prediction, target, np.arange(4.0))
    np.testing.assert_array_equal(delta, np.arange(4.0)[:, None] / 8 * np.ones(2))
    shares = Constant().shares(prediction, target)
    assert shares.sum() == Constant().value(prediction, target) == 1


def test_a_slope_must_return_something() -> None:
    class Silent(Constant):
        def slope(self, error):
            """Forget to return."""

    with pytest.raises(InputError, match="the method 'slope' of Silent returned None"):
        Silent().delta(np.ones((4, 2)), np.zeros((4, 2)))
