"""Regression metrics in the target's own units, from sums that batches can add up."""

from dataclasses import dataclass

import numpy as np

from tftrain.errors import ShapeError

BLOCK_ROWS = 65_536
"""Rows of a table that are worked on at once, so that the float64 in between stays small."""


@dataclass(frozen=True)
class ErrorSums:
    """What mse, rmse, mae and r2 are computed from. Arrays have shape `(targets,)`, float64.

    Attributes:
        weight: sum of the case weights `w` (the number of cases where there are none).
        squared: sum of `w * e^2` with `e = prediction - target`.
        absolute: sum of `w * |e|`.
        deviation: sum of `w * (target - mean)^2`, with the weighted mean of the target.
    """

    weight: float
    squared: np.ndarray
    absolute: np.ndarray
    deviation: np.ndarray

    def metrics(self, scale: np.ndarray | float = 1.0) -> dict[str, float]:
        """Return mse, rmse, mae and r2, each the mean over the targets (rmse: of the mean mse).

        Args:
            scale: factor from the units of the sums to the target's own, per target.

        r2 is `1 - squared / deviation`; for a constant target, where the literature leaves it
        undefined, 1 if every prediction is exact and 0 otherwise, as in scikit-learn.
        """
        mse = float(np.mean(self.squared / self.weight * np.square(scale)))
        mae = float(np.mean(self.absolute / self.weight * np.abs(scale)))
        constant = self.deviation == 0
        ratio = self.squared / np.where(constant, 1.0, self.deviation)
        r2 = np.where(constant, np.where(self.squared == 0, 1.0, 0.0), 1 - ratio)
        return {"mse": mse, "rmse": mse**0.5, "mae": mae, "r2": float(np.mean(r2))}

    def of_target(self, index: int) -> "ErrorSums":
        """Return the sums of one target alone."""
        pick = slice(index, index + 1)
        return ErrorSums(self.weight, self.squared[pick], self.absolute[pick], self.deviation[pick])


def deviation_sums(target: np.ndarray, weight: np.ndarray | None = None) -> np.ndarray:
    """Return the sum of `w * (target - mean)^2` per column of `target`, shape `(cases, targets)`.

    Differences from the first case are summed, so the sum is exactly zero for a constant target.
    Blocks of rows are taken, so a large float32 table is never copied whole to float64.
    """
    rows = [slice(i, i + BLOCK_ROWS) for i in range(0, len(target), BLOCK_ROWS)]
    weights = np.ones(len(target)) if weight is None else weight.astype(np.float64)

    def total(center: np.ndarray, power: int) -> np.ndarray:
        parts = (weights[r] @ (target[r].astype(np.float64) - center) ** power for r in rows)
        return np.asarray(sum(parts))

    first = target[0].astype(np.float64)
    return total(first + total(first, 1) / np.sum(weights), 2)


def error_sums(
    prediction: np.ndarray, target: np.ndarray, weight: np.ndarray | None = None
) -> ErrorSums:
    """Return the sums for predictions and targets of shape `(cases, targets)`.

    Raises:
        ShapeError: the shapes differ; nothing is broadcast.
    """
    if prediction.shape != target.shape or target.ndim != 2:
        raise ShapeError(
            f"predictions of shape {prediction.shape} and targets of shape {target.shape}: give "
            "both the shape (cases, targets)"
        )
    error = prediction.astype(np.float64) - target
    ones = np.ones(len(error)) if weight is None else weight
    return ErrorSums(
        weight=float(np.sum(ones, dtype=np.float64)),
        squared=ones @ np.square(error),
        absolute=ones @ np.abs(error),
        deviation=deviation_sums(target, weight),
    )
