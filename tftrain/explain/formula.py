"""A formula as a graph of nodes, in TensorFlow and in NumPy."""

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from tftrain.explain.text import ROUNDED, beside, sum_of, table_of, wrapped
from tftrain.reference.expression import Adjoint, Expression, shown


def explain_expression(expression: Expression, point: Mapping[str, float]) -> str:
    """Explain a formula as a graph: forwards its values, backwards the delta of every node.

    Args:
        expression: the formula.
        point: the value of each of its inputs.

    Raises:
        InputError: a value or a derivative is not finite there.
    """
    names = ", ".join(expression.inputs)
    numbers = ", ".join(shown(point[name]) for name in expression.inputs)
    values = expression.forward(point)
    adjoints = expression.backward(values)
    their_values, their_deltas = _expression_in_tensorflow(expression, point)
    forward = [
        [f"f_{i + 1}", *_node_cells(expression, i, values), *beside(their_values[i], value)]
        for i, value in enumerate(values)
    ]
    backward = {
        i: [*_delta_cells(expression, i, adjoint, values), *beside(their_deltas[i], adjoint.delta)]
        for i, adjoint in reversed(list(enumerate(adjoints)))
        if adjoint is not None
    }
    gradient = [
        [f"df/d{name}", f"delta_{i + 1}", *backward[i][3:]] for name, i in expression.inputs.items()
    ]
    sides = ["TensorFlow", "NumPy", "apart"]
    return "\n".join(
        [
            wrapped(f"f({names}) = {expression.formula} at ({names}) = ({numbers}). {ROUNDED}"),
            "",
            f"1. FORWARD: {len(values)} nodes, each a function of nodes before it; the last is f",
            table_of(["node", "operation", "with its numbers", *sides], forward, left=3),
            "",
            "2. BACKWARD: delta_n = df/df_n is the sum over the nodes m that use f_n of "
            "delta_m * df_m/df_n",
            table_of(["delta", "sum", "with its numbers", *sides], backward.values(), left=3),
            "",
            "3. GRADIENT: the deltas of the inputs",
            table_of(["gradient", "delta", *sides], gradient, left=2),
        ]
    )


def _node_cells(expression: Expression, i: int, values: Sequence[Any]) -> list[str]:
    """Return a node as text, with names and with numbers."""
    node = expression.nodes[i]
    if not node.sources:
        return [f"{expression.written(i)} ({node.kind})", ""]
    return [expression.written(i), expression.written(i, values)]


def _delta_cells(
    expression: Expression, i: int, adjoint: Adjoint, values: Sequence[Any]
) -> list[str]:
    """Return the name of a delta, and the sum that it is, with names and with numbers."""
    if not adjoint.terms:
        return [f"delta_{i + 1}", f"df_{i + 1}/df_{i + 1}", "1"]
    names, numbers = [], []
    for term in adjoint.terms:
        place = (term.consumer, term.place)
        names.append(f"delta_{term.consumer + 1} * {expression.written_partial(*place)}")
        numbers.append(f"{shown(term.delta)} * {expression.written_partial(*place, values)}")
    return [f"delta_{i + 1}", sum_of(names), sum_of(numbers)]


TF_OPERATIONS = {
    "+": tf.add,
    "-": tf.subtract,
    "*": tf.multiply,
    "/": tf.divide,
    "**": tf.pow,
    "negative": tf.negative,
    "tanh": tf.tanh,
    "sigmoid": tf.sigmoid,
    "exp": tf.exp,
    "log": tf.math.log,
    "sin": tf.sin,
    "cos": tf.cos,
    "sqrt": tf.sqrt,
    "relu": tf.nn.relu,
}


def _expression_in_tensorflow(
    expression: Expression, point: Mapping[str, float]
) -> tuple[list[float], list[float]]:
    """Return value and delta of every node, from TensorFlow's tape in float64."""
    values: list[tf.Tensor] = []
    with tf.GradientTape() as tape:
        for node in expression.nodes:
            if node.kind == "input":
                values.append(tf.constant(point[node.name], tf.float64))
                tape.watch(values[-1])
            elif node.kind == "constant":
                values.append(tf.constant(node.constant, tf.float64))
            else:
                values.append(TF_OPERATIONS[node.kind](*(values[k] for k in node.sources)))
    deltas = tape.gradient(values[-1], values, unconnected_gradients="zero")
    return [float(v) for v in values], [float(delta) for delta in deltas]
