"""The parameters of a network: all of them, layers that make theirs at the first call included."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf

from tftrain import nn
from tftrain.errors import InputError, of_type

WANTED = (
    "a tf.Module with a __call__ and trainable variables, such as tftrain.nn.MLP(3, [8], 1) or "
    "tftrain.nn.Sequential([...])"
)


UNKNOWN = object()
"""In place of the output of a network that cannot be called by itself."""


def dtype_of(network: tf.Module) -> tf.DType:
    """Return the dtype of a network's inputs; float32 where it has no variables yet.

    Raises:
        InputError: it is not a network, or its variables are of several dtypes.
    """
    of_type("network", network, tf.Module, WANTED)
    if not callable(network):
        raise InputError("the network has no __call__ that maps inputs to predictions: write one")
    parameters = network.trainable_variables
    return common_dtype(parameters) if parameters else tf.float32


def parameters_of(network: tf.Module, x: tf.Tensor) -> Sequence[tf.Variable]:
    """Return the trainable variables of a network, once every layer has made its own.

    Some layers, as Sonnet's, make their variables at the first call. So the network is traced on a
    row, which computes nothing; where it cannot be traced it is called, and its variables get their
    values back.

    Args:
        network: maps a batch of inputs to a batch of predictions.
        x: inputs, shape `(rows, ...)`.

    Raises:
        InputError: it has no trainable variables, or of several dtypes or without a shape, or uses
            one that is not among those of its modules, so that nothing would train it; or it
            returns something else than a tensor.
    """
    read: Sequence[tf.Variable] = []
    if not _is_ours(network):
        read, output = _read(network, x[:1])
        _require_tensor(output)
    parameters = network.trainable_variables
    if parameters or not read:
        common_dtype(parameters)
    for parameter in parameters:
        if not parameter.shape.is_fully_defined():
            raise InputError(
                f"the variable {parameter.name} has the shape {parameter.shape}, which is not "
                "fixed: create it without shape="
            )
    if type(network).trainable_variables is tf.Module.trainable_variables:
        known = {parameter.ref() for parameter in parameters}
        strays = [variable for variable in read if variable.ref() not in known]
        if strays:
            raise InputError(_not_trained(network, strays[0]))
    return parameters


def _require_tensor(output: Any) -> None:
    """Raise InputError for an output that is not a tensor."""
    if output is UNKNOWN or isinstance(output, (tf.Tensor, tf.Variable, np.ndarray)):
        return
    several = isinstance(output, (tuple, list, dict))
    what = f"a {type(output).__name__}" + (f" of {len(output)}" if several else "")
    raise InputError(
        f"the network returns {'None' if output is None else what}: return one tensor, shape "
        "(rows, ...), the predictions"
    )


def _is_ours(network: tf.Module) -> bool:
    """Return whether all layers are tftrain's own, which make their variables at once."""
    return all(type(layer).__module__.startswith("tftrain.nn.") for _, layer in nn.nodes(network))


def variables_of(network: tf.Module, parameters: Sequence[tf.Variable]) -> list[tf.Variable]:
    """Return all variables of a network, the parameters first, each once.

    Those of a `tf.random.Generator` and the like, which are not `tf.Module`s, are among them.
    """
    held = [*parameters, *network.variables]
    with suppress(ValueError):  # a dictionary with keys that are not text; its modules are there
        tracked = tf.train.TrackableView(network).descendants()
        held += [one for one in tracked if isinstance(one, tf.Variable)]
    return list({variable.ref(): variable for variable in held}.values())


def common_dtype(parameters: Sequence[tf.Variable]) -> tf.DType:
    """Return the dtype of all parameters; raise InputError where there are several, or none."""
    if not parameters:
        raise InputError("the network has no trainable variables")
    for parameter in parameters:
        if not parameter.dtype.is_floating:
            raise InputError(
                f"the variable {parameter.name} holds {parameter.dtype.name}: only floating-point "
                "numbers are trained, so create it with trainable=False"
            )
    names = sorted({parameter.dtype.name for parameter in parameters})
    if len(names) > 1:
        raise InputError(
            f"the network's variables are of several dtypes ({', '.join(names)}); use one"
        )
    return parameters[0].dtype


STATEFUL_DRAWS = frozenset(
    (
        *("RandomUniform", "RandomUniformInt", "RandomStandardNormal", "TruncatedNormal"),
        *("ParameterizedTruncatedNormal", "RandomShuffle", "RandomGamma", "RandomPoissonV2"),
        "Multinomial",
    )
)
"""Operations of `tf.random` whose state nothing can save."""


def stateful_draws(network: tf.Module, x: tf.Tensor) -> list[str]:
    """Return the operations by which a network draws from the global state of `tf.random`."""
    try:
        program, _ = _traced(network, x[:1])
    except Exception:  # as of `if tensor:`
        return []
    graph = program.graph.as_graph_def()
    inner = (node for function in graph.library.function for node in function.node_def)
    return sorted({node.op for node in (*graph.node, *inner)} & STATEFUL_DRAWS)


def _read(network: tf.Module, row: tf.Tensor) -> tuple[list[tf.Variable], Any]:
    """Return the trainable variables that the forward pass reads, and its output.

    Those that are not there yet are made.
    """
    try:
        program, output = _traced(network, row)
    except Exception:  # a variable is made, or a tensor asked for its value, as by `if tensor:`
        called = _called(network, row)
        try:
            program, output = _traced(network, row)
        except Exception:  # what is really wrong, the training itself will say
            return called
    return [variable for variable in program.graph.variables if variable.trainable], output


def _traced(network: tf.Module, row: tf.Tensor) -> tuple[Any, Any]:
    """Return the forward pass as a program, and its output, found without computing anything.

    Raises:
        Exception: the network makes a variable, or cannot be traced.
    """

    def refuse(*arguments: Any, **more: Any) -> Any:
        raise ValueError("a variable would be made")

    def forward(x: tf.Tensor) -> tf.Tensor:
        with tf.variable_creator_scope(refuse):
            outputs.append(network(x))
        return x

    outputs: list[Any] = []
    eagerly = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)  # a tf.function within would note the failure
    try:
        program = tf.compat.v1.wrap_function(forward, [tf.TensorSpec(row.shape, row.dtype)])
    finally:
        tf.config.run_functions_eagerly(eagerly)
    return program, outputs[0]


def _called(network: tf.Module, row: tf.Tensor) -> tuple[list[tf.Variable], Any]:
    """Return what is read and given by a call; variables that were there get their values back."""
    before = [(variable, variable.read_value()) for variable in network.variables]
    try:
        with tf.GradientTape() as tape:
            output = network(row)
        return list(tape.watched_variables()), output
    except Exception as error:  # what is wrong, the training itself will say, if it comes so far
        if not network.trainable_variables:
            reason = str(error).strip().splitlines()[0]
            raise InputError(
                f"the network has no trainable variables, and makes none when it is called with "
                f"inputs of shape {row.shape}: {reason}"
            ) from error
        return [], UNKNOWN
    finally:
        for variable, value in before:
            variable.assign(value)


def _not_trained(network: tf.Module, variable: tf.Variable) -> str:
    place = _place_of(variable, network)
    held = f", which {place} holds," if place else ""
    return (
        f"the variable {variable.name} of shape {tuple(variable.shape)}{held} is used by the "
        "network but is not among its trainable_variables: keep it in an attribute of a tf.Module "
        "(a list, tuple or dictionary there will do), or create it with trainable=False"
    )


def _place_of(variable: tf.Variable, network: tf.Module) -> str | None:
    """Return where a variable is that TensorFlow does not find, such as `layers[0].weight`."""
    left: deque[tuple[str, Any]] = deque([("network", network)])
    seen: set[int] = set()
    while left:
        path, thing = left.popleft()
        if thing is variable:
            return path
        if id(thing) not in seen:
            seen.add(id(thing))
            left += [(path + step, inner) for step, inner in _held_by(thing)]
    return None


def _held_by(thing: Any) -> Iterator[tuple[str, Any]]:
    """Yield what an object holds, each with how it is reached: `.name` or `[number]`."""
    if isinstance(thing, Mapping):
        yield from ((f"[{key!r}]", value) for key, value in thing.items())
    elif isinstance(thing, (list, tuple, set)):
        yield from ((f"[{number}]", value) for number, value in enumerate(thing))
    elif isinstance(thing, partial):
        yield from (("", thing.func), (".args", thing.args), (".keywords", thing.keywords))
    elif not isinstance(thing, (tf.Tensor, tf.Variable, type)):
        inner: Iterable[Any] = getattr(thing, "__dict__", {}).items()
        yield from ((f".{name}", value) for name, value in inner if not name.startswith("_self_"))
        yield from (("", value) for value in _of_function(thing))


def _of_function(thing: Any) -> list[Any]:
    """Return the variables of the functions around a function, and the object of a method."""
    cells = getattr(thing, "__closure__", None) or ()
    around = [cell.cell_contents for cell in cells if _is_filled(cell)]
    return [
        *around,
        *(getattr(thing, name) for name in ("__self__", "__wrapped__") if hasattr(thing, name)),
    ]


def _is_filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018 - it raises where nothing is in it
    except ValueError:
        return False
    return True
