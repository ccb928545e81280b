"""tftrain: `fit`, in the mode that `compile="auto"` takes in a long training."""

from typing import Any

import numpy as np

import tftrain
from scripts.bench.workloads import Workload
from tftrain.training.engine import choose_mode

ENDLESS = 10**9
"""Steps of a training that is long enough to repay any compilation."""


class Peer:
    """Trains by `tftrain.fit`.

    Args:
        work: the task.
        variant: of the precision: full, or mixed_bfloat16.
    """

    def __init__(self, work: Workload, variant: str = "full") -> None:
        self.work = work
        self.x, self.y = work.data()
        mixed = variant == tftrain.nn.MIXED
        self.compile = choose_mode("auto", work.operations, ENDLESS, mixed).name
        _, *hidden, outputs = work.widths
        self.network = tftrain.nn.MLP(
            work.widths[0], hidden, outputs, activation="relu", precision=variant
        )
        dense = [layer for layer in self.network.layers if hasattr(layer, "weight")]
        for layer, (weight, bias) in zip(dense, work.weights(), strict=True):
            layer.weight.assign(weight)
            layer.bias.assign(bias)
        kind = {"sgd": tftrain.optimizers.SGD, "adam": tftrain.optimizers.Adam}[work.optimizer]
        self.optimizer = kind(work.learning_rate)

    def train(self, epochs: int, shuffle: bool, **features: Any) -> float:
        """Train, perhaps with more of what `fit` can do; return the seconds without compiling."""
        history = tftrain.fit(
            self.network,
            self.x,
            self.y,
            optimizer=self.optimizer,
            epochs=epochs,
            batch_size=self.work.batch,
            shuffle=shuffle,
            compile=self.compile,
            **features,
        )
        return history.seconds["train"]

    def loss(self) -> float:
        """Return the mean squared error."""
        return float(np.mean((self.network(self.x).numpy() - self.y) ** 2))
