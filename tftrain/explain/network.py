"""The network as a compound function, and its loss, in symbols."""

import re
from collections.abc import Sequence

from tftrain.explain.lesson import Lesson, layers_of
from tftrain.explain.text import counted, wrapped
from tftrain.parity.certificate import Pair
from tftrain.reference.layers import Dense, reference_of
from tftrain.reference.losses import Huber, Loss, MeanAbsoluteError, SumSquaredError


def network_text(lesson: Lesson) -> str:
    """Return the compound function, its nodes and its loss."""
    nodes = lesson.tensorflow.nodes
    lines = [f"THE NETWORK: a compound function of {counted(len(nodes), 'node')}, and a loss"]
    lines.append(wrapped(f"f(x) = {_compound(lesson.parts)}", 2))
    formulas = formulas_of(lesson.parts)
    wide = max(map(len, formulas))
    for n, (formula, node) in enumerate(zip(formulas, nodes, strict=True), 1):
        sizes = f"{node.x.shape[-1]:,} to {node.y.shape[-1]:,}"
        lines.append(f"  f_{n:<3} = {formula:<{wide}}   {node.label}, {sizes}")
    return "\n".join([*lines, *(wrapped(line, 2) for line in _loss_formula(lesson))])


def _compound(parts: Sequence[Pair]) -> str:
    """Return the whole network as one formula."""
    inner = "x"
    for part, layer in zip(parts, layers_of(parts), strict=True):
        if isinstance(part.reference, Dense) and " + " in inner and not inner.endswith(")"):
            inner = f"({inner})"
        inner = _applied(part, layer, inner)
    return inner


def formulas_of(parts: Sequence[Pair]) -> list[str]:
    """Return what each node does with the one before."""
    numbered = enumerate(zip(parts, layers_of(parts), strict=True))
    return [_applied(part, layer, output_name(n)) for n, (part, layer) in numbered]


def _applied(part: Pair, layer: int, inner: str) -> str:
    """Return a node as a function of what is inside."""
    if not isinstance(part.reference, Dense):
        return f"{part.name.split(' ', 1)[1]}({inner})"
    return f"{inner} W{layer}" + (f" + b{layer}" if part.reference.bias is not None else "")


def output_name(n: int) -> str:
    """Return the name of what comes out of node `n`; out of node 0 comes the input."""
    return f"f_{n}" if n else "x"


def _loss_formula(lesson: Lesson) -> list[str]:
    """Return the loss as symbols."""
    loss: Loss = reference_of(lesson.step.loss)
    units = lesson.tensorflow.target.shape[-1]
    error = "e" if units == 1 else "e[j]"
    total = loss_term(loss, error) if units == 1 else f"(sum over j of {loss_term(loss, error)})"
    weight = "" if lesson.tensorflow.weight is None else "w * "
    where = f"e = f_{len(lesson.parts)} - t"
    if isinstance(loss, Huber):
        where += f", h(e) = e^2 / 2 where |e| <= {loss.threshold:g}, "
        where += f"else {loss.threshold:g} * (|e| - {loss.threshold:g} / 2)"
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(loss).__name__).lower()
    lines = [f"L     = {weight}{total}{loss_share(loss, units)}, {where} ({name} of one row)"]
    if lesson.step.l2:
        lines.append(f"        + {lesson.step.l2:g} / 2 * (the sum of squares of all W)")
    return lines


def loss_term(loss: Loss, error: str) -> str:
    """Return the loss of one error as text."""
    base = f"({error})" if error.startswith("-") else error
    match loss:
        case Huber():
            return f"h({error})"
        case MeanAbsoluteError():
            return f"|{error}|"
        case SumSquaredError():
            return f"{base}^2 / 2"
        case _:
            return f"{base}^2"


def loss_slope(loss: Loss, error: str) -> str:
    """Return the derivative of the loss of one error as text."""
    match loss:
        case Huber():
            return f"clip({error}, -{loss.threshold:g}, {loss.threshold:g})"
        case MeanAbsoluteError():
            return f"sign({error})"
        case SumSquaredError():
            return error
        case _:
            return f"2 * {error}"


def loss_share(loss: Loss, units: int) -> str:
    """Return the divisor that makes a mean over the units of the one row."""
    return "" if units == 1 or isinstance(loss, SumSquaredError) else f" / {units}"
