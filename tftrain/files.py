"""Writing files and folders whole or not at all, and knowing whether they still are."""

import hashlib
import os
from collections.abc import Iterable, Iterator
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
        if aside.is_symlink() or (aside.exists() and not aside.is_file()):
            aside.unlink()  # somebody else has put it there; what a link leads to is left alone
        yield aside
        flush(aside)
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


def require_new(
    path: Path, read: Iterable[str | Path | int], force: bool, option: str = "--output"
) -> None:
    """Raise OutputError where writing a file would replace one.

    Args:
        path: the file that will be written.
        read: paths, or descriptors, of what is read: never written over, whatever links lead there.
        force: whether other files may be.
        option: with which another can be named.
    """
    aside = Path(f"{path}.part")
    for file in read:
        if _is_same(path, file) or _is_same(aside, file):
            raise OutputError(
                f"{path}: is what is read, and is never written over; choose another with {option}"
            )
    if path.exists() and not path.is_dir() and not force:
        raise OutputError(f"{path}: exists already; name another with {option}, or add --force")


def _is_same(path: Path, file: str | Path | int) -> bool:
    """Return whether both are one file; a descriptor that is closed, or a missing file, is none."""
    try:
        return os.path.samestat(os.stat(path), os.stat(file))
    except (OSError, ValueError):
        return False


def cannot_write(path: Path, error: OSError | str, option: str = "--output") -> OutputError:
    """Return the error for a file or folder that the system, for some reason, lets us not write."""
    reason = error if isinstance(error, str) else error.strerror
    return OutputError(f"{path}: cannot be written: {reason}; choose another with {option}")


CHECKSUMS = "SHA256SUMS"
"""File of a sealed folder that holds the SHA-256 of each other one, as `sha256sum` writes it."""

MAX_CHECKSUMS = 100_000
"""Bytes of that file, at most."""


def seal(aside: Path, path: Path) -> None:
    """Rename the folder `aside`, which is written, to `path`, when checksums and disk have it all.

    Raises:
        OSError: it cannot be written.
    """
    lines = [f"{_sha256(file)}  {file.name}\n" for file in sorted(aside.iterdir())]
    (aside / CHECKSUMS).write_text("".join(lines), encoding="utf-8")
    for file in aside.iterdir():
        flush(file)
    flush(aside)
    aside.rename(path)
    flush(path.parent)


def damage(path: Path) -> str | None:
    """Return what is wrong with a sealed folder, or None where it is as it was written."""
    try:
        text = bounded_text(path / CHECKSUMS, MAX_CHECKSUMS)
        pairs = [line.partition("  ") for line in text.splitlines()]
        wanted = {name: digest for digest, _, name in pairs}
        found = {file.name for file in path.iterdir()} - {CHECKSUMS}
        for name in sorted({*wanted, *found}):
            if name not in found:
                return f"{name} is missing"
            if not (path / name).is_file() or wanted.get(name) != _sha256(path / name):
                return f"{name} is not what was written"
    except (OSError, ValueError) as error:
        return f"{CHECKSUMS} cannot be read: {error}"
    return None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def flush(path: Path) -> None:
    """Flush a file or folder to disk (fsync)."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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
        ValueError: it is not a file, such as a pipe, or it is too large or not UTF-8.
    """
    if path.exists() and not path.is_file():
        raise ValueError("is no file")
    with path.open("rb") as file:
        raw = file.read(most + 1)
    if len(raw) > most:
        raise ValueError(f"over {most:,} bytes")
    return raw.decode("utf-8")
