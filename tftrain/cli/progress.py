"""Progress on stderr: a live bar in a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, Progress, Task, TextColumn, TimeRemainingColumn
from rich.table import Column
from rich.text import Text

from tftrain.terminal import say
from tftrain.training import EpochRecord, Observer

LINES = 20
"""Plain lines for a whole training, about."""


def progress_for() -> Observer:
    """Return the observer that suits stderr."""
    return LiveProgress() if sys.stderr.isatty() else PlainProgress()


def describe(record: EpochRecord) -> str:
    """Return loss, validation loss and speed of an epoch as text."""
    text = f"loss {record.loss:.4g}"
    if record.validation_loss is not None:
        text += f"  validation {record.validation_loss:.4g}"
    return f"{text}  {record.rows_per_second:,.0f} rows/s"


class CutText(TextColumn):
    """A text that is cut where there is no room for it."""

    def render(self, task: Task) -> Text:
        text = super().render(task)
        text.no_wrap = True
        return text


class LiveProgress(Observer):
    """A bar with epoch, loss, validation, rows per second and the time left.

    Where there is no room for all, the bar gives way first, then the losses and the speed.
    """

    looks_at_network = False

    def on_start(self, epochs: int, steps: int, rows: int) -> None:
        self.steps = steps
        self.text = ""
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None, table_column=Column(ratio=1, no_wrap=True)),
            CutText("{task.fields[text]}", table_column=Column()),
            TimeRemainingColumn(table_column=Column(no_wrap=True)),
            expand=True,
            console=Console(stderr=True),
            refresh_per_second=5,
        )
        self.task = self.progress.add_task("", total=epochs * steps, text="")
        self.epochs = epochs
        self.progress.start()

    def on_chunk(self, epoch: int, step: int, loss: float) -> None:
        self.progress.update(
            self.task,
            completed=(epoch - 1) * self.steps + step,
            description=f"epoch {epoch}/{self.epochs}",
            text=self.text or f"loss {loss:.4g}",
        )

    def on_epoch(self, record: EpochRecord) -> None:
        self.text = describe(record)
        self.progress.update(self.task, text=self.text)

    def on_end(self) -> None:
        self.progress.stop()


class PlainProgress(Observer):
    """An occasional line: about twenty for a whole training, more if it is slow."""

    looks_at_network = False

    def on_restore(self, records: Sequence[EpochRecord]) -> None:
        say(f"going on after epoch {len(records):,}", err=True)

    def on_start(self, epochs: int, steps: int, rows: int) -> None:
        self.epochs = epochs
        self.every = max(1, epochs // LINES)
        self.last: EpochRecord | None = None
        self.shown_at = time.monotonic()
        say(f"training on {rows:,} rows: at most {epochs:,} epochs of {steps:,} steps", err=True)

    def on_epoch(self, record: EpochRecord) -> None:
        self.last = record
        slow = time.monotonic() - self.shown_at > 10
        if record.epoch == 1 or record.epoch % self.every == 0 or slow:
            self._show(record)

    def on_end(self) -> None:
        if self.last is not None:
            self._show(self.last)

    def _show(self, record: EpochRecord) -> None:
        self.last = None
        self.shown_at = time.monotonic()
        say(f"epoch {record.epoch}/{self.epochs}  {describe(record)}", err=True)
