import numpy as np
import pytest
import tensorflow as tf

from tftrain.errors import InputError
from tftrain.losses import MeanSquaredError
from tftrain.nn import Dense
from tftrain.optimizers import SGD
from tftrain.training.engine import Engine, choose_mode
from tftrain.training.step import Batch, Step


def make_engine(rows: int, batch_size: int, mode: str = "graph") -> Engine:
    rng = np.random.default_rng(0)
    network, optimizer = Dense(2, 1, dtype="float64"), SGD(0.1)
    parameters = network.trainable_variables
    optimizer.build(parameters)
    step = Step(network, parameters, MeanSquaredError(), optimizer)
    data = Batch(tf.constant(rng.normal(size=(rows, 2))), tf.constant(rng.normal(size=(rows, 1))))
    return Engine(step, data, batch_size, choose_mode(mode, 0, 0), with_norm=True)


@pytest.mark.parametrize(
    ("rows", "batch_size", "steps"), [(10, 5, 2), (11, 5, 3), (4, 5, 1), (5, 5, 1), (3, 1, 3)]
)
def test_number_of_steps(rows: int, batch_size: int, steps: int) -> None:
    engine = make_engine(rows, batch_size)
    assert engine.steps == steps
    assert engine.run(np.arange(rows, dtype=np.int32), 0).shape[1] == 2


@pytest.mark.parametrize("mode", ["graph", "xla", "eager"])
def test_preparing_changes_nothing(mode: str) -> None:
    engine = make_engine(11, 5, mode)
    optimizer, parameters = engine.step.optimizer, engine.step.parameters
    before = [parameter.numpy() for parameter in parameters]
    engine.prepare()
    assert int(optimizer.step) == 0
    for parameter, value in zip(parameters, before, strict=True):
        np.testing.assert_array_equal(parameter, value)


@pytest.mark.parametrize("mode", ["graph", "xla", "eager"])
def test_chunks_join_into_the_epoch(mode: str) -> None:
    order = np.random.default_rng(1).permutation(11).astype(np.int32)
    engine, results = make_engine(11, 2, mode), []
    while sum(map(len, results)) < engine.steps:
        results.append(engine.run(order, sum(map(len, results)), deadline=0.0))
        assert len(results[-1]) == 1
    assert int(engine.step.optimizer.step) == 6

    whole = make_engine(11, 2, mode)
    for start, (loss, norm) in zip(range(0, 11, 2), np.concatenate(results), strict=True):
        rows = tf.constant(order[start : start + 2])
        expected_loss, gradients = whole.step.gradients(whole.data.gather(rows))
        whole.step.optimizer.apply(gradients, whole.step.parameters)
        assert loss == pytest.approx(float(expected_loss), rel=1e-12)
        squares = [np.sum(np.square(gradient)) for gradient in gradients]
        assert norm == pytest.approx(np.sqrt(sum(squares)), rel=1e-12)


@pytest.mark.parametrize("mode", ["xla", "graph", "eager"])
def test_a_mode_asked_for_is_taken(mode: str) -> None:
    assert choose_mode(mode, 1e12, 1).name == mode


def test_automatic_mode() -> None:
    assert choose_mode("auto", operations=1e10, steps=10**6).name == "graph"
    assert choose_mode("auto", operations=1e4, steps=100).name == "graph"
    assert choose_mode("auto", operations=1e4, steps=10**6).name == "xla"


def test_unknown_mode() -> None:
    with pytest.raises(InputError, match="compile must be one of"):
        choose_mode("fast", 1.0, 1)
