"""The trajectory: TensorFlow and NumPy train from the same start on the same batches."""

from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import tensorflow as tf

from tftrain import nn
from tftrain.graph import mapped
from tftrain.losses import get as loss_of
from tftrain.reference.layers import reference_of
from tftrain.reference.network import Network, train_steps
from tftrain.training import EpochRecord, Observer, fit
from tftrain.training.batch import as_batch
from tftrain.training.parameters import dtype_of


@dataclass(frozen=True)
class Trajectory:
    """How far two trainings have parted.

    Attributes:
        mode: how TensorFlow ran.
        dtype: of both.
        losses: relative distance of the loss of each step, shape `(steps,)`.
        weights: by the number of steps made, at the end of each epoch: the relative distance of
            the parameter that is furthest off, and its name.
    """

    mode: str
    dtype: str
    losses: np.ndarray
    weights: dict[int, tuple[float, str]]

    @property
    def distance(self) -> float:
        """The largest distance of weights or losses."""
        return max(float(np.max(self.losses)), *(far for far, _ in self.weights.values()))

    def __str__(self) -> str:
        steps = len(self.losses)
        marks = [n for n in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if n < steps]
        losses = ", ".join(f"{n}: {self.losses[n - 1]:.1e}" for n in [*marks, steps])
        apart = np.flatnonzero(self.losses)
        first = f"first part at step {apart[0] + 1}" if len(apart) else "are the same throughout"
        last, (far, name) = list(self.weights.items())[-1]
        return (
            f"{steps} steps of TensorFlow {self.mode} and NumPy in {self.dtype}: the losses {first}"
            f"\n  relative distance of the loss by step: {losses}"
            f"\n  relative distance of the weights after {last} steps: {far:.1e} (most in {name})"
        )


class _Weights(Observer):
    """Keeps the parameters as they stand after each epoch."""

    def __init__(self, parameters: dict[str, tf.Variable]) -> None:
        self.parameters = parameters
        self.kept: dict[int, dict[str, np.ndarray]] = {}

    def on_epoch(self, record: EpochRecord) -> None:
        self.kept[record.steps] = {name: v.numpy() for name, v in self.parameters.items()}


def trajectory(
    network: tf.Module,
    x: Any,
    y: Any,
    *,
    steps: int,
    batch_size: int,
    mode: str,
    loss: Any,
    optimizer: Any,
    weight: Any = None,
    l2: float = 0.0,
    shuffle: bool = True,
    seed: int = 0,
) -> Trajectory:
    """Train a network in TensorFlow and its reference in NumPy, and report their drift.

    Args:
        network: a `tftrain.nn.Sequential` of layers that the reference knows; it is trained.
        x: inputs, shape `(rows, in_features)`.
        y: targets, shape `(rows, out_features)`.
        steps: number of steps, rounded up to whole epochs.
        batch_size: rows per step.
        mode: eager, graph or xla.
        loss: a loss that the reference knows, or its name.
        optimizer: an optimizer that has not been used.
        weight: weight of each row.
        l2: strength of the L2 penalty.
        shuffle: whether each epoch visits the rows in an order of its own.
        seed: of the batch order.

    Raises:
        InputError: the reference does not know a layer or the loss.
    """
    loss = loss_of(loss)
    batch = as_batch(x, y, weight, dtype_of(network), network, loss.integer_targets)
    epochs = -(-steps // -(-len(batch.y) // batch_size))
    shared: dict[str, Any] = {
        "epochs": epochs,
        "batch_size": batch_size,
        "l2": l2,
        "shuffle": shuffle,
        "seed": seed,
    }
    reference = Network.of(network)
    by_hand = train_steps(
        reference,
        mapped(lambda one: one.numpy(), batch.x),
        batch.y.numpy(),
        weight=None if batch.weight is None else batch.weight.numpy(),
        loss=reference_of(loss),
        optimizer=reference_of(optimizer),
        **shared,
    )
    keeper = _Weights(_parameters(network))
    history = fit(
        network,
        x,
        y,
        weight=weight,
        loss=loss,
        optimizer=optimizer,
        compile=mode,
        observers=[keeper],
        **shared,
    )
    losses = np.concatenate(history.step_losses).astype(np.float64)
    expected: list[float] = []
    weights = {}
    for made, found in keeper.kept.items():
        expected += islice(by_hand, made - len(expected))
        weights[made] = _furthest(found, reference.parameters)
    apart = np.abs(losses - expected) / np.maximum(np.abs(expected), np.finfo(np.float64).tiny)
    return Trajectory(mode, nn.precision_name(network), apart, weights)


def _parameters(network: tf.Module) -> dict[str, tf.Variable]:
    """Return the variables by the names that the reference network gives them."""
    return {
        f"layers.{n}.{name}": variable
        for n, wire in enumerate(nn.wires(network))
        for name, variable in nn.named_variables(wire.node).items()
    }


def _furthest(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> tuple[float, str]:
    """Return the largest relative distance of a parameter, and its name."""
    apart = {
        name: float(np.max(np.abs(found[name] - value)) / (np.max(np.abs(value)) or 1.0))
        for name, value in expected.items()
    }
    name = max(apart, key=apart.__getitem__)
    return apart[name], name.removeprefix("layers.")
