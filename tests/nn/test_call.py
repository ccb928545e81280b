"""Random numbers of a step: the same bits in every mode and in NumPy, and a fair coin."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from tftrain import nn
from tftrain.streams import bits


def drawn(mode: str, seed: int, step: int, shape: list[int], *places: int) -> np.ndarray:
    def program() -> tf.Tensor:
        draw = nn.Draw(seed, tf.constant(step, tf.int64))
        for place in places:
            draw = draw.at(place)
        return draw.bits(tf.constant(shape))

    if mode == "eager":
        return program().numpy()
    return tf.function(program, jit_compile=mode == "xla", autograph=False)().numpy()


@pytest.mark.parametrize("mode", ["eager", "graph", "xla"])
@pytest.mark.parametrize(
    ("seed", "step", "places"),
    [(0, 0, [0]), (7, 3, [5, 2]), (2**40 + 1, 2**33, [999]), (-3, 1, [])],
)
def test_the_same_bits_everywhere(mode: str, seed: int, step: int, places: list[int]) -> None:
    found = drawn(mode, seed, step, [5, 3, 2], *places)
    np.testing.assert_array_equal(found, bits((5, 3, 2), seed, step, places))


def test_a_part_of_a_batch_draws_its_rows() -> None:
    whole = nn.Draw(3, tf.constant(4)).bits(tf.constant([6, 5])).numpy()
    part = nn.Draw(3, tf.constant(4), row=2).bits(tf.constant([4, 5])).numpy()
    np.testing.assert_array_equal(part, whole[2:])


def test_seed_step_place_and_element_are_independent() -> None:
    """Shares of ones in each bit, and correlations between neighbours, within five sigma."""
    shape = (100, 100)
    base = bits(shape, 1, 1, [1])
    for other in (bits(shape, 2, 1, [1]), bits(shape, 1, 2, [1]), bits(shape, 1, 1, [2])):
        same = np.mean((base ^ other)[..., None] >> np.arange(32, dtype=np.uint32) & 1)
        assert abs(same - 0.5) < 5 * 0.5 / np.sqrt(base.size * 32)
    uniform = base.ravel() / 2**32
    assert stats.kstest(uniform, "uniform").pvalue > 1e-4
    assert abs(np.corrcoef(uniform[:-1], uniform[1:])[0, 1]) < 5 / np.sqrt(base.size)
    steps = np.array([bits((1,), 1, step, [1])[0] for step in range(10_000)]) / 2**32
    assert stats.kstest(steps, "uniform").pvalue > 1e-4
    assert abs(np.corrcoef(steps[:-1], steps[1:])[0, 1]) < 5 / np.sqrt(len(steps))


class Faithful(nn.Sequential):
    """Overrides how it is called, and takes no draw."""

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        return super().__call__(x)


class Passing(nn.Sequential):
    """Overrides how it is called, and passes its draw on."""

    takes_draw = True

    def __call__(self, x: tf.Tensor, draw: nn.Draw | None = None) -> tf.Tensor:
        return super().__call__(x, draw)


def test_who_takes_a_draw() -> None:
    x, draw = tf.ones([50, 4]), nn.Draw(0, tf.constant(0))
    layers = [nn.Dropout(0.5)]
    assert np.all(nn.call(Faithful(layers), x, draw) == 1)
    assert set(np.unique(nn.call(Passing(layers), x, draw))) == {0, 2}
    assert len(nn.wires(Faithful(layers))) == len(nn.wires(Passing(layers))) == 1
    assert len(nn.wires(nn.Sequential([nn.Sequential(layers), tf.tanh]))) == 2
