"""The training loop around the engine: records, observers, and reasons to stop from outside."""

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tftrain.arrays import first_not_finite
from tftrain.errors import DivergedError, InputError, of_type
from tftrain.training.checkpoints import Progress, Saver
from tftrain.training.diagnosis import diagnosed
from tftrain.training.engine import Chunk, Engine, Snapshot
from tftrain.training.epoch_end import EpochLine, Verdict
from tftrain.training.history import EpochRecord, History, Observer
from tftrain.training.interrupt import Interrupt, deferred_interrupt
from tftrain.training.settings import described_each

SNAPSHOT_SECONDS = 1.0
"""From one snapshot to the next, at least."""


class Epoch(NamedTuple):
    """A finished epoch: its `EpochLine` as an array, its record, and the losses of its steps."""

    line: np.ndarray
    record: EpochRecord
    losses: np.ndarray


class Loop:
    """Chunks of steps until something says stop; arguments as for `fit`.

    Args:
        engine: runs the steps, and decides at the end of each epoch.
        saver: saves where training is, and knows where it was, if there are checkpoints.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        time_budget: float | None,
        observers: Sequence[Observer],
        history: History,
        saver: Saver | None = None,
    ) -> None:
        self.engine = engine
        self.watch = engine.watch
        self.time_budget = time_budget
        self.observers = observers
        self.history = history
        self.saver = saver
        self.done = 0
        self.total = engine.watch.epochs * engine.steps
        self._seconds = 0.0
        self._epochs: list[Epoch] = []
        self._snapshot: Snapshot | None = None
        self._snapshot_at = 0.0

    def run(self) -> History:
        """Train until something says stop; return the history."""
        history = self.history
        began = time.monotonic()
        self.engine.prepare()
        history.mode = self.engine.mode
        self.started = time.monotonic()
        history.seconds["compile"] = self.started - began
        reason = self._restore() if self.saver and self.saver.before else None
        settings = self._settings()
        for observer in self.observers:
            observer.on_start(self.watch.epochs, self.engine.steps, self.engine.rows)
        self._require_settings(settings)
        try:
            with deferred_interrupt() as interrupt:
                self._run_chunks(interrupt, reason)
            if self.saver:
                self.saver.checkpoints.settle()
        finally:
            self.engine.close()
            if self.saver:
                self.saver.checkpoints.close()
            self._leave_best_weights()
            history.traces = self.engine.traces
            history.seconds["train"] = time.monotonic() - self.started
            for observer in self.observers:
                observer.on_end()
        if interrupt.number is not None:
            raise interrupt.error
        return history

    def _run_chunks(self, interrupt: Interrupt, reason: str | None) -> None:
        """Run chunks until there is a reason to stop."""
        steps = self.engine.steps
        when = self.saver.checkpoints if self.saver else None
        while reason is None:
            most = when.steps_to_next(self.done, steps) if when else None
            before = self._recent_snapshot()
            chunk = self.engine.run(self.done, self._deadline, most)
            self.done = chunk.done
            settings = self._settings()
            asked = self._tell_of(chunk)
            stop = "interrupted" if interrupt.number is not None else asked or self._overtime()
            try:
                reason = self._take(chunk, stop)
            except DivergedError as error:
                raise diagnosed(error, self.engine, before, self.done) from None
            if reason is None:
                self._require_settings(settings)
            if reason != stop or (when and not reason and when.due(self.done, steps)):
                self._save(reason)

    def _recent_snapshot(self) -> Snapshot:
        """Return where training was not long ago, to begin from if it diverges.

        Not where it was a moment ago: a snapshot costs a copy, and chunks may be short.
        """
        now = time.monotonic()
        if self._snapshot is None or now - self._snapshot_at > SNAPSHOT_SECONDS:
            self._snapshot, self._snapshot_at = self.engine.snapshot(self.done), now
        return self._snapshot

    @property
    def _deadline(self) -> float | None:
        return None if self.time_budget is None else self.started + self.time_budget

    def _overtime(self) -> str | None:
        if self._deadline is None or time.monotonic() < self._deadline:
            return None
        return f"time budget of {self.time_budget:g} seconds"

    def _tell_of(self, chunk: Chunk) -> str | None:
        """Tell the observers of a chunk; return why they want to stop, or None."""
        epoch, step = divmod(len(chunk.results) - 1, self.engine.steps)
        place = chunk.epoch + epoch + 1, step + 1, float(chunk.results[-1, 0])
        return _first_reason([observer.on_chunk(*place) for observer in self.observers])

    def _settings(self) -> dict[str, str]:
        """Return the settings of optimizer and schedule, if there is an observer to change them."""
        if not self.observers:
            return {}
        return described_each(self.engine.step.optimizer, taken_apart="schedule")

    def _require_settings(self, settings: dict[str, str]) -> None:
        """Raise InputError where an observer has changed the optimizer's settings.

        The program was made with those before.
        """
        now = self._settings()
        changed = [name for name in {**settings, **now} if settings.get(name) != now.get(name)]
        if changed:
            name = min(changed, key=lambda name: len(settings.get(name, "")))  # the innermost
            raise InputError(
                f"an observer has changed the optimizer's {name} while it trains, but the "
                "program has its settings already: give a schedule (tftrain.optimizers.Schedule), "
                "or train in several calls of fit"
            )

    def _take(self, chunk: Chunk, stop: str | None) -> str | None:
        """Record what a chunk did.

        Args:
            chunk: the chunk.
            stop: why no further one may follow, if there is a reason.

        Returns:
            Why training stops, or None: the first reason of several.
        """
        steps, made = self.engine.steps, len(chunk.results)
        bad = first_not_finite(chunk.results)
        reason = None
        for i, row in enumerate(chunk.lines):
            begin, end = i * steps, min((i + 1) * steps, made)
            epoch = chunk.epoch + i + 1
            if bad and bad[0] < end:
                raise _not_finite(chunk.results, bad, epoch, bad[0] - begin + 1)
            new = end - max(begin, chunk.start)
            self._seconds += chunk.seconds * new / (made - chunk.start)
            final = stop if end == made else None
            if row[0] == Verdict.DIVERGED:
                raise self._diverged(epoch, EpochLine.of(row), chunk.epoch * steps + end)
            if final or end == begin + steps:
                found = self._end_epoch(epoch, row, chunk.results[begin:end, 0], final)
                reason = reason or found
        self.history.stop_reason = reason or self.history.stop_reason
        return reason

    def _end_epoch(
        self, epoch: int, row: np.ndarray, losses: np.ndarray, stop: str | None
    ) -> str | None:
        """Record an epoch; return why training stops after it, or None.

        Args:
            epoch: its number, counted from 1.
            row: its `EpochLine`, as the program returned it.
            losses: of its steps.
            stop: why it must be the last one, if there is a reason.
        """
        done = (epoch - 1) * self.engine.steps + len(losses)
        line = EpochLine.of(row)
        reason = self._reason(line, done)
        record = self._record(epoch, line, done)
        if reason is None and stop:
            whole = done % self.engine.steps == 0
            self._save(None, *([Epoch(row, record, losses)] if whole else []))
            record = self._record(epoch, self._validated(epoch, line, done), done)
        self._remember(Epoch(row, record, losses))
        self.history.stop_reason = reason or stop or "unfinished"
        self._seconds = 0.0
        asked = _first_reason([observer.on_epoch(record) for observer in self.observers])
        return reason or stop or asked

    def _remember(self, epoch: Epoch) -> None:
        self._epochs.append(epoch)
        self.history.epochs.append(epoch.record)
        self.history.step_losses.append(epoch.losses)
        self.history.best_epoch = epoch.record.epoch

    def _save(self, reason: str | None, *more: Epoch) -> None:
        """Write a checkpoint, if there are to be any.

        Args:
            reason: the reason to stop, or None if training would continue.
            more: an epoch that is over, but not recorded yet.
        """
        if not self.saver:
            return
        epochs = [*self._epochs, *more]
        last = epochs[-1].record if epochs else None
        epoch, step = divmod(self.done, self.engine.steps)
        assert self.history.mode is not None
        self.saver.save(
            self._parts(self._progress(epochs)),
            self.done,
            epoch=epoch + 1,
            step=step + 1,
            loss=last and (last.validation_loss if self.watch.evaluator else last.loss),
            stop_reason=reason,
            seconds=time.monotonic() - self.started,
            epoch_seconds=self._seconds if step else 0.0,
            mode=asdict(self.history.mode),
        )

    def _parts(self, progress: Progress) -> dict[str, Any]:
        """Return all that a checkpoint saves."""
        variables = self.engine.variables
        return {"variables": variables, "best": self.watch.best, "progress": progress}

    def _progress(self, epochs: Sequence[Epoch]) -> Progress:
        """Return the training state that is not in the variables of network and optimizer."""
        engine = self.engine
        times = [(e.record.rows_per_second, e.record.seconds) for e in epochs]
        return Progress(
            state=np.array(engine.state),
            results=engine.unfinished(self.done),
            lines=np.array([e.line for e in epochs]).reshape(-1, self.watch.width),
            times=np.array(times).reshape(-1, 2),
            losses=np.concatenate([*(e.losses for e in epochs), engine.unfinished(0)[:, 0]]),
        )

    def _restore(self) -> str | None:
        """Go on from the checkpoint; return why training was over, if it was and is."""
        assert self.saver is not None
        progress = self._progress([])
        facts = self.saver.restore(**self._parts(progress))
        if facts.steps > self.total:
            raise InputError(
                f"training has made {facts.epoch - 1} whole epochs and {facts.step - 1} steps: "
                f"epochs must not be below that, got {self.watch.epochs}"
            )
        self.done = facts.steps
        self.started -= facts.seconds
        self._seconds = facts.epoch_seconds
        self.engine.restore(progress.state.numpy(), progress.results.numpy())
        reason = (facts.stop_reason or self._all_epochs) if self._is_over() else None
        self.history.epochs.clear()
        self.history.step_losses.clear()
        losses = progress.losses.numpy().reshape(-1, self.engine.steps)
        rows = zip(progress.lines.numpy(), progress.times.numpy(), losses, strict=True)
        for i, (row, (rate, seconds), own) in enumerate(rows, 1):
            record = self._record(i, EpochLine.of(row), i * self.engine.steps)
            record = record._replace(rows_per_second=float(rate), seconds=float(seconds))
            self._remember(Epoch(row, record, own))
        self.history.stop_reason = reason or "unfinished"
        for observer in self.observers:
            observer.on_restore([epoch.record for epoch in self._epochs])
        return reason

    def _is_over(self) -> bool:
        """Return whether training that was over still is: there may be more epochs, or patience."""
        state, stopping = self.engine.state, self.watch.early_stopping
        verdict = int(state.verdict)
        if verdict == Verdict.NO_IMPROVEMENT and stopping:
            epoch = tf.constant(self.done // self.engine.steps, tf.float64)
            if not stopping.over(epoch, state.best_epoch):
                verdict = Verdict.GO_ON
                go_on = tf.constant(verdict, tf.float64)
                self.engine.state = state._replace(verdict=go_on)
        return verdict != Verdict.GO_ON or self.done >= self.total

    def _validated(self, epoch: int, line: EpochLine, done: int) -> EpochLine:
        """Return the line of a last epoch, validated where it was not due or is not at its end.

        Raises:
            DivergedError: it has led to something that is not finite.
        """
        engine = self.engine
        if done == epoch * engine.steps and (line.validated or not len(line.sums)):
            return line
        number, loss, norm = tf.unstack(tf.constant([epoch, line.loss, line.norm], tf.float64))
        engine.state, row = self.watch.finish(engine.state, number, loss, norm, due=True)
        checked = EpochLine.of(row.numpy())
        if checked.verdict == Verdict.DIVERGED:
            raise self._diverged(epoch, checked, done)
        return checked._replace(verdict=Verdict.GO_ON)

    def _rows(self, epoch: int, done: int) -> int:
        """Return the number of rows that an epoch has seen when `done` steps are made."""
        steps = done - (epoch - 1) * self.engine.steps
        return min(steps * self.engine.batch_size, self.engine.rows)

    def _record(self, epoch: int, line: EpochLine, done: int) -> EpochRecord:
        evaluator = self.watch.evaluator if line.validated else None
        return EpochRecord(
            epoch=epoch,
            loss=line.loss,
            gradient_norm=line.norm if self.watch.with_norm else None,
            validation_loss=float(line.sums[0]) if evaluator else None,
            validation=evaluator.error_sums(line.sums) if evaluator else None,
            steps=done,
            rows_per_second=self._rows(epoch, done) / max(self._seconds, 1e-9),
            seconds=time.monotonic() - self.started,
        )

    def _reason(self, line: EpochLine, done: int) -> str | None:
        """Return why training stops by itself when an epoch has this line, or None."""
        convergence = self.watch.convergence
        match line.verdict:
            case Verdict.SMALL_GRADIENT if convergence:
                limit = convergence.gradient_norm
                return f"converged: gradient norm {line.norm:.3g} below {limit:g}"
            case Verdict.SMALL_CHANGE if convergence:
                limit = convergence.relative_change
                return f"converged: relative change {line.change:.3g} of the loss below {limit:g}"
            case Verdict.NO_IMPROVEMENT:
                best = int(self.engine.state.best_epoch)
                return f"early stopping: no improvement in validation loss since epoch {best}"
        return self._all_epochs if done == self.total else None

    @property
    def _all_epochs(self) -> str:
        return f"all {self.watch.epochs} epochs"

    def _diverged(self, epoch: int, line: EpochLine, done: int) -> DivergedError:
        """Return the error for an epoch whose losses are finite, but not what they lead to."""
        step = done - (epoch - 1) * self.engine.steps
        for parameter in self.watch.parameters:
            wrong = parameter.numpy()[~np.isfinite(parameter.numpy())]
            if len(wrong):
                return DivergedError(f"variable {parameter.name}", float(wrong[0]), epoch, step)
        if not np.isfinite(line.loss):
            return DivergedError("loss of the epoch", line.loss, epoch, step)
        return DivergedError("validation loss", float(line.sums[0]), epoch, step)

    def _leave_best_weights(self) -> None:
        """Give the network the weights of the best epoch, or else the averages, if kept."""
        best_epoch = int(self.engine.state.best_epoch)
        if not best_epoch:
            if self.watch.averages and self.engine.step.optimizer.step > 0:
                for variable, average in zip(
                    self.watch.parameters, self.watch.averages(), strict=True
                ):
                    variable.assign(average)
            return
        for variable, best in zip(self.watch.variables, self.watch.best, strict=True):
            variable.assign(best)
        self.history.best_epoch = best_epoch


def _first_reason(answers: Sequence[str | None]) -> str | None:
    """Return the first reason to stop among the answers of all observers.

    Raises:
        InputError: an answer is something else.
    """
    reasons = [answer for answer in answers if answer is not None]
    wanted = "a text that says why to stop, or None"
    for reason in reasons:
        of_type("what an observer returns", reason, str, wanted)
        if not reason.strip():
            raise InputError(f"what an observer returns must be {wanted}; got an empty text")
    return next(iter(reasons), None)


def _not_finite(
    results: np.ndarray, place: tuple[int, ...], epoch: int, step: int
) -> DivergedError:
    """Return the error for a step whose loss or gradient norm is not finite."""
    return DivergedError(("loss", "gradient norm")[place[1]], float(results[place]), epoch, step)
