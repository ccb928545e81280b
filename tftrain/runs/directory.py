"""The run directory: which files it holds, and how they are written so that none is ever half."""

import json
import math
import os
import platform
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import chain, islice
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock, Timeout

from tftrain.errors import OutputError, RunError
from tftrain.files import bounded_text, cannot_write, whole_file

LOCK = ".lock"

MAX_NAMED = 5
"""Runs of a folder that a message names, at most."""

MAX_SEEN = 10_000
"""Runs of a folder among which those are searched for, at most."""
FACTS = "facts.json"
"""File in a model's folder that describes that model: metrics, epochs, columns."""

T = TypeVar("T")


class RunDirectory:
    """The files of one run.

    `summary.json` says in its `state` how the run stands: running, finished, interrupted or
    failed. It is written first as running, so a run that is killed never looks finished.
    Only the process that holds the lock writes; the system takes it back when a process dies.

    Args:
        path: the directory, which exists.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.yaml"
        self.environment = path / "environment.json"
        self.metrics = path / "metrics.jsonl"
        self.summary = path / "summary.json"
        self.model = path / "model"
        self.tensorboard = path / "tensorboard"
        self.checkpoints = path / "checkpoints"
        self._lock = FileLock(path / LOCK)

    @classmethod
    def create(cls, parent: Path) -> "RunDirectory":
        """Make the next directory of `parent`: 0001, 0002 and so on.

        Raises:
            OutputError: it cannot be made.
        """
        try:
            parent.mkdir(parents=True, exist_ok=True)
            taken = [int(p.name) for p in parent.iterdir() if p.name.isdigit()]
            number = max(taken, default=0) + 1
            while True:
                path = parent / f"{number:04d}"
                try:
                    path.mkdir()
                    break
                except FileExistsError:
                    number += 1
        except OSError as error:
            raise cannot_write(parent, error) from None
        return cls(path)

    @classmethod
    def at(cls, path: Path) -> "RunDirectory":
        """Make the directory `path` itself, unless it exists.

        Raises:
            OutputError: it cannot be made.
        """
        try:
            str(path).encode()  # TensorFlow opens no others
            path.mkdir(parents=True, exist_ok=True)
        except UnicodeEncodeError:
            raise cannot_write(path, "its name is not UTF-8, or the locale is not") from None
        except OSError as error:
            raise cannot_write(path, error) from None
        return cls(path)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is there but what a process leaves that is killed at once."""
        return not self._names() - {LOCK}

    @property
    def is_claimed_only(self) -> bool:
        """Whether a run has not begun here, beyond saying so in the summary."""
        return not self._names() - {LOCK, self.summary.name}

    def _names(self) -> set[str]:
        """Return the names of what is there, but for files that are not written to their end."""
        return {p.name for p in self.path.iterdir() if p.suffix != ".part" or p.is_dir()}

    def texts(self) -> dict[Path, str]:
        """Return what the files say that a run begins with, as far as they can be read."""
        found = {}
        for path in (self.environment, self.config, self.summary):
            with suppress(OSError, ValueError):
                found[path] = bounded_text(path)
        return found

    def require_run(self) -> None:
        """Raise RunError, which names the runs that may be meant, unless there is a run."""
        if self.summary.exists():
            return
        fault = " (it is a file)" if self.path.is_file() else " (no such directory)"
        there = self.path if self.path.is_dir() else self.path.parent
        newest = [str(run) for run in runs_below(there)[-MAX_NAMED:]]
        raise RunError(
            f"{self.path}: not a run directory{'' if self.path.is_dir() else fault}; "
            + (
                f"the newest runs in {there}, the last one last: {', '.join(newest)}"
                if newest
                else "expected one such as runs/diabetes/0001"
            )
        )

    def require_empty(self) -> None:
        """Raise OutputError, with the remedies, unless the directory is empty."""
        if not self.is_empty:
            more = "; --resume goes on with the run in it" if self.summary.is_file() else ""
            raise OutputError(
                f"{self.path}: is not empty; name a new directory with --output, or leave it out "
                f"for the next free one{more}"
            )

    def require_plain(self) -> None:
        """Raise RunError where something in the directory is neither file nor folder.

        What is written to a link hits others, and a pipe would be waited for. tftrain makes
        neither, so somebody else has put it there.
        """
        for place, folders, files in os.walk(self.path):
            for path in (Path(place, name) for name in sorted([*folders, *files])):
                try:
                    mode = path.lstat().st_mode
                except FileNotFoundError:  # another process has removed it
                    continue
                if stat.S_ISLNK(mode):
                    raise RunError(
                        f"{path}: is a link, and what is written to a run could end elsewhere; put "
                        "the file or folder itself there"
                    )
                if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                    raise RunError(f"{path}: is neither a file nor a folder; remove it")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let no other process write here until this is over.

        Raises:
            RunError: another process is writing.
            OutputError: the directory cannot be written.
        """
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise RunError(
                f"{self.path}: {self._writer()} is writing this run; wait until it ends, or end it"
            ) from None
        except OSError as error:
            raise cannot_write(self.path, error) from None
        try:
            self._tell_writer()
            yield
        finally:
            self._lock.release()

    @property
    def state(self) -> str | None:
        """The state that the summary gives, or None where it cannot be read."""
        try:
            return str(self.read_summary().get("state"))
        except RunError:
            return None

    def read_summary(self) -> dict[str, Any]:
        """Return the content of `summary.json`; raise RunError where there is none."""
        self.require_run()
        return _json_object(self.summary, "not a run's summary")

    def find_model(self) -> Path | None:
        """Return the folder of the model, or None where there is none.

        A process that dies while it replaces the model may leave only the one before.
        """
        places = (self.model, old_model(self.model), self.model)  # which is replaced at any time
        return next((place for place in places if place.is_dir()), None)

    def read_model(self, read: Callable[[Path], T]) -> T:
        """Return what `read` makes of the model's folder.

        It is read once more where a process that trains this run has replaced it meanwhile.

        Raises:
            RunError: there is no model, or `read` raised it.
        """
        before = self._model_and_inode()
        try:
            return read(before[0])
        except RunError:
            now = self._model_and_inode()
            if now == before:
                raise
            return read(now[0])

    def _model_and_inode(self) -> tuple[Path, int]:
        place = self.find_model()
        try:
            return (place or self.model), (place or self.model).stat().st_ino
        except OSError as error:
            raise RunError(f"{self.model}: cannot be read: {error.strerror}") from None

    def read_facts(self) -> dict[str, Any]:
        """Return what describes the model that lies here, or nothing where it does not say."""
        place = self.find_model()
        if place is None or not (place / FACTS).exists():
            return {}
        return _json_object(place / FACTS, "not the facts of a model")

    @property
    def has_checkpoints(self) -> bool:
        """Whether there is something to resume from."""
        return self.checkpoints.is_dir() and any(
            path.name.isdigit() and path.is_dir() for path in self.checkpoints.iterdir()
        )

    @property
    def is_locked(self) -> bool:
        """Whether a process is writing here."""
        try:
            with self.locked():
                return False
        except RunError:
            return True
        except OutputError:  # read-only
            return False

    def _tell_writer(self) -> None:
        """Write into the lock's file who holds it."""
        this = {"id": os.getpid(), "host": platform.node()}
        try:
            (self.path / LOCK).write_text(json_text(this), encoding="utf-8")
        except OSError as error:
            raise cannot_write(self.path, error) from None

    def _writer(self) -> str:
        """Return which process holds the lock, as far as it has said so."""
        try:
            writer = json.loads(bounded_text(self.path / LOCK))
            return f"process {int(writer['id'])} on {str(writer['host'])[:100]!r}"
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return "another process"

    def write_json(self, path: Path, value: Mapping[str, Any]) -> None:
        """Write JSON to a file of the run, whole or not at all."""
        self.write_text(path, json_text(value, indent=2) + "\n")

    def write_text(self, path: Path, text: str) -> None:
        """Write text to a file of the run, whole or not at all."""
        with whole_file(path) as aside:
            aside.write_text(text, encoding="utf-8")


def runs_below(folder: Path) -> list[Path]:
    """Return the runs that `folder` holds, or that the folders in it hold, the newest last."""
    found = []
    summaries = chain(folder.glob("*/summary.json"), folder.glob("*/*/summary.json"))
    for summary in islice(summaries, MAX_SEEN):
        with suppress(OSError):  # removed in the meantime, or not to be read
            if any((summary.parent / name).exists() for name in (LOCK, "environment.json")):
                found.append((summary.stat().st_mtime, summary.parent))
    return [path for _, path in sorted(found)]


def old_model(model: Path) -> Path:
    """Return where the model of before lies while a new one takes its place."""
    return model.with_name(model.name + ".old")


def _json_object(path: Path, otherwise: str) -> dict[str, Any]:
    """Return the JSON object in a file; raise RunError where there is none."""
    try:
        content = json.loads(bounded_text(path))
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{path}: cannot be read: {error}") from None
    if not isinstance(content, dict):
        raise RunError(f"{path}: {otherwise}")
    return content


def json_text(value: Any, indent: int | None = None) -> str:
    """Return a value as JSON text; a number that JSON cannot say (NaN, infinity) becomes null."""
    return json.dumps(_with_nulls(value), indent=indent, allow_nan=False)


def _with_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _with_nulls(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_with_nulls(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
