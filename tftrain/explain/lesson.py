"""The lesson: one training step on one row, in TensorFlow and in NumPy."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

import numpy as np
import tensorflow as tf

from tftrain import losses
from tftrain.data.preprocessor import Preprocessor
from tftrain.errors import InputError
from tftrain.experiment.build import (
    arrays_of,
    loss_of,
    network_of,
    optimizer_of,
    restored_network,
)
from tftrain.experiment.prepare import Prepared
from tftrain.graph import mapped
from tftrain.parity import Report
from tftrain.parity.certificate import (
    Certificate,
    Pair,
    names_of_parameters,
    parts_of,
    reference_network,
)
from tftrain.parity.check import Check
from tftrain.parity.loss_evidence import node_of, of_loss
from tftrain.reference.layers import Activation, Dense, reference_of
from tftrain.reference.losses import Objective
from tftrain.reference.optimizers import Optimizer
from tftrain.runs import Run
from tftrain.traces import Node, Trace, Update
from tftrain.training.batch import Batch, as_batch
from tftrain.training.parameters import common_dtype
from tftrain.training.recorder import Tracer
from tftrain.training.step import Step

MODE = "graph"

SMALL_PARAMETERS = 40
SMALL_WIDTH = 4
"""Most parameters, and units of a layer, of a network that is shown unit by unit."""


@dataclass(frozen=True)
class Lesson:
    """One step on one row, in TensorFlow and in NumPy.

    Attributes:
        step: the training step.
        objective: the reference of its objective.
        parts: the nodes of its network on both sides.
        tensorflow: TensorFlow's trace, with the update.
        numpy: NumPy's.
        report: the certificate of TensorFlow's trace.
        distance: of TensorFlow's gradient from that of NumPy in float64, over its norm.
    """

    step: Step
    objective: Objective
    parts: Sequence[Pair]
    tensorflow: Trace
    numpy: Trace
    report: Report
    distance: float

    @property
    def small(self) -> bool:
        """Whether the network can be shown unit by unit."""
        count = sum(int(np.prod(p.shape)) for p in self.step.parameters)
        widest = max(node.y.shape[-1] for node in self.tensorflow.nodes)
        known = all(isinstance(part.reference, (Dense, Activation)) for part in self.parts)
        known = known and "softmax" not in {node.label for node in self.tensorflow.nodes}
        return known and count <= SMALL_PARAMETERS and widest <= SMALL_WIDTH

    @property
    def pairs(self) -> list[tuple[Node, Node]]:
        """Each node as TensorFlow and as NumPy left it."""
        return list(zip(self.tensorflow.nodes, self.numpy.nodes, strict=True))

    def check(self, node: str, quantity: str) -> Check:
        """Return the check of a quantity."""
        return next(c for c in self.report.checks if (c.node, c.quantity) == (node, quantity))

    def check_of_loss(self, quantity: str) -> Check:
        """Return the check of a quantity of the loss, or the worst where evidence has none."""
        found = [c for c in self.report.checks if c.node == self.loss_node]
        own = [c for c in found if c.quantity == quantity]
        return max(own or found, key=lambda check: check.ratio)

    @property
    def loss_node(self) -> str:
        """What the report calls the loss."""
        return "loss" if self.objective.is_known else node_of(self.step.objective.loss)


def lesson_of(prepared: Prepared, row: int, run: Run | None = None) -> Lesson:
    """Make one step of a config's network on one row (counted from 0), in both engines."""
    config = prepared.config
    network = network_of(config, prepared.plan)
    if run is not None:
        network = restored_network(run, network)
    parameters = network.trainable_variables
    optimizer = optimizer_of(config, len(prepared.split.train))
    objective = losses.Objective.with_l2(loss_of(config), config.loss.l2)
    step = Step(network, parameters, objective, optimizer)
    batch = _batch(prepared, row, network)
    parts = parts_of(step, batch.x)
    if unknown := [part.name.split(" ", 1)[1] for part in parts if part.reference is None]:
        raise InputError(
            f"the reference does not know {', '.join(dict.fromkeys(unknown))}, so that no second "
            "derivation could stand beside TensorFlow's: register its mathematics with "
            "@tftrain.reference.register"
        )
    certificate = Certificate(step, parts, MODE)
    with np.errstate(all="ignore"):
        theirs = Tracer(step, batch, MODE, update=True).run()
        assert theirs.update is not None
        checks = [*certificate.of_trace(theirs), *certificate.of_update(theirs.update)]
        if not certificate.objective.is_known:
            certificate.borrow(theirs)
            checks += of_loss(certificate, theirs)
        ours = _trace_in_numpy(step, certificate.objective, parts, batch)
        distance = certificate.end_to_end(theirs)
    return Lesson(step, certificate.objective, parts, theirs, ours, Report(checks), distance)


def _batch(prepared: Prepared, row: int, network: tf.Module) -> Batch:
    """Return one training row as a batch; its weight is relative to the mean over those rows."""
    dtype = common_dtype(network.trainable_variables)
    preprocessor = Preprocessor(prepared.plan, dtype.name)
    x, y, weight = arrays_of(prepared, preprocessor, "train", [row])
    batch = as_batch(x, y, None, dtype, network)
    if weight is None or prepared.weights is None:
        return batch
    mean = prepared.weights[prepared.split.train].mean()
    return replace(batch, weight=tf.constant(weight / mean, dtype))


def _trace_in_numpy(step: Step, objective: Objective, parts: Sequence[Pair], batch: Batch) -> Trace:
    """Return NumPy's own trace of the step, its update included."""
    weight = None if batch.weight is None else batch.weight.numpy()
    trace = reference_network(parts).trace(
        mapped(lambda one: one.numpy(), batch.x),
        batch.y.numpy(),
        objective,
        weight,
    )
    owners = {
        place: (node, name)
        for part, node in zip(parts, trace.nodes, strict=True)
        for name, place in part.places.items()
    }
    before = [owners[i][0].parameters[owners[i][1]] for i in range(len(owners))]
    gradients = [owners[i][0].gradients[owners[i][1]] for i in range(len(owners))]
    optimizer: Optimizer = reference_of(step.optimizer)
    slots = [optimizer.start(parameter) for parameter in before]
    after, new = optimizer.apply(gradients, before, slots, 0, names_of_parameters(parts))
    return replace(trace, update=Update(0, 1, gradients, before, after, slots, new))


@dataclass(frozen=True)
class Parameter:
    """One parameter with what both engines say of it.

    Attributes:
        name: such as `W1` or `b1`.
        node: number of its node, counted from 1.
        key: its name in the node.
        value: before the step.
        gradients: TensorFlow's and NumPy's.
        after: TensorFlow's and NumPy's.
        gradient_check: of the gradient.
        update_check: of the updated parameter.
    """

    name: str
    node: int
    key: str
    value: np.ndarray
    gradients: tuple[np.ndarray, np.ndarray]
    after: tuple[np.ndarray, np.ndarray]
    gradient_check: Check
    update_check: Check

    @property
    def elements(self) -> list[tuple[int, ...]]:
        """The index of every element."""
        return list(np.ndindex(self.value.shape))

    def element(self, index: Iterable[int]) -> str:
        """Return the name of an element, such as `W1[1,2]`."""
        return f"{self.name}[{','.join(str(i + 1) for i in index)}]"


def parameters_of(lesson: Lesson) -> Iterator[Parameter]:
    """Yield the parameters, layer by layer."""
    theirs, ours = lesson.tensorflow.update, lesson.numpy.update
    assert theirs is not None
    assert ours is not None
    triples = zip(lesson.parts, lesson.pairs, layers_of(lesson.parts), strict=True)
    for n, (part, (node, reference), layer) in enumerate(triples, 1):
        for key in sorted(part.places, key=lambda name: name == "bias"):
            place = part.places[key]
            yield Parameter(
                name=_symbol(key, layer),
                node=n,
                key=key,
                value=node.parameters[key],
                gradients=(node.gradients[key], reference.gradients[key]),
                after=(theirs.after[place], ours.after[place]),
                gradient_check=lesson.check(part.name, key),
                update_check=lesson.check(part.name, f"updated {key}"),
            )


def _symbol(key: str, layer: int) -> str:
    return {"weight": "W", "bias": "b"}.get(key, f"{key} ") + str(layer)


def layers_of(parts: Sequence[Pair]) -> list[int]:
    """Return for each node the number of its layer: of the last one that has parameters."""
    return list(accumulate(int(bool(part.places)) for part in parts))
