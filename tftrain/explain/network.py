"""The network as a compound function, and its loss, in symbols."""

from collections.abc import Sequence
from typing import Any

from tftrain.explain.lesson import Lesson, layers_of
from tftrain.explain.loss import objective_formula
from tftrain.explain.text import counted, wrapped
from tftrain.graph import INPUT, forward
from tftrain.parity.certificate import Pair
from tftrain.reference.layers import Dense


def network_text(lesson: Lesson) -> str:
    """Return the compound function, its nodes and its loss."""
    nodes = lesson.tensorflow.nodes
    lines = [f"THE NETWORK: a compound function of {counted(len(nodes), 'node')}, and a loss"]
    lines.append(wrapped(f"f(x) = {_compound(lesson.parts)}", 2))
    formulas = formulas_of(lesson.parts)
    wide = max(map(len, formulas))
    for n, (formula, node) in enumerate(zip(formulas, nodes, strict=True), 1):
        inputs = " + ".join(f"{one.shape[-1]:,}" for one in node.inputs)
        sizes = f"{inputs} to {node.y.shape[-1]:,}"
        lines.append(f"  f_{n:<3} = {formula:<{wide}}   {node.label}, {sizes}")
    return "\n".join([*lines, *(wrapped(line, 2) for line in objective_formula(lesson))])


def _compound(parts: Sequence[Pair]) -> str:
    """Return the whole network as one formula."""
    layers = layers_of(parts)

    def applied(n: int, *inner: str) -> str:
        one = inner[0]
        if isinstance(parts[n].reference, Dense) and " + " in one and not one.endswith(")"):
            one = f"({one})"
        return _applied(parts[n], layers[n], [one, *inner[1:]])

    wires = [part.wire for part in parts]
    count = sum(1 for source in {k for wire in wires for k in wire.sources} if source < INPUT)
    x: Any = tuple(output_name(-k) for k in range(1, count + 1)) if count else output_name(0)
    return str(forward(wires, x, applied)[-1])


def formulas_of(parts: Sequence[Pair]) -> list[str]:
    """Return what each node does with those before."""
    return [
        _applied(part, layer, [output_name(k + 1) for k in part.wire.sources])
        for part, layer in zip(parts, layers_of(parts), strict=True)
    ]


def _applied(part: Pair, layer: int, inner: Sequence[str]) -> str:
    """Return a node as a function of its inputs."""
    label = part.name.split(" ", 1)[1]
    if label == "Add":
        return " + ".join(inner)
    if not isinstance(part.reference, Dense):
        return f"{label}({', '.join(inner)})"
    return f"{inner[0]} W{layer}" + (f" + b{layer}" if part.reference.bias is not None else "")


def output_name(n: int) -> str:
    """Return the name of what comes out of node `n`, counted from 1.

    Node 0 stands for the input; where there are several, -1, -2, ... stand for them.
    """
    return f"f_{n}" if n > 0 else f"x_{-n}" if n else "x"
