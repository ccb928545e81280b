"""The history of a training, and the observers that follow it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from tftrain.metrics import ErrorSums
from tftrain.training.engine import Mode


class EpochRecord(NamedTuple):
    """What one epoch did.

    Attributes:
        epoch: counted from 1.
        loss: mean over its rows of what its steps minimised (loss and penalty), each step's taken
            before its update.
        gradient_norm: of its last step, where a convergence test needs it; else None.
        validation_loss: loss on the validation rows after the epoch, where it was due.
        validation: error sums on the validation rows, or None.
        steps: number of steps made since training began.
        rows_per_second: training rows per second in this epoch, its validation included.
        seconds: from the start of training until the epoch was recorded, compilation left out.
    """

    epoch: int
    loss: float
    gradient_norm: float | None
    validation_loss: float | None
    validation: ErrorSums | None
    steps: int
    rows_per_second: float
    seconds: float


class Observer:
    """Follows training, and may stop it. Every method is optional.

    A text that `on_chunk` or `on_epoch` returns ends training, and becomes its `stop_reason`. Where
    epochs run together, the whole chunk is made first. Settings of the optimizer do not change
    while it trains: that is what schedules are for.

    Attributes:
        looks_at_network: whether `on_epoch` must find the network as it stands after that epoch.
            If it need not, for any observer, short epochs run together in one program, which is
            faster, and are reported one after the other when it is done.
    """

    looks_at_network = True

    def on_start(self, epochs: int, steps: int, rows: int) -> None:
        """Training begins: at most `epochs` epochs of `steps` steps over `rows` rows."""

    def on_restore(self, records: Sequence[EpochRecord]) -> None:
        """Training resumes where an earlier process left it; `on_start` comes next.

        Args:
            records: of all epochs that were over then.
        """

    def on_chunk(self, epoch: int, step: int, loss: float) -> str | None:
        """The steps of an epoch up to `step` are done, the last one with this loss."""
        return None

    def on_epoch(self, record: EpochRecord) -> str | None:
        """An epoch is over."""
        return None

    def on_end(self) -> None:
        """Training is over, for whatever reason."""


@dataclass
class History:
    """How a training went.

    Attributes:
        epochs: one record for each epoch.
        step_losses: the loss of every step, one array for each epoch.
        stop_reason: why training ended.
        best_epoch: the epoch whose weights the network has now.
        mode: how steps were run: xla, graph or eager, and why.
        seconds: spent compiling and training.
        traces: how often the training program was traced.
    """

    mode: Mode | None = None
    epochs: list[EpochRecord] = field(default_factory=list)
    step_losses: list[np.ndarray] = field(default_factory=list)
    stop_reason: str = "unfinished"
    best_epoch: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    traces: int = 0

    @property
    def losses(self) -> np.ndarray:
        """The loss of each epoch, shape `(epochs,)`."""
        return np.array([record.loss for record in self.epochs])

    @property
    def steps(self) -> int:
        """The number of steps made."""
        return self.epochs[-1].steps if self.epochs else 0
