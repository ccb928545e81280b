"""A large network, by norms: of what comes out of its nodes, of its deltas and its gradients."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from tftrain.explain.lesson import Lesson, parameters_of
from tftrain.explain.network import formulas_of, output_name
from tftrain.explain.text import table_of, wrapped
from tftrain.explain.update import gradient_title, update_title
from tftrain.graph import INPUT, is_nest, leaf, leaves
from tftrain.parity.certificate import names_of
from tftrain.parity.check import Check
from tftrain.reference.expression import shown


def by_norms(lesson: Lesson) -> list[str]:
    """Return the four parts, from forward pass to update, with the norms of all arrays."""
    return [
        wrapped(
            "The tables give the norm of each array in TensorFlow and in NumPy, and error / bound: "
            "how far TensorFlow is off at worst, as a part of what rounding can explain."
        ),
        "1. FORWARD: what comes out of each node\n" + _output_norms(lesson),
        wrapped(
            "2. BACKWARD: delta_n = dL/df_n, from the last node to the input. Where its ratio to "
            "the one before stays below 1 deltas vanish, where it stays above 1 they explode."
        )
        + "\n"
        + _delta_norms(lesson),
        gradient_title(lesson) + "\n" + _gradient_norms(lesson),
        update_title(lesson) + "\n" + _update_norms(lesson),
    ]


def _output_norms(lesson: Lesson) -> str:
    rows = [
        [name, f"{theirs.shape[-1]:,}", *_norms(theirs, ours), ""]
        for name, _, theirs, ours in _at_inputs(lesson, "x")
    ]
    formulas = formulas_of(lesson.parts)
    for n, (part, (one, other)) in enumerate(zip(lesson.parts, lesson.pairs, strict=True)):
        ratio = _ratio(lesson.check(part.name, "y"))
        units = f"{one.y.shape[-1]:,}"
        rows.append([f"f_{n + 1} = {formulas[n]}", units, *_norms(one.y, other.y), ratio])
    by_hand = shown(lesson.numpy.loss) if lesson.objective.is_known else "-"
    loss = [shown(lesson.tensorflow.loss), by_hand]
    rows.append(["L", "1", *loss, _ratio(lesson.check_of_loss("value"))])
    return table_of(["", "units", "TensorFlow", "NumPy", "error / bound"], rows)


def _delta_norms(lesson: Lesson) -> str:
    nodes, last = lesson.pairs, len(lesson.parts)
    deltas = [(one.dy, other.dy, _of_delta(lesson, n)) for n, (one, other) in enumerate(nodes)]
    deltas = deltas[::-1]
    ratios = ["", *(_quotient(b[0], a[0]) for a, b in pairwise(deltas))]
    rows = [
        [f"delta_{last - k}", *_norms(theirs, ours), ratios[k], _ratio(check)]
        for k, (theirs, ours, check) in enumerate(deltas)
    ]
    for name, source, theirs, ours in _at_inputs(lesson, "at_input"):
        ratio = _quotient(theirs, deltas[-1][0])
        delta = "delta_0" if source == INPUT else f"dL/d{name}"
        rows.append([delta, *_norms(theirs, ours), ratio, _ratio(_of_delta(lesson, source))])
    return table_of(["", "TensorFlow", "NumPy", "ratio to the one before", "error / bound"], rows)


def _at_inputs(lesson: Lesson, of: str) -> Iterator[tuple[str, int, np.ndarray, np.ndarray]]:
    """Yield for each input its name, its source, and an array of both traces."""
    both = [getattr(trace, of) for trace in (lesson.tensorflow, lesson.numpy)]
    for k, (theirs, ours) in enumerate(zip(*map(leaves, both), strict=True)):
        source = leaf(k) if is_nest(both[0]) else INPUT
        yield output_name(source + 1), source, theirs, ours


def _of_delta(lesson: Lesson, n: int) -> Check:
    """Return the check of the delta at a node's output: of the worst node that sends to it."""
    found = [
        lesson.check(part.name, names_of("dx", len(part.wire.sources))[place])
        for part in lesson.parts
        for place, source in enumerate(part.wire.sources)
        if source == n
    ]
    return max(found or [lesson.check_of_loss("delta")], key=lambda check: check.ratio)


def _gradient_norms(lesson: Lesson) -> str:
    rows = [
        [
            f"dL/d{p.name}",
            _shape(p.value),
            *_norms(*p.gradients),
            _quotient(p.gradients[0] - p.gradients[1], p.gradients[1]),
            _ratio(p.gradient_check),
        ]
        for p in parameters_of(lesson)
    ]
    headings = ["", "shape", "TensorFlow", "NumPy", "relative difference", "error / bound"]
    return table_of(headings, rows)


def _update_norms(lesson: Lesson) -> str:
    rows = []
    for p in parameters_of(lesson):
        changes = [after - p.value for after in p.after]
        rows.append(
            [
                p.name,
                shown(_norm(p.value)),
                *_norms(*changes),
                _quotient(changes[0], p.value),
                _ratio(p.update_check),
            ]
        )
    headings = [
        "",
        "norm before",
        "change, TensorFlow",
        "NumPy",
        "change / before",
        "error / bound",
    ]
    return table_of(headings, rows)


def _norm(array: np.ndarray) -> float:
    return float(np.linalg.norm(array.astype(np.float64)))


def _norms(theirs: np.ndarray, ours: np.ndarray) -> list[str]:
    return [shown(_norm(theirs)), shown(_norm(ours))]


def _quotient(above: np.ndarray, below: np.ndarray) -> str:
    """Return the quotient of two norms, with three digits; a dash where the lower one is zero."""
    return f"{_norm(above) / _norm(below):.3g}" if _norm(below) else "-"


def _ratio(check: Check) -> str:
    return f"{check.ratio:.2f}" if check.ok else f"{check.ratio:.2f} WRONG"


def _shape(array: np.ndarray) -> str:
    return " x ".join(f"{size:,}" for size in array.shape)
