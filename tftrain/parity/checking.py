"""The door: a network, a batch, and the report on all its gradients."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import tensorflow as tf

from tftrain import losses, optimizers
from tftrain.errors import InputError, unknown
from tftrain.parity.certificate import Certificate, Part, parts_of
from tftrain.parity.checks import Check
from tftrain.parity.complex_step import complex_step, complex_step_of_loss
from tftrain.parity.evidence import evidence
from tftrain.parity.report import Report
from tftrain.reference.layers import twin_of
from tftrain.training.evaluation import as_batch
from tftrain.training.step import Step, common_dtype
from tftrain.training.tracing import TRACED_MODES as MODES
from tftrain.training.tracing import Tracer

UPDATES = 3
"""Steps whose update is checked: slots start at zero, so that the first one tells little."""

BY_EVIDENCE = (
    "The reference does not know {}: checked along random directions only, which is evidence and "
    "no certificate. Register its mathematics with @tftrain.reference.register to have it proven."
)


def gradcheck(
    network: tf.Module,
    x: Any,
    y: Any,
    *,
    loss: str | losses.Loss = "mse",
    optimizer: str | optimizers.Optimizer | None = None,
    weight: Any = None,
    l2: float = 0.0,
    modes: Sequence[str] = MODES,
) -> Report:
    """Check every gradient of a network on a batch, and every update of its optimizer.

    The training step is run in each mode and leaves a trace; each node of the trace is compared
    with the NumPy reference, element by element, against a bound computed from magnitudes. There is
    no tolerance to choose. Layers that the reference does not know are checked by forward mode and
    by central differences instead, and the report says so.

    Args:
        network: any `tf.Module` with a `__call__` and trainable variables of one dtype. The layers
            of a `tftrain.nn.Sequential` are its nodes; any other module is a single node. It is
            left as it was.
        x: inputs, shape `(cases, ...)`.
        y: targets, of the shape of the network's output.
        loss: a loss or its name.
        optimizer: an optimizer or its name, to check its updates too; it is left as it was, but
            belongs to this network afterwards.
        weight: weight of each case, shape `(cases,)`, scaled here to a mean of one.
        l2: strength of the L2 penalty on weights.
        modes: any of eager, graph and xla.

    Raises:
        InputError: an argument is wrong, shapes do not agree, XLA cannot compile the network, or
            the reference does not know the loss or the optimizer.
    """
    for mode in modes:
        if mode not in MODES:
            raise unknown("mode", mode, MODES)
    parameters = network.trainable_variables
    dtype = common_dtype(parameters)
    batch = as_batch(x, y, weight, dtype)
    chosen = optimizers.get("sgd" if optimizer is None else optimizer)
    step = Step(network, parameters, losses.get(loss), chosen, l2)
    for thing in (step.loss, step.optimizer, step.optimizer.schedule):
        twin_of(thing)
    report = Report([])
    for mode in modes:
        with _unchanged(step), np.errstate(all="ignore"):
            try:
                tracer = Tracer(step, batch, mode, update=optimizer is not None)
                report += _check(tracer, first=mode == modes[0])
            except (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError) as error:
                reason = str(error).splitlines()[0]
                raise InputError(
                    f"the network cannot be run in the mode {mode}: {reason}"
                    + ("; leave xla out of the modes" if mode == "xla" else "")
                ) from None
    return report


def _check(tracer: Tracer, first: bool) -> Report:
    """Check the traces of a few steps in one mode."""
    step, mode = tracer.step, tracer.mode
    parts = parts_of(step)
    certificate = Certificate(step, parts, mode)
    strangers = [part for part in parts if part.twin is None]
    plain = tracer.plain_gradients()
    with _unchanged(step):
        trace = tracer.run()
    checks = list(certificate.of_trace(trace))
    figures: dict[str, float] = {}
    if strangers:
        for part, node in zip(parts, trace.nodes, strict=True):
            if part.twin is None:
                checks += evidence(part, node, mode)
    else:
        checks += certificate.as_trained(trace, plain)
        dtype = certificate.precision.name
        name = f"NumPy in float64 against TensorFlow {mode} in {dtype}, end to end"
        figures[name] = certificate.end_to_end(trace)
    if first:
        checks += _of_reference(parts, step, trace)
    for _ in range(UPDATES if tracer.update else 0):
        update = tracer.run().update
        assert update is not None
        checks += certificate.of_update(update)
    names = ", ".join(dict.fromkeys(part.name.split(" ", 1)[1] for part in strangers))
    return Report(checks, figures, [BY_EVIDENCE.format(names)] if strangers else [])


def _of_reference(parts: Sequence[Part], step: Step, trace: Any) -> Iterator[Check]:
    """Check the reference's own backward pass by complex steps through its forward pass."""
    found = [
        complex_step(part.name, part.twin, node)
        for part, node in zip(parts, trace.nodes, strict=True)
        if part.twin is not None
    ]
    yield from (
        check for check in [*found, complex_step_of_loss(twin_of(step.loss), trace)] if check
    )


@contextmanager
def _unchanged(step: Step) -> Iterator[None]:
    """Give the parameters and the optimizer their values back at the end."""
    optimizer = step.optimizer
    optimizer.build(step.parameters)
    slots = [slot for own in optimizer.slots for slot in own.values()]
    variables = [*step.parameters, *slots, optimizer.step]
    values = [variable.numpy() for variable in variables]
    try:
        yield
    finally:
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
