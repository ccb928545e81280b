"""Reading a new table for a run: as the run's own was written, or as this one is."""

import stat
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from tftrain.config import Config, load_config
from tftrain.config.loading import parse_override
from tftrain.data import limits
from tftrain.data.columns import typed_values
from tftrain.data.csv_text import CsvFormat
from tftrain.data.dialect import find_dialect, sure_encoding
from tftrain.data.sample import pieces_of
from tftrain.data.sources import is_parquet, read_as_written
from tftrain.data.sources.csv import read_csv
from tftrain.data.sources.parquet import read_parquet
from tftrain.data.sources.paths import files_of
from tftrain.errors import ConfigError, DataError, naming
from tftrain.runs.table import conventions_of

if TYPE_CHECKING:
    from tftrain.runs.run import Run

STANDARD_INPUT = "-"

DIALECT = (
    "delimiter", "decimal", "encoding", "quote", "escape", "comment", "header", "skip_rows",
)  # fmt: skip
"""Options that a new file may have otherwise than the run's own table."""


def files_read(path: str) -> list[str | int]:
    """Return the files of a path or pattern; of standard input, its descriptor.

    Raises:
        DataError: there is none.
    """
    if path == STANDARD_INPUT:
        return [0]
    return [path] if _is_pipe(path) else list(files_of(path))


def _of_new_file(config: Config, overrides: Sequence[str]) -> Config:
    """Return the config of a run as if its table were a new CSV file, written as overrides say.

    Raises:
        ConfigError: an override is of another key, or wrong.
    """
    for override in overrides:
        key, _ = parse_override(override)
        if key[:2] != ("data", "source") or len(key) != 3 or key[2] in ("kind", "path"):
            raise ConfigError(
                f"--set {override}: only keys of data.source that say how the table is written can "
                "be set here, such as data.source.delimiter=;"
            )
    source = config.data.source
    kept = source.model_dump(mode="json") if source.kind == "csv" else {}
    data = config.model_dump(mode="json")
    data["data"]["source"] = {**kept, "kind": "csv", "path": "data"}
    return load_config(data, overrides)


def read_for(
    run: "Run", path: str | Path, overrides: Sequence[str] = (), keep: Sequence[str] = ()
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return a table for a run to predict or to measure, and columns as they are written in it.

    A CSV file is read as the run's own table was written. Where that fails, or gives fewer of the
    columns that the model reads, it is read as the file itself looks.

    Args:
        run: the run.
        path: csv or parquet file or pattern; `-` is standard input.
        overrides: `data.source.KEY=VALUE` strings, which hold in any case.
        keep: columns to return as they are written: texts from CSV, their own types from Parquet.

    Returns:
        The table, its `attrs["place"]` its path, for error messages; and the columns in `keep`.

    Raises:
        DataError: it cannot be read, or has none of the columns in `keep`.
        ConfigError: an override is wrong.
    """
    place = "standard input" if str(path) == STANDARD_INPUT else str(path)
    config = _of_new_file(run.config, overrides)
    given = {str(parse_override(text)[0][2]) for text in overrides}
    with _regular(path, place) as file:
        if is_parquet(file):
            if given:
                raise ConfigError(
                    f"{place}: is a Parquet file, to which data.source.{min(given)} does not apply"
                )
            options: dict[str, Any] = {}
            frame = read_parquet(file, needed=run.reads, allow_empty=True)
        else:
            options = config.data.source.model_dump(exclude={"kind", "path", "date_format"})
            frame, options = _read_csv(run, file, options, given)
            config = _with_options(config, options)
            if given & {"date_format", "missing_values"} or options["decimal"] != _decimal(run):
                frame = _converted(run, frame, config)
        kept = read_as_written(file, keep, **options) if keep else frame[[]]
    frame.attrs["place"] = place
    return frame, kept


def _decimal(run: "Run") -> str:
    """Return the decimal mark of a run's own table."""
    return getattr(run.config.data.source, "decimal", ".")


def _with_options(config: Config, options: Mapping[str, Any]) -> Config:
    """Return a config whose source has the options with which a CSV file was read."""
    source = config.data.source.model_copy(update=dict(options))
    return config.model_copy(update={"data": config.data.model_copy(update={"source": source})})


def _converted(run: "Run", frame: pd.DataFrame, config: Config) -> pd.DataFrame:
    """Return a table whose texts are values, read as a config says and not as the run's plan does.

    Raises:
        DataError: a value is not what its column must hold.
    """
    conventions = conventions_of(config)
    here = [column for column in run.columns if column.name in frame.columns]
    values = {}
    for column in here:
        said = conventions.notation(column.name)
        notation = replace(
            column.notation,
            missing=said.missing,
            date_format=said.date_format or column.notation.date_format,
        )
        if notation.decimal == _decimal(run):  # the marks of fraction and thousands go together
            notation = notation.with_decimal(said.decimal)
        values[column.name] = typed_values(frame, replace(column, notation=notation))
    return frame.assign(**values)


def _read_csv(
    run: "Run", file: str, options: dict[str, Any], given: set[str]
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the table of a CSV file, and the options with which it was read.

    Args:
        run: the run.
        file: file or pattern.
        options: with which the run's own table was read, changed by the user.
        given: those that the user has given.
    """
    first = files_of(file)[0]
    text = [column.name for column in run.columns if column.is_read_as_text]

    def read(options: dict[str, Any]) -> pd.DataFrame:
        return read_csv(file, needed=run.reads, allow_empty=True, text_columns=text, **options)

    sure = sure_encoding(pieces_of(first).parts[0])
    if sure and "encoding" not in given:
        options = {**options, "encoding": sure}
    frame: pd.DataFrame | None = None
    try:
        frame = read(options)
        if not _misfits(run, frame):
            return frame, options
    except DataError as error:
        refusal = error
    found = find_dialect(first, {key: options[key] for key in given if key in DIALECT})
    plain = CsvFormat()
    other = {**options, **{key: found.get(key, getattr(plain, key)) for key in DIALECT}}
    if other != options:
        try:
            better = read(other)
        except DataError as error:
            better, refusal = None, error
        if better is not None and (frame is None or _misfits(run, better) < _misfits(run, frame)):
            return better, other
    if frame is None:
        raise refusal
    return frame, options


def _misfits(run: "Run", frame: pd.DataFrame) -> int:
    """Return how many columns that the model needs are missing, or texts in place of numbers.

    A target may be missing, but is not text if it is there.
    """
    numbers = [column.name for column in run.columns if not column.is_read_as_text]
    missing = sum(column.name not in frame.columns for column in run.columns)
    present = set(frame.columns) & {*numbers, *run.config.data.target}
    return missing + sum(pd.api.types.is_string_dtype(frame[name].dtype) for name in present)


@contextmanager
def _regular(path: str | Path, place: str) -> Iterator[str]:
    """Give the path of a file that can be read twice: of a pipe, or standard input, a copy.

    Raises:
        DataError: there is more in it than memory can hold.
    """
    text = str(path)
    if text != STANDARD_INPUT and not _is_pipe(text):
        yield text
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "table"
        with copy.open("wb") as target:
            if text == STANDARD_INPUT:
                _copy(sys.stdin.buffer, target, place)
            else:
                with open(text, "rb") as stream:
                    _copy(stream, target, place)
        try:
            yield str(copy)
        except DataError as error:
            raise DataError(str(error).replace(str(copy), place)) from None


def _is_pipe(path: str) -> bool:
    try:
        return stat.S_ISFIFO(Path(path).stat().st_mode)
    except (OSError, ValueError):
        return False


def _copy(stream: Any, target: Any, place: str) -> None:
    """Copy a stream into a file, as long as memory could hold it."""
    seen = 0
    while data := stream.read(1 << 20):
        seen += len(data)
        with naming(place):
            limits.require_memory(seen)
        target.write(data)
