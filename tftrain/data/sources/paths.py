"""The files that a path or a pattern names."""

import glob
from pathlib import Path

from tftrain.errors import DataError, did_you_mean, excerpt


def files_of(path: str | Path) -> list[str]:
    """Return the files that a path or glob pattern names, sorted.

    Raises:
        DataError: there is none, naming the nearest file of the folder for one that is no pattern.
    """
    text = str(path)
    try:
        return _files_of(text)
    except (OSError, ValueError) as error:  # a name that is too long, a null character
        if isinstance(error, DataError):
            raise
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{excerpt(text)}: cannot be read: {reason}") from None


def _files_of(text: str) -> list[str]:
    if Path(text).is_file():
        return [text]
    if Path(text).is_dir():
        raise DataError(f"{text}: is a folder; name a file or a pattern such as {text}/*.csv")
    if text.count("**") > 1:
        raise DataError(f"{text}: ** stands for all folders below; give it once")
    files = sorted(f for f in glob.glob(text, recursive=True) if Path(f).is_file())
    if not files and glob.has_magic(text):
        raise DataError(f"{text}: no file matches")
    if not files:
        folder = Path(text).parent
        if not folder.is_dir():
            raise DataError(f"{text}: no such file (the folder {folder} does not exist either)")
        near = did_you_mean(Path(text).name, [p.name for p in folder.iterdir()])
        raise DataError(f"{text}: no such file{near}")
    return files


def stem_of(path: str | Path) -> str:
    """Return the name of a table's file without its extensions: `a/b.csv.gz` is `b`."""
    return Path(path).name.split(".")[0].strip("*?[]") or "table"
