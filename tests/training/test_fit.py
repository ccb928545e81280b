"""`fit` as its users see it."""

import gc
import os
import signal
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import tftrain
from tests.support.parameters import slow, slow_unless
from tftrain import fit, losses, nn, optimizers
from tftrain.errors import DivergedError, InputError, ShapeError
from tftrain.nn import MLP, Dense
from tftrain.optimizers import SGD, Adam
from tftrain.streams import batch_order
from tftrain.training import Convergence, EarlyStopping, History, Observer, engine

MODES = ("graph", "xla", "eager")
ROWS = 23


def table(rows: int = ROWS, outputs: int = 2) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(rows, 3))
    return x, x @ rng.normal(size=(3, outputs)) + 0.1 * rng.normal(size=(rows, outputs))


def linear() -> Dense:
    return Dense(3, 2, dtype="float64", seed=5)


def small_network(dtype: str = "float64", seed: int = 0) -> MLP:
    return MLP(3, [4], 2, activation="tanh", dtype=dtype, seed=seed)


def weights(network: tf.Module) -> np.ndarray:
    return np.concatenate([v.numpy().ravel() for v in network.trainable_variables])


class Line(tf.Module):
    """Predicts the same number for every case; the loss `mae` moves it by the rate each step."""

    def __init__(self, start: float = 0.0) -> None:
        super().__init__()
        self.height = tf.Variable(start, dtype=tf.float64)

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        return tf.zeros_like(x) + self.height


@pytest.mark.parametrize(
    ("weighted", "l2", "shuffle", "batch_size"),
    [
        (False, 0.0, True, 5),
        (True, 0.0, True, 5),
        (False, 0.3, True, 5),
        (True, 0.3, False, 5),
        (True, 0.3, True, "full"),
        (False, 0.0, True, 1000),
    ],
)
def test_against_a_training_loop_in_numpy(
    weighted: bool, l2: float, shuffle: bool, batch_size: Any
) -> None:
    x, y = table()
    row_weights = np.random.default_rng(2).uniform(0, 3, ROWS) if weighted else np.ones(ROWS)
    network, epochs, rate = linear(), 4, 0.05
    weight, bias = network.weight.numpy(), network.bias.numpy()

    size = min(ROWS, ROWS if batch_size == "full" else batch_size)
    scaled = row_weights / row_weights.mean()
    step_losses, epoch_losses = [], []
    for epoch in range(epochs):
        order = batch_order(ROWS, 8, epoch) if shuffle else np.arange(ROWS)
        losses = []
        for start in range(0, ROWS, size):
            rows = order[start : start + size]
            error = x[rows] @ weight + bias - y[rows]
            penalty = l2 / 2 * np.sum(weight**2)
            losses.append(np.mean(scaled[rows, None] * error**2) + penalty)
            slope = 2 * scaled[rows, None] * error / error.size
            weight = weight - rate * (x[rows].T @ slope + l2 * weight)
            bias = bias - rate * slope.sum(axis=0)
        step_losses.append(losses)
        counts = [min(size, ROWS - start) for start in range(0, ROWS, size)]
        epoch_losses.append(np.average(losses, weights=counts))

    history = fit(
        network,
        x,
        y,
        optimizer=SGD(rate),
        epochs=epochs,
        batch_size=batch_size,
        weight=row_weights if weighted else None,
        l2=l2,
        shuffle=shuffle,
        seed=8,
    )
    np.testing.assert_allclose(network.weight, weight, rtol=1e-12)
    np.testing.assert_allclose(network.bias, bias, rtol=1e-12)
    np.testing.assert_allclose(np.array(history.step_losses), step_losses, rtol=1e-12)
    np.testing.assert_allclose(history.losses, epoch_losses, rtol=1e-12)
    assert [record.epoch for record in history.epochs] == [1, 2, 3, 4]
    steps = -(-ROWS // size)
    assert [record.steps for record in history.epochs] == [steps, 2 * steps, 3 * steps, 4 * steps]
    assert history.steps == 4 * steps
    assert history.stop_reason == "all 4 epochs"
    assert history.best_epoch == 4


def test_full_batch_reaches_the_least_squares_solution() -> None:
    x, y = table()
    network = linear()
    fit(network, x, y, optimizer=SGD(0.3), epochs=500, batch_size="full")
    solution, *_ = np.linalg.lstsq(np.hstack([x, np.ones((ROWS, 1))]), y, rcond=None)
    np.testing.assert_allclose(network.weight, solution[:3], rtol=1e-9)
    np.testing.assert_allclose(network.bias, solution[3], rtol=1e-9)


def test_takes_any_module() -> None:
    class Bilinear(tf.Module):
        """Inputs of rank three, a table that is looked up, and a variable that is not trained."""

        def __init__(self) -> None:
            super().__init__()
            self.rows = tf.Variable(tf.ones([4, 3]))
            self.calls = tf.Variable(0, trainable=False)

        def __call__(self, x: tf.Tensor) -> tf.Tensor:
            return tf.reduce_sum(x * tf.gather(self.rows, [0, 2]), axis=2)

    x = np.random.default_rng(0).normal(size=(40, 2, 3))
    wanted = np.array([[1.0, -2.0, 3.0], [0.5, 4.0, -1.0]])
    network = Bilinear()
    fit(network, x, np.sum(x * wanted, axis=2), optimizer=SGD(0.5), epochs=300, batch_size="full")
    np.testing.assert_allclose(network.rows.numpy()[[0, 2]], wanted, rtol=1e-4)
    np.testing.assert_array_equal(network.rows.numpy()[[1, 3]], np.ones((2, 3)))


@pytest.mark.parametrize("dtype", ["float32", slow("float64")])
def test_all_modes_give_the_same_losses(dtype: str) -> None:
    x, y = table()
    runs = []
    for mode in MODES:
        network = small_network(dtype)
        history = fit(network, x, y, optimizer=Adam(0.02), epochs=3, batch_size=5, compile=mode)
        assert history.mode is not None
        assert history.mode.name == mode
        runs.append((np.array(history.step_losses), weights(network)))
    tolerance = 64 * np.finfo(dtype).eps
    for step_losses, trained in runs[1:]:
        np.testing.assert_allclose(step_losses, runs[0][0], rtol=tolerance, atol=tolerance)
        np.testing.assert_allclose(trained, runs[0][1], rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("mode", ["graph", "xla"])
def test_one_trace_even_with_a_partial_batch(mode: str) -> None:
    x, y = table()
    assert fit(linear(), x, y, epochs=3, batch_size=5, compile=mode).traces == 1


def test_eager_mode_traces_nothing() -> None:
    x, y = table()
    assert fit(linear(), x, y, epochs=3, batch_size=5, compile="eager").traces == 0


def test_same_seed_bitwise_the_same_other_seed_different() -> None:
    x, y = table()

    def trained(seed: int) -> np.ndarray:
        network = small_network("float32")
        fit(network, x, y, epochs=3, batch_size=5, seed=seed)
        return weights(network)

    np.testing.assert_array_equal(trained(1), trained(1))
    assert np.any(trained(1) != trained(2))


@pytest.mark.parametrize("mode", slow_unless("graph".__eq__, MODES))
def test_length_of_the_chunks_does_not_matter(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Chunks(Observer):
        def __init__(self) -> None:
            self.ends: list[tuple[int, int]] = []

        def on_chunk(self, epoch: int, step: int, loss: float) -> None:
            self.ends.append((epoch, step))

    x, y = table()
    results = []
    for seconds in (1000.0, 1e-12):
        monkeypatch.setattr(engine, "CHUNK_SECONDS", seconds)
        network, chunks = small_network("float32"), Chunks()
        history = fit(network, x, y, epochs=2, batch_size=5, compile=mode, observers=[chunks])
        results.append((weights(network), np.array(history.step_losses), chunks.ends))
    (whole, whole_losses, whole_ends), (cut, cut_losses, cut_ends) = results
    assert len(whole_ends) < len(cut_ends)
    assert cut_ends == [(epoch, step) for epoch in (1, 2) for step in (1, 2, 3, 4, 5)]
    np.testing.assert_array_equal(whole, cut)
    np.testing.assert_array_equal(whole_losses, cut_losses)


def test_rows_of_weight_zero_have_no_influence() -> None:
    x, y = table()
    weight = np.where(np.arange(ROWS) % 3 == 0, 0.0, 1.5)
    spoilt_x, spoilt_y = x.copy(), y.copy()
    spoilt_x[weight == 0] = 100.0
    spoilt_y[weight == 0] = -1000.0
    trained = []
    for inputs, targets in ((x, y), (spoilt_x, spoilt_y)):
        network = small_network()
        fit(network, inputs, targets, epochs=3, batch_size=5, weight=weight)
        trained.append(weights(network))
    np.testing.assert_array_equal(*trained)


def test_weight_two_is_the_same_row_twice() -> None:
    x, y = table()
    twice = np.append(np.arange(ROWS), 4)
    weight = np.ones(ROWS)
    weight[4] = 2
    doubled, weighted = small_network(), small_network()
    settings: dict[str, Any] = {"optimizer": "sgd", "epochs": 20, "batch_size": "full"}
    fit(doubled, x[twice], y[twice], **settings)
    fit(weighted, x, y, weight=weight, **settings)
    np.testing.assert_allclose(weights(weighted), weights(doubled), rtol=1e-12)


def test_scale_of_the_weights_does_not_matter() -> None:
    x, y = table()
    trained = []
    for scale in (1.0, 1024.0):
        network = small_network()
        fit(network, x, y, epochs=2, batch_size=5, weight=scale * np.arange(1.0, ROWS + 1))
        trained.append(weights(network))
    np.testing.assert_allclose(*trained, rtol=1e-12)


@pytest.mark.parametrize("kind", [np.ndarray.tolist, tf.constant], ids=["lists", "tensors"])
def test_lists_and_tensors_are_as_good_as_arrays(kind: Any) -> None:
    x, y = table()
    weight = np.linspace(0.1, 0.9, ROWS)
    trained = []
    for change in (kind, np.asarray):
        network = linear()
        fit(network, change(x), change(y), epochs=2, batch_size=5, weight=change(weight))
        trained.append(weights(network))
    np.testing.assert_array_equal(*trained)


def test_integer_rows_are_taken_as_numbers() -> None:
    x, y = np.arange(24).reshape(8, 3), np.arange(16).reshape(8, 2)
    trained = []
    for dtype in ("int64", "float64"):
        network = linear()
        fit(network, x.astype(dtype), y.astype(dtype), epochs=2)
        trained.append(weights(network))
    np.testing.assert_array_equal(*trained)


def test_a_used_optimizer_goes_on_where_it_stopped() -> None:
    x, y = table()
    settings: dict[str, Any] = {"batch_size": "full"}
    at_once, in_parts = linear(), linear()
    fit(at_once, x, y, optimizer=SGD(0.05, momentum=0.9), epochs=6, **settings)
    optimizer = SGD(0.05, momentum=0.9)
    fit(in_parts, x, y, optimizer=optimizer, epochs=2, **settings)
    fit(in_parts, x, y, optimizer=optimizer, epochs=4, **settings)
    np.testing.assert_array_equal(weights(at_once), weights(in_parts))
    assert int(optimizer.step) == 6


def test_validation_is_of_the_weights_after_the_epoch() -> None:
    x, y = table()
    network, seen = linear(), []

    class Watch(Observer):
        def on_epoch(self, record: Any) -> None:
            error = x[:7] @ network.weight.numpy() + network.bias.numpy() - y[:7]
            seen.append((record.validation_loss, np.mean(error**2)))

    history = fit(
        network, x[7:], y[7:], epochs=5, validation=(x[:7], y[:7]), observers=[Watch()], l2=0.5
    )
    np.testing.assert_allclose(*np.transpose(seen), rtol=1e-12)
    for record in history.epochs:
        assert record.validation is not None
        assert record.validation.metrics()["mse"] == pytest.approx(record.validation_loss)


def test_validation_every_few_epochs_and_at_the_end() -> None:
    x, y = table()
    history = fit(linear(), x, y, epochs=8, validation=(x, y), validate_every=3)
    due = [record.epoch for record in history.epochs if record.validation_loss is not None]
    assert due == [3, 6, 8]


def test_diverging_names_epoch_and_step() -> None:
    # Each step multiplies the height by 1 - 2e50, so the loss overflows at the fifth step.
    network, history = Line(1.0), History()
    with pytest.raises(DivergedError, match="loss became inf at epoch 2, step 2") as caught:
        fit(
            network,
            np.ones((6, 1)),
            np.zeros((6, 1)),
            optimizer=SGD(1e50),
            epochs=9,
            batch_size=2,
            history=history,
        )
    assert (caught.value.epoch, caught.value.step) == (2, 2)
    assert [record.epoch for record in history.epochs] == [1]
    assert history.stop_reason == "unfinished"


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("seconds", [100.0, slow(1e-12)])
def test_an_overflow_is_found_at_its_step(
    mode: str, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "CHUNK_SECONDS", seconds)
    x, y = table()
    y[11, 1] = 1e200
    with pytest.raises(DivergedError, match="loss became inf at epoch 1, step 3"):
        fit(linear(), x, y, batch_size=5, shuffle=False, compile=mode)


def test_diverging_validation_is_found() -> None:
    x, y = table()
    history = History()
    with pytest.raises(DivergedError, match="validation loss became inf at epoch 3"):
        fit(linear(), x, y, validation=(x, y + 1e200), validate_every=3, history=history)
    assert [record.epoch for record in history.epochs] == [1, 2]


@pytest.mark.parametrize("mode", MODES)
def test_nan_that_an_activation_hides_is_found_in_its_epoch(mode: str) -> None:
    class Poisoned(tf.Module):
        """Its gradient is NaN from the ninth step on, its output and its loss never are."""

        def __init__(self) -> None:
            super().__init__()
            self.height = tf.Variable(0.0, dtype=tf.float64, name="height")

        def __call__(self, x: tf.Tensor) -> tf.Tensor:
            @tf.custom_gradient
            def hide(z: tf.Tensor) -> Any:
                seen = tf.where(tf.math.is_nan(z), tf.zeros_like(z), z)
                nan = tf.constant(np.nan, tf.float64)
                return seen, lambda dy: tf.where(z < 7.5, dy, nan * dy)

            return tf.zeros_like(x) + hide(self.height + 0.0)

    history = History()
    with pytest.raises(DivergedError, match=r"variable height.* became nan at epoch 3, step 3"):
        fit(
            Poisoned(),
            np.ones((6, 1)),
            np.full((6, 1), 1000.0),
            loss="mae",
            optimizer=SGD(1.0),
            epochs=50,
            batch_size=2,
            compile=mode,
            history=history,
        )
    assert [record.epoch for record in history.epochs] == [1, 2]


def test_weights_are_never_left_infinite_in_silence() -> None:
    network = Line(1.0)
    with pytest.raises(DivergedError):
        fit(
            network,
            np.ones((4, 1)),
            np.full((4, 1), -9.0),
            optimizer=SGD(1e308),
            epochs=1,
            batch_size="full",
        )


def test_an_interruption_leaves_what_is_known() -> None:
    class Interrupt(Observer):
        def __init__(self) -> None:
            self.ended = False

        def on_epoch(self, record: Any) -> None:
            if record.epoch == 3:
                raise KeyboardInterrupt

        def on_end(self) -> None:
            self.ended = True

    x, y = table()
    history, observer = History(), Interrupt()
    with pytest.raises(KeyboardInterrupt):
        fit(linear(), x, y, epochs=9, history=history, observers=[observer])
    assert [record.epoch for record in history.epochs] == [1, 2, 3]
    assert history.seconds["train"] >= 0
    assert observer.ended


@pytest.fixture
def _ctrl_c_interrupts() -> Iterator[None]:
    """Let SIGINT interrupt, as it does not where pytest was started with the signal ignored."""
    kept = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, kept)


@pytest.mark.usefixtures("_ctrl_c_interrupts")
@pytest.mark.parametrize("mode", slow_unless("graph".__eq__, MODES))
@pytest.mark.parametrize("batch_size", [5, "full"])
def test_ctrl_c_stops_at_a_step_that_the_history_knows(mode: str, batch_size: Any) -> None:
    class Interrupt(Observer):
        looks_at_network = False
        pressed = False

        def on_chunk(self, epoch: int, step: int, loss: float) -> None:
            if epoch > 2 and not self.pressed:
                self.pressed = True
                os.kill(os.getpid(), signal.SIGINT)

    x, y = table()
    network, history = linear(), History()
    settings: dict[str, Any] = {"batch_size": batch_size, "compile": mode}
    endless = {"epochs": 10**6, "time_budget": 20}  # where it is not interrupted, the test fails
    with pytest.raises(KeyboardInterrupt):
        fit(network, x, y, history=history, observers=[Interrupt()], **endless, **settings)
    assert history.stop_reason == "interrupted"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert sum(map(len, history.step_losses)) == history.steps == history.epochs[-1].steps

    again, epochs = linear(), history.epochs[-1].epoch
    whole = fit(again, x, y, epochs=epochs, **settings)
    told = np.concatenate(history.step_losses)
    np.testing.assert_allclose(told, np.concatenate(whole.step_losses)[: len(told)], rtol=1e-9)
    if len(told) == whole.steps:
        np.testing.assert_allclose(weights(network), weights(again), rtol=1e-9)


@pytest.mark.usefixtures("_ctrl_c_interrupts")
def test_a_second_ctrl_c_interrupts_at_once() -> None:
    class Impatient(Observer):
        def on_chunk(self, epoch: int, step: int, loss: float) -> None:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
            raise AssertionError("the second signal has not interrupted")

    x, y = table()
    with pytest.raises(KeyboardInterrupt):
        fit(linear(), x, y, observers=[Impatient()])


@pytest.mark.parametrize("mode", ["graph", slow("xla")])
@pytest.mark.parametrize(
    ("batch_size", "validate_every", "stop"),
    [
        ("full", 3, {"early_stopping": EarlyStopping(4, 1e-2)}),
        (5, 3, {"convergence": Convergence(relative_change=0.03, patience=2)}),
        slow(5, 1, {"early_stopping": EarlyStopping(4, 1e-4)}),
        slow("full", 1, {"convergence": Convergence(gradient_norm=0.5)}),
        slow(5, 2, {"epochs": 17}),
    ],
)
def test_epochs_that_run_together_stop_where_single_ones_stop(
    mode: str, batch_size: Any, validate_every: int, stop: dict[str, Any]
) -> None:
    """The weights, the history and the reason are bit for bit those of one epoch at a time."""
    x, y = table()
    settings = {
        "optimizer": "adam",
        "epochs": 200,
        "batch_size": batch_size,
        "validation": (x[:7], y[:7]),
        "validate_every": validate_every,
        "compile": mode,
    }
    ends = []
    for observers in ([], [Observer()]):
        network = small_network()
        settings["optimizer"] = Adam(0.05)
        history = fit(network, x[7:], y[7:], observers=observers, **{**settings, **stop})
        told = [(r.epoch, r.loss, r.validation_loss, r.steps) for r in history.epochs]
        ends.append((weights(network).tolist(), told, history.stop_reason, history.best_epoch))
    assert ends[0] == ends[1]
    assert 2 < len(history.epochs) < 200


def test_observers_are_told_in_order() -> None:
    class Diary(Observer):
        def __init__(self) -> None:
            self.lines: list[str] = []

        def on_start(self, epochs: int, steps: int, rows: int) -> None:
            self.lines.append(f"start {epochs} {steps} {rows}")

        def on_epoch(self, record: Any) -> None:
            self.lines.append(f"epoch {record.epoch}")

        def on_end(self) -> None:
            self.lines.append("end")

    x, y = table()
    first, second = Diary(), Diary()
    fit(linear(), x, y, epochs=2, batch_size=5, observers=[first, second])
    assert first.lines == second.lines == ["start 2 5 23", "epoch 1", "epoch 2", "end"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": 0}, "epochs must be"),
        ({"epochs": 2.5}, "epochs must be"),
        ({"epochs": True}, "epochs must be"),
        ({"batch_size": 0}, "batch_size must be"),
        ({"batch_size": -3}, "batch_size must be"),
        ({"batch_size": 2.5}, "batch_size must be"),
        ({"batch_size": "half"}, 'batch_size must be a number or "full"'),
        ({"l2": -0.1}, "l2 must be"),
        ({"l2": float("nan")}, "l2 must be"),
        ({"validate_every": 0}, "validate_every must be"),
        ({"time_budget": -1.0}, "time_budget must be"),
        ({"time_budget": float("nan")}, "time_budget must be"),
        ({"seed": -1, "batch_size": 5}, "seed must be"),
        ({"compile": "jit"}, "compile must be one of auto, xla, graph, eager"),
        ({"loss": "msee"}, "did you mean mse"),
        ({"optimizer": "adams"}, "did you mean adam"),
        ({"loss": ["mse"]}, "loss must be one of mse, .*or a tftrain.losses.Loss"),
        ({"optimizer": {"kind": "adam"}}, "optimizer must be one of sgd, .*such as tftrain"),
        ({"l2": "a"}, "l2 must be a number, got 'a'"),
        ({"time_budget": "a"}, "time_budget must be a number, got 'a'"),
        ({"seed": None}, "seed must be a whole number"),
        ({"early_stopping": 5}, "early_stopping must be an EarlyStopping such as .*got 5"),
        ({"early_stopping": True}, "early_stopping must be an EarlyStopping"),
        ({"convergence": 1e-3}, "convergence must be a Convergence such as .*got 0.001"),
        ({"observers": [print]}, r"observers\[0\] must be an Observer"),
        ({"observers": Observer()}, "observers must be a list of Observers"),
        ({"history": []}, "history must be a History"),
        ({"validation": 0.2}, r"validation must be \(x, y\) or \(x, y, weight\); got 0.2"),
        ({"validation": np.ones((5, 3))}, "validation must be .*got an object of the type ndarray"),
        ({"validation": (np.ones((5, 3)),)}, "validation must be .*got 1 values"),
        ({"weight": np.ones(ROWS - 1)}, "one weight per row"),
        ({"weight": np.ones((ROWS, 1))}, "one weight per row"),
        ({"weight": -np.ones(ROWS)}, "weights must be zero or more"),
        ({"weight": np.zeros(ROWS)}, "not all zero"),
        ({"weight": np.full(ROWS, np.nan)}, "weight must hold finite"),
        ({"weight": np.array([np.inf] + [1.0] * (ROWS - 1))}, "weight must hold finite"),
        ({"validation": (np.ones((2, 3)), np.full((2, 2), np.inf))}, "y must hold finite"),
    ],
    ids=lambda value: None if isinstance(value, str) else "-".join(value),
)
def test_wrong_arguments(settings: dict[str, Any], message: str) -> None:
    x, y = table()
    # The budget ends a fit that accepts what it should not.
    with pytest.raises(InputError, match=message):
        fit(linear(), x, y, **{"epochs": 2, "time_budget": 0.5, **settings})


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (np.ones((5, 3)), np.ones((4, 2))),
        (np.ones((0, 3)), np.ones((0, 2))),
        (np.ones((5, 3)), np.ones(5)),
        (np.ones((5, 3)), np.ones((5, 1))),
        (np.ones((5, 4)), np.ones((5, 2))),
        (np.ones(5), np.ones((5, 2))),
        (np.float64(1), np.float64(1)),
    ],
    ids=["rows", "no rows", "rank of y", "width of y", "width of x", "rank of x", "scalars"],
)
def test_shapes_that_do_not_agree(x: np.ndarray, y: np.ndarray) -> None:
    with pytest.raises(ShapeError, match="shape"):
        fit(linear(), x, y, epochs=1)


DATASET = tf.data.Dataset.from_tensor_slices(table()).batch(8)


class NeedsDetach:
    """As a `torch.Tensor` with a gradient."""

    def __array__(self, *args: Any, **options: Any) -> np.ndarray:
        raise RuntimeError("Can't call numpy() on Tensor that requires grad.")


def square(prediction: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(tf.square(prediction - target))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"x": DATASET, "y": None}, r"x must be an array.*not a tf\.data\.Dataset.*as_numpy_it"),
        ({"y": DATASET}, r"y must be an array.*not a tf\.data\.Dataset"),
        ({"weight": DATASET}, r"weight must be an array.*not a tf\.data\.Dataset"),
        ({"x": (row for row in table()[0])}, "x must be an array.*not an iterator: give the list"),
        ({"x": tf.sparse.from_dense(table()[0])}, r"not a SparseTensor: give tf\.sparse\.to_de"),
        ({"x": tf.ragged.constant([[1.0], [1.0, 2.0]])}, "not a RaggedTensor: give rows of one"),
        ({"x": tf.constant([["a"]])}, "x must hold numbers, got the type string"),
        ({"x": tf.constant([[1j]])}, "x must hold numbers, got the type complex128"),
        ({"x": np.ma.masked_less(table()[0], 0.0)}, "x has masked values: fill them in, or drop"),
        ({"x": NeedsDetach()}, "x is not an array: Can't call numpy"),
        ({"x": "table.csv"}, "x must be an array, a tensor or a DataFrame.*; got 'table.csv'"),
        ({"x": {"a": [1.0]}}, r"x\['a'\] has shape \(1,\) and y has shape"),
        ({"x": {}}, "x is an empty dictionary or tuple"),
        ({"x": {1: table()[0], "a": table()[0]}}, "x is a dictionary whose keys cannot be sorted"),
        ({"y": None}, "y must be an array, .*; got None"),
        ({"weight": square}, "weight must be an array, .*; got the function square"),
        ({"network": square}, r"such as tftrain\.nn\.MLP.*; got the function square"),
        ({"network": Dense}, r"such as tftrain\.nn\.MLP.*; got the class Dense"),
        ({"network": [Dense(3, 2)]}, r"or tftrain\.nn\.Sequential\(\[\.\.\.\]\); got \[Dense\(3"),
        ({"loss": square}, "the loss square makes terms of .*: return one float64 for each case"),
        ({"loss": losses.Huber}, r"loss must be an object, got the class Huber: give Huber\("),
        ({"optimizer": square}, r"optimizer must be one of .*Adam\(0\.001\).*got the function squ"),
        ({"optimizer": optimizers.Adam}, r"must be an object, got the class Adam: give Adam\("),
        ({"optimizer": Observer}, "those of Keras are not; got the class Observer"),
    ],
)
def test_what_is_often_given_instead_gets_a_sentence(given: dict[str, Any], message: str) -> None:
    x, y = table()
    for door in (fit, tftrain.gradcheck, tftrain.trace):
        if door is tftrain.trace and "optimizer" in given:
            continue
        with pytest.raises(InputError, match=message):
            door(**{"network": linear(), "x": x, "y": y, **given})


def test_the_advice_for_a_dataset_holds() -> None:
    x, y = map(np.concatenate, zip(*DATASET.as_numpy_iterator(), strict=True))
    for one, other in zip((x, y), table(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_series_is_a_column_of_targets_once_it_is_reshaped() -> None:
    x, y = table()
    series = pd.Series(y[:, 0])
    with pytest.raises(ShapeError, match=r"for one unit np\.reshape\(y, \(-1, 1\)\)"):
        fit(Dense(3, 1, dtype="float64"), x, series, epochs=1)
    fit(Dense(3, 1, dtype="float64"), pd.DataFrame(x), np.reshape(series, (-1, 1)), epochs=1)


def test_text_is_refused() -> None:
    with pytest.raises(InputError):
        fit(linear(), [["a", "b", "c"]], [[1.0, 2.0]], epochs=1)


def test_a_dataframe_of_numbers_of_several_types() -> None:
    columns = {"a": [1, 2, 3, 4], "b": [True, False, True, True], "c": [0.1, 0.2, 0.3, 0.4]}
    frame, y = pd.DataFrame(columns), np.arange(8.0).reshape(4, 2)
    trained = []
    for x in (frame.to_numpy(float), frame, frame.convert_dtypes(), frame.astype(object)):
        network = linear()
        fit(network, x, y, epochs=2)
        trained.append(weights(network))
    for other in trained[1:]:
        np.testing.assert_array_equal(trained[0], other)


@pytest.mark.parametrize("value", ["1.5", pd.NA, pd.Timestamp(0)])
def test_a_dataframe_with_something_else_names_its_place(value: Any) -> None:
    frame = pd.DataFrame({"a": [1, 2], "b": [0.5, 1.5], "c": [3.0, value]}).astype(object)
    with pytest.raises(InputError, match=r"x must hold numbers, but x\[1, 2\] is .*drop the row"):
        fit(linear(), frame, np.ones((2, 2)), epochs=1)


ASKED = {
    "if": lambda x: x if tf.reduce_sum(x) > 0 else -x,
    "float": lambda x: x * float(tf.reduce_sum(x)),
    "range": lambda x: x * len(range(tf.cast(tf.reduce_sum(x * x), tf.int32))),
    "for": lambda x: tf.stack(list(x)),
}


@pytest.mark.parametrize("mode", ["graph", "xla"])
@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED)
def test_a_network_that_asks_a_tensor_in_python(asked: Any, mode: str) -> None:
    class Choosing(Dense):
        def __call__(self, x: tf.Tensor) -> tf.Tensor:
            return super().__call__(asked(x))

    x, y = table()
    with pytest.raises(InputError, match=r"`if tensor:`.*tf\.where or tf\.cond.*compile='eager'"):
        fit(Choosing(3, 2, dtype="float64"), x, y, epochs=1, compile=mode)
    fit(Choosing(3, 2, dtype="float64"), x, y, epochs=1, compile="eager")


def test_a_mistake_in_a_loss_is_not_taken_for_something_else() -> None:
    class Mistyped(losses.MeanSquaredError):
        def term(self, error: tf.Tensor) -> tf.Tensor:
            return error.shpae

    x, y = table()
    with pytest.raises(AttributeError, match="shpae"):
        fit(linear(), x, y, loss=Mistyped(), epochs=1, compile="graph")


@pytest.mark.parametrize("mode", MODES)
def test_a_variable_that_the_loss_does_not_depend_on(mode: str) -> None:
    class Forgetful(Dense):
        def __init__(self) -> None:
            super().__init__(3, 2, dtype="float64")
            self.unused = tf.Variable([1.0], dtype=tf.float64, name="forgotten")

    x, y = table()
    with pytest.raises(InputError, match="does not depend on the variable forgotten"):
        fit(Forgetful(), x, y, epochs=1, compile=mode)


def test_networks_that_cannot_be_trained() -> None:
    class Silent(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.height = tf.Variable(1.0)

    mixed = MLP(3, [], 2)
    mixed.other = tf.Variable(1.0, dtype=tf.float64)
    x, y = table()
    with pytest.raises(InputError, match="no trainable variables"):
        fit(nn.Sequential([nn.Activation("tanh")]), x, y)
    with pytest.raises(InputError, match="several dtypes"):
        fit(mixed, x, y)
    with pytest.raises(InputError, match=r"network must be a tf\.Module with a __call__"):
        fit(lambda q: q, x, y)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="no __call__"):
        fit(Silent(), x, y)  # type: ignore[arg-type]


def test_an_optimizer_of_another_network() -> None:
    x, y = table()
    optimizer = Adam()
    fit(linear(), x, y, optimizer=optimizer, epochs=1)
    with pytest.raises(InputError, match="make a new one"):
        fit(linear(), x, y, optimizer=optimizer, epochs=1)


@pytest.mark.slow
def test_no_warnings_of_retracing_however_many_networks_are_trained(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tf.get_logger(), "propagate", True)
    x, y = table()
    for _ in range(8):
        fit(linear(), x, y, epochs=2, batch_size=5, validation=(x, y), compile="graph")
    assert [record.message for record in caplog.records if "retracing" in record.message] == []


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("batch_size", [5, slow("full")])
def test_a_network_runs_once_for_each_step_and_each_validation(mode: str, batch_size: Any) -> None:
    class Counting(Dense):
        def __init__(self) -> None:
            super().__init__(3, 2, dtype="float64")
            self.calls = tf.Variable(0, trainable=False)

        def __call__(self, x: tf.Tensor) -> tf.Tensor:
            self.calls.assign_add(1)
            return super().__call__(x)

    x, y = table()
    network = Counting()
    settings: dict[str, Any] = {"batch_size": batch_size, "validate_every": 2, "compile": mode}
    history = fit(network, x, y, epochs=5, validation=(x, y), **settings)
    assert int(network.calls) == history.steps + 3


@pytest.mark.parametrize("mode", ["graph", slow("eager"), slow("xla")])
@pytest.mark.parametrize("inputs", [3, slow(200)])
def test_nothing_keeps_the_rows_when_training_is_over(mode: str, inputs: int) -> None:
    rows = tf.random.stateless_normal([50, inputs], [1, 2])
    fit(MLP(inputs, [], 1), rows, rows[:, :1], epochs=2, batch_size=20, compile=mode)
    kept = weakref.ref(rows)
    del rows
    gc.collect()
    assert kept() is None
