"""The headings of gradients and update: the equations that both forms of a lesson share."""

import textwrap

from tftrain.errors import InputError
from tftrain.explain.lesson import Lesson
from tftrain.explain.text import WIDTH, wrapped
from tftrain.reference.expression import shown
from tftrain.reference.layers import reference_of
from tftrain.reference.optimizers import SGD, Adagrad, Adam, AdamW, Optimizer, RMSprop


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
    equations, settings = _update_rule(optimizer)
    lines = [f"4. UPDATE: the first step of {type(optimizer).__name__}, g = dL/dw"]
    lines += [f"  {equation}" for equation in equations]
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


def _update_rule(optimizer: Optimizer) -> tuple[list[str], list[str]]:
    """Return the equations of an optimizer, and the values of their letters at its first step."""
    match optimizer:
        case SGD(momentum=0.0):
            return ["w' = w - e g"], []
        case SGD(momentum=momentum, nesterov=nesterov):
            new = "w' = w + a v' - e g" if nesterov else "w' = w + v'"
            return ["v' = a v - e g", new], [f"a = {momentum:g} (the momentum)", "v = 0"]
        case Adagrad(epsilon=epsilon):
            return (
                ["s' = s + g^2", "w' = w - e g / (sqrt(s') + c)"],
                [f"c = {epsilon:g}", "s = 0"],
            )
        case RMSprop(rho=rho, epsilon=epsilon):
            return (
                ["s' = r s + (1 - r) g^2", "w' = w - e g / (sqrt(s') + c)"],
                [f"r = {rho:g}", f"c = {epsilon:g}", "s = 0"],
            )
        case Adam(beta_1=beta_1, beta_2=beta_2, epsilon=epsilon):
            decay = optimizer.weight_decay if isinstance(optimizer, AdamW) else None
            change = "e (m' / (1 - b1^k)) / (sqrt(v' / (1 - b2^k)) + c)"
            return (
                [
                    "m' = b1 m + (1 - b1) g",
                    "v' = b2 v + (1 - b2) g^2",
                    f"w' = w - {change}" + ("" if decay is None else " - e d w"),
                ],
                [f"b1 = {beta_1:g}", f"b2 = {beta_2:g}", f"c = {epsilon:g}", "k = 1", "m = v = 0"]
                + ([] if decay is None else [f"d = {decay:g}"]),
            )
    raise InputError(f"no equation is written down here for {type(optimizer).__name__}")
