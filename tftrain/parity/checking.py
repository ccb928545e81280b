"""The door: a network, a batch, and the report on all its gradients."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import tensorflow as tf

from tftrain import losses, optimizers
from tftrain.errors import InputError, number, of_type, unknown
from tftrain.parity.certificate import Certificate, Part, parts_of, precision_of
from tftrain.parity.checks import Check
from tftrain.parity.complex_step import complex_step, complex_step_of_loss
from tftrain.parity.evidence import alike, evidence
from tftrain.parity.report import Report
from tftrain.reference.layers import twin_of
from tftrain.traces import Trace
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

NO_COMPLEX_STEP = (
    "The reference of {} could not be checked against its own forward pass: that takes no complex "
    "numbers, or gives none that are finite."
)
ALL_ZERO = "Every gradient is zero on this batch, so little was put to the test: give other data."


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
    of_type("network", network, tf.Module, "a tf.Module with a __call__ and trainable variables")
    of_type("modes", modes, (list, tuple), f"a list of {', '.join(MODES)}")
    for mode in modes:
        if mode not in MODES:
            raise unknown("mode", mode, MODES)
    if not modes:
        raise InputError(f"modes names none of {', '.join(MODES)}")
    parameters = network.trainable_variables
    batch = as_batch(x, y, weight, common_dtype(parameters))
    chosen = optimizers.get("sgd" if optimizer is None else optimizer)
    step = Step(network, parameters, losses.get(loss), chosen, number("l2", l2))
    precision_of(step)
    _require_owners(step)
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


def _require_owners(step: Step) -> None:
    """Raise InputError for a trainable variable that is in no node: nothing could check it."""
    owned = {place for part in parts_of(step) for place in part.places.values()}
    lost = [p.name for i, p in enumerate(step.parameters) if i not in owned]
    if lost:
        raise InputError(
            f"the variable {', '.join(lost)} belongs to no layer of the network: put it into the "
            "layer that uses it, or create it with trainable=False"
        )


def _check(tracer: Tracer, first: bool) -> Report:
    """Check the traces of a few steps in one mode."""
    step, mode = tracer.step, tracer.mode
    parts = parts_of(step)
    certificate = Certificate(step, parts, mode)
    plain = tracer.plain_gradients()
    with _unchanged(step):
        trace = tracer.run()
    checks = list(certificate.of_trace(trace))
    figures: dict[str, float] = {}
    if all(part.twin for part in parts):
        checks += certificate.as_trained(trace, plain)
        dtype = certificate.precision.name
        name = f"NumPy in float64 against TensorFlow {mode} in {dtype}, end to end"
        figures[name] = certificate.end_to_end(trace)
    else:
        checks += _by_evidence(step, parts, trace, plain, mode)
    notes = _notes(parts, trace)
    if first:
        own, more = _of_reference(parts, step, trace)
        checks, notes = checks + own, notes + more
    for _ in range(UPDATES if tracer.update else 0):
        update = tracer.run().update
        assert update is not None
        checks += certificate.of_update(update)
    return Report(checks, figures, notes)


def _notes(parts: Sequence[Part], trace: Trace) -> list[str]:
    """Return what must be read with the verdict."""
    strangers = [part.name.split(" ", 1)[1] for part in parts if part.twin is None]
    notes = [BY_EVIDENCE.format(", ".join(dict.fromkeys(strangers)))] if strangers else []
    if not any(gradient.any() for node in trace.nodes for gradient in node.gradients.values()):
        notes.append(ALL_ZERO)
    return notes


def _by_evidence(
    step: Step, parts: Sequence[Part], trace: Trace, plain: Sequence[np.ndarray], mode: str
) -> Iterator[Check]:
    """Check the layers that the reference does not know, and the step that records nothing."""
    owners = Counter(place for part in parts for place in part.places.values())
    for part, node in zip(parts, trace.nodes, strict=True):
        if part.twin is None:
            shared = [name for name, place in part.places.items() if owners[place] > 1]
            yield from evidence(part, node, mode, shared, step.l2)
        for name, place in part.places.items():
            yield alike(plain[place], node.gradients[name], mode, part.name, f"{name} as trained")


def _of_reference(parts: Sequence[Part], step: Step, trace: Trace) -> tuple[list[Check], list[str]]:
    """Check the reference's own backward pass by complex steps through its forward pass.

    Returns:
        The checks, and a note that names what could not be checked so.
    """
    found = {
        part.name: complex_step(part.name, part.twin, node)
        for part, node in zip(parts, trace.nodes, strict=True)
        if part.twin is not None
    }
    found["the loss"] = complex_step_of_loss(twin_of(step.loss), trace)
    left = [name for name, check in found.items() if check is None]
    notes = [NO_COMPLEX_STEP.format(", ".join(left))] if left else []
    return [check for check in found.values() if check is not None], notes


@contextmanager
def _unchanged(step: Step) -> Iterator[None]:
    """Give the parameters and the optimizer their values back at the end."""
    optimizer = step.optimizer
    optimizer.build(step.parameters)
    slots = [slot for own in optimizer.slots for slot in own.values()]
    variables = [*step.parameters, *slots, optimizer.step]
    values = [variable.numpy().copy() for variable in variables]
    try:
        yield
    finally:
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
