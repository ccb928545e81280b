"""The training loop: epochs, validation, stopping, and what observers are told."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import tensorflow as tf

from tftrain import losses, optimizers
from tftrain.errors import DivergedError, InputError
from tftrain.metrics import ErrorSums
from tftrain.streams import batch_order
from tftrain.training.engine import Engine, Mode, choose_mode
from tftrain.training.evaluation import Evaluator, as_batch
from tftrain.training.step import Step
from tftrain.training.stopping import Convergence, EarlyStopping


@dataclass(frozen=True)
class EpochRecord:
    """What one epoch did.

    Attributes:
        epoch: counted from 1.
        loss: mean over its rows of what its steps minimised (loss and penalty), each step's taken
            before its update.
        gradient_norm: of its last step, where a convergence test needs it; else None.
        validation_loss: loss on the validation rows after the epoch, where it was due.
        validation: error sums on the validation rows, likewise.
        steps: number of steps made since training began.
        rows_per_second: training rows per second in this epoch, without the validation.
        seconds: since training began, compilation left out.
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
    """Is told how training goes on. Every method may be left as it is."""

    def on_start(self, epochs: int, steps: int, rows: int) -> None:
        """Training begins: at most `epochs` epochs of `steps` steps over `rows` rows."""

    def on_chunk(self, epoch: int, step: int, loss: float) -> None:
        """The steps of an epoch up to `step` are done, the last one with this loss."""

    def on_epoch(self, record: EpochRecord) -> None:
        """An epoch is over."""

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


def fit(
    network: tf.Module,
    x: Any,
    y: Any,
    *,
    loss: str | losses.Loss = "mse",
    optimizer: str | optimizers.Optimizer = "adam",
    epochs: int = 100,
    batch_size: int | Literal["full"] = 32,
    weight: Any = None,
    validation: tuple[Any, ...] | None = None,
    l2: float = 0.0,
    shuffle: bool = True,
    seed: int = 0,
    validate_every: int = 1,
    early_stopping: EarlyStopping | None = None,
    convergence: Convergence | None = None,
    time_budget: float | None = None,
    compile: str = "auto",
    observers: Sequence[Observer] = (),
    history: History | None = None,
) -> History:
    """Train a network by gradient descent.

    Args:
        network: any `tf.Module` with a `__call__` and trainable variables of one dtype.
        x: inputs, shape `(rows, ...)`; arrays, tensors or anything that makes one.
        y: targets, of the shape of the network's output.
        loss: a loss or its name.
        optimizer: an optimizer or its name. One that has been used goes on where it stopped.
        epochs: most passes over the rows.
        batch_size: rows per step, or `"full"`; the last step of an epoch takes what is left.
        weight: weight of each row, shape `(rows,)`, zero or more, scaled here to a mean of one.
        validation: `(x, y)` or `(x, y, weight)`, evaluated after each epoch.
        l2: strength of the L2 penalty on weights (not biases).
        shuffle: whether each epoch visits the rows in the order `batch_order(rows, seed, epoch)`.
        seed: of the batch order.
        validate_every: epochs from one validation to the next; the last epoch is always validated.
        early_stopping: needs `validation`; the best weights are restored at the end.
        convergence: a test after each epoch.
        time_budget: seconds after which training stops at the end of a step.
        compile: auto, xla, graph or eager.
        observers: are told of every chunk and epoch.
        history: filled as training goes on, so that what is known survives an interruption;
            a new one by default.

    Returns:
        What happened; the network and the optimizer have been changed in place.

    Raises:
        InputError: an argument is wrong, or shapes do not agree.
        DivergedError: the loss became NaN or infinite; the history holds the epochs before.
    """
    if early_stopping and validation is None:
        raise InputError("early stopping needs validation rows: give validation=(x, y)")
    if validation is not None and len(validation) not in (2, 3):
        raise InputError("validation must be (x, y) or (x, y, weight)")
    epochs = _count("epochs", epochs)
    parameters = network.trainable_variables
    dtype = _common_dtype(parameters)
    data = as_batch(x, y, weight, dtype)
    size = _rows_per_step(batch_size, int(data.x.shape[0]))
    loss, optimizer = losses.get(loss), optimizers.get(optimizer)
    optimizer.build(parameters)
    engine = Engine(
        Step(network, parameters, loss, optimizer, _not_negative("l2", l2)),
        data,
        size,
        choose_mode(compile, *_workload(parameters, int(data.x.shape[0]), size, epochs)),
        with_norm=convergence is not None and convergence.gradient_norm is not None,
    )
    evaluator = None
    if validation is not None:
        x_val, y_val, weight_val = (*validation, None)[:3]
        evaluator = Evaluator(network, loss, as_batch(x_val, y_val, weight_val, dtype), engine.mode)
    loop = Loop(
        engine,
        evaluator,
        epochs=epochs,
        order_seed=_count("seed", seed, minimum=0) if shuffle else None,
        validate_every=_count("validate_every", validate_every),
        early_stopping=early_stopping and replace(early_stopping),
        convergence=convergence and replace(convergence),
        time_budget=time_budget and _not_negative("time_budget", time_budget),
        observers=observers,
        history=History() if history is None else history,
    )
    return loop.run()


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


def _common_dtype(parameters: Sequence[tf.Variable]) -> tf.DType:
    if not parameters:
        raise InputError("the network has no trainable variables")
    names = sorted({parameter.dtype.name for parameter in parameters})
    if len(names) > 1:
        raise InputError(
            f"the network's variables are of several dtypes ({', '.join(names)}); use one"
        )
    return parameters[0].dtype


def _rows_per_step(batch_size: int | str, rows: int) -> int:
    if batch_size == "full":
        return rows
    if isinstance(batch_size, str):
        raise InputError(f'batch_size must be a number or "full", got {batch_size!r}')
    return min(_count("batch_size", batch_size), rows)


def _count(name: str, value: Any, minimum: int = 1) -> int:
    if not isinstance(value, (int, np.integer)) or value < minimum:
        raise InputError(f"{name} must be a whole number of at least {minimum}, got {value}")
    return int(value)


def _not_negative(name: str, value: float) -> float:
    if not value >= 0:
        raise InputError(f"{name} must be at least 0, got {value}")
    return value


def _workload(
    parameters: Sequence[tf.Variable], rows: int, batch_size: int, epochs: int
) -> tuple[float, int]:
    """Return the operations of one step and the most steps that a training can take.

    A weight costs a multiplication and an addition per row in the forward pass, and twice that in
    the backward pass.
    """
    weights = sum(int(np.prod(parameter.shape)) for parameter in parameters)
    return 6.0 * batch_size * weights, epochs * -(-rows // batch_size)
