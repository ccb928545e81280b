"""The objective of one row: in symbols, in numbers, and the delta with which it begins."""

import re
from collections.abc import Iterator

import numpy as np

from tftrain.explain.lesson import Lesson
from tftrain.explain.text import wrapped
from tftrain.losses import name_of
from tftrain.reference.expression import in_parentheses, shown
from tftrain.reference.losses import Elementwise


def objective_formula(lesson: Lesson) -> Iterator[str]:
    """Yield the objective as symbols."""
    loss = lesson.objective.loss
    weight = "" if lesson.tensorflow.weight is None else "w * "
    if isinstance(loss, Elementwise):
        units = lesson.tensorflow.target.shape[-1]
        term = loss.term_text("e" if units == 1 else "e[j]")
        total = term if units == 1 else f"(sum over j of {term})"
        where = ", ".join([f"e = f_{len(lesson.parts)} - t", *loss.definitions()])
        name = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(loss).__name__).lower()
        yield f"L     = {weight}{total}{loss.scale_text(units)}, {where} ({name} of one row)"
    else:
        yield f"L     = {weight}{_named(lesson)} (of one row)"
    for penalty in lesson.objective.penalties:
        yield f"        + {penalty.text('(the sum of squares of all W)')}"


def value_lines(lesson: Lesson) -> Iterator[str]:
    """Yield the objective in numbers."""
    trace, loss = lesson.tensorflow, lesson.objective.loss
    total = f"{_weight(lesson)}{_named(lesson)}"
    if isinstance(loss, Elementwise):
        errors = _errors(lesson)
        yield f"  e = f_{len(lesson.parts)} - t"
        numbers = zip(trace.prediction[0], trace.target[0], errors, strict=True)
        for j, (y, t, e) in enumerate(numbers):
            yield f"    e[{j + 1}] = {shown(y)} - {in_parentheses(t)} = {shown(e)}"
        terms = " + ".join(loss.term_text(shown(e)) for e in errors)
        written = terms if len(errors) == 1 else f"({terms})"
        total = f"{_weight(lesson)}{written}{loss.scale_text(len(errors))}"
    weights = [node.parameters["weight"] for node in trace.nodes if node.parameters]
    for penalty in lesson.objective.penalties:
        total += f" + {penalty.text(shown(float(penalty.sum_of(weights))))}"
    yield wrapped(f"L = {total} = {shown(trace.loss)}", 2)
    numpy = f"NumPy {lesson.numpy.loss:.10g}"
    if not lesson.objective.is_known:
        numpy = "the reference does not know this loss"
    yield f"      TensorFlow {trace.loss:.10g}, {numpy}"


def first_delta_lines(lesson: Lesson) -> Iterator[str]:
    """Yield the delta of every unit of the last node, as the loss makes it."""
    trace, n, loss = lesson.tensorflow, len(lesson.parts), lesson.objective.loss
    if not isinstance(loss, Elementwise):
        yield f"  delta_{n} = dL/df_{n}"
        for j, delta in enumerate(trace.delta[0]):
            yield f"    delta_{n}[{j + 1}] = {shown(delta)}"
        return
    share, weight = loss.scale_text(len(trace.target[0])), _weight(lesson)
    yield f"  delta_{n} = dL/df_{n} = {'w * ' * bool(weight)}{loss.slope_text('e')}{share}"
    for j, (e, delta) in enumerate(zip(_errors(lesson), trace.delta[0], strict=True)):
        written = f"{weight}{loss.slope_text(shown(e))}{share}"
        equals = "" if written == shown(delta) else f"{written} = "
        yield f"    delta_{n}[{j + 1}] = {equals}{shown(delta)}"


def _named(lesson: Lesson) -> str:
    """Return a loss without a formula as a function of prediction and target."""
    return f"{name_of(lesson.step.objective.loss)}(f_{len(lesson.parts)}, t)"


def _errors(lesson: Lesson) -> np.ndarray:
    return lesson.tensorflow.prediction[0] - lesson.tensorflow.target[0]


def _weight(lesson: Lesson) -> str:
    weight = lesson.tensorflow.weight
    return "" if weight is None else f"{shown(weight[0])} * "
