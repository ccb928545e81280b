"""The headings of gradients and update: the equations that both forms of a lesson share."""

import textwrap
from collections.abc import Iterator

from tftrain.explain.lesson import Lesson, parameters_of
from tftrain.explain.text import WIDTH, wrapped
from tftrain.reference.expression import shown
from tftrain.reference.layers import reference_of
from tftrain.reference.optimizers import Optimizer


def gradient_title(lesson: Lesson) -> str:
    """Return the heading of the gradients, with the equation that makes them."""
    text = (
        "3. GRADIENTS: delta times input, dL/dW[i,j] = delta[j] * input[i] and dL/db[j] = delta[j]"
    )
    for penalty in lesson.objective.penalties:
        text += f"; the penalty adds {penalty.gradient_text('W[i,j]')} to the former"
    return textwrap.fill(text, WIDTH)


def update_title(lesson: Lesson) -> str:
    """Return the heading of the update, with the optimizer's equations and settings."""
    optimizer: Optimizer = reference_of(lesson.step.optimizer)
    equations, settings = optimizer.equations()
    lines = [f"4. UPDATE: the first step of {type(optimizer).__name__}, g = dL/dw"]
    lines += [wrapped(equation, 2) for equation in equations]
    rate = f"e = {shown(optimizer.schedule(0).value)} (the learning rate at step 0)"
    lines.append(wrapped(", ".join([rate, *settings]), 2))
    lines += [wrapped(line, 2) for line in _factors(lesson, optimizer)]
    if optimizer.average is not None:
        lines.append(f"  m' = {optimizer.average:g} m + {1 - optimizer.average:g} w', m = 0")
        lines.append(f"  the average of the weights is m' / (1 - {optimizer.average:g}^k)")
    if optimizer.clip_value is not None:
        limit = f"{optimizer.clip_value:g}"
        lines.append(f"  g is clipped first: every element to between -{limit} and {limit}")
    if optimizer.clip_norm is not None:
        limit = f"{optimizer.clip_norm:g}"
        lines.append(f"  g is clipped first: times {limit} / max(norm of all gradients, {limit})")
    return "\n".join(lines)


def _factors(lesson: Lesson, optimizer: Optimizer) -> Iterator[str]:
    """Yield which parameters have a learning rate of their own, one line for each factor."""
    of: dict[float, list[str]] = {}
    for parameter in parameters_of(lesson):
        factor = optimizer.factor(f"layers.{parameter.node - 1}.{parameter.key}")
        of.setdefault(factor, []).append(parameter.name)
    of.pop(1.0, None)
    for factor, names in of.items():
        yield f"e is multiplied by {factor:g} for {', '.join(names)}"
