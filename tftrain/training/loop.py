"""The training loop: epochs, validation and stopping around the engine."""

import time
from collections.abc import Sequence

import numpy as np

from tftrain.errors import DivergedError
from tftrain.streams import batch_order
from tftrain.training.engine import Engine
from tftrain.training.evaluation import Evaluator
from tftrain.training.history import EpochRecord, History, Observer
from tftrain.training.stopping import Convergence, EarlyStopping


class Loop:
    """Epochs around an engine; arguments as for `fit`.

    Args:
        engine: runs the steps.
        evaluator: evaluates the validation rows, if there are any.
        order_seed: seed of the batch order, or None for the order of the table.
    """

    def __init__(
        self,
        engine: Engine,
        evaluator: Evaluator | None,
        *,
        epochs: int,
        order_seed: int | None,
        validate_every: int,
        early_stopping: EarlyStopping | None,
        convergence: Convergence | None,
        time_budget: float | None,
        observers: Sequence[Observer],
        history: History,
    ) -> None:
        self.engine = engine
        self.evaluator = evaluator
        self.epochs = epochs
        self.order_seed = order_seed
        self.validate_every = validate_every
        self.early_stopping = early_stopping
        self.convergence = convergence
        self.time_budget = time_budget
        self.observers = observers
        self.history = history
        self.best_weights: list[np.ndarray] | None = None

    def run(self) -> History:
        """Train until something says stop; return the history."""
        history = self.history
        history.mode = self.engine.mode
        began = time.monotonic()
        self.engine.prepare()
        if self.evaluator is not None:
            self.evaluator()
        self.started = time.monotonic()
        history.seconds["compile"] = self.started - began
        for observer in self.observers:
            observer.on_start(self.epochs, self.engine.steps, self.engine.rows)
        try:
            self._run_epochs()
            self._require_finite_parameters()
        finally:
            self._restore_best_weights()
            history.traces = self.engine.traces
            history.seconds["train"] = time.monotonic() - self.started
            for observer in self.observers:
                observer.on_end()
        return history

    def _run_epochs(self) -> None:
        reason: str | None = None
        epoch = 0
        while reason is None:
            epoch += 1
            results, seconds = self._run_steps(epoch)
            reason = self._reason_before_validation(epoch, results)
            record = self._record(epoch, results, seconds, validate=reason is not None)
            self.history.epochs.append(record)
            self.history.step_losses.append(results[:, 0])
            self.history.best_epoch = epoch
            reason = self._note_validation(record) or reason
            self.history.stop_reason = reason or "unfinished"
            for observer in self.observers:
                observer.on_epoch(record)

    def _require_finite_parameters(self) -> None:
        """Raise where the very last update, whose loss nobody has seen, went astray."""
        last = self.history.epochs[-1]
        for parameter in self.engine.step.parameters:
            wrong = parameter.numpy()[~np.isfinite(parameter.numpy())]
            if len(wrong):
                step = last.steps - (last.epoch - 1) * self.engine.steps
                raise DivergedError(f"variable {parameter.name}", wrong[0], last.epoch, step)

    def _run_steps(self, epoch: int) -> tuple[np.ndarray, float]:
        """Run an epoch, or what the time budget leaves of it; return its results and seconds."""
        began = time.monotonic()
        rows, steps = self.engine.rows, self.engine.steps
        order = np.arange(rows, dtype=np.int32)
        if self.order_seed is not None and steps > 1:
            order = batch_order(rows, self.order_seed, epoch - 1)
        done: list[np.ndarray] = []
        step = 0
        while step < steps and (step == 0 or not self._out_of_time()):
            results = self.engine.run(order, step, self._deadline)
            _require_finite(results, epoch, step)
            step += len(results)
            done.append(results)
            for observer in self.observers:
                observer.on_chunk(epoch, step, float(results[-1, 0]))
        return np.concatenate(done), time.monotonic() - began

    @property
    def _deadline(self) -> float | None:
        return None if self.time_budget is None else self.started + self.time_budget

    def _out_of_time(self) -> bool:
        return self._deadline is not None and time.monotonic() >= self._deadline

    def _reason_before_validation(self, epoch: int, results: np.ndarray) -> str | None:
        """Return why training stops after this epoch, validation apart, or None."""
        if self.convergence is not None:
            loss, norm = self._mean_loss(results), float(results[-1, 1])
            reason = self.convergence.reason(loss, norm)
            if reason is not None:
                return reason
        if self._out_of_time():
            return f"time budget of {self.time_budget:g} seconds"
        return f"all {self.epochs} epochs" if epoch == self.epochs else None

    def _mean_loss(self, results: np.ndarray) -> float:
        """Return the mean of the step losses by rows: the last step may have fewer."""
        engine = self.engine
        rows = np.full(len(results), engine.batch_size, np.float64)
        if len(results) == engine.steps:
            rows[-1] = engine.rows - (engine.steps - 1) * engine.batch_size
        return float(np.average(results[:, 0].astype(np.float64), weights=rows))

    def _record(
        self, epoch: int, results: np.ndarray, seconds: float, validate: bool
    ) -> EpochRecord:
        loss, sums = None, None
        if self.evaluator is not None and (validate or epoch % self.validate_every == 0):
            loss, sums = self.evaluator()
            if not np.isfinite(loss):
                raise DivergedError("validation loss", loss, epoch, len(results))
        rows = min(len(results) * self.engine.batch_size, self.engine.rows)
        return EpochRecord(
            epoch=epoch,
            loss=self._mean_loss(results),
            gradient_norm=float(results[-1, 1]) if self.engine.with_norm else None,
            validation_loss=loss,
            validation=sums,
            steps=self.history.steps + len(results),
            rows_per_second=rows / max(seconds, 1e-9),
            seconds=time.monotonic() - self.started,
        )

    def _note_validation(self, record: EpochRecord) -> str | None:
        """Keep the weights if they are the best so far; return why to stop early, or None."""
        stopping = self.early_stopping
        if stopping is None or record.validation_loss is None:
            return None
        if stopping.improved(record.epoch, record.validation_loss):
            self.best_weights = [p.numpy() for p in self.engine.step.parameters]
        return stopping.reason(record.epoch)

    def _restore_best_weights(self) -> None:
        if self.best_weights is None or self.early_stopping is None:
            return
        for parameter, best in zip(self.engine.step.parameters, self.best_weights, strict=True):
            parameter.assign(best)
        self.history.best_epoch = self.early_stopping.best_epoch


def _require_finite(results: np.ndarray, epoch: int, start: int) -> None:
    """Raise DivergedError for the first step whose loss or gradient norm is not finite."""
    bad = np.argwhere(~np.isfinite(results))
    if len(bad):
        step, column = bad[0]
        what = ("loss", "gradient norm")[column]
        raise DivergedError(what, float(results[step, column]), epoch, start + int(step) + 1)
