"""When to stop. The tests themselves are tensor arithmetic: they run inside the program."""

from dataclasses import dataclass

import tensorflow as tf

from tftrain.errors import InputError, number, whole_number


@dataclass(frozen=True)
class EarlyStopping:
    """Stop when the validation loss no longer improves.

    Args:
        patience: epochs without improvement before training stops, positive.
        min_delta: smallest decrease that counts as an improvement, 0 or more.
    """

    patience: int = 20
    min_delta: float = 0.0

    def __post_init__(self) -> None:
        whole_number("early stopping: patience", self.patience)
        number("early stopping: min_delta", self.min_delta)

    def improved(self, loss: tf.Tensor, best: tf.Tensor) -> tf.Tensor:
        """Return whether a validation loss counts as better than the best so far."""
        return loss < best - self.min_delta

    def over(self, epoch: tf.Tensor, best_epoch: tf.Tensor) -> tf.Tensor:
        """Return whether the patience is at its end after `epoch`."""
        return epoch - best_epoch >= self.patience


@dataclass(frozen=True)
class Convergence:
    """Stop when training has converged.

    Args:
        gradient_norm: converged when the norm of the gradient over all rows is below this;
            for full-batch training.
        relative_change: converged when the training loss of an epoch differs from that of the
            epoch before by less than this fraction of it.
        patience: epochs in a row for which a test must hold.
    """

    gradient_norm: float | None = None
    relative_change: float | None = None
    patience: int = 1

    def __post_init__(self) -> None:
        tests = {"gradient_norm": self.gradient_norm, "relative_change": self.relative_change}
        given = {name: limit for name, limit in tests.items() if limit is not None}
        if not given:
            raise InputError("convergence: give gradient_norm, relative_change or both, positive")
        for name, limit in given.items():
            number(f"convergence: {name}", limit, positive=True)
        whole_number("convergence: patience", self.patience)

    def small_gradient(self, norm: tf.Tensor) -> tf.Tensor:
        """Return whether the test of the gradient's norm holds."""
        return tf.constant(False) if self.gradient_norm is None else norm < self.gradient_norm

    def small_change(self, change: tf.Tensor) -> tf.Tensor:
        """Return whether the test of the relative change holds."""
        return tf.constant(False) if self.relative_change is None else change < self.relative_change
