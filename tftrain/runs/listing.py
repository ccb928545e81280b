"""The runs in a folder: what `tftrain runs` lists, and their removal."""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tftrain.errors import RunError
from tftrain.files import cannot_write
from tftrain.names import TEST, TRAIN, VALIDATION, State
from tftrain.runs.directory import LOCK, RunDirectory
from tftrain.runs.summary import summary_of

ENDED = (State.FINISHED, State.INTERRUPTED, State.FAILED)
"""The states of a summary after its process has ended."""

MOST = sys.float_info.max

RANKED = (VALIDATION, TEST, TRAIN)
"""The parts by how well their metrics show the quality of a run: the first that it has counts."""


@dataclass(frozen=True)
class Listed:
    """One run of a list.

    Attributes:
        path: its directory.
        state: its state now.
        epochs: that its model was trained for, or that it made where it ended without one.
        metric: such as `validation rmse`, if it has a model, be it that of before it was resumed.
        value: of the metric.
        written: when its summary was, in seconds since 1970.
        size: bytes of all its files.
    """

    path: str
    state: State
    epochs: int | None
    metric: str | None
    value: float | None
    written: float
    size: int


def runs_in(folder: str | Path) -> list[Listed]:
    """Return all runs in a folder and below, by path.

    Raises:
        RunError: there is no such folder.
    """
    if not Path(folder).is_dir():
        raise RunError(f"{folder}: no such folder; name that of the runs, such as runs")
    found = []
    for path in sorted(_directories(Path(folder))):
        with suppress(FileNotFoundError):  # removed in the meantime
            found.append(_listed(RunDirectory(path)))
    return found


def remove(run: Listed) -> None:
    """Remove a run that was listed, unless it has changed since.

    Raises:
        RunError: it has, or a process is at it.
        OutputError: it cannot be removed.
    """
    directory = RunDirectory(Path(run.path))
    with directory.locked():
        if _written(directory) != run.written:
            raise RunError(f"{run.path}: has changed since it was listed, and is kept")
        try:
            shutil.rmtree(directory.path)
        except OSError as error:
            raise cannot_write(directory.path, error) from None


def _directories(folder: Path) -> Iterator[Path]:
    """Yield the run directories, and look for none inside them or behind links."""
    for place, folders, files in os.walk(folder):
        if "summary.json" in files and {LOCK, "environment.json"} & {*files}:
            folders.clear()
            yield Path(place)


def _listed(directory: RunDirectory) -> Listed:
    try:
        summary, _ = summary_of(directory)
    except RunError:
        summary = {}
    metric, value = _metric(summary)
    epochs = summary.get("epochs")
    return Listed(
        path=str(directory.path),
        state=_state(directory, summary.get("state")),
        epochs=epochs if isinstance(epochs, int) else None,
        metric=metric,
        value=value,
        written=_written(directory),
        size=_size(directory.path),
    )


def _state(directory: RunDirectory, recorded: Any) -> State:
    """Return the state of a run of which the summary records one."""
    if recorded == State.RUNNING:
        return State.RUNNING if directory.is_locked else State.STOPPED
    return State(recorded) if recorded in ENDED else State.DAMAGED


def _written(directory: RunDirectory) -> float:
    return directory.summary.lstat().st_mtime


def _size(folder: Path) -> int:
    """Return the bytes of all files in a folder, any of which may be gone by now."""
    size = 0
    for place, _, files in os.walk(folder):
        for file in files:
            with suppress(OSError):
                size += Path(place, file).lstat().st_size
    return size


def _metric(summary: dict[str, Any]) -> tuple[str | None, float | None]:
    for part in RANKED:
        metrics = summary.get(part)
        value = metrics.get("rmse") if isinstance(metrics, dict) else None
        if isinstance(value, (int, float)) and not abs(value) > MOST:  # NaN is shown as it is
            return f"{part} rmse", float(value)
    return None, None
