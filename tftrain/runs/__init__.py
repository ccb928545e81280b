"""What a run leaves behind: its directory, its metrics and its exported model."""

from tftrain.runs.directory import RunDirectory
from tftrain.runs.run import Run, load_run

__all__ = ["Run", "RunDirectory", "load_run"]
