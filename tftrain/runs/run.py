"""A run that was trained: its summary, its config, and predictions with its model."""

import functools
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tftrain.config import Config, load_config
from tftrain.config.custom import UNTRUSTED, with_folder
from tftrain.data.columns import Column
from tftrain.data.plan import Plan, Unseen, require_scalable
from tftrain.data.sources.frame import as_table
from tftrain.errors import DataError, RunError, TftrainWarning
from tftrain.metrics import BLOCK_ROWS
from tftrain.runs.directory import RunDirectory
from tftrain.runs.preprocessing import PREPROCESSING, read_plan
from tftrain.runs.reading import read_for
from tftrain.runs.summary import summary_of
from tftrain.runs.table import with_table_found

if TYPE_CHECKING:
    import tensorflow as tf

NOT_OF_IT = "does not predict what the run says; is it the model of another run"


class Run:
    """A run directory, opened.

    Args:
        path: the run directory.
        trust: whether its SavedModel is loaded whatever it holds, and code that its config names
            (`kind: custom`) may be run. Either could do anything: only for runs of your own.

    Attributes:
        directory: its files.
        summary: the content of `summary.json`; while the run is resumed, and where that did not
            end well, with what describes the model of before.
        config: the config it was trained with, and the path at which its table is now.

    Raises:
        RunError: it is not a run directory, or the run has no model.
    """

    def __init__(self, path: str | Path, trust: bool = False) -> None:
        self.directory = RunDirectory(Path(path))
        self.trust = trust
        self.summary: dict[str, Any]
        self.summary, said = summary_of(self.directory)
        if self.directory.config.exists() and not self.directory.config.is_file():
            raise RunError(f"{self.directory.config}: is no file")  # a pipe would be waited for
        self.config: Config = with_table_found(self.directory, load_config(self.directory.config))
        if not trust:
            self.config = with_folder(self.config, UNTRUSTED, anyway=True)
        if not said.columns or not self.directory.find_model():
            again = self.directory.has_checkpoints
            raise RunError(
                f"{path}: this run has no model (its state is {said.state!r}"
                + (f": {said.error}" if said.error else "")
                + (f"); tftrain resume {path} goes on with it" if again else "); train it again")
            )

    @functools.cached_property
    def plan(self) -> Plan:
        """The fitted preprocessing; a RunError where its file is missing or not one."""
        return self.directory.read_model(lambda model: read_plan(model / PREPROCESSING))

    @property
    def columns(self) -> list[Column]:
        """The raw columns that a prediction needs."""
        return self.plan.columns

    @property
    def path(self) -> Path:
        """The run directory."""
        return self.directory.path

    @functools.cached_property
    def model(self) -> "tf.Module":
        """The SavedModel, loaded; a RunError where it holds what no export of tftrain does."""
        from tftrain.runs.export import serving_arguments
        from tftrain.runs.inspection import load_model

        model = self.directory.read_model(lambda path: load_model(path, self.trust))
        try:
            serving = model.signatures["serving_default"]
            targets = {*serving.structured_outputs}
            arguments = {*serving.structured_input_signature[1]}
        except (AttributeError, LookupError, TypeError) as error:
            raise RunError(f"{self.directory.model}: {NOT_OF_IT}: {error}") from None
        wanted = serving_arguments([column.name for column in self.columns])
        if targets != {*self.config.data.target} or arguments != {*wanted.values()}:
            raise RunError(f"{self.directory.model}: {NOT_OF_IT}: its columns are others")
        return model

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the predictions for the rows of a table, in their order.

        Args:
            frame: a table with the columns that the run was trained on; others are ignored.

        Returns:
            float64, in the target's own units: shape `(rows,)` for one target, else
            `(rows, targets)`.

        Raises:
            InputError: it is not a DataFrame.
            DataError: a column is missing, or holds something else than it should.
        """
        return self.predict_rows(as_table(frame, self.reads))

    def predict_rows(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the predictions for rows of a table whose index has their numbers in it."""
        targets = self.config.data.target
        result = np.empty((len(frame), len(targets)))
        unseen = Unseen(self.plan)
        for start in range(0, max(1, len(frame)), BLOCK_ROWS):  # no rows can lack columns too
            block = frame.iloc[start : start + BLOCK_ROWS]
            raw = self.plan.raw_columns(block)
            require_scalable(self.plan, raw, self.config.model.dtype, block.index)
            unseen.add(raw)
            result[start : start + len(block)] = self._call(raw)
        self._require_finite(result, frame.index)
        for remark in unseen.remarks():
            warnings.warn(remark, TftrainWarning, stacklevel=2)
        return result[:, 0] if len(targets) == 1 else result

    def _require_finite(self, predictions: np.ndarray, index: pd.Index) -> None:
        """Raise DataError, with target and row, where a prediction is not a number."""
        wrong = np.argwhere(~np.isfinite(predictions))
        if len(wrong):
            row, target = wrong[0]
            raise DataError(
                f"the prediction of {self.config.data.target[target]!r} is not finite in row "
                f"{index[row] + 1}: its values are too far from those of training; correct or "
                "drop the row"
            )

    def _call(self, raw: dict[str, np.ndarray]) -> np.ndarray:
        """Return the model's predictions, float64, shape `(rows, targets)`.

        Raises:
            RunError: it is the model of another run.
        """
        import tensorflow as tf

        matrices = self.plan.matrices(raw)
        try:
            found = np.asarray(self.model.predict_matrix(*map(tf.constant, matrices)))
        except RunError:
            raise
        except (AttributeError, LookupError, TypeError, ValueError, tf.errors.OpError) as error:
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            raise RunError(f"{self.directory.model}: {NOT_OF_IT}: {reason}") from None
        if found.shape != (len(matrices[0]), len(self.config.data.target)):
            raise RunError(f"{self.directory.model}: {NOT_OF_IT}: not a number for each row")
        if found.dtype != np.float64:
            raise RunError(f"{self.directory.model}: {NOT_OF_IT}: {found.dtype} numbers")
        return found

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

    def __reduce__(self) -> tuple[Any, ...]:
        """A run is pickled and copied by its path: who unpickles it opens it there, as it is then.

        The path is made absolute, since another process may have another working directory.
        """
        return type(self), (self.path.absolute(),)


def load_run(path: str | Path, *, trust: bool = False) -> Run:
    """Open a run directory.

    Args:
        path: the run directory.
        trust: as for `Run`.

    Raises:
        RunError: it is not a run directory, or holds no model.
    """
    return Run(path, trust)
