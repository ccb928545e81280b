"""A commented config for a table that nobody has described yet."""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from string import Template

import numpy as np
import pandas as pd

from tftrain.config.loading import check_text
from tftrain.data.columns import Column, Conventions, understand
from tftrain.data.plan import target_values
from tftrain.data.sniff import (
    COMPACT,
    as_patterns,
    compact_dates,
    dates_of_rows,
    missing_marks,
    sniff,
    split_columns,
    useless_columns,
)
from tftrain.data.sources import is_parquet
from tftrain.data.sources.arrow import require_different
from tftrain.errors import naming
from tftrain.experiment.prepare import prepare

TEMPLATE = Template("""\
# $rows rows; $columns
# Keys that are left out have the defaults that `tftrain schema` shows.
# `tftrain check FILE` checks this file and the table; `tftrain train FILE` trains.
seed: 0                       # weights, split and batch order are pure functions of it

data:
  source:
$source
  target: $target
$features
$split
  preprocess:                 # fitted on the training rows only
    numeric: standard         # standard, robust, minmax or none
    missing: mean             # mean, median or error
    target: standard          # metrics and predictions stay in original units

model:
  kind: mlp                   # or linear: a single neuron
  hidden: $hidden
  activation: gelu$embeddings

loss: {kind: mse, l2: 0.0001} # mse, mae, huber or sum_squared_error

optimizer:
  kind: adam                  # sgd, adagrad, rmsprop, adam, adamw, nadam, lamb or lion
  learning_rate: 0.003
  schedule: constant          # constant, step, exponential or cosine

training:
  epochs: $epochs
  batch_size: $batch
  early_stopping:             # the weights of the best epoch are kept
    patience: $patience
""")


def propose(path: str | Path, targets: Sequence[str], folder: Path) -> str:
    """Return the text of a config for a table.

    Args:
        path: the table, csv or parquet.
        targets: the columns to predict.
        folder: where the config will lie; the path of the table in it starts there.

    Raises:
        DataError: the table cannot be read, or a target is missing or not numeric.
    """
    table = sniff(path)
    frame, typed = table.frame, is_parquet(path)
    days = [name for name in compact_dates(frame) if name not in targets]
    known = Conventions(
        decimal=table.options.get("decimal", "."),
        date_format=dict.fromkeys(days, COMPACT),
        typed=typed,
    )
    with naming(str(path)):
        require_different([name for name in table.doubled if name in targets])
        marks = missing_marks(frame, known)
        conventions = replace(known, missing=tuple(marks))
        unlabelled = _unlabelled(frame, targets, conventions)
        useless = useless_columns(frame, conventions)
        if not table.whole:
            useless = {name: f"{why} (of a sample)" for name, why in useless.items()}
        useless |= dict.fromkeys(table.doubled, "several columns are called so")
        splits = split_columns(frame)
        features = [n for n in frame.columns if n not in {*useless, *targets, *splits}]
        if not features:  # rather row numbers than nothing
            kept = {n for n in useless if n not in targets and "numbers the rows" in useless[n]}
            features = [n for n in frame.columns if n in kept]
        useless = {n: why for n, why in useless.items() if n not in {*targets, *features}}
        columns = [understand(frame, name, conventions) for name in features]
    options, remarks = dict(table.options), dict(table.remarks)
    if marks:
        options["missing_values"] = list(marks)
        remarks["missing_values"] = ", ".join(marks.values())
    if days:
        options["date_format"] = known.date_format
        remarks["date_format"] = "or else they are read as numbers"
    text = TEMPLATE.substitute(
        rows=f"{table.rows:,}" if table.whole else f"about {table.rows:,}",
        columns=_columns_line(columns),
        source=_source(Path(path), typed, options, remarks, folder),
        target=_target(targets, unlabelled),
        features=_features(list(frame.columns), useless, splits),
        split=_split(splits, dates_of_rows(frame, columns)),
        embeddings=_embeddings(frame, columns),
        **_settings(table.rows),
    )
    frame.attrs["place"] = str(path)
    prepare(check_text(text, "the proposed config"), frame)
    return text


def _unlabelled(frame: pd.DataFrame, targets: Sequence[str], conventions: Conventions) -> int:
    """Return the number of rows that lack a target."""
    values = [target_values(frame, name, conventions, "--target") for name in targets]
    return int(np.isnan(values).any(axis=0).sum())


def _target(names: Sequence[str], unlabelled: int) -> str:
    text = _yaml(names[0] if len(names) == 1 else list(names))
    if not unlabelled:
        return text
    rows = "row has" if unlabelled == 1 else "rows have"
    return f"{text}\n  missing_target: drop        # {unlabelled:,} {rows} no target"


SETTINGS = {
    10_000: {"hidden": [64, 64], "epochs": 1000, "batch": 32, "patience": 100},
    1_000_000: {"hidden": [128, 128], "epochs": 200, "batch": 256, "patience": 20},
    sys.maxsize: {"hidden": [256, 256], "epochs": 50, "batch": 1024, "patience": 5},
}
"""What suits tables of fewer rows than this."""


def _settings(rows: int) -> dict[str, object]:
    """Return the settings that suit a table of this size."""
    return next(settings for below, settings in SETTINGS.items() if rows < below)


def _columns_line(columns: Sequence[Column]) -> str:
    kinds = [column.role for column in columns]
    counts = [f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds)]
    return f"besides the target: {', '.join(counts)} column{'s' * (len(kinds) != 1)}"


def _source(
    path: Path,
    parquet: bool,
    options: Mapping[str, object],
    remarks: Mapping[str, str],
    folder: Path,
) -> str:
    shown = Path(os.path.relpath(path, folder)).as_posix()
    lines = {"kind": "parquet" if parquet else "csv", "path": shown, **options}
    comments = {key: f"  # {remark}" for key, remark in remarks.items()}
    return "\n".join(
        f"    {key}: {_yaml(value)}{comments.get(key, '')}" for key, value in lines.items()
    )


def _features(names: list[str], useless: Mapping[str, str], splits: list[str]) -> str:
    patterns = as_patterns(splits[1:] if len(splits) < 3 else splits, names)
    excluded = [(p, "other splits") for p in patterns if splits] + list(useless.items())
    if not excluded:
        return "  features: auto              # or a list of columns, or {exclude: [...]}"
    lines = [f"      - {_yaml(name)}  # {why}" for name, why in excluded]
    return "\n".join(
        ["  features:                   # all columns but these", "    exclude:", *lines]
    )


def _split(splits: Sequence[str], dates: Sequence[str]) -> str:
    if splits:
        return (
            "  split:                      # a column of the table says train or test\n"
            f"    kind: column\n    column: {_yaml(splits[0])}\n"
            "    validation: 0.15          # of the train rows, if the column names none"
        )
    ordered = f"{{kind: ordered, by: {_yaml(dates[0])}}} to forecast" if dates else "kind: ordered"
    return (
        f"  split:                      # at random; or kind: column, or {ordered}\n"
        "    kind: fractions\n    train: 0.7\n    validation: 0.15\n    test: 0.15"
    )


MANY_CATEGORIES = 50
"""Categories from which a column is better embedded than one-hot, where the rest share one."""


def _embeddings(frame: pd.DataFrame, columns: Sequence[Column]) -> str:
    """Return the line that embeds columns of many categories; nothing where there are none."""
    counts = {column.name: frame[column.name].nunique() for column in columns if column.is_text}
    many = [f"{count:,}" for count in counts.values() if count > MANY_CATEGORIES]
    if not many:
        return ""
    what = f"{many[0]} categories in a column" if len(many) == 1 else f"{len(many)} such columns"
    return f"\n  embeddings: auto            # a trained vector for each category: {what}"


def _yaml(value: object) -> str:
    """Return a name or a list of names as YAML; JSON strings are YAML strings."""
    plain = isinstance(value, str) and value.replace("_", "a").isalnum() and value[0].isalpha()
    reserved = str(value).lower() in ("true", "false", "null", "yes", "no", "on", "off", "nan")
    if plain and not reserved:
        return str(value)
    return "".join(map(_visible, json.dumps(value, ensure_ascii=False)))


def _visible(character: str) -> str:
    """Return a character as it may stand in a quoted text of YAML."""
    return character if character.isprintable() else f"\\U{ord(character):08x}"
