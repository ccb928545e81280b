"""Metrics of a run on any table, in the target's own units."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from tftrain.data.fingerprint import fingerprint
from tftrain.data.sources import is_parquet
from tftrain.data.sources.frame import as_table
from tftrain.errors import DataError, naming
from tftrain.experiment.origin import CHANGED, fingerprint_of, require_same_data
from tftrain.experiment.prepare import (
    is_part_in_table,
    place_of,
    read_frame,
    row_weights,
    split_rows,
    targets_of,
    with_targets,
)
from tftrain.metrics import error_sums
from tftrain.names import TEST
from tftrain.runs.reading import STANDARD_INPUT
from tftrain.runs.run import Run
from tftrain.runs.table import require_table, with_source


def metrics_of(
    prediction: np.ndarray,
    target: np.ndarray,
    names: Sequence[str],
    weight: np.ndarray | None = None,
) -> dict[str, Any]:
    """Return rows, mse, rmse, mae and r2; with several targets also those of each.

    Args:
        prediction: shape `(rows, targets)`.
        target: same shape.
        names: of the targets.
        weight: of each row, shape `(rows,)`.
    """
    sums = error_sums(prediction, target, weight)
    result: dict[str, Any] = {"rows": len(target), **sums.metrics()}
    if len(names) > 1:
        result["targets"] = {name: sums.of_target(i).metrics() for i, name in enumerate(names)}
    return result


def _another(run: Run, data: pd.DataFrame) -> pd.DataFrame:
    """Return a table that is not the run's own; raise DataError where it has no rows."""
    with naming(place_of(run.config, data)):
        frame = as_table(data, run.reads)
        if not len(frame):
            raise DataError("it has no rows, so there is nothing to measure")
        known = {column.name: column for column in run.plan.measured}
        return with_targets(run.config, frame, known)


def read_for_parts(run: Run, path: str, overrides: Sequence[str] = ()) -> pd.DataFrame:
    """Return a table of which a part is to be measured, read as the run's own table is.

    So the two can be compared.

    Args:
        run: the run.
        path: csv or parquet file or pattern; `-` is standard input.
        overrides: `data.source.KEY=VALUE` strings.
    """
    kind = run.config.data.source.kind
    if path == STANDARD_INPUT or kind != ("parquet" if is_parquet(path) else "csv"):
        return run.read_table(path, overrides)
    there = f"data.source.path={json.dumps(path)}"
    config = with_source(run.config, [*overrides, there], "--set changes how the table is read")
    frame = read_frame(config)
    frame.attrs["place"] = path
    return frame


def evaluate(
    run: Run,
    data: pd.DataFrame | None = None,
    split: str | None = None,
    overrides: Sequence[str] = (),
) -> dict[str, Any]:
    """Return the metrics of a run, from its saved model.

    Args:
        run: the run.
        data: another table; by default the one of the run's config, read again.
        split: train, validation or test: the rows that the run's config puts there. By default
            test for the config's table, and all rows of another one. Another table has the parts
            of the run only where it is equal to the one that the run was trained on, or where
            `data.split.column` names the part in each row of its own accord.
        overrides: `data.source.KEY=VALUE` strings that change where the config's table is, or how
            it is read.

    Raises:
        RunError: the table is another one than the run was trained on, and a part of it is asked
            for.
        DataError: the table does not fit, or has no rows, or the split none, or none of any weight.
        ConfigError: an override is wrong.
    """
    config = run.config
    if overrides:
        config = with_source(config, overrides, "--set changes how the run's table is read")
    if data is None:
        require_table(config, "name a table with --data FILE: all of its rows are measured")
    frame = read_frame(config) if data is None else _another(run, data)
    if split is None and data is None:
        split = TEST
    with naming(place_of(config, data)):
        if split is not None:
            frame = frame.iloc[_rows_of(run, frame, split, another=data is not None)]
            if not len(frame):
                raise DataError(
                    f"no rows for {split}; name another split with --split, or another "
                    "table with --data"
                )
        known = {column.name: column for column in run.plan.measured}
        targets, weights = targets_of(config, frame, known), row_weights(config, frame, known)
        if weights is not None and not weights.sum() > 0:
            raise DataError(f"all rows have weight 0 in column {config.data.weight!r}")
        prediction = run.predict_rows(frame).reshape(targets.shape)
    return metrics_of(prediction, targets, config.data.target, weights)


def _rows_of(run: Run, frame: pd.DataFrame, split: str, another: bool) -> np.ndarray:
    """Return the rows of a part of the run's table, or of one that was named in its place.

    Raises:
        RunError: the rows that the run was trained on could be among them.
    """
    if not (another and is_part_in_table(run.config, frame, split)):
        if another:
            all_rows = remedy = "leave out --split to measure all rows of this table"
            what = f"the run was trained on another table, so this one's {split} rows are not known"
        else:
            all_rows = "measure all rows of a file with --data FILE"
            remedy, what = f"bring the old data back, or {all_rows}", CHANGED
        before = fingerprint_of(run.directory, all_rows)
        require_same_data(run.directory, before, fingerprint(frame), remedy, what)
    return split_rows(run.config, frame)[split]
