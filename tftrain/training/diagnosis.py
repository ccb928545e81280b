"""Where training diverged: the first step, and in it the first node, with a value not finite."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf

from tftrain.errors import DivergedError, InputError
from tftrain.traces import Arrays, Trace
from tftrain.training.engine import Engine, Snapshot
from tftrain.training.recorder import Tracer


def diagnosed(error: DivergedError, engine: Engine, before: Snapshot, done: int) -> DivergedError:
    """Return the error for the first step at which something was not finite, and say what it was.

    Training repeats itself exactly: the steps since `before` are made anew, fewer and fewer of
    them, until the first is found that spoils a parameter or the loss. Then the network has the
    parameters that this step found, and the step is traced on its batch.

    Args:
        error: what was noticed.
        engine: of the training.
        before: where all was well.
        done: steps made when it was noticed.
    """
    steps = range(before.done + 1, done + 1)
    first = bisect_left(steps, True, key=lambda end: not _is_fine(engine, before, end))
    if first == len(steps):  # such as a loss on validation rows only
        return error
    at = steps[first] - 1
    engine.replay(before, at)
    epoch, step = divmod(at, engine.steps)
    what, value = error.what, error.value
    try:
        trace = Tracer(engine.step, engine.batch(at), engine.mode.name, update=False).run()
        found = first_not_finite(trace)
        found = found or "forward and backward pass of this step are finite: its update is not"
    except (InputError, MemoryError, tf.errors.OpError):  # it can be trained, but not be traced
        found = ""
    return DivergedError(what, value, epoch + 1, step + 1, found)


def _is_fine(engine: Engine, before: Snapshot, end: int) -> bool:
    """Return whether losses and parameters are finite when `end` steps are made."""
    results = engine.replay(before, end)
    return bool(np.isfinite(results).all()) and all(
        np.isfinite(parameter.numpy()).all() for parameter in engine.step.parameters
    )


def first_not_finite(trace: Trace) -> str | None:
    """Return the first value of a trace that is not finite, with statistics, or None.

    The order is that of computation: forward from the input to the loss, then backward.
    """
    for place, values, around in _in_order(trace):
        if not np.isfinite(values).all():
            near = "".join(f"; {name} {statistics(value)}" for name, value in around.items())
            return f"first in {place}: {statistics(values)}{near}"
    return None


def statistics(values: np.ndarray) -> str:
    """Return how many values are not finite, and the range and the mean size of the others."""
    finite = values[np.isfinite(values)].astype(np.float64)
    counts = {
        "NaN": int(np.isnan(values).sum()),
        "infinite": int(np.isinf(values).sum()),
    }
    wrong = " and ".join(f"{count:,} {name}" for name, count in counts.items() if count)
    told = [f"{wrong} of {values.size:,}"] if wrong else []
    if len(finite):
        size = np.abs(finite).mean()
        told.append(f"from {finite.min():.4g} to {finite.max():.4g}, {size:.4g} in the mean")
    return f"({'; finite ones '.join(told)})"


def _in_order(trace: Trace) -> Iterator[tuple[str, np.ndarray, Arrays]]:
    """Yield the name of every array in the order in which they are computed, with its sources."""
    names: Sequence[str] = trace.names()
    for name, node in zip(names, trace.nodes, strict=True):
        sources = {**_numbered("input", node.inputs), **node.parameters}
        for source, values in sources.items():
            yield f"node {name}, forward: its {source}", values, {}
        yield f"node {name}, forward: its output", node.y, sources
    loss = {"prediction": trace.prediction, "target": trace.target}
    yield "the loss", np.array(trace.loss), loss
    for name, node in reversed(list(zip(names, trace.nodes, strict=True))):
        arriving = {"the delta at its output": node.dy}
        yield f"node {name}, backward: the delta at its output", node.dy, {"output": node.y}
        for parameter, gradient in node.gradients.items():
            place = f"node {name}, backward: the gradient of its {parameter}"
            yield place, gradient, {**arriving, **_numbered("input", node.inputs)}
        for place, delta in _numbered("delta at its input", node.sent).items():
            yield f"node {name}, backward: the {place}", delta, arriving


def _numbered(name: str, values: Sequence[np.ndarray]) -> Arrays:
    """Return arrays by name, numbered from 1 where there are several."""
    return {name if len(values) == 1 else f"{name} {k}": v for k, v in enumerate(values, 1)}
