from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests.support.parameters import slow_unless
from tftrain.errors import InputError
from tftrain.losses import MeanSquaredError, Objective
from tftrain.nn import Dense
from tftrain.optimizers import SGD
from tftrain.streams import batch_order
from tftrain.training.batch import Batch
from tftrain.training.engine import Engine, choose_mode
from tftrain.training.epoch_end import EpochEnd, EpochLine
from tftrain.training.step import Step
from tftrain.training.stopping import Convergence

MODES = ("graph", "xla", "eager")


def make_engine(
    rows: int,
    batch_size: int,
    mode: str = "graph",
    epochs: int = 3,
    validate_every: int = 1,
    **settings: Any,
) -> Engine:
    rng = np.random.default_rng(0)
    network, optimizer = Dense(2, 1, dtype="float64"), SGD(0.1)
    parameters = network.trainable_variables
    optimizer.build(parameters)
    step = Step(network, parameters, Objective(MeanSquaredError()), optimizer)
    data = Batch(tf.constant(rng.normal(size=(rows, 2))), tf.constant(rng.normal(size=(rows, 1))))
    watch = EpochEnd(
        parameters,
        parameters,
        None,
        epochs=epochs,
        validate_every=validate_every,
        convergence=Convergence(gradient_norm=1e-300),
    )
    made = Engine(step, data, batch_size, choose_mode(mode, 0, 0), watch, **settings)
    made.prepare()
    return made


@pytest.mark.parametrize(
    ("rows", "batch_size", "steps"), [(10, 5, 2), (11, 5, 3), (4, 5, 1), (5, 5, 1), (3, 1, 3)]
)
def test_number_of_steps(rows: int, batch_size: int, steps: int) -> None:
    made = make_engine(rows, batch_size)
    assert made.steps == steps
    chunk = made.run(0)
    assert chunk.results.shape == (1, 2)
    assert chunk.done == 1


@pytest.mark.parametrize("mode", MODES)
def test_preparing_changes_nothing(mode: str) -> None:
    made = make_engine(11, 5, mode, order_seed=1)
    fresh = Dense(2, 1, dtype="float64").trainable_variables
    assert int(made.step.optimizer.step) == 0
    for parameter, value in zip(made.step.parameters, fresh, strict=True):
        np.testing.assert_array_equal(parameter, value)


@pytest.mark.parametrize("mode", slow_unless("xla".__ne__, MODES))
@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("seed", [None, 7])
@pytest.mark.parametrize("batch_size", [2, 11])
def test_chunks_join_into_the_training(
    mode: str, together: bool, seed: int | None, batch_size: int
) -> None:
    """Whatever the chunks, results and weights are those of one Python call for every step."""
    epochs = 3
    made = make_engine(11, batch_size, mode, epochs, order_seed=seed, together=together)
    results: list[np.ndarray] = []
    lengths: list[int] = []
    lines: dict[int, np.ndarray] = {}
    while sum(lengths) < epochs * made.steps:
        chunk = made.run(sum(lengths), deadline=0.0 if len(lengths) < 3 else None)
        lengths.append(chunk.done - sum(lengths))
        results.append(chunk.results[chunk.start :])
        lines.update(enumerate(chunk.lines, chunk.epoch))
    assert lengths[:3] == [1, 1, 1]
    if made.steps > 1:
        assert any(length > made.steps for length in lengths) == (together and mode != "eager")

    plain = make_engine(11, batch_size, "eager")
    expected = []
    for epoch in range(epochs):
        order = np.arange(11) if seed is None else batch_order(11, seed, epoch)
        losses = []
        for start in range(0, 11, batch_size):
            rows = order[start : start + batch_size]
            loss, gradients = plain.step.gradients(plain.data.gather(tf.constant(rows)))
            plain.step.optimizer.apply(gradients, plain.step.parameters)
            squares = [np.sum(np.square(gradient)) for gradient in gradients]
            expected.append((float(loss), np.sqrt(sum(squares))))
            losses.append(float(loss) * len(rows))
        line = EpochLine.of(lines[epoch])
        assert line.loss == pytest.approx(sum(losses) / 11, rel=1e-12)
        assert line.norm == pytest.approx(expected[-1][1], rel=1e-12)
    np.testing.assert_allclose(np.concatenate(results), expected, rtol=1e-12)
    assert int(made.step.optimizer.step) == epochs * made.steps
    for one, other in zip(made.step.parameters, plain.step.parameters, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)


@pytest.mark.parametrize("mode", MODES)
def test_the_loss_of_an_epoch_does_not_depend_on_its_chunks(mode: str) -> None:
    lines = []
    for deadline in (0.0, None):
        made, done = make_engine(101, 2, mode), 0
        while done < made.steps:
            chunk = made.run(done, deadline)
            done = chunk.done
        lines.append(chunk.lines[0])
    np.testing.assert_array_equal(*lines)


def test_short_epochs_run_together() -> None:
    made, done, calls = make_engine(64, 64, "xla", epochs=20_000), 0, 0
    while done < 20_000:
        done = made.run(done).done
        calls += 1
    assert calls < 200
    assert made.traces == 1


@pytest.mark.parametrize(
    ("batch_size", "validate_every", "validation", "most_calls"),
    [(2, 1, 1.0, 4000), (2, 3, 1.0, 4000), (8, 1, 1.0, 1000), (8, 3, 1.0, 1000), (2, 1, 1e-4, 20)],
)
def test_chunks_aim_at_half_a_second_with_their_validations(
    batch_size: int,
    validate_every: int,
    validation: float,
    most_calls: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On a clock of our own: 3 seconds at first, 1 ms a step, and what a validation takes."""
    made = make_engine(8, batch_size, epochs=1000, validate_every=validate_every)
    clock, total = 0.0, 1000 * made.steps

    def call(epoch: int, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        nonlocal clock
        before, after = epoch * made.steps + start, epoch * made.steps + stop
        clock += 1e-3 * (stop - start) + (0.0 if before else 3.0)
        clock += validation * (after // made.period - before // made.period)
        return np.zeros([made.capacity * made.steps, 2]), np.zeros([made.capacity, 4])

    monkeypatch.setattr(made, "_call", call)
    monkeypatch.setattr("tftrain.training.engine.time.monotonic", lambda: clock)
    done, chunks = 0, []
    while done < total:
        chunks.append(made.run(done))
        done = chunks[-1].done
    assert max(chunk.seconds for chunk in chunks[1:]) < 0.5 + validation + 0.02
    assert len(chunks) <= most_calls


@pytest.mark.parametrize("mode", MODES)
def test_a_mode_asked_for_is_taken(mode: str) -> None:
    assert choose_mode(mode, 1e12, 1).name == mode


@pytest.mark.parametrize(
    ("operations", "steps", "mixed", "mode"),
    [
        (1e4, 100, False, "graph"),
        (1e4, 10**6, False, "xla"),
        (1e10, 10, False, "graph"),
        (1e10, 1000, False, "xla"),
        (1e4, 10**6, True, "xla"),
        (1e4, 100, True, "graph"),
        (1e8, 10**6, True, "graph"),
    ],
)
def test_automatic_mode(operations: float, steps: int, mixed: bool, mode: str) -> None:
    chosen = choose_mode("auto", operations, steps, mixed)
    assert chosen.name == mode
    assert ("bfloat16" in chosen.reason) == (mixed and operations > 1e7)


def test_unknown_mode() -> None:
    with pytest.raises(InputError, match="compile must be one of"):
        choose_mode("fast", 1.0, 1)
