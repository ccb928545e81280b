"""tftrain with everything that a run writes and shows, or bare, on the same rows."""

import tempfile
from pathlib import Path

import numpy as np
import tensorflow as tf
from workloads import Workload

from peers import ours
from tftrain.cli.progress import PlainProgress
from tftrain.runs.log import MetricsLog
from tftrain.training import EarlyStopping, EpochRecord, Observer

VALIDATED = 0.1
"""Rows for validation, as a fraction of those for training."""


class Checkpoints(Observer):
    """Writes a checkpoint of network and optimizer after each epoch."""

    def __init__(self, network: tf.Module, optimizer: tf.Module, folder: Path) -> None:
        checkpoint = tf.train.Checkpoint(network=network, optimizer=optimizer)
        self.manager = tf.train.CheckpointManager(checkpoint, str(folder), max_to_keep=2)

    def on_epoch(self, record: EpochRecord) -> None:
        self.manager.save(record.epoch)


class Peer(ours.Peer):
    """Trains `bare`, `validated`, or with `all`: metrics log, progress and checkpoints besides."""

    def __init__(self, work: Workload, variant: str) -> None:
        super().__init__(work)
        self.variant = variant
        self.folder = tempfile.TemporaryDirectory()

    def train(self, epochs: int, shuffle: bool) -> float:
        """Train; return the seconds without those of compiling."""
        rows = round(self.work.rows * VALIDATED)
        validation, observers = None, []
        if self.variant != "bare":
            validation = self.x[:rows], self.y[:rows]
        if self.variant == "all":
            folder = Path(self.folder.name)
            observers = [
                MetricsLog(folder / "metrics.jsonl", np.ones(1)),
                PlainProgress(),
                Checkpoints(self.network, self.optimizer, folder / "checkpoints"),
            ]
        return super().train(
            epochs,
            shuffle,
            validation=validation,
            early_stopping=EarlyStopping(patience=epochs) if validation else None,
            observers=observers,
        )
