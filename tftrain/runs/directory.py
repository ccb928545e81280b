"""The run directory: which files it holds, and how they are written so that none is ever half."""

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tftrain.errors import RunError


class RunDirectory:
    """The files of one run.

    `summary.json` says in its `state` how the run stands: running, finished, interrupted or
    failed. It is written first as running, so a run that is killed never looks finished.

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

    @classmethod
    def create(cls, parent: Path) -> "RunDirectory":
        """Make the next directory of `parent`: 0001, 0002 and so on.

        Raises:
            RunError: it cannot be made.
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
            raise _cannot_write(parent, error) from None
        return cls(path)._claimed()

    @classmethod
    def at(cls, path: Path) -> "RunDirectory":
        """Make the directory `path` itself, which must not exist yet, or be empty.

        Raises:
            RunError: it holds something, or cannot be made.
        """
        try:
            path.mkdir(parents=True, exist_ok=True)
            if any(path.iterdir()):
                raise RunError(
                    f"{path}: is not empty; name a new directory with --output, or "
                    "leave it out for the next free one"
                )
        except OSError as error:
            raise _cannot_write(path, error) from None
        return cls(path)._claimed()

    def _claimed(self) -> "RunDirectory":
        """Say that a run is here now, so that no other one takes the directory."""
        self.write_json(self.summary, {"state": "running"})
        return self

    def write_json(self, path: Path, value: Mapping[str, Any]) -> None:
        """Write JSON to a file of the run, whole or not at all."""
        self.write_text(path, json_text(value, indent=2) + "\n")

    def write_text(self, path: Path, text: str) -> None:
        """Write text to a file of the run, whole or not at all: write aside, flush, rename."""
        aside = path.with_name(path.name + ".part")
        try:
            with aside.open("w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            aside.replace(path)
        except OSError as error:
            raise _cannot_write(path, error) from None


def json_text(value: Any, indent: int | None = None) -> str:
    """Return a value as JSON text; a number that JSON cannot say (NaN, infinity) becomes null."""
    return json.dumps(_with_nulls(value), indent=indent, allow_nan=False)


def _with_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _with_nulls(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_with_nulls(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _cannot_write(path: Path, error: OSError) -> RunError:
    return RunError(
        f"{error.filename or path}: cannot be written: {error.strerror}; choose "
        "another place with output.directory or --output"
    )
