"""Tables written to files."""

import os
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from tftrain.data.sources.parquet import is_called_parquet
from tftrain.errors import OutputError
from tftrain.files import require_new, whole_file


def check_writable(path: str | Path, read: Iterable[str | int] = (), force: bool = True) -> None:
    """Raise OutputError where no table can be written to `path`: before the work, not after it.

    Args:
        path: where it will be written.
        read: files, or descriptors of open ones, that are read; they are never written over.
        force: whether another file may be written over.
    """
    target = Path(path)
    if target.suffix.lower() not in (".csv", ".parquet", ".pq"):
        raise OutputError(f"{path}: name the output .csv or .parquet")
    if target.is_dir():
        raise OutputError(f"{path}: is a folder; name a file in it")
    if not target.absolute().parent.is_dir():
        raise OutputError(f"{path}: the folder {target.parent} does not exist; make it first")
    require_new(target, read, force)
    if not os.access(target if target.exists() else target.absolute().parent, os.W_OK):
        raise OutputError(f"{path}: cannot be written: permission denied; choose another place")


def write_table(frame: pd.DataFrame, path: str | Path) -> None:
    """Write a table as csv or parquet, by the ending of the path, whole or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    with whole_file(Path(path)) as aside:
        if is_called_parquet(path):
            frame.to_parquet(aside, index=False)
        else:
            frame.to_csv(aside, index=False)
