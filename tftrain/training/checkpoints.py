"""Checkpoints: the complete state of a training at one position, from which it resumes exactly.

A checkpoint is a folder named by the number of steps made. It is written aside, checksummed,
flushed to disk and only then renamed; older ones go after that. So whenever the process dies, the
newest folder of that name is whole.
"""

import json
import re
import shutil
import time
import warnings
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from pydantic import TypeAdapter

from tftrain.errors import InputError, RunError, TftrainWarning, number, whole_number
from tftrain.files import bounded_text, cannot_write, damage, seal
from tftrain.tensorflow_files import tensorflow_writes

FORMAT = 1
"""Version of a checkpoint's contents; raised when older ones can no longer be read."""

DIGITS = 12
"""Zero-padded width of a checkpoint's name, so that names sort numerically."""

NAME = re.compile(rf"\d{{{DIGITS}}}")
"""Form of a checkpoint's name; folders with other names are left alone."""


class Progress(tf.Module):
    """The training state outside the variables of network and optimizer, as variables.

    Args:
        state: a `watch.State`, as one array.
        results: of the steps of an epoch that is not over, as `Engine` gives them.
        lines: a `watch.EpochLine` for each epoch that is over.
        times: rows per second, and seconds since training began, of each of these epochs.
        losses: of all steps of these epochs, shape `(steps,)`.
    """

    def __init__(
        self,
        state: np.ndarray,
        results: np.ndarray,
        lines: np.ndarray,
        times: np.ndarray,
        losses: np.ndarray,
    ) -> None:
        super().__init__()
        self.state, self.results, self.lines, self.times, self.losses = (
            tf.Variable(value, trainable=False, shape=[None, *np.shape(value)[1:]])
            for value in (state, results, lines, times, losses)
        )


@dataclass(frozen=True)
class Manifest:
    """What a checkpoint says of itself in words: `checkpoint.json`.

    Attributes:
        format: see `FORMAT`.
        steps: made since training began.
        epoch: in which the next step is, counted from 1.
        step: the next one in that epoch, counted from 1.
        loss: of the last epoch that is over: on validation rows where there are any, or None.
        stop_reason: the reason that training is over, or None if it is not.
        seconds: spent training.
        epoch_seconds: of these, in the epoch that is not over.
        mode: of the program, and why.
        settings: what a training that resumes from here must share, by name.
        about: what the caller wants to be remembered.
    """

    format: int
    steps: int
    epoch: int
    step: int
    loss: float | None
    stop_reason: str | None
    seconds: float
    epoch_seconds: float
    mode: Mapping[str, str]
    settings: Mapping[str, Any]
    about: Mapping[str, Any]


class Checkpoints:
    """A folder of checkpoints, and when the next one is due.

    `fit` resumes from the newest one in the folder, if there is any.

    Args:
        folder: made where it does not exist.
        every_epochs: epochs from one checkpoint to the next.
        every_steps: steps from one checkpoint to the next.
        every_seconds: seconds from one to the next, at the end of a chunk of steps. Without any
            period there is one checkpoint, when training ends for whatever reason.
        keep: number of the last ones that are kept, in addition to the best.
        about: what else checkpoints record, such as a config: anything that JSON can express.
            Where it is None, hashes of the rows are remembered, and other rows refused.

    Raises:
        InputError: an argument is wrong.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        every_epochs: int | None = None,
        every_steps: int | None = None,
        every_seconds: float | None = None,
        keep: int = 2,
        about: Mapping[str, Any] | None = None,
    ) -> None:
        self.folder = Path(folder)
        given = {"every_epochs": every_epochs, "every_steps": every_steps}
        for name, period in given.items():
            if period is not None:
                whole_number(name, period)
        if every_seconds is not None:
            number("every_seconds", every_seconds, positive=True)
        self.every_epochs, self.every_steps = every_epochs, every_steps
        self.every_seconds = every_seconds
        self.keep = whole_number("keep", keep)
        self.about = about
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._sealing: Future[None] | None = None
        self._saved_at = time.monotonic()

    def newest(self) -> tuple[Path, Manifest] | None:
        """Return the newest checkpoint that is whole, or None; set aside those that are not."""
        for path in reversed(self._all()):
            wrong = damage(path)
            if wrong is None:
                return path, facts_of(path)
            aside = path.with_name(path.name + ".damaged")
            shutil.rmtree(aside, ignore_errors=True)
            path.rename(aside)
            warnings.warn(
                f"{path}: this checkpoint is damaged ({wrong}); it is set aside as {aside.name}, "
                "and the one before it is used, if there is one",
                TftrainWarning,
                stacklevel=2,
            )
        return None

    def steps_to_next(self, done: int, steps: int) -> int | None:
        """Return how many steps may follow `done` before a checkpoint, or None.

        Args:
            done: steps made so far.
            steps: number of steps in an epoch.
        """
        return min((period - done % period for period in self._periods(steps)), default=None)

    def due(self, done: int, steps: int) -> bool:
        """Return whether a checkpoint is due after `done` steps."""
        if any(done % period == 0 for period in self._periods(steps)):
            return True
        waited = time.monotonic() - self._saved_at
        return self.every_seconds is not None and waited >= self.every_seconds

    def _periods(self, steps: int) -> list[int]:
        """Return the numbers of steps from one checkpoint to the next."""
        periods = [self.every_steps, self.every_epochs and self.every_epochs * steps]
        return [period for period in periods if period]

    def save(self, parts: Mapping[str, Any], facts: Manifest) -> None:
        """Write a checkpoint. It is whole when `settle` returns, or the next one is written.

        Args:
            parts: what `tf.train.Checkpoint` saves, by name.
            facts: about it.

        Raises:
            OutputError: it, or the one before, cannot be written; the last whole one stays.
        """
        self.settle()
        path = self.folder / f"{facts.steps:0{DIGITS}}"
        self._saved_at = time.monotonic()
        if path.exists():
            return
        aside = path.with_name(path.name + ".part")
        try:
            with tensorflow_writes(path):
                self.folder.mkdir(parents=True, exist_ok=True)
                self._remove_leftovers()
                aside.mkdir()
                tf.train.Checkpoint(**parts).write(str(aside / "variables"))
                text = json.dumps(asdict(facts), indent=1)
                (aside / "checkpoint.json").write_text(text + "\n", encoding="utf-8")
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            raise
        self._sealing = self._thread.submit(self._seal, aside, path)

    def close(self) -> None:
        """Wait until nothing is being written, well or not."""
        sealing, self._sealing = self._sealing, None
        if sealing:
            wait([sealing])

    def settle(self) -> None:
        """Wait until the last checkpoint is whole; raise OutputError where it cannot be."""
        sealing, self._sealing = self._sealing, None
        if sealing:
            sealing.result()

    def _seal(self, aside: Path, path: Path) -> None:
        try:
            seal(aside, path)
        except OSError as error:
            shutil.rmtree(aside, ignore_errors=True)
            raise cannot_write(path, error) from None
        for old in self._superfluous():
            with suppress(OSError):  # the next time, then
                shutil.rmtree(old.rename(old.with_name(old.name + ".part")))

    def _superfluous(self) -> list[Path]:
        """Return all checkpoints but the last ones and the best."""
        every = self._all()
        old = every[: -self.keep]
        losses: dict[Path, float] = {}
        for path in every if old else []:
            with suppress(RunError):  # damaged: not the best
                loss = facts_of(path).loss
                losses |= {} if loss is None else {path: loss}
        best = min(losses, key=lambda path: (losses[path], path), default=None)
        return [path for path in old if path != best]

    def _all(self) -> list[Path]:
        """Return all checkpoints, the newest last."""
        if not self.folder.is_dir():
            return []
        return sorted(
            path
            for path in self.folder.iterdir()
            if NAME.fullmatch(path.name) and path.is_dir() and not path.is_symlink()
        )

    def _remove_leftovers(self) -> None:
        """Remove what a process that died has not finished."""
        for path in self.folder.glob("*.part"):
            if NAME.fullmatch(path.stem):
                shutil.rmtree(path, ignore_errors=True)


def facts_of(path: Path) -> Manifest:
    """Return what a checkpoint, which is whole, says of itself.

    Raises:
        RunError: another version of tftrain has written it.
    """
    try:
        told = json.loads(bounded_text(path / "checkpoint.json"))
        facts = TypeAdapter(Manifest).validate_python(told)
    except (OSError, ValueError, RecursionError):  # a ValidationError is a ValueError
        facts = None
    if facts is None or facts.format != FORMAT:
        raise RunError(
            f"{path}: is no checkpoint of this version of tftrain: go on with the version that "
            "wrote it, or train anew"
        )
    return facts


class Saver:
    """Saves one training among its checkpoints, and finds where it was.

    Args:
        checkpoints: where and when.
        settings: what the training must share with the one that it resumes, by name.

    Attributes:
        before: the newest checkpoint and its facts, if there is one.

    Raises:
        InputError: that one has other settings.
    """

    def __init__(self, checkpoints: Checkpoints, settings: Mapping[str, Any]) -> None:
        self.checkpoints = checkpoints
        self.settings = settings
        self.before = checkpoints.newest()
        if self.before:
            _require_same(*self.before, settings)

    def restore(self, **parts: Any) -> Manifest:
        """Give all variables the values that they had before; return the facts.

        Args:
            parts: what `save` was given.

        Raises:
            RunError: the checkpoint is of another network or optimizer.
        """
        assert self.before is not None
        path, facts = self.before
        try:
            checkpoint = tf.train.Checkpoint(**parts)
            checkpoint.read(str(path / "variables")).assert_consumed()
        except (tf.errors.OpError, AssertionError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise RunError(f"{path}: is of another network or optimizer: {reason}") from None
        return facts

    def save(self, parts: Mapping[str, Any], steps: int, **facts: Any) -> None:
        """Write a checkpoint.

        Args:
            parts: what `tf.train.Checkpoint` saves, by name.
            steps: made since training began.
            facts: those of `Manifest` that the training knows.
        """
        self.checkpoints.save(
            parts,
            Manifest(
                format=FORMAT,
                steps=steps,
                settings=self.settings,
                about=self.checkpoints.about or {},
                **facts,
            ),
        )


def _require_same(path: Path, facts: Manifest, settings: Mapping[str, Any]) -> None:
    """Raise InputError, which names what differs, unless a checkpoint has the same settings."""
    for name in {**facts.settings, **settings}:
        before, now = facts.settings.get(name), settings.get(name)
        if before != now:
            raise InputError(
                f"{path}: this checkpoint is of a training whose {name} is {before}, but here it "
                f"is {now}: give the same, or another folder for a new training"
            )
