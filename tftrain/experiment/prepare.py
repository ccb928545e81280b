"""From a config to a table that is read, split and understood. Needs no TensorFlow."""

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from importlib.util import find_spec
from typing import Any

import numpy as np
import pandas as pd

from tftrain.config import Config
from tftrain.config.data import Features
from tftrain.data.columns import (
    Column,
    Conventions,
    first_row,
    matching,
    require_column,
    require_columns,
    require_present,
    strays_of,
    understand,
    values_of,
)
from tftrain.data.fingerprint import fingerprint
from tftrain.data.notation import numbers
from tftrain.data.plan import Embedding, Plan, fit_plan, require_representable, target_values
from tftrain.data.sources.bundled import read_sklearn
from tftrain.data.sources.csv import read_csv
from tftrain.data.sources.frame import as_table, drop_unnamed
from tftrain.data.sources.parquet import read_parquet
from tftrain.data.split import Split, by_column, by_fractions, by_order
from tftrain.errors import ConfigError, DataError, excerpt, naming
from tftrain.experiment.custom import require_functions
from tftrain.names import PARTS, TEST, VALIDATION
from tftrain.runs.table import conventions_of


@dataclass(frozen=True)
class Prepared:
    """Everything that is known before TensorFlow is needed.

    Attributes:
        config: the config.
        frame: the whole table, its rows numbered from 0.
        split: the rows of each part.
        plan: the preprocessing, fitted to the training rows.
        targets: targets of all rows in their own units, float64, shape `(rows, targets)`.
        weights: weights of all rows, shape `(rows,)`, or None where there are none.
        seconds: spent on reading and preparing.
        notes: a sentence for each thing that is allowed, but may not be what was meant.
    """

    config: Config
    frame: pd.DataFrame
    split: Split
    plan: Plan
    targets: np.ndarray
    weights: np.ndarray | None
    seconds: float
    notes: tuple[str, ...] = ()

    @functools.cached_property
    def fingerprint(self) -> dict[str, int | str]:
        """Rows, columns and a hash of the whole table."""
        return fingerprint(self.frame)


def read_frame(config: Config, data: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return the table of a config, or `data` in its place, without what is to be left out.

    That is a column of row numbers without a name, and rows without a target. The index counts the
    rows of the table that was read, from 0; `attrs["notes"]` say what was left out.

    Raises:
        DataError: the table cannot be read.
    """
    features = config.data.features
    excluded = [] if isinstance(features, (str, list)) else features.exclude
    frame = drop_unnamed(_read_frame(config, data), {*_named_columns(config), *excluded})
    return with_targets(config, frame)


def _read_frame(config: Config, data: pd.DataFrame | None) -> pd.DataFrame:
    source, needed = config.data.source, _needed(config)
    if data is not None:
        with naming(place_of(config, data)):
            table = as_table(data, needed)
            if not len(table):
                raise DataError("it has no rows")
        return table
    match source.kind:
        case "csv":
            written = source.model_dump(exclude={"kind", "date_format"})
            return read_csv(**written, needed=needed, text_columns=sorted(_date_columns(config)))
        case "parquet":
            return read_parquet(source.path, needed=needed)
        case "sklearn":
            return read_sklearn(source.dataset)
        case "dataframe":
            raise DataError(
                "data.source is a DataFrame: hand it over, tftrain.train(config, "
                "data=frame), or on the command line name a table with --data"
            )


def _named_columns(config: Config) -> set[str]:
    """Return the columns that a config names."""
    data = config.data
    features = data.features if isinstance(data.features, list) else []
    others = (data.weight, getattr(data.split, "column", None), getattr(data.split, "by", None))
    return {*data.target, *features, *(name for name in others if name is not None)}


def _needed(config: Config) -> Callable[[str], bool]:
    """Return which columns are read: those that are named, or all but the excluded ones."""
    named, features = _named_columns(config), config.data.features
    if isinstance(features, list):
        return named.__contains__
    patterns = [] if features == "auto" else features.exclude
    return lambda name: (
        name in named or not any(name == p or fnmatchcase(name, p) for p in patterns)
    )


def with_targets(
    config: Config, frame: pd.DataFrame, known: Mapping[str, Column] | None = None
) -> pd.DataFrame:
    """Return the rows that have all targets, if the config drops the others."""
    wanted = [name for name in config.data.target if name in frame.columns]
    if config.data.missing_target != "drop" or not wanted:
        return frame
    conventions, known = conventions_of(config), known or {}
    values = [target_values(frame, n, conventions, known=known.get(n)) for n in wanted]
    present = ~np.isnan(values).any(axis=0)
    if not present.any():
        raise DataError(f"no row has a value in every target ({', '.join(wanted)})")
    if present.all():
        return frame
    dropped = int((~present).sum())
    kept = frame.iloc[np.flatnonzero(present)]
    verb = "row without a target is" if dropped == 1 else "rows without a target are"
    note = f"{dropped:,} {verb} left out (data.missing_target: drop)"
    kept.attrs = {**frame.attrs, "notes": (*frame.attrs.get("notes", ()), note)}
    return kept


def split_rows(config: Config, frame: pd.DataFrame) -> Split:
    """Return the rows of train, validation and test."""
    wanted = config.data.split
    if wanted.kind == "column":
        return by_column(frame, wanted.column, wanted.validation, config.seed)
    fractions = (wanted.train, wanted.validation, wanted.test)
    if wanted.kind == "ordered":
        return by_order(frame, wanted.by, fractions, conventions_of(config))
    return by_fractions(len(frame), fractions, config.seed)


def is_part_in_table(config: Config, frame: pd.DataFrame, part: str) -> bool:
    """Return whether a column of the table says which rows are in a part, and none is drawn."""
    wanted = config.data.split
    if wanted.kind != "column":
        return False
    said = by_column(frame, wanted.column, 0.0, config.seed)
    return np.array_equal(said[part], split_rows(config, frame)[part])


def feature_names(config: Config, frame: pd.DataFrame) -> list[str]:
    """Return the columns that are features, in the order of the table.

    With `auto` or `exclude` these are all columns but the targets, the weight, and the column
    that defines or orders the split.

    Raises:
        DataError: none is left, one is missing, or one is a target.
    """
    data = config.data
    if isinstance(data.features, list):
        for name in data.features:
            require_column(frame, name, "data.features")
            if name in (*data.target, data.weight, getattr(data.split, "column", None)):
                raise DataError(
                    f"data.features names {name!r}, which is the target, the weight or the split "
                    "column; take it out"
                )
        chosen = list(dict.fromkeys(data.features))
    else:
        reserved = {
            *data.target,
            data.weight,
            getattr(data.split, "column", None),
            getattr(data.split, "by", None),
        }
        patterns = [] if data.features == "auto" else data.features.exclude
        excluded = matching(frame.columns, patterns) | reserved
        chosen = [name for name in frame.columns if name not in excluded]
    if not chosen:
        raise DataError("no column is left as a feature; see data.features")
    return chosen


def place_of(config: Config, data: pd.DataFrame | None = None) -> str:
    """Return the name of the table for error messages."""
    if data is not None:
        return str(getattr(data, "attrs", {}).get("place", "the DataFrame"))
    named = config.data.source.model_dump(exclude={"kind"})
    return str(named.get("path") or named.get("dataset"))


def prepare(config: Config, data: pd.DataFrame | None = None) -> Prepared:
    """Read the table, split it and fit the preprocessing. Needs no TensorFlow.

    Raises:
        InputError: the table does not fit the config, or a package that it needs is missing.
    """
    began = time.monotonic()
    if config.output.tensorboard and find_spec("tensorboard") is None:
        raise ConfigError(
            "output.tensorboard needs the package tensorboard: install tftrain[tensorboard], or "
            "set it to false"
        )
    require_functions(config)
    frame = read_frame(config, data)
    with naming(place_of(config, data)):
        _require_columns_of(config, frame)
        targets = targets_of(config, frame)
        weights = row_weights(config, frame)
        split = split_rows(config, frame)
        _check_parts(config, split, weights)
        columns = columns_of(config, frame)
        plan = _fit(config, frame, split, columns, targets)
        scaled = plan.target.scaled(targets)
        require_representable(scaled, config.model.dtype, plan.target.names, frame.index)
    notes = _notes(config, frame, columns)
    return Prepared(config, frame, split, plan, targets, weights, time.monotonic() - began, notes)


def columns_of(config: Config, frame: pd.DataFrame) -> list[Column]:
    """Return the feature columns, understood."""
    categorical = set(config.data.preprocess.categorical)
    conventions = conventions_of(config)
    names = feature_names(config, frame)
    return [understand(frame, name, conventions, name in categorical) for name in names]


def _require_columns_of(config: Config, frame: pd.DataFrame) -> None:
    """Raise DataError, all at once, for the names in a config of columns that are not there."""
    data = config.data
    wanted: dict[str, Sequence[str | None]] = {
        "data.target": data.target,
        "data.weight": [data.weight],
        "data.split.column": [getattr(data.split, "column", None)],
        "data.split.by": [getattr(data.split, "by", None)],
        "data.features": data.features if isinstance(data.features, list) else [],
        "data.preprocess.categorical": data.preprocess.categorical,
        "data.source.date_format": list(_date_columns(config)),
    }
    excluded = data.features.exclude if isinstance(data.features, Features) else []
    require_columns(
        frame,
        {key: [name for name in names if name is not None] for key, names in wanted.items()},
        {"data.features.exclude": excluded},
    )


def _date_columns(config: Config) -> Mapping[str, str]:
    """Return the columns of dates that a config names, each with its form."""
    form = getattr(config.data.source, "date_format", None)
    return form if isinstance(form, dict) else {}


def _notes(config: Config, frame: pd.DataFrame, columns: Sequence[Column]) -> tuple[str, ...]:
    """Return what was read in a way that its owner may not expect."""
    conventions = conventions_of(config)
    notes = [*frame.attrs.get("notes", ())]
    for column in columns:
        note = None
        if column.kind == "text" and not column.categorical:
            note = _note_on_text(frame[column.name], conventions)
        elif column.kind == "date":
            note = _note_on_dates(frame, column, conventions)
        elif _is_dressed(column, conventions):
            note = f"is read as {_form_of(frame, column)}"
        if note:
            notes.append(f"column {column.name!r} {note}")
    return tuple(notes)


MANY_TEXTS = 20
"""Different texts with digits in them from which a column may be meant as numbers or dates."""


def _note_on_text(series: pd.Series, conventions: Conventions) -> str | None:
    """Return why a column of text may have been meant as something else, or None."""
    strays = strays_of(series, conventions)
    if len(strays):
        return (
            f"is taken as text because row {strays.index[0] + 1} holds "
            f"{excerpt(str(strays.iloc[0]))}; if that stands for a missing value, name it in "
            "data.source.missing_values"
        )
    texts = series.dropna().astype(str)
    distinct = texts.nunique()
    if distinct <= MANY_TEXTS or texts.iloc[:1000].str.contains(r"\d").mean() < 0.8:
        return None
    return (
        f"is taken as text: {distinct:,} categories such as {excerpt(texts.iloc[0])}. Numbers and "
        "dates are recognised where all of a column is written alike; if these are dates, "
        "data.source.date_format can say how they are written"
    )


FAR = np.array(["1700", "2200"], "datetime64[s]").astype(np.int64)
"""Dates beyond these usually stand for something else, such as no end."""


def _note_on_dates(frame: pd.DataFrame, column: Column, conventions: Conventions) -> str | None:
    """Return how the text of a column of dates is read, or that its dates are far apart."""
    seconds = values_of(frame, replace(column, categorical=False))
    ends = [f"{np.datetime64(int(s), 's')}"[:10] for s in (np.nanmin(seconds), np.nanmax(seconds))]
    if np.nanmin(seconds) < FAR[0] or np.nanmax(seconds) >= FAR[1]:
        return (
            f"has dates from {ends[0]} to {ends[1]}; if one of them stands for no date, name it in "
            "data.source.missing_values"
        )
    if not _is_dressed(column, conventions):
        return None
    form = column.notation.date_format
    return f"is read as dates of the form {form}, from {ends[0]} to {ends[1]}"


def _form_of(frame: pd.DataFrame, column: Column) -> str:
    """Return how the text of a column of numbers or times is read, with an example."""
    some = frame.loc[frame[column.name].notna()].iloc[:1]
    value = values_of(some, column)[0]
    read = f"numbers: {excerpt(str(some[column.name].iloc[0]))} is {value:.15g}"
    mark = column.notation.thousands
    other = replace(column.notation, decimal=mark, thousands="")
    if mark not in (",", ".") or numbers(frame[column.name].astype("string"), other)[1].any():
        return read
    return f"{read} (where {mark!r} marks the fraction instead, set data.source.decimal to it)"


def _is_dressed(column: Column, conventions: Conventions) -> bool:
    """Return whether a column's text was found to be written in a form that nobody named."""
    return replace(column.notation, zone=False) != conventions.notation(column.name)


def _fit(
    config: Config,
    frame: pd.DataFrame,
    split: Split,
    columns: Sequence[Column],
    targets: np.ndarray,
) -> Plan:
    """Return the plan fitted to the training rows, which the other rows are found to fit."""
    settings = config.data.preprocess
    plan = fit_plan(
        frame.iloc[split.train],
        columns,
        dict(zip(config.data.target, targets[split.train].T, strict=True)),
        numeric=settings.numeric,
        missing=settings.missing,
        max_categories=settings.max_categories,
        target=settings.target,
        embedding=_embedding(config),
    )
    for part in (VALIDATION, TEST):
        plan.raw_columns(frame.iloc[split[part]])
    names = [*config.data.target, *([config.data.weight] if config.data.weight else [])]
    conventions = conventions_of(config)
    return replace(plan, measured=tuple(understand(frame, n, conventions) for n in names))


def _embedding(config: Config) -> Embedding | None:
    """Return which columns of categories become codes, or None."""
    wanted = getattr(config.model, "embeddings", None)
    if wanted is None or wanted.kind == "none":
        return None
    return Embedding(**wanted.model_dump(exclude={"kind"}))


def targets_of(
    config: Config, frame: pd.DataFrame, known: Mapping[str, Column] | None = None
) -> np.ndarray:
    """Return the targets of all rows, float64, shape `(rows, targets)`.

    Args:
        config: the config.
        frame: the table.
        known: columns as they were understood in training, by name.

    Raises:
        DataError: as `target_values`, or one is missing.
    """
    conventions = conventions_of(config)
    values = [
        target_values(frame, name, conventions, known=(known or {}).get(name))
        for name in config.data.target
    ]
    for name, column in zip(config.data.target, values, strict=True):
        remedy = "fill them, or leave those rows out with data.missing_target: drop"
        require_present(frame, column, name, remedy)
    return np.stack(values, axis=1)


def _check_parts(config: Config, split: Split, weights: np.ndarray | None) -> None:
    """Raise where early stopping has no rows to watch, or a part has no weight at all."""
    if config.training.early_stopping and not len(split.validation):
        raise ConfigError(
            "training.early_stopping needs validation rows, but data.split leaves "
            "none; set its validation above 0"
        )
    for part in PARTS:
        rows = split[part]
        if weights is not None and len(rows) and not weights[rows].sum() > 0:
            raise DataError(
                f"all {part} rows have weight 0 in column {config.data.weight!r} (data.weight)"
            )


def row_weights(
    config: Config, frame: pd.DataFrame, known: Mapping[str, Column] | None = None
) -> np.ndarray | None:
    """Return the weight of each row, or None where the config names no weight column.

    Raises:
        DataError: the column is missing, or holds something else than numbers of zero or more.
    """
    name = config.data.weight
    if name is None:
        return None
    before = (known or {}).get(name)
    weights = target_values(frame, name, conventions_of(config), "data.weight", before)
    require_present(frame, weights, name)
    if (weights < 0).any():
        raise DataError(
            f"column {name!r} (data.weight) must be zero or more, but is "
            f"{weights.min():g} in {first_row(frame, weights < 0)}"
        )
    return weights


def _embedded(plan: Plan) -> list[str]:
    """Return a text for each embedded column: its codes, and the length of their vectors."""
    return [f"{f.column.name} ({f.codes:,} codes, width {f.width})" for f in plan.embedded]


def describe(prepared: Prepared) -> dict[str, Any]:
    """Return what a check reports of a config and its table."""
    plan, config = prepared.plan, prepared.config
    kinds = [column.role for column in plan.columns]
    counts = {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}
    return {
        "rows": len(prepared.frame),
        "split": {part: len(prepared.split[part]) for part in PARTS},
        "columns": counts,
        "features": len(plan.names),
        **({"embedded": _embedded(plan)} if plan.embedded else {}),
        "target": config.data.target,
        "notes": list(prepared.notes),
    }
