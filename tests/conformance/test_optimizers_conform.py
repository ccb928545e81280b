"""Checks that run over every optimizer of the table."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tests.support.table import DTYPES, OPTIMIZERS, Row, assert_close, in_turn, ulps
from tftrain import nn
from tftrain.optimizers import Adam, Optimizer

every_optimizer = pytest.mark.parametrize("row", OPTIMIZERS, ids=lambda row: row.name)
every_dtype = pytest.mark.parametrize("dtype", DTYPES)
each_in_one_dtype = in_turn(OPTIMIZERS)

STEPS = 6


class Bowl(tf.Module):
    """A weight and a bias whose loss is a bowl with its lowest point away from them."""

    def __init__(self, dtype: str) -> None:
        super().__init__()
        rng = np.random.default_rng(5)
        self.weight = tf.Variable(rng.uniform(1, 2, (3, 2)), dtype=dtype)
        self.bias = tf.Variable(rng.uniform(-2, -1, 2), dtype=dtype)

    def loss(self) -> tf.Tensor:
        return tf.reduce_sum(tf.square(self.weight + 0.5)) / 2 + tf.reduce_sum(tf.square(self.bias))

    def build(self, optimizer: Optimizer) -> None:
        variables = [self.weight, self.bias]
        optimizer.build(variables, nn.parameter_names(self, variables))

    def step(self, optimizer: Optimizer) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = self.loss()
        variables = [self.weight, self.bias]
        optimizer.apply(tape.gradient(loss, variables), variables)
        return loss

    def values(self) -> list[np.ndarray]:
        return [self.weight.numpy(), self.bias.numpy()]


def walk(bowl: Bowl, optimizer: Optimizer, steps: int = STEPS) -> list[np.ndarray]:
    bowl.build(optimizer)
    for _ in range(steps):
        bowl.step(optimizer)
    return bowl.values()


@each_in_one_dtype
def test_eager_graph_and_xla_agree_within_32_ulps(row: Row, dtype: str) -> None:
    eager = walk(Bowl(dtype), row.make())
    for jit in (False, True):
        bowl, optimizer = Bowl(dtype), row.make()
        bowl.build(optimizer)
        program = tf.function(bowl.step, jit_compile=jit)
        for _ in range(STEPS):
            program(optimizer)
        assert_close(bowl.values(), eager, ulps(32, dtype))


@every_optimizer
@every_dtype
def test_steps_lead_downhill_and_are_counted(row: Row, dtype: str) -> None:
    bowl, optimizer = Bowl(dtype), row.make()
    before = float(bowl.loss())
    values = walk(bowl, optimizer)
    assert float(bowl.loss()) < before
    assert {value.dtype.name for value in values} == {dtype}
    assert {slot.dtype.name for slots in optimizer.slots for slot in slots.values()} <= {dtype}
    assert int(optimizer.step) == STEPS


@every_optimizer
def test_going_on_after_a_checkpoint_is_exact(row: Row, tmp_path: Path) -> None:
    bowl, optimizer = Bowl("float32"), row.make()
    walk(bowl, optimizer, 3)
    path = tf.train.Checkpoint(bowl=bowl, optimizer=optimizer).save(str(tmp_path / "checkpoint"))
    uninterrupted = walk(bowl, optimizer, 3)

    bowl, optimizer = Bowl("float32"), row.make()
    bowl.build(optimizer)
    tf.train.Checkpoint(bowl=bowl, optimizer=optimizer).restore(path).assert_consumed()
    for one, other in zip(walk(bowl, optimizer, 3), uninterrupted, strict=True):
        np.testing.assert_array_equal(one, other)


def test_checkpoint_restored_before_the_slots_exist(tmp_path: Path) -> None:
    bowl, optimizer = Bowl("float32"), Adam(0.05)
    walk(bowl, optimizer, 3)
    path = tf.train.Checkpoint(bowl=bowl, optimizer=optimizer).save(str(tmp_path / "checkpoint"))
    uninterrupted = walk(bowl, optimizer, 3)

    bowl, optimizer = Bowl("float32"), Adam(0.05)
    status = tf.train.Checkpoint(bowl=bowl, optimizer=optimizer).restore(path)
    resumed = walk(bowl, optimizer, 3)
    status.assert_consumed()
    for one, other in zip(resumed, uninterrupted, strict=True):
        np.testing.assert_array_equal(one, other)


@every_optimizer
def test_same_steps_twice_are_bitwise_equal(row: Row) -> None:
    for one, other in zip(
        walk(Bowl("float32"), row.make()), walk(Bowl("float32"), row.make()), strict=True
    ):
        np.testing.assert_array_equal(one, other)
