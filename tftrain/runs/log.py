"""Observers that write what happens in each epoch into the run directory."""

import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tftrain.files import cannot_write, whole_file
from tftrain.runs.directory import json_text
from tftrain.tensorflow_files import tensorflow_writes
from tftrain.training import EpochRecord, Observer


class MetricsLog(Observer):
    """Writes one JSON line an epoch, whole or not at all.

    The file is that of this training: it begins empty, or with the epochs that training resumes
    after, neither more nor fewer, whatever a process that died has left in it.

    Args:
        path: the file.
        scale: from the network's units to the target's own, shape `(targets,)`.

    Raises:
        OutputError: a line cannot be written.
    """

    looks_at_network = False

    def __init__(self, path: Path, scale: np.ndarray) -> None:
        self.path = path
        self.scale = scale
        self.before: Sequence[EpochRecord] = []

    def on_restore(self, records: Sequence[EpochRecord]) -> None:
        self.before = records

    def on_start(self, epochs: int, steps: int, rows: int) -> None:
        with whole_file(self.path) as aside:
            aside.write_bytes(b"".join(map(self._line, self.before)))
        self.file = self.path.open("ab", buffering=0)

    def _line(self, record: EpochRecord) -> bytes:
        return (json_text(epoch_line(record, self.scale)) + "\n").encode()

    def on_epoch(self, record: EpochRecord) -> None:
        line = self._line(record)
        end = self.file.tell()
        try:
            while line:
                line = line[self.file.write(line) :]
        except OSError as error:
            with suppress(OSError):
                self.file.truncate(end)
            raise cannot_write(self.path, error) from None

    def on_end(self) -> None:
        self.file.close()


def epoch_line(record: EpochRecord, scale: np.ndarray) -> dict[str, Any]:
    """Return what `metrics.jsonl` says of an epoch; metrics are in the target's own units."""
    line: dict[str, Any] = {"epoch": record.epoch, "steps": record.steps, "loss": record.loss}
    if record.gradient_norm is not None:
        line["gradient_norm"] = record.gradient_norm
    if record.validation is not None:
        line["validation"] = {"loss": record.validation_loss, **record.validation.metrics(scale)}
    line["rows_per_second"] = round(record.rows_per_second)
    line["seconds"] = round(record.seconds, 4)
    return line


class TensorBoardLog(Observer):
    """Writes TensorBoard event files; the package `tensorboard` must be installed.

    Args:
        path: the folder of the event files.
        scale: as for `MetricsLog`.
    """

    looks_at_network = False

    def __init__(self, path: Path, scale: np.ndarray) -> None:
        self.path = path
        self.scale = scale
        self.before: Sequence[EpochRecord] = []

    def on_restore(self, records: Sequence[EpochRecord]) -> None:
        self.before = records

    def on_start(self, epochs: int, steps: int, rows: int) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        self.writer = tf.summary.create_file_writer(str(self.path))
        for record in self.before:
            self.on_epoch(record)

    def on_epoch(self, record: EpochRecord) -> None:
        with tensorflow_writes(self.path), self.writer.as_default(step=record.epoch):
            tf.summary.scalar("train/loss", record.loss)
            if record.validation is not None:
                tf.summary.scalar("validation/loss", record.validation_loss)
                for name, value in record.validation.metrics(self.scale).items():
                    tf.summary.scalar(f"validation/{name}", value)

    def on_end(self) -> None:
        with tensorflow_writes(self.path):
            self.writer.close()
