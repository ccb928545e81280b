"""The run directory: which files it holds, and how they are written so that none is ever half."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tftrain.errors import OutputError
from tftrain.files import cannot_write, whole_file


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
        return cls(path)._claimed()

    @classmethod
    def at(cls, path: Path) -> "RunDirectory":
        """Make the directory `path` itself, which must not exist yet, or be empty.

        Raises:
            OutputError: it holds something, or cannot be made.
        """
        try:
            path.mkdir(parents=True, exist_ok=True)
            if any(path.iterdir()):
                raise OutputError(
                    f"{path}: is not empty; name a new directory with --output, or "
                    "leave it out for the next free one"
                )
        except OSError as error:
            raise cannot_write(path, error) from None
        return cls(path)._claimed()

    def _claimed(self) -> "RunDirectory":
        """Say that a run is here now, so that no other one takes the directory."""
        self.write_json(self.summary, {"state": "running"})
        return self

    def write_json(self, path: Path, value: Mapping[str, Any]) -> None:
        """Write JSON to a file of the run, whole or not at all."""
        self.write_text(path, json_text(value, indent=2) + "\n")

    def write_text(self, path: Path, text: str) -> None:
        """Write text to a file of the run, whole or not at all."""
        with whole_file(path) as aside:
            aside.write_text(text, encoding="utf-8")


def json_text(value: Any, indent: int | None = None) -> str:
    """Return a value as JSON text; a number that JSON cannot say (NaN, infinity) becomes null."""
    return json.dumps(_with_nulls(value), indent=indent, allow_nan=False)


def _with_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _with_nulls(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_with_nulls(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
