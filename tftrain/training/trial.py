"""A trial of the forward pass, before training: which variables it uses, and what it returns.

Some layers, as Sonnet's, make their variables at the first call. So the network is traced, which
computes nothing; where it cannot be traced it is called, and the variables get their values back.
"""

import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import tensorflow as tf

from tftrain import nn
from tftrain.errors import InputError, first_line
from tftrain.graph import leaves, packed
from tftrain.training.holders import held_by, variables_of

UNKNOWN = object()
"""In place of the output of a network that cannot be called by itself."""

STATEFUL_DRAWS = frozenset(
    (
        *("RandomUniform", "RandomUniformInt", "RandomStandardNormal", "TruncatedNormal"),
        *("ParameterizedTruncatedNormal", "RandomShuffle", "RandomGamma", "RandomPoissonV2"),
        "Multinomial",
    )
)
"""Operations of `tf.random` whose state nothing can save."""


class Trial(NamedTuple):
    """What a trial has shown.

    Attributes:
        output: what the network returns; `UNKNOWN` where it cannot be called.
        read: the variables that it reads, those that are trained at least.
        touched: the handles of all variables that it reads or changes; None where it cannot be
            traced, as one call shows only some of them.
        made: where each variable was made that was not there before: file and line, by its `ref()`.
    """

    output: Any
    read: Sequence[tf.Variable]
    touched: Sequence[tf.Tensor] | None
    made: dict[Any, str]

    def touches(self, variable: tf.Variable) -> bool:
        """Return whether the network may use a variable."""
        handles = self.touched
        return handles is None or any(variable.handle is handle for handle in handles)


def trial_of(network: tf.Module, x: Any) -> Trial:
    """Try a network on rows; variables that are not there yet are made.

    Args:
        network: maps a batch of inputs to a batch of predictions.
        x: inputs, shape `(rows, ...)`, or a nest of such tensors.

    Raises:
        InputError: it cannot be called, and has no trainable variables.
    """
    try:
        return _traced(network, x)
    except Exception:  # a variable is made, or a tensor asked for its value, as by `if tensor:`
        called = _called(network, x)
        try:
            return _traced(network, x)._replace(made=called.made)
        except Exception:  # what is really wrong, the training itself will say
            return called


def stateful_draws(network: tf.Module, x: Any) -> list[str]:
    """Return the operations by which a network draws from the global state of `tf.random`."""
    try:
        program, _ = _program_of(network, x)
    except Exception:  # as of `if tensor:`
        return []
    graph = program.graph.as_graph_def()
    inner = (node for function in graph.library.function for node in function.node_def)
    return sorted({node.op for node in (*graph.node, *inner)} & STATEFUL_DRAWS)


def _traced(network: tf.Module, x: Any) -> Trial:
    """Try without computing anything.

    Raises:
        Exception: the network makes a variable, or cannot be traced.
    """
    program, output = _program_of(network, x)
    graph = program.graph
    return Trial(output, list(graph.variables), list(graph.external_captures), {})


def _program_of(network: tf.Module, x: Any) -> tuple[Any, Any]:
    """Return the forward pass as a program, and its output."""

    def refuse(*arguments: Any, **more: Any) -> Any:
        raise ValueError("a variable would be made")

    def forward(*tensors: tf.Tensor) -> tf.Tensor:
        with tf.variable_creator_scope(refuse):
            outputs.append(nn.call(network, packed(x, tensors), _first_draw()))
        return tensors[0]

    outputs: list[Any] = []
    with _functions_inside_open():
        specs = [tf.TensorSpec(one.shape, one.dtype) for one in leaves(x)]
        program = tf.compat.v1.wrap_function(forward, specs)
    return program, outputs[0]


@contextmanager
def _functions_inside_open() -> Iterator[None]:
    """Run the code of each `tf.function` that the network calls, which notes nothing of it."""
    eagerly = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(eagerly)


def _called(network: tf.Module, x: Any) -> Trial:
    """Try by a call; all variables get their values back, new ones their first."""
    there = [*variables_of(network, []), *(variable for _, variable in held_by(network, ""))]
    values = [(variable, variable.read_value()) for variable in there]
    made: dict[Any, str] = {}

    def note(next_creator: Any, **options: Any) -> Any:
        variable = next_creator(**options)
        values.append((variable, variable.read_value()))
        made[variable.ref()] = _place()
        return variable

    try:
        with (
            _functions_inside_open(),
            tf.GradientTape() as tape,
            tf.variable_creator_scope(note),
        ):
            output = nn.call(network, x, _first_draw())
        return Trial(output, list(tape.watched_variables()), None, made)
    except Exception as error:  # what is wrong, the training itself will say, if it comes so far
        if not network.trainable_variables:
            raise InputError(
                f"the network has no trainable variables, and makes none when it is called with "
                f"inputs of shape {', '.join(str(one.shape) for one in leaves(x))}: "
                f"{first_line(error)}"
            ) from error
        return Trial(UNKNOWN, [], None, made)
    finally:
        for variable, value in values:
            variable.assign(value)


def _first_draw() -> nn.Draw:
    """Return the draw of a first step, as the network trains."""
    return nn.Draw(0, tf.constant(0))


def _place() -> str:
    """Return the file and line of whoever makes a variable: the last that is not a library's."""
    libraries = {"tensorflow", "tftrain", "sonnet"}
    for frame in reversed(traceback.extract_stack()):
        if not libraries & set(Path(frame.filename).parts[-6:]):
            return f"{frame.filename}, line {frame.lineno}"
    return ""
