"""Training with random layers and moving statistics resumes, replays and comes back exactly."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import tftrain
from tests.support.parameters import slow
from tftrain import nn
from tftrain.errors import InputError
from tftrain.training import Checkpoints

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((50, 4)), RNG.standard_normal((50, 2))


def network() -> nn.MLP:
    return nn.MLP(4, [8, 8, 8], 2, dropout=0.3, normalization="batch", residual=True, seed=1)


def values(network: tf.Module) -> list[np.ndarray]:
    return [variable.numpy() for variable in network.variables]


def trained(folder: Path | None, *epochs: int, **settings: Any) -> list[np.ndarray]:
    """Return all variables after training in several calls; each resumes the one before."""
    for count in epochs:
        net = network()
        checkpoints = None if folder is None else Checkpoints(folder)
        options = {"batch_size": 7, "compile": "graph", "seed": 5, **settings}
        tftrain.fit(net, X, Y, epochs=count, checkpoints=checkpoints, **options)
    return values(net)


@pytest.mark.parametrize("settings", [slow({}), {"batch_size": "full"}, slow({"compile": "xla"})])
def test_training_that_resumes_draws_the_same(tmp_path: Path, settings: dict[str, Any]) -> None:
    whole = trained(None, 6, **settings)
    np.testing.assert_equal(trained(tmp_path, 2, 3, 6, **settings), whole)


def test_another_seed_is_refused(tmp_path: Path) -> None:
    trained(tmp_path, 2, shuffle=False)
    with pytest.raises(InputError, match="random numbers of layers is by seed 5"):
        trained(tmp_path, 4, shuffle=False, seed=6)


def test_the_best_epoch_comes_back_with_moving_statistics() -> None:
    net, seen = network(), {}

    class Keep(tftrain.Observer):
        def on_epoch(self, record: Any) -> None:
            seen[record.epoch] = values(net)

    stopping = tftrain.EarlyStopping(patience=3)
    validation = (X[:9], -Y[:9])
    history = tftrain.fit(
        net, X, Y, validation=validation, epochs=40, early_stopping=stopping, observers=[Keep()]
    )
    assert history.best_epoch < max(seen)
    np.testing.assert_equal(values(net), seen[history.best_epoch])


def test_validation_drops_nothing() -> None:
    net = network()
    history = tftrain.fit(net, X, Y, validation=(X, Y), epochs=2)
    error = net(tf.constant(X, tf.float32)).numpy() - Y
    assert history.epochs[-1].validation_loss == pytest.approx(np.mean(error**2), rel=1e-5)


class Noisy(tf.Module):
    """A layer of a user's own that draws: adds -1 or 1."""

    takes_draw = True

    def __call__(self, x: tf.Tensor, draw: nn.Draw | None = None) -> tf.Tensor:
        if draw is None:
            return x
        return x + tf.cast(draw.bits(tf.shape(x)) % 2, x.dtype) * 2 - 1


def test_a_random_layer_of_ones_own_is_checked_by_evidence() -> None:
    net = nn.Sequential([nn.Dense(4, 6), Noisy(), nn.Activation("tanh"), nn.Dense(6, 2)])
    report = tftrain.gradcheck(net, X[:9], Y[:9], optimizer="adam")
    assert report.ok, report
    assert not report.certified
    trace = tftrain.trace(net, X[:9], Y[:9])
    assert set(np.unique(np.rint(trace.nodes[1].y - trace.nodes[1].x))) == {-1, 1}
