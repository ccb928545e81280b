"""A run that was trained: its summary, its config, and predictions with its model."""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tftrain.config import Config, load_config
from tftrain.data.columns import Column, raw_values
from tftrain.data.tables import as_table
from tftrain.errors import DataError, RunError
from tftrain.metrics import BLOCK_ROWS
from tftrain.runs.directory import RunDirectory
from tftrain.runs.reading import read_for
from tftrain.runs.summary import require_summary

if TYPE_CHECKING:
    import tensorflow as tf

NOT_OF_IT = "does not predict what the run says; is it the model of another run"


class Run:
    """A run directory, opened.

    Args:
        path: the run directory.

    Attributes:
        directory: its files.
        summary: the content of `summary.json`.
        config: the config it was trained with.
        columns: the raw columns that a prediction needs.

    Raises:
        RunError: it is not a run directory, or the run has no model.
    """

    def __init__(self, path: str | Path) -> None:
        self.directory = RunDirectory(Path(path))
        self.summary: dict[str, Any] = self.directory.read_summary()
        if self.directory.config.exists() and not self.directory.config.is_file():
            raise RunError(f"{self.directory.config}: is no file")  # a pipe would be waited for
        self.config: Config = load_config(self.directory.config)
        said = require_summary(self.summary, self.directory.summary)
        self.columns = [Column(name, kind) for name, kind in said.columns.items()]
        if not said.has_model or not self.directory.model.is_dir():
            raise RunError(
                f"{path}: this run has no model (its state is {said.state!r}"
                + (f": {said.error}" if said.error else "")
                + "); train it again"
            )

    @property
    def path(self) -> Path:
        """The run directory."""
        return self.directory.path

    @functools.cached_property
    def model(self) -> "tf.Module":
        """The SavedModel, loaded; a RunError where it holds what no export of tftrain does."""
        from tftrain.runs.inspection import load_model

        return load_model(self.directory.model)

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the predictions for the rows of a table, in their order.

        Args:
            frame: a table with the columns that the run was trained on; others are ignored.

        Returns:
            float64, in the target's own units: shape `(rows,)` for one target, else
            `(rows, targets)`.

        Raises:
            InputError: it is no DataFrame.
            DataError: a column is missing, or holds something else than it should.
        """
        frame = as_table(frame, self.reads)
        targets = self.config.data.target
        result = np.empty((len(frame), len(targets)))
        for start in range(
            0, max(1, len(frame)), BLOCK_ROWS
        ):  # columns are missed without rows too
            block = frame.iloc[start : start + BLOCK_ROWS]
            raw = raw_values(block, self.columns, allow_missing=self._allow_missing)
            predictions = self._call(raw)
            for i, target in enumerate(targets):
                result[start : start + len(block), i] = predictions[target]
        return result[:, 0] if len(targets) == 1 else result

    def _call(self, raw: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return what the model predicts of each target; RunError where it is of another run."""
        import tensorflow as tf

        rows = (len(next(iter(raw.values()), ())),)
        try:
            predictions = self.model.predict(raw)
            values = {name: np.asarray(predictions[name]) for name in self.config.data.target}
        except RunError:
            raise
        except (AttributeError, LookupError, TypeError, ValueError, tf.errors.OpError) as error:
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            raise RunError(f"{self.directory.model}: {NOT_OF_IT}: {reason}") from None
        if any(found.shape != rows or found.dtype != np.float64 for found in values.values()):
            raise RunError(f"{self.directory.model}: {NOT_OF_IT}: not a number for each row")
        return values

    @property
    def _allow_missing(self) -> bool:
        return self.config.data.preprocess.missing != "error"

    def predict_table(self, frame: pd.DataFrame, kept: pd.DataFrame | None = None) -> pd.DataFrame:
        """Return the predictions as a table with a column `predicted_TARGET` for each target.

        Args:
            frame: as for `predict`.
            kept: columns of the same rows that stand in front of the predictions.

        Raises:
            DataError: as `predict`; or a column to keep is called as one of the predictions is.
        """
        targets = self.config.data.target
        names = [f"predicted_{target}" for target in targets]
        for name in names:
            if kept is not None and name in kept.columns:
                raise DataError(f"column {name!r} cannot be kept: a prediction is called that")
        predictions = self.predict(frame).reshape(len(frame), len(targets))
        table = pd.DataFrame(predictions, columns=names)
        return table if kept is None else pd.concat([kept, table], axis=1)

    def read_table(self, path: str | Path, overrides: Sequence[str] = ()) -> pd.DataFrame:
        """Read a csv or parquet table: csv as the run's own was written, or as this one looks.

        Its `attrs["place"]` is its path, for error messages.

        Args:
            path: file or pattern; `-` is standard input.
            overrides: `data.source.KEY=VALUE` strings that say how it is written.

        Raises:
            DataError: it cannot be read.
            ConfigError: an override is wrong.
        """
        return read_for(self, path, overrides)[0]

    def reads(self, name: str) -> bool:
        """Return whether the model, or measuring it, needs the column of a name."""
        return name in self._named

    @functools.cached_property
    def _named(self) -> set[str | None]:
        data = self.config.data
        split = (getattr(data.split, "column", None), getattr(data.split, "by", None))
        return {*(column.name for column in self.columns), *data.target, data.weight, *split}

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"


def load_run(path: str | Path) -> Run:
    """Open a run directory; raise RunError if it is none, or holds no model."""
    return Run(path)
