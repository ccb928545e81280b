"""The least memory that a training needs, found before it begins.

Every part is a lower bound whatever the engine, so that nothing is refused that might succeed.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from mmap import mmap
from typing import Any

import numpy as np
import tensorflow as tf

from tftrain import memory
from tftrain.graph import leaves, packed
from tftrain.memory import Need, require
from tftrain.training.batch import Batch
from tftrain.training.evaluator import BATCH_ROWS
from tftrain.training.step import Step
from tftrain.training.tensors import Peak, Tensors

SMALLER = "make the network (model.hidden) or the batches (training.batch_size) smaller"


def require_memory(
    step: Step,
    data: Batch,
    batch_size: int,
    *,
    given: Iterable[Any],
    validation: Batch | None = None,
    copies: int = 0,
    fused: bool = True,
) -> None:
    """Raise OutOfMemoryError where a training needs more memory than the process can have.

    Args:
        step: the training step; its optimizer may not be built yet.
        data: all training rows.
        batch_size: rows per step.
        given: the arrays that the rows come from.
        validation: the validation rows, if there are any.
        copies: further copies of the parameters, as for early stopping.
        fused: whether products of two vectors may never be stored, as in a program of XLA.
    """
    if not _on_host(step.parameters):
        return
    slots = len(step.optimizer.slot_names) + (step.optimizer.average is not None)
    parameters = bytes_of(step.parameters)
    batches = [data] if validation is None else [data, validation]
    held = sum(bytes_of(batch.tensors) for batch in batches)
    table = 0 if any(is_mapped(one) for values in given for one in leaves(values)) else held
    rows = Need(table, "the rows of the table", "train on fewer rows or columns")
    state = _state(step.parameters, 1 + slots + copies, "with the optimizer's slots and copies")
    # The state before the step is kept until the next is known to be finite.
    more = Need(state.size + (1 + slots) * parameters, *state[1:])
    require("training", rows, more)
    whole = batch_size == data.rows

    def gradients(*tensors: tf.Tensor) -> list[tf.Tensor]:
        objective, found = step.differentiate(data.like(tensors), step.parameters)
        return [objective, *(gradient for gradient in found if gradient is not None)]

    peak = least(
        step.parameters, gradients, data.tensors, batch_size, gathered=not whole, fused=fused
    )
    name = f"the activations of a batch of {batch_size:,} rows and their deltas{_in(peak)}"
    require("a training step", rows, state, Need(peak.size, name, SMALLER))
    if validation is not None:
        require_memory_to_predict(step.network, validation.x, rows, state)


def require_memory_to_predict(network: tf.Module, x: Any, *more: Need) -> None:
    """Raise OutOfMemoryError where a network's outputs for a block of rows need too much memory.

    Args:
        network: the network.
        x: the rows, of which `BATCH_ROWS` are predicted at a time.
        more: what else is in memory; the network's parameters by default.
    """
    parameters = network.trainable_variables
    given = leaves(x)
    rows = min(len(given[0]), BATCH_ROWS)
    if not rows or not _on_host(parameters):
        return
    peak = least(parameters, lambda *found: [network(packed(x, found))], given, rows, gathered=True)
    name = f"the activations of {rows:,} rows, which are evaluated together{_in(peak)}"
    block = Need(peak.size, name, "make the network (model.hidden) smaller")
    require("evaluation", *(more or [_state(parameters)]), block)


def least(
    parameters: Iterable[tf.Variable],
    function: Callable[..., list[tf.Tensor]],
    arrays: Iterable[Any],
    rows: int,
    *,
    gathered: bool,
    fused: bool = True,
) -> Peak:
    """Return the least memory of a function of a number of rows, without calling it.

    It is traced, which computes nothing. Where the memory cannot matter even by a generous guess,
    that is left out; and so it is where the function cannot be traced, as with `if tensor:`: the
    training itself will say what is wrong, or run in eager mode.

    Args:
        parameters: the variables that the function uses.
        function: of tensors, returns tensors.
        arrays: all rows, one array for each argument, the network's inputs among them.
        rows: rows that the function is called with.
        gathered: whether these are copies, made for the function.
        fused: whether products of two vectors may never be stored.
    """
    specs = [tf.TensorSpec([rows, *array.shape[1:]], array.dtype) for array in arrays]
    if _generous_guess(parameters, specs) <= memory.limit().size:
        return Peak(0, "")
    try:
        program = tf.function(function, autograph=False).get_concrete_function(*specs)
    except Exception:
        return Peak(0, "")
    tensors = Tensors(fused)
    arguments = [tensors.add(tensor, (), gathered) for tensor in program.inputs[: len(specs)]]
    return tensors.peak(tensors.read(program.graph, arguments))


def _generous_guess(parameters: Iterable[tf.Variable], specs: Sequence[tf.TensorSpec]) -> int:
    """Return bytes that the activations of hardly any network exceed.

    As if each number of a row had an output of its own in every layer, and they all met in pairs,
    as the positions of a sequence do in attention.
    """
    x = specs[0]
    width = sum(math.prod(spec.shape[1:]) for spec in specs)
    layers = sum(max(parameter.shape, default=1) for parameter in parameters)
    return int(x.shape[0]) * width * (width + layers) * x.dtype.size


def _state(parameters: Iterable[tf.Variable], copies: int = 1, besides: str = "") -> Need:
    """Return the need of the parameters and of other variables of their size."""
    count = sum(math.prod(parameter.shape) for parameter in parameters)
    name = " ".join(["the", f"{count:,}", "parameters", besides]).rstrip()
    return Need(copies * bytes_of(parameters), name, "make the network (model.hidden) smaller")


def _in(peak: Peak) -> str:
    return f", the largest of shape {peak.shape}" if peak.shape else ""


def _on_host(parameters: Iterable[tf.Variable]) -> bool:
    """Return whether a network is in the processor's memory: a graphics card has its own."""
    return all("CPU" in parameter.device for parameter in parameters)


def bytes_of(tensors: Iterable[Any]) -> int:
    """Return the bytes of tensors or variables."""
    return sum(math.prod(tensor.shape) * tensor.dtype.size for tensor in tensors)


def is_mapped(values: Any) -> bool:
    """Return whether an array lies in a mapped file, which the system reads as it is used."""
    while isinstance(values, np.ndarray):
        values = values.base
    return isinstance(values, mmap)
