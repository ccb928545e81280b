"""A small network, unit by unit: every sum is written out, with TensorFlow's numbers."""

import re
from collections.abc import Iterator

import numpy as np

from tftrain.explain.lesson import Lesson, layers_of, parameters_of
from tftrain.explain.loss import first_delta_lines, value_lines
from tftrain.explain.network import (
    formulas_of,
    output_name,
)
from tftrain.explain.text import beside, sum_of, table_of, unbroken, wrapped
from tftrain.explain.update import gradient_title, update_title
from tftrain.parity.certificate import Pair
from tftrain.parity.check import Check
from tftrain.reference.expression import in_parentheses, shown
from tftrain.reference.layers import ACTIVATIONS, Dense
from tftrain.traces import Node


def unit_by_unit(lesson: Lesson) -> list[str]:
    """Return the four parts, from forward pass to update, with the numbers of every unit."""
    return [
        "\n".join(["1. FORWARD", *_forward_lines(lesson), *value_lines(lesson)]),
        "\n".join(["2. BACKWARD: delta_n = dL/df_n, from the last node to the input",
                   *first_delta_lines(lesson), *_delta_lines(lesson)]),
        gradient_title(lesson) + "\n" + _gradient_elements(lesson),
        update_title(lesson) + "\n" + _update_elements(lesson),
    ]  # fmt: skip


def _forward_lines(lesson: Lesson) -> Iterator[str]:
    formulas = formulas_of(lesson.parts)
    for n, (part, node) in enumerate(zip(lesson.parts, lesson.tensorflow.nodes, strict=True), 1):
        yield f"  f_{n} = {formulas[n - 1]}"
        for j, y in enumerate(node.y[0]):
            if isinstance(part.reference, Dense):
                terms = _products(node.x[0], node.parameters["weight"][:, j])
                if "bias" in node.parameters:
                    terms.append(shown(node.parameters["bias"][j]))
                written = " + ".join(terms)
            else:
                written = f"{node.label}({shown(node.x[0, j])})"
            yield wrapped(f"f_{n}[{j + 1}] = {written} = {shown(y)}", 4)


def _delta_lines(lesson: Lesson) -> Iterator[str]:
    layers = layers_of(lesson.parts)
    for n in range(len(lesson.parts), 0, -1):
        part, node = lesson.parts[n - 1], lesson.tensorflow.nodes[n - 1]
        slope = f"df_{n}/d{output_name(n - 1)}"
        product = f"  delta_{n - 1} = dL/d{output_name(n - 1)} = delta_{n} * {slope}"
        if isinstance(part.reference, Dense):
            yield f"{product} = delta_{n} W{layers[n - 1]}'"
            yield from _affine_delta_lines(node, n, layers[n - 1])
        else:
            yield product
            yield from _activation_delta_lines(part, node, n, slope)


def _affine_delta_lines(node: Node, n: int, layer: int) -> Iterator[str]:
    """Yield the delta of every unit before an affine map: the sum over the units that it feeds."""
    units = node.y.shape[-1]
    if units == 1:
        feeds, total = f"the one unit of f_{n}", f"delta_{n}[1] * W{layer}[i,1]"
    else:
        feeds = f"all {units} units of f_{n}"
        total = f"the sum over j of delta_{n}[j] * W{layer}[i,j]"
    yield wrapped(f"{output_name(n - 1)}[i] feeds {feeds}: delta_{n - 1}[i] is {total}", 4)
    for i, delta in enumerate(node.dx[0]):
        terms = " + ".join(_products(node.dy[0], node.parameters["weight"][i]))
        yield wrapped(f"delta_{n - 1}[{i + 1}] = {terms} = {shown(delta)}", 4)


def _activation_delta_lines(part: Pair, node: Node, n: int, slope: str) -> Iterator[str]:
    """Yield for every unit the derivative of the activation, and its delta."""
    assert part.reference is not None
    formula = ACTIVATIONS[node.label].formula
    slopes = part.reference.backward(node.x, node.y, np.ones_like(node.dy))[0][0]
    yield f"    {node.label}'(z) = {formula}, with z = {output_name(n - 1)} and y = f_{n}"
    for j, (value, delta) in enumerate(zip(slopes, node.dx[0], strict=True)):
        name = f"{slope}[{j + 1}]"
        numbers = _filled(formula, z=node.x[0, j], y=node.y[0, j])
        yield f"    {name} = {numbers}{shown(value)}"
        written = f"{shown(node.dy[0, j])} * {shown(value)}"
        yield f"    {f'delta_{n - 1}[{j + 1}]':{len(name)}} = {written} = {shown(delta)}"


def _filled(formula: str, **values: float) -> str:
    """Return a formula with numbers for its letters, and `=`; nothing where it has cases."""

    def number(match: re.Match[str]) -> str:
        power = match[2] or ""
        return (in_parentheses if power else shown)(values[match[1]]) + power

    return "" if "," in formula else re.sub(r"\b([yz])\b(\^)?", number, formula) + " = "


def _gradient_elements(lesson: Lesson) -> str:
    rows = []
    for parameter in parameters_of(lesson):
        node = lesson.tensorflow.nodes[parameter.node - 1]
        theirs, ours = parameter.gradients
        for index in parameter.elements:
            terms = [shown(node.dy[0, index[-1]])]
            if len(index) == 2:
                terms = _products(node.dy[0, index[1:]], node.x[0, index[:1]])
                weight = shown(parameter.value[index])
                terms += [one.gradient_text(weight) for one in lesson.objective.penalties]
            rows.append(
                [
                    f"dL/d{parameter.element(index)}",
                    sum_of(terms),
                    *beside(theirs[index], ours[index]),
                    _word(parameter.gradient_check),
                ]
            )
    headings = ["gradient", "delta * input", "TensorFlow", "NumPy", "apart", "certificate"]
    return table_of(headings, rows, left=2)


def _update_elements(lesson: Lesson) -> str:
    rows = []
    for parameter in parameters_of(lesson):
        theirs, ours = parameter.after
        for index in parameter.elements:
            before = parameter.value[index]
            rows.append(
                [
                    parameter.element(index),
                    shown(before),
                    shown(theirs[index] - before),
                    *beside(theirs[index], ours[index]),
                    _word(parameter.update_check),
                ]
            )
    headings = ["", "before", "change", "TensorFlow", "NumPy", "apart", "certificate"]
    return table_of(headings, rows)


def _word(check: Check) -> str:
    return "proven" if check.ok else "WRONG"


def _products(a: np.ndarray, b: np.ndarray) -> list[str]:
    """Return the products of the elements of two arrays as text."""
    return [unbroken(f"{shown(u)} * {shown(v)}") for u, v in zip(a, b, strict=True)]
