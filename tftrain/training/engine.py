"""The engine: many steps in one compiled program, with the rows gathered inside it.

A Python call for every step is 10 to 40 times slower on small networks. So the program takes the
order of a whole epoch and the range of steps to run, loops over the batches inside, and gives all
losses back at once. The range is data, not part of the program: one program serves every chunk.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from tftrain.errors import InputError
from tftrain.training.step import Batch, Step

MODES = ("auto", "xla", "graph", "eager")

CHUNK_SECONDS = 0.5
"""Aim for the length of a chunk: the host does not matter, and Ctrl-C is answered soon."""

LARGE_STEP = 1e9
"""Floating-point operations of a step above which matrix products decide, where TensorFlow's own
kernels are at least as fast as XLA's on a CPU."""

REPAYING_STEPS = 6_000
"""Steps of a small network after which the faster steps have repaid XLA's compilation."""


@dataclass(frozen=True)
class Mode:
    """How steps are run, and why: `name` is xla, graph or eager."""

    name: str
    reason: str

    def compile(self, function: Callable[..., tf.Tensor]) -> Callable[..., tf.Tensor]:
        """Return `function` as a program of this mode."""
        if self.name == "eager":
            return function
        return tf.function(function, jit_compile=self.name == "xla", autograph=False)


def choose_mode(wanted: str, operations: float, steps: int) -> Mode:
    """Return the mode for a training run.

    Args:
        wanted: auto, xla, graph or eager; all but auto are taken as they are.
        operations: floating-point operations of one step.
        steps: most steps that the run can take.

    Raises:
        InputError: there is no such mode.
    """
    if wanted not in MODES:
        raise InputError(f"compile must be one of {', '.join(MODES)}, got {wanted!r}")
    if wanted != "auto":
        return Mode(wanted, "as asked")
    if operations > LARGE_STEP:
        return Mode(
            "graph",
            f"large steps ({operations:.1g} operations each): matrix products "
            "decide, and TensorFlow's own are as fast as XLA's",
        )
    if steps < REPAYING_STEPS:
        return Mode("graph", f"at most {steps:,} small steps: too few to repay XLA's compilation")
    return Mode("xla", f"up to {steps:,} small steps: one XLA program runs them fastest")


class Engine:
    """Runs the steps of an epoch in chunks.

    Args:
        step: the training step.
        data: all training rows, on the device.
        batch_size: rows per step; the last step of an epoch takes what is left.
        mode: how the chunks are compiled.
        with_norm: whether the norm of each step's gradient is computed.

    Attributes:
        steps: number of steps in an epoch.
        traces: how often a program was traced: once, or never in eager mode.
    """

    def __init__(
        self, step: Step, data: Batch, batch_size: int, mode: Mode, with_norm: bool = False
    ) -> None:
        self.step = step
        self.data = data
        self.mode = mode
        self.rows = int(data.x.shape[0])
        self.batch_size = min(batch_size, self.rows)
        self.steps = -(-self.rows // self.batch_size)
        self.with_norm = with_norm
        self.traces = 0
        self._chunk = mode.compile(self._run)
        self._seconds_per_step = CHUNK_SECONDS

    def prepare(self) -> None:
        """Trace and compile the program, without running a step."""
        start = tf.constant(0)
        self._chunk(tf.range(self.rows), start, start)

    def run(self, order: np.ndarray, start: int, deadline: float | None = None) -> np.ndarray:
        """Run the next chunk of an epoch.

        Args:
            order: the order in which the epoch visits the rows, int32, shape `(rows,)`.
            start: first step of the chunk, counted from 0.
            deadline: value of `time.monotonic()` by which the chunk should be over.

        Returns:
            Shape `(steps of the chunk, 2)`: objective and gradient norm of each step.
        """
        seconds = CHUNK_SECONDS
        if deadline is not None:
            seconds = min(seconds, deadline - time.monotonic())
        count = max(1, min(self.steps - start, int(seconds / self._seconds_per_step)))
        before = time.monotonic()
        results = self._chunk(tf.constant(order), tf.constant(start), tf.constant(start + count))
        chunk: np.ndarray = results.numpy()[start : start + count]
        self._seconds_per_step = max((time.monotonic() - before) / count, 1e-9)
        return chunk

    def _run(self, order: tf.Tensor, start: tf.Tensor, stop: tf.Tensor) -> tf.Tensor:
        """The program: the steps from `start` to `stop` of an epoch with this order."""
        self.traces += not tf.executing_eagerly()
        size = self.batch_size
        whole = self.rows // size
        results = tf.TensorArray(self.data.y.dtype, size=self.steps, element_shape=[2])

        def body(i: tf.Tensor, results: tf.TensorArray) -> tuple[tf.Tensor, tf.TensorArray]:
            return i + 1, results.write(i, self._on_rows(order, i * size, size))

        def last_partial() -> tf.Tensor:
            rest = self._on_rows(order, whole * size, self.rows - whole * size)
            return results.write(whole, rest).stack()

        _, results = tf.while_loop(lambda i, _: i < tf.minimum(stop, whole), body, [start, results])
        if whole == self.steps:
            return results.stack()
        return tf.cond(stop > whole, last_partial, results.stack)

    def _on_rows(self, order: tf.Tensor, first: tf.Tensor, rows: int) -> tf.Tensor:
        """Make one step on `rows` rows of the order from `first` on."""
        batch = self.data
        if rows < self.rows:
            batch = batch.gather(tf.slice(order, [first], [rows]))
        return self.step(batch, self.with_norm)
