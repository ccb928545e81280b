"""Every way in which training can end."""

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tftrain import fit
from tftrain.errors import DivergedError, InputError
from tftrain.optimizers import SGD
from tftrain.training import Convergence, EarlyStopping, History, Observer

X = np.ones((4, 1))


class Line(tf.Module):
    """Predicts one number for every case.

    With the loss `mae` and rate 1 it rises by exactly 1 a step towards a far target: after epoch k
    it stands at k, and the validation loss against 3 is |k - 3|.
    """

    def __init__(self, start: float = 0.0) -> None:
        super().__init__()
        self.height = tf.Variable(start, dtype=tf.float64)

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        return tf.zeros_like(x) + self.height


def rise(
    network: Line,
    early_stopping: EarlyStopping | None,
    validation_at: float = 3,
    **settings: Any,
) -> History:
    return fit(
        network,
        X,
        1000 * X,
        **{
            "loss": "mae",
            "optimizer": SGD(1.0),
            "epochs": 50,
            "batch_size": "full",
            "validation": (X, validation_at * X),
            "early_stopping": early_stopping,
            **settings,
        },
    )


@pytest.mark.parametrize("patience", [1, 4])
def test_early_stopping_stops_after_patience_and_restores_the_best(patience: int) -> None:
    network = Line()
    history = rise(network, EarlyStopping(patience=patience))
    assert len(history.epochs) == 3 + patience
    assert history.best_epoch == 3
    assert float(network.height) == 3.0
    assert history.stop_reason == (
        "early stopping: no improvement in validation loss since epoch 3"
    )


def test_improvements_must_exceed_min_delta() -> None:
    # Losses 2, 1, 0, 1, ...: by exactly 1 is not enough, so epoch 3 is the next best after 1.
    network = Line()
    history = rise(network, EarlyStopping(patience=5, min_delta=1.0))
    assert (history.best_epoch, len(history.epochs), float(network.height)) == (3, 8, 3.0)
    network = Line()
    history = rise(network, EarlyStopping(patience=5, min_delta=2.0))
    assert (history.best_epoch, len(history.epochs), float(network.height)) == (1, 6, 1.0)


def test_best_weights_are_restored_when_all_epochs_are_used() -> None:
    network = Line()
    history = rise(network, EarlyStopping(patience=100), epochs=8)
    assert (history.best_epoch, len(history.epochs), float(network.height)) == (3, 8, 3.0)
    assert history.stop_reason == "all 8 epochs"


def test_last_weights_are_kept_without_early_stopping() -> None:
    network = Line()
    history = rise(network, None, epochs=8)
    assert (history.best_epoch, float(network.height)) == (8, 8.0)


def test_patience_counts_epochs_where_validation_is_rarer() -> None:
    # Validated at epochs 2, 4, 6, ...: losses 1, 1, 3, 5; patience 3 is over at epoch 5, seen at 6.
    network = Line()
    history = rise(network, EarlyStopping(patience=3), validate_every=2)
    assert (history.best_epoch, len(history.epochs), float(network.height)) == (2, 6, 2.0)


def test_a_late_first_validation_is_an_improvement() -> None:
    network = Line()
    history = rise(
        network, EarlyStopping(patience=2), validation_at=20, validate_every=5, epochs=10
    )
    assert (history.best_epoch, len(history.epochs)) == (10, 10)


def test_one_early_stopping_serves_several_fits() -> None:
    stopping = EarlyStopping(patience=2)
    for _ in range(2):
        history = rise(Line(), stopping)
        assert (history.best_epoch, len(history.epochs)) == (3, 5)
    assert stopping == EarlyStopping(patience=2)


def test_best_weights_are_restored_when_training_diverges_or_is_interrupted() -> None:
    class Interrupt(Observer):
        def on_epoch(self, record: Any) -> None:
            if record.epoch == 6:
                raise KeyboardInterrupt

    network, history = Line(), History()
    with pytest.raises(KeyboardInterrupt):
        rise(network, EarlyStopping(patience=50), observers=[Interrupt()], history=history)
    assert (float(network.height), history.best_epoch) == (3.0, 3)

    network = Line(1.0)
    with pytest.raises(DivergedError):
        fit(
            network,
            X,
            0 * X,
            optimizer=SGD(1e50),
            validation=(X, 0 * X),
            early_stopping=EarlyStopping(patience=50),
        )
    assert abs(float(network.height)) == pytest.approx(2e50)


def test_early_stopping_needs_validation() -> None:
    with pytest.raises(InputError, match="needs validation"):
        rise(Line(), EarlyStopping(), validation=None)


def descend(convergence: Convergence, **settings: Any) -> History:
    """Halve the distance to the target at each epoch: loss 4**-(k - 1), gradient 2**-(k - 2)."""
    return fit(
        Line(1.0),
        X,
        0 * X,
        **{
            "optimizer": SGD(0.25),
            "epochs": 200,
            "batch_size": "full",
            "convergence": convergence,
            **settings,
        },
    )


def test_convergence_by_the_norm_of_the_gradient() -> None:
    history = descend(Convergence(gradient_norm=0.01))
    norms = [record.gradient_norm for record in history.epochs]
    assert norms == [2.0 ** (1 - k) for k in range(len(norms))]
    assert len(norms) == 9  # 2^-7 is the first below 0.01
    assert history.stop_reason == "converged: gradient norm 0.00781 below 0.01"


def test_convergence_counts_its_patience() -> None:
    assert len(descend(Convergence(gradient_norm=0.01, patience=4)).epochs) == 12


def test_convergence_by_relative_change() -> None:
    # With a constant floor under the falling loss: y = +1 and -1, so loss = 1 + 4**-(k - 1).
    y = np.array([[1.0], [-1.0], [1.0], [-1.0]])
    history = fit(
        Line(1.0),
        X,
        y,
        optimizer=SGD(0.25),
        epochs=200,
        batch_size="full",
        convergence=Convergence(relative_change=1e-4),
    )
    losses = [1 + 4.0**-k for k in range(50)]
    changes = [abs(b - a) / a for a, b in pairwise(losses)]
    first = next(i for i, change in enumerate(changes) if change < 1e-4)
    assert len(history.epochs) == first + 2
    assert history.stop_reason.startswith("converged: relative change")


def test_convergence_by_whichever_test_holds_first() -> None:
    # The loss falls by three quarters each epoch, so only the gradient's test can hold.
    history = descend(Convergence(gradient_norm=0.1, relative_change=0.5))
    assert history.stop_reason.startswith("converged: gradient norm")
    history = descend(Convergence(gradient_norm=1e-100, relative_change=0.8))
    assert len(history.epochs) == 2
    assert history.stop_reason.startswith("converged: relative change 0.75")


def test_one_convergence_serves_several_fits() -> None:
    convergence = Convergence(gradient_norm=100.0, patience=3)
    assert [len(descend(convergence).epochs) for _ in range(2)] == [3, 3]


def test_gradient_norm_is_that_of_all_parameters_together() -> None:
    class Plane(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = tf.Variable(0.0, dtype=tf.float64)
            self.b = tf.Variable([0.0, 0.0], dtype=tf.float64)

        def __call__(self, x: tf.Tensor) -> tf.Tensor:
            return x * self.b + self.a

    x, y = np.array([[1.0, 2.0], [3.0, -1.0]]), np.array([[1.0, 0.0], [2.0, 5.0]])
    history = fit(
        Plane(), x, y, epochs=1, batch_size="full", convergence=Convergence(gradient_norm=1e-9)
    )
    slope = -2 * y / y.size
    expected = math.hypot(slope.sum(), *(x * slope).sum(axis=0))
    assert history.epochs[0].gradient_norm == pytest.approx(expected, rel=1e-14)


def test_time_budget_stops_in_the_middle_of_an_epoch() -> None:
    history = rise(Line(), None, time_budget=1e-9, batch_size=1)
    assert len(history.epochs) == 1
    assert history.steps == 1
    assert history.losses == [1000.0]
    assert history.stop_reason.startswith("time budget")
    assert history.epochs[0].validation_loss == 2.0


def test_time_budget_stops_between_epochs() -> None:
    history = rise(Line(), None, time_budget=0.2, epochs=10**7)
    assert 1 <= len(history.epochs) < 10**7
    assert history.stop_reason == "time budget of 0.2 seconds"


def test_a_generous_time_budget_changes_nothing() -> None:
    assert rise(Line(), None, time_budget=1e6, epochs=5).stop_reason == "all 5 epochs"


@pytest.mark.parametrize(
    "make",
    [
        lambda: EarlyStopping(patience=0),
        lambda: EarlyStopping(min_delta=-0.1),
        lambda: EarlyStopping(min_delta=math.nan),
        lambda: EarlyStopping("5"),  # type: ignore[arg-type]
        lambda: EarlyStopping(math.nan),  # type: ignore[arg-type]
        lambda: EarlyStopping(2.5),  # type: ignore[arg-type]
        lambda: EarlyStopping(min_delta="0"),  # type: ignore[arg-type]
        lambda: Convergence(relative_change="5"),  # type: ignore[arg-type]
        lambda: Convergence(relative_change=0.1, patience=1.5),  # type: ignore[arg-type]
        lambda: Convergence(),
        lambda: Convergence(gradient_norm=0.0),
        lambda: Convergence(relative_change=-1.0),
        lambda: Convergence(gradient_norm=0.1, relative_change=math.nan),
        lambda: Convergence(gradient_norm=0.1, patience=0),
    ],
)
def test_wrong_settings(make: Callable[[], object]) -> None:
    with pytest.raises(InputError, match=r"positive|must be"):
        make()
