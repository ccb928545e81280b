"""Writing files whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tftrain.errors import InputError, OutputError


@contextmanager
def whole_file(path: Path, option: str = "--output") -> Iterator[Path]:
    """Give a path to write to, beside `path`, and rename it to `path` when it is written.

    Args:
        path: the file.
        option: with which another can be named.

    Raises:
        OutputError: it cannot be written; what was at `path` is as it was.
    """
    require_writable(path, option)
    aside = path.with_name(path.name + ".part")
    try:
        yield aside
        with aside.open("rb") as file:
            os.fsync(file.fileno())
        aside.replace(path)
    except OSError as error:
        raise cannot_write(path, error, option) from None
    finally:
        if aside.exists():
            aside.unlink()


def require_writable(path: Path, option: str = "--output") -> None:
    """Raise OutputError where it is plain, before anything is computed, that a file cannot be."""
    folder = path.absolute().parent
    if path.is_dir():
        raise cannot_write(path, "it is a folder", option)
    if not folder.is_dir():
        raise cannot_write(path, "its folder does not exist", option)
    if not os.access(folder, os.W_OK):
        raise cannot_write(path, "its folder is read-only", option)


def cannot_write(path: Path, error: OSError | str, option: str = "--output") -> OutputError:
    """Return the error for a file or folder that the system, for some reason, lets us not write."""
    reason = error if isinstance(error, str) else error.strerror
    return OutputError(f"{path}: cannot be written: {reason}; choose another with {option}")


def expanded(path: str, key: str) -> Path:
    """Return a path with `~` and `~user` as their folders; raise InputError for an unknown user."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise InputError(f"{key}: {path}: whose home folder this is, is not known here") from None


def bounded_text(path: Path, most: int = 1 << 24) -> str:
    """Return the text of a file.

    Raises:
        FileNotFoundError: there is none.
        OSError: it cannot be read.
        ValueError: it is no file, such as a pipe, or it is too large or not UTF-8.
    """
    if path.exists() and not path.is_file():
        raise ValueError("is no file")
    with path.open("rb") as file:
        raw = file.read(most + 1)
    if len(raw) > most:
        raise ValueError(f"over {most:,} bytes")
    return raw.decode("utf-8")
