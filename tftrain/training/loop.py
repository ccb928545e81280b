"""The training loop around the engine: records, observers, and reasons to stop from outside."""

import time
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tftrain.arrays import first_not_finite
from tftrain.errors import DivergedError
from tftrain.training.engine import Chunk, Engine
from tftrain.training.history import EpochRecord, History, Observer
from tftrain.training.interrupt import Interrupt, deferred_interrupt
from tftrain.training.watch import Line, Verdict


class Loop:
    """Chunks of steps until something says stop; arguments as for `fit`.

    Args:
        engine: runs the steps, and decides at the end of each epoch.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        time_budget: float | None,
        observers: Sequence[Observer],
        history: History,
    ) -> None:
        self.engine = engine
        self.watch = engine.watch
        self.time_budget = time_budget
        self.observers = observers
        self.history = history
        self._seconds = 0.0

    def run(self) -> History:
        """Train until something says stop; return the history."""
        history = self.history
        history.mode = self.engine.mode
        began = time.monotonic()
        self.engine.prepare()
        self.started = time.monotonic()
        history.seconds["compile"] = self.started - began
        for observer in self.observers:
            observer.on_start(self.watch.epochs, self.engine.steps, self.engine.rows)
        try:
            with deferred_interrupt() as interrupt:
                self._run_chunks(interrupt)
        finally:
            self.engine.close()
            self._restore_best_weights()
            history.traces = self.engine.traces
            history.seconds["train"] = time.monotonic() - self.started
            for observer in self.observers:
                observer.on_end()
        if interrupt.requested:
            raise KeyboardInterrupt
        return history

    def _run_chunks(self, interrupt: Interrupt) -> None:
        reason: str | None = None
        done = 0
        while reason is None:
            chunk = self.engine.run(done, self._deadline)
            done = chunk.done
            reason = self._take(chunk, "interrupted" if interrupt.requested else self._overtime())

    @property
    def _deadline(self) -> float | None:
        return None if self.time_budget is None else self.started + self.time_budget

    def _overtime(self) -> str | None:
        if self._deadline is None or time.monotonic() < self._deadline:
            return None
        return f"time budget of {self.time_budget:g} seconds"

    def _take(self, chunk: Chunk, stop: str | None) -> str | None:
        """Record what a chunk did.

        Args:
            chunk: the chunk.
            stop: why no further one may follow, if there is a reason.

        Returns:
            Why training stops, or None.
        """
        steps, made = self.engine.steps, len(chunk.results)
        last_epoch, last_step = divmod(made - 1, steps)
        for observer in self.observers:
            observer.on_chunk(
                chunk.epoch + last_epoch + 1, last_step + 1, float(chunk.results[-1, 0])
            )
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
            if final or end == begin + steps:
                losses = chunk.results[begin:end, 0]
                reason = self._end_epoch(epoch, Line.of(row), losses, final)
        return reason

    def _end_epoch(
        self, epoch: int, line: Line, losses: np.ndarray, stop: str | None
    ) -> str | None:
        """Record an epoch; return why training stops after it, or None.

        Args:
            epoch: its number, counted from 1.
            line: what the program told of it.
            losses: of its steps.
            stop: why it must be the last one, if there is a reason.
        """
        done = (epoch - 1) * self.engine.steps + len(losses)
        if stop and line.verdict == Verdict.GO_ON:
            line = self._validated(epoch, line, done)
        if line.verdict == Verdict.DIVERGED:
            raise self._diverged(epoch, line, done)
        record = self._record(epoch, line, done)
        reason = self._reason(record, line) or stop
        history = self.history
        history.epochs.append(record)
        history.step_losses.append(losses)
        history.best_epoch = epoch
        history.stop_reason = reason or "unfinished"
        self._seconds = 0.0
        for observer in self.observers:
            observer.on_epoch(record)
        return reason

    def _validated(self, epoch: int, line: Line, done: int) -> Line:
        """Return the line of a last epoch, validated where it was not due or is not at its end."""
        engine = self.engine
        if done == epoch * engine.steps and (line.validated or not len(line.sums)):
            return line
        number, loss, norm = tf.unstack(tf.constant([epoch, line.loss, line.norm], tf.float64))
        engine.state, row = self.watch.finish(engine.state, number, loss, norm, due=True)
        checked = Line.of(row.numpy())
        if checked.verdict == Verdict.DIVERGED:
            return checked
        return checked._replace(verdict=Verdict.GO_ON)

    def _rows(self, epoch: int, done: int) -> int:
        """Return the number of rows that an epoch has seen when `done` steps are made."""
        steps = done - (epoch - 1) * self.engine.steps
        return min(steps * self.engine.batch_size, self.engine.rows)

    def _record(self, epoch: int, line: Line, done: int) -> EpochRecord:
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

    def _reason(self, record: EpochRecord, line: Line) -> str | None:
        """Return why training stops by itself after an epoch, or None."""
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
        epochs = self.watch.epochs
        return f"all {epochs} epochs" if record.steps == epochs * self.engine.steps else None

    def _diverged(self, epoch: int, line: Line, done: int) -> DivergedError:
        """Return the error for an epoch whose losses are finite, but not what they lead to."""
        step = done - (epoch - 1) * self.engine.steps
        for parameter in self.watch.parameters:
            wrong = parameter.numpy()[~np.isfinite(parameter.numpy())]
            if len(wrong):
                return DivergedError(f"variable {parameter.name}", float(wrong[0]), epoch, step)
        if not np.isfinite(line.loss):
            return DivergedError("loss of the epoch", line.loss, epoch, step)
        return DivergedError("validation loss", float(line.sums[0]), epoch, step)

    def _restore_best_weights(self) -> None:
        best_epoch = int(self.engine.state.best_epoch)
        if not best_epoch:
            return
        for parameter, best in zip(self.watch.parameters, self.watch.best, strict=True):
            parameter.assign(best)
        self.history.best_epoch = best_epoch


def _not_finite(
    results: np.ndarray, place: tuple[int, ...], epoch: int, step: int
) -> DivergedError:
    """Return the error for a step whose loss or gradient norm is not finite."""
    return DivergedError(("loss", "gradient norm")[place[1]], float(results[place]), epoch, step)
