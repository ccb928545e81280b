"""tftrain with everything that a run writes and shows, or bare, on the same rows."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from scripts.bench.peers import ours
from scripts.bench.workloads import Workload
from tftrain.cli.progress import PlainProgress
from tftrain.runs.log import MetricsLog
from tftrain.training import Checkpoints, EarlyStopping

VALIDATED = 0.1
"""Rows for validation, as a fraction of those for training."""


class Peer(ours.Peer):
    """Trains `bare`, `saved` (a checkpoint each epoch), `validated`, or with `all` and a log.

    Args:
        work: the task.
        variant: one of these.
    """

    def __init__(self, work: Workload, variant: str) -> None:
        super().__init__(work)
        self.variant = variant

    def train(self, epochs: int, shuffle: bool, **features: Any) -> float:
        """Train; return the seconds without those of compiling."""
        rows = round(self.work.rows * VALIDATED)
        validation, observers, checkpoints = None, [], None
        with tempfile.TemporaryDirectory() as folder:
            if self.variant in ("validated", "all"):
                validation = self.x[:rows], self.y[:rows]
            if self.variant in ("saved", "all"):
                checkpoints = Checkpoints(Path(folder) / "checkpoints", every_epochs=1)
            if self.variant == "all":
                log = MetricsLog(Path(folder) / "metrics.jsonl", np.ones(1))
                observers = [log, PlainProgress()]
            return super().train(
                epochs,
                shuffle,
                validation=validation,
                early_stopping=EarlyStopping(patience=epochs) if validation else None,
                checkpoints=checkpoints,
                observers=observers,
                **features,
            )
