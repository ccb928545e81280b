"""What every library trains: the same data, initial weights, batches and updates."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from sklearn.datasets import load_diabetes

STEPS_TOGETHER, ROWS_TOGETHER, SECONDS_TOGETHER = 8_192, 1_048_576, 0.5
"""tftrain runs at most so many steps, and visits so many rows, in one call of its program, which
aims at so many seconds."""

USUAL_RATE = 1e11
"""Floating-point operations per second that a large network may reach."""


@dataclass(frozen=True)
class Workload:
    """One training task: a ReLU network, mean squared error, float32.

    Attributes:
        widths: units of each layer, from the inputs to the outputs.
        rows: of the table.
        batch: rows per step; a divisor of `rows`.
        optimizer: sgd or adam.
    """

    widths: tuple[int, ...]
    rows: int
    batch: int
    optimizer: str = "sgd"

    @property
    def name(self) -> str:
        """Such as 8-50-1."""
        return "-".join(map(str, self.widths))

    @property
    def learning_rate(self) -> float:
        """A rate at which the loss falls."""
        return 0.01 if self.optimizer == "sgd" else 0.001

    @property
    def steps(self) -> int:
        """Steps in an epoch."""
        return self.rows // self.batch

    @property
    def shuffled(self) -> bool:
        """Whether the order of the rows matters at all."""
        return self.steps > 1

    @property
    def epochs_together(self) -> int:
        """Epochs that tftrain runs in one call, about, and JAX here too."""
        rows = self.rows if self.shuffled else 1
        in_time = int(SECONDS_TOGETHER * USUAL_RATE / (self.operations * self.steps))
        return max(1, min(STEPS_TOGETHER // self.steps, ROWS_TOGETHER // rows, in_time))

    @property
    def operations(self) -> float:
        """Floating-point operations of the matrix products of a training step.

        Two for every weight and row forwards, two for the gradient of the weights, and two for the
        delta, which the first layer does not send on.
        """
        products = [a * b for a, b in zip(self.widths, self.widths[1:], strict=False)]
        return self.batch * (6.0 * sum(products) - 2.0 * products[0])

    def with_optimizer(self, name: str) -> Self:
        """Return the same task with another optimizer."""
        return type(self)(self.widths, self.rows, self.batch, name)

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """Return inputs, shape `(rows, inputs)`, and targets, shape `(rows, 1)`, float32."""
        if self == DIABETES.with_optimizer(self.optimizer):
            x, y = load_diabetes(return_X_y=True)
            x, y = (x - x.mean(0)) / x.std(0), ((y - y.mean()) / y.std())[:, None]
            return x.astype(np.float32), y.astype(np.float32)
        rng = np.random.default_rng(0)
        x = rng.standard_normal((self.rows, self.widths[0]), np.float32)
        return x, np.sin(x[:, :1]) + 0.5 * x[:, 1:2] * x[:, 2:3]

    def weights(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return the initial weight and bias of each layer, float32."""
        rng = np.random.default_rng(1)
        shapes = zip(self.widths, self.widths[1:], strict=False)
        return [
            (
                (rng.standard_normal(shape) * np.sqrt(1 / shape[0])).astype(np.float32),
                np.zeros(shape[1], np.float32),
            )
            for shape in shapes
        ]


def orders(work: Workload, epochs: int) -> np.ndarray:
    """Return a random order of the rows for each epoch, int32, shape `(epochs, rows)`."""
    table = np.tile(np.arange(work.rows, dtype=np.int32), (epochs, 1))
    return np.random.default_rng().permuted(table, axis=1, out=table)


SMALL = Workload((8, 50, 1), 1_024, 32)
MIDDLING = Workload((32, 256, 256, 1), 131_072, 256)
LARGE = Workload((512, 1024, 1024, 1024, 1), 32_768, 1_024)
DIABETES = Workload((10, 64, 64, 1), 442, 442)
NEURON = Workload((20, 1), 1_000_000, 1_000)
WORKLOADS = (SMALL, MIDDLING, LARGE, DIABETES, NEURON)
