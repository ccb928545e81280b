"""A run that was trained: its summary, its config, and predictions with its model."""

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tftrain.config import Config, load_config
from tftrain.data.columns import Column, raw_values
from tftrain.data.tables import as_table, read_table
from tftrain.errors import RunError
from tftrain.metrics import BLOCK_ROWS
from tftrain.runs.directory import RunDirectory
from tftrain.runs.summary import summary_of

if TYPE_CHECKING:
    import tensorflow as tf

NOT_OF_IT = "does not predict what the run says; is it the model of another run"


class Run:
    """A run directory, opened.

    Args:
        path: the run directory.

    Attributes:
        directory: its files.
        summary: the content of `summary.json`; while the run is resumed, and where that did not
            end well, with what describes the model of before.
        config: the config it was trained with.
        columns: the raw columns that a prediction needs.

    Raises:
        RunError: it is not a run directory, or the run has no model.
    """

    def __init__(self, path: str | Path) -> None:
        self.directory = RunDirectory(Path(path))
        self.summary: dict[str, Any]
        self.summary, said = summary_of(self.directory)
        if self.directory.config.exists() and not self.directory.config.is_file():
            raise RunError(f"{self.directory.config}: is no file")  # a pipe would be waited for
        self.config: Config = load_config(self.directory.config)
        self.columns = [Column(name, kind) for name, kind in said.columns.items()]
        if not self.columns or not self.directory.find_model():
            again = self.directory.has_checkpoints
            raise RunError(
                f"{path}: this run has no model (its state is {said.state!r}"
                + (f": {said.error}" if said.error else "")
                + (f"); tftrain resume {path} goes on with it" if again else "); train it again")
            )

    @property
    def path(self) -> Path:
        """The run directory."""
        return self.directory.path

    @functools.cached_property
    def model(self) -> "tf.Module":
        """The SavedModel, loaded; a RunError where it holds what no export of tftrain does."""
        from tftrain.runs.inspection import load_model

        return self.directory.read_model(load_model)

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
        frame = as_table(frame)
        targets = self.config.data.target
        result = np.empty((len(frame), len(targets)))
        for start in range(0, len(frame), BLOCK_ROWS):
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

    def predict_table(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the predictions as a table with a column `predicted_TARGET` for each target."""
        targets = self.config.data.target
        predictions = self.predict(frame).reshape(len(frame), len(targets))
        return pd.DataFrame(predictions, columns=[f"predicted_{target}" for target in targets])

    def read_table(self, path: str | Path) -> pd.DataFrame:
        """Read a csv or parquet table; csv the way the run's own data were written, if they were.

        Its `attrs["place"]` is its path, for error messages.

        Raises:
            DataError: it cannot be read.
        """
        source = self.config.data.source
        options = source.model_dump(exclude={"kind", "path"}) if source.kind == "csv" else {}
        text = [column.name for column in self.columns if column.kind == "text"]
        frame = read_table(path, text_columns=text, **options)
        frame.attrs["place"] = str(path)
        return frame

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"


def load_run(path: str | Path) -> Run:
    """Open a run directory; raise RunError if it is none, or holds no model."""
    return Run(path)
