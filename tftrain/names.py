"""Names that several rooms use: parts of a table, states of a run, modes and dtypes."""

from enum import StrEnum
from typing import Final, Literal, get_args

TRAIN, VALIDATION, TEST = PARTS = ("train", "validation", "test")
"""The parts of a table, in the order in which they are shown."""


class State(StrEnum):
    """The state of a run.

    A summary is never `stopped` or `damaged`: these are found when the run is looked at.
    """

    RUNNING = "running"
    """A process is working on it."""
    STOPPED = "stopped"
    """Its process was killed."""
    FINISHED = "finished"
    INTERRUPTED = "interrupted"
    FAILED = "failed"
    DAMAGED = "damaged"
    """Its summary cannot be read."""


Mode = Literal["eager", "graph", "xla"]
"""A way of running a step: op by op, as a TensorFlow graph, or as one XLA program."""

MODES: tuple[Mode, ...] = get_args(Mode)

Compile = Literal["auto", "xla", "graph", "eager"]
"""A mode, or `auto` for the fastest one that is safe."""

COMPILES: tuple[Compile, ...] = get_args(Compile)

DType = Literal["float32", "float64"]
"""A dtype of parameters."""

DTYPES: tuple[DType, ...] = get_args(DType)

Precision = Literal["full", "mixed_bfloat16"]
"""The precision of hidden layers: that of the parameters, or bfloat16."""

PRECISIONS: tuple[Precision, ...] = get_args(Precision)

MIXED: Final = "mixed_bfloat16"
