import numpy as np
import pytest
import tensorflow as tf

import tftrain
from tests.support.parameters import slow
from tftrain import nn
from tftrain.errors import InputError

DRAW = nn.Draw(3, tf.constant(5))


def test_drops_about_its_rate_and_keeps_the_mean() -> None:
    x = tf.ones([400, 250])
    y = nn.Dropout(0.3)(x, DRAW).numpy()
    assert set(np.unique(y)) == {0, np.float32(1 / 0.7)}
    assert abs(np.mean(y == 0) - 0.3) < 5 * np.sqrt(0.3 * 0.7 / y.size)
    assert abs(y.mean() - 1) < 0.01


def test_drops_nothing_when_serving_or_at_a_rate_of_zero() -> None:
    x = tf.random.stateless_normal([5, 4], [1, 2])
    np.testing.assert_array_equal(nn.Dropout(0.9)(x), x)
    np.testing.assert_array_equal(nn.Dropout(0)(x, DRAW), x)


def test_every_step_has_another_mask_and_every_place() -> None:
    x = tf.ones([30, 30])
    masks = [nn.Dropout(0.5)(x, nn.Draw(3, tf.constant(step))).numpy() for step in range(3)]
    masks += [nn.Dropout(0.5)(x, DRAW.at(place)).numpy() for place in range(3)]
    for i, one in enumerate(masks):
        for other in masks[i + 1 :]:
            assert 0.35 < np.mean(one == other) < 0.65


@pytest.mark.parametrize("rate", [1, -0.1, float("nan"), "0.5"])
def test_what_is_not_a_rate(rate: object) -> None:
    with pytest.raises(InputError, match="dropout: rate"):
        nn.Dropout(rate)


@pytest.mark.parametrize("batch_size", [slow(7), "full"])
def test_all_modes_train_with_the_same_masks(batch_size: int | str) -> None:
    x, y = np.random.default_rng(0).standard_normal((2, 40, 3))
    trained = {}
    for mode in ("eager", "graph", "xla"):
        network = nn.MLP(3, [16, 16], 3, dropout=0.4, dtype="float64", seed=2)
        tftrain.fit(network, x, y, epochs=5, batch_size=batch_size, compile=mode, seed=9)
        trained[mode] = np.concatenate([v.numpy().ravel() for v in network.variables])
    for mode in ("graph", "xla"):
        np.testing.assert_allclose(trained[mode], trained["eager"], rtol=1e-9, atol=1e-12)
    other = nn.MLP(3, [16, 16], 3, dropout=0.4, dtype="float64", seed=2)
    tftrain.fit(other, x, y, epochs=5, batch_size=batch_size, compile="graph", seed=10)
    assert not np.allclose(
        trained["graph"], np.concatenate([v.numpy().ravel() for v in other.variables]), rtol=1e-3
    )
