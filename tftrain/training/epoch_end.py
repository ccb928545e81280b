"""What happens at the end of an epoch: validation, the best weights, and whether to stop.

All of it is TensorFlow, so that it runs inside the engine's program: many epochs run together
without a return to Python, and still stop after exactly the epoch where they should.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import IntEnum
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tftrain.training.evaluator import Evaluator
from tftrain.training.stopping import Convergence, EarlyStopping


class Verdict(IntEnum):
    """What the end of an epoch means for training."""

    GO_ON = 0
    SMALL_GRADIENT = 1
    SMALL_CHANGE = 2
    NO_IMPROVEMENT = 3
    DIVERGED = 4


class State(NamedTuple):
    """The state that training carries from epoch to epoch outside variables: float64 scalars.

    Attributes:
        last_loss: loss of the epoch before; NaN in the first.
        held: epochs in a row for which a test of convergence has held.
        best: best validation loss.
        best_epoch: its epoch.
        verdict: a `Verdict`.
    """

    last_loss: tf.Tensor
    held: tf.Tensor
    best: tf.Tensor
    best_epoch: tf.Tensor
    verdict: tf.Tensor

    @classmethod
    def first(cls) -> "State":
        """Return the state before the first epoch."""
        values = (np.nan, 0.0, np.inf, 0.0, Verdict.GO_ON)
        return cls(*(tf.constant(value, tf.float64) for value in values))


class EpochLine(NamedTuple):
    """What the program reports of one epoch: float64 scalars, and `sums` of the evaluator.

    Attributes:
        verdict: a `Verdict`.
        loss: mean over the rows of what the steps minimised.
        norm: norm of the gradient of the last step.
        change: relative change of the loss since the epoch before; NaN in the first.
        sums: what the evaluator gives, NaN throughout where validation was not due; empty where
            there are no validation rows.
    """

    verdict: float
    loss: float
    norm: float
    change: float
    sums: np.ndarray

    @classmethod
    def of(cls, row: np.ndarray) -> "EpochLine":
        """Return the line that a row of the program's output stands for."""
        verdict, loss, norm, change = row[:4].tolist()
        return cls(verdict, loss, norm, change, row[4:])

    @property
    def validated(self) -> bool:
        """Whether the sums are those of a validation."""
        return len(self.sums) > 0 and not np.isnan(self.sums[1])


def validated(sums: tf.Tensor) -> tf.Tensor:
    """Return whether an evaluator's sums are those of a validation: the sum of weights is there."""
    return ~tf.math.is_nan(sums[1])


class EpochEnd:
    """Validates, keeps the best weights and decides; arguments as for `fit`.

    Args:
        parameters: the variables that are trained.
        variables: all variables of the network, those that are not trained included.
        evaluator: evaluates the validation rows, if there are any.
        averages: returns the averages of the parameters, which are evaluated in their place.

    Attributes:
        best: copies of the variables at the best epoch, if there is early stopping.
    """

    def __init__(
        self,
        parameters: Sequence[tf.Variable],
        variables: Sequence[tf.Variable],
        evaluator: Evaluator | None,
        *,
        epochs: int,
        validate_every: int = 1,
        early_stopping: EarlyStopping | None = None,
        convergence: Convergence | None = None,
        averages: Callable[[], Sequence[tf.Tensor]] | None = None,
    ) -> None:
        self.parameters = parameters
        self.averages = averages
        self.variables = variables
        self.evaluator = evaluator
        self.epochs = epochs
        self.validate_every = validate_every
        self.early_stopping = early_stopping
        self.convergence = convergence
        self.best = [
            tf.Variable(v, trainable=False, shape=v.shape) for v in variables if early_stopping
        ]

    @property
    def width(self) -> int:
        """The length of a line."""
        return 4 + (self.evaluator.width if self.evaluator else 0)

    @property
    def with_norm(self) -> bool:
        """Whether the norm of the gradient is needed."""
        return self.convergence is not None and self.convergence.gradient_norm is not None

    def unfinished(self, loss: tf.Tensor, norm: tf.Tensor) -> tf.Tensor:
        """Return the line of an epoch of which only the first steps are made."""
        nan = tf.fill([self.width - 3], tf.constant(np.nan, tf.float64))
        go_on, diverged = tf.unstack(tf.constant([Verdict.GO_ON, Verdict.DIVERGED], tf.float64))
        verdict = tf.where(self._finite_parameters(), go_on, diverged)
        return tf.concat([[verdict, loss, norm], nan], axis=0)

    def finish(
        self,
        state: State,
        epoch: tf.Tensor,
        loss: tf.Tensor,
        norm: tf.Tensor,
        due: bool = False,
    ) -> tuple[State, tf.Tensor]:
        """End an epoch.

        Args:
            state: after the epoch before.
            epoch: its number, counted from 1, float64.
            loss: mean over its rows of what its steps minimised, float64.
            norm: of the gradient of its last step, float64; anything where it is not needed.
            due: whether to validate in any case.

        Returns:
            The state for the next epoch, and the `EpochLine` of this one, shape `(width,)`.
        """
        change = tf.abs(loss - state.last_loss) / tf.maximum(tf.abs(state.last_loss), 1e-300)
        verdict, held = self._converged(state, norm, change)
        last = (verdict != Verdict.GO_ON) | (epoch == self.epochs)
        with self.averaged():
            sums = self._validation(last | (epoch % self.validate_every == 0) | due)
            finite = tf.math.is_finite(loss) & self._finite(sums)
            best, best_epoch, over = self._improvement(state, epoch, sums, finite)
        verdict = tf.where(over, tf.constant(Verdict.NO_IMPROVEMENT, tf.float64), verdict)
        verdict = tf.where(finite, verdict, tf.constant(Verdict.DIVERGED, tf.float64))
        line = tf.concat([[verdict, loss, norm, change], sums], axis=0)
        after = State(loss, held, best, best_epoch, verdict)
        return after, line

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Give the parameters their averages inside, where these are kept."""
        if self.averages is None:
            yield
            return
        raw = [parameter.read_value() for parameter in self.parameters]
        for parameter, average in zip(self.parameters, self.averages(), strict=True):
            parameter.assign(average)
        yield
        for parameter, value in zip(self.parameters, raw, strict=True):
            parameter.assign(value)

    def _converged(
        self, state: State, norm: tf.Tensor, change: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the verdict of the tests of convergence, and for how many epochs one held."""
        go_on = tf.constant(Verdict.GO_ON, tf.float64)
        if self.convergence is None:
            return go_on, state.held
        small_gradient = self.convergence.small_gradient(norm)
        small_change = self.convergence.small_change(change)
        held = tf.where(small_gradient | small_change, state.held + 1, tf.zeros_like(state.held))
        found = tf.where(
            small_gradient,
            tf.constant(Verdict.SMALL_GRADIENT, tf.float64),
            tf.constant(Verdict.SMALL_CHANGE, tf.float64),
        )
        return tf.where(held >= self.convergence.patience, found, go_on), held

    def _validation(self, due: tf.Tensor) -> tf.Tensor:
        """Return the evaluator's sums, or NaN in their place where validation is not due."""
        if self.evaluator is None:
            return tf.zeros([0], tf.float64)
        if self.validate_every == 1:
            return self.evaluator.sums()
        nan = tf.fill([self.evaluator.width], tf.constant(np.nan, tf.float64))
        return tf.cond(due, self.evaluator.sums, lambda: nan)

    def _finite(self, sums: tf.Tensor) -> tf.Tensor:
        """Return whether all parameters are finite, and the validation loss where it is known."""
        found = self._finite_parameters()
        if self.evaluator is not None:
            found &= tf.math.is_finite(sums[0]) | ~validated(sums)
        return found

    def _finite_parameters(self) -> tf.Tensor:
        """Return whether all parameters are finite, which relu can hide from the loss."""
        return tf.reduce_all(
            tf.stack([tf.reduce_all(tf.math.is_finite(p)) for p in self.parameters])
        )

    def _improvement(
        self, state: State, epoch: tf.Tensor, sums: tf.Tensor, finite: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Keep the weights if they are the best so far.

        Returns:
            The best validation loss, its epoch, and whether the patience is over.
        """
        if self.early_stopping is None:
            return state.best, state.best_epoch, tf.constant(False)
        improved = finite & self.early_stopping.improved(sums[0], state.best)
        for kept, variable in zip(self.best, self.variables, strict=True):
            kept.assign(_either(improved, variable, kept))
        best = tf.where(improved, sums[0], state.best)
        best_epoch = tf.where(improved, epoch, state.best_epoch)
        return best, best_epoch, validated(sums) & self.early_stopping.over(epoch, best_epoch)


def _either(condition: tf.Tensor, one: tf.Variable, other: tf.Variable) -> tf.Tensor:
    """Return the value of one of two variables, whose shape may change as the program runs."""
    if one.shape.is_fully_defined():
        return tf.where(condition, one, other)
    return tf.cond(condition, one.read_value, other.read_value)
