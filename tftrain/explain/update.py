"""The headings of gradients and update: the equations that both forms of a lesson share."""

import textwrap

from tftrain.explain.lesson import Lesson
from tftrain.explain.text import WIDTH, wrapped
from tftrain.reference.expression import shown
from tftrain.reference.layers import reference_of
from tftrain.reference.optimizers import Optimizer


def gradient_title(lesson: Lesson) -> str:
    """Return the heading of the gradients, with the equation that makes them."""
    text = (
        "3. GRADIENTS: delta times input, dL/dW[i,j] = delta[j] * input[i] and dL/db[j] = delta[j]"
    )
    if lesson.step.l2:
        text += f"; the penalty adds {lesson.step.l2:g} * W[i,j] to the former"
    return textwrap.fill(text, WIDTH)


def update_title(lesson: Lesson) -> str:
    """Return the heading of the update, with the optimizer's equations and settings."""
    optimizer: Optimizer = reference_of(lesson.step.optimizer)
    equations, settings = optimizer.equations()
    lines = [f"4. UPDATE: the first step of {type(optimizer).__name__}, g = dL/dw"]
    lines += [wrapped(equation, 2) for equation in equations]
    rate = f"e = {shown(optimizer.schedule(0).value)} (the learning rate at step 0)"
    lines.append(wrapped(", ".join([rate, *settings]), 2))
    update = lesson.tensorflow.update
    assert update is not None
    if optimizer.clip_value is not None:
        limit = f"{optimizer.clip_value:g}"
        lines.append(f"  g is clipped first: every element to between -{limit} and {limit}")
    if optimizer.clip_norm is not None:
        limit = f"{optimizer.clip_norm:g}"
        lines.append(f"  g is clipped first: times {limit} / max(norm of all gradients, {limit})")
    return "\n".join(lines)
