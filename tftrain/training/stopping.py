"""When to stop."""

import math
from dataclasses import dataclass, field

from tftrain.errors import InputError


@dataclass
class EarlyStopping:
    """Stop when the validation loss no longer improves.

    Args:
        patience: epochs without improvement before training stops, positive.
        min_delta: smallest decrease that counts as an improvement, 0 or more.
    """

    patience: int = 20
    min_delta: float = 0.0
    best: float = field(default=math.inf, init=False)
    best_epoch: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        if self.patience < 1 or not self.min_delta >= 0:
            raise InputError("early stopping: patience must be positive, min_delta zero or more")

    def improved(self, epoch: int, validation_loss: float) -> bool:
        """Take note of a validation loss; return whether it is the best so far."""
        better = validation_loss < self.best - self.min_delta
        if better:
            self.best, self.best_epoch = validation_loss, epoch
        return better

    def reason(self, epoch: int) -> str | None:
        """Return why training should stop after `epoch`, or None."""
        if epoch - self.best_epoch < self.patience:
            return None
        return f"early stopping: no improvement in validation loss since epoch {self.best_epoch}"


@dataclass
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
    _held: int = field(default=0, init=False)
    _last: float | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        given = [v for v in (self.gradient_norm, self.relative_change) if v is not None]
        if not given or not all(v > 0 for v in given) or self.patience < 1:
            raise InputError(
                "convergence: give gradient_norm, relative_change or both, positive, "
                "and a positive patience"
            )

    def reason(self, loss: float, gradient_norm: float) -> str | None:
        """Take note of an epoch; return why training should stop after it, or None."""
        found = self._test(loss, gradient_norm)
        self._held = self._held + 1 if found else 0
        self._last = loss
        return f"converged: {found}" if self._held >= self.patience else None

    def _test(self, loss: float, norm: float) -> str | None:
        if self.gradient_norm is not None and norm < self.gradient_norm:
            return f"gradient norm {norm:.3g} below {self.gradient_norm:g}"
        if self.relative_change is not None and self._last is not None:
            change = abs(loss - self._last) / max(abs(self._last), 1e-300)
            if change < self.relative_change:
                return f"relative change {change:.3g} of the loss below {self.relative_change:g}"
        return None
