"""The engine: many steps, and many epochs, in one compiled program.

A Python call for every step is 10 to 40 times slower on small networks. So the program takes the
orders of several epochs and the range of steps to run, gathers the batches inside, ends each epoch
as `EpochEnd` says, and returns all losses at once. The range is data, not part of the program, so
one program serves every chunk.
"""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from tftrain.errors import InputError, first_line
from tftrain.names import COMPILES
from tftrain.training.batch import Batch
from tftrain.training.epoch_end import EpochEnd, State, Verdict
from tftrain.training.orders import Orders
from tftrain.training.step import Step

CHUNK_SECONDS = 0.5
"""Aim for the length of a chunk: the host does not matter, and Ctrl-C and the time budget, which
are answered at its end, do not wait long."""

CHUNK_STEPS = 8_192
"""Most steps of a chunk of several epochs, which bounds the results that it returns."""

CHUNK_ROWS = 1_048_576
"""Most rows that a chunk of several epochs visits, which bounds their orders."""

COMPILE_SECONDS = 0.4
"""Extra seconds that XLA needs to compile a training, compared with graph mode."""

STEP_SECONDS = 30e-6
"""Seconds that XLA saves in every step, however small."""

OPERATION_SECONDS = 3e-13
"""Seconds that XLA saves per floating-point operation, about 5 % of its cost. These four are
rounded from the rates of fourteen networks, 6e4 to 2e10 operations a step, in both modes and
precisions, on two cores with AVX-512."""

NARROW_STEP = 2e7
"""Operations of a step in bfloat16 above which TensorFlow's own matrix products, twice as fast
there as XLA's, count for more than what XLA saves."""


ASKED_FOR_A_VALUE = re.compile(
    r"symbolic `?tf\.Tensor|not 'SymbolicTensor'"
    r"|'SymbolicTensor' object (cannot be interpreted|has no attribute '(numpy|item|tolist)')"
)
"""How Python and TensorFlow say that a tensor of a program has no value."""


@dataclass(frozen=True)
class Mode:
    """How steps are run, and why: `name` is xla, graph or eager."""

    name: str
    reason: str = "as asked"

    @contextmanager
    def runnable(self) -> Iterator[None]:
        """Raise InputError inside where TensorFlow cannot run a network in this mode."""
        try:
            yield
        except (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError) as error:
            raise InputError(
                f"the network cannot be run in the mode {self.name}: {first_line(error)}"
                + ("; take another mode" if self.name == "xla" else "")
            ) from error

    def compile(self, function: Callable[..., Any], *specs: tf.TensorSpec) -> Callable[..., Any]:
        """Return `function`, for arguments of these specs, as a program of this mode.

        Raises:
            InputError: it cannot be compiled.
        """
        if self.name == "eager":
            return function
        program = tf.function(function, jit_compile=self.name == "xla", autograph=False)
        try:
            return program.get_concrete_function(*specs)
        except (TypeError, AttributeError, NotImplementedError) as error:
            # of which one is tf.errors.OperatorNotAllowedInGraphError, as of `if tensor:`
            if not ASKED_FOR_A_VALUE.search(str(error)):
                raise
            raise InputError(
                "the network or the loss takes a tensor for a Python value, as `if tensor:` and "
                f"float(tensor) do, which no program can ({first_line(error)}): choose with "
                "tf.where or tf.cond, loop with tf.while_loop, or train with compile='eager'"
            ) from error


def choose_mode(wanted: str, operations: float, steps: int, mixed: bool = False) -> Mode:
    """Return the mode for a training run.

    Args:
        wanted: auto, xla, graph or eager; all but auto are taken as they are.
        operations: floating-point operations of one step.
        steps: most steps that the run can take.
        mixed: whether matrix products are taken in bfloat16.

    Raises:
        InputError: there is no such mode.
    """
    if wanted not in COMPILES:
        raise InputError(f"compile must be one of {', '.join(COMPILES)}, got {wanted!r}")
    if wanted != "auto":
        return Mode(wanted)
    if mixed and operations > NARROW_STEP:
        return Mode("graph", "bfloat16: TensorFlow's own matrix products are faster than XLA's")
    saved = steps * (STEP_SECONDS + operations * OPERATION_SECONDS)
    size = f"{steps:,} steps of {operations:.1g} operations"
    if saved < COMPILE_SECONDS:
        return Mode("graph", f"at most {size}: too few to repay XLA's compilation")
    return Mode("xla", f"up to {size}: one XLA program runs them fastest")


@dataclass(frozen=True)
class Chunk:
    """What a call of the program did.

    Attributes:
        epoch: the first epoch that it touched, counted from 0.
        start: steps of this epoch that were made before.
        results: objective of each step since that epoch began, and gradient norm where the watch
            needs it, shape `(steps, 1 or 2)`.
        lines: a `watch.EpochLine` for each epoch that it touched, shape `(epochs, width)`.
        done: steps that have been made now, since training began.
        seconds: wall-clock time of the call.
    """

    epoch: int
    start: int
    results: np.ndarray
    lines: np.ndarray
    done: int
    seconds: float


@dataclass(frozen=True)
class Snapshot:
    """Where training was.

    Attributes:
        done: steps made.
        values: of the variables of network and optimizer. They share memory with the variables
            until these change, which takes a copy then.
        state: a `State` as one tensor.
        results: those of `Engine.unfinished`, in a larger array.
    """

    done: int
    values: Sequence[tf.Tensor]
    state: tf.Tensor
    results: tf.Tensor


class Engine:
    """Runs the steps of a training in chunks.

    Args:
        step: the training step.
        data: all training rows, on the device.
        batch_size: rows per step; the last step of an epoch takes what is left.
        mode: how the chunks are compiled.
        watch: ends each epoch.
        order_seed: seed of the batch order, or None for the order of the table.
        first_epoch: which of the seed's orders the first epoch takes, counted from 0.
        automatic: whether graph mode may take the place of XLA where that cannot compile a program.
        together: whether a chunk may run over the end of an epoch.

    Attributes:
        steps: number of steps in an epoch.
        period: number of steps from one validation to the next.
        capacity: most epochs in a chunk.
        variables: all of the network and the optimizer, parameters first.
        traces: how often a program was traced: once, or never in eager mode.
    """

    def __init__(
        self,
        step: Step,
        data: Batch,
        batch_size: int,
        mode: Mode,
        watch: EpochEnd,
        *,
        order_seed: int | None = None,
        first_epoch: int = 0,
        automatic: bool = False,
        together: bool = True,
    ) -> None:
        self.step = step
        self.data = data
        self.mode = mode
        self.automatic = automatic
        self.watch = watch
        self.rows = data.rows
        self.batch_size = min(batch_size, self.rows)
        self.steps = -(-self.rows // self.batch_size)
        self.period = self.steps * watch.validate_every
        seed = order_seed if self.steps > 1 else None
        rows = 1 if seed is None else self.rows
        fitting = min(CHUNK_STEPS // self.steps, CHUNK_ROWS // rows, watch.epochs)
        self.capacity = max(1, fitting) if together and mode.name != "eager" else 1
        self.state = State.first()
        self.traces = 0
        width = 1 + watch.with_norm
        self._results = tf.zeros([self.capacity * self.steps, width], step.parameters[0].dtype)
        self._orders = (
            None
            if seed is None
            else Orders(self.rows, seed, self.capacity, watch.epochs, first_epoch)
        )
        self._no_orders = tf.zeros([self.capacity, 0], tf.int32)
        self.variables = step.variables
        self._step_seconds = CHUNK_SECONDS
        self._period_seconds: float | None = None

    def prepare(self) -> None:
        """Trace and compile the program, without running a step.

        Raises:
            InputError: it cannot be run in this mode.
        """
        try:
            with self.mode.runnable():
                self._prepare()
        except InputError as error:
            if not (self.automatic and self.mode.name == "xla" and error.__cause__):
                raise
            reason = first_line(error.__cause__).split(". ")[0].rstrip(".")
            self.mode = Mode("graph", f"XLA cannot compile the network: {reason}")
            self._prepare()

    def _prepare(self) -> None:
        orders = tf.TensorSpec([self.capacity, self.rows if self._orders else 0], tf.int32)
        place = tf.TensorSpec([3], tf.int32)
        self._program = self.mode.compile(
            self._run,
            orders,
            place,
            tf.TensorSpec.from_tensor(self._state),
            tf.TensorSpec.from_tensor(self._results),
        )
        self._call(0, 0, 0)

    def close(self) -> None:
        """Say that no more chunks will be run."""
        if self._orders:
            self._orders.close()

    def run(self, done: int, deadline: float | None = None, most: int | None = None) -> Chunk:
        """Run the next chunk.

        Args:
            done: the number of steps made so far.
            deadline: value of `time.monotonic()` by which the chunk should be over.
            most: steps of this chunk, if there is a limit.
        """
        seconds = CHUNK_SECONDS
        if deadline is not None:
            seconds = min(seconds, deadline - time.monotonic())
        epoch, start = divmod(done, self.steps)
        stop = min(self.capacity, self.watch.epochs - epoch) * self.steps
        stop = min(stop, start + self._steps_within(seconds, done))
        if most is not None:
            stop = min(stop, start + most)
        stop = self._whole(stop)
        before = time.monotonic()
        results, lines = self._call(epoch, start, stop)
        spent = time.monotonic() - before
        ended = np.flatnonzero(lines[:, 0] != Verdict.GO_ON)
        if len(ended):
            stop = min(stop, (int(ended[0]) + 1) * self.steps)
        self._learn(done, stop - start, spent)
        done += stop - start
        # Copies, since a view would keep the room for the whole capacity alive.
        results, lines = results[:stop].copy(), lines[: -(-stop // self.steps)].copy()
        return Chunk(epoch, start, results, lines, done, spent)

    def _whole(self, stop: int) -> int:
        """Round `stop` down to the end of an epoch, unless the chunk stays within the first."""
        return stop - stop % self.steps if stop > self.steps else stop

    def _steps_within(self, seconds: float, done: int) -> int:
        """Return the number of steps after `done` that take about `seconds`, validations included.

        At least one; and none beyond the first validation, which may take any time.
        """
        if self._period_seconds is None:
            to_validation = self.period - done % self.period
            return max(1, min(int(seconds / self._step_seconds), to_validation))
        return max(1, int(seconds * self.period / self._period_seconds))

    def _learn(self, done: int, steps: int, spent: float) -> None:
        """Learn from a chunk what a step takes, or else a period with the validation at its end."""
        ends = (done % self.period + steps) // self.period
        spent = max(spent, 1e-9)
        step = spent / steps
        if ends:
            step = min(step, self._step_seconds)
            self._period_seconds = (spent - (steps - ends * self.period) * step) / ends
        else:
            self._step_seconds = step

    @property
    def state(self) -> State:
        """The state that training carries from epoch to epoch outside variables."""
        return State(*tf.unstack(self._state))

    @state.setter
    def state(self, state: State) -> None:
        self._state = tf.stack(state)

    def unfinished(self, done: int) -> np.ndarray:
        """Return the results of the epoch that is not over after `done` steps."""
        return np.asarray(self._results)[: done % self.steps].copy()

    def snapshot(self, done: int) -> Snapshot:
        """Return where training is when `done` steps are made."""
        values = [variable.read_value() for variable in self.variables]
        return Snapshot(done, values, self._state, self._results)

    def replay(self, before: Snapshot, end: int) -> np.ndarray:
        """Make the steps since a snapshot again, up to `end`; return their results."""
        for variable, value in zip(self.variables, before.values, strict=True):
            variable.assign(value)
        self._state, self._results = before.state, before.results
        done, results = before.done, [np.zeros([0, *self._results.shape[1:]])]
        while done < end:
            epoch, start = divmod(done, self.steps)
            stop = self._whole(min(self.capacity * self.steps, start + end - done))
            results.append(self._call(epoch, start, stop)[0][start:stop])
            done += stop - start
        return np.concatenate(results)

    def batch(self, done: int) -> Batch:
        """Return the batch of the step after `done` steps."""
        epoch, step = divmod(done, self.steps)
        first = step * self.batch_size
        rows = min(self.batch_size, self.rows - first)
        if self._orders:
            return self.data.gather(self._orders.of(epoch, 1)[0, first : first + rows])
        return self.data.slice(tf.constant(first), rows)

    def restore(self, state: np.ndarray, results: np.ndarray) -> None:
        """Go on where another engine was: give it the state and the `unfinished` results of it."""
        room = np.zeros(self._results.shape, self._results.dtype.as_numpy_dtype)
        room[: len(results)] = results
        self._state, self._results = tf.constant(state), tf.constant(room)

    def _call(self, epoch: int, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Run the program from step `start` to `stop`, both counted from the start of `epoch`."""
        self._results, lines, self._state = self._program(
            self._orders.of(epoch, -(-stop // self.steps)) if self._orders else self._no_orders,
            tf.constant([epoch, start, stop]),
            self._state,
            self._results,
        )
        return np.asarray(self._results), np.asarray(lines)

    def _run(
        self, orders: tf.Tensor, place: tf.Tensor, state: tf.Tensor, before: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """The program.

        Args:
            orders: of the epochs, shape `(capacity, rows)`; without columns if none are needed.
            place: the first epoch, and the steps from and to which to run, counted from its start.
            state: a `State` as one tensor.
            before: the results of the call before, which may have ended within the first epoch.

        Returns:
            The results of all steps, the lines of all epochs, and the state afterwards; those of
            steps and epochs that were not run are undefined.
        """
        self.traces += not tf.executing_eagerly()
        steps = self.steps
        epoch, start, stop = tf.unstack(place)
        results = tf.TensorArray(before.dtype, size=before.shape[0], clear_after_read=False)
        lines = tf.TensorArray(tf.float64, size=self.capacity, element_shape=[self.watch.width])

        def one_epoch(i: tf.Tensor, state: State, results: Any, lines: Any) -> tuple[Any, ...]:
            first = i * steps
            begin, end = tf.maximum(start - first, 0), tf.minimum(stop - first, steps)
            results = self._steps(orders[i], begin, end, first, results)
            number = tf.cast(epoch + i + 1, tf.float64)
            state, line = self._end(state, number, results.gather(first + tf.range(steps)), end)
            return i + 1, state, results, lines.write(i, line)

        def going_on(i: tf.Tensor, state: State, *_: Any) -> tf.Tensor:
            return (i * steps < stop) & (state.verdict == Verdict.GO_ON)

        _, after, results, lines = tf.while_loop(
            going_on,
            one_epoch,
            [start // steps, State(*tf.unstack(state)), results.unstack(before), lines],
        )
        return results.stack(), lines.stack(), tf.stack(after)

    def _steps(
        self,
        order: tf.Tensor,
        begin: tf.Tensor,
        end: tf.Tensor,
        offset: tf.Tensor,
        results: tf.TensorArray,
    ) -> tf.TensorArray:
        """Make the steps of one epoch from `begin` to `end`; write results from `offset` on."""
        size = self.batch_size
        whole, rest = divmod(self.rows, size)

        def one(k: tf.Tensor, results: tf.TensorArray) -> tuple[tf.Tensor, tf.TensorArray]:
            return k + 1, results.write(offset + k, self._step_on(order, k * size, size))

        if self.steps == 1:
            return one(begin, results)[1]
        _, results = tf.while_loop(lambda k, _: k < tf.minimum(end, whole), one, [begin, results])
        if rest:  # the last step of the epoch, on the rows that are left
            last = tf.cond(
                end > whole,
                lambda: self._step_on(order, whole * size, rest),
                lambda: tf.zeros(self._results.shape[1:], self._results.dtype),
            )
            results = results.write(offset + whole, last)
        return results

    def _step_on(self, order: tf.Tensor, first: tf.Tensor, rows: int) -> tf.Tensor:
        """Make one step on `rows` rows of an epoch from `first` on."""
        batch = self.data
        if self._orders:
            batch = batch.gather(tf.slice(order, [first], [rows]))
        elif rows < self.rows:
            batch = batch.slice(first, rows)
        return self.step(batch, self.watch.with_norm)

    def _end(
        self, state: State, number: tf.Tensor, results: tf.Tensor, end: tf.Tensor
    ) -> tuple[State, tf.Tensor]:
        """Return state and line of an epoch whose steps are made up to `end`, with these results.

        The losses are added up here, once for all steps: in a small network a sum in every step
        would be felt. And all together, wherever chunks ended: a sum depends on its order.
        """
        k = tf.range(self.steps)
        losses, *norms = tf.unstack(tf.cast(results, tf.float64), axis=1)
        rows = tf.minimum(self.batch_size, self.rows - k * self.batch_size)
        rows = tf.cast(tf.where(k < end, rows, 0), tf.float64)
        loss = tf.reduce_sum(tf.math.multiply_no_nan(losses, rows)) / tf.reduce_sum(rows)
        norm = tf.gather(norms[0], end - 1) if norms else tf.zeros_like(loss)
        if self.steps == 1:
            return self.watch.finish(state, number, loss, norm)
        return tf.cond(
            end == self.steps,
            lambda: self.watch.finish(state, number, loss, norm),
            lambda: (state, self.watch.unfinished(loss, norm)),
        )
