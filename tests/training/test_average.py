"""The moving average of the weights, against NumPy."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import tftrain
from tftrain import nn, optimizers
from tftrain.errors import InputError
from tftrain.optimizers.optimizer import AVERAGE

RNG = np.random.default_rng(2)
X, Y = RNG.standard_normal((40, 3)), RNG.standard_normal((40, 1))
VALIDATION = (X[:9] + 1, Y[:9])
DECAY = 0.8
MODES = ("eager", "graph", "xla")


def network() -> nn.MLP:
    return nn.MLP(3, [4], 1, activation="tanh", dtype="float64", seed=1)


def weights_by_step(epochs: int, **settings: Any) -> list[list[np.ndarray]]:
    """Return the weights after each step of a training that keeps no average."""

    class Steps(tftrain.Observer):
        def on_chunk(self, *_: Any) -> None:
            kept.append([v.numpy() for v in net.trainable_variables])

    net, kept = network(), []
    for epoch in range(epochs):
        order = tftrain.streams.batch_order(40, 0, epoch)
        for start in range(0, 40, 10):
            rows = order[start : start + 10]
            tftrain.fit(net, X[rows], Y[rows], epochs=1, batch_size="full", **settings)
            kept.append([v.numpy().copy() for v in net.trainable_variables])
    return kept


def averages(steps: list[list[np.ndarray]]) -> list[np.ndarray]:
    """Return the average by its definition: weights of a geometric series, which add up to one."""
    share = DECAY ** np.arange(len(steps))[::-1]
    columns = zip(*steps, strict=True)
    return [np.average(np.stack(values), axis=0, weights=share) for values in columns]


@pytest.mark.parametrize("mode", MODES)
def test_the_network_ends_with_the_average(mode: str) -> None:
    net, optimizer = network(), optimizers.Adam(0.05, average=DECAY)
    history = tftrain.fit(
        net, X, Y, epochs=3, batch_size=10, optimizer=optimizer, validation=VALIDATION, compile=mode
    )
    steps = weights_by_step(3, optimizer=optimizers.Adam(0.05))
    for variable, expected in zip(net.trainable_variables, averages(steps), strict=True):
        np.testing.assert_allclose(variable, expected, rtol=1e-9)
    for epoch in (1, 2, 3):  # each epoch is validated with the average that there is
        other = network()
        for variable, value in zip(
            other.trainable_variables, averages(steps[: 4 * epoch]), strict=True
        ):
            variable.assign(value)
        loss = np.mean((other(tf.constant(VALIDATION[0])) - VALIDATION[1]) ** 2)
        assert history.epochs[epoch - 1].validation_loss == pytest.approx(loss, rel=1e-9)


def test_training_itself_is_as_without() -> None:
    losses = [
        tftrain.fit(
            network(), X, Y, epochs=5, batch_size=10, optimizer=optimizers.SGD(0.1, average=a)
        ).losses
        for a in (None, 0.99)
    ]
    np.testing.assert_array_equal(*losses)


@pytest.mark.parametrize("mode", ["graph", "xla"])
def test_a_resumed_training_ends_bit_for_bit_the_same(mode: str, tmp_path: Path) -> None:
    def trained(folder: str, *epochs: int) -> nn.MLP:
        for count in epochs:
            net = network()
            tftrain.fit(
                net,
                X,
                Y,
                epochs=count,
                batch_size=16,
                compile=mode,
                optimizer=optimizers.Adam(0.05, average=DECAY),
                validation=VALIDATION,
                early_stopping=tftrain.EarlyStopping(patience=9),
                checkpoints=tftrain.Checkpoints(tmp_path / folder, every_epochs=1),
            )
        return net

    for one, other in zip(
        trained("whole", 6).variables, trained("twice", 2, 4, 6).variables, strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_the_best_weights_are_averages() -> None:
    """Early stopping keeps what was validated."""
    net = network()
    history = tftrain.fit(
        net,
        X,
        Y,
        epochs=30,
        optimizer=optimizers.Adam(0.2, average=DECAY),
        validation=VALIDATION,
        early_stopping=tftrain.EarlyStopping(patience=3),
    )
    loss = np.mean((net(tf.constant(VALIDATION[0])) - VALIDATION[1]) ** 2)
    assert history.best_epoch is not None
    best = history.epochs[history.best_epoch - 1].validation_loss
    assert loss == pytest.approx(best, rel=1e-9)


class Late(optimizers.Adam):
    """Averages the weights of before the update."""

    def apply(self, gradients: Any, parameters: Any) -> None:
        self.build(parameters)
        before = [tf.identity(p) for p in parameters]
        kept = [slots[AVERAGE].read_value() for slots in self.slots]
        super().apply(gradients, parameters)
        for slots, old, w in zip(self.slots, kept, before, strict=True):
            slots[AVERAGE].assign(self.average * old + (1 - self.average) * w)


class Faster(optimizers.Adam):
    """Averages with another decay."""

    def apply(self, gradients: Any, parameters: Any) -> None:
        self.build(parameters)
        kept = [slots[AVERAGE].read_value() for slots in self.slots]
        super().apply(gradients, parameters)
        for slots, old, w in zip(self.slots, kept, parameters, strict=True):
            slots[AVERAGE].assign(0.79 * old + 0.21 * w)


class Twice(optimizers.Adam):
    """Averages twice in a step."""

    def apply(self, gradients: Any, parameters: Any) -> None:
        super().apply(gradients, parameters)
        for slots, w in zip(self.slots, parameters, strict=True):
            slots[AVERAGE].assign(self.average * slots[AVERAGE] + (1 - self.average) * w)


@pytest.mark.parametrize("kind", [Late, Faster, Twice])
@pytest.mark.parametrize("mode", ["graph", "xla"])
def test_a_wrong_average_is_caught(kind: type[optimizers.Adam], mode: str) -> None:
    report = tftrain.gradcheck(network(), X, Y, optimizer=kind(0.05, average=DECAY), modes=[mode])
    assert {check.quantity for check in report.failures} == {
        "average of weight",
        "average of bias",
    }


def test_the_right_average_is_proven() -> None:
    report = tftrain.gradcheck(network(), X, Y, optimizer=optimizers.SGD(0.05, average=DECAY))
    assert report.certified, report
    assert "average of weight" in {check.quantity for check in report.checks}


def test_numpy_trains_alike() -> None:
    net = network()
    twin = tftrain.reference.Network.of(net)
    by_hand = tftrain.reference.SGD(schedule=0.05, average=DECAY)
    losses = tftrain.reference.fit(twin, X, Y, optimizer=by_hand, epochs=2)
    history = tftrain.fit(net, X, Y, optimizer=optimizers.SGD(0.05, average=DECAY), epochs=2)
    np.testing.assert_allclose(np.concatenate(history.step_losses), losses, rtol=1e-11)


@pytest.mark.parametrize("average", [0, 1, -0.5, "much", float("nan")])
def test_wrong_decays(average: Any) -> None:
    with pytest.raises(InputError, match="average must be"):
        optimizers.Adam(average=average)


def test_a_run_exports_the_average(tmp_path: Path) -> None:
    config = {
        "data": {"source": "sklearn", "target": "target"},
        "model": {"hidden": [4]},
        "optimizer": {"kind": "adam", "average": 0.99},
        "training": {"epochs": 3, "compile": "graph"},
    }
    run = tftrain.train(config, output=tmp_path / "run")
    last = run.summary["epochs"]
    assert last == 3
    assert run.summary["test"]["rmse"] > 0
    again = tftrain.resume(tmp_path / "run", overrides=["training.epochs=5"], force=True)
    whole = tftrain.train(config, overrides=["training.epochs=5"], output=tmp_path / "whole")
    assert again.summary["test"] == whole.summary["test"]
