"""Where the table of a run is, even after a project was moved, and how its cells are written."""

import glob
import json
import os
from collections.abc import Sequence
from pathlib import Path

from tftrain.config import Config, load_config, parse_override
from tftrain.config.loading import with_path
from tftrain.data.columns import Conventions
from tftrain.data.sources.paths import files_of
from tftrain.errors import DataError, InputError
from tftrain.files import bounded_text
from tftrain.runs.directory import RunDirectory

KEY = "table"
"""Entry of `environment.json`: the path of the table, starting at the run directory."""

AS_SET = "if it was moved, name it with --set data.source.path=FILE"


def path_from_run(directory: RunDirectory, config: Config) -> str | None:
    """Return the path of a config's table, starting at the run directory; None without a file."""
    path = _path_of(config)
    return None if path is None else Path(os.path.relpath(path, directory.path)).as_posix()


def with_table_found(directory: RunDirectory, config: Config) -> Config:
    """Return the config of a run with the path at which its table is now.

    A project that was moved, renamed or copied has its table where it was as seen from the run.
    That place comes first: a copy must not read the original's table. A run that was moved by
    itself, or whose config was edited, has it at the path in the config.
    """
    path = _path_of(config)
    if path is None:
        return config
    try:
        told = json.loads(bounded_text(directory.environment))
        relative = Path(told[KEY])
        same = told["config"]["data"]["source"]["path"] == path and relative.name == Path(path).name
    except (OSError, ValueError, TypeError, LookupError, RecursionError):
        return config  # a run of an older version, or a damaged file
    for run in (directory.path.absolute(), directory.path.resolve()):
        place = os.path.normpath(run / relative)
        if same and _is_there(place):
            return with_path(config, place)
    return config


def require_table(config: Config, remedy: str = AS_SET) -> None:
    """Raise DataError, with the remedy, where the files of a run's table are not there."""
    path = _path_of(config)
    if path is None:
        return
    try:
        files_of(path)
    except DataError as error:
        raise DataError(f"{error}; {remedy}") from None


def with_source(config: Config, overrides: Sequence[str], refusal: str) -> Config:
    """Return the config of a run with other settings of the source of its data.

    Args:
        config: of the run.
        overrides: `key.path=value` strings.
        refusal: why nothing else can be set.

    Raises:
        InputError: something else is set.
        DataError: the table is not there.
    """
    if any(parse_override(text)[0][:2] != ("data", "source") for text in overrides):
        raise InputError(f"{refusal}; only keys of data.source can be set, as data.source.path")
    changed = load_config(config, overrides)
    require_table(changed)
    return changed


def conventions_of(config: Config) -> Conventions:
    """Return how the cells of a config's table are written."""
    source = config.data.source
    if source.kind == "sklearn":
        return Conventions()
    return Conventions(
        missing=tuple(source.missing_values),
        decimal=source.decimal,
        date_format=source.date_format or "",
        typed=source.kind != "csv",
    )


def _path_of(config: Config) -> str | None:
    return getattr(config.data.source, "path", None)


def _is_there(path: str) -> bool:
    """Return whether a file is there, or for a pattern its folder: nothing is searched for."""
    places = [Path(path), *Path(path).parents]
    try:
        if places[0].is_file() or not glob.has_magic(path):
            return places[0].is_file()
        return next(place for place in places if not glob.has_magic(str(place))).is_dir()
    except (OSError, ValueError):  # a name that is too long, a null character
        return False
