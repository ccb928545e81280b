"""Steps at which optimizers and schedules are checked: every one that a setting may name."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from parameters import slow

import tftrain
from tftrain import nn, optimizers, reference

X, Y = np.ones((4, 3)), np.ones((4, 1))


class Falls(optimizers.Schedule):
    """Half at each boundary; off at step `off`."""

    def __init__(self, boundaries: Any, off: int = -1) -> None:
        super().__init__(0.1)
        self.boundaries, self.off = boundaries, off
        self.itself = self

    def factor(self, step: tf.Tensor) -> tf.Tensor:
        given = list(self.boundaries) if isinstance(self.boundaries, range) else self.boundaries
        limits = tf.cast(tf.convert_to_tensor(given), tf.float64)
        passed = tf.reduce_sum(tf.cast(step >= limits, tf.float64))
        factor = tf.pow(tf.constant(0.5, tf.float64), passed)
        return tf.where(step == self.off, 1.001 * factor, factor)


@reference.register(Falls)
@dataclass
class FallsReference(reference.Schedule):
    learning_rate: float
    boundaries: Any

    def factor(self, step: Any) -> Any:
        return 0.5 ** float(np.sum(float(step.value) >= np.asarray(self.boundaries)))


def report_of(schedule: optimizers.Schedule, made: int = 0) -> Any:
    network, optimizer = nn.Dense(3, 1, dtype="float64"), optimizers.SGD(schedule)
    optimizer.step.assign(made)
    return tftrain.gradcheck(network, X, Y, optimizer=optimizer, modes=["graph"])


@pytest.mark.parametrize(
    "boundaries",
    [
        range(100, 1000, 9),
        pytest.param("variable", id="a variable"),
        slow(list(range(100, 1000, 9))),
        slow(tuple(np.arange(100, 1000, 9.5))),
        slow(np.arange(100, 1000, 9)),
        slow(tf.range(100, 1000, 9)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_boundary_is_looked_at(boundaries: Any) -> None:
    if isinstance(boundaries, str):
        boundaries = tf.Variable(tf.range(100, 1000, 9), trainable=False)
    given = boundaries.numpy() if tf.is_tensor(boundaries) else list(boundaries)
    values = np.ceil(given)
    right = report_of(Falls(boundaries))
    assert right.ok, right.verdict
    assert not right.notes
    for off in (values[0], values[len(values) // 2], values[-1] - 1):
        wrong = report_of(Falls(boundaries, off=int(off)))
        assert f"after {int(off):,} updates" in wrong.verdict


@pytest.mark.slow
def test_what_is_left_out_is_noted() -> None:
    notes = report_of(Falls(range(1000, 10_000, 3))).notes
    assert len(notes) == 1
    assert "1,000 steps about which it may change something were not looked at" in notes[0]
    assert notes[0].startswith("The settings of Falls hold more numbers")


def test_updates_are_numbered_from_where_the_optimizer_stands() -> None:
    report = report_of(optimizers.Constant(0.1), made=500)
    assert report.ok
    assert "; updates checked: 501, 502, 503, " in report.verdict
