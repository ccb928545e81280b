"""The door: a network, a batch, and the report on all its gradients."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import tensorflow as tf

from tftrain import losses, nn, optimizers
from tftrain.errors import InputError, of_type, one_of
from tftrain.names import MIXED, MODES
from tftrain.optimizers.schedules import rate_of
from tftrain.parity.certificate import Certificate, Pair, parts_of, precision_of
from tftrain.parity.check import CERTIFICATE, EVIDENCE, RATE, Check, compare
from tftrain.parity.evidence import CANCELLED, alike, evidence, lost_in, rounding, share_of, within
from tftrain.parity.loss_evidence import node_of, of_loss
from tftrain.parity.reference_check import check_loss, check_node
from tftrain.parity.report import Report
from tftrain.parity.steps import FIRST, Plan
from tftrain.reference import PRECISIONS
from tftrain.reference.layers import reference_of
from tftrain.reference.losses import Objective
from tftrain.traces import Node, Trace, is_discrete
from tftrain.training.batch import Batch
from tftrain.training.engine import Mode
from tftrain.training.parameters import dtype_of
from tftrain.training.recorder import Tracer
from tftrain.training.step import Step

BY_EVIDENCE = (
    "The reference does not know {}: checked along random directions only, which is evidence and "
    "no certificate. Register its mathematics with @tftrain.reference.register to have it proven."
)

WEAK = 0.01
"""The relative error of a gradient that evidence should find; where it may not, a note says so."""

COULD_PASS = (
    "On this batch, an error of {} in the gradients of {} could pass unnoticed, because of kinks "
    "or rounding. Give other data."
)

NOT_FINITE = (
    "The reference of {} could not be checked against its own forward pass, which gives numbers "
    "that are not finite."
)
NOT_TOLD_APART = (
    "The reference of {} could not be told right from wrong on this batch: it lies on kinks, where "
    "more than one gradient is right, or differences of it are too coarse. Give other data, or "
    "write its forward pass for complex numbers with tftrain.reference.absolute and by_sign."
)
WITHOUT_WORTH = (
    "On this batch these numbers are not finite, or rounding may be as large as they are, so that "
    "little was put to the test: {}. Give other data."
)
LEFT_OUT = (
    "The settings of {1} hold more numbers than are taken for lengths in steps: at least {0:,} "
    "steps about which it may change something were not looked at."
)
UNREAD = (
    "The settings of {1} hold a value of the type {0}, whose numbers cannot be read: if any is a "
    "length in steps, what changes there was not looked at."
)
ALL_ZERO = "Every gradient is zero on this batch, so little was put to the test: give other data."


def gradcheck(
    network: tf.Module,
    x: Any,
    y: Any,
    *,
    loss: str | losses.Loss | losses.Terms = "mse",
    optimizer: str | optimizers.Optimizer | None = None,
    weight: Any = None,
    l2: float = 0.0,
    modes: Sequence[str] = MODES,
) -> Report:
    """Check every gradient of a network on a batch, and every update of its optimizer.

    The training step is run in each mode and leaves a trace; each node of the trace is compared
    with the NumPy reference, element by element, against a bound computed from magnitudes. There is
    no tolerance to choose. Layers and losses that the reference does not know are checked by
    forward mode and by central differences instead, and the report says so.

    Args:
        network: any `tf.Module` with a `__call__` and trainable variables of one dtype. The layers
            of a `tftrain.nn.Sequential` are its nodes; any other module is a single node. It is
            left as it was.
        x: inputs, shape `(cases, ...)`.
        y: targets, as for `fit`.
        loss: a loss, its name, or a function `(prediction, target) -> terms`.
        optimizer: an optimizer or its name, to check its updates too; it is left as it was, but
            belongs to this network afterwards.
        weight: weight of each case, shape `(cases,)`, scaled here to a mean of one.
        l2: strength of the L2 penalty on weights.
        modes: any of eager, graph and xla.

    Raises:
        InputError: an argument is wrong, shapes do not agree, XLA cannot compile the network, the
            reference does not know the optimizer, the schedule does not compute in float64, or the
            loss does not depend on a trainable variable.
    """
    dtype_of(network)
    of_type("modes", modes, (list, tuple), f"a list of {', '.join(MODES)}")
    for mode in modes:
        one_of("mode", mode, MODES)
    if not modes:
        raise InputError(f"modes names none of {', '.join(MODES)}")
    asked = "sgd" if optimizer is None else optimizer
    step, batch = Step.of(network, x, y, weight, loss=loss, l2=l2, optimizer=asked)
    chosen = step.optimizer
    precision_of(step)
    _require_owners(step, batch)
    for thing in (step.optimizer, step.optimizer.schedule):
        reference_of(thing)
    plan = None
    if optimizer is not None:
        _require_rates(chosen.schedule)
        plan = Plan.of(chosen)
    report = Report([])
    for mode in dict.fromkeys(modes):
        with step.unchanged(), np.errstate(all="ignore"), Mode(mode).runnable():
            tracer = Tracer(step, batch, mode, update=True)
            report += _checked(tracer, first=mode == modes[0], plan=plan)
    return report + Report([], notes=_of_steps_left_out(chosen, plan) if plan else [])


def _require_owners(step: Step, batch: Batch) -> None:
    """Raise InputError for a trainable variable that is in no node: nothing could check it."""
    owned = {place for part in parts_of(step, batch.x) for place in part.places.values()}
    lost = [p.name for i, p in enumerate(step.parameters) if i not in owned]
    if lost:
        step.gradients(batch)  # may say that it is not used at all
        raise InputError(
            f"the variable {', '.join(lost)} belongs to no layer of the network: put it into the "
            "layer that uses it, or create it with trainable=False"
        )


def _require_rates(schedule: optimizers.Schedule) -> None:
    """Raise InputError for learning rates that are not computed in float64, as references are."""
    dtype = rate_of(schedule, tf.constant(0, tf.int64)).dtype
    if dtype != tf.float64:
        raise InputError(
            f"the schedule {type(schedule).__name__} computes learning rates in {dtype.name}: let "
            "it compute them in float64, as step counts may be large; the optimizer rounds them to "
            "the dtype of the parameters"
        )


def _checked(tracer: Tracer, **options: Any) -> Report:
    """Check the traces in one mode, as `_check` does.

    Raises:
        InputError: nothing is wrong, but training would refuse a variable that no gradient reaches.
    """
    try:
        report = _check(tracer, **options)
    except InputError:
        tracer.require_gradients()
        raise
    if report.ok:
        tracer.require_gradients()
    return report


def _check(tracer: Tracer, *, first: bool, plan: Plan | None) -> Report:
    """Check the traces of a few steps in one mode.

    Args:
        tracer: makes them.
        first: whether to check the reference itself as well.
        plan: the steps at which what the optimizer does is checked, if it is.
    """
    step, mode = tracer.step, tracer.mode
    parts = parts_of(step, tracer.batch.x)
    certificate = Certificate(step, parts, mode)
    with step.unchanged():
        plain = tracer.plain_gradients()
    with step.unchanged():
        trace = tracer.run()
    _require_real(trace)
    checks = list(certificate.of_trace(trace))
    figures: dict[str, float] = {}
    known = certificate.knows_all
    dtype = nn.precision_name(step.network)
    if known:
        name = f"NumPy in float64 against TensorFlow {mode} in {dtype}, end to end"
        figures[name] = certificate.end_to_end(trace)
    else:
        checks += _by_evidence(certificate, trace)
        checks += _of_shared(certificate, trace)
    if known and dtype != MIXED:
        checks += certificate.as_trained(trace, plain)
    else:  # in bfloat16 a bound through the whole network is as large as the gradient
        checks += _as_recorded(certificate, trace, plain)
    own, more = _of_reference(certificate, trace) if first else ([], [])
    checks += own
    notes = [*_notes(certificate, trace, checks), *more]
    checks += _of_later_steps(tracer, certificate, plan)
    if plan:
        checks += _of_rates(tracer, plan.rates.chosen)
    checks = [replace(c, dtype=dtype) if c.mode == mode else c for c in checks]
    return Report(checks, figures, notes, all_zero=ALL_ZERO in notes)


def _require_real(trace: Trace) -> None:
    """Raise InputError for a layer that gives complex numbers, or others without bounds."""
    for name, node in zip(trace.names(), trace.nodes, strict=True):
        dtype = node.y.dtype.name
        if dtype not in PRECISIONS and not is_discrete(node.y):
            raise InputError(
                f"{name} gives numbers of {dtype} to the next layer, and gradients are checked in "
                f"{', '.join(PRECISIONS)}: put both into one layer, which may compute inside in "
                f"{dtype}"
            )


def _of_later_steps(tracer: Tracer, certificate: Certificate, plan: Plan | None) -> Iterator[Check]:
    """Make further steps; check the nodes where the weights have moved, and perhaps the updates."""
    optimizer = tracer.step.optimizer
    now = int(optimizer.step)
    soon = range(now, now + (FIRST if plan else 2))
    late = [s for s in plan.updates.chosen if s > soon[-1]] if plan else []
    for count in [*soon, *late]:
        optimizer.step.assign(max(count, int(optimizer.step)))
        moved = count == soon[-1]
        if moved:
            parts = parts_of(tracer.step, tracer.batch.x)
            certificate = Certificate(tracer.step, parts, tracer.mode)
        trace = tracer.run()
        if moved:
            yield from certificate.of_trace(trace)
        assert trace.update is not None
        if plan:
            for check in certificate.of_update(trace.update):
                yield replace(check, step=trace.update.step)


def _of_rates(tracer: Tracer, steps: Sequence[int]) -> Iterator[Check]:
    """Check the learning rate itself, at every step about which its schedule may change."""
    if not steps:
        return
    schedule = tracer.step.optimizer.schedule
    reference = reference_of(schedule)
    program = Mode(tracer.mode).compile(
        lambda step: rate_of(schedule, step), tf.TensorSpec([], tf.int64)
    )
    for step in steps:
        actual = np.asarray(program(tf.constant(step, tf.int64)))
        yield replace(compare(actual, reference(step), tracer.mode, "optimizer", RATE), step=step)


def _of_steps_left_out(optimizer: optimizers.Optimizer, plan: Plan) -> list[str]:
    """Return notes that say where steps are left out about which settings may change something."""
    found = {type(optimizer): plan.updates, type(optimizer.schedule): plan.rates}
    left_out = [LEFT_OUT.format(s.left_out, k.__name__) for k, s in found.items() if s.left_out]
    unread = [UNREAD.format(kind, k.__name__) for k, s in found.items() for kind in s.unread]
    return [*left_out, *unread]


def _notes(certificate: Certificate, trace: Trace, checks: Sequence[Check]) -> list[str]:
    """Return what must be read with the verdict."""
    parts, loss = certificate.parts, certificate.step.objective.loss
    strangers = [part.name.split(" ", 1)[1] for part in parts if part.reference is None]
    strangers += [] if certificate.objective.is_known else [f"the {node_of(loss)}"]
    notes = [BY_EVIDENCE.format(", ".join(dict.fromkeys(strangers)))] if strangers else []
    gradients = {
        f"{name}: {of}": gradient
        for name, node in zip(trace.names(), trace.nodes, strict=True)
        for of, gradient in node.gradients.items()
    }
    proven = [check for check in checks if check.kind == CERTIFICATE]
    lost = [check.where for check in proven if not check.relative_bound < 1]
    lost += [where for where, gradient in gradients.items() if not np.isfinite(gradient).all()]
    notes += dict.fromkeys(f"{c.node}: {c.remark}." for c in checks if c.ok and c.remark)
    notes += _of_weak_evidence(checks)
    if not any(gradient.any() for gradient in gradients.values()):
        notes.append(ALL_ZERO)
    elif lost:
        notes.append(WITHOUT_WORTH.format(", ".join(dict.fromkeys(lost))))
    return notes


def _of_weak_evidence(checks: Sequence[Check]) -> list[str]:
    """Return a note for each layer of which larger errors than those of `WEAK` could pass."""
    weakest: dict[str, float] = {}
    for check in checks:
        if check.kind == EVIDENCE:
            weakest[check.node] = max(weakest.get(check.node, 0.0), check.relative_bound)
    return [
        COULD_PASS.format(f"{size:.0%}" if size < 1 else "any size", node)
        for node, size in weakest.items()
        if size > WEAK
    ]


def _holders(parts: Sequence[Pair], trace: Trace) -> dict[int, list[tuple[Pair, Node, str]]]:
    """Return the layers that have each parameter, by its place, with its name there."""
    found: dict[int, list[tuple[Pair, Node, str]]] = {}
    for part, node in zip(parts, trace.nodes, strict=True):
        for name, place in part.places.items():
            found.setdefault(place, []).append((part, node, name))
    return found


def _by_evidence(certificate: Certificate, trace: Trace) -> Iterator[Check]:
    """Check the layers and the loss that the reference does not know."""
    parts, objective, mode = certificate.parts, certificate.objective, certificate.mode
    holders = _holders(parts, trace)
    for part, node in zip(parts, trace.nodes, strict=True):
        if part.reference is None:
            shared = [name for name, place in part.places.items() if len(holders[place]) > 1]
            penalties = {name: _of_penalty(objective, p) for name, p in node.parameters.items()}
            yield from evidence(part, node, mode, penalties, shared)
    if not objective.is_known:
        yield from of_loss(certificate, trace)


def _of_penalty(objective: Objective, parameter: np.ndarray) -> np.ndarray:
    """Return the gradient of the penalties alone."""
    found: np.ndarray = objective.penalised(np.zeros_like(parameter), parameter)
    return found


def _of_shared(certificate: Certificate, trace: Trace) -> Iterator[Check]:
    """Check the gradients of variables that several layers share, one of them unknown.

    Each must be the sum of the layers' shares. The reference gives those of the layers it knows; a
    tape gives that of each other layer, which evidence has judged.
    """
    step, mode = certificate.step, certificate.mode
    for place, holders in _holders(certificate.parts, trace).items():
        strangers = [holder for holder in holders if holder[0].reference is None]
        if len(holders) == 1 or not strangers:
            continue
        part, node, name = holders[0]
        actual = node.gradients[name].astype(np.float64)
        shares = [share_of(*stranger).astype(np.float64) for stranger in strangers]
        if place in certificate.totals:
            known = certificate.totals[place]
            shares.append(known.value.astype(np.float64))
        shares.append(_of_penalty(certificate.objective, node.parameters[name].astype(np.float64)))
        size = float(np.max(np.sum(np.abs(shares), axis=0), initial=0.0))
        bound = rounding(nn.precision_name(step.network)) * size
        if place in certificate.totals:
            bound += float(np.max(known.bound, initial=0.0))
        yield within(
            actual, np.sum(shares, axis=0), bound, mode, part.name, f"{name} of all layers"
        )


def _as_recorded(
    certificate: Certificate, trace: Trace, plain: Sequence[np.ndarray]
) -> Iterator[Check]:
    """Compare the gradients of the step that records nothing with those of the one that does.

    Deltas that begin with a loss which the reference does not know may differ by more than the
    proven bound of a node, where they cancel.
    """
    unit, proven = rounding(nn.precision_name(certificate.step.network)), certificate.knows_all
    bounds = {} if certificate.objective.is_known else certificate.totals
    for part, node in zip(certificate.parts, trace.nodes, strict=True):
        lost = 0.0 if part.reference else CANCELLED * lost_in(node, inside=True)
        for name, place in part.places.items():
            what, recorded = f"{name} as trained", node.gradients[name]
            least = lost / max(1.0, float(np.max(np.abs(node.parameters[name]), initial=0.0)))
            if place in bounds:
                least += CANCELLED * float(np.max(bounds[place].bound, initial=0.0))
            mode, actual = certificate.mode, plain[place]
            yield alike(
                actual, recorded, mode, part.name, what, unit=unit, proven=proven, lost=least
            )


def _of_reference(certificate: Certificate, trace: Trace) -> tuple[list[Check], list[str]]:
    """Check the reference's own backward pass by complex steps through its forward pass.

    Returns:
        The checks, and a note that names what could not be checked so.
    """
    found = {
        part.name: check_node(part.name, part.reference, node)
        for part, node in zip(certificate.parts, trace.nodes, strict=True)
        if part.reference is not None
    }
    if certificate.objective.is_known:
        found["the loss"] = check_loss(certificate.objective.loss, trace)
    left = [name for name, check in found.items() if check is None]
    unclear = [
        name for name, check in found.items() if check and check.ok and check.kind == EVIDENCE
    ]
    texts = (NOT_FINITE, left), (NOT_TOLD_APART, unclear)
    notes = [text.format(", ".join(names)) for text, names in texts if names]
    return [check for check in found.values() if check is not None], notes
